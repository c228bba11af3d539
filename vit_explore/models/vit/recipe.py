"""How the ViT's weights load into timm, as Python text: the parameter names are timm's, and so are the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vit_explore.config import ModelConfig

_CONV_STEM = '''\
from torch import nn


class ConvStem(nn.Module):
    """Strided 3 x 3 convolutions, then a 1 x 1 projection, in place of timm's patch embedding."""

    def __init__(self, img_size, patch_size, embed_dim, **options):
        super().__init__()
        self.patch_size, self.grid_size = (patch_size, patch_size), (img_size // patch_size, img_size // patch_size)
        self.num_patches = (img_size // patch_size) ** 2
        halvings = patch_size.bit_length() - 1
        channels = [3, *(max(16, embed_dim >> (halvings - i)) for i in range(halvings))]
        self.stem = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.GELU())
            for a, b in zip(channels, channels[1:])
        ))
        self.proj = nn.Conv2d(channels[-1], embed_dim, 1)

    def forward(self, x):
        return self.proj(self.stem(x)).flatten(2).transpose(1, 2)


'''


_LOCAL_MLP = '''\
import torch
from timm.layers import Mlp
from torch import nn


class LocalMlp(Mlp):
    """First a depthwise 3 x 3 convolution over the grid of patches, which the prefix tokens pass by."""

    def __init__(self, in_features, **options):
        super().__init__(in_features, **options)
        self.local = nn.Conv2d(in_features, in_features, 3, padding=1, groups=in_features, bias=False)

    def forward(self, x):
        prefix, patches = x.tensor_split([PREFIX], dim=1)
        side = int(patches.shape[1] ** 0.5)
        grid = self.local(patches.transpose(1, 2).unflatten(2, (side, side)))
        return super().forward(torch.cat([prefix, grid.flatten(2).transpose(1, 2)], dim=1))


'''


def timm_recipe(config: ModelConfig, patch_size: int | None = None, embed_layer: str = "") -> str:
    """Python text that makes timm's model. A fixed position embedding loads as a learned one.

    patch_size, embed_layer: of timm's model where they are others than the configuration says.
    """
    conv, local = config.stem == "conv" and not embed_layer, config.mlp == "local"
    prefix = int(config.pool == "cls") + config.num_registers
    classes = (_CONV_STEM if conv else "") + (_LOCAL_MLP.replace("PREFIX", str(prefix)) if local else "")
    layers = {"embed_layer": "ConvStem" if conv else embed_layer, "mlp_layer": "LocalMlp" if local else ""}
    return (
        "from timm.models.vision_transformer import VisionTransformer\n"
        + (classes or "\n")
        + f"""model = VisionTransformer(
    img_size={config.image_size}, patch_size={patch_size or config.patch_size}, num_classes={config.num_classes},
    embed_dim={config.width}, depth={config.depth}, num_heads={config.num_heads}, mlp_ratio={config.mlp_ratio},
    class_token={config.pool == "cls"}, global_pool={"token" if config.pool == "cls" else "avg"!r},
    reg_tokens={config.num_registers}, pos_embed={"none" if config.pos_embed == "none" else "learn"!r},
{"".join(f"    {name}={layer}," + chr(10) for name, layer in layers.items() if layer)})
"""
    )
