"""The exact one-step maps of gradient descent as systems that can be run: full batch, in batches, perturbed.

A system knows the state of both classes, how one step changes it and which logits it stands for. Batches enter
through the weights of its cells: a batch drawn with replacement is a full step with other weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import maps, order_parameters
from dynsim.theory.maps import Mode
from dynsim.theory.order_parameters import Pulling

State = tuple[Floats, ...]


class System(Protocol):
    """What both kinds of state have in common; leading axes of every array are independent copies."""

    @property
    def cells(self) -> Floats:
        """The weights q of what a batch is drawn from, shape (k,)."""

    def start(self) -> State:
        """The state of the initial network."""

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        """The state after one step in which the cells have the given weights, shape (k,) or (..., k)."""

    def logits(self, state: State) -> Floats:
        """f of every point, shape (..., n)."""

    def sound(self, state: State) -> bool:
        """Whether the law is known to hold in this state although a pull may have been negative."""


@dataclass(frozen=True, eq=False)
class Modes:
    """One input a class: the map of `maps`, state (u, R) with classes on the last axis, (..., 2)."""

    u: Floats
    R: Floats
    imbalance: Floats
    norm: Floats
    cells: Floats
    labels: Floats

    @classmethod
    def of(cls, network: Network, data: Dataset) -> Modes:
        """u = \\|x\\| sum a z, R = (\\|x\\|/2) sum (a^2 + z^2) and C = (\\|x\\|/2) sqrt(S D), each (..., 2)."""
        found = [_coordinates(network, data.mean(label), label) for label in LABELS]
        norm = np.array([np.linalg.norm(data.mean(label)) for label in LABELS])
        u = np.stack([np.sum(a * z, -1) for a, z in found], -1)
        R = np.stack([np.sum(a * a + z * z, -1) for a, z in found], -1)
        # The root of each factor: S D may underflow where neither does.
        C = np.stack([np.linalg.norm(a + z, axis=-1) * np.linalg.norm(a - z, axis=-1) for a, z in found], -1)
        cells = np.array([data.frequency(label) for label in LABELS])
        return cls(norm * u, norm / 2 * R, norm / 2 * C, norm, cells, data.y)

    @property
    def rate(self) -> Floats:
        """kappa = p \\|x\\| of both classes."""
        return self.norm * self.cells

    def start(self) -> State:
        return self.u, self.R

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        return maps.advance(Mode(*state), lr * self.norm * cells * loss.pull(state[0]))

    def logits(self, state: State) -> Floats:
        return self.by_point(state[0])

    def by_point(self, classes: Floats) -> Floats:
        """Margins of the classes (..., 2) as logits of the points (..., n)."""
        return np.asarray(self.labels * np.where(self.labels == LABELS[0], classes[..., :1], classes[..., 1:]))

    def sound(self, state: State) -> bool:
        return bool(np.all(state[0] <= 1.0))


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

    def logits(self, state: State) -> Floats:
        parts = [group.readout(Phi) @ group.X.T for group, Phi in zip(self.groups, state, strict=True)]
        out = np.empty((*parts[0].shape[:-1], self.size))
        for group, part in zip(self.groups, parts, strict=True):
            out[..., group.shown] = part
        return out

    def sound(self, state: State) -> bool:
        return all(group.gates_hold(Phi) for group, Phi in zip(self.groups, state, strict=True))


def _coordinates(network: Network, x: Floats, label: int) -> tuple[Floats, Floats]:
    """a = w.x/\\|x\\| and z = \\|Z\\| of a class's units, zeros for the others, shape (..., h)."""
    own = label * network.Z > 0
    return np.where(own, network.W @ x / np.linalg.norm(x), 0.0), np.where(own, label * network.Z, 0.0)


def _units(network: Network, label: int, extra: NDArray[np.bool_]) -> Floats:
    """theta = (w, Z) of the units of a class, zeros for the others, shape (..., h, d + 1)."""
    own = ((label * network.Z > 0) & extra)[..., None]
    return np.where(own, np.concatenate([network.W, network.Z[..., None]], axis=-1), 0.0)


def _gram(units: Floats) -> Floats:
    return np.asarray(np.swapaxes(units, -1, -2) @ units)


def run(
    system: System,
    loss: Loss,
    lr: float,
    *,
    copies: int | None = None,
    jitter: float = 0.0,
    batch_size: int | None = None,
    rng: Any = None,
) -> Iterator[State]:
    """The states after 0, 1, 2, ... steps.

    Parameters
    ----------
    system, loss, lr
    copies : int, optional
        A leading axis of that many independent copies.
    jitter : float
        Every entry of the state is multiplied by 1 + jitter x (standard normal number) after each step.
    batch_size : int, optional
        Draw batches of that size from the cells, independently for every copy and member.
    rng : anything np.random.default_rng takes
    """
    generator = np.random.default_rng(rng)
    state = system.start()
    if copies is not None:
        state = tuple(np.broadcast_to(s, (copies, *s.shape)) for s in state)
    lead = system.logits(state).shape[:-1]
    cells, total = system.cells, float(system.cells.sum())
    while True:
        yield state
        if batch_size is not None:
            cells = _drawn(generator, system.cells / total, batch_size, lead) * (total / batch_size)
        state = system.step(state, lr, cells, loss)
        if jitter:
            state = tuple(s * (1.0 + jitter * generator.standard_normal(s.shape)) for s in state)


def _drawn(generator: np.random.Generator, share: Floats, size: int, lead: tuple[int, ...]) -> Floats:
    """How often each cell occurs in a batch drawn with replacement, shape (*lead, k)."""
    k = len(share)
    if size > k:
        return np.asarray(generator.multinomial(size, share, size=lead), dtype=np.float64)
    # Few draws among many cells: place every draw, instead of a binomial number for every cell.
    edges = np.cumsum(share)
    number = int(np.prod(lead, dtype=int))
    index = np.minimum(np.searchsorted(edges, generator.random((number, size)), side="right"), k - 1)
    flat = np.bincount((index + k * np.arange(number)[:, None]).ravel(), minlength=number * k)
    return np.asarray(flat.reshape(*lead, k), dtype=np.float64)


def logits_along(system: System, states: Iterator[State], steps: NDArray[np.int64]) -> Iterator[Floats]:
    """Logits (..., n) after each of the given steps, which increase from 0 on.

    Raises
    ------
    ValueError
        If they do not: the states go on for ever, and a step that has passed does not come back.
    """
    if np.any(np.diff(steps) <= 0):
        raise ValueError(f"steps must increase, got {steps.tolist()[:10]}")
    wanted = iter(steps.tolist())
    due = next(wanted, None)
    for k, state in enumerate(states):
        if due is None:
            return
        if k == due:
            yield system.logits(state)
            due = next(wanted, None)
            if due is None:
                return


def logits_at(system: System, states: Iterator[State], steps: NDArray[np.int64]) -> Floats:
    """The same as one array, shape (T, ..., n)."""
    # A diverging law is inf and then NaN, as the network it describes.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack(list(logits_along(system, states, steps)))
