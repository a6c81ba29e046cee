"""C classes with a softmax: the law of one input a class against trained networks."""

import numpy as np
import pytest

from dynsim import init
from dynsim.checks import AssumptionError
from dynsim.comparison import Verdict, compare
from dynsim.data import orthogonal_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory import modes
from dynsim.theory.prediction import predict

EPS = np.finfo(float).eps
TIME = 12.0


def classes(C):
    """C orthogonal inputs of different norms and frequencies."""
    return orthogonal_classes(np.linspace(0.8, 1.6, C), np.linspace(1.0, 2.0, C) / 1.5)


def spread_out(C):
    """Inputs at obtuse angles to each other: a simplex, of different norms."""
    X = np.linspace(1.0, 1.5, C)[:, None] * (np.eye(C) - 1.0 / C)
    return Dataset(X, np.arange(C), np.linspace(0.5, 1.0, C))


def started(data, imbalance, C, initial=0.3):
    return init.class_aligned(data, 2 * C, initial=initial, imbalance=imbalance, rng=1)


@pytest.mark.parametrize("made", [classes, spread_out])
@pytest.mark.parametrize("C", [3, 10])
@pytest.mark.parametrize("imbalance", [0.0, 0.4])
def test_flow_modified_flow_and_map_against_descent(made, C, imbalance):
    """lr halved three times: order 1, order 2, round-off. lr kappa < .25: the next term is below a fifth."""
    data = made(C)
    network = started(data, imbalance, C)
    first, second = [], []
    for lr in (0.16, 0.08, 0.04, 0.02):
        steps = round(TIME / lr)
        run = train(network, data, lr=lr, steps=steps, record=np.arange(0, steps + 1, steps // 15))
        exact = predict(network, data, lr=lr).at(run.time)
        assert exact.logits.shape == run.logits.shape == (len(run.time), C, C)
        # 600 steps, each of some 2 C + d + 10 roundings of numbers below 4.
        assert np.max(np.abs(exact.logits - run.logits)) <= 600 * (3 * C + 10) * 4 * EPS
        first.append(np.max(np.abs(predict(network, data).at(run.time).logits - run.logits)))
        said = predict(network, data, law="modified_flow", lr=lr).at(run.time).logits
        second.append(np.max(np.abs(said - run.logits)))
    for errors, order, allowed in ((first, 1.0, 0.1), (second, 2.0, 0.2)):
        found = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
        assert np.all(np.abs(found - order) <= allowed)


@pytest.mark.parametrize("C", [2, 3, 10])
def test_compare(C):
    data = classes(C)
    network = started(data, 0.0, C, initial=0.05)
    run = train(network, data, lr=0.02, steps=2000)
    for law, lr in (("closed_form", None), ("modified_flow", 0.02), ("gradient_descent", 0.02)):
        found = compare(predict(network, data, law=law, lr=lr), run)
        assert found.verdict == Verdict.AGREES, str(found)
        assert set(found.by_class) == {str(c) for c in range(C)}
    other = Dataset(data.X, data.y, data.weights * np.where(data.y == 0, 1.03, 1.0))
    found = compare(predict(network, other), run)
    assert found.verdict == Verdict.DISAGREES
    assert [name for name, (verdict, _) in found.by_class.items() if verdict != Verdict.AGREES] == ["0"]
    ax = found.plot()
    assert len(ax.get_legend_handles_labels()[1]) == 2 * C


def test_a_table_and_a_function_of_class_logits():
    data = classes(3)
    network = started(data, 0.0, 3, initial=0.05)
    theory, run = predict(network, data), train(network, data, lr=0.02, steps=2000)
    assert compare(theory.at(run.time), run).verdict == Verdict.AGREES
    assert compare(lambda t: theory.at(t).logits, run).verdict == Verdict.AGREES
    assert compare(lambda t: theory.at(1.03 * t).logits, run).verdict == Verdict.DISAGREES


def test_margins_and_confidence_are_those_of_the_mode():
    data = classes(4)
    network = started(data, 0.2, 4)
    theory, times = predict(network, data), np.array([0.0, 1.0, 10.0, 100.0])
    said = theory.at(times)
    for c in range(4):
        u = modes.logit(
            times, initial=0.3, rate=data.rate(c), imbalance=0.2, classes=4
        )
        np.testing.assert_allclose(said.margin[:, c], u, rtol=1e-12)
        np.testing.assert_allclose(said.confidence[:, c], 1 / (1 + 3 * np.exp(-u)), rtol=1e-12)
    reached = theory.time_to(0.9)
    at = theory.at(np.unique(reached))
    np.testing.assert_allclose(at.confidence[np.searchsorted(at.time, reached), np.arange(4)], 0.9, rtol=1e-12)
    assert theory.equation == "beyond the paper: softmax of C classes (docs/theory.md, section 10)"


def test_sgd_of_three_classes():
    data = classes(3)
    network = started(data, 0.0, 3, initial=0.05)
    many = Network([np.broadcast_to(w, (400, *w.shape)) for w in network.weights])
    run = train(many, data, lr=0.05, steps=600, batch_size=1, rng=2, record=12)
    theory = predict(network, data, lr=0.05, batch_size=1)
    found = compare(theory, run)
    assert found.verdict == Verdict.AGREES and found.coverage.strays == 0
    said = theory.at(0.05 * run.step)
    assert said.logits.shape == said.lower.shape == said.upper.shape == (len(run.step), 3, 3)
    assert np.all(said.lower <= said.logits) and np.all(said.logits <= said.upper)


def test_what_is_refused():
    data = classes(3)
    network = started(data, 0.0, 3)
    with pytest.raises(ValueError, match=r"loss must be 'cross_entropy' for 3 classes \(softmax\), got 'hinge'"):
        predict(network, data, loss="hinge")
    with pytest.raises(ValueError, match=r"network must have 3 logits, as the labels of the data say"):
        predict(init.gaussian(classes(4), 4, scale=1.0, rng=0), data)
    with pytest.raises(ValueError, match=r"law 'class_means' needs labels \+1 and -1"):
        predict(network, data, law="class_means")
    skew = np.array(network.Z)
    skew[1, 0] *= 1.01
    with pytest.raises(AssumptionError, match=r"readout column of every unit of class c along .*; that of unit 0"):
        predict(Network((network.W, skew)), data)
    moved = Dataset(np.vstack([data.X, 1.1 * data.X[0]]), np.append(data.y, 0.0))
    with pytest.raises(AssumptionError, match=r"one input a class is needed"):
        predict(network, moved)
