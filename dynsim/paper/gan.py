"""Figure 5, left (v2): a generator against a discriminator with hinge loss and with cross-entropy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim import checks, init
from dynsim.checks import Floats
from dynsim.data import point_classes
from dynsim.empirical import gan, gan_processes, networks
from dynsim.empirical.training import train
from dynsim.paper import gan_figure
from dynsim.paper.claim import Line, Result, Table, row
from dynsim.paper.timing import halved, line
from dynsim.theory import generator, maps
from dynsim.trajectory import Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "gan"
SOURCE = "Fig. 5 left, App. E.1 (v2)"
STATEMENT = (
    "A discriminator that has learnt a fake point tells its generator a gradient that stays (hinge), or fades "
    "like 1/t or grows like log t (cross-entropy); hence, says the paper, hinge covers modes better."
)
SETTING = (
    "Paper (E.1): two networks of 4 hidden layers of 256 ReLU units, noise of 128 numbers, Adam with lr 1e-4 and "
    "betas .5, .9; steps, batch, initial weights and mixture are not given. Here: the same, 10,000 steps (--full: "
    "100,000), batches of 64, PyTorch's uniform start, 8 Gaussians of standard deviation .1 on a circle of radius "
    "2, 3 seeds, float32. Signal: |x| = .5, u0 = .01, lr = .01. --quick is of toy size: 200 steps of 32 units, "
    "noise of 16, batches of 32, 2 seeds, lr = .04."
)
#: The discriminator of the lines: a real and a fake input, opposite, the loss l(f(real)) + l(-f(fake)).
NORMS, FREQUENCIES, INITIAL = (1.0, 0.5), (1.0, 1.0), 0.01
#: And the mode of the fake one.
_LAW: dict[str, Any] = {"initial": INITIAL, "rate": FREQUENCIES[1] * NORMS[1], "norm": NORMS[1]}
#: The loss, the generator's objective and times t = lr x step; 11.53 is about the peak of the saturating signal.
CASES = (
    ("hinge", "linear", (2.0, 4.0, 6.0, 200.0)),
    ("cross_entropy", "non_saturating", (5.0, 11.53, 30.0, 200.0)),
    ("cross_entropy", "saturating", (5.0, 11.53, 30.0, 200.0)),
)
#: The games: loss of the discriminator, objective of the generator. The first is held against the others.
GAMES = (("hinge", "linear"), ("cross_entropy", "non_saturating"), ("cross_entropy", "saturating"))
_EPS = float(np.finfo(np.float64).eps)


class Plan(NamedTuple):
    """The games to be played: what they have in common, and the seeds of each kind."""

    common: dict[str, Any]
    seeds: tuple[int, ...]

    def games(self) -> list[gan.Settings]:
        """The seeds of each kind, in the order of `GAMES`."""
        kinds: list[dict[str, Any]] = [{"loss": loss, "objective": objective} for loss, objective in GAMES]
        return [gan.Settings(rng=seed, **kind, **self.common) for kind in kinds for seed in self.seeds]


QUICK = Plan({"steps": 200, "hidden": 32, "noise": 16, "batch": 32, "records": 10}, (0, 1))
USUAL = Plan({"steps": 10_000, "records": 50}, (0, 1, 2))
FULL = Plan({"steps": 100_000, "records": 100}, (0, 1))


def reproduce(
    quick: bool = False, *, full: bool = False, folder: Path | None = None, progress: bool = False
) -> Result:
    """The signal against a trained discriminator, and the games.

    Parameters
    ----------
    quick : bool
        Small networks and few steps: nothing is learnt by the generators.
    full : bool
        100,000 steps of each game in place of 10,000, with two seeds of each kind.
    folder : path, optional
        Where the states of games are kept until all have ended; an interrupted call goes on from there.
    progress : bool
        Show bars (tqdm).
    """
    plan, lr = QUICK if quick else FULL if full else USUAL, 0.04 if quick else 0.01
    told = [told_by(*case, lr) for case in CASES]
    judged = [signal_lines(one, loss, how, lr) for one, (loss, how, _) in zip(told, CASES, strict=True)]
    runs = play(plan, quick, folder, progress)
    parameters = {
        "norms": NORMS, "frequencies": FREQUENCIES, "initial": INITIAL, "hidden": 4, "lr": lr, "rng": 0,
        "games": [{**vars(run.settings)} for run in runs],
    }  # fmt: skip
    kinds = by_kind(runs)
    found_out = (*(in_words(runs, other) for other in list(kinds)[1:]), *(() if full and not quick else (_LONGER,)))
    explanations = (_NOT_PRINTED, *((_TOY,) if quick else found_out))
    notes = (*_ended(runs), _PLAYED)
    figure: Figure = gan_figure.draw(kinds, CASES, told, judged, _LAW, lr, toy=quick)
    early = sum(run.status != Status.FINISHED for run in runs)
    unfinished = row("games that do not come to their end", 0.0, early, 0.0)
    lines = (*(line for some in judged for line in some), unfinished)
    return Result(NAME, SOURCE, STATEMENT, lines, parameters, (), figure, notes, tables(runs), explanations)


_PLAYED = "games are in float32, here alone; a good sample and a covered mode are those of Srivastava et al. 2017"
_NOT_PRINTED = (
    "Fig. 5 shows samples and gives no number, and the paper does not say how many steps, what batch, initial "
    "weights and mixture: those are ours, and which loss covers more modes depends on them"
)
_TOY = (
    "toy size: 200 steps of 32 units, in which no generator learns anything; the scores say nothing about the "
    "paper's figure, the signal is what is compared"
)
_LONGER = "with ten times the steps (--full) the generators of hinge come to cover all modes, too: docs/gan.md"


# -- the signal ----------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a trained discriminator tells at `time`: the length of d phi(f(x))/dx at its fake input, shape (T,)."""

    time: Floats
    signal: Floats


