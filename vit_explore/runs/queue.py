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
from vit_explore.runs.records import Claimant, WorkerInfo, death_sentence, is_alive, looks_dead, process_start
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
            for row in _queued(connection, group):
                device = _wished_device(connection, row)
                if device is not None and suits(device, claimant.device, devices):
                    take(connection, row.id, claimant)
                    return row.id
        return None

    def has_queued(self) -> bool:
        """Whether a run waits; cheap enough to ask ten times a second."""
        with self._reading() as connection:
            query = sa.select(schema.runs.c.id).where(schema.runs.c.state == "queued").limit(1)
            return connection.execute(query).first() is not None

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

    def workers(self) -> list[WorkerInfo]:
        """The workers that live (or failed just now). Writes nothing."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(schema.workers)).all()
        over = [row for row in rows if _is_over(row)]
        living = [_info(row) for row in rows if row not in over]
        return living + [replace(_info(row), state="failed") for row in over if row.state == "starting"]

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
            connection.execute(sa.insert(schema.workers).prefix_with("OR REPLACE"), [row])

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
    there with a sentence, or trains on the CPU.
    """
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


def _queued(connection: Connection, group: str | None) -> list[Row[Any]]:
    table = schema.runs
    query = sa.select(table).where(table.c.state == "queued")
    query = query if group is None else query.where(table.c.group == group)
    return list(connection.execute(query.order_by(table.c.position)).all())


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
