"""The tabulated law of modes with one imbalance, against multi-precision arithmetic and `evaluation.imbalanced`."""

import mpmath as mp
import numpy as np
import pytest
from test_imbalanced import exact, log_uniform, sensitivities
from test_special import EPS, UNIT

from dynsim.theory.evaluation import imbalanced, two_layers, universal_imbalanced

IMBALANCES = (1e-4, 0.01, 0.07, 0.3, 1.0, 4.0, 100.0, 1e4)
WEIGHTS = (0.0, 1.0, 2.0, 99.0, 1000.0)


def starts(rng, C, count):
    """Of both signs and all sizes, in units of 1 and of C, 0 included."""
    decades = [(1.0, -12, 1.4), (1.0, -3, 1.4), (C, -3, 2)]
    sizes = [unit * log_uniform(rng, low, high, count) for unit, low, high in decades]
    u0 = np.choose(rng.integers(0, 3, count), sizes) * rng.choice([1.0, 1.0, -1.0], count)
    u0[:2] = 0.0
    return np.clip(u0, -12.0, 32.0)


def reached(T, u0, C, weight):
    return imbalanced.solve(u0, T, np.log(T), np.full_like(T, C), weight=weight)


def cases(rng, C, weight, count):
    """T of all sizes, around the end of the plateau, and to logits just below and above 0."""
    u0 = starts(rng, C, count)
    kinds = [log_uniform(rng, -6, 8, count), (weight + 1.0) * log_uniform(rng, -2, 1.5, count)]
    T = np.choose(rng.integers(0, 2, count), kinds)
    across = (u0 < 0.0) & (rng.random(count) < 0.3)
    low, zero = u0[across], np.zeros(int(across.sum()))
    total, _ = imbalanced.elapsed(low, zero, np.full_like(low, C), weight=weight)
    T[across] = total * (1.0 + log_uniform(rng, -9, 0, low.size) * rng.choice([-0.9, 1.0], low.size))
    return u0, T


def condition(T, u0, u, C, weight):
    with np.errstate(all="ignore"):
        speed = np.hypot(u, C) / (weight + np.exp(u)) / np.abs(u)
        return 1.0 + T * speed + np.abs(u0) * (weight + np.exp(u0)) / np.hypot(u0, C) * speed


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("C", IMBALANCES)
def test_against_mpmath(C, weight):
    """The promise of modes.logit, the error of u from that of the T which the result would take."""
    u0, T = cases(np.random.default_rng(1), C, weight, 20)
    u = universal_imbalanced.logit_at(T, u0, 0.5, imbalance=C, weight=weight)
    for start, time, end in zip(u0, T, u, strict=True):
        excess = exact(start, end, C, weight) - mp.mpf(time)
        # to first order, which is all: the relative error of u is below 1e-6 where these conditions are below 1e9
        error = abs(excess * mp.hypot(end, C) / (weight + mp.exp(end)) / end)
        allowed = 1 + sum(sensitivities(start, end, C, weight, time))
        assert error <= UNIT * allowed, (start, time, end, float(error / allowed / EPS))


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("C", [*IMBALANCES, 0.0013, 0.031, 0.55, 2.3, 31.0])
def test_every_interval_against_the_law_itself(C, weight):
    u0, T = cases(np.random.default_rng(2), C, weight, 12_000)
    u = universal_imbalanced.logit_at(T, u0, 0.5, imbalance=C, weight=weight)
    reference = reached(T, u0, C, weight)
    allowed = condition(T, u0, reference, C, weight)
    # one UNIT for either
    assert np.all(np.abs(u - reference) <= 2 * UNIT * allowed * np.abs(reference))
    assert np.all(u >= u0)


@pytest.mark.parametrize(("C", "weight"), [(1e-4, 1.0), (0.3, 0.0), (0.3, 1.0), (0.3, 999.0), (50.0, 9.0)])
def test_it_never_falls_and_has_no_seams(C, weight):
    """Through where the tables begin and end: two neighbours differ by what the law and the roundings say."""
    for u0 in (-10.0 - 1e-9, -10.0, -3.0, -0.3, -0.01, 0.0, 1e-281, 0.01, 2.0, 30.0, 30.0 + 1e-9):
        T = np.append(0.0, np.geomspace(1e-8, 1e90, 6_001))
        u = universal_imbalanced.logit_at(T, u0, 0.5, imbalance=C, weight=weight)
        allowed = 2 * UNIT * np.abs(u[1:]) * condition(T[1:], u0, u[1:], C, weight)
        assert np.all(np.diff(u) >= -allowed)
        reference = reached(T[1:], np.full(6_001, u0), C, weight)
        assert np.all(np.abs(u[1:] - reference) <= allowed)


