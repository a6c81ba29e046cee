"""The tabulated law of deep balanced modes, against multi-precision arithmetic and `evaluation.deep`."""

import mpmath as mp
import numpy as np
import pytest
from test_special import UNIT, log_uniform

from dynsim.theory.evaluation import deep, universal_deep

DEPTHS = (2.5, 3.0, 4.0, 7.5, 30.0, 1000.0)


def antiderivative(u, depth, weight):
    """F(u) = int u^(b-1) (w + e^u) du."""
    b = 2 / mp.mpf(depth) - 1
    return u**b / b * (weight + mp.hyp1f1(b, b + 1, u))


def cases(depth, weight, count, seed=0):
    """Starts of all sizes, T of all sizes and around the time to leave the plateau."""
    rng = np.random.default_rng(seed)
    u0 = log_uniform(-4, 1.4, count, seed)
    u0[::3] = log_uniform(-300, 1.4, u0[::3].size, seed + 1)
    b = 2 / depth - 1
    escape = (weight + 1) * (np.minimum(u0, 1) ** b - 1) / -b + 1
    kinds = [log_uniform(-6, 9, count, 2), escape * rng.uniform(0, 1.5, count), log_uniform(-300, 290, count, 3)]
    return u0, np.choose(rng.integers(0, 3, count), kinds)


def reached(T, u0, depth, weight):
    one = np.ones_like(T)
    return deep.logit(T, deep.Flow(u0, one / depth, depth * one, one, weight * one), "cross_entropy")


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("depth", DEPTHS)
def test_against_mpmath(depth, weight):
    """The result is that of a T and an initial logit within UNIT of those given, and itself rounded by UNIT."""
    u0, T = cases(depth, weight, 120)
    u = universal_deep.logit_at(T, u0, 1 / depth, depth=depth, weight=weight)
    with mp.workdps(60):
        for i in range(u.size):
            ends, total = (mp.mpf(u0[i]), mp.mpf(u[i])), depth * mp.mpf(1 / depth) * mp.mpf(T[i])
            first, last = (v ** (2 / mp.mpf(depth) - 1) * (weight + mp.exp(v)) for v in ends)
            excess = antiderivative(ends[1], depth, weight) - antiderivative(ends[0], depth, weight) - total
            assert abs(excess) <= UNIT * (total + first + last), (u0[i], T[i], u[i])


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_interval_against_the_law_itself(depth, weight):
    u0, T = cases(depth, weight, 20_000, seed=5)
    u = universal_deep.logit_at(T, u0, 1 / depth, depth=depth, weight=weight)
    reference = reached(T, u0, depth, weight)
    power = 2 - 2 / depth
    with np.errstate(all="ignore"):
        speed, start = (v**power / (weight + np.exp(np.minimum(v, 700))) for v in (reference, u0))
        condition = 1 + (T * speed + u0 * (speed / start)) / reference
    # where a rounding of T decides the condition number is large; nothing to first order can be said from 1e9 on
    good = condition < 1e9
    assert good.mean() > 0.8
    assert np.all(np.abs(u / reference - 1)[good] <= 2 * UNIT * condition[good])


def test_the_ends():
    u0 = np.array([5e-324, 1e-300, 0.1, 0.5, 1.0, 40.0, 650.0])
    for depth in (2.1, 4.0, 1e5):
        assert np.array_equal(universal_deep.logit_at(0.0, u0, 1.0, depth=depth), u0)
        assert np.array_equal(universal_deep.logit_at(np.inf, u0, 1.0, depth=depth), np.full(7, np.inf))
        far = universal_deep.logit_at(1e250, u0, 2.0, depth=depth)
        expected = reached(np.full(7, 2.0 * depth * 1e250), u0, depth, 1.0)
        np.testing.assert_allclose(far, expected, rtol=2 * UNIT)  # dlog u/dlog T is below 1/500 there


@pytest.mark.parametrize("shapes", [((), ()), ((0,), ()), ((3, 1, 5), (4, 1)), ((1, 20_001), (2, 1))])
def test_pieces_do_not_show(shapes):
    rng = np.random.default_rng(2)
    t, u0 = (np.exp(rng.uniform(-2, 2, shape)) for shape in shapes)
    u = universal_deep.logit_at(t, u0, 0.7, depth=3.0)
    assert u.shape == np.broadcast_shapes(*shapes) and isinstance(u, np.ndarray)
    whole = [a.ravel() for a in np.broadcast_arrays(u0, t, u)]
    for i in range(0, u.size, max(1, u.size // 50)):
        start, time, value = (a[i] for a in whole)
        # no condition number above 1 + 3 kappa t u^(4/3) here
        assert universal_deep.logit_at(time, start, 0.7, depth=3.0) == pytest.approx(value, rel=100 * UNIT)
