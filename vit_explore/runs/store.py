"""The store of runs: what there is, in which state, and what a person may do with it."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.config import RunConfig
from vit_explore.errors import BadRunState, DiskFull
from vit_explore.runs import reserve, schema, sidecars
from vit_explore.runs.base import update
from vit_explore.runs.fair import expected_wait, queued
from vit_explore.runs.forking import Fork
from vit_explore.runs.guesses import Guesses
from vit_explore.runs.initial import resolved
from vit_explore.runs.metrics import RunLost, RunMetrics
from vit_explore.runs.naming import cleaned, describe, numbered
from vit_explore.runs.playing import Playing, controls_of
from vit_explore.runs.policy import check_change, check_room
from vit_explore.runs.queue import RunQueue, dead_runs, last_place, take
from vit_explore.runs.rebuild import Rebuilding
from vit_explore.runs.records import (
    STATES,
    Claimant,
    RunRecord,
    SnapshotRow,
    State,
    WorkerInfo,
    config_json,
    record_of,
    seconds_left,
)
from vit_explore.runs.tidy import finish_ended
from vit_explore.runs.turns import Turns, active_of
from vit_explore.text import printable

__all__ = ["Claimant", "RunLost", "RunRecord", "RunStore", "SnapshotRow", "State", "WorkerInfo"]

Records = list[RunRecord]  # inside RunStore, `list` is its method


class RunStore(RunMetrics, RunQueue, Playing, Guesses, Turns, Rebuilding):
    """The runs of one home (VIT_EXPLORE_HOME): their states, settings, metrics and files.

    States: queued → running → finished | stopped | failed | interrupted. Every look sees what other processes wrote,
    writes nothing, and shows a run whose process is gone as interrupted.
    """

    def create(
        self,
        config: RunConfig,
        claimant: Claimant | None = None,
        *,
        owner: str | None = None,
        group: str | None = None,
        parent: str | None = None,
    ) -> str:
        """Enter a run and give its id; queued, or running at once in the hands of `claimant`.

        owner: whose it is, in a lesson who acts; group: what it belongs to (runs of a race); parent: the id of the run
        that it repeats. Raises NotAllowed for what a student may not start.
        """
        return self._create(resolved(config, self), claimant, {"owner": owner, "group": group, "parent": parent})

    def _create(
        self,
        config: RunConfig,
        claimant: Claimant | None,
        origin: dict[str, str | None],
        fill: Callable[[Connection, str], None] | None = None,
    ) -> str:
        """Enter a run. fill: what puts more into it before anybody can see it."""
        if self.actor is not None:
            origin = {**origin, "owner": self.actor.id}
            self.check_start([config])
        row: dict[str, Any] = {key: value and printable(value) for key, value in origin.items()}
        row |= {"config": config_json(config, is_fork=fill is not None), "created": time.time()}
        with self._writing() as connection:
            if self.actor is not None:  # once more: two tabs may have asked at the same time
                check_room(self.actor, 1, active_of(connection, self.actor.id))
            name = numbered(config.name or describe(config), _names(connection))
            run = self._new_id(connection)
            place = last_place(connection) + 1
            connection.execute(sa.insert(schema.runs).values(id=run, name=name, state="queued", position=place, **row))
            if fill is not None:
                fill(connection, run)
            if claimant is not None:
                take(connection, run, claimant)
        with suppress(DiskFull):  # the row comes first; training needs the folder too, and will say so
            self.keep_card(run)
            reserve.keep(self.home)
        return run

    def get(self, run: str) -> RunRecord:
        """One run. Raises RunNotFound."""
        with self._reading() as connection:
            row = self._row(connection, run)
            place = self._places(connection).get(run)
        return record_of(row, place)

    def list(
        self,
        states: Collection[State] | None = None,
        group: str | None = None,
        owner: str | None = None,
        limit: int | None = None,
    ) -> Records:
        """The runs in one of `states`, of a group, of an owner, the newest first, `limit` at most; all by default."""
        table = schema.runs.c
        query = self._runs().order_by(table.seq.desc())
        if states is not None:  # a run whose process is gone says running in its row
            query = query.where(table.state.in_({*states, *(("running",) if "interrupted" in states else ())}))
        for column, value in ((table.group, group), (table.owner, owner)):
            query = query if value is None else query.where(column == value)
        with self._reading() as connection:
            places = self._places(connection)
            rows = connection.execute(query)
            records = (record_of(row, places.get(row.id)) for row in rows)
            return [*islice((r for r in records if states is None or r.state in states), limit)]

    def _places(self, connection: Connection) -> dict[str, int]:
        """The queue: id -> place, from 1."""
        has_owners = "owner" in self._opened().columns  # not in a file of the first release on a full disk
        rows = queued(connection, schema.runs.c.id, has_owners=has_owners)
        return {row.id: place for place, row in enumerate(rows, start=1)}

    def expected_wait(self, run: str) -> float | None:
        """Seconds until a waiting run's turn, about; None where a run before it does not say how long it takes."""
        active = self.list(states=("queued", "running"))
        place = next((record.place for record in active if record.id == run), None) or 0
        training = [seconds_left(record) for record in active if record.state == "running"]
        before = [record for record in active if record.place is not None and record.place < place]
        ahead = [seconds_left(record) for record in before if not record.paused]
        return expected_wait(training, ahead, is_shared=len({record.owner for record in active}) > 1)

    def has(self, run: str) -> bool:
        """Whether there is such a run."""
        with self._reading() as connection:
            return connection.execute(sa.select(schema.runs.c.id).where(schema.runs.c.id == run)).first() is not None

    def states(self) -> dict[State, int]:
        """How many runs are in each state that some run is in; no settings are read for it."""
        table = schema.runs.c
        with self._reading() as connection:
            query = sa.select(table.state, sa.func.count()).group_by(table.state)
            counts = Counter({state: count for state, count in connection.execute(query)})
            dead = len(dead_runs(connection))
        counts.update({"running": -dead, "interrupted": dead})
        return {state: counts[state] for state in STATES if counts[state]}

    def signature(self) -> str:
        """Another one when a run comes, goes, is renamed, is asked to stop or changes its state; not at each step.

        Cheap enough to ask every few seconds from each page that lists runs: no settings are read for it.
        """
        table = schema.runs.c
        with self._reading() as connection:
            rows = connection.execute(sa.select(table.id, table.name, table.state, table.stop).order_by(table.seq))
            words = repr([*map(tuple, rows), *sorted(row.id for row in dead_runs(connection))])
        return hashlib.sha256(words.encode()).hexdigest()

    def groups(self, begins: str) -> tuple[str, ...]:
        """The groups whose names begin so, the one with the newest run first; no settings are read for it."""
        table = schema.runs.c
        newest = sa.func.max(table.seq)
        query = sa.select(table.group).where(table.group.startswith(begins, autoescape=True)).group_by(table.group)
        with self._reading() as connection:
            return tuple(connection.execute(query.order_by(newest.desc())).scalars())

    def claim(self, claimant: Claimant, group: str | None = None) -> RunRecord | None:
        """Take the first queued run (of a group) that suits the claimant's slot; None when there is none."""
        run = self.claim_id(claimant, group)
        return None if run is None else self.get(run)

    def request_stop(self, run: str, test: bool = True) -> None:
        """Ask a running run to stop after its present step; a queued one is stopped at once; else nothing happens.

        test: whether it takes the test on what it has learned; without it, it also leaves one that has begun.
        """
        self._making_room(lambda: self._request_stop(run, test))

    def _request_stop(self, run: str, test: bool) -> None:
        with self._writing() as connection:
            row = self._row(connection, run)
            self._check_mine(row)
            state = row.state
            if state == "queued":
                update(connection, run, state="stopped", ended=time.time())
            elif state == "running":
                update(connection, run, stop=True, **({} if test else {"skip_test": True}))

    def resume(self, run: str, claimant: Claimant | None = None, keeps_pause: bool = False) -> None:
        """Queue a run again (or hand it to `claimant`), to go on from its checkpoint, or from the start without one.

        keeps_pause: one that a person has paused stays so; else it goes on. Raises BadRunState for a run that is
        running, waiting, finished, or that failed before its first checkpoint.
        """
        self.reap()
        finish_ended(self)
        if self.actor is not None:
            self.check_start([self.get(run).settings()])
        with self._writing() as connection:
            row = self._row(connection, run)
            self._check_mine(row)
            refusal = record_of(row, None).resume_refusal
            if refusal is not None:
                raise BadRunState(refusal)
            table = schema.evaluations
            connection.execute(sa.delete(schema.finishes).where(schema.finishes.c.run == run))
            connection.execute(sa.delete(table).where(table.c.run == run, table.c.split == "test"))
            values: dict[str, Any] = dict.fromkeys(
                ("test_top1", "macro_f1", "test_images", "remaining", "error", "ended")
            )
            values |= {"stop": False, "skip_test": False}
            if not keeps_pause:
                values["controls"] = json.dumps(asdict(controls_of(row.controls).changed(paused=False)))
            update(connection, run, state="queued", worker=None, position=last_place(connection) + 1, **values)
            if claimant is not None:
                take(connection, run, claimant)
        sidecars.forget_result(self.folder(run))

    def rename(self, run: str, name: str) -> None:
        """Give a run another name (1 to 120 characters)."""
        name = cleaned(name)
        self._making_room(lambda: self._rename(run, name))
        with suppress(DiskFull):  # the database has the name; the card is for when that is lost
            self.keep_card(run)

    def _rename(self, run: str, name: str) -> None:
        with self._writing() as connection:
            self._check_mine(self._row(connection, run))
            update(connection, run, name=name)

    def delete(self, run: str) -> None:
        """Remove a run and its files. Raises BadRunState while it is running."""
        try:
            self._making_room(lambda: self._delete(run))
        except DiskFull:  # not even the lock can be had: the files alone make room for it
            self._check_deletable(self.get(run))
            self.folder(run).delete()
            self._delete(run)

    def _delete(self, run: str) -> None:
        """Files first, and the row in the same hold of the lock: on a full disk they make room, and a kill between the
        two leaves a row, which can be deleted again."""
        with self._writing() as connection:
            self._check_deletable(record_of(self._row(connection, run), None))
            self.folder(run).delete()
            connection.execute(sa.delete(schema.runs).where(schema.runs.c.id == run))

    def _check_deletable(self, record: RunRecord) -> None:
        check_change(self.actor, record.id, record.owner)
        if record.state == "running":
            raise BadRunState(f"The run {record.id!r} is running; stop it first, then delete it.")

    def duplicate(self, run: str, **changes: Any) -> str:
        """A new queued run with the same settings but for `changes` (names of config.flat_fields); gives its id."""
        record = self.get(run)
        config = record.settings()
        made_up = record.name.startswith(describe(config))
        config = config.update(**{"name": "" if made_up else record.name, **changes})
        return self.create(config, parent=run)

    def fork(
        self, run: str, step: int, claimant: Claimant | None = None, owner: str | None = None, **changes: Any
    ) -> str:
        """A new queued run that starts from the weights of a snapshot of `run`, at its step and second; gives its id.

        changes: flat settings that differ. What a person had set by that step holds on. Raises BadReference without
        such a snapshot, BadConfig for changes that the weights do not fit, BadRunState where no budget is left.
        """
        fork = self._fork(run, step, changes)
        return self._create(fork.config, claimant, {"owner": owner, "group": None, "parent": run}, fork.fill)

    def fork_config(self, run: str, step: int, **changes: Any) -> RunConfig:
        """The settings of such a fork, which is not made. Raises as `fork`."""
        return self._fork(run, step, changes).config

    def _fork(self, run: str, step: int, changes: dict[str, Any]) -> Fork:
        self.snapshot_path(run, step)
        at = next(row for row in self.snapshots(run) if row.step == step)
        return Fork(self, self.get(run), at, changes)

    def _new_id(self, connection: Connection) -> str:
        """A short hexadecimal id that no run ever had: four digits, more where the short ones get scarce."""
        for length in range(4, 33):
            for _ in range(4):
                run = secrets.token_hex(16)[:length]
                is_known = connection.execute(sa.select(schema.ids).where(schema.ids.c.id == run)).first() is not None
                if not is_known and not self.folder(run).path.exists():  # of a run whose row was lost
                    connection.execute(sa.insert(schema.ids).values(id=run))
                    return run
        raise AssertionError("2**128 ids cannot all be taken")

    def checkpoint_path(self, run: str) -> Path:
        """Where the run's checkpoint is, or will be."""
        return self.folder(run).checkpoint


def _names(connection: Connection) -> set[str]:
    return set(connection.execute(sa.select(schema.runs.c.name)).scalars())
