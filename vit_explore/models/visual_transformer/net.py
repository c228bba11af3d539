"""The Visual Transformer of Wu et al. 2020 (arXiv 2006.03677), whole, top to bottom.

A ResNet without its last stage; in its place `depth` modules, each of which gathers the map in L tokens (tokenizer),
lets them attend to each other (transformer), and adds what they know to every place of the map again (projector). The
head reads the mean of the last tokens, so the last module needs no projector.

Shapes: B images, P = h · w places, C channels of the map, L tokens of D numbers. The paper writes C for both C and D,
and its models have 256 and 1024: so one linear map leads from the channels to the tokens, and one back.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.models.resnet import SLIM_CHANNELS, SMALL_IMAGE, first_stages
from vit_explore.models.vit.net import DropPath, Taps, tap

STAGES = 3  # of a ResNet-18, which has four
CHANNELS = (64, 128, 256, 512)  # of the paper's; small images have the slim ResNet's


def linear(inside: int, outside: int) -> nn.Linear:
    """A product with a matrix, as the paper's equations have it: no bias."""
    return nn.Linear(inside, outside, bias=False)


class Tokenizer(nn.Module):
    """T = Aᵀ X W_V, where A = softmax over the places of the scores of each place for each token.

    Filter-based (section 3.1.1): the scores are X W_A, with learned W_A (C, L). Recurrent (section 3.1.2): they are
    X W_Rᵀ, and W_R = T_before W_TR (L, C) follows from the tokens of the module before.
    """

    def __init__(self, channels: int, width: int, tokens: int, recurrent: bool) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.groups = linear(width, channels) if recurrent else linear(channels, tokens)
        self.value = linear(channels, width)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, P, C), and tokens (B, L, D) where it is recurrent, to tokens (B, L, D) and A (B, P, L)."""
        scores = x @ self.groups(before).mT if self.recurrent else self.groups(x)
        attention = scores.softmax(dim=1)
        return attention.mT @ self.value(x), attention


class Transformer(nn.Module):
    """T' = T + softmax((T K)(T Q)ᵀ) T, then T' + ReLU(T' F_1) F_2 (section 3.2); products over √D, as is usual."""

    def __init__(self, width: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.key, self.query = linear(width, width), linear(width, width)
        self.fc1, self.fc2 = linear(width, width), linear(width, width)
        self.drop, self.drop_path = nn.Dropout(dropout), DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, L, D) -> (B, L, D)
        scores = self.key(tokens) @ self.query(tokens).mT * tokens.shape[-1] ** -0.5
        tokens = tokens + self.drop_path(scores.softmax(dim=-1) @ tokens)
        return tokens + self.drop_path(self.drop(self.fc2(self.fc1(tokens).relu())))


class Projector(nn.Module):
    """X + softmax((X W_Q)(T W_K)ᵀ) T W_V: each place asks the tokens (section 3.3); products over √C."""

    def __init__(self, channels: int, width: int, drop_path: float) -> None:
        super().__init__()
        self.query, self.key, self.value = linear(channels, channels), linear(width, channels), linear(width, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:  # (B, C, h, w), (B, L, D) -> (B, C, h, w)
        x = rearrange(features, "b c h w -> b (h w) c")
        scores = self.query(x) @ self.key(tokens).mT * x.shape[-1] ** -0.5
        x = x + self.drop_path(scores.softmax(dim=-1) @ self.value(tokens))
        return rearrange(x, "b (h w) c -> b c h w", h=features.shape[2])


class Module(nn.Module):
    """Tokenizer and transformer, and a projector where another module follows."""

    def __init__(self, config: ModelConfig, channels: int, index: int) -> None:
        super().__init__()
        rate = config.drop_path * index / max(1, config.depth - 1)
        recurrent = config.recurrent and index > 0
        self.tokenizer = Tokenizer(channels, config.width, config.semantic_tokens, recurrent)
        self.transformer = Transformer(config.width, config.dropout, rate)
        self.projector = Projector(channels, config.width, rate) if index < config.depth - 1 else None

    def forward(
        self, features: Tensor, before: Tensor | None, taps: Taps | None, name: str
    ) -> tuple[Tensor, Tensor]:  # (B, C, h, w), (B, L, D) -> the same
        tokens, attention = self.tokenizer(rearrange(features, "b c h w -> b (h w) c"), before)
        tap(taps, f"{name}.attn", rearrange(attention, "b (h w) l -> b l h w", h=features.shape[2]))
        tokens = tap(taps, f"{name}.out", self.transformer(tokens))
        return features if self.projector is None else self.projector(features, tokens), tokens


class VisualTransformer(nn.Module):
    """Images (B, 3, h, w) of any size to logits (B, classes)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = SLIM_CHANNELS if config.image_size <= SMALL_IMAGE else CHANNELS
        self.semantic_tokens, self.num_classes = config.semantic_tokens, config.num_classes
        self.backbone = first_stages(config, STAGES, channels)
        self.vt = nn.ModuleList(Module(config, channels[STAGES - 1], i) for i in range(config.depth))
        self.drop = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.num_classes)
        stages = [f"backbone.layer{i}" for i in range(1, STAGES + 1)]
        maps = [f"vt.{i}.projector" for i in range(config.depth - 1)]
        self.feature_info = [{"module": name} for name in (*stages, *maps)]  # where Grad-CAM may look

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """Logits (B, classes); an empty dict as `taps` comes back filled with what was computed:

        features (B, C, h, w), tokens.<i>.attn (B, L, h, w), which sums to 1 over the places, tokens.<i>.out (B, L, D),
        logits (B, classes).
        """
        features, tokens = tap(taps, "features", self.backbone(x)), None
        for i, module in enumerate(self.vt):
            features, tokens = module(features, tokens, taps, f"tokens.{i}")
        assert isinstance(tokens, torch.Tensor)
        return tap(taps, "logits", self.head(self.drop(tokens.mean(dim=1))))
