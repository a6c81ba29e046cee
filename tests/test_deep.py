"""Modes of any depth and of softmax, against multi-precision arithmetic, trained parameters and closed forms.

UNIT, the promise of the docstrings, is 18 roundings: 8 in T = N K t with its two powers, 6 in the terms of T and
their sum, 4 in the last step of Newton's method. A logit is right if its exact time differs from the one asked
for by no more than UNIT of each: the time, the start, and the logit itself. To first order this is UNIT times the
condition number; at the end of a plateau, where a rounding of t moves a logit by orders of magnitude, it still
holds.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from dynsim import losses
from dynsim.theory import modes
from dynsim.theory.evaluation import deep, powers

UNIT = 4e-15
EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "exponential", "hinge", "squared")
FEW = settings(deadline=None, derandomize=True, max_examples=150)


# -- the reference ------------------------------------------------------------------------------------------


def primitive(loss, v, b, weight):
    """F with F' = v^{b-1} / g(v), by hypergeometric functions (b = 0 and b = 1: elementary ones and Ei)."""
    if loss == "hinge":
        return v**b / b if b else mp.log(v)
    if loss != "squared":
        return v**b / b * (weight + mp.hyp1f1(b, b + 1, v)) if b else weight * mp.log(v) + mp.ei(v)
    if v < 1:
        return gauss(v, b)
    return -gauss(1 / v, 1 - b)


def gauss(v, b):
    """int v^{b-1} / (1 - v)."""
    if b == 1:
        return -mp.log1p(-v)
    return v**b / b * mp.hyp2f1(1, b, b + 1, v) if b else mp.log(v) - mp.log1p(-v)


def exact_time(loss, u0, u, depth, weight):
    """T = N K t between two logits, in 60 digits."""
    with mp.workdps(60):
        u0, u, b = mp.mpf(float(u0)), mp.mpf(float(u)), 2 / mp.mpf(float(depth)) - 1
        return abs(primitive(loss, u, b, weight) - primitive(loss, u0, b, weight))


def exact_factor(rate, norm, depth):
    """N K = N rate norm^{2/N-1}."""
    rate, norm, depth = (mp.mpf(float(a)) for a in (rate, norm, depth))
    return depth * rate * norm ** (2 / depth - 1)


def slowness(loss, u, depth, weight):
    """dT/dlog u = u^b / g(u)."""
    u, b = mp.mpf(float(u)), 2 / mp.mpf(float(depth)) - 1
    inverse = {"hinge": mp.mpf(1), "squared": 1 / abs(1 - u) if u != 1 else mp.inf}
    return u**b * inverse.get(loss, weight + mp.exp(u))


def log_uniform(rng, low, high, count):
    return 10 ** rng.uniform(low, high, count)


def ends(loss, rng, count):
    """Starts from 1e-300 to 40, and logits beyond them: near, far, and where the form changes."""
    u0 = np.where(rng.random(count) < 0.4, log_uniform(rng, -300, 1.6, count), log_uniform(rng, -4, 1.6, count))
    share = np.where(rng.random(count) < 0.3, log_uniform(rng, -12, 0, count), rng.random(count))
    if loss in ("hinge", "squared"):
        u0 = np.where((loss == "hinge") & (u0 > 0.9), 0.9 * u0 / 40, u0)
        u = u0 ** (1 - share)
        near = (loss == "squared") & (rng.random(count) < 0.3)
        return u0, np.where(near, 1 + (u0 - 1) * log_uniform(rng, -14, -1, count), u)
    rise = np.where(rng.random(count) < 0.4, log_uniform(rng, -7, 2.8, count), log_uniform(rng, -1, 2, count))
    u = np.where(rng.random(count) < 0.4, u0 * (700 / u0) ** share, u0 + rise)
    around_one = (u0 < 1) & (rng.random(count) < 0.2)
    return u0, np.where(around_one, np.maximum(u0, rng.uniform(0.9, 1.1, count)), u)


def depths(rng, count):
    some = rng.choice([1.0, 1.0001, 1.5, 2 - 1e-12, 2 + 1e-9, 2.5, 3.0, 4.0, 8.0, 33.3, 100.0], count)
    return np.where(rng.random(count) < 0.5, some, rng.uniform(1, 8, count))


