"""Gradient starvation at any depth: two features and a network of rank one.

All points of a class have the feature x1, a share lam (the frequency) has x2 beside it, x1.x2 = 0, a = |x1|,
b = |x2|. A balanced deep linear network, or a chain of ReLU units with positive weights, acts on them like one
vector v, the product of its layers, with (Arora, Cohen and Hazan 2018, arXiv:1802.06509)

    v' = |v|^(2-2/N) [r + (N-1) (r.v) v/|v|^2],    r = -dL/dv = (1-lam) g(v1) x1 + lam g(v1 + v2) (x1 + x2),

where N is the number of layers, t = lr x step, and v1 = v.x1, v2 = v.x2 are the logits on each feature alone. With
P = a^2 [(1-lam) g(v1) + lam g(v1 + v2)]/v1 and T = b^2 lam g(v1 + v2)/v2, and phi the angle between v and x1,

    (log v1)' = |v|^(2-2/N) (P + S),    (log v2)' = |v|^(2-2/N) (T + S),    S = (N-1) (P cos^2 phi + T sin^2 phi).

N = 1 is the linear model, N = 2 eq 8 (v2) with the invariant 0 (docs/theory.md, section 18).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory.linear_starvation import frequency_of, pair

__all__ = ["RankOne", "depth_exponent", "rank_one"]

_RTOL, _ATOL = 1e-12, 1e-12
#: Where larger logits start they do not move in any time up to e^1e6.
LARGEST = 1e6


@dataclass(frozen=True)
class RankOne:
    """The logits of two features along training, as returned by `rank_one`.

    Attributes
    ----------
    log_time : ndarray, shape (T,)
        log t, t = lr x step; -inf at t = 0.
    strong, weak : ndarray, shape (T, ...)
        v1 and v2, the logits on x1 alone and on x2 alone.
    slope : ndarray, shape (T, ...)
        d log v2/d log v1 along the path, from the equations and not by differences.
    """

    log_time: Floats
    strong: Floats
    weak: Floats
    slope: Floats

    @property
    def time(self) -> Floats:
        """t = lr x step, shape (T,); inf where it is no float, from log t = 709.8 on."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self.log_time))


def depth_exponent(depth: ArrayLike) -> Floats:
    """1 - 1/N: with N layers the logit on the rare feature ends as this power of that on the frequent one.

    Once the points with both features are learnt (e^-v2 small) only x1 pulls, and with it
    (N + tan^2 phi) d log v2 = (N-1) d log v1, tan phi = (a v2)/(b v1). So d log v2/d log v1 comes to its limit from
    below, as 1 - 1/N - ((N-1)/N^2) tan^2 phi, and tan phi falls like v1^(-1/N).

    Parameters
    ----------
    depth : array_like
        The number of weight layers N, any real number from 1 on. For 1 there is no power but a logarithm.

    Returns
    -------
    ndarray
        In the shape of `depth`.

    Raises
    ------
    ValueError
        If a depth is below 1 or not finite.

    Examples
    --------
    >>> depth_exponent([1, 2, 5])
    array([0. , 0.5, 0.8])
    """
    N = _depths(depth)
    return np.asarray((N - 1.0) / N)


def rank_one(
    strong: ArrayLike,
    weak: ArrayLike,
    *,
    depth: ArrayLike,
    frequency: ArrayLike,
    times: ArrayLike | None = None,
    log_times: ArrayLike | None = None,
    norms: ArrayLike = (1.0, 1.0),
    loss: str = "cross_entropy",
) -> RankOne:
    """The logits on two features of a balanced network of rank one, integrated in log t.

    A ReLU chain has this law while its unit is active on the points of its class alone. A class with h equal chains
    has it with the time multiplied by h^(2/N - 1), v being the sum.

    Parameters
    ----------
    strong, weak : array_like
        v1 > 0 and v2 > 0 at t = 0, at most 1e6.
    depth : array_like
        The number of weight layers N, any real number from 1 on.
    frequency : array_like
        lam, above 0 and up to 1: the share of points that have the rare feature.
    times : array_like, shape (T,), optional
        t = lr x step, from 0 on, increasing.
    log_times : array_like, shape (T,), optional
        log t instead, increasing; up to 1e6. One of the two must be given.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive.
    loss : str
        "cross_entropy" or "exponential". The hinge stops at a finite time, and the squared loss takes v2 back to 0.

    Returns
    -------
    RankOne
        The arguments other than times broadcast to the shape (...). Relative error of v1 and v2 below 1e-9 times
        1 + \\|dlog v/dlog t\\|, and of the slope below 1e-8.

    Raises
    ------
    ValueError
        If an argument is out of its range or of a shape that does not broadcast, if times do not increase, or
        if not one of `times` and `log_times` is given.
    FloatingPointError
        If the integration fails, as it may where v1 and v2 start further apart than by a factor of 1e25.

    Examples
    --------
    >>> path = rank_one(0.01, 0.001, depth=[1, 2, 3, 5], frequency=0.1, log_times=[60.0, 1000.0])
    >>> path.weak.round(4)
    array([[ 2.007 ,  2.8336,  3.5335,  4.4745],
           [ 4.7148, 11.7023, 21.8055, 38.7061]])
    >>> path.slope.round(4)
    array([[0.4392, 0.5738, 0.6864, 0.8032],
           [0.211 , 0.5   , 0.6666, 0.7998]])
    """
    checks.choice("loss", loss, _LOG_PULLS)
    log_time = _log_times(times, log_times)
    starts = _starts(strong, weak, depth, frequency, norms)
    shape = starts.strong.shape
    flat = (_Start(*values) for values in zip(*(values.ravel() for values in starts), strict=True))
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        paths = [_followed(start, log_time, loss) for start in flat]
    out = np.stack(paths, axis=-1) if paths else np.empty((3, len(log_time), 0))
    v1, v2, slope = (checks.frozen(values.reshape(len(log_time), *shape)) for values in out)
    return RankOne(checks.frozen(log_time), v1, v2, slope)


