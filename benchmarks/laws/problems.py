"""What is solved: du/dt = N kappa R(u)^(2 - 2/N) / (1 + e^u), R(u) = sqrt(u^2 + C^2), C = 0 unless N = 2."""

from __future__ import annotations

from dataclasses import dataclass

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """One start and rate at many sorted times (t = lr x step)."""

    times: Floats
    initial: float
    rate: float
    imbalance: float = 0.0
    depth: float = 2.0


@dataclass(frozen=True)
class Pairs:
    """Many starts and rates (n, 1), and some times of each, sorted (n, m); one imbalance, or one each (n, 1)."""

    times: Floats
    initial: Floats
    rate: Floats
    imbalance: float | Floats = 0.0
    depth: float = 2.0


def trajectory(count: int, imbalance: float = 0.0, depth: float = 2.0) -> Trajectory:
    """The plateau from 0.01, the rise, and the slow growth after it, up to a logit of 5 or so."""
    initial = {2.0: 0.01}.get(depth, 0.1)
    return Trajectory(np.linspace(0.0, 25.0, count), initial, 1.0, imbalance, depth)


def pairs(count: int, number: int = 10, imbalance: float | None = 0.0, depth: float = 2.0) -> Pairs:
    """Starts from 1e-3 to 1 (deeper: from 0.05), rates from 0.1 to 10, times up to 25 / rate.

    imbalance: None for one each, from 0.01 to 10.
    """
    rng = np.random.default_rng(0)
    initial = np.exp(rng.uniform(np.log(1e-3 if depth == 2.0 else 0.05), 0.0, (count, 1)))
    rate = np.exp(rng.uniform(np.log(0.1), np.log(10.0), (count, 1)))
    times = np.sort(rng.uniform(0.0, 25.0, (count, number)), axis=1) / rate
    each = np.exp(rng.uniform(np.log(0.01), np.log(10.0), (count, 1)))
    return Pairs(times, initial, rate, each if imbalance is None else imbalance, depth)


def error(logit: float, time: float, initial: float, rate: float, imbalance: float, depth: float) -> float:
    """The relative error of a logit, from that of its time, with 30 digits."""
    with mp.workdps(30):
        u, u0, n = mp.mpf(float(logit)), mp.mpf(float(initial)), mp.mpf(depth)
        wanted = n * mp.mpf(float(rate)) * mp.mpf(float(time))
        if imbalance:
            c = mp.mpf(float(imbalance))
            ends = [mp.asinh(u0 / c), mp.asinh(u / c)]
            found = mp.quad(lambda v: 1 + mp.exp(c * mp.sinh(v)), mp.linspace(*ends, 5))
            speed = mp.hypot(u, c) / (1 + mp.exp(u))
        else:
            found = _antiderivative(u, n) - _antiderivative(u0, n)
            speed = u ** (2 - 2 / n) / (1 + mp.exp(u))
        return float(abs((found - wanted) * speed / u))


def _antiderivative(u: mp.mpf, depth: mp.mpf) -> mp.mpf:
    """int (1 + e^u) u^(2/N - 2) du."""
    if depth == 2:
        return mp.log(u) + mp.ei(u)
    b = 2 / depth - 1
    return u**b / b * (1 + mp.hyp1f1(b, b + 1, u))


def worst(logits: Floats, problem: Trajectory | Pairs, sample: int) -> float:
    """The largest relative error of so many of the logits."""
    shape = np.shape(problem.times)
    columns = (logits, problem.times, problem.initial, problem.rate, problem.imbalance)
    some = np.random.default_rng(1).integers(0, problem.times.size, sample)
    chosen = [np.broadcast_to(a, shape).ravel()[some] for a in columns]
    rows = zip(*chosen, strict=True)
    return max(error(*row, problem.depth) for row in rows)
