"""Top-1 on the test split after so many seconds of training, each budget a run of its own with its own schedule.

VIT_EXPLORE_DATA=… python benchmarks/time_to_accuracy.py [--seconds 30 60 120 300] [--repeats 3] [--log FILE]

Repeats are seeds. All models take turns within a seed and a budget. With --log, what was measured is kept, and a second
call goes on from there. Settings were chosen on the validation split (docs/tuning.md); the test split is only reported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import heading, median, options, table

from vit_explore.presets import QUICK

TASKS = {"four classes": "minute", "ten classes": "ten-classes"}
CONTENDERS: dict[str, dict[str, Any]] = {
    "default ViT": {},
    "the same without the patches in the loss": {"patch_loss": 0},
    "fastest (mean of the patches, local MLPs)": QUICK,
    "the same without local MLPs": QUICK | {"mlp": "plain"},
    "ResNet of the same size": {"model": "resnet-slim"},
    "report's ViT (d256 L4, AdamW, lr 1e-3)": {
        "width": 256, "mlp_ratio": 4.0, "batch_size": 128, "lr": 1e-3, "optimizer": "adamw", "low_res_fraction": 0,
        "patch_loss": 0,
    },
    "plain loop, the default ViT": {"optimizer": "adamw", "low_res_fraction": 0, "patch_loss": 0},
}  # fmt: skip
PLAIN = "plain loop, the default ViT"
KEY = ("task", "contender", "seconds", "seed")


def main() -> None:
    parser = options(__doc__ or "", seconds=60)
    parser.add_argument("--workers", type=int, default=2, help="DataLoader processes of the plain loop")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--log", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a process of its own measures, as JSON
    next(a for a in parser._actions if a.dest == "seconds").nargs = "+"
    parser.set_defaults(seconds=[30.0, 60.0, 120.0, 300.0])
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_train(json.loads(arguments.one), arguments)))
        return
    heading("start-up, data loading, the probe of precision and threads", "the final test")
    _report(_measure_all(arguments))


def _measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    log = arguments.log
    found = [json.loads(line) for line in log.read_text().splitlines()] if log and log.exists() else []
    wanted = [
        dict(zip(KEY, (task, contender, seconds, seed), strict=True))
        for seed in range(arguments.repeats)
        for task in arguments.tasks
        for seconds in arguments.seconds
        for contender in arguments.contenders
    ]
    for one in wanted:
        if any(all(old[key] == one[key] for key in KEY) for old in found):
            continue
        command = [sys.executable, __file__, "--device", arguments.device, "--workers", str(arguments.workers)]
        done = subprocess.run([*command, "--one", json.dumps(one)], check=True, stdout=subprocess.PIPE, text=True)
        found.append(one | json.loads(done.stdout.splitlines()[-1]))
        if log:
            with log.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")
    return [one for one in found if {key: one[key] for key in KEY} in wanted]


def _train(one: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    if one["contender"] != PLAIN:
        from vit_explore.openmp import wait_briefly

        wait_briefly()
    from vit_explore.presets import presets
    from vit_explore.training import Finished, Trainer

    config = presets.get(TASKS[one["task"]]).config.update(
        seconds=one["seconds"], seed=one["seed"], device=arguments.device, **CONTENDERS[one["contender"]]
    )
    if one["contender"] == PLAIN:
        from peers import PlainLoop

        from vit_explore.data import load_dataset

        loop = PlainLoop(config, load_dataset(config.data), one["seconds"], arguments.workers)
        images = sum(loop.steps())
        return {"top1": loop.test_top1(), "images": images}
    (end,) = [event for event in Trainer(config).events() if isinstance(event, Finished)]
    return {"top1": end.test_top1, "images": end.images_seen}


def _report(found: list[dict[str, Any]]) -> None:
    budgets = sorted({one["seconds"] for one in found})
    for task in TASKS:
        cells: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
        for one in found:
            if one["task"] == task:
                cells[one["contender"]][one["seconds"]].append(100 * one["top1"])
        if cells:
            table((f"{task}, test top-1 (%)", *(f"{seconds:g} s" for seconds in budgets)))
        for name, of in cells.items():
            print(f"| {name} | {' | '.join(_cell(of[seconds]) for seconds in budgets)} |")


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f}, n = {len(values)})"


if __name__ == "__main__":
    main()
