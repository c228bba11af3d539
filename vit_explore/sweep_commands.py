"""The command `sweep`: a grid of runs, trained here one after another, resumed, and shown as a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vit_explore.errors import BadConfig, DiskFull
from vit_explore.here import INTERRUPTED, processor, this_process, training
from vit_explore.printing import percent, print_table, say

if TYPE_CHECKING:
    from vit_explore.progress import Bar
    from vit_explore.runs.records import Claimant, RunRecord
    from vit_explore.runs.store import RunStore
    from vit_explore.sweeps import Sweep
    from vit_explore.sweeps.group import Group
    from vit_explore.sweeps.results import Result
    from vit_explore.training.events import Event

POLL_SECONDS = 0.5  # between two looks while another process trains


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the sweep; --list says which there are")
    parser.add_argument("--seeds", metavar="0,1,2", help="train each cell with these seeds (default: 0,1,2)")
    parser.add_argument("--list", action="store_true", help="the sweeps, and what they ask")
    parser.add_argument("--dry-run", action="store_true", help="say how many runs it is and how long it takes; no run")
    parser.add_argument("--queue", action="store_true", help="only queue the runs: a worker or a cluster trains them")
    parser.add_argument("--resume", metavar="GROUP", help="go on with a sweep; what has finished is not trained again")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each run")
    parser.add_argument("--json", action="store_true", help="end with its records as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")


def sweep(arguments: argparse.Namespace) -> int:
    """sweep"""
    if arguments.list:
        return _list(arguments.json)
    seeds = seeds_of(arguments.seeds)
    if arguments.csv is not None and (arguments.csv.is_dir() or not arguments.csv.absolute().parent.is_dir()):
        raise BadConfig(f"--csv {arguments.csv} is not possible: it takes a file in a folder that there is.")
    store = _store()
    if arguments.resume is not None:
        return _resume(store, arguments, seeds)
    from vit_explore.sweeps import sweeps
    from vit_explore.sweeps.definition import SEEDS
    from vit_explore.sweeps.group import start

    if arguments.name is None:
        raise BadConfig(f"Which sweep? Give one of: {', '.join(sweeps.names())}.")
    chosen, seeds = sweeps.get(arguments.name), seeds or list(SEEDS)
    _say_costs(store, chosen, seeds, arguments)
    if arguments.dry_run:
        return 0
    if arguments.queue:
        return _say_queued(start(store, chosen, seeds), len(chosen.runs(seeds)), arguments.json)
    claimant = this_process(chosen.cells[0].config.train.device)
    return _train(store, start(store, chosen, seeds), seeds, claimant, arguments)


def seeds_of(text: str | None) -> list[int] | None:
    """Seeds as they are typed, such as 0,1,2. Raises BadConfig."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise BadConfig(f"--seeds {text} is not possible: it takes whole numbers with commas, such as 0,1,2.")
    return list(dict.fromkeys(map(int, parts)))


def _store() -> RunStore:
    from vit_explore.runs.store import RunStore

    return RunStore()


def _list(as_json: bool) -> int:
    from vit_explore.sweeps import sweeps

    if as_json:
        print(json.dumps([{**vars(one), "cells": [cell.title for cell in one.cells]} for _, one in sweeps]))
        return 0
    print_table(("name", "cells", "what it asks"), [(name, str(len(one.cells)), one.question) for name, one in sweeps])
    return 0


def _resume(store: RunStore, arguments: argparse.Namespace, seeds: list[int] | None) -> int:
    from vit_explore.sweeps.group import find, go_on

    found = find(store, arguments.resume)
    if arguments.name not in (None, found.sweep.name):
        raise BadConfig(f"{arguments.resume} is a sweep {found.sweep.name!r}; leave {arguments.name!r} out.")
    seeds = seeds or list(found.seeds)
    lacking, count = len(found.lacking(seeds)), len(found.sweep.runs(seeds))
    if arguments.dry_run and arguments.json:
        print(json.dumps({"group": found.name, "lacking": lacking, "runs": count}))
    elif arguments.dry_run:
        say(f"{found.name}: {lacking} of {count} runs are still to be trained.")
    if arguments.dry_run:
        return 0
    if arguments.queue:
        go_on(store, found.name, seeds)
        return _say_queued(found.name, lacking, arguments.json)
    claimant = this_process(found.sweep.cells[0].config.train.device)
    go_on(store, found.name, seeds)
    return _train(store, found.name, seeds, claimant, arguments)


def _say_queued(group: str, count: int, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"group": group, "queued": count}))
    else:
        say(f"{count} runs are queued as the group {group}; the table then: {_go_on(group)}")
    return 0


def _say_costs(store: RunStore, chosen: Sweep, seeds: list[int], arguments: argparse.Namespace) -> None:
    """How many runs, and how long: before any starts."""
    from vit_explore.sweeps.estimate import estimate

    if arguments.quiet and not arguments.dry_run:
        return
    found = estimate(chosen.runs(seeds), store)
    if arguments.dry_run and arguments.json:
        print(json.dumps({"sweep": chosen.name, "cells": len(chosen.cells), "seeds": seeds, **asdict(found)}))
        return
    head = f"{chosen.title}: {len(chosen.cells)} cells × {len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
    say(f"{head}: {found.words}.", file=sys.stdout if arguments.dry_run else sys.stderr)


