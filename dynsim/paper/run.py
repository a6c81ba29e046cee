"""Run claims side by side, keep what is done, and write figures, results.json and report.html."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy

from dynsim import files, report
from dynsim.paper import page, sheet, workers
from dynsim.paper.catalogue import CLAIMS, Entry
from dynsim.paper.claim import Result, Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A claim as it stands in results.json.
Claim = dict[str, Any]
_UNFINISHED = "unfinished"
#: What a document must have in common with a run that goes on from it.
_SAME = ("paper", "quick", "full", "versions")


def chosen(names: list[str] | None) -> list[Entry]:
    """The claims of these names, all of them for None; in the order of the paper.

    Raises
    ------
    ValueError
        For a name that is not a claim; the message lists them.
    """
    for name in names or ():
        if name not in CLAIMS:
            raise ValueError(f"--only must name claims among {', '.join(CLAIMS)}; got {name!r}")
    return [entry for entry in CLAIMS.values() if names is None or entry.name in names]


class Effort(NamedTuple):
    """How much is to be done: larger steps, in seconds; or the long claims at the paper's length."""

    quick: bool = False
    full: bool = False

    def __str__(self) -> str:
        return "--quick" if self.quick else "--full" if self.full else "the default length"


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made where it is missing, as long as this one lasts.

    Raises
    ------
    OSError
        Where there is no such folder and none can be made, or another run is at work in it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unfit(out, error) from None
    try:
        import fcntl
    except ImportError:
        # Windows has no such locks.
        yield
        return
    try:
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise _unfit(out, error) from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"--out must be a folder in which no other run is at work, got {out}") from None
        except OSError as error:
            # Not every file system has locks; without them two runs are not told apart.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise _unfit(out, error) from None
        yield
    finally:
        os.close(folder)


def _unfit(out: Path, error: OSError) -> OSError:
    return OSError(f"--out must be a folder that can be written to, got {out} ({error.strerror})")


class Store:
    """The folder of a run: results.json, report.html, and the figures of every claim as NAME.png and NAME.svg.

    Each file is written whole. A claim is entered in results.json once its figures are there.
    """

    def __init__(self, out: Path, entries: list[Entry], effort: Effort, kept: Claim | None = None) -> None:
        self.out, self.entries, self.effort = out, entries, effort
        self.claims: dict[str, Claim] = {}
        self.seconds: dict[str, float] = {}
        for claim in kept["claims"] if kept else ():
            figures = (out / f"{claim['name']}.{kind}" for kind in ("png", "svg"))
            # What failed is tried again.
            if claim["standing"] != Standing.FAILED and all(figure.exists() for figure in figures):
                self.claims[claim["name"]] = claim
                self.seconds[claim["name"]] = kept["times"][claim["name"]] if kept else 0.0

    @classmethod
    def begin(cls, out: Path, entries: list[Entry], effort: Effort) -> Store:
        """An empty folder, or one whose results are now replaced.

        Raises
        ------
        OSError
            Where nothing can be written there.
        """
        store = cls(out, entries, effort)
        try:
            out.mkdir(parents=True, exist_ok=True)
            # They would be those of an earlier run, of whatever versions.
            (out / "report.html").unlink(missing_ok=True)
            for path in [*(out / _UNFINISHED).glob("*.npz"), *(out / _UNFINISHED).glob("*.part")]:
                path.unlink()
            store._write()
        except OSError as error:
            raise _unfit(out, error) from None
        return store

    @classmethod
    def resume(cls, out: Path, effort: Effort) -> Store:
        """A run that was interrupted, with the claims it was asked for, and at its length where none is named.

        Raises
        ------
        ValueError
            Where there is none, or one that was made otherwise.
        """
        path = out / "results.json"
        if not path.exists():
            raise ValueError(f"--resume: nothing to go on from, {path} does not exist")
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            effort = effort if any(effort) else Effort(kept["quick"], kept["full"])
            before, now = ({key: one[key] for key in _SAME} for one in (kept, _head(effort)))
            store = cls(out, chosen(kept["asked"]), effort, kept)
            # What cannot be told is not what a run has written.
            sheet.summary(store.claims.values())
            page.html(store.document(), out)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"--resume: {path} is not of this version of dynsim: {error!r}") from None
        for key in _SAME:
            if before[key] != now[key]:
                raise ValueError(
                    f"--resume: {path} was made with {key} = {before[key]}, here it is {now[key]}; "
                    "start anew without --resume"
                )
        return store

    def missing(self) -> list[Entry]:
        """What is still to be done."""
        return [entry for entry in self.entries if entry.name not in self.claims]

    def enter(self, claim: Claim, seconds: float) -> None:
        """Keep a claim."""
        # As it would be read: a report is the same whether its claims were kept or have just been made.
        self.claims[claim["name"]] = json.loads(report.encoded(claim))
        self.seconds[claim["name"]] = round(seconds, 2)
        self._write()

    def document(self) -> dict[str, Any]:
        """What results.json holds; apart from "times" the same for every run of the same versions."""
        done = [entry.name for entry in self.entries if entry.name in self.claims]
        return {
            **_head(self.effort),
            "asked": [entry.name for entry in self.entries],
            "claims": [self.claims[name] for name in done],
            "times": {name: self.seconds[name] for name in done},
        }

    def write_report(self) -> None:
        """report.html, of the claims that are there."""
        files.whole(self.out / "report.html", page.html(self.document(), self.out))

    def _write(self) -> None:
        report.write_json(self.out / "results.json", self.document())


