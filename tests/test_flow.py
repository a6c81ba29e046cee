"""The gradient flow: against closed laws, descent of small lr, itself backwards, and its own invariants."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynsim
from dynsim import data as points
from dynsim import init
from dynsim.dataset import Dataset
from dynsim.empirical import events, path, sliding
from dynsim.empirical.flow import FlowError, flow
from dynsim.empirical.held import HeldGates
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory import order_parameters
from dynsim.trajectory import Status

LOSSES = ("cross_entropy", "hinge", "exponential", "squared")


def generic(seed):
    """16 units of scale 0.3 on 8 random points in 10 dimensions: gates switch and slide."""
    rng = np.random.default_rng(seed)
    data = Dataset(rng.normal(size=(8, 10)), [1, -1] * 4)
    return Network((0.3 * rng.normal(size=(16, 10)), 0.3 * rng.normal(size=16))), data


def structured(seed=0, points_a_class=4, dimension=10, hidden=16, initial=1e-3):
    data = points.gaussian_classes(points_a_class, dimension=dimension, rng=seed)
    return init.class_aligned(data, hidden, initial=initial, rng=seed), data


def small(depth, diagonal, biased, classes, seed, size=6):
    """An ensemble of small networks, and points, for gradient descent of small lr."""
    rng = np.random.default_rng(seed)
    labels = np.resize([1.0, -1.0], 6) if classes is None else np.resize(np.arange(classes), 6)
    data = Dataset(rng.normal(size=(6, 3)), labels, rng.uniform(0.05, 0.3, 6))
    weights, width = [], 3
    for layer in range(depth - 1):
        own = (width,) if diagonal and layer else (4, width)
        weights.append(0.7 * rng.normal(size=(size, *own)) / (1 if len(own) == 1 else np.sqrt(width)))
        width = 4
    outputs = () if classes is None else (classes,)
    weights.append(0.7 * rng.normal(size=(size, *outputs, width)))
    shifts = [0.3 * rng.normal(size=(size, 4)) for _ in range(depth - 1)]
    shifts.append(0.3 * rng.normal(size=(size, *outputs)))
    return Network(weights, shifts if biased else None, classes if depth == 1 else None), data


def descent(network, data, loss, lr, time):
    """The logits after gradient descent to a time."""
    return train(network, data, loss=loss, lr=lr, steps=round(time / lr), record=2).logits[-1]


# ---- class-structured data: a closed law -------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_class_structured_data_follow_the_order_parameters(loss):
    """1e-8: a step commits rtol = 1e-10, and what is left of it at the end of a plateau is larger by the growth of
    the margins, a factor of 100 here. The squared loss until margins above 1 pull backwards."""
    network, data = structured(initial=1e-2)
    times = np.append(0.0, np.geomspace(0.01, 15.0 if loss == "squared" else 1e4, 60))
    run = flow(network, data, loss=loss, times=times)
    for label in (1, -1):
        own, units = data.mask(label), np.sign(network.Z) == label
        state = order_parameters.of_units(network.W[units], network.Z[units])
        subset = data.X[own], data.y[own], data.weights[own]
        law = order_parameters.flow(state, *subset, times=times, loss=loss)
        np.testing.assert_allclose(run.logits[:, own], law, atol=1e-8, rtol=1e-9)
    assert run.meta["events"] == (8 if loss == "hinge" else 0) and run.meta["sliding"] == 0


def test_the_prediction_of_the_package_is_that_flow():
    network, data = structured(seed=1, hidden=6, dimension=3)
    times = np.linspace(0.0, 50.0, 20)
    law = dynsim.predict(network, data, law="order_parameters").at(times)
    np.testing.assert_allclose(flow(network, data, times=times).logits, law.logits, atol=1e-8)
    wrong = dynsim.predict(network, data, loss="exponential", law="order_parameters").at(times)
    assert np.abs(flow(network, data, times=times).logits - wrong.logits).max() > 0.1


def test_two_antipodal_inputs_end_at_margin_one():
    """The hinge loss of one point a class stops at m = 1 exactly; a solver that does not stop there oversteps."""
    data = points.point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    network = init.class_aligned(data, 6, initial=0.05, rng=0)
    run = flow(network, data, loss="hinge", times=[0.0, 1e3, 1e4])
    np.testing.assert_allclose(data.y * run.logits[1:], 1.0, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(run.logits[1], run.logits[2])

    def naive(_, state):
        W, Z = state[:6, None], state[6:]
        active = data.X @ W.T > 0
        c = data.weights * data.y * (data.y * ((data.X @ W.T * active) @ Z) < 1)
        return np.concatenate([Z * ((active * c[:, None]).T @ data.X)[:, 0], (data.X @ W.T * active).T @ c])

    end = solve_ivp(naive, (0, 1e3), np.concatenate([network.W[:, 0], network.Z])).y[:, -1]
    margins = data.y * (np.maximum(data.X @ end[None, :6], 0) @ end[6:])
    assert np.abs(margins - 1).max() > 1e-3


def test_a_point_that_dropped_may_be_carried_on():
    """Several points a class: each drops at its own time, at margin 1, and the others carry it further."""
    network, data = structured(seed=2)
    run = flow(network, data, loss="hinge", times=np.linspace(0, 300, 4000))
    margins = data.y * run.logits
    assert margins[-1].min() == pytest.approx(1.0, abs=1e-12) and margins[-1].max() > 1.001
    assert np.all(np.diff(margins, axis=0) > -1e-12)


def test_classes_at_right_angles_rest_on_their_kinks():
    """Points orthogonal to those of the other class: all gates of the other class are exactly on their kinks, up to
    rounding, and nothing may come of it."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    X = np.vstack([rng.uniform(0.5, 1, (3, 3)) @ basis[:3], rng.uniform(0.5, 1, (3, 3)) @ basis[3:]])
    data = Dataset(X, [1, 1, 1, -1, -1, -1])
    W = np.vstack([rng.uniform(0.1, 0.2, (2, 3)) @ basis[:3], rng.uniform(0.1, 0.2, (2, 3)) @ basis[3:]])
    network = Network((W, [0.1, 0.2, -0.1, -0.2]))
    times = np.geomspace(0.1, 1e4, 10)
    run = flow(network, data, times=times)
    state = order_parameters.of_units(W[:2], network.Z[:2])
    law = order_parameters.flow(state, X[:3], data.y[:3], data.weights[:3], times=times)
    np.testing.assert_allclose(run.logits[:, :3], law, atol=1e-8, rtol=1e-9)


