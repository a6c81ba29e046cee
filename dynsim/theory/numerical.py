"""Integration of the ordinary differential equations behind the flows; the time unit is lr x step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from dynsim.checks import Floats

#: Far below any logit or weight: relative tolerance alone decides.
_NOTHING = 1e-290


def solve(
    field: Callable[[Floats], Floats],
    start: Floats,
    times: Floats,
    *,
    rtol: float,
    atol: float = _NOTHING,
    stop: Callable[[Floats], float] | None = None,
    grid: float = 0.0,
) -> Floats:
    """The solution of y' = field(y) from `start` at time 0, at increasing times, by scipy's DOP853.

    Parameters
    ----------
    field : callable
        Takes and returns arrays of shape (m,).
    start : ndarray, shape (m,)
    times : ndarray, shape (T,)
        From 0 on, finite.
    rtol, atol : float
        Tolerances of a step.
    stop : callable, optional
        The solution stays where it is once this function of y has risen to 0.
    grid : float
        For grid > 0 it stays only from the next multiple of it on.

    Returns
    -------
    ndarray, shape (T, m)

    Raises
    ------
    FloatingPointError
        If the integration fails.

    Examples
    --------
    >>> solve(lambda y: -y, np.array([1.0]), np.array([0.0, 1.0]), rtol=1e-10).round(9)
    array([[1.        ],
           [0.36787944]])
    """
    out = np.empty((len(times), len(start)))
    out[:] = start
    if times[-1] == 0.0 or (stop is not None and stop(start) >= 0.0):
        return out
    end = np.inf
    if stop is not None:
        end = _first(field, start, float(times[-1]), stop, rtol, atol)
        end = grid * steps_until(end / grid) if grid and end < np.inf else end
    asked = np.append(times[times < end], end) if end < times[-1] else times
    found = _integrated(field, start, float(asked[-1]), rtol, atol, t_eval=asked)
    out[: len(asked)], out[len(asked) :] = found.y.T[: len(times)], found.y[:, -1]
    return out


def steps_until(position: float) -> float:
    """The whole steps that reach a position, given in steps; a rounding error above one is still that one."""
    return float(np.ceil(position * (1.0 - 1e-12)))


def _first(
    field: Callable[[Floats], Floats],
    start: Floats,
    last: float,
    stop: Callable[[Floats], float],
    rtol: float,
    atol: float,
) -> float:
    """When `stop` rises to 0, or inf."""
    found = _integrated(field, start, last, rtol, atol, events=_event(stop))
    return float(found.t_events[0][0]) if len(found.t_events[0]) else np.inf


def _integrated(
    field: Callable[[Floats], Floats], start: Floats, last: float, rtol: float, atol: float, **options: Any
) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        found = solve_ivp(lambda _, y: field(y), (0.0, last), start, "DOP853", rtol=rtol, atol=atol, **options)
    if not found.success:
        at = found.t[-1] if len(found.t) else 0.0
        raise FloatingPointError(f"the flow could not be integrated beyond t = {at:.6g}: {found.message}")
    return found


def _event(stop: Callable[[Floats], float]) -> Callable[[float, Floats], float]:
    def event(_: float, y: Floats) -> float:
        return stop(y)

    event.terminal = True  # type: ignore[attr-defined]
    event.direction = 1.0  # type: ignore[attr-defined]
    return event
