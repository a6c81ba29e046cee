"""The README and the pages say what is true: examples print what stands below them, links and commands exist."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from dynsim import cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKS = [
    (page.relative_to(ROOT).as_posix(), target)
    for page in PAGES
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
]
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\w)")


def _last_digit(number):
    mantissa, _, exponent = number.partition("e")
    return 1.01 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _script():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "scripts" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
EXAMPLES = [example for page in SCRIPT.PAGES for example in SCRIPT.examples(page.read_text(encoding="utf-8"))]


def test_every_page_with_examples_is_looked_at():
    assert len(EXAMPLES) == 3
    held = [page for page in PAGES if SCRIPT.examples(page.read_text(encoding="utf-8"))]
    assert held == list(SCRIPT.PAGES)


@pytest.mark.parametrize(("code", "shown"), EXAMPLES)
def test_example_prints_what_is_shown(code, shown):
    printed = SCRIPT.printed(code)
    words = [_NUMBER.sub("#", text).split() for text in (shown, printed)]
    numbers = [_NUMBER.findall(text) for text in (shown, printed)]
    assert words[0] == words[1]
    for was, now in zip(*numbers, strict=True):
        # Numbers at round-off differ between machines; all others by one in the last printed digit at most.
        assert float(now) == pytest.approx(float(was), rel=1e-12, abs=max(1e-6, _last_digit(was)))


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_links_lead_somewhere(page, target):
    assert ((ROOT / page).parent / target).exists()


def test_command_of_the_readme_agrees(tmp_path, monkeypatch, capsys):
    (line,) = re.findall(r"^    \.venv/bin/dynsim (compare .*)$", TEXT, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    assert cli.main([*shlex.split(line), "--out", str(tmp_path)]) == cli.AGREES
    assert "4,950 pairs" in capsys.readouterr().out


def test_the_two_scripts_can_be_run():
    for name in ("reproduce", "test", "setup"):
        assert (ROOT / "scripts" / name).stat().st_mode & 0o111
    assert "./scripts/test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
