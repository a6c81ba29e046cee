"""The units of a class with a frequent and a rare feature in the course of time, from gate to gate.

The equations are those of `dynsim.theory.starvation`, the time is t = lr x step. A unit has two gates: it is active
on x1 where P1 = alpha > 0 and on x1+x2 where P2 = alpha + beta > 0. Between two events the field is smooth; it is
integrated step by step, and every step is searched for the next event: a gate that is crossed, a margin at which
the hinge lets go, a gate along which a unit ceases to slide (docs/theory.md, section 17).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853
from scipy.optimize import brentq

from dynsim.checks import Floats
from dynsim.losses import Loss

#: What a gate is: shut, open, or held at P = 0 by a field that points at it from both sides.
SHUT, OPEN, SLIDES = 0, 1, 2
#: Tolerance of a step, relative, and beside the size of the unit.
_RTOL, _ATOL = 1e-13, 1e-16
#: What lies this close to an event, relative to the size of the unit, is part of it: equal units.
_TOGETHER = 1e-14
#: So many roundings of the margins pull as hard as rounding itself does.
_SETTLED = 2e-15
#: Steps, in units of the faster time of the squared loss, within which an explicit method is stable at its end.
_LONGEST = 2.0
#: More steps than that are not made; 1,000 are many.
_MOST_STEPS = 200_000


class Setting(NamedTuple):
    """lambda, a and b of one network."""

    frequency: float
    first: float
    second: float


@dataclass(eq=False)
class _Units:
    """The units of a network between two events: gates (2, h), and which margins the hinge has let go of (2,)."""

    setting: Setting
    loss: Loss
    gates: NDArray[np.int64]
    learnt: NDArray[np.bool_]

    def margins(self, state: Floats) -> Floats:
        """m1 and m2 of the units that are active."""
        return np.array([(self.gates[j] == OPEN) * P @ state[2] for j, P in enumerate(pre(state))])

    def forces(self, state: Floats) -> Floats:
        """(1 - lambda) g(m1) and lambda g(m2)."""
        share = np.array([1.0 - self.setting.frequency, self.setting.frequency])
        if self.loss.name == "hinge":
            return np.where(self.learnt, 0.0, share)
        return share * self.loss.pull(self.margins(state))

    def effective(self, forces: Floats) -> Floats:
        """The two forces as every unit feels them, (2, h); (17.4) for one that slides."""
        out = np.where(self.gates == OPEN, forces[:, None], 0.0)
        a2, b2 = self.setting.first**2, self.setting.second**2
        first, second = self.gates == SLIDES
        out[0, first] = -out[1, first]
        out[1, second] = -a2 / (a2 + b2) * out[0, second]
        return out

    def field(self, state: Floats) -> Floats:
        """(17.2), shape (3, h)."""
        one, two = self.effective(self.forces(state))
        P1, P2 = pre(state)
        z = state[2]
        a2, b2 = self.setting.first**2, self.setting.second**2
        return np.array([a2 * z * (one + two), b2 * z * two, one * P1 + two * P2])

    def sides(self, state: Floats) -> Floats:
        """P'/z of each gate if it were shut and if it were open, (2, 2, h): [which side, which gate, unit]."""
        a2, b2 = self.setting.first**2, self.setting.second**2
        forces = self.forces(state)
        one, two = np.where(self.gates == OPEN, forces[:, None], 0.0)
        shut = np.array([a2 * two, a2 * one])
        return np.array([shut, shut + forces[:, None] * np.array([[a2], [a2 + b2]])])

    def resolve(self, state: Floats, at: NDArray[np.bool_]) -> None:
        """Choose the gates, (2, h), at which a unit is exactly now, by the side to which the field takes it."""
        self.gates[at] = SHUT
        shut, opened = self.sides(state) * heading(state, self.field(state))
        self.gates[at & (shut > 0.0) & (opened >= 0.0)] = OPEN
        self.gates[at & (shut > 0.0) & (opened < 0.0)] = SLIDES

    def slack(self, state: Floats) -> Floats:
        """What is positive up to the next event: 2 h for the gates, 2 h for the sliding ones, 2 for the hinge."""
        gate = np.where(self.gates == OPEN, 1.0, -1.0) * pre(state)
        gate[self.gates == SLIDES] = np.inf
        hold = np.full_like(gate, np.inf)
        if np.any(self.gates == SLIDES):
            shut, opened = self.sides(state) * state[2]
            hold = np.where(self.gates == SLIDES, np.minimum(shut, -opened), np.inf)
        hinge = np.full(2, np.inf)
        if self.loss.name == "hinge":
            hinge = np.where(self.learnt, np.inf, 1.0 - self.margins(state))
        return np.concatenate([gate.ravel(), hold.ravel(), hinge])

    def speed(self, state: Floats) -> Floats:
        """d/dt of the part of `slack` that belongs to gates, (2 h,)."""
        change = np.where(self.gates == OPEN, 1.0, -1.0) * pre(self.field(state))
        return np.asarray(np.where(self.gates == SLIDES, 0.0, change).ravel())

    def after(self, state: Floats, which: int) -> Floats:
        """Carry out an event, the entry `which` of `slack`, and what coincides with it; the state from there on."""
        h = state.shape[1]
        slack = self.slack(state)
        at = (slack[: 2 * h] <= _TOGETHER * np.tile(self.size(state), 2)).reshape(2, h)
        self.learnt |= slack[4 * h :] <= _TOGETHER
        if which < 2 * h:
            at.flat[which] = True
        elif which < 4 * h:
            self._let_go(state, *divmod(which - 2 * h, h))
        else:
            self.learnt[which - 4 * h] = True
        state = on_gates(state, at)
        self.resolve(state, at)
        return state

    def _let_go(self, state: Floats, j: int, unit: int) -> None:
        """A unit leaves its gate to the side to which the field has ceased to oppose it."""
        shut, opened = self.sides(state)[:, j, unit] * state[2, unit]
        self.gates[j, unit] = OPEN if -opened < shut else SHUT

    def over(self, state: Floats) -> bool:
        """Whether the motion is below the rounding of the margins: the squared loss comes to its end."""
        if self.loss.name != "squared":
            return False
        moved = np.abs(self.field(state)).max(axis=0)
        return bool(np.all(moved <= _SETTLED * self.rate(state) * self.size(state)))

    def size(self, state: Floats) -> Floats:
        """The larger of alpha/a, beta/b and z of every unit, without beta where it has no part."""
        relative = np.abs(state) / np.array([[self.setting.first], [self.setting.second], [1.0]])
        relative[1, self.gates[1] == SHUT] = 0.0
        return np.asarray(relative.max(axis=0))

    def rate(self, state: Floats) -> float:
        """The faster rate at which margins approach 1 under the squared loss, (17.5)."""
        a2, b2 = self.setting.first**2, self.setting.second**2
        one, two = self.gates == OPEN
        (P1, P2), z2 = pre(state) * (self.gates == OPEN), state[2] ** 2
        across = np.sum(a2 * z2 * (one & two) + P1 * P2)
        kernel = [[np.sum(a2 * z2 * one + P1 * P1), across], [across, np.sum((a2 + b2) * z2 * two + P2 * P2)]]
        root = np.sqrt([1.0 - self.setting.frequency, self.setting.frequency])
        return float(np.linalg.eigvalsh(root[:, None] * kernel * root)[1])


