"""Beyond the paper: a penalty on logits in place of weights, under which no feature starves another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynsim import losses
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import drawing
from dynsim.paper.claim import Line, Result, Table, row
from dynsim.theory import starvation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "spectral_decoupling"
SOURCE = "docs/theory.md, section 18"
STATEMENT = (
    "With a penalty on the logits (Pezeshki et al. 2020) the response to each feature does not depend on how "
    "strong the other is; with weight decay the stronger one starves the weaker."
)
SETTING = (
    "Not in the paper. Here two points that share two features, m = U diag(s1, s2) theta with sin = .5 the "
    "mixing, s2 = 2, s1 = 2 to 6, cross-entropy, weight 1 a point, both penalties of strength lam = .01; theta "
    "from 0, lr = .1, 6,000 steps."
)
#: The strength of both penalties, the sine of the mixing angle, the singular values of the two features.
STRENGTH, SINE, WEAK = 0.01, 0.5, 2.0
STRONG = (2.0, 3.0, 4.0, 5.0, 6.0)
LR, STEPS = 0.1, 6_000
#: What is penalized, and how that is called.
PENALTIES = {"weights": "weight decay", "logits": "spectral decoupling"}


class Responses(NamedTuple):
    """z1 and z2 of trained models for each strength of the strong feature, shape (5, 2); how far from the end."""

    z: Floats
    floor: Floats


def reproduce(quick: bool = False) -> Result:
    """Both responses under both penalties, for each strength of the strong feature; quick or not."""
    found = {"weights": decayed(), "logits": decoupled()}
    lines = [line for penalty, one in found.items() for line in _lines(penalty, one)]
    parameters = {
        "loss": "cross_entropy", "lr": LR, "steps": STEPS, "strength": STRENGTH, "mixing": SINE,
        "singular values": [list(STRONG), WEAK], "start": [0.0, 0.0],
    }  # fmt: skip
    notes = ("the floor is how far the gradient that is left lets a model be from where training ends",)
    figure = _figure(found)
    return Result(NAME, SOURCE, STATEMENT, tuple(lines), parameters, (), figure, notes, (table(),))


def said(s1: float, penalty: str) -> Floats:
    """z1 and z2 where training ends."""
    U = starvation.mixing(SINE)
    return starvation.responses(U, [s1, WEAK], strength=STRENGTH, penalty=penalty)


def _lines(penalty: str, found: Responses) -> list[Line]:
    return [
        row(f"{PENALTIES[penalty]}, s1 = {s1:g}: response z{j + 1} in the end", float(z), *seen)
        for s1, values, floors in zip(STRONG, *(column.tolist() for column in found), strict=True)
        for j, (z, *seen) in enumerate(zip(said(s1, penalty), values, floors, strict=True))
    ]


def decoupled() -> Responses:
    """Linear models trained with the penalty on their logits.

    As the residual r = g(m) - lam m falls with a slope of lam at least, m is within |r|/lam of where r = 0.
    """
    U, y, ends = starvation.mixing(SINE), np.array([1.0, -1.0]), []
    for s1 in STRONG:
        data = Dataset(y[:, None] * U * [s1, WEAK], y, [1.0, 1.0])
        run = train(Network(([0.0, 0.0],)), data, lr=LR, steps=STEPS, record=2, spectral_decoupling=STRENGTH)
        margin = run.margin[-1]
        residual = losses.get("cross_entropy").pull(margin) - STRENGTH * margin
        off = np.abs(U.T) @ np.abs(residual) / STRENGTH + 1e-14 * np.abs(margin).max()
        ends.append((U.T @ margin, off))
    return Responses(*np.swapaxes(ends, 0, 1))


def decayed() -> Responses:
    """The same with weight decay, all strengths together, by plain gradient descent on theta.

    The loss is convex with a slope of lam at least: |theta - theta*| <= |gradient|/lam.
    """
    s, pull = np.array([[s1, WEAK] for s1 in STRONG]), losses.get("cross_entropy").pull
    A, theta = starvation.mixing(SINE) * s[:, None, :], np.zeros((len(s), 2))

    def downhill(theta: Floats) -> Floats:
        m = np.einsum("kij,kj->ki", A, theta)
        return np.asarray(np.einsum("kij,ki->kj", A, pull(m)) - STRENGTH * theta)

    for _ in range(STEPS):
        theta = theta + LR * downhill(theta)
    gradient = np.linalg.norm(downhill(theta), axis=-1, keepdims=True)
    rounding = 1e-14 * np.abs(theta).max(axis=-1, keepdims=True)
    return Responses(s * theta, s * (gradient / STRENGTH + rounding))


def table() -> Table:
    """z1 and z2 under both penalties."""
    rows = [(f"{s1:g}", *(f"{z:.3f}" for penalty in PENALTIES for z in said(s1, penalty))) for s1 in STRONG]
    title = f"responses to a strong and a weak feature (s2 = {WEAK:g}), lam = {STRENGTH:g}"
    header = ("s1", "z1, weight decay", "z2, weight decay", "z1, decoupled", "z2, decoupled")
    return Table(title, header, tuple(rows))


# ---- the figure --------------------------------------------------------------------------------------------


def _figure(found: dict[str, Responses]) -> Figure:
    title = f"Spectral decoupling: lines, theory; marks, trained models; lam = {STRENGTH:g}, s2 = {WEAK:g}"
    figure, above, below = drawing.pairs(2, title, width=5.6, height=6.2)
    for j, names in enumerate((("z1", "strong"), ("z2", "weak"))):
        _panel(above[j], below[j], found, j)
        drawing.finish(above[j], "", f"{names[0]}, the response to the {names[1]} feature", "penalty")
        drawing.finish(below[j], "s1, the strength of the strong feature", "|theory - network|\n(dotted: floor)")
    above[0].set_ylim(3.0, 11.0)
    above[1].set_ylim(0.0, 2.2)
    return figure


def _panel(ax: Axes, below: Axes, found: dict[str, Responses], j: int) -> None:
    s1 = np.linspace(STRONG[0], STRONG[-1], 41)
    for k, (penalty, one) in enumerate(found.items()):
        drawing.theory(ax, s1, np.array([said(float(s), penalty)[j] for s in s1]), k, PENALTIES[penalty])
        drawing.marks(ax, STRONG, one.z[:, j], k)
        off = np.array([said(s, penalty)[j] for s in STRONG]) - one.z[:, j]
        drawing.difference(below, STRONG, off, k, one.floor[:, j])
