"""Which gates open, close, or slide: Filippov's choice at the kinks on which a network sits.

On a kink the gate gamma may be any number from 0 to 1. What it has to be follows from what the pre-activation a
does next: gamma = 1 where a grows, 0 where it falls, and in between where it stays 0. In a direction n = d a /
d theta the field jumps by e n across the kink, e being what arrives at the gate from behind; so da/dt grows with
gamma where e > 0 (the kink repels, weights cross it) and falls where e < 0 (it attracts: both sides point at it, and
the weights slide). See docs/flow.md.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical import normals
from dynsim.empirical.held import Followers, HeldGates, Kinks

#: The states of a kink: gate 0, gate 1, in between; and, where gates are 1 on both sides of it, all of them 0.
OFF, ON, SLIDES, RESTS = 0, 1, 2, 3
Sides = NDArray[np.int8]
Flags = NDArray[np.bool_]

#: A gate may be this far outside [0, 1] before it leaves: it leaves on the far side, where all rates have a sign.
_BEYOND = 1e-11
#: Up to this many kinks at once every choice is tried where pivoting finds none: 3^7 = 2187.
_TRIED = 7


#: Normals with 1 - |cosine| below this are parallel.
_PARALLEL = 1e-13


class UnsettledError(Exception):
    """No choice of the gates is consistent."""


def boundary(field: HeldGates, state: Floats) -> Kinks:
    """The kinks on which a state sits, to rounding."""
    field.forward(state)
    return np.flatnonzero(np.abs(field.a) <= field.slack())


def onto(field: HeldGates, state: Floats, kinks: Kinks) -> Floats:
    """The nearest state whose pre-activations are 0 at these kinks: Newton's method, twice."""
    out = np.array(state)
    for _ in range(2 * bool(len(kinks))):
        field.forward(out)
        # A kink of an upper layer is no function of the weights alone: its normal moves with them.
        rows = normals.of(field, kinks)
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        far = np.flatnonzero(length > 0.0)
        unit = rows[far] / length[far, None]
        out -= np.linalg.lstsq(unit, field.a[kinks][far] / length[far], rcond=1e-12)[0]
    return out


class Groups(NamedTuple):
    """Kinks of one unit whose normals are parallel, and which are therefore one surface with one gamma.

    kinks: all kinks, increasing. of: of which group each is. along, ratio: its normal beside that of the first in its
    group. both: whether a group has active sides on both sides.
    """

    kinks: Kinks
    of: NDArray[np.intp]
    along: Floats
    ratio: Floats
    both: Flags


def grouped(field: HeldGates, kinks: Kinks, hangs: Flags) -> Groups:
    """Which kinks coincide with the gates as they are held, at the last state; those that hang are left alone."""
    rows = normals.of(field, kinks)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    unit = rows / np.where(length > 0.0, length, 1.0)[:, None]
    inner = unit @ unit.T
    place = field.layer_of[kinks] * (1 + field.unit_of.max(initial=0)) + field.unit_of[kinks]
    same = (np.abs(inner) > 1.0 - _PARALLEL) & (place[:, None] == place) & ~hangs & ~hangs[:, None]
    lead, of = np.unique(np.argmax(same | np.eye(len(kinks), dtype=bool), axis=1), return_inverse=True)
    first = lead[of]
    along = np.where(inner[np.arange(len(kinks)), first] < 0.0, -1.0, 1.0)
    ratio = length / np.where(length[first] > 0.0, length[first], 1.0)
    both = np.bincount(of, along < 0, len(lead)) > 0
    return Groups(kinks, of, along, ratio, both)


def settle(field: HeldGates, state: Floats, kinks: Kinks, sides: Sides) -> Sides:
    """Hold the gates that are consistent with what they make the pre-activations do.

    Parameters
    ----------
    field : HeldGates
        All other gates are as they are held; on return those of `kinks` are held too.
    state : ndarray, shape (size,)
        On all the kinks.
    kinks : ndarray of int
        The kinks the state sits on, increasing, sliding ones among them.
    sides : ndarray of int
        OFF, ON or SLIDES for each, what is tried first. Where several choices are consistent (a kink that repels),
        it decides: for a unit that arrives, the side it is going to.

    Returns
    -------
    ndarray of int
        The sides chosen; `field` holds them.

    Raises
    ------
    UnsettledError
        If no consistent choice was found.

    Notes
    -----
    Pivoting: every group of kinks that contradicts its side goes to the side it asks for, all at once; when a choice
    comes back, only the first of them does (Murty's rule, which ends for the P-matrices of attracting kinks with
    independent normals). Where that does not end, up to seven groups are tried in all ways.
    """
    choice, seen, one = np.array(sides, dtype=np.int8), set(), False
    for _ in range(20 + 20 * len(kinks)):
        wanted, of = _wanted(field, state, kinks, choice)
        wrong = np.flatnonzero(wanted != choice)
        if not wrong.size:
            return choice
        one = one or choice.tobytes() in seen
        seen.add(choice.tobytes())
        wrong = wrong[of[wrong] == of[wrong[0]]] if one else wrong
        choice[wrong] = wanted[wrong]
    return _tried(field, state, kinks)


