"""The closed-form laws beside solvers of differential equations: `./scripts/benchmark laws`.

It writes docs/benchmarks-laws.md. JAX and diffrax are imported by one contestant only.
"""
