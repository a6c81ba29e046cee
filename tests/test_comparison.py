"""A verdict that can be trusted: right theories agree, wrong ones never do; the numbers by hand."""

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes

from dynsim import init, plotting
from dynsim.comparison import LEVELS, QUANTITIES, Verdict, compare
from dynsim.data import from_sklearn, gaussian_classes, point_classes
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.prediction import predict
from dynsim.trajectory import Status, Trajectory

EPS = np.finfo(float).eps
LOSSES = ("cross_entropy", "hinge", "exponential", "squared")


# ---- cases -----------------------------------------------------------------------------------------------


@cache
def dataset(name):
    return {
        "antipodal": lambda: point_classes((1.0, 2.0), (0.7, 0.3)),
        "square": lambda: point_classes((1.5, 0.8), (0.4, 0.6), angle=90.0),
        "wide": lambda: point_classes((0.6, 1.3), (0.5, 0.45), angle=130.0, dimension=4),
        "clouds": lambda: gaussian_classes((7, 4), dimension=3, spread=0.15, frequencies=(0.6, 0.4), rng=1),
        "iris": lambda: from_sklearn("iris", classes=("setosa", "virginica")).centered(),
    }[name]()


@cache
def network(data="antipodal", hidden=8, initial=1e-2, imbalance=0.0, rng=0):
    return init.class_aligned(dataset(data), hidden, initial=initial, imbalance=imbalance, rng=rng)


def fastest(data):
    return max(data.rate(1), data.rate(-1))


def slowest(data):
    return min(data.rate(1), data.rate(-1))


@cache
def run_of(data="antipodal", loss="cross_entropy", step=0.03, span=5.0, record=60, **start):
    """lr x largest rate = `step`; trained until t = span / (smallest rate)."""
    points = dataset(data)
    lr = step / fastest(points)
    steps = int(np.ceil(span / slowest(points) / lr))
    return train(network(data, **start), points, loss=loss, lr=lr, steps=steps, record=record)


def theory_for(run, law="auto", **changes):
    """The prediction for a run; `changes` replace what it is made from: network, data, loss, lr."""
    lr = run.lr if law == "gradient_descent" else None
    given = {"network": run.start, "data": run.data, "loss": run.loss_name, "lr": lr} | changes
    return predict(given.pop("network"), given.pop("data"), law=law, **given)


def curve(run, quantity="logits", dtype=np.float64, lr=None, rows=slice(None)):
    """The run as one would get it from another framework."""
    values = {"logits": run.logits, "confidence": run.confidence, "error": run.error}[quantity]
    return Trajectory.from_arrays(
        run.time[rows],
        **{quantity: values[rows].astype(dtype)},
        labels=run.labels,
        weights=run.weights,
        loss_name=run.loss_name,
        lr=lr,
    )


def stacked(*networks):
    return Network(tuple(np.stack(arrays) for arrays in zip(*(n.weights for n in networks), strict=True)))


def checked(theory, run, **options):
    """Compare, and have every way of reading the result work."""
    found = compare(theory, run, **options)
    assert str(found.verdict) in str(found) and str(found.verdict) in found._repr_html_()
    json.dumps(found.to_dict(), allow_nan=False)
    return found


# ---- right theories --------------------------------------------------------------------------------------

RIGHT = {
    f"{loss}, {data}, {law}": (lambda loss=loss, data=data, law=law: _plain(loss, data, law))
    for loss in LOSSES
    for data in ("antipodal", "square", "wide", "clouds", "iris")
    for law in ("auto", "gradient_descent")
}


def _plain(loss, data, law):
    run = run_of(data, loss)
    return theory_for(run, law), run


def right(name):
    def add(function):
        RIGHT[name] = function
        return function

    return add


