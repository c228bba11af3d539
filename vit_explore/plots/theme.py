"""One design language for every figure: colours, colour maps, type and margins.

Backgrounds are transparent and text takes the page's colour, so a figure sits on a light and on a dark page alike. The
palette is Okabe and Ito's (2008), which people with any of the common colour-vision deficiencies can tell apart.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sequential

VIT = "#0072B2"  # the Vision Transformer, on every page
RESNET = "#D55E00"  # its rival
GREEN = "#009E73"
PINK = "#CC79A7"
AMBER = "#E69F00"
SKY = "#56B4E9"
GREY = "#8A8F98"  # what is not the subject: chance lines, baselines, annotations; readable on both backgrounds
PALETTE = (VIT, RESNET, GREEN, PINK, AMBER, SKY)
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "star", "cross")  # in the order of the palette
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
FAMILIES = {  # by Card.family
    "vit": (VIT, "circle"),
    "resnet": (RESNET, "square"),
    "cnn": (GREEN, "triangle-up"),
    "hybrid": (PINK, "star"),
    "chance": (GREY, "circle"),
}
OTHERS = (AMBER, SKY)  # of models without a family here
RULE = "rgba(128,132,142,0.28)"  # axes and grid lines

# Source Sans is the font that Streamlit ships; elsewhere the system's own.
FONT = '"Source Sans", "Source Sans Pro", system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif'
FONT_SIZE = 15  # the smallest that reads from the back row

Map = Literal["heat", "similarity", "signed", "share"]

_STOPS: dict[str, tuple[str, ...]] = {
    "heat": tuple(sequential.Inferno),
    "similarity": ("#08306b", "#0072B2", "#85b8dd", "#f4f2ee", "#f2a977", "#D55E00", "#6e2600"),
    "signed": ("#0072B2", "#5aa2d0", "#f4f2ee", "#e8894d", "#D55E00"),
    "share": ("#eef4f9", "#b5d3e9", "#6aabd6", "#0072B2", "#083a63"),
}


@functools.cache
def _stops(name: str) -> np.ndarray:
    """(k, 3) the stops of a colour map, 0 to 255."""
    return np.array([rgb(stop) for stop in _STOPS[name]], dtype=np.float64)


def colour_scale(name: Map) -> list[list[float | str]]:
    """The map as a Plotly colour scale, in rgb(): Streamlit takes #000001, #000002, … for its theme's colours."""
    stops = _STOPS[name]
    return [[i / (len(stops) - 1), "rgb({},{},{})".format(*rgb(stop))] for i, stop in enumerate(stops)]


