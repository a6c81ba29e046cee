"""Gradient starvation on real pictures: networks that learn brightness in place of shape (Table 2, E.2 of v2).

One class is made dark and the other bright. Three trainings, from the same starts on the same draws of the same
pictures: on those, on untouched ones, and on the dark and bright ones with spectral decoupling. All are then asked
about pictures that none was trained on, in both versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dynsim import checks, init, pictures, report
from dynsim.checks import Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.empirical import networks
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.trajectory import Outcome, Status, Trajectory

#: What is trained: on modified pictures, on untouched ones, on modified ones with spectral decoupling.
TRAININGS = ("modified", "untouched", "decoupled")
#: The two versions of a picture, and where it belongs for a network.
IMAGES, PARTS = ("modified", "untouched"), ("train", "test")
#: The columns of `BrightnessResult.rows`.
HEADER = (
    "trained on", "training", "test, modified", "test, untouched", "called dark", "ranking", "contrast, modified",
    "contrast, untouched",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BrightnessResult:
    """Three trainings of S networks each, on n pictures in two versions.

    Attributes
    ----------
    untouched, modified : Dataset
        The pictures, pixels from 0 to 1, and the same with one class dark and the other bright.
    shape : tuple of int
        (rows, columns), or (rows, columns, channels).
    dark : int
        The label of the dark class.
    test : ndarray of bool, shape (S, n)
        Which pictures each network is tested on; it is trained on all others.
    runs : mapping of str to Trajectory
        One a training, `TRAININGS`: logits (T, S, 2n), the modified pictures and then the untouched ones. The same
        network in two of them had the same start, the same test set and the same draws.
    parameters : mapping
        Everything needed to repeat it; plain numbers and strings.
    """

    untouched: Dataset
    modified: Dataset
    shape: tuple[int, ...]
    dark: int
    test: NDArray[np.bool_]
    runs: Mapping[str, Trajectory]
    parameters: Mapping[str, Any]

    def logits(self, training: str, images: str = "untouched") -> Floats:
        """f of every picture in one version, shape (T, S, n).

        Raises
        ------
        ValueError
            For an unknown training or version, as in all methods here.
        """
        run = checks.choice("training", training, self.runs)
        second = checks.choice("images", images, {name: k for k, name in enumerate(IMAGES)})
        n = len(self.untouched)
        return np.asarray(run.logits[..., second * n : (second + 1) * n])

    def accuracy(self, training: str, images: str = "untouched", part: str = "test") -> Floats:
        """Share of pictures on the right side of 0, for each network at the end; NaN where it diverged; shape (S,).

        `part` is "test", or "train" for the pictures that are not in the network's test set.
        """
        return _mean(_share(self.untouched.y * self._end(training, images)), self._part(part))

    def called_dark(self, training: str, images: str = "untouched") -> Floats:
        """Share of test pictures that each network puts into the dark class at the end, shape (S,)."""
        return _mean(_share(self.dark * self._end(training, images)), self.test)

    def confidence(self, training: str, images: str = "untouched", label: int | None = None) -> Floats:
        """Mean confidence in the right class over the test pictures, through training; shape (T, S).

        `label`, +1 or -1, restricts it to the pictures of one class.
        """
        wanted = self.test
        if label is not None:
            wanted = wanted & self.untouched.mask(pictures.checked_label("label", label))
        return _mean(special.expit(self.untouched.y * self.logits(training, images)), wanted)

    def contrast(self, training: str, images: str = "untouched") -> Floats:
        """Half the distance between the mean logits of the two classes over the test pictures at the end; (S,).

        The mean margin that the best threshold in the middle would give: on modified pictures what brightness and
        shape contribute together, on untouched ones what shape does, in units of the logit.
        """
        f = self._end(training, images)
        first, second = (_mean(f, self.test & self.untouched.mask(label)) for label in LABELS)
        return 0.5 * (first - second)

    def ranking(self, training: str, images: str = "untouched") -> Floats:
        """How often a test picture of class +1 has a larger logit than one of class -1, at the end; shape (S,).

        The area under the ROC curve: 1/2 if the logit knows nothing of the classes, 1 if a threshold can tell them
        apart -- not necessarily 0, which is what accuracy asks about.
        """
        f = self._end(training, images)
        masks = [self.untouched.mask(label) for label in LABELS]
        pairs = [(row[test & masks[0]], row[test & masks[1]]) for row, test in zip(f, self.test, strict=True)]
        return np.array([np.mean(_share(a[:, None] - b)) for a, b in pairs])

    def share_called_dark(self, training: str, X: ArrayLike) -> Floats:
        """Share of any pictures, shape (m, d) with pixels from 0 to 1, that each network calls dark; shape (S,).

        Raises
        ------
        ValueError
            For no picture, pixels outside 0 to 1, or another number of them than the networks have inputs.
        """
        f = self._last(training).logits(pictures.checked_pixels(X))
        return np.asarray(np.mean(_share(self.dark * f), axis=-1))

    def saliency(self, training: str) -> Floats:
        """Mean |df/dx| of every pixel over all networks and their untouched test pictures, of the pictures' shape.

        In units of the logit, per whole range of pixel values.
        """
        slopes = _slopes(self._last(training), self.untouched.X, self.test)
        return np.asarray(np.mean(slopes, axis=0).reshape(self.shape))

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A row a training: accuracies, share called dark, ranking and contrasts, mean and standard error."""
        return tuple(self._row(training) for training in TRAININGS)

    def _row(self, training: str) -> tuple[str, ...]:
        trained_on = "untouched" if training == "untouched" else "modified"
        found = [
            self.accuracy(training, trained_on, "train"),
            self.accuracy(training, "modified"),
            self.accuracy(training),
            self.called_dark(training),
            self.ranking(training),
            self.contrast(training, "modified"),
            self.contrast(training),
        ]
        words = {"decoupled": "modified, decoupled"}.get(training, training)
        return (words, *(written(values) for values in found))

    def __str__(self) -> str:
        names = [self.untouched.class_name(label) for label in (self.dark, -self.dark)]
        return "\n".join(
            [
                f"{self.untouched.name or 'pictures'}: {names[0]!r} dark, {names[1]!r} bright; {len(self.test)} "
                f"networks a training, {int(self.test[0].sum())} test pictures, half of them of either class",
                *report.table([list(row) for row in self.rows()], HEADER),
            ]
        )

    def _end(self, training: str, images: str) -> Floats:
        """The logits at the end, NaN for networks that diverged: their last record is one from before."""
        f, outcome = self.logits(training, images)[-1], self.runs[training].outcome
        assert outcome is not None
        return np.where((outcome == Outcome.DIVERGED)[:, None], np.nan, f)

    def _last(self, training: str) -> Network:
        last = checks.choice("training", training, self.runs).network
        if last is None:
            raise ValueError(f"training must be one in which no network diverged, got {training!r}")
        return last

    def _part(self, part: str) -> NDArray[np.bool_]:
        return checks.choice("part", part, dict(zip(PARTS, (~self.test, self.test), strict=True)))


