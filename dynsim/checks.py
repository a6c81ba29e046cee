"""The checking of arguments: every error names the argument, its value and what would be right."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
T = TypeVar("T")


class AssumptionError(ValueError):
    """No law applies: the message lists which assumption failed, for which pairs or units."""


#: Longer values are not shown whole.
_SHOWN = 60


def array(name: str, value: ArrayLike, *, ndim: int | None = None, infinite: bool = False) -> Floats:
    """`value` as a new float64 array without NaN (nor, unless `infinite`, infinities)."""
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "biufO":
            raise TypeError("text, dates and complex numbers are not converted")
        out = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers, got {_short(value)}") from error
    if ndim is not None and out.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim != 1)}, got shape {out.shape}")
    bad = np.isnan(out) if infinite else ~np.isfinite(out)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        at = f" at {place if len(place) > 1 else place[0]}" if place else ""
        raise ValueError(f"{name} must be {'a number' if infinite else 'finite'}, got {out[place]}{at}")
    return out


def positive(name: str, value: ArrayLike, *, infinite: bool = False) -> Floats:
    """`value` as an array of numbers > 0."""
    return _bounded(name, value, lambda x: x > 0, "positive", infinite)


def nonnegative(name: str, value: ArrayLike, *, infinite: bool = False) -> Floats:
    """`value` as an array of numbers >= 0."""
    return _bounded(name, value, lambda x: x >= 0, "at least 0", infinite)


def _bounded(name: str, value: ArrayLike, good: Any, wanted: str, infinite: bool) -> Floats:
    kind = wanted if infinite else f"{wanted} and finite"
    try:
        out = array(name, value, infinite=infinite)
    except ValueError as error:
        raise ValueError(f"{name} must be {kind}, got {_culprit(value, infinite)}") from error
    if not np.all(good(out)):
        raise ValueError(f"{name} must be {kind}, got {_first(out, ~good(out))}")
    return out


def number(name: str, value: Any) -> float:
    """One number > 0 and finite."""
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    out = positive(name, value)
    if out.ndim:
        raise ValueError(f"{name} must be one number, got shape {out.shape}")
    return float(out)


def count(name: str, value: Any, *, least: int, most: int | None = None, limit: str = "") -> int:
    """An integer of at least `least` (and at most `most`, which `limit` explains)."""
    try:
        out = operator.index(value)
    except TypeError as error:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}") from error
    if isinstance(value, (bool, np.bool_)) or out < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    if most is not None and out > most:
        raise ValueError(f"{name} must be at most {most}{limit and ' (' + limit + ')'}, got {out}")
    return out


def choice(name: str, value: Any, table: Mapping[str, T]) -> T:
    """The entry of `table` that `value` names."""
    if isinstance(value, str) and value in table:
        return table[value]
    raise ValueError(f"{name} must be one of {listed(table)}, got {value!r}")


def instance(name: str, value: Any, kind: type[T]) -> T:
    """`value`, which must be of that kind."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
    return value


def generator(name: str, value: Any) -> np.random.Generator:
    """Anything `np.random.default_rng` takes (SPEC 7)."""
    try:
        return np.random.default_rng(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be what np.random.default_rng takes, got {_short(value)}") from error


def listed(names: Iterable[str]) -> str:
    """Names as a reader would list them: 'a', 'b', 'c'."""
    return ", ".join(repr(name) for name in names)


def times(name: str, value: ArrayLike, *, infinite: bool = False) -> Floats:
    """One-dimensional, non-negative, increasing times; the time unit is lr x step."""
    out = nonnegative(name, value, infinite=infinite)
    if out.ndim != 1 or out.size == 0:
        raise ValueError(f"{name} must be one-dimensional and not empty, got shape {out.shape}")
    back = np.flatnonzero(np.diff(out) <= 0)
    if back.size:
        i = int(back[0])
        raise ValueError(f"{name} must increase, got {out[i]:.10g} followed by {out[i + 1]:.10g} at {i + 1}")
    return out


def broadcast(**arguments: Floats) -> list[Floats]:
    """Named arrays in their common shape, or a ValueError that names them."""
    try:
        return list(np.broadcast_arrays(*arguments.values()))
    except ValueError as error:
        shapes = ", ".join(str(a.shape) for a in arguments.values())
        *most, last = arguments
        raise ValueError(f"{', '.join(most)} and {last} must broadcast to one shape, got {shapes}") from error


def frozen(values: NDArray[Any]) -> NDArray[Any]:
    """A read-only copy, its last axis contiguous."""
    out = np.array(values, order="C")
    out.setflags(write=False)
    return out


def _first(values: Floats, bad: NDArray[np.bool_]) -> str:
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{values[place]:.10g}" + (f" at {place if len(place) > 1 else place[0]}" if place else "")


def _culprit(value: Any, infinite: bool) -> str:
    """The value itself, or of one that is too long to show the entry that is no number (or not finite)."""
    if len(repr(value)) <= _SHOWN:
        return repr(value)
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return _short(value)
    bad = np.isnan(out) if infinite else ~np.isfinite(out)
    return _first(out, bad) if out.ndim and bad.any() else _short(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
