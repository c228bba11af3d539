"""The address of a view: what is written is read again, what is bad falls back, and only one file touches the URL."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from vit_explore.ui import site
from vit_explore.ui.session import address

PROJECT = Path(__file__).parents[2]
UI = [
    *sorted((PROJECT / "vit_explore" / "ui").rglob("*.py")),
    *sorted((PROJECT / "pages").rglob("*.py")),
    PROJECT / "app.py",
]
WORDS = [
    "run:3f2a",
    "bundled:vit-cifar10",
    "timm:vit_tiny_patch16_224@random",
    "seconds",
    "Überraschung & 100 %",
    "a=b?c#d",
]
PICTURES = ["sample:drawn-star", "dataset:cifar10:17", "run:3f2a:0", "upload:0123456789abcdef"]


def drawn(rng: random.Random) -> dict[str, object]:
    """A view at random: any fields, any values that they may have."""
    kinds = {"picture": PICTURES, "compare": ["on", "off", "bundled", "source"], "present": [True, False],
             "guess": [(), ("norm",), ("norm", "recipe")], "marks": [(0,), (30, 100)]}  # fmt: skip
    values = {
        name: rng.choice(kinds.get(name, WORDS if field.parse is address.FIELDS["tab"].parse else range(10**6)))
        for name, field in address.FIELDS.items()
    }
    return {name: values[name] for name in rng.sample(list(values), rng.randint(0, len(values)))}


@pytest.mark.parametrize("seed", range(50))
def test_what_is_written_is_read_again(seed: int) -> None:
    view = drawn(random.Random(seed))
    query = dict(parse_qsl(urlencode(address.written(view))))
    found, sentences = address.parse(query)
    assert not sentences
    assert {name: address.FIELDS[name].parse(text) for name, text in found.items()} == view
    assert list(found) == [name for name in address.FIELDS if name in view]  # always in the same order


@pytest.mark.parametrize("name", address.FIELDS)
@pytest.mark.parametrize("text", ["", "\x1b[31m", "x" * 201, "a\nb"])
def test_a_bad_value_is_left_out_in_one_sentence(name: str, text: str) -> None:
    found, sentences = address.parse({name: text, "model": "run:1"} if name != "model" else {name: text})
    assert name not in found
    (sentence,) = sentences
    assert "in the address is" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 150


@pytest.mark.parametrize("name", ["step", "layer", "head", "patch", "image_px"])
@pytest.mark.parametrize("text", ["-1", "1.5", "x", "1e3", "٣", "9" * 10, " 1"])
def test_what_is_no_number(name: str, text: str) -> None:
    assert address.parse({name: text})[0] == {}


@pytest.mark.parametrize("text", ["upload:../../etc", "upload:0123", "dataset:../x:1", "sample:", "run:1", "cat"])
def test_what_is_no_picture(text: str) -> None:
    assert address.parse({"picture": text})[0] == {}


def test_places_are_counted_from_one_as_on_the_page() -> None:
    assert address.written({"layer": 0, "head": 1, "patch": 17}) == {"layer": "1", "head": "2", "patch": "18"}
    assert address.parse({"layer": "0"})[0] == {}


def test_older_links_are_read() -> None:
    assert address.parse({"vit": "3f2a", "resnet": "9b1c"})[0] == {"one": "3f2a", "other": "9b1c"}
    assert address.parse({"sample": "Drawn star"})[0] == {"picture": "sample:drawn-star"}
    assert address.parse({"vit": "old", "one": "new"})[0] == {"one": "new"}


def test_a_link_has_what_the_page_has() -> None:
    assert address.link("attention", model="run:3f2a@40", layer=2) == {"model": "run:3f2a", "step": "40", "layer": "3"}
    assert address.link("attention", model="timm:vit_tiny@random") == {"model": "timm:vit_tiny@random"}
    with pytest.raises(ValueError, match="the page filters has no layer"):
        address.link("filters", layer=2)


def test_each_page_has_fields_that_are_there() -> None:
    for page in site.PAGES:
        assert set(page.view) <= address.FIELDS.keys()
        assert set(address.EVERYWHERE) <= set(address.belong(page.name))


@pytest.mark.parametrize("path", UI, ids=lambda p: str(p.relative_to(PROJECT)))
def test_only_the_address_touches_the_url(path: Path) -> None:
    if path == PROJECT / "vit_explore" / "ui" / "session" / "address.py":
        return
    tree = ast.parse(path.read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "query_params"]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg == "bind"]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "query_params":
            assert ast.unparse(node.value).startswith("address.link(")
