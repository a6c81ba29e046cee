#!/usr/bin/env python3
"""Hold the closed-form laws against exact answers, and write docs/accuracy.md.

    python scripts/accuracy.py [--out FILE] [--rows COUNT]      evaluate on the rows in scripts/accuracy_rows/
    python scripts/accuracy.py --make [FOLDER] [--rows COUNT]   compute the rows anew (needs mpmath; five minutes)

Each file of rows holds arguments, which are float64 numbers, the exact answer to them to 25 digits, and how
sensitive it is: |dlog f/dlog x| for each real argument x in which an error counts. The condition number of a row
is 1 + the sum of these.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.theory import modes, shape

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "scripts" / "accuracy_rows"
DOCUMENT = ROOT / "docs" / "accuracy.md"
COUNT = 2000

EPS = float(np.finfo(np.float64).eps)
#: The promise of the docstrings: 18 roundings times the condition number.
UNIT = 4e-15
BULK = 1e-14
#: Where the condition number is below WELL, the relative error is below SMALL.
WELL, SMALL = 1e3, 1e-12

KINDS = {
    "balanced": "two layers, C = 0",
    "imbalanced": "two layers, C > 0",
    "deep": "1 to 100 layers, C = 0",
    "softmax": "softmax, C = 0",
    "softmax_imbalanced": "softmax, C > 0",
    "any_depth": "any depth and number of classes, C = 0",
    "": "",
}
LOSSES = ("cross_entropy", "exponential", "hinge", "squared")
INVERSES = ("logit", "time_to")


class Table(NamedTuple):
    """A function and the part of its domain whose rows one file holds."""

    function: str
    loss: str = ""
    kind: str = ""

    @property
    def name(self) -> str:
        return "-".join(part for part in self if part)

    @property
    def title(self) -> str:
        return ", ".join(part for part in (self.loss.replace("_", "-"), KINDS[self.kind]) if part) or "any c"


TABLES = (
    *(Table(f, loss, kind) for kind in ("balanced", "imbalanced", "deep") for loss in LOSSES for f in INVERSES),
    *(Table(f, "cross_entropy", kind) for kind in ("softmax", "softmax_imbalanced") for f in INVERSES),
    Table("log_ei_inverse"),
    Table("inflection", "", "any_depth"),
    Table("inflection", "", "imbalanced"),
)


class Rows(NamedTuple):
    """Arguments by name, each (n,); the exact answers as a sum of two floats; and condition numbers."""

    arguments: dict[str, Floats]
    high: Floats
    low: Floats
    condition: Floats


class Result(NamedTuple):
    """Relative errors of the points of one table, beside its rows."""

    table: Table
    rows: Rows
    error: Floats

    @property
    def weighted(self) -> Floats:
        """The error over the condition number."""
        return np.asarray(self.error / self.rows.condition)

    def at(self, index: int) -> str:
        """The arguments of a point, in words."""
        return ", ".join(f"{name} = {float(values[index])!r}" for name, values in self.rows.arguments.items())


def read(table: Table, folder: Path = ROWS, count: int | None = None) -> Rows:
    """The rows of a table, or its first `count` ones."""
    header, *lines = (folder / f"{table.name}.txt").read_text(encoding="ascii").splitlines()
    names = header.removeprefix("# ").partition(" | ")[0].split()
    cells = np.array([line.split() for line in lines[:count]])
    numbers = cells.astype(np.float64)
    high = numbers[:, len(names)]
    low = [float(Decimal(text) - Decimal(float(text))) for text in cells[:, len(names)].tolist()]
    arguments = {name: numbers[:, i] for i, name in enumerate(names)}
    return Rows(arguments, high, np.array(low), 1.0 + numbers[:, len(names) + 1 :].sum(axis=1))


def call(table: Table, arguments: dict[str, Floats]) -> Floats:
    """The function at all points."""
    given = dict(arguments)
    if table.function == "inflection":
        return _inflection(given)
    if table.function == "log_ei_inverse":
        return modes.log_ei_inverse(given["c"])
    function: Callable[..., Floats] = getattr(modes, table.function)
    value = given.pop("time" if table.function == "logit" else "logit")
    return function(value, loss=table.loss, **given)


def _inflection(given: dict[str, Floats]) -> Floats:
    """The logit; one number of classes a call."""
    if "classes" not in given:
        return shape.inflection(imbalance=given["imbalance"]).logit
    depth, classes = given["depth"], given["classes"]
    out = np.empty_like(depth)
    for n in np.unique(classes):
        out[classes == n] = shape.inflection(depth[classes == n], classes=int(n)).logit
    return out


def measure(table: Table, rows: Rows) -> Result:
    """The relative errors; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = call(table, rows.arguments)
    return Result(table, rows, np.abs((found - rows.high) - rows.low) / np.abs(rows.high))


