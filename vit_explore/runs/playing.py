"""The store's part for what a person does to a run that goes on: pause, change, watch; and the marks that it leaves."""

from __future__ import annotations

import dataclasses
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore.errors import BadConfig, BadRunState, DiskFull, RunNotFound
from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase, update
from vit_explore.runs.records import record_of
from vit_explore.training.controls import Controls
from vit_explore.training.events import Changed, Paused

WATCHED_SECONDS = 6.0  # someone looks at a run for so long after the page last said so
WATCHED_EACH = 2.0  # a page says it at every tick; written is it this often


@dataclass(frozen=True)
class Orders:
    """What the process that trains a run is to know of it. stop: its end is asked for."""

    stop: bool = False
    skip_test: bool = False
    controls: Controls = field(default_factory=Controls)
    watched: float = 0.0  # when someone last looked, in seconds since 1970

    @property
    def is_watched(self) -> bool:
        return time.time() - self.watched < WATCHED_SECONDS


class Playing(StoreBase):
    """Controls in, marks out."""

    def controls(self, run: str) -> Controls:
        """What is set for a run. Raises RunNotFound."""
        with self._reading() as connection:
            return controls_of(self._row(connection, run).controls)

    def control(self, run: str, **changes: Any) -> Controls:
        """Set some of the Controls of a run that runs or waits; gives all that hold now.

        Raises BadRunState in another state, BadConfig for a value that is not possible.
        """
        return self._making_room(lambda: self._control(run, changes))

    def _control(self, run: str, changes: dict[str, Any]) -> Controls:
        with self._writing() as connection:
            row = self._row(connection, run)
            self._check_mine(row)
            state = record_of(row, None).state
            if state not in ("queued", "running"):
                raise BadRunState(f"The run {run!r} is {state}; only a run that runs or waits can be changed: fork it.")
            controls = controls_of(row.controls).changed(**changes)
            update(connection, run, controls=json.dumps(dataclasses.asdict(controls)))
        return controls

    def marks(self, run: str) -> list[Changed | Paused]:
        """What was changed and where it was paused, in order of the steps. Raises RunNotFound."""
        table = schema.marks
        with self._reading() as connection:
            query = sa.select(table).where(table.c.run == run).order_by(table.c.number)
            rows = connection.execute(query).all() if self._has_table("marks") else []
            if not rows:
                self._row(connection, run)
        return [_mark(row) for row in rows]

    def watched(self, run: str) -> None:
        """Say that someone looks at the run; cheap enough for every tick of a page. A full disk is no matter."""
        if self.refusal is not None:
            return
        table, now = schema.runs, time.time()
        with self._reading() as connection:
            row = connection.execute(sa.select(table.c.state, table.c.watched).where(table.c.id == run)).first()
        if row is None or row.state != "running" or now - (row.watched or 0.0) < WATCHED_EACH:
            return
        with suppress(DiskFull), self._writing() as connection:
            update(connection, run, watched=now)

    def orders(self, run: str) -> Orders:
        """What the process that trains it is to know; cheap enough to ask ten times a second. Raises RunNotFound."""
        columns = (schema.runs.c[name] for name in ("stop", "skip_test", "controls", "watched"))
        with self._reading() as connection:
            row = connection.execute(sa.select(*columns).where(schema.runs.c.id == run)).first()
        if row is None:
            raise RunNotFound(f"There is no run {run!r} any more.")
        return Orders(bool(row.stop), bool(row.skip_test), controls_of(row.controls), row.watched or 0.0)


def controls_of(text: str | None) -> Controls:
    """The stored controls; what cannot be read, or what a later release added, is as if it were not set."""
    try:
        values = json.loads(text or "{}")
    except json.JSONDecodeError:
        return Controls()
    known = {field.name for field in dataclasses.fields(Controls)}
    try:
        return Controls().changed(**{name: value for name, value in values.items() if name in known})
    except (AttributeError, BadConfig):
        return Controls()


def insert_marks(connection: Connection, run: str, events: list[Changed | Paused], _sizes: dict[int, int]) -> None:
    """Keep them; a resumed run tells again what holds, which is no change where the last one says the same."""
    for event in events:
        if not (isinstance(event, Changed) and _holds_already(connection, run, event)):
            connection.execute(sa.insert(schema.marks).values(run=run, **vars(event)))


def _holds_already(connection: Connection, run: str, event: Changed) -> bool:
    table = schema.marks.c
    query = sa.select(table.lr_factor, table.weight_decay, table.augment).where(table.run == run)
    last = connection.execute(query.where(table.seconds.is_(None)).order_by(table.number.desc()).limit(1)).first()
    return last is not None and tuple(last) == (event.lr_factor, event.weight_decay, event.augment)


def in_words(mark: Changed | Paused) -> str:
    """What a mark says, without its step."""
    if isinstance(mark, Paused):
        return f"paused for {mark.seconds:.1f} s"
    return f"lr × {mark.lr_factor:g}, weight decay {mark.weight_decay:g}, augmentation {mark.augment}"


def _mark(row: Row[Any]) -> Changed | Paused:
    if row.seconds is not None:
        return Paused(row.step, row.elapsed, row.seconds)
    return Changed(row.step, row.elapsed, row.lr_factor, row.weight_decay, row.augment)
