"""AlexNet by the recipe of PyTorch's CIFAR-10 tutorial, on enlarged images."""

from __future__ import annotations

from typing import Any

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Curve, Reported, Row, add, plain

IMAGES, BATCH, EPOCHS = 50_000, 4, 5
STEPS = EPOCHS * IMAGES / BATCH  # where all training images are trained on
CHOICES = (
    "A constant learning rate, no weight decay, and 1,000 training images held out for the curve. The printed losses "
    "lie at 2,000 steps and at the end of 5 × 12,500."
)


def enlarged(**changes: Any) -> RunConfig:
    """The recipe that the report used for both of its CNNs: 256 → 224 px, SGD, batches of 4."""
    recipe = {
        "input_size": 224, "crop": 0.875, "normalize": "half", "optimizer": "sgd", "lr": 1e-3, "momentum": 0.9,
        "batch_size": BATCH, "epochs": EPOCHS, "val_fraction": 0.02,
    }  # fmt: skip
    return plain(**recipe | changes)


def faithful() -> RunConfig:
    return enlarged(model="alexnet")


def small() -> RunConfig:
    return enlarged(model="alexnet", input_size=64, batch_size=64, optimizer="adam", lr=2e-4, per_class=600)


add(
    Row(
        name="report-alexnet",
        order=3,
        title="A report's AlexNet",
        short="AlexNet",
        reference=REPORT,
        what=(
            "AlexNet (torchvision's features, a 6 × 6 pool, its classifier for ten classes) from scratch on CIFAR-10, "
            "enlarged to 256 and cut to 224 pixels; SGD at 0.001 with momentum 0.9, batches of 4, 5 epochs."
        ),
        reported=Reported(
            top1=76.56,
            epochs=EPOCHS,
            curves=(Curve("loss", "training loss: 2.298 → 0.651", ((2000, 2.298), (STEPS, 0.651)), "step", STEPS),),
        ),
        choices=CHOICES,
        scaled=(
            "64 in place of 224 pixels, 600 images of each class, batches of 64, and Adam at 2e-4: by SGD it takes "
            "thousands of steps before it begins to learn (their loss is 2.298 after 2,000)."
        ),
        differs=(
            "The recipe is complete enough to be repeated; what may differ is the source of CIFAR-10 here (JPEG "
            "copies), 1,000 images fewer, and the seed."
        ),
        faithful=faithful,
        small=small,
        takes="hours",
    )
)
