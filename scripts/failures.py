#!/usr/bin/env python3
"""Count how often random networks fail to learn a class, beside what is expected, and write docs/failures.md.

    python scripts/failures.py [--out FILE] [--quick]      a minute; --quick: few networks, for a test

Every seed is fixed: the same machine writes the same page.
"""

from __future__ import annotations

import argparse
import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import failures_rows as rows
import numpy as np
from failures_rows import EQUAL, FAST, LEAST, LEVEL, LR, SCALE, STEPS, Rates, Size
from tqdm import tqdm

from dynsim.theory.failure import GEOMETRIES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "failures.md"

LONGER: Rates = ((1.0, 2.0), (0.7, 0.3))
RARER: Rates = ((1.0, 1.0), (0.85, 0.15))
RAREST: Rates = ((1.0, 1.0), (0.9, 0.1))
SCALES = (0.02, 0.1, 0.3, 1.0, 2.0, 4.0, 10.0)
SMALL_SCALES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
ANGLES = (10.0, 30.0, 60.0, 90.0, 120.0, 150.0, 170.0, 175.0, 179.0, 179.9)
OVERSHOOTS = (0.1, 0.01, 0.002)
FULL = Size(10_000, 4_000, 60_000, 400_000)
QUICK = Size(200, 100, 1_000, 5_000, every=5)


class Table(NamedTuple):
    """A table of the page: what it says, its columns, and how a case becomes a row."""

    title: str
    text: str
    columns: str
    row: Callable[..., tuple[Any, ...]]
    cases: list[tuple[Any, ...]]


# ---- the page --------------------------------------------------------------------------------------------

INTRODUCTION = """# How often random networks fail: counted

<!-- Written by scripts/failures.py; do not edit. -->

A network with one hidden layer of h units, no biases, and independent normal weights of standard deviation sigma
(the scale) in both layers is trained by gradient descent on one input a class, until the signs of its weights
decide which classes it learns (`dynsim.empirical.outcomes.failures`). It *fails* if there is a class it never
learns. What is expected is derived in [theory.md](theory.md), section 15, whose equations the tables cite.

Norms are |x_1|, |x_2|, frequencies p_1, p_2; rates are called equal where these are {equal}. The loss
is cross-entropy where nothing else is said. Every seed is fixed. Intervals hold {level:.1%}. An undecided network
counts as one that has not failed.
"""

CLOSED = [
    (geometry, rates, hidden)
    for geometry, rates in (
        *((name, EQUAL) for name in GEOMETRIES),
        *(("orthogonal", rates) for rates in (LONGER, RAREST)),
    )
    for hidden in range(1, 9)
]
ANGLED = [
    *((angle, rates, hidden) for angle in (120.0, 150.0, 175.0) for rates in (EQUAL, LONGER) for hidden in (2, 4)),
    *((60.0, rates, hidden) for rates in (EQUAL, LONGER, RARER) for hidden in (2, 4, 6)),
    *((30.0, rates, hidden) for rates in (EQUAL, LONGER) for hidden in (2, 4, 6)),
]
SIGNS = [(hidden, scale, "cross_entropy") for hidden in (2, 4) for scale in SCALES[:4]]

