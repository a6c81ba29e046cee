"""A.3 (v2): the time of eq 15, imbalanced starts, bound (19), and a clock that must know the sign of its start."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from dynsim import init
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import point_classes
from dynsim.empirical.training import train
from dynsim.paper import drawing, timing
from dynsim.paper.claim import Line, Result, explained, row
from dynsim.paper.setting import Experiment, experiment, judged, logit_lines
from dynsim.paper.starved_networks import limits, stepped
from dynsim.theory import bounds, modes
from dynsim.trajectory import Trajectory, first_crossing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "appendix_a3"
SOURCE = "App. A.3, eq 15, bound (19) (v2)"
STATEMENT = (
    "A balanced class reaches a logit at 2 kappa t = [log u + Ei(u)], an imbalanced one at a time that is a "
    "quadrature; and u <= 2 log(kappa t + e^(u0/2)). The clock starts at an arcsinh, not at an arccosh."
)
SETTING = (
    "Paper: one unit, cross-entropy, no numbers. Here: |x| = 1, 2 and p = .7, .3, two units a class, C = 0, .1 and "
    "1 from u0 = .01 and 1, C = 6 from u0 = 1 and 2, until t = 30; and one unit with |x| = 1, p = .5 from y = .6, "
    "z = -.4, that is C = .1, u0 = -.24, until t = 40; lr = .01 (--quick: .04)."
)
IMBALANCES, END = (0.0, 0.1, 1.0), 30.0
#: The logits from which the two classes start; those for C = 6, where the bound needs a larger factor.
INITIAL, LARGE, LATER = (0.01, 1.0), 6.0, (1.0, 2.0)
#: The confidences whose times are judged.
LEVELS = (0.6, 0.9, 0.99)
#: A unit with z < 0 that solves its task, since y > -|x| z; norm and frequency of its class.
Y, Z, NORM, FREQUENCY = 0.6, -0.4, 1.0, 0.5
#: u0 = y z and C = |y^2 - |x|^2 z^2|/(2 |x|) of it.
BELOW, UNEVEN = Y * Z, (Y**2 - (NORM * Z) ** 2) / (2.0 * NORM)
#: When its logit is judged, the level whose time is, and how long it is trained.
LOOK, LEVEL, UNTIL = 15.0, 0.9, 40.0


def reproduce(quick: bool = False) -> Result:
    """Paths and times of networks, the bound on each of their steps, and a start below 0."""
    lr = 0.04 if quick else 0.01
    made = [_trained(C, lr) for C in IMBALANCES]
    found = tuple(judged(one) for one in made)
    lines: list[Line] = []
    for C, one, comparison in zip(IMBALANCES, made, found, strict=True):
        what = "C = 0, eq 15" if C == 0.0 else f"C = {C:g}, quadrature"
        lines += [*timing.time_lines(one, LEVELS, what, (1,)), *logit_lines(one, comparison, what)]
    wide = experiment(hidden=4, lr=lr, until=END, initial=LATER, imbalance=LARGE, rng=3)
    lines += [bound_line(C, one) for C, one in zip((*IMBALANCES, LARGE), (*made, wide), strict=True)]
    lines += start_lines(lr)
    parameters = {f"C = {C:g}": one.parameters for C, one in zip((*IMBALANCES, LARGE), (*made, wide), strict=True)}
    parameters["z < 0"] = {"y": Y, "z": Z, "norm": NORM, "frequency": FREQUENCY, "lr": lr, "until": UNTIL}
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, found, _figure(found, lr), _notes(wide))


def _trained(imbalance: float, lr: float) -> Experiment:
    return experiment(hidden=4, lr=lr, until=END, initial=INITIAL, imbalance=imbalance, rng=3)


def bound_line(imbalance: float, made: Experiment) -> Line:
    """At how many steps, of both classes, the logit is above (19), with m = C/2 in front of kappa for C > 2.

    At t = 0 both are u0. The bound is of the flow. Its slack, at least a tenth of its speed here (sqrt(y^2 + c^2)
    is that much below m cosh(y) for y = u/2 and c = C/2), is more than a step of this size can overshoot by.
    """
    count = int(np.sum(made.run.margin[1:] > _bound(imbalance, made)[1:]))
    m = max(1.0, 0.5 * imbalance)
    number = made.run.margin[1:].size
    where = f"C = {imbalance:g}, u0 = {', '.join(f'{u:g}' for u in made.parameters['initial'])}"
    factor = "" if m == 1.0 else f" with {m:g} kappa for kappa"
    return row(f"{where}: of {number:,} logits of networks, above bound (19){factor}", 0.0, float(count), 0.0)


def _bound(imbalance: float, made: Experiment) -> Floats:
    rate = np.array([made.data.rate(1), made.data.rate(-1)])
    return bounds.upper_bound(
        made.run.time[:, None], initial=made.parameters["initial"], rate=rate, imbalance=imbalance
    )


def _notes(wide: Experiment) -> tuple[str, ...]:
    plain = int(np.sum(wide.run.margin[1:] > _bound(0.0, wide)[1:]))
    return (
        f"the paper derives (19) for C = 0; it holds up to C = 2, and for C = {LARGE:g} {plain:,} of "
        f"{wide.run.margin[1:].size:,} logits are above it (docs/theory.md, eq 5.9)",
    )


# ---- a start below 0 ---------------------------------------------------------------------------------------


def without_sign() -> float:
    """The logit at which the paper's clock starts: C sinh(theta0) with theta0 = arccosh(sqrt(1 + (u0/C)^2))."""
    return float(UNEVEN * np.sinh(np.arccosh(np.hypot(1.0, BELOW / UNEVEN))))


