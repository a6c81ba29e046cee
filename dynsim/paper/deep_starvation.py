"""Beyond the paper: depth softens gradient starvation, from a logarithm to a power."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.data import starving_features
from dynsim.paper import drawing
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, Table, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "deep_starvation"
SOURCE = "docs/theory.md, section 18"
STATEMENT = (
    "In networks of N layers and rank one the logit on a rare feature ends as a power of that on the frequent "
    "one, v2 ~ v1^(1 - 1/N): deeper networks starve it less."
)
SETTING = (
    "Not in the paper, which has N = 2. Here balanced chains of N = 2, 3, 5 layers (and a linear model) with v1 = "
    ".01 and v2 = .001 at the start, lam = .1, cross-entropy, unit norms, weight 1 a class, lr = .1, until t = "
    "1,600 (--quick: 200); the equation alone goes on to log t = 10,000."
)
DEPTHS, LAM, LR = (2, 3, 5), 0.1, 0.1
#: v1 and v2 of the chains at the start.
START = (0.01, 0.001)
#: How many networks are looked at in the figure.
_LOOKS = 16


#: What a chain's networks do, by step size.
Runs = Callable[[float], seen.Logits]


def reproduce(quick: bool = False) -> Result:
    """Slopes of networks and of the equation, and where these end."""
    ends = (100.0, 200.0) if quick else (100.0, 400.0, 800.0)
    runs = {depth: trained(depth, ends) for depth in (1, *DEPTHS)}
    lines = [line for depth in DEPTHS for line in (*slopes(depth, runs[depth], ends), tail(depth))]
    parameters = {
        "norms": [1.0, 1.0], "loss": "cross_entropy", "lr": LR, "lam": LAM, "depths": list(DEPTHS),
        "start": list(START), "until": list(ends),
    }  # fmt: skip
    notes = ("networks with three step sizes, extrapolated to lr -> 0; at log t = 60 slopes still fall (table)",)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(runs), notes, (_slopes(),))


def trained(depth: int, ends: tuple[float, ...]) -> Runs:
    """A chain's networks, looked at at times evenly in log t, at `ends` and half-way there; trained once each."""
    looks = [*np.geomspace(1.0, ends[-1], _LOOKS), *ends, *(0.5 * end for end in ends)]
    steps = np.unique(np.rint(np.array(looks) / LR).astype(int))

    def run(step: float) -> seen.Logits:
        record = np.append(0, steps * round(LR / step))
        data, until = starving_features(LAM), float(step * record[-1])
        return seen.followed(seen.chain(*START, depth), data, step, until, record=record)

    return cache(run)


def slopes(depth: int, runs: Runs, ends: tuple[float, ...]) -> list[Line]:
    """The slope of log v2 against log v1 over a doubling of the time."""
    lines = []
    for end in ends:
        said = starvation.rank_one(*START, depth=depth, frequency=LAM, times=[end / 2.0, end])
        predicted = float(np.diff(np.log(said.weak))[0] / np.diff(np.log(said.strong))[0])

        def measure(step: float, end: float = end) -> tuple[float, float]:
            path = runs(step)
            first, last = (int(np.argmin(np.abs(path.time - t))) for t in (end / 2.0, end))
            return seen.slope_between(path, first, last), 0.0

        words = f"N = {depth}: slope of log v2 over log v1, t = {end / 2:g} to {end:g}, as lr -> 0"
        lines.append(row(words, predicted, *seen.extrapolated(measure, LR)))
    return lines


def tail(depth: int) -> Line:
    """The slope of the equation far out, which is below its limit by the next term of (18.8)."""
    final = starvation.rank_one(*START, depth=depth, frequency=LAM, log_times=[1e4])
    below = float(next_term(depth, final.weak[0] / final.strong[0]))
    words = f"N = {depth}: slope of the equation at log t = 10,000; 1 - 1/N, and the next term as floor"
    # (N-1)/(N + tan^2) is below 1 - 1/N by the next term over 1 + tan^2/N.
    return row(words, float(starvation.depth_exponent(depth)), float(final.slope[0]), below, formula=True)


