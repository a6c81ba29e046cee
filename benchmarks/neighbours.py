"""How busy the machine was with other things: threads that wait for each other lose far more than their share."""

from __future__ import annotations

import os
import time
from pathlib import Path

#: From so many cores on, the document warns.
TOLERATED = 0.1

_STAT = Path("/proc/stat")


def disturbed(cores: float | None) -> bool:
    """Whether others used too much for the times to be trusted."""
    return cores is not None and cores > TOLERATED


class Watch:
    """Counts from its making on."""

    def __init__(self) -> None:
        self.begun, self.all, self.own = time.perf_counter(), _all(), _own()

    def others(self) -> float | None:
        """Cores that others used on average, other guests of the host included; None where that is not known.

        Child processes count as ours once they have ended and been waited for.
        """
        now = _all()
        if now is None or self.all is None:
            return None
        return (now - self.all - (_own() - self.own)) / (time.perf_counter() - self.begun)


def _own() -> float:
    return sum(os.times()[:4])


def _all() -> float | None:
    """Core-seconds since the machine started: user, nice, system, irq, softirq, steal (Linux, proc(5))."""
    if not _STAT.exists():
        return None
    ticks = [int(word) for word in _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
