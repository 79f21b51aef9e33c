"""The Muon optimizer: momentum steps for matrices, made orthogonal (Jordan et al. 2024).

PyTorch's own `torch.optim.Muon` computes in bfloat16, which is thirty times slower than float32 on
processors without bfloat16 instructions.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration, and 5 rounds of it, are those of the original Muon."""


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U V' for a matrix U S V'."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrix else x.T


class Muon(torch.optim.Optimizer):
    """For matrices alone; `lr` is the typical share of a matrix's scale that a step changes.

    All processes call it with the same gradients; each works on its share of the matrices.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params = group["params"]
            flat = torch.zeros(sum(p.numel() for p in params))
            changes = flat.split([p.numel() for p in params])  # views
            for i in range(dist.get_rank(), len(params), dist.get_world_size()):
                grad = params[i].grad
                mean = self.state[params[i]].setdefault("mean", torch.zeros_like(grad))
                mean.lerp_(grad, 1 - group["momentum"])
                changes[i].copy_(orthogonal(grad.lerp(mean, group["momentum"])).flatten())
            dist.all_reduce(flat)
            for p, change in zip(params, changes, strict=True):
                scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.add_(change.view_as(p), alpha=-group["lr"] * scale)
