"""Names and sentences reach a terminal without what it would obey."""

from __future__ import annotations

import re
import sqlite3
import unicodedata

import pytest
from run_tools import me, tiny_config

from vit_explore import cli
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig
from vit_explore.runs.naming import numbered
from vit_explore.runs.store import RunStore
from vit_explore.text import printable

EVIL = {
    "plain": ("ViT p4 d96×4 · 4 classes", "ViT p4 d96×4 · 4 classes"),
    "colour": ("\x1b[31mred\x1b[0m", "red"),
    "cursor": ("a\x1b[2J\x1b[1;1Hb", "ab"),
    "title": ("\x1b]0;owned\x07name", "name"),
    "link": ("\x1b]8;;http://x\x1b\\name\x1b]8;;\x1b\\", "name"),
    "c1 codes": ("\x9b31mred", "red"),
    "an open sequence": ("name\x1b]0;rest", "name"),
    "two characters": ("\x1bcname", "name"),
    "lone escape": ("name\x1b", "name"),
    "newline": ("one\ntwo\r\nthree", "one two three"),
    "unicode breaks": ("one\u2028two\u2029three\x85four", "one two three four"),
    "bell and backspace": ("a\x07\x08b", "a b"),
    "bidi": ("\u202egnp.exe\u202c", "gnp.exe"),
    "isolates": ("\u2066a\u2069\u200f", "a"),
    "surrogate": ("a\ud800b", "ab"),
    "emoji with joiners": ("👩‍🔬 run", "👩‍🔬 run"),
    "persian": ("می‌خواهم", "می‌خواهم"),
}


@pytest.mark.parametrize("kind", list(EVIL))
def test_what_a_terminal_would_obey_is_taken_out(kind: str) -> None:
    text, clean = EVIL[kind]
    assert printable(text) == clean
    assert printable(clean) == clean


def test_no_control_character_is_left() -> None:
    every = "".join(f"<{chr(code)}>" for code in range(0x3000))
    left = {unicodedata.category(character) for character in printable(every)}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", printable(every))


@pytest.mark.parametrize("kind", sorted(set(EVIL) - {"plain"}))
def test_names_are_cleaned_on_entry(kind: str) -> None:
    text, clean = EVIL[kind]
    store = RunStore()
    assert RunConfig(name=text).name == clean
    run = store.create(tiny_config(name=text))
    assert store.get(run).name == clean
    store.rename(run, f"again {text}")
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT name FROM runs").fetchone()[0].split() == f"again {clean}".split()


def test_a_name_of_nothing_but_codes_is_no_name() -> None:
    store = RunStore()
    run = store.create(tiny_config(name="\x1b[31m"))
    assert store.get(run).name.startswith("ViT p4")
    with pytest.raises(BadConfig, match="0 given"):
        store.rename(run, "\x1b[31m\u202e")


def test_old_rows_are_cleaned_on_output(capsys: pytest.CaptureFixture[str]) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.let_go(run, claimant.worker, "failed", "It failed\x1b[2J at \u202estep\n3.")
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE runs SET name = ?", ("\x1b[31mevil\x1b[0m\nname\u202e",))
    assert store.get(run).name == "evil name"
    for command in (
        ["runs", "list"],
        ["runs", "show", run],
        ["runs", "list", "--json"],
        ["runs", "show", run, "--json"],
    ):
        assert cli.main(command) == 0
        out = capsys.readouterr().out
        assert "evil name" in out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)
    assert cli.main(["runs", "show", "\x1b[31mno"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_numbered_name_stays_within_its_length() -> None:
    store, long = RunStore(), "x" * 120
    runs = [store.create(tiny_config(name=long)) for _ in range(3)]
    assert [store.get(run).name for run in runs] == [long, "x" * 116 + " (2)", "x" * 116 + " (3)"]
    assert numbered("a", {"a", "a (2)"}) == "a (3)"
