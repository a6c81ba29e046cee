"""The sign of an inner product of two points, decided exactly.

(H1) of Lemma 3.1 (v2) turns on that sign, and 0 is a case of its own: where round-off could have changed it, it is
computed again with twice the digits, and where even these do not tell, in rational arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats

_BLOCK = 500_000  # inner products formed at a time: 4 MB an array
Block = tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]


def orthogonal(X: Floats) -> bool:
    """Whether two or more points are mutually orthogonal, exactly, and of one length, to round-off.

    Parameters
    ----------
    X : ndarray, shape (n, d)

    Examples
    --------
    >>> orthogonal(np.eye(3)), orthogonal(np.eye(3)[:1]), orthogonal(np.diag([1.0, 2.0]))
    (True, False, False)
    """
    n, d = X.shape
    if not 2 <= n <= d or not np.all(np.any(X != 0, axis=1)):
        return False
    length = np.linalg.norm(X / np.max(np.abs(X)), axis=1)
    if length.max() - length.min() > (d + 4) * np.finfo(float).eps * length.max():
        return False
    return all(bool(np.all(sign[i != j] == 0)) for i, j, sign, _ in Points.of(X).blocks())


@dataclass(frozen=True, eq=False)
class Points:
    """Points in the forms the exact signs need.

    X: as given. scaled: each point times a power of two, so that no inner product over- or underflows as a whole.
    norm: lengths of the scaled points. ids: the same number for equal points. unit: relative rounding error of an
    inner product, 0 where all of them are sums of small integers.
    """

    X: Floats
    scaled: Floats
    norm: Floats
    ids: NDArray[np.int64]
    unit: float

    @classmethod
    def of(cls, X: Floats) -> Points:
        """Those of shape (n, d)."""
        near_one = scaled(X)
        ids = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)
        largest = float(np.max(np.abs(X)))
        integers = largest < 2.0**26 and X.shape[1] * largest**2 < 2.0**53 and bool(np.all(np.rint(X) == X))
        unit = 0.0 if integers else (X.shape[1] + 1) * float(np.finfo(float).eps)
        return cls(X, near_one, np.linalg.norm(near_one, axis=1), ids, unit)

    def blocks(self) -> Iterator[Block]:
        """All pairs i <= j, some rows at a time: indices, exact sign of the inner product, cosine."""
        n = len(self.X)
        rows = max(1, _BLOCK // n)
        return (self._block(start, min(n, start + rows)) for start in range(0, n, rows))

    def _block(self, start: int, stop: int) -> Block:
        X = self.scaled
        i, j = np.nonzero(np.arange(start, stop)[:, None] <= np.arange(len(X))[None, :])
        dot = (X[start:stop] @ X.T)[i, j]
        i = i + start
        scale = self.norm[i] * self.norm[j]
        cosine = np.divide(dot, scale, out=np.zeros_like(dot), where=scale > 0)
        return i, j, self._signs(i, j, dot, start, stop), cosine

    def _decided(
        self, i: NDArray[np.int64], j: NDArray[np.int64], pairs: NDArray[np.int64], sign: Floats, size: Floats
    ) -> NDArray[np.bool_]:
        """Set the signs that twice the digits decide; true for those."""
        if not pairs.size:
            return np.zeros(0, dtype=bool)
        dot = _twice_exact(self.scaled[i[pairs]], self.scaled[j[pairs]])
        # The error of Dot2 is below eps |dot| + (d eps)^2 size; tiny products, which may underflow, stay open.
        sure = (np.abs(dot) > 4.0 * self.unit**2 * size[pairs]) & (size[pairs] > 1e-100)
        sign[pairs[sure]] = np.sign(dot[sure])
        return np.asarray(sure)

    def _signs(self, i: NDArray[np.int64], j: NDArray[np.int64], dot: Floats, start: int, stop: int) -> Floats:
        sign = np.sign(dot)
        if self.unit == 0.0:
            return sign
        size = (np.abs(self.scaled[start:stop]) @ np.abs(self.scaled).T)[i - start, j]
        unsure = np.abs(dot) <= self.unit * size
        if np.any(tiny := size < 1e-280):
            # A sum of products that underflowed is not 0; one without a common coordinate is.
            used = (self.X != 0).astype(np.float32)
            common = (used[start:stop] @ used.T)[i - start, j]
            unsure = np.where(tiny, common > 0, unsure)
        pairs = np.flatnonzero(unsure)
        pairs = pairs[~self._decided(i, j, pairs, sign, size)]
        if pairs.size:
            number = int(self.ids.max()) + 1
            codes, back = np.unique(self.ids[i[pairs]] * number + self.ids[j[pairs]], return_inverse=True)
            first = np.full(len(codes), len(pairs))
            np.minimum.at(first, back, np.arange(len(pairs)))
            exact = [_exact_sign(self.X[i[pairs[k]]], self.X[j[pairs[k]]]) for k in first]
            sign[pairs] = np.array(exact, dtype=float)[back]
        return sign


def scaled(X: Floats) -> Floats:
    """Each point (the last axis) times a power of two that brings its largest coordinate near 1."""
    _, exponent = np.frexp(np.max(np.abs(X), axis=-1, keepdims=True))
    with np.errstate(under="ignore"):
        return np.asarray(np.ldexp(X, -exponent))


def _halves(x: Floats) -> tuple[Floats, Floats]:
    """x as a sum of two floats of half as many digits (Veltkamp)."""
    big = 134217729.0 * x
    high = big - (big - x)
    return high, x - high


def _twice_exact(A: Floats, B: Floats) -> Floats:
    """Inner products of rows as if computed with twice the digits (Ogita, Rump and Oishi's Dot2)."""
    total, rest = np.zeros(len(A)), np.zeros(len(A))
    for a, b in zip(A.T, B.T, strict=True):
        product = a * b
        (a1, a2), (b1, b2) = _halves(a), _halves(b)
        missed = a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)
        new = total + product
        back = new - total
        rest += missed + ((total - (new - back)) + (product - back))
        total = new
    return np.asarray(total + rest)


def _exact_sign(a: Floats, b: Floats) -> int:
    total = sum((Fraction(p) * Fraction(q) for p, q in zip(a.tolist(), b.tolist(), strict=True)), Fraction(0))
    return (total > 0) - (total < 0)
