"""dynsim.paper.script: the command line of a script that draws the figure of one claim."""

import re
from types import ModuleType

import pytest
from matplotlib.figure import Figure

from dynsim.paper import claim, figure_4, lemma_3_1, script
from dynsim.paper.claim import Result


def refused(capsys, module, *arguments):
    """The one line on stderr with which a script ends, and its exit status."""
    with pytest.raises(SystemExit) as ended:
        script.drawn(module, arguments)
    (line,) = capsys.readouterr().err.splitlines()
    return ended.value.code, line


def made(reproduce):
    """A claim of its own."""
    module = ModuleType("made")
    module.NAME, module.SOURCE, module.STATEMENT = "made", "nowhere (v2)", "100 % of something."
    module.reproduce = reproduce
    return module


def result(figure=None):
    lines = (claim.row("a number", 1.0, 1.0, 0.0),)
    return Result("made", "nowhere (v2)", "100 % of something.", lines, {}, figure=figure)


def test_wrong_arguments_are_one_line(capsys, tmp_path):
    status, line = refused(capsys, figure_4, "--quik")
    assert status == 2 and "unrecognized arguments: --quik" in line
    status, line = refused(capsys, figure_4, "--out")
    assert status == 2 and "--out" in line
    status, line = refused(capsys, figure_4, "--out", str(tmp_path), "--no-files")
    assert status == 2 and "not allowed with" in line
    # Only what takes minutes can be done at full length.
    status, line = refused(capsys, figure_4, "--full")
    assert status == 2 and "--full" in line
    (tmp_path / "file").write_text("")
    status, line = refused(capsys, figure_4, "--out", str(tmp_path / "file"))
    assert status == 2 and "--out must be a folder that can be written to" in line


def test_a_folder_that_cannot_be_written_to(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(script.os, "access", lambda path, mode: False)
    status, line = refused(capsys, figure_4, "--out", str(tmp_path))
    assert status == 2 and "Permission denied" in line


def test_a_wrong_number_in_a_script_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(figure_4, "INITIAL", -0.1)
    status, line = refused(capsys, figure_4, "--quick", "--out", str(tmp_path))
    assert status == 2 and re.search(r"initial must be .*, got -0.1", line)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(ImportError("needs scikit-learn:\n install it"), 2, "needs scikit-learn: install it"),
     (KeyboardInterrupt(), 1, "interrupted")],
)  # fmt: skip
def test_errors_and_interruptions_are_one_line(capsys, error, status, words):
    def reproduce(quick):
        raise error

    found, line = refused(capsys, made(reproduce), "--no-files")
    assert found == status and words in line


def test_help_names_the_claim(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        script.drawn(made(lambda quick: result()), ["--help"])
    said = capsys.readouterr().out
    assert "100 % of something." in said and "--no-files" in said and "--full" not in said


def test_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = script.drawn(lemma_3_1, ["--quick", "--no-files"])
    assert isinstance(found.figure, Figure) and list(tmp_path.iterdir()) == []


def test_a_long_claim_keeps_what_it_has(tmp_path):
    seen = []

    def reproduce(quick=False, *, full=False, folder=None, progress=False):
        if folder is not None:
            folder.mkdir()
        seen.append((quick, full, folder))
        return result()

    script.drawn(made(reproduce), ["--full", "--out", str(tmp_path / "a" / "b")])
    script.drawn(made(reproduce), ["--quick", "--no-files"])
    assert seen == [(False, True, tmp_path / "a" / "b" / "unfinished"), (True, False, None)]
    # Once it is empty the folder is not needed any more.
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_claim_without_figure_writes_none(tmp_path, capsys):
    script.drawn(made(lambda quick: result()), ["--out", str(tmp_path)])
    assert list(tmp_path.iterdir()) == [] and "written" not in capsys.readouterr().out
