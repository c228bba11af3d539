"""How to train a run again: the command, and what it needs or cannot repeat."""

from __future__ import annotations

from collections.abc import Iterator

from vit_explore.flags import command_of, command_of_fork
from vit_explore.runs.playing import in_words
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Changed


def command_of_run(store: RunStore, record: RunRecord) -> str:
    """The command that trains a run again; a fork goes on from its parent's snapshot, where that run is here."""
    config, parent = record.settings(), _parent(store, record)
    if parent is None:
        return command_of(config)
    return command_of_fork(config, parent.settings(), f"{parent.id}@{record.fork_step}")


def beyond_the_command(store: RunStore, record: RunRecord) -> Iterator[str]:
    """Sentences on what the command needs, or cannot repeat."""
    if (parent := _parent(store, record)) is not None:
        yield (
            f"A fork: it went on from step {record.fork_step:,} of the run {parent.id} ({parent.name}), which has to "
            f"be there; runs export {parent.id} takes that along."
        )
    elif record.fork_step is not None:
        yield (
            f"A fork: it went on from step {record.fork_step:,} of a run, which is not kept. The command trains with "
            "these settings from the start."
        )
    changes = [mark for mark in store.marks(record.id) if isinstance(mark, Changed)]
    if changes:
        words = "; ".join(f"at step {mark.step:,}: {in_words(mark)}" for mark in changes)
        yield f"Somebody changed it while it trained, which the command does not repeat: {words}."


def _parent(store: RunStore, record: RunRecord) -> RunRecord | None:
    """The run that a fork goes on from, where it is here with that snapshot and can be read."""
    if record.fork_step is None or record.parent is None or not store.has(record.parent):
        return None
    parent = store.get(record.parent)
    is_kept = any(row.step == record.fork_step for row in store.snapshots(parent.id))
    return parent if parent.config is not None and is_kept else None
