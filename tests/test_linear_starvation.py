"""The path of a linear model against multi-precision arithmetic, integrations of both logits, and training."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from dynsim import Network, data, losses, train
from dynsim.theory.linear_starvation import hinge_limit, linear_bounds, linear_path

EPS = np.finfo(float).eps
FEW = settings(deadline=None, derandomize=True, max_examples=100)
SHARES = st.floats(-300.0, 0.0).map(lambda e: 10.0**e)


def share_of_error(v1, rise, frequency, ratio, v20=0.0):
    """The relative error of the rise of v2, to first order: the residual of the path in 60 digits by its slope."""
    with mp.workdps(60):
        lam, y, c = (mp.mpf(float(a)) for a in (frequency, rise, ratio))
        grown = (1 - lam) * mp.exp(mp.mpf(float(v20)))
        residual = lam * y + grown * mp.expm1(y) - c * lam * mp.mpf(float(v1))
        return abs(residual / (lam + grown * mp.exp(y)) / y)


def test_exponential_path_in_many_digits():
    rng = np.random.default_rng(0)
    v1 = 10 ** np.concatenate([rng.uniform(-290, 300, 150), rng.uniform(-3, 5, 150)])
    frequency = np.where(rng.random(300) < 0.5, 10 ** rng.uniform(-200, 0, 300), rng.random(300))
    b = 2.0 ** rng.integers(-10, 10, 300)
    v2 = linear_path(v1, frequency=frequency, norms=(1.0, b))
    kept = v2 > 1e-300  # below, the value itself has no 16 digits
    assert kept.sum() > 150
    for a in zip(v1[kept], v2[kept], frequency[kept], b[kept] ** 2, strict=True):
        # four roundings in the target, four in the left side of the last step, one of its own
        assert share_of_error(*a) < 2e-15


def test_exponential_path_is_that_of_lambert_w():
    with mp.workdps(40):
        for v1, lam, c in [(0.5, 0.25, 1.0), (20.0, 0.5, 4.0), (300.0, 0.125, 0.25)]:
            rho = (1 - mp.mpf(lam)) / lam
            exact = c * v1 + rho - mp.lambertw(rho * mp.exp(c * v1 + rho))
            got = linear_path(v1, frequency=lam, norms=(1.0, c**0.5))
            assert abs(got / exact - 1) < 2e-15


@FEW
@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(-9, 9).map(lambda e: 10.0**e), SHARES)
def test_exponential_path_from_any_start(v10, v20, rise, frequency):
    v1 = v10 + rise
    v2 = float(linear_path(v1, frequency=frequency, start=(v10, v20)))
    y = v2 - v20
    # v2 is rounded once
    allowed = 2e-15 * y + EPS * (abs(v20) + abs(v2))
    if rise > 1e-6 and y > 1e-6:
        assert share_of_error(v1 - v10, y, frequency, 1.0, v20) * y <= allowed
    else:
        # the slope is at most c, whatever the start
        assert 0.0 <= y <= (v1 - v10) * (1 + 1e-14) + EPS * abs(v20)


def test_limits():
    for loss in ("exponential", "cross_entropy"):
        assert np.array_equal(linear_path([2.0, np.inf], frequency=0.3, start=(2.0, 0.7), loss=loss), [0.7, np.inf])
        assert linear_path([], frequency=0.3, loss=loss).shape == (0,)
        assert linear_path(7.0, frequency=1.0, norms=(2.0, 1.0), loss=loss) == pytest.approx(1.75, rel=1e-14)
    got = linear_path(np.array([[1.0], [2.0]]), frequency=[0.1, 0.2, 0.3], loss="cross_entropy")
    for (i, j), value in np.ndenumerate(got):
        alone = linear_path((1.0, 2.0)[i], frequency=(0.1, 0.2, 0.3)[j], loss="cross_entropy")
        assert value == pytest.approx(alone, rel=1e-12)


def test_cross_entropy_path_in_many_digits():
    """Both logits by Taylor series in the time, stopped by the series of the path's own slope."""
    for lam, c, v20, ends in [(0.1, 1.0, 0.0, (0.3, 3.0)), (0.5, 4.0, 0.5, (1.0,)), (0.01, 0.25, -1.0, (2.0,))]:
        with mp.workdps(20):

            def slope(v1, v2, lam=lam, c=c):
                g1, g2 = 1 / (1 + mp.exp(v1)), 1 / (1 + mp.exp(v1 + v2))
                return c * lam * g2 / (lam * g2 + (1 - lam) * g1)

            exact = mp.odefun(slope, 0, v20)
            for end in ends:
                y = linear_path(end, frequency=lam, norms=(1.0, c**0.5), start=(0.0, v20), loss="cross_entropy")
                assert abs((float(y) - exact(end)) / (exact(end) - v20)) < 1e-12


