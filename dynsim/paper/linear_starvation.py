"""Beyond the paper: gradient starvation without a hidden layer, where v2 is a function of v1 in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim.checks import Floats
from dynsim.data import starving_features
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "linear_starvation"
SOURCE = "docs/theory.md, section 18"
STATEMENT = (
    "In a linear model the logit on a rare feature grows like the logarithm of that on the frequent one, by "
    "Lambert's function for the exponential loss; under hinge loss it stops for ever at lam/(1 + lam)."
)
SETTING = (
    "Not in the paper, which has a hidden layer. Here f = v.x from v = 0, unit norms, weight 1 a class; lam = .1 "
    "with the exponential loss and cross-entropy until t = 120, lr = .01 (--quick: .025); lam = .5, .2, .1, .01 "
    "with hinge, lr = .0002 (.0005)."
)
FREQUENCIES, LAM, END = (0.5, 0.2, 0.1, 0.01), 0.1, 60.0
LOSSES = ("exponential", "cross_entropy")
#: v1 at which v2 is read, for those losses and for hinge; and which of them have a line each.
LEVELS, EARLY = np.linspace(0.25, 4.5, 18), np.linspace(0.1, 0.95, 18)
_TOLD = (2.0, 4.0)


def reproduce(quick: bool = False) -> Result:
    """v2 at some v1 for two losses, and where hinge stops."""
    lr = 0.025 if quick else 0.01
    found = {loss: path(loss, lr) for loss in LOSSES}
    lines = [*(line for loss, one in found.items() for line in _lines(loss, one)), *hinge(0.02 * lr)]
    parameters = {
        "norms": [1.0, 1.0], "losses": [*LOSSES, "hinge"], "lr": lr, "lr of hinge": 0.02 * lr, "until": END,
        "lam": LAM, "frequencies": list(FREQUENCIES), "levels of v1": LEVELS.tolist(),
    }  # fmt: skip
    notes = (
        "networks with three step sizes, extrapolated to lr -> 0; under hinge a step at most goes beyond the end",
    )
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(found, 0.02 * lr), notes)


def start() -> Network:
    """A linear model that knows nothing."""
    return seen.chain(0.0, 0.0, 1)


def path(loss: str, lr: float) -> seen.Limits:
    """v2 at LEVELS of v1, as lr -> 0."""

    def measure(step: float) -> tuple[Floats, Floats]:
        run = seen.followed(start(), starving_features(LAM), step, END, loss)
        value, reading = np.transpose([seen.weak_at(run, level) for level in LEVELS.tolist()])
        return value, reading

    return seen.limits(measure, lr)


def _lines(loss: str, found: seen.Limits) -> list[Line]:
    """v2 at some v1; and that cross-entropy lies between its bounds."""
    lines = []
    for level in _TOLD:
        value, floor = (float(column[level == LEVELS][0]) for column in found)
        predicted = float(starvation.linear_path(level, frequency=LAM, loss=loss))
        lines.append(row(f"{loss}: v2 when v1 = {level:g}, as lr -> 0", predicted, value, floor))
        if loss == "cross_entropy":
            lower, upper = (float(one) for one in starvation.linear_bounds(level, frequency=LAM))
            beyond = max(lower - value, value - upper, 0.0)
            words = f"{loss}, v1 = {level:g}: how far v2 is outside {lower:.4f} to {upper:.4f}, its bounds"
            lines.append(row(words, 0.0, beyond, 0.0))
    return lines


def hinge(lr: float) -> list[Line]:
    """Where v2 stops under the hinge loss."""
    lines = []
    for lam in FREQUENCIES:
        end = float(seen.followed(start(), starving_features(lam), lr, 2.0, "hinge", record=2).weak[-1])
        # Both classes pull, by lam each; the last step may go beyond the limit.
        words = f"hinge, lam = {lam:g}: v2 in the end, lr = {lr:g}"
        lines.append(row(words, float(starvation.hinge_limit(lam)), end, 2.0 * lam * lr))
    return lines


# ---- the figure --------------------------------------------------------------------------------------------

#: Dotted are the floors.
_STYLES = (0, 1, 2, 4)


def _figure(found: dict[str, seen.Limits], lr: float) -> Figure:
    title = "Starvation without a hidden layer: lines, theory; marks, linear models"
    figure, (left, right), below = drawing.pairs(2, title, width=5.6, height=6.2)
    _paths(left, below[0], found)
    _hinge(right, below[1], lr)
    return figure


def _paths(ax: Axes, below: Axes, found: dict[str, seen.Limits]) -> None:
    """v2/(lam v1) for two losses: 1 is the straight line of a feature that does not starve."""
    v1, told = np.geomspace(0.1, 1e3, 181), LAM * LEVELS
    for k, (loss, one) in enumerate(found.items()):
        share = starvation.linear_path(v1, frequency=LAM, loss=loss) / (LAM * v1)
        drawing.theory(ax, v1, share, k, f"{loss}, as lr -> 0")
        drawing.marks(ax, LEVELS[::2], (one.value / told)[::2], k)
        off = starvation.linear_path(LEVELS, frequency=LAM, loss=loss) - one.value
        drawing.difference(below, LEVELS, off / told, k, one.floor / told)
    ax.axhline(1.0, linestyle=(0, (1, 1)), color="black", linewidth=1.0, label="v2 = lam v1, nothing starves")
    ax.set(xscale="log", ylim=(0.0, 1.1))
    drawing.finish(ax, "", "share v2/(lam v1) of what does not starve", f"lam = {LAM:g}")
    drawing.finish(below, "v1, the logit on x1 alone", "|theory - network|\n(dotted: floor)")


def _hinge(ax: Axes, below: Axes, lr: float) -> None:
    """Straight lines, until only points without the rare feature pull."""
    v1 = np.linspace(0.0, 1.0, 201)
    for k, lam in zip(_STYLES, FREQUENCIES, strict=True):
        run = seen.followed(start(), starving_features(lam), lr, 1.5, "hinge")
        value = np.array([seen.weak_at(run, level)[0] for level in EARLY.tolist()])
        label = f"lam = {lam:g}: to {float(starvation.hinge_limit(lam)):.3f}"
        drawing.theory(ax, v1, starvation.linear_path(v1, frequency=lam, loss="hinge"), k, label)
        drawing.marks(ax, EARLY, value, k)
        off = starvation.linear_path(EARLY, frequency=lam, loss="hinge") - value
        drawing.difference(below, EARLY, off, k, 2.0 * lam * lr)
    drawing.finish(ax, "", "v2, the logit on x2 alone", f"hinge, lr = {lr:g}")
    drawing.finish(below, "v1, the logit on x1 alone", "|theory - network|\n(dotted: floor)")
