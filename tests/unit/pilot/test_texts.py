"""notemill.pilot.texts: what a pilot tells of its shard's texts."""

from __future__ import annotations

from notemill.pilot.record import ShardTexts
from notemill.pilot.texts import shard_texts
from tests.unit.pilot.records import asked_text

LENGTHS = {f"{number:064x}": 100 for number in range(9)} | {f"{9:064x}": 200}


def told(longest: int, status: str) -> ShardTexts:
    """With a last text, twice as long as the others, that ended so."""
    others = [asked_text(number, characters=100, prompt_tokens=50) for number in range(9)]
    last = asked_text(9, characters=200, prompt_tokens=longest, status=status)
    return shard_texts(LENGTHS, [*others, last], num_ctx=1000, num_predict=200)


def test_what_was_counted_is_told_and_not_what_its_characters_say() -> None:
    assert told(900, "answered").longest_prompt == 900
    assert told(900, "answered").beyond_context == 1
    short = [asked_text(number, characters=100, prompt_tokens=number) for number in range(1, 9)]
    assert shard_texts(LENGTHS, short, num_ctx=1000, num_predict=200).longest_prompt >= 8


def test_a_text_that_the_engine_refused_as_too_long_does_not_fit() -> None:
    assert told(0, "too_long").beyond_context == 1
    assert told(0, "timeout").beyond_context == 0
