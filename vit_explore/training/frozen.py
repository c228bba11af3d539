"""A linear probe: features of the frozen model, computed once for each image, and what trains a head on them.

The features are kept under home()/features by what they follow from, the frozen weights, the settings of their model
and the pixels themselves, so a second probe of the same model on the same images begins at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.config import ModelConfig
from vit_explore.data import Dataset, Split
from vit_explore.data.augment import to_input
from vit_explore.data.fitting import Fitting
from vit_explore.errors import DiskFull
from vit_explore.home import home
from vit_explore.models import summarise
from vit_explore.training.batches import Batches
from vit_explore.training.transfer import digest, headless

LIMIT = 2 * 2**30  # bytes of features kept on disk; those unused for longest go first
BATCH_FLOPS = 1e11  # of a forward pass: half a second or so, between two looks at whether someone wants to leave
MOST = 250  # images of a batch; of a given model always as many, so that the numbers are always the same
WITHOUT_EFFECT = {"num_classes", "init_from", "pretrained"}  # settings that change no feature of given weights
Said = tuple[str, float]  # what is being done, and the share of it

AS_IS = Fitting(1)  # features are "images" of one pixel, and stay as they are


class FeatureBatches(Batches):
    """Batches of features (B, D, 1, 1), which cannot be augmented."""

    @property
    def augment(self) -> str:
        return "none"

    @augment.setter
    def augment(self, _wanted: str) -> None:
        """Whatever a person sets."""


def featured(model: nn.Module, config: ModelConfig, dataset: Dataset) -> Generator[Said, None, Dataset]:
    """The dataset with features (n, D, 1, 1) float32 in place of images; yields between batches, and can be left there.

    model: of `config`, in eval mode, on its device. Raises NotApplicable for one with two heads.
    """
    work = _Work(model, config, dataset)
    train = yield from work.split(dataset.train)
    val = yield from work.split(dataset.val)
    test = yield from work.split(dataset.test)
    return replace(dataset, train=train, val=val, test=test)


class _Work:
    """Features of one split after another; those that are on disk are read."""

    def __init__(self, model: nn.Module, config: ModelConfig, dataset: Dataset) -> None:
        self.model, self.fitting, self.done = model, Fitting(config.image_size, config.crop), 0
        self.batch = max(1, min(MOST, int(BATCH_FLOPS / max(1, summarise(config).flops))))
        device = next(model.parameters()).device
        self.mean, self.std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (dataset.mean, dataset.std))
        self.total = sum(len(part.labels) for part in (dataset.train, dataset.val, dataset.test))
        with headless(model):
            weights = digest(model.state_dict())
        knobs = config.model_dump_json(exclude=WITHOUT_EFFECT)  # one set of weights fits any number of attention heads
        self.key = f"{weights} {knobs} {dataset.mean} {dataset.std} {device.type} {self.batch}"

    def split(self, part: Split) -> Generator[Said, None, Split]:
        """The split with features in place of images."""
        name = _name(self.key, part.images)
        features = _read(name, len(part.labels))
        if features is None:
            features = yield from self._computed(part.images)
            _write(name, features)
        self.done += len(part.labels)
        return Split(features[:, :, None, None], part.labels)

    def _computed(self, images: np.ndarray) -> Generator[Said, None, np.ndarray]:
        found = []
        for start in range(0, len(images), self.batch):
            yield f"Features of {self.total:,} images, once", (self.done + start) / self.total
            found.append(self._batch(images[start : start + self.batch]))
        return torch.cat(found).numpy()

    @torch.inference_mode()
    def _batch(self, images: np.ndarray) -> Tensor:
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.mean.device)
        x = to_input(self.fitting(batch), self.mean, self.std).contiguous(memory_format=torch.channels_last)
        with headless(self.model):
            return self.model(x).float().flatten(1).cpu()


def _name(key: str, images: np.ndarray) -> str:
    pixels = hashlib.sha256(f"{key} {images.shape}".encode())
    for start in range(0, len(images), 1000):  # in parts: they may be mapped from a file
        pixels.update(np.ascontiguousarray(images[start : start + 1000]).data)
    return f"{pixels.hexdigest()[:24]}.npy"


def _read(name: str, count: int) -> np.ndarray | None:
    """Features (count, D) from the disk; None where there are none, or none that can be read."""
    try:
        path = home() / "features" / name
        found = np.load(path)
    except (OSError, ValueError, EOFError, DiskFull):
        return None
    with contextlib.suppress(OSError):  # a read-only folder: the age is then not tracked
        os.utime(path)
    return found if found.ndim == 2 and len(found) == count and found.dtype == np.float32 else None


def _write(name: str, features: np.ndarray) -> None:
    """Keep them; without room for it, the next probe computes them again."""
    with contextlib.suppress(OSError, DiskFull):
        folder = home() / "features"
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.{os.getpid()}-{time.monotonic_ns()}.part"
        try:
            with open(part, "wb") as file:
                np.save(file, features)
            os.replace(part, folder / name)
        finally:
            part.unlink(missing_ok=True)
        _trim(folder, keep=name)


def _trim(folder: Path, keep: str) -> None:
    """Remove the oldest beyond LIMIT, also of those that a killed process has left half written."""
    files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir())
    excess = sum(size for _, size, _ in files) - LIMIT
    for _, size, path in files:
        if excess > 0 and path.name != keep:
            path.unlink(missing_ok=True)
            excess -= size
