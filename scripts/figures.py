#!/usr/bin/env python3
"""Draw the figures of the claims, all of them or those that are named, as NAME.png and NAME.svg.

    python scripts/figures.py [NAME ...] [--quick] [--out FOLDER] [--workers N]
    python scripts/figures.py --list

The scripts in scripts/gallery draw one figure each, and are the place to change one.
Exit status: 0 every figure was drawn and its claim holds, 1 something failed, 2 bad input (one clear line).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from dynsim import checks
from dynsim.paper import run, script, sheet, workers
from dynsim.paper.catalogue import CLAIMS
from dynsim.paper.claim import Standing

DRAWN, FAILED, BAD_INPUT = 0, 1, 2
GOOD = (Standing.AGREES, Standing.EXPLAINED)


class Task(NamedTuple):
    """The module of a claim by name, and where its figure goes."""

    module: str
    out: Path
    quick: bool


def draw(task: Task) -> Standing:
    """Reproduce a claim and write its figure."""
    module = import_module(task.module)
    found = script.reproduced(module, task.out, quick=task.quick)
    if found.figure is None:
        raise ValueError(f"{module.NAME} has no figure")
    run.save(found.figure, task.out / str(module.NAME))
    return found.standing


def draw_all(names: Sequence[str], out: Path, *, quick: bool, number: int) -> int:
    """Draw the figures of some claims, `number` at a time; what fails is told and does not stop the others."""
    from tqdm import tqdm

    modules = {name: CLAIMS[name].reproduce.__module__ for name in names}
    tasks = {name: Task(module, out, quick) for name, module in modules.items()}
    status = DRAWN
    with tqdm(total=len(tasks), unit="figure", file=sys.stderr) as bar:
        answers = workers.side_by_side(draw, tasks, number, lambda busy: bar.set_postfix_str(", ".join(busy)))
        for name, answer in answers:
            status = status if answer in GOOD else FAILED
            bar.write(f"{name}: {_said(answer, out / name)}", file=sys.stdout)
            bar.update()
    return status


def _said(answer: Standing | Exception, stem: Path) -> str:
    if isinstance(answer, Exception):
        return f"FAILED, {type(answer).__name__}: {' '.join(str(answer).split())}"
    return f"{answer}, {stem}.png, {stem}.svg"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    assert __doc__ is not None
    parser = script.Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a claim (all)")
    parser.add_argument("--quick", action="store_true", help="larger steps and toy sizes, in less than a minute")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="FOLDER", help="where they go (out)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one a core; 0: all in this one)")
    parser.add_argument("--list", action="store_true", help="list the claims and stop")
    asked = parser.parse_args(arguments)
    try:
        unknown = [name for name in asked.names if name not in CLAIMS]
        if unknown:
            raise ValueError(f"NAME must be one of {', '.join(CLAIMS)}; got {unknown[0]!r}")
        if asked.list:
            print("\n".join(sheet.listed(run.chosen(asked.names or None))))
            return DRAWN
        number = run.cores() if asked.workers is None else asked.workers
        checks.count("workers", number, least=0)
        script.writable(asked.out)
        names = [entry.name for entry in run.chosen(asked.names or None)]
        return draw_all(names, asked.out, quick=asked.quick, number=number)
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; what was drawn is kept", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