def run(
    store: Store,
    *,
    number: int = 0,
    progress: bool = False,
    watch: Callable[[list[str]], None] = lambda names: None,
) -> Iterator[Claim]:
    """Hold each claim that is missing against a network; yields it once it is kept, in the order in which they end.

    A claim that fails with an exception stands as FAILED and does not stop the others. What a long claim has not
    finished is kept in unfinished/, from where one that resumes goes on; report.html is written in the end, also
    where that is an interruption.

    Parameters
    ----------
    store : Store
    number : int
        Of processes; 0 does all in this one. The numbers are the same to the last bit for any, with as many threads
        of BLAS.
    progress : bool
        Whether long claims show bars (tqdm) of their own.
    watch : callable
        Told which claims are being worked on.

    Raises
    ------
    OSError
        Where a file cannot be written; what was kept before stays.
    """
    # The long ones first: no process is left alone with one in the end.
    order = sorted(store.missing(), key=lambda entry: not entry.long)
    tasks = {entry.name: _Task(entry, store.out, store.effort, progress) for entry in order}
    try:
        for name, answer in workers.side_by_side(_held, tasks, number, watch):
            if isinstance(answer, OSError):
                raise answer
            if isinstance(answer, Exception):
                answer = _Held(_failed(tasks[name].entry, answer), 0.0)
            store.enter(*answer)
            yield store.claims[name]
    finally:
        store.write_report()


class _Task(NamedTuple):
    entry: Entry
    out: Path
    effort: Effort
    progress: bool


class _Held(NamedTuple):
    claim: Claim
    seconds: float


def _held(task: _Task) -> _Held:
    """A claim held against a network, its figures written."""
    began = time.perf_counter()
    try:
        found = _reproduced(task)
    except Exception as error:
        return _Held(_failed(task.entry, error), time.perf_counter() - began)
    if found.figure is not None:
        save(found.figure, task.out / task.entry.name)
    return _Held({**_told(task.entry), **found.to_dict()}, time.perf_counter() - began)


def _reproduced(task: _Task) -> Result:
    entry, effort = task.entry, task.effort
    if not entry.long:
        return entry.reproduce(effort.quick)
    folder = task.out / _UNFINISHED
    found = entry.reproduce(effort.quick, full=effort.full, folder=folder, progress=task.progress)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return found


def _failed(entry: Entry, error: Exception) -> Claim:
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return {
        **_told(entry), "standing": str(Standing.FAILED), "error": said,
        "lines": [], "explanations": [], "notes": [], "tables": [],
    }  # fmt: skip


def _told(entry: Entry) -> Claim:
    """What a claim of results.json has from the catalogue."""
    return {key: getattr(entry, key) for key in ("name", "source", "statement", "setting", "beyond")}


def save(figure: Figure, stem: Path) -> None:
    """Write stem.png and stem.svg, each whole; the same figure gives the same bytes."""
    import matplotlib

    # An svg's identifiers are random numbers, unless there is a salt, and its date is today's.
    with matplotlib.rc_context({"svg.hashsalt": stem.name}):
        for kind, options in (("png", {"dpi": 150}), ("svg", {"metadata": {"Date": None}})):
            drawn = io.BytesIO()
            figure.savefig(drawn, format=kind, **options)
            files.whole(stem.with_name(f"{stem.name}.{kind}"), drawn.getvalue())


def cores() -> int:
    """How many processes are worth while here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _code() -> str:
    """A fingerprint of dynsim's own files: the version says nothing of what was changed since."""
    here = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        found.update(path.relative_to(here).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def _head(effort: Effort) -> dict[str, Any]:
    import matplotlib

    from dynsim import __version__

    versions = {
        "dynsim": __version__,
        "code": _code(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "matplotlib": matplotlib.__version__,
        "python": platform.python_version(),
    }
    return {"paper": "arXiv:1809.06848 v2", **effort._asdict(), "versions": versions}
