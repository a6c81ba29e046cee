"""Runs that take turns, their errors, and what was asked of their ratios."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from benchmarks.laws.problems import Floats, Pairs, Trajectory, worst

#: Relative errors with which a contestant solves the problem, and with which we do.
TOLERANCE, OURS = 1e-6, 1e-13

Say = Callable[[str], None]


@dataclass
class Run:
    """One contestant at one problem: `solve` gives the logits of `problem`, a part of the whole 1 / `share`.

    first: seconds of the first call, in which tables are made.
    """

    name: str
    problem: Trajectory | Pairs
    solve: Callable[[], Floats]
    share: float = 1.0
    seconds: list[float] = field(default_factory=list)
    first: float = np.nan
    error: float = np.nan

    @property
    def agrees(self) -> bool:
        """Whether the answer is right enough for its time to be shown."""
        return self.error <= TOLERANCE

    @property
    def median(self) -> float:
        """Seconds for the whole, extrapolated from the part."""
        return float(np.median(self.seconds)) * self.share

    @property
    def least(self) -> float:
        """The same from the fastest run, which other processes disturbed the least."""
        return float(np.min(self.seconds)) * self.share


@dataclass
class Section:
    """A problem and its contestants, the first of which is ours. memory: peak in bytes of one run of ours."""

    title: str
    about: str
    runs: list[Run]
    asked: dict[str, float]
    milliseconds: float | None = None
    megabytes: float | None = None
    error_ratio: dict[str, float] = field(default_factory=dict)
    memory: int = 0


class Line(NamedTuple):
    """One thing asked. met: None where it could not be measured."""

    what: str
    asked: str
    measured: str
    met: bool | None


def measure(section: Section, repeats: int, sample: int, say: Say) -> None:
    """Agreement first, then the repeats in turn: A B C A B C."""
    for run in section.runs:
        say(f"{section.title}: {run.name}")
        begun = time.perf_counter()
        answer = run.solve()
        run.first = time.perf_counter() - begun
        run.error = worst(answer, run.problem, sample)
    agreed = [run for run in section.runs if run.agrees]
    for _ in range(repeats):
        for run in agreed:
            begun = time.perf_counter()
            run.solve()
            run.seconds.append(time.perf_counter() - begun)
    tracemalloc.start()
    section.runs[0].solve()
    section.memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def lines(section: Section) -> list[Line]:
    """All that was asked of a section."""
    ours, others = section.runs[0], {run.name: run for run in section.runs[1:]}
    out = [Line("largest relative error of ours", f"< {OURS:g}", f"{ours.error:.1e}", ours.error < OURS)]
    for name, least in section.asked.items():
        other = others[name]
        if not (ours.seconds and other.seconds):
            out.append(Line(f"{name} / ours", f">= {least:g}", "-", None))
            continue
        found = other.median / ours.median
        out.append(Line(f"{name} / ours", f">= {least:g}", f"{found:.3g}", found >= least))
    for name, least in section.error_ratio.items():
        found = others[name].error / ours.error
        out.append(Line(f"error of {name} / ours", f">= {least:g}", f"{found:.3g}", found >= least))
    if section.milliseconds is not None and ours.seconds:
        found = 1e3 * ours.median
        out.append(Line("ours", f"< {section.milliseconds:g} ms", f"{found:.3g} ms", found < section.milliseconds))
    if section.megabytes is not None:
        found = section.memory / 1e6
        met = found < section.megabytes
        out.append(Line("memory of ours", f"< {section.megabytes:g} MB", f"{found:.3g} MB", met))
    return out
