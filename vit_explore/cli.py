"""The command line: python -m vit_explore {train,runs,data,worker,export}. Needs neither Streamlit nor Plotly.

Exit status: 0; 2 for a mistake in what was asked; 1 for a run that failed; 130 when Ctrl-C ended it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vit_explore.errors import BadConfig, BadRunState, TrainingFailed, VitExploreError
from vit_explore.flags import add_flags, config_from
from vit_explore.text import printable

if TYPE_CHECKING:
    from vit_explore.runs.recorder import Outcome
    from vit_explore.runs.records import Claimant, RunRecord, State
    from vit_explore.runs.store import RunStore

JSON_KEYS = ("test_top1", "macro_f1", "params", "flops", "images_seen", "images_per_second", "train_seconds", "device")
ORIGIN_KEYS = ("owner", "group", "parent")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status. What a person got wrong ends in one sentence on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        return parsed.command(parsed)
    except VitExploreError as error:
        _say(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingFailed) else 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vit_explore", description="Train small vision transformers and look inside.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = _command(commands, "train", "train a model; the run appears in the app, too", _train)
    add_flags(train)
    _add_output(train)

    runs = commands.add_parser("runs", help="list, show, resume, delete or rebuild runs").add_subparsers(required=True)
    listed = _command(runs, "list", "every run, the newest first", _runs_list)
    listed.add_argument("--state", metavar="STATE", action="append", help="only runs in this state; may be repeated")
    for name in ("owner", "group"):
        listed.add_argument(f"--{name}", metavar="NAME", help=f"only runs of this {name}")
    listed.add_argument("--limit", type=int, metavar="N", help="at most so many")
    _add_json(listed)
    _add_json(_command(runs, "rebuild", "enter runs again that only their folders know", _runs_rebuild))
    for name, text, command in (
        ("show", "one run: settings, state, results", _runs_show),
        ("resume", "train a stopped or interrupted run on, here", _runs_resume),
        ("delete", "remove a run and its files", _runs_delete),
    ):
        child = _command(runs, name, text, command)
        child.add_argument("run", metavar="ID")
        _add_output(child) if name == "resume" else _add_json(child)

    data = commands.add_parser("data", help="list or fetch datasets").add_subparsers(required=True)
    _add_json(_command(data, "list", "the datasets, and whether they are here", _data_list))
    get = _command(data, "get", "fetch a dataset, and check that it can be read", _data_get)
    get.add_argument("dataset", metavar="NAME")

    worker = _command(commands, "worker", "train queued runs until told to end (the app starts one itself)", _worker)
    worker.add_argument("--device", default="auto", help="auto, cpu, cuda:N or mps")
    worker.add_argument("--once", action="store_true", help="leave after one run, or when none waits")
    worker.add_argument("--idle-exit", type=float, metavar="SECONDS", help="leave after so long without work")
    worker.add_argument("--parent", type=int, metavar="PID", help="do not leave for idleness while this process lives")
    worker.add_argument("--id", help=argparse.SUPPRESS)  # given by the app, which has announced this worker

    export = _command(commands, "export", "write a run's weights (safetensors) and config (JSON)", _export)
    export.add_argument("run", metavar="RUN", help="a run's id, run:ID@STEP or bundled:NAME")
    export.add_argument("--out", required=True, type=Path, metavar="FILE")
    return parser


def _command(
    parent: Any, name: str, text: str, command: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = parent.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    parser.set_defaults(command=command)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")


# ---------------------------------------------------------------------- train, runs resume


def _train(arguments: argparse.Namespace) -> int:
    config = config_from(arguments)
    claimant, store = _this_process(config.train.device)
    run = store.create(config, claimant)
    return _train_here(store, run, claimant, arguments, is_new=True)


def _runs_resume(arguments: argparse.Namespace) -> int:
    store = _store()
    record = store.get(arguments.run)
    if record.resume_refusal is not None:
        raise BadRunState(record.resume_refusal)
    claimant, _ = _this_process(record.settings().train.device)
    store.resume(arguments.run, claimant)
    return _train_here(store, arguments.run, claimant, arguments, is_new=False)


def _this_process(device: str) -> tuple[Claimant, RunStore]:
    from vit_explore.runs.records import Claimant
    from vit_explore.runs.worker import concrete_device

    return Claimant.this_process(device, slot=concrete_device(device)), _store()


def _train_here(store: RunStore, run: str, claimant: Claimant, arguments: argparse.Namespace, is_new: bool) -> int:
    """Train a claimed run in this process, with a progress bar; Ctrl-C stops it with a checkpoint."""
    from vit_explore.progress import Progress
    from vit_explore.runs.pulse import Pulse
    from vit_explore.runs.recorder import train_run
    from vit_explore.runs.worker import leave_on

    with (
        leave_on(signal.SIGINT, signal.SIGTERM) as leaving,
        Progress(quiet=arguments.quiet) as progress,
        Pulse(store, claimant, registered=False) as pulse,
    ):
        outcome = train_run(store, store.get(run), pulse, leaving, left_as="stopped", on_event=progress)
    if is_new and isinstance(outcome.error, VitExploreError) and not outcome.started and not outcome.unexpected:
        store.delete(run)  # nothing was trained: the mistake is on the screen, and the list of runs stays tidy
        raise outcome.error
    if outcome.state == "failed":
        _say(f"error: run {run} failed: {outcome.error}", file=sys.stderr)
        return 1
    return _report(store, run, outcome, arguments)


def _report(store: RunStore, run: str, outcome: Outcome, arguments: argparse.Namespace) -> int:
    if outcome.state == "lost":
        print(f"error: run {run} was taken over by another process; nothing is lost.", file=sys.stderr)
        return 1
    record = store.get(run)
    if store.finished(run) is None:  # Ctrl-C: no results
        print(f"Run {run} stopped at step {record.step or 0}; go on with: "
              f"python -m vit_explore runs resume {run}", file=sys.stderr)  # fmt: skip
        return INTERRUPTED
    if not arguments.quiet:
        _say(*_summary(record), file=sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(json.dumps(_results(record)))
    return 0


def _results(record: RunRecord) -> dict[str, Any]:
    return {"run": record.id, **{key: getattr(record, key) for key in JSON_KEYS}}


def _summary(record: RunRecord) -> list[str]:
    return [
        f"run {record.id}: {record.name} ({record.state})",
        f"  test top-1 {_percent(record.test_top1)}, macro F1 {_percent(record.macro_f1)}, "
        f"validation top-1 {_percent(record.top1)}",
        f"  {record.params or 0:,} parameters, {record.flops or 0:,} FLOPs per image, on {record.device}",
        f"  {record.images_seen or 0:,} images in {record.train_seconds or 0:.1f} s "
        f"({record.images_per_second or 0:,.0f} images/s)",
    ]


# ---------------------------------------------------------------------- runs


def _runs_list(arguments: argparse.Namespace) -> int:
    store = _store()
    _warn(store)
    records = store.list(_states(arguments.state), arguments.group, arguments.owner, _count(arguments.limit))
    if arguments.json:
        print(json.dumps([_as_json(record) for record in records]))
        return 0
    rows = [(r.id, r.state, _percent(r.top1), _percent(r.test_top1), _mebibytes(r.disk_bytes), r.name) for r in records]
    _print_table(("id", "state", "val top-1", "test top-1", "disk", "name"), rows)
    return 0


def _runs_show(arguments: argparse.Namespace) -> int:
    store = _store()
    _warn(store)
    record = store.get(arguments.run)
    snapshots = [row.step for row in store.snapshots(record.id)]
    if arguments.json:
        print(json.dumps({**_as_json(record), "snapshots": snapshots}))
        return 0
    _say(*_summary(record))
    print(f"  created {time.strftime('%Y-%m-%d %H:%M', time.localtime(record.created))}, "
          f"step {record.step or 0}, {_mebibytes(record.disk_bytes)} on disk, {len(snapshots)} snapshots")  # fmt: skip
    _say(*(f"  {text}" for text in dict.fromkeys((record.error, record.unreadable)) if text))
    _say(*(f"  {key}: {getattr(record, key)}" for key in ORIGIN_KEYS if getattr(record, key)))
    if record.config is None:
        _say(f"  stored: {record.stored}")
        return 0
    for section, values in record.config.model_dump(exclude={"name"}).items():
        _say(f"  {section}: " + ", ".join(f"{k}={v}" for k, v in values.items() if v is not None))
    return 0


def _runs_rebuild(arguments: argparse.Namespace) -> int:
    done = _store().rebuild()
    if arguments.json:
        print(json.dumps({"entered": done.entered, "left": done.left}))
        return 0
    if not done.entered and not done.left:
        print("Nothing to rebuild: the database knows every run that has a folder.")
    if done.entered:
        _say(f"Entered again: {', '.join(done.entered)}.")
    if done.left:
        _say(f"Left as they are, for want of a readable config.json: {', '.join(done.left)}.", file=sys.stderr)
    return 0


def _runs_delete(arguments: argparse.Namespace) -> int:
    _store().delete(arguments.run)
    print(json.dumps({"run": arguments.run, "deleted": True}) if arguments.json else f"Run {arguments.run} is deleted.")
    return 0


def _as_json(record: RunRecord) -> dict[str, Any]:
    """The record's facts; for a run without results the keys of `train --json` are null."""
    keys = ("name", "state", "created", "started", "ended", "error", "place", "step", "top1", "disk_bytes", "classes")
    facts = {key: getattr(record, key) for key in (*keys, *ORIGIN_KEYS, "unreadable")}
    config: Any = record.config.model_dump() if record.config else record.stored
    return {**_results(record), **facts, "config": config}


