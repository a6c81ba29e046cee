"""`predict`: the most exact law that applies to a network and its data, and what it says at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks, losses
from dynsim.assumptions import Assumptions
from dynsim.checks import AssumptionError, Floats
from dynsim.dataset import LABELS, Dataset
from dynsim.losses import Loss
from dynsim.network import Network
from dynsim.theory import descent, modes, order_parameters
from dynsim.theory.descent import Modes, OrderParameters, System
from dynsim.trajectory import Trajectory

#: What each law is, as `predict` accepts it.
LAWS = {
    "closed_form": "gradient flow with one input a class, solved",
    "order_parameters": "gradient flow with any points, as ordinary differential equations",
    "gradient_descent": "the exact map of gradient descent (needs lr)",
    "class_means": "gradient flow with each class replaced by its mean point (approximate)",
}


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
        Only for law "gradient_descent".
    system : System
        The exact map of gradient descent that belongs to the law; `compare` derives the floor from it.
    """

    law: str
    equation: str
    assumptions: Assumptions
    network: Network
    data: Dataset
    loss_name: str
    lr: float | None
    system: System

    @property
    def loss_function(self) -> Loss:
        """The loss, as functions of the margin."""
        return losses.get(self.loss_name)

    @property
    def exact(self) -> bool:
        """Whether the law is exact under the assumptions, all of which hold."""
        return self.law != "class_means"

    def at(self, times: ArrayLike) -> Trajectory:
        """The predicted trajectory.

        Parameters
        ----------
        times : array_like, shape (T,)
            Increasing, from 0 on, in units of lr x step. For the exact map they must be multiples of lr. The
            closed form also takes inf.

        Returns
        -------
        Trajectory
            logits of shape (T, ..., n). With the squared loss `meta["valid_until"]` says until when the law is
            known to hold: a margin above 1 pulls backwards, which (H1)-(H3) do not provide for.
        """
        t = checks.times("times", times, infinite=self.law == "closed_form")
        logits, valid = self._evaluate(t)
        step = None if self.lr is None else self._steps(t)
        return Trajectory(
            t,
            logits,
            self.data.y,
            self.data.weights,
            self.loss_name,
            step=step,
            lr=self.lr,
            start=self.network,
            data=self.data,
            meta={"law": self.law, "equation": self.equation, "valid_until": valid},
        )

    def time_to(self, confidence: float, *, horizon: float = 1e6) -> Floats:
        """When each point reaches a confidence, shape (..., n).

        The closed form is inverted exactly. The other laws are evaluated on ever finer times up to `horizon`
        (the exact map: up to that time or 10^6 steps) and give NaN where it is not reached by then; inf is never.
        """
        level = self.loss_function.level("confidence", confidence)
        if self.law == "closed_form":
            return self._closed_form_time(level)
        if self.law == "gradient_descent":
            return self._map_time(level, horizon)
        # A margin that stops at the level may come out one rounding below it.
        return self._flow_time(level - 1e-14 * max(1.0, abs(level)), checks.number("horizon", horizon))

    # ---- evaluation --------------------------------------------------------------------------------------

    def _evaluate(self, t: Floats) -> tuple[Floats, float]:
        if self.law == "closed_form":
            return self._closed_form(t)
        if self.law == "gradient_descent":
            return self._map(t)
        return self._flow(t)

    def _modes(self) -> tuple[Modes, Floats, Floats, Floats]:
        """The modes, and u0, kappa and C of both classes, shape (..., 2); a class without units has u0 = 0."""
        state = Modes.of(self.network, self.data)
        u0, C = state.u, state.imbalance
        # Below 1e-9 u0 the imbalance changes R = hypot(u, C) by less than its rounding: the balanced law.
        return state, u0, np.broadcast_to(state.rate, u0.shape), np.where(1e-9 * u0 >= C, 0.0, C)

    def _closed_form(self, t: Floats) -> tuple[Floats, float]:
        state, u0, rate, C = self._modes()
        served = u0 > 0
        u = np.zeros((len(t), *u0.shape))
        times = t.reshape(-1, *[1] * u0.ndim)
        # A class without units stays at 0.
        u[:, served] = modes.logit(
            times.reshape(-1, 1), initial=u0[served], rate=rate[served], imbalance=C[served], loss=self.loss_name
        )
        valid = np.inf if self.loss_name != "squared" or np.all(u0 <= 1) else 0.0
        return state.by_point(u), valid

    def _closed_form_time(self, level: float) -> Floats:
        state, u0, rate, C = self._modes()
        time = np.where(u0 >= level, 0.0, np.inf)
        ask = (u0 > 0) & (u0 < level)
        time[ask] = modes.time_to(level, initial=u0[ask], rate=rate[ask], imbalance=C[ask], loss=self.loss_name)
        return np.abs(state.by_point(time))

    def _steps(self, t: Floats) -> NDArray[np.int64]:
        assert self.lr is not None
        steps = np.rint(t / self.lr)
        off = np.flatnonzero(np.abs(t / self.lr - steps) > 1e-6 * np.maximum(1.0, 1e-6 * steps))
        if off.size:
            raise ValueError(
                f"times must be multiples of lr = {self.lr:g} for law 'gradient_descent', got {t[off[0]]:.10g}"
            )
        return steps.astype(np.int64)

    def _map(self, t: Floats) -> tuple[Floats, float]:
        assert self.lr is not None
        states = descent.run(self.system, self.loss_function, self.lr)
        broken: list[int] = []
        watched = states if self.loss_name != "squared" else _watch(self.system, states, broken)
        logits = descent.logits_at(self.system, watched, self._steps(t))
        return logits, self.lr * (broken[0] - 1) if broken else np.inf

    def _flow(self, t: Floats) -> tuple[Floats, float]:
        logits, states = flow_states(self.system, self.loss_function, t, rtol=1e-12)
        if self.loss_name == "squared":
            for k, state in enumerate(states):
                if not self.system.sound(state):
                    return logits, float(t[k - 1]) if k else 0.0
        return logits, np.inf

    def _map_time(self, level: float, horizon: float) -> Floats:
        assert self.lr is not None
        found = np.full(self.system.logits(self.system.start()).shape, np.nan)
        last = int(min(horizon / self.lr, 1e6))
        for k, state in enumerate(descent.run(self.system, self.loss_function, self.lr)):
            reached = self.data.y * self.system.logits(state) >= level
            found = np.where(np.isnan(found) & reached, self.lr * k, found)
            if k == last or not np.isnan(found).any():
                return found
        raise AssertionError("unreachable: the states of a law do not end")

    def _reaching(self, level: float, horizon: float) -> Floats:
        """Log-spaced times up to the first of 10, 100, ... by which every point has reached the level."""
        end = min(10.0, horizon)
        while end < horizon and not np.all(self.data.y * self._flow(np.array([end]))[0][-1] >= level):
            end = min(10.0 * end, horizon)
        return _log_times(end)

    def _flow_time(self, level: float, horizon: float) -> Floats:
        """Bracket on log-spaced times, then divide every bracket in 32 until it is at round-off."""
        grid = self._reaching(level, horizon)
        shape = self.system.logits(self.system.start()).shape
        low, high = np.zeros(shape), np.full(shape, np.nan)
        for _ in range(12):
            margin = self.data.y * self._flow(grid)[0]
            reached = margin >= level
            first = np.argmax(reached, axis=0)
            some = reached.any(axis=0)
            high = np.where(some, grid[first], np.nan)
            low = np.where(some, grid[np.maximum(first - 1, 0)], np.nan)
            open_ = some & (high - low > 1e-13 * high)
            if not open_.any():
                break
            ends = np.unique(np.column_stack([low[open_], high[open_]]), axis=0)
            grid = np.unique(np.append(grid[:1], np.linspace(ends[:, 0], ends[:, 1], 33)))
        return high


