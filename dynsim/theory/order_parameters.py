"""Many points a class: order parameters, their flow and their exact map of gradient descent.

Under (H1)-(H3) every unit k of a class moves by the same linear map: with theta_k = (w_k, Z_k) and
r = sum_i q_i y_i g_i x_i over the points of the class, a step of gradient descent is theta <- (I + lr B) theta,
B = [[0, r], [r^T, 0]], and the flow is theta' = B theta. So P = sum_k theta_k theta_k^T, whose blocks are

    M = sum w_k w_k^T (d, d),    v = sum Z_k w_k (d),    zeta = sum Z_k^2,

is closed under both: P <- (I + lr B) P (I + lr B), P' = B P + P B, and the logit is f(x) = v.x for any width
(docs/theory.md, section 7). The code carries the product Phi of the maps, P = Phi P0 Phi^T, from which the units
themselves can be had. The time unit is lr x step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from dynsim import checks, losses
from dynsim.checks import Floats
from dynsim.losses import Loss
from dynsim.theory import numerical


class OrderParameters(NamedTuple):
    """v (..., d), M (..., d, d) and zeta (...) of the units of one class."""

    v: Floats
    M: Floats
    zeta: Floats

    @property
    def matrix(self) -> Floats:
        """P = [[M, v], [v^T, zeta]], shape (..., d + 1, d + 1)."""
        top = np.concatenate([self.M, self.v[..., None]], axis=-1)
        bottom = np.concatenate([self.v, self.zeta[..., None]], axis=-1)
        return np.concatenate([top, bottom[..., None, :]], axis=-2)


def of_units(W: ArrayLike, Z: ArrayLike) -> OrderParameters:
    """The order parameters of units with hidden weights W (..., h, d) and output weights Z (..., h)."""
    w, z = checks.array("W", W), checks.array("Z", Z)
    return OrderParameters(
        (z[..., None, :] @ w)[..., 0, :], np.swapaxes(w, -1, -2) @ w, np.sum(z * z, axis=-1)
    )


@dataclass(frozen=True, eq=False)
class Pulling:
    """The points of one class that pull on its units.

    X (m, d), y (m,), weights (m,) or, for batches that differ, (..., m).
    """

    X: Floats
    y: Floats
    weights: Floats

    def change(self, v: Floats, speed: Floats, loss: Loss) -> Floats:
        """dr/dt = sum_i q_i g'(y_i v.x_i) (speed.x_i) x_i for dv/dt = speed, shape (d,)."""
        return np.asarray((self.weights * loss.slope(self.y * (self.X @ v)) * (self.X @ speed)) @ self.X)

    def force(self, v: Floats, loss: Loss) -> Floats:
        """r = sum_i q_i y_i g(y_i v.x_i) x_i, shape (..., d)."""
        return np.asarray((self.weights * self.y * loss.pull(self.y * (v @ self.X.T))) @ self.X)


def gradient_descent(
    state: OrderParameters,
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike,
    *,
    lr: float,
    steps: int,
    loss: str = "cross_entropy",
) -> Floats:
    """Logits of a class's points after 0, 1, ..., `steps` steps of gradient descent, exactly.

    Parameters
    ----------
    state : OrderParameters
        Of the class's units, see `of_units`.
    X, y, weights : array_like, shapes (n, d), (n,), (n,)
        The points of the class, their label and their weight in the loss.
    lr, steps, loss
        As for training.

    Returns
    -------
    ndarray, shape (steps + 1, ..., n)

    Notes
    -----
    v += lr (M + zeta I) r + lr^2 (v.r) r;  M += lr (v r^T + r v^T) + lr^2 zeta r r^T;
    zeta += 2 lr v.r + lr^2 r^T M r, with the old values on the right; exact under (H1)-(H3), and for any stretch
    of training in which no gate flips.

    Examples
    --------
    >>> units = of_units([[0.5, 0.0]], [1.0])
    >>> gradient_descent(units, [[1.0, 0.0]], [1.0], [1.0], lr=0.1, steps=1, loss="hinge")
    array([[0.5 ],
           [0.63]])
    """
    points, law = _pulling(X, y, weights), losses.get(loss)
    eta = checks.number("lr", lr)
    checks.count("steps", steps, least=0)
    P = state.matrix
    Phi = identity(P)
    out = np.empty((steps + 1, *P.shape[:-2], len(points.X)))
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps + 1):
            v = readout(Phi, P)
            out[k] = v @ points.X.T
            Phi = advance(Phi, eta * points.force(v, law))
    return out


