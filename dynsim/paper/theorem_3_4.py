"""Theorem 3.4 (v2): two classes that compete for one unit, and the separatrix that decides between them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical import outcomes
from dynsim.empirical.training import train
from dynsim.fates import Winner
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.figure_2_left import death, limit_line
from dynsim.paper.starved_networks import limits
from dynsim.theory import competition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "theorem_3_4"
SOURCE = "Thm 3.4, eq 4, App. A.8 (v2)"
STATEMENT = (
    "A unit that two orthogonal inputs activate ends with one class; the separatrix of its sheet, which runs into "
    "a saddle, says which: class 1 above it, and where alpha^2/|x1|^2 + beta^2/|x2|^2 <= z^2 and z > 0."
)
SETTING = (
    "Paper: cross-entropy summed over two classes (p = 1), no numbers but the starts of Fig. 3. Here: |x| = 1, 1 "
    "with p = 1, 1, and |x| = 1, 2 with p = .7, .3; those starts until t = 4, lr = .01 (--quick: .04); the "
    "separatrix of c = 1, lr = .02 (.1) and less; 10,000 random starts (1,000), rng 0."
)


class Setting(NamedTuple):
    """The lengths of the two inputs, and the frequencies of the classes."""

    norms: tuple[float, float]
    frequencies: tuple[float, float]

    @property
    def data(self) -> Dataset:
        """Two orthogonal inputs; the frequencies need not sum to 1."""
        return point_classes(self.norms, self.frequencies, angle=90)

    def __str__(self) -> str:
        return "|x| = {:g}, {:g}, p = {:g}, {:g}".format(*self.norms, *self.frequencies)


#: That of the paper; and one in which the classes differ.
PAPER, UNEQUAL = Setting((1.0, 1.0), (1.0, 1.0)), Setting((1.0, 2.0), (0.7, 0.3))
#: Rows (alpha, beta, z): those of Fig. 3, right.
STARTS = np.array([[0.1, 0.1, 0.1], [0.2, 0.9, 0.2], [1.0, 0.0, -1.1]])
#: By then the losing side of each of them is dead.
_AFTER = 4.0
#: The sheet on which the separatrix is looked for, and how far from the saddle's angle; the first is judged.
SHEET, ASIDE = 1.0, (0.4, -0.6, -0.4, -0.2, 0.2, 0.6)
#: Starts a round of the search, up to which |z| it goes at first and how far later, and how small a gap it leaves.
_ABREAST, _WHOLE, _AROUND, _GAP = 65, 2.0, 0.005, 2e-8


class Contest(NamedTuple):
    """Who wins, by the theory and of networks; `undecidable` where the step size may decide."""

    predicted: NDArray[np.object_]
    measured: NDArray[np.object_]
    undecidable: NDArray[np.bool_]


def reproduce(quick: bool = False) -> Result:
    """Deaths, invariants, the separatrix and its saddle, and winners of random starts."""
    number, lr = (1_000, 0.04) if quick else (10_000, 0.01)
    search = 0.1 if quick else 0.02
    lines = [death_line(k, lr) for k in range(len(STARTS))]
    lines += [invariant_line(k, lr) for k in range(len(STARTS))]
    laws = {setting: law(setting) for setting in (PAPER, UNEQUAL)}
    lines += [separatrix_line(laws[PAPER], PAPER, search), *saddle_lines(search)]
    lines += [separatrix_line(laws[UNEQUAL], UNEQUAL, search), shift_line(laws[UNEQUAL], search)]
    high = np.array([1.5, 1.5, 3.0])[:, None]
    starts = high * np.random.default_rng(0).random((3, number)) - [[0.0], [0.0], [1.5]]
    lines += [contest_line(contest(starts, lr, each), f"{each}, random starts") for each in (PAPER, UNEQUAL)]
    parameters = {
        "norms": PAPER.norms, "frequencies": PAPER.frequencies, "other norms": UNEQUAL.norms,
        "other frequencies": UNEQUAL.frequencies, "starts": STARTS.tolist(), "lr": lr, "until": _AFTER,
        "sheet": SHEET, "angles from the saddle": list(ASIDE), "lr of the search": search,
        "random starts": number, "alpha, beta": [0.0, 1.5], "z": [-1.5, 1.5], "rng": 0,
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(laws, search))


# ---- units and their fates ---------------------------------------------------------------------------------


def units(starts: Floats, setting: Setting = PAPER) -> Network:
    """One-unit networks with w.x_1 = alpha, w.x_2 = beta and output weight z: rows of `starts`, (3, ...)."""
    W = np.stack([starts[0], starts[1]], axis=-1) / setting.norms
    return Network((W[..., None, :], starts[2][..., None]))


def on_sheet(z: ArrayLike, angle: ArrayLike, c: float = SHEET, norms: tuple[float, float] = PAPER.norms) -> Floats:
    """(alpha, beta, z) on the last axis, with tan(angle) = (beta/\\|x_2\\|) / (alpha/\\|x_1\\|)."""
    height, direction = np.broadcast_arrays(np.asarray(z, dtype=np.float64), np.asarray(angle, dtype=np.float64))
    radius = np.sqrt(c + height**2)
    return np.stack([norms[0] * radius * np.cos(direction), norms[1] * radius * np.sin(direction), height], axis=-1)


def looks(starts: Floats, lr: float, until: float, number: int = 40) -> tuple[Floats, Floats]:
    """time (T,) and (alpha, beta, z) (T, k, 3) of units from starts (k, 3), looked at `number` times.

    w.x of a unit that is dead on x is shown as 0: the last step may have gone past.
    """
    data, network, seen = PAPER.data, units(starts.T), [starts]
    steps = np.linspace(0, until / lr, number + 1).round().astype(int)
    for stage in np.diff(steps).tolist():
        last = train(network, data, lr=lr, steps=stage, record=2).network
        assert last is not None
        network = last
        active = np.maximum(network.preactivations(data.X)[:, 0], 0.0)
        seen.append(np.concatenate([active, network.Z], axis=-1))
    return lr * steps, np.stack(seen)


def contest(starts: Floats, lr: float, setting: Setting = PAPER) -> Contest:
    """Train units from starts of shape (3, ...), rows alpha, beta and z, until one class has won each of them."""
    clear = competition.clearance(*starts, **setting._asdict())
    # Gradient descent moves the separatrix by lr x shift; as much again for what is of higher order in lr.
    undecidable = np.abs(clear.height) <= 2.0 * lr * np.abs(clear.shift)
    measured = outcomes.winner(units(starts, setting), setting.data, lr=lr)
    return Contest(competition.winner(*starts, **setting._asdict()), measured, undecidable)


def contest_line(found: Contest, what: str) -> Line:
    """The number of wrong winners outside the strip."""
    wrong = (found.predicted != found.measured) & ~found.undecidable
    inside = f"{found.predicted.size:,} units, {np.sum(found.undecidable)} of them too close to the separatrix"
    return row(f"{what}: wrong winners of {inside}", 0.0, float(np.sum(wrong)), 0.0)


# ---- the three starts --------------------------------------------------------------------------------------


def deaths(k: int) -> Floats:
    """When alpha and beta of start k die, shape (2,)."""
    return competition.solve(*STARTS[k], **PAPER._asdict(), times=[0.0]).death


def loser(k: int) -> int:
    """Which of alpha (0) and beta (1) start k loses on the way."""
    lost = deaths(k)
    return int(np.argmax(np.where(np.isfinite(lost), lost, -1.0)))


def words(k: int) -> str:
    """Start k."""
    return "({:g}, {:g}, {:g})".format(*STARTS[k])


def death_line(k: int, lr: float) -> Line:
    """When the losing side dies, networks extrapolated to lr -> 0."""
    side, data, network = loser(k), PAPER.data, units(STARTS[k])
    what = f"{words(k)}: t at which {('alpha', 'beta')[side]} dies"
    predicted = float(deaths(k)[side])
    return limit_line(what, predicted, lambda step: death(network, data, LABELS[side], lr=step, until=_AFTER), lr)


def invariant_line(k: int, lr: float) -> Line:
    """The invariant at the end, networks extrapolated to lr -> 0."""

    def measure(step: float) -> tuple[Floats, Floats]:
        end = train(units(STARTS[k]), PAPER.data, lr=step, steps=round(_AFTER / step), record=2).network
        assert end is not None
        # A step adds terms of lr^2. Those of the class that dies end at a step, not at a time: one too many or few,
        # of the size (lr p |x| z g)^2, where g = 1/2 at the death and |z| grows from there on.
        reading = (0.5 * step * end.Z * PAPER.frequencies[loser(k)] * PAPER.norms[loser(k)]) ** 2
        # Of the class that died alpha or beta is a little below 0, by what the last step went past.
        sizes = end.preactivations(PAPER.data.X)[0] / PAPER.norms
        return np.sum(sizes**2) - end.Z**2, reading

    predicted = float(competition.invariant(*STARTS[k], norms=PAPER.norms))
    return limit_line(f"{words(k)}: the invariant at t = {_AFTER:g}", predicted, measure, lr)


# ---- the separatrix ----------------------------------------------------------------------------------------


def angles(setting: Setting) -> Floats:
    """ASIDE from that of the saddle."""
    spot = competition.saddle(SHEET, **setting._asdict())
    return float(np.arctan2(spot.beta / setting.norms[1], spot.alpha / setting.norms[0])) + np.array(ASIDE)


class Law(NamedTuple):
    """z of the flow's separatrix at some angles, and by how much that of gradient descent is higher for each lr."""

    angle: Floats
    z: Floats
    shift: Floats


