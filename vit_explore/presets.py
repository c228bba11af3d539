"""Ready-made runs, for one click on the Train page and one flag of the CLI (`--preset NAME`).

Those of the paper and of the reports are found in the files of `reports/rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from vit_explore.config import DataConfig, RunConfig, TrainConfig
from vit_explore.registry import Registry

DEFAULT = "minute"
RIVAL = "resnet-slim"  # the architecture that races against the default one unless another is chosen
QUICK = {"pool": "avg", "num_heads": 3, "mlp": "local", "patch_loss": 0}  # what learns most in a minute or two
FOUR_CLASSES = ("airplane", "automobile", "bird", "cat")


@dataclass(frozen=True)
class Preset:
    """A run with a title for a button and one sentence on what it is good for."""

    name: str
    title: str
    why: str
    make: Callable[[], RunConfig]  # asked for when it is looked at
    is_everyday: bool = True  # offered first; the others repeat a row of the paper or of a report
    takes: str = ""  # on two CPU cores, in words, where that is more than a few minutes

    @cached_property
    def config(self) -> RunConfig:
        return self.make()


presets: Registry[Preset] = Registry("preset", package="vit_explore.reports.rows")


def preset(name: str) -> Preset:
    """The preset of that name; the paper writes vit-b/16. Raises UnknownName."""
    return presets.get(name.replace("/", "-"))


def everyday() -> dict[str, Preset]:
    """Those to offer first, by name."""
    return {name: preset for name, preset in presets if preset.is_everyday}


def _add(name: str, title: str, why: str, config: RunConfig, takes: str = "") -> RunConfig:
    presets.register(name)(Preset(name, title, why, lambda: config, takes=takes))
    return config


_minute = _add(
    "minute",
    "60 seconds on this machine",
    "A small pure-patch ViT on four classes of CIFAR-10: enough to watch position embeddings and attention form.",
    RunConfig(
        data=DataConfig(classes=FOUR_CLASSES),
        train=TrainConfig(seconds=60, lr=2e-3, augment="flip", patch_loss=0.3),
    ),
)
_add(
    "resnet-rival",
    "The ResNet rival",
    "The same data and the same 60 seconds for a ResNet of about as many parameters as the default ViT.",
    _minute.update(model=RIVAL),
)
_add(
    "no-position",
    "Without position embeddings",
    "The same ViT, blind to where a patch lies: shuffle the patches and it gives the same answer.",
    _minute.update(pos_embed="none"),
)
_add(
    "fastest",
    "The quickest learner",
    "The head reads the mean of all patch tokens in place of a class token, and before each MLP a small convolution "
    "mixes neighbouring patches.",
    _minute.update(**QUICK),
)
_add(
    "conv-stem",
    "The hybrid: convolutions first",
    "The paper's hybrid: three small convolutions in place of the patch projection, and 16 tokens.",
    _minute.update(stem="conv", patch_size=8, width=128, pool="avg"),
)
_ten_classes = _add(
    "ten-classes",
    "All ten classes, two minutes",
    "All of CIFAR-10, with more time because there is more to learn.",
    RunConfig(train=TrainConfig(seconds=120, lr=2e-3, augment="flip", patch_loss=0.3)),
)
_add(
    "ten-classes-fastest",
    "All ten classes, the quickest learner",
    "The same two minutes, without a class token and with a small convolution before each MLP.",
    _ten_classes.update(**QUICK),
)
_add(
    "ten-classes-long",
    "All ten classes, 160 epochs",
    "CutMix and RandAugment keep a small ViT from learning its images by heart, so that it goes on getting better: "
    "87.1 % of the test images in one run.",
    _ten_classes.update(
        seconds=None, epochs=160, val_fraction=0.05, batch_size=128, lr=3e-3, augment="flip+crop", cutmix=1.0,
        rand_augment=5, low_res_fraction=0.2, evaluations=16,
    ),
    takes="about 80 minutes",
)  # fmt: skip
_add(
    "shapes",
    "Shapes: nothing to download",
    "Ten drawn shapes on cluttered backgrounds: works without any network. Hard for a ViT: a minute gives about 35 %.",
    RunConfig(
        data=DataConfig(dataset="shapes"),
        train=TrainConfig(seconds=60, lr=2e-3),
    ),
)
