"""Beyond the paper: classes of many different points, through a few numbers that no width enters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim import init
from dynsim.comparison import Comparison
from dynsim.data import from_sklearn
from dynsim.dataset import Dataset
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result
from dynsim.paper.setting import Experiment, judged, logit_lines, trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "order_parameters"
SOURCE = "beyond the paper: docs/theory.md, section 7"
STATEMENT = (
    "Under (H1)-(H3) v = sum z_k w_k, M = sum w_k w_k^T and zeta = sum z_k^2 of a class obey closed equations, in the "
    "flow and for gradient descent: f(x) = v.x of every point follows from them, whatever the number of units."
)
SETTING = (
    "Not in the paper. Twelve points in five dimensions about +-3 e1 (rng 0), and Fisher's iris, setosa against "
    "virginica, centred, for which (H1) holds for all 4,950 pairs; 8 and 64 units, u0 = .01, cross-entropy, "
    "t up to 10; lr = .01 (--quick: .05)."
)
UNTIL, INITIAL = 10.0, 1e-2


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


def flowers() -> Dataset:
    """Setosa and virginica of Fisher's iris, centred between their means.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    return from_sklearn("iris", classes=("setosa", "virginica")).centered()


def reproduce(quick: bool = False) -> Result:
    """Both sets of points: the flow of the order parameters and the exact map, each judged at every point."""
    lr = 0.05 if quick else 0.01
    lines: list[Line] = []
    flows, comparisons, parameters = [], [], {}
    for data, hidden in ((points(), 8), (flowers(), 64)):
        made = _trained(data, hidden, lr)
        flow, exact = judged(made), judged(made, "gradient_descent", lr)
        for found, law in ((flow, "flow"), (exact, "exact map")):
            lines += logit_lines(made, found, f"{data.name}, {law}")
        flows.append(flow)
        comparisons += [flow, exact]
        parameters[data.name] = made.parameters
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), _figure(flows, lr))


def _trained(data: Dataset, hidden: int, lr: float) -> Experiment:
    network = init.class_aligned(data, hidden, initial=INITIAL, rng=0)
    return trained(data, network, lr=lr, until=UNTIL, hidden=hidden, initial=INITIAL, rng=0)


def shown(found: Comparison) -> list[int]:
    """The points with the smallest and the largest margin in the end, of either class."""
    margin = found.empirical.margin[-1]
    out = []
    for label in (1, -1):
        mine = np.flatnonzero(found.empirical.labels == label)
        order = mine[np.argsort(margin[mine])]
        out += [int(order[0]), int(order[-1])]
    return out


def _figure(flows: list[Comparison], lr: float) -> Figure:
    title = f"Beyond the paper: order parameters; lines: their flow, marks: networks, lr = {lr:g}"
    figure, above, below = drawing.pairs(2, title)
    names = ("class +1, least sure", "class +1, surest", "class -1, least sure", "class -1, surest")
    for found, title, upper, lower in zip(flows, ("twelve points", "iris"), above, below, strict=True):
        for k, (point, name) in enumerate(zip(shown(found), names, strict=True)):
            time, label = found.empirical.time, found.empirical.labels[point]
            drawing.theory(upper, time, label * found.theory.logits[:, point], k, name)
            drawing.network(upper, time, label * found.empirical.logits[:, point], k)
            drawing.logits_apart(lower, found, k, point)
        upper.set_title(title, fontsize="medium")
        drawing.finish(upper, "", "margin", " " if title == "iris" else "")
        drawing.finish(lower, drawing.TIME, "|theory - network|")
    return figure
