"""Training: what is recorded, ensembles, batches, Lemma 3.1 (v2) to the bit, divergence and interruption."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dynsim import init, losses
from dynsim.data import gaussian_classes, point_classes
from dynsim.dataset import Dataset
from dynsim.empirical import batches, lone, networks, together
from dynsim.empirical.recording import recorded_steps
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.trajectory import Status

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")
MONOTONE = NAMES[:3]  # g >= 0, as Lemma 3.1 needs it


def generic(ensemble=(), hidden=5, seed=0):
    """A random network on random points: gates flip."""
    rng = np.random.default_rng(seed)
    data = Dataset(rng.normal(size=(6, 3)), [1, -1, 1, -1, -1, 1], weights=rng.uniform(0.05, 0.3, 6))
    W, Z = rng.normal(size=(*ensemble, hidden, 3)), rng.normal(size=(*ensemble, hidden))
    return Network((0.5 * W, 0.5 * Z)), data


def rounding(network, data):
    """How far two evaluations of the logits may be apart: h sums of d products in another order (Higham, 3.5)."""
    terms = network.hidden + network.dimension + 2
    size = np.einsum("...k,...kj,ij->...i", np.abs(network.Z), np.abs(network.W), np.abs(data.X))
    return 2 * terms * EPS * float(size.max())


def points(angle=180.0):
    return point_classes(norms=(1.0, 1.5), frequencies=(0.7, 0.3), angle=angle)


# ---- what is recorded ------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None)
@given(number=st.integers(2, 400), steps=st.integers(0, 10**7))
def test_log_spaced_steps(number, steps):
    found = recorded_steps(number, steps)
    assert found[0] == 0 and found[-1] == steps
    assert np.all(np.diff(found) > 0)
    assert len(found) <= max(number, 1)
    if steps < number:
        np.testing.assert_array_equal(found, np.arange(steps + 1))
    elif number > 2:
        # Even in the logarithm: each step is within 1/2 of a power of the common ratio, and no power is left out.
        exact = steps ** np.linspace(0, 1, number - 1)
        assert np.abs(exact[:, None] - found[None, 1:]).min(axis=1).max() <= 0.5 + 1e-9 * steps
        assert np.abs(exact[:, None] - found[None, 1:]).min(axis=0).max() <= 0.5 + 1e-9 * steps


def test_two_records_are_the_first_and_the_last():
    np.testing.assert_array_equal(recorded_steps(2, 100), [0, 100])


def test_which_steps():
    np.testing.assert_array_equal(recorded_steps("all", 4), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(recorded_steps([3, 5, 9], 9), [3, 5, 9])
    np.testing.assert_array_equal(recorded_steps(np.array([0], dtype=np.uint8), 0), [0])
    np.testing.assert_array_equal(recorded_steps(200, 3), [0, 1, 2, 3])
    assert recorded_steps(200, 20_000).dtype == np.int64


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("some", "record must be a number of steps, an array of steps or 'all', got 'some'$"),
        (1, "record must be an integer of at least 2, got 1$"),
        (2.5, r"record must be an integer of at least 2, got 2\.5$"),
        (True, "record must be an integer of at least 2, got True$"),
        ([0.0, 1.0], r"record must be one-dimensional integers, got \[0\.0, 1\.0\]$"),
        ([], r"record must be one-dimensional integers, got \[\]$"),
        ([[0, 1]], r"record must be one-dimensional integers, got \[\[0, 1\]\]$"),
        ([0, 11], r"record must increase from at least 0 to at most steps = 10, got \[0, 11\]$"),
        ([-1, 3], r"record must increase from at least 0 to at most steps = 10, got \[-1, 3\]$"),
        (np.array([5, 3], dtype=np.uint64), r"record must increase .* to at most steps = 10, got array"),
        ([3, 3], r"record must increase from at least 0 to at most steps = 10, got \[3, 3\]$"),
        ([5, 3], r"record must increase from at least 0 to at most steps = 10, got \[5, 3\]$"),
    ],
)
def test_bad_records(record, message):
    network, data = generic()
    with pytest.raises(ValueError, match=message):
        train(network, data, lr=0.1, steps=10, record=record)


def test_records_are_the_logits_after_that_many_steps():
    """Whatever is recorded, the run is the same; time is lr x step to the last bit."""
    network, data = generic()
    every = train(network, data, lr=0.3, steps=50, record="all")
    np.testing.assert_array_equal(every.step, np.arange(51))
    for k, there in ((0, network), (-1, every.network)):
        np.testing.assert_allclose(every.logits[k], there.logits(data.X), rtol=0, atol=rounding(there, data))
    for record in (7, [0, 1, 2], [50], [13, 14, 49]):
        run = train(network, data, lr=0.3, steps=50, record=record)
        np.testing.assert_array_equal(run.logits, every.logits[run.step])
        np.testing.assert_array_equal(run.time, [0.3 * int(k) for k in run.step])
        np.testing.assert_array_equal(run.network.W, every.network.W)


def test_what_a_run_carries():
    network, data = generic()
    run = train(network, data, loss="hinge", lr=0.1, steps=20)
    assert (run.loss_name, run.lr, run.status, run.message) == ("hinge", 0.1, Status.FINISHED, "")
    assert run.start is network and run.data is data
    assert run.meta == {"optimizer": "gd", "batch_size": None}
    np.testing.assert_array_equal(run.labels, data.y)
    np.testing.assert_array_equal(run.weights, data.weights)
    assert train(network, data, lr=0.1, steps=1, batch_size=2, rng=0).meta["batch_size"] == 2


def test_a_step_by_the_definition():
    """theta <- theta - lr grad L, written out for one step."""
    network, data = generic()
    for name in NAMES:
        run = train(network, data, loss=name, lr=0.25, steps=1)
        W, Z = np.array(network.W), np.array(network.Z)
        for x, y, q in zip(data.X, data.y, data.weights, strict=True):
            f = sum(z * max(0.0, float(w @ x)) for w, z in zip(network.W, network.Z, strict=True))
            pull = float(losses.get(name).pull(np.array(y * f)))
            for k in range(network.hidden):
                if network.W[k] @ x > 0:
                    W[k] += 0.25 * q * y * pull * network.Z[k] * x
                    Z[k] += 0.25 * q * y * pull * (network.W[k] @ x)
        # Sums of 6 terms below 1, in another order.
        np.testing.assert_allclose(run.network.W, W, rtol=0, atol=40 * EPS)
        np.testing.assert_allclose(run.network.Z, Z, rtol=0, atol=40 * EPS)


def test_no_steps():
    network, data = generic((2,))
    run = train(network, data, lr=0.1, steps=0)
    np.testing.assert_array_equal(run.time, [0.0])
    np.testing.assert_array_equal(run.step, [0])
    np.testing.assert_allclose(run.logits, network.logits(data.X)[None], rtol=0, atol=rounding(network, data))
    np.testing.assert_array_equal(run.network.W, network.W)
    assert run.status == Status.FINISHED


def test_two_runs_one_after_the_other_are_one_long_run():
    network, data = generic()
    first = train(network, data, lr=0.1, steps=30)
    second = train(first.network, data, lr=0.1, steps=25)
    long = train(network, data, lr=0.1, steps=55)
    np.testing.assert_array_equal(second.logits[-1], long.logits[-1])
    np.testing.assert_array_equal(second.network.W, long.network.W)


def test_training_leaves_the_network_alone_and_prints_nothing(capsys):
    network, data = generic()
    W = network.W.copy()
    train(network, data, lr=0.1, steps=20)
    np.testing.assert_array_equal(network.W, W)
    assert capsys.readouterr() == ("", "")
    train(network, data, lr=0.1, steps=20, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "20/20" in err


# ---- ensembles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ensemble", [(1,), (5,), (2, 3)])
def test_an_ensemble_is_a_loop_over_its_members(name, ensemble):
    """Not to the bit: a product of stacked matrices may be summed in another order than a single one."""
    network, data = generic(ensemble)
    steps, lr = 60, 0.2
    together = train(network, data, loss=name, lr=lr, steps=steps, record="all")
    assert together.logits.shape == (steps + 1, *ensemble, 6)
    move = np.random.default_rng(1).normal(size=network.W.shape)
    near = Network((network.W + 1e-9 * move / np.linalg.norm(move, axis=(-2, -1), keepdims=True), network.Z))
    # An error grows by at most twice what a random shift of the start grows by; a step commits 2 eps in each of the
    # 20 weights (of size up to 2).
    apart = train(near, data, loss=name, lr=lr, steps=steps, record="all").logits - together.logits
    for at in np.ndindex(*ensemble):
        growth = max(1.0, np.abs(apart[:, *at]).max() / 1e-9)
        single = train(network[at], data, loss=name, lr=lr, steps=steps, record="all")
        bound = 2 * growth * steps * 4 * np.sqrt(20) * EPS
        np.testing.assert_allclose(together.logits[:, *at], single.logits, rtol=0, atol=bound)
        np.testing.assert_allclose(together.network.W[at], single.network.W, rtol=0, atol=bound)


# ---- SGD -------------------------------------------------------------------------------------------------

MANY = 40_000


@pytest.fixture
def few_ahead(monkeypatch):
    """Draw few random numbers ahead, which changes nothing (tested below) but the memory for many networks."""
    monkeypatch.setattr(batches, "_AHEAD", 10)


def copies_of(network, number):
    return Network(tuple(np.broadcast_to(w, (number, *w.shape)) for w in network.weights))


def one_step(batch_size, name="cross_entropy"):
    """The step of many equal networks, divided by lr, as vectors of all weights; and each point's own gradient."""
    network, data = generic(hidden=3)
    run = train(copies_of(network, MANY), data, loss=name, lr=0.5, steps=1, batch_size=batch_size, rng=batch_size)
    change = np.concatenate(
        [(run.network.W - network.W).reshape(MANY, -1), (run.network.Z - network.Z).reshape(MANY, -1)], axis=1
    )
    logits, _ = networks.forward(network.weights, data.X)
    pull = data.y * losses.get(name).pull(data.y * logits)
    parts = [
        networks.backward(network.weights, networks.forward(network.weights, data.X)[1], pull * (np.arange(6) == i))
        for i in range(6)
    ]
    return change / 0.5, np.array([np.append(W.ravel(), Z) for W, Z in parts]), data.weights


