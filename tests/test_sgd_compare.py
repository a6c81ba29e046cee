"""`predict` and `compare` with the exact law of SGD: many runs, one run, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dynsim import init
from dynsim.checks import AssumptionError
from dynsim.comparison import Verdict, compare
from dynsim.data import gaussian_classes, point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.prediction import predict
from dynsim.trajectory import Trajectory

LR = 0.05


def points(frequencies=(0.7, 0.3)):
    return point_classes(norms=(1.0, 2.0), frequencies=frequencies)


def network(data):
    return init.class_aligned(data, 8, initial=0.05, imbalance=0.1, rng=0)


def runs(number=2000, loss="cross_entropy", **options):
    start = network(points())
    many = Network([np.broadcast_to(w, (number, *w.shape)) for w in start.weights])
    chosen = {"lr": LR, "steps": 400, "batch_size": 1, "rng": 1, "record": 20} | options
    return train(many, points(), loss=loss, **chosen)


RUNS = {loss: runs(loss=loss) for loss in ("cross_entropy", "hinge", "exponential")}


@pytest.mark.parametrize("loss", RUNS)
def test_two_thousand_runs_agree(loss):
    """Bands of 50, 90 and 99 % at every recorded time and for both classes, and every value on the path."""
    run = RUNS[loss]
    found = compare(predict(network(points()), points(), loss=loss, lr=LR, batch_size=1), run)
    assert found.verdict == Verdict.AGREES, found.reason
    counts = found.coverage
    assert counts.inside.shape == (len(run.step), 2, 3) and counts.strays == 0
    assert np.all((counts.p_inside >= counts.threshold) | np.isnan(counts.p_inside))
    # An hinge run ends on few values; while it moves, nearly all bands can be tested.
    assert counts.tests > 40
    assert found.band_coverage >= 0.9 and "tests" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["coverage"]["runs"] == 2000


@pytest.mark.parametrize("loss", RUNS)
def test_a_frequency_off_by_five_percent_disagrees(loss):
    other = points((0.735, 0.265))
    found = compare(predict(network(other), other, loss=loss, lr=LR, batch_size=1), RUNS[loss])
    assert found.verdict == Verdict.DISAGREES
    assert found.coverage.strays == 0 and "runs are" in found.reason


def test_a_wrong_norm_is_seen_in_the_values():
    other = point_classes(norms=(1.001, 2.0), frequencies=(0.7, 0.3))
    start = Network((network(points()).W / 1.001, network(points()).Z * 1.001))
    found = compare(predict(start, other, lr=LR, batch_size=1), RUNS["cross_entropy"])
    assert found.verdict == Verdict.DISAGREES and "none that the law allows" in found.reason


def test_other_rules_contradict():
    theory = predict(network(points()), points(), lr=LR, batch_size=1)
    cases = {
        "lr = 0.05, the run was trained with lr = 0.04": runs(3, lr=0.04),
        "the run has batches of 2": runs(3, batch_size=2),
        "the run has batches of all the points": runs(3, batch_size=None),
        "trained with hinge": runs(3, loss="hinge"),
        "drawn with replacement; the run is one of SGD in epochs": runs(3, sampling="epochs"),
        "drawn with replacement; the run is one of momentum": runs(3, optimizer="momentum", momentum=0.5),
    }
    for reason, run in cases.items():
        found = compare(theory, run)
        assert found.verdict == Verdict.DISAGREES and reason in found.reason


def test_a_table_of_the_law_is_the_law():
    run = RUNS["cross_entropy"]
    theory = predict(network(points()), points(), lr=LR, batch_size=1)
    table = theory.at(LR * np.arange(0, 401, 40))
    assert compare(table, run).coverage.tests == compare(theory, run).coverage.tests
    assert compare(table, runs(3, batch_size=2)).verdict == Verdict.DISAGREES
    changed = replace(table, logits=1.01 * table.logits)
    with pytest.raises(ValueError, match=r"theory must give logits of shape \(19, 2000, 2\)"):
        compare(changed, run)


def test_one_run_is_not_enough():
    theory = predict(network(points()), points(), lr=LR, batch_size=1)
    run = train(network(points()), points(), lr=LR, steps=400, batch_size=1, rng=3)
    found = compare(theory, run)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.coverage.strays == 0 and found.coverage.frequency_resolution.max() > 0.1
    curve = Trajectory.from_arrays(run.time, run.logits, labels=[1, -1], lr=LR, batch_size=1)
    found = compare(theory, curve)
    assert found.verdict == Verdict.INCONCLUSIVE and "not against a curve" in found.reason


def test_a_prediction_for_the_copies_is_that_of_one():
    run = RUNS["cross_entropy"]
    found = compare(predict(run.start, points(), lr=LR, batch_size=1), run)
    assert found.verdict == Verdict.AGREES
    two = Network([np.stack([w, 1.1 * w]) for w in network(points()).weights])
    with pytest.raises(ValueError, match=r"theory must be the law of one start"):
        compare(predict(two, points(), lr=LR, batch_size=1), run)


def test_what_it_says():
    theory = predict(network(points()), points(), lr=LR, batch_size=1)
    assert theory.law == "sgd" and theory.exact
    said = theory.at(LR * np.arange(0, 401, 50))
    assert np.all(said.lower <= said.logits) and np.all(said.logits <= said.upper)
    assert said.mean.shape == said.logits.shape and said.meta["batch_size"] == 1
    first = RUNS["cross_entropy"].crossing(0.9)
    # The median of 2,000 times has a standard error of 1.25 / sqrt(2000) of their spread, lr is their resolution.
    error = 4 * 1.25 * np.nanstd(first, axis=0) / np.sqrt(2000) + 0.5 * np.max(np.diff(RUNS["cross_entropy"].time))
    assert np.all(np.abs(theory.time_to(0.9) - np.nanmedian(first, axis=0)) <= error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"law": "sgd", "lr": LR}, r"batch_size must be 1 for law 'sgd', got None"),
        ({"law": "sgd", "batch_size": 1}, r"lr must be given for law 'sgd', got None"),
        ({"lr": LR, "batch_size": 2}, r"batch_size must be 1, for which the exact law is known, got 2"),
        ({"law": "gradient_descent", "lr": LR, "batch_size": 1}, r"batch_size must be None for law 'gradient_desc"),
        ({"batch_size": 1}, r"lr must be given with batch_size, got None"),
        ({"law": "modified_flow"}, r"lr must be given for law 'modified_flow', got None"),
        ({"law": "closed_form", "lr": LR}, r"lr must be None for law 'closed_form', which is a flow"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        predict(network(points()), points(), **options)


def test_several_points_a_class_are_refused():
    clouds = gaussian_classes(5, rng=0)
    with pytest.raises(AssumptionError, match=r"law 'sgd' needs one input a class"):
        predict(init.class_aligned(clouds, 4, rng=0), clouds, lr=LR, batch_size=1)
    with pytest.raises(ValueError, match=r"tolerance must be None for law 'sgd'"):
        compare(predict(network(points()), points(), lr=LR, batch_size=1), RUNS["hinge"], tolerance=0.1)


def test_saved_and_loaded_it_is_the_same_law(tmp_path):
    said = predict(network(points()), points(), lr=LR, batch_size=1).at(LR * np.arange(0, 401, 20))
    said.save(tmp_path / "law.npz")
    loaded = Trajectory.load(tmp_path / "law.npz")
    for name in ("time", "logits", "lower", "upper", "mean"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(said, name))
    assert compare(loaded, RUNS["cross_entropy"]).coverage.tests > 40


def test_the_band_is_drawn():
    found = compare(predict(network(points()), points(), lr=LR, batch_size=1), RUNS["cross_entropy"])
    bands = found.plot().collections
    assert len(bands) == 2
    for band, point in zip(bands, (0, 1), strict=True):
        ends = (found.theory.lower, found.theory.upper)
        margins = np.array([found.theory.labels[point] * end[:, 0, point] for end in ends])
        heights = band.get_paths()[0].vertices[:, 1]
        ends = 1 / (1 + np.exp(-margins))
        assert np.isclose(heights.min(), ends.min()) and np.isclose(heights.max(), ends.max())


def test_a_class_without_units_never_gets_there():
    start = Network((network(points()).W[::2], network(points()).Z[::2]))
    reached = predict(start, points(), lr=LR, batch_size=1).time_to(0.8)
    assert np.isfinite(reached[0]) and reached[1] == np.inf


def test_ensembles_of_any_shape_but_one_clock_and_one_set_of_weights():
    theory = predict(network(points()), points(), lr=LR, batch_size=1)
    flat = RUNS["cross_entropy"]
    without = dict.fromkeys(("network", "start", "outcome", "stopped"))
    folded = replace(flat, logits=flat.logits.reshape(len(flat.step), 40, 50, 2), **without)
    assert compare(theory, folded).coverage.inside.tolist() == compare(theory, flat).coverage.inside.tolist()
    with pytest.raises(ValueError, match=r"empirical must have one lr for all its networks"):
        compare(theory, runs(3, lr=[0.05, 0.06, 0.05]))
    with pytest.raises(ValueError, match=r"empirical must have one set of weights for all its networks"):
        compare(theory, runs(3, weights=[[0.7, 0.3]] * 2 + [[0.6, 0.4]]))


@pytest.mark.parametrize("law", ["sgd", "closed_form", "gradient_descent", "modified_flow"])
def test_a_run_without_records(law):
    run = train(network(points()), points(), lr=LR, steps=10, batch_size=1, rng=0)
    empty = replace(run, time=run.time[:0], logits=run.logits[:0], step=run.step[:0])
    lr = None if law == "closed_form" else LR
    theory = predict(network(points()), points(), law=law, lr=lr, batch_size=1 if law == "sgd" else None)
    found = compare(theory, empty)
    assert found.verdict == Verdict.INCONCLUSIVE and found.reason == "the run has no records"


def test_a_run_of_other_points_is_refused():
    three = Dataset([[1.0], [1.0], [-2.0]], [1, 1, -1])
    run = train(network(three), three, lr=LR, steps=10, batch_size=1, rng=0)
    with pytest.raises(ValueError, match=r"theory must give logits of 3 points, as many as the run has, got 2$"):
        compare(predict(network(points()), points(), lr=LR, batch_size=1), run)


def test_a_run_that_diverged():
    """The squared loss at lr kappa > 1: until a margin overshoots the law is known, then nothing is."""
    start = network(points())
    run = train(start, points(), loss="squared", lr=5.0, steps=100, batch_size=1, rng=0)
    assert run.status == "diverged"
    found = compare(predict(start, points(), loss="squared", lr=5.0, batch_size=1), run)
    assert found.verdict == Verdict.INCONCLUSIVE and found.reason.endswith("; the run diverged")
