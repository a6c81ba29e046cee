"""The networks of an ensemble divided among processes, which write into memory they share.

A process is forked: it starts at once, with all it needs, and nothing is pickled. Where forking is not to be had,
or not safe (Windows, macOS), everything is done in one process, with the same result.
"""

from __future__ import annotations

import mmap
import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical.recording import Board


def room(shape: tuple[int, ...], kind: Any, fill: float, shared: bool) -> NDArray[Any]:
    """An array of 8-byte numbers, in memory that forked processes share where asked for."""
    size = int(np.prod(shape, dtype=int)) * 8
    if shared and size:
        out = np.frombuffer(mmap.mmap(-1, size), dtype=kind).reshape(shape)
    else:
        out = np.empty(shape, dtype=kind)
    out[...] = fill
    return out


def board(records: int, points: tuple[int, ...], parameters: list[Floats], shared: bool) -> Board:
    """An empty board for M networks, whose logits have the shape `points` at each of the records."""
    M = len(parameters[0])
    return Board(
        room((records, M, *points), np.float64, np.nan, shared),
        [room(a.shape, np.float64, np.nan, shared) for a in parameters],
        room((M,), np.int64, 0, shared),
        room((M,), np.int64, -1, shared),
        room((1,), np.int64, 0, shared),
    )


def can_fork() -> bool:
    """Whether this platform forks, and safely so."""
    return sys.platform.startswith("linux") and "fork" in multiprocessing.get_all_start_methods()


def share(networks: int, workers: int) -> list[NDArray[np.int64]]:
    """Which networks each worker computes: neighbours, in equal numbers up to one."""
    return [part for part in np.array_split(np.arange(networks), workers) if part.size]


def divide(work: Callable[[NDArray[np.int64], bool], bool], parts: list[NDArray[np.int64]], wall: Board) -> bool:
    """work(part, first) for every part, the first of them here; false where one was interrupted.

    Raises
    ------
    RuntimeError
        Where a process fails; its traceback is part of the message.
    """
    if len(parts) == 1:
        return work(parts[0], True)
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    helpers = [context.Process(target=_run, args=(work, part, wall, told), daemon=True) for part in parts[1:]]
    with warnings.catch_warnings():
        # Threads that BLAS keeps for itself are no danger: it stops them before a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        for helper in helpers:
            helper.start()
    try:
        done = work(parts[0], True)
    except BaseException:
        wall.stop[0] = 1
        raise
    finally:
        for helper in helpers:
            helper.join()
    if not told.empty():
        raise RuntimeError(f"a process that trains a part of the ensemble failed:\n{told.get()}")
    if ended := [helper.exitcode for helper in helpers if helper.exitcode]:
        raise RuntimeError(f"a process that trains a part of the ensemble ended with exit code {ended[0]}")
    return done and not wall.stop[0]


def _run(work: Callable[[NDArray[np.int64], bool], bool], part: NDArray[np.int64], wall: Board, told: Any) -> None:
    try:
        work(part, False)
    except Exception:
        wall.stop[0] = 1
        told.put(traceback.format_exc())
