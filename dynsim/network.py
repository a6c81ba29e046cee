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
    """One hidden layer of ReLU units without bias: f(x) = Z . relu(W x).

    Parameters
    ----------
    weights : sequence of array_like
        (W, Z), with W of shape (..., h, d) and Z of shape (..., h). Leading axes are independent networks, an
        ensemble; they must be the same for both.

    Examples
    --------
    >>> Network(([[1.0, 0.0], [0.0, 2.0]], [1.0, -1.0])).logits([[3.0, 1.0]])
    array([1.])
    """

    weights: tuple[Floats, ...]

    def __init__(self, weights: Sequence[ArrayLike]) -> None:
        if len(weights) != 2:
            raise ValueError(f"weights must be (W, Z), one hidden layer and its readout, got {len(weights)} arrays")
        W, Z = checks.array("W", weights[0]), checks.array("Z", weights[1])
        if W.ndim < 2 or W.shape[:-1] != Z.shape:
            raise ValueError(f"W must have shape (..., h, d) and Z (..., h), got {W.shape} and {Z.shape}")
        if not W.size:
            raise ValueError(f"W must have at least one unit and one input, got shape {W.shape}")
        object.__setattr__(self, "weights", (checks.frozen(W), checks.frozen(Z)))

    @property
    def W(self) -> Floats:
        """Hidden weights, shape (..., h, d)."""
        return self.weights[0]

    @property
    def Z(self) -> Floats:
        """Output weights, shape (..., h)."""
        return self.weights[1]

    @property
    def depth(self) -> int:
        """Number of weight layers."""
        return len(self.weights)

    @property
    def hidden(self) -> int:
        """h, the number of hidden units."""
        return int(self.Z.shape[-1])

    @property
    def dimension(self) -> int:
        """d, the dimension of an input."""
        return int(self.W.shape[-1])

    @property
    def ensemble(self) -> tuple[int, ...]:
        """The leading axes; () for a single network."""
        return tuple(self.Z.shape[:-1])

    def __getitem__(self, index: Any) -> Network:
        """Some members of an ensemble, by any numpy index into its axes."""
        if not self.ensemble:
            raise IndexError("this is a single network, not an ensemble: it has no members")
        # Members by number first: an index beyond the ensemble's axes must not cut into the units.
        members = np.arange(int(np.prod(self.ensemble))).reshape(self.ensemble)[index]
        return Network(tuple(w.reshape(-1, *w.shape[len(self.ensemble) :])[members] for w in self.weights))

    def __iter__(self) -> Iterator[Network]:
        """The members along the first axis of an ensemble."""
        if not self.ensemble:
            raise TypeError("this is a single network, not an ensemble: it cannot be iterated over")
        return (self[i] for i in range(self.ensemble[0]))

    def __repr__(self) -> str:
        many = f"{' x '.join(map(str, self.ensemble))} networks, each " if self.ensemble else ""
        return f"Network({many}{self.dimension} inputs, {self.hidden} hidden units)"

    def preactivations(self, X: ArrayLike) -> Floats:
        """W x for every point, shape (..., h, n).

        Raises
        ------
        ValueError
            If X is not of shape (n, d).
        """
        points = checks.array("X", X, ndim=2)
        if points.shape[1] != self.dimension:
            raise ValueError(
                f"X must have {self.dimension} columns, the network's number of inputs, got {points.shape[1]}"
            )
        return np.asarray(self.W @ points.T)

    def logits(self, X: ArrayLike) -> Floats:
        """f(x) for every point, shape (..., n)."""
        hidden = np.maximum(self.preactivations(X), 0.0)
        return np.asarray((self.Z[..., None, :] @ hidden)[..., 0, :])
