"""Lemma 3.1 (v2): the classes are learnt independently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import gaussian_classes
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical import networks
from dynsim.losses import get
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "lemma_3_1"
SOURCE = "Lemma 3.1, A.1 (v2)"
STATEMENT = (
    "Under (H1)-(H3) activation patterns and signs never change, and a step on one class leaves the other "
    "class's active parameters as they are, whatever the step size and the batch."
)
SETTING = (
    "Paper: any data with (H1)-(H3), any step size and batch, and no experiment. Here 30 points a class, "
    "Gaussian in 5 dimensions (standard deviation .05, means 2 apart), 20 units from u0 = .01, cross-entropy, lr "
    "= .01, .5 and 5, 1,000 steps (--quick: 100) on batches of 8 points of one class, in ten blocks that "
    "alternate; rng 1, 2, 3."
)
_LR = (0.01, 0.5, 5.0)
POINTS, DIMENSION, SPREAD, HIDDEN, BATCH = 30, 5, 0.05, 20, 8


class Path(NamedTuple):
    """Margins of the class means before each step and after the last, shape (T + 1, 2); what the steps did, (T, 2).

    moved: the largest change of a parameter of a class's units; own: whether the step was on that class.
    flipped: how many gates and signs differed from those at the start, of all steps together.
    """

    margin: Floats
    moved: Floats
    own: NDArray[np.bool_]
    flipped: float


def reproduce(quick: bool = False) -> Result:
    """Random batches of one class at three step sizes: nothing of the other class moves by a single bit."""
    data = gaussian_classes(POINTS, dimension=DIMENSION, separation=2.0, spread=SPREAD, rng=1)
    steps = 100 if quick else 1000
    lines, paths = [], {}
    for lr in _LR:
        path = paths[lr] = one_class_at_a_time(data, lr, steps)
        moved = float(np.max(path.moved[~path.own]))
        found = ("largest change of the other class's units", moved), ("gates and signs that changed", path.flipped)
        for what, count in found:
            lines.append(Line(f"lr {lr:g}: {what}", 0.0, count, count, 0.0, within(count, 0.0)))
    parameters = {
        "points": 2 * POINTS, "dimension": DIMENSION, "spread": SPREAD, "hidden": HIDDEN, "steps": steps,
        "batch_size": BATCH, "lr": list(_LR), "rng": [1, 2, 3],
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, figure=_figure(paths, data))


def one_class_at_a_time(data: Dataset, lr: float, steps: int) -> Path:
    """Steps on random batches, in ten blocks that alternate between the classes."""
    rng = np.random.default_rng(2)
    network = init.class_aligned(data, HIDDEN, initial=1e-2, rng=3)
    W, Z = (np.array(w) for w in network.weights)
    start, served = _pattern(W, Z, data), np.sign(Z)
    means = np.stack([data.mean(label) for label in LABELS])
    margin, moved, own = np.empty((steps + 1, 2)), np.empty((steps, 2)), np.empty((steps, 2), dtype=bool)
    flipped = 0
    for k in range(steps):
        margin[k] = np.array(LABELS) * networks.forward((W, Z), means)[0]
        label = LABELS[(10 * k // steps) % 2]
        before = np.column_stack([W, Z])
        W, Z = _step(W, Z, data, rng.choice(np.flatnonzero(data.mask(label)), BATCH), lr)
        change = np.abs(np.column_stack([W, Z]) - before)
        moved[k] = [np.max(change[served == other]) for other in LABELS]
        own[k] = [label == other for other in LABELS]
        flipped += int(np.sum(_pattern(W, Z, data) != start))
    margin[steps] = np.array(LABELS) * networks.forward((W, Z), means)[0]
    return Path(margin, moved, own, float(flipped))


def _step(W: Floats, Z: Floats, data: Dataset, batch: NDArray[np.int64], lr: float) -> tuple[Floats, Floats]:
    X, y = data.X[batch], data.y[batch]
    logits, cache = networks.forward((W, Z), X)
    dW, dZ = networks.backward((W, Z), cache, y * get("cross_entropy").pull(y * logits) / len(batch))
    return W + lr * dW, Z + lr * dZ


def _pattern(W: Floats, Z: Floats, data: Dataset) -> NDArray[np.bool_]:
    """Gates of every unit at every point, and the sign of every output weight."""
    return np.concatenate([(W @ data.X.T > 0).ravel(), Z > 0])


def _figure(paths: dict[float, Path], data: Dataset) -> Figure:
    title = "Lemma 3.1: steps on one class, then on the other; each margin moves in its own blocks only"
    figure, above, below = drawing.pairs(len(paths), title, width=3.6, height=5.4)
    for ax, apart, (lr, path) in zip(above, below, paths.items(), strict=True):
        time = np.asarray(lr * np.arange(len(path.margin)), dtype=np.float64)
        for k, label in enumerate(LABELS):
            drawing.theory(ax, time, path.margin[:, k], k, f"class {data.class_name(label)}")
            # 0, to the bit, in the blocks of the other class: nothing is drawn there.
            drawing.difference(apart, time[1:], path.moved[:, k], k)
        ax.set_title(f"lr = {lr:g}", fontsize="medium")
        drawing.finish(ax, "", "margin of the class mean", "network")
        words = "largest change of its\nunits (gaps: exactly 0)" if apart is below[0] else "largest change"
        drawing.finish(apart, drawing.TIME, words)
    return figure
