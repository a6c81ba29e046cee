"""Networks trained on a frequent and a rare feature, and what is read off them for the claims on starvation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

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

    def numbers(step: float) -> tuple[Floats, Floats]:
        value, reading = measure(step)
        return np.array(value), np.array(reading)

    found = limits(numbers, lr)
    return Limit(float(found.value), float(found.floor))


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


def until_learnt(network: Network, data: Dataset, lr: float, level: float) -> Logits:
    """Gradient descent, every step of it, until every v1 has passed a level: networks say how long that takes."""
    parts, steps, taken = [followed(network, data, lr, 0.0)], round(_STAGE / lr), 0
    while np.min(parts[-1].strong[-1]) < level:
        if lr * taken > _LATEST:
            raise ValueError(f"level must be passed before t = {_LATEST:g}, got {level:g}")
        run = train(network, data, lr=lr, steps=steps, record="all")
        assert run.network is not None
        found, network = logits(run), run.network
        # The first record is the last one of the part before.
        parts.append(Logits(lr * taken + found.time[1:], found.strong[1:], found.weak[1:]))
        taken, steps = taken + steps, 2 * steps
    return Logits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


#: t of the first stage of `until_learnt`, and when it gives up.
_STAGE, _LATEST = 16.0, 1e5


def rare_confidence(start: tuple[float, float, float], frequency: float, confidence: float, lr: float) -> Limit:
    """P on x2 alone of one unit, from alpha, beta and z, when that on x1 alone is `confidence`; as lr -> 0."""
    data, network, level = starving_features(frequency), unit(*start), float(logit(confidence))
    found = extrapolated(lambda step: weak_at(until_learnt(network, data, step, level), level), lr)
    # P' <= 1/4
    return Limit(float(expit(found.value)), 0.25 * found.floor)


def output_weight(start: tuple[float, float, float], frequency: float, confidence: float, lr: float) -> Limit:
    """z* of the same unit at that moment."""
    data, network, level = starving_features(frequency), unit(*start), float(logit(confidence))

    def measure(step: float) -> tuple[float, float]:
        k = int(np.argmax(until_learnt(network, data, step, level).strong >= level))
        # Two steps before the level is passed, one before, and after.
        seen = [train(network, data, lr=step, steps=k - back, record=2).network for back in (2, 1, 0)]
        alpha, z = (np.array([getattr(one, name).flat[0] for one in seen]) for name in ("W", "Z"))
        return weak_at(Logits(step * np.arange(3.0), z * alpha, z), level)

    return extrapolated(measure, lr)


class Limits(NamedTuple):
    """As `Limit`, of several networks, shape (n,)."""

    value: Floats
    floor: Floats


def limits(measure: Callable[[float], tuple[Floats, Floats]], lr: float) -> Limits:
    """As `extrapolated`, of several numbers."""
    at = cache(measure)
    effect = halved(at, lr)
    return Limits(at(lr)[0] - effect.shift, effect.rest)


def weak_of_all(network: Network, data: Dataset, lr: float, level: float) -> Limits:
    """v2 of each network of an ensemble when its v1 passes a level, as lr -> 0."""

    def measure(step: float) -> tuple[Floats, Floats]:
        path = until_learnt(network, data, step, level)
        each = zip(path.strong.T, path.weak.T, strict=True)
        value, reading = np.transpose([weak_at(Logits(path.time, *one), level) for one in each])
        return value, reading

    return limits(measure, lr)


def stepped(read: Callable[[float], Floats], lr: float) -> Limits:
    """Numbers as networks of step size lr have them; the floor is what that step size puts them off by.

    It is the distance from the limit lr -> 0 of networks with lr, lr/2 and lr/4, and what that leaves open.
    """
    at = cache(read)
    effect = halved(lambda step: (at(step), np.zeros_like(at(step))), lr)
    return Limits(at(lr), np.abs(effect.shift) + effect.rest)


class Seen(NamedTuple):
    """Numbers read off networks at some times, shape (T, ...), and how far their step size puts them off."""

    time: Floats
    values: Floats
    floor: Floats


def along(
    network: Network,
    data: Dataset,
    lr: float,
    times: ArrayLike,
    read: Callable[[Logits], Floats],
    loss: str = "cross_entropy",
) -> Seen:
    """`read` of the logits at whole steps near the times, as `stepped`."""
    steps = np.unique(np.rint(np.asarray(times) / lr).astype(int))

    def measure(step: float) -> Floats:
        record = steps * round(lr / step)
        values = read(followed(network, data, step, float(step * record[-1]), loss, np.union1d(record, [0])))
        return values if steps[0] == 0 else values[1:]

    return Seen(lr * steps, *stepped(measure, lr))


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
        last = train(network, data, lr=lr, steps=steps // _LOOKS, record=2).network
        assert last is not None
        network = last
        # On x1 and on x2 alone, whatever the signs of beta and alpha + beta.
        strong, weak = np.moveaxis(network.logits(np.eye(2)), -1, 0)
        room = 64.0 * np.finfo(float).eps * strong
        plain |= weak > frequency * strong + room
        general |= weak > frequency * strong + excess * network.Z[..., 0] + room
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


def opposed_starts(number: int, rng: int) -> tuple[Floats, Floats, Floats]:
    """alpha, beta and z, their sizes log-uniform from .01 to 1, with beta < 0: the second half of Thm D.2 (v2)."""
    alpha, beta, z = 10.0 ** np.random.default_rng(rng).uniform(-2.0, 0.0, (3, number))
    return alpha, -beta, z
