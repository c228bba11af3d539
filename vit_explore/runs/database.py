"""How the store's database is opened: made, checked, migrated, or only read; and its errors as sentences."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from vit_explore.errors import DiskFull, StoreBusy, StoreUnusable, VitExploreError
from vit_explore.runs import migrations, postgres, schema

APPLICATION_ID = 0x76697478  # "vitx": tells our file from another program's
BUSY_SECONDS = 15.0


@dataclass(frozen=True)
class Database:
    """An open runs.db, or a server's. refusal: why nothing can be written into it, one sentence; columns: those of its
    table runs; tables: those that it has; inode: of the file, None on a server."""

    engine: sa.Engine
    inode: int | None
    columns: frozenset[str]
    tables: frozenset[str]
    refusal: str | None = None
    is_full: bool = False  # the refusal is for want of room, and passes with it

    def is_of(self, path: Path) -> bool:
        """Whether it is still the database of the home of `path`, its runs.db."""
        if self.inode is None:
            return path.parent.exists()
        return path.exists() and path.stat().st_ino == self.inode


_open: dict[tuple[str, int], Database] = {}  # (file, process) -> what was opened
_lock = threading.Lock()


def open_database(path: Path) -> Database:
    """This process's database of the file `path`, or of the server in its place, made, checked and migrated at first
    use.

    A file of a newer version, and any on a full disk, is opened to be read only: see `Database.refusal`.
    Raises StoreUnusable for a file that is not ours, and DiskFull where there is no room to make one.
    """
    server = postgres.server()
    key = (f"{server} {path}", os.getpid())  # a connection must not cross a fork
    with _lock:
        known = _open.get(key)
        if known is not None and not known.is_full and known.is_of(path):
            return known
        if known is not None:
            known.engine.dispose()  # the file was deleted or replaced under us, or there may be room now
        _open[key] = database = _opened(path) if server is None else _opened_on(server, path)
        return database


def _opened_on(server: sa.URL, path: Path) -> Database:
    engine = postgres.engine_of(server)
    try:
        with translated(path):
            refusal = postgres.prepare(engine, path.parent)
            return Database(engine, None, *postgres.described(engine), refusal)
    except VitExploreError:
        engine.dispose()
        raise


def _opened(path: Path) -> Database:
    engine = _engine(path)
    try:
        with translated(path):
            refusal = _prepare(engine, path)
            if refusal is None:
                _switch_to_wal(engine)
    except DiskFull as error:
        engine.dispose()
        if not path.exists() or path.stat().st_size == 0:
            raise
        return _on_a_full_disk(path, str(error))
    if refusal is not None:
        engine.dispose()
        engine = _engine(path, query_only=True)
    return _described(engine, path, refusal, is_full=False)


def _described(engine: sa.Engine, path: Path, refusal: str | None, is_full: bool) -> Database:
    with translated(path), engine.connect() as connection:
        columns = frozenset(row[1] for row in connection.exec_driver_sql("PRAGMA table_info(runs)"))
        tables = frozenset(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    return Database(engine, path.stat().st_ino, columns, tables, refusal, is_full)


def _on_a_full_disk(path: Path, refusal: str) -> Database:
    """Open to read. SQLite needs 32 KiB to share a write-ahead log; where there is no log, the file is read alone."""
    engine = _engine(path, query_only=True)
    try:
        return _described(engine, path, refusal, is_full=True)
    except DiskFull:
        engine.dispose()
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _described(_engine_of_a_still_file(path), path, refusal, is_full=True)


def _engine(path: Path, query_only: bool = False) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions; the listener below does
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA query_only = {int(query_only)}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _engine_of_a_still_file(path: Path) -> sa.Engine:
    """An engine that takes no locks and makes no files; each reading opens the file anew."""
    address = f"file:{quote(str(path))}?immutable=1"
    return sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False), poolclass=sa.NullPool
    )


def _prepare(engine: sa.Engine, path: Path) -> str | None:
    """Make the tables, or migrate them, or say why they can only be read. Two processes may do this at the same time.

    Raises StoreUnusable for what is not ours.
    """
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if tables == 0:
            schema.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {migrations.VERSION}")
        elif mark != APPLICATION_ID:
            _refuse(path, "belongs to another program")
        elif version > migrations.VERSION:
            return migrations.newer(str(path), version)
        elif version < migrations.FIRST:
            _refuse(path, f"is of version {version}, which no release has written")
        elif version < migrations.VERSION:
            migrations.migrate(connection, path, version)
    return None


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
    """The database's errors become DiskFull or StoreUnusable, one sentence each; a broken constraint stays a bug."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        cause = getattr(error, "orig", error)
        if not isinstance(cause, sqlite3.Error):
            known = postgres.known_error(error)
            if known is None:
                raise
            raise known from error
        text = str(cause)
        if "full" in text or "disk I/O error" in text:
            raise DiskFull(
                f"The disk of {path.parent} has no room left; free some space, or delete old runs."
            ) from error
        if "locked" in text:
            raise StoreBusy(
                f"The store of runs {path} is held by another program; close that program and try again."
            ) from error
        if any(words in text for words in ("not a database", "malformed", "no such table", "no such column")):
            raise StoreUnusable(
                f"The store of runs {path} is damaged ({text}); move it away, and "
                "`python -m vit_explore runs rebuild` enters the runs again from their folders."
            ) from error
        if isinstance(error, (OperationalError, sqlite3.OperationalError)) and _is_access(text):
            raise StoreUnusable(
                f"The store of runs {path} cannot be opened for writing ({text}); "
                "set VIT_EXPLORE_HOME to a folder that can be written."
            ) from error
        raise


def _is_access(text: str) -> bool:
    return "unable to open" in text or "readonly" in text
