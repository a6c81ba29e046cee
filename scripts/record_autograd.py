#!/usr/bin/env python3
"""Record what torch.autograd makes of a small network: tests/data/autograd.json, replayed by the tests.

Needs torch, which dynsim itself does not (pip install torch); reading the file needs nothing. One hidden ReLU
layer without bias in float64, points in general position with unequal weights, so that gates flip; full-batch
gradient descent on L = sum_i q_i l(y_i f(x_i)) for each of the four losses. Numbers are written so that reading
them gives the same float64 (17 digits where they are needed).

Usage: python scripts/record_autograd.py [FILE]
"""

import json
import sys
from pathlib import Path

import torch

HIDDEN, DIMENSION, POINTS = 5, 3, 7
LR, STEPS = 0.1, 60
WEIGHTS = [0.31, 0.07, 0.22, 0.11, 0.05, 0.17, 0.19]  # unequal, and their sum is not 1
LABELS = [1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]

# From the definitions, not in the stable forms that dynsim uses: the margins here stay below 20.
LOSSES = {
    "cross_entropy": lambda m: torch.log(1 + torch.exp(-m)),
    "hinge": lambda m: torch.clamp(1 - m, min=0),
    "exponential": lambda m: torch.exp(-m),
    "squared": lambda m: (1 - m) ** 2 / 2,
}


def train(loss, X, y, q, W, Z):
    """Logits after 0, 1, ..., STEPS steps, and the last weights."""
    W, Z = W.clone().requires_grad_(), Z.clone().requires_grad_()
    logits = []
    for step in range(STEPS + 1):
        f = torch.relu(X @ W.T) @ Z
        logits.append(f.tolist())
        if step < STEPS:
            dW, dZ = torch.autograd.grad((q * loss(y * f)).sum(), (W, Z))
            with torch.no_grad():
                W -= LR * dW
                Z -= LR * dZ
    return {"logits": logits, "W": W.tolist(), "Z": Z.tolist()}


def main(path):
    random = torch.Generator().manual_seed(20190906)

    def normal(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    X, W, Z = normal(POINTS, DIMENSION), 0.6 * normal(HIDDEN, DIMENSION), 0.6 * normal(HIDDEN)
    y, q = (torch.tensor(v, dtype=torch.float64) for v in (LABELS, WEIGHTS))
    record = {
        "torch": torch.__version__.split("+")[0],
        "lr": LR,
        "steps": STEPS,
        "X": X.tolist(),
        "y": LABELS,
        "weights": WEIGHTS,
        "W": W.tolist(),
        "Z": Z.tolist(),
        "runs": {name: train(loss, X, y, q, W, Z) for name, loss in LOSSES.items()},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="ascii")


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "tests" / "data" / "autograd.json"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
