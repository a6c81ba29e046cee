"""Claims worked on side by side, in processes that live from claim to claim.

Each has one thread of BLAS, as one order of summation: the bits of a claim do not depend on how many processes
there are. A process that is killed takes its own claim with it and no other; one whose parent ends, ends as well.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from dynsim.empirical.gan_processes import THREADS

#: What a process is given, and what it answers with: a result, or the exception.
Job = Callable[[Any], Any]


#: How long to wait for an answer before `watch` is told again, in seconds.
_LOOK = 0.5


class Ended(RuntimeError):
    """A process ended without an answer."""


class _Worker(NamedTuple):
    process: Any
    pipe: Connection[Any, Any]


def side_by_side(
    job: Job, tasks: Mapping[str, Any], number: int, watch: Callable[[list[str]], None]
) -> Iterator[tuple[str, Any]]:
    """job(task) of each task, `number` at a time, as they end: their name and the result, or the exception.

    Parameters
    ----------
    job : callable
        Importable by its name; it and the tasks are pickled.
    tasks : mapping
        By name; begun in this order.
    number : int
        How many processes; 0 does all in this one.
    watch : callable
        Told the names of those that are being worked on, whenever these change and every now and then.
    """
    if number == 0:
        for name, task in tasks.items():
            watch([name])
            yield name, _answer(job, task)
        return
    waiting, idle = list(tasks), list[_Worker]()
    busy: dict[Connection[Any, Any], tuple[str, _Worker]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < number:
                worker = idle.pop() if idle else _started(job)
                name = waiting.pop(0)
                # One that has been killed meanwhile is found out when it is asked for its answer.
                with contextlib.suppress(BrokenPipeError):
                    worker.pipe.send(tasks[name])
                busy[worker.pipe] = (name, worker)
            watch([name for name, _ in busy.values()])
            ready = wait(list(busy), _LOOK)
            for pipe in [one for one in busy if one in ready]:
                name, worker = busy.pop(pipe)
                try:
                    answer = worker.pipe.recv()
                except (EOFError, ConnectionResetError):
                    worker.process.join()
                    answer = Ended(f"its process ended with exit code {worker.process.exitcode}")
                else:
                    idle.append(worker)
                yield name, answer
    finally:
        for _, worker in busy.values():
            worker.process.terminate()
        for worker in [*idle, *(one for _, one in busy.values())]:
            worker.pipe.close()
            worker.process.join()


def _started(job: Job) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(job, there), daemon=False)
    with _one_thread(), _undisturbed():
        process.start()
    # Only the process holds its end now: once it is gone, reading here ends.
    there.close()
    return _Worker(process, here)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What is started meanwhile has one thread of BLAS."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C, which at a terminal reaches every process."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(job: Job, pipe: Connection[Any, Any]) -> None:
    # The parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # And ends it in an orderly way, with the files and processes that the claim has open.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(job, task))


def _answer(job: Job, task: Any) -> Any:
    try:
        return job(task)
    except Exception as error:
        return error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
