"""The table of runs: rows, filters, and files to take away."""

from __future__ import annotations

import csv
import datetime
import io
import zipfile
from collections.abc import Iterable
from typing import Any

from vit_explore.runs.export import exported
from vit_explore.runs.naming import file_stem
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import wording

STEP_COLUMNS = ("epoch", "elapsed", "images_seen", "loss", "lr", "images_per_second")
UNREADABLE = "not readable"
_SIGNS = {"queued": "…", "running": "▸", "finished": "✓", "stopped": "■", "failed": "✗", "interrupted": "!"}


def row(record: RunRecord) -> dict[str, Any]:
    """One run as plain values: text, numbers and a time."""
    seconds = record.train_seconds if record.train_seconds is not None else record.elapsed
    return {
        "Name": record.name,
        "State": f"{_SIGNS[record.state]} {state_words(record)}",
        "Data": data_words(record),
        "Model": model_words(record),
        "Parameters": record.params,
        "Top-1 (%)": None if accuracy(record) is None else 100 * accuracy(record),  # type: ignore[operator]
        "On": "test" if record.test_top1 is not None else "validation" if record.top1 is not None else "",
        "Training (s)": seconds,
        "Disk (MB)": record.disk_bytes / 1e6,
        "Created": datetime.datetime.fromtimestamp(record.created).replace(microsecond=0),
        "Id": record.id,
    }


def state_words(record: RunRecord) -> str:
    """The state, with the place in the queue or the share that is done."""
    if record.state == "queued" and record.paused:
        return "paused"
    if record.state == "queued":
        return f"waiting ({wording.ordinal(record.place or 1)})"
    if record.state == "running":
        return f"training {100 * wording.progress_of(record):.0f} %"
    return wording.STATE_WORDS[record.state]


def data_words(record: RunRecord) -> str:
    """The dataset, with the number of classes where it is not all of them."""
    if record.config is None:
        return UNREADABLE
    data = record.config.data
    return data.dataset if data.classes is None else f"{data.dataset} ({len(data.classes)} classes)"


def model_words(record: RunRecord) -> str:
    """The architecture."""
    return record.config.model.architecture.removeprefix("timm:") if record.config else UNREADABLE


def accuracy(record: RunRecord) -> float | None:
    """The test accuracy, or, before the end, the latest on the validation images."""
    return record.test_top1 if record.test_top1 is not None else record.top1


def filtered(records: Iterable[RunRecord], text: str = "", states: Iterable[str] = ()) -> list[RunRecord]:
    """The runs in one of `states` (any when empty) whose name, id, data or model contains every word of `text`."""
    words, allowed = text.lower().split(), set(states)
    return [
        record
        for record in records
        if (not allowed or record.state in allowed) and all(word in _haystack(record) for word in words)
    ]


def _haystack(record: RunRecord) -> str:
    return f"{record.name} {record.id} {data_words(record)} {model_words(record)}".lower()


def weights_zip(store: RunStore, record: RunRecord) -> bytes:
    """A zip of the latest weights (safetensors) and their config (JSON). Raises BadReference before a snapshot."""
    stem = file_stem(record.name, record.id)
    weights, card = exported(f"run:{record.id}", store.home, stem)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{stem}.safetensors", weights)
        archive.writestr(f"{stem}.json", card)
    return buffer.getvalue()


def metrics_csv(store: RunStore, record: RunRecord) -> str:
    """Every step and every look at validation, training and test images, in one table ordered by step.

    Rows of split "train" are the steps; "train_look" is what the model says of training images that are not augmented.
    """
    steps = store.steps(record.id)
    rows = [
        {"step": int(step), "split": "train", **{name: steps[name][i].item() for name in STEP_COLUMNS}}
        for i, step in enumerate(steps["step"])
    ]
    rows += [
        {
            "step": look.step, "split": "train_look" if look.split == "train" else look.split,
            "epoch": look.epoch, "elapsed": look.elapsed,
            "images_seen": look.images_seen, "loss": look.loss, "top1": look.top1,
        }
        for look in store.evaluations(record.id)
    ]  # fmt: skip
    rows.sort(key=lambda item: item["step"])
    out = io.StringIO()
    writer = csv.DictWriter(out, ["step", "split", *STEP_COLUMNS, "top1"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
