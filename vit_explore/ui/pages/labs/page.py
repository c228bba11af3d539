"""Guess, then run: labs that change the pictures of trained models."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from vit_explore import plots
from vit_explore.labs.base import Lab, LabResult, labs
from vit_explore.ui.kit import looking, model_head, model_picker, panel, rivals
from vit_explore.ui.kit.chart import chart, enlarged
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.picture_data import own_data
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.labs import asking, notes, recorded
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import choose

WITH_MASKS = ("shapes",)  # datasets that say where the object is
SHAPES = "bundled:vit-shapes"
UNKNOWN = "unknown"  # the family of a model without one: a colour that no family has
TILE = 104  # pixels of a changed picture on the page
_GUESSED = "labs_guessed"  # the last guess, with the references of the models that it is of
Models = list[tuple[str, str]]


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Guess, then run",
        "The models were trained on whole, upright, clean pictures. **What do they still recognise when that changes? "
        "Guess first.**",
    )
    choice = model_picker.require_model("what it still recognises when its pictures are changed")
    looking.open_or_stop(choice.ref)
    lab = _lab()
    st.subheader(lab.title, anchor=False)
    st.markdown(lab.question)
    if lab.needs == "records":
        with friendly():
            recorded.show(lab)
        panel.panel(notes.of_records(lab))
        return
    choices = rivals.with_rival(choice, "labs_compare", default=True)
    models = [(one.title, one.ref) for one in choices]
    with friendly(model_picker.offer_bundled):
        for _, ref in models:
            looking.check_classes(ref)
        models = _of_the_same_classes(models)
        _guess_and_run(lab, models, {one.ref: one.family for one in choices})
    panel.panel(notes.of_lab(lab))


def _of_the_same_classes(models: Models) -> Models:
    """Without what has other classes than the first, which it says: it could not be right about the same labels."""
    classes = looking.model(models[0][1]).classes
    left = [title for title, ref in models if looking.model(ref).classes != classes]
    for title in left:
        st.caption(f":material/info: Left out: {escaped(title)}, which was trained on other classes.")
    return [one for one in models if one[0] not in left]


def _lab() -> Lab:
    """The lab of the address; at first the first one."""
    known = {lab.name: lab for lab in sorted((lab for _, lab in labs if lab.axis), key=lambda lab: lab.order)}
    name = address.one_of("lab", {name: lab.title for name, lab in known.items()}, next(iter(known)))
    words = {lab.title: name for name, lab in known.items()}
    st.session_state["labs_lab"] = known[name].title
    st.pills(
        "Lab", list(words), required=True, wrap=True, label_visibility="collapsed", key="labs_lab",
        on_change=_choose_lab, args=(words,),
    )  # fmt: skip
    return known[name]


def _choose_lab(words: dict[str, str]) -> None:
    """Another lab asks for another guess."""
    address.choose(lab=words[st.session_state["labs_lab"]], marks=None)


def _guess_and_run(lab: Lab, models: Models, families: dict[str, str]) -> None:
    """families: of the models, by reference."""
    data = own_data()
    if data is None:
        st.info("A lab needs the model's own pictures, which are not on this machine.", icon=":material/info:")
        return
    if lab.needs == "masks" and data.dataset not in WITH_MASKS:
        st.info(
            "This lab has to know where the object is in each picture, which is known of Shapes alone.",
            icon=":material/info:",
        )
        if any(ref == SHAPES for ref in model_picker.offered()):
            st.button("Look at the model of Shapes", icon=":material/visibility:", on_click=choose, args=(SHAPES,))
        return
    marks, refs = address.get("marks"), tuple(ref for _, ref in models)
    if marks is not None:
        before = st.session_state.get(_GUESSED, (refs, marks))
        if before[0] != refs and before[1] == marks:
            address.settle(marks=None)  # a guess is of the models that it was given for
            marks = None
        else:
            st.session_state[_GUESSED] = refs, marks
    if marks is None or len(marks) != len(models):
        _guess(lab, models)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = ", ".join(f"{escaped(title)} {mark} %" for (title, _), mark in zip(models, marks, strict=True))
        st.markdown(f":material/lock: **Your guess** for the strongest change: {said}.", width="content")
        if st.button("Guess again", icon=":material/replay:", key="labs_again"):
            address.choose(marks=None)
            st.rerun()
    found = asking.outcome(lab.name, refs, data)
    _figure(lab, found, models, marks, families)
    st.markdown(f"#### :material/gavel: {escaped(_titled(found.verdict, models))}")
    for line in found.findings:
        st.markdown(f"- {escaped(_titled(line, models))}")
    st.markdown(f"**What was to be expected:** {lab.expected}")
    _pictures(lab, found)
    _table(lab, found, models)


def _guess(lab: Lab, models: Models) -> None:
    """A slider for each model, and the button that locks the guess."""
    with st.container(border=True, key="labs_box"):
        st.markdown(
            f"**Your guess: how many are still right at the strongest change?** ({lab.axis}: {lab.levels[-1]:g})"
        )
        marks = [
            st.slider(escaped(title), 0, 100, 50, format="%d %%", key=f"labs_guess_{i}")
            for i, (title, _) in enumerate(models)
        ]
        if st.button("That is my guess: run it", type="primary", icon=":material/lock:", key="labs_fix"):
            st.session_state[_GUESSED] = tuple(ref for _, ref in models), tuple(marks)
            address.choose(marks=tuple(marks))
            st.rerun()


def _figure(lab: Lab, found: LabResult, models: Models, marks: tuple[int, ...], families: dict[str, str]) -> None:
    curves = [
        plots.LabCurve(title, families[ref] or UNKNOWN, line.accuracy, line.low, line.high, mark / 100)
        for (title, ref), line, mark in zip(models, found.lines, marks, strict=True)
    ]
    chart(plots.lab_lines(curves, lab.levels, lab.axis, found.lines[0].chance), f"lab_{lab.name}")


def _titled(sentence: str, models: Models) -> str:
    """A sentence about references, with the models' titles."""
    for title, ref in sorted(models, key=lambda one: -len(one[1])):
        sentence = sentence.replace(ref, title)
    return sentence


def _pictures(lab: Lab, found: LabResult) -> None:
    """The first picture at each level, as the first model sees it."""
    st.markdown("**One of the pictures, level by level**")
    with st.container(horizontal=True, gap="small", key="labs_pictures"):
        for level, pixels in zip(lab.levels, found.pictures, strict=True):
            st.image(enlarged(pixels, TILE), caption=f"{level:g}", width=TILE, alt=f"The picture at {level:g}")


def _table(lab: Lab, found: LabResult, models: Models) -> None:
    rows = pd.DataFrame({lab.axis: lab.levels})
    for (title, _), line in zip(models, found.lines, strict=True):
        rows[title] = [f"{100 * value:.1f} %" for value in line.accuracy]
        rows[f"{title}: same answer"] = [f"{100 * value:.1f} %" for value in line.same]
        if line.other:
            rows[f"{title}: answers the other"] = [f"{100 * value:.1f} %" for value in line.other]
        rows[f"{title}: largest change of a logit"] = [f"{value:.2g}" for value in line.moved]
    st.dataframe(rows, hide_index=True, width="stretch", height="content", key="labs_table")
    st.caption(f"Over {found.lines[0].images} validation images; bands are 95 % intervals (Wilson).")
    st.download_button(
        "These numbers as CSV", rows.to_csv(index=False), f"{lab.name}.csv", "text/csv", icon=":material/download:",
        on_click="ignore", key="labs_csv",
    )  # fmt: skip
