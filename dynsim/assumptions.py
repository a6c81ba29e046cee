"""The assumptions (H1), (H2), (H3) of Lemma 3.1 (v2), decided and measured.

(H1) Two points of one class have a positive inner product, two points of different classes one that is not
positive. (H2) Every hidden unit belongs to one class: active on each of its points, inactive on all others.
(H3) A unit of class +1 has a positive output weight, a unit of class -1 a negative one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dynsim import checks
from dynsim.checks import Floats

if TYPE_CHECKING:
    from dynsim.dataset import Dataset
    from dynsim.network import Network

#: No more offenders than this are kept by index; they are counted all the same.
KEPT = 10_000
_BLOCK = 500_000  # inner products formed at a time: 4 MB an array


@dataclass(frozen=True, eq=False)
class Assumption:
    """One assumption, decided.

    Attributes
    ----------
    name, statement : str
    holds : bool
    violations, total : int
        How many pairs of points (H1) or hidden units (H2, H3) violate it, out of how many.
    margin : float
        Margin of safety of the worst pair or unit, negative where violated: the cosine of the angle with the
        sign it should have (H1, H2), the output weight with the sign it should have (H3).
    worst : str
        That pair or unit, in words; empty where there is nothing to check.
    offenders : ndarray of int, shape (min(violations, 10000), 2) for H1, (..., axes of the units) otherwise
        The indices of the violating pairs or units.
    """

    name: str
    statement: str
    holds: bool
    violations: int
    total: int
    margin: float
    worst: str
    offenders: NDArray[np.int64]

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        noun = ("pair" if self.name == "H1" else "unit") + "s" * (self.total != 1)
        if self.holds:
            every = f"all {self.total:,}" if self.total != 1 else "the one"
            return (
                f"{self.name} holds for {every} {noun} ({self.statement}); "
                f"margin of safety {self.margin:.3g}: {self.worst}"
            )
        named = ", ".join(_index(row) for row in self.offenders[:20])
        more = ", ..." if self.violations > 20 else ""
        return (
            f"{self.name} fails for {self.violations:,} of {self.total:,} {noun} ({self.statement}): "
            f"{named}{more}; worst {self.worst}, {self.margin:.3g}"
        )


@dataclass(frozen=True, eq=False)
class Assumptions:
    """What was checked, in order; true where all of it holds."""

    checked: tuple[Assumption, ...]

    def __bool__(self) -> bool:
        return all(self.checked)

    def __iter__(self) -> Iterator[Assumption]:
        return iter(self.checked)

    def __getattr__(self, name: str) -> Assumption:
        for assumption in self.__dict__.get("checked", ()):
            if assumption.name == name:
                return assumption  # type: ignore[no-any-return]
        raise AttributeError(f"{name} was not checked" if name in ("H1", "H2", "H3") else name)

    @property
    def failed(self) -> tuple[Assumption, ...]:
        """Those that do not hold."""
        return tuple(a for a in self.checked if not a)

    def __str__(self) -> str:
        return "\n".join(str(a) for a in self.checked)

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Plain numbers and strings, for JSON."""
        return {
            a.name: {
                "statement": a.statement,
                "holds": a.holds,
                "violations": a.violations,
                "total": a.total,
                "margin": a.margin if np.isfinite(a.margin) else None,
                "worst": a.worst,
                "offenders": a.offenders[:100].tolist(),
            }
            for a in self.checked
        }


def check(data: Dataset, network: Network | None = None) -> Assumptions:
    """Decide (H1), and with a network also (H2) and (H3).

    The sign of an inner product of two points is decided exactly, as the paper needs it (0 is allowed across
    classes and not within one): where round-off could have changed it, it is computed again in rational
    arithmetic. Activations are those the network computes in float64. Memory is that of a few blocks of pairs,
    never of all n^2 of them.

    Raises
    ------
    ValueError
        If the network expects points of another dimension.
    AssumptionError
        If the network is not of the form that (H2) and (H3) speak of.
    """
    found = [_pairs(data)]
    if network is not None:
        _check_form(network)
        found += _units(data, network)
    return Assumptions(tuple(found))


# ---- (H1): pairs of points ------------------------------------------------------------------------------


