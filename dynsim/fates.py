"""How it ends: for a unit that sees one class, and for one that sees both."""

from __future__ import annotations

import enum


class Fate(enum.IntEnum):
    """What becomes of a unit that one class drives; the plane (z, y) of Fig. 2 left (v2)."""

    #: y <= 0: no point of the class activates it, nothing moves it.
    FROZEN = 0
    #: y > 0 and y < -\\|x\\| z: y reaches 0 in finite time, and the unit is lost to the class.
    DIES = 1
    #: y = -\\|x\\| z: the logit creeps to 0 and never reaches it; any rounding decides otherwise.
    SEPARATRIX = 2
    #: y > -\\|x\\| z: the unit ends with y > 0 and z > 0, and the class is learnt.
    SOLVES = 3
    #: Only of a measurement: not decided by the last step.
    UNDECIDED = 4


class Winner(enum.IntEnum):
    """Which class keeps a unit that two orthogonal inputs activate (Thm 3.4 (v2))."""

    #: It is inactive on both in the end, and serves none.
    NEITHER = 0
    #: Class 1, label +1: beta dies.
    CLASS_1 = 1
    #: Class 2, label -1: alpha dies.
    CLASS_2 = 2
    #: It runs into the saddle; any rounding decides otherwise.
    SEPARATRIX = 3
    #: Only of a measurement: not decided by the last step.
    UNDECIDED = 4
