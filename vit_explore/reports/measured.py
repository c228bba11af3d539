"""What this project measured: a record for each run of a preset, kept as JSON beside this file and shipped with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("records")
Point = tuple[float, float, float]  # share of the budget, epochs, accuracy in [0, 1] or loss


@dataclass(frozen=True)
class Record:
    """One run of a preset. A run that was cut short is partial: `done` of its budget is below 1.

    total_steps: None where the budget is a time; seconds: of training, validation included; settings: the run's own, as
    they are stored.
    """

    preset: str
    seed: int
    date: str
    command: str
    device: str
    cpu: str
    torch: str
    params: int
    epochs: float
    seconds: float
    images_per_second: float | None
    top1: float | None
    macro_f1: float | None
    done: float
    steps: int
    total_steps: int | None
    validation: tuple[Point, ...]
    loss: tuple[Point, ...]
    settings: dict[str, Any]
    test_images: int | None = None  # a slow run is tested on a part of them; None where the record does not say it

    @property
    def is_partial(self) -> bool:
        return self.done < 1

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.preset}-{self.seed}.json"

    def as_json(self) -> str:
        """A few lines: each curve is one."""
        values = {name: json.dumps(value) for name, value in asdict(self).items()}
        return "{\n" + ",\n".join(f'  "{name}": {text}' for name, text in values.items()) + "\n}\n"


def read(file: Path) -> Record:
    """A record from its file."""
    values = json.loads(file.read_text(encoding="utf-8"))
    for curve in ("validation", "loss"):
        values[curve] = tuple((share, epoch, value) for share, epoch, value in values[curve])
    return Record(**{field.name: values[field.name] for field in fields(Record) if field.name in values})


@cache
def shipped() -> tuple[Record, ...]:
    """Every record that comes with the package."""
    return tuple(read(file) for file in sorted(FOLDER.glob("*.json")))


def of_preset(preset: str) -> list[Record]:
    """The shipped records of a preset, by seed."""
    return sorted((record for record in shipped() if record.preset == preset), key=lambda record: record.seed)
