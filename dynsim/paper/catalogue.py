"""The claims that `dynsim reproduce` runs, in the order of the paper, and then those beyond it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from dynsim.paper import (
    appendix_a2,
    appendix_a3,
    appendix_a4,
    appendix_a7,
    appendix_c2,
    asymptote,
    brightness,
    corollary_3_3,
    deep_starvation,
    depth_times,
    exact_map,
    failed_training,
    figure_2,
    figure_2_left,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_9,
    gan,
    inflection,
    lazy_limit,
    lemma_3_1,
    linear_starvation,
    modified_flow,
    order_parameters,
    other_losses,
    plateau,
    sgd_law,
    spectral_decoupling,
    table_1,
    theorem_3_2,
    theorem_3_4,
    theorem_5_1,
    theorem_6_1,
    theorem_d_2,
)
from dynsim.paper.claim import Result


class Entry(NamedTuple):
    """A claim: how it is called, where it stands, what it says, and how to hold it against a network.

    `reproduce` takes whether to be quick; that of a long claim also `full`, `folder` and `progress`. `setting` are
    the paper's parameters and ours, in words.
    """

    name: str
    source: str
    statement: str
    reproduce: Callable[..., Result]
    long: bool = False
    beyond: bool = False
    setting: str = ""


_PAPER: tuple[ModuleType, ...] = (
    lemma_3_1,
    theorem_3_2,
    figure_2,
    inflection,
    corollary_3_3,
    figure_2_left,
    theorem_3_4,
    figure_3,
    figure_4,
    theorem_5_1,
    figure_5,
    gan,
    theorem_6_1,
    table_1,
    figure_6,
    brightness,
    appendix_a2,
    appendix_a3,
    appendix_a4,
    appendix_a7,
    figure_7,
    figure_9,
    appendix_c2,
    theorem_d_2,
)
_BEYOND: tuple[ModuleType, ...] = (
    asymptote,
    plateau,
    lazy_limit,
    depth_times,
    other_losses,
    exact_map,
    order_parameters,
    failed_training,
    linear_starvation,
    deep_starvation,
    spectral_decoupling,
    sgd_law,
    modified_flow,
)

#: Those that take minutes: they show progress, keep what they have, and can be done at the paper's length.
_LONG: tuple[ModuleType, ...] = (brightness, gan)


def _entry(module: ModuleType, beyond: bool) -> Entry:
    words = (module.NAME, module.SOURCE, module.STATEMENT)
    return Entry(*words, module.reproduce, module in _LONG, beyond, module.SETTING)


CLAIMS: dict[str, Entry] = {
    module.NAME: _entry(module, beyond)
    for several, beyond in ((_PAPER, False), (_BEYOND, True))
    for module in several
}
