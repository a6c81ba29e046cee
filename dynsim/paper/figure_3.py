"""Figure 3 (v2): two classes that compete for one unit, from the three starts of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.theorem_3_4 import PAPER, SHEET, looks, on_sheet
from dynsim.paper.timing import halved
from dynsim.sheet_plots import hyperboloid
from dynsim.theory import competition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "figure_3"
SOURCE = "Fig. 3, eq 4 (v2)"
STATEMENT = (
    "From (alpha, beta, z) = (.1, .1, .1) beta dies at t = 1.623 and class 1 keeps the unit, from (.2, .9, .2) "
    "alpha at 2.247 and class 2 has it, from (1, 0, -1.1) alpha at 2.662 and none has (unit norms, p = 1)."
)
SETTING = (
    "Paper: unit norms, the loss summed over both classes (p = 1), c = 1 on the left, t from 0 to 12 and these "
    "three starts on the right. Here: the same, one unit and two inputs at a right angle, lr = .01 (--quick: .05), "
    "lr/2 and lr/4; the trajectories on the sheet are ours."
)
END = 12.0
#: Rows (alpha, beta, z).
STARTS = np.array([[0.1, 0.1, 0.1], [0.2, 0.9, 0.2], [1.0, 0.0, -1.1]])
#: Rows (z, angle) of the trajectories drawn on the sheet, tan(angle) = (beta/|x_2|) / (alpha/|x_1|).
_DRAWN = np.array([[1.2, 1.2], [1.2, 1.42], [-1.2, 0.12], [-1.2, 0.5]])
#: How often networks are looked at: after whole steps, with either lr.
_LOOKS = 40


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


class Seen(NamedTuple):
    """The same of networks with some lr at `time`: alpha and beta (T, 3, 2), P (T, 3, 2).

    limits: alpha, beta, and P, as lr -> 0, (T, 3, 4); rest: how far those may be off; floor: by how much the
    networks themselves may.
    """

    time: Floats
    sizes: Floats
    confidence: Floats
    limits: Floats
    rest: Floats
    floor: Floats


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


def reproduce(quick: bool = False) -> Result:
    """alpha, beta and the confidences of the three starts, on their way until t = 12."""
    lr = 0.05 if quick else 0.01
    found = seen(lr)
    at = curves(found.time)
    lines = [line for k in range(len(STARTS)) for line in _lines(k, found, at)]
    parameters = {
        "norms": PAPER.norms, "frequencies": PAPER.frequencies, "lr": lr, "until": END, "starts": STARTS.tolist(),
        "sheet": SHEET, "drawn (z, angle)": _DRAWN.tolist(),
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(found, at, lr))


def seen(lr: float) -> Seen:
    """Networks with lr, lr/2 and lr/4 from the three starts."""
    paths: dict[float, tuple[Floats, Floats]] = {}

    def measure(step: float) -> tuple[Floats, Floats]:
        time, path = looks(STARTS, step, END, _LOOKS)
        P = special.expit(path[..., 2:] * path[..., :2] * LABELS)
        paths[step] = time, np.concatenate([path[..., :2], P], axis=-1)
        return paths[step][1], late(time, path, paths[step][1], step)

    effect, (time, values) = halved(measure, lr), paths[lr]
    floor = np.abs(effect.shift) + effect.rest
    return Seen(time, values[..., :2], values[..., 2:], values - effect.shift, effect.rest, floor)


def late(time: Floats, path: Floats, values: Floats, lr: float) -> Floats:
    """What it costs that a class dies at a step and not at a time, shape of `values`.

    The step goes past 0 by lr |z| g at most, g = 1/2, and z gains up to lr g of that which it should not: e = lr^2
    |z|/4. From then on this is an error e in z and in what belongs to it, and one in time: e over z', with z' = w g
    and w = w.x of the class that is left.
    """
    out = np.zeros_like(values)
    for k in range(path.shape[1]):
        dead = np.any((path[:, k, :2] <= 0.0) & (path[0, k, :2] > 0.0), axis=-1)
        if not dead.any():
            continue
        first = int(np.argmax(dead))
        left, z = float(path[first, k, :2].max()), float(np.abs(path[first, k, 2]))
        error = 0.25 * lr**2 * z
        speed = np.abs(np.gradient(values[:, k], time, axis=0))
        moving = left > 0.0
        delay = error / (left * special.expit(-left * z)) if moving else 0.0
        out[first:, k] = error + speed[first:] * delay if moving else 0.0
    return out


def _words(k: int) -> str:
    return "({:g}, {:g}, {:g})".format(*STARTS[k])


def _lines(k: int, found: Seen, said: Curves) -> list[Line]:
    """alpha, beta and both confidences where they fit least; what is exactly the same at a time is left out."""
    both = {
        "alpha": said.alpha[:, k], "beta": said.beta[:, k],
        "P of class 1": said.confidence[:, k, 0], "P of class 2": said.confidence[:, k, 1],
    }  # fmt: skip
    lines = []
    for i, (name, curve) in enumerate(both.items()):
        off, rest = np.abs(found.limits[:, k, i] - curve), found.rest[:, k, i]
        # What the extrapolation leaves open may pass through 0 on the way: its largest value so far counts.
        allowed = np.maximum.accumulate(rest)
        moving = off > 0.0
        if not moving.any():
            continue
        worst = int(np.argmax(np.divide(off, allowed, out=np.zeros_like(off), where=moving & (allowed > 0.0))))
        what = f"{_words(k)}: {name} at t = {found.time[worst]:g}, where it fits least, networks as lr -> 0"
        lines.append(row(what, float(curve[worst]), float(found.limits[worst, k, i]), float(allowed[worst])))
    return lines


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(found: Seen, at: Curves, lr: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 7.6), layout="constrained")
    figure.suptitle(f"Figure 3: {PAPER}; lines: theory, marks: networks, lr = {lr:g}")
    left, right = figure.subfigures(1, 2, width_ratios=[1.0, 1.75], squeeze=False)[0]
    drawn = on_sheet(_DRAWN[:, 0], _DRAWN[:, 1])
    trained = [evenly(path) for path in np.moveaxis(looks(drawn, lr, END, 60)[1], 1, 0)]
    sheet = left.add_subplot(projection="3d")
    hyperboloid(SHEET, **PAPER._asdict(), starts=drawn, trained=trained, ax=sheet)
    # Else there is no room for the name of the vertical axis.
    sheet.set_box_aspect((1.0, 1.0, 0.9), zoom=0.84)
    sheet.set_title(f"sheet c = {SHEET:g}", y=1.05, fontsize="medium")
    axes = right.subplots(4, len(STARTS), sharex=True, height_ratios=[3.0, 1.4, 3.0, 1.4])
    # Curves are comparable from start to start, what is left of them is not.
    for level in axes[::2]:
        for ax in level[1:]:
            ax.sharey(level[0])
    said = curves()
    for k, column in enumerate(axes.T):
        _start(column, k, found, said, at)
    return figure


def _start(axes: list[Axes], k: int, found: Seen, said: Curves, at: Curves) -> None:
    """alpha and beta, and the confidences, of one start, with a panel of differences beneath each."""
    for i, name in enumerate(("alpha", "beta")):
        pairs = (
            ((said.alpha, said.beta)[i][:, k], (at.alpha, at.beta)[i][:, k], found.sizes[:, k, i], name),
            (said.confidence[:, k, i], at.confidence[:, k, i], found.confidence[:, k, i], f"class {i + 1}"),
        )
        for j, (line, there, network, label) in enumerate(pairs):
            drawing.theory(axes[2 * j], said.time, line, i, label)
            drawing.network(axes[2 * j], found.time, network, i)
            # At the start nothing has happened yet.
            floor = found.floor[1:, k, 2 * j + i]
            drawing.difference(axes[2 * j + 1], found.time[1:], (there - network)[1:], i, floor)
    # The class that dies last on the way: the other one may have had no part in the unit from the beginning.
    side = int(np.argmax(np.where(np.isfinite(said.death[k]), said.death[k], -1.0)))
    axes[0].axvline(said.death[k, side], color="0.5", linewidth=0.8, linestyle=":")
    event = f"{('alpha', 'beta')[side]} dies at {said.death[k, side]:.3f}"
    axes[0].set_title(f"{_words(k)}:\n{event}", fontsize="small")
    first = k == 0
    drawing.finish(axes[0], "", "alpha, beta" if first else "", " " if first else "")
    drawing.finish(axes[1], "", drawing.APART if first else "")
    drawing.finish(axes[2], "", "confidence P" if first else "", " " if first else "")
    drawing.finish(axes[3], drawing.TIME, "|theory - network|" if first else "")


def evenly(path: Floats, number: int = 25) -> Floats:
    """About `number` points of a path (T, 3), evenly along its length."""
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    rows = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], number)).clip(0, len(path) - 1))
    return np.asarray(path[rows])
