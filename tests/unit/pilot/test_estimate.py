"""notemill.pilot.estimate and notemill.pilot.rate"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from notemill.answers.sweep import Step
from notemill.pilot.estimate import SNAKEMAKE_S, CantTell, Estimate, ShardCount, estimate
from notemill.pilot.record import PilotRecord
from tests.unit.pilot.records import asked_text, record, sweep
from tests.unit.pilot.simulated import READY_S, Clinic, clinic, ends, job_seconds, pilot

SHARDS = 4


def shards(*texts: int, answered: int = 0) -> list[ShardCount]:
    return [ShardCount(f"{n:04d}", count, answered) for n, count in enumerate(texts)]


def estimated(given: PilotRecord, counts: list[ShardCount], **how: Any) -> Estimate:
    told = estimate(given, counts, **how)
    assert isinstance(told, Estimate), told
    return told


def reason(given: PilotRecord, counts: list[ShardCount], **how: Any) -> str:
    told = estimate(given, counts, **how)
    assert isinstance(told, CantTell)
    return told.why


def test_hours_are_texts_over_the_rate_and_a_start_for_each_job() -> None:
    """20 texts, each 10 seconds long with 1 slot and so 2 in flight; as long as all others."""
    given = record(asked=[asked_text(n, seconds=10, slots=1) for n in range(20)], ready_s=30)
    told = estimated(given, shards(1000, 500))
    text_s = 10 / (2 - 1 / 20)
    start_s = 30 + SNAKEMAKE_S + 10
    assert told.rate.text_s[0] == pytest.approx(text_s)
    assert told.whole_hours.expected == pytest.approx((1500 * text_s + 2 * start_s) / 3600)
    assert told.left_hours == told.whole_hours
    assert told.shard_minutes == pytest.approx(
        {"0000": (1000 * text_s + start_s) / 60, "0001": (500 * text_s + start_s) / 60}
    )


def test_each_gpu_of_a_job_counts_and_so_many_fewer_jobs_run_at_once() -> None:
    """Without a sweep all servers' slots are full, and one text waits for each."""
    asked = [asked_text(n, seconds=10, slots=1) for n in range(20)]
    told = estimated(record(asked=asked, gpus=8, servers=4), shards(1000, 1000, 1000))
    text_s = 10 / (8 - 4 / 20)
    start_s = 30 + SNAKEMAKE_S + 10
    assert told.rate.text_s[0] == pytest.approx(text_s)
    assert told.whole_hours.expected == pytest.approx(4 * 3 * (1000 * text_s + start_s) / 3600)
    assert (told.gpus, told.gpus_a_job, told.rounds) == (2, 4, 2)
    on_cpu = estimated(record(asked=asked, gpu="CPU", servers=4), shards(1000))
    assert on_cpu.whole_hours.expected == pytest.approx((1000 * text_s + start_s) / 3600)


def test_the_sweeps_step_gives_the_rate_of_its_slots() -> None:
    texts = [asked_text(n, seconds=10, slots=4) for n in range(20)]
    given = record(asked=texts, slots=4, sweep=sweep(Step(slots=4, texts=50, seconds=25)))
    assert estimated(given, shards(100)).rate.text_s[0] == pytest.approx(0.5)
    even = sweep(Step(slots=4, texts=50, seconds=25, even_per_s=4))
    given = given.model_copy(update={"sweep": even})
    assert estimated(given, shards(100)).rate.text_s[0] == pytest.approx(0.25)


def test_a_sample_of_short_texts_is_corrected_to_the_shards_mean_length() -> None:
    """Seconds are characters / 100; the sample's mean is 500 characters and the shard's 1,000."""
    texts = [
        asked_text(n, characters=length, seconds=length / 100, slots=1000)
        for n, length in enumerate([300, 400, 500, 600, 700] * 400)
    ]
    given = record(asked=texts, slots=1000, characters=1000)
    told = estimated(given, shards(10**6))
    # With so many slots next to nothing of the seconds is waiting.
    assert told.rate.text_s[0] == pytest.approx(10 / 1000, rel=0.01)


def test_waiting_for_a_slot_is_not_taken_for_a_texts_own_cost() -> None:
    """With one slot a text waits for the one before it: 5 seconds here, whatever its length."""
    texts = [
        asked_text(n, characters=length, seconds=5 + length / 100, slots=1)
        for n, length in enumerate([300, 400, 500, 600, 700] * 400)
    ]
    told = estimated(record(asked=texts, characters=1000), shards(10**6))
    assert told.rate.text_s[0] == pytest.approx(10, rel=0.001)


