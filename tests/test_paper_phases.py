"""The claims about fates, competition and failed training: their data, and that a wrong formula shows in every row.

That they agree as they stand is in tests/test_paper.py.
"""

import functools

import numpy as np
import pytest
from scipy import integrate, special

from dynsim.comparison import Verdict
from dynsim.empirical.training import train
from dynsim.fates import Fate
from dynsim.paper import failed_training, figure_2_left, figure_3, figure_7, theorem_3_4
from dynsim.paper.failed_training import Measured
from dynsim.theory import competition, failure, phases

#: Of the integrations below; the accumulated error is some ten times larger.
TOLERANCE = {"rtol": 1e-11, "atol": 1e-13, "method": "DOP853"}
CLOSE = {"rel": 1e-8, "abs": 1e-9}


def scaled(function, argument, factor=1.02):
    """`function` with one of its keyword arguments too large."""

    @functools.wraps(function)
    def wrong(*args, **kwargs):
        return function(*args, **{**kwargs, argument: factor * np.asarray(kwargs[argument])})

    return wrong


def times(function, factor=1.02):
    @functools.wraps(function)
    def wrong(*args, **kwargs):
        return factor * function(*args, **kwargs)

    return wrong


def verdicts(module, monkeypatch):
    """What each row says; the figure is left out."""
    monkeypatch.setattr(module, "_figure", lambda *given: None)
    return {line.what: line.verdict for line in module.reproduce(True).lines}


# ---- figure 2, left ----------------------------------------------------------------------------------------


def test_marked_points_move_on_their_hyperbolas():
    said = figure_2_left.curves()
    assert said.time[[0, -1]].tolist() == [0.0, 20.0] and said.y.shape == (401, 3)
    assert np.column_stack([said.y[0], said.z[0]]).tolist() == figure_2_left.STARTS.tolist()
    square = said.y**2 - (0.7 * said.z) ** 2
    for k in range(3):
        alive = said.time < said.death[k]
        assert square[alive, k] == pytest.approx(square[0, k], abs=1e-12)
        assert np.all(said.y[~alive, k] == 0.0) and np.all(said.logit[~alive, k] == 0.0)
    assert np.isfinite(said.death).tolist() == [False, True, False]


@pytest.mark.parametrize("k", [0, 1, 2])
def test_marked_points_are_those_of_the_integrated_unit(k):
    def field(t, state):
        y, z = state
        g = special.expit(-y * z)
        return [0.49 * z * g, y * g]

    time = np.linspace(0.0, 8.0, 33)
    said = figure_2_left.curves(time)
    alive = time < said.death[k]
    start = figure_2_left.STARTS[k]
    found = integrate.solve_ivp(field, (0.0, time[alive][-1]), start, t_eval=time[alive], **TOLERANCE)
    assert said.y[alive, k] == pytest.approx(found.y[0], **CLOSE)
    assert said.z[alive, k] == pytest.approx(found.y[1], **CLOSE)
    assert said.confidence[alive, k] == pytest.approx(special.expit(found.y[0] * found.y[1]), **CLOSE)


def test_plane_holds_all_three_fates():
    grid = figure_2_left.plane(50)
    assert grid.predicted.shape == grid.measured.shape == grid.undecidable.shape == (50, 50)
    assert set(grid.measured.flat) == {Fate.FROZEN, Fate.DIES, Fate.SOLVES}
    assert not grid.undecidable.any()


def test_death_is_read_within_its_bound():
    """A unit under the hinge: s and d grow and fall by the factors 1 + e and 1 - e of every step."""
    data, lr = figure_2_left._data(1.0), 0.05
    network = figure_2_left.init.from_coordinates(0.5, -1.0, data.mean(1))
    time, off = figure_2_left.death(network, data, 1, lr=lr, until=3.0, loss="hinge")
    # y = (s + d)/2 with s = -.5 (1 + e)^k and d = 1.5 (1 - e)^k, as a function of a real k.
    exact = lr * np.log(3.0) / np.log((1.0 + lr) / (1.0 - lr))
    assert abs(time[0] - exact) <= off[0] < 0.01 * exact


