"""One input a class and any start, as a system: units that solve, die, creep, are reborn, or serve both classes.

Notation as in docs/theory.md, section 16: of every unit the pre-activation w.x_k on the input of each class,
and its output weight Z. The two inputs are opposite or orthogonal. Nothing is asked of the units.
"""

from __future__ import annotations

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
    """

    P: Floats
    Z: Floats
    gram: Floats
    cells: Floats
    labels: Floats
    index: NDArray[np.int64]

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
        seen = np.where(P > 0.0, P, 0.0)
        pull = lr * cells * _SIGNS * loss.pull(self.margins(state))
        moved = (pull[..., None, :] * (P > 0.0)) @ self.gram
        return P + Z[..., None] * moved, Z + np.einsum("...hk,...k->...h", seen, pull)

    def speed(self, state: State, loss: Loss) -> Floats:
        """kappa g of the class that drives faster, shape (...)."""
        return np.asarray(np.max(self.cells * self.norms * np.abs(loss.pull(self.margins(state))), axis=-1))

    def margins(self, state: State) -> Floats:
        """Of the two classes, shape (..., 2)."""
        P, Z = state
        return np.asarray(_SIGNS * np.einsum("...hk,...h->...k", np.where(P > 0.0, P, 0.0), Z))

    def sizes(self, state: State) -> Floats:
        """(\\|x\\|/2) (a^2 + z^2) of every unit for either class, in units of the logit, shape (..., h, 2)."""
        P, Z = state
        return np.asarray(0.5 * (P**2 / self.norms + self.norms * Z[..., None] ** 2))

    @property
    def norms(self) -> Floats:
        """\\|x_1\\| and \\|x_2\\|."""
        return np.sqrt(np.diag(self.gram))

    @property
    def opposite(self) -> bool:
        """Whether the inputs are opposite, and not orthogonal."""
        return bool(self.gram[0, 1] < -0.5 * np.prod(self.norms))

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        if lr:
            raise ValueError(f"lr must be 0: no second-order flow is known across the death of a unit, got {lr:g}")
        h = self.Z.shape[-1]
        inputs = unit_flow.Inputs(self.norms, self.cells, self.opposite)
        members = zip(self.P.reshape(-1, h, 2), self.Z.reshape(-1, h), strict=True)
        paths = [unit_flow.flow(P, Z, inputs, times, loss, rtol) for P, Z in members]
        P = np.stack([path.P for path in paths], 1).reshape(len(times), *self.P.shape)
        Z = np.stack([path.Z for path in paths], 1).reshape(len(times), *self.Z.shape)
        return list(zip(P, Z, strict=True))

    def logits(self, state: State) -> Floats:
        return np.asarray((_SIGNS * self.margins(state))[..., self.index])

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
        if not (aa > 0.0 and bb > 0.0):
            raise AssumptionError("law 'phases' needs inputs that are not 0, on which no unit is ever active")
        cosine = ab / np.sqrt(aa * bb)
        if abs(cosine) > _ROUNDING and cosine > _ROUNDING - 1.0:
            angle = np.degrees(np.arccos(cosine))
            raise AssumptionError(
                "law 'phases' needs inputs of the two classes that are opposite or orthogonal, got "
                f"{angle:.10g} degrees"
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
