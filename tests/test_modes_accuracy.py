"""The closed-form laws against exact answers: the rows of scripts/accuracy_rows, and points at the edges.

Every bound is UNIT times a condition number. UNIT, the promise of the docstrings, is 18 roundings: 3 in
T = 2 kappa t and log T, 8 in the sums of positive terms, 3 in R(u) and exp(u), 4 in the last Newton step.

The rows come from closed forms in multi-precision arithmetic (scripts/accuracy_laws.py). That these are right is
tested here against the definition, dt = du / F(u), by adaptive quadrature.
"""

import itertools
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from dynsim.theory import modes

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import accuracy
import accuracy_calls as calls
import accuracy_laws as laws
import accuracy_paths as paths

UNIT = accuracy.UNIT
WEIGHT = {"cross_entropy": 1, "exponential": 0}
TABLES = pytest.mark.parametrize("table", accuracy.TABLES, ids=lambda table: table.name)


# -- conditions of two layers, also for the other tests of modes ---------------------------------------------


def pull(loss, u):
    """g(u); dT = ds / g."""
    if loss == "hinge":
        return mp.mpf(1)
    return 1 - u if loss == "squared" else 1 / (WEIGHT[loss] + mp.exp(u))


def sensitivities(loss, T, u0, u, C):
    """|dlog u/dlog T| and |dlog u/dlog u0|; |dlog u/dlog C| is below the first."""
    T, u0, u, C = (mp.mpf(float(x)) for x in (T, u0, u, C))
    speed = mp.sqrt(u * u + C * C) * pull(loss, u) / u
    start = mp.sqrt(u0 * u0 + C * C) * pull(loss, u0)
    return abs(T * speed), abs(speed * u0 / start) if start else mp.inf


def conditions(loss, T, u0, u, C):
    """The condition numbers of the logit and of the time to it, as in the docstrings."""
    time, start = sensitivities(loss, T, u0, u, C)
    return 1 + time + start, 1 + (1 + start) / time if time else mp.inf


# -- the promise, at every row -------------------------------------------------------------------------------


@TABLES
def test_every_row_keeps_the_promise(table):
    """The table's unit times the condition number, 1e-12 where that is below 1e3, and no warning."""
    result = accuracy.measure(table, accuracy.read(table))
    assert result.error.size >= (200 if table.function == "drop_times" else 2000)
    assert accuracy.failures(result) == []
    # A rounded answer alone is wrong by eps/4 in the middle; the median may be three such errors.
    assert np.median(result.weighted) <= 0.75 * accuracy.EPS


@TABLES
def test_a_defect_of_1e_11_is_caught(table, monkeypatch):
    home = calls.HOMES[table.function]
    right = getattr(home, table.function)

    def wrong(*args, **given):
        found = right(*args, **given)
        if isinstance(found, tuple):
            return type(found)._make(part * (1.0 + 1e-11) for part in found)
        return found * (1.0 + 1e-11)

    monkeypatch.setattr(home, table.function, wrong)
    result = accuracy.measure(table, accuracy.read(table, count=300))
    # 1e-11 shows wherever the condition number is below 1e-11/UNIT = 2500, or below 1e3 by the other bound.
    assert len(accuracy.failures(result)) >= np.count_nonzero(result.rows.condition < accuracy.WELL) > 100


@pytest.mark.parametrize("table", [t for t in accuracy.TABLES if t.loss], ids=lambda table: table.name)
def test_the_rows_reach_the_ends_of_the_domain(table):
    arguments = accuracy.read(table).arguments
    initial, size, rate = arguments["initial"], np.abs(arguments["initial"]), arguments["rate"]
    assert size[size > 0.0].min() == 1e-300 and rate.min() < 2e-3 and rate.max() > 5e2
    assert initial.max() > (0.9 if (table.function, table.loss) == ("time_to", "hinge") else 12.0)
    assert all(np.any((size >= low) & (size < 1e50 * low)) for low in 10.0 ** np.arange(-300, 0, 50))
    if table.function == "logit" and table.kind in ("balanced", "deep", "softmax"):
        assert arguments["time"].min() < 1e-280 and arguments["time"].max() > 1e280
    if "imbalance" in arguments:
        C = arguments["imbalance"]
        assert C.min() == 1e-300 and C.max() == 1e12 and initial.min() < -100.0
        assert np.count_nonzero(initial < 0.0) > 300 and np.any(initial == 0.0)
    if "depth" in arguments:
        assert {1.0, 3.0, 100.0} < set(arguments["depth"]) and np.any(np.abs(arguments["depth"] - 2.0) < 2e-12)
        assert arguments["norm"].min() < 2e-3 and arguments["norm"].max() > 5e2
    if "classes" in arguments:
        assert {2.0, 3.0, 1000.0} < set(arguments["classes"])


