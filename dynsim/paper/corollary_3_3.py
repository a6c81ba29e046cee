"""Corollary 3.3 (v2): how much longer the slower class takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim.checks import Floats
from dynsim.paper.claim import Line, Result, within
from dynsim.paper.setting import Experiment, crossings, experiment, judged
from dynsim.theory.prediction import predict
from dynsim.theory.slower_class import TimeRatio, time_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "corollary_3_3"
SOURCE = "Cor 3.3, A.5 (v2)"
STATEMENT = (
    "t2*/t1* = (|x1| p1)/(|x2| p2) (1 - tv/T), with tv the time class 1 would take between the two initial logits "
    "and T = t1*; equal starts give the plain ratio of the rates."
)
#: The confidence that defines t*.
LEVEL = 0.9


def reproduce(quick: bool = False) -> Result:
    """Equal and different starts: the ratio of the times to confidence .9."""
    lr = 0.02 if quick else 0.005
    lines, parameters, comparisons, shown = [], {}, [], []
    for name, initial in (("equal starts", (1e-3, 1e-3)), ("different starts", (1e-4, 3e-2))):
        made = experiment(hidden=2, lr=lr, until=40.0, initial=initial, rng=5)
        found = judged(made)
        said = ratio(made)
        predicted, plain = float(said.exact), float(said.plain)
        measured = _ratio(crossings(made.run, LEVEL))
        floor, off = _step_size(made, lr), abs(measured - predicted)
        what = f"{name}: t2*/t1* (plain ratio {plain:.4g})"
        lines.append(Line(what, predicted, measured, off, floor, within(off, floor)))
        parameters[name] = made.parameters
        comparisons.append(found)
        shown.append((name, made))
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), _figure(shown))


def ratio(made: Experiment, level: float = LEVEL) -> TimeRatio:
    """t2*/t1* with the factor of A.5, and the plain ratio."""
    target = made.run.loss_function.margin_at(np.asarray(level))
    rate = made.data.rate(1), made.data.rate(-1)
    return time_ratio(target, initial=made.parameters["initial"], rate=rate)


def _step_size(made: Experiment, lr: float) -> float:
    """What the step size may do to the ratio: the exact map at lr, lr/2, lr/4, extrapolated to lr -> 0.

    2 (r(lr) - r(lr/2)) is the effect to first order; the rest is bounded by twice the change when lr is halved
    once more. The formula that is being judged is not used.
    """
    end = made.run.time[-1]
    ratios = []
    for halved in (lr, lr / 2, lr / 4):
        exact = predict(made.network, made.data, law="gradient_descent", lr=halved)
        ratios.append(_ratio(crossings(exact.at(halved * np.arange(round(end / halved) + 1)), LEVEL)))
    first, second = 2.0 * (ratios[0] - ratios[1]), 2.0 * (ratios[1] - ratios[2])
    return abs(first) + 2.0 * abs(first - 2.0 * second)


def _ratio(times: Floats) -> float:
    return float(times[1] / times[0])


def _figure(shown: list[tuple[str, Experiment]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    levels = np.linspace(0.55, 0.99, 60)
    for ax, (name, made) in zip(figure.subplots(1, 2, sharey=True), shown, strict=True):
        initial = made.parameters["initial"]
        ax.plot(levels, [ratio(made, c).exact for c in levels], color="black", label="A.5, exact factor")
        ax.axhline(float(ratio(made).plain), color="0.6", linestyle="--", label="plain ratio of rates")
        some = levels[::4]
        ax.plot(
            some, [_ratio(crossings(made.run, c)) for c in some], "o", markerfacecolor="none", color="#0072B2",
            label="network",
        )
        ax.set_title(f"{name}: u0 = {initial[0]:g}, {initial[1]:g}", fontsize="medium")
        ax.set_xlabel("confidence that defines t*")
        ax.set_ylabel("t2* / t1*")
        ax.legend(fontsize="small", frameon=False)
    return figure
