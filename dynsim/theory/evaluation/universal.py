"""The law of a balanced mode as one function of one number, tabulated once.

Notation as in dynsim.theory.evaluation.special: F(u) = weight * log u + Ei(u), T = 2 kappa t (t = lr x step), and
F(u) = F(u0) + T (Thm 3.2, eq 2-3, v2, for weight = 1). Start and time enter through one number only:

- below u = 1 through E(u) = u exp(ein(u) / (weight + 1)), which grows as E(u0) e^{T / (weight + 1)}. Nothing is
  added to log u0, so that a start of 1e-300 costs no digit; u / E is a smooth function of E;
- above u = 1 through L = log F(u) = log(F(u0) + T), up to L = 2048, far beyond the largest float of F.

Both functions are interpolated at Chebyshev points by polynomials of degree 8 on some hundred intervals,
uniform in E and 32 to the octave in L. The nearest singularities are the zeros of dF/du, u = log(weight) + i pi,
some 64 half-lengths of an interval away, so that the ninth term is below a rounding.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.theory.evaluation.pieces import Pieces, blocks, evaluated, fitted, octave, octaves
from dynsim.theory.evaluation.special import bracketed_newton, ein, log_of_sum, scaled_time, solve_log_ei

_UNIFORM = 64
_LEAST_LOG, _MOST_LOG = 0.5, 2048.0
# Intervals to the octave of L, by the largest weight for which so many do: where F goes over from
# weight * log u to Ei(u), u turns the faster the larger the weight.
_PARTS = ((10.0, 32), (100.0, 64), (1000.0, 128))
_LARGEST_WEIGHT = _PARTS[-1][0]
_LARGEST_INITIAL = 700.0


class _Law(NamedTuple):
    """The tables of one weight; E and F at u = 1, where one takes over from the other."""

    weight: float
    below: Pieces
    above: Pieces
    growth_at_one: float
    sum_at_one: float
    parts: int


class _Start(NamedTuple):
    """What there is to know of a start, in its own shape: u0, E(u0) where u0 < 1 (else inf), and F(u0)."""

    initial: Floats
    growth: Floats
    total: Floats


def solve(
    initial: ArrayLike, scaled: ArrayLike, log_scaled: ArrayLike, *, weight: float = 1.0
) -> Floats:
    """The u >= u0 with F(u) = F(u0) + T: `special.solve_log_ei` from tables.

    Parameters
    ----------
    initial, scaled, log_scaled : array_like, broadcast
        u0 > 0, T >= 0 and log T (not checked); T may be inf, by overflow only where log T is finite. An `initial`
        of a smaller shape than T saves its share of the work.
    weight : float
        A number >= 0. The tables of the last sixteen weights are kept; there are none for weights above 1000,
        where Newton's method serves, which takes longer.

    Returns
    -------
    ndarray, the broadcast shape
        u0 itself where T = 0, inf where log T = inf. The relative error is below 4e-15 times
        1 + |dlog u/dlog T| + |dlog u/dlog u0|, u0 = 1e-300 and T = 1e600 (given by its logarithm) included.

    Examples
    --------
    >>> u = solve(0.01, [10.0, 1e5], np.log([10.0, 1e5]))
    >>> u.round(6)
    array([ 0.863713, 14.076346])
    """
    u0, total, log_total = (np.asarray(a, dtype=np.float64) for a in (initial, scaled, log_scaled))
    if weight > _LARGEST_WEIGHT:
        return solve_log_ei(u0, total, log_total, weight=weight)
    shape = np.broadcast_shapes(u0.shape, total.shape, log_total.shape)
    out, law = np.empty(shape or (1,)), _law(float(weight))
    for place, (*start, T, log_T) in blocks(out.shape, [*_start(u0, float(weight)), total, log_total]):
        _fill(out[place], _Start(*start), T, log_T, law)
    return out.reshape(shape)


def logit_at(time: ArrayLike, initial: ArrayLike, rate: ArrayLike, *, weight: float = 1.0) -> Floats:
    """`solve` at T = 2 * rate * time, which is formed piece by piece: nothing but the answer is large.

    Parameters
    ----------
    time, initial, rate : array_like, broadcast
        t = lr x step >= 0 (inf allowed), u0 > 0 and kappa > 0, finite (not checked).
    weight : float
        A number >= 0.

    Returns
    -------
    ndarray, the broadcast shape
        As accurate as `solve`.

    Examples
    --------
    >>> logit_at([0.0, 5.0, np.inf], 0.01, 1.0).round(6)
    array([0.01    , 0.863713,      inf])
    """
    t, u0, kappa = (np.asarray(a, dtype=np.float64) for a in (time, initial, rate))
    if weight > _LARGEST_WEIGHT:
        return solve_log_ei(u0, *scaled_time(kappa, t), weight=weight)
    shape = np.broadcast_shapes(t.shape, u0.shape, kappa.shape)
    out, law = np.empty(shape or (1,)), _law(float(weight))
    for place, (*start, part, factor) in blocks(out.shape, [*_start(u0, float(weight)), t, kappa]):
        with np.errstate(over="ignore", under="ignore"):
            T = np.asarray(factor * part * 2.0)
        log_T = None
        if T.size and T.max() == np.inf:
            T, log_T = scaled_time(factor, part)
        _fill(out[place], _Start(*start), T, log_T, law)
    return out.reshape(shape)


def _start(u0: Floats, weight: float) -> _Start:
    with np.errstate(all="ignore"):
        near = np.minimum(u0, 1.0)
        rest = ein(near)
        growth = np.where(u0 < 1.0, near * np.exp(rest / (weight + 1.0)), np.inf)
        total = np.asarray((weight + 1.0) * np.log(near) + (np.euler_gamma + rest))
        large = u0 > 1.0
        if large.any():
            total[large] = np.exp(log_of_sum(u0[large], weight))
    return _Start(u0, growth, total)


# -- one piece ------------------------------------------------------------------------------------------------


def _fill(out: Floats, start: _Start, T: Floats, log_T: Floats | None, law: _Law) -> None:
    """The logits of one block, into `out`."""
    with np.errstate(all="ignore"):
        total = np.asarray(np.broadcast_to(start.total + T, out.shape))
        low = total < law.sum_at_one
        if not low.any():
            out[...] = _above(total, law)
        else:
            found, flat, first = np.empty(out.size), total.ravel(), low.ravel()
            growth = np.broadcast_to(_growth(start, T, law.weight), out.shape).ravel()
            for part, function, key in ((first, _below, growth), (~first, _above, flat)):
                chosen = np.flatnonzero(part)
                found[chosen] = function(np.take(key, chosen), law)
            out[...] = found.reshape(out.shape)
        np.maximum(out, start.initial, out=out)
        still = T == 0.0
        if still.any():
            np.copyto(out, start.initial, where=still)
        if log_T is not None or np.any(start.initial > _LARGEST_INITIAL):
            _far(out, start, T, log_T, law.weight)


def _growth(start: _Start, T: Floats, weight: float) -> Floats:
    """E(u0) e^{T / (weight + 1)} in two halves, because e^744 overflows although 5e-324 e^744 is about 1."""
    half = np.exp(T * (0.5 / (weight + 1.0)))
    return np.asarray(start.growth * half * half)


def _below(growth: Floats, law: _Law) -> Floats:
    place = (growth * (_UNIFORM / law.growth_at_one)).astype(np.intp)
    return np.asarray(evaluated(law.below, place, growth) * growth)


def _above(total: Floats, law: _Law) -> Floats:
    log = np.log(total)
    return evaluated(law.above, octave(log, _LEAST_LOG, law.parts), log)


def _far(out: Floats, start: _Start, T: Floats, log_T: Floats | None, weight: float) -> None:
    """Where T overflows or F(u0) does, by Newton's method."""
    u0, total = (np.broadcast_to(a, out.shape) for a in (start.initial, T))
    far = (total == np.inf) | (u0 > _LARGEST_INITIAL)
    if far.any():
        log = np.log(total) if log_T is None else np.broadcast_to(log_T, out.shape)
        out[far] = solve_log_ei(u0[far], total[far], log[far], weight=weight)


