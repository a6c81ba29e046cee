"""Who runs: one module each with `prepare(task, **options) -> Prepared`, and the threads each may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Contestant:
    """A way to solve a task, in a process of its own.

    Attributes
    ----------
    name : str
    module : str
        In this package.
    needs : str
        The package to be installed, "" for none.
    threads : int
        OMP_NUM_THREADS, set before the process starts; also the intra-op threads of torch.
    about : str
        What it is, for the reader of the table.
    options : mapping
        Arguments of its `prepare`.
    environment : mapping
        More variables of its process.
    """

    name: str
    module: str
    needs: str
    threads: int
    about: str
    options: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


_ALL = (
    Contestant("dynsim", "ours", "", 2, "`dynsim.train` in one process"),
    Contestant("dynsim, 1 process", "ours", "", 1, "`dynsim.train(workers=1)`"),
    Contestant("dynsim, 2 processes", "ours", "", 1, "`dynsim.train(workers=2)`", {"workers": 2}),
    Contestant("dynsim.flow", "flow", "", 2, "`dynsim.flow`, rtol 1e-10: the limit lr -> 0, no descent"),
    Contestant("naive NumPy", "naive", "", 2, "the loop a person would write, forward and backward pass by hand"),
    Contestant("torch eager", "torch_eager", "torch", 2, "plain tensors, `backward()`, one step after the other"),
    Contestant(
        "torch modules", "torch_modules", "torch", 2, "`nn.Sequential` and `torch.optim.SGD`, as in the tutorials"
    ),
    Contestant("torch batched", "torch_batched", "torch", 2, "an ensemble axis, one `backward()` for all networks"),
    Contestant("JAX", "jax_scan", "jax", 2, "`jit` of `scan` over steps of `grad`; `vmap` over an ensemble"),
    Contestant(
        "JAX by hand",
        "jax_hand",
        "jax",
        2,
        "gradient derived by hand, ensemble axis last, blocks that fit the cache, `jit` of `scan`",
    ),
    Contestant(
        "JAX by hand, 2 devices",
        "jax_hand",
        "jax",
        2,
        "the same with half the ensemble on each of two virtual devices (`pmap`): XLA uses both cores",
        {"devices": 2},
        {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    ),
    Contestant("dgemm", "dgemm", "", 2, "one large NumPy product with as many operations: the peak"),
)

CONTESTANTS = {contestant.name: contestant for contestant in _ALL}
