"""Rows for the laws that are iterated or pieced together: SGD of one point a batch, and drops of the hinge loss.

As in accuracy_laws.py nothing is taken from dynsim.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
from accuracy_make import Draw, Row, power, short

LOSSES = ("cross_entropy", "exponential", "hinge")  # in the order of accuracy_calls.LOSSES
_DIGITS = 50
_H = mp.mpf(10) ** -20
_ROWS_A_PATH, _MOST_STEPS = 40, 400
#: Quantiles whose level is closer than this to a jump are not drawn.
_JUMP = 1e-9


def generator(*names: str) -> np.random.Generator:
    import accuracy_others

    return accuracy_others.generator(*names)


# -- SGD -----------------------------------------------------------------------------------------------------


def pull(loss: str, u: Any) -> Any:
    if loss == "hinge":
        return mp.mpf(u < 1)
    return mp.exp(-u) if loss == "exponential" else 1 / (1 + mp.exp(u))


def path(loss: str, S: Any, D: Any, norm: Any, step: Any, count: int) -> list[Any]:
    """u_0, ..., u_count in S and D themselves: S <- S (1 + e)^2, D <- D (1 - e)^2."""
    out = [norm / 4 * (S - D)]
    for _ in range(count):
        e = step * pull(loss, out[-1])
        S, D = S * (1 + e) ** 2, D * (1 - e) ** 2
        out.append(norm / 4 * (S - D))
    return out


class Path(NamedTuple):
    """u_K, and its derivatives by log lr, log S and log D."""

    u: list[Any]
    by_step: list[Any]
    by_S: list[Any]
    by_D: list[Any]

    def at(self, weights: dict[int, Any]) -> list[Any]:
        """Means of the four."""
        return [mp.fsum(w * row[k] for k, w in weights.items()) for row in self]


def drawn_path(rng: np.random.Generator) -> tuple[Draw, Path] | None:
    number = int(rng.integers(3))
    norm, rate = short(power(rng, -2, 2), 3), short(power(rng, -2, 2), 3)
    size = 4 / norm * (power(rng, -10, 0.5) if rng.random() < 0.4 else power(rng, -2, 1))
    S, D = short(size, 5), short(size * power(rng, -4, 0.5), 5) if rng.random() < 0.8 else 0.0
    f = short(rng.uniform(0.05, 1), 3)
    lr = short(power(rng, -3.5, -0.3) * f / rate, 3)
    draw = {"loss": float(number), "S": S, "D": D, "rate": rate, "norm": norm, "frequency": f, "lr": lr}
    with mp.workdps(_DIGITS):
        s, d, x, step = mp.mpf(S), mp.mpf(D), mp.mpf(norm), mp.mpf(lr) * mp.mpf(rate) / mp.mpf(f)
        states = ((s, d, step), (s, d, step * (1 + _H)), (s * (1 + _H), d, step), (s, d * (1 + _H), step))
        base, *moved = (path(LOSSES[number], a, b, x, e, _MOST_STEPS) for a, b, e in states)
        far, close = base[0] < -1 or base[-1] > 600, min(abs(u - 1) for u in base) < 1e-10
        if far or (number == 2 and close) or any(b < a for a, b in itertools.pairwise(base)):
            return None
        return draw, Path(base, *([(m - u) / _H for m, u in zip(row, base, strict=True)] for row in moved))


def binomial(n: int, f: Any) -> dict[int, Any]:
    """P(K = k)."""
    if f == 1:
        return {n: mp.mpf(1)}
    return {k: mp.binomial(n, k) * f**k * (1 - f) ** (n - k) for k in range(n + 1)}


def sgd_rows(function: str) -> Iterator[Row]:
    """Beside 1: the sensitivities to lr, S and D, and of the mean the one to the frequency as well."""
    rng, row = generator(function), _mean if function == "sgd_mean" else _quantile
    while True:
        found = drawn_path(rng)
        if found is None:
            continue
        draw, law = found
        f = mp.mpf(draw["frequency"])
        for n in sorted(rng.choice(_MOST_STEPS + 1, _ROWS_A_PATH, replace=False).tolist()):
            with mp.workdps(_DIGITS):
                made = row(rng, n, f, law)
            if made is not None:
                yield {**draw, **made[0]}, made[1]


def _mean(rng: np.random.Generator, n: int, f: Any, law: Path) -> Row:
    weights = binomial(n, f)
    u, *by = law.at(weights)
    # the weights change by (k - n f)/(1 - f), the steps by -1
    turned = {k: w * (k - n * f) / (1 - f) for k, w in weights.items()} if f < 1 else {}
    by_f = law.at(turned)[0] - by[0]
    return {"steps": float(n)}, [u, *(abs(x / u) for x in (*by, by_f))]


def _quantile(rng: np.random.Generator, n: int, f: Any, law: Path) -> Row | None:
    level = short(rng.uniform(0.001, 0.999) if rng.random() < 0.7 else rng.choice((1e-6, 0.05, 0.5, 0.95)), 4)
    total = mp.mpf(0)
    for k, weight in binomial(n, f).items():
        total += weight
        if abs(total - level) < _JUMP:
            return None
        if total > level:
            u, *by = (row[k] for row in law)
            return {"steps": float(n), "quantile": level}, [u, *(abs(x / u) for x in by)]
    raise ArithmeticError("the probabilities do not add up to 1")


# -- drops ---------------------------------------------------------------------------------------------------


class Units(NamedTuple):
    """v, M and zeta of a class's units, its points as rows and their weights; all labels are 1."""

    v: Any
    M: Any
    zeta: Any
    X: Any
    q: Any


