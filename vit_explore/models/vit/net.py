"""The Vision Transformer of "An Image is Worth 16x16 Words" (Dosovitskiy et al., ICLR 2021), whole, top to bottom.

Parameter names and defaults are timm's, so weights go both ways. Shapes: B images, N tokens, D width, H heads.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig

Taps = dict[str, Tensor]  # named intermediates, as the `out` of google-research/big_vision


def tap(taps: Taps | None, name: str, value: Tensor) -> Tensor:
    """The value itself, noted under its name where someone asked for taps."""
    if taps is not None:
        taps[name] = value
    return value


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each linearly (paper, eq. 1): one convolution with stride = kernel = P."""

    def __init__(self, image_size: int, patch_size: int, width: int) -> None:
        super().__init__()
        self.img_size = (image_size, image_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (image_size // patch_size, image_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, patches, D)
        return rearrange(self.proj(x), "b d gh gw -> b (gh gw) d")


class ConvStem(PatchEmbed):
    """The paper's hybrid, small: log2(P) strided 3x3 convolutions, then a 1x1 projection (Xiao et al. 2021)."""

    def __init__(self, image_size: int, patch_size: int, width: int) -> None:
        super().__init__(image_size, patch_size, width)
        halvings = int(math.log2(patch_size))
        channels = [3, *(max(16, width >> (halvings - i)) for i in range(halvings))]
        self.stem = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.GELU())
                for a, b in pairwise(channels)
            )
        )
        self.proj = nn.Conv2d(channels[-1], width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.stem(x))


class Attention(nn.Module):
    """Multi-head self-attention (paper, appendix A, eq. 5-8). `fused` picks PyTorch's kernel, which never builds A."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (width // num_heads) ** -0.5
        self.fused = True
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, taps: Taps | None = None, name: str = "attn") -> Tensor:  # (B, N, D) -> (B, N, D)
        qkv = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        if self.fused and taps is None:
            out = F.scaled_dot_product_attention(*qkv)
        else:
            q, k, v = qkv.contiguous()  # one copy now; a product of strided pieces would copy each of them, slowly
            scores = (q * self.scale) @ k.transpose(-2, -1)
            with torch.autocast(x.device.type, enabled=False):  # autocast's detour through fp32 would copy A twice
                attention = torch.softmax(scores, dim=-1)  # (B, H, N, N), rows sum to 1
            out = tap(taps, name, attention) @ v
        return self.proj_drop(self.proj(rearrange(out, "b h n d -> b n (h d)")))


class Mlp(nn.Module):
    """Two linear layers with a GELU between (paper, section 3.1)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class LocalMlp(Mlp):
    """First a 3x3 convolution over the grid of patches, channel by channel; the prefix tokens pass by it.

    After LocalViT (Li et al. 2021), which has it between the two layers. At first it changes nothing.
    """

    def __init__(self, width: int, hidden: int, dropout: float, prefix: int) -> None:
        super().__init__(width, hidden, dropout)
        self.prefix = prefix
        self.local = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        nn.init.dirac_(self.local.weight, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        prefix, patches = x.tensor_split([self.prefix], dim=1)
        side = math.isqrt(patches.shape[1])  # half of the grid's in half size
        grid = self.local(rearrange(patches, "b (gh gw) d -> b d gh gw", gh=side))
        return super().forward(torch.cat([prefix, rearrange(grid, "b d gh gw -> b (gh gw) d")], dim=1))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, a whole residual branch of an image is dropped at `rate`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1 - self.rate
        return x * (torch.rand(x.shape[0], 1, 1, device=x.device) < keep).to(x.dtype) / keep


class Block(nn.Module):
    """Pre-norm encoder block (paper, eq. 2-3): x + MSA(LN(x)), then x + MLP(LN(x))."""

    def __init__(self, width: int, num_heads: int, mlp: Mlp, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, num_heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = mlp
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, taps: Taps | None = None, name: str = "block") -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), taps, f"{name}.attn"))
        return tap(taps, f"{name}.out", x + self.drop_path(self.mlp(self.norm2(x))))


