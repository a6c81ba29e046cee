"""The sheets on which two classes compete for a unit: who wins where, and along which lines (Fig. 3, 7 (v2))."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks
from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.phase_plots import FLOW, LEGEND, MARKS, PATHS, rows_of
from dynsim.theory import competition

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

#: Two shades that differ in lightness, and for colour-blind readers in hue.
SIDES = {Winner.CLASS_1: "#cfe3f1", Winner.CLASS_2: "#eba777"}
#: Points of a sheet's net along each direction, flow lines from a height, points of a branch of the separatrix.
_NET, _RAYS, _CURVE = 81, 7, 400


def hyperboloid(
    c: float,
    *,
    norms: tuple[float, float] = (1.0, 1.0),
    frequencies: tuple[float, float] = (1.0, 1.0),
    starts: ArrayLike | None = None,
    trained: Sequence[ArrayLike] = (),
    reach: float = 1.5,
    ax: Axes3D | None = None,
) -> Axes3D:
    """The sheets alpha^2/\\|x_1\\|^2 + beta^2/\\|x_2\\|^2 - z^2 = c of Fig. 3 left and Fig. 7 (v2).

    On them, alpha, beta >= 0, lives a unit that two orthogonal inputs activate, with alpha = w.x_1 and
    beta = w.x_2. One sheet for c > 0, two for c < 0, a double cone for c = 0. Coloured by the class that keeps the
    unit; flow lines with arrow heads, and for c > 0 the separatrix and the saddle into which it runs.

    Parameters
    ----------
    c : float
        The invariant.
    norms, frequencies : (float, float)
        \\|x_1\\|, \\|x_2\\| and p_1, p_2, positive.
    starts : array_like, shape (k, 3), optional
        Rows (alpha, beta, z) on the sheets: marked, each with its path by `dynsim.theory.competition.solve`.
    trained : sequence of array_like, shape (T, 3), optional
        Measured trajectories, drawn as dots; they need not lie on the sheets.
    reach : float
        The largest \\|z\\|, positive; for c < 0 above sqrt(-c), where the sheets begin.
    ax : Axes3D, optional
        By default one of a new figure, which is neither shown nor saved. What is drawn later is drawn in front.

    Returns
    -------
    Axes3D

    Raises
    ------
    ValueError
        For numbers out of their range, starts that are not on the sheets, and for an `ax` that is not
        three-dimensional.

    Examples
    --------
    >>> ax = hyperboloid(1.0, starts=[[1.0, 0.0, 0.0]])
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()
    ('alpha = w.x1', 'beta = w.x2', 'z')
    """
    level, a, p = float(checks.array("c", c, ndim=0)), _two("norms", norms), _two("frequencies", frequencies)
    height = checks.number("reach", reach)
    if not height**2 > -level:
        raise ValueError(f"reach must be above sqrt(-c) = {np.sqrt(-level):.10g}, got {reach!r}")
    begin = None if starts is None else _on_sheet(rows_of("starts", starts, ("alpha", "beta", "z")), level, a)
    dots = [rows_of(f"trained[{i}]", path, ("alpha", "beta", "z")) for i, path in enumerate(trained)]
    ax = _axes_3d(ax)
    law: dict[str, Any] = {"norms": a, "frequencies": p}
    seen = _surfaces(ax, level, height, law)
    _flow_lines(ax, level, height, law)
    if level > 0.0:
        _separatrix(ax, level, height, law)
    if begin is not None:
        _trajectories(ax, begin, height, law)
    for k, path in enumerate(dots):
        style = {"marker": MARKS[k % len(MARKS)], "color": PATHS[k % len(PATHS)], "markerfacecolor": "white"}
        inside = np.abs(path[:, 2]) <= height
        ax.plot(*path[inside].T, linestyle="none", markersize=4, zorder=6, **style)
    # From outside, onto the quarter that the sheets are.
    ax.view_init(elev=22.0 if level > 0.0 else 32.0, azim=40.0)
    _named(ax)
    _legend(ax, seen)
    return ax


def _named(ax: Axes3D) -> None:
    """The names of the axes, with room for them."""
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel="alpha = w.x1", ylabel="beta = w.x2", zlabel="z")
    ax.set_box_aspect((1.0, 1.0, 0.9), zoom=0.9)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(MaxNLocator(5))


def _legend(ax: Axes3D, seen: list[Winner]) -> None:
    from matplotlib.patches import Patch

    words = {Winner.CLASS_1: "class 1 wins", Winner.CLASS_2: "class 2 wins"}
    sides = [Patch(facecolor=SIDES[side], edgecolor="0.5", label=words[side]) for side in seen if side in words]
    lines = ax.get_legend_handles_labels()[0]
    ax.legend(handles=[*sides, *lines], loc="upper center", bbox_to_anchor=(0.5, 0.97), ncols=2, **LEGEND)


def _sheets(c: float, reach: float, size: int, norms: tuple[float, float]) -> list[tuple[Floats, Floats, Floats]]:
    """alpha, beta and z on a net of each sheet, all of shape (size, size): a row a height, a column a direction."""
    direction = np.linspace(0.0, 0.5 * np.pi, size)
    if c > 0.0:
        heights = [np.linspace(reach, -reach, size)]
        radii = [np.hypot(np.sqrt(c), heights[0])]
    else:
        radii = [np.linspace(np.sqrt(reach**2 + c), 0.0, size)] * 2
        heights = [sign * np.hypot(radii[0], np.sqrt(-c)) for sign in (1.0, -1.0)]
    (a, b), flat = norms, np.ones(size)
    return [
        (a * np.outer(r, np.cos(direction)), b * np.outer(r, np.sin(direction)), np.outer(z, flat))
        for r, z in zip(radii, heights, strict=True)
    ]


def _surfaces(ax: Axes3D, c: float, reach: float, law: dict[str, Any]) -> list[Winner]:
    """The sheets, each patch in the colour of the winner at its middle; returns which winners there are."""
    from matplotlib.colors import to_rgba

    seen: set[Winner] = set()
    for net in _sheets(c, reach, _NET, law["norms"]):
        middle = [0.25 * (v[1:, 1:] + v[1:, :-1] + v[:-1, 1:] + v[:-1, :-1]) for v in net]
        winners = competition.winner(*middle, **law)
        colours = np.array([[to_rgba(SIDES.get(side, "white")) for side in row] for row in winners])
        style: dict[str, Any] = {"facecolors": colours, "linewidth": 0.0, "shade": False}
        ax.plot_surface(*net, rstride=1, cstride=1, antialiased=False, zorder=1, **style)
        seen.update(winners.flat)
    return sorted(seen)


def _flow_lines(ax: Axes3D, c: float, reach: float, law: dict[str, Any]) -> None:
    """Trajectories from a net of starts, each until it leaves the drawn part, with an arrow head on its way."""
    for net in _sheets(c, reach, 2 * _RAYS + 1, law["norms"]):
        begin = np.stack([v[::_RAYS, 1::2].ravel() for v in net], axis=-1)
        for curve in _solved(begin, reach, law):
            lengths = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1)))
            if lengths[-1] > 0.1 * reach:
                ax.plot(*curve.T, zorder=2, **FLOW)
                k = int(np.searchsorted(lengths, 0.4 * lengths[-1]))
                step = curve[k] - curve[k - 1]
                step *= 0.06 * reach / np.linalg.norm(step)
                ax.quiver(*curve[k], *step, color=FLOW["color"], linewidth=1.0, arrow_length_ratio=1.0, zorder=2)


def _solved(starts: Floats, reach: float, law: dict[str, Any]) -> list[Floats]:
    """The trajectory of each start, shape (T, 3), until \\|z\\| passes `reach`."""
    rate = float(np.mean(np.asarray(law["norms"]) * np.asarray(law["frequencies"])))
    # Densest at first: later the logit grows like log t only.
    times = 60.0 / rate * np.linspace(0.0, 1.0, 601) ** 2
    found = competition.solve(*starts.T, times=times, **law)
    paths = np.stack([found.alpha, found.beta, found.z], axis=-1)
    outside = np.abs(paths[..., 2]) > reach * (1.0 + 1e-12)
    ends = np.where(outside.any(axis=0), np.argmax(outside, axis=0), len(times))
    return [paths[:end, k] for k, end in enumerate(ends)]


def _separatrix(ax: Axes3D, c: float, reach: float, law: dict[str, Any]) -> None:
    curve = competition.separatrix(c, reach=reach, points=_CURVE, **law)
    style: dict[str, Any] = {"color": "black", "linewidth": 2.2, "linestyle": "--", "zorder": 4}
    ax.plot(curve.alpha, curve.beta, curve.z, label="separatrix", **style)
    spot = competition.saddle(c, **law)
    ax.plot([spot.alpha], [spot.beta], [0.0], "o", color="black", markersize=7, zorder=5, label="saddle")


def _trajectories(ax: Axes3D, starts: Floats, reach: float, law: dict[str, Any]) -> None:
    for k, curve in enumerate(_solved(starts, reach, law)):
        colour = PATHS[k % len(PATHS)]
        ax.plot(*curve.T, color=colour, linewidth=2.2, zorder=4)
        ax.plot(*starts[k : k + 1].T, MARKS[k % len(MARKS)], color=colour, markersize=7, zorder=6)


# ---- arguments -------------------------------------------------------------------------------------------


def _axes_3d(ax: Axes3D | None) -> Axes3D:
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import Axes3D

    if ax is None:
        ax = Figure(figsize=(6.4, 6.0), layout="constrained").add_subplot(projection="3d")
    if not isinstance(ax, Axes3D):
        raise ValueError(f"ax must be three-dimensional, made with projection='3d', got {type(ax).__name__}")
    # By default matplotlib sorts whole objects by their distance, which puts lines behind the sheet they are on.
    ax.computed_zorder = False
    return ax


def _two(name: str, value: ArrayLike) -> tuple[float, float]:
    both = checks.positive(name, value)
    if both.shape != (2,):
        raise ValueError(f"{name} must be two numbers, one a class, got shape {both.shape}")
    return float(both[0]), float(both[1])


def _on_sheet(starts: Floats, c: float, norms: tuple[float, float]) -> Floats:
    """`starts`, of which every row must have the invariant c, to some roundings of its terms."""
    found = competition.invariant(*starts.T, norms=norms)
    terms = np.abs(found) + 2.0 * starts[:, 2] ** 2
    off = np.abs(found - c) > 1e-9 * (terms + abs(c))
    if np.any(off):
        k = int(np.argmax(off))
        where = f"got the invariant {found[k]:.10g} in row {k}"
        raise ValueError(f"starts must lie on the sheets of c = {c:g}, {where}")
    return starts
