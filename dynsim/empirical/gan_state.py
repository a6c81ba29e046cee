"""The two players of a generative adversarial network, and their state in a file."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynsim.empirical.optimizers import Adam

Array = NDArray[Any]

#: Counts up whenever files of an older version would be misread.
_VERSION = 1
_PLAYERS = ("generator", "discriminator")


class Player(NamedTuple):
    """A network whose parameters lie in one array: what the optimizer changes, the passes see.

    flat, slope: the parameters and the direction of descent, each (1, P). weights, biases, and `slopes` (of both,
    in this order) are views of them, in the shapes of `dynsim.empirical.networks`.
    """

    flat: Array
    slope: Array
    weights: list[Array]
    biases: list[Array]
    slopes: list[Array]
    adam: Adam

    def step(self) -> None:
        """One step along `slope`, which is overwritten."""
        self.adam.step(self.flat, self.slope)


def player(
    inputs: int,
    hidden: list[int],
    outputs: int | None,
    *,
    start: str,
    lr: float,
    betas: tuple[float, float],
    epsilon: float,
    dtype: Any,
    rng: np.random.Generator,
) -> Player:
    """A network with biases and `outputs` outputs, or one output without an axis for None.

    `start` is the name of one of `STARTS`; the numbers are drawn in float64 and rounded.
    """
    widths = [inputs, *hidden]
    shapes: list[tuple[int, ...]] = [(b, a) for a, b in pairwise(widths)]
    shapes.append((widths[-1],) if outputs is None else (outputs, widths[-1]))
    shapes += [(width,) for width in hidden] + [() if outputs is None else (outputs,)]
    size = sum(int(np.prod(shape, dtype=int)) for shape in shapes)
    flat, slope = np.zeros((1, size), dtype=dtype), np.zeros((1, size), dtype=dtype)
    parameters, slopes = _views(flat, shapes), _views(slope, shapes)
    depth = len(hidden) + 1
    for layer, (weight, bias) in enumerate(zip(parameters[:depth], parameters[depth:], strict=True)):
        STARTS[start](weight, bias, layer == depth - 1, rng)
    adam = Adam(np.full((1, 1), lr, dtype=dtype), betas, epsilon, size)
    return Player(flat, slope, parameters[:depth], parameters[depth:], slopes, adam)


def _uniform(weight: Array, bias: Array, last: bool, rng: np.random.Generator) -> None:
    for part in (weight, bias):
        part[...] = rng.uniform(-1.0, 1.0, part.shape) / np.sqrt(weight.shape[-1])


def _he(weight: Array, bias: Array, last: bool, rng: np.random.Generator) -> None:
    weight[...] = np.sqrt((1.0 if last else 2.0) / weight.shape[-1]) * rng.standard_normal(weight.shape)


#: Fill the weights and the biases (which are 0 so far) of a layer.
STARTS = {"uniform": _uniform, "he": _he}


def _views(flat: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    parts = np.split(flat[0], ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def save(
    path: Path,
    settings: Mapping[str, Any],
    players: tuple[Player, Player],
    rng: np.random.Generator,
    step: int,
    status: str,
    history: Mapping[str, Array],
) -> None:
    """Everything that a run needs to go on, in a file that is whole or is not there.

    `status` is how the run ended, or "" where it has not.
    """
    facts = {
        "version": _VERSION,
        "settings": dict(settings),
        "step": step,
        "status": status,
        "rng": rng.bit_generator.state,
        "k": [one.adam.k for one in players],
    }
    arrays: dict[str, Any] = {f"history.{name}": values for name, values in history.items()}
    for name, one in zip(_PLAYERS, players, strict=True):
        arrays |= {f"{name}.flat": one.flat, f"{name}.m": one.adam.m, f"{name}.v": one.adam.v}
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as stream:
        np.savez(stream, json=np.array(json.dumps(facts)), **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def load(
    path: Path, settings: Mapping[str, Any], players: tuple[Player, Player], rng: np.random.Generator
) -> tuple[int, str, dict[str, Array]]:
    """Put the state of a file into the players and the generator of random numbers; its step, status and history.

    Raises
    ------
    ValueError
        For a file that cannot be read, or that other settings wrote.
    """
    try:
        # Opened here: NumPy leaves a file open that it cannot read.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
        facts = json.loads(str(found.pop("json")))
        wrote, version = facts["settings"], facts["version"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the checkpoint {path} cannot be read ({error}); delete it to start afresh") from error
    if version != _VERSION or wrote != json.loads(json.dumps(dict(settings))):
        differ = [name for name in settings if json.loads(json.dumps(settings[name])) != wrote.get(name)]
        what = f"other settings ({', '.join(differ)})" if version == _VERSION else f"another version ({version})"
        raise ValueError(f"the checkpoint {path} is of {what}; delete it to start afresh")
    for name, one, k in zip(_PLAYERS, players, facts["k"], strict=True):
        one.flat[...], one.adam.m[...], one.adam.v[...] = (found[f"{name}.{part}"] for part in ("flat", "m", "v"))
        one.adam.k = k
    rng.bit_generator.state = facts["rng"]
    start = len("history.")
    history = {name[start:]: values for name, values in found.items() if name.startswith("history.")}
    return facts["step"], facts["status"], history
