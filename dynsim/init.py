"""Initial networks: those of the paper's assumptions, and the usual random one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

from dynsim import checks
from dynsim.checks import AssumptionError, Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.network import Network

Random = Any  # whatever np.random.default_rng takes (SPEC 7)


def class_aligned(
    data: Dataset,
    hidden: int,
    *,
    initial: ArrayLike = 1e-3,
    imbalance: ArrayLike = 0.0,
    depth: int = 2,
    rng: Random,
) -> Network:
    """Random units that satisfy (H2) and (H3), every class at a given logit and imbalance.

    Unit k serves class +1 for even k and class -1 for odd k. Its direction is drawn at random inside the cone
    on which the points of its class are active and all others are not; its size and its output weight are then
    set so that the margin of the class's mean point x is `initial` and C = (\\|x\\|/2) sqrt(S D) is `imbalance`,
    both to round-off (S and D: sums of (a + z)^2 and (a - z)^2, a = w.x/\\|x\\|; notation of A.3 (v2)).

    Parameters
    ----------
    data : Dataset
    hidden : int
        Number of units, at least 2: one a class.
    initial : array_like, scalar or shape (2,)
        u0 > 0 of both classes, or of class +1 and class -1. (H3) forbids u0 <= 0.
    imbalance : array_like, scalar or shape (2,)
        C >= 0; 0 makes every unit balanced, \\|a\\| = \\|z\\|.
    depth : int
        Number of weight layers; only 2, one hidden layer.
    rng : anything np.random.default_rng takes

    Returns
    -------
    Network
        W of shape (hidden, d), Z of shape (hidden,).

    Raises
    ------
    ValueError
        For hidden < 2, initial <= 0, imbalance < 0, or values that are neither one nor two numbers.
    AssumptionError
        If no unit can be active on all points of one class and on no other point.

    Examples
    --------
    >>> data = Dataset([[1.0], [-2.0]], [1, -1])
    >>> class_aligned(data, 8, initial=(0.01, 0.02), rng=0).logits(data.X).round(12)
    array([ 0.01, -0.02])
    """
    data.needs_two_classes("class_aligned")
    checks.count("hidden", hidden, least=len(LABELS))
    _check_depth(depth)
    u0 = _per_class("initial", checks.positive("initial", initial))
    C = _per_class("imbalance", checks.nonnegative("imbalance", imbalance))
    generator = np.random.default_rng(rng)
    W, Z = np.empty((hidden, data.dimension)), np.empty(hidden)
    for c, label in enumerate(LABELS):
        own = slice(c, None, len(LABELS))
        directions = _cone(data, label, len(Z[own]), generator)
        W[own], Z[own] = _scaled_units(directions, data.mean(label), u0[c], C[c], generator)
        Z[own] *= label
    return Network((W, Z))


def gaussian(
    data: Dataset,
    hidden: int,
    *,
    scale: float,
    depth: int = 2,
    diagonal: bool = False,
    biases: bool = False,
    size: int | None = None,
    rng: Random,
) -> Network:
    """Independent normal weights of mean 0 and standard deviation `scale`, in every layer.

    (H2) and (H3) fail for such a network in general: `data.check_assumptions(network)` says for which units.

    Parameters
    ----------
    data : Dataset
        Gives the number of inputs, and with class ids as labels that of classes: the readout is then a softmax.
    hidden : int
        Number of units of every hidden layer.
    scale : float
        Standard deviation, positive.
    depth : int
        Number of weight layers, at least 1 (logistic regression, where `hidden` has no meaning).
    diagonal : bool
        Whether the inner layers multiply every unit by a number of its own instead of mixing the units.
    biases : bool
        Whether there are biases; they start at 0.
    size : int, optional
        Number of networks: the weights get a leading axis of that length.
    rng : anything np.random.default_rng takes

    Raises
    ------
    ValueError
        For numbers out of their range, or diagonal layers with a softmax readout.

    Examples
    --------
    >>> data = Dataset([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1, 2])
    >>> gaussian(data, 8, scale=0.1, depth=3, biases=True, size=10, rng=0)
    Network(10 networks, each 2 inputs, hidden layers of 8, 8 units, 3 classes, biases)
    """
    checks.instance("data", data, Dataset)
    for name, flag in (("diagonal", diagonal), ("biases", biases)):
        if not isinstance(flag, (bool, np.bool_)):
            raise ValueError(f"{name} must be True or False, got {flag!r}")
    checks.count("hidden", hidden, least=1)
    checks.count("depth", depth, least=1)
    sigma = checks.number("scale", scale)
    lead = () if size is None else (checks.count("size", size, least=1),)
    outputs = () if data.classes is None else (data.classes,)
    shapes = [(hidden, data.dimension), *[(hidden,) if diagonal else (hidden, hidden)] * (depth - 2)]
    shapes = [*shapes[: depth - 1], (*outputs, hidden if depth > 1 else data.dimension)]
    generator = np.random.default_rng(rng)
    weights = [generator.normal(0.0, sigma, (*lead, *shape)) for shape in shapes]
    if not biases:
        return Network(weights, classes=data.classes)
    return Network(weights, [np.zeros((*lead, *s)) for s in [(hidden,)] * (depth - 1) + [outputs]], data.classes)


def from_coordinates(y: ArrayLike, z: ArrayLike, x: ArrayLike) -> Network:
    """One-unit networks with w.x = y and output weight z: the plane of Fig. 2 (v2) in one call.

    Parameters
    ----------
    y, z : array_like
        Broadcast against each other; the common shape becomes the ensemble's.
    x : array_like, shape (d,)
        The input; not 0. w is parallel to it.

    Examples
    --------
    >>> from_coordinates([[0.1], [0.2]], [-1.0, 0.0, 1.0], [0.7])
    Network(2 x 3 networks, each 1 inputs, 1 hidden units)
    """
    point = checks.array("x", x, ndim=1)
    square = float(point @ point)
    if not square > 0:
        raise ValueError(f"x must not be 0, got {point.tolist()}")
    try:
        across, out = np.broadcast_arrays(checks.array("y", y), checks.array("z", z))
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        raise ValueError(f"y and z must broadcast, got shapes {np.shape(y)} and {np.shape(z)}") from error
    return Network(((across[..., None] * (point / square))[..., None, :], out[..., None]))


def _check_depth(depth: int) -> None:
    if depth != 2:
        raise ValueError(f"depth must be 2 (one hidden layer), got {depth!r}")


def _per_class(name: str, values: Floats) -> Floats:
    if values.shape not in ((), (len(LABELS),)):
        raise ValueError(f"{name} must be one number or one a class (2), got shape {values.shape}")
    return np.broadcast_to(values, len(LABELS))


# ---- directions: the cone of (H2) ------------------------------------------------------------------------


def _cone(data: Dataset, label: int, size: int, generator: np.random.Generator) -> Floats:
    """Random directions active on every point of the class and on no other point, shape (size, d)."""
    own, other = data.X[data.mask(label)], data.X[~data.mask(label)]
    # Under (H1) positive combinations of own points minus positive ones of the others lie inside the cone.
    share = generator.uniform(0.5, 1.5, (2, size, 1))
    W: Floats = share[0] * _combinations(own, size, generator) - share[1] * _combinations(other, size, generator)
    W += _normal_to(data.X, size, generator)
    outside = ~_inside(W, own, other)
    if outside.any():
        W[outside] = _wander(own, other, int(outside.sum()), generator, data.class_name(label))
    return W


def _combinations(X: Floats, size: int, generator: np.random.Generator) -> Floats:
    return np.asarray(generator.dirichlet(np.ones(len(X)), size) @ X)


def _normal_to(X: Floats, size: int, generator: np.random.Generator) -> Floats:
    """Random vectors orthogonal to every point: they change no activation, and every real network has them."""
    _, s, rows = np.linalg.svd(X, full_matrices=True)
    null = rows[int(np.sum(s > s[0] * 1e-10)) :]
    length = np.sqrt(np.mean(X**2))
    return np.asarray(length * generator.normal(size=(size, len(null))) @ null)


def _inside(W: Floats, own: Floats, other: Floats) -> NDArray[np.bool_]:
    return np.asarray((W @ own.T > 0).all(-1) & (W @ other.T <= 0).all(-1))


def _wander(own: Floats, other: Floats, size: int, generator: np.random.Generator, name: str) -> Floats:
    """The same where (H1) fails: from the middle of the cone a random fraction of the way to its boundary."""
    # A point at the origin activates no unit: no constraint for the others', and never active for the own class.
    rows = np.vstack([own, -other[np.any(other != 0, axis=1)]])
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    middle = _middle(rows, name)
    step = generator.normal(size=(size, rows.shape[1]))
    towards = step @ rows.T
    room = np.divide(rows @ middle, -towards, out=np.full_like(towards, np.inf), where=towards < 0).min(1)
    fraction = 0.9 * generator.random(size) * np.minimum(room, 1.0)
    return np.asarray(middle + fraction[:, None] * step)


def _middle(rows: Floats, name: str) -> Floats:
    """The w in the unit cube with the largest distance from all the planes w.row = 0."""
    d = rows.shape[1]
    found = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-rows, np.ones((len(rows), 1))]),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1, 1)] * d + [(None, 1)],
    )
    if not found.success or found.x[-1] <= 1e-9:
        raise AssumptionError(
            f"(H2) cannot hold: no unit without bias is active on all points of class {name} and on no other; "
            "use init.gaussian, or move the origin between the classes with data.centered()"
        )
    return np.asarray(found.x[:-1])


# ---- sizes: the logit and the imbalance ------------------------------------------------------------------


def _scaled_units(
    W: Floats, x: Floats, u0: float, C: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Rescale the directions W and choose z > 0 so that the class starts at u0 with imbalance C."""
    norm = float(np.linalg.norm(x))
    R = np.hypot(u0, C)
    s = generator.uniform(0.5, 1.5, len(W))
    # u0 = (|x|/4)(S - D), R = (|x|/4)(S + D); d_k = ratio_k s_k with |ratio_k| < 1 keeps a_k and z_k positive.
    s *= np.sqrt(2.0 / norm) * np.sqrt(R + u0) / np.linalg.norm(s)
    less, more = _shares(s, (C / (R + u0)) ** 2, 2.0 * (u0 / (R + u0)), generator)
    swap = generator.random(len(W)) < 0.5
    a, z = 0.5 * s * np.where(swap, less, more), 0.5 * s * np.where(swap, more, less)
    return W * (a / (W @ x / norm))[:, None], z


def _shares(
    s: Floats, mean_square: float, mean_gap: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """1 - r and 1 + r for random r in [0, 1) whose squares have the given mean under the weights s^2.

    mean_gap is 1 - mean_square without cancellation: for u0 far below C it decides the logit.
    """
    if mean_square == 0.0:
        return np.ones_like(s), np.ones_like(s)
    share = s**2 / np.sum(s**2)
    bump = generator.random(len(s))
    bump -= share @ bump
    least = min(mean_square, mean_gap)
    spread = 0.5 * min(least / max(float(np.max(np.abs(bump))), 1e-300), 1.0) * bump
    r = np.sqrt(mean_square + spread)
    return (mean_gap - spread) / (1.0 + r), 1.0 + r
