"""Features of the user's own data alone: values by hand, runs, the bound of Thm 6.1 (v2), and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim import Dataset, Network
from dynsim.theory.feature_groups import groups
from dynsim.theory.feature_report import FeatureReport, probed, report

EPS = np.finfo(np.float64).eps
PAIR = {"strong": [0], "rare": [1]}


def starving(share, a=1.0, b=1.0):
    X = [[a, 0.0], [a, b], [-a, 0.0], [-a, -b]]
    return Dataset(X, [1, 1, -1, -1], [1 - share, share, 1 - share, share])


def sigma(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x)))


def pair_of_units(alpha, beta, z, a=1.0, b=1.0):
    """Units with w.x1 = alpha, w.x2 = beta and weight z for class +1, and their mirror images for class -1."""
    w = np.stack(np.broadcast_arrays(np.asarray(alpha) / a, np.asarray(beta) / b), axis=-1)
    z = np.broadcast_to(z, w.shape[:-1])
    return Network((np.concatenate([w, -w], -2), np.concatenate([z, -z], -1)))


# ---- values by hand ----------------------------------------------------------------------------------------


def test_values_by_hand():
    """f(x1) = z alpha and f(x2) = z relu(beta); a unit with beta < 0 is inactive on x2 and active on -x2."""
    alpha, beta, z = np.array([2.0, 0.7]), np.array([0.3, -0.4]), np.array([1.5, 0.5])
    units = Network((np.stack([alpha / 2.0, beta / 3.0], axis=-1), z))
    found = report(units, starving(0.2, 2.0, 3.0), PAIR)
    assert found.names == ("strong", "rare") and found.class_names == ("+1", "-1") and found.time is None
    np.testing.assert_allclose(found.frequency, [[1.0, 1.0], [0.2, 0.2]], rtol=4 * EPS)
    assert found.length.tolist() == [[2.0, 2.0], [3.0, 3.0]]
    by_hand = np.array([[z @ alpha, 0.0], [z @ np.maximum(beta, 0.0), -z @ np.maximum(-beta, 0.0)]])
    np.testing.assert_allclose(found.margin, by_hand, rtol=16 * EPS)
    np.testing.assert_allclose(found.confidence, sigma(found.margin), rtol=8 * EPS)
    assert np.isnan(found.bound[0]).all() and not found.starved[0].any()
    np.testing.assert_allclose(found.bound[1], sigma(0.2 * (3.0 / 2.0) ** 2 * by_hand[0]), rtol=16 * EPS)
    # The unit with beta < 0 is outside Thm 6.1 for class +1; class -1 has no unit, and never will.
    # Class -1 has nothing learnt: its rare feature is not starved by the strong one.
    assert found.starved.tolist() == [[False, False], [True, False]]
    assert found.proven.tolist() == [[False, False], [False, True]]


def test_weighted_means_of_several_points():
    """Weights 1, 2, 3 and 0: the point of weight 0 has no part, and equal projections are one probe."""
    data = Dataset([[1, 5], [2, 7], [2, 0], [9, 9], [-1, 0]], [1, 1, 1, 1, -1], [1.0, 2.0, 3.0, 0.0, 1.0])
    network = Network(([[1.0, 2.0]], [1.0]))
    found = report(network, data, PAIR)
    assert found.frequency.tolist() == [[1.0, 1.0], [0.5, 0.0]]
    np.testing.assert_allclose(found.length[:, 0], [11 / 6, 19 / 3], rtol=4 * EPS)
    np.testing.assert_allclose(found.margin[:, 0], [11 / 6, 2 * 19 / 3], rtol=4 * EPS)
    confidence = [(sigma(1.0) + 5 * sigma(2.0)) / 6, (sigma(10.0) + 2 * sigma(14.0)) / 3]
    np.testing.assert_allclose(found.confidence[:, 0], confidence, rtol=8 * EPS)
    assert found.margin[0, 1] == 0.0 and np.isnan([found.length[1, 1], found.margin[1, 1]]).all()
    assert len(probed(data, PAIR)) == 5 + 2 + 2 + 1
    assert np.isnan(found.bound[1, 1]) and "class -1: no bound" in str(found)


def test_thresholds_and_baseline():
    """One threshold a feature; with a baseline the other coordinates stand there and lengths count from it."""
    data = Dataset([[0.5, 0.9], [0.5, 0.1], [0.25, 0.5]], [1, 1, -1])
    network = Network(([[1.0, 4.0]], [1.0]))
    found = report(network, data, [0, 1], baseline=0.5, threshold=[0.0, 0.4])
    # |0.9 - 0.5| is 0.4 and not above it; |0.1 - 0.5| neither, and the strong coordinate is at the baseline.
    assert found.frequency.tolist() == [[0.0, 1.0], [0.0, 0.0]] and found.length[0, 1] == 0.25
    assert found.margin[0, 1] == -(0.25 + 4 * 0.5) and found.names == ("x[0]", "x[1]")
    found = report(network, data, [0, 1], baseline=[0.5, 0.5], threshold=[0.0, 0.3])
    np.testing.assert_allclose(found.margin[1, 0], 0.5 + 4 * (0.9 + 0.1) / 2, rtol=4 * EPS)
    assert np.isnan(found.bound).all() and any("baseline" in note for note in found.notes)


@pytest.mark.parametrize(("loss", "confidence"), [("hinge", lambda m: m), ("exponential", lambda m: sigma(2 * m))])
def test_other_losses_have_their_own_confidence_and_no_bound(loss, confidence):
    found = report(pair_of_units([1.0], [0.25], 2.0), starving(0.3), PAIR, loss=loss)
    np.testing.assert_allclose(found.confidence, confidence(found.margin), rtol=4 * EPS)
    assert np.isnan(found.bound).all() and found.notes[0].startswith("no bound: Thm 6.1 (v2)")


def test_softmax():
    """Three classes on three axes: the probability of the true class, and f_y - max of the others."""
    data = dynsim.data.orthogonal_classes((1.0, 2.0, 1.0), (0.5, 0.3, 0.2))
    W, Z = np.eye(3), np.array([[3.0, 0.2, 0.0], [0.5, 1.0, 0.1], [-1.0, 0.6, 0.7]])
    found = report(Network((W, Z)), data, {"a": [0], "bc": [1, 2]})
    assert found.frequency.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    np.testing.assert_allclose(found.margin[0, 0], 2.5, rtol=4 * EPS)
    np.testing.assert_allclose(found.margin[1, 1:], [0.8, 0.6], rtol=8 * EPS)
    for (feature, c), x in {(0, 0): [1, 0, 0], (1, 1): [0, 2, 0], (1, 2): [0, 0, 1]}.items():
        odds = np.exp(Z @ x)
        np.testing.assert_allclose(found.confidence[feature, c], odds[c] / odds.sum(), rtol=8 * EPS)
    assert np.isnan(found.confidence[0, 1]) and found.class_names == ("0", "1", "2")


@pytest.mark.parametrize("classes", [None, 3])
def test_a_network_of_an_ensemble_has_its_own_report(classes):
    data = starving(0.3) if classes is None else Dataset(np.eye(3)[:, :2] + 0.5, [0, 1, 2])
    many = dynsim.init.gaussian(data, 6, scale=1.0, size=5, rng=0)
    found = report(many, data, PAIR)
    assert found.margin.shape == (5, 2, len(data.labels)) and found.ensemble == (5,)
    for i, one in enumerate(many):
        alone = report(one, data, PAIR)
        for name in ("margin", "confidence", "bound"):
            # Products of 6 units in another order: a few roundings of terms that may cancel.
            np.testing.assert_allclose(getattr(found, name)[i], getattr(alone, name), atol=1e-14)
        assert np.array_equal(found.frequency, alone.frequency)


def test_points_are_evaluated_in_parts(monkeypatch):
    data = dynsim.data.gaussian_classes(40, dimension=3, rng=0)
    network = dynsim.init.gaussian(data, 5, scale=1.0, size=2, rng=1)
    whole = report(network, data, [0, [1, 2]])
    monkeypatch.setattr("dynsim.theory.feature_report._AT_ONCE", 70)
    np.testing.assert_allclose(report(network, data, [0, [1, 2]]).margin, whole.margin, atol=1e-15)


# ---- coordinates and directions ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(2, 6))
def test_directions_of_a_rotated_basis_are_the_coordinates_of_the_data_before(seed, d):
    """f(x) = F(Q x) and data X Q: the direction Q_i is coordinate i, the span of rows a group of coordinates."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    X = rng.standard_normal((8, d)) * rng.integers(0, 2, (8, d))
    X[:, 0] += 3.0
    data, W, z = Dataset(X, [1, -1] * 4), rng.standard_normal((5, d)), rng.standard_normal(5)
    plain = report(Network((W, z)), data, {"first": [0], "rest": list(range(1, d))})
    # The basis of the rest is mixed: a projection onto a span does not depend on it.
    rest = (np.eye(d - 1) * 3.0 + rng.random((d - 1, d - 1)) / d) @ Q[1:]
    rotated = Dataset(X @ Q, data.y)
    turned = report(Network((W @ Q, z)), rotated, {"first": 2.5 * Q[0], "rest": rest})
    assert np.array_equal(plain.frequency, turned.frequency)
    for name in ("length", "margin", "confidence", "bound"):
        # d products of numbers below 10, through three matrices: 1e-12 is a thousand roundings.
        np.testing.assert_allclose(getattr(turned, name), getattr(plain, name), atol=1e-12)