@pytest.mark.usefixtures("few_ahead")
@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_sgd_has_the_mean_and_the_variance_it_should(batch_size):
    """Mean: the full gradient sum q_i g_i. Covariance: Q^2/b Cov(g_i), i drawn with q_i/Q, Q = sum q."""
    steps, parts, q = one_step(batch_size)
    share = q / q.sum()
    variance = q.sum() ** 2 / batch_size * (share @ parts**2 - (share @ parts) ** 2)
    assert np.all(steps.var(axis=0)[variance > 0] > 0)  # also batch_size = n is not the full batch
    # 5.5 standard errors in each of 12 weights.
    error = np.sqrt(variance / MANY)
    assert np.all(np.abs(steps.mean(axis=0) - q @ parts) <= 5.5 * error + 100 * EPS)
    centred = steps - q @ parts
    spread = np.sqrt(np.maximum(np.mean(centred**4, axis=0) - variance**2, 0) / MANY)
    assert np.all(np.abs(np.mean(centred**2, axis=0) - variance) <= 5.5 * spread + 100 * EPS)


def axes(n, weights):
    """Points e_0 .. e_{n-1}, all of class +1 but the last; a unit that is active on all of class +1."""
    data = Dataset(np.eye(n) * np.append(np.ones(n - 1), -1)[:, None], np.append(np.ones(n - 1), -1), weights)
    return data, Network((np.full((1, n), 1e-3), [1.0]))


