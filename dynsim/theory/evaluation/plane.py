"""The arguments of units in the plane of Fig. 2 left (v2), checked: y = w.x, z, \\|x\\| and p."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats

#: Sizes (y^2/|x| + |x| z^2)/2, in units of the logit, within which no square of a weight is lost.
_LEAST, _MOST = 1e-280, 1e12


def checked(y: ArrayLike, z: ArrayLike, norm: ArrayLike, frequency: ArrayLike) -> list[Floats]:
    """Single units, elementwise: all four in one shape."""
    return checks.broadcast(
        y=checks.array("y", y),
        z=checks.array("z", z),
        norm=checks.positive("norm", norm),
        frequency=checks.positive("frequency", frequency),
    )


def networks(y: ArrayLike, z: ArrayLike, norm: ArrayLike, frequency: ArrayLike) -> list[Floats]:
    """y and z (..., h), norm and frequency (...), checked."""
    y, z = checks.broadcast(y=np.atleast_1d(checks.array("y", y)), z=np.atleast_1d(checks.array("z", z)))
    if not y.shape[-1]:
        raise ValueError(f"y and z must have at least one unit along the last axis, got shape {y.shape}")
    lead = np.empty(y.shape[:-1])
    norm, p = checks.positive("norm", norm), checks.positive("frequency", frequency)
    lead, norm, p = checks.broadcast(networks=lead, norm=norm, frequency=p)
    y, z = (np.broadcast_to(a, (*lead.shape, a.shape[-1])) for a in (y, z))
    each = np.where(y > 0.0, sizes(y, z, norm[..., None]), 0.0)
    check_sizes(y, each, np.sum(each, axis=-1))
    return [y, z, norm, p]


def sizes(y: Floats, z: Floats, norm: Floats) -> Floats:
    """(y^2/\\|x\\| + \\|x\\| z^2)/2."""
    root = np.sqrt(norm)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(0.5 * np.hypot(y / root, root * z) ** 2)


def check_sizes(y: Floats, each: Floats, together: Floats) -> None:
    """Refuse active units whose squares underflow, or logits beyond the reach of `modes.logit`."""
    bad = (y > 0.0) & (each < _LEAST)
    wrong = each[bad] if bad.any() else together[together > _MOST]
    if wrong.size:
        raise ValueError(
            f"y and z must give active units of sizes (y^2/norm + norm z^2)/2 from {_LEAST:g} to {_MOST:g} "
            f"together, got {wrong[0]:.10g}"
        )
