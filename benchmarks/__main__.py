"""The command: `python -m benchmarks`, or ./scripts/benchmark."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import document, limits, processes, scaling
from benchmarks.contestants import CONTESTANTS
from benchmarks.document import Findings
from benchmarks.neighbours import Watch
from benchmarks.processes import ROOT, ContestantError
from benchmarks.race import Raced, race
from benchmarks.workloads import WORKLOADS, Workload

MET, MISSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_GROUPS = sorted({workload.group for workload in WORKLOADS})
SECTIONS = (*_GROUPS, "limits", "scaling")


def main(argv: list[str] | None = None) -> int:
    """Measure, print the document, write it; the exit status."""
    given = _parser().parse_args(argv)
    chosen = given.only or list(SECTIONS)
    lacking = processes.missing([CONTESTANTS[name] for name in _needed(chosen)])
    if lacking:
        say(f"not installed: {', '.join(lacking)}; ./scripts/benchmark installs them (the extra 'benchmarks')")
        return BAD_INPUT
    found = Findings(given.quick, given.repeats or (2 if given.quick else 5))
    found.load.append(os.getloadavg()[0])
    try:
        _measure(chosen, found)
    except KeyboardInterrupt:
        found.interrupted = True
        say("interrupted: what was measured so far is kept")
    found.load.append(os.getloadavg()[0])
    print(document.markdown(found))
    path = given.out or _default(found)
    document.write(found, path)
    say(f"written to {os.path.relpath(path)}")
    return INTERRUPTED if found.interrupted else MET if found.met else MISSED


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark",
        description="Time dynsim beside PyTorch, JAX and a plain NumPy loop, and write docs/benchmarks.md. "
        "Exit status: 0 all that was asked is met, 1 something is not or a contestant failed, 2 bad input, "
        "130 interrupted.",
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--repeats", type=_positive, help="of each contestant; default 5, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="smaller problems; checks that everything runs")
    parser.add_argument("--out", type=Path, help="default docs/benchmarks.md; part of a run: out/benchmarks.md")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _workloads(chosen: list[str], quick: bool) -> list[Workload]:
    picked = [workload for workload in WORKLOADS if workload.group in chosen]
    return [workload.smaller() for workload in picked] if quick else picked


def _needed(chosen: list[str]) -> list[str]:
    names = [name for workload in _workloads(chosen, False) for name in workload.contestants]
    return names + (list(scaling.CONTESTANTS_USED) if "scaling" in chosen else [])


def _measure(chosen: list[str], found: Findings) -> None:
    """Fill in the findings; a section that fails is named and the others go on."""
    if "limits" in chosen:
        say("limits   ...")
        watch = Watch()
        found.machine = limits.measure(found.quick)
        found.others["limits"] = watch.others()
    for workload in _workloads(chosen, found.quick):
        raced = Raced(workload)
        found.raced.append(raced)
        try:
            race(workload, found.repeats, say, raced)
        except ContestantError as error:
            found.errors.append(str(error))
            say(str(error))
    if "scaling" in chosen:
        watch = Watch()
        try:
            scaling.measure(min(found.repeats, 3), found.quick, say, found.curves)
        except ContestantError as error:
            found.errors.append(str(error))
            say(str(error))
        found.others["scaling"] = watch.others()


def _default(found: Findings) -> Path:
    """A part of a run, or one on small problems, does not replace the document."""
    return ROOT / ("docs" if found.complete else "out") / "benchmarks.md"


if __name__ == "__main__":
    sys.exit(main())
