"""Names made of HTML, Markdown, LaTeX and marks that turn text around are shown as they are, on every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeRun, OpenPage
from PIL import Image
from streamlit.testing.v1 import AppTest

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.runs import base
from vit_explore.runs.store import RunStore
from vit_explore.ui import site

WICKED = (
    "<img src=x onerror=alert(1)> [evil](x) $\\frac{1}{0}$ **bold** :red[x] @evil www.evil.example `code` \u202egnp"
)
CLASSES = (WICKED, "a <script>alert(2)</script> & ~b~", "_c_ #d")
ACTIVE = {  # what must not stand there without a backslash before it
    "HTML": r"<(img|script)", "link": r"\[evil\]", "formula": r"\$\\", "emphasis": r"\*\*bold", "colour": r":red\[",
    "mention": r"@evil", "code": r"`code",
}  # fmt: skip
# fields that the browser shows as text: what is typed, chosen and plotted (plots escape by themselves: test_plots.py),
# and the code of pages' notes; all others are Markdown or HTML
PLAIN = re.compile(
    r"options$|value$|default$|placeholder$|\.id$|url|key$|form_id|element_id|spec$|json|data$|data_frame|code_block|"
    r"query_string|page_script_hash|\.config$|file|user_key|format|raw_values|deprecation|css|\.js|isolate|\.alt$"
)
PAGES = [page.name for page in site.PAGES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three classes with such names; in one place for all tests, since what trained on it is kept."""
    pictures = tmp_path_factory.mktemp("wicked") / "pictures"
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        where = pictures / name.replace("/", "")
        where.mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 80, (16, 16, 3)).astype(np.uint8)
            pixels[..., label] += 100
            Image.fromarray(pixels).save(where / f"{number}.png")
    return pictures


@pytest.fixture
def settings(folder: Path) -> RunConfig:
    """A run that is called so, of such classes."""
    return RunConfig(
        name=WICKED,
        data=DataConfig(dataset="folder", path=str(folder), image_size=16),
        model=ModelConfig(width=16, depth=2, num_heads=2),
        train=TrainConfig(epochs=1, batch_size=8, device="cpu", precision="fp32", threads=1, evaluations=2),
    )


@pytest.fixture
def wicked(settings: RunConfig, make_run: MakeRun) -> str:
    """Such a run that has finished."""
    return make_run("finished", settings)


def strings(message: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a protobuf message, with the way to it."""
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if field.type == field.TYPE_MESSAGE and hasattr(one, "ListFields"):
                yield from strings(one, f"{path}.{field.name}")
            elif isinstance(one, str):
                yield f"{path}.{field.name}", one


def shown(node: Any) -> Iterator[tuple[str, str]]:
    """(kind and field, text) of all that a page shows."""
    proto = getattr(node, "proto", None)
    if hasattr(proto, "ListFields"):
        yield from strings(proto, str(node.type))
    for child in getattr(node, "children", {}).values():
        yield from shown(child)


def troubles(at: AppTest) -> list[str]:
    found = []
    for where, text in shown(at._tree):
        if "\u202e" in text:
            found.append(f"{where}: turns the text around: {text[:200]!r}")
        if PLAIN.search(where):
            continue
        for what, pattern in ACTIVE.items():
            if re.search(rf"(?<!\\){pattern}", text):
                found.append(f"{where}: {what}: {text[:300]!r}")
    return found


def test_the_test_sees_what_is_not_escaped() -> None:
    def page(name: str) -> None:
        import streamlit as st

        st.markdown(f"**{name}**")
        st.button(name)

    at = AppTest.from_function(page, args=(WICKED,)).run()
    assert len({trouble.split(":")[0] for trouble in troubles(at)}) == 2


@pytest.mark.parametrize("name", PAGES)
def test_on_every_page(open_page: OpenPage, wicked: str, name: str) -> None:
    at = open_page(name, model=f"run:{wicked}", run=wicked)
    assert not at.exception
    assert not troubles(at)


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
@pytest.mark.parametrize("name", ["train", "runs", "versus"])
def test_in_every_state(open_page: OpenPage, make_run: MakeRun, settings: RunConfig, name: str, state: str) -> None:
    run = make_run(state, settings)
    with RunStore()._writing() as connection:
        base.update(connection, run, error=None if state == "running" else WICKED.replace("\u202e", ""))
    at = open_page(name, model=f"run:{run}", run=run)
    assert not at.exception
    assert not troubles(at)


@pytest.mark.parametrize("name", PAGES)
def test_a_name_of_ten_thousand_letters(open_page: OpenPage, wicked: str, name: str) -> None:
    store = RunStore()
    with store._writing() as connection:  # as no release lets anybody call it
        base.update(connection, wicked, name=(WICKED * 120)[:10_000])
    at = open_page(name, model=f"run:{wicked}", run=wicked)
    assert not at.exception
    assert not troubles(at)
    assert max(text.count("onerror") for _, text in shown(at._tree)) < 10


@pytest.mark.parametrize("name", PAGES)
def test_in_the_address(open_page: OpenPage, name: str) -> None:
    fields = ("model", "run", "image", "class", "tab", "view", "preset", "group", "b")
    at = open_page(name, **dict.fromkeys(fields, WICKED))
    assert not at.exception
    assert not troubles(at)
