"""The ViT of Keras' tutorial "Image classification with Vision Transformer" (Salama 2021), whole, top to bottom.

What differs from the paper's: each head is as wide as the token (`key_dim`), the MLP has a GELU and a dropout after
both of its layers, attention weights are dropped, too, and the head reads all tokens, laid end to end: no class token.
Shapes: B images, N tokens, D width, H heads. Weights start as Keras has them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig
from vit_explore.models.vit.net import PatchEmbed, Taps, tap

HEAD = (2048, 1024)  # hidden units of the head
HEAD_DROPOUT = 0.5
EPS = 1e-6  # of the norms


class Attention(nn.Module):
    """Keras' MultiHeadAttention: H heads of D numbers each, so that queries, keys and values have H · D."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, nn.Dropout(dropout)
        self.fused = True
        inner = num_heads * width
        self.qkv, self.proj = nn.Linear(width, 3 * inner), nn.Linear(inner, width)
        # Glorot's bounds as Keras has them for kernels (D, H, D) and (H, D, D): it takes the first axis for a window's
        for layer, fans in ((self.qkv, inner + width * width), (self.proj, 2 * inner)):
            bound = (6 / fans) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor, taps: Taps | None = None, name: str = "attn") -> Tensor:  # (B, N, D) -> (B, N, D)
        qkv = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        if self.fused and taps is None:
            query, key, value = qkv
            out = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout.p if self.training else 0.0)
        else:
            query, key, value = qkv.contiguous()
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
            with torch.autocast(x.device.type, enabled=False):
                attention = torch.softmax(scores, dim=-1)  # (B, H, N, N), rows sum to 1
            out = self.dropout(tap(taps, name, attention)) @ value
        return self.proj(rearrange(out, "b h n d -> b n (h d)"))


def mlp(width: int, units: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Dense, GELU and dropout for each of the units."""
    layers: list[nn.Module] = []
    for inside, outside in zip((width, *units), units, strict=False):
        layers += [nn.Linear(inside, outside), nn.GELU(), nn.Dropout(dropout)]
        nn.init.xavier_uniform_(layers[-3].weight)  # type: ignore[arg-type]
    return nn.Sequential(*layers)


class Block(nn.Module):
    """x + MHA(LN(x)), then x + MLP(LN(x)), the MLP of 2 D and D units."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, num_heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = mlp(width, (2 * width, width), dropout)

    def forward(self, x: Tensor, taps: Taps | None = None, name: str = "block") -> Tensor:
        x = x + self.attn(self.norm1(x), taps, f"{name}.attn")
        return tap(taps, f"{name}.out", x + self.mlp(self.norm2(x)))


class KerasViT(nn.Module):
    """Square images (B, 3, h, h) to logits (B, classes). Tokens are the patches row by row."""

    num_prefix_tokens, has_class_token, global_pool = 0, False, "all"
    reads_one_token = False  # the head reads all of them at once, each with weights of its own

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.patch_embed = PatchEmbed(config.image_size, config.patch_size, width)
        self.grid: tuple[int, int] = self.patch_embed.grid_size
        self.embed_dim, self.num_classes = width, config.num_classes
        tokens = self.patch_embed.num_patches
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, width))
        self.blocks = nn.ModuleList(Block(width, config.num_heads, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.drop = nn.Dropout(HEAD_DROPOUT)
        self.pre_head = mlp(tokens * width, HEAD, HEAD_DROPOUT)
        self.head = nn.Linear(HEAD[-1], config.num_classes)
        self._init_weights()

    def _init_weights(self) -> None:
        """What is not drawn where it is made: Keras' Dense layers and its Embedding."""
        nn.init.uniform_(self.pos_embed, -0.05, 0.05)
        for weight in (self.patch_embed.proj.weight.flatten(1), self.head.weight):
            nn.init.xavier_uniform_(weight)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward_features(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """Images (B, 3, h, h) to tokens (B, N, D) after the last norm."""
        if tuple(x.shape[1:]) != (3, *self.patch_embed.img_size):
            side = self.patch_embed.img_size[0]
            raise BadConfig(f"The model takes images (B, 3, {side}, {side}), {tuple(x.shape)} given; resize them.")
        x = tap(taps, "embed", self.patch_embed(x) + self.pos_embed)
        for i, block in enumerate(self.blocks):
            x = block(x, taps, f"block.{i}")
        return tap(taps, "norm", self.norm(x))

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """Logits; an empty dict as `taps` comes back filled as that of `models/vit/net.py`."""
        tokens = self.drop(self.forward_features(x, taps).flatten(1))
        return tap(taps, "logits", self.head(self.pre_head(tokens)))

    def set_fused_attention(self, fused: bool) -> None:
        """Use PyTorch's fused attention, or the explicit one."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.fused = fused
