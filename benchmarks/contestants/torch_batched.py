"""An ensemble in PyTorch: one forward pass and one `backward()` a step for all networks together.

`W @ X.T` and `Z @ hidden` over the ensemble axis, which torch turns into one large product and one `bmm`; `einsum`
with the same indices takes as long or longer, `torch.func.vmap(grad)` longer.
"""

from __future__ import annotations

import torch

from benchmarks.contestants.torch_eager import descend, point_loss, points
from benchmarks.task import Answer, Prepared, Task


def prepare(task: Task) -> Prepared:
    """Copies the points. Records the first and the last step."""
    X, y, q = points(task)

    def forward(W: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        return (Z.unsqueeze(-2) @ torch.relu(W @ X.T)).squeeze(-2)

    def run() -> Answer:
        W, Z = (torch.tensor(w, requires_grad=True) for w in (task.W, task.Z))
        with torch.no_grad():
            first = forward(W, Z)
        for _ in range(task.steps):
            descend(W, Z, (q * point_loss(task.loss, y * forward(W, Z))).sum(), task.lr)
        with torch.no_grad():
            logits = torch.stack([first, forward(W, Z)])
        return Answer(logits.numpy(), W.detach().numpy(), Z.detach().numpy())

    return Prepared(run)
