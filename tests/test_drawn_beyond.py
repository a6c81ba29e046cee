"""What the figures of A.3 and of most claims beyond the paper show, against laws written out here.

The theory is integrated, or solved in many digits; the networks are gradient descent, step by step, of a unit, of
a chain, or of two numbers a class.
"""


import mpmath
import numpy as np
import pytest
from drawn import TIGHT, axes, marks
from drawn import curves as lines
from scipy.integrate import solve_ivp
from scipy.special import expi, expit, logit

from dynsim.paper import lazy_limit

CLOSE = 1e-9
#: Of two ways to take some ten thousand steps, each of which commits some roundings.
STEPS = 1e-10


# ---- the laws ----------------------------------------------------------------------------------------------


PULLS = {
    "cross_entropy": lambda u: expit(-np.asarray(u)),
    "exponential": lambda u: np.exp(-np.asarray(u)),
    "squared": lambda u: 1.0 - np.asarray(u),
    "hinge": lambda u: np.where(np.asarray(u) < 1.0, 1.0, 0.0),
}


def mode(times, u0, C, rate, loss="cross_entropy"):
    """du/dt = 2 kappa sqrt(u^2 + C^2) g(u), integrated."""
    t, pull = np.asarray(times, dtype=float), PULLS[loss]
    speed = lambda _, u: 2.0 * rate * np.hypot(u, C) * pull(u)  # noqa: E731
    return solve_ivp(speed, (0.0, float(t.max())), [u0], t_eval=t, **TIGHT).y[0]


def descent(u0, C, rate, lr, steps, loss="cross_entropy"):
    """Gradient descent of a class: S <- S (1 + e)^2, D <- D (1 - e)^2 in u and R, after 0, 1, ... steps."""
    u, R, pull = float(u0), float(np.hypot(u0, C)), PULLS[loss]
    out = [u]
    for _ in range(steps):
        e = lr * rate * float(pull(u))
        u, R = u * (1.0 + e * e) + 2.0 * e * R, R * (1.0 + e * e) + 2.0 * e * u
        out.append(u)
    return np.array(out)


def chain(u0, N, norm, p, lr, steps, loss="cross_entropy"):
    """Gradient descent of one balanced chain of N weights, u = |x| w^N; N = 1 is w itself."""
    w, pull = (u0 / norm) ** (1.0 / N), PULLS[loss]
    out = [u0]
    for _ in range(steps):
        w += lr * p * norm * float(pull(norm * w**N)) * w ** (N - 1)
        out.append(norm * w**N)
    return np.array(out)


def deep(t, u0, N, norm, p):
    """The logit of eq 5 (v2) at one time, from its closed form in time in 30 digits."""
    with mpmath.workdps(30):
        b, u0 = mpmath.mpf(2) / N - 1, mpmath.mpf(u0)

        def F(v):
            if b == 0:
                return mpmath.log(v) + mpmath.ei(v)
            return v + mpmath.exp(v) if N == 1 else v**b / b * (1 + mpmath.hyp1f1(b, 1 + b, v))

        # In logarithms, as F grows like e^v.
        grown = mpmath.log(N * p * mpmath.mpf(norm) ** (mpmath.mpf(2) / N) * mpmath.mpf(t))
        ends = (u0 * (1 + mpmath.mpf(10) ** -9), mpmath.mpf(40))
        return float(mpmath.findroot(lambda v: mpmath.log(F(v) - F(u0)) - grown, ends, solver="anderson"))


def extrapolated(values):
    """From networks with lr, lr/2 and lr/4: the limit lr -> 0, and what it leaves open."""
    coarse, middle, fine = values
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    return second + (second - first) / 3.0, 2.0 * np.abs(second - first)


def put_off(values):
    """How far a number at lr may be off."""
    limit, rest = extrapolated(values)
    return np.abs(values[0] - limit) + rest


def halvings(run, looks, lr):
    """`run(lr, steps)` at whole steps near the times, with lr, lr/2 and lr/4."""
    steps = np.rint(np.asarray(looks) / lr).astype(int)
    return [run(lr / 2**j, int(steps.max()) * 2**j)[steps * 2**j] for j in range(3)]


def close(found, right, rel=CLOSE, absolute=0.0):
    np.testing.assert_allclose(found, right, rtol=rel, atol=absolute)


