"""The figures of the paper as data: against its equations integrated, its printed numbers, and mpmath."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, special

from dynsim import init
from dynsim.data import from_sklearn
from dynsim.empirical.flow import flow
from dynsim.paper import (
    appendix_a2,
    appendix_a4,
    appendix_a7,
    appendix_c2,
    figure_2,
    figure_4,
    figure_5,
    figure_9,
    inflection,
    modified_flow,
    setting,
    sgd_law,
    timing,
)
from dynsim.theory import modes, shape
from dynsim.trajectory import Trajectory, first_crossing

# Tolerances of the integrations below; the accumulated error is some ten times larger.
TOLERANCE = {"rtol": 1e-11, "atol": 1e-13, "method": "DOP853"}
CLOSE = {"rel": 1e-8, "abs": 1e-10}


# ---- figure 2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_figure_2_is_that_of_two_units(k):
    """y' = p |x|^2 z g, z' = p y g with u = 2 y z, unit by unit."""
    norm, p = figure_2.NORM[k], figure_2.FREQUENCY

    def field(t, state):
        y, z = state
        g = special.expit(-2.0 * y * z)
        return [p * norm**2 * z * g, p * y * g]

    time = np.linspace(0.0, 120.0, 61)
    found = integrate.solve_ivp(field, (0.0, 120.0), figure_2.start(k), t_eval=time, **TOLERANCE)
    said = figure_2.curves(time)
    assert said.y[:, k] == pytest.approx(found.y[0], **CLOSE)
    assert said.logit[:, k] == pytest.approx(2.0 * found.y[0] * found.y[1], **CLOSE)
    assert said.confidence[:, k] == pytest.approx(special.expit(2.0 * found.y[0] * found.y[1]), **CLOSE)


def test_figure_2_starts_as_the_paper_says():
    said = figure_2.curves()
    assert said.time[[0, -1]].tolist() == [0.0, 120.0] and said.y.shape == (601, 3)
    assert (said.c.tolist(), said.norm.tolist()) == ([0.0, 0.0, 0.1], [0.5, 1.0, 1.0])
    assert said.y[0, 2] == pytest.approx(np.sqrt(0.1), rel=1e-14)
    assert said.logit[0, :2] == pytest.approx(1e-3, rel=1e-14)


# ---- figure 4 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 2])
def test_figure_4_is_eq_5(k):
    N, norm = int(figure_4.DEPTH[k]), figure_4.NORM[k]

    def field(t, u):
        return N * norm ** (2 / N) * u ** (2 - 2 / N) * special.expit(-u)

    time = np.linspace(0.0, 10.0, 41)
    found = integrate.solve_ivp(field, (0.0, 10.0), [0.1], t_eval=time, **TOLERANCE).y[0]
    said = figure_4.curves(time)
    assert said.logit[:, k] == pytest.approx(found, **CLOSE)
    assert said.confidence[:, k] == pytest.approx(special.expit(found), **CLOSE)
    assert list(zip(said.depth, said.norm, strict=True)) == [(4, 0.1), (4, 0.5), (8, 0.1)]


# ---- figure 5 ----------------------------------------------------------------------------------------------


def test_figure_5_times_are_those_of_the_two_theorems():
    said = figure_5.times([0.51, 0.6, 0.9, 0.99, 0.9999])
    assert said.hinge == pytest.approx(np.log(said.confidence / 1e-3) / 2, rel=1e-14)
    with mpmath.workdps(30):
        for P, t in zip(said.confidence, said.cross_entropy, strict=True):
            u, u0 = mpmath.log(mpmath.mpf(P) / (1 - mpmath.mpf(P))), mpmath.mpf(1e-3)
            exact = (mpmath.log(u / u0) + mpmath.ei(u) - mpmath.ei(u0)) / 2
            # P near 1 is rounded before its odds are taken: 1e-16/(1 - P) of u, and e^u/u of that in t.
            assert t == pytest.approx(float(exact), rel=1e-11)
    assert figure_5.times(said.confidence, frequency=0.2).hinge == pytest.approx(5 * said.hinge, rel=1e-14)


def test_figure_5_inset_goes_through_its_times():
    for c, p in enumerate(figure_5.FREQUENCIES):
        times = figure_5.times([0.6, 0.9], frequency=p)
        assert figure_5.inset(times.cross_entropy).confidence[:, c] == pytest.approx([0.6, 0.9], rel=1e-12)
        assert figure_5.inset(times.hinge).margin[:, c] == pytest.approx([0.6, 0.9], rel=1e-12)
    assert figure_5.inset().time[[0, -1]].tolist() == [0.0, 60.0]
    # log(1000)/(2 p): from there on hinge has learnt everything.
    end = np.log(1000.0) / 0.4
    assert figure_5.inset([end - 1e-6, end + 1e-6]).margin[:, 1] == pytest.approx([1.0, 1.0], abs=1e-6)


# ---- figure 9 ----------------------------------------------------------------------------------------------

#: t* for (c, |x|) = (.01, .7), (.2, .7), (.01, 1.5), (.2, 1.5).
LEARNT = ["4.018", "1.882", "2.129", "1.131"]


def test_figure_9_learns_at_the_printed_times():
    said = figure_9.curves()
    assert [f"{t:.3f}" for t in said.learnt] == LEARNT
    exact = (np.arcsinh(2 * said.norm / said.c) - 0.01) / (2 * said.norm)
    assert said.learnt == pytest.approx(exact, rel=1e-13)


def test_networks_learn_figure_9_at_the_printed_times():
    found = figure_9.reproduce(True)
    limits = [line for line in found.lines if "extrapolated" in line.what]
    assert [f"{line.measured:.3f}" for line in limits] == LEARNT
    # The floor is below half a unit of the last printed digit, so that the digits mean something.
    assert max(line.floor for line in limits) < 5e-4


def test_figure_9_moves_on_its_hyperbola():
    time = np.linspace(0.0, 6.0, 61)
    said = figure_9.curves(time)
    theta = 0.01 + 2.0 * said.norm * np.minimum(time[:, None], said.learnt)
    assert said.margin == pytest.approx(said.c / (2 * said.norm) * np.sinh(theta), rel=1e-12)
    assert said.y == pytest.approx(np.sqrt(said.c) * np.cosh(theta / 2), rel=1e-12)
    y, z = figure_9.start()
    assert y**2 - said.norm**2 * z**2 == pytest.approx(said.c, rel=1e-14)
    assert z == pytest.approx(np.sqrt(said.c) / said.norm * np.sinh(0.005), rel=1e-14)


# ---- the inflection ----------------------------------------------------------------------------------------


def sampled(rate, lr, until=8.0):
    """The flow at multiples of lr, as if it were a run."""
    time = np.arange(0.0, until / rate, lr)
    logits = modes.logit(time, initial=1e-2, rate=rate)[:, None]
    return Trajectory(time, logits, np.ones(1), np.ones(1), lr=lr)


@pytest.mark.parametrize("rate", [0.1, 0.7, 1.6])
@pytest.mark.parametrize("lr", [0.05, 0.02, 0.013])
def test_inflection_of_the_flow_is_read_off_within_its_bound(rate, lr):
    found = inflection.measured(sampled(rate, lr))
    value = float(shape.inflection(2).confidence)
    assert f"{value:.5f}" == "0.70855"
    # A second difference is P'' + lr^2 P''''/12, a chord of it is off by lr^2 P''''/8: below twice the latter.
    assert abs(found.confidence[0] - value) <= 2.0 * found.chord[0] + found.rounding[0]
    assert found.chord[0] < 2.0 * (lr * rate) ** 2


def test_a_stretch_that_begins_is_read_off_too():
    """The other way round: where the second difference of -P, seen in a mirror, stops to be positive."""
    made = setting.experiment(hidden=2, lr=0.02, until=8.0, norms=(1.0, 1.0), frequencies=(0.5, 0.5),
                              imbalance=0.45, rng=4)  # fmt: skip
    found = inflection.measured(made.run, rising=True)
    begin = float(shape.inflections(0.45).confidence[1])
    # What the step size does to it, lr kappa times something of order 1, is far more than a chord.
    assert found.confidence[0] == pytest.approx(begin, abs=0.02 * 0.5)
    assert found.confidence[0] < 0.55 < inflection.measured(made.run).confidence[0]


@pytest.mark.parametrize("lr", [0.05, 0.02])
def test_bends_are_read_within_their_bound(lr):
    """Second differences at the very times at which P is at a level, beside those read between two steps."""
    level = np.linspace(0.52, 0.9, 40)
    time = modes.time_to(special.logit(level), initial=1e-2, rate=0.7)
    P = [special.expit(modes.logit(time + way * lr, initial=1e-2, rate=0.7)) for way in (-1, 0, 1)]
    exact = (P[0] - 2.0 * P[1] + P[2]) / (0.7 * lr) ** 2
    value, off = inflection.bends(sampled(0.7, lr), 0.7, level)
    assert np.all(np.abs(value - exact) <= off) and np.max(off) < (0.7 * lr) ** 2


def test_a_run_without_inflection_is_refused():
    with pytest.raises(ValueError, match=r"run must reach the inflection of every point"):
        inflection.measured(sampled(1.0, 0.02, until=1.0))


def test_the_shift_by_the_step_size_is_that_of_the_modified_flow():
    """The zero of d/dt of dP/dt under eq 6.5, by mpmath, for small lr kappa."""
    with mpmath.workdps(40):

        def at(e):
            def speed(u):
                g, slope = 1 / (1 + mpmath.exp(u)), -mpmath.exp(u) / (1 + mpmath.exp(u)) ** 2
                return -slope * u * g * (1 - e / 2 * (g + 2 * u * slope))

            root = mpmath.findroot(lambda u: mpmath.diff(speed, u), 0.89)
            return 1 / (1 + mpmath.exp(-root))

        for e in (1e-4, 1e-3):
            exact = float(at(mpmath.mpf(e)))
            # To first order in e: what is left is e^2 times something of order 1.
            assert inflection.shifted(e) == pytest.approx(exact, abs=e**2)
            assert abs(exact - inflection.shifted(0.0)) > 0.01 * e
    assert inflection.shifted(0.0) == pytest.approx(float(shape.inflection(2).confidence), rel=1e-15)


def test_curvature_is_that_of_the_flow():
    run = sampled(1.0, lr := 4e-3)
    numeric = np.diff(run.confidence[:, 0], 2) / lr**2
    # A second difference is P'' + lr^2 P''''/12, with P'''' below 1; roundings, 1e-14 over lr^2, are far smaller.
    assert inflection.curvature(run.logits[1:-1, 0]) == pytest.approx(numeric, abs=lr**2 / 12)


def test_curves_turn_where_they_say():
    said = inflection.curves()
    assert said.confidence.shape == (801, 3, 3) and said.confidence_there == pytest.approx(0.7085533, abs=5e-8)
    for i, j in np.ndindex(3, 3):
        assert inflection.curves(said.turn[i, j : j + 1]).confidence[0, i, j] == pytest.approx(0.7085533, abs=5e-8)
    # kappa t* is one number.
    rate = np.outer(inflection.NORMS, inflection.FREQUENCIES)
    assert said.turn * rate == pytest.approx(said.turn[1, 1] * rate[1, 1], rel=1e-12)


# ---- appendices and beyond ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 10])
def test_softmax_curves_are_those_of_the_logits(number):
    """a' = p |x| s b, b' = p |x| s n/(n - 1) a for one class of balanced units, with the softmax written out."""
    said = appendix_a2.curves(number, np.linspace(0.0, 40.0, 21))
    for c in (0, number - 1):
        x, p = said.norm[c], said.frequency[c]

        def field(t, state, x=x, p=p):
            a, z = state[0], state[1:]
            f = x * a * z
            pull = np.eye(number)[0] - np.exp(f) / np.sum(np.exp(f))
            return np.append(p * x * (pull @ z), p * x * a * pull)

        # The readout column is b (e_0 - 1/n), with |a| as long as the column and m = |x| a b.
        b = np.sqrt(0.01 / x / np.sqrt((number - 1) / number))
        start = np.append(b * np.sqrt((number - 1) / number), b * (np.eye(number)[0] - 1 / number))
        found = integrate.solve_ivp(field, (0.0, 40.0), start, t_eval=said.time, **TOLERANCE).y
        logits = x * found[0] * found[1:]
        assert said.margin[:, c] == pytest.approx(logits[0] - logits[1], **CLOSE)
        assert said.confidence[:, c] == pytest.approx(special.softmax(logits, axis=0)[0], **CLOSE)
    assert said.frequency.sum() == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("imbalance", [0.0, 0.2])
def test_orthogonal_points_follow_a_7(imbalance):
    """du/dt = 2 sqrt(m) |x| sqrt(u^2 + C^2) g(u) with |x| = 1, the sum over points."""
    time = np.linspace(0.0, 30.0, 31)
    said = appendix_a7.curves(time, imbalance=imbalance)
    for c, m in enumerate((2, 5)):

        def field(t, u, m=m):
            return 2.0 * np.sqrt(m) * np.hypot(u, imbalance) * special.expit(-u)

        found = integrate.solve_ivp(field, (0.0, 30.0), [1e-3], t_eval=time, **TOLERANCE).y[0]
        assert said.logit[:, c] == pytest.approx(found, **CLOSE)
        assert said.confidence[:, c] == pytest.approx(special.expit(found), **CLOSE)


def test_bands_of_sgd_are_quantiles_of_a_simulation():
    """The map applied K times, K drawn 20,000 times: the share of draws in the band, its mean and its median."""
    said = sgd_law.bands(0.05, 200, 200)
    K = np.random.default_rng(5).binomial(200, 0.7, 20_000)
    path = np.empty(201)
    u, R = sgd_law.INITIAL, np.hypot(sgd_law.INITIAL, sgd_law.IMBALANCE)
    for k in range(201):
        path[k] = u
        e = 0.05 * 1.0 * special.expit(-u)
        u, R = u * (1 + e**2) + 2 * e * R, R * (1 + e**2) + 2 * e * u
    drawn = path[K]
    # Five standard deviations of the mean, and of a share.
    assert said.mean[1, 0] == pytest.approx(drawn.mean(), abs=5 * drawn.std() / np.sqrt(20_000))
    near = 1e-9
    inside = np.mean((drawn >= said.lower[1, 0] - near) & (drawn <= said.upper[1, 0] + near))
    assert inside >= 0.9 - 5 * np.sqrt(0.09 / 20_000)
    # One value less at either end would be less than nine runs in ten.
    tight = np.mean((drawn > said.lower[1, 0] + near) & (drawn < said.upper[1, 0] - near))
    assert tight < 0.9 + 5 * np.sqrt(0.09 / 20_000)
    assert np.mean(drawn <= said.median[1, 0] + near) >= 0.5 - 5 * 0.5 / np.sqrt(20_000)
    assert np.all(said.lower <= said.median) and np.all(said.median <= said.upper)


def test_errors_fall_by_their_orders():
    found = modified_flow.errors(0.08)
    assert found.lr == pytest.approx([0.08, 0.04, 0.02, 0.01])
    # 2^order (1 + b lr), with b lr below a twentieth here.
    assert found.closed_form[:-1] / found.closed_form[1:] == pytest.approx(2.0, rel=0.05)
    assert found.modified_flow[:-1] / found.modified_flow[1:] == pytest.approx(4.0, rel=0.05)


def test_flowers_drop_out_when_the_integrated_network_says_so():
    """The weights themselves integrated, with an event at every drop-out."""
    found = appendix_c2.dropouts(0.02)
    assert found.network.shape == (100,) and not any(np.isnan(times).any() for times in found)
    assert np.array_equal(found.network, found.exact_map)
    data = from_sklearn("iris", classes=appendix_c2.CLASSES).centered()
    network = init.class_aligned(data, appendix_c2.HIDDEN, initial=appendix_c2.INITIAL, rng=0)
    times, which = np.unique(found.flow, return_inverse=True)
    margin = flow(network, data, loss="hinge", times=np.append(0.0, times)).margin[1:]
    # rtol 1e-10 of the integration, grown along the plateau by no more than the margins are, a factor 100.
    assert margin[which, np.arange(100)] == pytest.approx(1.0, abs=1e-8)


def test_c_2_is_the_integrated_network_before_a_drop_out():
    data = from_sklearn("iris", classes=appendix_c2.CLASSES).centered()
    network = init.class_aligned(data, appendix_c2.HIDDEN, initial=0.2, imbalance=0.3, rng=8)
    time = np.linspace(0.0, 0.2, 6)
    run = flow(network, data, loss="hinge", times=time)
    assert np.max(run.margin) < 1.0
    assert appendix_c2.before(network, data, time) == pytest.approx(run.margin, abs=1e-9)
    # The part across the mean is there.
    along = data.X @ data.mean(1) / (data.mean(1) @ data.mean(1))
    assert np.max(np.abs(run.margin[-1] / run.margin[-1, 0] - along / along[0])[:50]) > 1e-3


def test_a_4_as_printed_is_faster():
    """Its equations by Heun's method for one balanced unit; y' and z' with the same pull are those of the mode."""
    made = setting.experiment(hidden=2, lr=0.05, until=1.0, initial=0.1)
    y = z = np.sqrt(0.1)
    h = 1e-3

    def speed(y, z):
        return 0.7 * z / (1.0 + np.exp(y * z)), 0.7 * y * np.exp(-y * z)

    for _ in range(4000):
        first = speed(y, z)
        second = speed(y + h * first[0], z + h * first[1])
        y, z = y + 0.5 * h * (first[0] + second[0]), z + 0.5 * h * (first[1] + second[1])
    # Of second order, with 4 times h^2 to be expected.
    assert appendix_a4.printed(made, 4.0) == pytest.approx(y * z, abs=4.0 * h**2)
    assert y * z > modes.logit(4.0, initial=0.1, rate=0.7) + 0.3


