"""How many images does a ViT need? The paper's Figures 3 and 4 in small."""

from __future__ import annotations

from vit_explore.sweeps.bases import CLASSES, MODELS, TRAIN_IMAGES, for_images
from vit_explore.sweeps.definition import Cell, Sweep, add

SIZES = (50, 150, 500, 1500, TRAIN_IMAGES // CLASSES)  # of each class
SEEN = 40_000  # images of every run: from few images each is seen often, from all of them once

add(
    Sweep(
        name="data",
        title="Training images × model",
        question="How many images does a ViT need until it keeps up with a ResNet, and does a hybrid need fewer?",
        rows="model",
        columns="training images",
        cells=tuple(
            Cell(name, f"{CLASSES * size:,}", for_images(config, SEEN, size))
            for name, config in MODELS.items()
            for size in SIZES
        ),
        source="Dosovitskiy et al. 2021, Figures 3 and 4",
        scaled=(
            f"500 to 40,000 images of CIFAR-10 in place of 9 to 300 million; every run sees {SEEN:,} images, so that a "
            "small set is seen often and all have as many steps. "
            "The ViT and the ResNet have 311,000 parameters, the hybrid 620,000; all learn from scratch."
        ),
        look_for=(
            "The paper's order: on 500 images the ResNet is ahead by five points, and the ViT gains more from each "
            "further one: from 5,000 on it is ahead with every seed. From there on more images give no more, since "
            "every run has as many steps."
        ),
        axis="train_images",
        place=0,
    )
)
