"""What killed processes left behind, put right when a worker starts: files that no row speaks of any more."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress

import sqlalchemy as sa

from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase, release, update
from vit_explore.runs.files import UNPACKING, RunFolder
from vit_explore.runs.records import facts_of

_A_DAY = 86_400.0  # seconds, in which any import ends


def tidy(store: StoreBase) -> None:
    """Finish runs that have their result; remove deleted runs' folders, checkpoints that nobody goes on from, what is
    half written of runs that have ended, and imports that were killed.

    Harmless beside processes that train: what a running or waiting run has is left alone. Raises DiskFull.
    """
    for path in store.home.glob(f"{UNPACKING}*"):
        with suppress(OSError):  # it has just ended
            if time.time() - path.stat().st_mtime > _A_DAY:
                shutil.rmtree(path, ignore_errors=True)
    folders = sorted(path for path in (store.home / "runs").glob("*") if path.is_dir())  # before the rows are read
    finish_ended(store)
    known, states = _ids(store), _states(store)
    for path in folders:
        if path.name in known and path.name not in states:
            store.folder(path.name).delete()
        elif states.get(path.name) not in ("queued", "running", None):
            _clear(store.folder(path.name), has_result=states[path.name] == "finished")


def finish_ended(store: StoreBase) -> None:
    """Earlier versions wrote a run's result first and its end later: whoever was killed between is finished too."""
    runs, ends = schema.runs, schema.finishes
    query = sa.select(runs.c.id, ends.c.scalars).join(ends, ends.c.run == runs.c.id)
    query = query.where(runs.c.state == "interrupted")
    with store._reading() as connection:
        if connection.execute(query).first() is None:
            return
    with store._writing() as connection:
        for run, scalars in connection.execute(query).all():
            if facts_of(scalars).get("stopped") is False:
                update(connection, run, has_checkpoint=False)
                release(connection, run, "finished")


def _ids(store: StoreBase) -> set[str]:
    with store._reading() as connection:
        return set(connection.execute(sa.select(schema.ids.c.id)).scalars())


def _states(store: StoreBase) -> dict[str, str]:
    with store._reading() as connection:
        return {row.id: row.state for row in connection.execute(sa.select(schema.runs.c.id, schema.runs.c.state))}


def _clear(folder: RunFolder, has_result: bool) -> None:
    if has_result:
        folder.remove_checkpoint()
    folder.remove_half_written()