def test_cross_entropy_path_of_tiny_and_of_huge_logits():
    v1 = 10.0 ** np.arange(-300, -8, 10)
    assert linear_path(v1, frequency=0.25, loss="cross_entropy") == pytest.approx(0.25 * v1, rel=1e-8)
    # where sigma(v1) is 1 the two losses have one law
    late = np.array([60.0, 1e3, 1e9, 1e300])
    at_50 = float(linear_path(50.0, frequency=0.25, loss="cross_entropy"))
    one = linear_path(late, frequency=0.25, loss="cross_entropy")
    assert one == pytest.approx(linear_path(late, frequency=0.25, start=(50.0, at_50)), rel=2e-12)


@pytest.mark.parametrize("v20", [0.0, -4.0])
def test_cross_entropy_path_beyond_where_its_sigmoid_is_one(v20):
    """The ratio of the two pulls themselves, integrated with small steps over v1 = 40 and 44."""
    lam, g = 0.2, losses.get("cross_entropy").pull

    def slope(v1, v2):
        return lam * g(v1 + v2) / (lam * g(v1 + v2) + (1 - lam) * g(v1))

    v1 = np.array([5.0, 10.0, 15.0, 30.0, 39.0, 45.0, 60.0])
    exact = solve_ivp(slope, (0.0, 60.0), [v20], "DOP853", t_eval=v1, rtol=3e-14, max_step=0.2, atol=1e-17).y[0]
    got = linear_path(v1, frequency=lam, start=(0.0, v20), loss="cross_entropy")
    # the promise; steps of 0.2 leave the reference nothing but rounding
    assert got - v20 == pytest.approx(exact - v20, rel=1e-12)


@pytest.mark.parametrize("norms", [(1.0, 1.0), (0.01, 20.0), (3.0, 0.01)])
@pytest.mark.parametrize("start", [(0.0, 0.0), (-5.0, 0.3), (0.2, -4.0)])
def test_paths_are_those_of_the_flow(norms, start):
    """v1 and v2 integrated in time, for the two smooth losses."""
    lam, (a, b) = 0.2, norms
    for name in ("exponential", "cross_entropy"):
        g = losses.get(name).pull

        def field(_, v, g=g):
            rare = lam * g(v[0] + v[1])
            return [a**2 * ((1 - lam) * g(v[0]) + rare), b**2 * rare]

        T = 30.0 / np.linalg.norm(field(0.0, np.array(start)))
        v1, v2 = solve_ivp(field, (0.0, T), start, "DOP853", rtol=1e-12, atol=1e-13, t_eval=np.linspace(0, T, 20)).y
        got = linear_path(v1, frequency=lam, norms=norms, start=start, loss=name)
        # the tolerance of the integration, some hundred steps, in v1 and in v2
        assert np.all(np.abs(got - v2) <= 1e-9 * (1.0 + np.abs(v2) + (b / a) ** 2 * 1e-2))


@FEW
@given(st.floats(0.0, 5.0), SHARES, st.floats(-1, 1), st.floats(0.0, 300.0), st.floats(0.0, 20.0))
def test_cross_entropy_lies_between_its_bounds(v20, frequency, exponent, rise, v10):
    given_ = dict(frequency=frequency, norms=(1.0, 10.0**exponent), start=(v10, v20))
    lower, upper = linear_bounds(v10 + rise, **given_)
    v2 = linear_path(v10 + rise, loss="cross_entropy", **given_)
    slack = 1e-12 * (v2 - v20) + 2 * EPS * v2
    assert lower - slack <= v2 <= upper + slack
    assert np.array_equal(lower, linear_path(v10 + rise, **given_))


def test_bounds_differ_where_they_should():
    lower, upper = linear_bounds([0.5, 5.0], frequency=0.3)
    v2 = linear_path([0.5, 5.0], frequency=0.3, loss="cross_entropy")
    assert np.all(lower < v2 * (1 - 1e-3)) and np.all(v2 < upper * (1 - 1e-3))


def hinge_by_steps(frequency, norms, start, steps=200_000):
    """The flow of the hinge in small steps of v1 or v2."""
    (a, b), (v1, v2) = norms, start
    path, dt = [(v1, v2)], 2.0 / (a**2 + b**2) / steps * 50
    for _ in range(steps):
        rare, often = frequency * (v1 + v2 < 1), (1 - frequency) * (v1 < 1)
        if not rare and not often:
            break
        v1, v2 = v1 + dt * a**2 * (rare + often), v2 + dt * b**2 * rare
        path.append((v1, v2))
    return np.array(path).T


