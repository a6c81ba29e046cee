"""The law of SGD with batches of one point: against SciPy's binomial laws, loops over weights, and training."""

import itertools

import numpy as np
import pytest
from scipy import stats

import dynsim
from dynsim import Dataset, Network, losses
from dynsim.theory import maps
from dynsim.theory.chains import Chains
from dynsim.theory.one_input import Modes
from dynsim.theory.sgd import Bands, SGDLaw

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")
DATA = dynsim.data.point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))


def start(initial=0.05, imbalance=0.2, data=DATA, rng=0):
    return dynsim.init.class_aligned(data, 6, initial=initial, imbalance=imbalance, rng=rng)


def law_of(loss="cross_entropy", lr=0.1, steps=100, data=DATA, network=None):
    return SGDLaw.of(Modes.of(network or start(data=data), data), losses.get(loss), lr, steps)


@pytest.mark.parametrize("loss", NAMES)
def test_the_path_is_the_map_with_the_whole_weight(loss):
    """e = lr |x| sum(q) g: gradient descent on the class alone, were its weight sum(q)."""
    data = dynsim.data.point_classes(norms=(1.0, 2.0), frequencies=(1.4, 0.6))
    network = start(data=data)
    system, law = Modes.of(network, data), law_of(loss, 0.03, 50, data, network)
    assert law.frequency.tolist() == pytest.approx([0.7, 0.3])
    for c, norm in enumerate((1.0, 2.0)):
        S, D = (2 / norm * (system.R[c] + sign * system.u[c]) for sign in (1, -1))
        want = maps.gradient_descent(S, D, rate=2.0 * norm, norm=norm, lr=0.03, steps=len(law.path) - 1, loss=loss)
        # S and D lose 3 roundings of R, of which u is a fifth here; 8 a step after that.
        np.testing.assert_allclose(law.path[:, c], want, rtol=(100 + 20 * len(want)) * EPS)


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_bands_against_scipy(loss, level):
    """K by scipy.stats.binom; quantiles by their definition, contents by adding up, with the squared loss too."""
    lr = 0.6 if loss == "squared" else 0.1
    law = law_of(loss, lr, 80)
    steps = [0, 1, 2, 5, 30, 80]
    bands = law.at(steps, level)
    for (t, n), c in itertools.product(enumerate(steps), range(2)):
        u, share = law.path[: n + 1, c], stats.binom.pmf(np.arange(n + 1), n, law.frequency[c])
        for name, q in (("lower", (1 - level) / 2), ("median", 0.5), ("upper", (1 + level) / 2)):
            value = getattr(bands, name)[t, c]
            assert value in u
            # The rounding of sums of at most 81 probabilities.
            assert share[u <= value].sum() >= q - 1e-11
            assert share[u < value].sum() < q
        lower, upper = bands.lower[t, c], bands.upper[t, c]
        within = (u >= lower) & (u <= upper)
        assert bands.content[t, c] == pytest.approx(share[within].sum(), abs=1e-12)
        assert bands.content[t, c] >= level - 1e-12
        assert bands.below[t, c] == pytest.approx(share[u < lower].sum(), rel=1e-11)
        assert bands.above[t, c] == pytest.approx(share[u > upper].sum(), rel=1e-11)
        assert bands.mean[t, c] == pytest.approx(share @ u, rel=1e-12)
        support = law.support(n)
        assert support.shape == (n + 1, 2)
        np.testing.assert_array_equal(support[:, c], u)


def test_the_squared_loss_is_out_of_order_there():
    assert np.any(np.diff(law_of("squared", 0.6, 80).path[:, 1]) < -0.1)


def test_nothing_to_test_in_the_first_steps():
    """One step: drawn with probability .7 or not; a band of 90 % holds both, one of 50 % only the first."""
    law = law_of()
    assert law.at([0], 0.5).content.tolist() == [[1.0, 1.0]]
    assert law.at([1], 0.9).content.tolist() == [[1.0, 1.0]]
    half = law.at([1], 0.5)
    assert half.lower[0, 0] == law.path[0, 0] and half.upper[0, 0] == law.path[1, 0]
    assert half.content[0, 0] == 1.0
    assert law.at([1], 0.2).content[0].tolist() == pytest.approx([0.7, 0.7])


def test_hinge_has_ties_once_it_has_learnt():
    law = law_of("hinge", 0.1, 400)
    bands = law.at([400], 0.5)
    assert np.all(bands.lower == bands.upper) and np.all(bands.content > 1 - 1e-12)
    assert np.all(bands.above == 0.0)
    assert np.all(bands.median == law.path[-1])


