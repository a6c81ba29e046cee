"""docs/benchmarks.md from what was measured."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import fits, judged
from benchmarks.agreement import TOLERANCE
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.limits import Machine, bound
from benchmarks.neighbours import disturbed
from benchmarks.race import FACTORS, Raced, Timing
from benchmarks.scaling import BASE, LETTERS, Curve, sentences
from benchmarks.workloads import WORKLOADS

_WIDTH = 114

_HEAD = """# Benchmarks

Written by `./scripts/benchmark`; a change by hand is lost with the next run. Seconds depend on the machine, ratios
less.
"""

_METHOD = f"""## How it is measured

- Every contestant solves the same problem: full-batch gradient descent on L = sum_i q_i l(y_i f(x_i)), f(x) = Z .
  relu(W x), relu'(0) = 0, float64, both layers at once, from the same start; it hands back logits and last
  weights.
- **Agreement comes first.** Before a time is shown, every answer is compared with that of dynsim: logits and last
  weights within {TOLERANCE:g}, relative where they exceed 1. *sensitive* counts the networks on which one unit in
  the last place of the start does more than a hundredth of that (they start on the stable manifold of a saddle,
  and rounding decides where they go); they are held to a hundred times what that unit does. A contestant that
  differs is named and gets no time.
- A flow and a descent differ to first order in lr; what is checked stands below their tables.
- Each contestant is a process of its own, its threads set before it starts; all wait while one runs, with a rest
  in between for threads that still spin. *cold* is the wall time from the start of that process to the answer:
  imports, compiler, one run (the median of three processes where a ratio asks for it). That run is the warm-up.
  Then come the repeats, in turn: A B C A B C. *median*, *least* and *most* are over them. *compile* is the time
  of JAX's compiler, part of *cold*.
- A run is what a user waits for, from arrays to arrays; for dynsim the whole call.
- All may use both cores. *threads* is OMP_NUM_THREADS (OpenBLAS and MKL the same), and `torch.set_num_threads`;
  XLA decides by itself. Ensembles of dynsim run in two processes of one thread each.
"""

_LIMIT = """
The limit is that of the plain loop. More than 100 % says that dynsim gets by with less: small products by BLAS
calls that accumulate in place cost less than the one measured here, and networks that can change no more are left
out. The flow is not in the table: its steps are not those of descent.

What would close the rest: where calls are the limit, only a loop that is not in Python; in ensembles, passes that
are fused, so that an array is read once and not at every operation (what XLA does in the rows by hand); for one
large network, gates and pulls applied inside the products, whose operands now go through the caches of both cores.
"""


_MET = {True: "yes", False: "**no**", None: "not measured"}


@dataclass
class Findings:
    """Everything measured so far. others: cores busy with something else during "limits" and "scaling"."""

    quick: bool
    repeats: int
    raced: list[Raced] = field(default_factory=list)
    machine: Machine | None = None
    curves: list[Curve] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    others: dict[str, float | None] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def lines(self) -> list[judged.Line]:
        """All that was asked."""
        return [line for raced in self.raced for line in judged.lines(raced)]

    @property
    def met(self) -> bool:
        """Whether nothing failed and all that was asked was met; a quick run is not held to its ratios."""
        fair = not self.errors and all(raced.fair for raced in self.raced)
        return fair and (self.quick or all(line.met for line in self.lines))

    @property
    def complete(self) -> bool:
        """Whether every section of a full run is there."""
        full = len(self.raced) == len(WORKLOADS) and self.machine is not None and bool(self.curves)
        return full and not self.quick and not self.interrupted


def markdown(found: Findings) -> str:
    """The whole document."""
    parts = [_HEAD, _setting(found), _METHOD]
    if found.raced:
        parts[2:2] = [_asked(found)]
        parts += [_contestants(found.raced), *(_workload(raced) for raced in found.raced)]
    if found.machine is not None:
        parts += [_limits(found.machine, found.raced), *_others(found.others.get("limits"))]
    if found.curves:
        parts += [_scaling(found.curves), *_others(found.others.get("scaling"))]
    return "\n".join(parts)


def write(found: Findings, path: Path) -> None:
    """Write a whole file or none: a name of its own first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(markdown(found), encoding="ascii")
    part.replace(path)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


# ---- the setting and what was asked ----------------------------------------------------------------------


def _setting(found: Findings) -> str:
    load = " and ".join(f"{value:.1f}" for value in found.load)
    lines = [f"{_processor()}, {os.cpu_count()} cores; {_versions()}."]
    lines += [f"Repeats: {found.repeats}. Load of the last minute at the beginning and the end: {load}."]
    if found.quick:
        lines += ["", "**A quick run** on smaller problems: it is not held to the ratios asked."]
    if found.interrupted:
        lines += ["", "**Interrupted**: this is what was measured before."]
    for error in found.errors:
        lines += ["", f"**Failed**: {error}"]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> str:
    names = [name for name in ("numpy", "scipy", "torch", "jax") if importlib.util.find_spec(name)]
    found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    return ", ".join([f"Python {platform.python_version()}", *found])


def _asked(found: Findings) -> str:
    rows = []
    for raced in found.raced:
        mark = " (disturbed)" if disturbed(raced.others) else ""
        for line in judged.lines(raced):
            met = "-" if found.quick else _MET[line.met] + mark
            rows.append([line.workload, line.what, line.asked, line.measured, met])
    header = ("workload", "ratio of medians, theirs / ours", "asked", "measured", "met")
    return "## Asked and measured\n\n" + table(header, rows)


# ---- workloads -------------------------------------------------------------------------------------------


