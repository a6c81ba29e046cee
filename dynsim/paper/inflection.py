"""Section 3.2 (v2), the sigmoidal shape: where P(t) has its inflection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import Experiment, experiment
from dynsim.paper.timing import halved, map_of
from dynsim.theory import modes, shape
from dynsim.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "inflection"
SOURCE = "Sec. 3.2 (v2)"
STATEMENT = (
    "The confidence of a balanced class that starts below it has one inflection, at P = .70855, whatever the norm, "
    "the frequency and the start."
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


def measured(run: Trajectory) -> Measured:
    """Where the second difference of P over the steps changes its sign for the last time, for each point.

    Second differences d are taken at every step and their zero is read off a chord, and so is P there. The first
    costs at most |second difference of d|/(8 |difference of d|) of a step, the second a chord's error in P. Where d
    falls by |difference of d| a step, a rounding error of d moves the zero by its share of a step.

    Parameters
    ----------
    run : Trajectory
        Recorded at every step, with two classes.

    Raises
    ------
    ValueError
        If a point has no inflection in the run, or none with two steps on both sides.
    """
    P = run.confidence
    d = np.diff(P, 2, axis=0)
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


def reproduce(quick: bool = False) -> Result:
    """Three norms with three frequencies each."""
    lr = 0.05 if quick else 0.02
    lines: list[Line] = []
    parameters, runs = {}, []
    for norm in NORMS:
        for p in FREQUENCIES:
            made = _trained(norm, p, lr)
            lines += _lines(made, norm, p)
            parameters[f"norm {norm:g}, frequency {p:g}"] = made.parameters
            runs.append((norm, p, made.run))
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(runs, lr))


def _trained(norm: float, p: float, lr: float) -> Experiment:
    # By t = 8 / kappa the confidence is about .9 from this start.
    until = 8.0 / (norm * p)
    return experiment(hidden=2, lr=lr, until=until, norms=(norm, norm), frequencies=(p, p), initial=INITIAL)


def _lines(made: Experiment, norm: float, p: float) -> list[Line]:
    """The flow's number beside the networks' as lr -> 0, and what the step size makes of it."""
    lr, found, what = float(made.run.lr), measured(made.run), f"|x| = {norm:g}, p = {p:g}: P at the inflection"
    seen, rounding = float(found.confidence[0]), float(found.rounding[0])
    effect = halved(lambda step: _read(_trained(norm, p, step).run), lr)
    # A rounding enters with the weights of a chord's error, and is 4 and 16 times larger at lr/2 and lr/4.
    floor = float(effect.rest) + (1.0 + 6.0 * 4.0 + 8.0 * 16.0) / 3.0 * rounding
    limit, predicted = seen - float(effect.shift), float(shape.inflection(2).confidence)
    second = _second_order(made, lr) + rounding
    return [
        row(f"{what}, networks extrapolated to lr -> 0", predicted, limit, floor),
        row(f"{what}, to first order in lr = {lr:g}", shifted(lr * p * norm), seen, second),
    ]


def _read(run: Trajectory) -> tuple[Floats, Floats]:
    found = measured(run)
    return found.confidence[0], found.chord[0]


def _second_order(made: Experiment, lr: float) -> float:
    """What is left beyond the first order in lr, from the exact map at lr, lr/2 and lr/4.

    With P = P* + a lr + b lr^2, b lr^2 = (8/3) (P(lr) - 3 P(lr/2) + 2 P(lr/4)); twice that, for the third order.
    """
    values, chords = zip(*(_read(map_of(made, lr / 2**j)) for j in range(3)), strict=True)
    bend = values[0] - 3.0 * values[1] + 2.0 * values[2]
    reading = chords[0] + 3.0 * chords[1] + 2.0 * chords[2]
    return float(2.0 * (8.0 / 3.0) * np.abs(bend) + (8.0 / 3.0) * reading)


def _figure(runs: list[tuple[float, float, Trajectory]], lr: float) -> Figure:
    title = f"Section 3.2: P(t) of nine classes, u0 = {INITIAL:g}, lr = {lr:g}"
    figure, (left, right) = drawing.panels(2, title, height=4.2)
    value = float(shape.inflection(2).confidence)
    u = modes.logit(np.geomspace(0.1, 8.0, 400), initial=INITIAL, rate=1.0)
    right.plot(special.expit(u), curvature(u), color="black", linewidth=1.0, label="theory")
    for norm, p, run in runs:
        k, rate = NORMS.index(norm), norm * p
        P, first = run.confidence[:, 0], p == FREQUENCIES[0]
        said = special.expit(modes.logit(run.time, initial=INITIAL, rate=rate))
        drawing.theory(left, run.time, said, k, f"theory, |x| = {norm:g}" if first else None)
        found = float(measured(run).confidence[0])
        words = ("network, inflection", f"networks, |x| = {norm:g}") if first else (None, None)
        drawing.marks(left, np.interp(found, P, run.time), found, k, label=words[0])
        drawing.network(right, P[1:-1], np.diff(P, 2) / (lr * rate) ** 2, k, label=words[1])
    left.axhline(value, color="0.6", linewidth=0.8)
    right.axhline(0.0, color="0.6", linewidth=0.8)
    right.axvline(value, color="0.6", linewidth=0.8)
    right.annotate(f"P = {value:.5f}", (value, 0.0), (6, 6), textcoords="offset points", fontsize="small")
    drawing.ticks(left, [1, 3, 10, 30, 80])
    left.set_xlim(left=1.0)
    drawing.finish(left, drawing.TIME, f"confidence P, p = {', '.join(f'{f:g}' for f in FREQUENCIES)}")
    drawing.finish(right, "confidence P", "P'' / kappa^2", " ")
    drawing.legend_below(left, "", 3)
    return figure
