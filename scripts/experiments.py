#!/usr/bin/env python
"""Put the tables of experiments that take minutes into the pages that speak of them.

`dynsim reproduce --only brightness gan` writes results.json; a page has a comment at each place where one of its
tables belongs; those of a run with --full have places of their own.

Usage: python scripts/experiments.py [results.json]    (default out/results.json)
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(ROOT / "docs" / name for name in ("brightness.md", "gan.md"))
#: <!-- brightness, table 1 --> ... <!-- end -->, or <!-- gan, lines --> for the predicted numbers
PLACE = re.compile(
    r"(?P<start><!-- (?P<claim>\w+(?: in full)?), (?:table (?P<number>\d+)|lines) -->\n)"
    r"(?P<shown>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)
LINE = ("what", "predicted", "measured", "discrepancy", "floor", "verdict")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


def shown(claim: dict[str, Any], number: str | None) -> str:
    """A table of a claim in results.json, or its lines."""
    if number is not None:
        table = claim["tables"][int(number) - 1]
        return f"*{table['title']}*\n\n{markdown(table['header'], table['rows'])}"
    formats = dict(zip(LINE, ("", ".6g", ".6g", ".2g", ".2g", ""), strict=True))
    return markdown(LINE, [[format(line[name], form) for name, form in formats.items()] for line in claim["lines"]])


def filled(text: str, claims: dict[str, Any]) -> str:
    """The page with the tables of those claims; tables of other claims stay."""

    def table(place: re.Match[str]) -> str:
        claim = claims.get(place["claim"])
        if claim is None:
            return place[0]
        return f"{place['start']}\n{shown(claim, place['number'])}\n\n{place['end']}"

    return PLACE.sub(table, text)


def read(path: Path) -> dict[str, Any]:
    """The claims of a results.json by name, "gan in full" where they ran with --full."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["quick"]:
        raise ValueError(f"{path} must come from a run without --quick")
    return {claim["name"] + " in full" * document["full"]: claim for claim in document["claims"]}


def main() -> None:
    """Rewrite the pages."""
    claims = read(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "results.json")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), claims), encoding="utf-8")
        print(f"written {page}")


if __name__ == "__main__":
    main()
