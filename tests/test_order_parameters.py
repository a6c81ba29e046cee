"""Order parameters: their map against its written-out form and trained networks, their flow against networks."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from sklearn.datasets import load_iris

from dynsim import init, losses
from dynsim.checks import AssumptionError
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical.training import train
from dynsim.theory import order_parameters
from dynsim.theory.order_parameters import OrderParameters, of_units

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")
SMOOTH = ("cross_entropy", "exponential", "squared")


def pull_of(name, m):
    return {
        "cross_entropy": 1 / (1 + np.exp(m)),
        "hinge": (m < 1).astype(float),
        "exponential": np.exp(-m),
        "squared": 1 - m,
    }[name]


def iris():
    """Setosa against virginica, centred: (H1) holds for every pair of points."""
    X, species = load_iris(return_X_y=True)
    return Dataset(X[species != 1], np.where(species[species != 1] == 0, 1, -1)).centered()


def cone(dimension, n=8, seed=0):
    """Points within 40 degrees of an axis, class -1 on its other side: (H1) holds for every pair."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=dimension)
    axis /= np.linalg.norm(axis)
    off = rng.normal(size=(n, dimension))
    off -= np.outer(off @ axis, axis)
    length = np.linalg.norm(off, axis=1, keepdims=True)
    off *= rng.uniform(0.1, 0.8, (n, 1)) / np.maximum(length, 1e-9)
    y = np.where(np.arange(n) % 3 == 0, -1.0, 1.0)
    return Dataset(y[:, None] * (axis + (off if dimension > 1 else 0.3 * off)), y, rng.uniform(0.05, 0.3, n))


def one_class(data, label, network=None):
    own = data.mask(label)
    points = data.X[own], data.y[own], data.weights[own]
    if network is None:
        return points
    units = slice(0 if label == 1 else 1, None, 2)
    return of_units(network.W[units], network.Z[units]), *points


def some_units(hidden, dimension, seed=0, lead=()):
    rng = np.random.default_rng(seed)
    return 0.4 * rng.normal(size=(*lead, hidden, dimension)), 0.4 * rng.normal(size=(*lead, hidden))


# ---- the state -------------------------------------------------------------------------------------------


def test_of_units():
    W, Z = some_units(5, 3, lead=(2,))
    state = of_units(W, Z)
    assert (state.v.shape, state.M.shape, state.zeta.shape) == ((2, 3), (2, 3, 3), (2,))
    for e in range(2):
        # Sums of 5 products below 1, in another order.
        np.testing.assert_allclose(state.v[e], sum(Z[e, k] * W[e, k] for k in range(5)), rtol=0, atol=20 * EPS)
        outer = sum(np.outer(W[e, k], W[e, k]) for k in range(5))
        np.testing.assert_allclose(state.M[e], outer, rtol=0, atol=20 * EPS)
        assert state.zeta[e] == pytest.approx(sum(Z[e] ** 2), rel=8 * EPS)
    P = state.matrix
    assert P.shape == (2, 4, 4)
    np.testing.assert_array_equal(P[..., :3, :3], state.M)
    np.testing.assert_array_equal(P[..., :3, 3], state.v)
    np.testing.assert_array_equal(P[..., 3, :3], state.v)
    np.testing.assert_array_equal(P[..., 3, 3], state.zeta)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    dimension=st.integers(1, 6),
    length=st.floats(-4, 0.7).map(lambda e: 10.0**e),
    seed=st.integers(0, 2**32 - 1),
)
def test_exponential_against_scipy_and_forty_digits(dimension, length, seed):
    rng = np.random.default_rng(seed)
    r, s = rng.normal(size=dimension), rng.uniform(-1, 1)
    r *= length / np.linalg.norm(r)
    B = np.zeros((dimension + 1, dimension + 1))
    B[:-1, -1] = B[-1, :-1] = r
    got = order_parameters.exponential(r, s)
    with mp.workdps(40):
        exact = np.array((mp.expm(mp.matrix(B.tolist()) * mp.mpf(s))).tolist(), dtype=object)
        # Half a dozen roundings, and that of the angle, at most 5, in the exponent.
        assert max(abs(v) for v in (got - exact).ravel()) <= 12 * EPS * np.abs(got).max()
    # scipy squares its approximant up to three times, e^5 apart in its entries: some 1500 eps of its own.
    np.testing.assert_allclose(got, expm(s * B), rtol=0, atol=1e4 * EPS * np.abs(got).max())


