"""Gates that are held, and the choice of gates on kinks: against loops, differences, enumeration and scipy."""

import itertools

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from dynsim import losses
from dynsim.dataset import Dataset
from dynsim.empirical import normals, sliding, surfaces
from dynsim.empirical.held import HeldGates
from dynsim.empirical.surfaces import OFF, ON, SLIDES
from dynsim.network import Network

EPS = np.finfo(float).eps
#: depth, diagonal inner layers, biases, classes, loss.
FORMS = [
    (2, False, False, None, "cross_entropy"),
    (2, False, False, None, "hinge"),
    (2, False, True, None, "squared"),
    (2, False, True, 3, "cross_entropy"),
    (1, False, False, None, "hinge"),
    (1, False, True, None, "exponential"),
    (1, False, True, 3, "cross_entropy"),
    (3, False, False, None, "hinge"),
    (3, False, True, 3, "cross_entropy"),
    (3, True, True, None, "squared"),
    (4, True, False, None, "cross_entropy"),
    (4, False, True, None, "hinge"),
]


def generic(depth, diagonal, biased, classes, seed, points=6, inputs=3, units=4):
    """A random network of a form, and random points."""
    rng = np.random.default_rng(seed)
    labels = np.resize([1.0, -1.0], points) if classes is None else np.resize(np.arange(classes), points)
    data = Dataset(rng.normal(size=(points, inputs)), labels, rng.uniform(0.05, 0.3, points))
    weights, width = [], inputs
    for layer in range(depth - 1):
        diagonal_here = diagonal and layer > 0
        weights.append(rng.normal(size=width if diagonal_here else (units, width)))
        width = units
    weights.append(rng.normal(size=width if classes is None else (classes, width)))
    outputs = () if classes is None else classes
    shifts = [*(rng.normal(size=units) for _ in range(depth - 1)), rng.normal(size=outputs)]
    return Network(weights, shifts if biased else None, classes if depth == 1 else None), data


def loss_of(network, data, loss):
    f = network.logits(data.X)
    if network.classes is None:
        return float(data.weights @ losses.get(loss).value(data.y * f))
    own = f[np.arange(len(data)), data.y.astype(int)]
    return float(data.weights @ (np.log(np.exp(f).sum(1)) - own))


def held(network, data, loss):
    """The field with the gates as they are at the network, and its row of parameters."""
    field = HeldGates(network, data, loss)
    state = field.pack(network)
    for _ in range(network.depth + 1):
        field.forward(state)
        field.hold((field.a > 0).astype(float), np.zeros(0, dtype=int))
    return field, state


def plain(network, data, loss, gates, pull):
    """-grad L and all da/dt by loops over the layers, with any numbers as gates: nothing of HeldGates."""
    signals, pre = [data.X.T], []
    for layer in range(network.depth):
        w = np.diag(network.weights[layer]) if network.is_diagonal(layer) else np.atleast_2d(network.weights[layer])
        b = 0.0 if network.biases is None else np.reshape(network.biases[layer], (-1, 1))
        pre.append(w @ signals[-1] + b)
        if layer < network.depth - 1:
            signals.append(gates[layer] * pre[-1])
    e, grads, shifts, arrives = pull(pre[-1]), [], [], []
    for layer in range(network.depth - 1, -1, -1):
        w = np.diag(network.weights[layer]) if network.is_diagonal(layer) else np.atleast_2d(network.weights[layer])
        whole = e @ signals[layer].T
        grads.insert(0, np.diag(whole) if network.is_diagonal(layer) else whole)
        shifts.insert(0, e.sum(1))
        if layer:
            arrives.insert(0, w.T @ e)
            e = gates[layer - 1] * arrives[0]
    parts = grads + (shifts if network.biases is not None else [])
    return np.concatenate([np.ravel(p) for p in parts]), arrives


# ---- the field ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "diagonal", "biased", "classes", "loss"), FORMS)
def test_the_field_is_minus_the_gradient(depth, diagonal, biased, classes, loss):
    """Central differences of L itself, h = 1e-5. Their error: h^2 / 6 = 2e-11 times the third derivative, which is
    of the order of 10, and rounding, eps L / h = 1e-10."""
    network, data = generic(depth, diagonal, biased, classes, seed=depth)
    field, state = held(network, data, loss)
    found, h = field(0.0, state), 1e-5
    for k in range(field.size):
        move = np.zeros(field.size)
        move[k] = h
        up, down = (loss_of(field.unpack(state + s * move), data, loss) for s in (1, -1))
        assert abs(found[k] + (up - down) / (2 * h)) < 1e-7
    assert field.evaluations == 1


