"""The flow of a single network from kink to kink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import DOP853

from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical import events, sliding
from dynsim.empirical.events import Event, Look
from dynsim.empirical.held import HeldGates, Kinks
from dynsim.empirical.surfaces import OFF, Sides
from dynsim.network import Network
from dynsim.trajectory import Status

#: More events than this without the time growing by one part in 1e9 are taken for a cascade that does not end.
_PATIENCE = 200
#: The squared loss has ended where all logits are this close to their labels, in units of rtol + atol.
_MISSING = 10.0
#: The invariants are looked at after so many steps, after every event, and at the end.
_EVERY = 8
#: How far the invariants may drift, in units of rtol + atol and relative to the largest unit.
_DRIFT = 1e4

_TRY_SMALLER = "; try a smaller initial scale, or a loss with a bounded pull"
_TRY_TRAINING = "; try a start that is moved a little, or train with a small lr"


class BrokenError(Exception):
    """The flow cannot be followed any further; the text says why and what to try."""

    status = Status.INTERRUPTED


class OverflowedError(BrokenError):
    """Because numbers are too large."""

    status = Status.DIVERGED


class Path:
    """The states of a network under the flow at given times, filled in order.

    Attributes
    ----------
    time : float
        How far the flow has been followed.
    states : ndarray, shape (T, size)
        Parameters at the times asked for, the first `done` of them.
    events, sliding, ambiguous : int
        Number of events; largest number of kinks that slid at once; events after which there were several ways.
    drift : float
        Largest change of |incoming|^2 - |outgoing|^2 of a hidden unit, relative to the largest sum of the two.
    """

    def __init__(
        self, network: Network, data: Dataset, loss: str, times: Floats, rtol: float, atol: float
    ) -> None:
        # The integration knows the weights to atol; a hundredth of it is the floor of what counts as 0.
        self.field = HeldGates(network, data, loss, floor=1e11 * atol)
        self.start, self.data = network, data
        self.times, self.rtol, self.atol = times, rtol, atol
        self.time, self.state = 0.0, self.field.pack(network)
        self.states, self.done = np.empty((len(times), self.field.size)), 0
        self.events, self.sliding, self.ambiguous, self.drift = 0, 0, 0, 0.0
        self._anchor, self._since, self._length, self._steps = 0.0, 0, 0.0, 0
        self._conserved = self.field.invariants(self.state)[0]

    def follow(self, progress: Callable[[int], object]) -> None:
        """Fill `states`; `progress` is told how many more there are.

        Raises
        ------
        BrokenError
            For a cascade of events, gates of which no choice is consistent, or drifting invariants; as an
            OverflowedError for numbers that are not finite.
        """
        self._progress = progress
        if self.times[0] == 0.0:
            self._record(self.state[None])
        if self.done < len(self.times):
            self._start()
        while self.done < len(self.times):
            self._stretch()
        self._check()

    def logits(self) -> Floats:
        """The logits at all times, shape (T, n) or (T, n, C); NaN beyond the first `done`."""
        first = self.start.logits(self.data.X)
        out = np.full((len(self.times), *first.shape), np.nan)
        if self.done:
            out[: self.done] = self.field.unpack(self.states[: self.done]).logits(self.data.X)
        return out

    def last(self) -> tuple[Floats, ...]:
        """The parameters at the last time."""
        return self.field.unpack(self.states[-1]).parameters

    def _start(self) -> None:
        """Gates as relu' has them, 0 on a kink, unless that is not consistent there."""
        field = self.field
        field.forward(self.state)
        # Once a layer: the upper ones see what the lower ones pass only when the gates of those are set.
        for _ in range(field.depth):
            field.hold((field.a > 0.0).astype(np.float64), field.sliding)
            field.forward(self.state)
        at = sliding.boundary(field, self.state)
        self.state = sliding.onto(field, self.state, at)
        self._settle(at, np.full(len(at), OFF, dtype=np.int8))

    def _stretch(self) -> None:
        """Follow the smooth field to the next event or to the last time."""
        before, _ = self._look()
        if self._ended(before):
            return
        last = float(self.times[-1])
        first = min(self._length, last - self.time) or None
        solver = DOP853(self.field, self.time, self.state, last, first_step=first, rtol=self.rtol, atol=self.atol)
        while solver.status == "running":
            if message := solver.step():
                raise OverflowedError(f"the step size went to 0 ({message}){_TRY_SMALLER}")
            self._length = float(solver.t - solver.t_old)
            after, slack = self._look(solver.y)
            span = (float(solver.t_old), float(solver.t))
            event = events.first(self.field, solver.dense_output, span, (before, after), slack)
            self._advance(solver, event)
            if event is not None:
                return self._switch(event)
            if self._ended(after):
                return None
            before = after
        return None

    def _look(self, state: Floats | None = None) -> tuple[Look, Floats]:
        found = events.look(self.field, self.state if state is None else state)
        if not np.isfinite(found[0].free):
            raise OverflowedError(f"the weights or their gradient are not finite{_TRY_SMALLER}")
        return found

    def _advance(self, solver: DOP853, event: Event | None) -> None:
        """Record what was asked for up to the end of the step or the event in it."""
        field = self.field
        self.time = float(solver.t) if event is None else event.time
        until = int(np.searchsorted(self.times, self.time, side="right"))
        if until > self.done:
            inside = solver.dense_output()(self.times[self.done : until]).T
            if not field.straight:
                inside = np.stack([sliding.onto(field, s, field.sliding) for s in inside])
            if event is None and self.time == self.times[until - 1]:
                inside[-1] = sliding.onto(field, solver.y, field.sliding)
            self._record(inside)
        if event is not None:
            self.state = event.state
        else:
            if not field.straight:
                solver.y[:] = sliding.onto(field, solver.y, field.sliding)
            self.state = np.array(solver.y)
        self._steps += 1
        if event is not None or self._steps % _EVERY == 0:
            self._check()

    def _switch(self, event: Event) -> None:
        """Choose the gates with which it goes on after an event."""
        self.events += 1
        self._count(event.time)
        field = self.field
        velocity = np.array(field.respond(event.state))
        arrived = event.which[event.which < field.kinks]
        at = np.union1d(np.union1d(sliding.boundary(field, event.state), field.members.kinks), arrived)
        first = events.heading(field, velocity, at)
        turned = events.turned(field, event)
        self.state = sliding.onto(field, event.state, at)
        chosen = self._settle(at, first)
        self.ambiguous += turned or sliding.ambiguous(field, self.state, at, chosen, arrived)

    def _settle(self, at: Kinks, sides: Sides) -> Sides:
        try:
            chosen = sliding.settle(self.field, self.state, at, sides)
        except sliding.UnsettledError as error:
            raise BrokenError(f"{error}{_TRY_TRAINING}") from error
        self.sliding = max(self.sliding, len(self.field.members.kinks))
        return chosen

    def _count(self, time: float) -> None:
        if time > self._anchor * (1.0 + 1e-9):
            self._anchor, self._since = time, 0
        self._since += 1
        if self._since > _PATIENCE:
            raise BrokenError(f"{self._since} events without progress, a cascade that does not end{_TRY_TRAINING}")

    def _ended(self, now: Look) -> bool:
        """Whether nothing moves any more; then the rest is constant."""
        # Squared loss: when the pulls are as small as the errors of the logits, gates that follow them are noise.
        if now.speed != 0.0 and now.missing > _MISSING * (self.rtol + self.atol):
            return False
        self._record(np.broadcast_to(self.state, (len(self.times) - self.done, self.field.size)))
        self.time = float(self.times[-1])
        return True

    def _record(self, states: Floats) -> None:
        self.states[self.done : self.done + len(states)] = states
        self.done += len(states)
        self._progress(len(states))

    def _check(self) -> None:
        """The invariants, which the flow conserves across and along kinks."""
        now, size = self.field.invariants(self.state)
        if size > 0.0:
            self.drift = max(self.drift, float(np.max(np.abs(now - self._conserved))) / size)
        if self.drift > _DRIFT * (self.rtol + self.atol):
            raise BrokenError(
                f"|incoming|^2 - |outgoing|^2 of a unit, which the flow conserves, drifted by {self.drift:.3g}; "
                "try lower tolerances, or an atol that is small beside the weights"
            )
