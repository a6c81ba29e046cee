"""The plane of a unit that one class drives: how it ends, and along which lines (Fig. 2 left (v2))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.fates import Fate
from dynsim.theory import phases

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Three shades that differ in lightness, and for colour-blind readers in hue.
SHADES = {Fate.SOLVES: "#e2f3ec", Fate.DIES: "#f0b58c", Fate.FROZEN: "#a6a6a6"}
#: Marks of measured fates: form and colour both tell them apart.
_FATES: dict[Fate, dict[str, Any]] = {
    Fate.SOLVES: {"marker": "o", "color": "#00674b", "markerfacecolor": "none"},
    Fate.DIES: {"marker": "x", "color": "#8a3c00"},
    Fate.FROZEN: {"marker": ".", "color": "#000000"},
    Fate.SEPARATRIX: {"marker": "D", "color": "#000000", "markerfacecolor": "none"},
    Fate.UNDECIDED: {"marker": "s", "color": "#000000", "markerfacecolor": "none"},
}
#: Colours and marks of paths, in turn; the style of flow lines, and of legends.
PATHS = ("#0072B2", "#000000", "#CC79A7", "#6a3d00", "#56B4E9", "#009E73")
MARKS = ("o", "s", "^", "D", "v", "P")
FLOW: dict[str, Any] = {"color": "0.35", "linewidth": 0.7}
LEGEND: dict[str, Any] = {"fontsize": "small", "frameon": False}
#: From more values than this on one axis, measured fates are drawn as their boundaries.
_SPARSE = 32
#: Flow lines on each side, and dots on a measured boundary.
_LINES, _DOTS = 6, 20


def phase_plane(
    *,
    norm: float = 1.0,
    frequency: float = 1.0,
    loss: str = "cross_entropy",
    y: tuple[float, float] = (-0.4, 1.2),
    z: tuple[float, float] = (-1.5, 1.5),
    starts: ArrayLike | None = None,
    outcomes: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The plane of a unit that one class drives, as Fig. 2 left (v2): what becomes of it, and along which lines.

    Shaded are the fates; drawn are the separatrix y = -\\|x\\| z, the line y = 0 below which nothing moves, and
    flow lines, each on a hyperbola y^2 - \\|x\\|^2 z^2 = const.

    Parameters
    ----------
    norm, frequency : float
        \\|x\\| and p of the class, positive.
    loss : str
        Regions and lines do not depend on it, nor on the frequency; how far the paths of `starts` get does.
    y, z : (float, float)
        The lowest and the highest value of y = w.x (vertical) and of the output weight z (horizontal).
    starts : array_like, shape (k, 2), optional
        Rows (y, z): marked, with the path of each by `dynsim.theory.phases.solve`, up to its death if it dies.
    outcomes : (fates, y, z), optional
        Measured fates, shape (m, n), at y of shape (m,) and z of shape (n,), both increasing. Up to 32 values an
        axis they are marks; of more only the boundaries are drawn, as dots halfway between two networks.
    ax : Axes, optional
        By default one of a new figure, which is neither shown nor saved.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        For numbers out of their range, and for shapes that do not fit.

    Examples
    --------
    >>> ax = phase_plane(norm=0.7, starts=[[0.9, -1.0], [0.5, -1.0]])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('z, output weight', 'y = w.x')
    """
    length, (low, high), (left, right) = checks.number("norm", norm), _range("y", y), _range("z", z)
    law: dict[str, Any] = {"norm": length, "frequency": checks.number("frequency", frequency), "loss": loss}
    losses.get(loss)
    begin = None if starts is None else rows_of("starts", starts, ("y", "z"))
    seen = None if outcomes is None else _outcomes(outcomes)
    ax = _axes(ax)
    _regions(ax, length, (low, high), (left, right))
    _hyperbolas(ax, length, (low, high), (left, right))
    edge = np.array([max(left, -high / length), min(0.0, right)])
    if edge[0] < edge[1]:
        ax.plot(edge, -length * edge, color="black", linewidth=1.6, linestyle="--", label="separatrix y = -|x| z")
    ax.plot([left, right], [0.0, 0.0], color="black", linewidth=1.2, label="y = 0: inactive")
    if seen is not None:
        _measured(ax, *seen)
    if begin is not None:
        _paths(ax, begin, law)
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="z, output weight", ylabel="y = w.x")
    # Above the plane, which is full everywhere.
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2, **LEGEND)
    return ax


