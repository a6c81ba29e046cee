"""Measured fates: networks are trained in rounds until the signs of their weights decide how it ends.

Each class holds one input, x_1 with label +1 and x_2 with label -1. A unit k is looked at through its
pre-activations w_k.x_1 and w_k.x_2 and its output weight Z_k, and nothing else: no theory is asked. What decides is
a set of signs that training never leaves, because every pull is at least 0 (docs/theory.md, sections 13 to 15).
Networks that are decided are trained no further, and the rest is the same as in one long run, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.fates import Fate, Winner
from dynsim.network import Network
from dynsim.trajectory import Outcome, Status

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: From M networks, and which of them cannot change any more, to a code each, or _OPEN.
Verdict = Callable[[Network, Mask], Codes]

_OPEN = -1
#: Steps of the first round; each is twice as long as the one before.
_FIRST = 50
#: With these losses every pull is at least 0; that of the squared loss is negative above margin 1.
_LOSSES = {name: name for name in ("cross_entropy", "hinge", "exponential")}
#: Inner products below so many |x_1| |x_2| are round-off of 0.
_ROUNDING = 8.0 * float(np.finfo(np.float64).eps)


class Failures(NamedTuple):
    """Which classes a network never learns.

    failed: (..., 2), for class +1 and class -1; False where the network is undecided. undecided: (...).
    """

    failed: Mask
    undecided: Mask


def fate(
    network: Network,
    data: Dataset,
    *,
    lr: ArrayLike,
    loss: str = "cross_entropy",
    most: int = 100_000,
    progress: bool = False,
) -> NDArray[np.object_]:
    """What becomes of one-unit networks that class +1 alone drives: the plane of Fig. 2 left (v2), measured.

    FROZEN: w.x_1 <= 0 at the start. DIES: w.x_1 <= 0 at some later step. SOLVES: w.x_1 > 0 and Z > 0 at some step,
    from which on both grow. UNDECIDED: neither after `most` steps.

    Parameters
    ----------
    network : Network
        One hidden unit, no bias; any ensemble. `dynsim.init.from_coordinates(y, z, x_1)` makes a grid of them.
    data : Dataset
        One input a class (any number of equal points), x_1.x_2 = 0. Class -1 only has to exist: no unit may be
        active on it, w.x_2 <= 0.
    lr : float, or array_like that broadcasts to the ensemble's shape
    loss : str
        "cross_entropy", "hinge" or "exponential".
    most : int
        Steps after which an undecided network is given up; at least 1.
    progress : bool
        Show a progress bar over decided networks on standard error.

    Returns
    -------
    ndarray of Fate, in the ensemble's shape (0-d for a single network)

    Raises
    ------
    ValueError
        For other networks or data, a unit active on x_2, x_1.x_2 != 0 (a unit that dies could be reborn for the
        other class), the squared loss (its pull changes sign), or if training diverges.
    KeyboardInterrupt
        As soon as the round is interrupted.

    Examples
    --------
    >>> from dynsim import data, init
    >>> two = data.point_classes((1.0, 1.0), (0.5, 0.5), angle=90)
    >>> start = init.from_coordinates([-0.1, 0.1, 0.1], [1.0, -0.2, -0.05], two.mean(1))
    >>> [one.name for one in fate(start, two, lr=0.1)]
    ['FROZEN', 'DIES', 'SOLVES']
    """
    points = _checked(network, data, alone=True)
    _check_orthogonal(points)
    first, second = _activity(network, points)
    if np.any(second > 0):
        raise ValueError(
            "network must be inactive on class -1, w.x_2 <= 0 (the fate is that of a unit which one class drives), "
            f"got w.x_2 = {second.max():.10g}"
        )

    def verdict(some: Network, final: Mask) -> Codes:
        y, z = _activity(some, points)[0][..., 0], some.Z[..., 0]
        return np.select([y <= 0, z > 0], [Fate.DIES, Fate.SOLVES], _OPEN)

    codes = _settled(network, data, verdict, lr, loss, most, progress)
    codes = np.where(first.reshape(-1) <= 0, Fate.FROZEN, codes)
    return _members(codes, Fate, network.ensemble)


def winner(
    network: Network,
    data: Dataset,
    *,
    lr: ArrayLike,
    loss: str = "cross_entropy",
    most: int = 100_000,
    progress: bool = False,
) -> NDArray[np.object_]:
    """Which class keeps the unit of one-unit networks, for two orthogonal inputs (Thm 3.4 (v2)), measured.

    CLASS_1: w.x_1 > 0 >= w.x_2 and Z > 0. CLASS_2: w.x_2 > 0 >= w.x_1 and Z < 0. NEITHER: w.x_1 <= 0 and
    w.x_2 <= 0. None of them is ever left. UNDECIDED: not yet one of them after `most` steps. A unit that has lost
    one class and has the wrong sign of Z for the other may still die: it is then NEITHER.

    Parameters
    ----------
    network, data, lr, loss, most, progress
        As in `fate`; the unit may be active on both inputs.

    Returns
    -------
    ndarray of Winner, in the ensemble's shape (0-d for a single network)

    Raises
    ------
    ValueError, KeyboardInterrupt
        As `fate` does.

    Examples
    --------
    >>> from dynsim import Network, data
    >>> two = data.point_classes((1.0, 1.0), (0.5, 0.5), angle=90)
    >>> start = Network(([[[0.1, 0.1]], [[0.2, 0.9]], [[-1.0, -1.0]]], [[0.1], [0.2], [0.5]]))
    >>> [one.name for one in winner(start, two, lr=0.1)]
    ['CLASS_1', 'CLASS_2', 'NEITHER']
    """
    points = _checked(network, data, alone=True)
    _check_orthogonal(points)

    def verdict(some: Network, final: Mask) -> Codes:
        (alpha, beta), z = _activity(some, points)[..., 0], some.Z[..., 0]
        neither = (alpha <= 0) & (beta <= 0)
        cases = [neither, (beta <= 0) & (z > 0), (alpha <= 0) & (z < 0)]
        return np.select(cases, [Winner.NEITHER, Winner.CLASS_1, Winner.CLASS_2], _OPEN)

    codes = _settled(network, data, verdict, lr, loss, most, progress)
    return _members(codes, Winner, network.ensemble)


def failures(
    network: Network,
    data: Dataset,
    *,
    lr: ArrayLike,
    loss: str = "cross_entropy",
    most: int = 100_000,
    progress: bool = False,
) -> Failures:
    """Which classes are never learnt, for networks of any width and two inputs at any angle (Section 3.3 (v2)).

    A class fails if in the end no unit is active on its input with the sign of Z that it needs.

    Angles of 90 degrees and more: a unit with w.x_1 > 0 >= w.x_2 and Z > 0 stays so for ever, and serves class +1;
    so does its mirror image for class -1; one with w.x_1 <= 0 and w.x_2 <= 0 never moves again. A class is served
    as soon as one unit serves it for ever, and has failed when every unit is in one of the other states, or, at 90
    degrees, inactive on its input: there w.x changes only while it is positive. Once one class is learnt its pull
    fades, and a unit that it alone drives may need very long for a choice that the other class waits for: such
    networks stay undecided. The larger the scale of the weights, the more of them there are.

    At any angle: once sum_i p_i l(m_i) < min(p_1, p_2) l(0), both margins are positive, and remain so as long as
    the loss does not rise: neither class fails.

    Angles below 90 degrees: no signs decide for ever, since units slide along the boundaries w.x = 0. A class
    counts as failed if after `most` steps no unit is active on it with the sign it needs, and the other class
    either has a margin of at least 1 or fails too. That is a finding, no proof.

    Parameters
    ----------
    network : Network
        One hidden layer, no bias; any number of units; any ensemble.
    data, lr, loss, most, progress
        As in `fate`; inputs at any angle. Above 90 degrees a step may carry a dying unit past the directions in
        which no input activates it, and so to the other class: the share of such units is proportional to lr.

    Returns
    -------
    Failures

    Raises
    ------
    ValueError
        For other networks or data, the squared loss, or if training diverges.
    KeyboardInterrupt
        As soon as the round is interrupted.

    Examples
    --------
    >>> from dynsim import data, init
    >>> two = data.point_classes((1.0, 1.0), (0.5, 0.5))
    >>> found = failures(init.gaussian(two, 3, scale=0.1, size=1_000, rng=0), two, lr=0.5)
    >>> found.failed.shape, int(found.failed.any(axis=-1).sum()), bool(found.undecided.any())
    ((1000, 2), 224, False)
    """
    points = _checked(network, data, alone=False)
    cosine = _cosine(points)
    acute, right = cosine > _ROUNDING, abs(cosine) <= _ROUNDING
    value = losses.get(checks.choice("loss", loss, _LOSSES)).value
    p = np.array([data.frequency(1), data.frequency(-1)])
    bound = float(p.min() * value(np.zeros(())))

    def verdict(some: Network, final: Mask) -> Codes:
        active, Z = _activity(some, points) > 0, some.Z
        serves = np.stack([active[0] & (Z > 0), active[1] & (Z < 0)])
        settled = ~active.any(axis=0)
        if not acute:
            settled |= serves.any(axis=0) & ~active.all(axis=0)
        margin = some.logits(points) * [1.0, -1.0]
        small = np.asarray(value(margin) @ p < bound)
        failed = np.asarray(~serves.any(axis=-1))
        learnt = np.asarray((serves & settled).any(axis=-1))
        lost = np.asarray(((settled & ~serves) | (right & ~active)).all(axis=-1))
        over = (learnt | lost).all(axis=0) | (final & (failed | (margin.T >= 1.0)).all(axis=0))
        return np.select([small, over], [np.zeros_like(over, int), failed[0] + 2 * failed[1]], _OPEN)

    codes = _settled(network, data, verdict, lr, loss, most, progress, give_up=acute).reshape(network.ensemble)
    undecided = codes == _OPEN
    failed = (codes[..., None] & [1, 2] > 0) & ~undecided[..., None]
    return Failures(checks.frozen(failed), checks.frozen(undecided))


# ---- the rounds ------------------------------------------------------------------------------------------


def _settled(
    network: Network,
    data: Dataset,
    verdict: Verdict,
    lr: ArrayLike,
    loss: str,
    most: int,
    progress: bool,
    give_up: bool = False,
) -> Codes:
    """The code of every network, shape (M,), _OPEN for what `most` steps do not decide."""
    from tqdm import tqdm

    checks.choice("loss", loss, _LOSSES)
    most = checks.count("most", most, least=1)
    eta = checks.positive("lr", lr)
    rates = None if eta.ndim == 0 else _spread(eta, network.ensemble)
    some, members = network.flat(), np.arange(network.members)
    final = np.zeros(network.members, dtype=bool)
    codes, done, length = np.full(network.members, _OPEN, dtype=np.int64), 0, _FIRST
    with tqdm(total=network.members, disable=not progress, unit="network") as bar:
        while True:
            codes[members] = verdict(some, final | (give_up and done == most))
            left = codes[members] == _OPEN
            bar.update(len(members) - int(left.sum()))
            if done == most or not left.any():
                return codes
            some, members, steps = some[left], members[left], min(length, most - done)
            some, final = _round(some, data, eta if rates is None else rates[members], loss, steps)
            done, length = done + steps, 2 * length


def _round(network: Network, data: Dataset, lr: Floats, loss: str, steps: int) -> tuple[Network, Mask]:
    """The networks after some steps, and which of them can change no more."""
    run = train(network, data, loss=loss, lr=lr, steps=steps, record=[steps])
    if run.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    if run.network is None:
        raise ValueError(f"lr must be so small that training does not diverge: {run.message}")
    outcome = np.asarray(run.outcome)
    return run.network, np.isin(outcome, [Outcome.LEARNT, Outcome.DEAD])


def _spread(lr: Floats, ensemble: tuple[int, ...]) -> Floats:
    try:
        return np.broadcast_to(lr, ensemble).reshape(-1)
    except ValueError as error:
        form = f"a number or an array that broadcasts to the ensemble's shape {ensemble}"
        raise ValueError(f"lr must be {form}, got shape {lr.shape}") from error


def _members(codes: Codes, kind: type[Fate] | type[Winner], ensemble: tuple[int, ...]) -> NDArray[np.object_]:
    """Codes as members of an enumeration, in the ensemble's shape."""
    named = np.where(codes == _OPEN, kind.UNDECIDED, codes)
    table, out = np.empty(len(kind), dtype=object), np.empty(ensemble, dtype=object)
    table[:] = list(kind)
    out[...] = table[named].reshape(ensemble)
    out.setflags(write=False)
    return out


