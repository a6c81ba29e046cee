"""Full-batch gradient descent of many small networks with one hidden layer, side by side.

The network is the last axis of every array, so that numpy's loops run over networks: A (n, h, m), W (d, h, m),
Z (h, m). Products with the points are two GEMMs for all networks at once; everything else is elementwise over the
networks, each of which is computed alike wherever it stands. A network has the same bits in any ensemble, chunk or
process as long as BLAS computes a column of a product regardless of the others, which it does where the number of
columns is a multiple of `LANES`, to which chunks are padded with networks of zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm

from dynsim.checks import Floats
from dynsim.empirical.in_place import SCALED
from dynsim.empirical.recording import Standing

#: Chunks are padded to a multiple of so many networks: no vector instruction and no BLAS kernel is cut off.
LANES = 16
#: Values of an array of pre-activations that a chunk is made for: long loops that still stay in the cache.
_VALUES = 49_152
_MOST = 8_192


def chunk_size(n: int, h: int) -> int:
    """How many networks of h units on n points are computed together."""
    return max(LANES, min(_MOST, _VALUES // (n * h) // LANES * LANES))


class Together:
    """A chunk of m networks: W (m, h, d), Z (m, h), on points X (n, d), y (n,), with c = lr q (m, n)."""

    block = 32

    def __init__(
        self, members: NDArray[np.int64], W: Floats, Z: Floats, X: Floats, y: Floats, c: Floats, loss: str
    ) -> None:
        self.members, self.y = members, y[:, None]
        self.X, self.across = np.asfortranarray(X), np.asfortranarray(X.T)
        self.pull = SCALED[loss]
        self._lay_out(np.moveaxis(W, 0, -1).swapaxes(0, 1), Z.T, c.T)

    def _lay_out(self, W: Floats, Z: Floats, c: Floats) -> None:
        """Copies padded to a multiple of LANES, W (d, h, m), Z (h, m), c (n, m); and the working arrays."""
        m = len(self.members)
        wide = -(-m // LANES) * LANES
        self.W, self.Z, self.c = (np.zeros((*a.shape[:-1], wide)) for a in (W, Z, c))
        for room, values in ((self.W, W), (self.Z, Z), (self.c, c)):
            room[..., :m] = values
        self.push = self.c * self.y
        d, h, n = *W.shape[:2], len(c)
        self.A, self.G = np.empty((n, h, wide)), np.empty((n, h, wide))
        self.gate = np.empty((n, h, wide), dtype=np.bool_)
        self.f, self.p, self.dZ = np.empty((n, wide)), np.empty((n, wide)), np.empty((h, wide))
        self._flat = self.W.reshape(d, -1), self.A.reshape(n, -1), self.G.reshape(n, -1)

    def _look(self) -> None:
        """The hidden layer in A, the logits in f."""
        W, A, _ = self._flat
        dgemm(1.0, W.T, self.across, 0.0, A.T, 0, 0, 1)
        np.maximum(self.A, 0.0, out=self.A)
        if len(self.Z) == 1:
            np.multiply(self.A[:, 0], self.Z, self.f)
        else:
            np.einsum("km,ikm->im", self.Z, self.A, out=self.f)

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        due = {k: j for j, k in enumerate(keep.tolist())}
        _, _, G = self._flat
        W, X = self._flat[0].T, self.X
        p, push, y, gate = self.p, self.push, self.y, self.gate
        for step in range(first, last):
            self._look()
            if step in due:
                out[due[step], self.members] = self.f[:, : len(self.members)].T
            np.multiply(self.f, y, p)
            self.pull(p, push, p)  # lr q y g
            np.einsum("im,ikm->km", p, self.A, out=self.dZ)
            np.greater(self.A, 0.0, gate)
            # The cast on its own: a product of bool and float would be buffered.
            np.copyto(self.G, gate)
            np.multiply(self.G, p[:, None, :], self.G)
            np.multiply(self.G, self.Z, self.G)
            np.add(self.Z, self.dZ, self.Z)
            dgemm(1.0, G.T, X, 1.0, W, 0, 0, 1)  # W += sum lr q y g Z [w.x > 0] x

    def logits(self) -> Floats:
        """The logits now, shape (m, n)."""
        self._look()
        return np.array(self.f[:, : len(self.members)].T)

    def standing(self) -> Standing:
        """Which networks are finite, and in which anything can still change."""
        self._look()
        np.multiply(self.f, self.y, self.p)
        self.pull(self.p, self.c, self.p)
        pulled = self.p != 0.0
        finite = np.asarray(np.isfinite(self.W).all((0, 1)) & np.isfinite(self.Z).all(0))
        silent = np.asarray(~((self.A != 0.0).any(1) & pulled).any(axis=0))
        m = len(self.members)
        return Standing(finite[:m], ~pulled.any(0)[:m], silent[:m])

    def parameters(self) -> list[Floats]:
        """W (m, h, d) and Z (m, h)."""
        m = len(self.members)
        return [np.moveaxis(self.W[..., :m], -1, 0).swapaxes(1, 2), self.Z[:, :m].T]

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members = self.members[alive]
        old = [a[..., : len(alive)][..., alive] for a in (self.W, self.Z, self.c)]
        self._lay_out(*old)
