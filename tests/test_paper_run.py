"""How claims are run: what is printed beside them, and what a long one is given and leaves behind."""

import json

import pytest

from dynsim import cli
from dynsim.comparison import Verdict
from dynsim.paper import catalogue, run
from dynsim.paper.catalogue import Entry
from dynsim.paper.claim import Line, Result, Table

LINE = Line("a number", 1.0, 1.0, 0.0, 0.0, Verdict.AGREES)
TABLE = Table("modes by loss", ("loss", "modes"), (("hinge", "8"), ("cross_entropy", "7")))


def result(tables=(), notes=()):
    return Result("made", "Fig. 0 (v2)", "said", (LINE,), {}, tables=tables, notes=notes)


def entry(reproduce, long=False):
    return Entry("made", "Fig. 0 (v2)", "said", reproduce, long)


def test_tables_are_printed_and_kept(tmp_path, capsys, monkeypatch):
    found = result((TABLE,), ("as measured",))
    monkeypatch.setattr(catalogue, "CLAIMS", {"made": entry(lambda quick: found)})
    monkeypatch.setattr(run, "CLAIMS", catalogue.CLAIMS)
    assert cli.main(["reproduce", "--out", str(tmp_path)]) == cli.AGREES
    printed = capsys.readouterr().out
    assert "made: modes by loss\n  loss           modes\n  hinge          8\n  cross_entropy  7\n" in printed
    assert "  note: as measured\n" in printed
    kept = json.loads((tmp_path / "results.json").read_text())["claims"][0]["tables"]
    rows = [["hinge", "8"], ["cross_entropy", "7"]]
    assert kept == [{"title": "modes by loss", "header": ["loss", "modes"], "rows": rows}]


def test_notes_of_a_claim_without_tables_stay_in_the_file():
    assert run.tables([result(notes=("as measured",))]) == []


def test_a_long_claim_is_told_how_long_and_where(tmp_path):
    asked = []

    def reproduce(quick, **given):
        asked.append((quick, given))
        given["folder"].mkdir()
        if len(asked) == 2:
            (given["folder"] / "half.npz").write_text("")
        return result()

    for effort in (run.Effort(quick=True), run.Effort(full=True)):
        list(run.run([entry(reproduce, long=True)], tmp_path, effort, progress=effort.full))
    folder = tmp_path / "unfinished"
    assert asked == [
        (True, {"full": False, "folder": folder, "progress": False}),
        (False, {"full": True, "folder": folder, "progress": True}),
    ]
    # The first left it empty: it is gone, and the second found none. What is in it stays.
    assert (folder / "half.npz").exists()


def test_an_error_does_not_stop_the_others_and_is_kept(tmp_path):
    def fails(quick):
        raise ValueError("images must have 64 pixels")

    first, second = run.run([entry(fails), entry(lambda quick: result())], tmp_path, run.Effort())
    assert isinstance(first, ValueError) and second.verdict == Verdict.AGREES
    document = json.loads((tmp_path / "results.json").read_text())
    assert [one["verdict"] for one in document["claims"]] == ["FAILED", "AGREES"]
    assert (document["quick"], document["full"]) == (False, False)


def test_quick_and_full_exclude_each_other(capsys):
    assert cli.main(["reproduce", "--quick", "--full"]) == cli.BAD_INPUT
    assert capsys.readouterr().err == "dynsim: --quick and --full must not both be given\n"


@pytest.mark.parametrize("name", ["", "gam"])
def test_an_unknown_claim_is_named(name, capsys):
    assert cli.main(["reproduce", "--only", name]) == cli.BAD_INPUT
    assert f"; got {name!r}\n" in capsys.readouterr().err
