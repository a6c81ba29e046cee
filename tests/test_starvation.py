"""Gradient starvation: paths against multi-precision and closed forms, the theorems on random starts."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from dynsim import losses
from dynsim.theory import modes, starvation

#: Eq 8 (v2) of Table 1: from (.1, .1, .1).
PAPER = (0.1, 0.1, 0.1)
PULLS = {
    "cross_entropy": lambda m: 1 / (1 + mpmath.exp(m)),
    "exponential": lambda m: mpmath.exp(-m),
    "squared": lambda m: 1 - m,
}
LOSSES = ["cross_entropy", "hinge", "exponential", "squared"]
SIZES = st.floats(1e-3, 1.0)
SHARES = st.floats(0.0, 1.0)
NORMS = st.tuples(st.floats(0.3, 3.0), st.floats(0.3, 3.0))


def odefun(start, frequency, norms, pull):
    """Eq 8 (v2) for one unit that stays active on both inputs, in multi-precision."""
    lam, a, b = (mpmath.mpf(x) for x in (frequency, *norms))

    def field(_, y):
        alpha, beta, z = y
        one, two = (1 - lam) * pull(z * alpha), lam * pull(z * (alpha + beta))
        return [a**2 * z * (one + two), b**2 * z * two, one * alpha + two * (alpha + beta)]

    return mpmath.odefun(field, 0, [mpmath.mpf(x) for x in start], tol=mpmath.mpf("1e-16"))


def random_starts(count, rng, least=1e-3):
    """alpha, z, lambda and norms, all log-uniform."""
    alpha, z = np.exp(rng.uniform(np.log(least), 0.0, (2, count)))
    frequency = np.exp(rng.uniform(np.log(0.01), 0.0, count))
    return alpha, z, frequency, np.exp(rng.uniform(np.log(0.5), np.log(2.0), (2, count)))


def state(path, i=-1):
    return np.array([path.alpha[i], path.beta[i], path.z[i]])


# -- paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", PULLS)
@pytest.mark.parametrize(
    ("start", "frequency", "norms"), [(PAPER, 0.1, (1.0, 1.0)), ((0.3, -0.1, 0.2), 0.3, (0.7, 1.4))]
)
def test_paths_against_multi_precision(loss, start, frequency, norms):
    with mpmath.workdps(20):
        reference = odefun(start, frequency, norms, PULLS[loss])
        exact = [[float(x) for x in reference(t)] for t in (0.8, 4.0)]
    path = starvation.solve(*start, frequency=frequency, norms=norms, times=[0.8, 4.0, 30.0], loss=loss)
    for i, expected in enumerate(exact):
        # 1e-13 a step, 7th-order interpolation between steps, some dozen steps.
        np.testing.assert_allclose(state(path, i)[:, 0], expected, rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("units", [1, 3])
def test_a_rare_feature_that_all_have_is_a_class_of_one_input(loss, units):
    rng = np.random.default_rng(1)
    norms, times = (0.7, 1.4), np.array([0.0, 0.3, 1.0, 3.0, 10.0, 1e3, 1e6])
    along, z = rng.uniform(0.05, 0.3, (2, units))
    size = np.hypot(*norms)
    # w along x1+x2: what is across it never moves.
    alpha, beta = (along * n**2 / size**2 for n in norms)
    path = starvation.solve(alpha, beta, z, frequency=1.0, norms=norms, times=times, loss=loss)
    s, d = along / size + z, along / size - z
    C = 0.5 * size * np.sqrt((s**2).sum() * (d**2).sum())
    expected = modes.logit(times, initial=(along * z).sum(), rate=size, imbalance=C, loss=loss)
    np.testing.assert_allclose(path.margin[:, 1], expected, rtol=1e-11)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("frequency", [0.0, 1e-14])
def test_without_the_rare_feature_only_the_frequent_one_is_learnt(loss, frequency):
    times = np.array([0.0, 1.0, 3.0, 10.0, 100.0])
    path = starvation.solve(0.1, 0.05, 0.3, frequency=frequency, norms=(0.7, 2.0), times=times, loss=loss)
    C = 0.5 * 0.7 * abs((0.1 / 0.7) ** 2 - 0.3**2)
    expected = modes.logit(times, initial=0.03, rate=0.7, imbalance=C, loss=loss)
    # lambda moves beta by some lambda t, and the margin with it.
    np.testing.assert_allclose(path.margin[:, 0], expected, rtol=1e-11)
    np.testing.assert_allclose(path.beta[:, 0], 0.05, rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_unit_that_x1_has_alone_waits_for_x2(loss):
    """beta stands until alpha = -beta; the law of one input of frequency 1 - lambda says when that is."""
    alpha, beta, z, frequency, norms = 0.1, -0.4, 0.2, 0.3, (0.7, 1.4)
    excess = (alpha / norms[0]) ** 2 - z**2
    opening = 0.4 * np.sqrt((0.4 / norms[0]) ** 2 - excess)
    when = modes.time_to(
        opening, initial=alpha * z, rate=0.7 * norms[0], imbalance=0.5 * norms[0] * abs(excess), loss=loss
    )
    times = np.array([0.0, 0.5 * when, when, 1.1 * when])
    path = starvation.solve(alpha, beta, z, frequency=frequency, norms=norms, times=times, loss=loss)
    assert path.alpha[2, 0] == pytest.approx(0.4, rel=1e-11)
    assert np.all(path.beta[:2, 0] == beta)
    assert path.beta[3, 0] > beta + 1e-3
    assert np.all(path.alone[:, 1] == 0.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_invariants_from_any_start(loss):
    rng = np.random.default_rng(3)
    start, norms = 0.5 * rng.standard_normal((3, 6, 5)), rng.uniform(0.5, 2.0, (2, 6))
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e5, 20)])
    path = starvation.solve(
        *start, frequency=rng.uniform(0.05, 0.95, 6), norms=tuple(norms), times=times, loss=loss
    )
    a, b = norms[..., None]
    c = (path.alpha / a) ** 2 + (path.beta / b) ** 2 - path.z**2
    # 1e-13 a step relative to squares of sizes up to 10.
    assert np.abs(c - c[0]).max() < 1e-10
    assert path.margin.shape == path.alone.shape == path.confidence.shape == (21, 6, 2)
    if loss != "squared":
        # A pull that never turns: margins rise, and z with them.
        assert np.all(np.diff(path.margin, axis=0) > -1e-12)
        assert np.all(np.diff(path.z, axis=0) > -1e-13)
    if loss == "hinge":
        # The first margin to reach 1 may be pulled on by the other, the last one stops everything.
        last = path.margin.min(axis=-1)
        assert np.all(last <= np.maximum(1.0, last[0]) + 1e-13)
        assert np.any(np.abs(last[-1] - 1.0) < 1e-13)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_path_goes_on_from_where_it_is(loss):
    rng = np.random.default_rng(4)
    start, times = 0.5 * rng.standard_normal((3, 4)), np.array([0.0, 0.7, 2.0, 3.0, 9.0])
    given = {"frequency": 0.2, "norms": (0.8, 1.3), "loss": loss}
    whole = starvation.solve(*start, times=times, **given)
    rest = starvation.solve(*state(whole, 2), times=times[2:] - 2.0, **given)
    for name in ("alpha", "beta", "z"):
        np.testing.assert_allclose(getattr(rest, name), getattr(whole, name)[2:], rtol=0, atol=1e-11)


def test_times_one_by_one():
    times = [0.0, 0.2, 1.0, 5.0, 1e3]
    whole = starvation.solve(*PAPER, frequency=0.1, times=times)
    for i, t in enumerate(times):
        one = starvation.solve(*PAPER, frequency=0.1, times=[t])
        np.testing.assert_allclose(state(one)[:, 0], state(whole, i)[:, 0], rtol=1e-12)


def test_dying_units_stand_still_and_the_gates_of_the_rest_open():
    """x1 dies first (alpha = 0), then x1+x2; a unit with z < 0 that sees neither is where it was for ever."""
    path = starvation.solve([0.2, 0.3], [0.3, -0.1], [-2.0, 1.0], frequency=0.5, times=[0.0, 2.0, 1e4])
    assert path.alpha[1, 0] < 0.0
    assert path.alpha[2, 0] + path.beta[2, 0] == pytest.approx(0.0, abs=1e-13)
    assert path.z[2, 0] < 0.0
    frozen = starvation.solve(-0.1, [0.05, 0.1], -0.5, frequency=0.5, times=[1.0, 50.0])
    assert np.all(frozen.alpha == -0.1)
    assert np.all(frozen.z == -0.5)


def test_a_gate_that_shuts_for_a_moment_within_one_step():
    """While the hinge pulls, the flow is its own mirror image in time under z -> -z: out and back again."""
    there = starvation.solve(0.5, -0.5 - 1e-4, 0.0, frequency=0.4, times=[0.7], loss="hinge")
    assert there.alpha[0, 0] + there.beta[0, 0] > 0.0
    alpha, beta, z = state(there)[:, 0]
    back = starvation.solve(alpha, beta, -z, frequency=0.4, times=[0.7, 1.4], loss="hinge")
    np.testing.assert_allclose(state(back, 0)[:, 0], [0.5, -0.5 - 1e-4, 0.0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(state(back, 1)[:, 0], [alpha, beta, z], rtol=0, atol=1e-12)
    whole = starvation.solve(alpha, beta, -z, frequency=0.4, times=[1.4], loss="hinge")
    np.testing.assert_allclose(state(whole)[:, 0], [alpha, beta, z], rtol=0, atol=1e-12)


def test_a_small_unit_that_x1_has_alone_grows_from_what_it_is():
    """beta = -1 has no part in it, and must not blur a unit of size 1e-20."""
    path = starvation.solve(1e-20, -1.0, 1e-20, frequency=0.5, times=[20.0, 120.0])
    expected = modes.logit([20.0, 120.0], initial=1e-40, rate=0.5, imbalance=0.0)
    np.testing.assert_allclose(path.margin[:, 0], expected, rtol=1e-10)


def test_shapes_and_broadcasting():
    path = starvation.solve(0.1, [[0.1, 0.2]], 0.1, frequency=[[0.1], [0.5], [1.0]], times=[0.0, 1.0])
    assert path.alpha.shape == (2, 3, 1, 2)
    assert path.alone.shape == (2, 3, 1, 2)
    one = starvation.solve(0.1, [0.1, 0.2], 0.1, frequency=0.5, times=[0.0, 1.0])
    np.testing.assert_array_equal(path.alpha[:, 1, 0], one.alpha)
    np.testing.assert_array_equal(one.confidence, expit(one.alone))
    assert starvation.solve(*PAPER, frequency=0.1, times=[1.0]).z.shape == (1, 1)
    for values in (path.time, path.alpha, path.beta, path.z):
        assert not values.flags.writeable


@pytest.mark.parametrize("loss", LOSSES)
def test_the_difference_of_which_the_theorem_is_made(loss):
    """(17.6): beta - lambda (b/a)^2 alpha falls while beta > 0 and rises while beta < 0, whatever z."""
    rng = np.random.default_rng(6)
    alpha, beta, z = rng.uniform(0.3, 1.0, 30), rng.uniform(-0.25, 0.5, 30), rng.uniform(-0.5, 1.0, 30)
    frequency, norms = rng.uniform(0.1, 0.9, 30), rng.uniform(0.5, 2.0, (2, 30))
    starts = [x[:, None] for x in (alpha, beta, z)]
    path = starvation.solve(
        *starts, frequency=frequency, norms=tuple(norms), times=np.linspace(0.0, 4.0, 41), loss=loss
    )
    slope = (frequency * (norms[1] / norms[0]) ** 2)[:, None]
    change = np.diff(path.beta - slope * path.alpha, axis=0)
    both = (np.minimum(path.alpha, path.alpha + path.beta)[:-1] > 0) & (path.alpha + path.beta > 0)[1:]
    both &= path.alpha[1:] > 0
    assert np.all(change[both & (path.beta[:-1] > 0) & (path.beta[1:] > 0)] < 1e-12)
    assert np.all(change[both & (path.beta[:-1] < 0) & (path.beta[1:] < 0)] > -1e-12)
    assert np.sum(both & (path.beta[1:] < 0)) > 30


# -- the moment at which x1 is learnt ------------------------------------------------------------------------


def test_the_numbers_of_the_paper_s_example():
    moment = starvation.at_confidence(0.99, 0.1, [0.1, 0.01], 0.1, frequency=0.1)
    assert moment.confidence[:, 1].round(3).tolist() == [0.641, 0.601]
    np.testing.assert_allclose(moment.confidence[:, 0], 0.99, rtol=1e-14)
    assert float(starvation.bound(0.99, 0.1).round(3)) == 0.613
    assert starvation.covered(0.1, [0.1, 0.01], frequency=0.1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("start", "frequency"),
    [(PAPER, 0.1), ((1e-4, 3e-5, 1e-3), 0.5), ((0.1, -0.3, 0.1), 0.1), ((2.0, 1e-3, 0.1), 0.9), (PAPER, 0.0)],
)
def test_a_moment_is_on_the_path(start, frequency):
    norms = (0.7, 1.3)
    moment = starvation.at_confidence([0.9, 0.999], *start, frequency=frequency, norms=norms)
    path = starvation.solve(*start, frequency=frequency, norms=norms, times=moment.time)
    np.testing.assert_allclose(path.confidence[:, 0], [0.9, 0.999], rtol=1e-11)
    for name in ("alpha", "beta", "z"):
        np.testing.assert_allclose(getattr(moment, name), getattr(path, name)[:, 0], rtol=1e-11)


def test_a_moment_against_multi_precision():
    with mpmath.workdps(20):
        path = odefun(PAPER, 0.1, (1.0, 1.0), PULLS["cross_entropy"])
        level = mpmath.log(mpmath.mpf("0.9") / mpmath.mpf("0.1"))
        when = mpmath.findroot(lambda t: path(t)[0] * path(t)[2] - level, 8.0, tol=1e-15)
        exact = [float(x) for x in (*path(when), when)]
    found = starvation.at_confidence(0.9, *PAPER, frequency=0.1)
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_many_moments_are_those_one_by_one():
    alpha, z, frequency, norms = random_starts(2000, np.random.default_rng(7), 1e-6)
    beta = alpha * np.random.default_rng(8).uniform(-2.0, 2.0, 2000)
    frequency = np.minimum(frequency, 0.999)
    many = starvation.at_confidence(0.99, alpha, beta, z, frequency=frequency, norms=tuple(norms))
    size = np.abs(beta) + (norms[1] / norms[0]) ** 2 * many.alpha
    for i in range(0, 2000, 50):
        one = starvation.at_confidence(
            0.99, alpha[i], beta[i], z[i], frequency=frequency[i], norms=tuple(norms[:, i])
        )
        assert abs(one.beta - many.beta[i]) < 1e-12 * size[i]
        for name in ("alpha", "z", "time"):
            np.testing.assert_allclose(getattr(one, name), getattr(many, name)[i], rtol=1e-12)


def test_a_start_at_its_own_confidence_is_the_moment():
    # The level is that of the rounded confidence, which may lie below the start's margin by eps/(P (1 - P)).
    moment = starvation.at_confidence(expit(0.35 * 2.0) + 1e-15, 0.35, 0.2, 2.0, frequency=0.3)
    np.testing.assert_allclose(moment, [0.35, 0.2, 2.0, 0.0], rtol=0, atol=1e-13)


# -- bounds --------------------------------------------------------------------------------------------------


def test_table_1():
    found = starvation.bound([[0.99], [0.9999]], [0.5, 0.2, 0.1, 0.01])
    assert (100 * found).round().tolist() == [[91, 71, 61, 51], [99, 86, 72, 52]]


def test_limits_of_the_bound():
    assert starvation.bound(1.0, [0.0, 0.1, 1.0]).tolist() == [0.5, 1.0, 1.0]
    assert starvation.bound(0.5, [0.0, 0.1, 1.0]).tolist() == [0.5, 0.5, 0.5]
    np.testing.assert_allclose(starvation.bound([0.7, 0.99], 1.0), [0.7, 0.99], rtol=1e-15)
    assert starvation.bound(0.9, 0.2, norms=([1.0, 2.0, 3.0], 1.0)).shape == (3,)


def test_10000_covered_starts_never_break_the_bound():
    rng = np.random.default_rng(0)
    alpha, z, frequency, norms = random_starts(10_000, rng)
    slope = frequency * (norms[1] / norms[0]) ** 2
    beta = slope * alpha * np.exp(rng.uniform(np.log(1e-3), 0.0, 10_000))
    # Every tenth start has beta <= 0, for which Thm D.2 (v2) has the same bound.
    beta[::10] *= -3.0 * rng.random(1_000)
    given = {"frequency": frequency, "norms": tuple(norms)}
    assert starvation.covered(alpha, beta, **given).all()
    # No start has a margin above 1, P = .731.
    confidence = np.tile([0.8, 0.9, 0.99, 0.9999], 2_500)
    moment = starvation.at_confidence(confidence, alpha, beta, z, **given)
    bounds = starvation.bound(confidence, frequency, norms=tuple(norms))
    assert np.all(moment.confidence[:, 1] <= bounds)
    sharper = starvation.bound_of_start(confidence, frequency, alpha, beta, z, norms=tuple(norms))
    # Rounding of the two logits, and for beta <= 0 it is the plain bound itself.
    assert np.all(sharper <= bounds * (1 + 1e-14))
    assert np.all(moment.confidence[:, 1] <= sharper)
    assert np.any(moment.confidence[:, 1] > 0.999 * sharper)


def test_starts_that_are_not_covered_break_the_bound_but_not_those_of_d2():
    """alpha, beta and z independent, log-uniform from .001 to 1, unit norms, P = .99."""
    alpha, beta, z = np.exp(np.random.default_rng(1).uniform(np.log(1e-3), 0.0, (3, 3_000)))
    shares, excess = [], []
    for frequency in (0.5, 0.2, 0.1, 0.01):
        moment = starvation.at_confidence(0.99, alpha, beta, z, frequency=frequency)
        out = ~starvation.covered(alpha, beta, frequency=frequency)
        over = moment.confidence[:, 1] - starvation.bound(0.99, frequency)
        assert np.all(over[~out] <= 0.0)
        shares.append(np.mean(over[out] > 0.0))
        excess.append(np.max(over))
        known = starvation.bound_from(0.99, frequency, alpha, beta, output=moment.z)
        start = starvation.bound_of_start(0.99, frequency, alpha, beta, z)
        assert np.all(moment.confidence[:, 1] < known)
        assert np.all(known[out] <= start[out] * (1 + 1e-14))
        assert np.all(moment.confidence[:, 1] < start)
        assert np.all(start[~out] <= known[~out] * (1 + 1e-14))
    # The numbers of docs/theory.md, with three standard errors of shares of some 1,800 starts and more.
    np.testing.assert_allclose(shares, [0.18, 0.44, 0.61, 0.99], rtol=0, atol=0.035)
    np.testing.assert_allclose(excess, [0.05, 0.21, 0.30, 0.39], rtol=0, atol=0.01)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_bound_holds_for_every_loss_and_for_several_units(loss):
    """f(x2) <= lambda (b/a)^2 f(x1) at every time, for units with z > 0 that are all covered."""
    rng = np.random.default_rng(9)
    alpha, z = rng.uniform(0.01, 0.5, (2, 12, 4))
    frequency, norms = rng.uniform(0.05, 0.95, 12), rng.uniform(0.5, 2.0, (2, 12))
    slope = frequency * (norms[1] / norms[0]) ** 2
    beta = slope[:, None] * alpha * rng.random((12, 4))
    path = starvation.solve(
        alpha, beta, z, frequency=frequency, norms=tuple(norms), times=[0.0, 0.5, 2.0, 10.0, 50.0], loss=loss
    )
    assert np.all(path.alone[..., 1] <= slope * path.alone[..., 0])


def test_a_negative_output_weight_at_the_start_changes_nothing():
    rng = np.random.default_rng(10)
    alpha, z, frequency = rng.uniform(0.5, 1.0, 20), -rng.uniform(0.0, 0.45, 20), rng.uniform(0.1, 0.9, 20)
    beta = frequency * alpha * rng.uniform(0.0, 1.0, 20)
    path = starvation.solve(
        alpha[:, None], beta[:, None], z[:, None], frequency=frequency, times=np.linspace(0.0, 60.0, 61)
    )
    assert np.all(path.z[-1] > 0.0)
    assert np.all(path.alone[..., 1] <= np.maximum(frequency * path.alone[..., 0], 0.0))


@settings(deadline=None)
@given(st.floats(0.5, 1.0), st.floats(0.5, 1.0), SHARES, SHARES, NORMS)
def test_the_bound_rises_with_both_arguments(P, Q, frequency, share, norms):
    low, high = sorted([P, Q])
    few, many = sorted([frequency, share])
    assert starvation.bound(low, frequency, norms=norms) <= starvation.bound(high, frequency, norms=norms)
    assert starvation.bound(P, few, norms=norms) <= starvation.bound(P, many, norms=norms)
    assert 0.5 <= starvation.bound(P, frequency, norms=norms) <= 1.0


@settings(deadline=None, max_examples=25)
@given(SIZES, st.floats(-1.0, 1.0), SIZES, st.floats(0.01, 0.98), NORMS, st.floats(0.75, 0.9999))
def test_rarer_features_are_learnt_less(alpha, part, z, frequency, norms, confidence):
    """By then x2 has the lower logit the smaller lambda and the smaller beta0: paths of (17.9) do not cross."""
    beta = part * alpha
    frequencies, betas = [frequency, frequency + 0.01, frequency], [beta, beta, beta + 0.1 * alpha]
    moment = starvation.at_confidence(confidence, alpha, betas, z, frequency=frequencies, norms=norms)
    size = abs(beta) + (norms[1] / norms[0]) ** 2 * moment.alpha[0]
    assert moment.beta[0] <= moment.beta[1] + 1e-11 * size
    # With beta the z at a level changes too, by the invariant, but the logit z beta is ordered as beta is.
    assert moment.z[0] * moment.beta[0] <= moment.z[1] * moment.beta[1] + 1e-11 * size * moment.z[0]


@settings(deadline=None, max_examples=25)
@given(SIZES, st.floats(-1.0, 3.0), SIZES, st.floats(0.01, 0.99), NORMS, st.floats(0.1, 10.0))
def test_units_of_length_scale_out(alpha, part, z, frequency, norms, k):
    """x -> k x with w -> w/k^(1/2), Z -> Z/k^(1/2): the logits are those at the time k t."""
    root = np.sqrt(k)
    one = starvation.at_confidence(0.95, alpha, part * alpha, z, frequency=frequency, norms=norms)
    scaled = starvation.at_confidence(
        0.95, root * alpha, root * part * alpha, z / root, frequency=frequency, norms=(k * norms[0], k * norms[1])
    )
    size = abs(part * alpha) + (norms[1] / norms[0]) ** 2 * one.alpha
    np.testing.assert_allclose(scaled.beta / root, one.beta, rtol=0, atol=1e-11 * size)
    np.testing.assert_allclose([scaled.alpha / root, k * scaled.time], [one.alpha, one.time], rtol=1e-10)


# -- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frequency": -0.1}, r"frequency must be between 0 and 1, got -0.1$"),
        ({"frequency": [0.5, 1.5]}, r"frequency must be between 0 and 1, got 1.5$"),
        ({"frequency": np.nan}, r"frequency must be finite, got nan$"),
        ({"norms": 1.0}, r"norms must be a pair, \|x1\| and \|x2\|, got 1.0$"),
        ({"norms": (1.0, 1.0, 1.0)}, r"norms must be a pair, .* got \(1.0, 1.0, 1.0\)$"),
        ({"norms": (1.0, 0.0)}, r"norms must be positive and finite, got 0$"),
        ({"norms": (1e-200, 1.0)}, r"norms must be at least 1e-140 and at most 1e\+60 in size, got 1e-200$"),
        ({"alpha": np.inf}, r"alpha must be finite, got inf$"),
        ({"z": "text"}, r"z must be numbers, got 'text'$"),
        ({"alpha": []}, r"alpha, beta and z must have at least one unit on the last axis, got \(0,\)$"),
        ({"alpha": [1.0, 2.0], "z": [1.0, 2.0, 3.0]}, r"alpha, beta and z must broadcast to one shape, got "),
        ({"frequency": [0.1, 0.2], "alpha": np.ones((3, 1))}, r"^the leading axes of .* must broadcast"),
        ({"alpha": 2e3}, r"alpha/norms\[0\], beta/norms\[1\] and z must be at most 1000, got 2000$"),
        ({"times": [1.0, 0.5]}, r"times must increase, got 1 followed by 0.5 at 1$"),
        ({"times": [-1.0]}, r"times must be at least 0 and finite, got \[-1.0\]$|got -1"),
        ({"times": [np.inf]}, r"times must be at least 0 and finite, got "),
        ({"times": 1.0}, r"times must be one-dimensional and not empty, got shape \(\)$"),
        ({"loss": "l2"}, r"loss must be one of .*, got 'l2'$"),
    ],
)
def test_bad_paths(changed, message):
    given = {"alpha": 0.1, "beta": 0.1, "z": 0.1, "frequency": 0.1, "times": [1.0], **changed}
    with pytest.raises(ValueError, match=message) as caught:
        starvation.solve(given.pop("alpha"), given.pop("beta"), given.pop("z"), **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"confidence": 0.5}, r"confidence must be above 0.5 and below 1, got 0.5$"),
        ({"confidence": 1.0}, r"confidence must be above 0.5 and below 1, got 1$"),
        ({"confidence": 0.6, "alpha": 1.0, "z": 1.0}, r"confidence must be at least that of the start, got 0.6"),
        ({"alpha": 0.0}, r"alpha must be positive and finite, got 0$"),
        ({"z": -1.0}, r"z must be positive and finite, got -1$"),
        ({"z": 1e-150}, r"z must be at least 1e-140 and at most 1e\+60 in size, got 1e-150$"),
        ({"beta": [-1e70]}, r"beta must be at most 1e\+60 in size, got -1e\+70$"),
        ({"frequency": 2.0}, r"frequency must be between 0 and 1, got 2$"),
    ],
)
@pytest.mark.parametrize("function", ["at_confidence", "bound_of_start"])
def test_bad_moments(function, changed, message):
    given = {"confidence": 0.9, "alpha": 0.1, "beta": 0.1, "z": 0.1, "frequency": 0.1, **changed}
    with pytest.raises(ValueError, match=message):
        getattr(starvation, function)(**given)


def test_a_unit_that_never_moves_has_no_moment():
    with pytest.raises(ValueError, match=r"frequency must be below 1 for a unit .* beta = -0.2$"):
        starvation.at_confidence(0.9, 0.1, [0.1, -0.2], 0.1, frequency=1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: starvation.bound(0.4, 0.1), r"confidence must be between 0.5 and 1, got 0.4$"),
        (lambda: starvation.bound(0.9, -0.1), r"frequency must be between 0 and 1, got -0.1$"),
        (lambda: starvation.bound(0.9, 0.1, norms=(1.0,)), r"norms must be a pair"),
        (lambda: starvation.bound([0.9, 0.8], [0.1, 0.2, 0.3]), r"confidence, .* must broadcast to one shape"),
        (lambda: starvation.bound_from(0.9, 0.1, 0.1, 0.1, output=0.0), r"output must be positive and finite"),
        (lambda: starvation.bound_from(0.9, 0.1, -0.1, 0.1, output=1.0), r"alpha must be positive and finite"),
        (lambda: starvation.covered(np.nan, 0.1, frequency=0.1), r"alpha must be finite, got nan$"),
    ],
)
def test_bad_bounds(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_overflow_is_an_error():
    with pytest.raises(FloatingPointError, match=r"could not be integrated beyond t = 0"):
        starvation.solve(100.0, 0.0, -100.0, frequency=0.1, times=[1.0], loss="exponential")


def test_confidences_are_those_of_the_loss():
    for loss in LOSSES:
        path = starvation.solve(*PAPER, frequency=0.1, times=[3.0], loss=loss)
        np.testing.assert_array_equal(path.confidence, losses.get(loss).confidence(path.alone))
    assert logit(0.5) == 0.0


# ---- found by trying to break it ----------------------------------------------------------------------------


def test_one_input_alone_takes_its_time_in_closed_form():
    """lambda = 1: x1+x2 is the only input, and beside x1 its margin may be so high that its pull is no float."""
    alpha, beta, z = [0.1, 0.99, 0.1], [0.1, 0.1, 1e3], [0.1, 4.0, 10.0]
    moment = starvation.at_confidence(0.99, alpha, beta, z, frequency=1.0, norms=(1.0, 1.0))
    path = starvation.solve(np.reshape(alpha[:2], (2, 1)), np.reshape(beta[:2], (2, 1)), np.reshape(z[:2], (2, 1)),
                            frequency=1.0, times=[*np.sort(moment.time[:2])])  # fmt: skip
    for k in range(2):
        row = int(np.argsort(np.argsort(moment.time[:2]))[k])
        assert float(path.alone[row, k, 0]) == pytest.approx(np.log(99.0), rel=1e-9)
    assert moment.time[2] == np.inf and np.isfinite(moment.beta[2])


@pytest.mark.parametrize("norms", [(1e-140, 1e60), (1e-20, 1e50), (1e59, 1e-10)])
@pytest.mark.parametrize(
    "call",
    [
        lambda norms: starvation.bound(0.9, 0.5, norms=norms),
        lambda norms: starvation.bound_from(0.9, 0.5, 1.0, 1e-3, output=1.0, norms=norms),
        lambda norms: starvation.bound_of_start(0.9, 0.5, 1.0, 1e-3, 0.1, norms=norms),
        lambda norms: starvation.covered(1.0, 1e-3, frequency=0.5, norms=norms),
    ],
)
def test_norms_whose_squares_are_no_floats_are_refused(call, norms):
    with pytest.raises(ValueError, match=r"^norms must be at most"):
        call(norms)


def test_the_general_bound_is_never_below_one_half():
    assert starvation.bound_from(0.5, 0.9, 1.0, 0.1, output=1.0) == 0.5
