"""Data sets to start from: points placed by hand, Gaussian clouds, and those read from a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.pictures import brightened
from dynsim.tables import from_csv, from_npz, from_sklearn

__all__ = [
    "brightened",
    "from_csv",
    "from_npz",
    "from_sklearn",
    "gaussian_classes",
    "orthogonal_class",
    "orthogonal_classes",
    "point_classes",
    "starving_features",
]

#: What `numpy.random.default_rng` takes.
Rng = (
    None | int | np.integer | Sequence[int] | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator
)


def point_classes(
    norms: ArrayLike, frequencies: ArrayLike, angle: float = 180.0, dimension: int | None = None
) -> Dataset:
    """One input for each of the two classes, at a given angle.

    Parameters
    ----------
    norms : array_like, shape (2,)
        \\|x_1\\| and \\|x_2\\|, the lengths of the input of class +1 and of class -1.
    frequencies : array_like, shape (2,)
        p_1 and p_2, the weights of the two in the loss; they need not sum to 1.
    angle : float, optional
        Between the two inputs, in degrees, 0 to 180. Inner products at 90 degrees are exactly 0. Below 90
        degrees (H1) of Lemma 3.1 (v2) does not hold; `Dataset.check_assumptions` says so.
    dimension : int, optional
        d; default 1 at 180 degrees, 2 otherwise. Further coordinates are 0.

    Raises
    ------
    ValueError
        If a norm or frequency is not positive and finite, or not two are given; if the angle is out of
        range; if dimension is 1 and the angle not 180.

    Examples
    --------
    >>> point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3)).X
    array([[ 1.],
           [-2.]])
    >>> point_classes(norms=(1.0, 2.0), frequencies=(0.7, 0.3), angle=90).X
    array([[1., 0.],
           [0., 2.]])
    """
    length, weights = _two("norms", norms), _two("frequencies", frequencies)
    degrees = checks.array("angle", angle)
    if degrees.ndim or not 0.0 <= degrees <= 180.0:
        raise ValueError(f"angle must be one number from 0 to 180 (degrees), got {angle!r}")
    antipodal = bool(degrees == 180.0)
    d = (1 if antipodal else 2) if dimension is None else checks.count("dimension", dimension, least=1)
    if d == 1 and not antipodal:
        raise ValueError(f"dimension must be at least 2 at an angle of {angle:g} degrees, got 1")
    # cosdg and sindg are exact at multiples of 90 degrees, where np.cos(np.pi / 2) is 6e-17; + 0.0 clears -0.0.
    plane = np.array([[1.0, 0.0], [special.cosdg(degrees), special.sindg(degrees)]]) + 0.0
    X = np.zeros((2, d))
    X[:, :2] = (length[:, None] * plane)[:, :d]
    return Dataset(X, [1, -1], weights, f"two points at {angle:g} degrees")


def orthogonal_class(
    points: int | Sequence[int], norm: ArrayLike = 1.0, *, frequencies: ArrayLike | None = None
) -> Dataset:
    """Two classes of mutually orthogonal points of one length, the setting of A.7 (v2).

    Every point lies on an axis of its own, those of class -1 on further axes: all inner products are 0. Within a
    class (H1) of Lemma 3.1 (v2) asks for more than that; (H1'), which is listed beside it, suffices for the
    classes to be independent. `dynsim.init.class_aligned` gives all points of a class the same margin, as A.7
    has it. A class is then learnt like one input x, its mean point: of length norm/sqrt(m) for m points, with the
    class's total weight p, that is at the rate p norm/sqrt(m) -- sqrt(m) norm in the default case.

    Parameters
    ----------
    points : int or (int, int)
        m, the number of points of each class, or of class +1 and class -1; at least 1.
    norm : float or (float, float)
        Length of every point, or of those of class +1 and of class -1.
    frequencies : array_like, shape (2,), optional
        Total weight of each class, the same for all its points. By default every point has weight 1, so that the
        loss is a sum over points, as in A.7.

    Raises
    ------
    ValueError
        If a number is out of its range or not one or two are given.

    Examples
    --------
    >>> data = orthogonal_class((2, 1), norm=3.0)
    >>> data.X
    array([[3., 0., 0.],
           [0., 3., 0.],
           [0., 0., 3.]])
    >>> data.y, data.weights
    (array([ 1.,  1., -1.]), array([1., 1., 1.]))
    """
    counts = _counts(points)
    length = checks.positive("norm", norm)
    if length.shape not in ((), (2,)):
        raise ValueError(f"norm must be one number or two, of class +1 and of class -1, got shape {length.shape}")
    p = np.array(counts, dtype=float) if frequencies is None else _two("frequencies", frequencies)
    X = np.diag(np.repeat(np.broadcast_to(length, 2), counts))
    return Dataset(X, np.repeat([1, -1], counts), np.repeat(p / counts, counts), "two classes of orthogonal points")


def orthogonal_classes(norms: ArrayLike, frequencies: ArrayLike) -> Dataset:
    """C classes of one input each, mutually orthogonal: x_c lies on axis c. For a softmax readout.

    Parameters
    ----------
    norms : array_like, shape (C,)
        \\|x_c\\|, C >= 2.
    frequencies : array_like, shape (C,)
        p_c, the weights of the inputs in the loss; they need not sum to 1.

    Raises
    ------
    ValueError
        If a norm or frequency is not positive and finite, there are fewer than two, or not as many of each.

    Examples
    --------
    >>> data = orthogonal_classes(norms=(1.0, 2.0, 1.0), frequencies=(0.5, 0.3, 0.2))
    >>> data.X, data.y
    (array([[1., 0., 0.],
           [0., 2., 0.],
           [0., 0., 1.]]), array([0., 1., 2.]))
    """
    length, weights = checks.positive("norms", norms), checks.positive("frequencies", frequencies)
    if length.ndim != 1 or len(length) < 2:
        raise ValueError(f"norms must be two numbers or more, one a class, got shape {length.shape}")
    if weights.shape != length.shape:
        raise ValueError(f"frequencies must be {len(length)} numbers, as many as norms, got shape {weights.shape}")
    return Dataset(np.diag(length), np.arange(len(length)), weights, f"{len(length)} orthogonal points")


def starving_features(
    frequency: float, norms: ArrayLike = (1.0, 1.0), *, frequencies: ArrayLike = (1.0, 1.0)
) -> Dataset:
    """A frequent and a rare feature in each of two classes, the setting of Section 6 (v2).

    Class +1 holds x1 and x1+x2, x1 perpendicular to x2; class -1 holds their mirror images, so that (H1) of Lemma
    3.1 (v2) is satisfied and the classes are independent of each other. `dynsim.theory.starvation` is the theory of
    one of them.

    Parameters
    ----------
    frequency : float
        lambda, the share of the points of a class that have the rare feature x2 as well; above 0 and at most 1.
    norms : array_like, shape (2,)
        \\|x1\\| and \\|x2\\|, the lengths of the frequent and of the rare feature.
    frequencies : array_like, shape (2,), optional
        Total weight of class +1 and of class -1. By default each has weight 1, which is eq 8 (v2) as it stands.

    Raises
    ------
    ValueError
        If frequency is out of its range, a norm or weight not positive and finite, or not two are given.

    Examples
    --------
    >>> data = starving_features(0.25, norms=(1.0, 2.0))
    >>> data.X
    array([[ 1.,  0.],
           [ 1.,  2.],
           [-1.,  0.],
           [-1., -2.]])
    >>> data.weights
    array([0.75, 0.25, 0.75, 0.25])
    """
    share = checks.array("frequency", frequency)
    if share.ndim or not 0.0 < share <= 1.0:
        raise ValueError(f"frequency must be one number above 0 and at most 1, got {frequency!r}")
    lengths = checks.positive("norms", norms)
    if lengths.shape != (2,):
        raise ValueError(f"norms must be two numbers, |x1| and |x2|, got shape {lengths.shape}")
    weights = np.outer(_two("frequencies", frequencies), [1.0 - share, share])
    # Written out, so that no -0.0 comes from the mirror.
    a, b = lengths
    X = [[a, 0.0], [a, b], [-a, 0.0], [-a, -b]]
    return Dataset(X, [1, 1, -1, -1], weights.ravel(), f"a rare feature of frequency {float(share):g}")


def gaussian_classes(
    points: int | Sequence[int],
    *,
    dimension: int = 2,
    separation: float = 2.0,
    spread: float = 0.1,
    frequencies: ArrayLike = (0.5, 0.5),
    rng: Rng,
) -> Dataset:
    """Two Gaussian clouds about opposite means, +separation/2 and -separation/2 on the first axis.

    (H1) of Lemma 3.1 (v2) holds if no point is 45 degrees or more away from its class's mean, and so nearly
    always while spread sqrt(dimension) is well below separation/2. With the default values
    a point that far away is out of reach in practice.

    Parameters
    ----------
    points : int or (int, int)
        Number of points of each class, or of class +1 and class -1.
    dimension : int, optional
        d.
    separation : float, optional
        Distance between the two means.
    spread : float, optional
        Standard deviation of every coordinate about its mean; 0 puts all points of a class on its mean.
    frequencies : array_like, shape (2,), optional
        Total weight of each class, the same for all its points.
    rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator
        Anything `numpy.random.default_rng` takes. Class +1 is drawn first.

    Raises
    ------
    ValueError
        If a number is out of its range or not two frequencies or numbers of points are given.

    Examples
    --------
    >>> data = gaussian_classes((30, 10), dimension=3, rng=0)
    >>> data.X.shape, bool(data.check_assumptions())
    ((40, 3), True)
    """
    counts = _counts(points)
    d = checks.count("dimension", dimension, least=1)
    half = 0.5 * checks.number("separation", separation)
    sigma, p = checks.nonnegative("spread", spread), _two("frequencies", frequencies)
    if sigma.ndim:
        raise ValueError(f"spread must be one number, got shape {sigma.shape}")
    y = np.repeat([1.0, -1.0], counts)
    X = sigma * np.random.default_rng(rng).standard_normal((len(y), d))
    X[:, 0] += half * y
    return Dataset(X, y, np.repeat(p / counts, counts), "two Gaussian clouds")


def _two(name: str, value: ArrayLike) -> Floats:
    out = checks.positive(name, value)
    if out.shape != (2,):
        raise ValueError(f"{name} must be two numbers, of class +1 and of class -1, got shape {out.shape}")
    return out


def _counts(points: int | Sequence[int]) -> tuple[int, int]:
    pair = tuple(points) if isinstance(points, Iterable) else (points, points)
    if len(pair) != 2:
        raise ValueError(f"points must be one integer or two, got {points!r}")
    return checks.count("points", pair[0], least=1), checks.count("points", pair[1], least=1)
