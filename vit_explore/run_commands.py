"""The commands `runs list|show|diagnose|reproduce|delete|rebuild`, and what is said of one run."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vit_explore.errors import BadConfig, BadRunState, DamagedFile
from vit_explore.printing import mebibytes, percent, print_table, say

if TYPE_CHECKING:
    from vit_explore.diagnosis import Finding
    from vit_explore.runs.records import RunRecord, State
    from vit_explore.runs.store import RunStore

JSON_KEYS = (
    "test_top1", "macro_f1", "test_images", "params", "flops", "images_seen", "images_per_second", "train_seconds",
    "device",
)  # fmt: skip
ORIGIN_KEYS = ("owner", "group", "parent", "fork_step")


def open_store() -> RunStore:
    """The store of this home. Raises StoreUnusable, DiskFull."""
    from vit_explore.runs.store import RunStore

    return RunStore()


def list_runs(arguments: argparse.Namespace) -> int:
    """runs list"""
    store = open_store()
    _warn(store)
    records = store.list(_states(arguments.state), arguments.group, arguments.owner, _count(arguments.limit))
    if arguments.json:
        print(json.dumps([_as_json(record) for record in records]))
        return 0
    rows = [(r.id, r.state, percent(r.top1), percent(r.test_top1), mebibytes(r.disk_bytes), r.name) for r in records]
    print_table(("id", "state", "val top-1", "test top-1", "disk", "name"), rows)
    return 0


def show_run(arguments: argparse.Namespace) -> int:
    """runs show"""
    store = open_store()
    _warn(store)
    record = store.get(arguments.run)
    snapshots = [row.step for row in store.snapshots(record.id)]
    if arguments.json:
        print(json.dumps({**_as_json(record), "snapshots": snapshots, "marks": _marks_json(store, record)}))
        return 0
    say(*summary(record))
    print(f"  created {time.strftime('%Y-%m-%d %H:%M', time.localtime(record.created))}, "
          f"step {record.step or 0}, {mebibytes(record.disk_bytes)} on disk, {len(snapshots)} snapshots")  # fmt: skip
    say(*(f"  {text}" for text in dict.fromkeys((record.error, record.unreadable)) if text))
    say(*(f"  {key}: {getattr(record, key)}" for key in ORIGIN_KEYS if getattr(record, key) is not None))
    say(*_marks(store, record), *_accuracies(store, record))
    if record.config is None:
        say(f"  stored: {record.stored}")
        return 0
    for section, values in record.config.model_dump(exclude={"name"}).items():
        say(f"  {section}: " + ", ".join(f"{k}={v}" for k, v in values.items() if v is not None))
    return 0


def diagnose_run(arguments: argparse.Namespace) -> int:
    """runs diagnose"""
    from vit_explore.diagnosis import diagnose
    from vit_explore.diagnosis.evidence import evidence_of
    from vit_explore.diagnosis.weights import look_at

    store = open_store()
    record = store.get(arguments.run)
    if record.step is None:
        why = f": {record.error}" if record.error else "."
        raise BadRunState(f"The run {record.id!r} has taken no step yet, so there is nothing to diagnose{why}")
    found = diagnose(evidence_of(store, arguments.run, look_at(store, arguments.run)))
    if arguments.json:
        print(json.dumps([_finding_json(one) for one in found]))
        return 0
    if not found:
        print("Nothing conspicuous: the loss, the accuracies, the heads and the tiles look as they should by now.")
    for one in found:
        say(f"{one.severity.name.lower()}: {one.sentence}", *(f"  {fact}" for fact in one.evidence))
        if one.repair is not None:
            say(f"  Repair: {one.repair.label} ({', '.join(f'{k}={v}' for k, v in one.repair.changes.items())}).")
    return 0


def _finding_json(finding: Finding) -> dict[str, Any]:
    repair = None if finding.repair is None else vars(finding.repair)
    return {**vars(finding), "severity": finding.severity.name.lower(), "repair": repair}


def reproduce_run(arguments: argparse.Namespace, show: Callable[[float, str], None]) -> int:
    """runs reproduce; show: takes the progress, as a share and in words."""
    from vit_explore.runs.reproduce import reproduce

    done = reproduce(
        open_store(), arguments.run, arguments.steps,
        on_step=lambda step, last: show(step.step / last, f"step {step.step:,} of {last:,}"),
    )  # fmt: skip
    if arguments.json:
        print(json.dumps({**vars(done), "equal": done.is_equal}))
    else:
        compared = f"of {done.compared:,} recorded losses, the largest difference is {done.difference:.6f}"
        say(f"Run {done.run} up to step {done.steps:,}: {compared}.")
    return 0 if done.is_equal else 1


def rebuild_runs(arguments: argparse.Namespace) -> int:
    """runs rebuild"""
    done = open_store().rebuild()
    if arguments.json:
        print(json.dumps({"entered": done.entered, "left": done.left}))
        return 0
    if not done.entered and not done.left:
        print("Nothing to rebuild: the database knows every run that has a folder.")
    if done.entered:
        say(f"Entered again: {', '.join(done.entered)}.")
    if done.remark:
        say(done.remark, file=sys.stderr)
    return 0


def delete_run(arguments: argparse.Namespace) -> int:
    """runs delete"""
    open_store().delete(arguments.run)
    print(json.dumps({"run": arguments.run, "deleted": True}) if arguments.json else f"Run {arguments.run} is deleted.")
    return 0


def _marks(store: RunStore, record: RunRecord) -> list[str]:
    """What a person did to it, a line each."""
    from vit_explore.runs.playing import in_words

    return [f"  after step {mark.step}: {in_words(mark)}" for mark in store.marks(record.id)]


def _marks_json(store: RunStore, record: RunRecord) -> list[dict[str, Any]]:
    return [{"kind": type(mark).__name__.lower(), **vars(mark)} for mark in store.marks(record.id)]


def _accuracies(store: RunStore, record: RunRecord) -> list[str]:
    """The last looks at training and validation images, on fixed parts of them."""
    try:
        looks = {look.split: look for look in store.evaluations(record.id) if look.split in ("train", "val")}
    except DamagedFile as error:
        return [f"  {error}"]
    said = [f"{name} {percent(look.top1)} ({look.images:,} images, step {look.step})" for name, look in looks.items()]
    return [f"  looked at: {', '.join(said)}"] if said else []


def _as_json(record: RunRecord) -> dict[str, Any]:
    """The record's facts; for a run without results the keys of `train --json` are null."""
    keys = ("name", "state", "created", "started", "ended", "error", "place", "step", "top1", "disk_bytes", "classes")
    facts = {key: getattr(record, key) for key in (*keys, *ORIGIN_KEYS, "unreadable")}
    config: Any = record.config.model_dump() if record.config else record.stored
    return {**results(record), **facts, "config": config}


