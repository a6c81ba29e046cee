"""What the figures of maps, of several points a class, and of two classes that compete show, against laws.

Integrated, or gradient descent step by step; only the starts of networks with several points a class are dynsim's.
"""

import numpy as np
import pytest
from drawn import TIGHT, axes, marks, reproduced
from drawn import curves as lines
from scipy.integrate import solve_ivp
from scipy.special import expit
from test_drawn_beyond import STEPS, close, descent

from dynsim.paper import figure_3, figure_7, order_parameters, theorem_3_4

# ---- the maps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "lr"), [(0, 0.37), (1, 30.0)])
def test_exact_map_is_descent_of_two_numbers(place, lr):
    above, below = axes("exact_map")[place], axes("exact_map")[place + 3]
    found = reproduced("exact_map").comparisons[1 + 2 * place]
    for k, rate in enumerate((0.7, 0.6)):
        path = descent(1e-3, 0.5, rate, lr, 200)
        for x, u in (lines(above)[k], marks(above)[k]):
            close(u, path[np.rint(x / lr).astype(int)], 1e-12)
        (x, off), (_, floor) = lines(below)[2 * k : 2 * k + 2]
        assert np.array_equal(x, found.empirical.time[1:])
        drawn = np.abs(found.theory.logits[:, k] - found.empirical.logits[:, k])[1:]
        assert np.array_equal(off, drawn) and np.all(off <= floor)


def test_exact_map_shows_the_invariants_of_units():
    above, below = axes("exact_map")[2], axes("exact_map")[5]
    for k, lr in enumerate((0.37, 3.0, 30.0)):
        u = descent(1e-3, 0.5, 0.7, lr, 200)
        e = lr * 0.7 * expit(-u[:-1])
        right = np.abs(np.cumprod(1.0 - e**2))
        (x, law), (at, seen) = lines(above)[k], marks(above)[k]
        close(x, lr * np.arange(1.0, 201.0), 1e-12)
        close(law, right, 1e-11)
        close(seen, right[np.rint(at / lr).astype(int) - 1], 1e-9)
        (_, off), (_, floor) = lines(below)[2 * k : 2 * k + 2]
        assert np.all(off <= floor) and np.all(floor < 1e-8)
    assert np.all(lines(above)[3][1] == 1.0)


# ---- order parameters --------------------------------------------------------------------------------------


def points_descend(data, W, Z, lr, steps):
    """(1.1), full batch, cross-entropy: margins (steps + 1, n)."""
    W, Z, X, y, q = W.copy(), Z.copy(), data.X, data.y, data.weights
    out = []
    for step in range(steps + 1):
        inside = X @ W.T
        active = inside > 0.0
        m = y * ((inside * active) @ Z)
        out.append(m)
        if step < steps:
            drive = q * y * expit(-m)
            W, Z = W + lr * Z[:, None] * ((active * drive[:, None]).T @ X), Z + lr * drive @ (inside * active)
    return np.array(out)


def points_flow(data, W, Z, times):
    """The same as lr -> 0."""
    h, X, y, q = len(Z), data.X, data.y, data.weights

    def field(_, theta):
        w, z = theta[:-h].reshape(W.shape), theta[-h:]
        inside = X @ w.T
        active = inside > 0.0
        drive = q * y * expit(-y * ((inside * active) @ z))
        return np.append((z[:, None] * ((active * drive[:, None]).T @ X)).ravel(), drive @ (inside * active))

    tight = {**TIGHT, "rtol": 1e-10, "atol": 1e-12}
    found = solve_ivp(field, (0.0, float(times[-1])), np.append(W.ravel(), Z), t_eval=times, **tight)
    return np.stack([y * (np.maximum(X @ s[:-h].reshape(W.shape).T, 0.0) @ s[-h:]) for s in found.y.T])