# -- the rows against the definition -------------------------------------------------------------------------


def inverse_pull(loss, u, classes):
    """1/g(u)."""
    return {
        "cross_entropy": lambda: 1 + mp.exp(u) / (classes - 1),
        "exponential": lambda: mp.exp(u),
        "hinge": lambda: mp.mpf(1),
        "squared": lambda: 1 / (1 - u),
    }[loss]()


def defined_time(loss, u0, u, *, rate, imbalance=0, depth=2, norm=1, classes=None):
    """t = int du / F(u) by adaptive quadrature: in log u, or in v with u = C sinh v, or in u for one layer."""
    b, C, others = 2 / depth - 1, imbalance, 2 if classes is None else classes
    cuts = {u0, u} | {u - mp.mpf(2) ** k for k in range(-1, 7)}
    cuts |= {sign * mp.mpf(4) ** k for k in range(-14, 5) for sign in (-1, 1)}
    cuts |= {1 + sign * mp.mpf(4) ** k for k in range(-25, 0) for sign in (-1, 1)} if loss == "squared" else set()
    if C:
        to_variable, to_logit, power = lambda u: mp.asinh(u / C), lambda v: C * mp.sinh(v), 0
    elif depth == 1:
        to_variable, to_logit, power = mp.mpf, mp.mpf, 0
    else:
        to_variable, to_logit, power = mp.log, mp.exp, b
    # mp.quad stops at an absolute error, hence the scale
    scale = inverse_pull(loss, u, others) * mp.exp(power * to_variable(u))

    def integrand(v):
        return inverse_pull(loss, to_logit(v), others) * mp.exp(power * v) / scale

    edges = [to_variable(c) for c in sorted(c for c in cuts if min(u0, u) <= c <= max(u0, u))]
    total = mp.fsum(mp.quad(integrand, pair, method="gauss-legendre") for pair in itertools.pairwise(edges))
    root = 1 if classes is None else mp.sqrt(mp.mpf(classes) / (classes - 1))
    return abs(total * scale) / (depth * rate * norm**b * root)


def sample(table, count=8):
    """Rows with panels to integrate over, in which both the start and the time matter."""
    arguments = accuracy.read(table).arguments
    lines = (accuracy.ROWS / f"{table.name}.txt").read_text(encoding="ascii").splitlines()[1:]
    for i in np.random.default_rng(len(table.name)).permutation(len(lines)):
        words = lines[i].split()
        answer, time = words[len(arguments)], float(words[len(arguments) + 1])
        start, C = abs(arguments["initial"][i]), arguments.get("imbalance", np.ones(2000))[i]
        if start > 1e-7 and 1e-3 < time < 1e3 and C > 1e-7:
            yield {name: mp.mpf(x[i]) for name, x in arguments.items()}, mp.mpf(answer), mp.mpf(time)
            count -= 1
        if not count:
            return


@pytest.mark.parametrize("table", [t for t in accuracy.TABLES if t.loss], ids=lambda table: table.name)
def test_rows_against_the_definition(table):
    with mp.workdps(32):
        for arguments, answer, sensitive in sample(table):
            u0, rest = arguments.pop("initial"), arguments
            logit, time = (
                (answer, rest.pop("time")) if table.function == "logit" else (rest.pop("logit"), answer)
            )
            relative = defined_time(table.loss, u0, logit, **rest) / time - 1
            # answers have 25 digits, quadratures of analytic functions on panels as short as these nearly all 32
            tolerance = mp.mpf(10) ** -24 * (1 / sensitive if table.function == "logit" else 1)
            assert abs(relative) < tolerance, (u0, logit, rest)