def _regions(ax: Axes, norm: float, y: tuple[float, float], z: tuple[float, float]) -> None:
    """The fates as areas; those outside the frame get no entry in the legend."""
    (low, high), (left, right) = y, z
    if high > 0.0 and right > -high / norm:
        top = max(high, -norm * left)
        corners = np.unique(np.clip([left, 0.0, right], left, right))
        bottom = np.maximum(-norm * corners, 0.0)
        shade: dict[str, Any] = {"facecolor": SHADES[Fate.SOLVES], "linewidth": 0}
        ax.fill_between(corners, bottom, top, label="solves the task", **shade)
    if high > 0.0 and left < 0.0:
        corners = np.array([left, min(right, 0.0)])
        shade = {"facecolor": SHADES[Fate.DIES], "linewidth": 0}
        ax.fill_between(corners, 0.0, -norm * corners, label="dies in finite time", **shade)
    if low < 0.0:
        shade = {"facecolor": SHADES[Fate.FROZEN], "edgecolor": "0.5", "hatch": "..", "linewidth": 0}
        ax.fill_between([left, right], low, 0.0, label="frozen from the start", **shade)


def _hyperbolas(ax: Axes, norm: float, y: tuple[float, float], z: tuple[float, float]) -> None:
    """Flow lines through evenly spaced points of the two axes, each with its arrow head."""
    high, (left, right) = y[1], z
    if not high > 0.0:
        return
    across, shares = np.linspace(left, right, 401), (np.arange(_LINES) + 0.5) / _LINES
    lines = [(across, np.hypot(v, norm * across)) for v in high * shares]
    for end in [left] * (left < 0.0) + [right] * (right > 0.0):
        for v in end * shares:
            # Left of z = 0 the unit runs towards y = 0, right of it away.
            angle = np.linspace(0.0, np.arccosh(end / v), 201)[:: int(np.sign(end))]
            lines.append((v * np.cosh(angle), norm * abs(v) * np.sinh(angle)))
    for x, curve in lines:
        inside = (x >= left) & (x <= right) & (curve <= high)
        if np.sum(inside) > 2:
            ax.plot(x[inside], curve[inside], zorder=1.5, **FLOW)
            _head(ax, x[inside], curve[inside], (right - left, high - y[0]))


def _head(ax: Axes, x: Floats, y: Floats, sizes: tuple[float, float]) -> None:
    """An arrow head halfway along a line, in its direction."""
    lengths = np.append(0.0, np.cumsum(np.hypot(np.diff(x) / sizes[0], np.diff(y) / sizes[1])))
    k = int(np.clip(np.searchsorted(lengths, 0.5 * lengths[-1]), 1, len(x) - 1))
    style = {"arrowstyle": "-|>", "color": FLOW["color"], "mutation_scale": 8, "linewidth": 0.0, "shrinkB": 0}
    ax.annotate("", (x[k], y[k]), (x[k - 1], y[k - 1]), arrowprops=style, zorder=1.6)


def _paths(ax: Axes, starts: Floats, law: dict[str, Any]) -> None:
    """The path of each start, up to its death, and that as a cross."""
    # Densest at first: later the logit grows like log t only.
    times = 60.0 / (law["norm"] * law["frequency"]) * np.linspace(0.0, 1.0, 1201) ** 2
    path = phases.solve(starts[:, :1], starts[:, 1:], times=times, **law)
    for k, (y0, z0) in enumerate(starts):
        alive = times < path.death[k, 0]
        colour = PATHS[k % len(PATHS)]
        y, z = path.y[alive, k, 0], path.z[alive, k, 0]
        if not alive.all():
            # The death lies between two of the times.
            z_dead = float(path.z[-1, k, 0])
            y, z = np.append(y, 0.0), np.append(z, z_dead)
            ax.plot([z_dead], [0.0], "X", color=colour, markersize=7, zorder=4, clip_on=False)
        ax.plot(z, y, color=colour, linewidth=2.2, zorder=3)
        marker = MARKS[k % len(MARKS)]
        ax.plot([z0], [y0], marker, color=colour, markersize=7, markeredgecolor="white", zorder=4)


