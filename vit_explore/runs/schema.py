"""The tables of runs.db, how it is opened, and SQLite's errors as sentences."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from vit_explore.errors import DiskFull, StoreUnusable

APPLICATION_ID = 0x76697478  # "vitx": tells our file from another program's
VERSION = 1
BUSY_SECONDS = 15.0

metadata = sa.MetaData()

ids = sa.Table(
    "ids", metadata, sa.Column("id", sa.Text, primary_key=True)
)  # of every run ever made: none is used twice

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, unique=True, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("config", sa.Text, nullable=False),  # JSON
    sa.Column("position", sa.Integer, nullable=False),  # the order of the queue
    sa.Column("created", sa.Float, nullable=False),  # seconds since 1970, as all times of day here
    sa.Column("claimed", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("error", sa.Text),
    sa.Column("note", sa.Text),  # what goes on before the first step
    sa.Column("stop", sa.Boolean, nullable=False, default=False),
    sa.Column("worker", sa.Text),  # who trains it, and where: see records.Claimant
    sa.Column("slot", sa.Text),
    sa.Column("pid", sa.Integer),
    sa.Column("pid_started", sa.Float),
    sa.Column("host", sa.Text),
    sa.Column("heartbeat", sa.Float),
    sa.Column("facts", sa.Text),  # JSON of Started, without its images
    sa.Column("has_checkpoint", sa.Boolean, nullable=False, default=False),
    sa.Column("disk_bytes", sa.Integer, nullable=False, default=0),
    *(sa.Column(name, sa.Integer) for name in ("step", "images_seen", "params", "flops")),
    *(
        sa.Column(name, sa.Float)
        for name in (
            "epoch",
            "loss",
            "elapsed",
            "remaining",
            "images_per_second",
            "top1",
            "test_top1",
            "macro_f1",
            "train_seconds",
        )
    ),
    sa.Column("device", sa.Text),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pid", sa.Integer),
    sa.Column("pid_started", sa.Float),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # starting, warm, busy, failed (died before it was warm)
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("run", sa.Text),
)


def _run_column() -> sa.Column[Any]:
    return sa.Column("run", sa.Text, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


steps = sa.Table(
    "steps",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("loss", sa.Float),
    sa.Column("lr", sa.Float),
    sa.Column("images_seen", sa.Integer),
    sa.Column("images_per_second", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("remaining", sa.Float),
    sqlite_with_rowid=False,
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("images_seen", sa.Integer),
    sa.Column("loss", sa.Float),
    sa.Column("top1", sa.Float),
    *(sa.Column(name, sa.LargeBinary) for name in ("per_class", "confusion", "sample_probs")),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("bytes", sa.Integer),
)

finishes = sa.Table(
    "finishes",
    metadata,
    _run_column(),
    sa.Column("scalars", sa.Text, nullable=False),  # JSON of Finished, without its arrays
    *(sa.Column(name, sa.LargeBinary) for name in ("per_class", "confusion", "predictions")),
)

_engines: dict[tuple[str, int], tuple[sa.Engine, int]] = {}  # (file, process) -> (engine, inode)
_lock = threading.Lock()


def open_engine(path: Path) -> sa.Engine:
    """This process's engine for the database file `path`, made and checked at first use.

    Raises StoreUnusable for a file that is not ours, and DiskFull where there is no room for it.
    """
    key = (str(path), os.getpid())  # a connection must not cross a fork
    with _lock:
        engine, inode = _engines.get(key, (None, 0))
        if engine is not None and path.exists() and path.stat().st_ino == inode:
            return engine
        if engine is not None:
            engine.dispose()  # the file was deleted or replaced under us
        engine = _new_engine(path)
        with translated(path):
            _prepare(engine, path)
        _engines[key] = (engine, path.stat().st_ino)
        return engine


def _new_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions; the listener below does
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _prepare(engine: sa.Engine, path: Path) -> None:
    """Make the tables, or check that these are ours. Two processes may do this at the same time."""
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if tables == 0:
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        elif mark != APPLICATION_ID:
            _refuse(path, "belongs to another program")
        elif version != VERSION:
            _refuse(path, f"is of version {version}, and this program reads version {VERSION}")
    _switch_to_wal(engine)


def _switch_to_wal(engine: sa.Engine) -> None:
    """Write-ahead log: readers and the writer do not wait for each other. SQLite ignores the busy timeout here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        finally:
            connection.close()


def _refuse(path: Path, why: str) -> NoReturn:
    raise StoreUnusable(f"The store of runs {path} {why}; move it away, or set VIT_EXPLORE_HOME to another folder.")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors become DiskFull or StoreUnusable, one sentence each; a broken constraint stays a bug."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        text = str(getattr(error, "orig", error))
        if "full" in text or "disk I/O error" in text:
            raise DiskFull(f"The disk of {path.parent} has no room left; free some space and try again.") from error
        if "locked" in text:
            raise StoreUnusable(
                f"The store of runs {path} is held by another program; close that program and try again."
            ) from error
        if any(words in text for words in ("not a database", "malformed", "no such table")):
            raise StoreUnusable(
                f"The store of runs {path} is damaged ({text}); move it away, "
                "or set VIT_EXPLORE_HOME to another folder."
            ) from error
        if isinstance(error, (OperationalError, sqlite3.OperationalError)) and _is_access(text):
            raise StoreUnusable(
                f"The store of runs {path} cannot be opened for writing ({text}); "
                "set VIT_EXPLORE_HOME to a folder that can be written."
            ) from error
        raise


def _is_access(text: str) -> bool:
    return "unable to open" in text or "readonly" in text
