"""A.4 (v2): more than one unit a class."""

from __future__ import annotations

import numpy as np
from scipy import integrate, special

from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, explained
from dynsim.paper.setting import Experiment, experiment, judged, logit_lines

NAME = "appendix_a4"
SOURCE = "A.4 (v2); any start through S and D: docs/theory.md, section 3"
STATEMENT = (
    "Any number of units of a class, from any start, act as one mode: "
    "du/dt = 2 kappa sqrt(u^2 + C^2) g(u), C = (|x|/2) sqrt(S D)."
)
SETTING = (
    "Paper: any number of units on one input a class, and no experiment. Here 4, 16 and 128 units on two "
    "antipodal inputs, |x| = 1 and 2, p = .7 and .3, with C = 0, .05 and 1, u0 = .001 and .01 (class -1), rng = "
    "the width; full-batch gradient descent, lr = .02 (--quick: .05), until t = 60."
)
#: Widths, and the imbalance of the units.
WIDTHS = {4: 0.0, 16: 0.05, 128: 1.0}
END = 60.0
#: About when the two differ most.
_RISE = 4.0
_WHY = "z' of A.4 lacks \"1 +\" in the denominator of its pull: with 1/(1 + e^u) for both y' and z' it agrees"


def reproduce(quick: bool = False) -> Result:
    """Widths 4, 16 and 128 with balanced, mixed and lazy starts."""
    lr = 0.05 if quick else 0.02
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for hidden, imbalance in WIDTHS.items():
        made = experiment(hidden=hidden, lr=lr, until=END, imbalance=imbalance, initial=(1e-3, 1e-2), rng=hidden)
        found = judged(made)
        comparisons.append(found)
        lines += logit_lines(made, found, f"{hidden} units, C = {imbalance:g}")
        if hidden == 16:
            lines.append(_as_printed(made, found))
        parameters[f"hidden {hidden}"] = made.parameters
    shown = {f"{h} units, C = {C:g}": found for (h, C), found in zip(WIDTHS.items(), comparisons, strict=True)}
    figure = drawing.compared(shown, f"A.4: many units, u0 = 0.001 and 0.01, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _as_printed(made: Experiment, found: Comparison) -> Line:
    """The equations of A.4 as they are printed, integrated, beside (3.1) of docs/theory.md and the network."""
    k = int(np.argmin(np.abs(found.empirical.time - _RISE)))
    time, theory, seen = float(found.empirical.time[k]), found.theory.logits[k, 0], found.empirical.logits[k, 0]
    floor = float(np.abs(found.expected[k, 0] - theory) + found.spread[k, 0])
    what = f"A.4 as printed, {len(made.network.Z)} units, class +1, logit at t = {time:.4g}"
    return explained(what, printed(made, time), float(theory), float(seen), floor, _WHY)


def printed(made: Experiment, until: float) -> float:
    """The logit of class +1 at a time by y' = p |x|^2 z/(1 + e^u) and z' = p y/e^u, for all of its units."""
    x, p = made.data.mean(1), float(made.data.frequency(1))
    own = made.network.Z > 0.0
    y, square, number = made.network.W[own] @ x, float(x @ x), int(np.sum(own))

    def field(t: float, state: Floats) -> Floats:
        y, z = state[:number], state[number:]
        u = float(y @ z)
        return np.append(p * square * z * special.expit(-u), p * y * np.exp(-u))

    start = np.append(y, made.network.Z[own])
    end = integrate.solve_ivp(field, (0.0, until), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    return float(end[:number] @ end[number:])
