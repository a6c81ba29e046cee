"""C.2 (v2): the hinge loss for whole classes of different points, on Fisher's iris."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import from_sklearn
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row, within
from dynsim.paper.setting import Experiment, judged, logit_lines, trained
from dynsim.plotting import SERIES
from dynsim.theory import modes
from dynsim.theory.prediction import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "appendix_c2"
SOURCE = "C.2 (v2); after the first drop-out: docs/theory.md, section 7"
STATEMENT = (
    "Hinge loss in full batch: a class of different points learns along its mean until the first of them reaches "
    "margin 1; then points drop out one by one and for good, at times that the theory gives, all in finite time."
)
SETTING = (
    "Paper: a class of any points, and no experiment. Here Fisher's iris, setosa against virginica, centred at "
    "the midpoint of the class means, weight 1/100 a flower, 8 units a class with margin .01 at the class mean, "
    "C = 0, rng 0; full-batch gradient descent, lr = .01 (--quick: .02), until t = 20."
)
CLASSES = ("setosa", "virginica")
HIDDEN, INITIAL, END = 16, 1e-2, 20.0
#: Some hundred steps with a rounding each of margins up to 1.
_ROUNDING = 1e-12


class DropOuts(NamedTuple):
    """When each flower reaches margin 1, shape (n,), NaN if not by END.

    network, exact_map, modified_flow: the first whole step at which it has, as a time. flow: the time itself.
    """

    network: Floats
    exact_map: Floats
    modified_flow: Floats
    flow: Floats


def dropouts(lr: float = 0.005) -> DropOuts:
    """The drop-out times of all 100 flowers as data, in the order of the data set: setosa first.

    Trains a network and evaluates the three laws. Needs scikit-learn.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    return _dropouts(_trained(lr))


def _trained(lr: float) -> Experiment:
    data = from_sklearn("iris", classes=CLASSES).centered()
    network = init.class_aligned(data, HIDDEN, initial=INITIAL, rng=0)
    return trained(data, network, lr=lr, until=END, loss="hinge", hidden=HIDDEN, initial=INITIAL, rng=0)


def _dropouts(made: Experiment) -> DropOuts:
    lr, margin = float(made.run.lr), made.run.margin
    reached = margin >= 1.0
    network = np.where(reached.any(axis=0), made.run.time[np.argmax(reached, axis=0)], np.nan)
    exact, modified = (
        predict(made.network, made.data, loss="hinge", law=law, lr=lr).time_to(1.0, horizon=END)
        for law in ("gradient_descent", "modified_flow")
    )
    return DropOuts(network, exact, modified, made.theory.time_to(1.0, horizon=END))


def before(network: Network, data: Dataset, time: ArrayLike) -> Floats:
    """C.2 (v2) until the first flower of a class drops out: the margins of all of them, shape (T, n).

    With x the mean of the class and w = a x/\\|x\\| + w_perp of a unit, the margin u at x is that of one input,
    a + z grows as e^tau and a - z falls as e^-tau with tau = kappa t, and w_perp rests: a point x_i of the class
    has u x.x_i/\\|x\\|^2 + sum z w_perp.x_i.
    """
    t, margins = checks.times("time", time), np.empty((np.size(time), len(data)))
    for label in LABELS:
        own, x = label * network.Z > 0.0, data.mean(label)
        norm, rate, X = float(np.linalg.norm(x)), float(data.rate(label)), data.X[data.mask(label)]
        a, z = network.W[own] @ x / norm, np.abs(network.Z[own])
        s, d, grown = a + z, a - z, np.exp(rate * t)
        C = 0.5 * norm * np.sqrt((s @ s) * (d @ d))
        u = modes.logit(t, rate=rate, loss="hinge", initial=norm * (a @ z), imbalance=C)
        weights = 0.5 * (np.multiply.outer(grown, s) - np.multiply.outer(1.0 / grown, d))
        aside = network.W[own] - np.multiply.outer(a, x / norm)
        margins[:, data.mask(label)] = np.multiply.outer(u, X @ x) / norm**2 + weights @ aside @ X.T
    return margins


def _before_lines(made: Experiment, found: Comparison) -> list[Line]:
    """Until the first drop-out, for each class: the margin that fits the closed form least, and w_perp."""
    lines, run = [], found.empirical
    assert run.step is not None
    for label in LABELS:
        own, name = made.data.mask(label), made.data.class_name(label)
        # In the run; the flow's first drop-out is earlier still, by what the step size does.
        first = int(np.argmax((made.run.margin[:, own] >= 1.0).any(axis=1)))
        rows = np.flatnonzero((run.time < made.theory.time_to(1.0, horizon=END)[own].min()) & (run.step < first))
        said = label * before(made.network, made.data, run.time[rows])[:, own]
        seen, shift = run.logits[rows][:, own], (found.expected - found.theory.logits)[rows][:, own]
        allowed = found.spread[rows][:, own] + _ROUNDING
        rest = np.abs(seen - said - shift) / allowed
        k, i = np.unravel_index(int(np.argmax(rest)), rest.shape)
        time = run.time[rows][k]
        what = f"closed form, class {name}, while all of it pulls: the margin that fits least, t = {time:g}"
        predicted, measured = float(label * said[k, i]), float(label * seen[k, i])
        floor, verdict = float(np.abs(shift[k, i]) + allowed[k, i]), within(float(rest[k, i]), 1.0)
        lines.append(Line(what, predicted, measured, abs(measured - predicted), floor, verdict))
        lines.append(_aside(made, label, first))
    return lines


