"""notemill.answers.sweep: what a measure says of other contexts and other numbers of slots."""

from __future__ import annotations

import pytest

from notemill.answers.classes import tokens_of_bytes
from notemill.answers.sweep import Step, Sweep


def sweep(*steps: tuple[int, float], best: int | None, context: int | None = None) -> Sweep:
    made = [Step(slots=slots, texts=64, seconds=64 / rate) for slots, rate in steps]
    return Sweep(gpu="G", steps=made, best=best, ended="", measured_at="", context=context)


def test_a_longer_context_gets_what_the_memory_surely_holds() -> None:
    measured = sweep((8, 4.0), (16, 5.0), (32, 5.1), best=16, context=2048)
    assert [measured.slots_at(tokens, 8192) for tokens in (1024, 2048, 4096, 8192, 2**20)] == [
        16,
        16,
        16,
        8,
        1,
    ]


def test_a_measure_of_before_was_of_num_ctx() -> None:
    assert sweep((8, 4.0), best=8).slots_at(8192, 8192) == 8
    assert sweep((8, 4.0), best=8).slots_at(4096, 8192) == 8
    assert sweep(best=None).slots_at(8192, 8192) is None


def test_a_rate_lies_between_those_measured_and_never_beyond() -> None:
    measured = sweep((4, 2.0), (16, 8.0), best=16)
    assert measured.rate(4) == pytest.approx(2)
    assert measured.rate(8) == pytest.approx(4)
    assert measured.rate(64) == pytest.approx(8)
    assert 0 < measured.rate(1) < 2


def test_few_texts_take_more_tokens_than_is_estimated() -> None:
    counted = [(size, 100 + size // 4 + size % 7) for size in range(200, 9000, 37)]
    found = tokens_of_bytes(counted)
    assert found
    more = [tokens for size, tokens in counted if tokens > found.needed(size, 0)]
    assert len(more) <= 0.02 * len(counted)
    assert found.needed(4000, 256) == pytest.approx(100 + 1000 + 256, rel=0.05)
    assert tokens_of_bytes(counted[:5]) is None
