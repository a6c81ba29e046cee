"""`compare` for the exact law of SGD: many runs, or one, against bands and values that are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dynsim import claims, coverage, grouping
from dynsim.checks import Floats
from dynsim.coverage import Coverage
from dynsim.floors import Floor, Part
from dynsim.judgement import Case, ClassVerdict, check_form, named_rule, same_rule
from dynsim.network import Network
from dynsim.theory import prediction
from dynsim.theory.prediction import Prediction
from dynsim.theory.solutions import RandomBatches
from dynsim.trajectory import Status, Trajectory

Mask = NDArray[np.bool_]


def law_of(theory: object) -> Prediction | None:
    """The exact law of SGD that a theory is: a prediction of it, or the table that one gives."""
    if isinstance(theory, Prediction):
        return theory if theory.law == "sgd" else None
    if not isinstance(theory, Trajectory) or theory.meta.get("law") != "sgd":
        return None
    start, data = theory.start, theory.data
    if start is None or data is None:
        return None
    law = prediction.predict(
        start, data, loss=theory.loss_name, law="sgd", lr=theory.lr, batch_size=theory.meta["batch_size"]
    )
    # A table that has been changed since is only a table.
    return law if np.array_equal(law.at(theory.time).logits, theory.logits) else None


def judge(theory: Prediction, run: Trajectory) -> tuple[Case, dict[str, ClassVerdict], str, str, Coverage | None]:
    """The case, the verdict by class and as a whole with its reason, and the counts behind it.

    Raises
    ------
    ValueError
        If the networks of the theory differ, or the points are not those of the run.
    """
    check_form("empirical", run)
    theory = _of_one_start(theory)
    groups = grouping.groups(run)
    contradiction = _contradiction(theory, run)
    shown, floor, within = _bands(theory, grouping.one_logit(run))
    case = Case(
        shown, grouping.one_logit(run), floor, within, theory.law, theory.equation, groups, contradiction,
        claims.OVERSHOT, (),
    )  # fmt: skip
    if contradiction:
        return case, _all(groups, "DISAGREES", contradiction), "DISAGREES", contradiction, None
    if why := _not_judged(theory, run):
        return case, _all(groups, "INCONCLUSIVE", why), "INCONCLUSIVE", why, None
    solution = theory.solution
    assert isinstance(solution, RandomBatches) and run.step is not None
    told = replace(run, start=theory.network, data=theory.data)
    # However many axes the ensemble has, its networks are so many runs.
    flat = run.logits.reshape(len(run.time), -1, *run.logits.shape[1 + len(run.ensemble) :])
    law, unit = solution.law(int(run.step[-1])), coverage.rounding_unit(told)
    found = coverage.coverage(replace(run, logits=flat), law, unit=unit)
    verdict, reason = found.verdict, found.reason
    if run.status == Status.DIVERGED and verdict != "DISAGREES":
        verdict, reason = "INCONCLUSIVE", f"{reason}; the run diverged"
    resolved = np.maximum(found.rate_resolution, found.frequency_resolution)
    by_class = {
        name: ClassVerdict(verdict, reason, float(size))
        for name, size in zip(groups, resolved, strict=True)
    }
    return case, by_class, verdict, reason, found


def _of_one_start(theory: Prediction) -> Prediction:
    """The law of one network, where the prediction was made for many copies of it."""
    network = theory.network
    if not network.ensemble:
        return theory
    flat = network.flat().parameters
    if any(np.any(a != a[:1]) for a in flat):
        raise ValueError("theory must be the law of one start, got networks that differ; compare one by one")
    one = Network.with_parameters(network, [a[0] for a in flat])
    return prediction.predict(one, theory.data, loss=theory.loss_name, law="sgd", lr=theory.lr, batch_size=1)


def _contradiction(theory: Prediction, run: Trajectory) -> str:
    if run.loss_name != theory.loss_name:
        return f"the theory is for {theory.loss_name}, the run was trained with {run.loss_name}"
    if not np.array_equal(run.labels, theory.data.y):
        return "theory and run have points of different classes"
    assert theory.lr is not None
    if run.lr is not None and not np.isclose(theory.lr, run.lr, rtol=1e-12):
        return f"the theory is that of lr = {theory.lr:g}, the run was trained with lr = {run.lr:g}"
    theirs = "the theory is that of batches of one point, drawn with replacement"
    if run.meta.get("batch_size") != 1:
        return f"{theirs}; the run has batches of {run.meta.get('batch_size') or 'all the points'}"
    if not same_rule(("gd", "replacement"), claims.rule_of(run)):
        return f"{theirs}; the run is one of {named_rule(claims.rule_of(run))}"
    return ""


def _not_judged(theory: Prediction, run: Trajectory) -> str:
    if not len(run.time):
        return "the run has no records"
    if theory.network.depth == 1:
        return "how rounding errors grow is not known for depth 1, where the classes share their weights"
    if run.step is None or "source" in run.meta:
        return "the exact law of SGD is held against every step of the networks themselves, not against a curve"
    return ""


def _bands(theory: Prediction, run: Trajectory) -> tuple[Trajectory, Floor, Mask]:
    """The median with its band at the run's times, and the band as a floor."""
    shape = run.logits.shape
    assert theory.lr is not None
    times = theory.lr * np.rint(run.time / theory.lr)
    said = theory.said(times if len(times) else np.zeros(1))
    if said.logits.shape[-1] != shape[-1]:
        raise ValueError(
            f"theory must give logits of {shape[-1]} points, as many as the run has, got {said.logits.shape[-1]}"
        )
    assert said.lower is not None and said.upper is not None
    curves = (a[: len(times)] for a in (said.logits, said.lower, said.upper))
    middle, lower, upper = (np.broadcast_to(_alike(a, shape), shape) for a in curves)
    with np.errstate(invalid="ignore"):
        # Infinite where the law diverges.
        size = np.maximum(upper - middle, middle - lower)
    part = Part("sampling noise", "the exact band of nine runs in ten", size)
    shown = replace(run, logits=middle, lower=lower, upper=upper, lr=theory.lr)
    return shown, Floor((part,), shape), np.asarray(run.time <= said.valid_until)


def _alike(values: Floats, shape: tuple[int, ...]) -> Floats:
    """(T, n) as (T, 1, ..., n)."""
    return values.reshape(len(values), *[1] * (len(shape) - values.ndim), values.shape[-1])


def _all(groups: dict[str, Mask], verdict: str, reason: str) -> dict[str, ClassVerdict]:
    return {name: ClassVerdict(verdict, reason, np.nan) for name in groups}
