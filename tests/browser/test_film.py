"""Through time: the film plays in the browser, by mouse and keyboard, and goes on playing where there is no app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from app_server import App
from playwright.sync_api import Page, expect

from vit_explore import film

COUNT = """async film => {
    const times = [];
    const seen = new MutationObserver(() => times.push(performance.now()));
    seen.observe(film, { attributes: true, attributeFilter: ['data-frame'] });
    film.querySelector('.go').click();
    const rests = () => film.querySelector('.go').getAttribute('aria-label') === 'Play';
    while (!rests()) await new Promise(done => setTimeout(done, 20));
    return times;
}"""


def frame(page: Page) -> int:
    return int(page.locator(".film").get_attribute("data-frame") or -1)


def test_it_plays_at_ten_frames_a_second_and_more(page: Page, app: App) -> None:
    page.goto(f"{app.url}/film?model=bundled:vit-cifar10&picture=sample:cat")
    expect(page.locator(".film .panel")).to_have_count(7, timeout=60_000)
    page.locator(".film .speed").select_option("fast")
    times: list[float] = page.locator(".film").evaluate(COUNT)
    assert len(times) == 10  # back to the first, then on to the last
    rate = (len(times) - 1) / (times[-1] - times[0]) * 1000
    assert rate >= 10
    _all_panels_show(page, 9)


def test_the_keyboard_moves_all_panels(page: Page, app: App) -> None:
    page.goto(f"{app.url}/film?model=bundled:vit-cifar10&picture=sample:cat")
    expect(page.locator(".film .panel")).to_have_count(7, timeout=60_000)
    slider = page.locator(".film .frames")
    slider.focus()
    slider.press("Home")
    assert frame(page) == 0
    expect(page.locator(".film .step")).to_have_text("Step 0 of 31,164")
    _all_panels_show(page, 0)
    slider.press("ArrowRight")
    assert frame(page) == 1
    _all_panels_show(page, 1)
    assert slider.get_attribute("aria-valuetext") == "Step 32 of 31,164"
    page.locator(".film .go").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".film .go")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press("Enter")
    expect(page.locator(".film .go")).to_have_attribute("aria-label", "Play")


def test_an_exported_page_plays_without_the_app(browser: Any, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    path = film.write(film.record("bundled:vit-minute", picture, frames=4), tmp_path / "film.html")
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    expect(page.locator(".film .panel")).to_have_count(7)
    assert len(page.locator(".film").evaluate(COUNT)) == 4
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not errors
    context.close()


def _all_panels_show(page: Page, number: int) -> None:
    """Of each stack of pictures exactly one is seen, and it is this one."""
    seen = page.locator(".film .stack").evaluate_all(
        "stacks => stacks.map(stack => [...stack.querySelectorAll('img')].flatMap((one, i) => one.hidden ? [] : [i]))"
    )
    assert seen == [[number]] * 4
