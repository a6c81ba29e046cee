"""Two points that share two features, with weight decay and with spectral decoupling: a part of `starvation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynsim import losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Table, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The strength of both penalties, the sine of the mixing angle, the singular values of the two features.
STRENGTH, SINE, WEAK = 0.01, 0.5, 2.0
STRONG = (2.0, 3.0, 4.0, 5.0, 6.0)
_LR, _STEPS = 0.1, 6_000


def lines() -> list[Line]:
    """Both responses under decoupling, the weak one under weight decay; for each strength of the strong feature."""
    out = []
    for s1 in STRONG:
        for penalty, train_with in (("logits", _decoupled), ("weights", _decayed)):
            said = _said(s1, penalty)
            z, floor = train_with(s1)
            kind = {"logits": "spectral decoupling", "weights": "weight decay"}[penalty]
            for j in (1,) if penalty == "weights" else (0, 1):
                out.append(row(f"{kind}, s1 = {s1:g}: response z{j + 1} in the end", said[j], z[j], floor[j]))
    return out


def _said(s1: float, penalty: str) -> list[float]:
    U = starvation.mixing(SINE)
    found: list[float] = starvation.responses(U, [s1, WEAK], strength=STRENGTH, penalty=penalty).tolist()
    return found


def _decoupled(s1: float) -> tuple[list[float], list[float]]:
    """z of a linear model trained with the penalty on its logits, and how far it may be from the end.

    As the residual r = g(m) - lam m falls with a slope of lam at least, m is within |r|/lam of where r = 0.
    """
    U, y = starvation.mixing(SINE), np.array([1.0, -1.0])
    data = Dataset(y[:, None] * U * [s1, WEAK], y, [1.0, 1.0])
    run = train(Network(([0.0, 0.0],)), data, lr=_LR, steps=_STEPS, record=2, spectral_decoupling=STRENGTH)
    margin = run.margin[-1]
    residual = losses.get("cross_entropy").pull(margin) - STRENGTH * margin
    off = np.abs(U.T) @ np.abs(residual) / STRENGTH + 1e-14 * np.abs(margin).max()
    return (U.T @ margin).tolist(), off.tolist()


def _decayed(s1: float) -> tuple[list[float], list[float]]:
    """The same with weight decay, by plain gradient descent on theta; |theta - theta*| <= |gradient|/lam."""
    A, theta, pull = starvation.mixing(SINE) * [s1, WEAK], np.zeros(2), losses.get("cross_entropy").pull
    for _ in range(_STEPS):
        theta = theta + _LR * (A.T @ pull(A @ theta) - STRENGTH * theta)
    gradient = float(np.linalg.norm(A.T @ pull(A @ theta) - STRENGTH * theta))
    s = np.array([s1, WEAK])
    return (s * theta).tolist(), (s * (gradient / STRENGTH + 1e-14 * np.abs(theta).max())).tolist()


def table() -> Table:
    """z1 and z2 under both penalties."""
    rows = [
        (f"{s1:g}", *(f"{z:.3f}" for penalty in ("weights", "logits") for z in _said(s1, penalty))) for s1 in STRONG
    ]
    title = f"responses to a strong and a weak feature (s2 = {WEAK:g}), lam = {STRENGTH:g}"
    header = ("s1", "z1, weight decay", "z2, weight decay", "z1, decoupled", "z2, decoupled")
    return Table(title, header, tuple(rows))


def panel(ax: Axes) -> None:
    """The weak response against the strength of the strong feature."""
    s1 = np.linspace(STRONG[0], STRONG[-1], 41)
    names = {"weights": "weight decay", "logits": "spectral decoupling"}
    for k, (penalty, train_with) in enumerate((("weights", _decayed), ("logits", _decoupled))):
        said: Floats = np.array([_said(float(s), penalty)[1] for s in s1])
        drawing.theory(ax, s1, said, k, names[penalty])
        drawing.marks(ax, STRONG, [train_with(s)[0][1] for s in STRONG], k)
    ax.set_ylim(0.0, 1.8)
    legend = f"penalty, lam = {STRENGTH:g}; weak feature s2 = {WEAK:g}"
    drawing.finish(ax, "s1, the strength of the strong feature", "z2, the response to the weak one", legend)
