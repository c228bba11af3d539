"""What every benchmark here shares: its flags, the facts about the machine, and the form of its tables."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "browser")]  # the project is not installed

PACKAGES = ("torch", "torchvision", "timm", "streamlit")
median = statistics.median


def options(doc: str, seconds: float, repeats: int = 3) -> argparse.ArgumentParser:
    """A parser with the flags that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:N or mps")
    parser.add_argument("--seconds", type=float, default=seconds, help="length of each measurement")
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds; within one, everything takes its turn")
    return parser


def heading(*excluded: str) -> None:
    """Say where and with what this is measured, and what is left out."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    busy = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    print(f"{processor()}, {os.cpu_count()} cores{busy}; Python {platform.python_version()}, {versions}")
    print("Median, smallest to largest. Not counted: " + ("; ".join(excluded) or "nothing") + ".")


def processor() -> str:
    """The CPU's name, and the GPU's where there is one."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{torch.cuda.get_device_name()}, {name}" if torch.cuda.is_available() else name


def table(columns: Sequence[str]) -> None:
    """Begin a table."""
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def row(name: str, values: Sequence[float], unit: str = "", digits: int = 2) -> None:
    """One line: median, smallest to largest."""
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    print(f"| {name} | {middle}{f' {unit}' if unit else ''} | {low} to {high} |", flush=True)
