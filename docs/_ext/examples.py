"""The examples of the pages: sessions (>>>), commands ($) and drawings, run as they stand, compared as they print.

Usage: python docs/_ext/examples.py PAGE ...      rewrites what stands below each example, run from the repository
"""

import contextlib
import doctest
import io
import re
import shlex
import sys
from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>pycon|console)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_DRAWN = re.compile(r"^```\{drawn\} (?P<name>\S+)\n(?::[^\n]*\n)*(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\w)")
#: Numbers below this are those of round-off, which machines do not share.
_NOISE = 1e-6


class Checker(doctest.OutputChecker):
    """Words must be the same; numbers may differ by one in the last printed digit, and as round-off does."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Whether what was printed is what stands on the page."""
        if super().check_output(want, got, optionflags):
            return True
        if _NUMBER.sub("#", want).split() != _NUMBER.sub("#", got).split():
            return False
        pairs = zip(_NUMBER.findall(want), _NUMBER.findall(got), strict=True)
        return all(abs(float(a) - float(b)) <= max(_NOISE, _last_digit(a)) for a, b in pairs)


def _last_digit(number: str) -> float:
    mantissa, _, exponent = number.partition("e")
    return float(1.01 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))


def session(text: str, name: str) -> doctest.DocTest:
    """All sessions of a page as one, in which names go on living; a blank line within an output belongs to it."""
    kept: list[str] = []
    end = 0
    for match in _FENCE.finditer(text):
        kept.append("\n" * text.count("\n", end, match.start("body")))
        kept.append(_marked(match["body"]) if match["kind"] == "pycon" else "\n" * match["body"].count("\n"))
        end = match.end("body")
    return doctest.DocTestParser().get_doctest("".join(kept), {}, name, name, 0)


def _marked(body: str) -> str:
    """With blank lines of outputs as doctest wants them."""
    return re.sub(r"^\n(?=\n*(?!>>>)[^\n])", "<BLANKLINE>\n", body, flags=re.MULTILINE)


def commands(text: str) -> list[tuple[list[str], str]]:
    """The commands of a page that run dynsim, and what stands below each."""
    out = []
    for match in _FENCE.finditer(text):
        if match["kind"] == "console":
            head, _, shown = match["body"].replace("\\\n", "").partition("\n")
            if (words := shlex.split(head.removeprefix("$")))[0].endswith("dynsim"):
                out.append((words[1:], shown))
    return out


def drawings(text: str) -> dict[str, str]:
    """The code of each drawing of a page."""
    return {match["name"]: match["code"] for match in _DRAWN.finditer(text)}


def printed(arguments: list[str]) -> str:
    """What a command prints; `| grep WORD` at its end leaves the lines with that word."""
    from dynsim import cli

    *before, pipe, grep, word = arguments if "|" in arguments else [*arguments, "|", "grep", ""]
    if (pipe, grep) != ("|", "grep"):
        raise ValueError(f"a command may end in | grep WORD only, got {shlex.join(arguments)}")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        cli.main(before)
    return "".join(line for line in out.getvalue().splitlines(keepends=True) if word in line)


def rewritten(text: str) -> str:
    """The page with what its examples print now."""
    space: dict[str, object] = {}
    return _FENCE.sub(lambda match: _again(match, space), text)


def _again(match: re.Match[str], space: dict[str, object]) -> str:
    if match["kind"] == "console":
        body = match["body"]
        head = re.match(r"(?:.*\\\n)*.*\n", body)
        found = commands(match[0])
        assert head is not None
        return f"```console\n{head[0]}{printed(found[0][0]) if found else body[head.end() :]}```"
    examples = doctest.DocTestParser().get_examples(_marked(match["body"]))
    return f"```pycon\n{''.join(_example(example, space) for example in examples)}```"


def _example(example: doctest.Example, space: dict[str, object]) -> str:
    """The lines of an example and what they print; several statements may stand between two outputs."""
    lines = example.source.splitlines()
    shown = "".join(f"{'>>>' if i == 0 else '...'} {line}".rstrip() + "\n" for i, line in enumerate(lines))
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(example.source, "example", "single"), space)
    except Exception as error:
        name = f"{type(error).__module__}.{type(error).__name__}"
        out.write(f"Traceback (most recent call last):\n    ...\n{name}: {error}\n")
    return shown + out.getvalue()


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
