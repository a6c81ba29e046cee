"""Features of a user's own data: groups of coordinates or directions, and the points with one feature alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import Dataset

_EPS = float(np.finfo(np.float64).eps)
#: Made names list no more coordinates than this.
_LISTED = 4
#: Products of coordinates up to this are finite, and sums of them.
_LARGEST = 1e150
_WANTED = (
    "integer coordinates, a mask of {d} booleans, a direction of {d} floats, or several directions, floats (k, {d})"
)


class Group(NamedTuple):
    """One feature: `basis` (k, d), orthonormal rows; `coordinates` (k,) where it is a group of coordinates."""

    name: str
    basis: Floats
    coordinates: NDArray[np.int64] | None

    def read(self, X: Floats, baseline: Floats) -> tuple[Floats, Floats]:
        """What the feature is in every point: (n, k) numbers that `points` takes, and its length, (n,).

        The numbers are the coordinates, or the components of x - baseline along the basis. Sums run row by row, so
        that equal rows have equal bits whatever stands beside them.
        """
        if self.coordinates is not None:
            chosen = X[:, self.coordinates] + 0.0
            return chosen, np.asarray(np.hypot.reduce(chosen - baseline[self.coordinates], axis=1))
        offset = X - baseline
        along = np.stack([(offset * row).sum(axis=1) for row in self.basis], axis=1)
        # A row orthogonal to a direction has an inner product of rounding: that is no occurrence.
        rounding = 4.0 * _EPS * offset.shape[1] * np.abs(offset).max(axis=1, keepdims=True)
        along[np.abs(along) <= rounding] = 0.0
        return along, np.asarray(np.hypot.reduce(along, axis=1))

    def points(self, numbers: Floats, baseline: Floats) -> Floats:
        """The points (m, d) with nothing but the feature, baseline + P_G (x - baseline)."""
        out = np.repeat(baseline[None], len(numbers), axis=0)
        if self.coordinates is not None:
            out[:, self.coordinates] = numbers
            return out
        for k, row in enumerate(self.basis):
            out += numbers[:, k, None] * row
        return out + 0.0


class Summary(NamedTuple):
    """One feature in one class: a point (d,) with it alone, and how far all these are apart in any coordinate."""

    frequency: float
    length: float
    point: Floats
    spread: float


class Alone(NamedTuple):
    """One feature in one class: how often and how long it is, and the points that have nothing else.

    points (m, d), distinct; share (m,), of the weight of the class's points that have the feature; length nan and
    m = 0 where none has it.
    """

    frequency: float
    length: float
    points: Floats
    share: Floats

    def summary(self) -> Summary:
        """The numbers without the points, of which there may be many for each of many features."""
        if not len(self.points):
            return Summary(self.frequency, self.length, np.full(self.points.shape[1], np.nan), 0.0)
        spread = float(np.ptp(self.points, axis=0).max())
        return Summary(self.frequency, self.length, np.array(self.points[0]), spread)


class Request(NamedTuple):
    """The checked arguments that `probed` and `report` have in common."""

    data: Dataset
    groups: tuple[Group, ...]
    baseline: Floats
    threshold: Floats

    def alone(self, label: int) -> Iterator[Alone]:
        """Every feature in one class, in turn."""
        inside = self.data.mask(label) & (self.data.weights > 0.0)
        X, q = self.data.X[inside], self.data.weights[inside]
        for group, least in zip(self.groups, self.threshold, strict=True):
            numbers, length = group.read(X, self.baseline)
            has = length > least
            if not has.any():
                yield Alone(0.0, np.nan, X[:0], q[:0])
                continue
            total = float(q[has].sum())
            each = q[has] / total
            distinct_numbers, share = distinct(numbers[has], each)
            points = group.points(distinct_numbers, self.baseline)
            yield Alone(total / float(q.sum()), float(each @ length[has]), points, share)


def request(data: Dataset, features: Any, baseline: ArrayLike | None, threshold: ArrayLike) -> Request:
    """The arguments, checked."""
    checks.instance("data", data, Dataset)
    made = groups(features, data.dimension)
    least = checks.nonnegative("threshold", threshold)
    if least.shape not in ((), (len(made),)):
        raise ValueError(
            f"threshold must be one number or {len(made)}, one a feature, got shape {least.shape}"
        )
    origin = checks.array("baseline", 0.0 if baseline is None else baseline)
    if origin.shape not in ((), (data.dimension,)):
        wanted = f"one number or {data.dimension}, one a coordinate"
        raise ValueError(f"baseline must be {wanted}, got shape {origin.shape}")
    for name, value in (("data", data.X), ("baseline", origin)):
        if np.abs(value).max() > _LARGEST:
            raise ValueError(
                f"{name} must have coordinates of at most {_LARGEST:g} in size, got {np.abs(value).max():g}"
            )
    return Request(
        data, made, np.broadcast_to(origin, data.dimension) + 0.0, np.array(np.broadcast_to(least, len(made)))
    )


def probed(
    data: Dataset, features: Any, *, baseline: ArrayLike | None = None, threshold: ArrayLike = 0.0
) -> Dataset:
    """The data, and behind them every feature alone as points of weight 0: they are recorded and change nothing.

    `dynsim.train(network, probed(data, features))` trains as on `data`, to rounding, and records the logits of the
    added points; `report` reads them off the run. There is one added point for each class and each distinct
    projection of its points, those of weight 0 left out: at most features x n of them.

    Parameters
    ----------
    data : Dataset
    features, baseline, threshold
        As for `report`.

    Returns
    -------
    Dataset
        With the points of `data` first, in their order.

    Raises
    ------
    ValueError
        As `report` does for these arguments.

    Notes
    -----
    SGD with sampling="replacement" never draws a point of weight 0. sampling="epochs" visits them like all others:
    batches of probed data hold fewer points that count, and each of these counts for more. The run is then another
    one, right in the mean only. Weights given to `dynsim.train` in place of the data's need a 0 for every added
    point, and `report` then wants data with those weights.

    Examples
    --------
    >>> data = Dataset([[1.0, 0.0], [1.0, 2.0], [-1.0, 0.0]], [1, 1, -1])
    >>> probed(data, {"shape": [0], "colour": [1]}).X
    array([[ 1.,  0.],
           [ 1.,  2.],
           [-1.,  0.],
           [ 1.,  0.],
           [ 0.,  2.],
           [-1.,  0.]])
    """
    asked = request(data, features, baseline, threshold)
    points, labels = [data.X], [data.y]
    for label in data.labels:
        found = np.concatenate([alone.points for alone in asked.alone(label)])
        added, _ = distinct(found, np.zeros(len(found)))
        points.append(added)
        labels.append(np.full(len(added), float(label)))
    X, y = np.concatenate(points), np.concatenate(labels)
    weights = np.concatenate([data.weights, np.zeros(len(X) - len(data))])
    return Dataset(X, y, weights, data.name, data.class_names)


def overlap(found: Sequence[Group]) -> str:
    """What is to be said where groups share coordinates or are not orthogonal; "" where they do not."""
    basis = np.concatenate([group.basis for group in found])
    first = np.cumsum([0, *(len(group.basis) for group in found)])[:-1]
    cosines = np.maximum.reduceat(np.maximum.reduceat(np.abs(basis @ basis.T), first, axis=0), first, axis=1)
    pairs = np.triu(cosines, 1)
    many = int(np.sum(pairs > 16.0 * _EPS * basis.shape[1]))
    if not many:
        return ""
    i, j = np.unravel_index(np.argmax(pairs), pairs.shape)
    which = f"{found[int(i)].name!r} and {found[int(j)].name!r} (cosine {pairs[i, j]:.3g})"
    return f"{many} pair{'s' * (many > 1)} of features overlap, most {which}: one alone holds a part of the other"


def distinct(points: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Every distinct row once, in order of first occurrence, and the sums of its shares."""
    place: dict[bytes, int] = {}
    index = [place.setdefault(row.tobytes(), len(place)) for row in points]
    first = np.full(len(place), len(index))
    np.minimum.at(first, index, np.arange(len(index)))
    return points[first], np.asarray(np.bincount(index, share, minlength=len(place)), dtype=np.float64)