# ---- generic data: gradient descent as lr -> 0 --------------------------------------------------------------


def test_descent_converges_to_the_flow_at_order_one():
    """log |error| on log lr for 20 networks in which gates slide. The slopes of single networks scatter by 0.05
    (chattering), their mean by 0.011: 0.05 is four times that."""
    steps, time = np.array([100, 200, 400, 800, 1600]), 4.0
    slopes, slid = [], []
    for seed in range(20):
        network, data = generic(seed)
        run = flow(network, data, times=[time])
        slid.append(run.meta["sliding"])
        ends = [train(network, data, lr=time / k, steps=k, record=2).logits[-1] for k in steps.tolist()]
        errors = np.linalg.norm(np.array(ends) - run.logits[-1], axis=1)
        slopes.append(np.polyfit(np.log(time / steps), np.log(errors), 1)[0])
    assert min(slid) >= 1 and sum(slid) > 60
    assert abs(np.mean(slopes) - 1.0) < 0.05 and min(slopes) > 0.7


FORMS = [
    (2, False, True, None, "cross_entropy"),
    (2, False, False, None, "squared"),
    (2, False, False, None, "exponential"),
    (2, False, True, 3, "cross_entropy"),
    (2, False, False, None, "hinge"),
    (2, False, True, None, "hinge"),
    (1, False, True, None, "hinge"),
    (1, False, True, 3, "cross_entropy"),
    (3, False, False, None, "cross_entropy"),
    (3, False, True, 3, "cross_entropy"),
    (3, False, True, None, "hinge"),
    (3, True, True, None, "squared"),
    (4, True, False, None, "cross_entropy"),
    (4, False, True, None, "hinge"),
]


@pytest.mark.parametrize(("depth", "diagonal", "biased", "classes", "loss"), FORMS)
def test_every_form_is_what_descent_converges_to(depth, diagonal, biased, classes, loss):
    """Together the networks of a form switch gates, and slide where the form has kinks.

    The error of a kinked run of descent is of order lr, with a factor that jumps with the phase of its chattering:
    the mean over six networks and all points falls by about 8 when lr does, and by no less than 4.
    """
    network, data = small(depth, diagonal, biased, classes, seed=depth)
    run = flow(network, data, loss=loss, times=[4.0])
    coarse, fine = (np.abs(descent(network, data, loss, lr, 4.0) - run.logits[-1]) for lr in (8e-3, 1e-3))
    assert fine.mean() < coarse.mean() / 4
    assert fine.max() < 0.03
    if depth > 1 or loss == "hinge":
        assert run.meta["sliding"] >= 1 and run.meta["events"] >= 5


