"""Training by gradient descent, SGD, momentum and Adam, recorded on the time axis t = lr x step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical import lockstep, optimizers, processes
from dynsim.empirical.batches import SAMPLINGS
from dynsim.empirical.general import General
from dynsim.empirical.large import Large
from dynsim.empirical.lone import Lone
from dynsim.empirical.recording import OUTCOMES, Board, Engine, follow, recorded_steps
from dynsim.empirical.together import Together, chunk_size
from dynsim.empirical.workspace import Workspace
from dynsim.network import Network
from dynsim.trajectory import Outcome, Status, Trajectory

OPTIMIZERS = {"gd": None, "momentum": None, "adam": None}
#: From so many pre-activations on a member is computed by itself: its own arrays are long enough.
_LARGE = 4_096
#: Up to so many a single network is computed in as few calls as there can be.
_FEW = 32_768


def train(
    network: Network,
    data: Dataset,
    *,
    loss: str = "cross_entropy",
    lr: ArrayLike,
    steps: int,
    batch_size: int | None = None,
    sampling: str = "replacement",
    optimizer: str = "gd",
    momentum: ArrayLike | None = None,
    betas: tuple[float, float] | None = None,
    epsilon: float | None = None,
    spectral_decoupling: float = 0.0,
    weights: ArrayLike | None = None,
    rng: Any = None,
    record: int | str | ArrayLike = 200,
    workers: int = 1,
    progress: bool = False,
) -> Trajectory:
    """Train one network, or every network of an ensemble, on L = sum_i q_i l(m_i).

    Parameters
    ----------
    network : Network
        The start, of any form. With a softmax readout the loss is the cross-entropy of the softmax.
    data : Dataset
        Labels +1 and -1 for one logit, class ids for a softmax readout.
    loss : str
    lr : float, or array_like that broadcasts to the ensemble's shape
        Learning rate, positive. Where it is an array, every network has a time axis of its own.
    steps : int
        Number of steps, at least 0.
    batch_size : int, optional
        None: full batch. Else SGD. Every network draws its own batches.
    sampling : str
        "replacement": at every step `batch_size` points are drawn with replacement, point i with probability
        q_i / sum(q), and the step is that of the mean gradient over the batch times sum(q), which is right in the
        mean. "epochs": every point once an epoch, in random order, `batch_size` at a time, the rest last; a
        point of a batch of b counts with the weight q_i n / b.
    optimizer : str
        "gd"; "momentum", v <- momentum v - grad L, theta <- theta + lr v; "adam" (Kingma and Ba 2015).
    momentum : float, or array_like that broadcasts to the ensemble's shape, optional
        At least 0 and below 1; default 0.9. Only for "momentum".
    betas, epsilon : (float, float) and float, optional
        Default (0.9, 0.999) and 1e-8. Only for "adam".
    spectral_decoupling : float
        lam >= 0: the loss that is descended is L + (lam/2) sum_i q_i f(x_i)^2, for a softmax
        L + (lam/2) sum_i q_i |f(x_i)|^2 (Pezeshki et al. 2020, arXiv:2011.09468). For one logit the pull of a point
        becomes g(m) - lam m. A batch weights the penalty as it weights the loss. `Trajectory.loss` stays L, without
        the penalty.
    weights : array_like, shape (n,) or (..., n), optional
        q_i in place of those of the data; leading axes broadcast to the ensemble's.
    rng : anything np.random.default_rng takes
        Only for SGD; each network of an ensemble gets a spawned stream of its own.
    record : int, array_like of int, or "all"
        About how many steps to record: 0, and then evenly in log(step) up to the last (those that round to the
        same step are recorded once); or which; or all.
    workers : int
        Number of processes among which the networks of an ensemble are divided (on Linux; elsewhere one does it
        all). A single large network has its units divided between two (on Linux, x86, with OMP_NUM_THREADS=1 in the
        environment, so that BLAS has no threads of its own). The result is the same, to the bit.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Trajectory
        With time = lr x step, for every optimizer. `outcome` and `stopped` say how each network ended: one whose
        numbers overflow is stopped and what was recorded before is kept (NaN from then on), `status` is then
        DIVERGED and `message` says when and what to try; one that can change no more, because no point pulls or
        no unit is active, costs no more time and keeps its logits. A keyboard interrupt keeps what was recorded,
        with status INTERRUPTED.

    Raises
    ------
    ValueError
        For lr <= 0 or of another shape, steps < 0, spectral_decoupling < 0, a batch larger than the data, an
        unknown loss, optimizer or sampling, an option of another optimizer, steps to record beyond the last one,
        points of another dimension, labels that the readout cannot have, or a loss other than cross-entropy with
        a softmax.

    Notes
    -----
    A network of an ensemble has the same bits in any ensemble, chunk and process. A single network with one hidden
    layer may be computed in other products, with the same error bound: each step commits a few units in the last
    place in each weight (docs/training.md).
    """
    job = _job(network, data, losses.get(loss).name, lr, steps, batch_size, sampling, record, weights)
    job = replace(job, decoupling=_decoupling(spectral_decoupling))
    rule = _rule(optimizer, momentum, betas, epsilon, network.ensemble)
    checks.count("workers", workers, least=1)
    streams = None if batch_size is None else checks.generator("rng", rng).spawn(network.members)
    parts = processes.share(network.members, min(workers, network.members) if processes.can_fork() else 1)
    tail = (len(data),) if network.classes is None else (len(data), network.classes)
    wall = processes.board(len(job.keep), tail, list(job.flat.parameters), len(parts) > 1)

    def work(part: NDArray[np.int64], first: bool) -> bool:
        from tqdm import tqdm

        with tqdm(total=job.steps, disable=not (progress and first), unit="step") as bar:
            engines = _engines(job, rule, part, streams, workers)
            return follow(engines, job.steps, job.keep, wall, lambda done: bar.update(done - bar.n))

    finished = processes.divide(work, parts, wall)
    return _result(network, data, job, rule, wall, finished)


# ---- what is to be done ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Job:
    """The checked arguments, for M networks: lr (M,), q (M, n), given as lr_shape and q_shape."""

    flat: Network
    data: Dataset
    loss: str
    lr: Floats
    q: Floats
    steps: int
    keep: NDArray[np.int64]
    batch_size: int | None
    sampling: str
    one_lr: bool
    one_q: bool
    alone: bool
    decoupling: float = 0.0


def _job(
    network: Network,
    data: Dataset,
    loss: str,
    lr: ArrayLike,
    steps: int,
    batch_size: int | None,
    sampling: str,
    record: int | str | ArrayLike,
    weights: ArrayLike | None,
) -> _Job:
    check_readout(network, data, loss)
    if np.asarray(lr).dtype == np.bool_:
        raise ValueError(f"lr must be positive and finite, got {lr!r}")
    eta = _over_ensemble("lr", checks.positive("lr", lr), network.ensemble)
    steps = checks.count("steps", steps, least=0)
    with np.errstate(over="ignore"):
        if not np.isfinite(eta * steps).all():
            raise ValueError(f"lr must be so small that lr x steps is finite, got {eta.max():g} with {steps} steps")
    if batch_size is not None:
        batch_size = checks.count("batch_size", batch_size, least=1, most=len(data), limit="the number of points")
    checks.choice("sampling", sampling, SAMPLINGS)
    if batch_size is None and sampling != "replacement":
        raise ValueError(f"batch_size must be given for sampling {sampling!r}, got None")
    q = data.weights if weights is None else checks.nonnegative("weights", weights)
    if q.shape[-1:] != (len(data),):
        raise ValueError(f"weights must have {len(data)} values along the last axis, one a point, got {q.shape}")
    for label in data.labels:
        if not np.all(q[..., data.mask(label)].sum(-1) > 0):
            name = format(label, "+d" if data.classes is None else "d")
            raise ValueError(f"weights must not all be 0 within a class, got only 0 for class {name}")
    many = _over_ensemble("weights", q, network.ensemble, 1)
    keep, M = recorded_steps(record, steps), network.members
    return _Job(
        network.flat(), data, loss, eta.reshape(M), many.reshape(M, -1), steps, keep, batch_size, sampling,
        np.ndim(lr) == 0, q.ndim == 1, not network.ensemble,
    )  # fmt: skip


def _decoupling(value: float) -> float:
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"spectral_decoupling must be at least 0 and finite, got {value!r}")
    lam = checks.nonnegative("spectral_decoupling", value)
    if lam.ndim:
        raise ValueError(f"spectral_decoupling must be one number, got shape {lam.shape}")
    return float(lam)


def _over_ensemble(name: str, values: Floats, ensemble: tuple[int, ...], own: int = 0) -> Floats:
    tail = values.shape[values.ndim - own :]
    try:
        return np.broadcast_to(values, (*ensemble, *tail))
    except ValueError as error:
        form = f"a number or an array that broadcasts to the ensemble's shape {ensemble}"
        raise ValueError(f"{name} must be {form}, got shape {values.shape}") from error


def check_readout(network: Network, data: Dataset, loss: str) -> None:
    """The readout, the labels and the loss must speak of the same thing, and the points must fit the network."""
    checks.instance("network", network, Network)
    checks.instance("data", data, Dataset)
    if not network.members:
        raise ValueError(f"network must have at least one member, got an ensemble of shape {network.ensemble}")
    if data.dimension != network.dimension:
        raise ValueError(
            f"X must have {network.dimension} columns, the network's number of inputs, got {data.dimension}"
        )
    if network.classes is None:
        data.needs_two_classes("a network with one logit")
    elif data.classes != network.classes:
        found = "labels +1 and -1" if data.classes is None else f"{data.classes} classes"
        raise ValueError(f"data must have class ids 0 ... {network.classes - 1}, as the network has, got {found}")
    elif loss != "cross_entropy":
        raise ValueError(f"loss must be 'cross_entropy' for a softmax readout, got {loss!r}")


@dataclass(frozen=True)
class _Rule:
    """The optimizer and its options."""

    name: str
    momentum: Any = None
    betas: tuple[float, float] | None = None
    epsilon: float | None = None

    def facts(self) -> dict[str, Any]:
        """Plain numbers, for the trajectory's meta."""
        out: dict[str, Any] = {"optimizer": self.name}
        if self.name == "momentum":
            found = np.unique(self.momentum).tolist()
            out["momentum"] = found[0] if len(found) == 1 else found
        if self.name == "adam":
            out |= {"betas": list(self.betas or ()), "epsilon": self.epsilon}
        return out

    def made(self, lr: Floats, part: NDArray[np.int64], size: int) -> optimizers.Optimizer:
        """The optimizer of some networks with `size` parameters."""
        eta = lr[part, None]
        if self.name == "momentum":
            return optimizers.Momentum(eta, self.momentum[part, None], size)
        if self.name == "adam":
            assert self.betas is not None and self.epsilon is not None
            return optimizers.Adam(eta, self.betas, self.epsilon, size)
        return optimizers.GradientDescent(eta)


