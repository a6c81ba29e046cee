"""Brightness in place of shape: what the experiment trains and measures, and that the networks go by brightness."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats

from dynsim import brightness
from dynsim.brightness import HEADER, TRAININGS, BrightnessResult, experiment
from dynsim.data import from_npz, from_sklearn
from dynsim.dataset import Dataset
from dynsim.paper.brightness import probes
from dynsim.trajectory import Outcome, Status

SMALL = {"hidden": 32, "steps": 400, "seeds": 3}
#: Four pictures of each class, of 2 x 2 pixels with three channels.
TINY = Dataset(np.random.default_rng(0).uniform(0, 255, (8, 12)), np.repeat([1, -1], 4), name="tiny")
FEW = {"limits": (0, 255), "shape": (2, 2, 3), "hidden": 4, "steps": 5, "seeds": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def digits():
    return experiment(from_sklearn("digits", (4, 9)), limits=(0, 16), shape=(8, 8), **SMALL)


@pytest.fixture(scope="module")
def tiny():
    return experiment(TINY, **FEW)


# ---- what the networks do ---------------------------------------------------------------------------------


def test_untouched_pictures_are_at_chance(digits):
    assert np.all(digits.accuracy("modified", "modified", "train") == 1.0)
    assert np.all(digits.accuracy("modified", "modified") >= 0.99)
    assert abs(digits.accuracy("modified").mean() - 0.5) <= 0.05
    # The same networks, from the same starts, can learn the untouched pictures.
    assert digits.accuracy("untouched").mean() >= 0.97
    assert np.all(digits.accuracy("untouched", "untouched", "train") == 1.0)


def test_the_background_decides_and_not_the_mean_brightness(digits):
    X = digits.untouched.X
    shown = probes(X)
    share = {what: digits.share_called_dark("modified", probe).mean() for what, probe in shown.items()}
    white, grey = "strokes white on black", "half as bright, on grey 1/4"
    # The brighter pictures are called dark, and the darker ones bright: by mean brightness it were the opposite.
    assert shown[white].mean() > 0.5 > 0.3 > shown[grey].mean()
    assert share[white] > 0.9 and share[grey] < 0.1
    assert share["untouched"] > 0.95 and share["inverted"] < 0.05
    assert digits.called_dark("modified").mean() > 0.95


def test_shapes_are_learnt_in_part(digits):
    # 52 pairs of test pictures of either class: the ranking of a logit that knows nothing has a standard deviation
    # of sqrt((2 k + 1)/(12 k^2)) = .057 about 1/2 for k = 52.
    assert np.all(digits.ranking("modified") > 0.5 + 5 * 0.057)
    assert np.all(digits.contrast("modified") < digits.contrast("untouched"))


def test_decoupling_holds_margins_at_its_fixed_point(digits):
    lam = digits.parameters["spectral_decoupling"]
    fixed = optimize.brentq(lambda m: special.expit(-m) - lam * m, 0.0, 10.0)
    margin = digits.untouched.y * digits.logits("decoupled", "modified")[-1]
    for values, test in zip(margin, digits.test, strict=True):
        # Margins are spread about the point where the pull of a picture vanishes: their mean cannot be further off
        # than their spread. Without decoupling they grow on.
        assert abs(values[~test].mean() - fixed) < values[~test].std() < 0.1 * fixed
    assert (digits.untouched.y * digits.logits("modified", "modified")[-1]).mean() > 3 * fixed


def test_saliency_is_largest_at_the_edges(digits):
    """Background pixels, the outer columns, tell dark from bright; the untouched digits are told apart inside.

    Not that most of it lies there: the six columns between are three times as many pixels.
    """
    share = {}
    for training in ("modified", "untouched"):
        found = digits.saliency(training)
        share[training] = found[:, [0, -1]].sum() / found.sum()
    assert share["untouched"] < 0.25 < share["modified"]  # 1/4 of the pixels


# ---- what is trained --------------------------------------------------------------------------------------


def test_test_pictures_have_no_weight(tiny):
    n = len(TINY)
    for training in TRAININGS:
        trained, other = tiny.runs[training].weights[:, :n], tiny.runs[training].weights[:, n:]
        if training == "untouched":
            trained, other = other, trained
        assert np.all(other == 0.0)
        np.testing.assert_array_equal(trained > 0.0, ~tiny.test)


def test_labels_of_points_are_those_of_both_versions(tiny):
    run = tiny.runs["modified"]
    np.testing.assert_array_equal(run.labels, np.tile(TINY.y, 2))
    np.testing.assert_array_equal(run.data.X, np.concatenate([tiny.modified.X, tiny.untouched.X]))
    np.testing.assert_allclose(tiny.untouched.X, TINY.X / 255, rtol=1e-15)
    for label, end in ((1, 0.0), (-1, 1.0)):
        own = TINY.y == label
        np.testing.assert_array_equal(tiny.modified.X[own], (tiny.untouched.X[own] + end) / 2)


def test_trainings_differ_in_one_thing_only():
    """A decoupling of nearly nothing changes nearly nothing: the starts and the draws are the same."""
    found = experiment(TINY, **FEW | {"spectral_decoupling": 1e-12})
    one, two = found.runs["modified"], found.runs["decoupled"]
    for start, other in zip(one.start.parameters, found.runs["untouched"].start.parameters, strict=True):
        np.testing.assert_array_equal(start, other)
    # Other draws would change a logit by the order of lr = 1e-3.
    np.testing.assert_allclose(one.logits, two.logits, rtol=0, atol=1e-8)
    assert np.abs(one.logits[-1] - one.logits[0]).max() > 1e-3
    strong = experiment(TINY, **FEW | {"spectral_decoupling": 1.0})
    assert np.abs(strong.runs["decoupled"].logits - one.logits).max() > 1e-4


def test_optimizer_and_network_are_those_of_the_paper(tiny):
    run = tiny.runs["decoupled"]
    assert run.meta["optimizer"] == "adam" and run.meta["spectral_decoupling"] == 0.1
    assert run.start.biases is not None and run.start.widths == (4, 4, 4)
    np.testing.assert_allclose(run.time, 1e-3 * run.step, rtol=1e-15)
    assert "spectral_decoupling" not in tiny.runs["modified"].meta


def test_rng_repeats_it(tiny):
    again = experiment(TINY, **FEW, workers=2)
    np.testing.assert_array_equal(tiny.runs["modified"].logits, again.runs["modified"].logits)
    other = experiment(TINY, **FEW, rng=1)
    assert np.any(other.runs["modified"].logits != again.runs["modified"].logits)


def test_either_class_can_be_dark():
    found = experiment(TINY, **FEW, dark=-1)
    assert found.dark == -1 and found.parameters["dark"] == -1
    assert found.modified.X[TINY.y == -1].max() <= 0.5 <= found.modified.X[TINY.y == 1].min()
    np.testing.assert_allclose(found.called_dark("modified"), _share(-found.logits("modified")[-1], found.test))


# ---- what is measured -------------------------------------------------------------------------------------


def _share(values, which):
    return [np.mean(row[chosen] > 0) for row, chosen in zip(values, which, strict=True)]


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("images", ["modified", "untouched"])
def test_measures_against_the_networks_themselves(digits, training, images):
    data = getattr(digits, images)
    f = digits.runs[training].network.logits(data.X)
    right = data.y * f
    np.testing.assert_allclose(digits.accuracy(training, images), _share(right, digits.test))
    np.testing.assert_allclose(digits.accuracy(training, images, "train"), _share(right, ~digits.test))
    np.testing.assert_allclose(digits.called_dark(training, images), _share(f, digits.test))
    for s, (row, test) in enumerate(zip(f, digits.test, strict=True)):
        first, second = row[test & (data.y == 1)], row[test & (data.y == -1)]
        area = stats.mannwhitneyu(first, second).statistic / (len(first) * len(second))
        np.testing.assert_allclose(digits.ranking(training, images)[s], area)
        np.testing.assert_allclose(digits.contrast(training, images)[s], 0.5 * (first.mean() - second.mean()))
        for label in (None, 1, -1):
            chosen = test if label is None else test & (data.y == label)
            wanted = special.expit(right[s][chosen]).mean()
            np.testing.assert_allclose(digits.confidence(training, images, label)[-1, s], wanted)
    np.testing.assert_allclose(digits.share_called_dark(training, data.X), np.mean(f > 0, axis=1))


def test_a_logit_of_zero_is_half_right(tiny):
    flat = {name: replace(run, logits=0.0 * run.logits) for name, run in tiny.runs.items()}
    found = replace(tiny, runs=flat)
    for values in (found.accuracy("modified"), found.called_dark("untouched"), found.ranking("decoupled")):
        np.testing.assert_array_equal(values, [0.5, 0.5])


@pytest.mark.parametrize(("name", "atol"), [("tiny", 2e-8), ("digits", 1e-6)])
def test_saliency_against_differences(name, atol, request):
    """f is linear between gates: a central difference is exact but for rounding, unless a gate lies within it."""
    found = request.getfixturevalue(name)
    d = found.untouched.dimension
    step, wanted = 1e-7, np.zeros(d)
    for network, test in zip(found.runs["untouched"].network, found.test, strict=True):
        X = found.untouched.X[test]
        slope = [(network.logits(X + e) - network.logits(X - e)) / (2 * step) for e in step * np.eye(d)]
        wanted += np.mean(np.abs(slope), axis=1) / len(found.test)
    saliency = found.saliency("untouched")
    assert saliency.shape == found.shape
    # Logits of order 1, or 10 for the digits, rounded to some 1e-16 or 1e-14 and divided by 2e-7.
    np.testing.assert_allclose(saliency.ravel(), wanted, rtol=0, atol=atol)


def test_result_in_words(digits):
    text = str(digits)
    assert text.startswith("digits: '4' dark, '9' bright; 3 networks a training, 108 test pictures, half of them")
    assert len(text.splitlines()) == 5
    rows = digits.rows()
    assert [row[0] for row in rows] == ["modified", "untouched", "modified, decoupled"]
    assert all(len(row) == len(HEADER) for row in rows)
    assert rows[0][1:3] == ("1.000 +- 0.000", "1.000 +- 0.000")
    measured = digits.accuracy("untouched")
    assert rows[1][3] == f"{measured.mean():.3f} +- {stats.sem(measured):.3f}"


def test_own_pictures(tmp_path):
    """Pictures of eight bits from a file, of one shape each, as a user has them."""
    X = TINY.X.astype(np.uint8).reshape(8, 2, 2, 3)
    np.savez(tmp_path / "pets.npz", X=X, y=np.repeat(["cat", "dog"], 4))
    data = from_npz(tmp_path / "pets.npz", classes=("cat", "dog"))
    found = experiment(data, **FEW)
    assert isinstance(found, BrightnessResult) and found.untouched.class_names == ("cat", "dog")
    assert str(found).startswith("pets: 'cat' dark, 'dog' bright; 2 networks a training, 2 test pictures")


# ---- what goes wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": (3, 3)}, r"^shape must multiply to the 12 coordinates of a point, got 3 x 3 = 9$"),
        ({"limits": (0, 1)}, r"^X must lie within limits = \(0, 1\), got 162.425 in pixel 0 of picture 0$"),
        ({"limits": (255, 0)}, r"^limits must be two increasing numbers \(lo, hi\), got \(255, 0\)$"),
        ({"dark": 0}, r"^dark must be the label \+1 or -1, got 0$"),
        ({"dark": np.array([1, -1])}, r"^dark must be the label \+1 or -1, got an array of shape \(2,\)$"),
        ({"seeds": 1}, r"^seeds must be an integer of at least 2, got 1$"),
        ({"spectral_decoupling": 0.0}, r"^spectral_decoupling must be positive and finite, got 0$"),
        ({"test_share": 0.01}, r"^test_share must leave pictures of both classes to train on and to test, got 0"),
        ({"lr": [0.1, 0.2]}, r"^lr must be one number, got shape \(2,\)$"),
        ({"lr": -0.1}, r"^lr must be positive and finite, got -0.1$"),
        ({"hidden": 0}, r"^hidden must be an integer of at least 1, got 0$"),
        ({"batch_size": 7}, r"^batch_size must be at most 6 \(the number of .* trained on, of 8\), got 7$"),
        ({"batch_size": 0}, r"^batch_size must be an integer of at least 1, got 0$"),
        ({"steps": -1}, r"^steps must be an integer of at least 0, got -1$"),
        ({"rng": "seed"}, r"^rng must be what np.random.default_rng takes, got 'seed'$"),
    ],
)
def test_arguments_that_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        experiment(TINY, **FEW | wrong)


def test_data_that_are_refused():
    with pytest.raises(ValueError, match=r"needs labels \+1 and -1, got class ids 0 \.\.\. 1"):
        experiment(Dataset(TINY.X, np.repeat([0, 1], 4)), **FEW)
    with pytest.raises(ValueError, match=r"^data must be a Dataset, got ndarray$"):
        experiment(TINY.X, **FEW)
    with pytest.raises(ValueError, match=r"^classes of digits must be two of '0', '1', .* got 'cat'$"):
        from_sklearn("digits", ("cat", 3))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"^from_sklearn needs scikit-learn: pip install dynsim\[data\]$"):
        from_sklearn("digits", (3, 8))


def test_names_that_are_refused(tiny):
    names = "'modified', 'untouched', 'decoupled'"
    with pytest.raises(ValueError, match=rf"^training must be one of {names}, got 'x'$"):
        tiny.accuracy("x")
    with pytest.raises(ValueError, match=r"^images must be one of 'modified', 'untouched', got 'x'$"):
        tiny.confidence("modified", "x")
    with pytest.raises(ValueError, match=r"^part must be one of 'train', 'test', got 'x'$"):
        tiny.accuracy("modified", "modified", "x")
    with pytest.raises(ValueError, match=r"^training must be one of .* got 'x'$"):
        tiny.saliency("x")


def test_labels_that_are_refused(tiny):
    for label in (3, 0, "3", True, np.array([1, -1])):
        with pytest.raises(ValueError, match=r"^label must be the label \+1 or -1, got "):
            tiny.confidence("modified", label=label)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((0, 12)), r"^X must hold at least one picture, got shape \(0, 12\)$"),
        (TINY.X, r"^X must lie within 0 to 1, the range that .*, got 162.425 in pixel 0 of picture 0$"),
        (np.ones((2, 11)), r"^X must have 12 columns, .* got 11$"),
    ],
)
def test_pictures_that_are_refused(tiny, X, message):
    with pytest.raises(ValueError, match=message):
        tiny.share_called_dark("modified", X)


def test_batches_as_large_as_what_is_trained_on():
    for size in (6, None):
        found = experiment(TINY, **FEW | {"batch_size": size})
        assert found.parameters["batch_size"] == size and int((~found.test[0]).sum()) == 6


def test_networks_that_diverge_have_no_numbers():
    found = experiment(TINY, **FEW | {"lr": 1e200})
    assert found.runs["modified"].status == Status.DIVERGED
    lost = found.runs["modified"].outcome == Outcome.DIVERGED
    assert lost.any()
    for values in (found.accuracy("modified"), found.ranking("modified"), found.contrast("modified")):
        np.testing.assert_array_equal(np.isnan(values), lost)
    with pytest.raises(ValueError, match=r"^training must be one in which no network diverged, got 'modified'$"):
        found.saliency("modified")
    assert "nan" in str(found)


def test_an_interrupted_training_is_no_result(monkeypatch):
    train = brightness.train

    def interrupted(*args, **kwargs):
        return replace(train(*args, **kwargs), status=Status.INTERRUPTED, message="interrupted after step 3 of 5")

    monkeypatch.setattr(brightness, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted after step 3 of 5$"):
        experiment(TINY, **FEW)
