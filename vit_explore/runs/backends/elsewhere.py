"""Those who serve the store from elsewhere: workers of other machines, or a cluster. The app starts none of them."""

from __future__ import annotations

from pathlib import Path

from vit_explore.runs.backends import ELSEWHERE, backends
from vit_explore.runs.records import WorkerInfo
from vit_explore.runs.store import RunStore


class Elsewhere:
    """Those who have entered themselves: `python -m vit_explore worker` or `cluster`, started by somebody."""

    def ensure(self, home: Path | None = None) -> WorkerInfo:
        """The first of them; one that has failed where there is none."""
        first = next(iter(RunStore(home).workers()), None)
        return first or WorkerInfo("", None, "", "failed", 0.0, None)

    def devices(self) -> list[str]:
        """One for each of them."""
        return [worker.device for worker in RunStore().workers()] or ["auto"]

    def failure(self, home: Path) -> str:
        """Why nothing trains."""
        return f"Nobody trains the runs of {home}; start `python -m vit_explore worker`, or a cluster, for that folder."


backends.register(ELSEWHERE)(Elsewhere())
