"""How scripts/accuracy.py calls each function on the rows of a table, and what its docstring promises."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynsim.theory import bounds, maps, modes, order_parameters, orthogonal, shape, slower_class

Floats = NDArray[np.float64]
Arguments = dict[str, Floats]

#: Where a function is looked up.
HOMES: dict[str, ModuleType] = {
    **dict.fromkeys(("logit", "time_to", "log_ei_inverse"), modes),
    **dict.fromkeys(("inflection", "inflections", "asymptote"), shape),
    **dict.fromkeys(("upper_bound", "lower_bound"), bounds),
    "time_ratio": slower_class,
    **dict.fromkeys(("sgd_mean", "sgd_quantiles"), maps),
    "one_input": orthogonal,
    "drop_times": order_parameters,
}
#: The losses by the number that stands for them in a column.
LOSSES = ("cross_entropy", "exponential", "hinge", "squared")
#: What the numbers in a column stand for.
WORDS = {"loss": LOSSES, "part": ("norm", "frequency", "rate")}
ROOTS = ("first", "second", "third")
#: Promised error over k, where it is not that of `modes`.
UNITS: dict[str, float] = {"inflections": 1e-15, "upper_bound": 1e-15, "lower_bound": 2e-15, "one_input": 5e-16}
#: Here the promise is of the absolute error.
ABSOLUTE = ("inflections-first", "inflections-third")


def call(function: str, loss: str, kind: str, arguments: Arguments) -> Floats:
    """The function at all points."""
    given, f = dict(arguments), getattr(HOMES[function], function)
    if function in ("logit", "time_to"):
        return np.asarray(f(given.pop("time" if function == "logit" else "logit"), loss=loss, **given))
    if function == "inflections":
        return np.asarray(f(given["imbalance"]).logit[:, ROOTS.index(kind)])
    if function == "log_ei_inverse":
        return np.asarray(f(given["c"]))
    return np.asarray(CALLS[function](f, given))


def _grouped(given: Arguments, names: list[str], function: Callable[..., Any]) -> Floats:
    """One call for all points that share the values of `names`, which it gets as numbers."""
    keys = np.column_stack([given[name] for name in names])
    values, place = np.unique(keys, axis=0, return_inverse=True)
    out = np.empty(len(keys))
    for i, key in enumerate(values.tolist()):
        own = place.ravel() == i
        rest = {name: x[own] for name, x in given.items() if name not in names}
        out[own] = function(dict(zip(names, key, strict=True)), rest)
    return out


def _inflection(f: Callable[..., Any], given: Arguments) -> Floats:
    if "classes" not in given:
        return np.asarray(f(imbalance=given["imbalance"]).logit)
    return np.asarray(f(given["depth"], classes=given["classes"]).logit)


def _asymptote(f: Callable[..., Any], given: Arguments) -> Floats:
    """Classes are 0 where there is no softmax."""

    def own(shared: dict[str, float], rest: Arguments) -> Any:
        classes = int(shared["classes"]) or None
        return f(rest.pop("time"), terms=int(shared["terms"]), classes=classes, **rest)

    return _grouped(given, ["terms", "classes"], own)


def _time_ratio(f: Callable[..., Any], given: Arguments) -> Floats:
    def own(shared: dict[str, float], rest: Arguments) -> Any:
        pairs = {name[:-2]: (rest[name], rest[f"{name[:-1]}2"]) for name in rest if name.endswith("_1")}
        depth = rest.get("depth", 2.0)
        return f(rest["logit"], loss=LOSSES[int(shared["loss"])], depth=depth, **pairs).exact

    return _grouped(given, ["loss"], own)


def _sgd(f: Callable[..., Any], given: Arguments) -> Floats:
    """One call a path; of the grid of levels and steps, the diagonal."""
    names = [name for name in given if name not in ("steps", "quantile")]

    def own(shared: dict[str, float], rest: Arguments) -> Any:
        law = {"loss": LOSSES[int(shared.pop("loss"))], "steps": rest["steps"]}
        if "quantile" not in rest:
            return f(**shared, **law)
        return np.diagonal(f(**shared, **law, quantiles=rest["quantile"]))

    return _grouped(given, names, own)


def _one_input(f: Callable[..., Any], given: Arguments) -> Floats:
    found = np.stack(f(given["points"], norm=given["norm"], weight=given["weight"]), axis=-1)
    return np.take_along_axis(found, given["part"].astype(int)[:, None], axis=1)[:, 0]


def _drop_times(f: Callable[..., Any], given: Arguments) -> Floats:
    """One call a row, of which one point is asked for."""
    rows = np.column_stack(list(given.values()))
    size = 2 if "x31" not in given else 3
    place = np.triu_indices(size)
    out = np.empty(len(rows))
    for i, row in enumerate(rows):
        v, upper, zeta, X, q, (point,) = np.split(row, np.cumsum([size, len(place[0]), 1, size**2, size]))
        M = np.zeros((size, size))
        M[place] = M.T[place] = upper
        state = order_parameters.OrderParameters(v, M, zeta[0])
        out[i] = f(state, X.reshape(size, size), np.ones(size), q)[int(point)]
    return out


CALLS: dict[str, Callable[..., Floats]] = {
    "inflection": _inflection,
    "upper_bound": lambda f, given: f(given.pop("time"), **given),
    "lower_bound": lambda f, given: f(given.pop("time"), **given),
    "asymptote": _asymptote,
    "time_ratio": _time_ratio,
    "sgd_mean": _sgd,
    "sgd_quantiles": _sgd,
    "one_input": _one_input,
    "drop_times": _drop_times,
}
