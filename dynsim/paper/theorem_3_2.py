"""Theorem 3.2 (v2): the logit under cross-entropy, in closed form, for both classes."""

from __future__ import annotations

from dynsim.paper import drawing
from dynsim.paper.claim import Result
from dynsim.paper.setting import experiment, judged, logit_lines

NAME = "theorem_3_2"
SOURCE = "Thm 3.2, eq 2-3 (v2)"
STATEMENT = (
    "Balanced units trained with cross-entropy: log u + Ei(u) grows by 2 kappa t, and the confidence is sigma(u); "
    "class 2 is the mirror image with its own kappa."
)
SETTING = (
    "Paper: any norms and frequencies. Here one unit a class on two antipodal inputs, |x| = 1 and 2, p = .7 and "
    ".3, from u0 = .001, balanced (C = 0) with directions from rng 0; full-batch gradient descent, lr = .02 "
    "(--quick: .05), until t = 60."
)


def reproduce(quick: bool = False) -> Result:
    """One unit a class, C = 0: the closed form, and the exact map beside it."""
    lr = 0.05 if quick else 0.02
    made = experiment(hidden=2, lr=lr, until=60.0)
    flow, exact = judged(made), judged(made, "gradient_descent", lr)
    lines = (*logit_lines(made, flow, "closed form"), *logit_lines(made, exact, "exact map"))
    shown = {"closed form of the flow": flow, "exact map of gradient descent": exact}
    figure = drawing.compared(shown, f"Theorem 3.2: one unit a class, u0 = 0.001, C = 0, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, lines, made.parameters, (flow, exact), figure)
