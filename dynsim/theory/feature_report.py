"""How confident a network is on each feature of a user's own data alone, against how often the feature occurs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.network import Network
from dynsim.theory import feature_bound, feature_groups
from dynsim.theory.feature_groups import Alone, Summary, probed
from dynsim.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FeatureReport", "probed", "report"]

Mask = NDArray[np.bool_]
#: Pre-activations (members x units x points) of one call.
_AT_ONCE = 10_000_000
#: Sums and differences of logits up to this are finite.
_LARGEST = 1e300
#: No more networks of an ensemble than this are drawn.
_DRAWN = 10
_HEADER = ("feature", "class", "frequency", "length", "confidence", "margin", "bound", "starved")


@dataclass(frozen=True, eq=False)
class FeatureReport:
    """Features alone: F features, C classes; leading axes are the times of a run, then those of an ensemble.

    Attributes
    ----------
    names : tuple of str, length F
    class_names : tuple of str, length C
        In the order of `Dataset.labels`.
    loss_name : str
    frequency : ndarray, shape (F, C)
        Share of the class's weight whose points have the feature.
    length : ndarray, shape (F, C)
        Weighted mean of \\|P_G (x - baseline)\\| over these points, in units of the data; nan where there are none.
    margin, confidence : ndarray, shape (..., F, C)
        Weighted means, over these points with nothing but the feature, of the margin (y f, or f_y - max of the
        others) and of the confidence that the loss speaks of (for C classes the softmax probability of the class).
        nan where the feature does not occur in the class, and after a network diverged.
    bound : ndarray, shape (..., F, C)
        sigma(lam (b/a)^2 L) of Thm 6.1 (v2): lam and b are frequency and length of the feature, a the length of the
        strong one, which is the most frequent of the class (of equals the longest), and L the margin on that alone.
        nan for the strong one itself, and where no feature is in every point of the class, the feature is not
        orthogonal to it or does not occur, L is negative, the baseline is not 0, the loss is not cross-entropy, or
        the labels are class ids. A feature that is the same in every point of both classes tells nothing of the
        class: it is never the strong one and has no bound.
    proven : ndarray of bool, shape (..., F, C)
        Where the bound is a theorem (docs/theory.md): the class holds x1 and x1 + x2 and nothing else, no inner
        product with other classes is positive, the network has one hidden layer and no biases, and the weights
        -- those of a run at its start, trained on all points by gradient descent, momentum or flow -- satisfy the
        condition of Thm 6.1 (v2) unit by unit. Elsewhere the bound is a guide.
    starved : ndarray of bool, shape (..., F, C)
        Where the feature is rarer than the strong one, that is learnt, this is not, and its confidence does not
        exceed the bound. Learnt is a confidence above 3/4: the pull 1 - P on a point, 1/2 at margin 0, has more
        than halved. False where there is no bound, where both are in every point, and before the strong one is
        learnt.
    time : ndarray, shape (T,), or (T, ...) where lr differs over an ensemble, or None
        t = lr x step of a run; None for a network.
    notes : tuple of str
        What to know before reading the numbers.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    loss_name: str
    frequency: Floats
    length: Floats
    margin: Floats
    confidence: Floats
    bound: Floats
    proven: Mask
    starved: Mask
    time: Floats | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("frequency", "length", "margin", "confidence", "bound", "proven", "starved", "time"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checks.frozen(getattr(self, name)))

    @property
    def ensemble(self) -> tuple[int, ...]:
        """The axes of the ensemble; () for a single network."""
        return tuple(self.margin.shape[self.time is not None : -2])

    def __str__(self) -> str:
        last = self.time is not None
        when = f", at t = {_clock(self.time)} (t = lr x step)" if self.time is not None else ""
        many = f", median of {math.prod(self.ensemble)} networks" if self.ensemble else ""
        lines = [f"each feature alone: {self.loss_name}{when}{many}", *_aligned([_HEADER, *self._rows(last)])]
        return "\n".join(lines + [f"note  {note}" for note in self.notes])

    def __repr__(self) -> str:
        times = "" if self.time is None else f"{len(self.time)} times, "
        size = f"{len(self.names)} features, {len(self.class_names)} classes"
        return f"FeatureReport({self.loss_name}, {times}{size})"

    def _rows(self, last: bool) -> list[tuple[str, ...]]:
        def members(curve: NDArray[Any]) -> NDArray[Any]:
            return (curve[-1] if last else curve).reshape(-1, *self.frequency.shape)

        numbers = [members(v) for v in (self.confidence, self.margin, self.bound)]
        below, rows = members(self.starved), []
        for i, name in enumerate(self.names):
            for c, kind in enumerate(self.class_names):
                fixed = [_number(self.frequency[i, c]), _number(self.length[i, c])]
                shown = [_middle(v[:, i, c]) for v in numbers]
                rows.append((name, kind, *fixed, *shown, _starved(below[:, i, c], numbers[2][:, i, c])))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Everything as lists, text and numbers, ready for JSON: what is not finite becomes None."""
        numbers = {
            name: _finite(getattr(self, name).tolist())
            for name in ("frequency", "length", "margin", "confidence", "bound", "proven", "starved")
        }
        return {
            "names": list(self.names),
            "class_names": list(self.class_names),
            "loss": self.loss_name,
            "time": None if self.time is None else self.time.tolist(),
            **numbers,
            "notes": list(self.notes),
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the confidence on each feature alone: through the time of a run, or against frequency.

        A colour a feature, a line style (for a network a marker) a class, no more than ten networks of an ensemble.
        """
        from matplotlib.figure import Figure

        ax = Figure(layout="constrained").subplots() if ax is None else ax
        for i, name in enumerate(self.names):
            for c, kind in enumerate(self.class_names):
                if self.frequency[i, c] > 0.0:
                    label = f"{name}, class {kind} ({self.frequency[i, c]:.3g})"
                    self._draw(ax, i, c, label)
        ax.set_xlabel("frequency in the class" if self.time is None else "t = lr x step")
        sigmoid = self.loss_name in ("cross_entropy", "exponential")
        ax.set_ylabel("confidence on the feature alone" if sigmoid else "margin on the feature alone")
        if ax.lines:
            ax.legend(fontsize="small", frameon=False)
        return ax

    def _draw(self, ax: Axes, i: int, c: int, label: str) -> None:
        values, colour = self.confidence[..., i, c], f"C{i % 10}"
        if self.time is None:
            flat = values.reshape(-1)[:_DRAWN]
            at = np.full(len(flat), self.frequency[i, c])
            ax.plot(at, flat, color=colour, marker="osD^vPX"[c % 7], linestyle="none", label=label)
            return
        clock = self.time.reshape(*self.time.shape, *[1] * (values.ndim - self.time.ndim))
        clocks, curves = (v.reshape(len(values), -1) for v in (np.broadcast_to(clock, values.shape), values))
        for k in range(min(_DRAWN, curves.shape[1])):
            style = ("-", "--", ":", "-.")[c % 4]
            ax.plot(clocks[:, k], curves[:, k], color=colour, linestyle=style, label=None if k else label)