# ---- units that die, are reborn, or stay on the kink of many points -----------------------------------------


def check_descent_agrees(network, data, loss, time, lr=1e-3):
    """Descent at lr and lr / 8: the error falls by 4 at least, or is rounding."""
    run = flow(network, data, loss=loss, times=[time])
    coarse, fine = (np.abs(descent(network, data, loss, eta, time) - run.logits[-1]).max() for eta in (lr, lr / 8))
    assert fine < max(coarse / 4, 1e-9), (coarse, fine)
    return run


def test_a_unit_that_dies_for_one_class_is_reborn_for_the_other():
    """x = 1 of class +1 and x = -1 of class -1; a unit with y > 0 and z < -y crosses w = 0 with speed."""
    data = Dataset([[1.0], [-1.0]], [1, -1], [0.6, 0.4])
    network = Network(([[0.2]], [-0.5]))
    run = check_descent_agrees(network, data, "cross_entropy", 4.0)
    assert network.W[0, 0] > 0 > run.network.W[0, 0] and run.network.Z[0] < 0
    assert run.meta["events"] == 1 and run.meta["ambiguous"] == 0
    # w^2 - z^2 is conserved through the kink.
    assert run.network.W[0, 0] ** 2 - run.network.Z[0] ** 2 == pytest.approx(0.04 - 0.25, abs=1e-9)


@pytest.mark.parametrize("inner", [[0.6], [[0.6]]])
def test_a_rebirth_opens_the_gates_above(inner):
    """The same with a layer above, diagonal or full, whose gate on x = -1 opens when the unit below it does."""
    data = Dataset([[1.0], [-1.0]], [1, -1], [0.6, 0.4])
    network = Network(([[0.2]], inner, [-0.5]))
    run = check_descent_agrees(network, data, "cross_entropy", 6.0)
    assert run.network.W[0, 0] < 0 and run.logits[0, 1] < -0.05


def test_a_unit_that_is_pushed_to_zero_from_both_sides_stays_there():
    data = Dataset([[1.0], [-1.0], [2.0]], [1, 1, -1], [0.6, 0.5, 0.05])
    network = Network(([[0.2]], [-0.5]))
    run = check_descent_agrees(network, data, "cross_entropy", 4.0)
    assert abs(run.network.W[0, 0]) < 1e-15 and run.meta["sliding"] == 3
    assert run.network.Z[0] ** 2 == pytest.approx(0.25 - 0.04, abs=1e-9)


@pytest.mark.parametrize("labels", [[1, -1, 1, 1, -1, 1], [1, -1, 1, -1, 1, -1], [1, 1, -1, -1, -1, 1]])
@pytest.mark.parametrize("factor", [1.0, -1.0, 0.5])
def test_repeated_antipodal_and_collinear_points(labels, factor):
    """Points 3, 4, 5 are multiples of points 0, 1, 2; with the same labels, the opposite ones, and a mixture."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3, 2))
    data = Dataset(np.vstack([X, factor * X]), labels, [0.2, 0.1, 0.15, 0.1, 0.2, 0.25])
    network = Network((0.3 * rng.normal(size=(12, 4, 2)), 0.8 * rng.normal(size=(12, 4))))
    run = flow(network, data, times=[6.0])
    assert run.meta["events"] >= 3 and run.meta["ambiguous"] == 0
    ends = (descent(network, data, "cross_entropy", lr, 6.0) for lr in (8e-3, 1e-3))
    coarse, fine = (np.abs(end - run.logits[-1]) for end in ends)
    assert fine.mean() < coarse.mean() / 4 and fine.max() < 0.01


def test_what_is_on_its_kink_at_the_start_and_is_not_pushed_stays_there():
    """A network of zeros, and one whose second unit is 0: relu'(0) = 0, as in training."""
    data = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    zeros = Network((np.zeros((2, 2)), np.zeros(2)))
    assert not flow(zeros, data, times=[0.0, 10.0]).logits.any()
    run = flow(Network(([[1.0, 0.5], [0.0, 0.0]], [1.0, -1.0])), data, times=[10.0])
    assert not run.network.W[1].any() and run.network.Z[1] == -1.0


def test_a_start_on_an_attracting_kink_slides_from_the_start():
    data = Dataset([[1.0, 0.0], [-0.5, 1.0], [0.0, -1.0]], [1, 1, -1])
    network = Network(([[0.0, 2.0]], [-0.5]))
    run = check_descent_agrees(network, data, "cross_entropy", 0.5)
    assert abs(run.network.W[0, 0]) < 1e-15 and run.meta["sliding"] == 1