def test_exponential_is_a_boost():
    """It keeps |w|^2 - Z^2; it is 1 at s = 0 and for r = 0; and one after the other they add up."""
    r = np.array([0.3, -1.2, 0.5])
    J = np.diag([1.0, 1.0, 1.0, -1.0])
    A, B = order_parameters.exponential(r, 0.7), order_parameters.exponential(r, 1.1)
    np.testing.assert_allclose(A.T @ J @ A, J, rtol=0, atol=20 * EPS * np.abs(A).max() ** 2)
    whole = order_parameters.exponential(r, 1.8)
    np.testing.assert_allclose(A @ B, whole, rtol=0, atol=40 * EPS * np.abs(whole).max())
    np.testing.assert_array_equal(order_parameters.exponential(r, 0.0), np.eye(4))
    np.testing.assert_array_equal(order_parameters.exponential(np.zeros(3), 5.0), np.eye(4))
    tiny = order_parameters.exponential(1e-100 * r, 1.0)
    np.testing.assert_allclose(tiny[:3, 3], 1e-100 * r, rtol=8 * EPS)


# ---- gradient descent ------------------------------------------------------------------------------------


def written_out(state, X, y, q, lr, steps, name):
    """v += lr (M + zeta I) r + lr^2 (v.r) r, M += lr (v r^T + r v^T) + lr^2 zeta r r^T, zeta += ..., old values."""
    v, M, zeta = (np.array(part) for part in state)
    out = [X @ v]
    for _ in range(steps):
        r = sum(q[i] * y[i] * pull_of(name, y[i] * (v @ X[i])) * X[i] for i in range(len(y)))
        v, M, zeta = (
            v + lr * (M @ r + zeta * r) + lr**2 * (v @ r) * r,
            M + lr * (np.outer(v, r) + np.outer(r, v)) + lr**2 * zeta * np.outer(r, r),
            zeta + 2 * lr * (v @ r) + lr**2 * (r @ M @ r),
        )
        out.append(X @ v)
    return np.array(out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("hidden", "dimension"), [(1, 1), (3, 2), (64, 6), (2, 4)])
@pytest.mark.parametrize("lr", [0.05, 0.8])
def test_gradient_descent_is_the_map_of_v_M_zeta(name, hidden, dimension, lr):
    data = cone(dimension, seed=hidden)
    start = init.class_aligned(data, 2 * hidden, initial=0.1, imbalance=0.2, rng=hidden)
    steps = 100
    for label in LABELS:
        arguments = one_class(data, label, start)
        got = order_parameters.gradient_descent(*arguments, lr=lr, steps=steps, loss=name)
        want = written_out(*arguments, lr, steps, name)
        # d + n + 20 roundings a step, relative to the logits; they add up, for a descent does not let them grow.
        bound = steps * (dimension + len(data) + 20) * EPS * np.maximum(1.0, np.abs(want).max())
        np.testing.assert_allclose(got, want, rtol=0, atol=bound)


DATA = {"iris": iris(), **{f"{d}d": cone(d, seed=d) for d in (1, 2, 3, 6)}}