# ---- what a user writes ------------------------------------------------------------------------------------


def groups(features: Any, d: int) -> tuple[Group, ...]:
    """Features as a user writes them, checked, for points with d coordinates."""
    if isinstance(features, Mapping):
        named = list(features.items())
        odd = [name for name, _ in named if not isinstance(name, str) or not name]
        if odd:
            raise ValueError(f"features must have names that are text, got {odd[0]!r}")
    elif isinstance(features, (Sequence, np.ndarray)) and not isinstance(features, (str, bytes)):
        if isinstance(features, np.ndarray) and features.ndim == 0:
            raise ValueError(f"features must be a mapping or a sequence of groups, got {features!r}")
        named = [("", group) for group in features]
    else:
        raise ValueError(
            "features must be a mapping from names to groups or a sequence of groups, "
            f"got {type(features).__name__}"
        )
    if not named:
        raise ValueError("features must hold at least one group, got none")
    out = tuple(_group(name, i, value, d) for i, (name, value) in enumerate(named))
    names = [group.name for group in out]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"features must differ from each other, got {twice[0]!r} twice (a mapping can name them)")
    return out


def _group(name: str, position: int, value: Any, d: int) -> Group:
    shown = f"features[{name!r}]" if name else f"features[{position}]"
    wanted = f"{shown} must be {_WANTED.format(d=d)}"
    try:
        raw = np.asarray(value)
    except ValueError:
        raise ValueError(f"{wanted}; got rows of different length") from None
    if raw.size == 0:
        raise ValueError(f"{wanted}; got an empty group")
    kinds = _kinds(value)
    if "b" in kinds and len(kinds) > 1:
        raise ValueError(f"{wanted}; got booleans mixed with others, {_short(value)}")
    if raw.dtype.kind == "f":
        basis = _orthonormal(shown, wanted, raw.astype(np.float64), value, d)
        return Group(name or f"direction {position}", basis, None)
    if raw.dtype.kind == "b":
        raw = _from_mask(wanted, raw, d)
    elif raw.dtype.kind not in "iu":
        raise ValueError(f"{wanted}; got {_short(value)}")
    chosen = _coordinates(shown, wanted, raw, d)
    return Group(name or _made_name(position, chosen), np.eye(d)[chosen], chosen)


