"""dynsim.train, called as the README calls it."""

from __future__ import annotations

import dynsim
from benchmarks.task import Answer, Prepared, Task


def prepare(task: Task, workers: int = 1) -> Prepared:
    """A run is the whole call, from arrays to a Trajectory."""
    data, network = dynsim.Dataset(task.X, task.y, task.q), dynsim.Network((task.W, task.Z))
    record = "all" if task.every else task.record

    def run() -> Answer:
        found = dynsim.train(
            network, data, loss=task.loss, lr=task.lr, steps=task.steps, record=record, workers=workers
        )
        if found.network is None:
            raise RuntimeError(found.message)
        return Answer(found.logits, found.network.W, found.network.Z)

    return Prepared(run)
