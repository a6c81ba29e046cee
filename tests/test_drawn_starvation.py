"""What the figures on starvation show: the laws as they are written out here, and gradient descent step by step."""


import mpmath
import numpy as np
import pytest
from drawn import TIGHT, axes, curve, curves, marks, reproduced
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, root
from scipy.special import expit

from dynsim.paper import starved_networks

CLOSE = 1e-9


def lines(name, words):
    return [line for line in reproduced(name).lines if words in line.what]


# ---- eq 8 (v2) with z', written out ------------------------------------------------------------------------


def pull(m):
    return expit(-np.asarray(m))


def field(t, state, lam):
    """d(alpha, beta, z)/dt of a unit that is active on x1 and x1+x2; unit norms."""
    alpha, beta, z = state
    both, one = lam * pull(z * (alpha + beta)), (1.0 - lam) * pull(z * alpha)
    return np.array([z * (both + one), z * both, both * (alpha + beta) + one * alpha])


def flow(start, lam, times):
    """alpha, beta, z, shape (3, T)."""
    end = float(times[-1])
    found = solve_ivp(field, (0.0, end), start, t_eval=times, args=(lam,), **TIGHT)
    return found.y


def learnt(start, lam, level):
    """alpha, beta, z when z alpha = level."""

    def passed(t, state, lam):
        return state[0] * state[2] - level

    passed.terminal = True
    found = solve_ivp(field, (0.0, 1e5), start, events=passed, args=(lam,), **TIGHT)
    return found.y_events[0][0]


def descent(start, lam, lr, steps):
    """The same unit by gradient descent, every step: shape (3, steps + 1)."""
    out = [np.array(start, dtype=float)]
    for _ in range(steps):
        out.append(out[-1] + lr * field(0.0, out[-1], lam))
    return np.transpose(out)


def put_off(values):
    """How far a number at lr is off, from those at lr, lr/2, lr/4: from their limit, and what that leaves open."""
    coarse, middle, fine = values
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    limit = second + (second - first) / 3.0
    return np.abs(coarse - limit) + 2.0 * np.abs(second - first)


# ---- Thm 6.1 -----------------------------------------------------------------------------------------------


