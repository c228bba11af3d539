"""timm's ResNets (He et al. 2016), with a stem that fits small images, and a slim one the size of the default ViT.

Their first stages are also what the hybrids begin with.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from vit_explore.cards import Card, cards

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

SMALL_IMAGE = 64  # px; up to here the ImageNet stem would throw away most of the picture
STEM_MODULES = 4  # conv1, bn1, act1, maxpool: what comes before the stages
LAYERS_18 = (2, 2, 2, 2)  # blocks of each stage of a ResNet-18
SLIM_CHANNELS = (10, 20, 42, 86)  # parameters within 1 % of the default ViT's, at ten classes


def build(
    config: ModelConfig,
    bottleneck: bool,
    layers: tuple[int, ...],
    channels: tuple[int, ...] = (64, 128, 256, 512),
) -> nn.Module:
    """The net, freshly initialised."""
    from timm.models import resnet  # timm takes a second to import, and a ViT does not need it
    from torch import nn

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


def first_stages(config: ModelConfig, count: int, channels: tuple[int, ...]) -> nn.Sequential:
    """The stem and the first `count` stages of a ResNet-18: (B, 3, h, w) to (B, channels[count - 1], h / r, w / r).

    r is `reduction(config, count)`. The modules keep their names in timm's ResNet.
    """
    from torch import nn

    net = build(config, bottleneck=False, layers=LAYERS_18, channels=channels)
    return nn.Sequential(OrderedDict(list(net.named_children())[: STEM_MODULES + count]))


def reduction(config: ModelConfig, count: int) -> int:
    """Pixels of the image to one place of the map that so many stages give."""
    return 2 ** (count - 1) * (1 if config.image_size <= SMALL_IMAGE else 4)


def timm_recipe(
    config: ModelConfig,
    bottleneck: bool,
    layers: tuple[int, ...],
    channels: tuple[int, ...] = (64, 128, 256, 512),
) -> str:
    """Python text that makes the same net of timm's parts."""
    block, width = "Bottleneck" if bottleneck else "BasicBlock", channels[0]
    small = config.image_size <= SMALL_IMAGE
    kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
    return f"""from timm.models.resnet import {block}, ResNet
from torch import nn

model = ResNet(
    {block}, {layers}, num_classes={config.num_classes}, channels={channels}, stem_type="deep", stem_width={width // 2}
)
model.conv1 = nn.Conv2d(3, {width}, {kernel}, stride={stride}, padding={padding}, bias=False)
{"model.maxpool = nn.Identity()" + chr(10) if small else ""}"""


def _any_size(config: ModelConfig) -> bool:
    """A convolutional net takes any size."""
    return True


def _add(name: str, title: str, about: str, **net: Any) -> None:
    card = Card(
        name=name,
        title=title,
        family="resnet",
        about=about,
        paper="He et al. 2016, Deep Residual Learning for Image Recognition",
        build=partial(build, **net),
        imports="timm",
        answers=frozenset({"filters", "grad_cam"}),
        takes_half_size=_any_size,
        timm_recipe=partial(timm_recipe, **net),
    )
    cards.register(name)(card)


_add(
    "resnet-slim",
    "Slim ResNet",
    "ResNet-18 with narrow stages, as many parameters as the default ViT.",
    bottleneck=False,
    layers=LAYERS_18,
    channels=SLIM_CHANNELS,
)
_add("resnet18", "ResNet-18", "18 layers in blocks of two convolutions.", bottleneck=False, layers=LAYERS_18)
_add("resnet34", "ResNet-34", "34 layers in blocks of two convolutions.", bottleneck=False, layers=(3, 4, 6, 3))
_add("resnet50", "ResNet-50", "50 layers in bottleneck blocks.", bottleneck=True, layers=(3, 4, 6, 3))
_add("resnet101", "ResNet-101", "101 layers in bottleneck blocks.", bottleneck=True, layers=(3, 4, 23, 3))
_add("resnet152", "ResNet-152", "152 layers in bottleneck blocks.", bottleneck=True, layers=(3, 8, 36, 3))
