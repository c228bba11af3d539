"""A model that is ready to be looked into, with what it needs to see a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vit_explore.data.images import load_image, resize_crop

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class LoadedModel:
    """A model to look inside: in eval mode, without gradients on its weights. Shared by threads: never change it."""

    model: nn.Module
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, float, float]  # of pixels in [0, 1], per channel
    std: tuple[float, float, float]
    ref: str  # with the step that "latest" stood for

    def preprocess(self, image: Any) -> Tensor:
        """Any picture that load_image takes, as the model sees it: (1, 3, h, w), resized, cropped, normalised."""
        import torch

        pixels = resize_crop(load_image(image), self.image_size)
        x = torch.tensor(pixels).permute(2, 0, 1).float().div(255)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return ((x - mean) / std)[None]
