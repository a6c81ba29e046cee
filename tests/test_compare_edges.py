"""Curves and theories at the edges of what `compare` can be given: each was once judged wrongly, or not at all."""

import dataclasses

import numpy as np
import pytest

from dynsim import Dataset, Network, Trajectory, compare, data, init, plotting, predict, train
from dynsim.empirical.flow import flow

POINTS = data.point_classes((1.0, 2.0), (0.7, 0.3))
START = init.class_aligned(POINTS, 8, initial=0.01, rng=0)
RUN = train(START, POINTS, lr=0.05, steps=600)
FLOW = predict(START, POINTS)


def foreign(run, quantity="logits", values=None, **more):
    """The run as a curve from elsewhere."""
    given = getattr(run, quantity) if values is None else values
    return Trajectory.from_arrays(run.time, **{quantity: given}, labels=run.labels, loss_name=run.loss_name, **more)


@pytest.mark.parametrize("lr", [0.5, 0.0515])
def test_times_that_are_no_multiples_of_the_maps_lr_contradict_it(lr):
    found = compare(predict(START, POINTS, lr=lr), foreign(RUN))
    assert found.verdict == "DISAGREES" and "not multiples" in found.reason


def test_late_records_do_not_hide_a_wrong_lr_of_the_map():
    late = foreign(train(START, POINTS, lr=0.05, steps=600, record=np.arange(200, 601, 10)))
    assert compare(predict(START, POINTS, lr=0.05), late).verdict == "AGREES"
    assert compare(predict(START, POINTS, lr=0.0515), late).verdict == "DISAGREES"


def test_records_closer_than_lr_are_refused():
    with pytest.raises(ValueError, match=r"lr must be at most 0\.05, the smallest difference .*, got 0\.12"):
        foreign(RUN, lr=0.12)


def test_without_lr_the_bound_holds_when_the_smallest_gap_is_one_step():
    start = init.class_aligned(POINTS, 8, initial=0.2, rng=0)
    run = train(start, POINTS, loss="exponential", lr=0.05, steps=301)
    assert compare(predict(start, POINTS, loss="exponential"), foreign(run)).verdict == "AGREES"


@pytest.mark.parametrize("after", [7.5, 25.0])
@pytest.mark.parametrize("law", ["auto", "gradient_descent"])
def test_a_confidence_of_one_is_a_bound_and_not_a_gap(after, law):
    confidence = np.where(RUN.time[:, None] > after, 1.0, RUN.confidence)
    theory = predict(START, POINTS, law=law, lr=0.05 if law == "gradient_descent" else None)
    found = compare(theory, foreign(RUN, "confidence", confidence, lr=0.05))
    assert found.verdict == "DISAGREES" and len(found.empirical.time) == len(RUN.time)


def test_a_confidence_that_rounds_to_one_agrees_with_a_larger_logit():
    # Descent in float64 stops near the margin whose confidence rounds to 1; a large start begins beyond it.
    start = init.class_aligned(POINTS, 2, initial=(0.5, 45.0), rng=0)
    run = train(start, POINTS, lr=0.05, steps=400)
    curve = foreign(run, "confidence", lr=0.05)
    assert np.isinf(curve.logits).any()
    found = compare(predict(start, POINTS, lr=0.05), curve)
    assert found.by_class["+1"][0] == "AGREES" and found.by_class["-1"][0] != "DISAGREES"


def test_an_infinite_logit_is_not_a_finite_one():
    logits = np.array(RUN.logits)
    logits[-1] = np.inf * RUN.labels
    found = compare(FLOW, foreign(RUN, values=logits, lr=0.05))
    assert found.verdict == "DISAGREES"
    str(found), found._repr_html_(), found.to_dict(), plotting.comparison_figure(found)


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "exponential", "squared"])
@pytest.mark.parametrize("lr", [None, 0.02])
def test_a_curve_of_losses_has_the_margins_that_the_loss_allows(loss, lr):
    flowers = data.from_sklearn("iris", classes=("setosa", "virginica")).centered()
    start = init.class_aligned(flowers, 12, rng=3)
    run = train(start, flowers, lr=0.02, steps=2000, loss=loss)
    # With the squared loss some margins end above 1, where two margins have one loss.
    curve = foreign(run, "loss", run.point_loss, lr=lr)
    assert compare(predict(start, flowers, loss=loss, lr=lr), curve).verdict == "AGREES"
    wrong = predict(start, type(flowers)(flowers.X, flowers.y, 1.03 * flowers.weights), loss=loss, lr=lr)
    assert compare(wrong, curve).verdict != "AGREES"


