"""Networks of any depth with diagonal inner layers and one input a class, as a system (eq 5 and App. B, v2).

A unit of the first layer and its numbers in the layers above form a chain: with w_1 = w.x/\\|x\\|, w_2 ... w_(N-1)
the entries of the inner layers and w_N = \\|Z\\|, all positive, the class's logit is u = \\|x\\| sum_k w_1 w_2 ...
w_N over its chains k, and every weight moves with the product of the others:

    gradient descent:    w_i <- w_i + lr kappa g(u) prod_(j != i) w_j,
    flow:              dw_i/dt = kappa g(u) prod_(j != i) w_j.

The flow conserves w_i^2 - w_j^2 within a chain. Depth 1 is logistic regression with one chain of one weight a
class. Notation as in docs/theory.md, section 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import numerical
from dynsim.theory.descent import State

#: A complex step: far below rounding, so that the derivative is exact.
_STEP = 1e-30
#: Layers or chains that differ by less, relative, are equal: a few roundings of the weights.
_EQUAL = 1e-13


@dataclass(frozen=True, eq=False)
class Chains:
    """The state is (w,), shape (..., 2, h, N): the weights of the chains of both classes, 0 for chains of the
    other.

    own (..., 2, h): which chains are a class's. norm, cells (2,): \\|x\\| and p. labels, index (n,): of the points.
    """

    weights: Floats
    own: NDArray[np.bool_]
    norm: Floats
    cells: Floats
    labels: Floats
    index: NDArray[np.int64]

    @classmethod
    def of(cls, network: Network, data: Dataset) -> Chains:
        """The chains of a network with diagonal inner layers, or of a linear one."""
        parts, owned = [], []
        for label in LABELS:
            x = data.mean(label)
            length = np.linalg.norm(x)
            if network.depth == 1:
                w = (label * (network.Z @ x) / length)[..., None, None]
                own = np.ones(w.shape[:-1], dtype=bool)
            else:
                layers = [network.W @ x / length, *network.weights[1:-1], label * network.Z]
                own = label * network.Z > 0
                w = np.where(own[..., None], np.stack(layers, axis=-1), 0.0)
            parts.append(w)
            owned.append(own)
        norm = np.array([np.linalg.norm(data.mean(label)) for label in LABELS])
        cells = np.array([data.frequency(label) for label in LABELS])
        index = np.where(data.y == LABELS[0], 0, 1)
        return cls(np.stack(parts, -3), np.stack(owned, -2), norm, cells, data.y, index)

    @property
    def depth(self) -> int:
        """N."""
        return int(self.weights.shape[-1])

    @property
    def rate(self) -> Floats:
        """kappa = p \\|x\\| of both classes."""
        return self.norm * self.cells

    @property
    def u(self) -> Floats:
        """The logits of the classes at the start, (..., 2)."""
        return self._margins(self.weights)

    @property
    def number(self) -> Floats:
        """How many chains a class has, (..., 2)."""
        return np.asarray(self.own.sum(axis=-1), dtype=np.float64)

    @property
    def balanced(self) -> bool:
        """Whether all layers of all chains of a class are equal at the start: u obeys eq 5 (v2) then."""
        high = self.weights.max(axis=(-2, -1))
        low = np.where(self.own[..., None], self.weights, np.inf).min(axis=(-2, -1))
        return self.depth == 1 or bool(np.all((high - low <= _EQUAL * high) | (self.number == 0)))

    def start(self) -> State:
        return (self.weights,)

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        (w,) = state
        e = lr * self.norm * cells * loss.pull(self._margins(w))
        return (w + e[..., None, None] * self._others(w),)

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        shape = self.weights.shape
        flat = self.weights.reshape(-1, *shape[-2:])
        own = self.own.reshape(-1, shape[-2])
        paths = np.zeros((len(times), *flat.shape))
        for k, w in enumerate(flat):
            norm, kappa = float(self.norm[k % 2]), float(self.rate[k % 2])
            law = _modified if lr else _conserving
            if own[k].any():
                paths[:, k, own[k]] = law(times, w[own[k]], norm, kappa, loss, rtol, lr)
        return [(path.reshape(shape),) for path in paths]

    def logits(self, state: State) -> Floats:
        return self.by_point(self._margins(state[0]))

    def by_point(self, classes: Floats) -> Floats:
        """Margins of the classes (..., 2) as logits of the points (..., n)."""
        return np.asarray(self.labels * classes[..., self.index])

    def sound(self, state: State) -> bool:
        return bool(np.all(self._margins(state[0]) <= 1.0))

    def _margins(self, w: Floats) -> Floats:
        return np.asarray(self.norm * np.prod(w, axis=-1).sum(axis=-1))

    def _others(self, w: Floats) -> Floats:
        return np.where(self.own[..., None], products_of_others(w), 0.0)


def products_of_others(w: Any) -> Any:
    """prod_(j != i) w_j along the last axis, without a division; real or complex."""
    below, above = np.ones_like(w), np.ones_like(w)
    np.cumprod(w[..., :-1], axis=-1, out=below[..., 1:])
    above[..., :-1] = np.cumprod(w[..., :0:-1], axis=-1)[..., ::-1]
    return below * above


def _conserving(
    times: Floats, start: Floats, norm: float, kappa: float, loss: Loss, rtol: float, _: float
) -> Floats:
    """The flow of one class's chains (h, N), shape (T, h, N), in the smallest weight of each chain.

    The others follow from w_i^2 - w_j^2, which is conserved to rounding that way. Depth 1 has nothing to conserve.
    """
    least = np.argmin(start, axis=-1)[:, None]
    smallest = np.take_along_axis(start, least, -1)
    apart = (start - smallest) * (start + smallest)

    def chains(v: Floats) -> Floats:
        w = np.sqrt(np.square(v)[..., None] + apart)
        # Exactly v where nothing lies between, also for the single weight of depth 1, which may be negative.
        return np.where(apart == 0.0, v[..., None], w)

    def field(v: Floats) -> Floats:
        w = chains(v)
        u = norm * np.prod(w, axis=-1).sum()
        others = np.take_along_axis(products_of_others(w), least, -1)[:, 0]
        return np.asarray(kappa * pull(u) * others)

    def stop(v: Floats) -> float:
        return float(norm * np.prod(chains(v), axis=-1).sum()) - 1.0

    hinge = loss.name == "hinge"
    pull = np.ones_like if hinge else loss.pull
    return chains(numerical.solve(field, smallest[:, 0], times, rtol=rtol, stop=stop if hinge else None))


def _modified(
    times: Floats, start: Floats, norm: float, kappa: float, loss: Loss, rtol: float, lr: float
) -> Floats:
    """The second-order flow F - (lr/2) F'F of one class's chains, shape (T, h, N)."""
    shape = start.shape

    def margin(w: Floats) -> float:
        return float(norm * np.prod(w, axis=-1).sum())

    def field(flat: Floats) -> Floats:
        w = flat.reshape(shape)
        u, others = margin(w), products_of_others(w)
        g, slope = pull(np.asarray(u)), loss.slope(np.asarray(u))
        F = kappa * g * others
        turned = products_of_others(w + 1j * _STEP * F).imag / _STEP
        change = kappa * (slope * norm * np.sum(others * F) * others + g * turned)
        return np.asarray(F - 0.5 * lr * change).ravel()

    def stop(flat: Floats) -> float:
        return margin(flat.reshape(shape)) - 1.0

    hinge = loss.name == "hinge"
    pull = np.ones_like if hinge else loss.pull
    found = numerical.solve(field, start.ravel(), times, rtol=rtol, stop=stop if hinge else None, grid=lr)
    return found.reshape(len(times), *shape)
