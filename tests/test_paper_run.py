"""How claims are run: what is printed of them, what a long one is given, what is left behind and what goes on."""

import io
import json

from matplotlib.figure import Figure

from dynsim import cli
from dynsim.comparison import Verdict
from dynsim.paper import catalogue, run, sheet
from dynsim.paper.catalogue import Entry
from dynsim.paper.claim import Line, Result, Table, explained, row
from dynsim.paper.progress import Bar

LINE = Line("a number", 1.0, 1.0, 0.0, 0.0, Verdict.AGREES)
OFF = Line("another", 1.0, 1.2, 0.2, 0.1, Verdict.DISAGREES)
TABLE = Table("modes by loss", ("loss", "modes"), (("hinge", "8"), ("cross_entropy", "7")))


def result(name="made", lines=(LINE,), **more):
    figure = Figure()
    figure.subplots().plot([0.0, 1.0], [0.0, 1.0])
    return Result(name, "Fig. 0 (v2)", "said", tuple(lines), {"rng": 0}, figure=figure, **more)


def entry(reproduce, long=False, name="made"):
    return Entry(name, "Fig. 0 (v2)", "said", reproduce, long, False, "as it was")


def entries(**reproduce):
    return {name: entry(function, name=name) for name, function in reproduce.items()}


def catalogued(monkeypatch, **reproduce):
    """Have these claims in place of the catalogue's."""
    made = entries(**reproduce)
    monkeypatch.setattr(run, "CLAIMS", made)
    monkeypatch.setattr(catalogue, "CLAIMS", made)


def fails(quick):
    raise ValueError("images must have 64 pixels")


def reproduce(out, *options):
    return cli.main(["reproduce", "--out", str(out), "--workers", "0", *options])


def document(out):
    return json.loads((out / "results.json").read_text())


def listing(out):
    return sorted(path.name for path in out.iterdir())



# ---- what is printed ---------------------------------------------------------------------------------------


def test_a_claim_is_a_row_and_only_what_is_off_is_spelled_out(tmp_path, capsys, monkeypatch):
    why = explained("the bound", 0.613, 0.641, 0.6409, 0.001, "the start is not covered")
    catalogued(
        monkeypatch,
        one=lambda quick: result("one"),
        two=lambda quick: result("two", [LINE, why]),
        three=lambda quick: result("three", [OFF] * 5),
        four=lambda quick: result("four", explanations=("digits in place of dogs",)),
    )
    assert reproduce(tmp_path) == cli.NOT_ALL
    printed = capsys.readouterr().out
    rows = [line.split()[:8] for line in printed.splitlines()[1:5]]
    assert [row[0] for row in rows] == ["one", "two", "three", "four"]
    assert [row[6] for row in rows] == ["AGREES", "EXPLAINED", "DISAGREES", "EXPLAINED"]
    assert rows[1][1:6] == ["2", "0.613", "0.6409", "0.028", "0.001"]
    assert (
        "DISAGREES:\n" + "  three: another: predicted 1, measured 1.2, floor 0.1\n" * 3
        + "  three: and 2 more of 5 lines\n"
    ) in printed  # fmt: skip
    assert "  two: the bound: the paper 0.613, mended 0.641, measured 0.6409; the start is not covered\n" in printed
    assert "  four: digits in place of dogs\n" in printed
    # A row says what it is about, and that what is explained is not in it.
    assert [row.split(None, 7)[-1] for row in printed.splitlines()[1:5]] == [
        "a number", "the bound", "another", "a number; the experiment is not the paper's",
    ]  # fmt: skip
    assert "4 claims: 1 AGREES, 2 EXPLAINED, 1 DISAGREES\n" in printed


def test_a_number_that_is_none_is_printed_and_no_agreement(tmp_path, capsys, monkeypatch):
    """A level that is never reached has no time."""
    lines = [row("t at margin 1", 1.0, float(value), 0.1) for value in ("nan", "inf")]
    catalogued(monkeypatch, made=lambda quick: result(lines=[LINE, *lines]))
    assert reproduce(tmp_path) == cli.NOT_ALL
    assert "made: t at margin 1: predicted 1, measured not finite, floor 0.1\n" in capsys.readouterr().out
    assert "not finite" in (tmp_path / "report.html").read_text()
    assert "t at margin 1" in str(result(lines=lines))
    assert reproduce(tmp_path, "--resume") == cli.NOT_ALL


def test_explained_is_no_failure(tmp_path, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result(explanations=("digits in place of dogs",)))
    assert reproduce(tmp_path) == cli.AGREES


def test_a_mended_statement_that_is_wrong_explains_nothing():
    line = explained("the bound", 0.613, 0.65, 0.641, 0.001, "the start is not covered")
    assert line.standing == Verdict.DISAGREES
    # And where the paper's number is within the floor there is nothing to explain.
    assert explained("the bound", 0.641, 0.641, 0.641, 0.001, "because").standing == Verdict.AGREES


