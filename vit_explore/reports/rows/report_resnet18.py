"""ResNet-18 by the recipe of the same report's AlexNet."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Curve, Reported, Row, add
from vit_explore.reports.rows.report_alexnet import CHOICES, EPOCHS, STEPS, enlarged


def faithful() -> RunConfig:
    return enlarged(model="resnet18")


def small() -> RunConfig:
    return enlarged(model="resnet18", input_size=72, batch_size=32, lr=8e-3, per_class=600)


add(
    Row(
        name="report-resnet18",
        order=4,
        title="A report's ResNet-18",
        short="ResNet-18",
        reference=REPORT,
        what=(
            "ResNet-18 from scratch on CIFAR-10, enlarged to 256 and cut to 224 pixels; SGD at 0.001 with momentum "
            "0.9, batches of 4, 5 epochs, as for AlexNet."
        ),
        reported=Reported(
            top1=80.16,
            epochs=EPOCHS,
            curves=(Curve("loss", "training loss: 2.086 → 0.502", ((2000, 2.086), (STEPS, 0.502)), "step", STEPS),),
        ),
        choices=(
            f"{CHOICES} The net is timm's, whose blocks start as the identity (the last BatchNorm of each at 0); "
            "torchvision's do not."
        ),
        scaled=(
            "72 in place of 224 pixels (the stem for large images stays), 600 images of each class, and batches of 32 "
            "with a learning rate 8 times as large."
        ),
        differs=(
            "Their best figure without pre-training, from the net with the most built in: neighbourhoods, and a normed "
            "scale in each layer; the recipe is complete, so seeds and JPEG copies are the likely rest."
        ),
        faithful=faithful,
        small=small,
        takes="hours",
    )
)
