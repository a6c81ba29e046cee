"""Beyond the paper: how the logit grows in the end, which is faster than log t and not slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, explained, row
from dynsim.paper.timing import halved
from dynsim.theory import modes, shape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "asymptote"
SOURCE = "beyond the paper: docs/theory.md, section 5"
STATEMENT = (
    "In the end u = log t + a log log t + log K + ..., a = 2 - 2/N, K = N p |x|^(2/N): the logit of a network with a "
    "hidden layer outgrows log t, where the paper calls its growth slower than log t."
)
SETTING = (
    "Paper: \"slower than log t\", from bound (19), which grows like 2 log t. Here: one input a class of norm 1, "
    "p = 1/2 each, N = 2 and 4, u0 = .1, up to t = 10,000 (--quick: 3,000); lr = .5, extrapolated to lr -> 0."
)
DEPTHS, INITIAL, RATE, LR = (2, 4), 0.1, 0.5, 0.5
#: The growth is read off between the end and a tenth of it.
SPAN = 10.0
_WHY = "growth per unit of log t is 1 + a/log t + ..., above 1 for ever; bound (19) shows 2 log t only"


class Seen(NamedTuple):
    """Steps looked at as times, and the logit there, both (T,)."""

    time: Floats
    logit: Floats


def reproduce(quick: bool = False) -> Result:
    """The growth over the last decade of time, and the series itself, for two depths."""
    until = 3_000.0 if quick else 10_000.0
    lines: list[Line] = []
    for depth in DEPTHS:
        lines += _lines(depth, until)
    parameters = {
        "norm": 1.0, "frequency": RATE, "initial": INITIAL, "depths": list(DEPTHS), "lr": LR, "until": until, "rng": 0,
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(until))


def trained(depth: int, lr: float, until: float) -> Seen:
    """The logit of one network at about 200 steps, evenly over log t, a tenth of the end among them."""
    data = point_classes((1.0, 1.0), (RATE, RATE))
    network = init.class_aligned(data, 2, initial=INITIAL, depth=depth, rng=0)
    last = round(until / lr)
    steps = np.unique(np.append(np.geomspace(1, last, 200).round().astype(int), [round(last / SPAN), last]))
    run = train(network, data, lr=lr, steps=last, record=steps.tolist())
    return Seen(run.time, run.margin[:, 0])


def closed(time: Floats, depth: int) -> Floats:
    """The logit of the flow."""
    return modes.logit(time, initial=INITIAL, rate=RATE, depth=depth)


def remainder(time: float, depth: int) -> float:
    """What may be left of u after four terms of the series: the next one, y2/log^2 t, and as much for all others."""
    a, log = 2.0 - 2.0 / depth, np.log(time)
    # K = N p |x|^(2/N) with |x| = 1.
    X = a * np.log(log) + np.log(depth * RATE)
    return float(2.0 * abs(a * (a * (X - 1.0) - X * X / 2.0 + X - a / 2.0 - 1.0)) / log**2)


def _lines(depth: int, until: float) -> list[Line]:
    def measure(lr: float) -> tuple[Floats, Floats]:
        seen = trained(depth, lr, until)
        early = seen.logit[np.searchsorted(seen.time, until / SPAN - lr / 2.0)]
        return np.array([(seen.logit[-1] - early) / np.log(SPAN), seen.logit[-1]]), np.zeros(2)

    effect = halved(measure, LR)
    growth, last = measure(LR)[0] - effect.shift
    ends = closed(np.array([until / SPAN, until]), depth)
    series = float(shape.asymptote(until, rate=RATE, depth=depth, terms=4))
    words = f"N = {depth}: growth of u by log t, t = {until / SPAN:g} to {until:g}, networks as lr -> 0"
    ends_words = f"N = {depth}: u at t = {until:g}, four terms of the series, networks as lr -> 0"
    return [
        explained(words, 1.0, float(np.diff(ends)[0] / np.log(SPAN)), float(growth), float(effect.rest[0]), _WHY),
        row(ends_words, series, float(last), remainder(until, depth) + float(effect.rest[1])),
    ]


def _figure(until: float) -> Figure:
    title = f"Beyond the paper: u outgrows log t; lines: theory, marks: networks, lr = {LR:g}"
    figure, above, below = drawing.pairs(len(DEPTHS), title)
    for depth, upper, lower in zip(DEPTHS, above, below, strict=True):
        seen = trained(depth, LR, until)
        late = seen.time > 20.0
        t, u = seen.time[late], seen.logit[late]
        drawing.theory(upper, t, closed(t, depth) - np.log(t), 0, "closed form")
        series = {terms: shape.asymptote(t, rate=RATE, depth=depth, terms=terms) for terms in (3, 4)}
        for k, (terms, said) in enumerate(series.items(), 1):
            drawing.theory(upper, t, said - np.log(t), k, f"{terms} terms of the series")
        rows = np.arange(0, len(t), 8)
        drawing.marks(upper, t[rows], (u - np.log(t))[rows], 0, label="network")
        for k, said in enumerate((closed(t, depth), *series.values())):
            drawing.difference(lower, t, said - u, k)
        upper.set_xscale("log")
        upper.set_title(f"N = {depth}", fontsize="medium")
        drawing.finish(upper, "", "u - log t", " " if depth == DEPTHS[0] else "")
        drawing.finish(lower, drawing.TIME, "|theory - network|")
    return figure
