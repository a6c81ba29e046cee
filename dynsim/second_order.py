"""The floor of the second-order flow: what gradient descent still does that it does not, of order lr^2.

The flow of L + (lr/4) |grad L|^2 is integrated here from the exact map of gradient descent alone, which is what the
floor of every law rests on: the formula that is judged is not used, so that an error in it cannot hide.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dynsim import losses
from dynsim.checks import Floats
from dynsim.floors import Part, as_time_shift, descend, longest_step
from dynsim.losses import Loss
from dynsim.theory.descent import State, System
from dynsim.trajectory import Trajectory

#: Steps of gradient descent that one step of the integration covers at most.
_COVERED = 4
#: What two integrations may differ by, relative to the logit.
_TOO_MUCH = 0.01
#: Distance of the central difference along the flow, in units of lr.
_NEAR = 0.01


def step_size(system: System, run: Trajectory, lr: float, steps: NDArray[np.int64]) -> tuple[Part, Part]:
    """What the step size does beyond the second-order flow, with its sign, and what the integration leaves open.

    The hinge stops pulling between two steps, which no flow follows: from the first drop of a class on, all of the
    difference and twice the longest step are allowed for.
    """
    loss = losses.get(run.loss_name)
    descent = descend(system, loss, lr, steps)
    coarse, fine = (_integrated(system, loss, lr, steps, divided) for divided in (1, 2))
    # Runge-Kutta's error falls sixteenfold: the difference is nearly that of the coarse one.
    rest = np.abs(coarse - fine)
    # Where that is more than little, the integration follows nothing: steps are too long for this law.
    rest[np.maximum.accumulate(rest > _TOO_MUCH * np.abs(fine), axis=0)] = np.inf
    source = "the exact map, and the second-order flow integrated from the exact map"
    left = "the same with steps twice as long"
    if loss.name == "hinge":
        longest = longest_step(system, loss, lr, steps)
        left += "; where points dropped out, all of it and two steps"
        for label in np.unique(run.labels):
            mask = run.labels == label
            ahead = [label * curve[..., mask] >= 1.0 for curve in (descent, coarse, fine)]
            dropped = np.any([a.any(-1) for a in ahead], axis=0)[..., None]
            open_ = np.abs(descent - fine)[..., mask] + 2.0 * longest[..., mask]
            rest[..., mask] = np.where(dropped, open_, rest[..., mask])
    time = np.asarray(lr * steps, dtype=np.float64)
    return (
        Part("step size", source, descent - fine, signed=True),
        Part("step size, remainder", left, as_time_shift(rest, fine, time)),
    )


def _integrated(system: System, loss: Loss, lr: float, steps: NDArray[np.int64], divided: int) -> Floats:
    """Logits of the second-order flow at lr x steps, by the classical Runge-Kutta method.

    Its steps are as long as they may be, and those, and the distance of the differences along the flow, are divided
    by so much. Records closer together than a step are interpolated with the slopes at its ends, to the same order.
    """
    field = partial(_direction, system, loss, lr, _NEAR * lr / divided)
    longest = _COVERED // divided
    state, rows, now, place = system.start(), [], 0, 0
    while place < len(steps):
        last = max(place, int(np.searchsorted(steps, now + longest, side="right")) - 1)
        gap = int(steps[last]) - now
        parts = -(-gap // longest) if gap >= longest else divided * (gap > 0)
        before = state
        for _ in range(parts):
            state = _runge_kutta(field, state, lr * gap / parts)
        if last > place:
            slopes = field(before), field(state)
            for k in steps[place:last].tolist():
                rows.append(system.logits(_between(before, state, *slopes, (k - now) / gap, lr * gap)))
        rows.append(system.logits(state))
        now, place = now + gap, last + 1
    return np.stack(rows)


def _between(before: State, after: State, slope: State, then: State, share: float, length: float) -> State:
    """The cubic with these ends and slopes, at a share of the way."""
    rest = 1.0 - share
    a, b = rest**2 * (1.0 + 2.0 * share), share**2 * (1.0 + 2.0 * rest)
    c, d = length * share * rest**2, -length * share**2 * rest
    parts = zip(before, after, slope, then, strict=True)
    return tuple(a * p + b * q + c * f + d * g for p, q, f, g in parts)


def _runge_kutta(field: Callable[[State], State], state: State, length: float) -> State:
    one = field(state)
    two = field(_moved(state, one, 0.5 * length))
    three = field(_moved(state, two, 0.5 * length))
    four = field(_moved(state, three, length))
    parts = zip(state, one, two, three, four, strict=True)
    return tuple(s + length / 6.0 * (a + 2.0 * b + 2.0 * c + d) for s, a, b, c, d in parts)


def _direction(system: System, loss: Loss, lr: float, near: float, state: State) -> State:
    """f + lr f2 - (lr/2) f'f, the second-order field of steps s + lr f + lr^2 f2; f'f: change of f along itself."""
    here, bent = _expansion(system, loss, lr, state)
    ahead, _ = _expansion(system, loss, lr, _moved(state, here, near))
    behind, _ = _expansion(system, loss, lr, _moved(state, here, -near))
    parts = zip(here, bent, ahead, behind, strict=True)
    return tuple(f + lr * f2 - 0.5 * lr * (a - b) / (2.0 * near) for f, f2, a, b in parts)


def _expansion(system: System, loss: Loss, lr: float, state: State) -> tuple[State, State]:
    """f and f2 of a step s + lr f + lr^2 f2, which is all of it in the numbers of every state."""
    whole = system.step(state, lr, system.cells, loss)
    half = system.step(state, 0.5 * lr, system.cells, loss)
    parts = list(zip(state, whole, half, strict=True))
    first = tuple((4.0 * (h - s) - (w - s)) / lr for s, w, h in parts)
    return first, tuple((2.0 * (w - s) - 4.0 * (h - s)) / lr**2 for s, w, h in parts)


def _moved(state: State, direction: State, by: float) -> State:
    return tuple(s + by * d for s, d in zip(state, direction, strict=True))
