"""Many runs of SGD against the exact law of one: whether its bands hold as many of them as they should.

Three checks, made with batches of one point drawn with replacement, where the law is known exactly:

support
    After n steps a margin is one of u_0, ..., u_n, to round-off. A wrong lr, norm, loss, start or batch size moves
    these values; a wrong frequency does not.
bands
    At every recorded time, for every class and level, the number of runs inside the band is binomial, with the
    exact probability of the band, and so is the number below it. This sees a wrong frequency, and draws that are
    not independent.
extremes
    No single run may be where the law has next to no probability.

The chance that a right law fails is at most `alpha`: half of it is shared equally among the tests of bands that can
fail at all (Tarone 1990), half among the margins of all runs at all times. No independence between times or classes
is needed for this, and there is none: the draws of all classes add up to the number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, detection, floors
from dynsim.cancellation import rounding_unit
from dynsim.checks import Floats
from dynsim.detection import Counts, two_sided
from dynsim.theory.sgd import SGDLaw, Values
from dynsim.trajectory import Trajectory

__all__ = ["Coverage", "coverage", "rounding_unit"]

#: The relative change of frequency that a verdict must be able to see.
_FREQUENCY = 0.1


@dataclass(frozen=True, eq=False)
class Coverage:
    """How many runs were inside the bands of the law, and what follows.

    T times, c classes (in the order of the law), L levels.

    Attributes
    ----------
    verdict : str
        "AGREES", "DISAGREES", or "INCONCLUSIVE" where a frequency off by 10 % would not have shown.
    reason : str
        Why, in one sentence.
    runs : int
    steps : ndarray of int, shape (T,)
        The recorded steps that were judged.
    levels : ndarray, shape (L,)
    inside, below : ndarray of int, shape (T, c, L)
        The number of runs inside the band, both ends included, and below it.
    content, under : ndarray, shape (T, c, L)
        The exact probabilities of both for one run.
    p_inside, p_below : ndarray, shape (T, c, L)
        Twice the smaller binomial tail, at most 1; NaN where no test is possible: the band holds all there is, or
        the margins at its edge are closer than their rounding errors.
    tests : int
        The number of tests of bands that could have failed.
    threshold : float
        What their p-values must not be below: alpha / (2 tests).
    strays : int
        The number of margins that are none of u_0, ..., u_n, of all runs and times.
    sharp : float
        The share of the margins that rounding leaves a single value to be: the support is tested where it does.
    p_extreme : float
        The smallest of the two-sided tail probabilities of all margins, times their number; to be at least alpha/2.
    alpha : float
        The chance that a right law fails is at most that.
    rate_resolution, frequency_resolution : ndarray, shape (c,)
        The relative changes of lr \\|x\\| sum(q) and of the probability to be drawn that would have shown (of the
        latter: in about half of all cases); inf where none would.
    """

    verdict: str
    reason: str
    runs: int
    steps: Counts
    levels: Floats
    inside: Counts
    below: Counts
    content: Floats
    under: Floats
    p_inside: Floats
    p_below: Floats
    tests: int
    threshold: float
    strays: int
    sharp: float
    p_extreme: float
    alpha: float
    rate_resolution: Floats
    frequency_resolution: Floats

    def __bool__(self) -> bool:
        raise TypeError("a Coverage has three outcomes: compare its verdict with 'AGREES' or 'DISAGREES'")

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, ready for JSON: NaN and inf are None."""
        out: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            out[field.name] = _plain(value.tolist() if isinstance(value, np.ndarray) else value)
        return out


