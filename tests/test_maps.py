"""The map of S and D: against a loop over the units of a network, against 50 digits, and its own invariants.

With batches of one point: against all sequences of draws, against chance, and the binomial law against 50 digits.
"""

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import losses
from dynsim.theory import maps
from dynsim.theory.maps import Mode

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")
PULL = {
    "cross_entropy": lambda m: np.exp(-m) / (1 + np.exp(-m)),
    "hinge": lambda m: float(m < 1),
    "exponential": lambda m: np.exp(-m),
    "squared": lambda m: 1 - m,
}


def units(hidden, dimension, scale, seed):
    """Weights of a class's units, all active on x and with positive output weights, as (H2) and (H3) ask."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=dimension)
    W = scale * rng.normal(size=(hidden, dimension))
    return x, W * np.sign(W @ x)[:, None], scale * np.abs(rng.normal(size=hidden))


def brute_force(x, W, Z, p, lr, steps, loss):
    """One unit after the other: w += lr p g Z x, Z += lr p g (w.x), and the logit sum Z (w.x).

    The squared loss pulls back above 1, where nothing is claimed: its path ends there.
    """
    W, Z, out = W.copy(), Z.copy(), []
    for _ in range(steps + 1):
        logit = sum(float(Z[k] * (W[k] @ x)) for k in range(len(Z)))
        out.append(logit)
        if loss == "squared" and logit >= 1.0:
            break
        pull = lr * p * PULL[loss](logit)
        for k in range(len(Z)):
            W[k], Z[k] = W[k] + pull * Z[k] * x, Z[k] + pull * (W[k] @ x)
    return np.array(out)


def sums(x, W, Z):
    a = W @ x / np.linalg.norm(x)
    return np.sum((a + Z) ** 2), np.sum((a - Z) ** 2)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    hidden=st.sampled_from([1, 2, 3, 16, 64]),
    dimension=st.integers(1, 5),
    scale=st.sampled_from([1e-3, 0.05, 0.5]),
    loss=st.sampled_from(NAMES),
    strength=st.floats(0.01, 2.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_against_a_loop_over_the_units(hidden, dimension, scale, loss, strength, seed):
    """Any number of units, any initial values, lr kappa up to 2 (the squared loss: while u < 1)."""
    x, W, Z = units(hidden, dimension, scale, seed)
    norm, p, steps = np.linalg.norm(x), 0.4, 150
    lr = strength / (p * norm)
    want = brute_force(x, W, Z, p, lr, steps, loss)
    S, D = sums(x, W, Z)
    got = maps.gradient_descent(S, D, rate=p * norm, norm=norm, lr=lr, steps=steps, loss=loss)
    assert len(got) == steps + 1
    got = got[: len(want)]
    if loss == "hinge":
        # Which of two steps reaches 1 may hang on the last bit only where a logit is within round-off of 1.
        assert np.abs(want - 1).min() > 1e-9
    # Relative errors of u and R add up step by step: h + d + 16 roundings each, in the loop and in S and D. For
    # lr kappa <= 2 no step enlarges them: d log u'/d log u = 1 + 2 u e'(u)/(1 + e) lies within -1 .. 1 for the
    # bounded pulls and C = 0; an imbalance C > u multiplies by R/u <= hypot(u0, C)/u0.
    start = want[0]
    R = norm / 4 * (S + D)
    bound = (np.arange(len(want)) + 1) * (hidden + dimension + 16) * EPS * (R / start)
    assert np.all(np.abs(got - want) <= bound * np.maximum(np.abs(want), start))


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize(("S", "D"), [(0.4, 0.0), (0.9, 0.7), (1e-6, 1e-8), (3.0, 2.999)])
@pytest.mark.parametrize("lr", [0.01, 0.3, 1.7])
def test_against_fifty_digits(loss, S, D, lr):
    x, kappa, steps = 1.3, 0.55, 6
    got = maps.gradient_descent(S, D, rate=kappa, norm=x, lr=lr, steps=steps, loss=loss)
    with mp.workdps(50):
        pull = {
            "cross_entropy": lambda m: 1 / (1 + mp.exp(m)),
            "hinge": lambda m: mp.mpf(m < 1),
            "exponential": lambda m: mp.exp(-m),
            "squared": lambda m: 1 - m,
        }[loss]
        s, d, norm = mp.mpf(S), mp.mpf(D), mp.mpf(x)
        for k in range(steps + 1):
            u, R = norm / 4 * (s - d), norm / 4 * (s + d)
            # 8 roundings a step, relative to R; at most e^{1 + slope} = 10 times as much after a step of lr <= 1.7.
            assert abs(got[k] - u) <= (k + 1) * 80 * EPS * R, (k, got[k], u)
            e = mp.mpf(lr) * mp.mpf(kappa) * pull(u)
            s, d = s * (1 + e) ** 2, d * (1 - e) ** 2


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    u=st.floats(-3.0, 3.0).map(lambda e: 10.0**e),
    C=st.floats(-3.0, 3.0).map(lambda e: 10.0**e),
    e=st.floats(-3.0, 1.5).map(lambda e: 10.0**e),
)
def test_the_invariant_law(u, C, e):
    """S D -> S D (1 - e^2)^2, that is R^2 - u^2 -> (R^2 - u^2) (1 - e^2)^2, and S -> S (1 + e)^2 by itself."""
    before = Mode(np.array(u), np.hypot(u, C))
    after = maps.advance(before, np.array(e))
    square = (before.R - before.u) * (before.R + before.u)
    # Six roundings in each of u and R; R - u cancels, hence relative to R.
    error = 12 * EPS * after.R + 4 * EPS * before.R * (1 - e) ** 2
    assert abs((after.R - after.u) - (before.R - before.u) * (1 - e) ** 2) <= error
    assert (after.R + after.u) == pytest.approx((before.R + before.u) * (1 + e) ** 2, rel=12 * EPS)
    got = (after.R - after.u) * (after.R + after.u)
    assert abs(got - square * (1 - e**2) ** 2) <= 4 * after.R * error + 8 * EPS * before.R**2 * (1 - e**2) ** 2


def test_the_invariant_of_one_unit_under_gradient_descent():
    """(y'^2/|x|^2 - z'^2) = (y^2/|x|^2 - z^2) (1 - (lr kappa g)^2), by the loop over units alone."""
    x, W, Z = units(4, 3, 0.5, 0)
    norm, p, lr = np.linalg.norm(x), 0.6, 1.1
    g = PULL["cross_entropy"](float(Z @ (W @ x)))
    after_W, after_Z = W + lr * p * g * Z[:, None] * x, Z + lr * p * g * (W @ x)
    before = (W @ x / norm) ** 2 - Z**2
    after = (after_W @ x / norm) ** 2 - after_Z**2
    np.testing.assert_allclose(after, before * (1 - (lr * p * norm * g) ** 2), rtol=0, atol=60 * EPS)


def test_a_learning_rate_that_annihilates_the_imbalance():
    """e = 1 sends D to 0: u = R from then on."""
    state = maps.advance(Mode(np.array(0.5), np.array(1.25)), np.array(1.0))
    assert state.u == state.R == 2 * 0.5 + 2 * 1.25


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "exponential"])
@pytest.mark.parametrize("lr", [3.0, 30.0, 1000.0])
def test_large_learning_rates(loss, lr):
    """Far beyond any stable flow the map is the network all the same."""
    x, W, Z = units(3, 2, 0.3, 1)
    S, D = sums(x, W, Z)
    norm = np.linalg.norm(x)
    got = maps.gradient_descent(S, D, rate=0.5 * norm, norm=norm, lr=lr, steps=20, loss=loss)
    want = brute_force(x, W, Z, 0.5, lr, 20, loss)
    assert np.all(np.isfinite(got))
    # 20 steps of 20 roundings; after the first big one the pull is too small for the errors to grow.
    np.testing.assert_allclose(got, want, rtol=20 * 20 * EPS * lr, atol=0)
    assert got[-1] > 1.0


def test_a_diverging_law_is_infinite_as_the_network_is():
    """Squared loss far beyond its stable learning rate: inf, then NaN, without a warning."""
    path = maps.gradient_descent(2.0, 0.0, rate=1.0, norm=1.0, lr=40.0, steps=100, loss="squared")
    assert np.all(np.isfinite(path[:3])) and not np.any(np.isfinite(path[-10:]))


def test_hinge_stops_at_once():
    path = maps.gradient_descent([0.01, 3.9, 8.0], 0.0, rate=0.7, norm=1.0, lr=0.1, steps=60, loss="hinge")
    for u, reached in zip(path.T, (True, True, True), strict=True):
        first = int(np.argmax(u >= 1.0))
        assert (u[first] >= 1.0) == reached
        assert np.all(np.diff(u[: first + 1]) > 0)
        assert np.all(u[first:] == u[first])
        assert u[first] < 2.0 + 1e-12  # at most (1 + .07)^2 times a logit below 1, or where it began
    assert path[0, 2] == 2.0 and np.all(path[:, 2] == 2.0)


def test_balanced_hinge_is_a_power():
    """C = 0, below the margin: u = u0 (1 + lr kappa)^(2 k)."""
    path = maps.gradient_descent(4e-6, 0.0, rate=0.5, norm=2.0, lr=0.02, steps=100, loss="hinge")
    # Two roundings a step.
    np.testing.assert_allclose(path, 2e-6 * 1.01 ** (2 * np.arange(101)), rtol=600 * EPS)


def test_broadcasting_is_a_loop():
    rng = np.random.default_rng(0)
    S, D = rng.uniform(0.1, 1.0, (3, 1)), rng.uniform(0.0, 0.1, (3, 1))
    rate, norm, lr = rng.uniform(0.1, 1.0, 4), 1.7, np.array(0.3)
    got = maps.gradient_descent(S, D, rate=rate, norm=norm, lr=lr, steps=30)
    assert got.shape == (31, 3, 4)
    for i in range(3):
        for j in range(4):
            single = maps.gradient_descent(S[i, 0], D[i, 0], rate=rate[j], norm=norm, lr=lr, steps=30)
            assert single.shape == (31,)
            np.testing.assert_array_equal(got[:, i, j], single)
    rates = maps.gradient_descent(0.2, 0.1, rate=0.4, norm=1.0, lr=[0.1, 0.2], steps=5)
    np.testing.assert_array_equal(rates[:, 1], maps.gradient_descent(0.2, 0.1, rate=0.4, norm=1.0, lr=0.2, steps=5))


def test_no_steps_and_two_runs_in_a_row():
    assert maps.gradient_descent(4.0, 1.0, rate=1.0, norm=2.0, lr=0.1, steps=0).tolist() == [1.5]
    path = maps.iterate(Mode(np.array(0.1), np.array(0.4)), np.array(0.2), losses.get("cross_entropy"))
    states = [next(path) for _ in range(11)]
    again = maps.iterate(states[4], np.array(0.2), losses.get("cross_entropy"))
    assert [next(again) for _ in range(7)][-1] == states[10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"S": -1.0}, "S must be at least 0 and finite, got -1$"),
        ({"D": [0.1, -0.2]}, r"D must be at least 0 and finite, got -0\.2 at 1$"),
        ({"S": np.nan}, "S must be at least 0 and finite, got nan$"),
        ({"rate": 0.0}, "rate must be positive and finite, got 0$"),
        ({"norm": -2.0}, "norm must be positive and finite, got -2$"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0$"),
        ({"lr": np.inf}, "lr must be positive and finite, got inf$"),
        ({"steps": -1}, "steps must be an integer of at least 0, got -1$"),
        ({"steps": 1.0}, r"steps must be an integer of at least 0, got 1\.0$"),
        ({"loss": "log"}, "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got 'log'$"),
    ],
)
def test_errors(change, message):
    arguments = {"S": 1.0, "D": 0.5, "rate": 1.0, "norm": 1.0, "lr": 0.1, "steps": 3}
    with pytest.raises(ValueError, match=message):
        maps.gradient_descent(**(arguments | change))


# ---- batches of one point ----------------------------------------------------------------------------------


SGD = {"rate": 0.35, "norm": 1.4, "frequency": 0.3, "lr": 0.8}


def drawn(S, D, loss, steps, sequences):
    """The logits after `steps` steps, by S and D themselves, for rows of 0 and 1: whether a step drew the class."""
    s, d = np.full(len(sequences), float(S)), np.full(len(sequences), float(D))
    for n in range(steps):
        u = SGD["norm"] / 4 * (s - d)
        pull = np.array([PULL[loss](one) for one in u])
        e = sequences[:, n] * SGD["lr"] * SGD["rate"] / SGD["frequency"] * pull
        s, d = s * (1 + e) ** 2, d * (1 - e) ** 2
    return SGD["norm"] / 4 * (s - d)


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("steps", [0, 1, 9])
@pytest.mark.parametrize(("S", "D"), [(0.4, 0.0), (0.9, 0.7), (2.0, 0.1)])
def test_quantiles_and_mean_against_all_sequences_of_draws(loss, steps, S, D):
    """All 2^n of them, each with its own probability; the squared loss overshoots here, out of the order of k."""
    sequences = np.array(list(itertools.product((0, 1), repeat=steps))).reshape(2**steps, steps)
    u = drawn(S, D, loss, steps, sequences)
    f = SGD["frequency"]
    share = np.prod(np.where(sequences == 1, f, 1 - f), axis=1)
    order = np.argsort(u)
    total = np.cumsum(share[order])
    levels = np.array([0.003, 0.05, 0.25, 0.5, 0.75, 0.95, 0.997])
    assert np.abs(total[:, None] - levels).min() > 1e-9
    want = u[order][np.searchsorted(total, levels)]
    got = maps.sgd_quantiles(S, D, steps=steps, quantiles=levels, loss=loss, **SGD)
    # 8 roundings a step in either map; for these e <= .93 and R a step multiplies an error by at most
    # 1 + e^2 + 2 e + 2 lr |x| |g'| (u e + R) < 4 (largest for the exponential loss, where it begins).
    rtol = 16 * (steps + 1) * 4.0**steps * EPS
    np.testing.assert_allclose(got, want, rtol=rtol)
    mean = maps.sgd_mean(S, D, steps=steps, loss=loss, **SGD)
    np.testing.assert_allclose(mean, share @ u, rtol=rtol)


def test_the_squared_loss_does_overshoot_in_that_test():
    path = maps.gradient_descent(2.0, 0.1, rate=0.35 / 0.3, norm=1.4, lr=0.8, steps=9, loss="squared")
    assert np.any(np.diff(path) < 0) and np.any(np.diff(path) > 0)


@pytest.mark.parametrize("loss", NAMES)
def test_the_mean_against_chance(loss):
    """40,000 runs of 30 steps, drawn one by one."""
    sequences = np.random.default_rng(0).random((40_000, 30)) < SGD["frequency"]
    u = drawn(0.2, 0.1, loss, 30, sequences)
    mean = maps.sgd_mean(0.2, 0.1, steps=30, loss=loss, **SGD)
    # Five standard deviations: 6e-7 for a right mean.
    assert abs(u.mean() - mean) < 5 * u.std() / 200


def test_drawn_at_every_step_it_is_gradient_descent():
    arguments = {"rate": 0.5, "norm": 1.2, "lr": 0.3}
    path = maps.gradient_descent(0.3, 0.1, steps=40, **arguments)
    steps = [40, 0, 7]
    got = maps.sgd_quantiles(0.3, 0.1, frequency=1.0, steps=steps, quantiles=[0.01, 0.99], **arguments)
    np.testing.assert_array_equal(got, np.stack([path[steps]] * 2))
    np.testing.assert_array_equal(maps.sgd_mean(0.3, 0.1, frequency=1.0, steps=steps, **arguments), path[steps])


def test_sgd_broadcasts_as_a_loop():
    rng = np.random.default_rng(1)
    S, D = rng.uniform(0.1, 1.0, (3, 1)), rng.uniform(0.0, 0.1, (3, 1))
    f, steps, levels = np.array([0.2, 0.7, 1.0, 0.2]), np.array([[3, 60], [0, 11]]), [0.1, 0.5, 0.9]
    both = {"rate": 0.4, "norm": 1.7, "lr": 0.3, "loss": "squared"}
    got = maps.sgd_quantiles(S, D, frequency=f, steps=steps, quantiles=levels, **both)
    mean = maps.sgd_mean(S, D, frequency=f, steps=steps, **both)
    assert got.shape == (3, 2, 2, 3, 4) and mean.shape == (2, 2, 3, 4)
    for i, j, t in itertools.product(range(3), range(4), np.ndindex(2, 2)):
        one = {"frequency": f[j], "steps": int(steps[t]), **both}
        single = maps.sgd_quantiles(S[i, 0], D[i, 0], quantiles=levels, **one)
        assert single.shape == (3,)
        np.testing.assert_array_equal(got[:, t[0], t[1], i, j], single)
        want = maps.sgd_mean(S[i, 0], D[i, 0], **one)
        # The sum over K may be taken in another order.
        np.testing.assert_allclose(mean[t[0], t[1], i, j], want, rtol=80 * EPS)
    assert maps.sgd_quantiles(0.1, 0.0, quantiles=0.5, **SGD, steps=3).shape == ()


def test_ten_million_steps():
    """Hinge, learnt after some thousand draws: the path stops there; the law before that is far away."""
    got = maps.sgd_quantiles(
        4e-3, 0.0, rate=1e-3, norm=1.0, frequency=0.001, lr=1e-3, steps=10**7, quantiles=[0.01, 0.5], loss="hinge"
    )
    # f cancels in e = lr kappa / f = 1e-3.
    k = int(np.ceil(np.log(1e3) / (2 * np.log(1.001))))
    np.testing.assert_allclose(got, 1e-3 * 1.001 ** (2 * k), rtol=2 * 8 * k * EPS)


@pytest.mark.parametrize(("n", "f"), [(1, 0.5), (7, 0.3), (1000, 0.7), (1000, 1e-4), (10**7, 0.265)])
def test_the_law_of_the_number_of_draws(n, f):
    """Against 40 digits: each probability, and that what is left out is less than 1e-18."""
    first, share = maps.draws(n, f)
    with mp.workdps(40):
        p = mp.mpf(f)

        def exact(k):
            ways = mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)
            return mp.exp(ways + k * mp.log(p) + (n - k) * mp.log1p(-p))

        for i in {0, len(share) // 3, len(share) // 2, 3 * len(share) // 4, len(share) - 1}:
            want = exact(first + i)
            # Four roundings for every ratio from the mode on, and as many in the sum.
            assert abs(share[i] - want) <= want * 4 * EPS * (abs(first + i - n * f) + len(share) + 4)
        # Beyond its ends the law falls faster than a geometric series with the ratio there.
        for k, outwards, exists in ((first - 1, -1, first > 0), (first + len(share), 1, first + len(share) <= n)):
            if exists:
                ratio = exact(k + outwards) / exact(k) if 0 <= k + outwards <= n else 0
                assert ratio < 1 and exact(k) / (1 - ratio) < mp.mpf(10) ** -18 / 2
    assert share.sum() == pytest.approx(1.0, abs=1e-15)
    assert first + len(share) - 1 == maps.most_draws(n, f)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frequency": 0.0}, "frequency must be positive and finite, got 0$"),
        ({"frequency": [0.5, 1.5]}, r"frequency must be at most 1, got 1\.5$"),
        ({"steps": -1}, "steps must be at least 0 and finite, got -1$"),
        ({"steps": [1, 2.5]}, r"steps must be whole numbers, got \[1, 2\.5\]$"),
        ({"steps": True}, "steps must be whole numbers, got True$"),
        ({"quantiles": [0.5, 1.0]}, r"quantiles must lie between 0 and 1, both excluded, got \[0\.5, 1\.0\]$"),
        ({"quantiles": 0.0}, r"quantiles must lie between 0 and 1, both excluded, got 0\.0$"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0$"),
        ({"loss": "log"}, "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got 'log'$"),
        (
            {"S": [1.0, 2.0], "frequency": [0.1, 0.2, 0.3]},
            r"S, D, rate, norm, lr and frequency must broadcast to one shape, got \(2,\), .*, \(\), \(3,\)$",
        ),
    ],
)
def test_errors_of_sgd(change, message):
    arguments = {"S": 1.0, "D": 0.5, "steps": 3, "quantiles": 0.5, **SGD}
    with pytest.raises(ValueError, match=message):
        maps.sgd_quantiles(**(arguments | change))
