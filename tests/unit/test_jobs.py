"""Jobs: one result for all who ask, bounded, cancelled, kept; without Streamlit and almost without waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
import torch

from vit_explore.errors import ModelUnavailable, NotApplicable, VitExploreError
from vit_explore.ui.session import jobs, kept
from vit_explore.ui.session.jobs import Done, Job, JobFailed, Jobs, Progress, Work, report, within

LONG = 20.0  # patience of a test; nothing here takes so long


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Work that yields until it is opened; counts how often it ran, and how many ran at once."""

    def __init__(self, value: Any = "value") -> None:
        self.value, self.open = value, threading.Event()
        self.begun, self.closed = threading.Event(), threading.Event()
        self.runs = 0

    def __call__(self) -> Work[Any]:
        self.runs += 1
        self.begun.set()
        try:
            while not self.open.wait(0.002):
                yield Progress(0.25, "half of a half")
        finally:
            self.closed.set()
        return self.value


def job(name: str, work: Callable[[], Work[Any]], is_long: bool = False) -> Job[Any]:
    return Job((name,), f"Doing {name}", work, is_long)


def at_once(value: Any) -> Callable[[], Work[Any]]:
    def work() -> Work[Any]:
        yield Progress(0.5)
        return value

    return work


def failing(error: Exception, calls: list[int]) -> Callable[[], Work[Any]]:
    def work() -> Work[Any]:
        calls.append(1)
        yield Progress()
        raise error

    return work


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> Iterator[Jobs]:
    """A pool whose threads have ended after the test: none outlives its work."""
    made = Jobs(clock=clock)
    yield made
    clock.now += 1e6  # whatever still runs is abandoned
    until(lambda: made._threads == 0)


def test_long_work_takes_the_cores_that_are_spare_at_each_of_its_steps(clock: Clock) -> None:
    """What else runs takes one."""
    spare = chain([3, 1], repeat(2))
    seen: dict[str, list[int]] = {"long": [], "short": [], "inside": []}
    pool = Jobs(threads=2, clock=clock, cores=lambda: next(spare))

    def counting(name: str, steps: int) -> Work[str]:
        for _ in range(steps):
            seen[name].append(torch.get_num_threads())
            yield Progress()
        return name

    def long() -> Work[str]:
        yield from counting("long", 2)
        return (yield from within(job("inside", lambda: counting("inside", 1))))

    done = pool.ask(Job(("long",), "Long", long, is_long=True), "me", LONG)
    assert done is not None
    assert done.value == "inside"
    assert pool.ask(job("short", lambda: counting("short", 2)), "me", LONG) is not None
    assert seen == {"long": [3, 1], "inside": [2], "short": [1, 1]}
    until(lambda: pool._threads == 0)


def test_ten_threads_that_ask_the_same_get_one_result(pool: Jobs) -> None:
    gate, answers = Gate([1, 2]), []
    asked = job("a", gate)
    threads = [
        threading.Thread(target=lambda i=i: answers.append(pool.ask(asked, f"session {i}", LONG))) for i in range(10)
    ]
    for thread in threads:
        thread.start()
    gate.begun.wait(LONG)
    gate.open.set()
    for thread in threads:
        thread.join(LONG)
    assert gate.runs == 1
    assert len(answers) == 10
    assert all(answer.value is gate.value for answer in answers)


def test_no_result_before_the_end_but_progress(pool: Jobs) -> None:
    gate = Gate()
    asked = job("a", gate)
    assert pool.progress(asked) == Progress()
    assert pool.ask(asked, "me") is None
    until(lambda: pool.progress(asked) == Progress(0.25, "half of a half"))
    assert pool.kept(asked) is None
    gate.open.set()
    assert pool.ask(asked, "me", LONG) == Done("value")
    assert pool.ask(asked, "other") == Done("value")  # at once, and by nobody computed again
    assert gate.runs == 1


def test_only_so_many_run_at_once_and_of_the_long_ones_one(clock: Clock) -> None:
    pool = Jobs(threads=3, clock=clock)
    short, long = [Gate() for _ in range(4)], [Gate() for _ in range(3)]
    wanted = [job(f"long {i}", gate, is_long=True) for i, gate in enumerate(long)]
    wanted += [job(f"short {i}", gate) for i, gate in enumerate(short)]
    for one in wanted:
        pool.ask(one, "me")
    until(lambda: sum(gate.runs for gate in short + long) == 3)
    time.sleep(0.02)
    assert sum(gate.runs for gate in long) == 1
    assert sum(gate.runs for gate in short) == 2
    for gate in short + long:
        gate.open.set()
    assert all(pool.ask(one, "me", LONG) for one in wanted)
    assert [gate.runs for gate in short + long] == [1] * 7


