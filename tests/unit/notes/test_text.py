"""notemill.notes.text"""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.notes.text import TextState, first_of_shard, read_text, shard_of


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (None, TextState.NULL),
        ("", TextState.BLANK),
        (b"", TextState.BLANK),
        (" \t\r\n\N{NO-BREAK SPACE}", TextState.BLANK),
        ("x", TextState.OK),
        (" x ", TextState.OK),
        (b"\xff", TextState.OK),
    ],
)
def test_null_and_blank_are_told_from_text(value: str | bytes | None, state: TextState) -> None:
    note = read_text(value)
    assert note.state is state
    assert (note.text is None) == (value is None)


@pytest.mark.parametrize(
    ("value", "text", "replaced"),
    [
        (b"caf\xc3\xa9", "caf\xe9", 0),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}", 1),
        (b"\xff a \xfe", "\N{REPLACEMENT CHARACTER} a \N{REPLACEMENT CHARACTER}", 2),
        ("\N{REPLACEMENT CHARACTER}".encode(), "\N{REPLACEMENT CHARACTER}", 0),
        (b"\xef\xbf\xbd\xff", 2 * "\N{REPLACEMENT CHARACTER}", 1),
        (b"cut short \xf0\x9f\x98", "cut short \N{REPLACEMENT CHARACTER}", 1),
    ],
)
def test_invalid_utf8_is_replaced_and_counted(value: bytes, text: str, replaced: int) -> None:
    note = read_text(value)
    assert (note.text, note.replaced) == (text, replaced)


@given(st.text())
def test_bytes_and_text_of_one_note_are_the_same_note(text: str) -> None:
    assert read_text(text) == read_text(text.encode())
    assert read_text(text).text == text
    assert read_text(text).sha256 == hashlib.sha256(text.encode()).digest()


@given(st.binary())
def test_any_bytes_become_text_that_can_be_written(value: bytes) -> None:
    note = read_text(value)
    assert note.text is not None
    assert note.sha256 == hashlib.sha256(note.text.encode()).digest()
    assert (note.replaced > 0) == (note.text.encode() != value)


def test_shards_are_of_about_one_size() -> None:
    shards = Counter(shard_of(read_text(f"note {n}").sha256, 7) for n in range(7000))
    assert sorted(shards) == list(range(7))
    assert min(shards.values()) > 800


UNSEEN = [
    " ",
    "\t\n",
    "\0",
    "\x1b",
    "\xa0",
    "\xad",
    "\ufeff",
    "\u200b",
    "\u200d",
    "\u2060",
    "\u2028",
]
UNSEEN += [
    "\u3000",
    "\u2800",
    "\u3164",
    "\ufe0f",
    "&nbsp;",
    "&NonBreakingSpace;",
    "&#160;",
    "&#xA0;",
]
UNSEEN += ["&nbsp", "&shy;", "&zwnj;", "&#8203;", "&#10;", "&Tab;"]


@given(st.lists(st.sampled_from(UNSEEN)))
def test_what_has_no_ink_is_blank(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert read_text(text).state is read_text(text.encode()).state is TextState.BLANK


@given(st.lists(st.sampled_from(UNSEEN)), st.lists(st.sampled_from(UNSEEN)))
@pytest.mark.parametrize(
    "ink", ["x", ".", "&", "&amp;", "&lt;", "&#65;", "\ufffd", "\u5b57", "&nb"]
)
def test_one_character_with_ink_is_a_note(ink: str, before: list[str], after: list[str]) -> None:
    assert read_text("".join([*before, ink, " ", *after])).state is TextState.OK


@given(st.data(), st.integers(1, 9999))
def test_a_shard_begins_at_its_first_number(data: st.DataObject, shards: int) -> None:
    shard = data.draw(st.integers(0, shards - 1))
    first = first_of_shard(shard, shards)
    assert shard_of(first.to_bytes(8) + bytes(24), shards) == shard
    if first:
        assert shard_of((first - 1).to_bytes(8) + bytes(24), shards) == shard - 1


@given(st.text(), st.integers(1, 9999))
def test_a_texts_shard_is_its_place_among_all_hashes(text: str, shards: int) -> None:
    sha256 = read_text(text).sha256
    number = shard_of(sha256, shards)
    assert number in range(shards)
    after = int.from_bytes(sha256) + 1
    if after < 2**256:
        assert shard_of(after.to_bytes(32), shards) in (number, number + 1)
