"""Where state lives: one folder, named by VIT_EXPLORE_HOME or chosen by the platform."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_dir

from vit_explore.errors import DiskFull


def home() -> Path:
    """The folder of runs.db, runs/ and data/, created when missing."""
    path = Path(os.environ.get("VIT_EXPLORE_HOME") or user_data_dir("vit_explore", appauthor=False)).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskFull(
            f"The folder {path} cannot be made ({error.strerror}); set VIT_EXPLORE_HOME to one that can be written."
        ) from None
    return path


def uploads() -> Path:
    """Where the zips lie that a person uploads, named by their content; made by whoever writes there."""
    return uploads_in(home())


def uploads_in(folder: Path) -> Path:
    """The same below another home."""
    return folder / "data" / "uploads"
