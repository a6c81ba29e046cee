"""Beyond the paper: gradient descent with any step size is a map of two numbers a class, whatever the width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim import losses
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import FREQUENCIES, NORMS, Experiment, experiment, judged, logit_lines
from dynsim.theory import maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "exact_map"
SOURCE = "docs/theory.md, section 6"
STATEMENT = (
    "With e = lr kappa g(u) a step makes S (1 + e)^2 of S and D (1 - e)^2 of D, u = |x| (S - D)/4: exact at every "
    "learning rate and width; and |w|^2 - z^2 of a unit, constant in the flow, is multiplied by 1 - e^2."
)
SETTING = (
    "Not in the paper, which has the flow. Here |x| = 1, 2 and p = .7, .3, opposite inputs, u0 = .001, C = .5 "
    "(rng 1): cross-entropy with 2, 16, 128 and 16 units and lr = .01, .37, 3 and 30, exponential and squared loss "
    "with lr = .37, hinge from C = 0 with lr = .02 and .37; 500 steps each (--quick: 200). Floors are round-off."
)


class Case(NamedTuple):
    """How many units, with which step size and for which loss."""

    hidden: int
    lr: float
    loss: str = "cross_entropy"

    def __str__(self) -> str:
        kind = "" if self.loss == "cross_entropy" else f", {self.loss}"
        return f"{self.hidden} units, lr = {self.lr:g}{kind}"


CASES = (
    Case(2, 0.01), Case(16, 0.37), Case(128, 3.0), Case(16, 30.0),
    Case(16, 0.37, "exponential"), Case(16, 0.37, "squared"),
)  # fmt: skip
#: Those that are drawn, and those whose invariants are looked at: with lr = 30 the first e is above 1.
DRAWN, UNEVEN = CASES[1:4:2], CASES[1:4]
INITIAL, IMBALANCE = 1e-3, 0.5
#: Step sizes of balanced networks under the hinge loss, for which the number of steps is known.
HINGE = (0.02, 0.37)
_EPS = float(np.finfo(np.float64).eps)


def reproduce(quick: bool = False) -> Result:
    """Logits of networks against the map, the invariants of their units, and steps under the hinge."""
    steps = 200 if quick else 500
    made = {case: _trained(case, steps) for case in CASES}
    found = {case: judged(one, "gradient_descent", case.lr) for case, one in made.items()}
    lines = [line for case, one in made.items() for line in logit_lines(one, found[case], str(case))]
    seen = {case: invariants(made[case], steps) for case in UNEVEN}
    lines += [invariant_line(case, one) for case, one in seen.items()]
    lines += [hinge_line(lr) for lr in HINGE]
    parameters = {str(case): one.parameters for case, one in made.items()}
    figure = _figure({case: found[case] for case in DRAWN}, seen)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(found.values()), figure)


def _trained(case: Case, steps: int) -> Experiment:
    start = {"hidden": case.hidden, "loss": case.loss, "initial": INITIAL, "imbalance": IMBALANCE, "rng": 1}
    return experiment(lr=case.lr, until=steps * case.lr, **start)  # type: ignore[arg-type]


# ---- what the flow would conserve --------------------------------------------------------------------------


class Invariants(NamedTuple):
    """a^2 - z^2 of the unit of class +1 that has most of it, after every step: of the network and by the map.

    floor: eps (a^2 + z^2), times 8 and the number of steps, all (K + 1,).
    """

    network: Floats
    law: Floats
    floor: Floats


def invariants(made: Experiment, steps: int) -> Invariants:
    """Train the experiment's network step by step, with a look at the weights after each.

    A step commits half an eps of the new a, and some six of what it adds, which is less than that: 4 eps a in all,
    or 8 eps a^2 of a^2, and z likewise. As s d of a unit is multiplied by 1 - e^2, and s^2 by (1 + e)^2, an error
    does not grow beside a^2 + z^2.
    """
    network, x, lr = made.network, made.data.mean(1), float(made.run.lr)
    mine = network.Z > 0.0
    a, z = network.W[mine] @ x / np.linalg.norm(x), network.Z[mine]
    unit = int(np.argmax(np.abs(a * a - z * z)))
    values = []
    for step in range(steps + 1):
        a, z = network.W[mine][unit] @ x / np.linalg.norm(x), network.Z[mine][unit]
        values.append((a * a - z * z, a * a + z * z))
        if step < steps:
            last = train(network, made.data, lr=lr, steps=1, record=2).network
            assert last is not None
            network = last
    difference, total = np.transpose(values)
    floor = 8.0 * _EPS * (np.arange(steps + 1) + 1.0) * total
    return Invariants(difference, difference[0] * factors(lr, steps), floor)


def factors(lr: float, steps: int) -> Floats:
    """What 0, 1, ... steps multiply each invariant of class +1 by: products of 1 - e^2, from the map alone."""
    x, rate = NORMS[0], NORMS[0] * FREQUENCIES[0]
    # u = |x| (S - D)/4 and R = |x| (S + D)/4 at the start.
    R = float(np.hypot(INITIAL, IMBALANCE))
    S, D = 2.0 * (R + INITIAL) / x, 2.0 * (R - INITIAL) / x
    u = maps.gradient_descent(S, D, rate=rate, norm=x, lr=lr, steps=steps)
    e = lr * rate * losses.get("cross_entropy").pull(u[:-1])
    return np.append(1.0, np.cumprod((1.0 - e) * (1.0 + e)))


def invariant_line(case: Case, found: Invariants) -> Line:
    """At the last step."""
    what = f"{case}: |w|^2 - z^2 of a unit after {len(found.law) - 1} steps, {found.network[0]:.4g} at the start"
    return row(what, float(found.law[-1]), float(found.network[-1]), float(found.floor[-1]))


def hinge_line(lr: float) -> Line:
    """u = u0 (1 + lr kappa)^(2k) for C = 0: the step at which it is at least 1."""
    rate = NORMS[0] * FREQUENCIES[0]
    predicted = np.ceil(np.log(1.0 / INITIAL) / (2.0 * np.log1p(lr * rate)))
    made = experiment(hidden=8, lr=lr, until=2.0 * lr * predicted, loss="hinge", initial=INITIAL, rng=1)
    measured = int(np.argmax(made.run.margin[:, 0] >= 1.0))
    return row(f"8 units, lr = {lr:g}, hinge: steps to margin 1", float(predicted), float(measured), 0.0)


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(found: dict[Case, Comparison], seen: dict[Case, Invariants]) -> Figure:
    title = "Gradient descent is a map of two numbers a class; lines: map, marks: networks"
    figure, above, below = drawing.pairs(len(found) + 1, title, width=3.9, height=5.4)
    for (case, one), ax, apart in zip(found.items(), above, below, strict=False):
        for k, name in enumerate(("class +1", "class -1")):
            drawing.theory(ax, one.empirical.time, one.theory.margin[:, k], k, name)
            drawing.network(ax, one.empirical.time, one.empirical.margin[:, k], k, 20)
            drawing.logits_apart(apart, one, k, k)
        ax.set_title(str(case), fontsize="medium")
        ax.locator_params(axis="x", nbins=4)
        drawing.finish(ax, "", "logit u", " ")
        drawing.finish(apart, drawing.TIME, drawing.APART if ax is above[0] else "")
    _conserved(above[-1], below[-1], seen)
    return figure


def _conserved(ax: Axes, below: Axes, seen: dict[Case, Invariants]) -> None:
    """|w|^2 - z^2 over its value at the start, which it would keep in the flow."""
    for k, (case, one) in enumerate(seen.items()):
        t, start = case.lr * np.arange(float(len(one.law))), abs(float(one.law[0]))
        rows = np.unique(np.geomspace(1, len(t) - 1, 15).astype(int))
        drawing.theory(ax, t[1:], np.abs(one.law[1:] / start), k, f"lr = {case.lr:g}")
        drawing.marks(ax, t[rows], np.abs(one.network[rows]) / start, k)
        drawing.difference(below, t[1:], (one.law - one.network)[1:] / start, k, one.floor[1:] / start)
    ax.axhline(1.0, color="0.5", linewidth=0.9, linestyle=(0, (4, 3)), label="flow")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_title("invariant of one unit", fontsize="medium")
    drawing.finish(ax, "", "| |w|^2 - z^2 | / its start", " ")
    drawing.finish(below, drawing.TIME, "")
