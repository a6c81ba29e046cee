"""The floor of the law "phases": what the step does where units die or are reborn (docs/theory.md, section 16).

They do so between two steps, so that from then on nothing is smooth in lr.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.losses import Loss
from dynsim.theory import descent
from dynsim.theory.descent import State
from dynsim.theory.units import Units

_SIGNS = np.array(LABELS, dtype=float)


def remainder(
    system: Units, loss: Loss, maps: list[Floats], rest: Floats, lr: float, steps: NDArray[np.int64]
) -> Floats:
    """What the extrapolation of the exact map to lr -> 0 leaves open, shape (T, ..., n).

    Parameters
    ----------
    system, loss
    maps : list of ndarray, shape (T, ..., n)
        Logits of the exact map at lr, lr/2, lr/4, ...
    rest : ndarray, shape (T, ..., n)
        What is left open where no gate changes.
    lr : float
    steps : ndarray of int, shape (T,)

    Notes
    -----
    The time of a death is of first order in lr: between that of the limit and that of the finest map the latter is
    on the wrong side of it, by no more than the last halving moved it. And a unit that is reborn overshoots
    (`_overshoot`), in every map by a part of its own step; the extrapolation adds these with weights of up to 8/3,
    2 and 1/3, together 8/2^level of what it is in the coarsest map.
    """
    level, last = len(maps) - 1, int(steps[-1])
    coarse = _switches(system, descent.run(system, loss, lr), last)
    fine = _switches(system, descent.run(system, loss, lr / 2**level), last * 2**level) / 2**level
    with np.errstate(invalid="ignore"):
        moved = np.where(np.isfinite(coarse + fine), np.abs(coarse - fine), 0.0)
    begin = np.minimum(coarse, fine) - 2.0 * moved - 1.0
    lead = (len(steps), *[1] * (maps[0].ndim - 1))
    after = steps.reshape(lead) >= begin.min(axis=(-2, -1))[..., None]
    wider = np.where(after, np.maximum(rest, 2.0 * np.abs(maps[-1] - maps[-2])), rest)
    wider = wider + 8.0 / 2**level * _overshoot(system, loss, lr, steps, begin)
    if loss.name != "hinge" or not system.opposite:
        return np.asarray(wider)
    return np.where(steps.reshape(lead) >= _races(system, loss, lr, level, coarse, last), np.inf, wider)


def _races(system: Units, loss: Loss, lr: float, level: int, crossed: Floats, last: int) -> Floats:
    """From which step on a class may have one unit more or less, shape (..., n); inf for never.

    The hinge lets go of a class at margin 1, and with it of a unit on its way to the other class. Where the unit
    crosses within two steps of that, and what the step size does to its time, either may come first.
    """
    coarse = _learnt(system, loss, lr, last)
    fine = _learnt(system, loss, lr / 2**level, last * 2**level) / 2**level
    with np.errstate(invalid="ignore"):
        window = 2.0 + 2.0 * np.where(np.isfinite(coarse + fine), np.abs(coarse - fine), 0.0)
    open_ = np.full(coarse.shape, np.inf)
    for k, state in enumerate(descent.run(system, loss, lr)):
        now = (coarse == k) | (np.isinf(coarse) & (fine < np.inf) & (k == last))
        dying = (state[0] > 0.0) & (_SIGNS * state[1][..., None] < 0.0)
        step = lr * system.cells * system.norms**2 * np.abs(state[1])[..., None]
        ahead = dying & (state[0] <= window[..., None, :] * step)
        behind = (system.P > 0.0) & (np.abs(k - crossed) <= window[..., None, :])
        near = ahead | behind
        race = now & near.any(axis=-2)
        # The unit is lost to one class, and the question is whether the other has it.
        open_ = np.where(race[..., ::-1], np.minimum(open_, k - window[..., ::-1]), open_)
        if k == last:
            break
    return open_[..., system.index]


def _learnt(system: Units, loss: Loss, lr: float, last: int) -> Floats:
    """The first step at which the pull of each class is 0, shape (..., 2); inf for not by step `last`."""
    found = np.full((*system.Z.shape[:-1], 2), np.inf)
    for k, state in enumerate(descent.run(system, loss, lr)):
        found = np.where(np.isinf(found) & (system.margins(state) >= 1.0), k, found)
        if k == last:
            break
    return found


def _switches(system: Units, states: Iterator[State], last: int) -> Floats:
    """After how many of the states, up to number `last`, each gate has first changed, (..., h, 2); or inf."""
    before = system.P > 0.0
    found = np.full(before.shape, np.inf)
    for k, (P, _) in enumerate(states):
        found[np.isinf(found) & ((P > 0.0) != before)] = k
        if k == last:
            break
    return found


def _overshoot(system: Units, loss: Loss, lr: float, steps: NDArray[np.int64], begin: Floats) -> Floats:
    """What the phase of the steps can do to the logits through units that are reborn.

    The step that takes a unit across y = 0 is one of the class it leaves, for a part of it in place of the other:
    its a in the new class is off by at most e |z|, e = lr max(kappa g), that is its s and d by a share e of |z|. Of
    a logit (|x|/4) (s^2 - d^2) that is at most 2 e (|x|/4) (s^2 + d^2), then and later.
    """
    share, off = np.zeros(system.P.shape), []
    born = (system.P <= 0.0) & (begin < np.inf)
    wanted = set(steps.tolist())
    for k, state in enumerate(descent.run(system, loss, lr)):
        # From just before the first map has it on: e is falling, as the class that is left learns.
        new = born & (share == 0.0) & (k >= begin)
        share[new] = 2.0 * lr * np.broadcast_to(system.speed(state, loss)[..., None, None], share.shape)[new]
        if k in wanted:
            off.append(np.sum(share * system.sizes(state), axis=-2)[..., system.index])
        if k == int(steps[-1]):
            return np.stack(off)
    raise AssertionError("unreachable: the states of a law do not end")