for _loss in LOSSES:
    for _C in (0.05, 4.0):

        @right(f"{_loss}, imbalance {_C:g}")
        def _(loss=_loss, C=_C):
            # The imbalance makes a class 1 + C times as fast at the start.
            run = run_of("square", loss, step=0.03 / (1 + C), span=5.0 / (1 + C), imbalance=C)
            return theory_for(run), run

    @right(f"{_loss}, order parameters where the closed form would do")
    def _(loss=_loss):
        run = run_of("wide", loss)
        return theory_for(run, "order_parameters"), run

    @right(f"{_loss}, exact map of a large step")
    def _(loss=_loss):
        run = run_of("antipodal", loss, step=0.9, span=12.0)
        return theory_for(run, "gradient_descent"), run

    @right(f"{_loss}, float32 logits with lr")
    def _(loss=_loss):
        run = run_of("antipodal", loss, initial=0.05)
        return theory_for(run), curve(run, dtype=np.float32, lr=run.lr)

    @right(f"{_loss}, logits without lr")
    def _(loss=_loss):
        run = run_of("square", loss, step=0.01, initial=0.1, span=3.0, record="all")
        return theory_for(run), curve(run, rows=slice(None, None, 3))

    @right(f"{_loss}, table at the run's times")
    def _(loss=_loss):
        run = run_of("square", loss)
        return theory_for(run).at(run.time), run

    @right(f"{_loss}, table at other times")
    def _(loss=_loss):
        run = run_of("square", loss)
        return theory_for(run).at(np.linspace(0.0, run.time[-1], 3000)), run

    @right(f"{_loss}, callable")
    def _(loss=_loss):
        run = run_of("antipodal", loss)
        theory = theory_for(run)
        return (lambda time: theory.at(time).logits), run

    @right(f"{_loss}, every step recorded")
    def _(loss=_loss):
        run = run_of("antipodal", loss, step=0.1, initial=0.1, span=3.0, record="all")
        return theory_for(run), run


@right("a large step of a bounded pull: lr x rate of 30")
def _():
    run = run_of("antipodal", "cross_entropy", step=30.0, span=600.0)
    return theory_for(run, "gradient_descent"), run


@right("four records")
def _():
    run = run_of("antipodal", record=4)
    return theory_for(run), run


@right("records that start late")
def _():
    run = run_of("antipodal", record="all")
    late = run.step >= len(run.step) // 4
    return theory_for(run), replace(run, time=run.time[late], logits=run.logits[late], step=run.step[late])


@right("float32 confidences")
def _():
    run = run_of("antipodal", initial=0.05)
    return theory_for(run), curve(run, "confidence", np.float32, lr=run.lr)


@right("errors of the exponential loss")
def _():
    run = run_of("antipodal", "exponential")
    return theory_for(run, "gradient_descent"), curve(run, "error", lr=run.lr)


@right("an ensemble of three starts")
def _():
    nets = stacked(*(network("square", initial=u0, rng=k) for k, u0 in enumerate((1e-3, 1e-2, 0.1))))
    run = train(nets, dataset("square"), lr=0.05, steps=400, record=40)
    return theory_for(run), run


@right("another network with the same S and D")
def _():
    run = run_of("antipodal")
    return theory_for(run, network=network(hidden=31, rng=5)), run


@right("the exact map where the last point drops out of the hinge")
def _():
    run = run_of("iris", "hinge", step=0.03, span=12.0)
    return theory_for(run, "gradient_descent"), run


@right("batches of 600 at a small lr")
def _():
    data = dataset("antipodal")
    points = Dataset(*(np.repeat(v, 300, axis=0) for v in (data.X, data.y, data.weights / 300)))
    run = train(network(initial=0.3), points, lr=0.02, steps=300, batch_size=600, rng=0, record=12)
    return theory_for(run), run


@right("one network seen by another")
def _():
    run = run_of("antipodal")
    return run_of("antipodal", hidden=20, rng=3), run


def test_the_table_of_right_theories_is_long_enough():
    assert len(RIGHT) >= 40


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_theory_agrees(name):
    theory, run = RIGHT[name]()
    found = checked(theory, run)
    assert found.verdict == Verdict.AGREES, found.reason
    assert {verdict for verdict, _ in found.by_class.values()} == {Verdict.AGREES}
    assert found.resolution <= 0.02
    for group, sup in found.sup["logit"].items():
        assert sup <= found.floor["logit"][group]
    for row in found.rows:
        # What is left once the known sign is taken away is inside the floor too, in every quantity; the floor
        # is the largest of sums, so it bounds the parts.
        assert row.unexplained <= row.floor * (1 + 1e-9) + 1e-300


# ---- wrong theories --------------------------------------------------------------------------------------


def reweighted(data, plus, minus):
    return Dataset(data.X, data.y, data.weights * np.where(data.y > 0, plus, minus), class_names=data.class_names)


def rescaled(start, factor, label=None):
    """Both layers of a class times sqrt(factor): its logit times `factor`."""
    own = np.ones(start.hidden, dtype=bool) if label is None else label * start.Z > 0
    root = np.where(own, np.sqrt(factor), 1.0)
    return Network((start.W * root[:, None], start.Z * root))


