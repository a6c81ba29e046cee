"""Two processes that compute halves of one thing and meet at every step.

Waiting for a lock puts a processor to sleep, and waking it takes longer than a good part of a step. So each side
counts the meetings it has reached, in memory that both see, and looks at the other's count until it is there. What
a side wrote before it counted must be seen by then, which the processors of x86 guarantee and others do not.
"""

from __future__ import annotations

import os
import platform
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dynsim.checks import Floats
from dynsim.empirical.processes import can_fork, room

#: So many looks without the other side, part of a step: then it is seen whether it still runs, and this one sleeps
#: for a moment. On a machine with other work the other side may need this very processor.
_PATIENCE = 800
_MOMENT = 1e-5


def possible() -> bool:
    """Whether two processes can be kept in step; not where BLAS has threads of its own, which would compete."""
    threads = os.environ.get("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS"))
    return can_fork() and platform.machine().lower() in ("x86_64", "amd64") and threads == "1"


class Lockstep:
    """The meeting place: two rows of n numbers, one a side, which both can read from a meeting to the next."""

    def __init__(self, n: int) -> None:
        # Rows for even and for odd meetings: a side that is ahead does not overwrite what the other still reads.
        self._rows = room((2, 2, n), np.float64, 0.0, True)
        self._counts = room((2,), np.int64, 0, True)
        self._met, self._side, self._other = 0, 0, 0

    @property
    def shares(self) -> Floats:
        """The two rows of the meeting to come, shape (2, n)."""
        return np.asarray(self._rows[self._met % 2])

    def meet(self) -> None:
        """Return when the other side is here too."""
        self._met += 1
        counts, other, met = self._counts, 1 - self._side, self._met
        counts[self._side] = met
        looks = 0
        while counts[other] < met:
            looks += 1
            if looks > _PATIENCE:
                self._see()

    def _see(self) -> None:
        """End with the other side; otherwise give way."""
        if self._side == 0 and self._other and (found := os.waitpid(self._other, os.WNOHANG))[0]:
            self._other = 0
            raise RuntimeError(f"the process with half of the units ended early (status {found[1]})")
        if self._side == 1 and os.getppid() != self._other:
            os._exit(1)
        time.sleep(_MOMENT)

    def run(self, half: Callable[[int, Lockstep], None]) -> None:
        """half(0, self) here and half(1, self) in a process of its own, to the end of both."""
        parent = os.getpid()
        # No interrupt before both sides have their `try`: the other one would run on into the caller's program.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._other = _fork()
            if not self._other:
                self._serve(half, parent, before)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            half(0, self)
            if self._other:
                _, status = os.waitpid(self._other, 0)
                self._other = 0
                if status:
                    raise RuntimeError(f"the process with half of the units failed (status {status})")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if self._other:
                os.kill(self._other, signal.SIGKILL)
                os.waitpid(self._other, 0)

    def _serve(self, half: Callable[[int, Lockstep], None], parent: int, mask: set[Any]) -> None:
        """The other side: no way leads back from here into the program that was copied."""
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._side, self._other = 1, parent
            half(1, self)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)


def _fork() -> int:
    with warnings.catch_warnings():
        # Threads that BLAS keeps for itself are no danger: it stops them before a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
