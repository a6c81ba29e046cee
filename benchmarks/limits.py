"""How fast NumPy can be at best here, and how far ours is from it: a model of five measured numbers."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.problems import Problem
from benchmarks.processes import Child

#: Of a step of the plain loop, whatever its size: calls of ufuncs, and of products.
CALLS, PRODUCTS = 8, 4


@dataclass(frozen=True)
class Machine:
    """Seconds of a small ufunc call, of a small product, of one number of exp and of add in one thread; operations
    a second of dgemm in one thread and in two."""

    call: float
    product: float
    exp: float
    add: float
    dgemm: float
    dgemm_two: float


def measure(quick: bool) -> Machine:
    """Measure in fresh processes with one and with two threads."""
    found = []
    for threads in (1, 2):
        with Child(Contestant("limits", "probe", "", threads, "")) as child:
            found.append(child.solve(quick)[1])
    return Machine(**found[0], dgemm_two=found[1]["dgemm"])


@dataclass(frozen=True)
class Bound:
    """Seconds of the plain loop at its best that go into calls, exp, elementwise passes and products."""

    calls: float
    exp: float
    passes: float
    products: float

    @property
    def seconds(self) -> float:
        """Their sum."""
        return self.calls + self.exp + self.passes + self.products


def bound(problem: Problem, machine: Machine, processes: int) -> Bound:
    """The least time of the plain loop: every step, every unit, every point.

    A step makes 8 ufunc calls and 4 products. For each network it takes n exponentials (none for the hinge), goes
    over 4 h n + 3 h d numbers (relu, gate, gated pull, readout; gradient, scaled by Z, added) and does 4 n d h
    operations in products. Calls are paid once for all networks of an ensemble; the other work is divided among the
    processes of an ensemble, or, in the products of a single network, between the two threads of dgemm.
    """
    n, d, h = problem.points, problem.dimension, problem.hidden
    networks = problem.ensemble or 1
    share = problem.steps * networks / processes
    dgemm = machine.dgemm if problem.ensemble else machine.dgemm_two
    return Bound(
        problem.steps * (CALLS * machine.call + PRODUCTS * machine.product),
        share * machine.exp * (0 if problem.loss == "hinge" else n),
        share * machine.add * (4 * h * n + 3 * h * d),
        share * 4 * n * d * h / dgemm,
    )
