"""Any timm image model by name, at the image size and the number of classes of the data."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from torch import nn

from vit_explore.config import ModelConfig
from vit_explore.errors import BadConfig, ModelUnavailable, UnknownName


def create_timm_model(config: ModelConfig) -> nn.Module:
    """The timm model `timm:NAME` (or `NAME`) with `num_classes` outputs, for `image_size` where it takes a size."""
    import timm  # a second to import, and discovery imports this file for every model
    from timm.models import is_model_pretrained

    name = config.architecture.removeprefix("timm:")
    if not timm.is_model(name):
        raise UnknownName(unknown(name))
    if config.pretrained and not is_model_pretrained(name):
        raise ModelUnavailable(f"timm publishes no weights for {name}; leave `pretrained` off or choose another model.")
    try:
        return _create(name, config)
    except (OSError, RuntimeError) as error:
        if not config.pretrained:
            raise
        raise ModelUnavailable(
            f"The published weights of {name} are neither on this machine nor reachable ({type(error).__name__}); "
            "connect once to fetch them, or use the model with random weights."
        ) from None


def _create(name: str, config: ModelConfig) -> nn.Module:
    import timm

    options: dict[str, Any] = {"pretrained": config.pretrained, "num_classes": config.num_classes}
    try:
        return timm.create_model(name, img_size=config.image_size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return timm.create_model(name, **options)  # a convolutional net takes any size
    except (AssertionError, ValueError) as error:
        raise BadConfig(f"timm's {name} cannot be built for {config.image_size} px images: {error}.") from None


def unknown(name: str) -> str:
    """The sentence for a name that timm does not have, with those that begin much alike."""
    import timm

    base = name.partition(".")[0]  # without the tag of the weights
    beginnings: dict[str, str] = {}  # the first model that begins so, cut to the length of what was typed
    for known in timm.list_models():
        beginnings.setdefault(known[: len(base)], known)
    near = [beginnings[beginning] for beginning in get_close_matches(base, beginnings, n=3)]
    hint = f"did you mean {', '.join(near)}" if near else "timm.list_models() gives the names"
    return f"timm has no model named {name!r}; {hint}."
