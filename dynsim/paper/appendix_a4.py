"""A.4 (v2): more than one unit a class."""

from __future__ import annotations

from dynsim.paper.claim import Line, Result
from dynsim.paper.setting import experiment, judged, logit_lines
from dynsim.plotting import comparison_figure

NAME = "appendix_a4"
SOURCE = "A.4 (v2); any start through S and D: docs/theory.md, section 3"
STATEMENT = (
    "Any number of units of a class, from any start, act as one mode: "
    "du/dt = 2 kappa sqrt(u^2 + C^2) g(u), C = (|x|/2) sqrt(S D)."
)


def reproduce(quick: bool = False) -> Result:
    """Widths 4, 16 and 128 with balanced, mixed and lazy starts."""
    lr = 0.05 if quick else 0.02
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for hidden, imbalance in ((4, 0.0), (16, 0.05), (128, 1.0)):
        made = experiment(hidden=hidden, lr=lr, until=60.0, imbalance=imbalance, initial=(1e-3, 1e-2), rng=hidden)
        found = judged(made)
        comparisons.append(found)
        lines += logit_lines(made, found, f"{hidden} units, C = {imbalance:g}")
        parameters[f"hidden {hidden}"] = made.parameters
    figure = comparison_figure(comparisons[1], f"A.4: 16 units, C = 0.05, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)
