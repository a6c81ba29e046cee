"""Balanced modes of any depth N >= 1, and of softmax: times and logits for each of the four losses.

docs/theory.md, section 11: with one input a class and N balanced layers (eq 5 and App. B of the paper, v2),

    du/dt = N K u^{2-2/N} g(u),    K = p |x|^{2/N} = rate * norm^{2/N-1}.

Notation: b = 2/N - 1, T = N K t with t = lr x step, so that T = int u^{b-1} / g(u) du; weight is w in
1/g(u) = (w + e^u), 1 for cross-entropy, 0 for the exponential loss, C - 1 for C classes (times C - 1).

Below a logit of 1 (hinge: all the way; squared loss: below 1/4) 1/g is a power series and T a sum of powers:
see `powers`, whose unit of time, low^b where b < 0, is that of the T here. Above, T is e^u times
a quadrature (cross-entropy, exponential), or a logarithm of the distance to 1 and a quadrature (squared). For
the squared loss and u > 1, 1/u obeys the same law as u < 1 does, with 1 - b in place of b.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.theory.evaluation import powers
from dynsim.theory.evaluation.powers import Exponent, Stretch
from dynsim.theory.evaluation.special import bracketed_newton

Mask = NDArray[np.bool_]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS
# Panels as distances below the upper end u: the powers of v are singular at 0, hence at least 4 from them.
_FALLS = (8.0, 20.0, 42.0)
_SERIES_TO = 4.0
_QUARTER = 0.25
_OVERFLOW = 300.0
_SMALLEST = float(np.finfo(np.float64).tiny)
_BEYOND = 1e4
# 4,096 values and 12 nodes stay in the cache.
_BLOCK = 4096


class Flow(NamedTuple):
    """What a mode needs besides its time or logit; arrays of one dimension and one length."""

    initial: Floats
    rate: Floats
    depth: Floats
    norm: Floats
    weight: Floats

    def where(self, part: Mask | slice) -> Flow:
        return Flow(*(a[part] for a in self))


def logit(time: Floats, flow: Flow, loss: str) -> Floats:
    """The logit at a time > 0 (finite) from `flow.initial` > 0; accuracy as in `dynsim.theory.modes`.

    Examples
    --------
    >>> one = np.ones(1)
    >>> logit(4 * one, Flow(0.01 * one, one, 4 * one, one, one), "hinge").round(6)            # (10 - 2 t)^-2
    array([0.25])
    """
    return _in_blocks(_LOGITS[loss], time, flow)


def time_to(logit: Floats, flow: Flow, loss: str) -> Floats:
    """The time to a logit that is reached, other than `flow.initial` > 0: the inverse of `logit`.

    Examples
    --------
    >>> one = np.ones(1)
    >>> time_to(one, Flow(0.01 * one, one, 4 * one, one, one), "hinge").round(6)           # (0.01^-1/2 - 1) 2/4
    array([4.5])
    """
    return _in_blocks(_TIMES[loss], logit, flow)


def _in_blocks(function: Callable[[Floats, Flow], Floats], values: Floats, flow: Flow) -> Floats:
    out = np.empty_like(values)
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        with np.errstate(all="ignore"):
            out[block] = function(values[block], flow.where(block))
    return out


# -- the unit of time ----------------------------------------------------------------------------------------


def _unit(low: Floats, b: Exponent) -> tuple[Floats, Floats]:
    """What a time is to be multiplied with, low^-b where b < 0, and its logarithm."""
    negative = Exponent(-b.value, -b.rest)
    sunk = b.value < 0.0
    return np.where(sunk, powers.raised(low, negative), 1.0), np.where(sunk, -b.value * np.log(low), 0.0)


def _scaled(time: Floats, flow: Flow, unit: Floats, log_unit: Floats) -> tuple[Floats, Floats]:
    """T in its unit, and its logarithm, which is right also where T overflows."""
    b = powers.exponent(flow.depth)
    total = time * unit * flow.rate * powers.raised(flow.norm, b) * flow.depth
    apart = np.log(time) + log_unit + np.log(flow.rate) + b.value * np.log(flow.norm) + np.log(flow.depth)
    seen = (total > _SMALLEST) & (total < np.inf)
    return np.where(seen, total, np.exp(apart)), np.where(seen, np.log(total), apart)


def _unscaled(total: Floats, log_total: Floats, flow: Flow, unit: Floats, log_unit: Floats) -> Floats:
    """t, the inverse of `_scaled`."""
    b = powers.exponent(flow.depth)
    time = total / powers.raised(flow.norm, b) / flow.rate / flow.depth / unit
    apart = log_total - b.value * np.log(flow.norm) - np.log(flow.rate) - np.log(flow.depth) - log_unit
    seen = (time > _SMALLEST) & (time < np.inf) & (total > _SMALLEST) & (total < np.inf)
    return np.where(seen, time, np.exp(apart))


# -- cross-entropy and exponential loss ----------------------------------------------------------------------


def _elapsed(low: Floats, rise: Floats, b: Exponent, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """(T e^-scale, scale, dT/du e^-scale) from `low` to u = low + rise; the scale is u from 300 on, else 0."""
    u = low + rise
    scale = np.where(u > _OVERFLOW, u, 0.0)
    total = np.zeros_like(u)
    near = low < _SERIES_TO
    total[near] = _near(low[near], rise[near], b.where(near), weight[near]) * np.exp(-scale[near])
    unit = _unit(low, b)[0]
    far = u > _SERIES_TO
    total[far] += _far(low[far], rise[far], b.where(far), weight[far], scale[far]) * unit[far]
    pull = weight * np.exp(-scale) + np.exp(u - scale)
    return total, scale, pull * u ** (b.value - 1.0) * unit


def _near(low: Floats, rise: Floats, b: Exponent, weight: Floats) -> Floats:
    """T up to a logit of 4."""
    high = np.minimum(low + rise, _SERIES_TO)
    x = np.where(low + rise <= _SERIES_TO, np.log1p(rise / low), powers.growth(low, high))
    constant, rest, _ = powers.time_along(Stretch(low, b, weight + 1.0, powers.EXPONENTIAL), high, x)
    return np.asarray(constant + rest)


def _far(low: Floats, rise: Floats, b: Exponent, weight: Floats, scale: Floats) -> Floats:
    """int (w + e^v) v^{b-1} dv from 4 or `low`, whichever is larger, to u, times e^-scale."""
    u, start = low + rise, np.maximum(low, _SERIES_TO)
    length = np.where(low < _SERIES_TO, (low - _SERIES_TO) + rise, rise)
    x = np.log1p(length / start)
    power = np.where(b.value < 0.0, start**b.value, u**b.value)
    above, integral = np.zeros_like(u), np.zeros_like(u)
    for fall in _FALLS:
        below = np.minimum(length, fall)
        d = above[:, None] + (below - above)[:, None] * _NODES
        ratio = np.log1p(-d / u[:, None]) * (b.value - 1.0)[:, None]
        integral += (below - above) * (np.exp(ratio - d) @ _WEIGHTS)
        above = below
    flat = weight * np.exp(-scale) * power * powers.part(np.abs(b.value), x)
    return np.asarray(flat + np.exp(u - scale) * u ** (b.value - 1.0) * integral)


def _unbounded_time(u: Floats, flow: Flow) -> Floats:
    b = powers.exponent(flow.depth)
    total, scale, _ = _elapsed(flow.initial, u - flow.initial, b, flow.weight)
    return _unscaled(total * np.exp(scale), np.log(total) + scale, flow, *_unit(flow.initial, b))


def _unbounded_logit(time: Floats, flow: Flow) -> Floats:
    u0, b, weight = flow.initial, powers.exponent(flow.depth), flow.weight
    unit, log_unit = _unit(u0, b)
    total, log_total = _scaled(time, flow, unit, log_unit)
    stretch = Stretch(u0, b, weight + 1.0, powers.EXPONENTIAL[:18])
    before, below, above = _split(stretch, 1.0, total)
    out = u0.copy()
    w = weight[below]
    out[below] = powers.logit_along(stretch.where(below), 1.0, total[below], lambda u: w + np.exp(u))
    start = np.maximum(u0, 1.0)
    # from the unit of u0 to that of the start of this second stretch
    left = log_total + np.log1p(-before / total) - log_unit + _unit(start, b)[1]
    out[above] = start[above]
    above &= (u0 < _BEYOND) & (left > -np.inf)
    out[above] = _climb(start[above], left[above], b.where(above), weight[above])
    return out


def _split(stretch: Stretch, top: float, total: Floats) -> tuple[Floats, Mask, Mask]:
    """The time to `top` (0 where the start is above it), and what ends below it and above it."""
    low = stretch.low < top
    before = np.zeros_like(total)
    ends = np.full(int(low.sum()), top)
    some = stretch.where(low)
    constant, rest, _ = powers.time_along(some, ends, powers.growth(some.low, ends))
    before[low] = constant + rest
    below = low & (total < before) & (total > 0.0)
    return before, below, ~below & (total > 0.0)


def _climb(start: Floats, target: Floats, b: Exponent, weight: Floats) -> Floats:
    """The logit above `start` >= 1 at log T = target, by its rise z: log T is nearly linear in log(e^z - 1)."""

    def excess(y: Floats) -> tuple[Floats, Floats]:
        rise = np.logaddexp(0.0, y)
        total, scale, slope = _elapsed(start, rise, b, weight)
        return np.log(total) + scale - target, slope / total * -np.expm1(-rise)

    # v^{b-1} falls, and e^u u^-2 (1 - 1/e) <= T from start + 1 on, with u > 4 log u from 10 on.
    log_unit = _unit(start, b)[1]
    speed = np.logaddexp(np.log(weight), start) + (b.value - 1.0) * np.log(start) + log_unit
    least = target - speed
    highest = np.maximum(start + 1.0, 2.0 * np.maximum(target - log_unit, 0.0) + 12.0) - start
    most = np.maximum(_log_expm1(highest), least + 1e-12 * np.abs(least))
    guess = _first_guess(start, target - log_unit, b.value, weight)
    y = bracketed_newton(excess, least - 1e-12 * np.abs(least), most, np.maximum(guess, least), tolerance=1e-14)
    return np.asarray(start + np.logaddexp(0.0, y))


def _log_expm1(z: Floats) -> Floats:
    return np.asarray(z + np.log(-np.expm1(-z)))


def _first_guess(start: Floats, target: Floats, b: Floats, weight: Floats) -> Floats:
    """The lower one of two upper bounds: T from e^u alone, and T from the weight alone."""
    y = target - start + (1.0 - b) * np.log(start)
    for _ in range(2):
        y = target - start + (1.0 - b) * np.log(start + np.logaddexp(0.0, y))
    linear = np.exp(target - b * np.log(start)) / weight
    x = np.where(b == 0.0, linear, np.log1p(np.maximum(b * linear, -1.0)) / b)
    other = _log_expm1(start * np.expm1(x))
    return np.where(other < y, other, y)


# -- hinge loss: u^b = u0^b + b T until u = 1 ----------------------------------------------------------------


def _hinge_stretch(flow: Flow) -> Stretch:
    return Stretch(flow.initial, powers.exponent(flow.depth), np.ones_like(flow.initial), powers.NOTHING)


def _hinge_time(u: Floats, flow: Flow) -> Floats:
    stretch = _hinge_stretch(flow)
    total = powers.time_along(stretch, u, powers.growth(flow.initial, u))[0]
    return _unscaled(total, np.log(total), flow, *_unit(flow.initial, stretch.b))


def _hinge_logit(time: Floats, flow: Flow) -> Floats:
    stretch = _hinge_stretch(flow)
    total, _ = _scaled(time, flow, *_unit(flow.initial, stretch.b))
    _, below, above = _split(stretch, 1.0, total)
    out = np.where(above, np.maximum(flow.initial, 1.0), flow.initial)
    out[below] = powers.logit_along(stretch.where(below), 1.0, total[below], np.ones_like)
    return out


# -- squared loss --------------------------------------------------------------------------------------------


def _mirrored(flow: Flow) -> tuple[Stretch, Mask]:
    """The stretch of u below 1, and of 1/u, with 1 - b = 2 (N-1)/N in place of b, above it."""
    down = flow.initial > 1.0
    b = powers.exponent(flow.depth)
    inverse = 2.0 * ((flow.depth - 1.0) / flow.depth)
    both = Exponent(np.where(down, inverse, b.value), np.where(down, 0.0, b.rest))
    low = np.where(down, 1.0 / flow.initial, flow.initial)
    return Stretch(low, both, np.ones_like(low), powers.GEOMETRIC), down


def _squared_time(u: Floats, flow: Flow) -> Floats:
    stretch, down = _mirrored(flow)
    low, u0 = stretch.low < _QUARTER, flow.initial
    # the logits between which the series holds, and those between which the quadrature does
    turn = np.where(down, 4.0, 0.25)
    middle = np.where(down, np.maximum(u, turn), np.minimum(u, turn))
    x = powers.growth(np.minimum(u0, middle), np.maximum(u0, middle))
    constant, rest, _ = powers.time_along(stretch, np.where(down, 1.0 / middle, middle), x)
    total = np.where(low, constant + rest, 0.0)
    unit, log_unit = _unit(stretch.low, stretch.b)
    start = np.where(low, turn, u0)
    high = np.where(down, u < start, u > start)
    total[high] += unit[high] * _near_one(start[high], u[high], flow.depth[high])
    return _unscaled(total, np.log(total), flow, unit, log_unit)


def _near_one(start: Floats, u: Floats, depth: Floats) -> Floats:
    """T from `start`, between 1/4 and 4, to u, between `start` and 1."""
    apart = np.abs(u - start)
    angle = np.log1p(apart / (start * np.abs(1.0 - u)))
    end = np.abs(1.0 - u) / u
    return np.asarray(angle + _bend(end, apart / start / u, start > 1.0, powers.exponent(depth).value))


def _bend(end: Floats, length: Floats, down: Mask, b: Floats) -> Floats:
    """int ((1 + r)^-b - 1)/r dr over `length` from `end` >= 0, with 1 - r for 1 + r where u comes down.

    r = |1 - u|/u, in which the integrand is singular only at -1 (or 1).
    """
    sign, cut = np.where(down, -1.0, 1.0), np.where(down, 0.5, 1.0)
    first = np.clip(cut - end, 0.0, length)
    out = np.zeros_like(end)
    for start, width in ((end, first), (end + first, length - first)):
        r = start[:, None] + width[:, None] * _NODES
        bent = np.expm1(-b[:, None] * np.log1p(sign[:, None] * r)) / r
        out += width * np.where(width > 0.0, bent @ _WEIGHTS, 0.0)
    return out


def _squared_logit(time: Floats, flow: Flow) -> Floats:
    stretch, down = _mirrored(flow)
    unit, log_unit = _unit(stretch.low, stretch.b)
    total, log_total = _scaled(time, flow, unit, log_unit)
    before, below, above = _split(stretch, _QUARTER, total)
    out = stretch.low.copy()
    out[below] = powers.logit_along(stretch.where(below), _QUARTER, total[below], lambda u: 1.0 / (1.0 - u))
    out = np.where(down, 1.0 / out, out)
    left = np.exp(log_total + np.log1p(-before / total) - log_unit)
    start = np.where(down, np.minimum(flow.initial, 4.0), np.maximum(flow.initial, 0.25))
    out[above] = start[above]
    above &= (left > 0.0) & (flow.initial != 1.0)
    out[above] = _approach(start[above], left[above], flow.depth[above])
    return np.where(down, np.minimum(out, flow.initial), np.maximum(out, flow.initial))


def _approach(start: Floats, time: Floats, depth: Floats) -> Floats:
    """The logit a time after a start between 1/4 and 4, by the angle log(r0/r), in which T is nearly linear."""
    b, down = powers.exponent(depth).value, start > 1.0
    distance, sign = np.abs(1.0 - start) / start, np.where(down, -1.0, 1.0)
    # At an angle of 250 nothing is left of r, and dT/dangle = (1 + r)^-b is at least 1/4.
    time = np.minimum(time, 1e3)

    def excess(angle: Floats) -> tuple[Floats, Floats]:
        r = distance * np.exp(-angle)
        bend = _bend(r, -distance * np.expm1(-angle), down, b)
        return (angle - time) + bend, (1.0 + sign * r) ** -b

    first = time / (1.0 + sign * distance) ** -b
    least, most = np.minimum(first, time), np.maximum(first, time)
    angle = bracketed_newton(excess, least * (1.0 - 1e-12), most * (1.0 + 1e-12), first, tolerance=1e-14)
    return np.asarray(1.0 / (1.0 + sign * distance * np.exp(-angle)))


_LOGITS = {
    "cross_entropy": _unbounded_logit,
    "exponential": _unbounded_logit,
    "hinge": _hinge_logit,
    "squared": _squared_logit,
}
_TIMES = {
    "cross_entropy": _unbounded_time,
    "exponential": _unbounded_time,
    "hinge": _hinge_time,
    "squared": _squared_time,
}
