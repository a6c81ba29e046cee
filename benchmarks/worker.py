"""The process of one contestant: answers requests on its standard input until that ends.

Usage: python -m benchmarks.worker MODULE [NAME=NUMBER ...]      (started by benchmarks.processes)

Requests are pickled pairs, ("prepare", Task), ("run", None), ("answer", None). A run is timed in here, so that
neither the pipe nor the other process is in the time.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import time
from typing import Any, BinaryIO


class Server:
    """The contestant and its last answer."""

    def __init__(self, module: str, options: dict[str, int]) -> None:
        self.prepare_task = importlib.import_module(f"benchmarks.contestants.{module}").prepare
        self.options = options
        self.prepared: Any = None
        self.last: Any = None

    def prepare(self, task: Any) -> float | None:
        """Make ready for a task; how long the compiler took."""
        self.last = None
        self.prepared = self.prepare_task(task, **self.options)
        seconds: float | None = self.prepared.compile_seconds
        return seconds

    def run(self, _: None) -> float:
        """Run once; the seconds."""
        begun = time.perf_counter()
        self.last = self.prepared.run()
        return time.perf_counter() - begun

    def answer(self, _: None) -> Any:
        """What the last run found."""
        return self.last


def serve(server: Server, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end; an exception is an answer too."""
    while True:
        try:
            verb, argument = pickle.load(requests)
        except EOFError:
            return
        try:
            reply = (True, getattr(server, verb)(argument))
        except Exception as error:
            reply = (False, f"{type(error).__name__}: {error}")
        pickle.dump(reply, replies)
        replies.flush()


def main(arguments: list[str]) -> None:
    """Serve on standard input and output."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the replies
    options = {name: int(value) for name, _, value in (a.partition("=") for a in arguments[1:])}
    serve(Server(arguments[0], options), sys.stdin.buffer, replies)


if __name__ == "__main__":
    main(sys.argv[1:])
