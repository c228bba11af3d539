"""Decoded images kept as .npy files under home()/data, so that the second load is a read.

A cached set is a few arrays under one key; the key names the exact source, so that another source never serves stale
pixels. Each file is written beside its place and renamed into it: a reader sees all of it or nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vit_explore.data.base import Split
from vit_explore.errors import DiskFull
from vit_explore.home import home

LIMIT = 4 * 2**30  # bytes of decoded images kept on disk; the sets unused for longest go first
_UNFINISHED = ".part"


def data_home() -> Path:
    """The folder of the decoded images and of archives that a user puts there; it may not exist yet."""
    return home() / "data"


def load(key: str, splits: tuple[str, ...]) -> dict[str, Split] | None:
    """The splits stored under `key`, memory-mapped read-only; None when one is missing or damaged."""
    try:
        folder = data_home()
        found = {name: _read(folder, f"{key}-{name}") for name in splits}
    except (OSError, ValueError, EOFError, DiskFull):
        return None
    with contextlib.suppress(OSError):  # a read-only folder: the age is then not tracked
        for path in folder.glob(f"{key}-*.npy"):
            os.utime(path)
    return found


def has(key: str, splits: tuple[str, ...]) -> bool:
    """Whether `key` is stored, by the names of its files alone."""
    parts = [f"{key}-{name}-{part}.npy" for name in splits for part in ("images", "labels")]
    return all((data_home() / part).is_file() for part in parts)


def store(key: str, splits: Mapping[str, Split]) -> None:
    """Store `splits` under `key`; a disk that is full or read-only costs a warning, not the load."""
    try:
        folder = data_home()
        folder.mkdir(parents=True, exist_ok=True)
        for name, split in splits.items():
            # the labels last: `has` looks for them
            for part in ("masks", "images", "labels"):
                array = getattr(split, part)
                if array is not None:
                    _write(folder / f"{key}-{name}-{part}.npy", array)
        _trim(folder, keep=key)
    except (OSError, DiskFull) as error:
        reason = getattr(error, "strerror", None) or error
        warnings.warn(
            f"The decoded images could not be cached ({str(reason).rstrip('.')}), so the next load decodes them again; "
            "free some space or set VIT_EXPLORE_HOME to a folder that can be written.",
            stacklevel=2,
        )


def _read(folder: Path, stem: str) -> Split:
    images = np.load(folder / f"{stem}-images.npy", mmap_mode="r")
    labels = np.load(folder / f"{stem}-labels.npy")
    masks = folder / f"{stem}-masks.npy"
    if images.ndim != 4 or images.dtype != np.uint8 or len(labels) != len(images):
        raise ValueError(f"{stem} does not hold images with labels")
    return Split(images, labels, np.load(masks, mmap_mode="r") if masks.is_file() else None)


def _write(path: Path, array: np.ndarray) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}{_UNFINISHED}")
    try:
        with open(part, "wb") as file:
            np.save(file, array)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _trim(folder: Path, keep: str) -> None:
    """Remove what a killed process left half-written an hour ago, and the oldest sets beyond LIMIT, each as a whole."""
    hour_ago = time.time() - 3600
    for path in folder.glob(f"*{_UNFINISHED}"):
        if path.stat().st_mtime < hour_ago:
            path.unlink(missing_ok=True)
    sets: dict[str, list[tuple[float, int, Path]]] = defaultdict(list)
    for path in folder.glob("*.npy"):
        sets[path.name.rsplit("-", 2)[0]].append((path.stat().st_mtime, path.stat().st_size, path))
    excess = sum(size for files in sets.values() for _, size, _ in files) - LIMIT
    for key, files in sorted(sets.items(), key=lambda item: max(item[1])):
        for _, size, path in files if excess > 0 and key != keep else ():
            with contextlib.suppress(PermissionError):  # on Windows, a file that another process has mapped
                path.unlink(missing_ok=True)
                excess -= size