# ---------------------------------------------------------------------- training


def _train(store: RunStore, group: str, seeds: list[int], claimant: Claimant, arguments: argparse.Namespace) -> int:
    """Train what waits of the group, here, one after another; what a worker takes meanwhile is waited for."""
    from vit_explore.progress import Bar
    from vit_explore.sweeps.group import find, stop

    if not arguments.quiet:
        say(f"The runs are the group {group}; after an interruption: {_go_on(group)}", file=sys.stderr)
    with Bar(quiet=arguments.quiet) as bar:
        is_left = _train_all(store, group, claimant, bar)
    if is_left:
        stop(store, group)
    found = find(store, group)
    if is_left:
        say(f"{len(found.finished)} runs have finished; go on with: {_go_on(group)}", file=sys.stderr)
        return INTERRUPTED
    return _report(store, found, seeds, arguments)


def _train_all(store: RunStore, group: str, claimant: Claimant, bar: Bar) -> bool:
    """Until nothing waits; gives whether someone asked to leave."""
    from vit_explore.runs.recorder import train_run
    from vit_explore.sweeps.group import find

    with training(store, claimant, bar) as (pulse, leaving):
        while (found := find(store, group)).active and not leaving.is_set():
            record = store.claim(claimant, group)
            if record is None:
                bar.show(_done(found), "waiting for another process that trains")
                leaving.wait(POLL_SECONDS)
            else:
                shown = _shown(bar, found, record)
                train_run(store, record, pulse, leaving, left_as="stopped", on_event=shown)
        return leaving.is_set()


def _done(found: Group) -> float:
    return 1 - len(found.active) / len(found.records)


def _shown(bar: Bar, found: Group, record: RunRecord) -> Callable[[Event], None]:
    """Draws a run's progress as a part of the sweep's."""
    from vit_explore.training.events import Step

    before, each = _done(found), 1 / len(found.records)
    number = len(found.records) - len(found.active) + 1

    def show(event: Event) -> None:
        if isinstance(event, Step):
            words = f"run {number} of {len(found.records)}: {record.name.rpartition(' · ')[0]}, loss {event.loss:.2f}"
            bar.show(before + each * event.progress, words)

    return show


def _go_on(group: str) -> str:
    return f"python -m vit_explore sweep --resume {group}"


# ---------------------------------------------------------------------- what came out


def _report(store: RunStore, found: Group, seeds: list[int], arguments: argparse.Namespace) -> int:
    """seeds: those that were asked for, of all that the group has."""
    from vit_explore.sweeps.results import as_csv, as_json, command, results_of

    results = results_of(store, found)
    if arguments.csv is not None:
        _write(arguments.csv, as_csv(results))
    if not arguments.quiet:
        table(found.sweep, results, say_to_stderr=arguments.json)
    if arguments.json:
        print(as_json(results, machine(), command(found.sweep, found.seeds)), end="")
    left = found.lacking(seeds)
    if left:
        say(f"error: {len(left)} runs did not finish; go on with: {_go_on(found.name)}", file=sys.stderr)
        asked = [record for record in found.records.values() if record.settings().train.seed in seeds]
        say(*sorted({one.error for one in asked if one.error and one.state != "finished"}), file=sys.stderr)
    return 1 if left else 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DiskFull(f"{path} cannot be written ({error.strerror}); give another file.") from None


def table(sweep: Sweep, results: list[Result], say_to_stderr: bool = False) -> None:
    """Test top-1 of each cell: the mean, and the lowest and highest over the seeds."""
    from vit_explore.sweeps.results import of_cell

    rows = []
    for cell in sweep.cells:
        found = [of_cell(results, cell, what) for what in ("top1", "images_seen", "flops", "params", "seconds")]
        top1, images, flops, params, seconds = found
        if top1 is None or images is None or flops is None or params is None or seconds is None:
            rows.append((cell.row, cell.column, "–", "", "0", "", "", "", ""))
            continue
        span = f"{100 * top1.low:.1f}–{100 * top1.high:.1f}" if len(top1.values) > 1 else ""
        rows.append((
            cell.row, cell.column, percent(top1.mean), span, str(len(top1.values)), f"{images.mean:,.0f}",
            f"{flops.mean:.2e}", f"{params.mean:,.0f}", f"{seconds.mean:.0f}",
        ))  # fmt: skip
    head = (sweep.rows, sweep.columns, "test top-1", "min–max", "seeds", "images seen", "FLOPs", "parameters", "s")
    print_table(head, rows, file=sys.stderr if say_to_stderr else None)


def machine() -> str:
    """What this was measured on, in words: the processor, its cores, and the releases that computed."""
    import platform

    import torch

    name = f"{torch.cuda.get_device_name()}, {processor()}" if torch.cuda.is_available() else processor()
    return f"{name}, Python {platform.python_version()}, torch {torch.__version__}"
