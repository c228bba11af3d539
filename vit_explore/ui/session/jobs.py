"""Long work: generators in a bounded pool, with progress, cancel, and one result for all who ask the same.

A job's work is a generator: it yields `Progress`, which is also where it can be stopped, and returns its result. It may
need another job, `model = yield from within(opening)`, and code that takes a callback is given `report`. Work runs in
threads that know nothing of a session: it must not call Streamlit.
"""

from __future__ import annotations

import atexit
import copy
import logging
import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from vit_explore.errors import VitExploreError
from vit_explore.openmp import take_cores
from vit_explore.told import Progress as Progress
from vit_explore.ui.session.kept import Kept, make_read_only, size_of

T = TypeVar("T")
ABANDONED = 10.0  # the slowest page asks each 4 s
HIDDEN = 90.0  # a page that still waits, in a tab that is hidden for minutes: browsers wake its timers once a minute
LAST_SECONDS = 4.0  # that the end of the process waits for what cannot be left at once
ERROR_SECONDS = 20.0  # a refusal is kept so long: what was missing may come
THREADS = 3
MOST, MOST_BYTES, MOST_ASKERS = 512, 3 * 2**27, 4096
logger = logging.getLogger("vit_explore")


class JobFailed(VitExploreError):
    """A job that ended in a bug; the log has its traceback."""


class Cancelled(BaseException):
    """Raised by `report` in work that nobody wants any more; no handler of errors may take it for one."""


Work = Generator[Progress, None, T]


def relayed(steps: Generator[tuple[str, float], None, T]) -> Work[T]:
    """The work of a generator that yields (what is being done, share) and returns its result."""
    while True:
        try:
            words, share = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield Progress(share, words)


@dataclass(frozen=True)
class Job(Generic[T]):
    """Work with a name. key: equal for equal results; title: for people; is_long: of these only one at a time."""

    key: tuple[str, ...]
    title: str
    work: Callable[[], Work[T]]
    is_long: bool = False


@dataclass(frozen=True)
class Done(Generic[T]):
    """A job's end: its value, or the error to raise."""

    result: T | None
    error: VitExploreError | None = None

    @property
    def value(self) -> T:
        """The result. Raises the job's error, a copy for each who asks."""
        if self.error is not None:
            raise copy.copy(self.error) from None
        return self.result  # type: ignore[return-value]


@dataclass(eq=False)
class _Task:
    """A job that waits or runs. askers: who wants it, and when each asked last; turns: in which turn of each."""

    job: Job[Any]
    askers: dict[str, float] = field(default_factory=dict)
    turns: dict[str, int | None] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    done: Done[Any] | None = None
    ended: threading.Event = field(default_factory=threading.Event)


_threads: set[threading.Thread] = set()
_here = threading.local()  # .pool, and .tasks: the job that runs in this thread, and those within it