def _warn(store: RunStore) -> None:
    """On stderr: what of this store cannot be changed, or was lost."""
    say(*(f"note: {text}" for text in (store.refusal, store.loss) if text), file=sys.stderr)


def _states(names: list[str] | None) -> list[State] | None:
    from vit_explore.runs.records import STATES

    unknown = [name for name in names or () if name not in STATES]
    if unknown:
        raise BadConfig(f"A run has no state {unknown[0]!r}; its states are: {', '.join(STATES)}.")
    return [state for state in STATES if state in names] if names else None


def _count(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise BadConfig(f"A list of {limit} runs is none at all; give a limit of 1 or more.")
    return limit


def results(record: RunRecord) -> dict[str, Any]:
    """A run's numbers, as `train --json` ends with them."""
    return {"run": record.id, **{key: getattr(record, key) for key in JSON_KEYS}}


def summary(record: RunRecord) -> list[str]:
    """A run in a few lines."""
    return [
        f"run {record.id}: {record.name} ({record.state})",
        *([f"  {record.note}"] if record.note and record.state == "finished" else []),
        f"  {_tested(record)}, validation top-1 {percent(record.top1)}",
        *([f"  {record.params:,} parameters, {record.flops or 0:,} FLOPs per image, on {record.device}"]
          if record.params is not None else []),
        *([f"  {record.images_seen:,} images in {record.train_seconds or 0:.1f} s "
           f"({record.images_per_second or 0:,.0f} images/s)"] if record.images_seen is not None else []),
    ]  # fmt: skip


def _tested(record: RunRecord) -> str:
    """The test's results, with the number of images where it is not all of them."""
    if record.test_images == 0:
        return "not tested"
    part = record.test_images is not None and record.test_images < (record.test_size or 0)
    on = f" on {record.test_images:,} of {record.test_size:,} test images" if part else ""
    return f"test top-1 {percent(record.test_top1)}{on}, macro F1 {percent(record.macro_f1)}"
