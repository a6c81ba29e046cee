"""Beyond the paper: the lazy limit of a large imbalance, where the logit is a Wright function of time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical.training import train
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, row
from dynsim.paper.setting import judged, logit_lines, trained
from dynsim.paper.starved_networks import Limits, limits
from dynsim.theory import bounds
from dynsim.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "lazy_limit"
SOURCE = "docs/theory.md, section 5"
STATEMENT = (
    "A class whose imbalance C is large beside its logit learns as if without a hidden layer: u + e^u grows by "
    "2 kappa C t, so that u = K - omega(K) with Wright's function, up to a share (u/C)^2/2 of the time."
)
SETTING = (
    "Not in the paper, whose A.3 stops at the quadrature. Here |x| = 1 and p = .5 for both classes, four units a "
    "class from u0 = .1 with C = 2 to 256 (rng 1), until 2 kappa C t = 500, lr C = .2 (--quick: .5, and C = 4 to "
    "64); without a hidden layer orthogonal inputs, until p |x|^2 t = 100, lr = .2 (.5)."
)
NORM, FREQUENCY, INITIAL = 1.0, 0.5, 0.1
#: 2 kappa C t at the end, and where the logit is judged.
END, LOOKS = 500.0, (5.0, 50.0, 500.0)
IMBALANCES = (2.0, 4.0, 8.0, 16.0, 64.0, 256.0)
#: From here on the limit says something of the logit; below, the correction is as large as that.
_JUDGED = 16.0
#: max (u + e^u)/(1 + e^u), at e^u (u - 2) = 1: as u0 > 0, the limit grows no faster with log t.
FASTEST = 1.0 + float(special.lambertw(np.exp(-2.0)).real)


def limit(grown: ArrayLike, initial: ArrayLike = INITIAL) -> Floats:
    """The logit at which u + e^u has grown by `grown`: K - omega(K), K = grown + u0 + e^u0.

    omega is Wright's function, omega + log omega = K. `grown` is 2 kappa C t in the lazy limit, and p |x|^2 t
    without a hidden layer; t = lr x step.

    Examples
    --------
    >>> limit([0.0, 5.0, 500.0]).round(4)
    array([0.1   , 1.5401, 6.2046])
    """
    u0 = checks.array("initial", initial)
    K = checks.nonnegative("grown", grown) + u0 + np.exp(u0)
    # K - omega is log omega, without the cancellation.
    return np.asarray(np.log(special.wrightomega(K)))


def correction(grown: ArrayLike, imbalance: ArrayLike) -> Floats:
    """How far above the limit the logit may be: with a share e of the time gained, log t grows by e at most.

    du/dt = 2 kappa C g sqrt(1 + (u/C)^2), at most a factor 1 + e faster than the limit, e = (u/C)^2/2, with the
    largest u so far; and u is at most bound (5.9). So it is reached by the limit at (1 + e) t, and there by
    FASTEST e higher at most.
    """
    s, C = np.asarray(grown, dtype=float), np.asarray(imbalance, dtype=float)
    rate = NORM * FREQUENCY
    largest = bounds.upper_bound(s / (2.0 * rate * C), initial=INITIAL, rate=rate, imbalance=C)
    return np.asarray(FASTEST * 0.5 * (largest / C) ** 2)


def reproduce(quick: bool = False) -> Result:
    """Networks of growing imbalance against the limit, the order of what is left, and one layer."""
    step = 0.5 if quick else 0.2
    chosen = IMBALANCES[1:-1] if quick else IMBALANCES
    lines = [line for C in chosen if C >= _JUDGED for line in limit_lines(C, step)]
    lines += [order_line(step), *single_layer(step)]
    parameters = {
        "norm": NORM, "frequency": FREQUENCY, "initial": INITIAL, "hidden": 8, "rng": 1, "imbalances": list(chosen),
        "until 2 kappa C t": END, "lr C": step, "lr of one layer": step,
    }  # fmt: skip
    figure = _figure(chosen, step)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), figure)


@cache
def run(imbalance: float, step: float) -> Trajectory:
    """A network of that imbalance; lr C = `step`, so that all networks take equally many steps."""
    data = point_classes((NORM, NORM), (FREQUENCY, FREQUENCY))
    network = init.class_aligned(data, 8, initial=INITIAL, imbalance=imbalance, rng=1)
    steps = round(END / (2.0 * NORM * FREQUENCY * step))
    return train(network, data, lr=step / imbalance, steps=steps, record="all")


def grown(found: Trajectory, imbalance: float) -> Floats:
    """2 kappa C t of a run."""
    return np.asarray(2.0 * NORM * FREQUENCY * imbalance * found.time)


def at(imbalance: float, looks: ArrayLike, step: float) -> Limits:
    """The logit of networks when 2 kappa C t has these values, as lr -> 0."""

    def measure(size: float) -> tuple[Floats, Floats]:
        rows = np.rint(np.asarray(looks, dtype=float) / (2.0 * NORM * FREQUENCY * size)).astype(int)
        return run(imbalance, size).margin[rows, 0], np.zeros(len(rows))

    return limits(measure, step)


def limit_lines(imbalance: float, step: float) -> list[Line]:
    """The logit at three times; the floor is the correction, and what the step size leaves open."""
    found, said = at(imbalance, LOOKS, step), limit(LOOKS)
    allowed = correction(LOOKS, imbalance) + found.floor
    return [
        row(f"C = {imbalance:g}: logit at 2 kappa C t = {s:g}, networks as lr -> 0", *map(float, numbers))
        for s, *numbers in zip(LOOKS, said, found.value, allowed, strict=True)
    ]


def order_line(step: float) -> Line:
    """With which power of 1/C the difference falls, from C = 16 and 64.

    The next term of the difference is smaller by another 1/C^2: what it does to the power falls by 16 from C = 4
    and 16 to C = 16 and 64, so that it is 1/15 of the change. The floor is twice that, and the step size.
    """
    found = [at(C, LOOKS[1:2], step) for C in (4.0, 16.0, 64.0)]
    off = np.array([one.value[0] for one in found]) - limit(LOOKS[1])
    coarse, fine = np.log(np.abs(off[:-1] / off[1:])) / np.log(4.0)
    reading = sum(float(one.floor[0]) / abs(d) for one, d in zip(found[1:], off[1:], strict=True)) / np.log(4.0)
    what = f"power of 1/C with which the difference at 2 kappa C t = {LOOKS[1]:g} falls, C = 16 and 64"
    return row(what, 2.0, float(fine), 2.0 * abs(float(fine - coarse)) / 15.0 + float(reading))


def single_layer(step: float) -> list[Line]:
    """Logistic regression has the same formula with p |x|^2 t, exactly; its classes have to be orthogonal."""
    data = point_classes((NORM, NORM), (FREQUENCY, FREQUENCY), angle=90)
    network = init.class_aligned(data, 2, initial=INITIAL, depth=1, rng=1)
    made = trained(data, network, lr=step, until=200.0, depth=1, initial=INITIAL)
    lines = logit_lines(made, judged(made), "one layer, N = 1")[:1]
    said = float(limit(FREQUENCY * NORM**2 * 200.0))

    def measure(size: float) -> tuple[Floats, Floats]:
        last = train(network, data, lr=size, steps=round(200.0 / size), record=2)
        return last.margin[-1, :1], np.zeros(1)

    found = limits(measure, step)
    what = "one layer, N = 1: logit at p |x|^2 t = 100 by Wright's function, networks as lr -> 0"
    return [*lines, row(what, said, float(found.value[0]), float(found.floor[0]))]


# ---- the figure --------------------------------------------------------------------------------------------

#: Dotted are the floors.
_STYLES = (0, 1, 2, 4)


def _figure(chosen: tuple[float, ...], step: float) -> Figure:
    title = f"The lazy limit, u0 = {INITIAL:g}; line: Wright's function; marks: networks, lr C = {step:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=5.0, height=5.6)
    _in_time(left, below[0], chosen, step)
    _in_imbalance(right, below[1], chosen, step)
    return figure


def _in_time(ax: Axes, below: Axes, chosen: tuple[float, ...], step: float) -> None:
    """Four networks over 2 kappa C t, and the limit."""
    shown = chosen[-4:]
    unit = 2.0 * NORM * FREQUENCY * step
    s = np.geomspace(unit, END, 300)
    ax.plot(s, limit(s), color="black", linewidth=1.4, label="limit")
    looks = unit * np.unique(np.rint(np.geomspace(1.0, END / unit, 40)).astype(int))
    for k, C in zip(_STYLES, shown, strict=True):
        found, said = at(C, looks, step), limit(looks)
        drawing.marks(ax, looks[::2], found.value[::2], k, label=f"C = {C:g}")
        drawing.difference(below, looks, said - found.value, k, correction(looks, C) + found.floor)
    ax.set_xscale("log")
    drawing.finish(ax, "", "logit u of class +1", "networks as lr -> 0")
    drawing.finish(below, "2 kappa C t,  " + drawing.TIME, drawing.APART)


def _in_imbalance(ax: Axes, below: Axes, chosen: tuple[float, ...], step: float) -> None:
    """The logit at two times over C."""
    C = np.array(chosen)
    for k, s in enumerate(LOOKS):
        found = [at(each, [s], step) for each in chosen]
        value, floor = (np.array([getattr(one, name)[0] for one in found]) for name in ("value", "floor"))
        drawing.theory(ax, C, np.full(len(C), limit(s)), k, f"2 kappa C t = {s:g}")
        drawing.marks(ax, C, value, k)
        drawing.difference(below, C, limit(s) - value, k, correction(s, C) + floor)
    drawing.ticks(ax, C)
    # Between the curves there is room, and above them too.
    ax.set_ylim(0.0, 10.5)
    drawing.finish(ax, "", "logit u of class +1", "lines: limit")
    drawing.finish(below, "imbalance C", drawing.APART)
