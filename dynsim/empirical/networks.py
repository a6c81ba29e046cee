"""The forward and the backward pass of a ReLU network of any depth, as pure functions written by hand.

Leading axes (...) are independent networks. With `out` from an earlier call of the same shapes no array is
allocated but for the gates of one layer. Arrays have the dtype of the first layer's weights: float64, but for the
generative networks of `dynsim.empirical.gan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dynsim.checks import Floats

Arrays = Sequence[Floats]


class Cache(NamedTuple):
    """What the backward pass needs from the forward pass.

    X: the points, (n, d) or (..., n, d). hidden: relu of every hidden layer, each (..., h, n). axes: how many
    leading axes the weights have. back: room for the signals that travel back, each (..., h, n).
    """

    X: Floats
    hidden: tuple[Floats, ...]
    axes: int
    back: tuple[Floats, ...]


def forward(
    weights: Arrays,
    X: Floats,
    *,
    biases: Arrays | None = None,
    classes: int | None = None,
    out: tuple[Floats, Cache] | None = None,
) -> tuple[Floats, Cache]:
    """f(x) = Z relu(... relu(W x + b)) for every point.

    Parameters
    ----------
    weights, biases, classes
        Arrays in the shapes of `dynsim.Network`; `classes` is needed for depth 1 only.
    X : ndarray, shape (n, d) or (..., n, d)
        The points, the same for all networks or a set for each.
    out : (logits, Cache), optional
        From an earlier call with the same shapes: overwritten and returned.

    Returns
    -------
    logits : ndarray, shape (..., n), or (..., n, C)
    cache : Cache
    """
    axes = weights[0].ndim - (1 if len(weights) == 1 and classes is None else 2)
    logits, cache = _room(weights, X, axes) if out is None else out
    signal = np.swapaxes(X, -1, -2)
    for layer, hidden in enumerate(cache.hidden):
        weight = weights[layer]
        if weight.ndim == axes + 1:
            np.multiply(weight[..., None], signal, out=hidden)
        else:
            np.matmul(weight, signal, out=hidden)
        if biases is not None:
            np.add(hidden, biases[layer][..., None], out=hidden)
        signal = np.maximum(hidden, 0.0, out=hidden)
    Z = weights[-1]
    if Z.ndim == axes + 1:
        np.matmul(Z[..., None, :], signal, out=logits[..., None, :])
    else:
        np.matmul(np.swapaxes(signal, -1, -2), np.swapaxes(Z, -1, -2), out=logits)
    if biases is not None:
        np.add(logits, biases[-1][..., None] if Z.ndim == axes + 1 else biases[-1][..., None, :], out=logits)
    return logits, Cache(X, cache.hidden, axes, cache.back)


def _room(weights: Arrays, X: Floats, axes: int) -> tuple[Floats, Cache]:
    lead = np.broadcast_shapes(weights[0].shape[:axes], X.shape[:-2])
    n, hidden = X.shape[-2], []
    width = weights[0].shape[-1]
    for weight in weights[:-1]:
        width = weight.shape[-2] if weight.ndim == axes + 2 else width
        hidden.append(np.empty((*lead, width, n), dtype=weights[0].dtype))
    back = tuple(np.empty_like(h) for h in hidden)
    tail = weights[-1].shape[axes:-1]
    return np.empty((*lead, n, *tail), dtype=weights[0].dtype), Cache(X, tuple(hidden), axes, back)


def backward(
    weights: Arrays, cache: Cache, pull: Floats, *, biases: bool = False, out: Arrays | None = None
) -> tuple[Floats, ...]:
    """The direction of descent sum_i pull_i df(x_i)/d theta.

    With pull_i = q_i y_i g(m_i), or q_i (1[c = y_i] - softmax_c) for C classes, it is -grad L. At a pre-activation
    of exactly 0 the derivative of the ReLU is taken as 0.

    Parameters
    ----------
    weights : sequence of ndarray
    cache : Cache
        From `forward`, which may be called again with it: the signals are not changed.
    pull : ndarray, shape (..., n), or (..., n, C)
    biases : bool
        Whether the network has biases.
    out : sequence of ndarray, optional
        Where to put the result.

    Returns
    -------
    tuple of ndarray
        In the shapes of the weights, then of the biases.
    """
    axes, depth = cache.axes, len(weights)
    softmax = weights[-1].ndim == axes + 2
    grads = _gradients(weights, cache, pull, biases) if out is None else list(out)
    upper = cache.hidden[-1] if cache.hidden else np.swapaxes(cache.X, -1, -2)
    if softmax:
        np.matmul(np.swapaxes(pull, -1, -2), np.swapaxes(upper, -1, -2), out=grads[depth - 1])
    else:
        np.matmul(upper, pull[..., None], out=grads[depth - 1][..., None])
    if biases:
        np.sum(pull, axis=-2 if softmax else -1, out=grads[-1])
    for layer in range(depth - 2, -1, -1):
        _pull_back(weights, cache, pull, layer, softmax)
        _descend(weights, cache, layer, grads)
        if biases:
            np.sum(cache.back[layer], axis=-1, out=grads[depth + layer])
    return tuple(grads)


def input_gradient(weights: Arrays, cache: Cache, pull: Floats, *, out: Floats | None = None) -> Floats:
    """pull_i df(x_i)/dx_i for every point: with pull 1 the saliency of each coordinate.

    Parameters
    ----------
    weights : sequence of ndarray
    cache : Cache
        From `forward`.
    pull : ndarray, shape (..., n), or (..., n, C)
    out : ndarray, shape (..., n, d), optional
        Where to put the result.

    Returns
    -------
    ndarray, shape (..., n, d)
        With the derivative of the ReLU at exactly 0 taken as 0, as in `backward`.

    Examples
    --------
    >>> weights = [np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([3.0, -1.0])]
    >>> logits, cache = forward(weights, np.array([[1.0, 1.0], [1.0, -1.0]]))
    >>> input_gradient(weights, cache, np.ones(2))
    array([[ 3., -2.],
           [ 3.,  0.]])
    """
    softmax = weights[-1].ndim == cache.axes + 2
    if len(weights) == 1:
        first = pull if softmax else pull[..., None]
        return np.matmul(first, weights[0] if softmax else weights[0][..., None, :], out=out)
    for layer in range(len(weights) - 2, -1, -1):
        _pull_back(weights, cache, pull, layer, softmax)
    return np.matmul(np.swapaxes(cache.back[0], -1, -2), weights[0], out=out)


def _pull_back(weights: Arrays, cache: Cache, pull: Floats, layer: int, softmax: bool) -> None:
    """The signal at the units of a hidden layer, closed where the unit is not active: into cache.back[layer]."""
    here, above = cache.back[layer], weights[layer + 1]
    if layer == len(weights) - 2:
        if softmax:
            np.matmul(np.swapaxes(above, -1, -2), np.swapaxes(pull, -1, -2), out=here)
        else:
            np.multiply(above[..., None], pull[..., None, :], out=here)
    elif above.ndim == cache.axes + 1:
        np.multiply(above[..., None], cache.back[layer + 1], out=here)
    else:
        np.matmul(np.swapaxes(above, -1, -2), cache.back[layer + 1], out=here)
    np.multiply(here, cache.hidden[layer] > 0.0, out=here)


def _descend(weights: Arrays, cache: Cache, layer: int, grads: list[Floats]) -> None:
    """The gradient of one hidden layer's weights from the signal at its units."""
    signal = cache.back[layer]
    if layer == 0:
        np.matmul(signal, cache.X, out=grads[0])
    elif weights[layer].ndim == cache.axes + 1:
        np.einsum("...kn,...kn->...k", signal, cache.hidden[layer - 1], out=grads[layer])
    else:
        np.matmul(signal, np.swapaxes(cache.hidden[layer - 1], -1, -2), out=grads[layer])


def _gradients(weights: Arrays, cache: Cache, pull: Floats, biases: bool) -> list[Floats]:
    tail = 2 if weights[-1].ndim == cache.axes + 2 else 1
    lead = np.broadcast_shapes(weights[0].shape[: cache.axes], pull.shape[:-tail])
    shapes = [w.shape[cache.axes :] for w in weights]
    if biases:
        shapes += [s[:1] for s in shapes[:-1]] + [shapes[-1][:1] if tail == 2 else ()]
    return [np.empty((*lead, *shape), dtype=weights[0].dtype) for shape in shapes]