def test_a_mask_a_number_and_integers_are_the_same_group():
    masks = [True, False, True], np.array([True, False, True])
    for value in ([0, 2], *masks, (2, 0), np.array([0, 2], dtype=np.uint8)):
        made = groups([value], 3)
        assert made[0].name == "x[0, 2]" and made[0].coordinates.tolist() == [0, 2]
    assert groups([1], 3)[0].coordinates.tolist() == groups([[1]], 3)[0].coordinates.tolist() == [1]
    assert [g.name for g in groups(np.eye(2), 2)] == ["direction 0", "direction 1"]
    assert groups([range(5)], 5)[0].name == "group 0 (5 coordinates)"
    assert np.array_equal(groups([[0.0, 3.0]], 2)[0].basis, [[0.0, 1.0]])


def test_no_bound_while_the_strong_feature_is_on_the_wrong_side():
    found = report(Network(([[-1.0, 0.5], [1.0, 0.0]], [1.0, -1.0])), starving(0.5), PAIR)
    assert found.margin[0].tolist() == [-1.0, -1.0] and np.isnan(found.bound).all() and not found.starved.any()


def test_overlap_is_noted_and_not_refused():
    data = starving(0.5)
    network = pair_of_units([2.0], [0.5], 1.0)
    assert report(network, data, {"a": [0], "b": [0.0, 1.0]}).notes == ()
    found = report(network, data, {"a": [0], "b": [1], "both": [3.0, 4.0]})
    assert found.notes[0].startswith("2 pairs of features overlap, most 'b' and 'both' (cosine 0.8)")
    assert np.isnan(found.bound[2]).all() and np.isfinite(found.bound[1]).all()