def test_an_output_weight_that_changes_its_sign_while_its_unit_slides():
    """From there on the kink repels: the flow may go on to both sides, takes the inactive one, and says so."""
    data = Dataset([[1.0, 0.0], [-0.5, 1.0], [0.0, -1.0]], [1, 1, -1])
    network = Network(([[0.0, 1.0]], [-0.1]))
    before = flow(network, data, times=[0.2])
    assert before.network.Z[0] < 0 and before.meta["sliding"] == 1 and before.meta["ambiguous"] == 0
    after = flow(network, data, times=[1.0])
    assert after.network.Z[0] > 0 and after.meta["ambiguous"] == 1
    assert after.network.preactivations(data.X)[0, 0] < -1e-3


def test_a_unit_that_comes_to_zero_while_it_slides_could_go_on_in_several_ways():
    """In the plane, on the kink of point 0, down to w = 0, where point 1 would open it: it may also stay."""
    data = Dataset([[1.0, 0.0], [-0.5, 1.0], [0.2, -1.0]], [1, 1, -1], [0.3, 0.5, 0.3])
    run = flow(Network(([[0.0, 0.1]], [-0.8]), ), data, times=[2.0])
    assert run.meta["sliding"] >= 1 and run.meta["ambiguous"] == 1


# ---- while it slides ----------------------------------------------------------------------------------------


def watched(monkeypatch):
    """The largest pre-activation of a sliding kink at the ends of all steps, and the lengths of the steps."""
    seen, look = [0.0], events.look

    def spy(field, state):
        found = look(field, state)
        seen.append(float(np.abs(field.a[field.members.kinks]).max(initial=0.0)))
        return found

    monkeypatch.setattr(events, "look", spy)
    return seen


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
@pytest.mark.parametrize("depth", [2, 3])
def test_sliding_preactivations_stay_zero(monkeypatch, depth, loss):
    """Below 1e-9 at the end of every step, before they are put back on their kinks."""
    seen, slid = watched(monkeypatch), 0
    network, data = small(depth, False, True, None, seed=1)
    for T in (1.0, 10.0):
        slid += flow(network, data, loss=loss, times=[T]).meta["sliding"]
    assert slid >= 4 and 0.0 < max(seen) < 1e-9


@pytest.mark.parametrize("depth", [2, 3])
def test_states_are_put_back_on_kinks_that_move(monkeypatch, depth):
    """Hinges and kinks of upper layers: to rounding after every step, in every record and in the last network."""
    seen, advance = [0.0], path.Path._advance

    def spy(self, solver, event):
        done = self.done
        advance(self, solver, event)
        if not self.field.straight:
            for state in [*self.states[done : self.done], *([self.state] if event is None else [])]:
                self.field.forward(state)
                seen.append(float(np.abs(self.field.a[self.field.members.kinks]).max(initial=0.0)))

    monkeypatch.setattr(path.Path, "_advance", spy)
    network, data = small(depth, False, True, None, seed=1)
    # Loose tolerances: a single step errs by much more than rounding.
    flow(network, data, loss="hinge", times=np.linspace(0.0, 10.0, 50), rtol=1e-6, atol=1e-8)
    assert len(seen) > 100 and max(seen) < 1e-13


def test_support_vectors_stay_at_margin_one():
    """Generic data, hinge: points slide along m = 1 with part of their pull."""
    held = 0
    for seed in range(4):
        network, data = generic(seed)
        run = flow(network, data, loss="hinge", times=np.linspace(0, 40, 200))
        margins = data.y * run.logits
        still = (np.abs(margins[1:] - 1) < 1e-12) & (np.abs(margins[:-1] - 1) < 1e-12)
        held += int(still.sum())
        assert margins[-1].min() > 1 - 1e-12
    assert held > 100


def test_the_invariants_are_conserved_across_and_along_kinks():
    """|incoming|^2 - |outgoing|^2 of every unit; from rtol 1e-10 and some hundred steps 1e-8 at the worst."""
    for seed in range(2):
        network, data = generic(seed)
        for loss in LOSSES:
            run = flow(network, data, loss=loss, times=[20.0])
            before, after = ((n.W**2).sum(1) - n.Z**2 for n in (network, run.network))
            largest = np.max((run.network.W**2).sum(1) + run.network.Z**2)
            assert np.abs(after - before).max() / largest <= run.meta["drift"] + 1e-15
            assert run.meta["drift"] < 1e-8
            assert run.meta["sliding"] >= 1 or loss == "squared"


