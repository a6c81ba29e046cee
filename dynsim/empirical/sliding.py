"""Which gates open, close, or slide: Filippov's choice at the kinks on which a network sits.

On a kink the gate gamma may be any number from 0 to 1. What it has to be follows from what the pre-activation a
does next: gamma = 1 where a grows, 0 where it falls, and in between where it stays 0. Across the kink the field
jumps by e n, n = d a/d theta, e being what arrives at the gate from behind; so da/dt grows with gamma where e > 0
(the kink repels, weights cross it) and falls where e < 0 (it attracts: where both sides point at it, the weights
slide). See docs/flow.md.
"""

from __future__ import annotations

import itertools

import numpy as np

from dynsim.checks import Floats
from dynsim.empirical import normals, surfaces
from dynsim.empirical.held import HeldGates, Kinks
from dynsim.empirical.surfaces import OFF, ON, SLIDES, Flags, Sides, Surfaces

#: A surface with gates 1 on either side may also be at rest with all of them 0, as relu'(0) = 0 has it.
_RESTS = 3
#: A gate may be this far outside [0, 1] before it leaves: it leaves on the far side, where all rates have a sign.
_BEYOND = 1e-11
#: Up to this many surfaces at once every choice is tried where pivoting finds none: 3^6 = 729.
_TRIED = 6
#: How often kinks that hang may change while the others do not.
_ROUNDS = 4


class UnsettledError(Exception):
    """No choice of the gates is consistent."""


def boundary(field: HeldGates, state: Floats) -> Kinks:
    """The kinks on which a state sits, to four times what rounding explains: an event is found late by one."""
    field.forward(state)
    return np.flatnonzero(np.abs(field.a) <= 4.0 * field.slack())


def onto(field: HeldGates, state: Floats, kinks: Kinks) -> Floats:
    """The nearest state whose pre-activations are 0 at these kinks, for a state that is close: two Newton steps."""
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
    Pivoting: every surface that contradicts its side goes to the side it asks for, all at once; when a choice comes
    back, only the first of them does (Murty's rule, which ends for the P-matrices of attracting kinks with
    independent normals). Where that does not end, up to six surfaces are tried in all ways.
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


def ambiguous(field: HeldGates, state: Floats, kinks: Kinks, sides: Sides, arrived: Kinks) -> bool:
    """Whether the choice that `settle` made at an event is one of several (docs/flow.md, section 4).

    `sides` is that choice, `arrived` the kinks that the state came to; the gates are settled, and again on return.
    """
    _, counts = np.unique(surfaces.unit_numbers(field, kinks), return_counts=True)
    if field.depth <= 2 and counts.max(initial=0) < field.points:
        return False
    hangs = surfaces.hanging(field, state, kinks)
    surfaces.hold(field, np.where(sides == SLIDES, ON, sides).astype(np.int8), surfaces.alone(kinks))
    field.forward(state)
    apart = surfaces.coincident(field, kinks)
    _wanted(field, state, kinks, sides)
    split = len(np.unique(apart.of[np.isin(kinks, field.members.kinks)])) > len(field.sliding)
    new = np.isin(kinks, arrived)
    return split or _collapsed(field, apart, new & ~hangs) or _torn(field, kinks, hangs, new)


def _collapsed(field: HeldGates, found: Surfaces, arrived: Flags) -> bool:
    """Whether the weights of a unit came to 0 while a point repels it: it may stay, or leave in several ways."""
    owner = surfaces.unit_numbers(field, found.kinks)
    for unit in np.unique(owner[arrived & (field.layer_of[found.kinks] < field.depth - 1)]):
        own = owner == unit
        whole = np.sum(own) == field.points and len(np.unique(found.of[own])) > 1
        if whole and np.any(field.raw[found.kinks[own]] > 0.0):
            return True
    return False


def _torn(field: HeldGates, kinks: Kinks, hangs: Flags, arrived: Flags) -> bool:
    """Whether a kink hangs on two units on their own kinks, one of which would open it and the other close it."""
    layer, unit, point = field.layer_of[kinks], field.unit_of[kinks], field.point_of[kinks]
    for k in np.flatnonzero(hangs):
        below = (layer == layer[k] - 1) & (point == point[k])
        if np.any(below & arrived) and not field.diagonal[layer[k]]:
            signs = np.sign(field.W[layer[k]][unit[k], unit[below]])
            if signs.min() < 0.0 < signs.max():
                return True
    return False


