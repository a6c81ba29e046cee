#!/usr/bin/env python
"""Put the tables of experiments that take minutes into the pages that speak of them.

`dynsim reproduce --only brightness gan` writes results.json; a page has a comment at each place where one of its
tables belongs. Usage: python scripts/experiments.py [results.json]    (default out/results.json)
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(ROOT / "docs" / name for name in ("brightness.md", "gan.md"))
#: <!-- brightness, table 1 --> ... <!-- end -->
PLACE = re.compile(
    r"(?P<start><!-- (?P<claim>\w+), table (?P<number>\d+) -->\n)(?P<shown>.*?)(?P<end><!-- end -->)", re.DOTALL
)


def markdown(table: dict[str, Any]) -> str:
    """A table of results.json."""
    rows = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
    return "\n".join([f"*{table['title']}*", "", *("| " + " | ".join(row) + " |" for row in rows), ""]) + "\n"


def filled(text: str, claims: dict[str, Any]) -> str:
    """The page with the tables of those claims; tables of other claims stay."""

    def table(place: re.Match[str]) -> str:
        claim = claims.get(place["claim"])
        if claim is None:
            return place[0]
        return place["start"] + "\n" + markdown(claim["tables"][int(place["number"]) - 1]) + "\n" + place["end"]

    return PLACE.sub(table, text)


def read(path: Path) -> dict[str, Any]:
    """The claims of a results.json by name; only such as ran at their usual length."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["quick"] or document["full"]:
        raise ValueError(f"{path} must come from a run without --quick and --full")
    return {claim["name"]: claim for claim in document["claims"]}


def main() -> None:
    """Rewrite the pages."""
    claims = read(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "results.json")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), claims), encoding="utf-8")
        print(f"written {page}")


if __name__ == "__main__":
    main()