def failures(result: Result) -> list[str]:
    """What breaks a promise, in words: points beyond UNIT * condition, or beyond SMALL where well conditioned."""
    error, condition = result.error, result.rows.condition
    good = (error <= UNIT * condition) & ((error <= SMALL) | (condition >= WELL))
    return [
        f"{result.table.name}: {error[i]:.2g} (condition {condition[i]:.2g}) at {result.at(int(i))}"
        for i in np.flatnonzero(~good)
    ]


# -- the document -------------------------------------------------------------------------------------------

INTRODUCTION = f"""# Accuracy of the closed forms

<!-- Written by scripts/accuracy.py; do not edit. -->

Each function was evaluated at points with random and extreme arguments and held against the exact answer to the
same float64 arguments, computed with mpmath in 60 digits or more (`python scripts/accuracy.py --make`) and stored
in [scripts/accuracy_rows](../scripts/accuracy_rows). Errors are relative, in units of eps = 2.2e-16.

The condition number k of a point is 1 plus the sum of |dlog f/dlog x| over the start u0 and the time t, or for
`time_to` the logit u. By the equation du/dt = F(u) of [theory.md](theory.md),

    dlog u/dlog t = t F(u)/u,    dlog u/dlog u0 = (u0/u) F(u)/F(u0),

and of the inverse function the quotients of these; for the other two functions, it is taken over c and over C.
The last bits of the arguments alone move the answer by some k eps: k is large for the time between two
logits that nearly agree, and for the logit at the end of a long plateau. No algorithm can do better than that.

Promised, and held at every point by tests/test_modes_accuracy.py: an error below {UNIT:g} k, 18 eps k, and below
{SMALL:g} wherever k is below {WELL:g}. No call may warn.

The domain: starts from 1e-300 to 40, and down to -1000 for C > 0 and for one layer; times from 1e-300 to 1e300;
rates and norms from 1e-3 to 1e3; C from 1e-300 to 1e12; depths from 1 to 100, whole or not, some within 1e-12
of 2; 2 to 1000 classes. Left out are points with k above 1e13, and answers outside [1e-300, 1e300]. Inflections:
depths up to a million, C up to 1e12, two fifths of them close to where two inflections merge.

The last two columns: the worst error among points with k < 1000, and the share of points below {BULK:g} k.
"""


def document(results: list[Result]) -> str:
    """docs/accuracy.md."""
    parts = [INTRODUCTION]
    for function in dict.fromkeys(result.table.function for result in results):
        own = [result for result in results if result.table.function == function]
        parts.append(f"## `{function}`\n\n{_table(own)}\n\nWorst error over condition number:\n\n{_worst(own)}\n")
    return "\n".join(parts)


def _table(results: list[Result]) -> str:
    head = (
        "| case | points | worst/eps | median/eps | worst/(eps k) | median/(eps k) | k < 1000 | bulk |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    )
    return "\n".join([*head, *map(_line, results)])


def _line(result: Result) -> str:
    error, weighted = result.error / EPS, result.weighted / EPS
    well = result.error[result.rows.condition < WELL].max()
    share = 100.0 * np.mean(result.weighted < BULK)
    numbers = [f"{x:.2g}" for x in (error.max(), np.median(error), weighted.max(), np.median(weighted))]
    return f"| {' | '.join([result.table.title, str(error.size), *numbers, f'{well:.1e}', f'{share:.4g} %'])} |"


def _worst(results: list[Result]) -> str:
    lines = []
    for result in results:
        i = int(np.argmax(result.weighted))
        size = f"{result.error[i] / EPS:.2g} eps with k = {result.rows.condition[i]:.3g}"
        lines.append(f"- {result.table.title}: {size} at {result.at(i)}.")
    return "\n".join(lines)


def make(folder: Path, count: int, tables: tuple[Table, ...] = TABLES) -> None:
    """Compute rows anew."""
    import accuracy_make

    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        made = accuracy_make.write(folder / f"{table.name}.txt", accuracy_make.found(*table, count))
        print(f"{table.name}: {made} rows", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The number of failures, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", nargs="?", type=Path, const=ROWS, metavar="FOLDER", help="compute rows")
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the document (docs/accuracy.md)")
    parser.add_argument("--rows", type=int, help="rows a table: of all that there are, or 2000 to make")
    parser.add_argument("--only", default="", metavar="TEXT", help="tables whose name contains this")
    asked = parser.parse_args(arguments)
    tables = tuple(table for table in TABLES if asked.only in table.name)
    if asked.make is not None:
        make(asked.make, asked.rows or COUNT, tables)
        return 0
    results = [measure(table, read(table, count=asked.rows)) for table in tables]
    failed = [line for result in results for line in failures(result)]
    asked.out.write_text(document(results), encoding="utf-8")
    print(*failed, f"{asked.out}: {len(results)} tables, {len(failed)} failures", sep="\n")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
