"""The page of one run: what it reached, how it got there, what it looks like inside, and how to do it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from vit_explore.errors import DamagedFile, NotApplicable, VitExploreError
from vit_explore.film import record
from vit_explore.film.panels import Bars, Pictures, panels
from vit_explore.html import page
from vit_explore.plots.canvas import image_uri
from vit_explore.runs.guesses import Guess
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.takehome.again import beyond_the_command, command_of_run
from vit_explore.takehome.curves import chart
from vit_explore.training.events import Finished

CSS = (Path(__file__).with_name("sheet.css")).read_text(encoding="utf-8")


def sheet(
    store: RunStore, run: str, picture: np.ndarray | None = None, who: str = "", guess: Guess | None = None
) -> str:
    """A run as a page of HTML that needs nothing but itself.

    picture: uint8 (h, w, 3), to look at with the model of the first and of the last snapshot; None leaves that out.
    who: whose run it is; guess: what that person said before. Raises RunNotFound.
    """
    record_ = store.get(run)
    finished = store.finished(run)
    parts = [
        f"<h1>{escape(record_.name)}</h1>",
        f"<p>{escape(who)}{' · ' if who else ''}run {escape(run)}, {escape(record_.state)}</p>",
        _results(record_, finished),
        _guessed(guess, finished),
        "<h2>How it got there</h2>",
        _curves(store, record_, guess),
        *_inside(store, run, picture),
        _confusion(finished, record_),
        *_again(store, record_),
    ]
    body = "\n".join(part for part in parts if part)
    return page(record_.name, CSS, f"<body>\n{body}\n</body>")


def first_sample(store: RunStore, run: str, index: int = 0) -> np.ndarray | None:
    """One of the validation images that the run kept, uint8 (h, w, 3); None where it kept none."""
    try:
        images, _ = store.folder(run).read_samples()
    except DamagedFile:
        return None
    return np.ascontiguousarray(images[index % len(images)].transpose(1, 2, 0)) if len(images) else None


def _results(record_: RunRecord, finished: Finished | None) -> str:
    facts = {
        "Test accuracy": _percent(finished.test_top1 if finished else None),
        "Macro F1": f"{finished.macro_f1:.3f}" if finished and finished.macro_f1 is not None else None,
        "Validation accuracy": _percent(record_.top1),
        "Parameters": _count(record_.params),
        "FLOPs per image": _count(record_.flops),
        "Images seen": _count(record_.images_seen),
        "Seconds of training": None if record_.train_seconds is None else f"{record_.train_seconds:.0f}",
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items() if value)
    return f'<dl class="facts">{cells}</dl>'


def _guessed(guess: Guess | None, finished: Finished | None) -> str:
    if guess is None:
        return ""
    came = _percent(finished.test_top1 if finished else None)
    pair = f", mixing up {escape(guess.confused[0])} and {escape(guess.confused[1])} most" if guess.confused else ""
    result = f"; it came to {came}" if came else ""
    return f"<p><strong>Guessed before the end:</strong> {_percent(guess.top1)}{pair}{result}.</p>"


def _curves(store: RunStore, record_: RunRecord, guess: Guess | None) -> str:
    steps = store.steps(record_.id)
    looks = [look for look in store.evaluations(record_.id) if look.split == "val"]
    seconds = np.array([look.elapsed for look in looks], float)
    top1 = np.array([look.top1 for look in looks], float)
    level = None if guess is None else ("the guess", guess.top1)
    left = chart("validation accuracy", "seconds of training", {"accuracy": (seconds, top1)}, level, is_share=True)
    right = chart("training loss", "seconds of training", {"loss": (steps["elapsed"], steps["loss"])})
    return f'<div class="pair">{left}{right}</div>'


def _inside(store: RunStore, run: str, picture: np.ndarray | None) -> Iterator[str]:
    """The first and the last snapshot side by side."""
    if picture is None:
        return
    try:
        film = record(f"run:{run}", picture, store.home, frames=2)
    except VitExploreError as error:
        yield f"<p>{escape(str(error))}</p>" if not isinstance(error, NotApplicable) else ""
        return
    yield f"<h2>Inside, at step {film.steps[0]:,} and at step {film.steps[-1]:,}</h2>"
    yield f"<p>Asked with this picture:</p>{_image(film.picture, 'the picture', 128)}"
    for panel in panels(film):
        match panel:
            case Pictures():
                labels = f" {escape(', '.join(panel.labels))}." if panel.labels else ""
                yield f"<h3>{escape(panel.title)}</h3><p>{escape(panel.about)}{labels}</p>"
                images = "".join(
                    _image(panel.frames[at], f"{panel.title}, step {film.steps[at]:,}", 300) for at in (0, -1)
                )
                yield f'<div class="pair">{images}</div>'
            case Bars():
                first, last = (100 * panel.values[at] for at in (0, -1))
                rows = "".join(
                    f"<tr><td>{escape(name)}</td><td>{a:.0f} %</td><td>{b:.0f} %</td></tr>"
                    for name, a, b in zip(panel.names, first, last, strict=True)
                )
                head = "<tr><th></th><th>at first</th><th>in the end</th></tr>"
                yield f"<h3>{escape(panel.title)}</h3><table>{head}{rows}</table>"


def _image(pixels: np.ndarray, words: str, width: int) -> str:
    opaque = pixels if pixels.shape[2] == 4 else np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return f'<img src="{image_uri(opaque)}" alt="{escape(words)}" width="{width}">'


def _confusion(finished: Finished | None, record_: RunRecord) -> str:
    if finished is None or not finished.test_images or not record_.classes or len(record_.classes) > 30:
        return ""
    counts = finished.confusion
    head = "".join(f"<th>{escape(name)}</th>" for name in record_.classes)
    rows = []
    for name, row in zip(record_.classes, counts, strict=True):
        shares = row / max(1, row.sum())
        cells = "".join(f'<td style="--share: {share:.2f}">{100 * share:.0f}</td>' for share in shares)
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return (
        f"<h2>What it mixes up</h2><p>Rows are the truth, columns its answer, in % of each row, on "
        f'{finished.test_images:,} test images.</p><div class="wide"><table class="confusion"><tr><th></th>{head}</tr>'
        f"{''.join(rows)}</table></div>"
    )


def _again(store: RunStore, record_: RunRecord) -> Iterator[str]:
    yield "<h2>Do it again</h2>"
    if record_.config is None:
        yield f"<p>{escape(record_.unreadable or '')}</p>"
        return
    yield from (f"<p>{escape(sentence)}</p>" for sentence in beyond_the_command(store, record_))
    yield f"<pre>{escape(command_of_run(store, record_))}</pre>"
    settings = json.dumps(record_.config.model_dump(mode="json"), indent=2, ensure_ascii=False)
    yield f"<details><summary>All settings</summary><pre>{escape(settings)}</pre></details>"


def _percent(share: float | None) -> str | None:
    return None if share is None or not np.isfinite(share) else f"{100 * share:.1f} %"


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
