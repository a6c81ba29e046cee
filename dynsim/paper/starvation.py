"""Gradient starvation (v2): Table 1, Fig. 6, Fig. 10, Thm 6.1, Thm D.2, and what depth and decoupling do to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.comparison import Comparison
from dynsim.data import starving_features
from dynsim.paper import decoupled_networks, starvation_figure
from dynsim.paper import starved_networks as seen
from dynsim.paper.claim import Line, Result, Table, row
from dynsim.paper.setting import judged, trained
from dynsim.theory import starvation

NAME = "starvation"
SOURCE = "Table 1, Fig. 6, Fig. 10, Thm 6.1, Thm D.2, eq 8 (v2)"
STATEMENT = (
    "A feature that a share lam of a class has is learnt to sigma(lam L) at most by the time the feature that all "
    "have is learnt to P = sigma(L), if alpha0 >= beta0/lam; deeper networks starve it less, v2 ~ v1^(1-1/N)."
)
FREQUENCIES, CONFIDENCES = (0.5, 0.2, 0.1, 0.01), (0.99, 0.9999)
#: The percentages that the paper prints, for each confidence and frequency.
PRINTED = ((91, 71, 61, 51), (99, 86, 72, 52))
#: alpha, beta, z of one unit, lam = .1: one breaks the bound for confidence .99, the other satisfies Thm 6.1.
STARTS = ((0.1, 0.1, 0.1), (0.1, 0.01, 0.1))
LAM = 0.1
DEPTHS = (2, 3, 5)
#: v1 and v2 of the chains at the start.
CHAIN = (0.01, 0.001)


class Curves(NamedTuple):
    """A confidence on the rare feature against its frequency, shape (K,) and (P, K), and what is plotted."""

    frequency: Floats
    confidence: Floats
    what: str


def figure_6(frequency: ArrayLike | None = None, confidence: ArrayLike = CONFIDENCES) -> Curves:
    """Figure 6 as data: Thm D.2 for alpha0 = beta0 = .1 with z* replaced by sqrt(L); no bound, and no solution.

    Parameters
    ----------
    frequency : array_like, shape (K,), optional
        lam; by default 0 to 1.
    confidence : array_like, shape (P,)
        On the frequent feature.

    Examples
    --------
    >>> figure_6([0.1, 0.5], [0.99]).confidence.round(3)
    array([[0.658, 0.917]])
    """
    lam, L = _grid(frequency, confidence)
    exponent = lam * L + 0.1 * (1.0 - lam) * np.sqrt(L)
    what = "sigma(lam L + 0.1 (1 - lam) sqrt(L)): Thm D.2 from alpha0 = beta0 = .1 with z* taken to be sqrt(L)"
    return Curves(lam[0], 1.0 / (1.0 + np.exp(-exponent)), what)


def figure_10(frequency: ArrayLike | None = None, confidence: ArrayLike = CONFIDENCES) -> Curves:
    """Figure 10 as data: the bound of Thm 6.1, which Table 1 lists for some frequencies. Arguments as `figure_6`.

    Examples
    --------
    >>> figure_10([0.1, 0.5], [0.99]).confidence.round(3)
    array([[0.613, 0.909]])
    """
    lam, _ = _grid(frequency, confidence)
    P = np.asarray(confidence, dtype=np.float64)[:, None]
    return Curves(lam[0], starvation.bound(P, lam), "sigma(lam L): the bound of Thm 6.1, for alpha0 >= beta0/lam")


def _grid(frequency: ArrayLike | None, confidence: ArrayLike) -> tuple[Floats, Floats]:
    lam = np.linspace(0.0, 1.0, 101) if frequency is None else checks.nonnegative("frequency", frequency)
    P = checks.array("confidence", confidence)
    for name, values in (("frequency", lam), ("confidence", P)):
        if values.ndim != 1:
            raise ValueError(f"{name} must have 1 dimension, got shape {values.shape}")
    if np.any(lam > 1.0):
        raise ValueError(f"frequency must be at most 1, got {np.max(lam):.10g}")
    if np.any((P < 0.5) | (P >= 1.0)):
        raise ValueError(f"confidence must be at least 0.5 and below 1, got {P[(P < 0.5) | (P >= 1.0)][0]:.10g}")
    return lam[None], np.log(P / (1.0 - P))[:, None]


# ---- the claim ---------------------------------------------------------------------------------------------


def reproduce(quick: bool = False) -> Result:
    """The table, one unit and many, random starts, networks without and with more hidden layers, decoupling."""
    lr = 0.05 if quick else 0.02
    comparisons, many = _many_units(quick)
    lines = [*_table_1(quick), *_two_starts(lr), *many, *_random(quick), *_linear(lr), *_depth(quick)]
    lines += decoupled_networks.lines()
    parameters = {
        "norms": [1.0, 1.0], "loss": "cross_entropy", "lr": lr, "frequencies": list(FREQUENCIES),
        "starts of the table": "alpha0 = z0 = .1, beta0 = lam alpha0", "chains": list(CHAIN), "rng": [0, 1, 2],
    }  # fmt: skip
    notes = (
        "Figs. 6, 10: against lam for the confidences of Table 1; what Fig. 6 plots is no bound and no solution",
        "time of eq 8 with a total weight of 1 a class; networks: gradient descent, extrapolated to lr -> 0",
    )
    tables = (_uncovered(quick), _slopes(), decoupled_networks.table())
    figure = starvation_figure.figure(STARTS, (figure_10(), figure_6()), CHAIN)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, comparisons, figure, notes, tables)


def _table_1(quick: bool) -> list[Line]:
    """The eight numbers as printed, and networks from alpha0 = z0 = .1, beta0 = lam alpha0."""
    lines = []
    for confidence, percent in zip(CONFIDENCES, PRINTED, strict=True):
        for lam, said in zip(FREQUENCIES, percent, strict=True):
            what = f"Table 1, lam = {lam:g}, P = {confidence:g}"
            bound = float(starvation.bound(confidence, lam))
            lines.append(row(f"{what}: bound, as printed", said / 100.0, bound, 0.005))
            if not quick or confidence == CONFIDENCES[0]:
                lr = 0.05 if confidence == CONFIDENCES[0] else 0.2
                lines.append(_at_confidence(what, (0.1, 0.1 * lam, 0.1), lam, confidence, lr))
    return lines


def _two_starts(lr: float) -> list[Line]:
    """One start above the bound and one below it."""
    bound = float(starvation.bound(CONFIDENCES[0], LAM))
    lines = []
    for start in STARTS:
        what = f"(alpha, beta, z) = {start}, lam = {LAM:g}, bound {bound:.3f}"
        lines.append(_at_confidence(what, start, LAM, CONFIDENCES[0], lr))
    return lines


def _at_confidence(what: str, start: tuple[float, float, float], lam: float, confidence: float, lr: float) -> Line:
    """P on the rare feature alone when that on the frequent one is reached: eq 8, and networks of one unit."""
    moment = starvation.at_confidence(confidence, *start, frequency=lam)
    data, level = starving_features(lam), float(np.log(confidence / (1.0 - confidence)))
    until = 1.02 * float(moment.time) + 5.0 * lr

    def measure(step: float) -> tuple[float, float]:
        return seen.weak_at(seen.followed(seen.unit(*start), data, step, until), level)

    found = seen.extrapolated(measure, lr)
    predicted = float(moment.confidence[..., 1])
    measured = 1.0 / (1.0 + np.exp(-found.value))
    # P' <= 1/4
    words = f"{what}: P on x2 alone at P = {confidence:g} on x1, networks as lr -> 0"
    return row(words, predicted, float(measured), 0.25 * found.floor)


def _many_units(quick: bool) -> tuple[tuple[Comparison, ...], list[Line]]:
    """1, 8 and 64 random units a class against eq 8, and against the order parameters with a verdict."""
    lr, until, comparisons, lines = (0.05 if quick else 0.02), 40.0, [], []
    data = starving_features(LAM)
    for h in (1, 8, 64):
        network = init.class_aligned(data, 2 * h, initial=0.02, rng=2)
        alpha, beta, z = network.W[::2, 0], network.W[::2, 1], network.Z[::2]
        said = starvation.solve(alpha, beta, z, frequency=LAM, times=[0.0, until])
        exact = float(said.margin[-1, 1] - said.margin[-1, 0])

        def last(step: float, network: Any = network) -> float:
            return float(seen.followed(network, data, step, until, record=2).weak[-1])

        found = seen.extrapolated(lambda step, last=last: (last(step), 0.0), lr)  # type: ignore[misc]
        who = "1 unit" if h == 1 else f"{h} units"
        lines.append(row(f"{who}: logit on x2 alone at t = {until:g}, as lr -> 0", exact, *found))
        lines.append(row(f"{who}: order in lr of the difference from eq 8", 1.0, *seen.order(last, exact, lr)))
        made = trained(data, network, lr=lr, until=until, hidden=2 * h, initial=0.02, rng=2)
        verdict = judged(made)
        comparisons.append(verdict)
        sup, floor = verdict.sup["logit"]["all"], verdict.floor["logit"]["all"]
        lines.append(Line(f"{who}: largest difference of any logit", 0.0, sup, sup, floor, verdict.verdict))
    return tuple(comparisons), lines


def _random(quick: bool) -> list[Line]:
    """Random starts that satisfy the assumption of Thm 6.1, and others for Thm D.2: none breaks its bound."""
    number = 1_000 if quick else 10_000
    lines = []
    for lam in FREQUENCIES:
        start = seen.random_starts(number, lam, True, 0)
        count = sum(int(np.sum(_excess(start, lam, P, starvation.bound(P, lam)) > 0.0)) for P in CONFIDENCES)
        words = f"lam = {lam:g}: of {number:,} starts with alpha0 >= beta0/lam, break the bound (eq 8)"
        lines.append(row(words, 0.0, count, 0.0))
    few = 200 if quick else 2_000
    for covered in (True, False):
        words = "alpha0 >= beta0/lam, break Thm 6.1" if covered else "alpha0 < beta0/lam, break Thm D.2"
        found = seen.broken(*seen.random_starts(few, LAM, covered, 1), LAM, lr=0.05, until=100.0)
        count = found.plain if covered else found.general
        lines.append(row(f"lam = {LAM:g}: of {found.number:,} trained networks with {words}", 0.0, count, 0.0))
    return lines


def _excess(start: tuple[Floats, Floats, Floats], lam: float, confidence: float, bound: Floats) -> Floats:
    """How far P on the rare feature is above a bound, for starts that have not reached the confidence yet."""
    before = start[0] * start[2] < np.log(confidence / (1.0 - confidence))
    moment = starvation.at_confidence(confidence, *(one[before] for one in start), frequency=lam)
    return np.asarray(moment.confidence[..., 1] - bound)


def _linear(lr: float) -> list[Line]:
    """Linear models: v2 when v1 = 4 against the Lambert path, cross-entropy beside it; where the hinge stops."""
    data, zero, level = starving_features(LAM), seen.chain(0.0, 0.0, 1), 4.0
    lines = []
    for loss in ("exponential", "cross_entropy"):

        def measure(step: float, loss: str = loss) -> tuple[float, float]:
            return seen.weak_at(seen.followed(zero, data, step, 120.0, loss), level)

        predicted = float(starvation.linear_path(level, frequency=LAM, loss=loss))
        words = f"linear model, {loss}: v2 when v1 = {level:g}, as lr -> 0"
        lines.append(row(words, predicted, *seen.extrapolated(measure, 0.5 * lr)))
    for lam in FREQUENCIES:
        end = float(seen.followed(zero, starving_features(lam), 0.01 * lr, 2.0, "hinge", record=2).weak[-1])
        # Both classes pull, by lam each; the last step may go beyond the limit.
        floor = 2.0 * lam * 0.01 * lr
        words = f"linear model, hinge, lam = {lam:g}: v2 in the end, lr = {0.01 * lr:g}"
        lines.append(row(words, float(starvation.hinge_limit(lam)), end, floor))
    return lines


def _depth(quick: bool) -> list[Line]:
    """Chains of N layers: the slope of log v2 against log v1 over a doubling of the time, ODE and networks."""
    lines, lr, data = [], 0.1, starving_features(LAM)
    for depth in DEPTHS:
        for until in (100.0, 400.0) if quick else (100.0, 400.0, 1600.0):
            said = starvation.rank_one(*CHAIN, depth=depth, frequency=LAM, times=[until / 2.0, until])
            predicted = float(np.diff(np.log(said.weak))[0] / np.diff(np.log(said.strong))[0])

            def measure(step: float, depth: int = depth, until: float = until) -> tuple[float, float]:
                steps = round(until / step)
                record = [0, steps // 2, steps]
                path = seen.followed(seen.chain(*CHAIN, depth), data, step, until, record=record)
                return seen.slope_between(path, 1, 2), 0.0

            words = f"N = {depth}: slope of log v2 over log v1, t = {until / 2:g} to {until:g}, as lr -> 0"
            lines.append(row(words, predicted, *seen.extrapolated(measure, lr)))
        final = starvation.rank_one(*CHAIN, depth=depth, frequency=LAM, log_times=[1e4])
        below = (depth - 1.0) / depth**2 * float(final.weak[0] / final.strong[0]) ** 2
        words = f"N = {depth}: slope of the ODE at log t = 10,000; 1 - 1/N, and the next term as floor"
        lines.append(row(words, float(starvation.depth_exponent(depth)), float(final.slope[0]), 1.01 * below))
    return lines


# ---- tables ------------------------------------------------------------------------------------------------


def _uncovered(quick: bool) -> Table:
    """Starts that do not satisfy the assumption: how often they end above the bound, and by how much."""
    number, P, rows = (1_000 if quick else 10_000), CONFIDENCES[0], []
    for lam in FREQUENCIES:
        excess = _excess(seen.random_starts(number, lam, False, 0), lam, P, starvation.bound(P, lam))
        above = excess[excess > 0.0]
        numbers = (float(starvation.bound(P, lam)), above.size / excess.size, np.mean(above), np.max(above))
        rows.append((f"{lam:g}", *(f"{number:.3f}" for number in numbers)))
    title = f"{number:,} random starts with beta0 > lam alpha0 (log-uniform, .01 to 1), at P = {P:g} on x1"
    return Table(title, ("lam", "bound", "share above", "mean excess", "largest"), tuple(rows))


def _slopes() -> Table:
    """The local slopes of the ODE far out in log time."""
    times = (10.0, 60.0, 1e3, 1e5)
    path = starvation.rank_one(*CHAIN, depth=np.array(DEPTHS), frequency=LAM, log_times=times)
    rows = tuple(
        (str(N), *(f"{slope:.4f}" for slope in path.slope[:, k]), f"{float(starvation.depth_exponent(N)):.4f}")
        for k, N in enumerate(DEPTHS)
    )
    title = f"slope d log v2/d log v1 of chains of N layers, lam = {LAM:g}, at log t"
    return Table(title, ("N", *(f"{t:g}" for t in times), "limit"), rows)
