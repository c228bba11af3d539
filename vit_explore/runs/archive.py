"""A run as one file, to take to another machine: its settings, curves, results, snapshots and checkpoint.

A zip of run.json (the run's row), tables.json (rows of the tables below, bytes in base64) and the run's own files. What
comes from elsewhere is not trusted: known names alone, plain values, bounded sizes; nothing is unpickled.
"""

from __future__ import annotations

import base64
import json
import lzma
import math
import os
import re
import time
import zipfile
import zlib
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from vit_explore.errors import BadData, BadRunState
from vit_explore.runs import schema
from vit_explore.runs.files import UNPACKING, RunFolder, disk_errors, write_atomically
from vit_explore.runs.naming import cleaned, file_stem, numbered
from vit_explore.runs.places import check_place, write
from vit_explore.runs.policy import check_teacher
from vit_explore.runs.records import RunRecord, record_of
from vit_explore.runs.store import RunStore
from vit_explore.text import printable

ENDING = ".vitrun"
FORMAT = 1
_ROW, _TABLES = "run.json", "tables.json"
_KEPT = (schema.steps, schema.marks, schema.evaluations, schema.snapshots, schema.finishes, schema.guesses)
_COLUMNS = (  # of the run's own row: what it was and came to, not who trained it where, nor whose it is
    *("name", "config", "created", "claimed", "ended", "error", "note", "facts", "has_checkpoint", "step", "epoch"),
    *("loss", "elapsed", "remaining", "images_seen", "images_per_second", "top1", "test_top1", "macro_f1", "params"),
    *("flops", "train_seconds", "device", "fork_step", "controls", "test_images"),
)
_FILES = re.compile(r"snapshots/[0-9]{1,9}\.safetensors|checkpoint\.pt|samples\.npz|result\.json")
_MOST_BYTES, _MOST_FILES, _MOST_ROWS, _MOST_BLOB = 8 * 2**30, 200, 2_000_000, 64 * 2**20
_STATES = ("finished", "stopped", "failed", "interrupted")
# errors; a RuntimeError is that of a locked zip, a compression that is not known, or JSON that is nested too deep
_OF_LIBRARIES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, SQLAlchemyError)


def pack(store: RunStore, run: str, out: Path, force: bool = False) -> Path:
    """Write a run into the file `out` (its ending is added); gives the path.

    force: replace a file that is there. Raises RunNotFound, BadRunState for a run that trains, BadReference for a place
    that cannot be written to.
    """
    record = store.get(run)
    if record.state in ("running", "queued"):
        raise BadRunState(f"The run {run!r} is {record.state}; stop it first, or wait for its end, then export it.")
    if out.name not in ("", "..") and not out.name.endswith(ENDING):
        out = out.with_name(f"{out.name}{ENDING}")
    check_place(out, force)
    with store._reading() as connection:
        row = connection.execute(sa.select(schema.runs).where(schema.runs.c.id == run)).one()
        tables = {table.name: _rows(connection, table, run) for table in _KEPT}
    about = {"format": FORMAT, "id": run, "state": record.state, **{name: getattr(row, name) for name in _COLUMNS}}
    write(out, partial(_write, store.folder(run).path, about, tables))
    return out


def _rows(connection: sa.Connection, table: sa.Table, run: str) -> list[dict[str, Any]]:
    found = connection.execute(sa.select(table).where(table.c.run == run)).mappings()
    return [{name: _packed(value) for name, value in row.items() if name not in ("run", "number")} for row in found]


