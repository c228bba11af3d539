"""The store of runs: what there is, in which state, and what a person may do with it."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadRunState
from vit_explore.runs import schema
from vit_explore.runs.base import update
from vit_explore.runs.metrics import RunLost, RunMetrics
from vit_explore.runs.naming import describe, numbered
from vit_explore.runs.queue import RunQueue, take
from vit_explore.runs.records import (
    Claimant,
    RunRecord,
    SnapshotRow,
    State,
    WorkerInfo,
    config_json,
    looks_dead,
    record_of,
)

__all__ = ["Claimant", "RunLost", "RunRecord", "RunStore", "SnapshotRow", "State", "WorkerInfo"]

Records = list[RunRecord]  # inside RunStore, `list` is its method
RESUMABLE = ("stopped", "interrupted", "failed")


class RunStore(RunMetrics, RunQueue):
    """The runs of one home (VIT_EXPLORE_HOME): their states, settings, metrics and files.

    States: queued → running → finished | stopped | failed | interrupted. Every look sees what other processes wrote,
    and a run whose process is gone shows as interrupted.
    """

    def create(self, config: RunConfig, claimant: Claimant | None = None) -> str:
        """Enter a run and give its id; queued, or running at once in the hands of `claimant`."""
        with self._writing() as connection:
            name = numbered(config.name or describe(config), _names(connection))
            run = _new_id(connection)
            # the folder comes first: a row without a folder could not be trained
            self.folder(run).create()
            row = {"id": run, "name": name, "state": "queued", "config": config_json(config), "created": time.time()}
            connection.execute(sa.insert(schema.runs).values(**row, position=_last_place(connection) + 1))
            if claimant is not None:
                take(connection, run, claimant)
        return run

    def get(self, run: str) -> RunRecord:
        """One run. Raises RunNotFound."""
        with self._reading() as connection:
            row = self._row(connection, run)
            place = _places(connection).get(run)
        if row.state == "running" and looks_dead(row):
            self.reap()
            return self.get(run)
        return record_of(row, place)

    def list(self) -> Records:
        """Every run, the newest first."""
        self.reap()
        with self._reading() as connection:
            rows = connection.execute(sa.select(schema.runs).order_by(schema.runs.c.seq.desc())).all()
            places = _places(connection)
        return [record_of(row, places.get(row.id)) for row in rows]

    def claim(self, claimant: Claimant) -> RunRecord | None:
        """Take the first queued run that suits the claimant's slot; None when there is none."""
        run = self.claim_id(claimant)
        return None if run is None else self.get(run)

    def request_stop(self, run: str) -> None:
        """Ask a running run to stop after its present step; a queued one is stopped at once; else nothing happens."""
        with self._writing() as connection:
            state = self._row(connection, run).state
            if state == "queued":
                update(connection, run, state="stopped", ended=time.time())
            elif state == "running":
                update(connection, run, stop=True)

    def stop_requested(self, run: str) -> bool:
        """Whether somebody asked the run to stop."""
        with self._reading() as connection:
            return self._row(connection, run).stop

    def resume(self, run: str, claimant: Claimant | None = None) -> None:
        """Queue a run again (or hand it to `claimant`), to go on from its checkpoint, or from the start without one.

        Raises BadRunState for a run that is running, waiting, finished, or that failed before its first checkpoint.
        """
        self.reap()
        with self._writing() as connection:
            row = self._row(connection, run)
            _check_resumable(row)
            table = schema.evaluations
            connection.execute(sa.delete(schema.finishes).where(schema.finishes.c.run == run))
            connection.execute(sa.delete(table).where(table.c.run == run, table.c.split == "test"))
            values: dict[str, Any] = dict.fromkeys(("test_top1", "macro_f1", "remaining", "error", "ended"))
            values["stop"] = False
            update(connection, run, state="queued", worker=None, position=_last_place(connection) + 1, **values)
            if claimant is not None:
                take(connection, run, claimant)

    def rename(self, run: str, name: str) -> None:
        """Give a run another name (1 to 120 characters)."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= 120:
            raise BadConfig(f"A name has 1 to 120 characters, {len(name)} given; choose another one.")
        with self._writing() as connection:
            self._row(connection, run)
            update(connection, run, name=name)

    def delete(self, run: str) -> None:
        """Remove a run and its files. Raises BadRunState while it is running."""
        self.reap()
        with self._writing() as connection:
            if self._row(connection, run).state == "running":
                raise BadRunState(f"The run {run!r} is running; stop it first, then delete it.")
            connection.execute(sa.delete(schema.runs).where(schema.runs.c.id == run))
        self.folder(run).delete()

    def duplicate(self, run: str, **changes: Any) -> str:
        """A new queued run with the same settings but for `changes` (names of config.flat_fields); gives its id."""
        record = self.get(run)
        made_up = record.name.startswith(describe(record.config))
        config = record.config.update(**{"name": "" if made_up else record.name, **changes})
        return self.create(config)

    def checkpoint_path(self, run: str) -> Path:
        """Where the run's checkpoint is, or will be."""
        return self.folder(run).checkpoint


def _check_resumable(row: Row[Any]) -> None:
    if row.state not in RESUMABLE:
        why = {
            "queued": "waits in the queue already; there is nothing to do",
            "running": "is running; there is nothing to do",
            "finished": "is finished; duplicate it to train it again",
        }
        raise BadRunState(f"The run {row.id!r} {why[row.state]}.")
    if row.state == "failed" and not row.has_checkpoint:
        raise BadRunState(
            f"The run {row.id!r} failed before its first checkpoint, so it cannot go on; "
            "duplicate it to start it again."
        )


def _new_id(connection: Connection) -> str:
    """A short hexadecimal id that no run ever had: four digits, more where the short ones get scarce."""
    for length in range(4, 33):
        for _ in range(4):
            run = secrets.token_hex(16)[:length]
            if connection.execute(sa.select(schema.ids).where(schema.ids.c.id == run)).first() is None:
                connection.execute(sa.insert(schema.ids).values(id=run))
                return run
    raise AssertionError("2**128 ids cannot all be taken")


def _names(connection: Connection) -> set[str]:
    return set(connection.execute(sa.select(schema.runs.c.name)).scalars())


def _last_place(connection: Connection) -> int:
    return connection.execute(sa.select(sa.func.max(schema.runs.c.position))).scalar() or 0


def _places(connection: Connection) -> dict[str, int]:
    """The queue: id -> place, from 1."""
    table = schema.runs
    query = sa.select(table.c.id).where(table.c.state == "queued").order_by(table.c.position)
    return {run: place for place, run in enumerate(connection.execute(query).scalars(), start=1)}
