"""What a run of claims shows while it works: a bar, what is being worked on, and a line for each that ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from dynsim.paper.run import Store


class Bar:
    """On a terminal a bar below the lines; elsewhere the lines alone. A context manager."""

    def __init__(self, store: Store, stream: TextIO) -> None:
        from tqdm import tqdm

        self._store, self._stream = store, stream
        self._width = max((len(entry.name) for entry in store.entries), default=0)
        kept, total = len(store.claims), len(store.entries)
        self._bar = tqdm(
            total=total, initial=kept, unit="claim", file=stream, disable=not stream.isatty(), leave=False,
            bar_format="{n_fmt}/{total_fmt} claims {bar:20} {elapsed}{postfix}",
        )  # fmt: skip
        self._number = kept
        if kept:
            self._say(f"{kept} of {total} claims are kept")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bar.close()

    def watch(self, names: list[str]) -> None:
        """Name what is being worked on."""
        self._bar.set_postfix_str(", ".join(names))

    def done(self, claim: Mapping[str, Any]) -> None:
        """A line for a claim that has ended."""
        self._number += 1
        name, total = claim["name"], len(self._store.entries)
        where = f"{self._number:{len(str(total))}}/{total}"
        seconds = self._store.seconds[name]
        self._say(f"{where}  {name:{self._width}}  {claim['standing']:12}  {seconds:.1f} s")
        self._bar.update()
        self._bar.refresh()

    def _say(self, text: str) -> None:
        self._bar.write(text, file=self._stream)
