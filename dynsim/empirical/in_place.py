"""The pulls of the four losses and of the softmax, in place, for the loops of training.

The same functions as `dynsim.losses.Loss.pull`, without a new array a call. They are right to a few units in the
last place; where the pull is below 1e-308 it is 0. Overflow of the exponential to inf is meant: 1 / (1 + inf) is 0.
The caller silences numpy's warnings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from dynsim.checks import Floats

#: out = c g(m), from margins m and factors c that broadcast against them.
Scaled = Callable[[Floats, Floats, Floats], None]
#: out = g(-s), from negative margins s: in as few calls as there can be, for arrays of a few values.
Plain = Callable[[Floats, Floats], object]


#: As an array of no axes: numpy need not convert it at every call.
_ONE = np.ones(())


def _cross_entropy(m: Floats, c: Floats, out: Floats) -> None:
    np.exp(m, out)
    np.add(out, _ONE, out)
    np.divide(c, out, out)


def _hinge(m: Floats, c: Floats, out: Floats) -> None:
    # A comparison into an array of floats would be buffered.
    np.copyto(out, np.less(m, _ONE))
    np.multiply(c, out, out)


def _exponential(m: Floats, c: Floats, out: Floats) -> None:
    np.negative(m, out)
    np.exp(out, out)
    np.multiply(c, out, out)


def _exponential_weightless(m: Floats, c: Floats, out: Floats) -> None:
    _exponential(m, c, out)
    # An infinite pull of a point with weight 0 is NaN by now, not 0.
    np.copyto(out, 0.0, where=c == 0.0)


def _squared(m: Floats, c: Floats, out: Floats) -> None:
    np.subtract(_ONE, m, out)
    np.multiply(c, out, out)


_SCALED: dict[str, Scaled] = {
    "cross_entropy": _cross_entropy,
    "hinge": _hinge,
    "exponential": _exponential,
    "squared": _squared,
}


def scaled(loss: str, c: Floats) -> Scaled:
    """The function out = c g(m) of a loss, for factors like c."""
    return _exponential_weightless if loss == "exponential" and np.any(c == 0.0) else _SCALED[loss]


PLAIN: dict[str, Plain] = {
    "cross_entropy": expit,
    "hinge": lambda s, out: np.greater(s, -1.0, out=out),
    "exponential": np.exp,
    "squared": lambda s, out: np.add(s, 1.0, out),
}


def softmax(logits: Floats, target: Floats, c: Floats, out: Floats) -> None:
    """out = c (target - softmax(logits)), classes on the last axis; c (..., n), target one-hot (..., n, C)."""
    np.subtract(logits, logits.max(axis=-1, keepdims=True), out)
    np.exp(out, out)
    np.divide(out, out.sum(axis=-1, keepdims=True), out)
    # 1 - p of the own class as the sum of the others' p: it keeps its digits where p rounds to 1.
    np.multiply(out, target - 1.0, out)
    np.subtract(out, target * out.sum(axis=-1, keepdims=True), out)
    np.multiply(out, c[..., None], out)


def decouple(logits: Floats, c: Floats, out: Floats) -> None:
    """out -= c f: what a penalty (1/2) sum_i c_i |f_i|^2 takes from the pulls; c (..., n), f also (..., n, C)."""
    np.subtract(out, (c if c.ndim == logits.ndim else c[..., None]) * logits, out)
