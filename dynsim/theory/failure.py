"""How often random initialization fails: some class is never learnt (Section 3.3 (v2)).

One hidden layer of h units without biases; class 1 (label +1) holds one input x_1 with frequency p_1, class 2 x_2
with p_2. All entries of W and Z start independent and normal with mean 0 and one standard deviation, the scale. A
unit serves class 1 if in the end it is active on x_1 and Z > 0, class 2 with Z < 0; a class fails if no unit serves
it. Units do not feel each other as long as all logits are near 0, every pull then being 1/2: in the limit of a
small scale this lasts until each unit has made its choice, so that units are independent (docs/theory.md,
section 15).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks
from dynsim.checks import Floats

Mask = NDArray[np.bool_]
GEOMETRIES = {"antipodal": 180.0, "orthogonal": 90.0}


class Estimate(NamedTuple):
    """Probabilities estimated from random samples, and one standard error of each."""

    probability: Floats
    standard_error: Floats


def failure_probability(
    hidden: ArrayLike,
    geometry: str = "antipodal",
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
) -> Floats:
    """Probability that at least one of two classes is never learnt, from normal weights of one scale.

    "antipodal", x_2 = -x_1 up to length: exactly 2^(1-h), at every scale, for any lengths and frequencies, and for
    all losses whose pull drives a class without end (cross-entropy and exponential; the hinge lets go of a class
    at margin 1, and a unit of it that is still on its way to the other class stays where it is). At larger scales
    the end may be very far away: units may wait for a class that is learnt already and hardly pulls.

    "orthogonal", x_1.x_2 = 0: with delta = [asin(A/(rho sqrt 2)) - asin(B/(rho sqrt 2))]/(4 pi), A = p_1 \\|x_1\\|,
    B = p_2 \\|x_2\\| and rho^2 = A^2 + B^2,
    (11/16 - delta)^h + (11/16 + delta)^h - (3/8)^h, in the limit of a small scale. At larger scales fewer networks
    fail: a unit active on both inputs that has not chosen by the time one class is learnt goes to the other.

    Parameters
    ----------
    hidden : array_like of int
        h, at least 1.
    geometry : str
        "antipodal" or "orthogonal". For other angles see `failure_estimate`.
    norms, frequencies : array_like, shape (2,)
        \\|x_1\\|, \\|x_2\\| and p_1, p_2; positive.

    Returns
    -------
    ndarray, in the shape of `hidden`
        To a few units in the last place times h.

    Raises
    ------
    ValueError
        If h is no integer of at least 1, a norm or frequency is not positive and finite, or the geometry is
        another one.

    Examples
    --------
    >>> failure_probability([2, 3, 4, 6])
    array([0.5    , 0.25   , 0.125  , 0.03125])
    >>> failure_probability([2, 3, 4], "orthogonal").round(4)
    array([0.8047, 0.5972, 0.427 ])
    """
    h = _units(hidden)
    angle = _geometry(geometry)
    A, B = _shares(norms, frequencies)
    if angle == 180.0:
        return np.asarray(np.exp2(1.0 - h))
    delta = (np.arcsin(A / np.sqrt(2.0)) - np.arcsin(B / np.sqrt(2.0))) / (4.0 * np.pi)
    return _probability(h, 5.0 / 16.0 + delta, 5.0 / 16.0 - delta, 0.375)


def failure_estimate(
    hidden: ArrayLike,
    angle: float,
    *,
    norms: ArrayLike = (1.0, 1.0),
    frequencies: ArrayLike = (1.0, 1.0),
    samples: int = 100_000,
    rng: Any,
) -> Estimate:
    """The same probability for inputs at any angle, in the limit of a small scale, by Monte Carlo.

    Random units are followed through the linear flow of that limit, from gate to gate, each time to the root of
    a quadratic: nothing is integrated. Below 90 degrees a unit may come to a boundary w.x = 0 that both sides push
    it to; it then slides along it and keeps the sign of Z. The limit of 180 degrees, 2 (9/16)^h - (1/8)^h, is not
    the value at 180 degrees, 2^(1-h): however close to it, half of the units that die for one class miss the
    other, since both inputs are inactive on a wedge of directions, and w can fall into it.

    Parameters
    ----------
    hidden : array_like of int
        h, at least 1. All of them are estimated from the same units.
    angle : float
        Between x_1 and x_2 in degrees, above 0 and at most 180.
    norms, frequencies : array_like, shape (2,)
        \\|x_1\\|, \\|x_2\\| and p_1, p_2; positive. Only A/B = p_1 \\|x_1\\|/(p_2 \\|x_2\\|) matters.
    samples : int
        Number of random units, at least 1,000: of fewer the standard error would be a guess.
    rng : anything np.random.default_rng takes

    Returns
    -------
    Estimate
        Two arrays in the shape of `hidden`. The standard error is that of a first-order expansion in the
        estimated shares of units: about 0.002 with 100 000 samples.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> estimate = failure_estimate([2, 4], 120, rng=0)
    >>> estimate.probability.round(2), estimate.standard_error.round(4)
    (array([0.75, 0.34]), array([0.001 , 0.0014]))
    """
    h = _units(hidden)
    degrees = _angle(angle)
    number = checks.count("samples", samples, least=1_000)
    draws = checks.generator("rng", rng).standard_normal((number, 3))
    class_of = _served(draws[:, :2], draws[:, 2], degrees, *_shares(norms, frequencies))
    q0, q1, q2 = np.bincount(class_of, minlength=3) / number
    # The delta method, with the covariances of a multinomial: var q_i = q_i (1 - q_i)/n, cov = -q_1 q_2/n.
    d1 = h * (q0 ** (h - 1.0) - (1.0 - q1) ** (h - 1.0))
    d2 = h * (q0 ** (h - 1.0) - (1.0 - q2) ** (h - 1.0))
    variance = q1 * d1**2 + q2 * d2**2 - (q1 * d1 + q2 * d2) ** 2
    return Estimate(_probability(h, q1, q2, q0), np.asarray(np.sqrt(np.maximum(variance, 0.0) / number)))


def _probability(h: Floats, q1: float, q2: float, q0: float) -> Floats:
    """Some class fails: none of h independent units serves class 1, or none class 2, less what is counted twice."""
    return np.asarray((1.0 - q1) ** h + (1.0 - q2) ** h - q0**h)


# ---- the linear flow of one unit -------------------------------------------------------------------------


def _served(w: Floats, z: Floats, angle: float, A: float, B: float) -> NDArray[np.int64]:
    """Which class the units serve in the end, 0 for neither: w (n, 2) in the plane of x_1 and x_2, z (n,).

    Between gates w' = (z/2) v and z' = w.v/2 with v = A u_1 [w.u_1 > 0] - B u_2 [w.u_2 > 0], u the directions of
    the inputs. z' = (A (w.u_1)_+ - B (w.u_2)_+)/2 is continuous and z'' has the sign of z, so that z changes its
    sign once at most, and while it keeps it each gate changes once at most: there are at most four crossings.
    """
    inputs = np.array([[1.0, 0.0], [special.cosdg(angle), special.sindg(angle)]])
    both = A * inputs[0] - B * inputs[1]
    # The direction of v by which gates are open: none, the first, the second, both.
    drive = np.stack([np.zeros(2), inputs[0], -inputs[1], both / np.hypot(*both)])
    along = drive @ inputs.T
    out, left = np.zeros(len(z), dtype=np.int64), np.arange(len(z))
    open_, crossed = w @ inputs.T > 0, np.zeros((len(z), 2), dtype=bool)
    while left.size:
        region = open_ @ np.array([1, 2])
        v, speed = drive[region], along[region]
        p = np.sum(w * v, axis=1)
        S, D = p + z, p - z
        times = _crossings(S, D, p, np.where(crossed, 0.0, w @ inputs.T), speed)
        X = times.min(axis=1)
        stays = np.isinf(X)
        out[left[stays]] = np.where(region == 0, 0, np.where(S > 0, 1, 2))[stays]
        crossed = times == X[:, None]
        open_ = open_ ^ crossed
        slides = np.any(crossed & (speed * along[open_ @ np.array([1, 2])] < 0), axis=1) & ~stays
        with np.errstate(invalid="ignore"):
            w = w + ((S * X + D / X) / 2.0 - p)[:, None] * v
            z = (S * X - D / X) / 2.0
        out[left[slides]] = np.where(z > 0, 1, 2)[slides]
        go = ~(stays | slides)
        left, w, z, open_, crossed = left[go], w[go], z[go], open_[go], crossed[go]
    return out


def _crossings(S: Floats, D: Floats, p: Floats, gates: Floats, speed: Floats) -> Floats:
    """e^tau > 1 at which each gate is next 0, inf if never; shape (n, 2).

    w.v/|v| = (S e^tau + D e^-tau)/2 starts at p, and a gate, now at `gates`, moves `speed` times as far.
    """
    S, D, p = S[:, None], D[:, None], p[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        level = p - gates / speed
        # S X^2 - 2 level X + D = 0, the roots without cancellation.
        q = level + np.copysign(np.sqrt(level * level - S * D), level)
        roots = np.stack([q / S, D / q])
        # A gate at 0 is just being left: 1 is one root, and D/S the other.
        roots = np.where(gates == 0.0, D / S, roots)
    return np.asarray(np.where((roots > 1.0) & (speed != 0.0), roots, np.inf).min(axis=0))


# ---- what is given ---------------------------------------------------------------------------------------


def _units(hidden: ArrayLike) -> Floats:
    h = checks.array("hidden", hidden)
    bad = (h < 1) | (h != np.round(h))
    if np.asarray(hidden).dtype.kind == "b" or np.any(bad):
        found = f"{h[bad][0]:g}" if np.any(bad) else repr(hidden)
        raise ValueError(f"hidden must be integers of at least 1, got {found}")
    return h


def _geometry(name: Any) -> float:
    if isinstance(name, (int, float)):
        known = checks.listed(GEOMETRIES)
        raise ValueError(f"geometry must be one of {known}, got {name!r}: for other angles see failure_estimate")
    return checks.choice("geometry", name, GEOMETRIES)


def _angle(angle: float) -> float:
    try:
        degrees = checks.array("angle", angle, ndim=0)
    except ValueError as error:
        raise ValueError(f"angle must be one number above 0 and at most 180 (degrees), got {angle!r}") from error
    if isinstance(angle, (bool, np.bool_)) or not 0.0 < degrees <= 180.0:
        raise ValueError(f"angle must be one number above 0 and at most 180 (degrees), got {angle!r}")
    return float(degrees)


def _shares(norms: ArrayLike, frequencies: ArrayLike) -> tuple[float, float]:
    """A/rho and B/rho: only the ratio of the rates matters, as its logarithm it cannot overflow."""
    pairs = [checks.positive("norms", norms), checks.positive("frequencies", frequencies)]
    for name, pair in zip(("norms", "frequencies"), pairs, strict=True):
        if pair.shape != (2,):
            raise ValueError(f"{name} must be two numbers, of class +1 and of class -1, got shape {pair.shape}")
    log_ratio = float(sum(np.log(pair[0]) - np.log(pair[1]) for pair in pairs))
    return float(np.sqrt(special.expit(2.0 * log_ratio))), float(np.sqrt(special.expit(-2.0 * log_ratio)))
