"""What NumPy can do here at most: the cost of a call, and of a number in it. For benchmarks.limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.task import Prepared

#: 12 kB an array: three of them stay in the first-level cache. No power of 2, so that they do not evict each other.
_NUMBERS = 1500


def prepare(quick: Any) -> Prepared:
    """The measurements are the run."""
    return Prepared(lambda: measure(bool(quick)))  # type: ignore[arg-type, return-value]


def measure(quick: bool) -> dict[str, float]:
    """Seconds of a small ufunc call, of a small product, of one number of exp and of add; the rate of dgemm, 1/s.

    Each is the best of many repeats: a limit is what the machine does undisturbed.
    """
    rng = np.random.default_rng(0)
    a, b, few = rng.standard_normal((3, 16, 8))
    p, q, many = rng.standard_normal((3, _NUMBERS))
    W, X = rng.standard_normal((16, 10)), rng.standard_normal((10, 8))
    add, exp, dot = np.add, np.exp, np.dot
    calls, repeats = (200, 50) if quick else (2000, 100)
    call = _least(lambda: add(a, b, few), calls, repeats)
    return {
        "call": call,
        "product": _least(lambda: dot(W, X, few), calls, repeats),
        # What a call over many numbers costs more than one over few.
        "exp": (_least(lambda: exp(p, many), calls, repeats) - call) / (many.size - few.size),
        "add": (_least(lambda: add(p, q, many), calls, repeats) - call) / (many.size - few.size),
        "dgemm": _dgemm(200 if quick else 1000, 3 if quick else 20),
    }


def _dgemm(side: int, repeats: int) -> float:
    A, B = np.random.default_rng(0).standard_normal((2, side, side))
    out = np.empty((side, side))
    return 2.0 * side**3 / _least(lambda: np.dot(A, B, out=out), 1, repeats)


def _least(function: Callable[[], Any], calls: int, repeats: int) -> float:
    """Seconds of a call, the least of several loops over it."""
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        for _ in range(calls):
            function()
        found.append((time.perf_counter() - begun) / calls)
    return min(found)