@pytest.fixture(scope="module", params=[*NAMES, "softmax"])
def table(request):
    """Arguments, logits, exact times; for softmax depth is 2, and norm whatever."""
    loss = "cross_entropy" if request.param == "softmax" else request.param
    rng, count = np.random.default_rng(5), 400
    u0, u = ends(loss, rng, count)
    rate, norm = log_uniform(rng, -3, 3, count), log_uniform(rng, -3, 3, count)
    arguments = {"initial": u0, "rate": rate, "norm": norm, "loss": loss, "depth": depths(rng, count)}
    weight = np.full(count, float(loss == "cross_entropy"))
    if request.param == "softmax":
        classes = rng.choice([2, 3, 10, 37, 1000, 10**6, 10**12], count)
        arguments |= {"classes": classes, "depth": 2.0}
        weight = classes - 1.0
    depth = np.broadcast_to(arguments["depth"], count)
    with mp.workdps(60):
        T = [exact_time(loss, *row) for row in zip(u0, u, depth, weight, strict=True)]
        factor = [exact_factor(*row) for row in zip(rate, norm, depth, strict=True)]
        if request.param == "softmax":  # (C-1) * 2 kappa_C
            factor = [f * mp.sqrt(int(c) * (int(c) - 1)) for f, c in zip(factor, arguments["classes"], strict=True)]
    return arguments, depth, weight, u, T, factor


def test_time_to_against_mpmath(table):
    arguments, depth, weight, u, exact, factor = table
    loss, u0 = arguments["loss"], arguments["initial"]
    times = modes.time_to(u, **arguments)
    for i, t in enumerate(times):
        room = exact[i] + sum(slowness(loss, v, depth[i], weight[i]) for v in (u0[i], u[i]))
        assert abs(mp.mpf(t) * factor[i] - exact[i]) <= UNIT * room, (u0[i], u[i], depth[i], weight[i], t)


def test_logit_against_mpmath(table):
    arguments, depth, weight, u, exact, factor = table
    loss, u0 = arguments["loss"], arguments["initial"]
    times = np.array([float(T / f) for T, f in zip(exact, factor, strict=True)])
    got = modes.logit(times, **arguments)
    for i, (value, t) in enumerate(zip(got, times, strict=True)):
        assert min(u0[i], 1.0) <= value
        if loss == "hinge" and value == 1.0:
            assert u[i] > 1 - UNIT * (1 + float(exact[i] / slowness(loss, 1.0, depth[i], 1)))
        elif loss != "squared" or value != 1.0:
            T, v = mp.mpf(t) * factor[i], value
            room = T + sum(slowness(loss, v, depth[i], weight[i]) for v in (u0[i], value))
            error = abs(exact_time(loss, u0[i], v, depth[i], weight[i]) - T)
            assert error <= UNIT * room, (u0[i], u[i], depth[i], weight[i], t, value)


@pytest.mark.parametrize("loss", NAMES)
def test_shallower_than_two_the_error_is_below_1e_12(loss):
    """b >= 0: the condition number is at most 2 + log(u/u0) + ..., below 1,000 for any float."""
    rng, count = np.random.default_rng(8), 150
    u0, u = ends(loss, rng, count)
    depth = np.where(rng.random(count) < 0.5, rng.uniform(1, 2, count), 2 - log_uniform(rng, -12, 0, count))
    exact = [exact_time(loss, *row, 1.0 * (loss == "cross_entropy")) for row in zip(u0, u, depth, strict=True)]
    with mp.workdps(60):
        times = np.array([float(T / mp.mpf(d)) for T, d in zip(exact, depth, strict=True)])
    seen = np.isfinite(times) & (times > 0)
    got = modes.logit(times[seen], initial=u0[seen], rate=1.0, depth=depth[seen], loss=loss)
    np.testing.assert_allclose(got, u[seen], rtol=1e-12)


# -- other witnesses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("depth", [1.0, 1.3, 2.5, 4.0, 30.0])
@pytest.mark.parametrize("initial", [0.05, 0.6, 1.7])
def test_against_solve_ivp(loss, depth, initial):
    """eq 5 (v2): du/dt = N p |x|^{2/N} u^{2-2/N} g(u)."""
    p, norm, law = 0.8, 0.7, losses.get(loss)
    start = {"initial": initial, "rate": p * norm, "norm": norm, "depth": depth, "loss": loss}
    end = 6.0
    if loss == "hinge":
        end = min(end, 0.999 * float(modes.time_to(1.0, **start))) if initial < 1 else 1.0
    t = np.linspace(0.0, end, 9)
    solution = solve_ivp(
        lambda _, u: depth * p * norm ** (2 / depth) * u ** (2 - 2 / depth) * law.pull(u),
        (0.0, end), [initial], method="DOP853", t_eval=t, rtol=1e-12, atol=1e-13,
    )  # fmt: skip
    u = modes.logit(t, **start)
    # local errors of 1e-12 grow as the sensitivity to the start, below (u/u0)^2 = 40^2 here
    np.testing.assert_allclose(u, solution.y[0], rtol=5e-9)