def _aside(made: Experiment, label: int, first: int) -> Line:
    """How far the part of the weights that is perpendicular to the class's mean moves until the first drop-out."""
    last = train(made.network, made.data, loss="hinge", lr=made.run.lr, steps=first, record=2).network
    assert last is not None
    x, own = made.data.mean(label), label * made.network.Z > 0.0
    across = np.eye(len(x)) - np.outer(x, x) / (x @ x)
    moved = float(np.max(np.abs((last.W - made.network.W)[own] @ across)))
    # A rounding a step of each sum over the class's points.
    size = float(np.max(np.abs(last.W[own])) + np.max(np.abs(made.data.X)))
    floor = float(np.finfo(np.float64).eps) * first * size
    what = f"class {made.data.class_name(label)}, while all of it pulls: largest change of w_perp"
    return row(what, 0.0, moved, floor)


def reproduce(quick: bool = False) -> Result:
    """Setosa against virginica, centred: the path of every margin, and when each of the 100 flowers drops out."""
    lr = 0.02 if quick else 0.01
    made = _trained(lr)
    flow = judged(made)
    found = _dropouts(made)
    lines = (*_before_lines(made, flow), *_time_lines(found, lr), *logit_lines(made, flow, "flow"))
    number = int(np.sum(~np.isnan(found.network)))
    first, last = np.nanmin(found.network), np.nanmax(found.network)
    off = [int(np.sum(np.abs(law - found.network) > 0.5 * lr)) for law in (found.exact_map, found.modified_flow)]
    notes = (
        f"{number} of {len(made.data)} flowers drop out, from t = {first:g} to {last:g}",
        f"steps that are not the network's: exact map {off[0]}, modified flow {off[1]}",
    )
    figure = _figure(made, flow, found)
    return Result(NAME, SOURCE, STATEMENT, lines, made.parameters, (flow,), figure, notes)


def _time_lines(found: DropOuts, lr: float) -> list[Line]:
    """How many drop out; and for each law the flower that it misses by most.

    The exact map has to be right to the step. The modified flow looks at margins at whole steps as the map does,
    and is of second order in lr: where a margin is that close to 1 it may be one step off. What the step size
    does to the flow is the difference between the two flows, of which the second is judged by itself.
    """
    counts = [int(np.sum(~np.isnan(times))) for times in (found.flow, found.network)]
    none = np.zeros(len(found.network))
    return [
        row("flowers that drop out", counts[0], counts[1], 0.0),
        # Half a step is no step, and the times of the flows are roots.
        _worst("exact map", found.network, found.exact_map, none, 0.5 * lr),
        _worst("modified flow", found.network, found.modified_flow, none, (1.0 + 1e-6) * lr),
        _worst("flow", found.network, found.flow, found.modified_flow - found.flow, (1.0 + 1e-6) * lr),
    ]


def _worst(law: str, network: Floats, said: Floats, shift: Floats, allowed: float) -> Line:
    """The flower that is furthest from where it is expected, that is `shift` after what a law says."""
    late = network - said
    rest = np.where(np.isnan(late), np.inf, np.abs(late - shift))
    k = int(np.argmax(rest))
    if rest[k] == np.inf:
        return Line(f"{law}: a flower drops out on one side only", 0.0, 1.0, 1.0, 0.0, within(np.inf, 0.0))
    what = f"{law}: t of the drop-out that fits least (largest difference of all: {np.max(np.abs(late)):.2g})"
    floor = float(np.abs(shift[k])) + allowed
    verdict = within(float(rest[k]), allowed)
    return Line(what, float(said[k]), float(network[k]), abs(float(late[k])), floor, verdict)


def _figure(made: Experiment, flow: Comparison, found: DropOuts) -> Figure:
    lr = float(made.run.lr)
    title = f"C.2: hinge loss on iris, {CLASSES[0]} and {CLASSES[1]}, centred; u0 = {INITIAL:g}, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.4)
    for k, label in enumerate(LABELS):
        own = np.flatnonzero(made.data.mask(label))
        order, name = own[np.argsort(found.flow[own])], made.data.class_name(label)
        number = np.arange(1, len(order) + 1)
        style: dict[str, Any] = {"color": SERIES[k], "linestyle": drawing.DASHES[k]}
        left.step(found.flow[order], number, where="post", label=f"{name}, flow", **style)
        drawing.marks(left, found.network[order], number, k, label=f"{name}, network")
        for law, filled in ((found.flow, False), (found.modified_flow, True)):
            off = (found.network - law)[own] / lr
            drawing.marks(below[0], found.network[own], off, k, filled=filled)
        for j, (point, words) in enumerate(((order[0], "first"), (order[-1], "last"))):
            run, curve = flow.empirical, 2 * k + j
            drawing.theory(right, run.time, flow.theory.confidence[:, point], curve, f"{name}, {words} to drop out")
            drawing.network(right, run.time, run.confidence[:, point], curve)
            drawing.confidences_apart(below[1], flow, curve, point)
    # Room for the legend.
    right.set_ylim(bottom=-0.8)
    drawing.ticks(left, [1.5, 2, 3, 4, 6, 10, 16])
    drawing.finish(left, "", "flowers with margin 1", "drop-outs")
    drawing.finish(right, "", "margin", "lines: flow, marks: network")
    drawing.finish(below[0], "drop-out, t = lr x step", "network - theory, in steps\n(filled: modified flow)")
    drawing.finish(below[1], drawing.TIME, drawing.APART)
    return figure
