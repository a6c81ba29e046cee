"""Lemma 3.1 (v2): the classes are learnt independently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dynsim import init
from dynsim.checks import Floats
from dynsim.data import gaussian_classes
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical import networks
from dynsim.losses import get
from dynsim.paper.claim import Line, Result, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "lemma_3_1"
SOURCE = "Lemma 3.1, A.1 (v2)"
STATEMENT = (
    "Under (H1)-(H3) activation patterns and signs never change, and a step on one class leaves the other "
    "class's active parameters as they are, whatever the step size and the batch."
)
_LR = (0.01, 0.5, 5.0)


def reproduce(quick: bool = False) -> Result:
    """Random batches of one class at three step sizes: nothing of the other class moves by a single bit."""
    data = gaussian_classes(30, dimension=5, separation=2.0, spread=0.05, rng=1)
    steps = 100 if quick else 1000
    lines, curves = [], {}
    for lr in _LR:
        moved, flipped, path = _train_one_class_at_a_time(data, lr, steps)
        curves[lr] = path
        found = ("largest change of the other class's units", moved), ("gates and signs that changed", flipped)
        for what, count in found:
            lines.append(Line(f"lr {lr:g}: {what}", 0.0, count, count, 0.0, within(count, 0.0)))
    parameters = {"points": 60, "dimension": 5, "spread": 0.05, "hidden": 20, "steps": steps, "lr": list(_LR)}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, figure=_figure(curves, data))


def _train_one_class_at_a_time(data: Dataset, lr: float, steps: int) -> tuple[float, float, Floats]:
    """Steps on random batches, alternating in blocks between the classes.

    Returns the largest change that a step on one class made to the units of the other, the number of gates and
    signs that ever differ from those at the start, and the margins of the two class means over the steps.
    """
    rng = np.random.default_rng(2)
    network = init.class_aligned(data, 20, initial=1e-2, rng=3)
    W, Z = (np.array(w) for w in network.weights)
    start = _pattern(W, Z, data)
    means = np.stack([data.mean(label) for label in LABELS])
    moved, flipped, path = 0.0, 0, np.empty((steps + 1, 2))
    for k in range(steps + 1):
        path[k] = np.array(LABELS) * networks.forward((W, Z), means)[0]
        if k == steps:
            break
        label = LABELS[(10 * k // steps) % 2]
        others = Z * label < 0
        before = np.column_stack([W, Z])[others]
        W, Z = _step(W, Z, data, rng.choice(np.flatnonzero(data.mask(label)), 8), lr)
        moved = max(moved, float(np.max(np.abs(np.column_stack([W, Z])[others] - before))))
        flipped += int(np.sum(_pattern(W, Z, data) != start))
    return moved, float(flipped), path


def _step(W: Floats, Z: Floats, data: Dataset, batch: NDArray[np.int64], lr: float) -> tuple[Floats, Floats]:
    X, y = data.X[batch], data.y[batch]
    logits, cache = networks.forward((W, Z), X)
    dW, dZ = networks.backward((W, Z), cache, y * get("cross_entropy").pull(y * logits) / len(batch))
    return W + lr * dW, Z + lr * dZ


def _pattern(W: Floats, Z: Floats, data: Dataset) -> NDArray[np.bool_]:
    """Gates of every unit at every point, and the sign of every output weight."""
    return np.concatenate([(W @ data.X.T > 0).ravel(), Z > 0])


def _figure(curves: dict[float, Floats], data: Dataset) -> Figure:
    from matplotlib.figure import Figure

    from dynsim.plotting import COLOURS

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for ax, (lr, path) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        for c, label in enumerate(LABELS):
            ax.plot(path[:, c], color=COLOURS[label], label=f"class {data.class_name(label)}")
        ax.set_title(f"lr = {lr:g}", fontsize="medium")
        ax.set_xlabel("step")
        ax.set_ylabel("margin of the class mean")
        ax.legend(fontsize="small", frameon=False)
    figure.suptitle("Lemma 3.1: steps on one class, then on the other; each logit moves in its own blocks only")
    return figure
