"""Images from parquet files in the hub's layout: a column of {bytes, path} structs and a column of integer labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vit_explore.data.base import Progress, Split
from vit_explore.data.images import DECODE_ERRORS
from vit_explore.errors import BadData

_CHUNK = 1000  # images that a thread decodes between two reports


def read_parquet(
    paths: Sequence[Path], image_column: str, label_columns: Sequence[str], size: int, progress: Progress
) -> Split:
    """Images (n, 3, size, size) and labels (n, k), one column per label column. Raises BadData, naming the file."""
    parts = [_read_file(path, image_column, label_columns, size, progress) for path in paths]
    if len(parts) == 1:
        return parts[0]
    return Split(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))


def _read_file(path: Path, image_column: str, label_columns: Sequence[str], size: int, progress: Progress) -> Split:
    table = _table(path, [image_column, *label_columns])
    if table.num_rows == 0:
        raise BadData(f"The parquet file {path} has no rows; get it again, or remove it.")
    labels = np.stack([_labels(table.column(name), name, path) for name in label_columns], axis=1)
    images = np.empty((table.num_rows, 3, size, size), np.uint8)

    def work(start: int) -> int:
        rows = table.column(image_column).slice(start, _CHUNK).to_pylist()
        for row, cell in enumerate(rows, start):
            images[row] = _image(cell, size, path, row).transpose(2, 0, 1)
        return start

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter's lock while it decodes
        for start in pool.map(work, range(0, len(images), _CHUNK)):
            progress(f"Decoding {path.name}", min(1.0, (start + _CHUNK) / len(images)))
    return Split(images, labels)


def _table(path: Path, columns: list[str]) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            known = file.schema_arrow.names
            missing = [name for name in columns if name not in known]
            if missing:
                raise BadData(
                    f"The parquet file {path} has no column {missing[0]!r} (it has: {', '.join(known)}); "
                    "get it again, or rename its columns."
                )
            return file.read(columns)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadData(
            f"The parquet file {path} is corrupt or cut off ({_first_words(error)}); delete it and get it again."
        ) from None


def _labels(column: Any, name: str, path: Path) -> np.ndarray:
    import pyarrow

    if not pyarrow.types.is_integer(column.type) or column.null_count:
        raise BadData(
            f"The column {name!r} of the parquet file {path} holds {column.type} with {column.null_count} gaps "
            "where whole numbers without gaps are needed; get it again."
        )
    return column.to_numpy().astype(np.int64)


def _image(cell: Any, size: int, path: Path, row: int) -> np.ndarray:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise BadData(f"Row {row} of the parquet file {path} holds no image bytes; get it again.")
    try:
        # one format, not three to be tried in turn: the 60,000 tries count
        with Image.open(io.BytesIO(data), formats=("JPEG",) if data[:2] == b"\xff\xd8" else ("PNG",)) as picture:
            found = picture.size
            pixels = np.asarray(picture.convert("RGB")) if found == (size, size) else None
    except DECODE_ERRORS:
        raise BadData(
            f"Row {row} of the parquet file {path} holds an image that cannot be decoded; "
            "delete the file and get it again."
        ) from None
    if pixels is None:
        raise BadData(
            f"Row {row} of the parquet file {path} holds an image of {found[0]} × {found[1]} pixels "
            f"where {size} × {size} is needed; get it again."
        )
    return pixels


def _first_words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0].rstrip(".") if lines else type(error).__name__)[:160]