def test_a_table_of_a_numerical_flow_carries_its_accuracy():
    flowers = data.from_sklearn("iris", classes=("setosa", "virginica")).centered()
    start = init.class_aligned(flowers, 12, rng=3)
    run = train(start, flowers, lr=0.02, steps=2000, loss="squared")
    theory = predict(start, flowers, loss="squared")
    found = compare(theory.at(run.time), run)
    assert found.verdict == "AGREES" and "evaluation" in found.parts


@pytest.mark.parametrize(
    "theory",
    [
        Trajectory.from_arrays([1e4, 2e4], logits=[[1.0, -1.0], [2.0, -2.0]], labels=[1, -1]),
        Trajectory(np.empty(0), np.empty((0, 2)), np.array([1.0, -1.0]), np.array([0.5, 0.5])),
    ],
    ids=["elsewhere", "empty"],
)
def test_what_cannot_be_judged_can_be_shown(theory):
    found = compare(theory, RUN)
    assert found.verdict == "INCONCLUSIVE" and found.reason == "no overlap in time"
    assert found.notes == (f"judged at 0 of {len(RUN.time)} recorded times",)
    str(found), found.to_dict(), found.plot(), plotting.comparison_figure(found)


def test_a_class_learnt_before_the_first_record():
    run = train(START, POINTS, lr=0.05, steps=600, loss="hinge", record=np.arange(400, 601, 5))
    found = compare(predict(START, POINTS, loss="hinge"), run)
    assert found.verdict == "INCONCLUSIVE" and "learnt before the first judged time" in found.reason


def test_a_tolerance_is_one_number():
    with pytest.raises(ValueError, match=r"tolerance must be one number, got shape \(2,\)"):
        compare(FLOW, RUN, tolerance=[0.1, 0.2])


@pytest.mark.parametrize("quantity", ["logits", "confidence", "error"])
@pytest.mark.parametrize("decimals", [2, 4])
@pytest.mark.parametrize("lr", [None, 0.05])
def test_a_rounded_curve_is_judged_as_one(quantity, decimals, lr):
    curve = foreign(RUN, quantity, np.round(getattr(RUN, quantity), decimals), lr=lr)
    assert compare(FLOW, curve).verdict == "AGREES"
    single = foreign(RUN, quantity, getattr(RUN, quantity).astype(np.float32).astype(float), lr=lr)
    assert compare(FLOW, single).verdict == "AGREES"


def test_a_curve_of_sgd_is_judged_with_its_sampling_noise():
    run = train(START, POINTS, lr=0.05, steps=600, batch_size=1, rng=0)
    found = compare(FLOW, foreign(run, lr=0.05, batch_size=1))
    assert found.verdict != "DISAGREES" and "sampling noise" in found.parts
    assert compare(FLOW, foreign(run, lr=0.05)).verdict == "DISAGREES"


# ---- found by a reviewer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-np.inf, np.inf])
def test_an_infinite_theory_does_not_agree(wrong):
    found = compare(lambda t: np.where(t[:, None] > 10, wrong * RUN.labels, FLOW.at(t).logits), RUN)
    assert found.verdict == "DISAGREES"


def test_a_theory_without_a_number_does_not_agree():
    logits = np.array(FLOW.at(RUN.time).logits)
    logits[50:] = np.nan
    table = Trajectory(RUN.time, logits, RUN.labels, RUN.weights, start=START, data=POINTS)
    found = compare(table, RUN)
    assert found.verdict == "INCONCLUSIVE" and "gives no number" in found.reason


@pytest.mark.parametrize(
    ("initial", "lr", "steps"), [(1e-300, 1.0, 1401), (1e-300, 2.0, 701), (1e-100, 2.0, 300)]
)
def test_a_plateau_of_many_e_folds_cannot_be_extrapolated(initial, lr, steps):
    # lr kappa log(1/u0) shifts the time by many e-folds: no small number of halvings tells where the flow is.
    points = data.point_classes((1.0, 1.0), (0.5, 0.5))
    start = init.class_aligned(points, 8, initial=initial, rng=0)
    run = train(start, points, lr=lr, steps=steps)
    assert compare(predict(start, points), run).verdict != "DISAGREES"
    assert compare(predict(start, points, lr=lr), run).verdict != "DISAGREES"


