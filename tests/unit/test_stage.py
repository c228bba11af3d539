"""What the stage of the page Train shows: the row of numbers, the sample pictures, and the texts of its pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import streamlit as st

from vit_explore import create_model
from vit_explore.config import ModelConfig
from vit_explore.runs.references import LoadedModel
from vit_explore.ui.components import inside_view
from vit_explore.ui.pages.train import inside, live_pictures

CLASSES = tuple(f"class {i}" for i in range(10))


def samples(classes: int) -> live_pictures.Samples:
    labels = np.arange(16) % classes
    images = np.broadcast_to(labels[:, None, None, None], (16, 8, 8, 3)).astype(np.uint8)
    return live_pictures.choose_samples(images, labels, CLASSES[:classes])


@pytest.mark.parametrize(("classes", "shown"), [(2, 8), (4, 8), (8, 8), (9, 10), (10, 10)])
def test_every_class_is_on_the_stage(classes: int, shown: int) -> None:
    chosen = samples(classes)
    assert len(chosen.labels) == shown
    assert set(chosen.labels.tolist()) == set(range(classes))
    assert chosen.images[:, 0, 0, 0].tolist() == chosen.labels.tolist()


def view(probs: np.ndarray, **parts: Any) -> inside.Inside:
    return inside.Inside(7, 1, probs, picture="data:p", blocks=((1, "data:a"), (2, "data:b")), **parts)


def test_answers_are_held_against_the_truth() -> None:
    chosen = samples(4)
    probs = np.full((8, 4), 0.1, np.float32)
    probs[:, 2] = 0.7
    answers = live_pictures._answers(view(probs), chosen, pinned=3)
    assert [said.right for said in answers.said] == [False, False, True, False] * 2
    assert {said.label for said in answers.said} == {"class 2"}
    assert json.loads(json.dumps(asdict(answers)))["said"][2]["right"] is True
    assert (answers.said[0].probability, answers.aside, answers.pinned) == (0.7, "2 of 8 right", 3)


def test_probabilities_that_are_no_numbers_are_no_answer() -> None:
    answers = live_pictures._answers(view(np.full((8, 4), np.nan, np.float32)), samples(4), pinned=0)
    assert {(said.label, said.probability) for said in answers.said} == {("", 0.0)}


def test_every_picture_is_said_in_words() -> None:
    seen = view(np.eye(8, 4, dtype=np.float32), tiles="data:t", correlation=0.5)
    tiles, attention = live_pictures._tiles(seen), live_pictures._attention(seen, samples(4), maps=2)
    assert attention.shots[2].alt == "Attention of block 2 on a validation image of class class 1"
    assert all(shot.alt and shot.uri for shot in (*tiles.shots, *attention.shots))
    assert tiles.aside == "r = +0.50"


def test_what_is_not_known_yet_keeps_its_place() -> None:
    attention = live_pictures._attention(None, None, maps=6)
    answers = live_pictures._answers(None, None, 0)
    assert [shot.uri for shot in attention.shots] == [""] * 7
    assert len(answers.said) == len(samples(4).labels)
    assert [said.truth for said in live_pictures._answers(None, samples(4), 0).said] == list(CLASSES[:4]) * 2


@pytest.mark.parametrize("state", [None, {}, {"pinned": "2"}, {"pinned": 8}, {"pinned": -1}, {"pinned": None}, [3]])
def test_an_odd_pin_from_the_browser_is_the_first_picture(state: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {"k": state})
    assert inside_view.pinned("k", 8) == 0


def test_a_pin_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {"k": {"pinned": 5}})
    assert inside_view.pinned("k", 8) == 5


def test_a_look_answers_for_every_picture_and_attends_on_the_pinned_one() -> None:
    net = create_model(ModelConfig(image_size=16, width=16, depth=3, num_heads=2, num_classes=2)).eval()
    loaded = LoadedModel(net, ("a", "b"), 16, (0.5,) * 3, (0.5,) * 3, "run:abc@3")
    images = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    one, other = (inside.look_inside(loaded, 3, images, pinned) for pinned in (0, 2))
    assert one.probs.shape == (4, 2)
    np.testing.assert_allclose(one.probs.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(one.probs, other.probs)
    assert [number for number, _ in one.blocks] == [1, 2, 3]
    assert one.tiles == other.tiles
    assert one.picture != other.picture
    assert one.blocks != other.blocks