@pytest.mark.parametrize("weight", [0.0, 1.0, 9.0])
def test_the_ends(weight):
    u0 = np.array([-1e5, -40.0, -10.0, -0.1, -1e-300, 0.0, 5e-324, 1e-290, 0.1, 40.0, 1e20])
    for C in (1e-6, 0.3, 1e6):
        law = {"imbalance": C, "weight": weight}
        assert np.array_equal(universal_imbalanced.logit_at(0.0, u0, 1.0, **law), u0)
        assert np.array_equal(universal_imbalanced.logit_at(np.inf, u0, 1.0, **law), np.full(u0.size, np.inf))
        few = u0[2:-1]
        for rate, time in ((1.0, 1e250), (1e200, 1e200), (1e-200, 1e-120), (1e-200, 1e-190), (1.0, 1e-290)):
            whole = np.ones_like(few)
            mode = two_layers.Mode(time * whole, few, rate * whole, C * whole)
            expected = two_layers.imbalanced_logit(mode, weight)
            # nothing but the start is seen after such times, or T alone, and slower than linearly
            found = universal_imbalanced.logit_at(time, few, rate, **law)
            np.testing.assert_allclose(found, expected, rtol=3 * UNIT, atol=1e-323)


@pytest.mark.parametrize("shapes", [((), ()), ((0,), ()), ((), (7,)), ((3, 1, 5), (4, 1)), ((1, 20_001), (2, 1))])
def test_pieces_do_not_show(shapes):
    rng = np.random.default_rng(2)
    t, u0 = (np.exp(rng.uniform(-2, 2, shape)) for shape in shapes)
    u = universal_imbalanced.logit_at(t, u0, 0.7, imbalance=0.2)
    assert u.shape == np.broadcast_shapes(*shapes) and isinstance(u, np.ndarray)
    whole = [a.ravel() for a in np.broadcast_arrays(u0, t, u)]
    for i in range(0, u.size, max(1, u.size // 50)):
        start, time, value = (a[i] for a in whole)
        # no condition number above 15 here: T < 10.4 and R(u) / u < 1.8; one UNIT for either
        assert universal_imbalanced.logit_at(time, start, 0.7, imbalance=0.2) == pytest.approx(value, rel=30 * UNIT)


def test_rates_of_any_shape():
    t, u0, rate = np.array([[0.5], [3.0], [20.0]]), np.array([-0.4, 0.02, 1.0]), np.array([[[0.3]], [[2.0]]])
    u = universal_imbalanced.logit_at(t, u0, rate, imbalance=2.0, weight=9.0)
    T, start = (np.ascontiguousarray(a).ravel() for a in np.broadcast_arrays(2.0 * rate * t, u0))
    assert u.shape == (2, 3, 3)
    reference = reached(T, start, 2.0, 9.0)
    allowed = 2 * UNIT * np.abs(reference) * condition(T, start, reference, 2.0, 9.0)
    assert np.all(np.abs(u.ravel() - reference) <= allowed)


@pytest.mark.parametrize(("C", "weight"), [(9e-5, 1.0), (1.1e4, 1.0), (0.3, 0.5), (0.3, 1001.0), (1e-300, 1.0)])
def test_without_tables(C, weight):
    u0, T = np.array([[0.2], [1.0]]), np.array([0.1, 1.0, 1e4])
    u = universal_imbalanced.logit_at(T, u0, 0.5, imbalance=C, weight=weight)
    times, firsts = (np.ascontiguousarray(a).ravel() for a in np.broadcast_arrays(T, u0))
    assert np.array_equal(u.ravel(), reached(times, firsts, C, weight))


@pytest.mark.parametrize("C", [0.01, 0.3, 100.0])
@pytest.mark.parametrize("weight", [1.0, 9.0])
def test_ordinary_starts_take_the_tables(C, weight, monkeypatch):
    universal_imbalanced.logit_at(1.0, 0.1, 0.5, imbalance=C, weight=weight)
    monkeypatch.delattr(two_layers, "imbalanced_logit")
    rng = np.random.default_rng(3)
    u0, T = rng.normal(0.0, 0.1, (1_000, 1)), log_uniform(rng, -6, 30, (1_000, 3))
    assert np.all(universal_imbalanced.logit_at(T, u0, 0.5, imbalance=C, weight=weight) >= u0)
