"""Initial networks: what `class_aligned` promises it keeps, to round-off, whatever the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_iris

from dynsim import init, train
from dynsim.checks import AssumptionError
from dynsim.data import gaussian_classes, point_classes
from dynsim.dataset import LABELS, Dataset

EPS = np.finfo(float).eps


def two_points(dimension=1, angle=180.0):
    """Points of unequal norm and frequency; in 3 or more dimensions no coordinate is 0."""
    data = point_classes(norms=(0.7, 1.9), frequencies=(0.6, 0.3), angle=angle, dimension=dimension)
    if dimension < 3:
        return data
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(dimension, dimension)))[0]
    return Dataset(data.X @ rotation, data.y, data.weights)


def iris(classes=(0, 2)):
    """Setosa (class +1) and virginica, the midpoint of the class means at the origin."""
    X, species = load_iris(return_X_y=True)
    chosen = np.isin(species, classes)
    return Dataset(X[chosen], np.where(species[chosen] == classes[0], 1, -1)).centered()


def coordinates(network, data, label):
    """a = w.x/|x| and z = |Z| of the class's units, x its mean point, written out."""
    own = label * network.Z > 0
    x = data.X[data.y == label].mean(0)
    return network.W[own] @ x / np.linalg.norm(x), label * network.Z[own], np.linalg.norm(x)


def logit_of(network, data, label):
    a, z, norm = coordinates(network, data, label)
    return norm * np.sum(a * z)


def imbalance_of(network, data, label):
    """C = (|x|/2) sqrt(S D); the root of each factor, for S D may underflow."""
    a, z, norm = coordinates(network, data, label)
    return norm / 2 * np.linalg.norm(a + z) * np.linalg.norm(a - z)


DATA = {
    "1d": two_points(),
    "2d 90": two_points(2, 90.0),
    "2d 120": two_points(2, 120.0),
    "2d 180": two_points(2),
    "5d 90": two_points(5, 90.0),
    "5d 120": two_points(5, 120.0),
    "5d 180": two_points(5),
    "repeated": Dataset(np.repeat(two_points(2, 120.0).X, [4, 3], axis=0), [1] * 4 + [-1] * 3),
    "clouds": gaussian_classes((30, 20), dimension=3, rng=1),
    "iris": iris(),
}


def meets(network, data, label, u0, C):
    """u0 = |x| sum a z has positive terms only: each factor takes some 2 d + 12 roundings, the sum one a unit.

    C is known to the rounding of R = hypot(u0, C) only, for the differences a - z cancel where C is far below u0.
    """
    roundings = (network.hidden + 4 * data.dimension + 24) * EPS
    assert abs(logit_of(network, data, label) - u0) <= roundings * u0
    assert abs(imbalance_of(network, data, label) - C) <= roundings * np.hypot(u0, C)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(("initial", "imbalance"), [(1e-3, 0.0), (0.2, 0.5), ((1e-3, 2.0), (10.0, 0.0))])
