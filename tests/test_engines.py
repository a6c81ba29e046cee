"""The ways in which training is computed: the same network alone, in any ensemble, in any number of processes."""

import os
import signal
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import init
from dynsim.data import point_classes
from dynsim.dataset import Dataset
from dynsim.empirical import in_place, large, lockstep, lone, processes, together, training
from dynsim.empirical.flow import flow
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.trajectory import Outcome, Status

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")


def points(n, d, classes=None, seed=0):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2, 1, -1) if classes is None else np.arange(n) % classes
    return Dataset(rng.normal(size=(n, d)), y, weights=rng.uniform(0.5, 1.5, n) / n)


def ensemble(members, h, d, seed=0, scale=0.4):
    rng = np.random.default_rng(seed)
    return Network((scale * rng.normal(size=(members, h, d)), scale * rng.normal(size=(members, h))))


def with_biases(members, d, classes, seed=0):
    """Depth 3, biases, one logit or a softmax."""
    rng = np.random.default_rng(seed)
    tail = () if classes is None else (classes,)
    shapes = [(5, d), (4, 5), (*tail, 4), (5,), (4,), tail]
    made = [0.5 * rng.normal(size=(members, *shape)) for shape in shapes]
    return Network(made[:3], made[3:])


def assert_same(one, two):
    np.testing.assert_array_equal(one.logits, two.logits)
    for a, b in zip(one.network.parameters, two.network.parameters, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.outcome, two.outcome)
    np.testing.assert_array_equal(one.stopped, two.stopped)


# ---- the same bits ---------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    loss=st.sampled_from(NAMES),
    members=st.integers(1, 70),
    h=st.integers(1, 9),
    d=st.integers(1, 6),
    n=st.integers(2, 9),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_a_member_has_the_same_bits_in_any_ensemble(loss, members, h, d, n, seed, data):
    """Whatever stands beside it, however many, in whatever order, and in whatever chunk."""
    everyone, where = ensemble(members, h, d, seed), points(n, d, seed=seed)
    options = {"loss": loss, "lr": 0.1, "steps": 40, "record": 8}
    whole = train(everyone, where, **options)
    some = data.draw(st.lists(st.integers(0, members - 1), min_size=1, max_size=members, unique=True))
    part = train(everyone[some], where, **options)
    np.testing.assert_array_equal(part.logits, whole.logits[:, some])
    np.testing.assert_array_equal(part.network.W, whole.network.W[some])
    np.testing.assert_array_equal(part.network.Z, whole.network.Z[some])


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_chunks_change_nothing(monkeypatch, loss):
    """Three chunks, their networks dropped one after the other, against one."""
    everyone, where = ensemble(100, 6, 4), points(6, 4)
    options = {"loss": loss, "lr": 0.3, "steps": 300, "record": "all"}
    whole = train(everyone, where, **options)
    monkeypatch.setattr(training, "chunk_size", lambda n, h: 48)
    joined, join = [], together.Together.join
    monkeypatch.setattr(together, "chunk_size", lambda n, h: 48)
    monkeypatch.setattr(together.Together, "join", lambda *both: joined.append(join(*both)) or joined[-1])
    assert_same(train(everyone, where, **options), whole)
    assert any(joined) == (loss == "hinge")  # what is left of several chunks goes on as one
    if loss == "hinge":
        assert np.unique(whole.stopped).size >= 3


