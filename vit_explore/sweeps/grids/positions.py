"""Does it matter how a ViT is told where a patch was? The paper's appendix D.4 in small."""

from __future__ import annotations

from vit_explore.sweeps.bases import VIT, for_images
from vit_explore.sweeps.definition import Cell, Sweep, add

SEEN = (20_000, 40_000)
KINDS = {"none": "a bag of patches", "learned": "the paper's", "sincos2d": "fixed sines and cosines of both axes"}

add(
    Sweep(
        name="positions",
        title="Position embeddings",
        question="What is lost without position embeddings, and does it matter whether they are learned or fixed?",
        rows="position embedding",
        columns="images seen",
        cells=tuple(
            Cell(kind, f"{seen:,}", for_images(VIT.update(pos_embed=kind), seen), detail)
            for kind, detail in KINDS.items()
            for seen in SEEN
        ),
        source="Dosovitskiy et al. 2021, Table 8 (appendix D.4)",
        scaled="Half a pass and one pass over CIFAR-10's 40,000 training images; a ViT of 4 blocks, 96 wide.",
        look_for=(
            "The paper: 61.4 % without, 64.2 % with learned ones, and next to no difference between the kinds that "
            "have any. On 64 patches of 4 px, more of the picture is in their order."
        ),
        axis="images_seen",
        place=2,
    )
)
