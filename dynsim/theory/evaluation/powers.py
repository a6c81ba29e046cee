"""Powers of a logit and their integrals, for the exponents of deep networks, without a seam anywhere.

docs/theory.md, section 11: the mode of N layers obeys du/dt = N K u^{2-2/N} g(u), so that its time is
T = int u^{b-1} / g(u) du with b = 2/N - 1, between 1 (one layer) and -1 (infinitely many); b = 0 is the one
hidden layer, where powers become logarithms. Notation: x = log(high/low), and part(c, x) = (1 - e^{-cx})/c.

A logit of 1e-300 has powers that overflow, and the rounding of b counts 690 times in them. So an integral
from low <= 1 is measured in units of low^b where b < 0, a power takes the rounding error of its exponent along,
and every sum is one of positive terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dynsim.checks import Floats
from dynsim.theory.evaluation.special import bracketed_newton

_SPLITTER = 134217729.0  # 2^27 + 1, which halves a float (Veltkamp)
# 1/g(u) = c_0 + c_1 u + ..., up to a logit of 4 for e^u and of 1/4 for 1/(1 - u); the rest is below 1e-17.
EXPONENTIAL = 1.0 / special.factorial(np.arange(1, 32))
GEOMETRIC = np.ones(26)
NOTHING = np.empty(0)


class Exponent(NamedTuple):
    """b, and by how much it was rounded."""

    value: Floats
    rest: Floats

    def where(self, mask: NDArray[np.bool_]) -> Exponent:
        return Exponent(self.value[mask], self.rest[mask])


def exponent(depth: Floats) -> Exponent:
    """b = 2/N - 1 to twice the digits of a float.

    Examples
    --------
    >>> b, rest = exponent(np.array([1.0, 2.0, 3.0]))
    >>> b
    array([ 1.        ,  0.        , -0.33333333])
    >>> print(f"{3e16 * rest[2]:.6f}")                                                    # -1/3 - b = rest
    -0.555112
    """
    numerator = 2.0 - depth
    b = numerator / depth
    product = b * depth
    high, low = _halves(b)
    first, second = _halves(depth)
    error = ((high * first - product) + high * second + low * first) + low * second
    with np.errstate(all="ignore"):
        rest = ((numerator - product) - error) / depth
    return Exponent(b, np.where(depth < 1e15, rest, 0.0))


def _halves(a: Floats) -> tuple[Floats, Floats]:
    with np.errstate(all="ignore"):
        scaled = _SPLITTER * a
        high = scaled - (scaled - a)
        return high, a - high


def raised(base: Floats, b: Exponent) -> Floats:
    """base^b for any base > 0, to a few units of rounding."""
    return np.asarray(base**b.value * (1.0 + b.rest * np.log(base)))


def growth(low: Floats, high: Floats) -> Floats:
    """x = log(high / low) >= 0 to a few units of rounding, for 0 < low <= high as close as floats can be."""
    with np.errstate(over="ignore"):
        ratio = (high - low) / low
    return np.where(ratio < np.inf, np.log1p(ratio), np.log(high) - np.log(low))


def grown(low: Floats, x: Floats) -> Floats:
    """low * e^x in two halves, because e^744 overflows although 5e-324 e^744 is about 1."""
    half = np.exp(0.5 * x)
    return np.asarray((low * half) * half)


def part(c: Floats, x: Floats) -> Floats:
    """(1 - e^{-cx})/c, which is x at c = 0, for c, x >= 0."""
    # Nothing is lost by 1e-300: c is 0 or at least 1e-16.
    return np.asarray(np.where(c == 0.0, x, -np.expm1(-c * x) / np.maximum(c, 1e-300)))


class Stretch(NamedTuple):
    """Logits from `low` on in which 1/g(u) = constant + sum_k series[k] u^{k+1}.

    Times along it are T for b >= 0 and T / low^b for b < 0.
    """

    low: Floats
    b: Exponent
    constant: Floats
    series: Floats

    def where(self, mask: NDArray[np.bool_]) -> Stretch:
        return Stretch(self.low[mask], self.b.where(mask), self.constant[mask], self.series)


def time_along(stretch: Stretch, high: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    """The time to `high` = low * e^x: its constant part, the rest of it, and u^b at `high` in its unit.

    Examples
    --------
    >>> low, depth = np.array([0.01]), np.array([2.0])
    >>> stretch = Stretch(low, exponent(depth), np.array([2.0]), EXPONENTIAL)
    >>> constant, rest, _ = time_along(stretch, 100 * low, growth(low, 100 * low))
    >>> print((constant + rest).round(6))                                     # [log u + Ei(u)] from 0.01 to 1
    [10.518217]
    """
    b = stretch.b.value
    lead = np.where(b < 0.0, np.exp(b * x), raised(high, stretch.b))
    constant = stretch.constant * np.where(b < 0.0, 1.0, lead) * part(np.abs(b), x)
    rest = _series(stretch.series, 1.0 + b, high, lead, x) if stretch.series.size else np.zeros_like(x)
    return constant, rest, lead


def _series(coefficients: Floats, c: Floats, high: Floats, lead: Floats, x: Floats) -> Floats:
    """sum_k series[k] high^k lead part(c + k - 1, x) over k >= 1, with c = 1 + b.

    1 - e^{-(c+1)x} = (1 - e^{-cx}) + e^{-cx} (1 - e^{-x}): from term to term by sums of positive numbers.
    """
    faded, fade, gain = np.exp(-c * x), np.exp(-x), -np.expm1(-x)
    gone = -np.expm1(-c * x)
    power = lead * high
    total = coefficients[0] * power * part(c, x)
    for k, coefficient in enumerate(coefficients[1:], start=1):
        gone += faded * gain
        faded *= fade
        power *= high
        total += coefficient * power * gone / (k + c)
    return np.asarray(total)


def logit_along(stretch: Stretch, top: float, time: Floats, inverse_pull: Callable[[Floats], Floats]) -> Floats:
    """The logit at a time > 0 at which the stretch has not passed `top` yet: the inverse of `time_along`.

    The unknown is the integral P of u^{b-1}, as a part of its bound time/constant: the time is nearly linear
    and convex in it, so that Newton's method comes down from above.
    """
    low, b = stretch.low, stretch.b.value
    bound = time / stretch.constant
    longest = growth(low, np.full_like(low, top))
    whole = time_along(stretch, np.full_like(low, top), longest)[0] / stretch.constant
    scale = np.where(b < 0.0, b, b * low**-b)

    def reached(share: Floats) -> Floats:
        integral = np.minimum(share * bound, whole)
        gained = np.maximum(scale * integral, -1.0)
        # u^b / low^b - 1 overflows only from subnormal starts, or at the end of the longest stretch.
        logarithm = np.where(gained < np.inf, np.log1p(gained), np.log(b * integral) - b * np.log(low))
        turned = np.where(b == 0.0, integral, logarithm / b)
        return np.clip(np.where(np.isnan(turned), longest, turned), 0.0, longest)

    def excess(share: Floats) -> tuple[Floats, Floats]:
        x = reached(share)
        u = grown(low, x)
        return share + time_along(stretch, u, x)[1] / time - 1.0, inverse_pull(u) / stretch.constant

    least = stretch.constant / inverse_pull(np.full_like(low, top))
    most = np.minimum(1.0, whole / bound)
    x = reached(bracketed_newton(excess, np.minimum(least, most), most, most, tolerance=1e-15))
    return _polished(stretch, top, time, grown(low, x), inverse_pull)


def _polished(
    stretch: Stretch, top: float, time: Floats, u: Floats, inverse_pull: Callable[[Floats], Floats]
) -> Floats:
    """One step of Newton's method in u, which knows log(u/low) better than the integral does.

    At the end of a plateau (b < 0) a rounding of the time may move u by orders of magnitude; no step helps there.
    """
    u = np.clip(u, stretch.low, top)
    constant, rest, lead = time_along(stretch, u, growth(stretch.low, u))
    step = ((time - constant) - rest) / lead / inverse_pull(u)
    return np.clip(np.where(np.abs(step) < 1e-6, u * (1.0 + step), u), stretch.low, top)
