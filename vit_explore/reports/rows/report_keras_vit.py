"""The small ViT of Keras' tutorial."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Reported, Row, add, plain


def faithful() -> RunConfig:
    return plain(
        model="keras-vit", input_size=72, patch_size=6, width=64, depth=8, num_heads=4, dropout=0.1,
        optimizer="adamw", lr=1e-3, weight_decay=1e-4, batch_size=256, epochs=10, val_fraction=0.1,
        augment="flip+crop", evaluations=10,
    )  # fmt: skip


def small() -> RunConfig:
    return faithful().update(input_size=48, per_class=800, batch_size=128)


add(
    Row(
        name="report-keras-vit",
        order=6,
        title="A report's ViT of the Keras tutorial",
        short="Keras ViT",
        reference=REPORT,
        what=(
            "The ViT of Keras' tutorial (72 pixels, patches of 6, width 64, 4 heads, 8 layers, all tokens flattened "
            "into a head of 2048 and 1024) on CIFAR-10, 10 epochs, batches of 256, learning rate 1e-3, dropout 0.1."
        ),
        reported=Reported(top1=70.45, epochs=10),
        choices=(
            "AdamW with weight decay 1e-4 and a tenth of the images for validation, as in the tutorial; its small "
            "rotations and zooms are a shift of up to an eighth here, beside the flip."
        ),
        scaled="48 in place of 72 pixels (64 patches), 800 images of each class, and batches of 128.",
        differs=(
            "Nearly all of its weights lie in the head that reads the flattened tokens, so it is half an MLP on "
            "patches; augmentation is the likeliest difference."
        ),
        faithful=faithful,
        small=small,
        takes="about an hour",
    )
)
