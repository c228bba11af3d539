"""A film drawn as pictures, for formats that have no player: all panels side by side, the step above them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vit_explore.film.panels import Bars, Dots, Panel, Pictures, panels
from vit_explore.film.recording import Film
from vit_explore.plots import theme

CELL, GAP, HEAD, BANNER = 272, 24, 30, 52  # pixels: a panel, the room between two, its title, the step
ACROSS = 4
ASKED = 112  # pixels of the picture that is asked about
PAPER, INK, TRACK = (255, 255, 255), (32, 36, 44), (230, 232, 236)
SHADES = (theme.VIT, theme.AMBER, theme.GREEN, theme.PINK, theme.SKY, theme.RESNET)


def drawn(film: Film) -> Iterator[np.ndarray]:
    """Each frame as uint8 (h, w, 3), all of one size."""
    shown = panels(film)
    across = min(ACROSS, -(-len(shown) // 2)) if len(shown) > 2 else len(shown)
    rows = -(-len(shown) // across)
    size = (GAP + across * (CELL + GAP), BANNER + rows * (HEAD + CELL + GAP))
    for i, step in enumerate(film.steps):
        sheet = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(sheet)
        pen.text((GAP, BANNER / 2), f"Step {step:,} of {film.steps[-1]:,}", INK, _font(24), anchor="lm")
        pen.text((size[0] - GAP, BANNER / 2), film.ref, theme.GREY, _font(16), anchor="rm")
        for place, panel in enumerate(shown):
            left = GAP + (place % across) * (CELL + GAP)
            top = BANNER + (place // across) * (HEAD + CELL + GAP)
            pen.text((left, top + HEAD / 2), panel.title, INK, _font(17), anchor="lm")
            sheet.paste(Image.fromarray(_cell(panel, i, film.picture)), (left, top + HEAD))
        yield np.asarray(sheet)


def _cell(panel: Panel, frame: int, picture: np.ndarray) -> np.ndarray:
    match panel:
        case Pictures():
            return _fitted(panel.frames[frame])
        case Dots():
            return _dots(panel, frame)
        case Bars():
            return _bars(panel, frame, picture)


def _fitted(pixels: np.ndarray, side: int = CELL) -> np.ndarray:
    """As large as the cell allows, at its top; small pictures keep hard edges."""
    h, w = pixels.shape[:2]
    scale = side / max(h, w)
    picture = Image.fromarray(pixels).convert("RGBA")
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    picture = picture.resize((max(1, round(w * scale)), max(1, round(h * scale))), how)
    cell = Image.new("RGB", (side, side), PAPER)
    cell.paste(picture, (0, 0), picture)
    return np.asarray(cell)


def _dots(panel: Dots, frame: int) -> np.ndarray:
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    pen = ImageDraw.Draw(cell)
    left, bottom, right, top = 36, CELL - 26, CELL - 6, 8
    layers = panel.values.shape[1]
    pen.line([(left, top), (left, bottom), (right, bottom)], theme.GREY)
    pen.text((left - 6, top), f"{panel.top:.3g}", theme.GREY, _font(14), anchor="rt")
    pen.text((left + 6, top), panel.unit, theme.GREY, _font(14), anchor="lt")
    pen.text((left - 6, bottom), "0", theme.GREY, _font(14), anchor="rb")
    pen.text(((left + right) / 2, CELL - 4), "block", theme.GREY, _font(14), anchor="mb")
    if panel.line is not None:
        y = bottom - (bottom - top) * panel.line / panel.top
        pen.line([(left, y), (right, y)], theme.GREY, 2)
    for layer, heads in enumerate(panel.values[frame]):
        x = left + (right - left) * (layer + 0.5) / layers
        for head, value in enumerate(heads):
            y = bottom - (bottom - top) * min(float(value) / panel.top, 1.0)
            pen.ellipse([x - 6, y - 6, x + 6, y + 6], SHADES[head % len(SHADES)])
    return np.asarray(cell)


def _bars(panel: Bars, frame: int, picture: np.ndarray) -> np.ndarray:
    """The picture, and below it how sure the model is of each class."""
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    cell.paste(Image.fromarray(_fitted(picture, ASKED)), (0, 0))
    pen = ImageDraw.Draw(cell)
    room = (CELL - ASKED - 8) / max(len(panel.names), 1)
    for i, (name, value) in enumerate(zip(panel.names, panel.values[frame], strict=True)):
        top = ASKED + 8 + i * room
        pen.text((0, top), name, INK, _font(15))
        pen.text((CELL, top), f"{100 * float(value):.0f} %", INK, _font(15), anchor="ra")
        pen.rectangle([0, top + 19, CELL, top + 24], TRACK)
        pen.rectangle([0, top + 19, CELL * float(value), top + 24], theme.VIT if i == panel.marked else theme.GREY)
    return np.asarray(cell)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
