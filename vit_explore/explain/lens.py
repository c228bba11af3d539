"""What would each token say, layer by layer, if the head read it now?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import NotApplicable
from vit_explore.explain.capture import residual_pass
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import geometry_of, is_torchvisions, name_of
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_targets
from vit_explore.explain.states import undisturbed

__all__ = ["logit_lens"]

CARD = Explanation(
    name="logit_lens",
    title="Logit lens",
    needs="patches",
    cost="1 forward pass, and the head for each token of each layer",
    gives="(B, L, N, C)",
    source="nostalgebraist 2020, interpreting GPT: the logit lens; here for each token of a ViT",
    formula=r"p_{l,i} = \operatorname{softmax}\bigl(\operatorname{head}(\operatorname{norm}(x_{l,i}))\bigr)",
    what_you_see=(
        "What the head would answer if it read each token after each block. In the last layer the class token "
        "gives the real answer; in a distilled ViT that is the mean of what its two heads read, before the softmax."
    ),
    what_to_look_for="At which layer does the class token make up its mind? Do patches on the object name it too?",
    what_to_beware=(
        "The head was trained on the last layer's pooled token only. Early layers speak another language, so a "
        "confident answer there may be an accident."
    ),
    example="result = vx.explain.logit_lens(model, images)",
    figure="vx.plots.logit_lens(result, model.classes)",
)


def logit_lens(model: Any, images: Tensor) -> np.ndarray:
    """softmax(head(norm(residual after block l))) of each token, (B, L, N, classes) (nostalgebraist 2020).

    With a class-token head, the class token of the last layer gives the model's own probabilities. A distillation token
    is read by its own head, and the model's logits are the mean of the two. Raises NotApplicable for a model without
    tokens or a head that can read single tokens.
    """
    net: Any = module_of(model)
    images = ready_images(net, images)
    if len(images) > 1:
        check_alone(net)
    shape = geometry_of(net, images)
    pools = getattr(net, "attn_pool", None) is not None
    if pools or not getattr(net, "reads_one_token", True):
        how = "pools the tokens by attention" if pools else "reads all tokens at once"
        raise NotApplicable(
            f"The head of {name_of(net)} {how} and cannot read a single one; "
            "choose a ViT with a class token or average pooling."
        )
    with torch.no_grad():
        logits, residuals = residual_pass(net, images)
        ready_targets(net, logits, None)
        if any(r.ndim != 3 or r.shape[1] != shape.n_tokens for r in residuals):
            raise NotApplicable(f"The blocks of {name_of(net)} do not keep one row per token; choose a plain ViT.")
        with undisturbed(net):
            probabilities = [_read(net, residual).float().softmax(dim=-1) for residual in residuals]
    return torch.stack(probabilities, dim=1).cpu().numpy()


def _read(net: Any, residual: Tensor) -> Tensor:
    """Logits (B, N, classes) of each token of a residual stream (B, N, D)."""
    if is_torchvisions(net):
        return net.heads(net.encoder.ln(residual))
    tokens = _or_identity(net, "fc_norm")(_or_identity(net, "norm")(residual))
    logits = net.head(tokens)
    if hasattr(net, "head_dist"):
        logits[:, 1] = net.head_dist(tokens[:, 1])
    return logits


def _or_identity(net: nn.Module, name: str) -> nn.Module:
    return getattr(net, name, None) or nn.Identity()
