"""Training against recorded runs of torch.autograd and torch.optim (scripts/record_autograd.py)."""

import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from test_gradients import EPS, NAMES, Form, layers, passes, rounding, rounding_of_logits
from test_network import by_hand

from dynsim.dataset import Dataset
from dynsim.empirical import optimizers, training
from dynsim.empirical.training import train
from dynsim.network import Network

# ---- one hidden layer, gradient descent -------------------------------------------------------------------


def read(name):
    return json.loads((Path(__file__).parent / "data" / name).read_text(encoding="ascii"))


RECORD = read("autograd.json")
DATA = Dataset(RECORD["X"], RECORD["y"], RECORD["weights"])
START = Network((RECORD["W"], RECORD["Z"]))

# A step commits at most 2 eps per weight (the weight's own rounding, and lr = 0.1 times a gradient that took
# about 16 roundings), so at most 2 eps sqrt(20) over the 20 weights; it grows by a factor of at most GROWTH until
# it is seen in a logit (asserted below by moving the start). Over 60 steps: 60 * 9 eps * 8 = 1e-12.
GROWTH = 8.0
REPLAY = RECORD["steps"] * 2 * np.sqrt(20) * EPS * GROWTH


def replay(name, network=START, **options):
    return train(network, DATA, loss=name, lr=RECORD["lr"], steps=RECORD["steps"], record="all", **options)


def assert_agrees(run, recorded, at=()):
    np.testing.assert_allclose(run.logits[:, *at], recorded["logits"], rtol=0, atol=REPLAY)
    np.testing.assert_allclose(run.network.W[at], recorded["W"], rtol=0, atol=REPLAY)
    np.testing.assert_allclose(run.network.Z[at], recorded["Z"], rtol=0, atol=REPLAY)


