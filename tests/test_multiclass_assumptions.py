"""(H4), (H5), (H6), the primed forms and the deeper networks: decided, and enough for independent classes."""

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from dynsim import data, init
from dynsim.assumptions import SHARED
from dynsim.checks import AssumptionError
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical import networks
from dynsim.network import Network
from dynsim.signs import orthogonal

#: One point of class 0, two of class 1, one of class 2, on the axes of space.
THREE = Dataset([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, -0.0], [0.0, 0.0, 1.0]], [0, 1, 1, 2])
ALIGNED = [[2.0, -1.0, 0.0], [-1.0, 1.0, -1.0], [0.0, 0.0, 0.5]]


def names(found):
    return [a.name for a in found]


# ---- what is decided --------------------------------------------------------------------------------------


def test_one_unit_a_class_satisfies_everything():
    found = THREE.check_assumptions(Network((ALIGNED, 2 * np.eye(3) - 0.5)))
    assert found and found.independent
    assert names(found) == ["H4", "H5", "H5'", "H6", "H6'"]
    assert found["H5'"] is found.checked[2] and found.H6 is found["H6"]
    assert (found.H4.total, found.H5.total, found["H6'"].total) == (6, 3, 3)
    # Columns 1.5 for the own class and -0.5 for the others: 0.5 below 0, and a lead of 2.
    assert (found.H6.margin, found["H6'"].margin) == (0.5, 2.0)
    assert str(found.H4).startswith("H4 holds for all 6 pairs (inner products > 0 within a class, <= 0 across)")
    assert str(found["H6'"]) == (
        "H6' holds for all 3 units (own class's entry of the readout is the largest); margin of safety 2: unit 0"
    )


@pytest.mark.parametrize(
    ("w", "column", "failed", "independent"),
    [
        ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [], True),
        ([1.0, 0.0, 0.0], [1.0, 0.0, -1.0], [], True),
        ([1.0, 0.0, 0.0], [1.0, 0.5, 0.0], ["H6"], True),
        ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0], ["H6"], True),
        ([1.0, 0.0, 0.0], [-1.0, -2.0, -3.0], ["H6"], True),
        ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0], ["H6"], True),
        ([1.0, 0.0, 0.0], [1.0, 1.5, 0.0], ["H6", "H6'"], False),
        ([-1.0, -1.0, -1.0], [1.0, 2.0, 3.0], ["H5"], True),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], ["H5"], True),
        ([1.0, 1.0, -1.0], [1.0, -1.0, -1.0], ["H5", "H5'", "H6", "H6'"], False),
        ([1.0, 1.0, -1.0], [1.0, 1.0, -1.0], ["H5", "H5'", "H6"], False),
    ],
)
def test_a_fourth_unit(w, column, failed, independent):
    found = THREE.check_assumptions(Network(([*ALIGNED, w], np.column_stack([np.eye(3), column]))))
    assert [a.name for a in found.failed] == failed
    assert found.independent is independent
    assert [a.name for a in found.obstacles] == [name for name in failed if name.endswith("'")]
    for assumption in found.failed:
        assert (assumption.violations, assumption.total) == (1, 4)
        assert (assumption.offenders.tolist(), assumption.worst) == ([[3]], "unit 3")
        assert assumption.margin <= 0
        assert str(assumption).startswith(f"{assumption.name} fails for 1 of 4 units")


def test_a_unit_active_on_some_points_of_its_class_only():
    pair = Dataset([[1.0, 0.1], [0.1, 1.0], [-1.0, -1.0]], [0, 0, 1])
    found = pair.check_assumptions(Network(([[1.0, -0.5]], [[1.0], [0.0]])))
    assert [a.name for a in found.failed] == ["H5", "H5'"]
    assert not found.independent
    np.testing.assert_allclose(found.H5.margin, -0.4 / np.sqrt(1.25 * 1.01), rtol=1e-14)


