"""diffrax: one program for all starts, compiled (jit) and batched (vmap)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.laws.problems import Floats, Pairs

RTOL = 1e-10


def prepare(problem: Pairs) -> Callable[[], Floats]:
    """A function without arguments that solves; it has been compiled when this returns."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    factor, power = problem.depth, 2.0 - 2.0 / problem.depth
    control = diffrax.PIDController(rtol=RTOL, atol=1e-300)

    def field(_: Any, u: Any, rate: Any) -> Any:
        radius = jnp.sqrt(u * u + problem.imbalance**2)
        return factor * rate * radius**power / (1.0 + jnp.exp(u))

    def one(times: Any, initial: Any, rate: Any) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri8(), t0=0.0, t1=times[-1], dt0=None, y0=initial, args=rate,
            saveat=diffrax.SaveAt(ts=times), stepsize_controller=control, max_steps=100_000,
        )  # fmt: skip
        return solution.ys

    every = jax.jit(jax.vmap(one))
    arguments = [jnp.asarray(a) for a in (problem.times, problem.initial[:, 0], problem.rate[:, 0])]
    every(*arguments).block_until_ready()
    return lambda: np.asarray(every(*arguments).block_until_ready())
