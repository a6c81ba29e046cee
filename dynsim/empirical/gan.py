"""Generative adversarial networks on Gaussians on a circle: Fig. 5 left and App. E.1 (v2).

A discriminator f and a generator G, ReLU networks with biases, play on a mixture of Gaussians. With l the
cross-entropy or the hinge loss, a step is

    f:  down the gradient of  mean l(f(x)) + mean l(-f(G(z)))     x real, z standard normal
    G:  down the gradient of  mean phi(f(G(z)))                   the same z, against the f that has just stepped

by Adam, with one of three objectives phi of the generator: "linear" -f (what a hinge GAN has), "saturating"
log(1 - sigma(f)) (the game of Goodfellow et al. 2014) and "non_saturating" log(1 + e^-f) (what they train).

Alone in dynsim this is in float32, unless `dtype` says otherwise. A run is the same to the last bit wherever it was
interrupted, for as long as the machine, NumPy and the number of threads of BLAS stay what they are: with another
number of threads a long sum is divided in another way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.empirical import gan_scores, gan_state, networks
from dynsim.trajectory import Status

LOSSES = ("cross_entropy", "hinge")
#: -phi'(f) of each objective: how strongly the generator is to follow the gradient of f.
OBJECTIVES: dict[str, Callable[[Floats], Floats]] = {
    "linear": np.ones_like,
    "saturating": lambda f: losses.get("cross_entropy").pull(-f),
    "non_saturating": lambda f: losses.get("cross_entropy").pull(f),
}
#: What the generator minimizes where nothing is said.
USUAL = {"cross_entropy": "non_saturating", "hinge": "linear"}
_DTYPES = {"float32": np.float32, "float64": np.float64}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a run depends on; architecture, noise and optimizer are those of App. E.1 (v2).

    The paper names neither the number of steps, the batch nor the mixture: those here are ours.

    Parameters
    ----------
    loss : str
        Of the discriminator: "cross_entropy" or "hinge".
    objective : str, optional
        Of the generator: "linear", "saturating" or "non_saturating"; by default "linear" for hinge and
        "non_saturating" for cross-entropy.
    steps : int
        Of the generator.
    turns : int
        How many steps the discriminator makes before each of the generator's, each on a new batch.
    batch : int
        How many real points, and how many fake ones, a step sees.
    hidden, layers, noise : int
        Both networks have `layers` hidden layers of `hidden` units; the generator takes `noise` numbers.
    start : str
        "uniform": weights and biases between -1 and 1 over the square root of the fan-in, as PyTorch has it; or
        "he": normal weights of variance 2/fan-in (He et al. 2015), in the last layer 1/fan-in, and no biases.
    lr, betas, epsilon
        Adam's.
    modes, radius, spread
        The mixture: how many Gaussians, the radius of the circle, their standard deviation.
    samples : int
        How many samples of the generator are scored, always from the same noise.
    records : int
        How often, evenly over the steps, and once before the first.
    dtype : str
        "float32" or "float64".
    rng : int or sequence of int
        Of weights, batches and samples, by `np.random.SeedSequence`: a number that can be compared, since
        checkpoints are.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """

    loss: str = "hinge"
    objective: str = ""
    steps: int = 20_000
    turns: int = 1
    batch: int = 64
    hidden: int = 256
    layers: int = 4
    noise: int = 128
    start: str = "uniform"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    epsilon: float = 1e-8
    modes: int = 8
    radius: float = 2.0
    spread: float = 0.1
    samples: int = 2_500
    records: int = 40
    dtype: str = "float32"
    rng: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        checks.choice("loss", self.loss, USUAL)
        if not self.objective:
            object.__setattr__(self, "objective", USUAL[self.loss])
        checks.choice("objective", self.objective, OBJECTIVES)
        checks.choice("start", self.start, gan_state.STARTS)
        checks.choice("dtype", self.dtype, _DTYPES)
        for name in ("steps", "turns", "batch", "hidden", "layers", "noise", "modes", "samples", "records"):
            # NumPy's integers would not go into the JSON of a checkpoint.
            object.__setattr__(self, name, checks.count(name, getattr(self, name), least=1))
        for name in ("lr", "epsilon", "radius", "spread"):
            object.__setattr__(self, name, checks.number(name, getattr(self, name)))
        object.__setattr__(self, "betas", _betas(self.betas))
        object.__setattr__(self, "rng", _seed(self.rng))

    @property
    def middles(self) -> Floats:
        """The middles of the Gaussians, shape (modes, 2)."""
        return gan_scores.centres(self.modes, self.radius)


def _betas(value: Any) -> tuple[float, float]:
    out = checks.nonnegative("betas", value)
    if out.shape != (2,) or np.any(out >= 1.0):
        raise ValueError(f"betas must be two numbers of at least 0 and below 1, got {value!r}")
    return float(out[0]), float(out[1])


def _seed(value: Any) -> int | tuple[int, ...]:
    try:
        if np.ndim(value) == 0:
            return checks.count("rng", value, least=0)
        return tuple(checks.count("rng", one, least=0) for one in value)
    except ValueError as error:
        raise ValueError(f"rng must be an integer of at least 0, or several, got {value!r}") from error


