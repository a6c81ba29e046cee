"""Directions of units that are active on every point of a class and on no other: the cone of (H2), (H5) (v2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from dynsim.checks import AssumptionError, Floats
from dynsim.dataset import Dataset
from dynsim.signs import orthogonal


def free_directions(X: Floats) -> Floats:
    """An orthonormal basis of what is orthogonal to all points, shape (free dimensions, d)."""
    # The left factor of an svd is not needed, and for many points it is far the largest of the three.
    _, s, rows = np.linalg.svd(X, full_matrices=len(X) < X.shape[1])
    return np.asarray(rows[int(np.sum(s > s[0] * 1e-10)) :])


def directions(data: Dataset, label: int, size: int, free: Floats, generator: np.random.Generator) -> Floats:
    """Random directions active on every point of the class and on no other point.

    Where the points of the class are mutually orthogonal and of one length (A.7 (v2)), and no other point has a
    positive inner product with their sum, every direction has the same inner product with all of them.

    Parameters
    ----------
    data : Dataset
    label : int
        Of the class.
    size : int
        Number of directions.
    free : ndarray, shape (any, d)
        `free_directions` of all points: random multiples of them change no activation, and every real network
        has them.
    generator : Generator

    Returns
    -------
    ndarray, shape (size, d)
        Of no particular length.

    Raises
    ------
    AssumptionError
        If no unit without bias is active on all points of the class and on no other.
    """
    own, other = data.X[data.mask(label)], data.X[~data.mask(label)]
    if orthogonal(own) and (even := _even(own, other, size, free, generator)) is not None:
        return even
    # Under (H1) positive combinations of own points minus positive ones of the others lie inside the cone.
    share = generator.uniform(0.5, 1.5, (2, size, 1))
    W: Floats = share[0] * _combinations(own, size, generator) - share[1] * _combinations(other, size, generator)
    W += _random(free, data.X, size, generator)
    outside = ~_inside(W, own, other)
    if outside.any():
        W[outside] = _further(data, label, int(outside.sum()), generator)
    return W


def _combinations(X: Floats, size: int, generator: np.random.Generator) -> Floats:
    return np.asarray(generator.dirichlet(np.ones(len(X)), size) @ X)


def _random(free: Floats, X: Floats, size: int, generator: np.random.Generator) -> Floats:
    """Random combinations of the free directions, about as long as the points."""
    length = np.sqrt(np.mean(X**2))
    return np.asarray(length * generator.normal(size=(size, len(free))) @ free)


def _inside(W: Floats, own: Floats, other: Floats) -> NDArray[np.bool_]:
    return np.asarray((W @ own.T > 0).all(-1) & (W @ other.T <= 0).all(-1))


# ---- orthogonal points: the same inner product with each --------------------------------------------------


def _even(
    own: Floats, other: Floats, size: int, free: Floats, generator: np.random.Generator
) -> Floats | None:
    """Random directions with w.x = |x|^2 on all of these orthogonal points of one length, or None outside the cone.

    What is random about them is orthogonal to all own points, and no longer than the other points allow.
    """
    middle = own.sum(0)
    if not _inside(middle[None], own, other)[0]:
        return None
    square = float(np.mean(np.sum(own**2, axis=1)))
    share = generator.uniform(0.5, 1.5, (size, 1))
    step = _random(free, np.vstack([own, other]), size, generator) - share * _combinations(other, size, generator)
    step -= (step @ own.T) @ own / square
    towards = step @ other.T
    room = np.divide(-(other @ middle), towards, out=np.full_like(towards, np.inf), where=towards > 0).min(1)
    W = middle + np.minimum(0.9 * room, 1.0)[:, None] * step
    return np.asarray(np.where(_inside(W, own, other)[:, None], W, middle))


# ---- where (H1) fails, and three or more classes ----------------------------------------------------------


def _further(data: Dataset, label: int, size: int, generator: np.random.Generator) -> Floats:
    """The same anywhere in the cone, or, where it has no inside, combinations of the class's own points."""
    own, other = data.X[data.mask(label)], data.X[~data.mask(label)]
    # A point at the origin activates no unit: no constraint for the others', and never active for the own class.
    rows = np.vstack([own, -other[np.any(other != 0, axis=1)]])
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    middle = _middle(rows)
    if middle is not None:
        return _wander(rows, middle, size, generator)
    W = _combinations(own, size, generator)
    if not _inside(W, own, other).all():
        name = "(H2)" if data.classes is None else "(H5)"
        raise AssumptionError(
            f"{name} cannot hold: no unit without bias is active on all points of class {data.class_name(label)} "
            "and on no other; use init.gaussian, or move the origin between the classes with data.centered()"
        )
    return W


def _wander(rows: Floats, middle: Floats, size: int, generator: np.random.Generator) -> Floats:
    """From the middle of the cone a random fraction of the way to its boundary."""
    step = generator.normal(size=(size, rows.shape[1]))
    towards = step @ rows.T
    room = np.divide(rows @ middle, -towards, out=np.full_like(towards, np.inf), where=towards < 0).min(1)
    fraction = 0.9 * generator.random(size) * np.minimum(room, 1.0)
    return np.asarray(middle + fraction[:, None] * step)


def _middle(rows: Floats) -> Floats | None:
    """The w in the unit cube with the largest distance from all the planes w.row = 0, where there is one."""
    d = rows.shape[1]
    found = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-rows, np.ones((len(rows), 1))]),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1, 1)] * d + [(None, 1)],
    )
    if not found.success or found.x[-1] <= 1e-9:
        return None
    return np.asarray(found.x[:-1])