def logit(time: ArrayLike, initial: float = BELOW) -> Floats:
    """The logit of the unit, or of one that starts with another; t = lr x step.

    Examples
    --------
    >>> logit([0.0, 15.0]).round(3), logit([0.0, 15.0], without_sign()).round(3)
    (array([-0.24 ,  2.222]), array([0.24 , 3.268]))
    """
    return modes.logit(time, initial=initial, rate=FREQUENCY * NORM, imbalance=UNEVEN)


@cache
def run_below(lr: float) -> Trajectory:
    """The unit, trained; the other class has an input of its own, on which no unit is active."""
    data = point_classes((NORM, 1.0), (FREQUENCY, FREQUENCY), angle=90)
    network = init.from_coordinates(Y, Z, data.mean(1))
    return train(network, data, lr=lr, steps=round(UNTIL / lr), record="all")


def start_lines(lr: float) -> list[Line]:
    """The logit at one time and the time of one confidence: without the sign, with it, and of networks."""
    why = "an arccosh loses the sign of theta0: z < 0 is taken for z > 0 (docs/theory.md, section 20)"
    u = limits(lambda step: (run_below(step).margin[[round(LOOK / step)], 0], np.zeros(1)), lr)
    level = float(np.log(LEVEL / (1.0 - LEVEL)))

    def reached(step: float) -> tuple[Floats, Floats]:
        run = run_below(step)
        return first_crossing(run.time, run.margin, level)[:1], timing.chord(run, level)[:1]

    t = limits(reached, lr)
    said = [
        float(modes.time_to(level, initial=u0, rate=FREQUENCY * NORM, imbalance=UNEVEN))
        for u0 in (without_sign(), BELOW)
    ]
    who = f"y = {Y:g}, z = {Z:g}, networks as lr -> 0"
    what = f"{who}: logit at t = {LOOK:g}, with arccosh"
    wrong, right = float(logit(LOOK, without_sign())), float(logit(LOOK))
    first = explained(what, wrong, right, float(u.value[0]), float(u.floor[0]), why)
    what = f"{who}: t at confidence {LEVEL:g}, with arccosh"
    return [first, explained(what, said[0], said[1], float(t.value[0]), float(t.floor[0]), why)]


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(found: tuple[Comparison, ...], lr: float) -> Figure:
    title = f"A.3: lines, theory; marks, networks, lr = {lr:g}"
    figure, (left, right), below = drawing.pairs(2, title, width=5.0, height=5.6)
    _imbalanced(left, below[0], found)
    _below_zero(right, below[1], lr)
    return figure


def _imbalanced(ax: Axes, below: Axes, found: tuple[Comparison, ...]) -> None:
    """The first class for each C, and the bound for C = 0."""
    for k, (C, comparison) in enumerate(zip(IMBALANCES, found, strict=True)):
        said, run = comparison.theory, comparison.empirical
        drawing.theory(ax, run.time, said.margin[:, 0], k, f"C = {C:g}")
        drawing.network(ax, run.time, run.margin[:, 0], k)
        drawing.logits_apart(below, comparison, k)
    t = np.linspace(0.0, END, 301)
    rate = found[0].empirical.data.rate(1) if found[0].empirical.data is not None else np.nan
    most = bounds.upper_bound(t, initial=INITIAL[0], rate=rate)
    ax.plot(t, most, color="black", linewidth=1.0, linestyle=(0, (1, 1)), label="bound (19)")
    drawing.finish(ax, "", "logit u of class +1", f"u0 = {INITIAL[0]:g}")
    drawing.finish(below, drawing.TIME, drawing.APART)


def _below_zero(ax: Axes, below: Axes, lr: float) -> None:
    """The unit with z < 0, and what it would do had it started with the sign lost."""
    t, steps = np.linspace(0.0, UNTIL, 401), np.unique(np.rint(np.linspace(1.0, UNTIL, 40) / lr).astype(int))
    found = stepped(lambda step: run_below(step).margin[steps * round(lr / step), 0], lr)
    for k, (words, initial) in enumerate((("arcsinh", BELOW), ("arccosh (paper)", without_sign()))):
        drawing.theory(ax, t, logit(t, initial), k, f"clock from {words}")
        floor = found.floor if k == 0 else None
        drawing.difference(below, lr * steps, logit(lr * steps, initial) - found.value, k, floor)
    drawing.marks(ax, lr * steps[::2], found.value[::2], 0, label="networks")
    drawing.finish(ax, "", "logit u", f"y = {Y:g}, z = {Z:g}")
    drawing.finish(below, drawing.TIME, drawing.APART)
