"""The store's part that says who trains what: the queue, the workers, their heartbeats, and the dead among them."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore.errors import BadConfig, DiskFull
from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase, release, update
from vit_explore.runs.fair import is_paused, is_waited_for, queued
from vit_explore.runs.plain import replace as replace_rows
from vit_explore.runs.records import CLUSTER, Claimant, WorkerInfo, death_sentence, is_alive, looks_dead, process_start
from vit_explore.upgrades import stored_config

STARTING_SECONDS = 90.0
FAILED_SECONDS = 30.0  # how long a worker that died before it was warm is remembered, so that it is not retried at once

_OF_LIFE = ("id", "step", "has_checkpoint", "pid", "pid_started", "host", "heartbeat")  # columns that tell death

Beat = Literal["go", "lost"]


class RunQueue(StoreBase):
    """Claim, keep alive, let go, and clear away."""

    def claim_id(self, claimant: Claimant, group: str | None = None) -> str | None:
        """The id of the first queued run for the claimant's slot, now running; None when there is none to take.

        group: of this group only. At most one run is on a slot. A run that names a device goes to the worker of that
        device where there is one. One whose settings cannot be read is failed, with the sentence, and holds up none.
        One that gave way and is paused would only stand still: it waits until it is to go on.
        """
        if not self.has_queued():
            return None
        self.reap()
        run = self._take_first(claimant, group)
        if run is not None:
            with suppress(DiskFull):  # its training needs the folder too, and will say so
                self.keep_card(run)
        return run

    def _take_first(self, claimant: Claimant, group: str | None) -> str | None:
        with self._writing() as connection:
            if _is_busy(connection, claimant):
                return None
            devices = set(connection.execute(sa.select(schema.workers.c.device)).scalars())
            paused = is_paused().label("paused")
            for row in () if is_held(connection) else queued(connection, *schema.runs.c, paused, group=group):
                device = None if row.paused else _wished_device(connection, row)
                if device is not None and suits(device, claimant.device, devices):
                    take(connection, row.id, claimant)
                    return row.id
        return None

    def has_queued(self) -> bool:
        """Whether a run waits that is not paused; cheap enough to ask ten times a second."""
        ready = (schema.runs.c.state == "queued", sa.not_(is_paused()))
        with self._reading() as connection:
            return connection.execute(sa.select(schema.runs.c.id).where(*ready).limit(1)).first() is not None

    def heartbeat(self, run: str, worker: str) -> Beat:
        """Say that the run is alive. "lost": it is not this worker's any more.

        A run that was taken for dead while its machine slept is running again, unless another worker has it by now.
        """
        mine = (schema.runs.c.id == run, schema.runs.c.worker == worker)
        with self._writing() as connection:
            row = connection.execute(sa.select(schema.runs).where(*mine)).first()
            if row is None or row.state not in ("running", "interrupted"):
                return "lost"
            update(connection, run, heartbeat=time.time())
            if row.state == "interrupted":
                update(connection, run, state="running", ended=None, error=None)
        return "go"

    def let_go(self, run: str, worker: str, state: str, error: str | None = None) -> None:
        """The end of a claim: the run's new state; nothing happens when it is not this worker's any more."""
        self._making_room(lambda: self._let_go(run, worker, state, error))

    def _let_go(self, run: str, worker: str, state: str, error: str | None) -> None:
        own = sa.select(schema.runs.c.id).where(schema.runs.c.id == run, schema.runs.c.worker == worker)
        with self._writing() as connection:
            if connection.execute(own).first() is not None:
                release(connection, run, state, error)

    def requeue(self, run: str, worker: str) -> Literal["queued", "stopped"]:
        """The end of a claim for now: the run waits at the end of its owner's, and goes on from its checkpoint.

        One that somebody has asked to stop is stopped, as one that waits is; gives the state.
        """
        own = sa.select(schema.runs.c.stop).where(schema.runs.c.id == run, schema.runs.c.worker == worker)
        with self._writing() as connection:
            mine = connection.execute(own).first()
            if mine is not None and mine.stop:
                release(connection, run, "stopped")
                return "stopped"
            if mine is not None:
                release(connection, run, "queued")
                update(connection, run, ended=None, position=last_place(connection) + 1)
        return "queued"

    def is_waited_for(self, run: str) -> bool:
        """Whether a run of somebody else waits, and may start, while this one trains; cheap enough for a heartbeat."""
        with self._reading() as connection:
            return is_waited_for(connection, run) and not is_held(connection)

    def set_note(self, run: str, note: str) -> None:
        """What goes on while no step is taken, for people to read: before the first, within a long one, in the test."""
        with self._writing() as connection:
            update(connection, run, note=note)

    def reap(self) -> list[str]:
        """Mark the runs of dead workers as interrupted, and forget dead workers; gives the ids of those runs."""
        with self._reading() as connection:  # looking is cheap and takes no lock
            if not dead_runs(connection) and not _dead_workers(connection):
                return []
        with self._writing() as connection:
            dead = dead_runs(connection)
            for row in dead:
                update(connection, row.id, state="interrupted", note=None, ended=time.time(), error=death_sentence(row))
            for row in _dead_workers(connection):
                _bury(connection, row)
        return [row.id for row in dead]

    def left_on(self, device: str) -> list[str]:
        """The runs that were interrupted on the slots of a device, since the process that had them is gone."""
        self.reap()
        table = schema.runs.c
        there = (table.state == "interrupted", table.slot.startswith(f"{device}:", autoescape=True))
        with self._reading() as connection:
            return list(connection.execute(sa.select(table.id).where(*there).order_by(table.seq)).scalars())

    def workers(self) -> list[WorkerInfo]:
        """The workers that live (or failed just now). Writes nothing."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(schema.workers)).all()
        over = [row for row in rows if _is_over(row)]
        living = [_info(row) for row in rows if row not in over]
        return living + [replace(_info(row), state="failed") for row in over if row.state == "starting"]

    def seats(self) -> list[WorkerInfo]:
        """The places of a cluster that serves this store now; none where its own machine trains."""
        return [worker for worker in self.workers() if worker.device == CLUSTER]

    def register(self, claimant: Claimant, state: str, run: str | None = None) -> None:
        """Enter or refresh a worker; this is its heartbeat, too."""
        row = {
            "id": claimant.worker,
            "pid": claimant.pid,
            "pid_started": claimant.pid_started,
            "host": claimant.host,
            "device": claimant.device,
            "state": state,
            "heartbeat": time.time(),
            "run": run,
        }
        with self._writing() as connection:
            replace_rows(connection, schema.workers, [row])

    def unregister(self, worker: str) -> None:
        """Forget a worker that ends."""
        with self._writing() as connection:
            connection.execute(sa.delete(schema.workers).where(schema.workers.c.id == worker))

    def reserve_worker(self, worker: str, device: str) -> WorkerInfo | None:
        """Announce a worker that is about to be started; when there is one for this device already, give that one."""
        self.reap()
        table = schema.workers
        with self._writing() as connection:
            row = connection.execute(
                sa.select(table).where(table.c.device == device, table.c.host == platform.node())
            ).first()
            if row is not None:
                return _info(row)
            values = {"id": worker, "host": platform.node(), "device": device}
            connection.execute(sa.insert(table).values(**values, state="starting", heartbeat=time.time()))
        return None

    def announce_worker(self, worker: str, pid: int) -> WorkerInfo:
        """Add the process to a reservation, unless the worker has registered itself already."""
        table = schema.workers
        with self._writing() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == worker, table.c.pid.is_(None))
                .values(pid=pid, pid_started=process_start(pid))
            )
            return _info(connection.execute(sa.select(table).where(table.c.id == worker)).one())


