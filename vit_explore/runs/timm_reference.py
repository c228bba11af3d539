"""A timm model as a LoadedModel, with its published weights or fresh ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import psutil
import timm
import torch
from PIL import Image
from timm.data import ImageNetInfo, create_transform, infer_imagenet_subset, resolve_data_config
from timm.models import get_pretrained_cfg, is_model_pretrained
from torch import nn

from vit_explore.errors import BadConfig, BadReference, ModelUnavailable
from vit_explore.models.timm_models import timm_errors, trouble
from vit_explore.runs.loaded import LoadedModel
from vit_explore.seeds import drawing

SEED = 0
_BYTES = 4  # of a weight
_SHARE = 0.7  # of the free memory that a model may take
_SMALL = "timm:vit_small_patch16_224@random"


def load_timm(name: str, random: bool) -> LoadedModel:
    """The timm model `name`. Raises BadReference for an unknown name, ModelUnavailable for weights out of reach."""
    wrong = trouble(name)
    if wrong is not None:
        raise BadReference(wrong)
    if not random and not is_model_pretrained(name):
        raise ModelUnavailable(f"timm publishes no weights for {name}; use timm:{name}@random, or another model.")
    model = _create(name, random).eval().requires_grad_(False)
    facts = resolve_data_config(model=model)
    channels, height, width = facts["input_size"]
    if height != width or channels != 3:
        raise ModelUnavailable(
            f"timm's {name} takes images of {channels} × {height} × {width}; choose a model for square RGB images."
        )
    return LoadedModel(
        model=model, classes=_classes(model), image_size=height, mean=tuple(facts["mean"]), std=tuple(facts["std"]),
        ref=f"timm:{name}{'@random' if random else ''}", view=partial(eval_view, facts),
    )  # fmt: skip


def facts_of(name: str) -> tuple[int, tuple[float, float, float], tuple[float, float, float]]:
    """The side of the images that a timm model was trained on, and the mean and std of their pixels.

    Raises BadReference for an unknown name.
    """
    wrong = trouble(name)
    if wrong is not None:
        raise BadReference(wrong)
    cfg = get_pretrained_cfg(name)
    facts = resolve_data_config(pretrained_cfg=cfg.to_dict() if cfg else {})
    return facts["input_size"][-1], tuple(facts["mean"]), tuple(facts["std"])


def eval_view(facts: dict[str, Any], image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) as timm's own evaluation shows it to the model (crop_pct, crop_mode, interpolation).

    facts: of resolve_data_config; size: of the square that comes out, the model's or a finer one of the same part.
    """
    transform = create_transform(**facts | {"input_size": (3, size, size)}, is_training=False, normalize=False)
    return transform(Image.fromarray(np.ascontiguousarray(image))).permute(1, 2, 0).numpy()


def _create(name: str, random: bool) -> nn.Module:
    """The model; its random weights are the same each time, and the caller's random numbers stay as they were."""
    instead = None if random else f"use timm:{name}@random for random weights"
    try:
        with timm_errors(f"timm's {name} cannot be built", name, instead):
            _check_memory(name, random)
            with drawing(SEED):
                return timm.create_model(name, pretrained=not random)
    except BadConfig as error:
        raise ModelUnavailable(str(error)) from error


def _check_memory(name: str, random: bool) -> None:
    """Raises ModelUnavailable for a model whose weights do not fit the free memory; counted on the meta device."""
    try:
        with torch.device("meta"):
            weights = sum(p.numel() for p in timm.create_model(name, pretrained=False).parameters())
    except (RuntimeError, TypeError):
        return  # a few constructors compute with their weights, which have no values there: those models are small
    needed = weights * _BYTES * (1 if random else 2)  # published weights lie beside the model while they are read
    free = psutil.virtual_memory().available
    if needed > _SHARE * free:
        raise ModelUnavailable(
            f"timm's {name} has {weights / 1e6:,.0f} million parameters and takes {needed / 1e9:.1f} GB of memory to "
            f"open, and this machine has {free / 1e9:.1f} GB free; choose a smaller one, such as {_SMALL}."
        )


def _classes(model: nn.Module) -> tuple[str, ...]:
    """ImageNet's descriptions where the head is ImageNet's; else numbers; none without a head."""
    count = int(getattr(model, "num_classes", 0))
    subset = infer_imagenet_subset(model)
    if subset is not None:
        names = tuple(ImageNetInfo(subset).label_descriptions())
        if len(names) == count:
            return names
    return tuple(f"class {i}" for i in range(count))
