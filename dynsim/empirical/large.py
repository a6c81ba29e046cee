"""Full-batch gradient descent of one network with one hidden layer whose arrays are large: bound by two GEMMs.

With Q = sum_i lr q_i y_i g_i [w.x_i > 0] x_i for every unit, the gate being a matrix of 0 and 1, a step is
Z += W.Q (row by row) and W += Z Q: the points are multiplied by the pull, not the (h, n) array of gates, and what
is left beside the two products are four passes over that array. The units are taken in two halves, which need of
each other nothing but their share of the logits: by one process or by two in step (`lockstep`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical.in_place import scaled
from dynsim.empirical.lockstep import Lockstep
from dynsim.empirical.processes import room
from dynsim.empirical.recording import Engine, Standing
from dynsim.empirical.workspace import Workspace

_ZERO = np.zeros(())


class Units:
    """Half of the units on all points: W (k, d), Z (k,), and their share of the logits."""

    def __init__(self, W: Floats, Z: Floats, points: int, shared: bool, space: Workspace, side: int) -> None:
        self.W, self.Z = room(W.shape, np.float64, 0.0, shared), room(Z.shape, np.float64, 0.0, shared)
        self.W[...], self.Z[...] = W, Z
        self.A = space.array(f"A{side}", (len(Z), points))
        self.gate, self.Q = space.array("gate", self.A.shape, np.bool_), space.array("Q", W.shape)

    def look(self, points: Floats, share: Floats) -> None:
        """The hidden layer in A, what it adds to the logits in `share`."""
        np.matmul(self.W, points, out=self.A)
        np.maximum(self.A, _ZERO, out=self.A)
        np.dot(self.Z, self.A, out=share)

    def learn(self, pulled: Floats) -> None:
        """One step, from the points times lr q y g; the hidden layer is overwritten by its gates."""
        np.greater(self.A, _ZERO, self.gate)
        np.copyto(self.A, self.gate)
        np.matmul(self.A, pulled.T, out=self.Q)
        turn = np.einsum("kj,kj->k", self.W, self.Q)  # sum_i lr q y g relu(w.x)
        np.multiply(self.Q, self.Z[:, None], self.Q)
        np.add(self.W, self.Q, self.W)
        np.add(self.Z, turn, self.Z)


class Large:
    """One network: W (h, d), Z (h,), on points X (n, d), y (n,), with c = lr q (n,); in one process or two.

    X in Fortran order is not copied: the same points can serve many networks.
    """

    def __init__(
        self,
        member: int,
        W: Floats,
        Z: Floats,
        X: Floats,
        y: Floats,
        c: Floats,
        loss: str,
        space: Workspace,
        two: bool = False,
    ) -> None:
        self.members, self.points = np.array([member]), X.T
        self.y, self.c, self.push, self.pull = y, c, c * y, scaled(loss, c)
        self.two = two
        # A process starts with every block: the more steps, the less it matters.
        self.block = 1024 if two else 64
        middle = (len(Z) + 1) // 2
        cuts = (slice(0, middle), slice(middle, None))
        self.units = [Units(W[cut], Z[cut], len(y), two, space, side) for side, cut in enumerate(cuts)]
        self.pulled = space.array("pulled", self.points.shape)
        self.f, self.p, self.shares = np.empty(len(y)), np.empty(len(y)), np.empty((2, len(y)))

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        rows = {k: out[j, self.members[0]] for j, k in enumerate(keep.tolist())}
        if not self.two:
            for step in range(first, last):
                for units, share in zip(self.units, self.shares, strict=True):
                    units.look(self.points, share)
                self._pulled(self.shares, rows.get(step))
                for units in self.units:
                    units.learn(self.pulled)
            return

        def half(side: int, lockstep: Lockstep) -> None:
            units = self.units[side]
            for step in range(first, last):
                shares = lockstep.shares
                units.look(self.points, shares[side])
                lockstep.meet()
                self._pulled(shares, rows.get(step) if side == 0 else None)
                units.learn(self.pulled)

        Lockstep(len(self.y)).run(half)

    def _pulled(self, shares: Floats, row: Floats | None) -> None:
        """The logits in f, and the points times lr q y g."""
        np.add(shares[0], shares[1], self.f)
        if row is not None:
            row[...] = self.f
        np.multiply(self.f, self.y, self.p)
        self.pull(self.p, self.push, self.p)
        np.multiply(self.points, self.p, self.pulled)

    def logits(self) -> Floats:
        """The logits now, shape (1, n)."""
        for units, share in zip(self.units, self.shares, strict=True):
            units.look(self.points, share)
        return np.asarray(self.shares[0] + self.shares[1])[None]

    def standing(self) -> Standing:
        """Whether the network is finite, and whether anything can still change."""
        logits = self.logits()[0]
        self.pull(logits * self.y, self.c, self.p)
        pulled = self.p != 0.0
        finite = all(bool(np.isfinite(a).all()) for a in (logits, *(w for u in self.units for w in (u.W, u.Z))))
        seen = any(bool(((u.A != 0.0) & pulled).any()) for u in self.units)
        return Standing(np.array([finite]), np.array([not pulled.any()]), np.array([not seen]))

    def parameters(self) -> list[Floats]:
        """W (1, h, d) and Z (1, h)."""
        one, two = self.units
        return [np.concatenate([one.W, two.W])[None], np.concatenate([one.Z, two.Z])[None]]

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members = self.members[alive]

    def join(self, other: Engine) -> bool:
        """Never: each network is computed by itself."""
        return False
