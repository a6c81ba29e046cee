"""How the closed forms of `dynsim.theory.modes` are computed: special functions, quadrature, tables."""
