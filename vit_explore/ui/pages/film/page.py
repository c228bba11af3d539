"""Through time: one play button moves everything that a model shows of itself through its training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from vit_explore import film
from vit_explore.film.recording import MAX_FRAMES
from vit_explore.home import home
from vit_explore.ui.components.film_player import film_player
from vit_explore.ui.kit import looking, model_head, model_picker, panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture, pick_picture
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.pages.film.notes import NOTE
from vit_explore.ui.session.choice import Choice
from vit_explore.ui.session.jobs import Job, Work
from vit_explore.ui.session.warmup import warm_up

KINDS = {
    "html": ("As a page that plays", "text/html", ":material/html:", "One file: it plays in any browser, offline."),
    "gif": ("GIF", "image/gif", ":material/gif_box:", "For slides; 256 colours."),
    "webp": ("WebP", "image/webp", ":material/animated_images:", "All colours, a smaller file."),
}


@dataclass(frozen=True)
class Shown:
    """A film, and what the player gets of it."""

    film: film.Film
    data: dict[str, Any]


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Through time",
        "Nobody told it where a patch lies, what an edge is or where to look. **Press play, and watch it find out.**",
    )
    choice = model_picker.require_model("how all of this comes about while a model trains")
    looking.open_or_stop(choice.ref)
    picture = pick_picture(of_model=True)
    with friendly(model_picker.offer_bundled):
        shown = result(_filming(choice, picture))
        film_player(shown.data, key="film")
        _remarks(shown)
        _exports(shown, choice)
    panel.panel(NOTE)


def _filming(choice: Choice, picture: Picture) -> Job[Shown]:
    """The film of all snapshots so far, on the picture."""
    base, folder, warm = choice.base, home(), warm_up()

    def work() -> Work[Shown]:
        yield from warm.waking()
        made = yield from film.record_steps(base, picture.pixels, folder)
        return Shown(made, film.as_data(made))

    key = ("film", str(folder), base, str(choice.steps), picture.key)
    return Job(key, "Filming", work, is_long=True)


def _remarks(shown: Shown) -> None:
    if shown.data["missing"]:
        names = ", ".join(shown.data["missing"])
        st.caption(f"Not in this film, since this model has none, or more than is kept of all snapshots: {names}.")
    steps = shown.film.steps
    if len(steps) == MAX_FRAMES:
        st.caption(f"{len(steps)} snapshots are shown; where more are kept, those between are left out.")
    if len(steps) < 5:
        st.caption(f"Only {len(steps)} snapshots are kept of it. A run that is watched while it trains keeps more.")


def _exports(shown: Shown, choice: Choice) -> None:
    stem = choice.base.replace(":", "-")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Take it along**", width="content")
        for kind, (title, mime, icon, help) in KINDS.items():
            st.download_button(
                title, partial(film.FORMATS[kind], shown.film), f"{stem}-through-time.{kind}", mime,
                icon=icon, help=help, on_click="ignore", key=f"film_{kind}",
            )  # fmt: skip
