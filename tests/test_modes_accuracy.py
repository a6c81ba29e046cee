"""The closed-form modes against multi-precision arithmetic.

The reference integrates in other variables than dynsim does: Ei for C = 0, mpmath's adaptive quadrature of
exp(C sinh v) for C > 0, and the arcsinh form of the squared loss, all with 50 digits or more.

Every bound is UNIT times a condition number. UNIT, the promise of the docstrings, is 18 roundings: 3 in
T = 2 kappa t and log T, 8 in the sums of positive terms, 3 in R(u) and exp(u), 4 in the last Newton step.
"""

import itertools

import mpmath as mp
import numpy as np
import pytest

from dynsim.theory import modes

UNIT = 4e-15
WEIGHT = {"cross_entropy": 1, "exponential": 0}


# -- the reference ------------------------------------------------------------------------------------------


def integral(u0, u, C):
    """int e^w / sqrt(w^2 + C^2) dw from u0 to u, in v with w = C sinh v, by panels a factor 4 apart in w."""
    cuts = {u0, u, mp.mpf(0)} | {u - mp.mpf(2) ** k for k in range(-1, 7)}
    cuts |= {sign * mp.mpf(4) ** k for k in range(-32, 5) for sign in (-1, 1)}
    lowest = max(u0, u - 90)  # e^-90 is below the 30 digits wanted here
    cuts = sorted({lowest} | {c for c in cuts if lowest <= c <= u})
    total, error = mp.mpf(0), mp.mpf(0)
    for a, b in itertools.pairwise(cuts):
        low, high = mp.asinh(a / C), mp.asinh(b / C)
        if max(abs(a), abs(b)) < 1e-19:  # e^w is 1 to 1e-19
            total += high - low
        else:
            ends = [low, high]
            part, doubt = mp.quad(lambda v: mp.exp(C * mp.sinh(v)), ends, error=True, method="gauss-legendre")
            total, error = total + part, error + doubt
    assert error < 1e-17 * total
    return total


def exact_scaled_time(loss, u0, u, C):
    """T = 2 kappa t from u0 to u (mpf), with as many digits as the caller has set."""
    if loss == "squared":
        return (antiderivative(u, C) - antiderivative(u0, C)) / mp.sqrt(1 + C * C)
    angle = mp.asinh(u / C) - mp.asinh(u0 / C) if C else mp.log(u / u0)
    if loss == "hinge":
        return angle
    return WEIGHT[loss] * angle + (integral(u0, u, C) if C else mp.ei(u) - mp.ei(u0))


def antiderivative(u, C):
    """w int du / ((1 - u) sqrt(u^2 + C^2))."""
    return mp.asinh((u + C * C) / (C * abs(1 - u))) if C else mp.log(u / abs(1 - u))


def exact_logit(loss, T, u0, C):
    """The logit of the hinge and squared losses at T (mpf)."""
    if loss == "hinge":
        free = C * mp.sinh(mp.asinh(u0 / C) + T) if C else u0 * mp.exp(T)
        return max(u0, min(mp.mpf(1), free))
    if not C:
        return 1 / (1 + (1 / u0 - 1) * mp.exp(-T))
    grown = C * mp.sinh(antiderivative(u0, C) + mp.sqrt(1 + C * C) * T)
    return (grown - C * C) / (1 + grown) if u0 < 1 else (grown + C * C) / (grown - 1)


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


# -- against the reference ----------------------------------------------------------------------------------

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


def points(balanced, count):
    rng = np.random.default_rng(20180919)
    u0 = 10 ** np.where(rng.random(count) < 0.5, rng.uniform(-300, 1.6, count), rng.uniform(-4, 1.6, count))
    rise = 10 ** np.where(rng.random(count) < 0.4, rng.uniform(-7, 2.8, count), rng.uniform(-1, 2, count))
    C = np.where(rng.random(count) < 0.5, 10 ** rng.uniform(-12, 12, count), 10 ** rng.uniform(-1.5, 1.5, count))
    if balanced:
        return list(zip(u0, u0 * (1 + 10 ** rng.uniform(-3, 0, count)) + rise, 0 * C, strict=True))
    u0 = np.where(rng.random(count) < 0.3, -u0, u0)
    return list(zip(u0, u0 + rise, C, strict=True)) + EDGES


@pytest.fixture(scope="module", params=["cross_entropy", "exponential"])
def table(request):
    """Rows (u0, u, C, kappa, T exactly), with the values of the floats that dynsim gets."""
    rng, rows = np.random.default_rng(1), []
    with mp.workdps(50):
        for u0, u, C in points(True, 200) + points(False, 130):
            T = exact_scaled_time(request.param, *(mp.mpf(float(x)) for x in (u0, u, C)))
            rows.append((u0, u, C, 10 ** rng.uniform(-3, 3), T))
    return request.param, rows


def test_time_to_against_mpmath(table):
    loss, rows = table
    u0, u, C, kappa = np.array([row[:4] for row in rows]).T
    times = modes.time_to(u, initial=u0, rate=kappa, imbalance=C, loss=loss)
    for i, t in enumerate(times):
        exact = rows[i][4] / (2 * mp.mpf(kappa[i]))
        bound = UNIT * conditions(loss, float(rows[i][4]), u0[i], u[i], C[i])[1]
        assert abs(mp.mpf(t) / exact - 1) <= bound, (loss, u0[i], u[i], C[i], kappa[i], t)