def experiment(
    data: Dataset,
    *,
    limits: Sequence[float],
    shape: Sequence[int],
    dark: int = 1,
    hidden: int = 64,
    depth: int = 4,
    lr: float = 1e-3,
    steps: int = 1000,
    batch_size: int | None = 32,
    test_share: float = 0.3,
    seeds: int = 10,
    spectral_decoupling: float = 0.1,
    record: int = 60,
    workers: int = 1,
    rng: Any = 0,
    progress: bool = False,
) -> BrightnessResult:
    """Train on pictures whose brightness gives the class away, and test on untouched ones (Table 2, E.2 of v2).

    Fully connected ReLU networks with biases, from the normal weights of He et al. (2015), trained by Adam on the
    cross-entropy; pixels go in from 0 to 1. No regularization, but for the decoupled ones.

    Parameters
    ----------
    data : Dataset
        Pictures with labels +1 and -1, pixels row by row; its weights are not used.
    limits : (lo, hi)
        The range of pixel values.
    shape : (rows, columns) or (rows, columns, channels)
    dark : {1, -1}
        The label of the class that is made dark.
    hidden, depth : int
        Units of every hidden layer, and number of weight layers.
    lr, steps, batch_size, record, workers, progress
        As in `dynsim.train`; pictures are drawn with replacement, at most as many at a time as a network is trained
        on, or all of these at every step for None. The time axis of the runs is t = lr x step.
    test_share : float
        Share of the smaller class that each network is tested on; of the other class as many pictures. Chance is
        1/2 therefore.
    seeds : int
        S, the number of networks of each training, at least 2: each has a start and a test set of its own.
    spectral_decoupling : float
        Strength of it in the third training, positive.
    rng : anything np.random.default_rng takes

    Raises
    ------
    ValueError
        If pixels lie outside the limits, the shape does not fit, the labels are not +1 and -1, a class is too small
        to be divided, or a number is out of its range. The message names the argument.
    KeyboardInterrupt
        When interrupted by hand.

    Examples
    --------
    >>> from dynsim.data import from_sklearn
    >>> digits = from_sklearn("digits", classes=(3, 8))
    >>> found = experiment(digits, limits=(0, 16), shape=(8, 8), hidden=32, steps=200, seeds=2)
    >>> found.accuracy("modified", "modified"), found.accuracy("modified")  # as trained, untouched
    (array([1., 1.]), array([0.5, 0.5]))
    """
    untouched = pictures.scaled(data, limits=limits)
    modified = pictures.brightened(untouched, limits=(0.0, 1.0), dark=dark)
    size = pictures.checked_shape(data, shape)
    checks.count("seeds", seeds, least=2)
    eta, strength = checks.number("lr", lr), checks.number("spectral_decoupling", spectral_decoupling)
    split, start, draws = checks.generator("rng", rng).spawn(3)
    test = pictures.balanced_test(data, test_share, size=seeds, rng=split)
    _check_batch(batch_size, test)
    both = Dataset(np.concatenate([modified.X, untouched.X]), np.tile(data.y, 2), None, data.name, data.class_names)
    network = init.he(both, hidden, depth=depth, biases=True, size=seeds, rng=start)
    # The same number for all three trainings: a seed's batches then hold the same pictures in each of them.
    options = {
        "lr": eta, "steps": steps, "batch_size": batch_size, "record": record, "workers": workers,
        "progress": progress, "rng": int(draws.integers(2**62)),
    }  # fmt: skip
    runs = _trained(network, both, pictures.training_weights(test), strength, options)
    facts = {
        "pictures": data.name, "classes": list(data.class_names), "limits": [float(v) for v in limits],
        "shape": list(size), "dark": int(dark), "hidden": hidden, "depth": depth, "lr": eta, "steps": steps,
        "batch_size": batch_size, "optimizer": "adam", "test_share": float(test_share), "seeds": seeds,
        "spectral_decoupling": strength,
    }  # fmt: skip
    return BrightnessResult(untouched, modified, size, int(dark), test, MappingProxyType(runs), facts)


