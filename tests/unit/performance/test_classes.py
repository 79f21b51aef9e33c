"""The benchmark of classes asks by way of what a job asks by, whatever that becomes."""

from __future__ import annotations

from benchmarks.classes import LLAMA_8B_F16, gains, with_long_ones


def test_classes_ask_every_text_with_more_slots_where_notes_are_short() -> None:
    sizes = with_long_ones(300, 0.005, 7000)
    without, with_classes = gains(sizes, 8192, model=LLAMA_8B_F16)
    assert without.texts == with_classes.texts == 300
    assert [context for _, context in without.starts] == [8192]
    assert without.seconds > 0
