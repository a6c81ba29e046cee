"""What a script that draws the figure of one claim calls: its command line, the claim, the table, the files."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from dynsim.paper.claim import Result

INTERRUPTED, BAD_INPUT = 1, 2


def drawn(module: ModuleType, argv: Sequence[str] | None = None) -> Result:
    """Hold a claim against networks, print its table, and write its figure as NAME.png and NAME.svg.

    Parameters
    ----------
    module : module
        Of a claim, as `dynsim.paper.figure_2`. What was changed in it before counts.
    argv : sequence of str, optional
        The arguments, by default those of the script: ``--quick``, ``--out FOLDER`` (by default out, beneath where
        the script is called), ``--no-files``; for a claim that takes minutes ``--full`` as well.

    Returns
    -------
    Result
        Its `figure` is the one that was written.

    Raises
    ------
    SystemExit
        With status 2 after one line on stderr where an argument is wrong, a file cannot be written, or something
        that is needed is not installed; with status 1 after an interruption.

    Examples
    --------
    >>> from dynsim.paper import lemma_3_1, script
    >>> found = script.drawn(lemma_3_1, ["--quick", "--no-files"])  # doctest: +ELLIPSIS
    lemma_3_1: Lemma 3.1...
    >>> found.figure is not None
    True
    """
    name = str(module.NAME)
    parser = _parser(module)
    asked = parser.parse_args(argv)
    out = None if asked.no_files else Path(asked.out)
    try:
        if out is not None:
            writable(out)
        found = reproduced(module, out, quick=asked.quick, full=asked.full, progress=sys.stderr.isatty())
        print(found)
        if out is not None and found.figure is not None:
            from dynsim.paper import run

            run.save(found.figure, out / name)
            print(f"written: {out / name}.png, {out / name}.svg")
    except (ValueError, OSError, ImportError) as error:
        parser.exit(BAD_INPUT, f"{parser.prog}: {' '.join(str(error).split())}\n")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, f"{parser.prog}: interrupted; what a long claim has finished is kept\n")
    return found


def reproduced(
    module: ModuleType, out: Path | None, *, quick: bool = False, full: bool = False, progress: bool = False
) -> Result:
    """A claim held against networks; a long one keeps what it has finished in out/unfinished meanwhile."""
    if not is_long(module):
        short: Result = module.reproduce(quick)
        return short
    folder = None if out is None else out / "unfinished"
    found: Result = module.reproduce(quick, full=full, folder=folder, progress=progress)
    if folder is not None:
        # Where another claim has something in it, it stays.
        with contextlib.suppress(OSError):
            folder.rmdir()
    return found


def is_long(module: ModuleType) -> bool:
    """Whether a claim can be done at the paper's length, which takes hours."""
    return "full" in inspect.signature(module.reproduce).parameters


def writable(out: Path) -> None:
    """Make a folder.

    Raises
    ------
    OSError
        Where that is not possible or nothing can be written to it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(out, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        why = str(error.strerror)
    if why:
        raise OSError(f"--out must be a folder that can be written to, got {out} ({why})")


class Parser(argparse.ArgumentParser):
    """Wrong arguments are one line, and no usage block around it."""

    def error(self, message: str) -> Any:
        """Say what is wrong and end."""
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser(module: ModuleType) -> Parser:
    parser = Parser(description=f"{module.NAME}, {module.SOURCE}: {module.STATEMENT}")
    parser.set_defaults(full=False)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="larger steps and toy sizes, in seconds")
    if is_long(module):
        effort.add_argument("--full", action="store_true", help="the paper's length")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", default="out", metavar="FOLDER", help="folder for the png and the svg (out)")
    where.add_argument("--no-files", action="store_true", help="write none")
    return parser
