"""The law of a mode with an imbalance as one function of one number, tabulated once for each imbalance.

Notation as in dynsim.theory.evaluation.imbalanced: R(u) = sqrt(u^2 + C^2), T = 2 kappa t (t = lr x step), and
T = Phi(u) - Phi(u0) with

    Phi(u) = int_0^u (weight + e^v) / R(v) dv.

- Phi(u) / u is tabulated for starts: polynomials in u on intervals of one length in arcsinh(u / C), because the
  singularities, u = +- i C, are R(u) away from u.
- Its inverse is tabulated as u / y for y = arcsinh(Phi / Phi1), with Phi1 the Phi at which e^u takes over from
  `weight`: an exponential above it becomes a straight line, and a logit near 0 keeps its digits on either side.
  How narrow the intervals must be is read off the one kind of singularity there is, weight + e^u = 0.

A start far from 0 has a Phi larger than the T of a short move from it. Where that would cost digits, and
where the tables end, dynsim.theory.evaluation.imbalanced takes over.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim.checks import Floats
from dynsim.theory.evaluation import imbalanced as direct
from dynsim.theory.evaluation import two_layers
from dynsim.theory.evaluation.pieces import Pieces, blocks, evaluated, fitted, octave, octaves
from dynsim.theory.evaluation.special import bracketed_newton

_Mask = NDArray[np.bool_]

_NARROWEST, _WIDEST, _LARGEST_WEIGHT = 1e-4, 1e4, 1000.0
# Starts that are served, and the ends of their table.
_LOWEST, _HIGHEST = -10.0, 30.0
_FIRST, _LAST = -11.0, 31.0
# y + 3 in octaves: intervals are narrowest for it where weight and e^u change places, |y| < 1.
_SHIFT, _LEAST, _MOST = 3.0, 0.5, 128.0
_LONGEST, _SMALLEST = 1e45, 1e-280
# A ninth term below a rounding needs singularities so many half-lengths of an interval away.
_AWAY, _FEWEST_PARTS = 40.0, 64
# A relative change of Phi(u0) may be worth so many times as large a one of u0 or T.
_LOST = 5.0


class _Forward(NamedTuple):
    """Phi / u: its table, the angle where that begins and how many intervals there are to an angle of 1."""

    table: Pieces
    imbalance: float
    first: float
    density: float


class _Law(NamedTuple):
    """The tables of one imbalance and weight; 1 / Phi1, and the least y that is served."""

    weight: float
    forward: _Forward
    logits: Pieces
    parts: int
    unit: float
    least: float


def logit_at(
    time: ArrayLike, initial: ArrayLike, rate: ArrayLike, *, imbalance: float, weight: float = 1.0
) -> Floats:
    """The logit of a mode of two layers with an imbalance at a time.

    Parameters
    ----------
    time, initial, rate : array_like, broadcast
        t = lr x step >= 0 (inf allowed), u0 of either sign and the rate kappa > 0, finite (not checked). An
        `initial` of a smaller shape than the times saves its share of the work.
    imbalance, weight : float
        C > 0; and 1 for cross-entropy, 0 for the exponential loss, n - 1 for a softmax of n classes (its rate
        with the factor dynsim.theory.modes has). The tables of the last sixteen of both are kept; there are
        none outside 1e-4 <= C <= 1e4 and 1 <= weight <= 1000 (but for 0). There
        dynsim.theory.evaluation.imbalanced serves, which takes longer, as it does for starts outside -10 ...
        30; for starts more than 70 C away from 0, while T is much smaller than Phi(u0); and for weight 0 also
        for starts below some -C^(1/2) / 2, at most -0.66.

    Returns
    -------
    ndarray, the broadcast shape
        `initial` at t = 0, inf at t = inf; else the relative error is below 4e-15 times the condition number
        1 + |dlog u/dlog t| + |dlog u/dlog u0|.

    Examples
    --------
    >>> logit_at([0.0, 5.0, np.inf], -0.1, 1.0, imbalance=0.3).round(6)
    array([-0.1     ,  2.191612,       inf])
    """
    t, u0, kappa = (np.asarray(a, dtype=np.float64) for a in (time, initial, rate))
    shape = np.broadcast_shapes(t.shape, u0.shape, kappa.shape)
    u0, C, w = np.atleast_1d(u0), float(imbalance), float(weight)
    out, far = np.empty(shape or (1,)), np.ones(shape or (1,), dtype=bool)
    with np.errstate(all="ignore"):
        if _tabulated(C, w):
            law = _law(C, w)
            for place, (*start, first, part, factor) in blocks(out.shape, [*_start(u0, law), u0, t, kappa]):
                far[place] = _fill(out[place], start, first, np.asarray(factor * part * 2.0), law)
        # All at once: the fewer of a block, the more each costs.
        if far.any():
            out[far] = _direct([np.broadcast_to(a, out.shape)[far] for a in (t, u0, kappa)], C, w)
    return out.reshape(shape)


def _tabulated(C: float, weight: float) -> bool:
    return _NARROWEST <= C <= _WIDEST and (weight == 0.0 or 1.0 <= weight <= _LARGEST_WEIGHT)


def _start(u0: Floats, law: _Law) -> tuple[Floats, Floats]:
    """Phi / Phi1 of the starts, in their own shape, and the shortest T that is served."""
    total = _total(u0, law.forward)
    share = np.abs(u0) * (law.weight + np.exp(u0)) / np.hypot(u0, law.forward.imbalance)
    shortest = np.maximum(np.abs(total) / _LOST - share, _SMALLEST)
    total *= law.unit
    served = (u0 >= _LOWEST) & (u0 <= _HIGHEST) & (total >= np.sinh(law.least))
    return total, np.where(served, shortest, np.inf)


def _total(u: Floats, forward: _Forward) -> Floats:
    """Phi(u)."""
    place = ((np.arcsinh(u / forward.imbalance) - forward.first) * forward.density).astype(np.intp)
    return np.asarray(u * evaluated(forward.table, place, u))


def _fill(out: Floats, start: list[Floats], u0: Floats, T: Floats, law: _Law) -> _Mask:
    """The logits of one block, into `out`; and where they are not to be had so."""
    total, shortest = start
    y = np.arcsinh(np.broadcast_to(total + T * law.unit, out.shape)).ravel()
    u = evaluated(law.logits, octave(y + _SHIFT, _LEAST, law.parts), y)
    u *= y
    np.maximum(u.reshape(out.shape), u0, out=out)
    return np.broadcast_to(~((shortest <= T) & (T <= _LONGEST)), out.shape)


def _direct(columns: list[Floats], C: float, weight: float) -> Floats:
    """Without tables, and at the times 0 and inf."""
    time, initial, rate = columns
    out = np.where(time == np.inf, np.inf, initial)
    moving = (time > 0.0) & (time < np.inf)
    mode = two_layers.Mode(time, initial, rate, np.full_like(time, C)).where(moving)
    out[moving] = two_layers.imbalanced_logit(mode, weight)
    return out


# -- the tables -----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _law(C: float, weight: float) -> _Law:
    with np.errstate(all="ignore"):
        first, last = np.arcsinh(_FIRST / C), np.arcsinh(_LAST / C)
        # e^u changes by e^(1/4) at most within an interval
        count = int(np.ceil((last - first) * 4.0 * np.hypot(_LAST, C)))
        ends = C * np.sinh(np.linspace(first, last, count + 1))
        table = fitted(ends, lambda u: _slope(u, C, weight))
        forward = _Forward(table, C, float(first), count / float(last - first))
        one = np.array([1.0 + np.log(max(1.0, weight))])
        unit = 1.0 / float(_slope(one, C, weight)[0] * one[0])
        singular = np.arcsinh(_singular(C, weight) * unit)
        least = _LEAST - _SHIFT if weight else max(_LEAST - _SHIFT, 0.5 * singular.real)
        parts = _parts(singular, least)
        ends = octaves(_LEAST, _MOST, parts) - _SHIFT
        logits = fitted(ends, lambda y: _ratio(y, forward, unit, weight))
    return _Law(weight, forward, logits, parts, unit, float(least))


def _slope(u: Floats, C: float, weight: float) -> Floats:
    """Phi(u) / u."""
    zero, imbalance = np.zeros_like(u), np.full_like(u, C)
    total = direct.elapsed(np.minimum(u, zero), np.maximum(u, zero), imbalance, weight=weight)[0]
    return np.where(u == 0.0, (weight + 1.0) / C, total / np.abs(u))


def _singular(C: float, weight: float) -> complex:
    """Phi where its slope vanishes: at log(weight) + i pi, or for weight 0 at -inf."""
    if weight == 0.0:
        # e^-60 is no more
        return complex(60.0 * -_slope(np.array([-60.0]), C, weight)[0])
    x, share = np.polynomial.legendre.leggauss(60)
    turn = np.arcsinh((np.log(weight) + 1j * np.pi) / C)
    return complex(0.5 * turn * np.sum(share * (weight + np.exp(C * np.sinh(0.5 * turn * (x + 1.0))))))


def _parts(singular: complex, least: float) -> int:
    """How many intervals to the octave keep a singularity in y away."""
    ends = octaves(_LEAST, _MOST, _FEWEST_PARTS) - _SHIFT
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    near = float(np.max((half / np.abs(middle - singular))[middle > least]))
    return _FEWEST_PARTS << max(0, int(np.ceil(np.log2(_AWAY * near))))


def _ratio(y: Floats, forward: _Forward, unit: float, weight: float) -> Floats:
    """u / y from y = arcsinh(Phi / Phi1); below the table of starts, where nothing is served, anything."""
    wanted, out, C = np.sinh(y).ravel() / unit, np.empty(y.size), forward.imbalance
    above = wanted > 0.0
    T = wanted[above]
    out[above] = direct.solve(np.zeros_like(T), T, np.log(T), np.full_like(T, C), weight=weight)
    known = forward.table.middles[forward.table.middles < 0.0]
    totals = _total(known, forward)
    T = np.maximum(wanted[~above], totals[0])

    def excess(u: Floats) -> tuple[Floats, Floats]:
        return _total(u, forward) - T, (weight + np.exp(u)) / np.hypot(u, C)

    least, guess = np.full_like(T, known[0]), np.interp(T, totals, known)
    out[~above] = bracketed_newton(excess, least, np.zeros_like(T), guess)
    return np.asarray(out.reshape(y.shape) / y)