def _check_batch(batch_size: int | None, test: NDArray[np.bool_]) -> None:
    """`train` would count the test pictures and both versions: all are its points, though not all have weight."""
    if batch_size is not None:
        n = test.shape[1]
        trained = n - int(test[0].sum())
        limit = f"the number of pictures each network is trained on, of {n}"
        checks.count("batch_size", batch_size, least=1, most=trained, limit=limit)


def _trained(
    network: Network, both: Dataset, q: Floats, strength: float, options: dict[str, Any]
) -> dict[str, Trajectory]:
    """The three trainings; q (S, n) are the weights of the pictures in the version that is trained on."""
    none = np.zeros_like(q)
    out = {}
    for name in TRAININGS:
        weights = np.concatenate([none, q] if name == "untouched" else [q, none], axis=-1)
        lam = strength if name == "decoupled" else 0.0
        run = train(network, both, optimizer="adam", weights=weights, spectral_decoupling=lam, **options)
        # A part of a training would be taken for a whole one.
        if run.status == Status.INTERRUPTED:
            raise KeyboardInterrupt(run.message)
        out[name] = run
    return out


def written(values: Floats) -> str:
    """Mean and standard error of one number a network.

    Examples
    --------
    >>> written(np.array([0.5, 0.6, 0.7]))
    '0.600 +- 0.058'
    """
    return f"{np.mean(values):.3f} +- {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


def _share(side: Floats) -> Floats:
    """1 where positive, 0 where negative, half where 0, and NaN as it is."""
    return np.asarray(0.5 + 0.5 * np.sign(side))


def _mean(values: Floats, which: NDArray[np.bool_]) -> Floats:
    """The mean over the pictures of each network's own set: values (..., S, n), which (S, n)."""
    return np.asarray(np.sum(values * which, axis=-1) / np.sum(which, axis=-1))


def _slopes(network: Network, X: Floats, test: NDArray[np.bool_]) -> Floats:
    """Mean |df/dx| over the test pictures of each network, shape (S, d)."""
    out = []
    for member, chosen in zip(network, test, strict=True):
        logits, cache = networks.forward(member.weights, X[chosen], biases=member.biases)
        slope = networks.input_gradient(member.weights, cache, np.ones_like(logits))
        out.append(np.mean(np.abs(slope), axis=0))
    return np.array(out)
