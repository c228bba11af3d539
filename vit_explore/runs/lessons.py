"""Lessons and the people in them, kept beside the runs in runs.db. Secrets are kept as digests alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import platform
import secrets
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from vit_explore.errors import BadConfig, LessonOver, NotAllowed
from vit_explore.runs import schema
from vit_explore.runs.base import StoreBase
from vit_explore.runs.policy import TEACHER, Actor, Limits
from vit_explore.runs.records import looks_dead, process_start
from vit_explore.text import printable

CODE_LETTERS = "ACDEFHJKLMNPRTUVWXY3479"  # none that a hand or an eye takes for another
CODE_LENGTH = 5
LONGEST_NAME = 24
MOST_PEOPLE = 200
SEEN_EACH = 5.0  # seconds between two writings of when someone was last there
AWAY = 30.0  # seconds of silence after which someone is not there


@dataclass(frozen=True)
class Lesson:
    """A lesson. code: what students join with; follow: the query of what the teacher shows to all, with its page
    under "page", or None; shown: another number each time that changes."""

    id: str
    code: str
    limits: Limits
    is_paused: bool
    shows_names: bool
    follow: dict[str, str] | None
    shown: int
    started: float


@dataclass(frozen=True)
class Person:
    """Someone in a lesson. id: the owner of their runs; joined, seen: seconds since 1970."""

    id: str
    nickname: str
    is_teacher: bool = False
    joined: float = 0.0
    seen: float = 0.0

    @property
    def is_here(self) -> bool:
        """Whether their browser was heard of just now."""
        return time.time() - self.seen < AWAY

    def actor(self, lesson: Lesson) -> Actor:
        """What they may do with runs."""
        return Actor(self.id, self.is_teacher, lesson.limits)


@dataclass(frozen=True)
class Begun:
    """A lesson just begun, and the teacher's secret, which nobody can be told again."""

    lesson: Lesson
    secret: str


