"""Put a finished run into vit_explore/weights/: its weights, snapshots thinned out, and a model card.

python scripts/bundle.py RUN NAME --title "ViT on CIFAR-10" --command "python -m vit_explore train …"
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from vit_explore.runs.export import export  # noqa: E402  (the project is not installed)
from vit_explore.runs.records import RunRecord  # noqa: E402
from vit_explore.runs.references import WEIGHTS  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402

SNAPSHOTS = 10


def thinned(steps: list[int]) -> list[int]:
    """At most SNAPSHOTS of the steps, the first and the last among them, evenly along the log schedule."""
    if len(steps) <= SNAPSHOTS:
        return steps
    picked = {round(i * (len(steps) - 1) / (SNAPSHOTS - 1)) for i in range(SNAPSHOTS)}
    return [steps[i] for i in sorted(picked)]


def card(record: RunRecord, store: RunStore, title: str, command: str) -> str:
    """The model card in Markdown: how it was made, what it reaches, what it is not."""
    curve = [e for e in store.evaluations(record.id) if e.split == "val"]
    rows = "\n".join(f"| {e.step} | {e.epoch:.2f} | {e.elapsed:.0f} | {100 * e.top1:.1f} |" for e in curve)
    data, train = record.config.data, record.config.train
    return f"""# {title}

Made by: `{command}`

- data: {data.dataset}, {"all" if data.classes is None else ", ".join(data.classes)} classes, split seed {data.seed}, \
{data.val_fraction:.0%} of the training images held out for validation; the images are JPEG copies (quality about 75)
- seed {train.seed}; {record.params:,} parameters; {record.flops:,} FLOPs per image
- validation top-1 {record.top1:.1%}; test top-1 {record.test_top1:.1%}, macro F1 {record.macro_f1:.3f} \
(the test split was used once, at the end)
- {record.images_seen:,} images in {record.train_seconds:.0f} s on {record.device} ({platform.machine()}, \
other work beside it)
- one run, one seed; small images, short training: a model to look into, not one to rely on

| step | epoch | seconds | validation top-1 (%) |
|---|---|---|---|
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--title", required=True)
    parser.add_argument("--command", required=True)
    options = parser.parse_args()
    store = RunStore()
    record = store.get(options.run)
    weights, about = export(record.id, WEIGHTS / options.name)
    about.write_text(json.dumps({**json.loads(about.read_text()), "title": options.title}, indent=2) + "\n")
    folder = WEIGHTS / options.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for step in thinned([row.step for row in store.snapshots(record.id)]):
        shutil.copy(store.snapshot_path(record.id, step), folder / f"{step}.safetensors")
    weights.with_suffix(".md").write_text(card(record, store, options.title, options.command))
    print(weights, sum(path.stat().st_size for path in folder.iterdir()) // 1024, "KiB of snapshots")


main()
