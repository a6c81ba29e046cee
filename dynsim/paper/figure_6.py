"""Figures 6 and 10 (v2): confidence on a rare feature against its frequency, as data and as networks have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from dynsim import checks
from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, explained, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "figure_6"
SOURCE = "Fig. 6, Fig. 10, Thm 6.1, Thm D.2 (v2)"
STATEMENT = (
    "Confidence on a feature against the share lam of the class that has it, when one that all have is learnt to "
    ".99 or .9999: from alpha0 = beta0 = .1 (Fig. 6), and the bound of Thm 6.1 (Fig. 10)."
)
SETTING = (
    "Paper: lam from 0 to 1, P = .99 and .9999; Fig. 6 from alpha0 = beta0 = .1, z0 is not given. Here z0 = .1, "
    "and for Fig. 10 beta0 = lam alpha0, the edge of what the theorem covers; networks of one unit, unit norms, "
    "weight 1 a class, lam = .05 to .8, lr = .05 (P = .99) and .2 (P = .9999). --quick: networks for P = .99 "
    "alone."
)
CONFIDENCES, FREQUENCIES = (0.99, 0.9999), (0.05, 0.1, 0.2, 0.5, 0.8)
#: alpha and z of all networks, and beta of those of Fig. 6.
START, LR = 0.1, (0.05, 0.2)
_WHY = (
    "the formula behind Fig. 6, recovered from its curves, is Thm D.2 with sqrt(L) in place of z*: above the "
    "solution of eq 8 (from z0 = .1; the paper gives none), and no bound of the theorem's"
)


class Curves(NamedTuple):
    """A confidence on the rare feature against its frequency, shape (K,) and (P, K), and what is plotted."""

    frequency: Floats
    confidence: Floats
    what: str


def figure_6(frequency: ArrayLike | None = None, confidence: ArrayLike = CONFIDENCES) -> Curves:
    """Figure 6 as data: Thm D.2 for alpha0 = beta0 = .1 with z* replaced by sqrt(L); no bound, and no solution.

    Parameters
    ----------
    frequency : array_like, shape (K,), optional
        lam; by default 0 to 1.
    confidence : array_like, shape (P,)
        On the frequent feature.

    Examples
    --------
    >>> figure_6([0.1, 0.5], [0.99]).confidence.round(3)
    array([[0.658, 0.917]])
    """
    lam, L = _grid(frequency, confidence)
    exponent = lam * L + START * (1.0 - lam) * np.sqrt(L)
    what = "sigma(lam L + 0.1 (1 - lam) sqrt(L)): Thm D.2 from alpha0 = beta0 = .1 with z* taken to be sqrt(L)"
    return Curves(lam[0], np.asarray(expit(exponent)), what)


def figure_10(frequency: ArrayLike | None = None, confidence: ArrayLike = CONFIDENCES) -> Curves:
    """Figure 10 as data: the bound of Thm 6.1, which Table 1 lists for some frequencies. Arguments as `figure_6`.

    Examples
    --------
    >>> figure_10([0.1, 0.5], [0.99]).confidence.round(3)
    array([[0.613, 0.909]])
    """
    lam, _ = _grid(frequency, confidence)
    P = np.asarray(confidence, dtype=np.float64)[:, None]
    return Curves(lam[0], starvation.bound(P, lam), "sigma(lam L): the bound of Thm 6.1, for alpha0 >= beta0/lam")


def _grid(frequency: ArrayLike | None, confidence: ArrayLike) -> tuple[Floats, Floats]:
    lam = np.linspace(0.0, 1.0, 101) if frequency is None else checks.nonnegative("frequency", frequency)
    P = checks.array("confidence", confidence)
    for name, values in (("frequency", lam), ("confidence", P)):
        if values.ndim != 1:
            raise ValueError(f"{name} must have 1 dimension, got shape {values.shape}")
    if np.any(lam > 1.0):
        raise ValueError(f"frequency must be at most 1, got {np.max(lam):.10g}")
    if np.any((P < 0.5) | (P >= 1.0)):
        raise ValueError(f"confidence must be at least 0.5 and below 1, got {P[(P < 0.5) | (P >= 1.0)][0]:.10g}")
    return lam[None], np.asarray(logit(P))[:, None]


# ---- the claim ---------------------------------------------------------------------------------------------


class Networks(NamedTuple):
    """P on x2 when that on x1 is reached, for FREQUENCIES: by eq 8, by networks, and how far these may be off."""

    said: Floats
    value: Floats
    floor: Floats


def reproduce(quick: bool = False) -> Result:
    """What the figures plot, beside networks from the starts they are for."""
    several = CONFIDENCES[: 1 if quick else 2]
    same = [networks(k, START, LR[k]) for k in range(len(several))]
    edge = [networks(k, START * np.array(FREQUENCIES), LR[k]) for k in range(len(several))]
    lines = []
    for k, P in enumerate(several):
        for i, lam in enumerate(FREQUENCIES):
            said, value, floor = (float(column[i]) for column in same[k])
            drawn = float(figure_6([lam], [P]).confidence[0, 0])
            what = f"Fig. 6, lam = {lam:g}, P = {P:g}: P on x2, networks as lr -> 0"
            lines.append(explained(what, drawn, said, value, floor, _WHY))
        lines += _below_figure_10(P, edge[k])
    parameters = {
        "norms": [1.0, 1.0], "loss": "cross_entropy", "lr": list(LR[: len(several)]), "alpha0": START, "z0": START,
        "beta0": "alpha0 (Fig. 6), lam alpha0 (Fig. 10)", "frequencies": list(FREQUENCIES),
        "confidences": list(several),
    }  # fmt: skip
    notes = ("networks are trained until P is passed, with three step sizes, and extrapolated to lr -> 0",)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(same, edge), notes)


def networks(k: int, beta: ArrayLike, lr: float) -> Networks:
    """The networks of confidence number k from beta, and what eq 8 (v2) says of them."""
    starts = np.broadcast_to(beta, len(FREQUENCIES))
    moment = starvation.at_confidence(CONFIDENCES[k], START, starts, START, frequency=FREQUENCIES)
    limits = [
        seen.rare_confidence((START, one, START), lam, CONFIDENCES[k], lr)
        for one, lam in zip(starts.tolist(), FREQUENCIES, strict=True)
    ]
    return Networks(moment.confidence[:, 1], *np.array(limits).T)


def _below_figure_10(P: float, found: Networks) -> list[Line]:
    """Networks that the theorem covers: each as eq 8 has it, and none above the curve."""
    lines = [
        row(f"Fig. 10, lam = {lam:g}, P = {P:g}: P on x2, networks as lr -> 0; eq 8", *numbers)
        for lam, *numbers in zip(FREQUENCIES, *(column.tolist() for column in found), strict=True)
    ]
    above = int(np.sum(found.value > figure_10(FREQUENCIES, [P]).confidence[0]))
    return [*lines, row(f"Fig. 10, P = {P:g}: of {len(FREQUENCIES)} networks, above the curve", 0.0, above, 0.0)]


# ---- the figure --------------------------------------------------------------------------------------------

#: Styles of the curves of eq 8: dotted is the floor.
_EQ_8 = (2, 4)


def _figure(same: list[Networks], edge: list[Networks]) -> Figure:
    title = "Figures 6 and 10: lines, what they plot, and eq 8; marks, networks"
    figure, (left, right), below = drawing.pairs(2, title, width=5.6, height=6.4)
    lam = np.linspace(0.005, 0.995, 100)
    six, ten = figure_6(lam), figure_10(lam)
    _panel(left, below[0], six, "Fig. 6", same, np.full_like(lam, START))
    _panel(right, below[1], ten, "Fig. 10", edge, START * lam)
    for k, one in enumerate(same):
        off = figure_6(FREQUENCIES, CONFIDENCES[k : k + 1]).confidence[0] - one.value
        drawing.difference(below[0], FREQUENCIES, off, k)
    left.set_title("Fig. 6: sigma(lam L + 0.1 (1 - lam) sqrt L)", fontsize="medium")
    right.set_title("Fig. 10: sigma(lam L)", fontsize="medium")
    drawing.finish(left, "", "confidence on x2 when that on x1 is P", "alpha0 = beta0 = z0 = 0.1")
    drawing.finish(right, "", "confidence on x2 when that on x1 is P", "alpha0 = z0 = 0.1, beta0 = lam alpha0")
    drawing.finish(below[0], "frequency lam of x2", "|curve - network|\n(dotted: floor)")
    drawing.finish(below[1], "frequency lam of x2", "|eq 8 - network|\n(dotted: floor)")
    return figure


def _panel(ax: Axes, below: Axes, curves: Curves, name: str, found: list[Networks], beta: Floats) -> None:
    """What a figure plots, the solution of eq 8 from beta, and networks."""
    for k, P in enumerate(CONFIDENCES):
        drawing.theory(ax, curves.frequency, curves.confidence[k], k, f"{name}, P = {P:g}")
        said = starvation.at_confidence(P, START, beta, START, frequency=curves.frequency)
        drawing.theory(ax, curves.frequency, said.confidence[:, 1], _EQ_8[k], f"eq 8, P = {P:g}")
        if k < len(found):
            one = found[k]
            drawing.marks(ax, FREQUENCIES, one.value, _EQ_8[k], label=f"networks, P = {P:g}")
            drawing.difference(below, FREQUENCIES, one.said - one.value, _EQ_8[k], one.floor)
