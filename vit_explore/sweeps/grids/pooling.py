"""A class token, or the mean of the patches? The paper's appendix D.3 in small."""

from __future__ import annotations

from vit_explore.sweeps.bases import VIT, for_images
from vit_explore.sweeps.definition import Cell, Sweep, add

SEEN = 30_000
POOLS = {"class token": "cls", "mean of the patches": "avg"}
RATES = (5e-4, 1e-3, 2e-3, 4e-3)

add(
    Sweep(
        name="pooling",
        title="Class token or pooling",
        question="Is a class token better than the mean of the patches, or do the two only want other learning rates?",
        rows="what the head reads",
        columns="learning rate",
        cells=tuple(
            Cell(name, f"{rate:g}", for_images(VIT.update(pool=pool, lr=rate), SEEN))
            for name, pool in POOLS.items()
            for rate in RATES
        ),
        source="Dosovitskiy et al. 2021, Figure 9 (appendix D.3)",
        scaled=f"{SEEN:,} images of CIFAR-10 seen in place of ImageNet; a ViT of 4 blocks, 96 wide.",
        look_for=(
            "The paper found pooling much worse at first, until it got a learning rate of its own: the fair comparison "
            "is the best of each row, not a column."
        ),
        axis="column",
        place=3,
    )
)