def _rule(name: str, momentum: Any, betas: Any, epsilon: Any, ensemble: tuple[int, ...]) -> _Rule:
    checks.choice("optimizer", name, OPTIMIZERS)
    owner = {"momentum": "momentum", "betas": "adam", "epsilon": "adam"}
    for option, value in (("momentum", momentum), ("betas", betas), ("epsilon", epsilon)):
        if value is not None and owner[option] != name:
            raise ValueError(f"{option} must be None for optimizer {name!r}, got {value!r}")
    if name == "momentum":
        mu = checks.nonnegative("momentum", 0.9 if momentum is None else momentum)
        if np.any(mu >= 1):
            raise ValueError(f"momentum must be below 1, got {float(mu.max()):g}")
        return _Rule(name, np.ravel(_over_ensemble("momentum", mu, ensemble)))
    if name == "adam":
        two = checks.nonnegative("betas", (0.9, 0.999) if betas is None else betas)
        if two.shape != (2,) or np.any(two >= 1):
            raise ValueError(f"betas must be two numbers at least 0 and below 1, got {betas!r}")
        small = checks.number("epsilon", 1e-8 if epsilon is None else epsilon)
        return _Rule(name, betas=(float(two[0]), float(two[1])), epsilon=small)
    return _Rule(name)


