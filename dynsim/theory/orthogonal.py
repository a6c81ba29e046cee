"""A class of mutually orthogonal points: A.7 (v2) as a case of one input a class.

Let a class hold m mutually orthogonal points x_i of norm |x| and of weight q each, and let every unit be active
on all of them alike, w_k.x_i = Y_k. Then all margins are one u, all pulls are one g, and the sum over the
class that moves every unit is r = sum_i q y g x_i = (m q) y g x with the mean point x, of norm |x|/sqrt(m). That is
the equation of one input, the mean, with weight m q (docs/theory.md, section 3). Under it every w_k moves along the
mean, so that w_k.x_i stays the same for all i. With kappa = m q |x|/sqrt(m),

    du/dt = 2 sqrt(m) q |x| sqrt(u^2 + C^2) g(u),

and with Y_k^2 - (|x|^2/m) Z_k^2 every unit conserves m Y_k^2 - |x|^2 Z_k^2. The paper has q = 1 and C = 0. In
general, units that are active on the points in different degrees leave this law, even from equal margins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats

__all__ = ["OneInput", "one_input"]


class OneInput(NamedTuple):
    """The one input that learns as a class does: its `norm`, `frequency` and `rate` = frequency * norm."""

    norm: Floats
    frequency: Floats
    rate: Floats


def one_input(points: ArrayLike, *, norm: ArrayLike, weight: ArrayLike = 1.0) -> OneInput:
    """The one input to which mutually orthogonal points of equal norm and weight amount: A.7 (v2).

    Parameters
    ----------
    points : array_like
        The number m of points in the class, whole numbers from 1 on.
    norm : array_like
        |x| > 0 of each point.
    weight : array_like
        q > 0 of each point in the loss: 1 is the sum of A.7, 1/n the mean over n points in all classes.

    Returns
    -------
    OneInput
        |x|/sqrt(m), m q and sqrt(m) q |x|, in the shape to which the arguments broadcast (0-d for numbers):
        what `theory.modes` takes as norm and rate. Relative error below 5e-16.

    Raises
    ------
    ValueError
        If a number of points is not whole and positive, or a norm or weight not positive.

    Examples
    --------
    >>> one_input([1, 4, 100], norm=2.0, weight=0.01).rate.round(6)
    array([0.02, 0.04, 0.2 ])
    """
    m, size, q = np.broadcast_arrays(
        checks.positive("points", points), checks.positive("norm", norm), checks.positive("weight", weight)
    )
    uneven = (m < 1.0) | (np.floor(m) != m)
    if uneven.any():
        raise ValueError(f"points must be whole numbers of at least 1, got {m[uneven][0]:.10g}")
    root = np.sqrt(m)
    return OneInput(np.asarray(size / root), np.asarray(m * q), np.asarray(root * q * size))