def _pairs(data: Dataset) -> Assumption:
    n = len(data)
    points = _Points.of(data.X)
    rows = max(1, _BLOCK // n)
    violations, zeros, worst, where = 0, 0, (True, np.inf), (0, 0)
    kept: list[NDArray[np.int64]] = []
    for start in range(0, n, rows):
        i, j, sign, cosine = points.block(start, min(n, start + rows))
        same = data.y[i] == data.y[j]
        bad = np.where(same, sign <= 0, sign > 0)
        # A point is no pair with itself, except at the origin, where its class cannot have (H1).
        counted = (i != j) | bad
        zeros += int(np.sum(bad & (i == j)))
        safety = np.where(same, cosine, -cosine)
        safety = np.where(bad, np.minimum(safety, 0.0), np.maximum(safety, 0.0))
        if (at := _least(safety, ~bad, counted)) is not None and (not bad[at], safety[at]) < worst:
            worst, where = (not bad[at], float(safety[at])), (int(i[at]), int(j[at]))
        violations += int(bad.sum())
        if (room := KEPT - sum(map(len, kept))) > 0:
            kept.append(np.column_stack([i[bad][:room], j[bad][:room]]))
    return Assumption(
        "H1",
        "inner products > 0 within a class, <= 0 across",
        violations == 0,
        violations,
        n * (n - 1) // 2 + zeros,
        worst[1],
        _pair_in_words(data, *where),
        checks.frozen(np.concatenate(kept)),
    )


def _least(safety: Floats, good: NDArray[np.bool_], counted: NDArray[np.bool_]) -> int | None:
    """Where the least safe pair stands: any violating one before those that hold."""
    among = counted & ~good if np.any(counted & ~good) else counted
    return int(np.argmin(np.where(among, safety, np.inf))) if among.any() else None


@dataclass(frozen=True, eq=False)
class _Points:
    """Points in the forms the exact signs need.

    X: as given. scaled: each point times a power of two, so that no inner product over- or underflows as a whole.
    norm: lengths of the scaled points. ids: the same number for equal points. unit: relative rounding error of an
    inner product, 0 where all of them are sums of small integers.
    """

    X: Floats
    scaled: Floats
    norm: Floats
    ids: NDArray[np.int64]
    unit: float

    @classmethod
    def of(cls, X: Floats) -> _Points:
        scaled = _scaled(X)
        ids = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)
        largest = float(np.max(np.abs(X)))
        integers = largest < 2.0**26 and X.shape[1] * largest**2 < 2.0**53 and bool(np.all(np.rint(X) == X))
        unit = 0.0 if integers else (X.shape[1] + 1) * float(np.finfo(float).eps)
        return cls(X, scaled, np.linalg.norm(scaled, axis=1), ids, unit)

    def block(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
        """Pairs i <= j of rows start..stop-1: indices, exact sign of the inner product, cosine."""
        X = self.scaled
        i, j = np.nonzero(np.arange(start, stop)[:, None] <= np.arange(len(X))[None, :])
        dot = (X[start:stop] @ X.T)[i, j]
        i = i + start
        scale = self.norm[i] * self.norm[j]
        cosine = np.divide(dot, scale, out=np.zeros_like(dot), where=scale > 0)
        return i, j, self._signs(i, j, dot, start, stop), cosine

    def _decided(
        self, i: NDArray[np.int64], j: NDArray[np.int64], pairs: NDArray[np.int64], sign: Floats, size: Floats
    ) -> NDArray[np.bool_]:
        """Set the signs that twice the digits decide; true for those."""
        if not pairs.size:
            return np.zeros(0, dtype=bool)
        dot = _twice_exact(self.scaled[i[pairs]], self.scaled[j[pairs]])
        # The error of Dot2 is below eps |dot| + (d eps)^2 size; tiny products, which may underflow, stay open.
        sure = (np.abs(dot) > 4.0 * self.unit**2 * size[pairs]) & (size[pairs] > 1e-100)
        sign[pairs[sure]] = np.sign(dot[sure])
        return np.asarray(sure)

    def _signs(self, i: NDArray[np.int64], j: NDArray[np.int64], dot: Floats, start: int, stop: int) -> Floats:
        sign = np.sign(dot)
        if self.unit == 0.0:
            return sign
        size = (np.abs(self.scaled[start:stop]) @ np.abs(self.scaled).T)[i - start, j]
        unsure = np.abs(dot) <= self.unit * size
        if np.any(tiny := size < 1e-280):
            # A sum of products that underflowed is not 0; one without a common coordinate is.
            used = (self.X != 0).astype(np.float32)
            common = (used[start:stop] @ used.T)[i - start, j]
            unsure = np.where(tiny, common > 0, unsure)
        pairs = np.flatnonzero(unsure)
        pairs = pairs[~self._decided(i, j, pairs, sign, size)]
        if pairs.size:
            number = int(self.ids.max()) + 1
            codes, back = np.unique(self.ids[i[pairs]] * number + self.ids[j[pairs]], return_inverse=True)
            first = np.full(len(codes), len(pairs))
            np.minimum.at(first, back, np.arange(len(pairs)))
            exact = [_exact_sign(self.X[i[pairs[k]]], self.X[j[pairs[k]]]) for k in first]
            sign[pairs] = np.array(exact, dtype=float)[back]
        return sign


def _halves(x: Floats) -> tuple[Floats, Floats]:
    """x as a sum of two floats of half as many digits (Veltkamp)."""
    big = 134217729.0 * x
    high = big - (big - x)
    return high, x - high


def _twice_exact(A: Floats, B: Floats) -> Floats:
    """Inner products of rows as if computed with twice the digits (Ogita, Rump and Oishi's Dot2)."""
    total, rest = np.zeros(len(A)), np.zeros(len(A))
    for a, b in zip(A.T, B.T, strict=True):
        product = a * b
        (a1, a2), (b1, b2) = _halves(a), _halves(b)
        missed = a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)
        new = total + product
        back = new - total
        rest += missed + ((total - (new - back)) + (product - back))
        total = new
    return np.asarray(total + rest)


