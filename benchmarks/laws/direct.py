"""The functions behind the laws, called one by one: what `ours` costs without the checks of its arguments."""

from __future__ import annotations

import numpy as np

from benchmarks.laws.problems import Floats, Pairs, Trajectory
from dynsim.theory import along, imbalanced, universal, universal_deep
from dynsim.theory.special import scaled_time

CALLED = (
    "dynsim: the functions behind the laws are called one by one, **not** `modes.logit`, whose checks and copies of "
    "arguments are therefore not in the times."
)


def solve(problem: Trajectory | Pairs) -> Floats:
    """All logits."""
    if isinstance(problem, Trajectory):
        return along.evaluate(lambda t: _values(t, problem), problem.times)
    return _values(problem.times, problem)


def _values(times: Floats, problem: Trajectory | Pairs) -> Floats:
    if problem.depth != 2.0:
        return universal_deep.logit_at(times, problem.initial, problem.rate, depth=problem.depth)
    if not problem.imbalance:
        return universal.logit_at(times, problem.initial, problem.rate)
    initial = np.broadcast_to(problem.initial, times.shape)
    out = initial.copy()
    moving = times > 0.0
    rate = np.broadcast_to(problem.rate, times.shape)
    scaled, log_scaled = scaled_time(rate[moving], times[moving])
    imbalance = np.full(scaled.shape, problem.imbalance)
    out[moving] = imbalanced.solve(initial[moving], scaled, log_scaled, imbalance, weight=1.0)
    return out
