"""Pictures as points: one class made dark and the other bright, pixels scaled to 0 ... 1, and splits for a test.

A picture is a row of `Dataset.X`: its pixels row by row, and the channels of a pixel side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset

Mask = NDArray[np.bool_]


def brightened(data: Dataset, *, limits: Sequence[float], dark: int = 1) -> Dataset:
    """One class in the dark half of the range of pixel values, the other in the bright half: Table 2, E.2 (v2).

    A pixel x becomes (x + lo)/2 in the dark class and (x + hi)/2 in the other, so that brightness alone tells the
    classes apart, without an error, while every picture keeps its shapes at half their contrast.

    Parameters
    ----------
    data : Dataset
        Labels +1 and -1; weights and names are kept.
    limits : (lo, hi)
        The range of pixel values, (0, 255) for pictures of eight bits; nothing is guessed from the pictures.
    dark : {1, -1}
        The label of the class that becomes dark.

    Raises
    ------
    ValueError
        If the labels are class ids, limits are not two increasing numbers, a pixel lies outside them, or `dark`
        is no label.

    Examples
    --------
    >>> data = Dataset([[0.0, 16.0], [0.0, 16.0]], [1, -1])
    >>> brightened(data, limits=(0, 16)).X
    array([[ 0.,  8.],
           [ 8., 16.]])
    """
    low, high = checked_limits(data, limits)
    data.needs_two_classes("brightened")
    end = np.where(data.y == checked_label("dark", dark), low, high)
    return replace(data, X=0.5 * data.X + 0.5 * end[:, None])


def scaled(data: Dataset, *, limits: Sequence[float]) -> Dataset:
    """The same pictures with pixel values from 0 (lo) to 1 (hi).

    Raises
    ------
    ValueError
        If limits are not two increasing numbers, or a pixel lies outside them.

    Examples
    --------
    >>> scaled(Dataset([[0.0, 16.0], [4.0, 8.0]], [1, -1]), limits=(0, 16)).X
    array([[0.  , 1.  ],
           [0.25, 0.5 ]])
    """
    low, high = checked_limits(data, limits)
    return replace(data, X=(data.X - low) / (high - low))


def checked_limits(data: Dataset, limits: Sequence[float]) -> tuple[float, float]:
    """lo and hi as floats, where every pixel lies within them.

    Raises
    ------
    ValueError
        As `scaled`.
    """
    checks.instance("data", data, Dataset)
    two = checks.array("limits", limits)
    if two.shape != (2,) or not two[0] < two[1]:
        raise ValueError(f"limits must be two increasing numbers (lo, hi), got {limits!r}")
    low, high = two.tolist()
    if not math.isfinite(high - low):
        raise ValueError(f"limits must have a finite difference, got {limits!r}")
    _check_pixels(data.X, low, high, f"limits = ({low:g}, {high:g})")
    return low, high


def checked_pixels(X: ArrayLike) -> Floats:
    """One or more pictures as an array (m, d) with pixels from 0 to 1.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> checked_pixels([[0, 1]])
    array([[0., 1.]])
    """
    pixels = checks.array("X", X, ndim=2)
    if not len(pixels):
        raise ValueError(f"X must hold at least one picture, got shape {pixels.shape}")
    _check_pixels(pixels, 0.0, 1.0, "0 to 1, the range that networks are trained on")
    return pixels


def checked_label(name: str, value: Any) -> int:
    """+1 or -1, as one number.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> checked_label("dark", -1.0)
    -1
    """
    if isinstance(value, bool) or not isinstance(value, Real) or value not in LABELS:
        shown = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise ValueError(f"{name} must be the label +1 or -1, got {shown}")
    return int(float(value))


def _check_pixels(pixels: Floats, low: float, high: float, where: str) -> None:
    outside = np.argwhere((pixels < low) | (pixels > high))
    if outside.size:
        point, pixel = outside[0].tolist()
        found = f"{pixels[point, pixel]:g} in pixel {pixel} of picture {point}"
        raise ValueError(f"X must lie within {where}, got {found}")


def checked_shape(data: Dataset, shape: Sequence[int]) -> tuple[int, ...]:
    """(rows, columns) or (rows, columns, channels), where a point has as many coordinates.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> checked_shape(Dataset(np.ones((2, 12)), [1, -1]), (2, 2, 3))
    (2, 2, 3)
    """
    sizes: Any = tuple(shape) if isinstance(shape, (Sequence, np.ndarray)) else ()
    if len(sizes) not in (2, 3):
        raise ValueError(f"shape must be (rows, columns) or (rows, columns, channels), got {shape!r}")
    out = tuple(checks.count("shape", size, least=1) for size in sizes)
    if math.prod(out) != data.dimension:
        product = " x ".join(map(str, out))
        raise ValueError(
            f"shape must multiply to the {data.dimension} coordinates of a point, got {product} = {math.prod(out)}"
        )
    return out


def balanced_test(data: Dataset, test_share: float, *, size: int, rng: Any) -> Mask:
    """Random test sets with as many pictures of either class, one for each of `size` networks.

    Chance is then an accuracy of exactly 1/2, and so is the accuracy of whoever gives one answer to all.

    Parameters
    ----------
    data : Dataset
        Labels +1 and -1.
    test_share : float
        Of the smaller class, between 0 and 1; rounded to whole pictures, of which both the test set and the rest
        must have one or more of either class.
    size : int
        Number of test sets.
    rng : anything np.random.default_rng takes

    Returns
    -------
    ndarray of bool, shape (size, n)
        Which pictures are in the test set.

    Raises
    ------
    ValueError
        For numbers out of their range, class ids as labels, or a class too small to be divided.

    Examples
    --------
    >>> test = balanced_test(Dataset(np.ones((10, 1)), [1] * 4 + [-1] * 6), 0.5, size=3, rng=0)
    >>> test[:, :4].sum(axis=1), test[:, 4:].sum(axis=1)
    (array([2, 2, 2]), array([2, 2, 2]))
    """
    checks.instance("data", data, Dataset)
    data.needs_two_classes("a balanced test set")
    part = checks.number("test_share", test_share)
    if part >= 1.0:
        raise ValueError(f"test_share must be below 1, got {test_share!r}")
    smaller = min(int(data.mask(label).sum()) for label in LABELS)
    each = round(part * smaller)
    if not 0 < each < smaller:
        raise ValueError(
            f"test_share must leave pictures of both classes to train on and to test, got {test_share!r} of "
            f"{smaller}, the number of pictures of the smaller class"
        )
    test = np.zeros((checks.count("size", size, least=1), len(data)), dtype=bool)
    generator = checks.generator("rng", rng)
    for row in test:
        for label in LABELS:
            row[generator.permutation(np.flatnonzero(data.mask(label)))[:each]] = True
    return test


def training_weights(test: Mask) -> Floats:
    """Equal weights that sum to 1 for the pictures outside each test set, 0 for those in it; shape (..., n).

    Examples
    --------
    >>> training_weights(np.array([[True, False, False], [False, False, False]]))
    array([[0.        , 0.5       , 0.5       ],
           [0.33333333, 0.33333333, 0.33333333]])
    """
    return np.asarray(~test / np.sum(~test, axis=-1, keepdims=True))
