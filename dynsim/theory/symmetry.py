"""When the points of a class act as one, and when a softmax readout keeps its symmetry."""

from __future__ import annotations

import numpy as np

from dynsim.checks import AssumptionError
from dynsim.dataset import LABELS, Dataset
from dynsim.network import Network

#: A few roundings of the weights that an initialization sets.
_ROUNDING = 1e-12


def one_input_a_class(data: Dataset) -> bool:
    """Whether each class holds one input, possibly repeated."""
    return all(bool(np.all(data.X[data.mask(c)] == data.X[data.mask(c)][0])) for c in data.labels)


def acts_as_one(network: Network, data: Dataset) -> bool:
    """Whether the points of each class keep one margin: orthogonal, of equal norm and weight, and seen alike (A.7).

    A class of one input qualifies too. The mean point then stands for the class (docs/theory.md, section 7).
    """
    return all(_symmetric(data, label) and _seen_alike(network, data, label) for label in LABELS)


def _symmetric(data: Dataset, label: int) -> bool:
    X, q = data.X[data.mask(label)], data.weights[data.mask(label)]
    if np.ptp(X, axis=0).max() == 0.0:
        return True
    gram = X @ X.T
    norms = np.diag(gram)
    apart = gram - np.diag(norms)
    tolerance = _ROUNDING * norms.max()
    alike = np.ptp(norms) <= tolerance and np.ptp(q) <= _ROUNDING * q.max()
    return bool(np.all(np.abs(apart) <= tolerance) and alike)


def _seen_alike(network: Network, data: Dataset, label: int) -> bool:
    own = label * network.Z > 0
    y = network.W @ data.X[data.mask(label)].T
    spread = np.ptp(y, axis=-1)
    size = np.linalg.norm(network.W, axis=-1) * np.linalg.norm(data.X[data.mask(label)][0])
    return bool(np.all((spread <= _ROUNDING * size) | ~own))


def check_softmax(network: Network, data: Dataset, single: bool) -> None:
    """What the law of C classes needs beside their independence.

    Raises
    ------
    AssumptionError
        If a class holds several different points, or the readout column of a unit of class c is not along
        e_c - 1/C.
    """
    C = len(data.labels)
    if not single:
        raise AssumptionError(
            f"no law is known for {C} classes with several different points a class: one input a class is needed"
        )
    inputs = np.stack([data.mean(label) for label in data.labels])
    active = network.W @ inputs.T > 0
    own = np.argmax(active, axis=-1)
    along = np.eye(C)[own] - 1.0 / C
    columns = np.swapaxes(network.Z, -1, -2)
    size = np.take_along_axis(columns, own[..., None], -1) / (1.0 - 1.0 / C)
    off = np.abs(columns - size * along).max(axis=-1) / np.abs(columns).max(axis=-1).clip(min=1e-300)
    off = np.where(active.any(axis=-1), off, 0.0)
    if np.any(off > _ROUNDING):
        worst = np.unravel_index(int(np.argmax(off)), off.shape)
        raise AssumptionError(
            "the law of C classes needs the readout column of every unit of class c along e_c - 1/C; that of unit "
            f"{', '.join(str(int(i)) for i in worst)} is off by {off[worst]:.3g} of its largest entry"
        )
