"""The floor: how far a run may be from a theory that is right.

Four things separate a trained network from the law that describes it, and each is derived, not guessed:

step size
    A flow has no step. The law's own exact map of gradient descent (docs/theory.md, sections 6 and 7) is run at
    the run's lr and at lr/2, lr/4, ..., and extrapolated to lr -> 0; the difference between the map at lr and that
    limit is what the step does, with its sign. It does not use the flow that is being judged, so that an error in
    the flow cannot hide in it. What the extrapolation leaves open is bounded by twice its last change.
sampling noise
    The exact map is run with batches, many times over; the run may lie as many standard deviations from the mean
    as the worst of these replicas does, anywhere along its path.
round-off
    The map is run again with every number of its state perturbed at every step; this measures how rounding errors
    grow. Where they have grown to a visible size, nothing is judged.
evaluation
    The documented accuracy of a closed form, or the change of a numerical flow when its tolerance is loosened
    a hundredfold; the rounding of a measured curve; the interpolation of a theory given as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim import deaths, losses
from dynsim.checks import Floats
from dynsim.losses import Loss
from dynsim.theory import descent
from dynsim.theory.descent import System
from dynsim.theory.units import Units
from dynsim.trajectory import Trajectory

#: Relative size of the perturbation that measures the growth of rounding errors.
_JITTER, _FINEST = 2.0**-40, 2.0**-50
#: Number of perturbed copies.
_COPIES = 4
#: A perturbation grown to this relative size has left the linear regime.
_SATURATED = 1e-3
#: The relative change of the rate that a comparison must be able to see.
RATE = 0.02
#: Most steps of the map run for a curve whose lr is not known; a larger lr than its own only widens the bound.
_STEPS = 20_000
#: Replicas of SGD: with one input a class, and with many points.
_REPLICAS = (999, 199)


class Part(NamedTuple):
    """One cause, and how much of the logits' difference it can account for, shape (T, ..., n).

    `signed` parts are known in sign (they move the expectation), the others only bound.
    """

    name: str
    source: str
    size: Floats
    signed: bool = False


@dataclass(frozen=True, eq=False)
class Floor:
    """What may separate the run from the theory's logits."""

    parts: tuple[Part, ...]
    shape: tuple[int, ...]
    complete: bool = True

    @property
    def shift(self) -> Floats:
        """The part known in sign: where a run of a right theory is expected, minus the theory."""
        return sum((p.size for p in self.parts if p.signed), np.zeros(self.shape))

    @property
    def spread(self) -> Floats:
        """How far from there the run may be."""
        return sum((np.abs(p.size) for p in self.parts if not p.signed), np.zeros(self.shape))


def step_size(
    system: System, run: Trajectory, lr: float, steps: NDArray[np.int64], level: int
) -> tuple[Part, Part]:
    """What the step size does to a flow law, and what is left open; lr is halved `level` times, at least twice."""
    loss = losses.get(run.loss_name)
    time = np.asarray(lr * steps, dtype=np.float64)
    G = [descend(system, loss, lr / 2**j, steps * 2**j) for j in range(level + 1)]
    limit, rest = _extrapolated(G)
    levels = f"the exact map at lr / 1 ... {2**level}, extrapolated"
    left = "twice the difference of the last extrapolations"
    if loss.name == "hinge":
        limit, rest = _after_drops(system, run, G, (limit, rest), lr / 2**level, steps * 2**level)
        left += "; where points dropped out, first order and one step each"
    if isinstance(system, Units):
        rest = deaths.remainder(system, loss, G, rest, lr, steps)
        left += "; after a change of gates, the last halving, and the overshoot of units that are reborn"
    return (
        Part("step size", levels, G[0] - limit, signed=True),
        Part("step size, remainder", left, as_time_shift(rest, limit, time)),
    )


def _extrapolated(maps: list[Floats]) -> tuple[Floats, Floats]:
    """The limit lr -> 0 of maps at lr, lr/2, lr/4, ..., and what it may be off by.

    T has no first-order error, R no second-order one. The limit is the last R; its own error is of third order,
    and is bounded by twice the last change of T or R, whichever is larger.
    """
    T = [2.0 * fine - coarse for coarse, fine in pairwise(maps)]
    R = [(4.0 * fine - coarse) / 3.0 for coarse, fine in pairwise(T)]
    # Linear in lr is only what changes little: while a halving still moves a logit by a third of its size, as on
    # a plateau of many e-folds, the differences say nothing about the limit.
    moved = np.abs(maps[-1] - maps[-2]) > 0.3 * np.minimum(np.abs(maps[-1]), np.abs(maps[-2]))
    changes = [np.abs(fine - coarse) for coarse, fine in (*list(pairwise(T))[-1:], *list(pairwise(R))[-1:])]
    return np.asarray(R[-1]), np.where(moved, np.inf, 2.0 * np.max(changes, axis=0))


