"""The claim "gan": its lines agree and can fail, its tables hold what was played, games survive an interrupt."""

import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from dynsim.comparison import Verdict
from dynsim.empirical import gan as games
from dynsim.empirical import gan_processes
from dynsim.paper import gan
from dynsim.paper.claim import Standing
from dynsim.theory import generator, modes

_SMALL = {"hidden": 8, "layers": 2, "noise": 3, "batch": 8, "samples": 100}
TINY = gan.Plan({"steps": 40, "records": 4, **_SMALL}, (0, 1))


@functools.cache
def reproduced():
    return gan.reproduce(True)


def test_the_claim_agrees_and_says_what_can_not_be_compared():
    found = reproduced()
    assert found.standing == Standing.EXPLAINED and len(found.lines) == 13
    assert {line.standing for line in found.lines} == {Standing.AGREES}
    assert "gives no number" in found.explanations[0] and found.explanations[1].startswith("toy size: ")
    assert len(found.explanations) == 2 and "toy size" in found.figure.get_suptitle()
    assert gan.SETTING.startswith("Paper (E.1): ") and "toy size" in gan.SETTING and len(gan.STATEMENT) <= 210
    assert all(line.discrepancy <= line.floor for line in found.lines)
    # The floor tells the closed form from one that is off by a fifth (hinge's last step may overshoot by lr kappa).
    *signals, ended = found.lines
    assert all(line.floor < 0.2 * line.predicted for line in signals)
    assert (ended.what, ended.measured) == ("games that do not come to their end", 0.0)
    text = json.loads(json.dumps(found.to_dict()))
    assert text["parameters"]["games"][0]["loss"] == "hinge"


@pytest.mark.parametrize("argument", ["rate", "norm"])
def test_a_wrong_closed_form_shows(monkeypatch, argument):
    told = [gan.told_by(*case, 0.04) for case in gan.CASES]
    right = generator.signal

    def wrong(*args, **law):
        return right(*args, **{**law, argument: 1.05 * law[argument]})

    monkeypatch.setattr(generator, "signal", wrong)
    lines = [gan.signal_lines(one, loss, how, 0.04) for one, (loss, how, _) in zip(told, gan.CASES, strict=True)]
    verdicts = [[line.verdict for line in some] for some in lines]
    # Once hinge has come to 1, the rate does not matter; and there lr kappa is left open.
    assert verdicts[0][:2] == [Verdict.DISAGREES] * 2
    for some in verdicts[1:]:
        # A peak stays a peak to first order when the time is stretched.
        assert some.count(Verdict.DISAGREES) >= 3


def test_a_rate_that_is_off_by_2_percent_shows(monkeypatch):
    right = generator.signal

    def wrong(*args, rate, **law):
        return right(*args, rate=1.02 * rate, **law)

    monkeypatch.setattr(generator, "signal", wrong)
    assert gan.reproduce(True).standing == Standing.DISAGREES


def test_what_longer_games_find_is_told(monkeypatch, tmp_path):
    """Beyond the toy: what was measured stands beside the reason why the figure can not be met."""

    def side_by_side(several, *, folder, progress, position):
        assert position >= 1
        return tuple(games.train(one, folder=folder, progress=progress) for one in several)

    monkeypatch.setattr(gan_processes, "together", side_by_side)
    monkeypatch.setattr(gan, "USUAL", TINY)
    monkeypatch.setattr(gan, "told_by", functools.partial(_told, gan.told_by))
    found = gan.reproduce(folder=tmp_path)
    words = found.explanations
    assert len(words) == 4 and "toy size" not in " ".join(words) + found.figure.get_suptitle()
    assert all("hinge minus cross_entropy" in one and "2 seeds, 40 steps" in one for one in words[1:3])
    assert "--full" in words[3]


def _told(right, loss, objective, times, lr):
    """The discriminators of a quick run: it is the games that matter."""
    return right(loss, objective, times, 0.04)


def test_the_networks_are_trained_not_computed(monkeypatch):
    """The measured side does not use the laws: with wrong ones it stays what it was."""
    before = gan.told_by("hinge", "linear", (2.0, 4.0), 0.04)
    monkeypatch.setattr(modes, "logit", None)
    monkeypatch.setattr(generator, "signal_at", None)
    np.testing.assert_array_equal(gan.told_by("hinge", "linear", (2.0, 4.0), 0.04).signal, before.signal)


def test_the_figure_names_its_axes_and_shows_every_game():
    figure = reproduced().figure
    assert len(figure.axes) == 9
    for place, ax in enumerate(figure.axes):
        # The law and its differences, beneath it, share their times.
        assert ax.get_ylabel() and (ax.get_xlabel() or place == 3)
    assert figure.axes[6] in figure.axes[3].get_shared_x_axes().get_siblings(figure.axes[3])
    for ax in (figure.axes[i] for i in (4, 5, 7, 8)):
        # Two seeds and their mean, for three kinds.
        assert len(ax.lines) == 9


