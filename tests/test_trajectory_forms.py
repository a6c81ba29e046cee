"""Trajectories of C classes, of many clocks and of many losses: derived curves, members, files, tables, figures."""

import numpy as np
import pytest

from dynsim import Dataset, Network, Outcome, Trajectory, init, train

EPS = np.finfo(float).eps


def classes(**options):
    """A softmax network with biases on five points of three classes, an ensemble of two."""
    rng = np.random.default_rng(0)
    shapes = [(4, 2), (4, 4), (3, 4), (4,), (4,), (3,)]
    arrays = [0.6 * rng.normal(size=(2, *shape)) for shape in shapes]
    data = Dataset(rng.normal(size=(5, 2)), [0, 1, 2, 1, 0], [0.3, 0.1, 0.2, 0.2, 0.2], class_names=("a", "b", "c"))
    return train(Network(arrays[:3], arrays[3:]), data, steps=30, **({"lr": 0.3} | options))


def clocks():
    """Two by three networks, an lr each, and a loss each."""
    data = Dataset([[1.0, 0.2], [-1.0, 0.3], [0.5, -1.0]], [1, -1, 1])
    network = init.gaussian(data, 3, scale=0.5, size=6, rng=0)
    folded = Network(tuple(w.reshape(2, 3, *w.shape[1:]) for w in network.weights))
    lr = np.linspace(0.1, 0.6, 6).reshape(2, 3)
    q = np.random.default_rng(1).uniform(0.1, 0.9, (2, 3, 3))
    return train(folded, data, lr=lr, steps=40, weights=q, loss="hinge")


# ---- curves ----------------------------------------------------------------------------------------------


def test_curves_of_the_softmax_by_their_definitions():
    run = classes()
    f, y = run.logits, run.labels.astype(int)
    assert run.classes == 3 and f.shape[1:] == (2, 5, 3) and run.ensemble == (2,)
    softmax = np.exp(f) / np.exp(f).sum(-1, keepdims=True)
    own = softmax[..., np.arange(5), y]
    # Logits below 5: exp, two sums of 3 and a quotient, 20 eps each way.
    np.testing.assert_allclose(run.confidence, own, rtol=40 * EPS, atol=0)
    np.testing.assert_allclose(run.error, 1 - own, rtol=0, atol=40 * EPS)
    np.testing.assert_allclose(run.point_loss, -np.log(own), rtol=0, atol=40 * EPS)
    np.testing.assert_allclose(run.loss, -np.log(own) @ run.weights, rtol=0, atol=40 * EPS)
    others = np.array([[max(row[c] for c in range(3) if c != y[i]) for i, row in enumerate(g)] for g in f[-1]])
    np.testing.assert_array_equal(run.margin[-1], f[-1][:, np.arange(5), y] - others)
    np.testing.assert_array_equal(run.own_logit, f[..., np.arange(5), y])
    assert np.all(run.log_odds <= run.margin)


def test_two_classes_of_a_softmax_are_the_sigmoid_of_their_difference():
    f = np.random.default_rng(0).normal(size=(4, 3, 2)) * 30
    run = Trajectory(np.arange(4.0), f, np.array([0.0, 1.0, 0.0]), np.full(3, 1 / 3))
    m = (f[..., 0] - f[..., 1]) * [1, -1, 1]
    np.testing.assert_allclose(run.log_odds, m, rtol=4 * EPS, atol=0)
    assert run.classes == 2


def test_huge_logits_do_not_overflow():
    f = np.array([[[800.0, -900.0, 0.0]], [[-800.0, 900.0, 0.0]]])
    run = Trajectory(np.arange(2.0), f, np.array([0.0]), np.ones(1))
    assert run.confidence[0] == 1.0 and run.point_loss[1] == 1700.0 and run.error[0] == 0.0
    assert np.isclose(run.log_odds[0], 800.0, rtol=EPS)


def test_crossing_of_many_clocks_is_that_of_each_member():
    run = clocks()
    whole = run.crossing(0.5)
    assert whole.shape == (2, 3, 3) and np.isfinite(whole).any()
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(run.member(i, j).crossing(0.5), whole[i, j])


def test_a_member_is_a_run_of_its_own():
    run = clocks()
    assert repr(run) == "Trajectory(hinge, 41 times from 0 to 24, 2 x 3 x 3 logits, finished)"
    one = run.member(1, 2)
    assert one.lr == 0.6 and one.ensemble == () and one.time.shape == one.step.shape
    np.testing.assert_array_equal(one.weights, run.weights[1, 2])
    np.testing.assert_array_equal(one.data.weights, run.weights[1, 2])
    np.testing.assert_array_equal(one.network.W, run.network.W[1, 2])
    np.testing.assert_allclose(one.loss, run.loss[:, 1, 2], rtol=4 * EPS, atol=0)
    assert one.outcome in list(Outcome) and one.stopped.shape == ()
    np.testing.assert_array_equal(one.member().logits, run.logits[:, 1, 2])
    with pytest.raises(IndexError, match=r"index must have 2 numbers, one an axis of the ensemble, got \(1,\)$"):
        run.member(1)
    with pytest.raises(IndexError, match=r"index must be whole numbers, one an axis of the ensemble, got \(slice"):
        run.member(slice(0, 1), 1)
    soft = classes().member(1)
    assert soft.logits.shape[1:] == (5, 3) and soft.network.classes == 3


