"""The tabulated law of a balanced mode, against multi-precision arithmetic and against Newton's method."""

import tracemalloc

import mpmath as mp
import numpy as np
import pytest
from test_special import EPS, UNIT, exact_sum, log_uniform

from dynsim.theory.evaluation import universal
from dynsim.theory.evaluation.special import scaled_time, solve_log_ei

WEIGHTS = (0.0, 1.0, 2.0, 9.0, 99.0, 999.0, 5000.0)


def starts_and_times(weight, count, seed=0):
    """T of all sizes, and around the time to u = 1, where one table takes over from the other."""
    rng = np.random.default_rng(seed)
    u0 = log_uniform(-4, 1.6, count, seed + 1)
    u0[::2] = log_uniform(-300, 1.6, u0[::2].size, seed)
    to_one = (weight + 1) * np.maximum(-np.log(u0), 0) + 2
    T = [log_uniform(-8, 8, count, seed + 2), to_one * rng.uniform(0, 2, count), log_uniform(-300, 308, count, 9)]
    return u0, np.choose(rng.integers(0, 3, count), T)


def slope(u, weight):
    """dF/dlog u."""
    return weight + np.exp(np.minimum(u, 700.0))


def condition(u0, T, u, weight):
    return 1 + (T + slope(u0, weight)) / slope(u, weight)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_against_mpmath(weight):
    u0, T = starts_and_times(weight, 500)
    u = universal.solve(u0, T, np.log(T), weight=weight)
    with mp.workdps(60):
        for i in range(u.size):
            start, end = mp.mpf(u0[i]), mp.mpf(u[i])
            # to first order the relative error of u is that of the equation over dF/dlog u
            excess = weight * mp.log(end / start) + mp.ei(end) - mp.ei(start) - mp.mpf(T[i])
            error = abs(excess) / (weight + mp.exp(end))
            assert error <= UNIT * condition(u0[i], T[i], u[i], weight), (u0[i], T[i], u[i])
            assert error <= 1e-12, (u0[i], T[i], u[i])


@pytest.mark.parametrize("weight", WEIGHTS)
def test_every_interval_against_newton(weight):
    """Enough values that each of the tables' some thousand intervals is met several times."""
    count = 5000 if weight > 1000 else 60_000
    u0, T = starts_and_times(weight, count, seed=3)
    T[::2] = np.random.default_rng(1).uniform(0, 3 * (weight + 1), T[::2].size)
    u0[::4] = log_uniform(-2, 1, u0[::4].size)
    u = universal.solve(u0, T, np.log(T), weight=weight)
    reference = solve_log_ei(u0, T, np.log(T), weight=weight)
    assert np.all(np.abs(u / reference - 1) <= 2 * UNIT * condition(u0, T, u, weight))


def test_the_ends():
    u0 = np.array([5e-324, 1e-300, 0.5, 1.0, 40.0, 720.0, 1e5, 1e300])
    assert np.array_equal(universal.solve(u0, 0.0, -np.inf), u0)
    assert np.array_equal(universal.solve(u0, 5e-324, np.log(5e-324)), u0)
    assert np.array_equal(universal.solve(u0, np.inf, np.inf), np.full(8, np.inf))
    vast = universal.solve(u0, np.inf, 1400.0)
    assert np.array_equal(vast, solve_log_ei(u0, np.inf, 1400.0))
    # e^744 overflows, while the smallest float times it does not
    T = 1500.0
    grown = universal.solve(5e-324, T, np.log(T))
    assert abs(grown / solve_log_ei(5e-324, T, np.log(T)) - 1) <= 2 * UNIT * T


def test_it_is_continuous_where_the_tables_meet():
    T = float(solve_time(0.001, 1.0))
    u = universal.solve(0.001, T * (1 + EPS * np.arange(-8, 9)), np.log(T))
    # du/dT = 1/(1 + e), and UNIT for each of T, u and u0
    assert np.all(np.abs(u - 1) <= 8 * EPS * T / (1 + np.e) + UNIT * (1 + T / (1 + np.e)))


def solve_time(u0, u):
    with mp.workdps(40):
        return exact_sum(mp.mpf(u), 1) - exact_sum(mp.mpf(u0), 1)


def test_logit_at_is_solve():
    """Rates and times whose product over- and underflows among them."""
    time = np.concatenate([log_uniform(-308, 308, 300), log_uniform(-3, 3, 300, 1), [0.0, 5e-324, np.inf]])
    rate = np.array([[1e-300], [0.3], [1e300]])
    u0 = np.array([[[1e-300]], [[0.01]], [[30.0]]])
    u = universal.logit_at(time, u0, rate)
    assert u.shape == (3, 3, time.size)
    np.testing.assert_array_equal(u, universal.solve(u0, *scaled_time(rate, time)))


@pytest.mark.parametrize("shapes", [((), ()), ((0,), ()), ((7,), (1,)), ((3, 1, 5), (4, 1)), ((1, 20_001), (2, 1))])
def test_pieces_do_not_show(shapes):
    """Whatever the shapes, each value is the one that its own arguments give."""
    rng = np.random.default_rng(2)
    T, u0 = (np.exp(rng.uniform(-3, 4, shape)) for shape in shapes)
    u = universal.solve(u0, T, np.log(T))
    whole = np.broadcast_arrays(u0, T, u)
    assert u.shape == np.broadcast_shapes(*shapes) and isinstance(u, np.ndarray)
    for i in range(0, u.size, max(1, u.size // 50)):
        start, total, value = (a.ravel()[i] for a in whole)
        assert universal.solve(start, total, np.log(total)) == pytest.approx(value, rel=2 * UNIT * (1 + total))


def test_arguments_are_left_alone():
    u0, T = np.array([0.1, 0.2]), np.array([0.0, 1.0])
    universal.solve(u0, T, np.log(np.maximum(T, 1e-9)))
    assert u0.tolist() == [0.1, 0.2] and T.tolist() == [0.0, 1.0]


def test_many_starts_take_no_memory_but_the_answer():
    rng = np.random.default_rng(0)
    time = rng.uniform(0, 9, (20_000, 10))
    u0, rate = rng.uniform(0.01, 1, (20_000, 1)), rng.uniform(1, 2, (20_000, 1))
    universal.logit_at(0.0, 1.0, 1.0)
    tracemalloc.start()
    u = universal.logit_at(time, u0, rate)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the answer, some numbers of each start (a tenth of it each), and pieces of 64 kB
    assert peak < 2.5 * u.nbytes + 3e6


def test_no_floating_point_error_escapes():
    sizes = np.array([5e-324, 1e-300, 1e-150, 1e-12, 0.3, 1.0, 40.0, 690.0, 750.0, 1e8, 1e300])
    for rate in (1e-300, 1.0, 1e300):
        for weight in (0.0, 1.0, 999.0):
            with np.errstate(all="raise"):
                u = universal.logit_at(np.append(sizes, [0.0, np.inf])[:, None], sizes, rate, weight=weight)
            assert np.all(u >= sizes)