# ---- through training --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_probes_do_not_change_a_run(loss):
    """Full batch: points of weight 0 add terms that are 0; sums may come in another order."""
    data = starving(0.2)
    network = dynsim.init.class_aligned(data, 8, initial=1e-2, rng=0)
    options = {"loss": loss, "lr": 0.1, "steps": 400}
    plain, run = dynsim.train(network, data, **options), dynsim.train(network, probed(data, PAIR), **options)
    assert run.logits.shape[1] == len(data) + 4
    # The rare feature alone stays below margin 1, and the hinge is learnt all the same.
    assert run.outcome == plain.outcome == ("learnt" if loss == "hinge" else "training")
    assert run.margin[-1, -3:].min() < 1.0
    # 400 steps, each a few units in the last place, on weights that grow at most tenfold from rounding to rounding.
    np.testing.assert_allclose(run.logits[:, : len(data)], plain.logits, rtol=1e-11)
    for a, b in zip(run.network.parameters, plain.network.parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_sgd_with_replacement_draws_the_same_points():
    data = starving(0.3)
    network = dynsim.init.class_aligned(data, 6, initial=1e-2, rng=3)
    options = {"lr": 0.02, "steps": 300, "batch_size": 2, "rng": 7, "record": [300]}
    plain, run = dynsim.train(network, data, **options), dynsim.train(network, probed(data, PAIR), **options)
    np.testing.assert_allclose(run.logits[:, : len(data)], plain.logits, rtol=1e-11)
    assert not report(run, data, PAIR).proven.any()


@pytest.mark.parametrize("size", [None, 3])
def test_through_training_equals_networks_trained_for_fewer_steps(size):
    data = starving(0.2, 1.0, 2.0)
    network = dynsim.init.gaussian(data, 6, scale=0.3, size=size, rng=1)
    run = dynsim.train(network, probed(data, PAIR), lr=0.1, steps=60, record=[0, 7, 60])
    found = report(run, data, PAIR)
    assert np.array_equal(found.time, run.time) and found.margin.shape == (3, *run.ensemble, 2, 2)
    for k, steps in enumerate((0, 7, 60)):
        then = report(dynsim.train(network, data, lr=0.1, steps=steps).network, data, PAIR)
        for name in ("margin", "confidence", "bound"):
            np.testing.assert_allclose(getattr(found, name)[k], getattr(then, name), atol=1e-12)
        assert np.array_equal(found.frequency, then.frequency)


def test_a_run_of_a_softmax_network_and_one_with_a_clock_for_each_network():
    data = dynsim.data.orthogonal_classes((1.0, 2.0, 1.0), (0.5, 0.3, 0.2))
    network = dynsim.init.gaussian(data, 5, scale=0.5, size=2, rng=2)
    run = dynsim.train(network, probed(data, range(3)), lr=[0.1, 0.2], steps=30, record=[0, 30])
    found = report(run, data, range(3))
    assert found.time.shape == (2, 2) and found.confidence.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(found.margin[-1], report(run.network, data, range(3)).margin, atol=1e-13)
    assert "at t = 3 ... 6" in str(found) and "median of 2 networks" in str(found)
    assert len(found.plot().lines) == 2 * 3


def test_a_saved_run_is_read_again(tmp_path):
    data = starving(0.2)
    directions = {"sum": [1.0, 1.0], "difference": [1.0, -1.0]}
    run = dynsim.train(pair_of_units([0.1], [0.01], 0.1), probed(data, directions), lr=0.1, steps=20)
    run.save(tmp_path / "run.npz")
    again = report(dynsim.Trajectory.load(tmp_path / "run.npz"), data, directions)
    assert np.array_equal(again.margin, report(run, data, directions).margin)


def test_a_network_that_diverged_has_no_confidence_and_text_says_so():
    data = starving(0.2)
    run = dynsim.train(
        pair_of_units([[0.1], [1.0]], [[0.01], [0.1]], [[0.1], [1.0]]), probed(data, PAIR), loss="squared",
        lr=[0.01, 50.0], steps=40,
    )  # fmt: skip
    found = report(run, data, PAIR)
    assert np.isnan(found.margin[-1, 1]).all() and np.isfinite(found.margin[-1, 0]).all()
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["margin"][-1][1] == [[None, None], [None, None]]
    assert len(str(found).splitlines()) == 2 + 4 + len(found.notes)


# ---- the bound ---------------------------------------------------------------------------------------------


SIZES = st.floats(1e-3, 1.0)


@settings(deadline=None, max_examples=60)
@given(
    share=st.floats(0.02, 0.98),
    norms=st.tuples(st.floats(0.3, 3.0), st.floats(0.3, 3.0)),
    starts=st.lists(st.tuples(SIZES, st.floats(0.0, 1.0), SIZES), min_size=1, max_size=4),
    lr=st.floats(0.01, 2.0),
    optimizer=st.sampled_from(["gd", "momentum"]),
)
def test_the_bound_is_never_broken_from_starts_of_thm_6_1(share, norms, starts, lr, optimizer):
    """Several units at any learning rate: every step obeys d beta <= lam (b/a)^2 d alpha (feature_bound.py)."""
    a, b = norms
    alpha, part, z = np.array(starts).T
    factor = share * (b / a) ** 2
    data = starving(share, a, b)
    # Below the edge by more than rounding, so that `proven` decides as intended.
    network = pair_of_units(alpha, part * factor * alpha * (1 - 1e-12), z, a, b)
    run = dynsim.train(network, probed(data, PAIR), lr=lr, steps=150, optimizer=optimizer, record="all")
    found = report(run, data, PAIR)
    assert found.proven[:, 1].all() and not found.proven[:, 0].any()
    # alpha and beta are sums of 150 steps, each rounded: 1e-12 relative to the strong margin at the edge part = 1.
    margin = found.margin[:, 1] - factor * found.margin[:, 0]
    assert np.all(margin <= 1e-12 * (1.0 + np.abs(found.margin).max()))
    assert np.all(found.confidence[:, 1] <= found.bound[:, 1] + 1e-12)


def test_the_bound_holds_along_the_flow_and_is_reached_from_the_edge():
    """From beta0 = lam alpha0: below Table 1 (v2), sigma(0.1 log 99) = 0.613, and not far below."""
    data = starving(0.1)
    times = np.linspace(0.0, 80.0, 200)
    run = dynsim.flow(pair_of_units([0.1], [0.00999], 0.1), probed(data, PAIR), times=times)
    found = report(run, data, PAIR)
    assert found.proven[:, 1].all() and np.all(found.confidence[:, 1] <= found.bound[:, 1])
    learnt = found.confidence[:, 0] > 0.75
    assert np.array_equal(found.starved[:, 1], learnt) and 0 < learnt.sum() < learnt.size
    at = int(np.argmax(found.confidence[:, 0, 0] >= 0.99))
    assert 0.58 < found.confidence[at, 1, 0] < sigma(0.1 * np.log(99.0)) + 0.001


def test_a_start_outside_the_theorem_may_break_the_bound_and_is_not_proven():
    """From (0.1, 0.1, 0.1), lam = 0.1: the rare feature is at 0.641 when the frequent one is at 0.99."""
    data = starving(0.1)
    run = dynsim.flow(pair_of_units([0.1], [0.1], 0.1), probed(data, PAIR), times=np.linspace(0.0, 80.0, 800))
    found = report(run, data, PAIR)
    at = int(np.argmax(found.confidence[:, 0, 0] >= 0.99))
    assert found.confidence[at, 1, 0] == pytest.approx(0.641, abs=2e-3)
    assert found.bound[at, 1, 0] == pytest.approx(0.613, abs=2e-3)
    assert not found.starved[at, 1].any() and not found.proven.any()
    assert any("guide" in note for note in found.notes)


@pytest.mark.parametrize(
    ("share", "alpha", "beta", "starved"),
    [
        (0.3, 4.0, 1.0, True),
        # Not rarer: two margins of 4 and 1 are a matter of the start.
        (1.0, 4.0, 1.0, False),
        (1.0 - 1e-12, 4.0, 1.0, False),
        # The strong one at margins 0, 1e-3, and on either side of log 3, where 1 - P is 1/4.
        (0.3, 0.0, 0.0, False),
        (0.3, 1e-3, 1e-4, False),
        (0.3, np.log(3.0) - 1e-9, 0.1, False),
        (0.3, np.log(3.0) + 1e-9, 0.1, True),
        # Above the bound, 0.3 x 4; learnt itself, below the bound 0.9 x 8; and the same not learnt.
        (0.3, 4.0, 1.2 + 1e-9, False),
        (0.9, 8.0, np.log(3.0) + 1e-9, False),
        (0.9, 8.0, np.log(3.0) - 1e-9, True),
    ],
)
def test_starved_is_rarer_than_a_feature_that_is_learnt_and_not_learnt_itself(share, alpha, beta, starved):
    found = report(pair_of_units([alpha], [beta], 1.0), starving(share), PAIR)
    assert found.starved.tolist() == [[False, False], [starved, starved]]
    assert np.isfinite(found.bound[1]).all()
    notes = "\n".join(found.notes)
    assert ("class -1: as frequent as 'strong', so not starved: 'rare'" in notes) == (share > 0.99)
    early = "class +1: nothing is starved yet, as 'strong' is not learnt (confidence at most 0.75)"
    assert (early in notes) == (alpha < np.log(3.0))


def test_an_untrained_network_and_features_of_all_points_are_not_starved():
    data = starving(0.1)
    found = report(dynsim.init.gaussian(data, 16, scale=1e-3, size=50, rng=0), data, PAIR)
    assert np.isfinite(found.bound).any() and not found.starved.any()
    data = dynsim.data.starving_features(1.0)
    network = dynsim.init.class_aligned(data, 8, initial=1e-2, rng=0)
    found = report(dynsim.train(network, probed(data, PAIR), lr=0.1, steps=3000), data, PAIR)
    assert np.isfinite(found.bound[-1]).any() and not found.starved.any()


@pytest.mark.parametrize("basis", [[[0], [1], [2]], np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]])
def test_a_feature_that_is_the_same_in_every_point_is_never_the_strong_one(basis):
    """A column of 5 in both classes is the longest of all and tells nothing; along a direction to rounding."""
    X = np.column_stack([starving(0.1).X, np.full(4, 5.0)])
    turn = basis if isinstance(basis, np.ndarray) else np.eye(3)
    data = Dataset(X @ turn, [1, 1, -1, -1], [0.9, 0.1] * 2)
    network = Network((np.array([[4.0, 0.1, 0.0], [-4.0, -0.1, 0.0]]) @ turn, [1.0, -1.0]))
    names = ("strong", "rare", "constant")
    found = report(network, data, dict(zip(names, basis, strict=True)))
    assert found.notes[0].startswith("'constant' is the same in every point and tells no classes apart")
    assert np.isnan(found.bound[[0, 2]]).all() and found.starved[1].all()
    # Margins 4 and 0.1 through a rotation: some roundings of 5.
    np.testing.assert_allclose(found.bound[1], sigma(0.1 * 4.0), rtol=1e-13)
    alone = report(network, data, {"constant": basis[2]})
    assert np.isnan(alone.bound).all() and not alone.starved.any()
    # A column of 5 and -5 tells all, and one that is 5 in one class alone, or differs within a class, tells some.
    for column in ([5.0, 5.0, -5.0, -5.0], [5.0, 5.0, 0.0, 0.0], [5.0, 7.0, 5.0, 6.0]):
        telling = Dataset(np.column_stack([X[:, :2], column]) @ turn, data.y, data.weights)
        found = report(network, telling, dict(zip(names, basis, strict=True)))
        assert not any("tells no classes" in note for note in found.notes) and np.isnan(found.bound[2, 0])


