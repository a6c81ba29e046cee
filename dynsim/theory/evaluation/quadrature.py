"""J = int exp(u) ds, the part of a mode's time in which its logit is felt; notation as in `imbalanced`.

J is computed relative to exp(u) at its upper end, from rules of Gauss with positive terms, so that nothing
cancels and nothing overflows: in s, in which the integrand is entire, or with the nodes of Laguerre where R is
so large that 1 / R hardly changes while exp(u) falls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.theory.evaluation.angles import angle_between, halves

Rule = tuple[Floats, Floats]


def _rule(nodes: int) -> Rule:
    """Gauss-Legendre on 0 ... 1, the weights by Christoffel's sum: those of NumPy are off by up to 7e-14."""
    x, _ = np.polynomial.legendre.leggauss(nodes)
    squares = np.polynomial.legendre.legvander(x, nodes - 1) ** 2
    return 0.5 * (x + 1.0), 1.0 / (squares @ (2.0 * np.arange(nodes) + 1.0))


def _far_rule(nodes: int) -> Rule:
    """Gauss-Laguerre, the weights by Christoffel's sum."""
    x, _ = np.polynomial.laguerre.laggauss(nodes)
    return x, 1.0 / np.sum(np.polynomial.laguerre.lagvander(x, nodes - 1) ** 2, axis=1)


# Panels as distances in u below the upper end, what is beyond the last weighs e^-40; and the nodes of each, so that
# it errs by less than 3e-16 of the whole (compared with 40 nodes), or by less than 1e-6 where that will do.
_FALLS = (2.5, 7.0, 16.0, 40.0)
_FINE = tuple(_rule(nodes) for nodes in (12, 16, 20, 24))
_COARSE = (_rule(6), *(_rule(8),) * 3)
_FEW = _rule(6)
# Ten nodes of Laguerre integrate e^-d / R(u - d) to rounding where R(u) is at least 30 (both compared with rules
# of many more nodes); for u > C the integrand has a hill at d = u, which must be beyond the last panel.
_FAR_RULE = _far_rule(10)
_FAR, _HILL = 30.0, 42.0
# Below this imbalance, panels end at u = -1 and u = 1: between them s may be 1,400 long.
_NARROW = 3.0
_LONG = 2.0
_TERMS = 18


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
    with np.errstate(all="ignore"):
        flat = integral_below(*(np.ravel(a) for a in (low, high, imbalance)))
    return flat.reshape(np.shape(high))


def integral_below(low: Floats, high: Floats, imbalance: Floats, *, coarse: bool = False) -> Floats:
    """J e^-high, to 2e-15 or to 1e-6 (`coarse`), of arrays of one dimension.

    Below C = 3 in up to three parts, from the top: u > 1, -1 < u < 1, u < -1.
    """
    rules = _COARSE if coarse else _FINE
    out = np.zeros_like(high)
    narrow = imbalance < _NARROW
    lowest = np.where(narrow, np.maximum(low, 1.0), low)
    chosen = np.flatnonzero(high > lowest)
    out[chosen] = _falling(lowest[chosen], high[chosen], imbalance[chosen], rules)
    if not narrow.any():
        return out
    # The lower parts are at most 1,400 e, which is nothing beside e^60 / 60.
    chosen = np.flatnonzero(narrow & (low < 1.0) & (high > -1.0) & (high < 60.0) & (high > low))
    bottom, h, c = (a[chosen] for a in (low, high, imbalance))
    top = np.minimum(h, 1.0)
    out[chosen] += _flat(np.maximum(bottom, -1.0), top, c, rules[0]) * np.exp(top - h)
    chosen = np.flatnonzero(narrow & (low < -1.0) & (high < 60.0) & (high > low))
    if chosen.size:
        bottom, h, c = (a[chosen] for a in (low, high, imbalance))
        top = np.minimum(h, -1.0)
        out[chosen] += _falling(bottom, top, c, rules) * np.exp(top - h)
    return out


def rough_integral_below(u0: Floats, u: Floats, imbalance: Floats, end: Floats, turn: Floats) -> Floats:
    """J e^-u to some percent: the last stretch by six nodes, and before it (e^u - e^u0) / R + e^u0."""
    near = np.minimum(np.minimum(turn, 5.0), 8.0 / end)
    rising, falling = halves(-u, end, imbalance)
    grown = np.expm1(near)
    drop = rising * grown + falling * (grown / (grown + 1.0))
    # across 0, and just below it, s is long where e^u is 1
    least = np.exp(np.where(u > -1.0, np.maximum(u0, np.minimum(u, 0.0)), u0) - u)
    rest = (np.exp(-drop) - least) * np.minimum(1.0 / np.hypot(u - drop, imbalance), turn - near)
    few = _panel(u, end, imbalance, near, _FEW)
    return np.asarray(few + (turn - near) * least + np.maximum(rest, 0.0))


