"""The forward and the backward pass of one hidden ReLU layer, as pure functions written by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dynsim.checks import Floats


class Cache(NamedTuple):
    """What the backward pass needs from the forward pass.

    X: the points, (..., n, d). hidden: relu(W x), (..., h, n).
    """

    X: Floats
    hidden: Floats


def forward(weights: tuple[Floats, ...], X: Floats) -> tuple[Floats, Cache]:
    """f(x) = Z . relu(W x) for every point.

    Parameters
    ----------
    weights : (W, Z)
        Shapes (..., h, d) and (..., h).
    X : ndarray, shape (n, d) or (..., n, d)
        The points, the same for all networks or a set for each.

    Returns
    -------
    logits : ndarray, shape (..., n)
    cache : Cache
    """
    W, Z = weights
    hidden = np.maximum(W @ np.swapaxes(X, -1, -2), 0.0)
    return (Z[..., None, :] @ hidden)[..., 0, :], Cache(X, hidden)


def backward(weights: tuple[Floats, ...], cache: Cache, pull: Floats) -> tuple[Floats, Floats]:
    """The direction of descent sum_i pull_i df(x_i)/d(W, Z).

    With pull_i = q_i y_i g(m_i) it is -grad L, L = sum_i q_i l(y_i f(x_i)). At a pre-activation of exactly 0
    the derivative of the ReLU is taken as 0.

    Parameters
    ----------
    weights : (W, Z)
    cache : Cache
        From `forward`.
    pull : ndarray, shape (..., n)

    Returns
    -------
    dW, dZ : ndarray
        Shapes (..., h, d) and (..., h).
    """
    _, Z = weights
    gated = np.where(cache.hidden > 0.0, pull[..., None, :], 0.0)
    return Z[..., None] * (gated @ cache.X), (cache.hidden @ pull[..., None])[..., 0]