def test_units_that_wait_for_the_other_class_or_see_the_rare_feature_only():
    """Class -1 on an axis of its own: units that the points of class +1 do not activate."""
    X = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    data = Dataset(X, [1, 1, -1])
    for w, z, proven in (
        ([-1.0, -0.5, -1.0], 1.0, True),
        ([-1.0, 0.5, -1.0], 1.0, False),
        ([-1.0, -0.5, 1.0], 1.0, False),
        ([-1.0, 0.5, 1.0], -1.0, True),
    ):
        network = Network(([[1.0, 0.2, 0.0], w], [1.0, z]))
        assert bool(report(network, data, PAIR).proven[1, 0]) is proven
    third = Dataset(np.append(X, [[1.0, 0.0, -0.5]], axis=0), [1, 1, -1, 1])
    found = report(Network(([[1.0, 0.2, 0.0]], [1.0])), third, PAIR)
    assert not found.proven[1, 0] and np.isfinite(found.bound[1, 0])


def test_what_unproves_the_bound():
    good = pair_of_units([1.0], [0.05], 1.0)
    assert report(good, starving(0.1), PAIR).proven[1].all()
    W, Z = good.W, good.Z
    stray = Network((np.concatenate([W, [[-1.0, 0.5]]]), np.append(Z, 1.0)))
    assert not report(stray, starving(0.1), PAIR).proven[1, 0]
    against = Network((np.concatenate([W, [[1.0, 0.0]]]), np.append(Z, -0.1)))
    assert not report(against, starving(0.1), PAIR).proven[1, 0]
    assert not report(Network((W, np.ones((1, 2)), [1.0])), starving(0.1), PAIR).proven.any()
    assert not report(Network((W, Z), [[0.0, 0.0], 0.0]), starving(0.1), PAIR).proven.any()
    crowd = Dataset([[1, 0], [1, 1], [1, 2], [-1, 0]], [1, 1, 1, -1])
    assert not report(good, crowd, PAIR).proven.any() and np.isfinite(report(good, crowd, PAIR).bound[1, 0])
    near = Dataset([[1, 0], [1, 1], [-1, 0], [-0.5, 1.0]], [1, 1, -1, -1])
    assert not report(good, near, PAIR).proven.any()
    assert not report(pair_of_units([1.0], [0.101], 1.0), starving(0.1), PAIR).proven.any()
    shifted = report(good, starving(0.1), PAIR, baseline=1e-3)
    assert np.isnan(shifted.bound).all() and shifted.notes[0] == "class +1: no bound, as the baseline is not 0"
    for options in ({"optimizer": "adam"}, {"batch_size": 1, "rng": 0}):
        run = dynsim.train(good, probed(starving(0.1), PAIR), lr=0.01, steps=3, **options)
        assert not report(run, starving(0.1), PAIR).proven.any()


