"""The closed forms of docs/theory.md in multi-precision arithmetic, as references; needs mpmath.

Nothing here is taken from dynsim, and other forms are used than there. Notation: du/dt = A S(u) g(u), T = A t,
J = int e^u du / S(u), b = 2/depth - 1, and C, n for `imbalance` and `classes`. All numbers are mpf, with as many
digits as the caller has set; arguments that were floats stand for their exact values.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import mpmath as mp

_NODES = 48
_NEGLIGIBLE = mp.mpf(10) ** -32


class Mode(NamedTuple):
    """One law: the loss and its arguments; imbalance and classes come with depth 2 only."""

    loss: str
    initial: Any
    rate: Any = mp.mpf(1)
    imbalance: Any = mp.mpf(0)
    depth: Any = mp.mpf(2)
    norm: Any = mp.mpf(1)
    classes: int | None = None

    @property
    def power(self) -> Any:
        """b = 2/depth - 1: S(u) = u^(1 - b)."""
        return 2 / self.depth - 1

    @property
    def factor(self) -> Any:
        """A."""
        if self.classes is not None:
            n = mp.mpf(self.classes)
            return 2 * self.rate * mp.sqrt(n / (n - 1))
        return self.depth * self.rate * self.norm**self.power

    @property
    def others(self) -> Any:
        """1/g = 1 + e^u / others for cross-entropy."""
        return mp.mpf(1 if self.classes is None else self.classes - 1)

    def stretch(self, u: Any) -> Any:
        """S(u)."""
        if self.imbalance:
            return mp.hypot(u, self.imbalance)
        return mp.mpf(1) if self.depth == 1 else u ** (1 - self.power)

    def pull(self, u: Any) -> Any:
        """g(u); for the hinge that below its kink, which the callers keep away from."""
        if self.loss == "hinge":
            return mp.mpf(u <= 1)
        if self.loss == "squared":
            return 1 - u
        return mp.exp(-u) if self.loss == "exponential" else self.others / (self.others + mp.exp(u))

    def speed(self, u: Any) -> Any:
        """du/dT."""
        return self.stretch(u) * self.pull(u)


# -- the time to a logit -------------------------------------------------------------------------------------


def scaled_time(mode: Mode, u: Any) -> Any:
    """T from mode.initial to u."""
    return between(mode, mode.initial, u)


def between(mode: Mode, u0: Any, u: Any) -> Any:
    """T from u0 to u, negative where u comes before u0."""
    if mode.loss == "squared":
        return _squared(mode, u0, u)
    turn = angle(mode, u0, u)
    if mode.loss == "hinge":
        return turn
    J = exponential(mode, u0, u)
    return J if mode.loss == "exponential" else turn + J / mode.others


def angle(mode: Mode, u0: Any, u: Any) -> Any:
    """int du / S(u)."""
    C, b = mode.imbalance, mode.power
    if C:
        return mp.asinh(u / C) - mp.asinh(u0 / C)
    return mp.log(u / u0) if b == 0 else (u - u0 if b == 1 else (u**b - u0**b) / b)


def exponential(mode: Mode, u0: Any, u: Any) -> Any:
    """J."""
    b = mode.power
    if mode.imbalance:
        return quadrature(u0, u, mode.imbalance) if u >= u0 else -quadrature(u, u0, mode.imbalance)
    if b == 0:
        return mp.ei(u) - mp.ei(u0)
    if b == 1:
        return mp.exp(u0) * mp.expm1(u - u0)
    first, last = (v**b / b * mp.hyp1f1(b, b + 1, v) for v in (u0, u))
    return last - first


def _squared(mode: Mode, u0: Any, u: Any) -> Any:
    """int du / ((1 - u) S(u)), u and u0 on the same side of 1."""
    C, b = mode.imbalance, mode.power
    if C:
        first, last = (mp.asinh((v + C * C) / (C * abs(1 - v))) for v in (u0, u))
        return (last - first) / mp.hypot(1, C)
    if b == 1:
        return -mp.log1p((u0 - u) / (1 - u0))
    if b == 0:
        return mp.log(u / u0) - mp.log((1 - u) / (1 - u0))
    if u0 < 1:
        return _beta(b, u) - _beta(b, u0)
    return _beta(1 - b, 1 / u) - _beta(1 - b, 1 / u0)


def _beta(p: Any, v: Any) -> Any:
    """An antiderivative of v^(p-1) / (1 - v) for 0 < v < 1, in powers of v or of 1 - v; p no integer <= 0."""
    if v <= mp.mpf(1) / 2:
        return v**p * _series(lambda k: v**k / (p + k), 0)
    x = 1 - v
    total, term, k = mp.mpf(0), mp.mpf(1), 0
    while abs(term) > mp.eps:
        k += 1
        term *= (k - p) / k * x
        total += term / k
    return -mp.euler - mp.psi(0, p) - mp.log(x) - total


def _series(term: Any, k: int) -> Any:
    total = part = term(k)
    while abs(part) > mp.eps * abs(total):
        k += 1
        part = term(k)
        total += part
    return total


# -- J for C > 0: Gauss-Legendre panels in v, w = C sinh v, in which the integrand is entire ----------------


@cache
def _rule(count: int, digits: int) -> list[tuple[Any, Any]]:
    """Nodes and weights on (0, 1)."""
    with mp.workdps(digits + 10):
        rule = []
        for k in range(1, count + 1):
            x = mp.cos(mp.pi * (k - mp.mpf(1) / 4) / (count + mp.mpf(1) / 2))
            for _ in range(8):
                p, q = mp.mpf(1), mp.mpf(0)
                for j in range(1, count + 1):
                    p, q = ((2 * j - 1) * x * p - (j - 1) * q) / j, p
                slope = count * (x * p - q) / (x * x - 1)
                x -= p / slope
            rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope**2)))
        return rule


@cache
def quadrature(u0: Any, u: Any, C: Any, nodes: int = _NODES) -> Any:
    """int e^w / sqrt(w^2 + C^2) dw from u0 to u; panels halve towards u and grow by 4 away from 0."""
    lowest = max(u0, u - 90)  # e^-90 is below the digits wanted
    cuts = {lowest, u, mp.mpf(0)} | {u - mp.mpf(2) ** k for k in range(7)}
    cuts |= {sign * mp.mpf(4) ** k for k in range(-32, 5) for sign in (-1, 1)}
    inside = sorted(c for c in cuts if lowest <= c <= u)
    total = mp.mpf(0)
    for a, b in itertools.pairwise(inside):
        low = mp.asinh(a / C)
        length = mp.asinh(b / C) - low
        if max(abs(a), abs(b)) < 1e-18:
            total += _almost_one(a, b, C, length)
        else:
            points = _rule(nodes, mp.mp.dps)
            total += length * mp.fsum(weight * mp.exp(C * mp.sinh(low + length * x)) for x, weight in points)
    return total


def _almost_one(a: Any, b: Any, C: Any, length: Any) -> Any:
    """e^w = 1 + w to 1e-36."""
    return length + (b - a) * (b + a) / (mp.hypot(b, C) + mp.hypot(a, C))


# -- the logit at a time ------------------------------------------------------------------------------------


def logit(mode: Mode, T: Any, near: Any = None) -> Any:
    """u at T; `near` is a logit from which to start where an equation is to be solved, u0 < near."""
    u0 = mode.initial
    step = T * mode.speed(u0)
    if abs(step) <= _NEGLIGIBLE * abs(u0):
        return u0 + step
    if mode.loss == "hinge":
        return max(u0, min(mp.mpf(1), _free(mode, T)))
    if mode.loss == "squared" and (mode.imbalance or mode.depth in (1, 2)):
        return _relaxed(mode, T)
    if mode.imbalance:
        return _from_near(mode, T, near)
    if mode.depth == 1:
        return _depth_one(mode, T)
    return _solved(mode, T, near)


def _free(mode: Mode, T: Any) -> Any:
    """The hinge loss below its kink."""
    u0, C, b = mode.initial, mode.imbalance, mode.power
    if C:
        return C * mp.sinh(mp.asinh(u0 / C) + T)
    if b == 0:
        return u0 * mp.exp(T)
    if b == 1:
        return u0 + T
    inside = u0**b + b * T
    return inside ** (1 / b) if inside > 0 else mp.inf


def _relaxed(mode: Mode, T: Any) -> Any:
    u0, C = mode.initial, mode.imbalance
    if mode.depth == 1:
        return u0 - (1 - u0) * mp.expm1(-T)
    if not C:
        return 1 / (1 + (1 / u0 - 1) * mp.exp(-T))
    if u0 == 1:
        return u0
    grown = C * mp.sinh(mp.asinh((u0 + C * C) / (C * abs(1 - u0))) + mp.hypot(1, C) * T)
    return (grown - C * C) / (1 + grown) if u0 < 1 else (grown + C * C) / (grown - 1)


def _depth_one(mode: Mode, T: Any) -> Any:
    u0 = mode.initial
    if mode.loss == "exponential":
        return u0 + mp.log1p(T * mp.exp(-u0))
    # u + e^u = u0 + e^u0 + T in x = u - u0
    start = mp.exp(u0)

    def excess(x: Any) -> tuple[Any, Any]:
        return x + start * mp.expm1(x) - T, 1 + start * mp.exp(x)

    most = T / (1 + start)
    return u0 + _root(excess, mp.mpf(0), most, min(most, mp.log1p(T / start)))


def _from_near(mode: Mode, T: Any, near: Any) -> Any:
    """Newton's method from a logit whose time is close to T, integrating over the short way between only."""
    missing, u = T - scaled_time(mode, near), near
    for _ in range(12):
        step = (missing - between(mode, near, u)) * mode.speed(u)
        u = max(u + step, mode.initial)
        if abs(step) < mp.mpf(10) ** -32 * max(abs(u), mp.mpf(10) ** -320):
            return u
    raise ArithmeticError(f"no logit of {mode} found from {near}")


