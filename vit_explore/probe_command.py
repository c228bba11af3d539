"""The command `probe`: the baselines of a model on a dataset, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vit_explore.flags import changes_from, named_by_flags
from vit_explore.printing import percent, print_table, say

if TYPE_CHECKING:
    from vit_explore.tuning.results import Probed


def probe_model(arguments: argparse.Namespace) -> int:
    """probe"""
    from vit_explore.config import RunConfig
    from vit_explore.progress import Bar
    from vit_explore.tuning import probe

    with Bar(quiet=arguments.json) as bar, named_by_flags(), _told_warnings():
        config = RunConfig().update(init_from=arguments.ref, **changes_from(arguments))
        steps = probe(arguments.ref, config.data, arguments.device, model=config.model)
        while True:
            try:
                words, share = next(steps)
            except StopIteration as end:
                found: Probed = end.value
                break
            bar.show(share, words)
    say(json.dumps(_as_json(found))) if arguments.json else _print(found)
    return 0


def _print(found: Probed) -> None:
    images = f"{found.train_images:,} training, {found.val_images:,} validation and {found.test_images:,} test images"
    say(f"{found.ref} on {', '.join(found.classes)}: {images} of {found.image_size} px, {found.width} numbers each.")
    head = ("on frozen features", "accuracy", "macro F1", "took", "chosen on validation")
    print_table(
        head, [(r.title, percent(r.top1), percent(r.macro_f1), f"{r.seconds:.1f} s", r.chosen) for r in found.rows]
    )
    say(f"The features took {found.seconds:.1f} s. An untrained head is at chance; it is not CLIP's zero-shot.")


def _as_json(found: Probed) -> dict[str, Any]:
    rows = [
        {
            "name": row.name, "top1": row.top1, "macro_f1": row.macro_f1, "confusion": row.confusion.tolist(),
            "seconds": row.seconds, "chosen": row.chosen,
        }
        for row in found.rows
    ]  # fmt: skip
    return {**{key: value for key, value in vars(found).items() if key != "rows"}, "rows": rows}


@contextmanager
def _told_warnings() -> Iterator[None]:
    """What the data warn of, such as pictures that cannot be read, as a line on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for text in dict.fromkeys(str(one.message) for one in caught):
        say(f"warning: {text}", file=sys.stderr)
