#!/usr/bin/env python
"""Run the Python example of README.md and put what it prints below it."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
_BLOCKS = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", re.DOTALL)


def example(text: str) -> tuple[str, str]:
    """The example's code, and the output shown below it."""
    found = _BLOCKS.search(text)
    if found is None:
        raise ValueError(f"{README} must hold a python block followed by a text block")
    return found["code"], found["shown"]


def printed(code: str) -> str:
    """What the code prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(README), "exec"), {})
    return out.getvalue()


def main() -> None:
    """Rewrite the output block."""
    text = README.read_text(encoding="utf-8")
    code, shown = example(text)
    block = "```text\n"
    README.write_text(text.replace(block + shown + "```", block + printed(code) + "```"), encoding="utf-8")


if __name__ == "__main__":
    main()
