"""Rows for the functions beside the modes: arguments drawn, and the exact answers in mpmath.

As in accuracy_laws.py nothing is taken from dynsim. Every generator yields the arguments of a row, and the answer
followed by what is added to 1 in the condition number of the row.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import accuracy_laws as laws
import accuracy_make as make
import mpmath as mp
import numpy as np
from accuracy_make import Row, power, short

LOSSES = ("cross_entropy", "exponential", "hinge", "squared")
_DIGITS = 60


def generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(names).encode()))


# -- inflections ---------------------------------------------------------------------------------------------


def square(u: Any) -> tuple[Any, Any]:
    """C^2 = u/k(u) - u^2 of a positive inflection, k = 3 sigma(u) - 1, and its slope."""
    P = 1 / (1 + mp.exp(-u))
    k = 3 * P - 1
    return u / k - u * u, 1 / k - 3 * u * P * (1 - P) / k**2 - 2 * u


def merging() -> Any:
    """The logit at which two inflections merge."""
    return mp.findroot(lambda u: square(u)[1], (mp.mpf("0.4"), mp.mpf("0.401")), tol=mp.mpf(10) ** -100)


def inflections(C: Any, kind: str) -> tuple[Any, Any]:
    """The root and |dlog u/dlog C|; the positive ones by Newton's method, monotone as the function is concave."""
    if kind == "first":

        def excess(u: Any) -> tuple[Any, Any]:
            P, R = 1 / (1 + mp.exp(-u)), u * u + C * C
            return 3 * P - 1 - u / R, 3 * P * (1 - P) - (C * C - u * u) / R**2

        u = laws._root(excess, mp.mpf("-1.8"), -mp.log(2), mp.mpf(-1.5))
        return u, abs(2 * C * C / (u * u + C * C) ** 2 / excess(u)[1])
    u, step = C * C / 2 if kind == "second" else mp.mpf("0.8884"), mp.inf
    while abs(step) > mp.mpf(10) ** -45 * u:
        value, slope = square(u)
        step = (C * C - value) / slope
        u += step
    return u, abs(2 * C * C / (u * square(u)[1]))


def inflections_rows(kind: str, count: int) -> Iterator[Row]:
    rng, seen = generator("inflections", kind), set[float]()
    with mp.workdps(_DIGITS):
        critical = mp.sqrt(square(merging())[0])
    while len(seen) < count:
        near, sign = rng.random() < 0.4, 1 if rng.random() < 0.5 and kind == "first" else -1
        far = power(rng, -140, 0) if rng.random() < 0.3 else power(rng, -4, 12 if kind == "first" else 0)
        C = float(critical * (1 + sign * mp.mpf(power(rng, -13, 0)))) if near else short(far, 8)
        if C in seen or C == 0 or (kind != "first" and critical - C < 1e-14):
            continue
        seen.add(C)
        with mp.workdps(_DIGITS):
            u, sensitive = inflections(mp.mpf(C), kind)
        yield {"imbalance": C}, [u, sensitive]


# -- bounds and the end --------------------------------------------------------------------------------------


def upper_rows(count: int) -> Iterator[Row]:
    """Beside 1: |log(kappa t)| and |u0/bound|, as the docstring has it."""
    rng = generator("upper_bound")
    for _ in range(count):
        time = short(power(rng, -300, 300) if rng.random() < 0.5 else power(rng, -6, 6))
        u0 = make.start(rng, signed=True) * (10.0 if rng.random() < 0.1 else 1.0)
        rate, C = short(power(rng, -3, 3), 3), rng.choice((0.0, short(power(rng, -3, 12), 4)))
        with mp.workdps(400):
            growth = mp.mpf(rate) * mp.mpf(time)
            bound = 2 * mp.log(max(mp.mpf(1), mp.mpf(C) / 2) * growth + mp.exp(mp.mpf(u0) / 2))
            weights = [abs(mp.log(growth)), abs(u0 / bound)]
        yield {"time": time, "initial": u0, "rate": rate, "imbalance": float(C)}, [bound, *weights]


def lower(t: Any, u0: Any, rate: Any) -> Any:
    """log(1 + 2 y) with y + log y = kappa t + x/2 + log(x/2), x = e^u0 - 1, by Newton's method from above."""
    half = mp.expm1(u0) / 2
    wanted = rate * t + half + mp.log(half)
    z, step = wanted if wanted < 1 else mp.log(wanted), mp.inf
    while abs(step) > mp.mpf(10) ** -45:
        step = (mp.exp(z) + z - wanted) / (mp.exp(z) + 1)
        z -= step
    return mp.log1p(2 * mp.exp(z))


def lower_rows(count: int) -> Iterator[Row]:
    """Beside 1: |log u0| e^-bound, as the docstring has it."""
    rng = generator("lower_bound")
    for _ in range(count):
        u0, rate, kind = make.start(rng, signed=False), short(power(rng, -3, 3), 3), rng.random()
        # a third of the points at the end of the plateau, where the bound passes 1
        plateau = max(1.0, -np.log(u0)) * (rng.uniform(0, 1.5) if kind < 0.2 else rng.uniform(0.98, 1.05)) / rate
        time = short(plateau if kind < 0.5 else power(rng, -300, 300) if kind < 0.8 else power(rng, -6, 6))
        with mp.workdps(400):
            bound = lower(*(mp.mpf(x) for x in (time, u0, rate)))
            weight = abs(mp.log(u0)) * mp.exp(-bound)
        yield {"time": time, "initial": u0, "rate": rate}, [bound, weight]


