"""Momentum and Adam against the textbook with many digits, SGD against loops by hand, epochs, and their options."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_autograd import bounds, flat
from test_gradients import EPS, TYPICAL, forms, problem, pull_of

from dynsim.dataset import Dataset
from dynsim.empirical import networks, optimizers
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.trajectory import Outcome

# ---- the formulas ----------------------------------------------------------------------------------------


def gradients(steps=40, members=3, size=5, seed=0):
    """Directions of descent of very different sizes, with signs that change and zeros: (steps, members, size)."""
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(steps, members, size)) * 10.0 ** rng.integers(-6, 3, (members, size))
    out[rng.random(out.shape) < 0.2] = 0.0
    out[:, 0, 0] = 0.0  # a parameter that nothing ever moves
    return out


def path(optimizer, start, directions):
    """The parameters after every step."""
    theta, out = start.copy(), []
    for direction in directions:
        optimizer.step(theta, direction.copy())
        out.append(theta.copy())
    return np.array(out)


def by_momentum(theta, directions, lr, momentum):
    """v <- momentum v - grad, theta <- theta + lr v, for one parameter, with 40 digits; and the sizes added up."""
    theta, v, size, out = mpmath.mpf(theta), mpmath.mpf(0), mpmath.mpf(0), []
    for direction in directions:
        v = mpmath.mpf(momentum) * v + mpmath.mpf(direction)
        size = mpmath.mpf(momentum) * size + abs(mpmath.mpf(direction))
        theta = theta + mpmath.mpf(lr) * v
        out.append((theta, abs(theta), lr * size))
    return out


def by_adam(theta, directions, lr, b1, b2, epsilon):
    """Algorithm 1 of Kingma and Ba (2015), of one parameter, with 40 digits; and the sizes of the terms."""
    theta, lr, b1, b2, epsilon = (mpmath.mpf(a) for a in (theta, lr, b1, b2, epsilon))
    m, v, size, out = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(0), []
    for t, direction in enumerate(directions, 1):
        g = -mpmath.mpf(direction)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        size = b1 * size + (1 - b1) * abs(g)
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        theta = theta - lr * m_hat / (mpmath.sqrt(v_hat) + epsilon)
        # The power of a beta has t roundings, which are t eps b^t / (1 - b^t) of the bias correction.
        corrected = sum(t * b**t / (1 - b**t) for b in (b1, b2))
        moved = lr * size / (1 - b1**t) / (mpmath.sqrt(v_hat) + epsilon)
        out.append((theta, abs(theta), moved * (1 + corrected)))
    return out


def assert_agree(found, textbook):
    """Step k rounds the parameter once, and what it adds to it 3 k + 12 times since the start."""
    with mpmath.workdps(40):
        for at in np.ndindex(found.shape[1:]):
            slack = 0.0
            for k, (theta, size, moved) in enumerate(textbook(at), 1):
                slack += EPS * (float(size) + (3 * k + 12) * float(moved))
                assert abs(theta - mpmath.mpf(found[(k - 1, *at)])) <= slack


@pytest.mark.parametrize("momentum", [[0.9, 0.9, 0.9], [0.0, 0.5, 0.99]])
def test_momentum_is_the_textbook(momentum):
    lr, start, directions = np.array([0.1, 1e-3, 2.0]), np.random.default_rng(1).normal(size=(3, 5)), gradients()
    found = path(optimizers.Momentum(lr[:, None], np.array(momentum)[:, None], 5), start, directions)
    assert_agree(
        found, lambda at: by_momentum(start[at], directions[(slice(None), *at)], lr[at[0]], momentum[at[0]])
    )
    assert np.all(found[:, 0, 0] == start[0, 0])


@pytest.mark.parametrize(("betas", "epsilon"), [((0.9, 0.999), 1e-8), ((0.5, 0.9), 1e-2), ((0.0, 0.0), 1e-8)])
def test_adam_is_the_textbook(betas, epsilon):
    lr, start, directions = np.array([0.1, 1e-3, 2.0]), np.random.default_rng(1).normal(size=(3, 5)), gradients()
    found = path(optimizers.Adam(lr[:, None], betas, epsilon, 5), start, directions)
    assert_agree(found, lambda at: by_adam(start[at], directions[(slice(None), *at)], lr[at[0]], *betas, epsilon))
    assert np.all(found[:, 0, 0] == start[0, 0])


def test_gradient_descent_is_the_textbook():
    lr, start, directions = np.array([0.1, 1e-3, 2.0]), np.random.default_rng(1).normal(size=(3, 5)), gradients()
    found = path(optimizers.GradientDescent(lr[:, None]), start, directions)
    assert_agree(found, lambda at: by_momentum(start[at], directions[(slice(None), *at)], lr[at[0]], 0.0))


def test_the_first_step_of_adam_is_lr_whatever_the_size_of_the_gradient():
    directions = np.array([[[1e-3, -1.0, 1e3, 0.0]]])
    found = path(optimizers.Adam(np.array([[0.25]]), (0.9, 0.999), 1e-12, 4), np.zeros((1, 4)), directions)
    # epsilon is 1e-9 of the smallest; some ten roundings.
    np.testing.assert_allclose(found[0, 0], [0.25, -0.25, 0.25, 0.0], rtol=1.1e-9, atol=0)


MADE = {
    "gd": lambda lr: optimizers.GradientDescent(lr),
    "momentum": lambda lr: optimizers.Momentum(lr, np.array([[0.9], [0.0], [0.5]]), 5),
    "adam": lambda lr: optimizers.Adam(lr, (0.9, 0.999), 1e-8, 5),
}


@pytest.mark.parametrize("name", MADE)
def test_those_that_are_left_go_on_as_if_nothing_had_happened(name):
    """keep_only keeps the velocity and both moments of each network with it, and the number of the step."""
    lr, directions = np.array([[0.1], [0.2], [0.3]]), gradients()
    start, alive = np.random.default_rng(1).normal(size=(3, 5)), np.array([True, False, True])
    whole = path(MADE[name](lr), start, directions)
    optimizer = MADE[name](lr)
    first = path(optimizer, start, directions[:7])
    optimizer.keep_only(alive)
    rest = path(optimizer, first[-1][alive], directions[7:, alive])
    np.testing.assert_array_equal(rest, whole[7:, alive])


# ---- in training -----------------------------------------------------------------------------------------


def random(form, ensemble=(), n=7, dimension=3, seed=0):
    """A network of that form on points of all its classes, with unequal weights."""
    parameters, X, _, q = problem(form, ensemble, False, dimension, n, 1.0, seed)
    labels = np.arange(n) % form.classes if form.classes else np.where(np.arange(n) % 3, 1, -1)
    return form.network(parameters), Dataset(X, labels, q / n)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    form=forms(most=6),
    optimizer=st.sampled_from(["momentum", "adam"]),
    ensemble=st.sampled_from([(1,), (3,), (2, 2)]),
    n=st.integers(4, 9),
    dimension=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_ensemble_is_a_loop_over_its_members_to_the_bit(form, optimizer, ensemble, n, dimension, seed):
    """With a learning rate, a momentum and weights q of its own for each."""
    network, data = random(form, ensemble, n, dimension, seed)
    rng = np.random.default_rng(seed)
    lr, q = rng.uniform(0.005, 0.05, ensemble), rng.uniform(0.05, 0.3, (*ensemble, n))
    own = {"momentum": rng.uniform(0.0, 0.95, ensemble)} if optimizer == "momentum" else {}
    options = {"optimizer": optimizer, "steps": 40, "record": "all"}
    run = train(network, data, lr=lr, weights=q, **own, **options)
    np.testing.assert_array_equal(run.time, run.step.reshape(-1, *[1] * len(ensemble)) * lr)
    for at in np.ndindex(*ensemble):
        mine = {key: float(values[at]) for key, values in own.items()}
        single = train(network[at], data, lr=float(lr[at]), weights=q[at], **mine, **options)
        np.testing.assert_array_equal(run.logits[:, *at], single.logits)
        for many, one in zip(run.network.parameters, single.network.parameters, strict=True):
            np.testing.assert_array_equal(many[at], one)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("form", ["depth 3, diagonal", "softmax"])
def test_a_network_that_diverges_leaves_the_others_their_bits(form, optimizer):
    network, data = random(TYPICAL[form], (4,))
    lr = np.array([0.02, 1e200, 0.03, 0.04])
    run = train(network, data, lr=lr, optimizer=optimizer, steps=150, record="all")
    assert list(run.outcome) == [Outcome.TRAINING, Outcome.DIVERGED, Outcome.TRAINING, Outcome.TRAINING]
    for i in (0, 2, 3):
        single = train(network[i], data, lr=float(lr[i]), optimizer=optimizer, steps=150, record="all")
        np.testing.assert_array_equal(run.logits[:, i], single.logits)


@pytest.mark.parametrize("form", TYPICAL)
def test_momentum_0_is_gradient_descent(form):
    network, data = random(TYPICAL[form])
    plain, none = (train(network, data, lr=0.05, steps=30, record="all", **o) for o in (
        {}, {"optimizer": "momentum", "momentum": 0.0}))  # fmt: skip
    logits, last = bounds(network, data, {"optimizer": "gd", "lr": 0.05}, [(slice(None), data.weights)] * 30)
    assert np.all(np.abs(plain.logits - none.logits) <= logits)
    assert np.all(np.abs(flat(plain.network) - flat(none.network)) <= last)
    assert np.abs(plain.logits[-1] - plain.logits[0]).max() > 0.01


def test_what_a_run_says_of_its_optimizer():
    network, data = random(TYPICAL["depth 2"], (3,))

    def facts(**options):
        return dict(train(network, data, lr=0.01, steps=1, **options).meta)

    full = {"batch_size": None}
    assert facts() == {"optimizer": "gd"} | full
    assert facts(optimizer="momentum") == {"optimizer": "momentum", "momentum": 0.9} | full
    adam = {"optimizer": "adam", "betas": [0.9, 0.999], "epsilon": 1e-8}
    assert facts(optimizer="adam") == adam | full
    changed = facts(optimizer="adam", betas=(0.5, 0.75), epsilon=0.01)
    assert changed == {"optimizer": "adam", "betas": [0.5, 0.75], "epsilon": 0.01} | full
    batches = {"batch_size": 2, "sampling": "epochs"}
    assert facts(optimizer="adam", rng=0, **batches) == adam | batches


# ---- batches, by hand ------------------------------------------------------------------------------------


def drawn_by_hand(q, size, sampling, steps, stream):
    """The points of every batch and their weights, one random number at a time."""
    n, batches = len(q), []
    if sampling == "replacement":
        edges = [sum(q[: i + 1]) / sum(q) for i in range(n)]
        for _ in range(steps):
            index = [next(i for i in range(n) if u < edges[i]) for u in (stream.random() for _ in range(size))]
            batches.append((np.array(index), np.full(size, sum(q) / size)))
        return batches
    while len(batches) < steps:
        order = stream.permutation(n)
        for first in range(0, n, size):
            index = order[first : first + size]
            batches.append((index, q[index] * n / len(index)))
    return batches[:steps]


def descended_by_hand(network, data, batches, optimizer, lr):
    """All logits and the last parameters, by the formulas, a parameter at a time."""
    theta = flat(network).tolist()
    m, v, labels = [0.0] * len(theta), [0.0] * len(theta), data.y.astype(int) if network.classes else data.y
    logits = []
    for k in range(len(batches) + 1):
        arrays, start = [], 0
        for array in network.parameters:
            arrays.append(np.reshape(theta[start : start + array.size], array.shape))
            start += array.size
        now = network.with_parameters(arrays)
        logits.append(now.logits(data.X))
        if k == len(batches):
            return np.array(logits), np.array(theta)
        index, q = batches[k]
        f, cache = networks.forward(now.weights, data.X[index], biases=now.biases, classes=now.classes)
        pull = pull_of("cross_entropy", f, labels[index], q, now.classes)
        found = networks.backward(now.weights, cache, pull, biases=now.biases is not None)
        for i, d in enumerate(np.concatenate([np.ravel(a) for a in found]).tolist()):
            if optimizer == "gd":
                theta[i] += lr * d
            elif optimizer == "momentum":
                v[i] = 0.9 * v[i] + d
                theta[i] += lr * v[i]
            else:
                m[i] = 0.9 * m[i] + 0.1 * d
                v[i] = 0.999 * v[i] + 0.001 * d**2
                theta[i] += lr * m[i] / (1 - 0.9 ** (k + 1)) / ((v[i] / (1 - 0.999 ** (k + 1))) ** 0.5 + 1e-8)
    return None


@pytest.mark.parametrize("sampling", ["replacement", "epochs"])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
@pytest.mark.parametrize("form", ["depth 2", "depth 4", "depth 5", "softmax", "depth 5, softmax", "depth 1"])
def test_sgd_is_a_loop_by_hand_over_the_same_points(form, optimizer, sampling):
    """The last of three networks, each with a stream spawned from the rng; 20 steps are 6 epochs and 2 batches."""
    network, data = random(TYPICAL[form], (3,), seed=4)
    options, some = {"optimizer": optimizer, "lr": 0.02}, {"batch_size": 3, "sampling": sampling, "rng": 7}
    run = train(network, data, steps=20, record="all", **some, **options)
    batches = drawn_by_hand(data.weights, 3, sampling, 20, np.random.default_rng(7).spawn(3)[2])
    logits, last = descended_by_hand(network[2], data, batches, **options)
    most, most_last = bounds(network[2], data, options, batches)
    assert np.all(np.abs(run.logits[:, 2] - logits) <= most)
    assert np.all(np.abs(flat(run.network[2]) - last) <= most_last)
    # Other batches lead elsewhere, further than the bounds.
    other, _ = descended_by_hand(network[2], data, batches[::-1], **options)
    assert np.abs(other - logits).max() > 1e-4


# ---- epochs ----------------------------------------------------------------------------------------------

N = 7


def visits(batch_size, steps, members=(), rng=0, **options):
    """How far each step moves the weight of each point, over lr q_i y_i: (steps, ..., n).

    Logistic regression on the unit vectors with the hinge loss, from 0: the weight of a point is its logit, which
    moves by lr times its share of the batch if the point is drawn, and not at all else. All margins stay below 1.
    """
    data = Dataset(np.eye(N), np.where(np.arange(N) % 2, 1, -1), np.arange(1.0, N + 1) / 10)
    start = Network((np.zeros((*members, N)),))
    more = {"lr": 1e-3, "record": "all", "loss": "hinge", "sampling": "epochs"} | options
    run = train(start, data, steps=steps, batch_size=batch_size, rng=rng, **more)
    assert np.all(run.logits * data.y < 1)
    return np.diff(run.logits, axis=0) / (more["lr"] * data.weights * data.y)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6, 7])
def test_an_epoch_visits_every_point_once(batch_size):
    """`batch_size` at a time and the rest last, a point of a batch of b with the weight q_i n / b."""
    sizes = [min(batch_size, N - first) for first in range(0, N, batch_size)]
    found = visits(batch_size, 5 * len(sizes), (4,)).reshape(5, len(sizes), 4, N)
    drawn = found != 0.0
    assert np.all(drawn.sum(axis=1) == 1)
    assert np.all(drawn.sum(axis=-1) == np.array(sizes)[:, None])
    share = N / np.array(sizes)[:, None, None]
    # A weight of at most 0.05 is rounded once a step, and divided by lr q, at least 1e-4.
    np.testing.assert_allclose(found, np.where(drawn, share, 0.0), rtol=0, atol=2 * 0.05 * EPS / 1e-4 + 8 * EPS * N)


def test_every_epoch_of_every_network_has_an_order_of_its_own():
    order = visits(1, 5 * N, (4,)).argmax(-1).reshape(5, N, 4).swapaxes(1, 2).reshape(20, N)
    # 5040 orders: the chance that two of 20 are the same is below 190 / 5040, and the numbers are always the same.
    assert len(np.unique(order, axis=0)) == 20


@pytest.mark.parametrize("batch_size", [2, 3, 5])
def test_every_step_of_an_epoch_is_right_in_the_mean(batch_size):
    """The mean over many networks is the full gradient, q_i y_i, in each step: also in that of the rest."""
    members, steps = 4000, -(-N // batch_size)
    found = visits(batch_size, steps, (members,), rng=1)
    for k in range(steps):
        b = min(batch_size, N - k * batch_size)
        # N / b with probability b / N: 5.5 standard errors.
        error = np.sqrt((N / b) ** 2 * (b / N) * (1 - b / N) / members)
        assert np.all(np.abs(found[k].mean(axis=0) - 1) < 5.5 * error)


@pytest.mark.parametrize("form", ["softmax", "depth 4"])
def test_an_epoch_adds_up_to_the_gradient(form):
    """In batches of b = 1 of n = 6 points, an epoch of small steps is n / b of the gradient, in whatever order.

    What is left, because later steps start elsewhere, is of the order of lr: at a tenth of lr a tenth.
    """
    network, data = random(TYPICAL[form], (5,), n=6)
    left = []
    for lr in (1e-6, 1e-7):
        end = train(network, data, lr=lr, steps=6, batch_size=1, sampling="epochs", rng=0).network
        step = train(network, data, lr=lr, steps=1).network
        moved, once = ((flat_all(there) - flat_all(network)) / lr for there in (end, step))
        left.append(np.abs(moved - 6 * once).max())
        assert np.abs(once).max() > 0.1
    # Six steps and the one commit eps of numbers up to 4, over lr.
    assert left[0] < 1e-4 and left[1] < 0.1 * left[0] + 7 * 4 * EPS / 1e-7


def flat_all(network):
    """The parameters of every network of an ensemble, (m, P)."""
    return np.hstack([a.reshape(len(a), -1) for a in network.parameters])


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
def test_epochs_of_one_batch_are_the_full_batch(optimizer):
    """Up to the order of summation; drawing n points with replacement is something else."""
    network, data = random(TYPICAL["softmax"])
    options = {"optimizer": optimizer, "lr": 0.02}
    full = train(network, data, steps=20, record="all", **options)
    some = {"steps": 20, "record": "all", "batch_size": len(data), "rng": 0}
    epochs = train(network, data, sampling="epochs", **some, **options)
    most, _ = bounds(network, data, options, [(slice(None), data.weights)] * 20)
    assert np.all(np.abs(epochs.logits - full.logits) <= most)
    assert np.abs(train(network, data, **some, **options).logits - full.logits).max() > 1e-3


def test_batches_are_those_of_the_rng():
    first, again, other = (visits(2, 40, (3,), rng=r) for r in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other, axis=(0, 2)).all()
    # A single network draws those of the first; more networks change nothing for the first.
    np.testing.assert_array_equal(visits(2, 40, rng=5), first[:, 0])
    np.testing.assert_array_equal(visits(2, 40, (7,), rng=5)[:, :3], first)
    # The end of a run is where a longer one passes through.
    np.testing.assert_array_equal(visits(2, 13, (3,), rng=5), first[:13])


# ---- errors ----------------------------------------------------------------------------------------------


TWO = "betas must be two numbers at least 0 and below 1, got "
MOMENTUM = "momentum must be at least 0 and finite, got "


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lbfgs"}, "optimizer must be one of 'gd', 'momentum', 'adam', got 'lbfgs'"),
        ({"optimizer": None}, "optimizer must be one of 'gd', 'momentum', 'adam', got None"),
        ({"momentum": 0.9}, "momentum must be None for optimizer 'gd', got 0.9"),
        ({"betas": (0.9, 0.999)}, "betas must be None for optimizer 'gd', got (0.9, 0.999)"),
        ({"epsilon": 1e-8}, "epsilon must be None for optimizer 'gd', got 1e-08"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum must be None for optimizer 'adam', got 0.9"),
        ({"optimizer": "momentum", "betas": (0, 0)}, "betas must be None for optimizer 'momentum', got (0, 0)"),
        ({"optimizer": "momentum", "epsilon": 0.1}, "epsilon must be None for optimizer 'momentum', got 0.1"),
        ({"optimizer": "momentum", "momentum": 1.0}, "momentum must be below 1, got 1"),
        ({"optimizer": "momentum", "momentum": [0.5, 1.5]}, "momentum must be below 1, got 1.5"),
        ({"optimizer": "momentum", "momentum": -0.1}, MOMENTUM + "-0.1"),
        ({"optimizer": "momentum", "momentum": [0.5, -1]}, MOMENTUM + "-1 at 1"),
        ({"optimizer": "momentum", "momentum": np.nan}, MOMENTUM + "nan"),
        (
            {"optimizer": "momentum", "momentum": [0.1, 0.2, 0.3]},
            "momentum must be a number or an array that broadcasts to the ensemble's shape (2,), got shape (3,)",
        ),
        ({"optimizer": "adam", "betas": (0.9, 1.0)}, TWO + "(0.9, 1.0)"),
        ({"optimizer": "adam", "betas": (1.5, 0.9)}, TWO + "(1.5, 0.9)"),
        ({"optimizer": "adam", "betas": 0.9}, TWO + "0.9"),
        ({"optimizer": "adam", "betas": (0.9,)}, TWO + "(0.9,)"),
        ({"optimizer": "adam", "betas": (-0.1, 0.9)}, "betas must be at least 0 and finite, got -0.1 at 0"),
        ({"optimizer": "adam", "betas": "both"}, "betas must be at least 0 and finite, got 'both'"),
        ({"optimizer": "adam", "epsilon": 0.0}, "epsilon must be positive and finite, got 0"),
        ({"optimizer": "adam", "epsilon": -1e-8}, "epsilon must be positive and finite, got -1e-08"),
        ({"optimizer": "adam", "epsilon": np.inf}, "epsilon must be positive and finite, got inf"),
        ({"optimizer": "adam", "epsilon": [1, 2]}, "epsilon must be one number, got shape (2,)"),
        ({"sampling": "shuffle"}, "sampling must be one of 'replacement', 'epochs', got 'shuffle'"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": 8}, "batch_size must be at most 7 (the number of points), got 8"),
    ],
)
def test_errors(change, message):
    network, data = random(TYPICAL["softmax"], (2,))
    with pytest.raises(ValueError, match="must be") as caught:
        train(network, data, **({"lr": 0.1, "steps": 3} | change))
    assert str(caught.value) == message
