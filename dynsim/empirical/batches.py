"""Batches: which points enter a step, and with which weights. Every network draws its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dynsim.checks import Floats

#: How many random numbers are drawn ahead at a time, for all networks together.
_AHEAD = 100_000

#: Indices (m, b) of the points of a batch of each network, and their weights (m, b).
Batch = tuple[NDArray[np.int64], Floats]


def with_replacement(q: Floats, size: int, streams: Sequence[Generator]) -> Iterator[Batch]:
    """Points drawn with probability q_i / sum(q), each with weight sum(q) / size; q (m, n)."""
    m = len(streams)
    total = q.sum(-1)
    edges = np.cumsum(q, axis=-1) / total[:, None]
    edges[:, -1] = 1.0
    weight = np.repeat(total[:, None] / size, size, axis=1)
    ahead = max(1, _AHEAD // (size * m))
    while True:
        draws = np.stack([stream.random((ahead, size)) for stream in streams])
        index = np.stack([np.searchsorted(e, d, side="right") for e, d in zip(edges, draws, strict=True)], axis=1)
        for i in index:
            yield i, weight


def epochs(q: Floats, size: int, streams: Sequence[Generator]) -> Iterator[Batch]:
    """Every epoch visits every point once, in an order of its own, `size` at a time (the rest last).

    A point of a batch of b has the weight q_i n / b: with equal q_i, the mean gradient over the batch times sum(q).
    """
    n = q.shape[-1]
    while True:
        order = np.stack([stream.permutation(n) for stream in streams])
        for first in range(0, n, size):
            index = order[:, first : first + size]
            yield index, np.take_along_axis(q, index, axis=-1) * (n / index.shape[-1])


SAMPLINGS = {"replacement": with_replacement, "epochs": epochs}
