"""The exact law of gradient descent with one input a class: two numbers a class, whatever the width.

With a_k = w_k.x/\\|x\\| and z_k = \\|Z_k\\| of a class's active units, s_k = a_k + z_k and d_k = a_k - z_k, a step
multiplies every s_k by 1 + e and every d_k by 1 - e, where e = lr kappa g(u) (docs/theory.md, section 6).
Hence S = sum s_k^2 and D = sum d_k^2 are mapped to S (1 + e)^2 and D (1 - e)^2, and the logit is
u = (\\|x\\|/4) (S - D). The code carries u and R = (\\|x\\|/4) (S + D), in which the same map has no cancellation:

    u <- u (1 + e^2) + 2 e R,    R <- R (1 + e^2) + 2 e u.

SGD with batches of one point, drawn with replacement, is the same map: a class steps only when it is drawn, then
with e = lr kappa g(u) / f, where f = p / sum(q) is the probability that it is. After n steps the class has been
drawn K times, K binomial with n and f, so that its logit is u_K: a law with n + 1 values, known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.losses import Loss

#: How often `path` looks whether anything still moves, in steps.
_LOOK = 256


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
    state, step = _start(S, D, rate, norm, lr)
    checks.count("steps", steps, least=0)
    path = iterate(state, step, law)
    out = np.empty((steps + 1, *step.shape))
    # A diverging law is inf and then NaN, as the network it describes.
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps + 1):
            out[k] = next(path).u
    return out


def sgd_quantiles(
    S: ArrayLike,
    D: ArrayLike,
    *,
    rate: ArrayLike,
    norm: ArrayLike,
    frequency: ArrayLike,
    lr: ArrayLike,
    steps: ArrayLike,
    quantiles: ArrayLike,
    loss: str = "cross_entropy",
) -> Floats:
    """Quantiles of the logit after some steps of SGD with batches of one point, exactly.

    Parameters
    ----------
    S, D, rate, norm, lr, loss
        As for `gradient_descent`; rate is kappa = p \\|x\\|, the rate of the full batch.
    frequency : array_like
        f = p / sum(q), the probability that the point drawn is one of the class; positive and at most 1. With
        frequency 1 there is no chance in it, and every quantile is the logit of `gradient_descent`.
    steps : array_like of int
        After how many steps n, at least 0 (time = lr x n); in any order.
    quantiles : array_like
        Levels between 0 and 1, both excluded.

    Returns
    -------
    ndarray, shape (*quantiles.shape, *steps.shape, ...)
        The smallest logit u with P(logit <= u) >= level: always one of u_0, ..., u_n. The last axes are those of
        the arguments, broadcast. NaN where the map may have diverged by then.

    Notes
    -----
    Exact under (H1)-(H3) with one input a class, at every lr, while g >= 0 (the squared loss: while u <= 1), as
    long as batches are drawn with replacement. Values of K whose probabilities add up to less than 1e-18 are left
    out; the others have a relative error of at most 4 eps \\|K - n f\\|.

    The path u_0, u_1, ... is computed once and kept: 16 bytes a step and element, of which there may be 10^7.

    Examples
    --------
    >>> sgd_quantiles(0.4, 0.0, rate=0.5, norm=1.0, frequency=0.5, lr=0.1, steps=[1, 100], quantiles=[0.05, 0.95])
    array([[0.1       , 1.6981199 ],
           [0.10972606, 2.44272514]])
    """
    levels = open_levels("quantiles", quantiles)
    law = _drawn(S, D, rate, norm, frequency, lr, steps, loss)
    out = np.empty((levels.size, len(law.steps), law.frequency.size))
    for t, n in enumerate(law.steps.tolist()):
        for f in np.unique(law.frequency):
            own = law.frequency == f
            first, probability = draws(n, float(f))
            u, share = ordered(law.u[first : first + len(probability), own], probability)
            out[:, t, own] = quantiles_of(u, share, levels.ravel())
    return out.reshape((*levels.shape, *np.shape(steps), *law.shape))


def sgd_mean(
    S: ArrayLike,
    D: ArrayLike,
    *,
    rate: ArrayLike,
    norm: ArrayLike,
    frequency: ArrayLike,
    lr: ArrayLike,
    steps: ArrayLike,
    loss: str = "cross_entropy",
) -> Floats:
    """The mean of the logit after some steps of SGD with batches of one point, exactly.

    The arguments are those of `sgd_quantiles`; the result has shape (*steps.shape, ...).

    Examples
    --------
    >>> sgd_mean(0.4, 0.0, rate=0.5, norm=1.0, frequency=0.5, lr=0.5, steps=[0, 1], loss="hinge")
    array([0.1   , 0.1625])
    """
    law = _drawn(S, D, rate, norm, frequency, lr, steps, loss)
    out = np.empty((len(law.steps), law.frequency.size))
    for t, n in enumerate(law.steps.tolist()):
        for f in np.unique(law.frequency):
            own = law.frequency == f
            first, probability = draws(n, float(f))
            out[t, own] = probability @ law.u[first : first + len(probability), own]
    return out.reshape((*np.shape(steps), *law.shape))


def _start(
    S: ArrayLike, D: ArrayLike, rate: ArrayLike, norm: ArrayLike, lr: ArrayLike, frequency: ArrayLike = 1.0
) -> tuple[Mode, Floats]:
    """The first state, and lr kappa / frequency, all of one shape."""
    x, eta, kappa = checks.positive("norm", norm), checks.positive("lr", lr), checks.positive("rate", rate)
    s, d = checks.nonnegative("S", S), checks.nonnegative("D", D)
    f = checks.array("frequency", frequency)
    try:
        s, d, x, step = np.broadcast_arrays(s, d, x, eta * kappa / f)
    except ValueError as error:
        last = f", {f.shape}" if f.shape else ""
        shapes = ", ".join(str(a.shape) for a in (s, d, kappa, x, eta)) + last
        names = "S, D, rate, norm, lr and frequency" if f.shape else "S, D, rate, norm and lr"
        raise ValueError(f"{names} must broadcast to one shape, got {shapes}") from error
    return Mode(x / 4 * (s - d), x / 4 * (s + d)), step


class _Drawn(NamedTuple):
    """The path u (k, m) of m elements, their frequencies (m,), the steps (t,), and the shape of the elements."""

    u: Floats
    frequency: Floats
    steps: NDArray[np.int64]
    shape: tuple[int, ...]


def _drawn(
    S: ArrayLike,
    D: ArrayLike,
    rate: ArrayLike,
    norm: ArrayLike,
    frequency: ArrayLike,
    lr: ArrayLike,
    steps: ArrayLike,
    loss: str,
) -> _Drawn:
    law, f = losses.get(loss), checks.positive("frequency", frequency)
    if np.any(f > 1.0):
        raise ValueError(f"frequency must be at most 1, got {f.max():.10g}")
    n = step_counts("steps", steps)
    state, step = _start(S, D, rate, norm, lr, f)
    own = np.broadcast_to(f, step.shape).ravel()
    last = max((most_draws(int(n.max(initial=0)), float(one)) for one in np.unique(own)), default=0)
    u = path(Mode(state.u.ravel(), state.R.ravel()), step.ravel(), law, last).u
    return _Drawn(u, own, n.ravel(), step.shape)


def ordered(u: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """The columns of u (k, m), whose rows have the given probabilities (k,), each in increasing order.

    The probabilities come back with shape (k, 1) where all columns increase already, and with (k, m) where not.
    """
    if np.all(u[1:] >= u[:-1]):
        return u, probability[:, None]
    # With the squared loss a step may overshoot: the values are not in the order of k.
    order = np.argsort(u, axis=0)
    return np.take_along_axis(u, order, axis=0), probability[order]


def quantiles_of(u: Floats, probability: Floats, levels: Floats) -> Floats:
    """Quantiles (q, m) of what `ordered` returns; NaN where a column holds a NaN."""
    total = np.cumsum(probability, axis=0)
    # A sum of probabilities that equals a level but for rounding has reached it.
    place = np.stack([np.sum(total < level * (1.0 - 1e-12), axis=0) for level in levels])
    place = np.broadcast_to(np.minimum(place, len(u) - 1), (len(levels), u.shape[1]))
    return np.where(np.isnan(u).any(axis=0), np.nan, np.take_along_axis(u, place, axis=0))


def step_counts(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """`values` as whole numbers of at least 0."""
    out = checks.nonnegative(name, values)
    if np.any(out != np.rint(out)) or np.asarray(values).dtype == np.bool_:
        raise ValueError(f"{name} must be whole numbers, got {values!r}")
    return out.astype(np.int64)


def open_levels(name: str, values: ArrayLike) -> Floats:
    """`values` between 0 and 1, both excluded."""
    out = checks.array(name, values)
    if not np.all((out > 0.0) & (out < 1.0)):
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, got {values!r}")
    return out


def most_draws(steps: int, frequency: float) -> int:
    """The largest number of draws in so many steps that `draws` does not leave out."""
    return min(steps, int(np.ceil(steps * frequency + _reach(steps, frequency))))


def draws(steps: int, frequency: float) -> tuple[int, Floats]:
    """The law of K, binomial: the first number that is not left out, and the probabilities from there on.

    What is left out has a probability of less than 1e-18 altogether (Bernstein's inequality).
    """
    if frequency == 1.0:
        return steps, np.ones(1)
    first = max(0, int(np.floor(steps * frequency - _reach(steps, frequency))))
    k = np.arange(first, most_draws(steps, frequency) + 1)
    mode = min(int((steps + 1) * frequency), int(k[-1])) - first
    # From the mode outwards every ratio is at most 1: nothing overflows, and no logarithm of a large n cancels.
    ratio = (steps - k[:-1]) / (k[1:]) * (frequency / (1.0 - frequency))
    up, down = np.cumprod(ratio[mode:]), np.cumprod(1.0 / ratio[:mode][::-1])[::-1]
    weight = np.concatenate([down, [1.0], up])
    return first, weight / weight.sum()


def _reach(steps: int, frequency: float) -> float:
    """The w with 2 exp(-w^2 / (2 v + 2 w / 3)) = 1e-18, v the variance."""
    third = np.log(2e18) / 3.0
    return float(third + np.sqrt(third**2 + 6.0 * third * steps * frequency * (1.0 - frequency)))


def path(state: Mode, step: Floats, loss: Loss, count: int) -> Mode:
    """The states after 0, 1, ..., `count` steps, on a leading axis."""
    out = Mode(np.empty((count + 1, *state.u.shape)), np.empty((count + 1, *state.u.shape)))
    with np.errstate(over="ignore", invalid="ignore"):
        for k, now in enumerate(iterate(state, step, loss)):
            out.u[k], out.R[k] = now
            if k == count:
                break
            # Where nothing moves, nothing will; asked now and then only, as asking costs as much as a step.
            if k % _LOOK == _LOOK - 1 and all(np.array_equal(row[k], row[k - 1]) for row in out):
                out.u[k:], out.R[k:] = now
                break
    return out


def iterate(state: Mode, step: Floats, loss: Loss) -> Iterator[Mode]:
    """The states after 0, 1, 2, ... steps; `step` is lr kappa."""
    while True:
        yield state
        state = advance(state, step * loss.pull(state.u))


def advance(state: Mode, e: Floats) -> Mode:
    """One step: S <- S (1 + e)^2, D <- D (1 - e)^2.

    What a step adds comes last: 1 + e^2 would round the same way at every step where e is constant.
    """
    return Mode(state.u + e * (e * state.u + 2.0 * state.R), state.R + e * (e * state.R + 2.0 * state.u))