def law(setting: Setting) -> Law:
    """At the angles of networks, in their order, and at many from end to end."""
    own = angles(setting)
    angle = np.append(own, np.linspace(own.min() - 0.02, own.max() + 0.02, 81))
    start = on_sheet(np.full(len(angle), 0.5), angle, norms=setting.norms)
    clear = competition.clearance(*start.T, **setting._asdict())
    return Law(angle, 0.5 - clear.height, clear.shift)


class Edge(NamedTuple):
    """The z at which the winner of networks changes at some angles, and half the gap it lies in, both (k,)."""

    z: Floats
    gap: Floats


@functools.cache
def edge(setting: Setting, lr: float, coarsest: float) -> Edge:
    """The separatrix of networks at the angles: all z are searched with the coarsest step, and then around that."""
    whole = np.full(len(ASIDE), _WHOLE)
    if lr < coarsest:
        near = edge(setting, 2.0 * lr, coarsest).z
        found = _search(setting, lr, near - _AROUND, near + _AROUND)
        if found is not None:
            return found
    found = _search(setting, lr, -whole, whole)
    if found is None:
        raise ValueError(f"ASIDE must be angles at which the separatrix is at |z| < {_WHOLE:g}, got {ASIDE}")
    return found


def _search(setting: Setting, lr: float, low: Floats, high: Floats) -> Edge | None:
    """Between two z, shape (k,); None where class 1 does not win from the upper one alone."""
    angle = angles(setting)
    columns = np.arange(len(angle))
    while True:
        z = np.linspace(low, high, _ABREAST)
        starts = np.moveaxis(on_sheet(z, angle, norms=setting.norms), -1, 0)
        wins = outcomes.winner(units(starts, setting), setting.data, lr=lr) == Winner.CLASS_1
        if np.any(wins[0]) or not np.all(wins[-1]):
            return None
        first = np.argmax(wins, axis=0)
        low, high = z[first - 1, columns], z[first, columns]
        if np.max(high - low) < 2.0 * _GAP:
            return Edge(0.5 * (low + high), 0.5 * (high - low))


