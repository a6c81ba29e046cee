"""Units that solve, die or creep: against multi-precision quadrature in the clock, an integration, and themselves.

A unit is s = y/a + z, d = y/a - z with a = |x|; in the clock tau of docs/theory.md, section 3, it is s e^tau,
d e^-tau, and t = int d tau / (kappa g(u)). The references here start from the floats y, z and a as they are.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from dynsim import losses
from dynsim.fates import Fate
from dynsim.theory import phases
from dynsim.theory.evaluation.creep import creep

LOSSES = ("cross_entropy", "hinge", "exponential", "squared")
EPS = np.finfo(float).eps

INVERSE_PULL = {
    "cross_entropy": lambda u: 1 + mp.exp(u),
    "hinge": lambda u: mp.mpf(1),
    "exponential": mp.exp,
    "squared": lambda u: 1 / (1 - u),
}


def rounding(y, z, a):
    """The relative error of s for the rounding of a z, as `phases` documents it."""
    return 0.5 * EPS * abs(a * z) / abs(y + a * z)


def starts(kind, seed=0):
    """(y, z, a): units that die or solve, of all sizes, near the separatrix too; a z is exact for half of them."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(24):
        a = [0.25, 0.1, 5.0, 1.0, 0.7, 2.0][i % 6]
        z = -(10 ** rng.uniform(-2, 0.6)) / np.sqrt(a)
        share = [rng.uniform(0.01, 0.95), 1 - 10 ** rng.uniform(-9, -2)][i // 6 % 2]
        y = -a * z * (share if kind == Fate.DIES else 2 - share)
        out.append((y, z, a))
    # s = -1e-9 d, and hardly any y
    return out + [(1 - 2e-9, -1.0, 1.0), (1e-12, -1.0, 1.0)] if kind == Fate.DIES else out


def clock_time(tau, y, z, a, p, loss):
    """t at the clock `tau`, as mpf: int d tau/(kappa g(u)), in panels over which u changes by few units."""
    y, z, a = mp.mpf(float(y)), mp.mpf(float(z)), mp.mpf(float(a))
    s, d = y / a + z, y / a - z

    def integrand(x):
        return INVERSE_PULL[loss](a / 4 * (s**2 * mp.exp(2 * x) - d**2 * mp.exp(-2 * x)))

    panels = 4 + int(abs(y * z))
    return mp.quad(integrand, mp.linspace(0, tau, panels)) / (mp.mpf(float(p)) * a)


def clock_at(u, y, z, a):
    """tau at the logit u, as mpf: the positive root of (a/4) (S q - D/q) = u, q = e^{2 tau}."""
    y, z, a, u = mp.mpf(float(y)), mp.mpf(float(z)), mp.mpf(float(a)), mp.mpf(float(u))
    s, d = abs(y / a + z), abs(y / a - z)
    return (mp.asinh(2 * u / (a * s * d)) - mp.log(s / d)) / 2


# -- fates ---------------------------------------------------------------------------------------------------


def test_fates_of_the_plane():
    y, z = np.meshgrid([-1.0, 0.0, 0.35, 0.7, 1.4], [-2.0, -1.0, -0.5, 0.0, 3.0], indexing="ij")
    F, D, S, P = Fate.FROZEN, Fate.DIES, Fate.SOLVES, Fate.SEPARATRIX
    found = phases.fate(y, z, norm=0.7)
    assert found.tolist() == [[F] * 5, [F] * 5, [D, D, P, S, S], [D, P, S, S, S], [P, S, S, S, S]]
    assert phases.fate(1.0, -1.0).shape == () and phases.fate(1.0, -1.0).item() is Fate.SEPARATRIX
    assert phases.fate(1.0, -1.0).dtype == object and phases.fate(np.ones((2, 1)), np.ones(3)).shape == (2, 3)


def test_neighbours_of_the_separatrix():
    # One float to either side of -a z as rounded.
    for a in (0.1, 0.7, 1 / 3, 5.0):
        y = 1.3 * a
        assert phases.fate(np.nextafter(y, 9), -1.3, a) == Fate.SOLVES
        assert phases.fate(y, -1.3, a) == Fate.SEPARATRIX
        assert phases.fate(np.nextafter(y, 0), -1.3, a) == Fate.DIES
    # No overflow or underflow of a z decides otherwise.
    assert phases.fate([1e300, 5e-324], [-1e300, -1.0], [1e300, 1.0]).tolist() == [Fate.DIES, Fate.DIES]


sizes = st.floats(0.01, 100.0)
signed = st.builds(lambda size, sign: sign * size, sizes, st.sampled_from([1.0, -1.0]))


@given(signed, signed, sizes, st.integers(-60, 60), sizes)
@settings(deadline=None, max_examples=200)
def test_fates_are_scale_invariant(y, z, a, power, factor):
    found = phases.fate(y, z, a)
    # Powers of two change no rounding.
    assert phases.fate(2.0**power * y, 2.0**power * z, a) == found
    assert phases.fate(2.0**power * y, z, 2.0**power * a) == found
    # Three roundings of half an eps of the larger term, in y, in z and in the product, before and after.
    assume(abs(y + a * z) > 4 * EPS * (abs(y) + abs(a * z)))
    assert phases.fate(factor * y, factor * z, a) == found
    assert phases.fate(y / a, z, 1.0) == found


# -- one unit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_time_of_death_in_multiple_precision(loss):
    # In u0 and C the time has condition numbers of at most 1: with t = int dv/(2 kappa R g) from u0 to 0,
    # |u0 dt/du0| = |u0|/(2 kappa R0 g0) is less than t, as R g falls, and |C dt/dC| = int C^2/R^2 dt. So the error
    # is that of modes.time_to, 4e-15 (1 + 2), and those of u0 (eps/2) and C (six roundings, and that of a z).
    given = [(*start, p) for start, p in zip(starts(Fate.DIES), [1.0, 0.3, 2.0] * 9, strict=False)]
    y, z, a, p = np.array(given).T
    found = phases.time_of_death(y, z, norm=a, frequency=p, loss=loss)
    with mp.workdps(30):
        for row, time in zip(given, found, strict=True):
            tau = clock_at(0.0, *row[:3])
            exact = clock_time(tau, *row, loss)
            assert abs(time / exact - 1) <= 1.2e-14 + 4 * EPS + rounding(*row[:3])
    # That is 1e-12 but for what lies within 1e-4 of the separatrix with a product that is not exact.
    assert np.sum(rounding(y, z, a) < 1e-12) >= 12


@pytest.mark.parametrize("loss", LOSSES)
def test_logit_in_multiple_precision(loss):
    # u is checked by the time at which the exact path is there. An error in log C moves u by at most t du/dt, one
    # in u0 by (R g)/(R0 g0): the bound is that of modes.logit, with C in it.
    pull = losses.get(loss).pull
    for kind in (Fate.DIES, Fate.SOLVES):
        for j, (y, z, a) in enumerate(starts(kind, seed=1)[:: 3 if loss == "hinge" else 2]):
            p, u0 = [0.6, 1.7][j % 2], y * z
            s, d = y / a + z, y / a - z
            C = 0.5 * a * abs(s) * d
            half = phases.time_of_death(-a * z * 0.5, z, norm=a, frequency=p, loss=loss)
            time = (0.7 if kind == Fate.SOLVES else [0.4, 0.999][j % 2]) * (
                phases.time_of_death(y, z, norm=a, frequency=p, loss=loss) if kind == Fate.DIES else half
            )
            u = float(phases.logit(time, y, z, norm=a, frequency=p, loss=loss))
            assert u0 < u < 1 and (u < 0 or kind == Fate.SOLVES)
            with mp.workdps(30):
                exact = clock_time(clock_at(u, y, z, a), y, z, a, p, loss)
                late = float(abs(exact - mp.mpf(float(time))))
            R, R0 = np.hypot(u, C), np.hypot(u0, C)
            speed = 2 * p * a * R * pull(u)
            moved = time * speed
            start = abs(u0) * R * pull(u) / (R0 * pull(u0))
            bound = 4e-15 * (abs(u) + moved + start) + (4 * EPS + rounding(y, z, a)) * moved + EPS * start
            assert late * speed <= bound


@pytest.mark.parametrize("loss", LOSSES)
def test_creeping_in_multiple_precision(loss):
    # T = int dv/(v g(-v)), in x = log v. Solved for v the relative error is g times that of T, which has a rounding
    # of T itself, and x is known to a few eps (1 + x): 1e-12 for every v from 1e-300 to 700.
    rng = np.random.default_rng(3)
    v0 = np.concatenate([10 ** rng.uniform(-280, 2.84, 15), 10 ** rng.uniform(-2, 2.84, 15), [700.0, 1.0]])
    weight = rng.uniform(0.0, 1.0, 32) ** 4
    v0[:3] = 700.0
    target = np.exp((1 - weight) * np.log(v0) + weight * np.log(1e-300))
    # On either side of 1, where the equation changes its form.
    v0[-6:], target[-6:] = [3.0, 50.0, 700.0, 3.0, 700.0, 1.0], [1.01, 1.2, 1.05, 0.99, 0.8, 0.9]
    with mp.workdps(40):
        for v, low in zip(v0, target, strict=True):
            inverse = INVERSE_PULL[loss]
            # The exponential loss leaves v within 1 of where it is.
            between = [low + x for x in (1.0, 3.0, 10.0, 30.0)] + [np.exp(x) for x in (-40, -2, 0, 1, 2, 3, 4, 5)]
            ends = sorted([low, v, *[x for x in between if low < x < v]])
            # Relative to the integrand at the lower end: mp.quad stops at an absolute error.
            scale = inverse(-mp.mpf(float(low)))
            panels = [mp.log(mp.mpf(float(x))) for x in ends]
            total = scale * mp.quad(lambda x, f=inverse, c=scale: f(-mp.exp(x)) / c, panels)
            time = float(total / 2)
            found = creep(np.array([time]), np.array([v]), np.ones(1), loss)[0]
            pull = 1 / scale
            # the rounding of `time`, in log v
            rounded = float(abs(2 * mp.mpf(time) - total) * pull)
            size = 2 + abs(np.log(v / low)) + 2 * time * float(pull)
            assert abs(np.log(found / low)) <= 4 * EPS * size + rounded
            assert abs(found / low - 1) <= 1e-12 + rounded


def test_creeping_of_a_unit():
    # kappa = 0.35, v' = -2 kappa v for the hinge: exactly exponential, and the limit is 0, not -0.
    times = np.array([0.0, 1.0, 7.0, 1000.0, np.inf])
    found = phases.logit(times, 0.7, -1.0, norm=0.7, frequency=0.5, loss="hinge")
    np.testing.assert_allclose(found, -0.7 * np.exp(-0.7 * times), rtol=1e-13)
    assert not np.signbit(found[-1]) and np.all(np.diff(found) > 0)
    assert phases.time_of_death(0.7, -1.0, norm=0.7) == np.inf
    for loss in LOSSES:
        creeping = phases.logit([0.0, 1e300, np.inf], 30.0, -30.0, loss=loss)
        assert creeping[0] == -900.0 and np.all(creeping[1:] == 0.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_ends_of_a_path(loss):
    start = {"y": [0.3, -0.3, 0.0, 1.3, 1.0], "z": [-1.0, 5.0, -1.0, -1.0, -1.0]}
    assert phases.logit(0.0, **start, loss=loss).tolist() == [-0.3, 0.0, 0.0, -1.3, -1.0]
    last = 1.0 if loss in ("hinge", "squared") else np.inf
    assert phases.logit(np.inf, **start, loss=loss).tolist() == [0.0, 0.0, 0.0, last, 0.0]
    death = phases.time_of_death(0.3, -1.0, loss=loss)
    times = death * (1 + np.array([-1e-3, -1e-6, -1e-9, -1e-15, 0.0, 1e-15, 0.1, 1e9]))
    found = phases.logit(times, 0.3, -1.0, loss=loss)
    # Continuous: at the death du/dt = 2 kappa C g(0), C = (1 - .09)/2, and kappa g(0) <= 1; it is concave enough
    # before that 1.1 times this slope will do for the last thousandth.
    assert np.all(found[:4] >= -1.1 * 0.91 * (death - times[:4]) - EPS) and np.all(np.diff(found) >= 0)
    assert np.all(found[4:] == 0.0) and not np.any(np.signbit(found[4:]))


@pytest.mark.parametrize("loss", LOSSES)
def test_no_logit_above_zero_before_a_death(loss):
    # One float before each of many deaths.
    rng = np.random.default_rng(5)
    z = -rng.uniform(0.1, 2.0, 3000)
    y = -z * rng.uniform(0.0, 1.0, 3000)
    death = phases.time_of_death(y, z, frequency=0.7, loss=loss)
    u = phases.logit(np.nextafter(death, 0.0), y, z, frequency=0.7, loss=loss)
    # 2 kappa C g(0) times some roundings of the time, C < 2, and those of u0 > -4 by du/du0 < 1.
    assert np.all(u <= 0.0) and np.all(u >= -32 * EPS * (1 + death))
    assert np.all(phases.logit(death, y, z, frequency=0.7, loss=loss) == 0.0)
    # Nor in a network, at its last death.
    for j in range(0, 600, 2):
        pair = {"y": y[j : j + 2], "z": z[j : j + 2], "loss": loss}
        last = float(np.max(phases.solve(**pair, times=[0.0]).death))
        path = phases.solve(**pair, times=[np.nextafter(last, 0.0), last])
        assert path.logit[0] <= 0.0 and path.logit[1] == 0.0 and np.max(path.y[0]) >= 0.0


# -- several units -------------------------------------------------------------------------------------------


def integrate(y, z, a, p, loss, times):
    """The units' own equations, every death an event: u (T,) and the deaths (h,)."""
    pull, h = losses.get(loss).pull, len(y)
    smooth = np.ones_like if loss == "hinge" else pull
    state, now, alive, death = np.concatenate([y, z]), 0.0, y > 0, np.full(h, np.inf)
    out, stopped = np.zeros(len(times)), False

    def field(t, x):
        u = np.sum((x[:h] * x[h:])[alive])
        force = 0.0 if stopped else p * smooth(u)
        return np.concatenate([np.where(alive, a * a * x[h:], 0), np.where(alive, x[:h], 0)]) * force

    def event(k):
        def gap(t, x):
            return x[k] if k < h else np.sum((x[:h] * x[h:])[alive]) - 1

        gap.terminal, gap.direction = True, -1 if k < h else 1
        return gap

    while alive.any():
        watched = [k for k in range(h) if alive[k]] + ([h] if loss == "hinge" else [])
        options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-15, "dense_output": True}
        run = solve_ivp(field, (now, times[-1]), state, events=[event(k) for k in watched], **options)
        here = (times >= now) & (times <= run.t[-1])
        if here.any():
            states = run.sol(times[here])
            out[here] = np.sum((states[:h] * states[h:])[alive], axis=0)
        if run.status != 1:
            return out, death
        now, state = run.t[-1], run.y[:, -1]
        hit = [k for k, found in zip(watched, run.t_events, strict=True) if len(found)]
        for k in hit:
            if k == h:
                out[times >= now] = 1.0
                return out, death
            alive[k], death[k], state[k] = False, now, 0.0
        alive = alive.copy()
    return out, death


CASES = {
    "all die": ([0.2, 0.5, 0.9, 0.65], [-1.0, -0.8, -1.4, -0.7], 1.0, 1.0),
    "one solves": ([0.2, 0.5, 0.6, 0.3], [-1.0, -0.8, -1.0, 0.4], 1.0, 0.6),
    "one is frozen": ([0.3, -0.5, 0.4, 0.1], [-0.5, -0.8, 0.3, -0.06], 2.0, 0.4),
    "one creeps": ([0.1, 0.25, 0.2], [-0.9, -0.5, -0.7], 0.5, 2.0),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", CASES)
def test_several_units_against_an_integration(case, loss):
    y, z, a, p = CASES[case]
    y, z = np.array(y), np.array(z)
    times = np.linspace(0.0, 9.0, 46)
    path = phases.solve(y, z, times=times, norm=a, frequency=p, loss=loss)
    u, death = integrate(y, z, a, p, loss, times)
    # Some 300 steps with errors of 1e-12 of the state (below 3), which e^tau < 20 may enlarge; a death is off by
    # that over dy/dt > .05.
    seen = death < 9.0
    assert np.array_equal(path.death < 9.0, seen) and np.any(seen)
    np.testing.assert_allclose(path.death[seen], death[seen], rtol=0, atol=1e-8)
    np.testing.assert_allclose(path.logit, u, rtol=0, atol=1e-8)
    assert np.array_equal(path.y == 0, times[:, None] >= path.death) or case == "one is frozen"
    np.testing.assert_allclose(np.sum(path.y * path.z * (path.y > 0), -1), path.logit, rtol=0, atol=1e-13)


def test_one_creeps_after_others_died():
    # y = 0.25, z = -0.5 at a = 0.5 is on the separatrix, exactly: the others die, and it goes on for ever.
    y, z, a, p = CASES["one creeps"]
    path = phases.solve(y, z, times=[0.0, 8.0, 20.0], norm=a, frequency=p)
    assert path.death[1] == np.inf and np.max(path.death[[0, 2]]) < 8.0
    assert np.all(path.y[:, 1] == -a * path.z[:, 1]) and np.all(path.y[:, 1] > 0)
    after = phases.logit(12.0, path.y[1, 1], path.z[1, 1], norm=a, frequency=p)
    # T = 24 kappa with kappa = 1: errors of T by a few eps
    np.testing.assert_allclose(path.logit[2], after, rtol=24 * 8 * EPS)
    # y falls as the root of u and is there when u has underflowed: e^-T/2 = e^-400 at T = 2 kappa t = 800, up to
    # the rounding of the exponent.
    far = phases.solve(1.0, -1.0, times=[0.0, 400.0], loss="hinge")
    assert abs(far.logit[1]) == 0.0 and far.death[0] == np.inf
    np.testing.assert_allclose([far.y[1, 0], -far.z[1, 0]], np.exp(-400.0), rtol=400 * EPS)


def test_hinge_stops_before_a_death():
    # The second unit would be at y = 0 for tau = log(1.9/.1)/2 = 1.47; u = 1 comes before, and nothing moves then.
    y, z = [0.5, 0.9], [1.0, -1.0]
    tau = 0.5 * np.log(1.9 / 0.1)
    reached = 0.25 * (1.5**2 * np.exp(2 * tau) - 0.5**2 * np.exp(-2 * tau))
    assert reached > 1.0
    path = phases.solve(y, z, times=[0.0, 1.0, 5.0, 1e6], loss="hinge")
    assert np.all(path.death == np.inf) and path.logit[-1] == 1.0
    assert path.y[-1, 1] > 0 and np.array_equal(path.y[-1], path.y[-2])
    assert np.all(np.isfinite(phases.solve(y, z, times=[0.0], loss="cross_entropy").death[1:]))
    # Nor does it where the logit is above 1 from the start.
    still = phases.solve([2.0, 0.2], [1.0, -1.0], times=[0.0, 9.0], loss="hinge")
    np.testing.assert_allclose(still.y[1], still.y[0], rtol=20 * EPS)
    assert np.all(still.death == np.inf) and still.logit[1] == 1.8
    # One that is so close to its death that u does not change before it is not moved either.
    for loss, u in (("hinge", 2.0), ("hinge", 1.0), ("squared", 1.0)):
        close = phases.solve([u, 1e-20], [1.0, -1.0], times=[0.0, 9.0], loss=loss)
        assert np.all(close.death == np.inf) and close.y[1, 1] <= 4 * EPS and close.logit[1] == u


def test_state_at_death():
    # |s| e^tau = d e^-tau there: z = -sqrt(d |s|) = -sqrt(z0^2 - y0^2/a^2), by the unit's invariant.
    path = phases.solve([[0.3], [0.9]], [[-2.0], [-1.0]], norm=[0.5, 1.0], times=[0.0, 50.0])
    assert path.y[1].tolist() == [[0.0], [0.0]] and path.logit.shape == (2, 2) and path.death.shape == (2, 1)
    np.testing.assert_allclose(path.z[1, :, 0], [-np.sqrt(4 - 0.36), -np.sqrt(0.19)], rtol=4 * EPS)
    assert path.confidence.shape == (2, 2) and path.confidence[1].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        path.logit[0] = 1.0


units = st.lists(st.tuples(st.floats(-1.0, 2.0), st.floats(-2.0, 1.0)), min_size=1, max_size=5)


def network(pairs, a):
    """y and z of units that are not within a thousandth of the separatrix, nor of y = 0, with logits below 1."""
    y, z = np.array(pairs).T
    assume(np.all(np.abs(y + a * z) > 1e-3 * (np.abs(y) + a * np.abs(z))) and np.all(np.abs(y) > 1e-3))
    assume(np.sum(np.maximum((y * z)[y > 0], 0.0)) < 0.9)
    return y, z


@given(units, st.floats(0.2, 2.0), st.sampled_from(LOSSES))
@settings(deadline=None, max_examples=100)
def test_invariants_of_the_units(pairs, a, loss):
    y, z = network(pairs, a)
    path = phases.solve(y, z, times=[0.0, 0.3, 1.0, 3.0], norm=a, loss=loss)
    size = (path.y / a) ** 2 + path.z**2
    # s d = (y/a)^2 - z^2 of every unit: some ten roundings of the two terms, now or at the start.
    drift = (path.y / a) ** 2 - path.z**2 - ((y / a) ** 2 - z**2)
    assert np.all(np.abs(drift) <= 10 * EPS * (size + size[0]))
    frozen = y <= 0
    assert np.array_equal(path.y[:, frozen], np.tile(y[frozen], (4, 1)))
    # One clock: s e^-tau of all units that live to the end is the same, as far as s is known (to 1e3 eps).
    lives = (y > 0) & (path.death > 3.0)
    clocks = (path.y / a + path.z)[3, lives] / (y / a + z)[lives]
    assert np.all(np.abs(clocks - clocks[:1]) <= 1e4 * EPS * clocks[:1] * (1 + clocks[:1] ** -2))
    assert np.all(np.diff(path.logit) >= -4 * EPS * (1 + np.abs(path.logit[1:])))


@given(units, st.floats(0.2, 2.0), st.sampled_from(LOSSES))
@settings(deadline=None, max_examples=60)
def test_one_unit_is_a_network_of_one(pairs, a, loss):
    y, z = network(pairs, a)
    times = np.array([0.0, 0.2, 0.9, 4.0])
    path = phases.solve(y[:, None], z[:, None], times=times, norm=a, frequency=0.8, loss=loss)
    alone = {"norm": a, "frequency": 0.8, "loss": loss}
    # The same sums in another order of factors: relative errors of a few eps in u0 and C, far from the separatrix.
    np.testing.assert_allclose(path.death[:, 0], phases.time_of_death(y, z, **alone), rtol=1e-12)
    np.testing.assert_allclose(path.logit, phases.logit(times[:, None], y, z, **alone), rtol=1e-11, atol=1e-12)


@given(units, st.floats(0.2, 2.0), st.sampled_from(["cross_entropy", "hinge"]), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_restart_and_order(pairs, a, loss, random):
    y, z = network(pairs, a)
    whole = phases.solve(y, z, times=[0.0, 0.7, 1.5], norm=a, frequency=1 / a, loss=loss)
    order = list(range(len(y)))
    random.shuffle(order)
    other = phases.solve(y[order], z[order], times=[0.0, 0.7, 1.5], norm=a, frequency=1 / a, loss=loss)
    later = phases.solve(whole.y[1], whole.z[1], times=[0.0, 0.8], norm=a, frequency=1 / a, loss=loss)
    # Ten roundings relative to R = (a/2) sum ((y/a)^2 + z^2), which grow by e^{2 tau} < e^3 (kappa g <= 1).
    bound = 10 * EPS * np.exp(3.0) * (1 + a * np.sum((y / a) ** 2 + z**2))
    assert np.all(np.abs(other.logit - whole.logit) <= bound)
    assert np.abs(later.logit[1] - whole.logit[2]) <= bound
    # A death moves by twice that over s e^tau, of which 1e-3 was assumed, and e^tau < e^1.5.
    both = (whole.death > 0.7) & (whole.death < 1.5) & (np.abs(whole.death - 0.7) > 1e-9)
    np.testing.assert_allclose(later.death[both] + 0.7, whole.death[both], rtol=0, atol=1e4 * bound)
    np.testing.assert_allclose(other.death, whole.death[order], rtol=1e3 * bound)


def test_many_networks_are_as_one_by_one():
    rng = np.random.default_rng(4)
    y, z, a = rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 4, 6)), rng.uniform(0.3, 2.0, 4)
    times = np.array([0.0, 0.5, 2.0, 9.0])
    path = phases.solve(y, z, times=times, norm=a, frequency=0.7)
    assert path.logit.shape == (4, 3, 4) and path.y.shape == (4, 3, 4, 6) and path.death.shape == (3, 4, 6)
    for i in range(3):
        for j in range(4):
            one = phases.solve(y[i, j], z[i, j], times=times, norm=a[j], frequency=0.7)
            np.testing.assert_array_equal(path.death[i, j], one.death)
            # The laws of modes are evaluated in parts of another length, which may change a last bit.
            np.testing.assert_allclose(path.logit[:, i, j], one.logit, rtol=1e-14, atol=1e-15)
            np.testing.assert_allclose(path.z[:, i, j], one.z, rtol=1e-13, atol=1e-14)
    single = phases.solve(0.5, -1.0, times=[0.0, 0.1])
    assert single.y.shape == (2, 1) and single.logit.shape == (2,) and single.death.shape == (1,)


# -- the strip of gradient descent ---------------------------------------------------------------------------


def test_half_width_is_the_sum_it_is_derived_as():
    y, z, a, p, lr = 0.9, -1.3, 0.7, 0.4, 0.05
    e = lr * p * a * 0.5
    k = np.arange(1, 4000)
    # A step: eps/2 of the stored weights, 16 e eps/2 of its increments; the size before it (1 - e)^(k - 1).
    step = ((1 - e) + 16 * e) * (1 - e) ** (k - 1.0) / (1 + e) ** k
    series = EPS / 2 * (y + a * 1.3) * (16 + np.sum(step))
    found = phases.half_width(y, z, norm=a, frequency=p, lr=lr)
    # The formula has 1/(2 e) for (1 - e)/(2 e).
    np.testing.assert_allclose(found, series + EPS / 4 * (y + a * 1.3), rtol=1e-12)
    # Of the four pulls at 0, and at u0 for the limit e = 1.
    assert phases.half_width(y, z, norm=a, frequency=p, lr=lr, loss="hinge") < found
    limit = 1 / (1 + y * 1.3)
    wide = phases.half_width(y, z, lr=[limit * 0.999, limit * 1.001], loss="squared")
    assert np.isfinite(wide[0]) and wide[1] == np.inf
    assert phases.half_width([-1.0, 1.0, 1.0], [-1.0, 0.0, 2.0], lr=100.0).tolist() == [0.0, 0.0, 0.0]
    assert phases.half_width(800.0, -1.0, lr=1e-3, loss="exponential") == np.inf


# -- what is refused -----------------------------------------------------------------------------------------

BAD = [
    ({"norm": 0.0}, r"norm must be positive and finite, got 0"),
    ({"norm": -1.0}, r"norm must be positive and finite, got -1"),
    ({"norm": np.inf}, r"norm must be positive and finite, got inf"),
    ({"y": np.nan}, r"y must be finite, got nan"),
    ({"z": [1.0, np.inf]}, r"z must be finite, got inf at 1"),
    ({"y": 1j}, r"y must be numbers, got 1j"),
    ({"z": "one"}, r"z must be numbers, got 'one'"),
]
BAD_FLOW = [
    *BAD,
    ({"frequency": 0.0}, r"frequency must be positive and finite, got 0"),
    ({"frequency": [0.5, -0.5]}, r"frequency must be positive and finite, got \[0.5, -0.5\]|got -0.5 at 1"),
    ({"loss": "zero_one"}, r"loss must be one of 'cross_entropy', .*, got 'zero_one'"),
    ({"y": 1e-200, "z": 0.0}, r"sizes \(y\^2/norm \+ norm z\^2\)/2 from 1e-280 to 1e\+12 together, got 0"),
    ({"y": 1e7, "z": 0.0}, r"from 1e-280 to 1e\+12 together, got 5e\+13"),
]
ODD = ({"y": np.ones(3), "z": np.ones(2)}, r"must broadcast to one shape, got \(3,\), \(2,\)")


def refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**{"y": 1.0, "z": -2.0, **arguments})