def test_a_coarse_record_does_not_sharpen_the_resolution():
    norms, frequencies = (0.38607383148352326, 0.4582036983940747), (0.9308557504748236, 0.20061458795330564)
    points = data.point_classes(norms, frequencies)
    start = init.class_aligned(
        points,
        6,
        initial=(0.0009255307180443222, 0.03979249744560805),
        imbalance=(0.005290103300493811, 0.13782287817507383),
        rng=0,
    )
    run = train(start, points, loss="hinge", lr=2.238481577929007, steps=154)
    faster = type(points)(points.X, points.y, points.weights * [1.03, 1.0])
    assert compare(predict(start, faster, loss="hinge"), run).verdict != "AGREES"


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("law", ["closed_form", "gradient_descent", "order_parameters"])
def test_nothing_trained_is_never_a_disagreement(seed, law):
    points = data.point_classes((1.0, 2.0), (0.7, 0.3), angle=120)
    start = init.class_aligned(points, 7, initial=(1e-3, 0.3), imbalance=0.2, rng=seed)
    run = train(start, points, lr=0.1, steps=0)
    theory = predict(start, points, law=law, lr=0.1 if law == "gradient_descent" else None)
    found = compare(theory, run)
    assert found.verdict == "INCONCLUSIVE" and "plateau" in found.reason


def test_class_names_that_would_hide_a_class_are_refused():
    for names in (("a", "a"), ("all", "b")):
        with pytest.raises(ValueError, match="class_names must differ"):
            type(POINTS)([[1.0], [-1.0]], [1, -1], class_names=names)


def test_many_dimensions_and_few_points():
    points = data.gaussian_classes(5, dimension=784, rng=0)
    start = init.class_aligned(points, 8, rng=0)
    run = train(start, points, lr=0.05, steps=800)
    for lr in (None, 0.05):
        theory = predict(start, points, lr=lr)
        assert theory.system.groups[0].P.shape == (6, 6)
        assert compare(theory, run).verdict == "AGREES"


def test_gates_are_watched_also_in_the_directions_that_are_left_out():
    points = data.gaussian_classes(3, dimension=20, rng=0)
    start = init.class_aligned(points, 8, rng=0)
    run = train(start, points, lr=0.4, steps=300, loss="squared", record="all")
    theory = predict(start, points, loss="squared", lr=0.4)
    gates = start.preactivations(points.X) > 0
    hold = [bool(np.array_equal(gates, W @ points.X.T > 0)) for W in _weights(run, points)]
    first = hold.index(False) if False in hold else len(hold)
    assert theory.at(run.time).meta["valid_until"] == (0.4 * (first - 1) if False in hold else np.inf)


def _weights(run, points):
    """Hidden weights after every step."""
    from dynsim.empirical import networks

    W, Z = (np.array(w) for w in run.start.weights)
    for _ in run.time:
        yield np.array(W)
        logits, cache = networks.forward((W, Z), points.X)
        pull = points.weights * points.y * (1.0 - points.y * logits)
        dW, dZ = networks.backward((W, Z), cache, pull)
        W, Z = W + 0.4 * dW, Z + 0.4 * dZ


def test_hinge_is_reached_by_every_point():
    points = data.gaussian_classes(6, rng=0)
    theory = predict(init.class_aligned(points, 8, rng=0), points, loss="hinge")
    assert np.all(np.isfinite(theory.time_to(1.0)))


@pytest.mark.parametrize("call", [FLOW.time_to, RUN.crossing])
def test_a_confidence_above_one_is_refused(call):
    with pytest.raises(ValueError, match=r"must be between 0 and 1 for cross_entropy, got 1\.5"):
        call(1.5)


# ---- ensembles: every network has to be judged ------------------------------------------------------------


def ensemble(*starts):
    """Networks of one shape as an ensemble."""
    return type(START)(tuple(np.stack([start.weights[i] for start in starts]) for i in range(2)))


