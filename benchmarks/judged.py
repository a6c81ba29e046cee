"""What was asked beside what was measured: a line for each ratio, order and agreement."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks import fits
from benchmarks.race import Raced
from benchmarks.workloads import Asked


class Line(NamedTuple):
    """One thing asked. met: None where it could not be measured."""

    workload: str
    what: str
    asked: str
    measured: str
    met: bool | None


def lines(raced: Raced) -> list[Line]:
    """All that was asked of a workload."""
    out = [_ratio(raced, asked) for asked in raced.workload.asked]
    if raced.workload.order:
        out.append(_order(raced, *raced.workload.order))
    return out


def _ratio(raced: Raced, asked: Asked) -> Line:
    kind = "from a cold process, " if asked.measure == "cold" else ""
    what = f"{kind}{asked.against} / {asked.of}"
    samples = [
        getattr(raced.timings[name], asked.measure) if name in raced.timings and _counts(raced, name) else []
        for name in (asked.of, asked.against)
    ]
    if not all(samples):
        return Line(raced.workload.name, what, f">= {times(asked.least)}", "-", None)
    found = fits.ratio(*samples)
    return Line(raced.workload.name, what, f">= {times(asked.least)}", f"{found:.3g}", found >= asked.least)


def _counts(raced: Raced, name: str) -> bool:
    return not raced.timings[name].failure


def _order(raced: Raced, low: float, high: float) -> Line:
    what, asked = "order in lr of descent minus flow", f"{low:g} ... {high:g}"
    if not raced.errors:
        return Line(raced.workload.name, what, asked, "-", None)
    return Line(raced.workload.name, what, asked, f"{raced.order:.3f}", low <= raced.order <= high)


def times(least: float) -> str:
    """A ratio for the reader: 30, 0.8, 1/6."""
    inverse = 1.0 / least
    return f"1/{inverse:.0f}" if least < 1 and abs(inverse - round(inverse)) < 1e-9 else f"{least:g}"
