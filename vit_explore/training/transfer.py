"""From trained weights to a model for other classes, and maybe for images of another size.

Everything is taken over but the head: it starts at zero, as in the paper's fine-tuning (section 3.2), so that the first
steps do not follow random numbers. Position embeddings of another grid are resampled (ibid.: 2-D interpolation).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import RunConfig
from vit_explore.data import Dataset
from vit_explore.errors import BadConfig, ModelUnavailable, NotApplicable
from vit_explore.training.weights import difference

POSITIONS = "pos_embed"
LAST = ("head", "fc", "classifier")  # what the last layer is called where the model does not tell
Three = tuple[float, float, float]


@dataclass(frozen=True)
class Initial:
    """What a run starts from: trained weights, and the pixel statistics that their model knows.

    weights: None for a run that has begun and goes on from a checkpoint or a snapshot. mean, std: None where they are
    not known: those of the data then.
    """

    ref: str  # a model reference, with the step that "latest" stood for
    digest: str  # of the weights
    mean: Three | None
    std: Three | None
    weights: Mapping[str, Tensor] | None = None

    def normalised(self, dataset: Dataset) -> Dataset:
        """The images as the source model was trained to see them."""
        return dataset if self.mean is None or self.std is None else replace(dataset, mean=self.mean, std=self.std)

    def put_into(self, model: nn.Module) -> None:
        """Fill a fresh model of the same architecture. Raises ModelUnavailable for weights of another one."""
        if self.weights is not None:
            model.load_state_dict(transferred(self.weights, model, self.ref))


def check_initial(config: RunConfig, initial: Initial | None) -> None:
    """Raises BadConfig where the weights that a run is to start from were not read: it never trains from others."""
    if config.model.init_from is not None and initial is None:
        raise BadConfig(
            f"The run starts from {config.model.init_from}, which was not read; train it by vit_explore.fit, the "
            "command line or the app, or pass its weights as `initial`.",
            "init_from",
        )


def transferred(weights: Mapping[str, Tensor], model: nn.Module, ref: str) -> dict[str, Tensor]:
    """The state_dict of `model` with these weights, its head zero, its position embeddings resampled to its grid."""
    own = model.state_dict()
    names = set(head_entries(model))
    taken = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    taken = {name: value for name, value in taken.items() if name not in names}
    taken |= {name: torch.zeros_like(own[name]) for name in names}
    if POSITIONS in own and POSITIONS in taken and taken[POSITIONS].shape != own[POSITIONS].shape:
        taken[POSITIONS] = _resampled(taken[POSITIONS], model, ref)
    why = difference(taken, own)
    if why is not None:
        raise ModelUnavailable(
            f"The weights of {ref} do not fit the model: {why}; "
            "choose the architecture and the input size that they are of."
        )
    return taken


def resampled(positions: Tensor, grid: tuple[int, int], prefix: int) -> Tensor:
    """Position embeddings (1, prefix + n, D) of a square grid for another grid (gh, gw): (1, prefix + gh * gw, D).

    Bicubic and antialiased, the tokens in front as they are. As timm's resample_abs_pos_embed.
    """
    front, patches = positions[:, :prefix], positions[:, prefix:]
    side = math.isqrt(patches.shape[1])
    picture = patches.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    picture = F.interpolate(picture, size=grid, mode="bicubic", antialias=True)
    return torch.cat([front, picture.permute(0, 2, 3, 1).flatten(1, 2).to(positions.dtype)], dim=1)


def _resampled(positions: Tensor, model: nn.Module, ref: str) -> Tensor:
    prefix = 0 if getattr(model, "no_embed_class", False) else int(getattr(model, "num_prefix_tokens", 0))
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    patches = positions.shape[1] - prefix if positions.ndim == 3 else 0
    if grid is None or patches < 1 or math.isqrt(patches) ** 2 != patches:
        raise ModelUnavailable(
            f"The position embeddings of {ref} are on no square grid, so they cannot be resampled; "
            "choose its own image size."
        )
    return resampled(positions, tuple(grid), prefix)


def heads(model: nn.Module) -> dict[str, nn.Linear]:
    """The layers that give the logits, by name: one, or two in a distilled model. Raises NotApplicable."""
    named = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    tell = getattr(model, "get_classifier", None)
    if callable(tell):
        found = _told(named, tell())
    else:
        last = next((name for name in LAST if name in named), list(named)[-1] if named else None)
        found = {} if last is None else {last: named[last]}
    if not found:
        raise NotApplicable("The model has no linear layer at its end, which new classes need; choose another model.")
    return found


def _told(named: dict[str, nn.Linear], told: nn.Module | tuple[nn.Module, ...]) -> dict[str, nn.Linear]:
    """Those of the linear layers that are, or lie in, what a model says its classifier is, and give its logits."""
    parts = told if isinstance(told, tuple) else (told,)
    within = {id(module) for part in parts for module in part.modules()}
    found = {name: module for name, module in named.items() if id(module) in within}
    outputs = next((module.out_features for module in reversed(found.values())), 0)
    return {name: module for name, module in found.items() if module.out_features == outputs}


def head_entries(model: nn.Module) -> list[str]:
    """The names of the head's weights in the state_dict."""
    return [f"{name}.{entry}" for name, head in heads(model).items() for entry in head.state_dict()]


@contextmanager
def headless(model: nn.Module) -> Iterator[nn.Module]:
    """The model with nothing in place of its head: it gives features (B, D). Raises NotApplicable for two heads."""
    (name, head), *more = heads(model).items()
    if more:
        raise NotApplicable(
            "The model has two heads, each on a token of its own; train all of it in place of the head."
        )
    parent = model.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], nn.Identity())
    try:
        yield model
    finally:
        setattr(parent, name.rpartition(".")[2], head)


def head_alone(model: nn.Module) -> nn.Module:
    """What is trained: features (B, D, 1, 1) to logits. The head is the model's own."""
    (head,) = heads(model).values()
    return nn.Sequential(nn.Flatten(), head)


def freeze(model: nn.Module) -> None:
    """All but the head keep their weights, and in eval mode BatchNorm its statistics, too."""
    model.requires_grad_(False).eval()
    for head in heads(model).values():
        head.requires_grad_(True)


def digest(weights: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that name these weights, in fp32."""
    found = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu()
        value = value.float() if value.is_floating_point() else value
        found.update(f"{name}{tuple(value.shape)}".encode())
        found.update(value.contiguous().numpy().data)
    return found.hexdigest()[:16]
