"""Corollary 3.3 (v2): how much longer the slower class takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, within
from dynsim.paper.setting import Experiment, experiment, judged
from dynsim.paper.timing import chord, halved, map_of
from dynsim.theory.slower_class import TimeRatio, time_ratio
from dynsim.trajectory import Trajectory, first_crossing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "corollary_3_3"
SOURCE = "Cor 3.3, A.5 (v2)"
STATEMENT = (
    "t2*/t1* = (|x1| p1)/(|x2| p2) (1 - tv/T), with tv the time class 1 would take between the two initial logits "
    "and T = t1*; equal starts give the plain ratio of the rates."
)
SETTING = (
    "Paper: any starts, norms and frequencies, and no experiment. Here one balanced unit a class on two "
    "antipodal inputs, |x| = 1 and 2, p = .7 and .3, from u0 = .001 for both classes and from .0001 and .03, rng "
    "5; t* at confidence .9; full-batch gradient descent, lr = .01 (--quick: .04), until t = 40."
)
#: The confidence that defines t*, and those that are drawn.
LEVEL, DRAWN = 0.9, np.linspace(0.55, 0.98, 15)
STARTS = {"equal starts": (1e-3, 1e-3), "different starts": (1e-4, 3e-2)}
END = 40.0


class Seen(NamedTuple):
    """What is drawn of a start: the ratio of its network at each of the levels, and its floor, shape (15,)."""

    name: str
    made: Experiment
    ratio: Floats
    floor: Floats


def reproduce(quick: bool = False) -> Result:
    """Equal and different starts: the ratio of the times to confidence .9."""
    lr = 0.04 if quick else 0.01
    lines, parameters, comparisons, shown = [], {}, [], []
    for name, initial in STARTS.items():
        made = experiment(hidden=2, lr=lr, until=END, initial=initial, rng=5)
        found = judged(made)
        said = ratio(made)
        predicted, plain = float(said.exact), float(said.plain)
        measured, floors = _ratios(made.run), _step_size(made, lr)
        floor, off = float(floors[0]), abs(float(measured[0]) - predicted)
        what = f"{name}: t2*/t1* (plain ratio {plain:.4g})"
        lines.append(Line(what, predicted, float(measured[0]), off, floor, within(off, floor)))
        parameters[name] = made.parameters
        comparisons.append(found)
        shown.append(Seen(name, made, measured[1:], floors[1:]))
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), _figure(shown, lr))


def ratio(made: Experiment, level: float = LEVEL) -> TimeRatio:
    """t2*/t1* with the factor of A.5, and the plain ratio."""
    target = made.run.loss_function.margin_at(np.asarray(level))
    rate = made.data.rate(1), made.data.rate(-1)
    return time_ratio(target, initial=made.parameters["initial"], rate=rate)


def _step_size(made: Experiment, lr: float) -> Floats:
    """What the step size may do to the ratio at each level, from the exact map: the formula is not used."""
    effect = halved(lambda step: _read(map_of(made, step)), lr)
    return np.asarray(np.abs(effect.shift) + effect.rest)


def _ratios(run: Trajectory) -> Floats:
    """t2*/t1* at LEVEL, and at those that are drawn."""
    return _read(run)[0]


def _read(run: Trajectory) -> tuple[Floats, Floats]:
    """The ratios, and what reading the two times off chords may cost them."""
    levels = run.loss_function.margin_at(np.append(LEVEL, DRAWN))
    points = [int(np.flatnonzero(run.labels == label)[0]) for label in LABELS]
    times = np.stack([first_crossing(run.time, run.margin, level)[points] for level in levels])
    off = np.stack([chord(run, level)[points] for level in levels])
    ratio = times[:, 1] / times[:, 0]
    return ratio, ratio * np.sum(off / times, axis=1)


def _figure(shown: list[Seen], lr: float) -> Figure:
    title = f"Corollary 3.3: |x| = 1 and 2, p = .7 and .3, lr = {lr:g}"
    figure, above, below = drawing.pairs(len(shown), title, width=4.8, height=5.6)
    levels = np.linspace(0.55, 0.99, 60)
    for ax, apart, one in zip(above, below, shown, strict=True):
        said = np.array([ratio(one.made, c).exact for c in levels])
        drawing.theory(ax, levels, said, 0, "A.5, exact factor")
        drawing.marks(ax, DRAWN, one.ratio, 0, label="networks")
        ax.axhline(float(ratio(one.made).plain), color="0.6", linestyle="--", label="plain ratio of the rates")
        drawing.difference(apart, DRAWN, [ratio(one.made, c).exact for c in DRAWN] - one.ratio, 0, one.floor)
        ax.set_ylim(0.0, 1.3)
        u0 = one.made.parameters["initial"]
        ax.set_title(f"{one.name}: u0 = {u0[0]:g} and {u0[1]:g}", fontsize="medium")
        drawing.finish(ax, "", "t2*/t1*, the times to confidence c", " ")
        drawing.finish(apart, "confidence c", drawing.APART if apart is below[0] else "|theory - network|")
    return figure