def follow(start: Floats, setting: Setting, times: Floats, loss: Loss) -> Floats:
    """alpha, beta and z of the units of one network, shape (T, 3, h), at increasing times from 0 on.

    Parameters
    ----------
    start : ndarray, shape (3, h)
    setting : Setting
    times : ndarray, shape (T,)
    loss : Loss

    Raises
    ------
    FloatingPointError
        If numbers overflow, or no number of steps leads to the last time.
    """
    units = _beginning(start, setting, loss)
    out = np.empty((len(times), *start.shape))
    done, state = int(np.searchsorted(times, 0.0, side="right")), np.array(start)
    out[:done] = state
    for step in _steps(units, state, float(times[-1])):
        upto = int(np.searchsorted(times, step.until, side="right"))
        for row in range(done, upto):
            out[row] = step.at(times[row])
        done, state = max(done, upto), step.at(step.until)
    # Nothing moves any more.
    out[done:] = state
    return out


class _Step(NamedTuple):
    """One step, up to `until`, where an event may be; and how long steps may be from there on."""

    at: Callable[[float], Floats]
    until: float
    event: int | None
    limit: float


def _steps(units: _Units, state: Floats, last: float) -> Iterator[_Step]:
    """All steps up to the last time, or until nothing moves."""
    now, limit, made = 0.0, np.inf, 0
    while now < last and units.field(state).any():
        for step in _until_event(units, state, (now, last), limit):
            yield step
            now, state, made = step.until, step.at(step.until), made + 1
            if made > _MOST_STEPS:
                raise FloatingPointError(f"the flow could not be integrated beyond t = {now:.6g}: too many steps")
            if units.over(state):
                return
            if step.event is not None or min(limit, step.limit) < np.inf:
                break
        limit = step.limit
        if step.event is not None:
            state = units.after(state, step.event)


