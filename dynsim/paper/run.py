"""Run claims one after the other, keep what is done, and write table, figures and JSON."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from dynsim import report
from dynsim.paper.catalogue import CLAIMS, Entry
from dynsim.paper.claim import Result

_HEADER = ("claim", "what", "predicted", "measured", "discrepancy", "floor", "verdict")


def chosen(names: list[str] | None) -> list[Entry]:
    """The claims of these names, all of them for None; in the order of the paper.

    Raises
    ------
    ValueError
        For a name that is not a claim; the message lists them.
    """
    for name in names or ():
        if name not in CLAIMS:
            raise ValueError(f"--only must name claims among {', '.join(CLAIMS)}; got {name!r}")
    return [entry for entry in CLAIMS.values() if names is None or entry.name in names]


class Effort(NamedTuple):
    """How much is to be done: larger steps, in seconds; or the long claims at the paper's length."""

    quick: bool = False
    full: bool = False


def run(entries: list[Entry], out: Path, effort: Effort, progress: bool = False) -> Iterator[Result | Exception]:
    """Hold each claim against a network; after each, write its figure and the results so far to `out`.

    A claim that fails with an exception yields it and does not stop the others. What a long claim has not finished
    is kept in `out`/unfinished, from where the next run goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    done: list[dict[str, Any]] = []
    for entry in entries:
        try:
            found = _reproduced(entry, out, effort, progress)
        except Exception as error:
            done.append({"name": entry.name, "source": entry.source, "verdict": "FAILED", "error": repr(error)})
            report.write_json(out / "results.json", _document(done, effort))
            yield error
            continue
        if found.figure is not None:
            found.figure.savefig(out / f"{found.name}.png", dpi=150)
        done.append(found.to_dict())
        report.write_json(out / "results.json", _document(done, effort))
        yield found


def tables(results: list[Result]) -> list[str]:
    """What was measured where the paper gives no number, and what is to be said about it."""
    lines = []
    for result in results:
        for one in result.tables:
            lines += ["", f"{result.name}: {one.title}", *report.table([list(row) for row in one.rows], one.header)]
        if result.tables:
            lines += [f"  note: {note}" for note in result.notes]
    return lines


def table(results: list[Result]) -> list[str]:
    """The table of claims, a line a number."""
    rows = []
    for result in results:
        for i, line in enumerate(result.lines):
            numbers = (line.predicted, line.measured)
            rows.append(
                [
                    result.name if i == 0 else "",
                    line.what,
                    *(f"{value:.6g}" for value in numbers),
                    f"{line.discrepancy:.2g}",
                    f"{line.floor:.2g}",
                    str(line.verdict),
                ]
            )
    return report.table(rows, _HEADER)


def _reproduced(entry: Entry, out: Path, effort: Effort, progress: bool) -> Result:
    if not entry.long:
        return entry.reproduce(effort.quick)
    folder = out / "unfinished"
    found = entry.reproduce(effort.quick, full=effort.full, folder=folder, progress=progress)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return found


def _document(done: list[dict[str, Any]], effort: Effort) -> dict[str, Any]:
    from dynsim import __version__

    versions = {
        "dynsim": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
    return {"paper": "arXiv:1809.06848 v2", **effort._asdict(), "versions": versions, "claims": done}