# ---- A.3 ---------------------------------------------------------------------------------------------------


def test_a3_left_is_the_mode_its_descent_and_the_bound():
    above, _, below, _ = axes("appendix_a3")
    curves, dots, apart, lr, rate = lines(above), marks(above), lines(below), 0.04, 0.7
    assert len(curves) == 4 and len(dots) == 3 and len(apart) == 6
    for k, C in enumerate((0.0, 0.1, 1.0)):
        t, u = curves[k]
        close(u, mode(t, 0.01, C, rate), absolute=1e-10)
        path = descent(0.01, C, rate, lr, 750)
        x, seen = dots[k]
        close(seen, path[np.rint(x / lr).astype(int)], STEPS)
        x, off = apart[2 * k]
        assert np.array_equal(x, t[1:])
        close(off, np.abs(u[1:] - path[np.rint(x / lr).astype(int)]), absolute=1e-9)
        assert np.all(off <= apart[2 * k + 1][1] * (1.0 + 1e-9))
    t, bound = curves[3]
    close(bound, 2.0 * np.log(rate * t + np.exp(0.005)), 1e-13)


def test_a3_right_is_the_start_with_and_without_its_sign():
    _, above, _, below = axes("appendix_a3")
    (first, second), ((x, seen),), apart, lr = lines(above), marks(above), lines(below), 0.04
    close(first[1], mode(first[0], -0.24, 0.1, 0.5), absolute=1e-10)
    close(second[1], mode(second[0], 0.24, 0.1, 0.5), absolute=1e-7)

    def unit(step, steps):
        """(2.1) for one unit with |x| = 1."""
        y, z, out = 0.6, -0.4, [-0.24]
        for _ in range(steps):
            e = step * 0.5 * float(expit(-y * z))
            y, z = y + e * z, z + e * y
            out.append(y * z)
        return np.array(out)

    close(seen, halvings(unit, x, lr)[0], STEPS)
    looks = apart[0][0]
    runs = halvings(unit, looks, lr)
    close(apart[0][1], np.abs(mode(looks, -0.24, 0.1, 0.5) - runs[0]), 1e-6, 1e-9)
    close(apart[1][1], put_off(runs), 1e-6, 1e-9)
    close(apart[2][1], np.abs(mode(looks, 0.24, 0.1, 0.5) - runs[0]), 1e-6, 1e-6)


# ---- the asymptote -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "N", "end"), [(0, 2, 1e4), (1, 4, 2e3)])
def test_asymptote_is_the_closed_form_the_series_and_descent(place, N, end):
    above, below = axes("asymptote")[place], axes("asymptote")[place + 2]
    curves, ((x, seen),), apart = lines(above), marks(above), lines(below)
    t, closed = curves[0]
    some = np.arange(0, len(t), 9)
    u = np.array([deep(t[k], 0.1, N, 2.0, 0.5) for k in some])
    close(closed[some], u - np.log(t[some]), 1e-11)
    a, log = 2.0 - 2.0 / N, np.log(t)
    X = a * np.log(log) + np.log(N * 0.5 * 2.0 ** (2.0 / N))
    close(curves[1][1], X, 1e-12)
    close(curves[2][1], X + a * (X - 1.0) / log, 1e-12)
    runs = halvings(lambda lr, steps: chain(0.1, N, 2.0, 0.5, lr, steps), t, 1.0)
    close(seen, (runs[0] - log)[np.searchsorted(t, x)], STEPS)
    assert np.array_equal(x, t[::6]) and t[-1] == end
    # Three differences, of which the first and the last have a floor.
    for k, curve in ((0, curves[0][1]), (2, curves[1][1]), (3, curves[2][1])):
        close(apart[k][1], np.abs(curve + log - runs[0]), 1e-6, 1e-10)
    close(apart[1][1], put_off(runs), 1e-6, 1e-10)
    assert np.all(apart[4][1] >= apart[3][1])
    # As fast as log t: level.
    level = deep(100.0, 0.1, N, 2.0, 0.5) - np.log(100.0)
    close(curves[3][1], [level, level], 1e-11)


# ---- depth -------------------------------------------------------------------------------------------------


