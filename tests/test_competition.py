"""Two classes that compete for one unit: against multi-precision, forward integration and maps of its own."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from dynsim.fates import Winner
from dynsim.theory import competition, modes, phases, separatrix

#: Fig. 3 right (v2): starts with unit norms and frequencies, and what dies when (class, about when).
PAPER = [((0.1, 0.1, 0.1), 1, 1.623), ((0.2, 0.9, 0.2), 0, 2.247), ((1.0, 0.0, -1.1), 0, 2.662)]
#: Norms and frequencies.
SETTINGS = [((1.0, 1.0), (1.0, 1.0)), ((0.7, 1.5), (0.7, 0.3)), ((2.0, 0.4), (0.2, 0.9))]
SIZES, WEIGHTS = st.floats(0.01, 3.0), st.floats(-2.0, 2.0)
PAIRS = st.tuples(st.floats(0.3, 3.0), st.floats(0.3, 3.0))


def field(alpha, beta, z, norms, frequencies):
    """Eq 4 (v2), written once more."""
    g1, g2 = frequencies[0] * expit(-z * alpha), frequencies[1] * expit(z * beta)
    return norms[0] ** 2 * z * g1, -(norms[1] ** 2) * z * g2, alpha * g1 - beta * g2


def random_starts(count, rng, low=0.01, high=5.0):
    """alpha/a, beta/b and z of all sizes, norms and frequencies."""
    A, B, z = np.exp(rng.uniform(np.log(low), np.log(high), (3, count)))
    norms, frequencies = rng.uniform(0.3, 3.0, (2, count)), rng.uniform(0.2, 1.0, (2, count))
    return norms[0] * A, norms[1] * B, z * rng.choice([-1.0, 1.0], count), norms, frequencies


def by_forward_steps(alpha, beta, z, norms, frequencies):
    """1 or 2: which class wins, by the classical method of Runge and Kutta."""
    state, out = np.array([alpha, beta, z]), np.zeros(len(z), dtype=int)
    (a, b), (p, q) = np.array(norms), np.array(frequencies)
    left = np.arange(len(z))
    # The largest eigenvalue is of order p a (1 + z alpha) and its like; 2.8 / h is the limit of stability.
    while left.size:
        n, f, s = (a[left], b[left]), (p[left], q[left]), state[:, left]
        size2 = (s[0] / n[0]) ** 2 + (s[1] / n[1]) ** 2 + s[2] ** 2
        h = 0.3 / ((f[0] * n[0] + f[1] * n[1]) * (1.0 + size2 * (n[0] + n[1]) / 4.0))
        k1 = np.array(field(*s, n, f))
        k2 = np.array(field(*(s + h / 2 * k1), n, f))
        k3 = np.array(field(*(s + h / 2 * k2), n, f))
        k4 = np.array(field(*(s + h * k3), n, f))
        state[:, left] = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        out[left] = np.where(state[1, left] <= 0, 1, np.where(state[0, left] <= 0, 2, 0))
        left = left[out[left] == 0]
    return out


def numbers(winners):
    return np.array([int(one) for one in np.ravel(winners)])


# -- paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "dead", "about"), PAPER)
def test_times_of_death_of_figure_3_against_multi_precision(start, dead, about):
    def exact(_, y):
        alpha, beta, z = y
        g1, g2 = 1 / (1 + mpmath.exp(z * alpha)), 1 / (1 + mpmath.exp(-z * beta)) if start[1] else 0
        return [z * g1, -z * g2, alpha * g1 - beta * g2]

    path = mpmath.odefun(exact, 0, [mpmath.mpf(x) for x in start], tol=1e-14)
    reference = float(mpmath.findroot(lambda t: path(t)[dead], about, tol=1e-13))
    death = competition.solve(*start, times=[0.0, 12.0]).death
    assert round(float(death[dead]), 3) == about
    assert death[dead] == pytest.approx(reference, rel=1e-9)
    assert death[1 - dead] == (np.inf if start[1] else 0.0)


def test_the_invariant_is_kept():
    alpha, beta, z, norms, frequencies = random_starts(60, np.random.default_rng(0))
    times = np.concatenate([[0.0], np.geomspace(1e-2, 1e3, 60)])
    path = competition.solve(alpha, beta, z, norms=norms, frequencies=frequencies, times=times)
    c = competition.invariant(path.alpha, path.beta, path.z, norms=norms)
    # rtol 3e-13 a step, some hundred steps, and A^2, B^2, z^2 up to 3 x 25: 1e-9 with a decade to spare.
    assert np.abs(c - c[0]).max() < 1e-9
    assert path.alpha.shape == (61, 60)
    assert path.margin.shape == path.confidence.shape == (61, 60, 2)


def test_what_dies_stays_dead_and_the_survivor_follows_the_law_of_one_class():
    times = np.linspace(0.0, 50.0, 101)
    path = competition.solve(0.3, 0.2, 0.4, norms=(0.7, 1.5), frequencies=(0.7, 0.3), times=times)
    dead = times >= path.death[1]
    assert np.all(path.beta[dead] == 0.0)
    assert np.all(path.beta[~dead] > 0.0)
    assert np.all(path.confidence[dead, 1] == 0.5)
    u = path.z * path.alpha
    first = np.flatnonzero(dead)[0]
    C = 0.5 * 0.7 * np.abs((path.alpha[first] / 0.7) ** 2 - path.z[first] ** 2)
    expected = modes.logit(times[dead] - times[first], initial=u[first], rate=0.49, imbalance=C)
    # The interpolation between the steps of DOP853 is of order 7 and good to some 1e-11 at this tolerance.
    np.testing.assert_allclose(u[dead], expected, rtol=1e-9)


def test_a_path_goes_on_from_where_it_is():
    start, times = (0.2, 0.9, 0.2), np.array([0.0, 1.0, 2.0, 3.0, 8.0])
    whole = competition.solve(*start, times=times)
    for i in (1, 3):
        state = whole.alpha[i], whole.beta[i], whole.z[i]
        rest = competition.solve(*state, times=times[i:] - times[i])
        for name in ("alpha", "beta", "z"):
            np.testing.assert_allclose(getattr(rest, name), getattr(whole, name)[i:], rtol=1e-9, atol=1e-12)
        expected = np.maximum(whole.death - times[i], 0.0)
        np.testing.assert_allclose(rest.death, expected, rtol=1e-9)


def test_deaths_agree_with_the_winner_and_are_awaited():
    alpha, beta, z, norms, frequencies = random_starts(40, np.random.default_rng(1))
    alpha[:8], beta[4:12] = 0.0, 0.0
    path = competition.solve(alpha, beta, z, norms=norms, frequencies=frequencies, times=[0.0])
    won = numbers(competition.winner(alpha, beta, z, norms=norms, frequencies=frequencies))
    assert np.array_equal(np.isinf(path.death[:, 0]), won == Winner.CLASS_1)
    assert np.array_equal(np.isinf(path.death[:, 1]), won == Winner.CLASS_2)
    assert set(won) == {0, 1, 2}


def test_large_units_near_the_separatrix_leave_it():
    # Eigenvalues of 7e3 and 1e-4: an explicit method, or differences for a Jacobian, would not end.
    path = competition.solve(100.0, [100.0, 110.0], [1e-3, 1e-3], times=[0.0, 10.0])
    assert np.array_equal(np.isinf(path.death), [[True, False], [False, True]])
    c = competition.invariant(path.alpha, path.beta, path.z)
    np.testing.assert_allclose(c[1], c[0], rtol=1e-10)


def test_a_unit_active_on_neither_class_stays():
    path = competition.solve(0.0, 0.0, 0.7, times=[0.0, 5.0])
    assert np.array_equal(path.z, [0.7, 0.7])
    assert np.array_equal(path.death, [0.0, 0.0])


# -- winners -------------------------------------------------------------------------------------------------


def test_winners_of_random_starts_are_those_of_forward_integration():
    alpha, beta, z, norms, frequencies = random_starts(3000, np.random.default_rng(2))
    ours = numbers(competition.winner(alpha, beta, z, norms=norms, frequencies=frequencies))
    height = competition.clearance(alpha, beta, z, norms=norms, frequencies=frequencies).height
    # A step of 0.3 errs by some 0.3^5/120, relative, and all by 1e-4: nearer to the separatrix they may be wrong.
    clear = np.abs(height) > 1e-3 * np.hypot(np.abs(z), 0.01)
    forward = by_forward_steps(alpha[clear], beta[clear], z[clear], norms[:, clear], frequencies[:, clear])
    assert clear.sum() > 2900
    assert np.array_equal(ours[clear], forward)
    assert min((ours == 1).sum(), (ours == 2).sum()) > 1000


@settings(deadline=None, max_examples=30)
@given(SIZES, SIZES, WEIGHTS, PAIRS, PAIRS)
def test_swapping_the_classes_swaps_everything(alpha, beta, z, norms, frequencies):
    one = {"norms": norms, "frequencies": frequencies}
    two = {"norms": norms[::-1], "frequencies": frequencies[::-1]}
    swap = {1: 2, 2: 1, 3: 3}
    first, second = competition.winner(alpha, beta, z, **one), competition.winner(beta, alpha, -z, **two)
    assert swap[int(first[()])] == int(second[()])
    here, there = competition.clearance(alpha, beta, z, **one), competition.clearance(beta, alpha, -z, **two)
    np.testing.assert_allclose(here.height, -there.height, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(here.shift, -there.shift, rtol=1e-8, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, WEIGHTS, PAIRS, PAIRS)
def test_small_units_are_told_apart_by_a_plane(alpha, beta, z, norms, frequencies):
    # With g1 = g2 = 1/2 the flow is linear, and this sum its growing mode.
    p, a = np.array(frequencies), np.array(norms)
    terms = np.array([p[0] * alpha, -p[1] * beta, np.hypot(*(p * a)) * z])
    sure = np.abs(terms.sum()) > 1e-6 * np.abs(terms).sum()
    small = competition.winner(*(1e-6 * np.array([alpha, beta, z])), norms=norms, frequencies=frequencies)
    # Neglected: the logits, 1e-12 x 9, times the time in the linear regime, which is below 30 in units of the rate.
    assert not sure or small[()] == (Winner.CLASS_1 if terms.sum() > 0 else Winner.CLASS_2)


def test_below_c_0_the_sign_of_z_decides():
    alpha, beta, z, norms, frequencies = random_starts(500, np.random.default_rng(3))
    z = np.copysign(np.hypot(alpha / norms[0], beta / norms[1]) * 1.000001, z)
    won = numbers(competition.winner(alpha, beta, z, norms=norms, frequencies=frequencies))
    assert np.array_equal(won, np.where(z > 0, 1, 2))
    height, shift = competition.clearance(alpha, beta, z, norms=norms, frequencies=frequencies)
    assert np.array_equal(height, np.copysign(np.inf, z))
    assert np.all(shift == 0.0)


def test_one_class_alone():
    z = np.array([-0.9, -1.1, 0.3])
    assert competition.winner(1.0, 0.0, z).tolist() == [Winner.CLASS_1, Winner.NEITHER, Winner.CLASS_1]
    assert competition.winner(0.0, 1.0, -z).tolist() == [Winner.CLASS_2, Winner.NEITHER, Winner.CLASS_2]
    assert competition.winner(0.3, 0.0, -0.1, norms=(3.0, 1.0))[()] is Winner.NEITHER  # 3.0 * 0.1 is above 0.3
    assert competition.winner(0.5, 0.0, [-0.25, -0.2], norms=(2.0, 1.0)).tolist() == [3, 1]
    fates = phases.fate(1.0, z)
    assert [fate is phases.Fate.SOLVES for fate in fates] == [True, False, True]
    assert competition.winner(0.0, 0.0, 1.0)[()] is Winner.NEITHER
    assert np.all(np.isnan(competition.clearance([1.0, 0.0], [0.0, 0.0], 1.0).height))


def test_sizes_far_apart_neither_overflow_nor_mislead():
    won = competition.winner([1e50, 1e-200, 1e-200, 1e40], [1e-50, 1.0, 1.0, 1e40], [1e30, 2.0, -1e-8, 1e35])
    assert won[:3].tolist() == [Winner.CLASS_1, Winner.CLASS_1, Winner.CLASS_2]
    # By symmetry alpha = beta is told apart by the sign of z.
    assert won[3] is Winner.CLASS_1


# -- the separatrix ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norms", "frequencies"), SETTINGS)
@pytest.mark.parametrize("c", [0.5, 1.0, 4.0, 25.0])
def test_the_separatrix_runs_into_the_saddle(c, norms, frequencies):
    both = {"norms": norms, "frequencies": frequencies}
    curve = competition.separatrix(c, **both, points=40)
    middle = competition.saddle(c, **both)
    velocity = field(middle.alpha, middle.beta, 0.0, norms, frequencies)
    assert np.abs(velocity).max() < 4e-16 * np.sqrt(c) * max(norms)
    assert curve.z[40] == 0.0
    assert curve.time[40] == np.inf
    at = np.abs(competition.invariant(curve.alpha, curve.beta, curve.z, norms=norms) - c)
    assert np.max(at / (c + curve.z**2)) < 1e-14
    for i in (20, 60):
        # From an error e the path comes as close as e^(r/(1+r)), r = s^2 >= 1.3 here: 1e-12 gives 2e-7.
        start = curve.alpha[i], curve.beta[i], curve.z[i]
        path = competition.solve(*start, **both, times=np.linspace(0, 100, 4001))
        away = np.hypot((path.alpha - middle.alpha) / norms[0], (path.beta - middle.beta) / norms[1])
        assert np.hypot(away, path.z).min() < 1e-6 * np.sqrt(c)


@pytest.mark.parametrize(("norms", "frequencies"), SETTINGS)
@pytest.mark.parametrize("c", [1e-6, 1.0, 40.0])
def test_the_stable_eigenvector_of_the_saddle(c, norms, frequencies):
    middle = competition.saddle(c, norms=norms, frequencies=frequencies)
    place = np.array([float(middle.alpha), float(middle.beta), 0.0])
    h = 1e-6 * np.sqrt(c)
    ends = [[field(*(place + sign * e), norms, frequencies) for sign in (1.0, -1.0)] for e in h * np.eye(3)]
    values, vectors = np.linalg.eig(np.array([np.subtract(*pair) / (2 * h) for pair in ends]).T)
    stable = int(np.argmin(values.real))
    one = np.ones(1)
    sheet = separatrix.Sheet(
        np.sqrt(c) * one, *(one * p * a for p, a in zip(frequencies, norms, strict=True)), *(one * a for a in norms)
    )
    at, (along_alpha, along_beta, along_z) = separatrix.saddle(sheet), vectors[:, stable].real
    # Central differences: h^2 c of the third derivative, and a rounding over h.
    assert at.rate[0] == pytest.approx(-values[stable].real, rel=1e-8)
    eta = along_beta / place[1] - along_alpha / place[0]
    assert at.slope[0] == pytest.approx(along_z / np.sqrt(c) / eta, rel=1e-8)


def test_the_separatrix_against_multi_precision():
    with mpmath.workdps(18):
        a, b, p, q = (mpmath.mpf(x) for x in ("0.7", "1.5", "0.7", "0.3"))
        m = mpmath.sqrt(2 / (q**2 / a**2 + p**2 / b**2))
        damping, growth = (p * (q * m) ** 2 + q * (p * m) ** 2) / 4, (p * p * a * a + q * q * b * b) / 4
        rate = (damping + mpmath.sqrt(damping**2 + 4 * growth)) / 2
        near = mpmath.mpf(10) ** -9
        start = [q * m - near * p * a**2 / (2 * rate), p * m + near * q * b**2 / (2 * rate), near]

        def back(_, y):
            g1, g2 = p / (1 + mpmath.exp(y[2] * y[0])), q / (1 + mpmath.exp(-y[2] * y[1]))
            return [-a * a * y[2] * g1, b * b * y[2] * g2, y[1] * g2 - y[0] * g1]

        # The line is off by 1e-18 where this starts, and what is off shrinks on the way.
        end = mpmath.odefun(back, 0, start, tol=mpmath.mpf(10) ** -16)(20.5 / rate)
        point = [float(x) for x in end]
    height = competition.clearance(*point, norms=(0.7, 1.5), frequencies=(0.7, 0.3)).height
    assert point[2] > 0.9
    # 5e-12 of zeta is promised; z is 0.96 and zeta 0.63 here.
    assert abs(height) < 5e-12


@pytest.mark.parametrize(("norms", "frequencies"), SETTINGS)
def test_points_of_the_curve_have_no_clearance_and_its_times_are_those_of_the_flow(norms, frequencies):
    both = {"norms": norms, "frequencies": frequencies}
    curve = competition.separatrix(2.0, **both, points=60)
    inside = (curve.alpha > 0) & (curve.beta > 0)
    point = curve.alpha[inside], curve.beta[inside], curve.z[inside]
    height, shift = competition.clearance(*point, **both)
    assert set(competition.winner(*point, **both)) == {Winner.SEPARATRIX}
    assert np.max(np.abs(height) / (np.sqrt(2.0) + np.abs(point[2]))) < 1e-11
    np.testing.assert_allclose(shift, curve.shift[inside], atol=1e-9 * np.abs(shift).max())
    i, j = 30, 35
    span = curve.time[j] - curve.time[i]
    path = competition.solve(curve.alpha[i], curve.beta[i], curve.z[i], **both, times=[0.0, span])
    np.testing.assert_allclose([path.alpha[1], path.z[1]], [curve.alpha[j], curve.z[j]], rtol=1e-8)


def test_the_curve_stays_between_its_bounds_and_tends_to_the_small_one():
    for c in (1e-10, 1.0, 100.0):
        for norms, frequencies in SETTINGS:
            curve = competition.separatrix(c, norms=norms, frequencies=frequencies, points=50)
            A, B = curve.alpha[:50] / norms[0], curve.beta[:50] / norms[1]
            theta, least = np.arctan2(B, A), np.arctan(frequencies[0] * norms[0] / (frequencies[1] * norms[1]))
            cosh = np.hypot(A, B) / np.sqrt(c)
            inside = A > 0
            assert np.all(cosh > (1 - 1e-14) / np.cos(theta - least))
            assert np.all((cosh < (1 + 1e-13) * np.cos(least) / np.cos(theta))[inside])
            if c == 1e-10:
                # g1/g2 is 1 up to z (alpha + beta)/2, which is c times norms and cosh^2 here.
                np.testing.assert_allclose(cosh, 1 / np.cos(theta - least), rtol=1e-7)


def test_the_reach_of_the_curve():
    curve = competition.separatrix(1.0, frequencies=(0.7, 0.3), reach=0.4, points=10)
    np.testing.assert_allclose(curve.z[[0, -1]], [0.4, -0.4], rtol=1e-10)
    edge = competition.separatrix(1e-4, reach=10.0, points=10)
    assert edge.alpha[0] == edge.beta[-1] == 0.0
    # Small scale: cosh(zeta) = 1/cos(45 degrees) at the edge.
    np.testing.assert_allclose(edge.z[[0, -1]], [0.01, -0.01], rtol=1e-3)


# -- gradient descent ----------------------------------------------------------------------------------------


def descends_to_class_1(alpha, beta, z, norms, frequencies, lr):
    """Whether gradient descent, the map itself, ends with beta <= 0."""
    state, out = np.array([alpha, beta, z]), np.zeros(len(z), dtype=bool)
    left = np.arange(len(z))
    while left.size:
        state[:, left] += lr[left] * np.array(field(*state[:, left], norms, frequencies))
        out[left] = state[1, left] <= 0
        left = left[(state[1, left] > 0) & (state[0, left] > 0)]
    return out


def displacement(place, lr, norms, frequencies, sections=64):
    """The height at which the winner of gradient descent changes, for each lr, by dividing a bracket."""
    c, ratio, zeta = place
    low, high = zeta - 0.3 * lr, zeta + 0.3 * lr
    for _ in range(5):
        tried = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, sections)
        R = np.sqrt(c) * np.cosh(tried)
        alpha, beta = norms[0] * R / np.hypot(1, ratio), norms[1] * R * ratio / np.hypot(1, ratio)
        z, rates = np.sqrt(c) * np.sinh(tried), np.repeat(lr, sections)
        first = descends_to_class_1(alpha.ravel(), beta.ravel(), z.ravel(), norms, frequencies, rates)
        first = first.reshape(tried.shape)
        assert np.all(np.diff(first.astype(int)) >= 0)
        at, rows = np.argmax(first, axis=1), np.arange(len(lr))
        assert np.all(at > 0)
        low, high = tried[rows, at - 1], tried[rows, at]
    return np.sqrt(c) * (np.sinh(high) - np.sinh(zeta))


@pytest.mark.parametrize(
    ("norms", "frequencies", "c", "turn", "largest"),
    [
        ((1.0, 1.0), (1.0, 1.0), 1.0, 3.0, 0.02),
        ((0.7, 1.5), (0.7, 0.3), 4.0, -1.0, 0.04),
        ((0.7, 1.5), (0.7, 0.3), 1.0, 2.0, 0.04),
    ],
)
def test_gradient_descent_displaces_the_separatrix_by_the_shift(norms, frequencies, c, turn, largest):
    rates = largest / np.array([1.0, 2.0, 4.0])
    ratio = frequencies[0] * norms[0] / (frequencies[1] * norms[1]) * np.exp(turn)
    along = np.sqrt(c) / np.hypot(1, ratio)
    start = norms[0] * along, norms[1] * along * ratio, 0.0
    height, shift = competition.clearance(*start, norms=norms, frequencies=frequencies)
    # The start has z = 0; the separatrix is on the same sheet at the same theta.
    zeta = np.arcsinh(-height / np.sqrt(c))
    off = displacement((c, ratio, zeta), rates, norms, frequencies) / rates - shift
    # The next order is lr: halving lr halves it, up to the one after that, of relative size lr.
    order = np.log2(off[:-1] / off[1:])
    assert np.all(np.abs(order - 1.0) < 0.1)
    assert np.abs(off[-1]) < 0.02 * np.abs(shift)
    # The remainder that the comparison with trained networks allows for.
    assert np.all(np.abs(off) < 2.0 * rates)


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["winner", "clearance", "invariant", "solve"])
@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((-0.1, 1.0, 1.0), r"alpha must be at least 0 and finite, got -0\.1"),
        ((1.0, -2.0, 1.0), r"beta must be at least 0 and finite, got -2"),
        ((1.0, 1.0, np.nan), r"z must be finite, got nan"),
        ((np.inf, 1.0, 1.0), r"alpha must be at least 0 and finite, got inf"),
        ((1.0, [1.0, 2.0], [1.0, 2.0, 3.0]), r"must broadcast to one shape"),
    ],
)
def test_bad_starts(name, start, message):
    more = {"times": [0.0, 1.0]} if name == "solve" else {}
    with pytest.raises(ValueError, match=message):
        getattr(competition, name)(*start, **more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norms": (1.0, 0.0)}, r"norms must be positive and finite, got 0"),
        ({"norms": (1.0, 1.0, 1.0)}, r"norms must be a pair, one value a class"),
        ({"norms": 1.0}, r"norms must be a pair, one value a class, got 1\.0"),
        ({"frequencies": (1.0, np.nan)}, r"frequencies must be positive and finite, got nan"),
        ({"frequencies": (-1.0, 1.0)}, r"frequencies must be positive and finite, got -1"),
    ],
)
def test_bad_norms_and_frequencies(options, message):
    for call in (
        lambda: competition.winner(1.0, 1.0, 1.0, **options),
        lambda: competition.saddle(1.0, **options),
        lambda: competition.separatrix(1.0, **options),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_other_bad_arguments():
    for c in (0.0, -1.0):
        with pytest.raises(ValueError, match=r"where c <= 0 there is no saddle and no separatrix"):
            competition.separatrix(c)
    with pytest.raises(ValueError, match=r"c must be positive and finite, got 0"):
        competition.saddle(0.0)
    with pytest.raises(ValueError, match=r"norms must be two numbers"):
        competition.separatrix(1.0, norms=([1.0, 2.0], 1.0))
    with pytest.raises(ValueError, match=r"reach must be positive and finite, got 0"):
        competition.separatrix(1.0, reach=0)
    with pytest.raises(ValueError, match=r"points must be an integer of at least 2, got 1"):
        competition.separatrix(1.0, points=1)
    with pytest.raises(ValueError, match=r"times must increase"):
        competition.solve(1.0, 1.0, 1.0, times=[1.0, 0.5])


def test_paths_too_stiff_to_follow_are_refused():
    with pytest.raises(ValueError, match=r"must be at most 1000 to be followed in time, got 1e\+10"):
        competition.solve(1e10, 1e10, 1.0, times=[0.0, 1.0])


def test_results_cannot_be_changed():
    for found in (competition.solve(0.1, 0.1, 0.1, times=[0.0, 1.0]), competition.separatrix(1.0, points=5)):
        with pytest.raises(ValueError, match=r"read-only"):
            found.alpha[0] = 1.0


def test_numbers_whose_products_overflow_are_refused():
    with pytest.raises(ValueError, match=r"beta must be at most 1e\+60, got 1e\+150"):
        competition.winner(1.0, 1e150, 1.0)
    with pytest.raises(ValueError, match=r"frequencies\[1\] must be at most 1e\+60, got 1e\+99"):
        competition.clearance(1.0, 1.0, 1.0, frequencies=(1.0, 1e99))
