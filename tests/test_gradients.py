"""The hand-written passes of networks of every form, against the complex step on random shapes."""

import tracemalloc
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import losses
from dynsim.empirical import networks
from dynsim.network import Network

NAMES = ("cross_entropy", "hinge", "exponential", "squared")
EPS = np.finfo(float).eps

# ---- against the complex step ----------------------------------------------------------------------------

VALUES = {
    "cross_entropy": lambda m: np.log(1 + np.exp(-m)),
    "hinge": lambda m: np.where(m.real < 1, 1 - m, 0),
    "exponential": lambda m: np.exp(-m),
    "squared": lambda m: (1 - m) ** 2 / 2,
}
STEP = 1e-40  # the complex step subtracts nothing: no step is too small
SUMS = {"full": "...kj,...ij->...ik", "diagonal": "...k,...ik->...ik", "one logit": "...k,...ik->...i"}


class Form(NamedTuple):
    """kinds: of every layer, a key of SUMS each. classes: C, or None for one logit."""

    kinds: tuple[str, ...]
    widths: tuple[int, ...]
    biased: bool
    classes: int | None

    def made(self, ensemble, dimension, scale, rng):
        """Weights with entries of size scale / sqrt(inputs of a unit), biases with entries of size scale."""
        weights, biases, width = [], [], dimension
        for kind, out in zip(self.kinds, (*self.widths, self.classes), strict=True):
            own = {"full": (out, width), "diagonal": (width,), "one logit": (width,)}[kind]
            fan = 1 if kind == "diagonal" else width
            weights.append(scale / np.sqrt(fan) * rng.normal(size=(*ensemble, *own)))
            width = width if kind == "diagonal" else out
            own = () if kind == "one logit" else (width,)
            biases.append(np.asarray(scale * rng.normal(size=(*ensemble, *own))))
        return weights, biases if self.biased else None

    def network(self, parameters):
        """The public network with these weights and biases."""
        depth = len(self.kinds)
        return Network(parameters[:depth], parameters[depth:] or None, self.classes if depth == 1 else None)

    @classmethod
    def of(cls, network):
        """The form of a network."""
        inner = ["diagonal" if network.is_diagonal(i) else "full" for i in range(network.depth - 1)]
        last = "one logit" if network.classes is None else "full"
        return cls((*inner, last), network.widths, network.biases is not None, network.classes)


STYLES = ("full", "diagonal", "softmax")


@st.composite
def forms(draw, depth=None, style=None, most=4):
    """Inner layers all full, or some of them diagonal, or all full with a softmax; with and without biases."""
    depth = depth or draw(st.integers(1, 5))
    style = style or draw(st.sampled_from(STYLES))
    kinds, widths = [], []
    for layer in range(depth - 1):
        kinds.append(draw(st.sampled_from(["diagonal", "full"])) if layer and style == "diagonal" else "full")
        widths.append(widths[-1] if kinds[-1] == "diagonal" else draw(st.integers(1, most)))
    classes = draw(st.integers(2, 4)) if style == "softmax" else None
    return Form((*kinds, "full" if classes else "one logit"), tuple(widths), draw(st.booleans()), classes)


def layers(form, parameters, X, gates=None):
    """The pre-activations of every layer, the logits last, for complex numbers; points before units, (..., n, h).

    A ReLU passes a number whose real part is positive, or what `gates` say.
    """
    depth, signal, out = len(form.kinds), X, []
    for i, kind in enumerate(form.kinds):
        before = np.einsum(SUMS[kind], parameters[i], signal)
        if form.biased:
            bias = parameters[depth + i]
            before = before + (bias[..., None] if kind == "one logit" else bias[..., None, :])
        out.append(before)
        signal = np.where(before.real > 0 if gates is None or i == depth - 1 else gates[i], before, 0)
    return out


def total_loss(name, f, y, q, classes, lam=0.0):
    """L of every network, for complex logits, with the penalty (lam/2) sum_i q_i |f_i|^2."""
    if classes is None:
        return np.sum(q * (VALUES[name](y * f) + lam * f**2 / 2), axis=-1)
    own = np.log(np.exp(f).sum(-1)) - f[..., np.arange(len(y)), y]
    return np.sum(q * (own + lam * (f**2).sum(-1) / 2), axis=-1)