@pytest.mark.parametrize(("depth", "diagonal", "biased", "classes", "loss"), FORMS)
def test_normals_and_rates_are_derivatives_of_the_preactivations(depth, diagonal, biased, classes, loss):
    """With gates held a is a polynomial of degree `depth` (at most 4): central differences with h and 2 h,
    extrapolated, are exact but for rounding, eps |a| / h = 1e-13."""
    network, data = generic(depth, diagonal, biased, classes, seed=depth)
    field, state = held(network, data, loss)
    everything = np.arange(field.kinks)
    field.forward(state)
    rows, h = normals.of(field, everything), 1e-3
    assert rows.shape == (field.kinks, field.size)

    def pre(shift):
        field.forward(state + shift)
        return field.a.copy()

    def slope(direction):
        one, two = ((pre(s * direction) - pre(-s * direction)) / (2 * s) for s in (h, 2 * h))
        return (4 * one - two) / 3

    for k in range(field.size):
        np.testing.assert_allclose(slope(np.eye(field.size)[k]), rows[:, k], atol=1e-10)
    velocity = np.random.default_rng(0).normal(size=field.size)
    field.forward(state)
    np.testing.assert_allclose(field.rates(velocity), rows @ velocity, atol=1e-12)
    np.testing.assert_allclose(slope(velocity), rows @ velocity, atol=1e-9)


def test_packing():
    network, data = generic(4, True, True, None, seed=0)
    field = HeldGates(network, data, "hinge")
    again = field.unpack(field.pack(network))
    for a, b in zip(network.parameters, again.parameters, strict=True):
        np.testing.assert_array_equal(a, b)
    many = field.unpack(np.stack([field.pack(network)] * 3))
    assert many.ensemble == (3,)


def test_one_sided_rates_pass_what_grows():
    """A unit on its kink lifts the unit above it only in the direction in which it grows."""
    network = Network(([[1.0, 0.0]], [[2.0]], [1.0]))
    data = Dataset([[0.0, 1.0], [1.0, 1.0]], [1, -1])
    field = HeldGates(network, data, "squared")
    field.forward(field.pack(network))
    kinks = np.array([0, 2])  # unit 0 of both layers on point 0
    for move, expected in ((1.0, [1.0, 2.0]), (-1.0, [-1.0, 0.0])):
        velocity = np.array([0.0, move, 0.0, 0.0])
        np.testing.assert_array_equal(field.headed(velocity, kinks)[kinks], expected)
        assert field.rates(velocity)[2] == 0.0
    np.testing.assert_array_equal(field.lifted(np.array([0]), np.array([3.0]))[kinks], [3.0, 6.0])


# ---- forces that keep a = 0 --------------------------------------------------------------------------------


def pushed_onto(form, seed):
    """A field that slides on three random kinks, Newton's method having brought a network there from far away."""
    depth, diagonal, biased, classes, loss = form
    network, data = generic(depth, diagonal, biased, classes, seed)
    field, state = held(network, data, loss)
    # The units of diagonal layers without biases have no kinks of their own: theirs are those of the layer below.
    own = np.flatnonzero((field.layer_of == 0) | (not diagonal) | biased)
    kinks = np.sort(np.random.default_rng(seed).choice(own, 3, replace=False))
    for _ in range(10):
        state = sliding.onto(field, state, kinks)
        field.forward(state)
        field.hold((field.a > -1e-13).astype(float), kinks)
    return field, state, kinks, data


@pytest.mark.parametrize("form", [form for form in FORMS if form[0] > 1 or form[-1] == "hinge"])
def test_the_sliding_field_is_that_of_fractional_gates(form):
    """Project with gates 0; read off gamma; put gamma into a plain backward pass: it must give the same field, and
    keep the pre-activations where they are. Any three kinks will do, whether or not gamma lies in [0, 1]."""
    tried = 0
    for seed in range(30):
        field, state, kinks, data = pushed_onto(form, seed)
        if np.abs(field.a[kinks]).max() > 1e-13:
            continue
        out = np.array(field.respond(state))
        gamma, e = field.fractions()
        if np.abs(e).min() > 1e-3 and np.linalg.svd(normals.of(field, kinks))[1].min() > 0.1:
            check_fractions(field, state, kinks, data, form, out, gamma, e)
            tried += 1
    assert tried >= 3


