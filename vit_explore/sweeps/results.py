"""What the runs of a sweep gave, as plain values: from the store, or from the records that come with the package."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vit_explore.config import RunConfig, settings
from vit_explore.errors import BadData
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.seeds import Spread, spread
from vit_explore.sweeps.definition import Cell, Sweep, key_of
from vit_explore.sweeps.group import Group

RECORDS = Path(__file__).with_name("records")
TRAINING_COST = 3  # a training step costs about three forward passes (Kaplan et al. 2020)
Curve = tuple[tuple[float, float, float], ...]  # epoch, loss and top-1 at each look at the validation images


@dataclass(frozen=True)
class Result:
    """One finished run of a sweep. settings: those that are not the defaults; top1: on the test images, in [0, 1]."""

    row: str
    column: str
    seed: int
    top1: float
    val_top1: float | None
    test_images: int
    train_images: int
    images_seen: int
    flops: float  # of the whole training: 3 × forward × images
    params: int
    seconds: float  # of training
    device: str
    precision: str
    date: str
    command: str
    settings: dict[str, Any]
    curve: Curve = ()

    @property
    def key(self) -> str:
        """As that of the run."""
        return key_of(RunConfig().update(**self.settings))


@dataclass(frozen=True)
class Shipped:
    """The records of a sweep that come with the package, and on what they were measured."""

    machine: str
    command: str
    results: tuple[Result, ...]

    @property
    def date(self) -> str:
        return max((result.date for result in self.results), default="")


def results_of(store: RunStore, group: Group, curves: dict[str, Curve] | None = None) -> list[Result]:
    """The finished runs of a group, cell by cell; one that cells share is there for each of them.

    curves: those that are known already, by run; what is read is put there.
    """
    curves = {} if curves is None else curves
    return [
        _result(group, cell, record, _curve(store, record, curves))
        for cell in group.sweep.cells
        for record in group.of(cell)
        if record.state == "finished" and record.test_top1 is not None
    ]


def _curve(store: RunStore, record: RunRecord, known: dict[str, Curve]) -> Curve:
    if record.id not in known:
        looks = [look for look in store.evaluations(record.id) if look.split == "val"]
        known[record.id] = tuple((round(look.epoch, 4), round(look.loss, 5), round(look.top1, 5)) for look in looks)
    return known[record.id]


def _result(group: Group, cell: Cell, record: RunRecord, curve: Curve) -> Result:
    config, images = record.settings(), record.images_seen or 0
    return Result(
        cell.row, cell.column, config.train.seed, record.test_top1 or 0.0, record.top1, record.test_images or 0,
        record.train_size or 0, images, float(TRAINING_COST * (record.flops or 0) * images), record.params or 0,
        round(record.train_seconds or 0.0, 2), record.device or "", record.precision or "",
        time.strftime("%Y-%m-%d", time.localtime(record.ended)), command(group.sweep, group.seeds),
        changed(config), curve,
    )  # fmt: skip


def command(sweep: Sweep, seeds: Sequence[int]) -> str:
    """The command that trains a sweep."""
    return f"python -m vit_explore sweep {sweep.name} --seeds {','.join(map(str, seeds))}"


def changed(config: RunConfig) -> dict[str, Any]:
    """The settings that are not the defaults, by their flat names: `RunConfig().update(**…)` makes the run again."""
    found: dict[str, Any] = {}
    for name, setting in settings().items():
        value = setting.value(config)
        if value != setting.default:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def of_cell(results: Iterable[Result], cell: Cell, what: str = "top1") -> Spread | None:
    """A number of a cell's runs over their seeds; None where none has finished."""
    return spread(getattr(one, what) for one in results if (one.row, one.column) == (cell.row, cell.column))


# ---------------------------------------------------------------------- files


def as_json(results: Sequence[Result], machine: str, command: str) -> str:
    """A file of records: a line for each run."""
    lines = ",\n".join(f"  {json.dumps(asdict(result))}" for result in results)
    head = f'{{"machine": {json.dumps(machine)},\n"command": {json.dumps(command)},\n"results": [\n'
    return f"{head}{lines}\n]}}\n"


def read_json(text: str) -> Shipped:
    """Such a file. Raises BadData."""
    try:
        values = json.loads(text)
        found = [Result(**{**one, "curve": tuple(map(tuple, one["curve"]))}) for one in values["results"]]
        return Shipped(values["machine"], values["command"], tuple(found))
    except (ValueError, TypeError, KeyError) as error:
        raise BadData(f"These are no records of a sweep ({type(error).__name__}); measure them again.") from None


@lru_cache(maxsize=32)
def shipped(name: str) -> Shipped | None:
    """The records of that sweep that come with the package; None where it has not been measured. Raises BadData."""
    file = RECORDS / f"{name}.json"
    return read_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def as_csv(results: Iterable[Result]) -> str:
    """A line for each cell and seed; the settings in one column, as JSON."""
    out = io.StringIO()
    names = [name for name in Result.__dataclass_fields__ if name != "curve"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for result in results:
        values = {**vars(result), "settings": json.dumps(result.settings, sort_keys=True)}
        writer.writerow([values[name] for name in names])
    return out.getvalue()
