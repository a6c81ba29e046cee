"""Run claims one after the other, keep what is done, and write table, figures and JSON."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def run(entries: list[Entry], out: Path, quick: bool) -> Iterator[Result | Exception]:
    """Hold each claim against a network; after each, write its figure and the results so far to `out`.

    A claim that fails with an exception yields it and does not stop the others.
    """
    out.mkdir(parents=True, exist_ok=True)
    done: list[dict[str, Any]] = []
    for entry in entries:
        try:
            found = entry.reproduce(quick)
        except Exception as error:
            done.append({"name": entry.name, "source": entry.source, "verdict": "FAILED", "error": repr(error)})
            report.write_json(out / "results.json", _document(done, quick))
            yield error
            continue
        if found.figure is not None:
            found.figure.savefig(out / f"{found.name}.png", dpi=150)
        done.append(found.to_dict())
        report.write_json(out / "results.json", _document(done, quick))
        yield found


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


def _document(done: list[dict[str, Any]], quick: bool) -> dict[str, Any]:
    from dynsim import __version__

    versions = {
        "dynsim": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
    return {"paper": "arXiv:1809.06848 v2", "quick": quick, "versions": versions, "claims": done}
