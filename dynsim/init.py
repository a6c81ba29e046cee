"""Initial networks: those of the paper's assumptions, and the usual random one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, cones
from dynsim.checks import Floats
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
    """Random units that satisfy (H2) and (H3), or (H5) and (H6), every class at a given logit and imbalance.

    Unit k serves class +1 for even k and class -1 for odd k, or class k mod C. Its direction is drawn at random
    inside the cone on which the points of its class are active and all others are not; its size and its output
    weight are then set so that the margin of the class's mean point x is `initial` and
    C = (\\|x\\|/2) sqrt(S D) is `imbalance`, both to round-off (S and D: sums of (a + z)^2 and (a - z)^2,
    a = w.x/\\|x\\|; notation of A.3 (v2)). Where the points of a class are mutually orthogonal and of one length
    (A.7 (v2)) and (H1') holds, all of them have that margin.

    With class ids 0 ... C-1 the readout is a softmax and unit k's column of it is along e_c - 1/C, z being its
    length; `initial` is the margin f_c - f_j at x, the same for every other class j, and \\|x\\| sqrt(C/(C-1))
    stands in place of \\|x\\| in the imbalance (docs/theory.md).

    Depth 3 and more, two classes only: diagonal inner layers, as in App. B (v2), and all layers of all units of a
    class alike, \\|a\\| = inner weights = \\|z\\|, the only start that its closed form covers. Depth 1 is logistic
    regression: the shortest v with the margin `initial` at both means. Nothing about it is random.

    Parameters
    ----------
    data : Dataset
    hidden : int
        Number of units, at least one a class. Without meaning at depth 1, where any number from 1 on will do.
    initial : array_like, scalar or one a class
        u0 > 0, in the order of `data.labels`. (H3) forbids u0 <= 0.
    imbalance : array_like, scalar or one a class
        C >= 0; 0 makes every unit balanced, \\|a\\| = \\|z\\|. It must be 0 unless depth is 2.
    depth : int
        Number of weight layers: 2 is one hidden layer. Only 2 with class ids.
    rng : anything np.random.default_rng takes

    Returns
    -------
    Network
        W of shape (hidden, d), inner layers and Z of shape (hidden,), or Z of shape (C, hidden); at depth 1 only
        Z, of shape (d,).

    Raises
    ------
    ValueError
        For too few units, initial <= 0, imbalance < 0, values that are neither one number nor one a class, an
        imbalance or class ids at a depth other than 2; at depth 1 if no v has these margins.
    AssumptionError
        If no unit can be active on all points of one class and on no other point.

    Examples
    --------
    >>> data = Dataset([[1.0], [-2.0]], [1, -1])
    >>> class_aligned(data, 8, initial=(0.01, 0.02), rng=0).logits(data.X).round(12)
    array([ 0.01, -0.02])
    >>> class_aligned(data, 8, initial=(0.01, 0.02), depth=4, rng=0)
    Network(1 inputs, hidden layers of 8, 8 diagonal, 8 diagonal units)
    >>> three = Dataset([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]], [0, 1, 2])
    >>> logits = class_aligned(three, 6, initial=0.3, rng=0).logits(three.X)
    >>> (logits - np.diag(logits)[:, None]).round(12) + 0.0
    array([[ 0. , -0.3, -0.3],
           [-0.3,  0. , -0.3],
           [-0.3, -0.3,  0. ]])
    """
    checks.instance("data", data, Dataset)
    layers, count = _check_depth(depth, data), len(data.labels)
    checks.count("hidden", hidden, least=1 if layers == 1 else count)
    u0 = _per_class("initial", checks.positive("initial", initial), count)
    C = _per_class("imbalance", checks.nonnegative("imbalance", imbalance), count)
    if layers != 2 and C.any():
        raise ValueError(f"imbalance must be 0 at depth {layers}, where no closed form has one, got {C.max():.10g}")
    generator = checks.generator("rng", rng)
    if layers == 1:
        return Network((_shortest(data, u0),))
    free = cones.free_directions(data.X)
    W, z = np.empty((hidden, data.dimension)), np.empty(hidden)
    for c, label in enumerate(data.labels):
        own = slice(c, None, count)
        W[own], x = cones.directions(data, label, len(z[own]), free, generator), data.mean(label)
        if layers == 2:
            W[own], z[own] = _scaled_units(W[own], x, u0[c], C[c], _stretch(data), generator)
        else:
            W[own], z[own] = _chains(W[own], x, u0[c], layers)
    if data.classes is not None:
        return Network((W, _columns(z, data.classes)))
    return Network((W, *[z] * (layers - 2), z * np.resize(LABELS, hidden)))


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
    shapes = _shapes(data, hidden, depth, diagonal, biases)
    sigma = checks.number("scale", scale)
    return _normal(data, shapes, [sigma] * depth, biases, size, rng)


def he(
    data: Dataset, hidden: int, *, depth: int = 2, biases: bool = False, size: int | None = None, rng: Random
) -> Network:
    """Independent normal weights with the standard deviations of He et al. (2015), arXiv:1502.01852.

    sqrt(2/fan_in) in every hidden layer, where the ReLU passes half of a symmetric signal's second moment, and
    sqrt(1/fan_in) in the readout, which has no ReLU; fan_in is the number of inputs of a unit. So a logit has
    mean 0 and second moment \\|x\\|^2 / d over the draws, whatever the width and the depth. As for `gaussian`,
    (H2) and (H3) fail in general.

    Parameters
    ----------
    data : Dataset
        Gives the number of inputs, and with class ids as labels that of classes: the readout is then a softmax.
    hidden : int
        Number of units of every hidden layer.
    depth : int
        Number of weight layers, at least 1 (logistic regression, where `hidden` has no meaning).
    biases : bool
        Whether there are biases; they start at 0.
    size : int, optional
        Number of networks: the weights get a leading axis of that length.
    rng : anything np.random.default_rng takes

    Returns
    -------
    Network
        W of shape (hidden, d), full inner layers, and Z of shape (hidden,) or (C, hidden).

    Raises
    ------
    ValueError
        For numbers out of their range.

    Examples
    --------
    >>> data = Dataset([[3.0, 4.0], [-3.0, -4.0]], [1, -1])
    >>> network = he(data, 64, depth=4, size=4000, rng=0)
    >>> network
    Network(4000 networks, each 2 inputs, hidden layers of 64, 64, 64 units)
    >>> f = network.logits(data.X)[:, 0]
    >>> bool(abs((f**2).mean() / (25.0 / 2.0) - 1.0) < 0.1)
    True
    """
    shapes = _shapes(data, hidden, depth, False, biases)
    fans = [shape[-1] for shape in shapes]
    sigmas = [float(np.sqrt(2.0 / fan)) for fan in fans[:-1]] + [float(np.sqrt(1.0 / fans[-1]))]
    return _normal(data, shapes, sigmas, biases, size, rng)


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


def _shapes(data: Dataset, hidden: int, depth: int, diagonal: bool, biases: bool) -> list[tuple[int, ...]]:
    """The shapes of the weights of a network with hidden layers of one width; all flags and counts are checked."""
    checks.instance("data", data, Dataset)
    for name, flag in (("diagonal", diagonal), ("biases", biases)):
        if not isinstance(flag, (bool, np.bool_)):
            raise ValueError(f"{name} must be True or False, got {flag!r}")
    checks.count("hidden", hidden, least=1)
    checks.count("depth", depth, least=1)
    outputs = () if data.classes is None else (data.classes,)
    shapes = [(hidden, data.dimension), *[(hidden,) if diagonal else (hidden, hidden)] * (depth - 2)]
    return [*shapes[: depth - 1], (*outputs, hidden if depth > 1 else data.dimension)]


def _normal(
    data: Dataset, shapes: list[tuple[int, ...]], sigmas: list[float], biases: bool, size: int | None, rng: Random
) -> Network:
    """Independent normal weights, one standard deviation a layer, and biases of 0."""
    lead = () if size is None else (checks.count("size", size, least=1),)
    generator = checks.generator("rng", rng)
    weights = [generator.normal(0.0, s, (*lead, *shape)) for s, shape in zip(sigmas, shapes, strict=True)]
    if not biases:
        return Network(weights, classes=data.classes)
    units = [shape[:1] for shape in shapes[:-1]] + [shapes[-1][:-1]]
    return Network(weights, [np.zeros((*lead, *own)) for own in units], data.classes)


def _check_depth(depth: int, data: Dataset) -> int:
    layers = checks.count("depth", depth, least=1)
    if data.classes is not None and layers != 2:
        raise ValueError(f"depth must be 2 (one hidden layer) with class ids as labels, got {depth!r}")
    return layers


def _per_class(name: str, values: Floats, count: int) -> Floats:
    if values.shape not in ((), (count,)):
        raise ValueError(f"{name} must be one number or one a class ({count}), got shape {values.shape}")
    return np.broadcast_to(values, count)


# ---- sizes: the logit and the imbalance ------------------------------------------------------------------


def _stretch(data: Dataset) -> float:
    """What a softmax adds to the norm of an input: sqrt(C/(C-1)), and 1 for one logit."""
    return 1.0 if data.classes is None else float(np.sqrt(data.classes / (data.classes - 1.0)))


def _columns(z: Floats, classes: int) -> Floats:
    """Readout (C, h) with column k of length z_k along e_c - 1/C, c = k mod C."""
    b = z * np.sqrt(classes / (classes - 1.0))
    served = np.arange(classes)[:, None] == np.arange(len(z)) % classes
    return np.asarray(np.where(served, b * ((classes - 1.0) / classes), -b / classes))


def _chains(W: Floats, x: Floats, u0: float, depth: int) -> tuple[Floats, Floats]:
    """Rescale the directions W so that a_k = r, and r for every other layer: |x| h r^depth = u0."""
    norm = float(np.linalg.norm(x))
    product = u0 / (norm * len(W))
    r = product ** (1.0 / depth)
    # 1/depth is rounded, which for logits far from 1 shows in r: one step of Newton's.
    r -= r * (r**depth / product - 1.0) / depth
    return W * (r / (W @ x / norm))[:, None], np.full(len(W), r)


def _shortest(data: Dataset, u0: Floats) -> Floats:
    """The shortest v with y v.x = u0 at the mean x of both classes."""
    means = np.array(LABELS)[:, None] * np.stack([data.mean(label) for label in LABELS])
    norm = np.linalg.norm(means, axis=1)
    if np.all(norm > 0):
        unit, level = means / norm[:, None], u0 / norm
        # Means closer than 1e-10 to one line count as on it: v would blow their difference up without end.
        v: Floats = np.linalg.lstsq(unit, level, rcond=1e-10)[0]
        v += np.linalg.lstsq(unit, level - unit @ v, rcond=1e-10)[0]
        if np.all(np.abs(unit @ v - level) <= 16 * np.finfo(float).eps * (level + np.abs(unit) @ np.abs(v))):
            return v
    raise ValueError(
        "initial must be a margin that one weight vector (depth 1) can have at both class means: these must be "
        "linearly independent, or opposite with margins in the ratio of their lengths, got margins "
        f"{u0[0]:g} and {u0[1]:g} at means of length {norm[0]:g} and {norm[1]:g}"
    )


def _scaled_units(
    W: Floats, x: Floats, u0: float, C: float, stretch: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Rescale the directions W and choose z > 0 so that the class starts at u0 with imbalance C."""
    length = float(np.linalg.norm(x))
    norm = stretch * length
    R = np.hypot(u0, C)
    s = generator.uniform(0.5, 1.5, len(W))
    # u0 = (|x|/4)(S - D), R = (|x|/4)(S + D); d_k = ratio_k s_k with |ratio_k| < 1 keeps a_k and z_k positive.
    s *= np.sqrt(2.0 / norm) * np.sqrt(R + u0) / np.linalg.norm(s)
    less, more = _shares(s, (C / (R + u0)) ** 2, 2.0 * (u0 / (R + u0)), generator)
    swap = generator.random(len(W)) < 0.5
    a, z = 0.5 * s * np.where(swap, less, more), 0.5 * s * np.where(swap, more, less)
    return W * (a / (W @ x / length))[:, None], z


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