def flow(
    state: OrderParameters,
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike,
    *,
    times: ArrayLike,
    loss: str = "cross_entropy",
    rtol: float = 1e-12,
) -> Floats:
    """Logits of a class's points under the gradient flow, at given times.

    Parameters
    ----------
    state, X, y, weights, loss
        As for `gradient_descent`.
    times : array_like, shape (T,)
        Increasing, finite, from 0 on; the unit is lr x step.
    rtol : float
        Relative tolerance of the integration (scipy's DOP853). The hinge loss needs none: between two points
        reaching margin 1 the flow is linear and solved in closed form, and each such time is a root.

    Returns
    -------
    ndarray, shape (T, ..., n)
    """
    points, law = _pulling(X, y, weights), losses.get(loss)
    P = state.matrix
    paths = [propagator(p, points, checks.times("times", times), law, rtol) for p in P.reshape(-1, *P.shape[-2:])]
    v = np.stack([readout(path, p) for path, p in zip(paths, P.reshape(-1, *P.shape[-2:]), strict=True)], 1)
    return np.asarray((v @ points.X.T).reshape(len(v), *P.shape[:-2], len(points.X)))


def drop_times(
    state: OrderParameters, X: ArrayLike, y: ArrayLike, weights: ArrayLike, *, until: float = 1e6, lr: float = 0.0
) -> Floats:
    """When each point of a class reaches margin 1 under the flow of the hinge loss, and stops pulling (C.2 (v2)).

    Parameters
    ----------
    state, X, y, weights
        As for `gradient_descent`.
    until : float
        The flow is followed up to this time (t = lr x step).
    lr : float
        0 for the gradient flow; otherwise for the flow that gradient descent with that learning rate follows, to
        second order: points drop out at the first multiple of lr at which they have reached margin 1.

    Returns
    -------
    ndarray, shape (..., n)
        0 for points that start at margin 1 or above; inf for those that are not there by `until`. Between two drops
        the flow is exact, and every drop a root found to a few roundings.

    Examples
    --------
    >>> units = of_units([[0.5, 0.0]], [0.5])
    >>> print(drop_times(units, [[1.0, 0.0], [2.0, 0.0]], [1.0, 1.0], [0.5, 0.5]).round(6))
    [0.924196 0.231049]
    """
    points = _pulling(X, y, weights)
    last, step = checks.number("until", until), float(checks.nonnegative("lr", lr))
    P = state.matrix
    rows = [drops(p, points, last, step) for p in P.reshape(-1, *P.shape[-2:])]
    return np.asarray(np.reshape(rows, (*P.shape[:-2], len(points.X))))


def drops(P: Floats, points: Pulling, until: float, lr: float) -> Floats:
    """`drop_times` for one network, from its matrix."""
    out = np.where(points.y * (points.X @ readout(np.eye(len(P)), P)) >= 1.0, 0.0, np.inf)
    for stretch in _stretches(P, points, until, lr):
        out[stretch.dropped & np.isinf(out)] = stretch.begin + stretch.span
    return out


def _pulling(X: ArrayLike, y: ArrayLike, weights: ArrayLike) -> Pulling:
    points = checks.array("X", X, ndim=2)
    labels, q = checks.array("y", y, ndim=1), checks.nonnegative("weights", weights)
    if labels.shape != points.shape[:1] or q.shape != labels.shape:
        raise ValueError(
            f"y and weights must have one value for each of the {len(points)} points, got shapes "
            f"{labels.shape} and {q.shape}"
        )
    return Pulling(points, labels, q)


# ---- the product of maps ---------------------------------------------------------------------------------


def identity(P: Floats) -> Floats:
    """Phi at the start, shape of P."""
    return np.asarray(np.broadcast_to(np.eye(P.shape[-1]), P.shape))


def readout(Phi: Floats, P: Floats) -> Floats:
    """v = the last column of Phi P Phi^T without its last entry, shape (..., d)."""
    return np.asarray((Phi[..., :-1, :] @ (P @ Phi[..., -1, :, None]))[..., 0])


def advance(Phi: Floats, r: Floats) -> Floats:
    """(I + B(r)) Phi: one step, r already times lr."""
    out = np.empty(np.broadcast_shapes(Phi.shape, (*r.shape[:-1], 1, 1)))
    out[..., :-1, :] = Phi[..., :-1, :] + r[..., :, None] * Phi[..., -1:, :]
    out[..., -1:, :] = Phi[..., -1:, :] + r[..., None, :] @ Phi[..., :-1, :]
    return out


def iterate(P: Floats, points: Pulling, lr: float, loss: Loss) -> Iterator[Floats]:
    """Phi after 0, 1, 2, ... steps."""
    Phi = identity(P)
    while True:
        yield Phi
        Phi = advance(Phi, lr * points.force(readout(Phi, P), loss))


