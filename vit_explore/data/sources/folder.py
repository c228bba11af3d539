"""A folder or a zip of class folders: the user's own pictures, in any mix of formats."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
import zlib
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.data import cache
from vit_explore.data.base import DatasetStatus, Pool, Progress, Source, Split, datasets
from vit_explore.data.images import MAX_BYTES, load_image, resize_crop
from vit_explore.data.loading import check_memory
from vit_explore.data.members import Entry, Layout, Listing, arrange, located, name_of, open_listing, shown_names
from vit_explore.errors import BadConfig, BadData, BadImage

_SPLITS = ("train", "val", "test")
_CHUNK = 16  # pictures that a thread decodes at a time


@datasets.register("folder")
class Folder(Source):
    """Class folders of pictures, with or without train, val and test on top; each is resized and centre-cropped."""

    name = "folder"
    title = "Your own pictures"
    description = "A folder or a zip with one sub-folder of pictures for each class."

    def load(self, config: DataConfig, progress: Progress) -> Pool:
        if not config.path:
            raise BadConfig("The dataset 'folder' needs a path; name a folder or a zip of class folders.")
        path = located(config.path)
        with open_listing(path) as listing:
            layout = arrange(listing, name_of(path))
            names = tuple(split for split in _SPLITS if split in layout.pictures)
            key = _key(path, listing, config.image_size)
            stored, left_out = cache.load(key, names), ""
            if stored is None:
                stored, failed = _decode(listing, layout, config.image_size, progress)
                failed += [f"{entry.path} (in no class folder)" for entry in layout.skipped]
                if failed:  # not cached, so that the next load says so again
                    left_out = _left_out(name_of(path), failed)
                    warnings.warn(left_out, stacklevel=2)
                else:
                    cache.store(key, stored)
        _check_counts(name_of(path), layout.classes, stored)
        return Pool(shown_names(layout.classes), stored["train"], stored.get("test"), stored.get("val"), left_out)

    def status(self) -> DatasetStatus:
        return self._status(True, "a folder or a zip of your choice (path)")

    def prepare(self, progress: Progress) -> str:
        raise BadConfig("The dataset 'folder' is your own pictures, so there is nothing to get; name them with path.")


def _key(path: Path, listing: Listing, size: int) -> str:
    """Names the content: a picture that is added or changed gives another key."""
    zip_facts = [] if path.is_dir() else [path.stat().st_size, path.stat().st_mtime_ns]
    facts = (1, str(path.resolve()), size, zip_facts, [(str(e.path), e.size, e.modified) for e in listing.entries])
    return "folder-" + hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _decode(listing: Listing, layout: Layout, size: int, progress: Progress) -> tuple[dict[str, Split], list[str]]:
    """(the splits, the pictures that could not be read and why)."""
    total = sum(len(entries) for by_class in layout.pictures.values() for entries in by_class.values())
    check_memory(total, size)
    splits: dict[str, Split] = {}
    failed: list[str] = []
    done = 0
    for split in (split for split in _SPLITS if split in layout.pictures):
        jobs = [
            (entry, label)
            for label, name in enumerate(layout.classes)
            for entry in layout.pictures[split].get(name, [])
        ]
        images = np.empty((len(jobs), 3, size, size), np.uint8)
        sound = np.zeros(len(jobs), bool)
        with closing(_read_all(listing, [entry for entry, _ in jobs], images)) as reasons:
            for row, reason in enumerate(reasons):
                sound[row] = reason is None
                failed += [reason] if reason else []
                done += 1
                progress("Reading pictures", done / max(total, 1))  # the place to leave early
        labels = np.array([label for _, label in jobs], np.int64)
        order = np.random.default_rng(0).permutation(np.flatnonzero(sound))  # so that no part of it is all one class
        splits[split] = Split(images[order], labels[order])
    return splits, failed


def _read_all(listing: Listing, entries: Sequence[Entry], out: np.ndarray) -> Generator[str | None, None, None]:
    """Fill `out` (n, 3, size, size); for each entry, part by part, None or why it could not be read."""

    def work(start: int) -> list[str | None]:
        return [_read_one(listing, entries[row], out[row]) for row in range(start, min(start + _CHUNK, len(entries)))]

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # each may hold a picture of 64 megapixels
    try:
        for part in pool.map(work, range(0, len(entries), _CHUNK)):
            yield from part
    finally:
        pool.shutdown(cancel_futures=True)  # whoever leaves waits for the parts in hand, not for all


def _read_one(listing: Listing, entry: Entry, out: np.ndarray) -> str | None:
    if entry.size > MAX_BYTES:
        return f"{entry.path} (more than {MAX_BYTES // 2**20} MB)"
    try:
        out[:] = resize_crop(load_image(listing.read(entry)), out.shape[1]).transpose(2, 0, 1)
    except BadImage as error:
        return f"{entry.path} ({str(error).rstrip('.')})"
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:  # RuntimeError: unknown compression
        return f"{entry.path} ({error})"
    return None


def _left_out(name: str, failed: list[str]) -> str:
    return (
        f"{len(failed)} of the pictures in {name} could not be used and {'is' if len(failed) == 1 else 'are'} "
        f"left out, the first: {failed[0]}."
    )


def _check_counts(name: str, classes: Sequence[str], splits: dict[str, Split]) -> None:
    """Raises BadData where a class has too few pictures to be split, or a split of its own lacks a class."""
    carved = 3 - len(splits)  # splits that are still to be taken from the training pictures
    for split in splits:
        least = 1 + carved if split == "train" else 1
        counts = np.bincount(splits[split].labels, minlength=len(classes))
        for label, count in enumerate(counts.tolist()):
            if count < least:
                raise BadData(
                    f"The class {classes[label]!r} of {name} has {count or 'no'} readable {_PICTURES[count == 1]} for "
                    f"{split} and needs at least {least}; add pictures, or remove its folder."
                )


_PICTURES = ("pictures", "picture")
