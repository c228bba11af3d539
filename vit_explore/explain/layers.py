"""Which layers can Grad-CAM be asked about? And what else fits, where a question does not?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vit_explore.errors import NotApplicable, VitExploreError
from vit_explore.explain.capture import outputs_of
from vit_explore.explain.geometry import block_names, embedding, find_geometry, name_of
from vit_explore.explain.inputs import module_of, ready_images, taking
from vit_explore.explain.layout import NoMap, layout_of

__all__ = ["grad_cam_layers"]

_PLAIN = "choose a plain ViT (the project's own, timm's vit_* and deit_*, torchvision's)"


def grad_cam_layers(model: Any, images: Tensor | None = None) -> list[str]:
    """Names of the stages and blocks whose output Grad-CAM can lay out, the default first, then from the last back.

    Found by one pass of the first of `images`, by default of an empty one of the model's own size. An empty list: no
    layer is known to work. Raises BadConfig where the model's size is not known and the usual one does not fit.
    """
    net = module_of(model)
    names = _stages(net)
    if not names:
        return []
    images = ready_images(net, torch.zeros(1, 3, *own_size(model, net)) if images is None else images[:1])
    with torch.no_grad(), taking(net, images):
        _, outputs = outputs_of(net, images, names)
    return [name for name in names if _is_map(net, name, outputs.get(name), images)]


def default_layer(net: nn.Module) -> str:
    """The last layer whose patches the logit still depends on.

    With a class-token head the last block's patch outputs have zero gradient, so it is the norm before its attention;
    with pooled patches the final norm; for a CNN the last stage. Raises NotApplicable where that cannot be told.
    """
    names = _stages(net)
    if not names:
        raise NotApplicable(
            f"The last stage of {name_of(net)} is not known; "
            "choose a ViT, a ResNet or a ConvNeXt, or ask for an attribution."
        )
    return names[0]


def what_fits(net: nn.Module, images: Tensor | None = None) -> str:
    """What to do where attention does not fit: Grad-CAM and attribution are named only if they would answer."""
    if getattr(net, "num_classes", None) == 0:
        return _PLAIN
    try:
        layers = grad_cam_layers(net, images)
    except VitExploreError:
        return _PLAIN
    default_works = bool(layers) and layers[0] == _stages(net)[0]
    return (
        f"{_PLAIN}, or ask for Grad-CAM or an attribution" if default_works else f"{_PLAIN}, or ask for an attribution"
    )


def _stages(net: Any) -> list[str]:
    """Candidates by name, the default first; whether their outputs are maps shows in a pass."""
    modules = dict(net.named_modules())
    shape = find_geometry(net)
    if shape is not None:
        blocks = block_names(net)[::-1]
        if not shape.reads_class_token:
            return [*(["norm"] if "norm" in modules else []), *blocks]
        first, module = next(iter(modules[blocks[0]].named_children()), ("", None))
        is_before_attention = hasattr(module, "normalized_shape")  # as in all blocks but those with the norm behind
        return [*([f"{blocks[0]}.{first}"] if is_before_attention else []), *blocks[1:]]
    named = [str(stage["module"]) for stage in getattr(net, "feature_info", None) or []]
    named = named or [f"layer{i}" for i in range(1, 5)]
    named = [name for name in named if name and name in modules]
    if not named and isinstance(modules.get("features"), nn.Sequential):  # torchvision's
        named = [f"features.{name}" for name, _ in modules["features"].named_children()]
    return named[::-1]


def own_size(model: Any, net: Any) -> tuple[int, int]:
    """(h, w) that the model was made for; 224 x 224, the usual, where it does not say."""
    size = getattr(embedding(net), "img_size", None) or getattr(model, "image_size", None)
    if size is None:
        size = (getattr(net, "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))[1:]
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return int(height), int(width)


def _is_map(net: nn.Module, layer: str, output: Any, images: Tensor) -> bool:
    if not isinstance(output, Tensor):
        return False
    try:
        layout_of(net, layer, output.shape, images)
    except NoMap:
        return False
    return True
