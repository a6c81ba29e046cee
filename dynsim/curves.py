"""Measured curves: from a confidence, an error or a loss to the margin, and how the numbers were rounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats
from dynsim.losses import Loss

#: So many values do not happen to be float32, or to have few decimals, by chance.
_MANY = 20


def margin(name: str, values: Floats, loss: Loss) -> Floats:
    """The margin at which the loss has that confidence, error or value."""
    if name == "loss":
        bad, wanted = values < 0, "at least 0"
    elif loss.name in ("cross_entropy", "exponential"):
        bad, wanted = (values < 0) | (values > 1), "between 0 and 1"
    else:
        bad, wanted = np.isinf(values), "finite"
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be {wanted} for {loss.name}, got {values[place]:.10g} at {place}")
    if name == "loss":
        return loss.margin_of_value(values)
    if name == "error" and loss.name in ("cross_entropy", "exponential"):
        # logit(1 - e) = -logit(e): keeps an error of 1e-20.
        return -loss.margin_at(values)
    return loss.margin_at(1.0 - values if name == "error" else values)


def check_lr(time: Floats, lr: float | None) -> None:
    """Two records are at least one step apart."""
    if lr is None or len(time) < 2:
        return
    gap = float(np.min(np.diff(time)))
    if checks.number("lr", lr) > gap * (1.0 + 1e-6):
        raise ValueError(f"lr must be at most {gap:.10g}, the smallest difference of time (lr x step), got {lr:g}")


def relative_rounding(values: ArrayLike | None) -> float:
    """Epsilon of the type the values came in, or of float32 where every one of many values is one."""
    given = np.asarray(values)
    if given.dtype.kind != "f":
        return float(np.finfo(np.float64).eps)
    with np.errstate(over="ignore", under="ignore"):
        single = given.size >= _MANY and bool(np.all(given.astype(np.float32) == given))
    return float(np.finfo(np.float32 if single and given.dtype.itemsize > 4 else given.dtype).eps)


def absolute_rounding(table: Floats) -> float:
    """Half a unit of the last decimal, where many values all have no more than 12 decimals; else 0."""
    finite = table[np.isfinite(table)]
    if np.unique(finite).size < _MANY:
        return 0.0
    for decimals in range(13):
        if np.array_equal(np.round(finite, decimals), finite):
            return 0.5 * 10.0**-decimals
    return 0.0