def last_place(connection: Connection) -> int:
    """The place at the end of the queue."""
    return connection.execute(sa.select(sa.func.max(schema.runs.c.position))).scalar() or 0


def take(connection: Connection, run: str, claimant: Claimant) -> None:
    """Mark a run as running, in the claimant's hands."""
    now = time.time()
    update(
        connection,
        run,
        state="running",
        stop=False,
        skip_test=False,
        error=None,
        ended=None,
        claimed=now,
        heartbeat=now,
        worker=claimant.worker,
        slot=claimant.slot,
        pid=claimant.pid,
        pid_started=claimant.pid_started,
        host=claimant.host,
    )


def suits(wish: str, device: str, devices: set[str]) -> bool:
    """Whether a run that wishes a device may go to the worker of `device`, when there are workers for `devices`.

    A device that no worker has (mistyped, or the CPU of a machine whose workers have GPUs) goes to any worker: it fails
    there with a sentence, or trains on the CPU. Where a cluster serves the store, all go there.
    """
    if CLUSTER in devices:
        return device == CLUSTER
    if wish in ("auto", device) or device == "auto":
        return True
    if wish == "cuda":
        return device.startswith("cuda") or not any(name.startswith("cuda") for name in devices)
    return wish not in devices


def _is_busy(connection: Connection, claimant: Claimant) -> bool:
    """Whether a run is on the claimant's slot of this machine already."""
    table = schema.runs.c
    same_slot = (table.slot == claimant.slot, table.host == claimant.host)
    return connection.execute(sa.select(table.id).where(table.state == "running", *same_slot)).first() is not None


def is_held(connection: Connection) -> bool:
    """Whether the teacher of a lesson that goes on holds the queue: no run starts."""
    table = schema.lessons
    rows = connection.execute(sa.select(table).where(table.c.ended.is_(None), table.c.is_paused)).all()
    return any(not looks_dead(row) for row in rows)


def _wished_device(connection: Connection, row: Row[Any]) -> str | None:
    """The device that a queued run names; None for one whose settings cannot be read, which is failed."""
    try:
        return stored_config(row.config).train.device
    except BadConfig as error:
        update(connection, row.id, state="failed", error=str(error), ended=time.time())
        return None


def dead_runs(connection: Connection) -> list[Row[Any]]:
    """The rows (in part) that say running, of runs whose process is gone."""
    columns = [schema.runs.c[name] for name in _OF_LIFE]
    rows = connection.execute(sa.select(*columns).where(schema.runs.c.state == "running")).all()
    return [row for row in rows if looks_dead(row)]


def _dead_workers(connection: Connection) -> list[Row[Any]]:
    rows = connection.execute(sa.select(schema.workers)).all()
    return [row for row in rows if _is_over(row)]


def _is_over(row: Row[Any]) -> bool:
    silent = time.time() - row.heartbeat
    if row.state == "failed":
        return silent > FAILED_SECONDS
    if row.state == "starting":  # it has no heartbeat yet; importing torch from a slow disk takes long
        return silent > STARTING_SECONDS or (row.pid is not None and row.host == platform.node() and not is_alive(row))
    return looks_dead(row)


def _bury(connection: Connection, row: Row[Any]) -> None:
    table = schema.workers
    if row.state == "starting":
        change = sa.update(table).where(table.c.id == row.id).values(state="failed", heartbeat=time.time())
        connection.execute(change)
    else:
        connection.execute(sa.delete(table).where(table.c.id == row.id))


def _info(row: Row[Any]) -> WorkerInfo:
    return WorkerInfo(row.id, row.pid, row.device, row.state, row.heartbeat, row.run)