def test_logit_against_mpmath(table):
    loss, rows = table
    u0, u, C, kappa = np.array([row[:4] for row in rows]).T
    times = np.array([float(row[4] / (2 * mp.mpf(k))) for row, k in zip(rows, kappa, strict=True)])
    got = modes.logit(times, initial=u0, rate=kappa, imbalance=C, loss=loss)
    for i, (value, t) in enumerate(zip(got, times, strict=True)):
        T, end, c = 2 * mp.mpf(kappa[i]) * mp.mpf(t), mp.mpf(u[i]), mp.mpf(C[i])
        # The reference is the logit at the exact time; this is its change to the time rounded to a float.
        exact = end + (T - rows[i][4]) * mp.sqrt(end**2 + c**2) * pull(loss, end)
        relative = abs(mp.mpf(value) / exact - 1)
        assert relative <= UNIT * conditions(loss, float(T), u0[i], u[i], C[i])[0], (loss, *rows[i][:4], value)
        assert u0[i] < 0 or relative <= 1e-12, (loss, *rows[i][:4], value)


@pytest.mark.parametrize("loss", ["hinge", "squared"])
def test_hinge_and_squared_against_mpmath(loss):
    rng, count = np.random.default_rng(7), 600
    C = np.where(rng.random(count) < 0.3, 0.0, 10 ** rng.uniform(-12, 12, count))
    C[:20], C[20:40], C[40:60] = 1e-300, 1e-150, 1e-158  # C^2 is 0, normal and subnormal
    u0 = 10 ** np.where(rng.random(count) < 0.5, rng.uniform(-300, 1.6, count), rng.uniform(-3, 0.5, count))
    u0 = np.where((C > 0) & (rng.random(count) < 0.4), -u0, u0)
    u0[(C > 0) & (rng.random(count) < 0.1)] = 0.0
    # half of the times around the one at which u is 1/2, where most happens
    turn = np.arcsinh(0.5 / np.maximum(C, 1e-300)) - np.arcsinh(u0 / np.maximum(C, 1e-300))
    turn = np.where(C > 0, turn, np.log(0.5 / np.abs(u0 + (u0 == 0))))
    near = np.abs(turn) * rng.uniform(0.2, 1.5, count)
    T = np.where(rng.random(count) < 0.5, 10 ** rng.uniform(-300, 300, count), near)
    kappa = 10 ** rng.uniform(-3, 3, count)
    t = 0.5 * T / kappa
    u = modes.logit(t, initial=u0, rate=kappa, imbalance=C, loss=loss)
    for i in range(count):
        with mp.workdps(700):  # sinh(1e300), and C^2 beside u
            args = [mp.mpf(float(x)) for x in (u0[i], C[i])]
            exact = exact_logit(loss, 2 * mp.mpf(kappa[i]) * mp.mpf(t[i]), *args)
            bound = UNIT * conditions(loss, T[i], u0[i], exact, C[i])[0]
            relative = abs(mp.mpf(u[i]) / exact - 1)
            assert relative <= bound, (loss, u0[i], C[i], kappa[i], t[i], u[i], mp.nstr(exact, 20))
            assert u0[i] < 0 or relative <= 1e-12, (loss, u0[i], C[i], kappa[i], t[i], u[i])
        check_time_to(loss, u0[i], u[i], C[i], kappa[i])


def check_time_to(loss, u0, u, C, kappa):
    moved, reached = u != u0, u != 1.0 if loss == "squared" else u < 1.0
    if not (moved and reached):
        return
    t = modes.time_to(u, initial=u0, rate=kappa, imbalance=C, loss=loss)
    with mp.workdps(700):
        T = exact_scaled_time(loss, *(mp.mpf(float(x)) for x in (u0, u, C)))
        bound = UNIT * conditions(loss, T, u0, u, C)[1]
        assert abs(2 * mp.mpf(kappa) * mp.mpf(float(t)) / T - 1) <= bound, (loss, u0, u, C, kappa, t)


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
@pytest.mark.parametrize("imbalance", [0.0, 1e-12, 1.0, 1e12])
@pytest.mark.parametrize("initial", [1e-300, 0.5, 40.0])
def test_rate_times_time_may_overflow(loss, imbalance, initial):
    rate, time = 1e300, 1e305
    u = float(modes.logit(time, initial=initial, rate=rate, imbalance=imbalance, loss=loss))
    with mp.workdps(50):
        args = [mp.mpf(x) for x in (initial, u, imbalance)]
        T, wanted = exact_scaled_time(loss, *args), 2 * mp.mpf(rate) * mp.mpf(time)
        # du = dlog T in this range, so that the relative error of T is the absolute one of u
        assert abs(T / wanted - 1) < UNIT * u
    assert modes.time_to(u, initial=initial, rate=rate, imbalance=imbalance, loss=loss) == pytest.approx(
        time, rel=2 * UNIT * u
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
def test_time_to_beyond_the_largest_float_is_inf(loss):
    assert modes.time_to(800.0, initial=1.0, rate=1.0, loss=loss) == np.inf
    assert modes.time_to(800.0, initial=1.0, rate=1e300, loss=loss) < np.inf
    assert modes.time_to(1e19, initial=1.0, rate=1e300, imbalance=3.0, loss=loss) == np.inf
