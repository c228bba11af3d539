"""Training as a film: everything that a model shows of itself on one picture, snapshot by snapshot.

    film = vx.film.record("bundled:vit-cifar10", "photo.jpg")
    Path("film.html").write_text(vx.film.as_html(film))

A film is arrays (recording.py); panels.py turns it into pictures and numbers, which the player (player.js, in the app
and in an exported page alike) and drawing.py (GIF and WebP) show.
"""

from __future__ import annotations

from vit_explore.film.exports import FORMATS as FORMATS
from vit_explore.film.exports import as_data as as_data
from vit_explore.film.exports import as_gif as as_gif
from vit_explore.film.exports import as_html as as_html
from vit_explore.film.exports import as_webp as as_webp
from vit_explore.film.exports import check_name as check_name
from vit_explore.film.exports import write as write
from vit_explore.film.recording import Film as Film
from vit_explore.film.recording import Moment as Moment
from vit_explore.film.recording import frames_of as frames_of
from vit_explore.film.recording import record as record
from vit_explore.film.recording import record_steps as record_steps
