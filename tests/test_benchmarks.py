"""The harness of the benchmarks without PyTorch and JAX: agreement, fits, what is asked, the document."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import agreement, document, fits, judged, limits, neighbours, processes, scaling
from benchmarks.agreement import Agreement, FirstOrder
from benchmarks.contestants import CONTESTANTS, naive, ours, probe
from benchmarks.limits import Machine
from benchmarks.problems import Problem
from benchmarks.processes import Child, ContestantError
from benchmarks.race import FACTORS, Raced, Timing, race
from benchmarks.task import Answer
from benchmarks.worker import Server, serve
from benchmarks.workloads import WORKLOADS, Asked, Workload

SMALL = Problem("gaussian", hidden=5, dimension=3, points=6, steps=40, record="all")
PAIR = Workload("W1", "two", SMALL, ("dynsim", "naive NumPy"), (Asked("dynsim", "naive NumPy", 2.0),))
MACHINE = Machine(call=1.0, product=10.0, exp=100.0, add=1000.0, dgemm=1e-5, dgemm_two=2e-5)


def raced(ours=(2.0, 1.0, 9.0), theirs=(5.0, 6.0, 0.1), workload=PAIR, failure=""):
    """A workload of two contestants as it would be after the race."""
    first, second = (CONTESTANTS[name] for name in workload.contestants)
    fine = Agreement(3e-15, 0, True)
    return Raced(
        workload,
        {
            first.name: Timing(first, [1.5], list(ours), agreement=fine),
            second.name: Timing(second, [4.5], list(theirs), agreement=fine, failure=failure),
        },
    )


# ---- fits ------------------------------------------------------------------------------------------------


def test_ratio_is_that_of_the_medians():
    assert fits.median([3.0, 1.0, 100.0]) == 3.0
    assert np.isnan(fits.median([]))
    assert fits.ratio([2.0, 1.0, 9.0], [5.0, 6.0, 0.1]) == 2.5


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 1.7])
def test_exponent_of_a_power_law(power):
    sizes = 2.0 ** np.arange(3, 9)
    assert fits.exponent(sizes, 3e-5 * sizes**power) == pytest.approx(power, abs=1e-12)


def test_exponent_is_least_squares():
    """Of points off the line: against the normal equations in closed form."""
    x, y = np.log([1.0, 2.0, 4.0, 8.0]), np.log([1.0, 3.0, 3.5, 11.0])
    wanted = np.sum((x - x.mean()) * y) / np.sum((x - x.mean()) ** 2)
    assert fits.exponent(np.exp(x), np.exp(y)) == pytest.approx(wanted, rel=1e-12)


def test_exponent_refuses():
    with pytest.raises(ValueError, match="at least 2, got 1 and 1"):
        fits.exponent([1.0], [1.0])
    with pytest.raises(ValueError, match="must be positive"):
        fits.exponent([1.0, 2.0], [1.0, 0.0])


# ---- contestants that need nothing -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
@pytest.mark.parametrize("record", ["all", "ends"])
def test_the_naive_loop_is_gradient_descent(loss, record):
    problem = Problem("gaussian", hidden=5, dimension=3, points=6, steps=300, lr=0.2, loss=loss, record=record)
    found, reference = (module.prepare(problem.task()).run() for module in (naive, ours))
    assert found.logits.shape == (301 if record == "all" else 2, 6)
    compared = agreement.exact(found, reference)
    # 300 steps of about 30 operations on numbers up to 1; measured 1e-15.
    assert compared.fine and compared.difference < 1e-12
    assert (problem.data().y * found.logits[-1]).max() > 1.0  # past the kink of the hinge


def test_dynsim_as_a_contestant_hands_back_every_network():
    problem = Problem("grid", hidden=1, dimension=1, points=2, steps=10, ensemble=9)
    found = ours.prepare(problem.task()).run()
    assert found.logits.shape == (2, 9, 2) and found.W.shape == (9, 1, 1) and found.Z.shape == (9, 1)
    np.testing.assert_array_equal(found.logits[0], problem.network().logits(problem.data().X))


def test_the_peak_does_the_operations_of_the_task():
    from benchmarks.contestants import dgemm

    assert dgemm.operations(SMALL.task()) == 4 * 6 * 3 * 5 * 40


# ---- problems --------------------------------------------------------------------------------------------


def test_the_grid_is_the_plane_of_single_units():
    W, Z = Problem("grid", hidden=1, dimension=1, points=2, steps=1, ensemble=10_000).network().weights
    assert W.shape == (10_000, 1, 1) and Z.shape == (10_000, 1)
    assert len(np.unique(np.column_stack([W.ravel(), Z.ravel()]), axis=0)) == 10_000
    assert (W.min(), W.max(), Z.min(), Z.max()) == (-1.5, 1.5, -1.5, 1.5)


@pytest.mark.parametrize("workload", [w for w in WORKLOADS if w.flow], ids=lambda w: w.name)
@pytest.mark.parametrize("quick", [False, True])
def test_descents_at_larger_rates_record_the_same_times(workload, quick):
    problem = workload.smaller().problem if quick else workload.problem
    times = problem.lr * problem.recorded
    assert times[0] == 0 and times[-1] == pytest.approx(problem.lr * problem.steps)
    for factor in FACTORS:
        other = problem.at_rate(factor)
        np.testing.assert_allclose(other.lr * other.recorded, times, rtol=1e-14)
        assert other.recorded[-1] == other.steps


def test_a_moved_start_is_moved_by_one_unit_in_the_last_place():
    task, moved = SMALL.task(), SMALL.task(ulps=1)
    eps = np.finfo(float).eps
    for before, after, sign in ((task.W, moved.W, 1), (task.Z, moved.Z, -1)):
        change = sign * np.sign(before) * (after - before) / np.abs(before)
        assert np.all(change > 0.4 * eps) and np.all(change < 2.1 * eps)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_workloads_ask_of_their_contestants(workload):
    for asked in workload.asked:
        assert {asked.of, asked.against} <= set(workload.contestants)
        assert asked.of.startswith("dynsim")
    assert set(workload.contestants) <= set(CONTESTANTS)
    assert workload.smaller().problem.steps < workload.problem.steps


# ---- agreement -------------------------------------------------------------------------------------------


def answer(shift=0.0, networks=4):
    """Logits up to 20, some networks moved by `shift`, which broadcasts to (networks,)."""
    rng = np.random.default_rng(0)
    move = np.broadcast_to(shift, networks)
    logits = 20.0 * rng.random((3, networks, 2))
    return Answer(logits + move[:, None], rng.random((networks, 2, 3)), rng.random((networks, 2)))


def test_agreement_is_relative_above_one_and_absolute_below():
    large = Answer(np.full((1, 1), 1e3), np.zeros((1, 1)), np.zeros(1))
    for shift, fine in ((0.9e-7, True), (1.1e-7, False)):
        assert agreement.exact(large._replace(logits=large.logits + shift), large).fine is fine
    for shift, fine in ((0.9e-10, True), (1.1e-10, False)):
        assert agreement.exact(large._replace(W=large.W + shift), large).fine is fine
        assert agreement.exact(large._replace(Z=large.Z - shift), large).fine is fine


def test_a_sensitive_network_is_held_to_its_own_sensitivity():
    moved = answer([0.0, 1e-7, 0.0, 0.0])
    assert agreement.exact(answer([0.0, 1e-6, 0.0, 0.0]), answer(), moved).fine
    found = agreement.exact(answer([1e-13, 1e-6, 0.0, 0.0]), answer(), moved)
    assert found.sensitive == 1 and found.difference < 1e-12
    assert not agreement.exact(answer([0.0, 1e-3, 0.0, 0.0]), answer(), moved).fine
    assert not agreement.exact(answer([1e-6, 0.0, 0.0, 0.0]), answer(), moved).fine
    assert not agreement.exact(answer([0.0, 1e-6, 0.0, 0.0]), answer()).fine


def test_nan_agrees_with_nothing():
    assert not agreement.exact(answer([np.nan, 0.0, 0.0, 0.0]), answer()).fine
    with pytest.raises(ContestantError, match="JAX: differs from the reference by"):
        agreement.demand("JAX", answer(1.0), answer())


def test_where_one_records_more_first_and_last_are_compared():
    every = answer()
    ends = every._replace(logits=every.logits[[0, -1]])
    assert agreement.exact(ends, every).fine and agreement.exact(every, ends).fine
    assert not agreement.exact(ends._replace(logits=every.logits[[0, 1]]), every).fine


def test_the_flow_against_two_descents():
    """Descent D(lr) = F + lr a + lr^2 b: error a lr, estimate a lr, and 2 b lr^2 after extrapolation."""
    F, a, b, lr = np.zeros((5, 2)), 3.0, 7.0, 0.01
    found = agreement.first_order(F, F + a * lr + b * lr**2, F + 2 * a * lr + 4 * b * lr**2)
    assert found.error == pytest.approx(a * lr + b * lr**2)
    assert found.estimate == pytest.approx(a * lr + 3 * b * lr**2)
    assert found.extrapolated == pytest.approx(2 * b * lr**2)


@pytest.mark.parametrize(
    ("found", "smooth", "sliding"),
    [
        (FirstOrder(1e-3, 1e-3, 1e-5), True, True),
        (FirstOrder(1e-3, 1e-3, 5e-4), False, True),
        (FirstOrder(1e-3, 1e-4, 1e-5), False, False),
        (FirstOrder(np.nan, 1e-3, 1e-5), False, False),
        (None, False, False),
    ],
)
def test_what_is_asked_of_a_flow(found, smooth, sliding):
    five, six = (w for w in WORKLOADS if w.flow)
    assert Raced(five, first_order=found).flow_agrees is smooth
    assert Raced(six, first_order=found).flow_agrees is sliding


# ---- what was asked --------------------------------------------------------------------------------------


def test_a_line_says_what_was_asked_and_measured():
    assert judged.lines(raced()) == [("W1", "naive NumPy / dynsim", ">= 2", "2.5", True)]
    assert judged.lines(raced(ours=[4.0]))[0].met is False
    assert judged.lines(raced(theirs=[]))[0].met is None
    assert judged.lines(raced(failure="differs"))[0] == ("W1", "naive NumPy / dynsim", ">= 2", "-", None)
    assert judged.lines(Raced(PAIR))[0].met is None


def test_a_cold_ratio_is_of_the_cold_times():
    cold = replace(PAIR, asked=(Asked("dynsim", "naive NumPy", 2.0, "cold"),))
    (line,) = judged.lines(raced(workload=cold))
    assert line.what == "from a cold process, naive NumPy / dynsim" and line.measured == "3"


def test_the_order_is_fitted_and_judged():
    six = WORKLOADS[-1]
    found = raced(workload=six)
    for power, met in ((1.0, True), (0.5, False), (2.0, False)):
        found.errors = [1e-3 * factor**power for factor in FACTORS]
        assert judged.lines(found)[-1][2:] == ("0.9 ... 1.1", f"{power:.3f}", met)
    found.errors = []
    assert judged.lines(found)[-1].met is None


@pytest.mark.parametrize(("least", "text"), [(30.0, "30"), (0.8, "0.8"), (1 / 6, "1/6"), (2.5, "2.5"), (1.0, "1")])
def test_a_ratio_for_the_reader(least, text):
    assert judged.times(least) == text


# ---- processes -------------------------------------------------------------------------------------------


def test_the_worker_answers_until_its_requests_end():
    requests, replies = io.BytesIO(), io.BytesIO()
    for request in (("answer", None), ("prepare", SMALL.task()), ("run", None), ("answer", None), ("run", 1, 2)):
        pickle.dump(request[:2], requests)
    requests.seek(0)
    serve(Server("naive", {}), requests, replies)
    replies.seek(0)
    found = [pickle.load(replies) for _ in range(5)]
    assert found[0] == (True, None) and found[1] == (True, None)
    assert found[2][1] > 0 and found[4][1] > 0
    np.testing.assert_array_equal(found[3][1].W, naive.descend(SMALL.task()).W)


def test_a_contestant_in_its_own_process():
    with Child(CONTESTANTS["naive NumPy"]) as child:
        compiling, found = child.solve(SMALL.task())
        assert compiling is None
        np.testing.assert_array_equal(found.logits, naive.descend(SMALL.task()).logits)
        with pytest.raises(ContestantError, match="naive NumPy: AttributeError"):
            child.ask("prepare", None)
            child.ask("run")
    assert child.process.returncode is not None
    with pytest.raises(ContestantError, match="its process ended"), Child(CONTESTANTS["naive NumPy"]) as child:
        child.process.kill()
        child.process.wait()
        child.ask("answer")


def test_threads_are_set_before_the_process_starts():
    for name in ("dynsim", "dynsim, 2 processes"):
        found = processes.environment(CONTESTANTS[name])
        assert {found[v] for v in processes.THREAD_VARIABLES} == {str(CONTESTANTS[name].threads)}


def test_a_race_of_two():
    found, said = Raced(PAIR), []
    race(PAIR, 3, said.append, found)
    assert found.fair
    for timing in found.timings.values():
        assert len(timing.warm) == 3 and len(timing.cold) == 1 and timing.agreement.fine
    assert judged.lines(found)[0].met is not None
    # No time is said before all agree.
    assert [" s" in line for line in said] == [False, False, True, True]


def test_a_contestant_that_differs_is_not_timed(monkeypatch):
    monkeypatch.setattr(agreement, "TOLERANCE", 0.0)
    monkeypatch.setattr(agreement, "_ROUNDINGS", 0.0)
    found, said = Raced(PAIR), []
    race(PAIR, 1, said.append, found)
    assert not found.fair and found.timings["naive NumPy"].warm == [] and len(found.timings["dynsim"].warm) == 1
    assert "naive NumPy: differs from dynsim by" in " ".join(said)
    assert "failed: naive NumPy: differs" in document.markdown(document.Findings(False, 1, [found]))


# ---- limits and sizes ------------------------------------------------------------------------------------


def test_limits_are_measured():
    found = probe.measure(True)
    assert set(found) == {"call", "product", "exp", "add", "dgemm"}
    assert all(value > 0 for value in found.values())


def test_limits_come_from_their_own_processes():
    machine = limits.measure(True)
    assert min(machine.call, machine.product, machine.exp, machine.add, machine.dgemm, machine.dgemm_two) > 0


def test_the_bound_counts_what_the_plain_loop_does():
    problem = Problem("gaussian", hidden=5, dimension=3, points=7, steps=2)
    found = limits.bound(problem, MACHINE, 1)
    assert found.calls == 2 * (8 * 1.0 + 4 * 10.0)
    assert found.exp == 2 * 7 * 100.0
    assert found.passes == 2 * (4 * 5 * 7 + 3 * 5 * 3) * 1000.0
    assert found.products == pytest.approx(2 * 4 * 7 * 3 * 5 / 2e-5)
    assert found.seconds == pytest.approx(found.calls + found.exp + found.passes + found.products)
    many = limits.bound(replace(problem, ensemble=10, loss="hinge"), MACHINE, 2)
    assert (many.calls, many.exp) == (found.calls, 0.0)
    assert many.passes == pytest.approx(5 * found.passes)
    assert many.products == pytest.approx(10 * found.products)  # ten networks, two processes, half the rate


def test_one_size_is_doubled_at_a_time():
    for axis, (first, number) in scaling.AXES.items():
        found = scaling.problems(axis, False)
        assert [size for size, _ in found] == [first * 2**k for k in range(number)]
        for size, problem in found:
            assert replace(problem, **{axis: getattr(scaling.BASE, axis)}) == scaling.BASE
            assert getattr(problem, axis) == size


def curve(jax, torch):
    return scaling.Curve("hidden", [8, 16, 32, 64], {"dynsim": [1.0, 2.0, 4.0, 8.0], "JAX": jax, "torch": torch})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ([2.0, 3.0, 5.0, 9.0], "none of 8 ... 64"),
        ([0.5, 0.5, 0.5, 0.5], "all of 8 ... 64"),
        ([2.0, 3.0, 1.0, 1.0], "32 and more"),
        ([0.5, 1.0, 9.0, 9.0], "up to 16"),
        ([0.5, 3.0, 1.0, 9.0], "8, 32"),
    ],
)
def test_where_another_is_faster_is_read_off(seconds, text):
    found = scaling.sentences([curve(seconds, [9.0] * 4)])
    assert f"h: {text}" in found[0] and "h: none of 8 ... 64" in found[1]


def test_exponents_of_a_curve():
    found = curve([1.0, 1.0, 1.0, 4.0], [1.0] * 4)
    assert found.exponents("dynsim") == pytest.approx((1.0, 1.0))
    assert found.exponents("JAX")[1] == pytest.approx(2.0)


# ---- the document and the command ------------------------------------------------------------------------


def findings(**changes):
    values = {"raced": [raced()], "machine": MACHINE, "curves": [curve([1.0] * 4, [1.0] * 4)], "load": [0.1, 0.2]}
    return document.Findings(**{"quick": False, "repeats": 3, **values, **changes})


def test_the_document_holds_every_number():
    text = document.markdown(findings())
    assert text.isascii() and "{" not in text
    assert "| W1 | naive NumPy / dynsim | >= 2 | 2.5 | yes |" in text
    assert "| dynsim | 2 s | 1 s | 9 s | 1.5 s | - | reference | 0 |" in text
    assert "| naive NumPy | 5 s | 0.1 s | 6 s | 4.5 s | - | 3e-15 | 0 |" in text
    assert "| exponent | 1.00, 1.00 |" in text and "8 ufunc calls and 4 products" in text
    assert f"{100 * limits.bound(SMALL, MACHINE, 1).seconds / 2:.0f} %" in text
    for line in text.split("\n"):
        assert len(line) <= 116 or line.startswith("|")


@pytest.mark.parametrize(("cores", "text"), [(0.02, "used 0.02 cores meanwhile."), (0.5, "Not to be trusted.**")])
def test_the_document_says_how_busy_the_machine_was(cores, text):
    found = raced()
    found.others = cores
    shown = document.markdown(findings(raced=[found]))
    assert text in shown and shown.count("meanwhile") == 1
    assert ("| 2.5 | yes (disturbed) |" in shown) is (cores > 0.1)
    assert document.markdown(findings(others={"limits": cores, "scaling": cores})).count(text) == 2
    assert "meanwhile" not in document.markdown(findings())


def test_own_work_is_not_that_of_others(monkeypatch):
    """Two seconds pass; the machine worked for 3 core-seconds, and 1 of them was ours."""
    counts = {"_all": iter([10.0, 13.0, None]), "_own": iter([5.0, 6.0])}
    for name, values in counts.items():
        monkeypatch.setattr(neighbours, name, lambda values=values: next(values))
    clock = iter([100.0, 102.0])
    monkeypatch.setattr(neighbours.time, "perf_counter", lambda: next(clock))
    watch = neighbours.Watch()
    assert watch.others() == 1.0
    assert watch.others() is None


def test_columns_of_every_table_are_as_many():
    for block in document.markdown(findings()).split("\n\n"):
        bars = {line.count("|") for line in block.split("\n") if line.startswith("|")}
        assert len(bars) <= 1


def test_met_and_complete():
    assert findings().met and not findings(errors=["x"]).met
    missed = [raced(ours=[100.0])]
    assert not findings(raced=missed).met and findings(raced=missed, quick=True).met
    assert not findings(raced=[raced(failure="x")], quick=True).met
    assert not findings(raced=[Raced(PAIR)]).met  # nothing measured is not met
    full = [raced(workload=PAIR) for _ in WORKLOADS]
    assert findings(raced=full).complete
    assert not any(findings(**{"raced": full, key: True}).complete for key in ("quick", "interrupted"))
    assert not findings(raced=full[1:]).complete and not findings(raced=full, machine=None).complete


def test_only_a_complete_run_replaces_the_document():
    full = [raced() for _ in WORKLOADS]
    places = [command._default(findings(raced=found)).parent.name for found in (full, full[1:])]
    assert places == ["docs", "out"]


def test_a_missing_package_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda name: None)
    assert command.main(["--only", "W1"]) == command.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not installed: jax, torch;")


@pytest.mark.parametrize("arguments", [["--only", "W9"], ["--repeats", "0"], ["--repeats", "x"]])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == command.BAD_INPUT and "error: argument" in capsys.readouterr().err


def test_the_command_writes_what_it_measured(tmp_path, capsys):
    out = tmp_path / "found.md"
    assert command.main(["--quick", "--only", "limits", "--out", str(out)]) == command.MET
    assert "## The limit" in out.read_text(encoding="ascii") and "A quick run" in capsys.readouterr().out


def test_ctrl_c_keeps_what_was_measured(tmp_path, monkeypatch, capsys):
    def interrupted(workload, repeats, say, into):
        if workload.name == "W2":
            raise KeyboardInterrupt
        into.timings.update(raced().timings)

    monkeypatch.setattr(command, "race", interrupted)
    monkeypatch.setattr(processes, "missing", lambda contestants: [])
    out = tmp_path / "found.md"
    assert command.main(["--only", "W1", "W2", "--out", str(out)]) == command.INTERRUPTED
    text = out.read_text(encoding="ascii")
    assert "Interrupted" in text and "| naive NumPy / dynsim | >= 2.5 | 2.5 | yes |" in text
    assert "interrupted" in capsys.readouterr().err


def test_a_workload_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    def failing(workload, repeats, say, into):
        if workload.name == "W1":
            raise ContestantError("dynsim: no reference")
        into.timings.update(raced().timings)

    monkeypatch.setattr(command, "race", failing)
    monkeypatch.setattr(processes, "missing", lambda contestants: [])
    out = tmp_path / "found.md"
    assert command.main(["--only", "W1", "W4", "--quick", "--out", str(out)]) == command.MISSED
    text = out.read_text(encoding="ascii")
    assert "**Failed**: dynsim: no reference" in text and "## W4" in text
