"""The penalty (lam/2) sum_i q_i |f_i|^2: gradients, batches, where it ends, and what is the same without it."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from test_gradients import EPS, NAMES, TYPICAL, Form, descent_by_complex_step, forms, passes, problem, rounding

import dynsim
from dynsim import init, losses
from dynsim.comparison import Verdict, compare
from dynsim.data import orthogonal_classes, point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.prediction import predict
from dynsim.trajectory import Outcome, Trajectory


def posed(form, ensemble, n, seed):
    """A network of a form, and points of every class with unequal weights."""
    parameters, X, y, q = problem(form, ensemble, False, 3, n, 1.0, seed)
    y[: form.classes or 2] = [-1.0, 1.0] if form.classes is None else np.arange(form.classes)
    return parameters, form.network(parameters), Dataset(X, y, q)


def wrong(run, start, direction, bound):
    """Where a step of lr = 1 is not start + direction: the step itself and its addition are rounded too."""
    pairs = zip(run.network.parameters, start, direction, bound, strict=True)
    return [np.any(np.abs(end - (a + d)) > b + 2 * EPS * (np.abs(a) + 2 * np.abs(d))) for end, a, d, b in pairs]


# ---- one step ---------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=120)
@given(
    form=forms(),
    name=st.sampled_from(NAMES),
    ensemble=st.sampled_from([(), (3,), (2, 2)]),
    n=st.integers(4, 7),
    lam=st.sampled_from([1e-3, 0.3, 5.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_step_is_the_derivative_of_the_penalised_loss(form, name, ensemble, n, lam, seed):
    name = "cross_entropy" if form.classes else name
    parameters, network, data = posed(form, ensemble, n, seed)
    run = train(network, data, loss=name, lr=1.0, steps=1, spectral_decoupling=lam)
    y, axes = data.y if form.classes is None else data.y.astype(int), len(ensemble)
    asked = form, parameters, data.X, y, data.weights, name, axes, lam
    # Two evaluations, each within its own rounding.
    assert not any(wrong(run, parameters, descent_by_complex_step(*asked), [2 * b for b in rounding(*asked)]))


@pytest.mark.parametrize("form", TYPICAL)
def test_the_step_above_is_sharp(form):
    """A factor of the penalty that is off by 1e-9, or a penalty without the weights, is seen."""
    form, lam = TYPICAL[form], 0.3
    parameters, network, data = posed(form, (), 6, 3)
    run = train(network, data, lr=1.0, steps=1, spectral_decoupling=lam)
    y = data.y if form.classes is None else data.y.astype(int)

    def descent(weights, lam):
        return descent_by_complex_step(form, parameters, data.X, y, weights, "cross_entropy", 0, lam)

    bound = [2 * b for b in rounding(form, parameters, data.X, y, data.weights, "cross_entropy", 0, lam)]
    plain, even = descent(data.weights, 0.0), (descent(np.ones(6), lam), descent(np.ones(6), 0.0))
    assert not any(wrong(run, parameters, descent(data.weights, lam), bound))
    unweighted = [d + (a - b) for d, a, b in zip(plain, *even, strict=True)]
    for other in (plain, descent(data.weights, lam * (1 + 1e-9)), unweighted):
        assert any(wrong(run, parameters, other, bound))


# ---- batches ----------------------------------------------------------------------------------------------

BATCHED = {
    "one logit": (Form(("full", "full", "one logit"), (5, 4), True, None), "exponential"),
    "softmax": (Form(("full", "full"), (5,), True, 3), "cross_entropy"),
}


@pytest.mark.parametrize(("sampling", "size"), [("replacement", 1), ("replacement", 2), ("epochs", 2)])
@pytest.mark.parametrize("form", BATCHED)
def test_a_batch_weights_the_penalty_as_it_weights_the_loss(form, sampling, size):
    """200 copies: every first step is that of some batch, all likely ones occur, and their mean is the full step.

    With replacement a batch of points of equal weight 1/size x sum(q); of an epoch, points of weight q_i n / size.
    """
    (form, loss), n, lam, copies = BATCHED[form], 4, 0.7, 200
    parameters, network, data = posed(form, (), n, 1)
    y, q = data.y if form.classes is None else data.y.astype(int), data.weights
    many = Network(
        [np.broadcast_to(w, (copies, *w.shape)) for w in network.weights],
        [np.broadcast_to(b, (copies, *b.shape)) for b in network.biases],
    )
    run = train(
        many, data, loss=loss, lr=1.0, steps=1, batch_size=size, sampling=sampling, rng=0, spectral_decoupling=lam
    )
    assert run.meta["spectral_decoupling"] == lam and run.meta["sampling"] == sampling
    if sampling == "epochs":
        batches = [(list(at), q[list(at)] * n / size, 1.0) for at in combinations(range(n), size)]
    else:
        draws = np.stack(np.meshgrid(*[range(n)] * size), axis=-1).reshape(-1, size).tolist()
        batches = [(at, np.full(size, q.sum() / size), np.prod(q[at])) for at in draws]
    own = [form, parameters, data.X, y, q, loss]
    found, total, chances = np.zeros((len(batches), copies), dtype=bool), 0.0, sum(b[2] for b in batches)
    for which, (at, weights, chance) in enumerate(batches):
        own[2:5] = data.X[at], y[at], weights
        step, bound = passes(*own, lam=lam)[1], rounding(*own, 0, lam)
        found[which] = [
            not any(wrong(member, parameters, step, [2 * b for b in bound])) for member in members(run, copies)
        ]
        total = total + np.concatenate([g.ravel() for g in step]) * chance / chances
    # Of 16 batches that are expected more than 12 times each, one misses with probability below 16 e^-12.
    often = np.array([chance for *_, chance in batches]) > 12 * chances / copies
    assert found.any(axis=0).all() and found[often].any(axis=1).all() and often.sum() >= 4
    own[2:5] = data.X, y, q
    full = np.concatenate([g.ravel() for g in passes(*own, lam=lam)[1]])
    np.testing.assert_allclose(total, full, rtol=0, atol=1e-13 * np.abs(full).max())


class Ended:
    """What `wrong` looks at of a run: its last network."""

    def __init__(self, network):
        self.network = network


def members(run, copies):
    return [Ended(run.network[m]) for m in range(copies)]


# ---- without it, and beside it ----------------------------------------------------------------------------


def deep(form, size=None):
    """A start of a form that has an engine of its own where there is no penalty, and its data."""
    data = (
        point_classes((1.0, 2.0), (0.7, 0.3))
        if form != "softmax"
        else orthogonal_classes([1.0, 0.8, 1.2], [1.0] * 3)
    )
    if form == "large":
        data = Dataset(np.random.default_rng(0).normal(size=(70, 3)), np.resize([1, -1], 70))
    hidden, depth = (64 if form == "large" else 6), (3 if form == "deep" else 2)
    return init.gaussian(data, hidden, scale=0.4, depth=depth, biases=form == "deep", size=size, rng=0), data


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, np.float64(0.0), np.int64(0)])
@pytest.mark.parametrize(
    ("form", "size"), [("one", None), ("one", 5), ("large", 2), ("deep", 3), ("softmax", None)]
)
def test_with_lam_0_every_bit_is_that_of_training_without_it(form, size, zero):
    network, data = deep(form, size)
    for options in ({}, {"optimizer": "adam"}, {"batch_size": 1, "rng": 3}):
        first = train(network, data, lr=0.1, steps=30, **options)
        second = train(network, data, lr=0.1, steps=30, spectral_decoupling=zero, **options)
        np.testing.assert_array_equal(first.logits, second.logits)
        assert dict(first.meta) == dict(second.meta) and "spectral_decoupling" not in first.meta


@pytest.mark.parametrize("form", ["one", "deep", "softmax"])
def test_an_ensemble_in_two_processes_is_so_many_single_runs(form):
    network, data = deep(form, 4)
    options = {"lr": 0.1, "steps": 40, "spectral_decoupling": 0.2}
    run, two = train(network, data, **options), train(network, data, workers=2, **options)
    np.testing.assert_array_equal(run.logits, two.logits)
    for m in range(4):
        np.testing.assert_array_equal(run.logits[:, m], train(network[m], data, **options).logits)
    assert np.abs(run.logits - train(network, data, lr=0.1, steps=40).logits).max() > 1e-3


def test_the_loss_of_the_run_is_without_the_penalty_and_a_file_keeps_lam(tmp_path):
    network, data = deep("one")
    run = train(network, data, lr=0.1, steps=50, spectral_decoupling=0.2)
    value = np.sum(data.weights * losses.get("cross_entropy").value(data.y * run.logits), axis=-1)
    np.testing.assert_allclose(run.loss, value, rtol=1e-14)
    assert type(run.meta["spectral_decoupling"]) is float
    run.save(tmp_path / "run.npz")
    assert Trajectory.load(tmp_path / "run.npz").meta["spectral_decoupling"] == 0.2


# ---- where it ends ----------------------------------------------------------------------------------------


def balance(name, lam):
    """The margin at which g(m) = lam m."""
    return brentq(lambda m: float(losses.get(name).pull(m)) - lam * m, 0.0, 50.0, xtol=1e-14, rtol=4 * EPS)


def test_the_margin_of_cross_entropy_at_one_hundredth():
    """sigma(-m) = m / 100."""
    assert balance("cross_entropy", 0.01) == pytest.approx(3.3593, abs=1e-4)


@pytest.mark.parametrize("lam", [0.01, 0.2, 2.0])
@pytest.mark.parametrize("name", ["cross_entropy", "exponential", "squared"])
def test_every_class_ends_where_the_pull_is_lam_m(name, lam):
    """Whatever the norms and the frequencies of the inputs.

    A balanced weight moves until its step, lr p |x| (lam - g') dm of it, is below its rounding, eps / 2 of it: with
    lr = .2, p |x| > .3 and lam - g' > .04 not before dm < 5e-14. The logit itself is rounded too.
    """
    m = balance(name, lam)
    for norms, frequencies in (((1.0, 1.0), (1.0, 1.0)), ((2.0, 0.5), (0.6, 0.9)), ((0.4, 1.5), (0.8, 0.7))):
        data = point_classes(norms, frequencies)
        network = init.class_aligned(data, 8, initial=0.1, rng=0)
        run = train(network, data, loss=name, lr=0.2, steps=6000, record=2, spectral_decoupling=lam)
        np.testing.assert_allclose(data.y * run.logits[-1], m, rtol=0, atol=2e-13)
        assert np.abs(run.logits[0]).max() < 0.11 and m > 0.2


@pytest.mark.parametrize("form", ["momentum", "batches", "deep, with biases"])
def test_other_rules_and_forms_end_there_too(form):
    """Every batch of a point has no pull at the balance either, so that SGD comes to rest too.

    An error of one pull, of some eps of the pull, moves the logits by that over the slope lam - g' > .04.
    """
    data = orthogonal_classes([1.0, 1.5, 0.8], [1.0, 0.5, 0.7])
    data = Dataset(data.X, [1, -1, 1], data.weights)
    network = init.he(data, 16, depth=3, biases=True, rng=1)
    options = {"momentum": {"optimizer": "momentum"}, "batches": {"batch_size": 1, "rng": 0}}.get(form, {})
    run = train(network, data, lr=0.1, steps=6000, record=2, spectral_decoupling=0.01, **options)
    np.testing.assert_allclose(data.y * run.logits[-1], balance("cross_entropy", 0.01), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lam", [0.01, 0.3])
def test_a_softmax_ends_where_its_pulls_vanish(lam):
    """C = 3: own logit u, the others -u/2 (their sum has no pull but the penalty): 2 / (2 + e^(3u/2)) = lam u.

    The bound is that of one logit.
    """
    u = brentq(lambda u: 2 / (2 + np.exp(1.5 * u)) - lam * u, 0.0, 50.0, xtol=1e-14)
    data = orthogonal_classes([1.0, 2.0, 0.7], [1.0, 0.8, 1.0])
    network = init.class_aligned(data, 9, initial=0.1, rng=0)
    run = train(network, data, lr=0.2, steps=6000, record=2, spectral_decoupling=lam)
    np.testing.assert_allclose(run.logits[-1], u * (1.5 * np.eye(3) - 0.5), rtol=0, atol=2e-13)


def test_the_hinge_stays_at_the_balance_of_its_two_sides():
    """1[m < 1] = lam m: within a step of m = 1 for lam < 1, at m = 1/lam beyond."""
    data = point_classes((1.0, 2.0), (0.5, 0.5))
    network = init.class_aligned(data, 8, initial=0.1, rng=0)
    for lam, m, allowed in ((0.05, 1.0, 0.05), (0.5, 1.0, 0.05), (2.0, 0.5, 1e-13)):
        run = train(network, data, loss="hinge", lr=0.01, steps=6000, record=2, spectral_decoupling=lam)
        # Balanced weights: dm = lr p 2 |x| m (1[m < 1] - lam m) a step, at most .01 x .5 x 4 x 1.02 = .0204.
        assert np.abs(data.y * run.logits[-1] - m).max() < allowed and run.outcome == Outcome.TRAINING


def opposite(margin):
    """f(1) = margin and f(-1) = -margin, exactly."""
    return Network(([[1.0], [-1.0]], [margin, -margin])), Dataset([[1.0], [-1.0]], [1, -1], [0.3, 0.6])


@pytest.mark.parametrize(
    ("name", "margin", "lam", "outcome"),
    [
        ("squared", 1.0, 0.0, Outcome.LEARNT),
        ("squared", 1.0, 0.5, Outcome.TRAINING),
        ("squared", 0.5, 1.0, Outcome.LEARNT),  # 1 - m = lam m
        ("squared", 0.5, 0.0, Outcome.TRAINING),
        ("hinge", 2.0, 0.0, Outcome.LEARNT),
        ("hinge", 2.0, 0.5, Outcome.TRAINING),
        ("hinge", 0.5, 2.0, Outcome.LEARNT),  # 1 = lam m
        ("cross_entropy", 800.0, 0.0, Outcome.LEARNT),
        ("cross_entropy", 800.0, 1e-4, Outcome.TRAINING),
    ],
)
def test_learnt_is_where_nothing_pulls_the_penalty_included(name, margin, lam, outcome):
    network, data = opposite(margin)
    run = train(network, data, loss=name, lr=1e-3, steps=70, spectral_decoupling=lam)
    assert run.outcome == outcome
    assert np.all(run.logits[-1] == run.logits[0]) == (outcome == Outcome.LEARNT)
    both = Network([np.stack([w, 0.9 * w]) for w in network.weights])
    run = train(both, data, loss=name, lr=1e-3, steps=70, spectral_decoupling=lam)
    assert run.outcome[0] == outcome  # the other goes on, or not


def test_a_dead_network_is_dead_and_one_that_overflows_diverged():
    _, data = opposite(1.0)
    dead = Network(([[0.0], [0.0]], [0.3, -0.2]))
    assert train(dead, data, lr=0.1, steps=70, spectral_decoupling=0.5).outcome == Outcome.DEAD
    network, _ = opposite(1e6)
    run = train(network, data, lr=1.0, steps=200, spectral_decoupling=5.0)
    assert run.outcome == Outcome.DIVERGED and "diverged" in run.message


# ---- no law without it agrees -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_laws_disagree_with_a_penalised_run(name):
    data = point_classes((2.0, 0.5), (0.5, 0.5))
    network = init.class_aligned(data, 8, initial=0.01, rng=0)
    options = {"loss": name, "lr": 0.02, "steps": 1000, "record": 20}
    plain, run = (train(network, data, spectral_decoupling=lam, **options) for lam in (0.0, 0.05))
    flows = ({}, {"law": "modified_flow", "lr": 0.02}) if name == "cross_entropy" else ()
    for asked in ({"lr": 0.02}, *flows):
        theory = predict(network, data, loss=name, **asked)
        assert compare(theory, plain).verdict == Verdict.AGREES
        assert compare(theory, run).verdict == Verdict.DISAGREES
    assert compare(run, run).verdict == Verdict.AGREES
    assert compare(plain, run).verdict == Verdict.DISAGREES


def test_a_right_theory_of_a_penalised_run_is_not_refused():
    """Given as a function it has a floor where the exact map of the run is known, and for the penalty none is."""
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    network, lam = init.class_aligned(data, 8, initial=0.01, rng=0), 0.05
    run = train(network, data, lr=0.05, steps=1000, record=20, spectral_decoupling=lam)

    def pulled(_, u):
        # Balanced units, C = 0: du/dt = 2 kappa u (g(u) - lam u), kappa = 1/2.
        return u * (1.0 / (1.0 + np.exp(u)) - lam * u)

    def theory(times):
        u = solve_ivp(pulled, (0.0, times[-1]), [0.01], t_eval=times, rtol=1e-10, atol=1e-14).y[0]
        return np.stack([u, -u], axis=-1)

    found = compare(theory, run)
    assert found.sup["logit"]["all"] < 0.05 and found.verdict == Verdict.INCONCLUSIVE


def test_the_laws_of_a_softmax_and_of_sgd_disagree_too():
    data = orthogonal_classes([1.0, 0.8, 1.2], [1.0, 1.0, 1.0])
    network = init.class_aligned(data, 6, initial=0.05, rng=0)
    run = train(network, data, lr=0.02, steps=2000, spectral_decoupling=0.05)
    assert compare(predict(network, data), run).verdict == Verdict.DISAGREES
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    network = init.class_aligned(data, 8, initial=0.05, rng=0)
    many = Network([np.broadcast_to(w, (300, *w.shape)) for w in network.weights])
    theory = predict(network, data, lr=0.05, batch_size=1)
    for runs in (network, many):
        run = train(runs, data, lr=0.05, steps=400, batch_size=1, rng=1, record=20, spectral_decoupling=0.05)
        assert compare(theory, run).verdict == Verdict.DISAGREES


# ---- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"spectral_decoupling must be at least 0 and finite, got -0\.1$"),
        (np.nan, r"spectral_decoupling must be at least 0 and finite, got nan$"),
        (np.inf, r"spectral_decoupling must be at least 0 and finite, got inf$"),
        ("much", r"spectral_decoupling must be at least 0 and finite, got 'much'$"),
        (True, r"spectral_decoupling must be at least 0 and finite, got True$"),
        (np.False_, r"spectral_decoupling must be at least 0 and finite, got np\.False_$"),
        (None, r"spectral_decoupling must be at least 0 and finite, got None$"),
        ([0.1, 0.2], r"spectral_decoupling must be one number, got shape \(2,\)$"),
    ],
)
def test_errors(value, message):
    network, data = deep("one")
    with pytest.raises(ValueError, match=message):
        dynsim.train(network, data, lr=0.1, steps=1, spectral_decoupling=value)