def _solved(mode: Mode, T: Any, near: Any) -> Any:
    """A root in y = log u, or log(u / |1 - u|) for the squared loss."""
    u0, squared = mode.initial, mode.loss == "squared"
    sign = -1 if squared and u0 > 1 else 1

    def to_y(u: Any) -> Any:
        return mp.log(u / abs(1 - u)) if squared else mp.log(u)

    def to_u(y: Any) -> Any:
        return 1 / (sign * mp.exp(-y) + 1) if squared else mp.exp(y)

    def excess(y: Any) -> tuple[Any, Any]:
        u = to_u(y)
        return scaled_time(mode, u) - T, (u**mode.power if squared else u / mode.speed(u))

    low = to_y(u0)
    high = mp.mpf(max(100, low + 1)) if squared else mp.log(1500 + u0)
    if squared and excess(high)[0] <= 0:  # 1 - u < e^-100
        return mp.mpf(1)
    return to_u(_root(excess, low, high, low if near is None else to_y(near)))


def _root(function: Any, low: Any, high: Any, start: Any) -> Any:
    """The root of an increasing function by Newton's method in a shrinking bracket."""
    x = start
    for k in range(1, 401):
        value, slope = function(x)
        if value < 0:
            low = x
        else:
            high = x
        new = x - value / slope
        close = mp.mpf(10) ** -34 * max(min(abs(new), 1), mp.mpf(10) ** -20)
        if abs(new - x) <= close or high - low <= close:
            return new
        # from far above, Newton's method comes down an exponential in steps of 1
        x = new if low < new < high and k % 5 else (low + high) / 2
    raise ArithmeticError("no root in 400 steps")


