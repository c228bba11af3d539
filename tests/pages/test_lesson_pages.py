"""A lesson in the app: who may come in, what each may press, what the teacher sees and sends to all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import sqlalchemy as sa
from conftest import TINY, MakeRun, OpenPage
from safetensors.torch import load_file
from streamlit.testing.v1 import AppTest

from vit_explore.classroom.addresses import LESSON
from vit_explore.config import DataConfig
from vit_explore.errors import NotAllowed
from vit_explore.home import uploads
from vit_explore.runs import schema
from vit_explore.runs.lessons import Begun, Lessons, digest
from vit_explore.runs.policy import Actor, Limits
from vit_explore.runs.store import RunStore
from vit_explore.sweeps import group as groups
from vit_explore.sweeps import sweeps
from vit_explore.training import Snapshot
from vit_explore.ui import site
from vit_explore.ui.kit import model_head, taking_home, waiting
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.room import board
from vit_explore.ui.session import account, caches, choice, room

SHORT = TINY.update(epochs=None, seconds=5.0)


@pytest.fixture
def begun(home: object, monkeypatch: pytest.MonkeyPatch) -> Begun:
    """This server serves a lesson."""
    lesson = Lessons().begin(Limits(seconds=30))
    monkeypatch.setenv(LESSON, lesson.lesson.id)
    monkeypatch.setattr(room, "_cookie", lambda: None)  # AppTest has no browser that keeps one
    monkeypatch.setattr(room, "_place", lambda: "here")
    return lesson


@pytest.fixture
def as_student(begun: Begun, open_page: OpenPage) -> OpenPage:
    """Opens a page as a student of this nickname: as_student("train", "Ada", run="3f2a")."""

    def open_(page: str, nickname: str, **query: str) -> AppTest:
        token = Lessons().join(begun.lesson.id, begun.lesson.code, nickname)[1]
        at = AppTest.from_file(str(site_app()), default_timeout=60)
        at.session_state["room_token"] = token
        for name, value in query.items():
            at.query_params[name] = value
        at.switch_page(site.path(page))
        return at.run()

    return open_


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """signed_in("ada", "ada@school.example"): accounts are configured, and this one has signed in; "": nobody has."""
    monkeypatch.setattr(account, "are_offered", lambda: True)
    monkeypatch.setattr(
        account, "is_teacher", lambda who: who is not None and who.email == "teacher@school.example"
    )  # as the secrets say

    def sign_in(name: str, email: str = "") -> None:
        who = account.Account(f"https://id.example|{name}", name.title(), email) if name else None
        monkeypatch.setattr(account, "here", lambda: who)

    return sign_in


def site_app() -> object:
    from conftest import APP

    return APP


def said(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def keys(at: AppTest) -> set[str]:
    return {str(element.key) for element in at.button}


def owner_of(nickname: str, begun: Begun) -> str:
    return next(one.id for one in Lessons().people(begun.lesson.id) if one.nickname == nickname)


# ------------------------------------------------------------------ the door


@pytest.mark.parametrize("page", ["home", "train", "runs", "room", "attention"])
def test_nobody_sees_a_page_before_joining(begun: Begun, open_page: OpenPage, page: str) -> None:
    at = open_page(page) if page != "room" else open_page("home")
    assert not at.exception
    assert [title.value for title in at.title] == ["Join the lesson"]
    assert "Behind this page" not in said(at)


def test_a_student_joins_with_the_code_and_a_nickname(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", code=begun.lesson.code)
    assert at.text_input(key="joining_code").value == begun.lesson.code  # the QR code brings it
    at.text_input(key="joining_name").set_value("Ada <b>")
    at.button[0].click().run()
    assert not at.exception
    assert "Ada \\<b\\>" in said(at)
    assert [one.nickname for one in Lessons().people(begun.lesson.id)] == ["Ada <b>"]


def test_a_wrong_code_is_one_sentence_and_too_many_cost_time(
    begun: Begun, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_page("home")
    for _ in range(8):
        at.text_input(key="joining_code").set_value("WRONG")
        at.text_input(key="joining_name").set_value("Ada")
        at.button[0].click().run()
        assert "not the code of this lesson" in at.error[0].value
    at.text_input(key="joining_code").set_value(begun.lesson.code)
    at.text_input(key="joining_name").set_value("Ada")
    at.button[0].click().run()
    assert "Too many wrong codes" in at.error[0].value


def test_the_teachers_link_leads_to_the_class_and_its_secret_leaves_the_address(
    begun: Begun, open_page: OpenPage
) -> None:
    at = open_page("home", teacher=begun.secret)
    assert not at.exception
    assert "teacher" not in at.query_params
    assert at.title[0].value == "Class"
    assert begun.lesson.code in said(at)
    assert begun.secret not in said(at)


def test_a_wrong_teachers_link_opens_nothing(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", teacher="wrong")
    assert "not the teacher's link" in at.error[0].value.replace("\\", "")
    assert at.title[0].value == "Join the lesson"


def test_when_the_lesson_is_over_everybody_is_out(begun: Begun, as_student: OpenPage) -> None:
    at = as_student("glossary", "Ada")
    assert at.title[0].value == "Glossary"
    Lessons().end(begun.lesson.id)
    at.run()
    assert "This lesson is over" in said(at)


def test_on_a_machine_of_ones_own_nothing_of_it_is_there(open_page: OpenPage) -> None:
    at = open_page("home")
    assert room.actor() is None
    assert "Class" not in {page.title for section in site.sections().values() for page in section}
    assert not [toggle for toggle in at.toggle if str(toggle.key).startswith("following")]


# ------------------------------------------------------------------ roles


def test_a_student_has_no_hand_on_anothers_run(begun: Begun, as_student: OpenPage, make_run: MakeRun) -> None:
    as_student("home", "Bob")
    run = make_run("running", SHORT, owner=owner_of("Bob", begun))
    at = as_student("train", "Ada", run=run)
    assert not at.exception
    assert not keys(at) & {"live_stop", "live_pause", "live_resume"}
    assert ":material/lock: Bob" in said(at)
    mine = make_run("running", SHORT, owner=owner_of("Ada", begun))
    at.query_params["run"] = mine
    at.run()
    assert {"live_stop", "live_pause"} <= keys(at)


def test_a_student_starts_a_run_and_owns_it(begun: Begun, as_student: OpenPage) -> None:
    at = as_student("train", "Ada")
    at.number_input(key="form_seconds").set_value(20.0).run()
    at.checkbox(key="train_guesses").check().run()
    at.button(key="train_start").click().run()
    assert not at.exception
    (record,) = RunStore().list()
    assert record.owner == owner_of("Ada", begun)
    assert [guess.person for guess in RunStore().guesses(record.id)] == [record.owner]


def test_what_goes_beyond_the_limits_is_refused_in_a_sentence(begun: Begun, as_student: OpenPage) -> None:
    at = as_student("train", "Ada")
    at.button(key="train_start").click().run()  # the default takes a minute
    assert "lasts at most 30 seconds" in said(at)
    assert RunStore().list() == []


@pytest.mark.parametrize("page", [row.name for row in site.PAGES])
def test_every_page_works_for_a_student(begun: Begun, as_student: OpenPage, make_run: MakeRun, page: str) -> None:
    make_run("finished", SHORT)
    at = as_student(page, "Ada")
    assert not at.exception
    assert "Ada" in said(at)
    assert page == "home" or "Behind this page" in said(at)


@pytest.mark.parametrize("ref", ["timm:hf-hub:someone/model", "timm:local-dir:/etc", "/etc/weights.safetensors"])
def test_a_student_opens_no_model_beyond_timms_registry(
    begun: Begun, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    monkeypatch.setattr(room, "is_student", lambda: True)
    refused = caches.opening(ref)
    with pytest.raises(NotAllowed, match="only the teacher opens"):
        next(iter(refused.work()))
    assert caches.opening("bundled:vit-cifar10").key[0] == "model"
    monkeypatch.setattr(room, "is_student", lambda: False)
    assert caches.opening(ref).key[0] == "model"


def test_a_student_reads_no_folder_of_the_server_and_the_teacher_does(
    begun: Begun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = DataConfig(dataset="folder", path=str(tmp_path))
    monkeypatch.setattr(room, "is_student", lambda: True)
    refused = caches.loading(data)
    with pytest.raises(NotAllowed, match="only the teacher names a folder"):
        next(iter(refused.work()))
    uploaded = DataConfig(dataset="folder", path=str(uploads() / "shoes.zip"))
    assert caches.loading(uploaded).key != refused.key
    monkeypatch.setattr(room, "is_student", lambda: False)
    assert caches.loading(data).key != refused.key


def test_fine_tune_looks_into_no_folder_of_the_server_for_a_student(
    begun: Begun, as_student: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "secret-class").mkdir()
    at = as_student("finetune", "Ada")
    at.selectbox(key="tune_dataset").set_value("folder").run()
    at.text_input(key="tune_path").set_value(str(tmp_path)).run()
    assert not at.exception
    assert "only the teacher names a folder" in said(at)
    assert "secret" not in said(at)


@pytest.mark.parametrize(
    "name", ["<b>x</b>", "[x](http://x)", "$x^2$", ":red[x]", "www.example.org", "a@b.example", "# x"]
)
def test_a_nickname_is_only_ever_text(begun: Begun, as_student: OpenPage, make_run: MakeRun, name: str) -> None:
    at = as_student("room", name)
    make_run("running", SHORT, owner=owner_of(name, begun))
    at.run()
    assert not at.exception
    texts = [str(element.value) for element in at.markdown if name[-3:] in str(element.value).replace("\\", "")]
    assert texts
    assert all(escaped(name) in text for text in texts)


# ------------------------------------------------------------------ the class


def test_the_board_shows_who_got_how_far(begun: Begun, as_student: OpenPage, make_run: MakeRun) -> None:
    as_student("home", "Bob")
    run = make_run("finished", SHORT, guess=(0.4,), owner=owner_of("Bob", begun))
    at = as_student("room", "Ada")
    assert not at.exception
    (table,) = [frame.value for frame in at.dataframe]
    assert table["Who"].tolist() == ["Bob"]
    assert table["Accuracy"].tolist() == [pytest.approx(100 * (RunStore().get(run).test_top1 or 0))]
    assert at.selectbox(key="room_guessed").value == run


def test_the_teacher_holds_orders_and_removes(begun: Begun, open_page: OpenPage, as_student: OpenPage) -> None:
    as_student("home", "Ada")
    as_student("home", "Bob")
    store = RunStore()
    runs = [store.create(SHORT, owner=owner_of(name, begun)) for name in ("Ada", "Bob")]
    at = open_page("home", teacher=begun.secret)
    at.button(key=f"room_first_{runs[1]}").click().run()
    assert [store.get(run).place for run in runs] == [2, 1]
    at.button(key="room_hold").click().run()
    assert Lessons().get(begun.lesson.id).is_paused
    at.button(key=f"room_stop_{runs[0]}").click().run()
    assert store.get(runs[0]).state == "stopped"
    at.button(key=f"room_remove_{owner_of('Ada', begun)}").click().run()
    assert [one.nickname for one in Lessons().people(begun.lesson.id)] == ["Bob"]
    assert not at.exception


def test_the_teacher_sets_limits(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", teacher=begun.secret)
    at.number_input[0].set_value(45.0)
    at.number_input[2].set_value(4)
    at.button(key="room_limits_set").click().run()
    assert Lessons().get(begun.lesson.id).limits == Limits(seconds=45.0, runs=4)
    at.number_input[0].set_value(0.0)
    at.button(key="room_limits_set").click().run()
    assert "not possible" in said(at)


def test_the_teachers_view_is_sent_to_all_and_back(begun: Begun, open_page: OpenPage, as_student: OpenPage) -> None:
    student = as_student("glossary", "Ada")
    at = open_page("home", teacher=begun.secret)
    at.toggle(key="following_leads_toggle").set_value(True).run()
    at.switch_page(site.path("patches")).run()
    follow = Lessons().get(begun.lesson.id).follow
    assert follow is not None
    assert follow["page"] == "patches"
    student.run()
    assert student.title[0].value == "Patches"
    student.toggle(key="following_follows_toggle").set_value(False).run()  # AppTest is back on the page of its own
    at.switch_page(site.path("tour")).run()
    student.run()
    assert student.title[0].value == "Glossary"
    student.toggle(key="following_follows_toggle").set_value(True).run()
    assert student.title[0].value == "From pixels to an answer"
    at.toggle(key="following_leads_toggle").set_value(False).run()
    assert Lessons().get(begun.lesson.id).follow is None


def test_another_window_of_the_teachers_takes_nothing_from_what_is_shown(begun: Begun, open_page: OpenPage) -> None:
    one = open_page("home", teacher=begun.secret)
    two = open_page("home", teacher=begun.secret)
    two.toggle(key="following_leads_toggle").set_value(True).run()
    two.switch_page(site.path("patches")).run()
    one.run()  # a page draws itself anew now and then
    shown = Lessons().get(begun.lesson.id).follow
    assert shown is not None
    assert shown["page"] == "patches"
    late = open_page("home", teacher=begun.secret)
    assert not late.toggle(key="following_leads_toggle").value
    assert Lessons().get(begun.lesson.id).follow == shown
    one.toggle(key="following_leads_toggle").set_value(True).run()
    led = Lessons().get(begun.lesson.id).follow
    two.run()
    assert Lessons().get(begun.lesson.id).follow == led != shown  # who moves leads, not who is drawn anew
    one.toggle(key="following_leads_toggle").set_value(False).run()
    two.run()
    assert Lessons().get(begun.lesson.id).follow is None
    assert not two.toggle(key="following_leads_toggle").value


def test_what_a_window_that_is_gone_showed_can_be_ended(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", teacher=begun.secret)
    at.toggle(key="following_leads_toggle").set_value(True).run()
    at.switch_page(site.path("patches")).run()
    again = open_page("home", teacher=begun.secret)  # leads to Class
    assert "following_stop" in keys(again)
    again.button(key="following_stop").click().run()
    assert not again.exception
    assert Lessons().get(begun.lesson.id).follow is None
    assert "following_stop" not in keys(again.run())


def test_showing_ends_on_a_page_that_stops_early(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", teacher=begun.secret)
    at.toggle(key="following_leads_toggle").set_value(True).run()
    assert Lessons().get(begun.lesson.id).follow is not None
    at.query_params["model"] = "run:none"
    at.switch_page(site.path("patches")).run()
    at.toggle(key="following_leads_toggle").set_value(False).run()
    assert Lessons().get(begun.lesson.id).follow is None


def test_a_reload_goes_on_showing(begun: Begun, open_page: OpenPage) -> None:
    at = open_page("home", teacher=begun.secret)
    at.toggle(key="following_leads_toggle").set_value(True).run()
    at.switch_page(site.path("patches")).run()
    shown = Lessons().get(begun.lesson.id).follow
    assert shown is not None
    again = AppTest.from_file(str(site_app()), default_timeout=60)
    again.session_state["room_token"] = begun.secret
    for name, value in parse_qsl(shown["query"]):
        again.query_params[name] = value
    again.switch_page(site.path("patches")).run()
    assert again.toggle(key="following_leads_toggle").value
    assert Lessons().get(begun.lesson.id).follow == shown


def test_the_class_sees_who_guessed_only_where_the_teacher_says_so(begun: Begun, open_page: OpenPage) -> None:
    one, two = (open_page("home", teacher=begun.secret) for _ in range(2))
    one.toggle(key="room_names").set_value(True).run()
    assert Lessons().get(begun.lesson.id).shows_names
    two.run()  # a window that was opened before takes over what holds
    assert Lessons().get(begun.lesson.id).shows_names
    assert two.toggle(key="room_names").value


@pytest.mark.parametrize("shows_names", [False, True])
def test_a_students_zip_names_who_guessed_only_where_the_teacher_says_so(
    begun: Begun, as_student: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, shows_names: bool
) -> None:
    as_student("home", "Bob")
    as_student("home", "Eve")
    eve, bob = (owner_of(name, begun) for name in ("Eve", "Bob"))
    run = make_run("running", SHORT, owner=eve)
    RunStore().acting_as(Actor(bob)).guess(run, 0.4)
    Lessons().show_names(begun.lesson.id, shows_names)
    named: list[dict[str, str]] = []
    monkeypatch.setattr(taking_home, "packed", lambda _, names: named.append(names) or b"zip")
    with Lessons()._writing() as connection:
        connection.execute(sa.update(schema.people).where(schema.people.c.id == eve).values(token=digest("eves")))
    at = AppTest.from_file(str(site_app()), default_timeout=60)
    at.session_state["room_token"] = "eves"
    at.switch_page(site.path("room")).run()
    at.toggle(key="room_home").set_value(True).run()
    assert not at.exception
    assert named[-1][eve] == "Eve"
    assert (bob in named[-1]) is shows_names


def test_the_way_home_appears_with_the_first_step_of_a_run(
    begun: Begun, as_student: OpenPage, make_run: MakeRun
) -> None:
    at = as_student("room", "Eve")
    assert "room_home" not in [toggle.key for toggle in at.toggle]
    eve = Lessons().people(begun.lesson.id)[0].id
    make_run("running", SHORT, owner=eve)
    at.run()
    assert "room_home" in [toggle.key for toggle in at.toggle]


def test_what_can_be_taken_home_is_looked_for_as_the_lesson_goes_on(
    begun: Begun, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run more, or another state, is another zip; a step more is not."""
    monkeypatch.setattr(board.st, "session_state", {})
    monkeypatch.setattr(room, "is_teacher", lambda: True)
    monkeypatch.setattr(room, "actor", lambda: Actor("teacher", is_teacher=True))

    def update(**values: object) -> None:
        with RunStore()._writing() as connection:
            connection.execute(sa.update(schema.runs).values(**values))

    assert board._to_take_home(begun.lesson) == []
    make_run("running", SHORT)
    (first,) = board._to_take_home(begun.lesson)
    update(step=99)
    assert board._to_take_home(begun.lesson) == [first]
    update(state="finished")
    assert [run.step for run in board._to_take_home(begun.lesson)] == [99]


