"""The command line, python -m vit_explore {train,runs,sweep,film,serve,…}: no Streamlit, and Plotly for films alone.

Exit status: 0; 2 for a mistake in what was asked; 1 for a run that failed; 130 when Ctrl-C ended it.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_explore.away_commands import export_run, export_weights, import_run, page_of_run
from vit_explore.cluster_command import add_cluster, cluster
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadReference, BadRunState, TrainingFailed, VitExploreError
from vit_explore.film_command import add_film, make_film
from vit_explore.flags import add_flags, add_settings, changes_from, config_from, named_by_flags, unknown
from vit_explore.here import INTERRUPTED, stopped, this_process, training
from vit_explore.inside_commands import add_lab, add_trust, rank_methods, run_lab
from vit_explore.printing import print_table, say
from vit_explore.probe_command import probe_model
from vit_explore.run_commands import (
    delete_run,
    diagnose_run,
    list_runs,
    open_store,
    rebuild_runs,
    reproduce_run,
    results,
    show_run,
    summary,
)
from vit_explore.serve_command import add_serve, serve
from vit_explore.sweep_commands import add_arguments, sweep

if TYPE_CHECKING:
    from vit_explore.runs.recorder import Outcome
    from vit_explore.runs.records import Claimant
    from vit_explore.runs.store import RunStore


NOT_FOR_TRAINING = ("streamlit", "plotly", "captum")  # packages that training does without


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status. What a person got wrong ends in one sentence on stderr."""
    parsed, left = _parser().parse_known_args(arguments)
    if left:
        parsed.parser.error(unknown(left[0], parsed.parser))
    try:
        status = parsed.command(parsed)
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
        return status
    except VitExploreError as error:
        say(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingFailed) else 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _write_no_more()
        return 0
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in NOT_FOR_TRAINING:
            raise
        say(f"error: This command needs {package}, which is not installed; install requirements.txt.", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _write_no_more()
        say(f"error: The output cannot be written: {error.strerror}; free some space.", file=sys.stderr)
        return 2


def _write_no_more() -> None:
    """What is still to be printed goes nowhere, so that Python's exit does not try it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vit_explore", description="Train small vision transformers and look inside.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_probe(commands)
    _add_runs(commands)
    add_arguments(_command(commands, "sweep", "train a grid of runs that asks one question, with several seeds", sweep))
    add_trust(_command(commands, "trust", "which heatmaps of a model to believe", rank_methods))
    add_lab(_command(commands, "lab", "what models still recognise when their pictures are changed", run_lab))
    add_film(_command(commands, "film", "what a model shows of itself through its training, as a file", make_film))
    _add_data(commands)
    _add_worker(commands)
    _add_export(commands)
    add_serve(_command(commands, "serve", "the app for a class: students join from their own machines", serve))
    add_cluster(_command(commands, "cluster", "train queued runs on the nodes of a Ray cluster", cluster))
    return parser


def _add_train(commands: Any) -> None:
    train = _command(commands, "train", "train a model; the run appears in the app, too", _train)
    add_flags(train)
    train.add_argument("--fork", metavar="RUN@STEP", help="start from a run's snapshot and settings")
    _add_output(train)
    train.add_argument("--dry-run", action="store_true", help="say what a step, the test and the memory cost; no run")


def _add_probe(commands: Any) -> None:
    probe = _command(commands, "probe", "what a model's features are worth for other classes: baselines", probe_model)
    probe.add_argument("ref", metavar="REF", help="run:ID, bundled:NAME, timm:NAME or FILE.safetensors")
    add_settings(probe, ("data",), RunConfig())
    probe.add_argument("--model", default=argparse.SUPPRESS, help="the architecture, where a file does not tell")
    probe.add_argument("--input-size", type=int, metavar="N", default=argparse.SUPPRESS, help="the model's, in pixels")
    probe.add_argument("--device", default="auto", help="auto, cpu, cuda:N or mps")
    _add_json(probe)


def _add_runs(commands: Any) -> None:
    about = "list, show, diagnose, resume, reproduce, export, import, delete or rebuild runs"
    runs = commands.add_parser("runs", help=about).add_subparsers(required=True)
    listed = _command(runs, "list", "every run, the newest first", list_runs)
    listed.add_argument("--state", metavar="STATE", action="append", help="only runs in this state; may be repeated")
    for name in ("owner", "group"):
        listed.add_argument(f"--{name}", metavar="NAME", help=f"only runs of this {name}")
    listed.add_argument("--limit", type=int, metavar="N", help="at most so many")
    _add_json(listed)
    _add_json(_command(runs, "rebuild", "enter runs again that only their folders know", rebuild_runs))
    packed = _command(runs, "export", "all of a run as one file, for another machine", export_run)
    packed.add_argument("run", metavar="ID")
    packed.add_argument("--out", metavar="FILE", help="default: the run's name and id, in this folder")
    packed.add_argument("--force", action="store_true", help="replace a file that is there already")
    came = _command(runs, "import", "enter the run of such a file", import_run)
    came.add_argument("file", metavar="FILE")
    _add_json(came)
    sheet = _command(runs, "page", "a run as one page of HTML, to keep or to hand in", page_of_run)
    sheet.add_argument("run", metavar="ID")
    sheet.add_argument("--picture", metavar="FILE", help="default: the first validation image of the run's data")
    sheet.add_argument("--out", default="run.html", metavar="FILE", help="default run.html")
    for name, text, command in (
        ("show", "one run: settings, state, results", show_run),
        ("resume", "train a stopped or interrupted run on, here", _runs_resume),
        ("diagnose", "what a run suffers from, with its evidence, and what to do about it", diagnose_run),
        ("delete", "remove a run and its files", delete_run),
        ("reproduce", "train a run again from its record, and compare the losses; stores nothing", _reproduce),
    ):
        child = _command(runs, name, text, command)
        child.add_argument("run", metavar="ID")
        _add_output(child) if name == "resume" else _add_json(child)
        if name == "reproduce":
            child.add_argument("--steps", type=int, metavar="N", help="only up to this step")


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="list or fetch datasets").add_subparsers(required=True)
    _add_json(_command(data, "list", "the datasets, and whether they are here", _data_list))
    get = _command(data, "get", "fetch a dataset, and check that it can be read", _data_get)
    get.add_argument("dataset", metavar="NAME")


def _add_worker(commands: Any) -> None:
    worker = _command(commands, "worker", "train queued runs until told to end (the app starts one itself)", _worker)
    worker.add_argument("--device", default="auto", help="auto, cpu, cuda:N or mps")
    worker.add_argument("--once", action="store_true", help="leave after one run, or when none waits")
    worker.add_argument("--idle-exit", type=float, metavar="SECONDS", help="leave after so long without work")
    worker.add_argument("--parent", type=int, metavar="PID", help="do not leave for idleness while this process lives")
    worker.add_argument("--id", help=argparse.SUPPRESS)  # given by the app, which has announced this worker


def _add_export(commands: Any) -> None:
    about = "write weights (safetensors), with what they are and how timm loads them"
    export = _command(commands, "export", about, export_weights)
    export.add_argument("run", metavar="RUN", help="ID, ID@STEP, bundled:NAME or bundled:NAME@STEP")
    export.add_argument("--out", type=Path, metavar="FILE", help="FILE.safetensors and FILE.json")
    export.add_argument(
        "--push", metavar="OWNER/NAME", help="to a model repository of the Hugging Face hub, with a card"
    )
    export.add_argument("--public", action="store_true", help="a new repository of the hub is seen by everybody")
    export.add_argument("--force", action="store_true", help="replace files that are there already")


def _command(
    parent: Any, name: str, text: str, command: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = parent.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    parser.set_defaults(command=command, parser=parser)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")


# ---------------------------------------------------------------------- train, runs resume


def _train(arguments: argparse.Namespace) -> int:
    if arguments.fork is not None:
        return _fork(arguments)
    config = _resolved(config_from(arguments))
    if arguments.dry_run:
        return _dry_run(config, as_json=arguments.json)
    claimant, store = _this_process(config.train.device)
    _warn_of_costs(config, store)
    run = store.create(config, claimant)
    return _train_here(store, run, claimant, arguments, is_new=True)


def _resolved(config: RunConfig) -> RunConfig:
    """With what follows from the model that it starts from."""
    from vit_explore.runs.initial import resolved

    with named_by_flags():
        return resolved(config, open_store())


def _dry_run(config: RunConfig, as_json: bool) -> int:
    from vit_explore.runs.foresee import foresee
    from vit_explore.training import advice

    found = foresee(config, open_store())
    if as_json:
        print(json.dumps(asdict(found)))
        return 0
    trouble = advice.refusal(found) or advice.warning(found, config)
    say(f"the whole run: {advice.whole(found, config)}", *advice.details(found))
    if trouble:
        say(f"warning: {trouble}", *filter(None, [advice.suggestion(found)]))
    return 0


def _warn_of_costs(config: RunConfig, store: RunStore) -> None:
    """On stderr, before it starts: what makes it no fun. Raises BadConfig for a run that cannot fit this machine."""
    from vit_explore.runs.foresee import foresee
    from vit_explore.training import advice

    found = foresee(config, store, may_probe=False)
    if refusal := advice.refusal(found):
        raise BadConfig(refusal)
    if trouble := advice.warning(found, config):
        say(f"warning: {trouble}", *filter(None, [advice.suggestion(found)]), file=sys.stderr)
    elif advice.is_long(found, config):
        say(f"This takes {advice.whole(found, config)}; Ctrl-C stops it, and runs resume goes on.", file=sys.stderr)


def _fork(arguments: argparse.Namespace) -> int:
    parent, at, step = arguments.fork.removeprefix("run:").partition("@")
    if not at or not step.isdecimal():
        raise BadReference(f"{arguments.fork!r} is no snapshot to fork; write RUN@STEP.")
    if arguments.preset is not None:
        raise BadConfig("A fork starts from its parent's settings and not from a preset's; leave --preset out.")
    changes = changes_from(arguments)
    if arguments.dry_run:
        with named_by_flags():
            config = open_store().fork_config(parent, int(step), **changes)
        return _dry_run(config, as_json=arguments.json)
    device = changes.get("device") or open_store().get(parent).settings().train.device
    claimant, store = _this_process(device)
    with named_by_flags():
        run = store.fork(parent, int(step), claimant, **changes)
    return _train_here(store, run, claimant, arguments, is_new=True)


def _reproduce(arguments: argparse.Namespace) -> int:
    from vit_explore.progress import Bar

    with Bar(quiet=arguments.json) as bar:
        return reproduce_run(arguments, bar.show)


def _runs_resume(arguments: argparse.Namespace) -> int:
    store = open_store()
    record = store.get(arguments.run)
    if record.resume_refusal is not None:
        raise BadRunState(record.resume_refusal)
    claimant, _ = _this_process(record.settings().train.device)
    store.resume(arguments.run, claimant)
    return _train_here(store, arguments.run, claimant, arguments, is_new=False)


def _this_process(device: str) -> tuple[Claimant, RunStore]:
    return this_process(device), open_store()


def _train_here(store: RunStore, run: str, claimant: Claimant, arguments: argparse.Namespace, is_new: bool) -> int:
    """Train a claimed run in this process, with a progress bar; Ctrl-C stops it with a checkpoint."""
    from vit_explore.progress import Progress
    from vit_explore.runs.recorder import train_run

    with Progress(quiet=arguments.quiet) as progress, training(store, claimant, progress) as (pulse, leaving):
        outcome = train_run(store, store.get(run), pulse, leaving, left_as="stopped", on_event=progress)
    if is_new and isinstance(outcome.error, VitExploreError) and not outcome.started and not outcome.unexpected:
        store.delete(run)  # nothing was trained: the mistake is on the screen, and the list of runs stays tidy
        raise outcome.error
    if outcome.error is not None:
        say(f"error: run {run} {'failed' if outcome.state == 'failed' else 'ended'}: {outcome.error}", file=sys.stderr)
        return 1
    return _report(store, run, outcome, arguments)


def _report(store: RunStore, run: str, outcome: Outcome, arguments: argparse.Namespace) -> int:
    if outcome.state == "lost":
        print(f"error: run {run} was taken over by another process; nothing is lost.", file=sys.stderr)
        return 1
    record = store.get(run)
    if store.finished(run) is None:  # Ctrl-C: no results
        say(stopped(record), file=sys.stderr)
        return INTERRUPTED
    if not arguments.quiet:
        say(*summary(record), file=sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(json.dumps(results(record)))
    return 0


# ---------------------------------------------------------------------- data, worker, export


def _data_list(arguments: argparse.Namespace) -> int:
    from vit_explore.data import dataset_status, datasets

    found = [dataset_status(name) for name in datasets.names()]
    if arguments.json:
        print(json.dumps([asdict(status) for status in found], default=str))
        return 0
    rows = [(s.name, "yes" if s.available else "no", str(s.where), s.title) for s in found]
    print_table(("name", "here", "where", "what"), rows)
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

    return run_worker(
        arguments.device, arguments.once, arguments.idle_exit, arguments.parent, arguments.id, own_process=True
    )
