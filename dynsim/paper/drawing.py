"""How the paper's figures are drawn: theory as lines, networks as dots, a colour and a marker a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
FLOOR = "floor"
#: So few differences are marked one by one.
_FEW = 20
#: The limits of a panel in which nothing is left.
_NOTHING = (1e-17, 1e-14)
#: The y axis of a panel of differences.
APART = "|theory - network|\n(dotted: floor)"


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


def difference(
    ax: Axes, x: ArrayLike, off: ArrayLike, k: int, floor: ArrayLike | None = None, *, colour: str = ""
) -> None:
    """How far curve number k and its network are apart, on a logarithmic axis, and above it, thin, the floor.

    What is exactly 0, or not finite, has no place on the axis and is left out; a panel in which nothing is left
    says so. In a legend of the panel the floor is named once. `colour` is for figures that have their own.
    """
    if ax.get_yscale() != "log":
        # Set by hand, as autoscaling warns where nothing is positive.
        ax.set_ylim(*_NOTHING)
        ax.set_yscale("log", nonpositive="mask")
    size = np.abs(np.asarray(off, dtype=float))
    style: dict[str, Any] = {"color": colour or SERIES[k], "linestyle": DASHES[k], "linewidth": 1.2}
    if len(size) <= _FEW:
        style |= {"marker": MARKERS[k], "markersize": 3.5, "markerfacecolor": "none"}
    ax.plot(x, size, **style)
    if floor is not None:
        named = any(line.get_label() == FLOOR for line in ax.lines)
        # Darker, as the step size may explain all of a difference: then one lies on the other.
        style = {"color": _dark(style["color"]), "linestyle": (0, (1, 2.5)), "linewidth": 1.2}
        ax.plot(x, np.broadcast_to(floor, np.shape(x)), label=None if named else FLOOR, **style)
    _span(ax)


def _dark(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(0.4 * part for part in to_rgb(colour))


def _span(ax: Axes) -> None:
    """Limits for all that is drawn, but for the dips where a difference changes its sign."""
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    sizes = [values[np.isfinite(values) & (values > 0.0)] for values in drawn]
    for words in [text for text in ax.texts if text.get_gid() == "nothing"]:
        words.remove()
    if not any(map(len, sizes)):
        ax.set_ylim(*_NOTHING)
        ax.text(0.5, 0.5, "no difference", transform=ax.transAxes, ha="center", va="center", gid="nothing")
        return
    low = min(float(np.quantile(values, 0.03 if len(values) > 50 else 0.0)) for values in sizes if len(values))
    high = max(float(np.max(values)) for values in sizes if len(values))
    # Two decades at least, of which the ends are numbered and nothing in between.
    ax.set_ylim(min(low, 0.04 * high) / 2.0, 2.0 * high)
    ax.yaxis.set_minor_formatter("")


def logits_apart(ax: Axes, found: Comparison, k: int, point: int = 0) -> None:
    """The difference of a point's logits in a comparison as that of curve number k, with its floor."""
    said, seen = found.theory.logits[:, point], found.empirical.logits[:, point]
    floor = np.abs(found.expected[:, point] - said) + found.spread[:, point]
    # At t = 0 nothing has happened yet.
    difference(ax, found.empirical.time[1:], (said - seen)[1:], k, floor[1:])


def confidences_apart(ax: Axes, found: Comparison, k: int, point: int = 0) -> None:
    """The same for a point's confidences: the floor is what the ends of that of the logits make of it."""
    said, seen = (one.confidence[:, point] for one in (found.theory, found.empirical))
    label, confidence = found.empirical.labels[point], found.empirical.loss_function.confidence
    ends = [confidence(label * (found.expected + way * found.spread)[:, point]) for way in (-1.0, 1.0)]
    floor = np.max(np.abs(np.stack(ends) - said), axis=0)
    # Where nothing is judged there is no floor.
    floor[~np.isfinite(found.spread[:, point])] = np.nan
    difference(ax, found.empirical.time[1:], (said - seen)[1:], k, floor[1:])


def compared(found: Mapping[str, Comparison], title: str, classes: Sequence[Sequence[int]] = ()) -> Figure:
    """Comparisons side by side: the confidence of the first point of each class, and below how far it is apart.

    The keys are the panels' titles; `classes`, for each panel, are the numbers of those drawn, by default all.
    """
    figure, above, below = pairs(len(found), title, width=4.8 if len(found) < 3 else 3.5, height=5.6)
    chosen = classes or [range(len(one.groups)) for one in found.values()]
    for ax, apart, some, (name, one) in zip(above, below, chosen, found.items(), strict=True):
        ax.set_title(name, fontsize="medium")
        groups = list(one.groups.items())
        for k, c in enumerate(some):
            point = int(np.flatnonzero(groups[c][1])[0])
            theory(ax, one.empirical.time, one.theory.confidence[:, point], k, f"class {groups[c][0]}")
            network(ax, one.empirical.time, one.empirical.confidence[:, point], k)
            confidences_apart(apart, one, k, point)
        words = "margin u" if one.loss_name in ("hinge", "squared") else "confidence P"
        finish(ax, "", words, "lines: theory, marks: network")
        finish(apart, TIME, APART if apart is below[0] else "|theory - network|")
    return figure


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
