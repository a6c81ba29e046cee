"""The floor: it bounds what it claims to bound, by not much more than it must, and hides no wrong formula."""

import numpy as np
import pytest

from dynsim import floors, init
from dynsim.comparison import Verdict, compare
from dynsim.data import from_sklearn, gaussian_classes, point_classes
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory import maps, modes, order_parameters
from dynsim.theory.prediction import predict
from dynsim.trajectory import Trajectory

EPS = np.finfo(float).eps
LOSSES = ("cross_entropy", "hinge", "exponential", "squared")
IRIS = from_sklearn("iris", classes=("setosa", "virginica")).centered()


def fastest(data):
    return max(data.rate(1), data.rate(-1))


def slowest(data):
    return min(data.rate(1), data.rate(-1))


def case(seed, *, points=False):
    """A random data set on which (H1) holds, and an aligned network."""
    rng = np.random.default_rng(seed)
    if points or seed % 3:
        norms, frequencies = np.exp(rng.uniform(-0.5, 0.8, 2)), rng.uniform(0.2, 0.7, 2)
        data = point_classes(norms, frequencies, angle=float(rng.uniform(90, 180)), dimension=3)
    else:
        data = gaussian_classes((5, 8), dimension=3, spread=0.1, rng=seed)
    start = init.class_aligned(
        data,
        int(rng.integers(2, 30)),
        initial=10 ** rng.uniform(-4, -0.5),
        imbalance=float(rng.choice([0.0, 10 ** rng.uniform(-2, 0)])),
        rng=seed,
    )
    return rng, data, start


# ---- round-off -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(10))
def test_round_off_is_bounded_and_not_by_much_more(loss, seed):
    """lr x rate from .01 to 10, for the squared loss to .9, where the fixed point is still stable."""
    rng, data, start = case(seed)
    strength = 10 ** rng.uniform(-2, 1.0 if loss != "squared" else np.log10(0.9))
    # The clouds' steepest direction is at most 1.3 times as fast as their mean.
    run = train(start, data, loss=loss, lr=strength / fastest(data) / (1.0 if len(data) == 2 else 1.3), steps=300)
    found = compare(predict(start, data, loss=loss, lr=run.lr), run)
    difference = np.abs(found.theory.logits - run.logits)
    assert len(found.empirical.time) == len(run.time) and set(found.parts) == {"round-off"}
    assert np.all(difference <= found.spread)
    # (points + units + inputs + 10) <= 60 roundings a step, added as if all had one sign over 300 steps where they
    # add as a random walk, grown by the worst of 4 copies: 60 x sqrt(300) x 4 = 4e3; growth of the path 1e3.
    assert found.spread.max() <= 1e7 * max(difference.max(), EPS)


@pytest.mark.parametrize("strength", [1.4, 1.5, 1.59])
def test_chaos_is_not_judged(strength):
    """Squared loss, u <- u (1 + h (1 - u))^2: unstable from h = 1 on (f' = 1 - 2 h at u = 1), chaotic near 1.4.

    Up to (1 + h)^2 = 27/4, h = 1.598, no factor 1 + h (1 - u) is negative and no gate flips: the law holds for
    ever, and yet theory and network part, because rounding errors grow.
    """
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    start = init.class_aligned(data, 8, initial=0.1, rng=0)
    run = train(start, data, loss="squared", lr=strength / fastest(data), steps=400, record="all")
    theory = predict(start, data, loss="squared", lr=run.lr)
    apart = np.abs(theory.at(run.time).logits - run.logits)
    assert theory.at(run.time).meta["valid_until"] == np.inf and apart.max() > 0.01
    found = compare(theory, run)
    judged = found.empirical.time
    assert found.verdict != Verdict.DISAGREES
    assert 10 < len(judged) < len(run.time)
    # A perturbation of 2^-50 has not grown to 1e-3; rounding errors are 60 x 2^-52 a step, 15 times that.
    assert np.abs(found.theory.logits - found.empirical.logits).max() < 1e-3 * 2 * 15.0
    # It is no excuse: another start is told from this one while it can be.
    moved = Network((start.W * (1 + 1e-6), start.Z))
    assert compare(predict(moved, data, loss="squared", lr=run.lr), run).verdict == Verdict.DISAGREES


