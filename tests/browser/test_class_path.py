"""A lesson as README says it: train, then by the sidebar to each page; all of them show the run of the class."""

from __future__ import annotations

import re

from app_server import App
from playwright.sync_api import Page, expect
from test_app import no_errors


def go_to(page: Page, title: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_text(title, exact=True).click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def test_each_page_shows_the_run_that_the_class_started(page: Page, app: App) -> None:
    page.goto(f"{app.url}/train?run=new")  # also where a test before has left a run in training
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    page.wait_for_timeout(2000)  # the first visitor's browser loads the page twice: see ui/first_visit.py
    page.goto(f"{app.url}/train?run=new&model=bundled:vit-cifar10")  # what the class looked at before
    expect(page.get_by_text("Behind this page")).to_be_attached()
    page.get_by_text("Shapes: nothing to download").click()
    expect(page.get_by_role("combobox", name="Dataset")).to_have_value("Shapes")
    seconds = page.get_by_label("Seconds", exact=True)
    seconds.fill("25")
    seconds.press("Enter")
    expect(page.get_by_text("25 s", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile("model=run%3A|model=run:"))
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.wait_for_timeout(2000)  # as a teacher does: the page is drawn before the next one is clicked
    found = re.search(r"run=([0-9a-f]{4,})", page.url)
    assert found, page.url
    run = found[1]
    go_to(page, "Patches")
    head = page.locator(".st-key-model_head")
    expect(head).to_contain_text(f"run {run}")
    go_to(page, "Position embeddings")  # perhaps before its first step: then it comes by itself
    expect(head).to_contain_text(re.compile(rf"run {run} · step [\d,]+"), timeout=90_000)
    for title in ("Filters", "Attention"):
        go_to(page, title)
        expect(head).to_contain_text(re.compile(rf"run {run} · step [\d,]+"))
        no_errors(page)
    expect(page.get_by_text(re.compile("truth: .+ · says: "))).to_be_visible(timeout=60_000)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(head).to_be_visible()
    expect(head.get_by_role("button", name="Change")).to_be_visible()
    head.get_by_role("button", name="Change").click()
    expect(page.get_by_role("combobox", name=re.compile("Which model am I looking at")).last).to_be_visible()
    no_errors(page)
