"""The one result that both sides produce: logits over time. The time axis is t = lr x step."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import archive, checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.losses import Loss
from dynsim.network import Network

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

#: What `Trajectory.from_arrays` and `.read_csv` accept as a curve.
QUANTITIES = ("logits", "confidence", "error", "loss")


#: So many values do not happen to be float32, or to have few decimals, by chance.
_MANY = 20


class Status(enum.StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Logits of every point at increasing times.

    Attributes
    ----------
    time : ndarray, shape (T,)
        t = lr x step.
    logits : ndarray, shape (T, ..., n)
        f(x_i) at each time; leading axes are those of an ensemble. NaN after a member of an ensemble diverged.
    labels, weights : ndarray, shape (n,)
    loss_name : str
    step : ndarray of int, shape (T,), or None for a continuous-time law
    lr : float or None
    status : Status
    message : str
        What happened and what to try, where the run did not finish.
    lower, upper : ndarray like logits, or None
        A band, where the law has one.
    network, start : Network or None
        The last and the first network of a run.
    data : Dataset or None
        What it was trained on.
    meta : mapping
        Plain facts about the run or the law (optimizer, batch size, law, equation, ...).
    """

    time: Floats
    logits: Floats
    labels: Floats
    weights: Floats
    loss_name: str = "cross_entropy"
    step: NDArray[np.int64] | None = None
    lr: float | None = None
    status: Status = Status.FINISHED
    message: str = ""
    lower: Floats | None = None
    upper: Floats | None = None
    network: Network | None = None
    start: Network | None = None
    data: Dataset | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("time", "logits", "labels", "weights", "step", "lower", "upper"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.frozen(np.asarray(value)))
        object.__setattr__(self, "status", Status(self.status))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        self._check()

    def _check(self) -> None:
        if np.any(np.diff(self.time) <= 0):
            checks.times("time", self.time, infinite=True)
        if not np.all(np.abs(self.labels) == 1):
            raise ValueError(f"labels must be +1 or -1, got {self.labels.tolist()[:10]}")
        if self.weights.shape != self.labels.shape:
            wanted = self.labels.shape
            raise ValueError(f"weights must have the shape of labels, {wanted}, got {self.weights.shape}")
        shape = self.logits.shape
        if len(shape) < 2 or shape[0] != len(self.time) or shape[-1] != len(self.labels):
            raise ValueError(
                f"logits must have shape (T, ..., n) = ({len(self.time)}, ..., {len(self.labels)}), got {shape}"
            )
        losses.get(self.loss_name)

    # ---- derived curves ----------------------------------------------------------------------------------

    @property
    def loss_function(self) -> Loss:
        """The loss, as functions of the margin."""
        return losses.get(self.loss_name)

    @property
    def margin(self) -> Floats:
        """y_i f(x_i), shape (T, ..., n)."""
        return self.labels * self.logits

    @property
    def confidence(self) -> Floats:
        """The paper's o: sigmoid of the margin for cross-entropy, sigma(2 m) for the exponential loss, the
        margin itself for hinge and squared loss; shape (T, ..., n)."""
        return self.loss_function.confidence(self.margin)

    @property
    def error(self) -> Floats:
        """1 - confidence, shape (T, ..., n)."""
        return self.loss_function.error(self.margin)

    @property
    def point_loss(self) -> Floats:
        """l(m_i), shape (T, ..., n)."""
        return self.loss_function.value(self.margin)

    @property
    def loss(self) -> Floats:
        """L = sum_i q_i l(m_i), shape (T, ...)."""
        return self.point_loss @ self.weights

    def crossing(self, level: float) -> Floats:
        """When each point's confidence first reaches a level, shape (..., n).

        Linear in the margin between records; NaN where it is not reached within the recorded times.
        """
        return first_crossing(self.time, self.margin, self.loss_function.level("level", level))

    # ---- in and out --------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        time: ArrayLike,
        logits: ArrayLike | None = None,
        confidence: ArrayLike | None = None,
        error: ArrayLike | None = None,
        loss: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        loss_name: str = "cross_entropy",
        lr: float | None = None,
        batch_size: int | None = None,
    ) -> Trajectory:
        """A trajectory from a measured curve, for instance from another framework.

        Parameters
        ----------
        time : array_like, shape (T,)
            t = lr x step: multiply your step counter by the learning rate.
        logits, confidence, error, loss : array_like, shape (T,) or (T, n)
            Exactly one of them, a column a point (or one curve for a class). `loss` is l(m) of each point.
        labels : array_like, shape (n,), optional
            +1 or -1; default +1: the curve is that of a margin.
        weights : array_like, shape (n,), optional
            Default 1/n.
        loss_name : str
            The loss the run was trained with.
        lr : float, optional
            Needed to tell step size from theory in `compare`; else the smallest time difference bounds it.
        batch_size : int, optional
            Of SGD that draws with replacement; None for full-batch gradient descent.

        Notes
        -----
        `compare` allows for the rounding of the curve: that of its type, of float32 where every value is one, and
        of a number of decimals where 20 values or more all have no more than that.

        Raises
        ------
        ValueError
            For decreasing times, NaN, none or several curves, or values the quantity cannot take.

        Examples
        --------
        >>> Trajectory.from_arrays([0.0, 1.0], confidence=[0.5, 0.75]).margin.round(6)
        array([[0.      ],
               [1.098612]])
        """
        curves = dict(zip(QUANTITIES, (logits, confidence, error, loss), strict=True))
        given = {name: values for name, values in curves.items() if values is not None}
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"exactly one of {', '.join(QUANTITIES)} must be given, got {found}")
        (name, values), = given.items()
        t = checks.times("time", time)
        table = checks.array(name, values, infinite=True)
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or len(table) != len(t):
            raise ValueError(f"{name} must have shape (T,) or (T, n) with T = {len(t)}, got {np.shape(values)}")
        _check_lr(t, lr)
        n = table.shape[1]
        y = np.ones(n) if labels is None else checks.array("labels", labels, ndim=1)
        if y.shape != (n,) or not np.all(np.abs(y) == 1):
            raise ValueError(f"labels must be {n} values +1 or -1, got {labels!r}")
        q = np.full(n, 1.0 / n) if weights is None else checks.nonnegative("weights", weights)
        if q.shape != (n,):
            raise ValueError(f"weights must have one value for each of the {n} points, got shape {q.shape}")
        return cls(
            t,
            table if name == "logits" else y * _margin(name, table, losses.get(loss_name)),
            y,
            q,
            loss_name,
            lr=None if lr is None else checks.number("lr", lr),
            meta={
                "source": name,
                "epsilon": _relative_rounding(values),
                "rounding": _absolute_rounding(table),
                "batch_size": None if batch_size is None else checks.count("batch_size", batch_size, least=1),
            },
        )

    @classmethod
    def read_csv(
        cls, path: str | PathLike[str], *, loss_name: str = "cross_entropy", lr: float | None = None
    ) -> Trajectory:
        """Read a curve: a column `time` (or `step`, with `lr`) and columns of one quantity.

        The quantity is what the other headers begin with: logit, confidence, error or loss; a header that ends
        in (-1) is a point of class -1. `to_csv` writes this format.
        """
        columns = archive.read_curve(path, lr)
        curve: dict[str, Any] = {columns.quantity: columns.values}
        return cls.from_arrays(columns.time, labels=columns.labels, loss_name=loss_name, lr=lr, **curve)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write time, step and one column of logits a point; 17 digits, nothing is lost. Not for ensembles."""
        archive.write_curve(self, path)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to an .npz file (arrays and one JSON text, no pickle)."""
        archive.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Trajectory:
        """Read what `save` wrote."""
        return cls(**archive.load(path))

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a time and point (and member of an ensemble); needs pandas, the extra `pandas`."""
        return archive.dataframe(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the confidence of every point over time."""
        from dynsim import plotting

        return plotting.trajectory(self, ax)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.logits.shape[1:]))
        span = f" from {self.time[0]:.4g} to {self.time[-1]:.4g}" if len(self.time) else ""
        return f"Trajectory({self.loss_name}, {len(self.time)} times{span}, {shape} logits, {self.status})"


