"""Visual Transformers: a few semantic tokens in place of the last stages of a ResNet (Wu et al. 2020)."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.reports.base import Reported, Row, add, plain

EPOCHS, WARM_UP = 400, 5
PEAK, START = 0.16, 0.01


def faithful() -> RunConfig:
    return plain(
        model="visual-transformer", depth=2, width=1024, input_size=112, drop_path=0.1, dropout=0.2, optimizer="sgd",
        lr=PEAK, momentum=0.9, weight_decay=4e-5, batch_size=2048, epochs=EPOCHS, warmup_fraction=WARM_UP / EPOCHS,
        warmup_start=START / PEAK, schedule="exponential", lr_decay=0.9875, augment="flip+crop",
    )  # fmt: skip


def small() -> RunConfig:
    return faithful().update(
        input_size=32, width=96, per_class=800, batch_size=128, lr=0.02, epochs=10, warmup_fraction=0.1, lr_decay=0.6,
    )  # fmt: skip


add(
    Row(
        name="visual-transformer",
        order=10,
        title="Visual Transformer with 16 semantic tokens",
        short="Visual Transformer",
        reference=(
            "Wu et al. 2020, Visual Transformers: Token-based Image Representation and Processing (arXiv 2006.03677), "
            "which one of the talks presents and did not run"
        ),
        what=(
            "ResNet stages, then a tokenizer to 16 semantic tokens, a transformer on them and a projector back to the "
            "feature map; 400 epochs, batches of 2048, learning rate 0.01 → 0.16 in 5 epochs, then × 0.9875 an epoch."
        ),
        reported=Reported(epochs=EPOCHS),
        choices=(
            "CIFAR-10 enlarged to 112 pixels in place of ImageNet at 224, with flips and shifts; the net is that on a "
            "ResNet-18 (two modules, tokens of 1024 numbers), with momentum 0.9 and weight decay 4e-5. Survival 0.9 of "
            "the stochastic depth is a drop path of 0.1."
        ),
        scaled=(
            "32 pixels, tokens of 96 numbers, 800 images of each class, 10 epochs with batches of 128; the learning "
            "rate falls as far over the 10 epochs as over the 400."
        ),
        differs="Nothing to compare yet: they did not run it, and the paper's figures are of ImageNet.",
        faithful=faithful,
        small=small,
        takes="days",
    )
)