# ---- real data ---------------------------------------------------------------------------------------------


def test_iris():
    """Every coordinate is in every flower, so all have frequency 1 and a bound; with a threshold none is strong."""
    data = dynsim.data.from_sklearn("iris", classes=("setosa", "virginica")).centered()
    features = {"sepal": [0, 1], "petal": [2, 3]}
    network = dynsim.init.gaussian(data, 16, scale=0.1, rng=0)
    run = dynsim.train(network, probed(data, features), lr=0.02, steps=300)
    found = report(run, data, features)
    assert found.class_names == ("setosa", "virginica") and found.frequency.tolist() == [[1.0, 1.0]] * 2
    # By hand: the mean confidence over flowers with the other two coordinates at 0.
    for i, keep in enumerate(features.values()):
        X = np.zeros_like(data.X)
        X[:, keep] = data.X[:, keep]
        right = sigma(data.y * run.network.logits(X))
        by_class = [right[data.mask(label)].mean() for label in data.labels]
        np.testing.assert_allclose(found.confidence[-1, i], by_class, rtol=1e-12)
    assert np.all(found.confidence[-1, 1] > found.confidence[-1, 0])
    strict = report(run, data, features, threshold=[0.6, 2.3])
    assert strict.frequency.min() > 0.0 and strict.frequency.max() < 1.0
    assert np.isnan(strict.bound).all() and "no feature is in every point" in strict.notes[0]


