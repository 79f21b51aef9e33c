"""notemill.progress, with a clock that the tests set."""

from __future__ import annotations

import logging

import pytest

from notemill import progress as module
from notemill.progress import Progress


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def started(clock: Clock, total: int | None = None) -> Progress:
    return Progress("texts", total=total, started=clock.now)


def test_a_line_says_how_far_how_fast_and_how_long(clock: Clock) -> None:
    progress = started(clock, 7200)
    progress.add(100, tokens=1500)
    progress.add(20, failed=True)
    clock.now += 60
    assert progress.line() == ("120/7200 texts, 2.0 texts/s, 25 tokens/s, 20 failed, 0:59:00 left")


def test_without_a_total_nothing_is_said_of_the_end(clock: Clock) -> None:
    progress = started(clock)
    progress.add(30)
    clock.now += 10
    assert progress.line() == "30 texts, 3.0 texts/s"


def test_at_the_beginning_it_promises_nothing(clock: Clock) -> None:
    assert started(clock, 5).line() == "0/5 texts, 0.0 texts/s"


def test_work_of_an_earlier_run_counts_as_done_but_not_as_fast(clock: Clock) -> None:
    progress = started(clock, 1000)
    progress.resume_at(900)
    progress.add(10)
    clock.now += 10
    assert progress.line() == "910/1000 texts, 1.0 texts/s, 0:01:30 left"


def test_lines_come_every_few_seconds_and_not_with_each_text(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "notemill")
    progress = started(clock, 100)
    for _ in range(10):
        progress.add()
    assert not caplog.messages
    clock.now += module.EVERY_S - 0.1
    progress.add()
    assert not caplog.messages
    clock.now += 0.2
    progress.line_if_due()
    progress.line_if_due()
    assert len(caplog.messages) == 1
    assert caplog.messages[-1].startswith("11/100 texts")
