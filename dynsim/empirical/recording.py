"""Which steps of a run are recorded, and the loop that records them: over engines, in blocks of steps.

An engine steps some networks and knows nothing of records, outcomes or progress; `follow` asks it, block by block,
to advance, notes which of its networks diverged or can change no more, and lets it go on without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.trajectory import Outcome

#: Outcomes by number, as they stand in `Board.outcome`.
OUTCOMES = tuple(Outcome)
_TRAINING, _LEARNT, _DEAD, _DIVERGED = (
    OUTCOMES.index(o) for o in (Outcome.TRAINING, Outcome.LEARNT, Outcome.DEAD, Outcome.DIVERGED)
)


class Standing(NamedTuple):
    """How an engine's networks stand, each (m,).

    finite: all weights and logits are. learnt: no point pulls. silent: no point that pulls is seen by any unit.
    """

    finite: NDArray[np.bool_]
    learnt: NDArray[np.bool_]
    silent: NDArray[np.bool_]


class Engine(Protocol):
    """Steps the networks `members` (their numbers in the ensemble); `block` steps are a good number at a time."""

    block: int
    members: NDArray[np.int64]

    def advance(self, first: int, last: int, keep: NDArray[np.int64], out: Floats) -> None:
        """Steps first ... last - 1; the logits before step keep[j] go to out[j, members]."""

    def logits(self) -> Floats:
        """The logits now, (m, n) or (m, n, C)."""

    def standing(self) -> Standing:
        """Which networks are finite, and in which anything can still change."""

    def parameters(self) -> list[Floats]:
        """The weights now, with the network as first axis."""

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Go on with these members only."""

    def join(self, other: Engine) -> bool:
        """Take over the networks of another engine of the same run, where the two are better done together."""


class Board(NamedTuple):
    """What a run writes, for M networks: logits (T, M, n) or (T, M, n, C), NaN where nothing was recorded; the last
    weights, each (M, ...); outcome (M,) as a number and the step at which it was seen (M,), -1 while training;
    stop (1,): set to end the run early."""

    logits: Floats
    parameters: list[Floats]
    outcome: NDArray[np.int64]
    stopped: NDArray[np.int64]
    stop: NDArray[np.int64]


def recorded_steps(record: int | str | ArrayLike, steps: int) -> NDArray[np.int64]:
    """Which steps to record: increasing, from 0 on where a number of steps was asked for."""
    if isinstance(record, str):
        if record != "all":
            raise ValueError(f"record must be a number of steps, an array of steps or 'all', got {record!r}")
        return np.arange(steps + 1)
    if np.ndim(record) == 0:
        number = checks.count("record", record, least=2)
        if number > steps:
            return np.arange(steps + 1)
        return np.unique(np.rint(np.append(0.0, np.geomspace(max(steps, 1), 1, number - 1))).astype(np.int64))
    given = np.asarray(record)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
        raise ValueError(f"record must be one-dimensional integers, got {record!r}")
    # Differences of unsigned numbers would wrap.
    wanted = given.astype(np.int64)
    if np.any(np.diff(wanted) <= 0) or wanted[0] < 0 or wanted[-1] > steps:
        raise ValueError(f"record must increase from at least 0 to at most steps = {steps}, got {record!r}")
    return wanted


def follow(
    engines: Sequence[Engine], steps: int, keep: NDArray[np.int64], board: Board, tick: Callable[[int], object]
) -> bool:
    """Run the engines to the end; false where it was interrupted, by hand or by `board.stop`.

    tick(k) is called after every block with the number of steps done.
    """
    live, last = [e for e in engines if e.members.size], 0
    size = live[0].block if live else steps
    # Overflow is looked for after every block and reported by the caller: numpy's warnings would only repeat it.
    with np.errstate(all="ignore"):
        try:
            for first in range(0, steps, size):
                last = min(first + size, steps)
                span = slice(*np.searchsorted(keep, [first, last]))
                for engine in live:
                    engine.advance(first, last, keep[span], board.logits[span])
                    _retire(engine, last, keep, span, board)
                live = _joined([e for e in live if e.members.size])
                tick(last)
                if not live or board.stop[0]:
                    break
            if board.stop[0]:
                return False
            for engine in live:
                _finish(engine, steps, keep, board)
        except KeyboardInterrupt:
            board.stop[0] = 1
            return False
    tick(steps)
    return True


def _joined(live: list[Engine]) -> list[Engine]:
    out: list[Engine] = []
    for engine in live:
        if not any(other.join(engine) for other in out):
            out.append(engine)
    return out


def _retire(engine: Engine, step: int, keep: NDArray[np.int64], span: slice, board: Board) -> None:
    """Note which networks diverged within the block, or can change no more after it, and go on without them."""
    members, now = engine.members, engine.standing()
    rows = board.logits[span][:, members]
    seen = np.asarray(np.isfinite(rows).all(axis=tuple(range(2, rows.ndim))))
    lost = ~now.finite | ~seen.all(axis=0)
    still = ~lost & (now.learnt | now.silent)
    if not (lost | still).any():
        return
    for at in np.flatnonzero(lost):
        bad = np.flatnonzero(~seen[:, at])
        board.stopped[members[at]] = keep[span.start + bad[0]] if bad.size else step
        board.logits[span.start + (int(bad[0]) if bad.size else len(rows)) :, members[at]] = np.nan
    board.outcome[members[lost]] = _DIVERGED
    if still.any():
        board.outcome[members[still]] = np.where(now.learnt[still], _LEARNT, _DEAD)
        board.stopped[members[still]] = step
        board.logits[span.stop :, members[still]] = engine.logits()[still]
    _store(engine, still, board)
    engine.keep_only(~(lost | still))


def _finish(engine: Engine, steps: int, keep: NDArray[np.int64], board: Board) -> None:
    finite, members = engine.standing().finite, engine.members
    if keep[-1] == steps:
        board.logits[-1, members] = now = engine.logits()
        finite = finite & np.isfinite(now.reshape(len(members), -1)).all(-1)
        board.logits[-1, members[~finite]] = np.nan
    board.outcome[members[~finite]] = _DIVERGED
    board.stopped[members[~finite]] = steps
    _store(engine, finite, board)


def _store(engine: Engine, which: NDArray[np.bool_], board: Board) -> None:
    for room, values in zip(board.parameters, engine.parameters(), strict=True):
        room[engine.members[which]] = values[which]