def test_probability_below_against_scipy():
    law = law_of(steps=60)
    for n, k in ((0, 0), (7, 2), (60, 20)):
        u = law.path[k]
        less, most = law.probability_below(n, u)
        np.testing.assert_allclose(less, stats.binom.cdf(k - 1, n, law.frequency), rtol=1e-11)
        np.testing.assert_allclose(most, stats.binom.cdf(k, n, law.frequency), rtol=1e-11)
        above = law.probability_below(n, np.nextafter(u, np.inf))
        np.testing.assert_array_equal(above, [most, most])
    np.testing.assert_array_equal(law.probability_below(9, -np.inf), np.zeros((2, 2)))
    np.testing.assert_allclose(law.probability_below(9, np.inf), np.ones((2, 2)), rtol=1e-15)


@pytest.mark.parametrize("loss", NAMES)
def test_the_time_to_a_margin_against_scipy(loss):
    """N <= n if and only if K(n) >= k: the quantiles of N by scipy.stats.binom alone, k beyond the path too."""
    law = law_of(loss, 0.1, 5)
    found = law.time_to(0.9, 0.9)
    long = law_of(loss, 0.1, 3000)
    for c in range(2):
        k = int(np.argmax(long.path[:, c] >= 0.9))
        assert k > 5
        reached = stats.binom.sf(k - 1, np.arange(3001), law.frequency[c])
        for name, q in (("median", 0.5), ("lower", 0.05), ("upper", 0.95)):
            assert getattr(found, name)[c] == pytest.approx(0.1 * int(np.argmax(reached >= q)), rel=4 * EPS)
        assert found.mean[c] == pytest.approx(0.1 * (1 - reached).sum(), rel=1e-9)


def test_the_time_to_a_margin_at_its_ends():
    law = law_of("hinge", 0.1, 50)
    for row in law.time_to(0.01):
        assert row.tolist() == [0.0, 0.0]
    never = law.time_to(5.0)
    assert np.all(np.isinf(never))
    assert np.all(np.isnan(law_of(lr=0.1, steps=50).time_to(30.0, most=2000)))
    mixed = law_of("hinge", 0.1, 50).time_to(1.05)
    learnt = law_of("hinge", 0.1, 3000).path[-1]
    assert np.isfinite(mixed.median).tolist() == (learnt >= 1.05).tolist() == [False, True]


def test_the_time_to_a_margin_against_training():
    """2,000 networks, recorded at every step: the share that has got there by the median, in every class."""
    network = start()
    law = law_of(steps=300, network=network)
    many = Network([np.broadcast_to(w, (2000, *w.shape)) for w in network.parameters])
    run = dynsim.train(many, DATA, lr=0.1, steps=300, batch_size=1, rng=5, record="all")
    found = law.time_to(1.0, 0.9)
    first = 0.1 * np.argmax(run.margin >= 1.0, axis=0)
    for q, row in ((0.5, found.median), (0.05, found.lower), (0.95, found.upper)):
        for c in range(2):
            # At least q by then, less than q a step before, and five standard deviations.
            by = np.mean(first[:, c] <= row[c] + 1e-9)
            before = np.mean(first[:, c] <= row[c] - 0.1 + 1e-9)
            slack = 5 * np.sqrt(q * (1 - q) / 2000)
            assert before - slack < q < by + slack
    mean = first.mean(axis=0)
    assert np.all(np.abs(mean - found.mean) < 5 * first.std(axis=0) / np.sqrt(2000))


def test_until_when_the_squared_loss_is_known():
    """Until the draw after the first margin above 1 is possible: to 1e-18."""
    assert law_of("squared", 0.1, 80).valid_until() == np.inf
    assert law_of("hinge", 0.6, 80).valid_until() == np.inf
    law = law_of("squared", 0.6, 400)
    until = law.valid_until()
    over = np.argmax(law.path > 1.0, axis=0)
    assert 0 < until < 400
    past = [stats.binom.sf(over, n, law.frequency).max() for n in (until, until + 40)]
    assert past[0] < 1e-18 < past[1]


def test_signs_of_the_points():
    """Class -1 has negative logits: its band is turned over, and so are the probabilities beyond its ends."""
    data = Dataset([[-2.0], [1.0], [-2.0]], [-1, 1, -1], weights=[0.1, 0.7, 0.2])
    network = start(data=data)
    law = SGDLaw.of(Modes.of(network, data), losses.get("cross_entropy"), 0.1, 30)
    assert law.frequency.tolist() == pytest.approx([0.7, 0.3])
    classes = law.at([0, 10, 30], 0.9)
    points = law.by_point(classes)
    assert isinstance(points, Bands) and points.lower.shape == (3, 3)
    np.testing.assert_array_equal(points.median, classes.median[:, [1, 0, 1]] * [-1, 1, -1])
    np.testing.assert_array_equal(points.lower[:, 0], -classes.upper[:, 1])
    np.testing.assert_array_equal(points.upper[:, 1], classes.upper[:, 0])
    np.testing.assert_array_equal(points.below[:, 2], classes.above[:, 1])
    assert np.all(points.lower <= points.mean) and np.all(points.mean <= points.upper)
    np.testing.assert_allclose(points.content, classes.content[:, [1, 0, 1]])


