"""Full-batch gradient descent of one small network with one hidden layer: as few calls a step as there can be.

With some hundred values an array, a step costs what its calls cost. Ten are left, eleven with unequal weights: the
points are sorted by class and multiplied by -y, so that relu becomes a minimum for one class and a maximum for the
other and the readout gives the negative margins; the products accumulate where they belong (BLAS, beta = 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm, dgemv

from dynsim.checks import Floats
from dynsim.empirical.in_place import PLAIN
from dynsim.empirical.recording import Engine, Standing


class Lone:
    """One network: W (h, d), Z (h,), on points X (n, d), y (n,), with c = lr q (n,)."""

    block = 1024

    def __init__(self, member: int, W: Floats, Z: Floats, X: Floats, y: Floats, c: Floats, loss: str) -> None:
        self.members = np.array([member])
        self.order = np.argsort(-y, kind="stable")
        self.sign = -y[self.order]
        points = X[self.order]
        # Columns are points, in Fortran order throughout: BLAS then works in place.
        self.W, self.Z = np.array(W, order="F"), np.array(Z)
        self.signed = np.asfortranarray((self.sign[:, None] * points).T)
        self.even = bool(np.all(c == c[0]))
        self.c = c[self.order]
        self.push = np.asfortranarray(-self.c[:, None] * points)
        self.pull = PLAIN[loss]
        # Their pull may overflow, and does not count.
        self.weightless = np.flatnonzero(self.c == 0.0)
        self.A = np.empty((len(Z), len(y)), order="F")
        self.H, self.gate, self.G = (np.empty_like(self.A) for _ in range(3))
        self.p, self.scaled, self.scratch = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        own = out[:, self.members[0]]
        rows = [self.scratch] * (last - first)
        for j, k in enumerate(keep.tolist()):
            rows[k - first] = own[j]
        try:
            self._descend(rows)
        finally:
            own[:, self.order] = own * self.sign

    def _descend(self, rows: list[Floats]) -> None:
        """One step a row, which receives the negative margins before it."""
        W, Z, A, H, gate, G, p, scaled = self.W, self.Z, self.A, self.H, self.gate, self.G, self.p, self.scaled
        split = int(np.sum(self.sign < 0))
        A1, A2, H1, H2 = A[:, :split], A[:, split:], H[:, :split], H[:, split:]
        zero1, zero2 = np.zeros_like(A1), np.zeros_like(A2)
        signed, push, c, pull = self.signed, self.push, self.c, self.pull
        column, line, even = Z[:, None], p[None, :], self.even
        rate, force = (-float(c[0]), p) if even else (-1.0, scaled)
        weightless, some = self.weightless, bool(self.weightless.size)
        minimum, maximum, sign, multiply = np.minimum, np.maximum, np.sign, np.multiply
        for row in rows:
            dgemm(1.0, W, signed, 0.0, A, 0, 0, 1)  # -y w.x
            minimum(A1, zero1, out=H1)  # -y relu(w.x)
            maximum(A2, zero2, out=H2)
            dgemv(1.0, H, Z, 0.0, row, 0, 1, 0, 1, 1, 1)  # -m
            pull(row, p)  # g
            if some:
                p[weightless] = 0.0
            if not even:
                multiply(p, c, scaled)
            sign(H, gate)  # -y [w.x > 0]
            dgemm(1.0, column, line, 0.0, G, 0, 0, 1)  # Z g
            multiply(G, gate, G)
            dgemv(rate, H, force, 1.0, Z, 0, 1, 0, 1, 0, 1)  # Z += sum lr q y g relu(w.x)
            dgemm(1.0, G, push, 1.0, W, 0, 0, 1)  # W += sum lr q y g Z [w.x > 0] x

    def logits(self) -> Floats:
        """The logits now, shape (1, n)."""
        dgemm(1.0, self.W, self.signed, 0.0, self.A, 0, 0, 1)
        split = int(np.sum(self.sign < 0))
        np.minimum(self.A[:, :split], 0.0, out=self.H[:, :split])
        np.maximum(self.A[:, split:], 0.0, out=self.H[:, split:])
        dgemv(1.0, self.H, self.Z, 0.0, self.scratch, 0, 1, 0, 1, 1, 1)
        out = np.empty((1, len(self.order)))
        out[0, self.order] = self.scratch * self.sign
        return out

    def standing(self) -> Standing:
        """Whether the network is finite, and whether anything can still change."""
        self.logits()
        self.pull(self.scratch, self.p)
        pulled = (self.c != 0.0) & (self.p != 0.0)
        finite = all(bool(np.isfinite(a).all()) for a in (self.W, self.Z, self.scratch))
        silent = not np.any((self.H != 0.0) & pulled)
        return Standing(np.array([finite]), np.array([not pulled.any()]), np.array([silent]))

    def parameters(self) -> list[Floats]:
        """W (1, h, d) and Z (1, h)."""
        return [np.ascontiguousarray(self.W)[None], self.Z[None]]

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members = self.members[alive]

    def join(self, other: Engine) -> bool:
        """Never: each network is computed by itself."""
        return False
