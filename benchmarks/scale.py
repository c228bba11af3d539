"""What it costs when there is more of something: images, tokens, width, depth, stored runs, snapshots, watching pages.

VIT_EXPLORE_DATA=… python benchmarks/scale.py [--only tokens width …] [--seconds 10] [--repeats 3]

The first row of each table is the peer; the last column is the median over the rounds of a row divided by its peer.
Everything happens in a throw-away home.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa
from common import PROJECT, heading, median, options, table

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.data import Dataset, dataset_status, load_dataset
from vit_explore.presets import presets
from vit_explore.runs import schema
from vit_explore.runs.backends.local import Local
from vit_explore.runs.database import open_database
from vit_explore.runs.records import Claimant, WorkerInfo
from vit_explore.runs.references import available_references, load_model, snapshot_steps
from vit_explore.runs.store import RunStore
from vit_explore.training import Snapshot, Started, Step, Trainer, fit

PER_CLASS = (100, 1000, 4000)
PATCHES, WIDTHS, DEPTHS = (16, 8, 4, 2), (48, 96, 192, 384), (2, 4, 8, 16)
RUNS = (10, 100, 1000, 10_000)
SNAPSHOTS = (10, 100, 1000)
WATCHING = (0, 1, 10, 30)
FIRST_STEPS = 8  # not counted: allocations, and threads that wake up
SMALL = RunConfig(
    data=DataConfig(dataset="shapes", per_class=20),
    model=ModelConfig(patch_size=8, width=48, depth=2),
    train=TrainConfig(epochs=1, precision="fp32", device="cpu", evaluations=1),
)
Actions = Mapping[str, Callable[[], float]]


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - begin)


def compare(what: str, unit: str, actions: Actions, repeats: int, digits: int = 0) -> None:
    """Measure all actions in turn, round by round; print a row for each, held against the first."""
    rounds = [{name: action() for name, action in actions.items()} for _ in range(repeats)]
    table((what, f"median, {unit}", "range", "÷ first"))
    first = next(iter(actions))
    for name in actions:
        values = [measured[name] for measured in rounds]
        ratio = median([measured[name] / measured[first] for measured in rounds])
        low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
        print(f"| {name} | {median(values):,.{digits}f} | {low} to {high} | {ratio:.2f} |", flush=True)


# ------------------------------------------------------------------ training


def training_speed(config: RunConfig, dataset: Dataset, seconds: float) -> float:
    """Images/s over `seconds` of steps; the probes, the first look and the first steps are not counted."""
    first: Step | None = None
    with closing(Trainer(config, dataset).events()) as events:  # type: ignore[type-var]
        steps = (event for event in events if isinstance(event, Step))
        for step in islice(steps, FIRST_STEPS, None):
            first = first or step
            if step.elapsed - first.elapsed >= seconds:
                return (step.images_seen - first.images_seen) / (step.elapsed - first.elapsed)
    raise RuntimeError(f"{config.train.epochs} epochs ended within {seconds} s; give fewer seconds")


def compare_models(what: str, models: Mapping[str, ModelConfig], args: argparse.Namespace) -> None:
    data = DataConfig(dataset="shapes")
    dataset = load_dataset(data)
    train = TrainConfig(epochs=1000, evaluations=1, low_res_fraction=0, device=args.device)

    def action(model: ModelConfig) -> Callable[[], float]:
        return lambda: training_speed(RunConfig(data=data, model=model, train=train), dataset, args.seconds)

    compare(what, "images/s", {name: action(model) for name, model in models.items()}, args.repeats)


def tokens(args: argparse.Namespace) -> None:
    models = {f"{p} px: {(32 // p) ** 2 + 1} tokens": ModelConfig(patch_size=p) for p in PATCHES}
    compare_models("training, patch size", models, args)


def width(args: argparse.Namespace) -> None:
    compare_models("training, width", {str(w): ModelConfig(width=w) for w in WIDTHS}, args)


def depth(args: argparse.Namespace) -> None:
    compare_models("training, depth", {str(d): ModelConfig(depth=d) for d in DEPTHS}, args)


def images(args: argparse.Namespace) -> None:
    """A load from the cache: read, choose, split, statistics."""
    name = "cifar10" if dataset_status("cifar10").available else "shapes"
    configs = {f"{10 * n:,} images": DataConfig(dataset=name, per_class=n) for n in PER_CLASS}
    for config in configs.values():
        load_dataset(config)  # decodes or draws
    actions = {key: partial(timed, partial(load_dataset, config)) for key, config in configs.items()}
    compare(f"load and split {name}", "ms", actions, args.repeats)


# ------------------------------------------------------------------ the store


def store_of_runs(home: Path, count: int) -> tuple[RunStore, str]:
    """A store with `count` finished runs of a few steps: one through the API, the others copies of its rows."""
    store = RunStore(home)
    claimant = Claimant.this_process("cpu", "cpu")
    run = store.create(SMALL, claimant)
    store.record_all(run, fit(SMALL), claimant.worker)
    store.let_go(run, claimant.worker, "finished")
    copies = [secrets.token_hex(8) for _ in range(count - 1)]
    with open_database(store.path).engine.begin() as connection:
        connection.execute(sa.insert(schema.ids), [{"id": copy} for copy in copies])
        for parent, key in ((schema.runs, "id"), (schema.steps, "run"), (schema.snapshots, "run")):
            rows = connection.execute(sa.select(parent).where(parent.c[key] == run)).mappings().all()
            copied = [{**row, key: copy} for copy in copies for row in rows]
            for row in copied:
                row.pop("seq", None)
            connection.execute(sa.insert(parent), copied)
    assert len(store.list()) == count
    return store, run


def runs(args: argparse.Namespace) -> None:
    """Lists, one record, the sidebar's picker of models, and the page Runs."""
    stores = {n: store_of_runs(Path(tempfile.mkdtemp(dir=args.home)), n) for n in RUNS}

    def all_sizes(action: Callable[[RunStore, str], object]) -> Actions:
        return {f"{n:,} runs": partial(timed, partial(action, store, run)) for n, (store, run) in stores.items()}

    compare("store.list()", "ms", all_sizes(lambda store, _: store.list()), args.repeats, 1)
    compare("store.loss", "ms", all_sizes(lambda store, _: store.loss), args.repeats, 1)
    compare("store.get(id)", "ms", all_sizes(lambda store, run: store.get(run)), args.repeats, 2)
    compare("the models on offer", "ms", all_sizes(lambda store, _: available_references(store.home)), args.repeats, 1)
    homes = {f"{n:,} runs": store.home for n, (store, _) in stores.items()}
    with patch.object(Local, "ensure", lambda _, home=None: WorkerInfo("none", None, "cpu", "warm", 0.0, None)):
        runs_page(next(iter(homes.values())))  # imports
        compare("the page Runs", "ms", {key: partial(runs_page, home) for key, home in homes.items()}, args.repeats)


