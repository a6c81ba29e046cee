"""`class_aligned` beyond one hidden layer and two classes: its starts, and the laws they are meant for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit

from dynsim import flow, init, train
from dynsim.checks import AssumptionError
from dynsim.data import gaussian_classes, orthogonal_class, orthogonal_classes, point_classes
from dynsim.dataset import LABELS, Dataset

EPS = np.finfo(float).eps


def rotated(data, dimension, seed=5):
    """The same points in more dimensions, no coordinate 0."""
    X = np.pad(data.X, ((0, 0), (0, dimension - data.dimension)))
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))[0]
    return Dataset(X @ rotation, data.y, data.weights)


# ---- softmax ----------------------------------------------------------------------------------------------

#: Rows of +1 and -1, orthogonal to each other without any rounding.
HADAMARD = np.kron([[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0], [1.0, -1.0]])
SOFTMAX = {
    "2 classes": orthogonal_classes((0.7, 1.9), (0.6, 0.3)),
    "3 classes": orthogonal_classes((0.7, 1.9, 1.0), (0.6, 0.3, 0.2)),
    "3 in 4 dimensions": Dataset(HADAMARD[:3] * [[0.35], [0.95], [0.5]], [0, 1, 2], (0.6, 0.3, 0.2)),
    "10 classes": orthogonal_classes(np.linspace(0.5, 2, 10), np.linspace(0.01, 0.2, 10)),
}


def modes_of(network, data, c):
    """a = w.x/|x|, the length of the readout column, and |x| sqrt(C/(C-1)) of the units k = c mod C."""
    x, C = data.mean(c), data.classes
    norm = np.linalg.norm(x)
    own = slice(c, None, C)
    return network.W[own] @ x / norm, np.linalg.norm(network.Z[:, own], axis=0), norm * np.sqrt(C / (C - 1))


@pytest.mark.parametrize("name", SOFTMAX)
@pytest.mark.parametrize(("initial", "imbalance"), [(1e-3, 0.0), (0.2, 0.5), (3.0, 1e-3)])
@pytest.mark.parametrize("factor", [1, 3])
def test_a_softmax_starts_where_asked(name, initial, imbalance, factor):
    data = SOFTMAX[name]
    C, hidden = data.classes, factor * data.classes + (factor > 1)
    u0, wanted = initial * np.linspace(1, 2, C), imbalance * np.linspace(2, 1, C)
    network = init.class_aligned(data, hidden, initial=u0, imbalance=wanted, rng=1)
    assert (network.W.shape, network.Z.shape) == ((hidden, data.dimension), (C, hidden))
    found = data.check_assumptions(network)
    assert found and found.independent
    logits = network.logits(data.X)
    # Products of d + 1 factors, sums of d and of hidden positive terms, some 20 roundings in the builder.
    roundings = (hidden + 4 * data.dimension + 30) * EPS
    for c in range(C):
        lead = logits[c, c] - np.delete(logits[c], c)
        np.testing.assert_allclose(lead, u0[c], rtol=roundings, atol=0)
        a, z, norm = modes_of(network, data, c)
        assert norm * np.sum(a * z) == pytest.approx(u0[c], rel=roundings, abs=0)
        measured = norm / 2 * np.linalg.norm(a + z) * np.linalg.norm(a - z)
        assert abs(measured - wanted[c]) <= roundings * np.hypot(u0[c], wanted[c])
        column = network.Z[:, c]
        np.testing.assert_allclose(column, column[c] / (1 - 1 / C) * (np.eye(C)[c] - 1 / C), rtol=8 * EPS)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(SOFTMAX)),
    initial=st.floats(-200, 2).map(lambda e: 10.0**e),
    imbalance=st.one_of(st.just(0.0), st.floats(-8, 4).map(lambda e: 10.0**e)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_start_of_a_softmax_is_met(name, initial, imbalance, seed):
    data = SOFTMAX[name]
    network = init.class_aligned(data, 20, initial=initial, imbalance=imbalance, rng=seed)
    assert data.check_assumptions(network)
    logits = network.logits(data.X)
    for c in range(data.classes):
        lead = logits[c, c] - np.delete(logits[c], c)
        np.testing.assert_allclose(lead, initial, rtol=(4 * data.dimension + 50) * EPS, atol=0)


@pytest.mark.parametrize("imbalance", [0.0, 0.4])
@pytest.mark.parametrize("lr", [0.05, 3.0])
def test_its_margins_follow_the_map_of_two_numbers(lr, imbalance):
    """m <- m (1 + e^2) + 2 e R, R <- R (1 + e^2) + 2 e m with e = lr p |x| sqrt(C/(C-1)) (1 - softmax)."""
    data = SOFTMAX["3 in 4 dimensions"]
    network = init.class_aligned(data, 7, initial=(0.01, 0.02, 0.3), imbalance=imbalance, rng=2)
    steps = 300
    logits = train(network, data, lr=lr, steps=steps, record="all").logits
    C = 3
    for c in range(C):
        norm = np.linalg.norm(data.X[c]) * np.sqrt(C / (C - 1))
        m, R = (0.01, 0.02, 0.3)[c], np.hypot((0.01, 0.02, 0.3)[c], imbalance)
        for k in range(steps + 1):
            lead = logits[k, c, c] - np.delete(logits[k, c], c)
            # A relative error of m shrinks, as the pull does; each step adds some 20 roundings (d = 4, 3 units).
            np.testing.assert_allclose(lead, m, rtol=20 * (k + 4) * EPS)
            e = lr * data.weights[c] * norm * (C - 1) / (C - 1 + np.exp(m))
            m, R = m * (1 + e * e) + 2 * e * R, R * (1 + e * e) + 2 * e * m


def test_several_points_a_class_and_acute_simplices():
    """Three clouds 120 degrees apart in the plane: the others' mean need not lie behind the cone."""
    angles = 2 * np.pi / 3 * np.arange(3) + np.random.default_rng(0).uniform(-0.2, 0.2, (4, 3))
    X = np.stack([np.cos(angles), np.sin(angles)], -1).reshape(-1, 2)
    data = Dataset(X, np.tile([0, 1, 2], 4))
    network = init.class_aligned(data, 60, initial=(0.1, 0.2, 0.3), rng=0)
    assert data.check_assumptions(network)
    for c, u0 in enumerate((0.1, 0.2, 0.3)):
        logits = network.logits(data.mean(c)[None])[0]
        np.testing.assert_allclose(logits[c] - np.delete(logits, c), u0, rtol=200 * EPS)
        directions = network.W[c::3] / np.linalg.norm(network.W[c::3], axis=1, keepdims=True)
        assert np.linalg.svd(directions, compute_uv=False)[-1] > 1e-3  # not all parallel


