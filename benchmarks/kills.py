"""kill -9 at every named point of writing and at random moments: which runs are lost, which go on, and as what.

    python benchmarks/kills.py --kills 100

Each kill hits a process of its own: before or after a file moves into place or vanishes, a row is written or a
transaction committed, or after a random time. Whatever is left is opened by another process, resumed where it was
interrupted, trained to its end, and compared with an uninterrupted run: every step and snapshot must be the same
numbers, what an evaluation found the same to 1e-6. Shapes on one thread in fp32. Exit status 1 when a run was lost
or differs.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a process with threads must not be forked
PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from kill_points import Kill, arm, planned  # noqa: E402

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig  # noqa: E402
from vit_explore.data import Dataset, load_dataset  # noqa: E402
from vit_explore.errors import RunNotFound  # noqa: E402
from vit_explore.models import summarise  # noqa: E402
from vit_explore.runs import recording  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402
from vit_explore.runs.tidy import tidy  # noqa: E402
from vit_explore.runs.worker import run_worker  # noqa: E402
from vit_explore.training import Trainer  # noqa: E402

TIMES = {  # and memory: of day and machine, never the same twice
    "elapsed", "remaining", "images_per_second", "train_seconds", "eval_seconds", "peak_memory",
}  # fmt: skip
ROUNDED = {"looks": 1e-6, "end": 1e-6}  # how many images go through at a time depends on the pace, and kernels on that
STOP_AT = 20  # the step at which someone asks for the run's end
KILLED = object()


def config() -> RunConfig:
    """A run of 48 steps with everything in it: evaluations, snapshots, drop path, both optimisers."""
    return RunConfig(
        data=DataConfig(dataset="shapes", classes=("square", "star", "ring"), per_class=32, image_size=16),
        model=ModelConfig(width=16, depth=2, num_heads=2, drop_path=0.1),
        train=TrainConfig(
            epochs=4, batch_size=8, device="cpu", precision="fp32", threads=1, evaluations=4, compiled="off"
        ),
    )


# ------------------------------------------------------------------ processes


def in_child(function: Callable[..., Any], *arguments: Any, kill: Kill | None = None) -> Any:
    """What `function` gives in a forked process; KILLED when that was killed. This process opens no database."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_a_child(function, arguments, writing, kill)
    os.close(writing)
    if kill is not None and kill.seconds:
        time.sleep(kill.seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return KILLED
    result = pickle.loads(data)
    if isinstance(result, str) and result.startswith("Traceback"):
        raise RuntimeError(result)
    return result


def _be_a_child(function: Callable[..., Any], arguments: tuple[Any, ...], writing: int, kill: Kill | None) -> None:
    try:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (it lives as long as the process)
        if kill is not None and kill.when:
            arm(kill)
        result = function(*arguments)
    except Exception:  # noqa: BLE001 (the parent raises it again)
        result = traceback.format_exc()
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


def create(home: Path) -> str:
    return RunStore(home).create(config())


def train(home: Path, ask: str = "") -> None:
    """Serve the queue once, with checkpoints in quick succession. ask: "stop" or "leave" at step STOP_AT."""
    recording.FIRST_CHECKPOINT_SECONDS = recording.CHECKPOINT_SECONDS = 0.02
    recording.CHECKPOINT_SHARE, recording.FLUSH_SECONDS = 1.0, 0.01
    run_worker("cpu", once=True, home=home, make_trainer=functools.partial(_asked, ask))


def _asked(ask: str, run_config: RunConfig, **options: Any) -> Trainer:
    def should_stop() -> bool:
        if trainer.step == STOP_AT and ask == "leave":
            os.kill(os.getpid(), signal.SIGTERM)
        return trainer.step == STOP_AT and ask == "stop"

    trainer = Trainer(run_config, dataset(), **options | {"should_stop": should_stop})
    return trainer


@functools.cache
def dataset() -> Dataset:
    """The images of `config`, drawn once for all processes."""
    return load_dataset(config().data)


def resume(home: Path, run: str) -> None:
    RunStore(home).resume(run)


def delete(home: Path, run: str) -> None:
    RunStore(home).delete(run)


def state(home: Path, run: str) -> str:
    """The run's state as a person sees it, after a worker's tidying; "gone" for one that is not there."""
    store = RunStore(home)
    store.reap()
    tidy(store)
    try:
        return store.get(run).state
    except RunNotFound:
        return "gone"


def ids(home: Path) -> tuple[set[str], set[str]]:
    """The runs that the database knows, and those that have a folder, after tidying."""
    store = RunStore(home)
    tidy(store)
    return {record.id for record in store.list()}, {path.name for path in (home / "runs").glob("*")}


def story(home: Path, run: str) -> dict[str, Any]:
    """All that a finished run says, without times."""
    store = RunStore(home)
    steps = {name: column for name, column in store.steps(run).items() if name not in TIMES}
    looks = {(look.split, look.step): _told(look) for look in store.evaluations(run)}
    weights = {row.step: store.snapshot_path(run, row.step).read_bytes() for row in store.snapshots(run)}
    record, end = store.get(run), store.finished(run)
    facts = {"state": record.state, "error": record.error, "has_checkpoint": record.has_checkpoint}
    left = sorted(path.name for path in store.folder(run).path.rglob("*") if path.suffix in (".pt", ".tmp"))
    return {"steps": steps, "looks": looks, "weights": weights, "end": _told(end), "facts": facts, "left": left}


def _told(event: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(event).items() if name not in TIMES}


def same(a: Any, b: Any, close: float = 0.0) -> bool:
    """Equal to within `close`, arrays and NaNs included."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], close) for key in a)
    if isinstance(a, np.ndarray):
        if a.dtype.kind == "f":
            return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, rtol=0, atol=close, equal_nan=True)
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b) or (a != a and b != b) or (isinstance(a, float) and abs(a - b) <= close)


# ------------------------------------------------------------------ one kill, and what comes after


@dataclass
class Outcome:
    """killed: the kill hit; lost: the run cannot be had or ended; resumed: it was interrupted, and went on."""

    killed: bool
    lost: bool = False
    resumed: bool = False
    equal: bool = True
    why: str = ""


def go_through(kill: Kill, whole: dict[str, Any]) -> Outcome:
    """One kill in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="kills-"))
    outcome = Outcome(killed=False)
    try:
        run = None if kill.action == "create" else in_child(create, home)
        _go_through(kill, home, run, whole, outcome)
    except RuntimeError as error:  # a process that should have lived ended in a traceback
        outcome.lost, outcome.why = True, str(error).strip().splitlines()[-1]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return outcome


