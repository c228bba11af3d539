"""RandAugment (Cubuk et al. 2020): two random changes of each image, by torchvision's kernels on parts of the batch.

The changes and their ranges are those of torchvision's transform, which takes one change for all images of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional

COUNT = 2  # changes of an image, one after the other
LARGEST = 30  # magnitude
SHEAR, TURN, BLEND = 0.3, 30.0, 0.9  # at the largest magnitude: a slope, degrees, and how far from 1 a factor is
SHIFT = 150 / 331  # of the side
BITS = 4  # that posterising drops

Fill = list[float]
Change = Callable[[Tensor, float, Fill], Tensor]  # (uint8 (n, 3, h, w), from -1 to 1, colour of what comes in) -> uint8


def _affine(axis: int, what: str, images: Tensor, level: float, fill: Fill) -> Tensor:
    """A shear or a shift along an axis: 0 for x, 1 for y. A shear leaves the upper left corner where it is."""
    values: dict[str, Any] = {"shear": [0.0, 0.0], "translate": [0, 0], "center": None}
    if what == "shear":
        values["shear"][axis], values["center"] = math.degrees(math.atan(SHEAR * level)), [0.0, 0.0]
    else:
        values["translate"][axis] = int(SHIFT * images.shape[-1 - axis] * level)
    bilinear = InterpolationMode.BILINEAR
    return functional.affine(images, angle=0.0, scale=1.0, interpolation=bilinear, fill=fill, **values)


def _turn(images: Tensor, level: float, fill: Fill) -> Tensor:
    return functional.rotate(images, TURN * level, InterpolationMode.BILINEAR, fill=fill)


def _blend(kernel: Callable[[Tensor, float], Tensor], images: Tensor, level: float, fill: Fill) -> Tensor:
    return kernel(images, 1 + BLEND * level)


SIGNED: dict[str, Change] = {
    "shear x": partial(_affine, 0, "shear"),
    "shear y": partial(_affine, 1, "shear"),
    "shift x": partial(_affine, 0, "translate"),
    "shift y": partial(_affine, 1, "translate"),
    "turn": _turn,
    "brightness": partial(_blend, functional.adjust_brightness),
    "colour": partial(_blend, functional.adjust_saturation),
    "contrast": partial(_blend, functional.adjust_contrast),
    "sharpness": partial(_blend, functional.adjust_sharpness),
}
UNSIGNED: dict[str, Change] = {
    "nothing": lambda images, level, fill: images,
    "posterise": lambda images, level, fill: functional.posterize(images, 8 - round(BITS * level)),
    "solarise": lambda images, level, fill: functional.solarize(images, 255 * (1 - level)),
    "autocontrast": lambda images, level, fill: functional.autocontrast(images),
    "equalise": lambda images, level, fill: functional.equalize(images),
}
CHANGES = SIGNED | UNSIGNED


def rand_augment(images: Tensor, magnitude: int, fill: Fill, numbers: np.random.Generator) -> Tensor:
    """uint8 (B, 3, h, w), changed; magnitude from 0 to 30; fill: the colour (3,) of what comes in from outside."""
    images = images.clone()
    for _ in range(COUNT):
        drawn = numbers.integers(len(CHANGES), size=len(images))
        signs = np.where(numbers.random(len(images)) < 0.5, -1, 1)
        for number, (name, change) in enumerate(CHANGES.items()):
            for sign in (-1, 1):
                places = np.flatnonzero((drawn == number) & (signs == sign))
                if len(places) and name != "nothing":
                    level = magnitude / LARGEST * (sign if name in SIGNED else 1)
                    index = torch.from_numpy(places).to(images.device)
                    images[index] = change(images[index], level, fill)
    return images
