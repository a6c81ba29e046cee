#!/usr/bin/env python
"""Run the Python examples of README.md and of a page of docs/, and put what they print below them."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "features.md")
_BLOCKS = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """The code of each example, and the output shown below it."""
    return [(found["code"], found["shown"]) for found in _BLOCKS.finditer(text)]


def printed(code: str) -> str:
    """What the code prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "example", "exec"), {})
    return out.getvalue()


def main() -> None:
    """Rewrite the output blocks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(_BLOCKS.sub(_again, text), encoding="utf-8")


def _again(found: re.Match[str]) -> str:
    return f"```python\n{found['code']}```\n\n```text\n{printed(found['code'])}```"


if __name__ == "__main__":
    main()
