"""Inflections, bounds, asymptotes and ratios of times: multi-precision arithmetic, the modes, networks."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit

import dynsim
from dynsim.theory import bounds, modes, orthogonal, shape
from dynsim.theory.slower_class import time_ratio

UNIT = 4e-15  # what dynsim.theory.modes promises, times the condition number
FEW = settings(deadline=None, derandomize=True, max_examples=300)


def sigma(u):
    return 1 / (1 + mp.exp(-u))


# -- inflections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [None, 2, 3, 1000, 10**15])
def test_balanced_inflection_against_multi_precision(classes):
    depth = np.array([1.01, 1.5, 2, 3, 4, 7, 30, 1000, 10**6, np.inf])
    u, p = shape.inflection(depth, classes=classes)
    with mp.workdps(40):
        shift = mp.log((classes or 2) - 1)
        for N, logit, confidence in zip(depth, u, p, strict=True):
            a = 2 - (0 if np.isinf(N) else 2 / mp.mpf(float(N)))
            # u = a/(3 sigma - 1) is the same equation, written otherwise; secant steps from a point beside it
            exact = mp.findroot(lambda v, a=a: v * (3 * sigma(v - shift) - 1) - a, (0.9 * logit, logit))
            assert abs(logit - exact) <= 1e-15 * max(1, exact)
            assert abs(confidence - sigma(exact - shift)) <= 1e-15


def test_inflection_at_the_ends():
    assert shape.inflection(1) == (-np.log(2), 1 / 3)
    # of 1 + 1/(classes - 1) e^-u = 3 at depth 1
    assert np.allclose(shape.inflection([1, 1], classes=5).logit, np.log(4) - np.log(2), rtol=1e-15)
    u, p = shape.inflection()
    assert u.shape == () and abs(u - 0.8883679) < 5e-8 and abs(p - 0.7085533) < 5e-8
    assert shape.inflection([[1, 2], [3, 4]], imbalance=0.0).logit.shape == (2, 2)
    assert np.all(np.diff(shape.inflection(np.linspace(1.01, 50, 99)).logit) > 0)
    # a/u + 1 = 3 sigma(u) near u = 0, where the right side is 3/2 + 3u/4
    u, p = shape.inflection(1 + 1e-12)
    assert np.isclose(u, 4e-12, rtol=2e-4) and abs(p - 0.5) < 2e-12


@pytest.mark.parametrize("depth", [1, 2, 3.5, 6])
@pytest.mark.parametrize("rate", [0.3, 2.0])
def test_inflection_is_where_the_curve_of_the_equation_turns(depth, rate):
    a, start = 2 - 2 / depth, -1.5 if depth == 1 else 0.2
    run = solve_ivp(
        lambda t, u: rate * u**a * expit(-u), (0, 30 / rate), [start], rtol=1e-11, atol=1e-13, dense_output=True
    )
    t = np.linspace(0, 30 / rate, 3001)
    bend = np.diff(expit(run.sol(t)[0]), 2)
    turn = np.flatnonzero(np.diff(np.sign(bend)))
    assert len(turn) == 1 and bend[0] > 0 > bend[-1]
    # the second difference changes its sign within a step of the grid to either side
    low, high = expit(run.sol(t[[turn[0], turn[0] + 3]])[0])
    assert low < shape.inflection(depth).confidence < high


@pytest.mark.parametrize("imbalance", [0.05, 0.3, 0.55, 0.62, 2.0])
def test_curves_have_the_inflections_that_are_said(imbalance):
    roots, levels = shape.inflections(imbalance)
    for start in (-3.0, 0.0, 0.35, 0.5, 1.0):
        end = float(modes.time_to(4.0, initial=start, rate=1.0, imbalance=imbalance))
        t = np.linspace(0, end, 2001)
        p = expit(modes.logit(t, initial=start, rate=1.0, imbalance=imbalance))
        turns = np.flatnonzero(np.diff(np.sign(np.diff(p, 2))))
        wanted = levels[roots > start]
        assert len(turns) == len(wanted)
        assert np.all((p[turns] < wanted) & (wanted < p[turns + 3]))
        if len(wanted):
            assert wanted[-1] == shape.inflection(imbalance=imbalance).confidence


def test_imbalanced_inflections_against_multi_precision():
    C = np.concatenate([10 ** np.random.default_rng(0).uniform(-30, -0.24, 60), [0.585, 0.7, 3.0, 1e3, 1e8]])
    roots, levels = shape.inflections(C)
    with mp.workdps(80):
        for i, c in enumerate(C):
            for j in range(3 if c < 0.5852 else 1):
                exact = mp.findroot(lambda v, c=c: v - (v * v + mp.mpf(c) ** 2) * (3 * sigma(v) - 1), roots[i, j])
                unit = 1e-15 / np.sqrt(1 - c / 0.58522 if j else 1.0)
                assert abs(roots[i, j] - exact) <= unit * (exact if j == 1 else 1)
                assert abs(levels[i, j] - sigma(exact)) <= unit
    assert np.all(np.isnan(roots[C > 0.5852, 1:])) and not np.isnan(roots[C < 0.5852]).any()


def test_critical_imbalance():
    with mp.workdps(30):
        top = mp.findroot(lambda u: mp.diff(lambda v: v / (3 * sigma(v) - 1) - v * v, u), 0.4)
        critical = mp.sqrt(top / (3 * sigma(top) - 1) - top**2)
    assert abs(shape.CRITICAL_IMBALANCE - critical) < 2e-16
    below = shape.inflections(np.nextafter(shape.CRITICAL_IMBALANCE, 0)).logit
    assert np.allclose(below[1:], float(top), rtol=0, atol=1e-7)  # a root of an error of 1e-16
    assert shape.inflection(imbalance=shape.CRITICAL_IMBALANCE).logit < -np.log(2)


def test_imbalanced_inflections_at_the_ends():
    assert np.allclose(shape.inflections(0.0).logit, [-1.7723118177174717, 0, shape.inflection().logit], atol=1e-15)
    # C^2 is below the smallest float
    assert np.array_equal(shape.inflections(1e-200).logit, shape.inflections(0.0).logit)
    for huge in (1e300, np.inf):
        assert np.isclose(shape.inflections(huge).logit[0], -np.log(2), rtol=1e-15)
    assert shape.inflections(np.ones((2, 3))).logit.shape == (2, 3, 3)
    assert shape.inflections().logit.shape == (3,)


# -- bounds -------------------------------------------------------------------------------------------------

starts = st.one_of(st.floats(-300, np.log10(40)), st.floats(-3, 1)).map(lambda e: 10.0**e)
rates = st.floats(-3, 3).map(lambda e: 10.0**e)
times = st.one_of(
    st.just(0.0), st.floats(-9, 4).map(lambda e: 10.0**e), st.floats(-200, 297).map(lambda e: 10.0**e)
)


@FEW
@given(starts, rates, times)
def test_bounds_enclose_the_logit(initial, rate, time):
    arguments = {"initial": initial, "rate": rate}
    low, high = bounds.lower_bound(time, **arguments), bounds.upper_bound(time, **arguments)
    u = modes.logit(time, **arguments)
    # 1e-12 of the logit, as promised for this range, and the bound's own 2e-15 (1 + |log u0|) <= 1.4e-12
    assert low <= u * (1 + 3e-12)
    assert u <= high * (1 + 3e-12)


@FEW
@given(starts, rates, times, st.floats(-6, 6).map(lambda e: 10.0**e), st.booleans())
def test_bounds_with_imbalance(initial, rate, time, imbalance, negative):
    u0 = -initial if negative else initial
    u = modes.logit(time, initial=u0, rate=rate, imbalance=imbalance)
    speed = float(np.hypot(u, imbalance) * expit(-u))
    change = 2 * rate * time * speed + abs(u0) * speed / float(np.hypot(u0, imbalance) * expit(-u0))
    slack = UNIT * (abs(u) + change) + 1e-15 * (abs(u) + abs(u0))
    assert u - slack <= bounds.upper_bound(time, initial=u0, rate=rate, imbalance=imbalance)
    if not negative:
        assert bounds.lower_bound(time, initial=u0, rate=rate) <= (u + slack) * (1 + 3e-12)


def test_upper_bound_as_the_paper_has_it_needs_an_imbalance_of_at_most_two():
    t = np.array([1e-3, 0.01])
    plain = bounds.upper_bound(t, initial=0.0, rate=1.0)
    assert np.allclose(plain, 2 * np.log1p(t), rtol=1e-14)
    assert np.all(modes.logit(t, initial=0.0, rate=1.0, imbalance=1.99) < plain)
    assert np.all(modes.logit(t, initial=0.0, rate=1.0, imbalance=2.5) > plain)
    assert np.all(bounds.upper_bound(t, initial=0.0, rate=1.0, imbalance=[[0.0], [2.0]]) == plain)


def test_bounds_against_multi_precision():
    rng = np.random.default_rng(2)
    u0, t = 10 ** rng.uniform(-300, 2.7, 200), 10 ** rng.uniform(-3, 3, 200)
    low, high = bounds.lower_bound(t, initial=u0, rate=1.0), bounds.upper_bound(t, initial=-u0, rate=1.0)
    with mp.workdps(400):
        for i in range(200):
            start, time = mp.mpf(u0[i]), mp.mpf(t[i])
            x = mp.expm1(start) / 2
            exact = mp.log1p(2 * mp.lambertw(x * mp.exp(time + x)).real)
            assert abs(low[i] / exact - 1) < 2e-15 * (1 + (abs(mp.log(start)) if exact < 1 else 0))
            exact = 2 * mp.log(time + mp.exp(-start / 2))
            assert abs(high[i] - exact) < 1e-15 * (abs(exact) * (1 + abs(mp.log(time))) + start)


def test_bounds_at_the_ends():
    u0 = np.array([5e-324, 1e-300, 1.0, 599.9, 600.0, 1e5, 1e300])
    for bound in (bounds.lower_bound, bounds.upper_bound):
        assert np.allclose(bound(0.0, initial=u0, rate=2.0), u0, rtol=2e-12, atol=0)
        assert np.all(bound(np.inf, initial=u0, rate=2.0) == np.inf)
        assert bound(np.ones((3, 1)), initial=[1.0, 2.0], rate=1.0).shape == (3, 2)
        assert bound(1.0, initial=1.0, rate=1.0).shape == ()
    # kappa t = 1e600: log(2 kappa t) and 2 log(kappa t)
    both = [bound(1e300, initial=1e-300, rate=1e300) for bound in (bounds.lower_bound, bounds.upper_bound)]
    assert np.allclose(both, [np.log(2) + 600 * np.log(10), 1200 * np.log(10)], rtol=1e-15)
    # e^(-u0/2) = e^1000, and e^(u0/2) = e^1000 beside kappa t = 1e600
    assert np.isclose(bounds.upper_bound(5.0, initial=-2000.0, rate=1.0), 2 * np.log(5), rtol=0, atol=2e-12)
    far = 2000 + 2 * np.log1p(np.exp(600 * np.log(10) - 1000))
    assert np.isclose(bounds.upper_bound(1e300, initial=2000.0, rate=1e300), far, rtol=1e-14)
    # a start at which e^u begins to overflow, on both sides of the change of form
    near = bounds.lower_bound([1e260, 1e261], initial=[[600 * (1 - 1e-15)], [600.0]], rate=1.0)
    assert np.allclose(near[0], near[1], rtol=3e-15)


# -- the end ------------------------------------------------------------------------------------------------


def exact_logit(log_total, a, weight=1):
    """The u with int (weight + e^v) v^-a dv = e^log_total, from 1 on: e^log_total is beyond any lower end."""

    def total(u):
        if a == 1:
            return weight * mp.log(u) + mp.ei(u)
        return u ** (1 - a) / (1 - a) * (weight + mp.hyp1f1(1 - a, 2 - a, u))

    return mp.findroot(lambda u: mp.log(total(u)) - log_total, log_total + a * mp.log(log_total))


@pytest.mark.parametrize(("depth", "norm"), [(1, 3.0), (2, 3.0), (3, 0.2), (8, 5.0)])
@pytest.mark.parametrize("rate", [1e-2, 1.0, 50.0])
def test_asymptote_misses_the_next_term(depth, norm, rate):
    a = 2 - 2 / mp.mpf(depth)
    for t in (1e100, 1e300):
        three, four = (shape.asymptote(t, rate=rate, depth=depth, norm=norm, terms=n) for n in (3, 4))
        with mp.workdps(40):
            log_t, k = mp.log(t), mp.log(depth * mp.mpf(rate) * mp.mpf(norm) ** (2 / mp.mpf(depth) - 1))
            u, X = exact_logit(log_t + k, a), a * mp.log(log_t) + k
            first = a * (X - 1) / log_t
            second = a * (a * (X - 1) - X**2 / 2 + X - a / 2 - 1) / log_t**2
            # what is left is of the next order, with coefficients like those of the powers of 1 + |X|
            assert abs(u - three - first) < 2 * ((1 + abs(X)) / log_t) ** 2 + 1e-12
            assert abs(u - four - second) < 2 * ((1 + abs(X)) / log_t) ** 3 + 1e-12


def test_asymptote_of_a_softmax():
    for classes in (2, 3, 50):
        factor = mp.sqrt(mp.mpf(classes) / (classes - 1))
        with mp.workdps(40):
            log_t = mp.log(mp.mpf(1e300))
            k = mp.log(2 * 0.7 * factor * (classes - 1))
            u = exact_logit(mp.log(classes - 1) + mp.log(2 * 0.7 * factor) + log_t, 1, weight=classes - 1)
        X = mp.log(log_t) + k
        three, four = (shape.asymptote(1e300, rate=0.7, classes=classes, terms=n) for n in (3, 4))
        assert abs(three - (log_t + X)) < 1e-12
        assert abs(u - four) < 2 * ((1 + X) / log_t) ** 2 < abs(u - three)


def test_asymptote_knows_neither_start_nor_loss_and_imbalance_adds_half_its_square():
    t = 1e290
    at = {
        loss: modes.logit(t, initial=[1e-6, 5.0], rate=3.0, loss=loss) for loss in ("cross_entropy", "exponential")
    }
    error = at["cross_entropy"] - shape.asymptote(t, rate=3.0, terms=4)
    assert np.ptp(np.concatenate(list(at.values()))) < UNIT * 700
    assert np.all(np.abs(error) < 1e-3) and np.all(error != 0)
    more = modes.logit(t, initial=1e-6, rate=3.0, imbalance=2.0) - at["cross_entropy"][0]
    assert np.isclose(more * np.log(t) ** 2, 2.0, rtol=0.05)  # the next order is 1/log t, times log log t


def test_asymptote_at_the_ends():
    assert shape.asymptote(np.inf, rate=1.0) == np.inf
    assert shape.asymptote([3.0, np.inf], rate=[[1.0], [2.0]], terms=4).shape == (2, 2)
    assert shape.asymptote(10.0, rate=1.0, norm=7.0) == shape.asymptote(10.0, rate=1.0)
    with mp.workdps(30):
        assert abs(shape.asymptote(1e10, rate=2.0, depth=1, norm=0.5) - mp.log(10**10)) < 1e-14


# -- two classes --------------------------------------------------------------------------------------------


def theta(u0, u, depth=2, imbalance=0, classes=2):
    """The integral of 1/(R g) for cross-entropy."""
    a, u0, u = 2 - 2 / mp.mpf(depth), mp.mpf(float(u0)), mp.mpf(float(u))
    if classes != 2:
        return mp.quad(
            lambda v: (1 + mp.exp(v) / (classes - 1)) / v, np.geomspace(float(u0), float(u), 30).tolist()
        )
    if imbalance:
        turn = [mp.asinh(v / imbalance) for v in (u0, u)]
        return mp.quad(lambda v: 1 + mp.exp(imbalance * mp.sinh(v)), np.linspace(*turn, 9).tolist())
    if a == 1:
        return mp.log(u / u0) + mp.ei(u) - mp.ei(u0)
    part = [v ** (1 - a) / (1 - a) * (1 + mp.hyp1f1(1 - a, 2 - a, v)) for v in (u0, u)]
    return part[1] - part[0]


@pytest.mark.parametrize("initial", [(1e-4, 3e-2), (0.1, 1e-200), (0.3, 0.3)])
def test_time_ratio_against_multi_precision(initial):
    level = np.array([0.4, 2.0, 30.0])
    exact, plain, factor = time_ratio(level, initial=initial, rate=(2.1, 0.3))
    with mp.workdps(30):
        for i, u in enumerate(level):
            first, second = (theta(start, u) for start in initial)
            # two times, each with 4e-15 (1 + dlog t/dlog u + dlog t/dlog u0)
            steep = sum((1 + mp.exp(u) + 1 + mp.exp(start)) / theta(start, u) for start in initial)
            assert abs(factor[i] / (second / first) - 1) < UNIT * (3 + steep)
            assert abs(exact[i] / (mp.mpf(2.1) / mp.mpf(0.3) * second / first) - 1) < UNIT * (3 + steep)
            # the form of A.5: tv counted negative where class 2 starts lower
            tv = theta(*initial) if initial[0] <= initial[1] else -theta(initial[1], initial[0])
            assert abs(factor[i] - (1 - tv / first)) < UNIT * (3 + steep) * factor[i]
    assert np.all(plain == 2.1 / 0.3)
    if initial[0] == initial[1]:
        assert np.all(factor == 1.0) and np.all(exact == plain)


def test_time_ratio_with_unequal_imbalances():
    found = time_ratio(2.0, initial=(-0.5, 0.2), rate=(1.0, 4.0), imbalance=(0.7, 3.0))
    with mp.workdps(25):
        wanted = theta(0.2, 2.0, imbalance=mp.mpf(3)) / theta(-0.5, 2.0, imbalance=mp.mpf(0.7))
        assert abs(found.factor / wanted - 1) < 1e-13
    assert found.exact == 0.25 * found.factor


def test_time_ratio_of_other_depths_and_of_a_softmax():
    start, level = (0.05, 0.3), 2.5
    with mp.workdps(25):
        for depth in (1, 3, 8):
            found = time_ratio(level, initial=start, rate=(3.0, 0.5), depth=depth, norm=(0.5, 2.0))
            wanted = theta(start[1], level, depth) / theta(start[0], level, depth)
            plain = 6 * mp.mpf(0.25) ** (2 / mp.mpf(depth) - 1)
            # two times of 4e-15 (1 + ...), whose condition here is below 10
            assert abs(found.factor / wanted - 1) < 20 * UNIT
            assert abs(found.plain / plain - 1) < 1e-15 * 2
            assert abs(found.exact / (plain * wanted) - 1) < 20 * UNIT
        found = time_ratio(level, initial=start, rate=(3.0, 0.5), classes=[2, 10])
        for factor, classes in zip(found.factor, (2, 10), strict=True):
            wanted = theta(start[1], level, classes=classes) / theta(start[0], level, classes=classes)
            assert abs(factor / wanted - 1) < 20 * UNIT
    assert np.all(found.plain == 6.0)


def test_time_ratio_is_that_of_the_times():
    rate, initial = (np.array([[1.0], [2.0]]), np.array([0.1, 3.0, 7.0])), (1e-3, 0.02)
    for loss in ("cross_entropy", "hinge", "squared", "exponential"):
        found = time_ratio(0.7, initial=initial, rate=rate, imbalance=0.1, loss=loss)
        assert found.exact.shape == found.plain.shape == found.factor.shape == (2, 3)
        t1, t2 = (modes.time_to(0.7, initial=initial[i], rate=rate[i], imbalance=0.1, loss=loss) for i in range(2))
        assert np.allclose(found.exact, t2 / t1, rtol=1e-15)
        assert np.allclose(found.plain, rate[0] / rate[1], rtol=1e-15)


def test_limits_of_the_factor():
    def factor(level, initial):
        return float(time_ratio(level, initial=initial, rate=1.0).factor)

    tv = modes.time_to(0.5, initial=0.01, rate=1.0)
    for level in (8.0, 12.0):
        t1 = modes.time_to(level, initial=0.01, rate=1.0)
        assert np.isclose((1 - factor(level, (0.01, 0.5))) * t1, tv, rtol=1e-9)
    for small in (1e-100, 1e-290):
        off = (1 - factor(2.0, (small, 3 * small))) * -np.log(small) / np.log(3)
        assert np.isclose(off, 1, rtol=8 / -np.log(small))  # the next order: (Ei(2) + log 2 - gamma)/2 and log 3
    assert factor(2.0, (0.01, 0.5)) < 1 < factor(2.0, (0.5, 0.01))
    apart = time_ratio(600.0, initial=0.1, rate=1.0, imbalance=(3.0, 1.0)).factor - 1
    assert np.isclose(apart * 600**2, (9 - 1) / 2, rtol=0.01)  # the next order is 2/600 of it


def test_deeper_factors_do_not_tend_to_one():
    for depth in (3, 4, 8):
        tiny = time_ratio(2.0, initial=(1e-100, 3e-100), rate=1.0, depth=depth).factor
        # the way from 1e-100 is longer than the rest by 1e33 at depth 3
        assert np.isclose(tiny, 3 ** (1 - (2 - 2 / depth)), rtol=1e-13)


def test_time_ratio_at_the_ends():
    found = time_ratio(1.0, initial=0.1, rate=(1e300, 1e-300))
    assert found.exact == found.plain == np.inf and found.factor == 1
    assert all(isinstance(part, np.ndarray) and part.shape == () for part in found)


# -- orthogonal points --------------------------------------------------------------------------------------


def test_orthogonal_points_learn_as_one_input():
    size, m, Y, z = 1.5, 3, np.array([0.05, 0.3]), np.array([0.2, 0.1])
    X = np.diag([size] * m + [1.0])
    data = dynsim.Dataset(X, [1] * m + [-1], weights=[0.8] * m + [1.0])
    W = np.vstack([np.column_stack([np.repeat(Y[:, None] / size, m, axis=1), [-0.1, -0.2]]), [-0.1] * m + [0.4]])
    network = dynsim.Network((W, np.append(z, -0.3)))
    t = np.linspace(0, 6, 30)
    run = dynsim.flow(network, data, times=t)
    one = orthogonal.one_input(m, norm=size, weight=0.8)
    a = Y / one.norm
    S, D = np.sum((a + z) ** 2), np.sum((a - z) ** 2)
    C = one.norm / 2 * np.sqrt(S * D)
    u = modes.logit(t, initial=one.norm / 4 * (S - D), rate=one.rate, imbalance=C)
    # the flow's tolerances are 1e-10 and 1e-12 a step
    assert np.allclose(run.margin[:, :m], u[:, None], rtol=1e-8)
    last = run.network.weights
    kept = m * (last[0][:2] @ X[0]) ** 2 - size**2 * last[1][:2] ** 2
    assert np.allclose(kept, m * Y**2 - size**2 * z**2, rtol=1e-7)
    assert np.isclose(one.rate, np.sqrt(m) * 0.8 * size) and np.isclose(one.rate, one.norm * one.frequency)
    assert orthogonal.one_input([1, 4], norm=2.0).rate.tolist() == [2.0, 4.0]


# -- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shape.inflection(0), r"^depth must be positive, got 0"),
        (lambda: shape.inflection([2, 0.5]), r"^depth must be at least 1, got 0\.5"),
        (lambda: shape.inflection(np.nan), r"^depth must be positive, got nan"),
        (lambda: shape.inflection(3, imbalance=0.1), r"^imbalance must be 0 unless .* depth 3 and 2 classes"),
        (lambda: shape.inflection(imbalance=0.1, classes=3), r"^imbalance must be 0 unless .* 0\.1 .* 3 classes"),
        (lambda: shape.inflection([1, 2, 3], imbalance=[0.0, 0.0]), r"^depth, imbalance and classes must"),
        (lambda: shape.inflection(classes=1), r"^classes must be whole numbers of at least 2, got 1"),
        (lambda: shape.inflections(-0.1), r"^imbalance must be at least 0, got -0\.1"),
        (lambda: bounds.lower_bound(1.0, initial=0.0, rate=1.0), r"^initial must be positive and finite"),
        (lambda: bounds.lower_bound(1.0, initial=1.0, rate=0.0), r"^rate must be positive and finite"),
        (lambda: bounds.upper_bound(-1.0, initial=1.0, rate=1.0), r"^time must be at least 0, got -1"),
        (lambda: bounds.upper_bound(1.0, initial=np.inf, rate=1.0), r"^initial must be finite"),
        (lambda: bounds.upper_bound([1.0, 2], initial=[1.0, 2, 3], rate=1.0), r"must broadcast .* \(2,\), \(3,\)"),
        (lambda: shape.asymptote(np.e, rate=1.0), r"^time must be larger than e, got 2\.718281828"),
        (lambda: shape.asymptote([9.0, 2.0], rate=1.0), r"^time must be larger than e, got 2"),
        (lambda: shape.asymptote(np.nan, rate=1.0), r"^time must be a number, got nan"),
        (lambda: shape.asymptote(9.0, rate=1.0, terms=5), r"^terms must be at most 4, got 5"),
        (lambda: shape.asymptote(9.0, rate=1.0, depth=0.5), r"^depth must be at least 1, got 0\.5"),
        (lambda: shape.asymptote(9.0, rate=1.0, depth=np.inf), r"^depth must be positive and finite"),
        (lambda: shape.asymptote(9.0, rate=1.0, classes=2.5), r"^classes must be whole numbers .* got 2\.5"),
        (lambda: shape.asymptote(9.0, rate=1.0, depth=3, classes=4), r"^depth must be 2 where classes"),
        (lambda: time_ratio(2.0, initial=(0.1, 0.2, 0.3), rate=1.0), r"^initial must be one number, or"),
        (lambda: time_ratio(2.0, initial=0.1, rate=(1.0, 0.0)), r"^rate must be positive and finite"),
        (lambda: time_ratio(0.15, initial=(0.1, 0.2), rate=1.0), r"^logit must be at least initial"),
        (lambda: time_ratio(0.2, initial=(0.1, 0.2), rate=1.0), r"^logit must be reached by both .*0\.2"),
        (lambda: time_ratio([1.0, 2.0], initial=0.1, rate=1.0, loss="hinge"), r"^logit must be reached .*2$"),
        (lambda: orthogonal.one_input(2.5, norm=1.0), r"^points must be whole numbers of at least 1, got 2\.5"),
        (lambda: orthogonal.one_input(2, norm=-1.0), r"^norm must be positive and finite, got -1"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
