"""Several games at a time, each in a process of its own with one thread of BLAS.

The matrices are small: a second thread of BLAS gains a game less than a second game gains the machine. And one
thread is one order of summation: the bits of a game do not depend on how many others are played.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dynsim import checks
from dynsim.empirical import gan
from dynsim.trajectory import Status

#: What OpenBLAS, MKL and Accelerate listen to, when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_WORK = "from dynsim.empirical import gan_processes; gan_processes.work()"
#: How often to look whether a process has ended, in seconds.
_LOOK = 0.05


def together(
    several: Sequence[gan.Settings],
    *,
    folder: str | Path | None = None,
    workers: int | None = None,
    every: int = 1_000,
    progress: bool = False,
    position: int = 0,
) -> tuple[gan.Run, ...]:
    """Play games side by side.

    Parameters
    ----------
    several : sequence of Settings
        All different: each has its own file.
    folder : path, optional
        As for `dynsim.empirical.gan.train`, for all of them; where none is given, nothing is kept.
    workers : int, optional
        How many processes at a time; by default one a core. The result is the same to the last bit.
    every, progress
        As for `dynsim.empirical.gan.train`.
    position : int
        The line of the first bar; the bars of games that are played at the same time have the lines from there on.

    Returns
    -------
    tuple of Run
        In the order of `several`.

    Raises
    ------
    ValueError
        If an argument is wrong, or two settings are the same.
    RuntimeError
        Where a process fails; what it wrote is part of the message.
    KeyboardInterrupt
        The processes are ended; what the folder holds by then is what a later call goes on from.
    """
    for one in several:
        checks.instance("several", one, gan.Settings)
    if len(set(several)) < len(several):
        raise ValueError("several must be different settings, got some twice")
    number = checks.count("workers", (os.cpu_count() or 1) if workers is None else workers, least=1)
    checks.count("every", every, least=1)
    show = _Show(progress, checks.count("position", position, least=0))
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(str(folder)) as place:
        Path(place).mkdir(parents=True, exist_ok=True)
        _run(list(several), place, number, every, show)
        # All have ended and are only read here.
        return tuple(gan.train(one, folder=place) for one in several)


class _Show(NamedTuple):
    """Whether there are bars, and the line of the first one."""

    progress: bool
    position: int


def _run(waiting: list[gan.Settings], folder: str, number: int, every: int, show: _Show) -> None:
    running: dict[int, subprocess.Popen[str]] = {}
    try:
        while waiting or running:
            for line in set(range(number)) - set(running):
                if waiting:
                    running[line] = _start(waiting.pop(0), folder, every, show, line)
            time.sleep(_LOOK)
            for line in [line for line, one in running.items() if one.poll() is not None]:
                ended = running.pop(line)
                _, said = ended.communicate()
                if ended.returncode:
                    raise RuntimeError(f"a game ended with exit code {ended.returncode}:\n{said or '(see above)'}")
    finally:
        for one in running.values():
            one.terminate()
        for one in running.values():
            one.communicate()


def _start(settings: gan.Settings, folder: str, every: int, show: _Show, line: int) -> subprocess.Popen[str]:
    job = {
        "settings": asdict(settings), "folder": str(folder), "every": every, "progress": show.progress,
        "position": show.position + line,
    }  # fmt: skip
    # The process is to import the dynsim that started it.
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": path.rstrip(os.pathsep)}
    command = [sys.executable, "-c", _WORK, json.dumps(job)]
    errors = None if show.progress else subprocess.PIPE
    return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stderr=errors)


def work() -> None:
    """Play the game that the command line holds as JSON; what comes of it is in its folder.

    It ends with the process that started it, however that ends: a game that went on alone would get in the way of
    the call that takes it up.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: dict[str, Any] = json.loads(sys.argv[1])
    settings = job.pop("settings")
    found = gan.train(gan.Settings(**settings), **job)
    sys.exit(found.message if found.status == Status.INTERRUPTED else 0)


def _end_with_parent() -> None:
    """Standard input is a pipe from the parent that nothing is ever written to: it ends when the parent does."""
    # Not sys.stdin.read(): its lock would be held when the interpreter ends.
    os.read(0, 1)
    os._exit(1)
