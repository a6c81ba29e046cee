"""Figure 7 (v2): the sheets on which two classes compete for one unit, and who wins where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.paper import drawing
from dynsim.paper.claim import Result, row
from dynsim.paper.figure_3 import evenly
from dynsim.paper.starved_networks import stepped
from dynsim.paper.theorem_3_4 import PAPER, contest, contest_line, looks, on_sheet
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
    "Paper: unit norms, the loss summed over both classes (p = 1), c = 1 and c = -1. Here: the same, one unit and two "
    "inputs at a right angle; 100 x 100 starts on each sheet up to |z| = 2, lr = .01 (--quick: 24 x 24, lr = .05); "
    "eight of them, chosen by us, are drawn until t = 12."
)
#: The invariants, and the largest |z| drawn.
C, REACH = (1.0, -1.0), 2.0
#: Rows (|z|, angle) of the trajectories that are drawn and trained, tan(angle) = (beta/|x_2|) / (alpha/|x_1|).
_DRAWN = {
    1.0: [(1.6, 1.3), (1.6, 1.5), (-1.6, 0.06), (-1.6, 0.4)],
    -1.0: [(1.8, 1.45), (1.8, 1.0), (-1.8, 0.12), (-1.8, 0.6)],
}
_END, _LOOKS = 12.0, 60


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
    """Winners on a grid of each sheet, and the shares of both classes."""
    number, lr = (24, 0.05) if quick else (100, 0.01)
    lines = []
    for sheet in sheets(number):
        found = contest(sheet.starts, lr)
        lines.append(contest_line(found, sheet.words))
        both = (found.predicted, found.measured)
        said, seen = (float(np.mean(winners == Winner.CLASS_1)) for winners in both)
        floor = float(np.mean(found.undecidable))
        lines.append(row(f"{sheet.words}: share of the grid that class 1 wins", said, seen, floor))
    parameters = {
        "norms": PAPER.norms, "frequencies": PAPER.frequencies, "c": list(C), "largest |z|": REACH, "grid": number,
        "lr": lr, "drawn (z, angle)": {f"c = {c:g}": rows for c, rows in _DRAWN.items()},
    }  # fmt: skip
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), _figure(lr))


def _figure(lr: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.4), layout="constrained")
    figure.suptitle(f"Figure 7: {PAPER}; lines: theory, marks: networks, lr = {lr:g}")
    grid = figure.add_gridspec(2, len(C), height_ratios=[4.0, 1.3])
    for k, c in enumerate(C):
        z, angle = np.array(_DRAWN[c]).T
        starts = on_sheet(z, angle, c)
        sheet, below = figure.add_subplot(grid[0, k], projection="3d"), figure.add_subplot(grid[1, k])
        seen = _apart(below, starts, lr)
        law: dict[str, Any] = {**PAPER._asdict(), "reach": REACH}
        hyperboloid(c, starts=starts, trained=[evenly(path) for path in np.moveaxis(seen, 1, 0)], ax=sheet, **law)
        sheet.set_title(f"c = {c:g}: {'one sheet' if c > 0 else 'two sheets'}", y=1.05, fontsize="medium")
        drawing.finish(below, drawing.TIME, drawing.APART, "start (z, angle)")
        below.legend(fontsize="small", frameon=False, title="start (z, angle)", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _apart(below: Axes, starts: Floats, lr: float) -> Floats:
    """How far networks are from the theory, in alpha, beta and z together; returns their paths, (T, k, 3)."""
    time = looks(starts, lr, _END, _LOOKS)[0]
    found = stepped(lambda step: looks(starts, step, _END, _LOOKS)[1], lr)
    said = competition.solve(*starts.T, **PAPER._asdict(), times=time)
    off = np.linalg.norm(np.stack([said.alpha, said.beta, said.z], axis=-1) - found.value, axis=-1)
    floor = np.linalg.norm(found.floor, axis=-1)
    for k in range(len(starts)):
        drawing.difference(below, time[1:], off[1:, k], k, floor[1:, k])
    return found.value
