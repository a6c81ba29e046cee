"""The one result that both sides produce: logits over time. The time axis is t = lr x step."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import archive, checks, curves, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.losses import Loss
from dynsim.network import Network

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

#: What `Trajectory.from_arrays` and `.read_csv` accept as a curve.
QUANTITIES = ("logits", "confidence", "error", "loss")



class Status(enum.StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


class Outcome(enum.StrEnum):
    """How one network of a run ended.

    TRAINING: its weights still change. LEARNT: no point pulls any more (hinge: all margins at least 1).
    DEAD: points pull, but no hidden unit is active on any of them. STATIONARY: all forces cancel.
    DIVERGED: not finite.
    """

    TRAINING = "training"
    LEARNT = "learnt"
    DEAD = "dead"
    STATIONARY = "stationary"
    DIVERGED = "diverged"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Logits of every point at increasing times.

    Attributes
    ----------
    time : ndarray, shape (T,), or (T, ...) where lr differs over an ensemble
        t = lr x step.
    logits : ndarray, shape (T, ..., n), or (T, ..., n, C) for C classes
        f(x_i) at each time; leading axes are those of an ensemble. NaN after a member of an ensemble diverged.
    labels : ndarray, shape (n,)
        +1 and -1, or class ids 0 ... C-1.
    weights : ndarray, shape (n,), or (..., n) where they differ over an ensemble
    loss_name : str
    step : ndarray of int, shape (T,), or None for a continuous-time law
    lr : float, or ndarray of the ensemble's shape where it differs, or None without steps
    status : Status
    message : str
        What happened and what to try, where the run did not finish.
    lower, upper, mean : ndarray like logits, or None
        A band and the mean, where the law is one of random runs; logits are then the median.
    network, start : Network or None
        The last and the first network of a run.
    data : Dataset or None
        What it was trained on.
    outcome : ndarray of str, shape (...), or None
        How each network of a run ended, an `Outcome`.
    stopped : ndarray of int, shape (...), or None
        The step at which it was seen that nothing can change any more (the end of a block of steps), or that
        numbers are not finite (the first record that shows it, or the end of a block); -1 for the others.
    meta : mapping
        Plain facts about the run or the law (optimizer, batch size, law, equation, ...).
    """

    time: Floats
    logits: Floats
    labels: Floats
    weights: Floats
    loss_name: str = "cross_entropy"
    step: NDArray[np.int64] | None = None
    lr: Any = None
    status: Status = Status.FINISHED
    message: str = ""
    lower: Floats | None = None
    upper: Floats | None = None
    mean: Floats | None = None
    network: Network | None = None
    start: Network | None = None
    data: Dataset | None = None
    outcome: NDArray[np.str_] | None = None
    stopped: NDArray[np.int64] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("time", "logits", "labels", "weights", "step", "lower", "upper", "mean", "outcome", "stopped"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.frozen(np.asarray(value)))
        object.__setattr__(self, "status", Status(self.status))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        self._check()

    def _check(self) -> None:
        if np.any(np.diff(self.time, axis=0) <= 0):
            checks.times("time", self.time.reshape(len(self.time), -1)[:, 0], infinite=True)
            raise ValueError("time must increase along its first axis for every network")
        if np.isnan(self.time).any():
            raise ValueError("time must hold numbers, got nan")
        if not np.all(self.weights >= 0.0):
            raise ValueError(f"weights must be at least 0, got {self.weights.ravel()[:10].tolist()}")
        if self.classes is None and not np.all(np.abs(self.labels) == 1):
            raise ValueError(f"labels must be +1 or -1, or class ids 0 ... C-1, got {self.labels.tolist()[:10]}")
        T, n, C = len(self.time), len(self.labels), self.classes
        tail = (n,) if C is None else (n, C)
        shape, least = self.logits.shape, 1 + len(tail)
        if len(shape) < least or shape[0] != T or shape[len(shape) - len(tail) :] != tail:
            wanted = f"({T}, ..., {n})" if C is None else f"({T}, ..., {n}, {C})"
            raise ValueError(f"logits must have shape (T, ..., n{', C' * (C is not None)}) = {wanted}, got {shape}")
        if C is not None and not np.all(self.labels < C):
            most = self.labels.max()
            raise ValueError(f"labels must be class ids below {C}, the logits of a point, got {most:g}")
        lead = self.ensemble
        if self.time.shape not in ((T,), (T, *lead)):
            raise ValueError(f"time must have shape {(T,)} or {(T, *lead)}, got {self.time.shape}")
        if self.weights.shape not in ((n,), (*lead, n)):
            raise ValueError(f"weights must have the shape of labels, {(n,)}, got {self.weights.shape}")
        losses.get(self.loss_name)

    @property
    def classes(self) -> int | None:
        """C where the labels are class ids 0 ... C-1, None where they are +1 and -1."""
        y = self.labels
        ids = y.size > 0 and bool(np.all((y >= 0) & (np.rint(y) == y))) and bool(np.any(y == 0))
        return int(self.logits.shape[-1]) if ids else None

    @property
    def ensemble(self) -> tuple[int, ...]:
        """The axes of the ensemble; () for a single network."""
        return tuple(self.logits.shape[1 : -1 if self.classes is None else -2])

    def member(self, *index: int) -> Trajectory:
        """The trajectory of one network of an ensemble, with its own time, lr and weights."""
        if not all(isinstance(i, (int, np.integer)) for i in index):
            raise IndexError(f"index must be whole numbers, one an axis of the ensemble, got {index}")
        if len(index) != len(self.ensemble):
            wanted = f"{len(self.ensemble)} numbers, one an axis of the ensemble"
            raise IndexError(f"index must have {wanted}, got {index}")
        along: Any = (slice(None), *index)
        fields = {name: getattr(self, name) for name in ("logits", "lower", "upper", "mean")}
        cut: dict[str, Any] = {name: None if v is None else v[along] for name, v in fields.items()}
        for name in ("network", "start"):
            held = getattr(self, name)
            cut[name] = held[index] if index and held is not None else held
        for name in ("outcome", "stopped"):
            cut[name] = None if getattr(self, name) is None else getattr(self, name)[index]
        cut["time"] = self.time[along] if self.time.ndim > 1 else self.time
        cut["weights"] = self.weights[index] if self.weights.ndim > 1 else self.weights
        cut["lr"] = self.lr if np.ndim(self.lr) == 0 else float(np.asarray(self.lr)[index])
        if cut["outcome"] is not None and self.status == Status.DIVERGED and cut["outcome"] != Outcome.DIVERGED:
            # It was another network that diverged; this one went on to the end.
            cut["status"], cut["message"] = Status.FINISHED, ""
        if self.data is not None and self.weights.ndim > 1:
            cut["data"] = replace(self.data, weights=cut["weights"])
        return replace(self, **cut)

    # ---- derived curves ----------------------------------------------------------------------------------

    @property
    def loss_function(self) -> Loss:
        """The loss, as functions of the margin."""
        return losses.get(self.loss_name)

    @property
    def own_logit(self) -> Floats:
        """The logit itself, or for C classes that of each point's own class; shape (T, ..., n)."""
        if self.classes is None:
            return self.logits
        own = np.broadcast_to(self.labels.astype(np.int64)[:, None], (*self.logits.shape[:-1], 1))
        return np.asarray(np.take_along_axis(self.logits, own, axis=-1)[..., 0])

    def _others(self) -> Floats:
        """The logits of the other classes, shape (T, ..., n, C - 1)."""
        n, C = self.logits.shape[-2:]
        keep = np.array([[j for j in range(C) if j != c] for c in self.labels.astype(int)])
        return np.asarray(self.logits[..., np.arange(n)[:, None], keep])

    @property
    def margin(self) -> Floats:
        """y_i f(x_i), or for C classes f_y - max of the others; shape (T, ..., n)."""
        if self.classes is None:
            return self.labels * self.logits
        return np.asarray(self.own_logit - self._others().max(axis=-1))

    @property
    def log_odds(self) -> Floats:
        """The margin that `loss_function` is applied to, shape (T, ..., n): y_i f(x_i), and for the softmax of C
        classes log(o / (1 - o)) = f_y - log sum_{c != y} exp(f_c)."""
        if self.classes is None:
            return self.margin
        others = self._others()
        top = others.max(axis=-1)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.own_logit - top - np.log(np.exp(others - top[..., None]).sum(axis=-1)))

    @property
    def confidence(self) -> Floats:
        """The paper's o: sigmoid of the margin or softmax for cross-entropy, sigma(2 m) for the exponential loss,
        the margin itself for hinge and squared loss; shape (T, ..., n)."""
        return self.loss_function.confidence(self.log_odds)

    @property
    def error(self) -> Floats:
        """1 - confidence, shape (T, ..., n)."""
        return self.loss_function.error(self.log_odds)

    @property
    def point_loss(self) -> Floats:
        """l of each point, shape (T, ..., n)."""
        return self.loss_function.value(self.log_odds)

    @property
    def loss(self) -> Floats:
        """L = sum_i q_i l(m_i), shape (T, ...)."""
        if self.weights.ndim == 1:
            return self.point_loss @ self.weights
        return np.asarray(np.sum(self.point_loss * self.weights, axis=-1))

    def crossing(self, level: float) -> Floats:
        """When each point's confidence first reaches a level, shape (..., n).

        Linear in the margin (C classes: in the log-odds) between records; NaN where it is not reached within the
        recorded times.
        """
        return first_crossing(self.time, self.log_odds, self.loss_function.level("level", level))

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
        quantities = dict(zip(QUANTITIES, (logits, confidence, error, loss), strict=True))
        given = {name: values for name, values in quantities.items() if values is not None}
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"exactly one of {', '.join(QUANTITIES)} must be given, got {found}")
        (name, values), = given.items()
        t = checks.times("time", time)
        table = checks.array(name, values, infinite=True)
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or len(table) != len(t):
            raise ValueError(f"{name} must have shape (T,) or (T, n) with T = {len(t)}, got {np.shape(values)}")
        curves.check_lr(t, lr)
        n = table.shape[1]
        y = np.ones(n) if labels is None else checks.array("labels", labels, ndim=1)
        if y.shape != (n,) or not np.all(np.abs(y) == 1):
            raise ValueError(f"labels must be {n} values +1 or -1, got {labels!r}")
        q = np.full(n, 1.0 / n) if weights is None else checks.nonnegative("weights", weights)
        if q.shape != (n,):
            raise ValueError(f"weights must have one value for each of the {n} points, got shape {q.shape}")
        return cls(
            t,
            table if name == "logits" else y * curves.margin(name, table, losses.get(loss_name)),
            y,
            q,
            loss_name,
            lr=None if lr is None else checks.number("lr", lr),
            meta={
                "source": name,
                "epsilon": curves.relative_rounding(values),
                "rounding": curves.absolute_rounding(table),
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
        span = f" from {np.min(self.time):.4g} to {np.max(self.time):.4g}" if self.time.size else ""
        return f"Trajectory({self.loss_name}, {len(self.time)} times{span}, {shape} logits, {self.status})"


def first_crossing(time: Floats, values: Floats, level: float) -> Floats:
    """When `values` (T, ..., n) first reaches `level`, linear between records; NaN where it does not.

    time has shape (T,), or (T, ...) with a time axis for each network.
    """
    clock = time if time.ndim == 1 else np.broadcast_to(time[..., None], values.shape)
    reached = values >= level
    after = np.argmax(reached, axis=0)
    before = np.maximum(after - 1, 0)

    def at(curve: Floats, index: NDArray[np.int64]) -> Floats:
        if curve.ndim == 1:
            return np.asarray(curve[index])
        return np.asarray(np.take_along_axis(curve, index[None], axis=0)[0])

    v0, v1, t0, t1 = at(values, before), at(values, after), at(clock, before), at(clock, after)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(after > before, (level - v0) / (v1 - v0), 0.0)
    return np.where(reached.any(axis=0), t0 + share * (t1 - t0), np.nan)
