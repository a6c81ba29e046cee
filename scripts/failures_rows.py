"""The rows of docs/failures.md: networks are trained, and what became of them is counted."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dynsim import Dataset, Network, data, init
from dynsim.empirical import outcomes
from dynsim.empirical.outcomes import Failures
from dynsim.fates import Winner
from dynsim.theory.failure import GEOMETRIES, failure_estimate, failure_probability

Mask = NDArray[np.bool_]
Rates = tuple[tuple[float, float], tuple[float, float]]

LEVEL = 0.999
EQUAL: Rates = ((1.0, 1.0), (0.5, 0.5))
LEAST = 0.001
#: Where nothing else is asked for: the scale and the learning rate.
SCALE, LR = 0.02, 0.1
#: At 180 degrees, where the learning rate does not matter.
FAST, STEPS = 0.2, 3_000
#: The seed of everything that is drawn, but for trained networks, whose seed is their number of units.
SEED = 0


class Size(NamedTuple):
    """Numbers of trained networks (usual, at acute angles, with late choices) and of random units.

    Of each table every `every`-th row is written.
    """

    networks: int
    few: int
    many: int
    samples: int
    every: int = 1


class Run(NamedTuple):
    """Networks as they started, the inputs, and which classes they never learnt."""

    start: Network
    inputs: Dataset
    found: Failures

    @property
    def failed(self) -> Mask:
        return np.asarray(self.found.failed.any(axis=-1))

    @property
    def decided(self) -> Mask:
        return ~self.found.undecided

    @property
    def both(self) -> Mask:
        """Which units start active on both inputs, (..., h)."""
        return np.asarray((self.start.preactivations(self.inputs.X) > 0).all(axis=-1))


def trained(
    angle: float,
    hidden: int,
    size: int,
    *,
    rates: Rates = EQUAL,
    scale: float = SCALE,
    lr: float = LR,
    loss: str = "cross_entropy",
    most: int = 100_000,
) -> Run:
    """Networks of normal weights, trained until their signs decide."""
    inputs = data.point_classes(*rates, angle=angle)
    start = init.gaussian(inputs, hidden, scale=scale, size=size, rng=hidden)
    return Run(start, inputs, outcomes.failures(start, inputs, lr=lr, loss=loss, most=most))


def alone(run: Run, lr: float) -> NDArray[np.object_]:
    """The winner of every unit, trained by itself; (..., h)."""
    start = run.start
    lone = Network((start.W.reshape(-1, 1, start.dimension), start.Z.reshape(-1, 1)))
    return np.asarray(outcomes.winner(lone, run.inputs, lr=lr).reshape(start.Z.shape))


def fail_alone(winners: NDArray[np.object_]) -> tuple[Mask, Mask]:
    """Which networks fail if every unit goes where it went alone; which of them that decides."""
    served = [(winners == kind).any(axis=-1) for kind in (Winner.CLASS_1, Winner.CLASS_2)]
    known = (served[0] & served[1]) | ~(winners == Winner.UNDECIDED).any(axis=-1)
    return known & ~(served[0] & served[1]), known


# ---- numbers ---------------------------------------------------------------------------------------------


def expected(probability: float, size: int) -> tuple[float, float]:
    """Where all but 1 in 1000 frequencies of `size` networks lie."""
    low, high = stats.binom.interval(LEVEL, size, probability)
    return low / size, high / size


def believed(count: int, size: int) -> tuple[float, float]:
    """The probabilities that a count leaves (Clopper and Pearson)."""
    found = stats.binomtest(count, size).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)


def between(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.4f} - {pair[1]:.4f}"


def inside(run: Run, probability: float) -> str:
    """Whether the interval holds the frequency, whatever becomes of undecided networks."""
    low, high = stats.binom.interval(LEVEL, run.failed.size, probability)
    failed = int(run.failed.sum())
    return "yes" if low <= failed and failed + int(run.found.undecided.sum()) <= high else "no"


def rate_at(scale: float) -> float:
    """A learning rate small enough for the logits, of the order of scale^2, of orthogonal networks."""
    return LR if scale < 1.0 else 0.02


def rates_in_words(rates: Rates) -> str:
    return ", ".join("({:g}, {:g})".format(*pair) for pair in rates)


# ---- rows ------------------------------------------------------------------------------------------------


def closed_form(size: Size, geometry: str, rates: Rates, hidden: int) -> tuple[Any, ...]:
    run = trained(GEOMETRIES[geometry], hidden, size.networks, rates=rates)
    p = float(failure_probability(hidden, geometry, norms=rates[0], frequencies=rates[1]))
    measured, interval = f"{run.failed.mean():.4f}", between(expected(p, size.networks))
    start = (geometry, rates_in_words(rates), hidden, f"{p:.5f}", measured, interval)
    return (*start, run.found.undecided.sum(), inside(run, p))


def by_scale(size: Size, hidden: int, scale: float) -> tuple[Any, ...]:
    lr = rate_at(scale)
    run = trained(90.0, hidden, size.networks, scale=scale, lr=lr)
    lone, known = fail_alone(alone(run, lr))
    sure, failed = run.decided & known, run.failed
    saved, lost = sure & lone & ~failed, sure & failed & ~lone
    frequencies = (f"{failed.mean():.4f}", between(believed(int(failed.sum()), failed.size)), f"{lone.mean():.4f}")
    formula, undecided = f"{failure_probability(hidden, 'orthogonal'):.4f}", (~run.decided).sum()
    start = (f"{scale:g}", hidden, f"{lr:g}", *frequencies, formula)
    return (*start, saved.sum(), (saved & run.both.any(axis=-1)).sum(), lost.sum(), undecided, (~known).sum())


def lone_units(size: Size, scale: float) -> tuple[Any, ...]:
    lr = rate_at(scale)
    hidden = 4
    inputs = data.point_classes(*EQUAL, angle=90.0)
    start = init.gaussian(inputs, hidden, scale=scale, size=size.networks, rng=hidden)
    run = Run(start, inputs, Failures(np.zeros((0, 2), dtype=bool), np.zeros(0, dtype=bool)))
    winners = alone(run, lr)
    # (15.5): with equal rates A = B, where both inputs are active.
    s = (start.W[..., 0] - start.W[..., 1]) / np.sqrt(2.0) + start.Z
    one, two = ((winners == kind) & run.both for kind in (Winner.CLASS_1, Winner.CLASS_2))
    kinds = (Winner.NEITHER, Winner.CLASS_1, Winner.CLASS_2)
    shares = [f"{np.mean(winners == kind):.4f}" for kind in kinds]
    other = [f"{100 * np.mean(mask):.3f} %" for mask in (one & (s < 0), two & (s > 0))]
    return f"{scale:g}", f"{lr:g}", winners.size, *shares, *other, (winners == Winner.UNDECIDED).sum()


class Late(NamedTuple):
    """How probable a late choice is, its standard error, and the largest |s| of one over that of all drawn."""

    probability: float
    error: float
    reach: float


@functools.cache
def late(many: int, scale: float) -> Late:
    """A unit active on x_1 only, and one active on both that joins class 1 alone, and class 2 beside the first.

    s of the second is drawn evenly from [-width, width], in units of the scale, and weighted with its density.
    """
    inputs, rng, width = data.point_classes(*EQUAL, angle=90.0), np.random.default_rng(SEED), 4.0 * scale**1.2
    first = rng.standard_normal((many, 3))
    first[:, :2] = np.abs(first[:, :2]) * [1.0, -1.0]
    w = np.abs(rng.standard_normal((many, 2)))
    s, along = rng.uniform(-width, width, many), (w[:, 0] - w[:, 1]) / np.sqrt(2.0)
    weight = 2.0 * width * stats.norm.pdf(s - along)
    W, Z = scale * np.stack([first[:, :2], w], axis=1), scale * np.stack([first[:, 2], s - along], axis=1)
    found = outcomes.failures(Network((W, Z)), inputs, lr=LR)
    lone = outcomes.winner(Network((W[:, 1:], Z[:, 1:])), inputs, lr=LR)
    saved = ~found.undecided & ~found.failed.any(axis=-1) & (lone == Winner.CLASS_1)
    share = saved * weight
    return Late(float(share.mean()), float(share.std()) / many**0.5, float(np.max(np.abs(s) * saved)) / width)


def vanishing(size: Size, below: float, scale: float) -> tuple[Any, ...]:
    """Two neighbouring scales, and the slope of the logarithms between them."""
    less, more = late(size.many, below), late(size.many, scale)
    slope = np.log(more.probability / less.probability) / np.log(scale / below)
    values = (f"{one.probability:.2e} +- {one.error:.0e}" for one in (less, more))
    error = np.hypot(less.error / less.probability, more.error / more.probability) / np.log(scale / below)
    return f"{below:g}", f"{scale:g}", *values, f"{slope:.2f} +- {error:.2f}", f"{max(less.reach, more.reach):.2f}"


def by_sign(size: Size, hidden: int, scale: float, loss: str) -> tuple[Any, ...]:
    run = trained(180.0, hidden, size.networks, scale=scale, lr=FAST, loss=loss, most=STEPS)
    s = run.start.W[..., 0] + run.start.Z
    ruled = np.stack([~(s > 0).any(axis=-1), ~(s < 0).any(axis=-1)], axis=-1)
    breaks = run.decided & (run.found.failed != ruled).any(axis=-1)
    learns = breaks & (ruled & ~run.found.failed).any(axis=-1)
    p, failed = float(failure_probability(hidden)), run.failed
    interval = between(believed(int(failed.sum()), failed.size))
    measured = (f"{failed.mean():.4f}", interval, f"{p:.5f}", f"{ruled.any(axis=-1).mean():.4f}")
    return f"{scale:g}", hidden, loss, *measured, (~run.decided).sum(), breaks.sum(), learns.sum()


def by_angle(size: Size, angle: float, rates: Rates, hidden: int) -> tuple[Any, ...]:
    acute = angle < 90.0
    number = size.few if acute else size.networks
    scale, lr, most = (0.01, 0.1, 30_000) if acute else (SCALE, 0.01, 100_000)
    run = trained(angle, hidden, number, rates=rates, scale=scale, lr=lr, most=most)
    some = failure_estimate(
        hidden, angle, norms=rates[0], frequencies=rates[1], samples=size.samples, rng=SEED
    )
    estimate = f"{some.probability:.4f} +- {some.standard_error:.4f}"
    interval = between(believed(int(run.failed.sum()), number))
    start = (f"{angle:g}", rates_in_words(rates), hidden, number, f"{scale:g}", f"{lr:g}")
    return *start, estimate, f"{run.failed.mean():.4f}", interval, run.found.undecided.sum()


def towards_opposite(size: Size, angle: float | str) -> tuple[Any, ...]:
    h = np.array([2, 3, 4, 5])
    if isinstance(angle, str):
        closed = failure_probability(h) if angle == "180" else 2.0 * (9.0 / 16.0) ** h - (1.0 / 8.0) ** h
        return angle, *(f"{p:.4f}" for p in closed)
    some = failure_estimate(h, angle, samples=size.samples, rng=SEED)
    return f"{angle:g}", *(f"{p:.4f} +- {e:.4f}" for p, e in zip(*some, strict=True))


def overshoot(size: Size, angle: float, lr: float) -> tuple[Any, ...]:
    run = trained(angle, 2, size.networks, lr=lr)
    least = trained(angle, 2, size.networks, lr=LEAST)
    sure = run.decided & least.decided
    differ = sure & (run.found.failed != least.found.failed).any(axis=-1)
    measured = f"{run.failed.mean():.4f}"
    return f"{angle:g}", f"{lr:g}", measured, f"{least.failed.mean():.4f}", differ.sum(), (~sure).sum()
