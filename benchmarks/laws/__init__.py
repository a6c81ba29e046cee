"""The closed-form laws beside solvers of differential equations: `python -m benchmarks.laws`.

It writes docs/benchmarks-laws.md. JAX and diffrax are imported by one contestant only.
"""
