"""Figures: every function takes `ax=None` and returns the Axes it drew on; nothing is shown or saved here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.phase_plots import phase_plane
from dynsim.sheet_plots import hyperboloid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dynsim.comparison import Comparison
    from dynsim.trajectory import Trajectory

__all__ = [
    "COLOURS",
    "MARKERS",
    "SERIES",
    "comparison",
    "comparison_figure",
    "discrepancy",
    "hyperboloid",
    "phase_plane",
    "trajectory",
]

#: Two colours that differ in lightness, and for colour-blind readers (Okabe and Ito), one a class.
COLOURS = {1: "#0072B2", -1: "#D55E00"}
#: And those of C classes, in turn.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: And two markers, for readers without colours; and line styles.
MARKERS = {1: "o", -1: "s"}
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: No more single points than this are drawn a class.
_DRAWN = 10


def trajectory(run: Trajectory, ax: Axes | None = None) -> Axes:
    """The confidence of each point over time, a colour a class."""
    ax = _axes(ax)
    ids = run.classes is not None
    for label in map(int, np.unique(run.labels)) if ids else LABELS:
        mask = run.labels == label
        if mask.any():
            color = SERIES[label % len(SERIES)] if ids else COLOURS[label]
            _bundle(ax, run.time, run.confidence[..., mask], color=color, label=_class(run, label))
    return _finish(ax, run)


def comparison(found: Comparison, ax: Axes | None = None) -> Axes:
    """The confidence of each point: theory as lines, the run as dots, a colour a class."""
    ax = _axes(ax)
    run, theory = found.empirical, found.theory
    keep = _spread_out(run.time)
    for i, (name, mask) in enumerate(found.groups.items()):
        place = 1 if run.labels[mask][0] == -1 else i
        colour, marker = SERIES[place % len(SERIES)], _MARKERS[place % len(_MARKERS)]
        words, dashes = f"class {name}, theory", _DASHES[place % len(_DASHES)]
        _bundle(ax, run.time, theory.confidence[..., mask], color=colour, linestyle=dashes, label=words)
        _band(ax, theory, mask, colour)
        _bundle(
            ax,
            run.time[keep],
            run.confidence[keep][..., mask],
            color=colour,
            label=f"class {name}, network",
            linestyle="none",
            marker=marker,
            markersize=3.5,
            markerfacecolor="none",
        )
    ax.set_title(f"{found.law}: {found.verdict}", fontsize="medium")
    return _finish(ax, run)


def discrepancy(found: Comparison, ax: Axes | None = None) -> Axes:
    """Largest difference of the logits over time, the floor, and what the floor leaves unexplained."""
    ax = _axes(ax)
    time = found.empirical.time
    if not len(time):
        return ax
    difference = np.abs(found.theory.logits - found.empirical.logits)
    rest = np.abs(found.expected - found.empirical.logits)
    floor = np.abs(found.expected - found.theory.logits) + found.spread
    ax.fill_between(time, 1e-18, _largest(floor), color="0.88", label="floor")
    unsigned = _largest(found.spread)
    ax.plot(time, unsigned, color="0.55", linewidth=1, linestyle="--", label="floor, part without sign")
    ax.plot(time, _largest(difference), color="black", linewidth=1.5, label="|theory - network|")
    if np.any(found.expected != found.theory.logits):
        ax.plot(time, _largest(rest), color="#CC79A7", linewidth=1, linestyle="-.", label="unexplained")
    # At t = 0 nothing has happened yet: that point would only stretch the axis.
    values = np.concatenate([_largest(v)[1:] for v in (difference, rest, found.spread)])
    values = values[np.isfinite(values) & (values > 0)]
    ax.set_yscale("log")
    if values.size:
        ax.set_ylim(max(values.min(), 1e-17) / 3, max(values.max(), _largest(floor).max()) * 3)
    ax.set_xlabel("t = lr x step")
    ax.set_ylabel("difference of logits")
    ax.legend(fontsize="small", framealpha=1.0, edgecolor="none", ncols=2)
    return ax


def comparison_figure(found: Comparison, title: str = "") -> Figure:
    """`comparison` above `discrepancy`, on one time axis. The caller saves and closes it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    comparison(found, above)
    above.set_xlabel("")
    discrepancy(found, below)
    if title:
        figure.suptitle(title)
    return figure


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def _class(run: Trajectory, label: int) -> str:
    plain = format(label, "+d" if run.classes is None else "d")
    return f"class {run.data.class_name(label) if run.data is not None else plain}"


def _band(ax: Axes, theory: Trajectory, mask: NDArray[np.bool_], colour: str) -> None:
    """The band of one network of the law at one point of a class, where the law has one."""
    if theory.lower is None or theory.upper is None:
        return
    point, sign = int(np.flatnonzero(mask)[0]), theory.labels[mask][0]
    both = np.stack([theory.lower, theory.upper]).reshape(2, len(theory.time), -1, len(theory.labels))
    low, high = theory.loss_function.confidence(sign * both[:, :, 0, point])
    ax.fill_between(theory.time, low, high, color=colour, alpha=0.2, linewidth=0)


def _bundle(ax: Axes, time: Floats, curves: Floats, *, label: str, **style: Any) -> None:
    """Curves (T, ..., m) as one bundle with one entry in the legend; time (T,), or (T, ...) a clock each."""
    if not len(time):
        return
    clocks = np.broadcast_to(time.reshape(*time.shape, *[1] * (curves.ndim - time.ndim)), curves.shape)
    clocks = clocks.reshape(len(time), -1)
    flat = curves.reshape(len(time), -1)
    chosen = np.unique(np.linspace(0, flat.shape[1] - 1, min(_DRAWN, flat.shape[1])).astype(int))
    alpha = 1.0 if len(chosen) == 1 else 0.45
    for i, k in enumerate(chosen):
        ax.plot(clocks[:, k], flat[:, k], label=label if i == 0 else None, alpha=alpha, linewidth=1.2, **style)


def _spread_out(time: Floats, number: int = 40) -> Any:
    """Indices of about `number` times, evenly over the time axis."""
    if len(time) <= number:
        return np.arange(len(time))
    return np.unique(np.searchsorted(time, np.linspace(time[0], time[-1], number)).clip(0, len(time) - 1))


def _largest(values: Floats) -> Floats:
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.asarray(np.max(finite.reshape(len(values), -1), axis=1))


def _finish(ax: Axes, run: Trajectory) -> Axes:
    ax.set_xlabel("t = lr x step")
    ax.set_ylabel("confidence" if run.loss_name in ("cross_entropy", "exponential") else "margin y f(x)")
    if ax.lines:
        ax.legend(fontsize="small", frameon=False)
    return ax
