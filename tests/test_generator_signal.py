"""What a discriminator tells its generator: the closed forms against mpmath and against trained discriminators."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import init
from dynsim.data import point_classes
from dynsim.empirical import networks
from dynsim.empirical.training import train
from dynsim.theory import generator, maps, modes

EPS = np.finfo(float).eps
OBJECTIVES = ("linear", "saturating", "non_saturating")
NORMS, FREQUENCIES = (1.0, 0.6), (0.7, 1.0)


def slope(objective, f):
    """|phi'(f)|, from the definition of phi."""
    phi = {
        "linear": lambda x: -x,
        "saturating": lambda x: mpmath.log(1 - 1 / (1 + mpmath.exp(-x))),
        "non_saturating": lambda x: mpmath.log(1 + mpmath.exp(-x)),
    }[objective]
    with mpmath.workdps(60):
        return abs(mpmath.diff(phi, mpmath.mpf(f)))


# ---- the formula -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("u", [-30.0, -1.0, -1e-8, 1e-300, 1e-3, 0.5, 1.2784645427610738, 7.0, 40.0])
def test_the_signal_is_the_slope_of_the_objective_times_that_of_the_discriminator(objective, u):
    wanted = float(slope(objective, -u) * abs(mpmath.mpf(u)) / mpmath.mpf(0.3))
    # A sigmoid, a product and a quotient.
    assert float(generator.signal_at(u, norm=0.3, objective=objective)) == pytest.approx(wanted, rel=8 * EPS, abs=0)


@settings(deadline=None, max_examples=200)
@given(st.floats(-700.0, 700.0, allow_subnormal=False), st.floats(1e-3, 1.0))
def test_the_two_objectives_of_cross_entropy_share_out_the_linear_one(u, norm):
    """sigma(-u) + sigma(u) = 1."""
    told = {name: float(generator.signal_at(u, norm=norm, objective=name)) for name in OBJECTIVES}
    total = told["saturating"] + told["non_saturating"]
    assert total == pytest.approx(told["linear"], rel=8 * EPS, abs=0)


def test_limits():
    start = {"initial": 0.01, "rate": 1.0, "norm": 2.0}
    assert generator.signal(np.inf, **start, loss="hinge", objective="linear") == 0.5
    assert generator.signal(np.inf, **start, objective="saturating") == 0.0
    assert generator.signal(np.inf, **start, objective="non_saturating") == np.inf
    assert generator.signal(0.0, **start, objective="linear") == 0.005
    assert generator.signal_at([-np.inf, np.inf], objective="linear").tolist() == [np.inf, np.inf]


def test_hinge_reaches_its_end_at_a_finite_time_and_stays():
    start = {"initial": 0.01, "rate": 0.7, "norm": 0.5, "loss": "hinge", "objective": "linear"}
    end = np.log(100.0) / 1.4
    # The rounding of the time, times the rate of growth 1.4.
    said = generator.signal(end * np.array([0.5, 1.0, 1e3]), **start)
    np.testing.assert_allclose(said, [0.2, 2.0, 2.0], rtol=1e-14)


@pytest.mark.parametrize("imbalance", [0.0, 0.8])
def test_the_saturating_signal_is_the_speed_of_the_logit(imbalance):
    """u sigma(-u) = (u/R) u'/(2 kappa), R = sqrt(u^2 + C^2): a central difference of the logit."""
    start, h = {"initial": 0.05, "rate": 0.8, "imbalance": imbalance}, 1e-5
    t = np.array([0.5, 2.0, 4.0, 20.0])
    u = modes.logit(t, **start)
    speed = (modes.logit(t + h, **start) - modes.logit(t - h, **start)) / (2.0 * h)
    said = generator.signal(t, **start, norm=0.5, objective="saturating")
    # h^2 u'''/6 is 1e-10 (rates near 1), the rounding of u over h 1e-10.
    np.testing.assert_allclose(said, u / np.hypot(u, imbalance) * speed / (1.6 * 0.5), rtol=0, atol=5e-9)