# ---- words, figures ----------------------------------------------------------------------------------------


def test_text_json_and_figure():
    data = starving(0.1)
    run = dynsim.train(pair_of_units([0.5], [0.01], 0.5), probed(data, PAIR), lr=0.1, steps=100)
    found = report(run, data, PAIR)
    assert isinstance(found, FeatureReport) and repr(found).startswith("FeatureReport(cross_entropy, ")
    lines = str(found).splitlines()
    assert lines[0] == "each feature alone: cross_entropy, at t = 10 (t = lr x step)"
    assert " ".join(lines[1].split()) == "feature class frequency length confidence margin bound starved"
    assert lines[2].split()[:4] == ["strong", "+1", "1", "1"] and lines[2].split()[-2:] == ["-", "-"]
    assert lines[4].split()[:4] == ["rare", "+1", "0.1", "1"] and lines[4].split()[-1] == "yes"
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert read["names"] == ["strong", "rare"] and read["bound"][-1][0] == [None, None]
    assert read["confidence"][-1][1][0] == found.confidence[-1, 1, 0] and read["proven"][0][1] == [True, True]
    ax = found.plot()
    assert ax.get_xlabel() == "t = lr x step" and ax.get_ylabel() == "confidence on the feature alone"
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_array_equal(drawn["rare, class -1 (0.1)"], found.confidence[:, 1, 1])
    still = report(run.network, data, PAIR).plot(ax)
    assert still is ax and ax.get_xlabel() == "frequency in the class"
    with pytest.raises(ValueError, match=r"read-only"):
        found.margin[0] = 0.0