# ---- the integration ---------------------------------------------------------------------------------------


def test_there_and_back():
    """The negated field leads from the end of a smooth stretch to its start; both ways errors grow less than 20."""
    network, data = structured(initial=0.1)
    run = flow(network, data, times=[3.0])
    field = HeldGates(network, data, "cross_entropy")
    gates = (network.preactivations(data.X) > 0).astype(float).ravel()
    np.testing.assert_array_equal(gates, (run.network.preactivations(data.X) > 0).ravel())
    field.hold(gates, np.zeros(0, dtype=int))
    end = field.pack(run.network)
    back = solve_ivp(lambda t, y: -field(t, y), (0, 3.0), end, method="DOP853", rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(back.y[:, -1], field.pack(network), atol=2e-9)
    assert np.abs(end - field.pack(network)).max() > 0.1


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_restart(loss):
    """To t1 and on from there is the same as to t2 at once, also where t1 lies in the middle of sliding."""
    slid = 0
    for seed in range(3):
        network, data = generic(seed)
        whole = flow(network, data, loss=loss, times=[3.0, 8.0])
        first = flow(network, data, loss=loss, times=[3.0])
        second = flow(first.network, data, loss=loss, times=[5.0])
        slid += second.meta["sliding"]
        np.testing.assert_array_equal(first.logits[0], first.network.logits(data.X))
        np.testing.assert_allclose(first.logits[0], whole.logits[0], atol=1e-8)
        np.testing.assert_allclose(second.logits[0], whole.logits[1], atol=1e-7)
    assert slid >= 4


def test_evaluations_are_counted_and_few(monkeypatch):
    """W5 and W6 of the specification: 1e4 units of time, 100 records. Seen: 1004 and 2675."""
    times = np.append(0.0, np.geomspace(1e-2, 1e4, 99))
    counted, call = [0], HeldGates.__call__

    def count(self, time, state):
        counted[0] += 1
        return call(self, time, state)

    monkeypatch.setattr(HeldGates, "__call__", count)
    network, data = structured()
    run = flow(network, data, times=times)
    assert run.meta["evaluations"] == counted[0] < 1200
    rng = np.random.default_rng(0)
    data = Dataset(rng.normal(size=(8, 10)), [1, -1] * 4)
    run = flow(init.gaussian(data, 16, scale=0.3, rng=1), data, times=times)
    assert run.meta["evaluations"] < 3500 and run.meta["sliding"] >= 5


def test_a_flow_that_has_ended_costs_nothing():
    """Hinge: once all points have dropped, the rest is constant, however long."""
    network, data = structured()
    runs = [flow(network, data, loss="hinge", times=[0.0, T]) for T in (1e4, 1e9)]
    assert runs[0].meta["evaluations"] == runs[1].meta["evaluations"]
    for seed in range(3):
        network, data = generic(seed)
        runs = [flow(network, data, loss="hinge", times=[0.0, T]) for T in (1e3, 1e9)]
        assert runs[1].meta["evaluations"] < 1.1 * runs[0].meta["evaluations"] < 20_000
        np.testing.assert_allclose(runs[1].logits, runs[0].logits, atol=1e-9)


def test_the_squared_loss_ends_where_nothing_is_missing():
    """All logits at their labels to 10 (rtol + atol): the rest is constant, and no gate follows the noise."""
    network, data = generic(0)
    runs = [flow(network, data, loss="squared", times=[0.0, T]) for T in (1e3, 1e9)]
    assert runs[0].meta["evaluations"] == runs[1].meta["evaluations"] < 4000 and runs[0].meta["events"] < 50
    for run in runs:
        assert 0.0 < np.abs(run.logits[-1] - data.y).max() <= 1.01e-9


def test_errors_scale_with_the_tolerance():
    """Against rtol 1e-13: right to less than 10 rtol each, and in the mean as different as the tolerances are."""
    tolerances, errors = np.array([1e-6, 1e-8, 1e-10]), []
    for seed in range(3):
        network, data = generic(seed)
        best = flow(network, data, times=[2.0, 8.0], rtol=1e-13, atol=1e-15)
        assert best.meta["sliding"] >= 1
        runs = [flow(network, data, times=[2.0, 8.0], rtol=rtol, atol=rtol / 100) for rtol in tolerances]
        errors.append([np.abs(run.logits - best.logits).max() for run in runs])
        assert np.all(errors[-1] < 10 * tolerances)
    mean = np.mean(errors, axis=0)
    assert mean[0] > 10 * mean[1] > 50 * mean[2]


def test_kinks_touched_inside_a_long_step_are_seen():
    """With loose tolerances steps are long; the events must be those of tight ones."""
    for seed in range(8):
        network, data = generic(seed)
        counts = [flow(network, data, times=[10.0], rtol=rtol).meta["events"] for rtol in (1e-5, 1e-10)]
        assert counts[0] == counts[1]


class Stub:
    """A field with one kink whose only parameter is the time: its pre-activation, or gate, is a given function."""

    def __init__(self, function, slides):
        self.function, self.slides = function, slides
        self.kinks, self.sliding, self.sign = 1, np.arange(int(slides)), np.ones(1) * (not slides)

    def forward(self, state):
        self.a = np.array([0.0 if self.slides else self.function(state[0])])

    def respond(self, state):
        self.forward(state)
        self.now = self.function(state[0])

    def fractions(self):
        return np.array([self.now - 1e-10][: int(self.slides)]), np.array([-1.0][: int(self.slides)])

    def look(self, t):
        slope = (self.function(t + 1e-6) - self.function(t - 1e-6)) / 2e-6
        return events.Look(np.array([self.function(t)]), np.array([slope]), 1.0, 1.0, np.inf)


@pytest.mark.parametrize("slides", [False, True])
@pytest.mark.parametrize(
    ("function", "first"),
    [
        (lambda t: (t - 0.43) * (t - 0.45), 0.43),  # back within a fiftieth of the step
        (lambda t: (t - 0.05) * (t - 0.07), 0.05),  # to be seen from the start only
        (lambda t: (t - 0.93) * (t - 0.95), 0.93),  # and from the end only
        (lambda t: 0.5 - t, 0.5),
        (lambda t: (t - 0.5) ** 2 + 1e-3, None),
        (lambda t: 0.9 * t, None),
    ],
)
def test_the_first_zero_in_a_step(function, first, slides):
    """Of a pre-activation, and of the gate of a sliding kink."""
    field = Stub(function, slides)
    looks, dense = (field.look(0.0), field.look(1.0)), lambda: lambda t: np.array([t])
    found = events.first(field, dense, (0.0, 1.0), looks, np.zeros(1))
    if first is None:
        assert found is None
    else:
        assert found.time == pytest.approx(first, abs=1e-14) and function(found.time) < 0
        assert found.which.tolist() == [1 if slides else 0]


# ---- what comes out ----------------------------------------------------------------------------------------


def test_what_a_run_carries():
    network, data = generic(0)
    run = flow(network, data, loss="exponential", times=[0.0, 0.5, 2.0], rtol=1e-9, atol=1e-11)
    assert (run.status, run.message, run.step, run.lr) == (Status.FINISHED, "", None, None)
    assert run.start is network and run.data is data and run.loss_name == "exponential"
    np.testing.assert_array_equal(run.time, [0.0, 0.5, 2.0])
    np.testing.assert_array_equal(run.weights, data.weights)
    assert set(run.meta) == {"optimizer", "rtol", "atol", "events", "evaluations", "sliding", "ambiguous", "drift"}
    assert (run.meta["optimizer"], run.meta["rtol"], run.meta["atol"]) == ("flow", 1e-9, 1e-11)


def test_time_zero_is_the_start_to_the_bit():
    for form in ((2, False, False, None), (3, True, True, None), (1, False, True, 3)):
        network, data = small(*form, seed=0)
        run = flow(network, data, times=[0.0, 1.0])
        np.testing.assert_array_equal(run.logits[0], network.logits(data.X))
        np.testing.assert_array_equal(run.logits[-1], run.network.logits(data.X))
        only = flow(network, data, times=[0.0])
        for a, b in zip(only.network.parameters, network.parameters, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_ensemble_is_a_loop_bit_for_bit():
    network, data = small(2, False, True, None, seed=3)
    grid = network.with_parameters([p.reshape(2, 3, *p.shape[1:]) for p in network.parameters])
    run = flow(grid, data, times=[0.0, 1.0, 3.0])
    assert run.logits.shape == (3, 2, 3, 6)
    alone = [flow(network[i], data, times=[0.0, 1.0, 3.0]) for i in range(6)]
    for k, (i, j) in enumerate(itertools.product(range(2), range(3))):
        np.testing.assert_array_equal(run.logits[:, i, j], alone[k].logits)
        for a, b in zip(run.network[i, j].parameters, alone[k].network.parameters, strict=True):
            np.testing.assert_array_equal(a, b)
    for fact in ("events", "evaluations"):
        assert run.meta[fact] == sum(r.meta[fact] for r in alone)
    for fact in ("sliding", "drift"):
        assert run.meta[fact] == max(r.meta[fact] for r in alone)


def test_times_that_start_late_change_nothing():
    network, data = generic(1)
    late = flow(network, data, times=[4.0])
    np.testing.assert_array_equal(late.logits[-1], flow(network, data, times=[0.0, 4.0]).logits[-1])
    longer = flow(network, data, times=[1.0, 2.0, 4.0, 9.0])
    np.testing.assert_allclose(late.logits[-1], longer.logits[2], atol=1e-8)


def test_progress(capsys):
    network, data = structured()
    flow(network, data, times=[0.0, 1.0], progress=True)
    assert "2/2" in capsys.readouterr().err
    flow(network, data, times=[0.0, 1.0])
    assert capsys.readouterr().err == ""


# ---- what stops it -----------------------------------------------------------------------------------------


def interrupted_after(monkeypatch, count):
    call = HeldGates.__call__

    def stop(self, time, state):
        if self.evaluations >= count:
            raise KeyboardInterrupt
        return call(self, time, state)

    monkeypatch.setattr(HeldGates, "__call__", stop)


def test_an_interrupt_keeps_what_was_recorded(monkeypatch):
    network, data = structured()
    times = np.linspace(0, 100, 101)
    whole = flow(network, data, times=times)
    interrupted_after(monkeypatch, 200)
    run = flow(network, data, times=times)
    assert run.status == Status.INTERRUPTED and run.network is None
    assert 1 < len(run.time) < 101
    np.testing.assert_array_equal(run.logits, whole.logits[: len(run.time)])
    assert run.message.startswith("interrupted at t = ") and run.message.endswith("what was recorded is kept")


def test_an_interrupted_ensemble_has_nan_where_nothing_was(monkeypatch):
    network, data = small(2, False, False, None, seed=3)
    interrupted_after(monkeypatch, 100)
    run = flow(network, data, times=[0.0, 50.0])
    assert run.status == Status.INTERRUPTED
    assert np.isnan(run.logits).any() and np.isfinite(run.logits).any()


def test_a_cascade_of_events_is_an_error_with_what_was_computed(monkeypatch):
    """The limit lowered so far that a second event is one too many."""
    network, data = generic(0)
    monkeypatch.setattr(path, "_PATIENCE", 0)
    with pytest.raises(FlowError) as caught:
        flow(network, data, times=np.linspace(0, 10, 1000))
    error, run = caught.value, caught.value.trajectory
    assert isinstance(error, RuntimeError)
    assert str(error) == (
        f"the flow stopped at t = {error.time:.10g} of 10: 1 events without progress, a cascade that does not end; "
        "try a start that is moved a little, or train with a small lr"
    )
    assert run.status == Status.INTERRUPTED and run.message == str(error) and run.network is None
    assert len(run.time) > 1 and run.time[-1] <= error.time < run.time[-1] + 0.011


def test_events_with_progress_are_no_cascade(monkeypatch):
    monkeypatch.setattr(path, "_PATIENCE", 1)
    network, data = generic(0)
    assert flow(network, data, times=[10.0]).meta["events"] > 5


def test_gates_without_a_consistent_choice_are_an_error(monkeypatch):
    def never(*_):
        raise sliding.UnsettledError("no choice of the gates at 3 simultaneous kinks is consistent")

    network, data = generic(0)
    flow_start = flow(network, data, times=[0.0]).logits[0]
    monkeypatch.setattr(sliding, "settle", never)
    message = r"t = 0 of 1: no choice of the gates at 3 .* is consistent; try a start"
    with pytest.raises(FlowError, match=message) as caught:
        flow(network, data, times=[0.0, 1.0])
    np.testing.assert_array_equal(caught.value.trajectory.logits, [flow_start])


def test_an_overflow_is_an_error():
    data = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    network = Network(([[30.0, 0.0], [0.0, 30.0]], [-30.0, 30.0]))
    with pytest.raises(FlowError, match="not finite; try a smaller initial scale, or a loss with") as caught:
        flow(network, data, loss="exponential", times=[0.0, 1.0])
    assert caught.value.trajectory.status == Status.DIVERGED and caught.value.time == 0.0


def test_a_pull_of_e_to_the_200_is_followed():
    data = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    network = Network(([[14.0, 0.0], [0.0, 14.0]], [-14.0, 14.0]))
    run = flow(network, data, loss="exponential", times=[0.0, 1e-80, 1.0])
    # dm/dt = q (w^2 + z^2) e^-m, that is e^m = e^-196 + 196 t as long as the weights are about 14.
    assert run.margin[0].max() == -196 and run.margin[2].min() > -1
    np.testing.assert_allclose(run.margin[1], np.log(196e-80), atol=0.1)


def test_a_step_size_of_zero_is_an_error(monkeypatch):
    class Stuck(path.DOP853):
        def step(self):
            return self.TOO_SMALL_STEP

    network, data = generic(0)
    monkeypatch.setattr(path, "DOP853", Stuck)
    with pytest.raises(FlowError, match=r"t = 0 of 1: the step size went to 0 \(Required .*\); try a sm") as caught:
        flow(network, data, times=[0.0, 1.0])
    assert caught.value.trajectory.status == Status.DIVERGED


def test_drift_is_an_error(monkeypatch):
    network, data = generic(0)
    monkeypatch.setattr(path, "_DRIFT", 1e-9)
    with pytest.raises(FlowError, match=r"which the flow conserves, drifted by .*; try lower tolerances"):
        flow(network, data, times=[10.0])


# ---- bad arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "logistic"}, "loss must be one of 'cross_entropy', 'hinge', .*, got 'logistic'"),
        ({"times": [0.0, np.nan]}, "times must be at least 0 and finite, got"),
        ({"times": [0.0, np.inf]}, "times must be at least 0 and finite, got"),
        ({"times": [0.0, 2.0, 1.0]}, "times must increase, got 2 followed by 1 at 2"),
        ({"times": [1.0, 1.0]}, "times must increase, got 1 followed by 1 at 1"),
        ({"times": [-1.0, 1.0]}, "times must be at least 0 and finite, got -1 at 0"),
        ({"times": []}, r"times must be one-dimensional and not empty, got shape \(0,\)"),
        ({"times": 1.0}, r"times must be one-dimensional and not empty, got shape \(\)"),
        ({"rtol": 0.0}, "rtol must be positive and finite, got 0"),
        ({"rtol": 1e-15}, "rtol must be at least 2.22e-14, the solver's rounding, got 1e-15"),
        ({"atol": -1.0}, "atol must be positive and finite, got -1"),
        ({"atol": np.nan}, "atol must be positive and finite, got nan"),
        ({"batch_size": 4}, "batch_size must be None for the flow, which has no batches, got 4$"),
    ],
)
def test_bad_arguments(arguments, message):
    network, data = generic(0)
    with pytest.raises(ValueError, match=message):
        flow(network, data, **({"times": [1.0]} | arguments))