def told_by(loss: str, objective: str, times: tuple[float, ...], lr: float) -> Told:
    """Train a discriminator to each of the times, and take the gradient at the fake input by a backward pass."""
    data = point_classes(NORMS, FREQUENCIES)
    network = init.class_aligned(data, 4, initial=INITIAL, rng=0)
    fake = data.X[data.mask(-1)]
    steps = np.rint(np.array(times) / lr).astype(int)
    signal = []
    for stage in np.diff(steps, prepend=0).tolist():
        last = train(network, data, loss=loss, lr=lr, steps=stage, record=2).network
        assert last is not None
        network = last
        f, cache = networks.forward(network.weights, fake)
        pull = gan.OBJECTIVES[objective](f)
        signal.append(float(np.linalg.norm(networks.input_gradient(network.weights, cache, pull))))
    return Told(lr * steps, np.array(signal))


def signal_lines(told: Told, loss: str, objective: str, lr: float) -> list[Line]:
    """A line a time: the closed form of the flow beside the trained discriminator."""
    predicted, rate = generator.signal(told.time, **_LAW, loss=loss, objective=objective), _LAW["rate"]

    def measure(step: float) -> tuple[Floats, Floats]:
        """By the exact map; what hinge overshoots margin 1 by goes with lr, but depends on where its steps fall."""
        at = np.rint(told.time / step).astype(int)
        S = 4.0 * INITIAL / NORMS[1]
        how: dict[str, Any] = {"rate": rate, "norm": NORMS[1], "lr": step, "steps": int(at[-1]), "loss": loss}
        u = maps.gradient_descent(S, 0.0, **how)[at]
        signal = generator.signal_at(u, norm=NORMS[1], objective=objective)
        # A step is u (1 + e)^2 at most, and some ten roundings, which enter the signal times 1 + u.
        over = (u >= 1.0) * ((1.0 + step * rate) ** 2 - 1.0) / NORMS[1] if loss == "hinge" else 0.0
        return signal, over + 10.0 * _EPS * at * (1.0 + u) * signal

    effect = halved(measure, lr)
    what = f"{loss}, {objective.replace('_', '-')} objective: signal at t = "
    return [
        line(f"{what}{told.time[i]:g}", *(float(a[i]) for a in (predicted, told.signal, *effect)))
        for i in range(len(told.time))
    ]


# -- the games -----------------------------------------------------------------------------------------------


#: The line of the first bar: above it are the caller's and that of the other long claim.
_BAR = 2


def play(plan: Plan, quick: bool, folder: Path | None, progress: bool) -> tuple[gan.Run, ...]:
    """All games; once all have ended, what was kept of them is removed, so that the next call starts afresh.

    Raises
    ------
    KeyboardInterrupt
        What the folder holds by then is what a later call goes on from.
    """
    games = plan.games()
    if quick:
        runs = tuple(gan.train(one, progress=progress, position=_BAR) for one in games)
    else:
        runs = gan_processes.together(games, folder=folder, progress=progress, position=_BAR)
    if any(run.status == Status.INTERRUPTED for run in runs):
        raise KeyboardInterrupt
    if folder is not None:
        for one in games:
            gan.forget(one, folder)
    return runs


