"""Theorem 3.2 (v2): the logit under cross-entropy, in closed form, for both classes."""

from __future__ import annotations

from dynsim.paper.claim import Result
from dynsim.paper.setting import experiment, judged, logit_lines
from dynsim.plotting import comparison_figure

NAME = "theorem_3_2"
SOURCE = "Thm 3.2, eq 2-3 (v2)"
STATEMENT = (
    "Balanced units trained with cross-entropy: log u + Ei(u) grows by 2 kappa t, and the confidence is sigma(u); "
    "class 2 is the mirror image with its own kappa."
)


def reproduce(quick: bool = False) -> Result:
    """One unit a class, C = 0: the closed form, and the exact map beside it."""
    lr = 0.05 if quick else 0.01
    made = experiment(hidden=2, lr=lr, until=60.0)
    flow, exact = judged(made), judged(made, "gradient_descent", lr)
    lines = (*logit_lines(made, flow, "closed form"), *logit_lines(made, exact, "exact map"))
    figure = comparison_figure(flow, f"Theorem 3.2: one unit a class, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, lines, made.parameters, (flow, exact), figure)
