"""scripts/gallery draws each claim's figure, scripts/figures.py all of them; what they draw needs no colours."""

import contextlib
import importlib
import importlib.util
import io
import re
import runpy
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from dynsim.paper import catalogue, claim, lemma_3_1
from dynsim.paper.claim import Standing

ROOT = Path(__file__).parent.parent
GALLERY = ROOT / "scripts" / "gallery"
SCRIPTS = {path.stem: path for path in sorted(GALLERY.glob("*.py"))}
GOOD = (Standing.AGREES, Standing.EXPLAINED)
#: A number that a script sets, and another one that it proposes.
EDIT = re.compile(r"^(?P<place>\w+\.(?P<name>[A-Z_]+)) = (?P<value>.+?)(?:  # try (?P<other>.+))?$", re.MULTILINE)


def module_of(name):
    return importlib.import_module(f"dynsim.paper.{name}")


def executed(path, *arguments):
    """The names of a script run in its quick form, and what it printed."""
    before, printed = sys.argv, io.StringIO()
    sys.argv = [str(path), "--quick", *arguments]
    try:
        with contextlib.redirect_stdout(printed):
            names = runpy.run_path(str(path), run_name="__main__")
    except SystemExit as ended:
        raise AssertionError(f"{path.name} ended with status {ended.code}") from None
    finally:
        sys.argv = before
    return names, printed.getvalue()


# ---- the scripts -------------------------------------------------------------------------------------------


def test_every_claim_has_a_script():
    assert set(SCRIPTS) == set(catalogue.CLAIMS)


@pytest.fixture(scope="module", params=list(SCRIPTS))
def drawn(request, tmp_path_factory):
    """A script's name, the names it left, what it printed, and the folder it wrote to."""
    name, out = request.param, tmp_path_factory.mktemp(request.param)
    return name, *executed(SCRIPTS[name], "--out", str(out)), out


def test_script_draws(drawn):
    name, names, printed, out = drawn
    found = names["found"]
    assert isinstance(names["figure"], Figure) and names["figure"] is found.figure
    assert found.name == name and found.standing in GOOD
    assert str(found) in printed and f"{name}.png" in printed
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.png", f"{name}.svg"]
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / f"{name}.svg").read_text(encoding="utf-8")


def test_script_is_thin_and_says_what_it_shows(drawn):
    name, names, *_ = drawn
    text = SCRIPTS[name].read_text(encoding="ascii")
    title, underline, *words = names["__doc__"].strip().splitlines()
    assert underline == "=" * len(title)
    assert "Look" in names["__doc__"] and " ".join(words).endswith(f"Source: {module_of(name).SOURCE}.")
    code = [line for line in text.split('"""')[2].splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 20
    # A number to change, or how the same is made of something of the reader's own.
    assert any(edit["other"] for edit in EDIT.finditer(text)) or "your own" in text


def test_numbers_of_a_script_are_those_of_the_claim(drawn):
    """As it stands a script draws the claim's own figure."""
    name, *_ = drawn
    module = module_of(name)
    kept = _plain_copy(module)
    for edit in EDIT.finditer(SCRIPTS[name].read_text(encoding="ascii")):
        assert edit["place"].startswith(f"{name}.")
        value = eval(edit["value"], {"np": np, name: kept})
        np.testing.assert_equal(value, getattr(kept, edit["name"]))


def _plain_copy(module):
    """The module as its file has it, whatever scripts have set in it since."""
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again


def test_what_a_script_proposes_changes_its_figure(drawn, tmp_path, monkeypatch):
    """Theory and networks alike: the claim still holds."""
    name, names, *_ = drawn
    module, text = module_of(name), SCRIPTS[name].read_text(encoding="ascii")
    for edit in EDIT.finditer(text):
        if edit["other"] is None:
            continue
        path = tmp_path / f"{name}.py"
        path.write_text(text.replace(edit[0], f"{edit['place']} = {edit['other']}"))
        with monkeypatch.context() as kept:
            kept.setattr(module, edit["name"], getattr(module, edit["name"]))
            forget(module)
            other, _ = executed(path, "--no-files")
        forget(module)
        assert other["found"].standing in GOOD
        assert not _same(other["figure"], names["figure"])


def forget(module):
    """What a claim remembers for another of its numbers."""
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _same(one, other):
    """Whether the curves of two figures are the same."""
    both = [[line.get_xydata() for ax in figure.axes for line in ax.lines] for figure in (one, other)]
    if len(both[0]) != len(both[1]):
        return False
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*both, strict=True))


