"""Two classes that compete for one unit: Thm 3.4, eq 4 and A.8 (v2), cross-entropy (docs/theory.md, section 14).

A unit w with output weight z is active on the inputs x1 (class 1, label +1) and x2 (class 2, label -1),
x1.x2 = 0. With alpha = w.x1, beta = w.x2, norms a, b and frequencies p1, p2 of the inputs

    alpha' = p1 a^2 z g1,    beta' = -p2 b^2 z g2,    z' = p1 alpha g1 - p2 beta g2,
    g1 = 1/(1 + e^(z alpha)),    g2 = 1/(1 + e^(-z beta)),

and alpha or beta stays at 0, out of z', once it is there: it has died. The time is t = lr x step with
L = p1 l(z alpha) + p2 l(-z beta). The paper's equations have p1 = p2 = 1, which is the default here; with the
mean over the two classes, p1 = p2 = 1/2, everything takes twice the time. The invariant
c = alpha^2/a^2 + beta^2/b^2 - z^2 holds for any frequencies; for c > 0 a separatrix runs into a saddle and tells
the winners apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from dynsim import checks
from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.theory import competing
from dynsim.theory import separatrix as _curves
from dynsim.theory.separatrix import Sheet

__all__ = [
    "Clearance",
    "Competition",
    "Saddle",
    "Separatrix",
    "Winner",
    "clearance",
    "invariant",
    "saddle",
    "separatrix",
    "solve",
    "winner",
]


class Saddle(NamedTuple):
    """alpha and beta of the saddle; its z is 0."""

    alpha: Floats
    beta: Floats


class Clearance(NamedTuple):
    """How far a start is above the separatrix, in z; and where it is for gradient descent, per unit lr."""

    height: Floats
    shift: Floats


@dataclass(frozen=True)
class Competition:
    """Paths of units for which two classes compete, as returned by `solve`.

    Attributes
    ----------
    time : ndarray, shape (T,)
        t = lr x step.
    alpha, beta, z : ndarray, shape (T, ...)
        w.x1, w.x2 and the output weight.
    death : ndarray, shape (..., 2)
        When alpha and when beta reaches 0: 0 if it is there at the start, inf if never.
    """

    time: Floats
    alpha: Floats
    beta: Floats
    z: Floats
    death: Floats

    @property
    def margin(self) -> Floats:
        """z alpha and -z beta, the margins of class 1 and of class 2, shape (T, ..., 2); 0 for a dead one."""
        return np.stack([self.z * self.alpha, -self.z * self.beta], axis=-1)

    @property
    def confidence(self) -> Floats:
        """P = 1/(1 + e^-margin) of both classes, shape (T, ..., 2); 1/2 for a dead one."""
        return np.asarray(expit(self.margin))


@dataclass(frozen=True)
class Separatrix:
    """The separatrix of one sheet, from its end with z > 0 through the saddle to its end with z < 0.

    Attributes
    ----------
    c : float
        The invariant.
    saddle : Saddle
        Two numbers; the point in the middle of the curve.
    time : ndarray, shape (m,)
        Since the end of the branch, t = lr x step; inf at the saddle.
    alpha, beta, z : ndarray, shape (m,)
        The curve. An end on the edge of the sheet has alpha (for z > 0) or beta (for z < 0) exactly 0.
    shift : ndarray, shape (m,)
        Gradient descent with a small lr has its separatrix at z + lr shift, on the same sheet at the same
        alpha : beta.
    """

    c: float
    saddle: Saddle
    time: Floats
    alpha: Floats
    beta: Floats
    z: Floats
    shift: Floats


def invariant(alpha: ArrayLike, beta: ArrayLike, z: ArrayLike, *, norms: ArrayLike = (1.0, 1.0)) -> Floats:
    """c = alpha^2/a^2 + beta^2/b^2 - z^2, which the flow conserves for any frequencies (A.8 (v2)).

    Parameters
    ----------
    alpha, beta : array_like
        w.x1 and w.x2, at least 0.
    z : array_like
        The output weight.
    norms : pair of array_like
        \\|x1\\| and \\|x2\\|, positive.

    Returns
    -------
    ndarray
        c, in the shape to which the arguments broadcast (0-d for numbers).

    Raises
    ------
    ValueError
        If an argument is out of range, NaN or infinite, if there are not two norms, or if the shapes do not
        broadcast.

    Examples
    --------
    >>> float(invariant(3.0, 4.0, 2.0, norms=(1.0, 2.0)))
    9.0
    """
    root, sign = competing.root_of(competing.checked(alpha, beta, z, norms, (1.0, 1.0)))
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(sign * root**2)


def saddle(c: ArrayLike, *, norms: ArrayLike = (1.0, 1.0), frequencies: ArrayLike = (1.0, 1.0)) -> Saddle:
    """Where the separatrix ends: z = 0, alpha = p2 m, beta = p1 m, m^2 (p2^2/a^2 + p1^2/b^2) = c (A.8 (v2)).

    Parameters
    ----------
    c : array_like
        The invariant, positive.
    norms, frequencies : pair of array_like
        \\|x1\\| and \\|x2\\|, p1 and p2, positive.

    Returns
    -------
    Saddle
        alpha and beta, in the shape to which the arguments broadcast (0-d for numbers).

    Raises
    ------
    ValueError
        If an argument is not positive and finite, if there are not two norms and frequencies, or if the shapes do
        not broadcast.

    Examples
    --------
    >>> [float(value) for value in saddle(2.0)]
    [1.0, 1.0]
    """
    root = np.sqrt(checks.positive("c", c))
    (a, b), (p1, p2) = competing.pair("norms", norms), competing.pair("frequencies", frequencies)
    root, a, b, p1, p2 = checks.broadcast(
        c=root, **{"norms[0]": a, "norms[1]": b, "frequencies[0]": p1, "frequencies[1]": p2}
    )
    m = root / np.hypot(p2 / a, p1 / b)
    return Saddle(np.asarray(p2 * m), np.asarray(p1 * m))


def winner(
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
) -> NDArray[Any]:
    """Which class keeps the unit (Thm 3.4 (v2)).

    With both alpha and beta positive exactly one of them dies, but on the separatrix: for c <= 0 beta where z > 0
    and alpha where z < 0; for c > 0 the side of the separatrix of the start's own sheet decides. A unit that is
    active on one class only serves it if that class alone would be learnt, and else none.

    Parameters
    ----------
    alpha, beta : array_like
        w.x1 and w.x2, at least 0; 0 is a class on which the unit is inactive.
    z : array_like
        The output weight.
    norms, frequencies : pair of array_like
        \\|x1\\| and \\|x2\\|, p1 and p2, positive.

    Returns
    -------
    ndarray of Winner
        In the shape to which the arguments broadcast (0-d for numbers), of dtype object. SEPARATRIX means that
        the start is within 1e-10 (sqrt(c) + \\|z\\|) of the separatrix (`clearance`), or for a unit that is active
        on one class that alpha = -a z, or beta = b z, as floats.

    Raises
    ------
    ValueError
        If an argument is out of range, NaN or infinite, if there are not two norms and frequencies, or if the
        shapes do not broadcast.

    Examples
    --------
    >>> [one.name for one in winner([0.1, 0.2, 1.0, 0.0], [0.1, 0.9, 0.0, 1.0], [0.1, 0.2, -1.1, -0.5])]
    ['CLASS_1', 'CLASS_2', 'NEITHER', 'CLASS_2']
    """
    given = competing.checked(alpha, beta, z, norms, frequencies)
    starts = given.flat
    out = np.full(starts.z.shape, int(Winner.NEITHER))
    both = (starts.alpha > 0.0) & (starts.beta > 0.0)
    sides = np.array([Winner.CLASS_2, Winner.SEPARATRIX, Winner.CLASS_1])
    out[both] = sides[competing.side(starts.where(both)) + 1]
    for mine, kept in ((starts, Winner.CLASS_1), (starts.swapped, Winner.CLASS_2)):
        lone = (mine.alpha > 0.0) & (mine.beta == 0.0)
        ends = np.array([Winner.NEITHER, Winner.SEPARATRIX, kept])
        out[lone] = ends[competing.learnt(mine.where(lone)) + 1]
    return np.asarray(np.array(list(Winner), dtype=object)[out].reshape(given.z.shape), dtype=object)


def clearance(
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
) -> Clearance:
    """How far a start is above the separatrix, and how far gradient descent displaces that.

    height = z - z_s, where z_s is the separatrix on the start's own sheet c at its own ratio alpha : beta: class 1
    wins where it is positive. Gradient descent with learning rate lr follows the flow of f - (lr/2) f' f to second
    order, and has its separatrix at height = lr shift + O(lr^2).

    Parameters
    ----------
    alpha, beta, z, norms, frequencies
        As for `winner`.

    Returns
    -------
    Clearance
        `height` and `shift`, in units of z (and of z per unit lr), in the shape to which the arguments broadcast.
        Where c <= 0 there is no separatrix: `height` is inf with the sign of z, and `shift` 0. Where alpha or beta
        is 0 there is no competition, and both are nan. The relative error of zeta, z_s = sqrt(c) sinh(zeta), is
        below 5e-12, and that of `shift` below 1e-9, or below 1e-11 of z_s times the rate of the saddle.

    Raises
    ------
    ValueError
        As for `winner`.

    Examples
    --------
    >>> [part.round(6) for part in clearance([1.0, 0.5, 0.1], [0.2, 0.9, 0.3], [0.1, 0.2, 0.6])]
    [array([ 0.995545, -0.151298,       inf]), array([ 0.023313, -0.000733,  0.      ])]
    """
    given = competing.checked(alpha, beta, z, norms, frequencies)
    starts = given.flat
    root, sign = competing.root_of(starts)
    both = (starts.alpha > 0.0) & (starts.beta > 0.0)
    height = np.where(both, np.copysign(np.inf, starts.z), np.nan)
    shift = np.where(both, 0.0, np.nan)
    curved = both & (sign > 0.0)
    for mine, part, turn in competing.branches(starts, curved):
        eta, sheet = competing.on_sheet(mine, root[part])
        curve = _curves.displaced(eta, sheet)
        with np.errstate(over="ignore"):
            height[part] = turn * (mine.z - root[part] * np.sinh(curve.zeta))
            shift[part] = turn * root[part] * np.cosh(curve.zeta) * curve.shift
    return Clearance(height.reshape(given.z.shape), shift.reshape(given.z.shape))


def solve(
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
    times: ArrayLike,
) -> Competition:
    """The paths of units for which two classes compete: eq 4 (v2), with deaths as events.

    The flow is integrated until alpha or beta reaches 0, which is then frozen and left out of z', and on from
    there. A death that is due is awaited beyond the last of the `times`.

    Parameters
    ----------
    alpha, beta, z, norms, frequencies
        As for `winner`; each start is integrated on its own.
    times : array_like, shape (T,)
        t = lr x step, non-negative, increasing and finite.

    Returns
    -------
    Competition
        Times of death are right to 1e-9 relative, and the invariant is kept to 1e-9, for starts of size up to 5
        and times up to 1e3. What is close to the separatrix leaves it late: an error, in the height of the start as
        in the path, grows by the factor by which the path leaves the saddle. On it (`Winner.SEPARATRIX`) rounding
        decides, and `death` is inf unless it comes before the last of the times.

    Raises
    ------
    ValueError
        As for `winner`; if the times are not increasing; if alpha/a, beta/b or \\|z\\| is above 1,000, from where
        a path is too stiff to be followed.
    FloatingPointError
        If the integration fails.

    Examples
    --------
    >>> path = solve([0.1, 0.2], [0.1, 0.9], [0.1, 0.2], times=[0.0, 1.0, 5.0])
    >>> path.death.round(3)
    array([[  inf, 1.623],
           [2.247,   inf]])
    >>> path.confidence[-1].round(3)
    array([[0.664, 0.5  ],
           [0.5  , 0.89 ]])
    """
    given = competing.checked(alpha, beta, z, norms, frequencies)
    asked = checks.times("times", times)
    competing.check_sizes(given)
    shape = given.z.shape
    ends = winner(alpha, beta, z, norms=norms, frequencies=frequencies)
    path, death = competing.paths(given.flat, ends.ravel(), asked)
    alphas, betas, zs = (path[:, i].reshape(len(asked), *shape) for i in range(3))
    return Competition(*map(checks.frozen, (asked, alphas, betas, zs, death.reshape(*shape, 2))))


def separatrix(
    c: float,
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
    reach: float | None = None,
    points: int = 200,
) -> Separatrix:
    """The curve on the sheet of one c > 0 that runs into the saddle (A.8, Fig. 3 left (v2)).

    Parameters
    ----------
    c : float
        The invariant, positive: for c <= 0 there is no saddle.
    norms, frequencies : array_like, shape (2,)
        \\|x1\\| and \\|x2\\|, p1 and p2, positive.
    reach : float, optional
        Where to stop in \\|z\\|; default 3 sqrt(c). A branch that leaves the sheet before stops at its edge.
    points : int
        On each branch, at least 2; equally spaced in the logarithm of log((p2 beta)/(p1 alpha)), so that they
        crowd around the saddle.

    Returns
    -------
    Separatrix
        With 2 `points` + 1 points, on the sheet to rounding. The relative error of zeta, z = sqrt(c) sinh(zeta),
        is below 5e-12.

    Raises
    ------
    ValueError
        If an argument is not positive and finite, or not of the shape above; for c <= 0 it says that there is no
        separatrix.

    Examples
    --------
    >>> curve = separatrix(2.0, points=3)
    >>> curve.z[[0, 3, 6]].round(6)
    array([ 2.883331,  0.      , -2.883331])
    >>> curve.alpha[[0, 3, 6]].round(6)
    array([0.      , 1.      , 3.211479])
    """
    value = checks.array("c", c, ndim=0)
    if value <= 0.0:
        raise ValueError(f"c must be positive, got {c!r}: where c <= 0 there is no saddle and no separatrix")
    root = np.sqrt(value).reshape(1)
    (a, b), (p1, p2) = (
        competing.single(name, pair) for name, pair in (("norms", norms), ("frequencies", frequencies))
    )
    far = 3.0 if reach is None else checks.number("reach", reach) / float(root[0])
    number = checks.count("points", points, least=2)
    sheet = Sheet(root, p1 * a, p2 * b, a, b)
    upper = _curves.drawn(sheet, far, number)
    # The lower branch is the upper one of the swapped sheet.
    beta, alpha, z, shift, time = _curves.drawn(sheet.swapped, far, number)
    middle = saddle(value, norms=norms, frequencies=frequencies)
    saddle_point = (float(middle.alpha), float(middle.beta), 0.0, 0.0, np.inf)
    columns = zip(upper, saddle_point, (alpha, beta, -z, -shift, time), strict=True)
    joined = [np.concatenate([one[::-1], np.full(1, two), three]) for one, two, three in columns]
    time, *rest = (checks.frozen(joined[i]) for i in (4, 0, 1, 2, 3))
    return Separatrix(float(value), middle, time, *rest)
