"""What is measured, beside whom, and what is asked."""

from __future__ import annotations

from functools import partial

from benchmarks.laws import ours, problems, solvers, with_diffrax
from benchmarks.laws.measure import Run, Section
from benchmarks.laws.problems import Pairs

#: How ours is called, for the document.
CALLED = ours.CALLED

_FINE, _USUAL = 1e-13, 1e-10
_OURS, _LOOPS = "dynsim", ("loop of DOP853", "loop of LSODA")
_DOP853, _DENSE, _LSODA = "DOP853", "DOP853, dense output", "LSODA"
_DIFFRAX = "diffrax"


def sections(quick: bool, diffrax: bool) -> list[Section]:
    """All of them, on smaller problems if `quick`."""
    count, many = (100_000, 2_000) if quick else (1_000_000, 100_000)
    return [
        _along("One trajectory", count, 0.0, 2.0),
        _pairs("Many starts and rates", many, 0.0, 2.0, quick, diffrax),
        _along("One trajectory, imbalance 0.3", count, 0.3, 2.0),
        _along("One trajectory, four layers", count, 0.0, 4.0),
        _pairs("Many starts and rates, imbalance 0.3", many, 0.3, 2.0, quick, False),
        _pairs("Many starts and rates, four layers", many, 0.0, 4.0, quick, False),
        # Not asked: no table serves imbalances that all differ.
        _pairs("Many starts, rates and imbalances", many, None, 2.0, quick, False),
    ]


def _along(title: str, count: int, imbalance: float, depth: float) -> Section:
    problem = problems.trajectory(count, imbalance, depth)
    solve = {
        _OURS: partial(ours.solve, problem),
        _DOP853: partial(solvers.trajectory, problem, "DOP853", _FINE),
        _DENSE: partial(solvers.dense, problem, "DOP853", _FINE),
        _LSODA: partial(solvers.trajectory, problem, "LSODA", _USUAL),
    }
    balanced = not imbalance and depth == 2.0
    asked = {_DOP853: 2.0, _DENSE: 2.0, _LSODA: 10.0} if balanced else {_DOP853: 1.0, _DENSE: 1.0}
    return Section(
        title, f"{count:,} sorted times from 0 to {problem.times[-1]:g}, from a logit of {problem.initial:g}.",
        [Run(name, problem, run) for name, run in solve.items()],
        asked, error_ratio={_DOP853: 100.0 if balanced else 1.0},
    )  # fmt: skip


def _pairs(title: str, count: int, imbalance: float | None, depth: float, quick: bool, diffrax: bool) -> Section:
    problem = problems.pairs(count, imbalance=imbalance, depth=depth)
    sample = 20 if quick else 200
    each = problem.imbalance if imbalance is not None else problem.imbalance[:sample]
    few = Pairs(problem.times[:sample], problem.initial[:sample], problem.rate[:sample], each, depth)
    balanced = imbalance == 0.0 and depth == 2.0
    runs = [Run(_OURS, problem, partial(ours.solve, problem))]
    for name, method in zip(_LOOPS, ("DOP853", "LSODA"), strict=True):
        runs.append(Run(name, few, partial(solvers.loop, few, method, _USUAL), count / sample))
    asked = {} if imbalance is None else dict.fromkeys(_LOOPS, 1000.0 if balanced else 100.0)
    if diffrax:
        runs.append(Run(_DIFFRAX, problem, with_diffrax.prepare(problem)))
        asked[_DIFFRAX] = 50.0
    about = (
        f"{count:,} pairs of a start and a rate, {problem.times.shape[1]} times each; the loops solve the first "
        f"{sample} of them and their seconds are multiplied by {count / sample:g}."
    )
    limits = (100.0, 200.0) if balanced and not quick else (None, None)
    return Section(title, about, runs, asked, *limits)

