"""A chart is taken along as PNG, SVG and CSV, as it is seen: on a light page and on a dark one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from app_server import App
from PIL import Image
from playwright.sync_api import Page, expect


def saved(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=kind, exact=True).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_saved_as_it_is_seen(browser: Any, app: App, tmp_path: Path, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{app.url}/filters?model=bundled:vit-cifar10&tab=variance&compare=off")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    page.get_by_text("Save a figure").click()
    png, svg, table = (saved(page, kind, tmp_path) for kind in ("PNG", "SVG", "CSV"))
    assert [path.name for path in (png, svg, table)] == [
        f"filters-variance-bundled-vit-cifar10.{kind}" for kind in ("png", "svg", "csv")
    ]
    with Image.open(io.BytesIO(png.read_bytes())) as picture:
        corner = picture.convert("RGBA").getpixel((2, 2))
        width = page.locator(".js-plotly-plot").first.bounding_box()["width"]  # type: ignore[index]
        assert picture.width == pytest.approx(2 * width, abs=4)
    assert corner[3] == 255
    assert (min(corner[:3]) > 200) == (scheme == "light")
    words = svg.read_text(encoding="utf-8")
    assert "<svg" in words[:200]
    assert "principal component" in words
    header, first, *_ = table.read_text(encoding="utf-8").splitlines()
    assert header == "series,principal component,share of the variance"
    assert first.startswith("one component,1,0.")
    context.close()


def test_the_page_keeps_its_own_look(page: Page, app: App) -> None:
    """What is set for the saved picture is taken back: the chart on the page stays as clear as its background."""
    page.goto(f"{app.url}/filters?model=bundled:vit-cifar10&tab=variance&compare=off")
    chart = page.locator(".js-plotly-plot").first
    expect(chart).to_be_visible(timeout=60_000)
    before = chart.evaluate("plot => JSON.stringify([plot.layout.paper_bgcolor, plot.layout.font])")
    page.get_by_text("Save a figure").click()
    with page.expect_download():
        page.get_by_role("button", name="PNG", exact=True).click()
    assert chart.evaluate("plot => JSON.stringify([plot.layout.paper_bgcolor, plot.layout.font])") == before
    expect(page.locator(".modebar-btn").first).to_be_hidden()