def test_a_network_still_on_the_plateau_keeps_its_ensemble_from_agreeing():
    quick, slow = (init.class_aligned(POINTS, 6, initial=u0, rng=1) for u0 in (0.05, 1e-12))
    for starts, verdict in (((quick, quick), "AGREES"), ((quick, slow), "INCONCLUSIVE")):
        network = ensemble(*starts)
        run = train(network, POINTS, lr=0.05, steps=200)
        for lr in (None, 0.05):
            assert compare(predict(network, POINTS, lr=lr), run).verdict == verdict


def test_a_network_that_diverged_keeps_its_ensemble_from_agreeing():
    small, large = (init.class_aligned(POINTS, 6, initial=u0, rng=1) for u0 in (0.05, 1e3))
    network = ensemble(small, large)
    run = train(network, POINTS, lr=0.05, steps=400, loss="squared")
    assert compare(predict(network, POINTS, loss="squared", lr=0.05), run).verdict != "AGREES"


def test_one_wrong_network_is_enough():
    starts = [init.class_aligned(POINTS, 6, initial=0.05, rng=seed) for seed in range(3)]
    run = train(ensemble(*starts), POINTS, lr=0.05, steps=400)
    wrong = ensemble(*starts[:2], type(START)((1.001 * starts[2].W, starts[2].Z)))
    assert compare(predict(ensemble(*starts), POINTS), run).verdict == "AGREES"
    assert compare(predict(wrong, POINTS), run).verdict == "DISAGREES"


# ---- runs that are not gradient descent, and runs that are many ------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "exponential"])
def test_a_flow_is_held_to_the_tolerance_of_its_integration(loss):
    times = np.append(0.0, np.geomspace(0.1, 300.0, 40))
    run = flow(START, POINTS, loss=loss, times=times)
    found = compare(predict(START, POINTS, loss=loss), run)
    assert found.verdict == "AGREES" and set(found.parts) == {"evaluation", "integration"}
    assert found.floor["logit"]["all"] < 1e-6 and "gradient flow" in str(found)
    rate = data.point_classes((1.0, 2.0), (0.7 * 1.001, 0.3))
    assert compare(predict(START, rate, loss=loss), run).verdict == "DISAGREES"
    exact = compare(predict(START, POINTS, loss=loss, lr=0.05), run)
    assert exact.verdict == "DISAGREES" and exact.reason.endswith("the run is one of the gradient flow")


@pytest.mark.parametrize("times", [np.append(0.0, np.geomspace(0.1, 40.0, 60)), np.linspace(0.0, 40.0, 82)])
def test_a_table_of_the_flow_is_a_theory_of_descent(times):
    """Between its rows too: the table's own interpolation error is part of the floor, also in its first gap."""
    for loss in ("cross_entropy", "exponential"):
        table = flow(START, POINTS, loss=loss, times=times)
        run = train(START, POINTS, loss=loss, lr=0.02, steps=1500)
        found = compare(table, run)
        assert found.verdict == "AGREES" and "integration of the theory" in found.parts
        wrong = flow(START, data.point_classes((1.0, 2.0), (0.75, 0.3)), loss=loss, times=times)
        assert compare(wrong, run).verdict == "DISAGREES"


@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "exponential"])
@pytest.mark.parametrize("rows", [12, 23, 31, 80])
@pytest.mark.parametrize(
    "spaced", [lambda n: np.linspace(0.0, 41.0, n), lambda n: np.append(0.0, np.geomspace(0.1, 41.0, n))]
)
def test_a_sparse_table_of_a_right_theory_never_disagrees(loss, rows, spaced):
    run = train(START, POINTS, loss=loss, lr=0.05, steps=800)
    assert compare(predict(START, POINTS, loss=loss).at(spaced(rows)), run).verdict != "DISAGREES"
    assert compare(flow(START, POINTS, loss=loss, times=spaced(rows)), run).verdict != "DISAGREES"


def test_a_run_as_the_theory_of_itself_agrees_whatever_its_rule():
    epochs = {"batch_size": 1, "sampling": "epochs", "rng": 0}
    for options in ({"optimizer": "momentum"}, {"optimizer": "adam"}, epochs):
        run = train(START, POINTS, lr=0.01, steps=600, **options)
        assert compare(run, run).verdict == "AGREES"
        other = train(START, POINTS, lr=0.01, steps=600)
        assert compare(run, other).verdict == "DISAGREES"


