"""From the shell's command to Home painted, against an empty Streamlit app, in turn in one run.

python benchmarks/first_paint.py [--repeats 5]

The empty app is a title and a line: its first paint is the floor that Streamlit, Python and Chromium set.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from browser import cold_start
from common import heading, options, row, table
from playwright.sync_api import Page, sync_playwright

EMPTY = 'import streamlit as st\n\nst.title("Empty")\nst.write("Nothing else.")\n'


def empty_painted(page: Page) -> None:
    page.get_by_text("Nothing else.").wait_for()


def main() -> None:
    args = options(__doc__ or "", seconds=0, repeats=5).parse_args()
    heading("filling the disk cache")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        cold_start(browser)
        rounds = [(cold_start(browser, empty, empty_painted), cold_start(browser)) for _ in range(args.repeats)]
        browser.close()
    table(("what", "median", "range"))
    row("an empty Streamlit app → its text", [floor for floor, _ in rounds], "s")
    row("this app → Home painted", [home for _, home in rounds], "s")
    row("Home ÷ empty", [home / floor for floor, home in rounds])


if __name__ == "__main__":
    main()
