"""The clock of a mode with any imbalance C >= 0, and the quadrature that gives its time.

docs/theory.md, section 4: du/dt = 2 kappa sqrt(u^2 + C^2) g(u). Notation: R(u) = sqrt(u^2 + C^2), T = 2 kappa t
(t = lr x step), and the hyperbolic angle between two logits, s = int du / R(u), with which
u = u0 cosh s + R(u0) sinh s. Unlike arcsinh(u/C) it exists for C = 0 too, where s = log(u/u0), so that C -> 0
is no special case. Then

    T = weight * s + J,    J = int exp(u) ds,

with weight = 1 for cross-entropy (A.3 of the paper, v2) and weight = 0 for the exponential loss. J is
computed by composite Gauss-Legendre rules from positive terms, relative to exp(u) at its upper end, so that
nothing cancels and nothing overflows.
"""

from __future__ import annotations

import numpy as np

from dynsim.checks import Floats
from dynsim.theory.special import bracketed_newton

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS
# Panels as distances d in u below the upper end: e^-48 is 1e-21, and what a panel weighs falls with e^-d.
_FALLS = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0, 48.0)
# Panels in the angle s where |u| <= 1 and C < 1: there |u| < e^-s, which beyond s = 40 no longer counts.
_ANGLES = (2.0, 6.0, 14.0, 26.0, 40.0)
_OVERFLOW = 300.0
_HUGE = 1e150


def angle(low: Floats, high: Floats, imbalance: Floats) -> Floats:
    """The hyperbolic angle s = int du / sqrt(u^2 + C^2) from `low` to `high`; negative where high < low.

    Parameters
    ----------
    low, high, imbalance : ndarray of one shape
        Logits, and C >= 0. Where C = 0 both logits must be positive.

    Returns
    -------
    ndarray of that shape
        To a few units of rounding, relative, for logits as close together or as far apart as floats can be.

    Examples
    --------
    >>> angle(np.array([1e-300, 0.0]), np.array([1.0, 1.0]), np.array([0.0, 1.0])).round(6)
    array([690.775528,   0.881374])
    """
    first, last = np.minimum(low, high), np.maximum(low, high)
    # u -> -u maps angles to angles: a stretch across 0 is two stretches of positive logits, added.
    right = _angle_positive(np.maximum(first, 0.0), np.maximum(last, 0.0), imbalance)
    left = _angle_positive(np.maximum(-last, 0.0), np.maximum(-first, 0.0), imbalance)
    return np.where(high < low, -1.0, 1.0) * (right + left)


def _angle_positive(low: Floats, high: Floats, imbalance: Floats) -> Floats:
    """The angle for 0 <= low <= high: log((u + R) / (u0 + R0))."""
    with np.errstate(all="ignore"):
        start, end = np.hypot(low, imbalance), np.hypot(high, imbalance)
        growth = (high - low) / (low + start) * (1.0 + (low / (end + start) + high / (end + start)))
        ratio = np.log(high + end) - np.log(low + start)
        found = np.where(np.isfinite(growth), np.log1p(growth), ratio)
    return np.where(high > low, found, 0.0)


def logit_after(initial: Floats, turn: Floats, imbalance: Floats) -> Floats:
    """u = u0 cosh s + R(u0) sinh s, the logit an angle s >= 0 above u0: the inverse of `angle`.

    Parameters
    ----------
    initial, turn, imbalance : ndarray of one shape
        u0, s >= 0, and C >= 0.

    Returns
    -------
    ndarray of that shape
        Relative error of some 1e-16 * (1 + s * R(u) / u), that of u for an error of 1e-16 in s.

    Examples
    --------
    >>> logit_after(np.array([1e-300, -1.0]), np.array([690.775528, 1.762747]), np.array([0.0, 1.0])).round(6)
    array([1., 1.])
    """
    to_zero = angle(initial, np.maximum(initial, 0.0), imbalance)
    beyond = turn - to_zero
    above = _logit_above(np.maximum(initial, 0.0), np.abs(beyond), imbalance)
    # From u0 < 0: C sinh of the angle to the zero, which near u0 loses what u0 had in digits.
    near = -(np.abs(initial) * np.exp(-turn) - _sinh_part(initial, turn, imbalance))
    return np.where(beyond >= 0.0, above, np.where(beyond < -1.0, near, -above))


def _logit_above(initial: Floats, turn: Floats, imbalance: Floats) -> Floats:
    half = np.exp(0.5 * turn)
    return np.asarray((initial * half) * half + _sinh_part(initial, turn, imbalance))