def test_an_ensemble_is_a_loop():
    """Different starts in one law; the squared loss, where the order of the values differs among them."""
    parts = [start(initial=u0, imbalance=0.1, rng=k) for k, u0 in enumerate((0.01, 0.5, 0.9))]
    many = Network([np.stack(arrays) for arrays in zip(*(p.parameters for p in parts), strict=True)])
    law = law_of("squared", 0.6, 40, network=many)
    assert law.path.shape[1:] == (3, 2)
    bands, times = law.at([3, 40]), law.time_to(0.7)
    for m, part in enumerate(parts):
        one = law_of("squared", 0.6, 40, network=part)
        # One matrix product a network or one for all: the last bits of the start may differ.
        np.testing.assert_allclose(law.path[:, m], one.path, rtol=1e-11)
        for name in ("median", "mean", "lower", "upper"):
            np.testing.assert_allclose(getattr(bands, name)[:, m], getattr(one.at([3, 40]), name), rtol=1e-11)
        np.testing.assert_allclose(bands.below[:, m], one.at([3, 40]).below, atol=1e-15)
        np.testing.assert_array_equal(np.stack(times)[:, m], np.stack(one.time_to(0.7)))
        assert np.array_equal(law.values(40, 1, (m,)).margin, np.sort(law.path[:41, m, 1]))


@pytest.mark.parametrize("depth", [1, 3])
def test_deeper_and_linear_networks_against_training(depth):
    """The path of every class in 20 runs: no margin of theirs is far from it."""
    data, network = DATA, dynsim.init.class_aligned(DATA, 4, initial=0.05, depth=3, rng=0)
    if depth == 1:
        # One weight serves both classes: the inputs must be orthogonal.
        data = dynsim.data.point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3), angle=90)
        network = Network((np.array([0.02, -0.01]),))
    law = SGDLaw.of(Chains.of(network, data), losses.get("cross_entropy"), 0.1, 60)
    many = Network([np.broadcast_to(w, (20, *w.shape)) for w in network.parameters])
    run = dynsim.train(many, data, lr=0.1, steps=60, batch_size=1, rng=1, record=[60])
    for c in range(2):
        distance = np.abs(run.margin[-1][:, None, c] - law.path[:, c]).min(axis=1)
        # Steps are apart by 1e-3 and more; 60 steps of 30 roundings, grown by at most the growth of u.
        assert distance.max() < 1e-11 < 1e-3 < np.diff(law.path[:, c]).min()
    if depth == 1:
        with pytest.raises(ValueError, match=r"system must have units: rounding errors at depth 1"):
            law.rounding(EPS)


def test_softmax_against_training():
    """Three classes: margins are log-odds of the own class."""
    data = dynsim.data.orthogonal_classes(norms=(1.0, 1.5, 2.0), frequencies=(0.5, 0.3, 0.2))
    network = dynsim.init.class_aligned(data, 6, initial=0.1, rng=0)
    law = SGDLaw.of(Modes.of(network, data), losses.get("cross_entropy"), 0.2, 80)
    many = Network([np.broadcast_to(w, (20, *w.shape)) for w in network.parameters], classes=3)
    run = dynsim.train(many, data, lr=0.2, steps=80, batch_size=1, rng=1, record=[80])
    bound = law.rounding(30 * EPS)
    for c in range(3):
        away = np.abs(run.log_odds[-1][:, None, c] - law.path[:, c])
        k = away.argmin(axis=1)
        assert np.all(away.min(axis=1) <= bound[k, c]) and len(set(k.tolist())) > 3
    assert bound.max() < 1e-3 * np.diff(law.path, axis=0).min()


