"""log u + Ei(u), its inverses and the hyperbolic angle, against multi-precision arithmetic."""

import mpmath as mp
import numpy as np
import pytest

from dynsim.theory.evaluation import imbalanced, special

EPS = np.finfo(float).eps
UNIT = 18 * EPS  # as derived in test_modes_accuracy


def log_uniform(low, high, count, seed=0):
    return 10 ** np.random.default_rng(seed).uniform(low, high, count)


def exact_ein(u):
    """By its series, whose terms are positive."""
    return mp.nsum(lambda k: u**k / (k * mp.factorial(k)), [1, mp.inf])


def exact_sum(u, weight):
    return weight * mp.log(u) + mp.ei(u)


def test_ein():
    with mp.workdps(40):
        for u in np.concatenate([log_uniform(-300, 0, 60), [0.999999, 1.0, 1.000001]]):
            # 20 terms by Horner's rule: each adds a rounding to a partial sum below u/2 of the whole
            assert abs(special.ein(u) / exact_ein(mp.mpf(float(u))) - 1) < 4 * EPS
    assert special.ein(0.0) == 0.0
    with mp.workdps(60):
        for u in np.random.default_rng(1).uniform(1, 40, 100):
            exact = mp.ei(mp.mpf(u)) - mp.log(mp.mpf(u)) - mp.euler
            assert abs(special.ein(u) / exact - 1) < UNIT


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, 999.0])
def test_log_of_sum(weight):
    u = np.concatenate([log_uniform(0, 1.7, 100), log_uniform(1.5, 3, 100), [1.0, 39.999, 40.0, 40.001, 50.0, 1e5]])
    got = special.log_of_sum(u, weight)
    with mp.workdps(60):
        for value, v in zip(got, u, strict=True):
            # the docstring's 9 roundings of Ei, and one of the value
            assert abs(value - mp.log(exact_sum(mp.mpf(float(v)), weight))) <= 9 * EPS + EPS * value
    assert special.log_of_sum(1e300) == 1e300


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, 999.0])
def test_solve_log_ei(weight):
    rng, count = np.random.default_rng(3), 400
    u0 = np.where(rng.random(count) < 0.5, log_uniform(-300, 1.6, count), log_uniform(-3, 1.6, count, 1))
    rate, time = log_uniform(-3, 3, count, 2), log_uniform(-10, 5, count, 4)
    time[::3] = log_uniform(-10, 300, len(time[::3]))
    u = special.solve_log_ei(u0, *special.scaled_time(rate, time), weight=weight)
    with mp.workdps(60):
        for i in range(count):
            start, end = mp.mpf(u0[i]), mp.mpf(u[i])
            T = 2 * mp.mpf(rate[i]) * mp.mpf(time[i])
            pull, first = 1 / (weight + mp.exp(end)), weight + mp.exp(start)
            # to first order the relative error of u is that of the equation times the pull
            error = abs(weight * mp.log(end / start) + mp.ei(end) - mp.ei(start) - T) * pull
            assert error <= UNIT * (1 + T * pull + first * pull), (u0[i], rate[i], time[i], u[i])


def test_solve_log_ei_at_the_ends():
    u0 = np.array([5e-324, 1e-300, 0.5, 1.0, 40.0, 1e5, 1e300])
    assert np.array_equal(special.solve_log_ei(u0, 0.0, -np.inf), u0)
    assert np.array_equal(special.solve_log_ei(u0, np.inf, np.inf), np.full(7, np.inf))
    huge = float(special.solve_log_ei(1e-300, np.inf, 1400.0))
    with mp.workdps(40):
        assert abs(mp.log(exact_sum(mp.mpf(huge), 1)) - 1400) < UNIT * 1400
    assert special.solve_log_ei(1e5, np.inf, 1400.0) == 1e5


def test_solve_log_ei_is_continuous_where_its_form_changes():
    """T to u = 1 from 1e-3, and the same a few roundings to either side."""
    with mp.workdps(40):
        T = float(exact_sum(mp.mpf(1), 1) - exact_sum(mp.mpf(0.001), 1))
    around = T * (1 + EPS * np.arange(-8, 9))
    u = special.solve_log_ei(0.001, around, np.log(around))
    # du/dT = 1/(1 + e), and UNIT for each of T, u and u0
    assert np.all(np.abs(u - 1) <= 8 * EPS * T / (1 + np.e) + UNIT * (1 + T / (1 + np.e)))


def test_scaled_time():
    T, log_T = special.scaled_time([1e-300, 3.0, 1e200, 2.0, 1.7e308], [1e-300, 0.5, 1e200, 0.0, 0.0])
    assert T.tolist() == [0.0, 3.0, np.inf, 0.0, 0.0]
    expected = [np.log(2) - 600 * np.log(10), np.log(3.0), np.log(2) + 400 * np.log(10), -np.inf, -np.inf]
    np.testing.assert_allclose(log_T, expected, rtol=4 * EPS)
    assert special.scaled_time(2.0, np.inf)[1] == np.inf


