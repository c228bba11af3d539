"""The small CNN of TensorFlow's tutorial."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.reports.base import REPORT, Reported, Row, add, plain


def faithful() -> RunConfig:
    return plain(
        model="cnn-small", optimizer="adam", lr=1e-3, batch_size=256, epochs=10, val_fraction=0.02, normalize="half",
        evaluations=10,
    )  # fmt: skip


def small() -> RunConfig:
    return faithful().update(per_class=1000, batch_size=64)


add(
    Row(
        name="report-cnn",
        order=5,
        title="A report's small CNN",
        short="small CNN",
        reference=REPORT,
        what=(
            "The CNN of TensorFlow's tutorial (three 3 × 3 convolutions of 32, 64 and 64 channels, two dense layers) "
            "on CIFAR-10, 10 epochs, batches of 256."
        ),
        reported=Reported(top1=69.37, epochs=10),
        choices=(
            "Adam at 1e-3 and no augmentation, as in the tutorial, and 1,000 training images held out for the curve. "
            "The tutorial leaves pixels in [0, 1]; here they lie in [-1, 1]."
        ),
        scaled="1,000 images of each class in place of 4,900, and batches of 64 so that there are enough steps.",
        differs="A plain recipe that needs no luck: what remains is the seed, and JPEG copies of the images.",
        faithful=faithful,
        small=small,
        params=122_570,
    )
)