@pytest.mark.usefixtures("few_ahead")
def test_draws_are_with_replacement_and_follow_the_weights():
    """Points on the axes leave their number of draws in the weights; a weight of 0 is never drawn."""
    weights = np.array([0.0, 0.5, 0.1, 0.0, 1.0, 0.3, 0.3, 0.8])
    data, network = axes(8, weights)
    lr, b = 1e-6, 3
    run = train(copies_of(network, 20_000), data, loss="hinge", lr=lr, steps=1, batch_size=b, rng=0)
    moved = (run.network.W[:, 0] - 1e-3) / (lr * weights.sum() / b)
    counts = np.rint(moved).astype(int)
    np.testing.assert_allclose(moved, counts, rtol=0, atol=1e-9)  # 1e-3 eps / lr = 2e-13, times 3
    # The unit is inactive on the last point: its draws are the ones that are missing.
    counts[:, -1] = b - counts[:, :-1].sum(1)
    assert counts.min() == 0 and counts.max() == b
    drawn = weights > 0
    assert counts[:, ~drawn].sum() == 0
    expected = weights[drawn] / weights.sum() * counts.sum()
    assert stats.chisquare(counts[:, drawn].sum(0), expected).pvalue > 1e-6
    # Pairs within a batch are independent: the same point b times with the cube of its share.
    triple = np.array([np.mean(counts[:, i] == b) for i in np.flatnonzero(drawn)])
    share = (weights[drawn] / weights.sum()) ** b
    assert np.all(np.abs(triple - share) <= 5.5 * np.sqrt(share / 20_000))