def _falling(low: Floats, high: Floats, imbalance: Floats, rules: tuple[Rule, ...]) -> Floats:
    """int e^(u - high) ds, by Laguerre's rule where that is good at both ends, else by panels in s."""
    out = np.empty_like(high)
    fall, end, start = high - low, np.hypot(high, imbalance), np.hypot(low, imbalance)
    whole = fall >= _HILL
    smooth = _smooth(high, end, imbalance) & (whole | ((fall >= 1.0) & _smooth(low, start, imbalance)))
    chosen = np.flatnonzero(smooth)
    if chosen.size:
        out[chosen] = _tail(high[chosen], end[chosen], imbalance[chosen])
        chosen = np.flatnonzero(smooth & ~whole)
        out[chosen] -= np.exp(-fall[chosen]) * _tail(low[chosen], start[chosen], imbalance[chosen])
    chosen = np.flatnonzero(~smooth)
    if chosen.size:
        out[chosen] = _panels([a[chosen] for a in (low, high, end, imbalance)], rules)
    return out


def _smooth(u: Floats, radius: Floats, imbalance: Floats) -> NDArray[np.bool_]:
    return (radius >= _FAR) & ((u <= imbalance) | (u >= _HILL))


def _tail(u: Floats, radius: Floats, imbalance: Floats) -> Floats:
    """int e^-d / R(u - d) dd from d = 0 on, as if it had no hill."""
    unit = 1.0 / radius
    start, square = u * unit, (imbalance * unit) ** 2
    out, term = np.zeros_like(u), np.empty_like(u)
    for node, weight in zip(*_FAR_RULE, strict=True):
        np.multiply(unit, node, out=term)
        np.subtract(start, term, out=term)
        term *= term
        term += square
        np.sqrt(term, out=term)
        np.divide(weight, term, out=term)
        out += term
    return np.asarray(out * unit)


def _panels(columns: list[Floats], rules: tuple[Rule, ...]) -> Floats:
    """Panels at growing distances below `high`, each only where it is reached; columns: low, high, R(high), C."""
    out = np.zeros_like(columns[0])
    place = np.arange(out.size)
    begun: Floats | None = None
    for i, (fall, rule) in enumerate(zip(_FALLS, rules, strict=True)):
        if begun is not None:
            further = np.flatnonzero(columns[1] - columns[0] > _FALLS[i - 1])
            if not further.size:
                break
            columns, begun, place = [a[further] for a in columns], begun[further], place[further]
        low, high, end, imbalance = columns
        stop = np.maximum(low, high - fall)
        turn = angle_between(stop, high, np.hypot(stop, imbalance), end, imbalance)
        out[place] += _panel(high, end, imbalance, turn, rule, begun)
        begun = turn
    return out


def _panel(
    high: Floats, end: Floats, imbalance: Floats, turn: Floats, rule: Rule, begun: Floats | None = None
) -> Floats:
    """int e^(u - high) ds over angles `begun` (0) to `turn` below `high`."""
    # high - u = falling (1 - e^-s) + rising (e^s - 1), a sum of positive terms
    falling, rising = halves(high, end, imbalance)
    np.negative(falling, out=falling)
    np.negative(rising, out=rising)
    length = turn if begun is None else turn - begun
    out, s, term = np.zeros_like(high), np.empty_like(high), np.empty_like(high)
    for node, weight in zip(*rule, strict=True):
        np.multiply(length, node, out=s)
        if begun is not None:
            s += begun
        np.expm1(s, out=s)
        np.add(s, 1.0, out=term)
        np.divide(s, term, out=term)
        term *= falling
        s *= rising
        term += s
        np.exp(term, out=term)
        term *= weight
        out += term
    return np.asarray(out * length)


def _flat(low: Floats, high: Floats, imbalance: Floats, rule: Rule) -> Floats:
    """int e^(u - high) ds for -1 <= low <= high <= 1 and C < 3."""
    end, start = np.hypot(high, imbalance), np.hypot(low, imbalance)
    turn = angle_between(low, high, start, end, imbalance)
    out = np.empty_like(high)
    chosen = np.flatnonzero(turn <= _LONG)
    h, r, c, whole = (a[chosen] for a in (high, end, imbalance, turn))
    out[chosen] = _panel(h, r, c, whole, rule)
    chosen = np.flatnonzero(turn > _LONG)
    if chosen.size:
        out[chosen] = _series(*(a[chosen] for a in (low, high, start, end, imbalance, turn)))
    return out


def _series(low: Floats, high: Floats, start: Floats, end: Floats, imbalance: Floats, turn: Floats) -> Floats:
    """The sum of the moments M_k = int u^k / k! ds, with k^2 M_k = [u^(k-1) R / (k-1)!]_low^high - C^2 M_(k-2).

    Nothing cancels beside the first moment, the angle itself, which is above 2 here, so that C < 0.9.
    """
    square = imbalance * imbalance
    before, moment = turn, end - start
    out = turn + moment
    upper, lower = end.copy(), start.copy()
    for k in range(2, _TERMS + 1):
        upper *= high / (k - 1)
        lower *= low / (k - 1)
        before, moment = moment, ((upper - lower) - square * before) / (k * k)
        out += moment
    return np.asarray(out * np.exp(-high))
