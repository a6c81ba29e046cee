"""The logit of one independent mode in closed form, for each of the four losses, and the time to a logit.

A class whose points are one input x obeys, whatever the width of the network (Lemma 3.1 and A.3 of the paper,
v2; docs/theory.md, section 4),

    du/dt = 2 kappa sqrt(u^2 + C^2) g(u),    u(0) = u0,

where u is the margin of the class, kappa = p |x| its rate (its frequency times the norm of its input), C the
imbalance between the two layers at the start (C = 0 is the paper's degenerate hyperbola), and g(u) = -l'(u)
the pull of the loss. The time is t = lr x step. Notation: T = 2 kappa t, R(u) = sqrt(u^2 + C^2),
w = sqrt(1 + C^2), and s the hyperbolic angle from u0 to u, log(u/u0) where C = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.theory import imbalanced
from dynsim.theory.special import log_ei_inverse, scaled_time, solve_log_ei

__all__ = ["log_ei_inverse", "logit", "time_to"]

# e^10000 is beyond every float rate, time and imbalance together: such a logit neither moves nor is reached.
_BEYOND = 1e4
_TINY = 1e-280
_LOWEST, _LARGEST = -1e12, 1e300

Mask = NDArray[np.bool_]


class _Mode(NamedTuple):
    """The arguments, checked and broadcast; `value` is the time or the logit."""

    value: Floats
    initial: Floats
    rate: Floats
    imbalance: Floats

    def where(self, mask: Mask) -> _Mode:
        return _Mode(*(a[mask] for a in self))


def logit(
    time: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: int = 2,
    loss: str = "cross_entropy",
) -> Floats:
    """The logit of a mode at a time.

    Cross-entropy: Thm 3.2, eq 2-3 (v2), and A.3 for C > 0. Hinge: Thm 5.1, eq 6. Exponential loss:
    Ei(u) - Ei(u0) = T. Squared loss: the classic sigmoid of linear networks.

    Parameters
    ----------
    time : array_like
        t = lr x step, >= 0; inf gives the limit (inf for cross-entropy and exponential, 1 for squared, 1 or
        `initial`, whichever is larger, for hinge).
    initial : array_like
        The logit u0 at t = 0, between -1e12 and 1e300. It must be positive where `imbalance` is 0.
    rate : array_like
        kappa = p |x| > 0.
    imbalance : array_like
        C >= 0, in units of the logit, at most 1e300.
    depth : int
        The number of weight layers, 2.
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".

    Returns
    -------
    ndarray
        The logits, in the shape to which the arguments broadcast (0-d for numbers). The relative error is
        below 4e-15 times the condition number 1 + |dlog u/dlog t| + |dlog u/dlog u0|, and below 1e-12 for
        initial from 1e-300 to 40, rates from 1e-3 to 1e3, times up to 1e300 and imbalances up to 1e12. It is
        `initial` exactly at t = 0.

    Raises
    ------
    ValueError
        If an argument is NaN, outside the range above or of a shape that does not broadcast, if `initial` is
        not positive where `imbalance` is 0, or if `loss` or `depth` is unknown.

    Examples
    --------
    >>> logit([0.0, 5.0, np.inf], initial=0.01, rate=1.0).round(6)
    array([0.01    , 0.863713,      inf])
    >>> logit(1.0, initial=-0.5, rate=1.0, imbalance=[0.2, 2.0], loss="hinge").round(6)
    array([0.072026, 1.      ])
    """
    law = _LAWS[losses.get(loss).name]
    mode = _checked("time", checks.nonnegative("time", time, infinite=True), initial, rate, imbalance, depth)
    start = mode.initial
    out = np.where(mode.value == np.inf, law.limit(start), start)
    moving = (mode.value > 0.0) & (mode.value < np.inf)
    with np.errstate(all="ignore"):
        out[moving] = law.logit(mode.where(moving))
    return out


def time_to(
    logit: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: int = 2,
    loss: str = "cross_entropy",
) -> Floats:
    """The time at which a mode reaches a logit: the inverse of the function `logit`.

    Parameters
    ----------
    logit : array_like
        Logits from `initial` on; for the squared loss and `initial` > 1 between 1 and `initial`.
    initial, rate, imbalance, depth, loss
        As for the function `logit`.

    Returns
    -------
    ndarray
        t = lr x step, in the shape to which the arguments broadcast (0-d for numbers): 0 at `initial`, inf
        for a logit that is never reached (above 1 for hinge, from 1 on for squared, inf) or not before
        1.8e308. The relative error is below 4e-15 times the condition number
        1 + |dlog t/dlog u| + |dlog t/dlog u0|.

    Raises
    ------
    ValueError
        As for the function `logit`, and if a logit is below `initial` (or, for the squared loss and
        `initial` > 1, not between the two).

    Examples
    --------
    >>> time_to([0.01, 1.0, 5.0], initial=0.01, rate=1.0).round(6)
    array([ 0.      ,  5.259109, 25.208906])
    >>> time_to([0.5, 1.0, 2.0], initial=0.01, rate=0.5, loss="hinge").round(6)
    array([3.912023, 4.60517 ,      inf])
    """
    law = _LAWS[losses.get(loss).name]
    mode = _checked("logit", checks.array("logit", logit, infinite=True), initial, rate, imbalance, depth)
    _check_reachable(mode, falls=loss == "squared")
    never = (mode.value != mode.initial) & law.never(mode)
    out = np.where(never, np.inf, 0.0)
    moving = ~never & (mode.value != mode.initial)
    with np.errstate(all="ignore"):
        out[moving] = law.time(mode.where(moving))
    return out


def _checked(
    name: str, value: Floats, initial: ArrayLike, rate: ArrayLike, imbalance: ArrayLike, depth: int
) -> _Mode:
    if depth != 2:
        raise ValueError(f"depth must be 2 (one hidden layer), got {depth!r}")
    arrays = (
        value,
        checks.array("initial", initial),
        checks.positive("rate", rate),
        checks.nonnegative("imbalance", imbalance),
    )
    # Beyond these, sums of two arguments overflow, or a logit near 0 has no digit left of those of its start.
    for what, values in (("initial", arrays[1]), ("imbalance", arrays[3])):
        outside = (values < _LOWEST) | (values > _LARGEST)
        if outside.any():
            limits = f"between {_LOWEST:g} and {_LARGEST:g}" if what == "initial" else f"at most {_LARGEST:g}"
            raise ValueError(f"{what} must be {limits}, got {values[outside][0]:.10g}")
    try:
        mode = _Mode(*np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(str(a.shape) for a in arrays)
        names = f"{name}, initial, rate and imbalance"
        raise ValueError(f"{names} must broadcast to one shape, got {shapes}") from error
    fixed = (mode.imbalance == 0.0) & (mode.initial <= 0.0)
    if fixed.any():
        raise ValueError(
            "initial must be positive where imbalance is 0: a logit of 0 is a fixed point, "
            f"got {mode.initial[fixed][0]:.10g}"
        )
    return mode


def _check_reachable(mode: _Mode, *, falls: bool) -> None:
    down = falls & (mode.initial > 1.0)
    outside = np.where(down, (mode.value < 1.0) | (mode.value > mode.initial), mode.value < mode.initial)
    if outside.any():
        value, initial = (f"{a[outside][0]:.10g}" for a in (mode.value, mode.initial))
        if down[outside][0]:
            raise ValueError(f"logit must lie between 1 and initial, got {value} with initial {initial}")
        raise ValueError(f"logit must be at least initial, got {value} with initial {initial}")


# -- cross-entropy and exponential loss: T = weight * s + int e^u ds -----------------------------------------


def _unbounded_logit(mode: _Mode, weight: float) -> Floats:
    scaled, log_scaled = scaled_time(mode.rate, mode.value)
    out = mode.initial.copy()
    balanced = mode.imbalance == 0.0
    # Thm 3.2, eq 2-3 (v2)
    out[balanced] = solve_log_ei(*(a[balanced] for a in (mode.initial, scaled, log_scaled)), weight=weight)
    other = ~balanced & (mode.initial < _BEYOND)
    columns = (mode.initial, scaled, log_scaled, mode.imbalance)
    out[other] = imbalanced.solve(*(a[other] for a in columns), weight=weight)
    return out


def _unbounded_time(mode: _Mode, weight: float) -> Floats:
    scaled, log_scaled = imbalanced.elapsed(mode.initial, mode.value, mode.imbalance, weight=weight)
    # T overflows sooner than t where the rate is large.
    return np.where(
        scaled < np.inf, 0.5 * scaled / mode.rate, np.exp(log_scaled - np.log(mode.rate) - np.log(2.0))
    )


# -- hinge loss: s = T until u = 1 (Thm 5.1, eq 6, v2) -------------------------------------------------------


def _hinge_logit(mode: _Mode) -> Floats:
    one = np.ones_like(mode.initial)
    turn, _ = scaled_time(mode.rate, mode.value)
    rest = imbalanced.angle(np.minimum(mode.initial, one), one, mode.imbalance)
    below = imbalanced.logit_after(np.minimum(mode.initial, one), np.minimum(turn, rest), mode.imbalance)
    # The last angle before 1 may round to a logit just above it.
    return np.maximum(mode.initial, np.where(turn >= rest, one, np.minimum(below, one)))


def _hinge_time(mode: _Mode) -> Floats:
    return 0.5 * imbalanced.angle(mode.initial, mode.value, mode.imbalance) / mode.rate


# -- squared loss: int ds / (1 - u) = T, rational in e^s and e^{wT} ------------------------------------------


def _plus(u: Floats, imbalance: Floats) -> Floats:
    """R(u) + u without cancellation."""
    root = np.hypot(u, imbalance)
    return np.where(u > 0.0, root + u, imbalance * (imbalance / (root + np.abs(u))))


def _slack(u: Floats, imbalance: Floats) -> tuple[Floats, Floats]:
    """R(u) + u + w - 1 and its logarithm; for u <= 0 it is of size C^2 and may underflow."""
    w = np.hypot(1.0, imbalance)
    value = _plus(u, imbalance) + imbalance * (imbalance / (w + 1.0))
    apart = 2.0 * np.log(imbalance) + np.log(1.0 / (w + 1.0) + 1.0 / (np.hypot(u, imbalance) - u))
    return value, np.where((u > 0.0) | (value > _TINY), np.log(value), apart)


def _squared_logit(mode: _Mode) -> Floats:
    u0, imbalance = mode.initial, mode.imbalance
    w = np.hypot(1.0, imbalance)
    exponent = w * scaled_time(mode.rate, mode.value)[0]
    tanh, fade = np.tanh(0.5 * exponent), 2.0 * special.expit(-exponent)
    slack, log_slack = _slack(u0, imbalance)
    down, up = w * fade + slack * tanh, w * fade + (w + 1.0 + _plus(-u0, imbalance)) * tanh
    # e^s = up / down, and u - u0 = (P (e^s - 1) + Q (1 - e^-s)) / 2 with P = R0 + u0 and Q = R0 - u0.
    rising = u0 + (1.0 - u0) * tanh * (_plus(u0, imbalance) / down + _plus(-u0, imbalance) / up)
    log_down = np.logaddexp(np.log(2.0 * w) + special.log_expit(-exponent), log_slack + np.log(tanh))
    climb = 2.0 * (1.0 - u0) * tanh
    turn = np.where(down > _TINY, np.log1p(climb / down), np.log(climb) - log_down)
    from_below = imbalanced.logit_after(np.minimum(u0, 0.0), np.maximum(turn, 0.0), imbalance)
    low = np.where(u0 < 0.0, from_below, rising)
    # 1 - u = (1 - u0) w^2 (1 - tanh^2) / (up * down), from which nothing is subtracted near 1 or from above.
    growth = 0.5 * slack * np.expm1(exponent)
    apart = np.exp(log_slack + exponent + np.log(-0.5 * np.expm1(-exponent)))
    growth = np.where((slack > _TINY) & (growth < np.inf), growth, apart)
    high = 1.0 - (1.0 - u0) * (w / (w + growth)) * (w * (2.0 - fade) / up)
    # Within a rounding of u0, a logit may come out on its other side.
    found = np.where((u0 <= 1.0) & (low < 0.5), low, high)
    return np.where(u0 <= 1.0, np.maximum(found, u0), np.minimum(found, u0))


def _squared_time(mode: _Mode) -> Floats:
    u0, u, imbalance = mode.initial, mode.value, mode.imbalance
    w = np.hypot(1.0, imbalance)
    (start, log_start), (end, log_end) = _slack(u0, imbalance), _slack(u, imbalance)
    turn = -np.expm1(-imbalanced.angle(u0, u, imbalance))
    # e^{wT} - 1 = w (1 - e^-s) (P + w - 1) / ((P0 + w - 1) (1 - u))
    growth = w * turn * (end / start) / (1.0 - u)
    log_growth = np.log(w) + np.log(np.abs(turn)) + (log_end - log_start) - np.log(np.abs(1.0 - u))
    safe = (growth < np.inf) & (start > _TINY) & (end > _TINY)
    return 0.5 * np.where(safe, np.log1p(growth), np.logaddexp(0.0, log_growth)) / w / mode.rate


class _Law(NamedTuple):
    """How a loss computes logits and times, which logits it never reaches, and the limit from a start."""

    logit: Callable[[_Mode], Floats]
    time: Callable[[_Mode], Floats]
    never: Callable[[_Mode], Mask]
    limit: Callable[[Floats], Floats]


def _never_squared(mode: _Mode) -> Mask:
    return np.asarray((mode.value == 1.0) | ((mode.value > 1.0) & (mode.initial <= 1.0)))


_LAWS = {
    "cross_entropy": _Law(
        partial(_unbounded_logit, weight=1.0),
        partial(_unbounded_time, weight=1.0),
        lambda mode: mode.value > _BEYOND,
        lambda initial: np.full_like(initial, np.inf),
    ),
    "exponential": _Law(
        partial(_unbounded_logit, weight=0.0),
        partial(_unbounded_time, weight=0.0),
        lambda mode: mode.value > _BEYOND,
        lambda initial: np.full_like(initial, np.inf),
    ),
    "hinge": _Law(_hinge_logit, _hinge_time, lambda mode: mode.value > 1.0, lambda u0: np.maximum(u0, 1.0)),
    "squared": _Law(_squared_logit, _squared_time, _never_squared, np.ones_like),
}
