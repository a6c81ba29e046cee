"""The other end of the pipe: processes of contestants, their threads set before they start."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.contestants import Contestant

ROOT = Path(__file__).resolve().parent.parent

#: All are set to the same: each library reads another.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ContestantError(RuntimeError):
    """A contestant failed; the message is its own."""


class Child:
    """A contestant in a process of its own, which ends with the `with` block."""

    def __init__(self, contestant: Contestant) -> None:
        options = [f"{name}={value}" for name, value in contestant.options.items()]
        self.name = contestant.name
        # A session of its own: Ctrl-C reaches the parent alone, and what the child starts can be ended with it.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contestant.module, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(contestant),
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout  # they are pipes
        self.requests, self.replies = self.process.stdin, self.process.stdout

    def ask(self, verb: str, argument: Any = None) -> Any:
        """Send a request and wait for the reply."""
        try:
            pickle.dump((verb, argument), self.requests)
            self.requests.flush()
            fine, reply = pickle.load(self.replies)
        except (BrokenPipeError, EOFError) as error:
            raise ContestantError(f"{self.name}: its process ended; see what it wrote above") from error
        if not fine:
            raise ContestantError(f"{self.name}: {reply}")
        return reply

    def solve(self, task: Any) -> tuple[float | None, Any]:
        """Prepare a task and run it once: the seconds of the compiler, and the answer."""
        compiling = self.ask("prepare", task)
        self.ask("run")
        return compiling, self.ask("answer")

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.requests, self.replies):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def environment(contestant: Contestant) -> dict[str, str]:
    """The variables a contestant is started with."""
    threads = dict.fromkeys(THREAD_VARIABLES, str(contestant.threads))
    return {**os.environ, **threads, **contestant.environment}


def missing(contestants: list[Contestant]) -> list[str]:
    """The packages they need that are not installed."""
    return sorted({c.needs for c in contestants if c.needs and importlib.util.find_spec(c.needs) is None})
