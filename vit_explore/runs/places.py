"""Where a command writes what is taken away: looked at before the work, which may take minutes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from vit_explore.errors import BadReference
from vit_explore.runs.files import write_atomically


def check_place(path: Path, force: bool = True) -> None:
    """Whether a file can be written there; force: in place of one that is there. Raises BadReference."""
    if path.name in ("", ".", ".."):
        raise BadReference(f"{str(path)!r} names no file to write to; give a name, such as mine.")
    path = Path(os.path.realpath(path))  # what a link points to is written, and not the link
    if not os.path.isdir(path.parent):  # not Path.is_dir, which raises for names that are too long
        raise BadReference(f"There is no folder {path.parent} to write to; make it, or choose another place.")
    if not os.access(path.parent, os.W_OK):
        raise BadReference(f"The folder {path.parent} cannot be written to; choose another place.")
    check_ordinary(path)
    if path.is_dir():
        raise BadReference(f"{path} is no ordinary file; choose another place to write to.")
    if path.exists() and not force:
        raise BadReference(f"{path} is there already; choose another name, or add --force to replace it.")


def check_ordinary(path: Path) -> None:
    """Raises BadReference for a device or a pipe, and for a name that is too long."""
    try:
        path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        reason = "its name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
        raise BadReference(f"{str(path)[:80]}… cannot be written to: {reason}; choose a shorter name.") from error
    if not (path.is_file() or path.is_dir()):
        raise BadReference(f"{path} is no ordinary file; choose another place to write to.")


def write(path: Path, content: bytes | Callable[[IO[bytes]], Any]) -> None:
    """Write all of a file, or nothing. Raises BadReference for a place that cannot be written to, DiskFull."""
    check_place(path)
    path = Path(os.path.realpath(path))
    fill = content if callable(content) else lambda file: file.write(content)
    try:
        write_atomically(path, fill)
    except OSError as error:
        raise BadReference(f"{path} cannot be written ({error.strerror}); choose another place.") from error
