"""Seconds against size: one size doubled at a time, for dynsim, JAX and PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from benchmarks import agreement, fits
from benchmarks.contestants import CONTESTANTS
from benchmarks.problems import Problem
from benchmarks.processes import Child

#: Small, so that the first sizes show what a step costs that does nothing.
BASE = Problem("gaussian", hidden=16, dimension=8, points=8, steps=400, scale=0.1)

#: What is doubled, from where, and how often.
AXES = {"points": (8, 10), "dimension": (8, 10), "hidden": (16, 10), "ensemble": (1, 11), "steps": (400, 6)}
LETTERS = {"points": "n", "dimension": "d", "hidden": "h", "ensemble": "networks", "steps": "steps"}

CONTESTANTS_USED = ("dynsim", "JAX", "torch eager", "torch batched")

_REST = 0.02


@dataclass
class Curve:
    """Median seconds of each contestant at each size of one axis."""

    axis: str
    sizes: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def exponents(self, name: str) -> tuple[float, float]:
        """Fitted to all sizes, and to the upper half of them."""
        half = len(self.sizes) // 2
        values = self.seconds[name]
        return fits.exponent(self.sizes, values), fits.exponent(self.sizes[half:], values[half:])

    def lost(self, name: str) -> list[int]:
        """The sizes at which that contestant is faster than dynsim."""
        rows = zip(self.sizes, self.seconds["dynsim"], self.seconds[name], strict=True)
        return [size for size, ours, theirs in rows if theirs < ours]


def problems(axis: str, quick: bool) -> list[tuple[int, Problem]]:
    """The sizes of an axis."""
    first, number = AXES[axis]
    sizes = [first * 2**k for k in range(3 if quick else number)]
    return [(size, replace(BASE, **{axis: size})) for size in sizes]


def measure(repeats: int, quick: bool, say: Callable[[str], None], into: list[Curve]) -> None:
    """All axes; `into` holds what is measured so far, also if this is interrupted.

    Raises
    ------
    ContestantError
        If answers differ.
    """
    with ExitStack() as stack:
        children = {name: stack.enter_context(Child(CONTESTANTS[name])) for name in CONTESTANTS_USED}
        for axis in AXES:
            curve = Curve(axis)
            for size, problem in problems(axis, quick):
                _one_size(curve, children, size, problem, repeats)
            into.append(curve)
            say(f"scaling  {LETTERS[axis]}: {curve.sizes[0]} ... {curve.sizes[-1]}")


def _one_size(curve: Curve, children: dict[str, Child], size: int, problem: Problem, repeats: int) -> None:
    torch = "torch batched" if problem.ensemble else "torch eager"
    running = {"dynsim": children["dynsim"], "JAX": children["JAX"], "torch": children[torch]}
    task = problem.task()
    answers = {name: child.solve(task)[1] for name, child in running.items()}
    for name, answer in answers.items():
        agreement.demand(name, answer, answers["dynsim"])
    found: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(repeats):
        for name, child in running.items():
            found[name].append(child.ask("run"))
            time.sleep(_REST)
    curve.sizes.append(size)
    for name, seconds in found.items():
        curve.seconds.setdefault(name, []).append(fits.median(seconds))


def sentences(curves: list[Curve]) -> list[str]:
    """Where another tool is faster, read off the curves."""
    out = []
    for name in ("JAX", "torch"):
        parts = []
        for curve in curves:
            parts.append(f"{LETTERS[curve.axis]}: {_where(curve.sizes, curve.lost(name))}")
        out.append(f"{name} is faster than dynsim at " + "; ".join(parts) + ".")
    return out


def _where(sizes: list[int], lost: list[int]) -> str:
    if not lost:
        return f"none of {sizes[0]:,} ... {sizes[-1]:,}"
    if lost == sizes:
        return f"all of {sizes[0]:,} ... {sizes[-1]:,}"
    if lost == sizes[sizes.index(lost[0]) :]:
        return f"{lost[0]:,} and more"
    if lost == sizes[: len(lost)]:
        return f"up to {lost[-1]:,}"
    return ", ".join(f"{size:,}" for size in lost)
