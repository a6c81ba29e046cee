"""Thm 6.1 (v2) on a user's own data: the ceiling on a rare feature's confidence, and when it is a theorem.

In one class the strong feature s is in every point, x1 = P_s x, and the rare one r in a share lam of its weight,
x2 = P_r x; a = \\|x1\\|, b = \\|x2\\|. Where the class holds nothing else, x = x1 or x1 + x2 with x1.x2 = 0, a unit
with z > 0 that is active on both has alpha = w.x1, beta = w.x2 with

    d alpha = a^2 z E[g],    d beta = b^2 z lam E[g | r],    d z = E[g w.x],

E the mean over the class. While beta >= 0 points with r have the larger margin and the smaller pull, so that
E[g | r] <= E[g] and d beta <= lam (b/a)^2 d alpha, in every step of gradient descent as in the flow. A unit that
starts with 0 <= beta <= lam (b/a)^2 alpha stays so, and summed over units y f(x2) <= lam (b/a)^2 y f(x1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dynsim.checks import Floats
from dynsim.network import Network
from dynsim.theory import feature_groups
from dynsim.theory.feature_groups import Request, Summary
from dynsim.trajectory import Trajectory

Mask = NDArray[np.bool_]
_EPS = float(np.finfo(np.float64).eps)
#: A confidence above this: of the pull 1 - P on a point, 1/2 at margin 0, less than half is left.
LEARNT = 0.75
#: A share of a class that is not below this is all of it, to the rounding of sums of weights.
_ALL = 1.0 - 1e-9


class Form(NamedTuple):
    """How the features of one class stand to its strong one.

    strong: its number; rarer (F,): whether the feature is less frequent; factor (F,): lam (b/a)^2, nan where there
    is no bound; exact (F,): whether the class has the form of Thm 6.1 (v2) in this feature.
    """

    strong: int
    rarer: Mask
    factor: Floats
    exact: Mask


def form(asked: Request, label: int, found: list[Summary], same: Mask) -> Form:
    """The most frequent feature of a class (of equally frequent ones the longest) as strong, the others as rare.

    same (F,): features to leave out, as they are the same in every point.
    """
    frequency = np.array([alone.frequency for alone in found])
    length = np.array([alone.length for alone in found])
    strong = max(range(len(found)), key=lambda i: (not same[i], frequency[i], np.nan_to_num(length[i])))
    factor, exact = np.full(len(found), np.nan), np.zeros(len(found), dtype=bool)
    if frequency[strong] == 1.0 and not asked.baseline.any():
        s = asked.groups[strong]
        for i, r in enumerate(asked.groups):
            apart = np.abs(s.basis @ r.basis.T).max() <= 16.0 * _EPS * s.basis.shape[1]
            if i != strong and frequency[i] > 0.0 and apart and not same[i]:
                factor[i] = frequency[i] * _squared_ratio(asked, i, strong, length)
                exact[i] = _is_exact(asked, label, found[strong], found[i])
    return Form(strong, frequency < _ALL, factor, exact)


def _squared_ratio(asked: Request, rare: int, strong: int, length: Floats) -> float:
    """(b/a)^2."""
    with np.errstate(over="ignore"):
        ratio = float((length[rare] / length[strong]) ** 2)
    if not np.isfinite(ratio):
        two = f"{length[rare]:.3g} of {asked.groups[rare].name!r} and {length[strong]:.3g}"
        raise ValueError(
            f"features must have lengths whose squared ratio is finite, got {two} of {asked.groups[strong].name!r}"
        )
    return ratio


def constant(asked: Request, alone: list[list[Summary]]) -> Mask:
    """Features that are one and the same in every point of all classes, (F,): these tell no classes apart."""
    rounding = 16.0 * _EPS * asked.data.dimension * np.abs(asked.data.X).max()
    out = np.zeros(len(asked.groups), dtype=bool)
    for i, (group, *of_class) in enumerate(zip(asked.groups, *alone, strict=True)):
        small = 0.0 if group.coordinates is not None else rounding
        apart = np.ptp([one.point for one in of_class], axis=0).max() + max(one.spread for one in of_class)
        out[i] = all(one.frequency == 1.0 for one in of_class) and apart <= small
    return out


def _is_exact(asked: Request, label: int, strong: Summary, rare: Summary) -> bool:
    """Whether the class holds x1 and x1 + x2 and no others, and no inner product with another class is positive."""
    data = asked.data
    weighs = data.weights > 0.0
    own, other = data.X[data.mask(label) & weighs], data.X[~data.mask(label) & weighs]
    x1, x2 = strong.point, rare.point
    small = 16.0 * _EPS * data.dimension * max(np.abs(x1).max(), np.abs(x2).max())
    if max(strong.spread, rare.spread) > small:
        return False
    own, _ = feature_groups.distinct(own, np.zeros(len(own)))
    bare, both = (np.abs(own - x).max(axis=1) for x in (x1, x1 + x2))
    # Without a point x1 a unit of the other class may be, or become, active on x1 and lower the margin there.
    pair = bare.min() <= small and np.minimum(bare, both).max() <= small
    return bool(pair and (own @ other.T).max() <= 0.0)


def holds(network: Network, asked: Request, label: int, factor: float, strong: Floats, rare: Floats) -> Mask:
    """Whether weights satisfy the condition of Thm 6.1 (v2) for a class of its form: the bound holds from then on.

    Every unit that serves the class, y Z > 0, has 0 <= w.x2 <= lam (b/a)^2 w.x1 and w.x1 > 0, and is inactive on
    the other class, or else is inactive on all points and on x2; the others are inactive on the class. (...).
    """
    if network.depth != 2 or network.biases is not None or network.classes is not None:
        return np.zeros(network.ensemble, dtype=bool)
    data, serves = asked.data, label * network.Z > 0.0
    weighs = data.weights > 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        own = network.preactivations(data.X[data.mask(label) & weighs])
        other = network.preactivations(data.X[~data.mask(label) & weighs])
        alpha, beta = np.moveaxis(network.preactivations(np.stack([strong, rare])), -1, 0)
        most = factor * alpha
    # Infinities have the right sign; inf - inf has none.
    on_own, on_other = (~(v <= 0.0).all(axis=-1) for v in (own, other))
    obeys = (alpha > 0.0) & (beta >= 0.0) & (beta <= most) & ~on_other
    idle = ~on_own & ~on_other & (beta <= 0.0)
    return np.asarray(np.where(serves, obeys | idle, ~on_own).all(axis=-1))


class Bounds(NamedTuple):
    """bound, proven and starved, each (..., F, C), as in `dynsim.theory.feature_report.FeatureReport`; notes."""

    bound: Floats
    proven: Mask
    starved: Mask
    notes: list[str]


def no_bounds(margin: Floats, loss: str, classes: int | None) -> Bounds:
    """Where Thm 6.1 (v2) says nothing."""
    what = f"the loss is {loss}" if classes is None else "the labels are class ids"
    none, no = np.full(margin.shape, np.nan), np.zeros(margin.shape, dtype=bool)
    note = f"no bound: Thm 6.1 (v2) speaks of labels +1 and -1 and cross-entropy, {what}"
    return Bounds(none, no, no, [note])


def bounds(
    network: Network | Trajectory, asked: Request, alone: list[list[Summary]], margin: Floats, confidence: Floats
) -> Bounds:
    """The bound and what follows, from the margins and confidences (..., F, C) on the features alone."""
    bound, proven, starved = np.full(margin.shape, np.nan), *np.zeros((2, *margin.shape), dtype=bool)
    start, same = _start(network), constant(asked, alone)
    useless = [asked.groups[i].name for i in np.flatnonzero(same)]
    notes = [f"{name!r} is the same in every point and tells no classes apart: no bound" for name in useless]
    for c, (label, found) in enumerate(zip(asked.data.labels, alone, strict=True)):
        of_class = form(asked, label, found, same)
        L, P = margin[..., of_class.strong, c], confidence[..., of_class.strong, c]
        for i in np.flatnonzero(np.isfinite(of_class.factor)):
            with np.errstate(over="ignore"):
                bound[..., i, c] = np.where(L >= 0.0, special.expit(of_class.factor[i] * L), np.nan)
            ceiling = np.minimum(bound[..., i, c], LEARNT)
            starved[..., i, c] = of_class.rarer[i] & (P > LEARNT) & (confidence[..., i, c] <= ceiling)
            if of_class.exact[i] and start is not None:
                strong, rare = found[of_class.strong].point, found[i].point
                proven[..., i, c] = holds(start, asked, label, of_class.factor[i], strong, rare)
        last = P[-1:] if isinstance(network, Trajectory) else P
        notes += _notes(asked, asked.data.class_names[c], found, of_class, bool((last <= LEARNT).all()))
    if np.any(np.isfinite(bound) & ~proven):
        notes.append("the bound is a guide where `proven` is False: Thm 6.1 (v2) is not known to apply there")
    return Bounds(bound, proven, starved, notes)


def _notes(asked: Request, name: str, found: list[Summary], of_class: Form, early: bool) -> list[str]:
    """Why a class has no bound, or what its bounds do not say."""
    given, strong = np.isfinite(of_class.factor), asked.groups[of_class.strong].name
    if not given.any():
        return [_why_none(asked, name, found, of_class.strong)]
    equal = [repr(asked.groups[i].name) for i in np.flatnonzero(given & ~of_class.rarer)]
    often = f"class {name}: as frequent as {strong!r}, so not starved: {', '.join(equal)}"
    yet = f"class {name}: nothing is starved yet, as {strong!r} is not learnt (confidence at most {LEARNT:g})"
    return [often] * bool(equal) + [yet] * (early and bool((given & of_class.rarer).any()))


def _start(network: Network | Trajectory) -> Network | None:
    """The weights from which on the bound holds; None for a run that no theorem speaks of."""
    if isinstance(network, Network):
        return network
    meta = network.meta
    descends = meta.get("optimizer") in ("gd", "momentum", "flow") and meta.get("batch_size") is None
    same = network.data is not None and np.all(network.weights == network.data.weights)
    return network.start if descends and same and not meta.get("spectral_decoupling") else None


def _why_none(asked: Request, name: str, found: list[Summary], strong: int) -> str:
    if asked.baseline.any():
        return f"class {name}: no bound, as the baseline is not 0"
    if found[strong].frequency < 1.0:
        most = f"the most frequent is {asked.groups[strong].name!r} with {found[strong].frequency:.3g}"
        return f"class {name}: no bound, as no feature is in every point of it; {most}"
    alone = f"no other feature that is orthogonal to {asked.groups[strong].name!r} occurs in it"
    return f"class {name}: no bound, as {alone}"
