"""Beyond the paper: the flow that gradient descent follows to second order in the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import FREQUENCIES, NORMS, Experiment, experiment, judged, logit_lines
from dynsim.theory.prediction import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "modified_flow"
SOURCE = "docs/theory.md, section 9"
STATEMENT = (
    "Gradient descent follows du/dt = 2 kappa u g [1 - (lr kappa/2)(g + 2 u g')] with an error of order lr^2, "
    "where that of the flow is of order lr: a halved lr leaves a quarter of it, not half."
)
SETTING = (
    "Not in the paper. Two antipodal inputs, |x| = 1 and 2, p = .7 and .3, two balanced units a class from u0 = "
    ".01, rng 6; full-batch gradient descent with lr = .02, .01, .005 and .0025 (--quick: four times as much), "
    "until t = 20."
)
#: The orders in lr of the two laws' errors.
ORDERS = {"closed_form": 1.0, "modified_flow": 2.0}


class Errors(NamedTuple):
    """sup of the logits' difference between each law and a network, for each lr; all of shape (K,)."""

    lr: Floats
    closed_form: Floats
    modified_flow: Floats


#: From the largest step size to the smallest, each half of the one before.
_HALVINGS = 4
HIDDEN, INITIAL, UNTIL = 4, 1e-2, 20.0


def reproduce(quick: bool = False) -> Result:
    """The largest difference of the logits at four step sizes, and the order that follows from it."""
    lr = 0.08 if quick else 0.02
    made, found = _trained(lr), errors(lr)
    exact = judged(made, "modified_flow", lr)
    lines = [*logit_lines(made, exact, "modified flow"), *(_order(law, getattr(found, law)) for law in ORDERS)]
    parameters = {**made.parameters, "lr": found.lr.tolist()}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (exact,), _figure(found))


def errors(lr: float = 0.02) -> Errors:
    """The errors of both laws at lr, lr/2, lr/4 and lr/8 as data; trains four networks."""
    rates: Floats = np.array([lr / 2.0**j for j in range(_HALVINGS)])
    made = [_trained(rate) for rate in rates.tolist()]
    return Errors(rates, *(np.array([_error(one, law) for one in made]) for law in ORDERS))


def _trained(lr: float) -> Experiment:
    return experiment(hidden=HIDDEN, lr=lr, until=UNTIL, initial=INITIAL, rng=6)


def _error(made: Experiment, law: str) -> float:
    """sup of the logits' difference over all steps and both classes."""
    lr = float(made.run.lr) if law == "modified_flow" else None
    times = made.run.time[:: max(1, round(UNTIL / made.run.lr / 250))]
    said = predict(made.network, made.data, law=law, lr=lr).at(times)
    rows = np.searchsorted(made.run.time, times)
    return float(np.max(np.abs(said.logits - made.run.logits[rows])))


def orders(errors: Floats) -> Floats:
    """log2 of the factor by which each halving of lr lowers an error, one number less than there are errors."""
    return np.asarray(np.log2(errors[:-1] / errors[1:]))


def _order(law: str, errors: Floats) -> Line:
    """The order that the last halving of lr shows.

    The factor is 2^order (1 + b lr + ...): it comes closer with every halving, by half of what was left. So what is
    left is about the last change of the order, and twice that bounds it.
    """
    found = orders(errors)
    floor = 2.0 * abs(float(found[-1] - found[-2]))
    return row(f"{law}: order of the error in lr", ORDERS[law], float(found[-1]), floor)


def _figure(found: Errors) -> Figure:
    rates = found.lr
    setting = f"|x| = {NORMS[0]:g}, {NORMS[1]:g}, p = {FREQUENCIES[0]:g}, {FREQUENCIES[1]:g}, u0 = {INITIAL:g}"
    title = f"Theory - network, largest up to t = {UNTIL:g}: {setting}"
    figure, (ax,), (below,) = drawing.pairs(1, title, width=8.0, height=5.8)
    ax.set_yscale("log")
    for k, law in enumerate(ORDERS):
        sizes, order = getattr(found, law), ORDERS[law]
        slope = sizes[-1] * (rates / rates[-1]) ** order
        drawing.theory(ax, rates, slope, k, f"{law}: order {order:g}")
        drawing.marks(ax, rates, sizes, k)
        seen = orders(sizes)
        # Twice the last change, of which the first order has none.
        floor = np.append(np.nan, 2.0 * np.abs(np.diff(seen)))
        drawing.difference(below, rates[:-1], order - seen, k, floor)
    drawing.ticks(ax, rates)
    drawing.finish(ax, "", "largest difference of the logits", "lines: slope, marks: measured")
    drawing.finish(below, "lr", "|order - log2 of\nthe fall to lr/2|\n(dotted: floor)")
    return figure
