"""`compare`: theory against experiment, with the floor below which a difference means nothing, and a verdict."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, judgement, random_runs, report
from dynsim.assumptions import Assumptions
from dynsim.checks import Floats
from dynsim.coverage import Coverage
from dynsim.floors import Floor
from dynsim.theory.prediction import Prediction
from dynsim.trajectory import Trajectory, first_crossing

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

Theory = Prediction | Trajectory | Callable[[Floats], ArrayLike]

#: Confidences at which theory and run are compared along the time axis.
LEVELS = (0.6, 0.75, 0.9, 0.99)
QUANTITIES = ("logit", "confidence", "error", "loss")


class Verdict(enum.StrEnum):
    """What a comparison says of the theory."""

    AGREES = "AGREES"
    DISAGREES = "DISAGREES"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Row:
    """One quantity of one group of points ("all" or a class), over the judged times.

    sup, rms: of theory minus run. relative: sup over the largest size of the theory's curve. floor: how large the
    difference may be at most although the theory is right. unexplained: what is left of sup once the part of the
    floor that is known in sign (the step size) is taken away.
    """

    quantity: str
    group: str
    sup: float
    rms: float
    relative: float
    floor: float
    unexplained: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Theory against experiment.

    Attributes
    ----------
    verdict : Verdict
    reason : str
        Why, in one sentence.
    by_class : mapping of str to (Verdict, str)
        The same for each class.
    rows : tuple of Row
    time_shift : mapping of str to mapping of float to float
        For each class and each confidence .6 .75 .9 .99: when the theory's mean confidence gets there minus when
        the run's does, in units of lr x step; NaN where one of them does not.
    resolution : float
        The smallest relative change of the rate that would have shown.
    band_coverage : float or None
        Share of the judged logits inside the theory's band, where it has one.
    coverage : Coverage or None
        For the law "sgd": how many runs lie inside its bands at each time, and the binomial tests of it.
    parts : mapping of str to (float, str)
        The parts of the floor: how much each accounts for at most, in logits, and where it comes from.
    assumptions : Assumptions or None
        What the theory's law rests on.
    law, equation, loss_name : str
    theory, empirical : Trajectory
        Both at the judged times; for C classes the log-odds of each point's own class, as those of label +1.
    groups : mapping of str to ndarray of bool, shape (n,)
        Which points are those of a class.
    expected, spread : ndarray, shape (T, ..., n)
        Where the run's logits are expected if the theory is right, and how far from there they may be.
    """

    verdict: Verdict
    reason: str
    by_class: Mapping[str, tuple[Verdict, str]]
    rows: tuple[Row, ...]
    time_shift: Mapping[str, Mapping[float, float]]
    resolution: float
    parts: Mapping[str, tuple[float, str]]
    law: str
    equation: str
    theory: Trajectory
    empirical: Trajectory
    expected: Floats
    spread: Floats
    groups: Mapping[str, NDArray[np.bool_]]
    assumptions: Assumptions | None = None
    band_coverage: float | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)
    coverage: Coverage | None = None

    @property
    def loss_name(self) -> str:
        """The loss of the run."""
        return self.empirical.loss_name

    def _table(self, name: str) -> dict[str, dict[str, float]]:
        out: dict[str, dict[str, float]] = {}
        for row in self.rows:
            out.setdefault(row.quantity, {})[row.group] = getattr(row, name)
        return out

    @property
    def sup(self) -> dict[str, dict[str, float]]:
        """sup \\|theory - run\\| by quantity and group: `sup["logit"]["all"]`."""
        return self._table("sup")

    @property
    def rms(self) -> dict[str, dict[str, float]]:
        """Root mean square difference, by quantity and group."""
        return self._table("rms")

    @property
    def relative(self) -> dict[str, dict[str, float]]:
        """sup over the largest size of the theory's curve, by quantity and group."""
        return self._table("relative")

    @property
    def floor(self) -> dict[str, dict[str, float]]:
        """The largest difference that a right theory may show, by quantity and group."""
        return self._table("floor")

    def __str__(self) -> str:
        return report.text(self)

    def _repr_html_(self) -> str:
        return report.html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return report.plain(self)

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write `to_dict` to a file."""
        report.write_json(Path(path), self.to_dict())

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a quantity and group; needs pandas, the extra `pandas`."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe needs pandas: pip install dynsim[pandas]") from error
        return pandas.DataFrame([vars(row) for row in self.rows])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both confidences over time."""
        from dynsim import plotting

        return plotting.comparison(self, ax)


