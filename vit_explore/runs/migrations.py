"""The versions of runs.db, and the small steps from one to the next.

To change the tables: change schema.py, raise VERSION, add one step. A step only adds (tables, columns that may
be null), so that a worker of the version before, which has the file open meanwhile, trains on; idle ones are sent away.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa

from vit_explore.errors import DiskFull
from vit_explore.runs import schema, sidecars
from vit_explore.runs.records import is_alive

FIRST, VERSION = 1, 4  # what the first release wrote, and what this one writes
SPARE_BYTES = 2**20  # beside the backup, for what a migration writes

Step = Callable[[sa.Connection, Path], None]  # (inside the transaction, home)


def migrate(connection: sa.Connection, path: Path, version: int) -> None:
    """Bring the database `path` from `version` to VERSION, inside the caller's transaction, which holds the write lock.

    A copy of the file is kept beside it first. A kill, or an error, leaves the file as it was. Raises DiskFull.
    """
    back_up(path, version)
    step_up(connection, path.parent, version)
    connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def step_up(connection: sa.Connection, home: Path, version: int) -> None:
    """The steps from `version` to VERSION, on a file or on a server."""
    for number in range(version, VERSION):
        STEPS[number](connection, home)
    send_idle_workers_away(connection)


def newer(where: str, version: int) -> str:
    """What is said of a store that a later release has written."""
    return (
        f"The store of runs {where} is of version {version}, and this program writes version {VERSION}, "
        "so its runs can be looked at and not changed; update this program, or set VIT_EXPLORE_HOME to another folder."
    )


def send_idle_workers_away(connection: sa.Connection) -> None:
    """End this machine's workers that wait for runs: they are of the version before, and cannot read what is queued
    from now on. One that trains a run goes on with it."""
    query = sa.select(schema.workers).where(
        schema.workers.c.state != "busy", schema.workers.c.pid.is_not(None), schema.workers.c.host == platform.node()
    )
    for row in connection.execute(query).all():
        if row.pid != os.getpid() and is_alive(row):
            with suppress(OSError):  # another user's, or gone by now
                os.kill(row.pid, signal.SIGTERM)
        connection.execute(sa.delete(schema.workers).where(schema.workers.c.id == row.id))


def back_up(path: Path, version: int) -> Path:
    """Copy the database to runs.db.v1.backup (v1.2, v1.3, … where there is one already); gives the copy's path."""
    for leftover in path.parent.glob(f".{path.name}.v*.backup*.tmp*"):  # with SQLite's journals
        leftover.unlink(missing_ok=True)  # of a process that was killed: the caller's lock keeps others out
    if shutil.disk_usage(path.parent).free < path.stat().st_size + SPARE_BYTES:
        raise DiskFull(
            f"The disk of {path.parent} has no room to copy {path.name}; free some space, or delete old runs."
        )
    target = _free_name(path, version)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        os.rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _free_name(path: Path, version: int) -> Path:
    target, number = path.with_name(f"{path.name}.v{version}.backup"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.v{version}.{number}.backup")
    return target


def _say_who_and_why(connection: sa.Connection, home: Path) -> None:
    """1 to 2: a run knows its owner, its group and what it was duplicated from; its folder says what it is."""
    for column in ("owner", "group", "parent"):
        connection.exec_driver_sql(f'ALTER TABLE runs ADD COLUMN "{column}" TEXT')
    sidecars.write_all(connection, home)


def _say_what_a_person_did(connection: sa.Connection, _home: Path) -> None:
    """2 to 3: what a person set while it ran, where a fork starts, at which share of the budget each step was taken."""
    for table, column, kind in _ADDED_IN_3:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    schema.marks.create(connection)


def _say_who_was_in_the_room(connection: sa.Connection, _home: Path) -> None:
    """3 to 4: guesses, and lessons with the people in them."""
    for table in (schema.guesses, schema.lessons, schema.people):
        table.create(connection)


_ADDED_IN_3 = (
    ("runs", "fork_step", "INTEGER"),
    ("runs", "controls", "TEXT"),
    ("runs", "skip_test", "BOOLEAN"),
    ("runs", "watched", "FLOAT"),
    ("runs", "test_images", "INTEGER"),
    ("steps", "progress", "FLOAT"),
    ("snapshots", "on_clock", "BOOLEAN"),
)
STEPS: dict[int, Step] = {  # from which version -> the step
    1: _say_who_and_why,
    2: _say_what_a_person_did,
    3: _say_who_was_in_the_room,
}