def asymptote_rows(count: int) -> Iterator[Row]:
    """Beside 1: |dlog u/dlog t| and |dlog u/dlog kappa|."""
    rng, found = generator("asymptote"), 0
    while found < count:
        classes = float(rng.choice(make.CLASSES)) if rng.random() < 0.3 else 0.0
        draw = {
            "time": short(power(rng, 0.4343, 300) if rng.random() < 0.6 else power(rng, 0.4343, 4)),
            "rate": short(power(rng, -3, 3) if rng.random() < 0.7 else power(rng, -300, 300), 3),
            "depth": 2.0 if classes else float(rng.choice((*make.DEPTHS, 2, 2, 2, 2))),
            "norm": short(power(rng, -3, 3), 3),
            "classes": classes,
            "terms": float(rng.integers(3, 5)),
        }
        with mp.workdps(_DIGITS):
            t, rate, N, norm, n = (mp.mpf(draw[x]) for x in ("time", "rate", "depth", "norm", "classes"))
            K = N * rate * norm ** (2 / N - 1) * (mp.sqrt(n * (n - 1)) if n else 1)
            a, L = 2 - 2 / N, mp.log(t)
            X, more = a * mp.log(L) + mp.log(K), draw["terms"] == 4
            value = L + X + more * a * (X - 1) / L
            by_time = 1 + a / L + more * a * (a - X + 1) / L**2
            sensitive = [abs(by_time / value), abs((1 + more * a / L) / value)]
        if draw["time"] > np.e and 1 + sum(sensitive) < make.STEEPEST:
            found += 1
            yield draw, [value, *sensitive]


def one_input_rows(count: int) -> Iterator[Row]:
    rng = generator("one_input")
    for i in range(count):
        points = float(int(power(rng, 0, 3 if rng.random() < 0.5 else 9)))
        size, weight = (short(power(rng, -3, 3) if rng.random() < 0.7 else power(rng, -140, 140)) for _ in "ab")
        with mp.workdps(_DIGITS):
            m, x, q = mp.mpf(points), mp.mpf(size), mp.mpf(weight)
            value = (x / mp.sqrt(m), m * q, mp.sqrt(m) * q * x)[i % 3]
        yield {"points": points, "norm": size, "weight": weight, "part": float(i % 3)}, [value]


# -- two classes ---------------------------------------------------------------------------------------------


def ratio_rows(kind: str, count: int) -> Iterator[Row]:
    """Beside 1: what the condition numbers of both times have beside 1."""
    rng, found = generator("time_ratio", kind), 0
    while found < count:
        number = int(rng.integers(4))
        loss, first = LOSSES[number], make.arguments(rng, kind)
        other = make.arguments(rng, kind) | ({"depth": first["depth"]} if "depth" in first else {})
        if first.get("depth", 0) == 1.0 or "imbalance" in first:
            scale = power(rng, -2, 0.5) if first["initial"] < 0 else 1.0
            other["initial"] = short(scale * first["initial"]) if rng.random() < 0.3 else other["initial"]
        elif min(first["initial"], other["initial"]) <= 0:
            continue
        highest = max(first["initial"], other["initial"])
        if loss in ("hinge", "squared") and highest >= 1:
            continue
        draw = {"loss": float(number)} | ({"depth": first["depth"]} if "depth" in first else {})
        for name in ("initial", "rate", "imbalance", "norm"):
            if name in first:
                draw |= {f"{name}_1": first[name], f"{name}_2": other[name]}
        row = _ratio_row(rng, loss, [first, other], highest)
        if row is not None:
            found += 1
            yield {**draw, "logit": row[0]}, row[1]


def _ratio_row(
    rng: np.random.Generator, loss: str, pair: list[make.Draw], highest: float
) -> tuple[float, list[Any]] | None:
    with mp.workdps(make.digits(loss, pair[0])):
        u = float(make.target(rng, loss, highest, pair[0].get("imbalance", 0.0)))
        u = short(u, 8) if highest < short(u, 8) < (1.0 if loss in ("hinge", "squared") else 1e3) else u
        if not highest < u < (1.0 if loss in ("hinge", "squared") else 700.0) or u == 0.0:
            return None
        times, sensitive = [], []
        for draw in pair:
            mode = make.exact(draw, loss)
            T = laws.scaled_time(mode, mp.mpf(u))
            by_time, start = laws.sensitivities(mode, T, mp.mpf(u))
            times.append(T / mode.factor)
            sensitive += [1 / by_time, start / by_time]
        ratio = times[1] / times[0]
        fits = 1e-290 < ratio < 1e290 and all(make.WRITTEN[0] < x < make.WRITTEN[1] for x in times)
        return (u, [ratio, *sensitive]) if fits and 1 + sum(sensitive) < make.STEEPEST else None


def rows(function: str, kind: str, count: int) -> Iterator[Row]:
    """`count` rows of a table."""
    import accuracy_paths as paths

    source: dict[str, Callable[[], Iterator[Row]]] = {
        "inflections": lambda: inflections_rows(kind, count),
        "upper_bound": lambda: upper_rows(count),
        "lower_bound": lambda: lower_rows(count),
        "asymptote": lambda: asymptote_rows(count),
        "time_ratio": lambda: ratio_rows(kind, count),
        "one_input": lambda: one_input_rows(count),
        "sgd_mean": lambda: itertools.islice(paths.sgd_rows("sgd_mean"), count),
        "sgd_quantiles": lambda: itertools.islice(paths.sgd_rows("sgd_quantiles"), count),
        "drop_times": lambda: itertools.islice(paths.drop_rows(int(kind[0])), count),
    }
    return source[function]()
