"""The assumptions of Lemma 3.1 and of A.2 (v2), decided and measured.

Two classes. (H1) Two points of one class have a positive inner product, two points of different classes one that is
not positive. (H2) Every hidden unit belongs to one class: active on each of its points, inactive on all others.
(H3) A unit of class +1 has a positive output weight, a unit of class -1 a negative one; where there are diagonal
inner layers, their weights are positive. C classes with a softmax readout: (H4) is (H1), (H5) is (H2), and
(H6) says that a unit's column of the readout is positive for the unit's own class and not positive for any other.

A prime marks a weaker form that the independence of the classes needs no more than (docs/theory.md, section 2):
(H1'), (H4') allow orthogonal points within a class, (H5') allows units that no point activates, and (H6') asks only
that no entry of a unit's column exceeds that of its own class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim import checks
from dynsim.checks import AssumptionError, Floats
from dynsim.signs import Points, scaled

if TYPE_CHECKING:
    from dynsim.dataset import Dataset
    from dynsim.network import Network

#: No more offenders than this are kept by index; they are counted all the same.
KEPT = 10_000
#: What is asked of the points at depth 1, where all classes move the same weights.
SHARED = "H1 (depth 1)"
_NAMES = ("H1", "H2", "H3", "H4", "H5", "H6")


@dataclass(frozen=True, eq=False)
class Assumption:
    """One assumption, decided.

    Attributes
    ----------
    name, statement : str
    holds : bool
    violations, total : int
        How many pairs of points (H1, H4) or hidden units (the others) violate it, out of how many.
    margin : float
        Margin of safety of the worst pair or unit, negative where violated: the cosine of the angle with the
        sign it should have (H1, H2, H4, H5), the output or inner weight with the sign it should have (H3, H6),
        the lead of the own class's entry (H6').
    worst : str
        That pair or unit, in words; empty where there is nothing to check.
    offenders : ndarray of int, shape (min(violations, 10000), 2) for pairs, (..., axes of the units) otherwise
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
        noun = ("pair" if self.name[:2] in ("H1", "H4") else "unit") + "s" * (self.total != 1)
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
    """What was checked, in order; true where all of it holds.

    `found.H1` and `found["H1"]` are the same; a primed name needs the second form, `found["H5'"]`.
    """

    checked: tuple[Assumption, ...]

    def __bool__(self) -> bool:
        return all(self.checked)

    def __iter__(self) -> Iterator[Assumption]:
        return iter(self.checked)

    def __contains__(self, name: object) -> bool:
        return any(a.name == name for a in self.checked)

    def __getitem__(self, name: str) -> Assumption:
        for assumption in self.checked:
            if assumption.name == name:
                return assumption
        raise KeyError(f"{name} was not checked")

    def __getattr__(self, name: str) -> Assumption:
        for assumption in self.__dict__.get("checked", ()):
            if assumption.name == name:
                return assumption  # type: ignore[no-any-return]
        raise AttributeError(f"{name} was not checked" if name in _NAMES else name)

    @property
    def failed(self) -> tuple[Assumption, ...]:
        """Those that do not hold."""
        return tuple(a for a in self.checked if not a)

    @property
    def independent(self) -> bool:
        """Whether the classes are learnt independently (Lemma 3.1, A.2 (v2)), as far as was checked.

        Two classes need (H1) or (H1'), (H2) and (H3); C classes (H4) or (H4'), (H5') and (H6'); depth 1 needs
        inner products of 0 across classes, and nothing else. Without a network only the points are judged.
        """
        return not self.obstacles

    @property
    def obstacles(self) -> tuple[Assumption, ...]:
        """What stands in the way of independence: of `failed`, those without a weaker form that suffices."""
        if SHARED in self:
            return tuple(a for a in (self[SHARED],) if not a)
        needed = (("H1", "H1'"), ("H2",), ("H3",), ("H4", "H4'"), ("H5'",), ("H6'",))
        asked = ([self[name] for name in names if name in self] for names in needed)
        return tuple(forms[-1] for forms in asked if forms and not any(forms))

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
    """Decide (H1), and with a network also (H2) and (H3); with class ids as labels (H4), and (H5) and (H6).

    What is listed, in this order:

    - "H1" for labels +1 and -1, "H4" for class ids; after it "H1'" or "H4'" where it fails by nothing but
      inner products of 0 within a class (orthogonal points, A.7 (v2)), which then holds;
    - for a network of depth 1, "H1 (depth 1)": inner products are 0 across classes. There are no units;
    - for one logit, depth 2 or more, inner layers diagonal: "H2" (of the first layer) and "H3";
    - for C logits and one hidden layer: "H5", "H5'", "H6", "H6'".

    The sign of an inner product of two points is decided exactly, as the paper needs it (0 is allowed across
    classes and not within one): where round-off could have changed it, it is computed again in rational
    arithmetic. Activations are those the network computes in float64. Memory is that of a few blocks of pairs,
    never of all n^2 of them.

    Raises
    ------
    ValueError
        If the network expects points of another dimension.
    AssumptionError
        If the network is not of the form that the assumptions speak of.

    Examples
    --------
    >>> from dynsim import Dataset, Network
    >>> data = Dataset([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0, 1, 2])
    >>> network = Network((data.X, [[1.0, -1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 3.0]]))
    >>> found = check(data, network)
    >>> [a.name for a in found.failed], found["H6'"].holds, found.independent
    (['H6'], True, True)
    """
    if network is None:
        return Assumptions(tuple(_pairs(data)))
    _check_form(data, network)
    if network.depth == 1:
        return Assumptions(tuple(_pairs(data, shared=True)))
    units = _units(data, network) if data.classes is None else _softmax_units(data, network)
    return Assumptions((*_pairs(data), *units))


