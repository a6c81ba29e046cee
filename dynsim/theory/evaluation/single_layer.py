"""The mode of a model without a hidden layer, f(x) = w.x: depth 1, in closed form for each of the four losses.

docs/theory.md, section 11, at N = 1: du/dt = p |x|^2 g(u), u = w.x (eq 5 of the paper, v2). Nothing is a fixed
point but a pull of 0, so that a start may have any sign. Notation: T = p |x|^2 t = rate * norm * t, t = lr x step.

Cross-entropy has u + e^u = K with K = T + u0 + e^{u0}, that is u = K - omega(K) = log omega(K) with the Wright
omega function; the same equation is the lazy limit of one hidden layer.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dynsim.checks import Floats

_SMALLEST = float(np.finfo(np.float64).tiny)
_OVERFLOW = 300.0


def logit(time: Floats, *, initial: Floats, rate: Floats, norm: Floats, loss: str) -> Floats:
    """The logit at a time > 0, finite; arrays of one shape.

    Examples
    --------
    >>> one = np.ones(1)
    >>> logit(one, initial=0 * one, rate=one, norm=2 * one, loss="squared").round(6)           # 1 - e^-2
    array([0.864665])
    """
    with np.errstate(all="ignore"):
        total = time * rate * norm
        apart = np.log(time) + np.log(rate) + np.log(norm)
        seen = (total > _SMALLEST) & (total < np.inf)
        total, log_total = np.where(seen, total, np.exp(apart)), np.where(seen, np.log(total), apart)
        return _LOGITS[loss](initial, total, log_total)


def time_to(logit: Floats, *, initial: Floats, rate: Floats, norm: Floats, loss: str) -> Floats:
    """The time to a logit that is reached, other than `initial`; arrays of one shape.

    Examples
    --------
    >>> one = np.ones(1)
    >>> time_to(one, initial=-one, rate=one, norm=2 * one, loss="hinge")
    array([1.])
    """
    with np.errstate(all="ignore"):
        total, log_total = _TIMES[loss](initial, logit)
        time = total / rate / norm
        seen = (time > _SMALLEST) & (time < np.inf) & (total < np.inf)
        return np.where(seen, time, np.exp(log_total - np.log(rate) - np.log(norm)))


def _cross_entropy_logit(u0: Floats, total: Floats, log_total: Floats) -> Floats:
    start = np.exp(u0)
    level = (total + start) + u0
    # Where level overflows, log level is u; where e^level underflows, level is.
    omega = np.where(level < np.inf, np.log(special.wrightomega(level)), np.logaddexp(u0, log_total))
    u = np.where(level < -600.0, level, omega)
    straight = np.where(total < np.inf, total / (1.0 + start), np.exp(log_total - u0))
    u = np.where(straight < 1e-3, u0 + straight, np.maximum(u, u0))
    for _ in range(2):
        scale = np.where(u > _OVERFLOW, u, 0.0)
        wanted = np.where(scale == 0.0, total, np.exp(log_total - scale))
        rise, one = u - u0, np.exp(-scale)
        missing = (wanted - rise * one) + np.exp(u - scale) * np.expm1(-rise)
        u = np.maximum(u0, u + missing / (one + np.exp(u - scale)))
    return np.asarray(u)


def _cross_entropy_time(u0: Floats, u: Floats) -> tuple[Floats, Floats]:
    rise = u - u0
    gained = -np.expm1(-rise)
    return np.asarray(rise + np.exp(u) * gained), np.asarray(u + np.log(gained + rise * np.exp(-u)))


def _exponential_logit(u0: Floats, total: Floats, log_total: Floats) -> Floats:
    product = total * np.exp(-u0)
    rise = np.where((product > _SMALLEST) & (product < np.inf), product, np.exp(log_total - u0))
    return np.where(rise < 1.0, u0 + np.log1p(rise), np.logaddexp(u0, log_total))


def _exponential_time(u0: Floats, u: Floats) -> tuple[Floats, Floats]:
    gained = -np.expm1(u0 - u)
    return np.asarray(np.exp(u) * gained), np.asarray(u + np.log(gained))


def _hinge_logit(u0: Floats, total: Floats, log_total: Floats) -> Floats:
    return np.maximum(u0, np.minimum(u0 + total, 1.0))


def _hinge_time(u0: Floats, u: Floats) -> tuple[Floats, Floats]:
    return u - u0, np.log(u - u0)


def _squared_logit(u0: Floats, total: Floats, log_total: Floats) -> Floats:
    low = u0 - (1.0 - u0) * np.expm1(-total)
    high = 1.0 - (1.0 - u0) * np.exp(-total)
    # From below 0, `low` has the error of u0, `high` that of 1 - u, which is less than that of T once T > 1.
    sunk = (u0 < 0.0) & ((low < -0.5) | (total >= 1.0))
    # Within a rounding of u0, a logit may come out on its other side.
    found = np.where((u0 <= 1.0) & (low < 0.5) & ~sunk, low, high)
    return np.where(u0 <= 1.0, np.maximum(found, u0), np.minimum(found, u0))


def _squared_time(u0: Floats, u: Floats) -> tuple[Floats, Floats]:
    total = np.log1p((u - u0) / (1.0 - u))
    return total, np.log(total)


_LOGITS = {
    "cross_entropy": _cross_entropy_logit,
    "exponential": _exponential_logit,
    "hinge": _hinge_logit,
    "squared": _squared_logit,
}
_TIMES = {
    "cross_entropy": _cross_entropy_time,
    "exponential": _exponential_time,
    "hinge": _hinge_time,
    "squared": _squared_time,
}
