"""A comparison in words: for the terminal, for a notebook, for JSON."""

from __future__ import annotations

import html as escape
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynsim import files

if TYPE_CHECKING:
    from dynsim.comparison import Comparison

_COLUMNS = ("quantity", "group", "sup", "rms", "relative", "floor", "unexplained")


def text(found: Comparison, assumptions: bool = True) -> str:
    """A table with a verdict, with or without the assumptions of the law."""
    run = found.empirical
    span = f"t = {run.time[0]:.4g} ... {run.time[-1]:.4g}" if len(run.time) else "no times"
    lines = [
        f"theory    {found.law}" + (f", {found.equation}" if found.equation else ""),
        f"run       {found.loss_name}, {_rule(found)}, {len(run.time)} records, {span} (t = lr x step)",
    ]
    if assumptions:
        lines += [f"assumes   {assumption}" for assumption in found.assumptions or ()]
    lines += ["", "difference of theory and run:", *table([_cells(row) for row in found.rows], _COLUMNS)]
    lines += ["", "floor (logits), what may separate a right theory from the run:"]
    lines += table([[name, _number(size), source] for name, (size, source) in found.parts.items()], None)
    shifts = [[name, *(_number(v) for v in at.values())] for name, at in found.time_shift.items()]
    lines += ["", "time shift, theory minus run, at confidence", *table(shifts, _levels(found))]
    if found.band_coverage is not None:
        lines += ["", f"band coverage {found.band_coverage:.3f}"]
    if found.coverage is not None:
        lines += [f"tests     {found.coverage.tests} of bands of {_levels_of(found)} %, at all times and classes"]
    lines += [f"note      {note}" for note in found.notes]
    return "\n".join([*lines, "", f"verdict   {found.verdict}: {found.reason}"])


def _levels_of(found: Comparison) -> str:
    assert found.coverage is not None
    return ", ".join(f"{100 * level:g}" for level in found.coverage.levels)


def html(found: Comparison) -> str:
    """The verdict and the table, for a notebook."""
    head = "".join(f"<th>{escape.escape(c)}</th>" for c in _COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape.escape(cell)}</td>" for cell in _cells(row)) + "</tr>" for row in found.rows
    )
    verdict = f"<b>{found.verdict}</b>: {escape.escape(found.reason)}"
    law = escape.escape(f"{found.law}, {found.equation}" if found.equation else found.law)
    return f"<p>{verdict}<br>{law}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def plain(found: Comparison) -> dict[str, Any]:
    """Numbers and strings only; what is not finite becomes None."""
    return {
        "verdict": str(found.verdict),
        "reason": found.reason,
        "by_class": {k: {"verdict": str(v), "reason": why} for k, (v, why) in found.by_class.items()},
        "law": found.law,
        "equation": found.equation,
        "loss": found.loss_name,
        "lr": found.empirical.lr,
        "records": len(found.empirical.time),
        "time": [_finite(float(t)) for t in found.empirical.time[[0, -1]]] if len(found.empirical.time) else [],
        "rows": [{c: _finite(getattr(row, c)) for c in _COLUMNS} for row in found.rows],
        "floor_parts": {k: {"size": _finite(v), "source": s} for k, (v, s) in found.parts.items()},
        "time_shift": {k: {str(c): _finite(v) for c, v in at.items()} for k, at in found.time_shift.items()},
        "resolution": _finite(found.resolution),
        "band_coverage": found.band_coverage,
        "coverage": None if found.coverage is None else found.coverage.to_dict(),
        "assumptions": None if found.assumptions is None else found.assumptions.to_dict(),
        "notes": list(found.notes),
    }


def table(rows: list[list[str]], header: tuple[str, ...] | None) -> list[str]:
    """Aligned columns, two blanks between."""
    full = ([list(header)] if header else []) + rows
    if not full:
        return []
    widths = [max(len(row[i]) for row in full) for i in range(len(full[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in full]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a whole file or none."""
    files.whole(path, encoded(content) + "\n")


def encoded(content: dict[str, Any]) -> str:
    """As JSON, which has no NaN: numbers that are not finite become null."""
    return json.dumps(_clean(content), indent=1, allow_nan=False)


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(v) for v in value]
    return _finite(value)


def _cells(row: Any) -> list[str]:
    return [row.quantity, row.group, *(_number(getattr(row, c)) for c in _COLUMNS[2:])]


def _levels(found: Comparison) -> tuple[str, ...]:
    return ("class", *(f"{level:g}" for level in next(iter(found.time_shift.values()), {})))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _rule(found: Comparison) -> str:
    run = found.empirical
    if (name := str(run.meta.get("optimizer", "gd"))) == "flow":
        return "gradient flow"
    return f"lr {_known(run.lr)}" + f", {name}" * (name != "gd")


def _known(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
