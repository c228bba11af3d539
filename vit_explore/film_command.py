"""The command `film`: what a model shows of itself on one picture, through its training, as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vit_explore.errors import BadConfig
from vit_explore.printing import percent, say
from vit_explore.told import told

if TYPE_CHECKING:
    import numpy as np

    from vit_explore.progress import Bar


def add_film(parser: argparse.ArgumentParser) -> None:
    """The arguments of `film`."""
    parser.add_argument("ref", metavar="REF", help="run:ID or bundled:NAME")
    parser.add_argument("--picture", metavar="FILE", help="by default the first validation image of the model's data")
    parser.add_argument("--frames", type=int, default=40, metavar="N", help="at most so many snapshots (default 40)")
    parser.add_argument("--out", default="film.html", metavar="FILE", help=".html, .gif or .webp (default film.html)")


def make_film(arguments: argparse.Namespace) -> int:
    """film"""
    from vit_explore import film
    from vit_explore.progress import Bar
    from vit_explore.runs.places import check_place

    out = Path(arguments.out)
    film.check_name(out)
    check_place(out)
    film.frames_of(arguments.ref, None, arguments.frames)  # before its data are looked for, which may be far away
    with Bar(quiet=False) as bar:
        picture = _picture(arguments, bar)
        steps = film.record_steps(arguments.ref, picture, None, arguments.frames)
        made = told(steps, lambda progress: bar.show(0.1 + 0.9 * progress.share, progress.words))
    film.write(made, out)
    odds = made.last.probabilities
    what = f", which it says is {made.classes[made.followed]} ({percent(float(odds.max()))})" if made.classes else ""
    first, last = made.steps[0], made.steps[-1]
    say(f"Wrote {out}: {len(made.steps)} frames from step {first:,} to {last:,} of {made.ref} on one picture{what}.")
    return 0


def _picture(arguments: argparse.Namespace, bar: Bar) -> np.ndarray:
    import numpy as np

    from vit_explore.data import load_dataset
    from vit_explore.data.images import load_image
    from vit_explore.runs.references import data_of

    if arguments.picture is not None:
        return load_image(arguments.picture)
    data = data_of(arguments.ref)
    if data is None:
        raise BadConfig(f"What {arguments.ref} was trained on is not known; name a picture with --picture FILE.")
    val = load_dataset(data, lambda words, share: bar.show(0.1 * share, words)).val
    return np.ascontiguousarray(val.images[0].transpose(1, 2, 0))
