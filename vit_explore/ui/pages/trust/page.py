"""Which explanation should I trust? All methods on one picture, then over many, with chance beside them."""

from __future__ import annotations

import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.ui.kit import looking, model_head, model_picker, panel, rivals
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.picture_data import own_data
from vit_explore.ui.kit.pictures import Picture, pick_picture
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.pages.trust import asking, notes, parts
from vit_explore.ui.session import address

COUNTS = (64, 128, 256, 512)


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Which explanation?",
        "Every method colours the picture its own way, and all look plausible. **Which of them points at what the "
        "model uses, and which is no better than chance?**",
    )
    choice = model_picker.require_model("which explanation of its answers to believe", "faithfulness")
    looking.open_or_stop(choice.ref, "faithfulness")
    picture = pick_picture(of_model=True)
    models = [(one.title, one.ref) for one in rivals.with_rival(choice, "trust_compare")]
    with friendly(model_picker.offer_bundled):
        for _, ref in models:
            looking.check_classes(ref)
        _one_picture(models, picture)
        st.divider()
        _many(models)
    panel.panel(*notes.trust())


def _one_picture(models: list[tuple[str, str]], picture: Picture) -> None:
    st.subheader("On this picture", anchor=False)
    st.caption(
        "Delete the hottest pixels first, and a good map lets the answer fall at once; insert them first, and it "
        "returns at once. Colours are that order: the same in all maps, yellow goes first."
    )
    rankings = [(name, ref, result(asking.of_picture(ref, picture))) for name, ref in models]
    for name, ref, ranking in rankings:
        parts.maps(ranking, looking.under_maps(ref, picture), name if len(models) > 1 else None)
    for name, _, ranking in rankings:
        parts.curves(ranking, name if len(models) > 1 else None, "picture")


def _many(models: list[tuple[str, str]]) -> None:
    st.subheader("Over many pictures", anchor=False)
    data = own_data()
    if data is None:
        st.caption("One picture proves little. More need the model's own data, which are not on this machine.")
        return
    st.caption("One picture proves little. Over many, each method has to beat a random map that is as fine as itself.")
    count = _count()
    if count is not None:
        _ranked(models, data, count)


def _count() -> int | None:
    """Over how many images, which the address says once the person has asked."""
    said = address.get("over")
    asked = said if said in COUNTS else None
    if said is not None and asked is None:
        address.refuse("over", f"over = {said} in the address is none of {', '.join(map(str, COUNTS))}.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count: int = st.segmented_control(
            "Validation images", COUNTS, default=asked or 128, required=True, key="trust_count", persist_state="page"
        )
        if st.button("Rank the methods", type="primary" if asked is None else "secondary", icon=":material/balance:",
                     disabled=asked == count, key="trust_rank"):  # fmt: skip
            address.choose(over=count)
            st.rerun()
    return asked


def _ranked(models: list[tuple[str, str]], data: DataConfig, count: int) -> None:
    rankings = [(name, result(asking.over_images(ref, data, count))) for name, ref in models]
    for name, ranking in rankings:
        who = f"{name}: " if len(models) > 1 else ""
        is_lost = not any(score.verdict == "better" and not score.is_chance for score in ranking.scores)
        (st.warning if is_lost else st.success)(f"{who}{ranking.sentence}", icon=":material/balance:")
    parts.ranking(rankings)
    for name, ranking in rankings:
        parts.table(ranking, name if len(models) > 1 else None)
        parts.curves(ranking, name if len(models) > 1 else None, "many")
