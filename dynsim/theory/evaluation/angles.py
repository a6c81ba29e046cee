"""The hyperbolic angle s = int du / R(u) between two logits, R(u) = sqrt(u^2 + C^2), and the logit after an angle.

Notation as in `imbalanced`. u = u0 cosh s + R(u0) sinh s; unlike arcsinh(u/C) the angle exists for C = 0 too,
where s = log(u/u0), so that C -> 0 is no special case.
"""

from __future__ import annotations

import numpy as np

from dynsim.checks import Floats


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
    with np.errstate(all="ignore"):
        found = angle_between(first, last, np.hypot(first, imbalance), np.hypot(last, imbalance), imbalance)
    return np.where(high < low, -found, found)


def angle_between(low: Floats, high: Floats, start: Floats, end: Floats, imbalance: Floats) -> Floats:
    """The angle for low <= high from both radii R: log of (high + R) / (low + R).

    u -> -u maps angles to angles. It is done where `high` would otherwise be the smaller in size, so that the
    larger of both logits is added to its radius.
    """
    turned = low + high < 0.0
    if turned.any():
        low, high = np.where(turned, -high, low), np.where(turned, -low, high)
        start, end = np.where(turned, end, start), np.where(turned, start, end)
    across = low < 0.0
    other = start + np.abs(low)
    growth = (high - low) * (1.0 + (low + high) / (start + end))
    # R + low is C^2 / (R - low) below 0, where C^2 may underflow
    growth = np.where(across, growth / imbalance / (imbalance / other), growth / other)
    found = np.log1p(growth)
    moved = high > low
    vast = ~(growth < 1e290) & moved
    if vast.any():
        log_total = np.where(across, 2.0 * np.log(imbalance) - np.log(other), np.log(other))
        found = np.where(vast, np.log(high + end) - log_total, found)
    return found if moved.all() else np.where(moved, found, 0.0)


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


def rise(u0: Floats, radius: Floats, imbalance: Floats, turn: Floats) -> Floats:
    """u - u0 at the angle s above u0, (R0 + u0) (e^s - 1) / 2 + (R0 - u0) (1 - e^-s) / 2."""
    both = radius + np.abs(u0)
    # e^s by its root's root, and C^2 in two factors: 5e-324 may have to grow by e^744, -1 at C = 5e-324 by e^1490.
    root, less = np.expm1(0.25 * turn), -np.expm1(-turn)
    half = root * (root + 2.0)
    above = 0.5 * (both * half * (half + 2.0) + imbalance * (imbalance / both) * less)
    positive = u0 > 0.0
    if positive.all():
        return above
    grown = imbalance * root * (root + 2.0)
    return np.where(positive, above, 0.5 * (grown * ((grown + 2.0 * imbalance) / both) + both * less))


def moved(u0: Floats, radius: Floats, imbalance: Floats, turn: Floats) -> Floats:
    """The logit at the angle s above u0; across 0, where the sum of u0 and the rise has no digits, as C sinh."""
    out = np.asarray(u0 + rise(u0, radius, imbalance, turn))
    below = np.flatnonzero(u0 < 0.0)
    if below.size:
        out[below] = logit_after(u0[below], turn[below], imbalance[below])
    return out


def halves(u: Floats, radius: Floats, imbalance: Floats) -> tuple[Floats, Floats]:
    """(R + u) / 2 and (R - u) / 2 without cancellation."""
    both = radius + np.abs(u)
    larger, smaller = 0.5 * both, 0.5 * imbalance * (imbalance / both)
    positive = u > 0.0
    if positive.all():
        return larger, smaller
    return np.where(positive, larger, smaller), np.where(positive, smaller, larger)
