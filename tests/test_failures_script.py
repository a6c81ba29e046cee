"""scripts/failures.py writes docs/failures.md: its numbers again, from the formulas and from trained networks."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import failures
import failures_rows

NUMBER = r"\d+\.?\d*"
STORED = failures.DOCUMENT.read_text(encoding="ascii")


def tables(text):
    """{title: (header, rows)} of a page, cells as text."""
    out = {}
    for section in text.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        out[section.splitlines()[0]] = header, rows
    return out


def column(title, name):
    header, rows = tables(STORED)[title]
    return [row[header.index(name)] for row in rows]


def again(title, index):
    """Row `index` of a table, measured anew at full size."""
    table = next(table for table in failures.TABLES if table.title == title)
    return [str(cell) for cell in table.row(failures.FULL, *table.cases[index])]


def orthogonal(h, A, B):
    """(15.8) with the orthant probabilities by quadrature: a unit on both inputs goes to class 1 if s > 0."""
    t = np.linspace(0.0, 12.0, 801)
    grid = np.add.outer(A * t, -B * t) / np.hypot(A, B)
    density = np.multiply.outer(stats.norm.pdf(t), stats.norm.pdf(t)) * stats.norm.cdf(grid)
    one = 3 / 16 + integrate.simpson(integrate.simpson(density, x=t), x=t)
    two = 3 / 8 + 1 / 4 - one
    return (1 - one) ** h + (1 - two) ** h - 0.375**h


CLOSED = {
    ("antipodal", "(1, 1), (0.5, 0.5)"): lambda h: 0.5 ** (h - 1),
    ("orthogonal", "(1, 1), (0.5, 0.5)"): lambda h: 2 * (11 / 16) ** h - (3 / 8) ** h,
    ("orthogonal", "(1, 2), (0.7, 0.3)"): lambda h: orthogonal(h, 0.7, 0.6),
    ("orthogonal", "(1, 1), (0.9, 0.1)"): lambda h: orthogonal(h, 0.9, 0.1),
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    path = tmp_path_factory.mktemp("failures") / "page.md"
    assert failures.main(["--quick", "--out", str(path)]) == 0
    return path.read_text(encoding="ascii")


def test_a_quick_run_has_every_table(quick):
    made, stored = tables(quick), tables(STORED)
    assert list(made) == list(stored) == [table.title for table in failures.TABLES]
    for table in failures.TABLES:
        header, rows = made[table.title]
        assert header == stored[table.title][0] == table.columns.split(" | ")
        assert len(rows) == len(table.cases[::5]) and len(stored[table.title][1]) == len(table.cases)
        assert {len(row) for row in [*rows, *stored[table.title][1]]} == {len(header)}


def test_the_same_page_again_and_the_words_of_the_stored_one(quick, tmp_path):
    assert failures.document(failures.QUICK) == quick
    words = [failures.written(table, [], failures.FULL) for table in failures.TABLES]
    assert all(text in STORED for text in words)
    assert STORED.startswith(failures.INTRODUCTION.split("{")[0])
    assert max(len(line) for line in STORED.splitlines() if not line.startswith("|")) <= 116


def test_quick_numbers_do_not_overwrite_the_page(capsys):
    with pytest.raises(SystemExit):
        failures.main(["--quick"])
    assert "--quick needs --out" in capsys.readouterr().err
    assert failures.DOCUMENT.read_text(encoding="ascii") == STORED


def test_the_closed_forms_of_the_page():
    header, rows = tables(STORED)["Closed forms"]
    assert len(rows) == 4 * 8
    for row in rows:
        shown = dict(zip(header, row, strict=True))
        p = CLOSED[shown["geometry"], shown["norms, frequencies"]](int(shown["h"]))
        # 5 digits are printed, and the quadrature is good to 7.
        assert abs(float(shown["formula"]) - p) <= 0.51e-5
        low, high = (float(x) for x in shown["interval about the formula"].split(" - "))
        found = stats.binom.interval(0.999, 10_000, float(shown["formula"]))
        # Ends are whole numbers of networks; the fifth digit of the formula may move them by one.
        np.testing.assert_allclose([low, high], np.array(found) / 10_000, atol=1.01e-4)
        measured = float(shown["measured"])
        assert low <= measured and measured + int(shown["undecided"]) / 10_000 <= high
        assert shown["inside"] == "yes"


@pytest.mark.parametrize(
    "title, index",
    [
        ("Closed forms", 3),
        ("Closed forms", 10),
        ("Closed forms", 31),
        ("Larger scales, orthogonal inputs", 9),
        ("Antipodal inputs at any scale", 2),
        ("Antipodal inputs at any scale", 11),
        ("Other angles", 5),
        ("From acute angles to 180 degrees", 4),
        ("From acute angles to 180 degrees", 10),
        ("The step size above 90 degrees", 4),
    ],
)
def test_rows_measured_again_are_those_of_the_page(title, index):
    # On another machine products round otherwise, which decides about the few networks next to a separatrix.
    pairs = zip(again(title, index), tables(STORED)[title][1][index], strict=True)
    for found, stored in pairs:
        assert re.sub(NUMBER, "", found) == re.sub(NUMBER, "", stored)
        for mine, other in zip(re.findall(NUMBER, found), re.findall(NUMBER, stored), strict=True):
            assert abs(float(mine) - float(other)) <= (6e-4 if "." in mine else 6.0)


def test_a_wrong_formula_is_visible(monkeypatch):
    right = failures_rows.failure_probability
    monkeypatch.setattr(failures_rows, "failure_probability", lambda h, *a, **k: right(h, *a, **k) * 1.06)
    row = again("Closed forms", 11)
    assert row[-1] == "no" and row != tables(STORED)["Closed forms"][1][11]


def test_unequal_rates_are_visible():
    # With 0.9 and 0.1 the formula of equal rates is wrong by 0.019 at h = 8, and the interval reaches 0.010.
    run = failures_rows.trained(90.0, 8, 10_000, rates=failures.RAREST)
    assert failures_rows.inside(run, 2 * (11 / 16) ** 8 - (3 / 8) ** 8) == "no"


def test_what_the_page_says_of_larger_scales():
    title = "Larger scales, orthogonal inputs"
    failed, h = np.array(column(title, "failed"), float), column(title, "h")
    alone, formula = (np.array(column(title, name), float) for name in ("alone", "formula, sigma -> 0"))
    for hidden in ("2", "4"):
        mine = np.array(h) == hidden
        assert np.all(np.diff(failed[mine]) < 0)
        low, high = stats.binom.interval(0.999, 10_000, formula[mine][0])
        assert np.all((low <= 10_000 * alone[mine]) & (10_000 * alone[mine] <= high))
    saved, both, lost = (np.array(column(title, name), int) for name in ("saved", "with both", "lost"))
    assert np.array_equal(saved, both) and lost.sum() < 0.01 * saved.sum()


def test_what_the_page_says_of_antipodal_inputs():
    title = "Antipodal inputs at any scale"
    loss, breaks = np.array(column(title, "loss")), np.array(column(title, "break the rule"), int)
    assert np.all(breaks[loss == "cross_entropy"] == 0) and breaks[loss == "hinge"].sum() > 100
    assert set(column(title, "learn in spite of it")) == {"0"}


def test_what_the_page_says_of_other_angles():
    title = "Other angles"
    for estimate, interval in zip(column(title, "estimate"), column(title, "interval"), strict=True):
        low, high = (float(x) for x in interval.split(" - "))
        assert low <= float(estimate.split(" +- ")[0]) <= high
    assert set(column(title, "undecided")) == {"0"}


def test_what_the_page_says_of_late_choices():
    powers, errors = np.array([cell.split(" +- ") for cell in column("How late choices vanish", "power")], float).T
    # The square root of 2 at small scales, less at larger ones.
    assert np.all(np.abs(powers[:2] - np.sqrt(2)) < 3 * errors[:2]) and powers[-1] < np.sqrt(2) - 3 * errors[-1]
    assert np.all(np.array(column("How late choices vanish", "largest s / largest drawn"), float) < 1)


def test_what_the_page_says_of_180_degrees():
    _, rows = tables(STORED)["From acute angles to 180 degrees"]
    for i in range(1, 5):
        values = [float(row[i].split(" +- ")[0]) for row in rows]
        assert values == sorted(values, reverse=True)
        h, limit = i + 1, values[-2]
        assert abs(limit - (2 * (9 / 16) ** h - 0.125**h)) <= 0.51e-4 and values[-1] == round(0.5**i, 4)


def test_numbers_of_the_page_are_not_of_this_day():
    assert not re.search(r"\b20\d\d-\d\d|\bseconds\b|\d s\b", STORED)