# ---- legible without colours -------------------------------------------------------------------------------


def look(line):
    """What of a line is seen without colours."""
    marker = line.get_marker()
    filled = marker not in ("None", None, "") and line.get_markerfacecolor() not in ("none", "white")
    return line.get_linestyle(), line._unscaled_dash_pattern, marker, filled


def alike(figure):
    """Pairs of named lines of one panel that differ by their colour alone."""
    found = []
    for ax in figure.axes:
        named = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
        found += [
            (one.get_label(), two.get_label()) for one, two in combinations(named, 2) if look(one) == look(two)
        ]
    return found


def test_no_two_curves_differ_by_their_colour_alone(drawn):
    _, names, *_ = drawn
    assert alike(names["figure"]) == []


def test_curves_that_are_alike_are_found():
    ax = Figure().subplots()
    ax.plot([0, 1], label="a", color="r")
    ax.plot([1, 0], label="b", color="b", linestyle=(0, (5, 1)))
    ax.plot([2, 0], label="c", linestyle=(0, (5, 2)))
    ax.plot([3, 0], "o", label="d")
    ax.plot([3, 0], "o", markerfacecolor="none", label="e")
    assert alike(ax.figure) == []
    ax.plot([1, 1], label="f", color="k")
    assert alike(ax.figure) == [("a", "f")]


def drawn_points(line):
    """Where a line is on the canvas, in pixels: its points, and two pixels apart what joins them."""
    points = line.get_transform().transform(line.get_xydata())
    points = points[np.isfinite(points).all(axis=1)]
    if line.get_linestyle() == "None" or len(points) < 2:
        return points
    numbers = np.maximum(2, np.minimum(2000, np.hypot(*np.diff(points, axis=0).T) / 2)).astype(int)
    pairs = zip(points[:-1], points[1:], numbers.tolist(), strict=True)
    return np.concatenate([np.linspace(one, two, number) for one, two, number in pairs])


def under_legends(figure):
    """The lines that go through the legend of their panel, within the panel; those across all of it are no data."""
    found = []
    for ax in figure.axes:
        if (legend := ax.get_legend()) is not None:
            box = Bbox.intersection(legend.get_window_extent(), ax.bbox)
            curves = [line for line in ax.lines if line.get_transform() == ax.transData]
            found += [line.get_label() for line in curves if box and box.count_contains(drawn_points(line))]
    return found


def overlapping_words(figure):
    """Titles and names of axes that overlap, and titles that are wider than the figure."""
    texts = [text for ax in figure.axes for text in (ax.title, ax.xaxis.label, ax.yaxis.label) if text.get_text()]
    boxes = {text: text.get_window_extent() for text in texts}
    titles = [text for text in (figure._suptitle, *boxes) if text is not None]
    wide = [text.get_text() for text in titles if not _within(text.get_window_extent(), figure.bbox)]
    pairs = combinations(boxes.items(), 2)
    return wide + [(a.get_text(), b.get_text()) for (a, one), (b, two) in pairs if one.overlaps(two)]


def _within(box, frame):
    return frame.x0 <= box.x0 + 1.0 and box.x1 - 1.0 <= frame.x1


def test_no_legend_lies_on_a_curve_and_no_words_overlap(drawn):
    _, names, *_ = drawn
    FigureCanvasAgg(names["figure"]).draw()
    assert under_legends(names["figure"]) == []
    assert overlapping_words(names["figure"]) == []


