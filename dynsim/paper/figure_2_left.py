"""Figure 2, left (v2): the plane of a unit that one class drives, and what becomes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.dataset import Dataset
from dynsim.empirical import outcomes
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.timing import halved
from dynsim.phase_plots import PATHS, phase_plane
from dynsim.theory import phases

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_2_left"
SOURCE = "Fig. 2 left, Section 3.3, A.6 (v2)"
STATEMENT = (
    "A unit that one class drives is frozen for y = w.x <= 0, solves the task for y > -|x| z, dies in finite time "
    "below that line, and on it creeps to the logit 0 without end, whatever the loss."
)
SETTING = (
    "Paper: |x| = .7, flow lines and three marked points, whose places are read off; p is not given. Here p = 1 "
    "and the points below, one unit each, lr = .01 (--quick: .04) and half and a quarter of it; grids of 400 x "
    "400 (--quick: 100 x 100) networks with |x| = .7, .1 and 5 and lr kappa = .1. Nothing is random."
)
NORM, FREQUENCY, END = 0.7, 1.0, 20.0
#: Rows (y, z) of the marked points: one that solves, one that dies, one on the separatrix.
STARTS = np.array([[0.9, -1.0], [0.5, -1.0], [0.7, -1.0]])
#: The plane: y, and \|x\| z.
HEIGHT, WIDTH = (-0.4, 1.2), (-1.05, 1.05)
#: lr kappa on the grids: gradient descent has the flow's separatrix at every step size for which this is below 1.
_STEP = 0.1
#: Further units whose death is timed: one close to the separatrix, one at a small logit.
_DYING = ((0.69, -1.0), (0.05, -0.3))
#: When the unit on the separatrix is looked at: round-off has left it at about t = 50.
_LOOKS = (10.0, 30.0)


class Curves(NamedTuple):
    """y, z, logit and confidence of the starts k = 0, 1, 2 at `time`, shape (T, 3); when they die, shape (3,)."""

    time: Floats
    y: Floats
    z: Floats
    logit: Floats
    confidence: Floats
    death: Floats


class Plane(NamedTuple):
    """A grid of units, y of shape (m,) and z of shape (n,): fates by the theory and of networks, shape (m, n).

    undecidable: (m, n), where rounding may decide (`dynsim.theory.phases.half_width`).
    """

    y: Floats
    z: Floats
    predicted: NDArray[np.object_]
    measured: NDArray[np.object_]
    undecidable: NDArray[np.bool_]


def curves(time: ArrayLike | None = None) -> Curves:
    """The three marked points of Figure 2, left, as data; time is t = lr x step, by default 0 to 20.

    Examples
    --------
    >>> said = curves([0.0, 20.0])
    >>> said.logit.round(3)
    array([[-0.9  , -0.5  , -0.7  ],
           [ 3.993,  0.   , -0.   ]])
    """
    t = np.linspace(0.0, END, 401) if time is None else checks.times("time", time)
    path = phases.solve(STARTS[:, :1], STARTS[:, 1:], times=t, norm=NORM, frequency=FREQUENCY)
    return Curves(t, path.y[..., 0], path.z[..., 0], path.logit, path.confidence, path.death[:, 0])


def plane(number: int, norm: float = NORM, loss: str = "cross_entropy") -> Plane:
    """number x number units, all trained in one ensemble, beside their fates by the theory."""
    y = np.linspace(*HEIGHT, number)
    z = np.linspace(*WIDTH, number) / norm
    data, lr = _data(norm), _STEP / (norm * FREQUENCY)
    measured = outcomes.fate(init.from_coordinates(y[:, None], z, data.mean(1)), data, lr=lr, loss=loss)
    strip = phases.half_width(y[:, None], z, norm=norm, frequency=FREQUENCY, lr=lr, loss=loss)
    undecidable = np.abs(y[:, None] + norm * z) <= strip
    return Plane(y, z, phases.fate(y[:, None], z, norm=norm), measured, undecidable)


def reproduce(quick: bool = False) -> Result:
    """Fates on grids, and times of death and logits of single units."""
    number, lr = (100, 0.04) if quick else (400, 0.01)
    grid = plane(number)
    lines = [_fate_line(grid, f"|x| = {NORM:g}")]
    lines += [_fate_line(plane(number, norm), f"|x| = {norm:g}") for norm in (0.1, 5.0)]
    lines.append(_fate_line(plane(number, loss="hinge"), f"|x| = {NORM:g}, hinge"))
    lines += [_death_line(start, lr) for start in (STARTS[1].tolist(), *_DYING)]
    lines.append(_death_line(STARTS[1].tolist(), lr, "hinge"))
    lines += [_logit_line(2, t, lr, "on the separatrix") for t in _LOOKS]
    lines.append(_logit_line(0, END, lr, "solves"))
    parameters = {
        "norm": [NORM, 0.1, 5.0], "frequency": FREQUENCY, "grid": number, "y": list(HEIGHT), "norm z": list(WIDTH),
        "lr kappa on the grids": _STEP, "lr of single units": lr, "starts (y, z)": STARTS.tolist(),
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(grid, lr))


def _data(norm: float) -> Dataset:
    """Class +1 at x; class -1 on an axis of its own, on which no unit is active."""
    return point_classes((norm, 1.0), (FREQUENCY, FREQUENCY), angle=90)


def _fate_line(grid: Plane, what: str) -> Line:
    wrong = (grid.predicted != grid.measured) & ~grid.undecidable
    where = f"{grid.predicted.size:,} units, {np.sum(grid.undecidable)} of them within rounding of the separatrix"
    return row(f"{what}: wrong fates of {where}", 0.0, float(np.sum(wrong)), 0.0)


def _death_line(start: Sequence[float], lr: float, loss: str = "cross_entropy") -> Line:
    """When a unit dies."""
    data, (y, z) = _data(NORM), start
    network = init.from_coordinates(y, z, data.mean(1))
    predicted = float(phases.time_of_death(y, z, norm=NORM, frequency=FREQUENCY, loss=loss))
    until = 1.5 * predicted + 20.0 * lr
    what = f"(y, z) = ({y:g}, {z:g}){'' if loss == 'cross_entropy' else ', ' + loss}: t of its death"
    return limit_line(what, predicted, lambda step: death(network, data, 1, lr=step, until=until, loss=loss), lr)


def limit_line(what: str, predicted: float, measure: Callable[[float], tuple[Floats, Floats]], lr: float) -> Line:
    """A number measured at lr, lr/2 and lr/4, extrapolated to lr -> 0."""
    known = functools.cache(measure)
    effect = halved(known, lr)
    limit = float(known(lr)[0][0] - effect.shift[0])
    return row(f"{what}, networks extrapolated to lr -> 0", predicted, limit, float(effect.rest[0]))


def death(
    network: Network, data: Dataset, label: int, *, lr: float, until: float, loss: str = "cross_entropy"
) -> tuple[Floats, Floats]:
    """When a single unit loses the input of a class, and how far that may be off, both of shape (1,).

    Read off the chord of w.x between the last step before and the first after; with y the values of w.x there,
    the error is lr |y''|/(8 |y'|), as `timing.chord` has it in differences. NaN if it does not happen.
    """
    point = int(np.flatnonzero(data.mask(label))[0])
    run = train(network, data, loss=loss, lr=lr, steps=int(np.ceil(until / lr)), record="all")
    dead = run.logits[:, point] == 0.0
    if not dead[-1]:
        return np.array([np.nan]), np.array([np.nan])
    first = int(np.argmax(dead))
    ends = [train(network, data, loss=loss, lr=lr, steps=first - back, record=2).network for back in range(3)]
    y = [float(end.W[0] @ data.X[point]) for end in ends if end is not None]
    time = lr * (first - 1 + y[1] / (y[1] - y[0]))
    return np.array([time]), np.array([lr * abs(y[0] - 2.0 * y[1] + y[2]) / (4.0 * (y[1] - y[0]))])


def _logit_line(k: int, time: float, lr: float, what: str) -> Line:
    """The logit of a start at a time."""
    data, (y, z) = _data(NORM), STARTS[k].tolist()
    network = init.from_coordinates(y, z, data.mean(1))

    def measure(step: float) -> tuple[Floats, Floats]:
        run = train(network, data, lr=step, steps=round(time / step), record=2)
        return run.margin[-1, :1], np.zeros(1)

    predicted = float(phases.logit(time, y, z, norm=NORM, frequency=FREQUENCY))
    return limit_line(f"(y, z) = ({y:g}, {z:g}), {what}: logit at t = {time:g}", predicted, measure, lr)


class Seen(NamedTuple):
    """The starts of the figure as networks at `time`, (T,): y, z, and how much the step size may do to u; (T, 3).

    drift: y^2 - \\|x\\|^2 z^2 minus its first value, and kept: how much the step size and rounding may change it.
    """

    time: Floats
    y: Floats
    z: Floats
    floor: Floats
    drift: Floats
    kept: Floats


def _seen(lr: float, number: int = 50) -> Seen:
    """The three starts trained in stages, with a look at the weights after each."""

    def logit(step: float) -> tuple[Floats, Floats]:
        y, z = _looks(step, number)
        return np.maximum(y, 0.0) * z, np.zeros_like(y)

    (y, z), effect = _looks(lr, number), halved(logit, lr)
    # Of c = |x|^2 s d what rounding has put into one factor stays, as the one grows by what the other falls.
    sizes = np.maximum.accumulate(y**2 + (NORM * z) ** 2, axis=0)
    c = y**2 - (NORM * z) ** 2
    # A step multiplies it by 1 - e^2 (docs/theory.md, eq 6.3), with a rounding of each of the two squares.
    steps = round(END / number / lr)
    run = train(_starts(), _data(NORM), lr=lr, steps=number * steps, record="all")
    u = run.logits[:-1, :, 0]
    # A dead unit has the logit 0, and no pull.
    e = np.where(u == 0.0, 0.0, lr * NORM * FREQUENCY * special.expit(-u))
    change = 1.0 - np.cumprod(np.concatenate([np.ones((1, 3)), 1.0 - e**2]), axis=0)[::steps]
    rounding = 4.0 * float(np.finfo(np.float64).eps) * (1.0 + steps * np.arange(number + 1.0)[:, None]) * sizes
    time = lr * steps * np.arange(number + 1.0)
    return Seen(time, y, z, np.abs(effect.shift) + effect.rest, c - c[0], np.abs(c[0]) * change + rounding)


def _starts() -> Network:
    return init.from_coordinates(STARTS[:, 0], STARTS[:, 1], _data(NORM).mean(1))


def _looks(lr: float, number: int) -> tuple[Floats, Floats]:
    """y and z, (number + 1, 3)."""
    data, looks = _data(NORM), [_starts()]
    for _ in range(number):
        last = train(looks[-1], data, lr=lr, steps=round(END / number / lr), record=2).network
        assert last is not None
        looks.append(last)
    return np.stack([look.W[:, 0] @ data.mean(1) for look in looks]), np.stack([look.Z[:, 0] for look in looks])


def _figure(grid: Plane, lr: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.0), layout="constrained")
    drawn = f"lines: theory, marks: networks, lr = {lr:g}"
    figure.suptitle(f"Figure 2, left: |x| = {NORM:g}, p = {FREQUENCY:g}; {drawn}")
    layout: list[Any] = [["plane", "logit"], ["plane", "apart"], ["drift", "decay"]]
    axes = figure.subplot_mosaic(layout, width_ratios=[1.1, 1.0], height_ratios=[2.6, 1.3, 1.6])
    phase_plane(norm=NORM, frequency=FREQUENCY, y=HEIGHT, z=(WIDTH[0] / NORM, WIDTH[1] / NORM), starts=STARTS,
                outcomes=(grid.measured, grid.y, grid.z), ax=axes["plane"])  # fmt: skip
    seen = _seen(lr)
    said, at, u = curves(), curves(seen.time), np.maximum(seen.y, 0.0) * seen.z
    style: dict[str, Any] = {"markersize": 4.5, "markerfacecolor": "white", "linestyle": "none"}
    for k, words in enumerate(("solves", f"dies at t = {said.death[1]:.3f}", "on the separatrix")):
        mark = {"marker": drawing.MARKERS[k], "color": PATHS[k], **style}
        alive = seen.y[:, k] > 0.0
        axes["plane"].plot(seen.z[alive, k], seen.y[alive, k], zorder=3.6, **mark)
        line: dict[str, Any] = {"color": PATHS[k], "linestyle": drawing.DASHES[k], "linewidth": 1.8}
        label = f"({STARTS[k, 0]:g}, {STARTS[k, 1]:g}): {words}"
        axes["logit"].plot(said.time, said.logit[:, k], label=label, **line)
        axes["logit"].plot(seen.time, u[:, k], **mark)
        # On this scale a death is a line that ends, and the creeping of the separatrix one that never does.
        below = said.logit[:, k] < 0.0
        axes["decay"].plot(said.time[below], -said.logit[below, k], **line)
        below = u[:, k] < 0.0
        axes["decay"].plot(seen.time[below], -u[below, k], **mark)
        off = (at.logit[:, k] - u[:, k])[1:]
        drawing.difference(axes["apart"], seen.time[1:], off, k, seen.floor[1:, k], colour=PATHS[k])
        drift, kept = seen.drift[1:, k], seen.kept[1:, k]
        drawing.difference(axes["drift"], seen.time[1:], drift, k, kept, colour=PATHS[k])
    axes["decay"].set_yscale("log")
    for name in ("apart", "decay"):
        axes[name].sharex(axes["logit"])
    # Room for the legend above the highest of the curves.
    axes["logit"].set_ylim(top=1.7 * axes["logit"].get_ylim()[1])
    drawing.finish(axes["logit"], "", "logit u = y z", "start (y, z)")
    drawing.finish(axes["apart"], "", drawing.APART)
    drawing.finish(axes["decay"], drawing.TIME, "-u, where u < 0")
    drawing.finish(axes["drift"], drawing.TIME, "drift of\ny^2 - |x|^2 z^2\n(dotted: by lr)")
    return figure
