"""The exact law of SGD with batches of one point, for one input a class (docs/theory.md, section 12).

Only the class whose point is drawn steps, with e = lr \\|x\\| sum(q) g(u): what it does is fixed, how often it is
drawn is not. After n steps its margin is u_K: u_0, u_1, ... is the path of the exact map, K is binomial with n and
f = p / sum(q). Margins here are y f(x), for C classes the log-odds; the classes stand on the last axis.

The numbers of draws of all classes add up to n. Each class by itself has the law above; any two are dependent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.losses import Loss
from dynsim.theory import maps, rounding
from dynsim.theory.chains import Chains
from dynsim.theory.descent import State
from dynsim.theory.one_input import Modes

#: How often it is asked whether anything still moves, in draws.
_LOOK = 256


class Bands(NamedTuple):
    """What the law says after the steps (T,); the other shapes are (T, ..., c).

    median, mean, lower, upper: margins. below, above: the exact probabilities of a margin less than `lower` and
    greater than `upper`.
    """

    steps: NDArray[np.int64]
    median: Floats
    mean: Floats
    lower: Floats
    upper: Floats
    below: Floats
    above: Floats

    @property
    def content(self) -> Floats:
        """The exact probability of [lower, upper], both ends included: at least the level, as K is discrete."""
        return np.asarray(1.0 - (self.below + self.above))


class Values(NamedTuple):
    """The margins that one class can have, in increasing order, and their probabilities, each (k,).

    first, order: value i belongs to first + order[i] draws.
    """

    margin: Floats
    probability: Floats
    first: int
    order: NDArray[np.int64]


class Passage(NamedTuple):
    """When a margin is first reached, in t = lr x step, each (..., c). inf: never, NaN: not known."""

    median: Floats
    mean: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class SGDLaw:
    """The law of SGD with batches of one point, drawn with replacement; made by `SGDLaw.of`.

    Attributes
    ----------
    system : Modes or Chains
    loss : Loss
    lr : float
    steps : int
        The last step it can be asked for.
    path : ndarray, shape (steps + 1, ..., c)
        The margin of every class after 0, 1, ..., `steps` draws of its point.
    second : ndarray like path
        For `Modes` R of `maps`; for `Chains` the largest relative change of a weight of the class in the next step.
        How rounding errors travel follows from it.
    """

    system: Modes | Chains
    loss: Loss
    lr: float
    steps: int
    path: Floats
    second: Floats

    @classmethod
    def of(cls, system: Modes | Chains, loss: Loss, lr: float, steps: int) -> SGDLaw:
        """The law for up to so many steps.

        One step of the map is taken for each, and 16 bytes a class and member are kept: 320 MB for 10^7 steps and
        two classes.

        Raises
        ------
        ValueError
            If lr is not positive, or steps no whole number of at least 0.

        Examples
        --------
        >>> from dynsim import Dataset, init, losses
        >>> data = Dataset([[1.0], [-2.0]], [1, -1], weights=[0.7, 0.3])
        >>> system = Modes.of(init.class_aligned(data, 4, initial=0.1, rng=0), data)
        >>> law = SGDLaw.of(system, losses.get("hinge"), lr=0.5, steps=2)
        >>> law.path[:, 0].round(6)
        array([0.1    , 0.225  , 0.50625])
        >>> bands = law.at([1, 2], level=0.5)
        >>> bands.median[:, 0].round(6), bands.content[:, 0].round(6)
        (array([0.225, 0.225]), array([1.  , 0.91]))
        """
        eta, last = checks.number("lr", lr), checks.count("steps", steps, least=0)
        path, second = _follow(system, _drawn_always(system, loss, eta), last)
        return cls(system, loss, eta, last, path, second)

    @property
    def frequency(self) -> Floats:
        """f = p / sum(q) of every class, shape (c,)."""
        return np.asarray(self.system.cells / self.system.cells.sum())

    def at(self, steps: ArrayLike, level: float = 0.9) -> Bands:
        """Median, mean and the equal-tailed band of a level after the given steps.

        Parameters
        ----------
        steps : array_like of int, shape (T,)
        level : float
            Between 0 and 1. The band goes from the quantile (1 - level)/2 to the quantile (1 + level)/2, each the
            smallest margin that is not exceeded with at least that probability.

        Raises
        ------
        ValueError
            For steps that are no whole numbers from 0 to `self.steps`, or a level that is not between 0 and 1.
        """
        n = self._asked(steps)
        inside = float(checks.array("level", maps.open_levels("level", level), ndim=0))
        levels = np.array([0.5, (1.0 - inside) / 2.0, (1.0 + inside) / 2.0])
        out = np.empty((6, len(n), *self.path.shape[1:]))
        for t, one in enumerate(n.tolist()):
            for c, f in enumerate(self.frequency.tolist()):
                first, share = maps.draws(one, f)
                u = self.path[first : first + len(share), ..., c]
                out[:, t, ..., c] = _summary(u.reshape(len(u), -1), share, levels).reshape(6, *u.shape[1:])
        return Bands(n, *out)

    def support(self, steps: int) -> Floats:
        """The margins that are possible after so many steps, those after 0, 1, ... draws: (steps + 1, ..., c)."""
        (n,) = self._asked([steps]).tolist()
        return self.path[: n + 1]

    def values(self, steps: int, label: int, member: tuple[int, ...] = ()) -> Values:
        """The margins of one class after so many steps, with their probabilities; `label` counts from 0.

        Those that are less probable than 1e-18 altogether are left out.
        """
        (n,) = self._asked([steps]).tolist()
        first, share = maps.draws(n, float(self.frequency[label]))
        place: Any = (slice(first, first + len(share)), *member, label)
        u = self.path[place]
        order = np.argsort(u, kind="stable")
        return Values(u[order], share[order], first, order)

    def probability_below(self, steps: int, margin: ArrayLike) -> tuple[Floats, Floats]:
        """P(u < margin) and P(u <= margin) after so many steps, (..., c); margin is broadcast to that."""
        (n,) = self._asked([steps]).tolist()
        wanted = np.broadcast_to(checks.array("margin", margin, infinite=True), self.path.shape[1:])
        less, most = np.empty(wanted.shape), np.empty(wanted.shape)
        for c, f in enumerate(self.frequency.tolist()):
            first, share = maps.draws(n, f)
            u = self.path[first : first + len(share), ..., c]
            less[..., c] = np.tensordot(share, u < wanted[..., c], 1)
            most[..., c] = np.tensordot(share, u <= wanted[..., c], 1)
        return less, most

    def time_to(self, margin: float, level: float = 0.9, *, most: int = 1_000_000) -> Passage:
        """When a class first reaches a margin, in t = lr x step, with the equal-tailed band of a level.

        It is reached at the k-th draw, k the first with u_k >= margin, and the number of steps until then is k and
        a negative binomial number: exact, and not bounded by `self.steps`. inf where the path stops below the
        margin; NaN where that is not settled after `most` draws.
        """
        target = float(checks.array("margin", margin, ndim=0))
        inside = float(checks.array("level", maps.open_levels("level", level), ndim=0))
        draws = self._first_reached(target, checks.count("most", most, least=0))
        rows = [_waiting(draws, self.frequency, q) for q in (0.5, (1.0 - inside) / 2.0, (1.0 + inside) / 2.0)]
        median, lower, upper = (self.lr * row for row in rows)
        return Passage(median, self.lr * draws / self.frequency, lower, upper)

    def valid_until(self) -> float:
        """The last step until which the law is known to hold; inf, or with the squared loss possibly a number.

        A margin above 1 makes the next draw pull backwards, which (H1)-(H3) do not provide for: until then that
        draw has a probability of less than 1e-18.
        """
        # A margin that only rounding takes above 1 pulls back too little to switch any unit off.
        beyond = self.path > 1.0 + 1e-12
        if self.loss.name != "squared" or not np.any(beyond):
            return np.inf
        over = beyond.reshape(len(self.path), -1, len(self.frequency)).any(axis=1)
        first = np.where(over.any(axis=0), over.argmax(axis=0), self.steps)
        known = [_last_with(int(k), float(f), self.steps) for k, f in zip(first, self.frequency, strict=True)]
        return np.inf if min(known) >= self.steps else float(min(known))

    def by_point(self, bands: Bands) -> Bands:
        """The same for the logits of the points (C classes: log-odds), (T, ..., n): labels of -1 turn them over."""
        y, index = self.system.labels, self.system.index
        turned = y < 0
        median, mean, lower, upper, below, above = (np.asarray(a)[..., index] for a in bands[1:])
        return Bands(
            bands.steps,
            y * median,
            y * mean,
            y * np.where(turned, upper, lower),
            y * np.where(turned, lower, upper),
            np.where(turned, above, below),
            np.where(turned, below, above),
        )

    # ---- rounding ------------------------------------------------------------------------------------------

    def rounding(self, unit: float) -> Floats:
        """How far a network's margin may be from `path` through rounding alone, shape of `path`.

        Parameters
        ----------
        unit : float
            The relative rounding error of each weight and of the margin in one step.

        Notes
        -----
        Errors of this size in every weight and pull, and those of the map itself, are carried along the path with
        their worst signs: `dynsim.theory.rounding`. inf once the hinge may or may not pull, as the margin is within
        its error of 1.

        Raises
        ------
        ValueError
            For depth 1, where the steps of one class round the weights of the other too.
        """
        system, loss = self.system, self.loss
        with np.errstate(all="ignore"):
            if isinstance(system, Modes):
                step = self.lr * system.norm * system.cells.sum()
                return rounding.of_modes(self.path + system.shift, self.second, step, loss, system.shift, unit)
            if system.depth == 1:
                raise ValueError("system must have units: rounding errors at depth 1 have no bound here")
            return rounding.of_chains(self.path, self.second, system.depth, loss, unit)

    # ---- pieces --------------------------------------------------------------------------------------------

    def _asked(self, steps: ArrayLike) -> NDArray[np.int64]:
        n = maps.step_counts("steps", steps)
        if n.ndim != 1:
            raise ValueError(f"steps must be one-dimensional, got shape {n.shape}")
        if np.any(n > self.steps):
            raise ValueError(f"steps must be at most {self.steps}, for which the law was made, got {n.max()}")
        return n

    def _first_reached(self, margin: float, most: int) -> Floats:
        """The number of draws after which the margin is first reached: inf for never, NaN for not by `most`."""
        reached = self.path >= margin
        if reached.any(axis=0).all():
            return np.asarray(reached.argmax(axis=0), dtype=np.float64)
        out = np.full(self.path.shape[1:], np.nan)
        read = _Reader.of(self.system)
        before = self.system.start()
        for k, state in enumerate(_drawn_always(self.system, self.loss, self.lr)):
            out[np.isnan(out) & (read.margins(state) >= margin)] = k
            if k >= most or not np.isnan(out).any():
                break
            if k % _LOOK == _LOOK - 1:
                out[np.isnan(out) & self._still(before, state)] = np.inf
            before = state
        return out

    def _still(self, before: State, state: State) -> NDArray[np.bool_]:
        """Which classes a draw has not moved, (..., c): those will not move any more."""
        same = [a == b for a, b in zip(before, state, strict=True)]
        if isinstance(self.system, Modes):
            return np.asarray(np.all(same, axis=0))
        return np.asarray(same[0].all(axis=(-2, -1)))


class _Reader(NamedTuple):
    """Margins of the classes from the logits of a point of each."""

    system: Modes | Chains
    one: NDArray[np.int64]

    @classmethod
    def of(cls, system: Modes | Chains) -> _Reader:
        return cls(system, np.unique(system.index, return_index=True)[1])

    def margins(self, state: State) -> Floats:
        """Shape (..., c)."""
        return np.asarray((self.system.labels * self.system.logits(state))[..., self.one])


def _drawn_always(system: Modes | Chains, loss: Loss, lr: float) -> Iterator[State]:
    """The states in which every class has been drawn 0, 1, 2, ... times."""
    weight = np.full(system.cells.shape, system.cells.sum())
    state = system.start()
    while True:
        yield state
        with np.errstate(over="ignore", invalid="ignore"):
            state = system.step(state, lr, weight, loss)


def _follow(system: Modes | Chains, states: Iterator[State], count: int) -> tuple[Floats, Floats]:
    """Margins and `SGDLaw.second` along the states after 0, ..., `count` draws."""
    read, before = _Reader.of(system), system.start()
    path = np.empty((count + 1, *read.margins(before).shape))
    second = np.zeros(path.shape)
    for k, state in enumerate(states):
        path[k] = read.margins(state)
        if isinstance(system, Modes):
            second[k] = state[1]
        elif k:
            second[k - 1] = _growth(before[0], state[0])
        if k == count:
            break
        if k % _LOOK == _LOOK - 1 and _same(before, state):
            # Where nothing moves, nothing will.
            path[k:] = path[k]
            second[k:] = second[k] if isinstance(system, Modes) else 0.0
            break
        before = state
    return path, second


def _growth(before: Floats, after: Floats) -> Floats:
    """The largest relative change of the weights (..., c, h, N) of each class."""
    with np.errstate(all="ignore"):
        change = np.abs(after - before)
        relative = np.divide(change, np.abs(before), where=change > 0, out=np.zeros_like(before))
    return np.asarray(relative.max(axis=(-2, -1)))


def _same(one: State, other: State) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _summary(u: Floats, probability: Floats, levels: Floats) -> Floats:
    """Median, mean, lower, upper, below, above of the columns of u (k, m): shape (6, m)."""
    mean = probability @ u
    margin, share = maps.ordered(u, probability)
    median, lower, upper = maps.quantiles_of(margin, share, levels)
    below, above = np.sum(share * (margin < lower), axis=0), np.sum(share * (margin > upper), axis=0)
    return np.stack([median, mean, lower, upper, below, above])


def _waiting(draws: Floats, frequency: Floats, level: float) -> Floats:
    """The quantile of the number of steps until so many draws."""
    from scipy.stats import nbinom

    f = np.broadcast_to(frequency, draws.shape)
    out = np.array(draws)
    some = np.isfinite(draws) & (draws > 0)
    out[some] += nbinom.ppf(level, draws[some], f[some])
    return out


def _last_with(draws: int, frequency: float, steps: int) -> int:
    """The last step, at most `steps`, after which more than so many draws are left out by `maps.draws`."""
    low, high = 0, steps
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if maps.most_draws(middle, frequency) <= draws else (low, middle - 1)
    return low