def separatrix_line(said: Law, setting: Setting, lr: float) -> Line:
    """At which z networks of the first angle on the sheet have their separatrix."""
    what = f"{setting}, separatrix of c = {SHEET:g} at the angle {said.angle[0]:.3f}: z"

    def measure(step: float) -> tuple[Floats, Floats]:
        found = edge(setting, step, lr)
        return found.z[:1], found.gap[:1]

    return limit_line(what, float(said.z[0]), measure, lr)


def shift_line(said: Law, lr: float) -> Line:
    """How the separatrix of networks goes with lr."""
    what = f"{UNEQUAL}, separatrix of c = {SHEET:g} at the angle {said.angle[0]:.3f}: dz/dlr"

    def measure(step: float) -> tuple[Floats, Floats]:
        coarse, fine = edge(UNEQUAL, step, lr), edge(UNEQUAL, step / 2, lr)
        return 2.0 * (coarse.z - fine.z)[:1] / step, 2.0 * (coarse.gap + fine.gap)[:1] / step

    return limit_line(what, float(said.shift[0]), measure, lr)


def saddle_lines(lr: float) -> list[Line]:
    """Where networks that start on the separatrix come to rest, before rounding and the gap drive them off."""
    spot, angle = competition.saddle(SHEET, **PAPER._asdict()), angles(PAPER)[0]

    def measure(step: float) -> tuple[Floats, Floats]:
        path = looks(on_sheet(edge(PAPER, step, lr).z[:1], angle), step, 30.0, 60)[1][:, 0]
        # At the saddle alpha = beta and z = 0.
        off = np.abs(path[:, 0] - path[:, 1]) + np.abs(path[:, 2])
        closest = int(np.argmin(off))
        return path[closest, :2], np.repeat(off[closest], 2)

    found = limits(measure, lr)
    numbers = zip(("alpha", "beta"), (spot.alpha, spot.beta), found.value, found.floor, strict=True)
    return [
        row(f"saddle of c = {SHEET:g}: {name} where networks from there come closest, lr -> 0", *map(float, three))
        for name, *three in numbers
    ]


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(laws: dict[Setting, Law], lr: float) -> Figure:
    title = f"Theorem 3.4: the separatrix of c = {SHEET:g}; lines: theory, marks: networks"
    figure, (left, right), below = drawing.pairs(2, title, width=5.0, height=5.6)
    for k, (setting, said) in enumerate(laws.items()):
        _over_angle(left, below[0], said, setting, lr, k)
        _over_lr(right, below[1], said, setting, lr, k)
    left.annotate("class 1 wins", (0.12, 0.55), xycoords="axes fraction")
    left.annotate("class 2 wins", (0.68, 0.1), xycoords="axes fraction")
    drawing.finish(left, "", "z of the separatrix, lr -> 0", " ")
    drawing.finish(below[0], "angle, tan = (beta/|x2|) / (alpha/|x1|)", drawing.APART)
    right.locator_params(axis="x", nbins=5)
    right.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    drawing.finish(right, "", "displacement of z by the step size", " ")
    drawing.finish(below[1], "lr", drawing.APART)
    return figure


