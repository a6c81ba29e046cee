"""What the laws say against what trained networks do: the exact map to round-off, the flow to first order in lr."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_iris

from dynsim import init
from dynsim.data import point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.prediction import predict
from dynsim.trajectory import Status

EPS = np.finfo(float).eps
MONOTONE = ("cross_entropy", "hinge", "exponential")
SMOOTH = ("cross_entropy", "exponential", "squared")


def iris():
    """Setosa against virginica, centred: (H1) holds for every pair of points."""
    X, species = load_iris(return_X_y=True)
    return Dataset(X[species != 1], np.where(species[species != 1] == 0, 1, -1)).centered()


def points(angle=150.0, frequencies=(0.6, 0.4), norms=(0.8, 1.9)):
    """One input a class in three dimensions: the units have components that no input has."""
    return point_classes(norms=norms, frequencies=frequencies, angle=angle, dimension=3)


def members(data, units, number=6, rng=0):
    """Networks of so many units a class, of random starts from 1e-4 to 1 and imbalances 0 or 1e-3 to 3."""
    random = np.random.default_rng(rng)
    networks = [
        init.class_aligned(
            data,
            2 * units,
            initial=10 ** random.uniform(-4, 0, 2),
            imbalance=10 ** random.uniform(-3, 0.5, 2) * (k % 3 > 0),
            rng=random,
        )
        for k in range(number)
    ]
    return Network((np.stack([n.W for n in networks]), np.stack([n.Z for n in networks])))


# ---- the exact map ---------------------------------------------------------------------------------------

# 10,000 steps of 6 roundings, eps/2 each, of logits up to 13: 9e-11 if all had one sign. Earlier errors do not
# grow: below 1 they stay relative to the logit, and above the pull falls with the margin, so that du'/du <= 1.
EXACT = 1e-10


@pytest.mark.parametrize("strength", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("loss", MONOTONE)
@pytest.mark.parametrize("angle", [120.0, 150.0, 180.0])
@pytest.mark.parametrize("units", [1, 3, 64])
def test_a_trained_network_is_two_numbers_a_class(units, angle, loss, strength):
    """Any width, any imbalance, both classes, lr kappa up to 2: the same logits after 10,000 steps."""
    data = points(angle)
    network = members(data, units, rng=units)
    lr = strength / max(data.rate(1), data.rate(-1))
    run = train(network, data, loss=loss, lr=lr, steps=10_000)
    theory = predict(network, data, loss=loss, lr=lr)
    assert theory.law == "gradient_descent" and theory.exact
    said = theory.at(run.time)
    assert run.status == Status.FINISHED and run.step[-1] == 10_000
    assert said.logits.shape == run.logits.shape == (len(run.time), 6, 2)
    np.testing.assert_array_equal(said.step, run.step)
    np.testing.assert_allclose(said.logits, run.logits, rtol=0, atol=EXACT)
    # While they are small the logits agree relatively: some h roundings a step.
    small = np.abs(run.logits) < 0.1
    steps = np.broadcast_to(run.step[:, None, None] + 1, small.shape)[small]
    error = np.abs(said.logits[small] / run.logits[small] - 1)
    assert np.all(error <= steps * (units + 20) * EPS * 30)


@pytest.mark.parametrize("loss", MONOTONE)
def test_at_such_a_learning_rate_the_flow_is_another_curve(loss):
    """So that the agreement above is not that of any two curves: at lr kappa = 1 they part by a tenth and more."""
    data = points()
    network = init.class_aligned(data, 6, initial=0.1, imbalance=0.3, rng=0)
    run = train(network, data, loss=loss, lr=1.0 / data.rate(-1), steps=30, record="all")
    assert np.abs(predict(network, data, loss=loss).at(run.time).logits - run.logits).max() > 0.1


@pytest.mark.parametrize("loss", MONOTONE)
def test_a_single_network_and_every_step(loss):
    data = points(180.0)
    network = init.class_aligned(data, 2, initial=1e-4, imbalance=(0.0, 0.5), rng=0)
    run = train(network, data, loss=loss, lr=0.7, steps=2_000, record="all")
    said = predict(network, data, loss=loss, lr=0.7).at(run.time)
    np.testing.assert_allclose(said.logits, run.logits, rtol=0, atol=EXACT)
    np.testing.assert_allclose(said.confidence, run.confidence, rtol=0, atol=EXACT)
    np.testing.assert_allclose(said.loss, run.loss, rtol=0, atol=EXACT)


@pytest.mark.parametrize("loss", MONOTONE)
@pytest.mark.parametrize("units", [1, 3, 64])
def test_iris_is_its_order_parameters_for_ten_thousand_steps(loss, units):
    data = iris()
    network = init.class_aligned(data, 2 * units, initial=(1e-3, 0.1), imbalance=(0.3, 0.0), rng=units)
    run = train(network, data, loss=loss, lr=0.5, steps=10_000)
    theory = predict(network, data, loss=loss, lr=0.5)
    np.testing.assert_allclose(theory.at(run.time).logits, run.logits, rtol=0, atol=EXACT)
    assert data.check_assumptions(run.network)


# ---- the flow, as the limit of small learning rates ------------------------------------------------------


def errors(network, data, loss, rates, time):
    """Trained minus flow, at the multiples of the largest rate up to a fixed time, for each rate."""
    whole = round(time / rates[0])
    theory = predict(network, data, loss=loss)
    flow = theory.at(rates[0] * np.arange(whole + 1)).logits
    out = []
    for rate in rates:
        every = round(rates[0] / rate)
        run = train(network, data, loss=loss, lr=rate, steps=every * whole, record=every * np.arange(whole + 1))
        out.append(run.logits - flow)
    return theory.law, np.array(out)


def order(differences, rates):
    """The slope of log sup-error over log rate."""
    sup = np.abs(differences).reshape(len(rates), -1).max(1)
    return np.polyfit(np.log(rates), np.log(sup), 1)[0]


RATES = [0.4, 0.2, 0.1, 0.05, 0.025, 0.0125]


@pytest.mark.parametrize("imbalance", [0.0, 0.5])
@pytest.mark.parametrize("loss", SMOOTH)
def test_gradient_descent_approaches_the_closed_form_in_first_order(loss, imbalance):
    """A fair asymptotic statement: one fixed time for all rates, a start (.2) from which the curves rise at once (a
    long plateau would multiply lr kappa by its length), and lr kappa <= .1, so that the next order adds a tenth at
    most at the largest rate and changes the slope over the six by far less than .05.
    """
    data = points(norms=(0.8, 1.0), frequencies=(0.3, 0.2))
    network = init.class_aligned(data, 6, initial=0.2, imbalance=imbalance, rng=0)
    law, differences = errors(network, data, loss, RATES, 12.0)
    assert law == "closed_form"
    for c in (0, 1):
        assert abs(order(differences[..., c], RATES) - 1) < 0.05


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
def test_first_order_also_where_the_rates_are_large(loss):
    """The same with kappa = .7 and .6, lr kappa up to .28."""
    data = points(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    network = init.class_aligned(data, 6, initial=0.2, rng=0)
    _, differences = errors(network, data, loss, RATES, 8.0)
    for c in (0, 1):
        assert abs(order(differences[..., c], RATES) - 1) < 0.05


@pytest.mark.parametrize(
    ("loss", "divisor", "time"), [("cross_entropy", 1, 8.0), ("exponential", 1, 8.0), ("squared", 4, 6.0)]
)
def test_gradient_descent_approaches_the_order_parameters_of_iris_in_first_order(loss, divisor, time):
    """The same with kappa = 1.19: lr kappa goes up to .48. There the squared loss, which decays to its fixed point
    by a factor a step, still has 5 % of second order in its slope; it gets a quarter of the rates.
    """
    data = iris()
    network = init.class_aligned(data, 8, initial=0.2, imbalance=0.3, rng=0)
    rates = [rate / divisor for rate in RATES]
    law, differences = errors(network, data, loss, rates, time)
    assert law == "order_parameters"
    for label in (1, -1):
        assert abs(order(differences[..., data.mask(label)], rates) - 1) < 0.05


def romberg(values):
    """The limit of values at h, h/2, h/4, ... whose errors are a power series in h, and the last correction."""
    column = list(values)
    for k in range(1, len(values)):
        previous = column
        column = [b + (b - a) / (2**k - 1) for a, b in pairwise(previous)]
    return column[-1], np.abs(column[-1] - previous[-1]).max()


@pytest.mark.parametrize("imbalance", [0.0, 0.5])
@pytest.mark.parametrize("loss", [*SMOOTH, "hinge"])
def test_trained_networks_extrapolated_to_lr_0_are_the_closed_form(loss, imbalance):
    """Five halvings remove the errors of order lr .. lr^5: the limit itself, from training alone."""
    data = points(norms=(0.8, 1.0), frequencies=(0.3, 0.2))
    network = init.class_aligned(data, 6, initial=0.2, imbalance=imbalance, rng=0)
    # Hinge: smooth below the margin only; the faster class is at .2 e^{2 kappa t} (C = 0) or .43 e^{...} at most.
    time = 12.0 if loss != "hinge" else 1.2
    _, differences = errors(network, data, loss, RATES, time)
    limit, last = romberg(differences)
    # The error of an extrapolation is below its last correction; it weighs the round-off of the runs (960 steps
    # of 20 roundings) by less than 4.
    assert np.abs(limit).max() <= last + 4 * 960 * 20 * EPS
    assert last < 1e-9  # so that the line above says something


@pytest.mark.parametrize("loss", SMOOTH)
def test_trained_networks_extrapolated_to_lr_0_are_the_order_parameters_of_iris(loss):
    data = iris()
    network = init.class_aligned(data, 8, initial=0.2, imbalance=0.3, rng=0)
    _, differences = errors(network, data, loss, [rate / 4 for rate in RATES], 6.0)
    limit, last = romberg(differences)
    assert np.abs(limit).max() <= last + 4 * 1920 * 20 * EPS + 1e-10  # 1e-10: the flow's own integration
    assert last < 1e-9


# ---- squared loss: while no gate flips -------------------------------------------------------------------


def first_flip(network, data, lr, steps):
    """The first step after which a gate of the trained network is not what it was at the start."""
    active = network.preactivations(data.X) > 0
    for k in range(1, steps + 1):
        network = train(network, data, loss="squared", lr=lr, steps=1).network
        if np.any((network.preactivations(data.X) > 0) != active):
            return k
    return None


@pytest.mark.parametrize(
    ("data", "imbalance", "lr"),
    [(points(), 0.0, 2.2), (points(), 0.5, 2.0), (points(180.0), 0.0, 2.5), (iris(), 0.3, 1.5), (iris(), 0.3, 2.0)],
)
def test_the_squared_loss_says_until_when_it_holds(data, imbalance, lr):
    """valid_until is the last step before a gate of the trained network flips, and up to it the law is exact."""
    network = init.class_aligned(data, 6, initial=0.2, imbalance=imbalance, rng=0)
    flip = first_flip(network, data, lr, 60)
    assert flip is not None and flip > 1
    run = train(network, data, loss="squared", lr=lr, steps=flip + 3, record="all")
    said = predict(network, data, loss="squared", lr=lr).at(run.time)
    assert said.meta["valid_until"] == lr * (flip - 1)
    difference = np.abs(said.logits - run.logits).max(axis=-1)
    # An overshooting margin multiplies errors by |1 - 2 lr kappa ...| < 10 a step.
    assert np.all(difference[:flip] <= 50 * EPS * 10.0 ** np.arange(flip))
    assert difference[flip:].max() > 1e-3


@pytest.mark.parametrize("lr", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("data", [points(), points(180.0), iris()])
def test_the_squared_loss_holds_for_ever_where_no_gate_flips(data, lr):
    """Also where margins above 1 pull backwards, as those of iris do from the first steps on."""
    network = init.class_aligned(data, 6, initial=0.2, imbalance=0.3, rng=0)
    assert first_flip(network, data, lr, 200) is None
    run = train(network, data, loss="squared", lr=lr, steps=1_000)
    said = predict(network, data, loss="squared", lr=lr).at(run.time)
    assert said.meta["valid_until"] == np.inf
    np.testing.assert_allclose(said.logits, run.logits, rtol=0, atol=EXACT)
    if len(data) == 100:
        assert run.margin.max() > 1.2


def test_the_squared_closed_form_holds_for_ever_below_1_and_is_not_vouched_for_above():
    data = points()
    for initial, valid in ((0.2, np.inf), ((0.2, 0.9), np.inf), ((0.2, 1.5), 0.0)):
        network = init.class_aligned(data, 6, initial=initial, rng=0)
        assert predict(network, data, loss="squared").at([0.0, 1.0]).meta["valid_until"] == valid
    for loss in MONOTONE:
        network = init.class_aligned(data, 6, initial=2.0, rng=0)
        assert predict(network, data, loss=loss).at([0.0, 1.0]).meta["valid_until"] == np.inf
