"""The four losses against 400-digit arithmetic, over every margin a float64 can be."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import losses

NAMES = ("cross_entropy", "hinge", "exponential", "squared")
EPS = np.finfo(float).eps
TINY = np.finfo(float).tiny  # below it a float64 has fewer than 53 bits
LARGEST = np.finfo(float).max
OVERFLOW = 2**1024 - 2**970  # what exceeds the largest float by half a unit in the last place rounds to inf

SMALL = [0.0, 5e-324, 1e-300, 1e-17, 1e-8, 0.1, 0.5, 0.999, 1.0, 2.0, 3.0, 7.0]
BIG = [20.0, 36.0, 37.0, 40.0, 100.0, 700.0, 708.0, 745.0, 800.0, 1e5, 1e154, 1e200, 1e308]
SIZES = np.array(SMALL + BIG)
MARGINS = np.concatenate([-SIZES, SIZES, [1 - EPS / 2, 1 + EPS, -LARGEST, LARGEST]])


def exact(name, margin):
    """Value, pull, slope, confidence and error at a float64 margin, as mpmath numbers."""
    m, one = mp.mpf(float(margin)), mp.mpf(1)
    decay = mp.exp(-m)
    if name == "cross_entropy":
        value = mp.log1p(decay) if m > 0 else mp.log1p(mp.exp(m)) - m
        sigma, rest = one / (1 + decay), decay / (1 + decay)
        return value, rest, -sigma * rest, sigma, rest
    if name == "exponential":
        rest = mp.exp(-2 * m) / (1 + mp.exp(-2 * m))
        return decay, decay, -decay, 1 / (1 + mp.exp(-2 * m)), rest
    if name == "hinge":
        return max(mp.mpf(0), 1 - m), mp.mpf(m < 1), mp.mpf(0), m, 1 - m
    return (1 - m) ** 2 / 2, 1 - m, mp.mpf(-1), m, 1 - m


def evaluated(name, margin):
    loss, m = losses.get(name), np.array([margin])
    return [float(f(m)[0]) for f in (loss.value, loss.pull, loss.slope, loss.confidence, loss.error)]


def check_functions(name, margin):
    """Within 8 roundings of the truth; inf exactly where the truth rounds to it; subnormals may lose digits."""
    for what, got, want in zip(
        ("value", "pull", "slope", "confidence", "error"), evaluated(name, margin), exact(name, margin), strict=True
    ):
        if abs(want) >= OVERFLOW:
            assert got == float(mp.sign(want)) * np.inf, (name, what, margin)
        else:
            assert abs(got - want) <= 8 * EPS * abs(want) + TINY, (name, what, margin, got, mp.nstr(want, 20))


@pytest.mark.parametrize("name", NAMES)
def test_every_function_against_mpmath(name):
    with mp.workdps(400):  # 1 - 1e-300 must not round to 1
        for margin in MARGINS:
            check_functions(name, margin)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    name=st.sampled_from(NAMES),
    margin=st.one_of(st.floats(-1e154, 1e154), st.floats(-800, 800), st.floats(-2, 2)),
)
def test_any_margin_against_mpmath(name, margin):
    with mp.workdps(400):
        check_functions(name, margin)


@pytest.mark.parametrize("name", ["cross_entropy", "exponential", "squared"])
@pytest.mark.parametrize("margin", [-300.0, -20.0, -1.5, -1e-3, 0.0, 1e-300, 0.7, 1.0, 5.0, 40.0, 300.0])
def test_pull_and_slope_are_the_derivatives_of_the_value(name, margin):
    formula = {
        "cross_entropy": lambda m: mp.log(1 + mp.exp(-m)),
        "exponential": lambda m: mp.exp(-m),
        "squared": lambda m: (1 - m) ** 2 / 2,
    }[name]
    loss = losses.get(name)
    with mp.workdps(400):  # exp(-300) beside 1, differentiated numerically
        first = mp.diff(formula, mp.mpf(margin))
        second = mp.diff(formula, mp.mpf(margin), 2)
        assert abs(float(loss.pull(margin)) + first) <= 8 * EPS * abs(first)
        assert abs(float(loss.slope(margin)) + second) <= 8 * EPS * abs(second)


@pytest.mark.parametrize("margin", [-1e308, -3.0, 0.0, 1 - EPS / 2, 1 + EPS, 2.0, 1e308])
def test_hinge_pull_on_both_sides_of_the_kink(margin):
    hinge = losses.get("hinge")
    with mp.workdps(400):
        step = mp.mpf(2) ** -60  # smaller than the distance of any of these margins from 1
        left, right = (max(mp.mpf(0), 1 - (mp.mpf(margin) + s)) for s in (-step, step))
        assert hinge.pull(margin) == (left - right) / (2 * step)
    assert hinge.slope(margin) == 0
    assert hinge.pull(1.0) == 0


# ---- inverses: each bound is the condition number times the round-off of the value in between --------------

WIDE = np.concatenate([-np.logspace(-300, 2.8, 60), [0.0], np.logspace(-300, 2.8, 60)])


@pytest.mark.parametrize(("name", "factor"), [("cross_entropy", 1.0), ("exponential", 2.0)])
def test_margin_at_inverts_the_sigmoids(name, factor):
    loss, m = losses.get(name), WIDE[(WIDE < 15) & (factor * WIDE > -700)]
    # c (1 + O(eps)) moves logit(c) by eps / (1 - c) = eps (1 + e^m)
    allowed = 8 * EPS * (1 + np.exp(factor * m) + np.abs(m))
    assert np.all(np.abs(loss.margin_at(loss.confidence(m)) - m) <= allowed)


@pytest.mark.parametrize("name", ["hinge", "squared"])
def test_margin_at_is_the_identity_where_the_confidence_is_the_margin(name):
    loss = losses.get(name)
    np.testing.assert_array_equal(loss.margin_at(loss.confidence(MARGINS)), MARGINS)


@pytest.mark.parametrize("name", ["cross_entropy", "exponential"])
def test_the_ends_of_the_confidence(name):
    np.testing.assert_array_equal(losses.get(name).margin_at([0.0, 0.5, 1.0]), [-np.inf, 0.0, np.inf])


def test_margin_of_value_inverts_cross_entropy():
    loss, m = losses.get("cross_entropy"), np.concatenate([WIDE, [-1e308, -1e10]])
    m = m[m < 700]
    # v (1 + O(eps)) moves m by eps v / g, which is eps |m| far left and eps far right
    np.testing.assert_array_less(np.abs(loss.margin_of_value(loss.value(m)) - m), 8 * EPS * (1 + np.abs(m)))


def test_margin_of_value_inverts_the_other_losses():
    exponential, hinge, squared = (losses.get(n) for n in ("exponential", "hinge", "squared"))
    m = WIDE[WIDE > -700]
    np.testing.assert_array_less(
        np.abs(exponential.margin_of_value(exponential.value(m)) - m), 8 * EPS * (1 + np.abs(m))
    )
    m = np.concatenate([WIDE[WIDE <= 1], [1.0, -1e100]])
    for loss in (hinge, squared):
        np.testing.assert_array_less(np.abs(loss.margin_of_value(loss.value(m)) - m), 8 * EPS * (1 + np.abs(m)))


def test_margin_of_value_at_the_ends():
    for name in ("cross_entropy", "exponential"):
        assert losses.get(name).margin_of_value(0.0) == np.inf
    assert losses.get("hinge").margin_of_value(0.0) == 1.0
    assert losses.get("squared").margin_of_value(0.0) == 1.0


# ---- error and shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "factor"), [("cross_entropy", 1), ("exponential", 2)])
def test_error_keeps_its_digits_where_the_confidence_is_1(name, factor):
    loss, m = losses.get(name), np.array([50.0, 200.0, 345.0])
    assert np.all(loss.confidence(m) == 1.0)
    np.testing.assert_allclose(loss.error(m), np.exp(-factor * m), rtol=8 * EPS)


@pytest.mark.parametrize("name", NAMES)
def test_error_is_one_minus_confidence(name):
    loss, m = losses.get(name), np.linspace(-5, 5, 41)
    np.testing.assert_allclose(loss.error(m), 1 - loss.confidence(m), rtol=0, atol=4 * EPS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_shapes_are_kept_and_the_margins_left_alone(name, shape):
    loss, m = losses.get(name), np.full(shape, 0.25)
    for function in "value", "pull", "slope", "confidence", "margin_at", "margin_of_value", "error":
        out = getattr(loss, function)(m)
        assert out.shape == shape
        assert out.dtype == np.float64
        assert not np.shares_memory(out, m)
    assert np.all(m == 0.25)


@pytest.mark.parametrize("name", ["log", "", None, 3, "Hinge"])
def test_unknown_loss_lists_the_four(name):
    wanted = r"loss must be one of 'cross_entropy', 'hinge', 'exponential', 'squared', got "
    with pytest.raises(ValueError, match=wanted) as caught:
        losses.get(name)
    assert str(caught.value).endswith(repr(name))
