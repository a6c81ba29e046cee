"""Units that one input drives, in their common clock: when each dies, and what is left between two deaths.

Notation as in docs/theory.md, section 3: s = y/\\|x\\| + z and d = y/\\|x\\| - z of an active unit (y = w.x > 0)
go like e^tau and e^-tau, with d tau = kappa g(u) dt, so that y is 0 at tau = (1/2) log(d/\\|s\\|) if s < 0, and
never else. Arrays are (n, h): n networks of h units; the norm and the frequency are (n, 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.losses import Loss
from dynsim.theory import modes
from dynsim.theory.evaluation.creep import creep, decay


class Units(NamedTuple):
    """s and d, 0 for units that are not active; y and z as given; and the clock at which y is 0, or inf."""

    y: Floats
    z: Floats
    s: Floats
    d: Floats
    death: Floats


class Pieces(NamedTuple):
    """Stretches between deaths, (n, m + 1) for at most m deaths: clock, logit and sums S, D where each begins.

    S and D are sums over the units alive in the piece of their s^2 and d^2 at clock 0. Networks with fewer deaths
    have last pieces that begin at inf, with zeros.
    """

    clock: Floats
    u: Floats
    S: Floats
    D: Floats


def reach(y: Floats, z: Floats, norm: Floats) -> tuple[Floats, Floats]:
    """y + \\|x\\| z and y - \\|x\\| z, that is \\|x\\| s and \\|x\\| d.

    The sum of two floats has the sign of what it is rounded from: that of \\|x\\| s is what a comparison of y with
    the rounded product -\\|x\\| z says, and it is 0 where the two are equal.
    """
    with np.errstate(over="ignore", under="ignore"):
        product = norm * z
        return y + product, y - product


def clock_of_death(y: Floats, across: Floats) -> Floats:
    """(1/2) log(d/\\|s\\|) for y > 0 and across = \\|x\\| s < 0, from \\|x\\| d = \\|across\\| + 2 y."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(0.5 * np.log1p(2.0 * (y / np.abs(across))))


def units(y: Floats, z: Floats, norm: Floats) -> Units:
    """The coordinates of units, each of shape (n, h)."""
    plus, minus = reach(y, z, norm)
    active, dies = y > 0.0, (y > 0.0) & (plus < 0.0)
    death = np.full_like(plus, np.inf)
    death[dies] = clock_of_death(y[dies], plus[dies])
    return Units(y, z, np.where(active, plus / norm, 0.0), np.where(active, minus / norm, 0.0), death)


def pieces(group: Units, norm: Floats) -> Pieces:
    """The pieces of n networks (u is continuous where a unit dies, as y = 0 there)."""
    most = int(np.max(np.sum(np.isfinite(group.death), axis=-1), initial=0))
    starts = np.zeros((len(group.y), most + 1))
    starts[:, 1:] = np.sort(group.death, axis=-1)[:, :most]
    u, S, D = np.zeros_like(starts), np.zeros_like(starts), np.zeros_like(starts)
    for j in range(most + 1):
        begin = starts[:, j, None]
        # No unit is alive at inf: those pieces are empty.
        alive = (group.y > 0.0) & (group.death > begin)
        s, d = np.where(alive, group.s, 0.0), np.where(alive, group.d, 0.0)
        S[:, j], D[:, j] = np.sum(s * s, axis=-1), np.sum(d * d, axis=-1)
        grown = np.exp(np.where(np.isfinite(begin), begin, 0.0))
        y, z = at(s, d, grown, norm)
        u[:, j] = np.sum(y * z, axis=-1)
    alive = group.y > 0.0
    u[:, 0] = np.sum(np.where(alive, group.y * group.z, 0.0), axis=-1)
    return Pieces(starts, np.maximum.accumulate(u, axis=-1), S, D)


def at(s: Floats, d: Floats, grown: Floats, norm: Floats) -> tuple[Floats, Floats]:
    """y and z at the clock whose e^tau is `grown`."""
    # On the separatrix s is 0 for ever, also where e^tau overflows; units that are dead by then are not looked at.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        plus, minus = np.where(s == 0.0, 0.0, s * grown), d / grown
    return norm * (0.5 * (plus + minus)), 0.5 * (plus - minus)


def states(group: Units, grown: Floats, alive: NDArray[np.bool_], norm: Floats) -> tuple[Floats, Floats]:
    """y and z of all units, (..., n, h): those not `alive` are as they died, or as they were if never active."""
    y, z = at(group.s, group.d, grown, norm)
    died = np.isfinite(group.death)
    # y = 0 where s e^tau = -d e^-tau = -sqrt(d |s|)
    last = -np.sqrt(np.abs(group.d)) * np.sqrt(np.abs(group.s))
    y = np.where(alive, np.maximum(y, 0.0), np.where(died, 0.0, group.y))
    return y, np.where(alive, z, np.where(died, last, group.z))


