"""Section 3.2 (v2), the sigmoidal shape: where P(t) has its inflection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import Experiment, experiment
from dynsim.paper.timing import halved, maps
from dynsim.theory import modes, shape
from dynsim.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "inflection"
SOURCE = "Sec. 3.2 (v2)"
STATEMENT = (
    "The confidence of a balanced class that starts below it has one inflection, at P = .70855, whatever the norm, "
    "the frequency and the start."
)
SETTING = (
    "Paper: the sigmoidal shape in words, and no experiment. Here nine pairs of classes, |x| = .5, 1, 2 with p = "
    ".2, .5, .8, one balanced unit a class from u0 = .01 on antipodal inputs, rng 0; full-batch gradient "
    "descent, lr = .02 (--quick: .08) and half and a quarter of it, until kappa t = 8."
)
NORMS, FREQUENCIES = (0.5, 1.0, 2.0), (0.2, 0.5, 0.8)
INITIAL = 1e-2
#: Roundings of a second difference: four of numbers of size 1, and two of each logit's last step.
_UNITS = 6.0 * float(np.finfo(np.float64).eps)


class Curves(NamedTuple):
    """P at `time` for each norm and frequency, (T, 3, 3); when and at which P each has its inflection, (3, 3)."""

    time: Floats
    confidence: Floats
    turn: Floats
    confidence_there: Floats


def curves(time: ArrayLike | None = None) -> Curves:
    """The nine confidences as data; time is t = lr x step, by default 0 to 80.

    Examples
    --------
    >>> curves([0.0, 10.0]).turn.round(2)
    array([[50.48, 20.19, 12.62],
           [25.24, 10.1 ,  6.31],
           [12.62,  5.05,  3.15]])
    """
    t = np.linspace(0.0, 80.0, 801) if time is None else checks.times("time", time)
    rate = np.array(NORMS)[:, None] * np.array(FREQUENCIES)
    u, there = modes.logit(t[:, None, None], initial=INITIAL, rate=rate), shape.inflection(2)
    turn = modes.time_to(there.logit, initial=INITIAL, rate=rate)
    return Curves(t, np.asarray(special.expit(u)), turn, np.full(rate.shape, float(there.confidence)))


class Measured(NamedTuple):
    """P at the inflection; what reading it between two steps may cost, and what rounding may. Shape (n,)."""

    confidence: Floats
    chord: Floats
    rounding: Floats


def measured(run: Trajectory, *, rising: bool = False) -> Measured:
    """Where the second difference of P over the steps changes its sign for the last time, for each point.

    Second differences d are taken at every step and their zero is read off a chord, and so is P there. The first
    costs at most |second difference of d|/(8 |difference of d|) of a step, the second a chord's error in P. Where d
    falls by |difference of d| a step, a rounding error of d moves the zero by its share of a step.

    Parameters
    ----------
    run : Trajectory
        Recorded at every step, with two classes.
    rising : bool, optional
        Where it becomes positive, instead of where it stops to be.

    Raises
    ------
    ValueError
        If a point has no inflection in the run, or none with two steps on both sides.
    """
    P = run.confidence
    d = np.diff(P, 2, axis=0) * (-1.0 if rising else 1.0)
    turns = (d[1:-2] > 0.0) & (d[2:-1] <= 0.0)
    if not np.all(turns.any(axis=0)):
        raise ValueError("run must reach the inflection of every point, and go on for two steps")
    last = len(turns) - np.argmax(turns[::-1], axis=0)

    def at(values: Floats, shift: int) -> Floats:
        return np.asarray(np.take_along_axis(values, (last + shift)[None], axis=0)[0])

    fall, rise = at(d, 0) - at(d, 1), at(P, 2) - at(P, 1)
    value = at(P, 1) + at(d, 0) / fall * rise
    bend = np.maximum(np.abs(at(d, 1) - 2.0 * at(d, 0) + at(d, -1)), np.abs(at(d, 2) - 2.0 * at(d, 1) + at(d, 0)))
    curved = np.maximum(np.abs(at(d, 0)), np.abs(at(d, 1))) / 8.0
    return Measured(value, bend / (8.0 * fall) * rise + curved, _UNITS / fall * rise)


def curvature(logit: Floats) -> Floats:
    """P''/kappa^2 at a logit, 4 u g h' with h = u g sigma' (see `shifted`)."""
    P = special.expit(logit)
    g, slope = 1.0 - P, P * (1.0 - P)
    return np.asarray(4.0 * logit * g * (g * slope + logit * (g * slope * (1.0 - 2.0 * P) - slope**2)))


def shifted(lr_rate: float) -> float:
    """P at the inflection of gradient descent, to first order in lr kappa.

    Under the modified flow (docs/theory.md, eq 6.5) dP/dt = 2 kappa h (1 - e q) with h = u g sigma',
    q = g + 2 u g' and e = lr kappa/2. Its derivative vanishes at u* + e h q'/h'', as h'(u*) = 0.
    """
    u = float(shape.inflection(2).logit)
    P = float(special.expit(u))
    g, d1 = 1.0 - P, P * (1.0 - P)
    d2, d3 = d1 * (1.0 - 2.0 * P), d1 * (1.0 - 6.0 * d1)
    # g' = -sigma', so that q = g - 2 u sigma'.
    slope = -3.0 * d1 - 2.0 * u * d2
    # h = u f with f = g sigma'.
    f1, f2 = g * d2 - d1**2, g * d3 - 3.0 * d1 * d2
    h, bend = u * g * d1, 2.0 * f1 + u * f2
    return P + d1 * (0.5 * lr_rate) * h * slope / bend


class Seen(NamedTuple):
    """A network, the exact map for it at any step size, where P has its inflection, how far lr may move that."""

    made: Experiment
    path: Callable[[float], Trajectory]
    confidence: float
    floor: float


def reproduce(quick: bool = False) -> Result:
    """Three norms with three frequencies each."""
    lr = 0.08 if quick else 0.02
    lines: list[Line] = []
    parameters, seen = {}, []
    for norm in NORMS:
        for p in FREQUENCIES:
            made = _trained(norm, p, lr)
            path = maps(made)
            found, floor = _lines(made, path, norm, p)
            lines += found
            parameters[f"norm {norm:g}, frequency {p:g}"] = made.parameters
            seen.append(Seen(made, path, found[1].measured, floor))
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(seen, lr))


def _trained(norm: float, p: float, lr: float) -> Experiment:
    # By t = 8 / kappa the confidence is about .9 from this start.
    until = 8.0 / (norm * p)
    return experiment(hidden=2, lr=lr, until=until, norms=(norm, norm), frequencies=(p, p), initial=INITIAL)


def _lines(
    made: Experiment, path: Callable[[float], Trajectory], norm: float, p: float
) -> tuple[list[Line], float]:
    """The flow's number beside the networks' as lr -> 0, and what the step size makes of it; how much it may do."""
    lr, found, what = float(made.run.lr), measured(made.run), f"|x| = {norm:g}, p = {p:g}: P at the inflection"
    seen, rounding = float(found.confidence[0]), float(found.rounding[0])
    effect = halved(lambda step: _read(_trained(norm, p, step).run), lr)
    # A rounding enters with the weights of a chord's error, and is 4 and 16 times larger at lr/2 and lr/4.
    floor = float(effect.rest) + (1.0 + 6.0 * 4.0 + 8.0 * 16.0) / 3.0 * rounding
    limit, predicted = seen - float(effect.shift), float(shape.inflection(2).confidence)
    second = _second_order(path, lr) + rounding
    lines = [
        row(f"{what}, networks extrapolated to lr -> 0", predicted, limit, floor),
        row(f"{what}, to first order in lr = {lr:g}", shifted(lr * p * norm), seen, second),
    ]
    return lines, abs(float(effect.shift)) + floor


def _read(run: Trajectory) -> tuple[Floats, Floats]:
    found = measured(run)
    return found.confidence[0], found.chord[0]


def _second_order(path: Callable[[float], Trajectory], lr: float) -> float:
    """What is left beyond the first order in lr, from the exact map at lr, lr/2 and lr/4.

    With P = P* + a lr + b lr^2, b lr^2 = (8/3) (P(lr) - 3 P(lr/2) + 2 P(lr/4)); twice that, for the third order.
    """
    values, chords = zip(*(_read(path(lr / 2**j)) for j in range(3)), strict=True)
    bend = values[0] - 3.0 * values[1] + 2.0 * values[2]
    reading = chords[0] + 3.0 * chords[1] + 2.0 * chords[2]
    return float(2.0 * (8.0 / 3.0) * np.abs(bend) + (8.0 / 3.0) * reading)


def bends(run: Trajectory, rate: float, level: Floats) -> tuple[Floats, Floats]:
    """P''/kappa^2 of class +1 where P is at some levels, and how far that may be off, both of the shape of `level`.

    From second differences over the steps, read off chords between two of them: that costs an eighth of the second
    differences of both numbers, here twice that; and the roundings of a second difference.
    """
    lr, P = float(run.time[1] - run.time[0]), run.confidence[:, 0]
    bend, inner = np.diff(P, 2), P[1:-1]
    d = bend / (lr * rate) ** 2
    i = np.clip(np.searchsorted(inner, level), 2, len(d) - 2)
    slope = np.abs((d[i] - d[i - 1]) / (inner[i] - inner[i - 1]))
    turn = np.abs(np.diff(d, 2))
    off = np.maximum(turn[i - 2], turn[i - 1]) + slope * np.maximum(np.abs(bend[i - 1]), np.abs(bend[i]))
    return np.interp(level, inner, d), 0.25 * off + _UNITS / (lr * rate) ** 2


def bends_apart(
    ax: Axes, made: Experiment, path: Callable[[float], Trajectory], said: Callable[[Floats], Floats], k: int
) -> None:
    """The difference of P''/kappa^2 by the theory, a function of P, and by a network, as that of curve number k.

    `path` is the exact map for the network at any step size, of which the floor is made.
    """
    lr, rate, P = float(made.run.lr), float(made.data.rate(1)), made.run.confidence[:, 0]
    level = np.linspace(P[4], P[-5], 60)
    effect = halved(lambda step: bends(path(step), rate, level), lr)
    floor = np.abs(effect.shift) + effect.rest
    drawing.difference(ax, level, said(level) - bends(made.run, rate, level)[0], k, floor)


def _at(P: Floats) -> Floats:
    return curvature(np.asarray(special.logit(P)))


def _figure(seen: list[Seen], lr: float) -> Figure:
    title = f"Section 3.2: P(t) of nine classes, u0 = {INITIAL:g}, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.4)
    value = float(shape.inflection(2).confidence)
    P = special.expit(modes.logit(np.geomspace(0.1, 8.0, 400), initial=INITIAL, rate=1.0))
    right.plot(P, _at(P), color="black", linewidth=1.0, label="theory")
    for k, norm in enumerate(NORMS):
        own = seen[len(FREQUENCIES) * k :][: len(FREQUENCIES)]
        for one in own:
            time, rate = one.made.run.time, float(one.made.data.rate(1))
            said = special.expit(modes.logit(time, initial=INITIAL, rate=rate))
            drawing.theory(left, time, said, k, f"theory, |x| = {norm:g}" if one is own[0] else None)
        found = np.array([one.confidence for one in own])
        there = [np.interp(one.confidence, one.made.run.confidence[:, 0], one.made.run.time) for one in own]
        drawing.marks(left, there, found, k, label="network, inflection")
        drawing.difference(below[0], there, value - found, k, [one.floor for one in own])
        made, path = own[len(own) // 2][:2]
        P, rate = made.run.confidence[:, 0], float(made.data.rate(1))
        drawing.network(right, P[1:-1], np.diff(P, 2) / (lr * rate) ** 2, k, label=f"network, |x| = {norm:g}")
        bends_apart(below[1], made, path, _at, k)
    left.axhline(value, color="0.6", linewidth=0.8)
    right.axhline(0.0, color="0.6", linewidth=0.8)
    right.axvline(value, color="0.6", linewidth=0.8)
    right.annotate(f"P = {value:.5f}", (value, 0.0), (6, 6), textcoords="offset points", fontsize="small")
    drawing.ticks(left, [1, 3, 10, 30, 80])
    left.set_xlim(left=1.0)
    drawing.finish(left, "", f"confidence P, p = {', '.join(f'{f:g}' for f in FREQUENCIES)}")
    drawing.finish(right, "", f"P'' / kappa^2, networks with p = {FREQUENCIES[1]:g}", " ")
    drawing.finish(below[0], drawing.TIME, "P at the inflection:\n" + drawing.APART)
    drawing.finish(below[1], "confidence P", "|theory - network|")
    drawing.legend_below(left, "", 3)
    return figure