def runs_page(home: Path) -> float:
    """Milliseconds of the script of the page Runs, the browser's part left out."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    st.cache_resource.clear()
    st.cache_data.clear()
    with patch.dict(os.environ, VIT_EXPLORE_HOME=str(home)):
        at = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=120)
        at.switch_page("pages/train/runs.py")
        milliseconds = timed(at.run)
    assert not at.exception, at.exception
    assert len(at.dataframe[0].value) == len(RunStore(home).list())
    return milliseconds


def store_of_snapshots(home: Path, count: int) -> tuple[str, list[int]]:
    """A run that wrote `count` snapshots: its reference and the steps that the store kept."""
    store = RunStore(home)
    run = store.create(SMALL)
    with closing(Trainer(SMALL).events()) as events:  # type: ignore[type-var]
        started, snapshot = islice(events, 2)
    assert isinstance(started, Started)
    assert isinstance(snapshot, Snapshot)
    store.record_all(run, [started, *(dataclasses.replace(snapshot, step=100 * i) for i in range(count))])
    reference = f"run:{run}"
    return reference, snapshot_steps(reference, home)


def snapshots(args: argparse.Namespace) -> None:
    """The list of a run's snapshots, and one of them as a model; the store keeps a bounded number."""
    home = Path(tempfile.mkdtemp(dir=args.home))
    written = {count: store_of_snapshots(home, count) for count in SNAPSHOTS}
    names = {count: f"{count:,} written, {len(steps)} kept" for count, (_, steps) in written.items()}
    lists = {names[n]: partial(timed, partial(snapshot_steps, ref, home)) for n, (ref, _) in written.items()}
    middles = {n: f"{ref}@{steps[len(steps) // 2]}" for n, (ref, steps) in written.items()}
    loads = {names[n]: partial(timed, partial(load_model, ref, home)) for n, ref in middles.items()}
    load_model(middles[SNAPSHOTS[0]], home)  # imports
    compare("snapshot_steps", "ms", lists, args.repeats, 2)
    compare("load_model", "ms", loads, args.repeats, 1)


# ------------------------------------------------------------------ the app


def watching(args: argparse.Namespace) -> None:
    """The speed of a run while pages watch it, by the run's own clock."""
    from app_server import start, stop_tree
    from watchers import visit, watched_run

    home = Path(tempfile.mkdtemp(dir=args.home))
    preset = "minute" if dataset_status("cifar10").available else "shapes"
    config = presets.get(preset).config.update(seconds=args.seconds, device=args.device)
    process, url = start(home)
    try:
        visit(url)
        store = RunStore(home)
        watched_run(url, store, config, 1)  # decodes the data, and wakes the worker and the page up

        def speed(count: int) -> float:
            return watched_run(url, store, config, count).images_per_second or 0.0

        actions = {f"{count} pages": partial(speed, count) for count in WATCHING}
        compare(f"training, the preset “{preset}”, watched by", "images/s", actions, args.repeats)
    finally:
        stop_tree(process, home)


SECTIONS = (images, tokens, width, depth, runs, snapshots, watching)


def main() -> None:
    names = [section.__name__ for section in SECTIONS]
    parser = options(__doc__ or "", seconds=10)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SECTION", help=", ".join(names))
    args = parser.parse_args()
    heading("imports", "decoding and drawing of images", "the probes before a run", "validation", "the browsers")
    with tempfile.TemporaryDirectory() as home:
        os.environ["VIT_EXPLORE_HOME"] = args.home = home
        for section in SECTIONS:
            if section.__name__ in args.only:
                section(args)


if __name__ == "__main__":
    main()