def fewer_units(start):
    return Network((start.W[:-2], start.Z[:-2]))


def table(run, time, logits, **more):
    return Trajectory(time, logits, run.labels, run.weights, run.loss_name, start=run.start, data=run.data, **more)


CHANGES = {
    "rate + 3 %": lambda run: theory_for(run, data=reweighted(run.data, 1.03, 1.03)),
    "rate - 3 %": lambda run: theory_for(run, data=reweighted(run.data, 0.97, 0.97)),
    "rate of one class + 3 %": lambda run: theory_for(run, data=reweighted(run.data, 1.0, 1.03)),
    "inputs 3 % longer": lambda run: theory_for(
        run, data=replace(run.data, X=1.03 * run.data.X), network=rescaled(run.start, 1 / 1.03)
    ),
    "start + 10 %": lambda run: theory_for(run, network=rescaled(run.start, 1.1)),
    "start of one class + 10 %": lambda run: theory_for(run, network=rescaled(run.start, 1.1, -1)),
    "two units fewer": lambda run: theory_for(run, network=fewer_units(run.start)),
    "lr of the map + 3 %": lambda run: theory_for(run, "gradient_descent", lr=1.03 * run.lr),
    "lr of the map - 3 %": lambda run: theory_for(run, "gradient_descent", lr=0.97 * run.lr),
    "map with rate + 1 %": lambda run: theory_for(run, "gradient_descent", data=reweighted(run.data, 1.01, 1.01)),
    "classes exchanged": lambda run: replace(theory_for(run).at(run.time), labels=-run.labels),
    "curves of the classes exchanged": lambda run: table(
        run, run.time, -theory_for(run).at(run.time).logits[:, ::-1]
    ),
    "one step late": lambda run: table(
        run, run.time, theory_for(run, "gradient_descent").at(run.time + run.lr).logits, lr=run.lr
    ),
    "time x 1.03": lambda run: (lambda time: theory_for(run).at(1.03 * time).logits),
    "table with rate + 3 %": lambda run: theory_for(run, data=reweighted(run.data, 1.03, 1.03)).at(
        np.linspace(0.0, run.time[-1], 2000)
    ),
    "logits + 2 %": lambda run: (lambda time: 1.02 * theory_for(run).at(time).logits),
}
WRONG = {
    f"{loss}, {name}": (lambda loss=loss, change=change: _changed(change, "antipodal", loss))
    for loss in LOSSES
    for name, change in CHANGES.items()
}


def _changed(change, data, loss, **options):
    run = run_of(data, loss, **options)
    return change(run), run


def wrong(name):
    def add(function):
        WRONG[name] = function
        return function

    return add


for _loss in LOSSES:
    for _other in LOSSES:
        if _other != _loss:

            @wrong(f"{_loss} explained by {_other}")
            def _(loss=_loss, other=_other):
                run = run_of("square", loss)
                return theory_for(run, loss=other), run

    for _name in ("rate + 3 %", "rate of one class + 3 %", "map with rate + 1 %", "start + 10 %"):

        @wrong(f"iris, {_loss}, {_name}")
        def _(loss=_loss, change=CHANGES[_name]):
            return _changed(change, "iris", loss)

    @wrong(f"iris, {_loss}, class means")
    def _(loss=_loss):
        run = run_of("iris", loss)
        return theory_for(run, "class_means"), run

    @wrong(f"{_loss}, rate + 3 %, curve without lr")
    def _(loss=_loss):
        run = run_of("square", loss, step=0.01, initial=0.1, span=3.0, record="all")
        return CHANGES["rate + 3 %"](run), curve(run, rows=slice(None, None, 3))

    @wrong(f"{_loss}, imbalance 0.5 told as 0")
    def _(loss=_loss):
        run = run_of("square", loss, imbalance=0.5, initial=0.05)
        return theory_for(run, network=network("square", initial=0.05)), run

    @wrong(f"{_loss}, one record of 60 off by 5 %")
    def _(loss=_loss):
        run = run_of("square", loss)
        logits = theory_for(run).at(run.time).logits.copy()
        logits[20] *= 1.05
        return table(run, run.time, logits), run


@wrong("one of three members of an ensemble")
def _():
    run = RIGHT["an ensemble of three starts"]()[1]
    W, Z = (np.array(w) for w in run.start.weights)
    W[1] *= 1.1
    return theory_for(run, network=Network((W, Z))), run


