"""Where in a late layer is the evidence for this class?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable, VitExploreWarning
from vit_explore.explain.capture import output_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import name_of
from vit_explore.explain.heatmaps import Question, heat_method
from vit_explore.explain.inputs import check_alone, check_finite, module_of, ready_images, ready_targets
from vit_explore.explain.layers import default_layer
from vit_explore.explain.layout import Layout, NoMap, as_maps, check_layout
from vit_explore.explain.states import differentiable

__all__ = ["grad_cam"]

CARD = Explanation(
    name="grad_cam",
    title="Grad-CAM",
    needs="any",
    cost="about 3 forward passes: one, and one backward",
    gives="(B, h, w)",
    source="Selvaraju et al. 2017, Grad-CAM",
    formula=(
        r"\alpha_k = \frac{1}{Z} \sum_{ij} \frac{\partial y_c}{\partial F^k_{ij}}, \qquad M = "
        r"\operatorname{relu}\Bigl(\sum_k \alpha_k F^k\Bigr)"
    ),
    what_you_see=(
        "Where a late layer holds evidence for the class, resized to the picture and scaled to a maximum of 1. "
        "It fits ViT and ResNet."
    ),
    what_to_look_for="Compare the ViT's map with the ResNet's on one picture: do they look at the same thing?",
    what_to_beware=(
        "Each map is scaled to its own maximum, so strengths do not compare between pictures. It is as coarse as "
        "the layer's grid, and in a ViT with a class token the last block's patches have no gradient: the layer "
        "before its attention is used."
    ),
    example="result = vx.explain.grad_cam(model, images, target=0)",
    figure="vx.plots.grad_cam(result, picture)",
)


def grad_cam(
    model: Any,
    images: Tensor,
    target: int | Tensor | None = None,
    layer: str | None = None,
    layout: Layout = "auto",
) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017), (B, h, w) in [0, 1]: the relu'd map, resized bilinearly, over its own maximum.

    An image without positive evidence is all 0, with a VitExploreWarning. layer: dotted name; by default the first of
    `grad_cam_layers`. layout: which axes of the layer's output are channels, told by their number where auto; of
    tokens, those of the patches are the map. Raises BadConfig for a layer that does not exist, gives no map, does not
    lead to the logit, or whose axes cannot be told; NotApplicable where no default is known.
    """
    check_layout(layout)
    net = module_of(model)
    images = ready_images(net, images)
    if len(images) > 1:
        check_alone(net)
    chosen = layer or default_layer(net)
    try:
        heat, peaks, slopes = _grad_cam(net, images, target, chosen, layout)
    except NoMap as error:
        if layer is not None:
            raise
        raise NotApplicable(
            f"The last stage of {name_of(net)} gives no single map of places; "
            "choose a ViT, a ResNet or a ConvNeXt, or ask for an attribution."
        ) from error
    _warn_of_nothing(chosen, peaks, slopes)
    return heat


def _grad_cam(
    net: nn.Module, images: Tensor, target: int | Tensor | None, layer: str, layout: Layout
) -> tuple[np.ndarray, Tensor, Tensor]:
    """The maps (B, h, w), the peak of each before it was scaled (B,), and the gradients (B, C, gh, gw)."""
    with differentiable(net):
        logits, (output,) = output_pass(net, images.clone().requires_grad_(), [layer])
        chosen = logits.gather(1, ready_targets(net, logits, target)[:, None])
        gradient = torch.autograd.grad(chosen.sum(), output, allow_unused=True)[0]
    if gradient is None:
        raise BadConfig(f"The layer {layer!r} does not lead to the logits; name one that does.")
    check_finite("The gradients", gradient)
    features, slopes = as_maps(net, layer, images, layout, output.detach().float(), gradient.float())
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    heat = (weights * features).sum(dim=1, keepdim=True).clamp(min=0)
    heat = F.interpolate(heat, size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    peak = heat.amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, heat / peak, heat).cpu().numpy(), peak.flatten(), slopes


def _warn_of_nothing(layer: str, peaks: Tensor, slopes: Tensor) -> None:
    empty = peaks == 0
    if empty.any():
        reason = "no place there speaks for the class" if slopes[empty].any() else "nothing there changes the logit"
        warnings.warn(
            f"Grad-CAM at {layer!r} is 0 everywhere for {int(empty.sum())} of {len(peaks)} images, since {reason}; "
            "choose another class or layer.",
            VitExploreWarning,
            stacklevel=3,
        )


@heat_method(
    "grad_cam",
    title="Grad-CAM",
    about="Where a late layer holds evidence for the class.",
    source="Selvaraju et al. 2017",
    needs="maps",
    passes=3,
    is_fine=True,
)
def _without_warning(asked: Question) -> np.ndarray:
    return _grad_cam(asked.net, asked.images, asked.targets, default_layer(asked.net), "auto")[0]
