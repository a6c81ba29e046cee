"""Medians, ratios and exponents: what becomes of the seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def median(seconds: Sequence[float]) -> float:
    """The median; nan if nothing was measured."""
    return float(np.median(seconds)) if len(seconds) else float("nan")


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as fast ours is: the median of theirs over the median of ours."""
    return median(theirs) / median(ours)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """p of values = c sizes^p, by least squares on the logarithms.

    Raises
    ------
    ValueError
        For fewer than two sizes, or numbers that are not positive.
    """
    x, y = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.shape != y.shape or x.size < 2:
        raise ValueError(f"sizes and values must be as many, at least 2, got {x.size} and {y.size}")
    if not (np.all(x > 0) and np.all(y > 0)):
        raise ValueError(f"sizes and values must be positive, got {x.tolist()} and {y.tolist()}")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
