"""What every claim's module returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynsim.comparison import Comparison, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """One row of the table of claims: a predicted number beside the measured one.

    discrepancy and floor are in the unit of `what`; verdict is that of the comparison the row comes from.
    """

    what: str
    predicted: float
    measured: float
    discrepancy: float
    floor: float
    verdict: Verdict


@dataclass(frozen=True)
class Table:
    """Data that belongs to a claim and has no verdict: what was measured where the paper gives no number.

    Each row has as many cells as the header.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Result:
    """A claim held against a trained network.

    Attributes
    ----------
    name, source, statement : str
        As the module's NAME, SOURCE and STATEMENT.
    lines : tuple of Line
    parameters : mapping
        Everything needed to repeat it; plain numbers and strings.
    comparisons : tuple of Comparison
        The comparisons behind the lines.
    figure : Figure or None
        Not shown, not saved: the caller's.
    notes : tuple of str
    tables : tuple of Table
        Printed below the table of claims.
    """

    name: str
    source: str
    statement: str
    lines: tuple[Line, ...]
    parameters: dict[str, Any]
    comparisons: tuple[Comparison, ...] = ()
    figure: Figure | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)
    tables: tuple[Table, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """AGREES only if every line does."""
        found = {line.verdict for line in self.lines}
        for verdict in (Verdict.DISAGREES, Verdict.INCONCLUSIVE):
            if verdict in found:
                return verdict
        return Verdict.AGREES

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "statement": self.statement,
            "verdict": str(self.verdict),
            "parameters": self.parameters,
            "lines": [{**vars(line), "verdict": str(line.verdict)} for line in self.lines],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "notes": list(self.notes),
            "tables": [{**vars(one), "rows": [list(row) for row in one.rows]} for one in self.tables],
        }


def row(what: str, predicted: float, measured: float, floor: float) -> Line:
    """A line that agrees where predicted and measured differ by no more than the floor."""
    off = abs(measured - predicted)
    return Line(what, predicted, measured, off, floor, within(off, floor))


def within(discrepancy: float, floor: float) -> Verdict:
    """AGREES where a discrepancy lies within its floor."""
    return Verdict.AGREES if discrepancy <= floor else Verdict.DISAGREES
