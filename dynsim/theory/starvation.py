"""Gradient starvation: a frequent feature that is learnt keeps a rare one from being learnt, Section 6 (v2).

Class +1 has two inputs, x1 with the share 1 - lambda and x1+x2 with the share lambda, x1 perpendicular to x2, of
norms a and b: lambda is the frequency of the rare feature x2. For a unit that is active on both, with alpha = w.x1,
beta = w.x2 and the output weight z (eq 8 (v2), which has a = b = 1),

    alpha' = a^2 z (lambda g(m2) + (1-lambda) g(m1)),    beta' = b^2 z lambda g(m2),
    z' = lambda (alpha + beta) g(m2) + (1-lambda) alpha g(m1),

m1 and m2 the margins on x1 and x1+x2. The time is t = lr x step with the class's total weight 1, as in
`dynsim.data.starving_features`; for a weight p, times are 1/p as long. docs/theory.md, section 17, derives all that
follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.theory import starving, starving_levels
from dynsim.theory.decoupling import decoupled, mixing, responses
from dynsim.theory.deep_starvation import RankOne, depth_exponent, rank_one
from dynsim.theory.feature_report import FeatureReport, probed, report
from dynsim.theory.linear_starvation import LinearBounds, hinge_limit, linear_bounds, linear_path
from dynsim.theory.starvation_bounds import bound, bound_from, bound_of_start, covered
from dynsim.theory.starving_arguments import inside, lone, networks

__all__ = [
    "FeatureReport",
    "LinearBounds",
    "Moment",
    "RankOne",
    "Starvation",
    "at_confidence",
    "bound",
    "bound_from",
    "bound_of_start",
    "covered",
    "decoupled",
    "depth_exponent",
    "hinge_limit",
    "linear_bounds",
    "linear_path",
    "mixing",
    "probed",
    "rank_one",
    "report",
    "responses",
    "solve",
]


@dataclass(frozen=True, eq=False)
class Starvation:
    """Units of a class with a frequent and a rare feature in the course of time, as returned by `solve`.

    Attributes
    ----------
    time : ndarray, shape (T,)
        t = lr x step.
    alpha, beta, z : ndarray, shape (T, ..., h)
        w.x1, w.x2 and the output weight of every unit.
    loss_name : str
    """

    time: Floats
    alpha: Floats
    beta: Floats
    z: Floats
    loss_name: str

    @property
    def margin(self) -> Floats:
        """The margins on x1 and on x1+x2, the inputs that are trained, shape (T, ..., 2)."""
        return _logits(self.z, self.alpha, self.alpha + self.beta)

    @property
    def alone(self) -> Floats:
        """The logits on x1 alone and on x2 alone, shape (T, ..., 2); x2 is no input in training."""
        return _logits(self.z, self.alpha, self.beta)

    @property
    def confidence(self) -> Floats:
        """The confidence o of the loss on x1 alone and on x2 alone, shape (T, ..., 2)."""
        return losses.get(self.loss_name).confidence(self.alone)


class Moment(NamedTuple):
    """Lone units at one moment: alpha = w.x1, beta = w.x2, the output weight z, and t = lr x step."""

    alpha: Floats
    beta: Floats
    z: Floats
    time: Floats

    @property
    def confidence(self) -> Floats:
        """P on x1 alone and on x2 alone, shape (..., 2)."""
        pair = np.stack([self.alpha, self.beta], axis=-1)
        return np.asarray(expit(np.asarray(self.z)[..., None] * np.maximum(pair, 0.0)))


def solve(
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    frequency: ArrayLike,
    times: ArrayLike,
    norms: Any = (1.0, 1.0),
    loss: str = "cross_entropy",
) -> Starvation:
    """The units in the course of time, from any start: eq 8 (v2) for any norms, gates, number of units and loss.

    Every gate that is crossed and every margin at which the hinge lets go is an event, at which the integration
    stops and starts anew. A unit at alpha = 0 or alpha + beta = 0 exactly is inactive there, as in a trained
    network, until it moves off. Under the squared loss, which pulls back from above 1, a unit may be held at a gate
    from both sides and slides along it.

    Parameters
    ----------
    alpha, beta, z : array_like, shape (..., h)
        The start of every unit: w.x1, w.x2 and the output weight, of any sign. Leading axes are independent
        networks, a number is one unit.
    frequency : array_like
        lambda, 0 to 1; broadcasts against the leading axes.
    times : array_like, shape (T,)
        Increasing, t = lr x step.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive; they broadcast against the leading axes.
    loss : str
        "cross_entropy", "hinge", "exponential" or "squared".

    Returns
    -------
    Starvation
        Integrated with tolerance 1e-13 a step: relative error below 1e-10 for t up to 1e6 and units of sizes up to
        10; what goes by e-folds (hinge, dying units) takes its errors along. Under the squared loss and a small
        lambda the end is stiff: t > 1/lambda takes the longer the smaller lambda is.

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, if alpha/a, beta/b or z is beyond 1e3, if the times do not
        increase, or if shapes do not broadcast.
    FloatingPointError
        If numbers overflow on the way (the exponential loss at margins below some -700), or too many steps would
        have to be made.

    Examples
    --------
    >>> path = solve(0.1, 0.1, 0.1, frequency=0.1, times=[0.0, 20.0, 1e6])
    >>> path.alone.round(4)
    array([[1.00000e-02, 1.00000e-02],
           [4.55830e+00, 5.75000e-01],
           [1.72131e+01, 1.45240e+00]])
    >>> solve(0.1, 0.1, 0.1, frequency=0.1, times=[9.0], loss="hinge").margin.round(4)
    array([[1.    , 1.1817]])
    """
    law, when = losses.get(loss), checks.times("times", times)
    start, lead, given = networks(alpha, beta, z, frequency, norms)
    h = start.shape[-1]
    out = np.empty((len(when), 3, len(start), h))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for i, (state, *numbers) in enumerate(zip(start, *given, strict=True)):
            out[:, :, i] = starving.follow(state, starving.Setting(*map(float, numbers)), when, law)
    first, second, last = (checks.frozen(out[:, j].reshape(len(when), *lead, h)) for j in range(3))
    return Starvation(checks.frozen(when), first, second, last, loss)


def at_confidence(
    confidence: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    z: ArrayLike,
    *,
    frequency: ArrayLike,
    norms: Any = (1.0, 1.0),
) -> Moment:
    """Lone units at the moment at which x1 is learnt to a confidence: eq 8 (v2), cross-entropy.

    With log(z alpha) in the place of the time all units are integrated together.

    Parameters
    ----------
    confidence : array_like
        P on x1 alone, above 1/2 and below 1.
    alpha, beta, z : array_like
        The start: w.x1 and the output weight, positive, and w.x2, of any sign. Each element is one network of one
        unit. Where alpha + beta <= 0 only x1 drives the unit until alpha = -beta.
    frequency : array_like
        lambda, 0 to 1.
    norms : pair of array_like
        a = \\|x1\\| and b = \\|x2\\|, positive.

    Returns
    -------
    Moment
        In the shape to which the arguments broadcast. Relative error of alpha, z and the time below 1e-12, of beta
        below 1e-12 (\\|beta\\| + (b/a)^2 alpha).

    Raises
    ------
    ValueError
        If an argument is not finite or out of its range, or shapes do not broadcast; if the start has a higher
        confidence already, or never reaches any (frequency 1 and alpha + beta <= 0).
    FloatingPointError
        If the integration fails.

    Examples
    --------
    >>> moment = at_confidence(0.99, 0.1, [0.1, 0.01], 0.1, frequency=0.1)
    >>> moment.confidence.round(3)
    array([[0.99 , 0.641],
           [0.99 , 0.601]])
    >>> float(bound(0.99, 0.1).round(3))
    0.613
    """
    level = np.asarray(logit(inside("confidence", confidence)))
    units, shape = lone(level, alpha, beta, z, frequency, norms)
    stuck = (units.frequency == 1.0) & (units.alpha + units.beta <= 0.0)
    if stuck.any():
        raise ValueError(
            "frequency must be below 1 for a unit that is active on x1 alone, which never moves, "
            f"got 1 with alpha = {units.alpha[stuck][0]:.10g} and beta = {units.beta[stuck][0]:.10g}"
        )
    found = starving_levels.at_level(units)
    return Moment(*(np.reshape(values, shape) for values in found))


def _logits(z: Floats, first: Floats, second: Floats) -> Floats:
    return np.stack([np.sum(z * np.maximum(P, 0.0), axis=-1) for P in (first, second)], axis=-1)