# ---- who does it -----------------------------------------------------------------------------------------


def _engines(
    job: _Job, rule: _Rule, part: NDArray[np.int64], streams: Sequence[Generator] | None, workers: int
) -> list[Engine]:
    """The engines for some of the networks. Which ones depends on the form of a network and on the options."""
    flat = job.flat
    one_layer = flat.depth == 2 and flat.biases is None and flat.classes is None
    if not one_layer or rule.name != "gd" or streams is not None or job.decoupling > 0:
        return [_general(job, rule, part, streams)]
    W, Z, X, y, c = flat.W, flat.Z, job.data.X, job.data.y, job.lr[:, None] * job.q
    space = Workspace()
    if job.alone and len(y) * flat.hidden <= _FEW:
        return [Lone(int(m), W[m], Z[m], X, y, c[m], job.loss) for m in part]
    if len(y) * flat.hidden > _LARGE:
        two = workers > 1 and flat.members == 1 and lockstep.possible()
        columns = np.asfortranarray(X)
        return [Large(int(m), W[m], Z[m], columns, y, c[m], job.loss, space, two) for m in part]
    size = chunk_size(len(y), flat.hidden)
    chunks = [part[k : k + size] for k in range(0, len(part), size)]
    return [Together(m, W[m], Z[m], X, y, c[m], job.loss, space) for m in chunks]


