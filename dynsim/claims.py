"""What a theory says at the times of a run, whatever form the theory comes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from dynsim import checks, integration
from dynsim.checks import AssumptionError, Floats
from dynsim.floors import Part
from dynsim.grouping import one_logit
from dynsim.theory import prediction
from dynsim.theory.descent import System
from dynsim.theory.prediction import Prediction
from dynsim.theory.solutions import Flow
from dynsim.trajectory import Trajectory

#: Two interpolants of a sparse table may be nearer to each other than to the curve; by less than this factor.
_SAFETY = 10.0
#: Why a prediction may have nothing to say at any recorded time.
OVERSHOT = "theory not applicable: margins above 1 pull backwards, and the law is not known to hold from there on"


#: Laws that are not flows, to which gradient descent comes as lr.
_ORDER: dict[Any, int | None] = {"gradient_descent": None, "sgd": None, "modified_flow": 2}


class Claim(NamedTuple):
    """What the theory says at the run's times, and what is needed to derive its floor.

    order: the power of lr to which gradient descent differs from it; None for an exact map, which it does not.
    """

    logits: Floats
    within: NDArray[np.bool_]
    system: System | None
    order: int | None
    lr: float | None
    loss_name: str
    labels: Floats
    law: str
    equation: str
    parts: tuple[Part, ...]
    source: Trajectory | None = None
    terms: int = 0
    outside: str = "no overlap in time"
    rule: tuple[str, str] = ("gd", "replacement")


#: The rule of a curve from elsewhere, which does not say: taken for gradient descent, but contradicts no other.
NOT_TOLD = ("", "")


def rule_of(run: Trajectory) -> tuple[str, str]:
    """By which rule the weights moved: the optimizer, and how batches are drawn."""
    if "optimizer" not in run.meta and "source" in run.meta:
        return NOT_TOLD
    return str(run.meta.get("optimizer", "gd")), str(run.meta.get("sampling", "replacement"))


def evaluate(theory: Any, run: Trajectory, whole: Trajectory) -> Claim:
    """What a theory of any form says at the run's times; `whole` is the run with the logits of all classes."""
    if isinstance(theory, Prediction):
        return _of_prediction(theory, run)
    if isinstance(theory, Trajectory):
        return _of_trajectory(one_logit(theory), run)
    if callable(theory):
        return _of_callable(theory, run, whole)
    raise ValueError(
        f"theory must be a Prediction, a Trajectory or a callable time -> logits, got {type(theory).__name__}"
    )


def _of_prediction(theory: Prediction, run: Trajectory) -> Claim:
    parts: tuple[Part, ...] = ()
    valid = np.inf
    if not len(run.time):
        logits = np.empty((0, *theory.said(np.zeros(1)).logits.shape[1:]))
    elif theory.law == "gradient_descent":
        logits, valid, parts = _map_at(theory, run.time)
    else:
        found = theory.said(run.time)
        logits, valid = found.logits, found.valid_until
        parts = (_evaluation(theory, run.time, logits),)
    return Claim(
        logits,
        np.asarray(run.time <= valid),
        theory.system,
        _ORDER.get(theory.law, 1),
        theory.lr,
        theory.loss_name,
        theory.data.y if theory.data.classes is None else np.ones(len(theory.data)),
        theory.law,
        theory.equation,
        parts,
        terms=theory.network.hidden + theory.network.dimension,
        outside=OVERSHOT,
    )


def _map_at(theory: Prediction, time: Floats) -> tuple[Floats, float, tuple[Part, ...]]:
    """The exact map at any times: at its own steps, and linear between them where the run has others."""
    assert theory.lr is not None
    position = time / theory.lr
    nearest = np.rint(position)
    if np.all(np.abs(position - nearest) <= 1e-6):
        found = theory.said(theory.lr * nearest) if np.all(np.diff(nearest) > 0) else None
        if found is not None:
            return found.logits, found.valid_until, ()
    below = np.floor(position)
    steps = np.unique(np.append(below, below + 1))
    found = theory.said(theory.lr * steps)
    low = found.logits[np.searchsorted(steps, below)]
    high = found.logits[np.searchsorted(steps, below + 1)]
    share = (position - below).reshape(-1, *[1] * (low.ndim - 1))
    part = Part("interpolation", f"between steps of the theory's lr = {theory.lr:g}", high - low)
    return low + share * (high - low), found.valid_until, (part,)


def _evaluation(theory: Prediction, time: Floats, logits: Floats) -> Part:
    if not isinstance(theory.solution, Flow):
        return Part("evaluation", "relative accuracy 1e-12 of the closed form", 1e-12 * np.abs(logits))
    looser = theory.solution.integrated(time, 1e-10).logits
    size = np.maximum.accumulate(np.abs(looser - logits), axis=0) + 1e-12 * np.abs(logits)
    return Part("evaluation", "the flow integrated with rtol 1e-10 against 1e-12", size)


