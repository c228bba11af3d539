"""Uploads by their hash: the same picture again, few of them, and nothing that names their owner."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_explore.data.images import load_image
from vit_explore.errors import BadImage, DiskFull
from vit_explore.ui.session import uploads


def pixels(seed: int, side: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (side, side + 3, 3), dtype=np.uint8)


def kept(home: Path) -> list[Path]:
    return sorted((home / "data" / "pictures").iterdir())


def test_a_picture_is_found_again_to_the_pixel(home: Path) -> None:
    name = uploads.keep(pixels(1))
    assert np.array_equal(uploads.find(name), pixels(1))
    assert uploads.keep(pixels(1)) == name
    assert len(kept(home)) == 1
    assert (kept(home)[0].stat().st_mode & 0o077) == 0  # nobody else on this machine reads it


def test_pixels_in_another_shape_are_another_picture() -> None:
    assert uploads.name_of(np.zeros((2, 6, 3), np.uint8)) != uploads.name_of(np.zeros((6, 2, 3), np.uint8))


def test_no_metadata_is_kept(home: Path) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010F] = "camera of somebody"
    Image.fromarray(pixels(1)).save(buffer, "JPEG", exif=exif)
    uploads.keep(load_image(buffer.getvalue()))
    assert b"somebody" in buffer.getvalue()
    assert b"somebody" not in kept(home)[0].read_bytes()


def test_large_pictures_are_made_to_fit() -> None:
    def fitted(height: int, width: int) -> tuple[int, ...]:
        return uploads.fitting(np.zeros((height, width, 3), np.uint8)).shape

    assert fitted(3000, 4000) == (576, 768, 3)  # the short side is the square that a model sees
    assert fitted(2000, 500) == (1536, 384, 3)
    assert fitted(576, 1536) == (576, 1536, 3)
    assert uploads.fitting(pixels(1)) is not None
    assert np.array_equal(uploads.fitting(pixels(1)), pixels(1))


def test_those_not_looked_at_for_longest_make_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    names, now = [uploads.keep(pixels(seed)) for seed in range(3)], time.time()
    for age, name in zip((3, 2, 1), names, strict=True):
        os.utime(home / "data" / "pictures" / f"{name}.png", (now - 60 * age, now - 60 * age))
    uploads.find(names[0])  # looked at again: now the youngest
    last = uploads.keep(pixels(9))
    assert {path.stem for path in kept(home)} == {names[0], names[2], last}
    with pytest.raises(BadImage, match="does not have the picture"):
        uploads.find(names[1])


def test_the_size_is_bounded_but_the_newest_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    uploads.keep(pixels(1))
    last = uploads.keep(pixels(2))
    assert [path.stem for path in kept(home)] == [last]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskFull, match=r"No space left on device.*until you reload"):
        uploads.keep(pixels(1))
    assert kept(home) == []


def test_what_nobody_has_looked_at_for_a_week_goes(home: Path) -> None:
    old, seen = uploads.keep(pixels(1)), uploads.keep(pixels(2))
    for path in kept(home):
        os.utime(path, (0, 0))
    uploads.find(seen)
    uploads.keep(pixels(3))
    assert {path.stem for path in kept(home)} == {seen, uploads.name_of(pixels(3))}
    with pytest.raises(BadImage, match="any more"):
        uploads.find(old)