def test_death_that_does_not_come_is_nan():
    data = figure_2_left._data(1.0)
    network = figure_2_left.init.from_coordinates(1.0, 1.0, data.mean(1))
    assert np.isnan(figure_2_left.death(network, data, 1, lr=0.1, until=1.0)).all()


def test_every_row_of_figure_2_left_sees_a_wrong_law(monkeypatch):
    """Fates with a norm, times of death and logits with a rate that are 2 % too large: each has rows of its own."""
    monkeypatch.setattr(phases, "fate", scaled(phases.fate, "norm"))
    monkeypatch.setattr(phases, "time_of_death", times(phases.time_of_death))
    monkeypatch.setattr(phases, "logit", scaled(phases.logit, "frequency"))
    found = verdicts(figure_2_left, monkeypatch)
    assert len(found) == 11 and set(found.values()) == {Verdict.DISAGREES}


# ---- figure 3 ----------------------------------------------------------------------------------------------


def field(t, state, active):
    alpha, beta, z = state
    g, h = special.expit(-z * alpha) * active[0], special.expit(z * beta) * active[1]
    return [z * g, -z * h, alpha * g - beta * h]


@pytest.mark.parametrize(("k", "side", "time"), [(0, 1, "1.623"), (1, 0, "2.247"), (2, 0, "2.662")])
def test_figure_3_is_eq_4_integrated(k, side, time):
    """eq 4 (v2) up to the death, and from there on with one class."""
    start, said = figure_3.STARTS[k], figure_3.curves()
    active = start[:2] > 0.0

    def dead(t, state, active):
        return state[side]

    dead.terminal, dead.direction = True, -1
    first = integrate.solve_ivp(
        field, (0.0, 12.0), start, args=(active,), events=dead, dense_output=True, **TOLERANCE
    )
    death, state = float(first.t_events[0][0]), first.y_events[0][0]
    assert said.death[k, side] == pytest.approx(death, rel=1e-8)
    assert f"{said.death[k, side]:.3f}" == time and time in figure_3.STATEMENT
    state[side], active[side] = 0.0, False
    second = integrate.solve_ivp(field, (death, 12.0), state, args=(active,), dense_output=True, **TOLERANCE)
    exact = np.where(said.time < death, first.sol(said.time.clip(None, death)), second.sol(said.time.clip(death)))
    assert np.stack([said.alpha, said.beta, said.z])[..., k] == pytest.approx(exact, **CLOSE)
    assert said.confidence[:, k, 0] == pytest.approx(special.expit(exact[0] * exact[2]), **CLOSE)
    assert said.confidence[:, k, 1] == pytest.approx(special.expit(-exact[1] * exact[2]), **CLOSE)


def test_figure_3_sees_a_wrong_law(monkeypatch):
    """Every row of the two starts in which something is learnt; the third one's first 2 % are its floor's too."""
    monkeypatch.setattr(competition, "solve", scaled(competition.solve, "frequencies"))
    found = verdicts(figure_3, monkeypatch)
    assert len(found) == 10 and set(found.values()) == {Verdict.DISAGREES}


def test_dying_late_costs_little():
    """Nothing before a death, and a bound that goes with lr^2 after it; where no class is left, nothing moves."""
    ends = []
    for lr in (0.04, 0.02):
        time, path = theorem_3_4.looks(figure_3.STARTS, lr, 4.0, 20)
        bound = figure_3.late(time, path, path, lr)
        for k, death in enumerate((1.623, 2.247)):
            assert np.array_equal(np.any(bound[:, k] > 0.0, axis=-1), time > death)
        assert np.all(bound[:, 2] == 0.0)
        ends.append(bound[-1, :2, 2])
    assert ends[0] == pytest.approx(4.0 * ends[1], rel=0.1)


def test_points_are_spread_along_a_path():
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [1.0, 2.0]])
    assert figure_3.evenly(path, 4).tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]


# ---- theorem 3.4 -------------------------------------------------------------------------------------------