def layers(depth, norm, p, initial, times):
    """The layers' weights of a balanced network with one unit a layer, by its own flow; the logits."""
    start = np.full(depth, (initial / norm) ** (1 / depth))

    def flow(_, w):
        pull = 1 / (1 + np.exp(norm * np.prod(w)))
        return p * norm * pull * np.prod(w) / w

    out = solve_ivp(flow, (0, times[-1]), start, t_eval=times, method="DOP853", rtol=1e-12, atol=1e-14)
    return norm * np.prod(out.y, axis=0)


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_against_the_layers_of_a_network(depth):
    """f(x) = w_N ... w_1 |x| with equal layers, the weights themselves integrated: Fig. 4 (v2) among them."""
    t = np.linspace(0, 10, 6)
    for norm in (0.5, 2.0):
        u = modes.logit(t, initial=0.1, rate=0.9 * norm, norm=norm, depth=depth)
        # (u/u0)^2 < 100^2 times local errors of 1e-12
        np.testing.assert_allclose(u, layers(depth, norm, 0.9, 0.1, t), rtol=1e-8)


def softmax_network(classes, rng):
    """Orthogonal inputs, units of both balances, readout columns along e_c - 1/C; and what the law needs of it."""
    owner = np.repeat(np.arange(classes), 3)
    a, z = rng.uniform(0.1, 0.4, (2, len(owner)))
    a[owner == 0] = z[owner == 0]  # class 0 is balanced, the others are not
    W = a[:, None] * np.eye(classes)[owner]
    Z = (z[:, None] * (np.eye(classes)[owner] - 1 / classes) * np.sqrt(classes / (classes - 1))).T
    S, D = (np.bincount(owner, (a + sign * z) ** 2) for sign in (1, -1))
    return W, Z, S, D


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_softmax_against_the_parameters_of_a_network(classes):
    norm, p, t = 1.3, 0.4, np.linspace(0, 8, 5)
    W, Z, S, D = softmax_network(classes, np.random.default_rng(classes))
    X = norm * np.eye(classes)

    def flow(_, theta):
        W, Z = theta[: Z0.size].reshape(W0.shape), theta[Z0.size :].reshape(Z0.shape)
        hidden = np.maximum(W @ X.T, 0)
        scores = np.exp(Z @ hidden)
        pull = p * (np.eye(classes) - scores / scores.sum(axis=0))
        return np.concatenate([(((Z.T @ pull) * (hidden > 0)) @ X).ravel(), (pull @ hidden.T).ravel()])

    W0, Z0 = W, Z
    theta = np.concatenate([W.ravel(), Z.ravel()])
    path = solve_ivp(flow, (0, t[-1]), theta, t_eval=t, method="DOP853", rtol=1e-11, atol=1e-13)
    scale = np.sqrt(classes / (classes - 1)) * norm
    initial, imbalance = scale * (S - D) / 4, scale * np.sqrt(S * D) / 2
    u = modes.logit(t, initial=initial[:, None], rate=p * norm, imbalance=imbalance[:, None], classes=classes)
    for k in range(len(t)):
        W, Z = path.y[: Z0.size, k].reshape(W0.shape), path.y[Z0.size :, k].reshape(Z0.shape)
        logits = Z @ np.maximum(W @ X.T, 0)
        margins = np.diag(logits)[None, :] - logits
        # 1e-11 a step, grown by at most (u/u0)^2 < 100
        for c in range(classes):
            np.testing.assert_allclose(np.delete(margins[:, c], c), u[c, k], rtol=1e-8)


def test_two_classes_are_the_binary_law_at_a_rate_larger_by_the_root_of_2():
    t = np.geomspace(1e-3, 1e6, 40)
    for imbalance in (0.0, 0.3):
        both = modes.logit(t, initial=0.02, rate=0.3, imbalance=imbalance, classes=2)
        one = modes.logit(t, initial=0.02, rate=0.3 * np.sqrt(2), imbalance=imbalance)
        # |dlog u/dlog T| < log(u/u0) < 8; two computations and a rate rounded once more
        np.testing.assert_allclose(both, one, rtol=3 * UNIT * 10)


