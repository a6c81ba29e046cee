"""Explicit bounds between which the logit of cross-entropy grows.

Notation as in docs/theory.md, sections 4 and 5: du/dt = 2 kappa sqrt(u^2 + C^2) / (1 + e^u), with kappa = p |x| the
rate of a class, C its imbalance, and the time t = lr x step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats

__all__ = ["lower_bound", "upper_bound"]

# From here on e^u and e^u - 1 are one float, and what is added to them in logarithms rounds away.
_LARGE, _HUGE = 600.0, 1e300
_TINY = 1e-280


def upper_bound(time: ArrayLike, *, initial: ArrayLike, rate: ArrayLike, imbalance: ArrayLike = 0.0) -> Floats:
    """Bound (19) of A.3 (v2): u <= 2 log(m kappa t + e^(u0/2)) with m = max(1, C/2).

    For cross-entropy, depth 2 and starts of either sign: d/dt e^(u/2) = kappa sqrt(y^2 + (C/2)^2) / cosh(y) with
    y = u/2, at most kappa m. The paper has m = 1 and C = 0. It is an equality at t = 0 only, where it has the
    right slope for u0 = 0 and C >= 2.

    Parameters
    ----------
    time : array_like
        t = lr x step, >= 0; inf gives inf.
    initial : array_like
        The logit u0 at t = 0.
    rate : array_like
        kappa = p |x| > 0.
    imbalance : array_like
        C >= 0, in units of the logit.

    Returns
    -------
    ndarray
        The bounds, in the shape to which the arguments broadcast (0-d for numbers); the relative error is
        below 1e-15 times 1 + |log(kappa t)| + |u0|/bound.

    Raises
    ------
    ValueError
        If an argument is NaN, outside its range or of a shape that does not broadcast.

    Examples
    --------
    >>> upper_bound([0.0, 1.0, 100.0], initial=0.01, rate=1.0).round(6)
    array([0.01    , 1.391301, 9.23034 ])
    """
    t, u0, kappa, C = checks.broadcast(
        time=checks.nonnegative("time", time, infinite=True),
        initial=checks.array("initial", initial),
        rate=checks.positive("rate", rate),
        imbalance=checks.nonnegative("imbalance", imbalance),
    )
    larger = np.maximum(1.0, 0.5 * C)
    with np.errstate(all="ignore"):
        growth = larger * kappa * t * np.exp(-0.5 * u0)
        log_growth = np.log(larger) + np.log(kappa) + np.log(t) - 0.5 * u0
        safe = (growth < np.inf) & (growth > _TINY)
        return np.asarray(u0 + 2.0 * np.where(safe, np.log1p(growth), np.logaddexp(0.0, log_growth)))


def lower_bound(time: ArrayLike, *, initial: ArrayLike, rate: ArrayLike) -> Floats:
    """The bound u >= log(1 + 2 omega(kappa t + x/2 + log(x/2))) with x = e^(u0) - 1 and Wright's omega function.

    For cross-entropy, depth 2 and every imbalance C >= 0: du/dt is at least 2 kappa u/(1 + e^u), and since u >=
    1 - e^-u, x = e^u - 1 has dx/dt >= 2 kappa x/(x + 2). It grows like u0 e^(kappa t) on the plateau,
    as the logit does, and like log(2 kappa t) in the end, less than the logit by log log t.

    Parameters
    ----------
    time : array_like
        t = lr x step, >= 0; inf gives inf.
    initial : array_like
        The logit u0 > 0 at t = 0.
    rate : array_like
        kappa = p |x| > 0.

    Returns
    -------
    ndarray
        The bounds, in the shape to which the arguments broadcast (0-d for numbers); the relative error is
        below 2e-15 times 1 + |log u0| e^-bound, as the last digits of so small a start and of kappa t decide.

    Raises
    ------
    ValueError
        If an argument is NaN, outside its range or of a shape that does not broadcast.

    Examples
    --------
    >>> lower_bound([0.0, 1.0, 100.0], initial=0.01, rate=1.0).round(6)
    array([0.01    , 0.026727, 5.20081 ])
    """
    t, u0, kappa = checks.broadcast(
        time=checks.nonnegative("time", time, infinite=True),
        initial=checks.positive("initial", initial),
        rate=checks.positive("rate", rate),
    )
    with np.errstate(all="ignore"):
        x0, turn = np.expm1(u0), kappa * t
        x = 2.0 * special.wrightomega(turn + 0.5 * x0 + np.log(x0) - np.log(2.0))
        # log(x/x0) = kappa t - (x - x0)/2: small x come out of omega with the error of log x0.
        half = np.exp(0.5 * turn - 0.25 * (x - x0))
        bound = np.log1p(np.where(x < 1.0, (x0 * half) * half, x))
        beyond = np.logaddexp(u0, np.log(2.0) + np.log(kappa) + np.log(t))
    return np.asarray(np.where((u0 < _LARGE) & (turn < _HUGE), bound, beyond))
