"""Text from elsewhere, made fit for one line of a terminal or a page."""

from __future__ import annotations

import re

# CSI (colours, the cursor), OSC (the title, links) and two-character escape sequences, with ESC or as C1 codes
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_INVISIBLE = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+")  # bidi, BOM


def harmless(cell: object) -> object:
    """A cell of a CSV: a spreadsheet takes a text that begins so for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell


def printable(text: str) -> str:
    """The text without escape sequences, control characters and marks that turn its direction; breaks become spaces."""
    if text.isprintable():
        return text
    text = _SEQUENCES.sub("", text)
    return _INVISIBLE.sub("", _BREAKS.sub(" ", text))