# ---- what is asked of networks and inputs ----------------------------------------------------------------


def _checked(network: Network, data: Dataset, alone: bool) -> Floats:
    """x_1 and x_2, shape (2, d), of networks with one hidden layer (`alone`: of one unit) that read them."""
    checks.instance("network", network, Network)
    checks.instance("data", data, Dataset)
    if network.depth != 2 or network.biases is not None or network.classes is not None:
        raise ValueError(f"network must have one hidden layer, no biases and one logit, got {network}")
    if alone and network.hidden != 1:
        raise ValueError(f"network must have one hidden unit, got {network.hidden}")
    data.needs_two_classes("the fate of a unit")
    for label in data.labels:
        own = data.X[data.mask(label)]
        if np.any(own != own[0]):
            raise ValueError(f"data must hold one input a class, got several different points of class {label:+d}")
    points = np.stack([data.mean(1), data.mean(-1)])
    if not np.all(np.linalg.norm(points, axis=1) > 0):
        raise ValueError("data must hold no input that is 0: nothing is ever active on it")
    return points


def _check_orthogonal(points: Floats) -> None:
    if abs(cosine := _cosine(points)) > _ROUNDING:
        raise ValueError(
            "data must have x_1.x_2 = 0 (else a unit that one class has lost can become active on it again), "
            f"got a cosine of {cosine:.10g}"
        )


def _cosine(points: Floats) -> float:
    first, second = points / np.linalg.norm(points, axis=1)[:, None]
    return float(first @ second)


def _activity(network: Network, points: Floats) -> Floats:
    """w_k.x_1 and w_k.x_2, shape (2, ..., h)."""
    return np.moveaxis(network.preactivations(points), -1, 0)