# ---- shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.zeros((2, 4))}, r"shape \(T, ..., n, C\) = \(2, ..., 3, 4\), got \(2, 4\)$"),
        ({"logits": np.zeros((2, 3, 2))}, r"labels must be class ids below 2, the logits of a point, got 2$"),
        ({"time": np.zeros((2, 5))}, r"time must increase, got 0 followed by 0 at 1$"),
        ({"time": [[0.0, 1.0], [1.0, 0.0]]}, r"time must increase along its first axis for every network$"),
        ({"time": [[0.0], [1.0]]}, r"time must have shape \(2,\) or \(2,\), got \(2, 1\)$"),
        ({"weights": np.ones((2, 3))}, r"weights must have the shape of labels, \(3,\), got \(2, 3\)$"),
        ({"time": [0.0, np.nan]}, r"time must hold numbers, got nan$"),
        ({"weights": [1.0, -1.0, 1.0]}, r"weights must be at least 0, got \[1.0, -1.0, 1.0\]$"),
        ({"weights": [1.0, np.nan, 1.0]}, r"weights must be at least 0, got \[1.0, nan, 1.0\]$"),
        ({"labels": [0.0, 1.5, 1.0]}, r"labels must be \+1 or -1, or class ids 0 ... C-1, got \[0.0, 1.5, 1.0\]$"),
        ({"labels": [-1.0, 0.0, 1.0]}, r"labels must be \+1 or -1, or class ids"),
    ],
)
def test_errors(changes, message):
    good = {
        "time": np.arange(2.0),
        "logits": np.zeros((2, 3, 3)),
        "labels": np.array([0.0, 1.0, 2.0]),
        "weights": np.ones(3),
    }
    assert Trajectory(**good).classes == 3
    with pytest.raises(ValueError, match=message):
        Trajectory(**(good | {name: np.asarray(value) for name, value in changes.items()}))


# ---- files, tables, figures ------------------------------------------------------------------------------


MADE = [
    classes,
    clocks,
    lambda: classes(optimizer="adam"),
    lambda: classes(batch_size=np.int64(2), rng=0),
    lambda: classes().member(0),
]


@pytest.mark.parametrize("make", MADE)
def test_save_and_load(tmp_path, make):
    run = make()
    run.save(tmp_path / "run.npz")
    again = Trajectory.load(tmp_path / "run.npz")
    for name in ("time", "logits", "labels", "weights", "step", "outcome", "stopped", "lr"):
        np.testing.assert_array_equal(getattr(again, name), getattr(run, name))
    for name in ("network", "start"):
        one, two = getattr(run, name), getattr(again, name)
        assert (one.classes, one.ensemble, repr(one)) == (two.classes, two.ensemble, repr(two))
        for a, b in zip(one.parameters, two.parameters, strict=True):
            np.testing.assert_array_equal(a, b)
    assert dict(again.meta) == dict(run.meta)
    np.testing.assert_array_equal(again.data.weights, run.data.weights)
    assert (again.data.class_names, again.data.classes) == (run.data.class_names, run.data.classes)


def test_more_than_ten_layers_keep_their_order(tmp_path):
    layers = [np.full((1, 1), 1.0 + k) for k in range(12)]
    network = Network([*layers, np.ones(1)])
    run = train(network, Dataset([[1.0], [-1.0]], [1, -1]), lr=1e-12, steps=1)
    run.save(tmp_path / "deep.npz")
    assert [float(w.ravel()[0]) for w in Trajectory.load(tmp_path / "deep.npz").start.weights][:12] == [
        *(1.0 + k for k in range(12))
    ]


def test_classes_do_not_fit_into_csv(tmp_path):
    with pytest.raises(ValueError, match=r"logits of 3 classes do not fit into csv columns; use save$"):
        classes().to_csv(tmp_path / "x.csv")


def test_dataframes():
    run = clocks()
    frame = run.to_dataframe()
    some = frame[(frame.member == 5) & (frame.point == 1)]
    np.testing.assert_array_equal(some.time, run.time[:, 1, 2])
    np.testing.assert_array_equal(some.logit, run.logits[:, 1, 2, 1])
    soft = classes()
    frame = soft.to_dataframe()
    some = frame[(frame.member == 1) & (frame.point == 2)]
    np.testing.assert_array_equal(some.logit, soft.logits[:, 1, 2, 2])
    np.testing.assert_array_equal(some.confidence, soft.confidence[:, 1, 2])
    assert set(some.label) == {2}


def test_figures_have_a_colour_a_class_and_a_clock_a_network():
    soft = classes()
    ax = soft.plot()
    assert ax.get_legend_handles_labels()[1] == ["class a", "class b", "class c"]
    assert len({line.get_color() for line in ax.lines}) == 3
    run = clocks()
    drawn = {tuple(line.get_xdata()) for line in run.plot().lines}
    assert drawn == {tuple(run.time[:, i, j]) for i in range(2) for j in range(3)}
