"""The exact one-step maps of gradient descent as systems that can be run: full batch, in batches, perturbed.

A system knows the state of every class, how one step changes it, how the gradient flow does, and which logits it
stands for. Batches enter through the weights of its cells: a batch drawn with replacement is a full step with other
weights. The systems are in `one_input`, `chains` and `many_points`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.losses import Loss

State = tuple[Floats, ...]


class System(Protocol):
    """What all kinds of state have in common; leading axes of every array are independent copies."""

    @property
    def cells(self) -> Floats:
        """The weights q of what a batch is drawn from, shape (k,)."""

    def start(self) -> State:
        """The state of the initial network."""

    def step(self, state: State, lr: float, cells: Floats, loss: Loss) -> State:
        """The state after one step in which the cells have the given weights, shape (k,) or (..., k)."""

    def flow(self, times: Floats, loss: Loss, *, rtol: float, lr: float = 0.0) -> list[State]:
        """The states at increasing times under the gradient flow; for lr > 0 under that of L + (lr/4) |grad L|^2,
        which gradient descent follows to second order in lr (docs/theory.md, section 9)."""

    def logits(self, state: State) -> Floats:
        """f of every point, or its log-odds for C classes, shape (..., n)."""

    def sound(self, state: State) -> bool:
        """Whether the law is known to hold in this state although a pull may have been negative."""


def run(
    system: System,
    loss: Loss,
    lr: float,
    *,
    copies: int | None = None,
    jitter: float = 0.0,
    batch_size: int | None = None,
    rng: Any = None,
) -> Iterator[State]:
    """The states after 0, 1, 2, ... steps.

    Parameters
    ----------
    system, loss, lr
    copies : int, optional
        A leading axis of that many independent copies.
    jitter : float
        Every entry of the state is multiplied by 1 + jitter x (standard normal number) after each step.
    batch_size : int, optional
        Draw batches of that size from the cells, independently for every copy and member.
    rng : anything np.random.default_rng takes
    """
    generator = np.random.default_rng(rng)
    state = system.start()
    if copies is not None:
        state = tuple(np.broadcast_to(s, (copies, *s.shape)) for s in state)
    lead = system.logits(state).shape[:-1]
    cells, total = system.cells, float(system.cells.sum())
    while True:
        yield state
        if batch_size is not None:
            cells = _drawn(generator, system.cells / total, batch_size, lead) * (total / batch_size)
        state = system.step(state, lr, cells, loss)
        if jitter:
            state = tuple(s * (1.0 + jitter * generator.standard_normal(s.shape)) for s in state)


def _drawn(generator: np.random.Generator, share: Floats, size: int, lead: tuple[int, ...]) -> Floats:
    """How often each cell occurs in a batch drawn with replacement, shape (*lead, k)."""
    k = len(share)
    if size > k:
        return np.asarray(generator.multinomial(size, share, size=lead), dtype=np.float64)
    # Few draws among many cells: place every draw, instead of a binomial number for every cell.
    edges = np.cumsum(share)
    number = int(np.prod(lead, dtype=int))
    index = np.minimum(np.searchsorted(edges, generator.random((number, size)), side="right"), k - 1)
    flat = np.bincount((index + k * np.arange(number)[:, None]).ravel(), minlength=number * k)
    return np.asarray(flat.reshape(*lead, k), dtype=np.float64)


def logits_along(system: System, states: Iterator[State], steps: NDArray[np.int64]) -> Iterator[Floats]:
    """Logits (..., n) after each of the given steps, which increase from 0 on.

    Raises
    ------
    ValueError
        If they do not: the states go on for ever, and a step that has passed does not come back.
    """
    if np.any(np.diff(steps) <= 0):
        raise ValueError(f"steps must increase, got {steps.tolist()[:10]}")
    wanted = iter(steps.tolist())
    due = next(wanted, None)
    for k, state in enumerate(states):
        if due is None:
            return
        if k == due:
            yield system.logits(state)
            due = next(wanted, None)
            if due is None:
                return


def logits_at(system: System, states: Iterator[State], steps: NDArray[np.int64]) -> Floats:
    """The same as one array, shape (T, ..., n)."""
    # A diverging law is inf and then NaN, as the network it describes.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack(list(logits_along(system, states, steps)))
