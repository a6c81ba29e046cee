"""Beyond the paper: how the logit grows in the end, which is faster than log t and not slower."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, explained, row
from dynsim.paper.starved_networks import Limits, limits, stepped
from dynsim.theory import modes, shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "asymptote"
SOURCE = "docs/theory.md, section 5"
STATEMENT = (
    "In the end u = log t + a log log t + log K + ..., a = 2 - 2/N, K = N p |x|^(2/N): the logit of a network with "
    "a hidden layer outgrows log t, where the paper calls its growth slower than log t."
)
SETTING = (
    'Paper: "slower than log t", from bound (19), which grows like 2 log t. Here |x| = 2 and p = .5 for both '
    "classes, one chain of N layers a class from u0 = .1: N = 2 until t = 100,000 and N = 4 until t = 10,000, lr = "
    "1 (--quick: until 10,000 and 2,000)."
)
NORM, FREQUENCY, INITIAL, LR = 2.0, 0.5, 0.1, 1.0
#: Until when networks of N layers are trained, and with --quick.
ENDS, SOON = {2: 1e5, 4: 1e4}, {2: 1e4, 4: 2e3}
#: The growth is read off between the end and so many times earlier.
SPAN = 10.0
_WHY = (
    "'slower than log t', taken literally, is at most 1 per unit of log t; it is 1 + a/log t + ..., above 1 for "
    "ever, and bound (19) gives 2 (docs/theory.md, 5.3)"
)


def reproduce(quick: bool = False) -> Result:
    """The growth over the last decade of time, and the series itself, for two depths."""
    ends = SOON if quick else ENDS
    lines = [line for depth, end in ends.items() for line in _lines(depth, end)]
    parameters = {
        "norm": NORM, "frequency": FREQUENCY, "initial": INITIAL, "depths": list(ends), "lr": LR,
        "until": list(ends.values()), "rng": 0,
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(ends))


class Seen(NamedTuple):
    """Times t = lr x step, and the logit of class +1 there, both (T,)."""

    time: Floats
    logit: Floats


@cache
def trained(depth: int, lr: float, until: float) -> Seen:
    """A network at about 150 steps, evenly over log t, the end and a tenth of it among them.

    They are at the same times for LR, LR/2 and LR/4.
    """
    data = point_classes((NORM, NORM), (FREQUENCY, FREQUENCY))
    network = init.class_aligned(data, 2, initial=INITIAL, depth=depth, rng=0)
    looks = np.append(np.geomspace(1.0, until / LR, 150), [0.0, until / SPAN / LR])
    steps = np.unique(np.rint(looks).astype(int)) * round(LR / lr)
    run = train(network, data, lr=lr, steps=int(steps[-1]), record=steps)
    return Seen(run.time, run.margin[:, 0])


def closed(time: ArrayLike, depth: int) -> Floats:
    """The logit of the flow.

    Examples
    --------
    >>> closed([0.0, 1e4, 1e5], 2).round(4)
    array([ 0.1   , 12.3194, 14.8262])
    """
    return modes.logit(time, initial=INITIAL, rate=FREQUENCY * NORM, depth=depth, norm=NORM)


def series(time: ArrayLike, depth: int, terms: int = 4) -> Floats:
    """That many terms of (5.3)."""
    return shape.asymptote(time, rate=FREQUENCY * NORM, depth=depth, norm=NORM, terms=terms)


def remainder(time: ArrayLike, depth: int) -> Floats:
    """What is left of u after four terms of (5.3): the next two, and the size of the order that follows them.

    With l = log t and X as in (5.3), y1 = a (X - 1), y2 = a (y1 - X^2/2 + X - a/2 - 1), and by one more order of
    log u = log l + log(1 + X/l + y1/l^2 + y2/l^3) and of the series in 1/u

        y3 = a (y2 - X y1 + X^3/3 - X^2 + y1 + (a + 2) X) - a (2 a + 2 + a^2/3).

    The largest of what follows is of the size (X/l)^4, from the logarithm.
    """
    a, log = 2.0 - 2.0 / depth, np.log(np.asarray(time, dtype=float))
    X = a * np.log(log) + np.log(depth * FREQUENCY * NORM ** (2.0 / depth))
    y1 = a * (X - 1.0)
    y2 = a * (y1 - X**2 / 2.0 + X - a / 2.0 - 1.0)
    y3 = a * (y2 - X * y1 + X**3 / 3.0 - X**2 + y1 + (a + 2.0) * X) - a * (2.0 * a + 2.0 + a**2 / 3.0)
    return np.asarray(np.abs(y2) / log**2 + np.abs(y3) / log**3 + (X / log) ** 4)


def _last(depth: int, until: float) -> Limits:
    """The growth per unit of log t over the last decade, and the logit at its end, networks as lr -> 0."""

    def measure(lr: float) -> tuple[Floats, Floats]:
        seen = trained(depth, lr, until)
        early = seen.logit[int(np.argmin(np.abs(seen.time - until / SPAN)))]
        return np.array([(seen.logit[-1] - early) / np.log(SPAN), seen.logit[-1]]), np.zeros(2)

    return limits(measure, LR)


def _lines(depth: int, until: float) -> list[Line]:
    found = _last(depth, until)
    (growth, last), (off, rest) = found.value.tolist(), found.floor.tolist()
    right = float(np.diff(closed([until / SPAN, until], depth))[0] / np.log(SPAN))
    who = f"N = {depth}, networks as lr -> 0"
    what = f"{who}: growth of u per unit of log t, t = {until / SPAN:g} to {until:g}"
    ending = f"{who}: u at t = {until:g}"
    return [
        explained(f"{what}; log t grows by", 1.0, right, growth, off, _WHY),
        row(f"{ending}, closed form", float(closed(until, depth)), last, rest),
        row(f"{ending}, four terms", float(series(until, depth)), last, float(remainder(until, depth)) + rest),
    ]


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(ends: dict[int, float]) -> Figure:
    title = f"u outgrows log t: |x| = {NORM:g}, p = {FREQUENCY:g}, u0 = {INITIAL:g}; marks: networks, lr = {LR:g}"
    figure, above, below = drawing.pairs(len(ends), title, width=5.0, height=5.6)
    for (depth, end), ax, apart in zip(ends.items(), above, below, strict=True):
        _depth(ax, apart, depth, end)
        ax.set_title(f"N = {depth} layers", fontsize="medium")
        drawing.finish(ax, "", "u - log t", "")
        drawing.finish(apart, drawing.TIME, drawing.APART)
    above[0].legend(fontsize="small", frameon=False, loc="lower right")
    return figure


def _depth(ax: Axes, below: Axes, depth: int, end: float) -> None:
    """u - log t: closed form, two lengths of the series, and the network; as fast as log t would be level."""
    whole = trained(depth, LR, end)
    late = whole.time >= 10.0
    t, u = whole.time[late], whole.logit[late]
    found = stepped(lambda lr: trained(depth, lr, end).logit[late], LR)
    said = (closed(t, depth), series(t, depth, 3), series(t, depth, 4))
    for k, (words, curve) in enumerate(zip(("closed form", "three terms", "four terms"), said, strict=True)):
        drawing.theory(ax, t, curve - np.log(t), k, words)
        floor = {0: found.floor, 2: remainder(t, depth) + found.floor}.get(k)
        drawing.difference(below, t, curve - u, k, floor)
    drawing.marks(ax, t[::6], (u - np.log(t))[::6], 0, label="network")
    level = float(closed(100.0, depth) - np.log(100.0))
    ax.axhline(level, color="0.5", linewidth=0.9, linestyle=(0, (4, 3)), label="as fast as log t")
    ax.set_xscale("log")