def test_the_tables_hold_every_game_and_the_means():
    rows = reproduced().tables[0].rows
    assert [row[:2] for row in rows] == [
        (kind, name)
        for kind in ("hinge, linear", "cross_entropy, non-saturating", "cross_entropy, saturating")
        for name in ("0", "1", "mean")
    ]
    for table in reproduced().tables:
        assert all(len(row) == len(table.header) for row in table.rows)


def fake(loss, covered):
    """A run of which only what the tables read is there."""
    covered = np.array(covered)
    step = np.arange(len(covered)) * 10
    rest = {name: covered / 10.0 for name in ("good", "real", "fake", "signal")}
    settings = SimpleNamespace(loss=loss, objective="any_thing", rng=0, steps=int(step[-1]))
    return SimpleNamespace(settings=settings, step=step, covered=covered, fair=covered, **rest)


def test_means_and_their_differences():
    better = [fake("hinge", [0, 0, n, n + 1, n]) for n in (4, 5, 6)]
    worse, same = ([fake(name, [8, 8, n, n, n]) for n in (1, 2, 3)] for name in ("log", "hinge"))
    runs, other = (*better, *worse), "log, any-thing"
    assert gan.mean(np.array([4.0, 5.0, 6.0])) == pytest.approx((5.0, 1.0 / np.sqrt(3.0)))
    assert np.isnan(gan.mean(np.array([4.0])).error)
    # Second half: the last three of five records.
    assert gan.late(runs[0], "covered") == pytest.approx(13.0 / 3.0) and gan.last(runs[0], "covered") == 4.0
    gap = gan.difference(runs, other, "covered")
    assert gap == pytest.approx((10.0 / 3.0, np.sqrt(2.0 / 3.0)))
    said = gan.in_words(runs, other)
    assert "hinge minus log, any-thing is 3.33 +- 0.82 modes covered" in said
    assert said.endswith("beyond 2 standard errors, as in the paper's figure")
    assert "contrary to the paper's figure" in gan.in_words((*worse, *better), "hinge, any-thing")
    assert "neither bears out nor contradicts the paper" in gan.in_words((*same, *worse), other)
    table = gan.tables(runs)[2]
    assert table.rows[1] == (other, "modes covered", "mean over the second half", "+3.33", "0.82")


def test_finished_games_survive_an_interrupt_and_a_finished_claim_starts_afresh(tmp_path, monkeypatch):
    plan, played = TINY.games(), []

    def side_by_side(several, *, folder, progress, position):
        """In this process; the first call is interrupted after three games."""
        out = []
        for one in several:
            played.append(games.checkpoint(one, folder).exists())
            if len(played) == 4:
                raise KeyboardInterrupt
            out.append(games.train(one, folder=folder, progress=progress))
        return tuple(out)

    monkeypatch.setattr(gan_processes, "together", side_by_side)
    with pytest.raises(KeyboardInterrupt):
        gan.play(TINY, False, tmp_path, False)
    assert len(list(tmp_path.iterdir())) == 3 and len(plan) == 6
    runs = gan.play(TINY, False, tmp_path, False)
    assert played == [False] * 4 + [True] * 3 + [False] * 3
    assert [run.settings for run in runs] == plan
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_game_interrupts_the_claim(monkeypatch):
    def stops(game):
        raise KeyboardInterrupt

    monkeypatch.setattr(games._Game, "advance", stops)
    with pytest.raises(KeyboardInterrupt):
        gan.play(TINY, True, None, False)


def test_bars_begin_in_the_line_they_are_told(tmp_path, monkeypatch):
    """The lines above are the caller's and that of the other long claim."""
    jobs = []

    class Ended:
        returncode = 0

        def __init__(self, command, **options):
            job = json.loads(command[-1])
            jobs.append((job["progress"], job["position"]))
            games.train(games.Settings(**job["settings"]), folder=job["folder"])

        def poll(self):
            return self.returncode

        def communicate(self):
            return "", ""

    monkeypatch.setattr(gan_processes.subprocess, "Popen", Ended)
    several = TINY.games()[:3]
    gan_processes.together(several, folder=tmp_path, workers=2, progress=True, position=2)
    assert sorted(jobs) == [(True, 2), (True, 2), (True, 3)]
    with pytest.raises(ValueError, match=r"^position must be an integer of at least 0, got -1$"):
        gan_processes.together(several, position=-1)


def test_the_plans_are_what_they_say():
    for plan, number in ((gan.QUICK, 6), (gan.USUAL, 9), (gan.FULL, 6)):
        assert len(set(plan.games())) == number
        assert {one.objective for one in plan.games()} == set(games.OBJECTIVES)
    for plan in (gan.USUAL, gan.FULL):
        one = plan.games()[0]
        assert (one.layers, one.hidden, one.noise, one.lr, one.betas) == (4, 256, 128, 1e-4, (0.5, 0.9))
        assert one.dtype == "float32"
