"""Guesses: one of each person, kept before a run's end and held against it afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from run_tools import evaluated, finished, me, snapshot, started, step, tiny_config

from vit_explore.errors import BadConfig, BadRunState, RunNotFound
from vit_explore.runs.guesses import Guess
from vit_explore.runs.store import RunStore
from vit_explore.training.metrics import most_confused
from vit_explore.ui.kit import guessing
from vit_explore.ui.pages.versus.comparison import guessed_winner

CLASSES = ("cat", "dog", "ship")
MIXED = np.array([[50, 30, 2], [25, 60, 4], [1, 9, 70]])


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def test_a_guess_is_kept_and_changed_until_the_run_is_over(store: RunStore) -> None:
    claimant = me()
    run = store.create(tiny_config())
    assert store.guess_of(run) is None
    first = store.guess(run, 0.7, ("cat", "dog"))
    assert (first.progress, store.guess_of(run)) == (0.0, first)
    record = store.claim(claimant)
    assert record is not None
    store.record_all(run, [started(), snapshot(0), step(1), evaluated(1)])
    late = store.guess(run, 0.8)
    assert store.guesses(run) == [late]
    assert late.confused is None
    assert late.progress == pytest.approx(store.steps(run)["progress"][-1])
    store.record(run, finished(1))
    store.let_go(run, claimant.worker, "finished")
    with pytest.raises(BadRunState, match="before the end"):
        store.guess(run, 0.9)
    assert store.guesses(run) == [late]


def test_each_person_has_one(store: RunStore) -> None:
    run = store.create(tiny_config())
    for person, top1 in (("ada", 0.5), ("bob", 0.6), ("ada", 0.4)):
        store.guess(run, top1, person=person)
    assert [(guess.person, guess.top1) for guess in store.guesses(run)] == [("bob", 0.6), ("ada", 0.4)]
    store.delete(run)
    assert store.guesses(run) == []


@pytest.mark.parametrize("wrong", [(1.2, None), (-0.1, None), (0.5, ("cat", "cat"))])
def test_what_cannot_be_is_refused(store: RunStore, wrong: tuple[float, tuple[str, str] | None]) -> None:
    run = store.create(tiny_config())
    with pytest.raises(BadConfig):
        store.guess(run, *wrong)
    with pytest.raises(RunNotFound):
        store.guess("none", 0.5)


def test_the_classes_that_are_mixed_up_most() -> None:
    assert most_confused(MIXED) == (0, 1)
    assert most_confused(np.array([[5, 0, 1], [0, 5, 0], [7, 0, 5]])) == (0, 2)
    assert most_confused(np.diag([3, 4, 5])) is None


def test_how_a_guess_is_judged() -> None:
    early, late = Guess("", 0.7), Guess("", 0.7, progress=0.25)
    assert guessing.how_near(early, 0.743) == "You guessed 70 %, before it began; it came to 74.3 %: 4.3 points more"
    assert (
        guessing.how_near(late, 0.6)
        == "You guessed 70 %, after 25 % of its budget; it came to 60.0 %: 10.0 points less"
    )
    assert guessing.how_near(early, 0.705).endswith("as you said")
    assert guessing.which_pair(("dog", "cat"), MIXED, CLASSES) == "It does mix up dog and cat most: 55 images."
    assert guessing.which_pair(("dog", "ship"), MIXED, CLASSES) == (
        "You said dog and ship (13 images); it mixes up cat and dog most (55 images)."
    )
    assert "mixes up nothing" in guessing.which_pair(("dog", "ship"), np.diag([3, 4, 5]), CLASSES)
    assert guessing.pair_of(Guess("", 0.7, ("ship", "cat")), CLASSES) == (2, 0)
    assert guessing.pair_of(Guess("", 0.7, ("ship", "horse")), CLASSES) is None
    assert guessing.pair_of(None, CLASSES) is None


def test_who_was_said_to_win() -> None:
    def said(one: float, other: float, *top1: float) -> str:
        return guessed_winner(("ViT", "ResNet"), (Guess("", one), Guess("", other)), top1)

    assert said(0.7, 0.6, 0.72, 0.7) == "You said: ViT by 10.0 points. Right: ViT by 2.0 points."
    assert said(0.7, 0.6, 0.5, 0.7) == "You said: ViT by 10.0 points. It is: ResNet by 20.0 points."
    assert said(0.7, 0.7, 0.5, 0.7) == "You said: both alike. It is: ResNet by 20.0 points."
    assert said(0.7, 0.7, 0.5, 0.5) == "You said: both alike. Right: both alike."
