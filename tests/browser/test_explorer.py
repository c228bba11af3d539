"""The attention explorer alone, without an app: when it goes where Python says, and when the person's place holds."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

import vit_explore.ui.components.attention_explorer as explorer
from vit_explore.explain.results import AttentionMaps

MOUNT = """async ([source, data]) => {
  const module = await import(`data:text/javascript;base64,${source}`);
  window.sent = [];
  window.mount = (changes) => module.default({
    parentElement: document.querySelector("main"),
    data: { ...data, ...changes },
    setStateValue: (_, view) => window.sent.push(view),
  });
}"""


@pytest.fixture
def page(browser: Any) -> Any:
    context = browser.new_context(viewport={"width": 900, "height": 700})
    tab = context.new_page()
    tab.set_content('<main><div class="explorer"></div></main>')
    weights = np.random.default_rng(0).dirichlet(np.ones(5), (1, 3, 2, 5)).astype(np.float32)
    maps = AttentionMaps(weights, (2, 2), 1, True, np.zeros((1, 2), np.float32), ("class token",))
    script = Path(explorer.__file__).with_name("attention_explorer.js").read_bytes()
    data = {**explorer.pack_attention(maps), "image": explorer._png(np.zeros((8, 8, 3), np.uint8))}
    tab.evaluate(MOUNT, [base64.b64encode(script).decode(), data])
    yield tab
    context.close()


def mount(page: Page, layer: int, heard: float) -> None:
    page.evaluate(
        "changes => window.mount(changes)", {"view": {"layer": layer, "head": None, "patch": 0}, "heard": heard}
    )


def shown(page: Page) -> str:
    return page.locator(".stage .caption").inner_text().partition(",")[0]


def test_python_moves_it_though_it_never_showed_where_the_person_went(page: Page) -> None:
    """Back overtakes the script run that a choice had begun: Python says the same view as before the choice."""
    mount(page, layer=0, heard=0)
    page.get_by_role("application", name="All heads of all layers").press("ArrowRight")
    page.wait_for_function("() => window.sent.length === 1")
    mount(page, layer=0, heard=0)  # drawn again, before Python has heard
    assert shown(page) == "Layer 2"
    mount(page, layer=0, heard=page.evaluate("() => window.sent[0].sent"))
    assert shown(page) == "Layer 1"


def test_a_choice_that_is_not_sent_yet_holds(page: Page) -> None:
    mount(page, layer=0, heard=0)
    page.get_by_role("application", name="All heads of all layers").press("ArrowRight")
    mount(page, layer=2, heard=1e15)
    assert shown(page) == "Layer 2"
    page.wait_for_function("() => window.sent.length === 1")
    assert page.evaluate("() => window.sent[0].layer") == 1


def test_what_python_said_is_no_choice(page: Page) -> None:
    """Beside another explorer: a head that is chosen here does not bring back the patch from before."""
    mount(page, layer=0, heard=0)
    heads = page.get_by_role("application", name="All heads of all layers")
    heads.press("ArrowRight")
    page.wait_for_function("() => window.sent.length === 1")
    assert page.evaluate("() => window.sent[0].chosen") == ["layer"]
    heads.press("ArrowUp")  # Python has not heard of the layer yet, for all that is known here
    page.wait_for_function("() => window.sent.length === 2")
    assert page.evaluate("() => window.sent[1].chosen") == ["layer", "head"]
    heads.press("ArrowLeft")  # back to where Python was, for all that it may be on its way elsewhere by now
    page.wait_for_function("() => window.sent.length === 3")
    assert page.evaluate("() => [window.sent[2].layer, ...window.sent[2].chosen]") == [0, "layer", "head"]
    mount(page, layer=1, heard=page.evaluate("() => window.sent[2].sent"))
    heads.press("ArrowRight")
    page.wait_for_function("() => window.sent.length === 4")
    assert page.evaluate("() => window.sent[3].chosen") == ["layer"]
