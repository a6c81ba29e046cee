"""Units that solve, die or creep: the theory beside networks that are trained, and beside their flow.

One class alone drives the units: the other input is orthogonal to the first, and w is parallel to that, so that no
unit is active on it.
"""

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, simpson
from test_phases import CASES, LOSSES

import dynsim
from dynsim import losses
from dynsim.fates import Fate
from dynsim.theory import phases

EPS = np.finfo(float).eps


def setting(y, z, a, p):
    """A network with these units on the last axis, and the data."""
    data = dynsim.data.point_classes(norms=(a, 1.0), frequencies=(p, 0.5), angle=90, dimension=2)
    single = dynsim.init.from_coordinates(y, z, data.X[0])
    return dynsim.Network((single.weights[0][..., 0, :], single.weights[1][..., 0])), data


def states(network, data, lr, steps, loss):
    """y and z (steps + 1, h) after every step of `train`, and the logits."""
    y, z, u = [network.W @ data.X[0]], [network.Z], [network.logits(data.X)[0]]
    for _ in range(steps):
        run = dynsim.train(network, data, loss=loss, lr=lr, steps=1, record=[1])
        network = run.network
        y.append(network.W @ data.X[0])
        z.append(network.Z)
        u.append(network.logits(data.X)[0])
    return np.array(y), np.array(z), np.array(u)


def crossings(y, lr):
    """When each y is 0 (inf: never), from the line between the last positive y and the next one."""
    out = np.full(y.shape[1], np.inf)
    for k in np.flatnonzero(np.any(y <= 0, axis=0)):
        j = int(np.argmax(y[:, k] <= 0))
        out[k] = lr * (j - 1 + y[j - 1, k] / (y[j - 1, k] - y[j, k]))
    return out


def orders(errors):
    return np.log2(np.abs(errors[:-1] / errors[1:]))


# -- deaths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("a", [0.3, 1.0, 4.0])
def test_time_of_death_of_trained_units(a, loss):
    # The error of descent is c lr + O(lr^2), and the line through two steps adds O(lr^2): log2 of the ratio of
    # errors is 1 + O(lr), here within .1 from some 60 steps on. The pull of the hinge loss is constant, e too, and
    # the clock of descent, log((1 + e)/(1 - e))/2 = e + e^3/3 a step, is that of the flow to second order.
    y, z, p = np.array([0.6 * np.sqrt(a)]), np.array([-0.9 / np.sqrt(a)]), 0.7
    network, data = setting(y, z, a, p)
    death = phases.time_of_death(y, z, norm=a, frequency=p, loss=loss)[0]
    errors = []
    for steps in (60, 120, 240):
        lr = death / steps
        path, _, u = states(network, data, lr, int(1.2 * steps) + 2, loss)
        errors.append(crossings(path, lr)[0] - death)
        # From the first step with y <= 0 on the logit is exactly 0, and nothing moves.
        dead = path[:, 0] <= 0
        assert np.any(dead) and np.all(u[dead] == 0.0) and np.all(u[~dead] < 0.0)
        assert np.ptp(path[dead]) == 0.0
    found = orders(np.array(errors)) - (loss == "hinge")
    assert np.all((found > 0.9) & (found < 1.1))
    if loss == "hinge":
        # Known to the step: the first at which (1 + e)^n |s| >= (1 - e)^n d.
        e = lr * p * a
        assert int(np.argmax(dead)) == np.ceil(np.log(1.5 / 0.3) / np.log((1 + e) / (1 - e)))
    else:
        # c, from c + c2 lr + c3 lr^2: with the c2 removed, what is left is lr/T = 1/240 times as much as c2 lr, if
        # the coefficients are of one size (in units of T); a tenth of it has room for one of 24.
        slope = np.array(errors) * np.array([60, 120, 240]) / death
        assert abs(2 * slope[2] - slope[1] - lag(y[0], z[0], a, p, loss)) <= abs(slope[2] - slope[1]) / 10


def lag(y, z, a, p, loss):
    """What descent adds to the time of death, per unit lr: docs/theory.md, "Phases".

    t is a left sum over the clock, which gives (1/2) log(g(0)/g(u0)); and (1 + e) (1 - e) = 1 - e^2 shrinks u by
    1 - lr kappa int g d tau, which changes 1/g.
    """
    law, kappa, s, d = losses.get(loss), p * a, y / a + z, y / a - z
    tau = np.linspace(0.0, 0.5 * np.log(d / -s), 20_001)
    u = a / 4 * (s * s * np.exp(2 * tau) - d * d * np.exp(-2 * tau))
    g = law.pull(u)
    shrink = kappa * cumulative_simpson(g, x=tau, initial=0.0)
    return 0.5 * np.log(g[-1] / g[0]) + simpson(law.slope(u) * u * shrink / g**2, x=tau) / kappa


