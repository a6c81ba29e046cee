"""The arguments of a mode, checked: what means nothing is refused, with the argument's name and its value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats

_LOWEST, _LARGEST = -1e12, 1e300

Mask = NDArray[np.bool_]


class Mode(NamedTuple):
    """The arguments, checked, then broadcast; `value` is the time or the logit, `classes` 0 where binary."""

    value: Floats
    initial: Floats
    rate: Floats
    imbalance: Floats
    depth: Floats
    norm: Floats
    classes: Floats

    def where(self, mask: Mask) -> Mode:
        return Mode(*(a[mask] for a in self))


def checked(
    name: str,
    value: Floats,
    initial: ArrayLike,
    rate: ArrayLike,
    imbalance: ArrayLike,
    depth: ArrayLike,
    norm: ArrayLike,
    loss: str,
    classes: ArrayLike | None,
) -> Mode:
    """All arguments as arrays, each in its own shape; `name` is what `value`, already checked, is called.

    Raises
    ------
    ValueError
        For NaN, numbers out of range, shapes that do not broadcast, a start at or below a fixed point, and
        arguments that do not fit each other.
    """
    losses.get(loss)
    arrays = Mode(
        value,
        _limited("initial", checks.array("initial", initial), f"between {_LOWEST:g} and {_LARGEST:g}"),
        checks.positive("rate", rate),
        _limited("imbalance", checks.nonnegative("imbalance", imbalance), f"at most {_LARGEST:g}"),
        _true_numbers("depth", depth),
        checks.positive("norm", norm),
        np.zeros(()) if classes is None else _true_numbers("classes", classes),
    )
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError as error:
        names = ", ".join((name, *Mode._fields[1:-1])) + " and classes"
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ValueError(f"{names} must broadcast to one shape, got {shapes}") from error
    # The times, which may be very many, have been checked.
    few = broadcast(arrays._replace(value=np.zeros(())))
    _check_depths(few)
    _check_classes(few, loss, softmax=classes is not None)
    fixed = (few.imbalance == 0.0) & (few.initial <= 0.0) & (few.depth > 1.0)
    if fixed.any():
        raise ValueError(
            "initial must be positive where imbalance is 0: a logit of 0 is a fixed point, "
            f"got {few.initial[fixed][0]:.10g}"
        )
    return arrays


def _true_numbers(name: str, values: ArrayLike) -> Floats:
    """Finite numbers; True is not taken for one layer, nor for one class."""
    if isinstance(values, (bool, np.bool_)):
        raise ValueError(f"{name} must be numbers, got {values!r}")
    return checks.array(name, values)


def broadcast(arrays: Mode) -> Mode:
    """The same, in one shape."""
    return Mode(*np.broadcast_arrays(*arrays))


def _limited(name: str, values: Floats, limits: str) -> Floats:
    # Beyond these, sums of two arguments overflow, or a logit near 0 has no digit left of those of its start.
    outside = (values < _LOWEST) | (values > _LARGEST)
    if outside.any():
        raise ValueError(f"{name} must be {limits}, got {values[outside][0]:.10g}")
    return values


def _check_depths(mode: Mode) -> None:
    shallow = mode.depth < 1.0
    if shallow.any():
        got = f"{mode.depth[shallow][0]:.10g}"
        raise ValueError(f"depth must be at least 1 (the number of weight layers, 2 with one hidden), got {got}")
    apart = (mode.imbalance > 0.0) & (mode.depth != 2.0)
    if apart.any():
        got = f"{mode.imbalance[apart][0]:.10g} with depth {mode.depth[apart][0]:.10g}"
        raise ValueError(f"imbalance must be 0 where depth is not 2 (the layers are balanced), got {got}")


def _check_classes(mode: Mode, loss: str, *, softmax: bool) -> None:
    if not softmax:
        return
    wrong = (mode.classes < 2.0) | (mode.classes != np.floor(mode.classes))
    if wrong.any():
        got = f"{mode.classes[wrong][0]:.10g}"
        raise ValueError(f"classes must be whole numbers of at least 2, or None for one output, got {got}")
    if loss != "cross_entropy":
        raise ValueError(f"loss must be 'cross_entropy' where classes are given (softmax), got {loss!r}")
    deeper = mode.depth != 2.0
    if deeper.any():
        raise ValueError(f"depth must be 2 where classes are given (softmax), got {mode.depth[deeper][0]:.10g}")


def check_reachable(mode: Mode, *, falls: bool) -> None:
    """Refuse a logit that lies on the wrong side of its start; `falls`: a start above 1 comes down to it."""
    down = falls & (mode.initial > 1.0)
    outside = np.where(down, (mode.value < 1.0) | (mode.value > mode.initial), mode.value < mode.initial)
    if outside.any():
        value, initial = (f"{a[outside][0]:.10g}" for a in (mode.value, mode.initial))
        if down[outside][0]:
            raise ValueError(f"logit must lie between 1 and initial, got {value} with initial {initial}")
        raise ValueError(f"logit must be at least initial, got {value} with initial {initial}")