@wrong("a run that learnt nothing in one class")
def _():
    run = run_of("antipodal")
    own = network().Z > 0
    half = Network((network().W[own], network().Z[own]))
    return theory_for(run), train(half, dataset("antipodal"), lr=run.lr, steps=int(run.step[-1]))


@wrong("weights by chance, the theory of aligned ones")
def _():
    data = dataset("antipodal")
    run = train(init.gaussian(data, 16, scale=0.3, rng=4), data, lr=0.05, steps=400)
    return theory_for(run, network=network()), run


def test_the_table_of_wrong_theories_is_long_enough():
    assert len(WRONG) >= 40


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_theory_disagrees(name):
    theory, run = WRONG[name]()
    found = checked(theory, run)
    assert found.verdict == Verdict.DISAGREES, found.reason


# ---- reasons ---------------------------------------------------------------------------------------------


def verdict(theory, run, **options):
    found = checked(theory, run, **options)
    return str(found.verdict), found.reason


def test_no_overlap_in_time():
    run = run_of("antipodal")
    assert verdict(theory_for(run).at(run.time[-1] + 1.0 + np.arange(5.0)), run) == (
        "INCONCLUSIVE",
        "no overlap in time",
    )


def test_the_times_outside_a_table_are_not_judged():
    run = run_of("antipodal")
    half = 0.75 * run.time[-1]
    found = checked(theory_for(run).at(np.linspace(0.0, half, 1000)), run)
    inside = run.time <= half
    assert found.verdict == Verdict.AGREES
    np.testing.assert_array_equal(found.empirical.time, run.time[inside])
    assert found.notes == (f"judged at {inside.sum()} of {len(run.time)} recorded times",)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_run_that_never_left_the_plateau(steps):
    run = train(network(), dataset("antipodal"), lr=0.05, steps=steps)
    for theory in (theory_for(run), theory_for(run, "gradient_descent")):
        reason = "the class never left the plateau in the run: nothing was learnt yet"
        assert verdict(theory, run) == ("INCONCLUSIVE", reason)


def test_one_class_on_the_plateau_is_named():
    data = dataset("antipodal")
    own = network().Z > 0
    run = train(Network((network().W[own], network().Z[own])), data, lr=0.05, steps=400)
    found = checked(theory_for(run), run)
    assert found.by_class["+1"][0] == Verdict.AGREES
    assert (found.verdict, found.reason) == (
        Verdict.INCONCLUSIVE,
        "class -1: the class never left the plateau in the run: nothing was learnt yet",
    )


def test_a_diverged_run():
    data = dataset("antipodal")
    run = train(network(), data, loss="squared", lr=4.0 / fastest(data), steps=200)
    assert run.status == Status.DIVERGED
    got, why = verdict(theory_for(run, "gradient_descent"), run)
    assert got == "INCONCLUSIVE" and "diverged" in why
    got, why = verdict(theory_for(run, "gradient_descent", data=reweighted(data, 1.03, 1.03)), run)
    assert got == "DISAGREES"


def test_a_law_that_holds_until_the_squared_loss_overshoots():
    """A start at margin 3 and lr x rate = .6: one step multiplies both layers by 1 - 1.2: all gates flip."""
    data = dataset("antipodal")
    start = network(initial=3.0)
    run = train(start, data, loss="squared", lr=0.6 / slowest(data), steps=40, record=np.arange(5, 41))
    for law in ("auto", "gradient_descent"):
        got, why = verdict(theory_for(run, law), run)
        assert got == "INCONCLUSIVE" and why.startswith("theory not applicable: margins above 1 pull backwards")


