"""Why 14.81 %? A report's figure: the facts, the person's guess, and what runs with one cause changed say."""

from __future__ import annotations

import streamlit as st

from vit_explore.labs import why
from vit_explore.ui.kit import panel, sweeping
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.style import style
from vit_explore.ui.pages.why import answer, notes
from vit_explore.ui.session import address


def show() -> None:
    """Draw the page: the guess comes first, and what was measured after it."""
    st.title("Why 14.81 %?")
    style()
    follow_others()
    _facts()
    guess = _addressed()
    _guess(guess)
    if guess is not None:
        with friendly():
            sweeping.live(why.SWEEP, lambda found: answer.show(found, guess))
        st.subheader("Measure it here", anchor=False)
        st.caption(why.SWEEP.scaled)
        sweeping.start_box(why.SWEEP, "Run the variants")
    panel.panel(notes.why())


def _addressed() -> tuple[str, ...] | None:
    """The guess that the address says; one at what is no suspect is refused in a sentence. None before the guess."""
    guess: tuple[str, ...] | None = address.get("guess")
    known = [cause.name for cause in why.ALL]
    odd = next((name for name in guess or () if name not in known), None)
    if odd is None:
        return guess
    address.refuse("guess", f"{odd!r} in the address is none of the suspects; they are: {', '.join(known)}.")
    return None


def _facts() -> None:
    """What the report says of its run."""
    st.markdown(
        "A student report trained a Vision Transformer on CIFAR-10, **five hours** long, and it got **14.81 %** of the "
        "test images right. Guessing gets 10 %. Another report's network of three convolutions got 69 % in ten epochs. "
        "**What went wrong?**"
    )
    facts = {
        "Model": "ViT of torch's encoder layers, width 256, 4 blocks, 4 heads, MLP 1024",
        "Data": "40,000 training images of 32 px, not augmented",
        "Training": "Adam, lr 1e-3, weight decay, 5 epochs",
        "Loss": f"{why.SUMS[0]} → {why.SUMS[1]}, summed over the batches; first and last epoch, as we read it",
    }
    st.table([{"": f"**{name}**", "as reported": text} for name, text in facts.items()], hide_index=True,
             border="horizontal")  # fmt: skip


def _guess(guess: tuple[str, ...] | None) -> None:
    """The five suspects, and the person's choice among them, which the address keeps."""
    if guess is not None:
        _guessed(guess)
        return
    st.subheader("Your guess: which of these explain it?", anchor=False)
    with st.container(border=True, key="why_box"):
        chosen = []
        for place, cause in enumerate(why.ALL):
            box, code = st.columns([1.6, 1], vertical_alignment="center", gap="medium")
            if box.checkbox(f"**{place + 1}. {cause.title}**", key=f"why_cause_{cause.name}", persist_state="session"):
                chosen.append(cause.name)
            box.caption(cause.about)
            code.code(cause.code, language=None, wrap_lines=True)  # the colours of code are too faint to read
        label = "That is my guess" if chosen else "My guess: none of them"
        if st.button(label, type="primary", icon=":material/lock:", key="why_fix"):
            address.choose(guess=tuple(chosen))
            st.rerun()


def _guessed(guess: tuple[str, ...]) -> None:
    titles = [cause.title for cause in why.ALL if cause.name in guess]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":material/lock: **Your guess:** {'; '.join(titles) or 'none of the five'}.", width="content")
        if st.button("Guess again", icon=":material/replay:", key="why_again"):
            address.choose(guess=None)
            st.rerun()
