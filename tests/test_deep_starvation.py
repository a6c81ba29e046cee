"""Two features in networks of rank one: the equation of v, its known cases, its tail, and trained chains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from dynsim import Network, data, losses, train
from dynsim.theory import modes
from dynsim.theory.deep_starvation import depth_exponent, rank_one
from dynsim.theory.linear_starvation import linear_path

FEW = settings(deadline=None, derandomize=True, max_examples=25)


def integrated(field, start, times):
    return solve_ivp(field, (0.0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-12, atol=1e-14).y


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_is_the_product_of_all_layers(depth, loss):
    """Every layer of a deep linear network on its own: a matrix, inner matrices, a row."""
    rng, g = np.random.default_rng(depth), losses.get(loss).pull
    lam, a, b, width, times = 0.3, 0.8, 1.3, 3, np.linspace(0.0, 12.0, 7)
    X, q = np.array([[a, 0.0], [a, b]]), np.array([1 - lam, lam])
    v = np.array([0.5, 0.2])
    size, unit = np.linalg.norm(v) ** (1 / depth), v / np.linalg.norm(v)
    # rank one and balanced: each layer maps the direction in which the one before it writes to a new one
    ways = [unit, *(w / np.linalg.norm(w) for w in rng.normal(size=(depth - 1, width))), np.ones(1)]
    layers = [size * np.outer(ways[i + 1], ways[i]) for i in range(depth)]
    shapes = [layer.shape for layer in layers]
    ends = np.cumsum([layer.size for layer in layers])[:-1]

    def split(flat):
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]

    def product(some, size):
        out = np.eye(size)
        for layer in some:
            out = layer @ out
        return out

    def field(_, flat):
        W = split(flat)
        pull = (q * g(X @ product(W, 2)[0])) @ X
        return np.concatenate(
            [
                np.outer(product(W[i + 1 :], shapes[i][0]).T @ np.ones(1), product(W[:i], 2) @ pull).ravel()
                for i in range(depth)
            ]
        )

    paths = integrated(field, np.concatenate([layer.ravel() for layer in layers]), times)
    got = rank_one(a * v[0], b * v[1], depth=depth, frequency=lam, norms=(a, b), times=times, loss=loss)
    for i, column in enumerate(paths.T):
        end = product(split(column), 2)[0]
        assert (got.strong[i], got.weak[i]) == pytest.approx((a * end[0], b * end[1]), rel=1e-9)
    assert got.time == pytest.approx(times, rel=1e-14)


def test_depth_two_is_one_unit_with_invariant_zero():
    """eq 8 (v2) with general norms: alpha, beta and z of one unit."""
    lam, a, b = 0.1, 2.0, 0.5
    alpha, beta = 0.2, 0.04
    z = np.hypot(alpha / a, beta / b)

    def field(_, state):
        alpha, beta, z = state
        often, rare = (1 - lam) / (1 + np.exp(z * alpha)), lam / (1 + np.exp(z * (alpha + beta)))
        return [a**2 * z * (often + rare), b**2 * z * rare, alpha * often + (alpha + beta) * rare]

    times = np.linspace(0.0, 200.0, 9)
    x, y, z_t = integrated(field, [alpha, beta, z], times)
    got = rank_one(z * alpha, z * beta, depth=2, frequency=lam, norms=(a, b), times=times)
    assert got.strong == pytest.approx(x * z_t, rel=1e-9)
    assert got.weak == pytest.approx(y * z_t, rel=1e-9)


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential"])
def test_depth_one_is_the_linear_model(loss):
    s = np.arange(-3.0, 60.0)
    got = rank_one(0.01, 0.001, depth=1, frequency=0.2, norms=(1.0, 2.0), log_times=s, loss=loss)
    path = linear_path(got.strong, frequency=0.2, norms=(1.0, 2.0), start=(0.01, 0.001), loss=loss)
    assert got.weak == pytest.approx(path, rel=1e-9)


def test_a_feature_that_all_points_have_is_one_mode():
    """frequency 1: a v along x1 + x2, v2/v1 = (b/a)^2, stays there, and its logit is that of one input."""
    a, b, u0 = 0.6, 0.9, 0.05
    square, times = a**2 + b**2, np.geomspace(0.1, 1e4, 12)
    for depth in (1, 2, 4):
        start = u0 * a**2 / square, u0 * b**2 / square
        got = rank_one(*start, depth=depth, frequency=1.0, norms=(a, b), times=times)
        norm = np.sqrt(square)
        u = modes.logit(times, initial=u0, rate=norm, norm=norm, depth=depth)
        assert got.strong + got.weak == pytest.approx(u, rel=1e-9)
        assert got.slope == pytest.approx(1.0, rel=1e-8)


@FEW
@given(
    st.floats(-8, 0.5),
    st.floats(-8, 0.5),
    st.sampled_from([1.0, 1.5, 2.0, 3.0, 10.0]),
    st.floats(-6, 0),
    st.floats(-1, 1),
)
def test_slope_is_that_of_the_path(strong, weak, depth, share, norm):
    """By central differences in log t."""
    s = np.array([-4.0, 0.0, 3.0, 8.0, 30.0, 200.0])
    h = 1e-3
    given_ = dict(depth=depth, frequency=10.0**share, norms=(1.0, 10.0**norm))
    path = rank_one(10.0**strong, 10.0**weak, log_times=np.sort(np.concatenate([s - h, s, s + h])), **given_)
    x, y = np.log(path.strong).reshape(-1, 3), np.log(path.weak).reshape(-1, 3)
    moved = (np.ptp(x, axis=1) > 1e-5) & (np.ptp(y, axis=1) > 1e-5)
    differences = ((y[:, 2] - y[:, 0]) / np.where(moved, x[:, 2] - x[:, 0], 1.0))[moved]
    # tolerance 1e-11 by differences of 1e-5, and the third derivative by h^2
    assert differences == pytest.approx(path.slope.reshape(-1, 3)[moved, 1], rel=1e-4)


def test_resumes():
    whole = rank_one(0.03, 0.01, depth=3, frequency=0.2, times=[0.0, 5.0, 50.0])
    assert whole.strong[0] == pytest.approx(0.03, rel=1e-15) and whole.log_time[0] == -np.inf
    rest = rank_one(whole.strong[1], whole.weak[1], depth=3, frequency=0.2, times=[45.0])
    assert (rest.strong[0], rest.weak[0]) == pytest.approx((whole.strong[2], whole.weak[2]), rel=1e-9)


def test_every_argument_broadcasts():
    depth, share = np.array([[2], [3]]), [0.1, 0.2, 0.5]
    many = rank_one(0.02, 0.01, depth=depth, frequency=share, norms=(1.0, [1.0, 2.0, 1.0]), log_times=[1.0, 5.0])
    assert many.weak.shape == many.slope.shape == (2, 2, 3) and not many.weak.flags.writeable
    one = rank_one(0.02, 0.01, depth=3, frequency=0.2, norms=(1.0, 2.0), log_times=[1.0, 5.0])
    assert np.array_equal(many.weak[:, 1, 1], one.weak) and one.weak.shape == (2,)
    assert rank_one([], 1.0, depth=2, frequency=0.5, times=[1.0]).strong.shape == (1, 0)


# -- the tail ------------------------------------------------------------------------------------------------


def test_slopes_at_log_t_60():
    """From v1 = .01, v2 = .001 (lam = .1): still falling towards 1 - 1/N, as at half the time."""
    path = rank_one(0.01, 0.001, depth=[2, 3, 5], frequency=0.1, log_times=[30.0, 60.0])
    assert path.slope[1].round(4).tolist() == [0.5738, 0.6864, 0.8032]
    assert np.all(np.diff(path.slope, axis=0) < 0) and np.all(path.slope > depth_exponent([2, 3, 5]))


def test_the_slope_passes_its_limit_and_comes_back_from_below():
    """Where e^-v2 is nothing any more, slope = 1 - 1/N - ((N-1)/N^2) tan^2 phi + O(tan^4 phi)."""
    N, norms = np.array([2.0, 3.0, 5.0]), (1.0, 0.7)
    path = rank_one(0.01, 0.001, depth=N, frequency=0.1, norms=norms, log_times=[1e4, 1e5, 1e6])
    tan2 = (norms[0] * path.weak / (norms[1] * path.strong)) ** 2
    excess = path.slope - depth_exponent(N)
    assert np.all(excess < 0) and np.all(np.diff(excess, axis=0) > 0)
    exact = -(N - 1) / N**2 * tan2 / (1 + tan2 / N)
    # the next thing is v1 e^-v2: at log t = 1e4, N = 2, e^-36 of 1e4; and slope is a rounding off
    assert np.all(np.abs(excess - exact) < 1e-10 + 1e-6 * np.abs(exact))
    # tan^2 phi falls like v1^(-2/N)
    power = np.diff(np.log(tan2), axis=0) / np.diff(np.log(path.strong), axis=0)
    assert power == pytest.approx(np.broadcast_to(-2 / N, power.shape), abs=1e-2)


def test_the_tail_keeps_the_weight_of_the_unit_on_the_rare_feature():
    """Once only x1 pulls, w.x2 = b |v|^(1/N) sin phi of the hidden unit stands still, and so v2 ~ v1^(1 - 1/N)."""
    for N in (2, 3, 5):
        path = rank_one(0.01, 0.001, depth=N, frequency=0.1, log_times=[2e3, 1e4, 1e6])
        w2 = path.weak / np.hypot(path.strong, path.weak) ** (1 - 1 / N)
        # before: its rise is lam b^2 e^-v2 v1/(N v1^(1/N)), summed; e^-16 at N = 2
        assert w2[1:] == pytest.approx(w2[:-1], rel=1e-4)
        scaled = path.weak / path.strong ** depth_exponent(N)
        assert scaled[-1] == pytest.approx(w2[-1], rel=1e-2 if N == 5 else 1e-3)


def test_depth_softens_starvation():
    path = rank_one(0.01, 0.001, depth=[1, 2, 3, 5, 10], frequency=0.1, log_times=[60.0, 1e3])
    assert np.all(np.diff(path.weak, axis=1) > 0) and np.all(np.diff(path.slope, axis=1) > 0)


# -- trained networks ----------------------------------------------------------------------------------------


def chain(v, depth):
    """One balanced chain a class, of rank one: hidden weights r v/|v|, inner weights r, output weights r and -r."""
    r, unit = np.linalg.norm(v) ** (1 / depth), v / np.linalg.norm(v)
    return Network((r * np.array([unit, -unit]), *[np.full(2, r)] * (depth - 2), np.array([r, -r])))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_trained_chains_have_these_logits_and_slopes_to_first_order(depth):
    lam, norms, v = 0.1, (1.0, 1.5), np.array([0.3, 0.06])
    points, network, last = data.starving_features(lam, norms), chain(v, depth), 40.0
    off, falls = [], []
    for lr in (0.02, 0.01):
        steps = np.round(np.array([4.0, 10.0, 20.0, 40.0]) / lr).astype(int)
        asked = np.unique(np.concatenate([[0], steps - 1, steps, steps + 1]))
        run = train(network, points, lr=lr, steps=round(last / lr) + 1, record=asked)
        v1, v2 = run.logits[1:, 0].reshape(-1, 3), (run.logits[1:, 1] - run.logits[1:, 0]).reshape(-1, 3)
        slope = np.log(v2[:, 2] / v2[:, 0]) / np.log(v1[:, 2] / v1[:, 0])
        law = rank_one(*(v * norms), depth=depth, frequency=lam, norms=norms, times=steps * lr)
        off.append([np.abs(v1[:, 1] - law.strong), np.abs(v2[:, 1] - law.weak), np.abs(slope - law.slope)])
        falls.append(slope)
    worst = np.max(off, axis=2)
    assert np.all(worst < 0.05) and np.log2(worst[0] / worst[1]) == pytest.approx(np.ones(3), abs=0.02)
    # starvation sets in
    assert np.all(np.diff(falls[1][1:]) < 0)


def test_equal_chains_take_longer():
    """h chains a class of a share v/h each: |v|^(2-2/N) is (|v|/h)^(2-2/N) h, hence the time by h^(2/N - 1)."""
    N, h, lr, steps, v = 4, 3, 1e-3, 6000, np.array([0.6, 0.2])
    one = chain(v / h, N)
    several = Network([np.concatenate([layer] * h) for layer in one.weights])
    run = train(several, data.starving_features(0.2), lr=lr, steps=steps, record=[0, steps])
    law = rank_one(*v, depth=N, frequency=0.2, times=[lr * steps * h ** (2 / N - 1)])
    assert run.logits[0, 0] == pytest.approx(v[0], rel=1e-12)
    assert run.logits[1, 0] == pytest.approx(law.strong[0], rel=2e-3)
    assert run.logits[1, 1] - run.logits[1, 0] == pytest.approx(law.weak[0], rel=2e-3)


def test_depth_exponent():
    assert depth_exponent([[1], [3]]).tolist() == [[0.0], [2 / 3]]
    with pytest.raises(ValueError, match=r"depth must be at least 1, got 0.5"):
        depth_exponent([2, 0.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(strong=0.0), r"strong must be positive and finite, got 0"),
        (dict(weak=-1.0), r"weak must be positive and finite, got -1"),
        (dict(depth=0.5), r"depth must be at least 1, got 0.5"),
        (dict(frequency=2.0), r"frequency must be at most 1, got 2"),
        (dict(norms=(1.0, 0.0)), r"norms\[1\] must be positive and finite, got 0"),
        (dict(times=None), r"one of times and log_times must be given, got none"),
        (dict(log_times=[1.0]), r"one of times and log_times must be given, got both"),
        (dict(times=[2.0, 1.0]), r"times must increase"),
        (dict(times=None, log_times=[2.0, 1.0]), r"log_times must increase, got 2 followed by 1 at 1$"),
        (dict(times=None, log_times=[]), r"log_times must not be empty$"),
        (dict(times=None, log_times=[2e6]), r"log_times must be at most 1e6, got 2000000$"),
        (dict(strong=1e10), r"strong must be at most 1e\+06, got 1e\+10$|got 10000000000$"),
        (dict(loss="hinge"), r"loss must be one of 'cross_entropy', 'exponential', got 'hinge'"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        rank_one(**{"strong": 0.1, "weak": 0.1, "depth": 2, "frequency": 0.5, "times": [1.0]} | change)


def test_what_cannot_be_integrated_is_said():
    with pytest.raises(FloatingPointError, match=r"could not be integrated to log t = 1000"):
        rank_one(0.01, 1e-152, depth=1, frequency=0.5, log_times=[1000.0])
