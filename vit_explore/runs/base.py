"""What the parts of the store share: the home, the engine, reading and writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore import home as homes
from vit_explore.errors import RunNotFound
from vit_explore.runs import schema
from vit_explore.runs.files import RunFolder


class StoreBase:
    """runs.db of one home. Cheap to make; safe to use from several threads and processes."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = Path(home) if home is not None else homes.home()
        self.path = self.home / "runs.db"
        self._engine = schema.open_engine(self.path)
        self._inode = self.path.stat().st_ino

    def folder(self, run: str) -> RunFolder:
        """The run's folder (whether or not it exists)."""
        return RunFolder(self.home, run)

    def is_there(self) -> bool:
        """Whether runs.db is still the file that was opened; a home that was deleted needs no worker any more."""
        return self.path.exists() and self.path.stat().st_ino == self._inode

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with schema.translated(self.path), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start, so that what it reads stays true."""
        with (
            schema.translated(self.path),
            self._engine.connect().execution_options(begin="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection

    def _row(self, connection: Connection, run: str) -> Row[Any]:
        row = connection.execute(sa.select(schema.runs).where(schema.runs.c.id == run)).first()
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


def update(connection: Connection, run: str, **values: Any) -> None:
    """Set columns of one run."""
    connection.execute(sa.update(schema.runs).where(schema.runs.c.id == run).values(**values))