@pytest.mark.parametrize("table", [t for t in accuracy.TABLES if "inflection" in t.name], ids=lambda t: t.name)
def test_inflections_against_the_definition(table):
    """P''(t) = 0: dP/dt = sigma'(v) F(u), v = u - log(n - 1), is stationary in u, by numerical differentiation."""
    rows, checked = accuracy.read(table, count=60), 0
    for i in range(60):
        given = {name: mp.mpf(x[i]) for name, x in rows.arguments.items()}
        if given.get("imbalance", 1) < 1e-5:  # the difference quotient needs steps below C
            continue
        checked += 1
        with mp.workdps(40):
            a, C = 2 - 2 / given.get("depth", mp.mpf(2)), given.get("imbalance", mp.mpf(0))
            shift = mp.log(given.get("classes", mp.mpf(2)) - 1)

            def log_rate(u, a=a, C=C, shift=shift):
                stretch = mp.log(mp.hypot(u, C)) if C else a * mp.log(u) if a else mp.mpf(0)
                v = u - shift
                return v - 3 * mp.log(1 + mp.exp(v)) + stretch  # log of sigma (1 - sigma) times g times S

            u = mp.mpf(rows.high[i]) + mp.mpf(rows.low[i])
            # rows have 25 digits; the slope of the derivative is at most 1/C^2, where u is C^2/2
            assert abs(mp.diff(log_rate, u)) < mp.mpf(10) ** -20, given
            assert {"first": u < 0, "second": 0 < u < 0.4004, "third": u > 0.4003}.get(table.kind, True)
    assert checked >= 25


def test_bounds_against_their_equations():
    """d/dt e^(u/2) = m kappa for the upper bound, dx/dt = 2 kappa x/(x + 2) for x = e^u - 1 of the lower one."""
    for name in ("upper_bound", "lower_bound"):
        rows, checked = accuracy.read(accuracy.Table(name)), 0
        for i in range(400):
            t, u0, rate, *C = (mp.mpf(x[i]) for x in rows.arguments.values())
            with mp.workdps(40):
                u, way = mp.mpf(rows.high[i]) + mp.mpf(rows.low[i]), rate * t
                if not (1e-3 < way < 1e4 and abs(u0) < 50 and u < 50):
                    continue
                checked += 1
                if C:
                    found = (mp.exp(u / 2) - mp.exp(u0 / 2)) / max(1, C[0] / 2)
                    tolerance = mp.exp(u / 2) * (1 + abs(u)) / way
                else:
                    ends = mp.log(mp.expm1(u0)), mp.log(mp.expm1(u))
                    found = mp.quad(lambda y: (mp.exp(y) + 2) / 2, mp.linspace(*ends, 12))
                    tolerance = (1 + mp.exp(u)) / way
                assert abs(found / way - 1) < mp.mpf(10) ** -23 * (1 + tolerance), (name, i)
        assert checked > 20


@pytest.mark.parametrize("loss", paths.LOSSES)
def test_sgd_is_the_mean_over_all_sequences_of_draws(loss):
    """One unit with weights a and z, trained by hand along all 2^6 sequences."""
    n, lr, kappa, norm, f = 6, *(mp.mpf(x) for x in ("0.13", "0.7", "1.9", "0.3"))
    logits, chances = [], []
    with mp.workdps(40):
        for draws in itertools.product((False, True), repeat=n):
            a, z = mp.mpf("0.4"), mp.mpf("0.3")
            for drawn in draws:
                e = lr * kappa / f * paths.pull(loss, norm * a * z) if drawn else 0
                a, z = a + e * z, z + e * a
            logits.append(norm * a * z)
            chances.append(f ** sum(draws) * (1 - f) ** (n - sum(draws)))
        u = paths.path(loss, mp.mpf("0.49"), mp.mpf("0.01"), norm, lr * kappa / f, n)
        mean = paths._mean(np.random.default_rng(0), n, f, paths.Path(u, u, u, u))[1][0]
        assert abs(mean / mp.fdot(logits, chances) - 1) < mp.mpf(10) ** -35
        asked, (found, *_) = paths._quantile(np.random.default_rng(0), n, f, paths.Path(u, u, u, u))
        below = [mp.fsum(c for v, c in zip(logits, chances, strict=True) if v < found + s) for s in (-1e-30, 1e-30)]
        assert below[0] < asked["quantile"] <= below[1]


@pytest.mark.parametrize("size", [2, 3])
def test_drops_against_matrix_exponentials(size):
    """P <- exp(t B) P exp(t B) from drop to drop: at each of them the margin of its point is 1."""
    rows = accuracy.read(accuracy.Table("drop_times", "", f"{size}d"))
    *draw, points = rows.arguments.values()
    keys = np.column_stack(draw)
    with mp.workdps(30):
        for key in np.unique(keys[:30], axis=0)[:5]:
            own = np.flatnonzero(np.all(keys == key, axis=1))
            times = sorted((mp.mpf(rows.high[i]) + mp.mpf(rows.low[i]), int(points[i])) for i in own)
            units = paths.units_of(dict(zip(rows.arguments, key.tolist(), strict=False)), size)
            P, now, left = mp.zeros(size + 1), mp.mpf(0), {i for _, i in times}
            P[:size, :size], P[:size, size], P[size, :size], P[size, size] = units.M, units.v, units.v.T, units.zeta
            for t, point in times:
                B = mp.zeros(size + 1)
                for j in range(size):
                    B[j, size] = B[size, j] = mp.fsum(units.q[i] * units.X[i, j] for i in left)
                step = mp.expm(B * (t - now))
                P, now = step * P * step, t
                margins = units.X * P[:size, size]
                assert abs(margins[point] - 1) < mp.mpf(10) ** -20
                left.remove(point)
                assert all(margins[i] < 1 for i in left)


