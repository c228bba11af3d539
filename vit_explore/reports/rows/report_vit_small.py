"""The first report's ViT, which stayed near chance."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Curve, Reported, Row, add, plain


def faithful() -> RunConfig:
    return plain(
        width=256, depth=4, num_heads=4, mlp_ratio=4.0, patch_size=4, optimizer="adam", lr=1e-3, weight_decay=1e-4,
        batch_size=64, epochs=5, normalize="half",
    )  # fmt: skip


def small() -> RunConfig:
    return faithful().update(per_class=800)


add(
    Row(
        name="report-vit-small",
        order=1,
        title="A report's small ViT",
        short="small ViT",
        reference=REPORT,
        what="ViT of width 256, depth 4, 4 heads and MLP 1024 on CIFAR-10, split 40,000 / 10,000 / 10,000, 5 epochs.",
        reported=Reported(
            top1=14.81,
            epochs=5,
            seconds=5 * 3600,
            curves=(
                Curve(
                    "loss",
                    "loss summed over the 625 batches of an epoch: 1407 → 1390",
                    ((1, 1407), (5, 1390)),
                    "epoch",
                    5,
                    summed=625,
                ),
            ),
        ),
        choices=(
            "Patches of 4 pixels, a class token, pixels in [-1, 1], no augmentation, a constant learning rate and a "
            "weight decay of 1e-4. The batch of 64 follows from 625 batches for 40,000 "
            "images; that the two printed losses are those of the first and of the last epoch is our reading."
        ),
        scaled="The same model and recipe on a fifth of the training images, 800 of each class.",
        differs=(
            "1407 / 625 = 2.25 is close to ln 10 = 2.30, the loss of guessing, so their model hardly learned; the "
            "blocks here are pre-norm and attend over the patches of one image, and the likely causes are tried one "
            "at a time in the lab on 14.81 %."
        ),
        faithful=faithful,
        small=small,
        takes="a quarter of an hour",
        page="why",
    )
)
