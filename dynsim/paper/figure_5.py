"""Figure 5, right (v2): how long cross-entropy and hinge loss take to a confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result
from dynsim.paper.setting import Experiment, experiment, judged, logit_lines
from dynsim.paper.timing import delays, time_lines
from dynsim.theory import modes
from dynsim.trajectory import first_crossing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_5"
SOURCE = "Fig. 5 right, Thm 3.2, Thm 5.1 (v2)"
STATEMENT = (
    "From u0 = .001 with |x| = 1 and p = 1 the hinge loss reaches the confidence u after log(u/u0)/2, and "
    "cross-entropy P = sigma(u) after (log(u/u0) + Ei(u) - Ei(u0))/2, which diverges at 1; so with p = .8 and .2."
)
SETTING = (
    "Paper: u0 = .001, |x| = 1, p = 1; inset with p = .8 and .2, t from 0 to 60. Here: the same, one balanced "
    "unit a class on antipodal inputs, both classes with p = 1 (until t = 24, hinge 4) and then the two classes "
    "with p = .8 and .2, rng 0; full-batch gradient descent, lr = .02 (--quick: .04)."
)
LOSSES = ("cross_entropy", "hinge")
#: The main panel has p = 1, the inset these two classes.
FREQUENCIES = (0.8, 0.2)
INITIAL, NORM, END = 1e-3, 1.0, 60.0
#: The confidences at which the times are compared, and those at which networks are drawn.
LEVELS, DRAWN = (0.6, 0.9, 0.99), np.linspace(0.55, 0.99, 12)


class Times(NamedTuple):
    """t at which each loss reaches a confidence, shape (K,)."""

    confidence: Floats
    cross_entropy: Floats
    hinge: Floats


class Inset(NamedTuple):
    """P under cross-entropy and u under hinge loss at `time`, for p = .8 and p = .2, shape (T, 2)."""

    time: Floats
    confidence: Floats
    margin: Floats


def times(confidence: ArrayLike | None = None, *, frequency: float = 1.0) -> Times:
    """Figure 5, right, as data.

    Parameters
    ----------
    confidence : array_like, shape (K,), optional
        Between .501 and 1, exclusive; by default .51 to .99. It is P for cross-entropy and the margin for hinge.
    frequency : float, optional
        p; every time is 1/p times that for p = 1.

    Examples
    --------
    >>> times([0.6, 0.9, 0.99]).cross_entropy.round(3)
    array([ 6.23 ,  9.873, 22.336])
    >>> times([0.6, 0.9, 0.99]).hinge.round(3)
    array([3.198, 3.401, 3.449])
    """
    level = np.linspace(0.51, 0.99, 97) if confidence is None else checks.array("confidence", confidence, ndim=1)
    found = [
        modes.time_to(losses.get(loss).margin_at(level), initial=INITIAL, rate=frequency * NORM, loss=loss)
        for loss in LOSSES
    ]
    return Times(level, found[0], found[1])


def inset(time: ArrayLike | None = None) -> Inset:
    """The inset of Figure 5, right, as data; time is t = lr x step, by default 0 to 60.

    Examples
    --------
    >>> inset([0.0, 10.0, 60.0]).margin.round(3)
    array([[0.001, 0.001],
           [1.   , 0.055],
           [1.   , 1.   ]])
    """
    t = np.linspace(0.0, END, 601) if time is None else checks.times("time", time)
    u = [modes.logit(t[:, None], initial=INITIAL, rate=np.array(FREQUENCIES) * NORM, loss=loss) for loss in LOSSES]
    return Inset(t, losses.get("cross_entropy").confidence(u[0]), u[1])


def reproduce(quick: bool = False) -> Result:
    """Both losses with p = 1, and with p = .8 and .2 as the two classes of one network."""
    lr = 0.04 if quick else 0.02
    lines: list[Line] = []
    parameters: dict[str, Any] = {}
    comparisons, single, double = [], [], []
    for loss in LOSSES:
        until = 24.0 if loss == "cross_entropy" else 4.0
        single.append(_trained(loss, lr, until, (1.0, 1.0)))
        lines += time_lines(single[-1], LEVELS, f"{loss}, p = 1", LABELS[:1])
        double.append(_trained(loss, lr, END, FREQUENCIES))
        found = judged(double[-1])
        comparisons.append(found)
        lines += logit_lines(double[-1], found, f"{loss}, p = .8 and .2")
        parameters |= {f"{loss}, p = 1": single[-1].parameters, f"{loss}, p = .8 and .2": double[-1].parameters}
    figure = _figure(single, comparisons, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _trained(loss: str, lr: float, until: float, frequencies: tuple[float, float]) -> Experiment:
    return experiment(
        hidden=2, lr=lr, until=until, norms=(NORM, NORM), frequencies=frequencies, loss=loss, initial=INITIAL
    )


def _figure(single: list[Experiment], comparisons: list[Comparison], lr: float) -> Figure:
    title = f"Figure 5, right: u0 = {INITIAL:g}, |x| = {NORM:g}; lines: theory, marks: networks, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.0)
    said = times()
    for k, (loss, made) in enumerate(zip(LOSSES, single, strict=True)):
        drawing.theory(left, said.confidence, (said.cross_entropy, said.hinge)[k], k, loss.replace("_", "-"))
        levels = made.run.loss_function.margin_at(DRAWN).tolist()
        reached = np.array([first_crossing(made.run.time, made.run.margin, level)[0] for level in levels])
        drawing.marks(left, DRAWN, reached, k)
        floor = [float(np.abs(one.shift[0]) + one.rest[0]) for one in delays(made, levels)]
        drawing.difference(below[0], DRAWN, (times(DRAWN)[1 + k] - reached), k, floor)
    small = inset()
    for k, loss in enumerate(LOSSES):
        for c, p in enumerate(FREQUENCIES):
            curve, run = (small.confidence, small.margin)[k][:, c], comparisons[k].empirical
            label = f"{'P' if k == 0 else 'u'}, {loss.replace('_', '-')}, p = {p:g}"
            drawing.theory(right, small.time, curve, 2 * k + c, label)
            drawing.network(right, run.time, run.confidence[:, c], 2 * k + c)
            drawing.confidences_apart(below[1], comparisons[k], 2 * k + c, c)
    drawing.finish(left, "", f"{drawing.TIME} to reach it, p = 1", "loss")
    drawing.finish(right, "", "confidence P, margin u", "inset of the paper")
    drawing.finish(below[0], "confidence", drawing.APART)
    drawing.finish(below[1], drawing.TIME, "|theory - network|")
    return figure
