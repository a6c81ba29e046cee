"""A.2 (v2): more than two classes, and their closed form, which is not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import orthogonal_classes
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import Experiment, judged, logit_lines, trained
from dynsim.theory import modes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "appendix_a2"
SOURCE = "A.2 (v2); the closed form is beyond the paper: docs/theory.md, section 10"
STATEMENT = (
    "Softmax of n classes: under (H4)-(H6) the classes are learnt independently; with one input a class and "
    "balanced units 2 p |x| sqrt(n/(n-1)) t = [log m + Ei(m)/(n-1)] of the margin m = f_c - f_j."
)
SETTING = (
    "Paper: any number of classes, and no experiment. Here n = 3 until t = 40 and n = 10 until t = 100 on "
    "orthogonal inputs, |x| = 1, 1.5, 2 in turn, p falling evenly to .4 of its first value with sum 1, two "
    "balanced units a class from m0 = .01, rng n; lr = .04 (--quick: .1)."
)
#: The norms of the inputs of n classes, repeated as often as needed.
NORMS = (1.0, 1.5, 2.0)
INITIAL, HIDDEN = 1e-2, 2
#: Numbers of classes, and until when they are trained.
SIZES = {3: 40.0, 10: 100.0}


class Curves(NamedTuple):
    """Margin f_c - f_j and confidence of every class's input at `time`, shape (T, n); norm and frequency, (n,)."""

    time: Floats
    margin: Floats
    confidence: Floats
    norm: Floats
    frequency: Floats


def curves(number: int = 3, time: ArrayLike | None = None) -> Curves:
    """The closed form for n = `number` classes as data; time is t = lr x step, by default 0 to 40.

    Examples
    --------
    >>> curves(3, [0.0, 40.0]).confidence.round(3)
    array([[0.336, 0.336, 0.336],
           [0.994, 0.995, 0.992]])
    """
    t = np.linspace(0.0, 40.0, 401) if time is None else checks.times("time", time)
    norm, frequency = np.resize(NORMS, number), _frequencies(number)
    m = modes.logit(t[:, None], initial=INITIAL, rate=frequency * norm, classes=number)
    return Curves(t, m, np.asarray(special.expit(m - np.log(number - 1.0))), norm, frequency)


def _frequencies(number: int) -> Floats:
    return np.linspace(1.0, 0.4, number) / (0.7 * number)


def reproduce(quick: bool = False) -> Result:
    """Three and ten classes of different frequencies, and the first class once more among others."""
    lr = 0.1 if quick else 0.04
    lines: list[Line] = []
    comparisons, parameters = [], {}
    for number, until in SIZES.items():
        made = _trained(number, lr, until, others=1.0)
        found = judged(made)
        comparisons.append(found)
        lines += logit_lines(made, found, f"{number} classes")
        lines.append(_independence(made, _trained(number, lr, until, others=3.0), f"{number} classes"))
        parameters[f"{number} classes"] = made.parameters
    figure = _figure(comparisons, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, tuple(comparisons), figure)


def _trained(number: int, lr: float, until: float, others: float) -> Experiment:
    """`others` multiplies the weights of all classes but the first."""
    weights = _frequencies(number)
    weights[1:] *= others
    data = orthogonal_classes(np.resize(NORMS, number), weights)
    network = init.class_aligned(data, HIDDEN * number, initial=INITIAL, rng=number)
    return trained(data, network, lr=lr, until=until, hidden=HIDDEN * number, initial=INITIAL, rng=number)


def _independence(made: Experiment, other: Experiment, what: str) -> Line:
    """The logits of the first class's input, when the others have three times the weight: equal to the bit."""
    own = [one.run.logits[:, 0] for one in (made, other)]
    moved = float(np.max(np.abs(own[0] - own[1])))
    words = f"{what}: change of class 0's logits when the others weigh three times as much"
    return row(words, 0.0, moved, 0.0)


def _figure(comparisons: list[Comparison], lr: float) -> Figure:
    title = f"A.2: softmax, two units a class, m0 = {INITIAL:g}, lr = {lr:g}"
    shown = {f"{number} classes": found for number, found in zip(SIZES, comparisons, strict=True)}
    # Of ten classes four, from the most frequent to the rarest.
    return drawing.compared(shown, title, ((0, 1, 2), (0, 3, 6, 9)))
