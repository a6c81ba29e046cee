"""The mode of one hidden layer, from any balanced or imbalanced start, for each of the four losses.

docs/theory.md, section 4: du/dt = 2 kappa sqrt(u^2 + C^2) g(u), kappa = p |x|. Notation: T = 2 kappa t with
t = lr x step, R(u) = sqrt(u^2 + C^2), w = sqrt(1 + C^2), and s the hyperbolic angle from u0 to u, log(u/u0)
where C = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dynsim.checks import Floats
from dynsim.theory.evaluation import imbalanced
from dynsim.theory.evaluation.special import scaled_time, solve_log_ei

# e^10000 is beyond every float rate, time and imbalance together: such a logit neither moves nor is reached.
BEYOND = 1e4
_TINY = 1e-280


class Mode(NamedTuple):
    """Arrays of one dimension and one length; `value` is the time, or the logit to which it is wanted."""

    value: Floats
    initial: Floats
    rate: Floats
    imbalance: Floats

    def where(self, mask: NDArray[np.bool_]) -> Mode:
        return Mode(*(a[mask] for a in self))


class Law(NamedTuple):
    """The logit at a time > 0 (finite), and the time to a logit that is reached, other than the first one."""

    logit: Callable[[Mode], Floats]
    time: Callable[[Mode], Floats]


# -- cross-entropy and exponential loss: T = weight * s + int e^u ds -----------------------------------------


def unbounded_logit(mode: Mode, weight: float) -> Floats:
    out = np.empty_like(mode.value)
    balanced = mode.imbalance == 0.0
    even = mode.where(balanced)
    # Thm 3.2, eq 2-3 (v2)
    out[balanced] = solve_log_ei(even.initial, *scaled_time(even.rate, even.value), weight=weight)
    out[~balanced] = imbalanced_logit(mode.where(~balanced), weight)
    return out


def imbalanced_logit(mode: Mode, weight: float | Floats) -> Floats:
    """`weight` as in `imbalanced.solve`; the imbalance must be positive where the initial logit is not."""
    scaled, log_scaled = scaled_time(mode.rate, mode.value)
    out, part = mode.initial.copy(), mode.initial < BEYOND
    columns = (mode.initial, scaled, log_scaled, mode.imbalance, np.broadcast_to(weight, out.shape))
    u0, total, log_total, imbalance, weights = (a[part] for a in columns)
    out[part] = imbalanced.solve(u0, total, log_total, imbalance, weight=weights)
    return out


def unbounded_time(mode: Mode, weight: float | Floats) -> Floats:
    scaled, log_scaled = imbalanced.elapsed(mode.initial, mode.value, mode.imbalance, weight=weight)
    # T overflows sooner than t where the rate is large.
    return np.where(
        scaled < np.inf, 0.5 * scaled / mode.rate, np.exp(log_scaled - np.log(mode.rate) - np.log(2.0))
    )


# -- hinge loss: s = T until u = 1 (Thm 5.1, eq 6, v2) -------------------------------------------------------


def _hinge_logit(mode: Mode) -> Floats:
    one = np.ones_like(mode.initial)
    turn, _ = scaled_time(mode.rate, mode.value)
    rest = imbalanced.angle(np.minimum(mode.initial, one), one, mode.imbalance)
    below = imbalanced.logit_after(np.minimum(mode.initial, one), np.minimum(turn, rest), mode.imbalance)
    # The last angle before 1 may round to a logit just above it.
    return np.maximum(mode.initial, np.where(turn >= rest, one, np.minimum(below, one)))


def _hinge_time(mode: Mode) -> Floats:
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
    apart = 2.0 * np.log(imbalance) + np.log(_share(u, imbalance))
    return value, np.where((u > 0.0) | (value > _TINY), np.log(value), apart)


def _squared_logit(mode: Mode) -> Floats:
    u0, imbalance = mode.initial, mode.imbalance
    w = np.hypot(1.0, imbalance)
    scaled = scaled_time(mode.rate, mode.value)[0]
    exponent = w * scaled
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
    # From below 0, `low` has the error of u0, `high` that of 1 - u, which is less than that of T once T R(u) > 1.
    sunk = (u0 < 0.0) & ((low < -0.5) | (scaled * np.hypot(low, imbalance) >= 1.0))
    # Within a rounding of u0, a logit may come out on its other side.
    found = np.where((u0 <= 1.0) & (low < 0.5) & ~sunk, low, high)
    return np.where(u0 <= 1.0, np.maximum(found, u0), np.minimum(found, u0))


def _squared_time(mode: Mode) -> Floats:
    u0, u, imbalance = mode.initial, mode.value, mode.imbalance
    w = np.hypot(1.0, imbalance)
    (start, log_start), (end, log_end) = _slack(u0, imbalance), _slack(u, imbalance)
    turn = -np.expm1(-imbalanced.angle(u0, u, imbalance))
    # Both slacks are C^2 times this where u0 <= u <= 0, and C^2 may underflow.
    ratio = np.where(u <= 0.0, _share(u, imbalance) / _share(u0, imbalance), end / start)
    # e^{wT} - 1 = w (1 - e^-s) (P + w - 1) / ((P0 + w - 1) (1 - u))
    growth = w * turn * ratio / (1.0 - u)
    log_growth = np.log(w) + np.log(np.abs(turn)) + (log_end - log_start) - np.log(np.abs(1.0 - u))
    safe = (growth < np.inf) & ((u0 > 0.0) | (u <= 0.0) | (start > _TINY))
    return 0.5 * np.where(safe, np.log1p(growth), np.logaddexp(0.0, log_growth)) / w / mode.rate


def _share(u: Floats, imbalance: Floats) -> Floats:
    """The slack over C^2, for u <= 0."""
    return np.asarray(1.0 / (np.hypot(1.0, imbalance) + 1.0) + 1.0 / (np.hypot(u, imbalance) - u))


LAWS = {
    "cross_entropy": Law(partial(unbounded_logit, weight=1.0), partial(unbounded_time, weight=1.0)),
    "exponential": Law(partial(unbounded_logit, weight=0.0), partial(unbounded_time, weight=0.0)),
    "hinge": Law(_hinge_logit, _hinge_time),
    "squared": Law(_squared_logit, _squared_time),
}
