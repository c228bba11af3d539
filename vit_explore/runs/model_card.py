"""The model card of a run in Markdown: how it was made, what it reaches, what it is not."""

from __future__ import annotations

import json

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore

_HUB = {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100"}  # what the hub calls them


def model_card(record: RunRecord, store: RunStore, title: str, command: str, hardware: str, images: str = "") -> str:
    """The card of a run that was tested. hardware: what it was trained on; images: what is to be known of them."""
    curve = [e for e in store.evaluations(record.id) if e.split == "val"]
    rows = "\n".join(f"| {e.step} | {e.epoch:.2f} | {e.elapsed:.0f} | {100 * e.top1:.1f} |" for e in curve)
    data, model, train = record.settings().data, record.settings().model, record.settings().train
    side, flops = model.image_size, "" if record.flops is None else f"; {record.flops:,} FLOPs per image"
    return f"""# {title}

Made by: `{command}`

- data: {data.dataset}, {"all classes" if data.classes is None else ", ".join(data.classes)}, split seed {data.seed}, \
{data.val_fraction:.0%} of the training images held out for validation{f"; {images}" if images else ""}
- seed {train.seed}; {record.params:,} parameters{flops}
- validation top-1 {_percent(record.top1)}; test top-1 {_percent(record.test_top1)}, macro F1 \
{"not known" if record.macro_f1 is None else f"{record.macro_f1:.3f}"} (the test split was used once, at the end)
- {record.images_seen:,} images in {record.train_seconds:.0f} s of training on {hardware}
- limits: one run, one seed; {side} × {side} pixels, the dataset's classes and nothing else. \
A model to look into, not one to rely on

| step | epoch | seconds | validation top-1 (%) |
|---|---|---|---|
{rows}
"""


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def front_matter(dataset: str) -> str:
    """What the hub reads of a card: YAML between two rules; JSON is YAML, too."""
    known = {"datasets": [_HUB[dataset]]} if dataset in _HUB else {}
    values = {"library_name": "vit_explore", "pipeline_tag": "image-classification", **known}
    return "---\n" + "\n".join(f"{name}: {json.dumps(value)}" for name, value in values.items()) + "\n---\n\n"