def test_what_is_answered_is_not_counted_as_left() -> None:
    given = record()
    told = estimated(given, [ShardCount("0000", 100, 100), ShardCount("0001", 100, 40)])
    assert (told.texts, told.texts_left, told.jobs) == (200, 60, 1)
    assert list(told.shard_minutes) == ["0001"]
    assert told.left_hours.expected < told.whole_hours.expected / 3
    nothing = estimated(given, shards(100, 100, answered=100))
    assert (nothing.texts_left, nothing.left_hours.expected, nothing.wall_s.high) == (0, 0, 0)
    assert nothing.longest_minutes == 0


def test_shards_are_whole_jobs_on_the_gpus() -> None:
    """20 equal shards on 16 GPUs take two rounds, on 20 one."""
    given, twenty = record(), shards(*[1000] * 20)
    one = estimated(given, twenty, gpus=20)
    two = estimated(given, twenty, gpus=16)
    assert (one.rounds, two.rounds) == (1, 2)
    assert two.wall_s.expected == pytest.approx(2 * one.wall_s.expected)
    assert two.left_hours == one.left_hours
    long_last = estimated(given, shards(10, 10, 10_000), gpus=2)
    assert long_last.wall_s.expected > estimated(given, shards(10_000), gpus=2).wall_s.expected


def test_gpus_are_the_given_ones_or_the_profiles_or_one() -> None:
    assert estimated(record(gpus=None), shards(10)).gpus == 1
    assert estimated(record(gpus=7), shards(10)).gpus == 7
    assert estimated(record(gpus=7), shards(10), gpus=2).gpus == 2


def test_slots_that_were_not_measured_are_told_for_the_next_below() -> None:
    steps = sweep(Step(slots=2, texts=50, seconds=50), Step(slots=8, texts=50, seconds=10))
    texts = [asked_text(n, slots=8) for n in range(20)]
    given = record(asked=texts, slots=8, sweep=steps)
    for slots, measured in ((1, 2), (2, 2), (4, 2), (8, 8), (64, 8)):
        told = estimated(given, shards(100), slots=slots)
        assert told.slots == measured
        assert bool(told.remarks) == (slots != measured)


def test_slots_that_could_not_be_held_are_not_measured() -> None:
    lost = Step(slots=8, texts=50, seconds=1, why_not="the engine was lost")
    texts = [asked_text(n, slots=4) for n in range(20)]
    steps = sweep(Step(slots=4, texts=50, seconds=25), lost)
    told = estimated(record(asked=texts, slots=4, sweep=steps), shards(100), slots=8)
    assert (told.slots, told.rate.text_s[0]) == (4, pytest.approx(0.5))


def test_what_cant_be_told_is_told_as_that() -> None:
    some = [asked_text(n) for n in range(10)]
    assert "no text to ask" in reason(record(asked=some), [])
    assert "no text to ask" in reason(record(asked=some), shards(0, 0))
    assert "answered already" in reason(record(asked=[], asked_before=50), shards(100))
    assert "asked nothing" in reason(record(asked=[]), shards(100))
    assert "too few" in reason(record(asked=some[:1]), shards(100))
    assert "too few" in reason(record(asked=some[:4]), shards(100))
    assert estimated(record(asked=some[:5]), shards(100))
    failed = [text.model_copy(update={"status": "too_long"}) for text in some]
    assert "none of the 10 texts" in reason(record(asked=failed), shards(100))
    of_before = [text.model_copy(update={"slots": 0}) for text in some]
    assert "too few" in reason(record(asked=of_before, asked_before=10), shards(100))
    at_once = [text.model_copy(update={"seconds": 0.0}) for text in some]
    assert "too few" in reason(record(asked=at_once), shards(100))
    extremes = [text.model_copy(update={"drawn": False}) for text in some]
    assert "too few" in reason(record(asked=extremes), shards(100))
    each_alone = [text.model_copy(update={"slots": n + 1}) for n, text in enumerate(some)]
    assert "too few" in reason(record(asked=each_alone), shards(100))


def test_texts_that_never_filled_the_slots_are_said_to_be_too_few_for_that() -> None:
    given = record(asked=[asked_text(n, slots=64) for n in range(10)], slots=64)
    assert "could not keep 64 slots busy" in estimated(given, shards(1000)).remarks[0]


