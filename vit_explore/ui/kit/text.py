"""Text that people typed, safe inside markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")

_ACTIVE = re.compile(r"[\\`*_\[\]<>$~|#:&@]|(?<=www)\.", re.IGNORECASE)  # the last one makes a link of what follows


def told_apart(names: Mapping[K, str], marks: Mapping[K, str] | None = None) -> dict[K, str]:
    """The names, those that came before with a mark (or a number): a picker takes equal ones for one.

    The first of equal names stays as it is, so that it stays chosen when another one comes.
    """
    nth, told = Counter[str](), dict[K, str]()
    for key, name in names.items():
        nth[name] += 1
        mark = str(nth[name]) if marks is None else marks[key]
        told[key] = name if nth[name] == 1 else f"{name} · {mark}"
    return told


def escaped(text: str) -> str:
    """Class names, file names and parts of an address as they are: no links, pictures, formulas or emphasis."""
    return _ACTIVE.sub(lambda found: f"\\{found[0]}", text)
