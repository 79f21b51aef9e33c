"""notemill.pilot.advice"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.answers.sweep import Step
from notemill.config import Cohort, Experiment, LlamaCppEngine, Options
from notemill.pilot.advice import Advice, Plan, advise
from notemill.pilot.estimate import ShardCount
from notemill.pilot.record import PilotRecord
from tests.unit.pilot.records import asked_text, record, shard_texts, sweep

TERABYTE = 10**12
SLOTS_1_2_4_8 = sweep(
    Step(slots=1, texts=64, seconds=64),
    Step(slots=2, texts=64, seconds=32),
    Step(slots=4, texts=100, seconds=25.1),
    Step(slots=8, texts=100, seconds=25),
)


def plan(**changes: Any) -> Plan:
    """One shard of 360 texts, an hour for a pilot's 10 seconds; a fitting context."""
    values: dict[str, Any] = {
        "slots": 1,
        "options": Options(num_ctx=4096, num_predict=256),
        "counts": [ShardCount("0000", 360)],
        "notes": 400,
        "free_bytes": TERABYTE,
    }
    return Plan(**(values | changes))


def told(setting: str, pilot: PilotRecord, of: Plan) -> Advice:
    return next(advice for advice in advise(pilot, of) if advice.setting == setting)


def advised(setting: str, pilot: PilotRecord, of: Plan) -> Any:
    return told(setting, pilot, of).advised


def test_slots_are_the_fewest_of_the_fastest_with_what_they_gain() -> None:
    pilot = record(sweep=SLOTS_1_2_4_8)
    advice = told("slots", pilot, plan(slots=1))
    assert (advice.now, advice.advised) == (1, 4)
    assert "3.98 texts/s for 1: +298%" in advice.why
    assert advised("slots", pilot, plan(slots=4)) is None
    assert advised("slots", pilot, plan(slots=8)) is None
    assert advised("slots", pilot, plan(slots="auto")) is None
    assert advised("slots", pilot, plan(slots=3)) == 4


def test_slots_beyond_a_sweep_that_was_still_rising_are_kept() -> None:
    rising = sweep(*SLOTS_1_2_4_8.steps[:3], ended="the shard has no more texts to ask")
    advice = told("slots", record(sweep=rising), plan(slots=16))
    assert advice.advised is None
    assert "no more texts" in advice.why
    no_memory = sweep(*SLOTS_1_2_4_8.steps[:3], Step(slots=8, why_not="out of memory"))
    assert advised("slots", record(sweep=no_memory), plan(slots=16)) == 4


def test_one_step_or_none_or_steps_of_a_few_texts_advise_no_slots() -> None:
    lucky = Step(slots=4, texts=3, seconds=0.2)
    for steps in ((), SLOTS_1_2_4_8.steps[:1], (SLOTS_1_2_4_8.steps[0], lucky)):
        advice = told("slots", record(sweep=sweep(*steps, ended="time")), plan(slots=8))
        assert (advice.advised, advice.why) == (None, "no other number was measured: time")


def test_context_is_raised_where_texts_do_not_fit() -> None:
    """The longest prompt and an answer, rounded up to 512; a quarter more for other shards'."""
    pilot = record(shard_texts=shard_texts(beyond_context=7, longest_prompt=5000))
    advice = told("num_ctx", pilot, plan())
    assert advice.advised == 5632
    assert "7 of 1000 texts do not fit" in advice.why
    assert "every note is asked again" in advice.why
    two = [ShardCount("0000", 360), ShardCount("0001", 360)]
    assert advised("num_ctx", pilot, plan(counts=two)) == 6656


def test_a_text_beyond_all_models_is_no_reason_for_such_a_context() -> None:
    pilot = record(shard_texts=shard_texts(beyond_context=1, longest_prompt=4_000_000))
    advice = told("num_ctx", pilot, plan())
    assert advice.advised is None
    assert "1 of 1000 texts do not fit" in advice.why
    assert "more than models hold" in advice.why


