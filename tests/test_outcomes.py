"""Measured fates: against what every single unit visibly does in one long training, and bad input."""

from types import SimpleNamespace

import numpy as np
import pytest

from dynsim import Dataset, Network, data, init, train
from dynsim.empirical import outcomes
from dynsim.fates import Fate, Winner
from dynsim.theory import phases

RIGHT = data.point_classes((1.0, 1.0), (0.5, 0.5), angle=90)
UNEQUAL = data.point_classes((1.0, 2.0), (0.7, 0.3), angle=90)
ANTIPODAL = data.point_classes((1.0, 2.0), (0.7, 0.3))
LOSSES = ("cross_entropy", "hinge", "exponential")


def names(found):
    return np.vectorize(lambda one: one.name)(found).tolist()


def small(points, hidden, size=60, rng=0, scale=0.3):
    return init.gaussian(points, hidden, scale=scale, size=size, rng=rng)


# ---- fate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_fate_of_hand_picked_units(loss):
    start = init.from_coordinates([[-0.2], [0.0], [0.3]], [-0.5, -0.2, 0.0, 0.4], RIGHT.mean(1))
    found = outcomes.fate(start, RIGHT, lr=0.05, loss=loss)
    frozen = ["FROZEN"] * 4
    assert names(found) == [frozen, frozen, ["DIES", "SOLVES", "SOLVES", "SOLVES"]]


def test_fate_is_the_side_of_the_separatrix_on_a_grid():
    # s = w.x/|x| + z is multiplied by 1 + lr p |x| g > 1 in each step, |x| = 0.7, whatever lr p |x| g < 1 is.
    points = data.point_classes((0.7, 1.0), (0.5, 0.5), angle=90)
    y, z = np.meshgrid(np.linspace(-0.9, 0.95, 20), np.linspace(-1.0, 1.03, 30))
    found = outcomes.fate(init.from_coordinates(y, z, points.mean(1)), points, lr=0.5)
    expected = np.where(y <= 0, Fate.FROZEN, np.where(y / 0.7 + z > 0, Fate.SOLVES, Fate.DIES))
    assert found.shape == y.shape and found.dtype == object
    np.testing.assert_array_equal(found, expected)


def test_undecided_after_most_steps_and_zero_dimensional():
    lone = init.from_coordinates(0.1, -0.100001, RIGHT.mean(1))
    assert outcomes.fate(lone, RIGHT, lr=0.1, most=7)[()] is Fate.UNDECIDED
    assert outcomes.fate(lone, RIGHT, lr=0.1)[()] is Fate.DIES


def test_results_are_read_only():
    found = outcomes.fate(init.from_coordinates([0.1], 0.0, RIGHT.mean(1)), RIGHT, lr=0.1)
    with pytest.raises(ValueError, match=r"read-only"):
        found[0] = Fate.DIES


# ---- winner ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_winner_of_hand_picked_units(loss):
    starts = [
        ((0.1, 0.1), 0.1, "CLASS_1"),
        ((0.2, 0.9), 0.2, "CLASS_2"),
        ((0.5, -0.1), 0.3, "CLASS_1"),
        ((-0.1, 0.5), -0.3, "CLASS_2"),
        # Active on one input only, on the wrong side of its separatrix: it dies.
        ((0.1, -0.1), -0.3, "NEITHER"),
        ((-0.1, 0.1), 0.3, "NEITHER"),
        ((-0.1, 0.0), 0.3, "NEITHER"),
    ]
    start = Network(([[w] for w, _, _ in starts], [[z] for _, z, _ in starts]))
    assert names(outcomes.winner(start, RIGHT, lr=0.05, loss=loss)) == [name for *_, name in starts]


def test_an_exact_tie_between_the_classes_is_undecided():
    start = Network(([[0.3, 0.3]], [0.0]))
    assert outcomes.winner(start, RIGHT, lr=0.1, most=500)[()] is Winner.UNDECIDED


@pytest.mark.parametrize("points", [RIGHT, UNEQUAL])
def test_winner_in_rounds_is_that_of_one_long_training(points):
    start = small(points, 1, size=200)
    found = outcomes.winner(start, points, lr=0.1)
    end = train(start, points, lr=0.1, steps=6_000, record=2).network
    active, Z = end.preactivations(points.X)[:, 0] > 0, end.Z[:, 0]
    expected = np.full(200, Winner.UNDECIDED)
    expected[~active.any(-1)] = Winner.NEITHER
    expected[active[:, 0] & ~active[:, 1] & (Z > 0)] = Winner.CLASS_1
    expected[active[:, 1] & ~active[:, 0] & (Z < 0)] = Winner.CLASS_2
    assert not np.any(expected == Winner.UNDECIDED)
    np.testing.assert_array_equal(found, expected)


