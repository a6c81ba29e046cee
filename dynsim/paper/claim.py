"""What every claim's module returns."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynsim.comparison import Comparison, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Standing(enum.StrEnum):
    """What becomes of a claim of the paper, the worst last."""

    AGREES = "AGREES"
    EXPLAINED = "EXPLAINED"
    INCONCLUSIVE = "INCONCLUSIVE"
    DISAGREES = "DISAGREES"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Line:
    """One row of the table of claims: a predicted number beside the measured one.

    discrepancy and floor are in the unit of `what`; verdict is that of the comparison the row comes from.

    Where the paper itself is inexact (`explained`), predicted is what the paper says, discrepancy the distance from
    it, `mended` what it should say, and the verdict is that of the mended number: only where that one agrees is the
    paper's explained. `formula` marks a line on which no network was measured, but another formula evaluated.
    """

    what: str
    predicted: float
    measured: float
    discrepancy: float
    floor: float
    verdict: Verdict
    mended: float | None = None
    explanation: str = ""
    formula: bool = False

    @property
    def standing(self) -> Standing:
        """The verdict, or EXPLAINED where it is that of a mended statement."""
        if self.explanation and self.verdict == Verdict.AGREES:
            return Standing.EXPLAINED
        return Standing(self.verdict)


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
    explanations : tuple of str
        In what the experiment differs from the paper's, so that its numbers can not be the paper's; a claim that
        has some is EXPLAINED where its lines agree.

    Examples
    --------
    >>> from dynsim.paper import theorem_3_2
    >>> found = theorem_3_2.reproduce(quick=True)
    >>> found.standing
    <Standing.AGREES: 'AGREES'>
    >>> found.decisive.what
    'closed form, class -1: logit at t = 13.05, where they differ most'
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
    explanations: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """The worst standing of its lines; EXPLAINED at best where there are explanations."""
        found = [line.standing for line in self.lines]
        return max([*found, Standing.EXPLAINED if self.explanations else Standing.AGREES], key=severity)

    @property
    def decisive(self) -> Line:
        """The line with the worst standing; among equal ones that of a network which comes closest to its floor."""
        return max(self.lines, key=lambda line: (severity(line.standing), not line.formula, _strain(line)))

    def __str__(self) -> str:
        """Every line in a table, and what is to be said about them."""
        from dynsim.paper import sheet

        return "\n".join(sheet.details(self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "statement": self.statement,
            "standing": str(self.standing),
            "parameters": self.parameters,
            "decisive": self.lines.index(self.decisive),
            "lines": [
                {**vars(line), "verdict": str(line.verdict), "standing": str(line.standing)} for line in self.lines
            ],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "notes": list(self.notes),
            "tables": [{**vars(one), "rows": [list(row) for row in one.rows]} for one in self.tables],
            "explanations": list(self.explanations),
        }


def row(what: str, predicted: float, measured: float, floor: float, *, formula: bool = False) -> Line:
    """A line that agrees where predicted and measured differ by no more than the floor."""
    off = abs(measured - predicted)
    return Line(what, predicted, measured, off, floor, within(off, floor), formula=formula)


def within(discrepancy: float, floor: float) -> Verdict:
    """AGREES where a discrepancy lies within its floor."""
    return Verdict.AGREES if discrepancy <= floor else Verdict.DISAGREES


def explained(what: str, paper: float, mended: float, measured: float, floor: float, why: str) -> Line:
    """A line on which the paper is inexact: its number, the right one, and the measured one.

    Where the paper's number is within the floor as well, nothing is to be explained.
    """
    off = abs(measured - paper)
    verdict = within(abs(measured - mended), floor)
    return Line(what, paper, measured, off, floor, verdict, mended, why if off > floor else "")


def severity(standing: str) -> int:
    """How bad a standing is, 0 for AGREES."""
    return list(Standing).index(Standing(standing))


def _strain(line: Line) -> float:
    """The discrepancy in units of the floor; a floor of 0 is strained by any."""
    if line.floor > 0.0:
        return line.discrepancy / line.floor
    return float("inf") if line.discrepancy > 0.0 else 0.0
