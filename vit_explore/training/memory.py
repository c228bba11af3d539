"""The memory of a run, estimated before anything of it is built.

It is the sum of
weights     4 bytes a parameter (fp32), and as much again for the copy on which a step is tried out
gradients   4 bytes a parameter
optimiser   8 bytes a parameter for Adam and AdamW (two moments); 4 for the matrices that Muon takes, and for SGD
            with momentum (one); 4 more for the moving average of the weights
activations what autograd keeps of an image for the way back, times the batch size: the model is run on the meta
            device, where nothing is computed, and torch.autograd.graph.saved_tensors_hooks sees each tensor kept
images      uint8, as they lie on the device
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import psutil
import torch
from torch import Tensor

from vit_explore.config import ModelConfig, RunConfig, TrainConfig
from vit_explore.models import create_model
from vit_explore.training.advice import Memory

PROBE_IMAGES = 2  # BatchNorm needs two


def memory_of_device(device: torch.device) -> tuple[int, int]:
    """Bytes that are free now, and bytes in all."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def memory_of(config: RunConfig, images: int) -> Memory:
    """The memory of a run that holds so many images. Raises as create_model."""
    model, train = config.model, config.train
    shape = _shape(model)
    images = images * 3 * config.data.image_size**2
    if train.tune == "head":  # what the rest would need goes into a few thousand numbers
        return Memory(2 * 4 * shape.params, 0, 0, 0, images)
    return Memory(
        weights=2 * 4 * shape.params,
        gradients=4 * shape.params,
        optimiser=4 * (_moments(train, shape) + (shape.params if train.ema else 0)),
        activations=train.batch_size * shape.kept,
        images=images,
    )


def _moments(train: TrainConfig, shape: _Shape) -> int:
    """Numbers that the optimiser keeps."""
    if train.optimizer == "sgd":
        return shape.params if train.momentum else 0
    return 2 * shape.params - (shape.matrices if train.optimizer == "muon" else 0)


@dataclass(frozen=True)
class _Shape:
    """Of a model: parameters, those in Muon's matrices, and bytes that autograd keeps of one image."""

    params: int
    matrices: int
    kept: int


@lru_cache(maxsize=256)
def _shape(config: ModelConfig) -> _Shape:
    """On the meta device: of the size of the model nothing is allocated, and nothing is computed."""
    with torch.device("meta"):
        model = create_model(config.replace(pretrained=False)).train()
        images = torch.empty(PROBE_IMAGES, 3, config.image_size, config.image_size)
    of_the_model = {id(tensor.untyped_storage()) for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in of_the_model:
            kept[id(storage)] = storage.nbytes()
            alive.append(storage)
        return tensor

    alive: list[torch.UntypedStorage] = []  # an id is given again when its owner is gone
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(images)
    named = list(model.named_parameters())
    matrices = sum(p.numel() for name, p in named if config.card.matrices(name, p.ndim))
    return _Shape(sum(p.numel() for _, p in named), matrices, sum(kept.values()) // PROBE_IMAGES)
