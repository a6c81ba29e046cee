"""Figure 9 (v2): the hinge loss from imbalanced units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import point_classes
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import Experiment, Projections, judged, logit_lines, projections, trained
from dynsim.paper.timing import chord, delay, halved, time_lines, unit_of
from dynsim.theory import modes
from dynsim.theory.prediction import predict
from dynsim.trajectory import first_crossing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_9"
SOURCE = "Fig. 9, Thm 5.1, C.1 (v2)"
STATEMENT = (
    "One unit a class with c = y^2 - |x|^2 z^2 > 0 and p = 1: u = (c/2|x|) sinh(theta0 + 2 |x| t), which is 1 at "
    "t* = (arcsinh(2 |x|/c) - theta0)/(2 |x|), for c in {.01, .2}, |x| in {.7, 1.5} and theta0 = .01."
)
SETTING = (
    "Paper: c in {.01, .2}, |x| in {.7, 1.5}, theta0 = .01, t from 0 to 6; p is not given. Here: the same with p "
    "= 1, one such unit in each of two antipodal classes; full-batch gradient descent, lr = .004 (--quick: .01). "
    "Nothing is random."
)
#: The curves: the paper's c, and the norm of the input.
C, NORM = np.array([0.01, 0.2, 0.01, 0.2]), np.array([0.7, 0.7, 1.5, 1.5])
ANGLE, FREQUENCY, END = 0.01, 1.0, 6.0


class Curves(NamedTuple):
    """y and u of the curves k = 0 ... 3 at `time`, shape (T, 4); t* at which u = 1, c and norm, shape (4,)."""

    time: Floats
    y: Floats
    margin: Floats
    learnt: Floats
    c: Floats
    norm: Floats


def start() -> tuple[Floats, Floats]:
    """y and z of the four units: on their hyperbola at the angle theta0/2."""
    return np.sqrt(C) * np.cosh(ANGLE / 2), np.sqrt(C) / NORM * np.sinh(ANGLE / 2)


def curves(time: ArrayLike | None = None) -> Curves:
    """Figure 9 as data; time is t = lr x step, by default 0 to 6, the paper's axis.

    Examples
    --------
    >>> curves().learnt.round(3)
    array([4.018, 1.882, 2.129, 1.131])
    """
    t = np.linspace(0.0, END, 601) if time is None else checks.times("time", time)
    y, z = start()
    law: dict[str, Any] = {"initial": y * z, "rate": FREQUENCY * NORM, "imbalance": C / (2.0 * NORM)}
    law["loss"] = "hinge"
    u = modes.logit(t[:, None], **law)
    return Curves(t, y_of(u, C, NORM), u, modes.time_to(1.0, **law), C, NORM)


def y_of(margin: Floats, c: ArrayLike, norm: ArrayLike) -> Floats:
    """y of the unit at a margin: y^2 (y^2 - c) = (|x| u)^2."""
    square = np.asarray(c, dtype=float)
    return np.asarray(np.sqrt(0.5 * (square + np.hypot(square, 2.0 * margin * np.asarray(norm)))))


def reproduce(quick: bool = False) -> Result:
    """The four curves, and the time at which each class is learnt."""
    lr = 0.01 if quick else 0.004
    lines: list[Line] = []
    comparisons, parameters, networks, seen = [], {}, [], []
    for k in range(len(C)):
        made = _trained(k, lr)
        networks.append(made)
        found = judged(made)
        comparisons.append(found)
        what = f"c = {C[k]:g}, |x| = {NORM[k]:g}"
        seen.append(projections(made))
        lines += [*logit_lines(made, found, what)[:1], *time_lines(made, (1.0,), what, (1,))]
        lines += [_limit(made, k, what), _exact(made, what)]
        parameters[f"curve {k}"] = made.parameters
    figure = _figure(networks, comparisons, seen, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _trained(k: int, lr: float) -> Experiment:
    norm, y, z = float(NORM[k]), float(start()[0][k]), float(start()[1][k])
    data = point_classes((norm, norm), (FREQUENCY, FREQUENCY))
    network = Network(([[y / norm], [-y / norm]], [z, -z]))
    return trained(data, network, lr=lr, until=END, loss="hinge", y=y, z=z)


def _limit(made: Experiment, k: int, what: str) -> Line:
    """t* of networks trained with lr, lr/2 and lr/4, extrapolated to lr -> 0."""
    lr = float(made.run.lr)

    def measure(step: float) -> tuple[Floats, Floats]:
        run = made.run if step == lr else _trained(k, step).run
        return first_crossing(run.time, run.margin, 1.0), chord(run, 1.0)

    effect, predicted = halved(measure, lr), float(curves([0.0]).learnt[k])
    measured = float(measure(lr)[0][0] - effect.shift[0])
    return row(f"{what}: t*, networks extrapolated to lr -> 0", predicted, measured, float(effect.rest[0]))


def _exact(made: Experiment, what: str) -> Line:
    """By the exact map the margin is 1 at the very same step."""
    lr = float(made.run.lr)
    exact = predict(made.network, made.data, loss="hinge", law="gradient_descent", lr=lr).time_to(1.0)[0]
    measured = float(made.run.time[np.argmax(made.run.margin[:, 0] >= 1.0)])
    # Steps are whole: half of one is no step.
    return row(f"{what}: first step with u >= 1 by the exact map", float(exact), measured, lr / 2)


def _y_floor(made: Experiment, time: Floats) -> Floats:
    """How far y may be from the flow's, by what the step size does to the exact map.

    Once the class is learnt nothing is smooth in lr. From then on: what it was until then, the last step, by which
    y may be past the end, and what the change of c (docs/theory.md, eq 6.3) makes of y at u = 1.
    """
    lr, norm = float(made.run.lr), float(np.linalg.norm(made.data.mean(1)))
    path = {lr / 2**j: unit_of(made, lr / 2**j) for j in range(3)}

    def measure(step: float) -> tuple[Floats, Floats]:
        y = path[step].y[np.rint(time / step).astype(int)]
        return y, np.zeros_like(y)

    effect, late = halved(measure, lr), delay(made, 1.0)
    floor = np.abs(effect.shift) + effect.rest
    learnt = first_crossing(made.run.time, made.run.margin, 1.0)[0] - np.abs(late.shift[0]) - late.rest[0]
    c = path[lr].y[[0, -1]] ** 2 - (norm * path[lr].z[[0, -1]]) ** 2
    past = float(np.max(np.diff(path[lr].y)) + np.abs(np.diff(y_of(np.ones(2), c, norm)))[0])
    floor[time >= learnt] = np.max(floor[time < learnt], initial=0.0) + past
    return floor


def _figure(made: list[Experiment], comparisons: list[Comparison], seen: list[Projections], lr: float) -> Figure:
    title = f"Figure 9: hinge, theta0 = {ANGLE:g}, p = {FREQUENCY:g}; lines: theory, marks: networks, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.2)
    said = curves()
    for k, found in enumerate(comparisons):
        label, run = f"c = {C[k]:g}, |x| = {NORM[k]:g}: t* = {said.learnt[k]:.3f}", found.empirical
        drawing.theory(left, said.time, said.y[:, k], k, label)
        drawing.theory(right, said.time, said.margin[:, k], k, label)
        drawing.network(left, *seen[k], k)
        drawing.network(right, run.time, run.margin[:, 0], k)
        off, floor = curves(seen[k].time).y[:, k] - seen[k].y, _y_floor(made[k], seen[k].time)
        drawing.difference(below[0], seen[k].time[1:], off[1:], k, floor[1:])
        drawing.logits_apart(below[1], found, k)
    drawing.finish(left, "", "y = w.x")
    drawing.finish(right, "", "margin u")
    for ax in below:
        drawing.finish(ax, drawing.TIME, drawing.APART if ax is below[0] else "|theory - network|")
    drawing.legend_below(right, "u = 1 at t*", 2)
    return figure
