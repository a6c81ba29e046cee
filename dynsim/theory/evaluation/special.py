"""The functions `log u + Ei(u)` behind the closed-form times, and their inverses, for every float.

Notation: F(u) = weight * log u + Ei(u), where Ei is the exponential integral and
ein(u) = Ei(u) - gamma - log u = sum_{k>=1} u^k / (k k!) is its entire part. weight = 1 is the cross-entropy
of Thm 3.2 (v2), weight = 0 the exponential loss, weight = C - 1 the softmax of C classes.

A logit lives between 1e-300, where F is -1,400 and moves by rounding errors only, and 716, where F overflows.
So each equation is solved in one of two forms: below u = 1 for the growth log(u/u0), without ever adding
log u0 to the time, and above u = 1 in the logarithm of both sides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats

_EPSILON = float(np.finfo(np.float64).eps)
_SMALLEST = float(np.finfo(np.float64).tiny)
_LOG_TWO = float(np.log(2.0))

# scipy's expi is good to 2e-15 up to 40 and loses another digit between 40 and 50 (measured against mpmath);
# from 40 on, the smallest term of the asymptotic series, 40!/40^40 = 7e-17, no longer matters.
_ASYMPTOTIC_FROM = 40.0
_ASYMPTOTIC_TERMS = 40
_EIN_COEFFICIENTS = 1.0 / np.array([k * float(special.factorial(k)) for k in range(1, 21)])


def ein(u: ArrayLike) -> Floats:
    """The entire part of the exponential integral, ein(u) = Ei(u) - gamma - log u, for u >= 0.

    Parameters
    ----------
    u : array_like, any shape
        Numbers >= 0 (not checked).

    Returns
    -------
    ndarray, the shape of `u`
        Relative error below 1e-15 up to u = 1, 4e-15 up to 40, 5e-14 beyond; inf where u > 716.

    Examples
    --------
    >>> ein([0.0, 0.5, 1.0]).round(6)
    array([0.      , 0.570151, 1.317902])
    """
    u = np.asarray(u, dtype=np.float64)
    small = np.minimum(u, 1.0)
    series: Floats = np.zeros_like(small)
    for coefficient in _EIN_COEFFICIENTS[::-1]:
        series = small * (coefficient + series)
    large = np.maximum(u, 1.0)
    return np.asarray(np.where(u <= 1.0, series, special.expi(large) - np.log(large) - np.euler_gamma))


def log_of_sum(u: ArrayLike, weight: float = 1.0) -> Floats:
    """log(weight * log u + Ei(u)) for u >= 1; it never overflows.

    Parameters
    ----------
    u : array_like, any shape
        Numbers >= 1 (not checked).
    weight : float
        A number >= 0.

    Returns
    -------
    ndarray, the shape of `u`
        Error below 2e-15 + 2e-16 times the value.

    Examples
    --------
    >>> log_of_sum([2.0, 1000.0]).round(6)
    array([  1.731192, 993.093246])
    """
    return _log_of_sum(np.asarray(u, dtype=np.float64), weight)[0]


def _log_of_sum(u: Floats, weight: float) -> tuple[Floats, Floats]:
    """`log_of_sum` and its derivative, (weight + e^u) / (u F(u))."""
    near = np.minimum(u, _ASYMPTOTIC_FROM)
    total = weight * np.log(near) + special.expi(near)
    far = np.maximum(u, _ASYMPTOTIC_FROM)
    series = np.ones_like(far)
    for k in range(_ASYMPTOTIC_TERMS, 0, -1):
        series = 1.0 + (k / far) * series
    log_ei = far - np.log(far) + np.log(series)
    # weight log u / Ei(u) is below 1e-15 * weight here, so that 1/series is the slope.
    value = np.where(u < _ASYMPTOTIC_FROM, np.log(total), log_ei + weight * np.log(far) * np.exp(-log_ei))
    slope = np.where(u < _ASYMPTOTIC_FROM, (weight + np.exp(near)) / (near * total), 1.0 / series)
    return value, slope


def scaled_time(rate: ArrayLike, time: ArrayLike) -> tuple[Floats, Floats]:
    """T = 2 * rate * time and its logarithm, which is right also where T overflows.

    Parameters
    ----------
    rate, time : array_like, broadcast
        rate > 0 and finite, time (t = lr x step) >= 0, inf allowed (not checked).

    Returns
    -------
    (T, log_T) : tuple of ndarray

    Examples
    --------
    >>> T, log_T = scaled_time(1e200, 1e200)
    >>> float(T), round(float(log_T), 3)
    (inf, 921.727)
    """
    with np.errstate(all="ignore"):
        scaled = np.asarray(np.multiply(rate, time) * 2.0)
        apart = np.log(rate) + np.log(time) + _LOG_TWO
        # the sum of logarithms of 1e300 has lost three digits, hence only where the product cannot be had
        representable = (scaled > _SMALLEST) & (scaled < np.inf)
        return scaled, np.where(representable, np.log(scaled), apart)


def solve_log_ei(
    initial: ArrayLike, scaled: ArrayLike, log_scaled: ArrayLike, *, weight: float = 1.0
) -> Floats:
    """The u >= u0 with weight * log u + Ei(u) = weight * log u0 + Ei(u0) + T.

    With T = 2 kappa t this is the logit at time t: Thm 3.2, eq 2-3 (v2) for weight = 1.

    Parameters
    ----------
    initial, scaled, log_scaled : array_like, broadcast
        u0 > 0, T >= 0 and log T (not checked); T may be inf, by overflow only where log T is finite.
    weight : float
        A number >= 0.

    Returns
    -------
    ndarray, the broadcast shape
        u0 itself where T = 0, inf where log T = inf. The relative error is a few 1e-16 times the
        sensitivity of u to T and u0; u0 = 1e-300 and T = 1e600 (given by its logarithm) are no exception.

    Examples
    --------
    >>> u = solve_log_ei(0.01, 10.0, np.log(10.0))
    >>> print(f"{u:.12f}")
    0.863712882485
    """
    u0, total, log_total = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (initial, scaled, log_scaled))
    )
    out = np.where(log_total == np.inf, np.inf, u0)
    moving = np.isfinite(log_total)
    with np.errstate(all="ignore"):
        to_one = (weight + 1.0) * -np.log(u0) + ein(1.0) - ein(np.minimum(u0, 1.0))
    low = moving & (u0 < 1.0) & (total < to_one)
    out[low] = _solve_below_one(u0[low], total[low], weight)
    high = moving & ~low
    out[high] = _solve_above_one(u0[high], total[high], log_total[high], weight)
    return out


def _solve_below_one(u0: Floats, total: Floats, weight: float) -> Floats:
    """u < 1: (weight + 1) x + ein(u0 e^x) - ein(u0) = T for the growth x = log(u / u0)."""
    start = ein(u0)

    def excess(x: Floats) -> tuple[Floats, Floats]:
        u = _grown(u0, x)
        return (weight + 1.0) * x + (ein(u) - start) - total, weight + np.exp(u)

    # The left side is convex: from this bound above the root, Newton comes down monotonically.
    top = np.minimum(total / (weight + np.exp(u0)), -np.log(u0))
    return _grown(u0, bracketed_newton(excess, np.zeros_like(top), top, top))


def _grown(u0: Floats, x: Floats) -> Floats:
    """u0 e^x in two halves, because e^744 overflows although 5e-324 e^744 is about 1."""
    half = np.exp(0.5 * x)
    return np.asarray((u0 * half) * half)


def _solve_above_one(u0: Floats, total: Floats, log_total: Floats, weight: float) -> Floats:
    """u >= 1: log F(u) = log(F(u0) + T)."""
    with np.errstate(all="ignore"):
        below = (weight + 1.0) * np.log(u0) + np.euler_gamma + ein(np.minimum(u0, 1.0))
        # F(u0) is negative for the smallest u0; where T overflows, it does not count beside it.
        sum_below = np.where(np.isfinite(total), np.log(below + total), log_total)
        sum_above = np.logaddexp(log_of_sum(np.maximum(u0, 1.0), weight), log_total)
        target = np.where(u0 < 1.0, sum_below, sum_above)
    return np.maximum(u0, _solve_logarithm(np.maximum(u0, 1.0), target, weight))


def _solve_logarithm(least: Floats, target: Floats, weight: float) -> Floats:
    """The u >= least >= 1 with log F(u) = target."""

    def excess(u: Floats) -> tuple[Floats, Floats]:
        value, slope = _log_of_sum(u, weight)
        return value - target, slope

    # log F(u) >= u - log(u) for u >= 2, hence the upper end; nothing but 1.8e308 can overflow it.
    with np.errstate(over="ignore"):
        top = np.maximum(least, 2.0 * np.maximum(target, 0.0) + 5.0)
    guess = target + np.log(np.maximum(target, 1.0))
    return bracketed_newton(excess, least, top, np.maximum(guess, least))


def log_ei_inverse(c: ArrayLike) -> Floats:
    """The u with log u + Ei(u) = c: the inverse of the function of Thm 3.2, eq 2-3 (v2).

    Parameters
    ----------
    c : array_like, any shape
        Any numbers; -inf gives 0 and inf gives inf.

    Returns
    -------
    ndarray, the shape of `c`
        Relative error below 2e-15. Below c = -1,416 the answer is less than the smallest normal float and
        goes gradually to 0.

    Raises
    ------
    ValueError
        If c is NaN.

    Examples
    --------
    >>> c = np.log(0.5) + special.expi(0.5)
    >>> print(f"{log_ei_inverse(c):.12f}")
    0.500000000000
    >>> log_ei_inverse([-np.inf, 2.0, 1e300]).round(6)
    array([  0.      ,   1.02831 , 697.321337])
    """
    target = checks.array("c", c, infinite=True)
    out = np.where(target > 0.0, np.inf, 0.0)
    low = np.isfinite(target) & (target < np.euler_gamma + ein(1.0))
    out[low] = _invert_below_one(target[low])
    high = np.isfinite(target) & ~low
    out[high] = _solve_logarithm(np.ones_like(target[high]), np.log(target[high]), 1.0)
    return out


def _invert_below_one(c: Floats) -> Floats:
    """u < 1: 2 y + ein(e^y) = c - gamma for y = log u."""
    half = 0.5 * (c - np.euler_gamma)

    def excess(y: Floats) -> tuple[Floats, Floats]:
        return y + 0.5 * ein(np.exp(y)) - half, 0.5 + 0.5 * np.exp(np.exp(y))

    top = np.minimum(half, 0.0)
    with np.errstate(under="ignore"):
        u = np.exp(bracketed_newton(excess, top - 1.0, top, top))
        # c/2 is exact while y is rounded: this last substitution removes the error of y, 1e-13 at c = -1,400.
        return np.asarray(np.exp(0.5 * c) * np.exp(-0.5 * (np.euler_gamma + ein(u))))


def bracketed_newton(
    function: Callable[[Floats], tuple[Floats, Floats]],
    low: Floats,
    high: Floats,
    start: Floats,
    *,
    tolerance: float | Floats = 2.0 * _EPSILON,
) -> Floats:
    """The root of each of many increasing functions, by Newton's method inside a shrinking bracket.

    Parameters
    ----------
    function : callable
        Takes an array of points and returns the values and the slopes there.
    low, high, start : ndarray of one shape
        Brackets that contain the roots, and the first points.
    tolerance : float or ndarray
        A root is found when Newton's step, which is still taken, or the bracket is below `tolerance` times
        the point, or 1.

    Returns
    -------
    ndarray, the shape of `low`

    Raises
    ------
    ArithmeticError
        If a root is not found in 200 steps (which no valid input does).

    Examples
    --------
    >>> zero, ten, five = np.zeros(1), np.full(1, 10.0), np.full(1, 5.0)
    >>> bracketed_newton(lambda x: (x * x - 2.0, 2.0 * x), zero, ten, five)
    array([1.41421356])
    """
    x = np.clip(start, low, high)
    found = np.zeros(x.shape, dtype=bool)
    for _ in range(200):
        with np.errstate(all="ignore"):
            value, slope = function(x)
            step = value / slope
            low = np.where(value < 0.0, x, low)
            high = np.where(value > 0.0, x, high)
            new = x - step
            resolution = tolerance * np.maximum(np.abs(x), 1.0)
            close = (np.abs(step) <= resolution) | (value == 0.0) | (high - low <= resolution)
            inside = (new > low) & (new < high)
            near = inside | (np.abs(step) <= resolution)
            x = np.where(found, x, np.where(near, new, 0.5 * low + 0.5 * high))
        found = found | close
        if found.all():
            return x
    raise ArithmeticError(f"no root in 200 steps for {int((~found).sum())} of {found.size} equations")
