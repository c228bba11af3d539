"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from wherever people have them.

Looked for in this order: VIT_EXPLORE_DATA, what was decoded before, the hub's local cache, an archive that lies in
home()/data, the hub, torchvision's archive. So with the data at hand no network is touched.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.data import cache, hub
from vit_explore.data.archive import Archive, download_archive, read_archive
from vit_explore.data.base import DatasetStatus, Pool, Progress, Source, Split, datasets
from vit_explore.data.parquet import read_parquet
from vit_explore.errors import BadData, DataUnavailable, DiskFull

_SIZE = 32
_SPLITS = ("train", "test")
_Decoded = dict[str, Split]  # by split; labels (n, 1), or (n, 2) with the coarse ones


class _Cifar(Source):
    train_images = 50_000
    repo: ClassVar[str]
    folder: ClassVar[str]  # the hub's name of the configuration, a folder of parquet files
    image_column: ClassVar[str] = "img"
    label_columns: ClassVar[tuple[str, ...]]  # in the parquet files; the second one is the coarse labels
    archive: ClassVar[Archive]
    archive_keys: ClassVar[tuple[str, ...]]

    def load(self, config: DataConfig, progress: Progress) -> Pool:
        column = 1 if config.coarse_labels else 0
        key, decode = self._find(progress)
        decoded = cache.load(key, _SPLITS)
        if decoded is None:
            decoded = decode()
            for split in decoded.values():
                self._check_labels(split.labels)
            cache.store(key, decoded)
        train, test = (Split(decoded[name].images, decoded[name].labels[:, column]) for name in _SPLITS)
        return Pool(self.coarse_classes if config.coarse_labels else self.classes, train, test)

    def status(self) -> DatasetStatus:
        try:
            where = self._where()
        except BadData as error:
            return self._status(False, str(error))
        return self._status(where is not None, where or f"not here yet: python -m vit_explore data get {self.name}")

    def prepare(self, progress: Progress) -> str:
        self.load(DataConfig(dataset=self.name), progress)
        return f"{self.name} is ready: {self._where()}"

    def _where(self) -> str | None:
        if local := self._local_files():
            return f"VIT_EXPLORE_DATA ({next(iter(local.values()))[0].parent})"
        if local_archive := self._local_archive():
            return str(local_archive)
        if cache.has(self._published_key, _SPLITS):
            return f"decoded in {cache.data_home()}"
        cached = self._hub_cached()
        return f"the hub's cache ({cached['train'][0].parent})" if cached else None

    def _find(self, progress: Progress) -> tuple[str, Callable[[], _Decoded]]:
        """(key of the cache, how to decode if nothing is cached under it); only the decoding may touch the network."""
        if local := self._local_files():
            return self._key(local), lambda: self._decode(local, progress)
        if archive := self._local_archive():
            return self._key({"archive": [archive]}), lambda: self._decode_archive(archive, progress)
        return self._published_key, lambda: self._fetch(progress)

    @property
    def _published_key(self) -> str:
        return f"{self.name}-published-1"  # what the hub and the archive hold does not change

    def _key(self, files: dict[str, list[Path]]) -> str:
        facts = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for paths in files.values() for p in paths]
        return f"{self.name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}-1"

    def _local_files(self) -> dict[str, list[Path]] | None:
        """The parquet files of both splits under VIT_EXPLORE_DATA, or None. Raises BadData where one is missing."""
        root = os.environ.get("VIT_EXPLORE_DATA")
        if not root:
            return None
        base = Path(root).expanduser() / self.name
        for folder in (base / self.folder, base):
            found = {split: sorted(folder.glob(f"{split}*.parquet")) for split in _SPLITS}
            if all(found.values()):
                return found
            if any(found.values()):
                missing = "test" if found["train"] else "train"
                raise BadData(
                    f"The folder {folder} has no {missing}*.parquet beside the other split; "
                    "add it, or unset VIT_EXPLORE_DATA."
                )
        return None

    def _local_archive(self) -> Path | None:
        """torchvision's archive, put by a user under VIT_EXPLORE_DATA or home()/data."""
        folders = [cache.data_home()]
        if root := os.environ.get("VIT_EXPLORE_DATA"):
            folders = [Path(root).expanduser() / self.name, Path(root).expanduser(), *folders]
        return next((f / self.archive.filename for f in folders if (f / self.archive.filename).is_file()), None)

    @property
    def _hub_names(self) -> dict[str, str]:
        return {split: f"{self.folder}/{split}-00000-of-00001.parquet" for split in _SPLITS}

    def _hub_cached(self) -> dict[str, list[Path]] | None:
        found = {split: hub.cached_file(self.repo, name) for split, name in self._hub_names.items()}
        return {split: [path] for split, path in found.items() if path} if all(found.values()) else None

    def _fetch(self, progress: Progress) -> _Decoded:
        if cached := self._hub_cached():
            return self._decode(cached, progress)
        if hub.is_offline():
            raise self._unavailable("HF_HUB_OFFLINE forbids the network")
        try:
            progress(f"Asking the hub for {self.repo}", 0.0)
            hub.probe()
            files = {split: [hub.download(self.repo, name, progress)] for split, name in self._hub_names.items()}
        except hub.HubUnavailable as error:
            progress(f"The hub failed ({error}); trying torchvision's archive", 0.0)
            return self._fetch_archive(str(error), progress)
        return self._decode(files, progress)

    def _fetch_archive(self, hub_reason: str, progress: Progress) -> _Decoded:
        target = cache.data_home() / "downloads" / self.archive.filename
        try:
            download_archive(self.archive, target, progress)
            return self._decode_archive(target, progress)
        except (OSError, DiskFull) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise self._unavailable(f"{hub_reason}; {self.archive.filename}: {reason}") from None
        finally:
            target.unlink(missing_ok=True)  # what it held is cached decoded

    def _unavailable(self, reason: str) -> DataUnavailable:
        return DataUnavailable(
            f"{self.title} is not on this machine and could not be fetched ({reason}): connect once and run "
            f"`python -m vit_explore data get {self.name}` (Hugging Face hub), or put torchvision's archive "
            f"{self.archive.filename} into {cache.data_home()}, or set VIT_EXPLORE_DATA to a folder that holds "
            f"{self.name}/{self.folder}/*.parquet."
        )

    def _decode(self, files: dict[str, list[Path]], progress: Progress) -> _Decoded:
        return {
            split: read_parquet(paths, self.image_column, self.label_columns, _SIZE, progress)
            for split, paths in files.items()
        }

    def _decode_archive(self, path: Path, progress: Progress) -> _Decoded:
        return read_archive(self.archive, path, self.archive_keys, progress)

    def _check_labels(self, labels: np.ndarray) -> None:
        for column, classes in zip(labels.T, (self.classes, self.coarse_classes), strict=False):
            if column.min() < 0 or column.max() >= len(classes):
                raise BadData(
                    f"The labels of {self.title} run from {column.min()} to {column.max()} where 0 to "
                    f"{len(classes) - 1} is allowed; the files are not this dataset: get them again."
                )


_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
_COARSE = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""


@datasets.register("cifar10")
class Cifar10(_Cifar):
    name = "cifar10"
    title = "CIFAR-10"
    description = "60,000 photographs of 32 × 32 pixels in ten classes of animals and vehicles."
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    repo = "uoft-cs/cifar10"
    folder = "plain_text"
    label_columns = ("label",)
    archive = Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        train=tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
        test=("cifar-10-batches-py/test_batch",),
    )
    archive_keys = ("labels",)


@datasets.register("cifar100")
class Cifar100(_Cifar):
    name = "cifar100"
    title = "CIFAR-100"
    description = "60,000 photographs of 32 × 32 pixels in 100 classes, which form 20 super-classes."
    classes = tuple(_FINE.split())
    coarse_classes = tuple(_COARSE.split())
    repo = "uoft-cs/cifar100"
    folder = "cifar100"
    label_columns = ("fine_label", "coarse_label")
    archive = Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        train=("cifar-100-python/train",),
        test=("cifar-100-python/test",),
    )
    archive_keys = ("fine_labels", "coarse_labels")
