"""Whether contestants solved the same problem: checked on their answers before any time is shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.processes import ContestantError
from benchmarks.task import Answer, Floats

#: Largest difference allowed, absolute, or relative where a number is larger than 1.
TOLERANCE = 1e-10

#: Rounding in the steps may move a run so many times as far as a unit in the last place of its start does.
_ROUNDINGS = 100.0


class Agreement(NamedTuple):
    """Largest difference from the reference, and how many networks only agree within their own sensitivity.

    difference: over the networks held to `TOLERANCE`. sensitive: how many are not, because one unit in the last
    place of their start alone does more than TOLERANCE / 100. fine: the verdict.
    """

    difference: float
    sensitive: int
    fine: bool


def exact(answer: Answer, reference: Answer, moved: Answer | None = None) -> Agreement:
    """Compare logits and last weights, network by network.

    Parameters
    ----------
    answer, reference : Answer
        Where one recorded more steps than the other, the first and the last are compared.
    moved : Answer, optional
        The reference's answer from a start moved by one unit in the last place. A network on which that does more
        than a hundredth of the tolerance (it starts on the stable manifold of a saddle) is held to a hundred times
        what it does there.
    """
    found = _differences(answer, reference)
    doubt = np.zeros_like(found) if moved is None else _ROUNDINGS * _differences(moved, reference)
    sensitive = doubt > TOLERANCE
    worst = float(np.max(np.where(sensitive, 0.0, found), initial=0.0))
    return Agreement(worst, int(sensitive.sum()), bool(np.all(found <= np.maximum(TOLERANCE, doubt))))


def _differences(answer: Answer, reference: Answer) -> Floats:
    """The largest relative difference of each network, shape (...)."""
    a, b = answer.logits, reference.logits
    if len(a) != len(b):
        a, b = a[[0, -1]], b[[0, -1]]
    found = _relative(a, b).max(axis=(0, -1))
    for mine, theirs, axes in ((answer.W, reference.W, (-2, -1)), (answer.Z, reference.Z, (-1,))):
        if mine is not None and theirs is not None:
            found = np.maximum(found, _relative(mine, theirs).max(axis=axes))
    return np.asarray(found)


def _relative(a: Floats, b: Floats) -> Floats:
    if a.shape != b.shape:
        raise ValueError(f"answers must have the same shape, got {a.shape} and {b.shape}")
    # What is not a number agrees with nothing.
    return np.nan_to_num(np.abs(a - b) / np.maximum(np.abs(b), 1.0), nan=np.inf)


class FirstOrder(NamedTuple):
    """A flow against descents of lr and 2 lr at the same times: largest differences in the logits.

    error: of flow and descent of lr. estimate: of the descents of lr and 2 lr, the first-order estimate of the
    error. extrapolated: of flow and 2 D(lr) - D(2 lr), in which the first order cancels.
    """

    error: float
    estimate: float
    extrapolated: float


def first_order(flow: Floats, fine: Floats, coarse: Floats) -> FirstOrder:
    """Compare logits (T, n) of the flow, of descent at lr and of descent at 2 lr."""

    def largest(a: Floats, b: Floats) -> float:
        return float(np.max(np.abs(a - b)))

    return FirstOrder(largest(flow, fine), largest(fine, coarse), largest(flow, 2.0 * fine - coarse))


def demand(name: str, answer: Answer, reference: Answer) -> None:
    """Raise ContestantError if two answers differ by more than the tolerance."""
    found = exact(answer, reference)
    if not found.fine:
        raise ContestantError(f"{name}: differs from the reference by {found.difference:.2g}")
