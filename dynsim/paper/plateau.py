"""Beyond the paper: with imbalance the plateau gets shorter, and at C* = .5852 it vanishes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.inflection import bends_apart, measured
from dynsim.paper.setting import Experiment, experiment
from dynsim.paper.timing import halved, maps
from dynsim.theory import shape
from dynsim.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "plateau"
SOURCE = "docs/theory.md, section 5"
STATEMENT = (
    "The confidence of a start near 0 has a convex stretch, the plateau, if and only if C < C* = .5852, whatever "
    "the rate; it ends at the larger positive root of u/(u^2 + C^2) + 1 = 3 sigma(u)."
)
SETTING = (
    "Not in the paper, which has C = 0 here. Two antipodal inputs of norm 1 with p = .5, one unit a class from "
    "u0 = .001 with C = .2, .45, .56 and .61, rng 4; full-batch gradient descent, lr = .01 (--quick: .02) and "
    "half and a quarter of it, until t = 12."
)
IMBALANCES = (0.2, 0.45, 0.56, 0.61)
INITIAL = 1e-3
_RATE = 0.5


class Turns(NamedTuple):
    """Confidences at which the convex stretch begins and ends, (2,); NaN where there is none."""

    begin: float
    end: float


def turns(imbalance: float) -> Turns:
    """What the theory says of a start near 0.

    Examples
    --------
    >>> [round(P, 4) for P in turns(0.45)], turns(0.61)
    ([0.5328, 0.6693], Turns(begin=nan, end=nan))
    """
    found = shape.inflections(imbalance).confidence
    return Turns(float(found[1]), float(found[2]))


def reproduce(quick: bool = False) -> Result:
    """Three networks below C* and one above."""
    lr = 0.02 if quick else 0.01
    lines: list[Line] = []
    made = [_trained(C, lr) for C in IMBALANCES]
    for C, each in zip(IMBALANCES, made, strict=True):
        expected = float(C < shape.CRITICAL_IMBALANCE)
        lines.append(row(f"C = {C:g}: convex stretches of P(t)", expected, _stretches(each), 0.0))
        if expected:
            lines.append(_end(C, lr))
    parameters = {f"C = {C:g}": each.parameters for C, each in zip(IMBALANCES, made, strict=True)}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(made, lr))


def _trained(imbalance: float, lr: float) -> Experiment:
    return experiment(
        hidden=2,
        lr=lr,
        until=12.0,
        norms=(1.0, 1.0),
        frequencies=(_RATE, _RATE),
        initial=INITIAL,
        imbalance=imbalance,
        rng=4,
    )


def _bends(made: Experiment) -> Floats:
    """P'' of class +1 from second differences at every step."""
    return np.asarray(np.diff(made.run.confidence[:, 0], 2) / float(made.run.lr) ** 2)


def _stretches(made: Experiment) -> float:
    """How often the second difference of P becomes positive."""
    convex = _bends(made) > 0.0
    return float(np.sum(convex[1:] & ~convex[:-1]) + convex[0])


def _end(imbalance: float, lr: float) -> Line:
    """Where the stretch ends, from networks trained with lr, lr/2 and lr/4."""

    def read(step: float) -> tuple[Floats, Floats]:
        found = measured(_trained(imbalance, step).run)
        return found.confidence[:1], found.chord[:1] + found.rounding[:1]

    effect, seen = halved(read, lr), float(read(lr)[0][0])
    limit = seen - float(effect.shift[0])
    what = f"C = {imbalance:g}: P where it ends, networks extrapolated to lr -> 0"
    return row(what, turns(imbalance).end, limit, float(effect.rest[0]))


def curvature(P: Floats, imbalance: float) -> Floats:
    """P''/kappa^2 at a confidence: d/du of R g^2 P, times 4 R g for (4.2) of docs/theory.md, R^2 = u^2 + C^2."""
    u = special.logit(P)
    square = u * u + imbalance**2
    return np.asarray(4.0 * square * (u / square + 1.0 - 3.0 * P) * P * (1.0 - P) ** 3)


def _turn(made: Experiment, path: Callable[[float], Trajectory], rising: bool) -> tuple[float, float]:
    """Where the last stretch of a network begins (rising) or ends, and how much the step size may have moved it."""

    def read(step: float) -> tuple[Floats, Floats]:
        found = measured(path(step), rising=rising)
        return found.confidence[:1], found.chord[:1] + found.rounding[:1]

    effect = halved(read, float(made.run.lr))
    seen = measured(made.run, rising=rising)
    return float(seen.confidence[0]), float(np.abs(effect.shift[0]) + effect.rest[0])


def _figure(made: list[Experiment], lr: float) -> Figure:
    title = f"Beyond the paper: the plateau vanishes at C* = {shape.CRITICAL_IMBALANCE:.4f} (u0 = {INITIAL:g})"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.0)
    paths = [maps(each) for each in made]
    for k, (C, each) in enumerate(zip(IMBALANCES, made, strict=True)):
        P = each.run.confidence[1:-1, 0]
        drawing.theory(left, P, curvature(P, C), k, f"C = {C:g}")
        drawing.network(left, P, _bends(each) / _RATE**2, k)
        bends_apart(below[0], each, paths[k], functools.partial(curvature, imbalance=C), k)
    left.axhline(0.0, color="0.6", linewidth=0.8)
    # Room for the legend above the highest of the curves.
    left.set_ylim(top=1.6 * left.get_ylim()[1])
    _turns_panel(right, below[1], made, paths)
    drawing.finish(left, "", "P'' / kappa^2", f"lines: theory, marks: networks, lr = {lr:g}")
    drawing.finish(below[0], "confidence P", drawing.APART)
    return figure


def _turns_panel(ax: Axes, below: Axes, made: list[Experiment], paths: list[Callable[[float], Trajectory]]) -> None:
    """Where the plateau begins and ends for every imbalance, and for the networks that have one."""
    levels = [C for C in IMBALANCES if C < shape.CRITICAL_IMBALANCE]
    some = [one for one in zip(IMBALANCES, made, paths, strict=True) if one[0] in levels]
    C = np.linspace(1e-3, shape.CRITICAL_IMBALANCE, 400)
    roots = shape.inflections(C).confidence
    ax.fill_between(C, roots[:, 1], roots[:, 2], color="0.9")
    for k, name in enumerate(("end", "begin")):
        drawing.theory(ax, C, roots[:, 2 - k], k, f"the plateau {name}s")
        seen = np.array([_turn(*one[1:], rising=k == 1) for one in some])
        drawing.marks(ax, levels, seen[:, 0], k)
        said = np.array([getattr(turns(level), name) for level in levels])
        drawing.difference(below, levels, said - seen[:, 0], k, seen[:, 1])
    ax.axvline(shape.CRITICAL_IMBALANCE, color="black", linestyle=":", linewidth=1.0, label="C*")
    drawing.finish(ax, "", "confidence P at the inflections", "marks: networks")
    drawing.finish(below, "imbalance C", "|theory - network|")