def test_a_job_stops_at_its_next_yield_when_nobody_wants_it(pool: Jobs) -> None:
    gate = Gate()
    asked = job("a", gate)
    pool.ask(asked, "me")
    pool.ask(asked, "you")
    gate.begun.wait(LONG)
    pool.cancel(asked, "me")
    assert not gate.closed.wait(0.05)  # you still want it
    pool.cancel(asked, "you")
    assert gate.closed.wait(LONG)
    until(lambda: not pool._tasks)
    assert pool.kept(asked) is None
    gate.open.set()
    assert pool.ask(asked, "me", LONG) == Done("value")  # asked again, it is done again
    assert gate.runs == 2


def test_a_job_that_was_left_alone_stops(pool: Jobs, clock: Clock) -> None:
    gate = Gate()
    asked = job("a", gate)
    pool.ask(asked, "me")
    gate.begun.wait(LONG)
    for _ in range(3):  # a page that looks again keeps it alive
        clock.now += jobs.ABANDONED / 2
        pool.ask(asked, "me")
        assert not gate.closed.wait(0.02)
    clock.now += jobs.ABANDONED
    assert gate.closed.wait(LONG)


def test_a_page_in_a_hidden_tab_is_waited_for(pool: Jobs, clock: Clock) -> None:
    """Browsers wake the timers of a hidden tab once a minute; a page that was left does not ask again."""
    gate = Gate()
    asked = job("a", gate)
    pool.turn("me")
    pool.ask(asked, "me")
    gate.begun.wait(LONG)
    for _ in range(3):
        clock.now += 60
        assert not gate.closed.wait(0.02)
        pool.ask(asked, "me")
    clock.now += 60
    pool.turn("me")  # the same page is drawn anew after a silence
    assert not gate.closed.wait(0.02)
    pool.ask(asked, "me")
    pool.turn("me")  # another page, which asks for something else
    clock.now += jobs.ABANDONED / 2
    assert not gate.closed.wait(0.02)
    clock.now += jobs.ABANDONED
    assert gate.closed.wait(LONG)


def test_a_closed_tab_is_not_waited_for_long(pool: Jobs, clock: Clock) -> None:
    gate = Gate()
    pool.turn("me")
    pool.ask(job("a", gate), "me")
    gate.begun.wait(LONG)
    clock.now += jobs.HIDDEN
    assert gate.closed.wait(LONG)


def test_who_waits_in_the_call_is_asking_all_the_time(pool: Jobs, clock: Clock) -> None:
    gate, answers = Gate(), []
    thread = threading.Thread(target=lambda: answers.append(pool.ask(job("a", gate), "me", LONG)))
    thread.start()
    gate.begun.wait(LONG)
    clock.now += 10 * jobs.ABANDONED
    assert not gate.closed.wait(0.05)
    gate.open.set()
    thread.join(LONG)
    assert answers == [Done("value")]


def test_what_waits_and_is_wanted_no_more_never_begins(clock: Clock) -> None:
    pool = Jobs(threads=1, clock=clock)
    first, second = Gate(), Gate()
    pool.ask(job("first", first), "me")
    first.begun.wait(LONG)
    pool.ask(job("second", second), "me")
    pool.cancel(job("second", second), "me")
    first.open.set()
    until(lambda: pool._threads == 0)
    assert second.runs == 0


def test_a_refusal_is_a_result_for_some_time_only(pool: Jobs, clock: Clock) -> None:
    calls: list[int] = []
    asked = job("a", failing(ModelUnavailable("Not on this machine."), calls))
    ends = [pool.ask(asked, f"session {i}", LONG) for i in range(3)]
    errors = []
    for end in ends:
        with pytest.raises(ModelUnavailable, match=r"Not on this machine\.") as caught:
            _ = end.value
        errors.append(caught.value)
    assert len(set(map(id, errors))) == 3  # a copy each: threads that raise the same one would share its traceback
    assert len(calls) == 1
    clock.now += jobs.ERROR_SECONDS
    pool.ask(asked, "me", LONG)
    assert len(calls) == 2


