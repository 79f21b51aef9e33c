"""What a pilot would set otherwise, and why: slots, context, answers, shards, run time, disk.

Each function looks at one setting. What it advises is what the configuration takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from notemill.answers.sweep import AS_GOOD, compared, fewest_of_fastest
from notemill.answers.verdict import Status
from notemill.config import Options
from notemill.pilot.estimate import Estimate, ShardCount, estimate
from notemill.pilot.rate import FEWEST
from notemill.pilot.record import PilotRecord

_ELSEWHERE = 1.25
"""By so much longer prompts than the pilot's shard has are to be expected in the others."""
_SHORTEST_MIN, _AIM_MIN, _LONGEST_MIN = 15, 30, 60
_LEAST_MIN = 10
"""Of a shard's job, where more shards keep more GPUs busy."""
_WORTH_A_START = 4
"""A job that asks for so many times what it takes to start is no waste, if its GPU is free."""
_MOST_SHARDS = 2000
_LEAST_RUNTIME_MIN = 30
_IN_SECONDS_MIN = 2
"""Shorter times are told in seconds."""
_LARGEST_CONTEXT = 131_072
"""Tokens. A text that needs more had better end as too_long than make all have so much."""
_ASKED_AGAIN = "A new experiment: every note is asked again"
_FULL = 0.9
"""Of the free space: with less left a file system is as good as full."""


@dataclass(frozen=True)
class Advice:
    """One setting. now: None where it can't be known here; advised: None to keep it."""

    setting: Literal["slots", "num_ctx", "num_predict", "shards", "runtime", "disk"]
    now: int | str | None
    advised: int | str | None
    why: str


@dataclass(frozen=True)
class Plan:
    """What is set, and what it meets.

    slots: of the engine; shards: of the cohort as configured, in `counts`; notes: of the cohort.
    free_bytes: of the file system of the results. gpus: jobs at once, None for the pilot's own.
    runtime: minutes that the profile gives an answer job, None where it isn't known.
    """

    slots: int | Literal["auto"]
    options: Options
    counts: Sequence[ShardCount]
    notes: int
    free_bytes: int
    gpus: int | None = None
    runtime: int | None = None


def advise(record: PilotRecord, plan: Plan) -> list[Advice]:
    """All settings, changed or kept."""
    slots = _slots(record, plan)
    num_predict = _num_predict(record, plan.options.num_predict)
    num_ctx = _num_ctx(record, plan, _number(num_predict.advised) or plan.options.num_predict)
    if num_predict.advised and int(num_predict.advised) >= _either(num_ctx):
        num_predict = replace(num_predict, advised=None, why="num_ctx has no room for longer ones")
    configured = _number(slots.advised) or plan.slots
    now = record.slots if configured == "auto" else record.slots_of(configured)
    expected = estimate(record, plan.counts, gpus=plan.gpus, slots=now)
    if isinstance(expected, Estimate):
        shards = _shards(expected, len(plan.counts))
        runtime = _runtime(expected, _either(shards), len(plan.counts), plan.runtime)
    else:
        why = f"can't tell: {expected.why}"
        shards = Advice("shards", len(plan.counts), None, why)
        runtime = Advice("runtime", plan.runtime, None, why)
    return [slots, num_ctx, num_predict, shards, runtime, _disk(record, plan)]


def _slots(record: PilotRecord, plan: Plan) -> Advice:
    steps = compared(record.sweep.steps)
    if plan.slots == "auto":
        return Advice("slots", "auto", None, f"auto takes {record.slots} on {record.gpu}")
    now, measured = plan.slots, record.slots_of(plan.slots)
    best = fewest_of_fastest(steps)
    if best is None or len(steps) < 2:
        ended = f": {record.sweep.ended}" if record.sweep.ended else ""
        return Advice("slots", now, None, f"no other number was measured{ended}")
    good = record.configured_for(best.slots)
    held = next((step for step in steps if step.slots == measured), None)
    if held and held.rate >= AS_GOOD * max(step.rate for step in steps):
        return Advice("slots", now, None, f"{held.rate:.3g} texts/s, no other number did more")
    if held and good != now:
        gain = best.rate / held.rate - 1
        return Advice(
            "slots", now, good, f"{best.rate:.3g} texts/s for {held.rate:.3g}: {gain:+.0%}"
        )
    largest = max(step.slots for step in steps)
    could_be_had = not any(step.why_not for step in record.sweep.steps)
    if measured > largest and best.slots == largest and could_be_had:
        return Advice(
            "slots", now, None, f"up to {largest} each number did more; {record.sweep.ended}"
        )
    if good == now:
        return Advice("slots", now, None, f"{best.rate:.3g} texts/s")
    return Advice("slots", now, good, f"{best.rate:.3g} texts/s; {now} were not measured")


def _num_predict(record: PilotRecord, now: int) -> Advice:
    asked = [text for text in record.asked if text.status in (Status.ANSWERED, Status.TRUNCATED)]
    longest = max((text.answer_tokens for text in asked), default=0)
    cut = sum(text.status == Status.TRUNCATED or "num_predict=" in text.changes for text in asked)
    right = _up(1.5 * longest, 64)
    if cut and right > now:
        return Advice(
            "num_predict",
            now,
            right,
            f"{cut} of {len(asked)} answers were cut; the longest took {longest} tokens. "
            f"{_ASKED_AGAIN}",
        )
    if cut:
        return Advice("num_predict", now, None, f"{cut} answers were cut where num_ctx ended")
    if len(asked) >= FEWEST and now > 4 * right:
        return Advice(
            "num_predict",
            now,
            right,
            f"the longest answer took {longest} tokens. {_ASKED_AGAIN}",
        )
    return Advice("num_predict", now, None, f"the longest answer took {longest} tokens")


