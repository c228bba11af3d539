"""From which places does each semantic token of a Visual Transformer gather?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vit_explore.errors import NotApplicable
from vit_explore.explain.capture import spatial_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import has_semantic_tokens, name_of
from vit_explore.explain.inputs import module_of, ready_images
from vit_explore.explain.results import SemanticTokens

__all__ = ["semantic_tokens"]

CARD = Explanation(
    name="semantic_tokens",
    title="Semantic tokens",
    needs="semantic tokens",
    cost="1 forward pass",
    gives=".maps (B, M, T, y, x); .logits (B, C)",
    source="Wu et al. 2020, Visual Transformers, section 3.1",
    formula=(
        r"A = \operatorname{softmax}_{HW}(X W_A), \quad T = A^{\top} X W_V, \qquad "
        r"W_R = T_{\mathrm{in}} W_{T \to R}, \quad A = \operatorname{softmax}_{HW}(X W_R^{\top})"
    ),
    what_you_see=(
        "One map for each token: the share that it takes from each place of the convolutions' map. The shares of a "
        "token sum to 1 over the picture."
    ),
    what_to_look_for=(
        "Some tokens gather the object, others its edge, the sky or the ground. Do they keep their subject from "
        "picture to picture? With a recurrent tokenizer the later module's follow the picture."
    ),
    what_to_beware=(
        "Nothing asks a token to have a meaning, and in a minute many stay alike or spread evenly: compare with the "
        "even share. A place of the map has seen much more of the picture than the square that it covers."
    ),
    example="result = vx.explain.semantic_tokens(model, images)",
    figure="vx.plots.semantic_tokens(result, picture)",
    model="run:3f2a",
)


def semantic_tokens(model: Any, images: Tensor) -> SemanticTokens:
    """Where the tokens of each of M modules gather, (B, M, T, y, x), each summing to 1 (Wu et al. 2020, section 3.1).

    Raises NotApplicable for a model that gathers no such tokens, BadConfig for images that do not fit.
    """
    net = module_of(model)
    if not has_semantic_tokens(net):
        raise NotApplicable(
            f"{name_of(net, at_start=True)} gathers no semantic tokens; choose a model whose architecture is "
            "visual-transformer."
        )
    with torch.no_grad():
        logits, maps = spatial_pass(net, ready_images(net, images))
    return SemanticTokens(torch.stack(maps, dim=1).float().cpu().numpy(), logits.float().cpu().numpy())