def report(
    network: Network | Trajectory,
    data: Dataset,
    features: Any,
    *,
    loss: str | None = None,
    threshold: ArrayLike = 0.0,
    baseline: ArrayLike | None = None,
) -> FeatureReport:
    """How confident a network is on each feature alone, against how often the feature occurs (Section 6 (v2)).

    P_G is the projection onto a group of coordinates, or onto the span of directions. A point has the feature if
    \\|P_G (x - baseline)\\| > threshold, and the feature alone is the point baseline + P_G (x - baseline), with the
    label of x. Every average is one over the points of a class that have the feature, by their weights; points of
    weight 0 are left out.

    Parameters
    ----------
    network : Network or Trajectory
        One network or an ensemble (snapshots of one, for instance), or a run on `probed(data, features)`.
    data : Dataset
        Your data; for a run, those that were given to `probed`.
    features : mapping from names to groups, or sequence of groups
        A group: integer coordinates, a mask of d booleans, a direction of d floats, or several directions, floats
        (k, d), for the projection onto their span. Integers are coordinates and floats are directions, whatever
        their values.
    loss : str, optional
        Whose confidence is reported; default "cross_entropy", or the loss of the run.
    threshold : float or array_like, shape (F,)
        In units of the data. Along directions, lengths below 4 d 2.2e-16 max\\|x_i\\| are rounding and count as 0.
    baseline : float or array_like, shape (d,), optional
        What an absent feature looks like; default 0. For images with a grey background, for instance, the grey.

    Returns
    -------
    FeatureReport
        Groups that overlap are allowed; a note says so.

    Raises
    ------
    ValueError
        For groups that are empty, out of range, of another length, repeat a coordinate, or hold NaN, a zero
        direction or dependent ones; a network, labels and a loss that do not fit; a run that did not record the
        features alone; coordinates above 1e150, lengths whose squared ratio is not finite, and weights for which
        the logits on the features alone are not.

    Examples
    --------
    >>> data = Dataset([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [-1.0, -1.0]], [1, 1, -1, -1], [0.9, 0.1, 0.9, 0.1])
    >>> network = Network(([[2.0, 0.1], [-2.0, -0.1]], [2.0, -2.0]))
    >>> print(report(network, data, {"shape": [0], "colour": [1]}))
    each feature alone: cross_entropy
      feature  class  frequency  length  confidence  margin  bound   starved
      shape    +1     1          1       0.982       4       -       -
      shape    -1     1          1       0.982       4       -       -
      colour   +1     0.1        1       0.5498      0.2     0.5987  yes
      colour   -1     0.1        1       0.5498      0.2     0.5987  yes
    """
    asked = feature_groups.request(data, features, baseline, threshold)
    name = _loss(network, loss)
    classes = _check_readout(network, data, name)
    read = _reader(network, data)
    sides: list[list[tuple[Floats, Floats]]] = []
    alone: list[list[Summary]] = []
    for label in data.labels:
        sides.append([])
        alone.append([])
        for one in asked.alone(label):
            sides[-1].append(_sides(read(one, label), one, label, classes, losses.get(name)))
            alone[-1].append(one.summary())
    margin, confidence = (np.stack([np.stack([s[k] for s in row], -1) for row in sides], -1) for k in (0, 1))
    frequency, length = (np.array([[one[k] for one in row] for row in alone], dtype=float).T for k in (0, 1))
    given = classes is None and name == "cross_entropy"
    if given:
        below = feature_bound.bounds(network, asked, alone, margin, confidence)
    else:
        below = feature_bound.no_bounds(margin, name, classes)
    return FeatureReport(
        tuple(group.name for group in asked.groups), data.class_names, name, frequency, length, margin, confidence,
        below.bound, below.proven, below.starved, network.time if isinstance(network, Trajectory) else None,
        tuple(note for note in (feature_groups.overlap(asked.groups), *below.notes) if note),
    )  # fmt: skip


