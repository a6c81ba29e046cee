"""Units that solve, die or creep: the plane of Fig. 2 left, Section 3.3 and A.6 (v2), for each of the four losses.

Notation: a class has one input x of frequency p, its units y = w.x and the output weight z with the sign of the
class, u = sum y z over its active units (y > 0) is its logit, kappa = p \\|x\\| and t = lr x step. Along the flow

    dy/dt = p \\|x\\|^2 z g(u),    dz/dt = p y g(u)    while y > 0,

and nothing moves a unit once y <= 0. A unit with y > -\\|x\\| z ends with y > 0 and z > 0; one with y < -\\|x\\| z
dies in finite time; on the line between the two, which gradient descent shares with the flow, it creeps to 0
without end. docs/theory.md, section 13, derives this, the time of death, and what becomes of several units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.fates import Fate
from dynsim.theory import modes
from dynsim.theory.evaluation import clock, plane
from dynsim.theory.failure import Estimate, failure_estimate, failure_probability

__all__ = [
    "Estimate",
    "Fate",
    "Path",
    "failure_estimate",
    "failure_probability",
    "fate",
    "half_width",
    "logit",
    "solve",
    "time_of_death",
]

_MEMBERS = np.array([Fate.FROZEN, Fate.DIES, Fate.SEPARATRIX, Fate.SOLVES], dtype=object)
_EPS = float(np.finfo(np.float64).eps)
#: Below it 1 + e^u, and every other inverse pull, is what it is at 0.
_SMALL = 1e-20
#: Roundings, each of eps/2, of the start and of the increments of one step (see `half_width`).
_ROUNDINGS = 16.0

Fates = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Path:
    """What becomes of the units of networks that one class drives.

    Attributes
    ----------
    time : ndarray, shape (T,)
        t = lr x step.
    logit : ndarray, shape (T, ...)
        u, the sum of y z over the active units.
    y, z : ndarray, shape (T, ..., h)
        w.x and the output weight of every unit: y is 0 from the death of the unit on.
    death : ndarray, shape (..., h)
        When a unit dies; inf for one that does not, be it frozen from the start.
    loss_name : str
    """

    time: Floats
    logit: Floats
    y: Floats
    z: Floats
    death: Floats
    loss_name: str

    @property
    def confidence(self) -> Floats:
        """o(u) of the loss (Section 3 (v2): the P(t) of cross-entropy), shape (T, ...)."""
        return losses.get(self.loss_name).confidence(self.logit)


class _Lone(NamedTuple):
    """A unit by itself, broadcast: its fate (a number of the enumeration), u0, kappa, C, y and \\|x\\| s."""

    code: NDArray[np.int64]
    initial: Floats
    rate: Floats
    imbalance: Floats
    y: Floats
    across: Floats


def fate(y: ArrayLike, z: ArrayLike, norm: ArrayLike = 1.0) -> Fates:
    """What becomes of a unit (Section 3.3, Fig. 2 left (v2)); it depends on neither loss nor frequency.

    Parameters
    ----------
    y, z : array_like
        w.x, of any sign, and the output weight with the sign of the class.
    norm : array_like
        \\|x\\| > 0.

    Returns
    -------
    ndarray of Fate, dtype object
        In the shape to which the arguments broadcast (0-d for numbers). y is compared with -\\|x\\| z as rounded to
        a float: the answer is exact but for units within half a unit of rounding of \\|x\\| z from the separatrix,
        and SEPARATRIX where the two floats are equal.

    Raises
    ------
    ValueError
        If y or z is not finite, norm not positive, or their shapes do not broadcast.

    Examples
    --------
    >>> fate([-0.1, 0.1, 0.7, 0.8], -1.0, norm=0.7)
    array([<Fate.FROZEN: 0>, <Fate.DIES: 1>, <Fate.SEPARATRIX: 2>,
           <Fate.SOLVES: 3>], dtype=object)
    """
    y, z, norm = checks.broadcast(
        y=checks.array("y", y), z=checks.array("z", z), norm=checks.positive("norm", norm)
    )
    return _members(_codes(y, clock.reach(y, z, norm)[0]))


def time_of_death(
    y: ArrayLike,
    z: ArrayLike,
    *,
    norm: ArrayLike = 1.0,
    frequency: ArrayLike = 1.0,
    loss: str = "cross_entropy",
) -> Floats:
    """When a unit that is the only one of its class dies: y = 0 at the clock (1/2) log(d/\\|s\\|), A.6 (v2).

    Parameters
    ----------
    y, z, norm
        As for `fate`.
    frequency : array_like
        p > 0.
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".

    Returns
    -------
    ndarray
        t = lr x step, in the shape to which the arguments broadcast; inf for a unit that does not die. Relative
        error below 1.3e-14, and 1.1e-16 \\|x z\\|/\\|y + \\|x\\| z\\| for the rounding of \\|x\\| z.

    Raises
    ------
    ValueError
        As for `fate`, if frequency is not positive, the loss unknown, or if (y^2/norm + norm z^2)/2 of an active
        unit is not between 1e-280 and 1e12.

    Examples
    --------
    >>> time_of_death([0.5, 0.9, 1.0], -1.0, loss="hinge").round(6)
    array([0.549306, 1.472219,      inf])
    """
    losses.get(loss)
    y, z, norm, frequency = plane.checked(y, z, norm, frequency)
    return _death(_lone(y, z, norm, frequency), loss)


def logit(
    time: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    *,
    norm: ArrayLike = 1.0,
    frequency: ArrayLike = 1.0,
    loss: str = "cross_entropy",
) -> Floats:
    """The logit of a class that has one unit: y z while the unit is active, 0 otherwise.

    Parameters
    ----------
    time : array_like
        t = lr x step >= 0; inf gives the limit, 0 unless the unit solves.
    y, z, norm, frequency, loss
        As for `time_of_death`: the start.

    Returns
    -------
    ndarray
        In the shape to which all arguments broadcast. The accuracy is that of `dynsim.theory.modes.logit`, with the
        rounding of y + \\|x\\| z; on the separatrix some 1e-15 (1 + log(u0/u)), relative, down to the smallest
        floats. It is y z exactly at t = 0, never positive before a death and 0 from then on.

    Raises
    ------
    ValueError
        As for `time_of_death`, and if a time is negative or NaN.

    Examples
    --------
    >>> logit([0.0, 0.2, 0.6, np.inf], 0.5, -1.0, loss="hinge").round(6)
    array([-0.5     , -0.283816,  0.      ,  0.      ])
    >>> logit([0.0, 1.0, 10.0], [0.8, 1.0, 1.2], -1.0).round(6)
    array([-0.8     , -0.281743,  3.179687])
    """
    losses.get(loss)
    checked = checks.nonnegative("time", time, infinite=True)
    y, z, norm, frequency = plane.checked(y, z, norm, frequency)
    unit = _lone(y, z, norm, frequency)
    death = _death(unit, loss)
    moment, _ = checks.broadcast(time=checked, y=y)
    code = np.broadcast_to(unit.code, moment.shape)
    one = np.ones(moment.shape)
    death, u0, rate, C = (one * a for a in (death, unit.initial, unit.rate, unit.imbalance))
    going = (code == Fate.SOLVES) | ((code == Fate.DIES) & (moment < death))
    out = clock.laws(moment, u0, rate, C, going, code == Fate.SEPARATRIX, loss)
    # The last logit before a death may round to one just above 0.
    return np.where(code == Fate.DIES, np.minimum(out, 0.0), out)


def solve(
    y: ArrayLike,
    z: ArrayLike,
    *,
    times: ArrayLike,
    norm: ArrayLike = 1.0,
    frequency: ArrayLike = 1.0,
    loss: str = "cross_entropy",
) -> Path:
    """The units of a class in the course of time: a closed form between each death and the next.

    All active units share one clock, in which the time of each death is known beforehand; between two deaths the
    logit follows du/dt = 2 kappa sqrt(u^2 + C^2) g(u) with the C of the units that are left.

    Parameters
    ----------
    y, z : array_like, shape (..., h)
        The start of every unit; leading axes are independent networks, a number is one unit.
    times : array_like, shape (T,)
        Increasing, t = lr x step.
    norm, frequency : array_like
        \\|x\\| > 0 and p > 0, which broadcast against the leading axes.
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".

    Returns
    -------
    Path
        Each piece adds some 1e-15 to the clock. In the state of a unit the error is 1e-15 times the sizes of
        y/\\|x\\| and z that its s and d would have by themselves; y is 0 exactly from its death on.

    Raises
    ------
    ValueError
        As for `time_of_death`; if the times do not increase; and for the squared loss if the logit is above 1 at
        the start, from where it would pull backwards.

    Examples
    --------
    >>> path = solve([0.2, 0.6, 0.5], [-1.0, -1.0, 0.8], times=[0.0, 1.0, 5.0])
    >>> path.death.round(6)
    array([0.394537, 2.193912,      inf])
    >>> path.logit.round(6)
    array([-0.4     ,  0.803834,  2.850078])
    """
    law, when = losses.get(loss), checks.times("times", times)
    y, z, norm, frequency = plane.networks(y, z, norm, frequency)
    lead, hidden = y.shape[:-1], y.shape[-1]
    y, z, norm, p = y.reshape(-1, hidden), z.reshape(-1, hidden), norm.reshape(-1, 1), frequency.reshape(-1, 1)
    group = clock.units(y, z, norm)
    parts = clock.pieces(group, norm)
    if loss == "squared" and np.any(parts.u[:, 0] > 1.0):
        first = parts.u[parts.u[:, 0] > 1.0, 0][0]
        raise ValueError(f"y and z must give a logit of at most 1 for the squared loss, got {first:.10g}")
    begin = clock.beginnings(parts, norm, p, law)
    death = clock.deaths(group, begin)
    u, grown = clock.along(when, parts, begin, norm, p, loss)
    alive = (group.y > 0.0) & (when[:, None, None] < death)
    y, z = clock.states(group, grown[..., None], alive, norm)
    start = (when == 0.0)[:, None, None]
    y, z = np.where(start, group.y, y), np.where(start, group.z, z)
    shape = (len(when), *lead)
    return Path(
        checks.frozen(when),
        checks.frozen(u.reshape(shape)),
        checks.frozen(y.reshape(*shape, hidden)),
        checks.frozen(z.reshape(*shape, hidden)),
        checks.frozen(death.reshape(*lead, hidden)),
        loss,
    )


def half_width(
    y: ArrayLike,
    z: ArrayLike,
    *,
    norm: ArrayLike = 1.0,
    frequency: ArrayLike = 1.0,
    lr: ArrayLike,
    loss: str = "cross_entropy",
) -> Floats:
    """The strip in which gradient descent may disagree with `fate`: a bound on \\|y + \\|x\\| z\\|.

    A step multiplies s by 1 + e and d by 1 - e, e = lr kappa g(u): s keeps its sign and, for e < 1, so does d, so
    that the fate of descent is that of the flow, whatever the step. What is left is rounding: of at most 16 eps/2
    at the start and 16 e eps/2 in the increments of a step (for inputs of up to 13 coordinates), and of eps/2 where
    the new weights are stored, each relative to y + \\|x z\\|. An error weighs the less the more s has grown before
    it, while y + \\|x z\\| falls as d does. With e = lr kappa g(0), the least on the path, the sum is at most

        eps (y + \\|x z\\|) (12 + 1/(4 e)),    eps = 2.2e-16.

    Parameters
    ----------
    y, z, norm, frequency, loss
        As for `time_of_death`: the start of a unit that is the only one of its class, w parallel to x.
    lr : array_like
        The learning rate, > 0.

    Returns
    -------
    ndarray
        In units of y, in the shape to which the arguments broadcast: 0 where y <= 0 or z >= 0 (nothing is to be
        decided there), inf where the first step is too long for the statement, e >= 1.

    Raises
    ------
    ValueError
        As for `fate`, if frequency or lr is not positive, or the loss unknown.

    Examples
    --------
    >>> half_width(1.0, -1.0, lr=[0.01, 0.1])
    array([2.75335310e-14, 7.54951657e-15])
    >>> float(half_width(1.0, -1.0, lr=3.0, loss="hinge"))
    inf
    """
    law = losses.get(loss)
    y, z, norm, frequency = plane.checked(y, z, norm, frequency)
    rate = checks.positive("lr", lr)
    y, z, norm, frequency, rate = checks.broadcast(y=y, z=z, norm=norm, frequency=frequency, lr=rate)
    undecided = (y > 0.0) & (z < 0.0)
    with np.errstate(all="ignore"):
        product = rate * frequency * norm
        # The pull falls with u, which rises from u0 < 0 to 0 on every path that is still undecided.
        longest, least = product * law.pull(y * z), product * law.pull(np.zeros(()))
        width = 0.5 * _EPS * (y + norm * np.abs(z)) * (1.5 * _ROUNDINGS + 0.5 / least)
    return np.where(undecided, np.where(longest < 1.0, width, np.inf), 0.0)


# -- one unit ------------------------------------------------------------------------------------------------


def _codes(y: Floats, across: Floats) -> NDArray[np.int64]:
    moving = np.where(across < 0.0, Fate.DIES, np.where(across > 0.0, Fate.SOLVES, Fate.SEPARATRIX))
    return np.where(y > 0.0, moving, Fate.FROZEN).astype(np.int64)


def _members(codes: NDArray[np.int64]) -> Fates:
    out = np.empty(codes.shape, dtype=object)
    out[...] = _MEMBERS[codes]
    return out


def _lone(y: Floats, z: Floats, norm: Floats, frequency: Floats) -> _Lone:
    sizes = np.where(y > 0.0, plane.sizes(y, z, norm), 0.0)
    plane.check_sizes(y, sizes, sizes)
    across, along = clock.reach(y, z, norm)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # (4.1): C = (|x|/2) |s d|
        imbalance = 0.5 * (np.abs(across) / np.sqrt(norm)) * (np.abs(along) / np.sqrt(norm))
        return _Lone(_codes(y, across), y * z, frequency * norm, imbalance, y, across)


def _death(unit: _Lone, loss: str) -> Floats:
    out = np.full(unit.y.shape, np.inf)
    dies = unit.code == Fate.DIES
    u0, rate, C = unit.initial[dies], unit.rate[dies], unit.imbalance[dies]
    time = clock.clock_of_death(unit.y[dies], unit.across[dies]) / (rate * losses.get(loss).pull(np.zeros(())))
    # u0 = y z may underflow where y does not; in the clock nothing does.
    far = u0 < -_SMALL
    time[far] = modes.time_to(0.0, initial=u0[far], rate=rate[far], imbalance=C[far], loss=loss)
    out[dies] = time
    return out