# -- seams, order, inverse -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("initial", [1e-3, 0.7, 3.0])
def test_there_is_no_seam_at_depth_two(loss, initial):
    """Depth 2 runs code of its own."""
    t = np.geomspace(1e-3, 1e4, 60)
    two = modes.logit(t, initial=initial, rate=0.5, norm=0.8, loss=loss)
    for apart in (1e-9, 1e-13):
        for depth in (2 - apart, 2 + apart):
            near = modes.logit(t, initial=initial, rate=0.5, norm=0.8, depth=depth, loss=loss)
            # dlog(du/dt)/dN is at most (1 + log(u/norm))/2 < 5, times |dlog u/dlog t| <= 2 log(u/u0) < 20
            np.testing.assert_allclose(near, two, rtol=100 * apart + 2 * UNIT * 22)
    u = np.unique(two[(two != initial) & ((two < 1) | (loss != "hinge")) & (two != 1.0)])
    if u.size:
        arguments = {"initial": initial, "rate": 0.5, "norm": 0.8, "loss": loss}
        one = modes.time_to(u, depth=2 + 1e-13, **arguments)
        moved = np.abs(np.log(u / initial))
        np.testing.assert_allclose(one, modes.time_to(u, **arguments), rtol=UNIT * (100 + 20 / moved.min()))


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("initial", [1e-3, 0.7, 3.0])
def test_there_is_no_seam_at_depth_one(loss, initial):
    t = np.geomspace(1e-3, 1e4, 60)
    one = modes.logit(t, initial=initial, rate=0.5, norm=0.8, depth=1, loss=loss)
    near = modes.logit(t, initial=initial, rate=0.5, norm=0.8, depth=1 + 1e-12, loss=loss)
    # dlog(du/dt)/dN is at most 1 + 2 log(u/u0), below 22, times |dlog u/dlog t| <= 1
    np.testing.assert_allclose(near, one, rtol=22e-12 + 2 * UNIT * 3)


def test_time_is_additive_where_the_forms_change():
    """T(a, c) = T(a, b) + T(b, c) with ends at and around 1/4, 1, 4 and 300."""
    points = np.array([1e-300, 1e-9, 0.1, 0.25, 0.2500001, 0.9, 1.0, 1.1, 4.0, 4.0001, 30.0, 299.0, 301.0])
    depth = np.array([1.0001, 1.5, 2.1, 3.0, 7.0, 60.0])[:, None]
    for loss in NAMES:
        inside = points[points < 1] if loss in ("hinge", "squared") else points
        triples = [(a, b, c) for k, c in enumerate(inside) for j, b in enumerate(inside[:k]) for a in inside[:j]]
        if loss == "squared":
            above = points[points > 1]
            triples += [(c, b, a) for k, c in enumerate(above) for j, b in enumerate(above[:k]) for a in above[:j]]
        a, b, c = np.array(triples).T
        arguments = {"rate": 1.0, "depth": depth, "loss": loss}
        whole = modes.time_to(c, initial=a, **arguments)
        parts = modes.time_to(b, initial=a, **arguments) + modes.time_to(c, initial=b, **arguments)
        # three times, each with an error of UNIT (1 + 700), as dlog t/dlog u <= max(u, 1) here
        np.testing.assert_allclose(parts, whole, rtol=3 * 20 * EPS * 10)


@st.composite
def cases(draw):
    loss = draw(st.sampled_from(NAMES))
    depth = draw(st.one_of(st.floats(1, 8), st.integers(1, 100).map(float)))
    initial = 10.0 ** draw(st.one_of(st.floats(-300, 1.6), st.floats(-4, 1)))
    rate, norm = (10.0 ** draw(st.floats(-3, 3)) for _ in range(2))
    time = 10.0 ** draw(st.one_of(st.floats(-9, 6), st.floats(-200, 300)))
    return time, {"initial": initial, "depth": depth, "rate": rate, "norm": norm, "loss": loss}


@FEW
@given(cases())
def test_time_to_inverts_logit(case):
    time, arguments = case
    loss, u0, depth = (arguments[name] for name in ("loss", "initial", "depth"))
    u = float(modes.logit(time, **arguments))
    if u in (1.0, u0):
        return
    back = float(modes.time_to(u, **arguments))
    weight = loss == "cross_entropy"
    with mp.workdps(30):
        factor = exact_factor(arguments["rate"], arguments["norm"], depth)
        room = time + sum(slowness(loss, v, depth, weight) for v in (u0, u)) / factor
        assert abs(mp.mpf(back) - time) <= 2 * UNIT * room


