"""The figure of the claim "gan": samples, how they came about, and what the generator is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynsim.empirical import gan, gan_scores
from dynsim.paper import drawing
from dynsim.plotting import SERIES
from dynsim.theory import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(
    games: dict[str, list[gan.Run]], cases: Any, told: Any, judged: Any, law: Any, lr: float, *, toy: bool
) -> Figure:
    """Samples of each kind of game; below them the theory's signal with its differences, and how the games went.

    games: the seeds of each of three kinds. cases: (loss, objective, times); told: for each of them what a trained
    discriminator told at those times, from the start `law` with the step size lr; judged: the lines of each.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.4, 11.0), layout="constrained")
    one = next(iter(games.values()))[0].settings
    words = f"{one.steps:,} steps of {one.layers} hidden layers of {one.hidden} units"
    size = ": toy size, nothing is learnt" if toy else ""
    figure.suptitle(f"Figure 5, left: hinge loss and cross-entropy on Gaussians on a circle\n{words}{size}")
    above, (theory, covered, signal), (apart, fair, good) = figure.subplots(3, 3, height_ratios=[1.0, 1.0, 0.8])
    for k, (ax, (kind, runs)) in enumerate(zip(above, games.items(), strict=True)):
        _samples(ax, kind, runs[0], k)
    _law(theory, cases, told, law, lr)
    for k, (found, lines) in enumerate(zip(told, judged, strict=True)):
        floor = [line.floor for line in lines]
        drawing.difference(apart, found.time, [line.discrepancy for line in lines], k, floor)
    apart.sharex(theory)
    apart.set_xscale("log")
    theory.tick_params(labelbottom=False)
    drawing.finish(apart, drawing.TIME, "|theory - trained|\n(dotted: floor)")
    _through(covered, games, "covered", "modes covered")
    _through(fair, games, "fair", "modes with 1/4\nof an equal share")
    _through(good, games, "good", "share of good samples")
    _through(signal, games, "signal", "mean length of the gradient told")
    signal.set_yscale("log")
    for ax, most in ((covered, one.modes), (fair, one.modes), (good, 1)):
        ax.set_ylim(-0.03 * most, 1.03 * most)
    seeds = len(next(iter(games.values())))
    drawing.legend_below(covered, f"loss, objective; thick: mean of {seeds} seeds", len(games))
    return figure


def _samples(ax: Axes, kind: str, run: gan.Run, k: int) -> None:
    """The last samples beside as many real points; those outside the frame are counted, not hidden."""
    settings = run.settings
    real = gan_scores.draw(settings.middles, settings.spread, settings.samples, np.random.default_rng(0))
    fake, edge = run.samples[-1], 1.6 * settings.radius
    ax.plot(*real.T, "+", color="0.75", markersize=2, label="real", rasterized=True)
    ax.plot(*fake.T, ".", color=SERIES[k], markersize=2, label="generated", rasterized=True)
    ax.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal")
    outside = int(np.sum(np.any(np.abs(fake) > edge, axis=-1)))
    words = f", {outside:,} outside" if outside else ""
    ax.set_title(f"{kind}\nseed {settings.rng}{words}", fontsize="medium")
    drawing.finish(ax, "x", "y")
    ax.legend(fontsize="small", frameon=False, loc="upper left", markerscale=4)


def _law(ax: Axes, cases: Any, told: Any, law: Any, lr: float) -> None:
    """Lines: closed forms; marks: trained discriminators."""
    end = max(times[-1] for _, _, times in cases)
    t = np.geomspace(0.5, end, 400)
    for k, ((loss, objective, _), found) in enumerate(zip(cases, told, strict=True)):
        curve = generator.signal(t, **law, loss=loss, objective=objective)
        drawing.theory(ax, t, curve, k, f"{loss}, {objective.replace('_', '-')}")
        drawing.marks(ax, found.time, found.signal, k)
    ax.set(xscale="log", yscale="log")
    # Room for the legend above the curve that grows.
    ax.set_ylim(top=30.0 * ax.get_ylim()[1])
    ax.set_title(f"one fake point; dots: trained, lr = {lr:g}", fontsize="medium")
    drawing.finish(ax, "", "length of the gradient told", "loss, objective")


def _through(ax: Axes, games: dict[str, list[gan.Run]], name: str, what: str) -> None:
    """A thin line a seed, a thick one their mean."""
    for k, (kind, some) in enumerate(games.items()):
        for run in some:
            ax.plot(run.step, getattr(run, name), color=SERIES[k], linewidth=0.5, alpha=0.6)
        # Games that diverged end early: the mean is over those that are still played.
        rows = min(len(run.step) for run in some)
        average = np.mean([getattr(run, name)[:rows] for run in some], axis=0)
        style: dict[str, Any] = {"color": SERIES[k], "linestyle": drawing.DASHES[k], "linewidth": 2.2}
        ax.plot(some[0].step[:rows], average, label=kind, **style)
    drawing.finish(ax, "step", what)
