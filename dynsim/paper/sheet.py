"""Claims as text, from the plain dictionaries of `Result.to_dict`: one row a claim, or every line of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dynsim.paper.claim import Standing, severity
from dynsim.report import table

Claim = Mapping[str, Any]

HEADER = ("claim", "lines", "predicted", "measured", "discrepancy", "floor", "verdict", "decided by")
#: How many lines of a claim the table names that are off.
_SHOWN = 3
LINES = ("what", "predicted", "measured", "discrepancy", "floor", "verdict")


def cells(claim: Claim) -> tuple[str, ...]:
    """A claim in one row: the numbers of its decisive line, and how many lines it has."""
    if not claim["lines"]:
        return (claim["name"], "0", "-", "-", "-", "-", claim["standing"], claim["error"])
    line = claim["lines"][claim["decisive"]]
    # Where no line is explained, it is the experiment that differs from the paper's.
    other = claim["standing"] == Standing.EXPLAINED != line["standing"]
    what = line["what"] + "; the experiment is not the paper's" * other
    return (claim["name"], str(len(claim["lines"])), *numbers(line), claim["standing"], what)


def numbers(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Predicted, measured, discrepancy and floor of a line, as they are printed everywhere."""
    digits = {"predicted": 6, "measured": 6, "discrepancy": 2, "floor": 2}
    return tuple(number(line[name], count) for name, count in digits.items())


def number(value: float | None, digits: int = 6) -> str:
    """A number as it is printed; what JSON has no number for, as a time that never comes, is "not finite"."""
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def summary(claims: Iterable[Claim], width: int | None = None) -> list[str]:
    """The table of claims, a row each, and below it what is to be said of those that do not simply agree.

    With a `width`, rows that are longer are cut.
    """
    several = list(claims)
    rows = table([list(cells(claim)) for claim in several], HEADER)
    lines = [row if width is None or len(row) <= width else row[: max(width - 3, 0)] + "..." for row in rows]
    for standing in reversed(Standing):
        if standing != Standing.AGREES:
            lines += _said([claim for claim in several if claim["standing"] == standing], standing)
    return lines


def _said(claims: list[Claim], standing: Standing) -> list[str]:
    said = [f"  {claim['name']}: {sentence}" for claim in claims for sentence in reasons(claim)]
    return ["", f"{standing}:", *said] if said else []


def reasons(claim: Claim) -> list[str]:
    """Why a claim does not simply agree: its error, the lines that are off, what is explained."""
    if "error" in claim:
        return [claim["error"]]
    off = [line for line in claim["lines"] if severity(line["standing"]) > severity(Standing.EXPLAINED)]
    said = []
    for line in off[:_SHOWN]:
        predicted, measured, _, floor = numbers(line)
        said.append(f"{line['what']}: predicted {predicted}, measured {measured}, floor {floor}")
    if len(off) > _SHOWN:
        said.append(f"and {len(off) - _SHOWN} more of {len(claim['lines'])} lines")
    return [*said, *explained(claim)]


def explained(claim: Claim) -> list[str]:
    """Where the paper is inexact: its number, the right one and why; and what the experiment does not repeat."""
    said: dict[str, list[str]] = {}
    for line in claim["lines"]:
        if line["explanation"]:
            paper, mended, measured = (number(line[key]) for key in ("predicted", "mended", "measured"))
            words = f"{line['what']}: the paper {paper}, mended {mended}, measured {measured}"
            said.setdefault(line["explanation"], []).append(words)
    # One reason may explain many lines: the first is enough, the others are in the details.
    lines = [f"{first}{_more(rest)}; {why}" for why, (first, *rest) in said.items()]
    return [*lines, *claim["explanations"]]


def _more(lines: list[str]) -> str:
    return f" (and {len(lines)} line{'s' * (len(lines) != 1)} like it)" * bool(lines)


def details(claim: Claim) -> list[str]:
    """A claim by itself: what it says, every line, what is to be explained, notes and tables."""
    head = [f"{claim['name']}: {claim['source']}", f"  {claim['statement']}", ""]
    if "error" in claim:
        return [*head, f"FAILED: {claim['error']}"]
    rows = [[line["what"], *numbers(line), line["standing"]] for line in claim["lines"]]
    lines = [*head, *table(rows, LINES)]
    if said := explained(claim):
        lines += ["", *(f"  explained: {one}" for one in said)]
    return [*lines, *tables(claim), "", f"{claim['standing']}"]


def tables(claim: Claim) -> list[str]:
    """What was measured where the paper gives no number, and what is to be said about it."""
    lines = []
    for one in claim.get("tables", ()):
        lines += ["", f"{claim['name']}: {one['title']}", *table(one["rows"], tuple(one["header"]))]
    return lines + [f"  note: {note}" for note in claim.get("notes", ())]


def listed(entries: Iterable[Any]) -> list[str]:
    """What can be reproduced, a row an entry of the catalogue."""
    rows = [[entry.name, "beyond" if entry.beyond else "paper", entry.source, entry.statement] for entry in entries]
    return table(rows, ("claim", "of", "source", "statement"))


def count(claims: Iterable[Claim]) -> str:
    """How many claims there are of each standing, in a sentence."""
    found = [claim["standing"] for claim in claims]
    parts = [f"{found.count(one)} {one}" for one in Standing if one in found]
    return f"{len(found)} claim{'s' * (len(found) != 1)}: {', '.join(parts)}" if found else "no claims"
