"""Beyond the paper: the exact law of SGD with batches of one point."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from dynsim import init
from dynsim.checks import Floats
from dynsim.comparison import Comparison, compare
from dynsim.coverage import Coverage
from dynsim.data import point_classes
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import FREQUENCIES, NORMS
from dynsim.plotting import SERIES
from dynsim.theory.prediction import Prediction, predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "sgd_law"
SOURCE = "docs/theory.md, section 12"
STATEMENT = (
    "Batches of one point, one input a class: after n steps a class has been drawn K ~ Binomial(n, p/sum p) times "
    "and its logit is the exact map's after K steps, so that mean and bands of the logit are known exactly."
)
SETTING = (
    "Not in the paper. Two antipodal inputs, |x| = 1 and 2, p = .7 and .3, four units a class from u0 = .05 with "
    "C = .1, rng 0; 2,000 networks from this start, each with its own batches of one point, rng 1; lr = .02 "
    "(--quick: .05), until t = 40 (20)."
)
RUNS, HIDDEN, INITIAL, IMBALANCE = 2000, 8, 0.05, 0.1


class Bands(NamedTuple):
    """Margin u of both classes at `time` under the exact law: mean, median and band of 90 %, all (T, 2)."""

    time: Floats
    mean: Floats
    median: Floats
    lower: Floats
    upper: Floats


def bands(lr: float = 0.02, steps: int = 2000, every: int = 10) -> Bands:
    """The exact law after 0, `every`, 2 `every`, ... steps as data; time = lr x step.

    Examples
    --------
    >>> bands(0.05, 400, 200).median.round(2)
    array([[0.05, 0.05],
           [2.8 , 2.44],
           [4.18, 3.91]])
    """
    return _bands(predict(*_start(), lr=lr, batch_size=1), np.arange(0.0, steps + 1.0, every))


def _bands(theory: Prediction, steps: Floats) -> Bands:
    assert theory.lr is not None
    said, labels = theory.at(theory.lr * steps), np.array(LABELS)
    assert said.lower is not None and said.upper is not None
    # Class -1 is the mirror image, so that the ends of its band change places.
    ends = labels * said.lower, labels * said.upper
    return Bands(said.time, labels * said.mean, labels * said.logits, np.minimum(*ends), np.maximum(*ends))


def _start() -> tuple[Network, Dataset]:
    data = point_classes(NORMS, FREQUENCIES)
    return init.class_aligned(data, HIDDEN, initial=INITIAL, imbalance=IMBALANCE, rng=0), data


def reproduce(quick: bool = False) -> Result:
    """2,000 networks from one start, each with its own batches, against bands of 50, 90 and 99 %."""
    lr, steps = (0.05, 400) if quick else (0.02, 2000)
    network, data = _start()
    many = Network([np.broadcast_to(w, (RUNS, *w.shape)) for w in network.weights])
    run = train(many, data, lr=lr, steps=steps, batch_size=1, rng=1, record=20)
    theory = predict(network, data, lr=lr, batch_size=1)
    found = compare(theory, run)
    parameters = {
        "norms": list(NORMS), "frequencies": list(FREQUENCIES), "hidden": HIDDEN, "initial": INITIAL,
        "imbalance": IMBALANCE, "lr": lr, "steps": steps, "batch_size": 1, "runs": RUNS, "rng": [0, 1],
    }  # fmt: skip
    lines = [] if found.coverage is None else _lines(found, found.coverage, lr)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (found,), _figure(theory, found, lr, steps))


def _lines(found: Comparison, counts: Coverage, lr: float) -> list[Line]:
    """For each band and class the recorded time at which the share of runs inside is strangest."""
    lines = []
    for c, label in enumerate(LABELS):
        for j, level in enumerate(counts.levels.tolist()):
            p = np.where(np.isnan(counts.p_inside[:, c, j]), np.inf, counts.p_inside[:, c, j])
            t = int(np.argmin(p))
            share, content = float(counts.inside[t, c, j]) / counts.runs, float(counts.content[t, c, j])
            spread = float(np.sqrt(content * (1.0 - content) / counts.runs))
            when = f"share of runs inside at t = {lr * counts.steps[t]:g}"
            what = f"class {label:+d}, band of {100 * level:g} %: {when}"
            verdict = found.by_class[list(found.groups)[c]][0]
            lines.append(Line(what, content, share, abs(share - content), _deviations(counts) * spread, verdict))
    lines.append(row("margins that are none of the law's values", 0.0, float(counts.strays), 0.0))
    return lines


def _deviations(counts: Coverage) -> float:
    """How many standard deviations the threshold of the binomial tests amounts to."""
    return float(-special.ndtri(0.5 * counts.threshold))


def _figure(theory: Prediction, found: Comparison, lr: float, steps: int) -> Figure:
    setting = f"|x| = {NORMS[0]:g}, {NORMS[1]:g}, p = {FREQUENCIES[0]:g}, {FREQUENCIES[1]:g}, lr = {lr:g}"
    title = f"SGD, batches of one point: the exact law and {RUNS} networks, {setting}"
    figure, (left, right), below = drawing.pairs(2, title, width=4.8, height=6.0)
    said = _bands(theory, np.arange(0.0, steps + 1.0, max(1, steps // 400)))
    run = found.empirical
    for k, label in enumerate(LABELS):
        band = said.lower[:, k], said.upper[:, k]
        left.fill_between(said.time, *band, color=SERIES[k], alpha=0.2, linewidth=0)
        drawing.theory(left, said.time, said.median[:, k], k, f"class {label:+d}: median, band of 90 %")
        for member in range(3):
            drawing.network(left, run.time, run.margin[:, member, k], k)
    drawing.finish(left, "", "logit u; marks: three networks", "exact law")
    if found.coverage is not None:
        _means_panel(below[0], theory, found, found.coverage)
        _coverage_panel(right, below[1], found.coverage, lr)
    return figure


def _means_panel(ax: Axes, theory: Prediction, found: Comparison, counts: Coverage) -> None:
    """How far the mean of all networks is from the law's, and so many standard errors of it as are allowed."""
    run = found.empirical
    said = _bands(theory, np.rint(run.time / float(run.lr)))
    for k in range(len(LABELS)):
        own = run.margin[1:, :, k]
        error = own.std(axis=1, ddof=1) / np.sqrt(RUNS)
        drawing.difference(ax, run.time[1:], said.mean[1:, k] - own.mean(axis=1), k, _deviations(counts) * error)
    drawing.finish(ax, drawing.TIME, "|mean of the law -\nmean of networks|\n(dotted: floor)")


def _coverage_panel(ax: Axes, below: Axes, counts: Coverage, lr: float) -> None:
    """The share of runs inside each band of both classes, and its exact probability +- two standard deviations.

    Below, for class +1, the difference, and so many standard deviations as the binomial tests allow.
    """
    time: Floats = np.asarray(lr * counts.steps, dtype=np.float64)
    for j, level in enumerate(counts.levels.tolist()):
        for c, label in enumerate(LABELS):
            content = counts.content[:, c, j]
            spread = np.sqrt(content * (1.0 - content) / counts.runs)
            ends = content - 2.0 * spread, content + 2.0 * spread
            ax.fill_between(time, *ends, color=SERIES[j], linewidth=0, alpha=0.15)
            words = f"band of {100 * level:g} %" if c == 0 else None
            drawing.theory(ax, time, content, j, words)
            share = counts.inside[:, c, j] / counts.runs
            drawing.marks(ax, time, share, j, filled=label > 0)
            if c == 0:
                drawing.difference(below, time, content - share, j, _deviations(counts) * spread)
    ax.set_xscale("log")
    drawing.finish(ax, "", "share of runs inside (class +1 filled)", "exact probability")
    drawing.finish(below, drawing.TIME, "|theory - networks|,\nclass +1")