def propagator(P: Floats, points: Pulling, times: Floats, loss: Loss, rtol: float, lr: float = 0.0) -> Floats:
    """Phi under the flow at each time, shape (T, d + 1, d + 1), for one network; lr > 0: of second order.

    Phi' = A Phi with A = B(r), or A = B(r) - (lr/2) (B(dr/dt) + B(r)^2) for lr > 0 (docs/theory.md, section 9).
    """
    if loss.name == "hinge":
        return _hinge_propagator(P, points, times, lr)
    size = P.shape[-1]

    def field(flat: Floats) -> Floats:
        Phi = flat.reshape(size, size)
        r = points.force(readout(Phi, P), loss)
        moved = _turned(r, Phi)
        if lr:
            both = Phi @ P @ Phi.T
            speed = both[:-1, :-1] @ r + both[-1, -1] * r
            moved = moved - 0.5 * lr * (_turned(points.change(both[:-1, -1], speed, loss), Phi) + _turned(r, moved))
        return np.asarray(moved).ravel()

    found = numerical.solve(field, np.eye(size).ravel(), times, rtol=rtol, atol=rtol * 1e-2)
    return found.reshape(-1, size, size)


def _turned(r: Floats, Phi: Floats) -> Floats:
    """B(r) Phi."""
    return np.vstack([np.outer(r, Phi[-1]), r @ Phi[:-1]])


# ---- hinge: linear between two drops ---------------------------------------------------------------------


class _Stretch(NamedTuple):
    """The flow between two drops: from `begin` on Phi grows by exp(s B(r)); after `span` some points drop out."""

    begin: float
    span: float
    Phi: Floats
    r: Floats
    dropped: NDArray[np.bool_]


def _stretches(P: Floats, points: Pulling, end: float, lr: float) -> Iterator[_Stretch]:
    """Piecewise exact until `end`: r is constant until a point reaches margin 1 and stops pulling (C.2 (v2))."""
    Phi, now = np.eye(P.shape[-1]), 0.0
    pulling = points.y * (points.X @ readout(Phi, P)) < 1.0
    while True:
        r = (points.weights * points.y * pulling) @ points.X
        none = np.zeros_like(pulling)
        span, dropped = _until_next(Phi, P, points, r, pulling, end - now, lr) if np.any(r) else (np.inf, none)
        if lr and span < end - now:
            # Descent looks at its margins at its steps, and goes on pulling until the next of them.
            span = lr * numerical.steps_until((now + span) / lr) - now
            dropped = pulling & (points.y * (points.X @ readout(exponential(r, span, lr) @ Phi, P)) >= 1.0 - 1e-14)
        yield _Stretch(now, span, Phi, r, dropped)
        if span >= end - now:
            return
        Phi, now = exponential(r, span, lr) @ Phi, now + span
        pulling = pulling & ~dropped


def _hinge_propagator(P: Floats, points: Pulling, times: Floats, lr: float) -> Floats:
    out = np.empty((len(times), *P.shape))
    done = 0
    for begin, span, Phi, r, _ in _stretches(P, points, float(times[-1]), lr):
        until = int(np.searchsorted(times, begin + span, side="right"))
        for k in range(done, until):
            out[k] = exponential(r, times[k] - begin, lr) @ Phi
        done = max(done, until)
    return out


def _until_next(
    Phi: Floats, P: Floats, points: Pulling, r: Floats, pulling: NDArray[np.bool_], last: float, lr: float
) -> tuple[float, NDArray[np.bool_]]:
    """How long until a pulling point reaches margin 1, and which do; inf if none does before `last`."""

    def margins(s: float) -> Floats:
        v = readout(exponential(r, s, lr) @ Phi, P)
        return np.asarray(np.where(pulling, points.y * (points.X @ v), -np.inf))

    def ahead(s: float) -> float:
        return float(margins(s).max()) - 1.0

    if ahead(0.0) >= 0.0:
        return 0.0, margins(0.0) >= 1.0
    # Bracket by doubling: exp(|r| s) must not overflow for a time that is far beyond the drop.
    high = min(last, 0.25 / float(np.linalg.norm(r)))
    while ahead(high) < 0.0:
        if high >= last:
            return np.inf, pulling
        high = min(last, 2.0 * high)
    root = float(brentq(ahead, 0.0, high, xtol=1e-300, rtol=4 * np.finfo(float).eps))
    at = margins(root)
    return root, at >= min(1.0, float(at.max())) - 1e-14


def exponential(r: Floats, s: float, lr: float = 0.0) -> Floats:
    """exp(s B(r)) in closed form: a boost of (r/\\|r\\|, last axis) by the angle s \\|r\\|.

    For lr > 0 exp(s (B - (lr/2) B^2)): in that plane B^2 is \\|r\\|^2 times the identity.
    """
    d = len(r)
    out = np.eye(d + 1)
    length = float(np.linalg.norm(r))
    if length == 0.0:
        return out
    e, angle = r / length, s * length
    lag = np.exp(-0.5 * lr * length * angle)
    out[:d, :d] += (lag * 2.0 * np.sinh(0.5 * angle) ** 2 + (lag - 1.0)) * np.outer(e, e)
    out[:d, d] = out[d, :d] = lag * np.sinh(angle) * e
    out[d, d] = lag * np.cosh(angle)
    return out