def test_who_may_not_change_a_sweep_is_offered_no_stop(begun: Begun, as_student: OpenPage, make_run: MakeRun) -> None:
    groups.start(RunStore(), sweeps.get("shapes"), (0,))
    at = as_student("scaling", "Ada", sweep="shapes")
    assert not at.exception
    assert "0 of 4 runs finished" in str([bar.proto.text for bar in at.get("progress")])
    assert "sweep_stop" not in [button.key for button in at.button]


@pytest.mark.parametrize("button", ["tune_measure", "tune_start"])
def test_fine_tune_opens_no_file_of_the_server_for_a_student(
    begun: Begun, as_student: OpenPage, tmp_path: Path, button: str
) -> None:
    at = as_student("finetune", "Ada")
    at.session_state["tune_models"] = [str(tmp_path / "teacher.safetensors")]
    at.run()
    assert not at.exception
    assert "only the teacher opens" in said(at)
    assert at.button(key=button).disabled


def test_a_student_fine_tunes_within_the_limits(begun: Begun, as_student: OpenPage, make_run: MakeRun) -> None:
    at = as_student("finetune", "Ada")
    at.selectbox(key="tune_dataset").set_value("shapes").run()
    at.multiselect(key="tune_classes").set_value(["square", "star"])
    at.number_input(key="tune_per_class").set_value(8)
    at.session_state["tune_models"] = [f"run:{make_run()}"]
    at.run()
    assert at.number_input(key="tune_seconds").max == 30.0
    at.button(key="tune_start").click().run()
    assert not at.exception
    assert not at.error
    (run,) = RunStore().list(owner=owner_of("Ada", begun))
    assert (run.owner, run.settings().train.seconds) == (owner_of("Ada", begun), 20.0)
    assert run.settings().train.epochs is None


