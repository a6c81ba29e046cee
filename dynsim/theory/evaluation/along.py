"""One curve at very many times: accurate values at few times, polynomials between them.

The logit of a mode is an analytic function of time away from its kinks, so that a polynomial of degree 14 repeats
it to rounding on a segment short enough. docs/benchmarks-laws.md holds what that saves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks
from dynsim.checks import Floats

Curve = Callable[[Floats], Floats]
Ints = NDArray[np.intp]

_DEGREE = 14
# With both ends among the nodes, a curve that only rises cannot do so unseen between them.
_NODES: Floats = -np.cos(np.arange(_DEGREE + 1.0) * (np.pi / _DEGREE))
_EPSILON = float(np.finfo(np.float64).eps)
# In units of rounding (see `_unit`): the last three coefficients of a fit, its largest value (Horner's rule
# rounds in units of that), and the coefficients that are left out at its end.
_MOST_TAIL, _MOST_VALUE, _DROPPED = 3.0, 4.0, 0.5
# A segment with fewer times is not worth its nodes.
_FEWEST = 16 * (_DEGREE + 1)
_CHUNK = 16384
_FIRST, _MOST_FIRST = 16, 48

_TO_CHEBYSHEV: Floats = np.asarray(
    np.linalg.inv(np.polynomial.chebyshev.chebvander(_NODES, _DEGREE)), dtype=np.float64
)
# column k holds the integers of the polynomial T_k
_TO_POWERS: Floats = np.zeros((_DEGREE + 1, _DEGREE + 1))
for _k, _unit_vector in enumerate(np.eye(_DEGREE + 1)):
    _TO_POWERS[: _k + 1, _k] = np.polynomial.chebyshev.cheb2poly(_unit_vector)[: _k + 1]


def evaluate(curve: Curve, times: ArrayLike, *, kinks: Iterable[float] = ()) -> Floats:
    """`curve(times)` for one monotone curve, by piecewise polynomials where there are many times.

    The range of the times is quartered until on each segment a polynomial through 15 values repeats the curve, or
    until fewer than 240 times are left in it, for which the curve itself is called. It is called some five
    times, with all nodes of a generation of segments at once.

    Parameters
    ----------
    curve : callable
        Takes a one-dimensional array of times and returns as many values: one logit or another monotone
        function of time, analytic for t > 0 but for the `kinks`.
    times : array_like, shape (T,)
        t = lr x step >= 0, in order, repetitions allowed; at 0 and inf the curve itself is called.
    kinks : iterable of float
        Times at which the curve is not smooth.

    Returns
    -------
    ndarray, shape (T,)
        To what is wrong with `curve` this adds at most 4e-15 * (|u| + |t du/dt|): in relative terms, 4e-15 times
        the condition number 1 + |dlog u/dlog t|. Where the curve crosses 0 nothing relative can be had, and that
        is an absolute bound.

    Raises
    ------
    ValueError
        If times are negative, NaN, out of order or not one-dimensional.

    Examples
    --------
    >>> t = np.linspace(0.0, 10.0, 100_000)
    >>> u = evaluate(np.tanh, t)
    >>> bool(np.max(np.abs(u - np.tanh(t))) < 1e-15)
    True
    """
    t = np.asarray(times)
    if not in_order(t):
        t = checks.nonnegative("times", times, infinite=True)
        if t.ndim != 1 or np.any(t[1:] < t[:-1]):
            raise ValueError(f"times must be one-dimensional and in order, got shape {t.shape}")
    return of_sorted(curve, t, kinks)


def of_sorted(curve: Curve, t: Floats, kinks: Iterable[float] = ()) -> Floats:
    """`evaluate` at times that are known to be `in_order`."""
    out = np.empty_like(t)
    begin, end = np.searchsorted(t, 0.0, side="right"), np.searchsorted(t, np.inf)
    inner = np.clip(np.searchsorted(t, sorted(kinks), side="right"), begin, end)
    # The curve is called for one generation of segments after the other: so many at once saves the first ones.
    chunks = int(end - begin) // _CHUNK
    pieces = min(chunks, _MOST_FIRST) if chunks >= _FIRST else 1
    ends = np.unique(np.concatenate([np.linspace(begin, end, pieces + 1), inner]).astype(np.intp))
    done = [(0, 0)]
    for first, last, powers in _fitted(curve, t, ends[:-1], ends[1:]):
        _fill(out[first:last], t[first:last], powers)
        done.append((first, last))
    _call(curve, t, out, sorted(done))
    return out


def in_order(times: NDArray[Any]) -> bool:
    """Whether these are one-dimensional, sorted float64 times from 0 on; NaN is in no order."""
    if times.dtype != np.float64 or times.ndim != 1:
        return False
    return bool(np.all(times[1:] >= times[:-1]) and np.all(times[:1] >= 0.0))


def _call(curve: Curve, t: Floats, out: Floats, done: list[tuple[int, int]]) -> None:
    """The curve itself, once, between the segments that are done."""
    ends = [*(first for first, _ in done[1:]), t.size]
    gaps = [slice(last, first) for (_, last), first in zip(done, ends, strict=True) if first > last]
    if not gaps:
        return
    found, begin = curve(np.concatenate([t[gap] for gap in gaps])), 0
    for gap in gaps:
        out[gap] = found[begin : (begin := begin + gap.stop - gap.start)]


def _fitted(curve: Curve, t: Floats, first: Ints, last: Ints) -> Iterable[tuple[int, int, Floats]]:
    """Segments t[first:last] on which a fit is good, with its coefficients; quarters those where it is not."""
    calls = 0
    while True:
        many = (last - first >= _FEWEST) & (t[last - 1] > t[first]) if first.size else first > 0
        first, last = first[many], last[many]
        calls += first.size * _NODES.size
        # Of a curve that is not smooth, or noisy, no more values are taken in vain than are wanted anyway.
        if not first.size or calls > t.size:
            return
        begin, end = t[first], t[last - 1]
        nodes = 0.5 * begin[:, None] * (1.0 - _NODES) + 0.5 * end[:, None] * (1.0 + _NODES)
        nodes[:, 0], nodes[:, -1] = begin, end
        values = curve(nodes.ravel()).reshape(nodes.shape)
        with np.errstate(all="ignore"):
            good, powers, counts = _fit(nodes, values)
        kept = [row[:count] for row, count in zip(powers[good], counts[good], strict=True)]
        yield from zip(first[good].tolist(), last[good].tolist(), kept, strict=True)
        first, last = _halved(t, *_halved(t, first[~good], last[~good]))


def _fit(nodes: Floats, values: Floats) -> tuple[NDArray[np.bool_], Floats, Ints]:
    """Which segments are good, the coefficients of the powers of the distance from the middle, and how many count.

    The distance is -1 ... 1.
    """
    # Chebyshev coefficients first: they fall off, which keeps the rounding of their way to the powers small.
    centre = values[:, _DEGREE // 2]
    coefficients = (values - centre[:, None]) @ _TO_CHEBYSHEV.T
    tail = np.max(np.abs(coefficients[:, -3:]), axis=1)
    unit = _unit(nodes, values)
    good = (tail <= _MOST_TAIL * _EPSILON * unit) & (np.max(np.abs(values), axis=1) <= _MOST_VALUE * unit)
    small = np.abs(coefficients) <= _DROPPED * _EPSILON * unit[:, None]
    counts = _DEGREE + 1 - np.argmin(small[:, ::-1], axis=1)
    coefficients[np.arange(_DEGREE + 1) >= counts[:, None]] = 0.0
    powers = coefficients @ _TO_POWERS.T
    powers[:, 0] += centre
    return good, powers, np.where(small.all(axis=1), 1, counts)


def _unit(nodes: Floats, values: Floats) -> Floats:
    """The least |u| + |t du/dt| on each segment: a rounding of u and of t changes u by so many roundings."""
    slope = np.diff(values, axis=1) / np.diff(nodes, axis=1)
    sizes = np.minimum(np.abs(values[:, 1:]), np.abs(values[:, :-1]))
    return np.asarray(np.min(sizes + np.abs(slope) * nodes[:, :-1], axis=1))


def _halved(t: Floats, first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Both halves of each segment, in the logarithm of time as long as it spans more than two octaves."""
    begin, end = t[first], t[last - 1]
    middle = np.where(end > 4.0 * begin, np.sqrt(begin) * np.sqrt(end), 0.5 * begin + 0.5 * end)
    cut = np.clip(np.searchsorted(t, middle, side="right"), first, last)
    first, last = np.concatenate([first, cut]), np.concatenate([cut, last])
    return first[last > first], last[last > first]


def _fill(out: Floats, t: Floats, powers: Floats) -> None:
    """Horner's rule in place, in chunks that stay in the cache."""
    middle, scale = 0.5 * t[0] + 0.5 * t[-1], 2.0 / (t[-1] - t[0])
    local = np.empty(min(_CHUNK, t.size))
    for begin in range(0, t.size, _CHUNK):
        part = out[begin : begin + _CHUNK]
        x = local[: part.size]
        np.subtract(t[begin : begin + _CHUNK], middle, out=x)
        x *= scale
        if powers.size == 1:
            part[...] = powers[0]
            continue
        np.multiply(x, powers[-1], out=part)
        for coefficient in powers[-2:0:-1]:
            part += coefficient
            part *= x
        part += powers[0]