def test_sheets_have_their_invariant():
    for setting in (theorem_3_4.PAPER, theorem_3_4.UNEQUAL):
        start = theorem_3_4.on_sheet(0.5, [0.1, 0.7, 1.5], 2.0, setting.norms)
        assert competition.invariant(*start.T, norms=setting.norms) == pytest.approx(2.0, rel=1e-14)
    for sheet, c, sign in zip(figure_7.sheets(7), (1.0, -1.0, -1.0), (0, 1, -1), strict=True):
        assert competition.invariant(*sheet.starts) == pytest.approx(c, abs=1e-13)
        assert np.all(sheet.starts[:2] > 0.0) and np.max(np.abs(sheet.starts[2])) < figure_7.REACH
        assert sign == 0 or np.all(sign * sheet.starts[2] > 1.0)


def test_looks_are_those_of_one_run():
    starts = theorem_3_4.STARTS
    time, seen = theorem_3_4.looks(starts, 0.1, 6.0, 12)
    assert time == pytest.approx(np.linspace(0.0, 6.0, 13)) and seen.shape == (13, 3, 3)
    run = train(theorem_3_4.units(starts.T), theorem_3_4.PAPER.data, lr=0.1, steps=60, record=np.arange(0, 61, 5))
    assert np.array_equal(run.logits[..., 0], seen[..., 2] * seen[..., 0])
    assert np.array_equal(run.logits[..., 1], seen[..., 2] * seen[..., 1])


def test_the_search_finds_the_separatrix():
    """Gradient descent has its own at height = lr shift + O(lr^2); that of unequal classes is displaced."""
    setting = theorem_3_4.UNEQUAL
    angle, off = theorem_3_4.angles(setting), []
    for lr in (0.1, 0.05):
        z, gap = theorem_3_4.edge(setting, lr, 0.1)
        assert np.all(gap < 2.1e-8) and z.shape == gap.shape == angle.shape
        start = theorem_3_4.on_sheet(z, angle, norms=setting.norms)
        clear = competition.clearance(*start.T, **setting._asdict())
        off.append(clear.height - lr * clear.shift)
        assert np.all(np.abs(off[-1]) < 0.3 * lr * np.abs(clear.shift))
    # What is left is of second order: a quarter, but for the third.
    assert off[0][0] / off[1][0] == pytest.approx(4.0, rel=0.2)


def test_a_search_around_the_wrong_place_is_none(monkeypatch):
    number = len(theorem_3_4.ASIDE)
    away = theorem_3_4._search(theorem_3_4.PAPER, 0.1, np.full(number, 1.5), np.full(number, 1.6))
    assert away is None
    # Where the finer step is not near the coarser one, all of z is searched.
    theorem_3_4.edge.cache_clear()
    right = theorem_3_4.edge(theorem_3_4.PAPER, 0.1, 0.1)
    monkeypatch.setattr(theorem_3_4, "_AROUND", 1e-9)
    again = theorem_3_4.edge(theorem_3_4.PAPER, 0.05, 0.1)
    theorem_3_4.edge.cache_clear()
    assert again.z == pytest.approx(right.z, abs=2e-3)


def test_every_row_of_theorem_3_4_sees_a_wrong_law(monkeypatch):
    """Each theory function is wrong by 2 %, and each row uses one of them."""
    right = {name: getattr(competition, name) for name in ("solve", "invariant", "saddle", "winner", "clearance")}

    def solve(*args, **kwargs):
        path = right["solve"](*args, **kwargs)
        object.__setattr__(path, "death", 1.02 * path.death)
        return path

    def saddle(*args, **kwargs):
        spot = right["saddle"](*args, **kwargs)
        return spot._replace(alpha=1.02 * spot.alpha, beta=1.02 * spot.beta)

    def winner(*args, norms, frequencies):
        return right["winner"](*args, norms=(1.02 * norms[0], norms[1]), frequencies=frequencies)

    def clearance(alpha, beta, z, **law):
        found = right["clearance"](alpha, beta, z, **law)
        # 2 % of the separatrix, z - height.
        return found._replace(height=found.height - 0.02 * (z - found.height), shift=1.02 * found.shift)

    for wrong in (solve, saddle, clearance, winner):
        monkeypatch.setattr(competition, wrong.__name__, wrong)
    monkeypatch.setattr(competition, "invariant", times(right["invariant"]))
    found = verdicts(theorem_3_4, monkeypatch)
    assert len(found) == 13 and set(found.values()) == {Verdict.DISAGREES}


