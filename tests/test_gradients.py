"""The hand-written passes: against the complex step on random shapes, and against runs of torch.autograd."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import losses
from dynsim.dataset import Dataset
from dynsim.empirical import networks
from dynsim.empirical.training import train
from dynsim.network import Network

NAMES = ("cross_entropy", "hinge", "exponential", "squared")
EPS = np.finfo(float).eps

# ---- against torch.autograd (scripts/record_autograd.py) --------------------------------------------------

RECORD = json.loads((Path(__file__).parent / "data" / "autograd.json").read_text(encoding="ascii"))
DATA = Dataset(RECORD["X"], RECORD["y"], RECORD["weights"])
START = Network((RECORD["W"], RECORD["Z"]))

# A step commits at most 2 eps per weight (the weight's own rounding, and lr = 0.1 times a gradient that took
# about 16 roundings), so at most 2 eps sqrt(20) over the 20 weights; it grows by a factor of at most GROWTH until
# it is seen in a logit (asserted below by moving the start). Over 60 steps: 60 * 9 eps * 8 = 1e-12.
GROWTH = 8.0
REPLAY = RECORD["steps"] * 2 * np.sqrt(20) * EPS * GROWTH


def replay(name, network=START):
    return train(network, DATA, loss=name, lr=RECORD["lr"], steps=RECORD["steps"], record="all")


@pytest.mark.parametrize("name", NAMES)
def test_training_replays_the_recorded_run(name):
    recorded, run = RECORD["runs"][name], replay(name)
    assert run.logits.shape == (61, 7)
    np.testing.assert_allclose(run.logits, recorded["logits"], rtol=0, atol=REPLAY)
    np.testing.assert_allclose(run.network.W, recorded["W"], rtol=0, atol=REPLAY)
    np.testing.assert_allclose(run.network.Z, recorded["Z"], rtol=0, atol=REPLAY)


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_run_is_a_test(name):
    """Gates flip in it, both signs of every gate occur, and it moves far more than the bound above."""
    recorded = RECORD["runs"][name]
    before, after = START.preactivations(DATA.X) > 0, np.array(recorded["W"]) @ DATA.X.T > 0
    assert np.sum(before != after) >= 3
    assert before.any(1).all() and not before.all(1).any()
    assert np.ptp(recorded["logits"], axis=0).min() > 0.1
    others = [np.array(RECORD["runs"][other]["logits"]) for other in NAMES if other != name]
    assert all(np.abs(other - recorded["logits"]).max() > 0.1 for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_the_growth_of_an_error_in_the_recorded_run(name):
    rng, shift, base = np.random.default_rng(0), 1e-9, replay(name)
    for _ in range(10):
        move = rng.normal(size=20)
        move *= shift / np.linalg.norm(move)
        near = replay(name, Network((START.W + move[:15].reshape(5, 3), START.Z + move[15:])))
        assert np.abs(near.logits - base.logits).max() < GROWTH * shift


def test_the_record_has_the_definitions():
    """The first recorded logits are Z . relu(W x), so a wrong reading of the file cannot cancel out."""
    f = [sum(z * max(0.0, float(np.dot(w, x))) for w, z in zip(START.W, START.Z, strict=True)) for x in DATA.X]
    for run in RECORD["runs"].values():
        np.testing.assert_allclose(run["logits"][0], f, rtol=0, atol=16 * EPS)


# ---- against the complex step ----------------------------------------------------------------------------

VALUES = {
    "cross_entropy": lambda m: np.log(1 + np.exp(-m)),
    "hinge": lambda m: np.where(m.real < 1, 1 - m, 0),
    "exponential": lambda m: np.exp(-m),
    "squared": lambda m: (1 - m) ** 2 / 2,
}
STEP = 1e-40  # the complex step subtracts nothing: no step is too small


def total_loss(name, W, Z, X, y, q):
    """L of every network, for complex weights: a ReLU passes a number whose real part is positive."""
    A = np.einsum("...kj,...ij->...ki", W, X)
    return np.sum(q * VALUES[name](y * np.einsum("...k,...ki->...i", Z, np.where(A.real > 0, A, 0))), axis=-1)


def descent_by_complex_step(name, W, Z, X, y, q):
    dW, dZ = np.empty(W.shape), np.empty(Z.shape)
    for k in range(Z.shape[-1]):
        moved = Z.astype(complex)
        moved[..., k] += 1j * STEP
        dZ[..., k] = -total_loss(name, W, moved, X, y, q).imag / STEP
        for j in range(W.shape[-1]):
            moved = W.astype(complex)
            moved[..., k, j] += 1j * STEP
            dW[..., k, j] = -total_loss(name, moved, Z, X, y, q).imag / STEP
    return dW, dZ


@settings(derandomize=True, deadline=None, max_examples=120)
@given(
    name=st.sampled_from(NAMES),
    ensemble=st.sampled_from([(), (1,), (3,), (2, 3), (2, 1, 2)]),
    own_points=st.booleans(),
    hidden=st.integers(1, 6),
    dimension=st.integers(1, 5),
    n=st.integers(1, 7),
    scale=st.sampled_from([1e-3, 0.3, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_backward_is_the_derivative_of_the_loss(name, ensemble, own_points, hidden, dimension, n, scale, seed):
    rng = np.random.default_rng(seed)
    W, Z = scale * rng.normal(size=(*ensemble, hidden, dimension)), scale * rng.normal(size=(*ensemble, hidden))
    X = rng.normal(size=(*(ensemble if own_points else ()), n, dimension))
    y, q = rng.choice([-1.0, 1.0], n), rng.uniform(0.1, 2.0, n)

    logits, cache = networks.forward((W, Z), X)
    pull = q * y * losses.get(name).pull(y * logits)
    dW, dZ = networks.backward((W, Z), cache, pull)
    want_W, want_Z = descent_by_complex_step(name, W, Z, X, y, q)

    assert logits.shape == (*ensemble, n)
    assert (dW.shape, dZ.shape) == (W.shape, Z.shape)
    # A margin is a sum of d h products whose absolute values sum to `size`, its pull has relative condition `size`
    # at most, and the gradient is a sum over n points of terms no larger than `largest`, with at most
    # d + h + n roundings in each, on both sides.
    size = np.max(np.einsum("...k,...kj,...ij->...i", np.abs(Z), np.abs(W), np.abs(X)))
    largest = n * np.abs(pull).max() * np.abs(X).max() * max(np.abs(Z).max(), np.abs(W).max() * dimension)
    # squared loss: 1 - m itself may cancel, its terms are 1 and m.
    largest *= 1 if name != "squared" else (1 + size) / max(np.abs(pull / q).max(), EPS)
    bound = 2 * (dimension + hidden + n + 4) * (1 + size) * EPS * largest
    np.testing.assert_allclose(dW, want_W, rtol=0, atol=bound)
    np.testing.assert_allclose(dZ, want_Z, rtol=0, atol=bound)


@pytest.mark.parametrize("name", NAMES)
def test_backward_to_nine_digits(name):
    """Typical sizes: every single entry of the gradient to a relative 1e-9."""
    rng = np.random.default_rng(3)
    W, Z, X = rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6)), rng.normal(size=(4, 8, 3))
    y, q = rng.choice([-1.0, 1.0], 8), rng.uniform(0.1, 2.0, 8)
    logits, cache = networks.forward((W, Z), X)
    found = networks.backward((W, Z), cache, q * y * losses.get(name).pull(y * logits))
    for got, want in zip(found, descent_by_complex_step(name, W, Z, X, y, q), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    ensemble=st.sampled_from([(2,), (2, 3)]),
    hidden=st.integers(1, 6),
    dimension=st.integers(1, 5),
    n=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_points_of_their_own_are_so_many_single_networks(ensemble, hidden, dimension, n, seed):
    rng = np.random.default_rng(seed)
    W, Z = rng.normal(size=(*ensemble, hidden, dimension)), rng.normal(size=(*ensemble, hidden))
    X, pull = rng.normal(size=(*ensemble, n, dimension)), rng.normal(size=(*ensemble, n))
    logits, cache = networks.forward((W, Z), X)
    dW, dZ = networks.backward((W, Z), cache, pull)
    # Sums of at most 30 products of normal numbers (below 6 each), in another order.
    bound = 30 * 6**3 * EPS * 7
    for at in np.ndindex(*ensemble):
        single, own = networks.forward((W[at], Z[at]), X[at])
        one_W, one_Z = networks.backward((W[at], Z[at]), own, pull[at])
        np.testing.assert_allclose(logits[at], single, rtol=0, atol=bound)
        np.testing.assert_allclose(dW[at], one_W, rtol=0, atol=bound)
        np.testing.assert_allclose(dZ[at], one_Z, rtol=0, atol=bound)


def test_by_hand():
    """Two units, two points: f = 2 relu(x1 + x2) - relu(x1), pulls 3 and 10."""
    W, Z = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([2.0, -1.0])
    logits, cache = networks.forward((W, Z), np.array([[1.0, 2.0], [-1.0, 4.0]]))
    np.testing.assert_array_equal(logits, [5.0, 6.0])
    dW, dZ = networks.backward((W, Z), cache, np.array([3.0, 10.0]))
    np.testing.assert_array_equal(dW, [[2 * (3 - 10), 2 * (6 + 40)], [-3.0, -6.0]])
    np.testing.assert_array_equal(dZ, [3 * 3 + 10 * 3, 3 * 1])


def test_at_the_kink_the_derivative_is_zero():
    W, Z = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([2.0, 3.0])
    _, cache = networks.forward((W, Z), np.array([[0.0, 1.0]]))
    dW, dZ = networks.backward((W, Z), cache, np.array([1.0]))
    np.testing.assert_array_equal(dW, np.zeros((2, 2)))
    np.testing.assert_array_equal(dZ, np.zeros(2))


def test_the_passes_leave_their_arguments_alone():
    rng = np.random.default_rng(0)
    W, Z, X, pull = (rng.normal(size=s) for s in ((2, 3, 4), (2, 3), (5, 4), (2, 5)))
    before = [a.copy() for a in (W, Z, X, pull)]
    for array in (W, Z, X, pull):
        array.setflags(write=False)
    _, cache = networks.forward((W, Z), X)
    networks.backward((W, Z), cache, pull)
    for array, kept in zip((W, Z, X, pull), before, strict=True):
        np.testing.assert_array_equal(array, kept)
