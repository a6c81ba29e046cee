#!/usr/bin/env python3
"""Record what torch.autograd and torch.optim make of small networks: tests/data/autograd*.json, for the tests.

Needs torch, which dynsim itself does not (pip install torch); reading the files needs nothing. Full-batch training
in float64 on L = sum_i q_i l(x_i), points in general position with unequal weights q_i, so that gates flip.
autograd.json: one hidden ReLU layer without bias, gradient descent, each of the four losses.
autograd_forms.json: other depths, diagonal layers, biases, softmax readouts, momentum and Adam, and the penalty of
spectral decoupling, (lam/2) sum_i q_i |f_i|^2.
Numbers are written so that reading them gives the same float64 (17 digits where they are needed).

Usage: python scripts/record_autograd.py [FOLDER]
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import torch

HIDDEN, DIMENSION, POINTS = 5, 3, 7
LR, STEPS = 0.1, 60
WEIGHTS = [0.31, 0.07, 0.22, 0.11, 0.05, 0.17, 0.19]  # unequal, and their sum is not 1
LABELS = [1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]
CLASS_IDS = [0, 2, 1, 1, 0, 2, 1]

# From the definitions, not in the stable forms that dynsim uses: the margins here stay below 20.
LOSSES = {
    "cross_entropy": lambda m: torch.log(1 + torch.exp(-m)),
    "hinge": lambda m: torch.clamp(1 - m, min=0),
    "exponential": lambda m: torch.exp(-m),
    "squared": lambda m: (1 - m) ** 2 / 2,
}

OPTIMIZERS = {
    "gd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr),
}


class Form(NamedTuple):
    """shapes: one weight a layer, the one that reads the input first; an inner (h,) multiplies unit by unit.

    seed: of the start; None goes on with the random numbers of the form before.
    """

    shapes: tuple[tuple[int, ...], ...]
    biases: bool
    loss: str
    optimizer: str
    lr: float
    decoupling: float = 0.0
    seed: int | None = None


DEEP = ((6, 3), (5, 6), (6, 5), (4, 6), (4,))
FORMS = {
    "momentum": Form(((5, 3), (5,)), False, "cross_entropy", "momentum", 0.05),
    "adam": Form(((5, 3), (5,)), False, "cross_entropy", "adam", 0.03),
    "depth 4": Form(((6, 3), (5, 6), (4, 5), (4,)), True, "cross_entropy", "gd", 0.1),
    "depth 4, hinge, momentum": Form(((6, 3), (5, 6), (4, 5), (4,)), False, "hinge", "momentum", 0.02),
    "diagonal": Form(((5, 3), (5,), (5,)), False, "squared", "gd", 0.1),
    "diagonal, biases, adam": Form(((5, 3), (4, 5), (4,), (4,)), True, "exponential", "adam", 0.02),
    "softmax": Form(((5, 3), (3, 5)), False, "cross_entropy", "gd", 0.2),
    "softmax, depth 3": Form(((5, 3), (4, 5), (3, 4)), True, "cross_entropy", "gd", 0.2),
    "softmax, depth 3, adam": Form(((5, 3), (4, 5), (3, 4)), True, "cross_entropy", "adam", 0.02),
    "depth 1": Form(((3,),), True, "cross_entropy", "gd", 0.3),
    "depth 1, softmax": Form(((3, 3),), True, "cross_entropy", "momentum", 0.05),
    "depth 5, adam": Form(DEEP, True, "cross_entropy", "adam", 0.02, seed=1),
    "depth 5, softmax, momentum": Form((*DEEP[:-1], (3, 4)), True, "cross_entropy", "momentum", 0.02, seed=1),
    "decoupling": Form(((5, 3), (5,)), False, "cross_entropy", "gd", 0.1, 0.1, seed=1),
    "decoupling, hinge, momentum": Form(((5, 3), (4, 5), (4,)), True, "hinge", "momentum", 0.02, 0.2, seed=1),
    "decoupling, adam": Form(DEEP, True, "exponential", "adam", 0.02, 0.3, seed=1),
    "decoupling, diagonal": Form(((5, 3), (5,), (5,)), False, "squared", "gd", 0.1, 0.1, seed=1),
    "decoupling, softmax": Form(((5, 3), (4, 5), (3, 4)), True, "cross_entropy", "gd", 0.2, 0.1, seed=1),
    "decoupling, depth 1": Form(((3,),), True, "cross_entropy", "gd", 0.3, 0.1, seed=1),
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


def outputs(X, weights, biases):
    """f(x_i), shape (n,), or (n, C) for a readout of C rows."""
    signal = X
    for layer, weight in enumerate(weights):
        last = layer == len(weights) - 1
        if weight.ndim == 2:
            signal = signal @ weight.T
        else:
            signal = signal @ weight if last else signal * weight
        if biases:
            signal = signal + biases[layer]
        if not last:
            signal = torch.relu(signal)
    return signal


def total(f, y, q, loss):
    """L; for class ids the cross-entropy of the softmax, -log(exp(f_y) / sum_c exp(f_c))."""
    if f.ndim == 1:
        return (q * LOSSES[loss](y * f)).sum()
    own = torch.stack([f[i, c] for i, c in enumerate(y)])
    return -(q * torch.log(torch.exp(own) / torch.exp(f).sum(1))).sum()


def penalty(f, q):
    """sum_i q_i |f_i|^2 / 2."""
    return sum(weight * (row**2).sum() for weight, row in zip(q, f, strict=True)) / 2


def train_form(form, X, y, q, normal):
    """The start, logits after 0, 1, ... steps, and the last weights and biases."""
    # Weights of variance 2 / (inputs of a unit) neither die out nor explode; a diagonal one below 0 would be dead.
    *inner, readout = form.shapes
    weights = [normal(*s) * (2 / s[-1]) ** 0.5 if len(s) == 2 else normal(*s).abs() for s in inner]
    weights.append(normal(*readout) * (2 / readout[-1]) ** 0.5)
    biases = [0.3 * normal(*s[:1]) for s in inner] + [0.3 * normal(*readout[:-1])] if form.biases else []
    start = [a.tolist() for a in weights], [b.tolist() for b in biases]
    parameters = [a.requires_grad_() for a in weights + biases]
    optimizer = OPTIMIZERS[form.optimizer](parameters, form.lr)
    logits = []
    for step in range(STEPS + 1):
        f = outputs(X, weights, biases)
        logits.append(f.tolist())
        if step < STEPS:
            optimizer.zero_grad()
            loss = total(f, y, q, form.loss)
            (loss + form.decoupling * penalty(f, q) if form.decoupling else loss).backward()
            optimizer.step()
    return {
        "loss": form.loss,
        "optimizer": form.optimizer,
        "lr": form.lr,
        **({"spectral_decoupling": form.decoupling} if form.decoupling else {}),
        "start": {"weights": start[0], "biases": start[1] or None},
        "logits": logits,
        "end": {"weights": [a.tolist() for a in weights], "biases": [b.tolist() for b in biases] or None},
    }


def normals(seed):
    random = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, generator=random, dtype=torch.float64)


def four_losses(normal):
    X, W, Z = normal(POINTS, DIMENSION), 0.6 * normal(HIDDEN, DIMENSION), 0.6 * normal(HIDDEN)
    y, q = (torch.tensor(v, dtype=torch.float64) for v in (LABELS, WEIGHTS))
    return {
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


def forms(normal):
    X, y, q = normal(POINTS, DIMENSION), *(torch.tensor(v, dtype=torch.float64) for v in (LABELS, WEIGHTS))
    runs = {}
    for name, form in FORMS.items():
        labels = CLASS_IDS if len(form.shapes[-1]) == 2 else y
        runs[name] = train_form(form, X, labels, q, normal if form.seed is None else normals(form.seed))
    return {
        "torch": torch.__version__.split("+")[0],
        "X": X.tolist(),
        "y": LABELS,
        "class ids": CLASS_IDS,
        "steps": STEPS,
        "weights": WEIGHTS,
        "runs": runs,
    }


def main(folder):
    folder.mkdir(exist_ok=True)
    # Seeds (also those of the forms) for which gates flip in every hidden layer and all logits move: the tests ask.
    for name, record in (("autograd", four_losses(normals(20190906))), ("autograd_forms", forms(normals(69)))):
        (folder / f"{name}.json").write_text(json.dumps(record) + "\n", encoding="ascii")


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "tests" / "data"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
