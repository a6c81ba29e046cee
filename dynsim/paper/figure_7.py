"""Figure 7 (v2): the sheets on which two classes compete for one unit, and who wins where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.figure_3 import evenly, late
from dynsim.paper.theorem_3_4 import PAPER, contest, contest_line, looks, on_sheet
from dynsim.paper.timing import halved
from dynsim.sheet_plots import hyperboloid
from dynsim.theory import competition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "figure_7"
SOURCE = "Fig. 7, A.8 (v2)"
STATEMENT = (
    "On the one sheet of c = 1 the separatrix divides what class 1 wins from what class 2 wins; of the two sheets "
    "of c = -1 class 1 wins all of the one with z > 0, class 2 all of the other."
)
SETTING = (
    "Paper: unit norms, the loss summed over both classes (p = 1), c = 1 and c = -1. Here: the same, one unit and "
    "two inputs at a right angle; 100 x 100 starts on each sheet up to |z| = 2, lr = .01 (--quick: 20 x 20, lr = "
    ".05); eight trajectories, chosen by us, are drawn and judged until t = 12."
)
#: The invariants, and the largest |z| drawn.
C, REACH = (1.0, -1.0), 2.0
#: Rows (|z|, angle) of the trajectories that are drawn and trained, tan(angle) = (beta/|x_2|) / (alpha/|x_1|).
_DRAWN = {
    1.0: [(1.6, 1.3), (1.6, 1.5), (-1.6, 0.06), (-1.6, 0.4)],
    -1.0: [(1.8, 1.45), (1.8, 1.0), (-1.8, 0.12), (-1.8, 0.6)],
}
_END, _LOOKS = 12.0, 48
#: Dotted are the floors.
_STYLES = (0, 1, 2, 4)


class Paths(NamedTuple):
    """alpha, beta and z on the last axis of the drawn trajectories of one c, (T, k, 3), at `time`.

    seen: networks. limit: as lr -> 0; rest: how far that may be off; floor: how far `seen` may be.
    """

    time: Floats
    starts: Floats
    said: Floats
    seen: Floats
    limit: Floats
    rest: Floats
    floor: Floats


class Sheet(NamedTuple):
    """A grid on one sheet: starts (3, m, n), rows alpha, beta, z, and what z is of, in words."""

    starts: Floats
    words: str


def sheets(number: int) -> tuple[Sheet, ...]:
    """Grids of number x number starts: on the one sheet of c = 1, and on each of the two of c = -1.

    The heights and the angles lie in the middle of equal steps, so that no start is on an edge, where the unit is
    inactive on one of the inputs from the beginning.

    Examples
    --------
    >>> [(sheet.words, sheet.starts.shape) for sheet in sheets(10)]
    [('c = 1', (3, 10, 10)), ('c = -1, z > 0', (3, 10, 10)), ('c = -1, z < 0', (3, 10, 10))]
    """
    share = (np.arange(number) + 0.5) / number
    angles, high = 0.5 * np.pi * share, REACH - (REACH - 1.0) * share
    return (
        Sheet(_grid(1.0, REACH * (2.0 * share - 1.0), angles), "c = 1"),
        Sheet(_grid(-1.0, high, angles), "c = -1, z > 0"),
        Sheet(_grid(-1.0, -high, angles), "c = -1, z < 0"),
    )


def _grid(c: float, z: Floats, angles: Floats) -> Floats:
    return np.moveaxis(on_sheet(z[:, None], angles, c), -1, 0)


def reproduce(quick: bool = False) -> Result:
    """Winners on a grid of each sheet, the shares of both classes, and some trajectories."""
    number, lr = (20, 0.05) if quick else (100, 0.01)
    lines = []
    for sheet in sheets(number):
        found = contest(sheet.starts, lr)
        lines.append(contest_line(found, sheet.words))
        both = (found.predicted, found.measured)
        said, seen = (float(np.mean(winners == Winner.CLASS_1)) for winners in both)
        floor = float(np.mean(found.undecidable))
        lines.append(row(f"{sheet.words}: share of the grid that class 1 wins", said, seen, floor))
    drawn = {c: paths(c, lr) for c in C}
    lines += [path_line(c, found) for c, found in drawn.items()]
    parameters = {
        "norms": PAPER.norms, "frequencies": PAPER.frequencies, "c": list(C), "largest |z|": REACH, "grid": number,
        "lr": lr, "drawn (z, angle)": {f"c = {c:g}": rows for c, rows in _DRAWN.items()},
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(drawn, lr))


def paths(c: float, lr: float) -> Paths:
    """The drawn trajectories: by the theory, and of networks with lr, lr/2 and lr/4."""
    z, angle = np.transpose(_DRAWN[c])
    starts = on_sheet(z, angle, c)
    found: dict[float, tuple[Floats, Floats]] = {}

    def measure(step: float) -> tuple[Floats, Floats]:
        time, path = found[step] = looks(starts, step, _END, _LOOKS)
        return path, late(time, path, path, step)

    effect, (time, seen) = halved(measure, lr), found[lr]
    said = competition.solve(*starts.T, **PAPER._asdict(), times=time)
    path = np.stack([said.alpha, said.beta, said.z], axis=-1)
    return Paths(time, starts, path, seen, seen - effect.shift, effect.rest, np.abs(effect.shift) + effect.rest)


def path_line(c: float, found: Paths) -> Line:
    """The coordinate that fits least; what the extrapolation leaves open is taken at its largest so far."""
    allowed = np.maximum.accumulate(found.rest)
    off = np.abs(found.limit - found.said)
    strain = np.divide(off, allowed, out=np.zeros_like(off), where=allowed > 0.0)
    i, k, name = np.unravel_index(int(np.argmax(strain)), strain.shape)
    z, angle = _DRAWN[c][k]
    who = f"c = {c:g}: {('alpha', 'beta', 'z')[name]} from (z, angle) = ({z:g}, {angle:g})"
    numbers = (float(each[i, k, name]) for each in (found.said, found.limit, allowed))
    return row(f"{who} at t = {found.time[i]:g}, which fits least, lr -> 0", *numbers)


def _figure(drawn: dict[float, Paths], lr: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.2), layout="constrained")
    figure.suptitle(f"Figure 7: {PAPER}; lines: theory, marks: networks, lr = {lr:g}")
    grid = figure.add_gridspec(2, len(C), height_ratios=[4.0, 1.5])
    for k, (c, found) in enumerate(drawn.items()):
        sheet, below = figure.add_subplot(grid[0, k], projection="3d"), figure.add_subplot(grid[1, k])
        law: dict[str, Any] = {**PAPER._asdict(), "reach": REACH}
        seen = [evenly(path) for path in np.moveaxis(found.seen, 1, 0)]
        hyperboloid(c, starts=found.starts, trained=seen, ax=sheet, **law)
        sheet.set_title(f"c = {c:g}: {'one sheet' if c > 0 else 'two sheets'}", y=1.05, fontsize="medium")
        _apart(below, found, _DRAWN[c])
    return figure


def _apart(ax: Axes, found: Paths, drawn: list[tuple[float, float]]) -> None:
    """How far networks are from the theory, in alpha, beta and z together."""
    off, floor = (np.linalg.norm(each, axis=-1) for each in (found.said - found.seen, found.floor))
    for k, (z, angle) in zip(_STYLES, drawn, strict=True):
        i = _STYLES.index(k)
        # At the start nothing has happened yet.
        drawing.difference(ax, found.time[1:], off[1:, i], k, floor[1:, i])
        ax.lines[-2].set_label(f"({z:g}, {angle:g})")
    ax.set_ylim(bottom=0.03 * ax.get_ylim()[0])
    drawing.finish(ax, drawing.TIME, drawing.APART)
    style: dict[str, Any] = {"fontsize": "small", "frameon": False, "ncols": 3, "loc": "lower center"}
    ax.legend(**style, title="start (z, angle)", title_fontsize="small", columnspacing=1.0, handlelength=1.8)
