"""Train presets of the paper and the reports, and keep what they gave in vit_explore/reports/records/.

VIT_EXPLORE_DATA=… python scripts/measure_reports.py [PRESET …] [--seeds 0,1,2] [--limit SECONDS] [--home FOLDER]

Without a preset: every scaled one. Each run is trained by the command line into a store of its own, one after another;
a run that is there already is resumed, or, where it has finished, only written down again. --limit stops a run after so
many seconds, and its record says how much of its budget it had; the next call goes on from there. One seed at a time:
nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from vit_explore.here import processor  # noqa: E402  (the project is not installed)
from vit_explore.presets import presets  # noqa: E402
from vit_explore.reports.base import SCALED, in_order, row_of  # noqa: E402
from vit_explore.reports.from_run import record_of  # noqa: E402
from vit_explore.reports.matching import preset_of  # noqa: E402
from vit_explore.reports.measured import Record  # noqa: E402
from vit_explore.runs.records import RunRecord  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402

COMMAND = (sys.executable, "-m", "vit_explore")
GRACE = 120  # seconds for a stopped run to be tested and stored


def torch_version() -> str:
    import torch

    return str(torch.__version__)


def runs_of(name: str, seed: int, store: RunStore) -> list[RunRecord]:
    """The unchanged runs of a preset with this seed, the newest first."""
    known = [run for run in store.list() if run.config is not None and run.config.train.seed == seed]
    return [run for run in known if preset_of(run.settings()) == name]


def trained(name: str, seed: int, store: RunStore, limit: float | None) -> RunRecord | None:
    """The run of a preset with this seed: there already, trained on, or new. None where it failed or never began."""
    known = runs_of(name, seed, store)
    if known and known[0].state == "finished":
        return known[0]
    goes_on = bool(known) and known[0].resume_refusal is None
    new = ["train", "--preset", name, "--seed", str(seed), "--name", f"{name} seed {seed}"]
    run_for(["runs", "resume", known[0].id] if goes_on else new, store.home, limit)
    latest = runs_of(name, seed, store)[:1]
    return latest[0] if latest and latest[0].state != "failed" else None


def run_for(arguments: list[str], home: Path, limit: float | None) -> None:
    """One command; after `limit` seconds it is interrupted as by Ctrl-C, which leaves a run that goes on."""
    environment = {**os.environ, "VIT_EXPLORE_HOME": str(home)}
    process = subprocess.Popen([*COMMAND, *arguments], cwd=PROJECT, env=environment)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(GRACE)


def keep(record: Record) -> None:
    record.file.parent.mkdir(exist_ok=True)
    record.file.write_text(record.as_json(), encoding="utf-8")
    top1 = "no test" if record.top1 is None else f"test top-1 {record.top1:.2%}"
    print(f"{record.file.relative_to(PROJECT)}: {top1}, {record.done:.0%} of the budget, {record.seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="default: every scaled one")
    parser.add_argument("--seeds", default="0,1,2", help="separated by commas")
    parser.add_argument("--limit", type=float, help="seconds for each run")
    parser.add_argument("--home", type=Path, default=PROJECT / "runs" / "reports", help="the store of these runs")
    options = parser.parse_args()
    names = options.presets or [row.name + SCALED for row in in_order()]
    for name in names:
        if row_of(presets.get(name).name) is None:
            parser.error(f"{name} belongs to no row of the paper or the reports")
    options.home.mkdir(parents=True, exist_ok=True)
    store = RunStore(options.home)
    machine, torch = processor(), torch_version()
    for name in names:
        for seed in map(int, options.seeds.split(",")):
            run = trained(name, seed, store, options.limit)
            command = f"python -m vit_explore train --preset {name} --seed {seed}"
            if run is None:
                print(f"{name}, seed {seed}: no record, since the run failed or could not start", file=sys.stderr)
            else:
                keep(record_of(run, store, name, command, machine, torch))


if __name__ == "__main__":
    main()
