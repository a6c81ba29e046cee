"""Figure 3 (v2): two classes that compete for one unit."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks
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
from dynsim.paper.timing import halved
from dynsim.sheet_plots import hyperboloid
from dynsim.theory import competition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_3"
SOURCE = "Fig. 3, Thm 3.4, eq 4, A.8 (v2)"
STATEMENT = (
    "A unit that two orthogonal inputs activate ends with one class; which, the separatrix of the sheet says, "
    "which runs into a saddle. From (alpha, beta, z) = (.1, .1, .1) beta dies at t = 1.623, from (.2, .9, .2) "
    "alpha at 2.247, from (1, 0, -1.1) alpha at 2.662 (unit norms, p = 1)."
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


#: That of the paper; and one in which the step size moves the separatrix, as it does not where all is equal.
PAPER, UNEQUAL = Setting((1.0, 1.0), (1.0, 1.0)), Setting((1.0, 2.0), (0.7, 0.3))
END = 12.0
#: Rows (alpha, beta, z).
STARTS = np.array([[0.1, 0.1, 0.1], [0.2, 0.9, 0.2], [1.0, 0.0, -1.1]])
#: By then the losing side of each of them is dead.
_AFTER = 4.0
#: The sheet that is drawn, and how far from the saddle's angle its separatrix is looked for.
SHEET, ASIDE = 1.0, 0.4
#: Rows (z, angle) of the trajectories drawn on the sheet, tan(angle) = (beta/\|x_2\|) / (alpha/\|x_1\|).
_DRAWN = np.array([[1.2, 1.2], [1.2, 1.42], [-1.2, 0.12], [-1.2, 0.5]])
#: Starts a round of the search for the separatrix, and rounds: each keeps one of the gaps.
_ABREAST, _ROUNDS = 33, 6


class Curves(NamedTuple):
    """alpha, beta and z of the starts k = 0, 1, 2 at `time`, (T, 3); P of both classes, (T, 3, 2).

    death: (3, 2), when alpha and beta reach 0.
    """

    time: Floats
    alpha: Floats
    beta: Floats
    z: Floats
    confidence: Floats
    death: Floats


class Contest(NamedTuple):
    """Who wins, by the theory and of networks; `undecidable` where the step size may decide."""

    predicted: NDArray[np.object_]
    measured: NDArray[np.object_]
    undecidable: NDArray[np.bool_]


def curves(time: ArrayLike | None = None) -> Curves:
    """Figure 3, right, as data; time is t = lr x step, by default 0 to 12, the paper's axis.

    Examples
    --------
    >>> curves([0.0, 12.0]).death.round(3)
    array([[  inf, 1.623],
           [2.247,   inf],
           [2.662, 0.   ]])
    """
    t = np.linspace(0.0, END, 601) if time is None else checks.times("time", time)
    found = competition.solve(*STARTS.T, **PAPER._asdict(), times=t)
    return Curves(t, found.alpha, found.beta, found.z, found.confidence, found.death)


def units(starts: Floats, setting: Setting = PAPER) -> Network:
    """One-unit networks with w.x_1 = alpha, w.x_2 = beta and output weight z: rows of `starts`, (3, ...)."""
    W = np.stack([starts[0], starts[1]], axis=-1) / setting.norms
    return Network((W[..., None, :], starts[2][..., None]))


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


def evenly(path: Floats, number: int = 25) -> Floats:
    """About `number` points of a path (T, 3), evenly along its length."""
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    rows = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], number)).clip(0, len(path) - 1))
    return np.asarray(path[rows])


def on_sheet(z: ArrayLike, angle: ArrayLike, c: float = SHEET, norms: tuple[float, float] = PAPER.norms) -> Floats:
    """(alpha, beta, z) on the last axis, with tan(angle) = (beta/\\|x_2\\|) / (alpha/\\|x_1\\|)."""
    height, direction = np.broadcast_arrays(np.asarray(z, dtype=np.float64), np.asarray(angle, dtype=np.float64))
    radius = np.sqrt(c + height**2)
    return np.stack([norms[0] * radius * np.cos(direction), norms[1] * radius * np.sin(direction), height], axis=-1)


def reproduce(quick: bool = False) -> Result:
    """Deaths, invariants, the separatrix and its saddle, and winners of random starts."""
    number, lr = (1_000, 0.04) if quick else (10_000, 0.01)
    lines = [_death_line(k, lr) for k in range(len(STARTS))]
    lines += [_invariant_line(k, lr) for k in range(len(STARTS))]
    lines += [*_separatrix_lines(PAPER, lr), *_saddle_lines(lr), *_separatrix_lines(UNEQUAL, lr)]
    high = np.array([1.5, 1.5, 3.0])[:, None]
    starts = high * np.random.default_rng(0).random((3, number)) - [[0.0], [0.0], [1.5]]
    lines += [contest_line(contest(starts, lr, each), f"{each}, random starts") for each in (PAPER, UNEQUAL)]
    parameters = {
        "norms": PAPER.norms, "frequencies": PAPER.frequencies, "lr": lr, "until": END, "starts": STARTS.tolist(),
        "other norms": UNEQUAL.norms, "other frequencies": UNEQUAL.frequencies, "sheet": SHEET,
        "random starts": number, "alpha, beta": [0.0, 1.5], "z": [-1.5, 1.5], "rng": 0,
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(lr))


def _words(k: int) -> str:
    return "({:g}, {:g}, {:g})".format(*STARTS[k])


def _loses(k: int) -> int:
    """Which of alpha (0) and beta (1) start k loses on the way."""
    lost = curves([0.0]).death[k]
    return int(np.argmax(np.where(np.isfinite(lost), lost, -1.0)))


def _death_line(k: int, lr: float) -> Line:
    """When the losing side dies, networks extrapolated to lr -> 0."""
    side, data, network = _loses(k), PAPER.data, units(STARTS[k])
    what = f"{_words(k)}: t at which {('alpha', 'beta')[side]} dies"
    predicted = float(curves([0.0]).death[k, side])
    return limit_line(what, predicted, lambda step: death(network, data, LABELS[side], lr=step, until=_AFTER), lr)


def _invariant_line(k: int, lr: float) -> Line:
    """The invariant at the end, networks extrapolated to lr -> 0."""

    def measure(step: float) -> tuple[Floats, Floats]:
        end = train(units(STARTS[k]), PAPER.data, lr=step, steps=round(_AFTER / step), record=2).network
        assert end is not None
        # A step adds terms of lr^2. Those of the class that dies end at a step, not at a time: one too many or few,
        # of the size (lr p |x| z g)^2, where g = 1/2 at the death and |z| grows from there on.
        reading = (0.5 * step * end.Z * PAPER.frequencies[_loses(k)] * PAPER.norms[_loses(k)]) ** 2
        # Of the class that died alpha or beta is a little below 0, by what the last step went past.
        sizes = end.preactivations(PAPER.data.X)[0] / PAPER.norms
        return np.sum(sizes**2) - end.Z**2, reading

    predicted = float(competition.invariant(*STARTS[k], norms=PAPER.norms))
    return limit_line(f"{_words(k)}: the invariant at t = {_AFTER:g}", predicted, measure, lr)


def _separatrix_lines(setting: Setting, lr: float) -> list[Line]:
    """At which z networks of one angle on the sheet have their separatrix; where unequal, how that goes with lr."""
    angle = _angle(setting)
    clear = competition.clearance(*on_sheet(0.5, angle, norms=setting.norms), **setting._asdict())
    search = functools.cache(lambda step: _search(angle, step, setting))

    def slope(step: float) -> tuple[Floats, Floats]:
        (coarse, gap), (fine, finer) = search(step), search(step / 2)
        return 2.0 * (coarse - fine) / step, 2.0 * (gap + finer) / step

    what = f"{setting}, separatrix of c = {SHEET:g} at the angle {angle:.3f}"
    lines = [limit_line(f"{what}: z", float(0.5 - clear.height), search, lr)]
    return lines if setting == PAPER else [*lines, limit_line(f"{what}: dz/dlr", float(clear.shift), slope, lr)]


def _angle(setting: Setting) -> float:
    """ASIDE from that of the saddle."""
    spot = competition.saddle(SHEET, **setting._asdict())
    return float(np.arctan2(spot.beta / setting.norms[1], spot.alpha / setting.norms[0])) + ASIDE


def _search(angle: float, lr: float, setting: Setting = PAPER) -> tuple[Floats, Floats]:
    """The z at which the winner of networks changes at an angle, and half the gap it lies in, shape (1,)."""
    low, high = 0.0, 3.0
    for _ in range(_ROUNDS):
        z = np.linspace(low, high, _ABREAST)
        starts = on_sheet(z, angle, norms=setting.norms)
        wins = outcomes.winner(units(starts.T, setting), setting.data, lr=lr) == Winner.CLASS_1
        first = max(1, int(np.argmax(wins)))
        low, high = z[first - 1], z[first]
    return np.array([0.5 * (low + high)]), np.array([0.5 * (high - low)])


def _saddle_lines(lr: float) -> list[Line]:
    """Where networks that start on the separatrix come to rest, before rounding and the gap drive them off."""
    spot, angle = competition.saddle(SHEET, **PAPER._asdict()), _angle(PAPER)

    def measure(step: float) -> tuple[Floats, Floats]:
        start = on_sheet(_search(angle, step)[0], angle)
        path = looks(start, step, 30.0, 60)[1][:, 0]
        # At the saddle alpha = beta and z = 0.
        off = np.abs(path[:, 0] - path[:, 1]) + np.abs(path[:, 2])
        closest = int(np.argmin(off))
        return path[closest, :2], np.repeat(off[closest], 2)

    effect = halved(measure, lr)
    found = measure(lr)[0] - effect.shift
    return [
        row(f"saddle of c = {SHEET:g}: {name} where networks from there come closest, lr -> 0", float(spot[i]),
            float(found[i]), float(effect.rest[i]))
        for i, name in enumerate(("alpha", "beta"))
    ]  # fmt: skip


def _figure(lr: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 5.8), layout="constrained")
    figure.suptitle(f"Figure 3: {PAPER}; lines: theory, marks: networks, lr = {lr:g}")
    left, right = figure.subfigures(1, 2, width_ratios=[1.0, 1.5], squeeze=False)[0]
    drawn = on_sheet(_DRAWN[:, 0], _DRAWN[:, 1])
    seen = [evenly(path) for path in np.moveaxis(looks(drawn, lr, END, 150)[1], 1, 0)]
    sheet = left.add_subplot(projection="3d")
    hyperboloid(SHEET, **PAPER._asdict(), starts=drawn, trained=seen, ax=sheet)
    sheet.set_title(f"sheet c = {SHEET:g}", y=1.05, fontsize="medium")
    _starts(right.subplots(2, len(STARTS), sharex=True, sharey="row"), lr)
    return figure


def _starts(axes: NDArray[Any], lr: float) -> None:
    """alpha and beta above, the confidences below, a column a start."""
    said, (time, seen) = curves(), looks(STARTS, lr, END)
    for k, (above, below) in enumerate(axes.T):
        P = special.expit(seen[:, k, 2:] * seen[:, k, :2] * LABELS)
        for i, name in enumerate(("alpha", "beta")):
            drawing.theory(above, said.time, (said.alpha, said.beta)[i][:, k], i, name)
            drawing.network(above, time, seen[:, k, i], i)
            drawing.theory(below, said.time, said.confidence[:, k, i], i, f"class {i + 1}")
            drawing.network(below, time, P[:, i], i)
        side = _loses(k)
        above.axvline(said.death[k, side], color="0.5", linewidth=0.8, linestyle=":")
        for ax in (above, below):
            ax.tick_params(labelleft=True)
        event = f"{('alpha', 'beta')[side]} dies at {said.death[k, side]:.3f}"
        above.set_title(f"{_words(k)}: {event}", fontsize="small")
        drawing.finish(above, "", "alpha, beta", " " if k == 0 else "")
        drawing.finish(below, drawing.TIME, "confidence P", " " if k == 0 else "")