@pytest.mark.parametrize("hidden", [2, 3, 16, 64])
def test_it_satisfies_the_assumptions_and_starts_where_asked(name, initial, imbalance, hidden):
    data = DATA[name]
    network = init.class_aligned(data, hidden, initial=initial, imbalance=imbalance, rng=hidden)
    assert (network.W.shape, network.Z.shape) == ((hidden, data.dimension), (hidden,))
    found = data.check_assumptions(network)
    assert found.H1 and found.H2 and found.H3
    assert (network.Z > 0).tolist() == [k % 2 == 0 for k in range(hidden)]
    for c, label in enumerate(LABELS):
        meets(network, data, label, np.broadcast_to(initial, 2)[c], np.broadcast_to(imbalance, 2)[c])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    name=st.sampled_from(sorted(DATA)),
    hidden=st.integers(2, 20),
    initial=st.tuples(*[st.floats(-290, 3).map(lambda e: 10.0**e)] * 2),
    imbalance=st.tuples(*[st.one_of(st.just(0.0), st.floats(-12, 8).map(lambda e: 10.0**e))] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_start_is_met(name, hidden, initial, imbalance, seed):
    """u0 from 1e-290 on, C up to 1e8: u0/C is still a normal float64."""
    data = DATA[name]
    network = init.class_aligned(data, hidden, initial=initial, imbalance=imbalance, rng=seed)
    assert data.check_assumptions(network)
    for label, u0, C in zip(LABELS, initial, imbalance, strict=True):
        meets(network, data, label, u0, C)


@pytest.mark.parametrize("initial", [1e-300, 1e-12, 1.0, 1e3])
@pytest.mark.parametrize("name", ["1d", "5d 120", "iris"])
def test_extreme_starts_at_full_accuracy(name, initial):
    data = DATA[name]
    network = init.class_aligned(data, 9, initial=initial, rng=0)
    for label in LABELS:
        assert logit_of(network, data, label) == pytest.approx(initial, rel=30 * EPS, abs=0)


@pytest.mark.parametrize("imbalance", [1e-6, 1e-3, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("name", ["1d", "5d 120", "iris"])
def test_extreme_imbalances_at_full_accuracy(name, imbalance):
    """C^2 = (R - u0)(R + u0): below u0 the relative error of C is (u0/C)^2 times that of R."""
    data, u0 = DATA[name], 0.1
    network = init.class_aligned(data, 9, initial=u0, imbalance=imbalance, rng=0)
    for label in LABELS:
        bound = 40 * EPS * (1 + u0 / imbalance)
        assert imbalance_of(network, data, label) == pytest.approx(imbalance, rel=bound, abs=0)
        # The terms a z of the logit are all positive: u0 keeps its own accuracy beside any C.
        assert logit_of(network, data, label) == pytest.approx(u0, rel=40 * EPS, abs=0)


def test_the_logit_of_a_class_of_one_input_is_the_logit_of_its_points():
    for name in ("1d", "2d 90", "2d 120", "5d 180", "repeated"):
        data = DATA[name]
        network = init.class_aligned(data, 12, initial=(0.25, 3.0), imbalance=(1.0, 0.0), rng=4)
        want = np.where(data.y > 0, 0.25, -3.0)
        np.testing.assert_allclose(network.logits(data.X), want, rtol=40 * EPS * 5, atol=0)


def test_with_several_points_a_class_starts_at_its_mean_point_and_every_point_is_correct():
    data = iris()
    network = init.class_aligned(data, 64, initial=(1e-3, 0.2), rng=0)
    margin = data.y * network.logits(data.X)
    assert np.all(margin > 0)
    # f is linear on a class while no gate flips, so f of the mean is the mean of f.
    for label, u0 in zip(LABELS, (1e-3, 0.2), strict=True):
        assert margin[data.y == label].mean() == pytest.approx(u0, rel=100 * EPS)


@pytest.mark.parametrize("name", ["2d 90", "2d 120", "5d 120", "clouds", "iris"])
def test_directions_are_random_inside_the_cone(name):
    """The units of a class are not parallel: their directions span the space, also in the plane of two points."""
    data = DATA[name]
    network = init.class_aligned(data, 80, imbalance=0.3, rng=0)
    for part in (network.W[::2], network.W[1::2]):
        s = np.linalg.svd(part / np.linalg.norm(part, axis=1, keepdims=True), compute_uv=False)
        assert s[-1] > 1e-6 * s[0]  # parallel units leave 1e-15
    assert len(np.unique(network.Z)) == 80


def violating():
    """Separable by a plane through the origin, but two points of class +1 are more than 90 degrees apart."""
    return Dataset([[3.0, 1.0], [-1.0, 2.0], [-0.1, -1.0]], [1, 1, -1])


@pytest.mark.parametrize("hidden", [2, 7, 40])
def test_where_h1_fails_but_the_cone_is_not_empty(hidden):
    data = violating()
    network = init.class_aligned(data, hidden, initial=0.01, imbalance=0.2, rng=hidden)
    found = data.check_assumptions(network)
    assert not found.H1
    assert found.H2 and found.H3
    for label in LABELS:
        assert logit_of(network, data, label) == pytest.approx(0.01, rel=1e-12)  # 40 roundings of R = 20 u0
        assert imbalance_of(network, data, label) == pytest.approx(0.2, rel=1e-12)


def test_random_separable_data_without_h1():
    """Clouds about opposite means, wide enough for H1 to fail: every unit must still be in its cone."""
    rng, broken = np.random.default_rng(0), 0
    for seed in range(30):
        y = np.repeat([1.0, -1.0], 5)
        X = rng.normal(size=(10, 3))
        X[:, 0] = y * (0.2 + np.abs(X[:, 0]))
        data = Dataset(X, y)
        broken += not data.check_assumptions().H1
        found = data.check_assumptions(init.class_aligned(data, 11, rng=seed))
        assert found.H2 and found.H3
    assert broken == 30


@pytest.mark.parametrize(
    "data",
    [
        Dataset([[1.0], [2.0]], [1, -1]),  # the same side of the origin
        Dataset([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], [1, 1, -1]),  # no unit is active on x and -x
        Dataset([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1, 1, -1]),  # class -1 inside the cone of class +1
        Dataset([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]], [1, 1, -1]),  # nothing is active at the origin
    ],
)
def test_infeasible_data(data):
    with pytest.raises(AssumptionError, match=r"\(H2\) cannot hold: no unit without bias is active on all points"):
        init.class_aligned(data, 4, rng=0)


def test_infeasible_iris_names_the_class_and_the_way_out():
    """Versicolor and virginica overlap."""
    data = iris((1, 2))
    data = Dataset(data.X, data.y, class_names=("versicolor", "virginica"))
    with pytest.raises(AssumptionError, match=r"points of class versicolor and on no other; .*data\.centered\(\)$"):
        init.class_aligned(data, 4, rng=0)


def test_random_numbers_are_reproducible():
    data = iris()
    first, again, other = (init.class_aligned(data, 8, imbalance=0.1, rng=r) for r in (7, 7, 8))
    np.testing.assert_array_equal(first.W, again.W)
    np.testing.assert_array_equal(first.Z, again.Z)
    assert np.all(first.W != other.W)
    generator = np.random.default_rng(7)
    np.testing.assert_array_equal(init.class_aligned(data, 8, imbalance=0.1, rng=generator).W, first.W)
    assert np.all(init.class_aligned(data, 8, imbalance=0.1, rng=generator).W != first.W)


#: W and Z of two networks as the first version of class_aligned drew them.
PINNED = (
    [
        [0.12877538930705087, -0.10338607832419776],
        [-0.12408440087811355, 0.13588261394100282],
        [0.40610200477968944, -0.4047666648058132],
        [-0.19525098816263786, 0.1991775036322568],
    ],
    [0.845582695944397, -0.17971999604459873, 0.08364130586852082, -0.2701182720892206],
    [[-0.07876595253879735, 0.3355713381921249], [-0.09800394378070358, -0.3072149935941997]],
    [0.23552074138496362, -0.3154421009012572],
)


def test_the_random_numbers_are_those_of_earlier_versions():
    """What version 0.1.0 made of the same rng: in the cone at once, and where (H1) fails by way of its middle."""
    first = init.class_aligned(two_points(2, 120.0), 4, initial=(0.1, 0.2), imbalance=(0.3, 0.0), rng=1)
    second = init.class_aligned(violating(), 2, initial=0.1, rng=1)
    np.testing.assert_allclose(first.W, PINNED[0], rtol=1e-12)
    np.testing.assert_allclose(first.Z, PINNED[1], rtol=1e-12)
    np.testing.assert_allclose(second.W, PINNED[2], rtol=1e-9)  # the middle is linear programming's
    np.testing.assert_allclose(second.Z, PINNED[3], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 1}, "hidden must be an integer of at least 2, got 1$"),
        ({"hidden": 4.0}, r"hidden must be an integer of at least 2, got 4\.0$"),
        ({"initial": 0.0}, "initial must be positive and finite, got 0$"),
        ({"initial": (1.0, -2.0)}, "initial must be positive and finite, got -2 at 1$"),
        ({"initial": np.nan}, "initial must be positive and finite, got nan$"),
        ({"initial": np.inf}, "initial must be positive and finite, got inf$"),
        ({"initial": (1.0, 2.0, 3.0)}, r"initial must be one number or one a class \(2\), got shape \(3,\)$"),
        ({"imbalance": -0.5}, r"imbalance must be at least 0 and finite, got -0\.5$"),
        ({"imbalance": "much"}, "imbalance must be at least 0 and finite, got 'much'$"),
        ({"imbalance": [[1.0]]}, r"imbalance must be one number or one a class \(2\), got shape \(1, 1\)$"),
        ({"depth": 2.5}, r"depth must be an integer of at least 1, got 2\.5$"),
        ({"rng": "x"}, r"^rng must be what np.random.default_rng takes, got 'x'$"),
        ({"rng": -1}, r"^rng must be what np.random.default_rng takes, got -1$"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        init.class_aligned(two_points(), **({"hidden": 4, "rng": 0} | change))


# ---- gaussian --------------------------------------------------------------------------------------------


def test_gaussian_moments():
    """All weights together: mean, variance and normality by Kolmogorov-Smirnov, at 5 sigma and p > 1e-6."""
    data, scale = two_points(5), 0.3
    network = init.gaussian(data, 50, scale=scale, size=4000, rng=0)
    assert (network.W.shape, network.Z.shape) == ((4000, 50, 5), (4000, 50))
    for weights in (network.W.ravel() / scale, network.Z.ravel() / scale):
        n = len(weights)
        assert abs(weights.mean()) < 5 / np.sqrt(n)
        assert abs(weights.var() - 1) < 5 * np.sqrt(2 / n)
        assert stats.kstest(weights, "norm").pvalue > 1e-6
    # Independence of the two layers and of neighbouring units: correlations of n pairs have deviation 1/sqrt(n).
    for pair in ((network.W[..., 0], network.Z), (network.Z[:, :-1], network.Z[:, 1:])):
        first, second = (part.ravel() for part in pair)
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(first))


def test_gaussian_shapes_and_rng():
    data = two_points(2)
    single = init.gaussian(data, 3, scale=1.0, rng=1)
    assert (single.ensemble, single.hidden, single.dimension) == ((), 3, 2)
    assert init.gaussian(data, 3, scale=1.0, size=1, rng=1).ensemble == (1,)
    np.testing.assert_array_equal(init.gaussian(data, 3, scale=1.0, rng=1).W, single.W)
    np.testing.assert_array_equal(init.gaussian(data, 3, scale=2.0, rng=1).Z, 2 * single.Z)
    assert np.all(init.gaussian(data, 3, scale=1.0, rng=2).W != single.W)
    assert init.gaussian(data, 1, scale=1.0, rng=1).hidden == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 0}, "hidden must be an integer of at least 1, got 0$"),
        ({"scale": 0.0}, "scale must be positive and finite, got 0$"),
        ({"scale": -1.0}, "scale must be positive and finite, got -1$"),
        ({"scale": [1.0, 2.0]}, r"scale must be one number, got shape \(2,\)$"),
        ({"size": 0}, "size must be an integer of at least 1, got 0$"),
        ({"size": True}, "size must be an integer of at least 1, got True$"),
        ({"depth": 0}, "depth must be an integer of at least 1, got 0$"),
        ({"diagonal": "no"}, "diagonal must be True or False, got 'no'$"),
        ({"biases": 1}, "biases must be True or False, got 1$"),
        ({"rng": "x"}, r"^rng must be what np.random.default_rng takes, got 'x'$"),
        ({"rng": -1}, r"^rng must be what np.random.default_rng takes, got -1$"),
    ],
)
def test_gaussian_errors(change, message):
    with pytest.raises(ValueError, match=message):
        init.gaussian(two_points(), **({"hidden": 4, "scale": 1.0, "rng": 0} | change))


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("labels", [[1, -1, 1], [0, 2, 1]])
@pytest.mark.parametrize(("diagonal", "biases"), [(False, False), (True, False), (False, True)])
def test_gaussian_networks_of_every_form(size, depth, labels, diagonal, biases):
    data = Dataset([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], labels)
    ask = {"scale": 0.3, "depth": depth, "diagonal": diagonal, "biases": biases, "size": size, "rng": 0}
    if diagonal and depth > 2 and data.classes:
        with pytest.raises(ValueError, match=r"must not combine diagonal .* with a readout of 3 classes$"):
            init.gaussian(data, 4, **ask)
        return
    network = init.gaussian(data, 4, **ask)
    assert (network.depth, network.classes) == (depth, data.classes)
    assert network.ensemble == (() if size is None else (5,)) and network.widths == (4,) * (depth - 1)
    assert all(network.is_diagonal(i) is diagonal for i in range(1, depth - 1))
    assert (network.biases is not None) is biases
    for bias in network.biases or ():
        assert not bias.any()
    if diagonal and depth > 2:
        assert np.std(network.weights[1]) > 0
    values = np.concatenate([w.ravel() for w in network.weights])
    assert len(np.unique(values)) == len(values) and np.abs(values).max() < 0.3 * 5
    assert train(network, data, lr=0.1, steps=3).network.depth == depth


