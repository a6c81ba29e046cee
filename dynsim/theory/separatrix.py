"""The separatrix between two classes that compete for one unit (docs/theory.md, section 14).

On the sheet c > 0 of the invariant write alpha = a R cos(theta), beta = b R sin(theta), z = sqrt(c) sinh(zeta),
where R = sqrt(c) cosh(zeta). The stable manifold of the saddle at theta*, tan(theta*) = (p1 a)/(p2 b), is a graph
over theta. Here it is integrated from the saddle outwards, on the branch z > 0, theta > theta*; the other branch
is this one with the classes swapped and z -> -z. As the coordinate along it serves

    eta = log(tan(theta) / tan(theta*)) = log((p2 beta) / (p1 alpha)) > 0,

which is exact to the last digit at both ends, and log(eta) as the variable of integration: the ratio
zeta/eta tends to a constant at the saddle, and what it is off by dies out like eta^-(1 + 1/s^2), s >= 1, on the way
outwards. So a start close to the saddle with the slope of the stable eigenvector is enough.

With every point go two derivatives of the graph: D by log(c), and U, the displacement by gradient descent per unit
lr. Both obey linear equations with the same homogeneous part, which is as stable as the graph itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit

from dynsim.checks import Floats

#: Relative accuracy of zeta that is asked for; the curves differ by a few times this from what they converge to.
TOLERANCE = 1e-12
#: Lanes that are integrated together, with steps that suit the worst of them.
_CHUNK = 500
#: The start on the eigenvector, in units of where the saddle's linear law ends: what it neglects is of first
#: order in it and falls by the same factor, at least, on the way to the end of this range: 1e-16 is left.
_CLOSE = 1e-8
#: Still nearer the separatrix is a straight line to all digits, and at the saddle itself there is no logarithm.
_LEAST = 1e-30

#: The edge alpha = 0 is reached where cos(theta) is below this; and the largest eta = log(tan(theta)/tan(theta*)).
EDGE, _FAR = 1e-17, 600.0
_HUGE = 1e300

_Field = Callable[[Floats, Floats], Floats]


class Sheet(NamedTuple):
    """sqrt(c), the rates p1 a and p2 b of the classes, and a and b: arrays of one shape, an entry a lane."""

    root: Floats
    rate1: Floats
    rate2: Floats
    norm1: Floats
    norm2: Floats

    def where(self, part: NDArray[np.bool_] | slice) -> Sheet:
        """Some of the lanes."""
        return Sheet(*(lanes[part] for lanes in self))

    @property
    def swapped(self) -> Sheet:
        """The sheet with class 2 in the place of class 1, on which the branch z < 0 is one with z > 0."""
        return Sheet(self.root, self.rate2, self.rate1, self.norm2, self.norm1)


class Saddle(NamedTuple):
    """The stable eigenvector zeta = `slope` eta, its k and s, minus its eigenvalue; up to which eta it holds."""

    slope: Floats
    k: Floats
    s: Floats
    rate: Floats
    close: Floats


class Point(NamedTuple):
    """A point of a sheet: A = alpha/a, B = beta/b and z in units of sqrt(c), cos and sin of theta."""

    A: Floats
    B: Floats
    z: Floats
    R: Floats
    cos: Floats
    sin: Floats


def saddle(sheet: Sheet) -> Saddle:
    """The linear law at the saddle: s^2 - k s - 1 = 0, zeta = s (theta - theta*) = m s eta."""
    large = np.hypot(sheet.rate1, sheet.rate2)
    cos, sin = sheet.rate2 / large, sheet.rate1 / large
    kappa = sheet.root**2 * (sheet.norm1 * cos + sheet.norm2 * sin) / 2.0
    k = cos * sin * kappa
    s = (k + np.hypot(k, 2.0)) / 2.0
    slope = cos * sin * s
    # The pulls cease to be linear where z max(alpha, beta) is 1, tan(theta) where eta is.
    linear = 1.0 / (1.0 + 2.0 * kappa * slope)
    return Saddle(slope, k, s, s * large / 2.0, linear)


def graph(eta: Floats, sheet: Sheet) -> Floats:
    """zeta of the separatrix at each eta >= 0, one lane an entry, in one dimension."""
    out = _outwards(_slope_field, lambda at: np.log(at.slope)[None], eta, sheet)
    return np.asarray(eta * np.exp(out[0]))


class Graph(NamedTuple):
    """zeta; `shift`: what gradient descent adds to zeta per unit lr at fixed c and eta, to first order."""

    zeta: Floats
    shift: Floats


def displaced(eta: Floats, sheet: Sheet) -> Graph:
    """The separatrix and its displacement at each eta >= 0, one lane an entry, in one dimension."""
    out = _outwards(_full_field, _full_start, eta, sheet)
    zeta = eta * np.exp(out[0])
    return Graph(zeta, -out[2] * zeta * saddle(sheet).rate)


class Branch(NamedTuple):
    """From the saddle outwards: eta, zeta, the displacement of zeta, and the time since the outer end."""

    eta: Floats
    zeta: Floats
    shift: Floats
    time: Floats


def branch(sheet: Sheet, reach: float, points: int) -> Branch:
    """The branch of one sheet (arrays of one entry) to z = `reach` sqrt(c) or to the edge alpha = 0.

    At the edge the last entry of eta is so large that nothing of zeta is missing.
    """
    at = saddle(sheet)
    top = np.arcsinh(reach)
    close = min(float(at.close[0]), float(top / at.slope[0]))
    low = np.log(_CLOSE * close)
    end = _end(sheet, low, top)
    # Where log(zeta/eta) is of order 1, equal steps of log(eta) are equal steps along the curve, to a few per cent.
    asked = np.linspace(max(min(np.log(1e-3 * close), end - 1.0), low), end, points)
    y = np.append(_full_start(at), [[0.0]], axis=0)
    tolerance = TOLERANCE / 10.0
    with np.errstate(over="ignore", under="ignore"):
        found = solve_ivp(
            _flat(_timed_field(sheet)),
            (low, end),
            y.ravel(),
            "DOP853",
            t_eval=asked,
            rtol=tolerance,
            atol=tolerance,
            first_step=1e-2,
        )
    if not found.success:
        raise FloatingPointError(f"the separatrix could not be followed: {found.message}")
    zeta = np.exp(asked + found.y[0])
    return Branch(np.exp(asked), zeta, -found.y[2] * zeta * at.rate, found.y[3, -1] - found.y[3])


def drawn(sheet: Sheet, far: float, points: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """alpha, beta, z, shift and time of the branch z > 0, from the saddle outwards."""
    curve = branch(sheet, far, points)
    at = point(curve.eta, curve.zeta, sheet)
    ends = at.cos <= EDGE
    alpha = np.where(ends, 0.0, sheet.norm1 * sheet.root * at.A)
    return alpha, sheet.norm2 * sheet.root * at.B, sheet.root * at.z, sheet.root * at.R * curve.shift, curve.time


def _end(sheet: Sheet, low: float, top: float) -> float:
    """log(eta) where zeta is `top`, or where alpha and what zeta still gains are below a rounding."""

    def risen(x: float, y: Floats) -> float:
        return float(x + y[0] - np.log(top))

    def edge(x: float, y: Floats) -> float:
        eta = np.exp([x])
        zeta = eta * np.exp(y)
        cos, rises = point(eta, zeta, sheet).cos[0], _slope(eta, zeta, sheet).G[0] / zeta[0]
        return float(np.log(np.maximum(np.maximum(cos, rises), 1e-300)) - np.log(EDGE))

    risen.terminal = edge.terminal = True  # type: ignore[attr-defined]
    start = np.log(saddle(sheet).slope)
    if risen(low, start) >= 0.0:
        return float(np.log(top) - start[0])
    with np.errstate(over="ignore", under="ignore"):
        found = solve_ivp(
            _flat(_slope_field(sheet)),
            (low, np.log(_FAR)),
            start,
            "DOP853",
            rtol=TOLERANCE,
            atol=TOLERANCE,
            first_step=1e-2,
            events=[risen, edge],
        )
    return float(found.t[-1])


def _flat(field: _Field) -> Callable[[float, Floats], Floats]:
    """The field of one lane, by log(eta)."""
    return lambda x, y: np.asarray(field(np.exp(np.array([x])), y[:, None])).ravel()


# -- integration ---------------------------------------------------------------------------------------------


def _outwards(
    make: Callable[[Sheet], _Field], start: Callable[[Saddle], Floats], eta: Floats, sheet: Sheet
) -> Floats:
    """The solutions at each lane's own eta, (rows, lanes), by scipy's DOP853 in chunks."""
    out = []
    for first in range(0, len(eta), _CHUNK):
        part = slice(first, first + _CHUNK)
        out.append(_chunk(make(sheet.where(part)), start, eta[part], sheet.where(part)))
    return np.concatenate(out, axis=1) if out else start(saddle(sheet))


def _chunk(field: _Field, start: Callable[[Saddle], Floats], eta: Floats, sheet: Sheet) -> Floats:
    at = saddle(sheet)
    eta = np.maximum(eta, _LEAST * at.close)
    end = np.log(eta)
    low = np.log(_CLOSE * np.minimum(eta, at.close))
    y = start(at)

    def stacked(x: float, flat: Floats) -> Floats:
        return np.asarray((end - low) * field(np.exp(low + x * (end - low)), flat.reshape(y.shape))).ravel()

    # The norm of scipy is a root mean square over all entries: one lane may have all of the error.
    tolerance = TOLERANCE / np.sqrt(y.size)
    with np.errstate(over="ignore", under="ignore"):
        found = solve_ivp(
            stacked, (0.0, 1.0), y.ravel(), "DOP853", t_eval=[1.0], rtol=tolerance, atol=tolerance, first_step=1e-3
        )
    if not found.success:
        raise FloatingPointError(f"the separatrix could not be followed: {found.message}")
    return np.asarray(found.y[:, -1].reshape(y.shape))


def _slope_field(sheet: Sheet) -> _Field:
    """d log(zeta/eta) / d log(eta)."""

    def field(eta: Floats, rows: Floats) -> Floats:
        zeta = eta * np.exp(rows[0])
        return np.asarray(eta / zeta * _slope(eta, zeta, sheet).G - 1.0)[None]

    return field


def _full_field(sheet: Sheet) -> _Field:
    """The same with d = D/zeta and u = U/(zeta rate)."""
    rate = saddle(sheet).rate

    def field(eta: Floats, rows: Floats) -> Floats:
        zeta, d, u = eta * np.exp(rows[0]), rows[1], rows[2]
        slope = _slope(eta, zeta, sheet)
        source = _source(eta, zeta, d * zeta, slope.G, sheet)
        grown = eta / zeta * slope.G
        decay = eta * slope.by_zeta - grown
        return np.stack(
            [grown - 1.0, decay * d + eta / zeta * slope.by_log_c, decay * u - eta / zeta * source / rate]
        )

    return field


def _timed_field(sheet: Sheet) -> _Field:
    """The same with the time from one place to the other, which is the same in both directions."""
    full = _full_field(sheet)

    def field(eta: Floats, rows: Floats) -> Floats:
        zeta = eta * np.exp(rows[0])
        at = point(eta, zeta, sheet)
        P, Q = _pulls(at, sheet)
        pace = at.z / at.R * (P * at.sin + Q * at.cos) / (at.cos * at.sin)
        return np.append(full(eta, rows), (eta / pace)[None], axis=0)

    return field


def _full_start(at: Saddle) -> Floats:
    """d log(s)/d log(c), as k is a multiple of c; and U is of second order, as f' f = -rate f at the saddle."""
    return np.stack([np.log(at.slope), at.k * at.s / (at.s**2 + 1.0), np.zeros_like(at.s)])


