"""What every mode must satisfy, whatever its loss, depth, imbalance and number of classes.

Bounds are UNIT, the promise of the docstrings, times a condition number, which comes from the ODE du/dt = F(u):
dlog u/dlog t = t F(u)/u and dlog u/dlog u0 = (u0/u) F(u)/F(u0), in multi-precision arithmetic. They are of first
order in UNIT; cases with condition numbers above 1e6 are left out, so that the second order is below 1e-8 of them.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dynsim.theory import modes

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import accuracy_laws as laws
from accuracy import EPS, UNIT

LOSSES = ("cross_entropy", "exponential", "hinge", "squared")
FEW = settings(deadline=None, derandomize=True, max_examples=120)


class Case(NamedTuple):
    """A mode, and a time about when it moves or anywhere."""

    time: float
    loss: str
    initial: float
    given: dict  # the other arguments

    def run(self, time=None, initial=None):
        t, u0 = self.time if time is None else time, self.initial if initial is None else initial
        return float(modes.logit(t, initial=u0, loss=self.loss, **self.given))

    def back(self, u, initial=None):
        u0 = self.initial if initial is None else initial
        return float(modes.time_to(u, initial=u0, loss=self.loss, **self.given))

    def mode(self, initial=None):
        exact = {name: x if name == "classes" else mp.mpf(x) for name, x in self.given.items()}
        return laws.Mode(self.loss, mp.mpf(self.initial if initial is None else initial), **exact)

    def sensitive(self, t, u, initial=None):
        """dlog u/dlog t and dlog u/dlog u0, without their signs."""
        with mp.workdps(40):
            mode = self.mode(initial)
            return tuple(float(x) for x in laws.sensitivities(mode, mode.factor * mp.mpf(t), mp.mpf(u)))

    def error(self, t, u, initial=None):
        """The absolute error that the docstring grants a logit."""
        return UNIT * abs(u) * (1 + sum(self.sensitive(t, u, initial))) if u else 0.0

    @property
    def falls(self):
        return self.loss == "squared" and self.initial > 1

    def ended(self, u):
        """Where the loss has an end, logits stop at it, or are no longer told from it."""
        return self.loss in ("hinge", "squared") and (abs(u - 1) < 1e-9 or (self.loss == "hinge" and u >= 1))


def powers(low, high):
    return st.floats(low, high).map(lambda e: 10.0**e)


POSITIVE = powers(-300, 1.6) | powers(-4, 1.5)


@st.composite
def cases(draw, names=LOSSES, kinds=("two", "deep", "softmax"), initial=POSITIVE):
    """Starts of both signs where they may have them; times around those at which the logit changes."""
    kind = draw(st.sampled_from([kind for kind in kinds if kind != "softmax" or "cross_entropy" in names]))
    loss = "cross_entropy" if kind == "softmax" else draw(st.sampled_from(names))
    given = {"rate": draw(powers(-3, 3))}
    if kind == "deep":
        depth = draw(st.integers(1, 100) | st.floats(1, 100) | st.sampled_from([1.0, 2.0, 2 - 1e-12, 2 + 1e-9]))
        given |= {"depth": float(depth), "norm": draw(powers(-3, 3))}
    elif draw(st.booleans()):
        given["imbalance"] = draw(powers(-12, 12) | powers(-1, 1) | powers(-300, -12))
    if kind == "softmax":
        given["classes"] = draw(st.integers(2, 1000))
    signed = "imbalance" in given or given.get("depth") == 1.0
    u0 = draw(initial) * (draw(st.sampled_from([1.0, 1.0, -1.0])) if signed else 1.0)
    assume(not (loss == "hinge" and u0 >= 1) and u0 != 1)
    case = Case(0.0, loss, u0, given)
    with mp.workdps(40):
        mode = case.mode()
        pace = abs(mode.initial) / abs(mode.factor * mode.speed(mode.initial))  # the time that log u takes
        time = pace * mp.mpf(10) ** draw(st.floats(-3, 3) | st.floats(0, 200) | st.floats(-200, 0))
        assume(1e-290 < time < 1e290)
        return case._replace(time=float(time))


def condition(case, t, u, initial=None):
    """1 + the sensitivities, where these say something."""
    assume(u != 0.0)
    time, start = case.sensitive(t, u, initial)
    assume(time > 0 and 1 + time + start < 1e6 and (1 + time + start) / time < 1e6)
    return time, start


# -- the functions and each other ----------------------------------------------------------------------------


@FEW
@given(cases())
def test_time_to_inverts_logit(case):
    u = case.run()
    assume(not case.ended(u) and u != case.initial)
    time, start = condition(case, case.time, u)
    # u is wrong by UNIT (1 + time + start), which counts 1/time in t; so is t itself
    assert abs(case.back(u) / case.time - 1) <= 2 * UNIT * (1 + time + start) / time


@FEW
@given(cases(), powers(-6, 2))
def test_logit_inverts_time_to(case, way):
    if case.loss in ("hinge", "squared"):
        u = case.initial + (1 - case.initial) * min(way / 100, 0.999)
    else:
        u = case.initial + way * (abs(case.initial) if way < 1e-3 else 1.0)
    assume(u not in (case.initial, 0.0) and not case.ended(u))
    t = case.back(u)
    assume(1e-290 < t < 1e290)
    time, start = condition(case, t, u)
    # t is wrong by UNIT (1 + time + start)/time, which counts time in u; so is u itself
    assert abs(case.run(t) / u - 1) <= 2 * UNIT * (1 + time + start)


@FEW
@given(
    st.sampled_from(LOSSES), powers(-3, 3), powers(-300, 0), st.floats(0.01, 0.99), st.sampled_from([None, 2, 100])
)  # fmt: skip
def test_the_plateau_across_zero(loss, size, C, part, classes):
    """From u0 = -size the logit passes all sizes down to C and up again to 1, evenly in the angle."""
    softmax = {"classes": classes} if classes and loss == "cross_entropy" else {}
    case = Case(1.0, loss, -size, {"rate": 1.0, "imbalance": C} | softmax)
    first, last = np.arcsinh(-size / C), np.arcsinh(0.9 / C)
    u = float(C * np.sinh(first + (last - first) * part))
    assume(case.initial < u and abs(u) > 1e-300)
    t = case.back(u)
    assume(1e-290 < t < 1e290)
    time, start = condition(case, t, u)
    assert abs(case.run(t) / u - 1) <= 2 * UNIT * (1 + time + start)


SEAMS = (0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 40.0)
OTHERS = ({}, {"imbalance": 1e-3}, {"imbalance": 3.0}, *({"depth": depth} for depth in (1.0, 1.5, 3.0, 50.0)))


@pytest.mark.parametrize("loss", [*LOSSES, "softmax"])
def test_nothing_happens_where_one_form_takes_over_from_another(loss):
    """At round logits, and to a few units in the last place of the time on either side."""
    plain = [o for o in OTHERS if "depth" not in o] if loss == "softmax" else OTHERS
    given = [{"rate": 1.0} | o | ({"classes": 2} if loss == "softmax" else {}) for o in plain]
    name = "cross_entropy" if loss == "softmax" else loss
    for u in (u for u in SEAMS if u < 1 or loss not in ("hinge", "squared")):
        for case in (Case(1.0, name, u0, g) for g in given for u0 in (1e-15, 1e-3, 0.2) if u0 < u):
            t = case.back(u)
            time, start = case.sensitive(t, u)
            near = modes.logit(t * (1 + EPS * np.arange(-4, 5)), initial=case.initial, loss=name, **case.given)
            # both functions are granted their errors, and t has moved by up to 5 eps
            assert np.all(np.abs(near / u - 1) <= 2 * UNIT * (1 + time + start) + 5 * EPS * time), (case, u)


@FEW
@given(cases(), powers(-6, 1))
def test_the_logit_moves_towards_its_limit(case, step):
    first, second = case.run(), case.run(case.time * (1 + step))
    granted = case.error(case.time, first) + case.error(case.time * (1 + step), second)
    assume(granted < 1e-8 * (abs(first) + abs(second)))
    rise = first - second if case.falls else second - first
    assert rise >= -granted
    assert (first <= case.initial) if case.falls else (first >= case.initial)
    if case.loss in ("hinge", "squared"):
        assert second >= 1 if case.falls else second <= 1


@FEW
@given(cases(), st.integers(1, 63))
def test_stopping_and_going_on_changes_nothing(case, part):
    """The semigroup: to t1, restarted there, and on to t."""
    t = float(np.ldexp(1.0, int(np.frexp(case.time)[1]) - 1))  # so that the two parts add up exactly
    t1 = t * part / 64
    middle, end = case.run(t1), case.run(t)
    assume(not case.ended(end) and 0.0 not in (middle, end) and abs(middle) > 1e-300)
    first, whole = condition(case, t1, middle), condition(case, t, end)
    onward = condition(case, t - t1, end, initial=middle)
    again = case.run(t - t1, initial=middle)
    carried = onward[1] * (1 + sum(first))  # the error of the middle, in the end
    assert abs(again / end - 1) <= UNIT * ((1 + sum(whole)) + carried + (1 + sum(onward)))


@FEW
@given(cases())
def test_the_start_is_exact_and_the_limit_is_reached(case):
    assert case.run(0.0) == case.initial and case.back(case.initial) == 0.0
    limit = 1.0 if case.loss in ("hinge", "squared") else np.inf
    assert case.run(np.inf) == limit
    assert (case.back(limit) == np.inf) == (case.loss != "hinge")


@FEW
@given(cases())
def test_the_rate_is_a_unit_of_time(case):
    """Powers of 2 multiply exactly, so that rate times time is the same float."""
    faster = case._replace(given=case.given | {"rate": 4 * case.given["rate"]})
    assert case.run() == faster.run(0.25 * case.time)


@FEW
@given(cases(kinds=("deep",)))
def test_the_norm_is_a_part_of_the_rate(case):
    """kappa |x|^(2/N - 1); the power is one rounding of the exponent, 7 log units long, and one of its own."""
    u, norm = case.run(), case.given["norm"]
    time, _ = condition(case, case.time, u)
    other = case.given | {"norm": 1.0, "rate": case.given["rate"] * norm ** (2 / case.given["depth"] - 1)}
    granted = case.error(case.time, u)
    assert abs(case._replace(given=other).run() - u) <= 2 * granted + 9 * 2.3e-16 * time * abs(u)


@FEW
@given(cases(names=("cross_entropy",), kinds=("two",)))
def test_two_classes_of_softmax_are_the_binary_mode_at_another_rate(case):
    """(n-1)/(n-1+e^m) is 1/(1+e^m), and sqrt(n/(n-1)) is sqrt(2), which rounds once."""
    softmax = case._replace(given=case.given | {"classes": 2})
    binary = case._replace(given=case.given | {"rate": case.given["rate"] * np.sqrt(2.0)})
    u = softmax.run()
    condition(case, case.time, u)
    assert abs(binary.run() - u) <= 3 * softmax.error(case.time, u)


# -- the functions and the equation --------------------------------------------------------------------------

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def slowness(case, u):
    """1/F, in float64."""
    given, loss = case.given, case.loss
    b, C, others = 2 / given.get("depth", 2.0) - 1, given.get("imbalance", 0.0), given.get("classes", 2) - 1
    stretch = np.hypot(u, C) if C else np.abs(u) ** (1 - b)
    inverse = {
        "cross_entropy": lambda: 1 + np.exp(u) / others,
        "exponential": lambda: np.exp(u),
        "hinge": lambda: np.ones_like(u),
        "squared": lambda: 1 / (1 - u),
    }
    factor = given.get("depth", 2.0) * given["rate"] * given.get("norm", 1.0) ** b
    if "classes" in given:
        factor *= np.sqrt(1 + 1 / others)
    return inverse[loss]() / (factor * stretch)


@FEW
@given(cases(initial=powers(-100, 1.5)), st.floats(0.01, 1))
def test_the_equation(case, size):
    """time_to(u2) from u1 is int du / F(u), by Gauss's rule on [u1, u2]; with the inverse above, du/dt = F(u).

    1/F is analytic but for 0, +-iC and 1. Let d be the distance from u1 to the nearest of them, or 1 if that is
    less. The interval has the half length h <= d/16. On the Bernstein ellipse of sum of half-axes 8 h, which
    reaches 4.1 h from the middle, u is at least d - 5.1 h > 0.6 d away from them and at most 1.4 d: there 1/F, with
    a power of up to 2 of u and one of 1 - u, is below M = (1.4/0.6)^3 e^0.4 < 19 times its least value on the
    interval. Gauss's rule of 12 nodes errs by (64/15) M 8^-24 / (1 - 8^-2), relative: 2e-20. What remains is
    rounding: some 20 in 1/F and the weights, and that of an exponent, times log u, twice 230 for 1e-100, all by
    half an eps; each node, rounded by at most eps |u1|, counts |F'/F| <= 3/d + 1, less than the UNIT |u1|/h of
    the condition number.
    """
    u1, C = case.initial, case.given.get("imbalance", 0.0)
    assume(not (case.loss == "squared" and u1 > 1))
    zero = 1.0 if case.given.get("depth") == 1.0 else np.hypot(u1, C)
    one = abs(1 - u1) if case.loss in ("hinge", "squared") else 1.0
    u2 = u1 + 0.125 * size * min(1.0, zero, one)
    assume(u2 not in (u1, 0.0))
    h = 0.5 * (u2 - u1)
    wanted = h * float(slowness(case, u1 + h * (1 + _NODES)) @ _WEIGHTS)
    assume(1e-290 < wanted < 1e290)
    first, last = slowness(case, np.array([u1, u2]))
    condition = 1 + (abs(u1) * first + abs(u2) * last) / wanted
    assert abs(case.back(u2) / wanted - 1) <= UNIT * condition + (20 + 2 * 230) * 1.2e-16


def antiderivative(u, b, weight):
    """int (weight + e^u) u^(b-1) du by its series, whose terms from u^(b+1) on are positive; u may be complex."""
    total = (weight + 1) * (np.log(u) if b == 0 else u**b / b)
    term = u**b
    for k in range(1, 250):
        term = term * u / k
        total = total + term / (b + k)
    return total


@FEW
@given(
    st.sampled_from([0.0, 1.0, 9.0]), st.sampled_from([1.5, 2.0, 3.0, 4.0, 10.0, 100.0]),
    powers(-3, 1.2), powers(-2, 2), powers(-3, 1.5),
)  # fmt: skip
def test_the_closed_form_by_complex_step(weight, depth, u0, rate, way):
    """The closed form of the time has the derivative 1/F, without differences, and dynsim's logits satisfy it.

    Im Phi(u + ih)/h at h = 1e-30 is dPhi/du but for rounding, as Phi is analytic and real on the real axis: so
    Phi(u) - Phi(u0) = A t solves the ODE. weight = 1 is cross-entropy, 9 softmax with 10 classes, 0 exponential.
    """
    assume(weight < 2 or depth == 2.0)
    b, u = 2 / depth - 1, u0 + way
    slope = antiderivative(complex(u, 1e-30), b, weight).imag / 1e-30
    wanted = (weight + np.exp(u)) * u ** (b - 1)
    # the slope is a sum of positive terms; the k-th has 3 k roundings, and none beyond k = 3 u + 60 counts
    rounding = 3 * (3 * u + 60) * 1.2e-16
    assert abs(slope / wanted - 1) <= rounding
    given = {"rate": rate} | ({"classes": 10} if weight == 9 else {"depth": depth})
    factor = 2 * rate * np.sqrt(10 / 9) * 9 if weight == 9 else depth * rate
    first, last = (antiderivative(v, b, weight) for v in (u0, u))
    case = Case((last - first) / factor, "cross_entropy" if weight else "exponential", u0, given)
    time, start = condition(case, case.time, u)
    # each sum may be as large as its first and its positive terms together
    size = sum(abs(antiderivative(v, b, weight)) + 2 * (weight + 1) * (abs(np.log(v)) + v**b) for v in (u0, u))
    wrong = rounding * size / (last - first)
    assume(wrong * time < 1e-6)
    assert abs(case.run() / u - 1) <= UNIT * (1 + time + start) + wrong * time


# -- bounds --------------------------------------------------------------------------------------------------


@FEW
@given(cases())
def test_the_pull_bounds_the_angle(case):
    """With s = int du / S(u), ds/dT = g(u), and g only falls on the way: g(u) T <= s <= g(u0) T.

    (To 1 from above, where g < 0 rises to 0, |s| in place of s.) The relative error of u counts |u|/(S(u) s)
    in s, which with s >= g(u) T is at most 1 over its sensitivity to t.
    """
    u = case.run()
    assume(not case.ended(u) and u != case.initial)
    time, start = condition(case, case.time, u)
    with mp.workdps(60):
        mode = case.mode()
        T, s = mode.factor * mp.mpf(case.time), abs(laws.angle(mode, mode.initial, mp.mpf(u)))
        least, most = abs(mode.pull(mp.mpf(u))) * T, abs(mode.pull(mode.initial)) * T
        wrong = UNIT * (1 + time + start) / time
        # at the lower end g(u) is a bit off too: |u g'/g| <= |u| + |u/(1 - u)| times the error of u
        slope = abs(u) + (abs(u / (1 - u)) if case.loss == "squared" else 0.0)
        assert s <= most * (1 + wrong)
        assert s * (1 + wrong) >= least * (1 - UNIT * (1 + time + start) * slope)


@FEW
@given(powers(-300, 1.6), powers(-3, 3), powers(-9, 300))
def test_bound_19_of_the_paper_and_one_from_below(initial, rate, time):
    """log(e^{u0} + u0 kappa t) <= u <= 2 log(kappa t + e^{u0/2}), C = 0 (the upper one: (19) of A.3, v2).

    Below: (1 + e^v)/v <= 2 e^v/u0 for v >= u0 > 0, so that 2 kappa t <= 2 (e^u - e^{u0})/u0.
    """
    case = Case(time, "cross_entropy", initial, {"rate": rate})
    u = case.run()
    granted = case.error(time, u)
    scaled = np.log(rate) + np.log(time)
    upper = 2 * np.logaddexp(scaled, initial / 2)
    lower = np.logaddexp(initial, np.log(initial) + scaled)
    # the logarithms round to 1e-16 of at most 1400; where the bound is near u0 it is so to log's 1 ulp of e^u0 = 1
    slack = granted + 1400 * 2.3e-16
    assert lower - slack <= u <= upper + slack


@FEW
@given(cases(names=("cross_entropy",), kinds=("deep",)))
def test_bound_19_at_any_depth(case):
    """u <= 2 log(e^{u0/2} + (M/4) A t), with M = max u^a / cosh(u/2), a = 2 - 2/N.

    d/dt e^{u/2} = (1/2) e^{u/2} A u^a/(1 + e^u) = (A/4) u^a/cosh(u/2). At N = 2, M = 2 * 0.6628.
    """
    depth = case.given["depth"]
    assume(depth > 1)
    u, a = case.run(), 2 - 2 / depth
    peak = float(mp.findroot(lambda y: y * mp.tanh(y) - a, max(a, 0.1) ** 0.5)) * 2 if a > 1e-6 else 1e-6
    most = peak**a / np.cosh(peak / 2) if a > 1e-6 else 1.0
    scaled = np.log(depth * case.given["rate"]) + (2 / depth - 1) * np.log(case.given["norm"]) + np.log(case.time)
    upper = 2 * np.logaddexp(case.initial / 2, scaled + np.log(most / 4))
    # u^a <= 1 for u <= 1, and beyond it the maximum is at its root; 1e-6 covers a < 1e-6
    assert u <= upper + case.error(case.time, u) + 1400 * 2.3e-16 + 4e-6 * (a <= 1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_deeper_networks_come_in_order(loss):
    """At |x| = 1 and small u the speed N u^(2-2/N) g(u) falls with N, so that the plateau grows with the depth."""
    depth = np.array([1.0, 1.5, 2.0, 3.0, 5.0])
    t = modes.time_to(1e-4, initial=1e-6, rate=1.0, depth=depth, loss=loss)
    # d/dN log(N u^(2-2/N)) = 1/N + (2/N^2) log u < 0 for all u <= 1e-4 and N <= 5
    assert np.all(np.diff(t) > 0)
