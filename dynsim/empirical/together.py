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
from dynsim.empirical.in_place import scaled
from dynsim.empirical.recording import Engine, Standing
from dynsim.empirical.workspace import Workspace

#: Chunks are padded to a multiple of so many networks: no vector instruction and no BLAS kernel is cut off.
LANES = 16
#: Values of an array of pre-activations that a chunk is made for: long loops that still stay in the cache.
_VALUES = 49_152
_MOST = 8_192
#: Below so many values a call costs more than its loop.
_SHORT = 4_096
#: A number as an array of no axes: numpy need not convert it at every call.
ZERO = np.zeros(())


def chunk_size(n: int, h: int) -> int:
    """How many networks of h units on n points are computed together."""
    return max(LANES, min(_MOST, _VALUES // (n * h) // LANES * LANES))


class Together:
    """A chunk of m networks: W (m, h, d), Z (m, h), on points X (n, d), y (n,), with c = lr q (m, n)."""

    block = 32

    def __init__(
        self,
        members: NDArray[np.int64],
        W: Floats,
        Z: Floats,
        X: Floats,
        y: Floats,
        c: Floats,
        loss: str,
        space: Workspace,
    ) -> None:
        self.members, self.y, self.space = members, y[:, None], space
        self.X, self.across = np.asfortranarray(X), np.asfortranarray(X.T)
        self.pull = scaled(loss, c)
        # With fewer inputs than points, what is left is done on the (d, h, m) arrays of the weights.
        self.narrow = X.shape[1] < len(X)
        self._lay_out(np.moveaxis(W, 0, -1).swapaxes(0, 1), Z.T, c.T)

    def _lay_out(self, W: Floats, Z: Floats, c: Floats) -> None:
        """Copies padded to a multiple of LANES, W (d, h, m), Z (h, m), c (n, m); and the working arrays."""
        m = len(self.members)
        wide = -(-m // LANES) * LANES
        self.W, self.Z, self.c = (np.zeros((*a.shape[:-1], wide)) for a in (W, Z, c))
        for room, values in ((self.W, W), (self.Z, Z), (self.c, c)):
            room[..., :m] = values
        self.push, self.signs = self.c * self.y, self.y + np.zeros_like(self.c)
        d, h, n = *W.shape[:2], len(c)
        array = self.space.array
        self.A, self.G = array("A", (n, h, wide)), array("G", (n, h, wide))
        self.Q, self.gate = array("Q", (d, h, wide)), array("gate", (n, h, wide), np.bool_)
        self.f, self.p, self.dZ = array("f", (n, wide)), array("p", (n, wide)), array("dZ", (h, wide))
        # As BLAS sees them, in Fortran order: a row a network and unit.
        self.flat = tuple(a.reshape(len(a), -1).T for a in (self.W, self.A, self.G, self.Q))
        # Axes of length 1 would cost as much as a short loop.
        self.one_unit = self.A[:, 0] if h == 1 else None
        self.thin = (self.W[0], self.Q[0]) if d == 1 else (self.W, self.Q)
        self.over_units = self.p[:, None, :]

    def _look(self) -> None:
        """The hidden layer in A, the logits in f."""
        dgemm(1.0, self.flat[0], self.across, 0.0, self.flat[1], 0, 0, 1)
        np.maximum(self.A, ZERO, out=self.A)
        if self.one_unit is not None:
            np.multiply(self.one_unit, self.Z, self.f)
        else:
            np.einsum("km,ikm->im", self.Z, self.A, out=self.f)

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        due = {k: j for j, k in enumerate(keep.tolist())}
        f, p, signs, push, pull = self.f, self.p, self.signs, self.push, self.pull
        look, gates = self._look, self._sign if self.A.size < _SHORT else self._compare
        descend = self._narrow if self.narrow else self._wide
        for step in range(first, last):
            look()
            if step in due:
                out[due[step], self.members] = f[:, : len(self.members)].T
            np.multiply(f, signs, p)
            pull(p, push, p)  # lr q y g
            gates()
            descend()

    def _sign(self) -> None:
        """The gates as 1 and 0 in G, in one call."""
        np.sign(self.A, self.G)

    def _compare(self) -> None:
        """The same in two calls, which take less time on long arrays; at once they would be buffered."""
        np.greater(self.A, ZERO, self.gate)
        np.copyto(self.G, self.gate)

    def _wide(self) -> None:
        """Z += sum_i lr q y g relu(w.x), W += sum_i lr q y g Z [w.x > 0] x."""
        np.einsum("im,ikm->km", self.p, self.A, out=self.dZ)
        np.multiply(self.G, self.over_units, self.G)
        np.multiply(self.G, self.Z, self.G)
        np.add(self.Z, self.dZ, self.Z)
        dgemm(1.0, self.flat[2], self.X, 1.0, self.flat[0], 0, 0, 1)

    def _narrow(self) -> None:
        """The same from Q = sum_i lr q y g [w.x > 0] x: Z += W.Q for every unit, W += Z Q."""
        np.multiply(self.G, self.over_units, self.G)
        dgemm(1.0, self.flat[2], self.X, 0.0, self.flat[3], 0, 0, 1)
        W, Q = self.thin
        if W.ndim == 2:
            np.multiply(W, Q, self.dZ)
        else:
            np.einsum("jkm,jkm->km", W, Q, out=self.dZ)
        np.multiply(Q, self.Z, Q)
        np.add(W, Q, W)
        np.add(self.Z, self.dZ, self.Z)

    def logits(self) -> Floats:
        """The logits now, shape (m, n)."""
        self._look()
        return np.array(self.f[:, : len(self.members)].T)

    def standing(self) -> Standing:
        """Which networks are finite, and in which anything can still change."""
        self._look()
        seen = np.isfinite(self.f).all(0)
        np.multiply(self.f, self.signs, self.p)
        self.pull(self.p, self.c, self.p)
        pulled = self.p != 0.0
        finite = np.asarray(seen & np.isfinite(self.W).all((0, 1)) & np.isfinite(self.Z).all(0))
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

    def join(self, other: Engine) -> bool:
        """Where both have lost so many networks that half a chunk holds the rest: a step costs its calls once."""
        n, h = self.A.shape[:2]
        if not isinstance(other, Together) or len(self.members) + len(other.members) > chunk_size(n, h) // 2:
            return False
        one, two = ([a[..., : len(e.members)] for a in (e.W, e.Z, e.c)] for e in (self, other))
        self.members = np.concatenate([self.members, other.members])
        self._lay_out(*(np.concatenate(pair, axis=-1) for pair in zip(one, two, strict=True)))
        return True
