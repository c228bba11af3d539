"""Which model makes most of the same compute? The paper's Figure 5 in small."""

from __future__ import annotations

from vit_explore.sweeps.bases import MODELS, for_images
from vit_explore.sweeps.definition import Cell, Sweep, add

BUDGETS = (5_000, 10_000, 20_000, 40_000)  # images seen

add(
    Sweep(
        name="budget",
        title="Budget × model",
        question="With the same compute to spend, which is best: a ViT, a hybrid or a ResNet?",
        rows="model",
        columns="images seen",
        cells=tuple(
            Cell(name, f"{seen:,}", for_images(config, seen)) for name, config in MODELS.items() for seen in BUDGETS
        ),
        source="Dosovitskiy et al. 2021, Figure 5",
        scaled=(
            "An eighth of a pass to one pass over CIFAR-10's 40,000 training images in place of 7 to 14 passes over "
            "JFT-300M; each budget is a run of its own, with its own schedule to the end."
        ),
        look_for=(
            "The paper: ViTs reach the same accuracy with 2 to 4 × less compute than ResNets, and hybrids are ahead "
            "of both at small budgets. Ours are the smallest budgets of all."
        ),
        place=4,
    )
)
