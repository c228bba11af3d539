"""The benchmark of a step runs whole, in a small form: five processes that import torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_throughput_prints_every_peer_and_ratio() -> None:
    command = [sys.executable, BENCHMARKS / "throughput.py", "--preset", "shapes", "--seconds", "0.1", "--repeats", "1"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    cells = {name.strip(): value.strip() for name, value in (line.split("|")[1:3] for line in lines)}
    ratios = {name: float(value.split()[0]) for name, value in cells.items() if "÷" in name}
    peers = ("plain loop", "timm", "own products", "square")
    assert set(ratios) == {*(f"ours ÷ {peer}" for peer in peers), "mean of a whole run ÷ plain loop"}
    assert sum("half-size" in name or name.startswith("… mean") for name in cells) == 2
    rate = next(float(value.split()[0].replace(",", "")) for name, value in cells.items() if name.startswith("ours ("))
    assert all(value > 0 for value in ratios.values())
    assert rate > 0
