"""Labelled points, with the weight of each in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import assumptions, checks
from dynsim.checks import Floats

if TYPE_CHECKING:
    from dynsim.assumptions import Assumptions
    from dynsim.network import Network

#: The labels of two classes, in the order in which they are listed everywhere: the paper's class 1, then class 2.
LABELS = (1, -1)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Points of two classes, or of C classes for a softmax readout.

    Parameters
    ----------
    X : array_like, shape (n, d)
        The points.
    y : array_like, shape (n,)
        Their labels: +1 (the paper's class 1) or -1 (class 2) for networks with one logit; class ids 0 ... C-1 for
        networks with C logits. Every class must occur.
    weights : array_like, shape (n,), optional
        q_i in L = sum_i q_i l(m_i); not negative, not all 0 within a class, need not sum to 1. Default 1/n.
    name : str, optional
        Used in reports.
    class_names : sequence of str, optional
        Names of the classes, in the order of `labels`; used in reports. Default: the labels themselves.

    Raises
    ------
    ValueError
        For NaN or infinite entries, lengths that differ, other labels, an empty class or bad weights.

    Examples
    --------
    >>> data = Dataset([[1.0, 0.0], [-2.0, 0.0]], [1, -1], weights=[0.7, 0.3])
    >>> data.frequency(1), data.rate(-1)
    (0.7, 0.6)
    """

    X: Floats
    y: Floats
    weights: Floats = None  # type: ignore[assignment]
    name: str = ""
    class_names: tuple[str, ...] = ()

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        weights: ArrayLike | None = None,
        name: str = "",
        class_names: Sequence[str] | None = None,
    ) -> None:
        points = checks.array("X", X, ndim=2)
        n = len(points)
        if not n or not points.shape[1]:
            raise ValueError(f"X must have at least one point and one coordinate, got shape {points.shape}")
        labels = checks.array("y", y, ndim=1)
        _check_labels(labels, n)
        q = np.full(n, 1.0 / n) if weights is None else checks.nonnegative("weights", weights)
        _check_weights(q, labels)
        for field, value in (("X", points), ("y", labels), ("weights", q)):
            object.__setattr__(self, field, checks.frozen(value))
        object.__setattr__(self, "name", str(name))
        object.__setattr__(self, "class_names", _names(class_names, self.labels))

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{int(self.mask(label).sum())} of class {name!r}"
            for label, name in zip(self.labels, self.class_names, strict=True)
        )
        return f"Dataset({self.name or 'unnamed'}: {len(self)} points in {self.dimension} dimensions, {counts})"

    @property
    def classes(self) -> int | None:
        """C where the labels are class ids 0 ... C-1, None where they are +1 and -1."""
        return None if np.any(self.y == -1) else int(self.y.max()) + 1

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels in the order in which classes are listed: +1, -1, or 0 ... C-1."""
        return LABELS if self.classes is None else tuple(range(self.classes))

    def needs_two_classes(self, what: str) -> None:
        """Raise a ValueError unless the labels are +1 and -1; `what` is what needs them."""
        if self.classes is not None:
            hint = " (recode 0 as -1)" if self.classes == 2 else ""
            raise ValueError(f"{what} needs labels +1 and -1, got class ids 0 ... {self.classes - 1}{hint}")

    @property
    def dimension(self) -> int:
        """d, the number of coordinates of a point."""
        return int(self.X.shape[1])

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Which points have that label, shape (n,)."""
        return np.asarray(self.y == label)

    def frequency(self, label: int) -> float:
        """p, the total weight of a class."""
        return float(self.weights[self.mask(label)].sum())

    def mean(self, label: int) -> Floats:
        """The weighted mean of a class, shape (d,)."""
        mask = self.mask(label)
        if np.all(self.X[mask] == self.X[mask][0]):
            return np.array(self.X[mask][0])
        q = self.weights[mask]
        return np.asarray(q @ self.X[mask] / q.sum())

    def rate(self, label: int) -> float:
        """kappa = p \\|x\\|, with x the mean of the class."""
        return self.frequency(label) * float(np.linalg.norm(self.mean(label)))

    def class_name(self, label: int) -> str:
        """The name of the class with that label."""
        return self.class_names[self.labels.index(label)]

    def centered(self) -> Dataset:
        """The same points with the midpoint of the class means moved to the origin."""
        middle = sum((self.mean(label) for label in self.labels), np.zeros(self.dimension)) / len(self.labels)
        return self.moved(-middle)

    def moved(self, shift: ArrayLike) -> Dataset:
        """The same points, each moved by `shift`, shape (d,)."""
        by = checks.array("shift", shift, ndim=1)
        if len(by) != self.dimension:
            raise ValueError(f"shift must have {self.dimension} numbers, one a coordinate, got {len(by)}")
        return replace(self, X=self.X + by)

    def check_assumptions(self, network: Network | None = None) -> Assumptions:
        """Whether (H1), and with a network (H2) and (H3), of Lemma 3.1 (v2) hold, and by how much.

        With class ids, whether (H4), (H5) and (H6) of A.2 (v2) do. See `dynsim.assumptions.check`.
        """
        return assumptions.check(self, network)


def _check_labels(labels: Floats, n: int) -> None:
    if len(labels) != n:
        raise ValueError(f"y must have one label for each of the {n} points, got {len(labels)}")
    values = np.unique(labels)
    if set(values) <= set(LABELS) and len(values) == 1:
        raise ValueError(f"y must contain both +1 and -1, got no point of class {-int(values[0]):+d}: it is empty")
    if set(values) != set(LABELS) and not np.array_equal(values, np.arange(max(2, len(values)))):
        found = ", ".join(f"{v:g}" for v in values[:5]) + (", ..." if len(values) > 5 else "")
        raise ValueError(
            "y must be +1 or -1 for every point, or a class id 0 ... C-1 with a point of every class, "
            f"got {len(values)} values: {found}"
        )


def _check_weights(q: Floats, labels: Floats) -> None:
    if q.shape != labels.shape:
        raise ValueError(f"weights must have one value for each of the {len(labels)} points, got shape {q.shape}")
    for label in np.unique(labels)[::-1]:
        if not q[labels == label].sum() > 0:
            name = format(int(label), "+d" if np.any(labels < 0) else "d")
            raise ValueError(f"weights must not all be 0 within a class, got only 0 for class {name}")


def _names(given: Sequence[str] | None, labels: tuple[int, ...]) -> tuple[str, ...]:
    if given is None:
        return tuple(format(label, "+d" if -1 in labels else "d") for label in labels)
    if isinstance(given, str) or len(given) != len(labels):
        wanted = "+1 and -1" if -1 in labels else f"0 ... {len(labels) - 1}"
        raise ValueError(f"class_names must be the names of the classes {wanted}, got {given!r}")
    names = tuple(str(name) for name in given)
    if len(set(names)) < len(names) or "all" in names:
        raise ValueError(f"class_names must differ from each other and from 'all', got {given!r}")
    return names
