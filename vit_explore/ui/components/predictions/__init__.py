"""Pictures with a model's answers underneath, updated in place: no flicker while the answers change.

Right and wrong are told by a sign and a word, not by colour alone. Class names are typed by people: the browser only
ever gets them as text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vit_explore.ui.components.declaring import declared

_mount = declared(__file__, '<div class="predictions" role="list"></div>')


@dataclass(frozen=True)
class Answer:
    """What one model says of one picture. probability: of its answer; None where it is not known."""

    label: str
    right: bool
    probability: float | None = None
    by: str = ""  # the model's name, where several answer


@dataclass(frozen=True)
class Card:
    """A picture uint8 (h, w, 3), the truth in words, and the answers to it."""

    image: np.ndarray
    truth: str
    answers: Sequence[Answer]


def predictions(cards: Sequence[Card], *, key: str, side: int = 72, sheet: str | None = None) -> None:
    """Draw the cards in rows; `side` is the picture's side on the screen in pixels.

    sheet: what `sprite_uri` made of the pictures earlier, so that drawing again does not encode them again.
    """
    data = {
        "side": side,
        "sheet": sheet or (sprite_uri([card.image for card in cards]) if cards else ""),
        "cards": [
            {
                "truth": card.truth,
                "answers": [
                    {"label": a.label, "right": a.right, "by": a.by, "probability": _rounded(a.probability)}
                    for a in card.answers
                ],
            }
            for card in cards
        ],
    }
    _mount(key=key, data=data)


def sprite_uri(images: Sequence[np.ndarray]) -> str:
    """Pictures of one size, side by side, as one PNG data URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(images, axis=1)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
