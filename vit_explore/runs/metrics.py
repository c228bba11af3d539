"""The store's part that keeps what a run says while it trains: events in, arrays out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.config import ModelConfig
from vit_explore.errors import SnapshotGone, StoreBusy
from vit_explore.runs import reading, schema, sidecars
from vit_explore.runs.base import StoreBase, update
from vit_explore.runs.files import clock_snapshots_to_drop, snapshots_to_drop
from vit_explore.runs.inserts import EVALUATED_ARRAYS, FINISHED_ARRAYS, INSERT, INTEGERS
from vit_explore.runs.naming import shown
from vit_explore.runs.records import SnapshotRow
from vit_explore.training.events import (
    Changed,
    Checkpoint,
    Evaluated,
    Event,
    Finished,
    Paused,
    Snapshot,
    Started,
    Step,
)
from vit_explore.upgrades import VERSION_KEY, stored_model

STEP_COLUMNS = tuple(field.name for field in dataclasses.fields(Step))
_REPEAT = "duplicate the run to train it again, or delete it"


class RunLost(Exception):
    """The run is no longer this worker's: it was reaped, taken over or deleted. Nothing was written."""


class RunMetrics(StoreBase):
    """Record events, and read them back."""

    def record(self, run: str, event: Event, worker: str | None = None) -> None:
        """Keep one event. Raises as `record_all`."""
        self.record_all(run, [event], worker)

    def record_all(self, run: str, events: Iterable[Event], worker: str | None = None) -> None:
        """Keep events, in one transaction up to each checkpoint; a kill at any moment leaves a run that can go on.

        A file is written before the rows that speak of it, and removed after the rows that do without it; a checkpoint
        is written when all that came before it is kept. Raises RunNotFound; RunLost when `worker` is given and the run
        is not its own any more; DiskFull.
        """
        for _, group in itertools.groupby(events, key=lambda event: isinstance(event, Checkpoint)):
            self._record_together(run, list(group), worker)

    def _record_together(self, run: str, events: list[Event], worker: str | None) -> None:
        with self._reading() as connection:  # before any file is written
            self._check_owner(connection, run, worker)
        sizes = self._write_files(run, events)
        with self._writing() as connection:
            self._check_owner(connection, run, worker)
            for kind, group in itertools.groupby(events, key=type):
                INSERT[kind](connection, run, list(group), sizes)
        with suppress(StoreBusy):  # what was said is written, and is not to be said again
            self._after(run, events)

    def _after(self, run: str, events: list[Event]) -> None:
        """The files that follow from events that are written."""
        if any(isinstance(event, Started) for event in events):
            self.keep_card(run)
        if any(isinstance(event, Finished) and not event.stopped for event in events):
            self.folder(run).remove_checkpoint()
        if not all(isinstance(event, Step | Evaluated | Changed | Paused) for event in events):
            self._tidy_files(run, any(isinstance(event, Finished) for event in events))

    def steps(self, run: str, after: int = -1) -> dict[str, np.ndarray]:
        """The columns of Step, for the steps greater than `after`: name -> (n,) array."""
        columns: list[Any] = [schema.steps.c[name] for name in STEP_COLUMNS]
        if not self._has_table("marks"):
            columns[STEP_COLUMNS.index("progress")] = sa.null().label("progress")
        query = (
            sa.select(*columns)
            .where(schema.steps.c.run == run, schema.steps.c.step > after)
            .order_by(schema.steps.c.step)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
            if not rows:
                self._row(connection, run)
        values = list(zip(*rows, strict=True)) or [()] * len(STEP_COLUMNS)
        return {
            name: np.array(column, dtype=np.int64 if name in INTEGERS else np.float64)
            for name, column in zip(STEP_COLUMNS, values, strict=True)
        }

    def evaluations(self, run: str, after: int = -1) -> list[Evaluated]:
        """The evaluations at steps greater than `after`, in order; those of the validation split come first.

        Raises RunNotFound, and DamagedFile for one that cannot be read.
        """
        table = schema.evaluations
        query = (
            sa.select(table)
            .where(table.c.run == run, table.c.step > after)
            .order_by(table.c.step, table.c.split.desc())
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
            if not rows:
                self._row(connection, run)
        return [_evaluated(run, dict(row)) for row in rows]

    def top1_by(self, run: str, step: int) -> tuple[int, float | None] | None:
        """(step, top-1) of the last look at the validation images up to a step; None before the first."""
        table = schema.evaluations.c
        query = sa.select(table.step, table.top1).where(table.run == run, table.split == "val", table.step <= step)
        with self._reading() as connection:
            row = connection.execute(query.order_by(table.step.desc()).limit(1)).first()
        return None if row is None else (row.step, row.top1)

    def names_of_begun(self) -> dict[str, str]:
        """id -> name of every run that took a step, the newest first; no settings are read for it."""
        table = schema.runs.c
        query = sa.select(table.id, table.name).where(table.step > 0).order_by(table.seq.desc())
        with self._reading() as connection:
            return {run: shown(name) for run, name in connection.execute(query)}

    def started(self, run: str) -> Started | None:
        """The run's facts with its sample images; None before it started. Raises RunNotFound, DamagedFile."""
        with self._reading() as connection:
            facts = self._row(connection, run).facts
        if facts is None:
            return None
        images, labels = self.folder(run).read_samples()
        with reading.guarded(f"What the run {run!r} said at its start", _REPEAT):
            values = reading.mapping(facts)
            values |= {name: tuple(values[name]) for name in ("classes", "mean", "std")}
            values["model"] = stored_model(values["model"], values.pop(VERSION_KEY, 1))
            return Started(**values, sample_images=images, sample_labels=labels)

    def finished(self, run: str) -> Finished | None:
        """The run's result; None before its end. Raises RunNotFound, DamagedFile."""
        query = sa.select(schema.finishes).where(schema.finishes.c.run == run)
        with self._reading() as connection:
            row = connection.execute(query).first()
            if row is None:
                self._row(connection, run)
                return None
        with reading.guarded(f"The result of the run {run!r}", _REPEAT):
            arrays = _arrays(row._asdict(), FINISHED_ARRAYS)
            return Finished(**sidecars.whole(reading.mapping(row.scalars), arrays))

    def snapshots(self, run: str) -> list[SnapshotRow]:
        """The snapshots that were kept, in order of their step."""
        table = schema.snapshots
        query = sa.select(table.c.step, table.c.epoch, table.c.elapsed, table.c.bytes)
        with self._reading() as connection:
            rows = connection.execute(query.where(table.c.run == run).order_by(table.c.step)).all()
            if not rows:
                self._row(connection, run)
        return [SnapshotRow(*row) for row in rows]

    def runs_with_snapshots(self) -> list[tuple[str, str, str, tuple[int, ...]]]:
        """(id, name, architecture, steps) of every run that has snapshots, the newest first: two queries in all."""
        runs, table = schema.runs, schema.snapshots
        steps: dict[str, list[int]] = defaultdict(list)
        with self._reading() as connection:
            architecture = sa.func.coalesce(_architecture(connection), ModelConfig().architecture)
            known = sa.select(runs.c.id, runs.c.name, architecture)
            for run, step in connection.execute(sa.select(table.c.run, table.c.step).order_by(table.c.step)):
                steps[run].append(step)
            rows = connection.execute(known.order_by(runs.c.seq.desc())).all()
        return [(run, shown(name), kind, tuple(steps[run])) for run, name, kind in rows if run in steps]

    def snapshot_path(self, run: str, step: int) -> Path:
        """The file of one snapshot. Raises SnapshotGone, with the steps that there are."""
        steps = [row.step for row in self.snapshots(run)]
        path = self.folder(run).snapshot(step)
        if step not in steps or not path.is_file():
            known = ", ".join(map(str, steps)) or "none yet"
            raise SnapshotGone(f"The run {run!r} has no snapshot at step {step}; it has: {known}.")
        return path

    def _check_owner(self, connection: Connection, run: str, worker: str | None) -> None:
        row = connection.execute(sa.select(schema.runs.c.worker).where(schema.runs.c.id == run)).first()
        if worker is not None and (row is None or row.worker != worker):
            raise RunLost(run)
        if row is None:
            self._missing(connection, run)

    def _write_files(self, run: str, events: list[Event]) -> dict[int, int]:
        """Write what belongs into the folder; gives the bytes of each snapshot by its step."""
        folder, sizes = self.folder(run), {}
        for event in events:
            if isinstance(event, Started):
                folder.create()
                folder.write_samples(event)
            elif isinstance(event, Finished):
                sidecars.write_result(folder, event)
            elif isinstance(event, Snapshot):
                sizes[event.step] = folder.write_snapshot(event.step, event.weights)
            elif isinstance(event, Checkpoint):
                folder.write_checkpoint(event.state)
        return sizes

    def _on_clock(self, run: str) -> set[int]:
        """The steps of the snapshots that were made since someone watched."""
        table = schema.snapshots
        with self._reading() as connection:
            query = sa.select(table.c.step).where(table.c.run == run, table.c.on_clock.is_(True))
            return set(connection.execute(query).scalars())

    def _tidy_files(self, run: str, has_ended: bool = False) -> None:
        """Keep the snapshots within bounds, and count the folder's bytes; only for the process that trains the run."""
        folder, rows = self.folder(run), self.snapshots(run)
        steps = [row.step for row in rows]
        on_clock = self._on_clock(run)
        scheduled = [step for step in steps if step not in on_clock]  # the others take no room from them
        dropped = clock_snapshots_to_drop(steps, on_clock, has_ended)
        dropped += snapshots_to_drop(scheduled, rows[-1].bytes) if rows else []
        with self._writing() as connection:
            table = schema.snapshots
            connection.execute(sa.delete(table).where(table.c.run == run, table.c.step.in_(dropped)))
        folder.keep_only(set(steps) - set(dropped))
        with self._writing() as connection:
            update(connection, run, disk_bytes=folder.size())


def _architecture(connection: Connection) -> sa.ColumnElement[str]:
    """The architecture in a run's stored settings; null where they cannot be read."""
    config = schema.runs.c.config
    if connection.dialect.name == "sqlite":
        readable = sa.case((sa.func.json_valid(config), config), else_="{}")
        return sa.func.json_extract(readable, "$.model.architecture")
    return sa.func.substring(config, r'"architecture":\s*"([^"]*)"')


def _evaluated(run: str, row: dict[str, Any]) -> Evaluated:
    del row["run"]
    with reading.guarded(f"The evaluation of the run {run!r} at step {row['step']}", _REPEAT):
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
        return Evaluated(**values | _arrays(row, EVALUATED_ARRAYS))


def _arrays(row: Mapping[str, Any], kinds: dict[str, tuple[int, str]]) -> dict[str, np.ndarray]:
    """The arrays of a row, of as many classes each."""
    arrays = {name: reading.array(row[name], *kind) for name, kind in kinds.items()}
    classes = len(arrays["per_class"])
    if arrays["confusion"].shape != (classes, classes):
        raise reading.Misfit(f"a confusion matrix {arrays['confusion'].shape} of {classes} classes")
    if "sample_probs" in arrays and arrays["sample_probs"].shape[1] != classes:
        raise reading.Misfit(f"probabilities {arrays['sample_probs'].shape} of {classes} classes")
    return arrays
