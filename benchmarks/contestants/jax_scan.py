"""JAX as its users write it: `grad` of the loss, `scan` over the steps, `vmap` over the ensemble, one `jit`."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.task import Answer, Prepared, Task

jax.config.update("jax_enable_x64", True)


def compiled(function: Any, *arguments: Any) -> tuple[Any, float]:
    """A jitted function compiled for these arguments, and the seconds it took (tracing included)."""
    begun = time.perf_counter()
    ready = function.lower(*arguments).compile()
    return ready, time.perf_counter() - begun


def prepare(task: Task) -> Prepared:
    """Compiles. Records every step, or the first and the last."""
    single = _single(task)
    go = jax.jit(single if task.Z.ndim == 1 else jax.vmap(single, out_axes=(1, 0, 0)))
    W, Z = jnp.asarray(task.W), jnp.asarray(task.Z)
    ready, seconds = compiled(go, W, Z)
    return Prepared(lambda: Answer(*(np.asarray(a) for a in ready(W, Z))), seconds)


def _single(task: Task) -> Any:
    def logits(W: Any, Z: Any) -> Any:
        return jax.nn.relu(task.X @ W.T) @ Z

    def loss(weights: Any) -> tuple[Any, Any]:
        f = logits(*weights)
        return (task.q * _point_loss(task.loss, task.y * f)).sum(), f

    def step(weights: Any, _: None) -> tuple[Any, Any]:
        gradient, f = jax.grad(loss, has_aux=True)(weights)
        return jax.tree.map(lambda w, g: w - task.lr * g, weights, gradient), f if task.every else None

    def single(W: Any, Z: Any) -> tuple[Any, Any, Any]:
        weights, path = jax.lax.scan(step, (W, Z), None, length=task.steps)
        before = path if task.every else logits(W, Z)[None]
        return jnp.concatenate([before, logits(*weights)[None]]), *weights

    return single


def _point_loss(loss: str, margin: Any) -> Any:
    return jax.nn.relu(1.0 - margin) if loss == "hinge" else jax.nn.softplus(-margin)
