#!/usr/bin/env python
"""Keep README.md and a page of docs/ true: run their Python examples, draw the picture, fill in the table.

Usage: python scripts/readme.py [results.json]     without it the table of claims stays as it is
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from dynsim.files import whole
from dynsim.paper import sheet
from dynsim.plotting import comparison_figure

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "features.md")
PICTURE = ROOT / "docs" / "first.png"
_BLOCKS = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", re.DOTALL)
CLAIMS = re.compile(r"(?<=<!-- claims -->\n).*?(?=<!-- end -->)", re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """The code of each example, and the output shown below it."""
    return [(found["code"], found["shown"]) for found in _BLOCKS.finditer(text)]


def executed(code: str) -> tuple[str, dict[str, Any]]:
    """What the code prints, and its variables."""
    out, names = io.StringIO(), {}
    with contextlib.redirect_stdout(out):
        exec(compile(code, "example", "exec"), names)
    return out.getvalue(), names


def picture(names: dict[str, Any]) -> bytes:
    """The comparison of the README's example as a png."""
    figure, drawn = comparison_figure(names["report"]), io.BytesIO()
    figure.set_size_inches(8.0, 5.5)
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


def claims(document: dict[str, Any]) -> str:
    """The table of claims in Markdown, from what results.json holds."""
    if document["quick"]:
        raise ValueError("the table of claims must come from a run without --quick")
    header = ("claim", "source", "line", "predicted", "measured", "discrepancy", "floor", "verdict")
    rows = [header, ("---",) * len(header)]
    for claim in document["claims"]:
        name, _, *numbers, standing, what = sheet.cells(claim)
        words = [text.replace("|", "\\|") for text in (claim["source"], what)]
        rows.append((f"`{name}`", *words, *numbers, standing))
    return "\n" + "".join("| " + " | ".join(row) + " |\n" for row in rows) + "\n"


def main() -> None:
    """Rewrite the output blocks, the table, and the picture."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        whole(page, _BLOCKS.sub(_again, text))
    code, _ = examples(README.read_text(encoding="utf-8"))[0]
    whole(PICTURE, picture(executed(code)[1]))
    if len(sys.argv) > 1:
        table = claims(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
        whole(README, CLAIMS.sub(lambda found: table, README.read_text(encoding="utf-8")))


def _again(found: re.Match[str]) -> str:
    return f"```python\n{found['code']}```\n\n```text\n{executed(found['code'])[0]}```"


if __name__ == "__main__":
    main()
