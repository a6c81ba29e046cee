"""From a theory and a run to what can be judged: logits at common times, their floor, and a verdict a class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim import claims, floors, grouping, integration, second_order
from dynsim.checks import Floats
from dynsim.claims import Claim
from dynsim.floors import Floor, Part
from dynsim.theory.descent import System
from dynsim.trajectory import Status, Trajectory

#: AGREES is given only where a rate off by this much would have shown.
RESOLUTION = floors.RATE
#: A class has left the plateau once it has gained this share of the confidence it has to gain.
PLATEAU = 0.05
#: Halvings of lr for the step-size part: where 2 leave the comparison too blunt, up to 4.
_HALVINGS = (2, 3, 4)
#: Beyond so many times what may differ, a finer floor is not tried.
_HOPELESS = 100.0
#: The most steps of the exact map that sharpening the floor may cost.
_MOST_STEPS = 2_000_000


@dataclass(frozen=True, eq=False)
class Case:
    """Theory and run at the run's times, with the floor."""

    theory: Trajectory
    run: Trajectory
    floor: Floor
    within: NDArray[np.bool_]
    law: str
    equation: str
    groups: dict[str, NDArray[np.bool_]]
    contradiction: str
    outside: str
    notes: tuple[str, ...]
    response: Floats | None = None

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which logits are judged, shape (T, ..., n)."""
        finite = np.isfinite(self.floor.spread) & ~np.isnan(self.theory.logits) & ~np.isnan(self.run.logits)
        return np.asarray(finite & self.within.reshape(-1, *[1] * (finite.ndim - 1)))

    @property
    def judged_times(self) -> NDArray[np.bool_]:
        """The times at which some logit is judged, shape (T,)."""
        return some_of_each(self.judged)


class ClassVerdict(NamedTuple):
    """The verdict on one class."""

    verdict: str
    reason: str
    resolution: float
    excess: float = 0.0


def prepare(theory: Any, run: Trajectory, tolerance: float | None) -> Case:
    """Evaluate the theory at the run's times and derive the floor."""
    if not isinstance(run, Trajectory):
        raise ValueError(f"empirical must be a Trajectory, got {type(run).__name__}")
    for name, given in (("theory", theory), ("empirical", run)):
        if isinstance(given, Trajectory):
            check_form(name, given)
    groups, whole = grouping.groups(run), run
    run = grouping.one_logit(run)
    claim = claims.evaluate(theory, run, whole)
    if claims.rule_of(run) not in (("gd", "replacement"), claims.NOT_TOLD):
        # No exact map describes the run's steps.
        claim = claim._replace(system=None)
    if claim.logits.shape != run.logits.shape:
        raise ValueError(
            f"theory must give logits of shape {run.logits.shape}, the run's (times, ..., points), "
            f"got {claim.logits.shape}"
        )
    contradiction = _contradiction(claim, run)
    within = claim.within & _finite_rows(run)
    nearest, open_ = floors.two_sided(run, claim.logits)
    run = replace(run, logits=nearest)
    shown = Trajectory(run.time, claim.logits, run.labels, run.weights, run.loss_name, lr=claim.lr)
    if claim.source is not None and claim.source.lower is not None and claim.source.upper is not None:
        shown = replace(shown, lower=claim.source.lower, upper=claim.source.upper)
    base = _base_floor(claim, run, open_, tolerance)
    told = (claim.law, claim.equation, groups, contradiction, claim.outside, ())
    case = Case(shown, run, base, within, *told)
    return _with_dynamics(case, claim)


def check_form(name: str, run: Trajectory) -> None:
    """Refuse a trajectory whose networks have different clocks or weights."""
    if run.time.ndim > 1 or run.weights.ndim > 1:
        what = "lr" if run.time.ndim > 1 else "set of weights"
        raise ValueError(f"{name} must have one {what} for all its networks; compare one by one, run.member(i)")


def _finite_rows(run: Trajectory) -> NDArray[np.bool_]:
    return some_of_each(~np.isnan(run.logits))


