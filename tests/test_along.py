"""Piecewise polynomials against the curve itself."""

import mpmath as mp
import numpy as np
import pytest

from dynsim import losses
from dynsim.theory import modes
from dynsim.theory.evaluation import along

UNIT = 4e-15  # what the docstring allows beyond the curve
COUNT = 100_000
STARTS = [(1e-300, 0.0), (0.01, 0.0), (30.0, 0.0), (1e-10, 1e-3), (-2.0, 0.5), (-40.0, 1.0), (0.3, 1e6)]


def times(kind):
    rng = np.random.default_rng(0)
    return {
        "short": np.linspace(0.0, 3.0, COUNT),
        "long": np.linspace(0.0, 1e4, COUNT),
        "longest": np.concatenate([np.linspace(0.0, 1e300, COUNT), [np.inf]]),
        "random": np.sort(rng.exponential(20.0, COUNT)),
        "all sizes": np.sort(10 ** rng.uniform(-300, 300, COUNT)),
        "repeated": np.sort(rng.integers(0, 40, COUNT) * 1.0),
    }[kind]


KINDS = ("short", "long", "longest", "random", "all sizes", "repeated")


def assert_close(t, u, curve, speed, sample=4000):
    """`speed` is du/dt as a function of u."""
    some = np.random.default_rng(1).integers(0, t.size, sample)
    some = np.unique(np.append(some, [0, 1, t.size - 2, t.size - 1]))
    t, u = t[some], u[some]
    direct = curve(t)
    finite = np.isfinite(direct)
    assert np.array_equal(u[~finite], direct[~finite])
    t, u, direct = t[finite], u[finite], direct[finite]
    with np.errstate(all="ignore"):
        moved = np.where((t > 0) & (t < np.inf), t * np.abs(speed(direct)), 0.0)
    assert np.all(np.abs(u - direct) <= UNIT * (np.abs(direct) + moved))


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential", "squared", "hinge"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits(loss, kind):
    t, rate, pull = times(kind), 0.7, losses.get(loss).pull
    for u0, C in STARTS:
        arguments = {"initial": u0, "rate": rate, "imbalance": C, "loss": loss}
        kinks = [float(modes.time_to(1.0, **arguments))] if loss == "hinge" and u0 < 1 else []

        def curve(t, arguments=arguments):
            return modes.logit(t, **arguments)

        u = along.evaluate(curve, t, kinks=kinks)
        assert_close(t, u, curve, lambda u, C=C: 2 * rate * np.hypot(u, C) * pull(u), sample=300)


def test_it_saves_the_work():
    """Of 10^6 values of an analytic curve, hardly any are computed."""
    taken = []

    def curve(t):
        taken.append(t.size)
        return np.log1p(t)

    t = np.linspace(0.0, 1e4, 1_000_000)
    u = along.evaluate(curve, t)
    assert sum(taken) < 10_000 and len(taken) < 20
    assert_close(t, u, np.log1p, lambda u: np.exp(-u))


def test_a_kink_that_is_told():
    """Segments end there, so that both sides are fitted; untold, values around it are computed one by one."""
    taken = []

    def curve(t):
        taken.append(t.size)
        return np.minimum(np.expm1(t), 1.0)

    t = np.linspace(0.0, 5.0, COUNT)
    told = along.evaluate(curve, t, kinks=[np.log(2.0), 1e9])
    few = sum(taken)
    taken.clear()
    untold = along.evaluate(curve, t)
    assert few < sum(taken)
    for u in (told, untold):
        # the slope jumps from 2 to 0
        np.testing.assert_allclose(u, curve(t), rtol=0, atol=UNIT * (1 + 2 * np.log(2.0)))


def test_a_rise_between_two_nodes_is_seen():
    """A step that no inner node of the first segments meets: both ends are nodes."""
    for place in (1e-4, 3.0, 9999.0):
        t = np.linspace(0.0, 1e4, COUNT)

        def curve(t, place=place):
            return 2.0 + np.tanh(5.0 * (t - place))

        assert_close(t, along.evaluate(curve, t), curve, lambda u: 5 * (1 - (u - 2) ** 2))


@pytest.mark.parametrize("end", np.geomspace(1.1, 8.0, 40).tolist())
def test_fits_that_are_barely_good_are_good(end):
    """Ranges of all lengths, so that among the last coefficients there are some of every size."""
    t = np.linspace(1.0, end, 3000)
    u = along.evaluate(np.arctan, t)
    assert np.all(np.abs(u - np.arctan(t)) <= UNIT / 3 * (np.arctan(t) + t / (1 + t**2)))


def test_through_zero_the_error_is_absolute():
    """Against mpmath: u + |t du/dt| is what counts, not u."""
    t = np.linspace(0.0, 4.0, COUNT)
    u = along.evaluate(lambda t: np.exp(t) - 5.0, t)
    i = int(np.searchsorted(t, np.log(5.0)))
    for j in range(i - 20, i + 20):
        exact = mp.exp(mp.mpf(t[j])) - 5
        # the curve's own rounding is that of 5
        assert abs(u[j] - exact) <= 5 * np.finfo(float).eps + UNIT * (abs(float(exact)) + 5 * t[j])


def test_noise_and_nonsense_go_to_the_curve():
    rng = np.random.default_rng(0)
    table = rng.random(COUNT)
    t = np.arange(float(COUNT))
    taken = []

    def curve(t):
        taken.append(t.size)
        return table[t.astype(int)]

    np.testing.assert_array_equal(along.evaluate(curve, t), table)
    assert sum(taken) < 2.5 * COUNT
    u = along.evaluate(lambda t: np.where(t < 500, np.nan, 1.0), t)
    np.testing.assert_array_equal(u, np.where(t < 500, np.nan, 1.0))


def test_few_times_and_the_ends_are_the_curve():
    for t in (np.array([]), np.zeros(3), np.array([np.inf]), np.array([0.0, 1.0, 1.0, 2.0, np.inf])):
        np.testing.assert_array_equal(along.evaluate(np.sqrt, t), np.sqrt(t))
    t = np.concatenate([np.zeros(2), np.linspace(0, 1, COUNT), np.full(3, np.inf)])
    u = along.evaluate(lambda t: t + 3.0, t)
    assert u[:2].tolist() == [3.0, 3.0] and np.all(u[-3:] == np.inf)


def test_times_are_checked_and_left_alone():
    t = np.linspace(0, 1, 1000)
    along.evaluate(np.exp, t)
    assert np.array_equal(t, np.linspace(0, 1, 1000))
    with pytest.raises(ValueError, match=r"^times must be one-dimensional and in order, got shape \(2,\)$"):
        along.evaluate(np.exp, [1.0, 0.5])
    with pytest.raises(ValueError, match=r"^times must be one-dimensional and in order, got shape \(1, 2\)$"):
        along.evaluate(np.exp, [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"^times must be at least 0, got -1 at 0$"):
        along.evaluate(np.exp, [-1.0, 2.0])
