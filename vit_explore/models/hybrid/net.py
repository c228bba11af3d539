"""The hybrid: the encoder of `models/vit/net.py` on the feature map of a slim ResNet, with patches of 1 × 1 places.

The paper cuts ResNet-50 after its third or fourth stage. Here it is a ResNet-18 with the stages of `resnet-slim`, cut
where one place of the map stands for `patch_size` pixels: as many tokens as the ViT of that patch size has.
"""

from __future__ import annotations

from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.models.hybrid import stages_of
from vit_explore.models.resnet import SLIM_CHANNELS, first_stages
from vit_explore.models.vit.net import PatchEmbed, VisionTransformer


class FeatureEmbed(PatchEmbed):
    """A token for each place of a ResNet's map, projected linearly; the names are those of timm's HybridEmbed."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.image_size, config.patch_size, config.width)
        count = stages_of(config)
        self.backbone = first_stages(config, count, SLIM_CHANNELS)
        self.proj = nn.Conv2d(SLIM_CHANNELS[count - 1], config.width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, places, D)
        return super().forward(self.backbone(x))


class HybridTransformer(VisionTransformer):
    """A ViT whose patch embedding is a ResNet's feature map; all else, taps too, as there."""

    def make_stem(self, config: ModelConfig) -> PatchEmbed:
        return FeatureEmbed(config)
