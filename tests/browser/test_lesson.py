"""A lesson as it is given: a teacher and three students join, run, follow, guess, are refused, and take it home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import identity
import pytest
from app_server import PROJECT, free_port, stop_tree, wait_until_up
from playwright.sync_api import BrowserContext, Page, expect
from test_accessibility import examine
from test_app import no_errors

from vit_explore.ui import site

BEHIND = "Behind this page"
FORBIDDEN: list[str] = []  # what a browser said that a page wanted and might not


@dataclass(frozen=True)
class Lesson:
    """A lesson that is served: the address, the class code, the teacher's link."""

    url: str
    code: str
    teacher: str


@pytest.fixture
def lesson(tmp_path: Path) -> Iterator[Lesson]:
    """`serve`, as a teacher starts it."""
    with served(tmp_path / "home") as started:
        yield started


@contextmanager
def served(home: Path, secrets: Callable[[str], str] | None = None) -> Iterator[Lesson]:
    """A lesson of this home. secrets: the text of the file with them, for the address of the app."""
    port = free_port()
    home.mkdir()
    environment = os.environ | {"VIT_EXPLORE_HOME": str(home)}
    if secrets is not None:
        (home / "secrets.toml").write_text(secrets(f"http://127.0.0.1:{port}"))
        environment["STREAMLIT_SECRETS_FILES"] = str(home / "secrets.toml")
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "vit_explore", "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = (home / "serve.log").open("w")
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, process)
    said = (home / "serve.log").read_text()
    code, link = re.search(r"class code: (\w+)", said), re.search(r"http\S+teacher=\S+", said)
    assert code is not None
    assert link is not None
    try:
        yield Lesson(url, code[1], link[0])
    finally:
        stop_tree(process, home)


