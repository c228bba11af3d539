"""Train the models that come with the package anew, and put them into vit_explore/weights/.

VIT_EXPLORE_DATA=… python scripts/train_bundled.py [NAME …] [--with="--batch-size 256 --epochs 200"] [--at-once 3]

Without a name: all of them. Each is trained as its card says ("Made by"), with the settings of --with in place of its
own, into a store of its own under --home: a run that was interrupted goes on there, one that has finished is only
written down. --at-once trains so many beside each other, for a GPU that one small model leaves idle. See bundle.py for
a run that is there already.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from vit_explore import cli  # noqa: E402  (the project is not installed)
from vit_explore.config import RunConfig  # noqa: E402
from vit_explore.flags import config_from  # noqa: E402
from vit_explore.here import processor  # noqa: E402
from vit_explore.runs.records import RunRecord  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402
from vit_explore.runs.stored import WEIGHTS, bundled_cards, bundled_steps  # noqa: E402

ON_ITS_OWN = {"--epochs": "--seconds", "--seconds": "--epochs"}  # a run has one budget


def settings(line: str) -> dict[str, str]:
    """The flags of a command line with their values; "" for a flag without any."""
    found: dict[str, str] = {}
    name = ""
    for word in shlex.split(line):
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found[name] = value
        elif name:
            found[name] = f"{found[name]} {word}".strip()
    return found


def command(name: str, changes: str) -> str:
    """The command that the card of a bundled model gives, with these settings in place of its own."""
    card = (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    made = re.search(r"^Made by: `python -m vit_explore train (.*)`$", card, re.MULTILINE)
    assert made, f"the card of {name} does not say how it was made"
    flags, new = settings(made[1]), settings(changes)
    flags = {flag: value for flag, value in flags.items() if ON_ITS_OWN.get(flag) not in new} | new
    words = [word for flag, value in flags.items() for word in (flag, value) if word]
    return f"python -m vit_explore train {shlex.join(words)}"


def trained(home: Path, line: str) -> RunRecord:
    """The finished run of this home with these settings: there already, resumed, or new. Raises CalledProcessError."""
    home.mkdir(parents=True, exist_ok=True)
    store, wanted = RunStore(home), asked_for(line)
    known = next((run for run in store.list() if run.config and run.config.update(name="") == wanted), None)
    if known is not None and known.state == "finished":
        return known
    goes_on = known is not None and known.resume_refusal is None
    words = ["-m", "vit_explore", "runs", "resume", known.id] if known and goes_on else shlex.split(line)[1:]
    environment = {**os.environ, "VIT_EXPLORE_HOME": str(home)}
    subprocess.run([sys.executable, *words], cwd=PROJECT, env=environment, check=True)
    return store.get(known.id) if known and goes_on else store.list()[0]


def asked_for(line: str) -> RunConfig:
    """The settings that a command line gives, without the name."""
    return config_from(cli._parser().parse_args(shlex.split(line)[3:])).update(name="")


def bundle(name: str, home: Path, changes: str, into: Path, beside: int) -> None:
    """Train one, and put it where the package looks for it."""
    line, about = command(name, changes), bundled_cards()[name]
    run = trained(home / name, line)
    others = f"; {beside} others beside it" if beside else ""
    hardware = f"{run.device}, {processor()}{others}"
    arguments = {
        "--title": about["title"], "--order": about["order"], "--snapshots": len(bundled_steps(name)),
        "--hardware": hardware, "--command": line, "--into": into,
    }  # fmt: skip
    words = [str(word) for pair in arguments.items() for word in pair]
    subprocess.run(
        [sys.executable, "scripts/bundle.py", run.id, name, *words],
        cwd=PROJECT, env={**os.environ, "VIT_EXPLORE_HOME": str(home / name)}, check=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(bundled_cards())}")
    parser.add_argument("--with", dest="changes", default="", help="settings in place of the card's, in one word")
    parser.add_argument("--at-once", type=int, default=1, help="how many train beside each other")
    parser.add_argument("--home", type=Path, default=PROJECT / "runs" / "bundled", help="the stores of these runs")
    parser.add_argument("--into", type=Path, default=WEIGHTS, help="the folder of the weights, snapshots and cards")
    options = parser.parse_args()
    names = options.names or list(bundled_cards())
    for name in names:
        if name not in bundled_cards():
            parser.error(f"{name} does not come with the package; choose from {', '.join(bundled_cards())}")
    home, into = options.home.resolve(), options.into.resolve()
    beside = min(options.at_once, len(names)) - 1
    with ThreadPoolExecutor(max(1, options.at_once)) as pool:
        list(pool.map(lambda name: bundle(name, home, options.changes, into, beside), names))


if __name__ == "__main__":
    main()
