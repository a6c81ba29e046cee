"""The builders: points where they were asked for, and clouds that are reproducible."""

import numpy as np
import pytest

from dynsim import data, tables


def test_point_classes_by_default_are_antipodal_numbers():
    built = data.point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    np.testing.assert_array_equal(built.X, [[1.0], [-2.0]])
    np.testing.assert_array_equal(built.y, [1, -1])
    np.testing.assert_array_equal(built.weights, [0.7, 0.3])
    assert built.rate(1) == 0.7
    assert built.rate(-1) == 0.6
    assert "180 degrees" in repr(built)


@pytest.mark.parametrize(
    ("angle", "dimension", "second"),
    [
        (180, 1, [-3.0]),
        (180.0, 2, [-3.0, 0.0]),
        (180, 4, [-3.0, 0.0, 0.0, 0.0]),
        (90, None, [0.0, 3.0]),
        (90.0, 3, [0.0, 3.0, 0.0]),
        (0, None, [3.0, 0.0]),
    ],
)
def test_right_angles_are_exact(angle, dimension, second):
    built = data.point_classes((2.0, 3.0), (1.0, 5.0), angle, dimension)
    np.testing.assert_array_equal(built.X, [[2.0] + [0.0] * (len(second) - 1), second])
    assert not np.signbit(built.X[built.X == 0]).any()
    np.testing.assert_array_equal(built.weights, [1.0, 5.0])


@pytest.mark.parametrize("angle", [1e-3, 30.0, 89.0, 91.0, 120.0, 179.999])
@pytest.mark.parametrize("dimension", [None, 2, 5])
def test_angle_and_norms(angle, dimension):
    built = data.point_classes((2.0, 3.0), (0.5, 0.5), angle, dimension)
    assert built.dimension == (dimension or 2)
    np.testing.assert_allclose(np.linalg.norm(built.X, axis=1), [2.0, 3.0], rtol=1e-15)
    a, b = built.X[:, :2]
    np.testing.assert_allclose(np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b)), angle, rtol=1e-14)
    assert not built.X[:, 2:].any()