TABLES = (
    Table(
        "Closed forms",
        "Small scale, sigma = {scale:g}, lr = {lr:g}, {networks} networks a row: the frequency lies in the "
        "interval about the formula, (15.3) for antipodal inputs and (15.8) for orthogonal ones.",
        "geometry | norms, frequencies | h | formula | measured | interval about the formula | undecided | inside",
        rows.closed_form,
        CLOSED,
    ),
    Table(
        "Larger scales, orthogonal inputs",
        "Equal rates, {networks} networks a row, the same draws at every scale: the larger the scale, the fewer "
        "fail (*failed*, with the interval for its probability), but not if every unit is trained by itself and "
        "the units are then put together (*alone*). *Saved*: fails with lone units and not as a network; *with "
        "both*: of these, with a unit that starts active on both inputs; *lost*: the reverse of saved. These three "
        "count networks decided both ways.",
        "sigma | h | lr | failed | interval | alone | formula, sigma -> 0 | saved | with both | lost | undecided | "
        "undecided alone",
        rows.by_scale,
        [(hidden, scale) for hidden in (2, 4) for scale in SCALES],
    ),
    Table(
        "Lone units, orthogonal inputs",
        "Equal rates: units trained by themselves keep the shares {neither:.4f}, {one:.4f} and {one:.4f} of (15.7) "
        "at every scale; some choose against the sign of s of (15.5), as many one way as the other (in per cent of "
        "all units).",
        "sigma | lr | units | neither | class 1 | class 2 | class 1 with s < 0 | class 2 with s > 0 | undecided",
        rows.lone_units,
        [(scale,) for scale in SCALES[:-1]],
    ),
    Table(
        "How late choices vanish",
        "h = 2, equal rates, lr = {lr:g}: the probability that a unit active on both inputs, which by itself would "
        "join class 1, goes to class 2, because a unit active on x_1 only has learnt class 1 before it chose. From "
        "{many} networks a scale, with s drawn near 0 and weighted; the last column says how much of what was "
        "drawn was used. Between two scales the probability falls like a power of sigma, in the end that of "
        "(15.9), {power:.2f}. Standard errors are those of independent draws.",
        "sigma | next sigma | probability | probability at next | power | largest s / largest drawn",
        rows.vanishing,
        list(itertools.pairwise(SMALL_SCALES)),
    ),
    Table(
        "Antipodal inputs at any scale",
        "Equal rates, lr = {fast:g}, at most {steps} steps, {networks} networks a row: no decided network breaks "
        "the rule that each unit keeps the sign of s = w.x_1/|x_1| + Z (15.2), unless the loss lets go of a learnt "
        "class: then more fail, but none learns a class that the rule says it fails (last column).",
        "sigma | h | loss | failed | interval | formula | by the rule | undecided | break the rule | "
        "learn in spite of it",
        rows.by_sign,
        [*SIGNS, *((hidden, scale, "hinge") for hidden in (2, 4) for scale in (SCALE, 0.3))],
    ),
    Table(
        "Other angles",
        "Small scale: the frequency of trained networks beside the Monte Carlo estimate from {samples} units that "
        "follow (15.4), +- its standard error (15.10).",
        "angle | norms, frequencies | h | networks | sigma | lr | estimate | measured | interval | undecided",
        rows.by_angle,
        ANGLED,
    ),
    Table(
        "From acute angles to 180 degrees",
        "Equal rates: the estimate from {samples} units, +- its standard error, falls as the angle grows, towards "
        "the limit (15.11). At 180 degrees it jumps to (15.3).",
        "angle | h = 2 | h = 3 | h = 4 | h = 5",
        rows.towards_opposite,
        [*((angle,) for angle in ANGLES), ("limit from below",), ("180",)],
    ),
    Table(
        "The step size above 90 degrees",
        "h = 2, equal rates, sigma = {scale:g}, {networks} networks a row: how many come out otherwise than with "
        "lr = {least:g}, because a step carried a dying unit over the wedge where no input is active; of first "
        "order in lr.",
        "angle | lr | failed | failed with the least lr | come out otherwise | undecided",
        rows.overshoot,
        [(angle, lr) for angle in (150.0, 175.0, 179.0) for lr in OVERSHOOTS],
    ),
)
NUMBERS = {
    "scale": SCALE,
    "lr": LR,
    "fast": FAST,
    "steps": STEPS,
    "least": LEAST,
    "neither": 3 / 8,
    "one": 5 / 16,
    "power": np.sqrt(2.0),
}


def line(cells: tuple[Any, ...] | list[str]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def written(table: Table, found: list[tuple[Any, ...]], size: Size) -> str:
    """A section of the page."""
    columns = table.columns.split(" | ")
    sizes = {name: f"{number:,}" for name, number in size._asdict().items()}
    text = textwrap.fill(table.text.format(**sizes, **NUMBERS), 116, break_long_words=False, break_on_hyphens=False)
    head = [f"## {table.title}\n", f"{text}\n", line(columns), "|---" * len(columns) + "|"]
    return "\n".join([*head, *map(line, found)])


def document(size: Size) -> str:
    """The whole page; measures everything."""
    cases = [table.cases[:: size.every] for table in TABLES]
    parts = [INTRODUCTION.format(level=LEVEL, equal=rows.rates_in_words(EQUAL))]
    with tqdm(total=sum(map(len, cases)), unit="row") as bar:
        for table, own in zip(TABLES, cases, strict=True):
            bar.set_description(table.title)
            found = []
            for case in own:
                found.append(table.row(size, *case))
                bar.update()
            parts.append(f"{written(table, found, size)}\n")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the page (docs/failures.md)")
    parser.add_argument("--quick", action="store_true", help="few networks: shows that it runs, no numbers")
    asked = parser.parse_args(arguments)
    if asked.quick and asked.out.resolve() == DOCUMENT:
        parser.error("--quick needs --out: its numbers are not for docs/failures.md")
    asked.out.write_text(document(QUICK if asked.quick else FULL), encoding="utf-8")
    print(f"{asked.out}: {len(TABLES)} tables")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
