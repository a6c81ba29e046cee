"""When a margin reaches a level: by the flow, on a network, and what the step size does to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.paper.claim import Line, within
from dynsim.paper.setting import Experiment
from dynsim.theory.prediction import predict
from dynsim.trajectory import Trajectory, first_crossing


class Effect(NamedTuple):
    """What the step size does to a measured number: known in sign, and what is left open."""

    shift: Floats
    rest: Floats


def halved(measure: Callable[[float], tuple[Floats, Floats]], lr: float) -> Effect:
    """The effect of a step size lr on a number, from measurements at lr, lr/2 and lr/4, extrapolated to 0.

    `measure(lr)` gives the number and a bound on the error of reading it off a chord between two steps. That error
    goes with lr^2 times a factor that depends on where between two steps the number lies, so that
    halving lr does not show it: it enters with the weights 1, 6 and 8 (over 3) of the three measurements.
    What the extrapolation leaves open, of third order, is bounded by twice its last change, of second order.
    """
    values, chords = zip(*(measure(lr / 2**j) for j in range(3)), strict=True)
    linear = [2.0 * fine - coarse for coarse, fine in pairwise(values)]
    limit = (4.0 * linear[1] - linear[0]) / 3.0
    reading = (chords[0] + 6.0 * chords[1] + 8.0 * chords[2]) / 3.0
    return Effect(values[0] - limit, 2.0 * np.abs(linear[1] - linear[0]) + reading)


def map_of(made: Experiment, lr: float) -> Trajectory:
    """Every step that the exact map takes from the experiment's start with another step size."""
    exact = predict(made.network, made.data, loss=made.run.loss_name, law="gradient_descent", lr=lr)
    return exact.at(lr * np.arange(round(made.run.time[-1] / lr) + 1))


def maps(made: Experiment) -> Callable[[float], Trajectory]:
    """`map_of` for the experiment that does each step size once."""
    return functools.cache(functools.partial(map_of, made))


def delay(made: Experiment, level: float) -> Effect:
    """What the step size does to the times at which the points reach a margin, shape (n,).

    From the exact map alone: the formula that is being judged is not used.
    """
    return delays(made, (level,))[0]


def delays(made: Experiment, levels: Sequence[float]) -> list[Effect]:
    """The same for several margins, from the same three paths."""
    paths = maps(made)
    return [halved(functools.partial(_read, paths, level), float(made.run.lr)) for level in levels]


def _read(paths: Callable[[float], Trajectory], level: float, lr: float) -> tuple[Floats, Floats]:
    path = paths(lr)
    return first_crossing(path.time, path.margin, level), chord(path, level)


class Steps(NamedTuple):
    """y = w.x and z of the first unit of class +1 after every step of the exact map, shape (T,)."""

    y: Floats
    z: Floats


def unit_of(made: Experiment, lr: float) -> Steps:
    """The first unit by the exact map with another step size, for one input a class.

    A step multiplies a + z by 1 + e and a - z by 1 - e, with a = w.x/|x| (docs/theory.md, eq 6.1).
    """
    point = int(np.flatnonzero(made.data.mask(1))[0])
    u = map_of(made, lr).margin[:-1, point]
    e = lr * made.data.rate(1) * made.run.loss_function.pull(u)
    x = made.data.mean(1)
    norm, z = float(np.linalg.norm(x)), float(made.network.Z[0])
    a = float(made.network.W[0] @ x) / norm
    s, d = (a + z) * np.cumprod(np.append(1.0, 1.0 + e)), (a - z) * np.cumprod(np.append(1.0, 1.0 - e))
    return Steps(0.5 * norm * (s + d), 0.5 * (s - d))


def chord(path: Trajectory, level: float) -> Floats:
    """How far the time read off a chord between two steps may be off, shape (n,).

    lr u''/(8 u') in differences: lr |second difference| / (8 first difference), at the steps before the
    crossing and doubled for what the curvature may change in between.
    """
    margin = path.margin
    after = np.maximum(np.argmax(margin >= level, axis=0), 2)
    u = [np.take_along_axis(margin, (after - back)[None], axis=0)[0] for back in range(3)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((path.time[1] - path.time[0]) * np.abs(u[0] - 2.0 * u[1] + u[2]) / (4.0 * (u[0] - u[1])))


def time_lines(made: Experiment, confidences: tuple[float, ...], what: str, classes: tuple[int, ...]) -> list[Line]:
    """A line a confidence and class: when the flow gets there, and when the network does."""
    lines, levels = [], made.run.loss_function.margin_at(np.asarray(confidences)).tolist()
    for confidence, level, effect in zip(confidences, levels, delays(made, levels), strict=True):
        predicted = made.theory.time_to(confidence)
        measured = first_crossing(made.run.time, made.run.margin, level)
        for label in classes:
            point = int(np.flatnonzero(made.data.mask(label))[0])
            words = f"{what}, class {made.data.class_name(label)}: t at {_level(made, confidence)}"
            lines.append(line(words, *(float(a[point]) for a in (predicted, measured, *effect))))
    return lines


def line(what: str, predicted: float, measured: float, shift: float, rest: float) -> Line:
    """A row judged with the effect of the step size taken away, which only widens the floor that is shown."""
    unexplained = abs(measured - predicted - shift)
    return Line(what, predicted, measured, abs(measured - predicted), abs(shift) + rest, within(unexplained, rest))


def _level(made: Experiment, confidence: float) -> str:
    kind = "margin" if made.run.loss_name in ("hinge", "squared") else "confidence"
    return f"{kind} {confidence:g}"
