"""The setting the claims share: one input a class, class-aligned units, full-batch gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dynsim import init, judgement
from dynsim.checks import Floats
from dynsim.comparison import Comparison, compare
from dynsim.data import point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper.claim import Line
from dynsim.theory.prediction import Prediction, predict
from dynsim.trajectory import Trajectory

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
    norms: tuple[float, float] = NORMS,
    frequencies: tuple[float, float] = FREQUENCIES,
    loss: str = "cross_entropy",
    initial: Any = 1e-3,
    imbalance: Any = 0.0,
    depth: int = 2,
    rng: int = 0,
) -> Experiment:
    """Train a class-aligned network on two antipodal inputs until t = `until`, and predict it."""
    data = point_classes(norms, frequencies)
    start = {"hidden": hidden, "initial": initial, "imbalance": imbalance, "depth": depth, "rng": rng}
    return trained(data, init.class_aligned(data, **start), loss=loss, lr=lr, until=until, **start)


def trained(
    data: Dataset, network: Network, *, lr: float, until: float, loss: str = "cross_entropy", **start: Any
) -> Experiment:
    """Train a network until t = `until` and predict it; `start` is what else belongs to the parameters."""
    run = train(network, data, loss=loss, lr=lr, steps=round(until / lr), record="all")
    parameters = {
        "data": data.name,
        "norms": [float(np.linalg.norm(data.mean(label))) for label in data.labels],
        "frequencies": [float(data.frequency(label)) for label in data.labels],
        "loss": loss,
        "lr": lr,
        "until": until,
        **{name: np.asarray(value).tolist() for name, value in start.items()},
    }
    return Experiment(data, network, run, predict(network, data, loss=loss), parameters)


class Projections(NamedTuple):
    """y = w.x of the first unit of class +1 at some times of a run, both of shape (T,)."""

    time: Floats
    y: Floats


def projections(made: Experiment, number: int = 40) -> Projections:
    """The same training in `number` stages, with a look at the weights after each."""
    lr, network, x = float(made.run.lr), made.network, made.data.mean(1)
    steps = np.linspace(0, len(made.run.time) - 1, number + 1).round().astype(int)
    y = [float(network.W[0] @ x)]
    for stage in np.diff(steps).tolist():
        last = train(network, made.data, loss=made.run.loss_name, lr=lr, steps=stage, record=2).network
        assert last is not None
        network = last
        y.append(float(network.W[0] @ x))
    return Projections(lr * steps, np.array(y))


def thinned(run: Trajectory, number: int = 300) -> Trajectory:
    """About `number` of a run's records, half of them log-spaced in the step and half evenly."""
    last = len(run.time) - 1
    rows = np.unique(np.append(np.geomspace(1, last, number // 2), np.linspace(0, last, number // 2)).astype(int))
    return judgement.rows_of(run, rows)


def judged(made: Experiment, law: str = "auto", lr: float | None = None) -> Comparison:
    """The experiment's run held against a law."""
    theory = predict(made.network, made.data, loss=made.run.loss_name, law=law, lr=lr)
    return compare(theory, thinned(made.run))


def logit_lines(made: Experiment, found: Comparison, what: str) -> list[Line]:
    """A line a class: the logit (C classes: log-odds) at the point and time where the two differ most."""
    lines = []
    for name, mask in found.groups.items():
        counts = mask & np.isfinite(found.spread)
        off = np.where(counts, np.abs(found.theory.logits - found.empirical.logits), -1.0)
        k, point = np.unravel_index(int(np.argmax(off)), off.shape)
        label, time = found.empirical.labels[point], found.empirical.time[k]
        predicted, measured = (float(label * c.logits[k, point]) for c in (found.theory, found.empirical))
        kind = "logit" if made.data.classes is None else "log-odds"
        lines.append(
            Line(
                f"{what}, class {name}: {kind} at t = {time:.4g}, where they differ most",
                predicted,
                measured,
                found.sup["logit"][name],
                found.floor["logit"][name],
                found.by_class[name][0],
            )
        )
    return lines
