"""The store's part for the day its database is lost: enter the runs again from what their folders hold."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.runs import schema, sidecars
from vit_explore.runs.base import StoreBase, update
from vit_explore.runs.files import RunFolder
from vit_explore.runs.inserts import insert_finished
from vit_explore.runs.policy import check_teacher
from vit_explore.runs.records import facts_of
from vit_explore.training.events import Finished


@dataclass(frozen=True)
class Rebuilt:
    """What came back: ids of the runs entered, and of the folders that say too little."""

    entered: tuple[str, ...]
    left: tuple[str, ...]
    folder: Path  # where these lie

    @property
    def remark(self) -> str | None:
        """What is left, and what to do with it, one sentence; None where all came back."""
        if not self.left:
            return None
        names = ", ".join(self.left)
        return f"Left as they are, for want of a config.json of their own: {names}; move them out of {self.folder}."


class Rebuilding(StoreBase):
    """Find folders of runs that the database never heard of, and enter them."""

    def orphans(self) -> tuple[str, ...]:
        """The ids of folders that hold files of a run of which the database knows nothing: it was lost, or cut off."""
        folder = self.home / "runs"
        names = _folders(folder)
        if not names:
            return ()
        with self._reading() as connection:
            names -= set(connection.execute(sa.select(schema.ids.c.id)).scalars())
        return tuple(sorted(name for name in names if _holds_a_run(folder / name)))

    @property
    def loss(self) -> str | None:
        """What the database has lost, one sentence; None where every folder of a run has its row."""
        count = len(self.orphans())
        if count == 0:
            return None
        lies = "lies 1 folder of a run" if count == 1 else f"lie {count} folders of runs"
        return (
            f"Beside the database {self.path} {lies} of which it knows nothing: it was lost or cut off, or the folder "
            "came from elsewhere; rebuild it from the folders (python -m vit_explore runs rebuild), put a copy of the "
            "database back, or move what is foreign away."
        )

    def rebuild(self) -> Rebuilt:
        """Enter the runs of all such folders: finished ones with their results, others as interrupted or stopped.

        The curves were in the database alone and do not come back; snapshots, checkpoints and results do. Raises
        NotAllowed for a student of a lesson.
        """
        check_teacher(self.actor, "enters lost runs again")
        cards = {run: sidecars.read_card(self.folder(run)) for run in self.orphans()}
        known = {run: card for run, card in cards.items() if card is not None and card.get("id") == run}
        for run, card in sorted(known.items(), key=lambda item: item[1]["created"]):
            with self._writing() as connection:
                _enter(connection, self.folder(run), run, card)
        return Rebuilt(tuple(known), tuple(run for run in cards if run not in known), self.home / "runs")


def _folders(path: Path) -> set[str]:
    """The names of the folders in a folder; every page asks, so no file is looked at."""
    try:
        with os.scandir(path) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _holds_a_run(path: Path) -> bool:
    return any(inner.is_file() for inner in path.rglob("*"))


def _enter(connection: Connection, folder: RunFolder, run: str, card: dict[str, Any]) -> None:
    """Insert one run with what its folder holds; nothing where another process has just done it."""
    if connection.execute(sa.select(schema.ids).where(schema.ids.c.id == run)).first() is not None:
        return
    connection.execute(sa.insert(schema.ids).values(id=run))
    result = sidecars.read_result(folder)
    columns: dict[str, Any] = {key: _plain(card.get(key)) for key in sidecars.CARD_KEYS if key != "id"}
    columns |= {key: _text(card.get(key)) for key in ("config", "facts")}
    columns |= _state(folder, result) | {"disk_bytes": folder.size(), "position": 0}
    connection.execute(sa.insert(schema.runs).values(id=run, **columns))
    facts = facts_of(columns["facts"] or "{}")
    update(connection, run, **{key: _plain(facts.get(key)) for key in ("params", "flops", "device")})
    rows = _snapshots(folder, _plain(facts.get("steps_per_epoch")))
    if rows:
        connection.execute(sa.insert(schema.snapshots), [{"run": run, **row} for row in rows])
        update(connection, run, **{key: rows[-1][key] for key in ("step", "epoch", "elapsed")})
    if result is not None:
        insert_finished(connection, run, [result], {})


def _state(folder: RunFolder, result: Finished | None) -> dict[str, Any]:
    """The state of a run by its files: what has a result ended, all else was interrupted."""
    values: dict[str, Any] = {"has_checkpoint": folder.checkpoint.is_file(), "ended": time.time()}
    if result is not None:
        return values | {"state": "stopped" if result.stopped else "finished"}
    goes_on = "from its last checkpoint" if values["has_checkpoint"] else "from the start"
    error = f"The database lost this run, and it was entered again from its folder; resume it to go on {goes_on}."
    return values | {"state": "interrupted", "error": error}


def _snapshots(folder: RunFolder, steps_per_epoch: Any) -> list[dict[str, Any]]:
    """The rows of the snapshots that there are; their times of training by the files' times, roughly."""
    each = steps_per_epoch if isinstance(steps_per_epoch, int) and steps_per_epoch > 0 else 1
    paths = [path for path in (folder.path / "snapshots").glob("*.safetensors") if path.stem.isdecimal()]
    files = sorted((int(path.stem), path.stat()) for path in paths)
    return [
        {
            "step": step,
            "epoch": step / each,
            "elapsed": max(0.0, stat.st_mtime - files[0][1].st_mtime),
            "bytes": stat.st_size,
        }
        for step, stat in files
    ]


def _plain(value: Any) -> Any:
    """A number or a text; null for what no column takes."""
    return value if isinstance(value, int | float | str) else None


def _text(value: Any) -> str | None:
    """What was JSON as JSON again; damaged JSON was kept as its text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)
