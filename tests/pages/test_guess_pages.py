"""Predict, then run: guesses on Train and on ViT vs ResNet, before, while and after a run trains."""

from __future__ import annotations

import pytest
from conftest import TINY, MakeRun, OpenPage
from streamlit.testing.v1 import AppTest

from vit_explore.runs.store import RunStore


def said(at: AppTest) -> str:
    return "\n".join(str(element.value).replace("\\", "") for element in at.markdown)


def test_a_guess_before_the_start_belongs_to_the_run(open_page: OpenPage) -> None:
    at = open_page("train")
    assert "train_guess_top1" not in {slider.key for slider in at.slider}
    at.checkbox(key="train_guesses").check().run()
    at.slider(key="train_guess_top1").set_value(64).run()
    at.selectbox(key="train_guess_one").set_value("cat").run()
    assert "cat" not in at.selectbox(key="train_guess_other").options
    at.selectbox(key="train_guess_other").set_value("bird").run()
    at.button(key="train_start").click().run()
    assert not at.exception
    (record,) = RunStore().list()
    guess = RunStore().guess_of(record.id)
    assert guess is not None
    assert (guess.top1, guess.confused, guess.progress) == (0.64, ("cat", "bird"), 0.0)


def test_no_guess_is_asked_for_and_none_is_kept(open_page: OpenPage) -> None:
    at = open_page("train")
    at.button(key="train_start").click().run()
    (record,) = RunStore().list()
    assert RunStore().guesses(record.id) == []
    assert "You guessed" not in said(at)


def test_a_late_guess_says_so_and_can_be_changed(open_page: OpenPage, make_run: MakeRun) -> None:
    run = make_run("running")
    at = open_page("train", run=run)
    at.slider(key=f"live_guess_{run}_top1").set_value(30).run()
    at.button(key="live_guess_keep").click().run()
    assert "**Your guess:** 30 %, after" in said(at)
    at.button(key="live_guess_again").click().run()
    at.slider(key=f"live_guess_{run}_top1").set_value(80).run()
    at.button(key="live_guess_keep").click().run()
    assert "**Your guess:** 80 %, after" in said(at)
    (guess,) = RunStore().guesses(run)
    assert guess.top1 == 0.8
    assert guess.progress > 0


@pytest.mark.parametrize("pair", [None, ("square", "ring")])
def test_the_result_is_held_against_the_guess(
    open_page: OpenPage, make_run: MakeRun, pair: tuple[str, str] | None
) -> None:
    at = open_page("train", run=make_run("finished", guess=(0.99, pair)))
    assert not at.exception
    assert "You guessed 99 %, before it began; it came to" in said(at)
    assert ("square and ring" in said(at)) == ("framed is your guess" in said(at)) == (pair is not None)


def test_a_race_is_guessed_and_judged(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("versus")
    at.checkbox(key="race_guesses").check().run()
    at.slider(key="race_top1_0").set_value(70).run()
    at.slider(key="race_top1_1").set_value(80).run()
    assert "wins by 10 points" in said(at)
    at.button(key="race_start").click().run()
    assert not at.exception
    guesses = {r.family: RunStore().guess_of(r.id) for r in RunStore().list()}
    assert {family: guess and guess.top1 for family, guess in guesses.items()} == {"vit": 0.7, "resnet": 0.8}


def test_at_the_end_of_a_race_stands_who_was_said_to_win(open_page: OpenPage, make_run: MakeRun) -> None:
    one = make_run("finished", guess=(0.1,))
    other = make_run("finished", TINY.update(model="resnet-slim"), guess=(0.9,))
    at = open_page("versus", one=one, other=other)
    assert not at.exception
    assert "You said: Slim ResNet by 80.0 points." in said(at)