def _scaled(X: Floats) -> Floats:
    """Each point times a power of two that brings its largest coordinate near 1."""
    _, exponent = np.frexp(np.max(np.abs(X), axis=-1, keepdims=True))
    with np.errstate(under="ignore"):
        return np.asarray(np.ldexp(X, -exponent))


def _exact_sign(a: Floats, b: Floats) -> int:
    total = sum((Fraction(p) * Fraction(q) for p, q in zip(a.tolist(), b.tolist(), strict=True)), Fraction(0))
    return (total > 0) - (total < 0)


def _pair_in_words(data: Dataset, i: int, j: int) -> str:
    a, b = (data.class_name(int(data.y[k])) for k in (i, j))
    return f"points {i} and {j}, " + (f"both {a}" if a == b else f"{a} and {b}")


# ---- (H2), (H3): hidden units ---------------------------------------------------------------------------


def _check_form(network: Network) -> None:
    if network.depth != 2 or network.biases is not None or network.classes is not None:
        raise checks.AssumptionError(
            f"(H2) and (H3) speak of one hidden layer without biases and one logit, got {network!r}"
        )


def _units(data: Dataset, network: Network) -> list[Assumption]:
    A = network.preactivations(data.X)  # (..., h, n)
    W, X = _scaled(network.W), _scaled(data.X)
    lengths = np.linalg.norm(W, axis=-1)[..., None] * np.linalg.norm(X, axis=-1)
    cosine = np.divide(W @ X.T, lengths, out=np.zeros_like(A), where=lengths > 0)
    own = {label: data.mask(label) for label in (1, -1)}
    active = {label: A[..., mask] > 0 for label, mask in own.items()}
    in_class = {label: active[label].all(-1) & ~active[-label].any(-1) for label in own}
    margins = {
        label: np.minimum(cosine[..., mask].min(-1), -cosine[..., ~mask].max(-1)) for label, mask in own.items()
    }
    h2 = np.asarray(in_class[1] | in_class[-1])
    touched = {label: active[label].any(-1) for label in own}
    safety = np.minimum(
        np.where(touched[1], network.Z, np.inf), np.where(touched[-1], -network.Z, np.inf)
    )
    h2_margin = np.maximum(margins[1], margins[-1])
    return [
        _unit_assumption("H2", "each unit active on all points of one class, on no other", h2, h2_margin),
        _unit_assumption(
            "H3", "output weight of the sign of the unit's class", np.asarray(safety > 0), safety
        ),
    ]


def _unit_assumption(name: str, statement: str, good: NDArray[np.bool_], margin: Floats) -> Assumption:
    offenders = np.argwhere(~good)
    # Violating units first, then by margin: a unit that holds is never the worst one beside one that does not.
    at = np.unravel_index(np.lexsort((margin.ravel(), good.ravel()))[0], good.shape) if good.size else ()
    worst = float(margin[at])
    return Assumption(
        name,
        statement,
        not len(offenders),
        len(offenders),
        good.size,
        worst,
        f"unit {_index(np.array(at))}",
        checks.frozen(offenders[:KEPT]),
    )


def _index(row: NDArray[np.int64]) -> str:
    values = [int(v) for v in row]
    return str(values[0]) if len(values) == 1 else str(tuple(values))