def test_context_is_lowered_where_less_than_half_is_used() -> None:
    def of(longest: int) -> Advice:
        return told("num_ctx", record(shard_texts=shard_texts(longest_prompt=longest)), plan())

    assert (of(1792).advised, of(1791).advised, of(200).advised) == (None, 2048, 512)
    assert "every note is asked again" in of(200).why
    assert of(0).advised is None


def test_a_prompt_that_was_not_counted_is_told_as_about_so_long() -> None:
    guessed = told("num_ctx", record(), plan())
    assert "takes about 3000 tokens" in guessed.why
    counted = told("num_ctx", record(asked=[asked_text(1, prompt_tokens=3000)]), plan())
    assert "takes 3000 tokens" in counted.why


def test_an_answers_length_is_raised_where_answers_were_cut() -> None:
    texts = [asked_text(n, answer_tokens=50 + n) for n in range(20)]
    cut = asked_text(20, status="truncated", answer_tokens=256)
    advice = told("num_predict", record(asked=[*texts, cut]), plan())
    assert advice.advised == 384
    assert "1 of 21 answers were cut" in advice.why
    longer = asked_text(20, answer_tokens=400, changes="num_predict=512", attempts=2)
    assert advised("num_predict", record(asked=[*texts, longer]), plan()) == 640
    no_room = asked_text(20, status="truncated", answer_tokens=100)
    assert advised("num_predict", record(asked=[*texts, no_room]), plan()) is None


def test_an_answers_length_is_lowered_where_it_is_more_than_four_times_too_large() -> None:
    pilot = record(asked=[asked_text(n, answer_tokens=40) for n in range(20)])

    def of(num_predict: int) -> Any:
        return advised("num_predict", pilot, plan(options=Options(num_predict=num_predict)))

    assert (of(64), of(256), of(257), of(2000)) == (None, None, 64, 64)
    few = record(asked=pilot.asked[:3])
    assert advised("num_predict", few, plan(options=Options(num_predict=2000))) is None


def test_context_has_room_for_the_answers_that_are_advised() -> None:
    cut = [asked_text(n, status="truncated", answer_tokens=512) for n in range(9)]
    pilot = record(
        asked=[*cut, asked_text(9)], shard_texts=shard_texts(longest_prompt=3500, beyond_context=0)
    )
    now = plan(options=Options(num_ctx=4096, num_predict=512))
    assert advised("num_predict", pilot, now) == 768
    advice = told("num_ctx", pilot, now)
    assert advice.advised == 4608
    assert "do not fit with num_predict 768" in advice.why


@pytest.mark.parametrize(
    ("minutes", "shards", "gpus", "right"),
    [
        (30 * 16, 16, 1, None),
        (30 * 16, 8, 1, None),
        (30 * 16, 7, 1, 16),
        (30 * 16, 33, 1, 16),
        (30 * 16, 8, 12, 16),
        (30 * 16, 16, 24, 24),
        (30 * 16, 24, 24, None),
        (30 * 16, 16, 100, 48),
        (30 * 9000, 9000, 1, 2000),
        (30 * 9000, 2000, 1, None),
        (8, 16, 1, 1),
        (8, 1, 16, None),
        (20, 4, 4, None),
        (20, 4, 1, 1),
    ],
)
def test_shards_take_15_to_60_minutes_and_all_gpus(
    minutes: float, shards: int, gpus: int, right: int | None
) -> None:
    """A text takes 1.5 seconds, and no job anything but its texts."""
    texts = [asked_text(n, seconds=12, slots=8) for n in range(64)]
    steps = sweep(Step(slots=8, texts=64, seconds=96), Step(slots=4, texts=64, seconds=900))
    pilot = record(asked=texts, slots=8, sweep=steps, ready_s=0)
    counts = [ShardCount(f"{n:04d}", round(minutes * 40 / shards)) for n in range(shards)]
    advice = told("shards", pilot, plan(slots=8, counts=counts, gpus=gpus))
    assert (advice.now, advice.advised) == (shards, right)
    assert ("Nothing is asked again" in advice.why) == (right is not None)


