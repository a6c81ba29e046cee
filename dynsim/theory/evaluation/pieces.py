"""Functions of one number from tables of local polynomials, and large arrays piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats

Place = tuple[slice, ...]

# Odd, so that the middle of an interval is a node: only the small differences from it are transformed.
_NODES = 9
# Ten arrays of so many numbers stay in a cache of the second level.
_CHUNK = 8192


class Pieces(NamedTuple):
    """Local polynomials: the middles of the intervals, and coefficients[k][i] of the k-th power in interval i."""

    middles: Floats
    coefficients: tuple[Floats, ...]


def fitted(ends: Floats, function: Callable[[Floats], Floats]) -> Pieces:
    """Interpolation at Chebyshev points, as powers of the distance from the middle of each interval."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    nodes[_NODES // 2] = 0.0
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    values = function(middle[:, None] + half[:, None] * nodes)
    centre = values[:, _NODES // 2]
    powers = np.linalg.solve(np.vander(nodes, increasing=True), (values - centre[:, None]).T)
    powers[0] += centre
    scaled = powers / half ** np.arange(_NODES)[:, None]
    return Pieces(middle, tuple(np.ascontiguousarray(row) for row in scaled))


def evaluated(pieces: Pieces, place: NDArray[np.intp], x: Floats) -> Floats:
    """Horner's rule with the coefficients of each number's interval."""
    local = np.take(pieces.middles, place, mode="clip")
    np.subtract(x, local, out=local)
    out = np.take(pieces.coefficients[-1], place, mode="clip")
    term = np.empty_like(out)
    for coefficient in pieces.coefficients[-2::-1]:
        out *= local
        out += np.take(coefficient, place, out=term, mode="clip")
    return out


def octaves(least: float, most: float, parts: int) -> Floats:
    """The ends of intervals between two powers of 2, `parts`, a power of 2, to the octave."""
    firsts = 2.0 ** np.arange(np.log2(least), np.log2(most))
    return np.append(np.outer(firsts, 1.0 + np.arange(parts) / parts).ravel(), most)


def octave(x: Floats, least: float, parts: int) -> NDArray[np.intp]:
    """The number of the interval of `octaves` that holds x, read off the exponent and the first bits of x."""
    shift = 52 - (parts.bit_length() - 1)
    place = np.ascontiguousarray(x).view(np.int64) >> shift
    place -= int(np.float64(least).view(np.int64)) >> shift
    return place.astype(np.intp, copy=False)


def blocks(shape: tuple[int, ...], columns: Sequence[Floats]) -> Iterator[tuple[Place, list[Floats]]]:
    """Places in an array of some 8,192 numbers each, and what columns that broadcast hold there, not expanded."""
    sizes, room = [1] * len(shape), _CHUNK
    for axis in reversed(range(len(shape))):
        sizes[axis] = max(1, min(shape[axis], room))
        room //= sizes[axis]
    ranges = [range(0, length, size) for length, size in zip(shape, sizes, strict=True)]
    for corner in itertools.product(*ranges):
        place = tuple(slice(i, i + size) for i, size in zip(corner, sizes, strict=True))
        yield place, [_part(a, place) for a in columns]


def _part(a: Floats, place: tuple[slice, ...]) -> Floats:
    """What `a`, broadcast, holds at a place; axes of length 1 stay as they are."""
    own = place[len(place) - a.ndim :]
    return a[tuple(s if n > 1 else slice(None) for s, n in zip(own, a.shape, strict=True))]
