"""Measure the records of sweeps that come with the package, by the command line, and write them where it finds them.

VIT_EXPLORE_DATA=… VIT_EXPLORE_HOME=… nice python scripts/measure_sweeps.py [data shape why …] [--seeds 0,1,2] [--again]

Hours on two cores; nothing else should run meanwhile, as seconds are recorded, too. After an interruption the same
call goes on: what has finished in VIT_EXPLORE_HOME is not trained again, unless --again asks for a new group.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))  # the project is not installed

from vit_explore.runs.store import RunStore  # noqa: E402
from vit_explore.sweeps import Sweep, sweeps  # noqa: E402
from vit_explore.sweeps.group import find, groups_of  # noqa: E402
from vit_explore.sweeps.results import RECORDS, read_json  # noqa: E402

SHIPPED = ("data", "shape", "why")


def arguments_for(store: RunStore, sweep: Sweep, seeds: str, again: bool) -> list[str]:
    """What to give the command `sweep`: to go on with the latest group, or to begin one."""
    latest = [] if again else groups_of(store, sweep)[:1]
    known = [name for name in latest if find(store, name).records]
    return ["--resume", known[0], "--seeds", seeds] if known else [sweep.name, "--seeds", seeds]


def measure(sweep: Sweep, seeds: str, again: bool, out: Path) -> None:
    """Train what is missing, and write the records; nothing is written where a run did not finish."""
    command = [sys.executable, "-m", "vit_explore", "sweep", *arguments_for(RunStore(), sweep, seeds, again), "--json"]
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    text = ""
    try:
        text, _ = child.communicate()
    except KeyboardInterrupt:  # the child heard it, too, and leaves a checkpoint
        child.wait()
    if child.returncode:
        raise SystemExit(child.returncode)
    shipped = read_json(text)
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{sweep.name}.json"
    file.write_text(text, encoding="utf-8")
    print(f"{file}: {len(shipped.results)} results, {shipped.machine}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"sweeps (default: {', '.join(SHIPPED)})")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--again", action="store_true", help="a new group, also where there is one to go on with")
    parser.add_argument("--out", type=Path, default=RECORDS, help="the folder of the records")
    arguments = parser.parse_args()
    for name in arguments.names or SHIPPED:
        measure(sweeps.get(name), arguments.seeds, arguments.again, arguments.out)


if __name__ == "__main__":
    main()