def test_a_run_that_flips_its_gates_is_judged_until_it_does():
    """lr x rate = 1.7: the largest margin of u <- u (1 + 1.7 (1 - u))^2 is 1.72, and 1 + 1.7 (1 - 1.72) < 0."""
    data = point_classes((1.0, 1.0), (0.5, 0.5), angle=90.0)
    start = init.class_aligned(data, 8, initial=0.1, rng=0)
    run = train(start, data, loss="squared", lr=3.4, steps=40, record="all")
    # Both classes are alike. A margin m with 1 + 1.7 (1 - m) < 0 turns every unit round, off its class.
    last = int(np.argmax(run.margin[:, 0] > 1 + 1 / 1.7))
    beyond = theory_for(run, "gradient_descent").at(run.time).logits - run.logits
    assert last > 0 and np.abs(beyond[: last + 1]).max() < 1e-14 and np.abs(beyond[last + 1]).min() > 1e-3
    found = checked(theory_for(run, "gradient_descent"), run)
    np.testing.assert_array_equal(found.empirical.time, run.time[: last + 1])
    assert found.verdict == Verdict.AGREES
    assert found.notes == (f"judged at {last + 1} of 41 recorded times",)
    late = replace(run, time=run.time[last + 1 :], logits=run.logits[last + 1 :], step=run.step[last + 1 :])
    for law in ("auto", "gradient_descent"):
        got, why = verdict(theory_for(run, law), late)
        assert got == "INCONCLUSIVE" and why.startswith("theory not applicable")


def test_a_step_too_large_for_the_flow():
    run = run_of("antipodal", "hinge", step=2.0, span=8.0)
    got, why = verdict(theory_for(run), run)
    assert got == "INCONCLUSIVE" and "the floor (mostly step size, remainder) would hide a rate off by" in why
    assert verdict(theory_for(run, "gradient_descent"), run)[0] == "AGREES"


def test_too_much_sampling_noise():
    data = dataset("antipodal")
    run = train(network(initial=0.1), data, lr=0.2, steps=100, batch_size=1, rng=0, record=20)
    got, why = verdict(theory_for(run), run)
    assert got == "INCONCLUSIVE" and "the floor (mostly sampling noise) would hide a rate off by" in why


def test_a_callable_beside_a_curve_is_decided_by_the_tolerance():
    """Neither knows its start, so nobody knows what the step size does: the tolerance is all there is."""
    run = run_of("antipodal", initial=0.1)
    theory = theory_for(run)
    bare = curve(run, lr=run.lr)

    def right(time):
        return theory.at(time).logits

    def wrong(time):
        return theory.at(1.2 * time).logits

    got, why = verdict(right, bare)
    assert got == "INCONCLUSIVE" and why.endswith("not known for this theory and run; give tolerance=")
    assert verdict(wrong, bare)[0] == "INCONCLUSIVE"
    # The difference itself is the smallest tolerance that covers it.
    size = float(np.abs(right(run.time) - run.logits).max())
    assert verdict(right, bare, tolerance=1.01 * size)[0] == "AGREES"
    assert verdict(wrong, bare, tolerance=1.01 * size)[0] == "DISAGREES"
    got, why = verdict(right, bare, tolerance=1.0)
    assert got == "INCONCLUSIVE" and "mostly tolerance" in why


def test_another_loss_is_named():
    run = run_of("square", "cross_entropy")
    assert verdict(theory_for(run, loss="hinge"), run) == (
        "DISAGREES",
        "the theory is for hinge, the run was trained with cross_entropy",
    )


def test_other_classes_are_named():
    run = run_of("square")
    theory = replace(theory_for(run).at(run.time), labels=-run.labels)
    assert verdict(theory, run) == ("DISAGREES", "theory and run have points of different classes")


def test_another_lr_of_the_exact_map_is_named():
    run = run_of("square")
    got, why = verdict(theory_for(run, "gradient_descent", lr=1.03 * run.lr), run)
    assert got == "DISAGREES"
    assert why == f"the theory is that of lr = {1.03 * run.lr:g}, the run was trained with lr = {run.lr:g}"


def test_the_class_that_is_wrong_is_named():
    run = run_of("iris")
    found = checked(theory_for(run, data=reweighted(run.data, 1.0, 1.03)), run)
    assert found.by_class["setosa"][0] == Verdict.AGREES
    assert found.by_class["virginica"][0] == Verdict.DISAGREES
    assert found.reason.startswith("class virginica: at t = ") and "setosa" not in found.reason


# ---- numbers ---------------------------------------------------------------------------------------------

#: The four quantities of a margin, and of a loss its share a class, for two of the losses.
FORMULAS = {
    "cross_entropy": {
        "logit": lambda m: m,
        "confidence": lambda m: 1 / (1 + np.exp(-m)),
        "error": lambda m: 1 / (1 + np.exp(m)),
        "loss": lambda m: np.log1p(np.exp(-m)),
    },
    "squared": {
        "logit": lambda m: m,
        "confidence": lambda m: m,
        "error": lambda m: 1 - m,
        "loss": lambda m: (1 - m) ** 2 / 2,
    },
}


