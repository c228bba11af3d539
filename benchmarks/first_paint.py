"""From the shell's command to Home painted, against an empty Streamlit app, in turn in one run.

python benchmarks/first_paint.py [--repeats 5] [--beside FOLDER]

The empty app is a title and a line: its first paint is the floor that Streamlit, Python and Chromium set. `--beside`: a
checkout of another release of this app, measured in turn with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from browser import cold_start
from common import heading, options, row, table
from playwright.sync_api import Page, sync_playwright

EMPTY = 'import streamlit as st\n\nst.title("Empty")\nst.write("Nothing else.")\n'


def empty_painted(page: Page) -> None:
    page.get_by_text("Nothing else.").wait_for()


def main() -> None:
    parser = options(__doc__ or "", seconds=0, repeats=5)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a checkout of another release")
    args = parser.parse_args()
    heading("filling the disk cache")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        starts: dict[str, Callable[[], float]] = {
            "an empty Streamlit app → its text": lambda: cold_start(browser, empty, empty_painted),
            "this app → Home painted": lambda: cold_start(browser),
        }
        if args.beside:
            starts["the app beside it → Home painted"] = lambda: cold_start(browser, args.beside.resolve() / "app.py")
        for start in starts.values():
            start()
        rounds = [[start() for start in starts.values()] for _ in range(args.repeats)]
        browser.close()
    table(("what", "median", "range"))
    for name, values in zip(starts, zip(*rounds, strict=True), strict=True):
        row(name, values, "s")
    row("Home ÷ empty", [home / floor for floor, home, *_ in rounds])
    if args.beside:
        row("Home ÷ Home beside it", [home / other for _, home, other in rounds])


if __name__ == "__main__":
    main()
