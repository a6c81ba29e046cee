"""What a wrong law of SGD would have to be off by to be seen: the resolution behind a verdict of `coverage`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dynsim.checks import Floats
from dynsim.theory.sgd import SGDLaw

Counts = NDArray[np.int64]
#: Relative change of lr from which the sensitivity of the path is taken: half the digits of a float.
_CHANGE = 2.0**-26
#: Halvings of the interval in which a change of frequency is looked for.
_HALVINGS = 40


def two_sided(count: Counts, runs: int, probability: Floats) -> Floats:
    """Twice the smaller tail of the binomial law, at most 1: the p-value of a count."""
    k = np.asarray(count, dtype=np.float64)
    least = np.where(k > 0, special.bdtrc(k - 1.0, runs, probability), 1.0)
    most = np.where(k < runs, special.bdtr(k, runs, probability), 1.0)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(least, most)))


def rate(law: SGDLaw, steps: Counts, error: Floats) -> Floats:
    """The relative change of lr \\|x\\| sum(q) that takes a margin off the values of the law, by class, (c,).

    At the most probable number of draws of one of the steps: by more than the rounding errors of both; inf where no
    margin depends on it.
    """
    other = SGDLaw.of(law.system, law.loss, law.lr * (1.0 + _CHANGE), law.steps)
    k = np.minimum(np.rint(steps[:, None] * law.frequency).astype(np.int64), len(law.path) - 1)
    with np.errstate(invalid="ignore"):
        # A law that diverges is inf, and its change NaN: nothing is told from there.
        moved = np.abs(np.take_along_axis(other.path - law.path, k, axis=0)) / _CHANGE
    allowed = 2.0 * np.take_along_axis(error, k, axis=0)
    # A change of the path by its own rounding is none.
    real = moved * _CHANGE > allowed / 2.0**20
    needed = np.divide(allowed, moved, where=real & (moved > 0), out=np.full(moved.shape, np.inf))
    return np.asarray(np.min(needed, axis=0, initial=np.inf))


def frequency_by_counts(
    law: SGDLaw, steps: Counts, edge: Counts, under: Floats, runs: int, threshold: float
) -> Floats:
    """The change of f that the number of runs below a band shows, where it is as expected then; by class, (c,).

    edge (T, c, L): the number of draws at the lower edge of the band. under (T, c, L): the probability below it,
    NaN where that is not tested.
    """
    n = np.broadcast_to(steps[:, None, None], edge.shape)
    tested = ~np.isnan(under)
    share = np.where(tested, under, 0.5)

    def seen(f: Floats) -> NDArray[np.bool_]:
        below = special.bdtr(np.maximum(edge - 1.0, 0.0), n, f[:, None])
        count = np.rint(runs * below).astype(np.int64)
        return np.asarray(tested & (two_sided(count, runs, share) < threshold))

    return _smallest(law.frequency, seen)


def frequency_by_extremes(law: SGDLaw, steps: Counts, threshold: float) -> Floats:
    """The change of f by which a run with as many draws as expected then is too improbable; by class, (c,)."""
    n, classes = steps[:, None], np.arange(len(law.frequency))
    # Equal margins do not tell the numbers of draws apart: the first and the last of equals.
    first = np.stack([np.searchsorted(u, u, side="left") for u in law.path.T])
    last = np.stack([np.searchsorted(u, u, side="right") - 1 for u in law.path.T])

    def seen(f: Floats) -> NDArray[np.bool_]:
        k = np.minimum(np.rint(n * f).astype(np.int64), len(law.path) - 1)
        low, high = first[classes, k], np.minimum(last[classes, k], n)
        least = np.where(low > 0, special.bdtrc(np.maximum(low - 1.0, 0.0), n, law.frequency), 1.0)
        most = special.bdtr(high.astype(np.float64), n, law.frequency)
        return np.asarray(2.0 * np.minimum(least, most) < threshold)[..., None]

    return _smallest(law.frequency, seen)


def _smallest(frequency: Floats, seen: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """The smallest change of each frequency (c,) that some cell (T, c, L) sees, up or down; inf for none.

    Of the two directions the one that needs more; a frequency may not leave 0 ... 1.
    """
    found = []
    for sign, room in ((1.0, 1.0 - frequency), (-1.0, frequency)):
        low, high = np.zeros_like(frequency), np.array(room)
        far = np.any(seen(frequency + sign * high * (1.0 - 1e-12)), axis=(0, 2))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            now = np.any(seen(frequency + sign * middle), axis=(0, 2))
            low, high = np.where(now, low, middle), np.where(now, middle, high)
        found.append(np.where(far, high, np.inf))
    return np.asarray(np.maximum(*found))