def _contestants(raced: Sequence[Raced]) -> str:
    used = {name for one in raced for name in one.workload.contestants}
    rows = [[c.name, _threads(c), c.about] for c in CONTESTANTS.values() if c.name in used]
    return "## Contestants\n\n" + table(("name", "threads", "what it is"), rows)


def _threads(contestant: Contestant) -> str:
    workers = contestant.options.get("workers", 1)
    return str(contestant.threads) if workers == 1 else f"{contestant.threads} x {workers} processes"


def _workload(raced: Raced) -> str:
    workload = raced.workload
    head = f"## {workload.name}: {workload.title}\n\n{workload.problem.sizes()}, {workload.problem.loss}.\n"
    header = ("contestant", "median", "least", "most", "cold", "compile", "difference", "sensitive")
    rows = [_row(raced, timing) for timing in raced.timings.values()]
    return "\n".join([head, table(header, rows), *_others(raced.others), *_flow(raced)])


def _row(raced: Raced, timing: Timing) -> list[str]:
    name, warm = timing.contestant.name, timing.warm
    if timing.failure:
        return [name, f"failed: {timing.failure}", *["-"] * 6]
    numbers = [fits.median(warm), min(warm), max(warm), fits.median(timing.cold)] if warm else []
    agreed = ["-", "-"]
    if timing.agreement is not None:
        mine = name == raced.workload.contestants[0]
        agreed = ["reference" if mine else f"{timing.agreement.difference:.1g}", str(timing.agreement.sensitive)]
    compiling = "-" if timing.compiling is None else _seconds(timing.compiling)
    return [name, *([_seconds(value) for value in numbers] or ["-"] * 4), compiling, *agreed]


def _others(cores: float | None) -> list[str]:
    if cores is None:
        return []
    text = f"Other processes and guests used {max(cores, 0.0):.2f} cores meanwhile."
    return [f"**{text} Not to be trusted.**" if disturbed(cores) else text, ""]


def _flow(raced: Raced) -> list[str]:
    found = raced.first_order
    if found is None:
        return []
    times = len(raced.workload.problem.recorded)
    tenth = "" if raced.workload.order else ", asked a tenth of the difference"
    lines = [
        f"Largest difference of flow and descent in the logits at {times} times: {found.error:.2g}.",
        f"Its first-order estimate, the difference of descents at lr and 2 lr: {found.estimate:.2g} (asked: not",
        "more than twice that). Flow and 2 D(lr) - D(2 lr), in which the first order cancels, differ by",
        f"{found.extrapolated:.2g}{tenth}.",
    ]
    if raced.errors:
        rates = [factor * raced.workload.problem.lr for factor in FACTORS]
        pairs = ", ".join(f"{lr:g}: {error:.3g}" for lr, error in zip(rates, raced.errors, strict=True))
        lines.append(f"Difference at each lr: {pairs}; fitted order {raced.order:.3f}.")
    return [textwrap.fill(" ".join(lines), _WIDTH), ""]


# ---- limits and sizes ------------------------------------------------------------------------------------


def _limits(machine: Machine, raced: Sequence[Raced]) -> str:
    numbers = [
        *(f"{1e9 * value:.0f} ns" for value in (machine.call, machine.product)),
        *(f"{1e9 * value:.3f} ns a number" for value in (machine.exp, machine.add)),
        *(f"{value / 1e9:.0f} GFLOP/s" for value in (machine.dgemm, machine.dgemm_two)),
    ]
    header = ("small ufunc call", "small product", "exp", "add", "dgemm, 1 thread", "dgemm, 2 threads")
    model = (bound.__doc__ or "").split("\n\n", 1)[1].replace("    ", "").strip()
    parts = ["## The limit\n", table(header, [numbers]), model + "\n"]
    rows = [row for one in raced if (row := _limit_row(machine, one)) is not None]
    if rows:
        titles = ("workload", "calls", "exp", "passes", "products", "limit", "dynsim", "limit / dynsim")
        parts += [table(titles, rows), _LIMIT.strip() + "\n"]
    return "\n".join(parts)


def _limit_row(machine: Machine, raced: Raced) -> list[str] | None:
    timing = raced.timings.get(raced.workload.contestants[0])
    if timing is None or not timing.warm:
        return None
    found = bound(raced.workload.problem, machine, timing.contestant.options.get("workers", 1))
    measured = fits.median(timing.warm)
    parts = (found.calls, found.exp, found.passes, found.products, found.seconds, measured)
    return [raced.workload.name, *(_seconds(value) for value in parts), f"{100 * found.seconds / measured:.0f} %"]


def _scaling(curves: Sequence[Curve]) -> str:
    out = [
        "## Cost against size\n",
        textwrap.fill(
            f"Median seconds, one size doubled at a time from {BASE.sizes()}; dynsim in one process. The exponents "
            "are least squares on the logarithms, over all sizes and over the upper half of them.",
            _WIDTH,
        )
        + "\n",
    ]
    for curve in curves:
        names = list(curve.seconds)
        rows = [
            [f"{size:,}", *(_seconds(curve.seconds[name][i]) for name in names)]
            for i, size in enumerate(curve.sizes)
        ]
        fitted = [curve.exponents(name) for name in names]
        rows.append(["exponent", *(f"{every:.2f}, {upper:.2f}" for every, upper in fitted)])
        out.append(table((LETTERS[curve.axis], *names), rows))
    end = " ".join(["**Where it stops being the right tool.**", *sentences(list(curves))])
    return "\n".join([*out, textwrap.fill(end, _WIDTH), ""])


def _seconds(value: float) -> str:
    return f"{value:.3g} s"
