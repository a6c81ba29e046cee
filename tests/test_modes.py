"""The closed-form modes: their own inverse, the ODE, the numbers of the paper, shapes and errors.

Every bound is UNIT times a condition number, as derived in test_modes_accuracy.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from test_modes_accuracy import UNIT, conditions, sensitivities

from dynsim import losses
from dynsim.theory import modes

NAMES = ("cross_entropy", "exponential", "hinge", "squared")
FEW = settings(deadline=None, derandomize=True, max_examples=150)


# -- properties ---------------------------------------------------------------------------------------------


@st.composite
def cases(draw, losses_=NAMES):
    """loss, initial, imbalance, rate and time: starts of both signs where C > 0, times around the transition."""
    loss = draw(st.sampled_from(losses_))
    imbalance = draw(st.one_of(st.just(0.0), st.floats(-12, 12).map(lambda e: 10.0**e)))
    positive = st.one_of(st.floats(-300, 1.6), st.floats(-4, 1)).map(lambda e: 10.0**e)
    initial = draw(st.one_of(positive, positive.map(lambda x: -x), st.just(0.0)) if imbalance else positive)
    rate = 10.0 ** draw(st.floats(-3, 3))
    time = 10.0 ** draw(st.one_of(st.floats(-9, 4), st.floats(-200, 300)))
    return loss, initial, imbalance, rate, time


def run(case, time=None, **other):
    loss, initial, imbalance, rate, t = case
    arguments = {"initial": initial, "rate": rate, "imbalance": imbalance, "loss": loss} | other
    return float(modes.logit(t if time is None else time, **arguments))


def back(case, u):
    loss, initial, imbalance, rate, _ = case
    return float(modes.time_to(u, initial=initial, rate=rate, imbalance=imbalance, loss=loss))


def settled(loss, initial, u):
    """Hinge logits do not move from 1 on, squared ones not visibly when they have rounded to 1."""
    return loss in ("hinge", "squared") and (u == 1.0 or (loss == "hinge" and initial >= 1.0))


@FEW
@given(cases())
def test_time_to_inverts_logit(case):
    loss, initial, imbalance, rate, t = case
    u = run(case)
    assume(not settled(loss, initial, u) and u != 0.0)
    time, start = sensitivities(loss, 2 * rate * t, initial, u, imbalance)
    # u is wrong by UNIT (1 + time + start) and each such error counts 1/time in t; so is t itself
    if time > 0:
        assert abs(back(case, u) / t - 1) <= 2 * UNIT * (1 + time + start) / time


@FEW
@given(cases())
def test_logit_inverts_time_to(case):
    loss, initial, imbalance, rate, _ = case
    u = run(case)
    assume(not settled(loss, initial, u) and u != 0.0)
    t = back(case, u)
    time, start = sensitivities(loss, 2 * rate * t, initial, u, imbalance)
    assert abs(run(case, t) / u - 1) <= 2 * UNIT * (1 + time + start)


def error(loss, T, u0, u, C):
    """The absolute error that the docstring grants a logit."""
    return UNIT * abs(u) * conditions(loss, T, u0, u, C)[0] if u else 0.0


@FEW
@given(cases(), st.floats(1e-6, 5))
def test_the_logit_moves_towards_its_limit(case, step):
    loss, initial, imbalance, rate, t = case
    first, second = run(case), run(case, t * (1 + step))
    slack = max(error(loss, 2 * rate * t, initial, u, imbalance) for u in (first, second))
    if loss == "squared" and initial > 1:
        assert initial >= first >= second - slack and second >= 1
    else:
        assert initial <= first <= second + slack
    if loss in ("hinge", "squared"):
        assert second <= max(1.0, initial)


@FEW
@given(cases(), st.integers(1, 63))
def test_stopping_and_going_on_changes_nothing(case, part):
    loss, initial, imbalance, rate, t = case
    t = float(np.ldexp(1.0, int(np.frexp(t)[1]) - 1))  # so that the two parts add up exactly
    t1 = t * part / 64
    middle, end = run(case, t1), run(case, t)
    again = run(case, t - t1, initial=middle)
    assume(end != 0.0 and middle != 0.0 and not settled(loss, initial, end))
    T = 2 * rate * t
    whole = conditions(loss, T, initial, end, imbalance)[0]
    first = conditions(loss, T, initial, middle, imbalance)[0]
    onward = sensitivities(loss, T, middle, end, imbalance)[1]
    second = conditions(loss, T, middle, end, imbalance)[0]
    assert abs(again - end) <= UNIT * abs(end) * (whole + onward * first + second)


@FEW
@given(cases())
def test_the_start_is_exact(case):
    assert run(case, 0.0) == case[1]
    assert back(case, case[1]) == 0.0


@FEW
@given(cases())
def test_the_limit(case):
    loss, initial, *_ = case
    limits = {"hinge": max(1.0, initial), "squared": 1.0}
    assert run(case, np.inf) == limits.get(loss, np.inf)
    if loss != "hinge" and initial < 1.0:
        assert back(case, limits.get(loss, np.inf)) == np.inf


@FEW
@given(cases())
def test_the_rate_is_a_unit_of_time(case):
    """Powers of 2 multiply exactly, so that T is the same float."""
    loss, initial, imbalance, rate, t = case
    assume(1e-290 < t < 1e290)
    assert run(case) == run((loss, initial, imbalance, 4 * rate, 0.25 * t))


@FEW
@given(st.floats(-300, 1.6), st.floats(-3, 3), st.floats(-9, 300))
def test_bound_19_of_the_paper(log_initial, log_rate, log_time):
    """(19) of A.3 (v2): u <= 2 log(kappa t + e^{u0/2})."""
    initial, rate, t = 10.0**log_initial, 10.0**log_rate, 10.0**log_time
    u = float(modes.logit(t, initial=initial, rate=rate))
    bound = 2 * np.logaddexp(np.log(rate) + np.log(t), initial / 2)
    # the logarithms round to 1e-16 of at most 700
    assert u <= bound * (1 + UNIT) + 700 * UNIT


@FEW
@given(st.sampled_from(NAMES), st.floats(-3, 1.5), st.floats(-2, 2), st.floats(-2, 2))
def test_the_ode(loss, log_initial, log_imbalance, log_ratio):
    """du/dt = 2 kappa sqrt(u^2 + C^2) g(u), by a central difference over 1e-5 of the time log u takes to change."""
    initial, C, rate = 10.0**log_initial, 10.0**log_imbalance, 0.7
    start = 2 * rate * np.hypot(initial, C) / initial * (1 + abs(losses.get(loss).pull(initial)))
    t = 10.0**log_ratio / start
    u = float(modes.logit(t, initial=initial, rate=rate, imbalance=C, loss=loss))
    assume(loss != "hinge" or u < 0.999)
    speed = 2 * rate * np.hypot(u, C) * float(losses.get(loss).pull(u))
    h = 1e-5 * abs(u) / max(abs(speed), abs(u) * start)
    around = modes.logit([t - h, t + h], initial=initial, rate=rate, imbalance=C, loss=loss)
    assume(h < t and (loss != "hinge" or around[1] < 1.0))
    # h^2 u'''/6 is at most (1e-5)^2 times the squared range of the logarithmic rates, some 1e3 (u up to 31);
    # the two roundings, of some UNIT * (1 + |dlog u/dlog t| + ...), count 1e5 times as much.
    condition = float(conditions(loss, 2 * rate * t, initial, u, C)[0]) if speed else 1.0
    tolerance = 1e-7 * max(abs(speed), abs(u) * start) + UNIT * condition * abs(u) / h
    assert abs((around[1] - around[0]) / (2 * h) - speed) <= tolerance


@pytest.mark.parametrize("loss", NAMES)
def test_there_is_no_seam_towards_zero_imbalance(loss):
    """An imbalance of 1e-300 changes nothing from u0 = 1e-3 on, although two losses then run other code."""
    t = np.geomspace(1e-3, 1e4, 60)
    balanced = modes.logit(t, initial=1e-3, rate=0.5, loss=loss)
    other = modes.logit(t, initial=1e-3, rate=0.5, imbalance=1e-300, loss=loss)
    # g falls from 1, so that dlog u/dlog t = T g <= 2 log(u/u0) < 20 and dlog u/dlog u0 <= 1; two computations
    np.testing.assert_allclose(other, balanced, rtol=2 * UNIT * (1 + 20 + 1))


# -- against other solvers and the paper ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize(("initial", "imbalance"), [(0.01, 0.0), (0.3, 0.7), (-1.5, 0.4), (-0.2, 30.0), (0.0, 1.0)])
def test_against_solve_ivp(loss, initial, imbalance):
    rate, law = 0.6, losses.get(loss)
    end = 3.0
    start = {"initial": initial, "rate": rate, "imbalance": imbalance, "loss": loss}
    if loss == "hinge":  # up to the kink, over which solve_ivp would step
        end = min(end, 0.999 * float(modes.time_to(1.0, **start)))
    t = np.linspace(0.0, end, 9)
    solution = solve_ivp(
        lambda _, u: 2 * rate * np.hypot(u, imbalance) * law.pull(u),
        (0.0, end), [initial], method="DOP853", t_eval=t, rtol=1e-12, atol=1e-13,
    )  # fmt: skip
    u = modes.logit(t, **start)
    # local errors of 1e-12 grow at most as the sensitivity to the start does, e^{2 kappa t} = 37 where g <= 1
    np.testing.assert_allclose(u, solution.y[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("c", "norm", "time"), [(0.01, 0.7, 4.018), (0.2, 0.7, 1.882), (0.01, 1.5, 2.129), (0.2, 1.5, 1.131)]
)
def test_the_hinge_times_of_figure_9(c, norm, time):
    """u = 1 in Fig 9 (v2), with the paper's c = 2 |x| C.

    The curves start at theta0 = 0.01, that is at u0 = C sinh(0.01), and their time is t = lr x step at p = 1:
    kappa = p |x| = |x|, theta = theta0 + 2 |x| t.
    """
    C = c / (2 * norm)
    arguments = {"initial": C * np.sinh(0.01), "rate": norm, "imbalance": C, "loss": "hinge"}
    reached = modes.time_to(1.0, **arguments)
    assert reached == pytest.approx((np.arcsinh(2 * norm / c) - 0.01) / (2 * norm), rel=UNIT * 10)
    assert round(float(reached), 3) == time
    assert modes.logit(reached * (1 - 1e-9), **arguments) < 1.0
    assert modes.logit(reached * (1 + 1e-9), **arguments) == 1.0


@pytest.mark.parametrize(
    ("initial", "imbalance", "time"),
    [(1e-300, 0, 0.06), (-64, 1e-300, 25), (-300, 1e-160, 3.1), (-732.262, 1.405e9, 2.1571e-9), (-9, 0.3, 0.4)],
)
def test_the_squared_loss_from_far_below(initial, imbalance, time):
    """1/(1-u) = cosh and sinh of w T, from a state that is far from its end in digits."""
    u = modes.logit(time, initial=initial, rate=1.0, imbalance=imbalance, loss="squared")
    t = modes.time_to(u, initial=initial, rate=1.0, imbalance=imbalance, loss="squared")
    with mp.workdps(700):
        u0, C, T, v = (mp.mpf(float(x)) for x in (initial, imbalance, 2 * time, u))
        w = mp.sqrt(1 + C * C)

        def clock(x):
            return (mp.asinh((x + C * C) / (C * (1 - x))) if C else mp.log(x / (1 - x))) / w

        def slowness(x):
            return 1 / mp.sqrt(x * x + C * C) / (1 - x)

        room = UNIT * (T + abs(u0) * slowness(u0) + abs(v) * slowness(v))
        assert abs(clock(v) - clock(u0) - T) <= room
        assert abs(clock(v) - clock(u0) - 2 * mp.mpf(float(t))) <= room


def test_the_asymptote_of_cross_entropy():
    """u = log t + log log t + log(2 kappa) + o(1): more than log t, and the rest vanishes as (log log t)/log t."""
    t = 10.0 ** np.array([100.0, 200.0, 300.0])
    rest = modes.logit(t, initial=0.1, rate=0.5) - np.log(t) - np.log(np.log(t))
    assert np.all(np.abs(rest) < 1.5 * np.log(np.log(t)) / np.log(t))
    assert np.all(np.diff(np.abs(rest)) < 0)


def test_log_ei_inverse_is_public_here():
    assert modes.log_ei_inverse(1.895117816355937) == pytest.approx(1.0, rel=UNIT)  # Ei(1), DLMF 6.2


# -- shapes, warnings, errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
def test_arguments_broadcast(loss):
    time, initial = np.array([0.0, 0.3, 2.0, np.inf]).reshape(4, 1, 1), np.array([[0.01], [0.4]])
    imbalance = np.array([0.0, 0.5, 20.0])
    u = modes.logit(time, initial=initial, rate=1.3, imbalance=imbalance, loss=loss)
    assert u.shape == (4, 2, 3) and u.dtype == np.float64
    t = modes.time_to(u, initial=initial, rate=1.3, imbalance=imbalance, loss=loss)
    assert t.shape == u.shape
    for i, j, k in np.ndindex(u.shape):
        arguments = {"initial": initial[j, 0], "rate": 1.3, "imbalance": imbalance[k], "loss": loss}
        # BLAS may add the twenty nodes of a panel in another order
        assert modes.logit(time[i, 0, 0], **arguments) == pytest.approx(u[i, j, k], rel=UNIT)
        assert modes.time_to(u[i, j, k], **arguments) == pytest.approx(t[i, j, k], rel=UNIT)


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("imbalance", [0.0, 2.0])
def test_numbers_give_zero_dimensional_arrays_and_nothing_gives_nothing(loss, imbalance):
    for function in (modes.logit, modes.time_to):
        one = function(0.5, initial=0.1, rate=1.0, imbalance=imbalance, loss=loss)
        assert isinstance(one, np.ndarray) and one.shape == () and one.dtype == np.float64
        assert function([], initial=0.1, rate=1.0, imbalance=imbalance, loss=loss).shape == (0,)
        assert function([[0.5]], initial=0.1, rate=1, imbalance=imbalance, loss=loss).shape == (1, 1)


def test_arguments_are_left_alone():
    time, initial = np.array([0.0, 1.0]), np.array([0.1, 0.2])
    u = modes.logit(time, initial=initial, rate=1.0)
    u[:] = -1.0
    assert time.tolist() == [0.0, 1.0] and initial.tolist() == [0.1, 0.2]


@pytest.mark.parametrize("loss", NAMES)
def test_no_floating_point_error_escapes_at_the_extremes(loss):
    """All of them raise here, underflow too; the results are numbers between their bounds."""
    sizes = np.array([5e-324, 1e-300, 1e-150, 1e-12, 0.3, 1.0, 40.0, 750.0, 1e4, 1e8, 1e12, 1e17, 1e150, 1e300])
    initial = np.concatenate([-sizes[sizes <= 1e12], [0.0], sizes])
    imbalance = np.concatenate([[0.0], sizes])
    u0, C = (a.ravel() for a in np.meshgrid(initial, imbalance))
    u0, C = u0[(u0 > 0) | (C > 0)], C[(u0 > 0) | (C > 0)]
    for rate in (1e-300, 1.0, 1e300):
        for time in (5e-324, 1e-12, 1.0, 1e300, np.inf):
            with np.errstate(all="raise"):
                u = modes.logit(time, initial=u0, rate=rate, imbalance=C, loss=loss)
            falling = (loss == "squared") & (u0 > 1)
            assert np.all(np.where(falling, (u >= 1) & (u <= u0), u >= u0))
            with np.errstate(all="raise"):
                t = modes.time_to(u, initial=u0, rate=rate, imbalance=C, loss=loss)
            assert np.all(t >= 0)


GOOD = {"initial": 0.1, "rate": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": -1.0}, "time must be at least 0, got -1"),
        ({"time": [0.0, np.nan]}, "time must be at least 0, got [0.0, nan]"),
        ({"rate": 0.0}, "rate must be positive and finite, got 0"),
        ({"rate": [1.0, -2.0]}, "rate must be positive and finite, got -2 at 1"),
        ({"rate": np.inf}, "rate must be positive and finite, got inf"),
        ({"rate": np.nan}, "rate must be positive and finite, got nan"),
        ({"imbalance": -0.5}, "imbalance must be at least 0 and finite, got -0.5"),
        ({"imbalance": np.inf}, "imbalance must be at least 0 and finite, got inf"),
        ({"imbalance": 1e301}, "imbalance must be at most 1e+300, got 1e+301"),
        ({"initial": np.nan}, "initial must be finite, got nan"),
        ({"initial": np.inf}, "initial must be finite, got inf"),
        ({"initial": -1e13, "imbalance": 1.0}, "initial must be between -1e+12 and 1e+300, got -1e+13"),
        (
            {"initial": [0.1, 0.0], "imbalance": [[1.0], [0.0]]},
            "initial must be positive where imbalance is 0: a logit of 0 is a fixed point, got 0",
        ),
        (
            {"initial": -0.25},
            "initial must be positive where imbalance is 0: a logit of 0 is a fixed point, got -0.25",
        ),
        ({"loss": "mse"}, "loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got 'mse'"),
        (
            {"time": [1.0, 2.0], "rate": [1.0, 2.0, 3.0]},
            "time, initial, rate, imbalance, depth, norm and classes must broadcast to one shape, "
            "got (2,), (), (3,), (), (), (), ()",
        ),
    ],
)
def test_wrong_arguments(change, message):
    arguments = GOOD | change
    with pytest.raises(ValueError) as caught:
        modes.logit(arguments.pop("time", 1.0), **arguments)
    assert str(caught.value) == message
    if "time" not in change:
        with pytest.raises(ValueError) as caught:
            modes.time_to(1.0, **arguments)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("logit", "initial", "loss", "message"),
    [
        (np.nan, 0.1, "hinge", "logit must be a number, got nan"),
        (0.05, 0.1, "cross_entropy", "logit must be at least initial, got 0.05 with initial 0.1"),
        (-np.inf, 0.1, "exponential", "logit must be at least initial, got -inf with initial 0.1"),
        ([0.2, 0.0], 0.1, "squared", "logit must be at least initial, got 0 with initial 0.1"),
        (1.5, 2.0, "hinge", "logit must be at least initial, got 1.5 with initial 2"),
        (0.5, 2.0, "squared", "logit must lie between 1 and initial, got 0.5 with initial 2"),
        (2.5, 2.0, "squared", "logit must lie between 1 and initial, got 2.5 with initial 2"),
    ],
)
def test_unreachable_logits(logit, initial, loss, message):
    with pytest.raises(ValueError) as caught:
        modes.time_to(logit, initial=initial, rate=1.0, loss=loss)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("logit", "initial", "loss", "time"),
    [
        (1.0 + 1e-15, 0.5, "hinge", np.inf),
        (2.0, 2.0, "hinge", 0.0),
        (3.0, 2.0, "hinge", np.inf),
        (1.0, 0.5, "squared", np.inf),
        (7.0, 0.5, "squared", np.inf),
        (1.0, 2.0, "squared", np.inf),
        (1.0, 1.0, "squared", 0.0),
        (1.5, 1.0, "squared", np.inf),
        (np.inf, 0.5, "cross_entropy", np.inf),
        (np.inf, 0.5, "exponential", np.inf),
    ],
)
@pytest.mark.parametrize("imbalance", [0.0, 0.5])
def test_logits_that_are_never_reached(logit, initial, loss, time, imbalance):
    assert modes.time_to(logit, initial=initial, rate=1.0, imbalance=imbalance, loss=loss) == time


def test_an_integer_beyond_all_floats_is_refused():
    with pytest.raises(ValueError, match=r"^time must be at least 0, got 1000000"):
        modes.logit(10**400, initial=0.1, rate=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, r"^depth must be at least 1 \(the number of weight layers, 2 with one hidden\), got 0$"),
        ({"depth": True}, r"^depth must be numbers, got True$"),
        ({"depth": np.nan}, r"^depth must be finite, got nan$"),
        ({"depth": np.inf}, r"^depth must be finite, got inf$"),
        ({"classes": True}, r"^classes must be numbers, got True$"),
        ({"classes": 0}, r"^classes must be whole numbers of at least 2, or None for one output, got 0$"),
    ],
)
def test_depths_and_classes_that_mean_nothing(change, message):
    for function in (modes.logit, modes.time_to):
        with pytest.raises(ValueError, match=message):
            function(1.0, **({"initial": 0.1, "rate": 1.0} | change))


@pytest.mark.parametrize("name", ["time", "initial", "rate", "imbalance", "depth", "norm"])
def test_nothing_in_nothing_out(name):
    """An empty array of any argument has no logits and no times, and is no error."""
    given = {"initial": 0.1, "rate": 1.0, "imbalance": 0.2, "depth": 2.0, "norm": 1.0}
    given |= {name: np.empty(0)} if name != "time" else {}
    for function in (modes.logit, modes.time_to):
        assert function(np.empty(0) if name == "time" else 1.0, **given).shape == (0,)
