"""Training by gradient descent and stochastic gradient descent, recorded on the time axis t = lr x step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical import networks
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.trajectory import Status, Trajectory

#: How many random numbers of SGD are drawn ahead at a time, for all networks together.
_AHEAD = 100_000


def train(
    network: Network,
    data: Dataset,
    *,
    loss: str = "cross_entropy",
    lr: float,
    steps: int,
    batch_size: int | None = None,
    optimizer: str = "gd",
    rng: Any = None,
    record: int | str | ArrayLike = 200,
    progress: bool = False,
) -> Trajectory:
    """Train one network, or every network of an ensemble, by gradient descent on L = sum_i q_i l(m_i).

    Parameters
    ----------
    network : Network
        The start; W (..., h, d), Z (..., h).
    data : Dataset
    loss : str
    lr : float
        Learning rate, positive.
    steps : int
        Number of steps, at least 0.
    batch_size : int, optional
        None: full batch. Else SGD: at every step that many points are drawn with replacement, point i with
        probability q_i / sum(q), and the step is that of the mean gradient over the batch times sum(q), which
        is right in the mean. Every network draws its own batches.
    optimizer : str
        "gd", the only one.
    rng : anything np.random.default_rng takes
        Only for SGD; each network of an ensemble gets a spawned stream of its own.
    record : int, array_like of int, or "all"
        About how many steps to record: 0, and then evenly in log(step) up to the last (those that round to the
        same step are recorded once); or which; or all.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Trajectory
        With time = lr x step. Where numbers overflow, the run is stopped, what was recorded before is kept
        (NaN for a member of an ensemble), `status` is DIVERGED and `message` says when and what to try. A
        keyboard interrupt ends it in the same way with INTERRUPTED.

    Raises
    ------
    ValueError
        For lr <= 0, steps < 0, a batch larger than the data, an unknown loss or optimizer, steps to record
        beyond the last one, or a network with another number of inputs.
    """
    law = losses.get(loss)
    eta = checks.number("lr", lr)
    checks.count("steps", steps, least=0)
    checks.choice("optimizer", optimizer, {"gd": None})
    if batch_size is not None:
        checks.count("batch_size", batch_size, least=1, most=len(data), limit="the number of points")
    keep = recorded_steps(record, steps)
    start_logits = network.logits(data.X)
    batches = _full_batch(data) if batch_size is None else _batches(network, data, batch_size, rng)
    state = _Run(network, data, law, eta, len(keep), start_logits)
    status = _descend(state, batches, steps, keep, progress)
    return _result(state, status, keep, steps, batch_size)


def recorded_steps(record: int | str | ArrayLike, steps: int) -> NDArray[np.int64]:
    """Which steps to record: increasing, from 0 on where a number of steps was asked for."""
    if isinstance(record, str):
        if record != "all":
            raise ValueError(f"record must be a number of steps, an array of steps or 'all', got {record!r}")
        return np.arange(steps + 1)
    if np.ndim(record) == 0:
        number = checks.count("record", record, least=2)
        if number > steps:
            return np.arange(steps + 1)
        return np.unique(np.rint(np.append(0.0, np.geomspace(max(steps, 1), 1, number - 1))).astype(np.int64))
    wanted = np.asarray(record)
    if wanted.ndim != 1 or wanted.size == 0 or wanted.dtype.kind not in "iu":
        raise ValueError(f"record must be one-dimensional integers, got {record!r}")
    if np.any(np.diff(wanted) <= 0) or wanted[0] < 0 or wanted[-1] > steps:
        raise ValueError(f"record must increase from at least 0 to at most steps = {steps}, got {record!r}")
    return wanted.astype(np.int64)


class _Run:
    """The arrays that change while a run goes on."""

    def __init__(
        self, network: Network, data: Dataset, loss: Loss, lr: float, records: int, start_logits: Floats
    ) -> None:
        self.network, self.data, self.loss, self.lr = network, data, loss, lr
        self.W, self.Z = (np.array(w) for w in network.weights)
        self.logits = np.full((records, *start_logits.shape), np.nan)
        self.recorded = 0
        self.diverged_at = np.full(network.ensemble, -1, dtype=np.int64)

    def record(self, step: int) -> bool:
        """Store the logits; false once every network has diverged."""
        now = self.look(step)
        if np.all(self.diverged_at >= 0):
            return False
        now[self.diverged_at >= 0] = np.nan
        self.logits[self.recorded] = now
        self.recorded += 1
        return True

    def look(self, step: int) -> Floats:
        """The logits; notes which networks have diverged by now."""
        now, _ = networks.forward((self.W, self.Z), self.data.X)
        finite = np.isfinite(now).all(-1) & np.isfinite(self.Z).all(-1) & np.isfinite(self.W).all((-2, -1))
        self.diverged_at = np.where(~finite & (self.diverged_at < 0), step, self.diverged_at)
        return now

    def step(self, X: Floats, y: Floats, q: Floats) -> None:
        logits, cache = networks.forward((self.W, self.Z), X)
        dW, dZ = networks.backward((self.W, self.Z), cache, q * y * self.loss.pull(y * logits))
        self.W += self.lr * dW
        self.Z += self.lr * dZ


def _descend(
    run: _Run, batches: Iterator[tuple[Floats, Floats, Floats]], steps: int, keep: NDArray[np.int64], progress: bool
) -> Status:
    from tqdm import tqdm

    wanted = iter(keep.tolist())
    due = next(wanted)
    # Overflow is looked for at every record and reported there: numpy's own warnings would only repeat it.
    with np.errstate(all="ignore"), tqdm(total=steps, disable=not progress, unit="step") as bar:
        try:
            for step in range(steps + 1):
                if step == due:
                    if not run.record(step):
                        return Status.DIVERGED
                    due = next(wanted, -1)
                    bar.update(step - bar.n)
                if step < steps:
                    run.step(*next(batches))
        except KeyboardInterrupt:
            return Status.INTERRUPTED
        run.look(steps)
    return Status.DIVERGED if np.any(run.diverged_at >= 0) else Status.FINISHED


def _full_batch(data: Dataset) -> Iterator[tuple[Floats, Floats, Floats]]:
    while True:
        yield data.X, data.y, data.weights


def _batches(network: Network, data: Dataset, size: int, rng: Any) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Batches drawn with replacement, X (..., b, d), y and q (..., b), from one random stream a network."""
    members = int(np.prod(network.ensemble, dtype=int))
    streams = np.random.default_rng(rng).spawn(members)
    total = float(data.weights.sum())
    edges = np.cumsum(data.weights) / total
    edges[-1] = 1.0
    q = np.full(size, total / size)
    ahead = max(1, _AHEAD // (size * members))
    while True:
        draws = np.stack([stream.random((ahead, size)) for stream in streams], axis=1)
        index = np.searchsorted(edges, draws.reshape(ahead, *network.ensemble, size), side="right")
        for i in index:
            yield data.X[i], data.y[i], q


def _result(
    run: _Run, status: Status, keep: NDArray[np.int64], steps: int, batch_size: int | None
) -> Trajectory:
    step = keep[: run.recorded]
    return Trajectory(
        np.asarray(run.lr * step, dtype=np.float64),
        run.logits[: run.recorded],
        run.data.y,
        run.data.weights,
        run.loss.name,
        step=step,
        lr=run.lr,
        status=status,
        message=_message(run, status, step, steps),
        network=Network((run.W, run.Z)) if status == Status.FINISHED else None,
        start=run.network,
        data=run.data,
        meta={"optimizer": "gd", "batch_size": batch_size},
    )


def _message(run: _Run, status: Status, step: NDArray[np.int64], steps: int) -> str:
    if status == Status.FINISHED:
        return ""
    if status == Status.INTERRUPTED:
        return f"interrupted after step {int(step[-1]) if len(step) else 0} of {steps}; what was recorded is kept"
    lost = run.diverged_at[run.diverged_at >= 0]
    who = f"{lost.size} of {run.diverged_at.size} networks" if run.diverged_at.ndim else "the run"
    return (
        f"{who} diverged: first seen at step {int(lost.min())} of {steps} (lr = {run.lr:g}); what was recorded "
        f"before is kept. Try a smaller lr, a smaller initial scale, or a loss with a bounded pull"
    )
