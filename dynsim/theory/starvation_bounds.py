"""How confident a network may be on a rare feature: Thm 6.1 and Thm D.2 (v2), and a bound from the start alone.

The setting and the letters are those of `dynsim.theory.starvation`; proofs in docs/theory.md, section 17.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory import starving_levels
from dynsim.theory.starving_arguments import between, inside, lone, moderate, setting

__all__ = ["bound", "bound_from", "bound_of_start", "covered"]


def covered(
    alpha: ArrayLike, beta: ArrayLike, *, frequency: ArrayLike, norms: Any = (1.0, 1.0)
) -> NDArray[np.bool_]:
    """Whether a start satisfies the assumption of Thm 6.1 (v2), so that `bound` holds along its flow.

    That is lambda (b/a)^2 alpha >= beta and alpha > 0; for beta <= 0 the bound holds by Thm D.2 (v2).

    Parameters
    ----------
    alpha, beta : array_like
        w.x1 and w.x2 of a lone unit at the start. For several units with z > 0 it is enough that all are covered
        with beta >= 0.
    frequency, norms
        As for `bound`.

    Returns
    -------
    ndarray of bool
        In the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, or shapes do not broadcast.

    Examples
    --------
    >>> covered(0.1, [0.1, 0.01, -0.1], frequency=0.1)
    array([False,  True,  True])
    """
    alpha, beta, share, a, b = checks.broadcast(
        alpha=moderate("alpha", checks.array("alpha", alpha)),
        beta=moderate("beta", checks.array("beta", beta)),
        **setting(frequency, norms),
    )
    return np.asarray((alpha > 0.0) & (beta <= share * (b / a) ** 2 * alpha))


def bound(confidence: ArrayLike, frequency: ArrayLike, *, norms: Any = (1.0, 1.0)) -> Floats:
    """The highest confidence on x2 alone when that on x1 alone is `confidence`: Thm 6.1 (v2), Table 1.

    sigma(lambda (b/a)^2 L), L = log(P/(1 - P)), for starts that are `covered`. (The same holds for the logits of
    any decreasing pull: f(x2) <= lambda (b/a)^2 f(x1), with hinge, exponential and squared loss too.)

    Parameters
    ----------
    confidence : array_like
        P on x1 alone, 1/2 to 1. Below 1/2 the output weight is negative and the confidence on x2 at most 1/2.
    frequency : array_like
        lambda, 0 to 1.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive.

    Returns
    -------
    ndarray
        In the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, or shapes do not broadcast.

    Examples
    --------
    >>> bound([[0.99], [0.9999]], [0.5, 0.2, 0.1, 0.01]).round(2)
    array([[0.91, 0.71, 0.61, 0.51],
           [0.99, 0.86, 0.72, 0.52]])
    """
    P, share, a, b = checks.broadcast(
        confidence=between("confidence", confidence, 0.5), **setting(frequency, norms)
    )
    return np.asarray(expit(_plain(np.asarray(logit(P)), share * (b / a) ** 2)))


def bound_from(
    confidence: ArrayLike,
    frequency: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    *,
    output: ArrayLike,
    norms: Any = (1.0, 1.0),
) -> Floats:
    """The same for any start and a known output weight at that moment: Thm D.2 (v2).

    sigma(lambda (b/a)^2 L + z* (beta0 - lambda (b/a)^2 alpha0)), and for beta0 <= 0 the bound of Thm 6.1.

    Parameters
    ----------
    confidence, frequency, norms
        As for `bound`.
    alpha, beta : array_like
        w.x1, positive, and w.x2 at the start, where the output weight is at least 0.
    output : array_like
        z*, the output weight when the confidence on x1 alone is `confidence`; positive.

    Returns
    -------
    ndarray
        In the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, or shapes do not broadcast.

    Examples
    --------
    >>> from dynsim.theory.starvation import at_confidence
    >>> moment = at_confidence(0.99, 0.1, 0.1, 0.1, frequency=0.1)
    >>> float(bound_from(0.99, 0.1, 0.1, 0.1, output=moment.z).round(3))
    0.658
    """
    P, alpha, beta, output, share, a, b = checks.broadcast(
        confidence=between("confidence", confidence, 0.5),
        alpha=moderate("alpha", checks.positive("alpha", alpha)),
        beta=moderate("beta", checks.array("beta", beta)),
        output=moderate("output", checks.positive("output", output)),
        **setting(frequency, norms),
    )
    slope = share * (b / a) ** 2
    plain = _plain(np.asarray(logit(P)), slope)
    # The confidence on x2 is never below 1/2.
    general = np.maximum(plain + output * (beta - slope * alpha), 0.0)
    return np.asarray(expit(np.where(beta > 0.0, general, plain)))


def bound_of_start(
    confidence: ArrayLike,
    frequency: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    norms: Any = (1.0, 1.0),
) -> Floats:
    """The same from the start alone: in Thm D.2 (v2) z* is the largest that the invariant allows.

    On the way beta <= beta0 + lambda (b/a)^2 (alpha - alpha0), and alpha^2/a^2 + beta^2/b^2 - z^2 does not change.
    At z alpha = L the invariant makes z beta grow with z; the bound is where the two meet, whatever the sign of
    beta0 - lambda (b/a)^2 alpha0; where that is negative, it is sharper than D.2 with the true z*. For beta0 <= 0
    it is the bound of Thm 6.1.

    Parameters
    ----------
    confidence : array_like
        P on x1 alone, above 1/2 and below 1.
    frequency, norms
        As for `bound`.
    alpha, beta, z : array_like
        The start of a lone unit: w.x1, positive; w.x2; the output weight, positive.

    Returns
    -------
    ndarray
        In the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, or shapes do not broadcast; if the start has a higher
        confidence already.

    Examples
    --------
    >>> bound_of_start(0.99, 0.1, 0.1, [0.1, 0.01, 0.001], 0.1).round(4)
    array([0.6578, 0.6129, 0.6083])
    """
    level = np.asarray(logit(inside("confidence", confidence)))
    units, shape = lone(level, alpha, beta, z, frequency, norms)
    slope = units.frequency * (units.second / units.first) ** 2
    met = starving_levels.meeting(units, slope)
    exponent = np.where(units.beta > 0.0, met, slope * units.level)
    return np.asarray(expit(exponent).reshape(shape))


def _plain(level: Floats, slope: Floats) -> Floats:
    """lambda (b/a)^2 L; 0 for lambda = 0, where a confidence of 1 is none on x2."""
    with np.errstate(invalid="ignore"):
        return np.where(slope > 0.0, slope * level, 0.0)