def test_the_saturating_signal_fades_like_one_over_t():
    t = np.array([1e4, 1e8, 1e16, 1e100, 1e300])
    for u0, C in ((1e-3, 0.0), (1.0, 0.0), (-0.5, 1.0)):
        said = generator.signal(t, initial=u0, rate=0.8, imbalance=C, norm=0.5, objective="saturating")
        ratio = generator.decay(t, rate=0.8, norm=0.5) / said
        # The next term of u' t is (a (1 - X) + ...)/log(t)^2 with X = log log t + log 2 kappa (section 5).
        assert np.all(np.abs(ratio - 1.0) < (3.0 + np.log(np.log(t))) / np.log(t) ** 2)
        assert np.all(np.diff(np.abs(ratio - 1.0)[1:]) < 0.0)


def test_the_peak_is_where_the_derivative_vanishes():
    with mpmath.workdps(40):
        u = mpmath.findroot(lambda u: u / (1 + mpmath.exp(-u)) - 1, 1.3)
        assert float(u - 1) == generator.PEAK
        assert float(u) == pytest.approx(1.2784645427610738, rel=EPS)


@pytest.mark.parametrize(
    "start",
    [
        {"initial": 1e-3, "rate": 0.7},
        {"initial": -0.3, "rate": 2.0, "imbalance": 0.5},
        {"initial": 0.1, "rate": 1.0, "depth": 4, "norm": 0.5},
        {"initial": 0.1, "rate": 1.0, "loss": "exponential"},
        {"initial": 3.0, "rate": 1.0},
    ],
)
def test_no_time_has_a_larger_saturating_signal_than_the_peak(start):
    found = generator.peak(**start)
    t = np.concatenate([found.time * np.linspace(0.5, 2.0, 2001), np.linspace(0.0, 3.0 * found.time + 1.0, 2001)])
    said = generator.signal(t, **start, objective="saturating")
    assert np.max(said) <= found.signal * (1.0 + 1e-13)
    assert generator.signal(found.time, **start, objective="saturating") == pytest.approx(found.signal, rel=1e-12)
    if start["initial"] < 1.0:
        # |u| sigma(-u) of a negative start may be larger at first: that is not what is meant, nor so here.
        assert said[1000] < found.signal and found.time > 0.0


def test_shapes_broadcast():
    said = generator.signal(np.ones((3, 1)), initial=0.1, rate=[1.0, 2.0], norm=[0.5, 1.0], objective="linear")
    assert said.shape == (3, 2)
    found = generator.peak(initial=0.1, rate=[1.0, 2.0], norm=[[0.5], [1.0]])
    assert {part.shape for part in found} == {(2, 2)}
    assert generator.signal(1.0, initial=0.1, rate=1.0, objective="linear").shape == ()


# ---- trained discriminators --------------------------------------------------------------------------------


def told(data, network, objective):
    """|d phi(f(x))/dx| of both inputs as if each were the fake one, by a backward pass."""
    f, cache = networks.forward(network.weights, data.X)
    weight = np.array([float(slope(objective, -abs(value))) for value in f])
    return np.linalg.norm(networks.input_gradient(network.weights, cache, weight), axis=-1)


