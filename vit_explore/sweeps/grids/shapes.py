"""A sweep that takes a minute or two and needs no download: to see how sweeps work."""

from __future__ import annotations

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.sweeps.definition import Cell, Sweep, add

SIZES = (40, 400)
_VIT = RunConfig(
    data=DataConfig(dataset="shapes", classes=("disc", "square", "star")),
    model=ModelConfig(patch_size=8, width=48, depth=2),
    train=TrainConfig(epochs=1, batch_size=60, lr=2e-3, low_res_fraction=0, evaluations=3),
)
_MODELS = {"ViT": _VIT, "ResNet": _VIT.update(model="resnet-slim")}

add(
    Sweep(
        name="shapes",
        title="A try on drawn shapes",
        question="Disc, square or star: how many pictures does each model need? Minutes, and nothing to download.",
        rows="model",
        columns="training images",
        cells=tuple(
            Cell(name, f"{3 * size}", config.update(per_class=size, epochs=4800 / size))
            for name, config in _MODELS.items()
            for size in SIZES
        ),
        source="",
        scaled="Three of the drawn shapes; every run sees 14,400 images.",
        look_for=(
            "How a grid fills, and how far apart seeds are. More pictures help the ResNet; so small a ViT has hardly "
            "begun to learn, and stays near guessing, 33 %."
        ),
        axis="train_images",
        place=8,
    )
)
