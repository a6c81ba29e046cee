"""The setting the claims share: one input a class, class-aligned units, full-batch gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dynsim import init, judgement
from dynsim.checks import Floats
from dynsim.comparison import Comparison, compare
from dynsim.data import point_classes
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper.claim import Line
from dynsim.theory.prediction import Prediction, predict
from dynsim.trajectory import Trajectory, first_crossing

#: The two inputs of the paper's experiments are antipodal; norms and frequencies differ so that the classes do.
NORMS, FREQUENCIES = (1.0, 2.0), (0.7, 0.3)


class Experiment(NamedTuple):
    """A network, its run, and the flow's prediction."""

    data: Dataset
    network: Network
    run: Trajectory
    theory: Prediction
    parameters: dict[str, Any]


def experiment(
    *,
    hidden: int,
    lr: float,
    until: float,
    loss: str = "cross_entropy",
    initial: Any = 1e-3,
    imbalance: Any = 0.0,
    rng: int = 0,
) -> Experiment:
    """Train a class-aligned network on two antipodal inputs until t = `until`, and predict it."""
    data = point_classes(NORMS, FREQUENCIES)
    network = init.class_aligned(data, hidden, initial=initial, imbalance=imbalance, rng=rng)
    run = train(network, data, loss=loss, lr=lr, steps=round(until / lr), record="all")
    parameters = {
        "norms": list(NORMS),
        "frequencies": list(FREQUENCIES),
        "hidden": hidden,
        "loss": loss,
        "lr": lr,
        "until": until,
        "initial": np.atleast_1d(initial).tolist(),
        "imbalance": np.atleast_1d(imbalance).tolist(),
        "rng": rng,
    }
    return Experiment(data, network, run, predict(network, data, loss=loss), parameters)


def thinned(run: Trajectory, number: int = 300) -> Trajectory:
    """About `number` of a run's records, half of them log-spaced in the step and half evenly."""
    last = len(run.time) - 1
    rows = np.unique(np.append(np.geomspace(1, last, number // 2), np.linspace(0, last, number // 2)).astype(int))
    return judgement.rows_of(run, rows)


def judged(made: Experiment, law: str = "auto", lr: float | None = None) -> Comparison:
    """The experiment's run held against a law."""
    theory = predict(made.network, made.data, loss=made.run.loss_name, law=law, lr=lr)
    return compare(theory, thinned(made.run))


def crossings(run: Trajectory, confidence: float) -> Floats:
    """When each class's input reaches a confidence, in the order of the labels, shape (2,)."""
    level = float(run.loss_function.margin_at(np.asarray(confidence)))
    found = first_crossing(run.time, run.margin, level)
    return np.array([found[run.labels == label][0] for label in LABELS])


def logit_lines(made: Experiment, found: Comparison, what: str) -> list[Line]:
    """A line a class: the final logit, and the largest difference of the logits on the way."""
    lines = []
    for label in LABELS:
        name, point = made.data.class_name(label), int(np.flatnonzero(made.data.mask(label))[0])
        predicted, measured = (float(label * c.logits[-1, point]) for c in (found.theory, found.empirical))
        floor = found.floor["logit"][name]
        lines.append(
            Line(
                f"{what}, class {name}: logit at t = {made.run.time[-1]:g}",
                predicted,
                measured,
                found.sup["logit"][name],
                floor,
                found.by_class[name][0],
            )
        )
    return lines
