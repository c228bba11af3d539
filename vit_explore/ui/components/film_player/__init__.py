"""The player of a film in the app: the very code that an exported page has, in vit_explore/film/player.js and .css."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.film import exports

_mount = st.components.v2.component(
    "vit_explore_film_player",
    html='<div class="film"></div>',
    css=(exports.HERE / "player.css").read_text(encoding="utf-8"),
    js=exports.player(),
)


def film_player(data: dict[str, Any], *, key: str) -> None:
    """Mount the player of `vit_explore.film.exports.as_data(film)`."""
    _mount(key=key, data=data)
