"""Text that people typed, safe inside markdown."""

from __future__ import annotations

_ACTIVE = r"\`*_[]<>$~|#:"


def escaped(text: str) -> str:
    """Class names, file names and parts of an address as they are: no links, pictures, formulas or emphasis."""
    return "".join(f"\\{character}" if character in _ACTIVE else character for character in text)
