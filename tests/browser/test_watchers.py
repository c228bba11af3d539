"""Several sessions watch a run at the same time: the server's log stays free of exceptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from vit_explore.presets import presets

SESSIONS, SECONDS = 3, 15.0  # python benchmarks/watchers.py watches longer, with ten


def test_sessions_that_watch_leave_no_exception_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setenv("VIT_EXPLORE_HOME", str(tmp_path))
    from watchers import watched_log

    config = presets.get("shapes").config.update(device="cpu")
    watched = watched_log(tmp_path, config, SESSIONS, SECONDS)
    assert not watched.trouble, watched.log
    assert watched.state == "finished"
    assert len(watched.updates) == SESSIONS
    assert min(watched.updates) > 10  # each page was redrawn, again and again
