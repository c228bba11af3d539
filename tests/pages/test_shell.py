"""What holds for every page alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import MakeRun
from streamlit.testing.v1 import AppTest

from vit_explore.ui import pages, site
from vit_explore.ui.pages.home import machine
from vit_explore.ui.pages.home import page as home_page

PICTURE = "import numpy as np, streamlit as st\nst.image(np.zeros((2, 2), np.uint8), {})"


def test_a_deprecated_call_of_streamlit_fails_a_page_test() -> None:
    assert not AppTest.from_string(PICTURE.format('width="stretch"')).run().exception
    assert AppTest.from_string(PICTURE.format("use_container_width=True")).run().exception


def test_a_page_is_a_folder_a_row_and_a_file_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    project = Path(site.__file__).parents[2]
    shutil.copy(project / "app.py", tmp_path)
    shutil.copytree(project / "pages", tmp_path / "pages")
    row = site.Page("throwaway", "Start", "A throw-away page", "delete", asks="positions")
    (tmp_path / row.path).write_text("from vit_explore.ui.pages.throwaway import page\npage.show()\n")
    folder = tmp_path / "parts" / "throwaway"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "page.py").write_text("import streamlit as st\ndef show():\n    st.title('Here today')\n")
    monkeypatch.setattr(pages, "__path__", [*pages.__path__, str(tmp_path / "parts")])
    monkeypatch.setattr(site, "PAGES", (*site.PAGES, row))
    at = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=60).run()
    assert not at.exception
    at.switch_page(row.path).run()
    assert not at.exception
    assert at.title[0].value == "Here today"
    assert site.path("throwaway") == row.path
    at.query_params["run"] = make_run()
    at.switch_page(site.path("train")).run()
    assert not at.exception
    assert row.title in [
        link.proto.label for link in at.get("page_link")
    ]  # it looks inside: a run that is over leads there


def test_home_notices_that_the_worker_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    redrawn: list[bool] = []
    monkeypatch.setattr(home_page.address, "redraw", lambda: redrawn.append(True))
    monkeypatch.setattr(home_page.machine, "facts", lambda: 4 * [machine.Fact("memory", "", "", "")])
    for was, now in ((True, True), (False, False), (True, False)):
        monkeypatch.setattr(home_page.machine, "is_waking", lambda now=now: now)
        home_page.this_machine(was)
        assert redrawn == ([True] if was and not now else [])
