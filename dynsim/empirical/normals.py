"""Directions in the space of parameters that are normal to a kink, and the forces along them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from dynsim.checks import Floats

if TYPE_CHECKING:
    from dynsim.empirical.held import HeldGates

#: Unit normals whose Cholesky factor has a smaller diagonal entry go to the singular value decomposition.
_CLOSE = 1e-4
#: Singular values below this, relative to the largest, are 0: normals may be dependent.
_DEPENDENT = 1e-12


def of(field: HeldGates, kinks: NDArray[np.intp]) -> Floats:
    """d a / d theta of some kinks with the gates as they are held, at the last state; shape (len(kinks), size).

    A backward pass for each kink: it concerns a single point, so that every signal is one row.
    """
    rows = np.zeros((len(kinks), field.size))
    weights, biases = field.views(rows)
    gates = field.layers(field.gates)
    layer_of, unit, point = field.layer_of[kinks], field.unit_of[kinks], field.point_of[kinks]
    above: Floats | None = None
    for layer in range(int(layer_of.max(initial=-1)), -1, -1):
        e = np.zeros((len(kinks), len(field.W[layer])))
        if above is not None:
            passed = above * field.W[layer + 1][:, 0] if field.diagonal[layer + 1] else above @ field.W[layer + 1]
            e[:] = passed * gates[layer][:, point].T
        own = np.flatnonzero(layer_of == layer)
        # The last layer's kinks are the hinges, a = 1 - y f.
        e[own, unit[own]] = 1.0 if layer < field.depth - 1 else -field.y[point[own]]
        signal = field.H[layer][:, point].T
        # Written into the views, and so into the rows.
        weights[layer][...] = (e * signal)[:, :, None] if field.diagonal[layer] else e[:, :, None] * signal[:, None]
        if biases:
            biases[layer][...] = e[:, :, None]
        above = e
    return rows


def lengths(field: HeldGates, kinks: NDArray[np.intp]) -> Floats:
    """|d a / d theta| of some kinks, as in `of`."""
    rows = of(field, kinks)
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def solve(rows: Floats, force: Floats) -> Floats:
    """The delta that makes force + delta @ rows shortest; the smallest such where the rows are dependent."""
    unit, length, factor = _normalized(rows)
    if factor is None:
        return np.asarray(-np.linalg.lstsq(unit.T, force, rcond=_DEPENDENT)[0] / length)
    return np.asarray(lapack.dpotrs(factor, -(unit @ force), lower=1)[0] / length)


def pseudoinverse(rows: Floats) -> Floats:
    """The matrix, shape of rows, whose product with a force is -delta of `solve`."""
    unit, length, factor = _normalized(rows)
    if factor is None:
        inverse = np.linalg.pinv(unit.T, rcond=_DEPENDENT)
    else:
        inverse = lapack.dpotrs(factor, unit, lower=1)[0]
    return np.asarray(inverse / length[:, None])


def _normalized(rows: Floats) -> tuple[Floats, Floats, Floats | None]:
    """Rows of unit length, their lengths, and the Cholesky factor of their inner products where it is safe."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    length[length == 0.0] = 1.0
    unit = rows / length[:, None]
    factor, failed = lapack.dpotrf(unit @ unit.T, lower=1)
    return unit, length, None if failed or np.min(np.diagonal(factor)) < _CLOSE else factor