def by_hand(points, labels, W, Z):
    """The violations of every assumption, counted point by point and unit by unit."""
    count = dict.fromkeys(["H4", "H5", "H5'", "H6", "H6'"], 0)
    for i, j in combinations(range(len(points)), 2):
        dot = sum(a * b for a, b in zip(points[i], points[j], strict=True))
        count["H4"] += dot <= 0 if labels[i] == labels[j] else dot > 0
    for k, w in enumerate(W):
        active = [sum(a * b for a, b in zip(w, x, strict=True)) > 0 for x in points]
        classes = {label for label, on in zip(labels, active, strict=True) if on}
        whole = all(on for label, on in zip(labels, active, strict=True) if label in classes)
        count["H5"] += not (len(classes) == 1 and whole)
        count["H5'"] += not (len(classes) <= 1 and whole)
        for name, good in (
            ("H6", lambda own, others: own > 0 and max(others) <= 0),
            ("H6'", lambda own, others: own >= max(others)),
        ):
            columns = [(Z[c][k], [row[k] for j, row in enumerate(Z) if j != c]) for c in classes]
            count[name] += not all(good(*column) for column in columns)
    return count


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    d=st.integers(1, 3), classes=st.integers(2, 4), extra=st.integers(0, 3), h=st.integers(1, 5), draw=st.data()
)
def test_small_integers_against_counting_by_hand(d, classes, extra, h, draw):
    """Small integers, so that zeros and ties are common, and nothing is rounded."""
    whole = st.integers(-2, 2).map(float)
    shape = (classes + extra, d)
    points = draw.draw(hnp.arrays(float, shape, elements=whole).filter(lambda X: np.all(np.any(X, axis=1))))
    labels = np.resize(np.arange(classes), classes + extra)
    W, Z = (draw.draw(hnp.arrays(float, s, elements=whole)) for s in ((h, d), (classes, h)))
    found = Dataset(points, labels).check_assumptions(Network((W, Z)))
    want = by_hand(points.tolist(), labels.tolist(), W.tolist(), Z.tolist())
    assert {name: found[name].violations for name in want} == want
    for a in found:
        assert a.holds is (a.violations == 0) and len(a.offenders) == a.violations
        assert a.margin >= 0 if a.holds else a.margin <= 0
    if "H4'" not in found:
        assert found.independent is bool(found.H4 and found["H5'"] and found["H6'"])


def test_an_ensemble_is_the_sum_of_its_members():
    rng = np.random.default_rng(3)
    ensemble = Network((rng.normal(size=(20, 4, 3)), rng.normal(size=(20, 3, 4))))
    together = THREE.check_assumptions(ensemble)
    alone = [THREE.check_assumptions(ensemble[k]) for k in range(20)]
    for name in ("H5", "H5'", "H6", "H6'"):
        assert together[name].violations == sum(a[name].violations for a in alone) > 0
        assert together[name].total == 80
        where = [[k, *row] for k, a in enumerate(alone) for row in a[name].offenders.tolist()]
        assert together[name].offenders.tolist() == where
        np.testing.assert_allclose(together[name].margin, min(a[name].margin for a in alone), rtol=1e-13)


def test_class_ids_are_checked_without_a_network_too():
    found = THREE.check_assumptions()
    assert names(found) == ["H4"] and found and found.independent
    with pytest.raises(AttributeError, match=r"^H1 was not checked$"):
        _ = found.H1
    with pytest.raises(KeyError, match=r"H5' was not checked"):
        _ = found["H5'"]
    text = json.dumps(THREE.check_assumptions(Network((ALIGNED, np.eye(3)))).to_dict(), allow_nan=False)
    assert list(json.loads(text)) == ["H4", "H5", "H5'", "H6", "H6'"]


def test_where_no_unit_is_active_the_readout_has_no_wrong_entry():
    found = THREE.check_assumptions(Network((-np.ones((2, 3)), np.zeros((3, 2)))))
    assert found.H6 and found["H6'"] and found["H5'"] and not found.H5 and found.independent
    assert found.to_dict()["H6"]["margin"] is None
    # (-1, -1, -1) makes the same angle with every axis: that far are the points from activating it.
    np.testing.assert_allclose([found.H5.margin, found["H5'"].margin], np.sqrt(1 / 3) * np.array([-1, 1]))


