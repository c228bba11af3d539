"""The store on a PostgreSQL server, for several app servers that share one folder: named by VIT_EXPLORE_DB.

The rows are there, the files of the runs stay in VIT_EXPLORE_HOME, which all of them must see. SQLite is the default.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from vit_explore.errors import DiskFull, StoreBusy, StoreUnusable, VitExploreError
from vit_explore.runs import migrations, schema

VARIABLE = "VIT_EXPLORE_DB"
LOCK = 0x76697478  # "vitx": of the one who writes
MARK = "store.id"  # beside the runs: which database they belong to
LOCK_SECONDS = 15
POOL = 20  # connections of one process; its pages read from as many threads
NO_ROOM, LOCKED, MISSING = "53100", "55P03", "42P01"  # SQLSTATE: disk full, lock timeout, no such table

about = sa.Table(
    "vit_explore",  # one row; on a file it is SQLite's own header that says this
    sa.MetaData(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
)


def server() -> URL | None:
    """The server that VIT_EXPLORE_DB names; None where the store is a file. Raises StoreUnusable for what is no URL."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        raise StoreUnusable(
            f"{VARIABLE} names no PostgreSQL database; write postgresql://user:password@host/name, "
            "or unset it to keep the runs in a file."
        )
    return url.set(drivername="postgresql+psycopg")


def engine_of(url: URL) -> sa.Engine:
    """Connections whose readers see one moment each, and of whose writers there is one at a time, as on a file."""
    try:
        engine = sa.create_engine(
            url, pool_size=POOL, pool_pre_ping=True, connect_args={"options": f"-c lock_timeout={LOCK_SECONDS}s"}
        )
    except ModuleNotFoundError as error:
        raise StoreUnusable(
            f"{VARIABLE} names a PostgreSQL server, and its driver is not installed: "
            "pip install -r requirements-postgres.txt"
        ) from error

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("begin") == "IMMEDIATE":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


def prepare(engine: sa.Engine, home: Path) -> str | None:
    """Make the tables, or migrate them, or say why they can only be read. Several servers may do this at a time.

    Raises StoreUnusable for a database that belongs to another program, or whose runs lie in another folder.
    """
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        tables = set(sa.inspect(connection).get_table_names())
        if about.name not in tables:
            if foreign := tables & set(schema.metadata.tables):
                raise _unusable(f"has tables of another program ({', '.join(sorted(foreign))})")
            schema.metadata.create_all(connection)
            about.create(connection)
            name = uuid.uuid4().hex
            connection.execute(sa.insert(about).values(version=migrations.VERSION, id=name))
            (home / MARK).write_text(f"{name}\n", encoding="utf-8")
            return None
        version, name = connection.execute(sa.select(about.c.version, about.c.id)).one()
        _check_folder(home, name)
        if version > migrations.VERSION:
            return migrations.newer(f"in the database of {VARIABLE}", version)
        if version < migrations.VERSION:
            migrations.step_up(connection, home, version)
            connection.execute(sa.update(about).values(version=migrations.VERSION))
    return None


def described(engine: sa.Engine) -> tuple[frozenset[str], frozenset[str]]:
    """The columns of the table runs, and the tables."""
    with engine.connect() as connection:
        look = sa.inspect(connection)
        return frozenset(column["name"] for column in look.get_columns("runs")), frozenset(look.get_table_names())


def known_error(error: Exception) -> VitExploreError | None:
    """The server's error as one sentence, without the password; None for one that is a bug."""
    cause: Any = getattr(error, "orig", error)
    state = getattr(cause, "sqlstate", None)
    if state == NO_ROOM:
        return DiskFull("The disk of the database server has no room left; free some space, or delete old runs.")
    if state == LOCKED:
        return _unusable("is held by another program; close that program and try again", advice="", kind=StoreBusy)
    if state == MISSING:
        return _unusable("has lost a table", advice="; put a copy of it back")
    if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
        first = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        return _unusable(f"does not answer ({first})", advice="; start it, or correct the address", kind=StoreBusy)
    return None


def _check_folder(home: Path, name: str) -> None:
    mark = home / MARK
    found = mark.read_text(encoding="utf-8").strip() if mark.is_file() else ""
    if found != name:
        raise _unusable(
            f"does not belong with the folder {home}",
            advice="; set VIT_EXPLORE_HOME to the folder that its other servers use: the files of the runs lie there",
        )


def _unusable(why: str, advice: str = "; name another one", kind: type[StoreUnusable] = StoreUnusable) -> StoreUnusable:
    return kind(f"The database of {VARIABLE} {why}{advice}.")