# ---- what is refused ---------------------------------------------------------------------------------------

THREE = Dataset([[1.0, 0.0, 2.0], [-1.0, 0.5, 0.0]], [1, -1])
LINEAR = Network(([[1.0, 0.0, 0.0]], [1.0]))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("colour", r"features must be a mapping from names to groups or a sequence of groups, got str"),
        (3, r"features must be a mapping from names to groups or a sequence of groups, got int"),
        (np.array(3), r"features must be a mapping or a sequence of groups, got array"),
        ({}, r"features must hold at least one group, got none"),
        ({1: [0]}, r"features must have names that are text, got 1"),
        ({"a": [0, 3]}, r"features\['a'\] must hold coordinates from 0 to 2, got 3"),
        ({"a": [-1]}, r"features\['a'\] must hold coordinates from 0 to 2, got -1"),
        ([[1], [3]], r"features\[1\] must hold coordinates from 0 to 2, got 3"),
        ({"a": [1, 1]}, r"features\['a'\] must hold each coordinate once, got 1 twice$"),
        ({"a": [1, 0, 0]}, r"got 0 twice \(write a direction as floats, a mask as booleans\)"),
        ({"a": []}, r"features\['a'\] must be integer coordinates, a mask of 3 booleans, .*; got an empty group"),
        ({"a": [False] * 3}, r"features\['a'\] .*; got a mask without True, an empty group"),
        ({"a": [True, False]}, r"features\['a'\] .*; got booleans of shape \(2,\)"),
        ({"a": True}, r"features\['a'\] .*; got booleans of shape \(\)"),
        ({"a": [1.0, 0.5]}, r"features\['a'\] .*; got floats of shape \(2,\) \(write coordinates as integers\)"),
        ({"a": 1.0}, r"features\['a'\] .*; got floats of shape \(\)"),
        ({"a": np.ones((2, 4))}, r"features\['a'\] .*; got floats of shape \(2, 4\)"),
        ({"a": np.eye(3, dtype=int)}, r"got integers of shape \(3, 3\) \(write directions as floats\)"),
        ({"a": [0.0, 0.0, 0.0]}, r"features\['a'\] must hold directions other than 0, got \[0\.0, 0\.0, 0\.0\]"),
        ({"a": [[1.0, 0, 0], [0.0, 0, 0]]}, r"features\['a'\] must hold directions other than 0, got .* at 1"),
        ({"a": [np.nan, 0.0, 0.0]}, r"features\['a'\] must be finite, got nan at 0"),
        ({"a": [[1.0, 2, 0], [2.0, 4, 0]]}, r"features\['a'\] must hold independent directions, got one at 1"),
        ({"a": "x"}, r"features\['a'\] .*; got 'x'"),
        ({"a": [[1.0, 0.0, 0.0], [1.0]]}, r"features\['a'\] .*; got rows of different length"),
        ({"a": [True, 1.0, 0]}, r"features\['a'\] .*; got booleans mixed with others, \[True, 1\.0, 0\]"),
        ({"a": [0, True]}, r"features\['a'\] .*; got booleans mixed with others, \[0, True\]"),
        ({"a": [[1.0, 0, 0], (0.0, np.True_, 1)]}, r"features\['a'\] .*; got booleans mixed with others"),
        ({"a": {0, 1}}, r"features\['a'\] .*; got \{0, 1\}"),
        ([0, [0]], r"features must differ from each other, got 'x\[0\]' twice"),
    ],
)
def test_wrong_features_are_refused(features, message):
    for call in (lambda: report(LINEAR, THREE, features), lambda: probed(THREE, features)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": -0.1}, r"threshold must be at least 0 and finite, got -0\.1"),
        ({"threshold": [0.1, 0.2, 0.3]}, r"threshold must be one number or 2, one a feature, got shape \(3,\)"),
        ({"baseline": [0.0, 1.0]}, r"baseline must be one number or 3, one a coordinate, got shape \(2,\)"),
        ({"baseline": np.nan}, r"baseline must be finite, got nan"),
        ({"loss": "log"}, r"loss must be one of 'cross_entropy', .*, got 'log'"),
        ({"network": None}, r"network must be a Network or a Trajectory, got NoneType"),
        ({"data": [[1.0]]}, r"data must be a Dataset, got list"),
        ({"data": starving(0.5)}, r"data must have 3 coordinates, the network's, got 2"),
        ({"data": Dataset(np.eye(3), [0, 1, 2])}, r"a network with one logit needs labels \+1 and -1"),
        ({"network": Network((np.eye(3), np.eye(3)))}, r"data must have class ids 0 \.\.\. 2, .* labels \+1"),
        (
            {"network": Network((np.eye(3), np.eye(3))), "data": Dataset(np.eye(3), [0, 1, 2]), "loss": "hinge"},
            r"loss must be 'cross_entropy' for a softmax readout, got 'hinge'",
        ),
    ],
)
def test_other_wrong_arguments_are_refused(change, message):
    arguments = {"network": LINEAR, "data": THREE, "features": [0, 1]} | change
    with pytest.raises(ValueError, match=message):
        report(**arguments)


