"""Beyond the paper: the exponential and the squared loss in closed form, and the hinge through any number of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynsim.comparison import Comparison
from dynsim.paper import drawing
from dynsim.paper.claim import Result
from dynsim.paper.setting import Experiment, experiment, judged, logit_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "other_losses"
SOURCE = "beyond the paper: docs/theory.md, section 5"
STATEMENT = (
    "Under the exponential loss Ei(u) grows by 2 kappa t; under the squared loss u is the sigmoid of linear networks, "
    "or with imbalance a tanh; and the hinge through N layers makes u^(2/N - 1) linear in t."
)
SETTING = (
    "Not in the paper. Inputs of norm 1 and 2, frequencies .7 and .3, two antipodal classes, u0 = .01, t up to 8; one "
    "unit a class, with C = .5 for the second curve of the squared loss; hinge through N = 4 layers, u0 = .05; "
    "lr = .005 (--quick: .02)."
)
#: A loss, and what else is particular about its network.
CASES: dict[str, dict[str, Any]] = {
    "exponential": {"loss": "exponential"},
    "squared, C = 0": {"loss": "squared"},
    "squared, C = 0.5": {"loss": "squared", "imbalance": 0.5},
    "hinge, N = 4": {"loss": "hinge", "depth": 4, "initial": 0.05},
}
UNTIL = 8.0


def reproduce(quick: bool = False) -> Result:
    """One network a case, and the closed form from its first weights."""
    lr = 0.02 if quick else 0.005
    made = {name: _trained(options, lr) for name, options in CASES.items()}
    found = {name: judged(each) for name, each in made.items()}
    lines = [line for name in CASES for line in logit_lines(made[name], found[name], name)]
    parameters = {name: each.parameters for name, each in made.items()}
    figure = _figure(list(found.values()), lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(found.values()), figure)


def _trained(options: dict[str, Any], lr: float) -> Experiment:
    return experiment(**{"hidden": 2, "lr": lr, "until": UNTIL, "initial": 0.01, "rng": 3, **options})


def _figure(found: list[Comparison], lr: float) -> Figure:
    title = f"Beyond the paper: other losses; lines: theory, marks: networks, lr = {lr:g}"
    figure, above, below = drawing.pairs(2, title)
    for point, (upper, lower) in enumerate(zip(above, below, strict=True)):
        for k, (name, one) in enumerate(zip(CASES, found, strict=True)):
            time, sign = one.empirical.time, one.empirical.labels[point]
            drawing.theory(upper, time, sign * one.theory.logits[:, point], k, name)
            drawing.network(upper, time, sign * one.empirical.logits[:, point], k)
            drawing.logits_apart(lower, one, k, point)
        upper.set_title(f"class {'+1' if point == 0 else '-1'}", fontsize="medium")
        drawing.finish(upper, "", "logit u", " " if point == 0 else "")
        drawing.finish(lower, drawing.TIME, "|theory - network|")
    return figure