def test_what_lies_on_something_is_found():
    figure = Figure(figsize=(4, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for ax in (left, right):
        ax.plot([0, 1], [0, 1], label="up")
        ax.plot([0, 1], [1, 1], label="top")
        ax.axhline(0.98, label="across")
    left.legend(loc="lower right", handlelength=0.5)
    right.legend(loc="upper left", handlelength=0.5)
    FigureCanvasAgg(figure).draw()
    assert under_legends(figure) == ["top"] and overlapping_words(figure) == []
    left.set_xlabel("words that are far too long for a panel")
    right.set_xlabel("others")
    figure.suptitle("a title that is longer than the figure is wide, by all means, and then some")
    FigureCanvasAgg(figure).draw()
    assert len(overlapping_words(figure)) == 2


# ---- scripts/figures.py ------------------------------------------------------------------------------------


def _figures():
    spec = importlib.util.spec_from_file_location("all_figures", ROOT / "scripts" / "figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES = _figures()
HERE = ("--quick", "--workers", "0", "--out")


def test_figures_by_name(tmp_path, capsys):
    assert FIGURES.main(["figure_4", "lemma_3_1", *HERE, str(tmp_path)]) == 0
    files = ["figure_4.png", "figure_4.svg", "lemma_3_1.png", "lemma_3_1.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    said = capsys.readouterr()
    assert "figure_4: AGREES" in said.out and "2/2" in said.err and "2/2" not in said.out


def test_all_figures_where_none_is_named(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(FIGURES, "draw", lambda task: asked.append(task.module.split(".")[-1]) or Standing.AGREES)
    assert FIGURES.main([*HERE, str(tmp_path)]) == 0
    assert asked == list(catalogue.CLAIMS)


def test_an_unknown_name_is_one_line(tmp_path, capsys):
    for arguments in (["figure_99"], ["figure_4", "figure_99"], ["figure_99", "--list"]):
        assert FIGURES.main([*arguments, "--out", str(tmp_path / "new")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(r"NAME must be one of lemma_3_1, .*; got 'figure_99'$", line)
    assert not (tmp_path / "new").exists()


def test_other_wrong_arguments_are_one_line(tmp_path, capsys):
    assert FIGURES.main(["figure_4", "--workers", "-1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "workers must be" in line
    (tmp_path / "file").write_text("")
    assert FIGURES.main(["figure_4", "--out", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--out must be a folder" in line


def test_list(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert FIGURES.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == list(catalogue.CLAIMS)
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    def wrong(quick):
        raise RuntimeError("planted\nhere")

    monkeypatch.setattr(lemma_3_1, "reproduce", wrong)
    assert FIGURES.main(["lemma_3_1", "figure_4", *HERE, str(tmp_path)]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"figure_4.png", "figure_4.svg"}
    assert "lemma_3_1: FAILED, RuntimeError: planted here" in capsys.readouterr().out


def test_one_that_disagrees_is_drawn_and_told(tmp_path, capsys, monkeypatch):
    right = lemma_3_1.reproduce

    def wrong(quick):
        found = right(quick)
        return claim.Result(found.name, found.source, found.statement, (claim.row("one", 1.0, 2.0, 0.5),), {},
                            figure=found.figure)  # fmt: skip

    monkeypatch.setattr(lemma_3_1, "reproduce", wrong)
    assert FIGURES.main(["lemma_3_1", *HERE, str(tmp_path)]) == 1
    assert "lemma_3_1: DISAGREES" in capsys.readouterr().out and (tmp_path / "lemma_3_1.png").exists()


# ---- as they are called ------------------------------------------------------------------------------------


def called(path, *arguments, folder):
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_script_called_from_another_folder(tmp_path):
    done = called(SCRIPTS["figure_4"], "--quick", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "written: out/figure_4.png" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["figure_4.png", "figure_4.svg"]


def test_a_script_called_wrongly(tmp_path):
    done = called(SCRIPTS["theorem_3_2"], "--quick", "1", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "theorem_3_2.py: unrecognized arguments: 1 (see theorem_3_2.py --help)\n"
    assert list(tmp_path.iterdir()) == []


def test_figures_called_from_another_folder_by_two_processes(tmp_path):
    path = ROOT / "scripts" / "figures.py"
    done = called(path, "figure_4", "lemma_3_1", "--quick", "--workers", "2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"figure_4.png", "lemma_3_1.png"}
