"""What the parts of the store share: the home, the database, reading and writing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore import home as homes
from vit_explore.errors import DiskFull, RunNotFound, StoreUnusable
from vit_explore.runs import reserve, schema, sidecars
from vit_explore.runs.database import Database, open_database, translated
from vit_explore.runs.files import RunFolder
from vit_explore.runs.plain import plain
from vit_explore.runs.policy import Actor, check_change

T = TypeVar("T")


class StoreBase:
    """The database of one home: its runs.db, or the server of VIT_EXPLORE_DB. Cheap to make; safe to use from several
    threads and processes."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = Path(home) if home is not None else homes.home()
        self.path = self.home / "runs.db"
        self._database = open_database(self.path)
        self.actor: Actor | None = None  # who acts; None: a person on a machine of their own

    def acting_as(self, actor: Actor | None) -> Self:
        """The same store in the hands of somebody, who may do there what `policy` says."""
        theirs = copy(self)
        theirs.actor = actor
        return theirs

    def _check_mine(self, row: Row[Any]) -> None:
        """Raises NotAllowed where the actor may not change the run of this row."""
        check_change(self.actor, row.id, row.owner)

    @property
    def _engine(self) -> sa.Engine:
        return self._opened().engine

    @property
    def refusal(self) -> str | None:
        """Why nothing can be written here (a store of a newer version, a full disk): one sentence; None when it can."""
        return self._opened().refusal

    def _has_table(self, name: str) -> bool:
        """Whether the file has a table that a later version added; an older one on a full disk, only read, has not."""
        return name in self._opened().tables

    def folder(self, run: str) -> RunFolder:
        """The run's folder (whether or not it exists)."""
        return RunFolder(self.home, run)

    def is_there(self) -> bool:
        """Whether runs.db is still the file that was opened; a home that was deleted needs no worker any more."""
        return self._database.is_of(self.path)

    def keep_card(self, run: str) -> None:
        """Write what the database says of the run into its folder, made where it is missing. Raises DiskFull."""
        with self._reading() as connection:
            row = self._row(connection, run)
        sidecars.write_card(self.folder(run), row._mapping)

    def stored_json(self, run: str) -> dict[str, Any]:
        """Its stored {config, facts} as plain values, of whatever version; damaged JSON as the text that it is."""
        with self._reading() as connection:
            return sidecars.stored_json(self._row(connection, run)._mapping)

    def _opened(self) -> Database:
        if self._database.is_full:  # there may be room by now
            self._database = open_database(self.path)
        return self._database

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        database = self._opened()
        try:
            with translated(self.path), database.engine.connect() as connection, connection.begin():
                yield connection
        except StoreUnusable as error:
            if database.refusal is None:
                raise
            raise StoreUnusable(database.refusal) from error  # a newer version has other tables

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start, so that what it reads stays true.

        Raises DiskFull, and StoreUnusable for a store that can only be read.
        """
        database = self._opened()
        if database.refusal is not None:
            raise DiskFull(database.refusal) if database.is_full else StoreUnusable(database.refusal)
        with (
            translated(self.path),
            database.engine.connect().execution_options(begin="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection

    def _making_room(self, write: Callable[[], T]) -> T:
        """Do a small writing that must succeed on a full disk, too: the reserve is given up for it. Raises DiskFull."""
        try:
            return write()
        except DiskFull:
            if not reserve.give_up(self.home):
                raise
            return write()

    def _runs(self) -> sa.Select[Any]:
        """Select rows of runs; a column that the file lacks (an older one on a full disk, a newer one) is null."""
        known = self._opened().columns
        return sa.select(*(c if c.name in known else sa.null().label(c.name) for c in schema.runs.c)).select_from(
            schema.runs
        )

    def _row(self, connection: Connection, run: str) -> Row[Any]:
        row = connection.execute(self._runs().where(schema.runs.c.id == run)).first()
        if row is None:
            self._missing(connection, run)
        return row

    def _missing(self, connection: Connection, run: str) -> NoReturn:
        if connection.execute(sa.select(schema.ids).where(schema.ids.c.id == run)).first():
            raise RunNotFound(f"The run {run!r} was deleted; choose another one.")
        latest = connection.execute(sa.select(schema.runs.c.id).order_by(schema.runs.c.seq.desc()).limit(5)).scalars()
        known = ", ".join(latest)
        raise RunNotFound(
            f"There is no run {run!r}; " + (f"the latest are: {known}." if known else "no run has been started yet.")
        )


def release(connection: Connection, run: str, state: str, error: str | None = None) -> None:
    """The end of a claim: the run's new state, and nobody who trains it."""
    update(connection, run, state=state, error=error, note=None, ended=time.time(), worker=None, slot=None)


def update(connection: Connection, run: str, **values: Any) -> None:
    """Set columns of one run."""
    connection.execute(sa.update(schema.runs).where(schema.runs.c.id == run).values(plain(values)))