def coverage(
    run: Trajectory,
    law: SGDLaw,
    *,
    levels: ArrayLike = (0.5, 0.9, 0.99),
    alpha: float = 1e-3,
    unit: float | None = None,
) -> Coverage:
    """Judge an ensemble of runs of SGD against the exact law of one.

    Parameters
    ----------
    run : Trajectory
        R runs of `dynsim.train` from one start with batches of one point, logits (T, R, n), or (T, n) for a single
        one, or (T, R, n, C) for C classes; every run draws its own batches. `step` must be known.
    law : SGDLaw
        The law of one network: path of shape (k, c).
    levels : array_like, shape (L,)
        Of the equal-tailed bands, between 0 and 1.
    alpha : float
        How probable it may be that a right law fails; between 0 and 1.
    unit : float, optional
        Relative rounding error of a weight in one step; by default `rounding_unit(run)`.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        For a run without steps, start or data, with other classes than the law, recorded later than the law was
        made for, or of several axes; a law of an ensemble; levels or alpha out of range.

    Notes
    -----
    Times beyond `law.valid_until()` are left out. Only round-off stands between a network and the law; where errors
    may have grown to the distance of two values of the law, its edges there are not tested.

    Examples
    --------
    >>> from dynsim import Network, data, init, losses, train
    >>> from dynsim.theory.one_input import Modes
    >>> two = data.point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3))
    >>> one = init.class_aligned(two, 4, initial=0.01, rng=0)
    >>> copies = Network([np.broadcast_to(w, (500, *w.shape)) for w in one.weights])
    >>> run = train(copies, two, lr=0.1, steps=100, batch_size=1, rng=0, record=10)
    >>> law = SGDLaw.of(Modes.of(one, two), losses.get("cross_entropy"), lr=0.1, steps=100)
    >>> found = coverage(run, law)
    >>> found.verdict, found.strays, found.content[-1, 0].round(4)
    ('AGREES', 0, array([0.5549, 0.9182, 0.9915]))
    """
    wanted = np.atleast_1d(_between("levels", levels))
    risk = float(checks.array("alpha", _between("alpha", alpha), ndim=0))
    steps, margin = _margins(run, law)
    error = law.rounding(rounding_unit(run) if unit is None else checks.number("unit", unit))
    shape = (len(steps), margin.shape[-1])
    cells = [
        _cell(law.values(n, c), law.path[: n + 1, c], error[: n + 1, c], margin[t, :, c], wanted)
        for t, n in enumerate(steps.tolist())
        for c in range(shape[1])
    ]
    columns = (np.stack(column) for column in zip(*cells, strict=True))
    counts = _Counts(*(column.reshape(*shape, *column.shape[1:]) for column in columns))
    return _judged(law, steps, margin, counts, wanted, risk, error)


# ---- one class at one time -------------------------------------------------------------------------------


class _Counts(NamedTuple):
    """inside, below, content, outside, under, clear, edge: (T, c, L); stray, sharp, tail: (T, c, R).

    outside is 1 - content without its cancellation. clear: whether the edges of the band stand clear of their
    neighbours. edge: the number of draws at the lower one. tail: the two-sided tail probability of each margin.
    """

    inside: Counts
    below: Counts
    content: Floats
    outside: Floats
    under: Floats
    clear: NDArray[np.bool_]
    edge: Counts
    stray: NDArray[np.bool_]
    sharp: NDArray[np.bool_]
    tail: Floats


def _matches(u: Floats, tolerance: Floats, margin: Floats) -> tuple[Counts, Counts, Floats, Floats]:
    """The first and the last place i with \\|margin - u_i\\| <= tolerance_i, u increasing; first > last for none.

    And what these are read off from: the upper ends of the intervals, least so far, and the lower ones.
    """
    high = np.maximum.accumulate(u + tolerance)
    low = np.minimum.accumulate((u - tolerance)[::-1])[::-1]
    return np.searchsorted(high, margin, side="left"), np.searchsorted(low, margin, side="right") - 1, low, high


def _cell(values: Values, path: Floats, error: Floats, margin: Floats, levels: Floats) -> _Counts:
    """What one class does at one time: margin (R,), all its values and their errors (n + 1,)."""
    u, tolerance = values.margin, error[values.first + values.order]
    if np.isnan(u).any():
        # The law may have diverged: there is nothing to hold the runs against.
        u, tolerance = np.zeros(len(u)), np.full(len(u), np.inf)
    first, last, low, high = _matches(u, tolerance, margin)
    stray, beyond = _strays((first > last) | np.isnan(margin), path, error, margin)
    total = np.append(0.0, np.cumsum(values.probability))
    rest = np.append(np.cumsum(values.probability[::-1])[::-1], 0.0)
    lower, upper = _edges(u, total, levels)
    inside = (last[:, None] >= lower) & (first[:, None] <= upper)
    clear = (low[lower] > np.append(-np.inf, high)[lower]) & (high[upper] < np.append(low, np.inf)[upper + 1])
    one = u[np.minimum(first, len(u) - 1)] == u[np.maximum(last, 0)]
    tail = np.minimum(1.0, 2.0 * np.minimum(total[last + 1], rest[np.minimum(first, len(u))]))
    outside = total[lower] + rest[upper + 1]
    return _Counts(
        inside.sum(axis=0),
        (last[:, None] < lower).sum(axis=0),
        1.0 - outside,
        outside,
        total[lower],
        clear,
        values.first + values.order[lower],
        stray,
        one & ~stray & ~beyond,
        np.where(stray, 1.0, np.where(beyond, 0.0, tail)),
    )


