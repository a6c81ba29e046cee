"""The arguments of `dynsim.theory.starvation`, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from dynsim import checks
from dynsim.checks import Floats
from dynsim.theory.starving_levels import Lone

#: Units of larger alpha/a, beta/b or z are not followed: rounding would decide.
LARGEST = 1e3
#: Products of larger numbers, and of smaller ones where they must be positive, would leave the floats.
_HUGE, _LEAST = 1e60, 1e-140
#: Squares of larger ratios, times logits and weights, would too.
_RATIO = 1e60


def networks(
    alpha: ArrayLike, beta: ArrayLike, z: ArrayLike, frequency: ArrayLike, norms: Any
) -> tuple[Floats, tuple[int, ...], list[Floats]]:
    """Starts (n, 3, h), the shape of the leading axes, and lambda, a and b of every network, each (n,)."""
    given = dict(alpha=checks.array("alpha", alpha), beta=checks.array("beta", beta), z=checks.array("z", z))
    units = checks.broadcast(**{name: np.atleast_1d(values) for name, values in given.items()})
    h = units[0].shape[-1]
    if not h:
        raise ValueError(f"alpha, beta and z must have at least one unit on the last axis, got {units[0].shape}")
    lead, *numbers = checks.broadcast(
        **{"the leading axes of alpha, beta, z": np.empty(units[0].shape[:-1])}, **setting(frequency, norms)
    )
    shape = lead.shape
    start = np.stack([np.broadcast_to(values, (*shape, h)).reshape(-1, h) for values in units], axis=1)
    share, a, b = (np.ravel(values) for values in numbers)
    relative = start / np.stack([a, b, np.ones_like(a)], axis=1)[:, :, None]
    if np.any(np.abs(relative) > LARGEST):
        raise ValueError(
            f"alpha/norms[0], beta/norms[1] and z must be at most {LARGEST:g}, got {np.max(np.abs(relative)):.10g}"
        )
    return start, shape, [share, a, b]


def lone(
    level: Floats, alpha: ArrayLike, beta: ArrayLike, z: ArrayLike, frequency: ArrayLike, norms: Any
) -> tuple[Lone, tuple[int, ...]]:
    """Lone units with alpha and z positive, flat, and the shape they had."""
    alpha, beta, z, share, a, b, level = checks.broadcast(
        alpha=moderate("alpha", checks.positive("alpha", alpha), _LEAST),
        beta=moderate("beta", checks.array("beta", beta)),
        z=moderate("z", checks.positive("z", z), _LEAST),
        **setting(frequency, norms),
        confidence=level,
    )
    passed = alpha * z > level
    if passed.any():
        raise ValueError(
            f"confidence must be at least that of the start, got {expit(level[passed][0]):.10g} "
            f"and a start with {expit((alpha * z)[passed][0]):.10g}"
        )
    flat = (np.ravel(values) for values in (alpha, beta, z, share, a, b, level))
    return Lone(*flat), alpha.shape


def setting(frequency: ArrayLike, norms: Any) -> dict[str, Floats]:
    several = isinstance(norms, (tuple, list)) or (isinstance(norms, np.ndarray) and norms.ndim > 0)
    if not several or len(norms) != 2:
        raise ValueError(f"norms must be a pair, |x1| and |x2|, got {norms!r}")
    a, b = (moderate("norms", checks.positive("norms", value), _LEAST) for value in norms)
    first, second = checks.broadcast(**{"norms[0]": a, "norms[1]": b})
    ratio = second / first
    wrong = (ratio < 1.0 / _RATIO) | (ratio > _RATIO)
    if wrong.any():
        found = f"{first[wrong].flat[0]:g} and {second[wrong].flat[0]:g}"
        raise ValueError(f"norms must be at most a factor {_RATIO:g} apart, got {found}")
    return {"frequency": between("frequency", frequency, 0.0), "norms[0]": a, "norms[1]": b}


def between(name: str, value: ArrayLike, low: float) -> Floats:
    """Numbers from `low` to 1."""
    out = checks.array(name, value)
    bad = (out < low) | (out > 1.0)
    if bad.any():
        raise ValueError(f"{name} must be between {low:g} and 1, got {out[bad].flat[0]:.10g}")
    return out


def inside(name: str, value: ArrayLike) -> Floats:
    """Confidences above 1/2 and below 1."""
    out = checks.array(name, value)
    bad = (out <= 0.5) | (out >= 1.0)
    if bad.any():
        raise ValueError(f"{name} must be above 0.5 and below 1, got {out[bad].flat[0]:.10g}")
    return out


def moderate(name: str, values: Floats, least: float = 0.0) -> Floats:
    size = np.abs(values)
    wrong = values[(size > _HUGE) | (size < least)]
    if wrong.size:
        lower = f"at least {least:g} and " if least else ""
        raise ValueError(f"{name} must be {lower}at most {_HUGE:g} in size, got {wrong.flat[0]:.10g}")
    return values
