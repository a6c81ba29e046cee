"""Any points a class, as a system: the maps and flows of the order parameters of both classes.

Two networks are covered: those that satisfy (H1)-(H3), exactly, and any network with each class replaced by its
mean point, approximately. See docs/theory.md, sections 7 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import order_parameters
from dynsim.theory.descent import State
from dynsim.theory.order_parameters import Pulling


@dataclass(frozen=True, eq=False)
class Group:
    """One class of an order-parameter system.

    P (..., d + 1, d + 1): its units. pulling: the points that pull on them. cells: their places among the cells.
    X, shown: the points whose logit is asked for, and their places among all points. units (..., h, d + 1): theta
    of every unit, 0 for those of the other class. others, rest (..., h, m): the points on which it must stay
    inactive, and what the directions that are left out add to w.x there; they never change.

    Only directions that the class's points span are kept where these are fewer than d: r lies in them.
    """

    P: Floats
    pulling: Pulling
    cells: NDArray[np.int64]
    X: Floats
    shown: NDArray[np.int64]
    units: Floats
    others: Floats
    rest: Floats

    @classmethod
    def of(
        cls,
        units: Floats,
        pulling: Pulling,
        cells: NDArray[np.int64],
        shown: tuple[Floats, NDArray[np.int64]],
        others: Floats,
    ) -> Group:
        """The group, in coordinates of the span of the points that are shown."""
        X, where = shown
        if len(X) >= X.shape[1]:
            return cls(_gram(units), pulling, cells, X, where, units, others, np.zeros(1))
        basis, _ = np.linalg.qr(X.T)
        inside = np.concatenate([units[..., :-1] @ basis, units[..., -1:]], axis=-1)
        rest = units[..., :-1] @ others.T - inside[..., :-1] @ (others @ basis).T
        near = Pulling(pulling.X @ basis, pulling.y, pulling.weights)
        return cls(_gram(inside), near, cells, X @ basis, where, inside, others @ basis, rest)

    def readout(self, Phi: Floats) -> Floats:
        return order_parameters.readout(Phi, self.P)

    def gates_hold(self, Phi: Floats) -> bool:
        """Whether every unit is active on the points that pull on it and inactive on the others."""
        w = self.units @ np.swapaxes(Phi[..., :-1, :], -1, -2)
        used = np.any(self.units != 0.0, axis=-1)[..., None]
        on, off = w @ self.pulling.X.T > 0, w @ self.others.T + self.rest <= 0
        return bool(np.all(on | ~used) and np.all(off | ~used))


@dataclass(frozen=True, eq=False)
class OrderParameters:
    """Any points: the map of `order_parameters`, state (Phi of class +1, Phi of class -1)."""

    groups: tuple[Group, Group]
    cells: Floats
    size: int

    @classmethod
    def of(cls, network: Network, data: Dataset) -> OrderParameters:
        """The exact system of a network that satisfies (H1)-(H3)."""
        groups = []
        for label in LABELS:
            own = data.mask(label)
            where, X = np.flatnonzero(own), data.X[own]
            units = _units(network, label, np.ones_like(network.Z, dtype=bool))
            pulling = Pulling(X, data.y[own], data.weights[own])
            groups.append(Group.of(units, pulling, where, (X, where), data.X[~own]))
        return cls((groups[0], groups[1]), data.weights, len(data))

    @classmethod
    def of_means(cls, network: Network, data: Dataset) -> OrderParameters:
        """The approximate system in which each class pulls with its mean point alone.

        The units of a class are those with its sign of the output weight that are active on its mean.
        """
        groups = []
        frequencies = np.array([data.frequency(label) for label in LABELS])
        for c, label in enumerate(LABELS):
            own, mean = data.mask(label), data.mean(label)
            units = _units(network, label, network.W @ mean > 0)
            pulling = Pulling(mean[None], np.array([float(label)]), frequencies[c : c + 1])
            others = data.mean(-label)[None]
            shown = data.X[own], np.flatnonzero(own)
            groups.append(Group.of(units, pulling, np.array([c]), shown, others))
        return cls((groups[0], groups[1]), frequencies, len(data))

    def start(self) -> State:
        return tuple(order_parameters.identity(group.P) for group in self.groups)

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        out = []
        for group, Phi in zip(self.groups, state, strict=True):
            batch = Pulling(group.pulling.X, group.pulling.y, cells[..., group.cells])
            out.append(order_parameters.advance(Phi, lr * batch.force(group.readout(Phi), loss)))
        return tuple(out)

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        paths = []
        for group in self.groups:
            flat = group.P.reshape(-1, *group.P.shape[-2:])
            members = [order_parameters.propagator(P, group.pulling, times, loss, rtol, lr) for P in flat]
            paths.append(np.stack(members, 1).reshape(len(times), *group.P.shape))
        return [tuple(path[k] for path in paths) for k in range(len(times))]

    @property
    def is_of_points(self) -> bool:
        """Whether the points that are shown are those that pull, and not the means of their classes."""
        return all(np.array_equal(group.cells, group.shown) for group in self.groups)

    def drop_times(self, until: float, lr: float) -> Floats:
        """When each pulling point reaches margin 1 under the hinge, (..., n); inf: not by `until`."""
        out = np.empty((*self.groups[0].P.shape[:-2], self.size))
        for group in self.groups:
            flat = group.P.reshape(-1, *group.P.shape[-2:])
            rows = [order_parameters.drops(P, group.pulling, until, lr) for P in flat]
            out[..., group.shown] = np.reshape(rows, (*group.P.shape[:-2], len(group.shown)))
        return out

    def logits(self, state: State) -> Floats:
        parts = [group.readout(Phi) @ group.X.T for group, Phi in zip(self.groups, state, strict=True)]
        out = np.empty((*parts[0].shape[:-1], self.size))
        for group, part in zip(self.groups, parts, strict=True):
            out[..., group.shown] = part
        return out

    def sound(self, state: State) -> bool:
        return all(group.gates_hold(Phi) for group, Phi in zip(self.groups, state, strict=True))


def _units(network: Network, label: int, extra: NDArray[np.bool_]) -> Floats:
    """theta = (w, Z) of the units of a class, zeros for the others, shape (..., h, d + 1)."""
    own = ((label * network.Z > 0) & extra)[..., None]
    return np.where(own, np.concatenate([network.W, network.Z[..., None]], axis=-1), 0.0)


def _gram(units: Floats) -> Floats:
    return np.asarray(np.swapaxes(units, -1, -2) @ units)


