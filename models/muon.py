"""The Muon optimizer: momentum steps for matrices, made orthogonal (Jordan et al. 2024).

PyTorch's own `torch.optim.Muon` computes in bfloat16, which is thirty times slower than float32 on
processors without bfloat16 instructions.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
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
    """For matrices alone; `lr` is the typical share of a matrix's scale that a step changes."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(mean, group["momentum"])
                scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.add_(orthogonal(ahead), alpha=-group["lr"] * scale)
