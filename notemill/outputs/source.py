"""What the source's files have of a note beside its ids and its text, as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from notemill.config.cohort import MESSAGE

_DECODER = json.JSONDecoder()
_BLANKS = " \t\r\n"
_OPEN, _COLON, _COMMA = (
    re.compile(rf"[{_BLANKS}]*{sign}[{_BLANKS}]*") for sign in (r"\{", ":", ",")
)
_CLOSE = re.compile(rf"[{_BLANKS}]*\}}[{_BLANKS}]*\Z")


def members(line: str) -> dict[str, str]:
    """The members of the object that a line holds: by name each value as it is written there.

    Raises ValueError for what is no object.
    """
    found: dict[str, str] = {}
    place = _after(line, 0, _OPEN)
    if _CLOSE.match(line, place):
        return found
    while True:
        key, place = _DECODER.raw_decode(line, place)
        if not isinstance(key, str):
            raise ValueError("a name that is no text")
        start = _after(line, place, _COLON)
        _, place = _DECODER.raw_decode(line, start)
        found[key] = line[start:place].replace("\r", " ")  # a blank: no text has one as it is
        if _CLOSE.match(line, place):
            return found
        place = _after(line, place, _COMMA)


def joined(row: dict[str, str]) -> str:
    """Members of an object, in their order. row: each value as JSON."""
    return ", ".join(f"{_quoted(key)}: {row[key]}" for key in row)


def _quoted(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:  # half a character, which JSON can write as an escape alone
        return json.dumps(key)
    return json.dumps(key, ensure_ascii=False)


def _after(line: str, place: int, sign: re.Pattern[str]) -> int:
    """The place behind a sign and the blanks around it."""
    there = sign.match(line, place)
    if there is None:
        raise ValueError("another sign than an object has there")
    return there.end()


def beside(
    whole: str | dict[str, Any],
    left_out: Collection[str],
    taken: Collection[str],
    *,
    messages: bool = False,
) -> dict[str, str]:
    """What a source's row has beside its ids and its text: by name each value as JSON.

    whole: the line, or the values of a CSV or Parquet file; left_out: names of ids and text; taken:
    names that a line has of its own; what the source calls so gets source_ before its name.
    messages: the line is one of chat messages, whose text is the member that holds them.
    """
    if messages and isinstance(whole, str) and whole.lstrip(_BLANKS).startswith("["):
        return {}
    row = members(whole) if isinstance(whole, str) else {k: _told(v) for k, v in whole.items()}
    if messages:
        left_out = {*left_out, _holder(row)}
    others = {name: value for name, value in row.items() if name not in left_out}
    found: dict[str, str] = {}
    for name, value in others.items():
        free = name
        while free in taken or (free != name and (free in others or free in found)):
            free = f"source_{free}"
        found[free] = value
    return found


def _holder(row: dict[str, str]) -> str:
    """The member of a line that has its chat message in it."""
    if row.get("body", "").startswith("{"):
        return "body"
    return "messages" if "messages" in row else MESSAGE


def _told(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, default=_text)


def _finite(value: Any) -> Any:
    """JSON has no word for what is no finite number."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
