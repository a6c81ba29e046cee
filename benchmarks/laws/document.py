"""docs/benchmarks-laws.md from what was measured."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import textwrap
from collections.abc import Sequence
from pathlib import Path

from benchmarks.document import table
from benchmarks.laws.measure import OURS, TOLERANCE, Run, Section, lines
from benchmarks.laws.sections import CALLED
from benchmarks.neighbours import disturbed

_HEAD = """# Benchmarks of the laws

Written by `./scripts/benchmark laws`; a change by hand is lost with the next run. Seconds depend on the machine,
ratios less.
"""

_METHOD = f"""## How it is measured

- All solve du/dt = N kappa R^(2 - 2/N) / (1 + e^u), R = sqrt(u^2 + C^2): cross-entropy, N layers, imbalance C.
- **Agreement comes first.** Of each answer a random sample is compared with 30 digits (mpmath: the exponential
  integral, a hypergeometric function for other depths, quadrature for C > 0). *error* is the largest relative error
  found. Ours must be below {OURS:g}; who errs by more than {TOLERANCE:g} gets no time.
- One process, one thread (OMP_NUM_THREADS = 1 where the environment says so; XLA decides by itself). The answers
  of the agreement are the warm-up. Then come the repeats, in turn: A B C A B C. *median* and *least* are over them,
  ratios are those of medians.
- {textwrap.fill(CALLED, 112, subsequent_indent="  ")}
- Its tables, made once for each loss, depth and imbalance, are made in the warm-up, not in the time; *our first
  call* has them in its time, where no problem above used them before.
- DOP853 and LSODA are `scipy.integrate.solve_ivp` with rtol = 1e-13 and 1e-10, atol = 1e-300, and a right side in
  scalar arithmetic. DOP853 gets the times as `t_eval`; *dense output* is its solution called with all times. In
  loops rtol = 1e-10 for both.
- diffrax solves all pairs in one program (jit, vmap, Dopri8, rtol = 1e-10, float64); compiling it is not in the
  time.
- Memory is the peak that tracemalloc sees during one run of ours, the answer included.
"""

_MET = {True: "yes", False: "**no**", None: "not measured"}


def markdown(sections: Sequence[Section], *, quick: bool, repeats: int, others: float | None) -> str:
    """The whole document."""
    parts = [_HEAD, _setting(quick, repeats, others), _asked(sections, quick), _METHOD]
    return "\n".join([*parts, *(_section(section) for section in sections)])


def write(text: str, path: Path) -> None:
    """Write a whole file or none: a name of its own first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="ascii")
    part.replace(path)


def _setting(quick: bool, repeats: int, others: float | None) -> str:
    names = [name for name in ("numpy", "scipy", "jax", "diffrax") if importlib.util.find_spec(name)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    lines_ = [f"{os.cpu_count()} cores, OMP_NUM_THREADS {threads}; Python {platform.python_version()}, {versions}."]
    lines_ += [f"Repeats: {repeats}."]
    if others is not None:
        text = f"Other processes and guests used {max(others, 0.0):.2f} cores meanwhile."
        lines_ += ["", f"**{text} Not to be trusted.**" if disturbed(others) else text]
    if quick:
        lines_ += ["", "**A quick run** on smaller problems: it is not held to what is asked."]
    return "\n".join(lines_) + "\n"


def _asked(sections: Sequence[Section], quick: bool) -> str:
    rows = []
    for section in sections:
        for line in lines(section):
            met = "-" if quick else _MET[line.met]
            rows.append([section.title, line.what, line.asked, line.measured, met])
    return "## Asked and measured\n\n" + table(("problem", "what", "asked", "measured", "met"), rows)


def _section(section: Section) -> str:
    header = ("contestant", "median", "least", "a logit", "error")
    rows = [_row(run, section.runs[0].problem.times.size) for run in section.runs]
    memory = f"Our first call: {section.runs[0].first:.3g} s. Memory of ours: {section.memory / 1e6:.3g} MB."
    return "\n".join([f"## {section.title}\n\n{section.about}\n", table(header, rows), memory + "\n"])


def _row(run: Run, size: int) -> list[str]:
    if not run.seconds:
        return [run.name, f"differs by more than {TOLERANCE:g}", "-", "-", f"{run.error:.1e}"]
    each = f"{1e9 * run.median / size:.3g} ns"
    return [run.name, f"{run.median:.3g} s", f"{run.least:.3g} s", each, f"{run.error:.1e}"]