# ------------------------------------------------------------------ accounts

SignIn = Callable[..., None]


def test_with_accounts_the_door_asks_to_sign_in(begun: Begun, open_page: OpenPage, signed_in: SignIn) -> None:
    signed_in("")
    at = open_page("home")
    assert not at.exception
    assert [button.label for button in at.button] == ["Sign in"]
    assert not at.text_input


def test_an_account_is_the_same_person_in_every_browser(begun: Begun, open_page: OpenPage, signed_in: SignIn) -> None:
    signed_in("ada")
    at = open_page("home", code=begun.lesson.code)
    assert at.text_input(key="joining_name").value == "Ada"
    at.button(key="FormSubmitter:joining_form-Join").click().run()
    assert "**Ada**" in said(at)
    again = open_page("home")  # another browser, without a cookie
    assert not again.exception
    assert "**Ada**" in said(again)
    signed_in("bob")
    assert "Join the lesson" in said(open_page("home"))


def test_signing_out_leaves_whatever_the_browser_keeps(
    begun: Begun, open_page: OpenPage, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons = Lessons()
    token = lessons.account_token(begun.lesson.id, "https://id.example|ada")
    lessons.join(begun.lesson.id, begun.lesson.code, "Ada", token)
    monkeypatch.setattr(room, "_cookie", lambda: token)
    signed_in("")
    assert "Join the lesson" in said(open_page("home"))
    monkeypatch.setattr(room, "_cookie", lambda: begun.secret)  # the teacher came by the link
    assert "Class code" in said(open_page("home"))


def test_who_is_taken_out_does_not_come_back_by_the_account(
    begun: Begun, open_page: OpenPage, signed_in: SignIn
) -> None:
    lessons = Lessons()
    token = lessons.account_token(begun.lesson.id, "https://id.example|ada")
    person, _ = lessons.join(begun.lesson.id, begun.lesson.code, "Ada", token)
    lessons.remove(begun.lesson.id, person.id)
    signed_in("ada")
    at = open_page("home", code=begun.lesson.code)
    at.button(key="FormSubmitter:joining_form-Join").click().run()
    assert "taken this account out of the lesson" in said(at)


def test_a_teachers_account_teaches(begun: Begun, open_page: OpenPage, signed_in: SignIn) -> None:
    signed_in("grace", "teacher@school.example")
    at = open_page("home")
    assert not at.exception
    assert "Class code" in said(at)


def test_the_teachers_link_makes_a_teacher_of_any_account(begun: Begun, open_page: OpenPage, signed_in: SignIn) -> None:
    signed_in("grace", "grace@school.example")
    at = open_page("home", teacher=begun.secret)
    assert not at.exception
    assert at.title[0].value == "Class"
    at.run()
    assert at.title[0].value == "Class"


def test_a_token_of_an_account_is_of_one_lesson_and_cannot_be_made_up(begun: Begun) -> None:
    lessons = Lessons()
    first = lessons.account_token(begun.lesson.id, "https://id.example|ada")
    assert first != lessons.account_token(begun.lesson.id, "https://id.example|bob")
    again = lessons.begin().lesson
    assert lessons.account_token(again.id, "https://id.example|ada") != first
    assert lessons.person(again.id, "https://id.example|ada") is None


# ------------------------------------------------------------------ many at once


def one_more_snapshot(run: str) -> int:
    """Its step."""
    store = RunStore()
    with store._reading() as connection:
        owner = store._row(connection, run).worker
    last = store.snapshots(run)[-1]
    weights = load_file(store.snapshot_path(run, last.step))
    store.record(run, Snapshot(last.step + 1, last.epoch, last.elapsed, weights), owner)
    return last.step + 1


def test_a_class_looks_at_one_snapshot_of_a_run_in_training(as_student: OpenPage, make_run: MakeRun) -> None:
    run = make_run("running", TINY)
    ada = as_student("positions", "Ada", model=f"run:{run}")
    first = ada.session_state["model_choice"].step
    newest = one_more_snapshot(run)
    bob = as_student("positions", "Bob", model=f"run:{run}")
    assert bob.session_state["model_choice"].step == first  # what was asked for Ada is there for Bob
    assert bob.session_state["model_choice"].is_latest
    choice._known_for_now.clear()  # as "Show step …" does, or eight seconds
    assert as_student("positions", "Cem", model=f"run:{run}").session_state["model_choice"].step == newest


def test_a_page_that_waits_for_an_answer_about_a_snapshot_gets_it_before_it_turns_to_a_newer_one(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("running", TINY)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    at = open_page("attention", model=f"run:{run}")
    assert at.get("progress")
    first = at.session_state["model_choice"].step
    newest = one_more_snapshot(run)
    at.run()
    assert at.session_state["model_choice"].step == first
    monkeypatch.setattr(waiting, "PATIENCE", 60.0)
    at.run()  # what it waited for is there
    assert (at.session_state["model_choice"].step, list(at.error)) == (first, [])
    assert at.run().session_state["model_choice"].step == newest


def test_show_the_newest_step_does_not_wait(
    open_page: OpenPage, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("running", TINY)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    at = open_page("attention", model=f"run:{run}")
    newest = one_more_snapshot(run)
    model_head._told.clear()  # as two seconds do
    at.run()
    (button,) = [button for button in at.button if button.label == f"Show step {newest:,}"]
    button.click().run()
    assert at.session_state["model_choice"].step == newest