# ---- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [60.0, 90.0, 120.0, 180.0])
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_failures_in_rounds_are_those_of_one_long_training(angle, loss):
    points = data.point_classes((1.0, 1.5), (0.6, 0.4), angle=angle)
    start = small(points, 3, size=150, scale=0.05)
    found = outcomes.failures(start, points, lr=0.1, loss=loss, most=20_000)
    margin = train(start, points, lr=0.1, steps=20_000, record=2, loss=loss).margin[-1]
    # Both classes at once are learnt to 0.95 and more, or not at all (0 up to the steps of a sliding unit).
    assert np.all((margin > 0.95) | (margin < 0.1))
    sure = ~found.undecided
    assert sure.sum() >= 148
    np.testing.assert_array_equal(found.failed[sure], (margin < 0.5)[sure])
    assert 0.2 < found.failed.any(-1).mean() < 0.9


def test_two_units_that_serve_a_class_each():
    start = Network(([[0.1, -0.1], [-0.1, 0.1]], [0.1, -0.1]))
    found = outcomes.failures(start, RIGHT, lr=0.1)
    assert found.failed.tolist() == [False, False] and not found.undecided
    assert found.failed.shape == (2,) and found.undecided.shape == ()


def test_each_class_can_be_the_one_that_fails():
    W = [[[0.1, -0.1], [0.2, -0.1]], [[-0.1, 0.1], [-0.2, 0.1]], [[-0.1, -0.1], [-0.2, 0.0]]]
    start = Network((W, [[0.1, 0.1], [-0.1, -0.1], [0.1, -0.1]]))
    found = outcomes.failures(start, RIGHT, lr=0.1)
    assert found.failed.tolist() == [[False, True], [True, False], [True, True]]


def test_an_antipodal_unit_that_dies_for_one_class_serves_the_other():
    # s = t + z is -0.1: it leaves class 1, and class 1 fails; with h = 1 exactly one class always does.
    found = outcomes.failures(Network(([[0.1]], [-0.2])), ANTIPODAL, lr=0.1)
    assert found.failed.tolist() == [True, False]


def test_undecided_networks_fail_in_neither_class():
    start = small(ANTIPODAL, 2, size=300)
    found = outcomes.failures(start, ANTIPODAL, lr=0.01, most=1)
    assert 0 < found.undecided.sum() < 300
    assert not found.failed[found.undecided].any() and found.failed[~found.undecided].any()


def test_a_class_on_which_no_unit_is_active_has_failed_at_right_angles_although_a_unit_is_still_dying():
    # Unit 2 dies for class 1, which unit 1 has learnt: its clock has all but stopped, and x_2 is out of reach.
    start = Network(([[4.0, -1.0], [1.0, -1.0]], [4.0, -3.0]))
    found = outcomes.failures(start, RIGHT, lr=0.1, most=100)
    assert found.failed.tolist() == [False, True] and not found.undecided


def test_signs_decide_from_90_degrees_on_and_margins_below():
    # One unit, active on x_1 alone with Z > 0: at 90 degrees and more it never sees x_2.
    start = Network(([[0.1, -0.2]], [0.1]))
    for angle in (60.0, 90.0, 120.0):
        points = data.point_classes((1.0, 1.0), (0.5, 0.5), angle=angle)
        soon, late = (outcomes.failures(start, points, lr=0.1, most=most) for most in (2, 2_000))
        assert bool(soon.undecided) is (angle == 60.0)
        assert late.failed.tolist() == [False, True] and not late.undecided


# ---- ensembles, learning rates, input of any form ----------------------------------------------------------


def test_shapes_follow_the_ensemble_and_members_do_not_feel_each_other():
    start = small(UNEQUAL, 1, size=24)
    grid = Network((start.W.reshape(4, 6, 1, 2), start.Z.reshape(4, 6, 1)))
    rates = np.linspace(0.02, 0.2, 6)
    found = outcomes.winner(grid, UNEQUAL, lr=rates)
    assert found.shape == (4, 6)
    for i, j in np.ndindex(4, 6):
        assert found[i, j] is outcomes.winner(grid[i, j], UNEQUAL, lr=rates[j])[()]
    assert outcomes.failures(grid, UNEQUAL, lr=rates).failed.shape == (4, 6, 2)


def test_every_member_keeps_its_own_learning_rate_when_others_have_left():
    start = init.from_coordinates([-0.1, 0.1, 0.1], -0.11, RIGHT.mean(1))
    found = outcomes.fate(start, RIGHT, lr=[0.5, 1e-6, 0.5], most=1_000)
    assert names(found) == ["FROZEN", "UNDECIDED", "DIES"]


