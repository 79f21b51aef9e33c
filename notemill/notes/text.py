"""What a note's text is: decoded, told blank from not, and named by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

_REPLACED = "\N{REPLACEMENT CHARACTER}"


class UndecodedText(bytes):
    """A text column's value before decoding, told apart from binary data."""


class TextState(StrEnum):
    """Whether there is something to ask about."""

    OK = "ok"
    BLANK = "blank"
    NULL = "null"


@dataclass(frozen=True)
class NoteText:
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
    state = TextState.OK if text.strip() else TextState.BLANK
    return NoteText(text, state, hashlib.sha256(text.encode("utf-8")).digest(), replaced)


def shard_of(text_sha256: bytes, shards: int) -> int:
    """Number of the shard in which this text, and so every copy of it, lies."""
    return int.from_bytes(text_sha256[:8]) % shards


def _decode(value: bytes) -> tuple[str, int]:
    try:
        return value.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = value.decode("utf-8", errors="replace")
        already = value.count(_REPLACED.encode())
        return text, text.count(_REPLACED) - already
