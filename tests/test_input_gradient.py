"""`input_gradient`: against the complex step on random shapes, by hand, and beside the other passes; float32."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gradients import DEEPER, EPS, STEP, STYLES, forms, layers, problem, rounding_of_logits, roundings

from dynsim.empirical import networks
from dynsim.network import Network


def by_complex_step(form, parameters, X, pull, gates=None):
    """pull_i df(x_i)/dx_ij, shape (..., n, d): one coordinate of all points moves at a time: points do not mix."""
    out = []
    for j in range(X.shape[-1]):
        moved = X.astype(complex)
        moved[..., j] += 1j * STEP
        slope = layers(form, parameters, moved, gates)[-1].imag / STEP
        out.append(pull * slope if form.classes is None else (pull * slope).sum(-1))
    return np.stack(out, axis=-1)


def rounding_of_input_gradient(form, parameters, X, pull):
    """The gradient is a sum over paths of products, as the logits are: the same sum of absolute values, rounded."""
    _, _, gates = rounding_of_logits(form, parameters, X)  # which asserts that all gates are clear of rounding
    most = by_complex_step(form, [np.abs(a) for a in parameters], np.abs(X), np.abs(pull), gates)
    return roundings(form, X) * EPS * most


def computed(form, parameters, X, pull, out=None):
    """The gradient, and the cache it was made from."""
    depth = len(form.kinds)
    weights, biases = parameters[:depth], parameters[depth:] if form.biased else None
    _, cache = networks.forward(weights, X, biases=biases, classes=form.classes)
    return networks.input_gradient(weights, cache, pull, out=out), cache


def pulls(form, ensemble, n, rng):
    return rng.normal(size=(*ensemble, n, *([form.classes] if form.classes else [])))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    data=st.data(),
    ensemble=st.sampled_from([(), (1,), (3,), (2, 3)]),
    own_points=st.booleans(),
    dimension=st.integers(1, 4),
    n=st.integers(1, 6),
    scale=st.sampled_from([1e-3, 0.5, 1.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_derivative_by_the_points(depth, style, data, ensemble, own_points, dimension, n, scale, seed):
    form = data.draw(forms(depth, style))
    parameters, X, *_ = problem(form, ensemble, own_points, dimension, n, scale, seed)
    pull = pulls(form, ensemble, n, np.random.default_rng(seed))
    found, _ = computed(form, parameters, X, pull)
    assert found.shape == (*ensemble, n, dimension) and found.dtype == np.float64
    # Two evaluations, each within its own rounding.
    bound = 2 * rounding_of_input_gradient(form, parameters, X, pull)
    assert np.all(np.abs(found - by_complex_step(form, parameters, X, pull)) <= bound)


@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize("form", DEEPER)
def test_typical_sizes_to_nine_digits(form, own_points):
    form = DEEPER[form]
    parameters, X, *_ = problem(form, (4,), own_points, 3, 8, 1.5, 3)
    pull = pulls(form, (4,), 8, np.random.default_rng(0))
    found, _ = computed(form, parameters, X, pull)
    np.testing.assert_allclose(found, by_complex_step(form, parameters, X, pull), rtol=1e-9, atol=1e-14)
    assert np.mean(found != 0.0) > 0.3


@pytest.mark.parametrize("form", DEEPER)
def test_the_public_network_moves_as_it_says(form):
    """Differences of Network.logits: exact up to rounding while no gate flips, for f is linear there."""
    form = DEEPER[form]
    parameters, X, *_ = problem(form, (), False, 3, 6, 1.0, 1)
    network, shift = form.network(parameters), 1e-6
    pull = np.ones((6, form.classes) if form.classes else 6)
    found, _ = computed(form, parameters, X, pull)
    for j in range(3):
        ends = [network.logits(X + s * shift * np.eye(3)[j]).reshape(6, -1).sum(-1) for s in (1, -1)]
        # A logit, of size 10 at most here, is right to some 100 eps of it.
        np.testing.assert_allclose(found[:, j], (ends[0] - ends[1]) / (2 * shift), rtol=0, atol=1e3 * EPS / shift)


def test_by_hand():
    """f = 2 relu(x1 + x2 - 1) - relu(x1): at (1, 2) both units are on, at (-1, 4) the first, at (1, 0) the kink."""
    W, Z = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([2.0, -1.0])
    X = np.array([[1.0, 2.0], [-1.0, 4.0], [1.0, 0.0]])
    _, cache = networks.forward((W, Z), X, biases=(np.array([-1.0, 0.0]), np.zeros(())))
    found = networks.input_gradient((W, Z), cache, np.array([3.0, 10.0, 1.0]))
    np.testing.assert_array_equal(found, [[3.0, 6.0], [20.0, 20.0], [-1.0, 0.0]])


@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize("form", DEEPER)
def test_out_is_overwritten_and_returned_and_the_backward_pass_is_left_alone(form, own_points):
    """The two share the room for signals: in any order each has the bits that it has alone."""
    form, depth = DEEPER[form], len(DEEPER[form].kinds)
    parameters, X, *_ = problem(form, (2,), own_points, 4, 5, 1.0, 0)
    first, second = (pulls(form, (2,), 5, np.random.default_rng(s)) for s in (1, 2))
    for array in (*parameters, X, first, second):
        array.setflags(write=False)
    wanted, cache = computed(form, parameters, X, first)
    weights, room = parameters[:depth], np.full_like(wanted, np.nan)
    hidden = [h.copy() for h in cache.hidden]
    alone = computed(form, parameters, X, second)[1]
    gradients = networks.backward(weights, alone, second, biases=form.biased)
    found = networks.backward(weights, cache, second, biases=form.biased)
    assert networks.input_gradient(weights, cache, first, out=room) is room
    np.testing.assert_array_equal(room, wanted)
    again = networks.backward(weights, cache, second, biases=form.biased)
    for got, once_more, want in zip(found, again, gradients, strict=True):
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(once_more, want)
    for got, want in zip(cache.hidden, hidden, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("form", DEEPER)
def test_of_a_linear_network_it_is_the_product_of_the_layers(form):
    """Positive weights, points and biases: no gate is ever closed."""
    form = DEEPER[form]
    parameters, X, *_ = problem(form, (), False, 3, 4, 1.0, 2)
    parameters, X = [np.abs(p) for p in parameters], np.abs(X)
    pull = pulls(form, (), 4, np.random.default_rng(0))
    product = np.eye(3)
    for kind, weight in zip(form.kinds, parameters, strict=False):
        product = weight[:, None] * product if kind == "diagonal" else weight @ product
    wanted = pull @ product if form.classes else pull[:, None] * product
    bound = 2 * rounding_of_input_gradient(form, parameters, X, pull)
    assert np.all(np.abs(computed(form, parameters, X, pull)[0] - wanted) <= bound)


# ---- float32 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize("ensemble", [(), (3,)])
@pytest.mark.parametrize("form", DEEPER)
def test_single_precision_stays_single_precision(form, ensemble, own_points):
    """All arrays; and the values are those of double precision to the rounding of single precision.

    The bounds of float64 with the larger eps: they hold while the same gates are open, which is asserted.
    """
    form, depth = DEEPER[form], len(DEEPER[form].kinds)
    parameters, X, *_ = problem(form, ensemble, own_points, 3, 6, 1.0, 5)
    pull = pulls(form, ensemble, 6, np.random.default_rng(0))
    small, points, pulled = (
        [p.astype(np.float32) for p in parameters],
        X.astype(np.float32),
        pull.astype(np.float32),
    )
    biases = small[depth:] if form.biased else None
    logits, cache = networks.forward(small[:depth], points, biases=biases, classes=form.classes)
    grads = networks.backward(small[:depth], cache, pulled, biases=form.biased)
    found = networks.input_gradient(small[:depth], cache, pulled)
    for array in (logits, *cache.hidden, *cache.back, *grads, found):
        assert array.dtype == np.float32
    double = [np.float64(p) for p in small], np.float64(points), np.float64(pulled)
    wanted, exact = computed(form, *double)
    coarse = float(np.finfo(np.float32).eps) / EPS
    for low, high in zip(cache.hidden, exact.hidden, strict=True):
        np.testing.assert_array_equal(low > 0, high > 0)
    error, top, _ = rounding_of_logits(form, double[0], double[1])
    assert np.all(np.abs(logits - top) <= coarse * error)
    bound = coarse * rounding_of_input_gradient(form, *double)
    assert np.all(np.abs(found - wanted) <= bound)
    assert np.any(found != wanted)  # it was not computed in double precision
    for low, high in zip(
        grads, networks.backward(double[0][:depth], exact, double[2], biases=form.biased), strict=True
    ):
        np.testing.assert_allclose(low, high, rtol=1e-3, atol=1e-4 * np.abs(high).max())


def test_double_precision_is_kept_where_a_public_network_is_made():
    """Network itself holds float64, whatever it was given."""
    network = Network((np.ones((2, 3), dtype=np.float32), np.ones(2, dtype=np.float32)))
    assert all(w.dtype == np.float64 for w in network.weights)
    assert network.logits(np.ones((1, 3), dtype=np.float32)).dtype == np.float64
