"""timm's ResNets (He et al. 2016), with a stem that fits small images, and a slim one the size of the default ViT."""

from __future__ import annotations

from typing import Any

from torch import nn

from vit_explore.config import ModelConfig
from vit_explore.models.base import architectures

SMALL_IMAGE = 64  # px; up to here the ImageNet stem would throw away most of the picture
SLIM_CHANNELS = (10, 20, 42, 86)  # parameters within 1 % of the default ViT's, at ten classes


def _build(
    config: ModelConfig,
    bottleneck: bool,
    layers: tuple[int, ...],
    channels: tuple[int, ...] = (64, 128, 256, 512),
) -> nn.Module:
    from timm.models import resnet  # timm takes a second to import, and a ViT does not need it

    width = channels[0]
    small = config.image_size <= SMALL_IMAGE
    # timm fixes the plain stem at 64 channels; its deep stem has a free width, and its convolution is replaced here
    block: Any = resnet.Bottleneck if bottleneck else resnet.BasicBlock
    model = resnet.ResNet(
        block, layers, num_classes=config.num_classes, channels=channels, stem_type="deep", stem_width=width // 2
    )
    stem = nn.Conv2d(3, width, 3 if small else 7, stride=1 if small else 2, padding=1 if small else 3, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    model.add_module("conv1", stem)
    if small:
        model.add_module("maxpool", nn.Identity())
    return model


@architectures.register("resnet-slim")
def resnet_slim(config: ModelConfig) -> nn.Module:
    """ResNet-18 with narrow stages, as many parameters as the default ViT."""
    return _build(config, False, (2, 2, 2, 2), SLIM_CHANNELS)


@architectures.register("resnet18")
def resnet18(config: ModelConfig) -> nn.Module:
    """ResNet-18."""
    return _build(config, False, (2, 2, 2, 2))


@architectures.register("resnet34")
def resnet34(config: ModelConfig) -> nn.Module:
    """ResNet-34."""
    return _build(config, False, (3, 4, 6, 3))


@architectures.register("resnet50")
def resnet50(config: ModelConfig) -> nn.Module:
    """ResNet-50."""
    return _build(config, True, (3, 4, 6, 3))


@architectures.register("resnet101")
def resnet101(config: ModelConfig) -> nn.Module:
    """ResNet-101."""
    return _build(config, True, (3, 4, 23, 3))
