"""`predict`: the most exact law that applies to a network and its data, and what it says at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynsim import checks, losses
from dynsim.assumptions import Assumptions
from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import choice, solutions
from dynsim.theory.choice import LAWS
from dynsim.theory.descent import System
from dynsim.theory.solutions import Said, Solution
from dynsim.trajectory import Trajectory

__all__ = ["LAWS", "Prediction", "predict"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a law says of a network trained on some data, at any time t = lr x step.

    Attributes
    ----------
    law : str
        One of the names in `dynsim.theory.prediction.LAWS`.
    equation : str
        The equations it rests on.
    assumptions : Assumptions
        What was checked, and how it came out.
    network, data : the start and the points it was made for
    loss_name : str
    lr : float or None
        For the laws "gradient_descent", "modified_flow" and "sgd".
    system : System
        The exact map of gradient descent that belongs to the law; `compare` derives the floor from it.
    solution : Solution
        The law with everything filled in; its logits are log-odds for C classes.
    batch_size : int or None
        1 for the law "sgd".
    """

    law: str
    equation: str
    assumptions: Assumptions
    network: Network
    data: Dataset
    loss_name: str
    lr: float | None
    system: System
    solution: Solution = field(repr=False)
    batch_size: int | None = None

    @property
    def loss_function(self) -> Loss:
        """The loss, as functions of the margin."""
        return losses.get(self.loss_name)

    @property
    def exact(self) -> bool:
        """Whether the law is exact under the assumptions, all of which hold.

        Class means are approximate, and the modified flow is gradient descent up to lr^2 only.
        """
        return self.law not in ("class_means", "modified_flow")

    @property
    def stepwise(self) -> bool:
        """Whether the law speaks of whole steps: its times must be multiples of lr."""
        return self.law in ("gradient_descent", "sgd")

    def at(self, times: ArrayLike) -> Trajectory:
        """The predicted trajectory.

        Parameters
        ----------
        times : array_like, shape (T,)
            Increasing, from 0 on, in units of lr x step. For the exact maps (gradient descent, SGD) they must be
            multiples of lr. The closed form also takes inf.

        Returns
        -------
        Trajectory
            logits of shape (T, ..., n), or (T, ..., n, C) for C classes. The law "sgd" gives the median, with the
            band that holds at least nine runs of ten in `lower` and `upper`, and the mean in `mean`. With
            the squared loss `meta["valid_until"]` says until when the law is known to hold: a margin above 1
            pulls backwards, which (H1)-(H3) do not provide for.
        """
        t = checks.times("times", times, infinite=self.law == "closed_form")
        said = self.solution.at(t)
        logits = said.logits if self.data.classes is None else choice.class_logits(said.logits, self.data)
        step = solutions.steps_at(t, self.lr, self.law) if self.stepwise and self.lr is not None else None
        meta: dict[str, Any] = {"law": self.law, "equation": self.equation, "valid_until": said.valid_until}
        if self.batch_size is not None:
            meta["batch_size"] = self.batch_size
        lower, upper = self._of_classes(said.lower), self._of_classes(said.upper)
        if self.data.classes is not None and lower is not None and upper is not None:
            # Where its own class wins, the logits of the others fall.
            lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
        return Trajectory(
            t,
            logits,
            self.data.y,
            self.data.weights,
            self.loss_name,
            step=step,
            lr=self.lr,
            lower=lower,
            upper=upper,
            mean=self._of_classes(said.mean),
            start=self.network,
            data=self.data,
            meta=meta,
        )

    def said(self, times: Floats) -> Said:
        """What the law says as it computes it: for C classes the log-odds of each point's class."""
        return self.solution.at(times)

    def _of_classes(self, logits: Floats | None) -> Floats | None:
        """C classes: from the log-odds to the logits of all classes."""
        if logits is None or self.data.classes is None:
            return logits
        return choice.class_logits(logits, self.data)

    def time_to(self, confidence: float, *, horizon: float = 1e6) -> Floats:
        """When each point reaches a confidence, shape (..., n).

        The closed form is inverted exactly. The other laws are evaluated on ever finer times up to `horizon`
        (the exact map: up to that time or 10^6 steps) and give NaN where it is not reached by then; inf is never.
        For "sgd" it is the median of the times of many runs.
        """
        level = self.loss_function.level("confidence", confidence)
        return self.solution.time_to(level, checks.number("horizon", horizon))


def predict(
    network: Network,
    data: Dataset,
    *,
    loss: str = "cross_entropy",
    law: str = "auto",
    lr: float | None = None,
    batch_size: int | None = None,
) -> Prediction:
    """What the theory says of this network, trained on these points.

    Parameters
    ----------
    network : Network
        The start; an ensemble gives a prediction for each member.
    data : Dataset
    loss : str
    law : str
        "closed_form" (Thm 3.2, Thm 5.1, A.3, A.4, eq 5, A.7 (v2); one input a class, or orthogonal points),
        "order_parameters" (any points), "layers" (any depth, layers of different size), "gradient_descent" (the
        exact map; needs lr), "sgd" (the exact law of batches of one point; needs lr and batch_size=1),
        "modified_flow" (gradient descent to second order in lr; needs lr), "phases" (one input a class, opposite or
        orthogonal, and any start: (H2) and (H3) may fail, units may die and be reborn or serve both classes),
        "class_means" (approximate) or "auto", which chooses neither of the last two by itself: with batch_size
        the law of SGD, else with lr the exact map, else the closed form where there is one, else the flow as
        differential equations.
    lr : float, optional
        For "gradient_descent", "sgd", "modified_flow" and "auto".
    batch_size : int, optional
        1, for "sgd" and "auto": points drawn one a step, with replacement.

    Returns
    -------
    Prediction

    Raises
    ------
    AssumptionError
        Where the law's assumptions do not hold: the message says which, for which pairs or units.
    ValueError
        For an unknown loss or law, lr or batch_size missing or not needed, a network with another number of
        inputs or classes, or C classes with another loss than cross-entropy.

    Examples
    --------
    >>> from dynsim import init
    >>> data = Dataset([[1.0], [-2.0]], [1, -1])
    >>> theory = predict(init.class_aligned(data, 4, rng=0), data)
    >>> theory.law, theory.equation
    ('closed_form', 'Thm 3.2, eq 2-3 (v2)')
    >>> theory.time_to(0.9).round(3)
    array([19.746,  9.873])
    """
    checks.instance("network", network, Network)
    checks.instance("data", data, Dataset)
    losses.get(loss)
    eta = None if lr is None else checks.number("lr", lr)
    chosen = choice.choose(choice.Asked(network, data, loss, law, eta, batch_size))
    name, equation, found, system, solution = chosen
    return Prediction(name, equation, found, network, data, loss, eta, system, solution, batch_size)