TWO = Dataset([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [1, -1])


@pytest.mark.parametrize(
    ("points", "network", "message"),
    [
        (THREE, Network((np.ones((2, 3)), np.ones(2))), r"\(H5\) and \(H6\) .* 3 logits, one a class, got Network"),
        (THREE, Network((np.ones((2, 3)), np.ones((4, 2)))), r"\(H5\) and \(H6\) .* 3 logits, one a class"),
        (THREE, Network((np.ones((2, 3)), np.ones((2, 2)), np.ones((3, 2)))), r"\(H5\) and \(H6\) speak of one"),
        (THREE, Network((np.ones((3, 3)),), classes=3), r"\(H5\) and \(H6\) speak of one hidden layer"),
        (
            THREE,
            Network((np.ones((2, 3)), np.ones((3, 2))), [np.zeros(2), np.zeros(3)]),
            r"without biases .* 3 classes, biases\)$",
        ),
        (TWO, Network((np.ones((2, 3)), np.ones((2, 2)))), r"\(H2\) and \(H3\) .* and one logit, got Network"),
        (TWO, Network((np.ones((2, 3)), np.ones((2, 2)), np.ones(2))), r"one and diagonal ones, without biases"),
        (TWO, Network((np.ones(3),), [np.zeros(())]), r"without biases and one logit, got Network"),
        (TWO, Network((np.ones((2, 3)), np.ones(2)), [np.zeros(2), np.zeros(())]), r"without biases"),
    ],
)
def test_networks_of_another_form(points, network, message):
    with pytest.raises(AssumptionError, match=message):
        points.check_assumptions(network)


@pytest.mark.parametrize("network", [Network((np.ones(2),)), Network((np.ones((1, 2)), np.ones(1), np.ones(1)))])
def test_networks_of_another_dimension(network):
    with pytest.raises(ValueError, match=r"X must have 2 columns, the network's number of inputs, got 3$"):
        TWO.check_assumptions(network)


# ---- what follows: independent classes, bit by bit --------------------------------------------------------


def step(weights, points, batch, lr):
    """One step on a batch of points, each with weight 1/len(batch), cross-entropy."""
    X, y = points.X[batch], points.y[batch].astype(int)
    logits, cache = networks.forward(weights, X)
    if points.classes is None:
        pull = y / (1 + np.exp(y * logits))
    else:
        pull = np.eye(points.classes)[y] - softmax(logits, axis=-1)
    return [w + lr * d for w, d in zip(weights, networks.backward(weights, cache, pull / len(batch)), strict=True)]


def learn_one_class_at_a_time(points, network, lr, steps, rng):
    """Random batches of one class after the other: how much the rest moved by, and how many gates flipped."""
    weights = [np.array(w) for w in network.weights]
    active = network.preactivations(points.X) > 0
    moved = flipped = 0.0
    logit = networks.forward(weights, points.X)[0]
    for k in range(steps):
        label = points.labels[(4 * len(points.labels) * k // steps) % len(points.labels)]
        mask = points.mask(label)
        served = active[:, mask].any(-1)
        new = step(weights, points, rng.choice(np.flatnonzero(mask), 3), lr)
        after = networks.forward(new, points.X)[0]
        # W has the units on its first axis, inner layers and the readout on their last one.
        change = [n - w for n, w in zip(new, weights, strict=True)]
        rest = [change[0][~served], *[c[..., ~served] for c in change[1:]]]
        moved = max(moved, *[float(np.abs(r).max(initial=0.0)) for r in rest])
        moved = max(moved, float(np.abs(after - logit)[~mask].max()))
        weights, logit = new, after
        flipped += np.sum((weights[0] @ points.X.T > 0) != active)
    return moved, flipped, Network(weights)


def simplex(classes, points, rng):
    """Clouds about the corners of a regular simplex, with one coordinate in which all points lie at 0.1."""
    corners = np.eye(classes) - 1 / classes
    y = np.repeat(np.arange(classes), points)
    spread = 0.02 * rng.standard_normal((len(y), classes))
    return Dataset(np.column_stack([corners[y] + spread, np.full(len(y), 0.1)]), y)


def loosened(network, rng):
    """The same with units that no point activates and readout columns in which only the order is right."""
    W, Z = (np.array(w) for w in network.weights)
    Z += rng.uniform(0.01, 1.0, Z.shape[1])
    dead = np.column_stack([np.zeros((2, W.shape[1] - 1)), [-1.0, 0.0]])
    return Network((np.vstack([W, dead]), np.column_stack([Z, rng.standard_normal((len(Z), 2))])))


@pytest.mark.parametrize("lr", [0.01, 0.5, 5.0])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classes_are_independent_under_the_primed_assumptions(classes, lr):
    rng = np.random.default_rng(classes)
    points = simplex(classes, 6, rng)
    network = init.class_aligned(points, 4 * classes, initial=0.01, imbalance=0.05, rng=rng)
    assert points.check_assumptions(network)
    network = loosened(network, rng)
    found = points.check_assumptions(network)
    assert [a.name for a in found.failed] == ["H5", "H6"] and found.independent
    moved, flipped, last = learn_one_class_at_a_time(points, network, lr, 400, rng)
    assert (moved, flipped) == (0.0, 0)
    end = points.check_assumptions(last)
    assert end.independent and end.H5.violations == 2
    np.testing.assert_array_equal(last.W[-2:], network.W[-2:])
    np.testing.assert_array_equal(last.Z[:, -2:], network.Z[:, -2:])
    # And it was learnt: an unmoved network would be independent too.
    won = last.logits(points.X)[np.arange(len(points)), points.y.astype(int)]
    assert np.mean(won - network.logits(points.X)[np.arange(len(points)), points.y.astype(int)]) > 2 * lr / 5


def test_a_wrong_order_of_the_readout_breaks_it():
    """Without (H6') a unit is pushed off its own points: where the readout is large enough, gates close."""
    rng = np.random.default_rng(0)
    points = simplex(3, 6, rng)
    network = init.class_aligned(points, 6, initial=0.1, rng=rng)
    network = Network((network.W, 3 * np.roll(network.Z, 1, axis=0)))
    assert [a.name for a in points.check_assumptions(network).failed] == ["H6", "H6'"]
    assert learn_one_class_at_a_time(points, network, 0.5, 400, rng)[1] > 0


def test_acute_angles_across_classes_break_it():
    """Without (H4) a unit that grows along its own class opens on another."""
    points = Dataset([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]], [0, 1, 2])
    network = Network(([[0.1, -0.2], [-0.1, 0.2], [-0.1, 0.0]], np.eye(3)))
    found = points.check_assumptions(network)
    assert not found.H4 and "H4'" not in found and not found.independent
    assert "H4" in [a.name for a in found.obstacles]
    moved, flipped, _ = learn_one_class_at_a_time(points, network, 0.5, 400, np.random.default_rng(0))
    assert moved > 0 and flipped > 0


# ---- orthogonal points within a class: (H1'), (H4') -------------------------------------------------------


def test_orthogonal_points_are_listed_beside_h1():
    found = data.orthogonal_class(3).check_assumptions()
    assert names(found) == ["H1", "H1'"]
    assert (found.H1.holds, found["H1'"].holds, bool(found), found.independent) == (False, True, False, True)
    assert found.failed == (found.H1,) and found.obstacles == ()
    weak = found["H1'"]
    assert (weak.violations, weak.total, weak.margin, weak.offenders.shape) == (0, 15, 0.0, (0, 2))
    assert str(weak) == (
        "H1' holds for all 15 pairs (inner products >= 0 within a class, <= 0 across); "
        "margin of safety 0: points 0 and 1, both +1"
    )
    assert list(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == ["H1", "H1'"]


@pytest.mark.parametrize(
    "points",
    [
        Dataset([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1, 1, -1]),  # across classes, too
        Dataset([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.1], [-1.0, -1.0]], [1, 1, 1, -1]),  # obtuse within the class
        Dataset([[1.0, 0.0], [0.0, 0.0], [-1.0, -1.0]], [1, 1, -1]),  # a point at the origin
        Dataset([[1.0, 0.0], [1.0, 1.0], [-1.0, -1.0]], [1, 1, -1]),  # (H1) itself holds
        Dataset([[1e16, 1.0, -1e16], [1.0, -1.0, 1.0], [-1.0, 0.0, 0.0]], [1, 1, -1]),  # -1, in float64 0
    ],
)
def test_it_is_listed_for_exact_zeros_within_a_class_only(points):
    assert names(points.check_assumptions()) == ["H1"]


def test_exact_zeros_of_inexact_products():
    """0.1 x 0.3 - 0.3 x 0.1 is 0, though its products are rounded; one unit in the last place makes it not so."""
    exact = Dataset([[0.1, 0.3], [0.3, -0.1], [-1.0, -1e-3]], [1, 1, -1])
    assert "H1'" in exact.check_assumptions()
    for towards in (0.0, 1.0):
        X = np.array(exact.X)
        X[0, 0] = np.nextafter(0.1, towards)
        found = Dataset(X, exact.y).check_assumptions()
        assert names(found) == ["H1"] and found.H1.holds is (towards == 1.0)


def test_class_ids_with_orthogonal_points():
    points = Dataset([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0, 0, 1])
    found = points.check_assumptions(Network(([[1.0, 1.0], [-1.0, 0.0]], np.eye(2))))
    assert names(found) == ["H4", "H4'", "H5", "H5'", "H6", "H6'"]
    assert not found and found.independent


@pytest.mark.parametrize("lr", [0.01, 0.5, 5.0])
@pytest.mark.parametrize("ids", [False, True])
def test_classes_of_orthogonal_points_are_independent(ids, lr):
    """Points of class -1 obtuse to some of class +1 as well; a step on one point leaves its fellows' gates."""
    X = np.vstack([2 * np.eye(4)[:3], [[0.0, -1.0, -1.0, 1.0], [-1.0, 0.0, 0.0, 2.0]]])
    y = np.array([1, 1, 1, -1, -1])
    points = Dataset(X, np.where(y > 0, 0, 1) if ids else y)
    network = init.class_aligned(points, 8, initial=0.01, imbalance=0.1, rng=0)
    found = points.check_assumptions(network)
    assert found.independent and [a.name for a in found.failed] == ["H4" if ids else "H1"]
    moved, flipped, last = learn_one_class_at_a_time(points, network, lr, 300, np.random.default_rng(1))
    assert (moved, flipped) == (0.0, 0) and points.check_assumptions(last).independent


def test_orthogonal_is_exact():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    assert orthogonal(3 * np.eye(5)[:2]) and orthogonal(np.eye(4) * 1e-200) and orthogonal(np.eye(4) * 1e200)
    assert orthogonal(np.array([[0.1, 0.3], [0.3, -0.1]]))
    assert not orthogonal(rotation)  # by 1e-17
    assert not orthogonal(np.eye(5)[:1])
    assert not orthogonal(np.diag([1.0, 1.0, 1.0 + 1e-14]))
    assert not orthogonal(np.vstack([np.eye(2), np.eye(2)]))
    assert not orthogonal(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert orthogonal(np.eye(900)[:800])


# ---- depth 1 and depth 3 ----------------------------------------------------------------------------------


def test_depth_1_needs_right_angles_across_classes():
    v = Network(([0.3, -0.2, 0.1],))
    found = TWO.check_assumptions(v)
    assert names(found) == ["H1", SHARED] == ["H1", "H1 (depth 1)"]
    assert found and found.independent
    assert str(found[SHARED]) == (
        "H1 (depth 1) holds for the one pair (inner products 0 across classes, which share the weights); "
        "margin of safety 0: points 0 and 1, +1 and -1"
    )


@pytest.mark.parametrize(
    ("X", "y", "violations", "total", "independent"),
    [
        ([[1.0, 0.0], [-1.0, 0.0]], [1, -1], 1, 1, False),
        ([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], [1, 1, -1], 1, 2, False),
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]], [1, 1, -1], 0, 2, True),  # (H1) is not needed
        ([[0.1, 0.3], [0.3, -0.1]], [1, -1], 0, 1, True),
    ],
)
def test_depth_1_on_the_plane(X, y, violations, total, independent):
    found = Dataset(X, y).check_assumptions(Network((np.ones(2),)))
    assert (found[SHARED].violations, found[SHARED].total) == (violations, total)
    assert found.independent is independent
    assert [a.name for a in found.obstacles] == [SHARED] * (not independent)
    assert found[SHARED].margin == 0 if independent else found[SHARED].margin < 0
    before, weights = networks.forward([np.ones(2)], np.array(X))[0], [np.ones(2)]
    mask = np.array(y) > 0
    after = networks.forward(step(weights, Dataset(X, y), np.flatnonzero(mask), 0.5), np.array(X))[0]
    # Two products of the rounded v with rounded coordinates.
    same = np.abs(after - before)[~mask].max() < 4 * np.finfo(float).eps
    assert same is np.bool_(independent)


