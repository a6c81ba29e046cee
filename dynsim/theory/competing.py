"""Units that two classes compete for: on which side of the separatrix they start, and their paths in time.

The equations are those of `dynsim.theory.competition`. Arrays have one dimension, an entry a start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit

from dynsim import checks
from dynsim.checks import Floats
from dynsim.fates import Winner
from dynsim.theory import separatrix as curves
from dynsim.theory.separatrix import Sheet

#: A start so close to the separatrix, in units of sqrt(c) + |z|, is taken to be on it: ten times what the
#: integration of the separatrix may be off by.
ON_THE_SEPARATRIX = 1e-10
#: The bounds decide only where they do so by this much, relative, which is more than that tolerance.
_MARGIN = 1e-9
#: Tolerance of the integration in time, and the stiffness (the k of the saddle) from which it is left to LSODA.
_RTOL, _STIFF = 3e-13, 30.0
#: Products of larger numbers would overflow.
HUGE = 1e60
#: Paths from larger starts are too stiff to be followed.
LARGEST = 1e3
#: No death is awaited longer.
_END = 1e200


class Starts(NamedTuple):
    """Checked arguments of one shape."""

    alpha: Floats
    beta: Floats
    z: Floats
    norm1: Floats
    norm2: Floats
    p1: Floats
    p2: Floats

    @property
    def flat(self) -> Starts:
        return Starts(*(values.ravel() for values in self))

    def where(self, part: NDArray[np.bool_]) -> Starts:
        return Starts(*(values[part] for values in self))

    @property
    def swapped(self) -> Starts:
        """Class 2 in the place of class 1, and z -> -z: the same equations."""
        return Starts(self.beta, self.alpha, -self.z, self.norm2, self.norm1, self.p2, self.p1)


def side(starts: Starts) -> NDArray[np.int64]:
    """1 where class 1 wins, -1 where class 2 does, 0 on the separatrix; alpha and beta are positive."""
    root, sign = root_of(starts)
    out = np.sign(starts.z).astype(np.int64)
    for mine, part, turn in branches(starts, sign > 0.0):
        out[part] = turn * _above(mine, root[part])
    return out


def _above(starts: Starts, root: Floats) -> NDArray[np.int64]:
    """1 above the branch z > 0, -1 below, for starts with theta >= theta*: by its bounds, or else by itself."""
    eta, sheet = on_sheet(starts, root)
    cot, cot0 = sheet.rate2 / sheet.rate1 * np.exp(-eta), sheet.rate2 / sheet.rate1
    R = np.hypot(root, starts.z)
    # 1/cos(theta - theta*) <= cosh(zeta) <= cos(theta*)/cos(theta)
    lower = root * (np.hypot(1.0, cot) * np.hypot(1.0, cot0) / (1.0 + cot * cot0))
    with np.errstate(over="ignore"):
        upper = root * (np.exp(eta) * (np.hypot(1.0, cot) / np.hypot(1.0, cot0)))
    out = np.zeros(len(eta), dtype=np.int64)
    out[(starts.z > 0.0) & (upper * (1.0 + _MARGIN) < R)] = 1
    out[(lower * (1.0 - _MARGIN) > R) | (starts.z < -_MARGIN * R)] = -1
    close = out == 0
    with np.errstate(over="ignore"):
        height = starts.z[close] - root[close] * np.sinh(curves.graph(eta[close], sheet.where(close)))
    height[np.abs(height) <= ON_THE_SEPARATRIX * (root[close] + np.abs(starts.z[close]))] = 0.0
    out[close] = np.sign(height)
    return out


def learnt(starts: Starts) -> NDArray[np.int64]:
    """1 where a unit that only class 1 activates ends with z > 0, -1 where it dies, 0 between, as `phases.fate`."""
    with np.errstate(over="ignore"):
        return np.sign(starts.alpha - -starts.norm1 * starts.z).astype(np.int64)


def branches(starts: Starts, part: NDArray[np.bool_]) -> list[tuple[Starts, NDArray[np.bool_], int]]:
    """The starts on either side of theta*, those of the branch z < 0 swapped, with the sign of what was z."""
    up = starts.p2 * starts.beta >= starts.p1 * starts.alpha
    return [(starts.where(part & up), part & up, 1), (starts.where(part & ~up).swapped, part & ~up, -1)]


def sheet_of(starts: Starts, root: Floats) -> Sheet:
    """The sheet of each start."""
    return Sheet(root, starts.p1 * starts.norm1, starts.p2 * starts.norm2, starts.norm1, starts.norm2)


def on_sheet(starts: Starts, root: Floats) -> tuple[Floats, Sheet]:
    """eta and the sheet of starts with theta >= theta*."""
    first, second = starts.p1 * starts.alpha, starts.p2 * starts.beta
    with np.errstate(over="ignore"):
        eta = np.where(second < 2.0 * first, np.log1p((second - first) / first), np.log(second) - np.log(first))
    return np.maximum(eta, 0.0), sheet_of(starts, root)


def root_of(starts: Starts) -> tuple[Floats, Floats]:
    """sqrt(|c|) and the sign of c, without cancellation where one class is weak, nor overflow."""
    A, B, z = starts.alpha / starts.norm1, starts.beta / starts.norm2, np.abs(starts.z)
    size = np.maximum(np.maximum(A, B), z)
    size = np.where(size > 0.0, size, 1.0)
    weak, strong, z = np.minimum(A, B) / size, np.maximum(A, B) / size, z / size
    c = weak**2 + (strong - z) * (strong + z)
    return size * np.sqrt(np.abs(c)), np.sign(c)


# -- paths in time -------------------------------------------------------------------------------------------


def check_sizes(starts: Starts) -> None:
    """Refuse paths that are so stiff that rounding decides on the way: alpha/a, beta/b or z beyond `LARGEST`."""
    size = np.maximum(np.maximum(starts.alpha / starts.norm1, starts.beta / starts.norm2), np.abs(starts.z))
    if np.any(size > LARGEST):
        raise ValueError(
            f"alpha/norms[0], beta/norms[1] and z must be at most {LARGEST:g} to be followed in time, "
            f"got {np.max(size):.10g}; winner and clearance take them"
        )


def paths(starts: Starts, ends: NDArray[Any], times: Floats) -> tuple[Floats, Floats]:
    """alpha, beta and z, (T, 3, n), and the times of death, (n, 2), of starts whose winners are `ends`."""
    path, death = np.empty((len(times), 3, len(starts.z))), np.empty((len(starts.z), 2))
    size = np.maximum(np.maximum(starts.alpha / starts.norm1, starts.beta / starts.norm2), np.abs(starts.z))
    root, sign = root_of(starts)
    k = curves.saddle(sheet_of(starts, root)).k
    for i, end in enumerate(ends):
        one = Starts(*(float(values[i]) for values in starts))  # type: ignore[arg-type]
        # A weak class grows from what it is, relatively; only z passes through 0 and back.
        atol = 1e-3 * _RTOL * np.array([one.alpha, one.beta, size[i]])
        method = "LSODA" if sign[i] > 0.0 and k[i] > _STIFF else "DOP853"
        path[:, :, i], death[i] = _path(one, end, times, method, np.maximum(atol, 1e-300))
    return path, death


def _path(one: Starts, end: Winner, times: Floats, method: str, atol: Floats) -> tuple[Floats, Floats]:
    """One path: integrated up to a death, and on from there with what is left."""
    state = np.array([one.alpha, one.beta, one.z])
    out = np.empty((len(times), 3))
    death = np.where(state[:2] > 0.0, np.inf, 0.0)
    now, done = 0.0, 0
    while done < len(times) or _due(state, end):
        last = _END if _due(state, end) else float(times[-1])
        if not np.any(state[:2] > 0.0) or last <= now:
            out[done:] = state
            break
        found = _segment(one, state, (now, last), times[done:], method, atol)
        seen = found.y.shape[1] if len(found.t) else 0
        out[done : done + seen] = found.y.T[:seen]
        done += seen
        for i in range(2):
            if len(found.t_events[i]):
                now, state = float(found.t_events[i][0]), found.y_events[i][0].copy()
                state[i], death[i] = 0.0, now
                break
        else:
            break
    return out, death


def _due(state: Floats, end: Winner) -> bool:
    """Whether something will die yet."""
    kept = {Winner.CLASS_1: 0, Winner.CLASS_2: 1}
    if end is Winner.NEITHER:
        return bool(np.any(state[:2] > 0.0))
    return end in kept and bool(state[1 - kept[end]] > 0.0)


def _segment(
    one: Starts, state: Floats, span: tuple[float, float], times: Floats, method: str, atol: Floats
) -> Any:
    alive = state[:2] > 0.0
    with np.errstate(over="ignore", under="ignore"):
        found = solve_ivp(
            _field(one, alive),
            span,
            state,
            method,
            t_eval=times[(times >= span[0]) & (times <= span[1])],
            events=[_dies(0, bool(alive[0])), _dies(1, bool(alive[1]))],
            rtol=_RTOL,
            atol=atol,
            **({"jac": _jacobian(one, alive)} if method != "DOP853" else {}),
        )
    if not found.success:
        raise FloatingPointError(f"the flow could not be integrated: {found.message}")
    return found


def _field(one: Starts, alive: NDArray[np.bool_]) -> Callable[[float, Floats], list[float]]:
    first, second = float(one.p1) * alive[0], float(one.p2) * alive[1]
    square1, square2 = float(one.norm1) ** 2, float(one.norm2) ** 2

    def field(_: float, y: Floats) -> list[float]:
        """Eq 4 (v2)."""
        alpha, beta, z = y
        g1, g2 = first * expit(-z * alpha), second * expit(z * beta)
        return [square1 * z * g1, -square2 * z * g2, alpha * g1 - beta * g2]

    return field


def _jacobian(one: Starts, alive: NDArray[np.bool_]) -> Callable[[float, Floats], list[list[float]]]:
    """Of `_field`: by differences it would drown in rounding where z is small, and the implicit steps with it."""
    first, second = float(one.p1) * alive[0], float(one.p2) * alive[1]
    square1, square2 = float(one.norm1) ** 2, float(one.norm2) ** 2

    def jacobian(_: float, y: Floats) -> list[list[float]]:
        alpha, beta, z = y
        g1, g2 = expit(-z * alpha), expit(z * beta)
        slope1, slope2 = first * g1 * expit(z * alpha), second * g2 * expit(-z * beta)
        to1, to2 = first * g1 - z * alpha * slope1, -second * g2 - z * beta * slope2
        return [
            [-square1 * z**2 * slope1, 0.0, square1 * to1],
            [0.0, -square2 * z**2 * slope2, square2 * to2],
            [to1, to2, -(alpha**2) * slope1 - beta**2 * slope2],
        ]

    return jacobian


def _dies(i: int, alive: bool) -> Callable[[float, Floats], float]:
    def event(_: float, y: Floats) -> float:
        return float(y[i]) if alive else 1.0

    event.terminal = True  # type: ignore[attr-defined]
    event.direction = -1.0  # type: ignore[attr-defined]
    return event


# -- checks --------------------------------------------------------------------------------------------------


def checked(alpha: ArrayLike, beta: ArrayLike, z: ArrayLike, norms: ArrayLike, frequencies: ArrayLike) -> Starts:
    """Starts in the shape to which the arguments broadcast, or a ValueError."""
    given = checks.nonnegative("alpha", alpha), checks.nonnegative("beta", beta), checks.array("z", z)
    (a, b), (p1, p2) = pair("norms", norms), pair("frequencies", frequencies)
    named = dict(zip(("alpha", "beta", "z"), given, strict=True))
    named |= {"norms[0]": a, "norms[1]": b, "frequencies[0]": p1, "frequencies[1]": p2}
    for name, values in named.items():
        if np.any(np.abs(values) > HUGE):
            raise ValueError(f"{name} must be at most {HUGE:g}, got {np.max(np.abs(values)):.10g}")
    return Starts(*checks.broadcast(**named))


def pair(name: str, value: Any) -> tuple[Floats, Floats]:
    """One positive number or array for each of the two classes."""
    several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    if not several or len(value) != 2:
        raise ValueError(f"{name} must be a pair, one value a class, got {value!r}")
    return checks.positive(name, value[0]), checks.positive(name, value[1])


def single(name: str, value: Any) -> tuple[Floats, Floats]:
    """Two positive numbers, each as an array of one entry."""
    first, second = pair(name, value)
    if first.ndim or second.ndim:
        raise ValueError(f"{name} must be two numbers, got shapes {first.shape} and {second.shape}")
    return first.reshape(1), second.reshape(1)
