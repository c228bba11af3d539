"""The runs of a sweep in the store: one group, queued together, and found again by their settings."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from vit_explore.errors import BadReference
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.sweeps.definition import SEEDS, Cell, Sweep, key_of, sweeps

PREFIX = "sweep"
ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class Group:
    """A sweep as it was started once. records: the newest run of each cell and seed, by its settings.

    others: how many of its runs are of no cell (any more), such as those of an earlier release's grid.
    """

    name: str
    sweep: Sweep
    records: dict[str, RunRecord]
    created: float  # seconds since 1970
    others: int = 0

    @property
    def seeds(self) -> list[int]:
        """The seeds that its runs have."""
        return sorted({record.settings().train.seed for record in self.records.values()})

    @property
    def active(self) -> list[RunRecord]:
        return [record for record in self.records.values() if record.state in ACTIVE]

    @property
    def finished(self) -> list[RunRecord]:
        return [record for record in self.records.values() if record.state == "finished"]

    @property
    def is_whole(self) -> bool:
        """Whether every cell has a finished run with each seed."""
        return bool(self.records) and not self.lacking(self.seeds)

    def of(self, cell: Cell) -> list[RunRecord]:
        """The cell's runs, by seed."""
        found = (self.records.get(key_of(cell.config, seed)) for seed in self.seeds)
        return [record for record in found if record is not None]

    def lacking(self, seeds: Sequence[int]) -> list[str]:
        """The keys of the runs that have not finished, or are not there yet."""
        keys = (key_of(config) for config in self.sweep.runs(seeds))
        return [key for key in keys if key not in self.records or self.records[key].state != "finished"]


def start(store: RunStore, sweep: Sweep, seeds: Sequence[int] = SEEDS) -> str:
    """Queue every run of a sweep as one group; gives its name."""
    group = f"{PREFIX}-{sweep.name}-{secrets.token_hex(4)}"
    configs = sweep.runs(seeds)
    store.check_start(configs)
    for config in configs:
        store.create(config, group=group)
    return group


def find(store: RunStore, group: str) -> Group:
    """The group of that name. Raises BadReference where no sweep has it, UnknownName where the sweep is gone."""
    prefix, _, rest = group.partition("-")
    name = rest.rpartition("-")[0]
    records = store.list(group=group) if prefix == PREFIX and name else []
    if not records:
        known = ", ".join(store.groups(f"{PREFIX}-")[:5])
        raise BadReference(f"There is no sweep {group!r} among the runs; known: {known or 'none yet'}.")
    newest: dict[str, RunRecord] = {}
    sweep, others = sweeps.get(name), 0
    runs = [record for record in records if record.config is not None and record.fork_step is None]
    seeds = sorted({record.settings().train.seed for record in runs})
    wanted = {key_of(config) for config in sweep.runs(seeds)}
    for record in runs:  # the newest first
        key = key_of(record.settings())
        if key in wanted:
            newest.setdefault(key, record)
        else:
            others += 1
    return Group(group, sweep, newest, min(record.created for record in records), others)


def groups_of(store: RunStore, sweep: Sweep) -> list[str]:
    """The groups of a sweep, the latest first."""
    begins = f"{PREFIX}-{sweep.name}-"
    return [name for name in store.groups(begins) if "-" not in name.removeprefix(begins)]


def go_on(store: RunStore, group: str, seeds: Sequence[int] | None = None) -> int:
    """Queue again what has not finished, from its checkpoint where it has one; gives how many runs wait then.

    seeds: those that it shall have; by default those that it has. Finished runs are left as they are. Raises
    BadReference for one whose grid is no longer the same.
    """
    store.reap()
    found, waiting = find(store, group), 0
    if not found.records:
        raise BadReference(f"The runs of {group!r} are of another grid than today's; start the sweep anew.")
    for config in found.sweep.runs(found.seeds if seeds is None else seeds):
        record = found.records.get(key_of(config))
        if record is not None and record.state == "finished":
            continue
        waiting += 1
        if record is None or (record.state == "failed" and record.resume_refusal is not None):
            store.create(config, group=group)
        elif record.state not in ACTIVE:
            store.resume(record.id)
    return waiting


def stop(store: RunStore, group: str) -> None:
    """Stop what waits, so that none begins meanwhile, and then what trains."""
    for record in sorted(find(store, group).active, key=lambda record: record.state != "queued"):
        store.request_stop(record.id)
