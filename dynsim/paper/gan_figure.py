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


def draw(games: dict[str, list[gan.Run]], cases: Any, told: Any, law: Any, lr: float) -> Figure:
    """Samples of each kind of game and the theory's signal above; below, how well the games did, and their signal.

    games: the seeds of each of three kinds. cases: (loss, objective, times); told: for each of them what a trained
    discriminator told at those times, from the start `law` with the step size lr.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16.4, 7.6), layout="constrained")
    steps = next(iter(games.values()))[0].settings.steps
    figure.suptitle(f"Figure 5, left: hinge loss and cross-entropy on Gaussians on a circle, {steps:,} steps")
    (*above, theory), (covered, fair, good, signal) = figure.subplots(2, 4)
    for k, (ax, (kind, runs)) in enumerate(zip(above, games.items(), strict=True)):
        _samples(ax, kind, runs[0], k)
    _law(theory, cases, told, law, lr)
    _through(covered, games, "covered", "modes covered")
    _through(fair, games, "fair", "modes with 1/4 of an equal share")
    _through(good, games, "good", "share of good samples")
    _through(signal, games, "signal", "mean length of the gradient told")
    signal.set_yscale("log")
    seeds = len(next(iter(games.values())))
    drawing.legend_below(covered, f"loss, objective; thick: mean of {seeds} seeds", len(games))
    return figure


def _samples(ax: Axes, kind: str, run: gan.Run, k: int) -> None:
    """The last samples beside as many real points; those outside the frame are counted, not hidden."""
    settings = run.settings
    real = gan_scores.draw(settings.middles, settings.spread, settings.samples, np.random.default_rng(0))
    fake, edge = run.samples[-1], 1.6 * settings.radius
    ax.plot(*real.T, ".", color="0.75", markersize=2, label="real", rasterized=True)
    ax.plot(*fake.T, ".", color=SERIES[k], markersize=2, label="generated", rasterized=True)
    ax.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal")
    outside = int(np.sum(np.any(np.abs(fake) > edge, axis=-1)))
    words = f", {outside:,} outside" if outside else ""
    ax.set_title(f"{kind}, seed {settings.rng}{words}", fontsize="medium")
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
    ax.set_ylim(top=10.0 * ax.get_ylim()[1])
    ax.set_title(f"one fake point; dots: trained, lr = {lr:g}", fontsize="medium")
    drawing.finish(ax, drawing.TIME, "length of the gradient told", "loss, objective")


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
