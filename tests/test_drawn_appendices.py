"""What the figures of the appendices and beyond show: laws written out here, and gradient descent on the weights.

As in test_drawn_paper.py: differences are checked where marks are drawn, and none is above its floor.
"""

import io

import mpmath
import numpy as np
import pytest
from drawn import TIGHT, axes, curves, marks, reproduced
from scipy import integrate, optimize, special, stats

from dynsim import init
from dynsim.data import from_sklearn, orthogonal_class, orthogonal_classes, point_classes
from dynsim.empirical.flow import flow
from dynsim.paper import appendix_c2, drawing, failed_training, modified_flow, plateau

CLOSE, ROUNDED = 1e-9, 1e-11


def check(drawn, values, tolerance=CLOSE):
    assert len(drawn[0]) > 1
    np.testing.assert_allclose(drawn[1], values, rtol=tolerance, atol=tolerance)


def check_difference(below, k, dots, said, tolerance=CLOSE):
    """Difference number k of a panel where its marks are, `said` being the law there, and its floor."""
    (x, off), (same, floor) = curves(below)[2 * k : 2 * k + 2]
    assert np.array_equal(x, same) and np.all(off <= np.where(np.isnan(floor), np.inf, floor * (1.0 + 1e-9)))
    places = [np.flatnonzero(np.abs(x - t) < 1e-9) for t in dots[0]]
    there = [i for i, place in enumerate(places) if len(place)]
    assert len(there) >= len(dots[0]) - 1
    expected = np.abs(said - dots[1])[there]
    np.testing.assert_allclose([off[places[i][0]] for i in there], expected, atol=tolerance)


def logit(rate, u0, C, time):
    """du/dt = 2 kappa sqrt(u^2 + C^2)/(1 + e^u)."""

    def field(t, u):
        return 2.0 * rate * np.hypot(u, C) * special.expit(-u)

    return integrate.solve_ivp(field, (0.0, time[-1]), [u0], t_eval=time, **TIGHT).y[0]


def descent(network, data, lr, last, pull=lambda m: special.expit(-m)):
    """Logits of the points after 0, 1, ... steps, (steps + 1, n), or (steps + 1, n, C) for a softmax."""
    W, Z, X, q = np.array(network.W), np.array(network.Z), data.X, data.weights
    logits = []
    for k in range(round(last / lr) + 1):
        hidden = X @ W.T
        active = np.maximum(hidden, 0.0)
        f = active @ Z.T
        logits.append(f)
        if k == round(last / lr):
            break
        if Z.ndim == 1:
            r = q * data.y * pull(data.y * f)
            dZ, back = r @ active, np.outer(r, Z)
        else:
            r = q[:, None] * (np.eye(len(Z))[data.y.astype(int)] - special.softmax(f, axis=1))
            dZ, back = r.T @ active, r @ Z
        W, Z = W + lr * (back * (hidden > 0.0)).T @ X, Z + lr * dZ
    return np.array(logits)


def at(values, time, lr):
    return values[np.rint(time / lr).astype(int)]


# ---- A.2, A.4, A.7 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("panel", "number", "last", "shown"), [(0, 3, 40.0, (0, 1, 2)), (1, 10, 100.0, (0, 3, 6, 9))]
)
def test_appendix_a2_shows_the_implicit_closed_form(panel, number, last, shown):
    """2 p |x| sqrt(n/(n - 1)) t = [log m + Ei(m)/(n - 1)]."""
    above, below = axes("appendix_a2")[panel], axes("appendix_a2")[panel + 2]
    norms, p = np.resize((1.0, 1.5, 2.0), number), np.linspace(1.0, 0.4, number) / (0.7 * number)
    data = orthogonal_classes(norms, p)
    network = init.class_aligned(data, 2 * number, initial=1e-2, rng=number)
    run = special.softmax(descent(network, data, 0.1, last), axis=2)

    def clock(m):
        return np.log(m) + special.expi(m) / (number - 1)

    for k, c in enumerate(shown):
        rate = p[c] * norms[c] * np.sqrt(number / (number - 1))

        def law(time, rate=rate):
            roots = [optimize.brentq(lambda m, t=t: clock(m) - clock(0.01) - 2.0 * rate * t, 5e-3, 50.0, xtol=1e-13)
                     for t in time.tolist()]  # fmt: skip
            return special.expit(np.array(roots) - np.log(number - 1.0))

        time, drawn = curves(above)[k]
        np.testing.assert_allclose(drawn, law(time), rtol=1e-10)
        dots = marks(above)[k]
        check(dots, at(run[:, c, c], dots[0], 0.1), ROUNDED)
        check_difference(below, k, dots, law(dots[0]))


