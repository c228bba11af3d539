"""The archive of the CIFAR datasets as their author packed it, the one that torchvision downloads: a tar of pickles.

The checksum is torchvision's. Nothing is unpacked to the disk, and the pickles may build arrays and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tarfile
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vit_explore.data.base import Progress, Split
from vit_explore.errors import BadData

TIMEOUT = 15.0  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """Where an archive comes from, and which of its members hold which split."""

    url: str
    md5: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[1]


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays; any other global is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            import _codecs

            return _codecs.encode
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def download_archive(archive: Archive, target: Path, progress: Progress) -> None:
    """Fetch `archive` to `target`, whole or not at all. Raises OSError where the network fails or goes quiet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(archive.url, timeout=TIMEOUT) as answer, open(part, "wb") as file:
            total, seen = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(2**18):
                file.write(block)
                seen += len(block)
                progress(f"Downloading {archive.filename} (torchvision's archive)", seen / total if total else 0.0)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def read_archive(archive: Archive, path: Path, label_keys: Sequence[str], progress: Progress) -> dict[str, Split]:
    """'train' and 'test': images (n, 3, 32, 32), labels (n, k), a column per key. Raises BadData, naming the file."""
    progress(f"Checking {path.name}", 0.0)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != archive.md5:
        raise BadData(f"The archive {path} is corrupt or cut off (its checksum is wrong); delete it and get it again.")
    try:
        with tarfile.open(path, "r:gz") as tar:
            return {
                split: _read_members(tar, members, label_keys, progress)
                for split, members in (("train", archive.train), ("test", archive.test))
            }
    except (tarfile.TarError, pickle.UnpicklingError, KeyError, ValueError, EOFError, zlib.error) as error:
        raise BadData(
            f"The archive {path} does not hold what it should ({error}); delete it and get it again."
        ) from None


def _read_members(tar: tarfile.TarFile, members: Sequence[str], label_keys: Sequence[str], progress: Progress) -> Split:
    images, labels = [], []
    for number, member in enumerate(members):
        file = tar.extractfile(member)
        if file is None:
            raise KeyError(member)
        batch = _ArrayUnpickler(file, encoding="latin1").load()
        images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
        labels.append(np.stack([np.asarray(batch[key], np.int64) for key in label_keys], axis=1))
        progress(f"Reading {member}", (number + 1) / len(members))
    return Split(np.concatenate(images), np.concatenate(labels))