def test_where_nothing_can_be_judged_nothing_is():
    """The same, recorded from step 200 on."""
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    start = init.class_aligned(data, 8, initial=0.1, rng=0)
    run = train(start, data, loss="squared", lr=3.0, steps=400, record=np.arange(200, 401))
    found = compare(predict(start, data, loss="squared", lr=run.lr), run)
    assert (found.verdict, found.reason) == (
        Verdict.INCONCLUSIVE,
        "rounding errors have grown too large to judge any time",
    )
    assert found.rows == () and "INCONCLUSIVE" in str(found)


# ---- sampling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_right_theory_of_sgd_is_not_rejected(batch_size):
    """40 seeds. A run is rejected if it is more extreme than every one of the 999 replicas, or further from their
    mean than the worst of them: for exchangeable paths at most 1 in 1000. In the worst case both laws of 40 runs:
    the probability of 2 or more rejections is below (40 / 1000)^2 / 2 = 8e-4, for the seeds that were chosen once.
    """
    data = point_classes((1.0, 2.0), (0.6, 0.4), angle=120.0)
    start = init.class_aligned(data, 6, initial=0.1, imbalance=(0.0, 0.2), rng=0)
    rejected = dict.fromkeys(("auto", "gradient_descent"), 0)
    for rng in range(40):
        run = train(start, data, lr=0.1, steps=150, batch_size=batch_size, rng=rng, record=15)
        for law in rejected:
            theory = predict(start, data, law=law, lr=run.lr if law == "gradient_descent" else None)
            found = compare(theory, run)
            assert "999 replicas" in found.parts["sampling noise"][1]
            rejected[law] += found.verdict == Verdict.DISAGREES
    assert max(rejected.values()) <= 1


def test_the_sampling_floor_is_no_excuse():
    """A rate off by a half is seen through the noise of single points: 800 draws, half of them of each class.

    The clock of a class has the relative deviation sqrt(1/400) = 5 %, and 5 deviations are a quarter.
    """
    data = point_classes((1.0, 1.0), (0.5, 0.5))
    start = init.class_aligned(data, 6, initial=0.05, rng=0)
    faster = point_classes((1.0, 1.0), (0.75, 0.75))
    for rng in range(3):
        run = train(start, data, lr=0.02, steps=800, batch_size=1, rng=rng, record=15)
        assert compare(predict(start, data), run).verdict != Verdict.DISAGREES
        assert compare(predict(start, faster), run).verdict == Verdict.DISAGREES


def test_the_sampling_floor_is_the_spread_of_networks():
    """Its mean and its standard deviation are those of 2000 networks trained by SGD, to 5 standard errors."""
    data = point_classes((1.0, 2.0), (0.6, 0.4), angle=120.0)
    start = init.class_aligned(data, 4, initial=0.1, rng=0)
    many = Network(tuple(np.broadcast_to(w, (2000, *w.shape)) for w in start.weights))
    runs = train(many, data, lr=4.0, steps=12, batch_size=1, rng=1, record=np.array([3, 6, 12]))
    one = Trajectory(runs.time, runs.logits[:, 0], data.y, data.weights, step=runs.step, lr=4.0)
    theory = predict(start, data, lr=4.0)
    drift, noise = floors.sampling(theory.system, one, 4.0, runs.step, 1)
    deviation = runs.logits.std(axis=1)
    error = deviation * np.sqrt(1 / 2000 + 1 / 999)
    full = theory.at(runs.time).logits
    assert drift.signed and not noise.signed
    assert np.all(np.abs(runs.logits.mean(axis=1) - full - drift.size) <= 5 * error)
    # The drift is there: at this lr full batch is not the mean of SGD.
    assert np.abs(drift.size / error).max() > 10
    # Within the noise lie nearly all networks: each exceeds the worst of 999 replicas with probability 1/1000, so
    # that 2 do in the mean and 15 with probability (2/3)^15 = .002. Its width is at most sqrt(999) = 32 deviations
    # of the replicas, whatever their law, and theirs is that of the networks to 25 %.
    beyond = (np.abs(runs.logits - (full + drift.size)[:, None]) > noise.size[:, None]).any(axis=(0, 2))
    assert beyond.sum() <= 15
    assert np.all(noise.size <= 40 * deviation) and np.all(noise.size >= 2 * deviation)


