"""The address bar's part in the browser alone, without an app: when it completes the URL, and when it lets it be."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from vit_explore.ui.components import address_bar
from vit_explore.ui.session import address

MOUNT = """async (source) => {
  const module = await import(`data:text/javascript;base64,${source}`);
  window.mount = (data) => module.default({ parentElement: document.querySelector("main"), data });
}"""


@pytest.fixture
def page(browser: Any) -> Any:
    context = browser.new_context()
    tab = context.new_page()
    tab.route("http://app.test/**", lambda route: route.fulfill(body="<main></main>", content_type="text/html"))
    tab.goto("http://app.test/attention?model=m&embed=true")
    script = Path(address_bar.__file__).with_name("address_bar.js").read_bytes()
    tab.evaluate(MOUNT, base64.b64encode(script).decode())
    yield tab
    context.close()


def complete(page: Page, query: str, known: str, count: int, path: str = "attention") -> str:
    data = {"path": path, "query": query, "known": known, "fields": list(address.FIELDS), "count": count}
    page.evaluate("data => window.mount(data)", data)
    found: str = page.evaluate("location.search")
    return found


def test_what_the_page_settled_completes_the_url(page: Page) -> None:
    entries = page.evaluate("history.length")
    assert complete(page, "model=m&layer=3", "model=m", 1) == "?embed=true&model=m&layer=3"
    assert complete(page, "model=n", "model=m&layer=3", 2) == "?embed=true&model=n"
    assert page.evaluate("history.length") == entries


def test_its_own_completion_is_no_choice_of_the_person(page: Page) -> None:
    """A timed part asked with the URL from before the completion, and the run after it settles more."""
    assert complete(page, "model=m&layer=3", "model=m", 1) == "?embed=true&model=m&layer=3"
    assert complete(page, "model=m&layer=3&patch=5", "model=m", 2) == "?embed=true&model=m&layer=3&patch=5"


def test_a_url_that_has_gone_on_is_let_be(page: Page) -> None:
    """Drawn late: a choice after that script run is in the URL already, and its own run completes it."""
    page.evaluate("history.pushState(null, '', '?model=m&layer=3&patch=12')")
    assert complete(page, "model=m&patch=12", "model=m&patch=12", 1) == "?model=m&layer=3&patch=12"
    assert complete(page, "model=m&patch=12", "model=m", 2, path="filters") == "?model=m&layer=3&patch=12"
    assert complete(page, "model=m&patch=5", "model=m&layer=3&patch=12", 3) == "?model=m&patch=5"