@FEW
@given(cases(), st.floats(1e-6, 5))
def test_the_logit_moves_towards_its_limit(case, step):
    time, arguments = case
    first, second = modes.logit([time, time * (1 + step)], **arguments)
    down = arguments["loss"] == "squared" and arguments["initial"] > 1
    if down:
        assert arguments["initial"] >= first and first * (1 + 20 * UNIT) >= second >= 1
    else:
        # 1e-6 of the time is far more than its rounding errors; the logit's own remain
        assert arguments["initial"] <= first <= second * (1 + 20 * UNIT)
    if arguments["loss"] in ("hinge", "squared"):
        assert second <= max(1.0, arguments["initial"])


@FEW
@given(cases())
def test_start_and_limit(case):
    _, arguments = case
    first, last = modes.logit([0.0, np.inf], **arguments)
    limits = {"hinge": max(1.0, arguments["initial"]), "squared": 1.0}
    assert first == arguments["initial"] and last == limits.get(arguments["loss"], np.inf)
    assert modes.time_to(first, **arguments) == 0.0
    if arguments["loss"] != "hinge" and arguments["initial"] != last:
        assert modes.time_to(last, **arguments) == np.inf


@pytest.mark.parametrize("loss", NAMES)
def test_times_at_the_end_of_a_plateau(loss):
    """Deeper than 2, a rounding of t moves the logit by orders of magnitude there; its time must still be t."""
    rng, count = np.random.default_rng(4), 3000
    u0, depth = log_uniform(rng, -300, -2, count), rng.choice([2.1, 2.5, 3.0, 8.0, 33.3, 100.0], count)
    arguments = {"initial": u0, "rate": 0.7, "norm": 1.3, "depth": depth, "loss": loss}
    times = modes.time_to(rng.choice([0.25, 0.3, 0.9999999], count), **arguments)
    times = times * (1 + EPS * rng.integers(-4, 5, count))
    u = modes.logit(times, **arguments)
    reached = u < {"hinge": 1.0, "squared": 0.9}.get(loss, np.inf)
    back = modes.time_to(np.where(reached, u, u0), **arguments)[reached]
    # u0^b/g(u0) < T/2, and u^b/g(u) < 2.5 T (squared loss: 10 beside T > 4.6); for the logit and for the time
    assert reached.sum() > count / 2
    np.testing.assert_allclose(back, times[reached], rtol=2 * 4 * UNIT)


# -- shapes, extremes, errors --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
def test_every_argument_broadcasts(loss):
    time, initial = np.array([0.0, 0.3, 2.0, np.inf])[:, None, None, None], np.array([0.01, 0.4])[:, None, None]
    norm, depth = np.array([0.5, 3.0])[:, None], np.array([1, 1.5, 2, 3, 10])
    u = modes.logit(time, initial=initial, rate=1.3, norm=norm, depth=depth, loss=loss)
    assert u.shape == (4, 2, 2, 5)
    t = modes.time_to(u, initial=initial, rate=1.3, norm=norm, depth=depth, loss=loss)
    assert t.shape == u.shape
    for i, j, k, n in np.ndindex(u.shape):
        arguments = {"initial": initial[j, 0, 0], "rate": 1.3, "norm": norm[k, 0], "depth": depth[n], "loss": loss}
        # BLAS may add the nodes of a panel in another order
        assert modes.logit(time[i, 0, 0, 0], **arguments) == pytest.approx(u[i, j, k, n], rel=10 * UNIT)
        assert modes.time_to(u[i, j, k, n], **arguments) == pytest.approx(t[i, j, k, n], rel=10 * UNIT)


def test_classes_broadcast():
    time, imbalance, classes = np.array([0.0, 0.3, 2.0])[:, None, None], np.array([0.0, 0.5])[:, None], [2, 3, 50]
    u = modes.logit(time, initial=0.1, rate=1.3, imbalance=imbalance, classes=classes)
    assert u.shape == (3, 2, 3)
    t = modes.time_to(u, initial=0.1, rate=1.3, imbalance=imbalance, classes=classes)
    np.testing.assert_allclose(t, np.broadcast_to(time, t.shape), rtol=100 * UNIT)
    for j, k in np.ndindex(2, 3):
        one = modes.logit(time[:, 0, 0], initial=0.1, rate=1.3, imbalance=imbalance[j, 0], classes=classes[k])
        np.testing.assert_allclose(one, u[:, j, k], rtol=10 * UNIT)


