"""The shape of a learning curve: where it turns, what bounds it, how it ends.

A mode of a network with N weight layers obeys (docs/theory.md, sections 4 and 5)

    du/dt = K u^a g(u),    a = 2 - 2/N,    K = N kappa |x|^(2/N - 1),

and for N = 2 and an imbalance C between the layers du/dt = 2 kappa sqrt(u^2 + C^2) g(u). The confidence of
cross-entropy is P = sigma(u - b), with b = log(classes - 1) for a softmax and b = 0 for two classes and a
sigmoid. The time is t = lr x step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory.bounds import lower_bound, upper_bound
from dynsim.theory.evaluation.special import bracketed_newton

__all__ = [
    "CRITICAL_IMBALANCE", "Inflection",
    "asymptote", "inflection", "inflections", "lower_bound", "upper_bound",
]  # fmt: skip

#: The imbalance from which on no curve that starts at a logit >= 0 has a plateau: sqrt(max(u/k(u) - u^2))
#: with k(u) = 3 sigma(u) - 1.
CRITICAL_IMBALANCE = 0.5852119533636459

_FINITE = float(np.finfo(np.float64).max)
# Between these lies the inflection at a negative logit, whatever the imbalance.
_LEAST, _LOG_HALF = -1.8, -float(np.log(2.0))
# The logit at which the two positive inflections merge.
_TOP = 0.4003649084246083


class Inflection(NamedTuple):
    """Where a confidence curve P(t) changes its curvature: the logit there, and the confidence."""

    logit: Floats
    confidence: Floats


def inflection(depth: ArrayLike = 2, *, imbalance: ArrayLike = 0.0, classes: ArrayLike | None = None) -> Inflection:
    """The last inflection of the confidence curve of cross-entropy: from there on P(t) is concave.

    Balanced layers: the one root u* of a/u + 1 = 3 sigma(u - b). Rate, norm and frequency move it in time but
    neither in the logit nor in the confidence. A curve that starts below u* is convex first, a plateau, and
    concave from u* on; one that starts at or above u* is concave from the start. The error 1 - P has its
    inflection at the same place. At depth 1, u* = b - log 2 and P* = 1/3, so that with two classes a start
    at 0 or above shows no inflection (and u* -> 0 as the depth goes to 1 from above, where logits are positive);
    as the depth grows, u* rises to 1.4148 and P* to .8045.

    Two layers of imbalance C: u/(u^2 + C^2) + 1 = 3 sigma(u). Up to `CRITICAL_IMBALANCE`, .5852, this is the
    largest of three roots, between .4004 and .8884; from there on only the negative one is left, and no start at 0
    or above shows an inflection. See `inflections`.

    Parameters
    ----------
    depth : array_like
        The number of weight layers N >= 1, any real number; inf gives the limit.
    imbalance : array_like
        C >= 0, in units of the logit; inf gives the limit, that of depth 1. Positive only for depth 2 and
        two classes.
    classes : None or array_like
        The number of classes of a softmax; None, or 2, is the sigmoid of the binary case.

    Returns
    -------
    Inflection
        `logit` and `confidence`, in the shape to which the arguments broadcast (0-d for numbers). The
        error is below 1e-15 in units of max(1, logit). Close below the critical imbalance two roots merge
        and the logit loses up to half of its digits.

    Raises
    ------
    ValueError
        If an argument is outside its range, or `imbalance` positive together with another depth or `classes`.

    Examples
    --------
    >>> u, p = inflection([1, 2, 3, np.inf])
    >>> u.round(6)
    array([-0.693147,  0.888368,  1.077133,  1.414842])
    >>> p.round(6)
    array([0.333333, 0.708553, 0.745951, 0.804529])
    >>> inflection(imbalance=[0.0, 0.5, 1.0]).logit.round(6)
    array([ 0.888368,  0.645745, -1.515628])
    """
    layers, C, n = checks.broadcast(
        depth=_depths(depth),
        imbalance=checks.nonnegative("imbalance", imbalance, infinite=True),
        classes=_classes(classes),
    )
    mixed = (C > 0.0) & ((layers != 2.0) | (n > 2.0))
    if mixed.any():
        found = f"{C[mixed][0]:.10g} with depth {layers[mixed][0]:.10g} and {n[mixed][0]:.10g} classes"
        raise ValueError(f"imbalance must be 0 unless there are 2 layers and 2 classes, got {found}")
    u, P = _balanced_inflection(2.0 - 2.0 / layers, np.log(n - 1.0))
    uneven = C > 0.0
    roots = _roots(C[uneven])
    u[uneven] = np.where(np.isnan(roots[..., 2]), roots[..., 0], roots[..., 2])
    P[uneven] = special.expit(u[uneven])
    return Inflection(u, P)


def _depths(depth: ArrayLike) -> Floats:
    layers = checks.positive("depth", depth, infinite=True)
    if not np.all(layers >= 1.0):
        raise ValueError(f"depth must be at least 1, got {layers[layers < 1.0][0]:.10g}")
    return layers


def _classes(classes: ArrayLike | None) -> Floats:
    """2 where there is no softmax."""
    n = checks.positive("classes", 2.0 if classes is None else classes)
    bad = (n < 2.0) | (np.floor(n) != n)
    if bad.any():
        raise ValueError(f"classes must be whole numbers of at least 2, got {n[bad][0]:.10g}")
    return n


def _balanced_inflection(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The root of 3 sigma(u - b) - 1 - a/u, which increases in u > 0: negative at a/2, positive at b + 2."""
    u, P = np.asarray(b + _LOG_HALF), np.full_like(a, 1.0 / 3.0)
    deep = a > 0.0
    a, b = a[deep], b[deep]

    def excess(u: Floats) -> tuple[Floats, Floats]:
        P = special.expit(u - b)
        return 3.0 * P - 1.0 - a / u, 3.0 * P * special.expit(b - u) + a / u**2

    found = bracketed_newton(excess, 0.5 * a, b + 2.0, b + 1.0)
    u[deep] = found
    # u - b cancels for many classes, a/u loses the digits of the smallest u, which only two classes have.
    P[deep] = np.where(b > 0.0, (1.0 + a / found) / 3.0, special.expit(found))
    return u, P