def start_of(angle=180.0, imbalance=0.0, depth=2):
    data = point_classes(NORMS, FREQUENCIES, angle=angle)
    start = {"initial": (0.02, 0.05), "imbalance": imbalance, "depth": depth}
    network = init.class_aligned(data, 6 if depth == 2 else 2, **start, rng=3)
    # Several chains a class are another law than one (docs/theory.md, section 11).
    return data, network, start


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("loss", ["hinge", "cross_entropy"])
@pytest.mark.parametrize(("imbalance", "depth"), [(0.0, 2), (0.4, 2), (0.0, 3)])
def test_a_trained_discriminator_agrees_to_first_order_in_the_step(imbalance, depth, loss, objective):
    data, network, start = start_of(imbalance=imbalance, depth=depth)
    rate = np.array(FREQUENCIES) * NORMS
    # Hinge is judged before its kink, where u is smooth in lr.
    time = 1.0 if imbalance else 2.0
    law = {**start, "rate": rate, "norm": NORMS, "loss": loss}
    said, errors = generator.signal(time, **law, objective=objective), []
    for lr in (0.004, 0.002, 0.001):
        last = train(network, data, loss=loss, lr=lr, steps=round(time / lr), record=2).network
        errors.append(told(data, last, objective) - said)
    assert np.all(np.abs(errors[0]) < 0.05 * said)
    for coarse, fine in pairwise(errors):
        # Halved, but for the next order: lr times rates of order 1, so a few percent.
        np.testing.assert_allclose(coarse / fine, 2.0, rtol=0.05)


@pytest.mark.parametrize("loss", ["hinge", "cross_entropy"])
def test_the_exact_map_gives_the_signal_of_a_trained_discriminator_to_round_off(loss):
    data, network, start = start_of()
    lr, steps = 0.05, 2_000
    last = train(network, data, loss=loss, lr=lr, steps=steps, record=2).network
    S = 4.0 * np.array(start["initial"]) / NORMS
    rate = np.array(FREQUENCIES) * NORMS
    u = maps.gradient_descent(S, 0.0, rate=rate, norm=NORMS, lr=lr, steps=steps, loss=loss)[-1]
    for objective in OBJECTIVES:
        said = generator.signal_at(u, norm=NORMS, objective=objective)
        # Some ten roundings a step, all of one sign at worst, of a logit u whose error enters times 1 + u.
        np.testing.assert_allclose(told(data, last, objective), said, rtol=10 * steps * EPS * (1.0 + np.max(u)))


def test_a_wrong_norm_would_show():
    """The tests above can fail: without 1/|x| the fake point of length .6 is off by 40 percent."""
    data, network, start = start_of()
    last = train(network, data, loss="hinge", lr=0.01, steps=200, record=2).network
    rate = np.array(FREQUENCIES) * NORMS
    wrong = generator.signal(2.0, initial=start["initial"], rate=rate, loss="hinge", objective="linear")
    assert np.abs(told(data, last, "linear") / wrong - 1.0)[1] > 0.5


def test_any_network_without_biases_has_this_signal_along_the_input():
    """Euler: x . df/dx = f(x)."""
    random = np.random.default_rng(0)
    weights = [random.standard_normal(shape) for shape in ((16, 3), (12, 16), (8, 12), (8,))]
    X = random.standard_normal((20, 3))
    f, cache = networks.forward(weights, X)
    along = np.sum(networks.input_gradient(weights, cache, np.ones(20)) * X, axis=-1) / np.linalg.norm(X, axis=-1)
    said = generator.signal_at(-f, norm=np.linalg.norm(X, axis=-1), objective="linear")
    np.testing.assert_allclose(np.abs(along), said, rtol=1e-11)


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "wasserstein"}, r"objective must be one of 'linear', 'saturating', 'non_saturating'"),
        ({"norm": 0.0}, r"norm must be positive and finite, got 0"),
        ({"initial": -0.1}, r"initial must be"),
        ({"loss": "log"}, r"loss must be one of"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        generator.signal(1.0, **{"initial": 0.1, "rate": 1.0, "objective": "linear", **change})


def test_peak_and_decay_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"loss must be one of 'cross_entropy', 'exponential', got 'hinge'"):
        generator.peak(initial=0.1, rate=1.0, loss="hinge")
    with pytest.raises(ValueError, match=r"time must be larger than e, got 2"):
        generator.decay(2.0, rate=1.0)
    with pytest.raises(ValueError, match=r"rate must be positive and finite, got -1"):
        generator.decay(20.0, rate=-1.0)
