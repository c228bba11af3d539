"""Deeper, wider, or finer patches? The paper's Figure 8 in small."""

from __future__ import annotations

from typing import Any

from vit_explore.sweeps.bases import VIT, for_images
from vit_explore.sweeps.definition import Cell, Sweep, add

SEEN = 40_000
BASE = for_images(VIT.update(patch_size=8), SEEN)
SMALLER, SAME, LARGER = "smaller", "base", "larger"

Change = tuple[str, dict[str, Any]]  # in words, and by the flat names of settings

SCALED: dict[str, tuple[Change, str, Change]] = {  # smaller, the base in words, larger
    "depth": (("2 blocks", {"depth": 2}), "4 blocks", ("8 blocks", {"depth": 8})),
    "width": (("48 wide", {"width": 48}), "96 wide", ("192 wide", {"width": 192})),
    "MLP": (("MLP 96", {"mlp_ratio": 1.0}), "MLP 192", ("MLP 384", {"mlp_ratio": 4.0})),
    "heads": (("2 heads", {"num_heads": 2}), "4 heads", ("8 heads", {"num_heads": 8})),
    "patch size": (
        ("16 px: 4 patches", {"patch_size": 16}),
        "8 px: 16 patches",
        ("4 px: 64 patches", {"patch_size": 4}),
    ),
    "all": (
        ("3 blocks, 72 wide, 3 heads, MLP 108", {"depth": 3, "width": 72, "num_heads": 3, "mlp_ratio": 1.5}),
        "4 blocks, 96 wide, 4 heads, MLP 192",
        ("6 blocks, 144 wide, 6 heads, MLP 432", {"depth": 6, "width": 144, "num_heads": 6, "mlp_ratio": 3.0}),
    ),
}


def _row(name: str) -> tuple[Cell, Cell, Cell]:
    (less, smaller), base, (more, larger) = SCALED[name]
    return (
        Cell(name, SMALLER, BASE.update(**smaller), less),
        Cell(name, SAME, BASE, base),
        Cell(name, LARGER, BASE.update(**larger), more),
    )


add(
    Sweep(
        name="shape",
        title="Shape of the ViT",
        question="Which part of a ViT is worth making larger: depth, width, MLP, heads, the number of patches, or all?",
        rows="what is scaled",
        columns="size",
        cells=tuple(cell for name in SCALED for cell in _row(name)),
        source="Dosovitskiy et al. 2021, Figure 8 (appendix D.2)",
        scaled=(
            "One pass over CIFAR-10's 40,000 training images in place of ImageNet, around a ViT of 4 blocks, 96 wide, "
            "with patches of 8 px. A part is halved and doubled; “all” makes depth, width, heads and MLP ratio 1.5 × "
            "larger, or 0.75 × (the MLP ratio between both)."
        ),
        look_for=(
            "The paper finds that depth helps most, width little, and smaller patches much without a single parameter "
            "more. Here smaller patches are worth most, too, and width more than depth: in one pass over few images."
        ),
        place=1,
    )
)
