"""The clock of a mode with imbalance C: against multi-precision arithmetic, at its seams, and its cost.

The reference is the power series of e^u, whose terms are integrated by parts: M_k = int u^k / (k! R) du obeys
k^2 M_k = [u^(k-1) R / (k-1)!] - C^2 M_(k-2). It cancels, and is therefore summed with as many digits as that costs.
"""

import mpmath as mp
import numpy as np
import pytest
from test_special import UNIT

from dynsim.theory.evaluation import imbalanced, quadrature
from dynsim.theory.evaluation.special import scaled_time, solve_log_ei


def log_uniform(rng, low, high, count):
    return 10 ** rng.uniform(low, high, count)


def terms(u):
    """How many terms until |u|^k / k! is below 1e-40 of its largest."""
    return int(60 + 4 * abs(u))


def digits(low, high, C):
    """40, and what is lost: e^2|u| in the series, (C / u)^k in the recurrence."""
    size = max(abs(low), abs(high))
    return int(40 + size + terms(size) * max(0.0, np.log10(C / size)) + 2 * abs(np.log10(C)))


def exact(low, high, C, weight):
    """T from `low` to `high`, as mpf."""
    with mp.workdps(digits(low, high, C)):
        a, b, c, w = (mp.mpf(float(x)) for x in (low, high, C, weight))
        start, end = mp.hypot(a, c), mp.hypot(b, c)
        turn = mp.asinh(b / c) - mp.asinh(a / c)
        before, moment = turn, end - start
        total = turn + moment
        for k in range(2, terms(max(abs(low), abs(high)))):
            start, end = start * a / (k - 1), end * b / (k - 1)
            before, moment = moment, (end - start - c * c * before) / k**2
            total += moment
        return w * turn + total


def sensitivities(u0, u, C, weight, T):
    """|dlog u/dlog T| and |dlog u/dlog u0|."""
    speed = mp.hypot(u, C) / (weight + mp.exp(u)) / abs(u)
    return float(T * speed), float(abs(u0) * (weight + mp.exp(u0)) / mp.hypot(u0, C) * speed)


def points(count, seed=0):
    """Starts of both signs, rises and imbalances of all sizes, weights of cross-entropy, exponential, softmax."""
    rng = np.random.default_rng(seed)
    some = rng.random((5, count)) < 0.4
    u0 = np.where(some[0], log_uniform(rng, -300, 1.5, count), log_uniform(rng, -4, 1.5, count))
    u0 = np.where(some[1], -u0, u0)
    C = np.where(some[2], log_uniform(rng, -12, 6, count), log_uniform(rng, -1.5, 1.8, count))
    u = u0 + np.where(some[3], log_uniform(rng, -7, 2.2, count), log_uniform(rng, -1, 1.7, count))
    return u0, u, C, rng.choice([0.0, 1.0, 1.0, 2.0, 999.0], count)


def test_elapsed_and_solve_against_mpmath():
    u0, u, C, weight = points(400)
    exactly = [exact(*row) for row in zip(u0, u, C, weight, strict=True)]
    scaled, log_scaled = imbalanced.elapsed(u0, u, C, weight=weight)
    targets = (np.array([float(f(T)) for T in exactly]) for f in (mp.mpf, mp.log))
    back = imbalanced.solve(u0, *targets, C, weight=weight)
    for i, T in enumerate(exactly):
        time, start = sensitivities(u0[i], u[i], C[i], weight[i], T)
        row = (u0[i], u[i], C[i], weight[i])
        assert abs(scaled[i] / T - 1) <= UNIT * (1 + (1 + start) / time), row
        assert abs(log_scaled[i] - mp.log(T)) <= UNIT * (1 + (1 + start) / time) + UNIT * abs(mp.log(T)), row
        assert abs(back[i] / u[i] - 1) <= UNIT * (1 + time + start), row


@pytest.mark.parametrize("weight", [0.0, 1.0, 9.0])
def test_across_zero_at_small_imbalance(weight):
    """Where s is up to 1,400 long and u near 0 has no digit of u0: the end of a mode that recovers."""
    rng, count = np.random.default_rng(8), 80
    u0, C = -log_uniform(rng, -250, 1.6, count), log_uniform(rng, -300, -6, count)
    u0[::2] = -log_uniform(rng, -1, 1.6, u0[::2].size)
    u = np.where(rng.random(count) < 0.5, C * log_uniform(rng, -2, 6, count), log_uniform(rng, -3, 1, count))
    exactly = [exact(*row, weight) for row in zip(u0, u, C, strict=True)]
    T = np.array([float(total) for total in exactly])
    back = imbalanced.solve(u0, T, np.log(T), C, weight=weight)
    for i, total in enumerate(exactly):
        bound = UNIT * (1 + sum(sensitivities(u0[i], u[i], C[i], weight, total)))
        assert abs(back[i] / u[i] - 1) <= bound, (u0[i], u[i], C[i])


def test_the_series_is_an_integral():
    """The reference against mpmath's quadrature in another variable."""
    with mp.workdps(30):
        for low, high, C in [(-3.0, 5.0, 0.7), (0.2, 9.0, 3.0), (-1e-3, 2.0, 40.0), (4.0, 4.5, 1e-3)]:
            ends = [mp.asinh(mp.mpf(x) / C) for x in (low, 0.5 * (low + high), high)]
            J = mp.quad(lambda v, c=C: mp.exp(c * mp.sinh(v)), ends)
            assert abs(exact(low, high, C, 0.0) / J - 1) < 1e-25