@pytest.mark.parametrize(("case", "loss"), [("all die", "cross_entropy"), ("all die", "hinge")])
def test_deaths_of_several_units(case, loss):
    # As above; each death but the first starts from the error of those before it, which is of first order as well.
    y, z, a, p = CASES[case]
    network, data = setting(np.array(y), np.array(z), a, p)
    expected = phases.solve(y, z, times=[0.0], norm=a, frequency=p, loss=loss).death
    dies = np.isfinite(expected)
    last = np.max(expected[dies])
    errors = []
    for steps in (120, 240, 480):
        lr = last / steps
        path, _, _ = states(network, data, lr, int(1.1 * steps), loss)
        found = crossings(path, lr)
        assert np.array_equal(np.isfinite(found), dies)
        errors.append(found[dies] - expected[dies])
    found = orders(np.array(errors)) - (loss == "hinge")
    assert np.all((found > 0.9) & (found < 1.1))


def test_a_unit_that_hinge_spares():
    # Cross-entropy kills the second unit, hinge is at margin 1 before: it stays at y > 0 for ever.
    y, z = [0.5, 0.7], [0.6, -1.0]
    network, data = setting(y, z, 1.0, 0.8)
    for loss, dies in (("hinge", False), ("cross_entropy", True)):
        death = phases.solve(y, z, times=[0.0], frequency=0.8, loss=loss).death
        run = dynsim.train(network, data, loss=loss, lr=0.01, steps=3000)
        assert death[0] == np.inf and (death[1] < 30.0) == dies
        assert (run.network.W @ data.X[0] <= 0).tolist() == [False, dies]


# -- logits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_logit_of_a_dying_unit_extrapolated(loss):
    # u(lr) = u + c1 lr + c2 lr^2 + c3 lr^3 + ...; with lr, lr/2, lr/4 the first two are removed, and what is left
    # falls by 8 with every halving: so it is 1/7 of the last change, up to O(lr); a third leaves room for that.
    y, z, a, p = 0.5, -1.1, 0.8, 0.9
    network, data = setting([y], [z], a, p)
    death = phases.time_of_death(y, z, norm=a, frequency=p, loss=loss)
    times = death * np.array([0.25, 0.5, 0.75, 0.875])
    law = phases.logit(times, y, z, norm=a, frequency=p, loss=loss)
    found = []
    for j in range(5):
        steps = np.array([16, 32, 48, 56]) * 2**j
        run = dynsim.train(network, data, loss=loss, lr=death / 64 / 2**j, steps=steps[-1], record=steps)
        found.append(run.logits[:, 0])
    raw = np.array(found)
    first = 2 * raw[1:] - raw[:-1]
    second = (4 * first[1:] - first[:-1]) / 3
    # The plain error is of first order, whatever its sign.
    assert np.all((orders(raw - law) > 0.85) & (orders(raw - law) < 1.15))
    assert np.all(np.abs(second[-1] - law) <= np.abs(second[-1] - second[-2]) / 3)
    assert np.all(np.abs(second[-1] - law) < 1e-3 * np.abs(raw[-1] - law))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", ["one solves", "one is frozen", "all die"])
