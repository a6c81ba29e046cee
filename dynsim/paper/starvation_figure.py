"""The figure of the claim `starvation`: both features in time, the bounds, depth, and decoupling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim.data import starving_features
from dynsim.paper import decoupled_networks, drawing
from dynsim.paper import starved_networks as seen
from dynsim.plotting import SERIES
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dynsim.paper.starvation import Curves

_END, _LAM = 60.0, 0.1


def figure(
    starts: tuple[tuple[float, float, float], ...], curves: tuple[Curves, Curves], chain: tuple[float, float]
) -> Figure:
    """Four panels; `curves` are Fig. 10 and Fig. 6 as data, `chain` is v1 and v2 of the chains at the start."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10.5, 8.4), layout="constrained")
    drawn.suptitle("Gradient starvation: lines, theory; marks, networks")
    first, second, third, fourth = drawn.subplots(2, 2).ravel()
    _in_time(first, starts)
    _bounds(second, curves)
    _depths(third, chain)
    decoupled_networks.panel(fourth)
    return drawn


def _in_time(ax: Axes, starts: tuple[tuple[float, float, float], ...]) -> None:
    """P on either feature alone for two starts, and the bound that belongs to P on the frequent one."""
    t, data, lr = np.linspace(0.0, _END, 241), starving_features(_LAM), 0.05
    for k, start in enumerate(starts):
        said = starvation.solve(*start, frequency=_LAM, times=t)
        path = seen.followed(seen.unit(*start), data, lr, _END)
        for feature, logit in enumerate((path.strong, path.weak)):
            label = f"P on x{feature + 1}, beta0 = {start[1]:g}"
            drawing.theory(ax, t, said.confidence[:, feature], 2 * k + feature, label)
            drawing.network(ax, path.time, 1.0 / (1.0 + np.exp(-logit)), 2 * k + feature, 15)
    bound = starvation.bound(said.confidence[:, 0], _LAM)
    ax.plot(t, bound, color="0.5", linewidth=1.0, linestyle=":", label="bound for beta0 = 0.01, Thm 6.1")
    drawing.finish(ax, drawing.TIME, "confidence P on one feature alone", f"alpha0 = z0 = 0.1, lam = {_LAM:g}")
    legend = ax.get_legend()
    assert legend is not None
    # In axes: between the curves of the two features.
    legend.set_loc((0.45, 0.46))


def _bounds(ax: Axes, curves: tuple[Curves, Curves]) -> None:
    """What Figs. 10 and 6 plot."""
    names = ("Fig. 10: sigma(lam L)", "Fig. 6: sigma(lam L + 0.1 (1 - lam) sqrt L)")
    for i, (one, name) in enumerate(zip(curves, names, strict=True)):
        for k, (P, values) in enumerate(zip((0.99, 0.9999), one.confidence, strict=True)):
            style = ("-", "--")[i]
            ax.plot(one.frequency, values, style, color=SERIES[k], linewidth=1.3, label=f"{name}, P = {P:g}")
    lam = np.array([0.01, 0.1, 0.2, 0.5])
    moment = [[_learnt(share, beta) for beta in (0.1, 0.1 * share)] for share in lam.tolist()]
    P2 = 1.0 / (1.0 + np.exp(-np.array(moment)))
    drawing.marks(ax, lam, P2[:, 1], 0, filled=True, label="networks at P = 0.99, beta0 = lam alpha0")
    drawing.marks(ax, lam, P2[:, 0], 0, label="networks at P = 0.99, beta0 = alpha0")
    drawing.finish(ax, "frequency lam of x2", "confidence on x2 when that on x1 is P", " ")


def _learnt(lam: float, beta: float) -> float:
    """The logit on x2 alone of a network when P = .99 on x1 alone."""
    path = seen.followed(seen.unit(0.1, beta, 0.1), starving_features(lam), 0.05, 30.0)
    return seen.weak_at(path, np.log(99.0))[0]


def _depths(ax: Axes, chain: tuple[float, float]) -> None:
    """v2 against v1 for chains of some depths; networks up to t = 400."""
    log_t = np.concatenate([np.linspace(-2.0, 12.0, 120), np.linspace(12.5, 1e4, 200)])
    data = starving_features(_LAM)
    for k, depth in enumerate((1, 2, 3, 5)):
        path = starvation.rank_one(*chain, depth=depth, frequency=_LAM, log_times=log_t)
        drawing.theory(ax, path.strong, path.weak, k, f"N = {depth}, slope to {1 - 1 / depth:.3g}")
        record = np.unique(np.geomspace(1, 4000, 14).astype(int))
        run = seen.followed(seen.chain(*chain, depth), data, 0.1, 400.0, record=record)
        drawing.marks(ax, run.strong, run.weak, k)
    ax.set_xscale("log")
    ax.set_yscale("log")
    legend = f"chains of N layers, lam = {_LAM:g}"
    drawing.finish(ax, "v1, the logit on x1 alone", "v2, the logit on x2 alone", legend)
