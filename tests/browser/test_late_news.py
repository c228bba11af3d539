"""A browser that hears late what the app has done, as in a full room: it keeps its page whole and what was chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, WebSocketRoute, expect
from test_app import no_errors
from test_lesson import Lesson, enter, ready, seat, served, teach

from vit_explore.ui.kit.following import EVERY

ROUNDS = 3 * EVERY * 1000  # milliseconds in which a page asks three times whether the teacher shows something


class Line:
    """What the app says to one browser, which hears nothing while `holds`."""

    def __init__(self, page: Page) -> None:
        self.holds = False
        self._kept: list[str | bytes] = []
        page.route_web_socket(re.compile("_stcore/stream"), self._open)

    def _open(self, browser: WebSocketRoute) -> None:
        self._browser = browser
        browser.connect_to_server().on_message(self._hear)

    def _hear(self, message: str | bytes) -> None:
        if self.holds:
            self._kept.append(message)
        else:
            self._browser.send(message)

    def release(self) -> None:
        self.holds = False
        for message in self._kept:
            self._browser.send(message)


@contextmanager
def late(browser: Any, home: Path) -> Iterator[tuple[Lesson, Page, Page, Line]]:
    """A lesson with its teacher, and Bob, whose line can be held; no page of theirs has shown an error at the end."""
    with served(home) as lesson:
        teacher = teach(browser, lesson)
        _, bob = seat(browser)
        line = Line(bob)
        enter(bob, lesson, "Bob")
        yield lesson, teacher, bob, line
        for page in (teacher, bob):
            no_errors(page)
            page.context.close()


def test_a_page_comes_whole_to_who_hears_late_that_it_was_opened(browser: Any, tmp_path: Path) -> None:
    with late(browser, tmp_path / "home") as (_, teacher, bob, line):
        teacher.get_by_text("Show my view to all").click()
        expect(bob.get_by_role("heading", name="Class")).to_be_visible()
        ready(bob)
        line.holds = True
        teacher.get_by_role("link", name="Glossary").click()
        ready(teacher)
        bob.wait_for_timeout(ROUNDS)
        expect(bob.get_by_role("heading", name="Glossary")).to_have_count(0)
        line.release()
        bob.wait_for_timeout(ROUNDS)
        expect(bob.get_by_role("heading", name="Glossary")).to_be_visible()
        ready(bob)


def test_a_preset_stays_chosen_where_the_page_is_drawn_again_before_one_hears(browser: Any, tmp_path: Path) -> None:
    with late(browser, tmp_path / "home") as (lesson, teacher, bob, line):
        for page in (teacher, bob):
            page.goto(f"{lesson.url}/train?run=new")
            ready(page)
        expect(bob.get_by_role("combobox", name="Dataset")).to_have_value("CIFAR-10")
        bob.wait_for_timeout(ROUNDS)  # what the page waits for is there
        line.holds = True
        bob.get_by_text("Shapes: nothing to download").click()
        bob.wait_for_timeout(1000)
        teacher.get_by_text("Show my view to all").click()  # the same page: it is drawn again where it is followed
        bob.wait_for_timeout(ROUNDS)
        line.release()
        bob.wait_for_timeout(ROUNDS)
        expect(bob.get_by_role("combobox", name="Dataset")).to_have_value("Shapes")
        expect(bob.locator(".st-key-train_start_box")).to_contain_text("Ten drawn shapes")