def test_data_that_do_not_fit():
    network, _ = generic(0)
    with pytest.raises(ValueError, match="X must have 10 columns, the network's number of inputs, got 3"):
        flow(network, small(2, False, False, None, 0)[1], times=[1.0])
    softmax, classes = small(2, False, False, 3, 0)
    with pytest.raises(ValueError, match="loss must be 'cross_entropy' for a softmax readout, got 'hinge'"):
        flow(softmax, classes, loss="hinge", times=[1.0])
    with pytest.raises(ValueError, match="labels"):
        flow(small(2, False, False, None, 0)[0], classes, times=[1.0])
    with pytest.raises(ValueError, match=r"data must have class ids 0 \.\.\. 2, as the network has, got labels"):
        flow(softmax, small(2, False, False, None, 0)[1], times=[1.0])


@pytest.mark.parametrize("initial", [1e-28, 1e-24, 1e-18])
def test_a_start_that_atol_does_not_resolve_is_refused(initial):
    """It could not be told from units that sit on their kinks; with a small enough atol it is followed."""
    data = points.point_classes(norms=(1, 2), frequencies=(0.5, 0.5))
    network = init.class_aligned(data, 4, initial=initial, rng=0)
    with pytest.raises(ValueError, match=r"atol must be at most .*e-\d+, 0\.0001 of the largest .* got 1e-12$"):
        flow(network, data, times=[0.0, 1.0])
    times = [0.0, 1.0, 300.0]
    run = flow(network, data, times=times, atol=1e-6 * np.sqrt(initial))
    theory = dynsim.predict(network, data).at(times).logits
    # rtol 1e-10 of every step, on a plateau that is long and multiplies nothing relative: 100 steps.
    np.testing.assert_allclose(run.logits, theory, rtol=1e-6, atol=0)