def test_each_member_of_a_surface_takes_its_share():
    """Antipodal points in a network of three layers: gates gamma and 1 - gamma, and kinks above them that slide."""
    network, data = generic(3, False, False, None, seed=0)
    X = np.array(data.X)
    X[1] = -2.0 * X[0]
    form, data = (3, False, False, None, "squared"), Dataset(X, data.y, data.weights)
    field, state = held(network, data, "squared")
    upper = int(field.edges[1])
    kinks = np.array([0, 1, upper, upper + 9])  # unit 0, points 0 and 1; above, unit 0 on point 0, unit 1 on 3
    for _ in range(10):
        state = sliding.onto(field, state, kinks)
        field.hold((field.a > -1e-13).astype(float), kinks)
        field.forward(state)
    found = surfaces.coincident(field, kinks)
    assert found.of.tolist() == [0, 0, 1, 2] and found.along.tolist() == [1, -1, 1, 1]
    assert found.ratio[1] == pytest.approx(2.0, rel=1e-12)
    surfaces.hold(field, np.full(4, SLIDES, dtype=np.int8), found)
    out = np.array(field.respond(state))
    gamma, _ = field.fractions()
    assert np.abs(gamma - 0.5).min() > 0.01
    shares = np.array([gamma[0], 1.0 - gamma[0], *gamma[1:]])
    check_fractions(field, state, kinks, data, form, out, shares, field.raw[kinks])


def check_fractions(field, state, kinks, data, form, out, gamma, e):
    """The field and what arrives at the gates are those of a plain pass with these fractional gates."""
    classes, loss = form[3:]
    assert np.abs(normals.of(field, kinks) @ out).max() < 1e-12 * (1 + np.abs(out).max())
    gates = np.array(field.gates)
    gates[kinks] = gamma
    q, y = data.weights, data.y

    def pull(f):
        if classes is not None:
            p = np.exp(f - f.max(0))
            return q * (np.eye(classes)[:, y.astype(int)] - p / p.sum(0))
        g = gates[field.edges[-1] :] if loss == "hinge" else losses.get(loss).pull(y * f[0])
        return (q * y * g)[None]

    layers = [gates[a:b].reshape(-1, len(data)) for a, b in itertools.pairwise(field.edges)]
    expected, arrives = plain(field.unpack(state), data, loss, layers, pull)
    # gamma of some 1e3 times rounding of the passes, about 100 operations.
    scale = (1 + np.abs(gamma).max()) * (1 + np.abs(expected).max())
    np.testing.assert_allclose(out, expected, atol=1e3 * EPS * scale)
    flat = np.concatenate([np.ravel(a) for a in arrives] + [-q] * (loss == "hinge"))
    np.testing.assert_allclose(e, flat[kinks], atol=1e3 * EPS * scale)


def test_the_shortest_delta():
    """The same as least squares, also where normals repeat, vanish, or are more than there are dimensions."""
    rng = np.random.default_rng(0)
    for rows in (rng.normal(size=(3, 7)), np.repeat(rng.normal(size=(2, 7)), 2, axis=0), rng.normal(size=(9, 4))):
        rows[-1] *= 1e-6
        force = rng.normal(size=rows.shape[1])
        delta = normals.solve(rows, force)
        rest = force + delta @ rows
        assert np.abs(rows @ rest).max() < 1e-13
        np.testing.assert_allclose(-(normals.pseudoinverse(rows) @ force) @ rows, delta @ rows, atol=1e-12)
        best = force + np.linalg.lstsq(rows.T, -force, rcond=1e-14)[0] @ rows
        np.testing.assert_allclose(rest, best, atol=1e-12)
    assert normals.solve(np.zeros((1, 3)), np.ones(3)).tolist() == [0.0]


# ---- the choice --------------------------------------------------------------------------------------------