def test_log_ei_inverse():
    rng = np.random.default_rng(5)
    c = np.concatenate([rng.uniform(-1410, 5, 200), rng.uniform(-3, 4, 100), log_uniform(0, 308, 100), [0, -1416]])
    u = special.log_ei_inverse(c)
    with mp.workdps(60):
        for x, value in zip(c, u, strict=True):
            v = mp.mpf(value)
            assert abs(mp.log(v) + mp.ei(v) - mp.mpf(x)) / (1 + mp.exp(v)) < 9 * EPS, x


def test_log_ei_inverse_at_the_ends():
    assert special.log_ei_inverse([-np.inf, -1e308, np.inf]).tolist() == [0.0, 0.0, np.inf]
    below = special.log_ei_inverse([-1420.0, -1480.0])  # gradual underflow: fewer digits, but not 0
    np.testing.assert_allclose(np.log(below), (np.array([-1420.0, -1480.0]) - np.euler_gamma) / 2, atol=0.1)
    one = special.log_ei_inverse(1.0)
    assert isinstance(one, np.ndarray) and one.shape == ()
    assert special.log_ei_inverse([]).shape == (0,)
    with pytest.raises(ValueError, match=r"^c must be a number, got nan at 1$"):
        special.log_ei_inverse([0.0, np.nan])


def test_bracketed_newton_gives_up_loudly():
    one = np.ones(1)
    with pytest.raises(ArithmeticError, match=r"^no root in 200 steps for 1 of 1 equations$"):
        special.bracketed_newton(lambda x: (x * np.nan, x), 0 * one, one, one)


def test_bracketed_newton_bisects_where_newton_leaves():
    """From 20 on, Newton's method for arctan diverges."""
    low, high, start = np.array([[-50.0], [60.0], [20.0]])
    root = special.bracketed_newton(lambda x: (np.arctan(x - 0.3), 1 / (1 + (x - 0.3) ** 2)), low, high, start)
    assert abs(root[0] - 0.3) <= 2 * EPS


STRETCHES = [  # low, high, imbalance
    (1e-300, 700.0, 0.0),
    (0.0, 1e-300, 1e-12),
    (-1e-9, 5e-9, 1e-9),
    (-5.0, 7.0, 1e-300),
    (-7.0, -5.0, 1e-200),
    (-3.0, 2.0, 1e12),
    (-1e12, 2.0, 1.0),
    (1.0, 1.0 + 4e-16, 0.3),
    (1e-300, 1e290, 1e-5),
]


@pytest.mark.parametrize("stretch", STRETCHES)
def test_angle_and_its_inverse(stretch):
    low, high, imbalance = (np.array([x]) for x in stretch)
    s, u = imbalanced.angle(low, high, imbalance), None
    with mp.workdps(700):
        a, b, c = (mp.mpf(x) for x in stretch)
        exact = mp.asinh(b / c) - mp.asinh(a / c) if c else mp.log(b / a)
        assert abs(mp.mpf(s[0]) / exact - 1) < 8 * EPS
        u = imbalanced.logit_after(low, s, imbalance)
        moved = c * mp.sinh(mp.asinh(a / c) + mp.mpf(s[0])) if c else a * mp.exp(mp.mpf(s[0]))
        sensitivity = 1 + mp.mpf(s[0]) * mp.sqrt(b * b + c * c) / abs(b)
        assert abs(mp.mpf(u[0]) / moved - 1) < UNIT * sensitivity
    assert imbalanced.angle(high, low, imbalance)[0] == -s[0]


def test_integral_is_additive_over_all_its_branches():
    """J(a, c) = J(a, b) + J(b, c) with ends in each of the ranges that the quadrature distinguishes."""
    ends = np.array([-60.0, -20.0, -2.0, -1.0, -0.3, 0.0, 1e-9, 0.7, 1.0, 1.5, 12.0, 36.0, 60.0, 300.0])
    C = np.concatenate([log_uniform(-13, 13, 40), log_uniform(-1.5, 1.5, 40), [1e-300, 1.0, 1 - EPS]])
    triples = [(a, b, c) for i, a in enumerate(ends) for j, b in enumerate(ends[:i]) for c in ends[:j]]
    high, middle, low = np.array(triples).T[:, :, None] + np.zeros_like(C)
    C = np.broadcast_to(C, high.shape)
    whole = imbalanced.scaled_integral(low, high, C)
    parts = imbalanced.scaled_integral(middle, high, C)
    parts = parts + imbalanced.scaled_integral(low, middle, C) * np.exp(middle - high)
    # three integrals of 9 roundings each
    np.testing.assert_allclose(parts, whole, rtol=27 * EPS)
