"""Which patterns does the patch projection look for?"""

from __future__ import annotations

from typing import Any

import numpy as np
from einops import rearrange
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import embedding, name_of
from vit_explore.explain.inputs import check_finite, module_of
from vit_explore.explain.results import FilterComponents

__all__ = ["filter_components"]

CARD = Explanation(
    name="filter_components",
    title="Principal components of the patch filters",
    needs="any",
    cost="nothing: only weights are read",
    gives=".images (k, P, Q, 3); .components (k, n); .explained_variance_ratio (k)",
    source="Dosovitskiy et al. 2021, Fig. 7 left",
    formula=(
        r"W - \bar{W} = U \Sigma V^{\top}, \qquad \text{component } k = v_k, \qquad \text{explained variance} = "
        r"\frac{\sigma_k^2}{\sum_j \sigma_j^2}"
    ),
    what_you_see="The main patterns among the filters that turn a patch into a token, most important first.",
    what_to_look_for=(
        "Flat colours, then edges and waves of growing frequency: much like the basis of JPEG, and like the "
        "first layer of a CNN."
    ),
    what_to_beware=(
        "Each component is scaled to full contrast, so look at the explained variance before you admire the last "
        "ones. The sign is arbitrary. A conv stem or a CNN has no patch projection: there you see its first "
        "layer. A minute of training leaves them close to noise: the page says how close, by the correlation of "
        "neighbouring weights, which is 0 for noise and near 1 for smooth patterns."
    ),
    example="result = vx.explain.filter_components(model)",
    figure="vx.plots.filter_components(result)",
)


def filter_components(model: Any, k: int = 28, previous: FilterComponents | None = None) -> FilterComponents:
    """Principal components of the embedding filters (Dosovitskiy et al. 2021, Fig. 7 left).

    k is cut to min(k, 3 P², D - 1). The sign makes the entry of largest magnitude positive; with `previous` (an earlier
    snapshot) order and signs follow it, so that an animation does not flicker. A conv stem or a CNN gives the filters
    of its first layer, with is_projection = False. Raises BadConfig, and NotApplicable without an RGB convolution.
    """
    if k < 1:
        raise BadConfig(f"k = {k} is not possible: at least one component is needed.")
    filters, is_projection = _first_filters(module_of(model))
    check_finite("The filters", filters)
    weight = filters.detach().float().cpu().numpy()  # (D, 3, P, P)
    components, ratio = _principal(weight.reshape(len(weight), -1).astype(np.float64), k)
    if previous is not None:
        components, ratio = _follow(components, ratio, previous.components)
    smoothness, noise = _smoothness(weight.astype(np.float64))
    as_images = components.reshape(-1, *weight.shape[1:])
    return FilterComponents(
        images=_pictures(as_images),
        components=components.astype(np.float32),
        explained_variance_ratio=ratio.astype(np.float32),
        filters=_pictures(weight),
        is_projection=is_projection,
        smoothness=smoothness,
        smoothness_noise=noise,
    )


def _first_filters(net: nn.Module) -> tuple[Tensor, bool]:
    """The paper's linear projection (D, 3, P, P) where the model has it, else the first convolution on the image."""
    embed = embedding(net)
    projection = getattr(net, "conv_proj", None) or getattr(embed, "proj", None)  # torchvision's, or timm's
    if (
        isinstance(projection, nn.Conv2d)
        and projection.in_channels == 3
        and projection.kernel_size == projection.stride
    ):
        return projection.weight, True
    if isinstance(projection, nn.Linear) and hasattr(net, "embeds"):  # timm's NaFlexVit: of flattened patches
        height, width = embed.patch_size
        order = "d (p q c) -> d c p q" if embed.channels_last else "d (c p q) -> d c p q"
        return rearrange(projection.weight, order, p=height, q=width, c=3), True
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            return module.weight, False
    raise NotApplicable(
        f"{name_of(net, at_start=True)} has no convolution or patch projection on RGB pixels; choose a ViT or a ResNet."
    )


def _principal(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Components (k, features) and explained variance ratio (k,) of the centred rows, largest first."""
    k = min(k, rows.shape[1], len(rows) - 1)
    _, singular, components = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    variance = singular**2
    components = components[:k]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return components * np.sign(largest), variance[:k] / max(variance.sum(), np.finfo(np.float64).tiny)


def _smoothness(weight: np.ndarray) -> tuple[float, float]:
    """Correlation of neighbouring weights of filters (D, 3, P, Q), about 0, and its spread for white noise.

    Colours and edges are smooth: neighbours agree. NaN for filters of one pixel, or of zeros.
    """
    pairs = [(weight[..., 1:, :], weight[..., :-1, :]), (weight[..., 1:], weight[..., :-1])]
    count = sum(one.size for one, _ in pairs)
    size = sum((one**2).sum() + (other**2).sum() for one, other in pairs) / 2
    if not count or not size:
        return float("nan"), float("nan")
    return float(sum((one * other).sum() for one, other in pairs) / size), float(count**-0.5)


def _follow(components: np.ndarray, ratio: np.ndarray, previous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reorder and flip the components to those of `previous`: the best pair by |cosine| first, then the next."""
    if previous.shape[1] != components.shape[1]:
        raise BadConfig(
            f"The previous components have {previous.shape[1]} entries and these {components.shape[1]}; "
            "compare snapshots of one model."
        )
    cosine = components @ previous.T  # (k, k of previous)
    open_pairs = np.abs(cosine)
    place = np.full(len(components), np.inf)
    sign = np.ones(len(components))
    for _ in range(min(cosine.shape)):
        now, then = np.unravel_index(open_pairs.argmax(), open_pairs.shape)
        place[now], sign[now] = then, 1.0 if cosine[now, then] >= 0 else -1.0
        open_pairs[now, :], open_pairs[:, then] = -1.0, -1.0
    order = np.argsort(place, kind="stable")
    return (components * sign[:, None])[order], ratio[order]


def _pictures(filters: np.ndarray) -> np.ndarray:
    """(n, 3, P, P) to (n, P, P, 3) in [0, 1], each scaled jointly over RGB; one without any contrast is mid-grey."""
    low = filters.min(axis=(1, 2, 3), keepdims=True)
    span = filters.max(axis=(1, 2, 3), keepdims=True) - low
    scaled = np.divide(filters - low, span, out=np.full(filters.shape, 0.5), where=span > 0)
    return rearrange(scaled, "n c p q -> n p q c").astype(np.float32)
