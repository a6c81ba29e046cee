"""One network in PyTorch as its tutorials have it: `nn.Sequential` and an optimizer."""

from __future__ import annotations

import torch

from benchmarks.contestants.torch_eager import point_loss, points
from benchmarks.task import Answer, Prepared, Task


def _model(task: Task) -> torch.nn.Sequential:
    hidden, dimension = task.W.shape
    first = torch.nn.Linear(dimension, hidden, bias=False, dtype=torch.float64)
    last = torch.nn.Linear(hidden, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        first.weight.copy_(torch.tensor(task.W))
        last.weight.copy_(torch.tensor(task.Z)[None])
    return torch.nn.Sequential(first, torch.nn.ReLU(), last)


def prepare(task: Task) -> Prepared:
    """Copies the points."""
    X, y, q = points(task)
    wanted = {step: row for row, step in enumerate(task.record.tolist())}

    def run() -> Answer:
        model = _model(task)
        optimizer = torch.optim.SGD(model.parameters(), lr=task.lr)
        logits = torch.empty((len(wanted), len(y)), dtype=torch.float64)
        for step in range(task.steps + 1):
            f = model(X).squeeze(-1)
            if step in wanted:
                logits[wanted[step]] = f.detach()
            if step < task.steps:
                optimizer.zero_grad()
                (q * point_loss(task.loss, y * f)).sum().backward()
                optimizer.step()
        W, Z = (model[i].weight.detach().numpy() for i in (0, 2))
        return Answer(logits.numpy(), W, Z[0])

    return Prepared(run)
