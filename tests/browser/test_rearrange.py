"""Rearrange it: pieces move by mouse and by keyboard, and the models answer at each move."""

from __future__ import annotations

import re

from app_server import App
from playwright.sync_api import Locator, Page, expect


def opened(page: Page, app: App) -> Locator:
    page.goto(f"{app.url}/rearrange?model=bundled:vit-cifar10&picture=sample:cat")
    cells = page.locator(".board .cell")
    expect(cells).to_have_count(16, timeout=60_000)
    expect(page.get_by_text("Of 16 pieces 0 lie elsewhere")).to_be_visible()
    expect(page.get_by_text("says ").first).to_be_visible(timeout=60_000)
    return cells


def test_a_piece_is_dragged_onto_another(page: Page, app: App) -> None:
    cells = opened(page, app)
    cells.nth(0).drag_to(cells.nth(6))
    expect(cells.nth(0)).to_have_attribute("aria-label", "Row 1, column 1: piece 7")
    expect(cells.nth(6)).to_have_attribute("aria-label", "Row 2, column 3: piece 1")
    expect(page.get_by_text("Of 16 pieces 2 lie elsewhere, 0 are turned, 0 are covered.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"· was \d+ %")).first).to_be_visible()  # both models have answered again
    assert page.get_by_text(re.compile("^ ?(still|now)|(check|close)")).count() >= 2
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Of 16 pieces 0 lie elsewhere")).to_be_visible()
    expect(page.get_by_text(re.compile(r"· was \d+ %"))).to_have_count(0)


def test_what_was_dragged_is_what_turns(page: Page, app: App) -> None:
    cells = opened(page, app)
    cells.nth(0).drag_to(cells.nth(6))
    page.get_by_role("button", name="Turn").click()
    expect(cells.nth(6)).to_have_attribute("aria-label", "Row 2, column 3: piece 1, turned by 90 degrees")
    expect(cells.nth(0)).to_have_attribute("aria-label", "Row 1, column 1: piece 7")


def test_the_board_is_as_it_was_left_when_it_comes_back(page: Page, app: App) -> None:
    cells = opened(page, app)
    cells.nth(0).drag_to(cells.nth(6))
    expect(page.get_by_text("Of 16 pieces 2 lie elsewhere")).to_be_visible()
    sides = page.locator(".st-key-rearrange_side")
    sides.get_by_text("8", exact=True).click()
    expect(cells).to_have_count(64)
    expect(page.get_by_text("Of 64 pieces 0 lie elsewhere")).to_be_visible()
    sides.get_by_text("4", exact=True).click()
    expect(cells).to_have_count(16)
    expect(page.get_by_text("Of 16 pieces 2 lie elsewhere")).to_be_visible()
    expect(cells.nth(6)).to_have_attribute("aria-label", "Row 2, column 3: piece 1")


def test_the_keyboard_does_all_of_it(page: Page, app: App) -> None:
    cells = opened(page, app)
    cells.nth(5).focus()
    for key in ("Enter", "ArrowRight", "ArrowDown", "Enter"):  # picked up, carried along, put down
        page.keyboard.press(key)
    expect(cells.nth(10)).to_have_attribute("aria-label", "Row 3, column 3: piece 6")
    expect(cells.nth(10)).to_be_focused()
    page.keyboard.press("r")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("c")
    expect(cells.nth(10)).to_have_attribute("aria-label", "Row 3, column 3: piece 6, turned by 90 degrees")
    expect(cells.nth(9)).to_have_attribute("aria-label", "Row 3, column 2: piece 10, covered")
    expect(page.get_by_text("1 are turned, 1 are covered.")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_text("1 are turned, 0 are covered.")).to_be_visible()
    expect(cells.nth(9)).to_be_focused()  # an answer takes no focus away
