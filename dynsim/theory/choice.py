"""Which law applies to a network and its data: what `predict` decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dynsim import checks, losses
from dynsim.assumptions import Assumptions
from dynsim.checks import AssumptionError, Floats
from dynsim.dataset import Dataset
from dynsim.network import Network
from dynsim.theory import symmetry
from dynsim.theory.chains import Chains
from dynsim.theory.descent import System
from dynsim.theory.many_points import OrderParameters
from dynsim.theory.one_input import Modes
from dynsim.theory.solutions import ClosedForm, Flow, Map, RandomBatches, Solution
from dynsim.theory.units import Units

#: What each law is, as `predict` accepts it.
LAWS = {
    "closed_form": "gradient flow with one input a class (or orthogonal ones), solved",
    "order_parameters": "gradient flow with any points, as ordinary differential equations",
    "layers": "gradient flow at any depth with layers of different size, as ordinary differential equations",
    "gradient_descent": "the exact map of gradient descent (needs lr)",
    "sgd": "the exact law of SGD with batches of one point (needs lr and batch_size=1)",
    "modified_flow": "the flow that gradient descent follows to second order (needs lr)",
    "phases": "gradient flow with one input a class, opposite or orthogonal, from any start: units may die",
    "class_means": "gradient flow with each class replaced by its mean point (approximate)",
}
#: Those that speak of a learning rate.
WITH_LR = ("gradient_descent", "sgd", "modified_flow")


class Asked(NamedTuple):
    """The arguments of `predict`."""

    network: Network
    data: Dataset
    loss: str
    law: str
    lr: float | None
    batch_size: int | None


class Chosen(NamedTuple):
    """The law, and what was found out on the way to it."""

    law: str
    equation: str
    assumptions: Assumptions
    system: System
    solution: Solution


@dataclass(frozen=True, eq=False)
class Case:
    """What kind of problem it is.

    alone: the system of one input a class, if that is what the classes hold. orthogonal: the points of a class act
    as one (A.7, v2). exact: the system of the exact map. solved: the system whose classes are solved in closed
    form, if any. why: why there is none.
    """

    alone: Modes | Chains | None
    orthogonal: bool
    exact: System
    solved: Modes | Chains | None
    why: str


def choose(asked: Asked) -> Chosen:
    """Check the assumptions, settle the law, fill it in."""
    network, data, loss = asked.network, asked.data, asked.loss
    _check_classes(network, data, loss)
    _check_law(asked)
    found = data.check_assumptions(network)
    if asked.law == "class_means":
        return _class_means(asked, found)
    if asked.law == "phases":
        return _phases(asked, found)
    if not found.independent:
        raise AssumptionError(_refusal(_named(asked, None), found) + _way_out(asked))
    case = _case(network, data, loss)
    name = _named(asked, case)
    _check_applies(name, case, network)
    solution = _solution(name, case, asked)
    equation = _equation(name, loss, case, network)
    return Chosen(name, equation, found, case.exact, solution)


def _check_classes(network: Network, data: Dataset, loss: str) -> None:
    if network.classes != data.classes:
        wanted = "one logit" if data.classes is None else f"{data.classes} logits"
        raise ValueError(f"network must have {wanted}, as the labels of the data say, got {network!r}")
    if data.classes is not None and loss != "cross_entropy":
        raise ValueError(f"loss must be 'cross_entropy' for {data.classes} classes (softmax), got {loss!r}")


def _check_law(asked: Asked) -> None:
    """What is wrong whatever the network."""
    law, lr, size = asked.law, asked.lr, asked.batch_size
    if law != "auto":
        checks.choice("law", law, {**LAWS, "auto": ""})
    if law in WITH_LR and lr is None:
        raise ValueError(f"lr must be given for law {law!r}, got None")
    if law not in (*WITH_LR, "auto") and lr is not None:
        raise ValueError(f"lr must be None for law {law!r}, which is a flow and has no step size, got {lr!r}")
    if law == "sgd" and size is None:
        raise ValueError("batch_size must be 1 for law 'sgd', got None")
    if size is not None:
        if law not in ("sgd", "auto"):
            raise ValueError(f"batch_size must be None for law {law!r}, got {size!r}")
        if checks.count("batch_size", size, least=1) != 1:
            raise ValueError(f"batch_size must be 1, for which the exact law is known, got {size}")
        if lr is None:
            raise ValueError("lr must be given with batch_size, got None")


def _named(asked: Asked, case: Case | None) -> str:
    """The law asked for; for "auto" the most exact one."""
    if asked.law != "auto":
        return asked.law
    if asked.batch_size is not None:
        return "sgd"
    if asked.lr is not None:
        return "gradient_descent"
    if case is None or case.solved is not None:
        return "closed_form"
    return "layers" if isinstance(case.exact, Chains) else "order_parameters"


def _case(network: Network, data: Dataset, loss: str) -> Case:
    single = symmetry.one_input_a_class(data)
    if data.classes is not None:
        symmetry.check_softmax(network, data, single)
        softmax = Modes.of(network, data)
        return Case(softmax, False, softmax, softmax, "")
    if network.depth != 2:
        if not single:
            raise AssumptionError(
                f"no law is known for depth {network.depth} with several different points a class: one input a "
                "class is needed (repeated points are allowed)"
            )
        chains = Chains.of(network, data)
        solved: Modes | Chains | None = chains if chains.balanced else None
        return Case(chains, False, chains, solved, "layers and chains of equal size; law 'layers' applies")
    orthogonal = not single and symmetry.acts_as_one(network, data)
    # The pull of the squared loss may turn negative: only order parameters can tell whether the gates still hold.
    modes = Modes.of(network, data) if single or orthogonal else None
    alone = modes if single else None
    exact = alone if alone is not None and loss != "squared" else OrderParameters.of(network, data)
    why = "one input a class (repeated points are allowed), got classes of several different points; "
    return Case(alone, orthogonal, exact, modes, why + "law 'order_parameters' applies")


def _check_applies(name: str, case: Case, network: Network) -> None:
    if name == "closed_form" and case.solved is None:
        raise AssumptionError(f"law 'closed_form' needs {case.why}")
    if name == "sgd" and case.alone is None:
        raise AssumptionError("law 'sgd' needs one input a class (repeated points are allowed)")
    if name == "order_parameters" and (network.depth != 2 or network.classes is not None):
        raise AssumptionError(
            f"law 'order_parameters' is for one hidden layer and one logit, got {network!r}; law 'auto' finds one"
        )
    if name == "layers" and not isinstance(case.exact, Chains):
        raise AssumptionError(f"law 'layers' is for other depths than 2, got {network!r}; law 'auto' finds one")


def _solution(name: str, case: Case, asked: Asked) -> Solution:
    loss, data = losses.get(asked.loss), asked.data
    labels = data.y if data.classes is None else np.ones(len(data))
    if name == "closed_form" and case.solved is not None:
        return ClosedForm.of(case.solved, asked.loss, data.classes)
    if name in ("order_parameters", "layers"):
        system = OrderParameters.of(asked.network, data) if name == "order_parameters" else case.exact
        return Flow(system, labels, loss)
    eta = asked.lr
    assert eta is not None
    if name == "modified_flow":
        return Flow(case.exact, labels, loss, eta)
    if name == "sgd":
        assert case.alone is not None
        return RandomBatches(case.alone, loss, eta)
    return Map(case.exact, labels, loss, eta)


def _class_means(asked: Asked, found: Assumptions) -> Chosen:
    network, data = asked.network, asked.data
    data.needs_two_classes("law 'class_means'")
    if network.depth != 2:
        raise AssumptionError(f"law 'class_means' is for one hidden layer, got {network!r}")
    system = OrderParameters.of_means(network, data)
    flow = Flow(system, data.y, losses.get(asked.loss))
    equation = "A.1 (v2) with each class replaced by its mean point"
    return Chosen("class_means", equation, found, system, flow)


def _way_out(asked: Asked) -> str:
    """The other law to ask for by name, where it applies."""
    try:
        _phases(asked, Assumptions(()))
    except ValueError:
        return ""
    return "; so can law='phases' (exact: units may die)"


def _phases(asked: Asked, found: Assumptions) -> Chosen:
    network, data, loss = asked.network, asked.data, losses.get(asked.loss)
    data.needs_two_classes("law 'phases'")
    if network.depth != 2:
        raise AssumptionError(f"law 'phases' is for one hidden layer, got {network!r}")
    if not symmetry.one_input_a_class(data):
        raise AssumptionError("law 'phases' needs one input a class (repeated points are allowed)")
    system = Units.of(network, data)
    system.check(loss)
    equation = "Section 3.3, Thm 3.4, eq 4, A.6, A.8 (v2), any number of units (docs/theory.md, section 16)"
    return Chosen("phases", equation, found, system, Flow(system, data.y, loss))


def class_logits(log_odds: Floats, data: Dataset) -> Floats:
    """All logits (..., n, C) of points whose own class stands out by the same margin from every other."""
    C = len(data.labels)
    margin = np.asarray(log_odds + np.log(C - 1.0))
    own = data.y[:, None] == np.arange(C)
    return np.asarray(margin[..., None] * (own - 1.0 / C))


def _refusal(name: str, found: Assumptions) -> str:
    why = "; ".join(str(a) for a in found.obstacles)
    return f"law {name!r} does not apply: {why}. law='class_means' (approximate) can be asked for by name"


# ---- which equations ---------------------------------------------------------------------------------------


def _equation(law: str, loss: str, case: Case, network: Network) -> str:
    if law == "order_parameters":
        return "beyond the paper: flow of the order parameters (docs/theory.md, section 7)"
    if law == "layers":
        return "App. B (v2), layers of any size (docs/theory.md, section 11)"
    if law == "sgd":
        return "beyond the paper: exact law of SGD (docs/theory.md, section 12)"
    if law == "modified_flow":
        return "beyond the paper: gradient descent to second order in lr (docs/theory.md, section 9)"
    if law == "gradient_descent":
        section = {Modes: "6, map of S and D", Chains: "11, map of the layers"}.get(
            type(case.exact), "7, map of the order parameters"
        )
        return f"beyond the paper: exact gradient descent (docs/theory.md, section {section})"
    return _closed_form(loss, case, network)


def _closed_form(loss: str, case: Case, network: Network) -> str:
    if isinstance(case.solved, Chains):
        return "eq 5, App. B (v2)" if network.depth > 1 else "eq 5 with N = 1 (v2), logistic regression"
    assert case.solved is not None
    if network.classes is not None:
        return "beyond the paper: softmax of C classes (docs/theory.md, section 10)"
    if case.orthogonal:
        return "A.7 (v2), orthogonal points"
    balanced = bool(np.all(case.solved.imbalance <= 1e-9 * case.solved.u))
    if loss == "cross_entropy":
        return "Thm 3.2, eq 2-3 (v2)" if balanced else "A.3 (v2), any width through S and D"
    if loss == "hinge":
        return "Thm 5.1, eq 6 (v2)" if balanced else "C.1 (v2), any width through S and D"
    return f"du/dt = 2 kappa sqrt(u^2 + C^2) g(u), {loss} (docs/theory.md, section 5)"