@pytest.mark.parametrize("units", [1, 3, 64])
@pytest.mark.parametrize("name", ["cross_entropy", "hinge", "exponential"])
@pytest.mark.parametrize("case", DATA)
def test_a_trained_network_is_its_order_parameters(case, name, units):
    """Every point of both classes, at every step, at a learning rate where the flow would be far off."""
    data, steps, lr = DATA[case], 400, 0.4
    network = init.class_aligned(data, 2 * units, initial=(0.01, 0.3), imbalance=(0.5, 0.0), rng=units)
    found = data.check_assumptions(network)
    assert found.H1 and found.H2 and found.H3
    run = train(network, data, loss=name, lr=lr, steps=steps, record="all")
    for label in LABELS:
        got = order_parameters.gradient_descent(*one_class(data, label, network), lr=lr, steps=steps, loss=name)
        # Both sides sum h + d + n products a step, whose roundings are as good as independent. While the small
        # start is amplified the errors are amplified with it and stay relative to the logits; from then on a
        # descent does not let them grow.
        largest = np.abs(run.logits).max()
        bound = steps * 2 * np.sqrt(2 * units + data.dimension + len(data)) * EPS * max(1.0, largest)
        np.testing.assert_allclose(got, run.logits[:, data.mask(label)], rtol=0, atol=bound)


def test_the_squared_loss_too_while_no_gate_flips():
    data = iris()
    network = init.class_aligned(data, 6, initial=0.01, rng=0)
    run = train(network, data, loss="squared", lr=0.01, steps=300, record="all")
    assert data.check_assumptions(run.network)
    for label in LABELS:
        arguments = one_class(data, label, network)
        got = order_parameters.gradient_descent(*arguments, lr=0.01, steps=300, loss="squared")
        # 300 steps of h + d + n roundings.
        np.testing.assert_allclose(got, run.logits[:, data.mask(label)], rtol=0, atol=300 * 120 * EPS)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_linear_network_is_its_order_parameters(name):
    """f(x) = Z . W x on any points of both classes, without any assumption: one system for all of them."""
    rng = np.random.default_rng(2)
    X, y, q = rng.normal(size=(9, 4)), rng.choice([-1.0, 1.0], 9), rng.uniform(0.02, 0.2, 9)
    W, Z = some_units(5, 4, 1)
    lr, steps = 0.3, 300
    got = order_parameters.gradient_descent(of_units(W, Z), X, y, q, lr=lr, steps=steps, loss=name)
    for k in range(steps + 1):
        f = X @ W.T @ Z
        # 30 roundings a step on either side, of numbers of the size of f.
        np.testing.assert_allclose(got[k], f, rtol=0, atol=(k + 1) * 60 * EPS * max(1.0, np.abs(f).max()))
        pull = q * y * pull_of(name, y * f)
        W, Z = W + lr * np.outer(Z, pull @ X), Z + lr * (W @ (pull @ X))


def test_an_ensemble_of_states_is_a_loop():
    data = cone(3)
    W, Z = some_units(4, 3, lead=(2, 3))
    X, y, q = one_class(data, 1)
    together = order_parameters.gradient_descent(of_units(W, Z), X, y, q, lr=0.2, steps=50)
    times = [0.0, 1.0, 7.5]
    flow = order_parameters.flow(of_units(W, Z), X, y, q, times=times)
    assert (together.shape, flow.shape) == ((51, 2, 3, len(y)), (3, 2, 3, len(y)))
    for at in np.ndindex(2, 3):
        single = order_parameters.gradient_descent(of_units(W[at], Z[at]), X, y, q, lr=0.2, steps=50)
        # The same sums in another order: 50 steps of 20 roundings.
        np.testing.assert_allclose(together[:, *at], single, rtol=0, atol=50 * 20 * EPS * 4)
        # The integrator picks its steps by errors that differ in the last bit: 1e-12 a step, some 20 steps.
        alone = order_parameters.flow(of_units(W[at], Z[at]), X, y, q, times=times)
        np.testing.assert_allclose(flow[:, *at], alone, rtol=0, atol=1e-10)


# ---- flow ------------------------------------------------------------------------------------------------


