"""dynsim beside PyTorch, JAX and a plain NumPy loop: `./scripts/benchmark` writes docs/benchmarks.md.

Nothing heavy is imported here: the process of a contestant imports this package before it imports the contestant,
and what that takes is part of its time from a cold process.
"""