# ---- what the step size does -------------------------------------------------------------------------------


def test_halved_finds_first_and_second_order():
    def measure(h):
        return np.array([3.0 + 2.0 * h + 5.0 * h**2]), np.zeros(1)

    effect = timing.halved(measure, 0.1)
    assert effect.shift == pytest.approx([0.25], rel=1e-13)
    # The linear limits are off by second order, of which twice the last change is allowed for the third.
    linear = [2 * measure(h / 2)[0][0] - measure(h)[0][0] for h in (0.1, 0.05)]
    assert effect.rest == pytest.approx([2 * abs(linear[1] - linear[0])], rel=1e-10)


def test_delay_of_the_hinge_is_that_of_its_map():
    """u0 (1 + lr kappa)^(2k) is 1 at k = log(1/u0) / (2 log(1 + lr kappa)), the flow at log(1/u0) / (2 kappa)."""
    lr, kappa = 0.02, 0.7
    made = setting.experiment(hidden=2, lr=lr, until=8.0, loss="hinge", initial=1e-2)
    effect = timing.delay(made, 1.0)
    exact = np.log(100.0) / 2 * (lr / np.log1p(lr * kappa) - 1 / kappa)
    # first_crossing is a chord, and so late or early by what `chord` bounds.
    assert abs(effect.shift[0] - exact) <= effect.rest[0]
    assert effect.rest[0] < 0.05 * exact


