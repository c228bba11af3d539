"""A timm model as a LoadedModel, with its published weights or fresh ones."""

from __future__ import annotations

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_data_config
from timm.models import is_model_pretrained
from torch import nn

from vit_explore.errors import BadReference, ModelUnavailable
from vit_explore.models.timm_models import unknown
from vit_explore.runs.loaded import LoadedModel

SEED = 0


def load_timm(name: str, random: bool) -> LoadedModel:
    """The timm model `name`. Raises BadReference for an unknown name, ModelUnavailable for weights out of reach."""
    if not timm.is_model(name):
        raise BadReference(unknown(name))
    model = (_create(name, pretrained=False) if random else _pretrained(name)).eval().requires_grad_(False)
    facts = resolve_data_config(model=model)
    channels, height, width = facts["input_size"]
    if height != width or channels != 3:
        raise ModelUnavailable(
            f"timm's {name} takes images of {channels} × {height} × {width}; choose a model for square RGB images."
        )
    ref = f"timm:{name}{'@random' if random else ''}"
    return LoadedModel(model, _classes(model), height, tuple(facts["mean"]), tuple(facts["std"]), ref)


def _create(name: str, pretrained: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the same random weights each time; the caller's numbers stay as they were
        torch.manual_seed(SEED)
        return timm.create_model(name, pretrained=pretrained)


def _pretrained(name: str) -> nn.Module:
    from huggingface_hub.errors import HfHubHTTPError

    if not is_model_pretrained(name):
        raise ModelUnavailable(f"timm publishes no weights for {name}; use timm:{name}@random, or another model.")
    try:
        return _create(name, pretrained=True)
    except (OSError, RuntimeError, HfHubHTTPError) as error:
        raise ModelUnavailable(
            f"The published weights of {name} are neither on this machine nor reachable ({type(error).__name__}); "
            f"connect once to fetch them, or use timm:{name}@random for random weights."
        ) from None


def _classes(model: nn.Module) -> tuple[str, ...]:
    """ImageNet's descriptions where the head is ImageNet's; else numbers."""
    count = int(getattr(model, "num_classes", 0))
    subset = infer_imagenet_subset(model)
    if subset is not None:
        names = tuple(ImageNetInfo(subset).label_descriptions())
        if len(names) == count:
            return names
    return tuple(f"class {i}" for i in range(count))