@pytest.mark.parametrize("loss", FORMULAS)
@pytest.mark.parametrize("data", ["antipodal", "clouds"])
def test_the_rows_by_hand(loss, data):
    run = run_of(data, loss)
    theory = theory_for(run).at(run.time)
    found = compare(theory_for(run), run)
    assert [(row.quantity, row.group) for row in found.rows] == [
        (quantity, group) for quantity in QUANTITIES for group in ("all", "+1", "-1")
    ]
    for row in found.rows:
        own = {"all": run.labels != 0, "+1": run.labels > 0, "-1": run.labels < 0}[row.group]
        q = run.weights[own] / run.weights[own].sum()
        curves = []
        centre = run.labels * found.expected
        ends = (centre - found.spread, centre + found.spread)
        for margin in (run.labels * theory.logits, run.margin, centre, *ends):
            values = FORMULAS[loss][row.quantity](margin[:, own])
            curves.append((values * q).sum(1, keepdims=True) if row.quantity == "loss" else values)
        claim, measured, centre, low, high = curves
        difference = claim - measured
        # A few roundings of the values, all of which are at most of the size of the largest curve.
        error = 20 * EPS * max(1.0, np.abs(claim).max())
        assert row.sup == pytest.approx(np.abs(difference).max(), abs=error)
        assert row.rms == pytest.approx(np.sqrt(np.mean(difference**2)), abs=error)
        assert row.relative == pytest.approx(np.abs(difference).max() / np.abs(claim).max(), rel=1e-9)
        allowed = np.abs(centre - claim) + np.maximum(np.abs(high - centre), np.abs(low - centre))
        assert row.floor == pytest.approx(allowed.max(), abs=error)
        assert row.unexplained == pytest.approx(np.abs(centre - measured).max(), abs=error)
        for name in ("sup", "rms", "relative", "floor"):
            assert getattr(found, name)[row.quantity][row.group] == getattr(row, name)


def test_time_shifts_known_in_closed_form():
    """Margins t + 1 and t: the theory is 1 earlier in class +1; 2 t and t in class -1: logit(level)/2 earlier.

    Confidences are taken as linear between records h apart: off by at most h^2/8 times the largest o''/o', which
    is |1 - 2 o| <= 1 for margins that grow at most at the speed 2, times 2.
    """
    h = 1 / 64
    time = np.arange(0.0, 10.0, h)
    run = Trajectory.from_arrays(time, logits=np.column_stack([time - 1, -time + 1]), labels=[1, -1], lr=h)
    found = compare(lambda t: np.column_stack([t, -2 * t + 2]), run)
    assert set(found.time_shift) == {"+1", "-1"} and tuple(found.time_shift["+1"]) == LEVELS
    for level in LEVELS:
        crossing = np.log(level / (1 - level))
        assert found.time_shift["+1"][level] == pytest.approx(-1.0, abs=h**2)
        assert found.time_shift["-1"][level] == pytest.approx(-crossing / 2, abs=h**2)


def test_a_level_that_is_not_reached_has_no_time_shift():
    run = run_of("antipodal", "hinge", span=2.0)
    found = compare(theory_for(run), run)
    reached = run.confidence.max(axis=0) >= np.array(LEVELS)[:, None]
    for k, name in enumerate(("+1", "-1")):
        for level, some in zip(LEVELS, reached[:, k], strict=True):
            assert np.isnan(found.time_shift[name][level]) == (not some)


@pytest.mark.parametrize("loss", ["cross_entropy", "exponential", "squared"])
def test_the_step_size_part_is_of_first_order_and_of_the_right_sign(loss):
    data, times = dataset("antipodal"), np.linspace(1.0, 12.0, 23)
    shifts = []
    for lr in (0.04, 0.02, 0.01):
        steps = np.rint(times / lr).astype(int)
        run = train(network(), data, loss=loss, lr=lr, steps=int(steps[-1]), record=steps)
        found = compare(theory_for(run), run)
        shift = found.expected - found.theory.logits
        shifts.append(shift)
        difference = run.logits - found.theory.logits
        clear = np.abs(shift) > found.spread
        assert np.mean(clear) > 0.9
        np.testing.assert_array_equal(np.sign(shift[clear]), np.sign(difference[clear]))
        # The extrapolated limit is off by a third-order term beside a first-order difference: (lr rate)^2 and a
        # constant, which for the curves here is below 1.
        row = found.rows[0]
        assert row.unexplained <= (lr * fastest(data)) ** 2 * row.sup
    # Halving lr halves a first-order part up to a share of order lr rate.
    for coarse, fine in pairwise(shifts):
        assert np.abs(coarse).max() / np.abs(fine).max() == pytest.approx(2.0, abs=0.06)


