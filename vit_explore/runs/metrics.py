"""The store's part that keeps what a run says while it trains: events in, arrays out."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.config import ModelConfig
from vit_explore.errors import BadReference
from vit_explore.runs import reading, schema, sidecars
from vit_explore.runs.base import StoreBase, release, update
from vit_explore.runs.files import clock_snapshots_to_drop, snapshots_to_drop
from vit_explore.runs.playing import insert_marks
from vit_explore.runs.records import SnapshotRow, pack
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
from vit_explore.training.schedule import is_kept
from vit_explore.upgrades import CONFIG_VERSION, VERSION_KEY, stored_model

STEP_COLUMNS = tuple(field.name for field in dataclasses.fields(Step))
_INTEGERS = {"step", "images_seen"}
_NOT_SHOWN = {*_INTEGERS, "lr", "progress"}  # of a Step, in the run's own row
# name -> number of axes, and NumPy's letters for the kinds of number that it may hold
_EVALUATED_ARRAYS = {"per_class": (1, "f"), "confusion": (2, "iu"), "sample_probs": (2, "f")}
_FINISHED_ARRAYS = {"per_class": (1, "f"), "confusion": (2, "iu"), "predictions": (1, "iu")}
_TOP1 = {"val": "top1", "test": "test_top1"}  # split -> column of the run's own row
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
                _INSERT[kind](connection, run, list(group), sizes)
        if any(isinstance(event, Started) for event in events):
            self.keep_card(run)
        if any(isinstance(event, Finished) and not event.stopped for event in events):
            self.folder(run).remove_checkpoint()
        if not all(isinstance(event, Step | Evaluated | Changed | Paused) for event in events):
            self._tidy_files(run, any(isinstance(event, Finished) for event in events))

    def steps(self, run: str, after: int = -1) -> dict[str, np.ndarray]:
        """The columns of Step, for the steps greater than `after`: name -> (n,) array."""
        columns: list[Any] = [schema.steps.c[name] for name in STEP_COLUMNS]
        if not self.keeps_marks:
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
            name: np.array(column, dtype=np.int64 if name in _INTEGERS else np.float64)
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
            arrays = _arrays(row._asdict(), _FINISHED_ARRAYS)
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
        readable = sa.case((sa.func.json_valid(runs.c.config), runs.c.config), else_="{}")
        architecture = sa.func.json_extract(readable, "$.model.architecture")
        known = sa.select(runs.c.id, runs.c.name, sa.func.coalesce(architecture, ModelConfig().architecture))
        steps: dict[str, list[int]] = defaultdict(list)
        with self._reading() as connection:
            for run, step in connection.execute(sa.select(table.c.run, table.c.step).order_by(table.c.step)):
                steps[run].append(step)
            rows = connection.execute(known.order_by(runs.c.seq.desc())).all()
        return [(run, name, kind, tuple(steps[run])) for run, name, kind in rows if run in steps]

    def snapshot_path(self, run: str, step: int) -> Path:
        """The file of one snapshot. Raises BadReference, with the steps that there are."""
        steps = [row.step for row in self.snapshots(run)]
        path = self.folder(run).snapshot(step)
        if step not in steps or not path.is_file():
            known = ", ".join(map(str, steps)) or "none yet"
            raise BadReference(f"The run {run!r} has no snapshot at step {step}; it has: {known}.")
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
        passing = clock_snapshots_to_drop(steps, self._on_clock(run), has_ended)
        kept = [step for step in steps if step not in passing]
        dropped = [*passing, *(snapshots_to_drop(kept, rows[-1].bytes) if rows else [])]
        with self._writing() as connection:
            table = schema.snapshots
            connection.execute(sa.delete(table).where(table.c.run == run, table.c.step.in_(dropped)))
        folder.keep_only(set(steps) - set(dropped))
        with self._writing() as connection:
            update(connection, run, disk_bytes=folder.size())


def _evaluated(run: str, row: dict[str, Any]) -> Evaluated:
    del row["run"]
    with reading.guarded(f"The evaluation of the run {run!r} at step {row['step']}", _REPEAT):
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
        return Evaluated(**values | _arrays(row, _EVALUATED_ARRAYS))


def _arrays(row: Mapping[str, Any], kinds: dict[str, tuple[int, str]]) -> dict[str, np.ndarray]:
    """The arrays of a row, of as many classes each."""
    arrays = {name: reading.array(row[name], *kind) for name, kind in kinds.items()}
    classes = len(arrays["per_class"])
    if arrays["confusion"].shape != (classes, classes):
        raise reading.Misfit(f"a confusion matrix {arrays['confusion'].shape} of {classes} classes")
    if "sample_probs" in arrays and arrays["sample_probs"].shape[1] != classes:
        raise reading.Misfit(f"probabilities {arrays['sample_probs'].shape} of {classes} classes")
    return arrays


def _insert(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert or replace; NumPy's scalars become Python's, which SQLite knows (its NaN is NULL)."""
    plain = [{k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()} for row in rows]
    connection.execute(sa.insert(table).prefix_with("OR REPLACE"), plain)