def test_delays_are_those_of_each_level():
    made = setting.experiment(hidden=2, lr=0.05, until=25.0)
    for level, effect in zip((0.1, 0.9), timing.delays(made, (0.1, 0.9)), strict=True):
        alone = timing.delay(made, level)
        assert np.array_equal(effect.shift, alone.shift) and np.array_equal(effect.rest, alone.rest)


def test_unit_of_is_that_of_the_network():
    made = setting.experiment(hidden=6, lr=0.1, until=5.0, initial=0.1, imbalance=0.2, rng=3)
    path, seen = timing.unit_of(made, 0.1), setting.projections(made, 10)
    # Some hundred roundings of numbers of size 1.
    assert path.y[::5] == pytest.approx(seen.y, abs=1e-13)
    y, z = float(made.network.W[0] @ made.data.mean(1)), float(made.network.Z[0])
    e = 0.1 * 0.7 * special.expit(-0.1)
    assert (path.y[1], path.z[1]) == pytest.approx((y + e * z, z + e * y), rel=1e-13)


@pytest.mark.parametrize("level", [0.02, 0.5, 0.97])
def test_chord_bounds_the_error_of_reading_a_time(level):
    time = 0.05 * np.arange(200)
    curve = 0.01 * np.exp(time)
    run = Trajectory(time, curve[:, None], np.ones(1), np.ones(1), "hinge", lr=0.05)
    off = abs(first_crossing(time, run.margin, level)[0] - np.log(100 * level))
    bound = timing.chord(run, level)[0]
    assert off <= bound < 0.05**2


def test_line_is_judged_without_the_part_that_is_known():
    fits = timing.line("t", predicted=1.0, measured=1.1, shift=0.1, rest=1e-3)
    assert fits.verdict == "AGREES"
    assert (fits.discrepancy, fits.floor) == pytest.approx((0.1, 0.101))
    # As far from the prediction, but on the wrong side.
    assert timing.line("t", predicted=1.0, measured=0.9, shift=0.1, rest=1e-3).verdict == "DISAGREES"