class Jobs:
    """The pool. Threads are started when there is work, and end without any.

    clock: seconds, for tests; abandoned: seconds without anybody asking, after which a job is stopped. cores: how many
    cores a long job may take, asked at each of its steps; any other takes one.
    """

    def __init__(
        self, threads: int = THREADS, most: int = MOST, most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic, abandoned: float = ABANDONED, cores: Callable[[], int] = lambda: 1,
    ) -> None:  # fmt: skip
        self._cores = cores
        self._most_threads, self._threads, self._clock, self._abandoned = threads, 0, clock, abandoned
        self._kept: Kept[Done[Any]] = Kept(most, most_bytes, clock)
        self._tasks: dict[tuple[str, ...], _Task] = {}  # waiting or running
        self._waiting: list[_Task] = []
        self._turns: dict[str, int] = {}  # of each asker
        self._is_long_running = False
        self._lock = threading.Lock()

    def turn(self, asker: str) -> None:
        """The asker's page is drawn anew: what it does not ask for again is left soon, what it asks for is kept even
        where it is silent for a while."""
        with self._lock:
            before = self._turns.pop(asker, 0)
            for task in self._tasks.values():
                if task.turns.get(asker) == before and asker in task.askers:  # after a silence, too, it may ask again
                    task.askers[asker] = max(task.askers[asker], self._clock())
            self._turns[asker] = before + 1
            while len(self._turns) > MOST_ASKERS:
                del self._turns[next(iter(self._turns))]

    def ask(self, job: Job[T], asker: str, patience: float = 0.0) -> Done[T] | None:
        """The end of the job, or None while it is not there after `patience` seconds. Starts it where it must."""
        with self._lock:
            kept = self._kept.get(job.key)
            if kept is not None:
                return kept
            task = self._task_of(job)
            task.askers[asker] = math.inf  # as long as it waits here
            task.turns[asker] = self._turns.get(asker)
            self._start_a_thread()
        task.ended.wait(patience)
        with self._lock:
            if asker in task.askers:
                task.askers[asker] = self._clock()
        return task.done

    def kept(self, job: Job[T]) -> Done[T] | None:
        """The end of the job where it is there; starts nothing."""
        with self._lock:
            return self._kept.get(job.key)

    def progress(self, job: Job[Any]) -> Progress:
        """How far it is; 0 while it waits."""
        with self._lock:
            task = self._tasks.get(job.key)
        return task.progress if task is not None else Progress()

    def cancel(self, job: Job[Any], asker: str) -> None:
        """This asker wants it no more; it stops, at its next yield, when nobody else does."""
        with self._lock:
            task = self._tasks.get(job.key)
            if task is not None:
                task.askers.pop(asker, None)
                self._drop_unwanted()

    # ------------------------------------------------------------------ in the pool's threads

    def within(self, job: Job[T], wanted_by: _Task) -> Work[T]:
        """The result of a job inside another: kept, awaited where a thread is at it, or computed right here."""
        me = f"job {id(wanted_by)}"
        while True:
            with self._lock:
                done = self._kept.get(job.key)
                task = None if done else self._task_of(job)
                is_mine = task in self._waiting
                if task is not None and is_mine:
                    self._waiting.remove(task)
            if task is None:
                assert done is not None
                return done.value
            if is_mine:
                yield from self._steps(task)
            while not task.ended.wait(0.02):
                with self._lock:
                    task.askers[me] = self._clock()
                yield task.progress
            if task.done is not None:
                return task.done.value
            # it was cancelled by those who had asked for it: once more

    def is_unwanted(self, task: _Task) -> bool:
        """Whether nobody has asked for it lately."""
        with self._lock:
            return self._is_unwanted(task)

    def _is_unwanted(self, task: _Task) -> bool:
        return _is_over.is_set() or all(self._has_left(task, asker) for asker in task.askers)

    def _has_left(self, task: _Task, asker: str) -> bool:
        turn = task.turns.get(asker)
        still_waits = turn is not None and turn == self._turns.get(asker)
        return self._clock() - task.askers[asker] >= (max(HIDDEN, self._abandoned) if still_waits else self._abandoned)

    def _task_of(self, job: Job[Any]) -> _Task:
        task = self._tasks.get(job.key)
        if task is None:
            task = self._tasks[job.key] = _Task(job)
            self._waiting.append(task)
        return task

    def _start_a_thread(self) -> None:
        if self._waiting and self._threads < self._most_threads:
            self._threads += 1
            thread = threading.Thread(target=self._work, name="jobs", daemon=True)
            _threads.add(thread)
            thread.start()

    def _work(self) -> None:
        """A thread's life: one task after another, while there is any that may run."""
        _here.pool = self
        while (task := self._next()) is not None:
            try:
                for _ in (steps := self._steps(task)):
                    if self.is_unwanted(task):
                        steps.close()
            except Cancelled:
                pass
            except RuntimeError:  # a generator that goes on after it was closed
                logger.exception("The job %s does not stop", task.job.key)
            finally:
                take_cores(1)
                with self._lock:
                    self._is_long_running &= not task.job.is_long
        _threads.discard(threading.current_thread())

    def _next(self) -> _Task | None:
        with self._lock:
            self._drop_unwanted()
            for task in [] if _is_over.is_set() else self._waiting:
                if not (task.job.is_long and self._is_long_running):
                    self._waiting.remove(task)
                    self._is_long_running |= task.job.is_long
                    return task
            self._threads -= 1
            return None

    def _drop_unwanted(self) -> None:
        """Those that wait and that nobody asks for any more need not begin."""
        for task in [task for task in self._waiting if self._is_unwanted(task)]:
            self._waiting.remove(task)
            del self._tasks[task.job.key]
            task.ended.set()

    def _steps(self, task: _Task) -> Generator[Progress, None, None]:
        """The work of a task to its end, which is written down: a result, an error, or none when it is closed."""
        try:
            with closing(task.job.work()) as work:
                while True:
                    task.progress = self._one_step(task, work)
                    yield task.progress
        except StopIteration as end:
            task.done = Done(end.value)
            make_read_only(end.value)
        except VitExploreError as error:
            task.done = Done(None, error.with_traceback(None))
        except Exception as error:
            logger.exception("The job %s ended in an unexpected error", task.job.key)
            task.done = Done(None, JobFailed(unexpected(error)))
        finally:
            self._end(task)

    def _one_step(self, task: _Task, work: Work[Any]) -> Progress:
        tasks = _here.__dict__.setdefault("tasks", [])
        tasks.append(task)
        try:
            take_cores(self._cores() if any(one.job.is_long for one in tasks) else 1)
            return next(work)
        finally:
            tasks.remove(task)

    def _end(self, task: _Task) -> None:
        with self._lock:
            del self._tasks[task.job.key]
            done = task.done
            if done is not None:
                self._kept.put(
                    task.job.key, done, size_of(done.result), ERROR_SECONDS if done.error is not None else math.inf
                )
        task.ended.set()


_is_over = threading.Event()  # this process ends


@atexit.register
def _end() -> None:
    """Give the threads a moment: one that is inside torch when Python ends aborts the process."""
    _is_over.set()
    end = time.monotonic() + LAST_SECONDS
    for thread in list(_threads):
        thread.join(max(0.0, end - time.monotonic()))


def within(job: Job[T], shown: Progress | None = None) -> Work[T]:
    """In a job's work: the result of another one, `model = yield from within(opening)`. Raises its error.

    shown: the progress meanwhile, in place of the inner job's.
    """
    with closing(_here.pool.within(job, _here.tasks[0])) as work:
        while True:
            try:
                progress = next(work)
            except StopIteration as end:
                return end.value
            yield shown or progress


def report(words: str, share: float) -> None:
    """In a job's work, for code that takes a callback: progress without a yield. Raises Cancelled."""
    for task in _here.tasks:
        task.progress = Progress(share, words)
    if _here.pool.is_unwanted(_here.tasks[0]):
        raise Cancelled


def unexpected(error: Exception) -> str:
    """The sentence for a bug."""
    return (
        f"This part of the page met an error of the program ({type(error).__name__}). The log of the server, in the "
        "terminal where it was started, has the details; the rest of the page works."
    )