def inflections(imbalance: ArrayLike = 0.0) -> Inflection:
    """All inflections of the confidence curve of cross-entropy at depth 2, for logits of both signs.

    The roots of u/(u^2 + C^2) + 1 = 3 sigma(u). One is always negative, between -1.7723 (C = 0) and -log 2
    (C infinite). Below `CRITICAL_IMBALANCE`, .5852, there are two positive ones as well, and the curve is
    convex between them: this is the plateau. A start between them shows the last one only, a start
    above them none. From the critical imbalance on a curve from u0 >= 0 is concave throughout.

    Parameters
    ----------
    imbalance : array_like
        C >= 0, in units of the logit; inf gives the limit. C = 0 is the limit C -> 0, the second root 0.

    Returns
    -------
    Inflection
        `logit` and `confidence`, of the shape of `imbalance` and a last axis of length 3, increasing along
        it; where only the negative root exists, the other two are NaN. The error is below 1e-15 (of the
        second root, relative: it is C^2/2 for small C), except that the two roots lose up to half of their
        digits where they are about to merge, like (1 - C/.5852)^(-1/2).

    Raises
    ------
    ValueError
        If an imbalance is negative or NaN.

    Examples
    --------
    >>> inflections([0.1, 0.5, 1.0]).logit.round(4)
    array([[-1.7697,  0.0051,  0.8808],
           [-1.7073,  0.1786,  0.6457],
           [-1.5156,     nan,     nan]])
    """
    roots = _roots(checks.nonnegative("imbalance", imbalance, infinite=True))
    return Inflection(roots, special.expit(roots))


def _roots(C: Floats) -> Floats:
    """The three roots, NaN for those that are not there."""
    out = np.full((*C.shape, 3), np.nan)
    out[..., 0] = _negative_root(C)
    few = C < CRITICAL_IMBALANCE
    out[few, 1:] = _positive_roots(C[few])
    return out


def _negative_root(C: Floats) -> Floats:
    """3 sigma(u) - 1 - u/(u^2 + C^2), increasing from -1.8 to -log 2."""

    def excess(u: Floats) -> tuple[Floats, Floats]:
        R, P = np.hypot(u, C), special.expit(u)
        ratio = u / R
        return 3.0 * P - 1.0 - ratio / R, 3.0 * P * special.expit(-u) - (1.0 - 2.0 * ratio**2) / R / R

    low, high = np.full_like(C, _LEAST), np.full_like(C, _LOG_HALF)
    return bracketed_newton(excess, low, high, high)


def _positive_roots(C: Floats) -> Floats:
    """C^2 = u (1/k(u) - u) with k = 3 sigma - 1: concave, so that one root lies on each side of its top."""
    square, top = C * C, np.full_like(C, _TOP)
    last = np.full_like(C, float(_balanced_inflection(np.ones(()), np.zeros(()))[0]))

    def excess(u: Floats) -> tuple[Floats, Floats]:
        k = 0.5 + 1.5 * np.tanh(0.5 * u)
        slope = (1.0 - 3.0 * u * special.expit(u) * special.expit(-u) / k) / k - 2.0 * u
        return u * (1.0 / k - u) - square, slope

    def negated(u: Floats) -> tuple[Floats, Floats]:
        value, slope = excess(u)
        return -value, -slope

    # C^2/2 is within C^4 of the root, and so is every step: small roots are found to their own size, not to 1.
    second = bracketed_newton(excess, 0.5 * square, top, 0.5 * square)
    return np.stack([second, bracketed_newton(negated, top, last, last)], axis=-1)


