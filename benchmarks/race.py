"""One workload: cold starts, agreement, then repeats in turn: A B C A B C ..."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks import agreement, fits
from benchmarks.agreement import Agreement, FirstOrder
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.neighbours import Watch
from benchmarks.processes import Child, ContestantError
from benchmarks.task import Answer, Task
from benchmarks.workloads import Workload

Say = Callable[[str], None]

#: Threads of the last contestant go on spinning for a while; the next one is not to compete with them.
_REST = 0.15

#: Learning rates of the descents from which the order is fitted, in units of the workload's.
FACTORS = (1, 2, 4, 8, 16)


@dataclass
class Timing:
    """What is known of one contestant: seconds of repeats, of cold starts, of its compiler; its agreement."""

    contestant: Contestant
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    compiling: float | None = None
    agreement: Agreement | None = None
    failure: str = ""


@dataclass
class Raced:
    """A workload and its timings, in the order of its contestants; `first_order` and `errors` are those of a flow.

    errors: the largest difference of descent from the flow at each of FACTORS x lr. others: how many cores were
    busy with something else.
    """

    workload: Workload
    timings: dict[str, Timing] = field(default_factory=dict)
    first_order: FirstOrder | None = None
    errors: list[float] = field(default_factory=list)
    others: float | None = None

    @property
    def order(self) -> float:
        """The order in lr of the difference of descent and flow."""
        return fits.exponent(FACTORS, self.errors)

    @property
    def flow_agrees(self) -> bool:
        """Whether the flow is where descent goes as lr -> 0, as far as two learning rates tell.

        Flow and descent differ by the first-order estimate, up to a factor 2. Where the logits are smooth in lr (no
        unit slides, no order is asked), taking that estimate away leaves less than a tenth.
        """
        found = self.first_order
        if found is None or not found.error <= 2.0 * found.estimate:
            return False
        return self.workload.order is not None or found.extrapolated <= 0.1 * found.error

    @property
    def fair(self) -> bool:
        """Whether all contestants ran and agree."""
        return all(not t.failure for t in self.timings.values())


def race(workload: Workload, repeats: int, say: Say, into: Raced) -> None:
    """Run a workload; `into` holds what is measured so far, also if this is interrupted."""
    task, watch = workload.problem.task(), Watch()
    with contextlib.ExitStack() as stack:
        children, answers = {}, {}
        for name in workload.contestants:
            timing = into.timings[name] = Timing(CONTESTANTS[name])
            with _failing(timing, say):
                for left in reversed(range(workload.colds)):
                    child, answers[name] = _cold(timing, task, stack, keep=not left)
                children[name] = child
                say(f"{workload.name}  {name}: has an answer")
        _agree(into, children, answers, task, say)
        fair = {name: child for name, child in children.items() if not into.timings[name].failure}
        for name in _turns(fair, repeats):
            with _failing(into.timings[name], say):
                into.timings[name].warm.append(fair[name].ask("run"))
            time.sleep(_REST)
    into.others = watch.others()
    for name in fair:
        say(f"{workload.name}  {name}: {fits.median(into.timings[name].warm):.4g} s")


@contextlib.contextmanager
def _failing(timing: Timing, say: Say) -> Iterator[None]:
    """A contestant that fails is named and left out; the others go on."""
    try:
        yield
    except ContestantError as error:
        timing.failure = str(error)
        say(timing.failure)


def _cold(timing: Timing, task: Task, stack: contextlib.ExitStack, keep: bool) -> tuple[Child, Answer]:
    """From the start of a process to the answer; the process is kept for the repeats or ended."""
    begun = time.perf_counter()
    child = stack.enter_context(Child(timing.contestant))
    timing.compiling, answer = child.solve(task)
    timing.cold.append(time.perf_counter() - begun)
    if not keep:
        child.__exit__(None, None, None)
    return child, answer


def _turns(children: dict[str, Child], repeats: int) -> Iterator[str]:
    """All in turn, as often as asked. The cold start was the warm-up."""
    for _ in range(repeats):
        yield from children


# ---- agreement -------------------------------------------------------------------------------------------


def _agree(raced: Raced, children: dict[str, Child], answers: dict[str, Answer], task: Task, say: Say) -> None:
    """Hold every answer against the reference's; who differs is not timed."""
    workload = raced.workload
    reference = workload.contestants[0]
    if reference not in answers:
        raise ContestantError(f"{workload.name}: {raced.timings[reference].failure}; there is no reference")
    moved = None
    if not workload.flow:
        _, moved = children[reference].solve(workload.problem.task(ulps=1))
        children[reference].solve(task)
    for name, answer in answers.items():
        if answer.W is None:  # a flow, the peak: they have no last weights, and do not descend
            continue
        found = agreement.exact(answer, answers[reference], moved)
        raced.timings[name].agreement = found
        if not found.fine:
            raced.timings[name].failure = f"{name}: differs from {reference} by {found.difference:.2g}"
            say(raced.timings[name].failure)
    if workload.flow and "dynsim.flow" in answers:
        _agree_with_flow(raced, children[reference], answers, task)
        if not raced.flow_agrees:
            raced.timings["dynsim.flow"].failure = f"dynsim.flow: not the limit of descent, {raced.first_order}"
            say(raced.timings["dynsim.flow"].failure)


def _agree_with_flow(raced: Raced, descent: Child, answers: dict[str, Answer], task: Task) -> None:
    """The flow against descents at several learning rates, at the same times."""
    flow = answers["dynsim.flow"].logits
    factors = FACTORS if raced.workload.order else FACTORS[:2]
    paths = [answers[raced.workload.contestants[0]].logits]
    paths += [descent.solve(raced.workload.problem.at_rate(factor).task())[1].logits for factor in factors[1:]]
    descent.solve(task)
    raced.first_order = agreement.first_order(flow, paths[0], paths[1])
    if raced.workload.order:
        raced.errors = [float(np.max(np.abs(flow - path))) for path in paths]
