"""The store's part for a lesson: whether a student may start a run, and a teacher's hand on the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.config import RunConfig
from vit_explore.errors import BadRunState
from vit_explore.home import uploads_in
from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase, update
from vit_explore.runs.policy import check_room, check_start, check_teacher
from vit_explore.runs.queue import last_place


class Turns(StoreBase):
    """Who may start, and who comes first."""

    def check_start(self, configs: Sequence[RunConfig]) -> None:
        """Whether who acts may start these runs, all of them; of several ask before the first. Raises NotAllowed."""
        if self.actor is not None:
            with self._reading() as connection:
                check_room(self.actor, len(configs), active_of(connection, self.actor.id))
            check_start(self.actor, configs, uploads_in(self.home))

    def put_first(self, run: str) -> None:
        """The next run that is taken from the queue is this one. Raises NotAllowed for a student, BadRunState for one
        that does not wait."""
        check_teacher(self.actor, "orders the queue")
        self._move(run, lambda first, last: min(first, 0) - 1)

    def put_last(self, run: str) -> None:
        """The run waits behind all others of its owner. Raises as `put_first`."""
        check_teacher(self.actor, "orders the queue")
        self._move(run, lambda first, last: last + 1)

    def _move(self, run: str, place: Callable[[int, int], int]) -> None:
        table = schema.runs.c
        with self._writing() as connection:
            state = self._row(connection, run).state
            if state != "queued":
                raise BadRunState(f"The run {run!r} is {state}; only one that waits has a place in the queue.")
            first = connection.execute(sa.select(sa.func.min(table.position)).where(table.state == "queued")).scalar()
            update(connection, run, position=place(first or 0, last_place(connection)))


def active_of(connection: Connection, owner: str) -> int:
    """How many runs of an owner train or wait."""
    table = schema.runs.c
    query = sa.select(sa.func.count()).where(table.owner == owner, table.state.in_(("queued", "running")))
    return int(connection.execute(query).scalar_one())
