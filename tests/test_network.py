"""Network: shapes, the forward pass, and ensembles as so many single networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim.network import Network


def random(ensemble, hidden, dimension, seed=0):
    rng = np.random.default_rng(seed)
    return Network((rng.normal(size=(*ensemble, hidden, dimension)), rng.normal(size=(*ensemble, hidden))))


def by_hand(network, X):
    """f(x) = sum_k Z_k max(0, W_k . x), one product at a time."""
    return [
        sum(
            z * max(0.0, sum(a * b for a, b in zip(w, x, strict=True)))
            for w, z in zip(network.W, network.Z, strict=True)
        )
        for x in np.asarray(X)
    ]


def test_forward_pass_by_hand():
    network = Network(([[1.0, 2.0], [-1.0, 0.0], [0.0, -3.0]], [2.0, 5.0, -1.0]))
    X = [[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]
    np.testing.assert_array_equal(network.preactivations(X), [[3, -1, -2, 0], [-1, 1, 0, 0], [-3, 0, 3, 0]])
    np.testing.assert_array_equal(network.logits(X), [6.0, 5.0, -3.0, 0.0])


@pytest.mark.parametrize(
    ("ensemble", "hidden", "dimension"), [((), 1, 1), ((), 4, 3), ((2,), 4, 3), ((2, 3), 5, 1)]
)
def test_shapes(ensemble, hidden, dimension):
    network = random(ensemble, hidden, dimension)
    assert network.W.shape == (*ensemble, hidden, dimension)
    assert network.Z.shape == (*ensemble, hidden)
    assert (network.ensemble, network.hidden, network.dimension, network.depth) == (ensemble, hidden, dimension, 2)
    X = np.ones((7, dimension))
    assert network.preactivations(X).shape == (*ensemble, hidden, 7)
    assert network.logits(X).shape == (*ensemble, 7)
    assert network.logits(np.ones((0, dimension))).shape == (*ensemble, 0)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    ensemble=st.sampled_from([(1,), (4,), (2, 3), (2, 1, 3)]),
    hidden=st.integers(1, 9),
    dimension=st.integers(1, 6),
    n=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_ensemble_equals_the_loop_over_its_members(ensemble, hidden, dimension, n, seed):
    network = random(ensemble, hidden, dimension, seed)
    X = np.random.default_rng(seed + 1).normal(size=(n, dimension))
    together = network.logits(X)
    # Sums of at most 9 x 6 products of size up to about 100, in another order.
    for index in np.ndindex(*ensemble):
        member = network[index]
        assert member.ensemble == ()
        np.testing.assert_allclose(together[index], member.logits(X), rtol=0, atol=1e-11)
        np.testing.assert_allclose(together[index], by_hand(member, X), rtol=0, atol=1e-11)


def test_indexing_keeps_the_weights_together():
    network = random((4, 3), 5, 2)
    for index in (0, -1, slice(1, 3), [0, 2], np.array([True, False, True, True]), (1, 2), (slice(None), 1)):
        part = network[index]
        np.testing.assert_array_equal(part.W, network.W[index])
        np.testing.assert_array_equal(part.Z, network.Z[index])
    assert network[1:3].ensemble == (2, 3)
    assert network[:, 1].ensemble == (4,)
    assert network[2, 1].ensemble == ()


def test_indexing_errors():
    with pytest.raises(IndexError, match="this is a single network, not an ensemble"):
        random((), 3, 2)[0]
    with pytest.raises(IndexError, match="out of bounds"):
        random((4,), 3, 2)[4]


def test_iterating_an_ensemble_gives_its_members():
    network = random((3,), 2, 2)
    members = list(network)
    assert len(members) == 3
    np.testing.assert_array_equal(members[2].W, network.W[2])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((), r"weights must hold one array a layer, got none$"),
        ((1.0,), r"Z must have shape \(\.\.\., d\), got \(\)$"),
        (([1.0, 2.0], [1.0, 2.0]), r"W must have shape \(\.\.\., h, d\), got \(2,\)$"),
        (
            (np.ones((3, 2)), np.ones((4, 2)), np.ones(4)),
            r"weights\[1\] must have shape \(\.\.\., h', 3\) or \(\.\.\., 3\) behind 0 leading axes, got \(4, 2\)$",
        ),
        (
            (np.ones((3, 2)), np.ones(3), np.ones((5, 3))),
            r"weights must not combine diagonal inner layers with a readout of 5 classes$",
        ),
        ((np.ones((3, 2)), np.ones((1, 3))), r"Z must have at least 2 classes, got shape \(1, 3\)$"),
        (
            (np.ones((4, 3, 2)), np.ones((5, 3))),
            r"weights must have leading axes that broadcast, got \(4,\), \(5,\)$",
        ),
        (([[1.0], [2.0]], [1.0]), r"Z must have shape .*got \(1,\) for W of shape \(2, 1\)$"),
        ((np.ones((3, 2, 1)), np.ones(2)), r"got \(2,\) for W of shape \(3, 2, 1\)$"),
        ((np.ones((0, 2)), np.ones(0)), r"W must have at least one unit and one input, got shape \(0, 2\)$"),
        ((np.ones((2, 0)), np.ones(2)), r"W must have at least one unit and one input, got shape \(2, 0\)$"),
        (([[np.nan]], [1.0]), r"W must be finite, got nan at \(0, 0\)$"),
        (([[1.0]], [np.inf]), r"Z must be finite, got inf at 0$"),
        (([["a"]], [1.0]), r"W must be numbers, got \[\['a'\]\]$"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        Network(weights)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((4, 3)), r"X must have 2 columns, the network's number of inputs, got 3$"),
        (np.ones(2), r"X must have 2 dimensions, got shape \(2,\)$"),
        ([[1.0, np.nan]], r"X must be finite, got nan at \(0, 1\)$"),
    ],
)
def test_bad_inputs(X, message):
    network = random((), 3, 2)
    for method in network.logits, network.preactivations:
        with pytest.raises(ValueError, match=message):
            method(X)


def test_weights_are_frozen_copies():
    W, Z = np.ones((2, 1)), np.ones(2)
    network = Network((W, Z))
    W[0], Z[0] = 5.0, 5.0
    assert (network.W[0, 0], network.Z[0]) == (1.0, 1.0)
    for array in network.weights:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError, match="cannot assign"):
        network.weights = ()


def test_repr():
    assert repr(random((), 3, 2)) == "Network(2 inputs, 3 hidden units)"
    assert repr(random((4, 5), 3, 2)) == "Network(4 x 5 networks, each 2 inputs, 3 hidden units)"