def deep_time(u, N):
    """When class +1 of depth_times, |x| = 1 and p = .7, reaches a logit from .1."""
    with mpmath.workdps(30):
        b = mpmath.mpf(2) / mpmath.mpf(N) - 1

        def F(v):
            if abs(b) < 1e-12:
                return mpmath.log(v) + mpmath.ei(v)
            return v + mpmath.exp(v) if N == 1.0 else v**b / b * (1 + mpmath.hyp1f1(b, 1 + b, v))

        return float((F(mpmath.mpf(u)) - F(mpmath.mpf("0.1"))) / (mpmath.mpf(N) * mpmath.mpf("0.7")))


def first_time(path, lr, level):
    """On the chord between the last step before and the first after."""
    k = int(np.argmax(path >= level))
    return lr * (k - 1 + (level - path[k - 1]) / (path[k] - path[k - 1]))


DEPTHS = (1, 2, 3, 4, 8)


def test_depth_times_left_are_closed_form_and_chains():
    above, below, lr = axes("depth_times")[0], axes("depth_times")[2], 0.1
    curves, dots, apart = lines(above), marks(above), lines(below)
    for k, confidence in enumerate((0.75, 0.9, 0.99)):
        N, t = curves[k]
        close(t[::10], [deep_time(logit(confidence), n) for n in N[::10]], 1e-11)
        x, seen = dots[k]
        assert x.tolist() == list(DEPTHS)
        right = np.array([deep_time(logit(confidence), n) for n in DEPTHS])
        for i, n in enumerate(DEPTHS):
            end = 150.0 if n == 1 else 34.0
            paths = [chain(0.1, n, 1.0, 0.7, lr / 2**j, round(end / lr) * 2**j) for j in range(3)]
            limit, rest = extrapolated([first_time(p, lr / 2**j, logit(confidence)) for j, p in enumerate(paths)])
            assert seen[i] == pytest.approx(limit, abs=1e-9)
            # And what reading the times off chords may cost.
            assert apart[2 * k + 1][1][i] > rest
        close(apart[2 * k][1], np.abs(right - seen), absolute=1e-10)
        assert np.all(apart[2 * k][1] <= apart[2 * k + 1][1])


def test_depth_times_right_are_closed_form_and_chains():
    above, below, lr = axes("depth_times")[1], axes("depth_times")[3], 0.1
    curves, dots, apart = lines(above), marks(above), lines(below)
    for k, N in enumerate(DEPTHS):
        t, P = curves[k]
        some = np.arange(0, len(t), 12)
        close(P[some], [expit(deep(t[i], 0.1, N, 1.0, 0.7)) for i in some], 1e-11)
        runs = halvings(lambda step, steps, n=N: expit(chain(0.1, n, 1.0, 0.7, step, steps)), t, lr)
        x, seen = dots[k]
        close(seen, runs[0][np.searchsorted(t, x - 1e-9)], STEPS)
        assert np.array_equal(apart[2 * k][0], t)
        close(apart[2 * k][1], np.abs(P - runs[0]), 1e-6, 1e-12)
        close(apart[2 * k + 1][1], put_off(runs), 1e-6, 1e-12)


# ---- other losses ------------------------------------------------------------------------------------------


def sigmoid(t):
    return 1.0 / (1.0 + 19.0 * np.exp(-1.4 * t))


def hyperbolic(t):
    R, w = np.hypot(0.01, 0.5), np.sqrt(1.25)
    y = 1.0 + w * np.tanh(0.7 * w * t + np.arctanh((R + 0.01 - 1.0) / w))
    return 0.5 * (y - 0.25 / y)


def power(t, N):
    b = 2.0 / N - 1.0
    return np.minimum(1.0, np.maximum(0.05**b + b * N * 0.7 * t, 1.0) ** (1.0 / b))


CASES = {
    (0, 0): (None, lambda lr, n: descent(0.05, 0.0, 0.7, lr, n, "exponential")),
    (0, 1): (
        lambda t: mode(t, 0.01, 0.5, 0.7, "exponential"),
        lambda lr, n: descent(0.01, 0.5, 0.7, lr, n, "exponential"),
    ),
    (1, 0): (sigmoid, lambda lr, n: descent(0.05, 0.0, 0.7, lr, n, "squared")),
    (1, 1): (hyperbolic, lambda lr, n: descent(0.01, 0.5, 0.7, lr, n, "squared")),
    (2, 0): (lambda t: power(t, 3), lambda lr, n: chain(0.05, 3, 1.0, 0.7, lr, n, "hinge")),
    (2, 1): (lambda t: power(t, 4), lambda lr, n: chain(0.05, 4, 1.0, 0.7, lr, n, "hinge")),
}


