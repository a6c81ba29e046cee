"""The claims that `dynsim reproduce` runs, in the order of the paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dynsim.paper import appendix_a4, corollary_3_3, lemma_3_1, theorem_3_2, theorem_5_1
from dynsim.paper.claim import Result


class Entry(NamedTuple):
    """A claim: how it is called, where it stands, what it says, and how to hold it against a network."""

    name: str
    source: str
    statement: str
    reproduce: Callable[[bool], Result]


CLAIMS: dict[str, Entry] = {
    module.NAME: Entry(module.NAME, module.SOURCE, module.STATEMENT, module.reproduce)
    for module in (lemma_3_1, theorem_3_2, corollary_3_3, theorem_5_1, appendix_a4)
}
