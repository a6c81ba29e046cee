"""A.7 (v2): a class of mutually orthogonal points."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.data import orthogonal_class
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, within
from dynsim.paper.setting import Experiment, judged, logit_lines, trained
from dynsim.theory import modes, orthogonal

NAME = "appendix_a7"
SOURCE = "A.7 (v2)"
STATEMENT = (
    "A class of m orthogonal points of norm |x|, all with the margin u, in the sum over points: "
    "du/dt = 2 sqrt(m) |x| u g(u), and m y^2 - |x|^2 z^2 is conserved."
)
SETTING = (
    "Paper: any number of orthogonal points of equal norm, and no experiment. Here m = 2 in class +1 and m = 5 "
    "in class -1, |x| = 1, weight 1 a point, three units a class from u0 = .001 with C = 0 and C = .2, rng 7; lr "
    "= .02 (--quick: .05), until t = 30."
)
POINTS, NORM, INITIAL, END = (2, 5), 1.0, 1e-3, 30.0
#: The second network is not balanced: of a balanced one the conserved number is 0.
IMBALANCE = 0.2


class Curves(NamedTuple):
    """The margin of all points of a class at `time`, for m = 2 and m = 5 points, shape (T, 2)."""

    time: Floats
    logit: Floats
    confidence: Floats


def curves(time: ArrayLike | None = None, *, imbalance: float = 0.0) -> Curves:
    """The classes of 2 and of 5 orthogonal points as data; time is t = lr x step, by default 0 to 30.

    Examples
    --------
    >>> curves([5.0, 30.0]).logit.round(3)
    array([[0.746, 2.703],
           [5.733, 6.412]])
    """
    t = np.linspace(0.0, END, 301) if time is None else checks.times("time", time)
    rate = orthogonal.one_input(POINTS, norm=NORM).rate
    u = modes.logit(t[:, None], initial=INITIAL, rate=rate, imbalance=imbalance)
    return Curves(t, u, np.asarray(special.expit(u)))


def reproduce(quick: bool = False) -> Result:
    """Two points in one class and five in the other, balanced and not; and what m y^2 - |x|^2 z^2 does."""
    lr = 0.05 if quick else 0.02
    data = orthogonal_class(POINTS, NORM)
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for imbalance in (0.0, IMBALANCE):
        start: dict[str, Any] = {"hidden": 6, "initial": INITIAL, "imbalance": imbalance, "rng": 7}
        made = trained(data, init.class_aligned(data, **start), lr=lr, until=END, **start)
        found = judged(made)
        comparisons.append(found)
        sizes = "m = 2 (+1) and 5 (-1)"
        lines += logit_lines(made, found, f"{sizes}, C = {imbalance:g}")
        parameters[f"imbalance {imbalance:g}"] = made.parameters
    lines += _invariants(made)
    shown = {f"C = {C:g}": found for C, found in zip((0.0, IMBALANCE), comparisons, strict=True)}
    figure = drawing.compared(shown, f"A.7: {sizes} orthogonal points, |x| = {NORM:g}, lr = {lr:g}")
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _invariants(made: Experiment) -> list[Line]:
    """m y^2 - |x|^2 z^2 of a unit: the flow keeps it, a step multiplies it by 1 - e^2 (docs/theory.md, eq 6.3)."""
    lr, last = float(made.run.lr), made.run.network
    assert last is not None
    lines = []
    for label in made.data.labels:
        rows = np.flatnonzero(made.data.mask(label))
        m, own = len(rows), made.network.Z * label > 0
        x = made.data.X[rows[0]]
        first, final = (m * (n.W[own] @ x) ** 2 - NORM**2 * n.Z[own] ** 2 for n in (made.network, last))
        pull = made.run.loss_function.pull(made.run.margin[:-1, rows[0]])
        predicted = first * np.prod(1.0 - (lr * np.sqrt(m) * NORM * pull) ** 2)
        # A rounding a step of each of the two squares.
        sizes = m * (last.W[own] @ x) ** 2 + NORM**2 * last.Z[own] ** 2
        floor = 4.0 * float(np.finfo(np.float64).eps) * len(pull) * float(np.max(sizes))
        off = float(np.max(np.abs(final - predicted)))
        what = f"m = {m}: m y^2 - |x|^2 z^2 of its first unit (at first {first[0]:.6g})"
        lines.append(Line(what, float(predicted[0]), float(final[0]), off, floor, within(off, floor)))
    return lines
