"""Table 1 (v2): how confident a network may be on a rare feature when it is on a frequent one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "table_1"
SOURCE = "Table 1, Thm 6.1 (v2)"
STATEMENT = (
    "At 99 % on the frequent feature a network is at most at 91, 71, 61, 51 % on one that a share .5, .2, .1, .01 "
    "of the class has; at 99.99 % at most at 99, 86, 72, 52 %."
)
SETTING = (
    "Paper: sigma(lam L) for P = sigma(L) = .99, .9999 and lam = .5, .2, .1, .01. Here also one-unit networks on "
    "the edge of what Thm 6.1 covers, alpha0 = z0 = .1, beta0 = lam alpha0; unit norms, weight 1 a class, lr = "
    ".05 (P = .99) and .2 (P = .9999). --quick: networks for P = .99 alone."
)
FREQUENCIES, CONFIDENCES = (0.5, 0.2, 0.1, 0.01), (0.99, 0.9999)
#: The percentages that the paper prints, for each confidence and frequency.
PRINTED = ((91, 71, 61, 51), (99, 86, 72, 52))
#: alpha and z of the networks; beta is lam alpha.
START, LR = 0.1, (0.05, 0.2)
#: A printed number is rounded to a percent.
_ROUNDING = 0.005


class Networks(NamedTuple):
    """P on x2 when that on x1 is one of CONFIDENCES, for FREQUENCIES, shape (4,); and how far it may be off."""

    said: Floats
    value: Floats
    floor: Floats


def reproduce(quick: bool = False) -> Result:
    """The eight numbers as printed, and networks from the edge of what the theorem covers."""
    found = [networks(k) for k in range(1 if quick else 2)]
    lines = []
    for k, P in enumerate(CONFIDENCES):
        for i, lam in enumerate(FREQUENCIES):
            what, printed = f"lam = {lam:g}, P = {P:g}", PRINTED[k][i] / 100.0
            bound = float(starvation.bound(P, lam))
            lines.append(row(f"{what}: the bound, as printed", printed, bound, _ROUNDING, formula=True))
            if k < len(found):
                lines += _network(what, bound, *(float(column[i]) for column in found[k]))
    parameters = {
        "norms": [1.0, 1.0], "loss": "cross_entropy", "lr": list(LR[: len(found)]), "alpha0": START, "z0": START,
        "beta0": "lam alpha0", "frequencies": list(FREQUENCIES), "confidences": list(CONFIDENCES),
    }  # fmt: skip
    notes = ("networks are trained until P is passed, with three step sizes, and extrapolated to lr -> 0",)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(found), notes)


def networks(k: int) -> Networks:
    """The networks of confidence number k, and what eq 8 (v2) says of them."""
    lam = np.array(FREQUENCIES)
    moment = starvation.at_confidence(CONFIDENCES[k], START, lam * START, START, frequency=lam)
    starts = [(START, START * share, START) for share in FREQUENCIES]
    limits = [
        seen.rare_confidence(one, share, CONFIDENCES[k], LR[k])
        for one, share in zip(starts, FREQUENCIES, strict=True)
    ]
    return Networks(moment.confidence[:, 1], *np.array(limits).T)


def _network(what: str, bound: float, said: float, value: float, floor: float) -> list[Line]:
    words = f"{what}: P on x2, networks as lr -> 0"
    return [
        row(f"{words}; eq 8", said, value, floor),
        row(f"{words}; how far above the bound", 0.0, max(value - bound, 0.0), 0.0),
    ]


#: Styles of the curves of eq 8: dotted is the floor.
_EQ_8 = (2, 4)


def _figure(found: list[Networks]) -> Figure:
    title = "Table 1: lines, theory; filled marks, as printed; hollow marks, networks"
    figure, (ax,), (below,) = drawing.pairs(1, title, width=8.4, height=6.2)
    lam = np.geomspace(0.008, 0.6, 101)
    for k, P in enumerate(CONFIDENCES):
        bound, printed = starvation.bound(P, lam), np.array(PRINTED[k]) / 100.0
        said = starvation.at_confidence(P, START, lam * START, START, frequency=lam).confidence[:, 1]
        drawing.theory(ax, lam, bound, k, f"P = {P:g}: the bound sigma(lam L)")
        drawing.theory(ax, lam, said, _EQ_8[k], f"P = {P:g}: eq 8 from beta0 = lam alpha0")
        drawing.marks(ax, FREQUENCIES, printed, k, filled=True, label=f"P = {P:g}: as printed")
        off = printed - starvation.bound(P, FREQUENCIES)
        drawing.difference(below, FREQUENCIES, off, k, _ROUNDING if k == 0 else None)
        if k < len(found):
            one = found[k]
            drawing.marks(ax, FREQUENCIES, one.value, _EQ_8[k], label=f"P = {P:g}: networks")
            drawing.difference(below, FREQUENCIES, one.said - one.value, _EQ_8[k], one.floor)
    drawing.ticks(ax, FREQUENCIES)
    drawing.finish(ax, "", "confidence on x2 when that on x1 is P", f"alpha0 = z0 = {START:g}")
    drawing.finish(below, "frequency lam of x2", "|theory - network|,\n|bound - printed|\n(dotted: floors)")
    return figure
