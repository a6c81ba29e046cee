"""Very many values at once: polynomials for one start, tables for many, against the same values a few at a time."""

import numpy as np
import pytest

from dynsim.theory import modes

UNIT = 4e-15
LAWS = [
    {},
    {"loss": "exponential"},
    {"loss": "hinge"},
    {"loss": "squared"},
    {"imbalance": 0.3},
    {"imbalance": 1e-9, "initial": -1e-12},
    {"imbalance": 2.0, "initial": -0.7, "loss": "squared"},
    {"imbalance": 1e4, "initial": -3.0, "loss": "hinge"},
    {"depth": 1},
    {"depth": 1, "initial": -2.0},
    {"depth": 4},
    {"depth": 2.2, "loss": "exponential"},
    {"depth": 7, "loss": "hinge"},
    {"depth": 3, "loss": "squared"},
    {"classes": 10},
    {"classes": 1000, "imbalance": 0.1},
]


def few_at_a_time(times, **law):
    """Below the number from which polynomials are tried."""
    return np.concatenate([modes.logit(part, **law) for part in np.array_split(times, 1 + len(times) // 1000)])


def speed(times, u, **law):
    """|t du/dt| from the neighbours, generously."""
    return np.abs(np.gradient(u, times)) * times


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("grid", ["even", "logarithmic", "repeated"])
def test_one_start_at_many_times(grid, law):
    law = {"initial": 0.01, "rate": 0.4} | law
    times = {
        "even": np.linspace(0.0, 300.0, 20_001),
        "logarithmic": np.append(0.0, np.geomspace(1e-12, 1e8, 20_000)),
        "repeated": np.sort(np.append(np.repeat(np.arange(60.0), 400), np.inf)),
    }[grid]
    many, few = modes.logit(times, **law), few_at_a_time(times, **law)
    np.testing.assert_array_equal(many[times == np.inf], few[times == np.inf])
    inner = times < np.inf
    steps = np.unique(times[inner])
    moving = np.interp(times[inner], steps, speed(steps, modes.logit(steps[:, None], **law)[:, 0]))
    # Both are right to UNIT of u and of t; the polynomials add one more (see along.evaluate).
    allowed = 3.0 * UNIT * (np.abs(few[inner]) + moving) + 1e-15 * abs(law["initial"])
    assert np.all(np.abs(many[inner] - few[inner]) <= allowed)
    assert many[0] == law["initial"]


def test_where_it_begins():
    """The two routes meet at 2,000 times; unsorted times take the other one, with the same values."""
    times, law = np.linspace(0.0, 50.0, 2_000), {"initial": 0.01, "rate": 0.4}
    few = modes.logit(times[:-1], **law)
    many = modes.logit(times, **law)
    np.testing.assert_allclose(many[:-1], few, rtol=1e-13)
    order = np.random.default_rng(0).permutation(2_000)
    np.testing.assert_allclose(modes.logit(times[order], **law), many[order], rtol=1e-13)
    np.testing.assert_allclose(modes.logit(times.astype(np.float32), **law), many, rtol=1e-5)
    whole = modes.logit(np.arange(3_000), **law)
    np.testing.assert_allclose(whole[:51], modes.logit(np.arange(51), **law), rtol=1e-13)


@pytest.mark.parametrize(
    ("bad", "message"),
    [(-1.0, r"time must be at least 0, got -1 at 2999"), (np.nan, r"time must be at least 0, got nan at 2999")],
)
def test_wrong_times_among_many_are_found(bad, message):
    times = np.linspace(0.0, 50.0, 3_000)
    times[-1] = bad
    with pytest.raises(ValueError, match=message):
        modes.logit(times, initial=0.01, rate=0.4)


@pytest.mark.parametrize(
    "law",
    [
        {},
        {"loss": "exponential"},
        {"classes": 7},
        {"depth": 5},
        {"depth": 40.5},
        {"imbalance": 0.3},
        {"imbalance": 5e-3, "loss": "exponential"},
        {"imbalance": 20.0, "classes": 5},
        {"imbalance": 1e-6},
    ],
    ids=str,
)
def test_many_starts_at_once(law):
    """The table of a depth or an imbalance is made for 50,000 values and more; the values are those of a few."""
    random = np.random.default_rng(1)
    initial, rate = 10 ** random.uniform(-6, 1.5, (6_000, 1)), 10 ** random.uniform(-2, 2, (6_000, 1))
    times = 10 ** random.uniform(-3, 4, (6_000, 10))
    many = modes.logit(times, initial=initial, rate=rate, **law)
    few = modes.logit(times[::40, ::3], initial=initial[::40], rate=rate[::40], **law)
    shifted = modes.logit(times[::40, ::3] * (1 + 1e-7), initial=initial[::40], rate=rate[::40], **law)
    from_start = modes.logit(times[::40, ::3], initial=initial[::40] * (1 + 1e-7), rate=rate[::40], **law)
    condition = 1.0 + (np.abs(shifted / few - 1.0) + np.abs(from_start / few - 1.0)) / 1e-7
    # The condition numbers are differences, good to some percent.
    assert np.all(np.abs(many[::40, ::3] / few - 1.0) <= 2.2 * UNIT * condition)


@pytest.mark.parametrize("law", [{"imbalance": 0.3}, {"depth": 3}, {}], ids=str)
def test_one_start_at_times_in_no_order_or_in_a_column(law):
    times = np.linspace(0.0, 60.0, 6_000)
    order = np.random.default_rng(2).permutation(6_000)
    law = {"initial": 0.01, "rate": 0.4} | law
    whole = modes.logit(times, **law)
    np.testing.assert_allclose(modes.logit(times[order], **law), whole[order], rtol=2e-13)
    for shape in ((6_000, 1), (60, 100)):
        np.testing.assert_allclose(modes.logit(times.reshape(shape), **law), whole.reshape(shape), rtol=2e-13)
    one = {name: [[value]] for name, value in law.items()}
    assert modes.logit(times.reshape(60, 100), **one).shape == (60, 100)
    assert modes.logit(times, **one).shape == (1, 6_000)