@pytest.mark.parametrize("case", CASES)
def test_other_losses_are_their_formulas_and_descent(case):
    (place, k), (law, steps), lr = case, CASES[case], 0.02
    above, below = axes("other_losses")[place], axes("other_losses")[place + 3]
    t, u = lines(above)[k]
    path = steps(lr, 400)
    x, seen = marks(above)[k]
    close(seen, path[np.rint(x / lr).astype(int)], STEPS)
    (x, off), (_, floor) = lines(below)[2 * k : 2 * k + 2]
    if law is None:
        # 2 kappa t = Ei(u) - Ei(u0)
        close(expi(u) - expi(0.05), 1.4 * t, absolute=1e-13)
        said = mode(x, 0.05, 0.0, 0.7, "exponential")
    else:
        close(u, law(t), absolute=1e-10)
        said = law(x)
    close(off, np.abs(said - path[np.rint(x / lr).astype(int)]), 1e-6, 1e-9)
    assert np.all(off <= floor * (1.0 + 1e-9))


# ---- the lazy limit ----------------------------------------------------------------------------------------


def lazy(s):
    """u + e^u = u0 + e^u0 + s."""
    with mpmath.workdps(30):
        K = mpmath.mpf("0.1") + mpmath.exp(mpmath.mpf("0.1")) + mpmath.mpf(s)
        # With Lambert's W: e^u = W(e^K).
        return float(mpmath.log(mpmath.lambertw(mpmath.exp(K)).real))


def lazy_run(C):
    return lambda step, steps: descent(0.1, C, 0.5, step / C, steps)


def lazy_floor(s, C):
    """A share (u/C)^2/2 of the time, u at most bound (5.9), times the largest growth with log t."""
    u = 2.0 * np.log(max(1.0, 0.5 * C) * np.asarray(s) / (2.0 * C) + np.exp(0.05))
    fastest = 1.0 + float(mpmath.lambertw(mpmath.exp(-2)).real)
    return fastest * 0.5 * (u / C) ** 2


def test_lazy_limit_left_is_the_limit_and_networks():
    above, below, step = axes("lazy_limit")[0], axes("lazy_limit")[2], 0.5
    ((s, u),), dots, apart = lines(above), marks(above), lines(below)
    close(u[::15], [lazy(each) for each in s[::15]], 1e-12)
    for k, C in enumerate((4.0, 8.0, 16.0, 64.0)):
        looks = apart[2 * k][0]
        # 2 kappa C t of a step is the step, for kappa = 1/2.
        limit, rest = extrapolated(halvings(lazy_run(C), looks, step))
        x, seen = dots[k]
        assert np.array_equal(x, looks[::2])
        close(seen, limit[::2], STEPS)
        close(apart[2 * k][1], np.abs(np.array([lazy(each) for each in looks]) - limit), 1e-6, 1e-10)
        close(apart[2 * k + 1][1], lazy_floor(looks, C) + rest, 1e-6, 1e-10)


def test_lazy_limit_right_is_the_same_over_C():
    above, below, step = axes("lazy_limit")[1], axes("lazy_limit")[3], 0.5
    curves, dots, apart = lines(above), marks(above), lines(below)
    C = np.array([4.0, 8.0, 16.0, 64.0])
    for k, s in enumerate((5.0, 50.0, 500.0)):
        found = [extrapolated(halvings(lazy_run(each), [s], step)) for each in C]
        limit, rest = np.array(found)[..., 0].T
        close(curves[k][1], np.full(4, lazy(s)), 1e-12)
        close(dots[k][1], limit, STEPS)
        close(apart[2 * k][1], np.abs(lazy(s) - limit), 1e-6, 1e-10)
        close(apart[2 * k + 1][1], [lazy_floor(s, each) for each in C] + rest, 1e-6, 1e-10)
    assert lazy_limit.END == 500.0