def test_the_norm_matters_but_for_depth_two():
    u = modes.logit(3.0, initial=0.1, rate=1.0, norm=[0.5, 1.0], depth=[[2], [3]])
    assert u[0, 0] == u[0, 1] and u[1, 0] > u[1, 1]


@pytest.mark.parametrize("loss", NAMES)
def test_no_floating_point_error_escapes_at_the_extremes(loss):
    sizes = np.array([5e-324, 1e-300, 1e-150, 1e-12, 0.3, 1.0, 40.0, 750.0, 1e4, 1e8, 1e12, 1e17, 1e150, 1e300])
    depth = np.array([1.0, 1 + EPS, 1.5, 2 - 2 * EPS, 2.5, 100.0, 1e17, 1e300])[:, None]
    below = np.concatenate([-sizes[sizes <= 1e12], [0.0], sizes])
    for initial, N in ((sizes, depth), (below, 1.0)):
        for rate in (1e-300, 1.0, 1e300):
            for time in (5e-324, 1e-12, 1.0, 1e300, np.inf):
                for norm in (1e-300, 1.0, 1e300):
                    with np.errstate(all="raise"):
                        u = modes.logit(time, initial=initial, rate=rate, norm=norm, depth=N, loss=loss)
                    falling = (loss == "squared") & (initial > 1)
                    assert np.all(np.where(falling, (u >= 1) & (u <= initial), u >= initial))
                    with np.errstate(all="raise"):
                        t = modes.time_to(u, initial=initial, rate=rate, norm=norm, depth=N, loss=loss)
                    assert np.all(t >= 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0.5}, "depth must be at least 1 (the number of weight layers, 2 with one hidden), got 0.5"),
        ({"depth": 0}, "depth must be at least 1 (the number of weight layers, 2 with one hidden), got 0"),
        ({"depth": np.inf}, "depth must be finite, got inf"),
        ({"depth": [2.0, np.nan]}, "depth must be finite, got nan at 1"),
        ({"norm": -1.0, "depth": 3}, "norm must be positive and finite, got -1"),
        ({"norm": np.nan}, "norm must be positive and finite, got nan"),
        (
            {"imbalance": [0.0, 0.5], "depth": 3},
            "imbalance must be 0 where depth is not 2 (the layers are balanced), got 0.5 with depth 3",
        ),
        (
            {"imbalance": 0.5, "depth": 1},
            "imbalance must be 0 where depth is not 2 (the layers are balanced), got 0.5 with depth 1",
        ),
        (
            {"initial": 0.0, "depth": [1, 1.5]},
            "initial must be positive where imbalance is 0: a logit of 0 is a fixed point, got 0",
        ),
        ({"classes": 1}, "classes must be whole numbers of at least 2, or None for one output, got 1"),
        ({"classes": [3, 2.5]}, "classes must be whole numbers of at least 2, or None for one output, got 2.5"),
        ({"classes": 0}, "classes must be whole numbers of at least 2, or None for one output, got 0"),
        ({"classes": np.nan}, "classes must be finite, got nan"),
        (
            {"classes": 3, "loss": "hinge"},
            "loss must be 'cross_entropy' where classes are given (softmax), got 'hinge'",
        ),
        ({"classes": 3, "depth": 4}, "depth must be 2 where classes are given (softmax), got 4"),
    ],
)
def test_wrong_arguments(change, message):
    for function in (modes.logit, modes.time_to):
        with pytest.raises(ValueError) as caught:
            function(1.0, **({"initial": 0.1, "rate": 1.0} | change))
        assert str(caught.value) == message


# -- the parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_logits_take_few_evaluations(loss, monkeypatch):
    """Newton's method doubles the digits: bisection to 1e-14 would need 47 evaluations of each stretch."""
    rng, count = np.random.default_rng(11), 3000
    initial, one = log_uniform(rng, -300, 1.6, count), np.ones(count)
    flow = deep.Flow(initial, one, rng.uniform(1, 100, count), one, one)
    calls, whole = [], powers.time_along
    monkeypatch.setattr(powers, "time_along", lambda *a: calls.append(1) or whole(*a))
    deep.logit(log_uniform(rng, -10, 300, count), flow, loss)
    assert len(calls) < 60
