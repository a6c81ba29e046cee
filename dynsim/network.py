"""The weights of a network, or of an ensemble of networks, and their forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats


@dataclass(frozen=True, eq=False)
class Network:
    """A fully connected ReLU network, f(x) = Z relu(Z_1 ... relu(W x)), or an ensemble of them.

    Parameters
    ----------
    weights : sequence of array_like
        One array a layer, the hidden layer that reads the input first. W (..., h, d); inner layers full,
        (..., h', h), or diagonal, (..., h), which multiplies every unit by a number of its own; the readout
        Z (..., h) for one logit, (..., C, h) for C classes. A single array (..., d) is logistic regression
        (depth 1). Leading axes are independent networks, an ensemble: every array has as many of them as W, and
        their lengths broadcast.
    biases : sequence of array_like, optional
        One array a layer, (..., h) for hidden layers, (...) for the readout of one logit, (..., C) for C classes.
        None, the paper's case: no biases.
    classes : int, optional
        C. Only needed for depth 1, where (C, d) could also be an ensemble; otherwise Z tells.

    Raises
    ------
    ValueError
        For shapes that do not fit, leading axes that do not broadcast, NaN or infinite entries, diagonal layers
        with a softmax readout, or a `classes` that contradicts the readout.

    Examples
    --------
    >>> Network(([[1.0, 0.0], [0.0, 2.0]], [1.0, -1.0])).logits([[3.0, 1.0]])
    array([1.])
    >>> Network(([[1.0, 0.0], [0.0, 2.0]], [3.0, 1.0], [1.0, -1.0]))  # the inner layer is diagonal
    Network(2 inputs, hidden layers of 2, 2 diagonal units)
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...] | None = None
    classes: int | None = None

    def __init__(
        self,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike] | None = None,
        classes: int | None = None,
    ) -> None:
        for name, given in (("weights", weights), ("biases", biases)):
            if not isinstance(given, (Sequence, np.ndarray)) and (name == "weights" or given is not None):
                raise ValueError(f"{name} must be a sequence with one array a layer, got {type(given).__name__}")
        if len(weights) == 0:
            raise ValueError("weights must hold one array a layer, got none")
        arrays = [checks.array(_name(i, len(weights)), w) for i, w in enumerate(weights)]
        if classes is not None:
            checks.count("classes", classes, least=2)
        axes = _leading_axes(arrays[0], len(arrays), classes)
        found = _check_layers(arrays, axes, classes)
        shifts = _check_biases(arrays, biases, axes, found)
        lead = _ensemble([*arrays, *shifts], axes)
        whole = tuple(_spread(a, lead, axes) for a in arrays)
        object.__setattr__(self, "weights", whole)
        object.__setattr__(self, "biases", tuple(_spread(b, lead, axes) for b in shifts) or None)
        object.__setattr__(self, "classes", found)

    @property
    def W(self) -> Floats:
        """Weights of the layer that reads the input, shape (..., h, d)."""
        return self.weights[0]

    @property
    def Z(self) -> Floats:
        """Output weights, shape (..., h), or (..., C, h) for C classes."""
        return self.weights[-1]

    @property
    def depth(self) -> int:
        """N, the number of weight layers: 2 is one hidden layer, 1 none."""
        return len(self.weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of units of every hidden layer."""
        if self.depth == 1:
            return ()
        out = [int(self.W.shape[-2])]
        for i, inner in enumerate(self.weights[1:-1], 1):
            out.append(out[-1] if self.is_diagonal(i) else int(inner.shape[-2]))
        return tuple(out)

    @property
    def hidden(self) -> int:
        """h, the number of hidden units that the readout sees; 0 for depth 1."""
        return int(self.Z.shape[-1]) if self.depth > 1 else 0

    @property
    def dimension(self) -> int:
        """d, the dimension of an input."""
        return int(self.W.shape[-1])

    @property
    def ensemble(self) -> tuple[int, ...]:
        """The leading axes; () for a single network."""
        own = 1 if self.classes is None else 2
        return tuple(self.Z.shape[: self.Z.ndim - own])

    @property
    def members(self) -> int:
        """The number of networks, 1 for a single one."""
        return int(np.prod(self.ensemble, dtype=int))

    def is_diagonal(self, layer: int) -> bool:
        """Whether that layer, counted from 0, is a diagonal inner one."""
        return 0 < layer < self.depth - 1 and self.weights[layer].ndim == len(self.ensemble) + 1

    @property
    def parameters(self) -> tuple[Floats, ...]:
        """All arrays: the weights, then the biases where there are any."""
        return self.weights + (self.biases or ())

    def with_parameters(self, arrays: Sequence[Floats]) -> Network:
        """A network of the same form with other `parameters`."""
        n = self.depth
        return Network(arrays[:n], None if self.biases is None else arrays[n:], self.classes)

    def flat(self) -> Network:
        """The same networks with one leading axis, a single network as an ensemble of one."""
        axes = len(self.ensemble)
        return self.with_parameters([a.reshape(self.members, *a.shape[axes:]) for a in self.parameters])

    def __getitem__(self, index: Any) -> Network:
        """Some members of an ensemble, by any numpy index into its axes."""
        if not self.ensemble:
            raise IndexError("this is a single network, not an ensemble: it has no members")
        # Members by number first: an index beyond the ensemble's axes must not cut into the units.
        members = np.arange(self.members).reshape(self.ensemble)[index]
        return self.with_parameters([a[members] for a in self.flat().parameters])

    def __iter__(self) -> Iterator[Network]:
        """The members along the first axis of an ensemble."""
        if not self.ensemble:
            raise TypeError("this is a single network, not an ensemble: it cannot be iterated over")
        return (self[i] for i in range(self.ensemble[0]))

    def __repr__(self) -> str:
        many = f"{' x '.join(map(str, self.ensemble))} networks, each " if self.ensemble else ""
        kinds = [f"{w}{' diagonal' * self.is_diagonal(i)}" for i, w in enumerate(self.widths)]
        units = {1: "no hidden layer", 2: f"{self.hidden} hidden units"}.get(
            self.depth, f"hidden layers of {', '.join(kinds)} units"
        )
        classes = "" if self.classes is None else f", {self.classes} classes"
        return f"Network({many}{self.dimension} inputs, {units}{classes}{', biases' * (self.biases is not None)})"

    # ---- the forward pass --------------------------------------------------------------------------------

    def preactivations(self, X: ArrayLike) -> Floats:
        """W x (+ b) of the first hidden layer for every point, shape (..., h, n).

        Raises
        ------
        ValueError
            If X is not of shape (n, d), or there is no hidden layer.
        """
        if self.depth == 1:
            raise ValueError("a network of depth 1 has no hidden layer, and no pre-activations")
        return self._layer(0, self._points(X).T)

    def logits(self, X: ArrayLike) -> Floats:
        """f(x) for every point, shape (..., n), or (..., n, C) for C classes."""
        signal = self._points(X).T
        for layer in range(self.depth - 1):
            signal = np.maximum(self._layer(layer, signal), 0.0)
        # In the order of `dynsim.empirical.networks.forward`, to have its bits.
        if self.classes is not None:
            out = np.asarray(np.swapaxes(signal, -1, -2) @ np.swapaxes(self.Z, -1, -2))
            return out if self.biases is None else np.asarray(out + self.biases[-1][..., None, :])
        out = np.asarray((self.Z[..., None, :] @ signal)[..., 0, :])
        return out if self.biases is None else np.asarray(out + self.biases[-1][..., None])

    def _layer(self, layer: int, signal: Floats) -> Floats:
        weight = self.weights[layer]
        out = weight[..., None] * signal if self.is_diagonal(layer) else weight @ signal
        return np.asarray(out if self.biases is None else out + self.biases[layer][..., None])

    def _points(self, X: ArrayLike) -> Floats:
        points = checks.array("X", X, ndim=2)
        if points.shape[1] != self.dimension:
            raise ValueError(
                f"X must have {self.dimension} columns, the network's number of inputs, got {points.shape[1]}"
            )
        return points


# ---- shapes ----------------------------------------------------------------------------------------------


def _name(layer: int, depth: int) -> str:
    if layer == depth - 1:
        return "Z"
    return "W" if layer == 0 else f"weights[{layer}]"


def _leading_axes(first: Floats, depth: int, classes: int | None) -> int:
    """How many leading axes are the ensemble's."""
    own = 2 if depth > 1 or classes is not None else 1
    if first.ndim < own:
        wanted = "W must have shape (..., h, d)" if depth > 1 else f"Z must have shape (..., {'C, ' * (own - 1)}d)"
        raise ValueError(f"{wanted}, got {first.shape}")
    return first.ndim - own


def _check_layers(arrays: list[Floats], axes: int, classes: int | None) -> int | None:
    """The shapes behind the ensemble's axes, layer by layer; returns the number of classes, or None."""
    *hidden, Z = arrays
    width = int(hidden[0].shape[-1] if hidden else Z.shape[-1])
    diagonal = False
    for i, w in enumerate(hidden):
        name, own = _name(i, len(arrays)), w.ndim - axes
        if i and own == 1:
            diagonal = True
        if own not in ((1, 2) if i else (2,)) or w.shape[-1] != width:
            forms = f"(..., h', {width}) or (..., {width})" if i else f"(..., h, {width})"
            raise ValueError(f"{name} must have shape {forms} behind {axes} leading axes, got {w.shape}")
        width = int(w.shape[-2]) if own == 2 else width
    own = Z.ndim - axes
    if own not in (1, 2) or Z.shape[-1] != width:
        raise ValueError(
            f"Z must have shape (..., {width}), or (..., C, {width}) for C classes, with as many leading axes as "
            f"W, got {Z.shape} for W of shape {arrays[0].shape}"
        )
    for i, w in enumerate(arrays):
        if 0 in w.shape[axes:]:
            name = _name(i, len(arrays))
            raise ValueError(f"{name} must have at least one unit and one input, got shape {w.shape}")
    found = int(Z.shape[-2]) if own == 2 else None
    if found is not None and found < 2:
        raise ValueError(f"Z must have at least 2 classes, got shape {Z.shape}")
    if classes is not None and classes != found:
        raise ValueError(f"classes must be {found}, what the readout of shape {Z.shape} says, got {classes}")
    if diagonal and found is not None:
        raise ValueError(f"weights must not combine diagonal inner layers with a readout of {found} classes")
    return found


def _check_biases(
    arrays: list[Floats], biases: Sequence[ArrayLike] | None, axes: int, classes: int | None
) -> list[Floats]:
    if biases is None:
        return []
    if len(biases) != len(arrays):
        raise ValueError(f"biases must hold one array a layer, {len(arrays)}, got {len(biases)}")
    out = []
    for i, (bias, weight) in enumerate(zip(biases, arrays, strict=True)):
        name, readout = f"biases[{i}]", i == len(arrays) - 1
        b = checks.array(name, bias)
        own = weight.shape[axes:][:1] if not readout or classes is not None else ()
        if b.shape[axes:] != own or b.ndim != axes + len(own):
            raise ValueError(f"{name} must have shape {own} behind {axes} leading axes, got {b.shape}")
        out.append(b)
    return out


def _ensemble(arrays: list[Floats], axes: int) -> tuple[int, ...]:
    """The common leading axes."""
    shapes = [a.shape[:axes] for a in arrays]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(
            f"weights must have leading axes that broadcast, got {', '.join(map(str, shapes))}"
        ) from error


def _spread(array: Floats, lead: tuple[int, ...], axes: int) -> Floats:
    return checks.frozen(np.broadcast_to(array, (*lead, *array.shape[axes:])))
