"""Every text of the app stands out from what lies behind it, on a light and on a dark page (WCAG 2: 4.5 : 1)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from vit_explore.plots import theme
from vit_explore.ui.kit import style

PROJECT = Path(__file__).parents[2]
THEME = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
TEXT, LINE = 4.5, 3.0  # what WCAG asks of letters, and of what only has to be seen
SIDEBAR_LETTERS = 0.75  # opacity of the links of the navigation: Streamlit's own
PLACEHOLDER = 0.7  # of what stands in an empty field


def over(front: str, back: str, opacity: float) -> np.ndarray:
    """The colour of letters of an opacity."""
    return opacity * np.array(theme.rgb(front)) + (1 - opacity) * np.array(theme.rgb(back))


def grounds(scheme: str) -> list[str]:
    look = THEME[scheme]
    return [look["backgroundColor"], look["secondaryBackgroundColor"], look["sidebar"]["backgroundColor"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_read_on_every_background(scheme: str) -> None:
    look = THEME[scheme]
    for ground in grounds(scheme):
        for opacity in (1.0, style.CAPTION, SIDEBAR_LETTERS, PLACEHOLDER):
            letters = over(look["textColor"], ground, opacity)
            assert theme.contrast(letters, theme.rgb(ground)) >= TEXT, (ground, opacity)
        assert theme.contrast(theme.rgb(style.FOCUS), theme.rgb(ground)) >= LINE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_chosen_reads_in_the_main_colour(scheme: str) -> None:
    look = THEME[scheme]
    ground = over(look["primaryColor"], look["backgroundColor"], 0.1)  # a chosen pill is tinted
    assert theme.contrast(theme.rgb(look["primaryColor"]), ground) >= TEXT


def test_white_letters_read_on_a_button() -> None:
    assert theme.contrast((255, 255, 255), theme.rgb(style.BUTTON)) >= TEXT


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_of_models_and_of_chance_are_seen(scheme: str) -> None:
    ground = theme.rgb(THEME[scheme]["backgroundColor"])
    for colour in (theme.VIT, theme.RESNET, theme.GREY):
        assert theme.contrast(theme.rgb(colour), ground) >= LINE, colour
