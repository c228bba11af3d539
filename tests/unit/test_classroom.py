"""A lesson in the store: who may join, who may change what, whose turn it is, and who makes room."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from run_tools import FakeTrainer, checkpoint, finished, me, on_a_file, snapshot, started, step, tiny_config

from vit_explore.classroom.throttle import Throttle
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadRunState, NotAllowed
from vit_explore.runs import lessons as lessons_module
from vit_explore.runs import pulse, schema
from vit_explore.runs.fair import SLICE_SECONDS, expected_wait, in_turns
from vit_explore.runs.lessons import Lessons, Person
from vit_explore.runs.policy import TEACHER, Actor, Limits, check_model_name
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.store import RunStore

SHORT = tiny_config(seconds=5)
ADA, BOB = Actor("ada"), Actor("bob")
HEAD = Actor(TEACHER, is_teacher=True)


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture
def lessons() -> Lessons:
    return Lessons()


# ------------------------------------------------------------------ who may change what


def changes(run: str) -> dict[str, Any]:
    return {
        "stop": lambda s: s.request_stop(run),
        "rename": lambda s: s.rename(run, "mine"),
        "set": lambda s: s.control(run, paused=True),
        "delete": lambda s: s.delete(run),
        "resume": lambda s: s.resume(run),
    }


@pytest.mark.parametrize("deed", list(changes("")))
def test_a_student_changes_only_runs_of_their_own(store: RunStore, deed: str) -> None:
    for owner in (BOB, HEAD, None):
        run = store.acting_as(owner).create(SHORT)
        if deed == "resume":
            store.request_stop(run)
        before = store.get(run)
        with pytest.raises(NotAllowed, match="not yours"):
            changes(run)[deed](store.acting_as(ADA))
        assert store.get(run) == before
    mine = store.acting_as(ADA).create(SHORT)
    for who in (ADA, HEAD) if deed != "delete" else (ADA,):
        if deed == "resume":
            store.request_stop(mine)
        changes(mine)[deed](store.acting_as(who))


def test_a_run_belongs_to_who_starts_it_whatever_is_said(store: RunStore) -> None:
    run = store.acting_as(ADA).create(SHORT, owner="bob")
    assert store.get(run).owner == "ada"
    again = store.acting_as(BOB).duplicate(run)
    assert store.get(again).owner == "bob"
    assert store.acting_as(HEAD).get(store.acting_as(HEAD).create(SHORT)).owner == TEACHER
    assert store.get(store.create(SHORT)).owner is None


def test_a_guess_is_that_of_who_acts(store: RunStore) -> None:
    run = store.create(SHORT)
    store.acting_as(ADA).guess(run, 0.5, person="bob")
    assert [guess.person for guess in store.guesses(run)] == ["ada"]
    assert store.acting_as(BOB).guess_of(run) is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (tiny_config(epochs=2), "counts epochs"),
        (SHORT.update(seconds=500), "at most 120 seconds"),
        (SHORT.update(width=1024, depth=12), "parameters"),
        (SHORT.update(dataset="folder", path="/etc"), "only the teacher names a folder"),
        (SHORT.update(init_from="/secret/weights.safetensors"), "only the teacher opens"),
    ],
)
def test_a_student_starts_only_what_the_limits_allow(store: RunStore, config: RunConfig, said: str) -> None:
    student = store.acting_as(ADA)
    with pytest.raises(NotAllowed, match=said):
        student.check_start([config])
    assert store.list() == []
    store.acting_as(HEAD).check_start([config])
    store.check_start([config])


def test_a_student_has_only_so_many_runs_at_a_time(store: RunStore) -> None:
    student = store.acting_as(Actor("ada", limits=Limits(runs=2)))
    with pytest.raises(NotAllowed, match="at most 2 runs"):
        student.check_start([SHORT] * 3)
    first = student.create(SHORT)
    student.create(SHORT)
    for start in (lambda: student.create(SHORT), lambda: student.duplicate(first)):
        with pytest.raises(NotAllowed, match="2 of yours train or wait"):
            start()
    student.request_stop(first)
    with pytest.raises(NotAllowed):
        student.check_start([SHORT] * 2)
    student.resume(first)
    store.acting_as(BOB).create(SHORT)
    assert len(store.list()) == 3


def test_a_zip_that_was_uploaded_is_no_folder_of_the_server(store: RunStore) -> None:
    uploaded = store.home / "data" / "uploads" / "shoes.zip"
    store.acting_as(ADA).check_start([SHORT.update(dataset="folder", path=str(uploaded))])
    with pytest.raises(NotAllowed):
        store.acting_as(ADA).check_start([SHORT.update(dataset="folder", path=f"{uploaded}/../../../..")])


@pytest.mark.parametrize(
    "name", ["timm:vit_tiny_patch16_224", "vit", "run:3f2a", "run:3f2a@40", "bundled:vit-cifar10", None]
)
def test_names_that_a_student_may_give(name: str | None) -> None:
    check_model_name(name)


@pytest.mark.parametrize(
    "name", ["timm:hf-hub:someone/x", "hf-hub:x", "timm:local-dir:/x", "/etc/passwd", "a.safetensors"]
)
def test_names_that_only_the_teacher_may_give(name: str) -> None:
    with pytest.raises(NotAllowed, match="only the teacher"):
        check_model_name(name)


def test_a_student_rebuilds_nothing(store: RunStore) -> None:
    with pytest.raises(NotAllowed, match="only the teacher"):
        store.acting_as(ADA).rebuild()
    assert store.acting_as(HEAD).rebuild().entered == ()


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"parameters": -1}, {"runs": 0}, {"seconds": 1e9}])
def test_limits_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(BadConfig):
        Limits(**wrong)  # type: ignore[arg-type]


# ------------------------------------------------------------------ whose turn it is


@dataclass(frozen=True)
class Queued:
    owner: str | None
    position: int


def turns(text: str, served: dict[str | None, float] | None = None) -> str:
    """The order of runs whose owners are letters, in the order in which they came."""
    return "".join(str(row.owner) for row in in_turns([Queued(o, i) for i, o in enumerate(text, 1)], served or {}))


def test_owners_take_turns() -> None:
    assert turns("aaabbc") == "abcaba"
    assert turns("aaaaaaaaab") == "abaaaaaaaa"
    assert turns("ab", {"a": 5.0}) == "ba"
    assert turns("aab", {"a": 5.0, "b": 9.0}) == "aba"
    assert turns("") == ""


def test_one_owner_is_served_in_order() -> None:
    rows = [Queued(None, i) for i in (4, 2, 9)]
    assert [row.position for row in in_turns(rows, {None: 3.0})] == [2, 4, 9]


def test_nobody_waits_for_more_than_one_run_of_each_other() -> None:
    order = turns("a" * 20 + "b" * 20 + "c" + "d" * 3)
    assert order[:4] == "abcd"
    for owner in "abd":
        at = [i for i, one in enumerate(order[:12]) if one == owner]
        assert all(second - first <= 4 for first, second in pairwise(at))


def test_the_queue_of_the_store_is_fair(store: RunStore) -> None:
    long = Limits(runs=9)
    ada, bob = (store.acting_as(Actor(name, limits=long)) for name in ("ada", "bob"))
    first, second, third = (ada.create(SHORT) for _ in range(3))
    other = bob.create(SHORT)
    assert [store.get(run).place for run in (first, second, third, other)] == [1, 3, 4, 2]
    claimant = me()
    for run in (first, other, second, third):
        assert store.claim_id(claimant) == run
        store.let_go(run, claimant.worker, "stopped")


def test_the_teacher_orders_the_queue(store: RunStore) -> None:
    runs = [store.acting_as(Actor(name)).create(SHORT) for name in ("ada", "bob", "eve")]
    head = store.acting_as(HEAD)
    head.put_first(runs[2])
    assert [store.get(run).place for run in runs] == [2, 3, 1]
    head.put_first(runs[1])
    assert [store.get(run).place for run in runs] == [3, 1, 2]
    head.put_last(runs[1])
    assert [store.get(run).place for run in runs] == [2, 3, 1]
    with pytest.raises(NotAllowed, match="only the teacher"):
        store.acting_as(ADA).put_first(runs[0])
    store.request_stop(runs[0])
    with pytest.raises(BadRunState, match="only one that waits"):
        head.put_first(runs[0])


def test_the_expected_wait_counts_slices_where_owners_take_turns() -> None:
    assert expected_wait([20.0], [60.0, 60.0], is_shared=False) == 140.0
    assert expected_wait([20.0], [600.0, 10.0], is_shared=True) == 20.0 + SLICE_SECONDS + 10.0
    assert expected_wait([], [], is_shared=True) == 0.0
    assert expected_wait([10.0, 10.0], [20.0], is_shared=False) == 20.0
    assert expected_wait([None], [], is_shared=False) is None
    assert expected_wait([None], [], is_shared=True) is None


# ------------------------------------------------------------------ who makes room


class Endless(FakeTrainer):
    """Trains until it may keep a checkpoint, again and again."""

    def events(self) -> Any:
        yield started(resumed_at=self.step)
        yield snapshot(self.step)
        while not self.should_stop():
            self.step += 1
            yield step(self.step)
            if self.wants_checkpoint():
                yield checkpoint(self.step)
            time.sleep(0.01)
        yield finished(self.step, stopped=True)


def serve_once(store: RunStore, trainer: Any) -> tuple[str, str]:
    claimant = me()
    with Pulse(store, claimant, registered=True) as beat:
        record = store.claim(claimant)
        assert record is not None
        return record.id, train_run(store, record, beat, threading.Event(), make_trainer=trainer).state


def test_a_long_run_makes_room_after_its_slice_and_goes_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "SLICE_SECONDS", 0.3)
    long, short = store.acting_as(ADA).create(SHORT), store.acting_as(BOB).create(SHORT)
    assert serve_once(store, Endless()) == (long, "queued")
    record = store.get(long)
    assert (record.state, record.place, record.error, record.ended) == ("queued", 2, None, None)
    assert record.has_checkpoint
    reached = record.step or 0
    assert serve_once(store, FakeTrainer()) == (short, "finished")
    trainer = Endless()
    threading.Timer(1.0, lambda: store.request_stop(long)).start()
    assert serve_once(store, trainer) == (long, "stopped")  # nobody waits any more: it is left alone
    assert (store.get(long).step or 0) > reached


def test_a_run_makes_no_room_while_the_queue_is_held(store: RunStore, lessons: Lessons) -> None:
    run, _ = store.acting_as(ADA).create(SHORT), store.acting_as(BOB).create(SHORT)
    lesson = lessons.begin().lesson
    assert store.claim_id(me()) == run
    assert store.is_waited_for(run)
    lessons.hold(lesson.id, True)
    assert not store.is_waited_for(run)


def test_a_paused_run_that_gave_way_takes_no_turn_until_it_goes_on(store: RunStore) -> None:
    ada, bob = store.acting_as(ADA), store.acting_as(BOB)
    claimant, paused, other = me(), ada.create(SHORT), bob.create(SHORT)
    assert store.claim_id(claimant) == paused
    ada.control(paused, paused=True)
    assert store.is_waited_for(paused)
    assert store.requeue(paused, claimant.worker) == "queued"
    assert store.claim_id(claimant) == other
    assert not store.is_waited_for(other)
    store.let_go(other, claimant.worker, "finished")
    assert store.claim_id(claimant) is None
    ada.control(paused, paused=False)
    assert store.claim_id(claimant) == paused


def test_a_run_that_was_asked_to_stop_does_not_wait_for_another_turn(store: RunStore) -> None:
    claimant, run = me(), store.create(SHORT)
    assert store.claim_id(claimant) == run
    store.request_stop(run)
    assert store.requeue(run, claimant.worker) == "stopped"
    assert store.get(run).state == "stopped"
    assert store.claim_id(claimant) is None


@pytest.mark.parametrize("owner", [None, "ada"])
def test_a_run_makes_no_room_for_its_own_owner(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, owner: str | None
) -> None:
    monkeypatch.setattr(pulse, "SLICE_SECONDS", 0.1)
    run, _ = (store.create(SHORT, owner=owner) for _ in range(2))
    threading.Timer(1.2, lambda: store.request_stop(run)).start()
    assert serve_once(store, Endless()) == (run, "stopped")


def test_no_run_starts_while_the_teacher_holds_the_queue(store: RunStore, lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    run = store.create(SHORT)
    lessons.hold(lesson.id, True)
    assert store.claim_id(me()) is None
    assert lessons.get(lesson.id).is_paused
    lessons.hold(lesson.id, False)
    assert store.claim_id(me()) == run


def test_a_lesson_whose_server_is_gone_holds_nothing(store: RunStore, lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    lessons.hold(lesson.id, True)
    store.create(SHORT)
    with store._writing() as connection:
        connection.execute(sa.update(schema.lessons).values(pid_started=1.0))
    assert store.claim_id(me()) is not None


# ------------------------------------------------------------------ who is in the room


def test_students_join_with_the_code_and_a_nickname(lessons: Lessons) -> None:
    begun = lessons.begin()
    lesson = begun.lesson
    assert set(lesson.code) <= set(lessons_module.CODE_LETTERS)
    person, token = lessons.join(lesson.id, f" {lesson.code.lower()} ", "  Ada \x1b[31m Lovelace ")
    assert person.nickname == "Ada Lovelace"
    assert lessons.person(lesson.id, token) == person
    assert [one.nickname for one in lessons.people(lesson.id)] == ["Ada Lovelace"]
    assert lessons.names([person.id, None, TEACHER]) == {person.id: "Ada Lovelace", TEACHER: "Teacher"}
    assert person.actor(lesson) == Actor(person.id, False, lesson.limits)
    with pytest.raises(NotAllowed, match="not the code"):
        lessons.join(lesson.id, "WRONG", "Bob")
    for taken in ("ada lovelace", "TEACHER"):
        with pytest.raises(BadConfig, match="called"):
            lessons.join(lesson.id, lesson.code, taken)


@pytest.mark.parametrize("name", ["", "   ", "x" * 25, "\u200b", "\x1b[2J", "\u202e"])
def test_nicknames_that_cannot_be(lessons: Lessons, name: str) -> None:
    lesson = lessons.begin().lesson
    with pytest.raises(BadConfig, match="1 to 24"):
        lessons.join(lesson.id, lesson.code, name)
    assert lessons.people(lesson.id) == []


@on_a_file
def test_the_secret_makes_a_teacher_and_nothing_else_does(lessons: Lessons) -> None:
    begun = lessons.begin()
    assert lessons.person(begun.lesson.id, begun.secret) == Person(TEACHER, "Teacher", is_teacher=True)
    for wrong in ("", begun.secret[:-1], begun.lesson.code, begun.lesson.id):
        assert lessons.person(begun.lesson.id, wrong) is None
    kept = Path(lessons.path).read_bytes() + b"".join(p.read_bytes() for p in lessons.home.glob("runs.db-*"))
    assert begun.secret.encode() not in kept


def test_who_is_removed_has_to_join_again(lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    person, token = lessons.join(lesson.id, lesson.code, "Bob")
    lessons.remove(lesson.id, person.id)
    assert lessons.person(lesson.id, token) is None
    again, _ = lessons.join(lesson.id, lesson.code, "Bob")
    assert again.id != person.id


def test_a_lesson_ends_and_the_next_one_has_its_own_people(lessons: Lessons) -> None:
    first = lessons.begin()
    _, token = lessons.join(first.lesson.id, first.lesson.code, "Bob")
    second = lessons.begin()
    assert second.lesson.id != first.lesson.id
    with pytest.raises(NotAllowed, match="over"):
        lessons.person(first.lesson.id, token)
    assert lessons.person(second.lesson.id, token) is None
    assert lessons.person(second.lesson.id, first.secret) is None
    lessons.end(second.lesson.id)
    with pytest.raises(NotAllowed, match="over"):
        lessons.join(second.lesson.id, second.lesson.code, "Bob")


def test_a_view_for_all_is_numbered(lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    assert (lesson.follow, lesson.shown) == (None, 0)
    view = {"page": "attention", "model": "bundled:vit-cifar10"}
    lessons.show(lesson.id, view)
    lessons.show(lesson.id, view)
    assert (lessons.get(lesson.id).follow, lessons.get(lesson.id).shown) == (view, 1)
    lessons.show(lesson.id, None)
    assert (lessons.get(lesson.id).follow, lessons.get(lesson.id).shown) == (None, 2)


def test_limits_and_names_are_the_teachers_to_set(lessons: Lessons) -> None:
    lesson = lessons.begin(Limits(seconds=30)).lesson
    assert (lesson.limits.seconds, lesson.shows_names) == (30, False)
    lessons.limit(lesson.id, Limits(seconds=90, runs=1))
    lessons.show_names(lesson.id, True)
    now = lessons.get(lesson.id)
    assert (now.limits, now.shows_names) == (Limits(seconds=90, runs=1), True)


def test_who_was_there_is_written_seldom(lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    person, token = lessons.join(lesson.id, lesson.code, "Bob")
    lessons.seen(person)
    assert lessons.people(lesson.id)[0].seen == person.seen
    with lessons._writing() as connection:
        connection.execute(sa.update(schema.people).values(seen=5.0))
    away = lessons.person(lesson.id, token)
    assert away is not None
    assert not away.is_here
    lessons.seen(away)
    assert lessons.people(lesson.id)[0].is_here


def test_wrong_codes_cost_time() -> None:
    throttle = Throttle(from_one=3, in_all=5, window=0.4)
    for _ in range(3):
        throttle.check("here")
        throttle.wrong("here")
    with pytest.raises(NotAllowed, match="try again in"):
        throttle.check("here")
    throttle.check("there")
    for _ in range(2):
        throttle.wrong("there")
    with pytest.raises(NotAllowed):
        throttle.check("elsewhere")
    time.sleep(0.5)
    throttle.check("here")


def test_everybody_is_found_at_once_as_one_by_one(lessons: Lessons) -> None:
    begun = lessons.begin()
    lesson, code = begun.lesson.id, begun.lesson.code
    (ada, token), (bob, gone) = (lessons.join(lesson, code, name) for name in ("Ada", "Bob"))
    lessons.remove(lesson, bob.id)
    now, people = lessons.everybody(lesson)
    assert now == lessons.get(lesson)
    assert {one.id for one in people.values()} == {TEACHER, ada.id}
    for known in (begun.secret, token, gone):
        assert people.get(lessons_module.digest(known)) == lessons.person(lesson, known)
    lessons.end(lesson)
    with pytest.raises(NotAllowed, match="over"):
        lessons.everybody(lesson)


def test_an_account_that_joins_twice_is_one_person(lessons: Lessons) -> None:
    lesson = lessons.begin().lesson
    token = lessons.account_token(lesson.id, "https://id.example|ada")
    first, _ = lessons.join(lesson.id, lesson.code, "Ada", token)
    again, same = lessons.join(lesson.id, lesson.code, "Ada again", token)
    assert (again.id, again.nickname, same) == (first.id, "Ada", token)
    assert len(lessons.people(lesson.id)) == 1
