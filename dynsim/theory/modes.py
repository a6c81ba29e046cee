"""The logit of one independent mode in closed form, for each of the four losses, and the time to a logit.

A class whose points are one input x obeys, whatever the width of the network (Lemma 3.1 and A.3 of the paper,
v2; docs/theory.md, sections 4, 10 and 11),

    du/dt = 2 kappa sqrt(u^2 + C^2) g(u),    u(0) = u0,                                  one hidden layer,
    du/dt = N p |x|^{2/N} u^{2-2/N} g(u),    p |x|^{2/N} = kappa |x|^{2/N-1},            N balanced layers,

where u is the margin of the class, kappa = p |x| its rate (its frequency times the norm of its input), C the
imbalance between the two layers at the start (C = 0 is the paper's degenerate hyperbola), and g(u) = -l'(u)
the pull of the loss. The time is t = lr x step. The second law is eq 5 and App. B (v2); its closed forms in time
are beyond the paper, and so is the law of softmax: for C classes with mutually orthogonal inputs, and the output
weights of the units of class c along e_c - 1/C, the margin m = f_c - f_j is the same for all j and obeys

    dm/dt = 2 kappa_C sqrt(m^2 + imbalance^2) (C-1)/(C-1+e^m),    kappa_C = kappa sqrt(C/(C-1)).

(The softmax pulls with s (e_c - 1/C) C/(C-1), s = (C-1)/(C-1+e^m); the unit vector along e_c - 1/C is
sqrt(C/(C-1)) (e_c - 1/C), and has this root too as the difference of two of its components. So the root is a
factor of the pull on each unit and of m.) With C = 2 this is the binary law at a rate larger by sqrt(2): the
margin is then read from two outputs of opposite weights, each of which learns, where the binary network has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory.evaluation import (
    along,
    arguments,
    deep,
    single_layer,
    two_layers,
    universal,
    universal_deep,
    universal_imbalanced,
)
from dynsim.theory.evaluation.arguments import Mask, Mode
from dynsim.theory.evaluation.special import log_ei_inverse
from dynsim.theory.shape import inflection

__all__ = ["inflection", "log_ei_inverse", "logit", "time_to"]

#: From so many times of one start on, polynomials between a few of them are faster; and so many values are worth
#: the table of a depth.
_MANY, _WORTH_A_TABLE = 2_000, 50_000


def logit(
    time: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    loss: str = "cross_entropy",
    classes: ArrayLike | None = None,
) -> Floats:
    """The logit of a mode at a time.

    Cross-entropy: Thm 3.2, eq 2-3 (v2), and A.3 for C > 0. Hinge: Thm 5.1, eq 6. Exponential loss:
    Ei(u) - Ei(u0) = T. Squared loss: the classic sigmoid of linear networks. Other depths: eq 5 and App. B
    (v2), in closed form in time; softmax: beyond the paper.

    Parameters
    ----------
    time : array_like
        t = lr x step, >= 0; inf gives the limit (inf for cross-entropy and exponential, 1 for squared, 1 or
        `initial`, whichever is larger, for hinge).
    initial : array_like
        The logit u0 at t = 0, between -1e12 and 1e300. It must be positive where `imbalance` is 0, unless
        `depth` is 1.
    rate : array_like
        kappa = p |x| > 0.
    imbalance : array_like
        C >= 0, in units of the logit, at most 1e300; 0 where `depth` is not 2.
    depth : array_like
        The number of weight layers N >= 1, any real number: 2 is one hidden layer, 1 none. The layers of
        a network with `depth` other than 2 are balanced.
    norm : array_like
        |x| > 0. At `depth` 2 it makes no difference, as `rate` contains it.
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".
    classes : None or array_like
        None for the sigmoid of one output, or the number C >= 2 of classes of a softmax with C outputs, for
        `loss` "cross_entropy" and `depth` 2. The logit is then f_c - f_j.

    Returns
    -------
    ndarray
        The logits, in the shape to which the arguments broadcast (0-d for numbers). The relative error is
        below 4e-15 times the condition number 1 + |dlog u/dlog t| + |dlog u/dlog u0|, and below 1e-12 for
        initial from 1e-300 to 40, rates from 1e-3 to 1e3, times up to 1e300 and imbalances up to 1e12 at
        `depth` up to 2. Deeper modes leave their plateau so suddenly that a rounding of t may decide about
        a logit: the result is then that of a time, an initial logit and a rate within 4e-15 of those given.
        It is `initial` exactly at t = 0.

    Raises
    ------
    ValueError
        If an argument is NaN, outside the range above or of a shape that does not broadcast, if `initial` is
        not positive where it must be, if `imbalance` is positive where `depth` is not 2, if `classes` are not
        whole numbers or do not fit `loss` and `depth`, or if `loss` is unknown.

    Examples
    --------
    >>> logit([0.0, 5.0, np.inf], initial=0.01, rate=1.0).round(6)
    array([0.01    , 0.863713,      inf])
    >>> logit(1.0, initial=-0.5, rate=1.0, imbalance=[0.2, 2.0], loss="hinge").round(6)
    array([0.072026, 1.      ])
    >>> logit(10.0, initial=0.1, rate=0.5, depth=[1, 2, 4], norm=0.5).round(6)
    array([0.996469, 2.099869, 4.695251])
    >>> logit(5.0, initial=0.01, rate=1.0, classes=[2, 10]).round(6)
    array([1.969224, 4.821474])
    """
    times = np.asarray(time)
    # One pass instead of the five of `checks`, for very many times; NaN is in no order, and not at least 0.
    sorted_ = along.in_order(times)
    fine = sorted_ or (times.dtype == np.float64 and bool(np.all(times >= 0.0)))
    checked = times if fine else checks.nonnegative("time", time, infinite=True)
    given = arguments.checked("time", checked, initial, rate, imbalance, depth, norm, loss, classes)
    if checked.size >= _MANY and all(a.size == 1 and a.ndim <= checked.ndim for a in given[1:]):
        if sorted_:
            return _one_start(given, loss)
        if _universal(given, loss) is None:
            # Sorting costs less than what it saves, but beside a table.
            order = np.argsort(checked, axis=None)
            out = np.empty(checked.size)
            out[order] = _one_start(given._replace(value=checked.ravel()[order]), loss)
            return out.reshape(checked.shape)
    return _at_once(given, loss)


def _at_once(given: Mode, loss: str) -> Floats:
    if (weight := _universal(given, loss)) is not None:
        return _from_tables(given, weight)
    return _logit(arguments.broadcast(given), loss)


def _logit(mode: Mode, loss: str) -> Floats:
    out = np.where(mode.value == np.inf, _LIMITS[loss](mode.initial), mode.initial)
    moving = (mode.value > 0.0) & (mode.value < np.inf)
    for part, route in _routes(mode, moving):
        with np.errstate(all="ignore"):
            out[part] = route.logit(mode.where(part), loss)
    return out


def time_to(
    logit: ArrayLike,
    *,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike = 0.0,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    loss: str = "cross_entropy",
    classes: ArrayLike | None = None,
) -> Floats:
    """The time at which a mode reaches a logit: the inverse of the function `logit`.

    Parameters
    ----------
    logit : array_like
        Logits from `initial` on; for the squared loss and `initial` > 1 between 1 and `initial`.
    initial, rate, imbalance, depth, norm, loss, classes
        As for the function `logit`.

    Returns
    -------
    ndarray
        t = lr x step, in the shape to which the arguments broadcast (0-d for numbers): 0 at `initial`, inf
        for a logit that is never reached (above 1 for hinge, from 1 on for squared, inf) or not before
        1.8e308. The relative error is below 4e-15 times the condition number
        1 + |dlog t/dlog u| + |dlog t/dlog u0|.

    Raises
    ------
    ValueError
        As for the function `logit`, and if a logit is below `initial` (or, for the squared loss and
        `initial` > 1, not between the two).

    Examples
    --------
    >>> time_to([0.01, 1.0, 5.0], initial=0.01, rate=1.0).round(6)
    array([ 0.      ,  5.259109, 25.208906])
    >>> time_to([0.5, 1.0, 2.0], initial=0.01, rate=0.5, loss="hinge").round(6)
    array([3.912023, 4.60517 ,      inf])
    >>> time_to(1.0, initial=0.01, rate=1.0, depth=[2, 4], loss="hinge").round(6)
    array([2.302585, 4.5     ])
    """
    checked = checks.array("logit", logit, infinite=True)
    given = arguments.checked("logit", checked, initial, rate, imbalance, depth, norm, loss, classes)
    mode = arguments.broadcast(given)
    arguments.check_reachable(mode, falls=loss == "squared")
    never = (mode.value != mode.initial) & _NEVER[loss](mode)
    out = np.where(never, np.inf, 0.0)
    moving = ~never & (mode.value != mode.initial)
    for part, route in _routes(mode, moving):
        with np.errstate(all="ignore"):
            out[part] = route.time(mode.where(part), loss)
    return out


# -- many values at once -------------------------------------------------------------------------------------


def _universal(given: Mode, loss: str) -> float | None:
    """The weight of the one function of time that serves all these modes, or None if there is no such table."""
    if loss not in ("cross_entropy", "exponential") or given.classes.size > 1 or not all(a.size for a in given):
        return None
    softmax = given.classes.ravel()[0] > 0.0
    weight = float(given.classes.ravel()[0]) - 1.0 if softmax else 1.0 if loss == "cross_entropy" else 0.0
    deeper, uneven = np.any(given.depth != 2.0), np.any(given.imbalance > 0.0)
    if deeper or uneven:
        # The tables of one depth or one imbalance take as long to make as so many values take without them.
        number = np.prod(np.broadcast_shapes(*(a.shape for a in given)), dtype=float)
        if given.depth.size > 1 or given.imbalance.size > 1 or number < _WORTH_A_TABLE * (1.0 + (weight > 100.0)):
            return None
        depth, C = given.depth.ravel()[0], given.imbalance.ravel()[0]
        if (deeper and depth < 2.5) or (uneven and not (1e-4 <= C <= 1e4 and weight <= 1000.0)):
            return None
    return weight


def _from_tables(given: Mode, weight: float) -> Floats:
    softmax = np.any(given.classes > 0.0)
    rate = given.rate * np.sqrt(weight + 1.0) * np.sqrt(weight) if softmax else given.rate
    depth, C = float(given.depth.ravel()[0]), float(given.imbalance.ravel()[0])
    if depth != 2.0:
        speed = rate * given.norm ** (2.0 / depth - 1.0)
        out = universal_deep.logit_at(given.value, given.initial, speed, depth=depth, weight=weight)
    elif C > 0.0:
        out = universal_imbalanced.logit_at(given.value, given.initial, rate, imbalance=C, weight=weight)
    else:
        out = universal.logit_at(given.value, given.initial, rate, weight=weight)
    shape = np.broadcast_shapes(*(a.shape for a in given))
    return out if out.shape == shape else np.array(np.broadcast_to(out, shape))


def _one_start(given: Mode, loss: str) -> Floats:
    """One curve at sorted times: where these are many, by piecewise polynomials."""
    scalars = Mode(*(a.reshape(()) if a is not given.value else a for a in given))
    kinks: list[float] = []
    if loss == "hinge":
        end = Mode(np.ones(1), *(a.reshape(1) for a in given[1:]))
        kinks = time_to(
            np.maximum(end.initial, 1.0),
            **dict(zip(end._fields[1:-1], end[1:-1], strict=True)),
            loss=loss,
        ).tolist()

    def curve(time: Floats) -> Floats:
        return _at_once(scalars._replace(value=time), loss)

    return along.of_sorted(curve, given.value, kinks)


# -- which law serves which mode -----------------------------------------------------------------------------


class _Route(NamedTuple):
    """Takes modes that move, in one dimension, and the name of the loss."""

    logit: Callable[[Mode, str], Floats]
    time: Callable[[Mode, str], Floats]


def _routes(mode: Mode, moving: Mask) -> list[tuple[Mask, _Route]]:
    softmax, two = mode.classes > 0.0, mode.depth == 2.0
    parts = (
        (moving & two & ~softmax, _TWO_LAYERS),
        (moving & (mode.depth == 1.0), _SINGLE_LAYER),
        (moving & (mode.depth > 1.0) & ~two, _DEEP),
        (moving & softmax, _SOFTMAX),
    )
    return [(part, route) for part, route in parts if part.any()]


def _two_layers(mode: Mode) -> two_layers.Mode:
    return two_layers.Mode(mode.value, mode.initial, mode.rate, mode.imbalance)


def _deep(mode: Mode, loss: str) -> deep.Flow:
    weight = 1.0 if loss == "cross_entropy" else 0.0
    return deep.Flow(mode.initial, mode.rate, mode.depth, mode.norm, np.full_like(mode.rate, weight))


def _softmax(
    mode: Mode,
    balanced: Callable[[Floats, deep.Flow, str], Floats],
    other: Callable[[two_layers.Mode, Floats], Floats],
) -> Floats:
    """(C-1) s + J = T in the terms of dynsim.theory.evaluation.imbalanced, with T = 2 (C-1) kappa_C t."""
    weight = mode.classes - 1.0
    mode = mode._replace(rate=mode.rate * np.sqrt(mode.classes) * np.sqrt(weight))
    out, even = np.empty_like(mode.value), mode.imbalance == 0.0
    part = mode.where(even)
    flow = deep.Flow(part.initial, part.rate, part.depth, part.norm, weight[even])
    out[even] = balanced(part.value, flow, "cross_entropy")
    out[~even] = other(_two_layers(mode.where(~even)), weight[~even])
    return out


_TWO_LAYERS = _Route(
    lambda mode, loss: two_layers.LAWS[loss].logit(_two_layers(mode)),
    lambda mode, loss: two_layers.LAWS[loss].time(_two_layers(mode)),
)
_SINGLE_LAYER = _Route(
    lambda mode, loss: single_layer.logit(
        mode.value, initial=mode.initial, rate=mode.rate, norm=mode.norm, loss=loss
    ),
    lambda mode, loss: single_layer.time_to(
        mode.value, initial=mode.initial, rate=mode.rate, norm=mode.norm, loss=loss
    ),
)
_DEEP = _Route(
    lambda mode, loss: deep.logit(mode.value, _deep(mode, loss), loss),
    lambda mode, loss: deep.time_to(mode.value, _deep(mode, loss), loss),
)
_SOFTMAX = _Route(
    lambda mode, loss: _softmax(mode, deep.logit, two_layers.imbalanced_logit),
    lambda mode, loss: _softmax(mode, deep.time_to, two_layers.unbounded_time),
)


def _beyond(mode: Mode) -> Mask:
    return np.asarray(mode.value > two_layers.BEYOND)


_NEVER: dict[str, Callable[[Mode], Mask]] = {
    "cross_entropy": _beyond,
    "exponential": _beyond,
    "hinge": lambda mode: mode.value > 1.0,
    "squared": lambda mode: (mode.value == 1.0) | ((mode.value > 1.0) & (mode.initial <= 1.0)),
}
_LIMITS: dict[str, Callable[[Floats], Floats]] = {
    "cross_entropy": lambda initial: np.full_like(initial, np.inf),
    "exponential": lambda initial: np.full_like(initial, np.inf),
    "hinge": lambda initial: np.maximum(initial, 1.0),
    "squared": np.ones_like,
}