@pytest.mark.parametrize(
    ("angle", "holds"), [(0, False), (89.9999, False), (90, True), (90.0001, True), (180, True)]
)
def test_the_first_assumption_fails_below_90_degrees(angle, holds):
    assert bool(data.point_classes((1e-100, 1e100), (0.5, 0.5), angle).check_assumptions().H1) is holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norms": (1.0, 0.0)}, r"norms must be positive and finite, got 0 at 1$"),
        ({"norms": (1.0, -2.0)}, r"norms must be positive and finite, got -2 at 1$"),
        ({"norms": (1.0, np.inf)}, r"norms must be positive and finite, got "),
        ({"norms": 1.0}, r"norms must be two numbers, of class \+1 and of class -1, got shape \(\)$"),
        ({"norms": (1.0, 2.0, 3.0)}, r"norms must be two numbers, .* got shape \(3,\)$"),
        ({"frequencies": (0.5, 0.0)}, r"frequencies must be positive and finite, got 0 at 1$"),
        ({"frequencies": (0.5, np.nan)}, r"frequencies must be positive and finite, got "),
        ({"frequencies": (1.0,)}, r"frequencies must be two numbers, .* got shape \(1,\)$"),
        ({"angle": -1.0}, r"angle must be one number from 0 to 180 \(degrees\), got -1.0$"),
        ({"angle": 181}, r"angle must be one number from 0 to 180 \(degrees\), got 181$"),
        ({"angle": [90.0, 180.0]}, r"angle must be one number from 0 to 180 \(degrees\), got \[90.0, 180.0\]$"),
        ({"angle": np.nan}, r"angle must be finite, got nan$"),
        ({"angle": 90.0, "dimension": 1}, r"dimension must be at least 2 at an angle of 90 degrees, got 1$"),
        ({"dimension": 0}, r"dimension must be an integer of at least 1, got 0$"),
        ({"dimension": 2.0}, r"dimension must be an integer of at least 1, got 2.0$"),
    ],
)
def test_bad_points(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.point_classes(**{"norms": (1.0, 1.0), "frequencies": (0.5, 0.5), **arguments})


# ---- orthogonal points -------------------------------------------------------------------------------------


def test_orthogonal_class_is_the_sum_loss_of_orthogonal_points():
    built = data.orthogonal_class(4, 0.7)
    np.testing.assert_array_equal(built.X, 0.7 * np.eye(8))
    np.testing.assert_array_equal(built.y, [1] * 4 + [-1] * 4)
    np.testing.assert_array_equal(built.weights, np.ones(8))
    # kappa = p |x| of the mean point, and A.7's rate sqrt(m) |x|.
    np.testing.assert_allclose(built.rate(1), np.sqrt(4) * 0.7, rtol=1e-15)
    found = built.check_assumptions()
    assert not found.H1 and found["H1'"] and found.independent and not found
    assert found.H1.violations == 2 * 6


def test_orthogonal_class_of_unequal_classes():
    built = data.orthogonal_class((3, 2), (2.0, 5.0), frequencies=(0.6, 0.5))
    np.testing.assert_array_equal(built.X, np.diag([2.0, 2.0, 2.0, 5.0, 5.0]))
    np.testing.assert_allclose(built.weights, [0.2, 0.2, 0.2, 0.25, 0.25], rtol=1e-15)
    np.testing.assert_array_equal(built.y, [1, 1, 1, -1, -1])


def test_one_orthogonal_point_a_class_satisfies_the_first_assumption():
    assert data.orthogonal_class(1).check_assumptions().H1


def test_orthogonal_classes():
    built = data.orthogonal_classes((1.0, 2.0, 0.5, 3.0), (0.1, 0.2, 0.3, 0.4))
    np.testing.assert_array_equal(built.X, np.diag([1.0, 2.0, 0.5, 3.0]))
    np.testing.assert_array_equal(built.y, [0, 1, 2, 3])
    np.testing.assert_array_equal(built.weights, [0.1, 0.2, 0.3, 0.4])
    assert built.classes == 4
    assert built.check_assumptions().H4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": 0}, r"points must be an integer of at least 1, got 0$"),
        ({"points": (1, 2, 3)}, r"points must be one integer or two, got \(1, 2, 3\)$"),
        ({"norm": 0.0}, r"norm must be positive and finite, got 0$"),
        ({"norm": (1.0, -1.0)}, r"norm must be positive and finite, got -1 at 1$"),
        ({"norm": (1.0, 1.0, 1.0)}, r"norm must be one number or two, .* got shape \(3,\)$"),
        ({"frequencies": 1.0}, r"frequencies must be two numbers, .* got shape \(\)$"),
        ({"frequencies": (1.0, 0.0)}, r"frequencies must be positive and finite, got 0 at 1$"),
    ],
)
def test_bad_orthogonal_class(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.orthogonal_class(**{"points": 3, **arguments})


@pytest.mark.parametrize(
    ("norms", "frequencies", "message"),
    [
        (1.0, 1.0, r"norms must be two numbers or more, one a class, got shape \(\)$"),
        ([1.0], [1.0], r"norms must be two numbers or more, one a class, got shape \(1,\)$"),
        ([[1.0, 2.0]], [1.0, 2.0], r"norms must be two numbers or more, one a class, got shape \(1, 2\)$"),
        ([1.0, 2.0], [1.0], r"frequencies must be 2 numbers, as many as norms, got shape \(1,\)$"),
        ([1.0, 0.0], [1.0, 1.0], r"norms must be positive and finite, got 0 at 1$"),
        ([1.0, 2.0], [np.inf, 1.0], r"frequencies must be positive and finite, got "),
    ],
)
def test_bad_orthogonal_classes(norms, frequencies, message):
    with pytest.raises(ValueError, match=message):
        data.orthogonal_classes(norms, frequencies)


# ---- a frequent and a rare feature --------------------------------------------------------------------------


def test_starving_features():
    built = data.starving_features(0.2, (2.0, 3.0), frequencies=(1.0, 0.5))
    np.testing.assert_array_equal(built.X, [[2.0, 0.0], [2.0, 3.0], [-2.0, 0.0], [-2.0, -3.0]])
    assert not np.signbit(built.X[built.X == 0]).any()
    np.testing.assert_array_equal(built.y, [1, 1, -1, -1])
    np.testing.assert_allclose(built.weights, [0.8, 0.2, 0.4, 0.1], rtol=1e-15)
    np.testing.assert_allclose([built.frequency(1), built.frequency(-1)], [1.0, 0.5], rtol=1e-15)
    assert "0.2" in repr(built)


@pytest.mark.parametrize("frequency", [1e-300, 0.5, 1, np.float64(1.0)])
def test_starving_features_satisfy_the_first_assumption(frequency):
    built = data.starving_features(frequency)
    assert built.check_assumptions().H1
    np.testing.assert_array_equal(built.weights[:2], [1.0 - frequency, frequency])
    assert built.frequency(1) == built.frequency(-1) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frequency": 0.0}, r"frequency must be one number above 0 and at most 1, got 0.0$"),
        ({"frequency": 1.1}, r"frequency must be one number above 0 and at most 1, got 1.1$"),
        ({"frequency": [0.1, 0.2]}, r"frequency must be one number above 0 and at most 1, got \[0.1, 0.2\]$"),
        ({"frequency": np.nan}, r"frequency must be finite, got nan$"),
        ({"norms": 1.0}, r"norms must be two numbers, \|x1\| and \|x2\|, got shape \(\)$"),
        ({"norms": (1.0, -1.0)}, r"norms must be positive and finite, got -1 at 1$"),
        ({"frequencies": (1.0, 0.0)}, r"frequencies must be positive and finite, got 0 at 1$"),
        ({"frequencies": 1.0}, r"frequencies must be two numbers, .* got shape \(\)$"),
    ],
)
def test_bad_starving_features(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.starving_features(**{"frequency": 0.1, **arguments})


# ---- Gaussian clouds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_the_default_clouds_satisfy_the_first_assumption(dimension, seed):
    built = data.gaussian_classes((40, 60), dimension=dimension, rng=seed)
    assert built.X.shape == (100, dimension)
    assert bool(built.check_assumptions().H1)


def test_wide_clouds_do_not():
    assert not data.gaussian_classes(40, spread=1.0, rng=0).check_assumptions()


def test_order_and_weights():
    built = data.gaussian_classes((3, 5), frequencies=(0.9, 0.2), rng=0)
    np.testing.assert_array_equal(built.y, [1] * 3 + [-1] * 5)
    np.testing.assert_allclose(built.weights, [0.3] * 3 + [0.04] * 5, rtol=1e-15)
    np.testing.assert_allclose([built.frequency(1), built.frequency(-1)], [0.9, 0.2], rtol=1e-15)
    assert data.gaussian_classes(4, rng=0).X.shape == (8, 2)


def test_no_spread_puts_every_point_on_its_mean():
    built = data.gaussian_classes(3, dimension=2, separation=5.0, spread=0.0, rng=0)
    np.testing.assert_array_equal(built.X, [[2.5, 0.0]] * 3 + [[-2.5, 0.0]] * 3)


def test_means_and_spread_are_the_ones_asked_for():
    n = 20_000
    built = data.gaussian_classes(n, dimension=3, separation=4.0, spread=0.5, rng=7)
    for label, mean in ((1, [2.0, 0.0, 0.0]), (-1, [-2.0, 0.0, 0.0])):
        cloud = built.X[built.mask(label)]
        # Standard errors sigma / sqrt(n) and sigma / sqrt(2 n); 5 of them.
        np.testing.assert_allclose(cloud.mean(0), mean, rtol=0, atol=5 * 0.5 / np.sqrt(n))
        np.testing.assert_allclose(cloud.std(0), 0.5, rtol=0, atol=5 * 0.5 / np.sqrt(2 * n))


def test_rng_is_anything_default_rng_takes():
    first = data.gaussian_classes(5, rng=0).X
    for rng in (0, np.int64(0), np.random.default_rng(0), np.random.PCG64(0), np.random.SeedSequence(0)):
        np.testing.assert_array_equal(data.gaussian_classes(5, rng=rng).X, first)
    assert np.any(first != data.gaussian_classes(5, rng=1).X)
    generator = np.random.default_rng(0)
    assert np.any(data.gaussian_classes(5, rng=generator).X != data.gaussian_classes(5, rng=generator).X)
    assert np.any(data.gaussian_classes(5, rng=None).X != data.gaussian_classes(5, rng=None).X)


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 -- it is the legacy state that must not change
    data.gaussian_classes(5, rng=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("points", "arguments", "message"),
    [
        (0, {}, r"points must be an integer of at least 1, got 0$"),
        ((3, -1), {}, r"points must be an integer of at least 1, got -1$"),
        ((3, 2.5), {}, r"points must be an integer of at least 1, got 2.5$"),
        (2.5, {}, r"points must be an integer of at least 1, got 2.5$"),
        ((1, 2, 3), {}, r"points must be one integer or two, got \(1, 2, 3\)$"),
        (3, {"dimension": 0}, r"dimension must be an integer of at least 1, got 0$"),
        (3, {"separation": 0.0}, r"separation must be positive and finite, got 0$"),
        (3, {"spread": -0.1}, r"spread must be at least 0 and finite, got -0.1$"),
        (3, {"spread": [0.1, 0.2]}, r"spread must be one number, got shape \(2,\)$"),
        (3, {"frequencies": (1.0, 0.0)}, r"frequencies must be positive and finite, got 0 at 1$"),
        (3, {"frequencies": 1.0}, r"frequencies must be two numbers, .* got shape \(\)$"),
    ],
)
def test_bad_clouds(points, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.gaussian_classes(points, **arguments, rng=0)


def test_rng_must_be_given_by_name():
    with pytest.raises(TypeError, match="rng"):
        data.gaussian_classes(3)
    with pytest.raises(TypeError, match="positional"):
        data.gaussian_classes(3, 2)


def test_the_readers_are_here_too():
    for name in ("from_csv", "from_npz", "from_sklearn"):
        assert getattr(data, name) is getattr(tables, name)
        assert name in data.__all__
