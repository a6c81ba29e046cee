"""What the paper says: closed forms, maps, flows; never imports `dynsim.empirical`."""

from dynsim.theory import (
    bounds,
    competition,
    generator,
    maps,
    modes,
    order_parameters,
    orthogonal,
    phases,
    sgd,
    shape,
    slower_class,
    starvation,
)

__all__ = [
    "bounds",
    "competition",
    "generator",
    "maps",
    "modes",
    "order_parameters",
    "orthogonal",
    "phases",
    "sgd",
    "shape",
    "slower_class",
    "starvation",
]
