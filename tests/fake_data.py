"""Small stand-ins for data that the tests must not download: CIFAR's parquet files, and folders of pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vit_explore.data import datasets


def picture(rng: np.random.Generator, width: int = 32, height: int = 32) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


def write_fake_cifar(root: Path, name: str, train: int, test: int, seed: int = 0) -> Path:
    """`train` and `test` random images per class, as the hub's parquet files under root/name; returns their folder."""
    source = datasets.get(name)()
    folder = root / name / source.folder  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        labels = rng.permutation(np.repeat(np.arange(len(source.classes)), count))
        columns = {"label": labels} if name == "cifar10" else {"fine_label": labels, "coarse_label": labels // 5}
        write_parquet(folder / f"{split}-00000-of-00001.parquet", [encoded(picture(rng)) for _ in labels], columns)
    return folder


def write_parquet(path: Path, images: list[bytes | None], columns: dict[str, np.ndarray]) -> None:
    cells = [{"bytes": data, "path": f"{row}.png"} for row, data in enumerate(images)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"img": pa.array(cells, kind), **{k: pa.array(v) for k, v in columns.items()}}), path)


def write_class_folders(root: Path, count: int, classes: tuple[str, ...] = ("apple", "bean", "cherry")) -> Path:
    """`count` random pictures of mixed formats and sizes in each class folder."""
    rng = np.random.default_rng(0)
    formats = ("PNG", "JPEG", "WEBP", "BMP")
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(count):
            kind = formats[number % len(formats)]
            data = encoded(picture(rng, 40 + number, 36), kind)
            (root / name / f"{number}.{kind.lower()}").write_bytes(data)
    return root
