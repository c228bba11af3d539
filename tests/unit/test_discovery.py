"""Files that are read and not imported."""

from __future__ import annotations

import ast
import threading
import time
from typing import Any

import pytest

from vit_explore import discovery


def test_one_thread_parses_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def parse(text: str, *_: Any, **__: Any) -> ast.AST:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        inside[0] -= 1
        return ast.Module([], [])

    monkeypatch.setattr(discovery.ast, "parse", parse)
    threads = [threading.Thread(target=discovery.parsed, args=("x = 1", "x.py")) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