def slopes(function, parameters, axes):
    """The derivatives by every parameter of a function that returns one number a network."""
    out = []
    for which, array in enumerate(parameters):
        out.append(np.empty(np.shape(array)))
        for at in np.ndindex(np.shape(array)[axes:]):
            moved = [np.array(a, dtype=complex) if i == which else a for i, a in enumerate(parameters)]
            moved[which][(..., *at)] += 1j * STEP
            out[-1][(..., *at)] = function(moved).imag / STEP
    return out


def descent_by_complex_step(form, parameters, X, y, q, name, axes, lam=0.0):
    def loss(moved):
        return total_loss(name, layers(form, moved, X)[-1], y, q, form.classes, lam)

    return [-d for d in slopes(loss, parameters, axes)]


def pull_of(name, f, y, q, classes, lam=0.0):
    """q_i (y_i g(m_i) - lam f_i), or q_i (1[c = y_i] - softmax_c - lam f_ic)."""
    if classes is None:
        return q * y * losses.get(name).pull(y * f) - lam * q * f
    softmax = np.exp(f) / np.exp(f).sum(-1, keepdims=True)
    return q[:, None] * (np.eye(classes)[y] - softmax) - lam * q[:, None] * f


def rounding_of_logits(form, parameters, X):
    """How far an evaluation of the logits may be from the exact ones; and the layers and gates of this one.

    A logit is a sum, over the paths through the network, of products of its numbers. At every layer a path passes
    one sum of at most `width` products and a bias; a complex product rounds twice more. So a product has at most
    `roundings` of them (Higham 2002, 3.5), and the error is below that number times eps times the same sum with all
    signs positive and the same gates. That asks for gates that are clear of rounding.
    """
    actual, count = layers(form, parameters, X), roundings(form, X)
    gates = [a > 0 for a in actual[:-1]]
    *hidden, top = layers(form, [np.abs(a) for a in parameters], np.abs(X), gates)
    for before, most in zip(actual[:-1], hidden, strict=True):
        assert np.all((np.abs(before) > count * EPS * most) | (most == 0.0))
    return count * EPS * top, actual[-1], gates


def roundings(form, X):
    """How many a product has on its way through all layers, the sum over points or classes, and the pull."""
    widths = [X.shape[-1], *form.widths, form.classes or 1]
    return sum(max(a, b) + 4 for a, b in pairwise(widths)) + X.shape[-2] + max(widths) + 10


def rounding(form, parameters, X, y, q, name, axes, lam=0.0):
    """How far an evaluation of each gradient may be from the exact one.

    The gradients are such sums as the logits, passed in one direction or the other: the `slopes` of the `layers` of
    absolute values have all signs positive. The pull is a factor too, whose own error is that of the logits times
    its slope. That asks for margins of the hinge that are clear of rounding.
    """
    error, f, gates = rounding_of_logits(form, parameters, X)
    if form.classes is None:
        weight = q * np.abs(losses.get(name).pull(y * f))
        assert name != "hinge" or np.all(np.abs(y * f - 1) > error)
        moved = error * {"hinge": 0.0, "squared": q}.get(name, weight)  # |g'| <= g for the other two
    else:
        share = np.exp(f) / np.exp(f).sum(-1, keepdims=True)
        weight = q[:, None] * (np.eye(form.classes)[y] + share)
        moved = q[:, None] * share * (error + np.sum(share * error, axis=-1, keepdims=True))
    each = lam * (q if form.classes is None else q[:, None])
    weight, moved = weight + each * np.abs(f), moved + each * error
    factor = roundings(form, X) * EPS * weight + moved
    own = tuple(range(axes, factor.ndim))

    def positive(arrays):
        return np.sum(factor * layers(form, arrays, np.abs(X), gates)[-1], axis=own)

    return slopes(positive, [np.abs(a) for a in parameters], axes)


def passes(form, parameters, X, y, q, name, out=(None, None), lam=0.0):
    """Logits, gradients and the cache of the code under test."""
    depth = len(form.kinds)
    weights, biases = parameters[:depth], parameters[depth:] if form.biased else None
    logits, room = networks.forward(weights, X, biases=biases, classes=form.classes, out=out[0])
    pull = pull_of(name, logits, y, q, form.classes, lam)
    return logits, networks.backward(weights, room, pull, biases=form.biased, out=out[1]), room