def _check_form(data: Dataset, network: Network) -> None:
    diagonal = all(network.is_diagonal(i) for i in range(1, network.depth - 1))
    if data.classes is None:
        fits, wanted = network.classes is None and diagonal, (
            "(H2) and (H3) speak of one hidden layer, or one and diagonal ones, without biases and one logit"
        )
    else:
        fits, wanted = network.classes == data.classes and network.depth == 2, (
            f"(H5) and (H6) speak of one hidden layer without biases and {data.classes} logits, one a class"
        )
    if not fits or network.biases is not None:
        raise AssumptionError(f"{wanted}, got {network!r}")
    if network.dimension != data.dimension:
        raise ValueError(
            f"X must have {network.dimension} columns, the network's number of inputs, got {data.dimension}"
        )


# ---- (H1), (H4): pairs of points ------------------------------------------------------------------------


def _pairs(data: Dataset, shared: bool = False) -> list[Assumption]:
    name = "H1" if data.classes is None else "H4"
    strict, across, orthogonal = _Tally(), _Tally(), 0
    for i, j, sign, cosine in Points.of(data.X).blocks():
        same = data.y[i] == data.y[j]
        bad = np.where(same, sign <= 0, sign > 0)
        # A point is no pair with itself, except at the origin, where its class cannot have (H1).
        strict.add(i, j, bad, (i != j) | bad, np.where(same, cosine, -cosine))
        orthogonal += int(np.sum(same & (sign == 0) & (i != j)))
        if shared:
            across.add(i, j, ~same & (sign != 0), ~same, -np.abs(cosine))
    found = [strict.assumption(name, "inner products > 0 within a class, <= 0 across", data)]
    if 0 < strict.violations == orthogonal:
        found.append(_weaker(found[0]))
    if shared:
        found.append(across.assumption(SHARED, "inner products 0 across classes, which share the weights", data))
    return found


def _weaker(strict: Assumption) -> Assumption:
    """(H1') where (H1) fails by orthogonal points alone: it holds, with nothing to spare."""
    return replace(
        strict,
        name=strict.name + "'",
        statement="inner products >= 0 within a class, <= 0 across",
        holds=True,
        violations=0,
        margin=0.0,
        offenders=checks.frozen(strict.offenders[:0]),
    )


@dataclass
class _Tally:
    """The violating pairs of one assumption, counted block by block, and the worst pair so far."""

    violations: int = 0
    total: int = 0
    worst: tuple[bool, float] = (True, np.inf)
    pair: tuple[int, int] = (0, 0)
    kept: list[NDArray[np.int64]] = field(default_factory=list)

    def add(
        self,
        i: NDArray[np.int64],
        j: NDArray[np.int64],
        bad: NDArray[np.bool_],
        counted: NDArray[np.bool_],
        safety: Floats,
    ) -> None:
        safety = np.where(bad, np.minimum(safety, 0.0), np.maximum(safety, 0.0))
        if (at := _least(safety, ~bad, counted)) is not None and (not bad[at], safety[at]) < self.worst:
            self.worst, self.pair = (not bad[at], float(safety[at])), (int(i[at]), int(j[at]))
        self.violations += int(bad.sum())
        self.total += int(counted.sum())
        if (room := KEPT - sum(map(len, self.kept))) > 0:
            self.kept.append(np.column_stack([i[bad][:room], j[bad][:room]]))

    def assumption(self, name: str, statement: str, data: Dataset) -> Assumption:
        return Assumption(
            name,
            statement,
            self.violations == 0,
            self.violations,
            self.total,
            self.worst[1],
            _pair_in_words(data, *self.pair),
            checks.frozen(np.concatenate(self.kept)),
        )