@pytest.mark.parametrize("features", [PAIR, {"strong": [1.0, 0.0], "rare": [0.0, 1.0]}])
def test_data_and_networks_of_any_size_are_reported_or_refused(features):
    """Warnings are errors here: nothing overflows on the way to a number, and what would is refused."""
    network = pair_of_units([4.0], [0.1], 1.0)
    for size in (1e-300, 1e-150, 1e100, 1e150):
        data = Dataset(starving(0.1).X * size, [1, 1, -1, -1], [0.9, 0.1] * 2)
        found = report(network, data, features)
        np.testing.assert_allclose(found.margin[:, 0], [4.0 * size, 0.1 * size], rtol=8 * EPS)
        np.testing.assert_allclose(found.bound[1], sigma(np.minimum(0.4 * size, 700.0)), rtol=8 * EPS)
        assert found.proven[1].all()
    for size in (1.1e150, 1e200, 1.7e308):
        data = Dataset(starving(0.1).X * size, [1, 1, -1, -1])
        for call in (lambda data=data: report(network, data, features), lambda data=data: probed(data, features)):
            with pytest.raises(ValueError, match=r"data must have coordinates of at most 1e\+150 in size, got 1"):
                call()
    if features is PAIR:  # Along directions a part of 1e-200 beside one of 1e100 is rounding.
        with pytest.raises(ValueError, match=r"is finite, got 1e\+100 of 'rare' and 1e-200 of 'strong'"):
            report(network, starving(0.1, 1e-200, 1e100), features)
    data = starving(0.1)
    with pytest.raises(ValueError, match=r"baseline must have coordinates of at most 1e\+150 in size, got 1e\+200"):
        report(network, data, features, baseline=-1e200)
    for W, Z in (([[1e200, 0.0]], [1e200]), ([[1e200, 0.0], [2e200, 0.0]], [1e200, -1e200])):
        with pytest.raises(ValueError, match=r"network must have logits below 1e\+300 on the features alone"):
            report(Network((W, Z)), data, features)
    # A unit that no feature alone activates overflows on x1 + x2, in silence, and is not proven to be idle.
    wild = Network(([[-1.7e308, -1.7e308], [4.0, 0.1]], [-1e-10, 1.0]))
    found = report(wild, starving(0.1), features)
    np.testing.assert_allclose(found.margin[:, 0], [4.0, 0.1], rtol=8 * EPS)


def test_a_run_without_the_probes_is_refused():
    data = starving(0.2)
    network = pair_of_units([0.1], [0.01], 0.1)
    plain = dynsim.train(network, data, lr=0.1, steps=2)
    with pytest.raises(ValueError, match=r"did not record \[0\. 1\.\] of class '\+1'"):
        report(plain, data, PAIR)
    run = dynsim.train(network, probed(data, PAIR), lr=0.1, steps=2)
    with pytest.raises(ValueError, match=r"network must be a run on probed\(data, features\)"):
        report(run, data, {"sum": [1.0, 1.0]})
    with pytest.raises(ValueError, match=r"data must be those of the run .* got other points, labels or weights"):
        report(run, starving(0.3), PAIR)
    with pytest.raises(ValueError, match=r"data must have the 2 coordinates of the run's, got 3"):
        report(run, THREE, [0])
    with pytest.raises(ValueError, match=r"loss must be that of the run, 'cross_entropy', got 'hinge'"):
        report(run, data, PAIR, loss="hinge")
    curve = dynsim.Trajectory.from_arrays([0.0, 1.0], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"network must be a run with its data"):
        report(curve, data, PAIR)
    # Fewer features, a stricter threshold and the probed data themselves ask for nothing new.
    assert report(run, data, {"rare": [1]}, threshold=0.5).margin.shape == (3, 1, 2)
    assert np.array_equal(report(run, run.data, PAIR).margin, report(run, data, PAIR).margin)