@pytest.mark.parametrize(("arguments", "message"), [*BAD, ODD])
def test_fate_refuses(arguments, message):
    refused(phases.fate, arguments, message)


@pytest.mark.parametrize(("arguments", "message"), [*BAD_FLOW, ODD])
def test_laws_refuse(arguments, message):
    refused(phases.time_of_death, arguments, message)
    refused(lambda **a: phases.logit(1.0, **a), arguments, message)
    refused(lambda **a: phases.solve(**a, times=[0.0, 1.0]), arguments, message)


@pytest.mark.parametrize(("arguments", "message"), [*BAD, *BAD_FLOW[7:10], ODD])
def test_half_width_refuses(arguments, message):
    refused(lambda **a: phases.half_width(**a, lr=0.1), arguments, message)


def test_times_steps_and_starts_that_are_refused():
    with pytest.raises(ValueError, match=r"lr must be positive and finite, got 0"):
        phases.half_width(1.0, -1.0, lr=0.0)
    with pytest.raises(ValueError, match=r"lr must be positive and finite, got nan"):
        phases.half_width(1.0, -1.0, lr=np.nan)
    with pytest.raises(ValueError, match=r"y, z, norm, frequency and lr must broadcast"):
        phases.half_width(np.ones(3), -1.0, lr=np.ones(2))
    with pytest.raises(ValueError, match=r"time must be at least 0, got -1"):
        phases.logit(-1.0, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"time and y must broadcast to one shape, got \(3,\), \(2,\)"):
        phases.logit(np.ones(3), np.ones(2), -1.0)
    with pytest.raises(ValueError, match=r"times must increase, got 1 followed by 1 at 1"):
        phases.solve(1.0, -1.0, times=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"times must be at least 0 and finite, got \[inf\]"):
        phases.solve(1.0, -1.0, times=[np.inf])
    with pytest.raises(ValueError, match=r"networks, norm and frequency must broadcast"):
        phases.solve(np.ones((3, 2)), -1.0, norm=np.ones(2), times=[1.0])
    with pytest.raises(ValueError, match=r"a logit of at most 1 for the squared loss, got 1.5"):
        phases.solve([1.0, 1.0], [1.0, 0.5], times=[1.0], loss="squared")


def test_a_network_needs_a_unit():
    with pytest.raises(ValueError, match=r"at least one unit along the last axis, got shape \(3, 0\)"):
        phases.solve(np.zeros((3, 0)), np.zeros((3, 0)), times=[1.0])