@pytest.mark.parametrize(("panel", "hidden", "C"), [(0, 4, 0.0), (1, 16, 0.05), (2, 128, 1.0)])
def test_appendix_a4_shows_one_mode(panel, hidden, C):
    above, below = axes("appendix_a4")[panel], axes("appendix_a4")[panel + 3]
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    network = init.class_aligned(data, hidden, initial=(1e-3, 1e-2), imbalance=C, rng=hidden)
    run = special.expit(data.y * descent(network, data, 0.05, 60.0))
    for c, (rate, u0) in enumerate(((0.7, 1e-3), (0.6, 1e-2))):
        time, drawn = curves(above)[c]
        dots = marks(above)[c]
        check((time, drawn), special.expit(logit(rate, u0, C, time)))
        check(dots, at(run[:, c], dots[0], 0.05), ROUNDED)
        check_difference(below, c, dots, special.expit(logit(rate, u0, C, dots[0])))


@pytest.mark.parametrize(("panel", "C"), [(0, 0.0), (1, 0.2)])
def test_appendix_a7_shows_orthogonal_points(panel, C):
    above, below = axes("appendix_a7")[panel], axes("appendix_a7")[panel + 2]
    data = orthogonal_class((2, 5), 1.0)
    network = init.class_aligned(data, 6, initial=1e-3, imbalance=C, rng=7)
    run = special.expit(data.y * descent(network, data, 0.05, 30.0))
    for c, m in enumerate((2, 5)):
        time, drawn = curves(above)[c]
        dots = marks(above)[c]
        check((time, drawn), special.expit(logit(np.sqrt(m), 1e-3, C, time)))
        check(dots, at(run[:, 2 * c], dots[0], 0.05), ROUNDED)
        check_difference(below, c, dots, special.expit(logit(np.sqrt(m), 1e-3, C, dots[0])))


# ---- C.2 ---------------------------------------------------------------------------------------------------


def test_appendix_c2_shows_the_flow_and_a_network():
    """Margins from the weights themselves, integrated; drop-outs are where they are 1."""
    left, right, steps, off = axes("appendix_c2")
    data, lr = from_sklearn("iris", classes=appendix_c2.CLASSES).centered(), 0.02
    network = init.class_aligned(data, 16, initial=1e-2, rng=0)
    seen = data.y * descent(network, data, lr, 20.0, lambda m: (m < 1.0).astype(float))
    first = lr * np.argmax(seen >= 1.0, axis=0)
    for k, label in enumerate((1, -1)):
        own = np.flatnonzero(data.y == label)
        time, number = curves(left)[k]
        assert number.tolist() == list(range(1, 51)) and np.all(np.diff(time) >= 0.0)
        margin = flow(network, data, loss="hinge", times=np.append(0.0, np.unique(time))).margin[1:, own]
        # At each of these times some margin is 1.
        assert np.min(np.abs(margin - 1.0), axis=1) == pytest.approx(0.0, abs=1e-8)
        assert sorted(marks(left)[k][0]) == pytest.approx(np.sort(first[own]))
        x, late = marks(steps)[2 * k]
        assert x == pytest.approx(first[own]) and np.sort(x - lr * late) == pytest.approx(time, abs=1e-12)
        assert np.all(np.abs(marks(steps)[2 * k + 1][1]) <= 1.0 + 1e-6)
        by_flow = own[np.argsort(x - lr * late, kind="stable")]
        for j, point in enumerate((by_flow[0], by_flow[-1])):
            curve, dots = curves(right)[2 * k + j], marks(right)[2 * k + j]
            said = flow(network, data, loss="hinge", times=curve[0]).margin[:, point]
            check(curve, said, 1e-8)
            check(dots, at(seen[:, point], dots[0], lr), ROUNDED)
            check_difference(off, 2 * k + j, dots, np.interp(dots[0], curve[0], said), 1e-8)


# ---- beyond the paper --------------------------------------------------------------------------------------