def seat(browser: Any) -> tuple[BrowserContext, Page]:
    """A browser of its own, with its own cookies; what the guard's policy forbids a page ends the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("console", lambda said: FORBIDDEN.append(said.text) if "Content Security Policy" in said.text else None)
    return context, page


def ready(page: Page) -> None:
    expect(page.get_by_text(BEHIND)).to_be_attached(timeout=60_000)


def known(page: Page) -> None:
    """Wait until the browser keeps who it is: a page that is opened before that asks again."""
    page.wait_for_function("document.cookie.includes('vit_explore_lesson=')")


def join(browser: Any, lesson: Lesson, name: str) -> Page:
    _, page = seat(browser)
    return enter(page, lesson, name)


def enter(page: Page, lesson: Lesson, name: str) -> Page:
    """Through the door, under this nickname."""
    page.goto(f"{lesson.url}/?code={lesson.code}")
    expect(page.get_by_role("heading", name="Join the lesson")).to_be_visible(timeout=60_000)
    expect(page.get_by_label("Class code")).to_have_value(lesson.code)
    page.get_by_label("Your nickname").fill(name)
    page.get_by_role("button", name="Join").click()
    ready(page)
    known(page)
    return page


def teach(browser: Any, lesson: Lesson) -> Page:
    _, page = seat(browser)
    page.goto(lesson.teacher)
    expect(page.get_by_role("heading", name="Class")).to_be_visible(timeout=60_000)
    ready(page)
    known(page)
    assert "teacher" not in page.url
    return page


def train(page: Page, lesson: Lesson, seconds: int) -> str:
    """Start a run of Shapes, with a guess; gives its id."""
    page.goto(f"{lesson.url}/train?run=new")
    ready(page)
    page.get_by_text("Shapes: nothing to download").click()
    expect(page.get_by_role("combobox", name="Dataset")).to_have_value("Shapes")
    field = page.locator(".st-key-form_seconds input")
    field.fill(str(seconds))
    field.press("Enter")
    page.get_by_text("Predict, then run:").click()
    expect(page.get_by_text("Which two will it mix up most?")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"run=(?!new)\w+"))
    found = re.search(r"run=(\w+)", page.url)
    assert found is not None
    return found[1]


def test_a_lesson_from_the_door_to_the_way_home(browser: Any, lesson: Lesson, tmp_path: Path) -> None:
    teacher = teach(browser, lesson)
    ada, bob, cem = (join(browser, lesson, name) for name in ("Ada", "Bob", "Cem <b>&amp;"))
    for name in ("Ada", "Bob", "Cem <b>&amp;"):  # as text, whatever it is
        expect(teacher.locator(".st-key-room_people").get_by_text(name, exact=True)).to_be_visible()
    expect(teacher.get_by_text("3 here")).to_be_visible()

    # they run; one who comes to another's run has no hand on it
    run = train(ada, lesson, 6)
    other = train(bob, lesson, 6)
    cem.goto(f"{lesson.url}/train?run={run}")
    expect(cem.get_by_role("button", name="Present")).to_be_visible()
    expect(cem.locator(".st-key-live_head").get_by_text("Ada")).to_be_visible()
    expect(cem.get_by_role("button", name="Stop")).to_have_count(0)
    expect(cem.get_by_role("button", name="Pause")).to_have_count(0)
    expect(ada.get_by_text("You guessed 50 %, before it began")).to_be_attached(timeout=180_000)
    expect(bob.get_by_text("You guessed 50 %, before it began")).to_be_attached(timeout=180_000)

    # what goes beyond the limits is refused, and nothing is lost
    cem.goto(f"{lesson.url}/train?run=new")
    field = cem.locator(".st-key-form_seconds input")
    field.fill("600")
    field.press("Enter")
    cem.get_by_role("button", name="Start training").click()
    expect(cem.get_by_text("In this lesson a run lasts at most 120 seconds")).to_be_visible()

    # a reload finds who one is
    ada.reload()
    expect(ada.locator(".st-key-following").get_by_text("Ada", exact=True)).to_be_visible(timeout=60_000)

    # the board has both, and the guesses
    expect(teacher.get_by_text("In the same budget")).to_be_visible()
    expect(teacher.get_by_text("What the class said before")).to_be_visible()

    # what the teacher shows opens on all screens, but on those that left
    teacher.get_by_text("Show my view to all").click()
    bob.get_by_text("Follow the teacher").click()
    teacher.get_by_role("link", name="Glossary").click()
    ready(teacher)
    for page in (ada, cem):
        expect(page.get_by_role("heading", name="Glossary")).to_be_visible(timeout=30_000)
    expect(bob.get_by_role("heading", name="Glossary")).to_have_count(0)
    bob.get_by_text("Follow the teacher").click()
    expect(bob.get_by_role("heading", name="Glossary")).to_be_visible(timeout=30_000)
    teacher.get_by_text("Show my view to all").click()

    # home: a page of one's own, and all of the class for the teacher
    ada.goto(f"{lesson.url}/train?run={run}")
    with ada.expect_download(timeout=60_000) as caught:
        ada.get_by_role("button", name="Take it home").click()
    sheet = tmp_path / "sheet.html"
    caught.value.save_as(sheet)
    context, reader = seat(browser)
    context.set_offline(True)
    reader.goto(sheet.as_uri())
    expect(reader.get_by_role("heading", name="Do it again")).to_be_visible()
    expect(reader.get_by_text("Ada", exact=False).first).to_be_visible()
    teacher.get_by_role("link", name="Class", exact=True).click()
    teacher.get_by_text("Take the lesson home").click()
    with teacher.expect_download(timeout=120_000) as caught:
        teacher.get_by_role("button", name="2 runs as a zip").click(timeout=120_000)
    packed = tmp_path / "lesson.zip"
    caught.value.save_as(packed)
    with zipfile.ZipFile(packed) as archive:
        table = archive.read("runs.csv").decode()
        assert len([name for name in archive.namelist() if name.endswith(".html")]) == 2
    assert "Ada" in table
    assert "Bob" in table
    assert other in table

    # who is removed is at the door again, and so are all when it ends
    people = teacher.locator(".st-key-room_people")
    people.get_by_role("button", name="Remove").nth(1).click()
    expect(bob.get_by_role("heading", name="Join the lesson")).to_be_visible(timeout=30_000)
    teacher.get_by_role("button", name="End the lesson").click()
    teacher.get_by_role("button", name="End it").click()
    expect(ada.get_by_text("This lesson is over.")).to_be_visible(timeout=30_000)
    for page in (teacher, ada, bob, cem):
        no_errors(page)
        page.context.close()
    assert not FORBIDDEN


def test_every_page_is_whole_behind_the_guard(browser: Any, lesson: Lesson) -> None:
    teacher = teach(browser, lesson)
    for one in site.PAGES:
        teacher.goto(f"{lesson.url}/{'' if one is site.HOME else one.name}")
        ready(teacher)
        no_errors(teacher)
    teacher.context.close()
    assert not FORBIDDEN


@pytest.mark.timeout(600)
def test_axe_finds_nothing_grave_in_a_lesson(browser: Any, lesson: Lesson) -> None:
    _, door = seat(browser)
    door.goto(f"{lesson.url}/?code={lesson.code}")
    expect(door.get_by_role("button", name="Join")).to_be_visible(timeout=60_000)
    examine(door)
    teacher, ada = teach(browser, lesson), join(browser, lesson, "Ada")
    expect(teacher.locator(".st-key-room_people").get_by_text("Ada", exact=True)).to_be_visible()
    for page in (teacher, ada):
        examine(page)
        no_errors(page)
    for page in (door, teacher, ada):
        page.context.close()


def test_who_signs_in_is_known_in_every_browser(browser: Any, tmp_path: Path) -> None:
    with identity.provider() as provider:
        secrets = partial(identity.secrets, provider, teachers=["grace@school.example"])
        with served(tmp_path / "home", secrets) as lesson:
            join_by_account(browser, lesson, is_first=True)
            join_by_account(browser, lesson, is_first=False)
            provider.person = ("grace", "Grace", "grace@school.example")
            context, grace = seat(browser)
            grace.goto(lesson.url)
            grace.get_by_role("button", name="Sign in").click()
            expect(grace.get_by_text("Show my view to all")).to_be_visible(timeout=60_000)
            no_errors(grace)
            context.close()


def join_by_account(browser: Any, lesson: Lesson, is_first: bool) -> None:
    """In a browser of its own; the code and the nickname are asked for once."""
    context, ada = seat(browser)
    ada.goto(f"{lesson.url}/?code={lesson.code}")
    ada.wait_for_function(f"document.cookie.includes('vit_explore_code={lesson.code}')")
    ada.get_by_role("button", name="Sign in").click()
    if is_first:
        expect(ada.get_by_label("Your nickname")).to_have_value("Ada", timeout=60_000)
        expect(ada.get_by_label("Class code")).to_have_value(lesson.code)
        ada.get_by_role("button", name="Join").click()
    ready(ada)
    expect(ada.locator(".st-key-following").get_by_text("Ada", exact=True)).to_be_visible()
    context.close()
