"""The problems: how a network and its points are made, in sizes that can be varied."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import dynsim
from benchmarks.task import Task

#: Steps at which a long descent is compared with the flow: multiples of 16, as their times must be steps at 16 lr.
_LONG = 16 * np.array([0, 1, 3, 6, 20, 62, 200, 625, 2000, 6250, 20_000, 62_500])
_QUICK_LONG = 10_000  # one of them


@dataclass(frozen=True)
class Problem:
    """A start, points, a loss, and how long to descend.

    Attributes
    ----------
    start : str
        "gaussian": Gaussian points with labels in turn, Gaussian weights of standard deviation `scale`.
        "grid": one unit on two antipodal points, the ensemble a square grid of (y, z) in [-1.5, 1.5].
        "aligned": two Gaussian clouds, units aligned with the classes.
    hidden, dimension, points : int
        h, d and n.
    steps : int
    ensemble : int or None
        Number of networks.
    lr, scale, loss
        As in dynsim.
    record : str
        "all" steps, "ends", or "long": twelve times up to 10^6 steps.
    stride : int
        How many steps of the original rate one step is: records of "long" stay at the same times.
    """

    start: str
    hidden: int
    dimension: int
    points: int
    steps: int
    ensemble: int | None = None
    lr: float = 0.05
    scale: float = 0.3
    loss: str = "cross_entropy"
    record: str = "ends"
    stride: int = 1

    @property
    def recorded(self) -> NDArray[np.int64]:
        """The steps whose logits are wanted."""
        if self.record == "all":
            return np.arange(self.steps + 1)
        if self.record == "ends":
            return np.array([0, self.steps])
        steps = _LONG // self.stride
        return steps[steps <= self.steps]

    def data(self) -> dynsim.Dataset:
        """The points."""
        if self.start == "grid":
            return dynsim.data.point_classes(norms=(1.0, 1.0), frequencies=(0.5, 0.5))
        if self.start == "aligned":
            return dynsim.data.gaussian_classes(self.points // 2, dimension=self.dimension, rng=1)
        X = np.random.default_rng(1).standard_normal((self.points, self.dimension))
        return dynsim.Dataset(X, np.resize([1.0, -1.0], self.points))

    def network(self) -> dynsim.Network:
        """The start."""
        if self.start == "grid":
            side = round((self.ensemble or 1) ** 0.5)
            axis = np.linspace(-1.5, 1.5, side)
            return dynsim.init.from_coordinates(np.repeat(axis, side), np.tile(axis, side), [1.0])
        if self.start == "aligned":
            return dynsim.init.class_aligned(self.data(), self.hidden, rng=2)
        return dynsim.init.gaussian(self.data(), self.hidden, scale=self.scale, size=self.ensemble, rng=2)

    def task(self, *, ulps: int = 0) -> Task:
        """In plain arrays; with `ulps`, the start moved by so many units in the last place, W up and Z down."""
        data, network = self.data(), self.network()
        shift = ulps * np.finfo(np.float64).eps
        W, Z = network.W * (1.0 + shift), network.Z * (1.0 - shift)
        return Task(data.X, data.y, data.weights, W, Z, self.loss, self.lr, self.steps, self.recorded)

    def smaller(self) -> Problem:
        """A version that takes about a hundredth of the time."""
        ensemble = None if self.ensemble is None else 100 if self.start == "grid" else 20
        return replace(self, steps=_QUICK_LONG if self.record == "long" else self.steps // 25, ensemble=ensemble)

    def at_rate(self, factor: int) -> Problem:
        """The same times with steps `factor` times as long."""
        return replace(self, lr=self.lr * factor, steps=self.steps // factor, stride=self.stride * factor)

    def sizes(self) -> str:
        """For a table."""
        many = "" if self.ensemble is None else f"{self.ensemble:,} networks, "
        return f"{many}h {self.hidden}, d {self.dimension}, n {self.points}, {self.steps:,} steps of lr {self.lr:g}"
