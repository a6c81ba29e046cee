"""Lone units at the moment at which the margin on x1 reaches a level, under cross-entropy.

The equations are those of `dynsim.theory.starvation`; arrays have one dimension, an entry a unit. Along a path with
z > 0 the margin m = z alpha rises, and by the invariant beta and m say what alpha and z are: with m in the place of
the time one equation is left, and all units go from their starts to their levels together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

from dynsim.checks import Floats
from dynsim.theory import modes

#: Tolerances of a step: relative, and for beta beside its least and largest possible sizes.
_RTOL, _ATOL = 1e-13, 1e-15
#: Halvings of a logarithm of numbers between the least and the largest float, down to rounding.
_HALVINGS = 64


class Lone(NamedTuple):
    """Checked starts of one shape (n,), alpha and z positive; m at the end is L."""

    alpha: Floats
    beta: Floats
    z: Floats
    frequency: Floats
    first: Floats
    second: Floats
    level: Floats

    def where(self, part: NDArray[np.bool_]) -> Lone:
        return Lone(*(values[part] for values in self))


class Found(NamedTuple):
    """alpha, beta and z at the moment, and t = lr x step."""

    alpha: Floats
    beta: Floats
    z: Floats
    time: Floats


def at_level(units: Lone) -> Found:
    """The moment at which z alpha = L >= z alpha at the start, for every unit.

    A unit with alpha + beta <= 0 has x1 to itself until alpha = -beta: a class of one input, in closed form. Units
    with frequency 1 must have alpha + beta > 0.
    """
    out = Found(*(np.array(values) for values in (units.alpha, units.beta, units.z, np.zeros(len(units.z)))))
    waiting = units.alpha + units.beta <= 0.0
    some = units.where(waiting)
    opening = -some.beta * np.sqrt(some.z**2 + across(-some.beta, some.alpha) / some.first**2)
    alone = _alone(some, np.minimum(opening, some.level))
    for mine, theirs in zip(out, alone, strict=True):
        mine[waiting] = theirs
    going = units._replace(alpha=out.alpha, beta=out.beta, z=out.z)
    both = np.ones(len(out.z), dtype=bool)
    both[waiting] = opening < some.level
    later = _both(going.where(both))
    out.time[both] += later.time
    for mine, theirs in zip(out[:3], later[:3], strict=True):
        mine[both] = theirs
    return out


def across(new: Floats, old: Floats) -> Floats:
    """new^2 - old^2."""
    return np.asarray((new - old) * (new + old))


def unit_at(margin: Floats, excess: Floats, norm: Floats) -> tuple[Floats, Floats]:
    """alpha and z of z alpha = margin and alpha^2/norm^2 - z^2 = excess."""
    small = 2.0 * margin / norm
    far = np.abs(excess) + np.hypot(excess, small)
    large, little = np.sqrt(0.5 * far), small / np.sqrt(2.0 * far)
    up = excess > 0.0
    return norm * np.where(up, large, little), np.where(up, little, large)


def meeting(units: Lone, slope: Floats) -> Floats:
    """z beta where the largest beta and the invariant meet on z alpha = L, by halving log alpha; for beta0 >= 0."""
    rest = np.maximum(units.beta, 0.0)
    excess = (units.alpha / units.first - units.z) * (units.alpha / units.first + units.z)
    low, high = units.alpha, unit_at(units.level, excess, units.first)[0]
    low, high = np.log(low), np.maximum(np.log(high), np.log(low))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        alpha = np.exp(middle)
        beta = rest + slope * (alpha - units.alpha)
        allowed = excess - across(beta, rest) / units.second**2
        short = unit_at(units.level, allowed, units.first)[0] > alpha
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    alpha = np.maximum(np.exp(low), units.alpha)
    return np.asarray(units.level / alpha * (rest + slope * (alpha - units.alpha)))


def _alone(units: Lone, level: Floats) -> Found:
    """Up to a level before x1+x2 is seen: one input x1 of frequency 1 - lambda."""
    excess = (units.alpha / units.first - units.z) * (units.alpha / units.first + units.z)
    alpha, z = unit_at(level, excess, units.first)
    time = modes.time_to(
        level,
        initial=units.alpha * units.z,
        rate=(1.0 - units.frequency) * units.first,
        imbalance=0.5 * units.first * np.abs(excess),
    )
    return Found(alpha, units.beta, z, time)


def _both(units: Lone) -> Found:
    """From the start to the level, with log m from its first to its last value as s goes from 0 to 1."""
    n = len(units.z)
    if not n:
        return Found(units.alpha, units.beta, units.z, np.zeros(0))
    begin = np.log(units.z) + np.log(units.alpha)
    length = np.log(units.level) - begin
    rare = logit(units.frequency)
    # Without x1 as an input of its own nothing bounds the pull from below: the time is that of one input x1+x2.
    certain = units.frequency == 1.0
    excess = (units.alpha / units.first - units.z) * (units.alpha / units.first + units.z)

    def state(margin: Floats, beta: Floats) -> tuple[Floats, Floats]:
        return unit_at(margin, excess + across(units.beta, beta) / units.second**2, units.first)

    def field(s: float, y: Floats) -> Floats:
        """(17.9): d beta/ds and dt/ds, per unit of the length."""
        beta, margin = y[:n], np.exp(begin + s * length)
        alpha, z = state(margin, beta)
        m2 = margin + z * beta
        # log(lambda g2) - log((1 - lambda) g1)
        share = expit(rare + np.logaddexp(0.0, margin) - np.logaddexp(0.0, m2))
        per_force = units.first**2 * z**2 + alpha * (alpha + share * beta)
        force = (1.0 - units.frequency) * expit(-margin) + units.frequency * expit(-m2)
        speed = length * margin / per_force
        return np.concatenate([speed * units.second**2 * z * share, np.where(certain, 0.0, speed / force)])

    floor = np.abs(units.beta) + units.alpha + units.first * units.z
    atol = np.concatenate([_ATOL * floor * np.minimum(1.0, units.second / units.first) ** 2, np.full(n, 1e-12)])
    start = np.concatenate([units.beta, np.zeros(n)])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = solve_ivp(field, (0.0, 1.0), start, "DOP853", [1.0], rtol=_RTOL, atol=atol)
    if not found.success:
        raise FloatingPointError(f"the level could not be reached: {found.message}")
    beta, time = found.y[:n, -1], found.y[n:, -1]
    alpha, z = state(units.level, beta)
    time[certain] = _joint_time(units.where(certain), (z * (alpha + beta))[certain])
    return Found(alpha, beta, z, time)


def _joint_time(units: Lone, level: Floats) -> Floats:
    """When the margin of a class of one input x1+x2 is at a level; inf where the time is no float."""
    norm, w = np.hypot(units.first, units.second), units.alpha + units.beta
    imbalance = 0.5 * norm * np.abs((w / norm - units.z) * (w / norm + units.z))
    return modes.time_to(np.maximum(level, units.z * w), initial=units.z * w, rate=norm, imbalance=imbalance)
