"""The clock of a mode with any imbalance C >= 0, and the quadrature that gives its time.

docs/theory.md, section 4: du/dt = 2 kappa sqrt(u^2 + C^2) g(u). Notation: R(u) = sqrt(u^2 + C^2), T = 2 kappa t
(t = lr x step), and the hyperbolic angle s between two logits (dynsim.theory.evaluation.angles). Then

    T = weight * s + J,    J = int exp(u) ds,

with weight = 1 for cross-entropy (A.3 of the paper, v2), 0 for the exponential loss and C - 1 for the softmax of
C classes. dynsim.theory.evaluation.quadrature computes J.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.theory.evaluation.angles import angle, angle_between, logit_after, moved, rise
from dynsim.theory.evaluation.quadrature import integral_below, rough_integral_below, scaled_integral

__all__ = ["angle", "elapsed", "logit_after", "scaled_integral", "solve"]

_OVERFLOW = 300.0
_HUGE = 1e150
_CHUNK = 4096
_POLISHES = 8


def elapsed(
    initial: Floats, logit: Floats, imbalance: Floats, *, weight: ArrayLike
) -> tuple[Floats, Floats]:
    """T = weight * s + J between two logits, and log T, which is right also where T overflows.

    Parameters
    ----------
    initial, logit, imbalance : ndarray of one shape
        As `low`, `high` and `imbalance` of `scaled_integral`.
    weight : float or array_like that broadcasts to that shape
        1 for cross-entropy, 0 for the exponential loss, C - 1 for the softmax of C classes.

    Returns
    -------
    (T, log_T) : tuple of ndarray
        T to a relative error below 3e-15 where it does not overflow, (0, -inf) where the logits are equal.

    Examples
    --------
    >>> T, log_T = elapsed(np.array([1e-3]), np.array([800.0]), np.array([0.0]), weight=1.0)
    >>> print(T, log_T.round(6))
    [inf] [793.316641]
    """
    shape = np.shape(logit)
    columns = _flattened(shape, initial, logit, imbalance, weight)
    scaled, log_scaled = np.empty((2, columns[0].size))
    with np.errstate(all="ignore"):
        for part in _parts(scaled.size):
            u0, u, c, w = (a[part] for a in columns)
            total, scale, _ = _sum(u, angle(u0, u, c), integral_below(u0, u, c), c, w)
            scaled[part], log_scaled[part] = total * np.exp(scale), np.log(total) + scale
    return scaled.reshape(shape), log_scaled.reshape(shape)


def solve(
    initial: Floats, scaled: Floats, log_scaled: Floats, imbalance: Floats, *, weight: ArrayLike
) -> Floats:
    """The logit u at T = 2 kappa t: weight * s + J(u0, u) = T, the inverse of `elapsed`.

    Parameters
    ----------
    initial, scaled, log_scaled, imbalance : ndarray of one shape
        u0 < 1e15, T > 0 and log T (finite, T itself may overflow), and C >= 0 (C > 0 where u0 <= 0).
    weight : float or array_like that broadcasts to that shape
        1 for cross-entropy, 0 for the exponential loss, C - 1 for the softmax of C classes.

    Returns
    -------
    ndarray of that shape
        Relative error of a few 1e-16 times the sensitivity of u to T, u0 and C.

    Examples
    --------
    >>> u = solve(np.array([0.01]), np.array([10.0]), np.log([10.0]), np.array([1e-300]), weight=1.0)
    >>> print(f"{u[0]:.12f}")
    0.863712882485
    """
    shape = np.shape(initial)
    columns = _flattened(shape, initial, log_scaled, imbalance, weight, scaled)
    out = np.empty(columns[0].size)
    with np.errstate(all="ignore"):
        for part in _parts(out.size):
            out[part] = _solve(*(a[part] for a in columns))
    return out.reshape(shape)


def _flattened(shape: tuple[int, ...], *arguments: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_to(np.asarray(a, dtype=np.float64), shape).ravel() for a in arguments)


def _parts(size: int) -> list[slice]:
    """Pieces whose arrays stay in the cache."""
    return [slice(i, i + _CHUNK) for i in range(0, size, _CHUNK)]


def _sum(u: Floats, turn: Floats, integral: Floats, imbalance: Floats, weight: Floats) -> tuple[Floats, ...]:
    """(T e^-scale, scale, dT/ds e^-scale); the scale is u where T would over- or underflow, else 0."""
    # With weight = 0 nothing else keeps e^u / C from underflow.
    large = np.where(weight > 0.0, u > _OVERFLOW, (np.abs(u) > _OVERFLOW) | (imbalance > _HUGE))
    scale = np.where(large, u, 0.0)
    part = np.where(weight > 0.0, weight * np.exp(-scale), 0.0)
    factor = np.exp(u - scale)
    return part * turn + integral * factor, scale, part + factor


def _solve(u0: Floats, log_scaled: Floats, imbalance: Floats, weight: Floats, scaled: Floats) -> Floats:
    radius = np.hypot(u0, imbalance)
    least, most = _bracket(u0, radius, log_scaled, imbalance, weight)
    turn = np.exp(most)
    u = u0 + turn * radius
    # A movement too small for the angle between two floats to be seen well is linear in T.
    seen = (u - u0 > 1e-6 * np.abs(u0)) | (u - u0 > 1e-4)
    far = np.flatnonzero(seen & (turn * (1.0 + radius) > 1e-8))
    columns = [a[far] for a in (u0, radius, log_scaled, imbalance, weight)]
    least, most = least[far], most[far]
    guess = _climb(columns, least, most, _guess(columns, most), coarse=False)
    guess = np.exp(_climb(columns, least, most, guess, coarse=True))
    u[far] = moved(columns[0], columns[1], columns[3], guess)
    return _polished(u, u0, log_scaled, imbalance, weight, scaled)


def _polished(
    u: Floats, u0: Floats, log_scaled: Floats, imbalance: Floats, weight: Floats, scaled: Floats
) -> Floats:
    """Steps of fourth order in the angle, from the exact integral; for nearly all logits one is enough.

    The angle from u0 is known to a unit of rounding of log s; such a step reaches that of u.
    """
    out, place = u, np.arange(u.size)
    columns = [u0, log_scaled, imbalance, weight, scaled]
    for _ in range(_POLISHES):
        u0, log_scaled, imbalance, weight, scaled = columns
        end = np.hypot(u, imbalance)
        turn = angle_between(u0, u, np.hypot(u0, imbalance), end, imbalance)
        total, scale, slope = _sum(u, turn, integral_below(u0, u, imbalance), imbalance, weight)
        wanted = np.where(scale == 0.0, scaled, np.exp(log_scaled - scale))
        # T + g s + e^u R s^2 / 2 + e^u (R^2 + u) s^3 / 6 = wanted, inverted; s R, as R^2 may overflow
        first = (wanted - total) / slope
        reach = first * end
        growth = 0.5 * np.exp(u - scale) / slope
        bent = growth * reach * (1.0 - 2.0 * growth * reach) + growth * (reach * reach + u * first * first) / 3.0
        size = np.abs(first) + np.abs(reach)
        step = np.where(size < 0.1, first * (1.0 - bent), first)
        # u cosh s + R sinh s, for small s of either sign
        half = 2.0 * np.sinh(0.5 * step) ** 2
        u = np.maximum(u0, u + (u * half + end * np.sinh(step)))
        out[place] = u
        left = np.flatnonzero(size > 1e-4)
        if not left.size:
            break
        u, place, columns = u[left], place[left], [a[left] for a in columns]
    return out


def _bracket(
    u0: Floats, radius: Floats, log_scaled: Floats, imbalance: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """Bounds on log s, from (weight + e^u0) s <= T <= (weight + e^u) s and an upper bound on u."""
    # J >= (1 - 1/e) e^u / R(u) once u >= u0 + 1, and u/2 > log(u) + 1/2 from u = 10 on.
    bound = 2.0 * np.maximum(log_scaled, 0.0) + 2.0 * np.log1p(imbalance) + 10.0
    ceiling = np.maximum(u0 + 1.0, bound)
    log_weight = np.log(weight)
    longest = np.log(angle_between(u0, ceiling, radius, np.hypot(ceiling, imbalance), imbalance))
    most = np.minimum(log_scaled - np.logaddexp(log_weight, u0), longest)
    top = np.minimum(ceiling, u0 + rise(u0, radius, imbalance, np.exp(most)) + 1.0)
    return np.minimum(log_scaled - np.logaddexp(log_weight, top), most), most


def _guess(columns: list[Floats], most: Floats) -> Floats:
    """log s where one of two things is all: T = (weight + e^u0) s, the bound `most`, or T = e^u / R(u)."""
    u0, radius, log_scaled, imbalance, _ = columns
    late = log_scaled + np.log1p(np.hypot(np.maximum(log_scaled, 0.0), imbalance))
    turn = angle_between(u0, np.maximum(late, u0), radius, np.hypot(late, imbalance), imbalance)
    return np.where(late > u0, np.minimum(most, np.log(turn)), most)


def _climb(columns: list[Floats], least: Floats, most: Floats, start: Floats, *, coarse: bool) -> Floats:
    """log s by Halley's method for log T as a function of log s, which is linear at both ends, in a bracket.

    By the `coarse` integral to some 1e-5 of the scale on which T changes, else to some percents by a rough one.
    """
    out = np.clip(start, least, most)
    place, x, low, high = np.arange(out.size), out, least, most
    for _ in range(200 if coarse else 12):
        excess, first, second, reach = _excess(x, columns, coarse)
        step = excess / (first * np.maximum(1.0 - 0.5 * excess * second / (first * first), 0.5))
        low, high = np.where(excess < 0.0, x, low), np.where(excess > 0.0, x, high)
        new = x - step
        # the next error is a tenth of the cube of this, or what the rough integral is wrong by
        close = (np.abs(step) * reach <= 0.1) | (np.abs(step) <= 1e-15 * np.maximum(np.abs(x), 1.0))
        new = np.where(((new > low) & (new < high)) | close, new, 0.5 * low + 0.5 * high)
        out[place] = new
        left = np.flatnonzero(~close & (high - low > 1e-15 * np.maximum(np.abs(x), 1.0)))
        if not left.size:
            return out
        place, x, low, high = place[left], new[left], low[left], high[left]
        columns = [a[left] for a in columns]
    if coarse:
        raise ArithmeticError(f"no root in 200 steps for {place.size} of {out.size} logits")
    return out


def _excess(log_turn: Floats, columns: list[Floats], coarse: bool) -> tuple[Floats, ...]:
    """log T(s) less its target, both derivatives by log s, and by how much log T may change with log s."""
    u0, radius, log_scaled, imbalance, weight = columns
    turn = np.exp(log_turn)
    u = moved(u0, radius, imbalance, turn)
    end = np.hypot(u, imbalance)
    if coarse:
        integral = integral_below(u0, u, imbalance, coarse=True)
    else:
        integral = rough_integral_below(u0, u, imbalance, end, turn)
    total, scale, slope = _sum(u, turn, integral, imbalance, weight)
    first = turn * (slope / total)
    second = first * (1.0 - first) + (turn * end) * (turn * (np.exp(u - scale) / total))
    return np.log(total) + scale - log_scaled, first, second, 1.0 + turn * (1.0 + end)