def compare(theory: Theory, empirical: Trajectory, *, tolerance: float | None = None) -> Comparison:
    """Hold a theory against a run.

    Parameters
    ----------
    theory : Prediction, Trajectory or callable
        A Prediction is evaluated at the run's times. A Trajectory is interpolated, only inside its own range of
        times. A callable takes times (T,) and returns logits (T, ..., n). A callable, and a Trajectory without lr,
        is taken as a flow: the effect of the step size is allowed for.
    empirical : Trajectory
        From `train`, or `Trajectory.from_arrays` for a curve measured elsewhere.
    tolerance : float, optional
        An additional difference of the logits to allow, for what the floor cannot know (measurement noise).

    Returns
    -------
    Comparison
        Its verdict is AGREES only if every logit of every class lies, at every judged time, where a right theory
        would put it, and if the comparison was sharp enough to mean something: the class has left the plateau, and
        a rate off by 2 % would have shown. It is DISAGREES where a logit lies beyond its floor, or where theory and
        run speak of different losses, labels or learning rates; INCONCLUSIVE, with the reason, otherwise.

    Raises
    ------
    ValueError
        If the theory has another number of points, or logits of another shape.

    Notes
    -----
    See docs/verdict.md for what the verdict means and what it does not, `dynsim.floors` for the floor.
    """
    if (law := random_runs.law_of(theory)) is not None:
        return _random(law, empirical, tolerance)
    allowed = None
    if tolerance is not None:
        given = checks.nonnegative("tolerance", tolerance)
        if given.ndim:
            raise ValueError(f"tolerance must be one number, got shape {given.shape}")
        allowed = float(given)
    case = judgement.prepare(theory, empirical, allowed)
    expected, spread = case.theory.logits + case.floor.shift, case.floor.spread
    by_class = judgement.by_class(case, expected, spread)
    verdict, reason = judgement.overall(case, by_class)
    # Infinite logits, in the theory or in the run, are shown as they are.
    with np.errstate(invalid="ignore"):
        return _comparison(theory, case, expected, spread, by_class, verdict, reason)


def _random(theory: Prediction, run: Trajectory, tolerance: float | None) -> Comparison:
    """The exact law of SGD against one run or many."""
    if tolerance is not None:
        raise ValueError(f"tolerance must be None for law 'sgd', which is exact, got {tolerance!r}")
    checks.instance("empirical", run, Trajectory)
    case, by_class, verdict, reason, found = random_runs.judge(theory, run)
    # Infinite logits, in the theory or in the run, are shown as they are.
    with np.errstate(invalid="ignore"):
        out = _comparison(theory, case, case.theory.logits, case.floor.spread, by_class, verdict, reason)
    if found is None:
        return out
    # Counted with the rounding of the margins: the edges of a band are values that runs take.
    nine = found.inside[..., np.argmin(np.abs(found.levels - 0.9))]
    return replace(out, coverage=found, band_coverage=float(np.mean(nine) / found.runs) if nine.size else None)


def _comparison(
    theory: Theory,
    case: judgement.Case,
    expected: Floats,
    spread: Floats,
    by_class: dict[str, judgement.ClassVerdict],
    verdict: str,
    reason: str,
) -> Comparison:
    judged = case.judged_times
    run, claim = judgement.rows_of(case.run, judged), judgement.rows_of(case.theory, judged)
    return Comparison(
        Verdict(verdict),
        reason,
        {name: (Verdict(v.verdict), v.reason) for name, v in by_class.items()},
        tuple(_rows(case, claim, run, expected[judged], spread[judged])),
        _time_shift(case, claim, run),
        max((v.resolution for v in by_class.values()), default=np.inf),
        _parts(case.floor, judged),
        case.law,
        case.equation,
        claim,
        run,
        expected[judged],
        spread[judged],
        case.groups,
        theory.assumptions if isinstance(theory, Prediction) else None,
        _coverage(claim, run),
        _notes(case),
    )


