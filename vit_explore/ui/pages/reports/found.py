"""What is known of a row: the records that come with the package, and the person's own runs of the same presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vit_explore.reports.base import KINDS, Kind, Row
from vit_explore.reports.from_run import own_preset
from vit_explore.reports.measured import Record, of_preset
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.seeds import Spread, spread

LATEST = 500  # finished runs that are looked through

OwnRuns = Mapping[str, list[RunRecord]]  # by preset


@dataclass(frozen=True)
class Found:
    """A row with its shipped records and the person's own runs, by kind of preset."""

    row: Row
    shipped: Mapping[Kind, list[Record]]
    own: Mapping[Kind, list[RunRecord]]

    def whole(self, kind: Kind) -> list[Record]:
        """The records of runs that were not cut short."""
        return [record for record in self.shipped[kind] if not record.is_partial]

    def top1(self, kind: Kind) -> Spread | None:
        """Test accuracies in [0, 1] of the whole runs."""
        return spread(record.top1 for record in self.whole(kind))

    def own_top1(self) -> list[float]:
        """Test accuracies of the person's own runs, faithful or scaled."""
        runs = (run for kind in KINDS for run in self.own[kind])
        return [run.test_top1 for run in runs if run.test_top1 is not None]

    @property
    def is_measured(self) -> bool:
        return any(self.shipped.values())


def own_runs(store: RunStore) -> dict[str, list[RunRecord]]:
    """The person's finished, unchanged runs of each preset, the newest first. Raises StoreUnusable."""
    found: dict[str, list[RunRecord]] = {}
    for run in store.list(states=["finished"], limit=LATEST):
        if name := own_preset(run, store):
            found.setdefault(name, []).append(run)
    return found


def found_of(row: Row, runs: OwnRuns) -> Found:
    """What is known of a row."""
    names = {kind: row.preset(kind).name for kind in KINDS}
    shipped = {kind: of_preset(name) for kind, name in names.items()}
    return Found(row, shipped, {kind: runs.get(name, []) for kind, name in names.items()})
