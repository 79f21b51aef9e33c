"""Rows of result shards, counted."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from notemill.report.tally import Tally


def test_a_prompt_that_the_engine_refused_is_no_prompt_of_no_tokens() -> None:
    tally = Tally([], {"properties": {}}, time=None)
    tally.add(
        pa.RecordBatch.from_pydict(
            {
                "status": ["answered", "too_long", "blank"],
                "attempts": [1, 1, 0],
                "prompt_tokens": [250, 0, 0],
                "answer_tokens": [30, 0, 0],
                "engine": ["llama.cpp", "llama.cpp", ""],
                "answered_at": [datetime(2026, 11, 21, tzinfo=UTC)] * 3,
            }
        )
    )
    assert tally.prompt_tokens.counts.sum() == tally.answer_tokens.counts.sum() == 1
    assert tally.attempts.counts[1] == 2
