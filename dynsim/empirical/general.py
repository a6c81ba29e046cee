"""Training of networks of any form with any optimizer, full batch or in batches; leading axis the network.

Every product is one BLAS call a network, whatever the number of networks: a network has the same bits alone, in
any ensemble and in any process.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical import networks
from dynsim.empirical.batches import Batch
from dynsim.empirical.in_place import decouple, scaled, softmax
from dynsim.empirical.networks import Cache
from dynsim.empirical.optimizers import Optimizer
from dynsim.empirical.recording import Engine, Standing
from dynsim.network import Network


class General:
    """Networks with one leading axis, on points X (n, d), y (n,), q (m, n); full batch where batches is None.

    decoupling: lam of the penalty (lam/2) sum_i q_i f_i^2; where it is 0 nothing is computed for it.
    """

    block = 64

    def __init__(
        self,
        members: NDArray[np.int64],
        network: Network,
        points: tuple[Floats, Floats, Floats],
        loss: str,
        optimizer: Optimizer,
        batches: Iterator[Batch] | None,
        remembers: bool,
        decoupling: float = 0.0,
    ) -> None:
        self.members, self.network, self.optimizer, self.batches = members, network, optimizer, batches
        self.places = np.arange(len(members))  # of the members among those that the batches were made for
        self.X, self.y, self.q = points
        self.pull, self.remembers, self.decoupling = scaled(loss, self.q), remembers, decoupling
        self.target = None if network.classes is None else np.eye(network.classes)[self.y.astype(np.int64)]
        self._room: dict[tuple[int, ...], tuple[Floats, Cache]] = {}
        self.theta, self.arrays = _flat(list(network.parameters), len(members))
        self.direction, self.grads = _flat(list(network.parameters), len(members))

    def _forward(self, X: Floats) -> tuple[Floats, Cache]:
        n, biased = self.network.depth, self.network.biases is not None
        biases = self.arrays[n:] if biased else None
        found = networks.forward(
            self.arrays[:n], X, biases=biases, classes=self.network.classes, out=self._room.get(X.shape)
        )
        self._room[X.shape] = found
        return found

    def _pull(self, logits: Floats, y: Floats, target: Floats | None, q: Floats) -> Floats:
        out = np.empty_like(logits)
        if target is not None:
            softmax(logits, target, q, out)
        else:
            self.pull(y * logits, q * y, out)
        if self.decoupling:
            decouple(logits, self.decoupling * q, out)
        return out

    def _step(self, X: Floats, y: Floats, target: Floats | None, q: Floats) -> None:
        logits, cache = self._forward(X)
        self._descend(cache, self._pull(logits, y, target, q))

    def _descend(self, cache: Cache, pull: Floats) -> None:
        biased = self.network.biases is not None
        networks.backward(self.arrays[: self.network.depth], cache, pull, biases=biased, out=self.grads)
        self.optimizer.step(self.theta, self.direction)

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        due = {k: j for j, k in enumerate(keep.tolist())}
        for step in range(first, last):
            if self.batches is None or step in due:
                logits, cache = self._forward(self.X)
                if step in due:
                    out[due[step], self.members] = logits
            if self.batches is None:
                self._descend(cache, self._pull(logits, self.y, self.target, self.q))
            else:
                index, q = next(self.batches)
                drawn = index[self.places]
                target = None if self.target is None else self.target[drawn]
                self._step(self.X[drawn], self.y[drawn], target, q[self.places])

    def logits(self) -> Floats:
        """The logits now, shape (m, n) or (m, n, C)."""
        return np.array(self._forward(self.X)[0])

    def standing(self) -> Standing:
        """Which networks are finite, and in which anything can still change."""
        logits, cache = self._forward(self.X)
        pull = self._pull(logits, self.y, self.target, self.q).reshape(*logits.shape[:2], -1)
        pulled = (pull != 0.0).any(axis=-1)
        # Momentum moves on without a pull, and so does whatever has a bias on its readout.
        going = self.remembers or self.network.biases is not None or not cache.hidden
        m = len(self.members)
        finite = np.asarray(np.isfinite(self.theta).all(-1) & np.isfinite(logits.reshape(m, -1)).all(-1))
        finite = finite & self.optimizer.finite()
        learnt = np.zeros(m, dtype=bool) if self.remembers else np.asarray(~pulled.any(-1))
        if going:
            return Standing(finite, learnt, np.zeros(m, dtype=bool))
        seen = (cache.hidden[-1] != 0.0).any(axis=-2)
        return Standing(finite, learnt, np.asarray(~(seen & pulled).any(axis=-1)))

    def parameters(self) -> list[Floats]:
        """Weights and biases, with the network as first axis."""
        return self.arrays

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members, self.q, self.places = self.members[alive], self.q[alive], self.places[alive]
        kept = [a[alive] for a in self.arrays]
        self.theta, self.arrays = _flat(kept, len(self.members))
        self.direction, self.grads = _flat(kept, len(self.members))
        self.optimizer.keep_only(alive)
        self._room.clear()

    def join(self, other: Engine) -> bool:
        """Never: each network is computed by itself."""
        return False


def _flat(arrays: list[Floats], m: int) -> tuple[Floats, list[Floats]]:
    """One array (m, P) with a copy of all the values, and views of it in the shapes of the arrays."""
    sizes = [int(np.prod(a.shape[1:], dtype=int)) for a in arrays]
    flat, views, start = np.empty((m, sum(sizes))), [], 0
    for array, size in zip(arrays, sizes, strict=True):
        view = flat[:, start : start + size].reshape(array.shape)
        view[...] = array
        views.append(view)
        start += size
    return flat, views
