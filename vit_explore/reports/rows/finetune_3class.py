"""Fine-tuning on three classes of shoes: a ViT against two ResNets."""

from __future__ import annotations

from functools import partial
from typing import Any

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Curve, Reported, Row, add, plain

FOLDER = "shoe-sandal-boot"
_THREE = ("ring", "square", "star")
# name, title, model, its normalisation, accuracy and F1 (before, after), the scaled run, in settings and in words
_MODELS: tuple[tuple[str, str, str, str, tuple[float, float], tuple[float, float], dict[str, Any], str], ...] = (
    (
        "finetune-3class", "ViT-B/16", "timm:vit_base_patch16_224", "half", (32.90, 99.33), (30.70, 99.33),
        {"init_from": "bundled:vit-cifar10"},
        "The bundled ViT, pre-trained on CIFAR-10, fine-tuned on 500 pictures of each of three drawn shapes.",
    ),
    (
        "finetune-3class-resnet50", "ResNet-50", "timm:resnet50", "imagenet", (36.60, 80.03), (26.90, 79.62),
        {"model": "resnet-slim", "init_from": "bundled:resnet-cifar10"},
        "The bundled ResNet, pre-trained on CIFAR-10, fine-tuned on 500 pictures of each of three drawn shapes.",
    ),
    (
        "finetune-3class-resnet152", "ResNet-152", "timm:resnet152", "imagenet", (42.30, 92.76), (36.20, 92.77),
        {"model": "resnet-slim"},
        "The bundled ResNet's net without its weights, on 500 pictures of each of three drawn shapes: no deeper "
        "pre-trained ResNet is in the box, so this one shows what the pre-training of the other two is worth.",
    ),
)  # fmt: skip


def faithful(model: str, normalize: str) -> RunConfig:
    return plain(
        dataset="folder", path=FOLDER, image_size=224, model=model, pretrained=True, normalize=normalize,
        optimizer="adam", lr=1e-5, batch_size=16, epochs=3, evaluations=3,
    )  # fmt: skip


def small(changes: dict[str, Any]) -> RunConfig:
    return plain(
        dataset="shapes", classes=_THREE, per_class=500, optimizer="adam", lr=1e-4, batch_size=16, epochs=3,
        evaluations=3, **changes,
    )  # fmt: skip


for _place, (_name, _title, _model, _normalize, _top1, _f1, _changes, _scaled) in enumerate(_MODELS):
    add(
        Row(
            name=_name,
            order=7 + _place,
            title=f"Fine-tuning {_title} on three classes",
            short=f"{_title}, fine-tuned",
            reference=REPORT,
            what=(
                f"{_title} fine-tuned on a folder of three classes (15,000 images of shoe, sandal and boot): learning "
                "rate 1e-5, batches of 16, 3 epochs."
            ),
            reported=Reported(
                top1=_top1[1], f1=_f1[1], epochs=3, before=_top1[0], f1_before=_f1[0],
                curves=(
                    Curve(
                        "accuracy", "accuracy with the new head untrained, and at the end",
                        ((0, _top1[0]), (3, _top1[1])), "epoch", 3,
                    ),
                ),
            ),
            choices=(
                "Adam at a constant rate, no augmentation, a fifth of the images for validation, published "
                "weights for all three models (the report says pre-trained of the ViT), and "
                f"a folder named {FOLDER} with one sub-folder for each class."
            ),
            scaled=_scaled,
            differs=(
                "What the report calls zero-shot is a new head with random weights, so about a third is guessing; "
                "after 3 epochs at 1e-5 the order of the models follows how much their pre-training gives, more than "
                "their size."
            ),
            faithful=partial(faithful, _model, _normalize),
            small=partial(small, _changes),
            takes="hours",
            page="finetune",
            classes=3,
            needs=(
                f"Needs the published weights, from the hub or its cache, and the folder {FOLDER}: put your own path "
                "in its place on the Train page, or give --path."
            ),
        )
    )  # fmt: skip
