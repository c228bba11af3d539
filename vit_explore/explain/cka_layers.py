"""Which layers of two models represent the same pictures alike?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig
from vit_explore.explain.capture import output_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import block_names
from vit_explore.explain.inputs import check_alone, module_of, ready_images

__all__ = ["cka_matrix", "cka_steps", "compared_layers"]

CARD = Explanation(
    name="cka_matrix",
    title="Similarity of all layers (CKA)",
    needs="any",
    cost="one forward pass of each picture through each model",
    gives="(I, J)",
    source="Kornblith et al. 2019; Nguyen, Raghu & Kornblith 2021 (minibatches); Raghu et al. 2021 (ViT and ResNet)",
    formula=(
        r"\mathrm{CKA}_{ij} = \frac{h(K_i, M_j)}{\sqrt{h(K_i, K_i)\, h(M_j, M_j)}}, \qquad h(K, M) = "
        r"\frac{1}{k}\sum_{t=1}^{k} \mathrm{HSIC}_1(K^t, M^t)"
    ),
    what_you_see="Each layer of one model against each of the other: 1 is equal up to rotation and scale, 0 unrelated.",
    what_to_look_for=(
        "Within a ViT neighbouring layers, and often all, are alike; a ResNet falls into stages. Between the two, "
        "which layer of one does what which of the other does?"
    ),
    what_to_beware=(
        "The same pictures go through both, at least 256 of them. Small models trained for a minute need not look like "
        "the large ones of the papers."
    ),
    example="many = images[:1] * torch.rand(256, 1, 1, 1)\nresult = vx.explain.cka_matrix(model, model, many)",
    figure="vx.plots.cka_matrix(result, vx.explain.compared_layers(model), vx.explain.compared_layers(model))",
)

BATCH, _PIXELS = 128, 2**21  # images, and pixels, of a minibatch; the estimate is unbiased for any
_LEAST = 4  # images, for the unbiased HSIC
_COLUMNS = 2**14  # features that are taken to double precision at once


def cka_matrix(a: Any, b: Any, images: Any) -> np.ndarray:
    """CKA of every layer of `a` with every layer of `b`, (La, Lb): debiased, over minibatches (Nguyen et al. 2021).

    images: a normalised batch (n, 3, h, w) for both, or a pair of batches, one for each model, of the same pictures in
    the same order; at least 256 are advised. Layers: `compared_layers`. Raises NotApplicable, BadConfig.
    """
    *_, (_, matrix) = cka_steps(a, b, images)
    return matrix


def cka_steps(a: Any, b: Any, images: Any) -> Iterator[tuple[float, np.ndarray]]:
    """As cka_matrix, batch by batch: (share done, the matrix so far)."""
    one, other = module_of(a), module_of(b)
    check_alone(one)
    check_alone(other)
    mine, yours = images if isinstance(images, tuple | list) else (images, images)
    is_same = one is other and mine is yours
    mine, yours = ready_images(one, mine), ready_images(other, yours)
    if len(mine) != len(yours) or len(mine) < _LEAST:
        raise BadConfig(
            f"{len(mine)} and {len(yours)} images were given; CKA needs the same pictures for both, at least {_LEAST}."
        )
    names, others = compared_layers(one), compared_layers(other)
    terms, seen = np.zeros((3, len(names), len(others))), 0
    pixels = max(x.shape[2] * x.shape[3] for x in (mine, yours))
    for part in _batches(len(mine), min(BATCH, max(16, _PIXELS // pixels))):
        k = _grams(one, mine[part], names)
        m = k if is_same else _grams(other, yours[part], others)
        cross, own_k, own_m = _hsic(k, m), np.diag(_hsic(k, k)), np.diag(_hsic(m, m))
        terms += len(k[0]) * np.stack([cross, *np.broadcast_arrays(own_k[:, None], own_m[None, :])])
        seen += len(k[0])
        scale = np.sqrt(np.where((terms[1] > 0) & (terms[2] > 0), terms[1] * terms[2], np.nan))
        yield seen / len(mine), (terms[0] / scale).astype(np.float32)


def compared_layers(model: Any) -> list[str]:
    """Dotted names of the layers that are compared, first to last: a ViT's blocks, a ResNet's residual blocks, else the
    stages, else the parts that the model is made of.
    """
    net = module_of(model)
    names = block_names(net)
    if not names:
        stages = [f"layer{i}" for i in range(1, 5) if hasattr(net, f"layer{i}")]
        names = [f"{stage}.{name}" for stage in stages for name, _ in net.get_submodule(stage).named_children()]
    if not names:
        named = [str(stage["module"]) for stage in getattr(net, "feature_info", None) or []]
        names = [name for name in named if name in dict(net.named_modules())]
    if not names and isinstance(getattr(net, "features", None), nn.Sequential):
        names = [f"features.{name}" for name, _ in net.get_submodule("features").named_children()]
    return names or [name for name, part in net.named_children() if any(True for _ in part.parameters())]


def _batches(count: int, size: int) -> list[slice]:
    """Slices of about `size`, none too small to be estimated from."""
    parts = max(1, round(count / size))
    edges = np.linspace(0, count, parts + 1).round().astype(int)
    return [slice(start, stop) for start, stop in pairwise(edges.tolist())]


def _grams(net: nn.Module, images: Tensor, names: Sequence[str]) -> np.ndarray:
    """Gram matrices of the centred features of each layer, without their diagonals, (L, n, n) float64."""
    with torch.no_grad():
        _, outputs = output_pass(net, images, names)
    grams = np.stack([_gram(output.flatten(1)) for output in outputs])
    grams[:, np.arange(len(images)), np.arange(len(images))] = 0
    return grams


def _gram(features: Tensor) -> np.ndarray:
    """X Xᵀ of the centred features (n, p), in double precision; 0 where what varies is only rounding."""
    centred = features.float() - features.float().mean(dim=0)
    if centred.norm() <= 1e-6 * features.float().norm():
        return np.zeros((len(features), len(features)))
    gram = sum((part.double() @ part.double().T for part in centred.split(_COLUMNS, dim=1)), start=torch.zeros(()))
    return gram.cpu().numpy()


def _hsic(k: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The unbiased HSIC of every pair (Song et al. 2012, eq. 5), (La, Lb), from matrices with zero diagonals."""
    n = k.shape[1]
    rows_k, rows_m = k.sum(axis=1), m.sum(axis=1)  # (L, n)
    total = k.reshape(len(k), -1) @ m.reshape(len(m), -1).T
    total = total + np.outer(rows_k.sum(axis=1), rows_m.sum(axis=1)) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (rows_k @ rows_m.T)) / (n * (n - 3))