def _kinds(value: Any) -> set[str]:
    """The kinds of numbers in nested lists, which one array of them hides: [True, 1.0] becomes floats."""
    if isinstance(value, (list, tuple)):
        return set().union(*(_kinds(one) for one in value))
    return {np.asarray(value).dtype.kind}


def _from_mask(wanted: str, mask: NDArray[np.bool_], d: int) -> NDArray[np.int64]:
    if mask.shape != (d,):
        raise ValueError(f"{wanted}; got booleans of shape {mask.shape}")
    if not mask.any():
        raise ValueError(f"{wanted}; got a mask without True, an empty group")
    return np.flatnonzero(mask)


def _coordinates(shown: str, wanted: str, raw: NDArray[Any], d: int) -> NDArray[np.int64]:
    if raw.ndim > 1:
        raise ValueError(f"{wanted}; got integers of shape {raw.shape} (write directions as floats)")
    chosen = np.sort(raw.reshape(-1))
    out = chosen[(chosen < 0) | (chosen >= d)]
    if out.size:
        raise ValueError(f"{shown} must hold coordinates from 0 to {d - 1}, got {out[0]}")
    again = chosen[1:][np.diff(chosen) == 0]
    if again.size:
        hint = " (write a direction as floats, a mask as booleans)" * (len(chosen) == d)
        raise ValueError(f"{shown} must hold each coordinate once, got {again[0]} twice{hint}")
    return chosen.astype(np.int64)


def _orthonormal(shown: str, wanted: str, raw: Floats, value: Any, d: int) -> Floats:
    if raw.ndim not in (1, 2) or raw.shape[-1] != d:
        hint = " (write coordinates as integers)" * (raw.ndim < 2)
        raise ValueError(f"{wanted}; got floats of shape {raw.shape}{hint}")
    basis: list[Floats] = []
    for i, row in enumerate(checks.array(shown, value).reshape(-1, d)):
        where = f" at {i}" * (raw.ndim == 2)
        top = np.abs(row).max()
        if top == 0.0:
            raise ValueError(f"{shown} must hold directions other than 0, got {_short(row.tolist())}{where}")
        unit = row / top
        unit = unit / np.hypot.reduce(unit)
        rest = unit
        # Twice is enough: after one pass of Gram-Schmidt a small rest is not yet orthogonal.
        for _ in range(2):
            for other in basis:
                rest = rest - (other @ rest) * other
        size = float(np.hypot.reduce(rest))
        if size <= 64.0 * d * _EPS:
            raise ValueError(f"{shown} must hold independent directions, got one{where} that those before span")
        basis.append(rest / size)
    return np.stack(basis)


def _made_name(position: int, chosen: NDArray[np.int64]) -> str:
    if len(chosen) <= _LISTED:
        return f"x[{', '.join(map(str, chosen.tolist()))}]"
    return f"group {position} ({len(chosen)} coordinates)"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
