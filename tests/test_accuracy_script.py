"""scripts/accuracy.py writes docs/accuracy.md, makes rows that agree with the stored ones, and can fail."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from dynsim.theory import modes

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import accuracy
import accuracy_calls

FUNCTIONS = set(accuracy_calls.HOMES)


def cells(text):
    """{(function, case): the cells of its line} of a document."""
    out, function = {}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            function = line.strip("#` ")
        elif line.startswith("| ") and not line.startswith("| case"):
            case, *rest = (cell.strip() for cell in line.strip("|").split("|"))
            out[function, case] = rest
    return out


def test_a_quick_run_names_every_function(tmp_path, capsys):
    path = tmp_path / "accuracy.md"
    assert accuracy.main(["--rows", "40", "--out", str(path)]) == 0
    found = cells(path.read_text(encoding="utf-8"))
    assert {function for function, _ in found} == FUNCTIONS
    assert len(found) == len(accuracy.TABLES) and {line[0] for line in found.values()} == {"40"}
    assert "0 failures" in capsys.readouterr().out


def test_the_document_in_the_repository_is_what_the_script_writes():
    """The text, the cases and the numbers of points; errors differ between machines by some roundings."""
    stored = accuracy.DOCUMENT.read_text(encoding="utf-8")
    written = accuracy.document([accuracy.measure(table, accuracy.read(table)) for table in accuracy.TABLES])
    assert stored.startswith(accuracy.INTRODUCTION)
    assert cells(stored).keys() == cells(written).keys()
    for case, line in cells(written).items():
        shown = cells(stored)[case]
        assert shown[0] == line[0]
        for was, now in zip(shown[1:-1], line[1:-1], strict=True):
            # a worst point may be another one, within the 18 roundings that each is granted
            assert float(now) <= 18 * float(was) + 18 and float(was) <= 18 * float(now) + 18
        assert shown[-1] == line[-1] == "100 %"


@pytest.mark.parametrize("argument", ["--help", "--make --help"])
def test_help(argument, capsys):
    with pytest.raises(SystemExit) as ended:
        accuracy.main(argument.split())
    assert ended.value.code == 0
    assert "docs/accuracy.md" in capsys.readouterr().out


def test_a_broken_function_is_reported(tmp_path, monkeypatch, capsys):
    right = modes.logit
    monkeypatch.setattr(modes, "logit", lambda *a, **k: right(*a, **k) * (1 + 1e-11))
    assert accuracy.main(["--rows", "40", "--only", "logit-hinge", "--out", str(tmp_path / "x.md")]) == 1
    told = capsys.readouterr().out
    assert "logit-hinge-balanced: 1e-11 (condition" in told and "initial = " in told


def test_nan_and_infinity_are_failures(monkeypatch):
    table = accuracy.Table("logit", "hinge", "balanced")
    for wrong in (np.nan, np.inf, -np.inf):
        monkeypatch.setattr(modes, "logit", lambda time, wrong=wrong, **_: np.full_like(time, wrong))
        assert len(accuracy.failures(accuracy.measure(table, accuracy.read(table, count=50)))) == 50


def test_a_warning_is_an_error(monkeypatch):
    def noisy(time, **_):
        warnings.warn("overflow", RuntimeWarning, stacklevel=2)
        return time

    monkeypatch.setattr(modes, "logit", noisy)
    table = accuracy.Table("logit", "hinge", "balanced")
    with pytest.raises(RuntimeWarning, match="overflow"):
        accuracy.measure(table, accuracy.read(table, count=50))


def test_answers_keep_more_digits_than_a_float():
    rows = accuracy.read(accuracy.Table("time_to", "hinge", "balanced"))
    assert np.all(np.abs(rows.low) <= 0.5 * accuracy.EPS * np.abs(rows.high))
    assert np.count_nonzero(rows.low) > 1900


def test_every_file_of_rows_is_a_table():
    files = {path.stem for path in accuracy.ROWS.iterdir()}
    assert files == {table.name for table in accuracy.TABLES}
    assert sum(path.stat().st_size for path in accuracy.ROWS.iterdir()) < 6.5e6


MADE = ["logit-cross_entropy-deep", "time_to-squared-imbalanced", "logit-exponential-imbalanced", "log_ei_inverse",
        "inflection-imbalanced", "inflections-first", "inflections-second", "inflections-third", "upper_bound",
        "lower_bound", "asymptote", "time_ratio-deep", "time_ratio-imbalanced", "sgd_mean", "sgd_quantiles",
        "one_input", "drop_times-2d"]  # fmt: skip


def test_rows_made_anew_are_the_stored_ones(tmp_path):
    """The draws have a seed, and the answers 25 digits of 60: the files agree in every byte."""
    assert importlib.util.find_spec("mpmath") is not None
    for name in MADE:
        assert accuracy.main(["--make", str(tmp_path), "--rows", "12", "--only", name]) == 0
        stored = (accuracy.ROWS / f"{name}.txt").read_text(encoding="ascii").splitlines()[:13]
        assert (tmp_path / f"{name}.txt").read_text(encoding="ascii").splitlines() == stored
