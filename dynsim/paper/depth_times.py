"""Beyond the paper: when a network of N layers reaches a confidence, in closed form."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.starved_networks import Limits, limits, stepped
from dynsim.paper.timing import chord
from dynsim.theory import modes
from dynsim.trajectory import Trajectory, first_crossing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "depth_times"
SOURCE = "docs/theory.md, section 11"
STATEMENT = (
    "Balanced layers reach a logit u at t = (F(u) - F(u0))/(N p |x|^(2/N)), F(v) = v^b/b (1 + 1F1(b; 1 + b; v)), b "
    "= 2/N - 1: eq 5, which the paper integrates numerically, in closed form for every depth."
)
SETTING = (
    "Paper: eq 5 without a solution. Here |x| = 1, 2 and p = .7, .3, one chain of N = 1, 2, 3, 4 and 8 layers a "
    "class with diagonal inner layers, balanced, from u0 = .1, until t = 34; opposite inputs, for N = 1 orthogonal "
    "ones and until t = 150; lr = .04 (--quick: .1), lr/2 and lr/4, extrapolated to lr -> 0."
)
NORMS, FREQUENCIES = (1.0, 2.0), (0.7, 0.3)
DEPTHS, CONFIDENCES = (1, 2, 3, 4, 8), (0.75, 0.99)
#: Until when; without a hidden layer it takes longer.
INITIAL, END, LONGER = 0.1, 34.0, 150.0


def reproduce(quick: bool = False) -> Result:
    """The times of both classes at each depth."""
    lr = 0.1 if quick else 0.04
    lines = [line for depth in DEPTHS for line in depth_lines(depth, lr)]
    parameters = {
        "norms": list(NORMS), "frequencies": list(FREQUENCIES), "initial": INITIAL, "depths": list(DEPTHS),
        "lr": lr, "until": END, "until, one layer": LONGER, "confidences": list(CONFIDENCES), "rng": 5,
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(lr))


def times(confidence: ArrayLike, depth: ArrayLike) -> Floats:
    """When both classes reach a confidence, t = lr x step, the classes on the last axis; N is any number from 1.

    Examples
    --------
    >>> times([0.75, 0.99], 4).round(3)
    array([[ 3.848,  6.349],
           [ 9.726, 16.047]])
    """
    level, N = np.broadcast_arrays(special.logit(np.asarray(confidence, dtype=float)), np.asarray(depth))
    rate, norm = np.multiply(NORMS, FREQUENCIES), np.array(NORMS)
    return modes.time_to(level[..., None], initial=INITIAL, rate=rate, depth=N[..., None], norm=norm)


@cache
def run(depth: int, lr: float) -> Trajectory:
    """Every step of a network of that depth; without a hidden layer classes are independent if orthogonal."""
    data = point_classes(NORMS, FREQUENCIES, angle=90 if depth == 1 else 180)
    network = init.class_aligned(data, 2, initial=INITIAL, depth=depth, rng=5)
    return train(network, data, lr=lr, steps=round((LONGER if depth == 1 else END) / lr), record="all")


def reached(confidence: float, depth: int, lr: float) -> Limits:
    """When networks reach a confidence, as lr -> 0, shape (2,)."""
    level = float(special.logit(confidence))

    def measure(step: float) -> tuple[Floats, Floats]:
        path = run(depth, step)
        return first_crossing(path.time, path.margin, level), chord(path, level)

    return limits(measure, lr)


def depth_lines(depth: int, lr: float) -> list[Line]:
    """Two confidences for each class."""
    lines = []
    for confidence in CONFIDENCES:
        found = reached(confidence, depth, lr)
        numbers = zip(times(confidence, depth), found.value, found.floor, strict=True)
        for name, three in zip(("+1", "-1"), numbers, strict=True):
            what = f"N = {depth}, class {name}: t at confidence {confidence:g}, networks as lr -> 0"
            lines.append(row(what, *map(float, three)))
    return lines


# ---- the figure --------------------------------------------------------------------------------------------

#: By depth and confidence; dotted are the floors.
_STYLES = (0, 1, 2, 4, 5)


def _figure(lr: float) -> Figure:
    title = f"Depth in closed form, u0 = {INITIAL:g}; marks: networks, left as lr -> 0, right lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=5.0, height=5.6)
    _over_depth(left, below[0], lr)
    _over_time(right, below[1], lr)
    return figure


def _over_depth(ax: Axes, below: Axes, lr: float) -> None:
    """When class +1 reaches three confidences, over N."""
    N = np.geomspace(1.0, 10.0, 91)
    for k, confidence in enumerate((0.75, 0.9, 0.99)):
        drawing.theory(ax, N, times(confidence, N)[:, 0], k, f"P = {confidence:g}")
        found = [reached(confidence, depth, lr) for depth in DEPTHS]
        value, floor = (np.array([getattr(one, name)[0] for one in found]) for name in ("value", "floor"))
        drawing.marks(ax, DEPTHS, value, k)
        drawing.difference(below, DEPTHS, times(confidence, DEPTHS)[:, 0] - value, k, floor)
    ax.set_yscale("log")
    drawing.ticks(ax, DEPTHS)
    # Room for the legend above the curves.
    ax.set_ylim(top=150.0)
    drawing.finish(ax, "", "t of class +1 at confidence P", " ")
    drawing.finish(below, "weight layers N", drawing.APART)


def _over_time(ax: Axes, below: Axes, lr: float) -> None:
    """The confidence of class +1."""
    steps = np.unique(np.rint(np.linspace(1.0, END / lr, 120)).astype(int))
    rate, norm = NORMS[0] * FREQUENCIES[0], NORMS[0]
    for k, depth in zip(_STYLES, DEPTHS, strict=True):
        found = stepped(lambda step, N=depth: run(N, step).confidence[steps * round(lr / step), 0], lr)  # type: ignore[misc]
        t = lr * steps
        said = special.expit(modes.logit(t, initial=INITIAL, rate=rate, depth=depth, norm=norm))
        drawing.theory(ax, t, said, k, f"N = {depth}")
        drawing.marks(ax, t[4::8], found.value[4::8], k)
        drawing.difference(below, t, said - found.value, k, found.floor)
    drawing.finish(ax, "", "confidence P of class +1", "layers")
    drawing.finish(below, drawing.TIME, drawing.APART)