def _of_trajectory(theory: Trajectory, run: Trajectory) -> Claim:
    ends = theory.time[[0, -1]] if len(theory.time) else np.array([np.inf, -np.inf])
    within = (run.time >= ends[0]) & (run.time <= ends[1])
    shape = (len(run.time), *theory.logits.shape[1:])
    logits, error = np.full(shape, np.nan), np.zeros(shape)
    if not within.any():
        within = np.zeros(len(run.time), dtype=bool)
    elif np.all(np.isin(run.time[within], theory.time)):
        logits[within] = theory.logits[np.searchsorted(theory.time, run.time[within])]
    elif len(theory.time) > 3:
        logits[within], error[within] = _interpolated(theory, run.time[within])
    else:
        within = within & np.isin(run.time, theory.time)
        logits[within] = theory.logits[np.searchsorted(theory.time, run.time[within])]
    parts: tuple[Part, ...] = (Part("interpolation", "the theory's table against every second row of it", error),)
    if (origin := _origin(theory)) is not None and within.any():
        size = np.zeros(shape)
        size[within] = _evaluation(origin, run.time[within], logits[within]).size
        parts += (Part("evaluation", f"accuracy of law {origin.law!r}, from which the table comes", size),)
    if integration.is_flow(theory) and within.any():
        whole = integration.part(theory)
        parts += (whole._replace(name="integration of the theory", size=np.zeros(shape) + whole.size.max(axis=0)),)
    return Claim(
        logits,
        within,
        # Medians of random runs are no map's logits.
        None if theory.meta.get("law") == "sgd" else _reference(theory) or _reference(run),
        _ORDER.get(theory.meta.get("law"), 1 if theory.lr is None else None),
        theory.lr,
        theory.loss_name,
        theory.labels,
        str(theory.meta.get("law", "given as a table")),
        str(theory.meta.get("equation", "")),
        parts,
        theory if np.array_equal(theory.time, run.time) else None,
        rule=rule_of(theory),
    )


def _interpolated(theory: Trajectory, time: Floats) -> tuple[Floats, Floats]:
    """The table between its times, and what that may be wrong by.

    Measured by a table with every second row only, at the places asked for and at the rows around them. Its
    intervals are wider by a factor r; with an error of order 2 at least, it is off by r^2 times as much, and the
    difference of the two is r^2 - 1 times the error asked for, which matters where r is near 1.
    """
    found = PchipInterpolator(theory.time, theory.logits)(time)
    last = len(theory.time) - 1
    half = np.append(np.arange(0, last - 1, 2), last)
    coarse = PchipInterpolator(theory.time[half], theory.logits[half])
    # At its own rows the coarse table is right by construction, and near them by accident: look around.
    rows = np.abs(coarse(theory.time) - theory.logits)
    around = np.searchsorted(theory.time, time)[:, None] + np.arange(-2, 2)
    error = np.maximum(rows[np.clip(around, 0, len(rows) - 1)].max(axis=1), np.abs(coarse(time) - found))
    wider = _width(theory.time[half], time) / _width(theory.time, time)
    with np.errstate(divide="ignore"):
        factor = np.maximum(1.0, 1.0 / (wider**2 - 1.0))
    return found, _SAFETY * error * factor.reshape(-1, *[1] * (found.ndim - 1))


def _width(grid: Floats, time: Floats) -> Floats:
    """The length of the interval that each time lies in."""
    above = np.clip(np.searchsorted(grid, time), 1, len(grid) - 1)
    return np.asarray(grid[above] - grid[above - 1])


def _origin(theory: Trajectory) -> Prediction | None:
    """The flow's prediction that a table was made from, if it says so."""
    law = theory.meta.get("law")
    flows = ("closed_form", "order_parameters", "layers", "phases", "class_means", "modified_flow")
    if law not in flows or theory.start is None or theory.data is None:
        return None
    return prediction.predict(theory.start, theory.data, loss=theory.loss_name, law=law, lr=theory.lr)


def _of_callable(theory: Callable[[Floats], ArrayLike], run: Trajectory, whole: Trajectory) -> Claim:
    logits = checks.array("theory(time)", theory(np.array(run.time)), infinite=True)
    if whole.classes is not None and logits.shape == whole.logits.shape:
        logits = one_logit(replace(whole, logits=logits)).logits
    if logits.ndim == 1 and run.logits.ndim == 2 and run.logits.shape[1] == 1:
        logits = logits[:, None]
    name = getattr(theory, "__name__", type(theory).__name__)
    within = np.ones(len(run.time), dtype=bool)
    law = f"given as a function ({name})"
    return Claim(logits, within, _reference(run), 1, None, run.loss_name, run.labels, law, "", ())


def _reference(run: Trajectory) -> System | None:
    """The exact map that starts where the trajectory started, if its start is known and the map applies.

    The maps are those of the loss alone: for a run with a penalty on its logits none is known.
    """
    if run.start is None or run.data is None or run.meta.get("spectral_decoupling"):
        return None
    try:
        return prediction.predict(run.start, run.data, loss=run.loss_name, law="gradient_descent", lr=1.0).system
    except AssumptionError:
        return None
