"""A ViT as a student report would build it: torch's own encoder layers on patches. Shapes: B images, N tokens, D width.

torch's layers take (N, B, D) unless they are told `batch_first=True`. Whoever hands them (B, N, D) all the same lets
each token attend to the same place in the other images of the batch, and never to the rest of its own image, without
an error or a warning.
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.models.vit.net import PatchEmbed


class Layer(nn.TransformerEncoderLayer):
    """One of torch's layers, (B, N, D) to (B, N, D); ReLU and the rest as torch has it."""

    def __init__(self, config: ModelConfig) -> None:
        hidden = int(config.width * config.mlp_ratio)
        super().__init__(config.width, config.num_heads, hidden, config.dropout, norm_first=config.norm == "pre")
        self.attend_over = config.attend_over

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """batch: handed over as it is, and taken for N images of B tokens; tokens: turned as torch wants it."""
        if self.attend_over == "batch":
            return super().forward(x)
        return rearrange(super().forward(rearrange(x, "b n d -> n b d")), "n b d -> b n d")


class ReportViT(nn.Module):
    """attend_over = batch: the mistake above; norm = post: LayerNorm after each residual sum, torch's default."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.pool = config.pool
        self.mixes_batch = config.attend_over == "batch"  # an image's answer depends on those beside it
        self.patch_embed = PatchEmbed(config.image_size, config.patch_size, config.width)
        self.grid = self.patch_embed.grid_size
        self.patch_size, self.embed_dim, self.num_classes = config.patch_size, config.width, config.num_classes
        self.num_prefix_tokens = int(config.pool == "cls")
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width)) if config.pool == "cls" else None
        tokens = self.num_prefix_tokens + self.patch_embed.num_patches
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, config.width) * 0.02)
        self.blocks = nn.Sequential(*(Layer(config) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()
        self.head = nn.Linear(config.width, config.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, h, w) to logits (B, classes)."""
        x = self.patch_embed(x)  # (B, N, D)
        if self.cls_token is not None:
            x = torch.cat([repeat(self.cls_token, "1 n d -> b n d", b=len(x)), x], dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))
        return self.head(x[:, 0] if self.pool == "cls" else x.mean(dim=1))
