"""A file that only takes room, given up when the disk is full, so that what frees space can be written down."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from vit_explore.errors import DiskFull
from vit_explore.runs.files import write_atomically

BYTES = 2**20
PLENTY = 64 * BYTES  # free on the disk, before a reserve is taken (again)


def keep(home: Path) -> None:
    """Take the reserve where there is none and the disk has plenty."""
    path = _path(home)
    if path.exists() or shutil.disk_usage(home).free < PLENTY:
        return
    with suppress(DiskFull):  # a quota, say: then there is none
        write_atomically(path, _fill)


def give_up(home: Path) -> bool:
    """Free the reserve; False where there is none to free."""
    try:
        _path(home).unlink()
    except OSError:
        return False
    return True


def _path(home: Path) -> Path:
    return home / ".reserve"


def _fill(file: IO[bytes]) -> None:
    file.write(os.urandom(BYTES))  # zeros would take no room on a disk that compresses