# -- edges ---------------------------------------------------------------------------------------------------

EDGES = [  # initial, logit, imbalance
    (1e-300, 1.0, 0.0),
    (1e-300, 0.999999, 0.0),
    (1e-300, 1e-299, 0.0),
    (1e-300, 40.0, 1e-300),
    (1e-300, 650.0, 1e-12),
    (1e-300, 3.0, 1e12),
    (0.0, 1e-290, 1e-12),
    (0.0, 1e-9, 1.0),
    (0.0, 2.0, 1e12),
    (40.0, 40.000001, 0.0),
    (40.0, 690.0, 1.0),
    (0.999, 1.001, 0.0),
    (-5.0, 5.0, 1e-300),
    (-5.0, 5.0, 1e-12),
    (-40.0, -39.0, 0.3),
    (-40.0, 30.0, 1.0),
    (-2.0, -1e-8, 1e-8),
    (-300.0, -1.5, 0.01),
    (-1e3, 20.0, 50.0),
]


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
@pytest.mark.parametrize(("u0", "u", "C"), EDGES)
def test_edges(loss, u0, u, C):
    kappa = 0.37
    with mp.workdps(60):
        mode = laws.Mode(loss, mp.mpf(u0), mp.mpf(kappa), mp.mpf(C))
        T = laws.scaled_time(mode, mp.mpf(u))
        exact, (time_condition, start) = T / mode.factor, laws.sensitivities(mode, T, mp.mpf(u))
        time = modes.time_to(u, initial=u0, rate=kappa, imbalance=C, loss=loss)
        assert abs(mp.mpf(float(time)) / exact - 1) <= UNIT * (1 + (1 + start) / time_condition)
        found = modes.logit(float(exact), initial=u0, rate=kappa, imbalance=C, loss=loss)
        # The reference is the logit at the exact time; this is its change to the time rounded to a float.
        there = mp.mpf(u) + (mode.factor * mp.mpf(float(exact)) - T) * mode.speed(mp.mpf(u))
        relative = abs(mp.mpf(float(found)) / there - 1)
        assert relative <= UNIT * (1 + time_condition + start)
        assert u0 < 0 or relative <= accuracy.SMALL


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
@pytest.mark.parametrize("imbalance", [0.0, 1e-12, 1.0, 1e12])
@pytest.mark.parametrize("initial", [1e-300, 0.5, 40.0])
def test_rate_times_time_may_overflow(loss, imbalance, initial):
    rate, time = 1e300, 1e305
    u = float(modes.logit(time, initial=initial, rate=rate, imbalance=imbalance, loss=loss))
    with mp.workdps(50):
        mode = laws.Mode(loss, mp.mpf(initial), mp.mpf(rate), mp.mpf(imbalance))
        T, wanted = laws.scaled_time(mode, mp.mpf(u)), mode.factor * mp.mpf(time)
        # du = dlog T in this range, so that the relative error of T is the absolute one of u
        assert abs(T / wanted - 1) < UNIT * u
    assert modes.time_to(u, initial=initial, rate=rate, imbalance=imbalance, loss=loss) == pytest.approx(
        time, rel=2 * UNIT * u
    )


@pytest.mark.parametrize("loss", ["hinge", "squared"])
@pytest.mark.parametrize("imbalance", [0.0, 1e-158, 1.0, 1e12])
def test_the_longest_times_of_losses_with_an_end(loss, imbalance):
    for initial in (1e-300, 0.3, 40.0):
        limit = max(initial, 1.0) if loss == "hinge" else 1.0
        assert modes.logit(1e305, initial=initial, rate=1e300, imbalance=imbalance, loss=loss) == limit


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
def test_time_to_beyond_the_largest_float_is_inf(loss):
    assert modes.time_to(800.0, initial=1.0, rate=1.0, loss=loss) == np.inf
    assert modes.time_to(800.0, initial=1.0, rate=1e300, loss=loss) < np.inf
    assert modes.time_to(1e19, initial=1.0, rate=1e300, imbalance=3.0, loss=loss) == np.inf
