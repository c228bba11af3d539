"""A bundled model of another family, to stand beside the one that is looked at."""

from __future__ import annotations

import streamlit as st

from vit_explore.home import home
from vit_explore.runs.references import available_references
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Choice


def rival(choice: Choice) -> Choice | None:
    """The first one; None where there is none, or the family of the chosen one is not known."""
    if choice.card is None:
        return None
    offers = [offer for offer in available_references(home()) if offer.ref.startswith("bundled:")]
    other = next((offer for offer in offers if offer.card.family not in ("", choice.card.family)), None)
    if other is None:
        return None
    return Choice(other.ref, other.title, other.steps, max(other.steps, default=None), other.card)


def with_rival(choice: Choice, key: str, default: bool = False) -> list[Choice]:
    """The chosen model, and its rival where the person wants it: draws the switch."""
    other = rival(choice)
    if other is None:
        return [choice]
    said = address.get("compare")
    on = default if said is None else said == "on"
    widget = address.widget("compare", key, on, {True: "on", False: "off"})
    beside = st.toggle(f"{other.title} beside it", **widget)
    return [choice, *([other] if beside else [])]
