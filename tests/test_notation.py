"""docs/notation.md names things that exist, and the code refers to sections of docs/theory.md that exist."""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTATION = ROOT / "docs" / "notation.md"
COLUMNS = ["symbol", "code", "shape", "meaning and unit"]
NAME = re.compile(r"(?P<path>dynsim(?:\.\w+)*)(?:\((?P<parameter>\w+)\))?")
#: How the code refers to sections: "docs/theory.md, section 6" or "docs/theory.md, sections 6 and 7".
REFERENCE = re.compile(r"docs/theory\.md,\s+sections?\s+(\d+(?:(?:,| and)\s+\d+)*)")
#: What the table must at least contain: the letters of the paper and of docs/theory.md.
CORE = {
    *("n", "d", "h", "X, x_i", "y_i", "class 1, class 2", "q_i", "p", "|x|", "kappa"),
    *("W, w_k", "Z, Z_k", "f(x)", "m_i", "l(m)", "g(m)", "g'(m)", "o(m)", "L", "lr", "k", "t"),
    *("u", "u0", "C", "R", "z_k", "s_k, S", "d_k, D", "e", "T", "tau, Delta = 2 tau"),
    *("theta_k", "r", "B(r)", "v", "M", "zeta", "P", "Phi"),
}


def cells(line):
    """The cells of a row; a bar that belongs to a cell is written with a backslash."""
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def table(text):
    """(symbol, code) of every row of the table whose header has the column `code`."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|") and "code" in cells(line))
    assert cells(lines[start]) == COLUMNS
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return rows
        found = cells(line)
        assert len(found) == len(COLUMNS), f"a row needs {len(COLUMNS)} cells: {line}"
        rows.append((found[0], found[1]))
    return rows


def resolve(name):
    """Find what a name of the table stands for; raises LookupError where there is no such thing."""
    match = NAME.fullmatch(name)
    if match is None:
        raise LookupError(f"{name!r} is not of the form `dynsim.a.b` or `dynsim.a.b(parameter)`")
    found = importlib.import_module("dynsim")
    *parents, last = match["path"].split(".")[1:]
    for part in parents:
        found = _child(found, part)
    if dataclasses.is_dataclass(found) and last in {field.name for field in dataclasses.fields(found)}:
        if match["parameter"]:
            raise LookupError(f"{name}: {last} is a field and has no parameters")
        return found
    found = _child(found, last)
    if match["parameter"] and match["parameter"] not in inspect.signature(found).parameters:
        raise LookupError(f"{match['path']} has no parameter {match['parameter']!r}")
    return found


def _child(found, name):
    if inspect.ismodule(found) and not hasattr(found, name):
        try:
            return importlib.import_module(f"{found.__name__}.{name}")
        except ImportError as error:
            raise LookupError(f"{found.__name__} has no {name!r}") from error
    try:
        return getattr(found, name)
    except AttributeError as error:
        raise LookupError(f"{found!r} has no {name!r}") from error


ROWS = table(NOTATION.read_text(encoding="ascii"))
NAMES = [(symbol, name) for symbol, code in ROWS for name in re.findall(r"`([^`]*)`", code)]


@pytest.mark.parametrize("symbol, name", NAMES, ids=[name for _, name in NAMES])
def test_every_name_exists(symbol, name):
    assert resolve(name) is not None


def test_every_row_has_names_and_nothing_else():
    for symbol, code in ROWS:
        assert symbol
        assert re.fullmatch(r"`[^`]+`(, `[^`]+`)*", code), f"row {symbol!r}: the code cell is {code!r}"


def test_the_core_symbols_are_there_once():
    symbols = [symbol for symbol, _ in ROWS]
    assert len(symbols) == len(set(symbols))
    assert set(symbols) >= CORE, f"missing: {sorted(CORE - set(symbols))}"


@pytest.mark.parametrize(
    "name",
    [
        "dynsim.Dataset.weight",
        "dynsim.Trajectory.tim",
        "dynsim.nothing.logit",
        "dynsim.theory.modes.logit(rates)",
        "dynsim.losses.Loss.pull(m)",
        "dynsim.theory.maps.Mode.C",
        "numpy.linalg",
        "dynsim.Dataset.weights(",
        "",
    ],
)
def test_a_wrong_name_is_noticed(name):
    with pytest.raises(LookupError):
        resolve(name)


def test_a_bar_within_a_cell_is_not_a_border():
    text = "| symbol | code | shape | meaning and unit |\n|---|---|---|---|\n| \\|x\\| | `dynsim.a(b)` | | |\n"
    assert table(text) == [("|x|", "`dynsim.a(b)`")]


def test_sections_that_the_code_refers_to_exist():
    found = {int(n) for n in re.findall(r"^## (\d+)\. ", (ROOT / "docs" / "theory.md").read_text("ascii"), re.M)}
    assert found == set(range(1, len(found) + 1))
    asked = {}
    for path in sorted((ROOT / "dynsim").rglob("*.py")):
        for some in REFERENCE.findall(path.read_text("ascii")):
            asked.update({int(n): path.name for n in re.findall(r"\d+", some)})
    assert asked, "the code refers to no section: the pattern of this test is out of date"
    assert set(asked) <= found, {n: name for n, name in asked.items() if n not in found}