# ---- step size -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strength", "levels"), [(0.02, (2, 3)), (0.1, (2, 3)), (0.3, (2, 3)), (0.6, (3, 4))])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(6))
def test_the_remainder_covers_the_extrapolation(loss, seed, strength, levels):
    """The limit of the exact maps and the closed form, which know nothing of each other."""
    _, data, start = case(seed, points=True)
    theory = predict(start, data, loss=loss)
    lr = strength / fastest(data)
    steps = np.unique(np.rint(np.linspace(0, 5.0 / slowest(data) / lr, 40)).astype(np.int64))
    run = train(start, data, loss=loss, lr=lr, steps=int(steps[-1]), record=steps)
    exact = theory.at(lr * steps).logits
    for level in levels:
        shift, rest = floors.step_size(theory.system, run, lr, steps, level)
        # The map at lr is the run: what is left of its difference to the shift is the limit.
        limit = run.logits - shift.size
        # Round-off of 2^level times as many steps, multiplied by 16 in the extrapolation.
        rounding = 16 * 2**level * (steps[:, None] + 1) * 60 * EPS * np.abs(exact) * 10
        assert shift.signed and not rest.signed
        assert np.all(np.abs(limit - exact) <= rest.size + rounding)


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential", "squared"])
def test_the_remainder_shrinks_with_the_square_of_lr(loss):
    """And is not a blanket: second order in lr, 4 times smaller for half the step."""
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    start = init.class_aligned(data, 8, initial=0.01, rng=0)
    system, times = predict(start, data, loss=loss).system, np.arange(1, 13)
    sizes = []
    for parts in (20, 40, 80, 160):
        run = train(start, data, loss=loss, lr=1 / parts, steps=12 * parts, record=times * parts)
        sizes.append(floors.step_size(system, run, 1 / parts, times * parts, 2)[1].size.max())
    orders = np.log2(np.array(sizes[:-1]) / sizes[1:])
    assert np.all(np.abs(orders - 2.0) < 0.25)


@pytest.mark.parametrize("lr", [0.03, 0.05, 0.1])
def test_an_unknown_step_size_is_bounded_by_the_gap_between_records(lr):
    """Every third step is known, so lr may be three times what it was."""
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    start = init.class_aligned(data, 8, initial=0.1, rng=0)
    run = train(start, data, lr=lr, steps=300, record=np.arange(0, 301, 3))
    theory = predict(start, data)
    curve = Trajectory.from_arrays(run.time, logits=run.logits, labels=run.labels, weights=run.weights)
    part = floors.unknown_step_size(theory.system, curve, 2)
    difference = np.abs(theory.at(run.time).logits - run.logits)
    assert not part.signed and np.all(difference <= part.size)
    # First order: 3 times the difference, plus what the remainder and neighbouring times add.
    assert part.size.max() <= 5 * difference.max()


# ---- a wrong formula -------------------------------------------------------------------------------------


def slower(function, name):
    """The function with its keyword or argument `name` 2 % larger."""

    def wrapped(*args, **kwargs):
        if name in kwargs:
            return function(*args, **(kwargs | {name: 1.02 * kwargs[name]}))
        place = {"times": 2, "e": 1, "r": 1}[name]
        changed = list(args)
        changed[place] = 1.02 * changed[place]
        return function(*changed, **kwargs)

    return wrapped


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("module", "function", "argument", "data", "law"),
    [
        (modes, "logit", "rate", "points", "closed_form"),
        (order_parameters, "propagator", "times", "points", "order_parameters"),
        (order_parameters, "propagator", "times", "iris", "order_parameters"),
        (maps, "advance", "e", "points", "gradient_descent"),
        (maps, "advance", "e", "points", "closed_form"),
        (order_parameters, "advance", "r", "iris", "gradient_descent"),
        (order_parameters, "advance", "r", "iris", "order_parameters"),
    ],
)
def test_a_formula_that_is_wrong_by_two_percent_no_longer_agrees(
    monkeypatch, loss, module, function, argument, data, law
):
    """In the law that is judged, or in the map from which its floor is derived."""
    if module is maps and loss == "squared":
        # The squared loss is carried by the order parameters alone.
        module, function, argument = order_parameters, "advance", "r"
    points = IRIS if data == "iris" else point_classes((1.0, 2.0), (0.7, 0.3))
    start = init.class_aligned(points, 8, initial=0.01, rng=0)
    lr = 0.03 / fastest(points)
    run = train(start, points, loss=loss, lr=lr, steps=int(5 / slowest(points) / lr), record=40)

    def verdict():
        theory = predict(start, points, loss=loss, law=law, lr=lr if law == "gradient_descent" else None)
        return compare(theory, run).verdict

    assert verdict() == Verdict.AGREES
    monkeypatch.setattr(module, function, slower(getattr(module, function), argument))
    assert verdict() != Verdict.AGREES
