"""How far rounding can take a trained network from the path of its exact map, one step a draw.

A step commits an error of `unit` of its own size in every weight, in the margin and in the pull, and the map that
is compared with commits its own. All are carried along the path, linearized, each with its worst sign: bounds, to
first order in `unit`, which training stays far below. Where nothing pulls, nothing is rounded.
"""

from __future__ import annotations

import numpy as np

from dynsim.checks import Floats
from dynsim.losses import Loss

_EPS = float(np.finfo(np.float64).eps)


def of_modes(u: Floats, R: Floats, step: Floats, loss: Loss, shift: float, unit: float) -> Floats:
    """The bound along u and R of one input a class, each (k, ..., c); `step` is lr \\|x\\| sum(q).

    Carried in the coordinates u and c = R^2 - u^2, in which the map is u (1 + e^2) + 2 e sqrt(u^2 + c) and
    c (1 - e^2)^2: in u and R an error along the flow, which dies out, could not be told from one across it.
    """
    own = 8.0 * _EPS  # of a step of (6.2), relative to R
    e, slope = step * loss.pull(u - shift), step * loss.slope(u - shift)
    c = np.maximum((R - u) * (R + u), 0.0)
    turn, over_R = 2.0 * (u * e + R), np.divide(1.0, R, where=R > 0, out=np.zeros_like(R))
    # The derivatives of u (1 + e^2) + 2 e sqrt(u^2 + c) and of c (1 - e^2)^2 by u and c.
    uu, uc = np.abs(1.0 + e * e + 2.0 * e * u * over_R + slope * turn), np.abs(e * over_R)
    cu, cc = np.abs(4.0 * c * (1.0 - e * e) * e * slope), (1.0 - e * e) ** 2
    # What a step adds: weights off by `unit` of themselves move S by 2 unit S and D by 2 unit sqrt(S D).
    sum_ = R + np.abs(u)
    new_u = 2.0 * (unit + own) * np.abs(u)
    new_c = 2.0 * unit * (c + sum_ * np.sqrt(c)) + (unit * sum_) ** 2 + 4.0 * own * R * R
    pulled = (unit + own) * np.abs(turn) * (np.abs(e) + np.abs(slope * u))
    out, lost = np.empty_like(u), np.zeros(u.shape[1:], dtype=bool)
    du, dc = new_u[0], new_c[0]
    for k in range(len(u)):
        # The margin is the result of a sum itself.
        out[k] = np.where(lost, np.inf, du + unit * (np.abs(u[k]) + shift))
        if k + 1 < len(u):
            lost = lost | ((loss.name == "hinge") & (np.abs(u[k] - shift - 1.0) <= out[k]))
            moved = e[k] != 0.0
            after = uu[k] * du + uc[k] * dc + pulled[k] + new_u[k + 1]
            dc = np.where(moved, cu[k] * du + cc[k] * dc + new_c[k + 1], dc)
            du = np.where(moved, after, du)
    return np.where(np.isnan(out), np.inf, out)


def of_chains(u: Floats, growth: Floats, depth: int, loss: Loss, unit: float) -> Floats:
    """The bound along the margins u of chains of `depth` weights, (k, ..., c).

    `growth` (k, ..., c) is the largest relative change of a weight in the next step. A relative error r of all
    weights of a class becomes N r in the margin, N \\|u g'/g\\| r in the pull and (N - 1) r in the product of N - 1
    weights, so that r <- r (1 + growth (N - 2 + N \\|u g'/g\\|)) at most. That the pull falls as the margin rises
    is not used: a wide bound, once the class has learnt.
    """
    own = (depth + 8.0) * _EPS
    pull = loss.pull(u)
    answer = np.divide(np.abs(u * loss.slope(u)), np.abs(pull), where=pull != 0, out=np.zeros_like(u))
    out, lost = np.empty_like(u), np.zeros(u.shape[1:], dtype=bool)
    r = np.full(u.shape[1:], unit + own)
    for k in range(len(u)):
        out[k] = np.where(lost, np.inf, (depth * r + unit) * np.abs(u[k]))
        lost = lost | ((loss.name == "hinge") & (np.abs(u[k] - 1.0) <= out[k]))
        more = growth[k] * (max(depth - 2, 0) + depth * answer[k])
        new = (unit + own) * (1.0 + growth[k] * (depth + answer[k]))
        r = np.where(pull[k] != 0.0, r * (1.0 + more) + new, r)
    return np.where(np.isnan(out), np.inf, out)
