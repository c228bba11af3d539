"""A throw-away explanation: its three files, put where the package finds them for the length of a test."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

EXPLAIN = '''"""How bright is each image?"""

import torch

from vit_explore.explain.catalogue import Explanation

__all__ = ["brightness_of"]

CARD = Explanation(
    name="brightness_of",
    title="Brightness",
    needs="any",
    cost="nothing",
    gives="(B)",
    source="made up in 2026",
    formula="x",
    what_you_see="How bright each image is on the average of all its pixels.",
    what_to_look_for="Whether a bright image is brighter than a dark one in all cases.",
    what_to_beware="It asks nothing of the model, and so says nothing about it.",
    example="result = vx.explain.brightness_of(model, images)",
    figure="vx.plots.brightness_of(result)",
)


def brightness_of(model, images):
    """The mean of each image, (B,)."""
    return images.mean((1, 2, 3)).numpy()
'''
PLOT = '''"""Bars of brightness."""

import plotly.graph_objects as go

__all__ = ["brightness_of"]


def brightness_of(values):
    return go.Figure(go.Bar(y=list(values)))
'''
TAB = '''"""Brightness, for both models."""

import streamlit as st

from vit_explore import explain, plots
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.tab import Tab


def draw(side, picture, words):
    model = looking.model(side.ref)
    chart(plots.brightness_of(explain.brightness_of(model, model.preprocess(picture.pixels))), f"bright_{side.ref}")
    st.caption(words)


TAB = Tab(
    title="Brightness",
    order=60,
    about="Is it bright, or is it dark?",
    explanations=("brightness_of",),
    controls=lambda ref: "It is bright.",
    draw=draw,
)
'''


def add(patch: pytest.MonkeyPatch, package: str, folder: Path, file: str, text: str) -> None:
    """A file in a new folder, which the package then takes for one of its own."""
    folder.mkdir()
    (folder / f"{file}.py").write_text(text, encoding="utf-8")
    home = importlib.import_module(package)
    patch.setattr(home, "__path__", [*home.__path__, str(folder)])
    for place, name in ((vars(home), file), (sys.modules, f"{package}.{file}")):  # what an import leaves behind
        patch.setitem(place, name, None)  # which is taken away after the test
        del place[name]


def add_explanation(folder: Path, patch: pytest.MonkeyPatch, needs: str = "any") -> None:
    """The explanation `brightness_of`, with its figure and its tab."""
    card = EXPLAIN.replace('needs="any"', f'needs="{needs}"')
    add(patch, "vit_explore.explain", folder / "explain", "brightness", card)
    add(patch, "vit_explore.plots", folder / "plots", "brightness", PLOT)
    add(patch, "vit_explore.ui.explanations", folder / "tabs", "brightness", TAB)