def problem(form, ensemble, own_points, dimension, n, scale, seed):
    """Parameters, points, labels and weights at random."""
    rng = np.random.default_rng(seed)
    weights, biases = form.made(ensemble, dimension, scale, rng)
    X = rng.normal(size=(*(ensemble if own_points else ()), n, dimension))
    y = rng.choice([-1.0, 1.0], n) if form.classes is None else rng.integers(0, form.classes, n)
    return weights + (biases or []), X, y, rng.uniform(0.1, 2.0, n)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    data=st.data(),
    name=st.sampled_from(NAMES),
    ensemble=st.sampled_from([(), (1,), (3,), (2, 3), (2, 1)]),
    own_points=st.booleans(),
    dimension=st.integers(1, 4),
    n=st.integers(1, 6),
    scale=st.sampled_from([1e-3, 0.5, 1.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_backward_is_the_derivative_of_the_loss(
    depth, style, data, name, ensemble, own_points, dimension, n, scale, seed
):
    form = data.draw(forms(depth, style))
    parameters, X, y, q = problem(form, ensemble, own_points, dimension, n, scale, seed)
    axes = len(ensemble)
    logits, found, _ = passes(form, parameters, X, y, q, name)
    assert logits.shape == (*ensemble, n, *([form.classes] if form.classes else []))
    assert [g.shape for g in found] == [p.shape for p in parameters]
    # Two evaluations, each within its own rounding.
    error, wanted, _ = rounding_of_logits(form, parameters, X)
    assert np.all(np.abs(logits - wanted) <= 2 * error)
    wanted = descent_by_complex_step(form, parameters, X, y, q, name, axes)
    for got, want, bound in zip(found, wanted, rounding(form, parameters, X, y, q, name, axes), strict=True):
        assert np.all(np.abs(got - want) <= 2 * bound)


TYPICAL = {
    "depth 1": Form(("one logit",), (), True, None),
    "depth 2": Form(("full", "one logit"), (6,), False, None),
    "depth 3, diagonal": Form(("full", "diagonal", "one logit"), (6, 6), True, None),
    "depth 4": Form(("full", "full", "full", "one logit"), (6, 5, 6), False, None),
    "depth 5": Form(("full", "diagonal", "full", "diagonal", "one logit"), (6, 6, 5, 5), True, None),
    "softmax": Form(("full", "full"), (6,), True, 3),
    "depth 1, softmax": Form(("full",), (), False, 4),
    "depth 5, softmax": Form(("full",) * 5, (6, 5, 6, 5), True, 3),
}


#: With deep networks of full layers and biases.
DEEPER = TYPICAL | {
    "depth 4, biases": Form((*("full",) * 3, "one logit"), (6, 5, 6), True, None),
    "depth 6, biases": Form((*("full",) * 5, "one logit"), (6, 5, 7, 4, 5), True, None),
    "depth 4, softmax, biases": Form(("full",) * 4, (6, 5, 6), True, 4),
}
CASES = [(form, name) for form in DEEPER for name in (NAMES if DEEPER[form].classes is None else NAMES[:1])]


@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize(("form", "name"), CASES)
def test_backward_to_nine_digits(form, name, own_points):
    """Typical sizes: every single entry of the gradient to a relative 1e-9; zero only where it is zero."""
    form = DEEPER[form]
    parameters, X, y, q = problem(form, (4,), own_points, 3, 8, 1.5, 3)
    _, found, _ = passes(form, parameters, X, y, q, name)
    for got, want in zip(found, descent_by_complex_step(form, parameters, X, y, q, name, 1), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=0)
        assert np.mean(got != 0.0) > 0.1


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    form=forms(),
    ensemble=st.sampled_from([(2,), (2, 3)]),
    own_points=st.booleans(),
    dimension=st.integers(1, 5),
    n=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_ensemble_is_so_many_single_networks(form, ensemble, own_points, dimension, n, seed):
    parameters, X, y, q = problem(form, ensemble, own_points, dimension, n, 1.0, seed)
    logits, found, _ = passes(form, parameters, X, y, q, "cross_entropy")
    for at in np.ndindex(*ensemble):
        own, points = [p[at] for p in parameters], X[at] if own_points else X
        one, grads, _ = passes(form, own, points, y, q, "cross_entropy")
        # The same sums in another order: each of the two within its own rounding.
        assert np.all(np.abs(logits[at] - one) <= 2 * rounding_of_logits(form, own, points)[0])
        errors = rounding(form, own, points, y, q, "cross_entropy", 0)
        for many, single, bound in zip(found, grads, errors, strict=True):
            assert np.all(np.abs(many[at] - single) <= 2 * bound)


def test_by_hand():
    """Two units, two points: f = 2 relu(x1 + x2) - relu(x1), pulls 3 and 10."""
    W, Z = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([2.0, -1.0])
    logits, cache = networks.forward((W, Z), np.array([[1.0, 2.0], [-1.0, 4.0]]))
    np.testing.assert_array_equal(logits, [5.0, 6.0])
    dW, dZ = networks.backward((W, Z), cache, np.array([3.0, 10.0]))
    np.testing.assert_array_equal(dW, [[2 * (3 - 10), 2 * (6 + 40)], [-3.0, -6.0]])
    np.testing.assert_array_equal(dZ, [3 * 3 + 10 * 3, 3 * 1])


def test_a_diagonal_layer_by_hand():
    """f = 5 relu(3 relu(x1) - 1) + 7 relu(-2 relu(x1 + x2) + 4) + 0.5 at (1, 0): 5 x 2 + 7 x 2 + 0.5; pull 2."""
    weights = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([3.0, -2.0]), np.array([5.0, 7.0])
    biases = np.zeros(2), np.array([-1.0, 4.0]), np.array(0.5)
    logits, cache = networks.forward(weights, np.array([[1.0, 0.0]]), biases=biases)
    np.testing.assert_array_equal(logits, [24.5])
    found = networks.backward(weights, cache, np.array([2.0]), biases=True)
    wanted = [[[30.0, 0.0], [-28.0, 0.0]], [10.0, 14.0], [4.0, 4.0], [30.0, -28.0], [10.0, 14.0], 2.0]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_softmax_by_hand():
    """Three classes, two points that pull with (1, -1, 0) and (0, 2, -2); unit 0 sees the first, unit 1 both."""
    W, Z = np.array([[1.0, -1.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    logits, cache = networks.forward((W, Z), np.array([[3.0, 1.0], [1.0, 2.0]]), biases=(np.zeros(2), np.ones(3)))
    np.testing.assert_array_equal(logits, [[5.0, 11.0, 17.0], [5.0, 9.0, 13.0]])
    pull = np.array([[1.0, -1.0, 0.0], [0.0, 2.0, -2.0]])
    dW, dZ, db, dc = networks.backward((W, Z), cache, pull, biases=True)
    np.testing.assert_array_equal(dZ, [[2.0, 1.0], [-2.0, 3.0], [0.0, -4.0]])
    np.testing.assert_array_equal(dW, [[-2 * 3, -2 * 1], [-2 * 3 - 4 * 1, -2 * 1 - 4 * 2]])
    np.testing.assert_array_equal(db, [-2.0, -6.0])
    np.testing.assert_array_equal(dc, [1.0, 1.0, -2.0])


KINKED = {
    "full": ("full", "full", "full", "one logit"),
    "softmax": ("full", "full", "full", "full"),
    "diagonal": ("full", "diagonal", "diagonal", "one logit"),
}


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("style", KINKED)
def test_at_the_kink_the_derivative_is_zero_in_every_layer(style, layer):
    """Unit 0 of one layer has a pre-activation of exactly 0: 2 x 1 - 1 x 2, or 0 x 1; unit 1 is always active."""
    weights = [np.ones(2) if kind in ("diagonal", "one logit") else np.eye(2) for kind in KINKED[style]]
    weights[layer][0] = 0.0 if weights[layer].ndim == 1 else [2.0, -1.0]
    biases = [np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2 if style == "softmax" else ())]
    logits, cache = networks.forward(weights, np.array([[1.0, 2.0]]), biases=biases)
    assert [list(h[:, 0] > 0) for h in cache.hidden] == [[k < layer, True] for k in range(3)]
    found = networks.backward(weights, cache, np.ones_like(logits), biases=True)
    for k in range(3):
        for grad in (found[k], found[4 + k]):
            # Nothing reaches unit 0, neither where the kink is nor below or above it.
            assert np.all(grad[0] == 0.0) and np.any(grad[1] != 0.0)
    assert np.all(found[3].T[0] == 0.0) and np.all(found[3].T[1] != 0.0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    form=forms(),
    ensemble=st.sampled_from([(), (3,), (2, 2)]),
    own_points=st.booleans(),
    n=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_arrays_of_an_earlier_call_are_overwritten(form, ensemble, own_points, n, seed):
    """The same bits as in new arrays, and the arrays returned are those that were given."""
    first, second = (problem(form, ensemble, own_points, 3, n, 1.0, seed + i) for i in (0, 1))
    logits, grads, room = passes(form, *first, "cross_entropy")
    fresh_logits, fresh, _ = passes(form, *second, "cross_entropy")
    again, found, used = passes(form, *second, "cross_entropy", out=((logits, room), grads))
    assert again is logits and all(a is b for a, b in zip(found, grads, strict=True))
    assert all(a is b for a, b in zip(used.hidden + used.back, room.hidden + room.back, strict=True))
    np.testing.assert_array_equal(again, fresh_logits)
    for got, want in zip(found, fresh, strict=True):
        np.testing.assert_array_equal(got, want)


def larger(form):
    """Wide layers."""
    return form._replace(widths=tuple(20 * w for w in form.widths))


@pytest.mark.parametrize("form", TYPICAL)
def test_with_arrays_of_an_earlier_call_no_result_is_allocated(form):
    """Peak memory: below the gates of one layer, a byte each, and numpy's two buffers of 8192 numbers."""
    form = larger(TYPICAL[form])
    parameters, X, *_ = problem(form, (), False, 100, 1000, 1.0, 0)
    depth, classes, biased = len(form.kinds), form.classes, form.biased
    weights, biases = parameters[:depth], parameters[depth:] if biased else None
    room = networks.forward(weights, X, biases=biases, classes=classes)
    pull = np.ones_like(room[0])
    grads = networks.backward(weights, room[1], pull, biases=biased)
    signals = sum(a.nbytes for a in room[1].hidden)
    tracemalloc.start()
    try:
        room = networks.forward(weights, X, biases=biases, classes=classes, out=room)
        networks.backward(weights, room[1], pull, biases=biased, out=grads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    gates = 1000 * max(form.widths, default=0)
    assert peak < gates + 2 * 8192 * 8 + 10_000  # and views and tuples
    assert depth == 1 or peak < signals / 3


@pytest.mark.parametrize("form", TYPICAL)
def test_the_passes_leave_their_arguments_alone(form):
    form = TYPICAL[form]
    parameters, X, y, q = problem(form, (2,), True, 4, 5, 1.0, 0)
    given_arrays = [*parameters, X, y, q]
    before = [a.copy() for a in given_arrays]
    for array in given_arrays:
        array.setflags(write=False)
    logits, found, room = passes(form, parameters, X, y, q, "cross_entropy")
    for array, kept in zip(given_arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    # Nor does the backward pass change the signals: it can be repeated, with another pull too.
    pull = pull_of("cross_entropy", logits, y, q, form.classes)
    pull.setflags(write=False)
    depth = len(form.kinds)
    networks.backward(parameters[:depth], room, 3 * pull, biases=form.biased)
    for got, want in zip(networks.backward(parameters[:depth], room, pull, biases=form.biased), found, strict=True):
        np.testing.assert_array_equal(got, want)


def assert_same_bits(form, ensemble, dimension, n, seed):
    parameters, X, *_ = problem(form, ensemble, False, dimension, n, 1.0, seed)
    network = form.network(parameters)
    logits, cache = networks.forward(network.weights, X, biases=network.biases, classes=network.classes)
    np.testing.assert_array_equal(network.logits(X), logits)
    if network.depth > 1:
        np.testing.assert_array_equal(np.maximum(network.preactivations(X), 0.0), cache.hidden[0])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    form=forms(most=30),
    ensemble=st.sampled_from([(), (1,), (3,), (2, 3)]),
    dimension=st.integers(1, 20),
    n=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_network_computes_the_same_bits(form, ensemble, dimension, n, seed):
    """Network.logits, the public forward pass, and the one of training; W x + b is its first pre-activation."""
    assert_same_bits(form, ensemble, dimension, n, seed)


@pytest.mark.parametrize("ensemble", [(), (3,)])
@pytest.mark.parametrize("form", TYPICAL)
def test_the_network_computes_the_same_bits_in_large_products(form, ensemble):
    """Where BLAS sums in another order if the factors are exchanged."""
    assert_same_bits(larger(TYPICAL[form]), ensemble, 55, 228, 0)