def growth(u: Floats, S: Floats, D: Floats, norm: Floats) -> Floats:
    """e^tau, 1 where S is 0, from u: S e^{2 tau} = (2/\\|x\\|) (R + u), D e^{-2 tau} = (2/\\|x\\|) (R - u)."""
    # R + u cancels for u < 0, R - u for u > 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.hypot(u, 0.5 * norm * np.sqrt(S) * np.sqrt(D))
        up = np.sqrt((2.0 / norm) * (radius + u) / S)
        down = np.sqrt((2.0 / norm) * (radius - u) / D)
        out = np.where(u >= 0.0, up, 1.0 / down)
    return np.where(S > 0.0, out, 1.0)


# -- the time ------------------------------------------------------------------------------------------------


def laws(
    time: Floats,
    initial: Floats,
    rate: Floats,
    imbalance: Floats,
    going: NDArray[np.bool_],
    creeping: NDArray[np.bool_],
    loss: str,
) -> Floats:
    """The logit at a time: (4.2) where `going`, the law of S = 0 where `creeping`, 0 elsewhere."""
    out = np.zeros(time.shape)
    t, u0, kappa, C = (a[going] for a in (time, initial, rate, imbalance))
    if t.size:
        out[going] = modes.logit(t, initial=u0, rate=kappa, imbalance=C, loss=loss)
    # 0 - v is 0 and not -0 in the limit.
    out[creeping] = 0.0 - creep(time[creeping], -initial[creeping], rate[creeping], loss)
    return out


def beginnings(parts: Pieces, norm: Floats, frequency: Floats, law: Loss) -> Floats:
    """When each piece begins, (n, m + 1), inf where it does not."""
    out = np.full_like(parts.clock, np.inf)
    out[:, 0] = 0.0
    rate, C = (norm * frequency)[:, 0], _imbalance(parts, norm)
    for j in range(out.shape[1] - 1):
        here, there = parts.clock[:, j], parts.clock[:, j + 1]
        # Where nothing pulls the clock stands still.
        on = np.isfinite(out[:, j]) & np.isfinite(there) & (law.pull(parts.u[:, j]) > 0.0)
        # Units that die together leave a piece without length, or even without units.
        out[on, j + 1] = out[on, j]
        on &= there > here
        last = modes.time_to(
            parts.u[on, j + 1], initial=parts.u[on, j], rate=rate[on], imbalance=C[on, j], loss=law.name
        )
        out[on, j + 1] += last
    return out


def _imbalance(parts: Pieces, norm: Floats) -> Floats:
    return np.asarray(0.5 * norm * np.sqrt(parts.S) * np.sqrt(parts.D))


def deaths(group: Units, begin: Floats) -> Floats:
    """When each unit dies, (n, h): the beginnings of the pieces, given back to the units."""
    order = np.argsort(group.death, axis=-1)
    later = np.full(group.death.shape, np.inf)
    count = begin.shape[1] - 1
    later[:, :count] = begin[:, 1:]
    out = np.empty_like(later)
    np.put_along_axis(out, order, later, axis=-1)
    return out


def along(
    times: Floats, parts: Pieces, begin: Floats, norm: Floats, frequency: Floats, loss: str
) -> tuple[Floats, Floats]:
    """The logit and e^tau at every time, (T, n)."""
    piece = np.sum(begin <= times[:, None, None], axis=-1) - 1
    here = (np.arange(len(begin)), piece)
    S, D, u0 = parts.S[here], parts.D[here], parts.u[here]
    C, rate = _imbalance(parts, norm)[here], np.broadcast_to((norm * frequency)[:, 0], u0.shape)
    elapsed, creeping = times[:, None] - begin[here], (S == 0.0) & (D > 0.0)
    u = laws(elapsed, u0, rate, C, S > 0.0, creeping, loss)
    ends = np.pad(np.where(begin < np.inf, parts.u, np.inf), ((0, 0), (0, 1)), constant_values=np.inf)
    u = np.minimum(u, ends[here[0], piece + 1])
    start = parts.clock[here]
    grown = np.maximum(growth(u, S, D, norm[:, 0]), np.exp(start))
    # u is D e^{-2 tau}, which underflows before e^-tau.
    x = decay(elapsed[creeping], -u0[creeping], rate[creeping], loss)
    with np.errstate(over="ignore"):
        grown[creeping] = np.exp(start[creeping] + 0.5 * x)
    return u, grown
