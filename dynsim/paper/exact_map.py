"""Beyond the paper: gradient descent with any step size is a map of two numbers a class, whatever the width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import FREQUENCIES, NORMS, Experiment, experiment, judged, logit_lines
from dynsim.theory import maps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "exact_map"
SOURCE = "beyond the paper: docs/theory.md, section 6"
STATEMENT = (
    "With e = lr kappa g(u) a step makes S (1 + e)^2 of S and D (1 - e)^2 of D, u = |x| (S - D)/4: exact at every "
    "learning rate and width; and |w|^2 - z^2 of a unit, constant in the flow, is multiplied by 1 - e^2."
)
SETTING = (
    "Not in the paper. Inputs of norm 1 and 2, frequencies .7 and .3, u0 = .001, C = .5; 2, 16 and 128 units with "
    "lr = .01, .37 and 3, 500 steps each (--quick: 200). The floor is round-off alone."
)
#: Units and learning rate.
CASES = ((2, 0.01), (16, 0.37), (128, 3.0))
INITIAL, IMBALANCE = 1e-3, 0.5
_EPS = float(np.finfo(np.float64).eps)


class Invariants(NamedTuple):
    """|a|^2 - z^2 of each unit of class +1 after every step, shape (K + 1, h), and a^2 + z^2 at its largest."""

    values: Floats
    largest: float


def reproduce(quick: bool = False) -> Result:
    """Three widths and learning rates against the map, and the invariants of one of the networks."""
    steps = 200 if quick else 500
    made = {case: _trained(*case, steps) for case in CASES}
    found = {case: judged(each, "gradient_descent", case[1]) for case, each in made.items()}
    lines: list[Line] = []
    for (h, lr), each in made.items():
        lines += logit_lines(each, found[h, lr], f"{h} units, lr = {lr:g}")
    lines.append(_invariant(made[CASES[1]], CASES[1][1], steps))
    parameters = {f"{h} units, lr = {lr:g}": each.parameters for (h, lr), each in made.items()}
    figure = _figure(list(found.values()))
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(found.values()), figure)


def _trained(hidden: int, lr: float, steps: int) -> Experiment:
    return experiment(hidden=hidden, lr=lr, until=steps * lr, initial=INITIAL, imbalance=IMBALANCE, rng=1)


def invariants(made: Experiment, lr: float, steps: int) -> Invariants:
    """Those of the units of class +1 of the experiment's network, trained step by step."""
    network, x = made.network, made.data.mean(1)
    mine = network.Z > 0.0
    values, largest = [], 0.0
    for step in range(steps + 1):
        a, z = network.W[mine] @ x / np.linalg.norm(x), network.Z[mine]
        values.append(a * a - z * z)
        largest = max(largest, float(np.max(a * a + z * z)))
        if step < steps:
            last = train(network, made.data, lr=lr, steps=1, record=2).network
            assert last is not None
            network = last
    return Invariants(np.array(values), largest)


def factor(made: Experiment, lr: float, steps: int) -> float:
    """What the steps multiply each invariant of class +1 by, from the map alone."""
    x, rate = NORMS[0], NORMS[0] * FREQUENCIES[0]
    # u = |x| (S - D)/4 and C = |x| sqrt(S D)/2 at the start.
    R = np.hypot(INITIAL, IMBALANCE)
    S, D = 2.0 * (R + INITIAL) / x, 2.0 * (R - INITIAL) / x
    u = maps.gradient_descent(S, D, rate=rate, norm=x, lr=lr, steps=steps)
    return float(np.prod(1.0 - (lr * rate * special.expit(-u[:-1])) ** 2))


def _invariant(made: Experiment, lr: float, steps: int) -> Line:
    """The unit whose invariant is the largest at the start."""
    found = invariants(made, lr, steps)
    unit = int(np.argmax(np.abs(found.values[0])))
    start, end = (float(found.values[k, unit]) for k in (0, -1))
    # A step rounds a and z to half an eps each after three operations, and g to a few.
    floor = 8.0 * _EPS * steps * found.largest
    what = f"lr = {lr:g}: |w|^2 - z^2 of a unit after {steps} steps, which is {start:.4g} at the start"
    return row(what, start * factor(made, lr, steps), end, floor)


def _figure(found: list[Comparison]) -> Figure:
    title = "Beyond the paper: the exact map of gradient descent; lines: map, marks: networks"
    figure, above, below = drawing.pairs(len(CASES), title, width=3.6)
    for (h, lr), one, upper, lower in zip(CASES, found, above, below, strict=True):
        for k, (point, name) in enumerate(((0, "class +1"), (1, "class -1"))):
            time, sign = one.empirical.time, one.empirical.labels[point]
            drawing.theory(upper, time, sign * one.theory.logits[:, point], k, name)
            drawing.network(upper, time, sign * one.empirical.logits[:, point], k, 20)
            drawing.logits_apart(lower, one, k, point)
        upper.set_title(f"{h} units, lr = {lr:g}", fontsize="medium")
        drawing.finish(upper, "", "logit u", " " if h == CASES[0][0] else "")
        drawing.finish(lower, drawing.TIME, "|theory - network|")
    return figure
