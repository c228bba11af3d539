"""Grad-CAM's axes: told layer by layer, against maps made by hand from the layout that is known here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from timm.models.hiera import Hiera
from timm.models.mlp_mixer import MlpMixer
from timm.models.volo import VOLO
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformer

import vit_explore as vx
from vit_explore.errors import BadConfig

CLASSES = 5

BUILDS: dict[str, Callable[[], nn.Module]] = {
    "volo": lambda: VOLO(
        (1, 1, 1, 1), img_size=64, stem_hidden_dim=16, embed_dims=(24, 48, 48, 48), num_heads=(1, 2, 2, 2),
        num_classes=CLASSES,
    ),
    "sam": lambda: timm.create_model(
        "samvit_base_patch16", img_size=64, embed_dim=48, depth=2, num_heads=2, num_classes=CLASSES,
        global_attn_indexes=(0, 1),
    ),
    "swin": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1), embed_dim=24, num_heads=(1, 1, 1, 1), img_size=64,
        window_size=2, num_classes=CLASSES,
    ),
    "mambaout": lambda: timm.create_model(
        "mambaout_femto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32), num_classes=CLASSES
    ),
    "torchvision swin": lambda: SwinTransformer(
        [4, 4], 24, [1, 1, 1, 1], [1, 1, 1, 1], [2, 2], num_classes=CLASSES
    ),
    "mixer": lambda: MlpMixer(patch_size=32, img_size=64, embed_dim=24, num_blocks=2, num_classes=CLASSES),
    "densenet": lambda: timm.create_model("densenet121", growth_rate=8, block_config=(2, 2), num_classes=CLASSES),
    "resnet": lambda: timm.create_model("resnet18", channels=(8, 16, 32, 64), num_classes=CLASSES),
}  # fmt: skip

TO_MAP: dict[str, Callable[[Tensor], Tensor]] = {
    "nchw": lambda t: t,
    "nhwc": lambda t: t.permute(0, 3, 1, 2),
    "4 x 4 tokens": lambda t: t[:, -16:].reshape(len(t), 4, 4, -1).permute(0, 3, 1, 2),
    "2 x 2 tokens": lambda t: t.reshape(len(t), 2, 2, -1).permute(0, 3, 1, 2),
}


@cache
def model(name: str) -> nn.Module:
    """In evaluation mode, with weights large enough that the logits are not flat, and nothing in place."""
    torch.manual_seed(0)
    net = BUILDS[name]().eval()
    for key, parameter in net.named_parameters():
        if "head" in key and parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.3)
    for module in net.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return net


def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def by_hand(net: nn.Module, layer: str, to_map: Callable[[Tensor], Tensor], target: int) -> np.ndarray:
    """The formula, from a hook and autograd alone."""
    kept: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, i, output: kept.append(output))
    logits = net(images().requires_grad_())
    handle.remove()
    slopes = torch.autograd.grad(logits[:, target].sum(), kept[0])[0]
    features, slopes = to_map(kept[0].detach()), to_map(slopes)
    heat = torch.einsum("bc,bchw->bhw", slopes.mean((2, 3)), features).relu()
    heat = F.interpolate(heat[:, None], size=(64, 64), mode="bilinear")[:, 0]
    return (heat / heat.amax((1, 2), keepdim=True)).nan_to_num().numpy()


LAYERS = [
    ("volo", "patch_embed.conv", "nchw"),
    ("volo", "patch_embed", "nchw"),
    ("volo", "network.0", "nhwc"),
    ("volo", "network.1.proj", "nchw"),
    ("volo", "network.1", "nhwc"),
    ("volo", "network.4", "nhwc"),
    ("volo", "post_network.0", "4 x 4 tokens"),
    ("sam", "patch_embed.proj", "nchw"),
    ("sam", "patch_embed", "nhwc"),
    ("sam", "blocks.1", "nhwc"),
    ("sam", "blocks.1.norm1", "nhwc"),
    ("sam", "blocks.1.mlp", "4 x 4 tokens"),
    ("sam", "neck.1", "nchw"),
    ("sam", "neck", "nchw"),
    ("swin", "patch_embed.proj", "nchw"),
    ("swin", "patch_embed", "nhwc"),
    ("swin", "layers.2", "nhwc"),
    ("swin", "norm", "nhwc"),
    ("mambaout", "stem.conv2", "nchw"),
    ("mambaout", "stem.act", "nchw"),
    ("mambaout", "stem", "nhwc"),
    ("mambaout", "stages.2.downsample.conv", "nchw"),
    ("mambaout", "stages.2", "nhwc"),
    ("torchvision swin", "features.0.0", "nchw"),
    ("torchvision swin", "features.0.1", "nhwc"),
    ("torchvision swin", "features.2", "nhwc"),
    ("torchvision swin", "features.7", "nhwc"),
    ("torchvision swin", "permute", "nchw"),
    ("mixer", "blocks.0", "2 x 2 tokens"),
    ("densenet", "features.denseblock1", "nchw"),
    ("resnet", "layer2.0", "nchw"),
]


@pytest.mark.parametrize(("name", "layer", "layout"), LAYERS)
def test_each_layer_has_its_own_layout(name: str, layer: str, layout: str) -> None:
    net, to_map = model(name), TO_MAP[layout]
    expected = [by_hand(net, layer, to_map, target) for target in range(CLASSES)]
    target = int(np.argmax([e.max((1, 2)).min() for e in expected]))  # both images have evidence for this class
    assert expected[target].max() == pytest.approx(1)
    ours = vx.explain.grad_cam(net, images(), target, layer)
    np.testing.assert_allclose(ours, expected[target], atol=1e-4)
    said = vx.explain.grad_cam(net, images(), target, layer, layout="tokens" if "tokens" in layout else layout)
    np.testing.assert_array_equal(said, ours)


@pytest.mark.parametrize(("name", "layer", "layout"), [
    ("volo", "network.4", "nhwc"), ("sam", "blocks.1", "nhwc"), ("swin", "patch_embed.proj", "nchw"),
    ("mambaout", "stem.conv2", "nchw"), ("torchvision swin", "features.5", "nhwc"),
])  # fmt: skip
def test_the_maps_equal_pytorch_grad_cams(name: str, layer: str, layout: str) -> None:
    net = model(name)
    with GradCAM(net, [net.get_submodule(layer)], reshape_transform=TO_MAP[layout]) as cam:
        reference = cam(images().requires_grad_(), [ClassifierOutputTarget(1)] * 2)
    ours = vx.explain.grad_cam(net, images(), 1, layer)
    assert reference.max() > 0.9
    low, high = ours.min((1, 2), keepdims=True), ours.max((1, 2), keepdims=True)  # as pytorch-grad-cam scales
    np.testing.assert_allclose((ours - low) / np.where(high > low, high - low, 1), reference, atol=2e-3)


class Cube(nn.Module):
    """A layer that gives (B, 8, 8, 8): its axes cannot be told from any count."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, 8, 8, stride=8)
        self.norm = nn.LayerNorm(8) if last else nn.BatchNorm2d(8)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        return self.norm(x.permute(0, 2, 3, 1)) if self.last else self.norm(x)


