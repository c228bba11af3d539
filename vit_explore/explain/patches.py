"""What does the model cut the picture into?"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from einops import rearrange

from vit_explore.errors import BadConfig


def patch_grid(image: Any, patch_size: int) -> np.ndarray:
    """The patches of a picture, (gh, gw, P, P, 3) uint8 (ViT paper, section 3.1).

    image: uint8 (H, W, 3), a PIL image, a path or bytes. Raises BadImage; BadConfig where P does not divide both sides.
    """
    pixels = _pixels(image)
    height, width = pixels.shape[:2]
    side = gcd(height, width)
    if (
        isinstance(patch_size, bool)
        or not isinstance(patch_size, int | np.integer)
        or patch_size < 1
        or side % patch_size
    ):
        fits = ", ".join(str(p) for p in range(1, side + 1) if side % p == 0)
        raise BadConfig(
            f"A patch size of {patch_size} does not divide an image of {height} x {width} px; choose one of {fits}."
        )
    return rearrange(pixels, "(gh p) (gw q) c -> gh gw p q c", p=patch_size, q=patch_size).copy()


def _pixels(image: Any) -> np.ndarray:
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size
    ):
        return image
    from vit_explore.data.images import load_image  # only where there is something to decode

    return load_image(image)