def test_draws_along_one_run_follow_the_weights():
    weights = np.array([0.5, 0.1, 1.0, 0.4])
    data, network = axes(4, weights)
    lr, steps = 1e-9, 4_000
    run = train(network, data, loss="hinge", lr=lr, steps=steps, batch_size=1, rng=3)
    counts = np.rint((run.network.W[0] - 1e-3) / (lr * 2.0))
    counts[-1] = steps - counts[:-1].sum()
    assert stats.chisquare(counts, weights / 2.0 * steps).pvalue > 1e-6


def test_drawing_ahead_changes_nothing(monkeypatch):
    network, data = generic((2,))
    long = train(network, data, lr=0.1, steps=90, batch_size=1, rng=5)
    monkeypatch.setattr(batches, "_AHEAD", 7)
    np.testing.assert_array_equal(train(network, data, lr=0.1, steps=90, batch_size=1, rng=5).logits, long.logits)


def test_the_memory_of_sgd_does_not_grow_with_the_number_of_steps_drawn_ahead_for_many_networks():
    """300 networks of 20 weights and one step: far below a megabyte of numbers are needed."""
    network, data = generic()
    many = copies_of(network, 300)
    tracemalloc.start()
    try:
        train(many, data, lr=0.1, steps=1, batch_size=1, rng=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30e6


def test_sgd_is_reproducible():
    network, data = generic((3,))
    first, again, other = (train(network, data, lr=0.1, steps=40, batch_size=2, rng=r) for r in (0, 0, 1))
    np.testing.assert_array_equal(first.logits, again.logits)
    np.testing.assert_array_equal(first.network.W, again.network.W)
    assert np.all(np.abs(first.logits[-1] - other.logits[-1]).max(-1) > 0)
    full = [train(network, data, lr=0.1, steps=40, rng=r).logits for r in (0, 1)]
    np.testing.assert_array_equal(*full)


def test_members_draw_their_own_batches_and_a_single_network_draws_those_of_the_first():
    """Equal networks part; batch by batch the single network is member 0, up to the order of summation."""
    network, data = generic()
    together = train(copies_of(network, 4), data, lr=0.1, steps=60, batch_size=2, rng=9)
    single = train(network, data, lr=0.1, steps=60, batch_size=2, rng=9)
    # 60 steps of 2 eps in 20 weights; the loss is not steep here: an error grows less than tenfold.
    np.testing.assert_allclose(together.logits[:, 0], single.logits, rtol=0, atol=10 * 60 * 9 * EPS)
    ends = together.logits[-1]
    assert min(np.abs(ends[i] - ends[j]).max() for i in range(4) for j in range(i)) > 1e-3


# ---- Lemma 3.1 (v2) --------------------------------------------------------------------------------------


def several():
    """Clouds that satisfy (H1), unequal frequencies."""
    return gaussian_classes((6, 4), dimension=3, frequencies=(0.6, 0.4), rng=2)


@pytest.mark.parametrize("name", MONOTONE)
def test_a_step_on_one_class_leaves_the_other_class_bit_identical(name):
    """Through the passes: a batch of points of class +1 alone has a gradient of exactly 0 for units of class -1."""
    for data in (points(120), points(), several()):
        network = init.class_aligned(data, 10, initial=0.01, imbalance=0.05, rng=0)
        even, odd = slice(0, None, 2), slice(1, None, 2)
        for label, own, other in ((1, even, odd), (-1, odd, even)):
            batch = data.mask(label)
            X, y, q = data.X[batch], data.y[batch], data.weights[batch]
            logits, cache = networks.forward(network.weights, X)
            dW, dZ = networks.backward(network.weights, cache, q * y * losses.get(name).pull(y * logits))
            assert np.all(dW[other] == 0.0) and np.all(dZ[other] == 0.0)
            assert np.all(np.any(dW[own] != 0.0, axis=-1)) and np.all(dZ[own] != 0.0)


@pytest.mark.usefixtures("few_ahead")
@pytest.mark.parametrize("name", MONOTONE)
def test_one_stochastic_step_touches_one_class(name):
    data = several()
    network = init.class_aligned(data, 10, initial=0.01, imbalance=0.05, rng=0)
    end = train(copies_of(network, 200), data, loss=name, lr=5.0, steps=1, batch_size=1, rng=0).network
    touched = np.stack([(end.Z[:, c::2] != network.Z[c::2]).any(-1) for c in (0, 1)], axis=-1)
    assert np.all(touched.sum(-1) == 1)
    for c in (0, 1):
        spared = touched[:, 1 - c]
        assert spared.sum() > 40  # of 200 draws at frequencies .6 and .4
        assert np.all(end.W[spared, c::2] == network.W[c::2]) and np.all(end.Z[spared, c::2] == network.Z[c::2])


def test_a_stochastic_run_moves_the_logits_of_one_class_at_a_time():
    data = several()
    network = init.class_aligned(data, 10, initial=0.01, rng=0)
    run = train(network, data, lr=1.0, steps=300, batch_size=1, rng=0, record="all")
    moved = np.diff(run.logits, axis=0) != 0.0
    first, second = moved[:, data.mask(1)].any(-1), moved[:, data.mask(-1)].any(-1)
    assert np.all(first ^ second)
    # 300 draws with .6: 5.5 standard deviations.
    assert abs(first.sum() - 180) < 5.5 * np.sqrt(300 * 0.24)


def test_the_other_class_does_not_matter_in_full_batch():
    """Moving class -1's points and units leaves the run of class +1 as it was, to the bit."""
    data = points(120)
    network = init.class_aligned(data, 6, initial=0.05, rng=0)
    W, Z = np.array(network.W), np.array(network.Z)
    W[1::2] *= 3.0
    Z[1::2] *= 0.2
    moved = Dataset(data.X * np.array([[1.0], [2.5]]), data.y, data.weights * [1.0, 0.1])
    one = train(network, data, lr=0.7, steps=200, record="all")
    two = train(Network((W, Z)), moved, lr=0.7, steps=200, record="all")
    np.testing.assert_array_equal(one.logits[:, 0], two.logits[:, 0])
    assert np.all(one.logits[:, 1] != two.logits[:, 1])


@pytest.mark.parametrize("name", MONOTONE)
@pytest.mark.parametrize("lr", [0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_activation_patterns_and_signs_never_change(name, lr, batch_size):
    data = several()
    network = init.class_aligned(data, 12, initial=0.01, imbalance=0.3, rng=1)
    active, sign = network.preactivations(data.X) > 0, np.sign(network.Z)
    rng = np.random.default_rng(0)
    for _ in range(40):
        network = train(network, data, loss=name, lr=lr, steps=3, batch_size=batch_size, rng=rng).network
        np.testing.assert_array_equal(network.preactivations(data.X) > 0, active)
        np.testing.assert_array_equal(np.sign(network.Z), sign)
    assert data.check_assumptions(network)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    name=st.sampled_from(MONOTONE),
    lr=st.floats(0.01, 5.0),
    angle=st.sampled_from([90.0, 120.0, 150.0, 180.0]),
    batch_size=st.sampled_from([None, 1]),
    imbalance=st.sampled_from([0.0, 0.1, 5.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_assumptions_still_hold_after_training(name, lr, angle, batch_size, imbalance, seed):
    data = points(angle)
    network = init.class_aligned(data, 7, initial=0.02, imbalance=imbalance, rng=seed)
    run = train(network, data, loss=name, lr=lr, steps=30, batch_size=batch_size, rng=seed)
    assert run.status == Status.FINISHED
    assert data.check_assumptions(run.network)


# ---- divergence and interruption -------------------------------------------------------------------------


def test_divergence_stops_the_run_and_keeps_what_was_recorded():
    """Squared loss beyond the largest stable step: the margin overshoots and its square grows without bound."""
    data = points()
    network = init.class_aligned(data, 4, initial=0.1, rng=0)
    run = train(network, data, loss="squared", lr=50.0, steps=1000, record="all")
    assert run.status == Status.DIVERGED
    assert run.network is None and run.start is network
    last = int(run.step[-1])
    assert 0 < last < 1000 and len(run.time) == len(run.logits) == last + 1
    assert np.all(np.isfinite(run.logits))
    assert run.message == (
        f"the run diverged: first seen at step {last + 1} of 1000 (lr = 50); what was recorded before is kept. "
        "Try a smaller lr, a smaller initial scale, or a loss with a bounded pull"
    )
    short = train(network, data, loss="squared", lr=50.0, steps=last, record="all")
    assert short.status == Status.FINISHED
    np.testing.assert_array_equal(short.logits, run.logits)


@pytest.mark.parametrize("record", [[0, 1], [3], 2])
def test_divergence_after_the_last_record_is_reported_too(record):
    data = points()
    network = init.class_aligned(data, 4, initial=0.1, rng=0)
    run = train(network, data, loss="squared", lr=50.0, steps=500, record=record)
    assert run.status == Status.DIVERGED
    assert run.network is None
    assert "the run diverged" in run.message
    assert np.all(np.isfinite(run.logits))


def test_a_diverging_member_does_not_stop_the_others():
    data = points()
    good = [init.class_aligned(data, 4, initial=u0, rng=0) for u0 in (0.1, 0.2)]
    wild = Network((1e3 * good[0].W, 1e3 * good[0].Z))
    members = (good[0], wild, good[1])
    ensemble = Network((np.stack([m.W for m in members]), np.stack([m.Z for m in members])))
    run = train(ensemble, data, loss="squared", lr=0.1, steps=100, record="all")
    assert run.status == Status.DIVERGED
    assert len(run.time) == 101
    lost = np.isnan(run.logits[:, 1]).all(-1)
    first = int(np.argmax(lost))
    assert 0 < first < 100 and np.all(lost[first:]) and np.all(np.isfinite(run.logits[:first]))
    assert run.message.startswith(f"1 of 3 networks diverged: first seen at step {first} of 100 (lr = 0.1)")
    for at, network in ((0, good[0]), (2, good[1])):
        alone = train(network, data, loss="squared", lr=0.1, steps=100, record="all")
        # A contraction towards margin 1 (slope |1 - lr kappa...| < 1 there): 100 steps of some 20 roundings.
        np.testing.assert_allclose(run.logits[:, at], alone.logits, rtol=0, atol=100 * 20 * EPS)
    every = train(ensemble[1:2], data, loss="squared", lr=0.1, steps=100, record="all")
    assert every.message.startswith("1 of 1 networks diverged") and len(every.time) == first


INTERRUPTED = {
    # The shape of the ensemble, the module and its function that is interrupted, and how often a step calls it.
    "lone": ((), lone, "dgemv", 2),
    "together": ((3,), together, "dgemm", 2),
    "general": ((), networks, "backward", 1),
}


@pytest.mark.parametrize("form", INTERRUPTED)
@pytest.mark.parametrize(
    ("steps_done", "record", "kept"), [(0, "all", [0]), (30, "all", range(31)), (30, 10, None)]
)
def test_an_interrupted_run_keeps_what_was_recorded(monkeypatch, form, steps_done, record, kept):
    """Interrupted within a step after `steps_done` whole ones, its logits recorded: all records are kept."""
    ensemble, module, name, calls = INTERRUPTED[form]
    network, data = generic(ensemble)
    options = {"optimizer": "momentum"} if form == "general" else {}
    full = train(network, data, lr=0.1, steps=100, record=record, **options)
    function, seen = getattr(module, name), []

    def interrupted(*arguments, **keywords):
        seen.append(1)
        if len(seen) == calls * (steps_done + 1):
            raise KeyboardInterrupt
        return function(*arguments, **keywords)

    monkeypatch.setattr(module, name, interrupted)
    run = train(network, data, lr=0.1, steps=100, record=record, **options)
    kept = [k for k in full.step if k <= steps_done] if kept is None else list(kept)
    assert run.status == Status.INTERRUPTED
    np.testing.assert_array_equal(run.step, kept)
    np.testing.assert_array_equal(run.logits, full.logits[: len(kept)])
    np.testing.assert_array_equal(run.time, full.time[: len(kept)])
    assert run.message == f"interrupted after step {kept[-1]} of 100; what was recorded is kept"
    assert run.network is None


# ---- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": True}, "lr must be positive and finite, got True$"),
        ({"rng": "a", "batch_size": 1}, "rng must be what np.random.default_rng takes, got 'a'$"),
        ({"rng": -1, "batch_size": 1}, "rng must be what np.random.default_rng takes, got -1$"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0$"),
        ({"lr": -0.1}, r"lr must be positive and finite, got -0\.1$"),
        ({"lr": np.nan}, "lr must be positive and finite, got nan$"),
        ({"lr": 1e308}, r"lr must be so small that lr x steps is finite, got 1e\+308 with 10 steps$"),
        ({"lr": np.inf}, "lr must be positive and finite, got inf$"),
        (
            {"lr": [0.1, 0.2]},
            r"lr must be a number or an array that broadcasts to the ensemble's shape \(\), got shape \(2,\)$",
        ),
        ({"record": [0, 11]}, r"record must increase from at least 0 to at most steps = 10, got \[0, 11\]$"),
        ({"weights": np.ones(5)}, r"weights must have 6 values along the last axis, one a point, got \(5,\)$"),
        ({"weights": np.ones((2, 6))}, r"weights must be .* the ensemble's shape \(\), got shape \(2, 6\)$"),
        ({"weights": np.zeros(6)}, r"weights must not all be 0 within a class, got only 0 for class \+1$"),
        ({"weights": [1, 0, 1, 0, 0, 1]}, "weights must not all be 0 within a class, got only 0 for class -1$"),
        ({"workers": 0}, "workers must be an integer of at least 1, got 0$"),
        ({"sampling": "epochs"}, "batch_size must be given for sampling 'epochs', got None$"),
        ({"sampling": "shuffled"}, "sampling must be one of 'replacement', 'epochs', got 'shuffled'$"),
        ({"steps": -1}, "steps must be an integer of at least 0, got -1$"),
        ({"steps": 10.0}, r"steps must be an integer of at least 0, got 10\.0$"),
        ({"batch_size": 7}, r"batch_size must be at most 6 \(the number of points\), got 7$"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0$"),
        (
            {"loss": "logistic"},
            "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got 'logistic'$",
        ),
        ({"loss": None}, "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got None$"),
        ({"optimizer": "lbfgs"}, "optimizer must be one of 'gd', 'momentum', 'adam', got 'lbfgs'$"),
    ],
)
def test_errors(change, message):
    network, data = generic()
    with pytest.raises(ValueError, match=message):
        train(network, data, **({"lr": 0.1, "steps": 10} | change))


def test_an_ensemble_without_members():
    network, data = generic((3,))
    with pytest.raises(ValueError, match=r"network must have at least one member, got .* shape \(0,\)$"):
        train(network[:0], data, lr=0.1, steps=1)


def test_a_network_for_points_of_another_dimension():
    network, _ = generic()
    with pytest.raises(ValueError, match=r"X must have 3 columns, the network's number of inputs, got 1$"):
        train(network, points(), lr=0.1, steps=1)