@pytest.mark.parametrize(("place", "hidden"), [(0, 8), (1, 64)])
def test_order_parameters_are_the_flow_of_the_weights(place, hidden):
    data = (order_parameters.points, order_parameters.flowers)[place]()
    network = order_parameters.init.class_aligned(data, hidden, initial=0.01, rng=0)
    above, below, lr = axes("order_parameters")[place], axes("order_parameters")[place + 2], 0.05
    times = np.linspace(0.0, 10.0, 21)
    flow, path = points_flow(data, network.W, network.Z, times), points_descend(data, network.W, network.Z, lr, 200)
    curves, dots, apart = lines(above), marks(above), lines(below)
    ends = [(label, pick) for label in (1, -1) for pick in (np.argmin, np.argmax)]
    for k, (label, pick) in enumerate(ends):
        mine = np.flatnonzero(data.y == label)
        point = mine[pick(path[-1, mine])]
        t, m = curves[k]
        at = np.isin(np.rint(t / lr).astype(int), np.rint(times / lr).astype(int))
        rows = np.rint(t[at] / 0.5).astype(int)
        close(m[at], flow[rows, point], 1e-7, 1e-9)
        assert at.sum() > 10
        x, seen = dots[k]
        close(seen, path[np.rint(x / lr).astype(int), point], STEPS)
        (x, off), (_, floor) = apart[2 * k : 2 * k + 2]
        close(off, np.abs(m[1:] - path[np.rint(x / lr).astype(int), point]), 1e-6, 1e-9)
        assert np.all(off <= floor * (1.0 + 1e-9))


# ---- Thm 3.4 and its figures -------------------------------------------------------------------------------


def compete(state, active, p=(1.0, 1.0), norms=(1.0, 1.0)):
    """eq 4 (v2) with norms and frequencies: d(alpha, beta, z)/dt."""
    alpha, beta, z = state
    g, h = expit(-z * alpha) * active[0] * p[0], expit(z * beta) * active[1] * p[1]
    return np.array([norms[0] ** 2 * z * g, -(norms[1] ** 2) * z * h, alpha * g - beta * h])


def competing_flow(start, times):
    """alpha, beta, z (T, 3), stopped and started anew where one of the first two reaches 0; unit norms, p = 1."""
    t = np.asarray(times, dtype=float)
    state, active, now, out = np.array(start, dtype=float), np.array(start[:2]) > 0.0, 0.0, np.empty((len(t), 3))
    while True:
        alive = np.flatnonzero(active)
        events = [lambda _, s, *rest, i=i: s[i] for i in alive]
        for event in events:
            event.terminal, event.direction = True, -1
        found = solve_ivp(
            lambda _, s, a: compete(s, a), (now, t[-1] + 1e-9), state, args=(active.copy(),), events=events,
            dense_output=True, **TIGHT,
        )  # fmt: skip
        inside = (t >= now) & (t <= found.t[-1])
        out[inside] = found.sol(t[inside]).T
        if found.status != 1:
            return out
        i = alive[[len(e) > 0 for e in found.t_events].index(True)]
        now, state = float(found.t[-1]), found.y[:, -1].copy()
        state[i], active[i] = 0.0, False


def competing_descent(start, lr, steps, p=(1.0, 1.0), norms=(1.0, 1.0)):
    """Gradient descent of the unit, (steps + 1, 3) or with more axes; a class that is dead is shown as 0."""
    state = np.array(start, dtype=float)
    out = [state]
    for _ in range(steps):
        state = state + lr * compete(state, state[:2] > 0.0, p, norms)
        out.append(state)
    path = np.array(out)
    path[:, :2] = np.maximum(path[:, :2], 0.0)
    return path


@pytest.mark.parametrize("k", [0, 1, 2])
def test_figure_3_shows_eq_4_and_descent(k):
    drawn, lr = axes("figure_3")[1:], 0.05
    sizes, sizes_apart, sure, sure_apart = (drawn[3 * row + k] for row in range(4))
    start = figure_3.STARTS[k]
    t = lines(sizes)[0][0]
    flow, path = competing_flow(start, t), competing_descent(start, lr, 240)
    signs = np.array([1.0, -1.0])
    for ax, apart, law, seen in (
        (sizes, sizes_apart, flow[:, :2], path[:, :2]),
        (sure, sure_apart, expit(flow[:, 2:] * flow[:, :2] * signs), expit(path[:, 2:] * path[:, :2] * signs)),
    ):
        for i in range(2):
            x, y = lines(ax)[i]
            assert x[0] == 0.0 and x[-1] == 12.0
            close(y, law[:, i], 1e-8, 1e-9)
            x, dots = marks(ax)[i]
            close(dots, seen[np.rint(x / lr).astype(int), i], STEPS)
            (x, off), (_, floor) = lines(apart)[2 * i : 2 * i + 2]
            at = np.searchsorted(t, x - 1e-9)
            close(t[at], x, 1e-12)
            close(off, np.abs(law[at, i] - seen[np.rint(x / lr).astype(int), i]), 1e-6, 1e-8)
            assert np.all(off <= floor + 1e-9)


