"""scipy's solve_ivp on the same equation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.laws.problems import Floats, Pairs, Trajectory

# The logits are positive; what is asked is relative.
_ATOL = 1e-300


def right_side(rate: float, imbalance: float, depth: float) -> Callable[[float, Floats], list[float]]:
    """du/dt, in scalars: NumPy would take longer."""
    factor, power, square = depth * rate, 2.0 - 2.0 / depth, imbalance * imbalance

    def imbalanced(_: float, u: Floats) -> list[float]:
        v = float(u[0])
        return [factor * math.sqrt(v * v + square) / (1.0 + math.exp(v))]

    def deep(_: float, u: Floats) -> list[float]:
        v = float(u[0])
        return [factor * v**power / (1.0 + math.exp(v))]

    return imbalanced if depth == 2.0 else deep


def trajectory(problem: Trajectory, method: str, rtol: float) -> Floats:
    """The logits of one start, by the solver's own interpolation where there are more times than steps."""
    start = float(problem.initial)
    field = right_side(float(problem.rate), problem.imbalance, problem.depth)
    end = (0.0, float(problem.times[-1]))
    found = solve_ivp(field, end, [start], method=method, t_eval=problem.times, rtol=rtol, atol=_ATOL)
    assert found.success, found.message
    return np.asarray(found.y[0])


def loop(problem: Pairs, method: str, rtol: float) -> Floats:
    """One start after the other."""
    imbalance = np.broadcast_to(problem.imbalance, problem.initial.shape)
    rows = zip(problem.times, problem.initial[:, 0], problem.rate[:, 0], imbalance[:, 0].tolist(), strict=True)
    ones = (Trajectory(*row, problem.depth) for row in rows)
    return np.array([trajectory(one, method, rtol) for one in ones])


def dense(problem: Trajectory, method: str, rtol: float) -> Floats:
    """The same from the solver's dense output, called once with all times."""
    start = float(problem.initial)
    field = right_side(float(problem.rate), problem.imbalance, problem.depth)
    end = (0.0, float(problem.times[-1]))
    found = solve_ivp(field, end, [start], method=method, dense_output=True, rtol=rtol, atol=_ATOL)
    assert found.success, found.message
    return np.asarray(found.sol(problem.times)[0])
