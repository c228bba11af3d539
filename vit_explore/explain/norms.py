"""How large is each token, layer by layer?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vit_explore.errors import NotApplicable
from vit_explore.explain.capture import residual_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import geometry_of, name_of
from vit_explore.explain.inputs import check_alone, module_of, ready_images
from vit_explore.explain.results import TokenNorms

__all__ = ["token_norms"]

CARD = Explanation(
    name="token_norms",
    title="Token norms",
    needs="attention",
    cost="1 forward pass",
    gives=".values (B, L, N)",
    source="Darcet, Oquab, Mairal & Bojanowski 2024, Vision Transformers Need Registers",
    formula=r"n_{l,i} = \lVert x_{l,i} \rVert_2",
    what_you_see="The length of each token after each block: the patches as a map, the tokens before them as a line.",
    what_to_look_for=(
        "Large models grow a few patches whose length is many times that of the others, in places where nothing is to "
        "be seen: they store something for the whole picture. With registers, those take them up."
    ),
    what_to_beware=(
        "Small models trained for a minute have no such outliers, or weak ones. A long token need not be looked at: "
        "see where the heads attend."
    ),
    example="result = vx.explain.token_norms(model, images)",
    figure="vx.plots.token_norms(result)",
)


def token_norms(model: Any, images: Tensor) -> TokenNorms:
    """Euclidean length of each token after each block, (B, L, N) (Darcet et al. 2024). Raises NotApplicable."""
    net = module_of(model)
    images = ready_images(net, images)
    if len(images) > 1:
        check_alone(net)
    shape = geometry_of(net, images)
    with torch.no_grad():
        _, residuals = residual_pass(net, images)
    if any(r.ndim != 3 or r.shape[1] != shape.n_tokens for r in residuals):
        raise NotApplicable(f"The blocks of {name_of(net)} do not keep one row per token; choose a plain ViT.")
    values = torch.stack([residual.float().norm(dim=-1) for residual in residuals], dim=1)
    return TokenNorms(values.cpu().numpy(), shape.grid, shape.prefix_names)
