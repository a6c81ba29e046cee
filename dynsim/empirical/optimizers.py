"""The steps of gradient descent, momentum and Adam, in place on all parameters of all networks at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats


class Optimizer(Protocol):
    """Changes parameters (m, P), given the direction of descent -grad L (m, P)."""

    def step(self, parameters: Floats, direction: Floats) -> None:
        """One step; `direction` may be overwritten."""

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these networks only."""

    def finite(self) -> NDArray[np.bool_]:
        """In which networks what it remembers is finite, shape (m,)."""


class GradientDescent:
    """theta <- theta - lr grad L; lr (m, 1)."""

    def __init__(self, lr: Floats) -> None:
        self.lr = lr

    def step(self, parameters: Floats, direction: Floats) -> None:
        """See `Optimizer.step`."""
        np.multiply(direction, self.lr, direction)
        np.add(parameters, direction, parameters)

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """See `Optimizer.keep_only`."""
        self.lr = self.lr[alive]

    def finite(self) -> NDArray[np.bool_]:
        """See `Optimizer.finite`."""
        return np.ones(len(self.lr), dtype=bool)


class Momentum:
    """v <- momentum v - grad L, theta <- theta + lr v (Polyak's heavy ball, as torch.optim.SGD has it)."""

    def __init__(self, lr: Floats, momentum: Floats, size: int) -> None:
        self.lr, self.momentum = lr, momentum
        self.v = np.zeros((len(lr), size))

    def step(self, parameters: Floats, direction: Floats) -> None:
        """See `Optimizer.step`."""
        np.multiply(self.v, self.momentum, self.v)
        np.add(self.v, direction, self.v)
        np.multiply(self.v, self.lr, direction)
        np.add(parameters, direction, parameters)

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """See `Optimizer.keep_only`."""
        self.lr, self.momentum, self.v = self.lr[alive], self.momentum[alive], self.v[alive]

    def finite(self) -> NDArray[np.bool_]:
        """See `Optimizer.finite`."""
        return np.asarray(np.isfinite(self.v).all(-1))


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), with the bias corrections of both moments.

    m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,
    theta <- theta - lr (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + epsilon) at step k = 1, 2, ...
    Everything has the dtype of lr.
    """

    def __init__(self, lr: Floats, betas: tuple[float, float], epsilon: float, size: int) -> None:
        self.lr, self.betas, self.epsilon, self.k = lr, betas, epsilon, 0
        self.m, self.v, self.room = (np.zeros((len(lr), size), dtype=lr.dtype) for _ in range(3))

    def step(self, parameters: Floats, direction: Floats) -> None:
        """See `Optimizer.step`."""
        b1, b2 = self.betas
        self.k += 1
        np.multiply(direction, direction, self.room)
        for moment, beta, new in ((self.m, b1, direction), (self.v, b2, self.room)):
            np.multiply(moment, beta, moment)
            np.multiply(new, 1.0 - beta, new)
            np.add(moment, new, moment)
        np.divide(self.v, 1.0 - b2**self.k, self.room)
        np.sqrt(self.room, self.room)
        np.add(self.room, self.epsilon, self.room)
        np.divide(self.m, self.room, direction)
        np.multiply(direction, self.lr / (1.0 - b1**self.k), direction)
        np.add(parameters, direction, parameters)

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """See `Optimizer.keep_only`."""
        self.lr, self.m, self.v, self.room = self.lr[alive], self.m[alive], self.v[alive], self.room[alive]

    def finite(self) -> NDArray[np.bool_]:
        """See `Optimizer.finite`; an infinite second moment would stand still for ever."""
        return np.asarray(np.isfinite(self.v).all(-1))
