"""Where training ends with a penalty on the logits or on the weights: many digits, and descent on the weights."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import Network, data, losses, train
from dynsim.theory.decoupling import decoupled, mixing, responses

EPS = np.finfo(float).eps
FEW = settings(deadline=None, derandomize=True, max_examples=60)
SMOOTH = ("cross_entropy", "exponential", "squared")


def descended(U, s, lam, name, penalty, steps=12_000):
    """Gradient descent on theta, written out."""
    A, g = U * s, losses.get(name).pull
    theta = np.zeros(len(s))
    lr = 1.0 / ((1.0 + lam) * np.max(s) ** 2)
    for _ in range(steps):
        m = A @ theta
        down = A.T @ (g(m) - lam * m) if penalty == "logits" else A.T @ g(m) - lam * theta
        theta = theta + lr * down
    return s * theta


@pytest.mark.parametrize("name", ["cross_entropy", "exponential"])
def test_decoupled_in_many_digits(name):
    lam = 10 ** np.concatenate([np.random.default_rng(0).uniform(-300, 300, 300), np.linspace(-3, 3, 100)])
    with mp.workdps(60):
        for m, strength in zip(decoupled(lam, loss=name), lam, strict=True):
            x, weight = mp.mpf(float(m)), mp.mpf(float(strength))
            if name == "exponential":
                exact = mp.lambertw(1 / weight).real
            else:
                exact = x
                for _ in range(3):  # Newton's method in 60 digits, from 15
                    e = mp.exp(exact)
                    exact -= (exact * (1 + e) - 1 / weight) / (1 + e + exact * e)
            # the pull and lam m are each rounded twice or thrice, the sum once
            assert abs(x / exact - 1) < 1e-15, strength


def test_decoupled_of_hinge_and_squared():
    lam = np.array([0.0, 1e-300, 0.3, 1.0, 7.0, 1e300, np.inf])
    assert decoupled(lam, loss="hinge").tolist() == [1.0, 1.0, 1.0, 1.0, 1.0 / 7.0, 1e-300, 0.0]
    assert decoupled(lam, loss="squared") == pytest.approx(1 / (1 + lam), rel=1e-15)
    for name in ("cross_entropy", "exponential"):
        assert decoupled([0.0, np.inf], loss=name).tolist() == [np.inf, 0.0]
    assert decoupled([[0.1], [0.2]]).shape == (2, 1) and decoupled(0.1).shape == () and decoupled([]).shape == (0,)


@pytest.mark.parametrize("name", ["cross_entropy", "hinge", "exponential", "squared"])
def test_decoupled_is_the_least_of_loss_and_penalty(name):
    value = losses.get(name).value
    for lam in (1e-3, 0.1, 1.0, 5.0):
        m = float(decoupled(lam, loss=name))
        around = m + np.array([-1e-3, 0.0, 1e-3])
        total = value(around) + 0.5 * lam * around**2
        assert total[1] < min(total[0], total[2])


def test_the_table():
    """U of delta = .5, s2 = 2, lam = .01: the stronger feature starves the weaker, but with decoupling."""
    U, s = mixing(0.5), np.array([[s1, 2.0] for s1 in range(2, 7)])
    weights = responses(U, s, strength=0.01, penalty="weights")
    assert weights[:, 1].round(3).tolist() == [1.64, 1.583, 1.467, 1.329, 1.185]
    assert np.all(np.diff(weights[:, 0]) > 0)
    logits = responses(U, s, strength=0.01)
    assert np.array_equal(logits, np.tile(logits[0], (5, 1)))
    assert logits[0].round(3).tolist() == [4.589, 1.23]
    assert decoupled(0.01).round(3) == 3.359


@pytest.mark.parametrize("penalty", ["logits", "weights"])
@pytest.mark.parametrize("name", SMOOTH)
def test_descent_ends_there(name, penalty):
    for delta, s in [(0.5, [2.0, 2.0]), (0.5, [5.0, 2.0]), (-0.8, [1.0, 1.5])]:
        got = responses(mixing(delta), s, strength=0.05, penalty=penalty, loss=name)
        # the slowest rate is lr lam s^2 or lr lam: nothing is left of the start after so many steps
        assert got == pytest.approx(descended(mixing(delta), np.array(s), 0.05, name, penalty), rel=1e-9)


@FEW
@given(
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.floats(-6, 3),
    st.sampled_from(SMOOTH),
)
def test_responses_are_stationary(n, seed, exponent, name):
    """Complex step: the derivative of L + penalty along every theta_j, with any number of points and features."""
    rng, lam = np.random.default_rng(seed), 10.0**exponent
    U, s = np.linalg.qr(rng.normal(size=(n, n)))[0], 10 ** rng.uniform(-1, 1, n)
    values = {
        "cross_entropy": lambda m: np.log(1 + np.exp(-m)),
        "exponential": lambda m: np.exp(-m),
        "squared": lambda m: 0.5 * (1 - m) ** 2,
    }
    for penalty in ("logits", "weights"):
        theta = responses(U, s, strength=lam, penalty=penalty, loss=name) / s
        for j in range(n):
            moved = theta + 1e-100j * np.eye(n)[j]
            m = U @ (s * moved)
            square = np.sum((m if penalty == "logits" else moved) ** 2)
            slope = np.imag(np.sum(values[name](m)) + 0.5 * lam * square) / 1e-100
            pulls = np.abs(losses.get(name).pull(m.real)) + lam * np.abs(m.real if penalty == "logits" else 0.0)
            slopes = lam * (penalty == "logits") - losses.get(name).slope(m.real)
            rounded = slopes * (np.abs(U) @ np.abs(s * theta))
            # the promised 1e-13, twice for the terms added here, and ten roundings of each margin
            most = np.abs(U[:, j] * s[j]) @ (2e-13 * pulls + 20 * EPS * rounded) + 2e-13 * lam * abs(theta[j])
            assert abs(slope) <= most


def test_without_mixing_both_penalties_treat_features_alone():
    s = np.array([0.5, 3.0])
    weights = responses(np.eye(2), s, strength=0.1, penalty="weights")
    for z, each in zip(weights, s, strict=True):
        # m = z, g(m) = (lam/s^2) m
        assert z == pytest.approx(float(decoupled(0.1 / each**2)), rel=1e-12)
    assert responses(np.eye(2), s, strength=0.1) == pytest.approx(np.full(2, decoupled(0.1)), rel=1e-15)


def test_trained_network_ends_decoupled():
    """A linear dynsim network on mirrored points of any strengths and frequencies: every margin at one value."""
    lam = 0.05
    for norms in [(1.0, 1.0), (3.0, 0.5)]:
        points = data.starving_features(0.2, norms, frequencies=(0.5, 0.5))
        run = train(Network((np.zeros(2),)), points, lr=0.5, steps=20_000, spectral_decoupling=lam, record=[20_000])
        # the slowest mode decays by a share of lr lam times the least eigenvalue of sum q x x', .04, a step
        assert run.margin[-1] == pytest.approx(np.full(4, decoupled(lam)), rel=1e-9)
    bare = train(Network((np.zeros(2),)), points, lr=0.1, steps=1000, record=[1000])
    assert np.ptp(bare.margin[-1]) > 0.01


def test_mixing():
    for d in (-1.0, -0.3, 0.0, 1e-9, 0.8, 1.0):
        U = mixing(d)
        assert np.all(np.abs(U.T @ U - np.eye(2)) <= 2 * EPS) and U[1, 0] == d and U[0, 1] == -d


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(mixing=[[1.0, 0.1], [0.0, 1.0]]), r"mixing must be an orthogonal matrix, got .* off by 0\.1$"),
        (dict(mixing=[[1.0, 0.0]]), r"mixing must be an orthogonal matrix"),
        (dict(mixing=1.0), r"mixing must have 2 dimensions"),
        (dict(singular_values=[1.0, 0.0]), r"singular_values must be positive and finite"),
        (dict(singular_values=[1.0]), r"singular_values must have 2 entries on the last axis, got shape \(1,\)"),
        (dict(singular_values=1.0), r"singular_values must have 2 entries on the last axis, got shape \(\)"),
        (dict(strength=0.0), r"strength must be positive and finite, got 0"),
        (dict(penalty="l2"), r"penalty must be one of 'logits', 'weights', got 'l2'"),
        (dict(loss="logistic"), r"loss must be one of"),
        (dict(loss="hinge", penalty="weights"), r"loss must not be 'hinge' with penalty 'weights'"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        responses(**{"mixing": np.eye(2), "singular_values": [1.0, 2.0], "strength": 0.1} | change)


def test_errors_of_the_others():
    with pytest.raises(ValueError, match=r"strength must be at least 0, got -1"):
        decoupled(-1.0)
    with pytest.raises(ValueError, match=r"loss must be one of"):
        decoupled(1.0, loss="logistic")
    with pytest.raises(ValueError, match=r"angle_sine must be one number between -1 and 1, got 1.5"):
        mixing(1.5)