def _sinh_part(initial: Floats, turn: Floats, imbalance: Floats) -> Floats:
    """(R0 - |u0|) sinh s, from factors that neither overflow nor underflow before their product does."""
    half = imbalance * np.exp(0.5 * turn)
    both = np.hypot(initial, imbalance) + np.abs(initial)
    fraction = np.divide(half, both, out=np.zeros_like(half), where=half > 0.0)
    return np.asarray(-0.5 * np.expm1(-2.0 * turn) * half * fraction)


def scaled_integral(low: Floats, high: Floats, imbalance: Floats) -> Floats:
    """J e^-high, where J = int e^u du / sqrt(u^2 + C^2) from `low` to `high` (low <= high).

    Parameters
    ----------
    low, high, imbalance : ndarray of one shape
        As for `angle`. Logits above 1e15, where unit panels vanish, are not supported.

    Returns
    -------
    ndarray of that shape
        Relative error below 2e-15.

    Examples
    --------
    >>> j = scaled_integral(np.array([1.0]), np.array([2.0]), np.zeros(1))
    >>> print((j * np.exp(2.0)).round(9))                                            # Ei(2) - Ei(1)
    [3.05911654]
    """
    # With C >= 1 the panels in u suit the integrand everywhere. With C < 1 it has a plateau in s where
    # |u| < 1, which for C = 1e-300 is 1,400 long.
    wide = imbalance >= 1.0
    top = np.where(wide, -np.inf, 1.0)
    end = np.maximum(high, top)
    with np.errstate(all="ignore"):
        upper = _falling(np.maximum(low, top), end, imbalance)
        out = np.where(high >= top, upper, 0.0)
        if wide.all():
            return out
        flat = _flat(np.where(wide, 1.0, np.clip(low, -1.0, 1.0)), np.clip(high, -1.0, 1.0), imbalance)
        out = out + np.where(wide, 0.0, flat * np.exp(-np.maximum(high, -1.0)))
        deep = ~wide & (low < -1.0)
        if deep.any():
            bottom = np.minimum(high, -1.0)
            lower = _falling(np.where(deep, low, bottom), bottom, imbalance)
            out = out + np.where(deep, lower * np.exp(bottom - high), 0.0)
    return out


def _falling(low: Floats, high: Floats, imbalance: Floats) -> Floats:
    """int e^(u - high) ds by panels at growing distances below `high`, in the variable s (entire in it)."""
    out = np.zeros_like(high)
    start = np.zeros_like(high)
    for fall in _FALLS:
        stop = angle(np.maximum(low, high - fall), high, imbalance)
        s = start[..., None] + (stop - start)[..., None] * _NODES
        out = out + (stop - start) * (np.exp(-_drop(high[..., None], s, imbalance[..., None])) @ _WEIGHTS)
        start = stop
    return out


def _drop(high: Floats, s: Floats, imbalance: Floats) -> Floats:
    """high - u at the angle s below `high`, as a sum of positive terms."""
    near = np.abs(high) * np.where(high > 0.0, -np.expm1(-s), np.expm1(s))
    return np.asarray(near + _sinh_part(high, s, imbalance))


def _flat(low: Floats, high: Floats, imbalance: Floats) -> Floats:
    """int e^u ds for -1 <= low <= high <= 1 and C < 1, as the length plus int expm1(u) ds."""
    length = angle(low, high, imbalance)
    rise = _flat_excess(np.maximum(low, 0.0), np.maximum(high, 0.0), imbalance, 1.0)
    if (low < 0.0).any():
        rise = rise + _flat_excess(np.maximum(-high, 0.0), np.maximum(-low, 0.0), imbalance, -1.0)
    return np.where(high > low, length + rise, 0.0)


def _flat_excess(low: Floats, high: Floats, imbalance: Floats, sign: float) -> Floats:
    """int expm1(sign * u) ds for 0 <= low <= high <= 1."""
    out = np.zeros_like(high)
    total = angle(low, high, imbalance)
    start = np.zeros_like(high)
    for end in _ANGLES:
        stop = np.minimum(end, total)
        s = start[..., None] + (stop - start)[..., None] * _NODES
        u = high[..., None] * np.exp(-s) - _sinh_part(high[..., None], s, imbalance[..., None])
        out = out + (stop - start) * (np.expm1(sign * u) @ _WEIGHTS)
        start = stop
    return out


