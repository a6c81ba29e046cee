"""Spectral decoupling: where training ends with a penalty on the logits instead of one on the weights.

With the penalty (lam/2) sum_i q_i f(x_i)^2 in place of weight decay (Pezeshki et al. 2020, arXiv:2011.09468) every
margin that a model can move by itself ends where its pull is g(m) = lam m: at one value, whatever the strength of
its features. To see what that does to features, let the margins of n points be

    m = U diag(s) theta,    L = sum_i l(m_i),

with U orthogonal: feature j has the singular value s_j, its strength, and U mixes the features in the points. The
response of the model to feature j is z_j, z = U^T m = diag(s) theta. With the penalty on the logits m* and so
z* = U^T m* do not depend on s; with (lam/2) |theta|^2 = (lam/2) sum_j z_j^2/s_j^2 a strong feature takes up the
pull that the weak one would have had (docs/theory.md, section 18).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.losses import Loss

__all__ = ["decoupled", "mixing", "responses"]

#: Newton's method in log m needs 3 steps at most from the starts used here; two more in m remove the rounding.
_STEPS, _LAST_STEPS = 5, 2
#: Of Newton's method for all responses, with halved steps where they go too far.
_MOST = 200


def decoupled(strength: ArrayLike, *, loss: str = "cross_entropy") -> Floats:
    """The margin at which every point ends when (lam/2) sum_i q_i f(x_i)^2 is added to the loss.

    The root of g(m) = lam m. Exponential loss: m = W(1/lam) with Lambert's W; hinge: min(1, 1/lam); squared loss:
    1/(1 + lam); cross-entropy: m (1 + e^m) = 1/lam.

    Parameters
    ----------
    strength : array_like
        lam >= 0, of the penalty; 0 and inf give the limits.
    loss : str
        "cross_entropy", "exponential", "hinge" or "squared".

    Returns
    -------
    ndarray
        m, in the shape of `strength` (0-d for a number). The relative error is below 1e-15 for lam from 1e-300 to
        1e300.

    Raises
    ------
    ValueError
        If `strength` is negative or NaN, or `loss` unknown.

    Examples
    --------
    >>> decoupled([0.01, 1.0]).round(6)
    array([3.359275, 0.401058])
    >>> decoupled([0.5, 2.0], loss="hinge")
    array([1. , 0.5])
    """
    rule = losses.get(loss)
    lam = checks.nonnegative("strength", strength, infinite=True)
    with np.errstate(all="ignore"):
        if rule.name == "hinge":
            return np.asarray(np.minimum(1.0, 1.0 / lam))
        if rule.name == "squared":
            return np.asarray(1.0 / (1.0 + lam))
        inside = (lam > 0.0) & (lam < np.inf)
        return np.where(inside, _root(np.where(inside, lam, 1.0), rule), np.where(lam > 0.0, 0.0, np.inf))


def _root(lam: Floats, rule: Loss) -> Floats:
    """The root of g(m) = lam m for 0 < lam < inf."""
    m = np.asarray(special.wrightomega(-np.log(lam)))
    if rule.name == "cross_entropy":
        # m (1 + e^m) = 1/lam: m e^m and 2 m are below it, and log m + log(1 + e^m) is convex in log m.
        x = np.log(np.minimum(m, 0.5 / lam))
        for _ in range(_STEPS):
            m = np.exp(x)
            x -= (x + np.logaddexp(0.0, m) + np.log(lam)) / (1.0 + m * special.expit(m))
        m = np.exp(x)
    for _ in range(_LAST_STEPS):
        m = m + (rule.pull(m) - lam * m) / (lam - rule.slope(m))
    return m


def mixing(angle_sine: float) -> Floats:
    """The rotation U = [[sqrt(1-d^2), -d], [d, sqrt(1-d^2)]] by which two points share two features.

    Parameters
    ----------
    angle_sine : float
        d, between -1 and 1: 0 for one feature a point.

    Returns
    -------
    ndarray, shape (2, 2)

    Raises
    ------
    ValueError
        If it is not one number between -1 and 1.

    Examples
    --------
    >>> mixing(0.6)
    array([[ 0.8, -0.6],
           [ 0.6,  0.8]])
    """
    d = checks.array("angle_sine", angle_sine)
    if d.ndim or abs(d) > 1.0:
        raise ValueError(f"angle_sine must be one number between -1 and 1, got {angle_sine!r}")
    cosine = np.sqrt((1.0 - d) * (1.0 + d))
    return np.array([[cosine, -d], [d, cosine]])


def responses(
    mixing: ArrayLike,
    singular_values: ArrayLike,
    *,
    strength: float,
    penalty: str = "logits",
    loss: str = "cross_entropy",
) -> Floats:
    """The responses z* = U^T m* to every feature at the minimum of sum_i l(m_i) + penalty, m = U diag(s) theta.

    Parameters
    ----------
    mixing : array_like, shape (n, n)
        U, orthogonal: row i holds how much of each feature point i has.
    singular_values : array_like, shape (..., n)
        s > 0, the strengths of the features.
    strength : float
        lam > 0.
    penalty : str
        "logits" for (lam/2) sum_i m_i^2, spectral decoupling, or "weights" for (lam/2) |theta|^2, weight decay.
    loss : str
        "cross_entropy", "exponential", "squared" or, with `penalty` "logits" only, "hinge".

    Returns
    -------
    ndarray, shape (..., n)
        z*. Relative error of the largest below 1e-14 for the penalty "logits"; for "weights" z* solves
        U^T g(U z) = lam z/s^2 to within 1e-13 of its terms and what the rounding of U z changes in g.

    Raises
    ------
    ValueError
        If U is not orthogonal, shapes do not fit, numbers are out of range or names unknown.
    FloatingPointError
        If the minimum is not found in float64.

    Examples
    --------
    >>> U = mixing(0.5)
    >>> responses(U, [2.0, 2.0], strength=0.01, penalty="weights").round(3)
    array([6.12, 1.64])
    >>> responses(U, [[2.0, 2.0], [6.0, 2.0]], strength=0.01).round(3)
    array([[4.589, 1.23 ],
           [4.589, 1.23 ]])
    """
    rule, lam = losses.get(loss), checks.number("strength", strength)
    find = checks.choice("penalty", penalty, {"logits": _with_logits, "weights": _with_weights})
    U, s = _checked(mixing, singular_values)
    return find(U, s, lam, rule)


def _checked(mixing: ArrayLike, singular_values: ArrayLike) -> tuple[Floats, Floats]:
    U, s = checks.array("mixing", mixing, ndim=2), checks.positive("singular_values", singular_values)
    if U.shape[0] != U.shape[1] or not np.allclose(U.T @ U, np.eye(U.shape[1]), rtol=0.0, atol=1e-10):
        off = f", off by {np.max(np.abs(U.T @ U - np.eye(U.shape[1]))):.3g}" if U.shape[0] == U.shape[1] else ""
        raise ValueError(f"mixing must be an orthogonal matrix, got one of shape {U.shape}{off}")
    if s.ndim == 0 or s.shape[-1] != len(U):
        raise ValueError(f"singular_values must have {len(U)} entries on the last axis, got shape {s.shape}")
    return U, s


def _with_logits(U: Floats, s: Floats, lam: float, rule: Loss) -> Floats:
    z = U.sum(axis=0) * decoupled(lam, loss=rule.name)
    return np.array(np.broadcast_to(z, s.shape))


def _with_weights(U: Floats, s: Floats, lam: float, rule: Loss) -> Floats:
    if rule.name == "hinge":
        raise ValueError("loss must not be 'hinge' with penalty 'weights': the minimum may lie at its kink")
    flat = s.reshape(-1, s.shape[-1])
    return np.array([_minimum(U, row, lam, rule) for row in flat]).reshape(s.shape)


def _minimum(U: Floats, s: Floats, lam: float, rule: Loss) -> Floats:
    """Newton's method in theta for a strictly convex function, the steps halved until the function falls."""
    A, theta = U * s, np.zeros(len(s))

    def value(theta: Floats) -> float:
        return float(np.sum(rule.value(A @ theta)) + 0.5 * lam * theta @ theta)

    for _ in range(_MOST):
        m = A @ theta
        pull, decay = A.T @ rule.pull(m), lam * theta
        # What rounds is each pull, and each margin by some 1e-16 of its terms.
        blurred = np.abs(rule.pull(m)) - rule.slope(m) * 0.02 * (np.abs(A) @ np.abs(theta))
        if np.all(np.abs(pull - decay) <= 1e-13 * (np.abs(A).T @ blurred + np.abs(decay))):
            return np.asarray(s * theta)
        hessian = (A.T * -rule.slope(m)) @ A + lam * np.eye(len(s))
        step, share = np.linalg.solve(hessian, pull - decay), 1.0
        # Near the minimum the function is flat to rounding, and whole steps are right.
        slack = 1e-12 * abs(value(theta))
        while value(theta + share * step) > value(theta) + slack:
            share *= 0.5
        theta = theta + share * step
    raise FloatingPointError(f"the minimum was not found in {_MOST} steps, for singular values {s.tolist()}")