def _strays(
    lost: NDArray[np.bool_], path: Floats, error: Floats, margin: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of margins that are no probable value: those that are none at all, and those left out as improbable."""
    if not lost.any():
        return lost, lost
    order = np.argsort(path, kind="stable")
    least, most, *_ = _matches(path[order], error[order], margin)
    beyond = lost & (least <= most) & ~np.isnan(margin)
    return lost & ~beyond, beyond


def _edges(u: Floats, total: Floats, levels: Floats) -> tuple[Counts, Counts]:
    """The first place that belongs to each band and the last; equal values belong together."""
    # As in `maps.quantiles_of`: equal but for rounding is reached.
    ends = [np.searchsorted(total[1:], (1.0 + sign * levels) / 2.0 * (1.0 - 1e-12)) for sign in (-1.0, 1.0)]
    low, high = (np.minimum(end, len(u) - 1) for end in ends)
    return np.searchsorted(u, u[low], side="left"), np.searchsorted(u, u[high], side="right") - 1


def _margins(run: Trajectory, law: SGDLaw) -> tuple[Counts, Floats]:
    """The steps at which the law holds, and the margin of each class there, (T, R, c)."""
    if law.path.ndim != 2:
        raise ValueError(f"law must be that of one network, got an ensemble of shape {law.path.shape[1:-1]}")
    if run.step is None:
        raise ValueError("run must have steps, got a trajectory without")
    if len(run.ensemble) > 1:
        raise ValueError(f"run must have one axis of runs at most, got an ensemble of shape {run.ensemble}")
    y, index = law.system.labels, law.system.index
    if run.labels.shape != y.shape or np.any((run.labels < 0) != (y < 0)) or (run.classes is None) != np.any(y < 0):
        raise ValueError(f"run must have the points and labels of the law, got {run!r}")
    late = run.step[run.step > law.steps]
    if late.size:
        raise ValueError(f"law must be made for at least {run.step.max()} steps, got {law.steps}")
    rows = run.step <= law.valid_until()
    one = np.unique(index, return_index=True)[1]
    margin = run.log_odds[rows][..., one]
    return np.asarray(run.step[rows]), margin.reshape(len(margin), -1, len(one))


# ---- the verdict -----------------------------------------------------------------------------------------


def _smallest(runs: int, probability: Floats) -> Floats:
    """The smallest p-value that any count can have."""
    return np.asarray(2.0 * np.minimum(probability**runs, (1.0 - probability) ** runs))


def _tests(smallest: Floats, alpha: float) -> int:
    """How many tests share alpha: the least m such that at most m can have a p-value of alpha/m (Tarone)."""
    ordered = np.sort(smallest)
    for m in range(1, len(ordered) + 1):
        if np.searchsorted(ordered, alpha / m, side="right") <= m:
            return m
    return max(1, len(ordered))


def _judged(
    law: SGDLaw, steps: Counts, margin: Floats, n: _Counts, levels: Floats, alpha: float, error: Floats
) -> Coverage:
    R = margin.shape[1]
    some = n.clear & (n.outside > 1e-15)
    p_inside = np.where(some, two_sided(R - n.inside, R, n.outside), np.nan)
    under = some & (n.under > 1e-15)
    p_below = np.where(under, two_sided(n.below, R, n.under), np.nan)
    smallest = np.concatenate([_smallest(R, n.outside[some]), _smallest(R, n.under[under])])
    threshold = alpha / 2.0 / _tests(smallest, alpha / 2.0)
    able = int(np.sum(smallest <= threshold))
    change = np.minimum(
        detection.frequency_by_counts(law, steps, n.edge, np.where(under, n.under, np.nan), R, threshold),
        detection.frequency_by_extremes(law, steps, alpha / 2.0 / max(1, n.tail.size)),
    )
    if len(change) == 2:
        # What one class gains the other loses.
        change = np.full(2, change.min())
    extreme = min(1.0, float(np.min(n.tail, initial=1.0)) * n.tail.size)
    sharp = float(np.mean(n.sharp)) if n.sharp.size else 0.0
    found = Coverage(
        "", "", R, steps, levels, n.inside, n.below, n.content, n.under, p_inside, p_below, able, threshold,
        int(n.stray.sum()), sharp, extreme, alpha, detection.rate(law, steps, error), change / law.frequency,
    )  # fmt: skip
    verdict, reason = _verdict(found, _names(law), n, margin)
    return replace(found, verdict=verdict, reason=reason)


def _verdict(found: Coverage, names: list[str], n: _Counts, margin: Floats) -> tuple[str, str]:
    if found.strays:
        t, c, r = np.argwhere(n.stray)[0]
        return "DISAGREES", (
            f"{found.strays} of {n.stray.size} margins are none that the law allows, the first "
            f"{margin[t, r, c]:.10g} (class {names[c]}, step {found.steps[t]}, run {r})"
        )
    p = np.stack([found.p_inside, found.p_below])
    if not np.all(np.isnan(p)) and np.nanmin(p) < found.threshold:
        return "DISAGREES", _worst_band(found, names, p)
    if found.p_extreme < found.alpha / 2.0:
        t, c, r = np.unravel_index(int(np.argmin(n.tail)), n.tail.shape)
        where = f"class {names[c]}, step {found.steps[t]}, run {r}"
        size = f"{n.tail[t, c, r]:.2g}" if n.tail[t, c, r] else "less than 1e-18"
        return "DISAGREES", f"a margin where the law has a probability of {size} ({where})"
    rate, frequency = found.rate_resolution.max(initial=0.0), found.frequency_resolution.max(initial=0.0)
    sight = f"the rate is resolved {_to(rate)}, the frequencies {_to(frequency)}"
    if not (rate <= floors.RATE and frequency <= _FREQUENCY):
        held = (
            "every margin is one that the law allows" if found.sharp else "nothing can be told from rounding errors"
        )
        return "INCONCLUSIVE", f"{held}, but {sight}"
    if not found.tests:
        return "AGREES", f"every margin is one that the law allows, and none an improbable one; {sight}"
    which = ", ".join(f"{100 * level:g}" for level in found.levels)
    return "AGREES", (
        f"the bands of {which} % hold as many of {found.runs} runs as they should in all {found.tests} tests "
        f"(smallest p = {np.nanmin(p):.2g}, threshold {found.threshold:.2g}), and every margin is one that the law "
        f"allows; {sight}"
    )


def _to(change: float) -> str:
    return f"to {100 * change:.2g} %" if np.isfinite(change) else "not at all"


def _worst_band(found: Coverage, names: list[str], p: Floats) -> str:
    kind, t, c, k = np.unravel_index(int(np.nanargmin(p)), p.shape)
    counts, share = ((found.inside, found.content), (found.below, found.under))[kind]
    side = ("inside", "below")[kind]
    return (
        f"class {names[c]}, step {found.steps[t]}: {counts[t, c, k]} of {found.runs} runs are {side} the band of "
        f"{100 * found.levels[k]:g} %, {found.runs * share[t, c, k]:.1f} expected (p = {p[kind, t, c, k]:.2g}, "
        f"threshold {found.threshold:.2g})"
    )


def _names(law: SGDLaw) -> list[str]:
    """Class +1 and -1, or class ids."""
    y, index = law.system.labels, law.system.index
    binary = bool(np.any(y < 0))
    return [f"{y[index == c][0]:+g}" if binary else str(c) for c in range(len(law.frequency))]


def _between(name: str, values: ArrayLike) -> Floats:
    out = checks.array(name, values)
    if not np.all((out > 0.0) & (out < 1.0)):
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, got {values!r}")
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
