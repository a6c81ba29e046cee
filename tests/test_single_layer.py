"""Depth 1, where every loss has a closed form, from starts of any sign.

A logit is right if its exact time differs from the one asked for by no more than UNIT, 18 roundings, of each: the
time, the start, and the logit itself. To first order this is UNIT times the condition number.
"""

import mpmath as mp
import numpy as np
import pytest
from scipy.special import wrightomega

from dynsim.theory import modes
from dynsim.theory.evaluation import single_layer

UNIT = 4e-15
EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "exponential", "hinge", "squared")


def log_uniform(rng, low, high, count):
    return 10 ** rng.uniform(low, high, count)


def test_depth_one_is_the_wright_omega_function():
    """u + e^u = K: u = K - omega(K), from starts of any sign."""
    u0, t = np.array([-30.0, -2.0, 0.0, 0.4, 3.0])[:, None], np.array([0.5, 3.0, 50.0, 2e3])
    K = 0.6 * 1.5 * t + u0 + np.exp(u0)
    u = modes.logit(t, initial=u0, rate=0.6, norm=1.5, depth=1)
    # the difference has the rounding errors of K, and the logit of K/(1 + e^u) of them
    np.testing.assert_allclose(u, K - wrightomega(K), atol=8 * EPS * np.abs(K).max(), rtol=0)


def test_depth_one_of_the_other_losses():
    u0, t = np.array([-3.0, -0.2, 0.0, 0.7, 2.5])[:, None], np.array([0.0, 0.01, 1.0, 20.0])
    arguments = {"initial": u0, "rate": 0.6, "norm": 1.5, "depth": 1}
    squared = 1 - (1 - u0) * np.exp(-0.9 * t)
    np.testing.assert_allclose(modes.logit(t, loss="squared", **arguments), squared, atol=8 * EPS)
    hinge = np.maximum(u0, np.minimum(1, u0 + 0.9 * t))
    np.testing.assert_allclose(modes.logit(t, loss="hinge", **arguments), hinge, atol=8 * EPS)
    exponential = np.log(np.exp(u0) + 0.9 * t)
    np.testing.assert_allclose(modes.logit(t, loss="exponential", **arguments), exponential, atol=8 * EPS)


@pytest.mark.parametrize("loss", NAMES)
def test_depth_one_in_multi_precision(loss):
    rng, count = np.random.default_rng(3), 400
    tiny, wide, usual = (log_uniform(rng, *ends, count) for ends in ((-300, 0), (-12, 12), (-2, 1.5)))
    size = rng.permuted(np.stack([tiny, wide, usual, usual]), axis=0)[0]
    u0 = np.where(rng.random(count) < 0.5, -size, np.minimum(size, 300.0))
    T = np.where(rng.random(count) < 0.4, log_uniform(rng, -290, 300, count), size * rng.uniform(0, 2, count))
    T = np.where(rng.random(count) < 0.3, log_uniform(rng, -6, 6, count), T)
    u = modes.logit(T, initial=u0, rate=1.0, depth=1, loss=loss)
    with mp.workdps(320):
        for a, t, v in zip(u0, T, u, strict=True):
            error, room = single_layer_error(loss, *(mp.mpf(float(x)) for x in (a, t, v)))
            assert error <= UNIT * room, (a, t, v)
    reached = (u != u0) & ((u != 1) | (loss not in ("hinge", "squared")))
    times = modes.time_to(u[reached], initial=u0[reached], rate=1.0, depth=1, loss=loss)
    with mp.workdps(320):
        for a, t, v in zip(u0[reached], times, u[reached], strict=True):
            error, room = single_layer_error(loss, *(mp.mpf(float(x)) for x in (a, t, v)))
            assert error <= UNIT * room, (a, t, v)


def single_layer_error(loss, u0, t, u):
    """|T(u) - t|, and what UNIT of each argument and of the result amounts to in it."""
    if loss == "hinge":
        exact = max(u0, min(mp.mpf(1), u0 + t))
        return abs(u - exact), t * (exact < 1) + abs(u0) + abs(u)
    if loss == "squared":
        exact = 1 - (1 - u0) * mp.exp(-t)
        return abs(u - exact), (t * abs(1 - u0) + abs(u0)) * mp.exp(-t) + abs(exact)
    weight = loss == "cross_entropy"
    error = weight * (u - u0) + mp.exp(u) - mp.exp(u0) - t
    return abs(error), t + abs(u0) * (weight + mp.exp(u0)) + abs(u) * (weight + mp.exp(u))


def test_the_models_without_hidden_layer_take_any_start():
    start = np.array([-1e12, -700.0, 0.0, 1e-300, 800.0])
    late = single_layer.logit(
        np.full(5, 1e300), initial=start, rate=np.ones(5), norm=np.ones(5), loss="cross_entropy"
    )
    # log(1e300 - log 1e300), or e^800 above it
    np.testing.assert_allclose(late, [*[300 * np.log(10)] * 4, 800.0], rtol=4 * EPS)