def _least(safety: Floats, good: NDArray[np.bool_], counted: NDArray[np.bool_]) -> int | None:
    """Where the least safe pair stands: any violating one before those that hold."""
    among = counted & ~good if np.any(counted & ~good) else counted
    return int(np.argmin(np.where(among, safety, np.inf))) if among.any() else None


def _pair_in_words(data: Dataset, i: int, j: int) -> str:
    a, b = (data.class_name(int(data.y[k])) for k in (i, j))
    return f"points {i} and {j}, " + (f"both {a}" if a == b else f"{a} and {b}")


# ---- (H2), (H3), (H5), (H6): hidden units ---------------------------------------------------------------


class _Activity(NamedTuple):
    """The units of the first layer and the classes: all of shape (C, ..., h).

    owned: active on all points of the class and on no other. touched: active on one of its points at least.
    margin: least cosine with the sign it should have if the unit belonged to the class.
    """

    owned: NDArray[np.bool_]
    touched: NDArray[np.bool_]
    margin: Floats


def _activity(data: Dataset, network: Network) -> tuple[_Activity, Floats]:
    """The above, and how far a unit is from every point's being active: -max cosine, shape (..., h)."""
    A = network.preactivations(data.X)  # (..., h, n)
    W, X = scaled(network.W), scaled(data.X)
    lengths = np.linalg.norm(W, axis=-1)[..., None] * np.linalg.norm(X, axis=-1)
    cosine = np.divide(W @ X.T, lengths, out=np.zeros_like(A), where=lengths > 0)
    active = A > 0
    masks = [data.mask(label) for label in data.labels]
    owned = [active[..., m].all(-1) & ~active[..., ~m].any(-1) for m in masks]
    margin = [np.minimum(cosine[..., m].min(-1), -cosine[..., ~m].max(-1)) for m in masks]
    touched = [active[..., m].any(-1) for m in masks]
    return _Activity(np.stack(owned), np.stack(touched), np.stack(margin)), -cosine.max(-1)


def _units(data: Dataset, network: Network) -> list[Assumption]:
    units, _ = _activity(data, network)
    signed = [np.where(units.touched[c], label * network.Z, np.inf) for c, label in enumerate(data.labels)]
    safety, statement = np.minimum(*signed), "output weight of the sign of the unit's class"
    if network.depth > 2:
        inner = np.min(np.stack(network.weights[1:-1]), axis=0)
        safety = np.minimum(safety, np.where(units.touched.any(0), inner, np.inf))
        statement += ", inner weights positive"
    own = "each unit active on all points of one class, on no other"
    return [
        _unit_assumption("H2", own, np.asarray(units.owned.any(0)), units.margin.max(0)),
        _unit_assumption("H3", statement, np.asarray(safety > 0), safety),
    ]


def _softmax_units(data: Dataset, network: Network) -> list[Assumption]:
    units, clear = _activity(data, network)
    own, dead = np.asarray(units.owned.any(0)), np.asarray(~units.touched.any(0))
    margin = units.margin.max(0)
    signs, leads, good, ahead = [], [], np.ones_like(own), np.ones_like(own)
    for c, touched in enumerate(units.touched):
        entry, rest = network.Z[..., c, :], np.delete(network.Z, c, axis=-2).max(-2)
        good &= ~touched | ((entry > 0) & (rest <= 0))
        ahead &= ~touched | (entry >= rest)
        signs.append(np.where(touched, np.minimum(entry, -rest), np.inf))
        leads.append(np.where(touched, entry - rest, np.inf))
    return [
        _unit_assumption("H5", "each unit active on all points of one class, on no other", own, margin),
        _unit_assumption(
            "H5'",
            "each unit active on all points of one class and on no other, or on no point",
            own | dead,
            np.where(dead, clear, margin),
        ),
        _unit_assumption("H6", "own class's entry of the readout > 0, all others <= 0", good, _least_of(signs)),
        _unit_assumption("H6'", "own class's entry of the readout is the largest", ahead, _least_of(leads)),
    ]


def _least_of(values: Sequence[Floats]) -> Floats:
    return np.asarray(np.min(np.stack(values), axis=0))


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