def on_kinks(seed, points, inputs, on, output, labels):
    """One unit whose pre-activation is 0 on the first `on` points, among others that set the pulls."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(points, inputs))
    W = rng.normal(size=(3, inputs))
    W[0] -= np.linalg.pinv(X[:on]) @ (X[:on] @ W[0])
    Z = np.array([output, *rng.normal(size=2)])
    return Network((W, Z)), Dataset(X, labels, rng.uniform(0.1, 0.4, points))


def problem(network, data, on):
    """w0' with all gates of the kinks 0, their e and their x: the whole problem of one unit, by the definition."""
    m = data.y * network.logits(data.X)
    c = data.weights * data.y * losses.get("cross_entropy").pull(m)
    a = data.X @ network.W[0]
    active = (a > 0) & (np.arange(len(data)) >= on)
    return network.Z[0] * (c * active) @ data.X, network.Z[0] * c[:on], data.X[:on]


def consistent_choices(force, e, X, tolerance=1e-9):
    """All assignments 0 / 1 / sliding that are consistent, with the w' they lead to; a loop over 3^|S|."""
    found = []
    for sides in itertools.product((OFF, ON, SLIDES), repeat=len(e)):
        sides = np.array(sides)
        slides = sides == SLIDES
        base = force + ((sides == ON) * e) @ X
        basis = (e[:, None] * X)[slides]
        gamma = np.linalg.lstsq((basis @ X[slides].T).T, -(X[slides] @ base), rcond=1e-12)[0]
        w = base + gamma @ basis
        v = X @ w
        fits = np.all(np.abs(v[slides]) < tolerance) and np.all((gamma > -tolerance) & (gamma < 1 + tolerance))
        if fits and np.all(v[sides == OFF] < tolerance) and np.all(v[sides == ON] > -tolerance):
            found.append((sides, w))
    return found


def settled(network, data, on, first):
    field, state = held(network, data, "cross_entropy")
    kinks = np.arange(on)
    state = sliding.onto(field, state, kinks)
    sides = sliding.settle(field, state, kinks, np.array(first, dtype=np.int8))
    velocity = np.array(field.respond(state))[: data.dimension]
    return sides, velocity, field


@pytest.mark.parametrize("on", [1, 2, 3])
def test_attracting_kinks_have_one_solution_the_shortest(on):
    """Z < 0 and labels +1 on the kinks: all e < 0. Every consistent choice that enumeration finds has the same w',
    that of the bounded least squares problem, and it is the one chosen, from whatever it starts."""
    kinds = set()
    for seed in range(15):
        labels = np.array([1.0] * on + [-1.0, 1.0, -1.0, -1.0])
        network, data = on_kinks(seed, on + 4, 4, on, -0.7, labels)
        force, e, X = problem(network, data, on)
        assert np.all(e < 0)
        choices = consistent_choices(force, e, X)
        # delta = -e gamma: w' = w0' + sum e gamma x = w0' - X^T delta
        best = lsq_linear(X.T, force, bounds=(np.zeros(on), -e), method="bvls", tol=1e-14)
        shortest = force - best.x @ X
        for first in itertools.product((OFF, ON, SLIDES), repeat=on):
            sides, w, _ = settled(network, data, on, first)
            np.testing.assert_allclose(w, shortest, atol=1e-10)
            assert any(np.array_equal(sides, s) for s, _ in choices)
        for _, other in choices:
            np.testing.assert_allclose(other, shortest, atol=1e-8)
        kinds |= set(sides.tolist())
    assert kinds == {OFF, ON, SLIDES}


def test_mixed_kinks_get_a_consistent_solution():
    """Repelling kinks too: several choices may be consistent; the one made is among those of the enumeration."""
    several = 0
    for seed in range(60):
        labels = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        network, data = on_kinks(seed, 6, 4, 3, -0.7, labels)
        choices = consistent_choices(*problem(network, data, 3))
        several += len(choices) > 1
        for first in ((OFF, OFF, OFF), (ON, ON, ON), (OFF, ON, SLIDES)):
            sides, w, _ = settled(network, data, 3, first)
            assert any(np.array_equal(sides, s) and np.allclose(w, v, atol=1e-9) for s, v in choices)
        field, state = held(network, data, "cross_entropy")
        last = sliding._tried(field, sliding.onto(field, state, np.arange(3)), np.arange(3))
        assert any(np.array_equal(last, s) for s, _ in choices)
    assert several > 5


