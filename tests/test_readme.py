"""The README and the pages say what is true: examples print what stands below them, links and commands exist."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from dynsim import cli
from dynsim.paper import catalogue, sheet

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
    printed, _ = SCRIPT.executed(code)
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


# ---- the table of claims -----------------------------------------------------------------------------------

ROWS = {
    cells[0].strip("`"): cells
    for line in SCRIPT.CLAIMS.search(TEXT)[0].splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]]
}
#: Those that take longest by themselves; what they say is held against networks in test_paper.py, in short form.
SLOW = {name for name, entry in catalogue.CLAIMS.items() if entry.long}


def test_the_table_has_a_row_a_claim():
    assert list(ROWS) == list(catalogue.CLAIMS)
    for name, (_, source, *_, standing) in ROWS.items():
        assert source.replace("\\|", "|") == catalogue.CLAIMS[name].source and len(ROWS[name]) == 8
        assert standing in ("AGREES", "EXPLAINED")


@pytest.mark.parametrize("name", [name for name in catalogue.CLAIMS if name not in SLOW])
def test_the_table_says_what_is_measured(name):
    """In the default form; which line is closest to its floor may differ where that is round-off."""
    found = catalogue.CLAIMS[name].reproduce(False).to_dict()
    _, _, what, *numbers, standing = ROWS[name]
    assert standing == found["standing"]
    shown = [float(number) for number in numbers]
    slack = [_last_digit(number) for number in numbers]

    def matches(line):
        if line["what"] != what.replace("\\|", "|"):
            return False
        now = [float(number) for number in sheet.numbers(line)]
        # Below 1e-9 it is rounding, which another machine does otherwise.
        return all(abs(a - b) <= max(one, 1e-9) for a, b, one in zip(now, shown, slack, strict=True))

    assert any(matches(line) for line in found["lines"])


def test_the_table_is_that_of_a_run(tmp_path):
    out = str(tmp_path)
    assert cli.main(["reproduce", "--only", "theorem_3_2", "table_1", "--out", out, "--workers", "1"]) == cli.AGREES
    document = json.loads((tmp_path / "results.json").read_text())
    table = SCRIPT.claims(document)
    for name in ("theorem_3_2", "table_1"):
        assert f"| {' | '.join((f'`{name}`', *ROWS[name][1:]))} |\n" in table
    with pytest.raises(ValueError, match=r"must come from a run without --quick"):
        SCRIPT.claims({**document, "quick": True})


def test_the_picture_is_that_of_the_example():
    import io

    from matplotlib import image

    code, _ = SCRIPT.examples(TEXT)[0]
    now = image.imread(io.BytesIO(SCRIPT.picture(SCRIPT.executed(code)[1])))
    assert now.shape == image.imread(SCRIPT.PICTURE).shape
    assert f"]({SCRIPT.PICTURE.relative_to(ROOT).as_posix()})" in TEXT


def test_the_scripts_can_be_run():
    for name in ("reproduce", "test", "setup", "docs", "browser"):
        assert (ROOT / "scripts" / name).stat().st_mode & 0o111
    assert "./scripts/test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
