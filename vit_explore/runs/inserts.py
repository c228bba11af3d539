"""From events to rows: one function per kind of event, each inside the caller's transaction."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.runs import schema, sidecars
from vit_explore.runs.base import release, update
from vit_explore.runs.plain import replace
from vit_explore.runs.playing import insert_marks
from vit_explore.runs.records import pack
from vit_explore.training.events import (
    Changed,
    Checkpoint,
    Evaluated,
    Finished,
    Paused,
    Snapshot,
    Started,
    Step,
)
from vit_explore.training.schedule import is_kept
from vit_explore.upgrades import PLAIN_VERSION, VERSION_KEY

INTEGERS = {"step", "images_seen"}  # columns of a Step
_NOT_SHOWN = {*INTEGERS, "lr", "progress"}  # of a Step, in the run's own row
# name -> number of axes, and NumPy's letters for the kinds of number that it may hold
EVALUATED_ARRAYS = {"per_class": (1, "f"), "confusion": (2, "iu"), "sample_probs": (2, "f")}
FINISHED_ARRAYS = {"per_class": (1, "f"), "confusion": (2, "iu"), "predictions": (1, "iu")}
_TOP1 = {"val": "top1", "test": "test_top1"}  # split -> column of the run's own row


def _insert_steps(connection: Connection, run: str, events: list[Step], _sizes: dict[int, int]) -> None:
    kept = [{"run": run, **vars(event)} for event in events if is_kept(int(event.step))]
    if kept:
        replace(connection, schema.steps, kept)
    progress = {name: float(value) for name, value in vars(events[-1]).items() if name not in _NOT_SHOWN}
    update(connection, run, note=None, step=int(events[-1].step), images_seen=int(events[-1].images_seen), **progress)


def _insert_started(connection: Connection, run: str, events: list[Started], _sizes: dict[int, int]) -> None:
    """Keep the facts; of a resumed run, forget what came after its checkpoint, so that curves stay single-valued."""
    event = events[-1]
    for table in (schema.steps, schema.evaluations, schema.snapshots, schema.marks):
        later = table.c.step > event.resumed_at if event.resumed_at else sa.true()
        connection.execute(sa.delete(table).where(table.c.run == run, later))
    changes = schema.marks.c.seconds.is_(None)  # one at this very step was heeded after the checkpoint, or is told anew
    again = sa.and_(changes, schema.marks.c.step >= event.resumed_at)
    connection.execute(sa.delete(schema.marks).where(schema.marks.c.run == run, again))
    facts = {name: value for name, value in vars(event).items() if not name.startswith("sample_")}
    facts |= {"model": event.model.model_dump(mode="json"), VERSION_KEY: PLAIN_VERSION}
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
        arrays = {name: pack(getattr(event, name)) for name in EVALUATED_ARRAYS}
        replace(connection, schema.evaluations, [{"run": run, **vars(event), **arrays}])
        if event.split in _TOP1:
            update(connection, run, **{_TOP1[event.split]: float(event.top1)})


def _insert_snapshots(connection: Connection, run: str, events: list[Snapshot], sizes: dict[int, int]) -> None:
    columns = ("step", "epoch", "elapsed", "on_clock")
    rows = [{"run": run, "bytes": sizes[e.step], **{name: getattr(e, name) for name in columns}} for e in events]
    replace(connection, schema.snapshots, rows)


def _insert_checkpoints(connection: Connection, run: str, _events: list[Checkpoint], _sizes: dict[int, int]) -> None:
    update(connection, run, has_checkpoint=True)


def insert_finished(connection: Connection, run: str, events: list[Finished], _sizes: dict[int, int]) -> None:
    """The result and the end of the run are one: a run with a result is over, and needs no checkpoint."""
    event = events[-1]
    if not event.stopped:
        update(connection, run, has_checkpoint=False)
    release(connection, run, "stopped" if event.stopped else "finished")
    arrays = {name: pack(getattr(event, name)) for name in FINISHED_ARRAYS}
    scalars = json.dumps(sidecars.scalars(event), default=float)
    replace(connection, schema.finishes, [{"run": run, "scalars": scalars, **arrays}])
    update(
        connection,
        run,
        step=int(event.step),
        images_seen=int(event.images_seen),
        device=event.device,
        remaining=0.0,
        **({} if math.isnan(event.val_top1) else {"top1": float(event.val_top1)}),  # none was measured since it went on
        test_images=event.test_images,
        note=_early(event.best_step),
        **{name: _maybe_float(getattr(event, name)) for name in ("test_top1", "macro_f1")},
        **{name: float(getattr(event, name)) for name in ("images_per_second", "train_seconds")},
    )


def _early(best_step: int | None) -> str | None:
    """What is to be said of an early end."""
    return None if best_step is None else f"It ended early and kept its weights of step {best_step:,}, the best ones."


def _maybe_float(value: float | None) -> float | None:
    return None if value is None else float(value)


INSERT: dict[type, Callable[[Connection, str, list[Any], dict[int, int]], None]] = {
    Started: _insert_started,
    Step: _insert_steps,
    Evaluated: _insert_evaluated,
    Snapshot: _insert_snapshots,
    Checkpoint: _insert_checkpoints,
    Changed: insert_marks,
    Paused: insert_marks,
    Finished: insert_finished,
}
