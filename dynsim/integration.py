"""The floor of a run that was integrated, not trained: no step size, but the tolerance of the integration."""

from __future__ import annotations

import numpy as np

from dynsim.empirical.flow import FlowError, flow
from dynsim.floors import Part
from dynsim.grouping import one_logit
from dynsim.trajectory import Trajectory

#: The flow is integrated once more with tolerances looser by this factor.
_LOOSER = 100.0


def is_flow(run: Trajectory) -> bool:
    """Whether the trajectory comes from `dynsim.flow`."""
    return run.meta.get("optimizer") == "flow"


def part(run: Trajectory) -> Part:
    """What the integration may be wrong by: the largest difference, at any time, from one with looser tolerances.

    The error of a one-step method grows with its tolerance, so that the difference is nearly the error of the
    looser run, which bounds that of the tighter one; but not time by time, since their steps lie elsewhere. Where
    the looser one fails, nothing is known: infinite.
    """
    rtol, atol = float(run.meta["rtol"]), float(run.meta["atol"])
    source = f"the network's flow integrated with rtol {_LOOSER * rtol:.0e} against {rtol:.0e}"
    if run.start is None or run.data is None:
        return Part("integration", "start of the flow not known", np.full(run.logits.shape, np.inf))
    try:
        looser = flow(
            run.start, run.data, loss=run.loss_name, times=run.time, rtol=_LOOSER * rtol, atol=_LOOSER * atol
        )
    except FlowError as error:
        return Part("integration", f"{source}: {error}", np.full(run.logits.shape, np.inf))
    found = one_logit(looser).logits
    rounding = 100 * np.finfo(float).eps * np.abs(run.logits)
    return Part("integration", source, np.abs(found - run.logits).max(axis=0) + rounding)
