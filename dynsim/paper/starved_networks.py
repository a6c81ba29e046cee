"""Networks trained on a frequent and a rare feature, and what is read off them for the claim `starvation`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim.checks import Floats
from dynsim.data import starving_features
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper.timing import halved
from dynsim.trajectory import Trajectory


class Limit(NamedTuple):
    """A number read off networks at lr, lr/2 and lr/4, extrapolated to lr -> 0; and how far that may be off."""

    value: float
    floor: float


class Logits(NamedTuple):
    """v1 and v2, the logits on the frequent and on the rare feature alone, shape (T, ...)."""

    time: Floats
    strong: Floats
    weak: Floats


def extrapolated(measure: Callable[[float], tuple[float, float]], lr: float) -> Limit:
    """`measure(lr)` gives a number and how far it may be misread; see `timing.halved`."""
    at = cache(measure)

    def numbers(step: float) -> tuple[Floats, Floats]:
        value, reading = at(step)
        return np.array(value), np.array(reading)

    effect = halved(numbers, lr)
    return Limit(at(lr)[0] - float(effect.shift), float(effect.rest))


def order(measure: Callable[[float], float], exact: float, lr: float) -> Limit:
    """The order in lr at which a number approaches the exact one, from lr/2 and lr/4.

    The order from lr and lr/2 differs from it by what the next order does, which halves each time.
    """
    errors = [abs(measure(lr / 2**j) - exact) for j in range(3)]
    coarse, fine = np.log2(errors[0] / errors[1]), np.log2(errors[1] / errors[2])
    return Limit(float(fine), float(2.0 * abs(fine - coarse)))


# ---- networks ----------------------------------------------------------------------------------------------


def unit(alpha: ArrayLike, beta: ArrayLike, z: ArrayLike) -> Network:
    """One unit with w.x1, w.x2 and output weight for unit norms; arrays make an ensemble."""
    first, second, last = np.broadcast_arrays(alpha, beta, z)
    return Network((np.stack([first, second], axis=-1)[..., None, :], last[..., None]))


def chain(strong: float, weak: float, depth: int) -> Network:
    """A balanced chain of `depth` layers with the logits v1 and v2 on either feature alone; unit norms."""
    v = np.array([strong, weak])
    if depth == 1:
        return Network((v,))
    size = float(np.linalg.norm(v))
    r = size ** (1.0 / depth)
    return Network(([r * v / size], *[[r]] * (depth - 1)))


def logits(run: Trajectory) -> Logits:
    """From the logits on x1 and x1+x2 of units that are active on both and have beta > 0: v2 is the difference."""
    first = run.logits[..., 0]
    return Logits(run.time, first, run.logits[..., 1] - first)


def followed(
    network: Network, data: Dataset, lr: float, until: float, loss: str = "cross_entropy", record: object = "all"
) -> Logits:
    """Gradient descent until t = `until`."""
    return logits(train(network, data, loss=loss, lr=lr, steps=int(np.ceil(until / lr)), record=record))  # type: ignore[arg-type]


# ---- what is read off --------------------------------------------------------------------------------------


def weak_at(path: Logits, level: float) -> tuple[float, float]:
    """v2 when v1 passes a level, on the chord between two steps, and twice the error of that.

    The chord errs by (1/8) h^2 of a second derivative, h the step in v1: by h/8 times the change of the slope.
    """
    k = int(np.argmax(path.strong >= level))
    if k < 2 or path.strong[k] < level:
        raise ValueError(f"level must be passed after two steps or more, got {level:g}")
    steps, rises = np.diff(path.strong[k - 2 : k + 1]), np.diff(path.weak[k - 2 : k + 1])
    slopes = rises / steps
    value = path.weak[k - 1] + slopes[1] * (level - path.strong[k - 1])
    return float(value), float(0.25 * steps[1] * abs(slopes[1] - slopes[0]))


def slope_between(path: Logits, first: int, last: int) -> float:
    """The slope of log v2 against log v1 between two records."""
    return float(np.log(path.weak[last] / path.weak[first]) / np.log(path.strong[last] / path.strong[first]))


class Broken(NamedTuple):
    """Of `number` networks: in how many v2 was ever above lam v1, and above that of Thm D.2 (v2)."""

    plain: int
    general: int
    number: int


def broken(alpha: Floats, beta: Floats, z: Floats, frequency: float, *, lr: float, until: float) -> Broken:
    """Train one-unit networks with those starts, and look at them 50 times.

    A step raises beta by lr lam z g2 and alpha by lr z (lam g2 + (1-lam) g1) with g1 >= g2: beta - lam alpha falls
    at each of them, so that the theorem holds for gradient descent as it does for the flow, at any lr.
    """
    data = starving_features(frequency)
    network, steps = unit(alpha, beta, z), int(np.ceil(until / lr))
    plain = np.zeros(len(alpha), dtype=bool)
    general = np.zeros(len(alpha), dtype=bool)
    excess = np.maximum(beta - frequency * alpha, 0.0)
    for _ in range(_LOOKS):
        run = train(network, data, lr=lr, steps=steps // _LOOKS, record=2)
        assert run.network is not None
        network = run.network
        _, strong, weak = logits(run)
        room = 64.0 * np.finfo(float).eps * strong[-1]
        plain |= weak[-1] > frequency * strong[-1] + room
        general |= weak[-1] > frequency * strong[-1] + excess * network.Z[..., 0] + room
    return Broken(int(plain.sum()), int(general.sum()), len(alpha))


#: So often the networks of `broken` are looked at.
_LOOKS = 50


def random_starts(number: int, frequency: float, covered: bool, rng: int) -> tuple[Floats, Floats, Floats]:
    """alpha, beta and z, log-uniform from .01 to 1, with beta at most lam alpha or, not covered, above it."""
    generator = np.random.default_rng(rng)
    kept: list[NDArray[np.float64]] = []
    while sum(one.shape[1] for one in kept) < number:
        alpha, beta, z = 10.0 ** generator.uniform(-2.0, 0.0, (3, number))
        # beta of a covered start: a random part of lam alpha, or few would be.
        beta = frequency * alpha * generator.random(number) if covered else beta
        right = (beta <= frequency * alpha) == covered
        kept.append(np.stack([alpha, beta, z])[:, right])
    alpha, beta, z = np.concatenate(kept, axis=1)[:, :number]
    return alpha, beta, z
