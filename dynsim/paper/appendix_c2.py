"""C.2 (v2): the hinge loss for whole classes of different points, on Fisher's iris."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import from_sklearn
from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row, within
from dynsim.paper.setting import Experiment, judged, logit_lines, trained
from dynsim.plotting import SERIES
from dynsim.theory.prediction import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "appendix_c2"
SOURCE = "C.2 (v2); after the first drop-out: docs/theory.md, section 7"
STATEMENT = (
    "Hinge loss in full batch: a class of different points learns along its mean until the first of them reaches "
    "margin 1; then points drop out one by one and for good, at times that the theory gives, all in finite time."
)
CLASSES = ("setosa", "virginica")
HIDDEN, INITIAL, END = 16, 1e-2, 20.0


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

    Trains a network and evaluates the three laws, in a few seconds. Needs scikit-learn.

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


def reproduce(quick: bool = False) -> Result:
    """Setosa against virginica, centred: the path of every margin, and when each of the 100 flowers drops out."""
    lr = 0.02 if quick else 0.005
    made = _trained(lr)
    flow = judged(made)
    found = _dropouts(made)
    lines = (*_time_lines(found, lr), *logit_lines(made, flow, "flow"))
    number = int(np.sum(~np.isnan(found.network)))
    first, last = np.nanmin(found.network), np.nanmax(found.network)
    off = [int(np.sum(np.abs(law - found.network) > 0.5 * lr)) for law in (found.exact_map, found.modified_flow)]
    notes = (
        f"{number} of {len(made.data)} flowers drop out, from t = {first:g} to {last:g}",
        f"steps that are not the network's: exact map {off[0]}, modified flow {off[1]}",
    )
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), made.parameters, (flow,), _figure(made, found), notes)


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


def _figure(made: Experiment, found: DropOuts) -> Figure:
    lr = float(made.run.lr)
    title = f"C.2: hinge loss on iris, {CLASSES[0]} and {CLASSES[1]}, centred; u0 = {INITIAL:g}, lr = {lr:g}"
    figure, (left, right) = drawing.panels(2, title)
    for k, label in enumerate(LABELS):
        own = np.flatnonzero(made.data.mask(label))
        order, name = own[np.argsort(found.flow[own])], made.data.class_name(label)
        number = np.arange(1, len(order) + 1)
        style: dict[str, Any] = {"color": SERIES[k], "linestyle": drawing.DASHES[k]}
        left.step(found.flow[order], number, where="post", label=f"{name}, flow", **style)
        drawing.marks(left, found.network[order], number, k, label=f"{name}, network")
        for law, filled in ((found.flow, False), (found.modified_flow, True)):
            words = f"{'modified flow' if filled else 'flow'}, {name}"
            drawing.marks(right, found.network[own], (found.network - law)[own] / lr, k, filled=filled, label=words)
    for ax in (left, right):
        drawing.ticks(ax, [1.5, 2, 3, 4, 6, 10, 16])
    drawing.finish(left, drawing.TIME, "flowers with margin 1", "drop-outs")
    drawing.finish(right, "drop-out of the network, t = lr x step", "network - theory, in steps", "difference to")
    return figure
