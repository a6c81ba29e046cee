"""The exact law of gradient descent with one input a class: two numbers a class, whatever the width.

With a_k = w_k.x/\\|x\\| and z_k = \\|Z_k\\| of a class's active units, s_k = a_k + z_k and d_k = a_k - z_k, a step
multiplies every s_k by 1 + e and every d_k by 1 - e, where e = lr kappa g(u) (docs/theory.md, section 6).
Hence S = sum s_k^2 and D = sum d_k^2 are mapped to S (1 + e)^2 and D (1 - e)^2, and the logit is
u = (\\|x\\|/4) (S - D). The code carries u and R = (\\|x\\|/4) (S + D), in which the same map has no cancellation:

    u <- u (1 + e^2) + 2 e R,    R <- R (1 + e^2) + 2 e u.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.losses import Loss


class Mode(NamedTuple):
    """The state of a class: u and R, arrays of any common shape."""

    u: Floats
    R: Floats


def gradient_descent(
    S: ArrayLike,
    D: ArrayLike,
    *,
    rate: ArrayLike,
    norm: ArrayLike,
    lr: ArrayLike,
    steps: int,
    loss: str = "cross_entropy",
) -> Floats:
    """The logit after 0, 1, ..., `steps` steps of gradient descent, exactly.

    Parameters
    ----------
    S, D : array_like
        sum (a_k + z_k)^2 and sum (a_k - z_k)^2 over the class's active units.
    rate : array_like
        kappa = p \\|x\\|.
    norm : array_like
        \\|x\\|.
    lr : array_like
    steps : int
    loss : str

    Returns
    -------
    ndarray, shape (steps + 1, ...)
        The leading axis is the step (time = lr x step), the others are those of the arguments, broadcast.

    Notes
    -----
    Exact for the class of a network that satisfies (H1)-(H3) with one input a class, at every learning rate,
    as long as g >= 0 (the squared loss: while u < 1); only round-off separates it from a trained network.

    Examples
    --------
    >>> gradient_descent(4.0, 0.0, rate=1.0, norm=1.0, lr=0.5, steps=1, loss="hinge")
    array([1., 1.])
    """
    law = losses.get(loss)
    x, eta, kappa = checks.positive("norm", norm), checks.positive("lr", lr), checks.positive("rate", rate)
    s, d = checks.nonnegative("S", S), checks.nonnegative("D", D)
    checks.count("steps", steps, least=0)
    try:
        s, d, x, step = np.broadcast_arrays(s, d, x, eta * kappa)
    except ValueError as error:
        shapes = ", ".join(str(a.shape) for a in (s, d, kappa, x, eta))
        raise ValueError(f"S, D, rate, norm and lr must broadcast to one shape, got {shapes}") from error
    path = iterate(Mode(x / 4 * (s - d), x / 4 * (s + d)), step, law)
    out = np.empty((steps + 1, *s.shape))
    # A diverging law is inf and then NaN, as the network it describes.
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps + 1):
            out[k] = next(path).u
    return out


def iterate(state: Mode, step: Floats, loss: Loss) -> Iterator[Mode]:
    """The states after 0, 1, 2, ... steps; `step` is lr kappa."""
    while True:
        yield state
        state = advance(state, step * loss.pull(state.u))


def advance(state: Mode, e: Floats) -> Mode:
    """One step: S <- S (1 + e)^2, D <- D (1 - e)^2."""
    square = 1.0 + e * e
    return Mode(state.u * square + 2.0 * e * state.R, state.R * square + 2.0 * e * state.u)