def elapsed(initial: Floats, logit: Floats, imbalance: Floats, *, weight: float) -> tuple[Floats, Floats]:
    """T = weight * s + J between two logits, and log T, which is right also where T overflows.

    Parameters
    ----------
    initial, logit, imbalance : ndarray of one shape
        As `low`, `high` and `imbalance` of `scaled_integral`.
    weight : float
        1 for cross-entropy, 0 for the exponential loss.

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
    total, scale, _ = _scaled_elapsed(initial, logit, imbalance, weight)
    with np.errstate(all="ignore"):
        return np.asarray(total * np.exp(scale)), np.asarray(np.log(total) + scale)


def _scaled_elapsed(u0: Floats, u: Floats, imbalance: Floats, weight: float) -> tuple[Floats, Floats, Floats]:
    """(T e^-scale, scale, dT/ds e^-scale); the scale is u where T would over- or underflow, else 0."""
    # With weight = 0 nothing else keeps e^u / C from underflow.
    large = u > _OVERFLOW if weight else (np.abs(u) > _OVERFLOW) | (imbalance > _HUGE)
    scale = np.where(large, u, 0.0)
    with np.errstate(under="ignore"):
        part = weight * np.exp(-scale) if weight else np.zeros_like(u)
        factor = np.exp(u - scale)
        total = part * angle(u0, u, imbalance) + scaled_integral(u0, u, imbalance) * factor
    return np.asarray(total), scale, np.asarray(part + factor)


def solve(
    initial: Floats, scaled: Floats, log_scaled: Floats, imbalance: Floats, *, weight: float
) -> Floats:
    """The logit u at T = 2 kappa t: weight * s + J(u0, u) = T, the inverse of `elapsed`.

    Parameters
    ----------
    initial, scaled, log_scaled, imbalance : ndarray of one shape
        u0 < 1e15, T > 0 and log T (finite, T itself may overflow), and C >= 0 (C > 0 where u0 <= 0).
    weight : float
        1 for cross-entropy, 0 for the exponential loss.

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
    columns = (initial, log_scaled, imbalance)
    with np.errstate(all="ignore"):
        least, most = _bracket(*columns, weight)
        u: Floats = initial + np.exp(most) * np.hypot(initial, imbalance)
        # A movement too small for the angle between two floats to be seen well is linear in T.
        far = (u - initial > 1e-6 * np.abs(initial)) | (u - initial > 1e-4)
        u[far] = _solve_angle(least[far], most[far], *(a[far] for a in columns), weight=weight)
        # The angle is known to a unit of rounding of log s; two steps in u itself reach that of u.
        for _ in range(2):
            u = np.maximum(initial, u + _correction(initial, u, scaled, log_scaled, imbalance, weight))
    return u


def _solve_angle(
    least: Floats, most: Floats, u0: Floats, log_scaled: Floats, imbalance: Floats, *, weight: float
) -> Floats:
    """u by Newton's method for log T as a function of log s, which is linear at both ends."""

    def excess(log_turn: Floats) -> tuple[Floats, Floats]:
        turn = np.exp(log_turn)
        u = logit_after(u0, turn, imbalance)
        total, scale, slope = _scaled_elapsed(u0, u, imbalance, weight)
        return np.log(total) + scale - log_scaled, turn * slope / total

    # Below u0 = 0 the logit moves by up to |u0| with log s, and it is wanted to 1e-9 of 1.
    tolerance = 1e-9 / (1.0 + np.abs(u0)) + 1e-15
    turn = np.exp(bracketed_newton(excess, least, most, most, tolerance=tolerance))
    return logit_after(u0, turn, imbalance)


def _bracket(u0: Floats, log_scaled: Floats, imbalance: Floats, weight: float) -> tuple[Floats, Floats]:
    """Bounds on log s, from (weight + e^u0) s <= T <= (weight + e^u) s and an upper bound on u."""
    # J >= (1 - 1/e) e^u / R(u) once u >= u0 + 1, and u/2 > log(u) + 1/2 from u = 10 on.
    bound = 2.0 * np.maximum(log_scaled, 0.0) + 2.0 * np.log1p(imbalance) + 10.0
    ceiling = np.maximum(u0 + 1.0, bound)
    log_weight = np.log(weight) if weight else -np.inf
    longest = np.log(angle(u0, ceiling, imbalance))
    most = np.minimum(log_scaled - np.logaddexp(log_weight, u0), longest)
    top = np.minimum(ceiling, logit_after(u0, np.exp(most), imbalance) + 1.0)
    return np.minimum(log_scaled - np.logaddexp(log_weight, top), most), most


def _correction(
    u0: Floats, u: Floats, scaled: Floats, log_scaled: Floats, imbalance: Floats, weight: float
) -> Floats:
    """Newton's step in u: (T - T(u)) R(u) / (weight + e^u)."""
    total, scale, slope = _scaled_elapsed(u0, u, imbalance, weight)
    wanted = np.where(scale == 0.0, scaled, np.exp(log_scaled - scale))
    return np.asarray((wanted - total) / slope * np.hypot(u, imbalance))


