"""A model that is ready to be looked into, with what it needs to see a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vit_explore.data.images import load_image, resize_crop

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vit_explore.config import ModelConfig

View = Callable[[np.ndarray, int], np.ndarray]  # uint8 (H, W, 3) and a side to uint8 (side, side, 3)


def view_of(data_size: int, model: ModelConfig) -> View:
    """What a model that was trained on images of `data_size` px sees of a picture."""
    if data_size == model.image_size and model.crop == 1:
        return resize_crop
    return partial(_resized_view, data_size, model.image_size, model.crop)


def _resized_view(data_size: int, side: int, crop: float, image: np.ndarray, size: int) -> np.ndarray:
    """A picture as training showed it: at the size of the data first, then at the model's. Of another size, sharp."""
    import torch

    from vit_explore.data.fitting import Fitting

    if size == side:
        batch = torch.tensor(resize_crop(image, data_size)).permute(2, 0, 1)[None]
        return Fitting(side, crop)(batch)[0].permute(1, 2, 0).numpy()
    full = round(size / crop)
    start = (full - size) // 2
    return resize_crop(image, full)[start : start + size, start : start + size]


@dataclass(frozen=True)
class LoadedModel:
    """A model to look inside: in eval mode, without gradients on its weights. Shared by threads: never change it."""

    model: nn.Module
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, float, float]  # of pixels in [0, 1], per channel
    std: tuple[float, float, float]
    ref: str  # with the step that "latest" stood for
    view: View = field(default=resize_crop, repr=False, compare=False)  # which part of a picture it sees

    def seen(self, image: Any, size: int | None = None) -> np.ndarray:
        """The part of a picture (any that load_image takes) that the model sees, as uint8 (size, size, 3).

        size: a side other than the model's own, to lay that part under a map in a finer resolution.
        """
        return self.view(load_image(image), size or self.image_size)

    def seen_masks(self, masks: Any) -> np.ndarray:
        """Masks (n, H, W) of pictures as the model sees these: bool (n, size, size)."""
        grey = np.repeat(np.asarray(masks, dtype=np.uint8)[..., None] * 255, 3, axis=-1)
        parts = [self.view(one, self.image_size)[..., 0] > 127 for one in grey]
        return np.stack(parts) if parts else np.zeros((0, self.image_size, self.image_size), dtype=bool)

    def preprocess(self, image: Any) -> Tensor:
        """Any picture that load_image takes, as the model sees it: (1, 3, h, w), resized, cropped, normalised."""
        import torch

        x = torch.tensor(self.seen(image)).permute(2, 0, 1).float().div(255)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return ((x - mean) / std)[None]
