"""Networks of any depth with diagonal inner layers: laws against trained networks, and their chains."""

import mpmath
import numpy as np
import pytest

from dynsim import init
from dynsim.checks import AssumptionError
from dynsim.comparison import Verdict, compare
from dynsim.data import point_classes
from dynsim.empirical.flow import flow
from dynsim.empirical.training import train
from dynsim.losses import get
from dynsim.network import Network
from dynsim.theory.chains import Chains, products_of_others
from dynsim.theory.prediction import predict

EPS = np.finfo(float).eps
SMOOTH = ("cross_entropy", "exponential", "squared")
DEPTHS = (2, 3, 4, 8)
TIME = 4.0


def points():
    """Two inputs at an obtuse angle, in three dimensions."""
    return point_classes(norms=(0.9, 1.6), frequencies=(0.6, 0.4), angle=140.0, dimension=3)


def uneven(data, depth, rng, size=0.75):
    """Two chains a class whose layers all differ; units 0 and 2 are of class +1."""
    random = np.random.default_rng(rng)
    labels = np.array([1, -1, 1, -1])
    aligned = init.class_aligned(data, 4, initial=0.1, rng=random).W
    means = np.stack([data.mean(label) for label in (1, -1)])
    own = np.abs(np.take_along_axis(aligned @ means.T, np.array([[0], [1], [0], [1]]), 1))
    inner = [size * random.uniform(0.7, 1.3, 4) for _ in range(depth - 1)]
    return Network([size * random.uniform(0.7, 1.3, (4, 1)) * aligned / own, *inner[1:], labels * inner[0]])


