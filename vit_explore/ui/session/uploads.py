"""Pictures that people sent, kept so that a reload or a link shows them again: few, small, without names or metadata.

Each is named by a part of the SHA-256 of its pixels, 64 bits that nobody guesses: who has the address sees the picture.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from vit_explore.data.images import load_image
from vit_explore.errors import BadImage, DiskFull
from vit_explore.home import home

# Pixels: a model sees a square of the short side, seldom of more than 518; each session holds its picture.
SHORT_SIDE, LONG_SIDE = 576, 1536
MAX_FILES, MAX_BYTES = 60, 200_000_000
LASTS = 7 * 24 * 3600  # seconds since somebody last looked at one


def fitting(pixels: np.ndarray) -> np.ndarray:
    """The picture, uint8 (H, W, 3), in the size in which it is kept."""
    height, width = pixels.shape[:2]
    scale = min(SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width))
    if scale >= 1:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((round(width * scale), round(height * scale)))
    return np.asarray(picture)


def name_of(pixels: np.ndarray) -> str:
    """16 hexadecimal digits of the SHA-256 of shape and pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:16]


def keep(pixels: np.ndarray) -> str:
    """Write the picture as PNG and give its name; the oldest make room. Raises DiskFull."""
    folder, name = _folder(), name_of(pixels)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{name}.png", pixels)
        _make_room(folder)
    except OSError as error:
        raise DiskFull(
            f"The picture could not be kept on this server ({error.strerror}): you see it until you reload the page."
        ) from None
    return name


def find(name: str) -> np.ndarray:
    """The picture of that name, uint8 (H, W, 3). Raises BadImage for one that is not kept (any more)."""
    path = _folder() / f"{name}.png"
    if not path.is_file():
        raise BadImage(f"This server does not have the picture {name} (any more); upload it again.")
    path.touch()
    return load_image(path)


def _folder() -> Path:
    return home() / "data" / "pictures"


def _write(path: Path, pixels: np.ndarray) -> None:
    """Whole or not at all; nobody but the server's own user may read it."""
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        os.replace(part, path)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def _make_room(folder: Path) -> None:
    """Drop those that nobody has looked at for a week, and those looked at longest ago, beyond the limits of count and
    size; the newest always stays."""
    used, oldest = 0, time.time() - LASTS
    stats = [(path.stat(), path) for path in folder.iterdir()]
    newest_first = sorted(stats, key=lambda entry: entry[0].st_mtime_ns, reverse=True)
    for place, (stat, path) in enumerate(newest_first):
        used += stat.st_size
        if place and (place >= MAX_FILES or used > MAX_BYTES or stat.st_mtime < oldest):
            path.unlink(missing_ok=True)