class Mean(NamedTuple):
    """The mean over seeds and its standard error (NaN for one seed)."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} +- {self.error:.2g}"


def mean(values: Floats) -> Mean:
    """The mean of one number a seed, shape (s,).

    Examples
    --------
    >>> print(mean(np.array([1.0, 2.0, 3.0])))
    2 +- 0.58
    """
    number = checks.count("number of seeds", len(values), least=1)
    spread = float(np.std(values, ddof=1)) if number > 1 else float("nan")
    return Mean(float(np.mean(values)), spread / number**0.5)


#: What is compared: a field of `Run`, and its name.
MEASURES = {"covered": "modes covered", "fair": "modes with 1/4 of an equal share", "good": "good samples"}
_ALSO = {"real": "mean f(real)", "fake": "mean f(fake)", "signal": "mean signal"}


def by_kind(runs: tuple[gan.Run, ...]) -> dict[str, list[gan.Run]]:
    """The seeds of each kind of game."""
    out: dict[str, list[gan.Run]] = {}
    for run in runs:
        out.setdefault(f"{run.settings.loss}, {run.settings.objective.replace('_', '-')}", []).append(run)
    return out


def last(run: gan.Run, name: str) -> float:
    """At the last record."""
    return float(getattr(run, name)[-1])


def late(run: gan.Run, name: str) -> float:
    """The mean over the records of the second half of the steps: generators come and go between modes."""
    rows = run.step >= run.step[-1] / 2
    return float(np.mean(getattr(run, name)[rows]))


WHEN = {"last step": last, "mean over the second half": late}


def tables(runs: tuple[gan.Run, ...]) -> tuple[Table, ...]:
    """Every game with the means of its kind; and the first kind, hinge, minus each of the others."""
    columns = MEASURES | _ALSO
    header = ("loss, objective", "seed", *columns.values())
    out = []
    for when, of in WHEN.items():
        rows: list[tuple[str, ...]] = []
        for kind, some in by_kind(runs).items():
            rows += [(kind, str(r.settings.rng), *(f"{of(r, name):.3g}" for name in columns)) for r in some]
            rows.append((kind, "mean", *(str(mean(np.array([of(r, n) for r in some]))) for n in columns)))
        out.append(Table(f"eight Gaussians, {when}", header, tuple(rows)))
    first, *others = by_kind(runs)
    header = ("minus", "what", "when", "difference", "standard error")
    compared = tuple(
        (other, MEASURES[name], when, f"{gap.value:+.3g}", f"{gap.error:.2g}")
        for other in others
        for name in MEASURES
        for when, of in WHEN.items()
        for gap in (difference(runs, other, name, of),)
    )
    return (*out, Table(f"{first}, minus the other games, mean over seeds", header, compared))


def difference(runs: tuple[gan.Run, ...], other: str, name: str, of: Any = late) -> Mean:
    """The first kind minus another, with the standard error of a difference of independent means."""
    games = by_kind(runs)
    one, two = (mean(np.array([of(run, name) for run in games[kind]])) for kind in (next(iter(games)), other))
    return Mean(one.value - two.value, float(np.hypot(one.error, two.error)))


def in_words(runs: tuple[gan.Run, ...], other: str) -> str:
    """Whether the paper's claim, that hinge covers the modes better, is borne out by these games."""
    gap, some = difference(runs, other, "covered"), by_kind(runs)
    seeds, steps = len(some[other]), runs[0].settings.steps
    words = f"{seeds} seeds, {steps:,} steps: hinge minus {other} is {gap} modes covered, over the second half"
    if not abs(gap.value) > 2.0 * gap.error:
        return f"{words}; within 2 standard errors, which neither bears out nor contradicts the paper"
    if gap.value > 0.0:
        return f"{words}; beyond 2 standard errors, as in the paper's figure"
    return f"{words}; beyond 2 standard errors, contrary to the paper's figure, whose settings are not known here"


def _ended(runs: tuple[gan.Run, ...]) -> list[str]:
    failed = [run for run in runs if run.status != Status.FINISHED]
    return [f"{run.settings.loss}, seed {run.settings.rng}: {run.message}" for run in failed]