def orders(errors):
    """Exponents of the error between successive halvings of lr."""
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def runs(network, data, loss, lrs=(0.08, 0.04, 0.02, 0.01)):
    """The same training at several learning rates, recorded at the same times."""
    for lr in lrs:
        steps = round(TIME / lr)
        yield lr, train(network, data, loss=loss, lr=lr, steps=steps, record=np.arange(0, steps + 1, steps // 10))


# ---- against trained networks ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("layers", ["equal", "uneven"])
def test_flow_modified_flow_and_map_against_descent(layers, depth, loss):
    """lr halved three times: order 1 to the flow, order 2 to the modified flow, round-off to the exact map.

    The error is c1 lr + c2 lr^2: with lr kappa^(...) below .1 a neighbouring term is at most a tenth of the
    leading one, and moves the exponent between halvings by less than log2(1.1/1.05) = .07; and by half of that
    after one more.
    """
    data = points()
    made = init.class_aligned(data, 4, initial=0.3, depth=depth, rng=1)
    network = made if layers == "equal" else uneven(data, depth, rng=2)
    first, second = [], []
    for lr, run in runs(network, data, loss):
        exact = predict(network, data, loss=loss, lr=lr).at(run.time).logits
        # 400 steps, each of some N products and sums of logits below 4.
        assert np.max(np.abs(exact - run.logits)) <= 400 * (2 * depth + 10) * 4 * EPS
        first.append(np.max(np.abs(predict(network, data, loss=loss).at(run.time).logits - run.logits)))
        said = predict(network, data, loss=loss, law="modified_flow", lr=lr).at(run.time).logits
        second.append(np.max(np.abs(said - run.logits)))
    assert np.all(np.abs(orders(first) - 1.0) <= 0.07)
    assert np.all(np.abs(orders(second) - 2.0) <= 0.14)


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_law_that_is_chosen(depth):
    data = points()
    equal = init.class_aligned(data, 6, initial=0.1, depth=depth, rng=3)
    theory = predict(equal, data)
    assert theory.law == "closed_form"
    assert theory.equation == ("Thm 3.2, eq 2-3 (v2)" if depth == 2 else "eq 5, App. B (v2)")
    other = predict(uneven(data, depth, rng=4), data)
    assert other.law == ("closed_form" if depth == 2 else "layers")


@pytest.mark.parametrize("loss", [*SMOOTH, "hinge"])
@pytest.mark.parametrize("depth", [3, 5])
def test_the_closed_form_is_the_flow_of_the_layers(depth, loss):
    """Two ways to one curve: the solved equation, and the layers integrated (rtol 1e-12, some 100 steps)."""
    data = points()
    network = init.class_aligned(data, 6, initial=0.2, depth=depth, rng=5)
    times = np.linspace(0.0, 12.0, 25)
    closed = predict(network, data, loss=loss).at(times).logits
    layers = predict(network, data, loss=loss, law="layers").at(times).logits
    np.testing.assert_allclose(layers, closed, rtol=2e-10, atol=2e-10)


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_uneven_layers_are_the_flow_of_the_network(loss):
    """The network's own flow, which knows nothing of chains; its tolerance is 1e-10 a step."""
    data = points()
    network = uneven(data, 4, rng=6)
    times = np.linspace(0.0, 5.0, 11)
    said = predict(network, data, loss=loss).at(times).logits
    np.testing.assert_allclose(said, flow(network, data, loss=loss, times=times).logits, rtol=1e-8, atol=1e-8)


def test_depth_1_is_logistic_regression():
    """Orthogonal inputs: u' = p |x|^2 g(u), and gradient descent by its map, of any sign at the start."""
    data = point_classes(norms=(0.9, 1.6), frequencies=(0.6, 0.4), angle=90.0)
    network = init.class_aligned(data, 1, initial=(0.2, 0.7), depth=1, rng=0)
    start = Network([network.Z - np.array([2.0, 0.0])])
    for lr, run in runs(start, data, "cross_entropy", (0.1, 0.05)):
        exact = predict(start, data, lr=lr)
        np.testing.assert_allclose(exact.at(run.time).logits, run.logits, rtol=0, atol=40 * 20 * EPS)
        assert compare(predict(start, data), run).verdict == Verdict.AGREES
        assert compare(predict(start, data, law="modified_flow", lr=lr), run).verdict == Verdict.AGREES
    assert np.any(run.margin[0] < 0)
    correlated = point_classes(norms=(0.9, 1.6), frequencies=(0.6, 0.4), angle=120.0)
    with pytest.raises(AssumptionError, match=r"inner products 0 across"):
        predict(start, correlated)


@pytest.mark.parametrize("depth", [3, 4])
def test_compare_says_so(depth):
    """Right laws agree, and a law of another depth does not."""
    data = points()
    network = init.class_aligned(data, 4, initial=0.1, depth=depth, rng=7)
    run = train(network, data, lr=0.02, steps=1500)
    for law, lr in (("closed_form", None), ("layers", None), ("modified_flow", 0.02), ("gradient_descent", 0.02)):
        assert compare(predict(network, data, law=law, lr=lr), run).verdict == Verdict.AGREES, law
    other = init.class_aligned(data, 4, initial=0.1, depth=depth + 1, rng=7)
    assert compare(predict(other, data), run).verdict == Verdict.DISAGREES


# ---- the chains themselves ---------------------------------------------------------------------------------


def test_products_of_others():
    random = np.random.default_rng(0)
    w = random.normal(size=(3, 5))
    direct = [[np.prod(np.delete(row, i)) for i in range(5)] for row in w]
    np.testing.assert_allclose(products_of_others(w), direct, rtol=5 * EPS)
    np.testing.assert_array_equal(products_of_others(np.array([[2.0, 0.0, 3.0]])), [[0.0, 6.0, 0.0]])
    np.testing.assert_array_equal(products_of_others(np.array([[7.0]])), [[1.0]])


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_differences_of_squares_are_conserved_to_rounding(loss):
    data = points()
    chains = Chains.of(uneven(data, 5, rng=8), data)
    (start,), *_, (end,) = chains.flow(np.linspace(0.0, 20.0, 5), get(loss), rtol=1e-6)
    squares = [np.square(w) - np.square(w[..., :1]) for w in (start, end)]
    # A loose tolerance moves the chains along their hyperbola, never off it.
    np.testing.assert_allclose(squares[1], squares[0], rtol=0, atol=4 * EPS * np.square(end).max())


def test_a_chain_against_quadrature():
    """One chain: t = int dv / (kappa g(u) prod sqrt(v^2 + c_i)), by mpmath."""
    data = point_classes(norms=(0.8, 1.0), frequencies=(0.5, 0.5), angle=180.0)
    w = np.array([0.4, 0.9, 0.6])
    network = Network([[[w[0]], [-0.5]], [w[1], 0.5], [w[2], -0.5]])
    (end,) = Chains.of(network, data).flow(np.array([0.0, 6.0]), get("cross_entropy"), rtol=1e-12)[1]
    apart = np.square(w) - w[0] ** 2

    def slowness(v):
        layers = [mpmath.sqrt(v**2 + c) for c in apart]
        return (1 + mpmath.exp(0.8 * mpmath.fprod(layers))) / (0.4 * layers[1] * layers[2])

    # 200 steps of the integration at a tolerance of 1e-12 each.
    assert abs(mpmath.quad(slowness, [w[0], float(end[0, 0, 0])]) - 6.0) <= 6.0 * 2e-10


def test_what_is_refused():
    data = points()
    network = init.class_aligned(data, 4, initial=0.1, depth=3, rng=0)
    with pytest.raises(AssumptionError, match=r"law 'closed_form' needs layers and chains of equal size"):
        predict(uneven(data, 3, rng=1), data, law="closed_form")
    with pytest.raises(AssumptionError, match=r"'order_parameters' is for one hidden layer"):
        predict(network, data, law="order_parameters")
    with pytest.raises(AssumptionError, match=r"'layers' is for other depths than 2"):
        predict(init.class_aligned(data, 4, rng=0), data, law="layers")
    with pytest.raises(AssumptionError, match=r"'class_means' is for one hidden layer"):
        predict(network, data, law="class_means")


@pytest.mark.parametrize("depth", [2, 3])
def test_very_many_times_change_nothing(depth):
    """Class by class from 5,000 times on, where polynomials serve: two roundings of 4e-15 each way."""
    data = points()
    theory = predict(init.class_aligned(data, 4, initial=(0.05, 0.2), depth=depth, rng=7), data)
    times = np.linspace(0.0, 100.0, 6_001)
    many, few = theory.at(times).logits, theory.at(times[::2]).logits
    np.testing.assert_allclose(many[::2], few, rtol=4e-14)
