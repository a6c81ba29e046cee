"""What the paper says: closed forms, maps, flows; never imports `dynsim.empirical`."""

from dynsim.theory import maps, modes, order_parameters

__all__ = ["maps", "modes", "order_parameters"]
