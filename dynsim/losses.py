"""The four losses, as functions of the margin m = y f(x): value, pull, slope, and the confidence they speak of.

The pull is g(m) = -l'(m), the strength with which a point drives the weights; the slope is g'(m) = -l''(m).
Everything is evaluated without forming the exponential of a large positive number, so that it is right for
every float64 margin up to 1.8e308; where the true value itself exceeds the largest float (the exponential loss
at m < -709, the squared loss at \\|m\\| > 1e154) the result is inf, without a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats

Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Loss:
    """A loss of the margin: each function takes an array of margins and returns an array of its shape.

    Attributes
    ----------
    name : str
    value, pull, slope : callable
        l(m), g(m) = -l'(m) and g'(m).
    confidence : callable
        o(m) of the paper: the sigmoid for cross-entropy, sigma(2 m) for the exponential loss (the posterior
        its minimizer stands for), the margin itself for hinge and squared loss.
    margin_at : callable
        The inverse of `confidence`: the margin at which a confidence is reached.
    margin_of_value : callable
        The inverse of `value` on its decreasing branch (hinge and squared: margins up to 1).
    """

    name: str
    value: Function
    pull: Function
    slope: Function
    confidence: Function
    margin_at: Function
    margin_of_value: Function

    def level(self, name: str, confidence: float) -> float:
        """The margin at which a confidence is reached; for the two sigmoids it must lie between 0 and 1."""
        value = checks.array(name, confidence, ndim=0)
        if self.name in ("cross_entropy", "exponential") and not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must be between 0 and 1 for {self.name}, got {float(value):.10g}")
        return float(self.margin_at(value))

    def slope_of_confidence(self, margin: Floats) -> Floats:
        """d confidence / d margin."""
        share = self.confidence(margin) * self.error(margin)
        factor = {"cross_entropy": 1.0, "exponential": 2.0}.get(self.name)
        return np.ones_like(margin) if factor is None else np.asarray(factor * share)

    def error(self, margin: ArrayLike) -> Floats:
        """1 - confidence, accurate also where the confidence rounds to 1."""
        m = np.asarray(margin, dtype=np.float64)
        if self.name == "cross_entropy":
            return _sigmoid(-m)
        if self.name == "exponential":
            return _sigmoid(-2.0 * _halved(m))
        return np.asarray(1.0 - m)


def _quiet(function: Function) -> Function:
    def wrapped(margin: ArrayLike) -> Floats:
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            return np.asarray(function(np.asarray(margin, dtype=np.float64)))

    return wrapped


def _halved(margin: Floats) -> Floats:
    """Margins kept so small that twice their value is finite; sigma is 0 or 1 there already."""
    return np.clip(margin, -1e300, 1e300)


@_quiet
def _sigmoid(x: Floats) -> Floats:
    """scipy's expit, and e^x where that is subnormal and expit gives 0."""
    return np.where(x < -700.0, np.exp(np.minimum(x, 0.0)), special.expit(x))


def _identity(values: Floats) -> Floats:
    return np.array(values)


def _make(name: str, *functions: Function) -> Loss:
    return Loss(name, *(_quiet(f) for f in functions))


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        _make(
            "cross_entropy",
            lambda m: np.logaddexp(0.0, -m),
            lambda m: _sigmoid(-m),
            lambda m: -_sigmoid(m) * _sigmoid(-m),
            _sigmoid,
            special.logit,
            lambda v: -(v + np.log(-np.expm1(-v))),
        ),
        _make(
            "hinge",
            lambda m: np.maximum(0.0, 1.0 - m),
            lambda m: (m < 1.0).astype(np.float64),
            np.zeros_like,
            _identity,
            _identity,
            lambda v: 1.0 - v,
        ),
        _make(
            "exponential",
            lambda m: np.exp(-m),
            lambda m: np.exp(-m),
            lambda m: -np.exp(-m),
            lambda m: _sigmoid(2.0 * _halved(m)),
            lambda c: 0.5 * special.logit(c),
            lambda v: -np.log(v),
        ),
        _make(
            "squared",
            lambda m: 0.5 * (1.0 - m) * (1.0 - m),
            lambda m: 1.0 - m,
            lambda m: np.full_like(m, -1.0),
            _identity,
            _identity,
            lambda v: 1.0 - np.sqrt(2.0) * np.sqrt(v),
        ),
    )
}


def get(name: str) -> Loss:
    """The loss of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the four.

    Examples
    --------
    >>> get("hinge").pull([0.5, 1.0])
    array([1., 0.])
    """
    return checks.choice("loss", name, LOSSES)
