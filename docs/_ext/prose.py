"""What is done to the words of pages and docstrings before they are shown; nothing here needs Sphinx."""

import re
from pathlib import Path

_INCLUDED = re.compile(r"^:{3,}\{include\} +(\S+)|^`{3}\{include\} +(\S+)", re.MULTILINE)
_EQUATION = re.compile(r"(?P<formula>.*\S) {4,}(?P<number>\(\d+\.\d+[a-z]?\))")
_MARKUP = re.compile(r"(?<!\\)(\*|\||(?<=\w)_(?!\w))")


def pages_of(folder: Path) -> dict[Path, str]:
    """Which page includes a file of the repository, or is made of its files: {file: name of the page}."""
    found = {(folder.parent / "scripts" / "gallery").resolve(): "gallery/index"}
    for page in sorted(folder.glob("*.md")):
        for match in _INCLUDED.finditer(page.read_text(encoding="utf-8")):
            found[(folder / (match[1] or match[2])).resolve()] = page.stem
    return found


def escaped(lines: list[str]) -> list[str]:
    """Docstrings are prose and formulas: |x| is a length, * a product, u_ a letter; nothing of it is markup.

    Code in `backticks` and examples (from >>> to the next empty line) stay as they are, and what is indented after
    an empty line is shown as it stands.
    """
    out: list[str] = []
    # The indentation of the text around a block that is shown as it stands; None outside of one.
    outer: int | None = None
    before, example = 0, False
    for line in lines:
        words, indent = line.strip(), len(line) - len(line.lstrip())
        if outer is not None and words and indent <= outer:
            outer = None
        example = words.startswith(">>>") or (example and bool(words))
        if outer is None and not example and words and indent > before and out and not out[-1].strip():
            outer = before
            out += [" " * before + "::", ""]
        pieces = [line] if example or outer is not None else re.split(r"(`[^`]*`)", line)
        as_is = example or outer is not None
        out.append("".join(p if as_is or p.startswith("`") else _MARKUP.sub(r"\\\1", p) for p in pieces))
        before = indent if words and outer is None else before
    return out


def numbered(text: str, column: int = 84) -> str:
    """Formulas with the numbers of their equations no further to the right than they need to be."""
    found = [_EQUATION.fullmatch(line) for line in text.splitlines()]
    ends = [len(match["formula"]) + len(match["number"]) + 4 for match in found if match]
    end = max([column, *ends])
    lines = [
        f"{match['formula']:<{end - len(match['number'])}}{match['number']}" if match else line
        for match, line in zip(found, text.splitlines(), strict=True)
    ]
    return "\n".join(lines)