# -- the tables -----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _law(weight: float) -> _Law:
    parts = next(count for most, count in _PARTS if weight <= most)
    with np.errstate(all="ignore"):
        at_one = float(np.exp(ein(1.0) / (weight + 1.0)))
        below = fitted(np.linspace(0.0, at_one, _UNIFORM + 1), lambda growth: _ratio(growth, weight))
        above = fitted(octaves(_LEAST_LOG, _MOST_LOG, parts), lambda log: _logit_of_log(log, weight))
    return _Law(weight, below, above, at_one, float(np.euler_gamma + ein(1.0)), parts)


def _ratio(growth: Floats, weight: float) -> Floats:
    """u / E from E: the root of log E(u) = log E, in the growth of u / E from its lower bound."""
    power = 1.0 / (weight + 1.0)

    def excess(x: Floats) -> tuple[Floats, Floats]:
        u = growth * np.exp(-x)
        return x - power * ein(u), 1.0 + power * np.expm1(u)

    top = power * ein(growth)
    x = bracketed_newton(excess, np.zeros_like(top), top, 0.5 * top)
    return np.asarray(np.exp(-x))


def _logit_of_log(log: Floats, weight: float) -> Floats:
    """u from L = log F(u), for L from 0.5 on; u may be just below 1."""

    def excess(u: Floats) -> tuple[Floats, Floats]:
        near = (weight + 1.0) * np.log(u) + np.euler_gamma + ein(np.minimum(u, 1.0))
        value = np.where(u < 1.0, np.log(near), log_of_sum(np.maximum(u, 1.0), weight))
        return value - log, (weight * np.exp(-u) + 1.0) / u * np.exp(u - value)

    # F(1) - e^0.5 < 0.25 and dF/du > weight + 1; log F(u) >= u - log(u) from u = 2 on
    least = np.full_like(log, 1.0 - 0.25 / (weight + 1.0))
    return bracketed_newton(excess, least, 2.0 * log + 5.0, np.maximum(log + np.log(np.maximum(log, 1.0)), 1.0))