# -- the end, and two classes --------------------------------------------------------------------------------


def asymptote(
    time: ArrayLike,
    *,
    rate: ArrayLike,
    depth: ArrayLike = 2,
    norm: ArrayLike = 1.0,
    classes: ArrayLike | None = None,
    terms: int = 3,
) -> Floats:
    """How the logit ends: log t + a log log t + log K, and the next term.

    With l = log t, k = log K and X = a log l + k, the logit of cross-entropy and of exponential loss is

        u = l + X + a (X - 1)/l + a (a (X - 1) - X^2/2 + X - a/2 - 1)/l^2 + ...

    At depth 2 the first three terms are log t + log log t + log(2 kappa). The initial logit plays no part in
    any of them (it changes u like 1/t), and the imbalance C from 1/l^2 on, where it adds C^2/2. So the logit
    outgrows log t: the paper's "slower than log t" is only its bound (19), 2 log t.

    Parameters
    ----------
    time : array_like
        t = lr x step, larger than e, for log log t to be positive; inf gives inf.
    rate : array_like
        kappa = p |x| > 0.
    depth : array_like
        The number of weight layers N >= 1, any real number.
    norm : array_like
        |x| > 0; it matters for depths other than 2 only: K = N kappa |x|^(2/N - 1).
    classes : None or array_like
        The number of classes of a softmax at depth 2: then K above is 2 kappa sqrt(classes (classes - 1)).
        None is the sigmoid of the binary case.
    terms : int
        3, or 4 for the term in 1/l as well.

    Returns
    -------
    ndarray
        The shape to which the arguments broadcast (0-d for numbers). The difference to the logit is the next
        term above, to leading order as t tends to infinity: it dies out slowly, and depth 1, where a = 0, is
        exact up to log(t)/t.

    Raises
    ------
    ValueError
        If a time is not larger than e, or another argument is outside its range.

    Examples
    --------
    >>> asymptote([1e3, 1e100], rate=1.0).round(4)
    array([  9.5335, 236.3909])
    >>> from dynsim.theory import modes
    >>> modes.logit([1e3, 1e100], initial=1e-3, rate=1.0).round(4)
    array([  9.7417, 236.413 ])
    >>> asymptote([1e3, 1e100], rate=1.0, terms=4).round(4)
    array([  9.7689, 236.4131])
    """
    wanted = checks.count("terms", terms, least=3, most=4)
    t = checks.array("time", time, infinite=True)
    if not np.all(t > np.e):
        raise ValueError(f"time must be larger than e, got {t[~(t > np.e)][0]:.10g}")
    kappa, rest, layers = _rate(rate, depth, norm, classes)
    t, kappa, rest, layers = checks.broadcast(time=t, rate=kappa, rest=rest, depth=layers)
    out, finite = np.full(t.shape, np.inf), t < np.inf
    t, kappa, rest, a = t[finite], kappa[finite], rest[finite], 2.0 - 2.0 / layers[finite]
    log_t = np.log(t)
    with np.errstate(over="ignore"):
        # One logarithm: two may cancel, each as large as 690.
        product = t * kappa
    first = np.where(product < np.inf, np.log(np.minimum(product, _FINITE)), log_t + np.log(kappa))
    bend = a * np.log(log_t) + rest
    out[finite] = first + bend + (a * (first - log_t + bend - 1.0) / log_t if wanted == 4 else 0.0)
    return out


def _rate(
    rate: ArrayLike, depth: ArrayLike, norm: ArrayLike, classes: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """kappa, the logarithm of what makes K of it (with the factor that a softmax puts there), and N."""
    kappa, N, size, n = checks.broadcast(
        rate=checks.positive("rate", rate),
        depth=_depths(checks.positive("depth", depth)),
        norm=checks.positive("norm", norm),
        classes=_classes(classes),
    )
    if classes is not None and not np.all(N == 2.0):
        raise ValueError(f"depth must be 2 where classes is given, got {N[N != 2.0][0]:.10g}")
    softmax = 0.0 if classes is None else 0.5 * (np.log(n) + np.log(n - 1.0))
    return kappa, np.log(N) + (2.0 / N - 1.0) * np.log(size) + softmax, N