def _notes(case: judgement.Case) -> tuple[str, ...]:
    judged, all_of = int(case.judged_times.sum()), len(case.judged_times)
    worn = tuple(note for name, mask in case.groups.items() if (note := _worn(case, name, mask)))
    if judged == all_of:
        return (*case.notes, *worn)
    lost = int(case.within.sum()) - judged
    why = f", {lost} of them lost to a floor without bound" if lost else ""
    return (*case.notes, *worn, f"judged at {judged} of {all_of} recorded times{why}")


def _worn(case: judgement.Case, name: str, mask: NDArray[np.bool_]) -> str:
    """When rounding errors have taken a class over, as they do where its dynamics amplify them."""
    lost = [np.isinf(part.size[..., mask]) for part in case.floor.parts if part.name == "round-off"]
    rows = judgement.some_of_each(np.any(lost, axis=0)) & case.within if lost else np.zeros(1, dtype=bool)
    if not rows.any():
        return ""
    begin, end = case.run.time[np.argmax(rows)], case.run.time[case.within][-1]
    return f"class {name}: from t = {begin:.6g} (of {end:.6g}) on rounding errors are too large to judge"


def _parts(floor: Floor, judged: Any) -> dict[str, tuple[float, str]]:
    out = {}
    for part in floor.parts:
        size = np.abs(part.size[judged])
        out[part.name] = (float(size.max(initial=0.0, where=np.isfinite(size))), part.source)
    return out


def _groups(case: judgement.Case) -> dict[str, Any]:
    return {"all": np.ones(len(case.run.labels), dtype=bool)} | case.groups


def _rows(case: judgement.Case, claim: Trajectory, run: Trajectory, expected: Floats, spread: Floats) -> list[Row]:
    if not len(run.time):
        return []
    y = run.labels
    centre = y * expected
    # What has a floor without bound is not judged, and not counted.
    finite = np.where(np.isfinite(spread), spread, np.nan)
    curves = [y * claim.logits, run.margin, centre, centre - finite, centre + finite]
    curves = [np.where(np.isnan(finite), np.nan, curve) for curve in curves]
    out = []
    for quantity in QUANTITIES:
        values = [_quantity(quantity, run, m) for m in curves]
        for name, mask in _groups(case).items():
            theory, measured, mid, low, high = (_of_group(quantity, v, mask, run.weights) for v in values)
            difference = np.abs(theory - measured)
            allowed = np.abs(mid - theory) + np.maximum(np.abs(high - mid), np.abs(low - mid))
            sup, size = _largest(difference), _largest(np.abs(theory))
            rms = float(np.sqrt(np.nanmean(difference**2))) if sup == sup else np.nan
            relative = sup / size if size else (0.0 if sup == 0 else np.inf)
            unexplained = _largest(np.abs(mid - measured))
            out.append(Row(quantity, name, sup, rms, relative, _largest(allowed), unexplained))
    return out


def _largest(values: Floats) -> float:
    return float(np.nanmax(values)) if np.any(~np.isnan(values)) else np.nan


def _quantity(name: str, run: Trajectory, margin: Floats) -> Floats:
    loss = run.loss_function
    curve: Callable[[Floats], Floats] = {
        "logit": lambda m: m,
        "confidence": loss.confidence,
        "error": loss.error,
        "loss": loss.value,
    }[name]
    return np.asarray(curve(margin))


def _of_group(quantity: str, values: Floats, mask: Any, weights: Floats) -> Floats:
    if quantity != "loss":
        return np.asarray(values[..., mask])
    share = weights[mask] / weights[mask].sum() if weights[mask].sum() > 0 else weights[mask]
    return np.asarray(values[..., mask] @ share)


def _time_shift(case: judgement.Case, claim: Trajectory, run: Trajectory) -> dict[str, dict[float, float]]:
    out: dict[str, dict[float, float]] = {}
    for name, mask in _groups(case).items():
        if name == "all" or not len(run.time):
            continue
        curves = [c.confidence[..., mask].reshape(len(c.time), -1).mean(-1) for c in (claim, run)]
        out[name] = {
            level: float(first_crossing(run.time, curves[0], level) - first_crossing(run.time, curves[1], level))
            for level in LEVELS
        }
    return out


def _coverage(claim: Trajectory, run: Trajectory) -> float | None:
    if claim.lower is None or claim.upper is None or not run.logits.size:
        return None
    return float(np.mean((run.logits >= claim.lower) & (run.logits <= claim.upper)))