def test_the_exact_map_leaves_only_round_off():
    run = run_of("iris")
    found = compare(theory_for(run, "gradient_descent"), run)
    assert set(found.parts) == {"round-off"}
    # steps x (points + units + inputs) roundings, grown by less than 1e3 on the way, beside logits of about 10.
    assert found.sup["logit"]["all"] <= found.floor["logit"]["all"]
    assert found.floor["logit"]["all"] <= run.step[-1] * (100 + 8 + 4 + 10) * EPS * 1e3 * 10


@pytest.mark.parametrize("law", ["auto", "gradient_descent"])
def test_a_wrong_rate_at_the_resolution_is_seen(law):
    """Twice the resolution is seen, although resolution is a first-order statement; 1/20 of it is not."""
    run = run_of("antipodal", step=0.1)
    resolution = compare(theory_for(run, law), run).resolution
    for share, seen in ((3.0, True), (0.05, False)):
        factor = 1 + share * resolution
        found = compare(theory_for(run, law, data=reweighted(run.data, factor, factor)), run)
        assert (found.verdict == Verdict.DISAGREES) == seen


def test_band_coverage():
    run = run_of("square")
    flat = theory_for(run).at(run.time)
    # Bands of half-width 1/2 about the run, above it at every fourth record, and below it at the one after that.
    turn = np.arange(len(run.time)) % 4
    middle = run.logits + np.array([5.0, -5.0, 0.1, -0.1])[turn][:, None]
    found = checked(replace(flat, lower=middle - 0.5, upper=middle + 0.5), run)
    assert found.band_coverage == np.mean(turn > 1)
    assert f"band coverage {found.band_coverage:.3f}" in str(found)
    assert found.to_dict()["band_coverage"] == found.band_coverage
    assert checked(flat, run).band_coverage is None


# ---- reports ---------------------------------------------------------------------------------------------


def named(first="<script>alert(1)</script>", second="a & b"):
    data = dataset("antipodal")
    data = Dataset(data.X, data.y, data.weights, class_names=(first, second))
    run = train(network(), data, lr=0.05, steps=300)
    return compare(predict(network(), reweighted(data, 1.05, 1.05)), run)


def test_the_text():
    found = compare(theory_for(run_of("antipodal")), run_of("antipodal"))
    text = str(found)
    assert text.splitlines()[0] == "theory    closed_form, Thm 3.2, eq 2-3 (v2)"
    assert text.splitlines()[-1] == f"verdict   AGREES: {found.reason}"
    assert text.isascii()
    for row in found.rows:
        assert any(line.split()[:3] == [row.quantity, row.group, f"{row.sup:.3g}"] for line in text.splitlines())
    for name in found.parts:
        assert f"  {name}  " in text
    assert all(str(assumption) in text for assumption in found.assumptions)


def test_the_html_escapes_what_it_shows():
    html = named()._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "a &amp; b" in html
    assert html.startswith("<p><b>DISAGREES</b>: ") and html.count("<tr>") == 1 + 12


def test_json_holds_what_the_comparison_holds(tmp_path):
    run = run_of("antipodal", span=4.0)
    found = compare(theory_for(run), run)
    found.to_json(tmp_path / "found.json")
    text = (tmp_path / "found.json").read_text(encoding="utf-8")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    got = json.loads(text, parse_constant=refuse)
    assert got == found.to_dict()
    assert got["verdict"] == str(found.verdict) and got["reason"] == found.reason
    assert got["time"] == [0.0, run.time[-1]] and got["records"] == len(run.time) and got["lr"] == run.lr
    assert [row["sup"] for row in got["rows"]] == [row.sup for row in found.rows]
    assert None in got["time_shift"]["+1"].values()
    assert {name: part["size"] for name, part in got["floor_parts"].items()} == {
        name: size for name, (size, _) in found.parts.items()
    }
    assert got["assumptions"]["H1"]["holds"] is True


