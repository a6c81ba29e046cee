"""What the paper says: closed forms, maps, flows; never imports `dynsim.empirical`."""

from dynsim.theory import bounds, maps, modes, order_parameters, orthogonal, phases, sgd, shape, slower_class

__all__ = [
    "bounds", "maps", "modes", "order_parameters", "orthogonal", "phases", "sgd", "shape", "slower_class",
]  # fmt: skip
