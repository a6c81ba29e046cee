"""Figure 7 (v2): the sheets on which two classes compete for one unit, and who wins where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.paper import figure_3
from dynsim.paper.claim import Result, row
from dynsim.paper.figure_3 import PAPER, contest, contest_line, evenly, looks
from dynsim.sheet_plots import hyperboloid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "figure_7"
SOURCE = "Fig. 7, A.8 (v2)"
STATEMENT = (
    "On the one sheet of c = 1 the separatrix divides what class 1 wins from what class 2 wins; of the two sheets "
    "of c = -1 class 1 wins all of the one with z > 0, class 2 all of the other."
)
#: The invariants, and the largest |z| drawn.
C, REACH = (1.0, -1.0), 2.0
#: Rows (|z|, angle) of the trajectories that are drawn and trained, tan(angle) = (beta/|x_2|) / (alpha/|x_1|).
_DRAWN = {
    1.0: [(1.6, 1.3), (1.6, 1.5), (-1.6, 0.06), (-1.6, 0.4)],
    -1.0: [(1.8, 1.45), (1.8, 1.0), (-1.8, 0.12), (-1.8, 0.6)],
}
_END = 12.0


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
    return np.moveaxis(figure_3.on_sheet(z[:, None], angles, c), -1, 0)


def reproduce(quick: bool = False) -> Result:
    """Winners on a grid of each sheet, and the shares of both classes."""
    number, lr = (40, 0.04) if quick else (100, 0.01)
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

    figure = Figure(figsize=(12.0, 6.0), layout="constrained")
    figure.suptitle(f"Figure 7: {PAPER}; lines: theory, marks: networks, lr = {lr:g}")
    for k, c in enumerate(C):
        z, angle = np.array(_DRAWN[c]).T
        starts = figure_3.on_sheet(z, angle, c)
        law: dict[str, Any] = {**PAPER._asdict(), "reach": REACH}
        ax = figure.add_subplot(1, 2, k + 1, projection="3d")
        seen = [evenly(path) for path in np.moveaxis(looks(starts, lr, _END, 150)[1], 1, 0)]
        hyperboloid(c, starts=starts, trained=seen, ax=ax, **law)
        ax.set_title(f"c = {c:g}: {'one sheet' if c > 0 else 'two sheets'}", y=1.05, fontsize="medium")
    return figure