def as_time_shift(rest: Floats, curve: Floats, time: Floats) -> Floats:
    """The largest error so far, carried along the curve.

    An error made at one time travels with the flow as a shift in time, so its size goes with the speed of the
    curve; the difference of two extrapolations may pass through 0, what it stands for does not.
    """
    if len(time) < 2:
        return rest
    speed = np.abs(np.gradient(curve, time, axis=0))
    # A curve that rests changes only by rounding: that is no speed.
    speed[speed * time.reshape(-1, *[1] * (rest.ndim - 1)) <= 1e-12 * np.abs(curve)] = 0.0
    shift = np.divide(rest, speed, out=np.zeros_like(rest), where=(speed > 0) & np.isfinite(rest))
    return np.asarray(np.maximum(rest, speed * np.fmax.accumulate(shift, axis=0)))


def _after_drops(
    system: System,
    run: Trajectory,
    maps: list[Floats],
    smooth: tuple[Floats, Floats],
    fine_lr: float,
    fine_steps: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Limit and remainder for the hinge, which stops pulling between two steps: not smooth in lr after a drop.

    From the first drop of a class on, its limit is the finest map. That is off by its share of the first-order
    error and, at every time a point drops out, by at most one of its own steps; the longest step so far bounds
    that, twice over for what follows the drop.
    """
    coarse, fine = maps[0], maps[-1]
    longest = longest_step(system, losses.get(run.loss_name), fine_lr, fine_steps)
    first_order = np.maximum.accumulate(np.abs(coarse - fine), axis=0) * (2.0 / (2 ** (len(maps) - 1) - 1))
    limit, rest = (np.array(values) for values in smooth)
    for label in np.unique(run.labels):
        mask = run.labels == label
        # Margins of a class rise until they reach 1: below 1 now means below 1 before.
        ahead = [*maps, limit + label * rest]
        dropped = np.any([(label * curve[..., mask] >= 1.0).any(-1) for curve in ahead], axis=0)[..., None]
        limit[..., mask] = np.where(dropped, fine[..., mask], limit[..., mask])
        rest[..., mask] = np.where(dropped, (first_order + 2.0 * longest)[..., mask], rest[..., mask])
    return limit, rest


def response(system: System, run: Trajectory, lr: float, steps: NDArray[np.int64]) -> Floats:
    """How far a change of the rate by `RATE` moves each logit: the exact map with all weights larger by it."""
    loss = losses.get(run.loss_name)
    faster = replace(system, cells=system.cells * (1.0 + RATE))  # type: ignore[type-var]
    return np.asarray(np.abs(descend(faster, loss, lr, steps) - descend(system, loss, lr, steps)))


def descend(system: System, loss: Loss, lr: float, steps: NDArray[np.int64]) -> Floats:
    """Logits of the exact map after the given steps."""
    return descent.logits_at(system, descent.run(system, loss, lr), steps)


def longest_step(system: System, loss: Loss, lr: float, steps: NDArray[np.int64]) -> Floats:
    """The largest change of each logit in one step until the given steps."""
    rows = []
    before, most = system.logits(system.start()), np.zeros(())
    every = np.arange(int(steps[-1]) + 1)
    wanted = set(steps.tolist())
    for k, now in enumerate(descent.logits_along(system, descent.run(system, loss, lr), every)):
        most = np.maximum(most, np.abs(now - before))
        before = now
        if k in wanted:
            rows.append(most)
    return np.stack(rows)


def sound_until(system: System, run: Trajectory, lr: float, last: int) -> float:
    """Until when (in t = lr x step) the map is known to hold: with the squared loss a pull may be negative."""
    if run.loss_name != "squared":
        return np.inf
    loss = losses.get(run.loss_name)
    for k, state in enumerate(descent.run(system, loss, lr)):
        if not system.sound(state):
            return lr * (k - 0.5)
        if k == last:
            return np.inf
    raise AssertionError("unreachable: the states of a law do not end")


def largest_lr(run: Trajectory) -> float:
    """For a curve without lr that has left t = 0: two records are at least one step apart."""
    gaps = np.diff(run.time, prepend=0.0)
    return max(float(gaps[gaps > 0].min()), float(run.time[-1]) / _STEPS)


def unknown_step_size(system: System, run: Trajectory, level: int) -> Part:
    """What any step size up to `largest_lr` can do: a bound without sign."""
    largest = largest_lr(run)
    number = max(1, int(np.floor(run.time[-1] / largest * (1.0 + 1e-9))))
    lr = run.time[-1] / number
    shift, rest = step_size(system, run, lr, np.arange(number + 1), level)
    bound = np.abs(shift.size) + rest.size
    grid = lr * np.arange(number + 1)
    right = np.clip(np.searchsorted(grid, run.time), 1, number)
    at_times = np.maximum(bound[right - 1], bound[right])
    source = f"lr is not known; the smallest gap between records, {largest:.4g}, bounds it"
    return Part("step size", source, np.broadcast_to(at_times, run.logits.shape))


def sampling(
    system: System, run: Trajectory, lr: float, steps: NDArray[np.int64], batch_size: int
) -> tuple[Part, Part]:
    """The drift of the mean of SGD against full batch, and the noise around that mean."""
    loss = losses.get(run.loss_name)
    full = descend(system, loss, lr, steps)
    replicas = _REPLICAS[len(system.cells) > 2]
    states = descent.run(system, loss, lr, copies=replicas, batch_size=batch_size, rng=0)
    mean, deviation, worst = np.empty_like(full), np.empty_like(full), np.zeros(replicas)
    for k, logits in enumerate(descent.logits_along(system, states, steps)):
        mean[k], deviation[k] = logits.mean(axis=0), logits.std(axis=0)
        scaled = np.abs(logits - mean[k]) / np.maximum(deviation[k], 1e-300)
        worst = np.maximum(worst, scaled.reshape(replicas, -1).max(axis=1))
    far = float(worst.max())
    source = f"{replicas} replicas of the exact map with batches of {batch_size}"
    return (
        Part("drift of SGD", f"mean of {source}, minus full batch", mean - full, signed=True),
        Part("sampling noise", f"{far:.2f} standard deviations, the worst of {source}", far * deviation),
    )


def round_off(system: System, run: Trajectory, lr: float, steps: NDArray[np.int64], unit: float) -> Part:
    """Rounding errors of `unit` per step and number, grown as a perturbation of the map grows.

    Errors e_s made at step s arrive as sum_s J_s e_s; with \\|e_s\\| <= unit that is at most
    sqrt(k) unit sqrt(sum_s J_s^2), and random perturbations of size delta measure delta sqrt(sum_s J_s^2).
    """
    loss = losses.get(run.loss_name)
    plain = descend(system, loss, lr, steps)

    def shaken(jitter: float) -> tuple[Floats, NDArray[np.bool_]]:
        """By how much a perturbation has grown, and where it has left the linear regime."""
        states = descent.run(system, loss, lr, copies=_COPIES, jitter=jitter, rng=0)
        grown = np.abs(descent.logits_at(system, states, steps) - plain[:, None]).max(axis=1)
        left = ~(grown <= _SATURATED * np.abs(plain)) & (grown > 0)
        return grown / jitter, np.maximum.accumulate(left, axis=0)

    growth, lost = shaken(_JITTER)
    if lost.any():
        # The finest perturbation that rounding itself leaves visible stays linear for longer.
        finer, later = shaken(_FINEST)
        growth, lost = np.where(lost, finer, growth), lost & later
    lead = (len(steps), *[1] * (plain.ndim - 1))
    size = unit * (np.abs(plain) + np.sqrt(steps + 1.0).reshape(lead) * growth)
    return Part("round-off", "a perturbed copy of the exact map", np.where(lost, np.inf, size))


def plain_rounding(run: Trajectory, lr: float | None) -> Part:
    """Rounding errors of a rule whose map is not known: they add up, and how they grow cannot be told."""
    terms = 0 if run.start is None else run.start.hidden + run.start.dimension
    steps = np.rint(run.time / (lr or run.lr or 1.0)).reshape(-1, *[1] * (run.logits.ndim - 1))
    size = np.fmax.accumulate(np.abs(run.logits), axis=0)
    size = rounding_unit(run, terms) * (steps + 1.0) * np.where(np.isfinite(size), size, 0.0)
    return Part("round-off", "one rounding error a step, not grown: no exact map of this rule is known", size)


def rounding_unit(run: Trajectory, terms: int) -> float:
    """Relative error of one number of one step: sums over inputs and units (`terms`) and over the points."""
    epsilon = max(float(run.meta.get("epsilon", 0.0)), float(np.finfo(float).eps))
    return (terms + len(run.labels) + 10) * epsilon


def _given(loss: Loss, source: str, margin: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """The curve as it was given, and the way back to the margin."""
    if source == "loss":
        return loss.value(margin), loss.margin_of_value
    if source == "confidence":
        return loss.confidence(margin), loss.margin_at
    if loss.name in ("cross_entropy", "exponential"):
        return loss.error(margin), lambda error: -loss.margin_at(error)
    return loss.error(margin), lambda error: 1.0 - error


def two_sided(run: Trajectory, logits: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The run's logits where the curve leaves them open, and where that is so.

    A confidence of exactly 1, or a hinge loss of 0, says only that the margin is at least that of one rounding
    less; a squared loss has two margins. Of what the curve allows, the logit nearest to the theory's is taken.
    """
    source, loss, y = run.meta.get("source"), run.loss_function, run.labels
    if source in (None, "logits"):
        return np.array(run.logits), np.zeros(run.logits.shape, dtype=bool)
    margin, theory = run.margin, y * logits
    epsilon, decimal = float(run.meta["epsilon"]), float(run.meta.get("rounding", 0.0))
    with np.errstate(all="ignore"):
        low, high = _ends(loss, source, epsilon, decimal)
        above = (margin == np.inf) | ((margin == 1.0) & (loss.name == "hinge") & (source == "loss"))
        below = margin == -np.inf
        out = np.where(above, np.maximum(theory, low), np.where(below, np.minimum(theory, high), margin))
        if source == "loss" and loss.name == "squared":
            other = 2.0 - margin
            out = np.where(np.abs(other - theory) < np.abs(margin - theory), other, out)
    return y * out, above | below


def _ends(loss: Loss, source: str, epsilon: float, decimal: float) -> tuple[float, float]:
    """The least margin that rounds to the best value of the curve, and the largest that rounds to the worst."""
    off = max(epsilon, decimal)
    if source == "loss":
        best = 0.0 if decimal == 0.0 and loss.name != "hinge" else off
        least = loss.margin_of_value(np.array(max(best, 5e-324)))
        return float(least), -np.inf
    if source == "confidence":
        return float(loss.margin_at(np.array(1.0 - off))), float(loss.margin_at(np.array(max(decimal, 5e-324))))
    return float(-loss.margin_at(np.array(max(decimal, 5e-324)))), float(-loss.margin_at(np.array(1.0 - off)))


def source_rounding(run: Trajectory, open_: NDArray[np.bool_]) -> Part | None:
    """A curve given as confidence, error or loss determines the logit only up to its own rounding.

    Nothing is allowed where the curve leaves the logit open: `two_sided` has taken the nearest that it allows.
    """
    source = run.meta.get("source")
    if source is None:
        return None
    epsilon, decimal = float(run.meta["epsilon"]), float(run.meta.get("rounding", 0.0))
    loss, margin = run.loss_function, run.margin
    with np.errstate(all="ignore"):
        if source == "logits":
            size = np.maximum(epsilon * np.abs(margin), decimal)
        else:
            value, inverse = _given(loss, source, margin)
            off = np.maximum(epsilon * np.abs(value), decimal)
            # Both ends of the interval that rounds to the value, and the slope where that is below rounding.
            slope = np.abs(loss.slope_of_confidence(margin)) if source != "loss" else np.abs(loss.pull(margin))
            ends = [np.abs(inverse(value + sign * off) - margin) for sign in (-1.0, 1.0)]
            # The way back rounds too: to a few units of 1 + |m|, since 1 - sqrt(2 l) and the like do.
            back = 4.0 * np.finfo(float).eps * (1.0 + np.abs(margin))
            size = np.maximum(np.max(ends, axis=0), off / slope) + back
    # An infinite logit is a statement of the curve, not a rounding.
    size = np.where(open_ | np.isinf(margin), 0.0, np.where(np.isnan(size), np.inf, size))
    to = f"{decimal:.2g} absolute" if decimal else f"{epsilon:.2g} relative"
    return Part("rounding of the curve", f"given as {source}, to {to}", size)
