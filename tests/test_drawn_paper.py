"""What the figures of the main part show: laws written out here, and gradient descent on the units themselves.

Each panel of differences is checked where marks are drawn: it holds what is between the law and the marks. Curves
and floors alternate in it, and no difference is above its floor.
"""


import mpmath
import numpy as np
import pytest
from drawn import TIGHT, axes, curves, marks
from scipy import integrate, optimize, special

from dynsim import init
from dynsim.data import gaussian_classes, point_classes
from dynsim.paper import corollary_3_3, figure_2, figure_2_left, figure_4, figure_5, figure_9, lemma_3_1

#: So far apart may an integration and a closed form be, and so far gradient descent written in two ways.
CLOSE, ROUNDED = 1e-9, 1e-11


def check(drawn, law, tolerance=CLOSE):
    """A drawn curve, or marks, against a function of their x."""
    assert len(drawn[0]) > 1
    np.testing.assert_allclose(drawn[1], law(drawn[0]), rtol=tolerance, atol=tolerance)


def check_difference(below, k, dots, law, tolerance=CLOSE):
    """Difference number k of a panel where its marks are, and its floor."""
    (x, off), (same, floor) = curves(below)[2 * k : 2 * k + 2]
    assert np.array_equal(x, same) and np.all(off <= np.where(np.isnan(floor), np.inf, floor * (1.0 + 1e-9)))
    at = {round(t, 9): size for t, size in zip(x.tolist(), off.tolist(), strict=True)}
    there = [i for i, t in enumerate(dots[0].tolist()) if round(t, 9) in at]
    assert len(there) >= len(dots[0]) - 1
    expected = np.abs(law(dots[0]) - dots[1])[there]
    np.testing.assert_allclose([at[round(t, 9)] for t in dots[0][there].tolist()], expected, atol=tolerance)
    assert np.isfinite(below.get_ylim()).all() and below.get_yscale() == "log"


def flow(field, start):
    """An integrated flow as a function of time, shape (number of variables, T)."""

    def at(time):
        return integrate.solve_ivp(field, (0.0, time[-1]), start, t_eval=time, **TIGHT).y

    return at


def logit(rate, u0, C=0.0):
    """du/dt = 2 kappa sqrt(u^2 + C^2)/(1 + e^u), as a function of time."""
    at = flow(lambda t, u: 2.0 * rate * np.hypot(u, C) * special.expit(-u), [u0])
    return lambda time: at(time)[0]


def descent(step, start, lr):
    """Gradient descent as a function of time, shape (number of variables, T); `step` is d(state)/dt."""

    def at(time):
        steps = np.rint(np.asarray(time) / lr).astype(int)
        path = [np.array(start, dtype=float)]
        for _ in range(int(steps.max())):
            path.append(path[-1] + lr * step(path[-1]))
        return np.stack(path, axis=-1)[:, steps]

    return at


def unit(rate, norm, pull):
    """y and z of one of n units alike, for the sum of their logits: y' = p |x|^2 z g, z' = p y g."""

    def field(state, n=1):
        y, z = state
        g = pull(n * y * z)
        return np.array([rate * norm * z * g, rate / norm * y * g])

    return field


def sigmoid_pull(u):
    return special.expit(-u)


def hinge_pull(u):
    return float(u < 1.0)


# ---- lemma 3.1 ---------------------------------------------------------------------------------------------


