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


class Form(NamedTuple):
    """How the features of one class stand to its strong one.

    strong: its number; factor (F,): lam (b/a)^2, nan where there is no bound; exact (F,): whether the class has the
    form of Thm 6.1 (v2) in this feature.
    """

    strong: int
    factor: Floats
    exact: Mask


def form(asked: Request, label: int, found: list[Summary]) -> Form:
    """The most frequent feature of a class (of equally frequent ones the longest) as strong, the others as rare."""
    frequency = np.array([alone.frequency for alone in found])
    length = np.array([alone.length for alone in found])
    strong = max(range(len(found)), key=lambda i: (frequency[i], np.nan_to_num(length[i])))
    factor, exact = np.full(len(found), np.nan), np.zeros(len(found), dtype=bool)
    if frequency[strong] == 1.0 and not asked.baseline.any():
        s = asked.groups[strong]
        for i, r in enumerate(asked.groups):
            apart = np.abs(s.basis @ r.basis.T).max() <= 16.0 * _EPS * s.basis.shape[1]
            if i != strong and frequency[i] > 0.0 and apart:
                factor[i] = frequency[i] * (length[i] / length[strong]) ** 2
                exact[i] = _is_exact(asked, label, found[strong], found[i])
    return Form(strong, factor, exact)


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
    on_own = (network.preactivations(data.X[data.mask(label) & weighs]) > 0.0).any(axis=-1)
    on_other = (network.preactivations(data.X[~data.mask(label) & weighs]) > 0.0).any(axis=-1)
    alpha, beta = np.moveaxis(network.preactivations(np.stack([strong, rare])), -1, 0)
    obeys = (alpha > 0.0) & (beta >= 0.0) & (beta <= factor * alpha) & ~on_other
    idle = ~on_own & ~on_other & (beta <= 0.0)
    return np.asarray(np.where(serves, obeys | idle, ~on_own).all(axis=-1))


def no_bounds(margin: Floats, loss: str, classes: int | None) -> tuple[Floats, Mask, list[str]]:
    """The same where Thm 6.1 (v2) says nothing."""
    what = f"the loss is {loss}" if classes is None else "the labels are class ids"
    none = np.full(margin.shape, np.nan)
    note = f"no bound: Thm 6.1 (v2) speaks of labels +1 and -1 and cross-entropy, {what}"
    return none, np.zeros(margin.shape, dtype=bool), [note]


def bounds(
    network: Network | Trajectory, asked: Request, alone: list[list[Summary]], margin: Floats
) -> tuple[Floats, Mask, list[str]]:
    """The bound and whether it is proven, (..., F, C) like the margins on the features alone, and notes."""
    bound, proven = np.full(margin.shape, np.nan), np.zeros(margin.shape, dtype=bool)
    notes = []
    for c, (label, found) in enumerate(zip(asked.data.labels, alone, strict=True)):
        of_class = form(asked, label, found)
        for i in np.flatnonzero(np.isfinite(of_class.factor)):
            L = margin[..., of_class.strong, c]
            bound[..., i, c] = np.where(L >= 0.0, special.expit(of_class.factor[i] * L), np.nan)
            start = _start(network)
            if of_class.exact[i] and start is not None:
                strong, rare = found[of_class.strong].point, found[i].point
                proven[..., i, c] = holds(start, asked, label, of_class.factor[i], strong, rare)
        if not np.isfinite(of_class.factor).any():
            notes.append(_why_none(asked, asked.data.class_names[c], found, of_class.strong))
    given = np.isfinite(bound)
    if np.any(given & ~proven):
        notes.append("the bound is a guide where `proven` is False: Thm 6.1 (v2) is not known to apply there")
    return bound, proven, notes


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