def _num_ctx(record: PilotRecord, plan: Plan, num_predict: int) -> Advice:
    """For answers of num_predict tokens, which may be advised itself."""
    now, shard = plan.options.num_ctx, record.shard_texts
    others = len(plan.counts) > 1
    prompt = shard.longest_prompt
    right = _up(prompt * (_ELSEWHERE if others else 1) + num_predict, 512)
    counted = max((text.prompt_tokens for text in record.asked), default=0)
    tokens = f"{prompt}" if prompt == counted else f"about {prompt}"
    longest = f"the longest prompt of {'this shard' if others else 'the cohort'} takes {tokens}"
    if not prompt:
        return Advice("num_ctx", now, None, "no prompt was measured")
    if right > max(_LARGEST_CONTEXT, now):
        told = f"{_beyond(record, plan, num_predict)}; {longest} tokens, more than models hold"
        return Advice("num_ctx", now, None, told)
    if prompt + num_predict > now:
        return Advice(
            "num_ctx",
            now,
            right,
            f"{_beyond(record, plan, num_predict)}; {longest} tokens. {_ASKED_AGAIN}",
        )
    if prompt + num_predict < now / 2 and right < now:
        return Advice(
            "num_ctx",
            now,
            right,
            f"{longest} tokens; what is left over could be slots. {_ASKED_AGAIN}",
        )
    return Advice("num_ctx", now, None, f"{longest} tokens")


def _beyond(record: PilotRecord, plan: Plan, num_predict: int) -> str:
    shard = record.shard_texts
    if num_predict != plan.options.num_predict:
        return f"texts do not fit with num_predict {num_predict}"
    return f"{shard.beyond_context} of {shard.texts} texts do not fit"


def _shards(expected: Estimate, now: int) -> Advice:
    if not expected.jobs:
        return Advice("shards", now, None, "nothing is left to ask")
    asking_min = expected.texts_left * expected.askings * expected.rate.text_s[0] / 60
    each = asking_min / expected.jobs
    # As many as GPUs, as long as that is no waste of engines' starts.
    least = max(min(expected.gpus, int(asking_min / _LEAST_MIN)), 1)
    right = min(max(round(asking_min / _AIM_MIN), least), _MOST_SHARDS)
    told = f"{_minutes(each)} of asking each"
    fits = least <= now <= _MOST_SHARDS and _SHORTEST_MIN <= each <= _LONGEST_MIN
    # Fewer would save starts, and leave GPUs idle.
    spread_out = now <= expected.gpus and 60 * each >= _WORTH_A_START * expected.start_s
    if fits or now == right or (spread_out and each < _SHORTEST_MIN):
        return Advice("shards", now, None, told)
    return Advice(
        "shards",
        now,
        right,
        f"{told}, {_minutes(asking_min / right)} with {right}. Nothing is asked again",
    )


def _runtime(expected: Estimate, shards: int, shards_now: int, now: int | None) -> Advice:
    """shards: as advised."""
    if not expected.jobs:
        return Advice("runtime", now, None, "nothing is left to ask")
    text_s, _, high = expected.rate.text_s
    if shards == shards_now:
        longest_min = expected.longest_minutes
    else:  # a hash cuts evenly but for chance
        texts = expected.texts_left / shards
        most = min(texts + 3 * math.sqrt(texts), expected.texts_left)
        longest_min = (most * expected.askings * text_s + expected.start_s) / 60
    margin = max(2.0, high / text_s)
    right = max(_up(margin * longest_min + expected.start_s / 60, 10), _LEAST_RUNTIME_MIN)
    told = f"the longest job is expected to take {_minutes(longest_min)}"
    if now is not None and right <= now <= 4 * right:
        return Advice("runtime", now, None, told)
    if now is not None and now > right:
        told += "; shorter jobs find their place in the queue sooner"
    return Advice("runtime", now, right, told)


def _disk(record: PilotRecord, plan: Plan) -> Advice:
    """A journal's line for each text that is left, and as much for each note of a result shard."""
    left = sum(shard.left for shard in plan.counts)
    needed = record.journal_bytes * (left + plan.notes)
    now = _bytes(plan.free_bytes)
    if not record.journal_bytes:
        return Advice("disk", now, None, "can't tell: no answer was written")
    told = f"free; journals and result shards take {_bytes(needed)} at most"
    if needed > _FULL * plan.free_bytes:
        more = _bytes(max(needed / _FULL - plan.free_bytes, 1e6))
        return Advice("disk", now, f"{more} more", f"{told}: free some, or move `results`")
    return Advice("disk", now, None, told)


def _either(advice: Advice) -> int:
    return _number(advice.advised) or _number(advice.now) or 0


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _up(value: float, unit: int) -> int:
    """Rounded up to a multiple of the unit, one at least."""
    return max(math.ceil(round(value / unit, 6)), 1) * unit


def _minutes(minutes: float) -> str:
    if minutes < _IN_SECONDS_MIN:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.2g} min"


def _bytes(count: float) -> str:
    for unit in ("KB", "MB", "GB", "TB"):
        count /= 1000
        if count < 1000 or unit == "TB":
            return f"{count:.3g} {unit}"
    raise AssertionError
