"""A fair queue: owners take turns, and a long run makes room for others after its slice of time.

On a machine of one's own all runs have the same owner, and the queue is what it always was: first come, first served.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.runs import schema

SLICE_SECONDS = 30.0  # of training at a stretch, while a run of somebody else waits


class Waiting(Protocol):
    """A queued run."""

    @property
    def owner(self) -> str | None: ...

    @property
    def position(self) -> int: ...


W = TypeVar("W", bound=Waiting)


def in_turns(rows: Iterable[W], served: Mapping[str | None, float]) -> list[W]:
    """Queued runs in the order in which they are taken: of each owner in the order of their positions, and of the
    owners always the one who was served the longest ago.

    served: when a run of each owner was last taken; who is not there never was. What a teacher has put first (a
    position below 0) comes before all turns.
    """
    ordered = sorted(rows, key=lambda row: row.position)
    put_first = [row for row in ordered if row.position < 0]
    waiting: dict[str | None, list[W]] = defaultdict(list)
    for row in ordered[len(put_first) :]:
        waiting[row.owner].append(row)
    turns = {owner: served.get(owner, 0.0) for owner in waiting}
    last, taken = max(turns.values(), default=0.0), list(put_first)
    while waiting:
        owner = min(waiting, key=lambda one: (turns[one], waiting[one][0].position))
        taken.append(waiting[owner].pop(0))
        last += 1.0
        turns[owner] = last
        if not waiting[owner]:
            del waiting[owner]
    return taken


def queued(
    connection: Connection, *columns: sa.ColumnElement[Any], group: str | None = None, has_owners: bool = True
) -> list[Any]:
    """The rows of the queue in the order in which they are taken, with these columns; of a group only where given."""
    table = schema.runs.c
    owner = table.owner if has_owners else sa.null().label("owner")
    names = dict.fromkeys((*columns, owner, table.position))
    query = sa.select(*names).where(table.state == "queued")
    rows = connection.execute(query if group is None else query.where(table.group == group)).all()
    owners = {row.owner for row in rows}
    return in_turns(rows, _served(connection) if len(owners) > 1 else {})


def is_waited_for(connection: Connection, run: str) -> bool:
    """Whether a run of somebody else waits, and is not paused, while this one, which has an owner, trains."""
    table = schema.runs.c
    owner = connection.execute(sa.select(table.owner).where(table.id == run)).scalar()
    if owner is None:
        return False
    others = sa.or_(table.owner != owner, table.owner.is_(None))
    query = sa.select(table.id).where(table.state == "queued", others, sa.not_(is_paused())).limit(1)
    return connection.execute(query).first() is not None


def is_paused() -> sa.ColumnElement[bool]:
    """In a query of runs: whether a person has paused it (see playing.py)."""
    return sa.func.coalesce(schema.runs.c.controls, "").contains('"paused": true')


def _served(connection: Connection) -> dict[str | None, float]:
    table = schema.runs.c
    query = sa.select(table.owner, sa.func.max(table.claimed)).where(table.claimed.is_not(None)).group_by(table.owner)
    return {owner: when for owner, when in connection.execute(query)}


def expected_wait(training: Sequence[float | None], ahead: Sequence[float | None], is_shared: bool) -> float | None:
    """Seconds until a run's turn: what is left of the runs that train (one on each device), then those ahead of it.

    is_shared: several owners take turns, so that none holds a device for longer than a slice. None where a run ahead
    does not say how long it takes.
    """
    known = [left if left is None or not is_shared else min(left, SLICE_SECONDS) for left in (*training, *ahead)]
    seconds = [left for left in known if left is not None]
    return sum(seconds) / max(1, len(training)) if len(seconds) == len(known) else None