class Record(NamedTuple):
    """What is kept of a moment; see `Run`."""

    step: int
    covered: int
    fair: int
    good: float
    real: float
    fake: float
    signal: float
    samples: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A game, at T recorded steps. All arrays are read-only.

    Attributes
    ----------
    settings : Settings
    step, time : ndarray, shape (T,)
        Steps taken, and lr x step.
    covered, fair : ndarray of int, shape (T,)
        How many modes have at least one good sample, and at least a quarter of an equal share of them.
    good : ndarray, shape (T,)
        The fraction of samples within 3 standard deviations of a mode.
    real, fake : ndarray, shape (T,)
        The discriminator's mean output on real points and on the generator's samples.
    signal : ndarray, shape (T,)
        The mean length of d phi(f(x))/dx at those samples: what the generator is told about where to go.
    samples : ndarray, shape (T, n, 2)
        The generator's samples, in the dtype of the run.
    status : Status
        FINISHED, DIVERGED where something is not finite any more, or INTERRUPTED.
    message : str
    """

    settings: Settings
    step: NDArray[np.int64]
    time: Floats
    covered: NDArray[np.int64]
    fair: NDArray[np.int64]
    good: Floats
    real: Floats
    fake: Floats
    signal: Floats
    samples: NDArray[Any] = field(repr=False)
    status: Status
    message: str


def train(
    settings: Settings,
    *,
    folder: str | Path | None = None,
    every: int = 1_000,
    progress: bool = False,
    position: int = 0,
) -> Run:
    """Play a game to its end, or go on with one that was interrupted.

    Parameters
    ----------
    settings : Settings
    folder : path, optional
        Where the state is kept, in a file of its own for each settings: every so many steps, and at the end. A
        later call with the same settings and folder goes on from there, to the same result to the last bit; one
        that has ended is returned at once. `forget` removes the file.
    every : int
        After how many steps the state is kept again; it makes no difference to the result.
    progress : bool
        Show a bar (tqdm), in line `position` where there are several.

    Returns
    -------
    Run
        What there is, if it is interrupted from the keyboard or diverges.

    Raises
    ------
    ValueError
        If an argument is wrong, or the file of an earlier call cannot be read.

    Examples
    --------
    >>> run = train(Settings(steps=20, records=2, hidden=8, layers=2, noise=4, batch=16))
    >>> run.step, run.samples.shape, str(run.status)
    (array([ 0, 10, 20]), (3, 2500, 2), 'finished')
    """
    from tqdm import tqdm

    keep, path = checks.count("every", every, least=1), None if folder is None else checkpoint(settings, folder)
    game = _Game(checks.instance("settings", settings, Settings), path)
    bars: dict[str, Any] = {"unit": "step", "disable": not progress, "position": position}
    bars["desc"] = f"{settings.loss}, rng {settings.rng}"
    # A game that diverges ends by not being finite, not by a warning.
    with tqdm(total=settings.steps, initial=game.step, **bars) as bar, np.errstate(over="ignore", invalid="ignore"):
        try:
            game.play(keep, bar.update)
        except KeyboardInterrupt:
            return game.run(Status.INTERRUPTED)
    return game.run(Status(game.status))


def checkpoint(settings: Settings, folder: str | Path) -> Path:
    """Where `train` keeps the state of a run with these settings; the name holds their SHA-256."""
    text = json.dumps(asdict(settings), sort_keys=True)
    return Path(folder) / f"gan-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"


def forget(settings: Settings, folder: str | Path) -> None:
    """Remove the state of a run with these settings, if there is one: the next is a fresh one."""
    path = checkpoint(settings, folder)
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".part").unlink(missing_ok=True)


class _Game:
    """A game at some step, with the arrays it works in."""

    def __init__(self, settings: Settings, path: Path | None) -> None:
        self.settings, self.path, self.step, self.status = settings, path, 0, ""
        self.history: list[Record] = []
        self.dtype: Any = _DTYPES[settings.dtype]
        seeds = np.random.SeedSequence(settings.rng).spawn(3)
        start, self.rng, scoring = (np.random.default_rng(seed) for seed in seeds)
        self.generator, self.discriminator = players(settings, start)
        self.loss, self.objective = losses.get(settings.loss), OBJECTIVES[settings.objective]
        self.noise = scoring.standard_normal((settings.samples, settings.noise)).astype(self.dtype)
        points = gan_scores.draw(settings.middles, settings.spread, settings.samples, scoring)
        self.points = points.astype(self.dtype)
        # Made by the first pass of each kind, used by all later ones: G, f on both halves, f on the fake one.
        self.rooms: list[Any] = [None, None, None]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self.step, self.status, kept = gan_state.load(path, asdict(settings), self.players, self.rng)
                rows = zip(*(kept[name] for name in Record._fields), strict=True)
                self.history = [Record(*row) for row in rows]

    @property
    def players(self) -> tuple[gan_state.Player, gan_state.Player]:
        return self.generator, self.discriminator

    def play(self, every: int, tell: Callable[[], Any]) -> None:
        """Go on to the end, keeping the state every so many steps; an interrupt leaves what is kept as it was."""
        due = np.unique(np.linspace(0, self.settings.steps, self.settings.records + 1).round().astype(int)).tolist()
        known = self.step
        while not self.status:
            if self.step == due[len(self.history)]:
                self.status = str(self.record() or "")
            if self.status or (self.step % every == 0 and self.step > known):
                self.save()
            if not self.status:
                self.advance()
                tell()

    def advance(self) -> None:
        """The steps of the discriminator, then one of the generator."""
        for _ in range(self.settings.turns):
            fake, made = self.judge()
        f, seen = self.rooms[2] = _forward(self.discriminator, fake, self.rooms[2])
        generator_slope(self.players, (made, seen), f, self.objective)
        self.generator.step()
        self.step += 1

    def judge(self) -> tuple[NDArray[Any], networks.Cache]:
        """A step of the discriminator; the fake points, and the generator's pass that made them."""
        n = self.settings.batch
        noise = self.rng.standard_normal((n, self.settings.noise), dtype=self.dtype)
        real = gan_scores.draw(self.settings.middles, self.settings.spread, n, self.rng).astype(self.dtype)
        self.rooms[0] = _forward(self.generator, noise, self.rooms[0], outputs=2)
        fake, made = self.rooms[0]
        f, seen = self.rooms[1] = _forward(self.discriminator, np.concatenate([real, fake]), self.rooms[1])
        discriminator_slope(self.discriminator, seen, f, self.loss)
        self.discriminator.step()
        return fake, made

    def record(self) -> Status | None:
        """Append what is to be seen now; how the game has ended, if it has."""
        samples, _ = _forward(self.generator, self.noise, None, outputs=2)
        f_real, _ = _forward(self.discriminator, self.points, None)
        f, seen = _forward(self.discriminator, samples, None)
        told = networks.input_gradient(self.discriminator.weights, seen, self.objective(f).astype(self.dtype))
        signal = float(np.mean(np.linalg.norm(told.astype(np.float64), axis=-1)))
        real, fake = (float(np.mean(values, dtype=np.float64)) for values in (f_real, f))
        if not (np.isfinite(samples).all() and np.isfinite([real, fake, signal]).all()):
            return Status.DIVERGED
        found = gan_scores.scores(samples, self.settings.middles, self.settings.spread)
        self.history.append(Record(self.step, *found, real, fake, signal, samples))
        return Status.FINISHED if self.step == self.settings.steps else None

    def columns(self) -> dict[str, NDArray[Any]]:
        """The history, an array for each field of `Record`."""
        return {name: np.array([getattr(one, name) for one in self.history]) for name in Record._fields}

    def save(self) -> None:
        if self.path is not None:
            facts = asdict(self.settings), self.players, self.rng, self.step, self.status
            gan_state.save(self.path, *facts, self.columns())

    def run(self, status: Status) -> Run:
        frozen = {name: checks.frozen(values) for name, values in self.columns().items()}
        message = "" if status == Status.FINISHED else f"{status} at step {self.step:,} of {self.settings.steps:,}"
        return Run(self.settings, time=checks.frozen(self.settings.lr * frozen["step"]), **frozen, status=status,
                   message=message)  # fmt: skip