# ---- figure 7 ----------------------------------------------------------------------------------------------


def test_figure_7_sees_wrong_norms(monkeypatch):
    right = competition.winner

    def wrong(*args, norms, frequencies):
        return right(*args, norms=(1.02 * norms[0], norms[1]), frequencies=frequencies)

    monkeypatch.setattr(competition, "winner", wrong)
    found = verdicts(figure_7, monkeypatch)
    # Where c < 0 the sign of z decides, whatever the norms.
    assert {what.split(":")[0] for what, verdict in found.items() if verdict == Verdict.DISAGREES} == {"c = 1"}


def test_figure_7_sees_winners_that_are_swapped(monkeypatch):
    right = competition.winner
    # The solution of eq 4 asks for the winner as well.
    drawn = {c: figure_7.paths(c, 0.05) for c in figure_7.C}
    monkeypatch.setattr(figure_7, "paths", lambda c, lr: drawn[c])

    def wrong(alpha, beta, z, **law):
        return right(alpha, beta, -z, **law)

    monkeypatch.setattr(competition, "winner", wrong)
    found = verdicts(figure_7, monkeypatch)
    # By symmetry half of the sheet of c = 1 is still class 1's; and the paths do not know who wins.
    agreeing = [what for what, verdict in found.items() if verdict == Verdict.AGREES and "share" in what]
    assert len(found) == 8 and agreeing == ["c = 1: share of the grid that class 1 wins"]
    assert list(found.values()).count(Verdict.AGREES) == 3


def test_figure_7_sees_wrong_paths(monkeypatch):
    monkeypatch.setattr(competition, "solve", scaled(competition.solve, "frequencies"))
    found = verdicts(figure_7, monkeypatch)
    assert [" from " in what for what in found] == [verdict == Verdict.DISAGREES for verdict in found.values()]


# ---- failed training ---------------------------------------------------------------------------------------


def test_curves_are_the_two_formulas():
    said = failed_training.curves()
    h = np.arange(1.0, 9.0)
    assert np.array_equal(said.hidden, h)
    assert said.antipodal == pytest.approx(2.0 ** (1.0 - h), rel=1e-15)
    assert said.orthogonal == pytest.approx(2.0 * (11 / 16) ** h - (3 / 8) ** h, rel=1e-14)


def test_one_unit_cannot_serve_two_classes():
    for geometry in ("antipodal", "orthogonal"):
        assert failed_training.measured(1, geometry, number=50) == Measured(50, 0, 50)


def test_rows_leave_room_for_chance_and_for_what_is_undecided():
    """99.9 % of a binomial of 1,000 at .5 are within 3.29 standard deviations, .0158 each, and a step of .001."""
    line = failed_training._line("", 0.5, Measured(540, 20, 1000))
    assert (line.predicted, line.measured) == (0.5, 0.55)
    assert line.floor == pytest.approx(0.01 + 3.29 * 0.0158, abs=2e-3)
    assert line.verdict == Verdict.AGREES
    assert failed_training._line("", 0.5, Measured(580, 0, 1000)).verdict == Verdict.DISAGREES
    certain = failed_training._line("", 1.0, Measured(999, 0, 1000))
    assert (certain.floor, certain.verdict) == (0.0, Verdict.DISAGREES)


@pytest.mark.parametrize(
    ("wrong", "rows"),
    [
        (lambda p: 1.02 * p, {"orthogonal, h = 2"}),
        (lambda p: np.sqrt(p), {"antipodal, h = 2", "antipodal, h = 4", "orthogonal, h = 2", "orthogonal, h = 4"}),
    ],
)
def test_wrong_probabilities_show(wrong, rows, monkeypatch):
    right = failure.failure_probability
    monkeypatch.setattr(failure, "failure_probability", lambda *args: np.minimum(wrong(right(*args)), 1.0))
    found = verdicts(failed_training, monkeypatch)
    off = {what.split(", scale")[0] for what, verdict in found.items() if verdict == Verdict.DISAGREES}
    assert rows <= off