@pytest.mark.parametrize(
    ("norms", "start"),
    [
        ((1.0, 1.0), (0.0, 0.0)),  # x1 + x2 lets go first
        ((1.0, 2.0), (0.2, -1.5)),  # x1 lets go first
        ((1.0, 0.5), (1.5, -2.0)),  # only x1 + x2 pulls
        ((1.0, 0.5), (-1.0, 3.0)),  # only x1 pulls
    ],
)
def test_hinge_path(norms, start):
    v1, v2 = hinge_by_steps(0.3, norms, start)
    inside = v1[:: len(v1) // 50][:-1]
    got = linear_path(inside, frequency=0.3, norms=norms, start=start, loss="hinge")
    # one step too many at each of the two drops
    step = max(np.diff(v1).max(), np.diff(v2).max())
    assert np.max(np.abs(got - np.interp(inside, v1, v2))) < 4 * step
    with pytest.raises(ValueError, match=r"strong must be at most .*, where training with the hinge loss ends"):
        linear_path(v1[-1] + 4 * step, frequency=0.3, norms=norms, start=start, loss="hinge")


def test_hinge_path_stops_at_its_limit():
    for frequency, norms in [(0.1, (1.0, 1.0)), (0.7, (2.0, 0.3)), (1e-9, (1e-3, 10.0))]:
        end = hinge_limit(frequency, norms=norms)
        for v1 in (1.0 - end, 1.0):
            got = linear_path(v1, frequency=frequency, norms=norms, loss="hinge")
            assert got == pytest.approx(end, rel=1e-13)
    # all points have both features: training ends where their margin is 1
    assert linear_path(0.5, frequency=1.0, loss="hinge") == hinge_limit(1.0) == 0.5
    with pytest.raises(ValueError, match=r"strong must be at most 0\.5"):
        linear_path(0.6, frequency=1.0, loss="hinge")


def test_hinge_limit_in_many_digits():
    rng = np.random.default_rng(1)
    frequency, a, b = 10 ** rng.uniform(-30, 0, 100), 10 ** rng.uniform(-5, 5, 100), 10 ** rng.uniform(-5, 5, 100)
    with mp.workdps(40):
        for got, f, x, z in zip(hinge_limit(frequency, norms=(a, b)), frequency, a, b, strict=True):
            f, x, z = mp.mpf(f), mp.mpf(x), mp.mpf(z)
            assert abs(got / (f * z**2 / (x**2 + f * z**2)) - 1) < 2e-15
    assert hinge_limit(0.1) == pytest.approx(0.1 / 1.1, rel=1e-15)


@pytest.mark.parametrize(("frequency", "norms"), [(0.1, (1.0, 1.0)), (0.4, (0.5, 1.5))])
def test_trained_linear_model_stops_at_the_limit_to_first_order(frequency, norms):
    """Both mirror classes pull one v. lr is such that x1 + x2 reaches its margin half a step too late."""
    points, (a, b) = data.starving_features(frequency, norms), norms
    speed = 2 * (a**2 + frequency * b**2)
    miss = []
    for k in (40, 160, 640):
        lr = 1 / (speed * (k - 0.5))
        run = train(Network((np.zeros(2),)), points, loss="hinge", lr=lr, steps=40 * k)
        v1, m2 = run.logits[-1, :2]
        assert v1 >= 1.0 - 1e-12
        miss.append((m2 - v1) - float(hinge_limit(frequency, norms=norms)))
        # half a step of v2
        assert miss[-1] == pytest.approx(lr * frequency * b**2, rel=1e-6)
    order = np.log(miss[0] / miss[-1]) / np.log(639.5 / 39.5)
    assert order == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["exponential", "cross_entropy"])
def test_trained_linear_model_follows_the_path_to_first_order(name):
    points, worst = data.starving_features(0.2, (1.0, 2.0)), []
    for lr in (0.04, 0.02, 0.01):
        run = train(Network((np.zeros(2),)), points, loss=name, lr=lr, steps=round(20 / lr), record=40)
        v1, v2 = run.logits[:, 0], run.logits[:, 1] - run.logits[:, 0]
        worst.append(np.max(np.abs(v2 - linear_path(v1, frequency=0.2, norms=(1.0, 2.0), loss=name))))
    order = np.log2(np.array(worst[:-1]) / worst[1:])
    assert np.all(np.abs(order - 1.0) < 0.15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(strong=-1.0), r"strong must be at least start\[0\], got -1 from 0"),
        (dict(strong=np.nan), r"strong must be a number"),
        (dict(frequency=0.0), r"frequency must be positive and finite, got 0"),
        (dict(frequency=[0.5, 1.5]), r"frequency must be at most 1, got 1.5"),
        (dict(norms=1.0), r"norms must be a pair"),
        (dict(norms=(1.0, -1.0)), r"norms\[1\] must be positive and finite, got -1"),
        (dict(norms=(1.0, 1e200)), r"whose square is a positive float, got 1 and 1e\+200$"),
        (dict(start=(0.0, 800.0)), r"start\[1\] must be between -700 and 700, got 800"),
        (dict(start=0.0), r"start must be a pair"),
        (dict(loss="squared"), r"loss must be .*got 'squared': it ends at v1 = 1, v2 = 0"),
        (dict(loss="logistic"), r"loss must be one of 'exponential', 'cross_entropy', 'hinge', got 'logistic'"),
        (dict(strong=[1.0, 2.0], frequency=[0.1, 0.2, 0.3]), r"must broadcast to one shape"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        linear_path(**{"strong": 1.0, "frequency": 0.5} | change)


def test_errors_of_the_bounds():
    with pytest.raises(ValueError, match=r"start\[1\] must be at least 0, got -0.5"):
        linear_bounds(1.0, frequency=0.5, start=(0.0, -0.5))