class _Start(NamedTuple):
    strong: Floats
    weak: Floats
    depth: Floats
    frequency: Floats
    a: Floats
    b: Floats


def _starts(strong: ArrayLike, weak: ArrayLike, depth: ArrayLike, frequency: ArrayLike, norms: ArrayLike) -> _Start:
    a, b = pair("norms", norms)
    for name, values in (("strong", strong), ("weak", weak)):
        large = checks.positive(name, values)
        if np.any(large > LARGEST):
            raise ValueError(f"{name} must be at most {LARGEST:g}, got {np.max(large):.10g}")
    named = {"strong": checks.positive("strong", strong), "weak": checks.positive("weak", weak)}
    named |= {"depth": _depths(depth), "frequency": frequency_of(frequency)}
    named |= {"norms[0]": checks.positive("norms[0]", a), "norms[1]": checks.positive("norms[1]", b)}
    return _Start(*checks.broadcast(**named))


def _depths(depth: ArrayLike) -> Floats:
    N = checks.positive("depth", depth)
    if np.any(N < 1.0):
        raise ValueError(f"depth must be at least 1, got {N[N < 1.0].flat[0]:.10g}")
    return N


def _log_times(times: ArrayLike | None, log_times: ArrayLike | None) -> Floats:
    if (times is None) == (log_times is None):
        raise ValueError("one of times and log_times must be given, got " + ("none" if times is None else "both"))
    if times is not None:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(checks.times("times", times)))
    out = checks.array("log_times", log_times, ndim=1)  # type: ignore[arg-type]
    if out.size == 0:
        raise ValueError("log_times must not be empty")
    if np.any(np.diff(out) <= 0.0):
        i = int(np.argmax(np.diff(out) <= 0.0))
        raise ValueError(f"log_times must increase, got {out[i]:.10g} followed by {out[i + 1]:.10g} at {i + 1}")
    if out[-1] > 1e6:
        raise ValueError(f"log_times must be at most 1e6, got {out[-1]:.10g}")
    return out


# -- one network ---------------------------------------------------------------------------------------------


def _followed(start: _Start, log_time: Floats, loss: str) -> Floats:
    """v1, v2 and the slope at all times, shape (3, T), by integration over s = log(1 + t/scale)."""
    first = np.log(start.strong), np.log(start.weak)
    log_scale = -float(np.logaddexp(*_log_rates(*first, start, loss)))
    s = np.logaddexp(0.0, log_time - log_scale)

    def field(s: float, state: Floats) -> list[float]:
        # dt = scale e^s ds
        rates = _log_rates(state[0], state[1], start, loss)
        return [float(np.exp(log_scale + s + rate)) for rate in rates]

    with warnings.catch_warnings():
        # LSODA warns where it fails, which `success` says too.
        warnings.simplefilter("ignore", UserWarning)
        found = solve_ivp(field, (0.0, max(s[-1], 1.0)), first, "LSODA", t_eval=s, rtol=_RTOL, atol=_ATOL)
    if not (found.success and np.isfinite(found.y).all()):
        raise FloatingPointError(f"the flow could not be integrated to log t = {log_time[-1]:.6g}")
    x, y = found.y
    of_v1, of_v2 = _log_rates(x, y, start, loss)
    return np.stack([np.exp(x), np.exp(y), np.exp(of_v2 - of_v1)])


def _log_rates(x: Floats, y: Floats, start: _Start, loss: str) -> tuple[Floats, Floats]:
    """The logarithms of (log v1)' and (log v2)' at v1 = e^x, v2 = e^y: none of the factors need be a float."""
    v1, v2, log_pull = np.exp(x), np.exp(y), _LOG_PULLS[loss]
    log_a, log_b = np.log(start.a), np.log(start.b)
    rare = np.log(start.frequency) + log_pull(v1 + v2)
    P = 2.0 * log_a + np.logaddexp(np.log1p(-start.frequency) + log_pull(v1), rare) - x
    T = 2.0 * log_b + rare - y
    along, across = 2.0 * (x - log_a), 2.0 * (y - log_b)
    square = np.logaddexp(along, across)
    grow = (1.0 - 1.0 / start.depth) * square
    S = np.log(start.depth - 1.0) + np.logaddexp(P + along - square, T + across - square)
    return grow + np.logaddexp(P, S), grow + np.logaddexp(T, S)


_LOG_PULLS: dict[str, Callable[[Floats], Floats]] = {
    "cross_entropy": lambda m: -np.logaddexp(0.0, m),
    "exponential": lambda m: -m,
}
