"""Put a finished run into vit_explore/weights/: its weights, snapshots thinned out, and a model card.

python scripts/bundle.py RUN NAME --title "ViT on CIFAR-10" --order 1 --snapshots 10 \\
    --hardware "2 cores of …" --command "python -m vit_explore train …"
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

JPEG = "the images are JPEG copies (quality about 75)"  # those that the bundled models were trained on
PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from vit_explore.runs.export import export  # noqa: E402  (the project is not installed)
from vit_explore.runs.model_card import model_card  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402
from vit_explore.runs.stored import WEIGHTS  # noqa: E402


def thinned(steps: list[int], count: int) -> list[int]:
    """At most `count` (2 or more) of the steps, the first and the last among them, evenly along the log schedule."""
    if len(steps) <= count:
        return steps
    picked = {round(i * (len(steps) - 1) / (count - 1)) for i in range(count)}
    return [steps[i] for i in sorted(picked)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--title", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--hardware", required=True, help="what it was trained on, and what ran beside it")
    parser.add_argument("--order", type=int, default=9, help="its place in the picker; the first is shown first")
    parser.add_argument(
        "--snapshots", type=int, default=2, help="how many of its snapshots, the first and last included"
    )
    parser.add_argument("--into", type=Path, default=WEIGHTS, help="the folder of the weights, snapshots and cards")
    options = parser.parse_args()
    store = RunStore()
    record = store.get(options.run)
    options.into.mkdir(parents=True, exist_ok=True)
    weights, about = export(record.id, options.into / options.name, force=True)
    about.write_text(
        json.dumps({**json.loads(about.read_text()), "title": options.title, "order": options.order}, indent=2) + "\n"
    )
    folder = options.into / options.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for step in thinned([row.step for row in store.snapshots(record.id)], options.snapshots):
        shutil.copy(store.snapshot_path(record.id, step), folder / f"{step}.safetensors")
    images = JPEG if record.settings().data.dataset == "cifar10" else ""
    card = model_card(record, store, options.title, options.command, options.hardware, images)
    weights.with_suffix(".md").write_text(card)
    print(weights, sum(path.stat().st_size for path in folder.iterdir()) // 1024, "KiB of snapshots")


if __name__ == "__main__":
    main()