def _log_times(end: float) -> Floats:
    return np.append(0.0, np.geomspace(min(1e-3, 1e-3 * end), end, 200))


def flow_states(system: System, loss: Loss, t: Floats, rtol: float) -> tuple[Floats, list[descent.State]]:
    """Logits (T, ..., n) and states of the gradient flow of an order-parameter system at the times t."""
    assert isinstance(system, OrderParameters)
    paths = []
    for group in system.groups:
        flat = group.P.reshape(-1, *group.P.shape[-2:])
        members = [order_parameters.propagator(P, group.pulling, t, loss, rtol) for P in flat]
        paths.append(np.stack(members, 1).reshape(len(t), *group.P.shape))
    states: list[descent.State] = [tuple(path[k] for path in paths) for k in range(len(t))]
    return np.stack([system.logits(state) for state in states]), states


def _watch(system: System, states: Any, broken: list[int]) -> Any:
    """Pass the states on and note the first one in which the law is no longer known to hold."""
    for k, state in enumerate(states):
        if not broken and not system.sound(state):
            broken.append(k)
        yield state


# ---- choosing --------------------------------------------------------------------------------------------


def predict(
    network: Network, data: Dataset, *, loss: str = "cross_entropy", law: str = "auto", lr: float | None = None
) -> Prediction:
    """What the theory says of this network, trained on these points.

    Parameters
    ----------
    network : Network
        The start; an ensemble gives a prediction for each member.
    data : Dataset
    loss : str
    law : str
        "closed_form" (Thm 3.2, Thm 5.1, A.3, A.4 (v2), one input a class), "order_parameters" (any points),
        "gradient_descent" (the exact map, for any points; needs lr), "class_means" (approximate, never chosen
        by itself) or "auto": the exact map where lr is given, else the closed form where each class holds one
        input, else the order parameters.
    lr : float, optional
        Only for "gradient_descent" and "auto".

    Returns
    -------
    Prediction

    Raises
    ------
    AssumptionError
        Where the law's assumptions do not hold: the message says which, for which pairs or units.
    ValueError
        For an unknown loss or law, lr missing or not needed, or a network with another number of inputs.

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
    losses.get(loss)
    data.needs_two_classes("predict")
    found = data.check_assumptions(network)
    single = _one_input_a_class(data)
    name = _choose(law, lr, single)
    eta = None if lr is None else checks.number("lr", lr)
    if name != "class_means" and not found:
        raise AssumptionError(_refusal(name, found))
    if name == "closed_form" and not single:
        raise AssumptionError(
            "law 'closed_form' needs one input a class (repeated points are allowed), got classes of several "
            "different points; law 'order_parameters' applies"
        )
    # The pull of the squared loss may turn negative: only order parameters can tell whether the gates still hold.
    system: System
    if name == "class_means":
        system = OrderParameters.of_means(network, data)
    elif single and name != "order_parameters" and loss != "squared":
        system = Modes.of(network, data)
    else:
        system = OrderParameters.of(network, data)
    return Prediction(name, _equation(name, loss, system), found, network, data, loss, eta, system)


def _choose(law: str, lr: float | None, single: bool) -> str:
    if law != "auto":
        checks.choice("law", law, {**LAWS, "auto": ""})
    elif lr is not None:
        law = "gradient_descent"
    else:
        law = "closed_form" if single else "order_parameters"
    if law == "gradient_descent" and lr is None:
        raise ValueError("lr must be given for law 'gradient_descent', got None")
    if law != "gradient_descent" and lr is not None:
        raise ValueError(f"lr must be None for law {law!r}, which is a flow and has no step size, got {lr!r}")
    return law


def _one_input_a_class(data: Dataset) -> bool:
    return all(bool(np.all(data.X[data.mask(c)] == data.X[data.mask(c)][0])) for c in LABELS)


def _refusal(name: str, found: Assumptions) -> str:
    why = "; ".join(str(a) for a in found.failed)
    return f"law {name!r} does not apply: {why}. law='class_means' (approximate) can be asked for by name"


def _equation(law: str, loss: str, system: System) -> str:
    if law == "class_means":
        return "A.1 (v2) with each class replaced by its mean point"
    if law == "order_parameters":
        return "beyond the paper: flow of the order parameters (docs/theory.md, section 7)"
    if law == "gradient_descent":
        section = "6, map of S and D" if isinstance(system, Modes) else "7, map of the order parameters"
        return f"beyond the paper: exact gradient descent (docs/theory.md, section {section})"
    balanced = isinstance(system, Modes) and bool(np.all(system.imbalance <= 1e-9 * system.u))
    if loss == "cross_entropy":
        return "Thm 3.2, eq 2-3 (v2)" if balanced else "A.3 (v2), any width through S and D"
    if loss == "hinge":
        return "Thm 5.1, eq 6 (v2)" if balanced else "C.1 (v2), any width through S and D"
    return f"du/dt = 2 kappa sqrt(u^2 + C^2) g(u), {loss} (docs/theory.md, section 5)"