def _over_angle(ax: Axes, below: Axes, said: Law, setting: Setting, lr: float, k: int) -> None:
    """z of the separatrix as lr -> 0, and the saddle."""

    def measure(step: float) -> tuple[Floats, Floats]:
        return edge(setting, step, lr)

    found, number = limits(measure, lr), len(ASIDE)
    order = np.argsort(ASIDE)
    drawing.theory(ax, said.angle[number:], said.z[number:], k, str(setting))
    drawing.marks(ax, said.angle[order], found.value[order], k)
    drawing.marks(ax, [said.angle[0] - ASIDE[0]], [0.0], k, filled=True, label="saddle" if k else None)
    drawing.difference(below, said.angle[order], (said.z[:number] - found.value)[order], k, found.floor[order])


def _over_lr(ax: Axes, below: Axes, said: Law, setting: Setting, lr: float, k: int) -> None:
    """How far gradient descent displaces the separatrix at the first angle; the floor is of the order lr^2.

    b lr^2 from three step sizes: (8/3) (z(lr) - 3 z(lr/2) + 2 z(lr/4)), doubled for the third order; and the gaps.
    """
    sizes = lr / 2.0 ** np.arange(4.0 if setting == UNEQUAL else 3.0)
    found = [edge(setting, size, lr) for size in sizes.tolist()]
    z, gap = (np.array([getattr(one, name)[0] for one in found]) for name in ("z", "gap"))
    second = 2.0 * (8.0 / 3.0) * abs(z[0] - 3.0 * z[1] + 2.0 * z[2]) * (sizes / lr) ** 2 + gap
    many = np.append(0.0, sizes[::-1])
    drawing.theory(ax, many, many * said.shift[0], k, f"lr x shift, {setting}")
    drawing.marks(ax, sizes, z - said.z[0], k)
    drawing.difference(below, sizes, sizes * said.shift[0] - (z - said.z[0]), k, second)
