"""dynsim.flow: the limit lr -> 0 of the task, at the times lr x step of its records."""

from __future__ import annotations

import dynsim
from benchmarks.task import Answer, Prepared, Task


def prepare(task: Task) -> Prepared:
    """A run is the whole call."""
    data, network = dynsim.Dataset(task.X, task.y, task.q), dynsim.Network((task.W, task.Z))
    times = task.lr * task.record

    def run() -> Answer:
        found = dynsim.flow(network, data, loss=task.loss, times=times, rtol=1e-10)
        return Answer(found.logits, None, None)

    return Prepared(run)
