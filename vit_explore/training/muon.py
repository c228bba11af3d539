"""Muon (Jordan et al. 2024) for many small matrices: those of one shape are made orthogonal together.

The same numbers as torch.optim.Muon(adjust_lr_fn="match_rms_adamw"), which takes the matrices one by one and, for the
default ViT, twice the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)  # a X + b (X Xᵀ) X + c (X Xᵀ)² X takes singular values towards 1
RMS_OF_ADAMW = 0.2  # size of a typical AdamW update, in learning rates (Liu et al. 2025)


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, its update made orthogonal; decoupled weight decay. Matrices only."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95, ns_steps: int = 5
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "ns_steps": ns_steps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[min(p.shape), max(p.shape)].append((p, self._look_ahead(p, p.grad, group["momentum"])))
            for pairs in by_shape.values():
                wide = torch.stack([u if u.shape[0] <= u.shape[1] else u.mT for _, u in pairs])
                for (p, _), update in zip(pairs, orthogonal(wide, group["ns_steps"]), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    size = RMS_OF_ADAMW * max(p.shape) ** 0.5
                    p.add_(update if p.shape[0] <= p.shape[1] else update.mT, alpha=-group["lr"] * size)

    def _look_ahead(self, p: nn.Parameter, grad: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        state["momentum_buffer"].lerp_(grad, 1 - momentum)
        return grad.lerp(state["momentum_buffer"], momentum)


def orthogonal(x: Tensor, steps: int) -> Tensor:
    """U Vᵀ, about, of each matrix x = U Σ Vᵀ (k, m, n), m ≤ n, by Newton-Schulz in bf16: singular values near 1."""
    a, b, c = QUINTIC
    x = x.bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()