@pytest.mark.parametrize("lengths", [[500], [500, 700], [1], [0]])
def test_a_few_distinct_lengths_explain_nothing(lengths: list[int]) -> None:
    texts = [
        asked_text(n, characters=lengths[n % len(lengths)], seconds=1 + n % 3) for n in range(24)
    ]
    told = estimated(record(asked=texts, characters=sum(lengths) // len(lengths)), shards(1000))
    assert all(math.isfinite(each) and each > 0 for each in told.rate.text_s)


def test_failed_texts_cost_what_they_cost() -> None:
    """Every second text failed after three times the seconds."""
    texts = [asked_text(n, seconds=10 + 20 * (n % 2), slots=1) for n in range(40)]
    texts = [
        text.model_copy(update={"status": "schema" if n % 2 else "answered", "attempts": 1 + n % 2})
        for n, text in enumerate(texts)
    ]
    told = estimated(record(asked=texts), shards(1000))
    assert told.rate.text_s[0] == pytest.approx(20 / (2 - 1 / 40))


def test_a_step_of_few_texts_has_a_wide_range() -> None:
    texts = [asked_text(n, seconds=5 + n % 7, slots=4) for n in range(60)]

    def width(step: Step) -> float:
        low, high = estimated(
            record(asked=texts, slots=4, sweep=sweep(step)), shards(10**5)
        ).rate.text_s[1:]
        return high / low

    many, few = Step(slots=4, texts=400, seconds=400), Step(slots=4, texts=4, seconds=4)
    assert width(many) < 1.5
    assert width(few) > 2


def test_costs_that_tokens_explain_are_no_noise_of_a_step() -> None:
    """All texts of the cohort are asked, so that the step's own error is left."""
    step = sweep(Step(slots=1, texts=16, seconds=16, even_per_s=1))

    def width(tokens: list[int]) -> float:
        texts = [
            asked_text(n, seconds=1 + n % 7, answer_tokens=count) for n, count in enumerate(tokens)
        ]
        low, high = estimated(record(asked=texts, sweep=step), shards(70)).rate.text_s[1:]
        return high / low

    explained, unexplained = [10 + 10 * (n % 7) for n in range(70)], [50] * 70
    assert width(explained) < 1.2 < width(unexplained)


def test_the_range_ends_in_what_is_known() -> None:
    """Of a cohort that was asked whole chance says nothing; the machine's own is left."""
    texts = [asked_text(n, seconds=1 + n % 9) for n in range(64)]
    wide = estimated(record(asked=texts), shards(10**6)).rate.text_s
    narrow = estimated(record(asked=texts), shards(64)).rate.text_s
    assert narrow[2] / narrow[1] < wide[2] / wide[1]


def test_a_cpu_is_shared_and_so_its_range_is_wider() -> None:
    low, high = (
        estimated(record(gpu=gpu), shards(20)).rate.text_s[2] for gpu in ("NVIDIA L40S", "CPU")
    )
    assert low < high


@pytest.mark.parametrize(
    ("how", "slots"),
    [
        ({}, (8,)),
        ({}, (1, 2, 4, 8)),
        ({"spread": 1.0, "prompt_s": 5e-3}, (8,)),
        ({"prompt_s": 5e-3}, (1, 2, 4)),
        ({"spread": 0.05}, (4,)),
        ({"answers": 0.8}, (2, 4)),
    ],
)
def test_the_range_holds_the_truth_of_simulated_clinics(
    how: dict[str, float], slots: tuple[int, ...]
) -> None:
    """Pilots of 64 texts over 2,000: the range is to hold 95 %, chance of the draw left to it."""
    inside, near, pilots = 0, 0, 40
    for seed in range(pilots):
        there = clinic(seed, texts=2000, **how)
        told = estimated(
            pilot(there, SHARDS, notes=64, slots=slots), shards(*[len(there) // SHARDS] * SHARDS)
        )
        true = job_seconds(there, slots[-1], SHARDS) + SHARDS * SNAKEMAKE_S
        expected, low, high = (3600 * hours for hours in told.whole_hours)
        inside += low <= true <= high
        near += abs(expected / true - 1) < 0.15
    assert inside >= 0.85 * pilots
    assert near >= 0.85 * pilots


def test_the_simulation_keeps_its_slots_busy() -> None:
    """Four equal texts on two slots, three of them in flight."""
    seconds = np.array([1.0, 1.0, 1.0, 1.0]) / 2**0.3
    ended, waited = ends(seconds, 2)
    assert ended.tolist() == pytest.approx([1, 1, 2, 2])
    assert waited.tolist() == pytest.approx([1, 1, 2, 1])
    ones = np.ones(4, dtype=int)
    assert job_seconds(Clinic(ones, ones, ones, seconds), 2, 1) == pytest.approx(READY_S + 2)