def test_a_bug_is_one_sentence_and_its_traceback_is_in_the_log(pool: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        end = pool.ask(job("a", failing(ZeroDivisionError("by zero"), [])), "me", LONG)
    with pytest.raises(JobFailed, match="ZeroDivisionError") as caught:
        _ = end.value
    assert isinstance(caught.value, VitExploreError)
    assert "by zero" not in str(caught.value)
    assert "by zero" in caplog.text
    assert "Traceback" in caplog.text


def test_a_job_within_a_job_is_computed_once_and_kept(pool: Jobs) -> None:
    gate = Gate(3)
    gate.open.set()
    inner = job("inner", gate)

    def outer() -> Work[int]:
        return 10 * (yield from within(inner))

    assert pool.ask(job("outer", outer), "me", LONG) == Done(30)
    assert pool.ask(inner, "me") == Done(3)
    assert pool.ask(job("other", outer), "me", LONG) == Done(30)
    assert gate.runs == 1


def test_jobs_that_wait_for_each_others_parts_do_not_block_the_pool(clock: Clock) -> None:
    pool = Jobs(threads=2, clock=clock)
    gate = Gate(1)
    inner = job("inner", gate)

    def outer() -> Work[int]:
        return (yield from within(inner)) + 1

    outers = [job(f"outer {i}", outer) for i in range(6)]  # more than there are threads, all need the same
    for one in outers:
        pool.ask(one, "me")
    gate.begun.wait(LONG)
    gate.open.set()
    assert [pool.ask(one, "me", LONG) for one in outers] == [Done(2)] * 6
    assert gate.runs == 1


def test_the_error_of_an_inner_job_is_that_of_the_outer_one(pool: Jobs) -> None:
    inner = job("inner", failing(NotApplicable("It has none."), []))

    def outer() -> Work[None]:
        yield from within(inner)

    with pytest.raises(NotApplicable, match="It has none"):
        _ = pool.ask(job("outer", outer), "me", LONG).value


def test_the_outer_job_may_show_a_progress_of_its_own(pool: Jobs) -> None:
    gate = Gate(3)

    def outer() -> Work[int]:
        return (yield from within(job("inner", gate), Progress(0.9, "part 9 of 10")))

    asked = job("outer", outer)
    pool.ask(asked, "me")
    until(lambda: pool.progress(asked) == Progress(0.9, "part 9 of 10"))
    gate.open.set()
    assert pool.ask(asked, "me", LONG) == Done(3)


def test_cancelling_the_outer_job_stops_the_inner_one(pool: Jobs) -> None:
    gate = Gate()

    def outer() -> Work[Any]:
        return (yield from within(job("inner", gate)))

    asked = job("outer", outer)
    pool.ask(asked, "me")
    gate.begun.wait(LONG)
    until(lambda: pool.progress(asked).share == 0.25)  # the inner one's progress is the outer one's
    pool.cancel(asked, "me")
    assert gate.closed.wait(LONG)
    until(lambda: not pool._tasks)


def test_code_with_a_callback_reports_and_can_be_stopped(pool: Jobs) -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def load(progress: Callable[[str, float], None]) -> str:
        progress("reading", 0.75)
        begun.set()
        go_on.wait(LONG)
        try:
            progress("reading", 0.8)
        finally:
            closed.set()
        return "read"

    def work() -> Work[str]:
        yield Progress()
        return load(report)

    asked = job("a", work)
    pool.ask(asked, "me")
    begun.wait(LONG)
    assert pool.progress(asked) == Progress(0.75, "reading")
    pool.cancel(asked, "me")
    go_on.set()
    assert closed.wait(LONG)
    until(lambda: not pool._tasks)
    assert pool.kept(asked) is None
    assert not issubclass(jobs.Cancelled, Exception)  # no handler of errors on the way takes it for one


def test_a_generator_that_ignores_being_closed_does_not_take_its_thread_along(
    pool: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()

    def stubborn() -> Work[None]:
        while True:
            try:
                begun.set()
                yield Progress()
            except GeneratorExit:
                yield Progress()
                return

    asked = job("a", stubborn)
    pool.ask(asked, "me")
    begun.wait(LONG)
    pool.cancel(asked, "me")
    until(lambda: not pool._tasks)
    assert pool.ask(job("b", at_once(1)), "me", LONG) == Done(1)


# ---------------------------------------------------------------------- what is kept


@dataclass(frozen=True)
class Pair:
    array: np.ndarray
    more: tuple[Any, ...]


def test_the_size_of_a_result() -> None:
    result = Pair(np.zeros(10, np.float32), ({"a": np.zeros((2, 3))}, b"12345", 7, None))
    assert kept.size_of(result) == 40 + 48 + 5
    import torch

    assert kept.size_of((torch.nn.Linear(3, 2),)) == 4 * (3 * 2 + 2)


def test_arrays_that_sessions_share_cannot_be_written(pool: Jobs) -> None:
    result = pool.ask(job("a", at_once(Pair(np.zeros(3), (np.ones(2),)))), "me", LONG).value
    for array in (result.array, result.more[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_the_oldest_results_go_first_and_never_what_is_in_use(clock: Clock) -> None:
    cache: kept.Kept[str] = kept.Kept(most=100, most_bytes=100, clock=clock)
    for name in "abc":
        cache.put(name, name, 40)
    assert cache.size == 120  # all in use: a page that needs all three must not go round in circles
    clock.now += kept.IN_USE
    cache.get("a")
    cache.put("d", "d", 40)
    assert [cache.get(name) for name in "abcd"] == ["a", None, None, "d"]


def test_no_more_results_than_so_many(clock: Clock) -> None:
    cache: kept.Kept[int] = kept.Kept(most=3, most_bytes=10**9, clock=clock)
    for i in range(50):
        cache.put(i, i, 1)
        clock.now += kept.IN_USE
    assert len(cache) == 3
    assert cache.get(49) == 49
    assert cache.get(46) is None


def test_a_result_larger_than_everything_is_kept_while_it_is_used(clock: Clock) -> None:
    pool = Jobs(most_bytes=10, clock=clock)
    large = job("large", at_once(b"x" * 1000))
    pool.ask(large, "me", LONG)
    assert pool.kept(large) is not None
    clock.now += kept.IN_USE
    pool.ask(job("small", at_once(b"y")), "me", LONG)
    assert pool.kept(large) is None
