"""How two classes compare: Corollary 3.3 with its exact factor (docs/theory.md, section 5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory import modes


class TimeRatio(NamedTuple):
    """t2*/t1*: `exact`; the `plain` ratio of the rates; and `factor` = exact / plain."""

    exact: Floats
    plain: Floats
    factor: Floats


def time_ratio(
    logit: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    loss: str = "cross_entropy",
    classes: ArrayLike | None = None,
) -> TimeRatio:
    """How much longer class 2 takes to a logit than class 1: Corollary 3.3 with the factor of A.5 (v2).

    A mode needs the time Theta(u0, u; C)/K for its way from u0 to u, with a function Theta that knows neither
    frequency nor norm. Hence t2*/t1* = plain * factor, with plain = K1/K2 and
    factor = Theta(u0_2, u; C_2) / Theta(u0_1, u; C_1). At depth 2, plain = kappa1/kappa2 = (|x1| p1)/(|x2| p2).

    Where both classes have one imbalance, factor = 1 - tv/t1*, with tv the time class 1 takes from u0_1 to
    u0_2 (negative if u0_2 < u0_1): exactly 1 for equal starts. As the level rises, factor - 1 dies out like
    1/t1* for the losses of unbounded logits (with different imbalances as (C_1^2 - C_2^2)/(2 u^2)). As both
    starts go to 0 at a fixed ratio r = u0_2/u0_1 and C = 0, factor - 1 = -log(r)/log(1/u0_1) to leading
    order: very slowly. Deeper balanced networks (a > 1) have the limit factor = r^(1 - a) instead of 1.

    Parameters
    ----------
    logit : array_like
        The level u that defines t*, above both initial logits (squared loss: see `modes.time_to`).
    initial, rate, imbalance, norm
        One value for both classes, or a pair (of class 1, of class 2) of array_like; as for `modes.logit`.
    depth, loss, classes
        As for `modes.logit`.

    Returns
    -------
    TimeRatio
        `exact` is t2*/t1*, `plain` and `factor` its two parts, in the shape to which the arguments broadcast
        (0-d for numbers). The relative error is twice that of `modes.time_to`.

    Raises
    ------
    ValueError
        As for `modes.time_to`, and if a class starts at the level or does not reach it in a finite time.

    Examples
    --------
    >>> ratio = time_ratio([1.0, 10.0], initial=(1e-4, 3e-2), rate=(2.1, 0.3))
    >>> [part.round(4) for part in ratio]
    [array([2.9438, 6.9681]), array([7., 7.]), array([0.4205, 0.9954])]
    """
    starts, uneven = _pair("initial", initial), _pair("imbalance", imbalance)
    plain = _plain_ratio(_pair("rate", rate), _pair("norm", norm), depth)
    way = [
        modes.time_to(
            logit, initial=starts[i], rate=1.0, imbalance=uneven[i], depth=depth, loss=loss, classes=classes
        )
        for i in range(2)
    ]
    for length in way:
        bad = ~((length > 0.0) & (length < np.inf))
        if bad.any():
            level = np.broadcast_to(np.asarray(logit, dtype=float), length.shape)[bad][0]
            raise ValueError(f"logit must be reached by both classes at a finite time above 0, got {level:.10g}")
    plain, first, second = checks.broadcast(rate=plain, time_1=way[0], time_2=way[1])
    factor = np.asarray(second / first)
    return TimeRatio(np.asarray(plain * factor), plain.copy(), factor)


def _plain_ratio(rate: tuple[ArrayLike, ArrayLike], norm: tuple[ArrayLike, ArrayLike], depth: ArrayLike) -> Floats:
    """K1/K2."""
    kappa1, kappa2, norm1, norm2, N = checks.broadcast(
        rate_1=checks.positive("rate", rate[0]),
        rate_2=checks.positive("rate", rate[1]),
        norm_1=checks.positive("norm", norm[0]),
        norm_2=checks.positive("norm", norm[1]),
        depth=checks.positive("depth", depth),
    )
    # Two rates may be further apart than the floats reach: inf, or 0.
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(kappa1 / kappa2 * (norm1 / norm2) ** (2.0 / N - 1.0))


def _pair(name: str, value: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
    if not isinstance(value, (tuple, list, np.ndarray)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be one number, or a pair with one value a class, got {len(value)} values")
    return value[0], value[1]