def alone(data, lr, steps, label):
    """The margin of a class's mean when the steps on the other class are left out; the batches are the same."""
    rng, network = np.random.default_rng(2), init.class_aligned(data, 20, initial=1e-2, rng=3)
    W, Z = np.array(network.W), np.array(network.Z)
    margin, moved = [], []
    for k in range(steps + 1):
        margin.append(label * float(np.maximum(W @ data.mean(label), 0.0) @ Z))
        if k == steps:
            break
        own = (1, -1)[(10 * k // steps) % 2]
        batch = rng.choice(np.flatnonzero(data.y == own), 8)
        if own != label:
            moved.append(0.0)
            continue
        X = data.X[batch]
        hidden = X @ W.T
        gates, r = hidden > 0.0, label * special.expit(-label * (np.maximum(hidden, 0.0) @ Z)) / 8
        dW, dZ = (gates * np.outer(r, Z)).T @ X, np.maximum(hidden, 0.0).T @ r
        W, Z = W + lr * dW, Z + lr * dZ
        moved.append(lr * max(np.max(np.abs(dW[Z * label > 0])), np.max(np.abs(dZ[Z * label > 0]))))
    return np.array(margin), np.array(moved)


@pytest.mark.parametrize("panel", [0, 1, 2])
def test_lemma_3_1_shows_each_class_as_if_it_were_alone(panel):
    above, below = axes("lemma_3_1")[panel], axes("lemma_3_1")[panel + 3]
    data, lr = gaussian_classes(30, dimension=5, separation=2.0, spread=0.05, rng=1), lemma_3_1._LR[panel]
    for k, label in enumerate((1, -1)):
        margin, moved = alone(data, lr, 100, label)
        time, drawn = curves(above)[k]
        assert time == pytest.approx(lr * np.arange(101)) and drawn == pytest.approx(margin, rel=ROUNDED)
        time, drawn = curves(below)[k]
        # Exactly 0 where the other class is trained; the rest are differences of weights of size 1.
        assert np.array_equal(drawn == 0.0, moved == 0.0) and np.sum(moved == 0.0) == 50
        assert drawn == pytest.approx(moved, abs=1e-14)


# ---- theorem 3.2, corollary 3.3 ----------------------------------------------------------------------------


def test_theorem_3_2_shows_the_closed_form_and_the_map():
    left, right, flow_off, map_off = axes("theorem_3_2")
    for c, rate in enumerate((0.7, 0.6)):

        def closed(time, rate=rate):
            return special.expit(logit(rate, 1e-3)(time))

        def map_(time, rate=rate):
            # One balanced unit: u grows by (1 + e)^2.
            at = descent(lambda a: rate * a * special.expit(-(a**2)), [np.sqrt(1e-3)], 0.05)
            return special.expit(at(time)[0] ** 2)

        check(curves(left)[c], closed)
        check(curves(right)[c], map_, ROUNDED)
        for ax, off, law in ((left, flow_off, closed), (right, map_off, map_)):
            check(marks(ax)[c], map_, ROUNDED)
            check_difference(off, c, marks(ax)[c], law, CLOSE if ax is left else 1e-12)


def when(level, rate, u0):
    """2 kappa t = [log u + Ei(u)] from u0 to the level of a confidence, eq 3 (v2)."""
    with mpmath.workdps(30):
        u = mpmath.log(mpmath.mpf(level) / (1 - mpmath.mpf(level)))
        return float((mpmath.log(u / u0) + mpmath.ei(u) - mpmath.ei(u0)) / (2 * rate))


def reached(level, rate, u0, lr, pull=sigmoid_pull):
    """When a balanced unit gets there by gradient descent, on the chord of the margin between two steps."""
    a, target, k = np.sqrt(u0), float(special.logit(level)) if pull is sigmoid_pull else level, 0
    while a**2 < target:
        before, a, k = a**2, a * (1.0 + lr * rate * pull(a**2)), k + 1
    return lr * (k - 1 + (target - before) / (a**2 - before))


@pytest.mark.parametrize(("panel", "starts"), [(0, (1e-3, 1e-3)), (1, (1e-4, 3e-2))])
def test_corollary_3_3_shows_the_ratio(panel, starts):
    above, below = axes("corollary_3_3")[panel], axes("corollary_3_3")[panel + 2]

    def ratio(levels):
        return np.array([when(c, 0.6, starts[1]) / when(c, 0.7, starts[0]) for c in levels])

    def seen(levels):
        return np.array([reached(c, 0.6, starts[1], 0.04) / reached(c, 0.7, starts[0], 0.04) for c in levels])

    check(curves(above)[0], ratio)
    assert curves(above)[1][1] == pytest.approx(7.0 / 6.0)
    check(marks(above)[0], seen, ROUNDED)
    assert marks(above)[0][0].tolist() == corollary_3_3.DRAWN.tolist()
    check_difference(below, 0, marks(above)[0], ratio)


# ---- figure 2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_figure_2_shows_two_units(k):
    left, right, y_off, P_off = axes("figure_2")
    c, norm, lr = figure_2.C[k], figure_2.NORM[k], 0.15
    field = unit(0.5 * norm, norm, sigmoid_pull)
    # u0 = 2 y z with y = |x| z, or z = 0 and y = sqrt(c).
    y = np.sqrt(c) if c else np.sqrt(1e-3 * norm / 2)
    start = [y, 1e-9 if c else y / norm]
    exact = flow(lambda t, state: field(state, 2), start)
    seen = descent(lambda state: field(state, 2), start, lr)

    def confidence(states):
        return special.expit(2.0 * states[0] * states[1])

    check(curves(left)[k], lambda time: exact(time)[0])
    check(curves(right)[k], lambda time: confidence(exact(time)))
    check(marks(left)[k], lambda time: seen(time)[0], ROUNDED)
    check(marks(right)[k], lambda time: confidence(seen(time)), ROUNDED)
    check_difference(y_off, k, marks(left)[k], lambda time: exact(time)[0])
    check_difference(P_off, k, marks(right)[k], lambda time: confidence(exact(time)))


def test_figure_2_left_shows_three_units():
    _, logits, apart, drift, decay = axes("figure_2_left")
    lr, norm = 0.04, 0.7
    for k, start in enumerate(figure_2_left.STARTS):

        def field(state, t=0.0):
            y, z = state
            g = special.expit(-y * z) * (y > 0.0)
            return np.array([norm**2 * z * g, y * g])

        def u(states):
            return np.maximum(states[0], 0.0) * states[1]

        seen = descent(field, start, lr)
        dots = marks(logits)[k]
        check(dots, lambda time, seen=seen: u(seen(time)), ROUNDED)
        # The unit that dies does so at log(d/|s|) = 2 tau; beyond it there is nothing to integrate.
        until = 2.338 if k == 1 else np.inf
        exact = flow(lambda t, state, field=field: field(state), start)
        time, drawn = curves(logits)[k]
        alive = time < until
        assert drawn[alive] == pytest.approx(u(exact(time[alive])), abs=CLOSE)
        assert np.all(drawn[~alive] == 0.0) and np.any(~alive) == (k == 1)
        (x, off), (_, floor) = curves(apart)[2 * k : 2 * k + 2]
        assert np.all(off <= floor + 1e-15) and x == pytest.approx(0.4 * np.arange(1, 51))
        early = x < until
        assert off[early] == pytest.approx(np.abs(u(exact(x[early])) - u(seen(x[early]))), abs=CLOSE)
        assert np.all(off[~early] == 0.0)
        y, z = seen(x)
        square = y**2 - norm**2 * z**2
        (x, off), (_, kept) = curves(drift)[2 * k : 2 * k + 2]
        # Two squares of size up to 2 with the roundings of 500 steps, which `kept` allows four times.
        assert off == pytest.approx(np.abs(square - (start[0] ** 2 - norm**2 * start[1] ** 2)), abs=1e-12)
        assert np.all(off <= kept) and np.all(kept <= off + 5e-12)
        below = dots[1] < 0.0
        np.testing.assert_allclose(marks(decay)[k], [dots[0][below], -dots[1][below]])


# ---- section 3.2 -------------------------------------------------------------------------------------------


def bend(P):
    """P''/kappa^2 with C = 0, as the derivative of P' = 2 kappa u g sigma' along the flow."""
    with mpmath.workdps(30):

        def speed(u):
            return 2 * u * mpmath.exp(u) / (1 + mpmath.exp(u)) ** 3

        def at(p):
            u = mpmath.log(mpmath.mpf(p) / (1 - mpmath.mpf(p)))
            return float(mpmath.diff(speed, u) * 2 * u / (1 + mpmath.exp(u)))

        return np.array([at(p) for p in P.tolist()])


def test_inflection_shows_nine_classes_and_their_bends():
    left, right, P_off, bend_off = axes("inflection")
    lr, value = 0.08, special.expit(optimize.brentq(lambda u: 1.0 / u + 1.0 - 3.0 * special.expit(u), 0.5, 2.0))
    check(curves(right)[0], bend)
    nine = [(norm, p) for norm in (0.5, 1.0, 2.0) for p in (0.2, 0.5, 0.8)]
    for i, (norm, p) in enumerate(nine):
        check(curves(left)[i], lambda time, rate=norm * p: special.expit(logit(rate, 1e-2)(time)))
    for k, norm in enumerate((0.5, 1.0, 2.0)):
        rate = 0.5 * norm
        seen = descent(lambda a, rate=rate: rate * a * special.expit(-(a**2)), [0.1], lr)
        steps = np.arange(round(8.0 / rate / lr) + 1)
        P = special.expit(seen(lr * steps)[0] ** 2)
        x, y = marks(right)[k]
        d = np.diff(P, 2) / (lr * rate) ** 2
        # Of a second difference of numbers of size 1, over (lr kappa)^2 = .0004 at least.
        np.testing.assert_allclose(y, np.interp(x, P[1:-1], d), atol=1e-11)
        (level, off), (_, floor) = curves(bend_off)[2 * k : 2 * k + 2]
        assert off == pytest.approx(np.abs(bend(level) - np.interp(level, P[1:-1], d)), abs=1e-10)
        assert np.all(off <= floor)
        turn = np.flatnonzero(np.diff(d > 0.0))[0]
        there = P[turn + 1] + d[turn] / (d[turn] - d[turn + 1]) * (P[turn + 2] - P[turn + 1])
        time, found = marks(left)[k]
        assert found[1] == pytest.approx(there, abs=1e-10)
        assert np.interp(there, P, lr * steps) == pytest.approx(time[1], abs=1e-8)
        (x, off), (_, floor) = curves(P_off)[2 * k : 2 * k + 2]
        assert np.array_equal(x, time) and off == pytest.approx(np.abs(found - value), abs=1e-10)
        assert np.all(off <= floor)


# ---- figures 4, 5, 9, theorem 5.1 --------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_figure_4_shows_eq_5(k):
    left, right, u_off, P_off = axes("figure_4")
    N, norm = int(figure_4.DEPTH[k]), figure_4.NORM[k]
    exact = flow(lambda t, u: N * norm ** (2 / N) * u ** (2 - 2 / N) * special.expit(-u), [0.1])
    # N weights alike, u = |x| w^N.
    chain = descent(lambda w: norm * w ** (N - 1) * special.expit(-norm * w**N), [(0.1 / norm) ** (1 / N)], 0.02)

    def seen(time):
        return norm * chain(time)[0] ** N

    for ax, off, of in ((left, u_off, lambda u: u), (right, P_off, special.expit)):
        check(curves(ax)[k], lambda time, of=of: of(exact(time)[0]))
        check(marks(ax)[k], lambda time, of=of: of(seen(time)), ROUNDED)
        check_difference(off, k, marks(ax)[k], lambda time, of=of: of(exact(time)[0]))


def test_figure_5_shows_the_times_and_the_inset():
    left, right, time_off, off = axes("figure_5")
    laws = (lambda c: [when(one, 1.0, 1e-3) for one in c]), (lambda c: np.log(c / 1e-3) / 2)
    for k, pull in enumerate((sigmoid_pull, hinge_pull)):
        check(curves(left)[k], laws[k])
        check(marks(left)[k], lambda c, pull=pull: [reached(one, 1.0, 1e-3, 0.04, pull) for one in c], ROUNDED)
        check_difference(time_off, k, marks(left)[k], laws[k])
    for k, rate in enumerate(figure_5.FREQUENCIES):
        for j, pull in enumerate((sigmoid_pull, hinge_pull)):
            of = special.expit if j == 0 else np.asarray
            seen = descent(lambda a, rate=rate, pull=pull: rate * a * pull(float(a[0] ** 2)), [np.sqrt(1e-3)], 0.04)

            def law(time, rate=rate, j=j):
                u = 1e-3 * np.exp(2.0 * rate * time)
                return np.minimum(1.0, u) if j else special.expit(logit(rate, 1e-3)(time))

            check(curves(right)[2 * j + k], law)
            check(marks(right)[2 * j + k], lambda time, seen=seen, of=of: of(seen(time)[0] ** 2), ROUNDED)
            check_difference(off, 2 * j + k, marks(right)[2 * j + k], law)


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_figure_9_shows_a_hyperbola(k):
    left, right, y_off, u_off = axes("figure_9")
    c, norm = figure_9.C[k], figure_9.NORM[k]

    def angle(time):
        return np.minimum(0.01 + 2.0 * norm * time, np.arcsinh(2.0 * norm / c))

    def y(time):
        return np.sqrt(c) * np.cosh(angle(time) / 2)

    def u(time):
        return c / (2.0 * norm) * np.sinh(angle(time))

    start = [np.sqrt(c) * np.cosh(0.005), np.sqrt(c) / norm * np.sinh(0.005)]
    seen = descent(unit(norm, norm, hinge_pull), start, 0.01)
    check(curves(left)[k], y)
    check(curves(right)[k], u)
    check(marks(left)[k], lambda time: seen(time)[0], ROUNDED)
    check(marks(right)[k], lambda time: np.prod(seen(time), axis=0), ROUNDED)
    check_difference(y_off, k, marks(left)[k], y)
    check_difference(u_off, k, marks(right)[k], u)


@pytest.mark.parametrize(("panel", "C"), [(0, 0.0), (1, 0.1)])
def test_theorem_5_1_shows_both_classes(panel, C):
    above, below = axes("theorem_5_1")[panel], axes("theorem_5_1")[panel + 2]
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    network = init.class_aligned(data, 8, initial=1e-2, imbalance=C, rng=4)
    for c, (label, norm, p) in enumerate(((1, 1.0, 0.7), (-1, 2.0, 0.3))):
        own = label * network.Z > 0.0
        y, z = network.W[own] @ data.mean(label), np.abs(network.Z[own])

        def field(state, norm=norm, p=p):
            y, z = np.split(state, 2)
            g = p * hinge_pull(y @ z)
            return np.append(norm**2 * z * g, y * g)

        def law(time, rate=p * norm):
            u = C * np.sinh(np.arcsinh(1e-2 / C) + 2.0 * rate * time) if C else 1e-2 * np.exp(2.0 * rate * time)
            return np.minimum(1.0, u)

        path = descent(field, np.append(y, z), 0.02)
        check(curves(above)[c], law)
        check(marks(above)[c], lambda time, path=path: np.sum(path(time)[:4] * path(time)[4:], axis=0), ROUNDED)
        check_difference(below, c, marks(above)[c], law)
