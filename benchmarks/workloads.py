"""What is run, by whom, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.problems import Problem


@dataclass(frozen=True)
class Asked:
    """Median of `against` over median of `of`, at least `least`; "warm", or "cold" from the start of a process."""

    of: str
    against: str
    least: float
    measure: str = "warm"


@dataclass(frozen=True)
class Workload:
    """A problem, its contestants, and the ratios asked.

    contestants: the first is the reference of the agreement. colds: how many processes of each are started for
    the time from a cold process. order: for a flow, the interval in which the order in lr of its difference from
    descent must lie.
    """

    name: str
    title: str
    problem: Problem
    contestants: tuple[str, ...]
    asked: tuple[Asked, ...]
    colds: int = 1
    order: tuple[float, float] | None = None

    @property
    def flow(self) -> bool:
        """Whether a flow takes part: it agrees with descent to first order in lr only."""
        return "dynsim.flow" in self.contestants

    @property
    def group(self) -> str:
        """What the command calls it: W2 is W2 and W2h."""
        return self.name[:2]

    def smaller(self) -> Workload:
        """The same with a smaller problem and one cold process."""
        return replace(self, problem=self.problem.smaller(), colds=1)


_TWO = "dynsim, 2 processes"
_ENSEMBLE = (_TWO, "torch batched", "JAX", "JAX by hand", "JAX by hand, 2 devices")
_GRID = Problem("grid", hidden=1, dimension=1, points=2, steps=2000, ensemble=10_000)
_GENERIC = Problem("gaussian", hidden=16, dimension=10, points=8, steps=20_000, record="all")
_FAR = 1_000_000

WORKLOADS = (
    Workload(
        "W1",
        "one small run, every logit recorded",
        _GENERIC,
        ("dynsim", "naive NumPy", "torch modules", "torch eager", "JAX"),
        (
            Asked("dynsim", "torch modules", 30.0),
            Asked("dynsim", "torch eager", 30.0),
            Asked("dynsim", "JAX", 1.0 / 6.0),
            Asked("dynsim", "JAX", 1.0, "cold"),
            Asked("dynsim", "naive NumPy", 2.5),
        ),
        colds=3,
    ),
    Workload(
        "W2",
        "a plane of one-unit networks, cross-entropy",
        _GRID,
        _ENSEMBLE,
        (Asked(_TWO, "torch batched", 9.0), Asked(_TWO, "JAX", 5.0), Asked(_TWO, "JAX by hand", 0.8)),
    ),
    Workload(
        "W2h",
        "a plane of one-unit networks, hinge",
        replace(_GRID, loss="hinge"),
        # So little is left to do once most have learnt or died that a second process costs what it saves.
        ("dynsim, 1 process", *_ENSEMBLE),
        (
            Asked("dynsim, 1 process", "torch batched", 40.0),
            Asked("dynsim, 1 process", "JAX", 15.0),
            Asked("dynsim, 1 process", "JAX by hand", 2.0),
        ),
    ),
    Workload(
        "W3",
        "a thousand small networks",
        Problem("gaussian", hidden=32, dimension=8, points=8, steps=2000, ensemble=1000),
        (_TWO, "dynsim, 1 process", *_ENSEMBLE[1:]),
        (Asked(_TWO, "torch batched", 4.0), Asked(_TWO, "JAX", 1.7), Asked(_TWO, "dynsim, 1 process", 1.5)),
    ),
    Workload(
        "W4",
        "one network on many points",
        Problem("gaussian", hidden=128, dimension=64, points=1000, steps=500, scale=0.1),
        (_TWO, "dynsim", "naive NumPy", "torch modules", "torch eager", "JAX", "dgemm"),
        (
            Asked(_TWO, "torch modules", 2.3),
            Asked(_TWO, "torch eager", 2.3),
            Asked(_TWO, "JAX", 1.0),
            Asked(_TWO, "dgemm", 0.6),
        ),
    ),
    Workload(
        "W5",
        "the flow to t = 10,000, class-structured data",
        Problem("aligned", hidden=16, dimension=10, points=8, steps=_FAR, lr=0.01, record="long"),
        ("dynsim", "JAX", "dynsim.flow"),
        (Asked("dynsim.flow", "JAX", 40.0), Asked("dynsim.flow", "dynsim", 180.0)),
    ),
    Workload(
        "W6",
        "the flow to t = 10,000, generic data, units slide along kinks",
        replace(_GENERIC, steps=_FAR, lr=0.01, record="long"),
        ("dynsim", "dynsim.flow"),
        (Asked("dynsim.flow", "dynsim", 20.0),),
        order=(0.9, 1.1),
    ),
)
