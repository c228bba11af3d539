"""From how far can, and does, a unit of a convolutional net take what it says?"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import NotApplicable
from vit_explore.explain.capture import output_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.cka_layers import compared_layers
from vit_explore.explain.geometry import has_semantic_tokens, has_tokens, name_of
from vit_explore.explain.inputs import module_of, ready_images
from vit_explore.explain.layers import own_size
from vit_explore.explain.layout import Layout, as_maps, layout_of
from vit_explore.explain.results import ReceptiveFields
from vit_explore.explain.states import differentiable, lock_of

__all__ = ["receptive_field"]

CARD = Explanation(
    name="receptive_field",
    title="Receptive fields",
    needs="convolutions",
    cost="a forward and a backward pass for each layer, twice",
    gives=".theoretical (I); .measured (I); .maps (I, h, w)",
    source="Luo, Li, Urtasun & Zemel 2016, Understanding the Effective Receptive Field",
    formula=r"E_{xy} = \mathbb{E}\left|\sum_k \frac{\partial F^k_{\mathrm{centre}}}{\partial I_{xy}}\right|",
    what_you_see=(
        "How many pixels, side by side, the unit in the middle of a layer can depend on (theoretical), and on how many "
        "it does, clearly, on these pictures (measured)."
    ),
    what_to_look_for=(
        "The theoretical one grows with every layer and soon covers the picture; the measured one stays behind. A "
        "ViT's heads look across the whole picture from the first layer on."
    ),
    what_to_beware=(
        "The edge of the measured field is a convention: where the mean gradient falls below 4.55 % of its peak. At a "
        "small picture's border the field is cut off."
    ),
    example="result = vx.explain.receptive_field(model, images)",
    figure="vx.plots.receptive_field(result)",
    model="bundled:resnet-cifar10",
)

EDGE = 1 - 0.9545  # of the peak: two standard deviations, as in the paper
_MOST, _TALL = 1024, 96  # pixels: width and height of the largest canvas that may hold the theoretical field


def receptive_field(model: Any, images: Tensor | None = None) -> ReceptiveFields:
    """Receptive fields of a CNN's layers in pixels, theoretical and measured (Luo et al. 2016).

    theoretical: the side of what the centre unit is connected to, whatever the weights; inf beyond 1,024 pixels, as
    behind a gate that looks at the whole picture; NaN where it cannot be told, as where the unit sees all of an image
    and the model takes no larger one. measured: the root of the number of pixels whose mean absolute gradient over
    `images`, normalised (B, 3, h, w), is above 4.55 % of its peak; NaN without images. Raises NotApplicable for a model
    with patch tokens, whose attention reaches everywhere.
    """
    net = module_of(model)
    if has_tokens(net) or has_semantic_tokens(net):
        raise NotApplicable(
            f"{name_of(net, at_start=True)} attends to the whole picture at once; "
            "choose a ResNet, or ask a ViT for its attention distance."
        )
    names = compared_layers(net)
    height, width = own_size(model, net) if images is None else (int(images.shape[2]), int(images.shape[3]))
    theoretical = _theoretical(net, names, height, width)
    if images is None:
        nothing = np.full(len(names), np.nan, dtype=np.float32)
        return ReceptiveFields(tuple(names), theoretical, nothing, np.zeros((len(names), 0, 0), np.float32))
    images = ready_images(net, images)
    maps = np.stack([heat for heat, _ in _gradients(net, images, names)])
    maps = maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    measured = np.sqrt((maps > EDGE).sum(axis=(1, 2))).astype(np.float32)
    return ReceptiveFields(tuple(names), theoretical, measured, maps.astype(np.float32))


def _gradients(
    net: nn.Module, images: Tensor, layers: list[str], layouts: dict[str, Layout] | None = None
) -> list[tuple[np.ndarray, int]]:
    """Mean over the images of |gradient of a layer's centre unit, summed over channels|, (h, w) of each layer, and how
    many pixels there are to a unit of it.

    layouts: of layers, where they are known; those that are found are put in.
    """
    layouts = {} if layouts is None else layouts
    leaf = images.clone().requires_grad_()
    with differentiable(net):
        _, outputs = output_pass(net, leaf, layers)
        found = []
        for layer, output in zip(layers, outputs, strict=True):
            if layer not in layouts:
                layouts[layer] = layout_of(net, layer, output.shape, images)
            (features,) = as_maps(net, layer, images, layouts[layer], output)  # (B, C, gh, gw)
            centre = features[:, :, features.shape[2] // 2, features.shape[3] // 2].sum()
            (gradient,) = torch.autograd.grad(centre, leaf, retain_graph=True)
            heat = gradient.sum(dim=1).abs().mean(dim=0).cpu().numpy()
            found.append((heat, -(-heat.shape[1] // features.shape[3])))
    return found


def _theoretical(net: nn.Module, names: list[str], height: int, width: int) -> np.ndarray:
    """The widest row of pixels with any gradient, where every connection counts, on a canvas wide enough to hold it.

    Only the width grows, for how far a layer sees to its sides does not depend on the height. NaN where there is none.
    """
    twin, found = _connected(net), dict.fromkeys(names, np.inf)
    left, canvas = names, width
    layouts: dict[str, Layout] = {}  # as told by the first canvas, which has the proportions of an image
    while True:
        try:
            rows = height if canvas == width else min(height, _TALL)
            told = _gradients(twin, torch.ones(1, 3, rows, canvas, dtype=torch.float64), left, layouts)
        except (AssertionError, RuntimeError, ValueError) as error:
            if "memory" in str(error):
                raise
            if canvas == width:
                raise NotApplicable(f"The layers of {name_of(net)} cannot be followed: {error}") from error
            found |= dict.fromkeys(left, np.nan)  # a model for images of one size takes no wider one
            break
        columns = {name: np.flatnonzero(heat.sum(axis=0)) for name, (heat, _) in zip(left, told, strict=True)}
        # without padding the last pixels are in no unit, up to a stride of them: a field may be cut off there
        spare = {name: stride if canvas < _MOST else 1 for name, (_, stride) in zip(left, told, strict=True)}
        left = [n for n, at in columns.items() if at.size and not spare[n] <= at[0] <= at[-1] < canvas - spare[n]]
        found |= {name: float(len(at) or np.nan) for name, at in columns.items() if name not in left}
        if not left or canvas >= _MOST:
            break
        canvas = min(2 * canvas, _MOST)
    return np.array([found[name] for name in names], dtype=np.float32)


def _connected(net: nn.Module) -> nn.Module:
    """A copy with positive weights of one sum, no norm, and means in place of maxima: nothing cancels, nor is cut.

    What scales a branch is 1, and all is in double precision: products along a hundred layers stay above 0.
    """
    with lock_of(net):
        twin = copy.deepcopy(net).cpu().double()
    for parameter in twin.parameters():
        nn.init.ones_(parameter)
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        parent, _, child = name.rpartition(".")
        if isinstance(module, nn.MaxPool2d):
            pool = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
            setattr(twin.get_submodule(parent), child, pool)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
            setattr(twin.get_submodule(parent), child, nn.Identity())
    return twin
