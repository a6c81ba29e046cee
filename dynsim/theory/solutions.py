"""What a law says at given times: in closed form, by integration of a flow, by the exact map.

Logits here are those of points, (T, ..., n); for C classes the log-odds of a point's own class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.losses import Loss
from dynsim.theory import descent, modes
from dynsim.theory.chains import Chains
from dynsim.theory.descent import State, System
from dynsim.theory.many_points import OrderParameters
from dynsim.theory.one_input import Modes
from dynsim.theory.sgd import SGDLaw

#: From so many times on a closed form is evaluated class by class.
_MANY = 5_000
#: Tolerance of the integration of a flow.
RTOL = 1e-12


class Said(NamedTuple):
    """Logits (T, ..., n), until when they are known to hold; of a random law the band around them, and the mean."""

    logits: Floats
    valid_until: float = np.inf
    lower: Floats | None = None
    upper: Floats | None = None
    mean: Floats | None = None


class Solution(Protocol):
    """A law with everything filled in."""

    def at(self, times: Floats) -> Said:
        """What it says at increasing times (t = lr x step)."""

    def time_to(self, level: float, horizon: float) -> Floats:
        """When each point reaches a margin (C classes: a log-odds), shape (..., n); NaN for not by `horizon`."""


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """One input a class, solved: `modes` for each class.

    start, rate, imbalance, norm: of the classes, (..., c). classes: C for a softmax, else None.
    """

    system: Modes | Chains
    start: Floats
    rate: Floats
    imbalance: Floats
    norm: Floats
    depth: int
    loss_name: str
    classes: int | None = None

    @classmethod
    def of(cls, system: Modes | Chains, loss_name: str, classes: int | None) -> ClosedForm:
        """The closed form of a system; a class without units has a start of 0."""
        u0 = system.u
        rate = np.broadcast_to(system.rate, u0.shape)
        none, one = np.zeros_like(u0), np.ones_like(u0)
        if isinstance(system, Chains):
            # Equal chains act as one with a longer input (docs/theory.md, section 11).
            norm = system.norm * np.maximum(system.number, 1.0)
            return cls(system, u0, rate, none, norm, system.depth, loss_name)
        # Below 1e-9 u0 the imbalance changes R = hypot(u, C) by less than its rounding: the balanced law.
        C = np.where(1e-9 * u0 >= system.imbalance, 0.0, system.imbalance)
        if classes is not None:
            rate = rate / np.sqrt(classes / (classes - 1.0))
        return cls(system, u0, rate, C, one, 2, loss_name, classes)

    def at(self, times: Floats) -> Said:
        served = self._served
        u = np.zeros((len(times), *self.start.shape))
        if len(times) < _MANY:
            u[:, served] = modes.logit(times[:, None], **self._arguments(served))
        else:
            # One start at many sorted times is what `modes.logit` is fastest at.
            for k in np.argwhere(served).tolist():
                only = np.zeros_like(served)
                only[tuple(k)] = True
                place: Any = (slice(None), *k)
                u[place] = modes.logit(times, **self._arguments(only))
        valid = np.inf if self.loss_name != "squared" or np.all(self.start <= 1) else 0.0
        return Said(self.system.by_point(u), valid)

    def time_to(self, level: float, horizon: float) -> Floats:
        target = level + (self.system.shift if isinstance(self.system, Modes) else 0.0)
        time = np.where(self.start >= target, 0.0, np.inf)
        ask = self._served & (self.start < target)
        time[ask] = modes.time_to(target, **self._arguments(ask))
        return np.asarray(time[..., self.system.index])

    @property
    def _served(self) -> NDArray[np.bool_]:
        """Classes that move; one without units stays at 0."""
        return np.asarray((self.start > 0) | (self.depth == 1))

    def _arguments(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        norm = np.broadcast_to(self.norm, self.start.shape)
        return {
            "initial": self.start[mask],
            "rate": self.rate[mask],
            "imbalance": self.imbalance[mask],
            "norm": norm[mask],
            "depth": self.depth,
            "loss": self.loss_name,
            "classes": self.classes,
        }


@dataclass(frozen=True, eq=False)
class Flow:
    """The gradient flow of a system, integrated; for lr > 0 that of second order."""

    system: System
    labels: Floats
    loss: Loss
    lr: float = 0.0

    def at(self, times: Floats) -> Said:
        return self.integrated(times, RTOL)

    def integrated(self, times: Floats, rtol: float) -> Said:
        """The same with another tolerance."""
        states = self.system.flow(times, self.loss, rtol=rtol, lr=self.lr)
        logits, valid = np.stack([self.system.logits(state) for state in states]), np.inf
        if self.loss.name == "squared":
            unsound = [k for k, state in enumerate(states) if not self.system.sound(state)]
            valid = float(times[max(unsound[0] - 1, 0)]) if unsound else np.inf
        return Said(logits, valid)

    def time_to(self, level: float, horizon: float) -> Floats:
        system, drops = self.system, self.loss.name == "hinge" and level == 1.0
        if drops and isinstance(system, OrderParameters) and system.is_of_points:
            found = system.drop_times(horizon, self.lr)
            return np.where(np.isinf(found), np.nan, found)
        # A margin that stops at the level may come out one rounding below it.
        target = level - 1e-14 * max(1.0, abs(level))
        return _bracketed(lambda t: self.labels * self.at(t).logits >= target, horizon)


@dataclass(frozen=True, eq=False)
class Map:
    """The exact map of gradient descent."""

    system: System
    labels: Floats
    loss: Loss
    lr: float

    def at(self, times: Floats) -> Said:
        states = descent.run(self.system, self.loss, self.lr)
        broken: list[int] = []
        watched = states if self.loss.name != "squared" else _watch(self.system, states, broken)
        logits = descent.logits_at(self.system, watched, steps_at(times, self.lr, "gradient_descent"))
        return Said(logits, self.lr * (broken[0] - 1) if broken else np.inf)

    def time_to(self, level: float, horizon: float) -> Floats:
        found = np.full(self.system.logits(self.system.start()).shape, np.nan)
        last = int(min(horizon / self.lr, 1e6))
        for k, state in enumerate(descent.run(self.system, self.loss, self.lr)):
            reached = self.labels * self.system.logits(state) >= level
            found = np.where(np.isnan(found) & reached, self.lr * k, found)
            if k == last or not np.isnan(found).any():
                return found
        raise AssertionError("unreachable: the states of a law do not end")


def steps_at(times: Floats, lr: float, law: str) -> NDArray[np.int64]:
    """The steps at times that are multiples of lr.

    Raises
    ------
    ValueError
        If one is not.
    """
    steps = np.rint(times / lr)
    off = np.flatnonzero(np.abs(times / lr - steps) > 1e-6 * np.maximum(1.0, 1e-6 * steps))
    if off.size:
        raise ValueError(f"times must be multiples of lr = {lr:g} for law {law!r}, got {times[off[0]]:.10g}")
    return steps.astype(np.int64)


def _watch(system: System, states: Iterator[State], broken: list[int]) -> Iterator[State]:
    """Pass the states on and note the first one in which the law is no longer known to hold."""
    for k, state in enumerate(states):
        if not broken and not system.sound(state):
            broken.append(k)
        yield state


# ---- when a flow reaches a level ---------------------------------------------------------------------------


def _bracketed(reached_at: Callable[[Floats], NDArray[np.bool_]], horizon: float) -> Floats:
    """Bracket on log-spaced times, then divide every bracket in 32 until it is at round-off."""
    end = min(10.0, checks.number("horizon", horizon))
    while end < horizon and not np.all(reached_at(np.array([end]))[-1]):
        end = min(10.0 * end, horizon)
    grid = np.append(0.0, np.geomspace(min(1e-3, 1e-3 * end), end, 200))
    for _ in range(12):
        reached = reached_at(grid)
        first, some = np.argmax(reached, axis=0), reached.any(axis=0)
        high = np.where(some, grid[first], np.nan)
        low = np.where(some, grid[np.maximum(first - 1, 0)], np.nan)
        open_ = some & (high - low > 1e-13 * high)
        if not open_.any():
            break
        ends = np.unique(np.column_stack([low[open_], high[open_]]), axis=0)
        grid = np.unique(np.append(grid[:1], np.linspace(ends[:, 0], ends[:, 1], 33)))
    return high


# ---- batches of one point ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RandomBatches:
    """The exact law of SGD with batches of one point: median and band of the logits of many runs."""

    system: Modes | Chains
    loss: Loss
    lr: float
    level: float = 0.9

    def law(self, steps: int) -> SGDLaw:
        """The law for up to so many steps."""
        return SGDLaw.of(self.system, self.loss, self.lr, steps)

    def at(self, times: Floats) -> Said:
        steps = steps_at(times, self.lr, "sgd")
        law = self.law(int(steps[-1]))
        bands = law.by_point(law.at(steps, self.level))
        return Said(bands.median, self.lr * law.valid_until(), bands.lower, bands.upper, bands.mean)

    def time_to(self, level: float, horizon: float) -> Floats:
        passage = self.law(0).time_to(level, self.level, most=int(min(horizon / self.lr, 1e6)))
        return np.asarray(passage.median[..., self.system.index])