def _wanted(field: HeldGates, state: Floats, kinks: Kinks, sides: Sides) -> tuple[Sides, Kinks]:
    """The sides asked for while some are held, the same where they are consistent; and the group of every kink."""
    if not len(kinks):
        field.hold(field.gates, kinks)
        return sides, kinks
    hangs = _hanging(field, state, kinks)
    # Which kinks coincide depends on the gates below them.
    _hold(field, kinks, sides, alone(kinks))
    field.forward(state)
    groups = grouped(field, kinks, hangs)
    choice = _first(groups, np.where(hangs & (sides == SLIDES), OFF, sides).astype(np.int8))
    _hold(field, kinks, _members(groups, choice), groups)
    speed = field.respond(state)
    rates, still = field.rates(speed)[kinks], field.still(kinks)
    lead = np.unique(groups.of, return_index=True)[1]
    attracts = np.bincount(groups.of, field.raw[kinks] * groups.ratio) < 0.0
    asked = _members(groups, _asked(field, choice, groups.both, rates[lead], still[lead], attracts))
    if hangs.any():
        slides = kinks[asked == SLIDES]
        virtual = field.lifted(slides, normals.lengths(field, slides))[kinks]
        lifted = np.where(np.abs(rates) > still, rates, virtual)
        asked[hangs] = np.where(lifted == 0.0, asked, np.where(lifted > 0.0, ON, OFF))[hangs]
    return asked, groups.of


def _hanging(field: HeldGates, state: Floats, kinks: Kinks) -> Flags:
    """Kinks of upper layers that are on 0 only because all units that reach them are: they have no normal of their
    own, cannot slide by themselves, and open or close with those below."""
    if not np.any(field.layer_of[kinks] > 0) or field.depth == 2:
        return np.zeros(len(kinks), dtype=bool)
    _hold(field, kinks, np.full(len(kinks), OFF, dtype=np.int8), alone(kinks))
    field.forward(state)
    length = normals.lengths(field, kinks)
    return np.asarray(length <= _PARALLEL * length.max())


def _asked(
    field: HeldGates, choice: Sides, both: Flags, rate: Floats, still: Floats, attracts: Flags
) -> Sides:
    """What every group asks for, from the rate of its first kink, or its gamma where it slides."""
    out = np.array(choice)
    out[((choice == OFF) | (choice == RESTS)) & (rate > still)] = ON
    out[((choice == ON) | ((choice == RESTS) & both)) & (rate < -still)] = OFF
    out[(out != choice) & attracts] = SLIDES
    slides = np.flatnonzero(choice == SLIDES)
    gamma, e = field.fractions()
    out[slides[gamma > 1.0 + _BEYOND]] = ON
    out[slides[(gamma < -_BEYOND) | ~(e < 0.0)]] = OFF
    return out


def alone(kinks: Kinks) -> Groups:
    """Every kink a group of its own."""
    one = np.ones(len(kinks))
    return Groups(kinks, np.arange(len(kinks)), one, one, one < 0.0)


def _first(groups: Groups, sides: Sides) -> Sides:
    """The side of every group: that of its first kink, unless another slides or, with both sides active, all are off."""
    count = len(groups.both)
    out = np.zeros(count, dtype=np.int8)
    out[groups.of[::-1]] = sides[::-1]
    slides = np.bincount(groups.of, sides == SLIDES, count) > 0
    rests = groups.both & (np.bincount(groups.of, sides != OFF, count) == 0)
    return np.where(slides, SLIDES, np.where(rests, RESTS, out)).astype(np.int8)


def _members(groups: Groups, choice: Sides) -> Sides:
    """The side of every kink from that of its group."""
    own = choice[groups.of]
    turned = np.where(groups.along < 0, np.where(own == ON, OFF, ON), own)
    return np.where(own == RESTS, OFF, np.where(own == SLIDES, SLIDES, turned)).astype(np.int8)


def _hold(field: HeldGates, kinks: Kinks, sides: Sides, groups: Groups) -> None:
    """Hold the gates of some kinks, and all others as they are; none of the others slides."""
    gates = np.array(field.gates)
    gates[kinks] = sides == ON
    slides = np.flatnonzero(sides == SLIDES)
    _, first, place = np.unique(groups.of[slides], return_index=True, return_inverse=True)
    members = Followers(kinks[slides], place, groups.along[slides], groups.ratio[slides])
    field.hold(gates, kinks[slides[first]], members)


def _tried(field: HeldGates, state: Floats, kinks: Kinks) -> Sides:
    """Every choice for the kinks whose normal is not 0 whatever the gates below, the first consistent one."""
    if len(kinks) <= _TRIED:
        for sides in itertools.product((OFF, ON, SLIDES), repeat=len(kinks)):
            choice = np.array(sides, dtype=np.int8)
            if np.array_equal(_wanted(field, state, kinks, choice)[0], choice):
                return choice
    raise UnsettledError(f"no choice of the gates at {len(kinks)} simultaneous kinks is consistent")
