"""A film as files: a page that plays by itself, an animated GIF, an animated WebP."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vit_explore.errors import BadConfig
from vit_explore.film.drawing import drawn
from vit_explore.film.panels import Bars, Dots, Panel, Pictures, missing, panels
from vit_explore.film.recording import Film
from vit_explore.html import page
from vit_explore.plots import theme
from vit_explore.plots.canvas import image_uri
from vit_explore.runs import places

HERE = Path(__file__).parent
FRAME_MS = 250  # of an animated picture
LAST_MS = 2000  # its last frame, before it begins again
COLOURS = {"--vit": theme.VIT, "--second": theme.AMBER, "--third": theme.GREEN, "--fourth": theme.PINK}
_BODY = """<body class="alone">
<h1>{title}</h1>
<div class="film"></div>
<script type="module">
{player}
play({{ parentElement: document.body, data: {data} }});
</script>
</body>"""


def as_data(film: Film) -> dict[str, Any]:
    """What the player needs: steps, colours and panels, all of it JSON."""
    known = f"{film.ref} {film.steps} {hashlib.sha256(film.picture.tobytes()).hexdigest()}"
    return {
        "id": known,  # the player keeps its place while the film is the same
        "steps": list(film.steps),
        "colours": COLOURS,
        "picture": {"uri": image_uri(np.dstack([film.picture, np.full(film.picture.shape[:2], 255, np.uint8)]))},
        "panels": [_as_data(panel) for panel in panels(film)],
        "missing": missing(film),
    }


def as_html(film: Film, title: str | None = None) -> str:
    """A page that needs nothing but itself: no network, no server."""
    css = (HERE / "player.css").read_text(encoding="utf-8") + (HERE / "alone.css").read_text(encoding="utf-8")
    data = json.dumps(as_data(film), ensure_ascii=False).replace("<", "\\u003c")  # names may hold anything
    title = title or f"{film.ref} through time"
    return page(title, css, _BODY.format(title=escape(title), player=player(), data=data))


def as_gif(film: Film) -> bytes:
    """An animated GIF: smaller films, 256 colours."""
    frames = [Image.fromarray(frame) for frame in drawn(film)]
    # one palette for all frames, of the last, which has most colours: else each step would flicker
    palette = frames[-1].quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return _animated([one.quantize(palette=palette, dither=Image.Dither.NONE) for one in frames], "GIF")


def as_webp(film: Film) -> bytes:
    """An animated WebP: all colours, without loss."""
    return _animated([Image.fromarray(frame) for frame in drawn(film)], "WEBP", lossless=True, quality=50, method=2)


FORMATS: dict[str, Callable[[Film], bytes]] = {
    "html": lambda film: as_html(film).encode(), "gif": as_gif, "webp": as_webp,
}  # fmt: skip


def write(film: Film, path: str | Path) -> Path:
    """Write the film to a file, whose ending says how: .html, .gif or .webp.

    Raises BadConfig for another, BadReference for a place that cannot be written to.
    """
    path = Path(path)
    places.write(path, FORMATS[check_name(path)](film))
    return path


def check_name(path: Path) -> str:
    """The format that a file's name asks for. Raises BadConfig for an ending that is none of FORMATS."""
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise BadConfig(f"A film cannot be written as {path.name!r}; let its name end in .html, .gif or .webp.")
    return ending


def player() -> str:
    """The player's code, one function `play`."""
    return (HERE / "player.js").read_text(encoding="utf-8")


def _animated(frames: Sequence[Image.Image], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], duration=durations, loop=0, **options
    )  # fmt: skip
    return buffer.getvalue()


def _as_data(panel: Panel) -> dict[str, Any]:
    about = {"name": panel.name, "title": panel.title, "about": panel.about}
    match panel:
        case Pictures():
            h, w = panel.frames[0].shape[:2]
            shape = {"width": w, "height": h, "columns": panel.columns, "labels": list(panel.labels)}
            return {**about, "kind": "pictures", **shape, "frames": [image_uri(frame) for frame in panel.frames]}
        case Dots():
            shown = {"top": panel.top, "unit": panel.unit, "line": panel.line}
            return {**about, "kind": "dots", **shown, "values": _rounded(panel.values)}
        case Bars():
            return {
                **about, "kind": "bars", "names": list(panel.names), "values": _rounded(panel.values),
                "marked": panel.marked,
            }  # fmt: skip


def _rounded(values: np.ndarray) -> Any:
    return np.round(np.nan_to_num(values.astype(float)), 4).tolist()  # JSON has no NaN
