"""The gradient flow of a network: what gradient descent becomes as lr -> 0 at fixed t = lr x step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical.path import BrokenError, Path
from dynsim.empirical.training import check_readout
from dynsim.network import Network
from dynsim.trajectory import Status, Trajectory

#: What atol may be at most beside the largest incoming weight of a hidden unit.
_RESOLVED = 1e-4
#: scipy's solver goes no lower than this.
_LEAST_RTOL = 100 * float(np.finfo(float).eps)


class FlowError(RuntimeError):
    """The flow could not be followed to the last time.

    Attributes
    ----------
    time : float
        How far it was followed (an ensemble: in the network that failed).
    trajectory : Trajectory
        What was computed until then, with status and message; of an ensemble all times, NaN where nothing was.
    """

    def __init__(self, message: str, time: float, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.time, self.trajectory = time, trajectory


def flow(
    network: Network,
    data: Dataset,
    *,
    loss: str = "cross_entropy",
    times: ArrayLike,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    batch_size: None = None,
    progress: bool = False,
) -> Trajectory:
    """Follow the gradient flow d theta/dt = -grad L, L = sum_i q_i l(y_i f(x_i)), of one network or many.

    It is what `train` tends to as lr -> 0 at fixed t = lr x step. Between two kinks of the ReLUs (and of the hinge
    loss) the field is smooth and is integrated by scipy's DOP853; each kink is a root at which the integration
    stops and starts anew, across the kink, or along it where both sides point at it (Filippov's solution;
    docs/flow.md).

    Parameters
    ----------
    network : Network
        The start: any depth, diagonal inner layers, biases, softmax readout. The networks of an ensemble are
        followed one after the other.
    data : Dataset
    loss : str
    times : array_like, shape (T,)
        When to record: increasing, at least 0; the unit is lr x step.
    rtol, atol : float
        Tolerances of the parameters for one step of the integration. Lower atol for networks that start from
        weights below about 1e-6.
    batch_size : None
        The flow has no batches.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Trajectory
        With `step` and `lr` None and `network` that of the last time. A keyboard interrupt ends it with the status
        INTERRUPTED and what was recorded. `meta` says: "events", how often the gates were chosen anew; "sliding",
        how many gates slid at once at most; "evaluations" of the field; "drift", the largest change of
        \\|incoming\\|^2 - \\|outgoing\\|^2 of a unit, relative to the largest sum of the two in its network (0 for
        the exact flow); "ambiguous", at how many events the flow could have gone on in several ways (docs/flow.md).

    Raises
    ------
    ValueError
        For times that decrease or are negative, tolerances that are not positive, an unknown loss, data with
        another number of inputs or other labels than the readout needs, a softmax with another loss than
        cross-entropy, or a batch size.
    FlowError
        Where the flow cannot be followed to the last time: a cascade of events that does not end, gates of which no
        choice is consistent, numbers that overflow, invariants that drift by more than 1e4 (rtol + atol).

    Notes
    -----
    With the default tolerances the logits agree with closed solutions to 1e-8 and better (tests/test_flow.py), and
    sliding pre-activations stay below 1e-9.

    Examples
    --------
    >>> data = Dataset([[1.0], [-1.0]], [1, -1])
    >>> run = flow(Network(([[0.5]], [0.5])), data, loss="hinge", times=[0.0, 1.0, 10.0])
    >>> run.logits[:, 0].round(8)
    array([0.25      , 0.67957046, 1.        ])
    """
    ts, relative, absolute = _checked(network, data, loss, times, rtol, atol, batch_size)
    # An overflow ends in a FlowError; numpy's own warnings would only repeat it.
    with np.errstate(all="ignore"):
        paths = [Path(member, data, loss, ts, relative, absolute) for member in network.flat()]
        try:
            _follow(paths, progress)
        except KeyboardInterrupt:
            message = f"interrupted at t = {_reached(paths):.6g}; what was recorded is kept"
            return _result(network, data, loss, paths, Status.INTERRUPTED, message)
        except BrokenError as error:
            at = _reached(paths)
            message = f"the flow stopped at t = {at:.10g} of {ts[-1]:.10g}: {error}"
            raise FlowError(message, at, _result(network, data, loss, paths, error.status, message)) from error
        return _result(network, data, loss, paths, Status.FINISHED, "")


def _checked(
    network: Network, data: Dataset, loss: str, times: ArrayLike, rtol: float, atol: float, batch_size: Any
) -> tuple[Floats, float, float]:
    losses.get(loss)
    check_readout(network, data, loss)
    if batch_size is not None:
        raise ValueError(f"batch_size must be None for the flow, which has no batches, got {batch_size!r}")
    relative, absolute = checks.number("rtol", rtol), checks.number("atol", atol)
    if relative < _LEAST_RTOL:
        raise ValueError(f"rtol must be at least {_LEAST_RTOL:.3g}, the solver's rounding, got {relative:.10g}")
    _check_resolution(network, absolute)
    return checks.times("times", times), relative, absolute


def _check_resolution(network: Network, atol: float) -> None:
    """A unit whose weights atol does not resolve to four digits cannot be told from one that sits on its kinks."""
    axes = len(network.ensemble)
    for layer, weight in enumerate(network.weights[:-1]):
        size = np.abs(weight) if weight.ndim == axes + 1 else np.abs(weight).max(axis=-1)
        if network.biases is not None:
            size = np.maximum(size, np.abs(network.biases[layer]))
        least = float(np.min(size, where=size > 0.0, initial=np.inf))
        if atol > _RESOLVED * least:
            raise ValueError(
                f"atol must be at most {_RESOLVED * least:.3g}, {_RESOLVED:g} of the largest weight of the "
                f"smallest hidden unit ({least:.3g}), got {atol:g}"
            )


def _follow(paths: list[Path], progress: bool) -> None:
    from tqdm import tqdm

    total = sum(len(path.times) for path in paths)
    with tqdm(total=total, disable=not progress, unit="record") as bar:
        for path in paths:
            path.follow(bar.update)


def _reached(paths: list[Path]) -> float:
    """The time in the network that was not finished."""
    return next((path.time for path in paths if path.done < len(path.times)), float(paths[-1].times[-1]))


def _result(
    network: Network, data: Dataset, loss: str, paths: list[Path], status: Status, message: str
) -> Trajectory:
    rows, lead = max(path.done for path in paths), network.ensemble
    logits = np.stack([path.logits()[:rows] for path in paths], axis=1)
    last = None
    if status == Status.FINISHED:
        arrays = [np.stack(layer) for layer in zip(*(path.last() for path in paths), strict=True)]
        last = network.with_parameters([a.reshape((*lead, *a.shape[1:])) for a in arrays])
    return Trajectory(
        paths[0].times[:rows],
        logits.reshape(rows, *lead, *logits.shape[2:]),
        data.y,
        data.weights,
        loss,
        status=status,
        message=message,
        network=last,
        start=network,
        data=data,
        meta={"optimizer": "flow", "rtol": paths[0].rtol, "atol": paths[0].atol} | _facts(paths),
    )


def _facts(paths: list[Path]) -> dict[str, Any]:
    return {
        "events": sum(path.events for path in paths),
        "evaluations": sum(path.field.evaluations for path in paths),
        "sliding": max(path.sliding for path in paths),
        "ambiguous": sum(path.ambiguous for path in paths),
        "drift": max(path.drift for path in paths),
    }
