"""A tab that shows explanations of a picture, and what such tabs share: the class that is explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from vit_explore.explain.catalogue import EXPLANATIONS
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.text import escaped, told_apart
from vit_explore.ui.session import address

_PREDICTED = -1


@dataclass(frozen=True)
class Tab:
    """A tab. explanations: the cards behind it, whose needs are its own; order: its place, the lowest first.

    controls: draws its widgets and gives their values; draw: draws one model's result with them.
    """

    title: str
    order: int
    about: str
    explanations: tuple[str, ...]
    controls: Callable[[str], Any]
    draw: Callable[[Side, Picture, Any], None]
    is_heat: bool = False  # it draws maps of heat, whose colours run over one scale for all that stand side by side

    @property
    def needs(self) -> set[str]:
        """What its explanations need of a model."""
        return {EXPLANATIONS.get(name).needs for name in self.explanations}

    @property
    def name(self) -> str:
        """Its word in the address."""
        return self.explanations[0]

    @property
    def is_rare(self) -> bool:
        """Whether it is about what only one kind of model has: then it is not offered to the others."""
        return "semantic tokens" in self.needs

    def is_offered(self, ref: str) -> bool:
        """Whether the page has it for the model."""
        return not self.is_rare or looking.gathers_tokens(ref)

    def check(self, ref: str, picture: Picture) -> None:
        """Raises NotApplicable where the model cannot answer, before anything is drawn: so it is said once."""
        needs = self.needs
        if "attention" in needs:
            looking.attention(ref, picture)
        elif needs & {"patches", "positions"}:
            looking.check_tokens(ref)


def pick_target(ref: str) -> int | None:
    """The class to explain; None for the one that the chosen model predicts. Raises NotApplicable without classes."""
    looking.check_classes(ref)
    classes = dict(enumerate(looking.model(ref).classes))
    names = {_PREDICTED: "the predicted one", **told_apart(classes, marks={i: str(i) for i in classes})}
    target: int | None = address.below("target", len(classes))
    shown, words = _PREDICTED if target is None else target, {_PREDICTED: None, **{i: i for i in classes}}
    st.selectbox(
        "Explain the class", list(names), format_func=names.__getitem__,
        **address.widget("target", "attention_target", shown, words),
    )  # fmt: skip
    return target


def target_of(side: Side, picture: Picture, target: int | None) -> int:
    """The class that a map is about, the same for all models side by side: of the chosen one's where none is asked."""
    return looking.predicted(side.all[-1], picture) if target is None else target


def name_target(side: Side, picture: Picture, target: int | None) -> None:
    """Say which class a map is about, and who says so."""
    name = looking.model(side.ref).classes[target_of(side, picture, target)]
    who = "" if target is not None else ", which it predicts" if side.ref == side.all[-1] else ", as beside it"
    st.caption(f"For the class: {escaped(name.partition(',')[0])}{who}")
