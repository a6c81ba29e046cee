"""Corollary 3.3 (v2): how much longer the slower class takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, within
from dynsim.paper.setting import Experiment, crossings, experiment, judged
from dynsim.paper.timing import map_of
from dynsim.theory.slower_class import TimeRatio, time_ratio
from dynsim.trajectory import Trajectory

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
    """What the step size may do to the ratio at each level: the exact map at lr, lr/2, lr/4, extrapolated to 0.

    2 (r(lr) - r(lr/2)) is the effect to first order; the rest is bounded by twice the change when lr is halved
    once more. The formula that is being judged is not used.
    """
    ratios = [_ratios(map_of(made, halved)) for halved in (lr, lr / 2, lr / 4)]
    first, second = 2.0 * (ratios[0] - ratios[1]), 2.0 * (ratios[1] - ratios[2])
    return np.asarray(np.abs(first) + 2.0 * np.abs(first - 2.0 * second))


def _ratios(run: Trajectory) -> Floats:
    """t2*/t1* at LEVEL, and at those that are drawn."""
    times = [crossings(run, level) for level in (LEVEL, *DRAWN.tolist())]
    return np.array([time[1] / time[0] for time in times])


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