def test_plateau_shows_bends_and_their_roots():
    left, right, bend_off, turn_off = axes("plateau")
    lr, rate, data = 0.02, 0.5, point_classes((1.0, 1.0), (0.5, 0.5))

    def bend(P, C):
        with mpmath.workdps(30):

            def speed(u):
                return 2 * mpmath.sqrt(u * u + C * C) * mpmath.exp(u) / (1 + mpmath.exp(u)) ** 3

            def one(p):
                u = mpmath.log(mpmath.mpf(p) / (1 - mpmath.mpf(p)))
                return float(mpmath.diff(speed, u) * 2 * mpmath.sqrt(u * u + C * C) / (1 + mpmath.exp(u)))

            return np.array([one(p) for p in P.tolist()])

    for k, C in enumerate(plateau.IMBALANCES):
        network = init.class_aligned(data, 2, initial=1e-3, imbalance=C, rng=4)
        P = special.expit(descent(network, data, lr, 12.0)[:, 0])
        d = np.diff(P, 2) / (lr * rate) ** 2
        x, drawn = curves(left)[k]
        assert x == pytest.approx(P[1:-1], rel=ROUNDED) and drawn[::20] == pytest.approx(bend(x[::20], C), abs=1e-9)
        x, drawn = marks(left)[k]
        assert drawn == pytest.approx(np.interp(x, P[1:-1], d), abs=1e-10)
        (x, off), (_, floor) = curves(bend_off)[2 * k : 2 * k + 2]
        assert off == pytest.approx(np.abs(bend(x, C) - np.interp(x, P[1:-1], d)), abs=1e-9)
        assert np.all(off <= floor)
        for j, rising in enumerate((False, True)):
            turn = np.flatnonzero((d[:-1] <= 0.0) & (d[1:] > 0.0) if rising else (d[:-1] > 0.0) & (d[1:] <= 0.0))
            if C > 0.5852:
                assert len(turn) == 0
                continue
            i = turn[-1]
            there = P[i + 1] + d[i] / (d[i] - d[i + 1]) * (P[i + 2] - P[i + 1])
            assert marks(right)[j][:, k] == pytest.approx([C, there], abs=1e-9)
            (x, off), (_, floor) = curves(turn_off)[2 * j : 2 * j + 2]
            said = turns(C)[j]
            assert x[k] == C and off[k] == pytest.approx(abs(said - there), abs=1e-9) and np.all(off <= floor)
    for j in range(2):
        C, P = curves(right)[j][:, ::40]
        assert pytest.approx([turns(one)[j] for one in C], abs=1e-9) == P


def turns(C):
    """P where the plateau ends and begins: the two larger roots of u/(u^2 + C^2) + 1 = 3 sigma(u)."""

    def turn(u):
        return u / (u * u + C * C) + 1.0 - 3.0 * special.expit(u)

    # The first term is largest at u = C; somewhere above 0 the sum is positive where there is a plateau.
    u = np.linspace(1e-8, 2.0, 200_001)
    change = np.flatnonzero(np.diff(turn(u) > 0.0))
    roots = [optimize.brentq(turn, u[i], u[i + 1], xtol=1e-14) for i in change]
    return special.expit(roots[-1]), special.expit(roots[0])


def test_modified_flow_shows_errors_and_orders():
    (above, below), lrs = axes("modified_flow"), np.array([0.08, 0.04, 0.02, 0.01])
    data = point_classes((1.0, 2.0), (0.7, 0.3))
    network = init.class_aligned(data, 4, initial=1e-2, rng=6)
    for k, order in enumerate(modified_flow.ORDERS.values()):
        sizes = []
        for lr in lrs.tolist():
            run = data.y * descent(network, data, lr, 20.0)
            rows = np.arange(0, len(run), max(1, round(20.0 / lr / 250)))
            off = []
            for c, rate in enumerate((0.7, 0.6)):
                e = 0.5 * lr * rate if k else 0.0

                def field(t, u, rate=rate, e=e):
                    g = special.expit(-u)
                    return 2.0 * rate * u * g * (1.0 - e * (g - 2.0 * u * g * (1.0 - g)))

                said = integrate.solve_ivp(field, (0.0, 20.0), [1e-2], t_eval=lr * rows, **TIGHT).y[0]
                off.append(np.max(np.abs(said - run[rows, c])))
            sizes.append(max(off))
        x, drawn = marks(above)[k]
        assert x == pytest.approx(lrs) and drawn == pytest.approx(sizes, abs=CLOSE)
        x, slope = curves(above)[k]
        assert slope == pytest.approx(drawn[-1] * (x / x[-1]) ** order)
        (x, off), (_, floor) = curves(below)[2 * k : 2 * k + 2]
        found = np.log2(drawn[:-1] / drawn[1:])
        assert x == pytest.approx(lrs[:-1]) and off == pytest.approx(np.abs(found - order), abs=1e-12)
        assert np.isnan(floor[0]) and floor[1:] == pytest.approx(2.0 * np.abs(np.diff(found)))
        assert off[2] <= floor[2]


