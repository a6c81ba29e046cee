"""One input a class, as a system: two numbers a class, for one logit and for the softmax of C classes.

Notation as in docs/theory.md, sections 3 to 6 and 10. For C classes with mutually orthogonal inputs the
coordinates of a unit are a = w.x/\\|x\\| and beta, where its readout column is beta sqrt(C/(C - 1)) (e_c - 1/C);
the margin m = f_c - f_j obeys the same equations as the logit of two classes, with norm \\|x\\| sqrt(C/(C - 1))
and the pull g(m - log(C - 1)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import maps, numerical
from dynsim.theory.descent import State
from dynsim.theory.maps import Mode


@dataclass(frozen=True, eq=False)
class Modes:
    """The state is (u, R), each (..., c) with the c classes on the last axis.

    u, R, imbalance: at the start. norm: \\|x\\|, for C classes times sqrt(C/(C - 1)). cells: p. labels: +1 for
    every point where `u` is a log-odds. index: the class of each point, counted from 0. shift: log(C - 1), or 0.
    """

    u: Floats
    R: Floats
    imbalance: Floats
    norm: Floats
    cells: Floats
    labels: Floats
    index: NDArray[np.int64]
    shift: float = 0.0

    @classmethod
    def of(cls, network: Network, data: Dataset) -> Modes:
        """u = \\|x\\| sum a z, R = (\\|x\\|/2) sum (a^2 + z^2) and C = (\\|x\\|/2) sqrt(S D), each (..., c)."""
        norm = np.array([np.linalg.norm(data.mean(label)) for label in data.labels])
        cells = np.array([data.frequency(label) for label in data.labels])
        if data.classes is None:
            found = [_coordinates(network, data.mean(label), label) for label in LABELS]
            index = np.where(data.y == LABELS[0], 0, 1)
            return cls(*_numbers(found, norm), norm, cells, data.y, index)
        stretch = np.sqrt(data.classes / (data.classes - 1.0))
        found = [_softmax_coordinates(network, data.mean(label), label) for label in data.labels]
        ones, index = np.ones(len(data)), data.y.astype(np.int64)
        norm = stretch * norm
        return cls(*_numbers(found, norm), norm, cells, ones, index, float(np.log(data.classes - 1.0)))

    @property
    def rate(self) -> Floats:
        """kappa = p \\|x\\| of every class."""
        return self.norm * self.cells

    def start(self) -> State:
        return self.u, self.R

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        return maps.advance(Mode(*state), lr * self.norm * cells * loss.pull(state[0] - self.shift))

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        u, C, kappa = (np.broadcast_to(a, self.u.shape).ravel() for a in (self.u, self.imbalance, self.rate))
        paths = [
            second_order(times, float(u[k]), float(C[k]), float(kappa[k]), lr, loss, self.shift, rtol)
            for k in range(u.size)
        ]
        both = np.stack(paths, axis=-1).reshape(len(times), 2, *self.u.shape)
        return [(row[0], np.hypot(row[0], row[1])) for row in both]

    def logits(self, state: State) -> Floats:
        return self.by_point(state[0])

    def by_point(self, classes: Floats) -> Floats:
        """Margins of the classes (..., c) as logits (C classes: log-odds) of the points (..., n)."""
        return np.asarray(self.labels * (classes[..., self.index] - self.shift))

    def sound(self, state: State) -> bool:
        return bool(np.all(state[0] <= 1.0))


def second_order(
    times: Floats, u0: float, C: float, kappa: float, lr: float, loss: Loss, shift: float, rtol: float
) -> Floats:
    """u and C under the flow that gradient descent follows to second order in lr, shape (T, 2).

    du/dt = 2 kappa g R - lr kappa^2 g (g u + 2 g' R^2), dC/dt = -lr kappa^2 g^2 C (docs/theory.md, eq 6.4).
    """

    def field(y: Floats) -> Floats:
        u, c = y
        R = np.hypot(u, c)
        g, slope = pull(u - shift), loss.slope(u - shift)
        speed = 2.0 * kappa * g * R - lr * kappa**2 * g * (g * u + 2.0 * slope * R * R)
        return np.array([speed, -lr * (kappa * g) ** 2 * c])

    # The hinge stops pulling at margin 1; descent, at its next step.
    pull, stop = loss.pull, None
    if loss.name == "hinge":
        pull, stop = np.ones_like, (lambda y: float(y[0]) - 1.0)
    return numerical.solve(field, np.array([u0, C]), times, rtol=rtol, stop=stop, grid=lr)


def _numbers(found: list[tuple[Floats, Floats]], norm: Floats) -> tuple[Floats, Floats, Floats]:
    u = np.stack([np.sum(a * z, -1) for a, z in found], -1)
    R = np.stack([np.sum(a * a + z * z, -1) for a, z in found], -1)
    # The root of each factor: S D may underflow where neither does.
    C = np.stack([np.linalg.norm(a + z, axis=-1) * np.linalg.norm(a - z, axis=-1) for a, z in found], -1)
    return norm * u, norm / 2 * R, norm / 2 * C


def _coordinates(network: Network, x: Floats, label: int) -> tuple[Floats, Floats]:
    """a = w.x/\\|x\\| and z = \\|Z\\| of a class's units, zeros for the others, shape (..., h)."""
    own = label * network.Z > 0
    return np.where(own, network.W @ x / np.linalg.norm(x), 0.0), np.where(own, label * network.Z, 0.0)


def _softmax_coordinates(network: Network, x: Floats, label: int) -> tuple[Floats, Floats]:
    """a = w.x/\\|x\\| and beta of the units that are active on the class's input, zeros for the others."""
    C = network.Z.shape[-2]
    a = network.W @ x / np.linalg.norm(x)
    # Z_c = beta sqrt(C/(C - 1)) (1 - 1/C)
    beta = network.Z[..., label, :] * np.sqrt(C / (C - 1.0))
    return np.where(a > 0, a, 0.0), np.where(a > 0, beta, 0.0)