@pytest.mark.parametrize("weight", [0.0, 1.0, 9.0])
def test_no_seam_from_no_imbalance_on(weight):
    """C up to 1e-12 changes nothing from u0 = 1e-3 on; at 1e12 the mode is lazy, w u + e^u = C T + w u0 + e^u0."""
    rng = np.random.default_rng(4)
    u0, T = log_uniform(rng, -3, 1, 300), log_uniform(rng, -6, 6, 300)
    balanced = solve_log_ei(u0, T, np.log(T), weight=weight)
    for C in (0.0, 1e-300, 1e-150, 1e-12):
        u = imbalanced.solve(u0, T, np.log(T), np.full(300, C), weight=weight)
        # sensitivities to T and u0, as dlog u = (dT + (w + e^u0) dlog u0) / (w + e^u); two computations; C^2/u0^2
        slope = weight + np.exp(u)
        bound = 2 * UNIT * (1 + (T + weight + np.exp(u0)) / slope) + 1e-17
        assert np.all(np.abs(u / balanced - 1) <= bound)
    C = 1e12
    u = imbalanced.solve(u0, T / C, np.log(T / C), np.full(300, C), weight=weight)
    sides = weight * u + np.exp(u), T + weight * u0 + np.exp(u0)
    # a rounding of u is u (w + e^u) of the left side
    assert np.all(np.abs(sides[0] - sides[1]) <= 2 * UNIT * (sides[1] + u * (weight + np.exp(u))))


def test_the_branches_join():
    """elapsed is continuous where quadrature changes rules: at C = 3, R = 30, u = 42, |u| = 1, s = 2, falls."""
    tiny = 1e-12
    cases = [(0.5, 4.0, 3.0), (-4.0, 0.5, 3.0), (1.0, 30.0, 3.0), (2.0, 60.0, 30.0), (-50.0, -30.0, 1.0)]
    cases += [(1.0, 42.0, 1.0), (1e-3, 1.0, 0.1), (-1.0, 0.9, 0.1), (1e-3, 1e-3 * np.exp(2.0), 1e-9)]
    cases += [(1.0, 10.0, 1.0)]
    for place in range(3):
        near, far = np.array(cases), np.array(cases)
        near[:, place] -= tiny * np.abs(near[:, place])
        far[:, place] += tiny * np.abs(far[:, place])
        for weight in (0.0, 1.0):
            below, above = (imbalanced.elapsed(*rows.T, weight=weight)[0] for rows in (near, far))
            exactly = [exact(*row, weight) for row in cases]
            size = np.array([float(T) for T in exactly])
            slope = np.array([float(exact(*b, weight) - exact(*a, weight)) for a, b in zip(near, far, strict=True)])
            assert np.all(np.abs(above - below - slope) <= 2 * UNIT * size)


def test_shapes_and_weights_broadcast():
    u0, u, C, weight = (a.reshape(6, 50) for a in points(300, seed=2))
    T, log_T = imbalanced.elapsed(u0, u, C, weight=weight)
    back = imbalanced.solve(u0, T, log_T, C, weight=weight)
    assert T.shape == log_T.shape == back.shape == (6, 50)
    for one in np.unique(weight):
        where = weight == one
        columns = (u0[where], T[where], log_T[where], C[where])
        np.testing.assert_array_equal(imbalanced.solve(*columns, weight=one), back[where])


def test_pieces_do_not_show():
    """More values than a piece holds give what each gives alone."""
    columns = points(10_000, seed=3)
    T, log_T = imbalanced.elapsed(*columns[:3], weight=columns[3])
    u0, C, weight = columns[0], columns[2], columns[3]
    moving = (T > 0) & np.isfinite(log_T)
    together = imbalanced.solve(*(a[moving] for a in (u0, T, log_T, C)), weight=weight[moving])
    for i in range(0, together.size, 997):
        one = [a[moving][i : i + 1] for a in (u0, T, log_T, C, weight)]
        assert imbalanced.solve(*one[:4], weight=one[4])[0] == together[i]


@pytest.mark.parametrize("weight", [0.0, 1.0, 999.0])
def test_solve_takes_few_integrals(weight, monkeypatch):
    """A coarse integral and an exact one each, where bisection to 1e-9 of log s would need 40; and some spare."""
    rng, count = np.random.default_rng(11), 3000
    u0, C = log_uniform(rng, -300, 1.6, count), log_uniform(rng, -13, 13, count)
    u0[::3] = log_uniform(rng, 1, 3, count // 3)
    u0 = np.where(rng.random(count) < 0.3, -u0, u0)
    T, log_T = scaled_time(1.0, log_uniform(rng, -20, 300, count))
    taken, integral = {True: 0, False: 0}, quadrature.integral_below

    def counting(low, high, imbalance, *, coarse=False):
        taken[coarse] += low.size
        return integral(low, high, imbalance, coarse=coarse)

    monkeypatch.setattr(imbalanced, "integral_below", counting)
    u = imbalanced.solve(u0, T, log_T, C, weight=weight)
    assert np.all(u >= u0) and taken[True] <= 1.5 * count and taken[False] <= 1.1 * count


def test_solve_gives_up_loudly(monkeypatch):
    monkeypatch.setattr(imbalanced, "integral_below", lambda u0, u, C, coarse=False: np.full_like(u, np.nan))
    with pytest.raises(ArithmeticError, match=r"^no root in 200 steps for 1 of 1 logits$"):
        imbalanced.solve(np.ones(1), np.ones(1), np.zeros(1), np.ones(1), weight=1.0)