# ---- logits on the features alone --------------------------------------------------------------------------


def _loss(network: Network | Trajectory, loss: str | None) -> str:
    if not isinstance(network, (Network, Trajectory)):
        raise ValueError(f"network must be a Network or a Trajectory, got {type(network).__name__}")
    if isinstance(network, Trajectory):
        if loss is not None and losses.get(loss).name != network.loss_name:
            raise ValueError(f"loss must be that of the run, {network.loss_name!r}, got {loss!r}")
        return network.loss_name
    return losses.get("cross_entropy" if loss is None else loss).name


def _check_readout(network: Network | Trajectory, data: Dataset, loss: str) -> int | None:
    """The number of classes of the readout, None for one logit; it must be that of the data."""
    classes = network.classes
    if classes is None:
        data.needs_two_classes("a network with one logit")
    elif data.classes != classes:
        found = "labels +1 and -1" if data.classes is None else f"{data.classes} classes"
        raise ValueError(f"data must have class ids 0 ... {classes - 1}, as the network has, got {found}")
    elif loss != "cross_entropy":
        raise ValueError(f"loss must be 'cross_entropy' for a softmax readout, got {loss!r}")
    if isinstance(network, Network) and network.dimension != data.dimension:
        raise ValueError(f"data must have {network.dimension} coordinates, the network's, got {data.dimension}")
    return classes