def test_equal_points_of_a_class_are_one_input():
    many = Dataset([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [1, 1, -1], [0.4, 0.3, 0.3])
    start = small(UNEQUAL, 1, size=50)
    np.testing.assert_array_equal(outcomes.winner(start, many, lr=0.1), outcomes.winner(start, UNEQUAL, lr=0.1))


def test_progress_counts_decided_networks(capsys):
    start = small(UNEQUAL, 1, size=50)
    outcomes.winner(start, UNEQUAL, lr=0.1, progress=True)
    assert "50/50" in capsys.readouterr().err
    outcomes.winner(start, UNEQUAL, lr=0.1)
    assert capsys.readouterr().err == ""


ONE = Network(([[0.1, -0.1]], [0.1]))


@pytest.mark.parametrize(
    ("network", "points", "options", "message"),
    [
        (Network(([[0.1, 0.1]], [0.1])), RIGHT, {}, r"inactive on class -1.*got w.x_2 = 0.1"),
        (ONE, data.point_classes((1, 1), (1, 1), angle=120), {}, r"x_1.x_2 = 0.*got a cosine of -0.5"),
        (ONE, RIGHT, {"loss": "squared"}, r"loss must be one of 'cross_entropy', 'hinge', 'exponential'"),
        (ONE, RIGHT, {"lr": 0.0}, r"lr must be positive and finite, got 0"),
        (ONE, RIGHT, {"lr": [0.1, 0.2]}, r"lr must be a number or an array.*shape \(2,\)"),
        (ONE, RIGHT, {"most": 0}, r"most must be an integer of at least 1, got 0"),
        (Network(([[0.1, 0.0]] * 2, [0.1, 0.1])), RIGHT, {}, r"one hidden unit, got 2"),
        (Network(([[0.1, 0.0]], [0.1], [0.1])), RIGHT, {}, r"one hidden layer, no biases and one logit"),
        (Network(([[0.1, 0.0]], [0.1]), [[0.0], 0.0]), RIGHT, {}, r"one hidden layer, no biases and one logit"),
        (Network(([[0.1, 0.0]], [[0.1], [0.1]])), RIGHT, {}, r"one hidden layer, no biases and one logit"),
        (ONE, Dataset([[1.0, 0.0], [0.0, 1.0]], [0, 1]), {}, r"needs labels \+1 and -1"),
        (ONE, Dataset([[1, 0], [2, 0], [0, 1]], [1, 1, -1]), {}, r"one input a class.*class \+1"),
        (ONE, Dataset([[1, 0], [0, 0]], [1, -1]), {}, r"no input that is 0"),
        ("network", RIGHT, {}, r"network must be a Network, got str"),
        (ONE, [[1.0]], {}, r"data must be a Dataset, got list"),
    ],
)
def test_bad_input(network, points, options, message):
    with pytest.raises(ValueError, match=message):
        outcomes.fate(network, points, **{"lr": 0.1, **options})


def test_winner_and_failures_refuse_what_they_cannot_decide():
    with pytest.raises(ValueError, match=r"x_1.x_2 = 0"):
        outcomes.winner(Network(([[0.1]], [0.1])), ANTIPODAL, lr=0.1)
    with pytest.raises(ValueError, match=r"loss must be one of 'cross_entropy', 'hinge', 'exponential', got"):
        outcomes.failures(ONE, RIGHT, lr=0.1, loss="squared")


def test_divergence_is_an_error():
    with pytest.raises(ValueError, match=r"lr must be so small that training does not diverge: .* diverged"):
        outcomes.failures(small(ANTIPODAL, 4, scale=2.0), ANTIPODAL, lr=10.0, loss="exponential")


def test_an_interrupt_ends_it(monkeypatch):
    monkeypatch.setattr(outcomes, "train", lambda *_, **__: SimpleNamespace(status="interrupted"))
    with pytest.raises(KeyboardInterrupt):
        outcomes.winner(small(UNEQUAL, 1), UNEQUAL, lr=0.1)


@pytest.mark.parametrize("first", [1, 7, 5_000])
def test_how_long_the_rounds_are_does_not_matter(first, monkeypatch):
    start = small(UNEQUAL, 2, size=100)
    usual = outcomes.failures(start, UNEQUAL, lr=0.1)
    monkeypatch.setattr(outcomes, "_FIRST", first)
    found = outcomes.failures(start, UNEQUAL, lr=0.1)
    np.testing.assert_array_equal(found.failed, usual.failed)
    np.testing.assert_array_equal(found.undecided, usual.undecided)


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "exponential"])
@pytest.mark.parametrize("norm", [0.1, 0.7, 5.0])
def test_fates_of_a_whole_plane(norm, loss):
    """160,000 units in one call, 200 on the separatrix: outside its strip no fate differs from the theory's."""
    points, lr = data.point_classes((norm, 1.0), (0.5, 0.5), angle=90.0), 0.01 / norm
    z = np.linspace(-1.0, 1.0, 400)
    y = norm * z[:, None]
    seen = outcomes.fate(init.from_coordinates(y, z, points.mean(1)), points, lr=lr, loss=loss, most=6_000)
    law = {"norm": norm, "frequency": 0.5, "loss": loss}
    strip = phases.half_width(y, z, lr=lr, **law)
    decided = np.abs(y + norm * z) > strip
    # The values of a linspace are symmetric to a rounding, which for the smallest of them is more than the strip.
    assert np.isfinite(strip).all() and 190 <= np.sum(~decided & (y > 0)) <= 200
    assert np.array_equal(seen[decided], phases.fate(y, z, norm=norm)[decided])
    # Those in the strip are on it: whatever became of them, it was decided by rounding.
    assert set(seen[~decided & (y > 0)]) <= {Fate.UNDECIDED, Fate.DIES, Fate.SOLVES}
