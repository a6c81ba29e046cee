"""Beyond the paper: the exponential and the squared loss in closed form, and the hinge through several layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.paper import drawing
from dynsim.paper.claim import Result
from dynsim.paper.setting import FREQUENCIES, NORMS, Experiment, experiment, judged, logit_lines
from dynsim.paper.timing import time_lines
from dynsim.theory import modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "other_losses"
SOURCE = "docs/theory.md, section 5"
STATEMENT = (
    "Under the exponential loss Ei(u) grows by 2 kappa t; under the squared loss u is the sigmoid of linear "
    "networks, or with imbalance a tanh; and the hinge through N > 2 layers makes u^(2/N - 1) linear in t."
)
SETTING = (
    "Paper: cross-entropy, and the hinge through two layers. Here |x| = 1, 2 and p = .7, .3, opposite inputs, one "
    "unit or chain a class (rng 3), until t = 8 (C = 0 and hinge: from u0 = .05; C = .5: from u0 = .01); lr = .01 "
    "(--quick: .02)."
)
UNTIL = 8.0
#: A loss, and what else is particular about its networks.
CASES: dict[str, dict[str, Any]] = {
    "exponential": {"loss": "exponential", "initial": 0.05},
    "exponential, C = 0.5": {"loss": "exponential", "initial": 0.01, "imbalance": 0.5},
    "squared": {"loss": "squared", "initial": 0.05},
    "squared, C = 0.5": {"loss": "squared", "initial": 0.01, "imbalance": 0.5},
    "hinge, N = 3": {"loss": "hinge", "initial": 0.05, "depth": 3},
    "hinge, N = 4": {"loss": "hinge", "initial": 0.05, "depth": 4},
}
#: Which of them stand in which panel.
_PANELS = tuple([name for name in CASES if name.startswith(loss)] for loss in ("exponential", "squared", "hinge"))
#: The confidences whose times are judged: for squared and hinge loss those are margins.
_LEVELS = {"exponential": (0.75, 0.99), "squared": (0.5, 0.9), "hinge": (0.5, 1.0)}


def reproduce(quick: bool = False) -> Result:
    """One network a case against the closed form, and when it reaches two levels."""
    lr = 0.02 if quick else 0.01
    made = {name: _trained(name, lr) for name in CASES}
    found = {name: judged(one) for name, one in made.items()}
    lines = []
    for name, one in made.items():
        lines += logit_lines(one, found[name], name)
        lines += time_lines(one, _LEVELS[one.run.loss_name], name, (1,))
    parameters = {name: one.parameters for name, one in made.items()}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(found.values()), _figure(found, lr))


def _trained(name: str, lr: float) -> Experiment:
    return experiment(hidden=2, lr=lr, until=UNTIL, rng=3, **CASES[name])


def curve(name: str, time: ArrayLike) -> Floats:
    """The logit of class +1 in a case as data; t = lr x step.

    Examples
    --------
    >>> curve("squared", [0.0, 2.0, 8.0]).round(4)
    array([0.05  , 0.464 , 0.9997])
    """
    law = {"depth": 2, "imbalance": 0.0, **CASES[name]}
    return modes.logit(time, rate=NORMS[0] * FREQUENCIES[0], norm=NORMS[0], **law)


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(found: dict[str, Comparison], lr: float) -> Figure:
    title = f"Other losses: lines, closed forms; marks, networks, lr = {lr:g}"
    figure, above, below = drawing.pairs(len(_PANELS), title, width=3.7, height=5.4)
    for names, ax, apart in zip(_PANELS, above, below, strict=True):
        _loss(ax, apart, {name: found[name] for name in names})
        drawing.finish(ax, "", "logit u of class +1" if ax is above[0] else "", " ")
        drawing.finish(apart, drawing.TIME, drawing.APART if ax is above[0] else "")
    return figure


def _loss(ax: Axes, below: Axes, found: dict[str, Comparison]) -> None:
    t = np.linspace(0.0, UNTIL, 241)
    for k, (name, one) in enumerate(found.items()):
        drawing.theory(ax, t, curve(name, t), k, name)
        drawing.network(ax, one.empirical.time, one.empirical.margin[:, 0], k)
        drawing.logits_apart(below, one, k)
