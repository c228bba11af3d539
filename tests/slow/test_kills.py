"""kill -9 at named points of writing: no run is lost, and each goes on as if nothing had happened."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

KILLS = 12
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills.py"
sys.path.insert(0, str(SCRIPT.parent))


def test_a_dozen_kills_lose_no_run() -> None:
    """The whole of it: python benchmarks/kills.py --kills 100."""
    command = [sys.executable, SCRIPT, "--kills", str(KILLS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lost"] == 0
    assert found["steps"] == 48
    assert len(found["rows"]) == KILLS
    assert all(row["killed"] and row["equal"] for row in found["rows"])
    assert sum(row["resumed"] for row in found["rows"]) >= KILLS // 3
    assert {row["kill"].split(":")[0] for row in found["rows"]} >= {"train", "create", "delete"}


def test_the_plan_has_every_named_point_and_then_random_moments() -> None:
    from kill_points import POINTS, named, planned

    whole = planned(100, random.Random(0), 1.0)
    assert len(whole) == 100
    assert whole[: len(named())] == named()
    assert {kill.action for kill in whole} == set(POINTS)
    assert sum(kill.seconds > 0 for kill in whole) >= 20
