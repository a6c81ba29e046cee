"""Beyond the paper: how often random initialization fails, for antipodal and for orthogonal inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical import outcomes
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.plotting import SERIES
from dynsim.theory import failure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "failed_training"
SOURCE = "docs/theory.md, section 15"
STATEMENT = (
    "From small random weights, h units leave some class unlearnt for ever with probability 2^(1-h) for antipodal "
    "inputs and 2 (11/16)^h - (3/8)^h for orthogonal ones of one rate."
)
SETTING = (
    "Not in the paper. Normal weights of standard deviation .01, h = 1 to 8 (--quick: 4) units, two inputs of "
    "norm 1 at 180 and at 90 degrees, p = .5, lr = .1; 40,000 networks a width and 4,000 a scale (15,000 and "
    "1,500), rng 0 and 1 with the width, trained until their signs decide, at most 20,000 (5,000) steps."
)
HIDDEN = np.arange(1, 9)
#: Small enough for units to choose before they feel each other.
SCALE = 0.01
#: The standard deviations of the second panel, and the width there.
#: The largest scale of the second panel at which so few are undecided that there is something to judge.
_JUDGED = 0.3
SCALES, WIDTH = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), 4
#: A right formula fails one row in a thousand.
LEVEL = 0.999
_LR, MOST, _FREQUENCY = 0.1, 20_000, 0.5


class Curves(NamedTuple):
    """Probability that training fails, for h hidden units and each geometry, shape (H,)."""

    hidden: Floats
    antipodal: Floats
    orthogonal: Floats


class Measured(NamedTuple):
    """How many of `number` networks failed, and how many were not decided by the last step."""

    failed: int
    undecided: int
    number: int


def curves(hidden: ArrayLike | None = None) -> Curves:
    """The formulas as data, by default for h = 1 ... 8.

    Examples
    --------
    >>> curves([2, 4]).orthogonal.round(4)
    array([0.8047, 0.427 ])
    """
    h = HIDDEN if hidden is None else np.asarray(hidden)
    both = [failure.failure_probability(h, geometry) for geometry in failure.GEOMETRIES]
    return Curves(np.asarray(h, dtype=np.float64), *both)


def measured(
    hidden: int, geometry: str, *, number: int, scale: float = SCALE, rng: int = 0, most: int = MOST
) -> Measured:
    """Train networks from normal weights of a standard deviation until their fate is decided, at most `most` steps.

    Examples
    --------
    >>> measured(1, "antipodal", number=100)
    Measured(failed=100, undecided=0, number=100)
    """
    data = point_classes((1.0, 1.0), (_FREQUENCY, _FREQUENCY), angle=failure.GEOMETRIES[geometry])
    network = init.gaussian(data, hidden, scale=scale, size=number, rng=[rng, hidden])
    found = outcomes.failures(network, data, lr=_LR, most=most)
    return Measured(int(np.sum(found.failed.any(axis=-1))), int(np.sum(found.undecided)), number)


def reproduce(quick: bool = False) -> Result:
    """Every width and geometry at a small scale; and at one width, what a larger scale does."""
    number, widths, most = (15_000, HIDDEN[:4], 5_000) if quick else (40_000, HIDDEN, MOST)
    said = curves(widths)
    lines, seen = [], {}
    for geometry, predicted in (("antipodal", said.antipodal), ("orthogonal", said.orthogonal)):
        seen[geometry] = [measured(h, geometry, number=number) for h in widths.tolist()]
        for h, p, found in zip(widths.tolist(), predicted.tolist(), seen[geometry], strict=True):
            lines.append(_line(f"{geometry}, h = {h}, scale {SCALE:g}", p, found))
    few: dict[str, Any] = {"number": number // 10, "rng": 1, "most": most}
    trend = {g: [measured(WIDTH, g, scale=s, **few) for s in SCALES] for g in seen}
    (p,) = curves([WIDTH]).antipodal.tolist()
    lines += [
        _line(f"antipodal, h = {WIDTH}, scale {scale:g}", p, found)
        for scale, found in zip(SCALES, trend["antipodal"], strict=True)
        if SCALE < scale <= _JUDGED
    ]
    parameters = {
        "norms": [1.0, 1.0], "frequencies": [_FREQUENCY] * 2, "loss": "cross_entropy", "lr": _LR,
        "most steps": most, "networks": number, "networks of the second panel": number // 10,
        "scale": SCALE, "rng": [0, 1],
    }  # fmt: skip
    notes = (
        f"an undecided network counts as half a failure, with half a failure of floor; at larger scales a class "
        f"that is learnt leaves its other units no pull, and they have not decided by t = {_LR * most:g}",
    )
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(seen, trend, widths, most), notes)


def _line(what: str, predicted: float, found: Measured) -> Line:
    """The share of failures, beside what chance and undecided networks leave open."""
    low, high = _interval(predicted, found.number)
    half = 0.5 * found.undecided / found.number
    share = found.failed / found.number + half
    floor = half + (high - predicted if share > predicted else predicted - low)
    words = f"{what}: share of {found.number:,} networks that fail"
    return row(f"{words} ({found.undecided} undecided)" if found.undecided else words, predicted, share, floor)


def _interval(probability: float, number: int) -> tuple[float, float]:
    """Where a share of `number` lies with the probability LEVEL."""
    from scipy.stats import binom

    low, high = binom.interval(LEVEL, number, probability)
    return float(low) / number, float(high) / number


def _figure(
    seen: dict[str, list[Measured]], trend: dict[str, list[Measured]], widths: ArrayLike, most: int
) -> Figure:
    number = seen["antipodal"][0].number
    title = f"Failed training from random weights: marks, networks, {number:,} a width; lines, theory"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.0)
    said, one, some = curves(), curves([WIDTH]), curves(widths)
    for k, geometry in enumerate(("antipodal", "orthogonal")):
        drawing.theory(left, said.hidden, said[1 + k], k, geometry)
        _bars(left, widths, seen[geometry], k)
        _apart(below[0], widths, some[1 + k], seen[geometry], k)
        ends = np.array([0.7 * SCALES[0], 1.4 * SCALES[-1]])
        drawing.theory(right, ends, np.repeat(one[1 + k], 2), k, geometry)
        _bars(right, SCALES, trend[geometry], k)
        _apart(below[1], SCALES, np.repeat(one[1 + k], len(SCALES)), trend[geometry], k)
    left.set_yscale("log")
    drawing.ticks(right, SCALES)
    right.set_ylim(0.0, 0.7)
    drawing.finish(left, "", "probability that a class is never learnt", f"scale {SCALE:g}")
    bars = f"h = {WIDTH}, orthogonal: small scales only\nbars: undecided at t = {_LR * most:g}"
    drawing.finish(right, "", "probability", bars)
    drawing.finish(below[0], "hidden units h", f"networks - formula\n(dotted: {100 * LEVEL:g} %)")
    drawing.finish(below[1], "standard deviation of the initial weights", "networks - formula")
    return figure


def _apart(ax: Axes, x: ArrayLike, predicted: Floats, found: list[Measured], k: int) -> None:
    """Share of failures minus the formula, and between which values chance alone leaves it; bars: undecided."""
    ends = np.array([_interval(p, one.number) for p, one in zip(predicted.tolist(), found, strict=True)])
    for end in ends.T:
        ax.plot(x, end - predicted, color=SERIES[k], linestyle=(0, (1, 1 + 3 * k)), linewidth=1.2)
    half = np.array([0.5 * one.undecided / one.number for one in found])
    share = np.array([one.failed / one.number for one in found]) + half
    style: dict[str, Any] = {"color": SERIES[k], "markerfacecolor": "white", "markersize": 5, "capsize": 3}
    ax.errorbar(x, share - predicted, half, marker=drawing.MARKERS[k], linestyle="none", **style)


def _bars(ax: Axes, x: ArrayLike, found: list[Measured], k: int) -> None:
    """Shares of failures; the bars hold two standard errors, and networks that are undecided."""
    failed, undecided, number = np.array(found, dtype=np.float64).T
    low, high = failed / number, (failed + undecided) / number
    middle, error = 0.5 * (low + high), [2.0 * np.sqrt(share * (1.0 - share) / number) for share in (low, high)]
    ends = np.stack([middle - low + error[0], high - middle + error[1]])
    style: dict[str, Any] = {"color": SERIES[k], "markerfacecolor": "white", "markersize": 5, "capsize": 3}
    ax.errorbar(x, middle, ends, marker=drawing.MARKERS[k], linestyle="none", **style)
