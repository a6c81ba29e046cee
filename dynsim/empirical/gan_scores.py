"""Gaussians on a circle, and how well samples cover them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats

#: A sample is good within so many standard deviations of its nearest mode.
GOOD = 3.0
#: The stricter standard: a mode needs this part of an equal share of all samples.
SHARE = 0.25


class Scores(NamedTuple):
    """How well samples cover the modes.

    covered: how many modes have at least one good sample. fair: how many have at least a quarter of an equal share
    of all samples, counting good ones only. good: the fraction of samples that are good.
    """

    covered: int
    fair: int
    good: float


def centres(modes: int, radius: float) -> Floats:
    """The middles of the Gaussians, evenly on a circle from the angle 0 on, shape (modes, 2).

    Examples
    --------
    >>> centres(4, 2.0).round(12) + 0.0
    array([[ 2.,  0.],
           [ 0.,  2.],
           [-2.,  0.],
           [ 0., -2.]])
    """
    angle = 2.0 * np.pi / modes * np.arange(modes)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def draw(middles: Floats, spread: float, number: int, rng: np.random.Generator) -> Floats:
    """Points of the mixture with equal shares, shape (number, 2)."""
    chosen = rng.integers(len(middles), size=number)
    return np.asarray(middles[chosen] + spread * rng.standard_normal((number, 2)))


def scores(samples: ArrayLike, middles: ArrayLike, spread: float) -> Scores:
    """The scores of Srivastava et al. 2017 (VEEGAN, section 4.1), and a stricter one.

    Parameters
    ----------
    samples : array_like, shape (n, d)
        They took n = 2,500.
    middles : array_like, shape (modes, d)
    spread : float
        The standard deviation of each mode, in every coordinate.

    Returns
    -------
    Scores
        A sample exactly 3 standard deviations away is good.

    Raises
    ------
    ValueError
        If an array is empty, not of two dimensions or not finite, if they do not have the same number of
        coordinates, or if `spread` is not positive.

    Examples
    --------
    >>> scores([[0.0, 0.1], [0.0, 0.4], [5.0, 5.0]], [[0.0, 0.0], [1.0, 0.0]], 0.1)
    Scores(covered=1, fair=1, good=0.3333333333333333)
    """
    points, places = checks.array("samples", samples, ndim=2), checks.array("middles", middles, ndim=2)
    sigma = checks.number("spread", spread)
    if not points.size or not places.size or points.shape[1] != places.shape[1]:
        shapes = f"{points.shape} and {places.shape}"
        raise ValueError(f"samples and middles must hold points with equally many coordinates, got shapes {shapes}")
    distance = np.linalg.norm(points[:, None, :] - places, axis=-1)
    nearest = np.argmin(distance, axis=-1)
    good = np.min(distance, axis=-1) <= GOOD * sigma
    number = np.bincount(nearest[good], minlength=len(places))
    share = SHARE * len(points) / len(places)
    return Scores(int(np.sum(number > 0)), int(np.sum(number >= share)), float(np.mean(good)))
