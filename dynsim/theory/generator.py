"""What a discriminator that learns one fake point tells its generator: closed forms over time.

Let a ReLU network f without biases learn to give a real input the label +1 and a fake one, x, the label -1, where
the units that are active at x are parallel to it and see x alone (antipodal inputs on a line, or class-aligned
units along x). Its output there is f(x) = -u, with u = z_1 w_1.x + z_2 w_2.x + ..., and the gradient with respect
to x is -(z_1 w_1 + z_2 w_2 + ...), of length |u|/|x|. A generator that minimizes phi(f(x)) is told

    d phi(f(x))/dx,    of length s(t) = |phi'(-u)| |u|/|x|,    u = u(t) from `dynsim.theory.modes`,

that is (docs/theory.md, section 19)

    linear          phi = -f                  s = u/|x|               hinge: reaches 1/|x| and stays
    saturating      phi = log(1 - sigma(f))   s = u sigma(-u)/|x|     rises to W(1/e)/|x|, then fades like 1/t
    non-saturating  phi = log(1 + e^-f)       s = u sigma(u)/|x|      grows like log t

It is Thm 3.2 and Thm 5.1 (v2), read at the input instead of the output, and beyond the paper, which argues from the
saturation of the loss that hinge should serve a generator better. The time is t = lr x step of the discriminator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory import modes

__all__ = ["PEAK", "Peak", "decay", "peak", "signal", "signal_at"]

#: W(1/e), the most that u sigma(-u) can be; it is that at u = 1 + W(1/e) = 1.2785.
PEAK = float(special.lambertw(np.exp(-1.0)).real)


class Peak(NamedTuple):
    """Where the saturating signal is largest: the logit, the time, and the signal there."""

    logit: Floats
    time: Floats
    signal: Floats


def signal(
    time: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    loss: str = "cross_entropy",
    objective: str,
) -> Floats:
    """The length of the gradient that a generator gets at a fake point.

    Parameters
    ----------
    time : array_like
        t = lr x step of the discriminator, >= 0; inf gives the limit.
    initial, rate, imbalance, depth, norm, loss
        Of the discriminator's mode of the fake point, as for `dynsim.theory.modes.logit`: `initial` is u0 = -f(x)
        at t = 0, `rate` p |x|, p the weight of the fake point in the discriminator's loss, and `norm` |x|.
    objective : str
        What the generator minimizes: "linear" -f, "saturating" log(1 - sigma(f)), "non_saturating"
        log(1 + e^-f). All three can be had with every loss of the discriminator.

    Returns
    -------
    ndarray
        In the shape to which the arguments broadcast (0-d for numbers); per sample, not divided by a batch. The
        relative error is that of the logit times 1 + u, or below 1e-15 more where u < 1.

    Raises
    ------
    ValueError
        As for `dynsim.theory.modes.logit`, and for an unknown objective.

    Examples
    --------
    >>> start = {"initial": 0.01, "rate": 1.0, "norm": 0.5}
    >>> signal([0.0, 2.0, 5.0, 50.0], **start, loss="hinge", objective="linear").round(4)
    array([0.02 , 1.092, 2.   , 2.   ])
    >>> signal([0.0, 2.0, 5.0, 50.0], **start, objective="saturating").round(4)
    array([0.01  , 0.069 , 0.5123, 0.0284])
    >>> signal([2.0, 5.0, 50.0], **start, objective="non_saturating").round(4)
    array([ 0.0742,  1.2151, 12.076 ])
    """
    checks.choice("objective", objective, _SIGNALS)
    u = modes.logit(time, initial=initial, rate=rate, imbalance=imbalance, depth=depth, norm=norm, loss=loss)
    return signal_at(u, norm=norm, objective=objective)


def signal_at(logit: ArrayLike, *, norm: ArrayLike = 1.0, objective: str) -> Floats:
    """The same where the discriminator's output is f(x) = -`logit`: |phi'(-u)| |u|/|x|.

    For every ReLU network without biases, whatever it has learnt from, this is the part of the signal along x: f is
    homogeneous, so that x . df/dx = f (Euler).

    Parameters
    ----------
    logit, norm : array_like
        u, of either sign or infinite, and |x| > 0.
    objective : str
        As for `signal`.

    Examples
    --------
    >>> signal_at([1.0, 10.0, np.inf], objective="saturating").round(6)
    array([0.268941, 0.000454, 0.      ])
    """
    told = checks.choice("objective", objective, _SIGNALS)
    u, x = checks.broadcast(logit=checks.array("logit", logit, infinite=True), norm=checks.positive("norm", norm))
    return np.asarray(np.abs(told(u)) / x)


def peak(
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    loss: str = "cross_entropy",
) -> Peak:
    """When the saturating signal is largest, and how large it is then.

    d/du (u sigma(-u)) = 0 is u sigma(u) = 1, or (u - 1) e^(u-1) = 1/e: u = 1 + W(1/e), whatever the rate, the
    depth and the imbalance, and the signal there is (u - 1)/|x|.

    Parameters
    ----------
    initial : array_like
        u0, of either sign where there is an imbalance.
    rate, imbalance, depth, norm
        As for `signal`.
    loss : str
        "cross_entropy" or "exponential".

    Returns
    -------
    Peak
        Where u0 is larger than 1 + W(1/e), the start.

    Raises
    ------
    ValueError
        As for `dynsim.theory.modes.time_to`, and for hinge and squared loss, whose logits end at 1.

    Examples
    --------
    >>> found = peak(initial=[0.01, 2.0], rate=1.0, norm=0.5)
    >>> found.logit.round(4), found.time.round(4), found.signal.round(4)
    (array([1.2785, 2.    ]), array([5.7648, 0.    ]), array([0.5569, 0.4768]))
    """
    checks.choice("loss", loss, _UNBOUNDED)
    u = np.maximum(checks.array("initial", initial), 1.0 + PEAK)
    time = modes.time_to(u, initial=initial, rate=rate, imbalance=imbalance, depth=depth, norm=norm, loss=loss)
    u = np.array(np.broadcast_to(u, time.shape))
    return Peak(u, time, signal_at(u, norm=norm, objective="saturating"))


def decay(time: ArrayLike, *, rate: ArrayLike, norm: ArrayLike = 1.0) -> Floats:
    """How the saturating signal of cross-entropy ends, at depth 2: 1/(2 kappa |x| t) (1 + 1/log t).

    Balanced layers have u sigma(-u) = u'/(2 kappa), so that the signal is the speed of the logit, which grows like
    log t + log log t (docs/theory.md, section 5); neither u0 nor the imbalance plays a part.

    Parameters
    ----------
    time : array_like
        Larger than e.
    rate, norm : array_like
        kappa = p |x| and |x|.

    Returns
    -------
    ndarray
        The ratio to `signal` is 1 + O(log log t/log(t)^2).

    Raises
    ------
    ValueError
        If a time is not larger than e, or another argument not positive.

    Examples
    --------
    >>> told = signal([1e3, 1e6, 1e50], initial=0.01, rate=1.0, objective="saturating")
    >>> (decay([1e3, 1e6, 1e50], rate=1.0) / told).round(4)
    array([1.002 , 1.0059, 1.0003])
    """
    t = checks.positive("time", time, infinite=True)
    if not np.all(t > np.e):
        raise ValueError(f"time must be larger than e, got {t[~(t > np.e)][0]:.10g}")
    kappa, x = checks.positive("rate", rate), checks.positive("norm", norm)
    t, kappa, x = checks.broadcast(time=t, rate=kappa, norm=x)
    return np.asarray((1.0 + 1.0 / np.log(t)) / (2.0 * kappa * x * t))


def _saturating(u: Floats) -> Floats:
    """u sigma(-u), and its limit 0 at infinity."""
    out = np.zeros_like(u)
    known = u < np.inf
    with np.errstate(under="ignore"):
        out[known] = u[known] * special.expit(-u[known])
    return out


_UNBOUNDED = {"cross_entropy": True, "exponential": True}
_SIGNALS: dict[str, Callable[[Floats], Floats]] = {
    "linear": np.positive,
    "saturating": _saturating,
    "non_saturating": lambda u: _saturating(-u),
}
