"""The gradient flow of units in the clocks of the two classes, through the death of every unit.

A unit that sees one class alone is known in that class's clock tau, d tau = kappa g dt: its s = a + z grows as
e^tau and its d = a - z decays as e^-tau (docs/theory.md, section 3). What remains to be integrated are the two
clocks, and alpha, beta, z of the units that see both. The value of tau at which a unit dies is known beforehand.
The time is t = lr x step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.losses import Loss

_SIGNS = np.array(LABELS, dtype=float)
#: Deaths this close in the clock are one event: opposite inputs, equal units.
_TOGETHER = 1e-13
#: The margin at which a class is learnt and moves no more: under the squared loss it comes to 1 but for rounding.
_ENDS = {"hinge": 1.0, "squared": 1.0 - 1e-13}


class Inputs(NamedTuple):
    """The two inputs: their norms and frequencies, shape (2,), and whether they are opposite (else orthogonal)."""

    norms: Floats
    frequencies: Floats
    opposite: bool


class Path(NamedTuple):
    """w.x_k of every unit on both inputs, shape (T, h, 2), and Z, shape (T, h)."""

    P: Floats
    Z: Floats


@dataclass(eq=False)
class _Ensemble:
    """The units between two events.

    P, Z: where those stand that see no class. alone: which see class k only, (2, h), with their s and d at the
    clock `since`, each (2, h). both: which see both, (h,); where these stand is part of the state. stopped: which
    classes pull no more, (2,).
    """

    inputs: Inputs
    P: Floats
    Z: Floats
    alone: NDArray[np.bool_]
    s: Floats
    d: Floats
    since: Floats
    both: NDArray[np.bool_]
    stopped: NDArray[np.bool_]

    @classmethod
    def of(cls, P: Floats, Z: Floats, inputs: Inputs) -> _Ensemble:
        h, active = len(Z), P > 0.0
        none = np.zeros((2, h))
        made = cls(
            inputs, np.array(P), np.array(Z), np.zeros((2, h), dtype=bool), none.copy(), none.copy(), none.copy(),
            np.asarray(active.all(-1)), np.zeros(2, dtype=bool),
        )  # fmt: skip
        for k in (0, 1):
            made.enter(k, active[:, k] & ~made.both, np.zeros(2))
        return made

    def enter(self, k: int, which: NDArray[np.bool_], tau: Floats) -> None:
        """From now on these units see class k alone."""
        a, z = self.P[which, k] / self.inputs.norms[k], _SIGNS[k] * self.Z[which]
        self.s[k, which], self.d[k, which], self.since[k, which] = a + z, a - z, tau[k]
        self.alone[k] |= which

    def deadline(self, k: int) -> Floats:
        """The clock of class k at which each unit that sees it alone dies; inf for those that do not."""
        dying = self.alone[k] & (self.s[k] < 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = self.since[k] + 0.5 * np.log(self.d[k] / -self.s[k])
        return np.where(dying, at, np.inf)

    def split(self, state: Floats) -> tuple[Floats, Floats]:
        """The two clocks, and (alpha, beta, z) of the units that see both, shape (b, 3)."""
        return state[:2], state[2:].reshape(-1, 3)

    def margins(self, tau: Floats, shared: Floats) -> Floats:
        out = np.empty(2)
        for k in (0, 1):
            own, z = self.alone[k], _SIGNS[k] * shared[:, 2]
            grown = np.exp(tau[k] - self.since[k, own])
            s, d = self.s[k, own] * grown, self.d[k, own] / grown
            with np.errstate(over="ignore"):
                out[k] = 0.25 * self.inputs.norms[k] * np.sum((s - d) * (s + d)) + np.sum(shared[:, k] * z)
        return out

    def longest(self, loss: Loss) -> float:
        """How long a step may be: the squared loss ends in an exponential approach, stiff beside its own end."""
        if loss.name != "squared":
            return np.inf
        going = (self.alone & (self.s > 0.0)).any(-1) & ~self.stopped
        C = 0.5 * self.inputs.norms * [np.linalg.norm(self.s[k]) * np.linalg.norm(self.d[k]) for k in (0, 1)]
        rate = 2.0 * self.inputs.norms * self.inputs.frequencies * np.hypot(1.0, C)
        return float(0.25 / np.max(rate[going])) if going.any() else np.inf

    def field(self, state: Floats, loss: Loss) -> Floats:
        tau, shared = self.split(state)
        force = self.inputs.frequencies * np.where(self.stopped, 0.0, _pull(loss)(self.margins(tau, shared)))
        out = np.empty_like(state)
        out[:2] = force * self.inputs.norms
        moved = out[2:].reshape(-1, 3)
        moved[:, :2] = _SIGNS * force * self.inputs.norms**2 * shared[:, 2:]
        moved[:, 2] = shared[:, :2] @ (_SIGNS * force)
        return out

    def at(self, state: Floats) -> tuple[Floats, Floats]:
        """P and Z of all units."""
        P, Z = self.P.copy(), self.Z.copy()
        tau, shared = self.split(state)
        P[self.both], Z[self.both] = shared[:, :2], shared[:, 2]
        for k in (0, 1):
            own = self.alone[k]
            grown = np.exp(tau[k] - self.since[k, own])
            s, d = self.s[k, own] * grown, self.d[k, own] / grown
            Z[own], across = 0.5 * _SIGNS[k] * (s - d), 0.5 * (s + d)
            P[own, k] = self.inputs.norms[k] * across
            if self.inputs.opposite:
                P[own, 1 - k] = -self.inputs.norms[1 - k] * across
        return P, Z

    def after(self, state: Floats, which: str) -> Floats:
        """Carry out an event, one of `_EVENTS`; the state of what goes on.

        The first to reach its end is taken, and what is level with it: the root that was found may lie a rounding
        before it, and an event without effect would come back for ever.
        """
        tau, _ = self.split(state)
        self.P, self.Z = self.at(state)
        if which == "one input lost":
            self._part(state)
        for k in (0, 1):
            if which == f"death in class {k}":
                self._die(k, tau)
            self.stopped[k] |= which == f"class {k} learnt"
        kept = np.column_stack([self.P[self.both], self.Z[self.both]])
        return np.concatenate([tau, kept.ravel()])

    def _die(self, k: int, tau: Floats) -> None:
        """The units next to die leave class k; with opposite inputs the other class gets them."""
        deadline = self.deadline(k)
        dead = deadline <= np.min(deadline) + _TOGETHER
        self.alone[k] &= ~dead
        self.P[dead, k] = 0.0
        if self.inputs.opposite:
            self.P[dead, 1 - k] = 0.0
            self.enter(1 - k, dead, tau)

    def _part(self, state: Floats) -> None:
        """Units that saw both inputs see one from now on."""
        tau, shared = self.split(state)
        level = max(0.0, float(np.min(shared[:, :2])))
        gone = np.zeros((len(self.Z), 2), dtype=bool)
        gone[self.both] = shared[:, :2] <= level + _TOGETHER * np.abs(shared[:, 2:]) * self.inputs.norms
        self.P[gone] = 0.0
        left = self.both & gone.any(-1)
        self.both &= ~left
        for k in (0, 1):
            self.enter(k, left & ~gone[:, k], tau)


def flow(P: Floats, Z: Floats, inputs: Inputs, times: Floats, loss: Loss, rtol: float) -> Path:
    """The units at increasing times from 0 on.

    Parameters
    ----------
    P, Z : ndarray, shapes (h, 2) and (h,)
        At time 0.
    inputs : Inputs
    times : ndarray, shape (T,)
    loss : Loss
        Under hinge and squared loss no unit may see both inputs, and under the squared loss no margin exceed 1.
    rtol : float
        Of the clocks (absolute, which is relative for s and d) and of alpha, beta, z (beside the unit's size).

    Raises
    ------
    FloatingPointError
        If the integration fails.
    """
    units, now = _Ensemble.of(P, Z, inputs), 0.0
    shared = np.column_stack([P[units.both], Z[units.both]])
    state = np.concatenate([np.zeros(2), shared.ravel()])
    if loss.name in _ENDS:
        units.stopped[:] = units.margins(*units.split(state)) >= _ENDS[loss.name]
    path = Path(np.empty((len(times), *P.shape)), np.empty((len(times), *Z.shape)))
    done = 0
    while done < len(times):
        if times[done] <= now:
            path.P[done], path.Z[done] = units.at(state)
            done += 1
            continue
        events = _events(units, loss)
        if overdue := [name for name, event in events.items() if event(now, state) <= 0.0]:
            state = units.after(state, overdue[0])
            continue
        piece = _until_event(units, state, (now, float(times[-1])), events, loss, rtol)
        upto = int(np.searchsorted(times, piece.t[-1], side="right"))
        for row in range(done, upto):
            path.P[row], path.Z[row] = units.at(piece.sol(times[row]))
        now, done, state = float(piece.t[-1]), upto, piece.y[:, -1]
        for name, fired in zip(events, piece.t_events or (), strict=True):
            if len(fired):
                state = units.after(state, name)
    return path


def _pull(loss: Loss) -> Callable[[Floats], Floats]:
    # The hinge pulls with 1 until it is stopped, at margin 1: so its field is smooth on a piece.
    return np.ones_like if loss.name == "hinge" else loss.pull


def _events(units: _Ensemble, loss: Loss) -> dict[str, Any]:
    """What may happen next, as functions of (t, state) that fall to 0."""
    events: dict[str, Any] = {}
    for k in (0, 1):
        at = float(np.min(units.deadline(k)))
        if at < np.inf:
            events[f"death in class {k}"] = lambda _, y, k=k, at=at: at - y[k]
        if loss.name in _ENDS and not units.stopped[k]:
            end = _ENDS[loss.name]
            events[f"class {k} learnt"] = lambda _, y, k=k, end=end: end - float(units.margins(*units.split(y))[k])
    if units.both.any():
        events["one input lost"] = lambda _, y: float(np.min(units.split(y)[1][:, :2]))
    for event in events.values():
        event.terminal, event.direction = True, -1.0
    return events


def _until_event(
    units: _Ensemble, state: Floats, span: tuple[float, float], events: dict[str, Any], loss: Loss, rtol: float
) -> Any:
    """The solution until the first event, or until the last time."""
    size = np.linalg.norm(state[2:].reshape(-1, 3), axis=1)
    atol = rtol * np.concatenate([np.ones(2), np.repeat(size, 3)])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = solve_ivp(
            lambda _, y: units.field(y, loss), span, state, "DOP853",
            rtol=rtol, atol=np.maximum(atol, 1e-290), events=list(events.values()) or None, dense_output=True,
            max_step=units.longest(loss),
        )  # fmt: skip
    if not found.success:
        raise FloatingPointError(f"the flow could not be integrated beyond t = {found.t[-1]:.6g}: {found.message}")
    return found
