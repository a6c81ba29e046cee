"""Kinks that are one surface in the space of parameters, and the holding of their gates.

Repeated points have the same pre-activation, antipodal ones the opposite: their gates turn together and are one
variable, not two. The same happens in upper layers, where points reach a unit by the same inputs or by its bias
alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.empirical import normals
from dynsim.empirical.held import Followers, HeldGates, Kinks

#: The sides of a kink: gate 0, gate 1, in between.
OFF, ON, SLIDES = 0, 1, 2
Sides = NDArray[np.int8]
Flags = NDArray[np.bool_]

#: Normals with 1 - |cosine| below this are parallel; one this much shorter than the longest is 0.
_PARALLEL = 1e-13


class Surfaces(NamedTuple):
    """Kinks of a unit with parallel normals: a surface, on the two sides of which their gates are 0 or 1.

    kinks: all kinks, increasing. of: the surface of each. along, ratio: its normal beside that of the first kink of
    its surface, sign and length. both: whether a surface has kinks with gate 1 on either side.
    """

    kinks: Kinks
    of: NDArray[np.intp]
    along: Floats
    ratio: Floats
    both: Flags


def alone(kinks: Kinks) -> Surfaces:
    """Every kink a surface of its own."""
    one = np.ones(len(kinks))
    return Surfaces(kinks, np.arange(len(kinks)), one, one, one < 0.0)


def coincident(field: HeldGates, kinks: Kinks) -> Surfaces:
    """Which kinks coincide with the gates as they are held, at the last state."""
    rows = normals.of(field, kinks)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    unit = rows / np.where(length > 0.0, length, 1.0)[:, None]
    inner = unit @ unit.T
    owner = unit_numbers(field, kinks)
    same = (np.abs(inner) > 1.0 - _PARALLEL) & (owner[:, None] == owner)
    lead, of = np.unique(np.argmax(same | np.eye(len(kinks), dtype=bool), axis=1), return_inverse=True)
    first = lead[of]
    along = np.where(inner[np.arange(len(kinks)), first] < 0.0, -1.0, 1.0)
    ratio = np.where(length[first] > 0.0, length / np.where(length[first] > 0.0, length[first], 1.0), 1.0)
    return Surfaces(kinks, of, along, ratio, np.bincount(of, along < 0, len(lead)) > 0)


def unit_numbers(field: HeldGates, kinks: Kinks) -> NDArray[np.intp]:
    """One number for every unit of every layer; all hinges are of one unit."""
    return np.asarray(field.layer_of[kinks] * (1 + int(field.unit_of.max(initial=0))) + field.unit_of[kinks])


def hanging(field: HeldGates, state: Floats, kinks: Kinks) -> Flags:
    """Kinks of upper layers that are on 0 only because all units that reach them are on 0 or below.

    They have no normal of their own and cannot slide by themselves: they open or close with those below. On return
    all kinks are held at gate 0.
    """
    if field.depth == 2 or not np.any(field.layer_of[kinks] > 0):
        return np.zeros(len(kinks), dtype=bool)
    hold(field, np.zeros(len(kinks), dtype=np.int8), alone(kinks))
    field.forward(state)
    length = normals.lengths(field, kinks)
    return np.asarray(length <= _PARALLEL * length.max())


def hold(field: HeldGates, sides: Sides, surfaces: Surfaces) -> None:
    """Hold the gates of the kinks of some surfaces, and all others as they are; none of the others slides."""
    kinks = surfaces.kinks
    gates = np.array(field.gates)
    gates[kinks] = sides == ON
    slides = np.flatnonzero(sides == SLIDES)
    _, first, place = np.unique(surfaces.of[slides], return_index=True, return_inverse=True)
    members = Followers(kinks[slides], place, surfaces.along[slides], surfaces.ratio[slides])
    field.hold(gates, kinks[slides[first]], members)