# -- other functions ----------------------------------------------------------------------------------------


def log_ei_inverse(c: Any) -> Any:
    """The u with log u + Ei(u) = c, by y = log u."""

    def excess(y: Any) -> tuple[Any, Any]:
        u = mp.exp(y)
        return y + mp.ei(u) - c, 1 + mp.exp(u)

    return mp.exp(_root(excess, mp.mpf(-760), mp.log(720), min(c, mp.log(720)) / 2))


def inflection(depth: Any = 2, classes: Any = 2, imbalance: Any = 0) -> tuple[Any, Any]:
    """The largest root of S'(u) + 1 = 3 P, P the confidence, and |dlog u/dlog C|.

    With P = sigma(u - log(n - 1)), dP/dt = A P (1 - P)^2 S(u), which peaks where
    (1 - P) - 2 P + S'(u)/S(u) = 0, as dP/du = P (1 - P); S'/S is u/(u^2 + C^2) or (2 - 2/depth)/u.
    """
    shift, C = mp.log(classes - 1), imbalance
    if depth == 1:
        return shift - mp.log(2), mp.mpf(0)
    a = 2 - mp.mpf(2) / depth

    def bend(u: Any) -> Any:
        return u / (u * u + C * C) if C else a / u

    def excess(u: Any) -> Any:
        return 1 - 3 / (1 + mp.exp(shift - u)) + bend(u)

    u = _last_root(excess, shift + 3)
    slope, by_C = mp.diff(excess, u), -2 * u * C * C / (u * u + C * C) ** 2 if C else mp.mpf(0)
    return u, abs(by_C / (u * slope))


def _last_root(excess: Callable[[Any], Any], high: Any) -> Any:
    """Where the function, negative from here on, was last positive; by steps, then bisection and secants."""
    low, step = high, mp.mpf(1) / 64
    best, least = None, mp.inf
    while excess(low) <= 0:
        value = excess(low)
        if value > -mp.mpf(1) / 50 and -value < least:
            best, least = low, -value
        low -= step
    top = low + step
    if best is not None and best > low + 2 * step:  # two roots may lie between two steps
        peak = mp.findroot(lambda u: mp.diff(excess, u), best)
        if excess(peak) > 0:
            low, top = peak, peak + 8 * step
    return mp.findroot(excess, (low, top), solver="anderson", tol=mp.mpf(10) ** -80)


# -- conditions ---------------------------------------------------------------------------------------------


def sensitivities(mode: Mode, T: Any, u: Any) -> tuple[Any, Any]:
    """|dlog u/dlog t| and |dlog u/dlog u0|, by the ODE."""
    if not u:
        return mp.inf, mp.inf
    relative = mode.speed(u) / u
    start = mode.speed(mode.initial)
    return abs(T * relative), abs(relative * mode.initial / start) if start else mp.mpf(1)
