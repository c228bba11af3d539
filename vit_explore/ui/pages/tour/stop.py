"""A stop of the tour, and what all of them look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from vit_explore.runs.references import snapshot_steps
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.kit.pictures import Picture, picture_of, samples
from vit_explore.ui.session.choice import Choice

REF = "bundled:vit-cifar10"  # small enough to be followed, and here without a download


@dataclass(frozen=True)
class Stop:
    """text: what a teacher would say, in a minute; draw: one live control and one figure; question, answer: to ask the
    class; more: the page where it can be looked at closely; behind: a card of EXPLANATIONS by its name, or a note.
    """

    title: str
    text: str
    draw: Callable[[], None]
    question: str
    answer: str
    more: str
    behind: str | Note


def shown_picture() -> Picture:
    """The picture of the whole tour."""
    return sample(next(iter(samples())))


def sample(title: str) -> Picture:
    """A sample picture by its title."""
    return picture_of(samples()[title], title)


def model() -> Choice:
    """The bundled model at the end of its training."""
    steps = tuple(snapshot_steps(REF))
    return Choice(REF, "the ViT", steps, max(steps, default=None))


def snapshot(label: str, key: str) -> int:
    """A slider through the training of the bundled model."""
    steps = model().steps
    step: int = st.select_slider(label, steps, value=steps[-1], format_func=lambda one: f"{one:,}", key=key)
    return step


def bars(ref: str, picture: Picture, count: int = 4) -> None:
    """The most probable classes, as bars."""
    odds, classes = looking.probabilities(ref, picture), looking.model(ref).classes
    for i in np.argsort(odds)[::-1][:count]:
        st.progress(float(odds[i]), text=f"{classes[i]} · {100 * odds[i]:.0f} %")
