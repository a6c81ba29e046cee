"""Theorem D.2 (v2): how much of a rare feature may be learnt from any start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import expit, logit

from dynsim.checks import Floats
from dynsim.data import starving_features
from dynsim.paper import drawing
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, Table, row
from dynsim.paper.theorem_6_1 import excess
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "theorem_d_2"
SOURCE = "Thm D.2, App. D.2 (v2)"
STATEMENT = (
    "From any start with beta0 > lam alpha0 the confidence on the rare feature is at most sigma(lam L + z* (beta0 "
    "- lam alpha0)), z* the output weight at that moment; from beta0 < 0 it is at most sigma(lam L)."
)
SETTING = (
    "Paper: x1 perpendicular to x2, cross-entropy, one unit, silently of unit norms; no numbers. Here: unit "
    "norms, weight 1 a class; (alpha0, beta0, z0) = (.1, .1, .1) and (.1, -.05, .1), and random starts of sizes "
    "log-uniform from .01 to 1, with lam = .1 where nothing else is said, P = .99 and lr = .05. --quick: fewer "
    "random starts."
)
FREQUENCIES, CONFIDENCE, LAM = (0.5, 0.2, 0.1, 0.01), 0.99, 0.1
#: alpha, beta, z: not covered by Thm 6.1; and opposed to the rare feature.
ABOVE, OPPOSED = (0.1, 0.1, 0.1), (0.1, -0.05, 0.1)
LR, END, DRAWN = 0.05, 40.0, 60


def reproduce(quick: bool = False) -> Result:
    """The bound of one start, random ones of either kind, and what those above the plain bound make of it."""
    number, few = (500, 200) if quick else (4_000, 1_000)
    lines = [*one_start(), *_random(number), *_trained(few)]
    parameters = {
        "norms": [1.0, 1.0], "loss": "cross_entropy", "lr": LR, "lam": LAM, "frequencies": list(FREQUENCIES),
        "confidence": CONFIDENCE, "starts": [list(ABOVE), list(OPPOSED)], "rng": [0, 1, 2],
    }  # fmt: skip
    notes = ("one start: networks with three step sizes, extrapolated to lr -> 0; the theorem holds at any",)
    tables = (uncovered(number),)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(), notes, tables)


def one_start() -> list[Line]:
    """P on x2, z*, and the bound that follows from z*: by eq 8, and as networks have them."""
    (alpha, beta, _), P = ABOVE, CONFIDENCE
    moment = starvation.at_confidence(P, *ABOVE, frequency=LAM)
    confidence, output = (found(ABOVE, LAM, P, LR) for found in (seen.rare_confidence, seen.output_weight))
    said = float(starvation.bound_from(P, LAM, alpha, beta, output=moment.z))
    # Thm D.2 (v2), with the z* of the networks; P' <= 1/4
    free = beta - LAM * alpha
    bound = float(expit(LAM * logit(P) + output.value * free))
    what = f"(alpha, beta, z) = {ABOVE}, lam = {LAM:g}, P = {P:g}, networks as lr -> 0"
    return [
        row(f"{what}: P on x2; eq 8", float(moment.confidence[..., 1]), *confidence),
        row(f"{what}: z*; eq 8", float(moment.z), *output),
        row(f"{what}: the bound of Thm D.2", said, bound, 0.25 * free * output.floor),
        row(f"{what}: how far above that bound", 0.0, max(confidence.value - bound, 0.0), 0.0),
    ]


def _random(number: int) -> list[Line]:
    """By eq 8: starts that Thm 6.1 does not cover, and such with beta0 < 0."""
    lines = []
    for lam in FREQUENCIES:
        P, (alpha, beta, z) = CONFIDENCE, before(seen.random_starts(number, lam, False, 0))
        moment = starvation.at_confidence(P, alpha, beta, z, frequency=lam)
        bounds = (
            ("Thm D.2", starvation.bound_from(P, lam, alpha, beta, output=moment.z)),
            ("the bound from the start alone", starvation.bound_of_start(P, lam, alpha, beta, z)),
        )
        for name, bound in bounds:
            count = int(np.sum(moment.confidence[:, 1] > bound))
            words = f"lam = {lam:g}: of {len(alpha):,} starts with beta0 > lam alpha0, break {name} (eq 8)"
            lines.append(row(words, 0.0, count, 0.0, formula=True))
        opposed = before(seen.opposed_starts(number, 1))
        count = int(np.sum(excess(opposed, lam, P, starvation.bound(P, lam)) > 0.0))
        words = f"lam = {lam:g}: of {len(opposed[0]):,} starts with beta0 < 0, break sigma(lam L) (eq 8)"
        lines.append(row(words, 0.0, count, 0.0, formula=True))
    return lines


def before(start: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """Those that have not reached the confidence yet."""
    kept = start[0] * start[2] < logit(CONFIDENCE)
    alpha, beta, z = (one[kept] for one in start)
    return alpha, beta, z


def _trained(number: int) -> list[Line]:
    """The same with networks, which are looked at all along."""
    above = seen.broken(*seen.random_starts(number, LAM, False, 1), LAM, lr=LR, until=100.0)
    alpha, beta, z = seen.opposed_starts(2 * number, 2)
    # Where alpha + beta < 0 a unit is active on the mirror image of x1+x2, in the other class.
    open_ = alpha + beta > 0.0
    opposed = seen.broken(alpha[open_], beta[open_], z[open_], LAM, lr=LR, until=100.0)
    words = f"lam = {LAM:g}: of {{:,}} trained networks with"
    return [
        row(f"{words} beta0 > lam alpha0, break Thm D.2".format(above.number), 0.0, above.general, 0.0),
        row(f"{words} -alpha0 < beta0 < 0, break sigma(lam L)".format(opposed.number), 0.0, opposed.plain, 0.0),
    ]


def uncovered(number: int) -> Table:
    """Starts that do not satisfy the assumption of Thm 6.1: how often they end above its bound, and by how much."""
    rows = []
    for lam in FREQUENCIES:
        bound = starvation.bound(CONFIDENCE, lam)
        above = excess(seen.random_starts(number, lam, False, 0), lam, CONFIDENCE, bound)
        over = above[above > 0.0]
        numbers = (float(bound), over.size / above.size, np.mean(over), np.max(over))
        rows.append((f"{lam:g}", *(f"{value:.3f}" for value in numbers)))
    title = f"{number:,} random starts with beta0 > lam alpha0 (log-uniform, .01 to 1), at P = {CONFIDENCE:g} on x1"
    return Table(title, ("lam", "bound of Thm 6.1", "share above", "mean excess", "largest"), tuple(rows))


# ---- the figure --------------------------------------------------------------------------------------------


class Ends(NamedTuple):
    """P on x2 of networks when it is .99 on x1; what eq 8 and Thm D.2 say; and the floor; each of shape (n,)."""

    value: Floats
    said: Floats
    bound: Floats
    floor: Floats


def ends(number: int = DRAWN) -> Ends:
    """Random starts that Thm 6.1 does not cover, extrapolated to lr -> 0."""
    alpha, beta, z = before(seen.random_starts(number, LAM, False, 2))
    moment = starvation.at_confidence(CONFIDENCE, alpha, beta, z, frequency=LAM)
    found = seen.weak_of_all(seen.unit(alpha, beta, z), starving_features(LAM), LR, float(logit(CONFIDENCE)))
    bound = starvation.bound_from(CONFIDENCE, LAM, alpha, beta, output=moment.z)
    # P' <= 1/4
    return Ends(np.asarray(expit(found.value)), moment.confidence[:, 1], bound, 0.25 * found.floor)


def _figure() -> Figure:
    title = f"Theorem D.2: other starts; lines: theory, marks: networks, lr = {LR:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=5.6, height=6.2)
    _in_time(left, below[0])
    _random_ends(right, below[1])
    return figure


#: The times of the curves, those of them at which networks are looked at, and styles: dotted are the floors.
_T, _LOOKS = np.linspace(0.0, END, 201), slice(5, None, 5)
_BOUNDS: dict[str, Any] = {"color": "black", "linewidth": 1.0}


def _in_time(ax: Axes, below: Axes) -> None:
    """z beta, which where it is positive is the logit on x2 alone, and the bounds on it."""
    both = seen.unit(*np.transpose((ABOVE, OPPOSED)))
    run = seen.along(both, starving_features(LAM), LR, _T[_LOOKS], lambda path: path.weak)
    for k, (start, bounds) in enumerate(((ABOVE, "Thm D.2"), (OPPOSED, "lam L"))):
        path = starvation.solve(*start, frequency=LAM, times=_T)
        said, v1 = (path.z * path.beta)[:, 0], path.alone[:, 0]
        drawing.theory(ax, _T, said, k, f"z beta, beta0 = {start[1]:g}")
        drawing.marks(ax, run.time[1::2], run.values[1::2, k], k)
        # Thm D.2 (v2)
        bound = LAM * v1 + path.z[:, 0] * max(start[1] - LAM * start[0], 0.0)
        style = ((0, (1, 1)), (0, (3, 1, 1, 1)))[k]
        ax.plot(_T, bound, linestyle=style, label=f"{bounds}, beta0 = {start[1]:g}", **_BOUNDS)
        drawing.difference(below, run.time, said[_LOOKS] - run.values[:, k], k, run.floor[:, k])
    drawing.finish(ax, "", "z beta, the logit on x2 alone", f"alpha0 = z0 = 0.1, lam = {LAM:g}")
    drawing.finish(below, drawing.TIME, "|theory - network|\n(dotted: floor)")


def _random_ends(ax: Axes, below: Axes) -> None:
    """Networks beneath the diagonal, many of them above the bound that holds for other starts."""
    found = ends()
    edge = np.array([0.98 * found.bound.min(), 1.02 * found.bound.max()])
    ax.plot(edge, edge, "-", label="bound of Thm D.2", **_BOUNDS)
    plain = float(starvation.bound(CONFIDENCE, LAM))
    ax.axhline(plain, linestyle=(0, (1, 1)), label=f"bound of Thm 6.1, {plain:.3f}", **_BOUNDS)
    drawing.marks(ax, found.bound, found.value, 2, label=f"{len(found.value)} networks as lr -> 0")
    drawing.finish(ax, "", f"P on x2 when it is {CONFIDENCE:g} on x1", f"random beta0 > lam alpha0, lam = {LAM:g}")
    below.set_yscale("log", nonpositive="mask")
    drawing.marks(below, found.bound, np.abs(found.said - found.value), 2)
    below.plot(found.bound, found.floor, ".", color="black", markersize=2.5)
    drawing.finish(below, "the bound of Thm D.2 on it", "|eq 8 - network|\n(dots: floor)")
