"""The peak of the machine as NumPy reaches it: one product with as many operations as the task's products have."""

from __future__ import annotations

import numpy as np

from benchmarks.task import Answer, Prepared, Task

_SIDE = 1000


def operations(task: Task) -> int:
    """4 n d h a step: W x for all points, and the gradient of W; each 2 n d h."""
    n, d = task.X.shape
    return 4 * n * d * task.Z.size * task.steps


def prepare(task: Task) -> Prepared:
    """A square matrix against one as wide as it takes."""
    width = max(round(operations(task) / (2 * _SIDE**2)), 1)
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((_SIDE, _SIDE)), rng.standard_normal((_SIDE, width))
    out = np.empty((_SIDE, width))

    def run() -> Answer:
        np.dot(A, B, out=out)
        return Answer(np.zeros((0, 0)), None, None)

    return Prepared(run)
