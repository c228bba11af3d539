"""The address is the view: a copy of it, Back and Forward, a reload and the navigation, in a real browser."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from app_server import App
from playwright.sync_api import Page, expect
from test_app import no_errors, photo

MODEL = "bundled:vit-cifar10"  # it comes with the package, with its snapshots
WATCH_HISTORY = """
const push = history.pushState.bind(history);
history.pushState = (...all) => { window.pushed = (window.pushed || 0) + 1; push(...all); };
"""


def fields(page: Page) -> dict[str, str]:
    """What the address says, asked of the page itself: Playwright's `page.url` hears of a change a moment later."""
    return dict(parse_qsl(page.evaluate("location.search.slice(1)")))


def wait_for(page: Page, **wanted: str | None) -> None:
    """Until the address says so; None for a field that it does not have."""
    parts = [f"f.get({name!r}) {'==='} {'null' if value is None else repr(value)}" for name, value in wanted.items()]
    page.wait_for_function(f"() => {{ const f = new URL(location.href).searchParams; return {' && '.join(parts)}; }}")


def settle(page: Page) -> None:
    """Until the address has stood still for a second and a half: nothing that was chosen is still on its way."""
    page.wait_for_function(
        "() => { const now = performance.now();"
        " if (window.heldAt !== location.href) { window.heldAt = location.href; window.heldSince = now; }"
        " return now - window.heldSince > 1500; }"
    )


def caption(page: Page) -> str:
    """What the explorer says it shows: layer, head and patch."""
    shown = page.locator(".explorer .stage .caption").last
    expect(shown).to_contain_text("attention from", timeout=60_000)
    return re.sub(r"\. .*", "", shown.inner_text())


def tab(page: Page) -> str:
    return page.get_by_role("tab", selected=True).inner_text()


def choose_in_the_explorer(page: Page) -> None:
    """The fourth patch of the second row, then the second head of the third layer."""
    page.get_by_role("application", name=re.compile("^Attention map")).last.focus()
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    page.get_by_role("application", name=re.compile("^All heads")).last.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    for _ in range(13):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")


def test_opening_a_page_makes_no_entry_of_its_own(page: Page, app: App) -> None:
    page.add_init_script(WATCH_HISTORY)
    for path in ("", "attention", "patches"):
        page.goto(f"{app.url}/{path}")
        expect(page.get_by_text("Behind this page")).to_be_visible()
        page.wait_for_function("() => location.search.includes('model=')")
        assert page.evaluate("window.pushed || 0") == 0


def test_a_copied_address_is_the_same_view(page: Page, app: App, browser: Any) -> None:
    page.goto(f"{app.url}/attention?model={MODEL}")
    wait_for(page, model=MODEL)
    page.get_by_text("Samples", exact=True).click()  # where its data are, it opens on an image of them
    page.get_by_text("Drawn heart", exact=True).first.click()
    wait_for(page, picture="sample:drawn-heart")
    settle(page)  # a person looks at the picture first; a key in the middle of a rerun may be lost
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => location.search.includes('step=')")
    settle(page)
    choose_in_the_explorer(page)
    wait_for(page, patch="12", layer="3", head="2")
    seen, address = caption(page), page.evaluate("location.href")
    assert "Layer 3, head 2" in seen
    assert "row 2, column 4" in seen
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = context.new_page()
    other.goto(address)
    assert caption(other) == seen
    assert fields(other) == fields(page)
    assert other.get_by_text("Snapshot at step").inner_text() == page.get_by_text("Snapshot at step").inner_text()
    no_errors(other)
    other.get_by_role("tab", name="Rollout").click()
    wait_for(other, tab="attention_rollout", layer="3")
    third = context.new_page()
    third.goto(other.url)
    expect(third.get_by_text("All layers together")).to_be_visible()
    assert tab(third) == "Rollout"
    context.close()