def some_of_each(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any entry of each row is true, for no rows too."""
    return np.asarray(values.any(axis=tuple(range(1, values.ndim))), dtype=bool)


# ---- the floor -------------------------------------------------------------------------------------------


def _contradiction(claim: Claim, run: Trajectory) -> str:
    if claim.loss_name != run.loss_name:
        return f"the theory is for {claim.loss_name}, the run was trained with {run.loss_name}"
    if claim.labels.shape != run.labels.shape or not np.array_equal(claim.labels, run.labels):
        return "theory and run have points of different classes"
    if claim.lr is not None and run.lr is not None and not np.isclose(claim.lr, run.lr, rtol=1e-12):
        return f"the theory is that of lr = {claim.lr:g}, the run was trained with lr = {run.lr:g}"
    if claim.lr is not None and not same_rule(claim.rule, claims.rule_of(run)):
        named = named_rule(claims.rule_of(run))
        return f"the theory is the map of {named_rule(claim.rule)}, the run is one of {named}"
    if claim.order is None and claim.lr is not None and run.lr is None:
        position = run.time / claim.lr
        if np.any(np.abs(position - np.rint(position)) > 1e-6 * np.maximum(1.0, 1e-6 * position)):
            return f"the theory is the map of lr = {claim.lr:g}, the run's times are not multiples of it"
    return ""


def same_rule(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two rules are the same, as far as both are told."""
    return one == other or claims.NOT_TOLD in (one, other)


def named_rule(rule: tuple[str, str]) -> str:
    """A rule in words."""
    if rule == ("gd", "epochs"):
        return "SGD in epochs"
    return {"flow": "the gradient flow", "gd": "gradient descent"}.get(rule[0], rule[0])


def _base_floor(claim: Claim, run: Trajectory, open_: NDArray[np.bool_], tolerance: float | None) -> Floor:
    parts = list(claim.parts)
    if (rounding := floors.source_rounding(run, open_)) is not None:
        parts.append(rounding)
    if tolerance is not None:
        parts.append(Part("tolerance", "given", np.full(run.logits.shape, tolerance)))
    return Floor(tuple(parts), run.logits.shape)


def _with_dynamics(case: Case, claim: Claim) -> Case:
    """Add what step size, sampling and round-off can do, as sharply as the verdict needs it."""
    # A law that diverges is inf and then NaN: such times are not judged, and need no warning.
    with np.errstate(all="ignore"):
        return _sharpened(case, claim)


def _sharpened(case: Case, claim: Claim) -> Case:
    run = case.run
    if not len(run.time):
        return case
    if integration.is_flow(run):
        return replace(case, floor=Floor((*case.floor.parts, integration.part(run)), case.floor.shape))
    if claim.system is None:
        known = claim.order is None and run.meta.get("batch_size") is None
        complete = known or any(part.name == "tolerance" for part in case.floor.parts)
        parts = (*case.floor.parts, floors.plain_rounding(run, claim.lr)) if known else case.floor.parts
        return replace(case, floor=Floor(parts, case.floor.shape, complete=complete))
    lr = run.lr if run.lr is not None else claim.lr
    terms = claim.terms or (0 if run.start is None else run.start.hidden + run.start.dimension)
    if run.time[-1] == 0.0:
        noise = _noise(claim.system, run, lr or 1.0, np.zeros(1, dtype=np.int64), terms)
        return replace(case, floor=Floor((*case.floor.parts, *noise), case.floor.shape))
    if lr is None:
        return _without_lr(case, claim.system, terms)
    steps = np.rint(run.time / lr).astype(np.int64)
    if np.any(np.diff(steps) <= 0):
        # Records closer than lr: only beside a map of another lr, which is a contradiction already.
        return case
    return _with_steps(case, claim, claim.system, float(lr), steps, terms)


def _with_steps(
    case: Case, claim: Claim, system: System, lr: float, steps: NDArray[np.int64], terms: int
) -> Case:
    """The floor of a run whose steps are known."""
    run = case.run
    sound = run.time <= floors.sound_until(system, run, lr, int(steps[-1]))
    case = replace(case, response=floors.response(system, run, lr, steps))
    case = replace(case, within=case.within & sound, outside=case.outside if np.all(sound) else claims.OVERSHOT)
    # The extrapolation of a flow over several step sizes multiplies rounding errors by up to 16.
    parts = (*case.floor.parts, *_noise(system, run, lr, steps, terms, 1.0 if claim.order is None else 16.0))
    sharper = replace(case, floor=Floor(parts, case.floor.shape))
    if claim.order is None:
        return sharper
    if claim.order == 2:
        beyond = second_order.step_size(system, run, lr, steps)
        return replace(case, floor=Floor((*parts, *beyond), case.floor.shape))
    for level in _HALVINGS:
        shift, rest = floors.step_size(system, run, lr, steps, level)
        sharper = replace(case, floor=Floor((*parts, shift, rest), case.floor.shape))
        without = replace(case, floor=Floor((*parts, shift), case.floor.shape))
        if _settled(sharper, without) or steps[-1] * 2 ** (level + 2) > _MOST_STEPS:
            break
    return sharper


def _without_lr(case: Case, system: System, terms: int) -> Case:
    """The floor of a curve whose lr is not known, from the largest that its records allow."""
    run = case.run
    bound = floors.largest_lr(run)
    steps, back = np.unique(np.rint(run.time / bound).astype(np.int64), return_inverse=True)
    time = np.asarray(bound * steps, dtype=np.float64)
    at = replace(run, time=time, logits=run.logits[np.unique(back, return_index=True)[1]], step=None)
    noise = [part._replace(size=part.size[back]) for part in _noise(system, at, bound, steps, terms)]
    parts = (*case.floor.parts, *noise, floors.unknown_step_size(system, run, 2))
    response = floors.response(system, at, bound, steps)[back]
    return replace(case, floor=Floor(parts, case.floor.shape), response=response)


def _noise(
    system: System, run: Trajectory, lr: float, steps: NDArray[np.int64], terms: int, times: float = 16.0
) -> list[Part]:
    out = [floors.round_off(system, run, lr, steps, times * floors.rounding_unit(run, terms))]
    if (size := run.meta.get("batch_size")) is not None:
        out += floors.sampling(system, run, lr, steps, int(size))
    return out


def _settled(case: Case, without: Case) -> bool:
    """Whether a finer extrapolation could not change the verdict; `without` lacks what the extrapolation left."""
    found, best = (by_class(c, c.theory.logits + c.floor.shift, c.floor.spread) for c in (case, without))
    return all(
        v.excess > _HOPELESS
        or (v.verdict != "DISAGREES" and (v.resolution <= RESOLUTION or best[name].resolution > RESOLUTION))
        for name, v in found.items()
    )


# ---- the verdict -----------------------------------------------------------------------------------------


def by_class(case: Case, expected: Floats, spread: Floats) -> dict[str, ClassVerdict]:
    """The verdict on every class that has points."""
    return {
        name: _class_verdict(case, expected, spread, mask) for name, mask in case.groups.items()
    }


def _class_verdict(case: Case, expected: Floats, spread: Floats, mask: NDArray[np.bool_]) -> ClassVerdict:
    judged = case.judged[..., mask]
    if not judged.any():
        return ClassVerdict("INCONCLUSIVE", _nothing_judged(case, mask), np.inf)
    run, centre, allowed = case.run.logits[..., mask], expected[..., mask], spread[..., mask]
    with np.errstate(invalid="ignore"):
        # Equal infinities do not differ.
        difference = np.where(run == centre, 0.0, np.abs(run - centre))
        beyond = np.where(judged, difference - allowed, -np.inf)
    resolution = _resolution(case, centre, allowed, judged, mask)
    if beyond.max() > 0:
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = float(np.nanmax(np.where(beyond > 0, beyond / allowed, 0.0)))
        return ClassVerdict(*_disagreement(case, run, centre, allowed, beyond), resolution, excess)
    if (missing := int(np.sum(np.isnan(case.theory.logits[..., mask]) & ~np.isnan(run) & _rows(case, run)))) > 0:
        return ClassVerdict("INCONCLUSIVE", f"the theory gives no number for {missing} recorded logits", resolution)
    if reason := _no_progress(case, mask):
        return ClassVerdict("INCONCLUSIVE", reason, resolution)
    if not resolution <= RESOLUTION:
        return ClassVerdict("INCONCLUSIVE", _too_blunt(case, judged, mask, resolution), resolution)
    return ClassVerdict(
        "AGREES", f"within the floor; a rate off by {100 * resolution:.2g} % would have shown", resolution
    )


def _too_blunt(case: Case, judged: NDArray[np.bool_], mask: NDArray[np.bool_], resolution: float) -> str:
    sizes = {p.name: np.max(np.abs(p.size[..., mask][judged])) for p in case.floor.parts if not p.signed}
    cause = max(sizes, key=lambda name: float(sizes[name])) if sizes else "too few records"
    hidden = f"{100 * resolution:.2g} %" if np.isfinite(resolution) else "any factor"
    return f"the floor (mostly {cause}) would hide a rate off by {hidden}"


def _nothing_judged(case: Case, mask: NDArray[np.bool_]) -> str:
    if not case.within.any():
        return case.outside if len(case.within) else "the run has no records"
    if not np.isfinite(case.run.logits[..., mask][case.within]).any():
        return "the run's logits are not finite"
    worn = any(p.name == "round-off" and np.isinf(p.size[..., mask]).any() for p in case.floor.parts)
    if worn:
        return "rounding errors have grown too large to judge any time"
    return "the floor has no bound at any time: the step is too large for this law"


def _disagreement(case: Case, run: Floats, centre: Floats, allowed: Floats, beyond: Floats) -> tuple[str, str]:
    k = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    size, may = float(np.abs(run[k] - centre[k])), float(allowed[k])
    where = f"at t = {case.run.time[k[0]]:.6g}"
    if not case.floor.complete:
        return "INCONCLUSIVE", (
            f"the logits differ by {size:.3g} {where}, and what the step size does is not known for this theory "
            "and run; give tolerance="
        )
    return "DISAGREES", f"{where} {size:.3g} of the logits' difference is not explained, {may:.3g} could be"


def _rows(case: Case, like: Floats) -> NDArray[np.bool_]:
    return case.within.reshape(-1, *[1] * (like.ndim - 1))


def _resolution(
    case: Case, centre: Floats, allowed: Floats, judged: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> float:
    """The smallest relative change of rate that moves some judged logit by more than it may differ."""
    if case.response is not None:
        moved = case.response[..., mask] / floors.RATE
    else:
        moved = _secants(case, centre)
    usable = judged & np.isfinite(moved) & (moved > 0)
    needed = np.divide(allowed, moved, out=np.full(allowed.shape, np.inf), where=usable)
    # The points of a class share their dynamics, the networks of an ensemble do not: the bluntest of them counts.
    return float(np.max(np.min(needed, axis=(0, -1)), initial=0.0))


def _secants(case: Case, centre: Floats) -> Floats:
    """t times the smaller of the two slopes to the neighbouring records: where there is no exact map to ask."""
    rows = case.judged_times
    t, u = case.run.time[rows], centre[rows]
    out = np.zeros(centre.shape)
    if len(t) < 3:
        return out
    with np.errstate(all="ignore"):
        slope = np.abs(np.diff(u, axis=0)) / np.diff(t).reshape(-1, *[1] * (u.ndim - 1))
    inner = np.zeros(u.shape)
    inner[1:-1] = np.minimum(slope[:-1], slope[1:]) * t[1:-1].reshape(-1, *[1] * (u.ndim - 1))
    out[rows] = inner
    return out


def _no_progress(case: Case, mask: NDArray[np.bool_]) -> str:
    """Why nothing can be said of a class of which nothing is learnt while it is judged; empty otherwise."""
    loss = case.run.loss_function
    judged = case.judged[..., mask]
    curves = {"in the run": case.run.margin, "in the theory": case.run.labels * case.theory.logits}
    for where, curve in curves.items():
        confidence = loss.confidence(curve[..., mask])
        first = np.take_along_axis(confidence, np.argmax(judged, axis=0)[None], axis=0)[0]
        start = np.where(judged.any(axis=0), first, np.nan)
        best = np.max(np.where(judged, confidence, -np.inf), axis=0)
        if np.any(np.all(start >= 1.0, axis=-1)):
            return "the class was learnt before the first judged time: nothing was left to learn"
        gained = (best - start) / np.maximum(1.0 - start, 1e-300)
        # A logit of exactly 0 that was another one is that of units which have died: the law's own end.
        margin = curve[..., mask]
        died = np.any(judged & (margin != 0.0), axis=0) & np.any(judged & (margin == 0.0), axis=0)
        if not np.all(np.any((gained >= PLATEAU) | died, axis=-1)):
            return f"the class never left the plateau {where}: nothing was learnt yet"
    return ""


def overall(case: Case, found: dict[str, ClassVerdict]) -> tuple[str, str]:
    """The verdict on the whole: every class has to agree."""
    if case.contradiction and case.judged.any():
        return "DISAGREES", case.contradiction
    for verdict in ("DISAGREES", "INCONCLUSIVE"):
        classes = {name: v for name, v in found.items() if v.verdict == verdict}
        if classes:
            return verdict, _named(classes) + (_after_divergence(case) if verdict == "INCONCLUSIVE" else "")
    if case.run.status == Status.DIVERGED:
        return "INCONCLUSIVE", "the run diverged; what it recorded before is within the floor"
    worst = max(v.resolution for v in found.values())
    return "AGREES", f"within the floor for every class; a rate off by {100 * worst:.2g} % would have shown"


def _named(classes: dict[str, ClassVerdict]) -> str:
    reasons = {v.reason for v in classes.values()}
    if len(reasons) == 1 and len(classes) > 1:
        return reasons.pop()
    return "; ".join(f"class {name}: {v.reason}" for name, v in classes.items())


def _after_divergence(case: Case) -> str:
    return "; the run diverged" if case.run.status == Status.DIVERGED else ""


def rows_of(run: Trajectory, rows: NDArray[Any]) -> Trajectory:
    """The trajectory at some of its times."""
    return replace(
        run,
        time=run.time[rows],
        logits=run.logits[rows],
        step=None if run.step is None else run.step[rows],
        lower=None if run.lower is None else run.lower[rows],
        upper=None if run.upper is None else run.upper[rows],
        mean=None if run.mean is None else run.mean[rows],
    )
