"""The one place where stored bytes become arrays, weights and states again; what is damaged gives one sentence."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vit_explore.errors import DamagedFile, VitExploreError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def guarded(what: str, way_on: str) -> Iterator[None]:
    """Whatever reading `what` raises becomes DamagedFile, with `way_on` as the advice.

    Zip, zlib, pickle, NumPy, torch and safetensors raise a dozen kinds of error on cut, empty or foreign files.
    """
    try:
        yield
    except VitExploreError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, Misfit) else type(error).__name__
        raise DamagedFile(f"{what} cannot be read ({reason}); {way_on}.") from error


class Misfit(ValueError):
    """Bytes that can be read and are not what they should be; its words go into the sentence."""


def state(path: Path) -> dict[str, Any]:
    """What torch.save wrote, on the CPU, plain data and tensors only. Raises all kinds: use it within `guarded`."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(found, dict):
        raise Misfit(f"it holds a {type(found).__name__} and not the state of a run")
    return found


def weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises all kinds: use it within `guarded`."""
    from safetensors.torch import load

    return load(path.read_bytes())  # not mapped: a file cut short meanwhile would end the process


def samples(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """images (n, 3, h, w) uint8 and labels (n,) int64 of an .npz. Raises all kinds: use it within `guarded`."""
    with np.load(path, allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3 or labels.shape != images.shape[:1]:
        raise Misfit(f"images {images.dtype} {images.shape} and labels {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise Misfit(f"labels of {labels.dtype}")
    return images, labels.astype(np.int64)


def array(data: bytes, ndim: int, kinds: str) -> np.ndarray:
    """The array of records.pack, which must have `ndim` axes and a dtype of one of `kinds` (NumPy's letters)."""
    found = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    if found.ndim != ndim or found.dtype.kind not in kinds:
        raise Misfit(f"an array of {found.dtype} {found.shape}")
    return found


def mapping(text: str) -> dict[str, Any]:
    """A JSON object. Raises all kinds: use it within `guarded`."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise Misfit(f"it holds a {type(found).__name__}")
    return found