# ---- rounding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize(("initial", "imbalance"), [(0.01, 0.0), (0.05, 0.4), (1.0, 0.1)])
@pytest.mark.parametrize("pattern", ["up", "apart", "random"])
def test_the_bound_of_rounding_holds(loss, initial, imbalance, pattern):
    """Weights off by 1e-9 of themselves after every step, all up, a up and z down, or at random: never beyond."""
    unit, lr, draws = 1e-9, 0.05, 300
    network = start(initial, imbalance)
    law = SGDLaw.of(Modes.of(network, DATA), losses.get(loss), lr, 500)
    bound = law.rounding(unit)
    # While the hinge may or may not pull, nothing is claimed.
    assert np.all(np.isfinite(bound)) or loss == "hinge"
    rng = np.random.default_rng(0)
    for c, norm in enumerate((1.0, 2.0)):
        y = (1, -1)[c]
        own = y * network.Z > 0
        a, z = network.W[own] @ (DATA.X[c] / norm), np.abs(network.Z[own])
        worst, e = 0.0, 1.0
        for k in range(min(draws, len(bound))):
            turn = {"up": (1, 1), "apart": (1, -1), "random": rng.choice([-1, 1], (2, len(a)))}[pattern]
            if e:  # a weight to which 0 is added is not rounded
                a, z = a * (1 + unit * turn[0]), z * (1 + unit * turn[1])
            u = norm * (a @ z)
            away = abs(u - law.path[k, c])
            # The bound is linear: terms of second order are 1e-9 of it.
            assert away <= bound[k, c] * (1 + 1e-6), (k, away, bound[k, c])
            worst = max(worst, away / bound[k, c])
            e = lr * norm * float(losses.get(loss).pull(np.float64(u)))
            a, z = a + e * z, z + e * a
        if pattern == "up":
            # Not far too wide where all errors go one way.
            assert worst > 0.2


@pytest.mark.parametrize("loss", NAMES[:3])
@pytest.mark.parametrize("depth", [3, 5])
def test_the_bound_of_rounding_of_chains_holds(loss, depth):
    """All weights off by 1e-9 of themselves after every step, up or at random."""
    unit, lr, rng = 1e-9, 0.05, np.random.default_rng(0)
    network = dynsim.init.class_aligned(DATA, 4, initial=0.2, depth=depth, rng=0)
    system = Chains.of(network, DATA)
    law = SGDLaw.of(system, losses.get(loss), lr, 200)
    bound = law.rounding(unit)
    for c, norm in enumerate((1.0, 2.0)):
        for up in (True, False):
            w, e, worst = system.weights[c][system.own[c]], 1.0, 0.0
            for k in range(len(bound)):
                if e:
                    w = w * (1 + unit * (1 if up else rng.choice([-1, 1], w.shape)))
                u = norm * w.prod(axis=1).sum()
                away = abs(u - law.path[k, c])
                assert away <= bound[k, c] * (1 + 1e-5), (k, away, bound[k, c])
                worst = max(worst, away / bound[k, c])
                e = lr * norm * float(losses.get(loss).pull(np.float64(u)))
                others = np.stack([np.delete(w, i, axis=1).prod(axis=1) for i in range(depth)], axis=1)
                w = w + e * others
            assert not up or worst > 0.2


def test_rounding_at_the_kink_of_the_hinge():
    """u_k within rounding of 1: the next step may happen or not. A start at exactly 1 is such a case."""
    network = start(initial=(1.0, 0.3), imbalance=0.0)
    bound = law_of("hinge", 0.1, 20, network=network).rounding(10 * EPS)
    assert np.isfinite(bound[0, 0]) and np.all(np.isinf(bound[1:, 0]))
    assert np.all(np.isfinite(bound[:, 1]))


def test_a_class_without_units_does_not_move():
    network = Network(([[0.3], [0.2]], [0.1, 0.4]))
    law = law_of(network=network, steps=50)
    assert np.all(law.path[:, 1] == 0.0) and law.path[-1, 0] > 0.1
    assert np.all(law.rounding(EPS)[:, 1] == 0.0)
    # It has no drop to fall: every band is a point that holds everything.
    assert np.all(law.at([0, 50]).content[:, 1] == 1.0)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda law: law.at([101]), "steps must be at most 100, for which the law was made, got 101$"),
        (lambda law: law.at([1.5]), r"steps must be whole numbers, got \[1\.5\]$"),
        (lambda law: law.at(3), r"steps must be one-dimensional, got shape \(\)$"),
        (lambda law: law.at([-1]), "steps must be at least 0 and finite, got -1 at 0$"),
        (lambda law: law.at([3], 1.0), r"level must lie between 0 and 1, both excluded, got 1\.0$"),
        (lambda law: law.at([3], [0.5, 0.9]), r"level must have 0 dimensions, got shape \(2,\)$"),
        (lambda law: law.support(200), "steps must be at most 100"),
        (lambda law: law.time_to(np.nan), "margin must be finite, got nan$"),
        (lambda law: law.time_to(1.0, most=-1), "most must be an integer of at least 0, got -1$"),
        (lambda law: law_of(lr=0.0), "lr must be positive and finite, got 0$"),
        (lambda law: law_of(steps=-1), "steps must be an integer of at least 0, got -1$"),
    ],
)
def test_errors(ask, message):
    with pytest.raises(ValueError, match=message):
        ask(law_of())
