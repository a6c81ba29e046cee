"""The flow that gradient descent follows to second order, and the floor that belongs to it."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from dynsim import init
from dynsim.comparison import Verdict, compare
from dynsim.data import gaussian_classes, point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.losses import get
from dynsim.theory import one_input, order_parameters
from dynsim.theory.prediction import predict

SMOOTH = ("cross_entropy", "exponential", "squared")


def points():
    return point_classes(norms=(0.8, 1.5), frequencies=(0.6, 0.4), angle=150.0, dimension=3)


def clouds():
    return gaussian_classes(12, dimension=3, spread=0.1, rng=0)


def trained(data, loss, lr, imbalance=0.3, until=6.0, initial=0.05):
    network = init.class_aligned(data, 8, initial=initial, imbalance=imbalance, rng=1)
    steps = round(until / lr)
    records = np.arange(0, steps + 1, max(1, steps // 15))
    return network, train(network, data, loss=loss, lr=lr, steps=steps, record=records)


# ---- the law -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [points(), clouds()], ids=["points", "clouds"])
@pytest.mark.parametrize("imbalance", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("loss", SMOOTH)
def test_the_error_falls_fourfold_when_lr_is_halved(loss, imbalance, data):
    """To second order: the next term is at most some lr kappa of the leading one, .15 at the largest lr here."""
    errors = []
    for lr in (0.1, 0.05, 0.025):
        network, run = trained(data, loss, lr, imbalance)
        said = predict(network, data, loss=loss, law="modified_flow", lr=lr).at(run.time)
        errors.append(np.max(np.abs(said.logits - run.logits)))
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all(np.abs(ratios / 4.0 - 1.0) <= [0.15, 0.08])


@pytest.mark.parametrize("initial", [0.05, 0.3])
def test_until_the_first_drop_the_hinge_is_of_second_order_too(initial):
    """g' = 0 below margin 1; S (1 + e)^(2k) against S exp(2 k (e - e^2/2)): 2 k e^3/3 is left."""
    data = points()
    errors = []
    for lr in (0.08, 0.04, 0.02):
        network, run = trained(data, "hinge", lr, initial=initial, until=0.8, imbalance=0.1)
        assert np.all(run.margin < 1.0)
        said = predict(network, data, loss="hinge", law="modified_flow", lr=lr).at(run.time)
        errors.append(np.max(np.abs(said.logits - run.logits)))
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all(np.abs(ratios / 4.0 - 1.0) <= 0.1)


@pytest.mark.parametrize("data", [points(), clouds()], ids=["points", "clouds"])
def test_across_drops_the_hinge_stays_of_second_order(data):
    """Points drop out at steps in the law as in descent; the ends overshoot 1 by up to a step, alike in both.

    A margin may reach 1 within the error of the law from a step, and its drop be off by that step; here none is.
    """
    errors = []
    for lr in (0.04, 0.02, 0.01):
        network, run = trained(data, "hinge", lr, initial=0.2, until=8.0)
        assert np.all(run.margin[-1] >= 1.0)
        said = predict(network, data, loss="hinge", law="modified_flow", lr=lr).at(run.time)
        errors.append(np.max(np.abs(said.logits - run.logits)))
        flow = predict(network, data, loss="hinge").at(run.time)
        assert np.max(np.abs(flow.logits - run.logits)) > 5 * errors[-1]
    assert errors[2] < errors[0] / 10


def test_every_drop_of_iris_is_within_a_step():
    """Setosa against virginica: the exact map hits the step of every flower, the second-order flow to a step.

    The flow itself lags behind the descent by (6.6) and by up to a step a drop.
    """
    X, species = load_iris(return_X_y=True)
    data = Dataset(X[species != 1], np.where(species[species != 1] == 0, 1, -1)).centered()
    network = init.class_aligned(data, 16, initial=1e-2, rng=0)
    lr = 0.01
    run = train(network, data, loss="hinge", lr=lr, steps=2000, record="all")
    learnt = run.margin >= 1.0
    assert np.all(learnt.any(axis=0))
    dropped = run.time[np.argmax(learnt, axis=0)]
    exact = predict(network, data, loss="hinge", lr=lr).time_to(1.0)
    np.testing.assert_array_equal(np.rint(exact / lr), np.rint(dropped / lr))
    second = predict(network, data, loss="hinge", law="modified_flow", lr=lr).time_to(1.0)
    assert np.max(np.abs(second - dropped)) <= lr * (1.0 + 1e-9)
    # The first drop of a class: the flow's own time, the lag log(1/u0)/4 of a step, and the rest of a step.
    flow = predict(network, data, loss="hinge").time_to(1.0)
    for label in (1, -1):
        first = np.argmin(np.where(data.y == label, flow, np.inf))
        assert 0.0 <= dropped[first] - flow[first] <= lr * (1.0 + np.log(1.0 / 1e-2) / 4.0)


def test_with_no_step_it_is_the_flow():
    data, times = points(), np.linspace(0.0, 20.0, 11)
    network = init.class_aligned(data, 4, initial=1e-3, imbalance=0.2, rng=0)
    closed = predict(network, data).at(times).logits
    small = predict(network, data, law="modified_flow", lr=1e-12).at(times).logits
    # 1e-12 of a rate, and a tolerance of 1e-12 at each of some 100 steps.
    np.testing.assert_allclose(small, closed, rtol=3e-10)


