"""How hard every point pulls on its logits, written for speed: one call at every evaluation of the flow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from dynsim.checks import Floats
from dynsim.dataset import Dataset

#: Fills its second argument with -dL/df, shape (outputs, n), from the logits in its first.
Pull = Callable[[Floats, Floats], None]


def of(data: Dataset, loss: str) -> Pull:
    """The pull of a smooth loss: q_i y_i g(y_i f_i) for one logit; the softmax where the labels are class ids."""
    if data.classes is not None:
        return _softmax(data)
    return {"cross_entropy": _logistic, "exponential": _exponential, "squared": _squared}[loss](data)


def _logistic(data: Dataset) -> Pull:
    against, signed = -data.y, data.weights * data.y

    def pull(f: Floats, out: Floats) -> None:
        np.multiply(f, against, out=out)
        special.expit(out, out=out)
        np.multiply(out, signed, out=out)

    return pull


def _exponential(data: Dataset) -> Pull:
    against, signed = -data.y, data.weights * data.y
    weightless = np.flatnonzero(data.weights == 0.0)

    def pull(f: Floats, out: Floats) -> None:
        np.multiply(f, against, out=out)
        np.exp(out, out=out)
        np.multiply(out, signed, out=out)
        # An infinite pull of a point with weight 0 is NaN by now, not 0.
        out[:, weightless] = 0.0

    return pull


def _squared(data: Dataset) -> Pull:
    y, q = np.array(data.y), np.array(data.weights)

    def pull(f: Floats, out: Floats) -> None:
        np.subtract(y, f, out=out)
        np.multiply(out, q, out=out)

    return pull


def _softmax(data: Dataset) -> Pull:
    own, points, against = data.y.astype(np.intp), np.arange(len(data)), -data.weights

    def pull(f: Floats, out: Floats) -> None:
        np.subtract(f, f.max(axis=0), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=0)
        out[own, points] = 0.0
        out *= against
        # 1 - p of the own class as the sum of the others: right to the last digit also where p rounds to 1.
        out[own, points] = -out.sum(axis=0)

    return pull
