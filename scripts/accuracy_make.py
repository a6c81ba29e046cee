"""Draw arguments for the closed-form laws and write the exact answers: scripts/accuracy_rows/*.txt; needs mpmath.

Starts, times, imbalances, rates and norms are spread over the orders of magnitude of the documented domain and
rounded to a few decimal digits, so that a row is short while its float64 arguments have full mantissas.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import accuracy_laws as laws
import mpmath as mp
import numpy as np
from accuracy_laws import Mode

# one layer, where logits may be negative and as small as times, more often than the others
DEPTHS = (
    *(1, 1, 1, 1, 1, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 32, 50, 64, 75, 99, 100),
    *(1.0001, 1.5, 1.9, 1.999999, 1.999999999999, 2.000000000001, 2.0000001, 2.001, 2.1, 2.5, 3.7, 33.3),
)
CLASSES = (2, 3, 4, 5, 7, 10, 20, 37, 100, 257, 500, 1000)
STARTS = (1e-300, 1e-100, 1e-16, 0.5, 1.0, 40.0)
IMBALANCES = (1e-300, 1e-200, 1e-158, 1e-100, 1e-50, 1e-12, 1.0, 1e12)
WRITTEN = (1e-300, 1e300)  # answers and times outside are not drawn: subnormal numbers have fewer digits
STEEPEST = 1e13  # the largest condition number drawn; beyond, a float64 time does not tell the logit

Draw = dict[str, float]
Row = tuple[Draw, list[Any]]


def short(x: float, digits: int = 6) -> float:
    """x to a few decimal digits."""
    return float(f"{float(x):.{digits - 1}e}")


def power(rng: np.random.Generator, low: float, high: float) -> float:
    return float(10.0 ** rng.uniform(low, high))


def start(rng: np.random.Generator, *, signed: bool) -> float:
    kind = rng.random()
    size = power(rng, -300, 1.6) if kind < 0.45 else power(rng, -4, 1.6) if kind < 0.9 else rng.choice(STARTS)
    if signed and rng.random() < 0.35:
        size = -size if rng.random() < 0.8 else (-power(rng, 1, 3) if rng.random() < 0.5 else 0.0)
    return short(size)


def arguments(rng: np.random.Generator, kind: str) -> Draw:
    """All arguments but the time or logit."""
    depth = float(rng.choice(DEPTHS)) if kind == "deep" else 2.0
    out = {"initial": start(rng, signed="imbalanced" in kind or depth == 1.0), "rate": short(power(rng, -3, 3), 3)}
    if "imbalanced" in kind:
        span = rng.random()
        C = power(rng, -12, 12) if span < 0.4 else power(rng, -1.5, 1.5) if span < 0.7 else power(rng, -300, -12)
        out["imbalance"] = short(C if span < 0.85 else rng.choice(IMBALANCES), 4)
    if kind == "deep":
        out |= {"depth": depth, "norm": short(power(rng, -3, 3), 3)}
    if "softmax" in kind:
        out["classes"] = float(rng.choice(CLASSES))
    return out


def target(rng: np.random.Generator, loss: str, u0: float, C: float) -> Any:
    """A logit that the mode passes, hence after u0 (an mpf: a float may not tell it from u0)."""
    if C and u0 < 1 and rng.random() < (0.4 if u0 < 0 else 0.15):  # anywhere on the plateau, by the angle
        first, last = (mp.asinh(mp.mpf(u) / C) for u in (u0, min(1.0, abs(u0) + C)))
        return C * mp.sinh(first + (last - first) * rng.uniform(0, 1))
    if u0 < 0 and rng.random() < 0.15:  # about 0
        return mp.mpf(u0) * (power(rng, -30, 0) if rng.random() < 0.5 or u0 < -1 else -power(rng, -30, 0))
    if loss in ("cross_entropy", "exponential"):
        if 0 < u0 < 1 and rng.random() < 0.2:
            return mp.mpf(u0) ** rng.uniform(0, 1)
        which = rng.random()
        size = abs(u0) * power(rng, -16, 0) if which < 0.2 else power(rng, -7, 2.8) if which < 0.5 else 0.0
        return mp.mpf(u0) + (size or power(rng, -1, 2))
    part = power(rng, -14, 0) if rng.random() < 0.3 else rng.uniform(0, 1)
    if rng.random() < 0.2:
        part = 1 - power(rng, -14, 0)  # close to 1
    if 0 < u0 < 1 and rng.random() < 0.3:
        return mp.mpf(u0) ** (1 - mp.mpf(part))
    return mp.mpf(u0) + (1 - mp.mpf(u0)) * mp.mpf(part)


def exact(draw: Draw, loss: str) -> Mode:
    values: dict[str, Any] = {k: mp.mpf(v) for k, v in draw.items() if k != "classes"}
    if "classes" in draw:
        values["classes"] = int(draw["classes"])
    return Mode(loss, **values)


def digits(loss: str, draw: Draw) -> int:
    """C^2 beside u, and sinh of large angles, need many digits."""
    return 700 if "imbalance" in draw and loss in ("hinge", "squared") else 60


def stays(loss: str, u0: float) -> bool:
    return (loss == "hinge" and u0 >= 1) or (loss == "squared" and u0 == 1)


def logit_row(rng: np.random.Generator, loss: str, draw: Draw) -> Row | None:
    """time -> logit, at a time on the way to a target, or at any time."""
    mode, free = exact(draw, loss), rng.random() < 0.15
    u0, C = draw["initial"], draw.get("imbalance", 0.0)
    near = None if stays(loss, u0) else target(rng, loss, u0, C)
    solved = loss in ("cross_entropy", "exponential") and "imbalance" in draw
    if near is None or (free and not solved):
        time, near = power(rng, -300, 300) if rng.random() < 0.7 else power(rng, -9, 4), None
    else:
        # where a logit is found only from close by, a float64 time must be close by
        time = laws.scaled_time(mode, near) / mode.factor
    time = short(time) if WRITTEN[0] < time < WRITTEN[1] else 0.0
    if not time:
        return None
    T = mode.factor * mp.mpf(time)
    u = laws.logit(mode, T, near)
    sensitive = laws.sensitivities(mode, T, u)
    if loss == "hinge" and u == 1:  # at the kink it stays
        sensitive = (mp.mpf(0), mp.mpf(mode.initial == 1))
    return {**draw, "time": time}, [u, *sensitive]


def time_row(rng: np.random.Generator, loss: str, draw: Draw) -> Row | None:
    """logit -> time."""
    if stays(loss, draw["initial"]):
        return None
    wanted = float(target(rng, loss, draw["initial"], draw.get("imbalance", 0.0)))
    u, low, high = short(wanted, 8), *sorted((draw["initial"], 1.0 if loss in ("hinge", "squared") else 1e3))
    if not low < u < high:
        u = wanted
    if not (low < u < high) or u == 0.0:
        return None
    mode = exact(draw, loss)
    T = laws.scaled_time(mode, mp.mpf(u))
    time, initial = laws.sensitivities(mode, T, mp.mpf(u))
    return {**draw, "logit": u}, [T / mode.factor, 1 / time, initial / time]


def rows(function: str, loss: str, kind: str, count: int) -> Iterator[Row]:
    """`count` rows: the arguments, then the answer and its sensitivities."""
    # one seed for all losses of a kind: their quadratures are of the same integral
    rng = np.random.default_rng(zlib.crc32(f"{function} {kind.replace('softmax_', '')}".encode()))
    make: Callable[..., Row | None] = logit_row if function == "logit" else time_row
    found = 0
    while found < count:
        seed = int(rng.integers(2**63))
        draw = arguments(np.random.default_rng(seed), kind)
        with mp.workdps(digits(loss, draw)):
            row = make(np.random.default_rng([seed, 1]), loss, draw)
        if row is None:
            continue
        size, condition = abs(row[1][0]), 1 + row[1][1] + row[1][2]
        if WRITTEN[0] <= size <= WRITTEN[1] and condition < STEEPEST:
            found += 1
            yield row


def inverse_rows(count: int) -> Iterator[Row]:
    """c -> u with log u + Ei(u) = c, for a drawn u or any c."""
    rng = np.random.default_rng(zlib.crc32(b"log_ei_inverse"))
    for i in range(count):
        with mp.workdps(60):
            if i % 2:
                near = mp.mpf(power(rng, -300, 1.6) if i % 4 == 1 else power(rng, -2, 2.84))
                c = short(mp.log(near) + mp.ei(near), 8)
            else:
                c = short(power(rng, -8, 308) if i % 4 else -power(rng, -8, 3.14), 8)
            u = laws.log_ei_inverse(mp.mpf(c))
            yield {"c": c}, [u, abs(c / (1 + mp.exp(u)))]


def inflection_rows(kind: str, count: int) -> Iterator[Row]:
    """Depth and classes, or the imbalance -> the logit of the last inflection."""
    rng = np.random.default_rng(zlib.crc32(f"inflection {kind}".encode()))
    seen: set[tuple[float, ...]] = set()
    while len(seen) < count:
        if kind == "imbalanced":
            near = 0.5852119536458906 * (1 + (-1) ** len(seen) * power(rng, -6, 0))
            draw = {"imbalance": short(near if rng.random() < 0.4 else power(rng, -12, 12), 8)}
        else:
            depth = rng.integers(1, 101) if rng.random() < 0.7 else power(rng, 0, 6)
            draw = {"depth": float(int(depth)), "classes": float(rng.choice(CLASSES))}
        with mp.workdps(60):
            u, sensitive = laws.inflection(**{name: mp.mpf(x) for name, x in draw.items()})
        # depth 1 with 3 classes has its inflection at 0
        if tuple(draw.values()) not in seen and u:
            seen.add(tuple(draw.values()))
            yield draw, [u, sensitive]


# -- the files ----------------------------------------------------------------------------------------------


def written(x: float) -> str:
    """The shortest text that reads as the same float64."""
    return repr(x).replace("e+", "e").removesuffix(".0")


def write(path: Path, found: Iterator[Row]) -> int:
    """One table; the number of its rows."""
    lines, names = [], ""
    for draw, (value, *sensitive) in found:
        names = " ".join(draw)
        numbers = [mp.nstr(value, 25), *(f"{float(s):.3g}" for s in sensitive)]
        lines.append(" ".join([*(written(x) for x in draw.values()), *numbers]))
    path.write_text(f"# {names} | answer sensitivities\n" + "\n".join(lines) + "\n", encoding="ascii")
    return len(lines)


def found(function: str, loss: str, kind: str, count: int) -> Iterator[Row]:
    """The rows of one table of scripts/accuracy.py."""
    if loss:
        return rows(function, loss, kind, count)
    if function == "inflection":
        return inflection_rows(kind, count)
    if function == "log_ei_inverse":
        return inverse_rows(count)
    import accuracy_others

    return accuracy_others.rows(function, kind, count)
