"""The second model: a snapshot of the same run, another run, a bundled model, or one of timm by its reference."""

from __future__ import annotations

import streamlit as st

from vit_explore.errors import BadReference
from vit_explore.home import home
from vit_explore.runs.references import (
    Available,
    available_references,
    bundled_facts,
    parse_reference,
    snapshot_steps,
)
from vit_explore.ui.kit.text import told_apart
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Choice

_TYPED = "…"  # the option that opens the text box


def second(choice: Choice) -> Choice:
    """Draw the picker, and give the second model: what the address says, else step 0, else one of another family."""
    offers = available_references(home())
    options = _options(choice, offers)
    said = address.get("beside")
    known = _known(said, options, offers) if said is not None else None
    shown = known or next(iter(options.values()))
    titles = {ref: option.title for ref, option in options.items()}
    titles.setdefault(shown.ref, shown.title)
    names = told_apart(titles, marks={ref: ref for ref in titles})
    names[_TYPED] = "Another one, by its reference…"
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    key = "pair_second"
    st.session_state[key] = _TYPED if st.session_state.get("pair_types") else shown.ref
    left.selectbox("The second model", list(names), format_func=names.__getitem__, key=key, on_change=_picked)
    if st.session_state.get("pair_types"):
        right.text_input(
            "Reference", key="pair_typed", on_change=_typed, placeholder="timm:vit_tiny_patch16_224@random",
            help="run:ID, run:ID@STEP, bundled:NAME, timm:NAME or timm:NAME@random",
        )  # fmt: skip
    return shown


def _picked() -> None:
    ref = st.session_state["pair_second"]
    st.session_state["pair_types"] = ref == _TYPED
    if ref != _TYPED:
        address.choose(beside=ref)


def _typed() -> None:
    text = st.session_state["pair_typed"].strip()
    if text:
        st.session_state["pair_types"] = False
        address.choose(beside=text)


def _options(choice: Choice, offers: list[Available]) -> dict[str, Choice]:
    """Step 0 of the first, then the models on offer, those of another family first."""
    found = {}
    before = choice.before_training
    if before is not None:
        found[before] = Choice(before, f"{choice.title} at step 0")
    family = choice.card.family if choice.card else ""
    for offer in sorted(offers, key=lambda offer: offer.card.family == family):
        one = _choice(offer)
        if one.ref != choice.ref:
            found[one.ref] = one
    if not found:
        found[choice.ref] = Choice(choice.ref, choice.title)
    return found


def _choice(offer: Available) -> Choice:
    """A model on offer, at its latest snapshot."""
    whole = Choice(offer.ref, offer.title, offer.steps, max(offer.steps, default=None), offer.card)
    return Choice(whole.ref, offer.title, card=offer.card)


def _known(said: str, options: dict[str, Choice], offers: list[Available]) -> Choice | None:
    """The model that the address names; one that is not there is refused in a sentence."""
    if said in options:
        return options[said]
    try:
        parsed = parse_reference(said)
        if parsed.kind == "timm":
            return Choice(said, parsed.name)
        if parsed.kind == "bundled":
            bundled_facts(parsed.name)  # raises for one that is not there
        steps = snapshot_steps(said.partition("@")[0], home())
        if parsed.step is not None and parsed.step not in steps:
            raise BadReference(f"There is no snapshot at step {parsed.step} of {said.partition('@')[0]}.")
        if not steps and parsed.kind == "run":
            raise BadReference(f"The run {parsed.name} has no weights yet.")
    except BadReference as error:
        address.refuse("beside", f"{error} Another model stands beside it instead.")
        return None
    base = said.partition("@")[0]
    offer = next((offer for offer in offers if offer.ref == base), None)
    step = parsed.step if parsed.step is not None else max(steps, default=None)
    whole = Choice(base, offer.title if offer else base, tuple(steps), step, offer.card if offer else None)
    title = whole.title if parsed.step is None else f"{whole.title} at step {parsed.step:,}"
    return Choice(whole.ref, title, card=whole.card)
