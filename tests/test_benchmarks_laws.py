"""The benchmark of the laws without JAX: its equation, its errors, what is asked, the document."""

import numpy as np
import pytest

from benchmarks.laws import __main__ as command
from benchmarks.laws import document, measure, ours, problems, sections, solvers
from benchmarks.laws.measure import Run, Section, lines
from dynsim.theory import modes

CASES = [(0.0, 2.0), (0.3, 2.0), (0.0, 4.0)]


@pytest.mark.parametrize(("imbalance", "depth"), CASES)
def test_all_solve_the_same_equation(imbalance, depth):
    one = problems.trajectory(50, imbalance, depth)
    many = problems.pairs(3, 4, imbalance, depth)
    for problem, solve in ((one, solvers.trajectory), (one, solvers.dense), (many, solvers.loop)):
        theirs = solve(problem, "DOP853", 1e-12)
        assert theirs.shape == problem.times.shape
        for mine in (ours.solve(problem),):
            # local errors of 1e-12 grow as the sensitivity to the start does, by some hundreds on the plateau
            np.testing.assert_allclose(mine, theirs, rtol=1e-8)


@pytest.mark.parametrize(("imbalance", "depth"), CASES)
def test_the_error_is_that_of_the_logit(imbalance, depth):
    """A logit that is wrong by 1e-9 is found to be so, from its time."""
    time, start = 3.0, {"initial": 0.1, "rate": 0.8}
    u = float(modes.logit(time, imbalance=imbalance, depth=depth, **start))
    arguments = (time, *start.values(), imbalance, depth)
    assert problems.error(u, *arguments) < 1e-14
    assert problems.error(u * (1 + 1e-9), *arguments) == pytest.approx(1e-9, rel=1e-5)


def test_imbalances_that_all_differ():
    many = problems.pairs(4, 3, imbalance=None)
    np.testing.assert_allclose(ours.solve(many), solvers.loop(many, "DOP853", 1e-12), rtol=1e-8)
    assert problems.worst(ours.solve(many), many, 10) < 1e-14


def test_worst_reads_each_logit_beside_its_own_arguments():
    many = problems.pairs(20, 3)
    logits = ours.solve(many)
    assert problems.worst(logits, many, 30) < 1e-14
    assert problems.worst(logits * (1 + 1e-6), many, 5) == pytest.approx(1e-6, rel=1e-3)
    assert problems.worst(logits[::-1], many, 30) > 1e-3


def section(**changes):
    """Ours took 2 s and is right to 1e-16, theirs 0.5 s for a tenth of it, right to 1e-12."""
    problem = problems.trajectory(5)
    mine = Run("dynsim", problem, lambda: ours.solve(problem), seconds=[2.0, 1.0, 9.0], error=1e-16)
    theirs = Run("other", problem, lambda: ours.solve(problem), 10.0, seconds=[0.5, 0.4, 0.6], error=1e-12)
    arguments = {"asked": {"other": 2.0}, "error_ratio": {"other": 100.0}, "memory": 5_000_000}
    return Section("Title", "About it.", [mine, theirs], **(arguments | changes))


def test_lines():
    found = lines(section(milliseconds=100.0, megabytes=6.0))
    assert [line.met for line in found] == [True, True, True, False, True]
    assert [line.measured for line in found] == ["1.0e-16", "2.5", "1e+04", "2e+03 ms", "5 MB"]
    assert [line.asked for line in found] == ["< 1e-13", ">= 2", ">= 100", "< 100 ms", "< 6 MB"]
    assert not lines(section(asked={"other": 2.51}))[1].met


def test_who_differs_gets_no_time():
    one = section()
    for run in one.runs:
        run.seconds.clear()
    wrong = one.runs[1]
    wrong.solve = lambda: 1.1 * ours.solve(wrong.problem)
    said = []
    measure.measure(one, 2, 3, said.append)
    assert said == ["Title: dynsim", "Title: other"]
    assert len(one.runs[0].seconds) == 2 and not wrong.seconds and not wrong.agrees
    assert one.memory > 0
    assert lines(one)[1].met is None
    assert "differs by more than 1e-06" in document.markdown([one], quick=False, repeats=2, others=None)


def test_the_document():
    text = document.markdown([section()], quick=False, repeats=3, others=0.5)
    assert "| Title | other / ours | >= 2 | 2.5 | yes |" in text
    assert "| other | 5 s | 4 s | 1e+09 ns | 1.0e-12 |" in text
    assert "used 0.50 cores meanwhile. Not to be trusted.**" in text
    quick = document.markdown([section()], quick=True, repeats=3, others=0.0)
    assert "| Title | other / ours | >= 2 | 2.5 | - |" in quick and "**A quick run**" in quick
    assert "**no**" in document.markdown([section(asked={"other": 9.0})], quick=False, repeats=3, others=None)


def test_the_sections():
    found = sections.sections(quick=True, diffrax=False)
    assert len({one.title for one in found}) == len(found) == 7
    for one in found:
        names = [run.name for run in one.runs]
        assert names[0] == "dynsim" and set(one.asked) <= set(names) and set(one.error_ratio) <= set(names)
        loops = [run for run in one.runs if run.share != 1.0]
        assert all(run.problem.times.size * run.share == one.runs[0].problem.times.size for run in loops)


@pytest.mark.parametrize(("factor", "status"), [(2.0, 0), (9.0, 1)])
def test_the_command(factor, status, tmp_path, monkeypatch, capsys):
    one = section(asked={"other": factor})
    monkeypatch.setattr(command, "sections", lambda quick, diffrax: [one])
    monkeypatch.setattr(command, "measure", lambda *arguments: None)
    out = tmp_path / "new" / "laws.md"
    assert command.main(["--out", str(out), "--repeats", "3"]) == status
    assert out.read_text(encoding="ascii") in capsys.readouterr().out
    assert command.main(["--quick", "--out", str(out)]) == 0


def test_the_command_refuses():
    with pytest.raises(SystemExit):
        command.main(["--repeats", "many"])
