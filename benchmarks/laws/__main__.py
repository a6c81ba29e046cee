"""The command: `python -m benchmarks.laws [--quick] [--repeats N] [--out FILE]`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from benchmarks.laws import document
from benchmarks.laws.measure import lines, measure
from benchmarks.laws.sections import sections
from benchmarks.neighbours import Watch

_DEFAULT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks-laws.md"


def main(argv: list[str] | None = None) -> int:
    """Measure, print the document, write it; 0 if all that was asked is met (of a quick run, agreement only)."""
    given = _parser().parse_args(argv)
    repeats = given.repeats or (2 if given.quick else 5)
    diffrax = importlib.util.find_spec("diffrax") is not None
    if not diffrax:
        say("diffrax is not installed: it is left out")
    watch, found = Watch(), sections(given.quick, diffrax)
    for section in found:
        measure(section, repeats, 40 if given.quick else 200, say)
    text = document.markdown(found, quick=given.quick, repeats=repeats, others=watch.others())
    print(text)
    path = given.out or (Path("benchmarks-laws-quick.md") if given.quick else _DEFAULT)
    document.write(text, path)
    say(f"written to {os.path.relpath(path)}")
    asked = [line for section in found for line in lines(section)]
    chosen = [line for line in asked if "error" in line.what] if given.quick else asked
    return 0 if all(line.met for line in chosen) else 1


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark laws",
        description="Time the laws of dynsim beside solve_ivp and diffrax, and write docs/benchmarks-laws.md.",
    )
    parser.add_argument("--quick", action="store_true", help="smaller problems, in under 20 seconds")
    parser.add_argument("--repeats", type=int, help="of each contestant; default 5, or 2 with --quick")
    parser.add_argument("--out", type=Path, help="the file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