@pytest.mark.parametrize(("place", "c"), [(0, 1.0), (1, -1.0)])
def test_figure_7_shows_how_far_descent_is_from_eq_4(place, c):
    below, lr = axes("figure_7")[2 * place + 1], 0.05
    for k, (z, angle) in enumerate(figure_7._DRAWN[c]):
        radius = np.sqrt(c + z * z)
        start = [radius * np.cos(angle), radius * np.sin(angle), z]
        (x, off), (_, floor) = lines(below)[2 * k : 2 * k + 2]
        path = competing_descent(start, lr, 240)[np.rint(x / lr).astype(int)]
        flow = competing_flow(start, np.append(0.0, x))[1:]
        close(off, np.linalg.norm(flow - path, axis=1), 1e-6, 1e-8)
        assert np.all(off <= floor * (1.0 + 1e-6))


@pytest.mark.parametrize(("place", "c"), [(0, 1.0), (1, -1.0)])
def test_figure_7_has_the_networks_on_its_sheets(place, c):
    sheet, lr = axes("figure_7")[2 * place], 0.05
    drawn = [line for line in sheet.lines if line.get_markerfacecolor() == "white"]
    assert len(drawn) == len(figure_7._DRAWN[c])
    for line, (z, angle) in zip(drawn, figure_7._DRAWN[c], strict=True):
        radius = np.sqrt(c + z * z)
        path = competing_descent([radius * np.cos(angle), radius * np.sin(angle), z], lr, 240)
        seen = np.transpose(line.get_data_3d())
        apart = np.min(np.linalg.norm(seen[:, None] - path[None], axis=-1), axis=1)
        assert np.all(apart < 1e-11) and len(seen) > 5


def winners(angle, z, setting, lr):
    """Of units on the sheet c = 1, by descent: True where beta dies with z > 0."""
    (a, b), radius = setting.norms, np.sqrt(1.0 + np.square(z))
    state = np.stack(np.broadcast_arrays(a * radius * np.cos(angle), b * radius * np.sin(angle), z))
    for _ in range(round(60.0 / lr)):
        state = state + lr * compete(state, state[:2] > 0.0, setting.frequencies, setting.norms)
    alpha, beta, last = state
    assert np.all(((beta <= 0.0) & (last > 0.0)) ^ ((alpha <= 0.0) & (last < 0.0)))
    return beta <= 0.0


@pytest.mark.parametrize(("k", "setting"), [(0, theorem_3_4.PAPER), (1, theorem_3_4.UNEQUAL)])
def test_theorem_3_4_shows_where_the_winner_changes(k, setting):
    left, right, left_apart, right_apart = axes("theorem_3_4")
    # Every second mark is a saddle.
    angle, z = marks(left)[2 * k]
    x, curve = lines(left)[k]
    saddle, nothing = marks(left)[2 * k + 1]
    (a, b), p = setting.norms, setting.frequencies
    close(saddle, np.arctan2(p[0] * a, p[1] * b), 1e-12)
    assert nothing.tolist() == [0.0]
    # Descent with a step this small has it where the flow has, to lr times .01 or so.
    lr = 0.01
    said = np.interp(angle, x, curve)
    assert not winners(angle, z - 1e-3, setting, lr).any() and winners(angle, z + 1e-3, setting, lr).all()
    assert np.max(np.abs(said - z)) < 1e-3
    (at, off), (_, floor) = lines(left_apart)[2 * k : 2 * k + 2]
    assert np.array_equal(at, angle) and np.all(off <= floor) and np.all(floor < 1e-4)
    # On the right the displacement itself, at the angle .4 from that of the saddle.
    sizes, moved = marks(right)[k]
    line = lines(right)[k][1]
    slope = line[-1] / lines(right)[k][0][-1]
    close(line, slope * lines(right)[k][0], 1e-12)
    here = float(saddle[0]) + 0.4
    place = float(z[np.argmin(np.abs(angle - here))])
    for size, shift in zip(sizes, moved, strict=True):
        near = place + shift + np.array([-5e-6, 5e-6])
        assert winners(here, near, setting, size).tolist() == [False, True]
    (at, off), (_, floor) = lines(right_apart)[2 * k : 2 * k + 2]
    close(off, np.abs(slope * sizes - moved), absolute=1e-12)
    assert np.array_equal(at, sizes) and np.all(off <= floor)
