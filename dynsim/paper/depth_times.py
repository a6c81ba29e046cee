"""Beyond the paper: when a network of N layers reaches a confidence, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim.paper import drawing
from dynsim.paper.claim import Result
from dynsim.paper.setting import Experiment, experiment, judged
from dynsim.paper.timing import time_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "depth_times"
SOURCE = "beyond the paper: docs/theory.md, section 11"
STATEMENT = (
    "Balanced layers reach a logit u at t = (F(u) - F(u0)) / (N p |x|^(2/N)), with F(v) = v^(1-a)/(1-a) (1 + "
    "1F1(1-a; 2-a; v)), a = 2 - 2/N: eq 5, which the paper integrates numerically, in closed form."
)
SETTING = (
    "Not in the paper. Inputs of norm 1 and 2, frequencies .7 and .3; one chain of N = 2, 3, 4, 8 layers a class, "
    "balanced, u0 = .1, t up to 30; times at confidences .75 and .95; lr = .02 (--quick: .05)."
)
DEPTHS = (2, 3, 4, 8)
CONFIDENCES = (0.75, 0.95)
INITIAL, UNTIL = 0.1, 30.0


def reproduce(quick: bool = False) -> Result:
    """A network a depth; the times of both classes, corrected for the step size by the exact map alone."""
    lr = 0.05 if quick else 0.02
    made = {depth: _trained(depth, lr) for depth in DEPTHS}
    lines = [
        line
        for depth, each in made.items()
        for line in time_lines(each, CONFIDENCES, f"N = {depth}", (1, -1))
    ]
    parameters = {f"N = {depth}": each.parameters for depth, each in made.items()}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(made, lr))


def _trained(depth: int, lr: float) -> Experiment:
    return experiment(hidden=2, lr=lr, until=UNTIL, initial=INITIAL, depth=depth, rng=5)


def _figure(made: dict[int, Experiment], lr: float) -> Figure:
    title = f"Beyond the paper: when a confidence is reached; lines: closed form, marks: networks, lr = {lr:g}"
    figure, above, below = drawing.pairs(2, title)
    levels = np.linspace(0.55, 0.98, 60)
    for point, (upper, lower) in enumerate(zip(above, below, strict=True)):
        for k, (depth, each) in enumerate(made.items()):
            said = np.array([each.theory.time_to(level)[point] for level in levels.tolist()])
            drawing.theory(upper, said, levels, k, f"N = {depth}")
            drawing.network(upper, each.run.time, each.run.confidence[:, point], k)
            drawing.logits_apart(lower, judged(each), k, point)
        upper.set_title(f"class {'+1' if point == 0 else '-1'}", fontsize="medium")
        drawing.finish(upper, "", "confidence P", " " if point == 0 else "")
        drawing.finish(lower, drawing.TIME, "logits: |theory - network|")
    return figure