def test_several_units_against_the_flow(case, loss):
    # The flow is integrated with 1e-12 a step, in the parameters; some hundred steps, and e^tau < 20.
    y, z, a, p = CASES[case]
    network, data = setting(np.array(y), np.array(z), a, p)
    times = np.linspace(0.0, 6.0, 25)
    run = dynsim.flow(network, data, loss=loss, times=times, rtol=1e-12, atol=1e-14)
    path = phases.solve(y, z, times=times, norm=a, frequency=p, loss=loss)
    np.testing.assert_allclose(path.logit, run.logits[:, 0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(path.confidence, run.confidence[:, 0], rtol=0, atol=1e-8)
    last = run.network
    np.testing.assert_allclose(path.z[-1], last.Z, rtol=0, atol=1e-8)
    # At its death a unit of the flow is left at a y of the solver's own rounding, of either sign.
    np.testing.assert_allclose(path.y[-1], last.W @ data.X[0], rtol=0, atol=1e-8)


# -- the separatrix ------------------------------------------------------------------------------------------


def test_a_unit_exactly_on_the_separatrix_stays():
    # Norm, frequency and lr are powers of two and y = -a z: both updates are the same product lr p g z, scaled by
    # powers of two, so that y = -a z stays exact; the logit creeps to 0 for as long as one likes.
    a, p, lr = 0.5, 0.5, 0.25
    network, data = setting([0.5], [-1.0], a, p)
    run = dynsim.train(network, data, loss="cross_entropy", lr=lr, steps=4000, record=[1000, 2000, 4000])
    y, z = (run.network.W @ data.X[0])[0], run.network.Z[0]
    assert y == -a * z and y > 0
    # d falls by 1 - e a step, e = lr kappa g, where the law has e^-e: log v falls behind by sum of e^2 + O(e^3)
    # (2 log(1 - e) = -2 e - e^2 - 2 e^3/3 ...), and e is below lr kappa = 1/16, and half of that once v is near 0.
    law = phases.logit(run.time, 0.5, -1.0, norm=a, frequency=p)
    e = lr * a * p / 2
    lag = np.log(law / run.logits[:, 0]) / (run.step * e * e)
    # The first steps, e being larger, add less than 100 (4 e^2); the series itself 2 e/3.
    np.testing.assert_allclose(lag, 1.0, atol=400 / 1000)
    np.testing.assert_allclose(lag[-1], 1.0, atol=2 * e + 0.01)


@pytest.mark.parametrize("a", [0.7, 3.3])
def test_how_long_a_unit_on_the_separatrix_is_followed(a):
    # y = -a z as floats, but neither the product nor a step is exact: |s| is bounded by half_width/a at the start,
    # and u = -(a/4) (d_k^2 - s_k^2) is off by (s_k/d_k)^2 from the separatrix's, relatively; s_k/d_k grows by
    # (1 + e)/(1 - e) a step. Before it can be 1e-3 the logit is -(a/4) d_k^2 to 1e-6.
    z, p = -1.3, 0.6
    y, lr = -(a * z), 0.05 / (a * p)
    network, data = setting([y], [z], a, p)
    assert phases.fate(y, z, a) == Fate.SEPARATRIX
    run = dynsim.train(network, data, loss="hinge", lr=lr, steps=1000, record="all")
    u = run.logits[:, 0]
    e = lr * a * p
    ratio = phases.half_width(y, z, norm=a, frequency=p, lr=lr, loss="hinge") / (2 * y)
    grown = ratio * ((1 + e) / (1 - e)) ** np.arange(1001)
    held = grown < 1e-3
    assert 200 < np.sum(held) < 400
    predicted = y * z * (1 - e) ** (2.0 * np.arange(1001))
    np.testing.assert_allclose(u[held], predicted[held], rtol=2e-6)
    # The law of the flow, at a clock that runs by the factor -log(1 - e)/e faster for d.
    clock = -np.log1p(-e) / e
    law = phases.logit(run.time * clock, y, z, norm=a, frequency=p, loss="hinge")
    np.testing.assert_allclose(u[held], law[held], rtol=2e-6)
    # And hardly longer: s is at least a rounding of the stored numbers, some eps/100 of d or more, and the strip is
    # 12 + 1/(4 e) = 17 eps wide, which is 2e3 times that; and ten times more for good measure.
    late = int(np.argmax(grown > 2e4))
    assert 0 < late < 1000 and np.all(u[late:] >= 0.0)


@pytest.mark.parametrize("side", [1, -1])
def test_planted_beside_the_separatrix(side):
    # s = +-2^-40 is far above the rounding: the unit leaves when s e^tau = d e^-tau, to either side, at the step at
    # which (1 + e)^n |s| >= (1 - e)^n d, as descent of the hinge has e = 1/16 all along (all of it powers of two).
    y, z, e = 1.0 + side * 2.0**-40, -1.0, 1 / 16
    n = int(np.ceil((np.log(2.0 + side * 2.0**-40) + 40 * np.log(2.0)) / np.log((1 + e) / (1 - e))))
    network, data = setting([y], [z], 1.0, 0.5)
    run = dynsim.train(network, data, loss="hinge", lr=1 / 8, steps=n + 1, record="all")
    u = run.logits[:, 0]
    assert np.all(u[:n] < 0) and np.all(u[n:] > 0 if side > 0 else u[n:] == 0)
    assert abs(y + z) > phases.half_width(y, z, frequency=0.5, lr=1 / 8, loss="hinge")
    assert phases.fate(y, z) == (Fate.SOLVES if side > 0 else Fate.DIES)


def descend(y, z, x, lr, p, loss="hinge", most=4000):
    """The fate under descent of units with w.x = y, w parallel to x, in the arithmetic of a network."""
    pull = losses.get(loss).pull
    w, z = y[..., None] * (x / (x @ x)), z.copy()
    fate = np.where(y > 0, Fate.UNDECIDED, Fate.FROZEN)
    push = (lr * p) * x
    for _ in range(most):
        across = w @ x
        fate = np.where((fate == Fate.UNDECIDED) & (across <= 0), Fate.DIES, fate)
        fate = np.where((fate == Fate.UNDECIDED) & (z > 0), Fate.SOLVES, fate)
        open_ = fate == Fate.UNDECIDED
        if not open_.any():
            break
        g = np.where(open_, pull(across * z), 0.0)
        w, z = w + (z * g)[..., None] * push, z + ((lr * p) * g) * across
    return fate


@pytest.mark.parametrize("a", [0.1, 0.7, 5.0])
def test_no_disagreement_outside_of_the_strip(a):
    # 400 x 400 units around the separatrix, at relative distances of 1e-17 to .5 to either side; e = .3 and .06.
    p = 0.8
    z = -np.linspace(0.3, 2.1, 400)
    far = 10 ** np.linspace(-17, -0.31, 200)
    inside = outside = wrong = 0
    for lr in (0.3 / (a * p), 0.06 / (a * p)):
        y = -a * z[:, None] * (1 + np.concatenate([-far, far]))
        Z = np.broadcast_to(z[:, None], y.shape)
        width = phases.half_width(y, Z, norm=a, frequency=p, lr=lr, loss="hinge")
        found, said = descend(y, Z, np.array([a]), lr, p), phases.fate(y, Z, a).astype(int)
        strip = np.abs(y + a * Z) <= width
        assert np.all(found != Fate.UNDECIDED)
        assert np.array_equal(found[~strip], said[~strip])
        inside, outside = inside + np.sum(strip), outside + np.sum(~strip)
        wrong += np.sum((found != said) & (said != Fate.SEPARATRIX))
    # Units are planted inside, and some that are not on the very line do go wrong: there is a strip.
    assert inside > 10_000 and outside > 200_000 and wrong > 0


def test_the_strip_in_several_dimensions_and_for_other_losses():
    # Some more roundings in w.x; the pull rises with |u|, from where e is counted as well.
    x = np.array([0.3, -0.41, 0.17, 0.55, -0.23])
    a, p, lr = float(np.linalg.norm(x)), 0.5, 0.2
    z = -np.linspace(0.5, 1.5, 60)
    far = 10 ** np.linspace(-17, -1, 50)
    y = -a * z[:, None] * (1 + np.concatenate([-far, far]))
    Z = np.broadcast_to(z[:, None], y.shape)
    for loss in ("cross_entropy", "exponential", "squared"):
        width = phases.half_width(y, Z, norm=a, frequency=p, lr=lr, loss=loss)
        found, said = descend(y, Z, x, lr, p, loss), phases.fate(y, Z, a).astype(int)
        strip = np.abs(y + a * Z) <= width
        assert np.array_equal(found[~strip], said[~strip]) and np.all(width < 1e-12)
        assert 500 < np.sum(strip) < 4000


def test_trained_units_around_the_separatrix():
    # The same by `train`, a plane as an ensemble: what `descend` says is what networks do.
    a, p, lr = 0.7, 0.8, 0.5
    z = -np.linspace(0.3, 2.1, 20)[:, None]
    far = 10 ** np.linspace(-17, -0.31, 20)
    y = -a * z * (1 + np.concatenate([-far, far]))
    Z = np.broadcast_to(z, y.shape).copy()
    data = dynsim.data.point_classes(norms=(a, 1.0), frequencies=(p, 0.5), angle=90, dimension=2)
    run = dynsim.train(dynsim.init.from_coordinates(y, Z, data.X[0]), data, loss="hinge", lr=lr, steps=300)
    active = (run.network.W @ data.X[0])[..., 0] > 0
    found = np.where(active, Fate.SOLVES, Fate.DIES)
    strip = np.abs(y + a * Z) <= phases.half_width(y, Z, norm=a, frequency=p, lr=lr, loss="hinge")
    said = phases.fate(y, Z, a).astype(int)
    assert np.array_equal(found[~strip], said[~strip]) and np.array_equal(run.logits[-1, ..., 0] >= 1, active)