# -- the passes ----------------------------------------------------------------------------------------------


def players(settings: Settings, rng: np.random.Generator) -> tuple[gan_state.Player, gan_state.Player]:
    """A new generator and a new discriminator."""
    hidden = [settings.hidden] * settings.layers
    how: dict[str, Any] = {
        "lr": settings.lr, "betas": settings.betas, "epsilon": settings.epsilon,
        "start": settings.start, "dtype": _DTYPES[settings.dtype], "rng": rng,
    }  # fmt: skip
    return gan_state.player(settings.noise, hidden, 2, **how), gan_state.player(2, hidden, None, **how)


def _forward(one: gan_state.Player, X: NDArray[Any], room: Any, outputs: int | None = None) -> Any:
    return networks.forward(one.weights, X, biases=one.biases, classes=outputs, out=room)


def discriminator_slope(
    discriminator: gan_state.Player, seen: networks.Cache, f: Floats, loss: losses.Loss
) -> None:
    """Minus the gradient of the discriminator's loss: the first half of the points is real, the other fake."""
    n = len(f) // 2
    pull = np.empty_like(f)
    pull[:n] = loss.pull(f[:n]) / n
    pull[n:] = -loss.pull(-f[n:]) / n
    networks.backward(discriminator.weights, seen, pull, biases=True, out=discriminator.slopes)


def generator_slope(
    both: tuple[gan_state.Player, gan_state.Player],
    caches: tuple[networks.Cache, networks.Cache],
    f: Floats,
    objective: Callable[[Floats], Floats],
) -> None:
    """Minus the gradient of mean phi(f(G(z))), through the discriminator, into the generator's slope."""
    (generator, discriminator), (made, seen) = both, caches
    pull = (objective(f) / len(f)).astype(f.dtype)
    told = networks.input_gradient(discriminator.weights, seen, pull)
    networks.backward(generator.weights, made, told, biases=True, out=generator.slopes)