def test_back_and_forward_restore_the_view(page: Page, app: App) -> None:
    page.goto(f"{app.url}/filters?model={MODEL}")
    wait_for(page, model=MODEL)
    page.get_by_role("tab", name="Raw filters").click()
    wait_for(page, tab="raw")
    page.get_by_role("tab", name="Explained variance").click()
    wait_for(page, tab="variance")
    page.get_by_test_id("stSidebarNav").get_by_text("Attention").click()
    expect(page.get_by_role("heading", name="Attention", exact=True)).to_be_visible()
    wait_for(page, model=MODEL, tab=None)
    assert tab(page) == "Heads"  # the tab of the other page stays behind
    for step, title, shown in (
        ("back", "Filters", "Explained variance"),
        ("back", "Filters", "Raw filters"),
        ("back", "Filters", "Principal components"),
        ("forward", "Filters", "Raw filters"),
        ("forward", "Filters", "Explained variance"),
        ("forward", "Attention", "Heads"),
    ):
        page.go_back() if step == "back" else page.go_forward()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page.get_by_role("tab", name=shown)).to_have_attribute("aria-selected", "true")
        no_errors(page)


def test_back_takes_a_patch_and_a_head_back(page: Page, app: App) -> None:
    page.goto(f"{app.url}/positions?compare=off&model={MODEL}")
    tiles = page.locator(".js-plotly-plot").first
    expect(tiles).to_be_visible()
    expect(page.get_by_text("Noise floor").first).to_be_visible()
    page.locator(".js-plotly-plot .drag").first.click(position={"x": 40, "y": 40})
    wait_for(page, patch="1")
    page.go_back()
    wait_for(page, patch=None)
    page.goto(f"{app.url}/attention?model={MODEL}&layer=2&patch=4")
    first = caption(page)
    choose_in_the_explorer(page)
    wait_for(page, patch="12", layer="3", head="2")
    settle(page)  # on a busy machine a key on the way there may still be heard, and be an entry after this one
    for _ in range(40):  # one step back for each choice; quick ones may have become one
        before = page.evaluate("location.href")
        page.go_back()
        page.wait_for_function(f"() => location.href !== {before!r}")
        here = fields(page)
        if (here.get("layer"), here.get("patch"), here.get("head")) == ("2", "4", None):
            break
    wait_for(page, layer="2", patch="4", head=None)
    expect(page.locator(".explorer .stage .caption").last).to_contain_text("Layer 2, mean of the heads")
    assert caption(page) == first
    page.get_by_role("application", name=re.compile("^Attention map")).last.focus()
    page.keyboard.press("ArrowRight")  # chosen before, and gone back from: it is a choice again
    wait_for(page, patch="5", layer="2")
    no_errors(page)


def test_two_quick_choices_end_at_the_last(page: Page, app: App) -> None:
    page.goto(f"{app.url}/filters?model={MODEL}")
    expect(page.get_by_text("Behind this page")).to_be_visible()
    for name in ("Raw filters", "Explained variance", "Raw filters", "Explained variance"):
        page.get_by_role("tab", name=name).click(no_wait_after=True)
    wait_for(page, tab="variance")
    page.wait_for_timeout(3000)
    assert tab(page) == "Explained variance"
    assert fields(page)["tab"] == "variance"


def test_the_navigation_keeps_model_step_and_picture(page: Page, app: App) -> None:
    page.goto(
        f"{app.url}/attention?model={MODEL}&step=0&picture=sample:drawn-ring&tab=attention_rollout&layer=2&patch=5"
    )
    expect(page.get_by_text("All layers together")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_text("Position embeddings").click()
    wait_for(page, model=MODEL, step="0", patch=None, layer=None, tab=None, picture=None)
    page.get_by_test_id("stSidebarNav").get_by_text("Patches").click()
    wait_for(page, model=MODEL, step="0", picture="sample:drawn-ring", patch=None)
    no_errors(page)


def test_an_upload_survives_a_reload_and_travels_with_the_address(page: Page, app: App, browser: Any) -> None:
    page.goto(f"{app.url}/patches")
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files({"name": "disc.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    page.wait_for_function("() => location.search.includes('picture=upload')")
    expect(page.get_by_test_id("stImage").first).to_be_visible()
    before = page.get_by_test_id("stImage").first.screenshot()
    page.reload()
    expect(page.get_by_test_id("stImage").first).to_be_visible()
    expect(page.get_by_text("Behind this page")).to_be_visible()
    assert "picture=upload" in page.url
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("Behind this page")).to_be_visible()
    expect(other.get_by_text("first sample instead")).to_have_count(0)
    other.wait_for_timeout(500)
    assert other.get_by_test_id("stImage").first.screenshot() == before
    other.goto(f"{app.url}/patches?picture=upload:0123456789abcdef")
    expect(other.get_by_text("does not have the picture 0123456789abcdef")).to_be_visible()
    expect(other.get_by_text("Behind this page")).to_be_visible()
    context.close()
