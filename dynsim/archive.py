"""Trajectories in files: csv for curves, npz for everything, and as a table of pandas."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.network import Network

if TYPE_CHECKING:
    import pandas

    from dynsim.trajectory import Trajectory

_ARRAYS = ("time", "logits", "labels", "weights", "step", "lower", "upper", "mean", "outcome", "stopped")
_HEADER = re.compile(r"(?P<quantity>logit|confidence|error|loss)\b(?:.*\((?P<label>[+-]1)\))?")


class Curve(NamedTuple):
    """A curve as read from a csv file."""

    time: Floats
    quantity: str
    values: Floats
    labels: Floats


def write_curve(run: Trajectory, path: str | PathLike[str]) -> None:
    """Columns time, step (where there is one), and the logit of each point, its label in the header."""
    if run.classes is not None:
        raise ValueError(f"path: logits of {run.classes} classes do not fit into csv columns; use save")
    if run.logits.ndim != 2:
        raise ValueError(f"path: an ensemble ({run.logits.shape[1:-1]}) does not fit into csv columns; use save")
    header = ["time"] + ["step"] * (run.step is not None)
    header += [f"logit {i} ({int(y):+d})" for i, y in enumerate(run.labels)]
    with open(path, "w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(header)
        for k, t in enumerate(run.time):
            step = [] if run.step is None else [int(run.step[k])]
            out.writerow([repr(float(t)), *step, *(repr(float(v)) for v in run.logits[k])])


def read_curve(path: str | PathLike[str], lr: float | None) -> Curve:
    """See `Trajectory.read_csv`."""
    with open(path, newline="", encoding="utf-8-sig") as stream:
        rows = [(number, row) for number, row in enumerate(csv.reader(stream), 1) if row]
    if len(rows) < 2:
        raise ValueError(f"{path} must have a header line and at least one row, got {len(rows)} lines")
    header = [cell.strip() for cell in rows[0][1]]
    table = np.array([_numbers(path, header, number, row) for number, row in rows[1:]])
    if len(set(header)) != len(header):
        raise ValueError(f"{path}: headers must differ, got {checks.listed(header)}")
    matches = {name: _HEADER.match(name) for name in header if name not in ("time", "step")}
    unknown = [name for name, match in matches.items() if match is None]
    kinds = {match["quantity"] for match in matches.values() if match}
    if unknown or len(kinds) != 1:
        raise ValueError(
            f"{path} must have a column time (or step) and columns of one of logit, confidence, error, loss; "
            f"got {checks.listed(unknown or header)}"
        )
    labels = np.array([float(match["label"] or 1) for match in matches.values() if match])
    quantity = kinds.pop()
    values = table[:, [header.index(name) for name in matches]]
    return Curve(_time(path, header, table, lr), quantity + "s" * (quantity == "logit"), values, labels)


def _numbers(path: str | PathLike[str], header: list[str], number: int, row: list[str]) -> list[float]:
    if len(row) != len(header):
        raise ValueError(f"{path}, line {number}: expected {len(header)} cells, got {len(row)}")
    out = []
    for name, cell in zip(header, row, strict=True):
        try:
            out.append(float(cell))
        except ValueError:
            raise ValueError(f"{path}, line {number}, column {name!r}: not a number: {cell!r}") from None
    return out


def _time(path: str | PathLike[str], header: list[str], table: Floats, lr: float | None) -> Floats:
    if "time" in header:
        return np.asarray(table[:, header.index("time")])
    if "step" not in header:
        raise ValueError(f"{path} must have a column time (lr x step) or step, got {checks.listed(header)}")
    if lr is None:
        raise ValueError(f"lr must be given for {path}, which has steps and no times (time is lr x step)")
    return np.asarray(table[:, header.index("step")] * checks.number("lr", lr))


def save(run: Trajectory, path: str | PathLike[str]) -> None:
    """Arrays by name, the rest as one JSON text."""
    arrays = {name: getattr(run, name) for name in _ARRAYS if getattr(run, name) is not None}
    for name in ("network", "start"):
        if (held := getattr(run, name)) is not None:
            arrays |= _numbered(f"{name}.weights", held.weights) | _numbered(f"{name}.biases", held.biases or ())
    rest: dict[str, Any] = {
        "loss_name": run.loss_name,
        "lr": run.lr if np.ndim(run.lr) == 0 else None,
        "status": str(run.status),
        "message": run.message,
        "meta": dict(run.meta),
    }
    if np.ndim(run.lr):
        arrays["lr"] = run.lr
    if run.data is not None:
        arrays["data.q"] = run.data.weights
        arrays["data.X"] = run.data.X
        rest["data"] = {"name": run.data.name, "class_names": list(run.data.class_names)}
    # Before the file is made: facts that JSON does not know leave no half of one.
    text = np.array(json.dumps(rest))
    with open(path, "wb") as stream:
        np.savez(stream, json=text, **arrays)


def _numbered(name: str, arrays: Iterable[Floats]) -> dict[str, Floats]:
    return {f"{name}.{i}": array for i, array in enumerate(arrays)}


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """The fields of the saved trajectory."""
    with np.load(path, allow_pickle=False) as stored:
        if "json" not in stored.files or "logits" not in stored.files:
            raise ValueError(f"{path} must be a file written by Trajectory.save, got arrays {stored.files}")
        out = json.loads(str(stored["json"]))
        out |= {name: stored[name] for name in _ARRAYS if name in stored.files}
        if "lr" in stored.files:
            out["lr"] = stored["lr"]
        classes = None if np.any(out["labels"] == -1) else out["logits"].shape[-1]
        for name in ("network", "start"):
            weights, biases = _in_order(stored, f"{name}.weights"), _in_order(stored, f"{name}.biases")
            out[name] = Network(weights, biases or None, classes) if weights else None
        facts = out.pop("data", None)
        if facts is not None:
            out["data"] = Dataset(stored["data.X"], out["labels"], stored["data.q"], **facts)
    return dict(out)


def _in_order(stored: Mapping[str, Floats], name: str) -> list[Floats]:
    keys = (f"{name}.{i}" for i in itertools.count())
    return [stored[key] for key in itertools.takewhile(lambda key: key in stored, keys)]


def dataframe(run: Trajectory) -> pandas.DataFrame:
    """Long format: time, step, member, point, label, logit (for C classes that of the label), confidence, error."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install dynsim[pandas]") from error
    T, n = len(run.time), len(run.labels)
    members = run.confidence.size // max(T * n, 1)
    k, member, point = (index.ravel() for index in np.indices((T, members, n)))
    time = np.broadcast_to(run.time.reshape(T, -1), (T, members))
    return pandas.DataFrame(
        {
            "time": time[k, member],
            "step": -1 if run.step is None else run.step[k],
            "member": member,
            "point": point,
            "label": run.labels[point].astype(int),
            "logit": run.own_logit.ravel(),
            "confidence": run.confidence.ravel(),
            "error": run.error.ravel(),
        }
    )