# -- the equations -------------------------------------------------------------------------------------------


class _Slope(NamedTuple):
    """G = d zeta/d eta on a sheet, its derivatives by zeta and by log(c) at fixed eta."""

    G: Floats
    by_zeta: Floats
    by_log_c: Floats


def point(eta: Floats, zeta: Floats, sheet: Sheet) -> Point:
    """Where eta and zeta are."""
    y = sheet.rate2 / sheet.rate1 * np.exp(-eta)
    long = np.hypot(1.0, y)
    R = np.cosh(zeta)
    return Point(R * (y / long), R / long, np.sinh(zeta), R, y / long, 1.0 / long)


def _logits(at: Point, sheet: Sheet) -> tuple[Floats, Floats]:
    """z alpha and z beta."""
    z = sheet.root * at.z
    return z * (sheet.norm1 * sheet.root * at.A), z * (sheet.norm2 * sheet.root * at.B)


def _pulls(at: Point, sheet: Sheet) -> tuple[Floats, Floats]:
    """P = p1 a g1 and Q = p2 b g2: A' = P z, B' = -Q z, z' = P A - Q B."""
    u, v = _logits(at, sheet)
    return sheet.rate1 * expit(-u), sheet.rate2 * expit(v)


def _slope(eta: Floats, zeta: Floats, sheet: Sheet) -> _Slope:
    """G = coth(zeta) y^2 (1 - E) / ((1 + y^2) (y^2 + E)), y = cot(theta), E = y tan(theta_e) = e^-eta g1/g2."""
    at = point(eta, zeta, sheet)
    u, v = _logits(at, sheet)
    ratio, coth = _log_ratio(u, v), at.R / at.z
    # log(E/y^2): far out both are too small for a float.
    weight = eta - ratio - 2.0 * np.log(sheet.rate2 / sheet.rate1)
    F = -np.expm1(-eta - ratio) * at.sin**2 * expit(-weight)
    # Both logits are multiples of c, and of sinh(2 zeta); far out they are infinite, and their weights 0.
    by_log_c = expit(weight) * expit(-weight) * (expit(u) * np.minimum(u, _HUGE) + expit(-v) * np.minimum(v, _HUGE))
    by_zeta = by_log_c * (at.z / at.R + coth)
    return _Slope(coth * F, coth * by_zeta - F / at.z**2, coth * by_log_c)