# ---- from_coordinates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [[0.7], [1.0], [-2.0], [0.3, -0.4], [1e-3, 2.0, 5.0]])
def test_coordinates_are_the_ones_asked_for(x):
    y, z = np.array([-1.5, -1e-9, 0.0, 0.3, 40.0]), np.array([-2.0, 0.0, 1.0, 0.5, 1e-7])
    network = init.from_coordinates(y, z, x)
    assert (network.ensemble, network.hidden, network.dimension) == ((5,), 1, len(x))
    # y x/|x|^2 . x: the division, d products and their sum.
    np.testing.assert_allclose((network.W @ x)[:, 0], y, rtol=(2 * len(x) + 2) * EPS, atol=0)
    np.testing.assert_array_equal(network.Z[:, 0], z)
    cosine = np.abs(network.W[3, 0] @ x) / np.linalg.norm(network.W[3, 0]) / np.linalg.norm(x)
    assert cosine == pytest.approx(1.0, abs=8 * EPS)


@pytest.mark.parametrize(
    ("y", "z", "shape"),
    [(0.1, 0.2, ()), ([0.1, 0.2], 0.0, (2,)), (0.1, [[1.0], [2.0]], (2, 1)), (np.ones((3, 1)), np.ones(4), (3, 4))],
)
def test_coordinates_broadcast(y, z, shape):
    network = init.from_coordinates(y, z, [1.0, 1.0])
    assert (network.W.shape, network.Z.shape) == ((*shape, 1, 2), (*shape, 1))
    np.testing.assert_array_equal((network.W @ [1.0, 1.0])[..., 0], np.broadcast_to(y, shape))
    np.testing.assert_array_equal(network.Z[..., 0], np.broadcast_to(z, shape))


@pytest.mark.parametrize(
    ("y", "z", "x", "message"),
    [
        (1.0, 1.0, [0.0, 0.0], r"x must not be 0, got \[0\.0, 0\.0\]$"),
        (1.0, 1.0, 1.0, r"x must have 1 dimension, got shape \(\)$"),
        (1.0, 1.0, [np.inf], "x must be finite, got inf at 0$"),
        ([1.0, np.nan], 1.0, [1.0], "y must be finite, got nan at 1$"),
        (1.0, "a", [1.0], "z must be numbers, got 'a'$"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], [1.0], r"y and z must broadcast, got shapes \(2,\) and \(3,\)$"),
    ],
)
def test_coordinate_errors(y, z, x, message):
    with pytest.raises(ValueError, match=message):
        init.from_coordinates(y, z, x)
