"""What a contestant is handed and what it hands back, in plain arrays: no contestant but ours imports dynsim."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Task(NamedTuple):
    """Gradient descent on L = sum_i q_i l(y_i f(x_i)), f(x) = Z . relu(W x), from W (..., h, d), Z (..., h).

    record: the steps whose logits are wanted, increasing; every step, or first and last and few between.
    """

    X: Floats
    y: Floats
    q: Floats
    W: Floats
    Z: Floats
    loss: str
    lr: float
    steps: int
    record: NDArray[np.int64]

    @property
    def every(self) -> bool:
        """Whether the logits of every step are wanted."""
        return len(self.record) == self.steps + 1


class Answer(NamedTuple):
    """Logits (T, ..., n), at every step wanted or at the first and the last; the last W and Z, None for a flow."""

    logits: Floats
    W: Floats | None
    Z: Floats | None


class Prepared(NamedTuple):
    """A contestant ready to run, and how long its compiler took (None: it has none)."""

    run: Callable[[], Answer]
    compile_seconds: float | None = None
