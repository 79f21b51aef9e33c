"""What a note's text is: decoded, told blank from not, and named by its hash."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

_REPLACED = "\N{REPLACEMENT CHARACTER}"
_PIECE = re.compile(r"&#?\w{1,40};?|\S")
"""What may be seen: an entity of HTML, or a character that is no white space."""
_BEGINS_WITH_INK = re.compile(r"\s*[A-Za-z0-9]").match
"""Tells most texts from blank ones at once."""
_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}
"""Unicode's categories of control and format characters and of spaces."""
_UNSEEN_TOO = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Characters of other categories that have no ink: joiners, fillers, variation selectors."""


class UndecodedText(bytes):
    """A text column's value before decoding, told apart from binary data."""


class TextState(StrEnum):
    """Whether there is something to ask about."""

    OK = "ok"
    BLANK = "blank"
    NULL = "null"


class NoteText(NamedTuple):
    """A note's text. replaced: invalid UTF-8 sequences that became U+FFFD."""

    text: str | None
    state: TextState
    sha256: bytes
    replaced: int


def read_text(value: str | bytes | None) -> NoteText:
    """Decode a database value; bytes that are no UTF-8 are replaced and counted."""
    if value is None:
        return NoteText(None, TextState.NULL, hashlib.sha256(b"").digest(), 0)
    replaced = 0
    if isinstance(value, bytes):
        text, replaced = _decode(value)
    else:
        text = value
    state = TextState.OK if _BEGINS_WITH_INK(text) or not _is_blank(text) else TextState.BLANK
    return NoteText(text, state, hashlib.sha256(text.encode("utf-8")).digest(), replaced)


def shard_of(text_sha256: bytes, shards: int) -> int:
    """Number of the shard in which this text, and so every copy of it, lies.

    Each shard is a range of hashes: shards one after another hold the notes in the order of their
    texts' hashes, whatever the number of shards.
    """
    return int.from_bytes(text_sha256[:8]) * shards >> 64


def first_of_shard(shard: int, shards: int) -> int:
    """The lowest number of eight bytes with which a hash of this shard may begin."""
    return -(-(shard << 64) // shards)


def _is_blank(text: str) -> bool:
    """Whether nothing is to be seen: white space, characters without ink, `&nbsp;` and the like."""
    return not any(
        unicodedata.category(char) not in _UNSEEN and char not in _UNSEEN_TOO
        for piece in _PIECE.finditer(text)
        for char in html.unescape(piece[0])
    )


def _decode(value: bytes) -> tuple[str, int]:
    try:
        return value.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = value.decode("utf-8", errors="replace")
        already = value.count(_REPLACED.encode())
        return text, text.count(_REPLACED) - already
