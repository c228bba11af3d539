"""What a run's folder says of the run, as JSON: enough to enter the run again where the database is lost.

config.json: {id, name, created, owner, group, parent, fork_step, config, facts}, written when the run is made and when
it starts.
result.json: {scalars, per_class, confusion, predictions} of Finished, written at the run's end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import sqlalchemy as sa

from vit_explore.errors import VitExploreError
from vit_explore.runs import reading
from vit_explore.runs.files import RunFolder, write_atomically
from vit_explore.training.events import Finished

CARD, RESULT = "config.json", "result.json"
CARD_KEYS = ("id", "name", "created", "owner", "group", "parent", "fork_step")
ARRAYS = {"per_class": np.float32, "confusion": np.int64, "predictions": np.int64}  # of Finished
AXES = {"per_class": 1, "confusion": 2, "predictions": 1}


def write_card(folder: RunFolder, row: Mapping[Any, Any]) -> None:
    """Write config.json from the run's row, and make the folder where it is missing. Raises DiskFull."""
    card = {key: row.get(key) for key in CARD_KEYS} | stored_json(row)
    folder.create()
    _write(folder.path / CARD, card, indent=1)


def stored_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row's config and facts as values; damaged JSON stays the text that it is."""
    return {key: _parsed(row[key]) for key in ("config", "facts")}


def write_result(folder: RunFolder, event: Finished) -> None:
    """Write result.json. Raises DiskFull."""
    _write_result(folder, json.loads(json.dumps(scalars(event), default=float)), vars(event))


def scalars(event: Finished) -> dict[str, Any]:
    """What is no array; without `best_step` where it has none, which earlier releases do not know."""
    left_out = {*ARRAYS, *(() if event.best_step is not None else ("best_step",))}
    return {name: value for name, value in vars(event).items() if name not in left_out}


def _write_result(folder: RunFolder, scalars: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    _write(folder.path / RESULT, {"scalars": scalars, **{name: arrays[name].tolist() for name in ARRAYS}})


def read_result(folder: RunFolder) -> Finished | None:
    """The Finished of result.json; None where there is none, or none that can be read."""
    result = _read(folder.path / RESULT)
    if result is None:
        return None
    try:
        arrays: Any = {name: _array(result[name], dtype) for name, dtype in ARRAYS.items()}
        numbers: Any = {name: _number(name, value) for name, value in result["scalars"].items()}
        values = whole(numbers, arrays)
        numbers = [values[name] for name in numbers if name != "device" and values[name] is not None]
        return Finished(**values) if all(isinstance(value, int | float) for value in numbers) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def whole(scalars: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The fields of Finished; an earlier release, which always tested, did not say on how many images."""
    return {"test_images": int(arrays["confusion"].sum()), **scalars, **arrays}


def _number(name: str, value: Any) -> Any:
    """NaN was written as null; null itself is what a run without a test has."""
    return math.nan if value is None and name not in ("test_top1", "test_loss", "macro_f1", "peak_memory") else value


def forget_result(folder: RunFolder) -> None:
    """Remove the result of a run that goes on."""
    (folder.path / RESULT).unlink(missing_ok=True)


def _array(values: list[Any], dtype: Any) -> np.ndarray:
    floats = np.issubdtype(dtype, np.floating)
    return np.array([math.nan if value is None else value for value in values] if floats else values, dtype=dtype)


def read_card(folder: RunFolder) -> dict[str, Any] | None:
    """What config.json holds; None where there is none, or none that can be read."""
    card = _read(folder.path / CARD) or {}
    is_whole = isinstance(card.get("name"), str) and isinstance(card.get("created"), float) and card.get("config")
    return card if is_whole else None


def write_all(connection: sa.Connection, home: Path) -> None:
    """The JSON of every run of a database whose version kept none; a run that is damaged hinders no other."""
    for row in connection.exec_driver_sql("SELECT * FROM runs").mappings().all():
        with suppress(VitExploreError, OSError):
            write_card(RunFolder(home, row["id"]), row)
    for row in connection.exec_driver_sql("SELECT * FROM finishes").mappings():
        with (
            suppress(VitExploreError, OSError),
            reading.guarded(f"The result of the run {row['run']!r}", "delete the run"),
        ):
            arrays = {name: reading.array(row[name], AXES[name], "iuf") for name in ARRAYS}
            _write_result(RunFolder(home, row["run"]), reading.mapping(row["scalars"]), arrays)


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except json.JSONDecodeError:
        return text


def _write(path: Path, values: dict[str, Any], indent: int | None = None) -> None:
    data = json.dumps(_plain(values), ensure_ascii=False, indent=indent).encode("utf-8", "replace")
    write_atomically(path, partial(_put, data))


def _put(data: bytes, file: IO[bytes]) -> None:
    file.write(data)


def _plain(value: Any) -> Any:
    """NaN is no JSON: null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