def _tried(field: HeldGates, state: Floats, kinks: Kinks) -> Sides:
    """The first of all choices that is consistent; kinks that hang follow those below."""
    hangs = surfaces.hanging(field, state, kinks)
    found = surfaces.coincident(field, kinks)
    free = np.unique(found.of[~hangs])
    choice = np.zeros(len(found.both), dtype=np.int8)
    for every in itertools.product((OFF, ON, SLIDES), repeat=len(free) if len(free) <= _TRIED else 0):
        choice[free] = every
        sides = _of_kinks(found, choice)
        for _ in range(_ROUNDS):
            wanted, _of = _wanted(field, state, kinks, sides)
            if np.array_equal(wanted, sides):
                return sides
            if np.any(wanted[~hangs] != sides[~hangs]):
                break
            sides = wanted
    raise UnsettledError(f"no choice of the gates at {len(kinks)} simultaneous kinks is consistent")


# ---- one round of asking -----------------------------------------------------------------------------------


def _wanted(field: HeldGates, state: Floats, kinks: Kinks, sides: Sides) -> tuple[Sides, Kinks]:
    """The sides asked for while some are held, the same where these are consistent; the surface of every kink."""
    if not len(kinks):
        field.hold(field.gates, kinks)
        return sides, kinks
    hangs = surfaces.hanging(field, state, kinks)
    # Which kinks coincide depends on the gates below them.
    surfaces.hold(field, sides, surfaces.alone(kinks))
    field.forward(state)
    found = surfaces.coincident(field, kinks)
    choice = _of_surfaces(found, np.where(hangs & (sides == SLIDES), OFF, sides).astype(np.int8))
    surfaces.hold(field, _of_kinks(found, choice), found)
    rates, still = field.rates(field.respond(state))[kinks], field.still(kinks)
    lead = np.unique(found.of, return_index=True)[1]
    attracts = np.bincount(found.of, field.raw[kinks] * found.ratio) < 0.0
    asked = _of_kinks(found, _asked(field, choice, found.both, rates[lead], still[lead], attracts))
    if hangs.any():
        asked[hangs] = _followed(field, kinks, asked, np.where(np.abs(rates) > still, rates, 0.0))[hangs]
    return asked, found.of


def _asked(field: HeldGates, choice: Sides, both: Flags, rate: Floats, still: Floats, attracts: Flags) -> Sides:
    """What every surface asks for, from the rate of its first kink, or its gamma where it slides."""
    out = np.array(choice)
    out[((choice == OFF) | (choice == _RESTS)) & (rate > still)] = ON
    out[((choice == ON) | ((choice == _RESTS) & both)) & (rate < -still)] = OFF
    out[(out != choice) & attracts] = SLIDES
    slides = np.flatnonzero(choice == SLIDES)
    gamma, e = field.fractions()
    out[slides[gamma > 1.0 + _BEYOND]] = ON
    out[slides[(gamma < -_BEYOND) | ~(e < 0.0)]] = OFF
    return out


def _followed(field: HeldGates, kinks: Kinks, asked: Sides, rates: Floats) -> Sides:
    """The sides of kinks that hang: where they go, or where the sliding units below would lift them."""
    slides = kinks[asked == SLIDES]
    lifted = field.lifted(slides, normals.lengths(field, slides))[kinks]
    to = np.where(rates == 0.0, lifted, rates)
    return np.where(to == 0.0, asked, np.where(to > 0.0, ON, OFF)).astype(np.int8)


def _of_surfaces(found: Surfaces, sides: Sides) -> Sides:
    """The side of every surface: that of its first kink, unless the gates of both sides are all 0."""
    out = sides[np.unique(found.of, return_index=True)[1]]
    rests = found.both & (np.bincount(found.of, sides != OFF) == 0)
    return np.where(rests, _RESTS, out).astype(np.int8)


def _of_kinks(found: Surfaces, choice: Sides) -> Sides:
    """The side of every kink from that of its surface."""
    own = choice[found.of]
    turned = np.where(found.along < 0, np.where(own == ON, OFF, ON), own)
    return np.where(own == _RESTS, OFF, np.where(own == SLIDES, SLIDES, turned)).astype(np.int8)
