"""The models that the grids start from, and how they all learn: small, so that a run takes a minute on two cores.

All of CIFAR-10's classes; images of full size throughout, so that the FLOPs of a run are those of its images.
"""

from __future__ import annotations

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig

TRAIN_IMAGES = 40_000  # of CIFAR-10, without those held out for validation
CLASSES = 10

_TRAIN = TrainConfig(epochs=1, lr=2e-3, low_res_fraction=0, evaluations=6)

VIT = RunConfig(data=DataConfig(), model=ModelConfig(), train=_TRAIN)  # pure patches of 4 px: 64 tokens
HYBRID = VIT.update(model="hybrid", patch_size=8)  # the places of a ResNet's feature map: 16 tokens
RESNET = VIT.update(model="resnet-slim")  # as many parameters as the ViT
MODELS = {"ViT": VIT, "hybrid": HYBRID, "ResNet": RESNET}


def for_images(config: RunConfig, images: int, per_class: int | None = None) -> RunConfig:
    """The run that sees so many images in all, from so many of each class (or all), each as often as that takes.

    Counted in steps: an epoch leaves out what fills no batch, so that few images would be seen less often.
    """
    there, batch = TRAIN_IMAGES if per_class is None else CLASSES * per_class, config.train.batch_size
    return config.update(per_class=per_class, epochs=(images // batch) / (there // batch))
