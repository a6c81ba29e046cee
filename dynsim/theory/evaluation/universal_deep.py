"""The law of a balanced mode of depth N > 2 as one function of one number, tabulated once for each depth.

Notation as in dynsim.theory.evaluation.deep: b = 2/N - 1 < 0, T = N K t, and T = F(u) - F(u0) with

    F(u) = (weight + 1) (u^b / b + ...) = int u^{b-1} (weight + e^u) du,    S(u) = b F(u) / (weight + 1).

Here F has no constant, so that S = u^b (1 - sigma(u)) with a power series sigma. In time S falls by a T, with
a = -b / (weight + 1). As in dynsim.theory.evaluation.universal, start and time enter through one number:

- below a logit u1, small enough for sigma to be below 1/2, through v = S^{1/b}, which grows as
  v0 (1 - a T / S0)^{1/b}; u / v is analytic in v;
- above u1 through y = arcsinh(F(u) - F(1)), which turns powers at one end and exponentials at the other into
  functions that change on a scale of 1. It is less its value at u1 what the table is indexed by.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.theory.evaluation import deep, powers
from dynsim.theory.evaluation.pieces import Pieces, blocks, evaluated, fitted, octave, octaves
from dynsim.theory.evaluation.special import bracketed_newton

_UNIFORM = 64
_LEAST, _MOST, _PARTS = 0.5, 512.0, 128
_TERMS = 22
# Near N = 2, S changes so little that it has no digits left; towards infinite depth the plateau ends in a kink.
_SHALLOWEST, _DEEPEST = 2.5, 1000.0
# Beyond these nothing here is certain not to over- or underflow, and dynsim.theory.evaluation.deep takes over.
_SMALLEST, _LARGEST, _LONGEST = 1e-280, 300.0, 1e200


class _Law(NamedTuple):
    """Tables and constants of one depth and weight: u1, v and F - F(1) there, F(1), arcsinh at u1 less 0.5."""

    depth: float
    weight: float
    below: Pieces
    above: Pieces
    u1: float
    v1: float
    rest1: float
    sum_at_one: float
    shift: float


def logit_at(time: ArrayLike, initial: ArrayLike, rate: ArrayLike, *, depth: float, weight: float = 1.0) -> Floats:
    """The logit of a mode of N > 2 balanced layers at a time.

    Parameters
    ----------
    time, initial, rate : array_like, broadcast
        t = lr x step >= 0 (inf allowed), u0 > 0 and the rate K = p |x|^{2/N} > 0, finite (not checked). An
        `initial` of a smaller shape than the times saves its share of the work.
    depth, weight : float
        N, and 1 for cross-entropy, 0 for the exponential loss. The tables of the last sixteen of both are kept;
        there are none outside 2.5 <= N <= 1000, where this is `deep`.

    Returns
    -------
    ndarray, the broadcast shape
        `initial` at t = 0, inf at t = inf; else as accurate as `dynsim.theory.evaluation.deep.logit`.

    Examples
    --------
    >>> logit_at([0.0, 10.0, np.inf], 0.1, 0.5, depth=4.0).round(6)
    array([0.1    , 3.64613,     inf])
    """
    t, u0, speed = (np.asarray(a, dtype=np.float64) for a in (time, initial, rate))
    shape = np.broadcast_shapes(t.shape, u0.shape, speed.shape)
    if not _SHALLOWEST <= depth <= _DEEPEST:
        return _deep(t, u0, speed, depth, weight)
    out, law = np.empty(shape or (1,)), _law(float(depth), float(weight))
    with np.errstate(all="ignore"):
        for place, columns in blocks(out.shape, [*_start(u0, law), u0, t, speed]):
            _fill(out[place], columns, law)
    return out.reshape(shape)


def _start(u0: Floats, law: _Law) -> tuple[Floats, Floats, Floats]:
    """S, v and F - F(1) of the starts, in their own shape; S and v from u1 on are of no use."""
    near = np.minimum(u0, law.u1)
    with np.errstate(all="ignore"):
        left = 1.0 - _sigma(near, law.depth, law.weight)
        level = powers.raised(near, powers.exponent(np.full_like(near, law.depth))) * left
        grown = near * left ** (law.depth / (2.0 - law.depth))
        rest = np.asarray(-level * _per_level(law.depth, law.weight) - law.sum_at_one)
        high = u0 > law.u1
        if high.any():
            rest[high] = _from_one(u0[high], law.depth, law.weight)
    return level, grown, rest


def _fill(out: Floats, columns: list[Floats], law: _Law) -> None:
    """The logits of one block, into `out`."""
    level, grown, rest, u0, t, speed = columns
    T = np.broadcast_to(law.depth * speed * t, out.shape)
    total = (rest + T).ravel()
    low = (total < law.rest1) & np.broadcast_to(u0 < law.u1, out.shape).ravel()
    found = np.empty(out.size)
    first, second = np.flatnonzero(low), np.flatnonzero(~low)
    if first.size:
        share = np.broadcast_to(T / (level * _per_level(law.depth, law.weight)), out.shape).ravel()[first]
        v = np.broadcast_to(grown, out.shape).ravel()[first]
        v = v * np.exp(np.log1p(-share) * (law.depth / (2.0 - law.depth)))
        place = (v * (_UNIFORM / law.v1)).astype(np.intp)
        found[first] = evaluated(law.below, place, v) * v
    if second.size:
        y = np.arcsinh(total[second]) - law.shift
        found[second] = evaluated(law.above, octave(y, _LEAST, _PARTS), y)
    out[...] = np.maximum(found.reshape(out.shape), u0)
    np.copyto(out, u0, where=t == 0.0)
    far = np.broadcast_to(~(T <= _LONGEST) | (u0 < _SMALLEST) | (u0 > _LARGEST), out.shape)
    if far.any():
        some = [np.broadcast_to(a, out.shape)[far] for a in (t, u0, speed)]
        out[far] = _deep(some[0], some[1], some[2], law.depth, law.weight)


def _deep(time: Floats, initial: Floats, rate: Floats, depth: float, weight: float) -> Floats:
    """Without tables; time 0 and inf are not for dynsim.theory.evaluation.deep."""
    t, u0, speed = np.broadcast_arrays(time, initial, rate)
    out = np.where(t == np.inf, np.inf, u0)
    moving = (t > 0.0) & (t < np.inf)
    flow = _flow(u0[moving], speed[moving], depth, weight)
    out[moving] = deep.logit(t[moving], flow, "cross_entropy")
    return out


# -- the tables -----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _law(depth: float, weight: float) -> _Law:
    b = 2.0 / depth - 1.0
    u1 = min(0.5, -0.4 * (b + 1.0) * (weight + 1.0) / b)
    with np.errstate(all="ignore"):
        sigma = float(_sigma(np.array(u1), depth, weight))
        v1 = u1 * (1.0 - sigma) ** (1.0 / b)
        rest1 = float(_from_one(np.array([u1]), depth, weight)[0])
        sum_at_one = -(u1**b) * (1.0 - sigma) * _per_level(depth, weight) - rest1
        below = fitted(np.linspace(0.0, v1, _UNIFORM + 1), lambda v: _ratio(v, depth, weight))
        # 0.75 is the end of an interval: at it the table begins
        shift = float(np.arcsinh(rest1)) - 0.75
        above = fitted(octaves(_LEAST, _MOST, _PARTS), lambda y: _logit_from_one(y + shift, u1, depth, weight))
    return _Law(depth, weight, below, above, u1, v1, rest1, sum_at_one, shift)


def _per_level(depth: float, weight: float) -> float:
    """-F / S."""
    return (weight + 1.0) * depth / (depth - 2.0)


def _sigma(u: Floats, depth: float, weight: float) -> Floats:
    """1 - S / u^b, a sum over u^k / (k! (b + k))."""
    out = np.zeros_like(u)
    for k in range(_TERMS, 0, -1):
        # b + 1 is 2/N, without the rounding of b
        out = u / k * (1.0 / (2.0 / depth + (k - 1)) + out)
    return np.asarray(out / _per_level(depth, weight))


def _flow(u0: Floats, rate: Floats, depth: float, weight: float) -> deep.Flow:
    one = np.ones_like(u0)
    return deep.Flow(u0, rate * one, depth * one, one, weight * one)


def _from_one(u: Floats, depth: float, weight: float) -> Floats:
    """F(u) - F(1), negative below 1."""
    rate = np.full_like(u, 1.0 / depth)
    low, high = np.minimum(u, 1.0), np.maximum(u, 1.0)
    time = deep.time_to(high, _flow(low, rate, depth, weight), "cross_entropy")
    return np.where(u == 1.0, 0.0, np.where(u < 1.0, -time, time))


def _ratio(v: Floats, depth: float, weight: float) -> Floats:
    """u / v from v = u (1 - sigma)^{1/b}: Newton's method for log v as a function of log u."""
    power = depth / (depth - 2.0)

    def excess(x: Floats) -> tuple[Floats, Floats]:
        u = v * np.exp(-x)
        sigma = _sigma(u, depth, weight)
        slope = (weight + np.exp(u)) / ((weight + 1.0) * (1.0 - sigma))
        return x + power * np.log1p(-sigma), slope

    top = np.full_like(v, power * np.log(2.0))
    return np.asarray(np.exp(-bracketed_newton(excess, np.zeros_like(v), top, np.zeros_like(v))))


def _logit_from_one(y: Floats, u1: float, depth: float, weight: float) -> Floats:
    """u from y = arcsinh(F(u) - F(1)), u1 below where the table begins."""
    wanted, out = np.sinh(y).ravel(), np.ones(y.size)
    above = wanted > 0.0
    rate = np.full(int(above.sum()), 1.0 / depth)
    flow = _flow(np.ones_like(rate), rate, depth, weight)
    out[above] = deep.logit(np.minimum(wanted[above], 1e300), flow, "cross_entropy")
    below = wanted < 0.0

    def excess(x: Floats) -> tuple[Floats, Floats]:
        u = np.exp(x)
        value = _from_one(u, depth, weight) - wanted[below]
        return value, u ** (2.0 / depth - 1.0) * (weight + np.exp(u))

    least = np.full(int(below.sum()), np.log(u1) - 1e-9)
    out[below] = np.exp(bracketed_newton(excess, least, np.zeros_like(least), 0.5 * least))
    return out.reshape(y.shape)