def test_sgd_law_shows_binomial_quantiles():
    left, right, mean_off, share_off = axes("sgd_law")
    run, lr = reproduced("sgd_law").comparisons[0].empirical, 0.05
    steps = np.rint(run.time / lr).astype(int)
    for c, (rate, f) in enumerate(((1.0, 0.7), (2.0, 0.3))):
        path, u, R = [], 0.05, np.hypot(0.05, 0.1)
        for _ in range(401):
            path.append(u)
            e = lr * rate * special.expit(-u)
            u, R = u * (1 + e**2) + 2 * e * R, R * (1 + e**2) + 2 * e * u
        path = np.array(path)
        time, median = curves(left)[c]
        draws = stats.binom(np.rint(time / lr).astype(int), f)
        assert median == pytest.approx(path[draws.ppf(0.5).astype(int)], rel=ROUNDED)
        for member in range(3):
            x, y = marks(left)[3 * c + member]
            assert y == pytest.approx(run.margin[np.isin(steps, np.rint(x / lr)), member, c])
        mean = [stats.binom(n, f).pmf(np.arange(n + 1)) @ path[: n + 1] for n in steps[1:].tolist()]
        seen = run.margin[1:, :, c].mean(axis=1)
        (x, off), (_, floor) = curves(mean_off)[2 * c : 2 * c + 2]
        assert off == pytest.approx(np.abs(np.array(mean) - seen), abs=ROUNDED) and np.all(off <= floor)
        for j, level in enumerate((0.5, 0.9, 0.99)):
            x, content = curves(right)[2 * j + c]
            n = np.rint(x / lr).astype(int)
            low, high = (stats.binom.ppf((1.0 + way * level) / 2.0, n, f).astype(int) for way in (-1, 1))
            exact = stats.binom.cdf(high, n, f) - stats.binom.cdf(low - 1, n, f)
            assert content == pytest.approx(exact, abs=1e-12)
            margin = run.margin[np.isin(steps, n), :, c]
            near = 1e-9
            inside = (margin >= path[low][:, None] - near) & (margin <= path[high][:, None] + near)
            assert marks(right)[2 * j + c][1] == pytest.approx(inside.mean(axis=1), abs=1e-12)
            if c == 0:
                (_, off), (_, floor) = curves(share_off)[2 * j : 2 * j + 2]
                assert off == pytest.approx(np.abs(exact - inside.mean(axis=1)), abs=1e-12) and np.all(off <= floor)


def test_failed_training_shows_shares_and_their_intervals():
    left, right, width_off, scale_off = axes("failed_training")
    h = np.arange(1.0, 9.0)
    formulas = 2.0 ** (1.0 - h), 2.0 * (11 / 16) ** h - (3 / 8) ** h
    four = {"antipodal": 0.125, "orthogonal": 2.0 * (11 / 16) ** 4 - (3 / 8) ** 4}
    for k, (geometry, formula) in enumerate(zip(four, formulas, strict=True)):
        # A line of theory, marks; below two ends of an interval, marks.
        assert curves(left)[k][1] == pytest.approx(formula, rel=1e-14)
        assert curves(right)[k][1] == pytest.approx(four[geometry], rel=1e-14)
        found = [failed_training.measured(n, geometry, number=15_000, most=5_000) for n in range(1, 5)]
        share = np.array([(one.failed + 0.5 * one.undecided) / 15_000 for one in found])
        assert marks(left)[3 * k][1] == pytest.approx(share)
        assert marks(width_off)[3 * k][1] == pytest.approx(share - formula[:4])
        ends = np.array(stats.binom.interval(0.999, 15_000, formula[:4])) / 15_000 - formula[:4]
        for one, end in zip(curves(width_off)[2 * k : 2 * k + 2], ends, strict=True):
            assert one[1] == pytest.approx(end, abs=1e-15)
        assert marks(scale_off)[3 * k][1] == pytest.approx(marks(right)[3 * k][1] - four[geometry])


# ---- panels of differences ---------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [np.zeros(5), np.full(5, np.nan), np.zeros(0)])
def test_a_panel_of_no_differences_says_so(off):
    figure, _, (below,) = drawing.pairs(1, "")
    drawing.difference(below, np.arange(len(off)), off, 0, 0.0)
    figure.savefig(io.BytesIO())
    assert [text.get_text() for text in below.texts] == ["no difference"]
    # And not any more once there is one.
    drawing.difference(below, np.arange(3.0), [0.0, 2.0, -5.0], 1, 6.0)
    figure.savefig(io.BytesIO())
    low, high = below.get_ylim()
    assert list(below.texts) == [] and 0.0 < low < 2.0 and high > 6.0 and high / low >= 100.0
    assert [line.get_label() for line in below.lines].count("floor") == 1
    assert below.lines[2].get_ydata().tolist() == [0.0, 2.0, 5.0]


def test_a_confidence_is_apart_by_what_its_logits_are():
    found = reproduced("theorem_3_2").comparisons[0]
    (below,) = drawing.pairs(1, "")[2]
    drawing.confidences_apart(below, found, 0, 1)
    u, f = -found.theory.logits[1:, 1], -found.empirical.logits[1:, 1]
    (_, off), (_, floor) = curves(below)
    assert off == pytest.approx(np.abs(special.expit(u) - special.expit(f)), abs=1e-15)
    low, high = (-found.expected[1:, 1] + way * found.spread[1:, 1] for way in (-1.0, 1.0))
    sizes = np.abs(special.expit([low, high]) - special.expit(u))
    assert floor == pytest.approx(sizes.max(axis=0), abs=1e-15)