def test_a_cone_without_inside():
    """Classes at e2 and -e2: a unit of the class at e1 has w.e2 = 0, exactly."""
    data = Dataset([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0, 1, 2])
    found = data.check_assumptions(init.class_aligned(data, 9, rng=0))
    assert found and found.H5.margin == 0


def test_softmax_cones_that_are_empty():
    data = Dataset([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1, 2], class_names=("a", "b", "c"))
    with pytest.raises(AssumptionError, match=r"^\(H5\) cannot hold: .* of class c and on no other; use"):
        init.class_aligned(data, 6, rng=0)


# ---- depth 3 and more -------------------------------------------------------------------------------------

DEEP = {
    "1d": point_classes((0.7, 1.9), (0.6, 0.3)),
    "120 degrees": point_classes((0.7, 1.9), (0.6, 0.3), 120.0),
    "5d": rotated(point_classes((0.7, 1.9), (0.6, 0.3), 120.0), 5),
    "clouds": gaussian_classes((30, 20), dimension=3, rng=1),
    "orthogonal": orthogonal_class((3, 2), 0.8),
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("depth", [3, 4, 8])
@pytest.mark.parametrize("hidden", [2, 5, 32])
def test_every_layer_of_a_class_has_one_size(name, depth, hidden):
    data = DEEP[name]
    network = init.class_aligned(data, hidden, initial=(0.02, 3.0), depth=depth, rng=hidden)
    assert network.widths == (hidden,) * (depth - 1) and network.classes is None
    assert all(network.is_diagonal(i) for i in range(1, depth - 1))
    found = data.check_assumptions(network)
    assert found.independent and found.H2 and found.H3
    for c, (label, u0) in enumerate(zip(LABELS, (0.02, 3.0), strict=True)):
        x = data.mean(label)
        norm, own = np.linalg.norm(x), slice(c, None, 2)
        units = network.Z[own].size
        r = (u0 / (norm * units)) ** (1 / depth)
        np.testing.assert_allclose(network.W[own] @ x / norm, r, rtol=(4 * data.dimension + 12) * EPS)
        for layer in (*network.weights[1:-1], label * network.Z):
            np.testing.assert_allclose(layer[own], r, rtol=12 * EPS)
            assert np.all(layer[own] == layer[own][0])
        # The error of r counts depth times.
        bound = (12 * depth + 4 * data.dimension + units) * EPS
        assert label * network.logits(x[None])[0] == pytest.approx(u0, rel=bound, abs=0)


@pytest.mark.parametrize("depth", [3, 4, 8])
def test_directions_of_deep_networks_are_random(depth):
    network = init.class_aligned(DEEP["5d"], 40, depth=depth, rng=0)
    for part in (network.W[::2], network.W[1::2]):
        s = np.linalg.svd(part / np.linalg.norm(part, axis=1, keepdims=True), compute_uv=False)
        assert s[-1] > 1e-6 * s[0]


@pytest.mark.parametrize("initial", [1e-250, 1e-12, 1e3])
def test_extreme_logits_of_deep_networks(initial):
    data = DEEP["5d"]
    network = init.class_aligned(data, 10, initial=initial, depth=5, rng=0)
    np.testing.assert_allclose(data.y * network.logits(data.X), initial, rtol=100 * EPS)


@pytest.mark.parametrize("name", ["5d", "orthogonal"])
@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("lr", [0.05, 0.5])
def test_chains_stay_alike(name, depth, lr):
    """r <- r + lr p |x| g(u) r^(N-1), u = |x| h r^N, in every layer of every unit: the exact map."""
    data = DEEP[name]
    network = init.class_aligned(data, 7, initial=(0.3, 0.1), depth=depth, rng=3)
    run = train(network, data, lr=lr, steps=200, record="all")
    for c, (label, u0, units) in enumerate([(1, 0.3, 4), (-1, 0.1, 3)]):
        norm, mask = np.linalg.norm(data.mean(label)), data.mask(label)
        r = (u0 / (norm * units)) ** (1 / depth)
        for k in range(201):
            u = norm * units * r**depth
            # A step rounds a layer of a chain some 5 times, and there are N of them.
            np.testing.assert_allclose(label * run.logits[k, mask], u, rtol=5 * depth * (k + 4) * EPS)
            if k < 200:
                r += lr * data.rate(label) * expit(-u) * r ** (depth - 1)
        for layer in (*run.network.weights[1:-1], label * run.network.Z):
            np.testing.assert_allclose(layer[c::2], r, rtol=5 * 204 * EPS)


@pytest.mark.parametrize("depth", [3, 4])
def test_the_flow_of_the_chains_is_one_equation(depth):
    """du/dt = N p |x|^(2/N) h^(2/N - 1) u^(2 - 2/N) g(u) (App. B (v2)), h the units of the class."""
    data = DEEP["120 degrees"]
    network = init.class_aligned(data, 6, initial=(0.3, 0.1), depth=depth, rng=3)
    u = np.array([1.5, 2.0])
    for c, (label, start) in enumerate([(1, 0.3), (-1, 0.1)]):
        rate = depth * data.frequency(label) * np.linalg.norm(data.X[c]) ** (2 / depth) * 3 ** (2 / depth - 1)
        time = quad(lambda v: v ** (2 / depth - 2) * (1 + np.exp(v)), start, u[c], epsabs=0, epsrel=1e-12)[0] / rate
        reached = label * flow(network, data, times=[0.0, time]).logits[-1, c]
        # du/dt times the error of the time, and the solver's rtol 1e-10 with room for what it adds up to.
        assert reached == pytest.approx(u[c], rel=1e-8)


@pytest.mark.parametrize("depth", [1, 3, 4])
def test_only_one_hidden_layer_can_be_imbalanced(depth):
    with pytest.raises(ValueError, match=rf"imbalance must be 0 at depth {depth}, where .*, got 0\.5$"):
        init.class_aligned(DEEP["120 degrees"], 4, imbalance=(0.0, 0.5), depth=depth, rng=0)
    init.class_aligned(DEEP["120 degrees"], 4, imbalance=0.0, depth=depth, rng=0)


# ---- depth 1 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["120 degrees", "5d", "clouds", "orthogonal"])
@pytest.mark.parametrize("initial", [1e-3, (0.2, 7.0), 1e-200])
def test_logistic_regression_has_the_margins_and_no_more(name, initial):
    data = DEEP[name]
    network = init.class_aligned(data, 1, initial=initial, depth=1, rng=0)
    assert (network.depth, network.Z.shape) == (1, (data.dimension,))
    if name == "clouds":  # nearly opposite means: the rounding of v counts by 1/sin of their angle
        tolerance = 1e-12
    else:
        tolerance = (4 * data.dimension + 32) * EPS
    means = np.stack([data.mean(label) for label in LABELS])
    got = np.array(LABELS) * network.logits(means)
    np.testing.assert_allclose(got, np.broadcast_to(initial, 2), rtol=tolerance)
    # The shortest one has nothing outside the plane of the means.
    plane = np.linalg.qr(means.T)[0]
    v = network.Z / np.abs(network.Z).max()
    assert np.linalg.norm(v - plane @ (plane.T @ v)) < 100 * EPS * np.linalg.norm(v)


def test_logistic_regression_on_opposite_means():
    data = point_classes((1.0, 2.0), (0.5, 0.5), dimension=3)
    network = init.class_aligned(data, 4, initial=(0.25, 0.5), depth=1, rng=0)
    np.testing.assert_allclose(network.Z, [0.25, 0.0, 0.0], rtol=4 * EPS)
    for initial in (0.25, (0.25, 0.5 * (1 + 1e-9))):
        with pytest.raises(ValueError, match=r"initial must be a margin .*opposite with margins in the ratio"):
            init.class_aligned(data, 4, initial=initial, depth=1, rng=0)
    nearly = Dataset([[1.0, 0.0], [-2.0, 1e-12]], [1, -1])
    with pytest.raises(ValueError, match=r"^initial must be a margin that one weight vector"):
        init.class_aligned(nearly, 4, initial=0.25, depth=1, rng=0)
    rounded = rotated(point_classes((0.7, 1.9), (0.5, 0.5)), 5)
    init.class_aligned(rounded, 4, initial=(0.7, 1.9), depth=1, rng=0)
    with pytest.raises(ValueError, match=r"at means of length 0\.7 and 1\.9$"):
        init.class_aligned(rounded, 4, initial=1.0, depth=1, rng=0)


@pytest.mark.parametrize("X", [[[1.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_logistic_regression_without_a_solution(X):
    with pytest.raises(ValueError, match=r"^initial must be a margin that one weight vector \(depth 1\) can have"):
        init.class_aligned(Dataset(X, [1, -1]), 4, initial=(0.25, 0.5), depth=1, rng=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, r"depth must be an integer of at least 1, got 0$"),
        ({"depth": 2.0}, r"depth must be an integer of at least 1, got 2\.0$"),
        ({"depth": 1, "hidden": 0}, r"hidden must be an integer of at least 1, got 0$"),
        ({"depth": 3, "hidden": 1}, r"hidden must be an integer of at least 2, got 1$"),
        ({"data": SOFTMAX["3 classes"], "depth": 3}, r"depth must be 2 .* with class ids .*got 3$"),
        ({"data": SOFTMAX["3 classes"], "depth": 1}, r"depth must be 2 \(one hidden layer\) .*got 1$"),
        ({"data": SOFTMAX["3 classes"], "hidden": 2}, r"hidden must be an integer of at least 3, got 2$"),
        (
            {"data": SOFTMAX["3 classes"], "initial": (1.0, 2.0)},
            r"initial must be one number or one a class \(3\), got shape \(2,\)$",
        ),
        ({"data": [[1.0]]}, r"data must be a Dataset, got list$"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        init.class_aligned(**{"data": DEEP["1d"], "hidden": 4, "rng": 0} | change)


# ---- classes of orthogonal points (A.7 (v2)) --------------------------------------------------------------

ORTHOGONAL = {
    "axes": orthogonal_class((4, 3), (0.7, 1.1)),
    "opposite": Dataset(np.vstack([2 * np.eye(3), -np.eye(3)]), [1] * 3 + [-1] * 3),
    "one of each": Dataset(np.vstack([np.eye(4)[:3], [[-1.0, -1.0, 0.0, 0.3]]]), [1, 1, 1, -1]),
    "inexact": Dataset([[0.1, 0.3, 0, 0], [0.3, -0.1, 0, 0], [0, 0, 1.0, 0]], [1, 1, -1]),
}


@pytest.mark.parametrize("name", ORTHOGONAL)
@pytest.mark.parametrize("imbalance", [0.0, 0.5])
@pytest.mark.parametrize("depth", [2, 3])
def test_orthogonal_points_share_one_margin(name, imbalance, depth):
    data = ORTHOGONAL[name]
    C = imbalance if depth == 2 else 0.0
    network = init.class_aligned(data, 12, initial=(0.02, 0.3), imbalance=C, depth=depth, rng=0)
    found = data.check_assumptions(network)
    assert found.independent and found.H2 and found.H3
    margin = data.y * network.logits(data.X)
    np.testing.assert_allclose(margin, np.where(data.y > 0, 0.02, 0.3), rtol=120 * EPS)
    for label in LABELS:
        mask = data.mask(label)
        if mask.sum() > 1:
            Y = network.W[label * network.Z > 0] @ data.X[mask].T
            np.testing.assert_allclose(Y, Y[:, :1] * np.ones(mask.sum()), rtol=20 * EPS)
    if depth == 2:
        a = network.W @ data.mean(1) / np.linalg.norm(data.mean(1))
        a, z = a[::2], network.Z[::2]
        measured = np.linalg.norm(data.mean(1)) / 2 * np.linalg.norm(a + z) * np.linalg.norm(a - z)
        assert measured == pytest.approx(imbalance, rel=50 * EPS, abs=50 * EPS * 0.02)


def test_units_of_orthogonal_points_are_not_all_alike():
    """They differ off the points of their own class, where there is room."""
    network = init.class_aligned(rotated_copy(ORTHOGONAL["axes"], 9), 40, rng=0)
    directions = network.W[::2] / network.Z[::2, None]
    assert np.linalg.matrix_rank(directions - directions.mean(0), tol=1e-3) == 3 + 2


def test_what_is_random_about_them_keeps_to_the_cone():
    """Class -1 on both sides of the plane of class +1: the step out of the plane is cut short, not given up."""
    data = Dataset([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, -0.5]], [1, 1, -1, -1])
    network = init.class_aligned(data, 200, rng=0)
    found = data.check_assumptions(network)
    assert found.independent
    # In units of y the third coordinate is at most 1 for the one point and -2 for the other.
    third = network.W[::2, 2] / network.W[::2, 0]
    assert -2 < third.min() < -0.3 and 0.3 < third.max() < 1 and np.all(third != 0)
    np.testing.assert_allclose(network.W[::2, 0], network.W[::2, 1], rtol=20 * EPS)


def rotated_copy(data, dimension):
    """More dimensions without any rotation: inner products stay exactly 0."""
    return Dataset(np.pad(data.X, ((0, 0), (0, dimension - data.dimension))), data.y, data.weights)


@pytest.mark.parametrize("lr", [0.05, 1.0])
def test_orthogonal_points_are_learnt_as_one_input(lr):
    """A.7 (v2): rate sqrt(m) |x| with weight 1 a point; the exact map, whatever the imbalance, on every point."""
    data = ORTHOGONAL["axes"]
    network = init.class_aligned(data, 10, initial=(0.02, 0.3), imbalance=(0.1, 0.0), rng=1)
    run = train(network, data, lr=lr, steps=150, record="all")
    margin = data.y * run.logits
    for label, u, C, m, norm in ((1, 0.02, 0.1, 4, 0.7), (-1, 0.3, 0.0, 3, 1.1)):
        R = np.hypot(u, C)
        for k in range(151):
            np.testing.assert_allclose(margin[k, data.mask(label)], u, rtol=20 * (k + 4) * EPS)
            e = lr * np.sqrt(m) * norm * expit(-u)
            u, R = u * (1 + e * e) + 2 * e * R, R * (1 + e * e) + 2 * e * u


def test_where_the_weaker_assumption_fails_the_mean_point_is_met():
    """Class -1 lies at an acute angle to the sum of the orthogonal points of class +1, but not in their cone."""
    data = Dataset([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 2.0, -1.0]], [1, 1, -1])
    network = init.class_aligned(data, 12, initial=0.1, rng=0)
    found = data.check_assumptions(network)
    assert "H1'" not in found and found.H2 and found.H3
    means = np.stack([data.mean(label) for label in LABELS])
    np.testing.assert_allclose(LABELS * network.logits(means), 0.1, rtol=100 * EPS)


def test_a_class_of_orthogonal_points_beside_others_in_a_softmax():
    data = Dataset(2 * np.eye(5), [0, 0, 1, 1, 2], np.ones(5))
    network = init.class_aligned(data, 9, initial=(0.1, 0.2, 0.3), imbalance=0.2, rng=0)
    found = data.check_assumptions(network)
    assert found.independent and [a.name for a in found.failed] == ["H4"]
    logits = network.logits(data.X)
    for i, c in enumerate((0, 0, 1, 1, 2)):
        np.testing.assert_allclose(logits[i, c] - np.delete(logits[i], c), 0.1 * (c + 1), rtol=100 * EPS)
