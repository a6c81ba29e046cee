"""Beyond the paper: classes of many different points, through a few numbers that no width enters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim import init
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import from_sklearn
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import Experiment, judged, logit_lines, trained
from dynsim.paper.starved_networks import limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "order_parameters"
SOURCE = "docs/theory.md, section 7"
STATEMENT = (
    "Under (H1)-(H3) v = sum z_k w_k, M = sum w_k w_k^T and zeta = sum z_k^2 of a class obey closed equations, in "
    "the flow and for gradient descent: f(x) = v.x of every point follows from them, whatever the number of units."
)
SETTING = (
    "Paper: one input a class, but for A.7 and C.2. Here twelve points in five dimensions about 3 e1 and -3 e1 "
    "(normal, .5, rng 0) with 8 units, and Fisher's iris, setosa against virginica, centred, for which (H1) holds "
    "for all 4,950 pairs, with 64; cross-entropy, u0 = .01, until t = 10; lr = .02 and 1 (--quick: .05 and 1)."
)
UNTIL, INITIAL = 10.0, 1e-2
#: A step size at which the flow is far off, and the exact map is not.
LARGE = 1.0
#: Of the points that are drawn, and the logit of which class.
_NAMES = ("class +1, least sure", "class +1, surest", "class -1, least sure", "class -1, surest")
#: Dotted are the floors.
_STYLES = (0, 1, 2, 4)


class Case(NamedTuple):
    """A data set, a network, and its run against the flow and, with both step sizes, the exact map."""

    made: Experiment
    flow: Comparison
    exact: Comparison
    large: Comparison


@cache
def points() -> Dataset:
    """Twelve points of two classes that satisfy (H1).

    Examples
    --------
    >>> bool(points().check_assumptions())
    True
    """
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 6)
    X = rng.normal(scale=0.5, size=(12, 5)) + 3.0 * y[:, None] * np.eye(5)[0]
    return Dataset(X, y, name="twelve points")


@cache
def flowers() -> Dataset:
    """Setosa and virginica of Fisher's iris, centred between their means.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    return from_sklearn("iris", classes=("setosa", "virginica")).centered()


def reproduce(quick: bool = False) -> Result:
    """Both sets of points: flow and exact map, the limit lr -> 0, and a network of another width."""
    lr = 0.05 if quick else 0.02
    cases = [_case(data, hidden, lr) for data, hidden in ((points(), 8), (flowers(), 64))]
    lines: list[Line] = []
    for case in cases:
        name = case.made.data.name
        lines += logit_lines(case.made, case.flow, f"{name}, flow, lr = {lr:g}")
        lines += logit_lines(case.made, case.exact, f"{name}, exact map, lr = {lr:g}")
        lines += logit_lines(case.made, case.large, f"{name}, exact map, lr = {LARGE:g}")
        lines += [limit_line(case.made, lr), width_line(case)]
    parameters = {case.made.data.name: {**case.made.parameters, "large lr": LARGE} for case in cases}
    found = tuple(one for case in cases for one in case[1:])
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, found, _figure(cases, lr))


def _case(data: Dataset, hidden: int, lr: float) -> Case:
    network = init.class_aligned(data, hidden, initial=INITIAL, rng=0)
    made, large = (
        trained(data, network, lr=step, until=UNTIL, hidden=hidden, initial=INITIAL, rng=0) for step in (lr, LARGE)
    )
    return Case(made, judged(made), judged(made, "gradient_descent", lr), judged(large, "gradient_descent", LARGE))


def limit_line(made: Experiment, lr: float) -> Line:
    """The logits of networks as lr -> 0 at some times, beside the flow's: the one that fits least.

    What the extrapolation leaves open may pass through 0 on the way; its largest value there counts.
    """
    times = np.arange(1.0, 51.0) * (UNTIL / 50.0)
    said = made.theory.at(times).margin

    def measure(step: float) -> tuple[Floats, Floats]:
        steps = np.rint(times / step).astype(int)
        run = train(made.network, made.data, lr=step, steps=int(steps[-1]), record=np.append(0, steps))
        return run.margin[1:], np.zeros_like(said)

    found = limits(measure, lr)
    allowed = np.max(found.floor, axis=0)
    when, point = np.unravel_index(np.argmax(np.abs(found.value - said) / allowed), said.shape)
    numbers = (float(said[when, point]), float(found.value[when, point]), float(allowed[point]))
    what = f"{made.data.name}, flow: margin of point {point} at t = {times[when]:g}, which fits least, as lr -> 0"
    return row(what, *numbers)


def halves(network: Network) -> Network:
    """Every unit as two, each smaller by sqrt(2): other units, twice as many, and the same sums v, M and zeta."""
    return Network((np.repeat(network.W, 2, axis=0) / np.sqrt(2.0), np.repeat(network.Z, 2) / np.sqrt(2.0)))


def width_line(case: Case) -> Line:
    """What the width changes in any logit: rounding, for which the floor is that of the exact map."""
    made = case.made
    run = train(halves(made.network), made.data, lr=float(made.run.lr), steps=len(made.run.time) - 1, record="all")
    changed = float(np.max(np.abs(run.logits - made.run.logits)))
    what = f"{made.data.name}: change of any logit when every unit is made two, with the same order parameters"
    return row(what, 0.0, changed, case.exact.floor["logit"]["all"])


# ---- the figure --------------------------------------------------------------------------------------------


def shown(found: Comparison) -> list[int]:
    """The points with the smallest and the largest margin in the end, of either class."""
    margin, out = found.empirical.margin[-1], []
    for label in (1, -1):
        mine = np.flatnonzero(found.empirical.labels == label)
        ordered = mine[np.argsort(margin[mine])]
        out += [int(ordered[0]), int(ordered[-1])]
    return out


def _figure(cases: list[Case], lr: float) -> Figure:
    title = f"Order parameters; lines: flow, marks: networks, lr = {lr:g}"
    figure, above, below = drawing.pairs(2, title, width=5.0, height=5.6)
    for case, ax, apart in zip(cases, above, below, strict=True):
        data = case.made.data
        for k, point, name in zip(_STYLES, shown(case.flow), _NAMES, strict=True):
            run = case.flow.empirical
            drawing.theory(ax, run.time, case.flow.theory.margin[:, point], k, name)
            drawing.network(ax, run.time, run.margin[:, point], k, 20)
            drawing.logits_apart(apart, case.flow, k, point)
        ax.set_title(f"{len(data)} points in {data.dimension} dimensions: {data.name}", fontsize="medium")
        drawing.finish(ax, "", "margin y f(x)", "" if ax is above[0] else " ")
        drawing.finish(apart, drawing.TIME, drawing.APART)
    return figure

