"""All runs of a class as one zip: a page each, and two tables."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Generator, Mapping, Sequence
from html import escape

from vit_explore.errors import RunNotFound, VitExploreError
from vit_explore.runs.guesses import Guess
from vit_explore.runs.naming import file_stem
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.takehome.sheet import first_sample, sheet
from vit_explore.text import harmless
from vit_explore.told import Progress

RUNS = ("who", "run", "name", "state", "test_top1", "val_top1", "macro_f1", "parameters", "flops", "images_seen",
        "seconds", "seed", "dataset")  # fmt: skip
GUESSES = ("who", "run", "guessed_top1", "one_class", "other_class", "share_of_budget_spent", "test_top1")


def bundle_steps(store: RunStore, runs: Sequence[str], names: Mapping[str, str]) -> Generator[Progress, None, bytes]:
    """The zip, bit by bit: yields its progress and returns the bytes.

    names: nicknames by owner, "" where there are none to be told. Each model is asked with its own first sample. A run
    that was deleted meanwhile is left out; of one that cannot be read the page says so.
    """
    records = [store.get(run) for run in runs if store.has(run)]
    said: dict[str, list[Guess]] = {}
    gone: set[str] = set()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for done, record in enumerate(records):
            yield Progress(done / max(1, len(records)), record.name)
            who = names.get(record.owner or "", "")
            try:
                said[record.id] = store.guesses(record.id)
                own = next((guess for guess in said[record.id] if guess.person == record.owner), None)
                page = sheet(store, record.id, first_sample(store, record.id), who, own)
            except RunNotFound:
                gone.add(record.id)
                continue
            except VitExploreError as error:
                title = f"<!doctype html><meta charset=utf-8><title>{escape(record.name)}</title>"
                page = f"{title}<p>{escape(str(error))}</p>"
            archive.writestr(f"{file_stem(f'{who} {record.name}', record.id)}.html", page)
        records = [record for record in records if record.id not in gone]
        archive.writestr("runs.csv", _table(RUNS, [_run(record, names) for record in records]))
        rows = [_guess(record, guess, names) for record in records for guess in said.get(record.id, [])]
        archive.writestr("guesses.csv", _table(GUESSES, rows))
    return buffer.getvalue()


def _run(record: RunRecord, names: Mapping[str, str]) -> tuple[object, ...]:
    config = record.config
    return (
        names.get(record.owner or "", ""), record.id, record.name, record.state, record.test_top1, record.top1,
        record.macro_f1, record.params, record.flops, record.images_seen, record.train_seconds,
        config.train.seed if config else None, config.data.dataset if config else None,
    )  # fmt: skip


def _guess(record: RunRecord, guess: Guess, names: Mapping[str, str]) -> tuple[object, ...]:
    one, other = guess.confused or ("", "")
    return (names.get(guess.person, ""), record.id, guess.top1, one, other, guess.progress, record.test_top1)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()