def test_runtime_is_twice_the_longest_shards_and_the_start() -> None:
    """360 texts of 10 s / (2 - 1/20) and a start of 30 + 5 + 10 s: 31.5 minutes."""
    pilot, two = record(), [ShardCount("0000", 360), ShardCount("0001", 100)]
    for now, right in ((None, 70), (60, 70), (70, None), (240, None), (280, None), (290, 70)):
        assert advised("runtime", pilot, plan(counts=two, runtime=now, gpus=2)) == right
    assert advised("runtime", pilot, plan(counts=[ShardCount("0000", 1)])) == 30


def test_runtime_is_that_of_the_shards_as_advised() -> None:
    pilot, ten_hours = record(), [ShardCount("0000", 7200)]
    shards = advised("shards", pilot, plan(counts=ten_hours, gpus=1))
    assert shards == 21
    assert advised("runtime", pilot, plan(counts=ten_hours, gpus=1)) < 90


def test_where_nothing_is_left_shards_and_runtime_are_kept() -> None:
    done = plan(counts=[ShardCount("0000", 360, 360)], runtime=240)
    for setting in ("shards", "runtime"):
        assert told(setting, record(), done).why == "nothing is left to ask"
        assert advised(setting, record(), done) is None


def test_where_nothing_can_be_told_shards_and_runtime_say_why() -> None:
    pilot = record(asked=[], journal_bytes=0)
    for setting in ("shards", "runtime", "disk"):
        advice = told(setting, pilot, plan())
        assert advice.advised is None
        assert "can't tell: " in advice.why


def test_disk_is_a_line_for_each_text_and_each_note() -> None:
    """360 texts and 400 notes of 400 bytes."""
    assert told("disk", record(), plan()).why.endswith("take 304 KB at most")
    advice = told("disk", record(journal_bytes=1e9), plan())
    assert advice.advised is None
    full = told("disk", record(journal_bytes=2e9), plan())
    assert full.advised == "689 GB more"
    assert "move `results`" in full.why


@given(
    now=st.integers(1, 256) | st.just("auto"),
    num_ctx=st.integers(256, 200_000),
    num_predict=st.integers(8, 200_000),
    tokens=st.lists(st.integers(0, 10**6), max_size=9),
    longest=st.integers(0, 10**7),
    rates=st.lists(st.floats(0, 1e4).map(lambda seconds: round(seconds, 3)), max_size=9),
    texts=st.lists(st.integers(0, 10**7), min_size=1, max_size=20),
    seconds=st.floats(0, 1e6),
    status=st.sampled_from(["answered", "truncated", "too_long", "schema"]),
)
def test_no_advice_is_refused_by_the_configuration(
    now: Any,
    num_ctx: int,
    num_predict: int,
    tokens: list[int],
    longest: int,
    rates: list[float],
    texts: list[int],
    seconds: float,
    status: str,
) -> None:
    """Nor is one where all of it is taken, or what it advises for itself."""
    options = Options(num_ctx=num_ctx, num_predict=min(num_predict, num_ctx - 1))
    pilot = record(
        sweep=sweep(*(Step(slots=2**n, texts=9, seconds=rate) for n, rate in enumerate(rates))),
        asked=[
            asked_text(n, answer_tokens=count, seconds=seconds, status=status)
            for n, count in enumerate(tokens)
        ],
        shard_texts=shard_texts(longest_prompt=longest),
    )
    counts = [ShardCount(f"{n:04d}", count) for n, count in enumerate(texts)]
    values = {
        advice.setting: advice.advised or advice.now
        for advice in advise(pilot, plan(slots=now, options=options, counts=counts))
    }
    LlamaCppEngine(kind="llamacpp", weights="w", slots=values["slots"])  # type: ignore[arg-type]
    Experiment(
        task="t",
        engine="e",
        model="m",
        results_table="r",
        options=Options(num_ctx=values["num_ctx"], num_predict=values["num_predict"]),  # type: ignore[arg-type]
    )
    Cohort(query="q", id_columns=["i"], text_column="t", shards=values["shards"])  # type: ignore[arg-type]
    assert values["runtime"] is None or int(values["runtime"]) >= 30
