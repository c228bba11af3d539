"""One adversarial step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import PIXELS_OF_GRADIENTS, Subject, batch_size, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "fgsm",
    "One adversarial step (FGSM)",
    "Change each pixel by the same small amount, up or down, whichever hurts most. How little is enough?",
    axis="change of each pixel, of 255",
    levels=(0, 0.5, 1, 2, 4, 8),
    expected=(
        "Both break at changes that no eye sees (Goodfellow et al. 2015): the step follows the model's own gradient. "
        "It is one step only; several would break both sooner."
    ),
    order=12,
)
def attacked(subject: Subject, level: float) -> Tensor:
    """x + level / 255 · sign of the loss's gradient, between black and white."""
    import torch
    import torch.nn.functional as F

    from vit_explore.explain.states import differentiable, undisturbed

    parts, size = [], batch_size(subject.images, PIXELS_OF_GRADIENTS, least=2)
    for x, y in zip(subject.images.split(size), subject.labels.split(size), strict=True):
        with differentiable(subject.net), undisturbed(subject.net):
            leaf = x.detach().clone().requires_grad_()
            loss = F.cross_entropy(subject.net(leaf).float(), y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, leaf)
        parts.append((x + slope.sign() * (level / 255) / subject.std).clamp(subject.low, subject.high))
    return torch.cat(parts).detach()
