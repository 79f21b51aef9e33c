"""answers.attempts: each attempt changes something, for the reason that the last one failed."""

from __future__ import annotations

import pytest

from notemill.answers.attempts import Attempt, first_attempt, next_attempt
from notemill.answers.verdict import Status, Verdict
from notemill.config import Options

FIRST = first_attempt(Options(num_ctx=1000, num_predict=100, seed=7), timeout_s=30)


def after(status: Status, last: Attempt = FIRST, prompt_tokens: int = 50) -> Attempt | None:
    verdict = Verdict(status, hint="x: too short")
    return next_attempt(last, verdict, prompt_tokens=prompt_tokens, num_ctx=1000)


def test_the_first_is_the_experiments_own() -> None:
    own = Attempt(1, num_predict=100, seed=7, temperature=0.0, timeout_s=30)
    assert own == FIRST


def test_a_cut_answer_gets_twice_the_room() -> None:
    assert after(Status.TRUNCATED) == Attempt(2, 200, 7, 0.0, 30, changes="num_predict=200")


def test_the_room_ends_at_the_context() -> None:
    longer = after(Status.TRUNCATED, prompt_tokens=850)
    assert longer is not None
    assert longer.num_predict == 150
    assert after(Status.TRUNCATED, prompt_tokens=900) is None  # there is no more


def test_a_wrong_value_gets_the_validators_words() -> None:
    hinted = after(Status.SCHEMA)
    assert hinted is not None
    assert "x: too short" in hinted.hint
    assert (hinted.number, hinted.changes) == (2, "hint")


def test_broken_json_gets_another_seed_and_warmth() -> None:
    assert after(Status.INVALID_JSON) == Attempt(
        2, 100, 8, 0.3, 30, changes="seed=8 temperature=0.3"
    )


def test_warmth_is_never_taken_away() -> None:
    warm = first_attempt(Options(temperature=0.9), 30)
    again = after(Status.INVALID_JSON, warm)
    assert again is not None
    assert again.temperature == 0.9


def test_a_slow_answer_gets_twice_the_time_and_is_the_same_answer() -> None:
    """A server that was slow, or stood still, may not change what is answered."""
    assert after(Status.TIMEOUT) == Attempt(2, 100, 7, 0.0, 60, changes="timeout_s=60")


def test_a_server_error_gets_a_pause() -> None:
    assert after(Status.SERVER_ERROR) == Attempt(2, 100, 7, 0.0, 30, changes="pause")


@pytest.mark.parametrize("status", [Status.TOO_LONG, Status.ANSWERED, Status.BLANK])
def test_what_no_change_would_mend_is_not_tried_again(status: Status) -> None:
    assert after(status) is None


@pytest.mark.parametrize("status", Status)
def test_a_second_try_is_never_the_first_again(status: Status) -> None:
    again = after(status)
    assert again is None or (again.number == 2 and again.changes)


def test_changes_add_up() -> None:
    second = after(Status.TRUNCATED)
    assert second is not None
    third = after(Status.SCHEMA, second)
    assert third is not None
    assert (third.number, third.num_predict) == (3, 200)
    assert third.changes == "num_predict=200; hint"