CASES = {
    "shallow": (lambda: ensemble(37, 5, 3), None, {}),
    "hinge": (lambda: ensemble(37, 5, 3), None, {"loss": "hinge", "lr": 0.5}),
    "large": (lambda: ensemble(3, 600, 3), None, {}),
    "sgd": (lambda: ensemble(11, 5, 3), None, {"batch_size": 2, "rng": 3}),
    "epochs": (lambda: ensemble(11, 5, 3), None, {"batch_size": 3, "rng": 3, "sampling": "epochs"}),
    "adam": (lambda: with_biases(11, 3, None), None, {"optimizer": "adam"}),
    "softmax": (lambda: with_biases(11, 3, 3), 3, {"optimizer": "momentum"}),
    "lr": (lambda: ensemble(37, 5, 3), None, {"lr": np.linspace(0.01, 0.5, 37)}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("workers", [2, 5])
def test_processes_change_nothing(case, workers):
    build, classes, options = CASES[case]
    options = {"lr": 0.1, "steps": 150, "record": 20} | options
    network, where = build(), points(8, 3, classes)
    assert_same(train(network, where, workers=workers, **options), train(network, where, **options))


@pytest.mark.parametrize("case", CASES)
def test_an_ensemble_of_two_axes_is_the_flat_one(case):
    build, classes, options = CASES[case]
    if "lr" in options and np.ndim(options["lr"]):
        options = options | {"lr": options["lr"][:6].reshape(2, 3)}
    options = {"lr": 0.1, "steps": 60, "record": 20} | options
    network, where = build()[:2] if case == "large" else build()[:6], points(8, 3, classes)
    lead = (2, 1) if case == "large" else (2, 3)
    folded = network.with_parameters([a.reshape(*lead, *a.shape[1:]) for a in network.parameters])
    two = train(folded, where, **options)
    flat = train(network, where, **options | {"lr": np.ravel(options["lr"]) if np.ndim(options["lr"]) else 0.1})
    if case == "hinge":
        flat = train(network, where, **options)
    assert two.ensemble == lead
    np.testing.assert_array_equal(two.logits.reshape(flat.logits.shape), flat.logits)
    np.testing.assert_array_equal(two.network.Z.reshape(flat.network.Z.shape), flat.network.Z)
    assert two.time.shape == ((len(two.step), *lead) if np.ndim(two.lr) else (len(two.step),))


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_networks_of_any_form_have_the_same_bits_alone(optimizer):
    """Where every product is one of BLAS's for each network: alone, in an ensemble, and there among others."""
    where, options = points(7, 3, 3), {"optimizer": optimizer, "lr": 0.05, "steps": 50, "record": "all"}
    everyone = with_biases(5, 3, 3)
    whole = train(everyone, where, **options)
    assert whole.network.biases[-1].shape == (5, 3)
    for i in range(5):
        alone = train(everyone[i], where, **options)
        np.testing.assert_array_equal(alone.logits, whole.logits[:, i])
        np.testing.assert_array_equal(alone.network.W, whole.network.W[i])


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("h", [4, 600, 4200])
def test_alone_and_as_a_member_up_to_rounding(loss, h):
    """A single network with one hidden layer is computed in other products than a member of an ensemble.

    Both commit at most d + h + n + 4 roundings a step in a number made of terms no larger than 1 here; what is left
    after k steps is below k times that, times the growth of an error, which a shifted start measures.
    """
    everyone, where = ensemble(3, h, 3, scale=0.5 / np.sqrt(h)), points(8, 3)
    options = {"loss": loss, "lr": 0.1, "steps": 80, "record": "all"}
    whole, shift = train(everyone, where, **options), 1e-9
    for i in range(3):
        alone = train(everyone[i], where, **options)
        move = np.random.default_rng(i).normal(size=(h, 3))
        near = Network((everyone.W[i] + shift * move / np.linalg.norm(move), everyone.Z[i]))
        growth = np.abs(train(near, where, **options).logits - alone.logits).max() / shift
        bound = 80 * (3 + h + 8 + 4) * EPS * max(1.0, growth)
        np.testing.assert_allclose(alone.logits, whole.logits[:, i], rtol=0, atol=bound)
        if h == 4200:
            np.testing.assert_array_equal(alone.logits, whole.logits[:, i])


@pytest.fixture
def blas_alone(monkeypatch):
    """As if the tests had been started with one BLAS thread, which they are by ./scripts/test."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("blas_alone")
@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize(("lead", "h", "n"), [((), 3001, 11), ((1,), 3000, 11), ((), 1, 33_000)])
def test_two_processes_with_half_of_the_units_change_nothing(loss, lead, h, n):
    assert lockstep.possible()
    network, where = ensemble(1, h, 5, scale=1.5 / h), points(n, 5)
    network = Network(tuple(w.reshape((*lead, *w.shape[1:])) for w in network.weights))
    options = {"loss": loss, "lr": 0.01, "steps": 1200, "record": 30}
    assert_same(train(network, where, workers=2, **options), train(network, where, **options))


@pytest.mark.usefixtures("blas_alone")
@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("among", ["here", "there"])
def test_an_error_or_an_interrupt_with_half_of_the_units(monkeypatch, kind, among):
    """Neither process waits for the other for ever, and none is left behind."""
    network, where = ensemble(1, 3000, 5, scale=0.02)[0], points(11, 5)
    parent, learn = os.getpid(), large.Units.learn

    def broken(self, *arguments):
        if (os.getpid() == parent) == (among == "here"):
            raise kind("planted")
        learn(self, *arguments)

    monkeypatch.setattr(large.Units, "learn", broken)
    if among == "there":
        with pytest.raises(RuntimeError, match=r"the process with half of the units (ended early|failed) \(status"):
            train(network, where, lr=0.01, steps=10, workers=2)
    elif kind is KeyboardInterrupt:
        run = train(network, where, lr=0.01, steps=10, workers=2)
        assert run.status == Status.INTERRUPTED and len(run.step) == 1
    else:
        with pytest.raises(ZeroDivisionError, match="planted"):
            train(network, where, lr=0.01, steps=10, workers=2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("why", ["processor", "threads"])
def test_where_processes_cannot_be_kept_in_step_one_does_it_all(monkeypatch, blas_alone, why):
    network, where = ensemble(1, 3000, 5, scale=0.02)[0], points(11, 5)
    two = train(network, where, lr=0.01, steps=20, workers=2)
    if why == "processor":
        monkeypatch.setattr(lockstep.platform, "machine", lambda: "aarch64")
    else:
        monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(lockstep.os, "fork", None)
    assert_same(train(network, where, lr=0.01, steps=20, workers=2), two)


# ---- lr and weights over the ensemble --------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
def test_lr_over_the_ensemble(loss):
    everyone, where, lr = ensemble(4, 5, 3), points(6, 3), np.array([0.01, 0.1, 0.2, 0.3])
    run = train(everyone, where, loss=loss, lr=lr, steps=50, record=10)
    assert run.time.shape == (len(run.step), 4)
    np.testing.assert_array_equal(run.time, run.step[:, None] * lr)
    for i in range(4):
        one = run.member(i)
        other = train(everyone[i : i + 1], where, loss=loss, lr=float(lr[i]), steps=50, record=10).member(0)
        np.testing.assert_array_equal(one.time, other.time)
        np.testing.assert_array_equal(one.logits, other.logits)
        assert one.lr == lr[i] and one.ensemble == ()


def test_lr_broadcasts():
    where, grid = points(6, 3), ensemble(6, 5, 3)
    folded = grid.with_parameters([a.reshape(2, 3, *a.shape[1:]) for a in grid.parameters])
    run = train(folded, where, lr=[[0.1], [0.2]], steps=5, record="all")
    assert run.time.shape == (6, 2, 3)
    np.testing.assert_array_equal(run.time[:, 1, 2], 0.2 * np.arange(6))
    with pytest.raises(ValueError, match=r"broadcasts to the ensemble's shape \(2, 3\), got shape \(2,\)$"):
        train(folded, where, lr=[0.1, 0.2], steps=5)


def test_weights_over_the_ensemble():
    """The q_i of the loss, a set for each network: as many data sets."""
    everyone, where = ensemble(3, 5, 3), points(6, 3)
    q = np.random.default_rng(1).uniform(0.1, 1.0, (3, 6))
    run = train(everyone, where, lr=0.1, steps=40, record="all", weights=q)
    assert run.weights.shape == (3, 6)
    for i in range(3):
        data = Dataset(where.X, where.y, weights=q[i])
        one, other = run.member(i), train(everyone, data, lr=0.1, steps=40, record="all").member(i)
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.loss, other.loss)
        np.testing.assert_array_equal(run.loss[:, i], np.sum(q[i] * one.point_loss, axis=-1))
        np.testing.assert_array_equal(one.data.weights, q[i])


# ---- what stops ------------------------------------------------------------------------------------------


def fates():
    """One unit on one of two antipodal points: it learns, dies, or (y <= 0 and z = 0) never moves."""
    return init.from_coordinates([1.0, 0.1, 0.5], [1.0, -0.5, 0.2], [1.0]), point_classes((1.0, 1.0), (0.5, 0.5))


@pytest.mark.parametrize("workers", [1, 2])
def test_learnt_and_dead_networks_are_reported_and_keep_their_logits(workers):
    network, data = fates()
    run = train(network, data, loss="hinge", lr=0.1, steps=2000, record="all", workers=workers)
    # The unit of a network serves one of the two points; the other's margin stays 0 and pulls in vain.
    assert list(run.outcome) == ["dead", "dead", "dead"]
    assert np.all(run.stopped > 0) and np.all(run.stopped < 2000)
    assert run.status == Status.FINISHED
    assert run.message == (
        "in 3 of 3 networks no unit is active any more on a point that pulls: their weights are final"
    )
    for i in range(3):
        alone = train(network[i], data, loss="hinge", lr=0.1, steps=2000, record="all")
        np.testing.assert_allclose(run.logits[:, i], alone.logits, rtol=0, atol=2000 * 8 * EPS)
        np.testing.assert_array_equal(run.logits[run.stopped[i] :, i], run.logits[run.stopped[i], i][None].repeat(
            2001 - run.stopped[i], axis=0))  # fmt: skip


def test_outcomes_of_single_networks():
    network = init.class_aligned(point_classes((1.0, 1.0), (0.5, 0.5)), 4, initial=0.1, rng=0)
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    learnt = train(network, data, loss="hinge", lr=0.1, steps=2000)
    assert (learnt.outcome, int(learnt.stopped)) == (Outcome.LEARNT, lone.Lone.block)
    assert learnt.message == "no point pulls any more: the weights are final"
    np.testing.assert_array_equal(learnt.network.logits(data.X), train(
        network, data, loss="hinge", lr=0.1, steps=200).network.logits(data.X))  # fmt: skip
    still = train(Network((-network.W, network.Z)), Dataset([[1.0], [1.0]], [1, -1], [0.9, 0.1]), lr=0.1, steps=300)
    assert still.outcome == Outcome.TRAINING and still.stopped == -1
    dead = train(Network(([[-1.0]], [1.0])), Dataset([[1.0], [2.0]], [1, -1]), lr=0.1, steps=300)
    assert dead.outcome == Outcome.DEAD
    np.testing.assert_array_equal(dead.network.W, [[-1.0]])


def test_a_point_without_weight_may_overflow():
    """It does not count, whatever its pull: the others are trained as without it."""
    far = Dataset([[1.0], [-1.0], [-1000.0]], [1, -1, 1], weights=[0.5, 0.5, 0.0])
    near = Dataset([[1.0], [-1.0]], [1, -1], weights=[0.5, 0.5])
    for h in (1, 2000, 6000):
        start = Network((np.repeat([[1.0], [-1.0]], h, 0), np.repeat([1.0, -1.0], h) / h))
        several = Network(tuple(np.stack([w, w]) for w in start.weights))
        for network in (start, several):
            options = {"loss": "exponential", "lr": 0.01, "steps": 50}
            run, other = train(network, far, **options), train(network, near, **options)
            assert run.status == Status.FINISHED
            np.testing.assert_allclose(run.logits[..., :2], other.logits, rtol=0, atol=50 * (2 * h + 8) * 10 * EPS)
        moving = {"loss": "exponential", "lr": 0.01, "steps": 20, "optimizer": "momentum"}
        assert train(start, far, **moving).status == Status.FINISHED
    times = np.linspace(0.0, 0.5, 5)
    one, two = (flow(start, data, loss="exponential", times=times) for data in (far, near))
    np.testing.assert_allclose(one.logits[:, :2], two.logits, rtol=0, atol=1e-8)


def test_an_infinite_second_moment_of_adam_is_divergence():
    """It would leave the weights where they are, with logits of 1e60, for ever."""
    data = Dataset([[1e100], [-1e100]], [1, -1])
    network = Network(([[1e-100], [-1e-100]], [1e60, -5e59]))
    run = train(network, data, loss="squared", lr=0.1, steps=200, optimizer="adam")
    assert run.status == Status.DIVERGED and run.outcome == Outcome.DIVERGED


@pytest.mark.parametrize("options", [{}, {"optimizer": "momentum", "momentum": 0.0}, {"workers": 2}])
@pytest.mark.parametrize("copies", [None, 2])
@pytest.mark.parametrize("far", [1, 4999, 39_999])
def test_an_infinite_pull_is_divergence_in_every_engine(options, copies, far):
    """exp(800) overflows: nothing is clipped, however the network is computed."""
    data = Dataset(np.append([[1.0]], np.zeros((far, 1)), axis=0), np.append(1.0, -np.ones(far)))
    network = Network(([[800.0]], [-1.0]))
    if copies:
        network = Network(tuple(np.stack([w] * copies) for w in network.weights))
    run = train(network, data, loss="exponential", lr=1e-3, steps=200, **options)
    assert run.status == Status.DIVERGED and np.all(run.outcome == Outcome.DIVERGED)


@pytest.mark.parametrize("odds", [0.0, 20.0, 30.0, 40.0, 300.0])
def test_the_pull_of_a_softmax_keeps_its_digits(odds):
    """1 - p of the own class is the sum of the others' p, also where p rounds to 1."""
    f, out = np.array([[[odds, -1.0, 0.5]]]), np.empty((1, 1, 3))
    in_place.softmax(f, np.array([[1.0, 0.0, 0.0]]), np.array([[0.3]]), out)
    others = np.exp(np.array([-1.0, 0.5]) - odds) / (1 + np.exp(-1.0 - odds) + np.exp(0.5 - odds))
    # exp has a relative error of an ulp of its argument, up to 300 eps here; and a few roundings.
    bound = (odds + 16) * EPS
    np.testing.assert_allclose(out[0, 0], 0.3 * np.array([others.sum(), *-others]), rtol=bound, atol=0)


@pytest.mark.parametrize("record", [[100], [0, 50], "all", 2])
@pytest.mark.parametrize("members", [None, 3])
def test_infinite_logits_are_divergence_whatever_is_recorded(record, members):
    network = Network(([[1e200], [-1e200]], [1e200, -1e200]))
    if members:
        network = Network(tuple(np.stack([w] * members) for w in network.weights))
    run = train(network, Dataset([[1.0], [-1.0]], [1, -1]), lr=0.1, steps=100, record=record)
    assert run.status == Status.DIVERGED and np.all(run.outcome == Outcome.DIVERGED)


def test_the_message_names_the_lr_of_the_network_that_diverged():
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    start = init.class_aligned(data, 2, initial=0.5, rng=0)
    network = Network(tuple(np.stack([w, w]) for w in start.weights))
    run = train(network, data, loss="squared", lr=[0.1, 50.0], steps=400, record=[0, 400])
    assert list(run.outcome) == ["training", "diverged"] and "(lr = 50)" in run.message
    hinge = train(network, data, loss="hinge", lr=[0.5, 1e305], steps=400, record=[0, 400])
    assert hinge.stopped[0] == hinge.stopped[1] and "(lr = 1e+305)" in hinge.message


def test_momentum_is_not_stopped_by_a_margin_reached():
    """Without a pull the velocity still moves the weights."""
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    network = init.class_aligned(data, 4, initial=0.1, rng=0)
    run = train(network, data, loss="hinge", lr=0.1, steps=400, optimizer="momentum", record="all")
    first = int(np.argmax((run.margin >= 1).all(-1)))
    assert run.outcome == Outcome.TRAINING
    assert np.all(run.logits[first + 1] != run.logits[first])


def test_a_softmax_learns_and_its_trajectory_speaks_of_classes():
    data = Dataset(np.eye(3), [0, 1, 2])
    network = with_biases(4, 3, 3)
    run = train(network, data, lr=0.5, steps=2000)
    assert run.logits.shape == (len(run.time), 4, 3, 3) and run.classes == 3
    assert run.margin.shape == run.confidence.shape == (len(run.time), 4, 3)
    f = run.logits
    softmax = np.exp(f) / np.exp(f).sum(-1, keepdims=True)
    # exp and a sum of three: relative errors of a few eps, for logits below 20.
    np.testing.assert_allclose(run.confidence, softmax[..., [0, 1, 2], [0, 1, 2]], rtol=100 * EPS, atol=0)
    np.testing.assert_allclose(run.point_loss, -np.log(softmax[..., [0, 1, 2], [0, 1, 2]]), rtol=0, atol=100 * EPS)
    assert np.all(run.margin[-1] == f[-1][..., [0, 1, 2], [0, 1, 2]] - np.stack(
        [np.delete(f[-1], c, -1)[:, c].max(-1) for c in range(3)], -1))  # fmt: skip
    assert np.mean(run.confidence[-1]) > 0.9


@pytest.mark.parametrize(
    ("network", "data", "loss", "message"),
    [
        (with_biases(1, 3, 3), points(6, 3), "cross_entropy", "data must have class ids 0 ... 2, .*, got labels"),
        (with_biases(1, 3, 3), points(6, 3, 2), "cross_entropy", "class ids 0 ... 2, .*, got 2 classes$"),
        (with_biases(1, 3, 3), points(6, 3, 3), "hinge", "loss must be 'cross_entropy' for a softmax .* 'hinge'$"),
        (ensemble(1, 4, 3), points(6, 3, 2), "hinge", r"needs labels \+1 and -1, got class ids 0 ... 1 \(recode"),
        (ensemble(1, 4, 3), points(6, 2), "hinge", "X must have 3 columns, the network's number of inputs, got 2$"),
    ],
)
def test_readout_and_labels_must_fit(network, data, loss, message):
    with pytest.raises(ValueError, match=message):
        train(network, data, loss=loss, lr=0.1, steps=1)


@pytest.mark.parametrize("run", [lambda *a: train(*a, lr=0.1, steps=1), lambda *a: flow(*a, times=[0.0, 1.0])])
def test_what_is_trained_must_be_a_network_and_what_on_a_data_set(run):
    network, data = ensemble(2, 4, 3), points(6, 3)
    with pytest.raises(ValueError, match=r"network must be a Network, got tuple$"):
        run(network.weights, data)
    with pytest.raises(ValueError, match=r"data must be a Dataset, got list$"):
        run(network, [data.X, data.y])
    with pytest.raises(ValueError, match=r"network must have at least one member, got .* shape \(0,\)$"):
        run(network[:0], data)


# ---- processes -------------------------------------------------------------------------------------------


def test_a_failing_process_is_an_error_here(monkeypatch):
    parent = os.getpid()

    def broken(*arguments):
        if os.getpid() != parent:
            raise ZeroDivisionError("planted")
        return follow(*arguments)

    follow = training.follow
    monkeypatch.setattr(training, "follow", broken)
    with pytest.raises(RuntimeError, match=r"(?s)a process .* failed:.*ZeroDivisionError: planted"):
        train(ensemble(40, 5, 3), points(6, 3), lr=0.1, steps=20, workers=2)


@pytest.fixture
def interruptible():
    """A shell starts what runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_every_process(monkeypatch):
    """Ctrl-C while the other process is at work as well; both keep what they have."""
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    run = train(ensemble(64, 5, 3), points(6, 3), lr=1e-3, steps=10**7, record=np.arange(0, 10**7, 500), workers=2)
    timer.join()
    assert run.status == Status.INTERRUPTED
    assert 1 < len(run.step) < 10**7 // 500
    start = train(ensemble(64, 5, 3), points(6, 3), lr=1e-3, steps=0)
    np.testing.assert_array_equal(run.logits[0], start.logits[0])
    # Both halves have got somewhere, and no further than they were.
    assert np.isfinite(run.logits[1]).all()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_told_by_the_networks_that_still_ran():
    """One of the two can change no more from the start; its logits are filled in to the end."""
    network, data = init.from_coordinates([-1.0, 0.5], [1.0, 0.5], [1.0]), Dataset([[1.0], [2.0]], [1, -1])
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    run = train(network, data, lr=1e-4, steps=10**7, record=np.arange(0, 10**7 + 1, 500))
    timer.join()
    assert run.status == Status.INTERRUPTED and run.outcome[0] == Outcome.DEAD
    assert len(run.step) < 10**7 // 500 and np.isfinite(run.logits).all()
    assert run.message.startswith(f"interrupted after step {run.step[-1]} of")


def test_where_processes_cannot_be_forked_one_does_it_all(monkeypatch):
    network, data = ensemble(20, 5, 3), points(6, 3)
    two = train(network, data, lr=0.1, steps=20, workers=2)
    monkeypatch.setattr(processes, "can_fork", lambda: False)
    monkeypatch.setattr(processes.multiprocessing, "get_context", None)
    assert_same(train(network, data, lr=0.1, steps=20, workers=2), two)


# ---- memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("members", "h", "d", "n", "record"), [(1000, 32, 8, 8, "all"), (1000, 40, 2, 100, 3)])
def test_memory_is_that_of_the_records_and_the_state(members, h, d, n, record):
    """Within twice what is recorded plus the weights, and one chunk, however many there are (tracemalloc)."""
    network, data = ensemble(members, h, d), points(n, d)
    train(network[:20], data, lr=0.1, steps=2)
    tracemalloc.start()
    try:
        run = train(network, data, lr=0.01, steps=60, record=record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    state = 2 * sum(a.nbytes for a in network.parameters)  # the weights that change, and the last ones
    loss = 6 * 8 * members * n  # lr q and the labels, for every network and point
    # Three working arrays of a chunk, and small ones.
    chunk = 4 * 8 * max(together._VALUES, together.LANES * n * h)
    assert peak < 2 * (run.logits.nbytes + state) + loss + chunk