def first_crossing(time: Floats, values: Floats, level: float) -> Floats:
    """When `values` (T, ...) first reaches `level`, linear between records; NaN where it does not."""
    reached = values >= level
    after = np.argmax(reached, axis=0)
    before = np.maximum(after - 1, 0)
    v0 = np.take_along_axis(values, before[None], axis=0)[0]
    v1 = np.take_along_axis(values, after[None], axis=0)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(after > before, (level - v0) / (v1 - v0), 0.0)
    found = time[before] + share * (time[after] - time[before])
    return np.where(reached.any(axis=0), found, np.nan)


def _margin(name: str, values: Floats, loss: Loss) -> Floats:
    if name == "loss":
        bad, wanted = values < 0, "at least 0"
    elif loss.name in ("cross_entropy", "exponential"):
        bad, wanted = (values < 0) | (values > 1), "between 0 and 1"
    else:
        bad, wanted = np.isinf(values), "finite"
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be {wanted} for {loss.name}, got {values[place]:.10g} at {place}")
    if name == "loss":
        return loss.margin_of_value(values)
    if name == "error" and loss.name in ("cross_entropy", "exponential"):
        # logit(1 - e) = -logit(e): keeps an error of 1e-20.
        return -loss.margin_at(values)
    return loss.margin_at(1.0 - values if name == "error" else values)


def _check_lr(time: Floats, lr: float | None) -> None:
    """Two records are at least one step apart."""
    if lr is None or len(time) < 2:
        return
    gap = float(np.min(np.diff(time)))
    if checks.number("lr", lr) > gap * (1.0 + 1e-6):
        raise ValueError(f"lr must be at most {gap:.10g}, the smallest difference of time (lr x step), got {lr:g}")


def _relative_rounding(values: ArrayLike | None) -> float:
    """Epsilon of the type the values came in, or of float32 where every one of many values is one."""
    given = np.asarray(values)
    if given.dtype.kind != "f":
        return float(np.finfo(np.float64).eps)
    with np.errstate(over="ignore", under="ignore"):
        single = given.size >= _MANY and bool(np.all(given.astype(np.float32) == given))
    return float(np.finfo(np.float32 if single and given.dtype.itemsize > 4 else given.dtype).eps)


def _absolute_rounding(table: Floats) -> float:
    """Half a unit of the last decimal, where many values all have no more than 12 decimals; else 0."""
    finite = table[np.isfinite(table)]
    if np.unique(finite).size < _MANY:
        return 0.0
    for decimals in range(13):
        if np.array_equal(np.round(finite, decimals), finite):
            return 0.5 * 10.0**-decimals
    return 0.0