def _warn(store: RunStore) -> None:
    """On stderr: what of this store cannot be changed, or was lost."""
    _say(*(f"note: {text}" for text in (store.refusal, store.loss) if text), file=sys.stderr)


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


# ---------------------------------------------------------------------- data, worker, export


def _data_list(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from vit_explore.data import dataset_status, datasets

    found = [dataset_status(name) for name in datasets.names()]
    if arguments.json:
        print(json.dumps([asdict(status) for status in found], default=str))
        return 0
    rows = [(s.name, "yes" if s.available else "no", str(s.where), s.title) for s in found]
    _print_table(("name", "here", "where", "what"), rows)
    return 0


def _data_get(arguments: argparse.Namespace) -> int:
    from vit_explore.data import datasets, prepare
    from vit_explore.progress import Bar

    datasets.get(arguments.dataset)  # a mistyped name shows no bar
    with Bar(quiet=False) as bar:
        where = prepare(arguments.dataset, lambda what, share: bar.show(share, what))
    print(f"{arguments.dataset} is ready: {where}")
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    from vit_explore.runs.worker import run_worker

    return run_worker(arguments.device, arguments.once, arguments.idle_exit, arguments.parent, arguments.id)


def _export(arguments: argparse.Namespace) -> int:
    from vit_explore.runs.export import export

    for path in export(arguments.run, arguments.out):
        print(path)
    return 0


def _store() -> RunStore:
    from vit_explore.runs.store import RunStore

    return RunStore()


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def _say(*lines: str, file: IO[str] | None = None) -> None:
    """Print lines that may hold what people wrote: names and sentences, without what a terminal would obey."""
    for line in lines:
        print(printable(line), file=file)


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
