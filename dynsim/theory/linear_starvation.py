"""Gradient starvation without a hidden layer: the logit of a rare feature as a function of that of a frequent one.

All points of a class have the feature x1, a share lam (the frequency) has the feature x2 beside it, x1.x2 = 0,
with norms a = |x1| and b = |x2|. The linear model f(x) = v.x has the logits v1 = v.x1 and v2 = v.x2 on each
feature alone, the margins v1 on x1 and v1 + v2 on x1 + x2, and with L = (1-lam) l(v1) + lam l(v1 + v2) and the
time t = lr x step

    v1' = a^2 [(1-lam) g(v1) + lam g(v1 + v2)],    v2' = b^2 lam g(v1 + v2).

The path v2(v1) needs no time: dv2/dv1 is the ratio of the two (docs/theory.md, section 18). The setting is that of
Section 6 and App. D (v2); the paper has a = b = 1 and one hidden layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit, log_expit

from dynsim import checks
from dynsim.checks import Floats

__all__ = ["LinearBounds", "hinge_limit", "linear_bounds", "linear_path"]

#: Beyond, e^start is no float.
_LARGEST = 700.0
#: sigma(v1) is 1 from here on.
_SATURATED = 40.0
#: The smallest that scipy's solver takes is 2.2e-14.
_TOLERANCE = 3e-14
#: Its first step.
_FIRST = 1e-3
#: Newton's method needs 7 steps at most from the starts used here.
_STEPS = 12


class LinearBounds(NamedTuple):
    """Two curves between which the path of cross-entropy lies."""

    lower: Floats
    upper: Floats


class _Path(NamedTuple):
    """`rise` is v1 - v10, `ratio` (b/a)^2, `v1` and `v2` the start."""

    rise: Floats
    frequency: Floats
    ratio: Floats
    v1: Floats
    v2: Floats

    def where(self, part: NDArray[np.bool_]) -> _Path:
        return _Path(*(values[part] for values in self))


def linear_path(
    strong: ArrayLike,
    *,
    frequency: ArrayLike,
    norms: ArrayLike = (1.0, 1.0),
    start: ArrayLike = (0.0, 0.0),
    loss: str = "exponential",
) -> Floats:
    """The logit v2 on the rare feature alone when that on the frequent one is v1, for a linear model.

    Exponential loss: exact, with c = (b/a)^2,

        c lam (v1 - v10) = lam (v2 - v20) + (1-lam) (e^v2 - e^v20),

    so that v2 grows like log(c lam v1/(1-lam)). Cross-entropy: dv2/dv1 = c lam/(1 + (1-lam) sigma(v1) (e^v2 - 1)),
    integrated up to where sigma(v1) is 1 and exact from there on. Hinge: a straight line of slope c lam until one
    of the points reaches the margin 1; `hinge_limit` is where it stops from (0, 0).

    Parameters
    ----------
    strong : array_like
        v1, from the start on; inf gives the limit. For the hinge at most what training ends with.
    frequency : array_like
        lam, above 0 and up to 1: the share of points that have the rare feature.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive.
    start : pair of array_like
        v10 and v20, between -700 and 700.
    loss : str
        "exponential", "cross_entropy" or "hinge".

    Returns
    -------
    ndarray
        v2, in the shape to which the arguments broadcast (0-d for numbers). The rise v2 - v20 has a relative error
        below 2e-15 (exponential and hinge) or 1e-12 (cross-entropy), however small, beside that of the rounding
        of v1 - v10.

    Raises
    ------
    ValueError
        If an argument is NaN, outside its range or of a shape that does not broadcast, if (b/a)^2 is no float, or
        for the squared loss: it pulls v2 back to 0 after it has risen, and its pull has no sign.

    Examples
    --------
    >>> linear_path([1.0, 10.0, 1e6], frequency=0.1).round(6)
    array([ 0.09574 ,  0.709175, 11.618283])
    >>> linear_path([1.0, 10.0, 1e6], frequency=0.1, loss="cross_entropy").round(6)
    array([ 0.097114,  0.712527, 11.618283])
    >>> linear_path([0.5, 1.0], frequency=0.25, loss="hinge")
    array([0.125, 0.2  ])
    """
    if loss == "squared":
        raise ValueError(
            "loss must be 'exponential', 'cross_entropy' or 'hinge', got 'squared': it ends at v1 = 1, v2 = 0, to "
            "which v2 falls back after it has risen"
        )
    rule = checks.choice("loss", loss, _RULES)
    path = _checked(strong, frequency, norms, start)
    flat = _Path(*(values.ravel() for values in path))
    out = flat.v2.copy()
    moved = flat.rise > 0.0
    with np.errstate(all="ignore"):
        out[moved] += rule(flat.where(moved))
    return out.reshape(path.rise.shape)


def linear_bounds(
    strong: ArrayLike,
    *,
    frequency: ArrayLike,
    norms: ArrayLike = (1.0, 1.0),
    start: ArrayLike = (0.0, 0.0),
) -> LinearBounds:
    """The path of the exponential loss, below that of cross-entropy, and the straight line above it.

    With c = (b/a)^2 the slope of the path is c lam/(1 + (1-lam) s (e^v2 - 1)), with s = sigma(v1) for
    cross-entropy, 1 for the exponential loss and 0 for the line v20 + c lam (v1 - v10). Where v2 >= 0 it falls
    with s.

    Parameters
    ----------
    strong, frequency, norms, start
        As for `linear_path`, with a second entry of `start` of at least 0.

    Returns
    -------
    LinearBounds
        `lower` and `upper`, each in the shape to which the arguments broadcast; relative error below 2e-15.

    Raises
    ------
    ValueError
        As for `linear_path`, and if the second entry of `start` is negative.

    Examples
    --------
    >>> lower, upper = linear_bounds(10.0, frequency=0.1)
    >>> round(float(lower), 6), float(upper)
    (0.709175, 1.0)
    """
    path = _checked(strong, frequency, norms, start)
    if np.any(path.v2 < 0.0):
        raise ValueError(f"start[1] must be at least 0, got {path.v2[path.v2 < 0.0].flat[0]:.10g}")
    lower = linear_path(strong, frequency=frequency, norms=norms, start=start)
    with np.errstate(all="ignore"):
        upper = path.v2 + path.frequency * path.ratio * path.rise
    return LinearBounds(lower, np.asarray(upper))


def hinge_limit(frequency: ArrayLike, *, norms: ArrayLike = (1.0, 1.0)) -> Floats:
    """The logit on the rare feature at which a linear model trained with the hinge loss stops, from v = 0.

    Both margins grow on the line v2 = c lam v1, c = (b/a)^2, until v1 + v2 = 1. From then on only the points
    without the feature pull: v2 = c lam/(1 + c lam) for ever.

    Parameters
    ----------
    frequency : array_like
        lam, above 0 and up to 1.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive.

    Returns
    -------
    ndarray
        lam b^2/(a^2 + lam b^2), in the shape to which the arguments broadcast; relative error below 2e-15.

    Raises
    ------
    ValueError
        If an argument is out of range or of a shape that does not broadcast, or if (b/a)^2 is no float.

    Examples
    --------
    >>> hinge_limit([1.0, 0.25])
    array([0.5, 0.2])
    """
    path = _checked(0.0, frequency, norms, (0.0, 0.0))
    slope = path.frequency * path.ratio
    return np.asarray(slope / (1.0 + slope))


# -- the arguments -------------------------------------------------------------------------------------------


def _checked(strong: ArrayLike, frequency: ArrayLike, norms: ArrayLike, start: ArrayLike) -> _Path:
    share = frequency_of(frequency)
    (a, b), (first, second) = pair("norms", norms), pair("start", start)
    names = {"strong": checks.array("strong", strong, infinite=True), "frequency": share}
    names |= {"norms[0]": checks.positive("norms[0]", a), "norms[1]": checks.positive("norms[1]", b)}
    names |= {"start[0]": _bounded("start[0]", first), "start[1]": _bounded("start[1]", second)}
    v1, lam, a, b, v10, v20 = checks.broadcast(**names)
    below = v1 < v10
    if below.any():
        i = tuple(np.argwhere(below)[0])
        raise ValueError(f"strong must be at least start[0], got {v1[i]:.10g} from {v10[i]:.10g}")
    with np.errstate(over="ignore", under="ignore"):
        ratio = (b / a) ** 2
    if not np.all((ratio > 0.0) & (ratio < np.inf)):
        bad = np.argmax(~((ratio > 0.0) & (ratio < np.inf)))
        sizes = f"{a.flat[bad]:g} and {b.flat[bad]:g}"
        raise ValueError(f"norms must have a ratio whose square is a positive float, got {sizes}")
    return _Path(np.asarray(v1 - v10), lam, ratio, v10, v20)


def frequency_of(value: ArrayLike) -> Floats:
    """A frequency as an array, which must be above 0 and at most 1."""
    share = checks.positive("frequency", value)
    if np.any(share > 1.0):
        raise ValueError(f"frequency must be at most 1, got {share[share > 1.0].flat[0]:.10g}")
    return share


def pair(name: str, value: Any) -> tuple[ArrayLike, ArrayLike]:
    """The two entries of an argument, each a number or an array of its own."""
    try:
        first, second = value
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a pair of numbers or arrays, got {value!r}") from error
    return first, second


def _bounded(name: str, value: ArrayLike) -> Floats:
    out = checks.array(name, value)
    beyond = np.abs(out) > _LARGEST
    if beyond.any():
        raise ValueError(f"{name} must be between -{_LARGEST:g} and {_LARGEST:g}, got {out[beyond].flat[0]:.10g}")
    return out


# -- the rise of v2 for each loss ----------------------------------------------------------------------------


def _exponential(path: _Path) -> Floats:
    """s y + (1-s) (e^y - 1) = s c (v1 - v10) for the rise y of v2, with s = lam/(lam + (1-lam) e^v20)."""
    lam, rest = path.frequency, 1.0 - path.frequency
    grown, kept = np.exp(np.minimum(path.v2, 0.0)), np.exp(np.minimum(-path.v2, 0.0))
    total = lam * kept + rest * grown
    own, other = lam * kept / total, rest * grown / total
    target = path.rise * path.ratio * own
    # Both are above the root, whence Newton's method comes down to it: the left side is convex and increasing.
    late = np.log(target) - np.log(other) + np.log1p(other / target)
    y = np.fmin(target, np.where(target < other, np.log1p(target / other), late))
    for _ in range(_STEPS):
        y -= (own * y + other * np.expm1(y) - target) / (own + other * np.exp(y))
    # Without a second term it is a line, and at infinity there is nothing to solve.
    return np.where((other > 0.0) & (path.rise < np.inf), y, target)


def _cross_entropy(path: _Path) -> Floats:
    end = np.maximum(path.v1, _SATURATED - np.minimum(path.v2, 0.0)) - path.v1
    early = np.minimum(path.rise, end)
    cases, of_case = np.unique(np.stack(path[1:], axis=1), axis=0, return_inverse=True)
    out = np.zeros_like(early)
    for i, case in enumerate(cases):
        own = of_case.ravel() == i
        out[own] = _integrated(early[own], *(float(value) for value in case))
    late = path.rise > end
    rest = path.where(late)
    out[late] += _exponential(rest._replace(rise=rest.rise - end[late], v2=rest.v2 + out[late]))
    return out


def _integrated(rise: Floats, lam: float, ratio: float, v10: float, v20: float) -> Floats:
    """The rise of v2 at those of v1, in the variable log(1 + rise/scale), in which it moves evenly."""

    log_rest = np.log1p(-lam)

    def slope(risen: float, y: Floats) -> Floats:
        v1, v2 = v10 + risen, v20 + y
        # Three positive terms; of the last, a factor may be no float where the product is one.
        pull = expit(-v1) + lam * expit(v1) + np.exp(v2 + log_expit(v1) + log_rest)
        return np.asarray(ratio * lam / pull)

    scale = 1.0 / float(slope(0.0, np.zeros(1))[0])
    at = np.log1p(rise / scale)
    places, back = np.unique(at, return_inverse=True)
    # Within the first step the solver's polynomial is exact at its start, hence accurate however small the rise.
    found = solve_ivp(
        lambda x, y: scale * np.exp(x) * slope(scale * np.expm1(x), y),
        (0.0, max(places[-1], _FIRST)),
        np.zeros(1),
        "DOP853",
        t_eval=places,
        rtol=_TOLERANCE,
        atol=0.0,
        first_step=_FIRST,
    )
    return np.asarray(found.y[0][back.ravel()])


def _hinge(path: _Path) -> Floats:
    """A line of slope c lam, then c or 0 where only the points with or without the rare feature still pull."""
    slope = path.frequency * path.ratio
    to_x1 = np.where(path.frequency < 1.0, np.maximum(1.0 - path.v1, 0.0), np.inf)
    gap = np.maximum(1.0 - path.v1 - path.v2, 0.0)
    to_both = gap / (1.0 + slope)
    first = np.minimum(to_x1, to_both)
    alone = (gap - (1.0 + slope) * first) / (1.0 + path.ratio)
    end = np.where(to_x1 <= to_both, first + alone, np.where(path.frequency < 1.0, to_x1, to_both))
    late = path.rise > end
    # A rounding of v1 - v10 is no excess.
    excess = path.rise - end > 4.0 * np.finfo(float).eps * (np.abs(path.v1) + end)
    if excess.any():
        i = int(np.flatnonzero(excess)[0])
        raise ValueError(
            f"strong must be at most {path.v1[i] + end[i]:.10g}, where training with the hinge loss ends, got "
            f"{path.v1[i] + path.rise[i]:.10g}"
        )
    rise = np.where(late, end, path.rise)
    after = np.where(to_x1 <= to_both, path.ratio * np.maximum(rise - first, 0.0), 0.0)
    return np.asarray(slope * np.minimum(rise, first) + after)


_RULES = {"exponential": _exponential, "cross_entropy": _cross_entropy, "hinge": _hinge}
