"""The laws of dynsim, called as a user would."""

from __future__ import annotations

from benchmarks.laws.problems import Floats, Pairs, Trajectory
from dynsim.theory import modes

CALLED = "dynsim is called as a user calls it, by `modes.logit`, its checks of arguments included."


def solve(problem: Trajectory | Pairs) -> Floats:
    """All logits."""
    return modes.logit(
        problem.times,
        initial=problem.initial,
        rate=problem.rate,
        imbalance=problem.imbalance,
        depth=problem.depth,
    )
