"""Text that people typed, safe inside markdown."""

from __future__ import annotations

import re

_ACTIVE = re.compile(r"[\\`*_\[\]<>$~|#:&@]|(?<=www)\.", re.IGNORECASE)  # the last one makes a link of what follows


def escaped(text: str) -> str:
    """Class names, file names and parts of an address as they are: no links, pictures, formulas or emphasis."""
    return _ACTIVE.sub(lambda found: f"\\{found[0]}", text)
