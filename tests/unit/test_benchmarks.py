"""The benchmarks explain themselves, take the promised flags, and the form of their tables is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = ("inside", "interface", "scale", "throughput", "ticks", "time_to_accuracy")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_the_promised_flags(script: str) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{script}.py", "--help"], capture_output=True, text=True, check=True
    )
    for flag in ("--device", "--seconds", "--repeats"):
        assert flag in done.stdout