def network_flow(W, Z, X, y, q, times, name, events=None):
    """The gradient flow of all units, dw = Z r, dZ = w.r with r = sum q y g x, by scipy; no order parameters."""
    h, d = W.shape
    pulling = np.ones(len(y)) if events is None else events

    def field(_, flat):
        w, z = flat[: h * d].reshape(h, d), flat[h * d :]
        m = y * (X @ w.T @ z)
        g = pulling if name == "hinge" else pull_of(name, m)
        r = (q * y * g) @ X
        return np.append(np.outer(z, r).ravel(), w @ r)

    start = np.append(W.ravel(), Z)
    found = solve_ivp(field, (0, times[-1]), start, "DOP853", times, rtol=1e-13, atol=1e-14)
    w, z = found.y[: h * d].reshape(h, d, -1), found.y[h * d :]
    return np.einsum("kt,kjt,ij->ti", z, w, X), w[..., -1], z[:, -1]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("case", ["iris", "1d", "3d"])
@pytest.mark.parametrize("units", [1, 3, 64])
def test_flow_against_the_flow_of_the_network(name, case, units):
    """Both sides ask for a relative 1e-12 or better and take fewer than 1000 steps: 1e-9 of the logits."""
    data = DATA[case]
    network = init.class_aligned(data, 2 * units, initial=0.05, imbalance=0.3, rng=3)
    times = np.array([0.0, 0.1, 1.0, 3.0, 10.0])
    for label in LABELS:
        arguments = one_class(data, label, network)
        part = slice(0 if label == 1 else 1, None, 2)
        want, *_ = network_flow(network.W[part], network.Z[part], *arguments[1:], times, name)
        got = order_parameters.flow(*arguments, times=times, loss=name)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize("case", ["iris", "3d", "6d"])
def test_hinge_every_point_leaves_at_margin_one(monkeypatch, case):
    """At each drop the points that stop pulling are at margin 1 to 1e-12, and those that pull on are below it."""
    drops = []
    original = order_parameters._until_next

    def watched(Phi, P, points, r, pulling, last, lr):
        span, dropped = original(Phi, P, points, r, pulling, last, lr)
        if np.isfinite(span):
            v = order_parameters.readout(order_parameters.exponential(r, span) @ Phi, P)
            drops.append((points.y * (points.X @ v), dropped, pulling & ~dropped, span))
        return span, dropped

    monkeypatch.setattr(order_parameters, "_until_next", watched)
    data = DATA[case]
    network = init.class_aligned(data, 8, initial=0.01, imbalance=0.2, rng=0)
    for label in LABELS:
        drops.clear()
        logits = order_parameters.flow(*one_class(data, label, network), times=[0.0, 1e4], loss="hinge")
        count = data.mask(label).sum()
        assert sum(int(dropped.sum()) for _, dropped, _, _ in drops) == count
        assert len(drops) > 2  # one by one, or nearly
        for margin, dropped, still, span in drops:
            assert span >= 0
            assert np.abs(margin[dropped] - 1).max() <= 1e-12
            assert np.all(margin[still] < 1)
        assert np.abs(label * logits[-1]).min() >= 1 - 1e-12


def hinge_reference(W, Z, X, y, q, last):
    """Drop times and order of the full network by solve_ivp with one event a point, restarted after each."""
    h, d = W.shape
    flat, now, pulling, drops = np.append(W.ravel(), Z), 0.0, np.ones(len(y)), []

    def margins(flat):
        return y * (X @ (flat[h * d :] @ flat[: h * d].reshape(h, d)))

    def field(_, flat):
        r = (q * y * pulling) @ X
        return np.append(np.outer(flat[h * d :], r).ravel(), flat[: h * d].reshape(h, d) @ r)

    while pulling.any():
        events = []
        for i in np.flatnonzero(pulling):
            events.append(lambda _, flat, i=i: margins(flat)[i] - 1)
            events[-1].terminal, events[-1].direction = True, 1
        found = solve_ivp(field, (now, last), flat, "DOP853", rtol=1e-12, atol=1e-14, events=events)
        if found.status != 1:
            break
        which = [i for i, t in zip(np.flatnonzero(pulling), found.t_events, strict=True) if len(t)]
        now, flat = found.t[-1], found.y[:, -1]
        pulling[which] = 0.0
        drops.append((now, which))
    return drops


