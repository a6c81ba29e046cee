"""The figure of Table 2 (v2): pictures, confidence through training, logits, saliency and accuracies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynsim.brightness import TRAININGS, BrightnessResult
from dynsim.checks import Floats
from dynsim.dataset import LABELS
from dynsim.paper import drawing
from dynsim.plotting import COLOURS, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Table 2 (v2), accuracy on untouched pictures.
PAPER = 0.432
#: Of the classes, for readers without colours.
STYLES, HATCHES = {1: "--", -1: ":"}, {1: None, -1: "///"}
#: So many names of pairs fit side by side.
_UPRIGHT = 6


def figure(found: list[BrightnessResult], names: list[str], *, toy: bool = False) -> Figure:
    """Six panels: five about the first pair of classes, the last about all of them."""
    from matplotlib.figure import Figure

    one = found[0]
    whole = Figure(figsize=(11.6, 7.8), layout="constrained")
    number = f"{len(one.test)} networks of toy size" if toy else f"{len(one.test)} networks"
    whole.suptitle(f"Table 2, brightness in place of shape: {names[0]}, mean of {number}; pixels from 0 to 1")
    (a, b, c), (d, e, f) = whole.subplots(2, 3)
    _pictures(a, one)
    _confidences(b, one)
    _logits(c, one)
    maps = {training: _grey(one.saliency(training)) for training in ("modified", "untouched")}
    top = max(float(values.max()) for values in maps.values())
    for ax, (training, values) in zip((d, e), maps.items(), strict=True):
        _image(ax, values, top, f"saliency, trained on {training} pictures\nmean |df/dx|: black 0, white {top:.2g}")
    _accuracies(f, found, names)
    return whole


def _grey(picture: Floats) -> Floats:
    return picture if picture.ndim == 2 else np.asarray(picture.mean(axis=-1))


def _image(ax: Axes, values: Floats, top: float, title: str) -> None:
    ax.imshow(values, cmap="gray", vmin=0.0, vmax=top, interpolation="nearest")
    ax.set_title(title, fontsize="medium")
    drawing.finish(ax, "column", "row")


def _pictures(ax: Axes, one: BrightnessResult) -> None:
    """A picture of each class, untouched above and modified below."""
    first = [int(np.flatnonzero(one.untouched.mask(label))[0]) for label in (one.dark, -one.dark)]
    shown = [[_grey(data.X[i].reshape(one.shape)) for i in first] for data in (one.untouched, one.modified)]
    high, wide = shown[0][0].shape
    _image(ax, np.block(shown), 1.0, "a picture of each class\nabove untouched, below modified")
    ax.axhline(high - 0.5, color=SERIES[4], linewidth=2.0)
    ax.axvline(wide - 0.5, color=SERIES[4], linewidth=2.0)
    ax.set_xticks([0, wide - 1, wide, 2 * wide - 1], ["0", str(wide - 1), "0", str(wide - 1)])
    ax.set_yticks([0, high - 1, high, 2 * high - 1], ["0", str(high - 1), "0", str(high - 1)])


def _confidences(ax: Axes, one: BrightnessResult) -> None:
    """Mean confidence in the right class on test pictures, through training."""
    dark, bright = (one.untouched.class_name(label) for label in (one.dark, -one.dark))
    curves = (
        ("modified, on modified", one.confidence("modified", "modified")),
        (f"modified, on untouched {dark}", one.confidence("modified", "untouched", one.dark)),
        (f"modified, on untouched {bright}", one.confidence("modified", "untouched", -one.dark)),
        ("untouched, on untouched", one.confidence("untouched", "untouched")),
    )
    time = one.runs["modified"].time
    for k, (label, values) in enumerate(curves):
        drawing.theory(ax, time[1:], values.mean(axis=-1)[1:], k, label)
    ax.set_xscale("log")
    # Room for the legend above the curves.
    ax.set_ylim(-0.05, 1.7)
    ax.set_yticks(np.linspace(0.0, 1.0, 6))
    drawing.finish(ax, drawing.TIME, "mean confidence in the right class", "trained on, tested on")
    ax.set_title("confidence on test pictures", fontsize="medium")


def _logits(ax: Axes, one: BrightnessResult) -> None:
    """Where the networks trained on modified pictures put the test pictures of each class."""
    shown = {
        (images, label): one.logits("modified", images)[-1][one.test & one.untouched.mask(label)]
        for images in ("untouched", "modified")
        for label in LABELS
    }
    every = np.concatenate(list(shown.values()))
    edges = np.linspace(every.min(), every.max(), 60).tolist()
    for (images, label), values in shown.items():
        style: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.55, "hatch": HATCHES[label]}
        if images == "modified":
            style = {"histtype": "step", "linestyle": STYLES[label]}
        name = f"{images} {one.untouched.class_name(label)}"
        ax.hist(values, edges, density=True, color=COLOURS[label], label=name, **style)
    ax.axvline(0.0, color="black", linewidth=0.8)
    # Room for the legend above the densities.
    ax.set_ylim(top=1.55 * ax.get_ylim()[1])
    side = "right" if one.dark == 1 else "left"
    drawing.finish(ax, "logit f", "density of test pictures", f"{side} of 0: called dark")
    ax.set_title("trained on modified pictures", fontsize="medium")


def _accuracies(ax: Axes, found: list[BrightnessResult], names: list[str]) -> None:
    """Accuracy on untouched test pictures, with two standard errors."""
    place = np.arange(len(found), dtype=np.float64)
    for k, training in enumerate(TRAININGS):
        values = np.array([one.accuracy(training) for one in found])
        error = 2.0 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
        words = {"decoupled": "modified, decoupled"}.get(training, training)
        ax.errorbar(
            place + 0.12 * (k - 1), values.mean(axis=1), error, linestyle="none", marker=drawing.MARKERS[k],
            color=SERIES[k], markerfacecolor="white", markersize=5, capsize=3, label=words,
        )  # fmt: skip
    ax.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    ax.axhline(PAPER, color="black", linewidth=0.8, linestyle="--")
    ax.set_ylim(0.4, 1.05)
    ax.set_xlim(-0.5, len(found) - 0.5)
    if len(names) <= _UPRIGHT:
        ax.set_xticks(place, [name.replace(", ", ",\n") for name in names], fontsize="small")
    else:
        ax.set_xticks(place, names, fontsize="small", rotation=90)
    drawing.finish(ax, "classes", "accuracy on untouched test pictures", "trained on")
    ax.set_title("bars: two standard errors; dotted: chance;\ndashed: cats and dogs, Table 2", fontsize="medium")