def next_term(depth: int, ratio: ArrayLike) -> Floats:
    """((N-1)/N^2) tan^2 phi, tan phi = v2/v1: by how much the slope is below 1 - 1/N to first order, (18.8)."""
    return np.asarray((depth - 1.0) / depth**2 * np.square(ratio))


def _slopes() -> Table:
    """The local slopes of the equation far out in log time."""
    times = (10.0, 60.0, 1e3, 1e5)
    path = starvation.rank_one(*START, depth=np.array(DEPTHS), frequency=LAM, log_times=times)
    rows = tuple(
        (str(N), *(f"{slope:.4f}" for slope in path.slope[:, k]), f"{float(starvation.depth_exponent(N)):.4f}")
        for k, N in enumerate(DEPTHS)
    )
    title = f"slope d log v2/d log v1 of chains of N layers, lam = {LAM:g}, at log t"
    return Table(title, ("N", *(f"{t:g}" for t in times), "limit"), rows)


# ---- the figure --------------------------------------------------------------------------------------------

#: By depth; dotted are the floors.
_STYLES = {1: 4, 2: 0, 3: 1, 5: 2}


def _figure(runs: dict[int, Runs]) -> Figure:
    title = f"Depth softens starvation, lam = {LAM:g}: lines, theory; marks, chains of N layers, lr = {LR:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=5.6, height=6.2)
    _in_time(left, below[0], runs)
    _far_out(right, below[1])
    return figure


def _in_time(ax: Axes, below: Axes, runs: dict[int, Runs]) -> None:
    """v2/v1, which is lam at the start: what is left of the rare feature."""
    for depth, run in runs.items():
        found, k = seen.stepped(lambda step, run=run: _ratio(run(step)), LR), _STYLES[depth]  # type: ignore[misc]
        t = run(LR).time[1:]
        curve = np.union1d(np.geomspace(t[0], t[-1], 121), t)
        # Both classes pull a linear model, along the same path: twice as fast.
        clock = 2.0 * curve if depth == 1 else curve
        path = starvation.rank_one(*START, depth=depth, frequency=LAM, times=clock)
        said = path.weak / path.strong
        drawing.theory(ax, curve, said, k, f"N = {depth}")
        drawing.marks(ax, t, found.value, k)
        drawing.difference(below, t, said[np.isin(curve, t)] - found.value, k, found.floor)
    ax.set_xscale("log")
    drawing.finish(ax, "", "v2/v1, the logits on x2 and x1 alone", "layers")
    drawing.finish(below, drawing.TIME, "|theory - network|\n(dotted: floor)")


def _ratio(path: seen.Logits) -> Floats:
    return np.asarray(path.weak[1:] / path.strong[1:])


def _far_out(ax: Axes, below: Axes) -> None:
    """The slope d log v2/d log v1 where no network gets to; beneath, how far it is from its limit."""
    log_t = np.geomspace(3.0, 1e5, 161)
    for depth, k in _STYLES.items():
        path = starvation.rank_one(*START, depth=depth, frequency=LAM, log_times=log_t)
        limit = float(starvation.depth_exponent(depth))
        drawing.theory(ax, log_t, path.slope, k, f"N = {depth}, to {limit:.3g}")
        if depth > 1:
            ax.axhline(limit, color="0.6", linewidth=0.8)
            rest = next_term(depth, path.weak / path.strong)
            drawing.difference(below, log_t, path.slope - limit, k, rest)
    ax.set_xscale("log")
    drawing.finish(ax, "", "slope d log v2/d log v1 of the equation", "layers, limit 1 - 1/N")
    drawing.finish(below, "log t", "|slope - limit|\n(dotted: next term)")