class CubeNet(nn.Module):
    def __init__(self, last: bool) -> None:
        super().__init__()
        self.cube, self.head = Cube(last), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cube(x).relu().mean((1, 2) if self.cube.last else (2, 3)))


def test_what_cannot_be_told_is_refused_until_it_is_said() -> None:
    torch.manual_seed(0)
    net = CubeNet(last=True)
    with pytest.raises(BadConfig, match=r"'cube', of shape \(2, 8, 8, 8\).*layout="):
        vx.explain.grad_cam(net, images(), 1, "cube")
    for layer, layout in (("cube", "nhwc"), ("cube.project", "nchw"), ("cube.norm", "nhwc")):
        said = vx.explain.grad_cam(net, images(), 1, layer, layout)
        np.testing.assert_allclose(said, by_hand(net, layer, TO_MAP[layout], 1), atol=1e-5)
    for layer in ("cube.project", "cube.norm"):  # these say by their kind what their axes are
        told = vx.explain.grad_cam(net, images(), 1, layer)
        said = vx.explain.grad_cam(net, images(), 1, layer, "nchw" if layer == "cube.project" else "nhwc")
        np.testing.assert_array_equal(told, said)


def test_a_model_without_a_layer_for_last_axes_has_its_channels_first() -> None:
    torch.manual_seed(0)
    net = CubeNet(last=False).eval()
    np.testing.assert_allclose(
        vx.explain.grad_cam(net, images(), 1, "cube"), by_hand(net, "cube", TO_MAP["nchw"], 1), atol=1e-5
    )


@pytest.mark.parametrize(("layer", "layout", "words"), [
    ("blocks.0", "nwhc", "layout = 'nwhc'.*nchw, nhwc, tokens"),
    ("blocks.0", "tokens", "no map of places"),
    ("blocks.0.mlp", "nhwc", "no map of places"),
    ("head.fc", "auto", "no map of places"),
])  # fmt: skip
def test_a_layout_that_does_not_fit_is_refused(layer: str, layout: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        vx.explain.grad_cam(model("sam"), images(), 0, layer, layout)


def test_windows_that_were_taken_for_images_are_refused() -> None:
    with pytest.raises(BadConfig, match="no map of places"):
        vx.explain.grad_cam(model("swin"), images(), 0, "layers.0.blocks.0.attn")


@pytest.mark.parametrize("pool", ["cls", "avg"])
def test_a_width_equal_to_the_number_of_patches_does_not_confuse(pool: str) -> None:
    torch.manual_seed(0)
    config = vx.ModelConfig(
        width=16, num_heads=2, depth=2, patch_size=16, image_size=64, pool=pool, num_classes=CLASSES
    )
    net = vx.create_model(config).eval()
    nn.init.normal_(net.head.weight)
    expected = [by_hand(net, "blocks.0", TO_MAP["4 x 4 tokens"], target) for target in range(CLASSES)]
    target = int(np.argmax([e.max((1, 2)).min() for e in expected]))
    assert expected[target].max() == pytest.approx(1)
    np.testing.assert_allclose(vx.explain.grad_cam(net, images(), target, "blocks.0"), expected[target], atol=1e-4)


def test_a_mixers_turned_tokens_are_refused() -> None:
    net = MlpMixer(patch_size=32, img_size=64, embed_dim=16, num_blocks=1, num_classes=CLASSES).eval()
    with pytest.raises(BadConfig, match=r"\(2, 16, 4\), which is no map of places"):  # 16 channels of 4 patches
        vx.explain.grad_cam(net, images(), 0, "blocks.0.mlp_tokens")


def test_tokens_that_are_not_in_rows_are_refused() -> None:
    """Hiera keeps the tokens of one unit together, which no shape shows."""
    net = Hiera(img_size=(64, 64), embed_dim=8, stages=(1, 1, 1, 1), num_classes=CLASSES).eval()
    with pytest.raises(BadConfig, match="no map of places"):
        vx.explain.grad_cam(net, images(), 0, "blocks.1")
    assert vx.explain.grad_cam_layers(net, images()) == []