def test_hinge_flow_against_events_on_the_full_network():
    """The same points at the same times: at each reference time the margin is 1 to the integrator's 1e-10."""
    data = cone(3, n=9, seed=5)
    network = init.class_aligned(data, 6, initial=0.02, imbalance=0.3, rng=1)
    for label in LABELS:
        part = slice(0 if label == 1 else 1, None, 2)
        arguments = one_class(data, label, network)
        drops = hinge_reference(network.W[part], network.Z[part], *arguments[1:], 1e3)
        assert sum(len(which) for _, which in drops) == data.mask(label).sum()
        margin = label * order_parameters.flow(*arguments, times=[t for t, _ in drops], loss="hinge")
        gone = []
        for k, (_, which) in enumerate(drops):
            assert np.abs(margin[k, which] - 1).max() < 1e-10
            gone += which
            assert np.all(np.delete(margin[k], gone) < 1)


def test_hinge_flow_is_the_limit_of_small_steps():
    """A step is off by lr: at lr and lr/8 the difference falls by about 8, and is of the size of one step."""
    data = cone(3, seed=4)
    network = init.class_aligned(data, 6, initial=0.05, imbalance=0.1, rng=2)
    arguments = one_class(data, 1, network)
    time, errors = 12.8, []
    for steps in (1024, 8192):
        lr = time / steps
        path = order_parameters.gradient_descent(*arguments, lr=lr, steps=steps, loss="hinge")
        flow = order_parameters.flow(*arguments, times=lr * np.arange(steps + 1), loss="hinge")
        errors.append(np.abs(path - flow).max())
        # A point is let go up to one step late, which moves every logit by at most the largest move of a step.
        assert errors[-1] <= len(data) * np.abs(np.diff(path, axis=0)).max()
    assert 4 < errors[0] / errors[1] < 16


def states_at(state, X, y, q, times, name):
    points = order_parameters.Pulling(X, y, q)
    Phi = order_parameters.propagator(state.matrix, points, np.array(times), losses.get(name), 1e-12)
    P = Phi @ state.matrix @ np.swapaxes(Phi, -1, -2)
    return [OrderParameters(p[:-1, -1], p[:-1, :-1], p[-1, -1]) for p in P]


@pytest.mark.parametrize("name", NAMES)
def test_the_flow_conserves_its_invariants(name):
    """sum |w|^2 - Z^2 = trace M - zeta, to 1e-9 of sum |w|^2 + Z^2: the tolerance 1e-12 over some 100 steps."""
    data = iris()
    network = init.class_aligned(data, 8, initial=0.01, imbalance=0.4, rng=0)
    for label in LABELS:
        arguments = one_class(data, label, network)
        start, *after = states_at(*arguments, [0.0, 0.3, 2.0, 20.0, 300.0], name)
        kept = np.trace(start.M) - start.zeta
        assert abs(kept) > 0.01
        for state in after:
            size = np.trace(state.M) + state.zeta
            assert abs(np.trace(state.M) - state.zeta - kept) <= 1e-9 * size
        assert np.trace(after[-1].M) > 2 * np.trace(start.M) or size > 1.1 * (np.trace(start.M) + start.zeta)


@pytest.mark.parametrize("name", NAMES)
def test_on_from_a_time_is_the_whole_way(name):
    data = DATA["3d"]
    network = init.class_aligned(data, 8, initial=0.02, imbalance=0.2, rng=1)
    for label in LABELS:
        state, *points = one_class(data, label, network)
        middle = states_at(state, *points, [0.0, 2.5], name)[1]
        later = np.array([0.0, 0.5, 4.0, 30.0])
        rest = order_parameters.flow(middle, *points, times=later, loss=name)
        whole = order_parameters.flow(state, *points, times=2.5 + later, loss=name)
        # The integrator's 1e-12 over some 100 steps; the hinge flow is exact, but restarts at a rounded state.
        np.testing.assert_allclose(rest, whole, rtol=0, atol=1e-10 * np.abs(whole).max())


