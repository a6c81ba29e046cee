"""The rounding error that one step of training commits, where the terms of w.x may cancel."""

from __future__ import annotations

import numpy as np

from dynsim.dataset import Dataset
from dynsim.network import Network
from dynsim.trajectory import Trajectory

_EPS = float(np.finfo(np.float64).eps)


def rounding_unit(run: Trajectory) -> float:
    """The relative rounding error of one weight, and of a margin, in one step of a run.

    A step sums over inputs and units: h + d + 10 roundings, each relative to the sizes of the terms. Where the
    terms of w.x cancel, these are larger than w.x: by the factor 1 + \\|x\\| sum_k s_k P_k / u or
    1 + sqrt(sum_k P_k^2 / S), whichever is larger; P_k = sum_i \\|x_i\\| \\|w_ki - its part along x\\| / \\|x\\|.
    For other depths the factor is 1 + max_k P_k \\|x\\| / w_k.x. None of them grows while the class learns, as only
    the part along x does.

    Raises
    ------
    ValueError
        If the run does not hold its start and its data, or for depth 1.
    """
    if run.start is None or run.data is None:
        raise ValueError("run must hold its start and its data, or unit must be given")
    net, data = run.start, run.data
    if net.depth == 1:
        raise ValueError("unit must be given for depth 1")
    worst = max(_cancellation(net, data, int(label)) for label in data.labels)
    return (net.hidden + net.dimension + 8 + net.depth) * _EPS * worst


def _cancellation(net: Network, data: Dataset, label: int) -> float:
    x = data.mean(label)
    length = np.linalg.norm(x)
    a = net.W @ x / length
    if net.classes is None:
        z = np.where(label * net.Z > 0, np.abs(net.Z), 0.0)
    else:
        C = net.classes
        z = np.where(a > 0, net.Z[..., label, :] * np.sqrt(C / (C - 1.0)), 0.0)
    own = z > 0
    P = np.where(own, np.abs(net.W - a[..., None] * (x / length)) @ np.abs(x / length), 0.0)
    s = np.where(own, np.abs(a) + z, 0.0)
    u, S = np.sum(np.where(own, a * z, 0.0), axis=-1), np.sum(s * s, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.maximum(np.sum(s * P, axis=-1) / u, np.sqrt(np.sum(P * P, axis=-1) / S))
        if net.depth > 2:
            found = np.max(np.where(own, P / a, 0.0), axis=-1)
    # A class without units does not move.
    return 1.0 + float(np.max(np.where(own.any(axis=-1), found, 0.0)))