def _measured(ax: Axes, fates: NDArray[np.int64], y: Floats, z: Floats) -> None:
    """Measured fates as marks, or where there are too many as dots on their boundaries."""
    if max(len(y), len(z)) > _SPARSE:
        i, j = _changes(fates, y, z)
        style: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": "black", "markersize": 4.5}
        ax.plot(i, j, "o", linestyle="none", zorder=3.5, label="networks: where fates change", **style)
        return
    for fate, style in _FATES.items():
        rows, columns = np.nonzero(fates == fate)
        if len(rows):
            words = f"network: {fate.name.lower()}"
            ax.plot(z[columns], y[rows], linestyle="none", markersize=4.5, zorder=2.5, label=words, **style)


def _changes(codes: NDArray[np.int64], y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Points (z, y) halfway between neighbours of different fates, about `_DOTS` of each kind of change."""
    across, up = codes[:, 1:] != codes[:, :-1], codes[1:] != codes[:-1]
    i, j = np.nonzero(across)
    k, m = np.nonzero(up)
    points = np.concatenate([
        np.column_stack([0.5 * (z[j] + z[j + 1]), y[i], codes[i, j], codes[i, j + 1]]),
        np.column_stack([z[m], 0.5 * (y[k] + y[k + 1]), codes[k, m], codes[k + 1, m]]),
    ])  # fmt: skip
    kept: list[Floats] = []
    pairs = np.sort(points[:, 2:], axis=1)
    for pair in np.unique(pairs, axis=0):
        own = points[np.all(pairs == pair, axis=1), :2]
        own = own[np.lexsort((own[:, 1], own[:, 0]))]
        kept.append(own[np.unique(np.linspace(0, len(own) - 1, _DOTS).round().astype(int))])
    found = np.concatenate([np.empty((0, 2)), *kept])
    return found[:, 0], found[:, 1]


# ---- arguments -------------------------------------------------------------------------------------------


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def _range(name: str, value: ArrayLike) -> tuple[float, float]:
    ends = checks.array(name, value)
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"{name} must be (low, high) with low below high, got {value!r}")
    return float(ends[0]), float(ends[1])


def rows_of(name: str, value: ArrayLike, columns: tuple[str, ...]) -> Floats:
    rows = checks.array(name, value)
    if rows.ndim != 2 or rows.shape[1] != len(columns):
        raise ValueError(f"{name} must be rows ({', '.join(columns)}), got shape {rows.shape}")
    return rows


def _outcomes(value: tuple[ArrayLike, ArrayLike, ArrayLike]) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The numbers of the fates (m, n), y (m,) and z (n,)."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ValueError(f"outcomes must be (fates, y, z), got {type(value).__name__}")
    y, z = (_rising(name, given) for name, given in zip("yz", value[1:], strict=True))
    given = np.asarray(value[0], dtype=object)
    if given.shape != (len(y), len(z)):
        raise ValueError(f"outcomes: fates must have the shape {(len(y), len(z))} of y and z, got {given.shape}")
    try:
        return np.array([[int(Fate(one)) for one in row] for row in given]), y, z
    except ValueError as error:
        raise ValueError(f"outcomes: fates must be members of Fate, got {error}") from error


def _rising(name: str, value: ArrayLike) -> Floats:
    places = checks.array(f"outcomes: {name}", value, ndim=1)
    if not len(places) or np.any(np.diff(places) <= 0.0):
        raise ValueError(f"outcomes: {name} must be increasing, and at least one number, got {value!r}")
    return places