def _log_ratio(u: Floats, v: Floats) -> Floats:
    """log(g2/g1) = log((1 + e^u)/(1 + e^-v)), for u + v small without cancellation."""
    small = np.minimum(u + v, 1.0)
    return np.where(
        u + v < 1.0, np.log1p(np.expm1(small) * expit(-v)), np.logaddexp(0.0, u) - np.logaddexp(0.0, -v)
    )


def _source(eta: Floats, zeta: Floats, D: Floats, G: Floats, sheet: Sheet) -> Floats:
    """(f1^zeta - G f1^eta - D f1^log(c)) / eta', where f1 = -f' f/2."""
    at = point(eta, zeta, sheet)
    u, v = _logits(at, sheet)
    P, Q = _pulls(at, sheet)
    # P A / (Q B) is E: at the saddle, where the two cancel, the difference of E from 1 is known in all its digits.
    A1, B1, z1 = P * at.z, -Q * at.z, Q * at.B * np.expm1(-eta - _log_ratio(u, v))
    P1 = -P * expit(u) * sheet.root**2 * sheet.norm1 * (z1 * at.A + at.z * A1)
    Q1 = Q * expit(-v) * sheet.root**2 * sheet.norm2 * (z1 * at.B + at.z * B1)
    A2, B2 = P1 * at.z + P * z1, -(Q1 * at.z + Q * z1)
    theta1 = (at.cos * B1 - at.sin * A1) / at.R
    f_theta = -0.5 * (at.cos * B2 - at.sin * A2) / at.R
    # f1^log(c) = A'^2 + B'^2 - z'^2 and z'', by z^2 = A^2 + B^2 - 1 in forms that keep their digits far out.
    across = (Q * at.A + P * at.B) ** 2
    f_log_c = across - P**2 - Q**2
    f_zeta = -0.5 * (P1 * at.A - Q1 * at.B + at.z * across) / at.R
    return np.asarray(((f_zeta - D * f_log_c) * at.cos * at.sin - G * f_theta) / theta1)
