"""Trajectories: the four quantities of the four losses, and the way into files and back."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import init, losses
from dynsim.data import point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.trajectory import Status, Trajectory, first_crossing

EPS = np.finfo(float).eps
NAMES = ("cross_entropy", "hinge", "exponential", "squared")
TIME = np.array([0.0, 0.5, 1.0, 2.5])
MARGINS = np.array([[-1.5, -0.2], [0.0, 0.3], [0.4, 0.9], [0.95, -0.7]])  # below 1, where every loss is invertible


def quantity(name, loss, margin):
    law = losses.get(loss)
    function = {"confidence": law.confidence, "error": law.error, "loss": law.value}.get(name, np.array)
    return function(margin)


# ---- from arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("name", ["logits", "confidence", "error", "loss"])
def test_each_quantity_is_turned_into_logits(name, loss):
    labels = np.array([1.0, -1.0])
    values = quantity(name, loss, MARGINS)
    if name == "logits":
        values = labels * values
    run = Trajectory.from_arrays(TIME, **{name: values}, labels=labels, weights=[0.2, 0.5], loss_name=loss, lr=0.1)
    # The inverse multiplies a rounding of the value, at most 4 eps, by |value / (dvalue/dm)|, below 10 here.
    np.testing.assert_allclose(run.margin, MARGINS, rtol=0, atol=50 * EPS)
    np.testing.assert_allclose(run.logits, MARGINS * labels, rtol=0, atol=50 * EPS)
    np.testing.assert_array_equal(run.time, TIME)
    assert (run.loss_name, run.lr, run.step, run.status) == (loss, 0.1, None, Status.FINISHED)
    assert run.meta["source"] == name
    np.testing.assert_array_equal(run.weights, [0.2, 0.5])


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    loss=st.sampled_from(["cross_entropy", "exponential"]),
    name=st.sampled_from(["error", "loss"]),
    margin=st.floats(-15, 300),
)
def test_small_errors_and_losses_keep_their_digits(loss, name, margin):
    """An error of 1e-130 is as good a curve as one of .1: margins stay right to round-off of the value given."""
    value = float(quantity(name, loss, np.array([margin]))[0])
    run = Trajectory.from_arrays([0.0], **{name: [value]}, loss_name=loss)
    with mp.workdps(300):
        v = mp.mpf(value)
        if name == "error":
            exact = mp.log((1 - v) / v) / (1 if loss == "cross_entropy" else 2)
            condition = 1 / (1 - v)  # |d margin / d log value|
        else:
            exact = -mp.log(mp.expm1(v)) if loss == "cross_entropy" else -mp.log(v)
            condition = 1 if loss == "exponential" else v / -mp.expm1(-v)
        assert abs(run.margin[0, 0] - exact) <= 8 * EPS * (abs(exact) + condition + 1)


def test_defaults_are_one_margin_of_cross_entropy():
    run = Trajectory.from_arrays(TIME, confidence=[0.5, 0.6, 0.7, 0.9])
    assert run.logits.shape == (4, 1)
    np.testing.assert_array_equal(run.labels, [1.0])
    np.testing.assert_array_equal(run.weights, [1.0])
    assert (run.loss_name, run.lr) == ("cross_entropy", None)
    three = Trajectory.from_arrays(TIME, logits=np.ones((4, 3)))
    np.testing.assert_array_equal(three.weights, [1 / 3] * 3)


def test_the_precision_of_the_numbers_given_is_noted():
    for dtype, epsilon in ((np.float64, 2.0**-52), (np.float32, 2.0**-23), (np.float16, 2.0**-10), (int, 2.0**-52)):
        run = Trajectory.from_arrays(TIME, logits=np.ones(4, dtype=dtype))
        assert run.meta["epsilon"] == epsilon


def test_the_ends_of_the_scale_are_infinite_margins():
    run = Trajectory.from_arrays([0.0, 1.0], confidence=[0.0, 1.0])
    np.testing.assert_array_equal(run.margin[:, 0], [-np.inf, np.inf])
    np.testing.assert_array_equal(Trajectory.from_arrays([0.0, 1.0], loss=[1.0, 0.0]).margin[1], [np.inf])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": [0.0, 1.0, 0.5, 2.0]}, r"time must increase, got 1 followed by 0\.5 at 2$"),
        ({"time": [0.0, 1.0, 1.0, 2.0]}, "time must increase, got 1 followed by 1 at 2$"),
        ({"time": [-1.0, 0.0, 1.0, 2.0]}, "time must be at least 0 and finite, got -1 at 0$"),
        ({"time": [0.0, 1.0, np.nan, 2.0]}, "time must be at least 0 and finite, got "),
        ({"time": [0.0, 1.0, 2.0, np.inf]}, "time must be at least 0 and finite, got "),
        ({"time": 1.0}, r"time must be one-dimensional and not empty, got shape \(\)$"),
        ({"time": []}, r"time must be one-dimensional and not empty, got shape \(0,\)$"),
        ({"logits": [0.0, np.nan, 1.0, 2.0]}, "logits must be a number, got nan at 1$"),
        ({"logits": ["a"] * 4}, "logits must be numbers, got "),
        ({"logits": [0.0, 1.0]}, r"logits must have shape \(T,\) or \(T, n\) with T = 4, got \(2,\)$"),
        ({"logits": np.ones((4, 2, 2))}, r"logits must have shape \(T,\) or \(T, n\) with T = 4, got \(4, 2, 2\)$"),
        ({"logits": 1.0}, r"logits must have shape \(T,\) or \(T, n\) with T = 4, got \(\)$"),
        ({"logits": None}, "exactly one of logits, confidence, error, loss must be given, got none$"),
        ({"loss": [1.0] * 4}, "exactly one of logits, confidence, error, loss must be given, got logits, loss$"),
        ({"logits": None, "confidence": [0.5, 1.5, 0.5, 0]}, r"confidence must be between 0 and 1 .*got 1\.5 at "),
        ({"logits": None, "confidence": [0, -1.5, 1, 0]}, r"confidence must be between 0 and 1 .*got -1\.5 at "),
        ({"logits": None, "error": [2.0] * 4}, "error must be between 0 and 1 for cross_entropy, got 2 at "),
        ({"logits": None, "loss": [-1.0] * 4}, "loss must be at least 0 for cross_entropy, got -1 at "),
        (
            {"logits": None, "confidence": [np.inf] * 4, "loss_name": "hinge"},
            "confidence must be finite for hinge, got inf at ",
        ),
        ({"labels": [0.0]}, r"labels must be 1 values \+1 or -1, got \[0\.0\]$"),
        ({"labels": [1.0, -1.0]}, r"labels must be 1 values \+1 or -1, got \[1\.0, -1\.0\]$"),
        ({"weights": [-1.0]}, "weights must be at least 0 and finite, got -1 at 0$"),
        ({"weights": [1.0, 2.0]}, r"weights must .*got shape \(2,\)$"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0$"),
        ({"loss_name": "mse"}, "loss must be one of 'cross_entropy', .*, 'squared', got 'mse'$"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        Trajectory.from_arrays(**({"time": TIME, "logits": [0.0, 0.1, 0.2, 0.3]} | change))


def test_confidence_above_1_is_a_margin_for_hinge_and_squared_loss():
    for loss in ("hinge", "squared"):
        run = Trajectory.from_arrays(TIME, confidence=[0.1, 0.9, 1.2, 1.0], loss_name=loss)
        np.testing.assert_array_equal(run.margin[:, 0], [0.1, 0.9, 1.2, 1.0])


def test_shapes_must_agree():
    message = r"logits must have shape \(T, \.\.\., n\) = \(4, \.\.\., 2\), got \(4, 3\)$"
    with pytest.raises(ValueError, match=message):
        Trajectory(TIME, np.ones((4, 3)), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"= \(4, \.\.\., 2\), got \(4,\)$"):
        Trajectory(TIME, np.ones(4), np.ones(2), np.ones(2))


# ---- derived curves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
def test_derived_curves(loss):
    """Of an ensemble of 3 networks on 2 points, from the definitions."""
    rng = np.random.default_rng(0)
    logits, labels, weights = rng.normal(size=(4, 3, 2)), np.array([1.0, -1.0]), np.array([0.3, 0.9])
    run = Trajectory(TIME, logits, labels, weights, loss)
    m = logits * labels
    value = {
        "cross_entropy": np.log1p(np.exp(-m)),
        "hinge": np.maximum(0, 1 - m),
        "exponential": np.exp(-m),
        "squared": (1 - m) ** 2 / 2,
    }[loss]
    confidence = {"cross_entropy": 1 / (1 + np.exp(-m)), "exponential": 1 / (1 + np.exp(-2 * m))}.get(loss, m)
    np.testing.assert_array_equal(run.margin, m)
    # A handful of roundings of numbers of size 1 to 10.
    np.testing.assert_allclose(run.confidence, confidence, rtol=0, atol=20 * EPS)
    np.testing.assert_allclose(run.error, 1 - confidence, rtol=0, atol=20 * EPS)
    np.testing.assert_allclose(run.point_loss, value, rtol=20 * EPS, atol=20 * EPS)
    assert run.loss.shape == (4, 3)
    np.testing.assert_allclose(run.loss, 0.3 * value[..., 0] + 0.9 * value[..., 1], rtol=0, atol=100 * EPS)
    assert run.loss_function.name == loss


@pytest.mark.parametrize("loss", NAMES)
def test_crossing(loss):
    """Linear in the margin: from 0 at time 1 to 2 at time 2 a margin of .6 is reached at 1.3."""
    time = np.array([0.0, 1.0, 2.0, 4.0])
    margin = np.array([[-1.0, 5.0, -3.0], [0.0, 5.0, -2.0], [2.0, 5.0, -1.0], [1.0, 5.0, -0.5]])
    labels = np.array([1.0, -1.0, -1.0])
    run = Trajectory(time, labels * margin, labels, np.ones(3), loss)
    level = float(losses.get(loss).confidence(np.array(0.6)))
    # Some 50 roundings, from the level to the margin and back.
    np.testing.assert_allclose(run.crossing(level), [1.3, 0.0, np.nan], rtol=50 * EPS)


def test_crossing_at_a_record_and_of_an_ensemble():
    time = np.array([0.5, 1.0, 2.0])
    logits = np.array([[[0.0], [1.0]], [[0.5], [1.0]], [[1.0], [3.0]]])
    run = Trajectory(time, logits, np.ones(1), np.ones(1), "hinge")
    np.testing.assert_array_equal(run.crossing(0.5), [[1.0], [0.5]])
    np.testing.assert_array_equal(run.crossing(2.0), [[np.nan], [1.5]])
    np.testing.assert_array_equal(first_crossing(time, np.array([np.nan, 0.0, 1.0]), 1.0), 2.0)


def test_crossing_wants_one_level():
    run = Trajectory.from_arrays(TIME, logits=np.ones(4))
    with pytest.raises(ValueError, match=r"level must have 0 dimensions, got shape \(2,\)$"):
        run.crossing([0.5, 0.6])


def test_crossing_of_a_run():
    """Against the records on both sides of it."""
    data = point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    run = train(init.class_aligned(data, 4, rng=0), data, lr=0.05, steps=1000, record="all")
    at = run.crossing(0.9)
    for i, t in enumerate(at):
        k = int(np.searchsorted(run.time, t))
        assert run.confidence[k - 1, i] < 0.9 <= run.confidence[k, i]
        assert run.time[k - 1] <= t <= run.time[k]


def test_a_trajectory_is_frozen_and_copies():
    logits = np.ones((4, 2))
    run = Trajectory(TIME, logits, np.ones(2), np.ones(2))
    logits[0] = 7.0
    assert run.logits[0, 0] == 1.0
    for name in ("time", "logits", "labels", "weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(run, name)[0] = 2.0
    with pytest.raises(AttributeError, match="cannot assign"):
        run.lr = 0.1


def test_repr():
    assert repr(Trajectory.from_arrays(TIME, logits=np.ones((4, 2)))) == (
        "Trajectory(cross_entropy, 4 times from 0 to 2.5, 2 logits, finished)"
    )
    ensemble = Trajectory(TIME, np.ones((4, 3, 2)), np.ones(2), np.ones(2), status="diverged")
    assert repr(ensemble) == "Trajectory(cross_entropy, 4 times from 0 to 2.5, 3 x 2 logits, diverged)"


# ---- npz -------------------------------------------------------------------------------------------------


def same(a, b):
    """Every field equal to the bit, NaN equal to NaN."""
    for name in ("time", "logits", "labels", "weights", "step", "lower", "upper"):
        x, y = getattr(a, name), getattr(b, name)
        if x is None or y is None:
            assert x is None and y is None, name
            continue
        assert (x.shape, x.dtype) == (y.shape, y.dtype), name
        assert x.tobytes() == y.tobytes(), name
    for name in ("loss_name", "lr", "status", "message", "meta"):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("network", "start"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None), name
        if x is not None:
            assert all(v.tobytes() == w.tobytes() for v, w in zip(x.weights, y.weights, strict=True))
    assert (a.data is None) == (b.data is None)
    if a.data is not None:
        for name in ("X", "y", "weights"):
            np.testing.assert_array_equal(getattr(a.data, name), getattr(b.data, name))
        assert (a.data.name, a.data.class_names) == (b.data.name, b.data.class_names)


def round_trip(run, tmp_path):
    path = tmp_path / "run.npz"
    run.save(path)
    back = Trajectory.load(path)
    assert isinstance(back, Trajectory)
    same(run, back)
    return back


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("ensemble", [(), (2, 3)])
def test_save_and_load_a_run(tmp_path, loss, ensemble):
    rng = np.random.default_rng(0)
    data = Dataset(rng.normal(size=(5, 3)), [1, 1, -1, -1, 1], rng.random(5), "five points", ("up", "down"))
    network = Network((0.3 * rng.normal(size=(*ensemble, 4, 3)), 0.3 * rng.normal(size=(*ensemble, 4))))
    run = train(network, data, loss=loss, lr=0.1, steps=30, batch_size=2, rng=1)
    back = round_trip(run, tmp_path)
    # What was read is good to go on with: same network, same data, same next steps.
    ahead = [train(r.network, r.data, loss=loss, lr=r.lr, steps=5).logits for r in (run, back)]
    np.testing.assert_array_equal(*ahead)
    assert isinstance(back.status, Status)


def test_save_and_load_a_diverged_ensemble(tmp_path):
    data = point_classes(norms=(1.0, 1.0), frequencies=(0.5, 0.5))
    network = init.class_aligned(data, 4, initial=0.1, rng=0)
    W, Z = np.stack([network.W, 1e3 * network.W]), np.stack([network.Z, 1e3 * network.Z])
    run = train(Network((W, Z)), data, loss="squared", lr=0.1, steps=50)
    assert run.status == Status.DIVERGED and np.isnan(run.logits).any() and run.network is None
    assert round_trip(run, tmp_path).message == run.message


def test_save_and_load_everything_else(tmp_path):
    odd = np.array([[np.nan, -0.0], [np.inf, 5e-324]])
    round_trip(Trajectory.from_arrays([0.0, 0.1 + 0.2], confidence=[0.25, 1.0], lr=0.1), tmp_path)
    run = Trajectory(
        [0.0, 1.0], odd, [1.0, -1.0], [0.1, 0.9], lower=odd - 1, upper=odd + 1, message="caf\u00e9 -- 100 %",
        status="interrupted", meta={"law": "closed_form", "valid_until": np.inf, "list": [1, 2.5, None, "a"]},
    )
    assert round_trip(run, tmp_path).status is Status.INTERRUPTED


def test_save_writes_the_very_file_it_was_told_to(tmp_path):
    """NumPy would append .npz to the name."""
    run = Trajectory.from_arrays(TIME, logits=np.ones(4))
    run.save(tmp_path / "curve")
    assert [p.name for p in tmp_path.iterdir()] == ["curve"]
    same(run, Trajectory.load(str(tmp_path / "curve")))


def test_foreign_files(tmp_path):
    path = tmp_path / "foreign.npz"
    np.savez(path, a=np.ones(3), b=np.zeros(2))
    message = r"foreign\.npz must be a file written by Trajectory\.save, got arrays \['a', 'b'\]$"
    with pytest.raises(ValueError, match=message):
        Trajectory.load(path)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, json=np.array([{"a": 1}], dtype=object), logits=np.ones(3))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Trajectory.load(pickled)
    with pytest.raises(FileNotFoundError):
        Trajectory.load(tmp_path / "none.npz")


# ---- csv -------------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    values=st.lists(st.tuples(*[st.floats(allow_nan=False)] * 2), min_size=1, max_size=6),
    start=st.floats(0, 1e3),
    labels=st.tuples(*[st.sampled_from([-1.0, 1.0])] * 2),
    loss=st.sampled_from(NAMES),
)
def test_csv_round_trip_loses_no_bit(tmp_path_factory, values, start, labels, loss):
    path = tmp_path_factory.mktemp("csv") / "curve.csv"
    time = start + np.arange(len(values)) / 3
    run = Trajectory.from_arrays(time, logits=values, labels=labels, loss_name=loss)
    run.to_csv(path)
    back = Trajectory.read_csv(path, loss_name=loss)
    for name in ("time", "logits", "labels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(run, name))
    assert back.loss_name == loss


def test_csv_of_a_run(tmp_path):
    data = point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    run = train(init.class_aligned(data, 4, rng=0), data, lr=0.1, steps=50)
    path = tmp_path / "run.csv"
    run.to_csv(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,step,logit 0 (+1),logit 1 (-1)"
    assert len(lines) == 1 + len(run.time)
    assert float(lines[2].split(",")[0]) == run.time[1] and int(lines[2].split(",")[1]) == run.step[1]
    back = Trajectory.read_csv(path)
    np.testing.assert_array_equal(back.logits, run.logits)
    np.testing.assert_array_equal(back.margin, run.margin)


def written(tmp_path, text):
    path = tmp_path / "curve.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "loss", "quantity"),
    [
        ("logit", "cross_entropy", "logits"),
        ("confidence", "exponential", "confidence"),
        ("confidence class 1 (+1)", "cross_entropy", "confidence"),
        ("error", "cross_entropy", "error"),
        ("loss (+1)", "squared", "loss"),
    ],
)
def test_csv_of_every_quantity(tmp_path, header, loss, quantity):
    path = written(tmp_path, f"time, {header}\n0,0.25\n1.5,0.125\n")
    run = Trajectory.read_csv(path, loss_name=loss)
    want = Trajectory.from_arrays([0.0, 1.5], **{quantity: [0.25, 0.125]}, loss_name=loss)
    np.testing.assert_array_equal(run.logits, want.logits)
    np.testing.assert_array_equal(run.labels, [1.0])


def test_csv_with_steps_and_a_learning_rate(tmp_path):
    path = written(tmp_path, "step,logit 0 (-1),logit 1\n0,-1,2\n10,-3,4\n\n")
    run = Trajectory.read_csv(path, lr=0.05)
    np.testing.assert_array_equal(run.time, [0.0, 0.5])
    np.testing.assert_array_equal(run.labels, [-1.0, 1.0])
    np.testing.assert_array_equal(run.margin, [[1.0, 2.0], [3.0, 4.0]])
    assert run.lr == 0.05
    with pytest.raises(ValueError, match=r"lr must be given for .*curve\.csv, which has steps and no times"):
        Trajectory.read_csv(path)


def test_csv_with_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufefftime,logit\r\n0,1\r\n1,2\r\n".encode())
    np.testing.assert_array_equal(Trajectory.read_csv(path).logits[:, 0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,logit,logit\n0,1,2\n", "headers must differ, got 'time', 'logit', 'logit'$"),
        ("time,time,logit\n0,1,2\n", "headers must differ, got 'time', 'time', 'logit'$"),
        ("time\n0\n", r"must have a column time \(or step\) and columns of one of logit, .*got 'time'$"),
        ("logit\n0\n", r"must have a column time \(lr x step\) or step, got 'logit'$"),
        ("time,accuracy\n0,1\n", "columns of one of logit, confidence, error, loss; got 'accuracy'$"),
        ("time,logit 0,loss 0\n0,1,2\n", "columns of one of logit, .*got 'time', 'logit 0', 'loss 0'$"),
        ("time,logit\n0,1\n1,abc\n", r"curve\.csv, line 3, column 'logit': not a number: 'abc'$"),
        ("time,logit\n0,1\n\n1,\n", r"curve\.csv, line 4, column 'logit': not a number: ''$"),
        ("time,logit\n0,1\n1\n", r"curve\.csv, line 3: expected 2 cells, got 1$"),
        ("time,logit\n0,1\n1,2,3\n", r"curve\.csv, line 3: expected 2 cells, got 3$"),
        ("time,logit\n0,1\n1,nan\n", "logits must be a number, got nan at "),
        ("time,logit\n1,1\n0,2\n", "time must increase, got 1 followed by 0 at 1$"),
        ("time,confidence\n0,0.5\n1,1.5\n", r"confidence must be between 0 and 1 for cross_entropy, got 1\.5 at "),
        ("time,logit\n", r"curve\.csv must have a header line and at least one row, got 1 lines$"),
        ("", r"curve\.csv must have a header line and at least one row, got 0 lines$"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        Trajectory.read_csv(written(tmp_path, text))


def test_an_ensemble_does_not_fit_into_csv(tmp_path):
    run = Trajectory(TIME, np.ones((4, 3, 2)), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"an ensemble \(\(3,\)\) does not fit into csv columns; use save$"):
        run.to_csv(tmp_path / "ensemble.csv")
    assert not list(tmp_path.iterdir())


# ---- pandas ----------------------------------------------------------------------------------------------


def test_dataframe():
    logits = np.arange(24.0).reshape(4, 3, 2)
    run = Trajectory(TIME, logits, [1.0, -1.0], [0.5, 0.5], step=[0, 5, 10, 25], loss_name="hinge")
    frame = run.to_dataframe()
    assert list(frame.columns) == ["time", "step", "member", "point", "label", "logit", "confidence", "error"]
    assert len(frame) == 24
    row = frame[(frame.step == 10) & (frame.member == 2) & (frame.point == 1)].iloc[0]
    assert (row.time, row.label, row.logit, row.confidence, row.error) == (1.0, -1, 17.0, -17.0, 18.0)
    wide = frame.pivot(index="time", columns=["member", "point"], values="logit")
    np.testing.assert_array_equal(wide, logits.reshape(4, 6))
    single = Trajectory.from_arrays(TIME, logits=np.ones(4)).to_dataframe()
    assert single.step.tolist() == [-1] * 4 and single.member.tolist() == [0] * 4