def _general(job: _Job, rule: _Rule, part: NDArray[np.int64], streams: Sequence[Generator] | None) -> Engine:
    batches = None
    if streams is not None and job.batch_size is not None:
        batches = SAMPLINGS[job.sampling](job.q[part], job.batch_size, [streams[m] for m in part])
    some = job.flat[part]
    size = sum(a[0].size for a in some.parameters)
    optimizer = rule.made(job.lr, part, size)
    points = (job.data.X, job.data.y, job.q[part])
    return General(part, some, points, job.loss, optimizer, batches, rule.name != "gd", job.decoupling)


# ---- what came out ---------------------------------------------------------------------------------------


def _result(network: Network, data: Dataset, job: _Job, rule: _Rule, wall: Board, finished: bool) -> Trajectory:
    outcome = np.array(OUTCOMES)[wall.outcome]
    status = Status.FINISHED if finished else Status.INTERRUPTED
    if np.any(outcome == Outcome.DIVERGED) and finished:
        status = Status.DIVERGED
    rows = len(job.keep)
    if status == Status.INTERRUPTED or np.all(outcome == Outcome.DIVERGED):
        # Networks that stopped early have their logits filled in to the end: they do not tell how far the run got.
        going = wall.stopped < 0 if np.any(wall.stopped < 0) else np.ones_like(wall.stopped, dtype=bool)
        some = ~np.isnan(wall.logits[:, going].reshape(rows, -1)).all(-1)
        rows = int(np.max(np.flatnonzero(some), initial=-1)) + 1
    lead, step = network.ensemble, job.keep[:rows]
    logits = wall.logits[:rows].reshape(rows, *lead, *wall.logits.shape[2:])
    eta = float(job.lr[0]) if job.one_lr else job.lr.reshape(lead)
    last = None
    if status == Status.FINISHED:
        last = network.with_parameters([a.reshape((*lead, *a.shape[1:])) for a in wall.parameters])
    facts = rule.facts() | {"batch_size": job.batch_size}
    if job.batch_size is not None:
        facts["sampling"] = job.sampling
    if job.decoupling > 0:
        facts["spectral_decoupling"] = job.decoupling
    return Trajectory(
        np.asarray(step.reshape(-1, *[1] * np.ndim(eta)) * eta, dtype=np.float64),
        logits,
        data.y,
        job.q[0] if job.one_q else job.q.reshape(*lead, -1),
        job.loss,
        step=step,
        lr=eta,
        status=status,
        message=_message(job, wall, outcome.reshape(lead), status, step),
        network=last,
        start=network,
        data=replace(data, weights=job.q[0]) if job.one_q and np.any(job.q[0] != data.weights) else data,
        outcome=outcome.reshape(lead),
        stopped=wall.stopped.reshape(lead),
        meta=facts,
    )


def _message(job: _Job, wall: Board, outcome: NDArray[np.str_], status: Status, step: NDArray[np.int64]) -> str:
    if status == Status.INTERRUPTED:
        reached = int(step[-1]) if len(step) else 0
        return f"interrupted after step {reached} of {job.steps}; what was recorded is kept"
    parts = []
    lost = outcome == Outcome.DIVERGED
    if np.any(lost):
        which = wall.stopped.reshape(outcome.shape)[lost]
        eta = job.lr[lost.ravel() & (wall.stopped == which.min())][0]
        who = f"{which.size} of {outcome.size} networks" if outcome.ndim else "the run"
        parts.append(
            f"{who} diverged: first seen at step {int(which.min())} of {job.steps} (lr = {eta:g}); what was "
            "recorded before is kept. Try a smaller lr, a smaller initial scale, or a loss with a bounded pull"
        )
    ends = {
        Outcome.LEARNT: "no point pulls any more",
        Outcome.DEAD: "no unit is active any more on a point that pulls",
    }
    for kind, what in ends.items():
        if count := int(np.sum(outcome == kind)):
            who = f"in {count} of {outcome.size} networks " if outcome.ndim else ""
            parts.append(f"{who}{what}: {'their' if who else 'the'} weights are final")
    return "; ".join(parts)
