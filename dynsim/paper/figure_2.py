"""Figure 2, right (v2): y(t) and P(t) for balanced and imbalanced units under cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import point_classes
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, within
from dynsim.paper.setting import Experiment, Projections, judged, logit_lines, projections, trained
from dynsim.paper.timing import halved, unit_of
from dynsim.theory import modes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_2"
SOURCE = "Fig. 2 right, Thm 3.2, A.3 (v2)"
STATEMENT = (
    "Two equal units a class, p = .5: y(t) and P(t) for (c, |x|) = (0, .5), (0, 1), (.1, 1) with the paper's "
    "c = y^2 - |x|^2 z^2 of a unit, which is C = c/|x| of the class."
)
SETTING = (
    "Paper: two units, p = .5, (c, |x|) = (0, .5), (0, 1), (.1, 1), t from 0 to 120; the start of the balanced "
    "curves is not given. Here: the same, with two such units in the other class too, on antipodal inputs; "
    "balanced from u0 = .001, c = .1 from z = 1e-9; full-batch gradient descent, lr = .04 (--quick: .15). Nothing "
    "is random."
)
#: The curves: the paper's c of one unit, and the norm of the input.
C, NORM = np.array([0.0, 0.0, 0.1]), np.array([0.5, 1.0, 1.0])
FREQUENCY, UNITS, END = 0.5, 2, 120.0
#: The logit from which the balanced curves start; the paper gives no number, its figure is close to this one.
SMALL = 1e-3
#: The imbalanced curve starts at z = 0, y = sqrt(c); (H3) asks for more than 0.
_LEAST_Z = 1e-9
#: Some thousand steps with a rounding each, none of which the dynamics amplify: y only grows, and ever more slowly.
_ROUNDING = 1e-11


class Curves(NamedTuple):
    """y, logit and confidence of the curves k = 0, 1, 2 at `time`, shape (T, 3); c and norm, shape (3,)."""

    time: Floats
    y: Floats
    logit: Floats
    confidence: Floats
    c: Floats
    norm: Floats


def start(k: int) -> tuple[float, float]:
    """y and z with which every unit of curve k starts."""
    if C[k] > 0.0:
        return float(np.sqrt(C[k])), _LEAST_Z
    # u0 = 2 y z with y = |x| z.
    y = float(np.sqrt(SMALL * NORM[k] / UNITS))
    return y, y / float(NORM[k])


def curves(time: ArrayLike | None = None) -> Curves:
    """Figure 2, right, as data.

    With n equal units of one class, S D = n^2 (a^2 - z^2)^2 for a = y/|x|, so that the class has u = n y z and
    C = n c/(2 |x|) (docs/theory.md, eq 4.1). Back from the logit, y^2 (y^2 - c) = (|x| u/n)^2.

    Parameters
    ----------
    time : array_like, shape (T,), optional
        t = lr x step; by default 0 to 120, the paper's axis.

    Examples
    --------
    >>> curves([0.0, 120.0]).confidence.round(3)
    array([[0.5  , 0.5  , 0.5  ],
           [0.994, 0.998, 0.998]])
    """
    t = np.linspace(0.0, END, 601) if time is None else checks.times("time", time)
    u0 = np.array([UNITS * float(np.prod(start(k))) for k in range(len(C))])
    u = modes.logit(t[:, None], initial=u0, rate=FREQUENCY * NORM, imbalance=UNITS * C / (2.0 * NORM))
    return Curves(t, y_of(u, C, NORM), u, np.asarray(special.expit(u)), C, NORM)


def y_of(logit: Floats, c: ArrayLike, norm: ArrayLike) -> Floats:
    """y of each of the units of a class at a logit."""
    square = np.asarray(c, dtype=float)
    return np.asarray(np.sqrt(0.5 * (square + np.hypot(square, 2.0 / UNITS * logit * np.asarray(norm)))))


def reproduce(quick: bool = False) -> Result:
    """The three curves, each against a network with exactly such units in both classes."""
    lr = 0.15 if quick else 0.04
    lines: list[Line] = []
    comparisons, parameters, measured, floors = [], {}, [], []
    for k in range(len(C)):
        made = _trained(k, lr)
        comparisons.append(judged(made))
        what = f"c = {C[k]:g}, |x| = {NORM[k]:g}"
        lines += logit_lines(made, comparisons[k], what)[:1]
        measured.append(projections(made))
        line, floor = _y_line(made, k, measured[k], f"{what}, class +1")
        lines.append(line)
        floors.append(floor)
        parameters[f"curve {k}"] = made.parameters
    note = f"the balanced curves start at the logit {SMALL:g}, read off the paper's figure; it gives no number"
    figure = _figure(comparisons, measured, floors, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure, (note,))


def _trained(k: int, lr: float) -> Experiment:
    norm, (y, z) = float(NORM[k]), start(k)
    data = point_classes((norm, norm), (FREQUENCY, FREQUENCY))
    sign = np.repeat([1.0, -1.0], UNITS)
    network = Network(((y / norm * sign)[:, None], z * sign))
    return trained(data, network, lr=lr, until=END, units=UNITS, y=y, z=z)


def _y_line(made: Experiment, k: int, measured: Projections, what: str) -> tuple[Line, Floats]:
    """y where theory and network differ most, beside what the step size does to it; the latter at each time."""
    predicted = curves(measured.time).y[:, k]
    effect = halved(lambda lr: _map_y(made, lr, measured.time), float(made.run.lr))
    off = np.abs(measured.y - predicted)
    unexplained = np.abs(measured.y - predicted - effect.shift) - effect.rest
    worst, floor = int(np.argmax(off)), np.abs(effect.shift) + effect.rest + _ROUNDING
    verdict = within(float(np.max(unexplained)), _ROUNDING)
    said, seen, apart, allowed = (float(one[worst]) for one in (predicted, measured.y, off, floor))
    words = f"{what}: y at t = {measured.time[worst]:.4g}, where they differ most"
    return Line(words, said, seen, apart, allowed, verdict), floor


def _map_y(made: Experiment, lr: float, time: Floats) -> tuple[Floats, Floats]:
    """y by the exact map, at steps that it has: there is nothing to read off."""
    path = unit_of(made, lr).y[np.rint(time / lr).astype(int)]
    return path, np.zeros_like(path)


def _figure(comparisons: list[Comparison], measured: list[Projections], floors: list[Floats], lr: float) -> Figure:
    title = f"Figure 2, right: two units a class, p = {FREQUENCY:g}; lines: theory, marks: networks, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=5.6)
    said = curves()
    for k, (found, seen) in enumerate(zip(comparisons, measured, strict=True)):
        label, run = f"c = {C[k]:g}, |x| = {NORM[k]:g}", found.empirical
        drawing.theory(left, said.time, said.y[:, k], k, label)
        drawing.theory(right, said.time, said.confidence[:, k], k, label)
        drawing.network(left, seen.time, seen.y, k)
        drawing.network(right, run.time, run.confidence[:, 0], k)
        drawing.difference(below[0], seen.time[1:], (curves(seen.time).y[:, k] - seen.y)[1:], k, floors[k][1:])
        drawing.confidences_apart(below[1], found, k)
    for ax, y in ((left, "y = w.x"), (right, "confidence P")):
        drawing.finish(ax, "", y, "c = y^2 - |x|^2 z^2")
    for ax, y in zip(below, (drawing.APART, "|theory - network|"), strict=True):
        drawing.finish(ax, drawing.TIME, y)
    return figure