class Lessons(StoreBase):
    """The lessons of one home."""

    def begin(self, limits: Limits | None = None) -> Begun:
        """Begin a lesson that this process serves; one before it is over by that."""
        lesson, secret = secrets.token_hex(8), secrets.token_urlsafe(24)
        now = time.time()
        row = {
            "id": lesson, "code": "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH)),
            "secret": digest(secret), "started": now, "heartbeat": now, "pid": os.getpid(),
            "pid_started": process_start(os.getpid()), "host": platform.node(),
            "limits": json.dumps(asdict(limits or Limits())), "is_paused": False, "shows_names": False, "shown": 0,
        }  # fmt: skip
        table = schema.lessons
        with self._writing() as connection:
            connection.execute(sa.update(table).where(table.c.ended.is_(None)).values(ended=now))
            connection.execute(sa.insert(table).values(row))
        return Begun(self.get(lesson), secret)

    def get(self, lesson: str) -> Lesson:
        """A lesson that goes on. Raises LessonOver for another."""
        with self._reading() as connection:
            return _lesson(_alive(connection, lesson))

    def everybody(self, lesson: str) -> tuple[Lesson, dict[str, Person]]:
        """A lesson that goes on, and who is in it, by the digest of the token. Raises LessonOver for another."""
        table = schema.people
        query = sa.select(table).where(table.c.lesson == lesson, table.c.removed.is_(None))
        with self._reading() as connection:
            row = _alive(connection, lesson)
            students = {student.token: _person(student) for student in connection.execute(query)}
        return _lesson(row), {row.secret: Person(TEACHER, "Teacher", is_teacher=True), **students}

    def beat(self, lesson: str) -> None:
        """The process that serves it lives."""
        self._set(lesson, heartbeat=time.time())

    def end(self, lesson: str) -> None:
        """Nobody is in it any more; its runs stay."""
        self._set(lesson, ended=time.time(), is_paused=False, follow=None)

    # ------------------------------------------------------------------ the teacher's

    def is_teacher(self, lesson: str, secret: str) -> bool:
        """Whether this is the teacher's secret; compared in constant time."""
        with self._reading() as connection:
            row = _alive(connection, lesson)
        return hmac.compare_digest(digest(secret), row.secret)

    def hold(self, lesson: str, is_paused: bool) -> None:
        """No run starts, until that is taken back; those that train go on."""
        self._set(lesson, is_paused=is_paused)

    def show_names(self, lesson: str, shows_names: bool) -> None:
        """Whether the class sees who guessed what."""
        self._set(lesson, shows_names=shows_names)

    def limit(self, lesson: str, limits: Limits) -> None:
        """What students may start from now on."""
        self._set(lesson, limits=json.dumps(asdict(limits)))

    def show(self, lesson: str, follow: dict[str, str] | None) -> None:
        """Send a view to all screens; None: everybody goes where they like."""
        text = None if follow is None else json.dumps(follow)
        with self._writing() as connection:
            row = _alive(connection, lesson)
            if row.follow != text:
                _update(connection, lesson, follow=text, shown=row.shown + 1)

    def remove(self, lesson: str, person: str) -> None:
        """Take a student out of the lesson: the runs stay, the nickname is free, the browser has to join again."""
        table = schema.people
        with self._writing() as connection:
            mine = (table.c.lesson == lesson, table.c.id == person)
            connection.execute(sa.update(table).where(*mine).values(removed=time.time()))

    # ------------------------------------------------------------------ the students'

    def account_token(self, lesson: str, account: str) -> str:
        """The token by which a lesson knows an account; who does not have the lesson's secret cannot make it up."""
        with self._reading() as connection:
            row = _alive(connection, lesson)
        return hmac.new(row.secret.encode(), account.encode(errors="surrogatepass"), "sha256").hexdigest()

    def join(self, lesson: str, code: str, nickname: str, token: str | None = None) -> tuple[Person, str]:
        """Enter with the code and a nickname; gives the person, and the token by which the browser is known.

        token: of an account, in place of a new one. Raises NotAllowed for a wrong code, and for an account that was
        taken out, BadConfig for a nickname that cannot be or is taken.
        """
        name = cleaned_nickname(nickname)
        token, now = token or secrets.token_urlsafe(24), time.time()
        person = Person(f"student-{secrets.token_hex(4)}", name, joined=now, seen=now)
        table = schema.people
        with self._writing() as connection:
            row = _alive(connection, lesson)
            if not hmac.compare_digest(digest(code.strip().upper()), digest(row.code)):
                raise NotAllowed("That is not the code of this lesson; it stands on the teacher's screen.")
            known = connection.execute(sa.select(table).where(table.c.token == digest(token))).first()
            if known is not None and known.removed is not None:
                raise NotAllowed("The teacher has taken this account out of the lesson.")
            if known is not None:  # it joined in another tab just now
                return _person(known), token
            here = _people(connection, lesson)
            if len(here) >= MOST_PEOPLE:
                raise NotAllowed(f"The lesson is full: {MOST_PEOPLE} have joined.")
            if name.casefold() in {*(one.nickname.casefold() for one in here), TEACHER}:
                raise BadConfig(f"Somebody here is called {name!r} already; take another name.")
            values = {"id": person.id, "nickname": name, "joined": now, "seen": now}
            connection.execute(sa.insert(table).values(lesson=lesson, token=digest(token), **values))
        return person, token

    def person(self, lesson: str, token: str) -> Person | None:
        """Whose token it is: a student's, who has not been removed, or the teacher's secret."""
        if self.is_teacher(lesson, token):
            return Person(TEACHER, "Teacher", is_teacher=True)
        table = schema.people
        known = (table.c.lesson == lesson, table.c.token == digest(token), table.c.removed.is_(None))
        with self._reading() as connection:
            row = connection.execute(sa.select(table).where(*known)).first()
        return None if row is None else _person(row)

    def seen(self, person: Person) -> None:
        """Their browser is there; cheap enough for every tick of a page."""
        if person.is_teacher or time.time() - person.seen < SEEN_EACH:
            return
        table = schema.people
        with self._writing() as connection:
            connection.execute(sa.update(table).where(table.c.id == person.id).values(seen=time.time()))

    def people(self, lesson: str) -> list[Person]:
        """The students in it, in the order in which they joined."""
        with self._reading() as connection:
            return _people(connection, lesson)

    def names(self, owners: Sequence[str | None]) -> dict[str, str]:
        """The nicknames of these owners of runs, of whatever lesson."""
        table = schema.people.c
        wanted = [owner for owner in owners if owner]
        with self._reading() as connection:
            rows = connection.execute(sa.select(table.id, table.nickname).where(table.id.in_(wanted))).all()
        return {TEACHER: "Teacher", **{row.id: printable(row.nickname) for row in rows}}

    def _set(self, lesson: str, **values: Any) -> None:
        with self._writing() as connection:
            _alive(connection, lesson)
            _update(connection, lesson, **values)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def cleaned_nickname(text: str) -> str:
    """A nickname as it is kept: of one line. Raises BadConfig."""
    name = " ".join(printable(text).split())
    if len(name) > LONGEST_NAME or not any(unicodedata.category(letter)[0] in "LNPS" for letter in name):
        raise BadConfig(f"A nickname has 1 to {LONGEST_NAME} characters that can be seen; take another.")
    return name


def _alive(connection: Connection, lesson: str) -> Row[Any]:
    table = schema.lessons
    row = connection.execute(sa.select(table).where(table.c.id == lesson)).first()
    if row is None or row.ended is not None:
        raise LessonOver("This lesson is over.")
    return row


def is_on(row: Row[Any]) -> bool:
    """Whether the lesson of a row goes on: not ended, and the process that serves it lives."""
    return row.ended is None and not looks_dead(row)


def _update(connection: Connection, lesson: str, **values: Any) -> None:
    connection.execute(sa.update(schema.lessons).where(schema.lessons.c.id == lesson).values(values))


def _people(connection: Connection, lesson: str) -> list[Person]:
    table = schema.people
    query = sa.select(table).where(table.c.lesson == lesson, table.c.removed.is_(None)).order_by(table.c.joined)
    return [_person(row) for row in connection.execute(query)]


def _person(row: Row[Any]) -> Person:
    return Person(row.id, printable(row.nickname), joined=row.joined, seen=row.seen)


def _lesson(row: Row[Any]) -> Lesson:
    return Lesson(
        id=row.id,
        code=row.code,
        limits=Limits(**json.loads(row.limits)),
        is_paused=bool(row.is_paused),
        shows_names=bool(row.shows_names),
        follow=json.loads(row.follow) if row.follow else None,
        shown=row.shown,
        started=row.started,
    )