def test_the_side_a_unit_is_going_to_decides_at_a_repelling_kink():
    """e > 0 and |w0'.x| < e |x|^2 with w0'.x < 0: both gates are consistent, and the first choice is kept."""
    chosen = set()
    for seed in range(40):
        network, data = on_kinks(seed, 5, 4, 1, 0.7, np.array([1.0, -1.0, 1.0, -1.0, -1.0]))
        force, e, X = problem(network, data, 1)
        v = X[0] @ force
        if -e[0] * X[0] @ X[0] < v < 0.0:
            for first in (OFF, ON):
                assert settled(network, data, 1, [first])[0][0] == first
                chosen.add(first)
    assert chosen == {OFF, ON}


def line(points, labels, weights, w, z):
    """One unit on the line."""
    return Network(([[w]], [z])), Dataset(np.reshape(points, (-1, 1)), labels, weights)


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_repeated_points_share_one_gate(repeats):
    """A point that is there several times, with labels that may differ, is one kink whose e are added."""
    for labels in ([1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]):
        X = np.array([[1.0, 0.0]] * repeats + [[-0.5, 1.0], [0.3, -1.0]])
        y = np.array(labels[:repeats] + [1.0, -1.0])
        data = Dataset(X, y, [0.3, 0.2, 0.25][:repeats] + [0.4, 0.1])
        network = Network(([[0.0, 1.0]], [-0.8]))
        field, state = held(network, data, "cross_entropy")
        sliding.settle(field, state, np.arange(repeats), np.zeros(repeats, dtype=np.int8))
        assert len(field.sliding) <= 1 and len(field.members.kinks) in (0, repeats)
        c = data.weights * y * losses.get("cross_entropy").pull(y * network.logits(X))
        pushed = -0.8 * c[repeats] * X[repeats]
        e = -0.8 * c[:repeats].sum()
        if len(field.sliding):
            gamma = -pushed[0] / e
            np.testing.assert_allclose(field.fractions(), [[gamma], [e]], rtol=1e-12)


def test_antipodal_points_share_one_gate_and_its_complement():
    """x and -x: where one gate is gamma, the other is 1 - gamma; the sides point at each other as one kink."""
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [-0.5, 1.0], [0.3, -1.0]])
    data = Dataset(X, [1, 1, 1, -1], [0.3, 0.05, 0.4, 0.1])
    network = Network(([[0.0, 1.0]], [-0.8]))
    field, state = held(network, data, "cross_entropy")
    sides = sliding.settle(field, state, np.arange(2), np.array([ON, OFF], dtype=np.int8))
    assert sides.tolist() == [SLIDES, SLIDES] and field.members.along.tolist() == [1.0, -1.0]
    c = data.weights * data.y * losses.get("cross_entropy").pull(data.y * network.logits(X))
    e = -0.8 * c
    # 0 = x.w' = e_3 x_3.x + gamma e_1 - (1 - gamma) e_2
    gamma = (e[1] - e[2] * X[2, 0]) / (e[0] + e[1])
    np.testing.assert_allclose(field.fractions()[0], gamma, rtol=1e-12)
    assert 0 < gamma < 1
    # Beyond the kink, with gates (0, 1), this unit goes on: it does not slide, as it would with gates (gamma, 0).
    strong = Dataset(X, [1, -1, 1, -1], [0.3, 0.9, 0.4, 0.1])
    field, state = held(network, strong, "cross_entropy")
    sides = sliding.settle(field, state, np.arange(2), np.array([OFF, ON], dtype=np.int8))
    assert sides.tolist() == [OFF, ON]


def test_a_unit_at_rest_stays_at_rest():
    """w = 0 exactly: relu'(0) = 0 on all points, nothing moves it, as in training."""
    network, data = line([1.0, -1.0, 2.0], [1, -1, -1], [0.3, 0.3, 0.2], 0.0, -0.5)
    field, state = held(network, data, "cross_entropy")
    sides = sliding.settle(field, state, np.arange(3), np.zeros(3, dtype=np.int8))
    assert sides.tolist() == [OFF, OFF, OFF]
    assert not field.respond(state).any()


