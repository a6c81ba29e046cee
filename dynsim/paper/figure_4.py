"""Figures 4 and 8 (v2): depth, one chain a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result
from dynsim.paper.setting import experiment, judged, logit_lines
from dynsim.theory import modes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_4"
SOURCE = "Fig. 4 and 8, eq 5, App. B (v2)"
STATEMENT = (
    "N balanced layers: du/dt = N p |x|^(2/N) u^(2 - 2/N) g(u). Depth sharpens the transition and makes a small "
    "|x| matter less: (N, |x|) = (4, .1), (4, .5), (8, .1) from u0 = .1 with p = 1."
)
SETTING = (
    "Paper: (N, |x|) = (4, .1), (4, .5), (8, .1), u0 = .1, p = 1, t from 0 to 10. Here: the same, one unit a "
    "class and diagonal inner layers, all layers alike, on two antipodal inputs of norm |x| and p = 1; "
    "full-batch gradient descent, lr = .005 (--quick: .02)."
)
#: The curves: the number of weight layers, and the norm of the input.
DEPTH, NORM = np.array([4, 4, 8]), np.array([0.1, 0.5, 0.1])
INITIAL, FREQUENCY, END = 0.1, 1.0, 10.0


class Curves(NamedTuple):
    """Logit and confidence of the curves k = 0, 1, 2 at `time`, shape (T, 3); depth and norm, shape (3,)."""

    time: Floats
    logit: Floats
    confidence: Floats
    depth: Floats
    norm: Floats


def curves(time: ArrayLike | None = None) -> Curves:
    """Figures 4 and 8 as data.

    Parameters
    ----------
    time : array_like, shape (T,), optional
        t = lr x step; by default 0 to 10, the paper's axis.

    Examples
    --------
    >>> curves([0.0, 10.0]).logit.round(3)
    array([[0.1  , 0.1  , 0.1  ],
           [1.704, 4.695, 6.092]])
    """
    t = np.linspace(0.0, END, 501) if time is None else checks.times("time", time)
    u = modes.logit(t[:, None], initial=INITIAL, rate=FREQUENCY * NORM, depth=DEPTH, norm=NORM)
    return Curves(t, u, np.asarray(special.expit(u)), DEPTH.astype(float), NORM)


def reproduce(quick: bool = False) -> Result:
    """The three curves against networks with diagonal inner layers."""
    lr = 0.02 if quick else 0.005
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for depth, norm in zip(DEPTH.tolist(), NORM.tolist(), strict=True):
        both: dict[str, Any] = {"norms": (norm, norm), "frequencies": (FREQUENCY, FREQUENCY)}
        made = experiment(hidden=2, lr=lr, until=END, initial=INITIAL, depth=depth, **both)
        found = judged(made)
        comparisons.append(found)
        lines += logit_lines(made, found, f"N = {depth}, |x| = {norm:g}")[:1]
        parameters[f"N = {depth}, norm {norm:g}"] = made.parameters
    figure = _figure(comparisons, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _figure(comparisons: list[Comparison], lr: float) -> Figure:
    title = f"Figures 4 and 8: u0 = {INITIAL:g}, p = {FREQUENCY:g}; lines: theory, marks: networks, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=5.6)
    said = curves()
    for k, found in enumerate(comparisons):
        label, run = f"N = {DEPTH[k]}, |x| = {NORM[k]:g}", found.empirical
        drawing.theory(left, said.time, said.logit[:, k], k, label)
        drawing.theory(right, said.time, said.confidence[:, k], k, label)
        drawing.network(left, run.time, run.margin[:, 0], k)
        drawing.network(right, run.time, run.confidence[:, 0], k)
        drawing.logits_apart(below[0], found, k)
        drawing.confidences_apart(below[1], found, k)
    drawing.finish(left, "", "logit u", "weight layers, norm")
    drawing.finish(right, "", "confidence P", "weight layers, norm")
    for ax in below:
        drawing.finish(ax, drawing.TIME, drawing.APART if ax is below[0] else "|theory - network|")
    return figure
