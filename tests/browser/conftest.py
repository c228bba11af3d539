"""A real server, a real browser: the app as a person meets it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from app_server import App, start, stop_tree

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a free port with an empty home."""
    home = tmp_path_factory.mktemp("home")
    process, url = start(home)
    yield App(url, home)
    stop_tree(process, home)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Headless Chromium, the system's own."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the browser tests are skipped")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # torch may still be waking up, and other work may hold the cores
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: object, app: App) -> Iterator[object]:
    """A fresh tab, 1440 × 900; fails the test when the page's own script fails."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.set_default_timeout(30_000)
    yield tab
    context.close()
    assert not errors