def test_two_ways_to_one_curve():
    """One input a class is a special case of many points: two numbers, or the matrix of the order parameters."""
    data, times = points(), np.linspace(0.0, 10.0, 6)
    network = init.class_aligned(data, 4, initial=0.02, imbalance=0.2, rng=0)
    said = predict(network, data, law="modified_flow", lr=0.3).at(times).logits
    for c, label in enumerate((1, -1)):
        x, own = data.mean(label), label * network.Z > 0
        units = order_parameters.of_units(network.W[own], network.Z[own])
        point = order_parameters.Pulling(x[None], np.array([float(label)]), data.weights[c : c + 1])
        P = units.matrix
        Phi = order_parameters.propagator(P, point, times, get("cross_entropy"), 1e-12, 0.3)
        np.testing.assert_allclose(order_parameters.readout(Phi, P) @ x, said[:, c], rtol=1e-9)


# ---- the floor ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [points(), clouds()], ids=["points", "clouds"])
@pytest.mark.parametrize("loss", [*SMOOTH, "hinge"])
def test_right_laws_agree(loss, data):
    for lr in (0.1, 0.02):
        network, run = trained(data, loss, lr)
        found = compare(predict(network, data, loss=loss, law="modified_flow", lr=lr), run)
        assert found.verdict != Verdict.DISAGREES
        if loss != "hinge":
            assert found.verdict == Verdict.AGREES


@pytest.mark.parametrize("loss", SMOOTH)
def test_the_floor_is_an_order_smaller(loss):
    """Flow: c1 lr. Modified flow: c2 lr^2; halving lr divides the one by 2, the other by 4."""
    floors = {"closed_form": [], "modified_flow": []}
    data = points()
    for lr in (0.04, 0.02, 0.01):
        network, run = trained(data, loss, lr)
        for law, sizes in floors.items():
            theory = predict(network, data, loss=loss, law=law, lr=lr if law == "modified_flow" else None)
            sizes.append(compare(theory, run).floor["logit"]["all"])
    first, second = (np.array(sizes[:-1]) / np.array(sizes[1:]) for sizes in floors.values())
    assert np.all(np.abs(first / 2.0 - 1.0) <= 0.1) and np.all(np.abs(second / 4.0 - 1.0) <= 0.1)
    assert floors["modified_flow"][-1] < 0.1 * floors["closed_form"][-1]


@pytest.mark.parametrize("data", [points(), clouds()], ids=["points", "clouds"])
@pytest.mark.parametrize("wrong", ["flow", "other lr", "factor"])
def test_wrong_second_order_terms_disagree(wrong, data, monkeypatch):
    """Taken for second order: the plain flow, the term of another lr, and a term that is 2 % too large."""
    lr = 0.05
    network, run = trained(data, "cross_entropy", lr)
    used = {"flow": 0.0, "other lr": 0.055, "factor": 1.02 * lr}[wrong]
    for module, name in ((one_input, "second_order"), (order_parameters, "propagator")):
        monkeypatch.setattr(module, name, _with_lr(getattr(module, name), used))
    assert compare(predict(network, data, law="modified_flow", lr=lr), run).verdict == Verdict.DISAGREES


def _with_lr(function, lr):
    place = 4 if function.__name__ == "second_order" else 5

    def changed(*args, **kwargs):
        return function(*args[:place], lr, *args[place + 1 :], **kwargs)

    return changed


def test_a_run_of_another_lr_disagrees():
    data = points()
    network, run = trained(data, "cross_entropy", 0.05)
    found = compare(predict(network, data, law="modified_flow", lr=0.06), run)
    assert found.verdict == Verdict.DISAGREES
    assert found.reason == "the theory is that of lr = 0.06, the run was trained with lr = 0.05"


def test_a_table_of_it_has_the_same_floor():
    data = points()
    network, run = trained(data, "cross_entropy", 0.05)
    theory = predict(network, data, law="modified_flow", lr=0.05)
    table, direct = compare(theory.at(run.time), run), compare(theory, run)
    assert table.verdict == direct.verdict == Verdict.AGREES
    assert table.parts["step size"] == direct.parts["step size"]


def test_records_at_every_step_are_as_good():
    """Between the steps of the integration records are interpolated: the floor is that of fewer records."""
    data = points()
    network = init.class_aligned(data, 8, initial=0.05, imbalance=0.3, rng=1)
    theory = predict(network, data, law="modified_flow", lr=0.05)
    parts = []
    for record in ("all", np.arange(0, 121, 8)):
        found = compare(theory, train(network, data, lr=0.05, steps=120, record=record))
        assert found.verdict == Verdict.AGREES
        parts.append([found.parts[name][0] for name in ("step size", "step size, remainder")])
    # The largest of more records may be larger, but by little: the curves are smooth.
    assert parts[1][0] <= parts[0][0] <= 1.05 * parts[1][0]
    assert parts[1][1] <= parts[0][1] <= 1.2 * parts[1][1]
