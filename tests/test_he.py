"""He et al.'s random networks: variances, the signal's second moment at any depth, forms and errors."""

import numpy as np
import pytest
from scipy import stats

from dynsim import init, train
from dynsim.dataset import Dataset

TWO = Dataset([[1.0, 0.0, 2.0], [0.5, -1.0, 0.0], [1.0, 1.0, 1.0]], [1, -1, 1])
THREE = Dataset(TWO.X, [0, 2, 1])
#: Of a false alarm, in each test of a distribution.
RARE = 1e-7


def deviations(network):
    """sqrt(2/fan_in) in hidden layers, sqrt(1/fan_in) in the readout, written out."""
    widths = [network.dimension, *network.widths]
    return [np.sqrt(2 / fan) for fan in widths[:-1]] + [np.sqrt(1 / widths[-1])]


@pytest.mark.parametrize("data", [TWO, THREE])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_every_layer_has_its_variance(data, depth):
    """sum w^2 / variance is chi-square with as many degrees of freedom as there are weights, the mean is normal."""
    network = init.he(data, 7, depth=depth, size=3000, rng=depth)
    assert len(network.weights) == len(deviations(network)) == depth
    for weights, sigma in zip(network.weights, deviations(network), strict=True):
        w = weights.ravel() / sigma
        low, high = stats.chi2.ppf([RARE, 1 - RARE], w.size)
        assert low < w @ w < high and high / low < 1.3
        assert abs(w.sum()) < stats.norm.isf(RARE) * np.sqrt(w.size)
        assert stats.kstest(w, "norm").pvalue > RARE
    pairs = np.concatenate([w.reshape(3000, -1)[:, :3] for w in network.weights], axis=1)
    # Layers and units are independent: correlations of 3000 pairs have a deviation of 3000^-1/2.
    off = np.corrcoef(pairs.T) - np.eye(pairs.shape[1])
    assert np.abs(off).max() < 6.0 / np.sqrt(3000)


def deviation_of_square(width, depth):
    """Relative deviation of f^2 over the draws, for one point.

    Given the layer below, f is normal with variance |h|^2 / width, so E f^4 = 3 E |h|^4 / width^2. A unit is
    relu(s g) with s^2 = 2 |h|^2 / width (for the first layer 2 |x|^2 / d) and g normal: E relu(g)^2 = 1/2,
    E relu(g)^4 = 3/2, so |h'|^2 = |h|^2 times a factor of mean 1 and second moment 1 + 5 / width, independent.
    """
    return np.sqrt(3 * (1 + 5 / width) ** (depth - 1) - 1)


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
def test_the_second_moment_of_a_logit_is_the_same_at_every_depth(depth):
    """E f^2 = |x|^2 / d, within six standard errors of 5000 networks of 24 units: below 30 %."""
    size, width = 5_000, 24
    for data in (TWO, THREE):
        network = init.he(data, width, depth=depth, size=size, rng=depth)
        square = network.logits(data.X)[:, 0] ** 2 * 3 / (data.X[0] @ data.X[0])
        error = 6 * deviation_of_square(width, depth) / np.sqrt(size)
        assert error < 0.3
        # Only one logit a network: those of a softmax share their hidden layers.
        assert abs(square.reshape(size, -1)[:, 0].mean() - 1) < error


def test_neither_a_factor_of_one_in_the_hidden_layers_nor_of_two_in_the_readout_would_do():
    """The test above sees both: at depth 4 they are factors of 1/8 and 2."""
    network = init.he(TWO, 24, depth=4, size=5_000, rng=0)
    *hidden, readout = network.weights
    for weights in ([w / np.sqrt(2) for w in hidden] + [readout], [*hidden, readout * np.sqrt(2)]):
        f = network.with_parameters(weights).logits(TWO.X)[:, 0]
        assert abs((f**2).mean() * 3 / 5 - 1) > 0.5


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("data", [TWO, THREE])
@pytest.mark.parametrize("biases", [False, True])
def test_every_form_is_that_of_gaussian(size, depth, data, biases):
    """The same shapes and classes, the same draws up to the deviations, biases of 0; and it can be trained."""
    ask = {"depth": depth, "biases": biases, "size": size, "rng": 4}
    network, other = init.he(data, 4, **ask), init.gaussian(data, 4, scale=1.0, **ask)
    assert str(network) == str(other) and network.ensemble == other.ensemble
    assert network.classes == data.classes and network.widths == (4,) * (depth - 1)
    for w, unit, sigma in zip(network.weights, other.weights, deviations(network), strict=True):
        np.testing.assert_allclose(w, sigma * unit, rtol=4 * np.finfo(float).eps)
    assert (network.biases is not None) is biases
    for bias, shape in zip(network.biases or (), [b.shape for b in other.biases or ()], strict=True):
        assert bias.shape == shape and not bias.any()
    assert train(network, data, lr=0.05, steps=3).network.depth == depth


def test_the_same_rng_gives_the_same_bits():
    first, again, other = (init.he(THREE, 6, depth=4, biases=True, size=2, rng=r) for r in (7, 7, 8))
    generator = np.random.default_rng(7)
    third, fourth = (init.he(THREE, 6, depth=4, biases=True, size=2, rng=generator) for _ in range(2))
    for w, same, equal, *different in zip(*(n.weights for n in (first, again, third, other, fourth)), strict=True):
        np.testing.assert_array_equal(w, same)
        np.testing.assert_array_equal(w, equal)
        assert all(np.all(w != d) for d in different)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 0}, r"hidden must be an integer of at least 1, got 0$"),
        ({"hidden": 2.0}, r"hidden must be an integer of at least 1, got 2\.0$"),
        ({"hidden": (4, 4)}, r"hidden must be an integer of at least 1, got \(4, 4\)$"),
        ({"depth": 0}, r"depth must be an integer of at least 1, got 0$"),
        ({"depth": True}, r"depth must be an integer of at least 1, got True$"),
        ({"size": 0}, r"size must be an integer of at least 1, got 0$"),
        ({"size": 2.5}, r"size must be an integer of at least 1, got 2\.5$"),
        ({"biases": 1}, r"biases must be True or False, got 1$"),
        ({"data": TWO.X}, r"data must be a Dataset, got ndarray$"),
        ({"rng": "x"}, r"^rng must be what np.random.default_rng takes, got 'x'$"),
        ({"rng": -1}, r"^rng must be what np.random.default_rng takes, got -1$"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        init.he(**({"data": TWO, "hidden": 4, "rng": 0} | change))


def test_rng_is_a_keyword_that_has_to_be_given():
    with pytest.raises(TypeError, match=r"rng"):
        init.he(TWO, 4)
    with pytest.raises(TypeError, match=r"positional"):
        init.he(TWO, 4, 3)
