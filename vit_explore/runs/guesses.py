"""The store's part for guesses: what people said a run would come to, before they could know."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore.errors import BadConfig, BadRunState
from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase
from vit_explore.runs.records import record_of
from vit_explore.text import printable

MYSELF = ""  # whose guess it is on a machine of one's own


@dataclass(frozen=True)
class Guess:
    """What a person said of a run. top1: on the test images, in [0, 1]; confused: the two classes that it will mix up
    most, by name; progress: the share of its budget that was spent by then; made: seconds since 1970."""

    person: str
    top1: float
    confused: tuple[str, str] | None = None
    progress: float = 0.0
    made: float = 0.0


class Guesses(StoreBase):
    """Guesses of runs: one of each person, who may change it until the run is over."""

    def guess(self, run: str, top1: float, confused: tuple[str, str] | None = None, person: str = MYSELF) -> Guess:
        """Keep what a person says the run will reach, in place of what that person said before.

        In a lesson it is that of who acts. Raises RunNotFound, BadRunState for a run that is over, BadConfig for an
        accuracy outside of [0, 1] or a class that would be mixed up with itself.
        """
        if not 0 <= top1 <= 1:
            raise BadConfig(f"An accuracy of {top1:g} is not possible; guess from 0 to 1.")
        if confused is not None and confused[0] == confused[1]:
            raise BadConfig(f"A class is not mixed up with itself ({confused[0]}); choose two classes.")
        person = person if self.actor is None else self.actor.id
        table = schema.guesses
        with self._writing() as connection:
            row = self._row(connection, run)
            state = record_of(row, None).state
            if state not in ("queued", "running"):
                raise BadRunState(f"The run {run!r} is {state}; a guess counts only before the end.")
            made = Guess(person, float(top1), confused, _progress(connection, run), time.time())
            values = {**vars(made), "run": run, "confused": confused and json.dumps(confused)}
            connection.execute(sa.delete(table).where(table.c.run == run, table.c.person == person))
            connection.execute(sa.insert(table).values(values))
        return made

    def guesses(self, run: str) -> list[Guess]:
        """What people said of a run, the first guess first."""
        if not self._has_table("guesses"):
            return []
        table = schema.guesses
        with self._reading() as connection:
            rows = connection.execute(sa.select(table).where(table.c.run == run).order_by(table.c.made)).all()
        return [_guess(row) for row in rows]

    def guess_of(self, run: str, person: str = MYSELF) -> Guess | None:
        """What one person said of a run; in a lesson, who acts."""
        person = person if self.actor is None else self.actor.id
        return next((guess for guess in self.guesses(run) if guess.person == person), None)


def _progress(connection: Connection, run: str) -> float:
    """The share of its budget that a run has spent."""
    table = schema.steps.c
    query = sa.select(table.progress).where(table.run == run).order_by(table.step.desc()).limit(1)
    return float(connection.execute(query).scalar() or 0.0)


def _guess(row: Row[tuple[object, ...]]) -> Guess:
    one, other = json.loads(row.confused) if row.confused else (None, None)
    confused = (printable(one), printable(other)) if one and other else None
    return Guess(row.person, row.top1, confused, row.progress, row.made)
