"""A model that mixes the images of a batch is asked about one at a time, and not where passes are put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vit_explore as vx
from vit_explore import trust
from vit_explore.errors import NotApplicable
from vit_explore.explain.heatmaps import methods_for
from vit_explore.labs.changing import _logits


def net(attend_over: str) -> nn.Module:
    torch.manual_seed(0)
    config = vx.ModelConfig(
        architecture="report-vit", attend_over=attend_over, depth=1, width=16, num_heads=2, pool="avg"
    )
    return vx.create_model(config).eval()


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


PACKED: dict[str, Callable[[nn.Module], Any]] = {
    **{
        name: lambda net, name=name: vx.explain.attribution(net, images(1), name, 0, steps=2)
        for name in ("integrated_gradients", "gradient_shap", "smooth_grad", "occlusion")
    },
    "heatmap": lambda net: vx.explain.heatmap(net, images(1), "occlusion", 0),
    "several": lambda net: vx.explain.attribution(net, images(2), "saliency", 0),
    "grad_cam": lambda net: vx.explain.grad_cam(net, images(2)),
    "logit_lens": lambda net: vx.explain.logit_lens(net, images(2)),
    "token_norms": lambda net: vx.explain.token_norms(net, images(2)),
    "faithfulness": lambda net: vx.explain.faithfulness(net, images(1), np.eye(4)),
    "rank": lambda net: vx.trust.rank(net, images(2), methods=["saliency"], sanity_images=0),
    "cka": lambda net: vx.explain.cka_matrix(net, net, images(4)),
    "features": lambda net: trust.features_of(net, images(2)),
    "lab": lambda net: _logits(net, images(2)),
}


@pytest.mark.parametrize("question", PACKED)
def test_what_puts_passes_together_is_refused(question: str) -> None:
    PACKED[question](net("tokens"))
    with pytest.raises(NotApplicable, match="attends across the batch"):
        PACKED[question](net("batch"))


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient"])
def test_one_picture_alone_is_answered(method: str) -> None:
    mixing, one = net("batch"), images(1)
    leaf = one.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(mixing(leaf)[:, 1].sum(), leaf)
    expected = gradient.abs().sum(1) if method == "saliency" else (one * gradient).sum(1)
    np.testing.assert_allclose(vx.explain.attribution(mixing, one, method, 1), expected.numpy(), atol=1e-6)
    assert set(vx.explain.attribution_methods(mixing)) == {"saliency", "input_x_gradient"}
    assert not {"occlusion", "smooth_grad"} & set(methods_for(mixing, one))
    assert {"occlusion", "smooth_grad"} <= set(methods_for(net("tokens"), one))