def test_json_of_an_infinite_resolution(tmp_path):
    run = train(network(), dataset("antipodal"), lr=0.05, steps=0)
    found = compare(theory_for(run), run)
    assert found.resolution == np.inf
    found.to_json(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["resolution"] is None


def test_the_data_frame():
    found = compare(theory_for(run_of("antipodal")), run_of("antipodal"))
    frame = found.to_dataframe()
    assert list(frame.columns) == ["quantity", "group", "sup", "rms", "relative", "floor", "unexplained"]
    assert [tuple(row) for row in frame.itertuples(index=False)] == [
        tuple(vars(row).values()) for row in found.rows
    ]


def line(ax, label):
    (found,) = (line for line in ax.lines if line.get_label() == label)
    return found


def test_the_plot_draws_theory_and_run():
    run = run_of("antipodal")
    found = compare(theory_for(run), run)
    ax = found.plot()
    assert isinstance(ax, Axes)
    for k, name in enumerate(("class +1", "class -1")):
        drawn = line(ax, f"{name}, theory")
        np.testing.assert_array_equal(drawn.get_xdata(), run.time)
        np.testing.assert_array_equal(drawn.get_ydata(), found.theory.confidence[:, k])
        dots = line(ax, f"{name}, network")
        where = np.searchsorted(run.time, dots.get_xdata())
        np.testing.assert_array_equal(run.time[where], dots.get_xdata())
        np.testing.assert_array_equal(dots.get_ydata(), run.confidence[where, k])
    assert "AGREES" in ax.get_title()
    assert found.plot(ax) is ax and len(ax.lines) == 8


def test_the_discrepancy_figure():
    run = run_of("antipodal")
    found = compare(theory_for(run), run)
    figure = plotting.comparison_figure(found, "title")
    above, below = figure.axes
    assert figure.get_suptitle() == "title" and above.get_shared_x_axes().joined(above, below)
    drawn = {name: line(below, name).get_ydata() for name in ("|theory - network|", "unexplained")}
    difference = np.abs(found.theory.logits - run.logits)
    np.testing.assert_array_equal(drawn["|theory - network|"], difference.max(axis=1))
    np.testing.assert_array_equal(drawn["unexplained"], np.abs(found.expected - run.logits).max(axis=1))
    assert plotting.discrepancy(found, above) is above


# ---- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theory", [None, 3, "closed_form", np.zeros((60, 2)), [1.0, 2.0]])
def test_a_theory_of_another_type(theory):
    wanted = "theory must be a Prediction, a Trajectory or a callable time -> logits, got " + type(theory).__name__
    with pytest.raises(ValueError, match=wanted):
        compare(theory, run_of("antipodal"))


@pytest.mark.parametrize("empirical", [None, np.zeros((60, 2)), {"time": [0.0]}])
def test_a_run_of_another_type(empirical):
    with pytest.raises(ValueError, match=f"empirical must be a Trajectory, got {type(empirical).__name__}"):
        compare(theory_for(run_of("antipodal")), empirical)


def test_theory_and_run_the_other_way_round():
    run = run_of("antipodal")
    with pytest.raises(ValueError, match="empirical must be a Trajectory, got Prediction"):
        compare(run, theory_for(run))


@pytest.mark.parametrize("tolerance", [-1e-9, np.nan, np.inf, "wide"])
def test_a_bad_tolerance(tolerance):
    run = run_of("antipodal")
    with pytest.raises(ValueError, match="tolerance must be at least 0 and finite, got "):
        compare(theory_for(run), run, tolerance=tolerance)


@pytest.mark.parametrize(
    "logits", [lambda t: t, lambda t: np.zeros((len(t), 3)), lambda t: np.zeros((2, len(t))), lambda t: 0.0]
)
def test_wrong_shapes_of_a_callable(logits):
    run = run_of("antipodal")
    got = np.shape(logits(run.time))
    with pytest.raises(ValueError) as caught:
        compare(logits, run)
    assert str(caught.value) == (
        f"theory must give logits of shape {run.logits.shape}, the run's (times, ..., points), got {got}"
    )


def test_a_theory_of_other_points():
    run = run_of("antipodal")
    with pytest.raises(ValueError, match=r"theory must give logits of shape \(\d+, 2\), .*, got \(\d+, 11\)"):
        compare(predict(network("clouds"), dataset("clouds")), run)


def test_a_callable_that_gives_nan():
    with pytest.raises(ValueError, match=r"theory\(time\) must be a number, got nan at \(0, 0\)"):
        compare(lambda time: np.full((len(time), 2), np.nan), run_of("antipodal"))