def test_tables_are_printed_on_demand_and_kept(tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result(tables=(TABLE,), notes=("as measured",)))
    assert reproduce(tmp_path) == cli.AGREES
    assert "modes by loss" not in capsys.readouterr().out
    assert reproduce(tmp_path, "--details") == cli.AGREES
    printed = capsys.readouterr().out
    assert "made: modes by loss\n  loss           modes\n  hinge          8\n  cross_entropy  7\n" in printed
    assert "  note: as measured\n" in printed
    kept = document(tmp_path)["claims"][0]["tables"]
    rows = [["hinge", "8"], ["cross_entropy", "7"]]
    assert kept == [{"title": "modes by loss", "header": ["loss", "modes"], "rows": rows}]


def test_a_result_prints_all_its_lines():
    said = str(result(lines=[LINE, OFF], tables=(TABLE,)))
    assert "made: Fig. 0 (v2)\n  said\n" in said and "another" in said and said.endswith("\nDISAGREES")
    assert "made: modes by loss" in said


def test_a_terminal_gets_rows_that_fit_it():
    claims = [result(name).to_dict() for name in ("one", "two")]
    whole, cut = sheet.summary(claims), sheet.summary(claims, 60)
    assert [len(row) for row in cut[:3]] == [60] * 3 and all(row.endswith("...") for row in cut[:3])
    assert [row[:57] for row in cut[:3]] == [row[:57] for row in whole[:3]]
    assert sheet.summary(claims, 500) == whole


def test_the_decisive_line_is_that_of_a_network():
    formula = row("a number as printed", 1.0, 1.0049, 0.005, formula=True)
    seen = row("a time", 1.0, 1.001, 0.1)
    assert result(lines=[formula, seen]).decisive == seen
    # Unless the other disagrees.
    assert result(lines=[row("as printed", 1.0, 1.1, 0.005, formula=True), seen]).decisive.formula


def test_a_terminal_is_told_what_is_being_worked_on(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    store = run.Store.begin(tmp_path, list(entries(one=result, two=result).values()), run.Effort())
    screen, page = Terminal(), io.StringIO()
    for stream in (screen, page):
        store.claims.clear()
        with Bar(store, stream) as bar:
            bar.watch(["one", "two"])
            store.enter({**result("one").to_dict()}, 1.26)
            bar.done(store.claims["one"])
    for said in ("0/2 claims", "one, two", "1/2 claims"):
        assert said in screen.getvalue()
    assert "1/2  one  AGREES        1.3 s\n" in screen.getvalue()
    assert page.getvalue() == "1/2  one  AGREES        1.3 s\n"


# ---- what is left behind -----------------------------------------------------------------------------------


def test_a_long_claim_is_told_how_long_and_where(tmp_path):
    asked = []

    def long_one(quick, **given):
        asked.append((quick, given))
        given["folder"].mkdir()
        if len(asked) == 2:
            (given["folder"] / "half.npz").write_text("")
        return result()

    for effort in (run.Effort(quick=True), run.Effort(full=True)):
        store = run.Store.begin(tmp_path, [entry(long_one, long=True)], effort)
        list(run.run(store, progress=effort.full))
    folder = tmp_path / "unfinished"
    assert asked == [
        (True, {"full": False, "folder": folder, "progress": False}),
        (False, {"full": True, "folder": folder, "progress": True}),
    ]
    # The first left it empty: it is gone, and the second found none. What is in it stays, for one that resumes;
    assert (folder / "half.npz").exists()
    run.Store.begin(tmp_path / "other", [], run.Effort())
    assert (folder / "half.npz").exists()
    # one that begins anew does not go on from what other versions may have left.
    run.Store.begin(tmp_path, [], run.Effort())
    assert not (folder / "half.npz").exists()


def test_an_error_does_not_stop_the_others_and_is_kept(tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, first=fails, second=lambda quick: result("second"))
    assert reproduce(tmp_path) == cli.NOT_ALL
    assert "FAILED:\n  first: ValueError: images must have 64 pixels\n" in capsys.readouterr().out
    found = document(tmp_path)
    assert [one["standing"] for one in found["claims"]] == ["FAILED", "AGREES"]
    assert (found["quick"], found["full"]) == (False, False)
    assert {"dynsim", "code", "numpy", "scipy", "matplotlib", "python"} == set(found["versions"])
    assert set(found["times"]) == {"first", "second"}
    assert listing(tmp_path) == ["report.html", "results.json", "second.png", "second.svg"]


def test_the_same_run_leaves_the_same_bytes(tmp_path, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result())
    for name in ("one", "two"):
        assert reproduce(tmp_path / name) == cli.AGREES
    for name in ("made.png", "made.svg", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_bits_do_not_depend_on_the_number_of_processes(tmp_path):
    asked = ["theorem_3_2", "lemma_3_1", "figure_4"]
    found = []
    for number in ("1", "2"):
        out = tmp_path / number
        assert cli.main(["reproduce", "--quick", "--out", str(out), "--workers", number, "--only", *asked]) == 0
        found.append(document(out))
        assert set(found[-1].pop("times")) == set(asked)
    assert found[0] == found[1]
    # Told in the order of the paper, whatever ended first.
    assert [claim["name"] for claim in found[0]["claims"]] == ["lemma_3_1", "theorem_3_2", "figure_4"]
