"""Powers of logits and their integrals, against multi-precision arithmetic."""

import mpmath as mp
import numpy as np

from dynsim.theory.evaluation import powers

EPS = np.finfo(float).eps


def test_exponents_to_twice_the_digits():
    depth = np.array([1.0, 1.1, 1.5, 2.0, 2 + 4 * EPS, 2.5, 3.0, 7.3, 33.3, 100.0, 1e6 + 0.1])
    b, rest = powers.exponent(depth)
    with mp.workdps(50):
        for value, part, N in zip(b, rest, depth, strict=True):
            exact = 2 / mp.mpf(N) - 1
            assert abs(mp.mpf(value) + mp.mpf(part) - exact) <= EPS**2 * abs(exact)


def test_powers_of_the_smallest_logits():
    depth = np.array([1.3, 3.0, 7.0, 33.3])
    b = powers.exponent(depth)
    got = powers.raised(np.full(4, 1e-300), b)
    with mp.workdps(50):
        for value, N in zip(got, depth, strict=True):
            # the power of numpy, the correction and the product
            assert abs(mp.mpf(value) / mp.mpf(1e-300) ** (2 / mp.mpf(N) - 1) - 1) <= 4 * EPS


def test_growth_of_close_and_of_far_logits():
    low = np.array([1e-300, 1.0, 5e-324, 40.0])
    high = np.array([1e300, 1 + EPS, 1.0, 41.0])
    with mp.workdps(50):
        exact = [float(mp.log(mp.mpf(h) / mp.mpf(a))) for a, h in zip(low, high, strict=True)]
    np.testing.assert_allclose(powers.growth(low, high), exact, rtol=4 * EPS)


def stretch(count=300):
    """Logits up to 4, near and far from their starts, and 1/g = 1 + e^u."""
    rng = np.random.default_rng(2)
    low = 10 ** np.where(rng.random(count) < 0.5, rng.uniform(-300, 0.5, count), rng.uniform(-3, 0.5, count))
    high = low * (4 / low) ** np.where(rng.random(count) < 0.3, 10 ** rng.uniform(-13, 0, count), rng.random(count))
    depth = np.where(rng.random(count) < 0.5, rng.uniform(1, 8, count), 10 ** rng.uniform(0, 2, count))
    depth[::10] = 2.0
    return low, high, depth


def test_time_along_a_series():
    low, high, depth = stretch()
    b = powers.exponent(depth)
    along = powers.Stretch(low, b, np.full_like(low, 2.0), powers.EXPONENTIAL)
    constant, rest, _ = powers.time_along(along, high, powers.growth(low, high))
    with mp.workdps(60):
        for i, value in enumerate(constant + rest):
            u0, u, c = mp.mpf(low[i]), mp.mpf(high[i]), 2 / mp.mpf(depth[i]) - 1
            ends = [v**c / c * (1 + mp.hyp1f1(c, c + 1, v)) if c else mp.log(v) + mp.ei(v) for v in (u0, u)]
            exact = (ends[1] - ends[0]) / (u0**c if c < 0 else 1)
            # 6 roundings of the powers and of x, 6 of a term and its sum
            assert abs(mp.mpf(float(value)) / exact - 1) <= 12 * EPS, (low[i], high[i], depth[i])


def test_logit_along_is_the_inverse():
    low, high, depth = stretch()
    low, high = low / 4, high / 4
    b = powers.exponent(depth)
    along = powers.Stretch(low, b, np.full_like(low, 2.0), powers.EXPONENTIAL)
    with np.errstate(under="ignore"):
        constant, rest, lead = powers.time_along(along, high, powers.growth(low, high))
        with np.errstate(all="ignore"):
            back = powers.logit_along(along, 1.0, constant + rest, lambda u: 1 + np.exp(u))
        again = powers.time_along(along, back, powers.growth(low, back))
    # two sums of 12 roundings, and the resolution of u, which counts dT/dlog u = u^b (1 + e^u)
    room = 24 * EPS * (constant + rest) + 4 * EPS * lead * (1 + np.e)
    assert np.all(np.abs(again[0] + again[1] - constant - rest) <= room)