def _go_through(kill: Kill, home: Path, run: str | None, whole: dict[str, Any], outcome: Outcome) -> None:
    if kill.action == "resume":
        in_child(train, home, kill=Kill("train", "checkpoint row", "after", 2))
        in_child(state, home, run)
    elif kill.action == "delete":
        in_child(train, home)
    if kill.action in ("train", "stop", "leave"):
        done = in_child(train, home, "" if kill.action == "train" else kill.action, kill=kill)
    else:
        action: Callable[..., Any] = {"create": create, "resume": resume, "delete": delete}[kill.action]
        done = in_child(action, home, *([run] if run else []), kill=kill)
    outcome.killed = done is KILLED
    known, folders = in_child(ids, home)
    if kill.action == "delete" and run in known:  # half deleted, its files first: it can be deleted again
        in_child(delete, home, run)
        known, folders = in_child(ids, home)
    run = run or next(iter(known), None)
    if not folders <= known:
        outcome.lost, outcome.why = True, "a folder is left without its run"
    elif run not in known:
        outcome.lost = kill.action not in ("create", "delete") or (kill.action == "create" and not outcome.killed)
    else:
        _finish(home, run, whole, kill.action in ("stop", "leave"), outcome)


def _finish(home: Path, run: str, whole: dict[str, Any], looked_earlier: bool, outcome: Outcome) -> None:
    """Train the run to its end, from wherever it stands, and compare."""
    for _ in range(4):
        now = in_child(state, home, run)
        if now == "finished":
            break
        if now != "queued":
            in_child(resume, home, run)
            outcome.resumed = True
        in_child(train, home)
    else:
        outcome.lost, outcome.why = True, f"it stays {now}"
        return
    found = in_child(story, home, run)
    if looked_earlier:  # a run that was stopped was evaluated and kept where it stopped, too
        for part in ("looks", "weights"):
            found[part] = {key: value for key, value in found[part].items() if key in whole[part]}
    different = [part for part in whole if not same(whole[part], found[part], ROUNDED.get(part, 0.0))]
    outcome.equal, outcome.why = not different, ", ".join(different)


def report(results: list[tuple[Kill, Outcome]], seconds: float) -> int:
    """The table by action, and the sum; gives the exit status."""
    by_action: dict[str, list[Outcome]] = defaultdict(list)
    for kill, outcome in results:
        by_action[f"{kill.action}, {'named points' if kill.when else 'random moments'}"].append(outcome)
    print("| where | processes | killed | runs lost | resumed and finished | not equal |\n|---|---|---|---|---|---|")
    for title, group in (*by_action.items(), ("all", [outcome for _, outcome in results])):
        counts = [len(group), *(sum(map(bool, values)) for values in zip(
            *((o.killed, o.lost, o.resumed and not o.lost, not o.equal) for o in group), strict=True
        ))]  # fmt: skip
        print(f"| {title} | {' | '.join(map(str, counts))} |")
    bad = [(kill, outcome) for kill, outcome in results if outcome.lost or not outcome.equal]
    for kill, outcome in bad:
        what = "lost" if outcome.lost else "differs"
        print(f"{kill.title} (call {kill.nth}, {kill.seconds:.2f} s): {what}: {outcome.why}")
    print(f"{seconds:.0f} s; torch {torch.__version__}, one thread, fp32")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many in all; the named points come first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    start, home = time.perf_counter(), Path(tempfile.mkdtemp(prefix="kills-"))
    dataset(), summarise(ModelConfig())  # what is imported and drawn here, no child has to
    run = in_child(create, home)
    begun = time.perf_counter()
    in_child(train, home)
    seconds, whole = time.perf_counter() - begun, in_child(story, home, run)
    shutil.rmtree(home)
    results = []
    for number, kill in enumerate(planned(options.kills, random.Random(options.seed), seconds), start=1):
        results.append((kill, go_through(kill, whole)))
        print(f"\r{number}/{options.kills} {kill.title:60}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    status = report(results, time.perf_counter() - start)
    if options.json:
        rows = [{"kill": kill.title, **vars(outcome)} for kill, outcome in results]
        print(json.dumps({"lost": sum(o.lost for _, o in results), "rows": rows, "steps": len(whole["steps"]["step"])}))
    return status


if __name__ == "__main__":
    sys.exit(main())
