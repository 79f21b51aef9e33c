"""Endpoints that others ask too: late comers, draining, killed, cooling down, refused."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace

import pytest

from notemill.endpoints.publication import NoFolder
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task
from tests.unit.answers.endpoints import Place, Pooled, quick

__all__ = ["quick"]
pytestmark = pytest.mark.usefixtures("quick")


def test_each_text_is_asked_once_over_all_endpoints(task: Task) -> None:
    job = Pooled(task, 60, *(Place(f"e{number}") for number in range(3)))
    assert Counter(job.run().statuses.values()) == {"answered": 60}
    assert Counter(Counter(job.asked()).values()) == {1: 60}
    assert min(len(place.texts) for place in job.places.values()) > 10
    assert max(place.engine.most_at_once for place in job.places.values()) == 3


def test_one_that_comes_late_is_taken_in(task: Task) -> None:
    first, late = Place("first"), Place("late")
    job = Pooled(task, 300, first)

    def after() -> None:
        if len(first.texts) == 20:
            job.places["late"] = late

    first.after = after
    assert Counter(job.run().statuses.values()) == {"answered": 300}
    assert len(late.texts) > 10
    assert set(Counter(job.asked()).values()) == {1}


def test_a_draining_one_ends_what_it_has_and_is_asked_nothing_new(task: Task) -> None:
    leaving, other = Place("leaving", slots=4), Place("other", slots=4)
    job = Pooled(task, 200, leaving, other)
    begun: list[int] = []

    def after() -> None:
        if len(leaving.texts) > 30 and leaving.state == "ready":
            leaving.state = "draining"
            begun.append(len(leaving.texts))

    leaving.after = after
    assert Counter(job.run().statuses.values()) == {"answered": 200}
    assert begun == [len(leaving.texts)]
    assert set(Counter(job.asked()).values()) == {1}, "what it had begun was asked again"


def test_one_that_is_killed_cools_down_and_is_proven_before_it_returns(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    killed, other = Place("killed"), Place("other")
    job = Pooled(task, 300, killed, other)

    def after() -> None:
        if len(killed.texts) == 10 and killed.proofs == 1:
            killed.state = "gone"

    def back() -> None:
        if killed.proofs > 3:
            killed.state = "ready"

    killed.after, other.after = after, back
    with caplog.at_level(logging.INFO):
        job.run()
    assert Counter(job.statuses.values()) == {"answered": 300}
    assert killed.proofs > 3
    assert len(killed.texts) > 20, "it did not return"
    assert caplog.text.count("endpoint killed is gone and cools down") == 1
    assert "endpoint killed is back" in caplog.text
    # Those in flight when it was killed, and no others, were asked again.
    assert sum(count - 1 for count in Counter(job.asked()).values()) <= 3


def test_what_was_in_flight_at_a_guard_that_vanished_goes_to_the_others_at_once(task: Task) -> None:
    """A killed server of many slots: trying each of its texts alone would idle all others."""
    killed, other = Place("killed", slots=16), Place("other", slots=2)
    job = Pooled(task, 60, killed, other)

    def after() -> None:
        if len(killed.texts) >= 17:
            killed.state = "gone"
            job.places.pop("killed", None)

    killed.after = after
    assert Counter(job.run().statuses.values()) == {"answered": 60}
    assert len(killed.texts) + len(other.texts) - 60 > 8, "few were in flight"
    assert killed.alone == other.alone == []


def test_one_that_stays_away_keeps_no_text(task: Task) -> None:
    killed, other = Place("killed"), Place("other")
    job = Pooled(task, 60, killed, other)

    def after() -> None:
        if len(killed.texts) == 5:
            killed.state = "gone"
            job.places.pop("killed", None)
            job.passed_over["killed"] = "it was not renewed for 200 s"

    killed.after = after
    assert Counter(job.run().statuses.values()) == {"answered": 60}


def test_another_digest_is_refused_and_named_and_the_job_goes_on(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Place("wrong")
    wrong.refusal = EngineRefused("its model has the digest abc", remedy="another")
    job = Pooled(task, 40, wrong, Place("right"))
    assert Counter(job.run().statuses.values()) == {"answered": 40}
    assert wrong.texts == []
    assert wrong.proofs == 1, "it was proven again and again"
    assert "endpoint wrong is not asked" in caplog.text
    assert "digest abc" in caplog.text


def test_where_all_are_refused_one_message_says_so(task: Task) -> None:
    places = [Place("a"), Place("b")]
    for place in places:
        place.refusal = EngineRefused(f"{place.known.name} is wrong", remedy="mend it")
    job = Pooled(task, 4, *places)
    with pytest.raises(EngineRefused, match=r"a: a is wrong; b: b is wrong"):
        job.run()
    assert job.records == []


def test_most_endpoints_say_which_version_is_asked(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    places = [Place(name) for name in ("new", "b", "c")]
    places[0].engine.description = "small 2"
    job = Pooled(task, 40, *places)
    assert Counter(job.run().statuses.values()) == {"answered": 40}
    assert places[0].texts == []
    assert "it is small 2, and this job's answers come from small 1" in caplog.text


def test_no_endpoint_for_too_long_ends_the_job_with_one_message(task: Task) -> None:
    only = Place("only")
    job = Pooled(task, 40, only, wait_s=0.2)

    def after() -> None:
        if len(only.texts) == 10:
            only.state = "gone"

    only.after = after
    job.passed_over["old"] = "it was not renewed for 300 s"
    with pytest.raises(NotemillError, match=r"no endpoint could be asked for .* minutes") as error:
        job.run()
    assert "only: " in error.value.what
    assert "old: it was not renewed for 300 s" in error.value.what
    assert set(job.statuses.values()) == {"answered"}


def test_a_job_waits_for_the_first_endpoint_and_names_one_that_is_passed_over_once(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    job = Pooled(task, 5)
    look = job.look

    def later() -> object:
        job.passed_over["killed"] = f"it was not renewed for {200 + job.looks} s"
        if job.looks == 5:
            job.places["late"] = Place("late")
        return look()

    job.look = later  # type: ignore[method-assign, assignment]
    assert Counter(job.run().statuses.values()) == {"answered": 5}
    assert caplog.text.count("endpoint killed is passed over") == 1


def test_a_folder_that_the_first_server_makes_is_waited_for_and_named(task: Task) -> None:
    job = Pooled(task, 5, wait_s=0.1)

    def missing() -> object:
        raise NoFolder("this folder of endpoints does not exist", where="/there", remedy="serve")

    job.look = missing  # type: ignore[method-assign, assignment]
    with pytest.raises(NotemillError, match=r"no endpoint .*: /there: this folder of endpoints"):
        job.run()
    job = Pooled(task, 5, Place("first"))
    looks = iter([missing, missing])
    look = job.look
    job.look = lambda: next(looks, look)()  # type: ignore[method-assign, assignment, return-value]  # noqa: PLW0108
    assert Counter(job.run().statuses.values()) == {"answered": 5}


def test_a_job_that_waits_for_endpoints_ends_when_it_is_told_to(task: Task) -> None:
    gone = Place("gone")
    gone.state = "gone"
    job = Pooled(task, 5, gone, wait_s=60)
    look = job.look

    def later() -> object:
        if job.looks == 5:
            job._asyncio_task.get_loop().call_soon_threadsafe(job.cancel)
        return look()

    job.look = later  # type: ignore[method-assign, assignment]
    job.run_cancelled()
    assert job.records == []


def test_a_server_started_anew_under_its_name_is_another(task: Task) -> None:
    """Another address and token; the old one was refused."""
    place = Place("node")
    place.refusal = EngineRefused("the endpoint refuses the key", remedy="a new one")
    job = Pooled(task, 5, place, Place("other"))

    def after() -> None:
        place.refusal = None
        place.known = replace(place.known, at=replace(place.known.at, key="new"))

    job.places["other"].after = after
    job.run()
    assert Counter(job.statuses.values()) == {"answered": 5}


def test_one_whose_node_is_lost_closes_nothing_and_is_given_up_by_its_silence(task: Task) -> None:
    silent, other = Place("silent"), Place("other")
    job = Pooled(task, 40, silent, other)

    async def hangs(*_: object) -> object:
        silent.state = "gone"
        await asyncio.sleep(3600)
        raise AssertionError

    silent.ask = hangs  # type: ignore[method-assign, assignment]
    assert Counter(job.run().statuses.values()) == {"answered": 40}


def test_what_an_endpoint_refuses_for_good_ends_its_part_and_not_the_job(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(text: str) -> str | Exception:
        return NotemillError("the engine refuses every such request (401)", remedy="the key")

    job = Pooled(task, 20, Place("bad", answer=answer), Place("good"))
    assert Counter(job.run().statuses.values()) == {"answered": 20}
    assert "endpoint bad is not asked" in caplog.text