def test_kinks_that_hang_follow_the_unit_below():
    """The upper unit is 0 where the lower one is; when that opens, the upper one does by the sign between them."""
    opened = []
    for sign, label in itertools.product((1.0, -1.0), repeat=2):
        data = Dataset([[1.0, 0.0], [0.5, 1.0], [0.0, -1.0]], [label, label, -label])
        network = Network(([[0.0, 1.0], [-0.5, 1.0]], [[sign, 2.0], [0.0, 1.0]], [0.2, 0.1]))
        field, state = held(network, data, "squared")
        kinks = sliding.boundary(field, state)
        hangs = kinks[surfaces.hanging(field, state, kinks)]
        upper = int(field.edges[1])  # unit 0 of the upper layer on point 0, like unit 0 of the lower one
        assert kinks[0] == 0 and 0 not in hangs and upper in hangs
        first = np.where(kinks == 0, ON, OFF).astype(np.int8)
        chosen = dict(zip(kinks.tolist(), sliding.settle(field, state, kinks, first).tolist(), strict=True))
        if field.rates(field.respond(state))[0] > 0.0:
            opened.append(sign)
            assert chosen[0] == ON and chosen[upper] == (ON if sign > 0 else OFF)
    assert set(opened) == {1.0, -1.0}


def test_upper_kinks_that_coincide_only_while_a_lower_one_slides_are_ambiguous():
    """Two points that reach an upper unit by its bias alone, as long as the lower unit slides on one of them."""
    data = Dataset([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]], [1, -1, 1])
    network = Network(([[0.0, 1.0]], [[2.0]], [1.0]), [np.zeros(1), np.zeros(1), np.array(0.1)])
    field, state = held(network, data, "squared")
    kinks = np.array([0, 3, 4])  # the lower unit on point 0, the upper one on points 0 and 1
    for lower, expected in ((SLIDES, True), (OFF, False)):
        sides = np.array([lower, SLIDES, SLIDES], dtype=np.int8)
        assert sliding.ambiguous(field, state, kinks, sides, kinks) is expected


@pytest.mark.parametrize("second", [1.0, -1.0])
def test_kinks_that_hang_on_two_units_are_ambiguous_where_these_disagree(second):
    data = Dataset([[1.0, 0.0], [0.5, 1.0], [-1.0, -1.0]], [1, -1, 1])
    network = Network(([[0.0, 1.0], [0.0, 2.0]], [[1.0, second]], [1.0]))
    field, state = held(network, data, "squared")
    kinks = sliding.boundary(field, state)
    sides = np.full(len(kinks), OFF, dtype=np.int8)
    assert sliding.ambiguous(field, state, kinks, sides, kinks[:1]) is (second < 0)
    assert not sliding.ambiguous(field, state, kinks, sides, kinks[:0])


@pytest.mark.parametrize("inner", [[3.0], [[3.0]]])
def test_what_hangs_on_a_kink_is_on_a_kink(inner):
    """A pre-activation of 5e-15, 0 to rounding, and 3 times that in the layer above, which has no other input."""
    data = Dataset([[1.0], [-1.0]], [1, -1])
    field, state = held(Network(([[5e-15]], inner, [1.0])), data, "squared")
    assert field.a.tolist() == [5e-15, -5e-15, 3 * 5e-15, 0.0]
    assert sliding.boundary(field, state).tolist() == [0, 1, 2, 3]
    field, state = held(Network(([[1e-3]], inner, [1.0])), data, "squared")
    assert sliding.boundary(field, state).tolist() == [3]


def test_where_pivoting_does_not_end_every_choice_is_tried(monkeypatch):
    network, data = on_kinks(0, 5, 4, 1, -0.7, np.array([1.0, -1.0, 1.0, -1.0, -1.0]))
    asks, asked = sliding._wanted, [0]

    def astray(field, state, kinks, sides):
        asked[0] += 1
        if asked[0] <= 40:
            return np.where(sides == ON, OFF, ON).astype(np.int8), kinks
        return asks(field, state, kinks, sides)

    plain_choice = settled(network, data, 1, [OFF])[0]
    monkeypatch.setattr(sliding, "_wanted", astray)
    np.testing.assert_array_equal(settled(network, data, 1, [OFF])[0], plain_choice)
    assert 40 < asked[0] <= 43


def test_no_choice_is_an_error(monkeypatch):
    network, data = on_kinks(0, 5, 4, 1, -0.7, np.array([1.0, -1.0, 1.0, -1.0, -1.0]))
    field, state = held(network, data, "cross_entropy")
    flip = lambda field, state, kinks, sides: (np.int8(1) - np.minimum(sides, 1), kinks)  # noqa: E731
    monkeypatch.setattr(sliding, "_wanted", flip)
    with pytest.raises(sliding.UnsettledError, match="no choice of the gates at 1 simultaneous kinks is consist"):
        sliding.settle(field, state, np.array([0]), np.array([OFF], dtype=np.int8))