def _until_event(units: _Units, state: Floats, span: tuple[float, float], limit: float) -> Iterator[_Step]:
    """The steps until the first event or the last time."""
    atol = np.maximum(_ATOL * np.tile(units.size(state), 3), 1e-300)
    shape = state.shape
    if units.loss.name == "squared" and (rate := units.rate(state)) > 0.0:
        limit = min(limit, _LONGEST / rate)

    def field(_: float, y: Floats) -> Floats:
        return units.field(y.reshape(shape)).ravel()

    solver = DOP853(field, span[0], state.ravel(), span[1], rtol=_RTOL, atol=atol, max_step=limit)
    while solver.status == "running":
        before = solver.y.reshape(shape)
        message = solver.step()
        if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
            raise FloatingPointError(f"the flow could not be integrated beyond t = {solver.t:.6g}: {message}")
        yield _searched(units, solver, before)


def _searched(units: _Units, solver: Any, before: Floats) -> _Step:
    start, end, state = solver.t_old, solver.t, solver.y.reshape(before.shape)
    dense: list[Any] = []

    def at(t: float) -> Floats:
        # The three more evaluations of the field that the interpolation takes are rarely needed.
        if t == end:
            return np.array(state)
        dense[:] = dense or [solver.dense_output()]
        return np.asarray(dense[0](t)).reshape(before.shape)

    found = _crossed(units, at, (start, end), before, state)
    if not found:
        return _Step(at, end, None, np.inf)
    until, event = min(found)
    if until > start:
        return _Step(at, until, event, np.inf)
    # A gate that has just been left was met again within the step: smaller steps separate the two.
    return _Step(lambda _: np.array(before), start, None, 0.5 * (end - start))


def _crossed(
    units: _Units, at: Callable[[float], Floats], span: tuple[float, float], before: Floats, state: Floats
) -> list[tuple[float, int]]:
    """When the entries of `slack` come to 0 within a step, with their indices."""

    def slack(t: float, i: int) -> float:
        return float(units.slack(at(t))[i])

    def speed(t: float, i: int) -> float:
        return float(units.speed(at(t))[i])

    # A gate that is approached at the start of the step and left at its end may have been crossed in between.
    turning = np.flatnonzero((units.speed(before) < 0.0) & (units.speed(state) > 0.0))
    ends = [span[1], *(brentq(speed, *span, args=(i,), xtol=1e-300, rtol=1e-12) for i in turning)]
    found = []
    for end in ends:
        for i in map(int, np.flatnonzero(units.slack(at(end)) < 0.0)):
            begun = slack(span[0], i) > 0.0
            root = brentq(slack, span[0], end, args=(i,), xtol=1e-300, rtol=8.9e-16) if begun else span[0]
            found.append((float(root), i))
    return found


def _beginning(start: Floats, setting: Setting, loss: Loss) -> _Units:
    P = pre(start)
    units = _Units(setting, loss, np.where(P > 0.0, OPEN, SHUT), np.zeros(2, dtype=bool))
    if loss.name == "hinge":
        units.learnt[:] = units.margins(start) >= 1.0
    units.resolve(start, P == 0.0)
    return units


def pre(state: Floats) -> Floats:
    """P1 = alpha and P2 = alpha + beta, shape (2, h), of a state or of a rate of change, (3, h)."""
    return np.array([state[0], state[0] + state[1]])


def heading(state: Floats, field: Floats) -> Floats:
    """The sign that z has, or is about to have."""
    return np.asarray(np.where(state[2] == 0.0, np.sign(field[2]), np.sign(state[2])))


def on_gates(state: Floats, at: NDArray[np.bool_]) -> Floats:
    """The state with P exactly 0 at these gates, (2, h)."""
    out = np.array(state)
    out[0, at[0]] = 0.0
    out[1, at[1]] = -out[0, at[1]]
    return out
