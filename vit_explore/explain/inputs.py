"""What every explanation checks first: the model, the images, the target class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable, VitExploreError
from vit_explore.explain.geometry import embedding, is_torchvisions, name_of, patch_pixels, takes_any_size


def module_of(model: Any) -> nn.Module:
    """The module itself, or the `.model` of a LoadedModel. Raises BadConfig for anything else."""
    inner = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(inner, nn.Module):
        raise BadConfig(f"A {type(model).__name__} is not a model; give an nn.Module or what load_model returns.")
    return inner


def ready_images(net: nn.Module, images: Any) -> Tensor:
    """Normalised images (B, 3, h, w), checked, detached, on the model's device and in its dtype. Raises BadConfig."""
    if isinstance(images, np.ndarray):
        raise BadConfig(
            f"The images came as a NumPy array of shape {images.shape} and type {images.dtype}; give a normalised "
            "tensor (B, 3, h, w): of a picture, load_model(...).preprocess(picture) makes one."
        )
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or not images.shape[0]:
        came = f"shape {tuple(images.shape)}" if hasattr(images, "shape") else type(images).__name__
        raise BadConfig(
            f"The images must be one normalised tensor of shape (B, 3, h, w), not {came}; stack them first."
        )
    if not images.is_floating_point():
        raise BadConfig(
            f"The images are {str(images.dtype).removeprefix('torch.')}, so they are not normalised; scale them to 0 "
            "to 1, take away the mean and divide by the spread, as load_model(...).preprocess(picture) does."
        )
    if not images.isfinite().all():
        raise BadConfig("The images hold NaN or infinite values; check how they were loaded and normalised.")
    _check_size(net, (int(images.shape[2]), int(images.shape[3])))
    weight = next((p for p in net.parameters() if p.is_floating_point()), None)
    if weight is None:
        return images.detach().float()
    return images.detach().to(device=weight.device, dtype=weight.dtype)


@contextmanager
def taking(net: nn.Module, images: Tensor) -> Iterator[None]:
    """Where the model says, each in its own way, that images of this size do not fit it, that is BadConfig."""
    try:
        yield
    except VitExploreError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        raise BadConfig(
            f"{name_of(net, at_start=True)} cannot take images of {images.shape[2]} x {images.shape[3]} px; "
            "give images of its size."
        ) from error


def check_alone(net: nn.Module) -> None:
    """Raises NotApplicable for a model that mixes the images of a batch: put together, passes change its answers."""
    if getattr(net, "mixes_batch", False):
        raise NotApplicable(
            f"{name_of(net, at_start=True)} attends across the batch, so what it says of a picture depends on those "
            "beside it, and this asks about many at once; train it with attend_over = tokens, or choose another model."
        )


def _check_size(net: Any, size: tuple[int, int]) -> None:
    embed = embedding(net)
    if takes_any_size(net):
        cell = patch_pixels(embed)
        if not getattr(embed, "dynamic_img_pad", False) and any(s % c for s, c in zip(size, cell, strict=True)):
            raise BadConfig(
                f"Images of {size[0]} x {size[1]} px do not divide into patches of {cell[0]} x {cell[1]} px; "
                "resize them to multiples of the patch size."
            )
        return
    wanted = (net.image_size,) * 2 if is_torchvisions(net) else getattr(embed, "img_size", None)
    if wanted is not None and tuple(wanted) != size:
        raise BadConfig(
            f"The model takes images of {wanted[0]} x {wanted[1]} px, not {size[0]} x {size[1]}; resize them first."
        )


def check_logits(logits: Any) -> Tensor:
    """Logits (B, classes). Raises NotApplicable where the model gives something else, BadConfig for NaN or infinity."""
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        came = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise NotApplicable(f"The model's output has {came} in place of (B, classes); choose a model that classifies.")
    check_finite("The logits", logits)
    return logits


def check_finite(what: str, *values: Tensor) -> None:
    """Raises BadConfig where a weight is damaged, or a value is beyond the range of half precision."""
    if not all(bool(value.isfinite().all()) for value in values):
        raise BadConfig(
            f"{what} of this model are not all finite numbers: a weight is, or a value is beyond the range of "
            f"{str(values[0].dtype).removeprefix('torch.')}; check the weights, or use model.float()."
        )


def ready_targets(net: nn.Module, logits: Tensor, target: int | Tensor | None) -> Tensor:
    """Class of each image, (B,) int64: the predicted one where `target` is None. Raises BadConfig, NotApplicable."""
    batch, classes = check_logits(logits).shape
    if getattr(net, "num_classes", classes) == 0:
        raise NotApplicable("The model has no classification head, so no class can be explained; load it with one.")
    if target is None:
        return logits.argmax(dim=1)
    wanted = torch.as_tensor(target, device=logits.device)
    if wanted.is_floating_point() or wanted.dtype == torch.bool or wanted.shape not in ((), (1,), (batch,)):
        raise BadConfig(
            f"target = {target!r} is not possible: give one class index, or one for each of {batch} images."
        )
    if int(wanted.min()) < 0 or int(wanted.max()) >= classes:
        raise BadConfig(f"target = {target!r} is not possible: the model's classes are 0 to {classes - 1}.")
    return wanted.long().expand(batch)


def ready_labels(labels: Any, count: int) -> Tensor:
    """The true classes, (count,) int64. Raises BadConfig."""
    known = labels.detach().cpu() if isinstance(labels, Tensor) else torch.tensor(np.array(labels))
    if known.shape != (count,) or known.is_floating_point():
        raise BadConfig(f"The labels have shape {tuple(known.shape)}; give one class index for each of {count} images.")
    return known.long()
