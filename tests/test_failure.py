"""How often random initialization fails: the formulas against quadrature, enumeration and another integration."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim.theory import failure
from dynsim.theory.failure import failure_estimate, failure_probability

RATES = [((1.0, 1.0), (1.0, 1.0)), ((1.0, 2.0), (0.7, 0.3)), ((3.0, 1.0), (0.9, 0.1))]


# ---- closed forms ----------------------------------------------------------------------------------------


def test_seen_values():
    np.testing.assert_array_equal(failure_probability([1, 2, 3, 4, 6]), [1.0, 0.5, 0.25, 0.125, 0.03125])
    # 2 (11/16)^h - (3/8)^h with common denominator 16^h.
    exact = [(2 * 11**h - 6**h) / 16**h for h in range(1, 9)]
    found = failure_probability(np.arange(1, 9), "orthogonal")
    np.testing.assert_allclose(found, exact, rtol=8 * 4 * np.finfo(float).eps)
    np.testing.assert_allclose(found[1:4], [0.8047, 0.5972, 0.4270], atol=5e-5)


@pytest.mark.parametrize(("norms", "frequencies"), RATES)
def test_share_of_units_of_a_class_is_an_orthant_probability(norms, frequencies):
    A, B = (mpmath.mpf(p) * mpmath.mpf(n) for p, n in zip(frequencies, norms, strict=True))
    rho = mpmath.sqrt(A**2 + B**2)
    # P(t_a > 0, t_b > 0, z > (B t_b - A t_a)/rho) in polar coordinates of (t_a, t_b).

    def ray(angle):
        slope = (B * mpmath.sin(angle) - A * mpmath.cos(angle)) / rho
        return mpmath.quad(lambda r: r * mpmath.exp(-r * r / 2) * mpmath.ncdf(-slope * r), [0, 1, 3, 10])

    both = mpmath.quad(ray, [0, mpmath.pi / 4, mpmath.pi / 2]) / (2 * mpmath.pi)
    # Active on one input alone, 1/4, and on the right side of t + z = 0, 3/4 of that.
    P1, P2 = mpmath.mpf(3) / 16 + both, mpmath.mpf(3) / 16 + mpmath.mpf(1) / 4 - both
    for h in (1, 2, 5, 8):
        exact = (1 - P1) ** h + (1 - P2) ** h - (1 - P1 - P2) ** h
        found = failure_probability(h, "orthogonal", norms=norms, frequencies=frequencies)
        assert abs(float(found) - exact) < 1e-14


def test_lone_unit_always_fails_and_hidden_gives_the_shape():
    for geometry in failure.GEOMETRIES:
        assert abs(failure_probability(1, geometry) - 1.0) < 1e-15
        assert failure_probability(np.ones((2, 3), dtype=int), geometry).shape == (2, 3)
    assert failure_probability(3).shape == ()
    assert float(failure_probability(2_000)) == 0.0


@settings(deadline=None)
@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), st.floats(1e-3, 1e3), st.integers(1, 60))
def test_only_the_ratio_of_the_rates_matters_and_classes_may_be_exchanged(norm, other, ratio, hidden):
    one = failure_probability(hidden, "orthogonal", norms=(ratio, 1.0))
    two = failure_probability(hidden, "orthogonal", norms=(1.0, ratio))
    three = failure_probability(hidden, "orthogonal", norms=(norm * ratio, norm), frequencies=(other, other))
    # 1 - P_k loses a few units in the last place, h times over; ratio and norm * ratio are rounded, too.
    np.testing.assert_allclose([two, three], [one, one], rtol=20 * hidden * np.finfo(float).eps)
    # The larger h, the more a less frequent class costs; equal rates are the best case at every h.
    assert one >= failure_probability(hidden, "orthogonal") * (1 - 20 * hidden * np.finfo(float).eps)


def test_a_class_that_hardly_pulls():
    # A/B -> inf: delta -> (1/4 pi) asin(1/sqrt 2) = 1/16. P_1 = 3/8: units active on both always go to class 1.
    found = failure_probability([2, 5], "orthogonal", norms=(1e300, 1e-300))
    exact = [(10 / 16) ** h + (12 / 16) ** h - (6 / 16) ** h for h in (2, 5)]
    np.testing.assert_allclose(found, exact, rtol=1e-14)


# ---- units one by one ------------------------------------------------------------------------------------


def euler(w, z, inputs, A, B, dt=0.01, steps=3_000):
    """The linear flow by the explicit midpoint rule, rescaled now and then: it is homogeneous of degree 1."""

    def force(w, z):
        on = w @ inputs.T > 0
        v = A * on[:, :1] * inputs[0] - B * on[:, 1:] * inputs[1]
        return 0.5 * z[:, None] * v, 0.5 * np.sum(w * v, axis=1)

    for step in range(steps):
        dw, dz = force(w, z)
        dw, dz = force(w + 0.5 * dt * dw, z + 0.5 * dt * dz)
        w, z = w + dt * dw, z + dt * dz
        if step % 100 == 0:
            size = np.maximum(1.0, np.hypot(np.linalg.norm(w, axis=1), z))
            w, z = w / size[:, None], z / size
    on = w @ inputs.T > 0
    return np.where(on[:, 0] & (z > 0), 1, np.where(on[:, 1] & (z < 0), 2, 0))


@pytest.mark.parametrize("angle", [20.0, 60.0, 90.0, 120.0, 170.0, 180.0])
@pytest.mark.parametrize("ratio", [1.0, 0.4, 3.0])
def test_units_followed_by_formulas_end_like_units_followed_by_small_steps(angle, ratio):
    A, B = ratio / np.hypot(1.0, ratio), 1.0 / np.hypot(1.0, ratio)
    draws = np.random.default_rng(3).standard_normal((1_000, 3))
    w, z = draws[:, :2], draws[:, 2]
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    inputs = np.array([[1.0, 0.0], [cosine, sine]]).round(15)
    found = failure._served(w, z, angle, A, B)
    # Steps of 0.01 miss a gate by some 0.005 of the unit's size, and the slowest rate, 0.37, leaves units within
    # e^(-0.37 x 30 / 2) = 0.004 of a separatrix undecided: under a normal density, 0.4, in both of its directions
    # that makes fewer than 1 %.
    assert np.mean(found != euler(w, z, inputs, A, B)) < 0.01
    assert set(found) == ({1, 2} if angle == 180 else {0, 1, 2})


def test_units_of_the_antipodal_geometry_by_their_sign():
    draws = np.random.default_rng(5).standard_normal((5_000, 3))
    found = failure._served(draws[:, :2], draws[:, 2], 180.0, 0.6, 0.8)
    np.testing.assert_array_equal(found, np.where(draws[:, 0] + draws[:, 2] > 0, 1, 2))


@pytest.mark.parametrize("angle", [25.0, 75.0, 90.0, 140.0])
def test_reflection_exchanges_the_classes(angle):
    draws = np.random.default_rng(6).standard_normal((20_000, 3))
    w, z = draws[:, :2], draws[:, 2]
    half = np.radians(angle)
    # The reflection that takes the directions of x_1 and x_2 into each other; classes have opposite signs of Z.
    mirror = np.array([[np.cos(half), np.sin(half)], [np.sin(half), -np.cos(half)]])
    one = failure._served(w, z, angle, 0.6, 0.8)
    two = failure._served(w @ mirror, -z, angle, 0.8, 0.6)
    # The mirror is rounded: a unit within 1e-15 of a gate could differ, and none of 20 000 should be that near.
    np.testing.assert_array_equal(one, np.array([0, 2, 1])[two])


# ---- estimates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norms", "frequencies"), RATES)
@pytest.mark.parametrize(("angle", "geometry"), [(180, "antipodal"), (90, "orthogonal")])
def test_estimate_agrees_with_the_closed_forms(norms, frequencies, angle, geometry):
    h = np.arange(2, 9)
    found = failure_estimate(h, angle, norms=norms, frequencies=frequencies, samples=400_000, rng=1)
    exact = failure_probability(h, geometry, norms=norms, frequencies=frequencies)
    # 3.9 standard errors: a right formula misses them once in 10 000.
    assert np.all(np.abs(found.probability - exact) < 3.9 * found.standard_error)
    assert np.all(found.standard_error < 2e-3)


def test_standard_error_is_that_of_repeated_estimates():
    h = np.array([2, 4, 8])
    many = [failure_estimate(h, 130, samples=2_000, rng=seed) for seed in range(400)]
    spread = np.std([one.probability for one in many], axis=0)
    claimed = np.mean([one.standard_error for one in many], axis=0)
    # The standard deviation of 400 is itself known to 1/sqrt(800) = 3.5 %: four of these.
    np.testing.assert_allclose(claimed, spread, rtol=0.14)


def test_a_lone_unit_fails_with_certainty():
    found = failure_estimate(1, 130, samples=1_000, rng=0)
    assert abs(found.probability - 1.0) < 1e-15 and found.standard_error == 0.0
    assert found.probability.shape == () and failure_estimate([[2], [3]], 130, rng=0).probability.shape == (2, 1)


def test_the_limit_of_180_degrees_is_not_the_value_there():
    # Half of the 1/4 of all units that die for their first class fall into the wedge where no input is active.
    h = np.array([2, 3, 4])
    near = failure_estimate(h, 180 - 1e-6, samples=400_000, rng=2)
    assert np.all(np.abs(near.probability - (2 * (9 / 16) ** h - (1 / 8) ** h)) < 3.9 * near.standard_error)


def test_estimate_falls_with_the_angle_and_is_reproducible():
    angles = [1, 30, 60, 90, 120, 150, 179]
    found = [float(failure_estimate(3, angle, rng=0).probability) for angle in angles]
    assert np.all(np.diff(found) < 0)
    assert found[1] == float(failure_estimate(3, 30, rng=np.random.default_rng(0)).probability)


# ---- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (0, r"hidden must be integers of at least 1, got 0"),
        ([2, 2.5], r"hidden must be integers of at least 1, got 2.5"),
        (True, r"hidden must be integers of at least 1, got True"),
        (np.nan, r"hidden must be finite, got nan"),
        ("two", r"hidden must be numbers, got 'two'"),
    ],
)
def test_bad_hidden(hidden, message):
    with pytest.raises(ValueError, match=message):
        failure_probability(hidden)
    with pytest.raises(ValueError, match=message):
        failure_estimate(hidden, 120, rng=0)


@pytest.mark.parametrize("angle", [0.0, -5, 180.1, np.nan, np.inf, "right", [90.0], None])
def test_bad_angle(angle):
    with pytest.raises(ValueError, match=r"angle must be one number above 0 and at most 180 \(degrees\), got "):
        failure_estimate(2, angle, rng=0)


def test_bad_geometry():
    with pytest.raises(ValueError, match=r"geometry must be one of 'antipodal', 'orthogonal', got 'acute'$"):
        failure_probability(2, "acute")
    for number in (120, 120.0, np.float64(120.0)):
        with pytest.raises(ValueError, match=r"'orthogonal', got .*120.*: for other angles see failure_estimate"):
            failure_probability(2, number)


@pytest.mark.parametrize("name", ["norms", "frequencies"])
@pytest.mark.parametrize("value", [(1.0, 0.0), (1.0, np.inf), (1.0, -1.0)])
def test_rates_must_be_positive(name, value):
    for call in (lambda o: failure_probability(2, **o), lambda o: failure_estimate(2, 120, rng=0, **o)):
        with pytest.raises(ValueError, match=rf"{name} must be positive and finite"):
            call({name: value})
        with pytest.raises(ValueError, match=rf"{name} must be two numbers.*got shape \(3,\)"):
            call({name: (1.0, 1.0, 1.0)})


def test_samples_and_rng():
    with pytest.raises(ValueError, match=r"samples must be an integer of at least 1000, got 999"):
        failure_estimate(2, 120, samples=999, rng=0)
    with pytest.raises(ValueError, match=r"rng must be what np.random.default_rng takes"):
        failure_estimate(2, 120, rng="seed")


def test_an_angle_is_a_number_and_an_estimate_two_arrays():
    with pytest.raises(ValueError, match=r"angle must be one number above 0 and at most 180 \(degrees\), got True"):
        failure_estimate(2, True, rng=0)
    assert all(isinstance(part, np.ndarray) for part in failure_estimate(2, 120.0, samples=1_000, rng=0))