def turned(now: Units, r: Any, angle: Any) -> Units:
    """After the time angle/|r| under a constant r, along it and across it."""
    e = r / mp.norm(r)
    c, s = mp.cosh(angle), mp.sinh(angle)
    across = mp.eye(len(r)) - e * e.T
    Me = now.M * e
    along, side = (e.T * Me)[0], across * Me
    inner = (e.T * now.v)[0]
    new_along = along * c * c + 2 * inner * c * s + now.zeta * s * s
    new_zeta = along * s * s + 2 * inner * c * s + now.zeta * c * c
    new_side = side * c + across * now.v * s
    new_inner = (along + now.zeta) * c * s + inner * (c * c + s * s)
    v = new_inner * e + side * s + across * now.v * c
    M = across * now.M * across + new_along * e * e.T + new_side * e.T + e * new_side.T
    return now._replace(v=v, M=M, zeta=new_zeta)


def drop_times(start: Units, slack: Any = 0) -> list[Any] | None:
    """The times at which the points reach margin 1; None where not all do soon, or two nearly at once."""
    now, t = start, mp.mpf(0)
    out = [mp.mpf(0) if m >= 1 else None for m in margins(start)]
    while None in out:
        left = [i for i, done in enumerate(out) if done is None]
        r = mp.matrix([mp.fsum(now.q[i] * now.X[i, j] for i in left) for j in range(len(now.v))])
        found = _next(now, r, left, mp.mpf(1) / 16) if mp.norm(r) else None
        if found is None:
            return None
        angle, which = found
        now, t = turned(now, r, angle), t + angle / mp.norm(r)
        if any(abs(margins(now)[i] - 1) < slack for i in left if i != which):
            return None
        out[which] = t
    return out


def margins(now: Units) -> list[Any]:
    return list(now.X * now.v)


def _next(now: Units, r: Any, left: list[int], step: Any) -> tuple[Any, int] | None:
    """The angle of the next drop and the point, by a search in steps and a secant method in a bracket."""

    def ahead(angle: Any, i: int) -> Any:
        return margins(turned(now, r, angle))[i] - 1

    for k in range(200):
        crossed = [i for i in left if ahead((k + 1) * step, i) >= 0]
        if crossed:
            bracket = (k * step, (k + 1) * step)
            roots = [
                (mp.findroot(lambda a, i=i: ahead(a, i), bracket, solver="anderson", tol=mp.mpf(10) ** -70), i)
                for i in crossed
            ]
            return min(roots)
    return None


def units_of(draw: Draw, size: int) -> Units:
    numbers = [mp.mpf(x) for x in draw.values()]
    v, rest = numbers[:size], numbers[size:]
    M = mp.matrix(size, size)
    for i, j in zip(*np.triu_indices(size), strict=True):
        M[int(i), int(j)] = M[int(j), int(i)] = rest.pop(0)
    zeta = rest.pop(0)
    X = mp.matrix([[rest.pop(0) for _ in range(size)] for _ in range(size)])
    return Units(mp.matrix(v), M, zeta, X, rest[:size])


def named(names: Iterable[str], values: Iterable[float]) -> Draw:
    return {name: short(x, 4) for name, x in zip(names, values, strict=True)}


def drop_draw(rng: np.random.Generator, size: int) -> Draw:
    """Order parameters of three random units, rounded, and as many points as dimensions."""
    w, z = rng.normal(size=(3, size)), rng.normal(size=3)
    scale = power(rng, -3, -0.5)
    v, M, zeta = scale * (z @ w), scale * (w.T @ w), scale * (z @ z)
    centre = rng.normal(size=size)
    X = centre + rng.uniform(0.1, 1.0) * rng.normal(size=(size, size))
    ends = range(1, size + 1)
    return {
        **named([f"v{i}" for i in ends], v),
        **named([f"M{i}{j}" for i in ends for j in ends if j >= i], M[np.triu_indices(size)]),
        **named(["zeta"], [float(zeta)]),
        **named([f"x{i}{j}" for i in ends for j in ends], X.ravel()),
        **named([f"q{i}" for i in ends], rng.uniform(0.05, 0.5, size)),
    }


def drop_rows(size: int) -> Iterator[Row]:
    """Beside 1: the sum of the sensitivities to all entries. One row a point."""
    rng = generator("drop_times", str(size))
    while True:
        draw = drop_draw(rng, size)
        with mp.workdps(40):
            times = drop_times(units_of(draw, size), slack=mp.mpf(10) ** -6)
            if times is None:
                continue
            total = [mp.mpf(0)] * size
            for name, value in draw.items():
                moved = drop_times(units_of({**draw, name: mp.mpf(value) * (1 + _H)}, size))
                for i, t in enumerate(moved or ()):
                    total[i] += abs(t - times[i]) / _H
            rows = [({**draw, "point": float(i)}, [t, total[i] / t]) for i, t in enumerate(times) if t]
        yield from rows