class VisionTransformer(nn.Module):
    """ViT for square images. Tokens in order: class token (pool = cls), registers, patches row by row.

    With pool = avg there is no class token, and the norm follows the mean (`fc_norm`), as in timm.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, self.pool = config.width, config.pool
        self.patch_embed = self.make_stem(config)
        self.grid: tuple[int, int] = self.patch_embed.grid_size
        self.patch_size = config.patch_size
        self.embed_dim, self.num_classes = width, config.num_classes
        self.takes_half_size = config.takes_half_size
        self.has_class_token = config.pool == "cls"
        self.num_prefix_tokens = int(self.has_class_token) + config.num_registers

        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if self.has_class_token else None
        self.reg_token = nn.Parameter(torch.zeros(1, config.num_registers, width)) if config.num_registers else None
        self._init_pos_embed(config.pos_embed)
        if self.takes_half_size:
            self.register_buffer("halving", halving(self.grid[0]), persistent=False)
        self.pos_drop = nn.Dropout(config.dropout)
        rates = [config.drop_path * i / max(1, config.depth - 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(
            Block(width, config.num_heads, self._make_mlp(config), config.dropout, rate) for rate in rates
        )
        self.norm = nn.LayerNorm(width, eps=1e-6) if self.has_class_token else nn.Identity()
        self.fc_norm = nn.Identity() if self.has_class_token else nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, config.num_classes)
        self._init_weights()

    def make_stem(self, config: ModelConfig) -> PatchEmbed:
        """What makes tokens of an image."""
        stem = ConvStem if config.stem == "conv" else PatchEmbed
        return stem(config.image_size, config.patch_size, config.width)

    def _make_mlp(self, config: ModelConfig) -> Mlp:
        sizes = (config.width, int(config.width * config.mlp_ratio), config.dropout)
        return LocalMlp(*sizes, self.num_prefix_tokens) if config.mlp == "local" else Mlp(*sizes)

    def _init_pos_embed(self, kind: str) -> None:
        tokens = self.num_prefix_tokens + self.patch_embed.num_patches
        if kind == "none":
            self.pos_embed = None
        elif kind == "learned":
            self.pos_embed = nn.Parameter(torch.randn(1, tokens, self.embed_dim) * 0.02)
        else:
            table = F.pad(sincos2d(*self.grid, self.embed_dim), (0, 0, self.num_prefix_tokens, 0))
            self.register_buffer("pos_embed", table[None])

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.reg_token):
            if token is not None:
                nn.init.normal_(token, std=1e-6 if token is self.cls_token else 0.02)

    def embed(self, x: Tensor) -> Tensor:
        """Images (B, 3, h, w) to tokens (B, N, D): patches, prefix tokens, position embedding (paper, eq. 1).

        In training also images of half the side: a quarter of the patches, each of which covers four of the others.
        """
        side = self.patch_embed.img_size[0]
        is_half = self.training and self.takes_half_size and x.shape[-1] == side // 2
        if tuple(x.shape[1:]) != ((3, side // 2, side // 2) if is_half else (3, side, side)):
            raise BadConfig(
                f"The model takes images (B, 3, {self.patch_embed.img_size[0]}, {self.patch_embed.img_size[1]}), "
                f"{tuple(x.shape)} given; resize them first."
            )
        prefix = [token for token in (self.cls_token, self.reg_token) if token is not None]
        tokens = [repeat(token, "1 n d -> b n d", b=x.shape[0]) for token in prefix]
        x = torch.cat([*tokens, self.patch_embed(x)], dim=1)
        if self.pos_embed is not None:
            x = x + (self._half_size(self.pos_embed) if is_half else self.pos_embed)
        return self.pos_drop(x)

    def _half_size(self, pos_embed: Tensor) -> Tensor:  # each patch covers four now: a smooth mean of the positions
        prefix, patches = pos_embed.split([self.num_prefix_tokens, self.patch_embed.num_patches], dim=1)
        grid = rearrange(patches, "b (gh gw) d -> b gh gw d", gh=self.grid[0])
        halved = torch.einsum("ih,jw,bhwd->bijd", self.halving, self.halving, grid)
        return torch.cat([prefix, rearrange(halved, "b gh gw d -> b (gh gw) d")], dim=1)

    def forward_features(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """Images (B, 3, h, w) to tokens (B, N, D) after the last block and the norm, if it comes before the head."""
        x = tap(taps, "embed", self.embed(x))
        for i, block in enumerate(self.blocks):
            x = block(x, taps, f"block.{i}")
        return tap(taps, "norm", self.norm(x))

    def forward_head(self, x: Tensor) -> Tensor:
        """Tokens (B, N, D) to logits (B, classes), from the class token or the mean patch (paper, eq. 4)."""
        return self.head(self.fc_norm(x[:, 0] if self.has_class_token else self._mean_patch(x)))

    def _mean_patch(self, x: Tensor) -> Tensor:
        return x[:, self.num_prefix_tokens :].mean(dim=1)

    def forward(self, x: Tensor, taps: Taps | None = None, both: bool = False) -> Tensor:
        """Images (B, 3, h, w) to logits (B, classes); an empty dict as `taps` comes back filled with what was computed:

        embed (B, N, D), block.<i>.attn (B, H, N, N), block.<i>.out (B, N, D), norm (B, N, D), logits (B, classes).
        both: with a class token, two answers of the head (2, B, classes), the second from the mean patch; for training.
        """
        tokens = self.forward_features(x, taps)
        logits = tap(taps, "logits", self.forward_head(tokens))
        return torch.stack([logits, self.head(self._mean_patch(tokens))]) if both else logits

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Which layer a parameter is in, as timm asks for it: the embedding, each block, the norm and the head."""
        return {
            "stem": r"^cls_token|^reg_token|^pos_embed|^patch_embed",
            "blocks": [(r"^blocks\.(\d+)", None), (r"^norm|^fc_norm", (99999,))],
        }

    def set_fused_attention(self, fused: bool) -> None:
        """Use PyTorch's fused attention, or the explicit one: the same numbers, whichever is faster here."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.fused = fused


def halving(side: int) -> Tensor:
    """The matrix (side / 2, side) that takes a row of positions to half as many: binomial weights, the ends repeated.

    The plain mean of two would give both the same gradient, and so in the end the same embedding: tiles of 2 x 2.
    """
    weights = torch.zeros(side // 2, side)
    for row in range(side // 2):
        for offset, weight in enumerate((1, 5, 10, 10, 5, 1), start=-2):
            weights[row, min(max(2 * row + offset, 0), side - 1)] += weight / 32
    return weights


def sincos2d(gh: int, gw: int, width: int) -> Tensor:
    """Fixed 2-D sine-cosine position embedding (gh * gw, width), as in MoCo v3 and "Better plain ViT baselines"."""
    y, x = torch.meshgrid(torch.arange(gh), torch.arange(gw), indexing="ij")
    omega = 1.0 / 10_000 ** (torch.arange(width // 4) / (width / 4 - 1))
    y, x = y.flatten()[:, None] * omega, x.flatten()[:, None] * omega
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1).float()
