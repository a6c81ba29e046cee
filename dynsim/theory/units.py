"""One input a class and any start, as a system: units that solve, die, creep, are reborn, or serve both classes.

Notation as in docs/theory.md, section 16: of every unit the pre-activation w.x_k on the input of each class,
and its output weight Z. The two inputs are opposite or orthogonal. Nothing is asked of the units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import AssumptionError, Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import unit_flow
from dynsim.theory.descent import State

#: The cosine of an angle is known to a few roundings; inputs this close to opposite or orthogonal are.
_ROUNDING = 1e-14
_SIGNS = np.array(LABELS, dtype=float)


@dataclass(frozen=True, eq=False)
class Units:
    """The state is (P, Z): w.x_k, shape (..., h, 2), with the classes +1 and -1 on the last axis, and Z (..., h).

    P, Z: at the start. gram: inner products of the two inputs. cells: p. labels: of the points. index: their class.
    lead: by which part of a step the gates are read ahead; 0 is gradient descent, and what others change tells how
    much hangs on where within a step a unit dies.
    """

    P: Floats
    Z: Floats
    gram: Floats
    cells: Floats
    labels: Floats
    index: NDArray[np.int64]
    lead: float = 0.0

    @classmethod
    def of(cls, network: Network, data: Dataset) -> Units:
        """The system of a network with one hidden layer and of data with one input a class."""
        inputs = np.stack([data.mean(label) for label in LABELS])
        cells = np.array([data.frequency(label) for label in LABELS])
        index = np.where(data.y == LABELS[0], 0, 1)
        return cls(network.W @ inputs.T, np.array(network.Z), inputs @ inputs.T, cells, data.y, index)

    def start(self) -> State:
        return self.P, self.Z

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        P, Z = state
        P_dot, Z_dot = self._move(P, P > 0.0, Z, lr * cells, loss)
        if self.lead:
            P_dot, Z_dot = self._move(P, P + self.lead * P_dot > 0.0, Z, lr * cells, loss)
        return P + P_dot, Z + Z_dot

    def _move(self, P: Floats, on: NDArray[np.bool_], Z: Floats, share: Floats, loss: Loss) -> State:
        seen = np.where(on, P, 0.0)
        pull = share * _SIGNS * loss.pull(_SIGNS * np.einsum("...hk,...h->...k", seen, Z))
        moved = (pull[..., None, :] * on) @ self.gram
        return Z[..., None] * moved, np.einsum("...hk,...k->...h", seen, pull)

    def switches(self, states: Iterator[State], last: int) -> Floats:
        """After how many of the states, up to number `last`, the first gate has changed, shape (...); or inf."""
        before = self.P > 0.0
        found = np.full(self.Z.shape[:-1], np.inf)
        for k, (P, _) in enumerate(states):
            now = ((P > 0.0) != before).any(axis=(-2, -1))
            found = np.where(now & np.isinf(found), k, found)
            if k == last or np.all(found < np.inf):
                break
        return found

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        if lr:
            raise ValueError(f"lr must be 0: no second-order flow is known across the death of a unit, got {lr:g}")
        h = self.Z.shape[-1]
        norms = np.sqrt(np.diag(self.gram))
        inputs = unit_flow.Inputs(norms, self.cells, opposite=bool(self.gram[0, 1] < -0.5 * norms[0] * norms[1]))
        members = zip(self.P.reshape(-1, h, 2), self.Z.reshape(-1, h), strict=True)
        paths = [unit_flow.flow(P, Z, inputs, times, loss, rtol) for P, Z in members]
        P = np.stack([path.P for path in paths], 1).reshape(len(times), *self.P.shape)
        Z = np.stack([path.Z for path in paths], 1).reshape(len(times), *self.Z.shape)
        return list(zip(P, Z, strict=True))

    def logits(self, state: State) -> Floats:
        P, Z = state
        return np.asarray(np.einsum("...hk,...h->...k", np.where(P > 0.0, P, 0.0), Z)[..., self.index])

    def sound(self, state: State) -> bool:
        """A step is that of gradient descent, whatever the pulls."""
        return True

    def check(self, loss: Loss) -> None:
        """Whether the flow of the clocks is that of these inputs under this loss.

        Raises
        ------
        AssumptionError
            If the inputs are neither opposite nor orthogonal, or if the pull of the loss may vanish or turn
            negative where it must not.
        """
        (aa, ab), (_, bb) = self.gram
        cosine = ab / np.sqrt(aa * bb)
        if abs(cosine) > _ROUNDING and cosine > _ROUNDING - 1.0:
            angle = np.degrees(np.arccos(cosine))
            raise AssumptionError(
                "law 'phases' needs inputs of the two classes that are opposite or orthogonal, got "
                f"{angle:.6g} degrees"
            )
        if loss.name not in ("hinge", "squared"):
            return
        both = int(np.sum((self.P > 0.0).all(-1)))
        if both:
            raise AssumptionError(
                f"law 'phases' needs cross-entropy or the exponential loss where units are active on both inputs: "
                f"{loss.name} stops pulling for one class while the other goes on; {both} of {self.Z.size} are"
            )
        most = float(np.max(_SIGNS * np.einsum("...hk,...h->...k", np.maximum(self.P, 0.0), self.Z)))
        if loss.name == "squared" and most > 1.0:
            raise AssumptionError(f"law 'phases' needs margins of at most 1 for the squared loss, got {most:g}")
