"""Theorem 5.1 (v2): with the hinge loss a class is learnt in finite time."""

from __future__ import annotations

from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result
from dynsim.paper.setting import experiment, judged, logit_lines
from dynsim.paper.timing import time_lines

NAME = "theorem_5_1"
SOURCE = "Thm 5.1, eq 6, C.1 (v2)"
STATEMENT = (
    "Hinge loss: u = C sinh(arcsinh(u0/C) + 2 kappa t), u0 exp(2 kappa t) for C = 0, until u = 1 at a finite t*."
)
SETTING = (
    "Paper: any norms and frequencies. Here four units a class on two antipodal inputs, |x| = 1 and 2, p = .7 "
    "and .3, from u0 = .01 with C = 0 and C = .1, directions from rng 4; full-batch gradient descent, lr = .004 "
    "(--quick: .02), until t = 8."
)
IMBALANCES = (0.0, 0.1)


def reproduce(quick: bool = False) -> Result:
    """Balanced and imbalanced starts: the path, and the time t* at which the margin reaches 1."""
    lr = 0.02 if quick else 0.004
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for imbalance in IMBALANCES:
        made = experiment(hidden=8, lr=lr, until=8.0, loss="hinge", initial=1e-2, imbalance=imbalance, rng=4)
        found = judged(made)
        comparisons.append(found)
        lines += logit_lines(made, found, f"C = {imbalance:g}")
        lines += time_lines(made, (1.0,), f"C = {imbalance:g}", LABELS)
        parameters[f"imbalance {imbalance:g}"] = made.parameters
    shown = {f"C = {C:g}": found for C, found in zip(IMBALANCES, comparisons, strict=True)}
    figure = drawing.compared(shown, f"Theorem 5.1: hinge loss, four units a class, u0 = 0.01, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)
