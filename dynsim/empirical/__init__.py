"""What networks do: hand-written passes and training; never imports `dynsim.theory`."""
