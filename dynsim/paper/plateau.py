"""Beyond the paper: with imbalance the plateau gets shorter, and at C* = .5852 it vanishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from dynsim.checks import Floats
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.inflection import measured
from dynsim.paper.setting import Experiment, experiment
from dynsim.paper.timing import halved
from dynsim.theory import shape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "plateau"
SOURCE = "beyond the paper: docs/theory.md, section 5"
STATEMENT = (
    "The confidence of a start near 0 has a convex stretch, the plateau, if and only if C < C* = .5852, whatever "
    "the rate; it ends at the larger positive root of u/(u^2 + C^2) + 1 = 3 sigma(u)."
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


def _figure(made: list[Experiment], lr: float) -> Figure:
    title = f"Beyond the paper: the plateau vanishes at C* = {shape.CRITICAL_IMBALANCE:.4f} (u0 = {INITIAL:g})"
    figure, (left, right) = drawing.panels(2, title)
    for k, (C, each) in enumerate(zip(IMBALANCES, made, strict=True)):
        P = each.run.confidence[1:-1, 0]
        u = special.logit(P)
        said = np.hypot(u, C) * (u / (u * u + C * C) + 1.0 - 3.0 * P) * np.hypot(u, C) * P * (1.0 - P) ** 3
        drawing.theory(left, P, 4.0 * said, k, f"C = {C:g}")
        drawing.network(left, P, _bends(each) / _RATE**2, k)
    left.axhline(0.0, color="0.6", linewidth=0.8)
    below = np.linspace(1e-3, shape.CRITICAL_IMBALANCE, 400)
    roots = shape.inflections(below).confidence
    right.fill_betweenx(below, roots[:, 1], roots[:, 2], color="0.85", label="convex: the plateau")
    for k, (level, each) in enumerate(zip(IMBALANCES, made, strict=True)):
        P, bends = each.run.confidence[1:-1, 0], _bends(each)
        turned = np.flatnonzero(np.diff(bends > 0.0))
        drawing.marks(right, P[turned], np.full(len(turned), level), k)
    right.axhline(shape.CRITICAL_IMBALANCE, color="black", linewidth=0.8, linestyle="--", label="C*")
    drawing.finish(left, "confidence P", "P'' / kappa^2", f"lines: theory, dots: networks, lr = {lr:g}")
    drawing.finish(right, "confidence at the inflections", "imbalance C", "marks: networks")
    return figure
