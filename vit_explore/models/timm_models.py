"""Any timm image model by name, at the image size and the number of classes of the data.

What kind of model a name stands for follows from the file of timm that registers it, read as text: importing timm takes
a second, and a list of runs cannot wait for it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_explore.cards import QUESTIONS, Card, Collection, collections, knobs
from vit_explore.errors import BadConfig, ModelUnavailable, UnknownName, VitExploreError
from vit_explore.models.vit.card import in_blocks, spared

if TYPE_CHECKING:
    from torch import nn

    from vit_explore.config import ModelConfig

PREFIX = "timm:"
_IN_CACHE = "models--timm--"  # how the hub's cache calls the folders of timm's repositories
_UNTRAINED = ".untrained"
_ALL = frozenset(QUESTIONS)
_RELATIVE = _ALL - {"positions"}  # positions enter within the attention, in all or most of the file's models
_CONVOLUTIONS = frozenset({"filters", "grad_cam"})
_KINDS: dict[str, tuple[str, frozenset[str]]] = {  # file -> family, answers
    "vision_transformer": ("vit", _ALL),
    "vision_transformer_hybrid": ("vit", _ALL),
    "deit": ("vit", _ALL),
    "naflexvit": ("vit", _ALL),
    "beit": ("vit", _RELATIVE),
    "eva": ("vit", _RELATIVE),
    "vision_transformer_relpos": ("vit", _RELATIVE),
    "resnet": ("resnet", _CONVOLUTIONS),
    "resnetv2": ("resnet", _CONVOLUTIONS),
}
_REGISTERED = re.compile(r"^@register_model\s*\ndef (\w+)", re.MULTILINE)
_TAGGED = re.compile(r"^\s*['\"](\w+\.\w+)['\"]\s*:", re.MULTILINE)
_OLD_NAMES = re.compile(r"register_model_deprecations\(__name__, \{(.*?)\}\)", re.DOTALL)


@cache
def timm_modules() -> Mapping[str, str]:
    """Every name of timm, old ones included, with the file of `timm.models` that registers it; timm stays unloaded."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return {}
    found: dict[str, str] = {}
    for file in sorted((Path(spec.origin).parent / "models").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        names = _REGISTERED.findall(text)
        for block in _OLD_NAMES.findall(text):
            names += re.findall(r"^\s*['\"](\w+)['\"]:", block, re.MULTILINE)
        found.update(dict.fromkeys(names, file.stem))
    return found


@cache
def families() -> Mapping[str, str]:
    """Every name of timm without a tag, with its family as on its card: vit, resnet, or the file that registers it."""
    return {name: _KINDS.get(module, (module,))[0] for name, module in timm_modules().items()}


@cache
def weight_names() -> tuple[str, ...]:
    """NAME.TAG of the weights that timm's files name, read as text; for a few of them nothing is published any more."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return ()
    files = sorted((Path(spec.origin).parent / "models").glob("*.py"))
    named = {name: None for file in files for name in _TAGGED.findall(file.read_text(encoding="utf-8"))}
    return tuple(name for name in named if name.partition(".")[0] in timm_modules() and _UNTRAINED not in name)


def cached_weights() -> frozenset[str]:
    """NAME.TAG of the weights in this machine's cache of the Hugging Face hub: one look at its folders, no network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    found = Path(HF_HUB_CACHE).glob(f"{_IN_CACHE}*/snapshots/*/*")
    weights = (file for file in found if file.suffix in (".safetensors", ".bin"))
    return frozenset(file.parents[2].name.removeprefix(_IN_CACHE) for file in weights if file.exists())


@cache
def timm_card(architecture: str) -> Card | None:
    """The card of `timm:NAME`, or of a bare NAME that timm knows."""
    name = architecture.removeprefix(PREFIX)
    module = timm_modules().get(name.partition(".")[0], "")  # without the tag of the weights
    if name == architecture and not module:
        return None
    family, answers = _KINDS.get(module, (module, frozenset({"filters"} if module else ())))
    return Card(
        name=architecture,
        title=name,
        family=family,
        about=f"A model of timm, from its file {module}.py." if module else "A model that timm does not know.",
        paper="Wightman 2019, PyTorch Image Models",
        build=create_timm_model,
        imports="timm",
        knobs=knobs("pretrained"),
        answers=answers,
        is_random=lambda config: True,  # some have dropout of their own
        matrices=in_blocks,
        spared=spared,
        describe=lambda config: name,
        timm_recipe=timm_recipe,
    )


collections.register("timm")(Collection("timm:NAME for any model of timm", timm_card))


def create_timm_model(config: ModelConfig) -> nn.Module:
    """The timm model `timm:NAME` (or `NAME`) with `num_classes` outputs, for `image_size` where it takes a size."""
    from timm.models import is_model_pretrained

    name = config.architecture.removeprefix(PREFIX)
    wrong = trouble(name)
    if wrong is not None:
        raise UnknownName(wrong)
    if config.pretrained and not is_model_pretrained(name):
        raise ModelUnavailable(f"timm publishes no weights for {name}; leave `pretrained` off or choose another model.")
    instead = "use the model with random weights" if config.pretrained else None
    with timm_errors(f"timm's {name} cannot be built for {config.image_size} px images", name, instead):
        return _create(name, config)


@contextmanager
def timm_errors(what: str, name: str, instead: str | None = None) -> Iterator[None]:
    """Whatever timm raises becomes one sentence: BadConfig, "`what` (why); choose another size or model".

    instead: what may be done without the published weights, where they are being fetched: ModelUnavailable.
    """
    try:
        yield
    except VitExploreError:
        raise
    except Exception as error:
        if instead is not None and not isinstance(error, AssertionError | TypeError | ValueError):
            raise ModelUnavailable(
                f"The published weights of {name} are neither on this machine nor reachable ({type(error).__name__}); "
                f"connect once to fetch them, or {instead}."
            ) from error
        reason = " ".join(str(error).split())[:160].rstrip(".")
        why = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise BadConfig(f"{what} ({why}); choose another size or model.", "model") from error


def _create(name: str, config: ModelConfig) -> nn.Module:
    import timm

    options: dict[str, Any] = {"pretrained": config.pretrained, "num_classes": config.num_classes}
    try:
        return timm.create_model(name, img_size=config.image_size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return timm.create_model(name, **options)  # a convolutional net takes any size


def timm_recipe(config: ModelConfig) -> str:
    """Python text that makes the model; with the image size where timm takes one."""
    import torch

    name = config.architecture.removeprefix(PREFIX)
    options = f"num_classes={config.num_classes}"
    with torch.device("meta"):
        takes_size = "img_size" in getattr(create_timm_model(config.replace(pretrained=False)), "_model_args", {})
    size = f", img_size={config.image_size}" if takes_size else ""
    return f"import timm\n\nmodel = timm.create_model({name!r}, {options}{size})\n"


def trouble(name: str) -> str | None:
    """The sentence for a name, or for a tag of weights, that timm does not have; None where it has both."""
    import timm
    from timm.models import get_pretrained_cfg

    if not timm.is_model(name):
        return unknown(name)
    try:
        get_pretrained_cfg(name)
    except RuntimeError:
        base, _, tag = name.partition(".")
        tags = [full.partition(".")[2] for full in timm.list_models(f"{base}.*", pretrained=True)]
        known = f"has weights tagged {', '.join(tags)} and none" if tags else "has no weights"
        return f"timm's {base} {known} tagged {tag!r}; choose another tag, or leave it out."
    return None


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