def test_rounding_is_allowed_for_where_no_exact_map_is_known():
    """The same momentum run, a rounding error a step away from itself, agrees; another momentum does not."""
    run = train(START, POINTS, lr=0.01, steps=600, optimizer="momentum")
    near = dataclasses.replace(run, logits=run.logits * (1 + 8 * np.finfo(float).eps))
    assert compare(run, near).verdict == "AGREES"
    other = train(START, POINTS, lr=0.01, steps=600, optimizer="momentum", momentum=0.899)
    assert compare(run, other).verdict == "DISAGREES"


def test_a_curve_from_elsewhere_contradicts_no_rule():
    """It does not say how it was made; with identical numbers it is no evidence against anything."""
    run = train(START, POINTS, lr=0.05, steps=600, optimizer="momentum")
    for lr in (0.05, None):
        curve = foreign(run, lr=lr)
        for theory, empirical in ((run, curve), (curve, run)):
            assert "the theory is the map of" not in compare(theory, empirical).reason


def test_the_floor_knows_the_weights_that_the_run_was_trained_with():
    q = [0.3, 0.6]
    run = train(START, POINTS, lr=0.05, steps=600, weights=q)
    other = Dataset(POINTS.X, POINTS.y, q)
    np.testing.assert_array_equal(run.data.weights, q)
    right = predict(START, other)
    assert compare(right, run).verdict == "AGREES"
    assert compare(lambda t: right.at(t).logits, run).verdict == "AGREES"
    assert compare(FLOW, run).verdict == "DISAGREES"


def test_a_member_of_an_ensemble_in_which_another_diverged():
    many = Network(tuple(np.stack([w, 1e3 * w]) for w in START.weights))
    run = train(many, POINTS, loss="squared", lr=0.05, steps=600)
    assert run.status == "diverged" and list(run.outcome) == ["training", "diverged"]
    good, bad = run.member(0), run.member(1)
    assert (good.status, good.message) == ("finished", "") and bad.status == "diverged"
    assert compare(predict(START, POINTS, loss="squared", lr=0.05), good).verdict == "AGREES"


@pytest.mark.parametrize(
    "options", [{"optimizer": "momentum"}, {"optimizer": "adam"}, {"batch_size": 1, "sampling": "epochs", "rng": 0}]
)
def test_the_floor_of_gradient_descent_is_not_used_for_another_rule(options):
    run = train(START, POINTS, lr=0.05, steps=600, **options)
    found = compare(FLOW, run)
    assert found.verdict == "INCONCLUSIVE" and "what the step size does is not known" in found.reason
    exact = compare(predict(START, POINTS, lr=0.05), run)
    assert exact.verdict == "DISAGREES" and "the theory is the map of gradient descent" in exact.reason
    assert compare(FLOW, run, tolerance=1e-3).verdict == "DISAGREES"


def test_runs_of_several_clocks_losses_or_classes_are_refused_with_advice():
    many = Network(tuple(np.stack([w, w]) for w in START.weights))
    clocks = train(many, POINTS, lr=[0.01, 0.05], steps=20)
    with pytest.raises(ValueError, match=r"one lr for all its networks; compare one by one, run\.member\(i\)$"):
        compare(FLOW, clocks)
    with pytest.raises(ValueError, match=r"theory must have one lr for all its networks"):
        compare(clocks, RUN)
    assert compare(predict(START, POINTS, lr=0.05), clocks.member(1)).verdict != "DISAGREES"
    losses = train(many, POINTS, lr=0.05, steps=20, weights=[[0.5, 0.5], [0.7, 0.3]])
    with pytest.raises(ValueError, match=r"one set of weights for all its networks; .* run\.member\(i\)$"):
        compare(FLOW, losses)
    wrong = compare(predict(START, POINTS, lr=0.05), losses.member(0))
    assert wrong.verdict == "DISAGREES"
    three = Dataset(np.eye(3), [0, 1, 2])
    classes = train(Network((np.eye(3), np.eye(3))), three, lr=0.1, steps=20)
    with pytest.raises(ValueError, match=r"theory must give logits of shape \(21, 3\), .* got \(21, 2\)$"):
        compare(FLOW, classes)
    curves = Trajectory.from_arrays(classes.time, logits=classes.log_odds)
    assert compare(lambda t: np.repeat(np.interp(t, classes.time, classes.log_odds[:, 0])[:, None], 3, 1), curves,
                   tolerance=1e-9).sup["logit"]["all"] < 1e-9  # fmt: skip
