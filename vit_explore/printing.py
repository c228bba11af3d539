"""What the command line prints: lines and tables, without what a terminal would obey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from vit_explore.text import printable


def percent(share: float | None) -> str:
    """A share as 81.9 %, or a dash."""
    return "–" if share is None else f"{100 * share:.1f} %"


def mebibytes(count: int) -> str:
    """Bytes as 12.3 MiB."""
    return f"{count / 2**20:.1f} MiB"


def say(*lines: str, file: IO[str] | None = None) -> None:
    """Print lines that may hold what people wrote: names and sentences, without what a terminal would obey."""
    for line in lines:
        print(printable(line), file=file)


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], file: IO[str] | None = None) -> None:
    """Print columns, each as wide as its widest cell."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=file)