@pytest.mark.parametrize("name", NAMES)
def test_times(name):
    """At 0 the start, and at any time what it is whatever other times are asked for."""
    data = DATA["3d"]
    network = init.class_aligned(data, 8, initial=0.02, imbalance=0.2, rng=1)
    state, X, y, q = one_class(data, 1, network)
    only = order_parameters.flow(state, X, y, q, times=[0.0], loss=name)
    # v = Phi P of the identity: d products more than v.x itself.
    np.testing.assert_allclose(only[0], X @ state.v, rtol=0, atol=20 * EPS)
    full = order_parameters.flow(state, X, y, q, times=[0.0, 0.7, 3.0, 50.0], loss=name)
    np.testing.assert_array_equal(full[0], only[0])
    for k, t in ((1, 0.7), (2, 3.0), (3, 50.0)):
        alone = order_parameters.flow(state, X, y, q, times=[t], loss=name)
        # Dense output between the integrator's steps: its interpolant is of order 7, right to about 1e-10.
        np.testing.assert_allclose(full[k], alone[0], rtol=0, atol=1e-9)


def test_hinge_margins_that_are_reached_already_do_not_pull():
    state = of_units([[2.0, 0.0]], [1.0])
    X, y, q = [[1.0, 0.0], [0.25, 1.0]], [1.0, 1.0], [0.5, 0.5]
    logits = order_parameters.flow(state, X, y, q, times=[0.0, 1.0, 100.0], loss="hinge")
    assert logits[0].tolist() == [2.0, 0.5]
    assert logits[2, 1] == pytest.approx(1.0, abs=1e-12)
    settled = order_parameters.flow(state, X[:1], y[:1], q[:1], times=[0.0, 5.0], loss="hinge")
    assert settled.tolist() == [[2.0], [2.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [1.0, 0.5]}, r"times must increase, got 1 followed by 0\.5 at 1$"),
        ({"times": [-1.0]}, "times must be at least 0 and finite, got -1 at 0$"),
        ({"times": [0.0, np.inf]}, "times must be at least 0 and finite, got "),
        ({"times": 3.0}, r"times must be one-dimensional and not empty, got shape \(\)$"),
        ({"y": [1.0]}, r"y and weights must have one value for each .*2 points, got shapes \(1,\) and \(2,\)$"),
        ({"weights": [1.0] * 3}, r"y and weights must have one value for each .*got shapes \(2,\) and \(3,\)$"),
        ({"weights": [1.0, -1.0]}, "weights must be at least 0 and finite, got -1 at 1$"),
        ({"X": [1.0, 2.0]}, r"X must have 2 dimensions, got shape \(2,\)$"),
        ({"X": [[1.0, 2.0], [np.nan, 0.0]]}, r"X must be finite, got nan at \(1, 0\)$"),
        ({"loss": "log"}, "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got 'log'$"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0$"),
        ({"steps": -3}, "steps must be an integer of at least 0, got -3$"),
    ],
)
def test_errors(change, message):
    arguments = {"X": np.eye(2), "y": [1.0, 1.0], "weights": [0.5, 0.5]} | change
    own = {"lr": 0.1, "steps": 3} if {"lr", "steps"} & set(change) else {"times": [0.0, 1.0]}
    function = order_parameters.gradient_descent if "lr" in own else order_parameters.flow
    with pytest.raises(ValueError, match=message):
        function(of_units([[1.0, 0.0]], [1.0]), **(own | arguments))


def test_errors_are_not_assumption_errors():
    with pytest.raises(ValueError, match="times must increase") as found:
        order_parameters.flow(of_units([[1.0]], [1.0]), [[1.0]], [1.0], [1.0], times=[1.0, 1.0])
    assert not isinstance(found.value, AssumptionError)
