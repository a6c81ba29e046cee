"""JAX by hand for an ensemble: everything we know of that makes XLA fast on a CPU.

The gradient is derived, not traced; the ensemble is the last axis, so that every loop runs along it; blocks of the
ensemble go through all their steps one after the other, small enough that a block stays in the cache; sums over few
points and coordinates are written out, so that XLA fuses a step into few loops, longer ones are products;
sigma(-m) y is (y - tanh(f/2)) / 2, one call of tanh. What did not help: unrolled scans, vectors of 512 bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contestants.jax_scan import compiled
from benchmarks.task import Answer, Prepared, Task

_SHORT = 4  # up to so many products x_ik w_k are written out
_CELLS = 16_384  # numbers in the largest array of a block, 128 kB
_BLOCK = 1000


def prepare(task: Task, devices: int = 1) -> Prepared:
    """Compiles. Records the first and the last step."""
    networks, h, d = task.W.shape
    if networks % devices:
        raise ValueError(f"{networks} networks cannot be shared by {devices} devices")
    each = networks // devices
    block = block_size(each, task.X.shape[0] * h)

    def all_blocks(W: Any, Z: Any) -> tuple[Any, Any, Any]:
        parts = (W.reshape(-1, block, h, d), Z.reshape(-1, block, h))
        logits, W, Z = jax.lax.map(lambda w: _block(task, *w), parts)
        return jnp.moveaxis(logits, 1, 0).reshape(2, each, -1), W.reshape(each, h, d), Z.reshape(each, h)

    function = jax.jit(all_blocks) if devices == 1 else jax.pmap(all_blocks, out_axes=(1, 0, 0))
    lead = () if devices == 1 else (devices,)
    W, Z = jnp.asarray(task.W).reshape(*lead, each, h, d), jnp.asarray(task.Z).reshape(*lead, each, h)
    ready, seconds = compiled(function, W, Z)

    def run() -> Answer:
        logits, last_W, last_Z = (np.asarray(a) for a in ready(W, Z))
        return Answer(logits.reshape(2, networks, -1), last_W.reshape(task.W.shape), last_Z.reshape(task.Z.shape))

    return Prepared(run, seconds)


def block_size(networks: int, cells: int) -> int:
    """The largest divisor of the number of networks that keeps a block in the cache."""
    most = min(max(_CELLS // cells, 1), _BLOCK, networks)
    return next(size for size in range(most, 0, -1) if networks % size == 0)


def _block(task: Task, W: Any, Z: Any) -> tuple[Any, Any, Any]:
    """All steps of one block: W (b, h, d), Z (b, h)."""
    short = task.X.size <= _SHORT
    step = _written_out(task) if short else _products(task)
    start = (tuple(W[:, :, k].T for k in range(W.shape[2])) if short else W.transpose(2, 1, 0), Z.T)
    (W_last, Z_last), _ = jax.lax.scan(lambda w, _: (step(*w), None), start, None, length=task.steps)
    last = jnp.stack(W_last) if short else W_last
    W_end, Z_end = last.transpose(2, 1, 0), Z_last.T
    ends = [(Z_[:, None] @ jnp.maximum(W_ @ task.X.T, 0.0))[:, 0] for W_, Z_ in ((W, Z), (W_end, Z_end))]
    return jnp.stack(ends), W_end, Z_end


def _pull(task: Task, f: Any) -> Any:
    """lr q_i y_i g(y_i f_i), f (n, b)."""
    y, weight = task.y[:, None], (task.lr * task.q)[:, None]
    if task.loss == "hinge":
        return jnp.where(y * f < 1.0, weight * y, 0.0)
    return 0.5 * weight * (y - jnp.tanh(0.5 * f))


def _written_out(task: Task) -> Any:
    """A step on W as a tuple of d arrays (h, b), Z (h, b): sums over points and coordinates without loops."""
    n, d = task.X.shape

    def step(W: Any, Z: Any) -> tuple[Any, Any]:
        A = [sum(task.X[i, k] * W[k] for k in range(d)) for i in range(n)]
        H = [jnp.maximum(a, 0.0) for a in A]
        p = _pull(task, jnp.stack([(Z * hidden).sum(0) for hidden in H]))
        P = [jnp.where(a > 0.0, p[i], 0.0) for i, a in enumerate(A)]
        W = tuple(W[k] + Z * sum(task.X[i, k] * P[i] for i in range(n)) for k in range(d))
        return W, Z + sum(H[i] * p[i] for i in range(n))

    return step


def _products(task: Task) -> Any:
    """A step on W (d, h, b), Z (h, b): two products with all networks of the block side by side."""
    n, d = task.X.shape

    def step(W: Any, Z: Any) -> tuple[Any, Any]:
        A = (task.X @ W.reshape(d, -1)).reshape(n, *Z.shape)
        H = jnp.maximum(A, 0.0)
        p = _pull(task, (Z * H).sum(1))
        P = jnp.where(A > 0.0, p[:, None, :], 0.0)
        G = (task.X.T @ P.reshape(n, -1)).reshape(W.shape)
        return W + Z * G, Z + (H * p[:, None, :]).sum(0)

    return step