@pytest.mark.parametrize("name", NAMES)
def test_training_replays_the_recorded_run(name):
    run = replay(name)
    assert run.logits.shape == (61, 7)
    assert_agrees(run, RECORD["runs"][name])


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_computing_it_replays_the_recorded_run(name, monkeypatch):
    """Among others in an ensemble; in the products for large arrays; and in those for any form (momentum 0)."""
    recorded = RECORD["runs"][name]
    others = 0.3 * np.random.default_rng(0).normal(size=(3, 20))
    W, Z = others[:, :15].reshape(3, 5, 3), others[:, 15:]
    W[1], Z[1] = START.W, START.Z
    assert_agrees(replay(name, Network((W, Z))), recorded, at=(1,))
    assert_agrees(replay(name, optimizer="momentum", momentum=0.0), recorded)
    monkeypatch.setattr(training, "_LARGE", 0)
    monkeypatch.setattr(training, "_FEW", 0)
    assert_agrees(replay(name), recorded)


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_run_is_a_test(name):
    """Gates flip in it, both signs of every gate occur, and it moves far more than the bound above."""
    recorded = RECORD["runs"][name]
    before, after = START.preactivations(DATA.X) > 0, np.array(recorded["W"]) @ DATA.X.T > 0
    assert np.sum(before != after) >= 3
    assert before.any(1).all() and not before.all(1).any()
    assert np.ptp(recorded["logits"], axis=0).min() > 0.1
    others = [np.array(RECORD["runs"][other]["logits"]) for other in NAMES if other != name]
    assert all(np.abs(other - recorded["logits"]).max() > 0.1 for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_the_growth_of_an_error_in_the_recorded_run(name):
    rng, shift, base = np.random.default_rng(0), 1e-9, replay(name)
    for _ in range(10):
        move = rng.normal(size=20)
        move *= shift / np.linalg.norm(move)
        near = replay(name, Network((START.W + move[:15].reshape(5, 3), START.Z + move[15:])))
        assert np.abs(near.logits - base.logits).max() < GROWTH * shift


def test_the_record_has_the_definitions():
    """The first recorded logits are Z . relu(W x), so a wrong reading of the file cannot cancel out."""
    f = [sum(z * max(0.0, float(np.dot(w, x))) for w, z in zip(START.W, START.Z, strict=True)) for x in DATA.X]
    for run in RECORD["runs"].values():
        np.testing.assert_allclose(run["logits"][0], f, rtol=0, atol=16 * EPS)


# ---- other forms and optimizers ---------------------------------------------------------------------------

FORMS = read("autograd_forms.json")
STEPS = FORMS["steps"]
AMPLIFIED, DRAWS = 1e3, 32
OPTIONS = ("loss", "optimizer", "lr", "spectral_decoupling")


class Case(NamedTuple):
    """A recorded run: its network at the start and at the end, the data, and the options of `train`."""

    start: Network
    end: Network
    data: Dataset
    logits: np.ndarray
    options: dict

    def run(self, network=None, data=None, **changes):
        options = {"steps": STEPS, "record": "all"} | self.options | changes
        return train(network or self.start, data or self.data, **options)


@functools.cache
def case(name):
    run = FORMS["runs"][name]
    logits = np.array(run["logits"])
    classes = logits.shape[2] if logits.ndim == 3 else None
    ends = [
        Network(run[end]["weights"], run[end]["biases"], classes if len(run[end]["weights"]) == 1 else None)
        for end in ("start", "end")
    ]
    data = Dataset(FORMS["X"], FORMS["y" if classes is None else "class ids"], FORMS["weights"])
    return Case(*ends, data, logits, {key: run[key] for key in OPTIONS if key in run})


def flat(network):
    return np.concatenate([a.ravel() for a in network.parameters])


def optimizer_of(options, size):
    lr = np.full((DRAWS + 1, 1), options["lr"])
    if options["optimizer"] == "momentum":
        return optimizers.Momentum(lr, np.full_like(lr, 0.9), size)
    if options["optimizer"] == "adam":
        return optimizers.Adam(lr, (0.9, 0.999), 1e-8, size)
    return optimizers.GradientDescent(lr)


def bounds(start, data, options, batches):
    """How far two runs may be apart, in all logits and in the last parameters, because of rounding.

    batches: index and weights of the points of every step. In a step each run commits the rounding of the gradient
    (`rounding`), of every parameter (eps of its size), and of the formula of the optimizer (below 20 operations on
    what is of the size of the step). What that amounts to in the end is measured: errors of these sizes, a
    thousandfold so that none is lost in rounding, with signs at random, are planted into 32 copies of the run. Six
    standard deviations of what is seen, for each of the two, and what the evaluation of the logits itself commits;
    1e-10 in any case.
    """
    form, loss, X = Form.of(start), options.get("loss", "cross_entropy"), data.X
    y, lam = data.y.astype(int) if form.classes else data.y, options.get("spectral_decoupling", 0.0)
    theta, rng = np.tile(flat(start), (DRAWS + 1, 1)), np.random.default_rng(0)
    sizes = np.cumsum([a.size for a in start.parameters])[:-1]
    optimizer, logits, own = optimizer_of(options, theta.shape[1]), [], []
    for step in range(len(batches) + 1):
        parts = np.split(theta, sizes, axis=1)
        arrays = [p.reshape(-1, *a.shape) for p, a in zip(parts, start.parameters, strict=True)]
        logits.append(layers(form, arrays, X)[-1])
        own.append(rounding_of_logits(form, [a[0] for a in arrays], X)[0])
        if step == len(batches):
            break
        index, q = batches[step]
        problem = form, arrays, X[index], y[index], q, loss
        found = passes(*problem, lam=lam)[1], rounding(*problem, 1, lam)
        direction, fuzz = (np.hstack([a.reshape(DRAWS + 1, -1) for a in each]) for each in found)
        signs = AMPLIFIED * rng.choice([-1.0, 1.0], (2, *theta.shape))
        signs[:, 0] = 0.0  # the run itself
        before = theta.copy()
        optimizer.step(theta, direction + signs[0] * fuzz)
        theta += signs[1] * EPS * (np.abs(theta) + 20 * np.abs(theta - before))
    seen = [np.sqrt(np.mean((a[1:] - a[0]) ** 2, axis=0)) / AMPLIFIED for a in (np.moveaxis(logits, 1, 0), theta)]
    return np.minimum(2 * (6 * seen[0] + np.array(own)), 1e-10), np.minimum(2 * 6 * seen[1], 1e-10)


@pytest.mark.parametrize("name", FORMS["runs"])
def test_training_replays_every_form_and_optimizer(name):
    it, run = case(name), case(name).run()
    logits, last = bounds(it.start, it.data, it.options, [(slice(None), it.data.weights)] * STEPS)
    assert run.logits.shape == it.logits.shape
    assert np.all(np.abs(run.logits - it.logits) <= logits)
    assert np.all(np.abs(flat(run.network) - flat(it.end)) <= last)


@pytest.mark.parametrize("name", FORMS["runs"])
def test_every_recorded_form_is_a_test(name):
    """All logits move much further than the bounds; in every hidden layer gates flip, and are open and closed."""
    it = case(name)
    assert np.ptp(it.logits, axis=0).min() > 0.1
    gates = [
        [layer > 0 for layer in layers(Form.of(end), end.parameters, it.data.X)[:-1]] for end in (it.start, it.end)
    ]
    for before, after in zip(*gates, strict=True):
        assert np.any(before != after) and np.any(after) and not np.all(after)
    if it.options["loss"] == "hinge":
        assert np.any(it.logits * it.data.y > 1) and np.any(it.logits * it.data.y < 1)


def variants(it):
    """What a wrong formula or a wrong reading of the record would compute: (network, data, options) each."""
    options, start, data = it.options, it.start, it.data
    lam = options.get("spectral_decoupling", 0.0)
    changes = [{"lr": options["lr"] * (1 + 1e-6)}, {"spectral_decoupling": lam + 1e-6}]
    changes += [{"spectral_decoupling": other} for other in (0.0, lam / 2) if lam]
    changes += [{"optimizer": other} for other in ("gd", "momentum", "adam") if other != options["optimizer"]]
    if options["optimizer"] == "momentum":
        changes.append({"momentum": 0.9 * (1 + 1e-6)})
    if options["optimizer"] == "adam":
        changes += [{"betas": (0.9, 0.99)}, {"betas": (0.9001, 0.999)}, {"epsilon": 1e-7}, {"epsilon": 1e-9}]
    if start.classes is None:
        changes += [{"loss": other} for other in NAMES if other != options["loss"]]
    out = [(start, data, change) for change in changes]
    out.append((start, Dataset(data.X, data.y), {}))
    if start.biases is not None:
        out.append((Network(start.weights, classes=start.classes), data, {}))
        out.append((Network(start.weights, [0.0 * b for b in start.biases], start.classes), data, {}))
    for layer in range(1, start.depth - 1):
        if start.is_diagonal(layer):
            weights = list(start.weights)
            weights[layer] = np.diag(weights[layer])  # the same function, but all its entries are trained
            out.append((Network(weights, start.biases), data, {}))
    return out


@pytest.mark.parametrize("name", FORMS["runs"])
def test_other_forms_and_formulas_do_not_replay_the_record(name):
    it = case(name)
    for network, data, options in variants(it):
        run = it.run(network, data, **options)
        # A hundred times what is asked for, which is the most that `bounds` allows; a run may have diverged.
        assert np.abs(run.logits - it.logits[: len(run.logits)]).max() > 100 * 1e-10


@pytest.mark.parametrize("name", FORMS["runs"])
def test_the_recorded_forms_have_the_definitions(name):
    """The first and the last recorded logits, unit by unit, so a wrong reading of the file cannot cancel out."""
    it = case(name)
    for network, recorded in ((it.start, it.logits[0]), (it.end, it.logits[-1])):
        error, _, _ = rounding_of_logits(Form.of(network), network.parameters, it.data.X)
        found = np.array(by_hand(network, it.data.X))
        assert np.all(np.abs(found.reshape(recorded.shape) - recorded) <= 2 * error)
