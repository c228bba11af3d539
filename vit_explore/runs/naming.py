"""Names for runs that nobody named."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig
from vit_explore.text import printable

MAX_LENGTH = 120


def describe(config: RunConfig) -> str:
    """A run's settings in a few words, such as "ViT p4 d128×6 · 4 classes · 60 s"."""
    return " · ".join((config.model.card.says(config.model), *_start(config), _data(config), _budget(config)))


def numbered(name: str, taken: Collection[str]) -> str:
    """`name`, or `name (2)`, `name (3)`, … when it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        ending = f" ({number})"
        candidate = name[: MAX_LENGTH - len(ending)] + ending
    return candidate


def file_stem(name: str, run: str) -> str:
    """A file name without an ending: letters, digits and dashes of the run's name, and its id."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return f"{words}-{run}" if words else run


def shown(name: str) -> str:
    """A stored name as it is shown, whoever wrote it there."""
    return printable(name)[:MAX_LENGTH]


def cleaned(name: str) -> str:
    """A name that a person gave, on one line and without control characters. Raises BadConfig."""
    name = " ".join(printable(name).split())
    if not 1 <= len(name) <= MAX_LENGTH:
        raise BadConfig(f"A name has 1 to {MAX_LENGTH} characters, {len(name)} given; choose another one.")
    return name


def _start(config: RunConfig) -> list[str]:
    """What it starts from, and whether it is a linear probe."""
    ref = config.model.init_from
    if ref is None:
        return ["head alone"] if config.train.tune == "head" else []
    known = Path(ref).stem if ref.endswith(".safetensors") else ref.partition(":")[2]
    return [f"{'probe of' if config.train.tune == 'head' else 'from'} {known[:30]}"]


def _data(config: RunConfig) -> str:
    if config.data.classes is None:
        return config.data.dataset
    return f"{len(config.data.classes)} classes"


def _budget(config: RunConfig) -> str:
    if config.train.seconds is not None:
        return f"{config.train.seconds:g} s"
    return f"{config.train.epochs:g} epoch{'' if config.train.epochs == 1 else 's'}"