@pytest.mark.parametrize(
    ("inner", "Z", "holds", "margin"),
    [
        ([0.5, 0.25], [1.0, -1.0], True, 0.25),
        ([0.5, 2.0], [0.125, -1.0], True, 0.125),
        ([0.5, 0.0], [1.0, -1.0], False, 0.0),
        ([-0.5, 1.0], [1.0, -1.0], False, -0.5),
        ([0.5, 1.0], [1.0, 1.0], False, -1.0),
    ],
)
def test_inner_weights_must_be_positive(inner, Z, holds, margin):
    found = TWO.check_assumptions(Network(([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], inner, [3.0, 3.0], Z)))
    assert names(found) == ["H1", "H2", "H3"]
    assert found.H2 and found.H3.holds is holds and found.independent is holds
    assert [a.name for a in found.obstacles] == ["H3"] * (not holds)
    assert found.H3.margin == margin
    assert "(output weight of the sign of the unit's class, inner weights positive)" in str(found.H3)


def test_the_inner_weight_of_a_unit_without_a_class_is_not_judged():
    W = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.0]]
    found = TWO.check_assumptions(Network((W, [1.0, 1.0, -1.0], [1.0, -1.0, 1.0])))
    assert found.H3 and found.H2.offenders.tolist() == [[2]] and not found.independent


@pytest.mark.parametrize("lr", [0.01, 0.5, 5.0])
@pytest.mark.parametrize("depth", [3, 5])
def test_classes_of_deep_diagonal_networks_are_independent(depth, lr):
    points = data.gaussian_classes(6, dimension=3, spread=0.1, rng=1)
    rng = np.random.default_rng(depth)
    network = init.class_aligned(points, 8, initial=0.1, depth=depth, rng=rng)
    # Nothing in the proof needs the layers to be alike.
    network = Network([w * rng.uniform(0.5, 1.5, w.shape[:1] + (1,) * (w.ndim - 1)) for w in network.weights])
    found = points.check_assumptions(network)
    assert found and found.independent
    moved, flipped, last = learn_one_class_at_a_time(points, network, lr, 200, rng)
    assert (moved, flipped) == (0.0, 0)
    assert points.check_assumptions(last)
    for label in LABELS:
        mask = points.mask(label)
        assert np.all(label * (last.logits(points.X) - network.logits(points.X))[mask] > 0)