def check_pair(ax, below, k, said, read, *, start, lam, lr=0.05):
    """Curve k, its marks, their difference and the floor, where `read` makes a number of alpha, beta and z."""
    t, y = (np.asarray(a, dtype=float) for a in said)
    np.testing.assert_allclose(y, read(flow(start, lam, t)), rtol=CLOSE, atol=CLOSE)
    looks = np.arange(1.0, 41.0)
    runs = [descent(start, lam, lr / 2**j, round(40.0 / lr) * 2**j) for j in range(3)]
    seen = [read(run[:, :: round(1.0 / lr) * 2**j][:, 1:]) for j, run in enumerate(runs)]
    x, dots = marks(ax)[k]
    assert x.tolist() == pytest.approx(looks[1::2])
    np.testing.assert_allclose(dots, seen[0][1::2], rtol=1e-11)
    (x, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
    assert x.tolist() == pytest.approx(looks)
    np.testing.assert_allclose(off, np.abs(read(flow(start, lam, looks)) - seen[0]), rtol=1e-5, atol=2.0 * CLOSE)
    np.testing.assert_allclose(floor, put_off(seen), rtol=1e-6, atol=1e-12)
    assert np.all(off <= floor + 2.0 * CLOSE)


@pytest.mark.parametrize("beta", [0.1, 0.01])
@pytest.mark.parametrize("feature", [0, 1])
def test_theorem_6_1_confidences(beta, feature):
    left, _, below, _ = axes("theorem_6_1")
    said = curve(left, f"P on x{feature + 1}, beta0 = {beta:g}")
    k = 2 * [0.1, 0.01].index(beta) + feature
    check_pair(left, below, k, said, lambda s: expit(s[2] * s[feature]), start=(0.1, beta, 0.1), lam=0.1)


@pytest.mark.parametrize("k", range(4))
def test_theorem_6_1_shares_of_the_bound(k):
    alpha, beta, z, lam = ((0.1, 0.03, 0.1, 0.5), (0.3, 0.002, 0.1, 0.1), (0.1, 0.001, 0.3, 0.01), (0.1,) * 4)[k]
    _, right, _, below = axes("theorem_6_1")
    kind = "not covered" if k == 3 else "covered"
    said = curve(right, f"lam = {lam:g}, ({alpha:g}, {beta:g}, {z:g}), {kind}")
    check_pair(right, below, k, said, lambda s: s[1] / (lam * s[0]), start=(alpha, beta, z), lam=lam)
    assert (np.max(said[1]) > 1.0) == (k == 3)


def test_theorem_6_1_bound():
    left, right, *_ = axes("theorem_6_1")
    t, bound = curve(left, "bound")
    alpha, beta, z = flow((0.1, 0.01, 0.1), 0.1, t)
    np.testing.assert_allclose(bound, 1.0 / (1.0 + np.exp(-0.1 * z * alpha)), rtol=CLOSE)
    assert np.all(expit(z * beta) <= bound + CLOSE)
    assert curve(right, "bound")[1].tolist() == [1.0, 1.0]


# ---- Table 1, Figs. 6 and 10 -------------------------------------------------------------------------------


def sigma_of(exponent):
    return np.array([float(1 / (1 + mpmath.exp(-mpmath.mpf(float(e))))) for e in np.ravel(exponent)])


def test_table_1():
    ax, below = axes("table_1")
    printed = {0.99: (0.91, 0.71, 0.61, 0.51), 0.9999: (0.99, 0.86, 0.72, 0.52)}
    at = np.array([0.5, 0.2, 0.1, 0.01])
    for k, (P, numbers) in enumerate(printed.items()):
        L = np.log(P / (1.0 - P))
        lam, bound = curve(ax, f"P = {P:g}: the bound")
        np.testing.assert_allclose(bound, sigma_of(lam * L), rtol=1e-13)
        lam, said = curve(ax, f"P = {P:g}: eq 8")
        for i in (0, 50, 100):
            _, beta, z = learnt((0.1, 0.1 * lam[i], 0.1), lam[i], L)
            assert said[i] == pytest.approx(expit(z * beta), abs=CLOSE)
        x, y = curve(ax, f"P = {P:g}: as printed")
        assert (x.tolist(), tuple(y)) == (at.tolist(), numbers)
        # The differences of P = .99 have a floor, and its networks come after them.
        off = curves(below)[(0, 4)[k]]
        np.testing.assert_allclose(off, [at, np.abs(numbers - sigma_of(at * L))], rtol=1e-12)
    x, y = curve(ax, "P = 0.99: networks")
    found = lines("table_1", "networks as lr -> 0; eq 8")
    assert y.tolist() == [line.measured for line in found]
    (_, rounding), (_, off), (_, floor) = curves(below)[1:4]
    assert set(rounding) == {0.005}
    assert (off.tolist(), floor.tolist()) == ([line.discrepancy for line in found], [line.floor for line in found])


@pytest.mark.parametrize(("place", "name"), [(0, "Fig. 6"), (1, "Fig. 10")])
def test_figures_6_and_10(place, name):
    ax, below = axes("figure_6")[place], axes("figure_6")[2 + place]
    for P in (0.99, 0.9999):
        L = np.log(P / (1.0 - P))
        lam, drawn = curve(ax, f"{name}, P = {P:g}")
        exponent = lam * L + (0.1 * (1.0 - lam) * np.sqrt(L) if place == 0 else 0.0)
        np.testing.assert_allclose(drawn, sigma_of(exponent), rtol=1e-13)
        lam, said = curve(ax, f"eq 8, P = {P:g}")
        for i in (0, 40, 99):
            _, beta, z = learnt((0.1, 0.1 if place == 0 else 0.1 * lam[i], 0.1), lam[i], L)
            assert said[i] == pytest.approx(expit(z * beta), abs=CLOSE)
    x, y = curve(ax, "networks, P = 0.99")
    found = lines("figure_6", f"{name}, lam")
    assert y.tolist() == [line.measured for line in found] and len(x) == 5
    # Right in both: where eq 8 is what they are held against.
    right = [line.mended if place == 0 else line.predicted for line in found]
    off, floor = curves(below)[0][1], curves(below)[1][1]
    np.testing.assert_allclose(off, np.abs(np.array(right) - y), atol=1e-15)
    assert floor.tolist() == [line.floor for line in found]
    if place == 0:
        np.testing.assert_allclose(curves(below)[2][1], [line.discrepancy for line in found], rtol=1e-12)


# ---- Thm D.2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "beta"), [(0, 0.1), (1, -0.05)])
def test_theorem_d_2_in_time(k, beta):
    left, _, below, _ = axes("theorem_d_2")
    said = curve(left, f"z beta, beta0 = {beta:g}")
    start = (0.1, beta, 0.1)
    check_pair(left, below, k, said, lambda s: s[2] * s[1], start=start, lam=0.1)
    t, bound = curve(left, ("Thm D.2", "lam L")[k])
    alpha, _, z = flow(start, 0.1, t)
    np.testing.assert_allclose(bound, 0.1 * z * alpha + (z * 0.09 if k == 0 else 0.0), rtol=CLOSE, atol=CLOSE)
    assert np.all(said[1] <= bound + CLOSE)


def test_theorem_d_2_random_starts():
    _, right, _, below = axes("theorem_d_2")
    x, y = marks(right)[0]
    (x_off, off), (_, floor) = marks(below)
    starts = np.transpose(starved_networks.random_starts(60, 0.1, False, 2))
    assert len(x) == len(starts) == 60 and x_off.tolist() == x.tolist()
    L = np.log(99.0)
    for i in range(0, 60, 7):
        (alpha0, beta0, _), (_, beta, z) = starts[i], learnt(starts[i], 0.1, L)
        assert x[i] == pytest.approx(expit(0.1 * L + z * (beta0 - 0.1 * alpha0)), abs=CLOSE)
        assert y[i] == pytest.approx(expit(z * beta), abs=floor[i])
        assert off[i] == pytest.approx(abs(expit(z * beta) - y[i]), abs=2.0 * CLOSE)
    assert np.all(off <= floor) and np.all(y < x)
    assert np.array_equal(*curve(right, "bound of Thm D.2"))
    assert curve(right, "bound of Thm 6.1")[1] == pytest.approx(expit(0.1 * L))


# ---- linear and deep models --------------------------------------------------------------------------------


def of_lambert(v1, lam):
    """v2 of a linear model with the exponential loss, many digits."""
    r = mpmath.mpf(1 - lam) / mpmath.mpf(lam)
    with mpmath.workdps(40):
        return float(v1 + r - mpmath.lambertw(r * mpmath.exp(v1 + r)))


def linear_run(lam, lr, steps, loss):
    """v1 and v2 of a linear model from 0; both classes pull."""
    v = np.zeros((steps + 1, 2))
    g = {"exponential": lambda m: np.exp(-m), "cross_entropy": pull, "hinge": lambda m: float(m < 1.0)}[loss]
    for k in range(steps):
        one, both = (1.0 - lam) * g(v[k, 0]), lam * g(v[k].sum())
        v[k + 1] = v[k] + 2.0 * lr * np.array([one + both, both])
    return v.T


def test_linear_models_without_end():
    ax, _, below, _ = axes("linear_starvation")
    lam = 0.1
    v1, share = curve(ax, "exponential")
    np.testing.assert_allclose(share * lam * v1, [of_lambert(v, lam) for v in v1], rtol=1e-12)
    v1, share = curve(ax, "cross_entropy")

    def slope(v, y):
        """lam g2/((1 - lam) g1 + lam g2), with g1/g2 in logarithms."""
        return lam / ((1.0 - lam) * np.exp(np.logaddexp(0.0, v + y) - np.logaddexp(0.0, v)) + lam)

    path = solve_ivp(slope, (0.0, v1[-1]), [0.0], t_eval=v1, **TIGHT)
    np.testing.assert_allclose(share * lam * v1, path.y[0], rtol=1e-8)
    levels = np.linspace(0.25, 4.5, 18)
    for k, loss in enumerate(("exponential", "cross_entropy")):
        at = []
        for j in range(3):
            lr = 0.025 / 2**j
            at.append(np.interp(levels, *linear_run(lam, lr, round(60.0 / lr), loss)))
        first, second = 2.0 * at[1] - at[0], 2.0 * at[2] - at[1]
        limit = second + (second - first) / 3.0
        x, y = marks(ax)[k]
        np.testing.assert_allclose(x, levels[::2])
        np.testing.assert_allclose(y, (limit / (lam * levels))[::2], rtol=1e-12)
        said = np.interp(levels, *curve(ax, loss)) if k else [of_lambert(v, lam) / (lam * v) for v in levels]
        (x, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
        assert x.tolist() == pytest.approx(levels.tolist()) and np.all(off < floor)
        if k == 0:
            np.testing.assert_allclose(off, np.abs(said - limit / (lam * levels)), atol=1e-12)
    assert curve(ax, "v2 = lam v1")[1].tolist() == [1.0, 1.0]


def test_linear_models_that_stop():
    _, ax, _, below = axes("linear_starvation")
    levels, lr = np.linspace(0.1, 0.95, 18), 0.0005
    for k, lam in enumerate((0.5, 0.2, 0.1, 0.01)):
        v1, v2 = curve(ax, f"lam = {lam:g}")
        np.testing.assert_allclose(v2, np.minimum(lam * v1, lam / (1.0 + lam)), rtol=1e-14)
        seen = np.interp(levels, *linear_run(lam, lr, 3000, "hinge"))
        x, y = marks(ax)[k]
        np.testing.assert_allclose(x, levels)
        np.testing.assert_allclose(y, seen, rtol=1e-11)
        (_, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
        np.testing.assert_allclose(off, np.abs(np.minimum(lam * levels, lam / (1.0 + lam)) - seen), atol=1e-12)
        assert set(floor) == {2.0 * lam * lr} and np.all(off <= floor)


def chain_field(state, depth, lam):
    """d(alpha, beta, rho) of a balanced chain, (18.6): rho is each of its other weights; a linear model for 1."""
    alpha, beta, rho = state
    outer = rho ** (depth - 1)
    both, one = lam * pull(outer * (alpha + beta)), (1.0 - lam) * pull(outer * alpha)
    along = both * (alpha + beta) + one * alpha
    # A linear model has no other weights, and both classes pull it.
    if depth == 1:
        return 2.0 * np.array([both + one, both, 0.0])
    return np.array([outer * (both + one), outer * both, rho ** (depth - 2) * along])


def chain_start(depth):
    rho = np.hypot(0.01, 0.001) ** (1.0 / depth)
    outer = rho ** (depth - 1)
    return np.array([0.01 / outer, 0.001 / outer, rho])


@pytest.mark.parametrize(("k", "depth"), list(enumerate((1, 2, 3, 5))))
def test_chains_in_time(k, depth):
    ax, _, below, _ = axes("deep_starvation")
    start = chain_start(depth)
    t, ratio = curve(ax, f"N = {depth}")
    found = solve_ivp(lambda t, s: chain_field(s, depth, 0.1), (0.0, t[-1]), start, t_eval=t, **TIGHT)
    np.testing.assert_allclose(ratio, found.y[1] / found.y[0], rtol=1e-8)
    x, dots = marks(ax)[k]
    steps = np.rint(x / 0.1).astype(int)
    state, run = start, [start]
    for _ in range(steps[-1]):
        state = state + 0.1 * chain_field(state, depth, 0.1)
        run.append(state)
    seen = np.array(run)[steps]
    np.testing.assert_allclose(dots, seen[:, 1] / seen[:, 0], rtol=1e-10)
    (x_off, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
    assert x_off.tolist() == x.tolist()
    np.testing.assert_allclose(off, np.abs(ratio[np.isin(t, x)] - dots), rtol=1e-9)
    assert np.all(off <= floor + 1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_slopes_far_out(depth):
    _, ax, _, below = axes("deep_starvation")
    log_t, slope = curve(ax, f"N = {depth},")
    early = log_t < 4.5
    # Without a hidden layer the equation is that of one class: half the speed of a linear model.
    speed = 0.5 if depth == 1 else 1.0
    found = solve_ivp(
        lambda t, s: speed * chain_field(s, depth, 0.1), (0.0, float(np.exp(log_t[early][-1]))), chain_start(depth),
        t_eval=np.exp(log_t[early]), **TIGHT,
    )  # fmt: skip
    rates = np.array([chain_field(state, depth, 0.1) for state in found.y.T]).T
    outer = (depth - 1) * rates[2] / found.y[2]
    expected = (rates[1] / found.y[1] + outer) / (rates[0] / found.y[0] + outer)
    assert early.sum() > 3
    np.testing.assert_allclose(slope[early], expected, rtol=1e-7)
    if depth > 1:
        # In the end below 1 - 1/N, by ((N-1)/N^2) (v2/v1)^2.
        k = (2, 3, 5).index(depth)
        (_, off), (_, rest) = curves(below)[2 * k : 2 * k + 2]
        np.testing.assert_allclose(off, np.abs(slope - 1.0 + 1.0 / depth), atol=1e-12)
        assert off[-1] == pytest.approx(rest[-1], rel=0.02)


# ---- spectral decoupling -----------------------------------------------------------------------------------


def response_ends(s1, penalty):
    """z where U^T g(U z) = lam z/s^2, or where g(m) = lam m for every margin m."""
    d, lam = 0.5, 0.01
    U = np.array([[np.sqrt(1.0 - d * d), -d], [d, np.sqrt(1.0 - d * d)]])
    if penalty == "spectral decoupling":
        return U.T @ np.full(2, brentq(lambda m: pull(m) - lam * m, 1.0, 10.0, xtol=1e-13))
    s = np.array([s1, 2.0])
    return root(lambda z: U.T @ pull(U @ z) - lam * z / s**2, [6.0, 1.5], tol=1e-13).x


@pytest.mark.parametrize("j", [0, 1])
def test_responses(j):
    ax, below = axes("spectral_decoupling")[j], axes("spectral_decoupling")[2 + j]
    for k, penalty in enumerate(("weight decay", "spectral decoupling")):
        s1, z = curve(ax, penalty)
        np.testing.assert_allclose(z, [response_ends(s, penalty)[j] for s in s1], rtol=1e-10)
        x, y = marks(ax)[k]
        ends = np.array([response_ends(s, penalty)[j] for s in x])
        (_, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
        assert np.all(np.abs(ends - y) <= floor + 1e-10)
        np.testing.assert_allclose(off, np.abs(ends - y), atol=1e-10)
        found = [line for line in lines("spectral_decoupling", penalty) if f"z{j + 1}" in line.what]
        assert y.tolist() == [line.measured for line in found]
        assert floor.tolist() == [line.floor for line in found]
