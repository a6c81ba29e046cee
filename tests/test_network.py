"""Network: shapes, the forward pass, and ensembles as so many single networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gradients import TYPICAL, forms, problem, rounding_of_logits

from dynsim.network import Network


def random(ensemble, hidden, dimension, seed=0):
    rng = np.random.default_rng(seed)
    return Network((rng.normal(size=(*ensemble, hidden, dimension)), rng.normal(size=(*ensemble, hidden))))


def by_hand(network, X):
    """f(x), or its list for C classes, at every point: unit by unit, one product at a time."""
    return [_at(network, [float(v) for v in x]) for x in np.asarray(X)]


def _at(network, signal):
    for layer, weight in enumerate(network.weights):
        last = layer == network.depth - 1
        if network.is_diagonal(layer):
            out = [float(w) * s for w, s in zip(weight, signal, strict=True)]
        else:
            out = [sum(float(w) * s for w, s in zip(row, signal, strict=True)) for row in np.atleast_2d(weight)]
        if network.biases is not None:
            out = [o + float(b) for o, b in zip(out, np.atleast_1d(network.biases[layer]), strict=True)]
        signal = out if last else [max(0.0, o) for o in out]
    return signal[0] if network.classes is None else signal


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


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    form=forms(most=5),
    ensemble=st.sampled_from([(), (4,), (2, 3)]),
    dimension=st.integers(1, 5),
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_logits_of_any_form_are_those_by_hand(form, ensemble, dimension, n, seed):
    parameters, X, *_ = problem(form, ensemble, False, dimension, n, 1.0, seed)
    network = form.network(parameters)
    together = network.logits(X)
    assert together.shape == (*ensemble, n, *([form.classes] if form.classes else []))
    for at in np.ndindex(*ensemble):
        member = network[at] if ensemble else network
        error, _, _ = rounding_of_logits(form, member.parameters, X)
        assert np.all(np.abs(together[at] - by_hand(member, X)) <= 2 * error)
        assert np.all(np.abs(together[at] - member.logits(X)) <= 2 * error)


SHAPES = {
    # The shapes of the parameters behind the ensemble's axes, the widths, and the diagonal layers.
    "depth 1": ([(3,), ()], (), []),
    "depth 2": ([(6, 3), (6,)], (6,), []),
    "depth 3, diagonal": ([(6, 3), (6,), (6,), (6,), (6,), ()], (6, 6), [1]),
    "depth 4": ([(6, 3), (5, 6), (6, 5), (6,)], (6, 5, 6), []),
    "depth 5": (
        [(6, 3), (6,), (5, 6), (5,), (5,), (6,), (6,), (5,), (5,), ()],
        (6, 6, 5, 5),
        [1, 3],
    ),
    "softmax": ([(6, 3), (3, 6), (6,), (3,)], (6,), []),
    "depth 1, softmax": ([(4, 3)], (), []),
    "depth 5, softmax": (
        [(6, 3), (5, 6), (6, 5), (5, 6), (3, 5), (6,), (5,), (6,), (5,), (3,)],
        (6, 5, 6, 5),
        [],
    ),
}


@pytest.mark.parametrize("ensemble", [(), (4,), (2, 3)])
@pytest.mark.parametrize("form", TYPICAL)
def test_shapes_of_every_form(form, ensemble):
    (shapes, widths, diagonal), kind = SHAPES[form], TYPICAL[form]
    network = kind.network(problem(kind, ensemble, False, 3, 2, 1.0, 0)[0])
    assert [a.shape for a in network.parameters] == [(*ensemble, *s) for s in shapes]
    assert network.parameters == network.weights + (network.biases or ())
    assert (network.depth, network.widths, network.classes) == (len(kind.kinds), widths, kind.classes)
    assert [i for i in range(network.depth) if network.is_diagonal(i)] == diagonal
    assert (network.ensemble, network.members) == (ensemble, int(np.prod(ensemble)))
    assert (network.hidden, network.dimension) == (widths[-1] if widths else 0, 3)
    assert network.W is network.weights[0] and network.Z is network.weights[-1]
    X, tail = np.ones((7, 3)), (kind.classes,) if kind.classes else ()
    assert network.logits(X).shape == (*ensemble, 7, *tail)
    assert network.logits(X[:0]).shape == (*ensemble, 0, *tail)
    if widths:
        assert network.preactivations(X).shape == (*ensemble, widths[0], 7)


def test_depth_1_has_no_preactivations():
    with pytest.raises(ValueError, match=r"a network of depth 1 has no hidden layer, and no pre-activations$"):
        Network(([1.0, 2.0],)).preactivations([[1.0, 2.0]])


def test_one_array_is_an_ensemble_of_logistic_regressions_unless_there_are_classes():
    Z, X = np.arange(6.0).reshape(3, 2), [[1.0, 10.0]]
    np.testing.assert_array_equal(Network((Z,)).logits(X), [[10.0], [32.0], [54.0]])
    np.testing.assert_array_equal(Network((Z,), classes=3).logits(X), [[10.0, 32.0, 54.0]])
    assert (Network((Z,)).ensemble, Network((Z,), classes=3).ensemble) == ((3,), ())
    many = Network((np.stack([Z, -Z]),), np.ones((1, 2, 3)), classes=3)
    assert (many.ensemble, many[1].classes) == ((2,), 3)
    np.testing.assert_array_equal(many.logits(X), [[[11.0, 33.0, 55.0]], [[-9.0, -31.0, -53.0]]])


BROADCAST = {
    # Leading axes of W, of an inner layer, of Z and of the three biases; they broadcast to (2, 3).
    "outer product": ((2, 1), (1, 3), (1, 1), (2, 1), (1, 3), (1, 1)),
    "by a bias alone": ((1, 1), (1, 1), (1, 1), (1, 1), (2, 3), (1, 1)),
    "by the readout's bias": ((1, 3), (1, 1), (1, 1), (1, 1), (1, 1), (2, 1)),
}


@pytest.mark.parametrize("style", ["full", "diagonal", "softmax"])
@pytest.mark.parametrize("case", BROADCAST)
def test_leading_axes_broadcast(case, style):
    rng, tail = np.random.default_rng(0), (5,) if style == "softmax" else ()
    own = [(4, 3), (4,) if style == "diagonal" else (4, 4), (*tail, 4), (4,), (4,), tail]
    arrays = [rng.normal(size=(*lead, *shape)) for lead, shape in zip(BROADCAST[case], own, strict=True)]
    network = Network(arrays[:3], arrays[3:])
    assert network.ensemble == (2, 3)
    X = rng.normal(size=(6, 3))
    logits = network.logits(X)
    for i, j in np.ndindex(2, 3):
        picked = [a[i % a.shape[0], j % a.shape[1]] for a in arrays]
        member = Network(picked[:3], picked[3:])
        for got, want in zip(network[i, j].parameters, picked, strict=True):
            np.testing.assert_array_equal(got, want)
        # Sums of 4 products of numbers below 10 in each of three layers, in another order.
        np.testing.assert_allclose(logits[i, j], member.logits(X), rtol=0, atol=1e-11)
    for whole in network.parameters:
        assert whole.flags.c_contiguous and not whole.flags.writeable


@pytest.mark.parametrize("form", TYPICAL)
def test_indexing_keeps_all_parameters_together(form):
    kind = TYPICAL[form]
    network = kind.network(problem(kind, (4, 3), False, 3, 2, 1.0, 0)[0])
    for index in (0, -1, slice(1, 3), [0, 2], np.array([True, False, True, True]), (1, 2), (slice(None), 1)):
        part = network[index]
        assert (part.depth, part.classes, part.widths) == (network.depth, network.classes, network.widths)
        for some, every in zip(part.parameters, network.parameters, strict=True):
            np.testing.assert_array_equal(some, every[index])
    with pytest.raises(IndexError, match="too many indices"):
        network[0, 0, 0]  # which would cut into the units
    assert [member.ensemble for member in network] == [(3,)] * 4


@pytest.mark.parametrize("form", TYPICAL)
def test_flat_and_with_parameters_keep_the_form(form):
    kind = TYPICAL[form]
    for ensemble in ((), (2, 3)):
        network = kind.network(problem(kind, ensemble, False, 3, 2, 1.0, 0)[0])
        line = network.flat()
        assert line.ensemble == (network.members,)
        for one, many in zip(line.parameters, network.parameters, strict=True):
            np.testing.assert_array_equal(one.reshape(many.shape), many)
        double = network.with_parameters([2.0 * a for a in network.parameters])
        assert (double.ensemble, double.classes, double.depth) == (ensemble, network.classes, network.depth)
        for one, other in zip(double.parameters, network.parameters, strict=True):
            np.testing.assert_array_equal(one, 2.0 * other)


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
    with pytest.raises(TypeError, match=r"this is a single network, not an ensemble: it cannot be iterated over$"):
        iter(random((), 3, 2))


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
    ("weights", "classes", "message"),
    [
        ((np.ones(2),), 2, r"Z must have shape \(\.\.\., C, d\), got \(2,\)$"),
        ((np.ones((3, 2)),), 2, r"classes must be 3, what the readout of shape \(3, 2\) says, got 2$"),
        ((np.ones((3, 2)), np.ones((5, 3))), 4, r"classes must be 5, what .* of shape \(5, 3\) says, got 4$"),
        ((np.ones((3, 2)), np.ones(3)), 3, r"classes must be None, what .* of shape \(3,\) says, got 3$"),
        ((np.ones((3, 2)),), 1, r"classes must be an integer of at least 2, got 1$"),
        ((np.ones((3, 2)),), 3.0, r"classes must be an integer of at least 2, got 3\.0$"),
    ],
)
def test_bad_classes(weights, classes, message):
    with pytest.raises(ValueError, match=message):
        Network(weights, classes=classes)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            (np.ones((2, 4, 3)), np.ones(4), np.ones((2, 4))),
            r"weights\[1\] must have shape \(\.\.\., h', 4\) or \(\.\.\., 4\) behind 1 leading axes, got \(4,\)$",
        ),
        (
            (np.ones((4, 3)), np.ones((2, 5, 4)), np.ones(5)),
            r"weights\[1\] must have shape .* behind 0 leading axes, got \(2, 5, 4\)$",
        ),
        (
            (np.ones((4, 3)), np.ones(4), np.ones(4), np.ones(5), np.ones(4)),
            r"weights\[3\] must have shape \(\.\.\., h', 4\) or \(\.\.\., 4\) behind 0 leading axes, got \(5,\)$",
        ),
        (
            (np.ones((4, 3)), np.ones((5, 4)), np.ones(4)),
            r"Z must have shape \(\.\.\., 5\), or \(\.\.\., C, 5\) for C classes, .*, got \(4,\) for W of",
        ),
        (
            (np.ones((2, 3, 2)), np.ones((3, 4, 3)), np.ones((1, 4))),
            r"weights must have leading axes that broadcast, got \(2,\), \(3,\), \(1,\)$",
        ),
        (
            (np.ones((4, 3)), np.ones((5, 4)), np.ones(5), np.ones((3, 5))),
            r"weights must not combine diagonal inner layers with a readout of 3 classes$",
        ),
        ((np.ones((3, 2)), [[1.0, np.inf, 1.0]], [1.0]), r"weights\[1\] must be finite, got inf at \(0, 1\)$"),
    ],
)
def test_bad_inner_layers(weights, message):
    with pytest.raises(ValueError, match=message):
        Network(weights)


TWO = (np.ones((2, 3, 2)), np.ones((2, 3)))  # two networks of one hidden layer
SOFT = (np.ones((3, 2)), np.ones((4, 3)))


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        (SOFT, [np.ones(3)], r"biases must hold one array a layer, 2, got 1$"),
        (SOFT, [], r"biases must hold one array a layer, 2, got 0$"),
        (SOFT, [np.ones(2), np.ones(4)], r"biases\[0\] must have shape \(3,\) behind 0 leading axes, got \(2,\)$"),
        (SOFT, [1.0, np.ones(4)], r"biases\[0\] must have shape \(3,\) behind 0 leading axes, got \(\)$"),
        (SOFT, [np.ones(3), 1.0], r"biases\[1\] must have shape \(4,\) behind 0 leading axes, got \(\)$"),
        (SOFT, [np.ones(3), np.ones((1, 4))], r"biases\[1\] .* \(4,\) behind 0 leading axes, got \(1, 4\)$"),
        (TWO, [np.ones(3), np.ones(2)], r"biases\[0\] must have shape \(3,\) behind 1 leading axes, got \(3,\)$"),
        (TWO, [np.ones((2, 3)), 1.0], r"biases\[1\] must have shape \(\) behind 1 leading axes, got \(\)$"),
        (TWO, [np.ones((2, 3)), np.ones(3)], r"leading axes that broadcast, got \(2,\), \(2,\), \(2,\), \(3,\)$"),
        (TWO, [np.ones((2, 3)), [1.0, np.nan]], r"biases\[1\] must be finite, got nan at 1$"),
        (TWO, [np.ones((2, 3)), "b"], r"biases\[1\] must be numbers, got 'b'$"),
        (
            (np.ones((3, 2)), np.ones(3), np.ones(3)),
            [np.ones(3), np.ones((3, 3)), 1.0],
            r"biases\[1\] must have shape \(3,\) behind 0 leading axes, got \(3, 3\)$",
        ),
    ],
)
def test_bad_biases(weights, biases, message):
    with pytest.raises(ValueError, match=message):
        Network(weights, biases)


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
    W, Z, b = np.ones((2, 1)), np.ones(2), np.ones(2)
    network = Network((W, Z), (b, 1.0))
    W[0], Z[0], b[0] = 5.0, 5.0, 5.0
    assert (network.W[0, 0], network.Z[0], network.biases[0][0]) == (1.0, 1.0, 1.0)
    for array in network.weights + network.biases[:1]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError, match="cannot assign"):
        network.weights = ()


def test_repr():
    assert repr(random((), 3, 2)) == "Network(2 inputs, 3 hidden units)"
    assert repr(random((4, 5), 3, 2)) == "Network(4 x 5 networks, each 2 inputs, 3 hidden units)"


REPRS = {
    "depth 1": "3 inputs, no hidden layer, biases",
    "depth 2": "3 inputs, 6 hidden units",
    "depth 3, diagonal": "3 inputs, hidden layers of 6, 6 diagonal units, biases",
    "depth 4": "3 inputs, hidden layers of 6, 5, 6 units",
    "depth 5": "3 inputs, hidden layers of 6, 6 diagonal, 5, 5 diagonal units, biases",
    "softmax": "3 inputs, 6 hidden units, 3 classes, biases",
    "depth 1, softmax": "3 inputs, no hidden layer, 4 classes",
    "depth 5, softmax": "3 inputs, hidden layers of 6, 5, 6, 5 units, 3 classes, biases",
}


@pytest.mark.parametrize("form", TYPICAL)
def test_repr_of_every_form(form):
    kind = TYPICAL[form]
    for ensemble, many in (((), ""), ((4, 5), "4 x 5 networks, each ")):
        network = kind.network(problem(kind, ensemble, False, 3, 2, 1.0, 0)[0])
        assert repr(network) == f"Network({many}{REPRS[form]})"


@pytest.mark.parametrize("given", [5, None, iter([[1.0]])])
def test_weights_must_be_a_sequence(given):
    with pytest.raises(ValueError, match=r"weights must be a sequence with one array a layer, got "):
        Network(given)
    with pytest.raises(ValueError, match=r"biases must be a sequence with one array a layer, got int$"):
        Network(([[1.0]], [1.0]), 5)