def _insert_steps(connection: Connection, run: str, events: list[Step], _sizes: dict[int, int]) -> None:
    kept = [{"run": run, **vars(event)} for event in events if is_kept(int(event.step))]
    if kept:
        _insert(connection, schema.steps, kept)
    progress = {name: float(value) for name, value in vars(events[-1]).items() if name not in _NOT_SHOWN}
    update(connection, run, note=None, step=int(events[-1].step), images_seen=int(events[-1].images_seen), **progress)


def _insert_started(connection: Connection, run: str, events: list[Started], _sizes: dict[int, int]) -> None:
    """Keep the facts; of a resumed run, forget what came after its checkpoint, so that curves stay single-valued."""
    event = events[-1]
    for table in (schema.steps, schema.evaluations, schema.snapshots, schema.marks):
        later = table.c.step > event.resumed_at if event.resumed_at else sa.true()
        connection.execute(sa.delete(table).where(table.c.run == run, later))
    facts = {name: value for name, value in vars(event).items() if not name.startswith("sample_")}
    facts |= {"model": event.model.model_dump(mode="json"), VERSION_KEY: CONFIG_VERSION}
    update(
        connection,
        run,
        facts=json.dumps(facts, default=float),
        note=None,
        params=event.params,
        flops=event.flops,
        device=event.device,
        step=event.resumed_at,
    )


def _insert_evaluated(connection: Connection, run: str, events: list[Evaluated], _sizes: dict[int, int]) -> None:
    for event in events:
        arrays = {name: pack(getattr(event, name)) for name in _EVALUATED_ARRAYS}
        _insert(connection, schema.evaluations, [{"run": run, **vars(event), **arrays}])
        if event.split in _TOP1:
            update(connection, run, **{_TOP1[event.split]: float(event.top1)})


def _insert_snapshots(connection: Connection, run: str, events: list[Snapshot], sizes: dict[int, int]) -> None:
    columns = ("step", "epoch", "elapsed", "on_clock")
    rows = [{"run": run, "bytes": sizes[e.step], **{name: getattr(e, name) for name in columns}} for e in events]
    _insert(connection, schema.snapshots, rows)


def _insert_checkpoints(connection: Connection, run: str, _events: list[Checkpoint], _sizes: dict[int, int]) -> None:
    update(connection, run, has_checkpoint=True)


def insert_finished(connection: Connection, run: str, events: list[Finished], _sizes: dict[int, int]) -> None:
    """The result and the end of the run are one: a run with a result is over, and needs no checkpoint."""
    event = events[-1]
    if not event.stopped:
        update(connection, run, has_checkpoint=False)
    release(connection, run, "stopped" if event.stopped else "finished")
    scalars = {name: value for name, value in vars(event).items() if name not in _FINISHED_ARRAYS}
    arrays = {name: pack(getattr(event, name)) for name in _FINISHED_ARRAYS}
    _insert(connection, schema.finishes, [{"run": run, "scalars": json.dumps(scalars, default=float), **arrays}])
    update(
        connection,
        run,
        step=int(event.step),
        images_seen=int(event.images_seen),
        device=event.device,
        remaining=0.0,
        top1=float(event.val_top1),
        test_images=event.test_images,
        **{name: _maybe_float(getattr(event, name)) for name in ("test_top1", "macro_f1")},
        **{name: float(getattr(event, name)) for name in ("images_per_second", "train_seconds")},
    )


def _maybe_float(value: float | None) -> float | None:
    return None if value is None else float(value)


_INSERT: dict[type, Callable[[Connection, str, list[Any], dict[int, int]], None]] = {
    Started: _insert_started,
    Step: _insert_steps,
    Evaluated: _insert_evaluated,
    Snapshot: _insert_snapshots,
    Checkpoint: _insert_checkpoints,
    Changed: insert_marks,
    Paused: insert_marks,
    Finished: insert_finished,
}
