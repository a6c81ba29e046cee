"""The logit of units on the separatrix, which creeps to 0 from below and never reaches it.

docs/theory.md, section 4, where S = 0: with v = -u > 0 and T = 2 kappa t (t = lr x step),

    dv/dT = -v g(-v),

which is T = log(v0/v) for hinge, log(v0/v) + E1(v) - E1(v0) for cross-entropy, E1(v) - E1(v0) for the exponential
loss and log(v0/v) - log((1 + v0)/(1 + v)) for the squared loss. As E1(v) = -gamma - log v + Ein(v) with the entire
function Ein(v) = sum_{k>=1} (-1)^{k+1} v^k/(k k!), the two equations that are not solved at sight are, for the
decay x = log(v0/v) and weight = 1 (cross-entropy) or 0 (exponential loss),

    T = weight x + E1(v) - E1(v0) = (weight + 1) x - Ein(v0) + Ein(v).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dynsim.checks import Floats
from dynsim.theory.evaluation.special import bracketed_newton, scaled_time

# E1(v) - E1(v0) is at most x, so that x is at least T/2: sqrt(v0) e^-x/2 is 0 then, for every v0 up to 1e12.
_GONE = 3100.0
_ASYMPTOTIC_FROM = 40.0
_EIN = 1.0 / np.array([-((-1.0) ** k) * k * float(special.factorial(k)) for k in range(1, 21)])


def creep(time: Floats, initial: Floats, rate: Floats, loss: str) -> Floats:
    """The size v = -u of the logit at a time.

    Parameters
    ----------
    time, initial, rate : ndarray of one shape, one dimension
        t = lr x step >= 0 (inf allowed), v0 > 0 up to 1e12, kappa > 0 (not checked).
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".

    Returns
    -------
    ndarray of that shape
        Relative error of some 1e-15 times 1 + log(v0/v), which is what roundings of the time make of it.

    Examples
    --------
    >>> t, one = np.array([0.0, 1.0, 10.0]), np.ones(3)
    >>> creep(t, one, one, "cross_entropy").round(9)
    array([1.00000000e+00, 2.81742719e-01, 3.04850000e-05])
    """
    with np.errstate(under="ignore"):
        return np.asarray(initial * np.exp(-decay(time, initial, rate, loss)))


def decay(time: Floats, initial: Floats, rate: Floats, loss: str) -> Floats:
    """x = log(v0/v), from arguments as for `creep`; inf where e^-x/2 is 0."""
    with np.errstate(all="ignore"):
        total, log_total = scaled_time(rate, time)
        if loss == "hinge":
            return total
        if loss == "squared":
            return np.asarray(total + np.log1p(-initial * np.expm1(-total)))
        return _decay(initial, total, log_total, 1.0 if loss == "cross_entropy" else 0.0)


def _decay(v0: Floats, total: Floats, log_total: Floats, weight: float) -> Floats:
    out = np.where(total == 0.0, 0.0, np.inf)
    moving = (total > 0.0) & (total < _GONE)
    start = np.maximum(v0, 1.0)
    to_one = weight * np.log(start) + special.exp1(1.0) - special.exp1(start)
    high = moving & (v0 > 1.0) & (total < to_one)
    above = _above_one if weight else _above_one_exponential
    out[high] = above(v0[high], total[high], log_total[high])
    low = moving & ~high
    rest = total - np.where(v0 > 1.0, to_one, 0.0)
    out[low] = np.log(start[low]) + _below_one(np.minimum(v0, 1.0)[low], rest[low], weight)
    return out


def _ein(v: Floats) -> Floats:
    """Ein(v) for 0 <= v <= 1."""
    out: Floats = np.zeros_like(v)
    for coefficient in _EIN[::-1]:
        out = v * (coefficient + out)
    return out


def _below_one(v0: Floats, total: Floats, weight: float) -> Floats:
    """x for v0 <= 1: (weight + 1) x - Ein(v0) + Ein(v0 e^-x) = T."""
    start = _ein(v0)

    def excess(x: Floats) -> tuple[Floats, Floats]:
        v = v0 * np.exp(-x)
        return (weight + 1.0) * x - (start - _ein(v)) - total, weight + np.exp(-v)

    # The left side is convex with slopes from weight + e^-v0 to weight + 1: Newton comes down from the upper end.
    top = total / (weight + np.exp(-v0))
    return bracketed_newton(excess, total / (weight + 1.0), top, top)


def _above_one(v0: Floats, total: Floats, log_total: Floats) -> Floats:
    """Cross-entropy, v >= 1: x + E1(v0 e^-x) - E1(v0) = T, convex with slopes from 1 to 2."""
    start = special.exp1(v0)

    def excess(x: Floats) -> tuple[Floats, Floats]:
        v = v0 * np.exp(-x)
        return x + (special.exp1(v) - start) - total, 1.0 + np.exp(-v)

    top = np.minimum(total, np.log(v0))
    return bracketed_newton(excess, 0.5 * top, top, top)


def _above_one_exponential(v0: Floats, total: Floats, log_total: Floats) -> Floats:
    """Exponential loss, v >= 1: log E1(v) = log(E1(v0) + T), as E1(v0) may underflow."""
    target = -np.logaddexp(_log_exp1(v0)[0], log_total)

    def excess(v: Floats) -> tuple[Floats, Floats]:
        value, slope = _log_exp1(v)
        return -value - target, -slope

    guess = target - np.log(np.maximum(target, 1.0))
    return np.asarray(np.log(v0 / bracketed_newton(excess, np.ones_like(v0), v0, guess)))


def _log_exp1(v: Floats) -> tuple[Floats, Floats]:
    """log E1(v) for v >= 1, and its derivative."""
    near, far = np.minimum(v, _ASYMPTOTIC_FROM), np.maximum(v, _ASYMPTOTIC_FROM)
    # From 40 on the smallest term of the asymptotic series, 40!/40^40 = 7e-17, no longer matters.
    series = np.ones_like(far)
    for k in range(40, 0, -1):
        series = 1.0 - (k / far) * series
    value = special.exp1(near)
    log = np.where(v < _ASYMPTOTIC_FROM, np.log(value), np.log(series) - np.log(far) - far)
    slope = np.where(v < _ASYMPTOTIC_FROM, -np.exp(-near) / (near * value), -1.0 / series)
    return log, slope
