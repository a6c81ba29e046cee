"""Runs of C classes as curves of one logit a point, and the groups of points that reports speak of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dynsim.dataset import LABELS
from dynsim.trajectory import Trajectory


def one_logit(run: Trajectory) -> Trajectory:
    """The run itself for one logit; for C classes the log-odds of each point's own class, with label +1.

    The cross-entropy of C classes is log(1 + exp(-log-odds)), so that everything said of one logit holds for it.
    """
    if run.classes is None:
        return run
    return replace(run, logits=run.log_odds, labels=np.ones(len(run.labels)), lower=None, upper=None, mean=None)


def groups(run: Trajectory) -> dict[str, NDArray[np.bool_]]:
    """The classes that have points, by name, and which points are theirs."""
    labels = LABELS if run.classes is None else tuple(range(run.classes))
    names = {label: format(label, "+d" if run.classes is None else "d") for label in labels}
    if run.data is not None:
        names |= dict(zip(run.data.labels, run.data.class_names, strict=True))
    return {names[label]: run.labels == label for label in labels if np.any(run.labels == label)}
