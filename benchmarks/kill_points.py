"""The named points at which benchmarks/kills.py kills a process, and the plan of its kills."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from vit_explore.runs import base, files, inserts, metrics, queue
from vit_explore.training import Checkpoint, Evaluated, Finished, Snapshot, Started, Step


def _file(ending: str) -> tuple[Any, str, Callable[..., bool]]:
    """The moment at which a file with this ending moves into place."""
    return files.os, "replace", lambda _, target: str(target).endswith(ending)


def _row(kind: type) -> tuple[Any, str, Callable[..., bool]]:
    return inserts.INSERT, kind, lambda *_: True  # type: ignore[return-value]


def _call(owner: Any, name: str) -> tuple[Any, str, Callable[..., bool]]:
    return owner, name, lambda *_, **__: True


COMMIT = (base.StoreBase, "_writing", lambda *_: True)
WRITES = {  # while a run trains
    "samples file": _file("samples.npz"),
    "start row": _row(Started),
    "card file": _file("config.json"),
    "step rows": _row(Step),
    "evaluation row": _row(Evaluated),
    "snapshot file": _file(".safetensors"),
    "snapshot row": _row(Snapshot),
    "checkpoint file": _file("checkpoint.pt"),
    "checkpoint row": _row(Checkpoint),
    "tidying of files": _call(metrics.RunMetrics, "_tidy_files"),
    "result file": _file("result.json"),
    "finish row": _row(Finished),
    "checkpoint removal": _call(files.RunFolder, "remove_checkpoint"),
    "let go": _call(queue.RunQueue, "let_go"),
    "any transaction": COMMIT,
}


@dataclass(frozen=True)
class Kill:
    """One kill: in the n-th call at a point, before or after it; without a point after `seconds`."""

    action: str  # train, stop, leave, create, resume, delete
    point: str
    when: str = ""
    nth: int = 1
    seconds: float = 0.0

    @property
    def title(self) -> str:
        return f"{self.action}: {self.when} {self.point}" if self.when else f"{self.action}: {self.point}"


OTHERS = {  # what a person does to a run, each a few writes
    "create": {
        "create row": COMMIT,
        "create folder": _call(files.RunFolder, "create"),
        "create card": _file("config.json"),
    },
    "resume": {"resume row": COMMIT},
    "delete": {"delete row": COMMIT, "delete folder": _call(files.RunFolder, "delete")},
    "stop": {name: WRITES[name] for name in ("checkpoint file", "checkpoint row", "finish row", "let go")},
    "leave": {name: WRITES[name] for name in ("checkpoint file", "checkpoint row", "let go")},
}
POINTS = {"train": WRITES, **OTHERS}


def named() -> list[Kill]:
    """Every named point once before and once after."""
    return [Kill(a, point, when) for a, points in POINTS.items() for point in points for when in ("before", "after")]


def planned(count: int, rng: random.Random, seconds: float) -> list[Kill]:
    """Every named point, then as many more as fill `count`: later calls at these points, and random moments.

    With fewer than there are named points, so many of these, evenly picked.
    """
    kills = named()
    if count < len(kills):
        return [kills[round(i * (len(kills) - 1) / max(1, count - 1))] for i in range(count)]
    while len(kills) < count:
        again = rng.choice(named())
        later = Kill(again.action, again.point, again.when, rng.randint(2, 12))
        action = rng.choice(("train", "train", "stop", "leave"))
        chance = Kill(action, "a random moment", seconds=rng.random() * seconds)
        kills += [chance, later] if again.action == "train" else [chance]
    return kills[:count]


def arm(kill: Kill) -> None:
    """Wrap the point of this process so that its n-th call is the last thing that it does."""
    owner, name, is_meant = POINTS[kill.action][kill.point]
    original = owner[name] if isinstance(owner, dict) else getattr(owner, name)
    calls = iter(range(1, 10**9))

    def dies(now: str, number: int) -> None:
        if (now, number) == (kill.when, kill.nth):
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        number = next(calls) if is_meant(*arguments, **options) else 0
        dies("before", number)
        result = original(*arguments, **options)
        dies("after", number)
        return result

    @contextlib.contextmanager
    def transaction(store: Any) -> Iterator[Any]:
        number = next(calls)
        with original(store) as connection:
            yield connection
            dies("before", number)  # all is written, and nothing committed
        dies("after", number)

    wrapped = transaction if name == "_writing" else call
    owner.__setitem__(name, wrapped) if isinstance(owner, dict) else setattr(owner, name, wrapped)
