"""Full-batch gradient descent of one network with one hidden layer whose arrays are large: bound by two GEMMs.

With Q = sum_i lr q_i y_i g_i [w.x_i > 0] x_i for every unit, the gate being a matrix of 0 and 1, a step is
Z += W . Q (row by row) and W += Z Q: the points are multiplied by the pull, not the (h, n) array of gates, and what
is left beside the two products are four passes over that array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical.in_place import SCALED
from dynsim.empirical.recording import Standing


class Large:
    """One network: W (h, d), Z (h,), on points X (n, d), y (n,), with c = lr q (n,)."""

    block = 64

    def __init__(self, member: int, W: Floats, Z: Floats, X: Floats, y: Floats, c: Floats, loss: str) -> None:
        self.members, self.W, self.Z = np.array([member]), np.array(W), np.array(Z)
        self.points, self.y, self.c, self.pull = np.ascontiguousarray(X.T), y, c, SCALED[loss]
        h, n = len(Z), len(y)
        self.A, self.gate = np.empty((h, n)), np.empty((h, n), dtype=np.bool_)
        self.G, self.pulled = np.empty((h, n)), np.empty_like(self.points)
        self.f, self.p = np.empty(n), np.empty(n)

    def _look(self) -> None:
        """The hidden layer in A, the logits in f."""
        np.matmul(self.W, self.points, out=self.A)
        np.maximum(self.A, 0.0, out=self.A)
        np.dot(self.Z, self.A, out=self.f)

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        due = {k: j for j, k in enumerate(keep.tolist())}
        push, Q = self.c * self.y, np.empty_like(self.W)
        for step in range(first, last):
            self._look()
            if step in due:
                out[due[step], self.members[0]] = self.f
            np.multiply(self.f, self.y, self.p)
            self.pull(self.p, push, self.p)
            np.greater(self.A, 0.0, self.gate)
            np.copyto(self.G, self.gate)
            np.multiply(self.points, self.p, self.pulled)
            np.matmul(self.G, self.pulled.T, out=Q)
            turn = np.einsum("kj,kj->k", self.W, Q)  # sum_i lr q y g relu(w.x)
            np.multiply(Q, self.Z[:, None], Q)
            np.add(self.W, Q, self.W)
            np.add(self.Z, turn, self.Z)

    def logits(self) -> Floats:
        """The logits now, shape (1, n)."""
        self._look()
        return np.array(self.f[None])

    def standing(self) -> Standing:
        """Whether the network is finite, and whether anything can still change."""
        self._look()
        self.pull(self.f * self.y, self.c, self.p)
        pulled = self.p != 0.0
        finite = bool(np.isfinite(self.W).all() and np.isfinite(self.Z).all())
        silent = not np.any((self.A != 0.0) & pulled)
        return Standing(np.array([finite]), np.array([not pulled.any()]), np.array([silent]))

    def parameters(self) -> list[Floats]:
        """W (1, h, d) and Z (1, h)."""
        return [self.W[None], self.Z[None]]

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members = self.members[alive]
