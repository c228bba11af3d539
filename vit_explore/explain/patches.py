"""What does the model cut the picture into?"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from einops import rearrange

from vit_explore.errors import BadConfig
from vit_explore.explain.catalogue import Explanation

__all__ = ["patch_grid"]

CARD = Explanation(
    name="patch_grid",
    title="Patches",
    needs="any",
    cost="nothing: the model is not asked",
    gives="(gh, gw, P, P, 3)",
    source="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 3.1",
    formula=r"x \in \mathbb{R}^{H \times W \times 3} \;\to\; \mathbb{R}^{N \times 3P^2}, \quad N = \tfrac{HW}{P^2}",
    what_you_see=(
        "The picture cut into squares of P by P pixels. Read row by row, the squares are the sequence that the "
        "model gets."
    ),
    what_to_look_for=(
        "Halve P, and the number of tokens grows four times and the attention sixteen times. Find a patch that "
        "alone tells the class."
    ),
    what_to_beware=(
        "The model sees the small picture, not your photo: shrinking to its input size may already have lost the "
        "detail that matters."
    ),
    example="result = vx.explain.patch_grid(picture[:224, :224], patch_size=8)",
    figure="vx.plots.patch_grid(result)",
)


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
