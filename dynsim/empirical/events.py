"""Where in a step of the integrator the next kink is reached, or left."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from dynsim.checks import Floats
from dynsim.empirical.held import HeldGates, Kinks
from dynsim.empirical.surfaces import OFF, ON, SLIDES, Sides

#: A sliding kink is left when its gate is this far outside [0, 1]: then the side it goes to is beyond doubt.
_BEYOND = 1e-10
#: Where a kink may be touched within a step, the step is looked at in this many places.
_PLACES = 12
#: How far ahead the gates of sliding kinks are looked at for their rates, relative to the weights.
_AHEAD = 1e-6

#: Makes the solution inside a step, a function of time.
Dense = Callable[[], Callable[[float], Floats]]


class Look(NamedTuple):
    """What is watched at one time: everything is positive until the next event.

    values: (kinks + 3 s,), how far each pre-activation is on the side of its gate, rounding allowed for; then, for
    each sliding kink, gamma, 1 - gamma and -e. rates: their derivatives.
    speed, free: length of the field, and of the field before it was projected.
    missing: how far the logits are from where no point pulls any more, for the squared loss; infinite for others.
    """

    values: Floats
    rates: Floats
    speed: float
    free: float
    missing: float


class Event(NamedTuple):
    """The first event of a step: when, the state then, and which of the watched values have become negative."""

    time: float
    state: Floats
    which: NDArray[np.intp]


def look(field: HeldGates, state: Floats) -> tuple[Look, Floats]:
    """What is watched at the end of a step, and the slack to watch with inside it."""
    velocity = np.array(field.respond(state))
    slack, size = field.slack(), (float(np.linalg.norm(velocity)), field.scale(), field.missing())
    values, rates = field.sign * field.a + slack, field.sign * field.rates(velocity)
    if not field.sliding.size:
        return Look(values, rates, *size), slack
    slides = _slides(field)
    # Gates have no derivative at hand: a difference, over a millionth of the way to the size of the weights.
    ahead = _AHEAD * float(np.linalg.norm(state)) / size[0] if size[0] > 0.0 else 1.0
    field.respond(state + ahead * velocity)
    change = (_slides(field) - slides) / ahead
    return Look(np.concatenate([values, slides]), np.concatenate([rates, change]), *size), slack


def first(
    field: HeldGates, dense: Dense, span: tuple[float, float], looks: tuple[Look, Look], slack: Floats
) -> Event | None:
    """The first event in a step, or None.

    Parameters
    ----------
    field : HeldGates
    dense : callable
        Called only where there may be an event.
    span : (float, float)
        Start and end of the step.
    looks : (Look, Look)
        At the two ends.
    slack : ndarray, shape (kinks,)
        What is allowed for rounding.

    Notes
    -----
    What keeps its sign at both ends may have lost it in between. The cubic through its two values and rates lies
    within the hull of its four control points: only where one of them is negative is the step looked at in twelve
    places, and at the lowest points of the parabolas through them.
    """
    if not _suspicious(looks, span[1] - span[0]):
        return None
    inside = dense()

    def watch(time: float) -> Floats:
        field.respond(inside(time)) if field.sliding.size else field.forward(inside(time))
        return np.concatenate([field.sign * field.a + slack, _slides(field)])

    bracket = _bracket(watch, span)
    if bracket is None:
        return None
    time = _root(watch, *bracket)
    return Event(time, np.asarray(inside(time)), np.flatnonzero(watch(time) < 0.0))


def turned(field: HeldGates, event: Event) -> bool:
    """Whether a sliding kink stopped attracting, e = 0: from there on it repels, to both sides."""
    return bool(np.any(event.which >= field.kinks + 2 * len(field.sliding)))


def heading(field: HeldGates, velocity: Floats, kinks: Kinks) -> Sides:
    """The sides to which a velocity leads from some kinks; sliding ones slide on, and those that rest stay."""
    slides = field.members.kinks
    rate = field.headed(velocity, np.setdiff1d(kinks, slides))[kinks]
    rest = np.abs(rate) <= field.still(kinks)
    out = np.where(np.where(rest, field.gates[kinks] > 0.0, rate > 0.0), ON, OFF)
    return np.where(np.isin(kinks, slides), SLIDES, out).astype(np.int8)


# ---- looking into a step -----------------------------------------------------------------------------------


def _slides(field: HeldGates) -> Floats:
    if not field.sliding.size:
        return np.zeros(0)
    gamma, e = field.fractions()
    return np.concatenate([gamma + _BEYOND, 1.0 + _BEYOND - gamma, -e])


def _suspicious(looks: tuple[Look, Look], length: float) -> bool:
    before, after = looks
    third = length / 3.0
    controls = (after.values, before.values + third * before.rates, after.values - third * after.rates)
    return any(_least(values) < 0.0 for values in controls)


def _least(values: Floats) -> float:
    return float(values.min()) if values.size else np.inf


def _bracket(watch: Callable[[float], Floats], span: tuple[float, float]) -> tuple[float, float] | None:
    """A piece of the step with nothing negative at its start and something at its end."""
    times = np.linspace(*span, _PLACES + 1)
    values: list[Floats] = []
    for j, time in enumerate(times):
        values.append(watch(float(time)))
        if j and values[-1].min() < 0.0:
            return float(times[j - 1]), float(time)
        if j > 1:
            low = _lowest(values[-3:])
            if low is not None and watch(at := float(times[j - 1] + low * (times[1] - times[0]))).min() < 0.0:
                return float(times[j - 2]), at
    return None


def _lowest(three: list[Floats]) -> float | None:
    """Where a parabola through three values is lowest, and negative: from the middle, in their distances."""
    slope, bend = 0.5 * (three[2] - three[0]), three[2] - 2.0 * three[1] + three[0]
    inner = bend > np.abs(slope)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(inner, three[1] - 0.5 * slope * slope / bend, np.inf)
    if not _least(depth) < 0.0:
        return None
    k = int(np.argmin(depth))
    return float(-slope[k] / bend[k])


def _root(watch: Callable[[float], Floats], low: float, high: float) -> float:
    """The first time after `low` at which something is negative, to the resolution of the clock."""
    which = np.flatnonzero(watch(high) < 0.0)
    start = watch(low)[which]
    if start.min() <= 0.0:
        return _bisect(lambda t: watch(t)[which].min() < 0.0, low, high)
    root = float(brentq(lambda t: watch(t)[which].min(), low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps))
    step = np.spacing(root)
    while root < high and watch(root)[which].min() >= 0.0:
        root, step = min(high, root + step), 2.0 * step
    return root


def _bisect(passed: Callable[[float], bool], low: float, high: float) -> float:
    """The end of the first stretch on which `passed` is false: for values that are 0 at the start."""
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (low, middle) if passed(middle) else (middle, high)
    return high
