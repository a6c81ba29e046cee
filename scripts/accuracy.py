#!/usr/bin/env python3
"""Hold the closed-form laws against exact answers, and write docs/accuracy.md.

    python scripts/accuracy.py [--out FILE] [--rows COUNT]      evaluate on the rows in scripts/accuracy_rows/
    python scripts/accuracy.py --make [FOLDER] [--rows COUNT]   compute the rows anew (needs mpmath; ten minutes)

Each file of rows holds arguments, which are float64 numbers, the exact answer to them to 25 digits, and how
sensitive it is: |dlog f/dlog x| for each real argument x in which an error counts, or what the docstring of the
function has in its place. The condition number of a row is 1 + the sum of these.
"""

from __future__ import annotations

import argparse
import warnings
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import accuracy_calls as calls
import numpy as np
from accuracy_calls import UNITS
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "scripts" / "accuracy_rows"
DOCUMENT = ROOT / "docs" / "accuracy.md"
COUNT, FEW = 2000, 200

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
    "first": "the negative root",
    "second": "the root that is C^2/2 for small C",
    "third": "the largest root",
    "2d": "two points in two dimensions",
    "3d": "three points in three dimensions",
    "": "",
}
#: What a table of all cases is called.
ALL = {
    "log_ei_inverse": "any c",
    "upper_bound": "C >= 0",
    "lower_bound": "all starts above 0",
    "asymptote": "3 and 4 terms, any depth or number of classes",
    "sgd_mean": "cross-entropy, exponential and hinge",
    "sgd_quantiles": "cross-entropy, exponential and hinge",
    "one_input": "norm, frequency and rate",
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
        parts = (self.loss.replace("_", "-"), KINDS[self.kind])
        return ", ".join(part for part in parts if part) or ALL[self.function]

    @property
    def unit(self) -> float:
        """The promised error over the condition number."""
        return float(UNITS.get(self.function, UNIT))

    @property
    def kept(self) -> int:
        """The number of rows that are kept."""
        return FEW if self.function == "drop_times" else COUNT


TABLES = (
    *(Table(f, loss, kind) for kind in ("balanced", "imbalanced", "deep") for loss in LOSSES for f in INVERSES),
    *(Table(f, "cross_entropy", kind) for kind in ("softmax", "softmax_imbalanced") for f in INVERSES),
    Table("log_ei_inverse"),
    Table("inflection", "", "any_depth"),
    Table("inflection", "", "imbalanced"),
    *(Table("inflections", "", root) for root in calls.ROOTS),
    *(Table(function) for function in ("upper_bound", "lower_bound", "asymptote")),
    *(Table("time_ratio", "", kind) for kind in ("deep", "imbalanced")),
    *(Table(function) for function in ("sgd_mean", "sgd_quantiles", "one_input")),
    *(Table("drop_times", "", kind) for kind in ("2d", "3d")),
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
        words = []
        for name, values in self.rows.arguments.items():
            value = float(values[index])
            words.append(f"{name} = {calls.WORDS[name][int(value)] if name in calls.WORDS else repr(value)}")
        return ", ".join(words)


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


def measure(table: Table, rows: Rows) -> Result:
    """The relative errors; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calls.call(*table, rows.arguments)
    scale = 1.0 if table.name in calls.ABSOLUTE else np.abs(rows.high)
    return Result(table, rows, np.abs((found - rows.high) - rows.low) / scale)


def failures(result: Result) -> list[str]:
    """What breaks a promise, in words: points beyond unit * condition, or beyond SMALL where well conditioned."""
    error, condition = result.error, result.rows.condition
    good = (error <= result.table.unit * condition) & ((error <= SMALL) | (condition >= WELL))
    return [
        f"{result.table.name}: {error[i]:.2g} (condition {condition[i]:.2g}) at {result.at(int(i))}"
        for i in np.flatnonzero(~good)
    ]


# -- the document -------------------------------------------------------------------------------------------

INTRODUCTION = f"""# Accuracy of the closed forms

<!-- Written by scripts/accuracy.py; do not edit. -->

Each function was evaluated at points with random and extreme arguments and held against the exact answer to the
same float64 arguments, computed with mpmath in 40 digits or more (`python scripts/accuracy.py --make`) and stored
in [scripts/accuracy_rows](../scripts/accuracy_rows). Errors are relative, in units of eps = 2.2e-16.

The condition number k of a point is 1 plus the sum of |dlog f/dlog x| over the start u0 and the time t, or for
`time_to` the logit u. By the equation du/dt = F(u) of [theory.md](theory.md),

    dlog u/dlog t = t F(u)/u,    dlog u/dlog u0 = (u0/u) F(u)/F(u0),

and of the inverse function the quotients of these; for `log_ei_inverse` and `inflection` it is taken over c and C.
The last bits of the arguments alone move the answer by some k eps: k is large for the time between two
logits that nearly agree, and for the logit at the end of a long plateau. No algorithm can do better than that.

Promised, and held at every point by tests/test_modes_accuracy.py: an error below {UNIT:g} k, 18 eps k, and below
{SMALL:g} wherever k is below {WELL:g}. No call may warn.

The domain of these: starts from 1e-300 to 40, and down to -1000 for C > 0 and for one layer; times from 1e-300
to 1e300; rates and norms from 1e-3 to 1e3; C from 1e-300 to 1e12; depths from 1 to 100, whole or not, some
within 1e-12 of 2; 2 to 1000 classes. Left out are points with k above 1e13, and answers outside [1e-300, 1e300].
Inflections: depths up to a million, C up to 1e12, two fifths of them close to where two inflections merge.

The other functions, each held to what its docstring says, or to {UNIT:g} k where it says nothing:

- `inflections`, the logits: {UNITS["inflections"]:g} k with k = 1 + |dlog u/dlog C|, absolute for the first and the
  last root and relative for the second. Near the critical imbalance, where two fifths of the points are,
  k grows like (1 - C/.5852)^(-1/2).
- `upper_bound`: {UNITS["upper_bound"]:g} k with k = 1 + |log(kappa t)| + |u0/bound|.
- `lower_bound`: {UNITS["lower_bound"]:g} k with k = 1 + |log u0| e^-bound.
- `asymptote`: k is 1 plus the sum over t and kappa; it is large where the formula passes 0.
  Three tenths of the rates are from 1e-300 to 1e300.
- `time_ratio`, its part `exact`: the sum of the k of both times, less 1. All four losses.
- `sgd_mean`, `sgd_quantiles`: k is 1 plus the sum over lr, S and D, and for the mean over the frequency as well.
  Some 50 paths with 40 numbers of steps up to 400 each; no level is within 1e-9 of a jump.
- `one_input`: {UNITS["one_input"]:g}, k = 1. Norms and weights from 1e-140 to 1e140.
- `drop_times`: {FEW} drops in two dimensions and {FEW} in three, of units with random order parameters; k is 1 plus
  the sum over all entries of v, M, zeta, the points and the weights. The other tables have {COUNT} points.

The last two columns: the worst error among points with k < 1000, and the share of points below {BULK:g} k.
"""


def document(results: list[Result]) -> str:
    """docs/accuracy.md."""
    parts = [INTRODUCTION]
    broken = [f"{result.table.name} ({n})" for result in results if (n := len(failures(result)))]
    if broken:
        parts.append(f"Promises broken at the time of writing, with the number of points: {', '.join(broken)}.\n")
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


def make(folder: Path, count: int | None, tables: tuple[Table, ...] = TABLES) -> None:
    """Compute rows anew."""
    import accuracy_make

    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        made = accuracy_make.write(folder / f"{table.name}.txt", accuracy_make.found(*table, count or table.kept))
        print(f"{table.name}: {made} rows", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The number of failures, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", nargs="?", type=Path, const=ROWS, metavar="FOLDER", help="compute rows")
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the document (docs/accuracy.md)")
    parser.add_argument("--rows", type=int, help="rows a table (default: all that there are)")
    parser.add_argument("--only", default="", metavar="TEXT", help="tables whose name contains this")
    asked = parser.parse_args(arguments)
    tables = tuple(table for table in TABLES if asked.only in table.name)
    if asked.make is not None:
        make(asked.make, asked.rows, tables)
        return 0
    results = [measure(table, read(table, count=asked.rows)) for table in tables]
    failed = [line for result in results for line in failures(result)]
    asked.out.write_text(document(results), encoding="utf-8")
    print(*failed, f"{asked.out}: {len(results)} tables, {len(failed)} failures", sep="\n")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