def _reader(network: Network | Trajectory, data: Dataset) -> Any:
    """A function of (Alone, label) that returns the logits (..., m), or (..., m, C), of its points."""
    if isinstance(network, Network):
        return lambda alone, label: _logits(network, alone.points)
    run, held = network, network.data
    if held is None:
        raise ValueError("network must be a run with its data (dynsim.train on probed(...)), got one without")
    if held.dimension != data.dimension:
        raise ValueError(f"data must have the {held.dimension} coordinates of the run's, got {data.dimension}")
    weighs, own = held.weights > 0.0, data.weights > 0.0
    pairs = ((held.X, data.X), (held.y, data.y), (held.weights, data.weights))
    if not all(np.array_equal(theirs[weighs], ours[own]) for theirs, ours in pairs):
        raise ValueError(
            "data must be those of the run (one on probed(data, ...)), got other points, labels or weights"
        )
    place = {(row.tobytes(), y): i for i, (row, y) in enumerate(zip(held.X + 0.0, held.y.tolist(), strict=True))}

    def read(alone: Alone, label: int) -> Floats:
        index = [place.get((row.tobytes(), float(label)), -1) for row in alone.points]
        if -1 in index:
            point = alone.points[index.index(-1)]
            raise ValueError(
                "network must be a run on probed(data, features) with these data, features, baseline and threshold "
                f"(or a larger choice), got one that did not record {np.array2string(point, threshold=8)} "
                f"of class {data.class_name(label)!r}"
            )
        return np.asarray(run.logits[..., index] if run.classes is None else run.logits[..., index, :])

    return read


def _logits(network: Network, points: Floats) -> Floats:
    width = network.members * max(1, *network.widths, network.classes or 1)
    step = max(1, _AT_ONCE // max(1, width))
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [network.logits(points[i : i + step]) for i in range(0, max(1, len(points)), step)]
    out = np.concatenate(parts, axis=-1 if network.classes is None else -2)
    if not np.all(np.abs(out) <= _LARGEST):
        raise ValueError(
            f"network must have logits below {_LARGEST:g} on the features alone, got an overflow or larger ones"
        )
    return out


def _sides(
    logits: Floats, alone: Alone, label: int, classes: int | None, loss: losses.Loss
) -> tuple[Floats, Floats]:
    """The mean margin and confidence on one feature in one class, each (...); nan where it does not occur."""
    if classes is None:
        margin = odds = label * logits
    else:
        others = np.delete(logits, label, axis=-1)
        margin = logits[..., label] - others.max(axis=-1)
        odds = logits[..., label] - special.logsumexp(others, axis=-1)
    if not len(alone.points):
        nothing = np.full(margin.shape[:-1], np.nan)
        return nothing, nothing
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(margin @ alone.share), np.asarray(loss.confidence(odds) @ alone.share)


# ---- in words ----------------------------------------------------------------------------------------------


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _clock(time: Floats) -> str:
    last = np.unique(time[-1]) if len(time) else np.array([np.nan])
    return f"{last[0]:.4g}" + f" ... {last[-1]:.4g}" * (len(last) > 1)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _middle(values: Floats) -> str:
    """The median of the members that have a value."""
    known = values[~np.isnan(values)]
    return _number(float(np.median(known))) if known.size else "-"


def _starved(values: Mask, bound: Floats) -> str:
    known = ~np.isnan(bound)
    if not known.any():
        return "-"
    many = int(values[known].sum())
    return ("yes" if many else "no") if known.sum() == 1 else f"{many} of {known.sum()}"


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
