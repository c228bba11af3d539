"""Ready-made runs, for one click on the Train page and one flag of the CLI (`--preset NAME`)."""

from __future__ import annotations

from dataclasses import dataclass

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.registry import Registry

DEFAULT = "minute"
RIVAL = "resnet-slim"  # the architecture that races against the default one unless another is chosen
FOUR_CLASSES = ("airplane", "automobile", "bird", "cat")


@dataclass(frozen=True)
class Preset:
    """A run with a title for a button and one sentence on what it is good for."""

    name: str
    title: str
    why: str
    config: RunConfig


presets: Registry[Preset] = Registry("preset")


def _add(name: str, title: str, why: str, config: RunConfig) -> RunConfig:
    presets.register(name)(Preset(name, title, why, config))
    return config


_minute = _add(
    "minute",
    "60 seconds on this machine",
    "A small pure-patch ViT on four classes of CIFAR-10: enough to watch position embeddings and attention form.",
    RunConfig(
        data=DataConfig(classes=FOUR_CLASSES),
        train=TrainConfig(seconds=60, lr=2e-3, augment="flip"),
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
    "Pure patches, and the head reads the mean of all patch tokens in place of a class token.",
    _minute.update(pool="avg", num_heads=3),
)
_add(
    "conv-stem",
    "The hybrid: convolutions first",
    "The paper's hybrid: three small convolutions in place of the patch projection, and 16 tokens.",
    _minute.update(stem="conv", patch_size=8, width=128, pool="avg"),
)
_add(
    "ten-classes",
    "All ten classes, two minutes",
    "All of CIFAR-10, with more time because there is more to learn.",
    RunConfig(train=TrainConfig(seconds=120, lr=2e-3, augment="flip")),
)
_add(
    "shapes",
    "Shapes: nothing to download",
    "Ten drawn shapes on cluttered backgrounds: works without any network. Hard for a ViT: a minute gives about 35 %.",
    RunConfig(
        data=DataConfig(dataset="shapes"),
        train=TrainConfig(seconds=60, lr=2e-3),
    ),
)
_add(
    "report-vit",
    "A student report's ViT",
    "Width 256, depth 4, 4 heads, MLP 1024, 5 epochs, all ten classes: the report reached 14.81 % after five hours.",
    RunConfig(
        model=ModelConfig(width=256, depth=4, num_heads=4, mlp_ratio=4.0),
        train=TrainConfig(epochs=5, batch_size=128, optimizer="adamw", low_res_fraction=0),
    ),
)
_add(
    "report-resnet18",
    "A student report's ResNet-18",
    "ResNet-18 for 5 epochs on all ten classes: a report reached 80.16 % on a GPU; slow on a CPU.",
    RunConfig(
        model=ModelConfig(architecture="resnet18"),
        train=TrainConfig(epochs=5, batch_size=128, optimizer="adamw", low_res_fraction=0),
    ),
)
