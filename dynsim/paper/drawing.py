"""How the paper's figures are drawn: theory as lines, networks as dots, a colour and a marker a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim.checks import Floats
from dynsim.plotting import SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dynsim.comparison import Comparison

#: And line styles and markers, for readers without colours.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TIME = "t = lr x step"


def panels(number: int, title: str, *, width: float = 4.2, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side; the caller saves and closes it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * number, height), layout="constrained")
    figure.suptitle(title)
    return figure, list(figure.subplots(1, number, squeeze=False)[0])


def pairs(
    number: int, title: str, *, width: float = 4.2, height: float = 5.0
) -> tuple[Figure, list[Axes], list[Axes]]:
    """A figure with panels side by side, and beneath each one, on the same x axis, one for the differences."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * number, height), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subplots(2, number, sharex="col", squeeze=False, height_ratios=[3, 1.3])
    return figure, list(above), list(below)


def difference(ax: Axes, x: ArrayLike, off: ArrayLike, k: int, floor: ArrayLike | None = None) -> None:
    """How far curve number k and its network are apart, on a logarithmic axis, and above it, thin, the floor.

    What is exactly 0 has no place on the axis and is left out.
    """
    ax.set_yscale("log", nonpositive="mask")
    ax.plot(x, np.abs(np.asarray(off, dtype=float)), color=SERIES[k], linestyle=DASHES[k], linewidth=1.2)
    if floor is not None:
        ax.plot(x, np.broadcast_to(floor, np.shape(x)), color=SERIES[k], linestyle=":", linewidth=0.8)


def logits_apart(ax: Axes, found: Comparison, k: int, point: int = 0) -> None:
    """The difference of a point's logits in a comparison as that of curve number k, with its floor."""
    said, seen = found.theory.logits[:, point], found.empirical.logits[:, point]
    floor = np.abs(found.expected[:, point] - said) + found.spread[:, point]
    # At t = 0 nothing has happened yet.
    difference(ax, found.empirical.time[1:], (said - seen)[1:], k, floor[1:])


def theory(ax: Axes, x: Floats, y: Floats, k: int, label: str | None = None) -> None:
    """Curve number k as a line."""
    ax.plot(x, y, color=SERIES[k], linestyle=DASHES[k], linewidth=1.4, label=label)


def network(ax: Axes, x: Floats, y: Floats, k: int, number: int = 25, *, label: str | None = None) -> None:
    """Curve number k as about `number` dots, evenly over the axis."""
    rows = np.unique(np.argmin(np.abs(x[:, None] - np.linspace(x[0], x[-1], number)), axis=0))
    marks(ax, x[rows], y[rows], k, label=label)


def marks(ax: Axes, x: ArrayLike, y: ArrayLike, k: int, *, filled: bool = False, label: str | None = None) -> None:
    """Measured values as the marks of curve number k."""
    face = SERIES[k] if filled else "none"
    ax.plot(x, y, MARKERS[k], color=SERIES[k], markersize=4.5, markerfacecolor=face, label=label)


def legend_below(ax: Axes, title: str, columns: int) -> None:
    """The curves of `ax`, listed under all panels: where they fill it there is no room among them."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    handles, labels = ax.get_legend_handles_labels()
    style: dict[str, Any] = {"fontsize": "small", "title_fontsize": "small", "frameon": False}
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=title, **style)


def ticks(ax: Axes, values: ArrayLike) -> None:
    """A logarithmic x axis with these values written out."""
    places = np.asarray(values, dtype=float)
    ax.set_xscale("log")
    ax.set_xticks(places, [f"{value:g}" for value in places])
    ax.set_xticks([], minor=True)


def finish(ax: Axes, x: str, y: str, legend: str = "") -> None:
    """Name the axes; with `legend`, its title, list the curves."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if legend:
        ax.legend(fontsize="small", frameon=False, title=legend, title_fontsize="small")