def colour(values: np.ndarray, name: Map, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Values of any shape as uint8 RGB (..., 3); what lies outside [low, high] takes the colour of the end."""
    stops = _stops(name)
    unit = (np.asarray(values, dtype=np.float64) - low) / ((high - low) or 1.0)
    at = np.nan_to_num(np.clip(unit, 0, 1)) * (len(stops) - 1)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def role_colour(role: str | None, index: int = 0) -> str:
    """A model's colour by its family; where that has none of its own, one that no family has. None: the palette's."""
    if role is None:
        return PALETTE[index % len(PALETTE)]
    return FAMILIES[role][0] if role in FAMILIES else OTHERS[index % len(OTHERS)]


@dataclass(frozen=True)
class Line:
    """How one of several lines looks: it can be told from the others without its colour."""

    colour: str
    symbol: str
    dash: str


CHANCE = Line(GREY, "x", "dash")


def line_of(index: int) -> Line:
    """The look of the line at this place; from the seventh on a colour and its symbol come again with another dash."""
    turn, at = divmod(index, len(PALETTE))
    return Line(PALETTE[at], SYMBOLS[at], DASHES[(at + turn) % len(DASHES)])


def sparse_marks(count: int, most: int = 8) -> dict[str, int]:
    """The marker settings of a line of `count` points that bears `most` of them at most."""
    return {"maxdisplayed": most} if count > most else {}


def role_marker(role: str | None) -> str:
    """The shape of a family's points, so that two lines can be told apart without their colours."""
    return FAMILIES[role][1] if role in FAMILIES else "circle" if role is None else "diamond"


def rgb(hex_colour: str) -> tuple[int, int, int]:
    """The channels, 0 to 255."""
    return int(hex_colour[1:3], 16), int(hex_colour[3:5], 16), int(hex_colour[5:7], 16)


def luminance(channels: Sequence[float] | np.ndarray) -> float:
    """The relative luminance of WCAG 2 of sRGB channels, 0 to 255: 0 is black, 1 is white."""
    unit = np.asarray(channels, dtype=np.float64) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """The contrast of WCAG 2 between two colours (channels 0 to 255): 1 to 21; text needs 4.5."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink(background: Sequence[float] | np.ndarray) -> str:
    """Black or white, whichever reads better on a colour: one of them always has a contrast of 4.58 or more."""
    black, white = (0, 0, 0), (255, 255, 255)
    return "rgb({},{},{})".format(*max(black, white, key=lambda colour: contrast(colour, background)))


def describe(fig: go.Figure, words: str) -> go.Figure:
    """Say in words what the figure shows, for who cannot see it; `description` gives it back."""
    fig.update_layout(meta={"description": words})
    return fig


def description(fig: go.Figure) -> str | None:
    """What a figure shows, in words; None for one that says nothing of it."""
    return (fig.layout.meta or {}).get("description")


@dataclass(frozen=True)
class Numbers:
    """What a painted figure was drawn from: values of any shape, what each of their axes is, and what they are."""

    values: np.ndarray
    axes: tuple[str, ...]
    name: str


def keep(fig: go.Figure, values: np.ndarray, *axes: str, name: str = "value") -> go.Figure:
    """Let a figure remember its numbers, for `as_csv`: its pixels do not tell them. They do not go to the browser."""
    values = np.asarray(values)
    if values.ndim != len(axes):
        raise ValueError(f"{values.ndim} axes of the values, and {len(axes)} names for them: {axes}")
    fig._vit_numbers = Numbers(values, axes, name)
    return fig


def numbers_of(fig: go.Figure) -> Numbers | None:
    """What `keep` put there."""
    return getattr(fig, "_vit_numbers", None)


def faded(hex_colour: str, alpha: float) -> str:
    """The colour with an alpha, for Plotly."""
    r, g, b = rgb(hex_colour)
    return f"rgba({r},{g},{b},{alpha:g})"


def plain(text: object) -> str:
    """A name that people typed, without the mark-up that Plotly would read in it."""
    return str(text).replace("<", "&lt;")


def style(fig: go.Figure, height: int, *, legend: bool = False) -> go.Figure:
    """The look of a chart with axes. The text colour is left to the page's theme."""
    fig.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34 if legend else 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": FONT_SIZE},
        hoverlabel={"font": {"family": FONT, "size": FONT_SIZE}},
        hovermode="closest",
        dragmode=False,  # a touch scrolls the page instead of drawing a box
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"size": FONT_SIZE},
            "title": {"text": ""},
        },
    )
    axis = {
        "gridcolor": RULE,
        "linecolor": RULE,
        "zeroline": False,
        "automargin": True,
        "title": {"font": {"size": FONT_SIZE}, "standoff": 8},
        "tickfont": {"size": FONT_SIZE - 1},
    }
    fig.update_xaxes(**axis, showgrid=False, showline=True)
    fig.update_yaxes(**axis, showgrid=True)
    return fig


def style_picture(fig: go.Figure, height: int) -> go.Figure:
    """The look of a figure that is a picture: no axes, square pixels, first row on top."""
    style(fig, height)
    fig.update_layout(margin={"l": 0, "r": 0, "t": 4, "b": 4})
    bare = {"visible": False, "showgrid": False, "constrain": "domain", "fixedrange": True}
    fig.update_xaxes(**bare)
    # pushed to the top: on a narrow screen the picture stays below its colour bar and its labels
    fig.update_yaxes(**bare, constraintoward="top", scaleanchor="x", scaleratio=1)
    return fig


def colour_bar(title: str, **extra: object) -> dict[str, object]:
    """A slim colour bar that lies above the picture, so that the picture keeps the width of a phone."""
    return {
        "orientation": "h",
        "title": {"text": title, "side": "top", "font": {"size": FONT_SIZE}},
        "tickfont": {"size": FONT_SIZE - 1},
        "thickness": 12,
        "len": 0.62,
        "x": 0.5,
        "xanchor": "center",
        "y": 1.0,
        "yanchor": "bottom",
        "xpad": 0,
        "ypad": 4,
        "outlinewidth": 0,
        **extra,
    }
