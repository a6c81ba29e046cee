"""Full-batch gradient descent of one network with one hidden layer whose arrays are large: bound by two GEMMs.

With Q = sum_i lr q_i y_i g_i [w.x_i > 0] x_i for every unit, the gate being a matrix of 0 and 1, a step is
Z += W.Q (row by row) and W += Z Q: the points are multiplied by the pull, not the (h, n) array of gates, and what
is left beside the two products are four passes over that array. The points are taken in two halves, by one thread
or by two: numpy and BLAS let other threads run, and a half stays in the cache of the core that works on it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical.in_place import SCALED
from dynsim.empirical.recording import Standing

_ZERO = np.zeros(())


class Half:
    """Some of the points: X (m, d), y (m,), c = lr q (m,), and what they make of the weights."""

    def __init__(self, hidden: int, X: Floats, y: Floats, c: Floats, loss: str) -> None:
        self.points, self.y, self.c, self.push = np.ascontiguousarray(X.T), y, c, c * y
        self.pull, m = SCALED[loss], len(y)
        self.A, self.gate = np.empty((hidden, m)), np.empty((hidden, m), dtype=np.bool_)
        self.pulled, self.Q = np.empty_like(self.points), np.empty((hidden, X.shape[1]))
        self.f, self.p = np.empty(m), np.empty(m)

    def look(self, W: Floats, Z: Floats) -> None:
        """The hidden layer in A, the logits in f."""
        np.matmul(W, self.points, out=self.A)
        np.maximum(self.A, _ZERO, out=self.A)
        np.dot(Z, self.A, out=self.f)

    def work(self, W: Floats, Z: Floats) -> None:
        """The logits in f, and Q; the hidden layer is overwritten by its gates."""
        self.look(W, Z)
        np.multiply(self.f, self.y, self.p)
        self.pull(self.p, self.push, self.p)
        np.greater(self.A, _ZERO, self.gate)
        np.copyto(self.A, self.gate)
        np.multiply(self.points, self.p, self.pulled)
        np.matmul(self.A, self.pulled.T, out=self.Q)


class Large:
    """One network: W (h, d), Z (h,), on points X (n, d), y (n,), with c = lr q (n,); threads: 1 or 2."""

    block = 64

    def __init__(
        self, member: int, W: Floats, Z: Floats, X: Floats, y: Floats, c: Floats, loss: str, threads: int = 1
    ) -> None:
        self.members, self.W, self.Z, self.threads = np.array([member]), np.array(W), np.array(Z), threads
        middle = (len(y) + 1) // 2
        self.cuts = [slice(0, middle), slice(middle, len(y))]
        self.halves = [Half(len(Z), X[cut], y[cut], c[cut], loss) for cut in self.cuts]

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j]."""
        due = {k: j for j, k in enumerate(keep.tolist())}
        one, two = self.halves
        W, Z, Q = self.W, self.Z, np.empty_like(self.W)
        with self._both() as work:
            for step in range(first, last):
                work()
                if step in due:
                    for cut, half in zip(self.cuts, self.halves, strict=True):
                        out[due[step], self.members[0], cut] = half.f
                np.add(one.Q, two.Q, Q)
                turn = np.einsum("kj,kj->k", W, Q)  # sum_i lr q y g relu(w.x)
                np.multiply(Q, Z[:, None], Q)
                np.add(W, Q, W)
                np.add(Z, turn, Z)

    @contextmanager
    def _both(self) -> Iterator[Worker]:
        worker = Worker(self.W, self.Z, self.halves, self.threads > 1)
        try:
            yield worker
        finally:
            worker.end()

    def logits(self) -> Floats:
        """The logits now, shape (1, n)."""
        for half in self.halves:
            half.look(self.W, self.Z)
        return np.concatenate([half.f for half in self.halves])[None]

    def standing(self) -> Standing:
        """Whether the network is finite, and whether anything can still change."""
        self.logits()
        any_pull, any_seen = False, False
        for half in self.halves:
            half.pull(half.f * half.y, half.c, half.p)
            pulled = half.p != 0.0
            any_pull = any_pull or bool(pulled.any())
            any_seen = any_seen or bool(((half.A != 0.0) & pulled).any())
        finite = bool(np.isfinite(self.W).all() and np.isfinite(self.Z).all())
        return Standing(np.array([finite]), np.array([not any_pull]), np.array([not any_seen]))

    def parameters(self) -> list[Floats]:
        """W (1, h, d) and Z (1, h)."""
        return [self.W[None], self.Z[None]]

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""
        self.members = self.members[alive]


class Worker:
    """Calls `work` of both halves, one after the other or the second in a thread of its own."""

    def __init__(self, W: Floats, Z: Floats, halves: list[Half], threaded: bool) -> None:
        self.weights, self.halves, self.ended, self.busy = (W, Z), halves, False, False
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None
        if threaded:
            # Plain locks, held from the start: they cost a third of what semaphores do.
            self.go, self.done = threading.Lock(), threading.Lock()
            self.go.acquire()
            self.done.acquire()
            self.thread = threading.Thread(target=self._serve, daemon=True)
            self.thread.start()

    def __call__(self) -> None:
        if self.thread is None:
            for half in self.halves:
                half.work(*self.weights)
            return
        self.busy = True
        self.go.release()
        self.halves[0].work(*self.weights)
        self.done.acquire()
        self.busy = False
        if self.error is not None:
            raise self.error

    def _serve(self) -> None:
        # What numpy does about overflow is a setting of each thread.
        with np.errstate(all="ignore"):
            while True:
                self.go.acquire()
                if self.ended:
                    return
                try:
                    self.halves[1].work(*self.weights)
                except BaseException as error:
                    self.error = error
                self.done.release()

    def end(self) -> None:
        """Let the thread go."""
        if self.thread is not None:
            if self.busy:
                self.done.acquire()
            self.ended = True
            self.go.release()
            self.thread.join()