def _packed(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _write(folder: Path, about: dict[str, Any], tables: dict[str, Any], file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_ROW, json.dumps(about, ensure_ascii=False))
        archive.writestr(_TABLES, json.dumps(tables))
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if _FILES.fullmatch(name):
                archive.write(path, name, zipfile.ZIP_STORED)


def unpack(store: RunStore, path: Path) -> str:
    """Enter the run of such a file under an id of its own, or its old one where that is free; gives the id.

    Raises BadData for a file that is none, or is damaged, and NotAllowed for a student of a lesson.
    """
    check_teacher(store.actor, "imports runs")
    try:
        with zipfile.ZipFile(path) as archive:
            names = _checked_names(archive, path)
            about = _mapping(json.loads(archive.read(_ROW)))
            tables = _mapping(json.loads(archive.read(_TABLES)))
            values, rows = _run_values(about), {table: _table_values(table, tables) for table in _KEPT}
            run = _enter(store, str(about.get("id", "")), values, rows, partial(_unpack_files, archive, names))
    except BadData:
        raise
    except FileNotFoundError:
        raise BadData(f"There is no file {path}; name one that `runs export` wrote.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, *_OF_LIBRARIES) as error:
        raise BadData(f"{path} is no run that `runs export` wrote, or is damaged ({type(error).__name__}).") from error
    return run


def _checked_names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """The files of the run in the archive. Raises BadData for one that is too large; what else is in it is left."""
    infos = archive.infolist()
    if len(infos) > _MOST_FILES or sum(info.file_size for info in infos) > _MOST_BYTES:
        raise BadData(f"{path} holds more than a run has: {_MOST_FILES} files and {_MOST_BYTES / 2**30:g} GiB at most.")
    return [info.filename for info in infos if _FILES.fullmatch(info.filename)]


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _run_values(about: dict[str, Any]) -> dict[str, Any]:
    if about.get("format") != FORMAT:
        raise BadData(f"The file is of format {about.get('format')!r}, and this program reads {FORMAT}; update it.")
    if not isinstance(about.get("config"), str) or not isinstance(about.get("created"), float):
        raise ValueError("no settings")
    values = {name: _plain(about.get(name)) for name in _COLUMNS}
    return {**values, "state": about["state"] if about.get("state") in _STATES else "interrupted"}


def _table_values(table: sa.Table, tables: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, with the columns that it has here; those that it lacks are null."""
    found = tables.get(table.name, [])
    if not isinstance(found, list) or len(found) > _MOST_ROWS:
        raise ValueError("no rows")
    columns = [column.name for column in table.columns if column.name not in ("run", "number")]
    return [{name: _unpacked(_mapping(row).get(name)) for name in columns} for row in found]


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return _plain(value)
    data = base64.b64decode(value["base64"], validate=True)
    if len(zlib.decompressobj().decompress(data, _MOST_BLOB)) >= _MOST_BLOB:
        raise ValueError("an array too large")
    return data


def _plain(value: Any) -> Any:
    """A number, a text or nothing: what a column takes."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**53:
        return value
    if isinstance(value, float):  # NaN, as SQLite keeps it
        return None
    raise ValueError(f"a {type(value).__name__}")


def _unpack_files(archive: zipfile.ZipFile, names: list[str], folder: Path) -> None:
    for name in names:
        target = folder / name
        with archive.open(name) as source:
            write_atomically(target, partial(_copy, source))


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(2**20):
        target.write(chunk)


def _enter(
    store: RunStore, wished: str, values: dict[str, Any], rows: dict[sa.Table, list[dict[str, Any]]], unpack_files: Any
) -> str:
    """The files first, into a place of their own, since that takes long and is to hold up nobody; then, in one
    transaction, their folder and the rows: a kill between the two leaves a folder, and no half a run."""
    run = None
    try:
        with disk_errors(store.home), _a_place_in(store.home) as place:
            unpacked = RunFolder(Path(place), "run")
            unpacked.create()
            unpack_files(unpacked.path)
            with store._writing() as connection:
                run = _free_id(store, connection, wished)
                store.folder(run).path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(unpacked.path, store.folder(run).path)
                _enter_rows(store, connection, run, values, rows)
                record_of(connection.execute(sa.select(schema.runs).where(schema.runs.c.id == run)).one(), None)
            entered, run = run, None  # it stays from now on
    except BaseException:
        if run is not None:
            store.folder(run).delete()
        raise
    store.keep_card(entered)
    return entered


def _a_place_in(home: Path) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix=UNPACKING, dir=home, ignore_cleanup_errors=True)


def _free_id(store: RunStore, connection: sa.Connection, wished: str) -> str:
    """The id of the file where no run here ever had it, else a new one; from now on it is taken."""
    is_free = re.fullmatch(r"[0-9a-f]{4,32}", wished) and not _is_known(connection, wished)
    run = wished if is_free and not store.folder(wished).path.exists() else store._new_id(connection)
    if not _is_known(connection, run):
        connection.execute(sa.insert(schema.ids).values(id=run))
    return run


def _enter_rows(
    store: RunStore, connection: sa.Connection, run: str, values: dict[str, Any],
    rows: dict[sa.Table, list[dict[str, Any]]],
) -> None:  # fmt: skip
    folder = store.folder(run)
    name = numbered(cleaned(printable(str(values["name"]))), _names(connection))
    own = {
        "id": run, "name": name, "owner": None if store.actor is None else store.actor.id, "position": 0, "stop": False,
        "disk_bytes": folder.size(), "ended": values["ended"] or time.time(),
        "has_checkpoint": os.path.isfile(folder.checkpoint),
    }  # fmt: skip
    connection.execute(sa.insert(schema.runs).values({**values, **own}))
    for table, found in rows.items():
        if found:
            connection.execute(sa.insert(table), [{"run": run, **row} for row in found])


def _is_known(connection: sa.Connection, run: str) -> bool:
    return connection.execute(sa.select(schema.ids).where(schema.ids.c.id == run)).first() is not None


def _names(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(schema.runs.c.name)).scalars())


def file_name(record: RunRecord) -> str:
    """What the file of a run is called."""
    return f"{file_stem(record.name, record.id)}{ENDING}"


__all__ = ["ENDING", "file_name", "pack", "unpack"]
